//! What noise a ciphertext can have at most: exact integer bounds, no heuristics.
//!
//! Decryption of a ciphertext under the secret s yields the *phase* c0 + c1 s = (q/t) m + v (mod q); v is the noise, and
//! the message comes out right while |v| < q / 2t. Every bound here is on the largest coefficient of v and holds for all
//! outcomes of all samples: a centred binomial of variance 10 is at most 20 in absolute value, the sum of N members' at
//! most 20 N, and the product of two polynomials of degree below n has coefficients at most n |a| |b|. With S = 20 N:
//!
//! | operation | bound on the noise |
//! |---|---|
//! | fresh (public key) | 40 n S + 21: u e + e1 + e2 s, and the rounding of (q/t) m |
//! | sum | V1 + V2 |
//! | times an integer c | abs(c) V |
//! | times a plaintext of slots | n t V |
//! | product | n (t/2) (V1 + V2) + t n K (V1 + V2) + (t/q) n V1 V2 + 2 (1 + n S + n² S²) + R |
//!
//! K = n S + 2 bounds how often q wraps around in the phase over the integers, and R = k n `max(q_i)` (2 n S² + 2 S) is the
//! relinearisation: digits below `q_i`, k primes, and the error of the two-round relinearisation key
//! (Mouchet et al., eprint 2020/304, protocol 2: e0 s + u e1 + e2 + e3). The product is the textbook analysis of
//! scale-invariant multiplication (Fan and Vercauteren, eprint 2012/144, §4) with every term kept.
//!
//! Opening adds, for each of the `quorum` members, uniform noise below 2^e, where 2^e >= 2^λ · coefficients · V: what
//! a member's part reveals about v is then within statistical distance 2^-λ of nothing, for all coefficients of a
//! release together and with every other member colluding.

use crate::parameters::Parameters;
use crate::security::SMALL_MAX;
use num_bigint::BigUint;

/// A bound on the absolute value of every coefficient of a ciphertext's noise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Noise(pub(crate) BigUint);

impl Noise {
    /// Bits of the bound: the noise is below two to this power.
    #[must_use]
    pub fn bits(&self) -> u64 {
        self.0.bits()
    }
}

/// How many times the residual bound must fit into what the modulus leaves, in bits: the chance that garbage passes for
/// an opening is below two to minus this.
pub const GARBAGE_BITS: u64 = 20;

/// The modulus is too small for what is planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the noise needs a modulus of {needed} bits and the parameters have {available}: choose parameters for this depth, \
     fewer rows or fewer opened values"
)]
pub struct BudgetExceeded {
    /// Bits of the modulus that the plan needs.
    pub needed: u64,
    /// Bits of the modulus there are.
    pub available: u64,
}

/// What opening a ciphertext costs, proved to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningBudget {
    /// Each quorum member adds noise uniform in [-2^e, 2^e); this is e.
    pub smudging_bits: u64,
    /// The greatest noise that an honest opening can have, all members' smudging included.
    pub residual: Noise,
    /// Bits of the modulus beyond what is needed, [`GARBAGE_BITS`] already taken off.
    pub spare_bits: u64,
}

/// The rules of noise under one key: ring, moduli and number of members.
///
/// A planner walks its circuit with these methods and asks [`opening`](Self::opening) at the end; ciphertexts carry the
/// same bounds along when they are computed, so plan and evaluation cannot differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoiseModel {
    degree: BigUint,
    plaintext: BigUint,
    modulus: BigUint,
    largest_prime: BigUint,
    primes: BigUint,
    secret: BigUint,
}

impl NoiseModel {
    /// The rules for `members` members under `parameters`.
    #[must_use]
    pub fn new(parameters: &Parameters, members: u32) -> Self {
        Self::of(parameters.degree(), parameters.plaintext_modulus(), parameters.moduli(), members)
    }

    pub(crate) fn of(degree: u32, plaintext: u64, moduli: &[u64], members: u32) -> Self {
        Self {
            degree: degree.into(),
            plaintext: plaintext.into(),
            modulus: moduli.iter().map(|q| BigUint::from(*q)).product(),
            largest_prime: moduli.iter().copied().max().unwrap_or(0).into(),
            primes: BigUint::from(moduli.len()),
            secret: BigUint::from(SMALL_MAX) * members,
        }
    }

    pub(crate) fn modulus_bits(&self) -> u64 {
        self.modulus.bits()
    }

