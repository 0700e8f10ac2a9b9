//! The algebra, and nothing else: scalars, points of G1 and sums of them, polynomials and their commitments.
//!
//! The group is G1 of BLS12-381, of prime order r (Bowe 2017; RFC 9380 §8.8.1 gives the parameters), written additively
//! with the generator G. Scalars are integers modulo r. Multiplication by secret scalars is `blst`'s constant-time one;
//! [`multi`] runs in variable time and is for public values only.

pub(crate) mod multi;
pub(crate) mod point;
pub(crate) mod poly;
pub(crate) mod scalar;

pub(crate) use multi::{linear_combination, to_affine};
pub(crate) use point::{decode_point, decode_wide_point, encode_point, encode_wide_point};
pub(crate) use poly::{Commitment, Polynomial, ShortWeights, lagrange};
pub(crate) use scalar::{SCALAR_LEN, Secret, random_scalar, scalar_from_bytes, weight};

use blstrs::{G1Affine, G1Projective, Scalar};
use group::Group;

/// k G in constant time.
pub(crate) fn base_mul(k: &Scalar) -> G1Affine {
    G1Affine::from(G1Projective::generator() * k)
}

/// k P in constant time.
pub(crate) fn mul(point: &G1Affine, k: &Scalar) -> G1Affine {
    G1Affine::from(G1Projective::from(point) * k)
}
