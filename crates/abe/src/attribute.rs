//! Attributes, and the one encoding under which they are hashed to the curve.
//!
//! What a policy asks for and what a key holds are *labels*: byte strings that are hashed to G1. Two different things
//! must never have one label, or a key for the one opens files for the other. So a label starts with a byte for its
//! kind and every variable part of it has its length in front:
//!
//! | kind | label |
//! |---|---|
//! | 1, a plain attribute `name:value` | `01`, length of name (2 bytes), name, length of value (4), value |
//! | 2, a prefix of a number | `02`, length of name (2), name, width in bits (1), length of the prefix in bits (1), prefix (4) |
//! | 3, a prefix of an expiry | `03`, width (1), length of the prefix (1), prefix (4) |
//!
//! Kind 0 is the base point `B` of the scheme. Integers are big-endian. Text is normalised to NFC (Unicode Standard
//! Annex 15), so that one attribute has one label on every keyboard; letter case is kept and counts. Look-alikes from
//! different scripts are different attributes: an authority should compare names by their canonical printed form.

use std::fmt;
use std::str::FromStr;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest attribute name in bytes.
pub const MAX_NAME: usize = 64;

/// The longest attribute value in bytes, after normalisation.
pub const MAX_VALUE: usize = 256;

/// Words of the policy language that cannot be attribute names, in lower case. `until` is the expiry clause that sealing
/// adds.
const RESERVED: [&str; 6] = ["and", "or", "of", "in", "not", "until"];

/// Text that is not an attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// The name has other characters, or too many.
    #[error("`{0}` cannot be an attribute name: use a letter, then up to 63 of A-Z a-z 0-9 _ - .")]
    Name(String),
    /// The name is a word of the policy language.
    #[error("`{0}` is a word of the policy language; choose another name")]
    Reserved(String),
    /// The value is empty or too long.
    #[error("the value of `{0}` must have 1 to 256 bytes")]
    Value(String),
    /// Neither `name:value` nor `name=number`.
    #[error("`{0}` is not an attribute: write name:value, name:\"any value\", name=number or name=2027-01-31")]
    Form(String),
}

/// Checks a name. Names are ASCII, so that they are compared as they are seen.
pub(crate) fn check_name(name: &str) -> Result<(), AttributeError> {
    let good = name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !name.contains("..");
    if !good {
        return Err(AttributeError::Name(name.chars().take(MAX_NAME).collect()));
    }
    if is_reserved(name) {
        return Err(AttributeError::Reserved(name.to_owned()));
    }
    Ok(())
}

pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|r| r.eq_ignore_ascii_case(word))
}

/// Characters that may stand in a value without quotes.
pub(crate) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@' | '+' | '#') || is_combining_mark(c)
}

/// A plain attribute: a name and a value, such as `role:cardiologist`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    name: String,
    value: String,
}

