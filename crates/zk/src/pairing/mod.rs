//! The pairing of BN254 as a verifier uses it: arkworks' optimal ate pairing, value for value, in less time.
//!
//! - Lines of points that a key fixes are computed once, in affine form: 1 + a (x/y) w + b (1/y) w^3 at the point (x, y). A
//!   line may be scaled by any element of a proper subfield, which the final exponentiation takes away.
//! - Lines of a proof's point are those of Aranha et al., "The realm of the pairings" (2013/722), without their halves.
//! - The final exponentiation is that of Fuentes-Castaneda, Knapp and Rodriguez-Henriquez ("Faster hashing to G2", SAC 2011),
//!   with powers by the curve's parameter from 62 cyclotomic squares and 16 products.
//! - Walking up to [6x + 2] B + psi(B) - psi^2(B) for the lines also tells whether B has order r: see [`Lines::of`].

mod field;
mod inputs;

use ark_bn254::{Config, G1Affine, G2Affine};
#[cfg(test)]
use ark_bn254::{Fq2, Fq12};
use ark_ec::AffineRepr as _;
use ark_ec::bn::BnConfig;
use ark_ec::short_weierstrass::SWCurveConfig as _;
use field::{Fp, Fp2};

pub(crate) use field::Fp12;
pub(crate) use inputs::InputSum;

/// The digits of 6x + 2 below the first, from the highest.
fn loop_digits() -> impl Iterator<Item = &'static i8> {
    Config::ATE_LOOP_COUNT.iter().rev().skip(1)
}

/// A point of G1 other than infinity: x / y is `x` over `y` and 1 / y is `z` over `y`, so that one inversion gives both,
/// whatever coordinates the point was computed in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fraction {
    x: Fp,
    y: Fp,
    z: Fp,
}

impl Fraction {
    /// An affine point; `None` for infinity.
    pub(crate) fn of(point: &G1Affine) -> Option<Self> {
        let (x, y) = point.xy()?;
        Some(Self { x: x.into(), y: y.into(), z: Fp::ONE })
    }
}

/// [x / y, 1 / y] of each point, with one inversion. No point of G1 has y = 0, since their order is odd.
fn ratios(points: impl DoubleEndedIterator<Item = Fraction> + Clone) -> Option<Vec<[Fp; 2]>> {
    let mut product = Fp::ONE;
    let before: Vec<Fp> = points
        .clone()
        .map(|point| {
            let next = product * point.y;
            std::mem::replace(&mut product, next)
        })
        .collect();
    let mut inverse = product.inverse()?;
    let mut ratios: Vec<[Fp; 2]> = points
        .rev()
        .zip(before.iter().rev())
        .map(|(point, before)| {
            let over_y = inverse * *before;
            inverse = inverse * point.y;
            [point.x * over_y, point.z * over_y]
        })
        .collect();
    ratios.reverse();
    Some(ratios)
}

/// The lines of the Miller loop at a point of G2: c + a w + b w^3, where c is to be scaled by the other point's ordinate and
/// a by its abscissa.
#[derive(Clone, Debug)]
pub(crate) struct Lines(Vec<[Fp2; 3]>);

/// A multiple of a point in homogeneous coordinates.
#[derive(Clone, Copy)]
struct Multiple {
    x: Fp2,
    y: Fp2,
    z: Fp2,
}

impl Multiple {
    fn double(&mut self) -> [Fp2; 3] {
        let coefficient = Fp2::from(ark_bn254::g2::Config::COEFF_B);
        let (b, c, j) = (self.y.square(), self.z.square(), self.x.square());
        let e = coefficient * (c.double() + c);
        let f = e.double() + e;
        let h = (self.y + self.z).square() - (b + c);
        let e_square = e.square().double().double();
        // Four times the usual coordinates: nothing is halved.
        self.x = ((self.x + self.y).square() - (j + b)) * (b - f);
        self.y = (b + f).square() - (e_square.double() + e_square);
        self.z = (b * h).double().double();
        [-h, j.double() + j, e - b]
    }

    fn add(&mut self, [x, y]: [Fp2; 2]) -> [Fp2; 3] {
        let theta = self.y - y * self.z;
        let lambda = self.x - x * self.z;
        let d = lambda.square();
        let e = lambda * d;
        let g = self.x * d;
        let h = e + self.z * theta.square() - g.double();
        self.x = lambda * h;
        self.y = theta * (g - h) - e * self.y;
        self.z = self.z * e;
        [lambda, -theta, theta * x - lambda * y]
    }
}

