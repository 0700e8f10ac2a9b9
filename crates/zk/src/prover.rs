//! Proving: the faster prover under arkworks' keys.

use crate::keys::{KeyError, ProvingKey};
use crate::points::random_scalar;
use crate::proof::Proof;
use ark_bn254::{Bn254, Fr};
use mediveil_circuits::Statement;
use mediveil_circuits::r1cs::{Assignment, Unsatisfied};
use rand_core::CryptoRng;
use taceo_groth16::{ConstraintMatrices, Groth16, LibSnarkReduction};
use zeroize::Zeroize as _;

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
        let proof = groth16(&self.key, &self.matrices, assignment.values(), r, s);
        r.zeroize();
        s.zeroize();
        proof.map(Proof::from_ark)
    }
}

/// The prover itself, the same for all statements, so compiled once and here.
fn groth16(
    key: &ark_groth16::ProvingKey<Bn254>,
    matrices: &ConstraintMatrices<Fr>,
    assignment: &[Fr],
    r: Fr,
    s: Fr,
) -> Result<ark_groth16::Proof<Bn254>, ProveError> {
    Groth16::prove::<LibSnarkReduction>(key, r, s, matrices, assignment).map_err(|_| ProveError::Internal)
}
