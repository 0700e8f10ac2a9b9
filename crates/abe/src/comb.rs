//! Products of many points with secret scalars, side by side.
//!
//! Sealing, granting and the check on opening all need `s B + t H` for many rows at once, with points that are known
//! beforehand and public. Three things make a row some four times cheaper than two multiplications by `blst`:
//!
//! - **Halved scalars** (Gallant, Lambert and Vanstone, CRYPTO 2001). On the subgroup of order r, the curve's endomorphism
//!   psi(x, y) = (beta x, -y) multiplies by z², the square of the curve's parameter, which has half the bits of
//!   r = z⁴ - z² + 1. With s = a + b z² a product is `a P + b psi(P)`.
//! - **Signed combs** (Lim and Lee, CRYPTO '94; all digits odd: Hedabou, Pinel and Bénéteau, ISC 2005). a and b are made odd
//!   without changing the product, and are then sums of `+-2^i` over all 130 places. The places are 10 teeth of 13
//!   columns; a [`Comb`] holds the 16 sums of 5 teeth with one sign fixed, twice.
//! - **Affine sums.** All rows take the same steps, so a step's inversions are one inversion and three products each
//!   (Montgomery's trick), and a sum of two affine points costs 6 products instead of 11.
//!
//! Which steps are taken and which memory is read does not depend on the scalars: each selection reads its whole table.
//! Affine sums fail where both points have the same x. In a table that would be a small relation modulo r, the same for all
//! points, and there is none. In a row it happens for scalars of which one in some 2^250 is an example; then the answer is
//! `None`, and never a wrong point.

use crate::scheme::to_affine;
use blst::{blst_fp, blst_p1_affine};
use blstrs::{G1Affine, G1Projective, Scalar};
use ff::Field;
use group::Group;
use std::hint::black_box;
use std::iter;
use std::sync::OnceLock;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

/// Teeth of one table; of its digits the highest one's sign is taken out.
const TEETH: usize = 5;
/// Tables of a comb.
const TABLES: usize = 2;
/// Places from one tooth to the next.
const COLUMNS: usize = 13;
/// Entries of a table.
const ENTRIES: usize = 1 << (TEETH - 1);
/// Rows that go side by side: enough to share an inversion, few enough for the cache.
const ABREAST: usize = 64;
/// z².
const Z_SQUARED: u128 = 0xd201_0000_0001_0000 * 0xd201_0000_0001_0000;

/// A coordinate: `blstrs`' field of the curve, which has no public name.
trait Coordinate: Field + From<blst_fp> + Into<blst_fp> {}
impl<F: Field + From<blst_fp> + Into<blst_fp>> Coordinate for F {}

/// A point in affine coordinates, never the identity.
#[derive(Clone, Copy)]
struct Point<F> {
    x: F,
    y: F,
}

impl<F: Coordinate> Point<F> {
    fn read(point: &G1Affine) -> Self {
        let raw: &blst_p1_affine = point.as_ref();
        Self { x: raw.x.into(), y: raw.y.into() }
    }

    fn write(self) -> G1Affine {
        let mut point = G1Affine::default();
        *point.as_mut() = blst_p1_affine { x: self.x.into(), y: self.y.into() };
        point
    }

    fn minus(self) -> Self {
        Self { x: self.x, y: -self.y }
    }
}

/// The limbs of both coordinates.
type Entry = [u64; 12];

/// What multiplying a fixed point of the subgroup needs. Public.
#[derive(Clone)]
pub(crate) struct Comb {
    point: G1Affine,
    /// Table t at d: the sum of `+-2^(13 (5 t + j)) P` over the teeth j, + for the highest tooth and where d has bit j.
    tables: [[Entry; ENTRIES]; TABLES],
}

impl Comb {
    /// The point itself.
    pub(crate) const fn point(&self) -> &G1Affine {
        &self.point
    }

    /// The combs of points of the subgroup; `None` for the identity.
    pub(crate) fn of(points: &[G1Affine]) -> Option<Vec<Self>> {
        let mut combs = Vec::with_capacity(points.len());
        for points in points.chunks(ABREAST) {
            combs.extend(build(points, G1Affine::x)?);
        }
        Some(combs)
    }
}

