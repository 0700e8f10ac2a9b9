//! From a model to a circuit: groups, widths, lookups, time; and what is refused before anything is encrypted.
//!
//! A *sum* (points, logistic) adds one table a group. Its score is one wide wire: no lookup. Its class is the last carry of an
//! addition in base floor(16 / n) of n numbers, whose digits are tables: one lookup a digit. With more than eight numbers, four at
//! a time are first added in base four, two lookups a digit.
//!
//! A *tree* adds, for each leaf, "all tests on the way hold". The tests of one group are one table, so a leaf is a sum of as many
//! tables as groups are tested, looked up at its maximum; leaves of the most common value and leaves of one group need no lookup,
//! and leaves whose sums fit together into four bits share one.
//!
//! Noise follows the linear rule of `tfhe` (a wire out of a lookup counts one, five at most go into the next), as its parameters
//! are made for. Tables count nothing: a fresh bit has noise of at most 2^17 in 2^64, and the plan holds the sum of factors below 2^24.

mod adders;
mod sums;
mod trees;

use super::circuit::{Circuit, Clear, Linear, Lookup, Overflow, Table, Wire};
use super::form::{Form, FormError, LOOKUP_SCALE, MAX_GROUP, MIN_SCALE};
use super::model::{Answer, Model, Rule, Term};
use std::collections::HashMap;

/// Seconds of one bootstrap on one core of the machine that this workspace's figures come from.
pub const REFERENCE_BOOTSTRAP_SECONDS: f64 = 0.012;

/// Noise that may go into a lookup.
const LOOKUP_NOISE: u64 = 5;
/// Noise that a result may have: sqrt(64) * 13.2 standard deviations of a bootstrap, 2^49.5, stay below 2^57.
const OUTPUT_NOISE: u64 = 64;
/// Most of all steps of all tables, where there are lookups.
const MAX_VARIATION: u64 = 1 << 24;

/// What a plan may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Most bootstraps for one patient.
    pub bootstraps: usize,
    /// Most seconds for one patient, at [`REFERENCE_BOOTSTRAP_SECONDS`] on `cores` cores.
    pub seconds: f64,
    /// Cores.
    pub cores: usize,
    /// Inputs are coded together while they have at most this many values together: each costs eight bytes of upload, and
    /// saves lookups.
    pub merge: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bootstraps: 100_000, seconds: 600.0, cores: 2, merge: 512 }
    }
}

/// Why there is no plan for a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Inputs that are looked at together have too many values, or all inputs together have.
    #[error(
        "the inputs {inputs:?} are looked at together and have {width} values, over the {MAX_GROUP} that are coded: narrow \
         their bounds or round them"
    )]
    Domain {
        /// Names of the inputs.
        inputs: Vec<String>,
        /// How many values they have together.
        width: u64,
    },
    /// The form is refused.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The score can leave the declared bounds.
    #[error("the score can be {found_min} to {found_max}, outside the declared {min} to {max}")]
    Overflow {
        /// Declared minimum.
        min: i64,
        /// Declared maximum.
        max: i64,
        /// Smallest score over the domain.
        found_min: i64,
        /// Largest score over the domain.
        found_max: i64,
    },
    /// The score has more bits than a wire or an addition carries.
    #[error("the score needs {needed} bits, over the {limit} that a result carries: round the weights")]
    Width {
        /// Bits needed.
        needed: u32,
        /// Bits that are carried.
        limit: u32,
    },
    /// A path of a tree tests too many groups of inputs.
    #[error("tree {tree}: a path tests {found} separate inputs, over the 15 of one lookup")]
    Path {
        /// Number of the tree, from 0.
        tree: usize,
        /// Inputs, or groups of them, on the path.
        found: usize,
    },
    /// It would take too many bootstraps.
    #[error("the model takes {found} bootstraps or more, over the limit of {limit}")]
    Bootstraps {
        /// Bootstraps found until it was given up.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// It would take too long.
    #[error("the model takes {estimated:.0} s a patient on {cores} cores, over the limit of {limit:.0} s")]
    Slow {
        /// Estimated seconds.
        estimated: f64,
        /// Cores.
        cores: usize,
        /// The limit in seconds.
        limit: f64,
    },
}

/// A model compiled: the public form and the circuit, with what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    form: Form,
    circuit: Circuit,
    variation: u64,
}

