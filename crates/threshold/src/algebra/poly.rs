//! Polynomials over the scalars, Feldman's commitments to them (FOCS 1987), and interpolation.

use super::multi::{small_mul, to_affine};
use super::scalar::Secret;
use super::{base_mul, random_scalar};
use crate::MemberId;
use blstrs::{G1Affine, G1Projective, Scalar};
use ff::Field;
use group::Group;
use rand_core::CryptoRng;

/// A secret polynomial, lowest coefficient first.
pub(crate) struct Polynomial(Vec<Secret>);

impl Polynomial {
    /// A random polynomial with `needed` coefficients, so that `needed` values determine it and fewer tell nothing about
    /// its value at zero, which is `constant`.
    pub(crate) fn random(constant: Secret, needed: u16, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let rest = (1..needed).map(|_| Secret(random_scalar(rng)));
        Self(std::iter::once(constant).chain(rest).collect())
    }

    /// The value at a member's place.
    pub(crate) fn at(&self, x: MemberId) -> Secret {
        let x = x.scalar();
        Secret(self.0.iter().rev().fold(Scalar::ZERO, |value, coefficient| value * x + coefficient.0))
    }

    /// The commitment to every coefficient.
    pub(crate) fn commit(&self) -> Commitment {
        Commitment(self.0.iter().map(|c| base_mul(&c.0)).collect())
    }
}

/// `a_k` G for the coefficients `a_k` of a polynomial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commitment(pub(crate) Vec<G1Affine>);

impl Commitment {
    /// The commitment to the value at zero.
    pub(crate) fn constant(&self) -> Option<&G1Affine> {
        self.0.first()
    }

    /// The commitment to the value at a member's place. In variable time; exact for any points of the curve.
    pub(crate) fn at(&self, x: MemberId) -> G1Projective {
        self.at_x(x.get())
    }

    fn at_x(&self, x: u16) -> G1Projective {
        self.0.iter().rev().fold(G1Projective::identity(), |value, point| small_mul(&value, x) + point)
    }

    /// The commitments to the values at 1..=n, by forward differences: one addition for each coefficient and place.
    pub(crate) fn at_all(&self, n: u16) -> Vec<G1Affine> {
        let start: Vec<G1Projective> = (1..).take(self.0.len()).map(|x| self.at_x(x)).collect();
        if start.len() >= usize::from(n) {
            return to_affine(start.get(..usize::from(n)).unwrap_or_default());
        }
        // differences[k] is the k-th difference at the last place reached.
        let mut differences = Vec::with_capacity(start.len());
        let mut row = start.clone();
        while let Some(last) = row.last() {
            differences.push(*last);
            row = row.windows(2).filter_map(|w| Some(w.last()? - w.first()?)).collect();
        }
        let mut values = start;
        while values.len() < usize::from(n) {
            let mut below = G1Projective::identity();
            for difference in differences.iter_mut().rev() {
                *difference += below;
                below = *difference;
            }
            values.push(below);
        }
        to_affine(&values)
    }
}

/// The coefficients with which the values at these members' places give the value at `target`: Lagrange's at `target`,
/// where zero stands for the secret. `None` unless the places differ.
pub(crate) fn lagrange(places: &[MemberId], target: u16) -> Option<Vec<Scalar>> {
    let target = Scalar::from(u64::from(target));
    let mut numerators = Vec::with_capacity(places.len());
    let mut denominators = Vec::with_capacity(places.len());
    for i in places {
        let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
        for j in places.iter().filter(|j| *j != i) {
            numerator *= target - j.scalar();
            denominator *= i.scalar() - j.scalar();
        }
        numerators.push(numerator);
        denominators.push(denominator);
    }
    let mut seen = std::collections::HashSet::new();
    if !places.iter().all(|id| seen.insert(*id)) {
        return None;
    }
    // Montgomery's trick: one inversion for all.
    let mut prefix = Vec::with_capacity(places.len());
    let mut product = Scalar::ONE;
    for denominator in &denominators {
        prefix.push(product);
        product *= denominator;
    }
    let mut inverse = Option::<Scalar>::from(product.invert())?;
    let mut out = vec![Scalar::ZERO; places.len()];
    for (((to, numerator), denominator), before) in out.iter_mut().zip(numerators).zip(denominators).zip(prefix).rev() {
        *to = numerator * inverse * before;
        inverse *= denominator;
    }
    Some(out)
}

/// Lagrange's coefficients at zero as short integers and one common factor: the coefficient of a place is its integer,
/// negated where it says so, times the factor.
///
/// The coefficients are products and quotients of integers up to [`MAX_MEMBERS`](crate::MAX_MEMBERS), so their prime
/// factors are small. With the least powers taken out, what remains is much shorter than a scalar for committees up to some
/// two hundred members: 34 places among 1..=100 need 30 to 170 bits. That shortens the sum of points, at the price of one
/// multiplication of the sum.
pub(crate) struct ShortWeights {
    pub(crate) integers: Vec<(bool, Scalar)>,
    pub(crate) factor: Scalar,
}

