//! Columns of a table in slots: values in one ciphertext a block, and which of them are there in another.
//!
//! Row r of a column is slot `r mod degree` of block `r / degree`. A missing value and the padding after the last row are
//! zero in both; so a count over a condition, and over its negation, never counts them.

use crate::ciphertext::Ciphertext;
use crate::key::CommitteeKey;
use crate::ring::RingError;
use rand_core::CryptoRng;

/// Why values were not encrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// A value lies outside of the declared bounds. The value is not shown.
    #[error("the value in row {row} of the block is outside of the declared bounds")]
    OutOfBounds {
        /// Row within the block, counted from 0.
        row: usize,
    },
    /// More rows than a block holds.
    #[error("{rows} rows are more than the {limit} that a block holds")]
    TooManyRows {
        /// Rows given.
        rows: usize,
        /// Rows of a block.
        limit: usize,
    },
    /// The declared bounds do not fit the plaintext modulus, or their minimum is over their maximum.
    #[error("the bounds do not fit the parameters: absolute values go up to {limit}")]
    Bounds {
        /// The largest absolute value.
        limit: u64,
    },
    /// See [`RingError`].
    #[error(transparent)]
    Ring(#[from] RingError),
}

/// The declared range of a column, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Smallest value.
    pub min: i64,
    /// Largest value.
    pub max: i64,
}

impl Bounds {
    /// A truth value.
    pub const FLAG: Self = Self { min: 0, max: 1 };

    fn check(self, limit: u64) -> Result<(), EncryptError> {
        let fits = self.min <= self.max && self.min.unsigned_abs().max(self.max.unsigned_abs()) <= limit;
        if fits { Ok(()) } else { Err(EncryptError::Bounds { limit }) }
    }
}

/// One block of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The values, zero where there is none.
    pub values: Ciphertext,
    /// One where there is a value, zero elsewhere.
    pub validity: Ciphertext,
}

impl CommitteeKey {
    /// Encrypts one block of a column: up to [`degree`](crate::Parameters::degree) rows.
    ///
    /// # Errors
    /// [`EncryptError`] for values outside of `bounds`, too many rows, or bounds beyond the plaintext modulus.
    pub fn encrypt_block(
        &self,
        rows: &[Option<i64>],
        bounds: Bounds,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Block, EncryptError> {
        self.check_rows(rows.len())?;
        bounds.check(self.parameters().max_abs())?;
        let outside = |v: &Option<i64>| v.is_some_and(|v| v < bounds.min || v > bounds.max);
        if let Some(row) = rows.iter().position(outside) {
            return Err(EncryptError::OutOfBounds { row });
        }
        let slots = self.parameters().slots();
        let values = self.encrypt_residues(rows.iter().map(|v| slots.reduce(v.unwrap_or(0))), rng)?;
        let validity = self.encrypt_residues(rows.iter().map(|v| u64::from(v.is_some())), rng)?;
        Ok(Block { values, validity })
    }

    /// Encrypts numbers without a validity column, one a slot.
    ///
    /// # Errors
    /// As [`encrypt_block`](Self::encrypt_block).
    pub fn encrypt(
        &self,
        values: &[i64],
        bounds: Bounds,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Ciphertext, EncryptError> {
        self.check_rows(values.len())?;
        bounds.check(self.parameters().max_abs())?;
        if let Some(row) = values.iter().position(|v| *v < bounds.min || *v > bounds.max) {
            return Err(EncryptError::OutOfBounds { row });
        }
        let slots = self.parameters().slots();
        Ok(self.encrypt_residues(values.iter().map(|v| slots.reduce(*v)), rng)?)
    }

    fn check_rows(&self, rows: usize) -> Result<(), EncryptError> {
        let limit = self.parameters().slots_per_block();
        if rows > limit { Err(EncryptError::TooManyRows { rows, limit }) } else { Ok(()) }
    }
}
