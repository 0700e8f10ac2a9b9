//! Sums of products of scalars and points: what a proof consists of, and nearly all of its cost.
//!
//! Pippenger's method with signed digits. The points of a window are sorted by bucket, and each bucket is added up as a
//! tree in affine coordinates, all additions of one level sharing one inversion (batched affine addition, as in section
//! 5.3 of Botrel and El Housni, "Faster Montgomery multiplication and Multi-Scalar-Multiplication for SNARKs", 2022/1400).
//! Sorted levels have no conflicts to resolve, and their inversions are few. The weighted sum of a window's buckets is
//! brought down to two sums of the square root of as many, by rows and columns, with the same additions.
//!
//! Time depends on the scalars: proving happens on the holder's own machine. Copies of scalars are wiped.

use ark_bn254::g1::Config as G1Config;
use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::AffineRepr as _;
use ark_ec::scalar_mul::glv::GLVConfig as _;
use ark_ec::short_weierstrass::{Affine, Bucket, Projective, SWCurveConfig};
use ark_ff::biginteger::arithmetic::find_naf;
use ark_ff::{AdditiveGroup as _, BigInt, Field as _, One as _, PrimeField, Zero as _};
use rayon::prelude::*;
use zeroize::Zeroizing;

/// Points that one task works on: below the second-level cache, and enough to make an inversion's share small.
const TASK_POINTS: usize = 12_288;
/// Pairs below which an inversion costs more than it saves.
const FEW_PAIRS: usize = 16;

/// The sum of scalar times point. Points and scalars beyond the shorter list are left out.
pub(crate) fn msm<P: SWCurveConfig<ScalarField: PrimeField<BigInt = BigInt<4>>>>(
    points: &[Affine<P>],
    scalars: &[P::ScalarField],
) -> Projective<P> {
    msm_bits(points, scalars, 254)
}

/// [`msm`] for scalars below 2^`bits`, at most 254.
pub(crate) fn msm_bits<P: SWCurveConfig<ScalarField: PrimeField<BigInt = BigInt<4>>>>(
    points: &[Affine<P>],
    scalars: &[P::ScalarField],
    bits: usize,
) -> Projective<P> {
    let plan = Plan::for_size(points.len().min(scalars.len()), bits);
    let shifted: Zeroizing<Vec<[u64; 4]>> =
        Zeroizing::new(scalars.par_iter().with_min_len(256).map(|s| plan.shifted(s.into_bigint())).collect());
    let windows: Vec<usize> = (0..plan.windows).collect();
    let sums: Vec<Vec<Projective<P>>> =
        windows.par_chunks(plan.windows_a_task).map(|windows| plan.sum_windows(points, &shifted, windows)).collect();
    sums.iter().flatten().rev().fold(Projective::zero(), |mut total, sum| {
        for _ in 0..plan.width {
            total.double_in_place();
        }
        total + sum
    })
}

/// The sum of scalar times point for a few points, as many as a statement has public inputs: one chain of doublings for
/// all. Each scalar is k + l lambda with halves of 127 bits in non-adjacent form (Gallant, Lambert and Vanstone, CRYPTO 2001).
pub(crate) fn msm_few(points: &[G1Affine], scalars: &[Fr]) -> G1Projective {
    let signed = |p: G1Affine, positive: bool| if positive { p } else { -p };
    let terms: Vec<(G1Affine, Vec<i8>)> = points
        .iter()
        .zip(scalars)
        .flat_map(|(p, scalar)| {
            let ((k_positive, k), (l_positive, l)) = G1Config::scalar_decomposition(*scalar);
            let lambda_p = G1Config::endomorphism_affine(p);
            [(signed(*p, k_positive), k), (signed(lambda_p, l_positive), l)]
        })
        .map(|(p, half)| (p, find_naf(&half.into_bigint().0)))
        .collect();
    let bits = terms.iter().map(|(_, digits)| digits.len()).max().unwrap_or(0);
    (0..bits).rev().fold(G1Projective::zero(), |mut sum, bit| {
        sum.double_in_place();
        for (p, digits) in &terms {
            match digits.get(bit) {
                Some(1) => sum += p,
                Some(-1) => sum -= p,
                _ => {}
            }
        }
        sum
    })
}

/// How the scalars are cut.
struct Plan {
    /// Bits of a digit.
    width: usize,
    windows: usize,
    windows_a_task: usize,
    /// 2^(width - 1) in every digit but the last: digits of scalar plus this, less 2^(width - 1), are signed digits.
    shift: [u64; 4],
}

