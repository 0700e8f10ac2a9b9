//! BabyJubJub (EIP-2494) in a circuit: 168700 x^2 + y^2 = 1 + 168696 x^2 y^2 over BN254's scalar field, of order 8 l.
//!
//! Native twin: `taceo-ark-babyjubjub`, whose generator is circomlib's `Base8`, of prime order l.
//!
//! # Two additions
//! [`add`] is the complete Edwards law: six rows, right for all points of the curve. Chains of additions run on the
//! Montgomery form v^2 = u^3 + 168698 u^2 + u with three rows an addition (five for 2P + Q), which is *incomplete*: where
//! both abscissas are equal the slope is free and a prover could choose it. So each chain below is arranged, and says why,
//! such that no exceptional case can occur whatever the prover chooses, and takes an explicit non-zero check where the
//! argument ends.

use super::bits::{at_least, at_most, bits};
use crate::r1cs::{Builder, Num};
use ark_bn254::Fr;
use ark_ec::{AffineRepr as _, CurveGroup as _, PrimeGroup as _};
use ark_ff::{BigInt, Field as _, MontFp, One as _, PrimeField as _};
use std::sync::LazyLock;
use taceo_ark_babyjubjub::{EdwardsAffine, EdwardsProjective, Fr as Scalar};

const A: Fr = MontFp!("168700");
const D: Fr = MontFp!("168696");
/// A of the Montgomery form; B is 1.
const MONTGOMERY_A: Fr = MontFp!("168698");

/// Bits of the group order l.
pub const SCALAR_BITS: usize = 251;

/// 22 l - 2^255: a multiple of l brings every hash to 256 bits that begin with 10.
const SHIFT: Fr = MontFp!("2296623278899909149392123295113552567054915054668197682675952536909277386934");
const SHIFTED_BITS: usize = 254;

/// A point, by its coordinates. That it lies on the curve is for [`on_curve`] to say.
#[derive(Clone, Debug)]
pub struct Point {
    /// First coordinate.
    pub x: Num,
    /// Second coordinate.
    pub y: Num,
}

impl Point {
    /// A point as a pair of witnesses.
    pub fn witness(cs: &mut Builder, point: &EdwardsAffine) -> Self {
        Self { x: cs.witness(point.x), y: cs.witness(point.y) }
    }

    /// A constant point.
    #[must_use]
    pub fn constant(point: &EdwardsAffine) -> Self {
        Self { x: Num::constant(point.x), y: Num::constant(point.y) }
    }
}

/// Refuses coordinates off the curve: three rows.
pub fn on_curve(cs: &mut Builder, p: &Point) {
    let x2 = cs.mul(&p.x, &p.x);
    let y2 = cs.mul(&p.y, &p.y);
    let rest = &(&x2.times(A) + &y2) - &Num::one();
    cs.enforce(&x2.times(D), &y2, &rest);
}

/// The complete addition of circomlib's `BabyAdd`: six rows. Both points must lie on the curve.
pub fn add(cs: &mut Builder, p: &Point, q: &Point) -> Point {
    let beta = cs.mul(&p.x, &q.y);
    let gamma = cs.mul(&p.y, &q.x);
    let delta = cs.mul(&(&p.y - &p.x.times(A)), &(&q.x + &q.y));
    let tau = cs.mul(&beta, &gamma).times(D);
    let x = cs.div(&(&beta + &gamma), &(&Num::one() + &tau));
    let y = cs.div(&(&(&delta + &beta.times(A)) - &gamma), &(&Num::one() - &tau));
    Point { x, y }
}

/// Refuses points that differ: two rows.
pub fn equal(cs: &mut Builder, p: &Point, q: &Point) {
    cs.equal(&p.x, &q.x);
    cs.equal(&p.y, &q.y);
}

/// A point in Montgomery form.
#[derive(Clone)]
struct Montgomery {
    u: Num,
    v: Num,
}

/// u = (1 + y) / (1 - y), v = u / x: two rows. The point must be on the curve, of odd order and not the identity, so that
/// x and 1 - y are not zero.
fn to_montgomery(cs: &mut Builder, p: &Point) -> Montgomery {
    let u = cs.div(&(&Num::one() + &p.y), &p.y.not());
    let v = cs.div(&u, &p.x);
    Montgomery { u, v }
}

/// x = u / v, y = (u - 1) / (u + 1): two rows. The point must be of odd order, so that v and u + 1 are not zero.
fn to_edwards(cs: &mut Builder, p: &Montgomery) -> Point {
    let x = cs.div(&p.u, &p.v);
    let y = cs.div(&(&p.u - &Num::one()), &(&p.u + &Num::one()));
    Point { x, y }
}

