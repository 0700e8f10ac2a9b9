//! Polynomials of the ciphertext ring: as bytes, from a seed, small, and lifted out of their residues.
//!
//! On the wire a polynomial is its coefficients modulo each prime in turn, in the power basis, packed with as many bits
//! as the prime has, little-endian. That is the mathematical object: it does not depend on how a library orders its
//! transform.

use crate::compat::Drawn;
use crate::security::VARIANCE;
use fhe_math::rq::traits::TryConvertFrom;
use fhe_math::rq::{Context, Poly, Representation};
use mediveil_rng::{Rng, SeededRng};
use num_bigint::BigUint;
use rand_core::CryptoRng;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Ring arithmetic refused its operands: a defect of this crate, never of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring arithmetic refused its operands; this is a defect, please report it")]
pub struct RingError;

impl From<fhe_math::Error> for RingError {
    fn from(_: fhe_math::Error) -> Self {
        Self
    }
}

impl From<fhe::Error> for RingError {
    fn from(_: fhe::Error) -> Self {
        Self
    }
}

/// Residues of a polynomial in the power basis, prime after prime.
pub(crate) fn residues(poly: &Poly) -> Zeroizing<Vec<u64>> {
    let mut power = Zeroizing::new(poly.clone());
    power.change_representation(Representation::PowerBasis);
    Zeroizing::new(power.coefficients().iter().copied().collect())
}

/// Packs residues in the power basis.
pub(crate) fn pack_residues(residues: &[u64], context: &Context, degree: usize) -> Vec<u8> {
    let length = context.moduli_operators().iter().map(|q| q.serialization_length(degree)).sum();
    let mut out = Vec::with_capacity(length);
    for (row, q) in residues.chunks_exact(degree).zip(context.moduli_operators()) {
        out.extend_from_slice(&q.serialize_vec(row));
    }
    out
}

/// Reads what [`pack_residues`] wrote; `None` unless each coefficient is below its prime and the length is right.
pub(crate) fn unpack_residues(bytes: &[u8], context: &Context, degree: usize) -> Option<Zeroizing<Vec<u64>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(degree.checked_mul(context.moduli().len())?));
    let mut rest = bytes;
    for q in context.moduli_operators() {
        let (row, after) = rest.split_at_checked(q.serialization_length(degree))?;
        rest = after;
        let row = Zeroizing::new(q.deserialize_vec(row));
        if row.len() != degree || row.iter().any(|c| *c >= **q) {
            return None;
        }
        out.extend_from_slice(&row);
    }
    rest.is_empty().then_some(out)
}

/// A polynomial as bytes.
pub(crate) fn pack(poly: &Poly, degree: usize) -> Vec<u8> {
    pack_residues(&residues(poly), poly.ctx(), degree)
}

/// A public polynomial from bytes, ready to be multiplied.
pub(crate) fn unpack(bytes: &[u8], context: &Arc<Context>, degree: usize) -> Option<Poly> {
    let residues = unpack_residues(bytes, context, degree)?;
    let mut poly = Poly::try_convert_from(residues.as_slice(), context, true, Representation::PowerBasis).ok()?;
    poly.change_representation(Representation::Ntt);
    Some(poly)
}

/// A secret polynomial of these residues, ready to be multiplied in constant time.
pub(crate) fn secret(residues: &[u64], context: &Arc<Context>) -> Result<Zeroizing<Poly>, RingError> {
    let mut poly = Zeroizing::new(Poly::try_convert_from(residues, context, false, Representation::PowerBasis)?);
    poly.change_representation(Representation::Ntt);
    Ok(poly)
}

/// Uniform residues from a seed, by rejection: ChaCha20's words, little-endian, cut to the bits of the prime.
pub(crate) fn uniform_residues(context: &Context, degree: usize, rng: &mut (impl Rng + ?Sized)) -> Zeroizing<Vec<u64>> {
    let mut out = Zeroizing::new(Vec::with_capacity(degree.saturating_mul(context.moduli().len())));
    for q in context.moduli() {
        let mask = u64::MAX >> q.leading_zeros();
        for _ in 0..degree {
            out.push(loop {
                let word = rng.next_u64() & mask;
                if word < *q {
                    break word;
                }
            });
        }
    }
    out
}

/// A common random polynomial: everybody who knows the seed gets the same one.
pub(crate) fn common(seed: [u8; 32], context: &Arc<Context>, degree: usize) -> Result<Poly, RingError> {
    let residues = uniform_residues(context, degree, &mut SeededRng::new(seed));
    let mut poly = Poly::try_convert_from(residues.as_slice(), context, true, Representation::PowerBasis)?;
    poly.change_representation(Representation::Ntt);
    // What is public from here on is multiplied with secrets: in constant time.
    poly.disallow_variable_time_computations();
    Ok(poly)
}

/// A fresh secret or error: centred binomial coefficients of variance 10.
pub(crate) fn small(context: &Arc<Context>, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Zeroizing<Poly>, RingError> {
    let degree = Poly::zero(context, Representation::PowerBasis).coefficients().ncols();
    let mut rng = Drawn::for_small(1, degree, rng);
    Ok(Zeroizing::new(Poly::small(context, Representation::Ntt, VARIANCE, &mut rng)?))
}

/// The integers below q behind residues: Chinese remaindering, one column at a time.
pub(crate) struct Lift {
    modulus: BigUint,
    weights: Vec<BigUint>,
}

impl Lift {
    pub(crate) fn new(context: &Context) -> Result<Self, RingError> {
        let rns = fhe_math::rns::RnsContext::new(context.moduli())?;
        let weights = (0..context.moduli().len()).map_while(|i| rns.get_garner(i).cloned()).collect();
        Ok(Self { modulus: context.modulus().clone(), weights })
    }

    pub(crate) fn modulus(&self) -> &BigUint {
        &self.modulus
    }

    pub(crate) fn lift(&self, column: impl Iterator<Item = u64>) -> BigUint {
        let sum: BigUint = self.weights.iter().zip(column).map(|(w, r)| w * r).sum();
        sum % &self.modulus
    }
}
