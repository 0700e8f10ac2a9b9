//! Leaves: what a record says, one typed value at a path at a time, and how a value becomes field elements.
//!
//! # Which leaves a resource has
//! One for every string, number and truth value, in the order of the canonical bytes (members by name, items in order),
//! behind a first one: the SHA-256 digest of the canonical bytes, in hexadecimal, at the path
//! [`$digest`](crate::path::DIGEST). It ties a commitment to the bytes, and to what has no leaf of its own: `null` (which
//! FHIR uses as a place holder in arrays of primitives) and empty objects and arrays (which FHIR forbids).
//!
//! # Which type a value has
//! JSON does not say, and the type must not depend on anyone's copy of the FHIR definitions, so it follows from the
//! spelling alone:
//!
//! | JSON | leaf |
//! |---|---|
//! | `true`, `false` | Boolean |
//! | number without `.`, `e` and `E` | Integer |
//! | any other number | Decimal |
//! | string that is a [`Date`] | Date |
//! | string that is a [`DateTime`] | `DateTime` |
//! | any other string, partial dates included | String |
//!
//! # How a value becomes field elements
//! | type | kind | value | aux |
//! |---|---|---|---|
//! | String | 1 | [`hash_to_field`]([`STRING_LABEL`], UTF-8 bytes) | 0 |
//! | Integer | 2 | n + 2^63 | 0 |
//! | Decimal | 3 | mantissa + 2^63 | scale |
//! | Boolean | 4 | 0 or 1 | 0 |
//! | Date | 5 | days since 0001-01-01 | 0 |
//! | `DateTime` | 6 | milliseconds since 0001-01-01T00:00:00Z | `hash_to_field(STRING_LABEL, lexeme)` |
//!
//! All numeric values are below 2^64 and ordered as the values are (decimals: at equal scale), so a range proof is a
//! decomposition into 64 bits (22 for a date, 49 for a moment) and a comparison. The leaf itself is
//! `Poseidon5[tag LEAF](path, kind, value, aux, salt)` with path = [`hash_to_field`]([`PATH_LABEL`], path).

use crate::field::{Tag, hash_to_field};
use crate::json::Value;
use crate::{Date, DateTime, Decimal, Digest, path, poseidon};
use ark_bn254::Fr;
use mediveil_codec::{DecodeError, Decoder, Encoder};
use std::fmt;
use std::fmt::Write as _;

/// The domain tag of a leaf.
pub const LEAF_TAG: Tag = Tag::new("mediveil/record/leaf/v1");
/// The label under which paths become field elements.
pub const PATH_LABEL: &str = "mediveil/record/path/v1";
/// The label under which strings become field elements.
pub const STRING_LABEL: &str = "mediveil/record/string/v1";

/// The longest string in bytes that an opening can carry.
pub(crate) const MAX_TEXT: usize = 64 << 20;

/// The value of a leaf. Patients' data: `Debug` prints the type only, `Display` the value.
#[derive(Clone, PartialEq, Eq)]
pub enum LeafValue {
    /// Text that is neither a date nor a moment.
    String(String),
    /// A number written without point and exponent.
    Integer(i64),
    /// A number written with a point or an exponent.
    Decimal(Decimal),
    /// A truth value.
    Boolean(bool),
    /// A day.
    Date(Date),
    /// A moment, as it was written.
    DateTime(DateTime),
}

/// The type of a leaf, by its number in the leaf's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LeafKind {
    /// [`LeafValue::String`].
    String = 1,
    /// [`LeafValue::Integer`].
    Integer = 2,
    /// [`LeafValue::Decimal`].
    Decimal = 3,
    /// [`LeafValue::Boolean`].
    Boolean = 4,
    /// [`LeafValue::Date`].
    Date = 5,
    /// [`LeafValue::DateTime`].
    DateTime = 6,
}

