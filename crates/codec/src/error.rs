//! Why bytes are not an object.

use crate::ObjectType;

/// Bytes that are not the object they should be: what was expected, where, and why it is not there.
///
/// Carries no content of the input, so it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {kind} (at byte {offset})")]
pub struct DecodeError {
    /// The object that was being decoded.
    pub object: ObjectType,
    /// Byte offset from the start of the frame.
    pub offset: usize,
    /// What is wrong there.
    pub kind: DecodeErrorKind,
}

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The first four bytes are not the magic.
    #[error("not a mediveil object")]
    Magic,
    /// A registered or unknown object of another type.
    #[error("this is another object: {}", name_of(*.0))]
    WrongType(u16),
    /// A version this build does not know.
    #[error("version {0} is not known to this build")]
    Version(u8),
    /// A suite this build does not know for this object.
    #[error("suite {0} is not known to this build")]
    Suite(u8),
    /// The declared body is longer than this type allows.
    #[error("the body of {declared} bytes is over the limit of {limit}")]
    BodyTooLong {
        /// Declared length in bytes.
        declared: u64,
        /// The type's cap in bytes.
        limit: usize,
    },
    /// The input ends before the object does.
    #[error("the body is cut short")]
    Truncated,
    /// Bytes after the end of the object.
    #[error("{0} bytes follow the end of the object")]
    Trailing(usize),
    /// Another CBOR type than the schema has here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Well-formed, but not the one deterministic encoding.
    #[error("not in deterministic encoding")]
    NotCanonical,
    /// A field is longer than its cap.
    #[error("a field of {found} is over the limit of {limit}")]
    FieldTooLong {
        /// Declared length: bytes of a string, items of an array.
        found: u64,
        /// The cap of this field.
        limit: usize,
    },
    /// The text armour around the object is damaged.
    #[error("the text armour is damaged: {0}")]
    Armor(&'static str),
    /// The field has the right shape and an impossible value.
    #[error("{0}")]
    Invalid(&'static str),
}

fn name_of(code: u16) -> String {
    ObjectType::from_code(code).map_or_else(|| format!("unregistered type {code:#06x}"), |t| t.name().to_owned())
}

/// Reading an object from a stream failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream itself failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bytes are not the object.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}
