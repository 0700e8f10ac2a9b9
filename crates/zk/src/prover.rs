//! Proving under arkworks' keys, with sums of our own.
//!
//! The rows' matrices and the queries are laid out once, with the key. A proof is then the assignment, seven Fourier
//! transforms and three multi-scalar multiplications: A, B in G2, and one for all of C.

use crate::keys::{KeyError, ProvingKey};
use crate::msm::msm;
use crate::points::random_scalar;
use crate::proof::Proof;
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr as _, CurveGroup as _};
use mediveil_circuits::Statement;
use mediveil_circuits::r1cs::{Assignment, Unsatisfied};
use rand_core::CryptoRng;
use taceo_groth16::{ConstraintMatrices, LibSnarkReduction, R1CSToQAP as _};
use zeroize::{Zeroize as _, Zeroizing};

/// Why there is no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The statement is not true for this witness.
    #[error(transparent)]
    Unsatisfied(#[from] Unsatisfied),
    /// The key and the statement do not fit, or the machine failed: the proof did not verify and was thrown away.
    #[error("the proof did not verify under its own key; the key or the machine is damaged")]
    Internal,
    /// The setup failed.
    #[error("the statement is too large for a setup")]
    Setup,
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl<S: Statement> ProvingKey<S> {
    /// Proves the statement. The proof is verified before it is returned.
    ///
    /// # Errors
    /// [`ProveError::Unsatisfied`] where the statement is not true, with the part that is not.
    pub fn prove(
        &self,
        public: &S::Public,
        witness: &S::Witness,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Proof<S>, ProveError> {
        let assignment = S::assign(public, witness)?;
        let proof = self.prove_assignment(&assignment, rng)?;
        self.verifying.verify(public, &proof).map_err(|_| ProveError::Internal)?;
        Ok(proof)
    }

    /// Proves an assignment of which nothing is known: in tests, to see that the mathematics refuses where the checks
    /// before it are left out, and in benchmarks. The result need not verify.
    ///
    /// # Errors
    /// [`ProveError::Internal`] for an assignment of another length.
    pub fn prove_assignment(
        &self,
        assignment: &Assignment,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Proof<S>, ProveError> {
        let (mut r, mut s) = (random_scalar(rng), random_scalar(rng));
        let proof = groth16(&self.key, &self.queries, &self.matrices, assignment.values(), r, s);
        r.zeroize();
        s.zeroize();
        proof.map(Proof::from_ark)
    }
}

/// The points of a key in the order in which the prover sums them. Made once with the key.
#[derive(Clone, Debug)]
pub(crate) struct Queries {
    /// The variables that stand in B, without those whose point is infinity: a third of a Poseidon permutation's.
    in_b: Vec<usize>,
    /// Their points in G2.
    b: Vec<G2Affine>,
    /// Their points in G1, then L, then H: all that C sums, in one go.
    c: Vec<G1Affine>,
}

impl Queries {
    pub(crate) fn of(key: &ark_groth16::ProvingKey<Bn254>) -> Self {
        let (mut in_b, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        for (variable, (g1, g2)) in key.b_g1_query.iter().zip(&key.b_g2_query).enumerate() {
            if !g1.is_zero() || !g2.is_zero() {
                in_b.push(variable);
                b.push(*g2);
                c.push(*g1);
            }
        }
        c.extend_from_slice(&key.l_query);
        c.extend_from_slice(&key.h_query);
        Self { in_b, b, c }
    }
}

/// The prover itself, the same for all statements, so compiled once and here.
///
/// With w the assignment and h the quotient's coefficients, A = alpha + sum w a + r delta, B = beta + sum w b + s delta, and
/// C = s A + r B - r s delta + sum w l + sum h h; of B in G1 only r B is needed, so its sum is part of C's.
fn groth16(
    key: &ark_groth16::ProvingKey<Bn254>,
    queries: &Queries,
    matrices: &ConstraintMatrices<Fr>,
    assignment: &[Fr],
    r: Fr,
    s: Fr,
) -> Result<ark_groth16::Proof<Bn254>, ProveError> {
    if assignment.len() != key.a_query.len() {
        return Err(ProveError::Internal);
    }
    let in_b = || queries.in_b.iter().map(|variable| assignment.get(*variable).copied().unwrap_or_default());
    let (a, (b, c)) = rayon::join(
        || key.vk.alpha_g1 + msm(&key.a_query, assignment) + key.delta_g1 * r,
        || {
            rayon::join(
                || {
                    let scalars = Zeroizing::new(in_b().collect::<Vec<Fr>>());
                    key.vk.beta_g2 + msm(&queries.b, &scalars) + key.vk.delta_g2 * s
                },
                || {
                    let h = LibSnarkReduction::witness_map_from_matrices::<Bn254>(matrices, assignment);
                    let h = Zeroizing::new(h.map_err(|_| ProveError::Internal)?);
                    let mut scalars = Zeroizing::new(Vec::with_capacity(queries.c.len()));
                    scalars.extend(in_b().map(|w| w * r));
                    scalars.extend_from_slice(assignment.get(matrices.num_instance_variables..).unwrap_or(&[]));
                    // The quotient has one coefficient less than the domain, which is zero where the rows hold.
                    scalars.extend(h.iter().take(key.h_query.len()));
                    Ok::<G1Projective, ProveError>(key.beta_g1 * r + msm(&queries.c, &scalars))
                },
            )
        },
    );
    let points = [a, a * s + c?];
    let [a, c] = *G1Projective::normalize_batch(&points) else { return Err(ProveError::Internal) };
    Ok(ark_groth16::Proof { a, b: b.into_affine(), c })
}