impl LeafKind {
    /// The number in the leaf's hash, 1 to 6.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl LeafValue {
    /// The value of a JSON string.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        // Cheap first: most strings are no dates.
        if text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            if let Some(date) = Date::parse(text) {
                return Self::Date(date);
            }
            if let Some(moment) = DateTime::parse(text) {
                return Self::DateTime(moment);
            }
        }
        Self::String(text.to_owned())
    }

    /// The value of a JSON number; `None` if it has too many digits for 64 bits or more than 255 decimal places.
    #[must_use]
    pub fn from_number(lexeme: &str) -> Option<Self> {
        if lexeme.contains(['.', 'e', 'E']) {
            Decimal::parse(lexeme).map(Self::Decimal)
        } else {
            // Rust's grammar also has a plus sign.
            lexeme.parse().ok().filter(|_| !lexeme.starts_with('+')).map(Self::Integer)
        }
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> LeafKind {
        match self {
            Self::String(_) => LeafKind::String,
            Self::Integer(_) => LeafKind::Integer,
            Self::Decimal(_) => LeafKind::Decimal,
            Self::Boolean(_) => LeafKind::Boolean,
            Self::Date(_) => LeafKind::Date,
            Self::DateTime(_) => LeafKind::DateTime,
        }
    }

    /// The non-negative number that stands for the value in a circuit (see the module's table); `None` for strings.
    #[must_use]
    pub const fn ordinal(&self) -> Option<u64> {
        match self {
            Self::String(_) => None,
            Self::Integer(n) => Some(offset(*n)),
            Self::Decimal(d) => Some(offset(d.mantissa())),
            Self::Boolean(b) => Some(*b as u64),
            Self::Date(d) => Some(d.days() as u64),
            Self::DateTime(t) => Some(t.millis()),
        }
    }

    /// The three elements that stand for the value in the leaf's hash: kind, value, aux.
    #[must_use]
    pub fn elements(&self) -> [Fr; 3] {
        let value = match self {
            Self::String(text) => string_element(text),
            other => Fr::from(other.ordinal().unwrap_or(0)),
        };
        let aux = match self {
            Self::Decimal(d) => Fr::from(d.scale()),
            Self::DateTime(t) => string_element(t.lexeme()),
            _ => Fr::from(0),
        };
        [Fr::from(self.kind().code()), value, aux]
    }

    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        match self {
            Self::String(text) => e.array(2).u8(self.kind().code()).text(text),
            Self::Integer(n) => e.array(2).u8(self.kind().code()).i64(*n),
            Self::Decimal(d) => e.array(3).u8(self.kind().code()).i64(d.mantissa()).u8(d.scale()),
            Self::Boolean(b) => e.array(2).u8(self.kind().code()).bool(*b),
            Self::Date(d) => e.array(2).u8(self.kind().code()).u32(d.days()),
            Self::DateTime(t) => e.array(2).u8(self.kind().code()).text(t.lexeme()),
        };
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let fields = d.array(3)?;
        let kind = d.u8()?;
        if fields != if kind == LeafKind::Decimal.code() { 3 } else { 2 } {
            return Err(d.invalid("a leaf value with another number of fields"));
        }
        let value = match kind {
            1 => {
                let value = Self::from_text(d.text(MAX_TEXT)?);
                (value.kind() == LeafKind::String).then_some(value)
            }
            2 => Some(Self::Integer(d.i64()?)),
            3 => Some(Self::Decimal(Decimal::new(d.i64()?, d.u8()?))),
            4 => Some(Self::Boolean(d.bool()?)),
            5 => Date::from_days(d.u32()?).map(Self::Date),
            6 => DateTime::parse(d.text(64)?).map(Self::DateTime),
            _ => None,
        };
        value.ok_or_else(|| d.invalid("a leaf value that no record can have"))
    }
}

/// n + 2^63: order-preserving and never negative.
const fn offset(n: i64) -> u64 {
    n.cast_unsigned() ^ (1 << 63)
}

/// The element that stands for a string, for statements that compare with a public one.
#[must_use]
pub fn string_element(text: &str) -> Fr {
    hash_to_field(STRING_LABEL, text.as_bytes())
}

/// The element that stands for a path.
#[must_use]
pub fn path_element(path: &str) -> Fr {
    hash_to_field(PATH_LABEL, path.as_bytes())
}

impl fmt::Display for LeafValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            Self::Integer(n) => n.fmt(f),
            Self::Decimal(d) => d.fmt(f),
            Self::Boolean(b) => b.fmt(f),
            Self::Date(d) => d.fmt(f),
            Self::DateTime(t) => t.fmt(f),
        }
    }
}

impl fmt::Debug for LeafValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeafValue::{:?}", self.kind())
    }
}

/// One value of a resource and where it stands. `Debug` prints the path and the type only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its path, in the grammar of [`path`].
    pub path: String,
    /// Its value.
    pub value: LeafValue,
}

impl Leaf {
    /// The leaf's hash under a salt.
    #[must_use]
    pub fn hash(&self, salt: Fr) -> Fr {
        let [kind, value, aux] = self.value.elements();
        poseidon::hash5(LEAF_TAG, &[path_element(&self.path), kind, value, aux, salt])
    }
}

/// The leaves of a resource in their order, the digest first.
pub(crate) fn collect(resource: &Value, digest: &Digest) -> Vec<Leaf> {
    let digest = LeafValue::String(digest.to_string());
    let mut leaves = vec![Leaf { path: path::DIGEST.to_owned(), value: digest }];
    walk(resource, &mut String::new(), &mut leaves);
    leaves
}

/// Recursion is bounded by [`Limits::MAX_DEPTH`](crate::Limits::MAX_DEPTH). `path` is restored before returning.
fn walk(value: &Value, path: &mut String, leaves: &mut Vec<Leaf>) {
    let here = path.len();
    let leaf = match value {
        Value::Null => return,
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let _ = write!(path, "[{i}]");
                walk(item, path, leaves);
                path.truncate(here);
            }
            return;
        }
        Value::Object(object) => {
            for (name, member) in object.iter() {
                if here > 0 {
                    path.push('.');
                }
                path.push_str(name);
                walk(member, path, leaves);
                path.truncate(here);
            }
            return;
        }
        Value::Boolean(b) => LeafValue::Boolean(*b),
        Value::String(text) => LeafValue::from_text(text),
        Value::Number(number) => match LeafValue::from_number(number.lexeme()) {
            Some(value) => value,
            // The parser of resources refuses such numbers, so none is here.
            None => return,
        },
    };
    leaves.push(Leaf { path: path.clone(), value: leaf });
}