/// `_field` says which type F is.
fn build<F: Coordinate>(points: &[G1Affine], _field: fn(&G1Affine) -> F) -> Option<Vec<Comb>> {
    // For each point the teeth, and each of them doubled.
    let mut powers = Vec::with_capacity(points.len().saturating_mul(2 * TEETH * TABLES));
    for point in points {
        let mut power = G1Projective::from(point);
        for _ in 0..TEETH * TABLES {
            powers.extend([power, power.double()]);
            (0..COLUMNS).for_each(|_| power = power.double());
        }
    }
    let powers: Vec<[Point<F>; 2]> =
        to_affine(&powers).as_chunks::<2>().0.iter().map(|both| both.each_ref().map(Point::read)).collect();
    // All tables of all points grow together: first the entry with all signs but the highest tooth's negative, then
    // entry d + 2^j = entry d + 2 tooth_j.
    let (all_teeth, _) = powers.as_chunks::<TEETH>();
    let mut firsts: Vec<Point<F>> = all_teeth.iter().map(|[.., [highest, _]]| *highest).collect();
    for j in 0..TEETH - 1 {
        let tooth = all_teeth.iter().filter_map(|teeth| teeth.get(j)).map(|[tooth, _]| tooth.minus());
        firsts = sums(firsts.iter().copied().zip(tooth))?;
    }
    let mut tables: Vec<Vec<Point<F>>> = firsts.into_iter().map(|first| vec![first]).collect();
    for j in 0..TEETH - 1 {
        let pairs = tables.iter().zip(all_teeth).flat_map(|(table, teeth)| {
            let twice = teeth.get(j).map(|[_, twice]| *twice);
            table.iter().copied().zip(iter::repeat(twice)).filter_map(|(entry, twice)| Some((entry, twice?)))
        });
        let grown = sums(pairs)?;
        tables.iter_mut().zip(grown.chunks(1 << j)).for_each(|(table, more)| table.extend_from_slice(more));
    }
    let tables: Vec<[Entry; ENTRIES]> = tables
        .iter()
        .map(|table| {
            let mut entries = [[0; 12]; ENTRIES];
            for (entry, point) in entries.iter_mut().zip(table) {
                let (x, y): (blst_fp, blst_fp) = (point.x.into(), point.y.into());
                entry.iter_mut().zip(x.l.into_iter().chain(y.l)).for_each(|(to, from)| *to = from);
            }
            entries
        })
        .collect();
    let combs = points.iter().zip(tables.as_chunks::<TABLES>().0);
    Some(combs.map(|(point, tables)| Comb { point: *point, tables: *tables }).collect())
}

/// A scalar as the digits of combs: for both halves, tables and columns, one bit for each tooth, set for `+`.
pub(crate) struct Digits(Zeroizing<[[[u8; COLUMNS]; TABLES]; 2]>);

impl Digits {
    pub(crate) fn new(scalar: &Scalar) -> Self {
        let (a, b) = odd_halves(scalar);
        let mut digits = Zeroizing::new([[[0; COLUMNS]; TABLES]; 2]);
        for (half, tables) in [a, b].iter().zip(digits.iter_mut()) {
            for (table, columns) in (0..).zip(tables.iter_mut()) {
                for (column, digit) in (0..).zip(columns.iter_mut()) {
                    for tooth in 0..5_u32 {
                        let place = (table * 5 + tooth) * 13 + column;
                        let bit = if place < 128 {
                            half.low >> place & 1
                        } else {
                            u128::from(half.high) >> (place - 128) & 1
                        };
                        *digit |= u8::from(bit == 1) << tooth;
                    }
                }
            }
        }
        Self(digits)
    }
}

/// An odd number of at most 130 bits and a sign, as the 130 bits `(number + 2^130 - 1) / 2`: bit i is set for `+2^i`.
struct Half {
    low: u128,
    /// Bits 128 and 129.
    high: u8,
}

