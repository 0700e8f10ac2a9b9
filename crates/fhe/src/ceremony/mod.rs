//! How a committee makes its key: six broadcast rounds, all members online, no dealer.
//!
//! Each member draws a secret `s_i`; the committee's secret is their sum, which nobody ever holds. The public key is -a s + e
//! beside a common random a; the relinearisation key comes from the two-round protocol of Mouchet, Troncoso-Pastoriza,
//! Bossuat and Hubaux (*Multiparty Homomorphic Encryption from Ring-Learning-with-Errors*, eprint 2020/304, protocols 1
//! and 2). Each `s_i` is Shamir-shared in every ciphertext prime, so that any `needed` members can open (Mouchet, Bertrand
//! and Hubaux, *An Efficient Threshold Access-Structure for RLWE-Based Multiparty Homomorphic Encryption*, eprint
//! 2022/780).
//!
//! | round | state | sends |
//! |---|---|---|
//! | 1 | [`Begun`] | a nonce; all nonces make the common random polynomials, a distinct one for each use |
//! | 2 | [`Committed`] | a commitment to the shares of public key and relinearisation key (first part) |
//! | 3 | [`Revealed`] | those shares |
//! | 4 | [`Dealt`] | a commitment to the second part, and the dealings of `s_i`, sealed to each member's identity |
//! | 5 | [`Combined`] | the second part, and masked random combinations of the dealings |
//! | 6 | [`Tested`] | the digest of the keys, and a test decryption |
//!
//! Each message is signed and carries the hash of everything its sender has seen, so a member that tells different things
//! to different members is found one round later, before anything that depends on it is revealed. Nobody sees another's
//! share before being bound to their own: without that, a member that speaks last could steer the aggregate of round 3 and
//! read the others' secrets off round 5.
//!
//! A dealing is checked by revealing, for random weights from the transcript, the weighted sum of all its coefficients at
//! every member, masked by one more sharing of a random number: it must lie on a polynomial of degree below `needed`. Each
//! prime is checked often enough that a bad dealing passes with probability below 2^-128. That the dealt secrets are those
//! in the public key is what the test decryption shows; quorums that cover all members each open a known plaintext.
//!
//! A state is consumed by its next step and cannot be stored: a member that stops in the middle, or any error, ends the
//! ceremony, and the next one begins with fresh secrets and fresh polynomials.
//!
//! # Assumptions
//! Ring-LWE; SHA-256 as a random oracle; signatures and sealing of the members' identities. Fewer than `needed` members
//! learn nothing of the secret if all members follow the protocol, and nothing of another's `s_i` if they deviate in what the
//! checks cover; a malicious member can make the ceremony fail, and can add an error to the key that only it knows. There
//! are no zero-knowledge proofs of small shares.

mod message;
mod round;

pub use message::CeremonyMessage;
pub use round::{Begun, Combined, Committed, Dealt, Revealed, Tested};

use crate::key::Terms;
use crate::ring::RingError;
use mediveil_seal::identity::Identity;
use rand_core::CryptoRng;

/// Why the ceremony ended without a key. Begin again with [`begin`]; nothing of this one may be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The terms make no committee.
    #[error("{0}")]
    Terms(&'static str),
    /// The identity is not in the committee.
    #[error("this identity is not a member of the committee")]
    NotAMember,
    /// Messages are missing; all members must take part in each round.
    #[error("no message from members {members:?}; all members must be online")]
    Missing {
        /// Who is missing.
        members: Vec<u32>,
    },
    /// Two messages of one member, or one of another round.
    #[error("member {member} sent something else than this round's one message")]
    Unexpected {
        /// Who sent it.
        member: u32,
    },
    /// A signature does not verify.
    #[error("the message of member {member} is not signed by it")]
    Signature {
        /// Whose name is on the message.
        member: u32,
    },
    /// A member saw other messages in earlier rounds than we did: somebody told different things to different members, or
    /// the message is from another ceremony.
    #[error("member {member} saw other messages in earlier rounds: begin again, and compare who sent what to whom")]
    Transcript {
        /// Who saw them.
        member: u32,
    },
    /// What was revealed is not what was committed to.
    #[error("member {member} revealed something else than it had committed to")]
    Commitment {
        /// Who revealed it.
        member: u32,
    },
    /// The content of a message has the wrong shape, or its polynomials are not of the ring.
    #[error("the message of member {member} does not have the content of its round")]
    Malformed {
        /// Who sent it.
        member: u32,
    },
    /// A sealed dealing does not open.
    #[error("the dealing of member {dealer} to us does not open")]
    Sealed {
        /// Who dealt.
        dealer: u32,
    },
    /// The dealings of a member do not lie on one polynomial, or a member reported wrongly on them.
    #[error("the dealings of member {dealer} do not fit together, as its recipients report them")]
    Dealing {
        /// Who dealt.
        dealer: u32,
    },
    /// A member aggregated other keys than we did.
    #[error("member {member} has other keys than ours")]
    Keys {
        /// Who has them.
        member: u32,
    },
    /// A quorum did not open the test ciphertext: some dealt secret is not the one in the public key.
    #[error("the quorum {quorum:?} did not open the test ciphertext: begin again")]
    Test {
        /// The quorum that failed.
        quorum: Vec<u32>,
    },
    /// The parameters leave no room for the smudging of even a fresh ciphertext.
    #[error(transparent)]
    Budget(#[from] crate::noise::BudgetExceeded),
    /// A dealing could not be sealed.
    #[error("a dealing could not be sealed to member {recipient}")]
    Seal {
        /// For whom.
        recipient: u32,
    },
    /// See [`RingError`].
    #[error(transparent)]
    Ring(#[from] RingError),
}

impl CeremonyError {
    /// The members that the error points at. Not a proof: where a dealing fails, dealer or reporter may be at fault.
    #[must_use]
    pub fn culprits(&self) -> Vec<u32> {
        match self {
            Self::Missing { members } => members.clone(),
            Self::Unexpected { member }
            | Self::Signature { member }
            | Self::Transcript { member }
            | Self::Commitment { member }
            | Self::Malformed { member }
            | Self::Sealed { dealer: member }
            | Self::Dealing { dealer: member }
            | Self::Keys { member } => vec![*member],
            _ => Vec::new(),
        }
    }
}

/// Begins a ceremony as the member that `identity` is.
///
/// # Errors
/// [`CeremonyError::NotAMember`].
pub fn begin<'a>(
    terms: &Terms,
    identity: &'a Identity,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Begun<'a>, CeremonyMessage), CeremonyError> {
    Begun::new(terms, identity, rng)
}
