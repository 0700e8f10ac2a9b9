//! Shamir's sharing of ring elements, coefficient by coefficient in every prime.
//!
//! Each ciphertext prime is a field of its own, far larger than a committee, so member numbers are good evaluation points
//! in all of them. A sharing of degree t - 1 hides its secret perfectly from t - 1 members. Rows are prime-major: all
//! numbers modulo the first prime, then all modulo the second, each row of the same width.

use fhe_math::zq::Modulus;
use zeroize::Zeroizing;

/// The share for member `x` of the polynomial with these coefficients, lowest (the secret) first.
pub(crate) fn evaluate(coefficients: &[Zeroizing<Vec<u64>>], x: u32, moduli: &[Modulus]) -> Zeroizing<Vec<u64>> {
    let mut backwards = coefficients.iter().rev();
    let mut value = backwards.next().cloned().unwrap_or_default();
    for next in backwards {
        for_rows(&mut value, next, moduli, |q, v, c| q.add(q.mul(v, u64::from(x)), c));
    }
    value
}

/// `a[i] = f(prime of i, a[i], b[i])`.
pub(crate) fn for_rows(a: &mut [u64], b: &[u64], moduli: &[Modulus], f: impl Fn(&Modulus, u64, u64) -> u64) {
    let width = a.len() / moduli.len().max(1);
    if width == 0 {
        return;
    }
    for ((row_a, row_b), q) in a.chunks_exact_mut(width).zip(b.chunks_exact(width)).zip(moduli) {
        for (a, b) in row_a.iter_mut().zip(row_b) {
            *a = f(q, *a, *b);
        }
    }
}

/// The weight of `me` when the members `points` interpolate at 0: the product of x / (x - me) over the others.
pub(crate) fn weight_at(q: &Modulus, points: &[u32], me: u32, at: u32) -> Option<u64> {
    let point = |x: u32| q.reduce(u64::from(x));
    let (mut above, mut below) = (1, 1);
    for x in points.iter().filter(|x| **x != me) {
        above = q.mul(above, q.sub(point(*x), point(at)));
        below = q.mul(below, q.sub(point(*x), point(me)));
    }
    Some(q.mul(above, q.inv(below)?))
}

/// Whether the values of members 1, 2, … lie on one polynomial of degree below `needed`.
pub(crate) fn on_polynomial(q: &Modulus, values: &[u64], needed: u32) -> bool {
    let known: Vec<u32> = (1..=needed).collect();
    let expected = |at: u32| {
        known.iter().zip(values).try_fold(0, |sum, (x, v)| Some(q.add(sum, q.mul(*v, weight_at(q, &known, *x, at)?))))
    };
    (1u32..).zip(values).skip(known.len()).all(|(at, value)| expected(at) == Some(*value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_rng::SeededRng;

    #[test]
    fn any_quorum_interpolates_and_fewer_fit_any_secret() {
        let context = fhe_math::rq::Context::new(&[4611686018326724609, 4611686018309947393], 16).unwrap();
        let moduli = context.moduli_operators();
        let mut rng = SeededRng::from_u64(3);
        let polynomial: Vec<_> = (0..3).map(|_| crate::ring::uniform_residues(&context, 2, &mut rng)).collect();
        let shares: Vec<_> = (1..=5).map(|x| evaluate(&polynomial, x, moduli)).collect();
        for quorum in [[1u32, 2, 3], [1, 3, 5], [3, 4, 5]] {
            let mut secret = vec![0; 4];
            for x in quorum {
                let share = &shares[x as usize - 1];
                for_rows(&mut secret, share, moduli, |q, s, v| {
                    q.add(s, q.mul(v, weight_at(q, &quorum, x, 0).unwrap()))
                });
            }
            assert_eq!(secret, *polynomial[0]);
        }
        let q = &moduli[0];
        let values: Vec<u64> = shares.iter().map(|s| s[0]).collect();
        assert!(on_polynomial(q, &values, 3));
        assert!(!on_polynomial(q, &values, 2), "two shares do not determine the third");
        for at in 0..5 {
            let mut wrong = values.clone();
            wrong[at] = q.add(wrong[at], 1);
            assert!(!on_polynomial(q, &wrong, 3));
        }
    }
}
