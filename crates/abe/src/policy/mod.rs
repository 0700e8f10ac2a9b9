//! The policy language: what it means, apart from how it is written (`parse`) and how it is enforced (`access`).
//!
//! ```text
//! policy     = conjunction { "or" conjunction }
//! conjunction= term { "and" term }
//! term       = "(" policy ")" | count "of" "(" policy { "," policy } ")" | attribute | comparison
//! attribute  = name ":" ( word | quoted )
//! comparison = name ( "<" | "<=" | ">" | ">=" | "==" | "=" ) number | name "in" number ".." number
//! number     = decimal integer up to 4294967295 | date such as 2027-01-31
//! name       = letter { letter | digit | "_" | "-" | "." }, ASCII, at most 64
//! word       = { any letter or digit | "_" | "-" | "." | "/" | "@" | "+" | "#" }
//! quoted     = '"' { any character | '\"' | '\\' | '\u{hex}' } '"'
//! ```
//!
//! `and` binds tighter than `or`; keywords may be in any letter case. Both ends of `in` belong to the range. There is no
//! negation, because nothing proves that an attribute is absent from a key: write the values that are allowed instead, or
//! use a number.
//!
//! A [`Policy`] is always within the limits and in canonical form: gates of one kind are joined (`a and (b and c)` is
//! `a and b and c`), `1 of` is `or`, `n of n` is `and`, a gate over one policy is that policy, and text is NFC. Its
//! [`Display`](fmt::Display) is the canonical text, which parses back to the same policy, and which is what a ciphertext
//! is bound to. The order of terms is kept.

mod parse;

use crate::attribute::{Attribute, Prefix, check_name, cover, max_of};
use mediveil_codec::Timestamp;
use std::fmt;

/// The longest text of a policy, in bytes.
pub const MAX_TEXT: usize = 48 * 1024;

/// How deep parentheses may nest.
pub const MAX_DEPTH: usize = 64;

/// How many attributes and comparisons a policy may have.
pub const MAX_TERMS: usize = 4096;

/// Why something is not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text does not follow the grammar.
    #[error("expected {expected} at {at}")]
    Syntax {
        /// Position in the text: the number of the character, counted from 1.
        at: usize,
        /// What could stand there.
        expected: String,
    },
    /// The text is longer than [`MAX_TEXT`].
    #[error("the policy has {0} bytes; at most {MAX_TEXT} are allowed")]
    TooLong(usize),
    /// Parentheses nest deeper than [`MAX_DEPTH`].
    #[error("parentheses nest deeper than {MAX_DEPTH} at {at}")]
    TooDeep {
        /// Position in the text: the number of the character, counted from 1.
        at: usize,
    },
    /// More than [`MAX_TERMS`] attributes and comparisons.
    #[error("the policy has more than {MAX_TERMS} attributes and comparisons")]
    TooManyTerms,
    /// A gate over no policies.
    #[error("a policy needs at least one attribute or comparison")]
    Empty,
    /// `k of n` with k below 1 or above n.
    #[error("{needed} of {of} cannot be: ask for 1 to {of}")]
    Threshold {
        /// How many are asked for.
        needed: usize,
        /// How many there are.
        of: usize,
    },
    /// No value lies in the range, or the ranges that are joined by `and` have no value in common.
    #[error("nothing satisfies this: no `{0}` is in the range")]
    Contradiction(String),
    /// Two ends of a range of different kinds, or a number where the schema has a date, or the other way round.
    #[error("`{0}` is compared with a number and with a date; use the one its authority declares")]
    Kind(String),
    /// The authority declares no number of this name.
    #[error("the authority declares no number `{0}`; write {0}:value for a plain attribute")]
    UnknownNumber(String),
    /// The authority declares this name a number.
    #[error("the authority declares `{0}` a number; compare it, as in {0} == 3")]
    NotPlain(String),
    /// A number outside what the authority declares.
    #[error("{number} does not fit `{name}`, which goes from 0 to {max}")]
    OutOfRange {
        /// The attribute.
        name: String,
        /// The number in the policy.
        number: String,
        /// The largest value.
        max: String,
    },
    /// More rows in the ciphertext than are allowed, once comparisons are written as prefixes.
    #[error("the policy needs {rows} rows in the ciphertext; at most {limit} are allowed")]
    TooManyRows {
        /// Rows needed.
        rows: usize,
        /// The limit.
        limit: usize,
    },
    /// One attribute stands in too many places.
    #[error("one attribute stands in {count} places of the policy; at most {limit} are allowed")]
    TooManyRepeats {
        /// Places.
        count: usize,
        /// The limit.
        limit: usize,
    },
}

/// A number in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Number {
    /// An integer.
    Integer(u32),
    /// A date, as days since 1970-01-01.
    Date(u32),
}

