//! Aggregates over encrypted columns: hospitals encrypt, an untrusted server computes, a committee opens one number.
//!
//! Columns are packed into the slots of BFV ciphertexts (Fan and Vercauteren, eprint 2012/144; `fhe` and `fhe-math` beneath):
//! thousands of rows are added or multiplied at once, exactly, modulo a prime t of up to 60 bits. The key belongs to a
//! committee: [`ceremony`] makes it without a dealer, and [`opening`] lets a quorum open one number of a ciphertext, with
//! noise inside, once.
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use mediveil_fhe::opening::{Epoch, MemoryStore, Opening, Request, combine};
//! use mediveil_fhe::{Bounds, Evaluator};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut rng = mediveil_rng::SeededRng::from_u64(1);
//! # let parameters = mediveil_fhe::Parameters::insecure_for_tests(64, 30, 6)?;
//! # let (key, members) = mediveil_fhe::testing::committee(&parameters, 3, 2, &mut rng);
//! // A site encrypts a flag and a value for each of its rows.
//! let diabetic = key.encrypt_block(&[Some(1), Some(0), None, Some(1)], Bounds::FLAG, &mut rng)?;
//! let hba1c = key.encrypt_block(&[Some(71), Some(54), Some(60), Some(80)], Bounds { min: 0, max: 200 }, &mut rng)?;
//!
//! // The server multiplies and adds.
//! let server = Evaluator::new(&key)?;
//! let sum = server.multiply(&diabetic.values, &hba1c.values)?;
//!
//! // Two of three members open the sum over all slots, each with noise of its own.
//! let epoch = Epoch::new(&key, 1, &[1, 3])?;
//! let request = Request::new(&key, &epoch, [7; 32], vec![sum], Opening::SlotSum)?;
//! let mut parts = Vec::new();
//! for (member, identity) in members.iter().filter(|(m, _)| epoch.quorum().contains(&m.member())) {
//!     let noise = |numbers| Ok(vec![i64::from(member.member()); numbers]);
//!     parts.push(member.decrypt(&request, identity, noise, &mut MemoryStore::new(), &mut rng)?);
//! }
//! assert_eq!(combine(&request, &parts)?, [71 + 80 + 1 + 3]);
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `parameters`, `security` | parameter sets by need, and what current tables say of them |
//! | `noise` | exact worst-case bounds on noise: the proof that a plan decrypts |
//! | `slots`, `column` | numbers in slots, columns in blocks, validity |
//! | `evaluate` | add, multiply, not, or, sum over blocks on all threads |
//! | `key`, `member`, [`ceremony`] | a committee's keys and how they are made |
//! | [`opening`] | partial decryption, once, and its store |
//! | [`vector`] | sums of long vectors under one-time keys that add up, shared to a committee |
//! | [`program`] | another tool for another job: a risk score or a tree on one patient's encrypted values |
//!
//! # Assumptions
//! Ring-LWE at 128 bits by the tables in [`SecurityEstimate`]. Sites are semi-honest about their values: there are no range
//! proofs, and a ciphertext that was not made by encryption can make an opening reveal parts of the secret. The server
//! learns nothing. Fewer than a quorum learn nothing; a quorum can open everything. Parts are
//! semi-honest. A ciphertext hides what it holds, not how it was computed: open only what members have evaluated themselves.

pub mod ceremony;
mod ciphertext;
mod column;
mod compat;
mod evaluate;
mod key;
mod member;
mod noise;
pub mod opening;
mod parameters;
pub mod program;
mod ring;
mod security;
mod shamir;
mod slots;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod vector;

pub use ciphertext::{Ciphertext, CiphertextError, EncodedCiphertext};
pub use column::{Block, Bounds, EncryptError};
pub use evaluate::{EvaluateError, Evaluator};
pub use key::{CommitteeKey, KeyId, Terms};
pub use member::MemberKey;
pub use noise::{BudgetExceeded, GARBAGE_BITS, Noise, NoiseModel, OpeningBudget};
pub use parameters::{Need, ParameterError, Parameters};
pub use ring::RingError;
pub use security::{SecretDistribution, SecurityEstimate};
