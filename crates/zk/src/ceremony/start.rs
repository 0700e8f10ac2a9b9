//! The key before phase 2: a statement's rows at tau, from the powers of tau, with gamma = delta = 1.
//!
//! Lagrange polynomials at tau are the inverse discrete Fourier transform of the powers, in the exponent; then each
//! variable's polynomial is a sparse sum of them. H's query is tau^i (tau^n - 1) = tau^(n+i) - tau^i.

use super::ptau::{Ptau, PtauError};
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr as _, CurveGroup};
use ark_ff::{BigInteger as _, One as _, PrimeField as _};
use ark_poly::{EvaluationDomain as _, Radix2EvaluationDomain};
use mediveil_circuits::r1cs::{Constraint, R1cs, Row};
use rayon::prelude::*;

pub(super) fn initial_key(r1cs: &R1cs, ptau: &Ptau) -> Result<ark_groth16::ProvingKey<Bn254>, PtauError> {
    let n = r1cs.constraints().saturating_add(r1cs.instances()).next_power_of_two();
    let needed = n.ilog2();
    let small = PtauError::TooSmall { needed, found: ptau.power };
    let domain = Radix2EvaluationDomain::<Fr>::new(n).filter(|_| needed <= ptau.power).ok_or(small.clone())?;
    let g1 = |powers: &[G1Affine]| -> Option<Vec<G1Projective>> {
        Some(domain.ifft(&powers.get(..n)?.iter().map(|p| p.into_group()).collect::<Vec<_>>()))
    };
    let g2: Vec<G2Projective> = ptau.tau_g2.get(..n).ok_or(small.clone())?.iter().map(|p| p.into_group()).collect();
    let tau_g2 = domain.ifft(&g2);
    let (Some(tau), Some(alpha), Some(beta)) = (g1(&ptau.tau_g1), g1(&ptau.alpha_tau), g1(&ptau.beta_tau)) else {
        return Err(small);
    };

    let columns = Columns::of(r1cs);
    let a = columns.sums(|c| &c.a, &tau);
    let b1 = columns.sums(|c| &c.b, &tau);
    let b2 = columns.sums(|c| &c.b, &tau_g2);
    // beta A + alpha B + C for each variable: gamma and delta are one.
    let parts = [columns.sums(|c| &c.a, &beta), columns.sums(|c| &c.b, &alpha), columns.sums(|c| &c.c, &tau)];
    let [x, y, z] = &parts;
    let joined: Vec<G1Projective> = x.iter().zip(y).zip(z).map(|((x, y), z)| *x + y + z).collect();
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

    fn sums<G: CurveGroup<ScalarField = Fr>>(&self, pick: fn(&Self) -> &Matrix, lagrange: &[G]) -> Vec<G> {
        let bases = G::normalize_batch(lagrange);
        let terms = |column: &Vec<(Fr, usize)>| -> Vec<(Fr, G::Affine)> {
            column.iter().filter_map(|(k, row)| bases.get(*row).map(|p| (*k, *p))).collect()
        };
        pick(self).par_iter().map(|column| sum_of_products(&terms(column))).collect()
    }
}

/// Pippenger's method on one thread: the columns are many and short, and run beside each other.
fn sum_of_products<G: CurveGroup<ScalarField = Fr>>(terms: &[(Fr, G::Affine)]) -> G {
    if terms.iter().all(|(k, _)| k.is_one()) {
        return terms.iter().map(|(_, p)| p.into_group()).sum();
    }
    let window = if terms.len() < 16 { 3_usize } else { 5 };
    let scalars: Vec<_> = terms.iter().map(|(k, p)| (k.into_bigint(), p)).collect();
    (0..254_usize.div_ceil(window)).rev().fold(G::zero(), |mut sum, at| {
        for _ in 0..window {
            sum.double_in_place();
        }
        let mut buckets = vec![G::zero(); 1 << window];
        for (scalar, point) in &scalars {
            let digit = (0..window).fold(0_usize, |digit, i| {
                digit | usize::from(scalar.get_bit(at.saturating_mul(window).saturating_add(i))) << i
            });
            if let Some(bucket) = buckets.get_mut(digit).filter(|_| digit > 0) {
                *bucket += *point;
            }
        }
        let mut running = G::zero();
        for bucket in buckets.iter().skip(1).rev() {
            running += bucket;
            sum += running;
        }
        sum
    })
}
