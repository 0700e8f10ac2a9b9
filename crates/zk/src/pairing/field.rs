//! The field of BN254 and its extensions up to degree 12, for verification.
//!
//! Elements have arkworks' form (Montgomery's with R = 2^256, the tower u^2 = -1, v^3 = 9 + u, w^2 = v), so going from one to
//! the other costs nothing. The arithmetic is another: each coordinate of a product is one sum of products with one
//! reduction (Longa, "Efficient algorithms for large prime characteristic fields and their application to bilinear
//! pairings", CHES 2023, algorithm 2), and no branch depends on a value, which here is a matter of speed: a verifier has no
//! secrets.

use ark_bn254::{Fq, Fq2, Fq6, Fq12, FqConfig};
use ark_ff::{BigInt, MontConfig, PrimeField as _};
use std::hint::select_unpredictable;
use std::ops::{Add, Mul, Neg, Sub};

const P: [u64; 4] = Fq::MODULUS.0;
/// -1/p modulo 2^64.
const MINUS_P_INVERSE: u64 = <FqConfig as MontConfig<4>>::INV;

/// An element of the field of p elements: Montgomery's form, below p.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fp([u64; 4]);

/// The value less p if it is p or more; it must be below 2p.
#[inline(always)]
fn below_p(value: [u64; 4]) -> [u64; 4] {
    let ([r0, r1, r2, r3], [p0, p1, p2, p3]) = (value, P);
    let (s0, borrow) = r0.overflowing_sub(p0);
    let (s1, borrow) = r1.borrowing_sub(p1, borrow);
    let (s2, borrow) = r2.borrowing_sub(p2, borrow);
    let (s3, borrow) = r3.borrowing_sub(p3, borrow);
    select_unpredictable(borrow, value, [s0, s1, s2, s3])
}

/// The sum and a times a limb.
#[inline(always)]
fn row([r0, r1, r2, r3, r4, r5]: [u64; 6], Fp([a0, a1, a2, a3]): &Fp, limb: u64) -> [u64; 6] {
    let (r0, carry) = a0.carrying_mul_add(limb, r0, 0);
    let (r1, carry) = a1.carrying_mul_add(limb, r1, carry);
    let (r2, carry) = a2.carrying_mul_add(limb, r2, carry);
    let (r3, carry) = a3.carrying_mul_add(limb, r3, carry);
    let (r4, carry) = r4.overflowing_add(carry);
    [r0, r1, r2, r3, r4, r5.wrapping_add(u64::from(carry))]
}

/// One step of Montgomery's reduction: a multiple of p that makes the lowest limb zero, and the limb away.
#[inline(always)]
fn step([r0, r1, r2, r3, r4, r5]: [u64; 6]) -> [u64; 6] {
    let [p0, p1, p2, p3] = P;
    let k = r0.wrapping_mul(MINUS_P_INVERSE);
    let (_, carry) = p0.carrying_mul_add(k, r0, 0);
    let (s0, carry) = p1.carrying_mul_add(k, r1, carry);
    let (s1, carry) = p2.carrying_mul_add(k, r2, carry);
    let (s2, carry) = p3.carrying_mul_add(k, r3, carry);
    let (s3, carry) = r4.overflowing_add(carry);
    [s0, s1, s2, s3, r5.wrapping_add(u64::from(carry)), 0]
}

/// a.re times re and a.im times im: half of a product in the field of p^2 elements.
#[derive(Clone, Copy)]
struct Term<'a> {
    a: &'a Fp2,
    re: &'a Fp,
    im: &'a Fp,
}

