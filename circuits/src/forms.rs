//! Files that the parties to a statement hand each other.
//!
//! | file | made by | for |
//! |---|---|---|
//! | [`IssuerRegister`] | issuer | itself: who has which credential |
//! | [`CredentialRegistry`] | issuer | everybody: the leaves, from which holders take their paths and verifiers the root |
//! | [`ProviderRegistry`] | accreditor | everybody: the keys of accredited providers |
//! | [`SignedRecord`] | provider | the holder: one signed commitment |
//! | [`HeldRecord`] | provider | the holder: the signed commitments of a record and the secret that opens them |
//! | [`NamedTable`] | keeper of a table | itself: rows and salts |
//! | [`TableCommitment`] | keeper of a table | everybody: what the columns are called, how many rows, the root |
//!
//! A holder works its path out of the whole published registry and asks nobody for it, so nobody learns when it proves.
//! None of the published files is signed here: take them from whom you trust, sealed or over a channel that authenticates.

mod record;
mod registry;
mod table;

pub use record::{HeldRecord, NotAsSigned, SignedRecord};
pub use registry::{CredentialRegistry, IssuerRegister, NewSecret, ProviderRegistry};
pub use table::{NamedTable, TableCommitment};

use mediveil_codec::{DecodeError, Decoder, Encoder};
use std::collections::HashSet;

/// The longest name in bytes.
pub const MAX_NAME: usize = 128;

/// What a file cannot hold, or an issuer must not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// A name that is empty, too long, or there already.
    #[error("a name has 1 to 128 bytes and occurs once")]
    Name,
    /// Another number of roles than 1 to 64.
    #[error("a registry defines 1 to 64 roles")]
    Roles,
    /// A role that the registry does not define.
    #[error("the registry defines no role `{0}`")]
    UnknownRole(String),
    /// The holder is another person's.
    #[error("this holder belongs to another person of the register")]
    HolderTaken,
    /// The person comes with another secret than before.
    #[error(
        "this person is registered with another secret; a new one gives new nullifiers, so allow it only after loss"
    )]
    OtherSecret,
    /// Nobody of this name.
    #[error("this person has no credential in the register")]
    NoSuchPerson,
    /// A provider's key occurs twice.
    #[error("this key is in the registry already")]
    KeyTaken,
    /// More than there are places for.
    #[error("there is no place left")]
    Full,
    /// Another number of columns than 1 to 4.
    #[error("a table has 1 to 4 columns")]
    Columns,
    /// A column that the table does not have.
    #[error("the table has no column `{0}`")]
    UnknownColumn(String),
}

/// Whether these are names: not empty, not too long, no two alike.
fn are_names<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let mut seen = HashSet::new();
    names.into_iter().all(|name| (1..=MAX_NAME).contains(&name.len()) && seen.insert(name))
}

fn encode_names(e: &mut Encoder<'_>, names: &[String]) {
    e.list(names, |e, name| {
        e.text(name);
    });
}

fn decode_names(d: &mut Decoder<'_>, max: usize) -> Result<Vec<String>, DecodeError> {
    let names = d.list(max, |d| d.text(MAX_NAME).map(str::to_owned))?;
    if names.is_empty() || !are_names(names.iter().map(String::as_str)) {
        return Err(d.invalid("names that are missing, empty or there twice"));
    }
    Ok(names)
}
