//! Sealed files: one content key, many doors; P-256 identities; key rings with rotation and crypto-erasure.
//!
//! A record is sealed once, under a random content key, for any number of readers. Each reader has a *door*: a
//! [`Recipient`] wraps the content key into a [`Stanza`], an [`Opener`] gets it out again. This crate has doors for
//! P-256 and post-quantum HPKE keys and for passphrases; other crates add policies and committees by the same two traits.
//!
//! ```
//! use mediveil_seal::{Passphrase, Rewrap, Sealer, open, identity::{SealingKem, SealingKey}};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut rng = mediveil_rng::system();
//! let patient = SealingKey::generate(SealingKem::P256, &mut rng);
//! let provider = SealingKey::generate(SealingKem::XWing, &mut rng);
//!
//! // Seal for the patient and for a passphrase on paper.
//! let paper = Passphrase::new("seven llamas hum");
//! let sealed = Sealer::new().to(&patient.public()).to(&paper).seal(b"record", &mut rng)?;
//! assert_eq!(*open(&sealed, &[&patient])?.plaintext, b"record");
//! assert!(open(&sealed, &[&provider]).is_err());
//!
//! // Later the provider gets a door. The segments do not change.
//! let mut shared = Vec::new();
//! Rewrap::new().to(&provider.public()).run(&mut sealed.as_slice(), &mut shared, &[&patient], &mut rng)?;
//! assert_eq!(*open(&shared, &[&provider])?.plaintext, b"record");
//! # Ok(())
//! # }
//! ```
//!
//! # Assumptions
//! Confidentiality and integrity of a file rest on the AEAD of its suite, on HKDF-SHA256 as a random oracle, and on each
//! door's own assumption; they hold against anybody without a content key. Whoever can open a file can also write one
//! that the same readers accept: only the optional author signature tells who wrote it. The layout, and what it reveals,
//! is in [`mod@file`].

mod atomic;
mod content_key;
mod crypto;
mod door;
mod doors;
pub mod file;
pub mod identity;
pub mod ring;

pub use atomic::{AtomicFile, AtomicOptions};
pub use content_key::ContentKey;
pub use crypto::Suite;
pub use door::{Context, DoorKind, Opener, Opening, Recipient, Refusal, RefusalReason, Stanza, WrapError};
pub use doors::{Hinted, Passphrase};
pub use file::{
    CoreHeader, DoorInfo, Doors, Inspection, MAX_CONTEXT, MAX_DOORS, OpenError, OpenReader, Opened, Plaintext, Rewrap,
    RewrapError, SEGMENT_LEN, SealError, SealWriter, Sealer, SeekReader, inspect, open, open_into, read_doors,
};