impl Attribute {
    /// The attribute with this name and value; the value is normalised to NFC.
    ///
    /// # Errors
    /// [`AttributeError`] for a name or value that the language does not have.
    pub fn new(name: &str, value: &str) -> Result<Self, AttributeError> {
        check_name(name)?;
        // Normalising can at most treble the length (UAX 15, table 10), so a long value is refused before the work.
        let too_long = || AttributeError::Value(name.to_owned());
        if value.len() > MAX_VALUE.saturating_mul(4) {
            return Err(too_long());
        }
        let value: String = value.nfc().collect();
        if value.is_empty() || value.len() > MAX_VALUE {
            return Err(too_long());
        }
        Ok(Self { name: name.to_owned(), value })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, in NFC.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    pub(crate) fn label(&self) -> Label {
        let mut bytes = vec![1];
        push_name(&mut bytes, &self.name);
        bytes.extend_from_slice(&u32::try_from(self.value.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(self.value.as_bytes());
        Label(bytes)
    }
}

fn push_name(bytes: &mut Vec<u8>, name: &str) {
    bytes.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(name.as_bytes());
}

/// The canonical form: the value in quotes only where it needs them.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        if self.value.chars().all(is_word_char) && !self.value.contains("..") && !is_reserved(&self.value) {
            return f.write_str(&self.value);
        }
        f.write_str("\"")?;
        for c in self.value.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Reads an attribute as it stands in a policy.
impl FromStr for Attribute {
    type Err = AttributeError;
    fn from_str(text: &str) -> Result<Self, AttributeError> {
        match text.parse::<crate::Policy>().as_ref().map(crate::Policy::root) {
            Ok(crate::Node::Attribute(attribute)) => Ok(attribute.clone()),
            _ => Err(AttributeError::Form(text.chars().take(80).collect())),
        }
    }
}

/// What is hashed to the curve. Two labels are equal only if they mean the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Label(Vec<u8>);

impl Label {
    /// The prefix of `len` bits of a number of `bits` bits.
    pub(crate) fn number(name: &str, bits: u8, prefix: Prefix) -> Self {
        let mut bytes = vec![2];
        push_name(&mut bytes, name);
        bytes.extend_from_slice(&[bits, prefix.len]);
        bytes.extend_from_slice(&prefix.bits.to_be_bytes());
        Self(bytes)
    }

    /// The prefix of an expiry of `bits` bits.
    pub(crate) fn expiry(bits: u8, prefix: Prefix) -> Self {
        let mut bytes = vec![3, bits, prefix.len];
        bytes.extend_from_slice(&prefix.bits.to_be_bytes());
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Label(")?;
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str(")")
    }
}

/// The first `len` bits of a number, `len` at least 1; `bits` holds them in its low end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Prefix {
    pub(crate) len: u8,
    pub(crate) bits: u32,
}

/// The largest number of `bits` bits.
pub(crate) fn max_of(bits: u8) -> u32 {
    u32::MAX.checked_shr(32_u32.saturating_sub(bits.into())).unwrap_or(0)
}

/// All prefixes of `value`, from the first bit to the whole: what a key for the value holds.
pub(crate) fn prefixes(value: u32, bits: u8) -> impl Iterator<Item = Prefix> {
    (1..=bits).map(move |len| Prefix { len, bits: value.checked_shr(u32::from(bits.saturating_sub(len))).unwrap_or(0) })
}

/// The fewest prefixes whose numbers are exactly those from `low` to `high`: what a policy for the range asks one of.
///
/// At most `2 * bits - 2` of them, at most `bits` where one end is the end of the whole range (a cover of an interval by
/// dyadic intervals). Empty if `low > high`.
pub(crate) fn cover(low: u32, high: u32, bits: u8) -> Vec<Prefix> {
    let mut found = Vec::new();
    let (mut low, high) = (u64::from(low), u64::from(high.min(max_of(bits))));
    while low <= high {
        // The largest aligned block that starts at `low` and stays within; never the whole range, which has no prefix.
        let mut size = 0_u8;
        while size.saturating_add(1) < bits {
            let next = 1_u64 << size.saturating_add(1);
            if !low.is_multiple_of(next) || low.saturating_add(next).saturating_sub(1) > high {
                break;
            }
            size = size.saturating_add(1);
        }
        found.push(Prefix { len: bits.saturating_sub(size), bits: u32::try_from(low >> size).unwrap_or(u32::MAX) });
        low = low.saturating_add(1 << size);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn covers_are_exact_and_short() {
        for bits in 1..=6_u8 {
            let max = max_of(bits);
            for low in 0..=max {
                for high in low..=max {
                    let cover = cover(low, high, bits);
                    for value in 0..=max {
                        let held: Vec<_> = prefixes(value, bits).collect();
                        let hits = cover.iter().filter(|p| held.contains(p)).count();
                        assert_eq!(hits, usize::from((low..=high).contains(&value)), "{low}..{high} has {value}");
                    }
                    let limit = if low == 0 || high == max { usize::from(bits) } else { 2 * usize::from(bits) - 2 };
                    assert!(cover.len() <= limit.max(2), "{low}..{high} of {bits} bits needs {}", cover.len());
                }
            }
        }
        assert_eq!(cover(0, u32::MAX, 32).len(), 2);
        assert_eq!(cover(1, u32::MAX - 1, 32).len(), 62);
        assert_eq!(cover(5, 4, 8), []);
    }

    #[test]
    fn colliding_encodings_are_impossible() {
        let plain = |n: &str, v: &str| Attribute::new(n, v).unwrap().label();
        let mut labels = vec![
            plain("a", "b:c"),
            plain("a", "b"),
            plain("a", "bc"),
            plain("ab", "c"),
            plain("a", "B"),
            plain("A", "b"),
            plain("a", "\u{e4}"),
            plain("a", "\u{430}"),
            plain("clearance", "3"),
            plain("untils", "3"),
        ];
        for bits in 1..=8 {
            for value in 0..=max_of(bits) {
                labels.extend(prefixes(value, bits).map(|p| Label::number("a", bits, p)));
                labels.extend(prefixes(value, bits).map(|p| Label::number("clearance", bits, p)));
                labels.extend(prefixes(value, bits).map(|p| Label::expiry(bits, p)));
            }
        }
        let distinct: HashSet<_> = labels.iter().collect();
        // Every prefix (len, bits) of every width and name once: 2^(w+1) - 2 of them.
        let prefixes: usize = (1..=8).map(|w| (1 << (w + 1)) - 2).sum();
        assert_eq!(distinct.len(), 10 + 3 * prefixes);
        // A value that spells the bytes of another kind's label stays a plain value.
        let spelled: String =
            Label::number("a", 4, Prefix { len: 1, bits: 1 }).as_bytes().iter().map(|b| char::from(*b)).collect();
        assert!(!distinct.contains(&plain("a", &spelled)));
        // One attribute in two normal forms is one label.
        assert_eq!(plain("a", "A\u{308}rztin"), plain("a", "\u{c4}rztin"));
    }
}
