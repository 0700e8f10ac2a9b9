//! The algebra of opening: what a member computes from its share, and what a quorum's parts add up to.
//!
//! Rows are prime-major: for each ciphertext prime, one residue a released coefficient.

use crate::ciphertext::Ciphertext;
use crate::compat;
use crate::key::Terms;
use crate::noise::{Noise, OpeningBudget};
use crate::parameters::Parameters;
use crate::ring::{self, Lift, RingError};
use crate::shamir::{for_rows, weight_at};
use fhe_math::rq::Context;
use fhe_math::zq::Modulus;
use num_bigint::BigUint;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// An LWE sample: b + <a, s> is the phase of one coefficient of a ciphertext, under the coefficients of its secret.
pub(crate) struct LweSample {
    /// Prime-major, `degree` residues for each prime.
    a: Vec<u64>,
    /// One residue for each prime.
    b: Vec<u64>,
}

impl LweSample {
    /// The sample of the constant coefficient: of c1 · s it is c1[0] s[0] - Σ c1[n-i] s[i].
    pub(crate) fn constant(ciphertext: &Ciphertext, parameters: &Parameters) -> Result<Self, RingError> {
        let n = parameters.slots_per_block();
        let c0 = ciphertext.inner.first().map(ring::residues).ok_or(RingError)?;
        let c1 = ciphertext.inner.get(1).map(ring::residues).ok_or(RingError)?;
        let b = c0.chunks_exact(n).filter_map(|row| row.first().copied()).collect();
        let mut a = Vec::with_capacity(c1.len());
        for (row, q) in c1.chunks_exact(n).zip(parameters.context().moduli_operators()) {
            a.extend(row.first());
            a.extend(row.iter().skip(1).rev().map(|c| q.neg(*c)));
        }
        Ok(Self { a, b })
    }

    /// <a, share>, one residue a prime.
    pub(crate) fn product(&self, share: &[u64], context: &Context, degree: usize) -> Zeroizing<Vec<u64>> {
        let rows = self.a.chunks_exact(degree).zip(share.chunks_exact(degree)).zip(context.moduli_operators());
        let inner = |((a, s), q): ((&[u64], &[u64]), &Modulus)| {
            a.iter().zip(s).fold(0, |sum, (a, s)| q.add(sum, q.mul(*a, *s)))
        };
        Zeroizing::new(rows.map(inner).collect())
    }

    pub(crate) fn b(&self) -> &[u64] {
        &self.b
    }
}

/// The public part of the sample of the constant coefficient: c0[0], one residue a prime.
pub(super) fn constant_residues(ciphertext: &Ciphertext, parameters: &Parameters) -> Result<Vec<u64>, RingError> {
    let c0 = ciphertext.inner.first().map(ring::residues).ok_or(RingError)?;
    Ok(c0.chunks_exact(parameters.slots_per_block()).filter_map(|row| row.first().copied()).collect())
}

/// Turns c1 · share, row by row, into what may be sent: times the Lagrange weight of `me` in `quorum`, then smudged, then
/// shifted by `noise`, an integer modulo t for each coefficient, in units of the plaintext.
pub(crate) fn finish(
    rows: &mut [u64],
    parameters: &Parameters,
    quorum: &[u32],
    me: u32,
    budget: &OpeningBudget,
    noise: Option<&[u64]>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), RingError> {
    let moduli = parameters.context().moduli_operators();
    let width = rows.len() / moduli.len().max(1);
    if width == 0 {
        return Err(RingError);
    }
    for (row, q) in rows.chunks_exact_mut(width).zip(moduli) {
        q.scalar_mul_vec(row, weight_at(q, quorum, me, 0).ok_or(RingError)?);
    }
    for_rows(rows, &smudging(budget.smudging_bits, width, moduli, rng), moduli, Modulus::add);
    if let Some(noise) = noise {
        for_rows(rows, &scaled(noise, parameters)?, moduli, Modulus::add);
    }
    Ok(())
}

