//! The ring, and how many fields a coefficient of it carries.

use crate::ring;
use crate::vector::VectorError;
use fhe_math::rq::Context;
use fhe_math::rq::Poly;
use fhe_math::zq::Modulus;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// The degree of every ring but those of tests.
pub(super) const DEGREE: u32 = 4096;

/// The two largest primes below 2^52 that are 1 modulo 8192, and so modulo twice any smaller power of two. Their product is
/// below 2^104. For this degree and secrets of standard deviation 3.19 the *Homomorphic Encryption Standard* (Albrecht et
/// al. 2018, table 1) allows 111 bits at 128 bits of security against classical computers; the guidelines of eprint
/// 2024/463 took two to four bits off such entries at the degrees of this crate's table. 104 is clearly below both.
pub(super) const PRIMES: [u64; 2] = [4_503_599_627_149_313, 4_503_599_627_124_737];

/// Bits of each prime.
const PRIME_BITS: usize = 52;

/// Secrets and errors are the sum of two centred binomial draws of this variance: one of variance 22.
pub(super) const HALF_VARIANCE: usize = 11;

/// The largest absolute value of a secret's or an error's coefficient.
pub(super) const SMALL_MAX: i64 = 44;

/// What a sum must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorNeed {
    /// Entries of each vector.
    pub entries: usize,
    /// The most vectors that are added up.
    pub contributors: u32,
    /// The largest absolute value that any entry of the *sum* can have, its noise included.
    pub largest: u64,
}

/// A ring and a packing that provably hold a sum: for every set of up to `contributors` vectors whose sum stays within
/// `largest`, opening gives that sum exactly.
///
/// With w bits a field (sign included), k fields a coefficient and T = 2^(k w), a coefficient of the opened sum is T E + M
/// with |E| <= 44 contributors and |M| < T / 2; it is required that 4 T (88 contributors + 1) <= q. So it never wraps, and
/// a random coefficient passes the check on E with probability below 1/4: that of all 4096 coefficients of one block is 2^-8192.
#[derive(Clone)]
pub struct VectorParameters {
    context: Arc<Context>,
    degree: usize,
    need: VectorNeed,
    width: u32,
    fields: usize,
    /// The first prime's inverse modulo the second.
    inverse: u64,
}

impl VectorParameters {
    /// The most entries.
    pub const MAX_ENTRIES: usize = 1 << 24;
    /// The most contributors.
    pub const MAX_CONTRIBUTORS: u32 = 256;

    /// The packing for a need, in the ring of degree 4096.
    ///
    /// # Errors
    /// [`VectorError::Need`], [`VectorError::TooWide`] with the figures.
    pub fn for_need(need: &VectorNeed) -> Result<Self, VectorError> {
        Self::of_degree(DEGREE, need)
    }

    /// The same in a ring that hides nothing, for tests.
    ///
    /// # Errors
    /// Those of [`for_need`](Self::for_need).
    #[cfg(any(test, feature = "testing"))]
    pub fn insecure_for_tests(degree: u32, need: &VectorNeed) -> Result<Self, VectorError> {
        Self::of_degree(degree, need)
    }

    fn of_degree(degree: u32, need: &VectorNeed) -> Result<Self, VectorError> {
        if need.entries == 0 || need.entries > Self::MAX_ENTRIES {
            return Err(VectorError::Need("a vector has 1 to 2^24 entries"));
        }
        if need.contributors == 0 || need.contributors > Self::MAX_CONTRIBUTORS {
            return Err(VectorError::Need("a sum has 1 to 256 contributors"));
        }
        if need.largest == 0 || need.largest >= 1 << 62 {
            return Err(VectorError::Need("the largest entry of a sum lies between 1 and 2^62"));
        }
        if !(16..=DEGREE).contains(&degree) || !degree.is_power_of_two() {
            return Err(VectorError::Need("the degree is a power of two from 16 to 4096"));
        }
        let degree = usize::try_from(degree).map_err(|_| VectorError::Need("a degree"))?;
        let q = PRIMES.iter().fold(1u128, |q, p| q.saturating_mul((*p).into()));
        let noise = 4u128.saturating_mul(u128::from(need.contributors).saturating_mul(88).saturating_add(1));
        let available = q.checked_div(noise).unwrap_or(0).ilog2();
        let width = 65u32.saturating_sub(need.largest.leading_zeros());
        let fields = available.checked_div(width).unwrap_or(0);
        if fields == 0 {
            return Err(VectorError::TooWide { needed: width, available, contributors: need.contributors });
        }
        let context = Context::new_arc(&PRIMES, degree).map_err(ring::RingError::from)?;
        let fields = usize::try_from(fields).map_err(|_| VectorError::Need("fields"))?;
        let [p, q] = PRIMES;
        let field = Modulus::new(q).map_err(ring::RingError::from)?;
        let inverse = field.inv(field.reduce(p)).ok_or(ring::RingError)?;
        Ok(Self { context, degree, need: *need, width, fields, inverse })
    }

    /// What it was made for.
    #[must_use]
    pub const fn need(&self) -> &VectorNeed {
        &self.need
    }

    /// Coefficients of a block.
    #[must_use]
    pub const fn degree(&self) -> usize {
        self.degree
    }

    /// Bits of a field, its sign included.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Fields of a coefficient.
    #[must_use]
    pub const fn fields(&self) -> usize {
        self.fields
    }

    /// Bits of the modulus.
    #[must_use]
    pub const fn log_q(&self) -> u32 {
        104
    }

