//! From a policy to the access tree that the scheme enforces: threshold gates over labels.
//!
//! `and` is n of n and `or` is 1 of n. A comparison becomes an `or` over the prefixes whose numbers are exactly its range
//! (see [`attribute`](crate::attribute)); a key for a number holds all prefixes of it, so it holds one of them if and
//! only if its number passes. The clause for the epoch of sealing is one more comparison, joined to the root by `and`.

use crate::attribute::{Label, cover, max_of};
use crate::epoch::Granularity;
use crate::policy::{Comparison, Node, Policy, PolicyError};
use crate::schema::Schema;
use std::collections::{BTreeMap, HashMap};

/// The most rows a ciphertext may have.
pub const MAX_ROWS: usize = 4096;

/// In how many rows one attribute may stand. Each costs a G2 element in the ciphertext and a pairing on opening.
pub const MAX_REPEATS: usize = 256;

/// A gate or a leaf. Leaves are numbers of rows, from 0 in the order of the policy's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Leaf(usize),
    /// `needed` of `children`, with 1 <= `needed` <= the number of children.
    Threshold {
        needed: usize,
        children: Vec<Gate>,
    },
}

/// One row: the attribute it is for (pi), and which occurrence of it this is, from 0 (rho).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) label: Label,
    pub(crate) occurrence: usize,
}

/// A policy as the scheme enforces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessTree {
    pub(crate) root: Gate,
    pub(crate) rows: Vec<Row>,
    /// The largest number of rows that one attribute has (tau).
    pub(crate) occurrences: usize,
}

struct Builder<'a> {
    schema: &'a Schema,
    rows: Vec<Row>,
    seen: HashMap<Label, usize>,
}

impl AccessTree {
    /// The tree of a policy under an authority's schema, and under the clause `until >= epoch` if there is an epoch.
    pub(crate) fn build(
        policy: &Policy,
        schema: &Schema,
        sealed: Option<(Granularity, u32)>,
    ) -> Result<Self, PolicyError> {
        let mut builder = Builder { schema, rows: Vec::new(), seen: HashMap::new() };
        let mut root = builder.node(policy.root())?;
        if let Some((granularity, epoch)) = sealed {
            let bits = granularity.bits();
            let prefixes = cover(epoch, max_of(bits), bits);
            if prefixes.is_empty() {
                return Err(PolicyError::Contradiction("until".to_owned()));
            }
            let clause = builder.one_of(prefixes.into_iter().map(|p| Label::expiry(bits, p)))?;
            root = Gate::Threshold { needed: 2, children: vec![root, clause] };
        }
        let occurrences = builder.seen.values().copied().max().unwrap_or(0);
        if occurrences > MAX_REPEATS {
            return Err(PolicyError::TooManyRepeats { count: occurrences, limit: MAX_REPEATS });
        }
        Ok(Self { root, rows: builder.rows, occurrences })
    }
}

impl Builder<'_> {
    fn leaf(&mut self, label: Label) -> Result<Gate, PolicyError> {
        let row = self.rows.len();
        if row >= MAX_ROWS {
            return Err(PolicyError::TooManyRows { rows: row.saturating_add(1), limit: MAX_ROWS });
        }
        let count = self.seen.entry(label.clone()).or_insert(0);
        let occurrence = *count;
        *count = count.saturating_add(1);
        self.rows.push(Row { label, occurrence });
        Ok(Gate::Leaf(row))
    }

    fn one_of(&mut self, labels: impl Iterator<Item = Label>) -> Result<Gate, PolicyError> {
        let mut children = labels.map(|l| self.leaf(l)).collect::<Result<Vec<_>, _>>()?;
        match (children.pop(), children.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                children.push(last);
                Ok(Gate::Threshold { needed: 1, children })
            }
            (None, _) => Err(PolicyError::Empty),
        }
    }

    fn threshold(&mut self, needed: usize, children: &[Node]) -> Result<Gate, PolicyError> {
        let children = children.iter().map(|c| self.node(c)).collect::<Result<_, _>>()?;
        Ok(Gate::Threshold { needed, children })
    }

    fn node(&mut self, node: &Node) -> Result<Gate, PolicyError> {
        match node {
            Node::Attribute(attribute) if self.schema.number_kind(attribute.name()).is_some() => {
                Err(PolicyError::NotPlain(attribute.name().to_owned()))
            }
            Node::Attribute(attribute) => self.leaf(attribute.label()),
            Node::Comparison(comparison) => {
                let bits = self.bits(comparison)?;
                let name = comparison.name();
                let prefixes = comparison.cover(bits)?;
                self.one_of(prefixes.into_iter().map(|p| Label::number(name, bits, p)))
            }
            Node::All(children) => {
                self.check_ranges(children)?;
                self.threshold(children.len(), children)
            }
            Node::Any(children) => self.threshold(1, children),
            Node::AtLeast(needed, children) => self.threshold(*needed, children),
        }
    }

    fn bits(&self, comparison: &Comparison) -> Result<u8, PolicyError> {
        let name = comparison.name();
        let kind = self.schema.number_kind(name).ok_or_else(|| PolicyError::UnknownNumber(name.to_owned()))?;
        if kind.date != comparison.is_date() {
            return Err(PolicyError::Kind(name.to_owned()));
        }
        Ok(kind.bits)
    }

    /// A key holds one number of a name, so ranges that are joined by `and` must have a value in common.
    fn check_ranges(&self, children: &[Node]) -> Result<(), PolicyError> {
        let mut ranges: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for child in children {
            let Node::Comparison(comparison) = child else { continue };
            let (low, high) = comparison.interval(self.bits(comparison)?)?;
            let range = ranges.entry(comparison.name()).or_insert((0, u32::MAX));
            *range = (range.0.max(low), range.1.min(high));
            if range.0 > range.1 {
                return Err(PolicyError::Contradiction(comparison.name().to_owned()));
            }
        }
        Ok(())
    }
}