    /// A ciphertext as it comes from encryption.
    #[must_use]
    pub fn fresh(&self) -> Noise {
        Noise(BigUint::from(2 * SMALL_MAX) * &self.degree * &self.secret + SMALL_MAX + 1u32)
    }

    /// The sum or difference of two ciphertexts.
    #[must_use]
    pub fn sum(&self, a: &Noise, b: &Noise) -> Noise {
        Noise(&a.0 + &b.0)
    }

    /// The sum of `count` ciphertexts of the same noise, or a ciphertext times an integer of this absolute value.
    #[must_use]
    pub fn times(&self, a: &Noise, count: u64) -> Noise {
        Noise(&a.0 * count)
    }

    /// A ciphertext plus a public constant: the rounding of the constant comes on top.
    #[must_use]
    pub fn plus_constant(&self, a: &Noise) -> Noise {
        Noise(&a.0 + 1u32)
    }

    /// A ciphertext times a plaintext in each slot.
    #[must_use]
    pub fn masked(&self, a: &Noise) -> Noise {
        Noise(&self.degree * &self.plaintext * &a.0)
    }

    /// The relinearised product of two ciphertexts.
    #[must_use]
    pub fn product(&self, a: &Noise, b: &Noise) -> Noise {
        let (n, t, s) = (&self.degree, &self.plaintext, &self.secret);
        let both = &a.0 + &b.0;
        let wraps = n * s + 2u32;
        let messages = n * t * &both / 2u32 + 1u32;
        let wrapped = t * n * wraps * &both;
        let noises = t * n * &a.0 * &b.0 / &self.modulus + 1u32;
        let n_s = n * s;
        let rounding = (BigUint::from(1u32) + &n_s + &n_s * &n_s) * 2u32;
        let key_error = n * s * s * 2u32 + s * 2u32;
        let relinearisation = &self.primes * n * &self.largest_prime * key_error;
        Noise(messages + wrapped + noises + rounding + relinearisation)
    }

