//! `mediveil paper`: a secret on paper, in words, that some of several people bring back together (SLIP-39).

use crate::failure::{Failure, Kind};
use crate::files::{Input, Output, PassphraseSource, read_small, refuse_existing};
use crate::global::Global;
use clap::{Args, Subcommand};
use mediveil_rng::Rng;
use mediveil_seal::{AtomicFile, OpenReader, Passphrase, Sealer};
use mediveil_threshold::slip39::{self, Group, Share, Slip39Error, Split as How};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Paper shares.
#[derive(Debug, Subcommand)]
pub(crate) enum PaperCommand {
    /// Split a file among people: words on paper for each, and one sealed file for all
    Split(Split),
    /// Bring the file back from enough shares
    Join(Join),
}

/// `paper split`.
///
/// SLIP-39 shares secrets of 16 to 64 bytes. So a fresh recovery key of 32 bytes is what goes on paper, and the file, of any
/// size, is sealed under it: its 64 hexadecimal digits are the passphrase of --sealed, an ordinary sealed file. Any SLIP-39
/// tool therefore brings the key back, and `mediveil open --passphrase` the file. Keep the sealed file in several places: it
/// is of no use without the words, and they without it.
#[derive(Debug, Args)]
pub(crate) struct Split {
    /// What to split, such as a secret identity
    file: PathBuf,
    /// A group of people and how many of them are needed, such as 3of5; once for each group
    #[arg(long, value_name = "NofM", required = true)]
    group: Vec<GroupArg>,
    /// How many groups are needed; all of them unless said otherwise
    #[arg(long, value_name = "N")]
    groups_needed: Option<u8>,
    /// Where the file goes, sealed under the key that the words give
    #[arg(long, value_name = "FILE", required_unless_present = "raw", conflicts_with = "raw")]
    sealed: Option<PathBuf>,
    /// The file is itself a secret of 16 to 64 bytes, an even number: put these bytes into words, and seal nothing
    #[arg(long)]
    raw: bool,
    /// Write each share as a text file of its own in this folder, for its owner alone, instead of printing all of them
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// PBKDF2 makes 10000 * 2^N iterations over the passphrase
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=15))]
    iterations: u8,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// `paper join`.
///
/// With --raw a wrong passphrase gives another secret and no error: the standard wants it so.
#[derive(Debug, Args)]
pub(crate) struct Join {
    /// Text files with a share each. Lines that begin with # are passed over, and so are shares beyond those needed
    #[arg(required = true)]
    shares: Vec<PathBuf>,
    /// The file that was sealed when the key was split
    #[arg(long, value_name = "FILE", required_unless_present = "raw", conflicts_with = "raw")]
    sealed: Option<PathBuf>,
    /// Write the secret itself
    #[arg(long)]
    raw: bool,
    /// Where it goes; readable for its owner alone, and never over an existing file
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// `3of5`
#[derive(Clone, Copy, Debug)]
struct GroupArg(Group);

impl FromStr for GroupArg {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected how many are needed of how many, such as 3of5";
        let (needed, members) = text.split_once("of").ok_or(EXPECTED)?;
        let number = |text: &str| text.parse().map_err(|_| EXPECTED);
        Ok(Self(Group { needed: number(needed)?, members: number(members)? }))
    }
}

impl From<Slip39Error> for Failure {
    fn from(error: Slip39Error) -> Self {
        let kind = match &error {
            Slip39Error::Parameters(_) | Slip39Error::Passphrase => Kind::Usage,
            Slip39Error::Count(_) => Kind::Refused,
            _ => Kind::Damaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl PaperCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Split(split) => split.run(global),
            Self::Join(join) => join.run(global),
        }
    }
}

