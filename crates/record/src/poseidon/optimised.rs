//! The permutation with sparse partial rounds.
//!
//! A partial round adds constants, raises the first lane to the fifth power and multiplies by the dense matrix M. Two
//! rewritings, both exact, leave 2t - 1 products a round instead of t^2:
//!
//! 1. The constants of the other lanes pass the S-box unchanged, so they can be multiplied by M and added to the constants
//!    of the next round; only the first lane's constant stays.
//! 2. M = S D with S sparse (first row, first column, identity) and D acting on the other lanes alone. D commutes with the
//!    S-box of the first lane and its constant, so it can be moved before the round and multiplied into the matrix there;
//!    done from the last round to the first, what remains is merged into the last full round before.

use ark_bn254::Fr;
use ark_ff::{Field as _, One as _, Zero as _};
use light_poseidon::parameters::bn254_x5::get_poseidon_parameters;

type Matrix<const T: usize> = [[Fr; T]; T];

/// One partial round: the first lane's constant, the first row, and the first column below its head.
struct Partial<const T: usize> {
    constant: Fr,
    row: [Fr; T],
    /// The head is unused and zero.
    column: [Fr; T],
}

/// The permutation of width `T`, prepared.
pub(super) struct Permutation<const T: usize> {
    /// Constants of the full rounds before the partial ones.
    first: Vec<[Fr; T]>,
    /// The matrix of all full rounds but the last before the partial ones ...
    mds: Matrix<T>,
    /// ... and of that one.
    bridge: Matrix<T>,
    partial: Vec<Partial<T>>,
    /// Constants of the full rounds after the partial ones.
    last: Vec<[Fr; T]>,
}

impl<const T: usize> Permutation<T> {
    /// Prepares circomlib's permutation of this width, 2 to 16.
    #[expect(clippy::expect_used, reason = "fixed parameters: they exist and are invertible, or no test passes")]
    pub(super) fn circomlib() -> Self {
        let width = u8::try_from(T).expect("a width below 256");
        let parameters = get_poseidon_parameters::<Fr>(width).expect("parameters of this width");
        let mds: Matrix<T> = core::array::from_fn(|i| {
            core::array::from_fn(|j| {
                parameters.mds.get(i).and_then(|row| row.get(j)).copied().expect("a square matrix")
            })
        });
        let mut constants: Vec<[Fr; T]> = parameters.ark.as_chunks::<T>().0.to_vec();
        let mut last = constants.split_off(parameters.full_rounds / 2 + parameters.partial_rounds);
        let partial_constants = constants.split_off(parameters.full_rounds / 2);

        // Rewriting 1, forward.
        let mut carry = [Fr::zero(); T];
        let mut kept = Vec::with_capacity(partial_constants.len());
        for mut round in partial_constants {
            add(&mut round, &carry);
            kept.push(core::mem::take(head_of(&mut round)));
            carry = apply(&mds, &round);
        }
        if let Some(next) = last.first_mut() {
            add(next, &carry);
        }

        // Rewriting 2, backward. `dense` is what the rounds behind have pushed forward to here.
        let mut dense: Matrix<T> = core::array::from_fn(|i| core::array::from_fn(|j| Fr::from(i == j)));
        let mut partial = Vec::with_capacity(kept.len());
        for constant in kept.into_iter().rev() {
            let (row, column, pushed) = factor(&multiply(&dense, &mds)).expect("an invertible minor");
            partial.push(Partial { constant, row, column });
            dense = pushed;
        }
        partial.reverse();
        Self { first: constants, bridge: multiply(&dense, &mds), mds, partial, last }
    }