    /// Proves that a ciphertext of this noise can be opened by a quorum of `quorum` members, smudging `lambda` bits for
    /// `coefficients` coefficients released together.
    ///
    /// # Errors
    /// [`BudgetExceeded`] with the bits that are missing.
    pub fn opening(
        &self,
        noise: &Noise,
        coefficients: u64,
        quorum: u32,
        lambda: u32,
    ) -> Result<OpeningBudget, BudgetExceeded> {
        // 2^bits(x) > x >= 1, so the power is at least 2^lambda times coefficients times the bound.
        let smudging_bits = (&noise.0 * coefficients).bits() + u64::from(lambda);
        let one = BigUint::from(1u32);
        // The 1 is the rounding of the noise in units of the plaintext that each member may add.
        let residual = &noise.0 + ((&one << smudging_bits) + &one) * quorum;
        let needed = (&residual * &self.plaintext * 2u32) << GARBAGE_BITS;
        if needed >= self.modulus {
            return Err(BudgetExceeded { needed: needed.bits(), available: self.modulus.bits() });
        }
        let spare_bits = self.modulus.bits().saturating_sub(needed.bits());
        Ok(OpeningBudget { smudging_bits, residual: Noise(residual), spare_bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ciphertext::Ciphertext;
    use crate::opening::share::noise_of;
    use crate::{Bounds, CommitteeKey, Evaluator, Parameters, testing};
    use mediveil_rng::SeededRng;

    fn within(what: &str, key: &CommitteeKey, share: &[Vec<u64>], ciphertext: &Ciphertext, slots: &[i64]) -> u64 {
        let measured = noise_of(key, share, ciphertext, slots);
        assert!(
            measured <= ciphertext.noise().0,
            "{what}: {} bits over {}",
            measured.bits(),
            ciphertext.noise().bits()
        );
        measured.bits()
    }

    /// The proof against the measurement, operation by operation, with the moduli of a filtered sum in a smaller ring.
    #[test]
    fn measured_noise_stays_within_the_bounds() {
        let parameters = Parameters::insecure_for_tests(1024, 40, 6).unwrap();
        let mut rng = SeededRng::from_u64(11);
        let (key, members) = testing::committee(&parameters, 3, 2, &mut rng);
        let shares: Vec<Vec<u64>> = members.iter().take(2).map(|(m, _)| m.share(&key).unwrap().to_vec()).collect();
        let values: Vec<i64> = (0..parameters.degree()).map(|i| i64::from(i % 7) - 3).collect();
        let map = |f: &dyn Fn(i64) -> i64| -> Vec<i64> { values.iter().map(|v| f(*v)).collect() };
        let fresh = key.encrypt(&values, Bounds { min: -3, max: 3 }, &mut rng).unwrap();
        let other = key.encrypt(&values, Bounds { min: -3, max: 3 }, &mut rng).unwrap();
        let server = Evaluator::new(&key).unwrap();
        let fresh_bits = within("fresh", &key, &shares, &fresh, &values);
        within("sum", &key, &shares, &server.add(&fresh, &other).unwrap(), &map(&|v| 2 * v));
        within("times", &key, &shares, &server.scale(&fresh, -1000).unwrap(), &map(&|v| -1000 * v));
        within("constant", &key, &shares, &server.add_constant(&fresh, -5).unwrap(), &map(&|v| v - 5));
        let square = server.multiply(&fresh, &other).unwrap();
        let square_bits = within("product", &key, &shares, &square, &map(&|v| v * v));
        let cube = server.multiply(&square, &fresh).unwrap();
        let cube_bits = within("depth 2", &key, &shares, &cube, &map(&|v| v * v * v));
        let only: Vec<i64> = values.iter().enumerate().map(|(i, v)| if i == 5 { *v } else { 0 }).collect();
        within("mask", &key, &shares, &server.mask(&fresh, &[5]).unwrap(), &only);
        // The measurement measures: noise grows, and by what multiplication must add to it.
        assert!(fresh_bits > 8 && square_bits > fresh_bits + 40 && cube_bits > square_bits + 40);
    }

    /// The same on small rings, where extreme samples are likelier, over many keys.
    #[test]
    fn bounds_hold_for_many_small_keys() {
        for seed in 0..12 {
            let mut rng = SeededRng::from_u64(seed);
            let parameters = Parameters::insecure_for_tests(16, 20, 5).unwrap();
            let (key, members) = testing::committee(&parameters, 2, 2, &mut rng);
            let shares: Vec<Vec<u64>> = members.iter().map(|(m, _)| m.share(&key).unwrap().to_vec()).collect();
            let server = Evaluator::new(&key).unwrap();
            let mut expected = vec![3; 16];
            let base = key.encrypt(&expected, Bounds { min: 0, max: 9 }, &mut rng).unwrap();
            let mut power = base.clone();
            for depth in 0..2 {
                within(&format!("depth {depth}"), &key, &shares, &power, &expected);
                power = server.multiply(&power, &base).unwrap();
                expected.iter_mut().for_each(|e| *e *= 3);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_figure() {
        let parameters = Parameters::insecure_for_tests(64, 40, 4).unwrap();
        let model = NoiseModel::new(&parameters, 5);
        let fresh = model.fresh();
        assert!(model.opening(&fresh, 1, 3, 64).is_ok());
        let mut noise = fresh;
        for _ in 0..3 {
            noise = model.product(&noise, &noise);
        }
        let refused = model.opening(&noise, 1, 3, 64).unwrap_err();
        assert!(refused.needed > refused.available && refused.available == 248);
    }

    #[test]
    fn smudging_covers_lambda_coefficients_and_bound() {
        let model = NoiseModel::new(&Parameters::insecure_for_tests(64, 20, 4).unwrap(), 5);
        let fresh = model.fresh();
        for (coefficients, lambda) in [(1, 64), (3, 40), (8192, 64)] {
            let budget = model.opening(&fresh, coefficients, 3, lambda).unwrap();
            let each = BigUint::from(1u32) << budget.smudging_bits;
            assert!(each >= (BigUint::from(1u32) << lambda) * coefficients * &fresh.0);
            assert!(budget.residual.0 >= each * 3u32 + &fresh.0);
        }
    }

    /// The opened number of one quorum after another stays right where the proof says that it just fits.
    #[test]
    fn the_limit_is_sharp_enough_to_matter() {
        let parameters = Parameters::insecure_for_tests(64, 30, 3).unwrap();
        let model = NoiseModel::new(&parameters, 3);
        let budget = model.opening(&model.fresh(), 1, 2, 64).unwrap();
        let more = u32::try_from(budget.spare_bits).unwrap() + 64;
        assert!(model.opening(&model.fresh(), 1, 2, more - 2).is_ok());
        assert!(model.opening(&model.fresh(), 1, 2, more + 2).is_err());
    }
}
