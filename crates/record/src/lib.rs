//! FHIR R4 records as cryptography needs them: one byte string, one digest, typed leaves, one commitment.
//!
//! ```text
//! FHIR JSON --parse--> Record of Resources --canonical--> bytes --SHA-256--> Digest
//!                                     \----leaves--> (path, value) --salt, Poseidon--> Commitment
//! ```
//!
//! - [`Record::parse`] reads a resource or a Bundle strictly (RFC 8259, I-JSON RFC 7493) and within [`Limits`].
//! - [`Resource::canonical`] is RFC 8785 with FHIR's number lexemes ([`canonical`]): 7.10 is not 7.1.
//! - [`Resource::commit`] commits to the resource's typed leaves ([`leaf`]) with circomlib-compatible Poseidon over BN254
//!   ([`poseidon`], [`merkle`]), so that circuits can prove statements about them; [`CommittedResource::open`] opens one.
//!
//! ```
//! use mediveil_record::{Limits, RecordSecret, Record};
//!
//! let json = br#"{"resourceType": "Observation", "status": "final",
//!     "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
//!     "effectiveDateTime": "2026-11-21T03:40:00+01:00", "valueQuantity": {"value": 7.10, "unit": "%"}}"#;
//! let record = Record::parse(json, &Limits::default())?;
//! let secret = RecordSecret::generate(&mut mediveil_rng::system());
//! let committed = record.commit(&secret)?;
//!
//! // The holder publishes the commitment and later opens one value of it ...
//! let commitment = committed[0].commitment();
//! let opening = committed[0].open("valueQuantity.value").ok_or("no such value")?;
//! // ... which anyone can check; everything else stays hidden.
//! let leaf = commitment.verify(&opening)?;
//! assert_eq!((leaf.path.as_str(), leaf.value.to_string().as_str()), ("valueQuantity.value", "7.10"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod canonical;
mod commitment;
mod decimal;
pub mod field;
pub mod json;
pub mod leaf;
mod limits;
pub mod merkle;
pub mod path;
pub mod poseidon;
mod record;
mod secret;
mod time;

pub use canonical::{CanonicalBytes, Digest, NotADouble};
pub use commitment::{Commitment, CommittedResource, DEPTH, LeafOpening, MAX_LEAVES, NotInCommitment, TooManyLeaves};
pub use decimal::Decimal;
pub use leaf::{Leaf, LeafKind, LeafValue};
pub use limits::Limits;
pub use record::{BundleType, Record, RecordError, Resource};
pub use secret::RecordSecret;
pub use time::{Date, DateTime};

/// The scalar field of BN254, of which commitments are elements.
pub use ark_bn254::Fr;