/// Uniform integers in [-2^bits, 2^bits), reduced.
fn smudging(bits: u64, width: usize, moduli: &[Modulus], rng: &mut (impl CryptoRng + ?Sized)) -> Zeroizing<Vec<u64>> {
    let words = usize::try_from(bits / 64).unwrap_or(0) + 1;
    // 2^bits has its one in the highest word; numbers below 2^(bits+1) fill that word up to and including it.
    let top = 1u64 << (bits % 64);
    let mask = top | (top - 1);
    let reduce = |q: &Modulus, words: &mut dyn Iterator<Item = u64>| {
        words.fold(0u64, |high, low| q.reduce_u128((u128::from(high) << 64) | u128::from(low)))
    };
    let middles: Vec<u64> = moduli
        .iter()
        .map(|q| reduce(q, &mut std::iter::once(top).chain(std::iter::repeat_n(0, words.saturating_sub(1)))))
        .collect();
    let mut out = Zeroizing::new(vec![0; width.saturating_mul(moduli.len())]);
    let drawn = compat::words(width.saturating_mul(words), rng);
    let mut integer = Zeroizing::new(vec![0u64; words]);
    for (column, drawn) in drawn.chunks_exact(words).enumerate() {
        for (word, bytes) in integer.iter_mut().zip(drawn) {
            *word = u64::from_le_bytes(*bytes);
        }
        if let Some(first) = integer.first_mut() {
            *first &= mask;
        }
        for ((row, q), middle) in out.chunks_exact_mut(width).zip(moduli).zip(&middles) {
            if let Some(place) = row.get_mut(column) {
                *place = q.sub(reduce(q, &mut integer.iter().copied()), *middle);
            }
        }
    }
    out
}

/// (q/t) x, rounded down, for integers x modulo t: modulo a prime p of q that is -(q x mod t) / t.
fn scaled(values: &[u64], parameters: &Parameters) -> Result<Zeroizing<Vec<u64>>, RingError> {
    let t = parameters.slots().plaintext();
    let q_mod_t = parameters.moduli().iter().fold(1, |product, q| t.mul(product, t.reduce(*q)));
    let mut out = Zeroizing::new(Vec::with_capacity(values.len().saturating_mul(parameters.moduli().len())));
    for p in parameters.context().moduli_operators() {
        let factor = p.neg(p.inv(p.reduce(**t)).ok_or(RingError)?);
        out.extend(values.iter().map(|x| p.mul(t.mul(q_mod_t, *x), factor)));
    }
    Ok(out)
}

/// The phase does not decode: its distance from every plaintext is over the bound.
pub(crate) struct Garbage;

/// Decodes phases: the nearest plaintext of each column, if its distance is within the bound.
pub(crate) fn decode(
    rows: &[u64],
    parameters: &Parameters,
    bound: &Noise,
) -> Result<Result<Vec<u64>, Garbage>, RingError> {
    let lift = Lift::new(parameters.context())?;
    let q = lift.modulus();
    let t = BigUint::from(parameters.plaintext_modulus());
    let (half, limit) = (q >> 1u32, &bound.0 * &t);
    let width = rows.len() / parameters.moduli().len();
    let mut out = Vec::with_capacity(width);
    for column in 0..width {
        let phase = lift.lift(rows.iter().skip(column).step_by(width).copied());
        let scaled = phase * &t;
        let nearest = (&scaled + &half) / q;
        let exact = &nearest * q;
        let distance = if exact > scaled { exact - scaled } else { scaled - exact };
        if distance > limit {
            return Ok(Err(Garbage));
        }
        out.push(u64::try_from(nearest % &t).map_err(|_| RingError)?);
    }
    Ok(Ok(out))
}

/// The windows of members that test a new key: quorums that cover the committee.
pub(crate) fn windows(terms: &Terms) -> Vec<Vec<u32>> {
    let (size, needed) = (terms.size(), terms.needed());
    (0..size.div_ceil(needed))
        .map(|w| {
            let start = (w * needed).min(size - needed);
            (start + 1..=start + needed).collect()
        })
        .collect()
}

