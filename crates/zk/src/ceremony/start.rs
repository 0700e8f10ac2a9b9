//! The key before phase 2: a statement's rows at tau, from the powers of tau, with gamma = delta = 1.
//!
//! Lagrange polynomials at tau come from the file, or are the inverse discrete Fourier transform of its powers; then each
//! variable's polynomial is a sparse sum of them. H's query is tau^i (tau^n - 1) = tau^(n+i) - tau^i.

use super::ptau::{Ptau, PtauError};
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr as _, CurveGroup};
use ark_ff::{BigInteger as _, One as _, PrimeField as _};
use mediveil_circuits::r1cs::{Constraint, R1cs, Row};
use rayon::prelude::*;

pub(super) fn initial_key(r1cs: &R1cs, ptau: &Ptau) -> Result<ark_groth16::ProvingKey<Bn254>, PtauError> {
    let n = r1cs.constraints().saturating_add(r1cs.instances()).next_power_of_two();
    let needed = n.ilog2();
    let small = PtauError::TooSmall { needed, found: ptau.power };
    if needed > ptau.power {
        return Err(small);
    }
    let lagrange = ptau.lagrange(needed).ok_or(small)?;
    let tau = multiples::<G1Projective>(&lagrange.tau_g1);
    let tau_g2 = multiples::<G2Projective>(&lagrange.tau_g2);
    let alpha = multiples::<G1Projective>(&lagrange.alpha_tau);
    let beta = multiples::<G1Projective>(&lagrange.beta_tau);

    let columns = Columns::of(r1cs);
    let a = sums::<G1Projective>(&[(&columns.a, &tau)]);
    let b1 = sums::<G1Projective>(&[(&columns.b, &tau)]);
    let b2 = sums::<G2Projective>(&[(&columns.b, &tau_g2)]);
    // beta A + alpha B + C for each variable: gamma and delta are one.
    let joined = sums::<G1Projective>(&[(&columns.a, &beta), (&columns.b, &alpha), (&columns.c, &tau)]);
    let (inputs, l) = joined.split_at_checked(r1cs.instances()).unwrap_or((&joined, &[]));
    let h: Vec<G1Projective> = (0..n.saturating_sub(1))
        .filter_map(|i| {
            let high = ptau.tau_g1.get(n.saturating_add(i))?;
            Some(high.into_group() - ptau.tau_g1.get(i)?)
        })
        .collect();
    let first = |points: &[G1Affine]| points.first().copied().unwrap_or_else(G1Affine::zero);
    Ok(ark_groth16::ProvingKey {
        vk: ark_groth16::VerifyingKey {
            alpha_g1: first(&ptau.alpha_tau),
            beta_g2: ptau.beta_g2,
            gamma_g2: G2Affine::generator(),
            delta_g2: G2Affine::generator(),
            gamma_abc_g1: G1Projective::normalize_batch(inputs),
        },
        beta_g1: first(&ptau.beta_tau),
        delta_g1: G1Affine::generator(),
        a_query: G1Projective::normalize_batch(&a),
        b_g1_query: G1Projective::normalize_batch(&b1),
        b_g2_query: G2Projective::normalize_batch(&b2),
        h_query: G1Projective::normalize_batch(&h),
        l_query: G1Projective::normalize_batch(l),
    })
}

/// For each variable, its coefficients and the rows they stand in.
type Matrix = Vec<Vec<(Fr, usize)>>;

/// The matrices by variable.
struct Columns {
    a: Matrix,
    b: Matrix,
    c: Matrix,
}

impl Columns {
    fn of(r1cs: &R1cs) -> Self {
        let side = |pick: fn(&Constraint) -> &Row| {
            let mut columns = vec![Vec::new(); r1cs.variables()];
            for (index, row) in r1cs.rows().iter().enumerate() {
                for (variable, coefficient) in pick(row) {
                    if let Some(column) = columns.get_mut(*variable as usize) {
                        column.push((*coefficient, index));
                    }
                }
            }
            columns
        };
        let mut a = side(|r| &r.a);
        // One more row for each input, which keeps the inputs' polynomials independent.
        for (input, column) in a.iter_mut().take(r1cs.instances()).enumerate() {
            column.push((Fr::one(), r1cs.constraints().saturating_add(input)));
        }
        Self { a, b: side(|r| &r.b), c: side(|r| &r.c) }
    }
}

/// Odd multiples of a point that are kept: 1, 3, ... 15, for signed digits of five bits.
const MULTIPLES: usize = 8;

/// The odd multiples of each point. Every row stands in some ten columns, so they are made once.
fn multiples<G: CurveGroup<ScalarField = Fr>>(points: &[G::Affine]) -> Vec<G::Affine> {
    let all = points.par_iter().flat_map_iter(|p| {
        let first = p.into_group();
        let twice = first.double();
        std::iter::successors(Some(first), move |p| Some(*p + twice)).take(MULTIPLES)
    });
    G::normalize_batch(&all.collect::<Vec<G>>())
}

/// For each variable, the sum over these matrices of coefficient times the row's point.
fn sums<G: CurveGroup<ScalarField = Fr>>(parts: &[(&Matrix, &Vec<G::Affine>)]) -> Vec<G> {
    let variables = parts.first().map_or(0, |(matrix, _)| matrix.len());
    let column = |variable: usize| {
        let terms: Vec<(Digits, &[G::Affine])> = parts
            .iter()
            .flat_map(|(matrix, points)| {
                matrix.get(variable).into_iter().flatten().filter_map(|(coefficient, row)| {
                    let first = row.checked_mul(MULTIPLES)?;
                    Some((Digits::of(coefficient), points.get(first..first.checked_add(MULTIPLES)?)?))
                })
            })
            .collect();
        sum_of_products(&terms)
    };
    (0..variables).into_par_iter().map(column).collect()
}

/// A coefficient as signed digits (wNAF, five bits), lowest first; short for small numbers and their negatives.
struct Digits(Vec<i64>);

impl Digits {
    fn of(coefficient: &Fr) -> Self {
        let (plus, minus) = (coefficient.into_bigint(), (-*coefficient).into_bigint());
        let (number, sign) = if minus < plus { (minus, -1) } else { (plus, 1) };
        Self(number.find_wnaf(5).unwrap_or_default().into_iter().map(|d| d * sign).collect())
    }
}

/// Straus' method on one thread: the columns are many and short, and run beside each other.
fn sum_of_products<G: CurveGroup>(terms: &[(Digits, &[G::Affine])]) -> G {
    let longest = terms.iter().map(|(digits, _)| digits.0.len()).max().unwrap_or(0);
    (0..longest).rev().fold(G::zero(), |mut sum, at| {
        sum.double_in_place();
        for (digits, multiples) in terms {
            let digit = digits.0.get(at).copied().unwrap_or(0);
            let multiple = usize::try_from(digit.unsigned_abs() / 2).ok().and_then(|i| multiples.get(i));
            match multiple {
                Some(p) if digit > 0 => sum += *p,
                Some(p) if digit < 0 => sum -= *p,
                _ => {}
            }
        }
        sum
    })
}
