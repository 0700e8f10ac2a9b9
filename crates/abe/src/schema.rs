//! What an authority declares of its attributes, and the set of attributes that a key is granted.

use crate::attribute::{Attribute, AttributeError, Label, check_name, max_of, prefixes};
use crate::policy::{Comparison, Node, Number, Policy, Test};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The most numbers and emergency attributes an authority may declare.
pub(crate) const MAX_DECLARED: usize = 256;

/// The most plain attributes and numbers one key may hold.
pub const MAX_ATTRIBUTES: usize = 2048;

/// A declared number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberKind {
    /// Width in bits, 1 to 32: values go from 0 to 2^bits - 1.
    pub bits: u8,
    /// Whether values are dates, in days since 1970-01-01.
    pub date: bool,
}

/// A schema, or a set of attributes, that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Not an attribute.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// A width outside 1 to 32.
    #[error("`{0}` cannot have this width: 1 to 32 bits are possible")]
    Width(String),
    /// The same name twice.
    #[error("`{0}` stands there twice with different values; a key holds one number of a name")]
    Twice(String),
    /// Too many of them.
    #[error("there are too many attributes; at most {0} are allowed")]
    TooMany(usize),
    /// A number that was not declared.
    #[error("the authority declares no number `{0}`; write {0}:value for a plain attribute")]
    Undeclared(String),
    /// A plain attribute with the name of a number.
    #[error("the authority declares `{0}` a number; write {0}=3, or a date if it is one")]
    NotPlain(String),
    /// An integer for a date, or a date for an integer.
    #[error("`{0}` must be given as the authority declares it: a date as 2027-01-31, any other number as an integer")]
    Kind(String),
    /// A number that is too large.
    #[error("the value of `{name}` must be at most {max}")]
    TooLarge {
        /// The number's name.
        name: String,
        /// The largest value.
        max: u32,
    },
}

/// What an authority declares: its numbers with their widths, and the attributes that are for emergencies.
///
/// It is part of the authority's identity: another schema is another authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    numbers: BTreeMap<String, NumberKind>,
    emergency: BTreeSet<Attribute>,
}

impl Schema {
    /// A schema that declares nothing: plain attributes only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a number of `bits` bits. Choose the fewest that will do: a key carries `bits` components for it, and a
    /// comparison up to `bits` rows (a range up to 2 * `bits` - 2) in every file.
    ///
    /// # Errors
    /// [`SchemaError`] for a bad name, a name that is declared already, a width outside 1 to 32, or one too many.
    pub fn integer(self, name: &str, bits: u8) -> Result<Self, SchemaError> {
        self.number(name, NumberKind { bits, date: false })
    }

    /// Declares a date, in 16 bits: from 1970-01-01 to 2149-06-06.
    ///
    /// # Errors
    /// As for [`integer`](Self::integer).
    pub fn date(self, name: &str) -> Result<Self, SchemaError> {
        self.number(name, NumberKind { bits: 16, date: true })
    }

    pub(crate) fn number(mut self, name: &str, kind: NumberKind) -> Result<Self, SchemaError> {
        check_name(name)?;
        if !(1..=32).contains(&kind.bits) {
            return Err(SchemaError::Width(name.to_owned()));
        }
        if self.emergency.iter().any(|a| a.name() == name) {
            return Err(SchemaError::NotPlain(name.to_owned()));
        }
        if self.numbers.insert(name.to_owned(), kind).is_some() {
            return Err(SchemaError::Twice(name.to_owned()));
        }
        self.counted()
    }

    /// Declares a plain attribute that is for emergencies: keys with it live at most 24 hours.
    ///
    /// # Errors
    /// [`SchemaError`] if its name is a declared number, or for one too many.
    pub fn emergency(mut self, attribute: Attribute) -> Result<Self, SchemaError> {
        if self.numbers.contains_key(attribute.name()) {
            return Err(SchemaError::NotPlain(attribute.name().to_owned()));
        }
        self.emergency.insert(attribute);
        self.counted()
    }

    fn counted(self) -> Result<Self, SchemaError> {
        if self.numbers.len().max(self.emergency.len()) > MAX_DECLARED {
            return Err(SchemaError::TooMany(MAX_DECLARED));
        }
        Ok(self)
    }

    /// What is declared of a name, if it is a number.
    #[must_use]
    pub fn number_kind(&self, name: &str) -> Option<NumberKind> {
        self.numbers.get(name).copied()
    }