/// The recovery key as the passphrase of a sealed file. The key has 256 bits, so that iterations add nothing.
fn lock(key: &[u8]) -> Result<Passphrase, Failure> {
    let mut digits = Zeroizing::new(String::with_capacity(64));
    for byte in key {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    Passphrase::new(&digits)
        .with_iterations(Passphrase::MIN_ITERATIONS)
        .map_err(|e| Failure::new(Kind::Failed, e.to_string()))
}

/// A share as its owner gets it: two lines for people, and the words, five on a line.
fn page(share: &Share, of: usize) -> Zeroizing<String> {
    let groups = if share.groups() == 1 {
        String::new()
    } else {
        format!(", and {} of the {} groups", share.groups_needed(), share.groups())
    };
    let mut text = Zeroizing::new(format!(
        "# Group {}, share {} of {of}: {} of them are needed{groups} (SLIP-39).\n# Keep it where nobody else reads it.\n",
        share.group(),
        share.member(),
        share.needed(),
    ));
    let words = share.to_words();
    for (i, word) in words.split(' ').enumerate() {
        if i > 0 {
            text.push(if i % 5 == 0 { '\n' } else { ' ' });
        }
        text.push_str(word);
    }
    text.push('\n');
    text
}

/// Writes files that all appear or none does.
fn write_together(files: &[(PathBuf, Zeroizing<String>)]) -> Result<(), Failure> {
    files.iter().try_for_each(|(path, _)| refuse_existing(path))?;
    let mut open = Vec::with_capacity(files.len());
    for (path, text) in files {
        let at = |e: std::io::Error| Failure::from(e).at(path);
        let mut file = AtomicFile::options().keep_existing(true).private(true).create(path).map_err(at)?;
        file.write_all(text.as_bytes()).map_err(at)?;
        open.push((path, file));
    }
    let mut placed: Vec<&Path> = Vec::new();
    for (path, file) in open {
        if let Err(error) = file.commit() {
            // What was placed by this command a moment ago.
            placed.iter().for_each(|path| drop(std::fs::remove_file(path)));
            return Err(Failure::from(error).at(path));
        }
        placed.push(path);
    }
    Ok(())
}

impl Split {
    /// The secret that goes into words.
    fn secret(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if self.raw {
            return Ok(Zeroizing::new(read_small(&self.file)?));
        }
        let mut key = Zeroizing::new(vec![0; 32]);
        mediveil_rng::system().fill_bytes(&mut key);
        Ok(key)
    }

    fn run(&self, global: &Global) -> Result<(), Failure> {
        let groups: Vec<Group> = self.group.iter().map(|g| g.0).collect();
        let all = u8::try_from(groups.len()).unwrap_or(u8::MAX);
        let groups_needed = self.groups_needed.unwrap_or(all);
        let how = How { groups_needed, groups, iteration_exponent: self.iterations };
        if let Some(path) = &self.sealed {
            refuse_existing(path)?;
        }
        let passphrase = self.passphrase.text(true)?.unwrap_or_default();
        let secret = self.secret()?;
        let shares = slip39::split(&secret, &passphrase, &how, &mut mediveil_rng::system())?;
        // What was never joined might never join.
        let enough: Vec<Share> = shares
            .iter()
            .take(groups_needed.into())
            .flat_map(|group| group.iter().take(group.first().map_or(0, |s| s.needed().into())))
            .cloned()
            .collect();
        if slip39::join(&enough, &passphrase)? != secret {
            return Err(Failure::new(Kind::Failed, "the shares do not give the secret back"));
        }
        let sealed = match &self.sealed {
            None => None,
            Some(path) => {
                let key = lock(&secret)?;
                let mut input = Input::open(Some(&self.file), global)?;
                let mut out =
                    AtomicFile::options().keep_existing(true).create(path).map_err(|e| Failure::from(e).at(path))?;
                Sealer::new().to(&key).copy(&mut input, &mut out, &mut mediveil_rng::system())?;
                Some((path, out))
            }
        };
        let files: Vec<(PathBuf, Zeroizing<String>)> = shares
            .iter()
            .flat_map(|group| group.iter().map(|share| (share, group.len())))
            .map(|(share, of)| {
                let name = format!("group-{}-share-{}.txt", share.group(), share.member());
                (self.dir.as_deref().unwrap_or(Path::new("")).join(name), page(share, of))
            })
            .collect();
        if let Some(folder) = &self.dir {
            std::fs::create_dir_all(folder).map_err(|e| Failure::from(e).at(folder))?;
            write_together(&files)?;
        }
        if let Some((path, out)) = sealed {
            out.commit().map_err(|e| Failure::from(e).at(path))?;
        }
        self.tell(global, &shares, &files);
        Ok(())
    }

    fn tell(&self, global: &Global, shares: &[Vec<Share>], files: &[(PathBuf, Zeroizing<String>)]) {
        let describe = |share: &Share, path: &Path| {
            let mut json = json!({ "group": share.group(), "share": share.member(), "needed": share.needed() });
            if let Some(object) = json.as_object_mut() {
                match &self.dir {
                    Some(_) => object.insert("file".into(), path.display().to_string().into()),
                    None => object.insert("words".into(), share.to_words().as_str().into()),
                };
            }
            json
        };
        let listed: Vec<Value> =
            shares.iter().flatten().zip(files).map(|(share, (path, _))| describe(share, path)).collect();
        let json = json!({
            "groups": shares.len(), "groups_needed": self.groups_needed.map_or(shares.len(), usize::from),
            "shares": listed, "sealed": self.sealed,
        });
        match &self.dir {
            Some(folder) => {
                let mut text = format!("{}: {} shares, each in a file of its own", folder.display(), files.len());
                if let Some(sealed) = &self.sealed {
                    let _ = write!(text, "\n{}: needed with them", sealed.display());
                }
                global.report(false, &json, &text);
            }
            None => {
                let pages: Vec<&str> = files.iter().map(|(_, page)| page.as_str()).collect();
                global.answer(&json, &Zeroizing::new(pages.join("\n")));
            }
        }
    }
}

/// A share from its text file.
fn read_share(path: &Path) -> Result<Share, Failure> {
    let bytes = Zeroizing::new(read_small(path)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new(Kind::Damaged, "is not text").at(path))?;
    let mut words = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        words.push_str(line);
        words.push('\n');
    }
    Share::from_words(&words).map_err(|e| Failure::from(e).at(path))
}

