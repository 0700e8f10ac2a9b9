//! Circuits of sums and lookups, what evaluates them, and the evaluation in the clear.
//!
//! A wire carries 0 to 15. Tables of groups are free (see the module above); sums with small factors are nearly free; a lookup
//! costs one bootstrap. The same circuit runs on ciphertexts and in the clear, so that tests in the clear are tests of it.

use super::form::Form;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a wire can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wire {
    Table(usize),
    Lookup(usize),
}

/// A function of one group, by where it changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    group: usize,
    first: i64,
    steps: Vec<(u32, i64)>,
}

impl Table {
    /// From a value for each number of the group.
    pub(super) fn new(group: usize, values: &[i64]) -> Self {
        let pairs = values.iter().zip(values.iter().skip(1)).zip(1_u32..);
        let steps = pairs.filter(|((a, b), _)| a != b).map(|((a, b), at)| (at, b.saturating_sub(*a))).collect();
        Self { group, first: values.first().copied().unwrap_or(0), steps }
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> usize {
        self.group
    }

    /// The value for number 0.
    #[must_use]
    pub const fn first(&self) -> i64 {
        self.first
    }

    /// Numbers at which the value changes, ascending from 1, and by how much.
    #[must_use]
    pub fn steps(&self) -> &[(u32, i64)] {
        &self.steps
    }

    /// How far its bits are multiplied, summed: what its noise grows by.
    pub(super) fn variation(&self) -> u64 {
        self.steps.iter().fold(0, |sum, (_, by)| sum.saturating_add(by.unsigned_abs()))
    }
}

/// A constant and wires with factors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Linear {
    pub(super) constant: i64,
    pub(super) terms: Vec<(i64, Wire)>,
}

impl Linear {
    pub(super) const fn constant(constant: i64) -> Self {
        Self { constant, terms: Vec::new() }
    }

    pub(super) fn wire(wire: Wire) -> Self {
        Self { constant: 0, terms: vec![(1, wire)] }
    }

    pub(super) fn plus(mut self, factor: i64, other: &Self) -> Self {
        self.constant = self.constant.saturating_add(factor.saturating_mul(other.constant));
        self.terms.extend(other.terms.iter().map(|(f, w)| (f.saturating_mul(factor), *w)));
        self
    }