impl Plan {
    /// Compiles a model.
    ///
    /// # Errors
    /// [`PlanError`], with the figure that is over its limit.
    pub fn new(model: &Model, limits: Limits) -> Result<Self, PlanError> {
        let groups = groups(model, limits.merge)?;
        // The scale is not known before the circuit; groups and bounds are.
        let form = form(model, groups.clone(), LOOKUP_SCALE, (1, 2))?;
        let mut builder =
            Builder { form: &form, limits, tables: Vec::new(), known: HashMap::new(), lookups: Vec::new() };
        let (outputs, base, scale) = match model.rule() {
            Rule::Sum { .. } => builder.sum(model)?,
            Rule::Trees(trees) => builder.trees(model, trees)?,
        };
        let digits = (outputs.len(), base);
        let circuit = Circuit { tables: builder.tables, lookups: builder.lookups, outputs };
        let variation = circuit.tables.iter().fold(0_u64, |sum, t| sum.saturating_add(t.variation()));
        // Fresh noise, at most 2^17 a bit, stays far below the noise of bootstraps, or below the mask where there are none.
        let limit = if circuit.lookups.is_empty() { 1_u64 << scale.saturating_sub(29).min(63) } else { MAX_VARIATION };
        if variation > limit {
            return Err(PlanError::Width { needed: bits_of(variation), limit: limit.ilog2() });
        }
        let plan = Self { form: self::form(model, groups, scale, digits)?, circuit, variation };
        let estimated = plan.seconds(limits.cores);
        if estimated > limits.seconds {
            return Err(PlanError::Slow { estimated, cores: limits.cores, limit: limits.seconds });
        }
        Ok(plan)
    }

    /// What the patient gets.
    #[must_use]
    pub const fn form(&self) -> &Form {
        &self.form
    }

    /// What the clinic evaluates.
    #[must_use]
    pub const fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Bootstraps for one patient.
    #[must_use]
    pub fn bootstraps(&self) -> usize {
        self.circuit.lookups()
    }

    /// Estimated seconds for one patient.
    #[must_use]
    pub fn seconds(&self, cores: usize) -> f64 {
        let rounds: usize = self.circuit.levels().iter().map(|n| n.div_ceil(cores.max(1))).sum();
        // Expanding and summing a bit takes some 20 microseconds.
        let bits = f64::from(u32::try_from(self.form.bits()).unwrap_or(u32::MAX)) * 2e-5;
        f64::from(u32::try_from(rounds).unwrap_or(u32::MAX)) * REFERENCE_BOOTSTRAP_SECONDS + bits
    }

    /// Bytes that one patient uploads, without keys and framing.
    #[must_use]
    pub fn upload_bytes(&self) -> u64 {
        self.form.bits().saturating_mul(8)
    }

    /// Bits by which the masking noise of a result exceeds the noise that depends on the model, where the latter is bounded:
    /// the statistical distance is 2 to minus this. None where results come out of bootstraps.
    #[must_use]
    pub fn masking_bits(&self) -> Option<u32> {
        if self.bootstraps() > 0 {
            return None;
        }
        Some(self.form.scale().saturating_sub(19).saturating_sub(bits_of(self.variation)))
    }

    /// The answer for values in the clear, by the circuit and not by the model.
    ///
    /// # Errors
    /// [`Overflow`] where a ciphertext would be wrong, which the planner rules out.
    pub fn rehearse(&self, values: &[i64]) -> Result<i64, Overflow> {
        let outputs = self.circuit.run(&Clear::new(&self.form, values), &|_| ())?;
        self.form.read(&outputs).ok_or_else(|| Overflow(outputs.iter().copied().max().unwrap_or(0)))
    }
}

fn form(model: &Model, groups: Vec<Vec<usize>>, scale: u32, digits: (usize, i64)) -> Result<Form, FormError> {
    Form::new(model.name(), model.inputs().to_vec(), groups, scale, digits, model.answer().clone())
}

// --- groups ---

/// What the model looks at together, small groups merged.
fn groups(model: &Model, merge: u64) -> Result<Vec<Vec<usize>>, PlanError> {
    let width = |group: &[usize]| {
        group.iter().filter_map(|i| model.inputs().get(*i)).fold(1_u64, |w, i| w.saturating_mul(i.width()))
    };
    let mut groups: Vec<Vec<usize>> = match model.rule() {
        Rule::Sum { terms, .. } => terms.iter().map(Term::inputs).collect(),
        Rule::Trees(_) => Vec::new(),
    };
    groups.extend((0..model.inputs().len()).map(|i| vec![i]));
    groups.sort_by_key(|g| std::cmp::Reverse(g.len()));
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for group in groups {
        if !kept.iter().any(|k| group.iter().all(|i| k.contains(i))) {
            kept.push(group);
        }
    }
    loop {
        kept.sort_by_key(|g| width(g));
        let [a, b, ..] = kept.as_slice() else { break };
        let mut merged: Vec<usize> = a.iter().chain(b).copied().collect();
        merged.sort_unstable();
        merged.dedup();
        if width(&merged) > merge {
            break;
        }
        kept.splice(0..2, [merged]);
    }
    kept.sort();
    if let Some(group) = kept.iter().find(|g| width(g) > MAX_GROUP) {
        let names = group.iter().filter_map(|i| model.inputs().get(*i)).map(|i| i.name.clone());
        return Err(PlanError::Domain { inputs: names.collect(), width: width(group) });
    }
    Ok(kept)
}