impl Number {
    /// The integer that is compared: the integer itself, or days since 1970-01-01.
    #[must_use]
    pub const fn value(self) -> u32 {
        match self {
            Self::Integer(n) | Self::Date(n) => n,
        }
    }

    const fn same_kind(self, other: Self) -> bool {
        matches!((self, other), (Self::Integer(_), Self::Integer(_)) | (Self::Date(_), Self::Date(_)))
    }

    /// The number that `text` writes, as in a policy.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0')) {
            return text.parse().ok().map(Self::Integer);
        }
        let day: Timestamp = (text.len() == 10).then(|| text.parse().ok()).flatten()?;
        u32::try_from(day.seconds() / 86_400).ok().map(Self::Date)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(n) => write!(f, "{n}"),
            Self::Date(days) => {
                let moment = Timestamp::from_seconds(u64::from(*days).saturating_mul(86_400)).map(|t| t.to_string());
                match moment.as_deref().and_then(|t| t.split_once('T')) {
                    Some((day, _)) => f.write_str(day),
                    None => write!(f, "day {days}"),
                }
            }
        }
    }
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// `<`
    Less(Number),
    /// `<=`
    AtMost(Number),
    /// `>`
    More(Number),
    /// `>=`
    AtLeast(Number),
    /// `==`
    Equal(Number),
    /// `in low..high`, both ends included.
    Between(Number, Number),
}

/// A comparison of a number that the key holds, such as `clearance >= 3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comparison {
    name: String,
    test: Test,
}

impl Comparison {
    /// The comparison of the number `name`.
    ///
    /// # Errors
    /// [`PolicyError::Syntax`] for a name that the language does not have, [`PolicyError::Kind`] and
    /// [`PolicyError::Contradiction`] for ends of a range that do not fit together.
    pub fn new(name: &str, test: Test) -> Result<Self, PolicyError> {
        check_name(name).map_err(|e| PolicyError::Syntax { at: 1, expected: e.to_string() })?;
        if let Test::Between(low, high) = test {
            if !low.same_kind(high) {
                return Err(PolicyError::Kind(name.to_owned()));
            }
            if low > high {
                return Err(PolicyError::Contradiction(name.to_owned()));
            }
        }
        Ok(Self { name: name.to_owned(), test })
    }

    /// The number's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compared.
    #[must_use]
    pub const fn test(&self) -> Test {
        self.test
    }

    /// Whether the comparison is with dates.
    #[must_use]
    pub const fn is_date(&self) -> bool {
        match self.test {
            Test::Less(n)
            | Test::AtMost(n)
            | Test::More(n)
            | Test::AtLeast(n)
            | Test::Equal(n)
            | Test::Between(n, _) => matches!(n, Number::Date(_)),
        }
    }

    /// The smallest and the largest number that pass, among those of `bits` bits.
    pub(crate) fn interval(&self, bits: u8) -> Result<(u32, u32), PolicyError> {
        let max = max_of(bits);
        let fits = |n: Number| {
            if n.value() <= max {
                return Ok(n.value());
            }
            let max = if self.is_date() { Number::Date(max) } else { Number::Integer(max) };
            Err(PolicyError::OutOfRange { name: self.name.clone(), number: n.to_string(), max: max.to_string() })
        };
        let none = || PolicyError::Contradiction(self.name.clone());
        Ok(match self.test {
            Test::Less(n) => (0, fits(n)?.checked_sub(1).ok_or_else(none)?),
            Test::AtMost(n) => (0, fits(n)?),
            Test::More(n) => (fits(n)?.checked_add(1).filter(|n| *n <= max).ok_or_else(none)?, max),
            Test::AtLeast(n) => (fits(n)?, max),
            Test::Equal(n) => (fits(n)?, n.value()),
            Test::Between(low, high) => (fits(low)?, fits(high)?),
        })
    }

    /// The prefixes of which a key that passes holds exactly one.
    pub(crate) fn cover(&self, bits: u8) -> Result<Vec<Prefix>, PolicyError> {
        let (low, high) = self.interval(bits)?;
        Ok(cover(low, high, bits))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match self.test {
            Test::Less(n) => write!(f, "{name} < {n}"),
            Test::AtMost(n) => write!(f, "{name} <= {n}"),
            Test::More(n) => write!(f, "{name} > {n}"),
            Test::AtLeast(n) => write!(f, "{name} >= {n}"),
            Test::Equal(n) => write!(f, "{name} == {n}"),
            Test::Between(low, high) => write!(f, "{name} in {low}..{high}"),
        }
    }
}

/// A part of a policy. Only a [`Policy`] is known to be canonical and within the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Node {
    /// The key holds this attribute.
    Attribute(Attribute),
    /// The key holds a number that passes.
    Comparison(Comparison),
    /// Every one of these.
    All(Vec<Node>),
    /// At least one of these.
    Any(Vec<Node>),
    /// At least so many of these.
    AtLeast(usize, Vec<Node>),
}

