//! The sum of a key's points times the public inputs, from tables that are made when the key is read.
//!
//! A scalar has 51 signed digits of five bits. For each digit's place the table of its point holds the first 16 multiples, so
//! a sum is additions alone, at most 51 an input, and none for the zeros of a small number. A table takes 52 KB.

use super::Fraction;
use super::field::Fp;
use crate::msm::add_pairs;
use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr as _, CurveGroup as _};
use ark_ff::{AdditiveGroup as _, PrimeField as _};

/// Bits of a digit.
const WIDTH: usize = 5;
/// Places: 51 times 5 bits hold a scalar of 254 and the carry.
const PLACES: usize = 51;
/// The largest digit.
const HALF: usize = 1 << (WIDTH - 1);

/// Tables of a key's points.
#[derive(Clone, Debug)]
pub(crate) struct InputSum {
    constant: Sum,
    /// For each input, [`HALF`] multiples for each place; none where the point is infinity.
    tables: Vec<Vec<[Fp; 2]>>,
}

impl InputSum {
    /// The tables for a constant point, then one for each input.
    pub(crate) fn of(points: &[G1Affine]) -> Self {
        let constant = points.first().and_then(coordinates).map_or(Sum::INFINITY, Sum::point);
        Self { constant, tables: points.iter().skip(1).map(table).collect() }
    }

    /// The sum of the constant and the inputs times their points; `None` for infinity.
    pub(crate) fn at(&self, inputs: &[Fr]) -> Option<Fraction> {
        let mut sum = self.constant;
        for (table, input) in self.tables.iter().zip(inputs) {
            for (multiples, digit) in table.chunks_exact(HALF).zip(digits(input)) {
                let size = usize::from(digit.unsigned_abs());
                if let Some([x, y]) = size.checked_sub(1).and_then(|at| multiples.get(at)) {
                    sum.add([*x, if digit < 0 { -*y } else { *y }]);
                }
            }
        }
        sum.fraction()
    }
}

/// The multiples of a point: those of one size for all places at once, which share an inversion.
fn table(point: &G1Affine) -> Vec<[Fp; 2]> {
    if point.is_zero() {
        return Vec::new();
    }
    let mut place = G1Projective::from(*point);
    let mut places = Vec::with_capacity(PLACES);
    for _ in 0..PLACES {
        places.push(place);
        for _ in 0..WIDTH {
            place.double_in_place();
        }
    }
    let places = G1Projective::normalize_batch(&places);
    let mut multiples = vec![places.clone()];
    for _ in 1..HALF {
        let last = multiples.last().map_or(&[][..], Vec::as_slice);
        let pairs: Vec<[G1Affine; 2]> = last.iter().zip(&places).map(|(a, b)| [*a, *b]).collect();
        multiples.push(add_pairs(&pairs));
    }
    (0..PLACES).flat_map(|place| multiples.iter().filter_map(move |all| all.get(place).and_then(coordinates))).collect()
}

fn coordinates(point: &G1Affine) -> Option<[Fp; 2]> {
    point.xy().map(|(x, y)| [x.into(), y.into()])
}

/// Digits from -16 to 16, from the lowest.
fn digits(scalar: &Fr) -> impl Iterator<Item = i8> {
    let [mut a, mut b, mut c, mut d] = scalar.into_bigint().0;
    let mut carry = 0_u64;
    (0..PLACES).map(move |_| {
        let raw = (a & ((1 << WIDTH) - 1)).wrapping_add(carry);
        let up = |low: u64, high: u64| low >> WIDTH | high << (64 - WIDTH);
        (a, b, c, d) = (up(a, b), up(b, c), up(c, d), d >> WIDTH);
        carry = u64::from(raw > 1 << (WIDTH - 1));
        let digit = i8::try_from(raw).unwrap_or(0);
        if carry == 1 { digit.wrapping_sub(1 << WIDTH) } else { digit }
    })
}

/// A sum of points: x = `x` / `zz`, y = `y` / `zzz` with zz^3 = zzz^2, and zz = 0 at infinity.
#[derive(Clone, Copy, Debug)]
struct Sum {
    x: Fp,
    y: Fp,
    zz: Fp,
    zzz: Fp,
}

impl Sum {
    const INFINITY: Self = Self { x: Fp::ZERO, y: Fp::ZERO, zz: Fp::ZERO, zzz: Fp::ZERO };

