//! Input, output, passphrases and key files, the same for every command.

use crate::failure::{Failure, Kind};
use crate::global::Global;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use mediveil_abe::AttributeKey;
use mediveil_codec::{Wire, armor};
use mediveil_seal::identity::{Identity, KeyFileForm, PublicIdentity};
use mediveil_seal::{AtomicFile, Opener, Passphrase};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest key or passphrase file that is read, in bytes.
const MAX_KEY_FILE: u64 = 1 << 20;

/// Whether a path stands for stdin or stdout.
pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// An input: a file, or stdin for `-` or nothing.
pub(crate) struct Input {
    source: Source,
    /// How many bytes it has, where that is known.
    pub(crate) len: Option<u64>,
    progress: Option<ProgressBar>,
}

enum Source {
    File(File),
    Stdin(io::Stdin),
}

impl Input {
    pub(crate) fn open(path: Option<&Path>, global: &Global) -> Result<Self, Failure> {
        match path.filter(|p| !is_dash(p)) {
            None if path.is_none() && io::stdin().is_terminal() => {
                Err(Failure::usage("no input: name a file, or pipe something in"))
            }
            None => Ok(Self { source: Source::Stdin(io::stdin()), len: None, progress: None }),
            Some(path) => {
                let at = |e: io::Error| Failure::from(e).at(path);
                let file = File::open(path).map_err(at)?;
                let found = file.metadata().map_err(at)?;
                if found.is_dir() {
                    return Err(Failure::new(Kind::Failed, "is a directory").at(path));
                }
                let len = found.is_file().then_some(found.len());
                let progress = len.filter(|len| *len > 16 << 20 && global.shows_progress()).map(bar);
                Ok(Self { source: Source::File(file), len, progress })
            }
        }
    }

    /// The file, where the input is one that can be read at any place.
    pub(crate) fn into_file(self) -> Option<File> {
        match self.source {
            Source::File(mut file) => file.stream_position().is_ok().then_some(file),
            Source::Stdin(_) => None,
        }
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.source {
            Source::File(file) => file.read(out),
            Source::Stdin(stdin) => stdin.read(out),
        }?;
        if let Some(progress) = &self.progress {
            progress.inc(n as u64);
            if n == 0 {
                progress.finish_and_clear();
            }
        }
        Ok(n)
    }
}

/// A bar over bytes, on stderr.
pub(crate) fn bar(len: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(len);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// An output that appears whole or not at all; stdout for `-` or nothing.
pub(crate) enum Output {
    /// A file under a temporary name until [`Output::commit`].
    File(Box<AtomicFile>),
    /// Standard output, which cannot be taken back.
    Stdout(io::Stdout),
}

impl Output {
    /// `binary` output is not written to a terminal.
    pub(crate) fn create(path: Option<&Path>, binary: bool) -> Result<Self, Failure> {
        match path.filter(|p| !is_dash(p)) {
            Some(path) => {
                AtomicFile::create(path).map(|file| Self::File(Box::new(file))).map_err(|e| Failure::from(e).at(path))
            }
            None if binary && path.is_none() && io::stdout().is_terminal() => {
                Err(Failure::usage("the output is not text: name a file with -o, or use -o - if you mean it"))
            }
            None => Ok(Self::Stdout(io::stdout())),
        }
    }

    pub(crate) const fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout(_))
    }

    /// Puts the file in its place. Without this there is no file.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        match self {
            Self::File(file) => Ok(file.commit()?),
            Self::Stdout(mut out) => Ok(out.flush()?),
        }
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(data),
            Self::Stdout(out) => out.write(data),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

/// Where a passphrase comes from.
#[derive(Debug, Default, Args)]
pub(crate) struct PassphraseSource {
    /// Use a passphrase: from --passphrase-file, the variable `MEDIVEIL_PASSPHRASE`, or a question on the terminal
    #[arg(long)]
    passphrase: bool,
    /// Read the passphrase from the first line of this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseSource {
    pub(crate) const fn is_asked(&self) -> bool {
        self.passphrase || self.passphrase_file.is_some()
    }

    /// The passphrase, if one is asked for. `twice` asks again on a terminal, for one that is being chosen.
    pub(crate) fn get(&self, twice: bool) -> Result<Option<Passphrase>, Failure> {
        if self.is_asked() { self.demand("Passphrase: ", twice).map(Some) } else { Ok(None) }
    }

    /// The passphrase as text, if one is asked for: for formats of other tools.
    pub(crate) fn text(&self, twice: bool) -> Result<Option<Zeroizing<String>>, Failure> {
        if self.is_asked() { self.ask("Passphrase: ", twice).map(Some) } else { Ok(None) }
    }

    /// The passphrase, whether or not the flags ask for one.
    pub(crate) fn demand(&self, prompt: &str, twice: bool) -> Result<Passphrase, Failure> {
        self.ask(prompt, twice).map(|text| Passphrase::new(&text))
    }

