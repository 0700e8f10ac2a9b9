//! Sums of long vectors under one-time keys that add up.
//!
//! Each contributor encrypts one vector under a secret of its own, `b_j = a_j s + T e_j + m_j` for public random `a_j` that everybody
//! derives from one seed, and uploads only the `b_j`. The ciphertexts of several contributors add up to one under the sum of
//! their secrets. The secret is Shamir-shared among a committee; members add up the shares of those who are to be counted
//! and show only that; from `needed` such sums anybody finds the sum of the secrets and opens the sum of the vectors, and
//! nothing else. No key is made beforehand, and nothing lasts beyond the sum.
//!
//! This is the family of Bell, Gascón, Lepoint, Li, Meiklejohn, Raykova and Yun (*ACORN*, eprint 2022/1461), of LERNA (eprint
//! 2023/1936) and Willow (eprint 2024/936), with a committee that holds Shamir shares instead of pairwise masks, and
//! messages in the low bits (T is a power of two, the modulus is odd). Each coefficient carries several fields.
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use mediveil_fhe::vector::{OneTimeKey, ShareSum, VectorNeed, VectorParameters, VectorSum};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut rng = mediveil_rng::SeededRng::from_u64(1);
//! let need = VectorNeed { entries: 5, contributors: 2, largest: 2_000 };
//! # let parameters = VectorParameters::insecure_for_tests(16, &need)?;
//! let seed = [7; 32]; // of this one sum, never of another
//! let mut sum = VectorSum::new(&parameters);
//! let mut dealt = Vec::new();
//! for vector in [[1, -2, 3, -4, 1000], [10, 20, -30, 40, 1000]] {
//!     let key = OneTimeKey::generate(&parameters, &mut rng);
//!     dealt.push(key.share(2, 3, &mut rng)?);
//!     sum.add(&key.encrypt(&seed, &vector, &mut rng)?)?;
//! }
//! // Members 1 and 3 add up what they hold.
//! let shown = |m: usize| ShareSum::of(dealt.iter().filter_map(|shares| shares.get(m)));
//! let opened = sum.open(&seed, 2, &[shown(0)?, shown(2)?])?;
//! assert_eq!(opened.values, [11, 18, -27, 36, 2000]);
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```
//!
//! # Assumptions
//! Ring-LWE with hints. Opening reveals the sum of the secrets and, in the residual noise, the sum of the errors. Given the sum with
//! *one* other honest contributor, a secret or error is still distributed with about half its variance around half the
//! sum (the reduction of Hint-RLWE to RLWE: Kim, Lee, Seo, Song, *Toward Practical Lattice-based Proof of Knowledge from
//! Hint-MLWE*, eprint 2023/623; used so in ACORN §4). Secrets and errors are drawn with variance 22, so that at least 10.2, what
//! the tables assume for a standard deviation of 3.19, remains: for centred binomials v (1 - 1/8v) / 2 = 10.9 on average.
//! What one honest contributor needs is therefore another honest one in every sum that is opened.
//!
//! Shares hide a secret perfectly from fewer than `needed`. A member that showed its sums over two different sets for one
//! seed would reveal a difference: callers must have each member answer once a seed. Contributors are semi-honest:
//! one that deals shares that do not fit, or encrypts beyond its bounds, spoils the sum, which shows, but nobody can be
//! named for it. A wrong share sum shows as garbage and is named where others make up for it.

mod key;
mod parameters;
mod sum;

pub use key::{EncryptedVector, KeyShare, OneTimeKey};
pub use parameters::{VectorNeed, VectorParameters};
pub use sum::{OpenedVector, ShareSum, VectorSum};

use crate::ring::RingError;

/// Why a vector is not encrypted, added or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// Something of the need is out of range.
    #[error("{0}")]
    Need(&'static str),
    /// A sum does not fit one coefficient.
    #[error("a sum takes {needed} bits and a coefficient has room for {available} with {contributors} contributors")]
    TooWide {
        /// Bits of a field, its sign included.
        needed: u32,
        /// Bits of a coefficient.
        available: u32,
        /// How many contributors there may be.
        contributors: u32,
    },
    /// The vector has another length than planned.
    #[error("the vector has {found} entries, and {expected} were planned")]
    Length {
        /// Entries found.
        found: usize,
        /// Entries planned.
        expected: usize,
    },
    /// A value beyond what was planned.
    #[error("a value is over the largest that was planned")]
    Range,
    /// Shares or ciphertexts of another ring or shape.
    #[error("this belongs to another ring, or to vectors of another length")]
    Foreign,
    /// More contributors than planned.
    #[error("more contributors than the {limit} that were planned")]
    TooMany {
        /// How many were planned.
        limit: u32,
    },
    /// The committee makes no sense.
    #[error("a committee has 1 to 64 members, of whom at least one is needed")]
    Committee,
    /// Not enough share sums.
    #[error("{found} members have shown their sums, and {needed} are needed")]
    TooFew {
        /// How many there are.
        found: u32,
        /// How many are needed.
        needed: u32,
    },
    /// Two share sums of one member.
    #[error("member {member} has shown two sums")]
    Twice {
        /// Which member.
        member: u32,
    },
    /// What comes out is no sum of vectors: share sums, shares or ciphertexts are wrong.
    #[error("the sums do not open anything: a member's sum is wrong, or a contributor's shares or vector are")]
    Garbage,
    /// See [`RingError`].
    #[error(transparent)]
    Ring(#[from] RingError),
}