impl Node {
    /// The gate over `children`, in canonical form.
    fn gate(needed: usize, children: Vec<Self>) -> Result<Self, PolicyError> {
        let of = children.len();
        if of == 0 {
            return Err(PolicyError::Empty);
        }
        if needed == 0 || needed > of {
            return Err(PolicyError::Threshold { needed, of });
        }
        let mut children = children;
        if of == 1 {
            return children.pop().ok_or(PolicyError::Empty);
        }
        if needed == of {
            let joined = children.into_iter().flat_map(|c| if let Self::All(inner) = c { inner } else { vec![c] });
            return Ok(Self::All(joined.collect()));
        }
        if needed == 1 {
            let joined = children.into_iter().flat_map(|c| if let Self::Any(inner) = c { inner } else { vec![c] });
            return Ok(Self::Any(joined.collect()));
        }
        Ok(Self::AtLeast(needed, children))
    }

    /// Attributes and comparisons in this part.
    #[must_use]
    pub fn terms(&self) -> usize {
        match self {
            Self::Attribute(_) | Self::Comparison(_) => 1,
            Self::All(c) | Self::Any(c) | Self::AtLeast(_, c) => c.iter().map(Self::terms).sum(),
        }
    }

    /// Gates above the deepest attribute.
    fn depth(&self) -> usize {
        match self {
            Self::Attribute(_) | Self::Comparison(_) => 0,
            Self::All(c) | Self::Any(c) | Self::AtLeast(_, c) => {
                c.iter().map(Self::depth).max().unwrap_or(0).saturating_add(1)
            }
        }
    }

    fn write_joined(f: &mut fmt::Formatter<'_>, children: &[Self], word: &str) -> fmt::Result {
        for (i, child) in children.iter().enumerate() {
            if i > 0 {
                f.write_str(word)?;
            }
            match child {
                Self::All(_) | Self::Any(_) => write!(f, "({child})")?,
                _ => write!(f, "{child}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(a) => a.fmt(f),
            Self::Comparison(c) => c.fmt(f),
            Self::All(children) => Self::write_joined(f, children, " and "),
            Self::Any(children) => Self::write_joined(f, children, " or "),
            Self::AtLeast(needed, children) => {
                write!(f, "{needed} of (")?;
                for (i, child) in children.iter().enumerate() {
                    write!(f, "{}{child}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// A policy: canonical, and within the limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy(Node);

impl Policy {
    /// The policy that `text` writes; see the [module](self) for the language.
    ///
    /// # Errors
    /// [`PolicyError`], with the position in the text where there is one.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_TEXT {
            return Err(PolicyError::TooLong(text.len()));
        }
        Self::checked(parse::policy(text)?)
    }

    /// The policy that asks for one attribute.
    #[must_use]
    pub const fn attribute(attribute: Attribute) -> Self {
        Self(Node::Attribute(attribute))
    }

    /// The policy that makes one comparison.
    #[must_use]
    pub const fn comparison(comparison: Comparison) -> Self {
        Self(Node::Comparison(comparison))
    }

    /// The policy that asks for all of these.
    ///
    /// # Errors
    /// [`PolicyError`] for none, or if the whole exceeds a limit.
    pub fn all(policies: impl IntoIterator<Item = Self>) -> Result<Self, PolicyError> {
        let children: Vec<_> = policies.into_iter().map(|p| p.0).collect();
        Self::checked(Node::gate(children.len().max(1), children)?)
    }

    /// The policy that asks for any one of these.
    ///
    /// # Errors
    /// [`PolicyError`] for none, or if the whole exceeds a limit.
    pub fn any(policies: impl IntoIterator<Item = Self>) -> Result<Self, PolicyError> {
        Self::at_least(1, policies)
    }

    /// The policy that asks for `needed` of these.
    ///
    /// # Errors
    /// [`PolicyError`] if there are fewer, for zero, or if the whole exceeds a limit.
    pub fn at_least(needed: usize, policies: impl IntoIterator<Item = Self>) -> Result<Self, PolicyError> {
        Self::checked(Node::gate(needed, policies.into_iter().map(|p| p.0).collect())?)
    }

    fn checked(root: Node) -> Result<Self, PolicyError> {
        if root.terms() > MAX_TERMS {
            return Err(PolicyError::TooManyTerms);
        }
        if root.depth() > MAX_DEPTH {
            return Err(PolicyError::TooDeep { at: 1 });
        }
        let policy = Self(root);
        // The canonical text adds parentheses and spaces to what was written.
        match policy.to_string().len() {
            len if len > MAX_TEXT => Err(PolicyError::TooLong(len)),
            _ => Ok(policy),
        }
    }

    /// The root of its tree.
    #[must_use]
    pub const fn root(&self) -> &Node {
        &self.0
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for Policy {
    type Err = PolicyError;
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text)
    }
}