/// The p-th power of the coordinates, taken back to the twist: psi.
fn psi([x, y]: [Fp2; 2]) -> [Fp2; 2] {
    let conjugate = |e: Fp2| Fp2 { re: e.re, im: -e.im };
    [conjugate(x) * Fp2::from(Config::TWIST_MUL_BY_Q_X), conjugate(y) * Fp2::from(Config::TWIST_MUL_BY_Q_Y)]
}

impl Lines {
    /// The lines at a point of the twist; `None` unless it is in G2, and for infinity.
    ///
    /// T = [6x + 2] B + psi(B) - psi^2(B) equals -psi^3(B) exactly where r B = 0: the norm of 6x + 2 + psi - psi^2 + psi^3
    /// over psi^2 - t psi + p is a multiple of r and coprime to the cofactor. If some addition on the way met a point with
    /// itself or its negative, for which the formulas do not hold, z is zero from there on, and is seen in the end.
    pub(crate) fn of(point: &G2Affine) -> Option<Self> {
        let (x, y) = point.xy()?;
        let (lines, t) = Self::walk([x.into(), y.into()]);
        let [x3, y3] = psi(psi(psi([x.into(), y.into()])));
        let ends = t.x == x3 * t.z && t.y == -(y3 * t.z);
        (point.is_on_curve() && !t.z.is_zero() && ends).then_some(lines)
    }

    fn walk(q: [Fp2; 2]) -> (Self, Multiple) {
        let [x, y] = q;
        let mut lines = Vec::with_capacity(96);
        let mut t = Multiple { x, y, z: Fp2::ONE };
        for digit in loop_digits() {
            lines.push(t.double());
            match digit {
                1 => lines.push(t.add(q)),
                -1 => lines.push(t.add([x, -y])),
                _ => {}
            }
        }
        let q1 = psi(q);
        let [x2, y2] = psi(q1);
        lines.push(t.add(q1));
        lines.push(t.add([x2, -y2]));
        (Self(lines), t)
    }

    /// At a point of G1; `None` for infinity, where the pairing is one.
    pub(crate) fn at<'a>(&'a self, point: &G1Affine) -> Option<At<'a>> {
        let (x, y) = point.xy()?;
        Some(At { lines: self, x: x.into(), y: y.into() })
    }
}

/// Lines at a point of G1.
#[derive(Debug)]
pub(crate) struct At<'a> {
    lines: &'a Lines,
    x: Fp,
    y: Fp,
}

/// Lines in affine form, 1 + a w + b w^3, of a point that a key fixes.
#[derive(Clone, Debug)]
pub(crate) struct FixedLines(Vec<[Fp2; 2]>);

impl FixedLines {
    /// The lines at a point; `None` unless it is in G2, and for infinity.
    pub(crate) fn of(point: &G2Affine) -> Option<Self> {
        let lines = Lines::of(point)?;
        let normal = |[c, a, b]: &[Fp2; 3]| c.inverse().map(|inverse| [*a * inverse, *b * inverse]);
        lines.0.iter().map(normal).collect::<Option<_>>().map(Self)
    }
}

