//! Adding up, and opening the sum.

use crate::ring;
use crate::shamir::weight_at;
use crate::vector::key::{decode_share, encode_share};
use crate::vector::parameters::{PRIMES, SMALL_MAX};
use crate::vector::{EncryptedVector, KeyShare, VectorError, VectorParameters};
use fhe_math::zq::Modulus;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rayon::prelude::*;
use std::fmt;

/// What one member shows: the sum of its shares of the keys that are counted. It may be shown to anybody, once a seed.
#[derive(Clone, PartialEq, Eq)]
pub struct ShareSum {
    degree: usize,
    member: u32,
    residues: Vec<u64>,
}

impl ShareSum {
    /// The sum of one member's shares, one of each contributor that is counted.
    ///
    /// # Errors
    /// [`VectorError::Foreign`] for shares of different members or rings, and for none at all.
    pub fn of<'a>(shares: impl IntoIterator<Item = &'a KeyShare>) -> Result<Self, VectorError> {
        let mut shares = shares.into_iter();
        let first = shares.next().ok_or(VectorError::Foreign)?;
        let mut sum = Self { degree: first.degree, member: first.member, residues: first.residues.to_vec() };
        for share in shares {
            if (share.degree, share.member) != (sum.degree, sum.member) {
                return Err(VectorError::Foreign);
            }
            add(&mut sum.residues, &share.residues, sum.degree)?;
        }
        Ok(sum)
    }

    /// The member's number, from 1.
    #[must_use]
    pub const fn member(&self) -> u32 {
        self.member
    }
}

impl fmt::Debug for ShareSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareSum").field("member", &self.member).finish_non_exhaustive()
    }
}

impl Wire for ShareSum {
    const TYPE: ObjectType = ObjectType::FheVectorShareSum;
    const MAX_BODY: usize = 1 << 17;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        encode_share(e, self.degree, self.member, &self.residues);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (degree, member, residues) = decode_share(d)?;
        Ok(Self { degree, member, residues })
    }
}

/// `a += b`, rows of the two primes in turn.
fn add(a: &mut [u64], b: &[u64], degree: usize) -> Result<(), VectorError> {
    if a.len() != b.len() {
        return Err(VectorError::Foreign);
    }
    let moduli = PRIMES.iter().map(|p| Modulus::new(*p)).collect::<Result<Vec<_>, _>>();
    let moduli = moduli.map_err(ring::RingError::from)?;
    for ((row_a, row_b), q) in a.chunks_exact_mut(degree).zip(b.chunks_exact(degree)).zip(moduli.iter().cycle()) {
        q.add_vec(row_a, row_b);
    }
    Ok(())
}

/// What was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedVector {
    /// The sum, entry by entry.
    pub values: Vec<i64>,
    /// Members whose sums do not fit those of the others that opened it: they showed something wrong.
    pub wrong: Vec<u32>,
}

/// Encrypted vectors, added up.
#[derive(Clone, Debug)]
pub struct VectorSum {
    parameters: VectorParameters,
    residues: Vec<u64>,
    count: u32,
}

impl VectorSum {
    /// The sum of nothing.
    #[must_use]
    pub fn new(parameters: &VectorParameters) -> Self {
        let len = parameters.blocks().saturating_mul(parameters.degree()).saturating_mul(2);
        Self { parameters: parameters.clone(), residues: vec![0; len], count: 0 }
    }

