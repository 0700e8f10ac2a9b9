//! Privacy-preserving cryptography for electronic health records.
//!
//! This is the face of the workspace: it re-exports the crates beneath by feature and adds the few functions that draw
//! on the system's clock and generator, which the crates themselves never do.
//!
//! | module | feature | what for |
//! |---|---|---|
//! | [`seal`] | always | sealed files with many doors, identities, key rings |
//! | [`codec`] | always | how every object becomes bytes |
//! | `record` | `record` | FHIR records: canonical bytes, digest, commitment |
//! | `ledger` | `ledger` | the log that cannot be rewritten unseen |
//! | `abe` | `abe` | policies as doors: attribute-based encryption |
//! | `dp` | `dp` | differential privacy and its durable budget |
//! | `threshold` | `threshold` | keys that a committee holds and nobody else, guardians, paper shares |
//! | `circuits` | `zk` | what is proved: identity, record authenticity, statistics |
//! | `zk` | `zk` | how it is proved: setup by several parties, proofs, batches, Solidity |
//! | `fhe` | `fhe` | aggregates over encrypted columns that only a committee opens |
//! | `fhe::program` | `fhe`, `tfhe` | a model's answer on one patient's encrypted values; see its patent terms before `tfhe` is built |
//! | `study` | `study` | research on encrypted records: paid for, opened with noise, certified; `parquet` reads such tables |
//! | `federate` | `federate` | sums and models of many sites, clipped, added up under a committee, released with noise |
//!
//! # A service that keeps records
//! ```
//! use mediveil::seal::identity::{Identity, IdentityKind};
//!
//! let patient = Identity::generate(IdentityKind::Hybrid, &mut mediveil::rng())?;
//! let provider = Identity::generate(IdentityKind::P256, &mut mediveil::rng())?;
//! let sealed = mediveil::seal_for(b"HbA1c 6.4 %", &[patient.public(), provider.public()])?;
//! let record = mediveil::open_with(&sealed, &[&provider])?;
//! assert_eq!(*record, b"HbA1c 6.4 %");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing here has been audited.

pub use mediveil_codec as codec;
pub use mediveil_codec::Timestamp;
pub use mediveil_rng::system as rng;
pub use mediveil_seal as seal;

#[cfg(feature = "abe")]
pub use mediveil_abe as abe;
#[cfg(feature = "zk")]
pub use mediveil_circuits as circuits;
#[cfg(feature = "dp")]
pub use mediveil_dp as dp;
#[cfg(feature = "federate")]
pub use mediveil_federate as federate;
#[cfg(feature = "fhe")]
pub use mediveil_fhe as fhe;
#[cfg(feature = "ledger")]
pub use mediveil_ledger as ledger;
#[cfg(feature = "record")]
pub use mediveil_record as record;
#[cfg(feature = "study")]
pub use mediveil_study as study;
#[cfg(feature = "threshold")]
pub use mediveil_threshold as threshold;
#[cfg(feature = "zk")]
pub use mediveil_zk as zk;

use mediveil_seal::{OpenError, Opener, Plaintext, Recipient, SealError, Sealer};

/// Seals `plaintext` for these recipients under the default suite, with the system's randomness.
///
/// # Errors
/// [`SealError`] for recipients that cannot be sealed for, none or too many of them.
pub fn seal_for<R: Recipient>(plaintext: &[u8], recipients: &[R]) -> Result<Vec<u8>, SealError> {
    recipients.iter().fold(Sealer::new(), |sealer, to| sealer.to(to)).seal(plaintext, &mut rng())
}

/// Opens a sealed file with whichever of these keys fits. The plaintext is wiped when dropped.
///
/// # Errors
/// [`OpenError::NoDoor`] if no key fits; [`OpenError::Tampered`] for any change anywhere; [`OpenError::Malformed`] if it is
/// no sealed file.
pub fn open_with(sealed: &[u8], keys: &[&dyn Opener]) -> Result<Plaintext, OpenError> {
    mediveil_seal::open(sealed, keys).map(|opened| opened.plaintext)
}