    /// The declared numbers, by name.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = (&str, NumberKind)> {
        self.numbers.iter().map(|(name, kind)| (name.as_str(), *kind))
    }

    /// The attributes that are for emergencies.
    pub fn emergency_attributes(&self) -> impl ExactSizeIterator<Item = &Attribute> {
        self.emergency.iter()
    }

    /// Checks that the attributes are of this schema.
    ///
    /// # Errors
    /// [`SchemaError`] that names the attribute.
    pub fn check(&self, attributes: &AttributeSet) -> Result<(), SchemaError> {
        if let Some(plain) = attributes.plain.iter().find(|a| self.numbers.contains_key(a.name())) {
            return Err(SchemaError::NotPlain(plain.name().to_owned()));
        }
        for (name, number) in &attributes.numbers {
            let kind = self.number_kind(name).ok_or_else(|| SchemaError::Undeclared(name.clone()))?;
            if kind.date != matches!(number, Number::Date(_)) {
                return Err(SchemaError::Kind(name.clone()));
            }
            let max = max_of(kind.bits);
            if number.value() > max {
                return Err(SchemaError::TooLarge { name: name.clone(), max });
            }
        }
        Ok(())
    }

    /// The labels of a key with these attributes, in the order of its components.
    pub(crate) fn labels(&self, attributes: &AttributeSet) -> Vec<Label> {
        let mut labels: Vec<_> = attributes.plain.iter().map(Attribute::label).collect();
        for (name, number) in &attributes.numbers {
            let bits = self.number_kind(name).map_or(0, |k| k.bits);
            labels.extend(prefixes(number.value(), bits).map(|p| Label::number(name, bits, p)));
        }
        labels
    }
}

/// What a key holds: plain attributes, and at most one number of each name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeSet {
    plain: BTreeSet<Attribute>,
    numbers: BTreeMap<String, Number>,
}

impl AttributeSet {
    /// The set of these attributes, each written as `name:value`, `name=number` or `name=2027-01-31`.
    ///
    /// # Errors
    /// [`SchemaError`] for the first that is not an attribute, a name with two numbers, or one too many.
    pub fn parse<'a>(attributes: impl IntoIterator<Item = &'a str>) -> Result<Self, SchemaError> {
        let mut set = Self::default();
        for text in attributes {
            match text.parse::<Policy>().as_ref().map(Policy::root) {
                Ok(Node::Attribute(attribute)) => set.insert(attribute.clone())?,
                Ok(Node::Comparison(c)) => match c.test() {
                    Test::Equal(number) => set.insert_number(c.name(), number)?,
                    _ => return Err(AttributeError::Form(text.chars().take(80).collect()).into()),
                },
                _ => return Err(AttributeError::Form(text.chars().take(80).collect()).into()),
            }
        }
        Ok(set)
    }

    /// Adds a plain attribute.
    ///
    /// # Errors
    /// [`SchemaError::TooMany`] above [`MAX_ATTRIBUTES`].
    pub fn insert(&mut self, attribute: Attribute) -> Result<(), SchemaError> {
        self.plain.insert(attribute);
        self.counted()
    }

    /// Adds a number.
    ///
    /// # Errors
    /// [`SchemaError`] for a bad name, another number of the same name, or one too many.
    pub fn insert_number(&mut self, name: &str, number: Number) -> Result<(), SchemaError> {
        check_name(name)?;
        match self.numbers.insert(name.to_owned(), number) {
            Some(old) if old != number => Err(SchemaError::Twice(name.to_owned())),
            _ => self.counted(),
        }
    }

    fn counted(&self) -> Result<(), SchemaError> {
        let count = self.plain.len().saturating_add(self.numbers.len());
        if count > MAX_ATTRIBUTES { Err(SchemaError::TooMany(MAX_ATTRIBUTES)) } else { Ok(()) }
    }

    /// The plain attributes, in order.
    pub fn plain(&self) -> impl ExactSizeIterator<Item = &Attribute> {
        self.plain.iter()
    }

    /// The numbers, by name.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = (&str, Number)> {
        self.numbers.iter().map(|(name, number)| (name.as_str(), *number))
    }

    /// Whether it holds the attribute.
    #[must_use]
    pub fn contains(&self, attribute: &Attribute) -> bool {
        self.plain.contains(attribute)
    }

    /// Whether it holds a number that passes.
    #[must_use]
    pub fn passes(&self, comparison: &Comparison) -> bool {
        let Some(n) = self.numbers.get(comparison.name()) else { return false };
        match comparison.interval(32) {
            Ok((low, high)) => {
                comparison.is_date() == matches!(n, Number::Date(_)) && (low..=high).contains(&n.value())
            }
            Err(_) => false,
        }
    }
}

/// The attributes as [`parse`](AttributeSet::parse) reads them, joined by commas.
impl fmt::Display for AttributeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut comma =
            |f: &mut fmt::Formatter<'_>| if std::mem::take(&mut first) { Ok(()) } else { f.write_str(", ") };
        for attribute in &self.plain {
            comma(f)?;
            write!(f, "{attribute}")?;
        }
        for (name, number) in &self.numbers {
            comma(f)?;
            write!(f, "{name}={number}")?;
        }
        Ok(())
    }
}
