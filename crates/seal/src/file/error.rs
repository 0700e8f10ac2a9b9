//! Why a file cannot be sealed or opened.

use crate::{DoorKind, MAX_CONTEXT, MAX_DOORS, Refusal, WrapError};
use mediveil_codec::{DecodeError, ReadError};
use std::io;

/// A file cannot be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Nobody could ever read it.
    #[error("a sealed file needs at least one recipient")]
    NoDoors,
    /// More doors, or larger ones, than a file can have.
    #[error("a file has at most {MAX_DOORS} doors, and 4 MiB of them")]
    TooManyDoors,
    /// A second passphrase would let a reader be tested for several passphrases at once.
    #[error("a file has at most one passphrase")]
    SecondPassphrase,
    /// The caller's context is over [`MAX_CONTEXT`] bytes.
    #[error("the context is over {MAX_CONTEXT} bytes")]
    ContextTooLong,
    /// The plaintext is over 2^32 segments, 256 TiB.
    #[error("the plaintext is over 256 TiB")]
    TooLong,
    /// A recipient cannot be sealed for.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// Reading the plaintext or writing the file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its first bytes are not those of a sealed file, or of one this build can read.
    #[error("not a sealed file that can be read: {0}")]
    Malformed(#[from] DecodeError),
    /// None of the keys given fits a door. A door that was changed looks the same as a door for somebody else.
    #[error("none of the keys given opens this file{}", reasons(kinds, refusals))]
    NoDoor {
        /// The kinds of door the file has.
        kinds: Vec<DoorKind>,
        /// What each opener of the right kind had to say.
        refusals: Vec<Refusal>,
    },
    /// The file was changed, cut short or damaged after it was sealed. Says no more, so that an attacker who can watch
    /// learns no more.
    #[error("the file was changed or damaged after it was sealed")]
    Tampered,
    /// The caller demanded an author's signature and the file has none.
    #[error("the file carries no author's signature")]
    Unsigned,
    /// The author's signature is valid and from somebody else than demanded.
    #[error("the file was signed by another author")]
    OtherAuthor,
    /// Reading the file or writing the plaintext failed.
    #[error(transparent)]
    Io(io::Error),
}

fn reasons(kinds: &[DoorKind], refusals: &[Refusal]) -> String {
    if refusals.is_empty() {
        let mut kinds: Vec<&str> = kinds.iter().map(DoorKind::as_str).collect();
        kinds.sort_unstable();
        kinds.dedup();
        return format!(" (its doors: {})", kinds.join(", "));
    }
    let mut said: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    said.sort();
    said.dedup();
    format!(" ({})", said.join("; "))
}

impl From<io::Error> for OpenError {
    /// Takes back an `OpenError` that travelled through `std::io`.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(inner) => inner,
            Err(error) => Self::Io(error),
        }
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Decode(e) => Self::Malformed(e),
            ReadError::Io(e) => Self::from(e),
            other => Self::Io(io::Error::other(other)),
        }
    }
}
