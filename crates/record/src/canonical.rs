//! Canonical bytes: one byte string for one resource.
//!
//! RFC 8785 (JCS) in everything but numbers: no white space, members ordered by UTF-16 code units (§3.2.3), strings with
//! the shortest escapes (§3.2.2.2). Numbers are their lexemes, unchanged: FHIR R4 decimals carry their precision, so 7.10
//! and 7.1 are different values and neither may pass through a float. Where the lexemes happen to be those of ECMAScript
//! the result is plain RFC 8785. [`to_rfc8785`] exports plain RFC 8785 for others, which loses that precision.

use crate::json::{Number, Value};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The canonical bytes of a JSON value: UTF-8, and JSON themselves.
///
/// They are the patient's data: `Debug` prints their length only.
#[derive(Clone, PartialEq, Eq)]
pub struct CanonicalBytes(Vec<u8>);

impl CanonicalBytes {
    /// The canonical bytes of `value`.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let mut out = Vec::new();
        write(value, &mut out);
        Self(out)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, as an owned vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// Their SHA-256 digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(&self.0).into())
    }
}

impl AsRef<[u8]> for CanonicalBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CanonicalBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CanonicalBytes({})", self.0.len())
    }
}

/// Recursion is bounded by [`Limits::MAX_DEPTH`](crate::Limits::MAX_DEPTH).
fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(number.lexeme().as_bytes()),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(object) => {
            out.push(b'{');
            for (i, (name, member)) in object.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write(member, out);
            }
            out.push(b'}');
        }
    }
}

/// RFC 8785 §3.2.2.2: the two-character escapes, `\u00xx` in lower case for other control characters, nothing else.
fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in text.bytes() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0x00..=0x1f => {
                out.extend_from_slice(b"\\u00");
                out.extend([byte >> 4, byte & 15].iter().filter_map(|n| HEX.get(usize::from(*n))));
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.push(b'"');
}

/// The SHA-256 digest of canonical bytes.
///
/// It is not salted: whoever can guess the whole resource can confirm the guess. Publish a
/// [`Commitment`](crate::Commitment), and give the digest to those who may see the resource.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// A digest that is known from elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A number that plain RFC 8785 cannot write, because it is too large for a double.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number is too large for RFC 8785, which writes doubles; canonical bytes keep it")]
pub struct NotADouble;

/// Plain RFC 8785 for programs that expect it: numbers become the nearest double and lose their FHIR precision.
///
/// # Errors
/// [`NotADouble`] for a number beyond the range of a double.
pub fn to_rfc8785(value: &Value) -> Result<Vec<u8>, NotADouble> {
    serde_json_canonicalizer::to_vec(&Plain(value)).map_err(|_| NotADouble)
}

struct Plain<'a>(&'a Value);

impl serde::Serialize for Plain<'_> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => s.serialize_unit(),
            Value::Boolean(b) => s.serialize_bool(*b),
            Value::Number(n) => s.serialize_f64(double(n).ok_or_else(|| S::Error::custom(NotADouble))?),
            Value::String(t) => s.serialize_str(t),
            Value::Array(items) => {
                let mut seq = s.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Plain(item))?;
                }
                seq.end()
            }
            Value::Object(object) => {
                let mut map = s.serialize_map(Some(object.len()))?;
                for (name, member) in object.iter() {
                    map.serialize_entry(name, &Plain(member))?;
                }
                map.end()
            }
        }
    }
}

/// The nearest double, by the standard library's correctly rounding parser.
fn double(number: &Number) -> Option<f64> {
    number.lexeme().parse::<f64>().ok().filter(|d| d.is_finite())
}