/// The sum of up to three terms, which are 2N products. After each step of the reduction the sum is below (2N + 1) p, less than
/// 2^257; before it, below (2N + 1) p 2^64, which takes a sixth limb; in the end, below 2N p^2 / 2^256 + p.
#[inline(never)]
fn dot<const N: usize>(terms: &[Term<'_>; N]) -> Fp {
    const { assert!(N <= 3) };
    let limb = |sum, limb: fn(&Fp) -> u64| {
        let term = |sum, term: &Term<'_>| row(row(sum, &term.a.re, limb(term.re)), &term.a.im, limb(term.im));
        step(terms.iter().fold(sum, term))
    };
    let sum = limb([0; 6], |Fp([limb, ..])| *limb);
    let sum = limb(sum, |Fp([_, limb, ..])| *limb);
    let sum = limb(sum, |Fp([_, _, limb, _])| *limb);
    let [r0, r1, r2, r3, ..] = limb(sum, |Fp([.., limb])| *limb);
    let sum = below_p([r0, r1, r2, r3]);
    Fp(if N > 2 { below_p(sum) } else { sum })
}

#[inline(never)]
fn product(a: &Fp, Fp([b0, b1, b2, b3]): &Fp) -> Fp {
    let sum = step(row([0; 6], a, *b0));
    let sum = step(row(sum, a, *b1));
    let sum = step(row(sum, a, *b2));
    let [r0, r1, r2, r3, ..] = step(row(sum, a, *b3));
    Fp(below_p([r0, r1, r2, r3]))
}

impl Fp {
    pub(crate) const ZERO: Self = Self([0; 4]);
    pub(crate) const ONE: Self = Self(<FqConfig as MontConfig<4>>::R.0);

    #[inline(always)]
    pub(crate) fn double(self) -> Self {
        self + self
    }

    pub(crate) fn inverse(self) -> Option<Self> {
        ark_ff::Field::inverse(&Fq::from(self)).map(Self::from)
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl From<Fq> for Fp {
    fn from(element: Fq) -> Self {
        Self(element.0.0)
    }
}

impl From<Fp> for Fq {
    fn from(element: Fp) -> Self {
        Self::new_unchecked(BigInt(element.0))
    }
}

impl Add for Fp {
    type Output = Self;
    #[inline(always)]
    fn add(self, Self([b0, b1, b2, b3]): Self) -> Self {
        let Self([a0, a1, a2, a3]) = self;
        let (s0, carry) = a0.overflowing_add(b0);
        let (s1, carry) = a1.carrying_add(b1, carry);
        let (s2, carry) = a2.carrying_add(b2, carry);
        let (s3, _) = a3.carrying_add(b3, carry);
        Self(below_p([s0, s1, s2, s3]))
    }
}

impl Sub for Fp {
    type Output = Self;
    #[inline(always)]
    fn sub(self, Self([b0, b1, b2, b3]): Self) -> Self {
        let Self([a0, a1, a2, a3]) = self;
        let (s0, borrow) = a0.overflowing_sub(b0);
        let (s1, borrow) = a1.borrowing_sub(b1, borrow);
        let (s2, borrow) = a2.borrowing_sub(b2, borrow);
        let (s3, borrow) = a3.borrowing_sub(b3, borrow);
        let mask = u64::from(borrow).wrapping_neg();
        let [p0, p1, p2, p3] = P;
        let (s0, carry) = s0.overflowing_add(p0 & mask);
        let (s1, carry) = s1.carrying_add(p1 & mask, carry);
        let (s2, carry) = s2.carrying_add(p2 & mask, carry);
        let (s3, _) = s3.carrying_add(p3 & mask, carry);
        Self([s0, s1, s2, s3])
    }
}

impl Neg for Fp {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl Mul for Fp {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        product(&self, &other)
    }
}

/// re + im u, with u^2 = -1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fp2 {
    pub(crate) re: Fp,
    pub(crate) im: Fp,
}

/// A second factor, with what every product by it needs.
#[derive(Clone, Copy)]
struct Factor {
    re: Fp,
    im: Fp,
    minus_im: Fp,
}

impl Factor {
    #[inline(always)]
    fn of(Fp2 { re, im }: Fp2) -> Self {
        Self { re, im, minus_im: -im }
    }
}

/// The sum of products, with one reduction a coordinate.
#[inline(always)]
fn sum<const N: usize>(products: [(&Fp2, &Factor); N]) -> Fp2 {
    Fp2 {
        re: dot(&products.map(|(a, b)| Term { a, re: &b.re, im: &b.minus_im })),
        im: dot(&products.map(|(a, b)| Term { a, re: &b.im, im: &b.re })),
    }
}

impl Fp2 {
    pub(crate) const ZERO: Self = Self { re: Fp::ZERO, im: Fp::ZERO };
    pub(crate) const ONE: Self = Self { re: Fp::ONE, im: Fp::ZERO };

    #[inline(always)]
    pub(crate) fn double(self) -> Self {
        self + self
    }

    pub(crate) fn square(self) -> Self {
        let Self { re, im } = self;
        Self { re: (re + im) * (re - im), im: re.double() * im }
    }

    #[inline(always)]
    pub(crate) fn scale(self, by: Fp) -> Self {
        Self { re: self.re * by, im: self.im * by }
    }

    /// Times xi = 9 + u.
    #[inline(always)]
    fn times_xi(self) -> Self {
        let eight = self.double().double().double();
        Self { re: eight.re + (self.re - self.im), im: eight.im + (self.im + self.re) }
    }

    pub(crate) fn inverse(self) -> Option<Self> {
        ark_ff::Field::inverse(&Fq2::from(self)).map(Self::from)
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl From<Fq2> for Fp2 {
    fn from(element: Fq2) -> Self {
        Self { re: element.c0.into(), im: element.c1.into() }
    }
}

impl From<Fp2> for Fq2 {
    fn from(element: Fp2) -> Self {
        Self::new(element.re.into(), element.im.into())
    }
}

impl Add for Fp2 {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Fp2 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Neg for Fp2 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { re: -self.re, im: -self.im }
    }
}

impl Mul for Fp2 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        sum([(&self, &Factor::of(other))])
    }
}

/// Coefficients of 1, v and v^2, with v^3 = xi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fp6([Fp2; 3]);

impl Fp6 {
    /// Times v.
    #[inline(always)]
    fn times_v(self) -> Self {
        let Self([c0, c1, c2]) = self;
        Self([c2.times_xi(), c0, c1])
    }
}

impl From<Fq6> for Fp6 {
    fn from(element: Fq6) -> Self {
        Self([element.c0, element.c1, element.c2].map(Fp2::from))
    }
}

impl From<Fp6> for Fq6 {
    fn from(Fp6([c0, c1, c2]): Fp6) -> Self {
        Self::new(c0.into(), c1.into(), c2.into())
    }
}

impl Add for Fp6 {
    type Output = Self;
    #[inline(always)]
    fn add(self, Self([b0, b1, b2]): Self) -> Self {
        let Self([a0, a1, a2]) = self;
        Self([a0 + b0, a1 + b1, a2 + b2])
    }
}

impl Sub for Fp6 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, Self([b0, b1, b2]): Self) -> Self {
        let Self([a0, a1, a2]) = self;
        Self([a0 - b0, a1 - b1, a2 - b2])
    }
}

