//! Linear secret sharing over an access tree.
//!
//! A secret goes down the tree: an n-of-n gate splits it into n random summands, a 1-of-n gate hands it to every child, and
//! a k-of-n gate shares it by a random polynomial of degree k - 1 whose value at 0 it is and whose values at 1 to n the
//! children get (Shamir 1979; the composition is Benaloh and Leichter, CRYPTO '88). What arrives at the leaves is linear in
//! the secret and the randomness, so it is `M (s, v)` for the share-generating matrix `M` of a linear secret-sharing scheme
//! (Beimel 1996); the target vector is (1, 0, ..., 0). A set of rows has the target in its span if and only if it satisfies
//! the tree. The matrix itself is never written out: for n leaves it would have up to n² entries.
//!
//! An n-of-n gate never hands a child the secret or a multiple of it: every leaf below one has a share that is uniform and
//! independent of the secret.

use crate::access::Gate;
use blstrs::Scalar;
use ff::Field;

/// Shares `secret` over the tree, with randomness from `next`. Calls `give` once for each leaf, in the order of leaves.
pub(crate) fn share(
    gate: &Gate,
    secret: Scalar,
    next: &mut dyn FnMut() -> Scalar,
    give: &mut dyn FnMut(usize, Scalar),
) {
    match gate {
        Gate::Leaf(row) => give(*row, secret),
        Gate::Threshold { needed: 1, children } => children.iter().for_each(|c| share(c, secret, next, give)),
        Gate::Threshold { needed, children } if *needed == children.len() => {
            let mut rest = secret;
            for (i, child) in children.iter().enumerate() {
                let part = if i.saturating_add(1) == *needed { rest } else { next() };
                rest -= part;
                share(child, part, next, give);
            }
        }
        Gate::Threshold { needed, children } => {
            let coefficients: Vec<_> = (1..*needed).map(|_| next()).collect();
            for (child, x) in children.iter().zip(1_u64..) {
                let x = Scalar::from(x);
                let value = coefficients.iter().rev().fold(Scalar::ZERO, |sum, c| (sum + c) * x) + secret;
                share(child, value, next, give);
            }
        }
    }
}

/// The coefficients with which the shares of held rows sum to the secret, for the fewest rows that do; `None` if the held
/// rows do not satisfy the tree.
pub(crate) fn reconstruct(gate: &Gate, held: &dyn Fn(usize) -> bool) -> Option<Vec<(usize, Scalar)>> {
    match gate {
        Gate::Leaf(row) => held(*row).then(|| vec![(*row, Scalar::ONE)]),
        Gate::Threshold { needed, children } => {
            let mut found: Vec<(u64, Vec<(usize, Scalar)>)> =
                children.iter().zip(1_u64..).filter_map(|(c, x)| Some((x, reconstruct(c, held)?))).collect();
            if found.len() < *needed {
                return None;
            }
            found.sort_by_key(|(_, rows)| rows.len());
            found.truncate(*needed);
            let plain = *needed == 1 || *needed == children.len();
            let points: Vec<_> = found.iter().map(|(x, _)| *x).collect();
            let scaled = found.into_iter().map(|(x, rows)| {
                let factor = if plain { Scalar::ONE } else { lagrange_at_zero(x, &points) };
                rows.into_iter().map(move |(row, c)| (row, c * factor))
            });
            Some(scaled.flatten().collect())
        }
    }
}

/// The Lagrange coefficient of the point `x` among `points`, at 0: the product of x' / (x' - x) over the others.
fn lagrange_at_zero(x: u64, points: &[u64]) -> Scalar {
    let own = Scalar::from(x);
    let (mut numerator, mut denominator) = (Scalar::ONE, Scalar::ONE);
    for other in points.iter().filter(|p| **p != x) {
        let other = Scalar::from(*other);
        numerator *= other;
        denominator *= other - own;
    }
    // The points are distinct numbers far below the field's order, so the denominator is never zero.
    numerator * denominator.invert().unwrap_or(Scalar::ZERO)
}
