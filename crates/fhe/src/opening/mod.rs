//! How a quorum opens numbers, and nothing beside them.
//!
//! A [`Request`] fixes everything: key, [`Epoch`] (the quorum and its number), purpose (the permit, query or log entry it
//! rests on), ciphertexts, and what of them is opened. Each member of the quorum makes its request itself, from the plan
//! and its own evaluation, and answers with [`MemberKey::decrypt`](crate::MemberKey::decrypt); [`combine`] adds the parts up.
//!
//! **One number.** The sum of all slots is n times the constant coefficient, so [`Opening::SlotSum`] extracts the LWE
//! sample of that coefficient, and a member's part is one inner product of length n for each prime. No partial sum of other
//! slots is in any message, and no Galois keys exist. [`Opening::Slots`] multiplies with a public mask first, which sets all
//! other slots to zero, and opens the n coefficients that are left.
//!
//! **Smudging.** Each member multiplies its share with its Lagrange weight first and adds, by itself, uniform noise of at
//! least 2^λ times the coefficients released times the noise bound (λ is in the committee's terms): what its part reveals
//! about ciphertext noise, and through that about the secret, is below 2^-λ for the whole request.
//!
//! **No second try.** Two parts of one member for the same ciphertext, under fresh smudging or other Lagrange weights, give
//! the secret away bit by bit (eprint 2025/409, 2026/031). So [`MemberKey::decrypt`](crate::MemberKey::decrypt) is the only way to a part, it claims
//! ciphertexts, purpose and epoch in a [`PartialStore`] before it computes, stores the part before it returns it, and
//! returns what is stored: a retry gets the same bytes, whatever generator or noise it comes with. A missing member so
//! burns the request; a new quorum is a new epoch, and reopens nothing.
//!
//! **Noise for privacy.** The caller's integers are added inside the part, in units of what is released (for a slot sum,
//! multiples of n^-1 mod t), before it leaves the member: exact values exist nowhere.
//!
//! # Assumptions
//! Parts are semi-honest: a wrong one by a small offset is not found, and nobody can be named for it. Garbage shows in the
//! residual noise, except with probability 2^-20 a number. The store keeps what it was given; a store restored from a
//! backup is a second try.

mod combine;
mod decrypt;
mod record;
mod request;
pub(crate) mod share;
mod store;

pub use combine::combine;
pub use decrypt::PartialDecryption;
pub use record::OpeningRecord;
pub use request::{Epoch, Opening, Request};
pub use store::{DirectoryStore, MemoryStore, PartialStore};

use crate::ciphertext::CiphertextError;
use crate::evaluate::EvaluateError;
use crate::noise::BudgetExceeded;
use crate::ring::RingError;

/// Any error, for sources of noise that can fail.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why nothing was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A ciphertext is of another key.
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// The noise leaves no room for the smudging.
    #[error(transparent)]
    Budget(#[from] BudgetExceeded),
    /// The request makes no sense.
    #[error("{0}")]
    Request(&'static str),
    /// This member is not in the quorum, or the share or the identity is not that of the member.
    #[error("this member, share and identity do not belong to the quorum of the request")]
    NotInQuorum,
    /// The ciphertext, the purpose or the number of the epoch was used in another request. It is spent.
    #[error("{0} was used in another request and cannot be opened again")]
    Spent(&'static str),
    /// The noise for privacy has another length than what is opened, or does not fit the plaintext modulus.
    #[error("the noise must be {expected} integers within the plaintext modulus")]
    Noise {
        /// Integers expected.
        expected: usize,
    },
    /// The caller's source of noise failed; nothing was sent, and only the same request can be tried again.
    #[error("no noise for privacy could be drawn: {0}")]
    NoiseSource(#[source] BoxError),
    /// The store failed; nothing was sent.
    #[error("the store of partial decryptions failed: {0}")]
    Store(#[from] std::io::Error),
    /// What the store holds is not this member's part: it was damaged.
    #[error("the stored partial decryption is damaged; restore nothing over it, the request is burnt")]
    Damaged,
    /// Parts are missing. The quorum is fixed: nobody else can stand in.
    #[error("no partial decryption from members {members:?}; nobody else can stand in for them")]
    Missing {
        /// Who is missing.
        members: Vec<u32>,
    },
    /// A part is of another request, not signed by its member, or of the wrong shape.
    #[error("the partial decryption of member {member} is not a part of this request")]
    Part {
        /// Who sent it.
        member: u32,
    },
    /// The parts do not add up to a number: at least one of them is wrong. Who, is not known.
    #[error("the parts do not add up: at least one of them is wrong")]
    Garbage,
    /// See [`RingError`].
    #[error(transparent)]
    Ring(#[from] RingError),
    /// See [`EvaluateError`].
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}
