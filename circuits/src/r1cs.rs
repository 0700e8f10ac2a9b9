//! The constraint system: numbers as linear combinations, rows `A·z * B·z = C·z`, and rows grouped by what they are for.
//!
//! A [`Builder`] runs a statement once. With [`Builder::shape`] it records the rows ([`R1cs`]); with
//! [`Builder::assign`] it only computes the values of all variables, which is what proving needs. Both run the same code,
//! and the rows never depend on values: a statement's rows are one fixed matrix triple with one [digest](R1cs::digest).
//!
//! Additions and multiplications by constants are free. Only products cost rows, one each. A statement calls a gadget in
//! a named [group](Builder::group), so that tests can leave out one group and see that something then passes that must
//! not (the under-constrained circuits of the zk-bug-tracker are found this way).
//!
//! Variable 0 is the constant one, then come the public inputs, then the witness. [`R1cs`] is also an arkworks
//! `ConstraintSynthesizer` ([`Assigned`]), with the same rows in the same order.

use ark_bn254::Fr;
use ark_ff::{BigInteger as _, Field as _, One as _, PrimeField as _, Zero as _};
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, LinearCombination, SynthesisError, Variable};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use zeroize::Zeroize as _;

/// A coefficient and the index of its variable.
pub type Term = (u32, Fr);
/// A linear combination as a row of a matrix: terms by ascending variable, no zero coefficients.
pub type Row = Vec<Term>;

/// A number in a circuit: its value and, while rows are recorded, the linear combination that it is.
#[derive(Clone)]
pub struct Num {
    value: Fr,
    terms: Row,
}

impl Num {
    /// A constant.
    #[must_use]
    pub fn constant(value: Fr) -> Self {
        Self { value, terms: if value.is_zero() { Vec::new() } else { vec![(0, value)] } }
    }

    /// The constant one.
    #[must_use]
    pub fn one() -> Self {
        Self::constant(Fr::one())
    }

    /// The constant zero.
    #[must_use]
    pub fn zero() -> Self {
        Self::constant(Fr::zero())
    }

    /// The value under the current assignment.
    #[must_use]
    pub const fn value(&self) -> Fr {
        self.value
    }

    /// The sum of coefficient times number.
    #[must_use]
    pub fn sum(parts: &[(Fr, &Self)]) -> Self {
        let value = parts.iter().map(|(c, n)| *c * n.value).sum();
        let mut terms: Row = parts.iter().flat_map(|(c, n)| n.terms.iter().map(move |(v, k)| (*v, *k * c))).collect();
        if parts.len() > 1 || parts.iter().any(|(c, _)| c.is_zero()) {
            terms.sort_by_key(|(v, _)| *v);
            terms.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 += next.1;
                }
                same
            });
            terms.retain(|(_, k)| !k.is_zero());
        }
        Self { value, terms }
    }

    /// This times a constant.
    #[must_use]
    pub fn times(&self, factor: Fr) -> Self {
        Self::sum(&[(factor, self)])
    }

    /// One minus this.
    #[must_use]
    pub fn not(&self) -> Self {
        &Self::one() - self
    }
}

impl std::fmt::Debug for Num {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Num")
    }
}

impl std::ops::Add for &Num {
    type Output = Num;
    fn add(self, other: Self) -> Num {
        Num::sum(&[(Fr::one(), self), (Fr::one(), other)])
    }
}

impl std::ops::Sub for &Num {
    type Output = Num;
    fn sub(self, other: Self) -> Num {
        Num::sum(&[(Fr::one(), self), (-Fr::one(), other)])
    }
}

/// Runs a statement: hands out variables, takes rows.
pub struct Builder {
    shape: Option<R1cs>,
    assignment: Vec<Fr>,
    groups: Vec<&'static str>,
    violated: Option<String>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Builder")
    }
}

impl Builder {
    /// A builder that records rows.
    #[must_use]
    pub fn shape(publics: usize) -> (Self, Vec<Num>) {
        Self::start(&vec![Fr::zero(); publics], Some(R1cs::default()))
    }

    /// A builder that computes values only.
    #[must_use]
    pub fn assign(publics: &[Fr]) -> (Self, Vec<Num>) {
        Self::start(publics, None)
    }

