//! An append-only log that cannot be rewritten unseen.
//!
//! Everything that happens to a record is an [`Entry`] of a [`Log`]. The entries are the leaves of a Merkle tree
//! (RFC 9162 §2.1, SHA-256), so the log's whole content is named by 32 bytes, its root. A [`SignedHead`] binds the log's
//! operator to one root. From then on anyone who keeps the head, a few hundred bytes, can find out
//!
//! * that an entry is in the log: [`InclusionProof`], [`Evidence`];
//! * that the log of today extends the log of then: [`ConsistencyProof`], [`Head::compare`];
//! * that the file was edited, cut, reordered, rolled back to an older copy, or forked: [`Log::verify_all`],
//!   [`Log::check_against`].
//!
//! Proofs cost O(log n) in time and bytes, and are verified from files alone.
//!
//! # What is trusted
//! SHA-256 is collision-resistant and ECDSA P-256 unforgeable. The file and whoever can write it are *not* trusted to be
//! honest: what they change is found by anyone who holds an earlier head. Nothing is found without one: an operator who
//! shows a rewritten log only to people without a head deceives them, so give heads to those whom the log concerns, and
//! let them compare. The log does not judge what an entry says, nor its time; see [`Entry`].
//!
//! # Durability
//! An append returns after SQLite has written it through to the disk (`synchronous=FULL`), or PostgreSQL, behind the feature
//! `postgres` (`synchronous_commit=on`); after a crash at any moment
//! every entry that was reported is there, and none is there in part. See [`Log::append`] and [`Log::transaction`].
//!
//! ```
//! use mediveil_codec::Timestamp;
//! use mediveil_ledger::{Actor, Entry, Event, Log};
//! use mediveil_seal::identity::SigningKey;
//!
//! let dir = tempfile::tempdir()?;
//! let mut rng = mediveil_rng::SeededRng::from_u64(1);
//! let (operator, doctor) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
//! let now: Timestamp = "2027-01-31T08:00:00Z".parse()?;
//!
//! let log = Log::create(dir.path().join("events.log"), &mut rng)?;
//! let sealed = Entry::new(now, Actor::of(&doctor.verifying_key()), Event::Sealed { file: [7; 32], doors: 2 });
//! let appended = log.append(&sealed)?;
//!
//! // The operator signs; anyone with the operator's public key can check one entry, without the log.
//! let head = log.head(now, &operator)?;
//! let evidence = log.evidence(appended.index, &head)?;
//! let (index, bytes, _) = evidence.verify(&operator.verifying_key())?;
//! assert_eq!((index, bytes), (0, log.entry(0)?.bytes.as_slice()));
//! log.verify_all()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod entry;
mod error;
mod event;
pub mod fhir;
mod follow;
mod head;
mod log;
mod proof;
mod store;
mod sync;
mod tree;
mod tx;
mod verify;

#[cfg(feature = "postgres")]
pub use ::postgres;
pub use entry::{Actor, Entry, Subject, SubjectSalt, UniqueKey};
pub use error::{Damage, LogError};
pub use event::{Event, KeyChange, Label, LabelError, TooLong, UnknownEvent};
pub use follow::Follow;
pub use head::{Checkpoint, Head, HeadError, LogId, Relation, SignedHead};
pub use log::{Entries, Log, Options, Record};
pub use proof::{ConsistencyProof, Evidence, EvidenceError, InclusionProof, ProofError};
pub use rusqlite;
pub use store::{Db, Row, Value};
pub use tree::{Hash, MAX_SIZE};
pub use tx::{Appended, Tx};
pub use verify::Verified;