/// The product of the Miller loops of some pairs, with its squares shared. `None` for a point that is none.
pub(crate) fn miller(pairs: &[At<'_>], fixed: &[(Fraction, &FixedLines)]) -> Option<Fp12> {
    let ratios = ratios(fixed.iter().map(|(point, _)| *point))?;
    let mut pairs: Vec<_> = pairs.iter().map(|at| (at, at.lines.0.iter())).collect();
    let mut fixed: Vec<_> = ratios.iter().zip(fixed).map(|(at, (_, lines))| (at, lines.0.iter())).collect();
    let mut all = |mut f: Fp12| {
        for (at, lines) in &mut pairs {
            if let Some([c, a, b]) = lines.next() {
                f = f.times_line([c.scale(at.y), a.scale(at.x), *b]);
            }
        }
        for ([x_over_y, one_over_y], lines) in &mut fixed {
            if let Some([a, b]) = lines.next() {
                f = f.times_normal_line(a.scale(*x_over_y), b.scale(*one_over_y));
            }
        }
        f
    };
    let mut f = Fp12::ONE;
    for digit in loop_digits() {
        f = all(f.square());
        if *digit != 0 {
            f = all(f);
        }
    }
    f = all(f);
    Some(all(f))
}

/// The power that makes a Miller loop's product a pairing: by 2x (6x^2 + 3x + 1) (p^12 - 1) / r. `None` for zero.
pub(crate) fn final_exponentiation(f: Fp12) -> Option<Fp12> {
    let f = f.conjugate() * f.inverse()?;
    let f = f.frobenius(2) * f;
    // Below, the inverse is the conjugate.
    let y0 = by_x(f).conjugate();
    let y1 = y0.cyclotomic_square();
    let y3 = y1.cyclotomic_square() * y1;
    let y4 = by_x(y3).conjugate();
    // Twice inverted: the power by x of y4's square, and its inverse.
    let y6 = by_x(y4.cyclotomic_square());
    let y8 = y6 * y4 * y3.conjugate();
    let y9 = y8 * y1;
    let y11 = y8 * y4 * f;
    Some(y9.frobenius(1) * y11 * y8.frobenius(2) * (f.conjugate() * y9).frobenius(3))
}

/// The power by x = 4,965,661,367,192,848,881 in the cyclotomic subgroup: its non-adjacent form of width 4.
fn by_x(f: Fp12) -> Fp12 {
    /// Squares, then the digit, from the highest, which is 1.
    const DIGITS: [(u8, i8); 13] =
        [(6, 5), (5, -3), (4, 3), (5, 5), (4, -5), (4, -3), (4, 1), (5, 5), (5, 7), (4, -7), (7, 5), (5, -1), (4, 1)];
    let square = f.cyclotomic_square();
    let f3 = square * f;
    let f5 = square * f3;
    let f7 = square * f5;
    DIGITS.iter().fold(f, |mut power, (squares, digit)| {
        for _ in 0..*squares {
            power = power.cyclotomic_square();
        }
        let odd = match digit.unsigned_abs() {
            1 => f,
            3 => f3,
            5 => f5,
            _ => f7,
        };
        power * if *digit < 0 { odd.conjugate() } else { odd }
    })
}

/// A pairing's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value(Fp12);

impl Value {
    pub(crate) const ONE: Self = Self(Fp12::ONE);

    /// e(p, q) where q's lines are given; `None` for infinity.
    pub(crate) fn pairing(p: &G1Affine, q: &Lines) -> Option<Self> {
        Self::of(miller(&[q.at(p)?], &[])?)
    }

    /// What the product of Miller loops stands for; `None` for zero.
    pub(crate) fn of(product: Fp12) -> Option<Self> {
        final_exponentiation(product).map(Self)
    }

    /// The value as arkworks has it.
    #[cfg(test)]
    fn ark(self) -> Fq12 {
        self.0.into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use ark_bn254::{Bn254, Fr, G1Projective, G2Projective};
    use ark_ec::pairing::{MillerLoopOutput, Pairing as _};
    use ark_ec::{CurveGroup as _, PrimeGroup as _};
    use ark_ff::{AdditiveGroup as _, Field as _, UniformRand as _};
    use mediveil_rng::{Compat06, SeededRng};

    fn points(n: usize, seed: u64) -> Vec<(G1Affine, G2Affine)> {
        let mut rng = Compat06(SeededRng::from_u64(seed));
        let mut all = vec![(G1Affine::generator(), G2Affine::generator())];
        all.extend((1..n).map(|_| (G1Affine::rand(&mut rng), G2Affine::rand(&mut rng))));
        all
    }

    #[test]
    fn pairings_equal_arkworks() {
        for (p, q) in points(12, 1) {
            let lines = Lines::of(&q).unwrap();
            assert_eq!(Value::pairing(&p, &lines).unwrap().ark(), Bn254::pairing(p, q).0);
            let fixed = FixedLines::of(&q).unwrap();
            let fixed = Value::of(miller(&[], &[(Fraction::of(&p).unwrap(), &fixed)]).unwrap()).unwrap();
            assert_eq!(fixed.ark(), Bn254::pairing(p, q).0);
        }
    }

    #[test]
    fn products_equal_arkworks() {
        let points = points(7, 2);
        let lines: Vec<Lines> = points.iter().map(|(_, q)| Lines::of(q).unwrap()).collect();
        let fixed: Vec<FixedLines> = points.iter().map(|(_, q)| FixedLines::of(q).unwrap()).collect();
        for split in 0..=7 {
            let varying: Vec<At<'_>> =
                points.iter().zip(&lines).take(split).map(|((p, _), l)| l.at(p).unwrap()).collect();
            let known: Vec<_> =
                points.iter().zip(&fixed).skip(split).map(|((p, _), l)| (Fraction::of(p).unwrap(), l)).collect();
            let ours = Value::of(miller(&varying, &known).unwrap()).unwrap();
            let theirs = Bn254::multi_pairing(points.iter().map(|(p, _)| *p), points.iter().map(|(_, q)| *q));
            assert_eq!(ours.ark(), theirs.0, "{split}");
        }
    }

    #[test]
    fn the_final_exponentiation_equals_arkworks() {
        let mut rng = Compat06(SeededRng::from_u64(3));
        for _ in 0..10 {
            let f = Fq12::rand(&mut rng);
            let theirs = Bn254::final_exponentiation(MillerLoopOutput(f)).unwrap().0;
            assert_eq!(Value::of(f.into()).unwrap().ark(), theirs);
        }
        assert!(Value::of(Fq12::ZERO.into()).is_none());
        assert_eq!(Value::of(Fq12::ONE.into()).unwrap().ark(), Fq12::ONE);
    }

    /// On the curve, outside the group: its order has a factor of the cofactor.
    fn outside(seed: u64) -> G2Affine {
        let mut rng = Compat06(SeededRng::from_u64(seed));
        loop {
            let point = G2Affine::get_point_from_x_unchecked(Fq2::rand(&mut rng), false);
            let Some(point) = point else { continue };
            if !point.mul_bigint(Fr::MODULUS_WORDS).into_affine().is_zero() {
                return point;
            }
        }
    }

    trait Words {
        const MODULUS_WORDS: [u64; 4];
    }

    impl Words for Fr {
        const MODULUS_WORDS: [u64; 4] = <Self as ark_ff::PrimeField>::MODULUS.0;
    }

    #[test]
    fn lines_are_for_points_of_the_group_alone() {
        for (_, q) in points(12, 4) {
            assert!(Lines::of(&q).is_some());
        }
        assert!(Lines::of(&G2Affine::identity()).is_none());
        for seed in 0..24 {
            let outside = outside(seed);
            assert!(outside.is_on_curve() && !outside.is_in_correct_subgroup_assuming_on_curve());
            assert!(Lines::of(&outside).is_none());
            // With a part in the group; and without one, in the cofactor's subgroup.
            assert!(Lines::of(&(outside + G2Projective::generator()).into_affine()).is_none());
            let alone = outside.mul_bigint(Fr::MODULUS_WORDS).into_affine();
            assert!(!alone.is_zero() && alone.is_on_curve() && Lines::of(&alone).is_none());
            // Off the curve.
            let off = G2Affine::new_unchecked(outside.x, outside.y + Fq2::ONE);
            assert!(Lines::of(&off).is_none());
        }
    }

    /// Points of order 10,069, the smallest factor of the cofactor.
    #[test]
    fn points_of_small_order_are_refused() {
        // The order of the twist's group over that.
        const REST: [u64; 8] = [
            0x1dbb_fa43_015f_1659,
            0x88a0_ba93_34d5_d06e,
            0xc616_fa58_e5b7_2d72,
            0x8ec1_2d22_f654_1370,
            0x85dd_3e29_9a8f_ab26,
            0xf2ec_8020_adba_71a1,
            0xb0cf_b56a_567e_a5a2,
            0x3b89_d84c_6eaa,
        ];
        let point = outside(100).mul_bigint(REST).into_affine();
        assert!(!point.is_zero() && point.mul_bigint([10_069]).into_affine().is_zero());
        for multiple in (1..10_069_u64).step_by(97) {
            assert!(Lines::of(&point.mul_bigint([multiple]).into_affine()).is_none());
        }
    }

    #[test]
    fn a_pairing_is_bilinear() {
        let (a, b) = (Fr::from(77), Fr::from(1_234_567_890));
        let p = (G1Projective::generator() * a).into_affine();
        let q = Lines::of(&(G2Projective::generator() * b).into_affine()).unwrap();
        let one = Lines::of(&G2Affine::generator()).unwrap();
        let both = (G1Projective::generator() * (a * b)).into_affine();
        assert_eq!(Value::pairing(&p, &q), Value::pairing(&both, &one));
        assert_ne!(Value::pairing(&p, &q), Value::pairing(&p, &one));
    }
}