    fn ask(&self, prompt: &str, twice: bool) -> Result<Zeroizing<String>, Failure> {
        if let Some(path) = &self.passphrase_file {
            let text = Zeroizing::new(read_small(path)?);
            let text = std::str::from_utf8(&text)
                .map_err(|_| Failure::new(Kind::Damaged, "the passphrase is not UTF-8 text").at(path))?;
            return checked(text.lines().next().unwrap_or_default());
        }
        if let Ok(text) = std::env::var("MEDIVEIL_PASSPHRASE") {
            return checked(&Zeroizing::new(text));
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "a passphrase is needed: give --passphrase-file FILE or set MEDIVEIL_PASSPHRASE",
            ));
        }
        let first = Zeroizing::new(rpassword::prompt_password(prompt)?);
        if twice {
            let second = Zeroizing::new(rpassword::prompt_password("The same again: ")?);
            if *first != *second {
                return Err(Failure::usage("the two passphrases differ"));
            }
        }
        checked(&first)
    }
}

fn checked(text: &str) -> Result<Zeroizing<String>, Failure> {
    if text.is_empty() {
        return Err(Failure::usage("the passphrase is empty"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// A small file, whole.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read_at_most(path, MAX_KEY_FILE)?;
    if bytes.len() as u64 > MAX_KEY_FILE {
        return Err(Failure::new(Kind::Damaged, "is over 1 MiB, too long for a key file").at(path));
    }
    Ok(bytes)
}

/// The first bytes of a file: all of it, or one byte more than `limit`.
fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut bytes = Vec::new();
        let source: Box<dyn Read> = if is_dash(path) { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    read().map_err(|e| Failure::from(e).at(path))
}

/// The secret identity in a key file; asks for its passphrase where it has one.
pub(crate) fn read_identity(path: &Path, passphrase: &PassphraseSource) -> Result<Identity, Failure> {
    let text = Zeroizing::new(read_small(path)?);
    let opened = if KeyFileForm::of(&text) == Some(KeyFileForm::SealedIdentity) {
        let passphrase = passphrase.demand(&format!("Passphrase of {}: ", path.display()), false)?;
        Identity::from_key_file(&text, Some(&passphrase))
    } else {
        Identity::from_key_file(&text, None)
    };
    opened.map_err(|e| Failure::from(e).at(path))
}

/// The public identity in a key file; the public half of a secret one will do.
pub(crate) fn read_public(path: &Path) -> Result<PublicIdentity, Failure> {
    let text = Zeroizing::new(read_small(path)?);
    let public = match KeyFileForm::of(&text) {
        Some(KeyFileForm::Identity) => Identity::from_key_file(&text, None).map(|i| i.public().clone()),
        _ => PublicIdentity::from_key_file(&text),
    };
    public.map_err(|e| Failure::from(e).at(path))
}

/// Whether a text begins as the armour of this object does.
pub(crate) fn is_armored<T: Wire>(text: &[u8]) -> bool {
    let begin = format!("-----BEGIN MEDIVEIL {}-----", T::TYPE.name().to_ascii_uppercase());
    text.trim_ascii_start().starts_with(begin.as_bytes())
}

/// An object in armour.
pub(crate) fn read_armored<T: Wire>(path: &Path) -> Result<T, Failure> {
    let text = Zeroizing::new(read_small(path)?);
    armor::decode(&text).map_err(|e| Failure::from(e).at(path))
}

/// An object in armour that may be as long as its kind allows.
pub(crate) fn read_object<T: Wire>(path: &Path) -> Result<T, Failure> {
    // Armour takes four bytes for three, and the line ends.
    let limit = (T::MAX_BODY as u64).saturating_mul(3).saturating_div(2).saturating_add(4096);
    let text = Zeroizing::new(read_at_most(path, limit)?);
    armor::decode(&text).map_err(|e| Failure::from(e).at(path))
}

/// Refuses to replace what is there.
pub(crate) fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::new(Kind::Refused, "exists, and is not replaced: choose another name").at(path));
    }
    Ok(())
}

/// Writes an object in armour; a secret one for the owner alone.
pub(crate) fn write_armored<T: Wire>(path: &Path, object: &T, secret: bool, replace: bool) -> Result<(), Failure> {
    let options = AtomicFile::options().keep_existing(!replace).private(secret);
    options.write(path, armor::encode(object).as_bytes()).map_err(|e| Failure::from(e).at(path))
}

/// The key in a file that opens: an identity or an attribute key.
pub(crate) fn read_opener(path: &Path) -> Result<Box<dyn Opener>, Failure> {
    let text = Zeroizing::new(read_small(path)?);
    if is_armored::<AttributeKey>(&text) {
        let key: AttributeKey = armor::decode(&text).map_err(|e| Failure::from(e).at(path))?;
        return Ok(Box::new(key));
    }
    Ok(Box::new(read_identity(path, &PassphraseSource::default())?))
}

/// The FHIR bundles (*.json) of a folder, in the order of their names.
pub(crate) fn bundles(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let at = |e: io::Error| Failure::from(e).at(folder);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() { Err(Failure::usage("has no FHIR bundles (*.json)").at(folder)) } else { Ok(paths) }
}