impl Mul for Fp6 {
    type Output = Self;
    fn mul(self, Self([b0, b1, b2]): Self) -> Self {
        let Self([a0, a1, a2]) = &self;
        let (xi_b1, xi_b2) = (Factor::of(b1.times_xi()), Factor::of(b2.times_xi()));
        let [b0, b1, b2] = [b0, b1, b2].map(Factor::of);
        Self([
            sum([(a0, &b0), (a1, &xi_b2), (a2, &xi_b1)]),
            sum([(a0, &b1), (a1, &b0), (a2, &xi_b2)]),
            sum([(a0, &b2), (a1, &b1), (a2, &b0)]),
        ])
    }
}

/// c0 + c1 w, with w^2 = v.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fp12 {
    c0: Fp6,
    c1: Fp6,
}

impl From<Fq12> for Fp12 {
    fn from(element: Fq12) -> Self {
        Self { c0: element.c0.into(), c1: element.c1.into() }
    }
}

impl From<Fp12> for Fq12 {
    fn from(element: Fp12) -> Self {
        Self::new(element.c0.into(), element.c1.into())
    }
}

impl Mul for Fp12 {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let (low, high) = (self.c0 * other.c0, self.c1 * other.c1);
        let all = (self.c0 + self.c1) * (other.c0 + other.c1);
        Self { c0: low + high.times_v(), c1: all - (low + high) }
    }
}