/// Odd a and b with s = a + b z² modulo r.
///
/// By division s = q z² + a. Adding `v` times the relation `1 + (z² - 1) z² = r` and `u` times the relation `z² - z² = 0` gives
/// a + v + u z² and q + v (z² - 1) - u, and as z² is even, v = (a is even) makes the first odd and then u the second. Neither
/// exceeds 2 z²; the second is -1 where q = v = 0.
fn odd_halves(scalar: &Scalar) -> (Half, Half) {
    let bytes = Zeroizing::new(scalar.to_bytes_be());
    let (mut q, mut a) = (0_u128, 0_u128);
    for byte in bytes.iter() {
        for place in (0..8).rev() {
            let over = a >> 127;
            a = a << 1 | u128::from(byte >> place & 1);
            let (less, borrow) = a.overflowing_sub(Z_SQUARED);
            let take = (over | u128::from(!borrow)).wrapping_neg();
            a = less & take | a & !take;
            q = q << 1 | take & 1;
        }
    }
    let (v, q_is_odd) = (!a & 1, q & 1);
    // Odd after v, which adds an odd number to q.
    let u = !(q_is_odd ^ v) & 1;
    let (v_mask, u_mask) = (v.wrapping_neg(), u.wrapping_neg());
    // (number - 1) / 2 of either; 2^129 is the rest, or one less for -1.
    let first = (a >> 1).wrapping_add(u_mask & (Z_SQUARED / 2));
    let (rest, negative) = (q >> 1).overflowing_sub(u_mask & !v_mask & 1);
    let second = rest.wrapping_add(v_mask & (Z_SQUARED / 2 - 1));
    (Half { low: first, high: 2 }, Half { low: second, high: 2 - u8::from(negative) })
}

/// For each row the sum of its points times their scalars. `N` is 1 or 2. `None` if an intermediate point has no affine form.
pub(crate) fn products<const N: usize>(rows: &[[(&Comb, &Digits); N]]) -> Option<Vec<G1Affine>> {
    let mut results = Vec::with_capacity(rows.len());
    for rows in rows.chunks(ABREAST) {
        results.extend(products_abreast(rows, G1Affine::x)?);
    }
    Some(results)
}

fn products_abreast<F: Coordinate, const N: usize>(
    rows: &[[(&Comb, &Digits); N]],
    _field: fn(&G1Affine) -> F,
) -> Option<Vec<G1Affine>> {
    let beta = beta::<F>();
    // In this order: column, row, half, and the tables that are added.
    let mut points = Vec::with_capacity(rows.len().saturating_mul(COLUMNS * 2 * TABLES * N));
    for column in 0..COLUMNS {
        for row in rows {
            for half in 0..2 {
                for (comb, digits) in row {
                    let tables = digits.0.get(half).into_iter().flatten().zip(&comb.tables);
                    points
                        .extend(tables.filter_map(|(columns, table)| Some(select::<F>(table, *columns.get(column)?))));
                }
            }
        }
    }
    // Halves of rows, one point each.
    let halves = rows.len().saturating_mul(COLUMNS * 2);
    while points.len() > halves {
        points = sums(points.as_chunks::<2>().0.iter().map(|[a, b]| (*a, *b)))?;
    }
    let points = sums(points.as_chunks::<2>().0.iter().map(|[a, b]| (*a, Point { x: b.x * beta, y: -b.y })))?;
    let mut columns = points.chunks_exact(rows.len().max(1)).rev();
    let mut totals = columns.next()?.to_vec();
    for column in columns {
        totals = doubles(&totals)?;
        totals = sums(totals.into_iter().zip(column.iter().copied()))?;
    }
    Some(totals.into_iter().map(Point::write).collect())
}