    const fn point([x, y]: [Fp; 2]) -> Self {
        Self { x, y, zz: Fp::ONE, zzz: Fp::ONE }
    }

    /// madd-2008-s and, for the same point twice, mdbl-2008-s-1 of the Explicit-Formulas Database.
    fn add(&mut self, [x, y]: [Fp; 2]) {
        if self.zz.is_zero() {
            *self = Self::point([x, y]);
            return;
        }
        let p = x * self.zz - self.x;
        let r = y * self.zzz - self.y;
        if p.is_zero() {
            *self = if r.is_zero() { Self::twice([x, y]) } else { Self::INFINITY };
            return;
        }
        let pp = p * p;
        let ppp = p * pp;
        let q = self.x * pp;
        let sum = r * r - ppp - q.double();
        self.y = r * (q - sum) - self.y * ppp;
        self.x = sum;
        self.zz = self.zz * pp;
        self.zzz = self.zzz * ppp;
    }

    fn twice([x, y]: [Fp; 2]) -> Self {
        let u = y.double();
        let v = u * u;
        let w = u * v;
        let s = x * v;
        let square = x * x;
        let m = square.double() + square;
        let double = m * m - s.double();
        Self { x: double, y: m * (s - double) - w * y, zz: v, zzz: w }
    }

    /// x/y = x zzz / (y zz) and 1/y = zzz zz / (y zz).
    fn fraction(&self) -> Option<Fraction> {
        let Self { x, y, zz, zzz } = *self;
        (!zz.is_zero()).then(|| Fraction { x: x * zzz, y: y * zz, z: zzz * zz })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ec::PrimeGroup as _;
    use ark_ff::{One as _, UniformRand as _, Zero as _};
    use mediveil_rng::{Compat06, SeededRng};

    fn equals(points: &[G1Affine], inputs: &[Fr]) {
        let sum =
            points.iter().zip(std::iter::once(&Fr::one()).chain(inputs)).map(|(p, s)| *p * s).sum::<G1Projective>();
        let found = InputSum::of(points).at(inputs);
        let Some((x, y)) = sum.into_affine().xy() else {
            assert!(found.is_none());
            return;
        };
        let found = found.map(|f| (ark_bn254::Fq::from(f.x), ark_bn254::Fq::from(f.y), ark_bn254::Fq::from(f.z)));
        assert!(found.is_some_and(|(fx, fy, fz)| fx * y == fy * x && fz * y == fy), "{inputs:?}");
    }

    #[test]
    fn sums_equal_arkworks_with_inputs_at_the_ends_of_every_digit() {
        let mut rng = Compat06(SeededRng::from_u64(1));
        let mut scalars = vec![Fr::zero(), Fr::one(), -Fr::one(), -Fr::from(2), Fr::from(u128::MAX)];
        for digit in [15_u64, 16, 17, 31, 32, 33] {
            // The digit in every place, and alone in some.
            scalars.push((0..50).fold(Fr::zero(), |sum, _| sum * Fr::from(32) + Fr::from(digit)));
            scalars.extend([1_u32, 12, 24].map(|place| (0..place).fold(Fr::from(digit), |sum, _| sum * Fr::from(32))));
        }
        scalars.extend((0..10).map(|_| Fr::rand(&mut rng)));
        let points: Vec<G1Affine> = (0..4).map(|_| G1Affine::rand(&mut rng)).collect();
        for inputs in scalars.windows(3) {
            equals(&points, inputs);
        }
    }

    #[test]
    fn doublings_cancellations_and_infinity_are_no_exception() {
        let g = G1Projective::generator();
        let point = |n: i64| (g * Fr::from(n)).into_affine();
        let scalars = |all: &[i64]| all.iter().map(|n| Fr::from(*n)).collect::<Vec<_>>();
        for (points, inputs) in [
            ([1, 1, 1], [1, 1]),
            ([1, 1, 1], [-1, 0]),
            ([2, 1, 1], [1, 1]),
            ([-3, 1, 2], [1, 1]),
            ([0, 1, 1], [5, 5]),
            ([0, 0, 1], [5, 0]),
            ([1, 0, 0], [5, 7]),
            ([16, 1, 2], [16, 32]),
            ([0, 1, -1], [32, 32]),
            ([32, 1, 5], [-32, 9]),
        ] {
            equals(&points.map(point), &scalars(&inputs));
        }
    }
}
