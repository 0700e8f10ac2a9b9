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

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_rng::SeededRng;

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
