//! JSON as data: strict to read, one form to write.
//!
//! A [`Value`] is I-JSON (RFC 7493) with one liberty: a number is its lexeme and has no range of its own. It can only come
//! from [`parse`], so it is within [`Limits`](crate::Limits): no duplicate names, no lone surrogates, members in the order
//! of RFC 8785. Its depth is at most [`Limits::MAX_DEPTH`](crate::Limits::MAX_DEPTH), so walking it may recurse.
//!
//! Values carry patients' data: `Debug` prints their shape only.

mod error;
mod parse;

pub use error::{ParseError, ParseErrorKind};
pub use parse::parse;
pub(crate) use parse::parse_fhir;

use std::cmp::Ordering;
use std::fmt;

/// A JSON value.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as it was written.
    Number(Number),
    /// A string of Unicode scalar values other than U+0000.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object),
}

impl Value {
    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(s) = self { Some(s) } else { None }
    }

    /// The object, if it is one.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        if let Self::Object(o) = self { Some(o) } else { None }
    }

    /// The items, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(a) = self { Some(a) } else { None }
    }

    /// The member of this name, if this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Boolean(_) => f.write_str("Boolean"),
            Self::Number(_) => f.write_str("Number"),
            Self::String(_) => f.write_str("String"),
            Self::Array(items) => write!(f, "Array({} items)", items.len()),
            Self::Object(object) => object.fmt(f),
        }
    }
}

/// A JSON number as its lexeme: `7.10` is not `7.1`.
#[derive(Clone, PartialEq, Eq)]
pub struct Number(Box<str>);

impl Number {
    /// The characters of the number, in the grammar of RFC 8259 §6, which is also FHIR's.
    #[must_use]
    pub fn lexeme(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number")
    }
}

/// The members of an object, no name twice, in the order of RFC 8785 §3.2.3: by UTF-16 code units.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<(String, Value)>);

impl Object {
    /// The member of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self.0.binary_search_by(|(n, _)| compare_names(n, name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The members in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// Number of members.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the member of this name out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.binary_search_by(|(n, _)| compare_names(n, name)).ok()?;
        Some(self.0.remove(at).1)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} members)", self.0.len())
    }
}

/// RFC 8785's order of names. Bytes of ASCII order as their UTF-16 code units do.
fn compare_names(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}