impl Plan {
    fn for_size(size: usize, bits: usize) -> Self {
        // In multiplications of the field: 6 an addition in a bucket; 13 a bucket for the weighted sum.
        let cost = |width: usize| {
            let buckets = 1_usize << width.saturating_sub(1);
            let window = size.saturating_mul(6).saturating_add(buckets.saturating_mul(13)).saturating_add(1_000);
            windows(bits, width).saturating_mul(window)
        };
        let width = (3..=16).min_by_key(|width| cost(*width)).unwrap_or(8);
        let windows = windows(bits, width);
        let mut shift = [0_u64; 4];
        for window in 0..windows.saturating_sub(1) {
            let bit = window.saturating_mul(width).saturating_add(width).saturating_sub(1);
            if let Some(limb) = shift.get_mut(bit / 64) {
                *limb |= 1 << (bit % 64);
            }
        }
        let load = size.saturating_add(2 << width);
        Self { width, windows, windows_a_task: (TASK_POINTS / load).clamp(1, 4), shift }
    }

    fn shifted(&self, scalar: BigInt<4>) -> [u64; 4] {
        let mut carry = false;
        let mut out = scalar.0;
        for (limb, shift) in out.iter_mut().zip(self.shift) {
            (*limb, carry) = limb.carrying_add(shift, carry);
        }
        out
    }

    /// The digit in a window: magnitude up to 2^(width - 1), and whether it is negative.
    fn digit(&self, shifted: &[u64; 4], window: usize) -> (usize, bool) {
        let at = window.saturating_mul(self.width);
        let (limb, offset) = (at / 64, at % 64);
        let low = shifted.get(limb).map_or(0, |l| l >> offset);
        let high = shifted.get(limb.saturating_add(1)).map_or(0, |l| (l << 1) << (63 - offset));
        let mask = (1_u64 << self.width).wrapping_sub(1);
        let raw = usize::try_from((low | high) & mask).unwrap_or(0);
        let half = 1_usize << self.width.saturating_sub(1);
        if window.saturating_add(1) == self.windows {
            (raw, false)
        } else if raw >= half {
            (raw.wrapping_sub(half), false)
        } else {
            (half.wrapping_sub(raw), true)
        }
    }

    /// The sums of some windows.
    fn sum_windows<P: SWCurveConfig>(
        &self,
        points: &[Affine<P>],
        shifted: &[[u64; 4]],
        windows: &[usize],
    ) -> Vec<Projective<P>> {
        let half = 1_usize << self.width.saturating_sub(1);
        let mut sorted: Vec<Affine<P>> = Vec::new();
        let mut lengths: Vec<usize> = Vec::with_capacity(windows.len().saturating_mul(half));
        let mut digits: Zeroizing<Vec<u32>> = Zeroizing::new(Vec::with_capacity(points.len()));
        for window in windows {
            // Count, then place: a counting sort by bucket. A digit is kept as bucket and sign.
            digits.clear();
            let mut counts = vec![0_usize; half.saturating_add(1)];
            for (point, scalar) in points.iter().zip(shifted) {
                let (size, negative) = self.digit(scalar, *window);
                let size = if point.is_zero() { 0 } else { size };
                if let Some(count) = counts.get_mut(size) {
                    *count = count.wrapping_add(1);
                }
                digits.push(u32::try_from(size << 1).unwrap_or(0) | u32::from(negative));
            }
            let counts = counts.split_first().map_or(&[][..], |(_, counts)| counts);
            let mut next = sorted.len();
            let mut places: Vec<usize> = counts
                .iter()
                .map(|count| {
                    let place = next;
                    next = next.wrapping_add(*count);
                    place
                })
                .collect();
            sorted.resize(next, Affine::identity());
            for (point, digit) in points.iter().zip(digits.iter()) {
                let Some(bucket) = (*digit as usize >> 1).checked_sub(1) else { continue };
                if let Some(place) = places.get_mut(bucket) {
                    if let Some(to) = sorted.get_mut(*place) {
                        *to = if digit & 1 == 1 { -*point } else { *point };
                    }
                    *place = place.wrapping_add(1);
                }
            }
            lengths.extend_from_slice(counts);
        }
        let buckets = sum_runs(sorted, lengths);
        self.weigh(&buckets)
    }