    fn start(publics: &[Fr], shape: Option<R1cs>) -> (Self, Vec<Num>) {
        let mut builder = Self { shape, assignment: vec![Fr::one()], groups: Vec::new(), violated: None };
        let inputs = publics.iter().map(|value| builder.witness(*value)).collect();
        if let Some(shape) = &mut builder.shape {
            shape.publics = builder.assignment.len();
        }
        (builder, inputs)
    }

    /// A new witness variable with this value. It is constrained by nothing yet.
    pub fn witness(&mut self, value: Fr) -> Num {
        let index = u32::try_from(self.assignment.len()).unwrap_or(u32::MAX);
        self.assignment.push(value);
        let terms = if self.shape.is_some() { vec![(index, Fr::one())] } else { Vec::new() };
        Num { value, terms }
    }

    /// The row a * b = c.
    pub fn enforce(&mut self, a: &Num, b: &Num, c: &Num) {
        if let Some(shape) = &mut self.shape {
            let group = self.groups.join("/");
            let group = shape.groups.iter().position(|g| *g == group).unwrap_or_else(|| {
                shape.groups.push(group);
                shape.groups.len().saturating_sub(1)
            });
            shape.rows.push(Constraint { a: a.terms.clone(), b: b.terms.clone(), c: c.terms.clone(), group });
        } else if self.violated.is_none() && a.value * b.value != c.value {
            self.violated = Some(self.groups.join("/"));
        }
    }

    /// The row a = b.
    pub fn equal(&mut self, a: &Num, b: &Num) {
        self.enforce(&(a - b), &Num::one(), &Num::zero());
    }

    /// The product: one variable, one row.
    pub fn mul(&mut self, a: &Num, b: &Num) -> Num {
        let c = self.witness(a.value * b.value);
        self.enforce(a, b, &c);
        c
    }

    /// a / b: one variable, one row. Where b is zero the row asks for a = 0 and leaves the quotient open, so the caller must
    /// know that b is not zero.
    pub fn div(&mut self, a: &Num, b: &Num) -> Num {
        let q = self.witness(a.value * b.value.inverse().unwrap_or_default());
        self.enforce(&q, b, a);
        q
    }

    /// Refuses zero: one variable (the inverse), one row.
    pub fn nonzero(&mut self, a: &Num) {
        let _ = self.div(&Num::one(), a);
    }

    /// A boolean variable.
    pub fn boolean(&mut self, value: bool) -> Num {
        let b = self.witness(Fr::from(value));
        self.enforce(&b, &b.not(), &Num::zero());
        b
    }

    /// `yes` where the boolean is 1 and `no` where it is 0: one row.
    pub fn select(&mut self, boolean: &Num, yes: &Num, no: &Num) -> Num {
        let difference = self.mul(boolean, &(yes - no));
        &difference + no
    }

    /// Runs `part` with its rows in this group. Groups nest; a group's name is the path to it.
    pub fn group<T>(&mut self, name: &'static str, part: impl FnOnce(&mut Self) -> T) -> T {
        self.groups.push(name);
        let result = part(self);
        self.groups.pop();
        result
    }

    /// The recorded rows; `None` from a builder that only assigned.
    #[must_use]
    pub fn into_shape(mut self) -> Option<R1cs> {
        let variables = self.assignment.len();
        self.shape.take().map(|shape| R1cs { variables, ..shape })
    }

    /// The values of all variables.
    ///
    /// # Errors
    /// [`Unsatisfied`] with the group of the first row that does not hold.
    pub fn into_assignment(mut self) -> Result<Assignment, Unsatisfied> {
        match self.violated.take() {
            Some(group) => Err(Unsatisfied { group }),
            None => Ok(Assignment(std::mem::take(&mut self.assignment))),
        }
    }

    /// The values of all variables, whether they satisfy the rows or not: for tests of soundness.
    #[must_use]
    pub fn into_unchecked_assignment(mut self) -> Assignment {
        Assignment(std::mem::take(&mut self.assignment))
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        self.assignment.zeroize();
    }
}

/// The values of all variables, the constant one first. Holds the witness: wiped on drop, no `Debug` of its content.
#[derive(Clone)]
pub struct Assignment(Vec<Fr>);

impl Assignment {
    /// These values; for tests that change some.
    #[must_use]
    pub const fn from_values(values: Vec<Fr>) -> Self {
        Self(values)
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> &[Fr] {
        &self.0
    }
}

impl Drop for Assignment {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Assignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Assignment")
    }
}