/// As many shares as are needed, from those at hand.
fn enough(shares: &[(PathBuf, Share)]) -> Result<Vec<Share>, Failure> {
    let Some((_, first)) = shares.first() else { return Err(Slip39Error::Count("there are none").into()) };
    let mut groups: BTreeMap<u8, Vec<&Share>> = BTreeMap::new();
    for (path, share) in shares {
        if !share.is_of_one_split(first) {
            return Err(Failure::from(Slip39Error::Mismatch).at(path));
        }
        let group = groups.entry(share.group()).or_default();
        match group.iter().find(|other| other.member() == share.member()) {
            None => group.push(share),
            Some(other) if *other == share => {}
            Some(_) => return Err(Failure::from(Slip39Error::Duplicate).at(path)),
        }
    }
    let complete = |group: &Vec<&Share>| group.first().is_some_and(|s| group.len() >= usize::from(s.needed()));
    let needed = usize::from(first.groups_needed());
    let found = groups.values().filter(|group| complete(group)).count();
    if found < needed {
        let counts: Vec<String> = groups
            .iter()
            .map(|(number, group)| {
                let needed = group.first().map_or(0, |s| s.needed());
                format!("group {number}: {} of {needed} shares", group.len())
            })
            .collect();
        let why = format!("{found} of {needed} groups have enough shares ({})", counts.join("; "));
        return Err(Failure::new(Kind::Refused, why));
    }
    let chosen = groups.values().filter(|group| complete(group)).take(needed);
    Ok(chosen
        .flat_map(|group| group.iter().take(group.first().map_or(0, |s| s.needed().into())))
        .map(|share| (*share).clone())
        .collect())
}

impl Join {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let shares = self
            .shares
            .iter()
            .map(|path| Ok((path.clone(), read_share(path)?)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let enough = enough(&shares)?;
        let passphrase = self.passphrase.text(false)?.unwrap_or_default();
        let secret = slip39::join(&enough, &passphrase)?;
        let at = |e: std::io::Error| Failure::from(e).at(&self.out);
        refuse_existing(&self.out)?;
        let out = AtomicFile::options().keep_existing(true).private(true).create(&self.out).map_err(at)?;
        let mut out = Output::File(Box::new(out));
        let bytes = match &self.sealed {
            None => {
                out.write_all(&secret).map_err(at)?;
                secret.len() as u64
            }
            Some(path) => {
                let key = lock(&secret)?;
                let input = Input::open(Some(path), global)?;
                let reader = OpenReader::new(input, &[&key]).map_err(|e| Failure::from(e).at(path))?;
                reader.copy_to(&mut out).map_err(|e| Failure::from(e).at(path))?.0
            }
        };
        out.commit().map_err(|e| e.at(&self.out))?;
        let text = format!("{}: {bytes} bytes from {} shares", self.out.display(), enough.len());
        global.report(false, &json!({ "out": self.out, "bytes": bytes, "shares": enough.len() }), &text);
        Ok(())
    }
}