    /// For each window, the sum of (i + 1) times bucket i: with i = h side + l it is side times the sum of h times row h,
    /// plus the sum of (l + 1) times column l.
    fn weigh<P: SWCurveConfig>(&self, buckets: &[Affine<P>]) -> Vec<Projective<P>> {
        let half = 1_usize << self.width.saturating_sub(1);
        let side_bits = self.width / 2;
        let side = 1_usize << side_bits;
        let rows = half / side;
        let (mut terms, mut lengths) = (Vec::with_capacity(buckets.len().saturating_mul(2)), Vec::new());
        for window in buckets.chunks(half) {
            terms.extend_from_slice(window);
            lengths.extend(std::iter::repeat_n(side, rows));
            for column in 0..side {
                terms.extend(window.iter().skip(column).step_by(side));
                lengths.push(rows);
            }
        }
        let sums = sum_runs(terms, lengths);
        let weighted = |run: &[Affine<P>]| {
            // The sum of (i + 1) times the i-th.
            let mut running = Bucket::<P>::ZERO;
            let mut total = Projective::<P>::zero();
            for point in run.iter().rev() {
                running += point;
                total += &running;
            }
            total
        };
        sums.chunks(rows.saturating_add(side))
            .map(|window| {
                let (by_row, by_column) = window.split_at_checked(rows).unwrap_or((&[], &[]));
                let mut total = weighted(by_row.get(1..).unwrap_or(&[]));
                for _ in 0..side_bits {
                    total.double_in_place();
                }
                total + weighted(by_column)
            })
            .collect()
    }
}

/// Windows of `width` bits for scalars of `bits`: one bit more, so that the last digit takes its carry.
fn windows(bits: usize, width: usize) -> usize {
    bits.saturating_add(1).div_ceil(width)
}

/// The sum of each run of points, the runs standing one after another.
fn sum_runs<P: SWCurveConfig>(mut points: Vec<Affine<P>>, mut lengths: Vec<usize>) -> Vec<Affine<P>> {
    let mut denominators: Vec<P::BaseField> = Vec::with_capacity(points.len() / 2);
    let mut next: Vec<Affine<P>> = Vec::with_capacity(points.len().div_ceil(2).saturating_add(lengths.len() / 2));
    loop {
        denominators.clear();
        let mut rest = points.as_slice();
        for length in &lengths {
            let (run, tail) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            denominators.extend(run.as_chunks().0.iter().map(denominator::<P>));
            rest = tail;
        }
        if denominators.len() < FEW_PAIRS {
            return finish(&points, &lengths);
        }
        invert_all(&mut denominators);
        let mut inverses = denominators.iter();
        let mut rest = points.as_slice();
        next.clear();
        for length in &mut lengths {
            let (run, tail) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            let (pairs, single) = run.as_chunks();
            next.extend(pairs.iter().zip(&mut inverses).map(|(pair, inverse)| add(pair, inverse)));
            next.extend_from_slice(single);
            *length = length.div_ceil(2);
            rest = tail;
        }
        std::mem::swap(&mut points, &mut next);
    }
}

/// The last few additions, and infinity for empty runs.
fn finish<P: SWCurveConfig>(points: &[Affine<P>], lengths: &[usize]) -> Vec<Affine<P>> {
    let mut rest = points;
    let sums: Vec<Affine<P>> = lengths
        .iter()
        .map(|length| {
            let (run, tail) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            rest = tail;
            match run {
                [] => Affine::identity(),
                [one] => *one,
                more => {
                    let mut sum = Bucket::<P>::ZERO;
                    more.iter().for_each(|point| sum += point);
                    Projective::from(sum).into()
                }
            }
        })
        .collect();
    sums
}

/// The sums of pairs, with one inversion for all.
pub(crate) fn add_pairs<P: SWCurveConfig>(pairs: &[[Affine<P>; 2]]) -> Vec<Affine<P>> {
    let mut inverses: Vec<P::BaseField> = pairs.iter().map(denominator::<P>).collect();
    invert_all(&mut inverses);
    pairs.iter().zip(&inverses).map(|(pair, inverse)| add(pair, inverse)).collect()
}

/// What the slope of this addition is divided by; one where there is none.
fn denominator<P: SWCurveConfig>([p, q]: &[Affine<P>; 2]) -> P::BaseField {
    let difference = q.x - p.x;
    // Infinity has an abscissa of zero here; whatever stands in its place must be invertible only.
    if !difference.is_zero() {
        difference
    } else if p.y == q.y && !p.y.is_zero() {
        p.y.double()
    } else {
        P::BaseField::one()
    }
}

/// The sum, with the inverse of its [`denominator`].
fn add<P: SWCurveConfig>([p, q]: &[Affine<P>; 2], inverse: &P::BaseField) -> Affine<P> {
    if p.is_zero() {
        return *q;
    }
    if q.is_zero() {
        return *p;
    }
    let rise = if p.x != q.x {
        q.y - p.y
    } else if p.y == q.y && !p.y.is_zero() {
        let square = p.x.square();
        square.double() + square + P::COEFF_A
    } else {
        return Affine::identity();
    };
    let slope = rise * inverse;
    let x = slope.square() - p.x - q.x;
    Affine::new_unchecked(x, slope * (p.x - x) - p.y)
}