    pub(super) fn permute(&self, state: &mut [Fr; T]) {
        let before = self.first.len().saturating_sub(1);
        for (i, constants) in self.first.iter().enumerate() {
            full_sbox(state, constants);
            *state = apply(if i == before { &self.bridge } else { &self.mds }, state);
        }
        for round in &self.partial {
            let first = head_of(state);
            let head = fifth(*first + round.constant);
            *first = head;
            let first = Fr::sum_of_products(&round.row, state);
            for (lane, factor) in state.iter_mut().zip(&round.column).skip(1) {
                *lane += head * factor;
            }
            *head_of(state) = first;
        }
        for constants in &self.last {
            full_sbox(state, constants);
            *state = apply(&self.mds, state);
        }
    }
}

/// The first lane.
fn head_of<const T: usize>(state: &mut [Fr; T]) -> &mut Fr {
    const { assert!(T >= 2) };
    &mut state[0]
}

fn fifth(x: Fr) -> Fr {
    let x2 = x.square();
    x2.square() * x
}

fn full_sbox<const T: usize>(state: &mut [Fr; T], constants: &[Fr; T]) {
    for (lane, constant) in state.iter_mut().zip(constants) {
        *lane = fifth(*lane + constant);
    }
}

fn add<const T: usize>(state: &mut [Fr; T], other: &[Fr; T]) {
    for (lane, x) in state.iter_mut().zip(other) {
        *lane += x;
    }
}

fn apply<const T: usize>(matrix: &Matrix<T>, vector: &[Fr; T]) -> [Fr; T] {
    matrix.each_ref().map(|row| Fr::sum_of_products(row, vector))
}

fn transpose<const T: usize>(m: &Matrix<T>) -> Matrix<T> {
    core::array::from_fn(|i| m.each_ref().map(|row| row.get(i).copied().unwrap_or_default()))
}

fn multiply<const T: usize>(a: &Matrix<T>, b: &Matrix<T>) -> Matrix<T> {
    let columns = transpose(b);
    a.each_ref().map(|row| columns.each_ref().map(|column| Fr::sum_of_products(row, column)))
}

/// A = S D: the first row and first column of S, and D. `None` if the minor of A is singular.
fn factor<const T: usize>(a: &Matrix<T>) -> Option<([Fr; T], [Fr; T], Matrix<T>)> {
    // D is A with the first row and column of the identity.
    let d: Matrix<T> = core::array::from_fn(|i| {
        core::array::from_fn(|j| {
            if i == 0 || j == 0 {
                Fr::from(i == j)
            } else {
                a.get(i).and_then(|r| r.get(j)).copied().unwrap_or_default()
            }
        })
    });
    // S has the first column of A, and its first row r satisfies r D = first row of A.
    let row = apply(&transpose(&invert(d)?), a.first()?);
    let mut column = *transpose(a).first()?;
    *head_of(&mut column) = Fr::zero();
    Some((row, column, d))
}

/// Gauss-Jordan.
fn invert<const T: usize>(mut m: Matrix<T>) -> Option<Matrix<T>> {
    let mut inverse: Matrix<T> = core::array::from_fn(|i| core::array::from_fn(|j| Fr::from(i == j)));
    for k in 0..T {
        let pivot = (k..T).find(|i| m.get(*i).and_then(|r| r.get(k)).is_some_and(|x| !x.is_zero()))?;
        m.swap(k, pivot);
        inverse.swap(k, pivot);
        let scale = m.get(k)?.get(k)?.inverse()?;
        for matrix in [&mut m, &mut inverse] {
            matrix.get_mut(k)?.iter_mut().for_each(|x| *x *= scale);
        }
        let (row, inverse_row) = (*m.get(k)?, *inverse.get(k)?);
        for i in (0..T).filter(|i| *i != k) {
            let factor = *m.get(i)?.get(k)?;
            for (matrix, row) in [(&mut m, &row), (&mut inverse, &inverse_row)] {
                matrix.get_mut(i)?.iter_mut().zip(row).for_each(|(x, y)| *x -= factor * y);
            }
        }
        debug_assert!(m.get(k)?.get(k)?.is_one());
    }
    Some(inverse)
}