const PLACES: usize = crate::MAX_MEMBERS as usize + 1;

/// The smallest prime factor of every number up to the largest place, by its index among the primes; and the primes.
struct Primes {
    index: Vec<usize>,
    primes: Vec<u64>,
}

impl Primes {
    fn new() -> Self {
        let mut index = vec![usize::MAX; PLACES];
        let mut primes = Vec::new();
        for n in 2..PLACES {
            if index.get(n) == Some(&usize::MAX) {
                index.iter_mut().skip(n).step_by(n).filter(|i| **i == usize::MAX).for_each(|i| *i = primes.len());
                primes.push(n as u64);
            }
        }
        Self { index, primes }
    }

    fn get() -> &'static Self {
        static PRIMES: std::sync::OnceLock<Primes> = std::sync::OnceLock::new();
        PRIMES.get_or_init(Self::new)
    }

    /// Adds `sign` for each prime factor of `n`.
    fn count(&self, mut n: u64, sign: i32, exponents: &mut [i32]) {
        while n > 1
            && let Some(index) = usize::try_from(n).ok().and_then(|n| self.index.get(n))
            && let (Some(prime), Some(exponent)) = (self.primes.get(*index), exponents.get_mut(*index))
        {
            *exponent = exponent.saturating_add(sign);
            n = n.checked_div(*prime).unwrap_or(1);
        }
    }
}

impl ShortWeights {
    /// `None` if the places are not distinct, or an integer would have more than 251 bits.
    pub(crate) fn new(places: &[MemberId]) -> Option<Self> {
        let primes = Primes::get();
        let mut product = vec![0_i32; primes.primes.len()];
        places.iter().for_each(|j| primes.count(u64::from(j.get()), 1, &mut product));
        let mut least = vec![i32::MAX; product.len()];
        let mut rows = Vec::with_capacity(places.len());
        for i in places {
            let mut row = product.clone();
            primes.count(u64::from(i.get()), -1, &mut row);
            let (mut smaller, mut same) = (0_u32, 0_u32);
            for j in places {
                let difference = u64::from(i.get().abs_diff(j.get()));
                smaller = smaller.wrapping_add(u32::from(j < i));
                same = same.wrapping_add(u32::from(difference == 0));
                primes.count(difference, -1, &mut row);
            }
            if same != 1 {
                return None;
            }
            least.iter_mut().zip(&row).for_each(|(least, e)| *least = (*least).min(*e));
            rows.push((smaller & 1 == 1, row));
        }
        let integers = rows
            .into_iter()
            .map(|(negative, row)| {
                let mut integer = Integer::ONE;
                for ((prime, e), least) in primes.primes.iter().zip(row).zip(&least) {
                    for _ in 0..e.saturating_sub(*least) {
                        integer.multiply(*prime)?;
                    }
                }
                Some((negative, integer.scalar()?))
            })
            .collect::<Option<_>>()?;
        let (mut above, mut below) = (Scalar::ONE, Scalar::ONE);
        for (prime, e) in primes.primes.iter().zip(least).filter(|(_, e)| *e != 0 && *e != i32::MAX) {
            let power = Scalar::from(*prime).pow_vartime([u64::from(e.unsigned_abs())]);
            if e > 0 {
                above *= power;
            } else {
                below *= power;
            }
        }
        Some(Self { integers, factor: above * Option::<Scalar>::from(below.invert())? })
    }
}

/// An integer of up to 251 bits, lowest limb first, with the factors that were not multiplied in yet.
struct Integer {
    limbs: [u64; 4],
    waiting: u64,
}

impl Integer {
    const ONE: Self = Self { limbs: [1, 0, 0, 0], waiting: 1 };

    /// Multiplies by a number of up to 10 bits: `None` if the result is too long.
    fn multiply(&mut self, by: u64) -> Option<()> {
        match self.waiting.checked_mul(by) {
            Some(product) => self.waiting = product,
            None => {
                self.settle()?;
                self.waiting = by;
            }
        }
        Some(())
    }

    fn settle(&mut self) -> Option<()> {
        let mut carry = 0_u128;
        for limb in &mut self.limbs {
            // Neither overflows: (2^64 - 1)^2 + (2^64 - 1) < 2^128.
            let product = u128::from(*limb).wrapping_mul(u128::from(self.waiting)).wrapping_add(carry);
            *limb = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
            carry = product >> 64;
        }
        self.waiting = 1;
        let [.., high] = self.limbs;
        (carry == 0 && high >> 59 == 0).then_some(())
    }