/// Montgomery's trick: one inversion for all. None may be zero.
fn invert_all<F: ark_ff::Field>(values: &mut [F]) {
    let mut product = F::one();
    let before: Vec<F> = values
        .iter()
        .map(|value| {
            let before = product;
            product *= value;
            before
        })
        .collect();
    let mut inverse = product.inverse().unwrap_or_default();
    for (value, before) in values.iter_mut().zip(&before).rev() {
        let own = inverse * before;
        inverse *= *value;
        *value = own;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use ark_bn254::{G2Affine, G2Projective};
    use ark_ec::{CurveGroup as _, PrimeGroup as _, VariableBaseMSM as _};
    use ark_ff::UniformRand as _;
    use mediveil_rng::{Compat06, SeededRng};

    fn scalars(n: usize, rng: &mut Compat06<SeededRng>) -> Vec<Fr> {
        (0..n)
            .map(|i| match i % 8 {
                0 => Fr::zero(),
                1 => Fr::one(),
                2 => -Fr::one(),
                3 => Fr::from(u64::MAX),
                _ => Fr::rand(rng),
            })
            .collect()
    }

    #[test]
    fn equals_arkworks_at_every_width() {
        let mut rng = Compat06(SeededRng::from_u64(1));
        for n in [0, 1, 2, 3, 17, 33, 100, 300, 1_000, 3_000] {
            let points: Vec<G1Affine> = (0..n).map(|_| G1Projective::rand(&mut rng).into_affine()).collect();
            let scalars = scalars(n, &mut rng);
            assert_eq!(msm(&points, &scalars), G1Projective::msm(&points, &scalars).unwrap(), "{n}");
            assert_eq!(msm_few(&points, &scalars), msm(&points, &scalars), "{n}");
        }
        let points: Vec<G2Affine> = (0..200).map(|_| G2Projective::rand(&mut rng).into_affine()).collect();
        let scalars = scalars(200, &mut rng);
        assert_eq!(msm(&points, &scalars), G2Projective::msm(&points, &scalars).unwrap());
        let weights: Vec<Fr> = (0..200_u64).map(|i| Fr::from(u128::MAX - u128::from(i))).collect();
        assert_eq!(msm_bits(&points, &weights, 128), G2Projective::msm(&points, &weights).unwrap());
        assert_eq!(msm(&points[..150], &weights), G2Projective::msm(&points[..150], &weights[..150]).unwrap());
    }

    #[test]
    fn doublings_cancellations_and_infinity_are_no_exception() {
        let mut rng = Compat06(SeededRng::from_u64(2));
        let g = G1Projective::generator();
        for n in [5, 64, 500, 2_000] {
            let points: Vec<G1Affine> = (0..n)
                .map(|i| match i % 5 {
                    0 => G1Affine::identity(),
                    1 => g.into_affine(),
                    2 => (-g).into_affine(),
                    _ => (g * Fr::from(i as u64 % 7)).into_affine(),
                })
                .collect();
            for scalars in [vec![Fr::one(); n], vec![-Fr::one(); n], vec![Fr::rand(&mut rng); n], scalars(n, &mut rng)]
            {
                assert_eq!(msm(&points, &scalars), G1Projective::msm(&points, &scalars).unwrap(), "{n}");
            }
        }
    }

    /// A digit at either end of its range, and the carry into the last window.
    #[test]
    fn digits_add_up_to_the_scalar() {
        let mut rng = Compat06(SeededRng::from_u64(3));
        for (size, bits) in
            [(1, 254), (40, 254), (1_000, 254), (4_000, 254), (1 << 15, 254), (1 << 20, 254), (100, 128)]
        {
            let plan = Plan::for_size(size, bits);
            assert!(plan.width * plan.windows > bits);
            let mut cases = vec![Fr::zero(), Fr::one(), Fr::from(u128::MAX), Fr::from(1_u128 << 127)];
            if bits == 254 {
                cases.extend([-Fr::one(), -Fr::from(2)]);
                cases.extend((0..20).map(|_| Fr::rand(&mut rng)));
            }
            for scalar in cases {
                let shifted = plan.shifted(scalar.into_bigint());
                let sum: Fr = (0..plan.windows).rev().fold(Fr::zero(), |sum, window| {
                    let (size, negative) = plan.digit(&shifted, window);
                    assert!(size <= 1 << (plan.width - 1));
                    let digit = if negative { -Fr::from(size as u64) } else { Fr::from(size as u64) };
                    sum * Fr::from(1_u64 << plan.width) + digit
                });
                assert_eq!(sum, scalar);
            }
        }
    }
}
