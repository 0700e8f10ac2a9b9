//! The development setup: one party, one step.

use crate::ProveError;
use crate::keys::{KeyError, Origin, ProvingKey};
use ark_bn254::Bn254;
use ark_groth16::Groth16;
use mediveil_circuits::Statement;
use mediveil_circuits::r1cs::Assigned;
use mediveil_rng::Compat06;
use rand_core::CryptoRng;

/// Makes a key whose maker could forge every proof: for development and tests, and labelled so in its file. The real thing
/// is a [`ceremony`](crate::ceremony).
///
/// # Errors
/// [`ProveError::Setup`] if the statement is too large for the field.
pub fn development_setup<S: Statement>(rng: &mut (impl CryptoRng + ?Sized)) -> Result<ProvingKey<S>, ProveError> {
    let circuit = Assigned { r1cs: S::r1cs(), assignment: None };
    let key = Groth16::<Bn254>::generate_random_parameters_with_reduction(circuit, &mut Compat06(rng));
    let key = key.map_err(|_| ProveError::Setup)?;
    ProvingKey::new(key, Origin::Development).map_err(|e: KeyError| ProveError::Key(e))
}