/// Incomplete addition: three rows.
fn montgomery_add(cs: &mut Builder, p: &Montgomery, q: &Montgomery) -> Montgomery {
    let slope = cs.div(&(&q.v - &p.v), &(&q.u - &p.u));
    let u = chord(cs, &slope, &p.u, &q.u);
    let v = line(cs, &slope, p, &u);
    Montgomery { u, v }
}

/// The third abscissa on a line: slope^2 - A - u1 - u2.
fn chord(cs: &mut Builder, slope: &Num, u1: &Num, u2: &Num) -> Num {
    let square = cs.mul(slope, slope);
    &(&(&square - &Num::constant(MONTGOMERY_A)) - u1) - u2
}

/// The ordinate of the sum with this abscissa: slope (u1 - u) - v1.
fn line(cs: &mut Builder, slope: &Num, p: &Montgomery, u: &Num) -> Num {
    let rise = cs.mul(slope, &(&p.u - u));
    &rise - &p.v
}

/// 2P + Q as (P + Q) + P without the ordinate between: five rows. `checked` adds the two rows that refuse the exceptional
/// cases P = ±Q and P + Q = ±P.
fn double_and_add(cs: &mut Builder, p: &Montgomery, q: &Montgomery, checked: bool) -> Montgomery {
    let first = cs.div(&(&q.v - &p.v), &(&q.u - &p.u));
    let middle = chord(cs, &first, &p.u, &q.u);
    if checked {
        cs.nonzero(&(&q.u - &p.u));
        cs.nonzero(&(&p.u - &middle));
    }
    // The slope of (P + Q) + P is 2 v / (u - middle) - first.
    let both = cs.div(&p.v.times(Fr::from(2)), &(&p.u - &middle));
    let second = &both - &first;
    let u = chord(cs, &second, &p.u, &middle);
    let v = line(cs, &second, p, &u);
    Montgomery { u, v }
}

/// The constant tables of [`mul_base`]: per window u(B), u(3B), v(B), v(3B) for the window's base, and the two points that
/// the last addition chooses from.
struct BaseTable {
    windows: Vec<[Fr; 4]>,
    last: [EdwardsAffine; 2],
}

const WINDOWS: usize = 125;

static BASE: LazyLock<BaseTable> = LazyLock::new(|| {
    let half = Scalar::from(2).inverse().unwrap_or_default();
    let mut base = EdwardsProjective::generator() * half;
    let mut windows = Vec::with_capacity(WINDOWS);
    for _ in 0..WINDOWS {
        let [one, three] = [base, base + base + base].map(|p| {
            let p = p.into_affine();
            let u = (Fr::one() + p.y) * (Fr::one() - p.y).inverse().unwrap_or_default();
            [u, u * p.x.inverse().unwrap_or_default()]
        });
        let ([u1, v1], [u3, v3]) = (one, three);
        windows.push([u1, u3, v1, v3]);
        base = base + base + base + base;
    }
    // Digits 2s - 3 of halves: S = sum (2 s_i - 3)/2 4^i + 3/2 sum 4^i, and the last sum is (4^125 - 1)/3.
    let power = Scalar::from(4).pow([WINDOWS as u64]);
    let offset = EdwardsProjective::generator() * ((power - Scalar::one()) * half);
    let top = offset + EdwardsProjective::generator() * power;
    BaseTable { windows, last: [offset.into_affine(), top.into_affine()] }
});

/// S times the generator for the 251 bits of S: 505 rows.
///
/// Windows of two bits have the digits -3, -1, 1, 3 (times half the generator times 4^i), one product each. Before window i
/// the sum is an odd multiple of half the generator, less than 4^i in size, and the window's |digit| 4^i is at least 4^i:
/// their sum and difference are not zero and below 4^(i+1) <= 2^250 < l. So abscissas differ in each addition, the result
/// is not the identity, and bit 250 is added with the complete law.
pub fn mul_base(cs: &mut Builder, scalar: &[Num]) -> Point {
    let mut sum: Option<Montgomery> = None;
    for (window, pair) in BASE.windows.iter().zip(scalar.chunks_exact(2)) {
        let [low, high] = pair else { continue };
        let [u1, u3, v1, v3] = *window;
        let both = cs.mul(low, high);
        // s = 0, 1, 2, 3 stands for -3, -1, 1, 3: the abscissa is that of 3 where the bits are equal.
        let one = Num::one();
        let differ = Num::sum(&[(Fr::one(), low), (Fr::one(), high), (-Fr::from(2), &both)]);
        let u = Num::sum(&[(u3, &one), (u1 - u3, &differ)]);
        // v: -v3, -v1, v1, v3.
        let v = Num::sum(&[(-v3, &one), (v3 - v1, low), (v1 + v3, high)]);
        let point = Montgomery { u, v };
        sum = Some(match sum {
            None => point,
            Some(sum) => montgomery_add(cs, &sum, &point),
        });
    }
    let Some(sum) = sum else { return Point { x: Num::zero(), y: Num::one() } };
    let sum = to_edwards(cs, &sum);
    let [without, with] = BASE.last;
    let (Some(top), one) = (scalar.get(SCALAR_BITS.saturating_sub(1)), Num::one()) else { return sum };
    let last = Point {
        x: Num::sum(&[(without.x, &one), (with.x - without.x, top)]),
        y: Num::sum(&[(without.y, &one), (with.y - without.y, top)]),
    };
    add(cs, &sum, &last)
}