impl Fp12 {
    pub(crate) const ONE: Self = Self { c0: Fp6([Fp2::ONE, Fp2::ZERO, Fp2::ZERO]), c1: Fp6([Fp2::ZERO; 3]) };

    pub(crate) fn square(self) -> Self {
        let Self { c0, c1 } = self;
        let cross = c0 * c1;
        Self { c0: (c0 + c1) * (c0 + c1.times_v()) - (cross + cross.times_v()), c1: cross + cross }
    }

    /// The p^6-th power: the inverse in the cyclotomic subgroup.
    pub(crate) fn conjugate(self) -> Self {
        let Fp6([c0, c1, c2]) = self.c1;
        Self { c0: self.c0, c1: Fp6([-c0, -c1, -c2]) }
    }

    pub(crate) fn inverse(self) -> Option<Self> {
        ark_ff::Field::inverse(&Fq12::from(self)).map(Self::from)
    }

    /// The p^n-th power.
    pub(crate) fn frobenius(self, n: usize) -> Self {
        let mut element = Fq12::from(self);
        ark_ff::Field::frobenius_map_in_place(&mut element, n);
        element.into()
    }

    /// The square of an element of the cyclotomic subgroup (Granger and Scott, PKC 2010, section 3.2).
    pub(crate) fn cyclotomic_square(self) -> Self {
        let Self { c0: Fp6([z0, z4, z3]), c1: Fp6([z2, z1, z5]) } = self;
        // (x + y s)^2 with s^2 = xi.
        let square = |x: Fp2, y: Fp2| {
            let (by_x, by_y) = (Factor::of(x), Factor::of(y));
            (sum([(&x, &by_x), (&y.times_xi(), &by_y)]), sum([(&x, &by_y)]).double())
        };
        let ((t0, t1), (t2, t3), (t4, t5)) = (square(z0, z1), square(z2, z3), square(z4, z5));
        let less = |t: Fp2, z: Fp2| (t - z).double() + t;
        let more = |t: Fp2, z: Fp2| (t + z).double() + t;
        Self {
            c0: Fp6([less(t0, z0), less(t2, z4), less(t4, z3)]),
            c1: Fp6([more(t5.times_xi(), z2), more(t1, z1), more(t3, z5)]),
        }
    }

    /// Times 1 + a w + b w^3.
    pub(crate) fn times_normal_line(self, a: Fp2, b: Fp2) -> Self {
        let Self { c0: Fp6([f0, f1, f2]), c1: Fp6([g0, g1, g2]) } = &self;
        let (xi_a, xi_b) = (Factor::of(a.times_xi()), Factor::of(b.times_xi()));
        let (a, b) = (Factor::of(a), Factor::of(b));
        let c0 = [sum([(g2, &xi_a), (g1, &xi_b)]), sum([(g0, &a), (g2, &xi_b)]), sum([(g1, &a), (g0, &b)])];
        let c1 = [sum([(f0, &a), (f2, &xi_b)]), sum([(f1, &a), (f0, &b)]), sum([(f2, &a), (f1, &b)])];
        Self { c0: self.c0 + Fp6(c0), c1: self.c1 + Fp6(c1) }
    }

