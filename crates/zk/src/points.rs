//! Points and field elements as bytes: uncompressed, big-endian coordinates as Ethereum has them, one encoding a point.
//!
//! G1: x, y (64 bytes). G2: x1, x0, y1, y0 (128 bytes), imaginary part first, as EIP-197. Infinity is all zeros. A reader
//! refuses coordinates at or above the modulus, points off the curve and, in G2, outside the subgroup of order r.

use crate::pairing::Lines;
use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use ark_ff::{BigInt, BigInteger as _, PrimeField};

/// Bytes of a G1 point.
pub(crate) const G1: usize = 64;
/// Bytes of a G2 point.
pub(crate) const G2: usize = 128;

/// How a reader treats points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Curve and subgroup.
    Full,
    /// None but canonical coordinates: only for bytes whose hash is known.
    Pinned,
}

pub(crate) fn element<F: PrimeField<BigInt = BigInt<4>>>(bytes: &[u8; 32]) -> Option<F> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
        *limb = u64::from_be_bytes(*chunk);
    }
    F::from_bigint(BigInt::new(limbs))
}

pub(crate) fn element_bytes<F: PrimeField<BigInt = BigInt<4>>>(element: &F) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(element.into_bigint().to_bytes_be()) {
        *to = from;
    }
    out
}

pub(crate) fn write_g1(out: &mut Vec<u8>, point: &G1Affine) {
    let (x, y) = point.xy().unwrap_or_default();
    out.extend_from_slice(&element_bytes(&x));
    out.extend_from_slice(&element_bytes(&y));
}

pub(crate) fn write_g2(out: &mut Vec<u8>, point: &G2Affine) {
    let (x, y) = point.xy().unwrap_or_default();
    for part in [x.c1, x.c0, y.c1, y.c0] {
        out.extend_from_slice(&element_bytes(&part));
    }
}

pub(crate) fn read_g1(bytes: &[u8], check: Check) -> Option<G1Affine> {
    let ([x, y], []) = bytes.as_chunks::<32>() else { return None };
    let (x, y): (Fq, Fq) = (element(x)?, element(y)?);
    if x == Fq::from(0) && y == Fq::from(0) {
        return Some(G1Affine::identity());
    }
    let point = G1Affine::new_unchecked(x, y);
    // G1 has prime order: on the curve is in the group.
    (check == Check::Pinned || point.is_on_curve()).then_some(point)
}

pub(crate) fn read_g2(bytes: &[u8], check: Check) -> Option<G2Affine> {
    let ([x1, x0, y1, y0], []) = bytes.as_chunks::<32>() else { return None };
    let x = Fq2::new(element(x0)?, element(x1)?);
    let y = Fq2::new(element(y0)?, element(y1)?);
    if x == Fq2::from(0) && y == Fq2::from(0) {
        return Some(G2Affine::identity());
    }
    let point = G2Affine::new_unchecked(x, y);
    (check == Check::Pinned || Lines::of(&point).is_some()).then_some(point)
}

/// Points one after another.
pub(crate) fn write_all_g1(points: &[G1Affine]) -> Vec<u8> {
    let mut out = Vec::with_capacity(points.len().saturating_mul(G1));
    points.iter().for_each(|p| write_g1(&mut out, p));
    out
}

pub(crate) fn write_all_g2(points: &[G2Affine]) -> Vec<u8> {
    let mut out = Vec::with_capacity(points.len().saturating_mul(G2));
    points.iter().for_each(|p| write_g2(&mut out, p));
    out
}

pub(crate) fn read_all_g1(bytes: &[u8], check: Check) -> Option<Vec<G1Affine>> {
    use rayon::prelude::*;
    let (points, rest) = bytes.as_chunks::<G1>();
    if rest.is_empty() { points.par_iter().map(|p| read_g1(p, check)).collect() } else { None }
}

pub(crate) fn read_all_g2(bytes: &[u8], check: Check) -> Option<Vec<G2Affine>> {
    use rayon::prelude::*;
    let (points, rest) = bytes.as_chunks::<G2>();
    if rest.is_empty() { points.par_iter().map(|p| read_g2(p, check)).collect() } else { None }
}

/// A scalar from a generator of `rand_core` 0.10.
pub(crate) fn random_scalar(rng: &mut (impl rand_core::CryptoRng + ?Sized)) -> Fr {
    let mut bytes = [0; 64];
    loop {
        rng.fill_bytes(&mut bytes);
        let scalar = Fr::from_le_bytes_mod_order(&bytes);
        zeroize::Zeroize::zeroize(&mut bytes);
        if scalar != Fr::from(0) {
            return scalar;
        }
    }
}