    /// Blocks of a vector.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.need.entries.div_ceil(self.per_block().max(1))
    }

    /// Bytes of an encrypted vector's blocks.
    #[must_use]
    pub fn vector_bytes(&self) -> u64 {
        let blocks = u64::try_from(self.blocks()).unwrap_or(u64::MAX);
        blocks.saturating_mul(u64::try_from(packed_len(self.degree)).unwrap_or(u64::MAX))
    }

    /// Bytes of one share of a secret, before it is sealed.
    #[must_use]
    pub fn share_bytes(&self) -> u64 {
        u64::try_from(packed_len(self.degree)).unwrap_or(u64::MAX)
    }

    pub(super) const fn per_block(&self) -> usize {
        self.degree.saturating_mul(self.fields)
    }

    /// The bits of T: all fields of a coefficient.
    pub(super) fn message_bits(&self) -> u32 {
        u32::try_from(self.fields).unwrap_or(0).saturating_mul(self.width)
    }

    pub(super) const fn inverse(&self) -> u64 {
        self.inverse
    }

    pub(super) const fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(super) fn moduli(&self) -> &[Modulus] {
        self.context.moduli_operators()
    }

    /// Two parameter sets whose ciphertexts add up.
    pub(super) fn fits(&self, degree: usize, blocks: usize) -> bool {
        self.degree == degree && self.blocks() == blocks
    }

    /// The public polynomial of a block.
    pub(super) fn common(&self, seed: &[u8; 32], block: usize) -> Result<Poly, VectorError> {
        let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/vector/block/v1\0");
        hash.update(u64::try_from(self.degree).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(seed);
        hash.update(u64::try_from(block).unwrap_or(u64::MAX).to_be_bytes());
        Ok(ring::common(hash.finalize().into(), &self.context, self.degree)?)
    }
}

impl fmt::Debug for VectorParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("VectorParameters");
        out.field("degree", &self.degree).field("need", &self.need);
        out.field("width", &self.width).field("fields", &self.fields).finish()
    }
}

/// Bytes of one polynomial.
pub(super) const fn packed_len(degree: usize) -> usize {
    degree.saturating_mul(PRIME_BITS).saturating_mul(2) / 8
}

/// Whether vectors over a ring of this degree are ever read.
pub(super) fn is_degree(degree: u32) -> Option<usize> {
    let known = (16..=DEGREE).contains(&degree) && degree.is_power_of_two();
    if known { usize::try_from(degree).ok() } else { None }
}

fn operators() -> Option<[Modulus; 2]> {
    let [p, q] = PRIMES;
    Some([Modulus::new(p).ok()?, Modulus::new(q).ok()?])
}

/// Residues, prime after prime, as bytes.
pub(super) fn pack(residues: &[u64], degree: usize) -> Vec<u8> {
    // Two constant primes: they are there.
    let operators = operators().into_iter().flatten().collect::<Vec<_>>();
    residues.chunks_exact(degree).zip(operators.iter().cycle()).flat_map(|(row, q)| q.serialize_vec(row)).collect()
}

/// Reads what [`pack`] wrote for one polynomial; `None` unless each residue is below its prime and the length is right.
pub(super) fn unpack(bytes: &[u8], degree: usize) -> Option<Vec<u64>> {
    if bytes.len() != packed_len(degree) {
        return None;
    }
    let mut out = Vec::with_capacity(degree.checked_mul(2)?);
    for (row, q) in bytes.chunks_exact(bytes.len() / 2).zip(&operators()?) {
        let row = q.deserialize_vec(row);
        if row.len() != degree || row.iter().any(|c| *c >= **q) {
            return None;
        }
        out.extend_from_slice(&row);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_sixteen_bit_entries_of_ten_sites_pack_four_to_a_coefficient() {
        // Ten sites and five members' noise; the sums keep within 2^20.
        let need = VectorNeed { entries: 1_000_000, contributors: 15, largest: 1 << 20 };
        let p = VectorParameters::for_need(&need).unwrap();
        assert_eq!((p.degree(), p.width(), p.fields(), p.blocks()), (4096, 22, 4, 62));
        assert!(p.vector_bytes() < 1_000_000 * 2 * 17 / 10, "{}", p.vector_bytes());
        assert_eq!(PRIMES.iter().map(|p| u128::from(*p)).product::<u128>().ilog2() + 1, 104);
        assert!(PRIMES.iter().all(|p| p % 8192 == 1));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_figures() {
        let need = |entries, contributors, largest| VectorNeed { entries, contributors, largest };
        for bad in
            [need(0, 1, 1), need(1 << 25, 1, 1), need(1, 0, 1), need(1, 257, 1), need(1, 1, 0), need(1, 1, 1 << 62)]
        {
            assert!(matches!(VectorParameters::for_need(&bad), Err(VectorError::Need(_))));
        }
        // One field always fits.
        let widest = VectorParameters::for_need(&need(1, 256, (1 << 62) - 1)).unwrap();
        assert_eq!((widest.width(), widest.fields()), (63, 1));
        for contributors in [1, 2, 15, 256] {
            for bits in [1u32, 8, 15, 20, 30, 40, 61] {
                let p = VectorParameters::for_need(&need(100, contributors, (1 << bits) - 1)).unwrap();
                let q: u128 = PRIMES.iter().map(|p| u128::from(*p)).product();
                assert!((4u128 << p.message_bits()) * (88 * u128::from(contributors) + 1) <= q);
            }
        }
    }

    #[test]
    fn only_residues_are_read() {
        let row: Vec<u64> = (0..32).map(|i| PRIMES[usize::from(i >= 16)] - 1 - i).collect();
        let bytes = pack(&row, 16);
        assert_eq!(unpack(&bytes, 16), Some(row));
        assert_eq!(unpack(&[0xff; 208], 16), None, "above the primes");
        assert_eq!(unpack(&bytes[1..], 16), None);
    }
}
