//! Sums of many multiples of points, in variable time: for public values only.
//!
//! Straus's method with signed windows of width 5, or 4 if all scalars are short (Möller 2001, "Algorithms for
//! multi-exponentiation", §4): some 50 additions for a point with a full scalar and 30 with one of 128 bits. The generator has a larger table made once,
//! for itself and for 2^128 G, so that an equation with a 128-bit challenge needs 128 doublings. One thread: the callers'
//! sums are short, and waking others costs more than it saves.

use blstrs::{G1Affine, G1Projective, Scalar};
use ff::Field;
use group::Group;
use group::prime::PrimeCurveAffine;
use std::sync::OnceLock;

/// The width of the windows for scalars of any length, and of those below 2^128.
const WINDOW: u32 = 5;
const SHORT_WINDOW: u32 = 4;
const BASE_WINDOW: u32 = 8;

/// Affine coordinates of many points, with one inversion. The identity stays the identity.
pub(crate) fn to_affine(points: &[G1Projective]) -> Vec<G1Affine> {
    if points.is_empty() {
        return Vec::new();
    }
    // One identity would poison the shared inversion.
    if points.iter().any(|p| bool::from(p.is_identity())) {
        return points.iter().map(G1Affine::from).collect();
    }
    let raw: Vec<blst::blst_p1> = points.iter().map(|p| *p.as_ref()).collect();
    let affine = blst::p1_affines::from(&raw);
    affine
        .as_slice()
        .iter()
        .map(|raw| {
            let mut point = G1Affine::identity();
            *point.as_mut() = *raw;
            point
        })
        .collect()
}

/// P, 3P, 5P, ...: half as many as there are odd digits of this width.
fn odd_multiples(point: G1Projective, window: u32, out: &mut Vec<G1Projective>) {
    let double = point.double();
    let mut multiple = point;
    for _ in 0..1_u32 << (window - 2) {
        out.push(multiple);
        multiple += double;
    }
}

/// The non-adjacent form of this width, lowest digit first: digits are zero or odd, and after an odd one stand at least
/// `window - 1` zeros.
fn signed_digits(scalar: &Scalar, window: u32) -> Vec<i16> {
    let mut limbs = [0_u64; 4];
    for (limb, bytes) in limbs.iter_mut().zip(scalar.to_bytes_le().chunks_exact(8)) {
        *limb = bytes.try_into().map_or(0, u64::from_le_bytes);
    }
    let mut digits = Vec::with_capacity(257);
    while limbs != [0; 4] {
        let [low, ..] = limbs;
        let mut digit = 0_i16;
        if low & 1 == 1 {
            let value = low & ((1 << window) - 1);
            let half = 1_u64 << (window - 1);
            // Both branches fit: the width is at most 8.
            if value < half {
                digit = i16::try_from(value).unwrap_or(0);
                subtract(&mut limbs, value);
            } else {
                let borrowed = (1_u64 << window).wrapping_sub(value);
                digit = -i16::try_from(borrowed).unwrap_or(0);
                add(&mut limbs, borrowed);
            }
        }
        digits.push(digit);
        shift(&mut limbs);
    }
    digits
}

fn subtract(limbs: &mut [u64; 4], value: u64) {
    let mut borrow = value;
    for limb in limbs {
        let (less, under) = limb.overflowing_sub(borrow);
        *limb = less;
        borrow = u64::from(under);
    }
}

fn add(limbs: &mut [u64; 4], value: u64) {
    let mut carry = value;
    for limb in limbs {
        let (more, over) = limb.overflowing_add(carry);
        *limb = more;
        carry = u64::from(over);
    }
}

fn shift(limbs: &mut [u64; 4]) {
    let [a, b, c, d] = *limbs;
    *limbs = [a >> 1 | b << 63, b >> 1 | c << 63, c >> 1 | d << 63, d >> 1];
}

/// Tables of the generator and of 2^128 times it.
fn base_tables() -> &'static [Vec<G1Affine>; 2] {
    static TABLES: OnceLock<[Vec<G1Affine>; 2]> = OnceLock::new();
    TABLES.get_or_init(|| {
        let low = G1Projective::generator();
        let high = (0..128).fold(low, |p, _| p.double());
        [low, high].map(|point| {
            let mut out = Vec::new();
            odd_multiples(point, BASE_WINDOW, &mut out);
            to_affine(&out)
        })
    })
}