    fn scalar(mut self) -> Option<Scalar> {
        self.settle()?;
        let mut bytes = [0; 32];
        let limbs = self.limbs.iter().flat_map(|limb| limb.to_le_bytes());
        bytes.iter_mut().zip(limbs).for_each(|(to, from)| *to = from);
        Scalar::from_bytes_le(&bytes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_rng::{Rng, SeededRng};

    #[test]
    fn short_weights_are_lagranges_coefficients() {
        let mut rng = SeededRng::from_u64(5);
        let mut sets: Vec<Vec<u16>> = vec![
            vec![1, 2],
            vec![7],
            vec![1023, 1024],
            (1..=34).collect(),
            (67..=100).rev().collect(),
            (1..=100).step_by(3).collect(),
        ];
        for _ in 0..20 {
            let mut ids: Vec<u16> = (1..=100).collect();
            let picks = 2 + usize::try_from(rng.next_u32() % 33).unwrap();
            sets.push((0..picks).map(|_| ids.swap_remove(rng.next_u32() as usize % ids.len())).collect());
        }
        for set in sets {
            let places = ids(&set);
            let short = ShortWeights::new(&places).unwrap();
            let long = lagrange(&places, 0).unwrap();
            let signed = short.integers.iter().map(|(negative, k)| if *negative { -k } else { *k });
            assert_eq!(signed.map(|k| k * short.factor).collect::<Vec<_>>(), long, "{set:?}");
            let longest = short.integers.iter().map(|(_, k)| bits(k)).max().unwrap();
            assert!(longest <= 170, "{longest} bits for {set:?}");
        }
        let first = ShortWeights::new(&ids(&(1..=34).collect::<Vec<_>>())).unwrap();
        assert_eq!(first.factor, Scalar::ONE, "binomial coefficients");
        assert_eq!(first.integers[0], (false, Scalar::from(34)));
        assert_eq!(first.integers[1], (true, Scalar::from(561)));
        // Repeated places have no coefficients, and long ones are left to the field.
        assert!(ShortWeights::new(&ids(&[3, 1, 3])).is_none());
        assert!(ShortWeights::new(&ids(&(1..=1024).step_by(5).collect::<Vec<_>>())).is_none());
    }

    fn bits(k: &Scalar) -> u32 {
        let bytes = k.to_bytes_be();
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        bytes.get(zeros).map_or(0, |top| (32 - u32::try_from(zeros).unwrap()) * 8 - top.leading_zeros())
    }

    fn ids(list: &[u16]) -> Vec<MemberId> {
        list.iter().map(|i| MemberId::new(*i).unwrap()).collect()
    }

    #[test]
    fn commitments_follow_the_polynomial_at_every_place() {
        let mut rng = SeededRng::from_u64(2);
        for needed in [1, 2, 5, 34] {
            let polynomial = Polynomial::random(Secret::random(&mut rng), needed, &mut rng);
            let commitment = polynomial.commit();
            assert_eq!(commitment.0.len(), usize::from(needed));
            let all = commitment.at_all(40);
            for x in 1..=40 {
                let id = MemberId::new(x).unwrap();
                let value = base_mul(&polynomial.at(id).0);
                assert_eq!(G1Affine::from(commitment.at(id)), value);
                assert_eq!(all[usize::from(x) - 1], value);
            }
            assert_eq!(commitment.at_all(1), all[..1]);
        }
    }

    #[test]
    fn interpolation_needs_distinct_places_and_gives_the_secret() {
        let mut rng = SeededRng::from_u64(3);
        let polynomial = Polynomial::random(Secret::random(&mut rng), 3, &mut rng);
        for places in [[1, 2, 3], [7, 2, 5], [1000, 1, 999]] {
            let places = ids(&places);
            for target in [0, 4, 5] {
                let coefficients = lagrange(&places, target).unwrap();
                let value: Scalar = places.iter().zip(coefficients).map(|(i, l)| polynomial.at(*i).0 * l).sum();
                let expected = match MemberId::new(target) {
                    Some(id) => polynomial.at(id).0,
                    None => polynomial.0[0].0,
                };
                assert_eq!(value, expected);
            }
        }
        assert_eq!(lagrange(&ids(&[1, 2, 1]), 0), None);
    }

    /// Without commitments, any t - 1 shares fit every secret: for each candidate there is a polynomial through them.
    #[test]
    fn one_share_too_few_fits_every_secret() {
        let mut rng = SeededRng::from_u64(4);
        let polynomial = Polynomial::random(Secret::random(&mut rng), 3, &mut rng);
        let known = ids(&[2, 5]);
        let third = MemberId::new(1).unwrap();
        let all = [known.clone(), vec![third]].concat();
        let coefficients = lagrange(&all, 0).unwrap();
        for candidate in (0..20).map(|_| random_scalar(&mut rng)) {
            let partial: Scalar = known.iter().zip(&coefficients).map(|(i, l)| polynomial.at(*i).0 * l).sum();
            // The one missing share that makes the candidate the secret exists and is unique.
            let missing = (candidate - partial) * coefficients[2].invert().unwrap();
            assert_eq!(partial + missing * coefficients[2], candidate);
        }
    }
}