/// The point of a table for a digit. Reads every entry.
fn select<F: Coordinate>(table: &[Entry; ENTRIES], digit: u8) -> Point<F> {
    // Where the highest sign is -, all signs are turned, and then the point.
    let negative = Choice::from(!digit >> (TEETH - 1) & 1);
    let index = u8::conditional_select(&digit, &!digit, negative) & 0x0f;
    let mut found = [0; 12];
    for (entry, number) in table.iter().zip(0_u8..) {
        // All ones where they are equal.
        let mask = black_box(u64::from(index ^ number).wrapping_sub(1) >> 63).wrapping_neg();
        found.iter_mut().zip(entry).for_each(|(to, from)| *to |= from & mask);
    }
    let [x0, x1, x2, x3, x4, x5, y0, y1, y2, y3, y4, y5] = found;
    let y = F::from(blst_fp { l: [y0, y1, y2, y3, y4, y5] });
    Point { x: blst_fp { l: [x0, x1, x2, x3, x4, x5] }.into(), y: F::conditional_select(&y, &-y, negative) }
}

/// beta, from what psi does to the generator.
fn beta<F: Coordinate>() -> F {
    static BETA: OnceLock<[u64; 6]> = OnceLock::new();
    let limbs = BETA.get_or_init(|| {
        let mut z_squared = [0; 32];
        z_squared.iter_mut().zip(Z_SQUARED.to_le_bytes()).for_each(|(to, from)| *to = from);
        let z_squared = Option::from(Scalar::from_bytes_le(&z_squared)).unwrap_or(Scalar::ZERO);
        let (from, to) = (G1Projective::generator(), G1Projective::generator() * z_squared);
        let x = |point: G1Projective| Point::<F>::read(&point.into()).x;
        // The generator's x is not zero.
        let beta: blst_fp = (x(to) * x(from).invert().unwrap_or(F::ZERO)).into();
        beta.l
    });
    blst_fp { l: *limbs }.into()
}

/// The sum of each pair. `None` if two have the same x.
fn sums<F: Field>(pairs: impl Iterator<Item = (Point<F>, Point<F>)> + Clone) -> Option<Vec<Point<F>>> {
    let inverses = inverses(pairs.clone().map(|(a, b)| b.x - a.x).collect())?;
    let sum = |((a, b), inverse): ((Point<F>, Point<F>), F)| {
        let slope = (b.y - a.y) * inverse;
        let x = slope.square() - a.x - b.x;
        Point { x, y: slope * (a.x - x) - a.y }
    };
    Some(pairs.zip(inverses).map(sum).collect())
}

/// Each point twice.
fn doubles<F: Field>(points: &[Point<F>]) -> Option<Vec<Point<F>>> {
    let inverses = inverses(points.iter().map(|p| p.y.double()).collect())?;
    let double = |(p, inverse): (&Point<F>, F)| {
        let square = p.x.square();
        let slope = (square.double() + square) * inverse;
        let x = slope.square() - p.x.double();
        Point { x, y: slope * (p.x - x) - p.y }
    };
    Some(points.iter().zip(inverses).map(double).collect())
}