/// For tests: the exact noise of a ciphertext of these slots, under the secret that the shares of members 1, 2, … make.
#[cfg(test)]
pub(crate) fn noise_of(
    key: &crate::CommitteeKey,
    shares: &[Vec<u64>],
    ciphertext: &Ciphertext,
    slots: &[i64],
) -> BigUint {
    let parameters = key.parameters();
    let (context, n) = (parameters.context(), parameters.slots_per_block());
    let members: Vec<u32> = (1..).take(shares.len()).collect();
    let mut secret = vec![0; n * context.moduli().len()];
    for (member, share) in members.iter().zip(shares) {
        let moduli = context.moduli_operators();
        for_rows(&mut secret, share, moduli, |q, sum, s| {
            q.add(sum, q.mul(s, weight_at(q, &members, *member, 0).unwrap()))
        });
    }
    let secret = ring::secret(&secret, context).unwrap();
    let mut phase = &ciphertext.inner[1] * &*secret;
    phase += &ciphertext.inner[0];
    let rows = ring::residues(&phase);
    let map = parameters.slots();
    let message = map.encode(slots.iter().map(|v| map.reduce(*v)));
    let lift = Lift::new(context).unwrap();
    let (q, t) = (lift.modulus().clone(), parameters.plaintext_modulus());
    // |t phase - q m| mod tq, over t.
    let whole = &q * t;
    let noise = message.iter().enumerate().map(|(column, m)| {
        let phase = lift.lift(rows.iter().skip(column).step_by(n).copied()) * t;
        let off = (phase + &whole - &q * *m) % &whole;
        off.clone().min(&whole - off)
    });
    noise.max().unwrap().div_ceil(t)
}

#[cfg(test)]
trait DivCeil {
    fn div_ceil(self, by: u64) -> BigUint;
}

#[cfg(test)]
impl DivCeil for BigUint {
    fn div_ceil(self, by: u64) -> BigUint {
        (self + (by - 1)) / by
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_rng::SeededRng;

    /// Bit 2^e is reached and 2^(e+1) is not: the integers behind the residues are uniform in [-2^e, 2^e).
    #[test]
    fn smudging_is_uniform_in_its_range() {
        let parameters = Parameters::insecure_for_tests(64, 20, 3).unwrap();
        let lift = Lift::new(parameters.context()).unwrap();
        let moduli = parameters.context().moduli_operators();
        for bits in [1u64, 63, 64, 65, 127, 128, 130] {
            let width = 4000;
            let rows = smudging(bits, width, moduli, &mut SeededRng::from_u64(bits));
            let middle = BigUint::from(1u32) << bits;
            let shifted: Vec<BigUint> = (0..width)
                .map(|c| (lift.lift(rows.iter().skip(c).step_by(width).copied()) + &middle) % lift.modulus())
                .collect();
            assert!(shifted.iter().all(|v| v.bits() <= bits + 1), "{bits} bits: out of range");
            let quarter = (BigUint::from(1u32) << (bits + 1)) >> 2u32;
            for part in 0..4u32 {
                let (low, high) = (&quarter * part, &quarter * (part + 1));
                let count = shifted.iter().filter(|v| **v >= low && **v < high).count();
                assert!((850..1150).contains(&count), "{bits} bits: {count} of 4000 in quarter {part}");
            }
        }
    }

    #[test]
    fn plaintext_units_are_the_rounded_quotient() {
        let parameters = Parameters::insecure_for_tests(64, 20, 3).unwrap();
        let lift = Lift::new(parameters.context()).unwrap();
        let t = parameters.plaintext_modulus();
        let values = [0, 1, 12345, t - 1];
        let rows = scaled(&values, &parameters).unwrap();
        for (column, x) in values.iter().enumerate() {
            let found = lift.lift(rows.iter().skip(column).step_by(values.len()).copied());
            assert_eq!(found, lift.modulus() * *x / t);
        }
    }

    #[test]
    fn windows_cover_every_member_with_quorums() {
        let mut rng = SeededRng::from_u64(0);
        let parameters = Parameters::insecure_for_tests(64, 20, 3).unwrap();
        for (size, needed) in [(2, 2), (3, 2), (9, 5), (7, 7), (10, 2)] {
            let identities = crate::testing::identities(size, &mut rng);
            let windows = windows(&crate::testing::terms(&parameters, needed, &identities));
            assert!(windows.iter().all(|w| w.len() == needed as usize && w.is_sorted_by(|a, b| a < b)));
            let covered: std::collections::BTreeSet<u32> = windows.into_iter().flatten().collect();
            assert!(covered.into_iter().eq(1..=size));
        }
    }
}