/// The two halves of a scalar: low and high 128 bits.
fn halves(scalar: &Scalar) -> [Scalar; 2] {
    let bytes = scalar.to_bytes_le();
    let half = |chunk: Option<&[u8; 16]>| chunk.map_or(Scalar::ZERO, super::scalar::short_scalar);
    [half(bytes.first_chunk()), half(bytes.last_chunk())]
}

/// `base` G + the sum of `k_i` `P_i`, in variable time. Correct for every point of the curve, with the scalars read as
/// integers below r.
pub(crate) fn linear_combination(base: &Scalar, terms: &[(G1Affine, Scalar)]) -> G1Projective {
    let short = terms.iter().all(|(_, scalar)| scalar.to_bytes_le().iter().skip(16).all(|byte| *byte == 0));
    let window = if short { SHORT_WINDOW } else { WINDOW };
    let mut tables = Vec::with_capacity(terms.len() << (window - 2));
    for (point, _) in terms {
        odd_multiples(point.into(), window, &mut tables);
    }
    let tables = to_affine(&tables);
    let mut rows: Vec<(&[G1Affine], Vec<i16>)> = tables
        .chunks(1 << (window - 2))
        .zip(terms)
        .map(|(table, (_, scalar))| (table, signed_digits(scalar, window)))
        .collect();
    if *base != Scalar::ZERO {
        for (table, half) in base_tables().iter().zip(halves(base)) {
            rows.push((table, signed_digits(&half, BASE_WINDOW)));
        }
    }
    let length = rows.iter().map(|(_, digits)| digits.len()).max().unwrap_or(0);
    let mut sum = G1Projective::identity();
    for at in (0..length).rev() {
        sum = sum.double();
        for (table, digits) in &rows {
            let digit = digits.get(at).copied().unwrap_or(0);
            if digit != 0
                && let Some(multiple) = table.get(usize::from(digit.unsigned_abs() >> 1))
            {
                if digit > 0 {
                    sum += multiple;
                } else {
                    sum += -multiple;
                }
            }
        }
    }
    sum
}

/// x P for a small x, in variable time.
pub(crate) fn small_mul(point: &G1Projective, x: u16) -> G1Projective {
    let mut result = G1Projective::identity();
    for bit in (0..x.checked_ilog2().map_or(0, |top| top.saturating_add(1))).rev() {
        result = result.double();
        if x >> bit & 1 == 1 {
            result += point;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::point::tests::torsion;
    use super::super::scalar::{random_scalar, weight};
    use super::*;
    use mediveil_rng::SeededRng;

    #[test]
    fn agrees_with_plain_multiplication() {
        let mut rng = SeededRng::from_u64(1);
        let edge = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(2), weight(&mut rng)];
        for n in [0, 1, 2, 3, 9, 40] {
            let terms: Vec<_> = (0..n)
                .map(|i| {
                    let point = (G1Projective::generator() * random_scalar(&mut rng)).into();
                    (point, edge.get(i).copied().unwrap_or_else(|| random_scalar(&mut rng)))
                })
                .collect();
            for base in edge.into_iter().chain([random_scalar(&mut rng)]) {
                let plain =
                    terms.iter().fold(G1Projective::generator() * base, |sum, (p, k)| sum + G1Projective::from(p) * k);
                assert_eq!(linear_combination(&base, &terms), plain);
            }
        }
        let point = G1Projective::generator() * weight(&mut rng);
        for x in [0, 1, 2, 3, 100, 255, 256, u16::MAX] {
            assert_eq!(small_mul(&point, x), point * Scalar::from(u64::from(x)));
        }
    }

    #[test]
    fn handles_the_identity_repeated_points_and_points_outside_g1() {
        let g = G1Affine::generator();
        let k = Scalar::from(7);
        assert_eq!(
            linear_combination(&k, &[(g, k), (-g, k), (G1Affine::identity(), k)]),
            G1Projective::generator() * k
        );
        let [three, _] = torsion();
        let sum = linear_combination(&Scalar::ZERO, &[(three, k)]);
        assert_eq!(sum, G1Projective::from(three), "7 T = T for a point of order 3");
    }
}