/// The inverses of all values, by one inversion. `None` if one is zero.
fn inverses<F: Field>(mut values: Vec<F>) -> Option<Vec<F>> {
    let mut product = F::ONE;
    let before: Vec<F> = values
        .iter()
        .map(|value| {
            let so_far = product;
            product *= value;
            so_far
        })
        .collect();
    let mut inverse: F = Option::from(product.invert())?;
    for (value, before) in values.iter_mut().zip(before).rev() {
        let own = inverse * before;
        inverse *= *value;
        *value = own;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::hash;

    fn points(count: u8) -> Vec<G1Affine> {
        (0..count).map(|i| hash(&[i; 32], b"point").into()).collect()
    }

    /// Edges of the field, of z² and of both halves' parities, and random ones.
    fn scalars() -> Vec<Scalar> {
        let wide = |n: u128| {
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&n.to_le_bytes());
            Scalar::from_bytes_le(&bytes).unwrap()
        };
        let z = wide(Z_SQUARED);
        let small = [1, 2, 3, 4, 5, 16, Z_SQUARED - 2, Z_SQUARED - 1].map(wide);
        let mut all: Vec<_> = small.to_vec();
        all.extend(small.iter().flat_map(|s| [z * s, z * s + s, z * s + Scalar::ONE, -s, -(z * s)]));
        let mut rng = mediveil_rng::SeededRng::from_u64(1);
        all.retain(|s| !bool::from(s.is_zero()));
        all.extend((0..80).map(|_| crate::kem::random_scalar(&mut rng)));
        all
    }

    #[test]
    fn halves_are_odd_and_sum_to_the_scalar() {
        let z = Scalar::from(0xd201_0000_0001_0000);
        let value = |half: &Half| {
            let digits =
                (0..130).map(|i| if i < 128 { half.low >> i & 1 == 1 } else { half.high >> (i - 128) & 1 == 1 });
            let (sum, _) = digits.fold((Scalar::ZERO, Scalar::ONE), |(sum, power), plus| {
                (if plus { sum + power } else { sum - power }, power.double())
            });
            sum
        };
        for s in scalars().into_iter().chain([Scalar::ZERO]) {
            let (a, b) = odd_halves(&s);
            assert_eq!(value(&a) + value(&b) * z * z, s);
        }
    }

    #[test]
    fn products_are_those_of_blstrs() {
        let scalars = scalars();
        let points = points(7);
        let combs = Comb::of(&points).unwrap();
        let digits: Vec<_> = scalars.iter().map(Digits::new).collect();
        // Sums of two, in every length of batch.
        let other = |i: usize| (5 * i + 2) % scalars.len();
        let power = |i: usize| points[i % 7] * scalars[i];
        for count in [0, 1, 2, ABREAST, scalars.len()] {
            let rows: Vec<_> =
                (0..count).map(|i| [(&combs[i % 7], &digits[i]), (&combs[(i + 1) % 7], &digits[other(i)])]).collect();
            let expected =
                (0..count).map(|i| G1Affine::from(power(i) + points[(i + 1) % 7] * scalars[other(i)])).collect();
            assert_eq!(products(&rows), Some(expected), "{count}");
        }
        // Single products. Some scalars of a few bits meet a point twice on the way, and then there is no answer.
        let (mut found, mut none) = (0, 0);
        for i in 0..scalars.len() {
            match products(&[[(&combs[i % 7], &digits[i])]]) {
                Some(product) => assert_eq!(product, [G1Affine::from(power(i))]),
                None => none += 1,
            }
            found = i + 1 - none;
        }
        assert!(found >= 80 && none <= 8, "{found} found, {none} not");
    }

    /// A product that is the identity has no affine form.
    #[test]
    fn the_identity_is_no_product() {
        let comb = &Comb::of(&points(1)).unwrap()[0];
        let (one, minus, zero) = (Digits::new(&Scalar::ONE), Digits::new(&-Scalar::ONE), Digits::new(&Scalar::ZERO));
        assert_eq!(products(&[[(comb, &zero)]]), None);
        assert_eq!(products(&[[(comb, &one), (comb, &minus)]]), None);
    }

    /// Nor has it a comb, among other points or alone.
    #[test]
    fn the_identity_has_no_comb() {
        let others = points(2);
        assert!(Comb::of(&[G1Affine::default()]).is_none());
        let mixed = [G1Projective::from(others[0]), G1Projective::identity(), G1Projective::from(others[1])];
        assert_eq!(to_affine(&mixed), [others[0], G1Affine::default(), others[1]]);
        assert!(Comb::of(&to_affine(&mixed)).is_none());
    }

    #[test]
    fn combs_hold_the_sums_of_their_teeth() {
        let point = points(1)[0];
        let comb = &Comb::of(&[point]).unwrap()[0];
        assert_eq!(*comb.point(), point);
        for (t, table) in comb.tables.iter().enumerate() {
            for (d, entry) in table.iter().enumerate() {
                let tooth = |j: usize| Scalar::from(2).pow_vartime([(COLUMNS * (TEETH * t + j)) as u64]);
                let signs = (0..TEETH).map(|j| if j == TEETH - 1 || d >> j & 1 == 1 { tooth(j) } else { -tooth(j) });
                let expected = G1Affine::from(point * signs.sum::<Scalar>());
                let raw: &blst_p1_affine = expected.as_ref();
                assert_eq!(entry[..6], raw.x.l);
                assert_eq!(entry[6..], raw.y.l);
            }
        }
    }
}
