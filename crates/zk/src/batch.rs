//! Many proofs of one statement in one check.
//!
//! With random 128-bit weights the equations `e(A, B) = e(alpha, beta) e(I, gamma) e(C, delta)` of all proofs become one
//! (Bellare, Garay and Rabin, EUROCRYPT 1998): n + 3 Miller loops and one final exponentiation instead of 3n and n. A batch
//! with a false proof passes with probability 2^-128. The weights come from the caller's generator and must not be
//! predictable to whoever made the proofs.

use crate::keys::VerifyingKey;
use crate::proof::{Proof, VerifyError};
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::pairing::Pairing as _;
use ark_ec::{AffineRepr as _, CurveGroup as _, VariableBaseMSM as _};
use ark_ff::{PrimeField as _, Zero as _};
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
        let weights: Vec<Fr> = batch
            .iter()
            .map(|_| {
                let mut bytes = [0; 16];
                rng.fill_bytes(&mut bytes);
                Fr::from(u128::from_le_bytes(bytes))
            })
            .collect();
        let vk = &self.prepared.vk;
        let mut inputs = vec![Fr::zero(); vk.gamma_abc_g1.len()];
        for ((public, _), weight) in batch.iter().zip(&weights) {
            let values = S::inputs(public);
            if values.len() != S::PUBLIC_INPUTS {
                return false;
            }
            for (sum, value) in inputs.iter_mut().zip(std::iter::once(Fr::from(1)).chain(values)) {
                *sum += value * weight;
            }
        }
        let total: Fr = weights.iter().sum();
        let c: Vec<G1Affine> = batch.iter().map(|(_, proof)| proof.points.c).collect();
        let (Ok(inputs), Ok(c)) = (G1Projective::msm(&vk.gamma_abc_g1, &inputs), G1Projective::msm(&c, &weights))
        else {
            return false;
        };
        let a: Vec<G1Affine> = batch.iter().map(|(_, proof)| proof.points.a).collect();
        // 128 bits, not 254: half the doublings.
        let scaled: Vec<G1Projective> =
            a.par_iter().zip(&weights).map(|(a, weight)| a.mul_bigint(weight.into_bigint())).collect();
        let mut left = G1Projective::normalize_batch(&scaled);
        let mut right: Vec<G2Affine> = batch.iter().map(|(_, proof)| proof.points.b).collect();
        left.extend([-inputs.into_affine(), -c.into_affine(), (-(vk.alpha_g1.into_group() * total)).into_affine()]);
        right.extend([vk.gamma_g2, vk.delta_g2, vk.beta_g2]);
        Bn254::multi_pairing(left, right).is_zero()
    }
}