    /// Noise in units of a bootstrapped wire's, by the linear rule of `tfhe`; fresh tables are far below one.
    pub(super) fn noise(&self) -> u64 {
        let lookups = self.terms.iter().filter(|(_, w)| matches!(w, Wire::Lookup(_)));
        lookups.fold(0, |sum, (f, _)| sum.saturating_add(f.unsigned_abs()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    pub(super) input: Linear,
    pub(super) table: [u8; 16],
    /// 1 where the input is all tables, and one more than the deepest lookup of the input otherwise.
    pub(super) level: usize,
}

/// What a model is compiled to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    pub(super) tables: Vec<Table>,
    pub(super) lookups: Vec<Lookup>,
    pub(super) outputs: Vec<Linear>,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Lookups done.
    pub done: usize,
    /// Lookups in all.
    pub total: usize,
}

/// Something that circuits can be evaluated by.
pub trait Backend: Sync {
    /// What a wire carries.
    type Value: Clone + Send + Sync;
    /// Why an operation fails.
    type Error: Send;

    /// A function of a group.
    ///
    /// # Errors
    /// If there is no such group, or it is smaller.
    fn table(&self, table: &Table) -> Result<Self::Value, Self::Error>;

    /// A constant and values with factors.
    ///
    /// # Errors
    /// If the values do not fit each other.
    fn sum(&self, constant: i64, terms: &[(i64, &Self::Value)]) -> Result<Self::Value, Self::Error>;

    /// The entry of `table` at `value`, which is 0 to 15.
    ///
    /// # Errors
    /// If the value is seen to be out of range.
    fn lookup(&self, value: &Self::Value, table: &[u8; 16]) -> Result<Self::Value, Self::Error>;
}

impl Circuit {
    /// Lookups, each of them a bootstrap.
    #[must_use]
    pub fn lookups(&self) -> usize {
        self.lookups.len()
    }

    /// Lookups that wait for each other.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.lookups.iter().map(|l| l.level).max().unwrap_or(0)
    }

    /// Lookups of each level, from the first.
    pub(super) fn levels(&self) -> Vec<usize> {
        let count = |level| self.lookups.iter().filter(|l| l.level == level).count();
        (1..=self.depth()).map(count).collect()
    }

    /// Evaluates the circuit, the lookups of a level on all threads of the pool it is called in.
    ///
    /// # Errors
    /// The first of the backend's.
    pub fn run<B: Backend>(
        &self,
        backend: &B,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<B::Value>, B::Error> {
        let tables: Vec<B::Value> = self.tables.par_iter().map(|t| backend.table(t)).collect::<Result<_, _>>()?;
        let mut found: Vec<Option<B::Value>> = vec![None; self.lookups.len()];
        let done = AtomicUsize::new(0);
        let total = self.lookups.len();
        for level in 1..=self.depth() {
            let due: Vec<(usize, &Lookup)> =
                self.lookups.iter().enumerate().filter(|(_, l)| l.level == level).collect();
            let values: Vec<(usize, B::Value)> = due
                .par_iter()
                .map(|(i, lookup)| {
                    let input = sum(backend, &lookup.input, &tables, &found)?;
                    let value = backend.lookup(&input, &lookup.table)?;
                    progress(Progress { done: done.fetch_add(1, Ordering::Relaxed).saturating_add(1), total });
                    Ok((*i, value))
                })
                .collect::<Result<_, B::Error>>()?;
            for (i, value) in values {
                if let Some(place) = found.get_mut(i) {
                    *place = Some(value);
                }
            }
        }
        self.outputs.iter().map(|output| sum(backend, output, &tables, &found)).collect()
    }
}

fn sum<B: Backend>(
    backend: &B,
    linear: &Linear,
    tables: &[B::Value],
    lookups: &[Option<B::Value>],
) -> Result<B::Value, B::Error> {
    let terms: Vec<(i64, &B::Value)> = linear
        .terms
        .iter()
        .filter_map(|(factor, wire)| {
            let value = match wire {
                Wire::Table(i) => tables.get(*i),
                Wire::Lookup(i) => lookups.get(*i).and_then(Option::as_ref),
            };
            value.map(|v| (*factor, v))
        })
        .collect();
    backend.sum(linear.constant, &terms)
}

/// The evaluation in the clear. It fails where a ciphertext would silently wrap around.
#[derive(Clone, Copy, Debug)]
pub struct Clear<'a> {
    form: &'a Form,
    values: &'a [i64],
}

impl<'a> Clear<'a> {
    /// For values in the order of the form's inputs.
    #[must_use]
    pub const fn new(form: &'a Form, values: &'a [i64]) -> Self {
        Self { form, values }
    }
}

/// A wire left its four bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a wire carries {0}, which is not in 0 to 15")]
pub struct Overflow(pub i64);

impl Backend for Clear<'_> {
    type Value = i64;
    type Error = Overflow;

    fn table(&self, table: &Table) -> Result<i64, Overflow> {
        let number = self.form.pack(table.group, self.values);
        let passed = table.steps.iter().filter(|(at, _)| u64::from(*at) <= number);
        Ok(passed.fold(table.first, |value, (_, by)| value.saturating_add(*by)))
    }

    fn sum(&self, constant: i64, terms: &[(i64, &i64)]) -> Result<i64, Overflow> {
        Ok(terms.iter().fold(constant, |sum, (f, v)| sum.saturating_add(f.saturating_mul(**v))))
    }

    fn lookup(&self, value: &i64, table: &[u8; 16]) -> Result<i64, Overflow> {
        let entry = usize::try_from(*value).ok().and_then(|v| table.get(v));
        entry.map(|e| i64::from(*e)).ok_or(Overflow(*value))
    }
}
