//! `mediveil open`.

use crate::commands::ring::HeldRing;
use crate::failure::{Failure, Kind};
use crate::files::{Input, Output, PassphraseSource, read_opener, read_public};
use crate::global::Global;
use clap::Args;
use mediveil_seal::{OpenError, OpenReader, Opener, SeekReader};
use serde_json::json;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::str::FromStr;

/// `open`.
#[derive(Debug, Args)]
pub(crate) struct Open {
    /// The sealed file; stdin if it is - or missing
    file: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// Where the content goes; stdout if it is - or missing. A file appears only when all of it was verified; stdout
    /// receives verified bytes as they come, and only the exit code says that the end was reached
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only the bytes from A up to but not including B, such as 100..200, 100.. or ..200
    #[arg(long, value_name = "A..B")]
    range: Option<ByteRange>,
    /// Demand that this identity signed the file. With --range the whole file is read once to check it
    #[arg(long, value_name = "PUB")]
    author: Option<PathBuf>,
    /// Demand these public words in the header
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
}

/// The keys to try.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// A secret identity or an attribute key; may be given several times. Attribute keys never combine
    #[arg(long, short, value_name = "KEY")]
    identity: Vec<PathBuf>,
    /// A key ring that a passphrase unlocks
    #[arg(long, value_name = "FILE")]
    ring: Option<PathBuf>,
    /// The wrapping file that the ring is bound to
    #[arg(long, value_name = "FILE", requires = "ring")]
    wrapping: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

impl Keys {
    /// Identities and attribute keys alone.
    pub(crate) fn of(identity: &[PathBuf]) -> Self {
        Self { identity: identity.to_vec(), ring: None, wrapping: None, passphrase: PassphraseSource::default() }
    }

    /// Everything that was named, as openers.
    pub(crate) fn openers(&self, global: &Global) -> Result<Vec<Box<dyn Opener>>, Failure> {
        let mut openers: Vec<Box<dyn Opener>> = Vec::new();
        for path in &self.identity {
            openers.push(read_opener(path)?);
        }
        if let Some(path) = &self.ring {
            openers.push(Box::new(HeldRing::read(path, self.wrapping.clone(), global.now())?));
        }
        if let Some(passphrase) = self.passphrase.get(false)? {
            openers.push(Box::new(passphrase));
        }
        if openers.is_empty() {
            return Err(Failure::usage("with which key? name one with -i KEY or --ring FILE, or use --passphrase"));
        }
        Ok(openers)
    }
}

/// A half-open range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ByteRange {
    from: u64,
    to: Option<u64>,
}

impl FromStr for ByteRange {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a range of bytes such as 100..200, 100.. or ..200";
        let (from, to) = text.split_once("..").ok_or(EXPECTED)?;
        let number = |text: &str, empty| if text.is_empty() { Ok(empty) } else { text.parse().map(Some) };
        let from = number(from, Some(0)).map_err(|_| EXPECTED)?.ok_or(EXPECTED)?;
        let to = number(to, None).map_err(|_| EXPECTED)?;
        if to.is_some_and(|to| to < from) { Err("the range ends before it begins") } else { Ok(Self { from, to }) }
    }
}

impl Open {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let openers = self.keys.openers(global)?;
        let openers: Vec<&dyn Opener> = openers.iter().map(AsRef::as_ref).collect();
        let demanded = self.author.as_deref().map(read_public).transpose()?;
        let input = Input::open(self.file.as_deref(), global)?;
        let out = Output::create(self.out.as_deref(), false)?;
        let stdout = out.is_stdout();
        let (bytes, author) = match self.range {
            None => self.whole(input, out, &openers, demanded.as_ref().map(|d| d.verifying_key()))?,
            Some(range) => self.part(range, input, out, &openers, demanded.as_ref().map(|d| d.verifying_key()))?,
        };
        let author = author.map(|a| a.fingerprint());
        let to = self.out.as_ref().map_or_else(|| "stdout".into(), |p| p.display().to_string());
        let text = match &author {
            Some(author) => format!("{to}: {bytes} bytes, signed by {author}"),
            None => format!("{to}: {bytes} bytes"),
        };
        global.report(stdout, &json!({ "bytes": bytes, "author": author }), if stdout { "" } else { &text });
        Ok(())
    }

    fn check_context(&self, found: &[u8]) -> Result<(), Failure> {
        match &self.context {
            Some(demanded) if demanded.as_bytes() != found => {
                Err(Failure::new(Kind::Refused, "the file was sealed with another context"))
            }
            _ => Ok(()),
        }
    }

    fn whole(
        &self,
        input: Input,
        mut out: Output,
        openers: &[&dyn Opener],
        demanded: Option<&mediveil_seal::identity::VerifyingKey>,
    ) -> Result<(u64, Option<mediveil_seal::identity::VerifyingKey>), Failure> {
        let reader = OpenReader::new(input, openers)?;
        self.check_context(reader.context())?;
        if demanded.is_some() && !reader.is_signed() {
            return Err(OpenError::Unsigned.into());
        }
        let (bytes, author) = reader.copy_to(&mut out)?;
        if demanded.is_some() && author.as_ref() != demanded {
            return Err(OpenError::OtherAuthor.into());
        }
        out.commit()?;
        Ok((bytes, author))
    }

    fn part(
        &self,
        range: ByteRange,
        input: Input,
        mut out: Output,
        openers: &[&dyn Opener],
        demanded: Option<&mediveil_seal::identity::VerifyingKey>,
    ) -> Result<(u64, Option<mediveil_seal::identity::VerifyingKey>), Failure> {
        let file = input.into_file().ok_or_else(|| Failure::usage("--range needs a file that is not a pipe"))?;
        let mut reader = SeekReader::new(file, openers)?;
        self.check_context(reader.context())?;
        let len = reader.plaintext_len();
        if range.from > len || range.to.is_some_and(|to| to > len) {
            return Err(Failure::usage(format!("the content has {len} bytes; the range goes beyond them")));
        }
        let author = match demanded {
            None => None,
            Some(demanded) => match reader.verify_author()? {
                None => return Err(OpenError::Unsigned.into()),
                Some(author) if author != *demanded => return Err(OpenError::OtherAuthor.into()),
                author => author,
            },
        };
        reader.seek(SeekFrom::Start(range.from))?;
        let take = range.to.unwrap_or(len).saturating_sub(range.from);
        let bytes = io::copy(&mut reader.take(take), &mut out)?;
        out.commit()?;
        Ok((bytes, author))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open_and_may_lack_an_end() {
        assert_eq!("1..3".parse(), Ok(ByteRange { from: 1, to: Some(3) }));
        assert_eq!("..3".parse(), Ok(ByteRange { from: 0, to: Some(3) }));
        assert_eq!("7..".parse(), Ok(ByteRange { from: 7, to: None }));
        assert_eq!("..".parse(), Ok(ByteRange { from: 0, to: None }));
        for bad in ["", "3", "3..1", "a..b", "-1..2", "1...2", "1..18446744073709551616"] {
            assert!(bad.parse::<ByteRange>().is_err(), "{bad}");
        }
    }
}
