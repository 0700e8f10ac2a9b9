//! How it is proved: Groth16 (Groth, EUROCRYPT 2016) over BN254, one typed interface for every statement.
//!
//! ```text
//! ptau --Ceremony--> ProvingKey<S> -- prove(public, witness) --> Proof<S>
//!                    VerifyingKey<S> -- verify(public, proof) --> Ok
//! ```
//!
//! # What is trusted
//! - A key made by [`development_setup`] was made by one party who could forge every proof under it. It says so in its file
//!   and is refused unless [`Trust::Development`] is asked for. A [`ceremony`] key is sound if one contributor of phase 2, and
//!   one of the powers of tau it started from, was honest.
//! - Knowledge soundness holds in the algebraic group model under q-type assumptions on BN254, at some 100 bits.
//! - Zero knowledge does not depend on the setup being honest once the key's points are [checked](VerifyingKey::decode_wire).
//!
//! # What proofs are not
//! A proof is malleable: anyone can [re-randomise](VerifyingKey::rerandomise) it. It proves its public inputs and nothing else; to count
//! people, count nullifiers.

mod batch;
pub mod ceremony;
pub mod forms;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod frozen;
mod json;
mod keys;
mod msm;
mod pairing;
mod points;
mod proof;
mod prover;
mod setup;
mod solidity;

pub use batch::BatchError;
pub use json::JsonError;
pub use keys::{KeyError, KeyInfo, Origin, ProvingKey, Trust, VerifyingKey, hash_of};
pub use mediveil_circuits::{Scope, Statement, StatementId};
pub use proof::{Proof, ProofFile, VerifyError};
pub use prover::ProveError;
pub use setup::development_setup;
pub use solidity::ContractName;

pub use ark_bn254::Fr;