/// h times P for a field element h as an integer below the field's order, and P of order l (prime, not the identity): some
/// 2,200 rows.
///
/// The bits are those of w = h + c with c = 22 l - 2^255, checked to lie in [c, c + r) so that they are of the one integer;
/// then 2^255 + w = h + 22 l is a scalar for h P whose 256 bits begin with 10. With N that number, or the odd one after it,
/// and n its leading bits, the chain goes n -> 2n ± 1 from 5. Exceptional would be n = ±1 or 2n ± 1 = 0 modulo l; while n
/// is below 2^249 < (l - 1)/2 it is neither, and the last steps are checked. Those checks also refuse the few hashes whose
/// chain would meet such a case (0 and 1 among them), which nobody can find a message for.
pub fn mul_hash(cs: &mut Builder, h: &Num, p: &Point) -> Point {
    let w = h + &Num::constant(SHIFT);
    let w = unique_bits(cs, &w);

    let one = to_montgomery(cs, p);
    let two = add(cs, p, p);
    let four = add(cs, &two, &two);
    let five = add(cs, &four, p);
    let mut sum = to_montgomery(cs, &five);
    // 5 is the leading bits 10 and the first digits; step k brings n to k + 4 bits.
    for (step, bit) in w.iter().skip(1).rev().enumerate() {
        let sign = &bit.times(Fr::from(2)) - &Num::one();
        let v = cs.mul(&sign, &one.v);
        let point = Montgomery { u: one.u.clone(), v };
        sum = double_and_add(cs, &sum, &point, step >= 246);
    }
    let odd = to_edwards(cs, &sum);
    // An even scalar was made odd: take P off again, or the identity.
    let even = w.first().map_or_else(Num::zero, Num::not);
    let x = cs.mul(&even, &p.x);
    let y = cs.mul(&even, &p.y.not());
    add(cs, &odd, &Point { x: &Num::zero() - &x, y: y.not() })
}

/// The 254 bits of the one integer in [SHIFT, SHIFT + r) that is this element.
fn unique_bits(cs: &mut Builder, w: &Num) -> Vec<Num> {
    // The integer h + SHIFT, where the element may have wrapped around.
    let h = (w.value() - SHIFT).into_bigint();
    let mut integer = h;
    let carry = ark_ff::BigInteger::add_with_carry(&mut integer, &SHIFT.into_bigint());
    debug_assert!(!carry);
    let out: Vec<Num> = (0..SHIFTED_BITS).map(|i| cs.boolean(ark_ff::BigInteger::get_bit(&integer, i))).collect();
    cs.equal(&super::bits::pack(&out), w);
    at_least(cs, &out, &SHIFT.into_bigint());
    let mut max = (-Fr::one()).into_bigint();
    let carry = ark_ff::BigInteger::add_with_carry(&mut max, &SHIFT.into_bigint());
    debug_assert!(!carry);
    at_most(cs, &out, &max);
    out
}

/// The 251 bits of a scalar; refuses S >= l.
pub fn scalar_bits(cs: &mut Builder, s: &Num) -> Vec<Num> {
    let out = bits(cs, s, SCALAR_BITS);
    let max: BigInt<4> = (-Scalar::one()).into_bigint();
    at_most(cs, &out, &max);
    out
}

/// 8 P: 18 rows.
pub fn clear_cofactor(cs: &mut Builder, p: &Point) -> Point {
    let two = add(cs, p, p);
    let four = add(cs, &two, &two);
    add(cs, &four, &four)
}

/// Whether a native point has order l: on the curve, in the subgroup and not the identity.
#[must_use]
pub fn has_prime_order(p: &EdwardsAffine) -> bool {
    p.is_on_curve() && p.is_in_correct_subgroup_assuming_on_curve() && !p.is_zero()
}
