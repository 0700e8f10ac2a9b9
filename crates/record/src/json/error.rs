//! Why bytes are not a JSON document that can be read.

/// Bytes that are not acceptable JSON: what is wrong, and where.
///
/// Carries no value of the input. The path shows member names only where they look like FHIR element names, and `?` for
/// others, so it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at byte {offset}{})", in_path(path))]
pub struct ParseError {
    /// Byte offset from the start of the input.
    pub offset: usize,
    /// The value being read, in the syntax of [`path`](crate::path); empty at the top.
    pub path: String,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

fn in_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", in {path}") }
}

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The input is over [`Limits::bytes`](crate::Limits::bytes).
    #[error("the input of {found} bytes is over the limit of {limit}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Nesting is over [`Limits::depth`](crate::Limits::depth).
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// More values than [`Limits::values`](crate::Limits::values).
    #[error("more than {0} JSON values")]
    TooManyValues(usize),
    /// A byte order mark, which RFC 8259 §8.1 forbids.
    #[error("a byte order mark stands before the document; remove it")]
    ByteOrderMark,
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not JSON by RFC 8259.
    #[error("not JSON: {0}")]
    Syntax(&'static str),
    /// The document ends before its value does.
    #[error("the document is cut short")]
    Truncated,
    /// Something but white space follows the value.
    #[error("something follows the end of the document")]
    Trailing,
    /// An escape of one half of a surrogate pair (RFC 7493 §2.1).
    #[error("half a surrogate pair in a string")]
    LoneSurrogate,
    /// U+0000 in a string, which FHIR forbids and many programs cut strings at.
    #[error("U+0000 in a string")]
    Nul,
    /// A code point that is for ever no character (RFC 7493 §2.1).
    #[error("a Unicode noncharacter in a string")]
    Noncharacter,
    /// A name occurs twice in one object (RFC 7493 §2.3).
    #[error("the same member name twice in one object")]
    DuplicateName,
    /// A member name that no FHIR element can have.
    #[error("a member name that is not a FHIR element name")]
    NotAnElementName,
    /// A number that a leaf cannot hold exactly: see [`Decimal`](crate::Decimal).
    #[error("a number outside 64 bits of digits or 255 decimal places")]
    NumberRange,
}
