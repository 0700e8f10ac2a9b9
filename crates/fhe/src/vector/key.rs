//! One contributor's side: a key for one vector, its shares, and the vector under it.

use crate::compat;
use crate::ring;
use crate::shamir::evaluate;
use crate::vector::parameters::{HALF_VARIANCE, is_degree, pack, packed_len, unpack};
use crate::vector::{VectorError, VectorParameters};
use fhe_math::zq::Modulus;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_rng::SeededRng;
use rand_core::CryptoRng;
use rayon::prelude::*;
use std::fmt;
use zeroize::Zeroizing;

/// A fresh small polynomial of variance 22: the sum of two centred binomial draws, each the difference of two sums of
/// `2 * HALF_VARIANCE` fair bits.
fn small(degree: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Zeroizing<Vec<i64>> {
    const BITS: usize = 2 * HALF_VARIANCE;
    const MASK: u64 = (1 << BITS) - 1;
    let draw = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        i64::from((word & MASK).count_ones()) - i64::from(((word >> BITS) & MASK).count_ones())
    };
    let words = compat::words(degree.saturating_mul(2), rng);
    let (first, second) = words.split_at_checked(degree).unwrap_or_default();
    Zeroizing::new(first.iter().zip(second).map(|(a, b)| draw(a).saturating_add(draw(b))).collect())
}

/// A small integer modulo a prime, in constant time.
fn reduce(q: &Modulus, value: i64) -> u64 {
    q.reduce((**q).wrapping_add_signed(value))
}

/// The key of one contributor for one vector. Wiped on drop; encrypting consumes it.
pub struct OneTimeKey {
    parameters: VectorParameters,
    secret: Zeroizing<Vec<i64>>,
}

impl OneTimeKey {
    /// A fresh key.
    pub fn generate(parameters: &VectorParameters, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { parameters: parameters.clone(), secret: small(parameters.degree(), rng) }
    }

    fn residues(&self) -> Zeroizing<Vec<u64>> {
        let rows = self.parameters.moduli().iter().flat_map(|q| self.secret.iter().map(|v| reduce(q, *v)));
        Zeroizing::new(rows.collect())
    }

    /// Shares for members 1 to `members`, of which any `needed` determine the key and fewer know nothing.
    ///
    /// # Errors
    /// [`VectorError::Committee`].
    pub fn share(
        &self,
        needed: u32,
        members: u32,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<KeyShare>, VectorError> {
        if needed == 0 || needed > members || members > 64 {
            return Err(VectorError::Committee);
        }
        let (context, degree) = (self.parameters.context(), self.parameters.degree());
        let mut polynomial = vec![self.residues()];
        polynomial.extend((1..needed).map(|_| ring::uniform_residues(context, degree, rng)));
        let share =
            |member| KeyShare { degree, member, residues: evaluate(&polynomial, member, self.parameters.moduli()) };
        Ok((1..=members).map(share).collect())
    }

    /// Encrypts the one vector of this key. `seed` names the sum that it is part of: contributors of one sum share it, and no
    /// other sum may have it.
    ///
    /// # Errors
    /// [`VectorError::Length`], [`VectorError::Range`].
    pub fn encrypt(
        self,
        seed: &[u8; 32],
        values: &[i64],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<EncryptedVector, VectorError> {
        let p = &self.parameters;
        let need = p.need();
        if values.len() != need.entries {
            return Err(VectorError::Length { found: values.len(), expected: need.entries });
        }
        if values.iter().any(|v| v.unsigned_abs() > need.largest) {
            return Err(VectorError::Range);
        }
        let secret = ring::secret(&self.residues(), p.context())?;
        let mut jobs = Vec::with_capacity(p.blocks());
        for (block, values) in values.chunks(p.per_block()).enumerate() {
            let mut errors = Zeroizing::new([0; 32]);
            rng.fill_bytes(errors.as_mut());
            jobs.push((block, values, errors));
        }
        let encrypt = |(block, values, errors): (usize, &[i64], Zeroizing<[u8; 32]>)| {
            let common = p.common(seed, block)?;
            let mut rows = ring::residues(&Zeroizing::new(&common * &*secret)).to_vec();
            let errors = small(p.degree(), &mut SeededRng::new(*errors));
            let messages = messages(p, values);
            for (row, q) in rows.chunks_exact_mut(p.degree()).zip(p.moduli()) {
                let unit = q.reduce_u128(1u128 << p.message_bits());
                for ((c, e), m) in row.iter_mut().zip(errors.iter()).zip(messages.iter()) {
                    // Above nothing, and the same modulo the prime.
                    let lifted = m.wrapping_add(i128::from(**q) << 60).unsigned_abs();
                    *c = q.add(*c, q.add(q.mul(unit, reduce(q, *e)), q.reduce_u128(lifted)));
                }
            }
            Ok(rows)
        };
        let blocks: Vec<Vec<u64>> = jobs.into_par_iter().map(encrypt).collect::<Result<_, VectorError>>()?;
        Ok(EncryptedVector { degree: p.degree(), residues: blocks.concat() })
    }
}

/// The integers that carry a block's values: the first `fields` values in the first coefficient, lowest first.
fn messages(p: &VectorParameters, values: &[i64]) -> Zeroizing<Vec<i128>> {
    let pack = |fields: &[i64]| fields.iter().rev().fold(0i128, |m, v| (m << p.width()).wrapping_add(i128::from(*v)));
    let mut out: Vec<i128> = values.chunks(p.fields()).map(pack).collect();
    out.resize(p.degree(), 0);
    Zeroizing::new(out)
}

impl fmt::Debug for OneTimeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeKey")
    }
}

