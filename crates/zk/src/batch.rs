//! Many proofs of one statement in one check.
//!
//! With random weights, one of 2^128 each, the equations `e(A, B) = e(alpha, beta) e(I, gamma) e(C, delta)` of all proofs become
//! one (Bellare, Garay and Rabin, EUROCRYPT 1998): n + 3 Miller loops and one final exponentiation instead of 3n and n,
//! spread over the cores. A batch with a false proof passes with probability 2^-128. The weights come from the caller's
//! generator and must not be predictable to whoever made the proofs.
//!
//! A weight is k + l lambda for random 64-bit k and l, where lambda P = (beta x, y) is the curve's endomorphism (Gallant,
//! Lambert and Vanstone, CRYPTO 2001): half the doublings of a plain 128-bit number. Two such weights differ unless k and
//! l agree, since the shortest combinations that are zero modulo r have a coefficient of 126 bits.
//!
//! Every point was checked for its group when the proof was read: a [`Proof`] that exists has B in G2.

use crate::keys::VerifyingKey;
use crate::msm::{msm, msm_few};
use crate::pairing::{At, Fp12, Fraction, Lines, Value, miller};
use crate::proof::{Proof, VerifyError};
use ark_bn254::g1::Config as G1Config;
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup as _;
use ark_ec::scalar_mul::glv::GLVConfig as _;
use ark_ff::{AdditiveGroup as _, Zero as _};
use mediveil_circuits::Statement;
use rand_core::CryptoRng;
use rayon::prelude::*;

/// A batch that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("proof {index} of the batch: {why}")]
pub struct BatchError {
    /// The first proof that is not accepted.
    pub index: usize,
    /// Why.
    pub why: VerifyError,
}

impl<S: Statement> VerifyingKey<S> {
    /// Verifies many proofs, each with its public part.
    ///
    /// # Errors
    /// [`BatchError`] with the first proof that is not accepted, found one by one.
    pub fn verify_batch(
        &self,
        batch: &[(S::Public, Proof<S>)],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), BatchError> {
        if batch.is_empty() || self.holds(batch, rng) {
            return Ok(());
        }
        for (index, (public, proof)) in batch.iter().enumerate() {
            self.verify(public, proof).map_err(|why| BatchError { index, why })?;
        }
        // Each alone is accepted, so all are; the sum was refused by a fault of the machine. Do not accept.
        Err(BatchError { index: batch.len(), why: VerifyError::Refused })
    }

    fn holds(&self, batch: &[(S::Public, Proof<S>)], rng: &mut (impl CryptoRng + ?Sized)) -> bool {
        let weights: Vec<Weight> = batch.iter().map(|_| Weight::random(rng)).collect();
        let elements: Vec<Fr> = weights.iter().map(Weight::element).collect();
        let vk = &self.key;
        let mut inputs = vec![Fr::zero(); vk.gamma_abc_g1.len()];
        for ((public, _), weight) in batch.iter().zip(&elements) {
            let values = S::inputs(public);
            if values.len() != S::PUBLIC_INPUTS {
                return false;
            }
            for (sum, value) in inputs.iter_mut().zip(std::iter::once(Fr::from(1)).chain(values)) {
                *sum += value * weight;
            }
        }
        let total: Fr = elements.iter().sum();
        let c: Vec<G1Affine> = batch.iter().map(|(_, proof)| proof.points.c).collect();
        let proofs: Vec<&ArkProof> = batch.iter().map(|(_, proof)| &proof.points).collect();
        let share = batch.len().div_ceil(rayon::current_num_threads()).clamp(1, 16);
        let prepared = &*self.prepared;
        let (proofs, key) = rayon::join(
            || {
                let shares = proofs.par_chunks(share).zip(weights.par_chunks(share));
                shares
                    .map(|(proofs, weights)| weighted(proofs, weights))
                    .reduce(|| Some(Fp12::ONE), |a, b| Some(a? * b?))
            },
            || {
                let sums = [msm_few(&vk.gamma_abc_g1, &inputs), msm(&c, &elements), -(vk.alpha_g1 * total)];
                let sums = G1Projective::normalize_batch(&sums);
                let [inputs, c, alpha] = sums.as_slice() else { return None };
                // A sum may be infinity, whose pairing is one.
                let fixed = [(inputs, &prepared.minus_gamma), (c, &prepared.minus_delta)];
                let fixed: Vec<_> = fixed.iter().filter_map(|(p, lines)| Some((Fraction::of(p)?, *lines))).collect();
                let alpha: Vec<At<'_>> = prepared.beta.at(alpha).into_iter().collect();
                miller(&alpha, &fixed)
            },
        );
        proofs.zip(key).and_then(|(proofs, key)| Value::of(proofs * key)) == Some(Value::ONE)
    }
}

type ArkProof = ark_groth16::Proof<Bn254>;

/// The Miller loops of some proofs: weight times A with B. A weight of zero leaves its proof out, as it must.
fn weighted(proofs: &[&ArkProof], weights: &[Weight]) -> Option<Fp12> {
    let scaled: Vec<G1Projective> = proofs.iter().zip(weights).map(|(proof, weight)| weight.times(&proof.a)).collect();
    let lines: Vec<Lines> = proofs.iter().map(|proof| Lines::of(&proof.b)).collect::<Option<_>>()?;
    let scaled = G1Projective::normalize_batch(&scaled);
    let pairs: Vec<At<'_>> = lines.iter().zip(&scaled).filter_map(|(lines, a)| lines.at(a)).collect();
    miller(&pairs, &[])
}

/// k + l lambda.
#[derive(Clone, Copy)]
struct Weight {
    k: u64,
    l: u64,
}

impl Weight {
    fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { k: rng.next_u64(), l: rng.next_u64() }
    }

    fn element(&self) -> Fr {
        Fr::from(self.k) + Fr::from(self.l) * G1Config::LAMBDA
    }

    /// The weight times a point: both halves bit by bit together. P + lambda P is -lambda^2 P, so no table is computed.
    fn times(&self, p: &G1Affine) -> G1Projective {
        let lambda_p = G1Config::endomorphism_affine(p);
        let both = -G1Config::endomorphism_affine(&lambda_p);
        (0..64).rev().fold(G1Projective::zero(), |mut sum, bit| {
            sum.double_in_place();
            match (self.k >> bit & 1, self.l >> bit & 1) {
                (0, 0) => {}
                (1, 0) => sum += p,
                (0, _) => sum += &lambda_p,
                _ => sum += &both,
            }
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ec::PrimeGroup as _;
    use mediveil_rng::SeededRng;

    #[test]
    fn a_weight_times_a_point_is_its_element_times_the_point() {
        let mut rng = SeededRng::from_u64(1);
        let mut weights: Vec<Weight> = (0..20).map(|_| Weight::random(&mut rng)).collect();
        for k in [0, 1, u64::MAX] {
            weights.extend([0, 1, u64::MAX].map(|l| Weight { k, l }));
        }
        for (i, weight) in (1_u64..).zip(weights) {
            let p = G1Projective::generator() * Fr::from(i);
            assert_eq!(weight.times(&p.into_affine()), p * weight.element());
        }
    }
}