// --- the builder ---

struct Builder<'a> {
    form: &'a Form,
    limits: Limits,
    tables: Vec<Table>,
    known: HashMap<Table, usize>,
    lookups: Vec<Lookup>,
}

/// Outputs as digits of a base, counted from the smallest score, and the scale of a bit.
type Compiled = (Vec<Linear>, i64, u32);

/// A digit of a number: 0 to `max`.
#[derive(Clone, Debug)]
struct Digit {
    linear: Linear,
    max: i64,
}

/// A number that is not negative.
#[derive(Clone, Debug)]
enum Number {
    /// A function of one group.
    Table { group: usize, values: Vec<i64> },
    /// Digits in base four, the lowest first.
    Digits(Vec<Digit>),
}

impl Number {
    fn max(&self) -> i64 {
        match self {
            Self::Table { values, .. } => values.iter().copied().max().unwrap_or(0),
            Self::Digits(digits) => {
                digits.iter().rev().fold(0, |max: i64, d| max.saturating_mul(4).saturating_add(d.max))
            }
        }
    }
}

const BASE: i64 = 4;

impl Builder<'_> {
    fn table(&mut self, group: usize, values: &[i64]) -> Linear {
        if values.iter().all(|v| Some(v) == values.first()) {
            return Linear::constant(values.first().copied().unwrap_or(0));
        }
        let next = self.tables.len();
        let table = Table::new(group, values);
        let index = *self.known.entry(table).or_insert_with_key(|table| {
            self.tables.push(table.clone());
            next
        });
        Linear::wire(Wire::Table(index))
    }

    fn lookup(&mut self, input: Linear, f: impl Fn(i64) -> i64) -> Result<Linear, PlanError> {
        let mut table = [0; 16];
        for (at, entry) in table.iter_mut().enumerate() {
            let value = i64::try_from(at).map_or(0, &f);
            *entry = u8::try_from(value.clamp(0, 15)).unwrap_or(0);
        }
        if input.terms.is_empty() {
            return Ok(Linear::constant(f(input.constant)));
        }
        debug_assert!(input.noise() <= LOOKUP_NOISE, "a lookup of too much noise");
        let below = input.terms.iter().map(|(_, w)| match w {
            Wire::Lookup(i) => self.lookups.get(*i).map_or(0, |l| l.level),
            Wire::Table(_) => 0,
        });
        let level = below.max().unwrap_or(0).saturating_add(1);
        self.lookups.push(Lookup { input, table, level });
        if self.lookups.len() > self.limits.bootstraps {
            return Err(PlanError::Bootstraps { found: self.lookups.len(), limit: self.limits.bootstraps });
        }
        Ok(Linear::wire(Wire::Lookup(self.lookups.len().saturating_sub(1))))
    }

    /// The same value with less noise: lookups of the same sign, five at a time. Whatever subset of them is summed stays
    /// within four bits, because at most one of a tree's leaves is reached.
    fn quieter(&mut self, mut linear: Linear, limit: u64) -> Result<Linear, PlanError> {
        while linear.noise() > limit {
            let (lookups, rest): (Vec<_>, Vec<_>) =
                linear.terms.into_iter().partition(|(_, w)| matches!(w, Wire::Lookup(_)));
            let mut next = Linear { constant: linear.constant, terms: rest };
            for sign in [1, -1] {
                let same: Vec<_> = lookups.iter().filter(|(f, _)| f.signum() == sign).copied().collect();
                for chunk in same.chunks(5) {
                    let part = Linear { constant: 0, terms: chunk.iter().map(|(f, w)| (f.abs(), *w)).collect() };
                    let quiet = if chunk.len() > 1 { self.lookup(part, |v| v)? } else { part };
                    next = next.plus(sign, &quiet);
                }
            }
            // One of each sign is two; a lookup of the whole, which is 0 to 15, is one.
            if next.noise() == linear_noise(&lookups) {
                let quiet = self.lookup(next, |v| v)?;
                return Ok(quiet);
            }
            linear = next;
        }
        Ok(linear)
    }
}

fn linear_noise(terms: &[(i64, Wire)]) -> u64 {
    terms.iter().fold(0, |sum, (f, _)| sum.saturating_add(f.unsigned_abs()))
}
/// Bits of a number that is not negative.
fn bits(number: i64) -> u32 {
    64_u32.saturating_sub(number.leading_zeros()).max(1)
}

fn bits_of(number: u64) -> u32 {
    64_u32.saturating_sub(number.leading_zeros())
}

fn check_bounds(model: &Model, found_min: i64, found_max: i64) -> Result<(), PlanError> {
    match model.answer() {
        Answer::Score { min, max } if found_min < *min || found_max > *max => {
            Err(PlanError::Overflow { min: *min, max: *max, found_min, found_max })
        }
        _ => Ok(()),
    }
}