/// One member's share of a [`OneTimeKey`]. Wiped on drop; sealed to the member before it is sent.
pub struct KeyShare {
    pub(super) degree: usize,
    pub(super) member: u32,
    pub(super) residues: Zeroizing<Vec<u64>>,
}

impl KeyShare {
    /// The member's number, from 1.
    #[must_use]
    pub const fn member(&self) -> u32 {
        self.member
    }
}

impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyShare")
    }
}

pub(super) fn encode_share(e: &mut Encoder<'_>, degree: usize, member: u32, residues: &[u64]) {
    let packed = Zeroizing::new(pack(residues, degree));
    e.array(3).u32(u32::try_from(degree).unwrap_or(u32::MAX)).u32(member).bytes(&packed);
}

pub(super) fn decode_share(d: &mut Decoder<'_>) -> Result<(usize, u32, Vec<u64>), DecodeError> {
    d.tuple(3)?;
    let degree = is_degree(d.u32()?).ok_or_else(|| d.invalid("not a degree of the ring"))?;
    let member = d.u32()?;
    if !(1..=64).contains(&member) {
        return Err(d.invalid("members are numbered from 1 to 64"));
    }
    let bytes = d.bytes(packed_len(degree))?;
    let residues = unpack(bytes, degree).ok_or_else(|| d.invalid("not an element of the ring"))?;
    Ok((degree, member, residues))
}

impl Wire for KeyShare {
    const TYPE: ObjectType = ObjectType::FheVectorKeyShare;
    const MAX_BODY: usize = 1 << 17;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        encode_share(e, self.degree, self.member, &self.residues);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (degree, member, residues) = decode_share(d)?;
        Ok(Self { degree, member, residues: Zeroizing::new(residues) })
    }
}

/// A vector under a [`OneTimeKey`]: for each block the b-half, residues in the power basis, prime after prime.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedVector {
    pub(super) degree: usize,
    pub(super) residues: Vec<u64>,
}

impl EncryptedVector {
    /// Blocks.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.residues.len() / self.degree.saturating_mul(2).max(1)
    }

    /// Whether it can be added to sums of these parameters.
    #[must_use]
    pub fn fits(&self, parameters: &VectorParameters) -> bool {
        parameters.fits(self.degree, self.blocks())
    }
}

impl fmt::Debug for EncryptedVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedVector").field("blocks", &self.blocks()).finish_non_exhaustive()
    }
}

impl Wire for EncryptedVector {
    const TYPE: ObjectType = ObjectType::FheVector;
    const MAX_BODY: usize = 1 << 30;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        let blocks: Vec<&[u64]> = self.residues.chunks_exact(self.degree.saturating_mul(2)).collect();
        e.array(2).u32(u32::try_from(self.degree).unwrap_or(u32::MAX)).list(&blocks, |e, block| {
            e.bytes(&pack(block, self.degree));
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let degree = is_degree(d.u32()?).ok_or_else(|| d.invalid("not a degree of the ring"))?;
        let blocks = d.list(VectorParameters::MAX_ENTRIES, |d| {
            let bytes = d.bytes(packed_len(degree))?;
            unpack(bytes, degree).ok_or_else(|| d.invalid("not an element of the ring"))
        })?;
        if blocks.is_empty() {
            return Err(d.invalid("a vector has a block"));
        }
        Ok(Self { degree, residues: blocks.concat() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variance 22 within 3 %, nothing beyond 44: what the assumption rests on.
    #[test]
    fn secrets_and_errors_have_twice_the_variance_of_the_tables() {
        let draws = small(200_000, &mut SeededRng::from_u64(1));
        let variance = draws.iter().map(|v| v * v).sum::<i64>() as f64 / 200_000.0;
        assert!((variance - 22.0).abs() < 0.66, "{variance}");
        let mean = draws.iter().sum::<i64>() as f64 / 200_000.0;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!(draws.iter().all(|v| v.abs() <= 44) && draws.iter().any(|v| v.abs() > 16));
    }
}