    /// Times c + a w + b w^3.
    pub(crate) fn times_line(self, [c, a, b]: [Fp2; 3]) -> Self {
        let Self { c0: Fp6([f0, f1, f2]), c1: Fp6([g0, g1, g2]) } = &self;
        let (xi_a, xi_b) = (Factor::of(a.times_xi()), Factor::of(b.times_xi()));
        let (a, b, c) = (Factor::of(a), Factor::of(b), Factor::of(c));
        let c0 = [
            sum([(f0, &c), (g2, &xi_a), (g1, &xi_b)]),
            sum([(f1, &c), (g0, &a), (g2, &xi_b)]),
            sum([(f2, &c), (g1, &a), (g0, &b)]),
        ];
        let c1 = [
            sum([(g0, &c), (f0, &a), (f2, &xi_b)]),
            sum([(g1, &c), (f1, &a), (f0, &b)]),
            sum([(g2, &c), (f2, &a), (f1, &b)]),
        ];
        Self { c0: Fp6(c0), c1: Fp6(c1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{CyclotomicMultSubgroup as _, Field as _, UniformRand as _, Zero as _};
    use mediveil_rng::{Compat06, SeededRng};

    /// Zero, one, minus one, the largest value whose limbs are all ones but the last, and random elements.
    fn elements() -> Vec<Fq> {
        let mut rng = Compat06(SeededRng::from_u64(1));
        let mut all = vec![Fq::zero(), Fq::ONE, -Fq::ONE, Fq::new_unchecked(BigInt([u64::MAX, u64::MAX, u64::MAX, 1]))];
        // The Montgomery form p - 1.
        let mut top = Fq::MODULUS;
        top.0[0] -= 1;
        all.push(Fq::new_unchecked(top));
        all.extend((0..8).map(|_| Fq::rand(&mut rng)));
        all
    }

    #[test]
    fn the_prime_field_equals_arkworks() {
        for a in elements() {
            for b in elements() {
                let (x, y) = (Fp::from(a), Fp::from(b));
                for (ours, theirs) in [(x + y, a + b), (x - y, a - b), (x * y, a * b), (-x, -a), (x.double(), a + a)] {
                    assert_eq!(Fq::from(ours), theirs);
                }
            }
            assert_eq!(Fp::from(a).inverse().map(Fq::from), a.inverse());
        }
    }

    #[test]
    fn the_quadratic_extension_equals_arkworks() {
        let pairs: Vec<Fq2> =
            elements().into_iter().flat_map(|a| elements().into_iter().map(move |b| Fq2::new(a, b))).collect();
        for (a, b) in pairs.iter().zip(pairs.iter().cycle().skip(7)) {
            let (x, y) = (Fp2::from(*a), Fp2::from(*b));
            for (ours, theirs) in [
                (x + y, a + b),
                (x - y, a - b),
                (x * y, a * b),
                (x.square(), a.square()),
                (x.times_xi(), *a * Fq2::new(Fq::from(9), Fq::ONE)),
            ] {
                assert_eq!(Fq2::from(ours), theirs);
            }
        }
    }

    /// Coordinates at the ends of the range, so that the sums of six products are as large as they can be.
    #[test]
    fn the_extension_of_degree_twelve_equals_arkworks() {
        let all = elements();
        let mut rng = Compat06(SeededRng::from_u64(2));
        let mut cases: Vec<Fq12> = all
            .iter()
            .map(|e| {
                let c = Fq2::new(*e, *e);
                Fq12::new(Fq6::new(c, c, c), Fq6::new(c, c, c))
            })
            .collect();
        cases.extend((0..6).map(|_| Fq12::rand(&mut rng)));
        for a in &cases {
            let x = Fp12::from(*a);
            assert_eq!(Fq12::from(x.square()), a.square());
            assert_eq!(x.inverse().map(Fq12::from), a.inverse());
            assert_eq!(Fq12::from(x.frobenius(3)), a.frobenius_map(3));
            let mut conjugate = *a;
            conjugate.conjugate_in_place();
            assert_eq!(Fq12::from(x.conjugate()), conjugate);
            for b in &cases {
                assert_eq!(Fq12::from(x * Fp12::from(*b)), a * b);
                let [c0, c3, c4] = [b.c0.c0, b.c1.c0, b.c0.c2];
                let mut line = *a;
                line.mul_by_034(&c0, &c3, &c4);
                assert_eq!(Fq12::from(x.times_line([c0.into(), c3.into(), c4.into()])), line);
                let mut line = *a;
                line.mul_by_034(&Fq2::ONE, &c3, &c4);
                assert_eq!(Fq12::from(x.times_normal_line(c3.into(), c4.into())), line);
            }
            // Into the cyclotomic subgroup, where the fast square holds.
            let Some(inverse) = a.inverse() else { continue };
            let unit = conjugate * inverse;
            let unit = unit.frobenius_map(2) * unit;
            assert_eq!(Fq12::from(Fp12::from(unit).cyclotomic_square()), unit.cyclotomic_square());
            assert_eq!(unit.cyclotomic_square(), unit.square());
        }
    }
}