    /// Adds a vector.
    ///
    /// # Errors
    /// [`VectorError::Foreign`], [`VectorError::TooMany`].
    pub fn add(&mut self, vector: &EncryptedVector) -> Result<(), VectorError> {
        if !vector.fits(&self.parameters) {
            return Err(VectorError::Foreign);
        }
        let limit = self.parameters.need().contributors;
        if self.count >= limit {
            return Err(VectorError::TooMany { limit });
        }
        add(&mut self.residues, &vector.residues, self.parameters.degree())?;
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// How many vectors were added.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Opens the sum with the share sums of at least `needed` members, over exactly the contributors that were added. With more
    /// of them than needed, wrong ones are found and done without.
    ///
    /// # Errors
    /// [`VectorError::TooFew`], [`VectorError::Twice`], [`VectorError::Foreign`]; [`VectorError::Garbage`] if nothing makes
    /// sense.
    pub fn open(&self, seed: &[u8; 32], needed: u32, sums: &[ShareSum]) -> Result<OpenedVector, VectorError> {
        let mut sums: Vec<&ShareSum> = sums.iter().collect();
        sums.sort_by_key(|s| s.member);
        if let Some(twice) = sums.windows(2).find_map(|w| match w {
            [a, b] if a.member == b.member => Some(a.member),
            _ => None,
        }) {
            return Err(VectorError::Twice { member: twice });
        }
        let found = u32::try_from(sums.len()).unwrap_or(u32::MAX);
        if needed == 0 || found < needed {
            return Err(VectorError::TooFew { found, needed });
        }
        if sums.iter().any(|s| s.degree != self.parameters.degree()) {
            return Err(VectorError::Foreign);
        }
        let size = usize::try_from(needed).unwrap_or(usize::MAX);
        for quorum in Choices::new(sums.len(), size).take(Self::MAX_TRIES) {
            let of: Vec<&ShareSum> = quorum.iter().filter_map(|i| sums.get(*i).copied()).collect();
            if let Some(secret) = self.secret(&of)? {
                let values = self.decrypt(seed, &secret)?;
                let fits = |s: &&&ShareSum| self.at(&of, s.member).is_ok_and(|at| at == s.residues);
                let wrong = sums.iter().filter(|s| !fits(s)).map(|s| s.member).collect();
                return Ok(OpenedVector { values, wrong });
            }
        }
        Err(VectorError::Garbage)
    }

    /// How many quorums are tried before giving up.
    const MAX_TRIES: usize = 1_000;

    /// What the polynomials through these members' sums are at another point.
    fn at(&self, of: &[&ShareSum], at: u32) -> Result<Vec<u64>, VectorError> {
        let points: Vec<u32> = of.iter().map(|s| s.member).collect();
        let degree = self.parameters.degree();
        let mut value = vec![0u64; degree.saturating_mul(2)];
        for sum in of {
            let rows = value.chunks_exact_mut(degree).zip(sum.residues.chunks_exact(degree));
            for ((to, from), q) in rows.zip(self.parameters.moduli()) {
                let weight = weight_at(q, &points, sum.member, at).ok_or(ring::RingError)?;
                for (to, from) in to.iter_mut().zip(from) {
                    *to = q.add(*to, q.mul(*from, weight));
                }
            }
        }
        Ok(value)
    }

    /// The sum of the keys, if what these members show makes one: small, and the same modulo both primes.
    fn secret(&self, of: &[&ShareSum]) -> Result<Option<Vec<u64>>, VectorError> {
        let rows = self.at(of, 0)?;
        let limit = i128::from(SMALL_MAX).saturating_mul(self.count.into());
        let (first, second) = rows.split_at(self.parameters.degree());
        let small = |(a, b): (&u64, &u64)| self.lift(*a, *b).abs() <= limit;
        Ok(first.iter().zip(second).all(small).then_some(rows))
    }

    /// The integer nearest zero with these residues.
    fn lift(&self, a: u64, b: u64) -> i128 {
        let [p, q] = PRIMES;
        let Some([_, field]) = self.parameters.moduli().first_chunk::<2>() else { return i128::MAX };
        // a + p ((b - a) / p mod q), below p q < 2^104.
        let digit = field.mul(field.sub(b, field.reduce(a)), self.parameters.inverse());
        let whole = i128::from(a).wrapping_add(i128::from(p).wrapping_mul(digit.into()));
        let modulus = i128::from(p).wrapping_mul(q.into());
        if whole > modulus / 2 { whole.wrapping_sub(modulus) } else { whole }
    }

    fn decrypt(&self, seed: &[u8; 32], secret: &[u64]) -> Result<Vec<i64>, VectorError> {
        let p = &self.parameters;
        let secret = ring::secret(secret, p.context())?;
        let noise = i128::from(SMALL_MAX).saturating_mul(self.count.into());
        let bits = p.message_bits();
        let largest = i128::from(p.need().largest);
        let open = |(block, rows): (usize, &[u64])| {
            let common = p.common(seed, block)?;
            let mask = ring::residues(&(&common * &*secret));
            let degree = p.degree();
            let ((a, b), (mask_a, mask_b)) = (rows.split_at(degree), mask.split_at(degree));
            let Some([first, second]) = p.moduli().first_chunk::<2>() else { return Err(ring::RingError.into()) };
            let mut values = Vec::with_capacity(p.per_block());
            for ((a, mask_a), (b, mask_b)) in a.iter().zip(mask_a).zip(b.iter().zip(mask_b)) {
                let phase = self.lift(first.sub(*a, *mask_a), second.sub(*b, *mask_b));
                // The low bits, between -T/2 and T/2.
                let mut message = low_bits(phase, bits);
                if (phase.wrapping_sub(message) >> bits).abs() > noise {
                    return Err(VectorError::Garbage);
                }
                for _ in 0..p.fields() {
                    let field = low_bits(message, p.width());
                    if field.abs() > largest {
                        return Err(VectorError::Garbage);
                    }
                    message = message.wrapping_sub(field) >> p.width();
                    values.push(i64::try_from(field).map_err(|_| VectorError::Garbage)?);
                }
            }
            Ok(values)
        };
        let blocks = self.residues.par_chunks_exact(p.degree().saturating_mul(2)).enumerate().map(open);
        let mut values = blocks.collect::<Result<Vec<_>, VectorError>>()?.concat();
        values.truncate(p.need().entries);
        Ok(values)
    }
}

/// The integer between -2^(bits-1) and 2^(bits-1) - 1 that is `value` modulo 2^bits.
const fn low_bits(value: i128, bits: u32) -> i128 {
    let shift = 128u32.saturating_sub(bits);
    (value << shift) >> shift
}

/// All choices of `size` numbers below `of`, in order.
struct Choices {
    of: usize,
    next: Option<Vec<usize>>,
}

impl Choices {
    fn new(of: usize, size: usize) -> Self {
        Self { of, next: (size <= of).then(|| (0..size).collect()) }
    }
}

impl Iterator for Choices {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let current = self.next.take()?;
        let size = current.len();
        let room = |i: usize| self.of.saturating_sub(size).saturating_add(i);
        if let Some((place, value)) = current.iter().enumerate().rev().find(|(i, v)| **v < room(*i)) {
            let mut next: Vec<usize> = current.iter().take(place).copied().collect();
            next.extend((value.saturating_add(1)..).take(size.saturating_sub(place)));
            self.next = Some(next);
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_all_and_each_once() {
        let all: Vec<_> = Choices::new(4, 2).collect();
        assert_eq!(all, [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(Choices::new(3, 3).count(), 1);
        assert_eq!(Choices::new(2, 3).count(), 0);
        assert_eq!(Choices::new(7, 3).count(), 35);
    }

    #[test]
    fn low_bits_are_balanced() {
        for (value, low) in [(0, 0), (7, 7), (8, -8), (15, -1), (-8, -8), (-9, 7), (23, 7)] {
            assert_eq!(low_bits(value, 4), low, "{value}");
        }
    }
}
