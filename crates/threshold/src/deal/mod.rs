//! The key protocol: joint Feldman dealing (Pedersen, EUROCRYPT '91; Feldman, FOCS '87) with encrypted shares, public
//! complaints and an agreed end; and the same protocol over the shares of an existing key, which is a refresh or a
//! resharing (Desmedt and Jajodia 1997; Herzberg, Jarecki, Krawczyk, Yung, CRYPTO '95).
//!
//! | round | message | what a member says |
//! |---|---|---|
//! | 0 | [`round0::Package`] | my encryption key for this epoch, with a proof that I know its secret |
//! | 1 | [`round1::Package`] | commitments to my polynomial, and its values encrypted to those who enrolled |
//! | 2 | [`round2::Package`] | the dealers who cheated me, each with the Diffie-Hellman value that proves it |
//!
//! After each round the convenor signs a [`CutOff`]. What counts is what it lists, so all who hold the same cut-offs come
//! to the same [`Outcome`]: key, accusations and transcript hash.
//!
//! The public part is one chain of values, the same for a member, the convenor and an auditor:
//! [`Plan`] -> [`Enrolments`] -> [`Dealings`] -> [`Outcome`]. A member's only secret along the way is [`Enrolled`], which
//! can be saved; everything else is read from the board again. So a member who loses its share within the epoch gets it
//! back from that and the [`Transcript`].
//!
//! ```
//! use mediveil_threshold::{Committee, deal::{Board, CutOff, Enrolled, Plan}};
//! use mediveil_seal::identity::{Identity, IdentityKind};
//! use mediveil_codec::Timestamp;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut rng = mediveil_rng::system();
//! let now = Timestamp::now();
//! let people = (0..3).map(|_| Identity::generate(IdentityKind::P256, &mut rng)).collect::<Result<Vec<_>, _>>()?;
//! let convenor = &people[0];
//! let members = people.iter().map(|p| p.public().clone()).collect();
//! let committee = Committee::new("demo", 2, members, *convenor.public().verifying_key(), &mut rng)?;
//! let plan = Plan::generate(committee);
//!
//! // Round 0: everybody enrols.
//! let mut states = Vec::new();
//! let mut messages = Vec::new();
//! for person in &people {
//!     let (state, message) = Enrolled::start(&plan, person, &mut rng)?;
//!     states.push(state);
//!     messages.push(message);
//! }
//! let cut_off = CutOff::close(&plan, &messages, now, convenor)?;
//! let enrolments = plan.enrolments(&Board::new(&cut_off, &messages))?;
//!
//! // Round 1: everybody deals.
//! let messages = people.iter().map(|p| enrolments.deal(p, None, &mut rng)).collect::<Result<Vec<_>, _>>()?;
//! let cut_off = CutOff::close(&plan, &messages, now, convenor)?;
//! let dealings = enrolments.dealings(&Board::new(&cut_off, &messages))?;
//!
//! // Round 2: everybody checks its shares.
//! let mut checked = Vec::new();
//! let mut messages = Vec::new();
//! for (state, person) in states.iter().zip(&people) {
//!     let (shares, message) = dealings.check(state, person, &mut rng)?;
//!     checked.push(shares);
//!     messages.push(message);
//! }
//! let cut_off = CutOff::close(&plan, &messages, now, convenor)?;
//! let outcome = dealings.outcome(&Board::new(&cut_off, &messages))?;
//! assert!(outcome.accusations.is_empty());
//! for shares in checked {
//!     assert!(outcome.key_share(shares)?.belongs_to(&outcome.set));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises, and to whom
//! With at most `needed - 1` malicious members who may do anything, and rush: the honest agree on key and transcript; each
//! honest member who enrolled gets a right share; no honest member is accused; the malicious learn of the secret what the
//! public key tells. Honest members are identified by their signatures, under the unforgeability of ECDSA P-256; shares
//! are hidden under gap Diffie-Hellman in G1 in the random-oracle model. The key can be biased (see
//! [`PublicKey`](crate::PublicKey)): it is for encryption and never for randomness.
//!
//! # Points outside the group
//! A dealing's commitments are decoded to points of the curve; whether they lie in G1 is settled by the sum over the
//! dealers who count, point by point and exactly. Every other check is an equation between exact sums, so the shares fit
//! whatever the sum is; and if the sum lies in G1, parts outside it have cancelled and are gone. If it does not, each
//! dealing is looked at, and those with points outside are out. There is no chance in it, where a randomly weighted sum
//! would miss a part of order 3 once in three times, and members could come to different ends.

mod cut_off;
mod outcome;
mod plan;
pub mod round0;
pub mod round1;
pub mod round2;
mod transcript;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::damage;

pub use cut_off::{Board, CutOff, Entry, Message};
pub use outcome::{Checked, Outcome};
pub use plan::{Plan, Session};
pub use round0::{Enrolled, Enrolments};
pub use round1::Dealings;
pub use transcript::Transcript;
