//! Computing on ciphertexts: deterministic, so that members can check an evaluation by repeating it.
//!
//! Every operation is exact arithmetic modulo q and carries the noise bound along. Sums may be taken in any order and on
//! any number of threads or machines: the result is the same to the byte.

use crate::ciphertext::{Ciphertext, CiphertextError};
use crate::key::CommitteeKey;
use crate::ring::RingError;
use fhe::bfv::{self, Encoding, Multiplicator, Plaintext};
use fhe_traits::FheEncoder;
use rayon::prelude::*;
use std::fmt;

/// Why something was not computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// An operand belongs to another key.
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// A constant or a slot is out of range.
    #[error("{0}")]
    Range(&'static str),
    /// See [`RingError`].
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// Evaluates under one key. Making one prepares tables; keep it. May be shared between threads.
pub struct Evaluator {
    key: CommitteeKey,
    multiplicator: Multiplicator,
}

impl Evaluator {
    /// The evaluator of a key.
    ///
    /// # Errors
    /// See [`RingError`].
    pub fn new(key: &CommitteeKey) -> Result<Self, EvaluateError> {
        let multiplicator = Multiplicator::default(key.relin()).map_err(RingError::from)?;
        Ok(Self { key: key.clone(), multiplicator })
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &CommitteeKey {
        &self.key
    }

    /// a + b in every slot.
    ///
    /// # Errors
    /// If an operand belongs to another key.
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvaluateError> {
        let mut sum = a.clone();
        self.add_assign(&mut sum, b)?;
        Ok(sum)
    }

    /// Adds `b` to `a`.
    ///
    /// # Errors
    /// If an operand belongs to another key.
    pub fn add_assign(&self, a: &mut Ciphertext, b: &Ciphertext) -> Result<(), EvaluateError> {
        self.check(a)?;
        self.check(b)?;
        a.inner += &b.inner;
        a.set_noise(self.key.noise().sum(a.noise(), b.noise()));
        Ok(())
    }

    /// a - b in every slot.
    ///
    /// # Errors
    /// If an operand belongs to another key.
    pub fn sub(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvaluateError> {
        self.check(a)?;
        self.check(b)?;
        let mut difference = a.clone();
        difference.inner -= &b.inner;
        difference.set_noise(self.key.noise().sum(a.noise(), b.noise()));
        Ok(difference)
    }

    /// a times an integer.
    ///
    /// # Errors
    /// If the factor is beyond the plaintext modulus, or the operand belongs to another key.
    pub fn scale(&self, a: &Ciphertext, factor: i64) -> Result<Ciphertext, EvaluateError> {
        self.check(a)?;
        if factor.unsigned_abs() > self.key.parameters().max_abs() {
            return Err(EvaluateError::Range("the factor is beyond the plaintext modulus"));
        }
        let magnitude = num_bigint::BigUint::from(factor.unsigned_abs());
        let mut inner = if factor < 0 { -&a.inner } else { a.inner.clone() };
        inner.iter_mut().for_each(|poly| *poly *= &magnitude);
        let noise = self.key.noise().times(a.noise(), factor.unsigned_abs());
        Ok(Ciphertext::assemble(a.key(), noise, inner))
    }

    /// a + c in every slot, padding included: multiply with a validity column before summing.
    ///
    /// # Errors
    /// If the constant is beyond the plaintext modulus, or the operand belongs to another key.
    pub fn add_constant(&self, a: &Ciphertext, constant: i64) -> Result<Ciphertext, EvaluateError> {
        self.check(a)?;
        let parameters = self.key.parameters();
        if constant.unsigned_abs() > parameters.max_abs() {
            return Err(EvaluateError::Range("the constant is beyond the plaintext modulus"));
        }
        // The polynomial that is c in every slot is the constant c.
        let coefficients = [parameters.slots().reduce(constant)];
        let plaintext = Plaintext::try_encode(coefficients.as_slice(), Encoding::poly(), parameters.bfv())
            .map_err(RingError::from)?;
        let noise = self.key.noise().plus_constant(a.noise());
        Ok(Ciphertext::assemble(a.key(), noise, &a.inner + &plaintext))
    }

    /// a · b in every slot, relinearised. Of flags: both.
    ///
    /// # Errors
    /// If an operand belongs to another key.
    pub fn multiply(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvaluateError> {
        self.check(a)?;
        self.check(b)?;
        let inner = self.multiplicator.multiply(&a.inner, &b.inner).map_err(RingError::from)?;
        Ok(Ciphertext::assemble(a.key(), self.key.noise().product(a.noise(), b.noise()), inner))
    }

    /// Of flags: either or both, a + b - ab.
    ///
    /// # Errors
    /// If an operand belongs to another key.
    pub fn or(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, EvaluateError> {
        self.sub(&self.add(a, b)?, &self.multiply(a, b)?)
    }

    /// Of a flag: not, where there is a value: validity - a. Padding and missing values stay zero.
    ///
    /// # Errors
    /// If an operand belongs to another key.
    pub fn not(&self, a: &Ciphertext, validity: &Ciphertext) -> Result<Ciphertext, EvaluateError> {
        self.sub(validity, a)
    }

    /// Keeps the given slots and sets all others to zero.
    ///
    /// # Errors
    /// If a slot is beyond the degree, or the operand belongs to another key.
    pub fn mask(&self, a: &Ciphertext, slots: &[u32]) -> Result<Ciphertext, EvaluateError> {
        self.check(a)?;
        mask(&self.key, a, slots)
    }

    /// The sum of ciphertexts; `None` if there are none.
    ///
    /// # Errors
    /// If one belongs to another key.
    pub fn sum<'a>(
        &self,
        mut items: impl Iterator<Item = &'a Ciphertext>,
    ) -> Result<Option<Ciphertext>, EvaluateError> {
        let Some(mut total) = items.next().cloned() else { return Ok(None) };
        for item in items {
            self.add_assign(&mut total, item)?;
        }
        Ok(Some(total))
    }

    /// Evaluates `cells` over `blocks` blocks on all threads and adds the blocks up, cell by cell.
    ///
    /// `cells` loads the block with the given number and returns one ciphertext a cell (an answer's numbers), the same
    /// number for every block. Only the blocks in work and one running sum a thread are in memory at a time. `None` if
    /// there are no blocks.
    ///
    /// # Errors
    /// Those of `cells`, and [`EvaluateError`].
    pub fn sum_blocks<E>(
        &self,
        blocks: std::ops::Range<u64>,
        cells: impl Fn(u64) -> Result<Vec<Ciphertext>, E> + Sync,
    ) -> Result<Option<Vec<Ciphertext>>, E>
    where
        E: From<EvaluateError> + Send,
    {
        blocks.into_par_iter().map(|block| cells(block).map(Some)).try_reduce(
            || None,
            |a, b| match (a, b) {
                (Some(a), Some(b)) => Ok(Some(self.merge(a, &b)?)),
                (a, b) => Ok(a.or(b)),
            },
        )
    }

    /// Adds two partial results, cell by cell: what shards computed on different machines.
    ///
    /// # Errors
    /// If they have different numbers of cells, or one belongs to another key.
    pub fn merge(&self, mut a: Vec<Ciphertext>, b: &[Ciphertext]) -> Result<Vec<Ciphertext>, EvaluateError> {
        if a.len() != b.len() {
            return Err(EvaluateError::Range("partial results have different numbers of cells"));
        }
        for (a, b) in a.iter_mut().zip(b) {
            self.add_assign(a, b)?;
        }
        Ok(a)
    }

    fn check(&self, a: &Ciphertext) -> Result<(), EvaluateError> {
        check_key(&self.key, a).map_err(EvaluateError::from)
    }
}

pub(crate) fn check_key(key: &CommitteeKey, a: &Ciphertext) -> Result<(), CiphertextError> {
    if a.key() == key.id() { Ok(()) } else { Err(CiphertextError::Key { expected: key.id(), found: a.key() }) }
}

pub(crate) fn mask(key: &CommitteeKey, a: &Ciphertext, slots: &[u32]) -> Result<Ciphertext, EvaluateError> {
    let parameters = key.parameters();
    let mut wanted = vec![0u64; parameters.slots_per_block()];
    for slot in slots {
        let place = usize::try_from(*slot).ok().and_then(|s| wanted.get_mut(s));
        *place.ok_or(EvaluateError::Range("there is no such slot in a block"))? = 1;
    }
    let coefficients = parameters.slots().encode(wanted.into_iter());
    let plaintext =
        Plaintext::try_encode(coefficients.as_slice(), Encoding::poly(), parameters.bfv()).map_err(RingError::from)?;
    let inner: bfv::Ciphertext = &a.inner * &plaintext;
    Ok(Ciphertext::assemble(a.key(), key.noise().masked(a.noise()), inner))
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator").field("key", &self.key.id()).finish_non_exhaustive()
    }
}
