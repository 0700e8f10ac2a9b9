//! Attribute-based encryption: access to a record by policy, with no server asked.
//!
//! A file is sealed under a policy such as `(role:cardiologist and site:A) or role:emergency`. Whoever holds a key with fitting
//! attributes opens it; the policy is enforced by the mathematics of the key, not by a check in the software.
//!
//! ```
//! use mediveil_abe::{AttributeSet, Authority, Granularity, Policy, PolicyRecipient, Schema};
//! use mediveil_seal::{ContentKey, Context, Opener, Opening, Recipient};
//! use mediveil_codec::Timestamp;
//!
//! let mut rng = mediveil_rng::system();
//! let now: Timestamp = "2026-11-21T08:00:00Z".parse()?;
//! let next_year: Timestamp = "2027-11-21".parse()?;
//!
//! // The hospital.
//! let schema = Schema::new().integer("clearance", 4)?;
//! let hospital = Authority::create("St. Anna", Granularity::Hours, schema, &mut rng)?;
//! let staff = AttributeSet::parse(["role:cardiologist", "site:A", "clearance=3"])?;
//! let key = hospital.grant(&staff, next_year, now, &mut rng)?;
//!
//! // Anyone who has the hospital's public parameters seals; here, one door of a file.
//! let policy = Policy::parse("(role:cardiologist and site:A and clearance >= 3) or role:emergency")?;
//! let recipient = PolicyRecipient::new(policy, hospital.parameters(), now)?;
//! let file = Context::new([7; 32], Vec::new());
//! let door = recipient.wrap(&ContentKey::generate(&mut rng), &file, &mut rng)?;
//! assert!(matches!(key.open_stanza(&door, &file), Opening::Opened(_)));
//!
//! let insurer = hospital.grant(&AttributeSet::parse(["role:insurer", "site:A"])?, next_year, now, &mut rng)?;
//! match insurer.open_stanza(&door, &file) {
//!     Opening::Refused(why) => assert_eq!(why.to_string(), "policy: the policy needs role:emergency"),
//!     _ => unreachable!(),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises, and on what
//!
//! - The scheme is FABEO (Riepel and Wee, CCS 2022) over BLS12-381, proved in the generic group model with a random
//!   oracle; the transformation of Fujisaki and Okamoto makes it secure against chosen ciphertexts. None of it resists a
//!   quantum computer.
//! - Two keys never combine: what neither of two colluding holders can open, both cannot.
//! - The authority can open everything sealed under it.
//! - Keys expire: a key that expired before a file was sealed does not open it. **Sealing with a date in the past defeats
//!   this, and nothing takes back what was read** ([`epoch`]).
//! - **The policy stands in the clear** in the file ([`door`]).
//! - There is no negation: say which values are allowed.
//!
//! The crate `rabe` appears in our benchmarks as a peer and nowhere else. It maps attributes to the group by a public
//! exponent, so it does not keep keys apart, and must not protect a record.
//!
//! # Where things are
//!
//! [`policy`] is the language, [`attribute`] how attributes are encoded, [`schema`] what an authority declares, [`authority`]
//! and [`key`] who holds what, [`epoch`] time, [`door`] the joint to sealed files, [`explain`] why a door stays shut. Private:
//! `access` (policy to gates), `lsss` (secret sharing), `scheme` (the algebra), `comb` (many multiplications at once), `kem`
//! (Fujisaki-Okamoto).

mod access;
pub mod attribute;
pub mod authority;
mod comb;
pub mod door;
pub mod epoch;
pub mod explain;
mod kem;
pub mod key;
mod lsss;
pub mod policy;
pub mod schema;
mod scheme;

#[cfg(test)]
mod below_the_check;

pub use access::{MAX_REPEATS, MAX_ROWS};
pub use attribute::{Attribute, AttributeError};
pub use authority::{Authority, AuthorityError, AuthorityId, PublicParameters};
pub use door::{PolicyDoor, PolicyRecipient};
pub use epoch::Granularity;
pub use key::AttributeKey;
pub use policy::{Comparison, Node, Number, Policy, PolicyError, Test};
pub use schema::{AttributeSet, NumberKind, Schema, SchemaError};