/// The witness does not satisfy the statement. The group says which part of it; no value is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the witness does not satisfy the statement: {group}")]
pub struct Unsatisfied {
    /// The group of rows that does not hold.
    pub group: String,
}

/// One row.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// Left factor.
    pub a: Row,
    /// Right factor.
    pub b: Row,
    /// Product.
    pub c: Row,
    group: usize,
}

/// The rows of a statement.
#[derive(Clone, Debug, Default)]
pub struct R1cs {
    publics: usize,
    variables: usize,
    rows: Vec<Constraint>,
    groups: Vec<String>,
}

impl R1cs {
    /// Number of rows.
    #[must_use]
    pub const fn constraints(&self) -> usize {
        self.rows.len()
    }

    /// Number of instance variables: the constant one and the public inputs.
    #[must_use]
    pub const fn instances(&self) -> usize {
        self.publics
    }

    /// Number of all variables.
    #[must_use]
    pub const fn variables(&self) -> usize {
        self.variables
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[Constraint] {
        &self.rows
    }

    /// Rows by group.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rows {
            let count: &mut usize = counts.entry(self.group_of(row)).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }

    /// The group of a row.
    #[must_use]
    pub fn group_of(&self, row: &Constraint) -> &str {
        self.groups.get(row.group).map_or("", String::as_str)
    }

    /// Whether a row holds under these values.
    #[must_use]
    pub fn holds(row: &Constraint, values: &[Fr]) -> bool {
        let dot = |row: &Row| -> Fr {
            row.iter().map(|(v, k)| values.get(*v as usize).copied().unwrap_or_default() * k).sum()
        };
        dot(&row.a) * dot(&row.b) == dot(&row.c)
    }

    /// SHA-256 over the matrices: what a key is made for. Counts, then per row A, B and C, each as its length and its
    /// terms (variable, coefficient), integers as 8 bytes big-endian, coefficients as 32.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/r1cs/v1\0");
        let number = |hash: &mut Sha256, n: usize| hash.update((n as u64).to_be_bytes());
        for n in [self.publics, self.variables, self.rows.len()] {
            number(&mut hash, n);
        }
        for row in &self.rows {
            for side in [&row.a, &row.b, &row.c] {
                number(&mut hash, side.len());
                for (variable, coefficient) in side {
                    number(&mut hash, *variable as usize);
                    hash.update(coefficient.into_bigint().to_bytes_be());
                }
            }
        }
        hash.finalize().into()
    }

    /// The matrices A, B and C with arkworks' index type.
    #[must_use]
    pub fn matrices(&self) -> [Vec<Vec<(Fr, usize)>>; 3] {
        let side = |pick: fn(&Constraint) -> &Row| {
            self.rows.iter().map(|row| pick(row).iter().map(|(v, k)| (*k, *v as usize)).collect()).collect()
        };
        [side(|r| &r.a), side(|r| &r.b), side(|r| &r.c)]
    }
}

/// Rows, and values or none, as arkworks takes them.
#[derive(Debug)]
pub struct Assigned<'a> {
    /// The rows.
    pub r1cs: &'a R1cs,
    /// The values; none for a setup.
    pub assignment: Option<&'a Assignment>,
}

impl ConstraintSynthesizer<Fr> for Assigned<'_> {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<(), SynthesisError> {
        let value = |index: usize| match self.assignment {
            None => Ok(Fr::zero()),
            Some(a) => a.values().get(index).copied().ok_or(SynthesisError::AssignmentMissing),
        };
        let mut variables = Vec::with_capacity(self.r1cs.variables);
        for index in 0..self.r1cs.variables {
            variables.push(match index {
                0 => Variable::One,
                i if i < self.r1cs.publics => cs.new_input_variable(|| value(i))?,
                i => cs.new_witness_variable(|| value(i))?,
            });
        }
        let combination = |row: &Row| {
            let terms = row.iter().map(|(v, k)| (*k, variables.get(*v as usize).copied().unwrap_or(Variable::Zero)));
            LinearCombination(terms.collect())
        };
        for row in &self.r1cs.rows {
            cs.enforce_r1cs_constraint(|| combination(&row.a), || combination(&row.b), || combination(&row.c))?;
        }
        Ok(())
    }
}
