//! What can go wrong, and what to do about it. Nothing of a patient is in any of it.

use crate::contribution::Contributor;
use mediveil_codec::DecodeError;
use mediveil_dp::{AmountError, MechanismError, Refused, Rho, SensitivityError};
use mediveil_fhe::vector::VectorError;
use mediveil_ledger::LogError;

/// Why there is no such federation. Nothing exists yet, and nothing was spent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A part makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
    /// A site's entry can leave its declared bits.
    #[error(
        "an entry of one site could reach {reach} and {bits} bits hold {limit}: declare more bits, fewer patients a site, or \
         a coarser grid"
    )]
    Range {
        /// The largest magnitude.
        reach: u64,
        /// Declared bits.
        bits: u32,
        /// What they hold.
        limit: u64,
    },
    /// The rounds cost more than the budget.
    #[error("{rounds} rounds at rho {each} cost more than the budget of rho {cap}")]
    Budget {
        /// How many rounds.
        rounds: u32,
        /// What each costs.
        each: Rho,
        /// What there is.
        cap: Rho,
    },
    /// The sums do not fit the ring.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// The noise cannot be made.
    #[error(transparent)]
    Mechanism(#[from] MechanismError),
    /// The sensitivity is too large.
    #[error(transparent)]
    Sensitivity(#[from] SensitivityError),
    /// An amount that is none.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The task cannot be read or makes no sense.
    #[error("the task makes no sense: {0}")]
    Task(String),
}

/// Why a site's vectors are not added up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorRefused {
    /// NaN or infinite.
    #[error("a vector has an entry that is not a finite number")]
    NotANumber,
    /// Another length than the federation's.
    #[error("a vector has {found} entries, and the federation's have {expected}")]
    Length {
        /// Entries found.
        found: usize,
        /// Entries expected.
        expected: usize,
    },
    /// More vectors than were declared.
    #[error("more vectors than the {limit} that a site was declared to have")]
    TooMany {
        /// How many were declared.
        limit: u32,
    },
    /// A sum that no clipped vectors can have.
    #[error("the sum is longer or larger than that of the declared number of clipped vectors")]
    Clip,
}

/// Why a step of a round is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FederateError {
    /// The terms make no federation.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The vectors of a site.
    #[error(transparent)]
    Vector(#[from] VectorRefused),
    /// The budget refuses, or the log it lives in.
    #[error(transparent)]
    Budget(#[from] Refused),
    /// The budget is of another federation.
    #[error("the budget is of another federation or in another log")]
    OtherBudget,
    /// There is no such round.
    #[error("the federation has {rounds} rounds, and this is none of them")]
    NoRound {
        /// How many there are.
        rounds: u32,
    },
    /// The round has not begun.
    #[error("round {number} has not begun: the log does not have it, or no debit for it")]
    NotBegun {
        /// Which.
        number: u32,
    },
    /// The round stands in the log with another state of the model.
    #[error("round {number} began with another state of the model; a round never changes")]
    OtherRound {
        /// Which.
        number: u32,
    },
    /// It was released before.
    #[error("the round was released before: its sum is in the budget, and nothing is opened again")]
    Released,
    /// Closed before; nothing can be added.
    #[error("the round is closed: what is not counted now is never counted")]
    Closed,
    /// Not closed yet.
    #[error("the round is not closed: the log does not say yet what is counted")]
    NotClosed,
    /// Closed over another set.
    #[error("the round was closed over other contributions; there is one closing, and it is never exchanged")]
    OtherClosing,
    /// The identity is not one of the federation's.
    #[error("this identity is not {0} of the federation")]
    NotOne(&'static str),
    /// A second contribution.
    #[error("{contributor} has contributed something else to this round already; everybody contributes once")]
    Twice {
        /// Who.
        contributor: Contributor,
    },
    /// A contribution to another round or federation.
    #[error("the contribution of {contributor} belongs to another round or federation")]
    Foreign {
        /// Who.
        contributor: Contributor,
    },
    /// Not signed by who it names.
    #[error("the contribution of {contributor} is not signed by it")]
    Signature {
        /// Who.
        contributor: Contributor,
    },
    /// Not what the log has.
    #[error("the contribution of {contributor} is not the one that the log has of it")]
    Uncommitted {
        /// Who.
        contributor: Contributor,
    },
    /// The vector is not the one that was signed.
    #[error("the vector of {contributor} is damaged or was exchanged")]
    Damaged {
        /// Who.
        contributor: Contributor,
    },
    /// The shares do not open or do not fit.
    #[error("the key share of {contributor} does not open or does not fit: close the round without it")]
    Share {
        /// Who.
        contributor: Contributor,
    },
    /// Too few contributions to close over.
    #[error("{found} {what} contributed, and {needed} are needed")]
    TooFew {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: u32,
        /// How many are needed.
        needed: u32,
    },
    /// A contribution that is counted is not at hand.
    #[error("the contribution of {contributor} is counted and is not here")]
    Missing {
        /// Whose.
        contributor: Contributor,
    },
    /// A member's sum that is none of this round.
    #[error("what member {member} sent is not its signed sum for this closing")]
    Part {
        /// Who sent it.
        member: u32,
    },
    /// The member answered for another set.
    #[error("this member has answered for another set of contributions in this round, and answers once")]
    Spent,
    /// What the store holds is not this member's part.
    #[error("the stored answer is damaged; restore nothing over it")]
    StoreDamaged,
    /// The sum does not open.
    #[error(transparent)]
    Open(#[from] VectorError),
    /// A key share cannot be sealed.
    #[error("a key share could not be sealed to member {member}")]
    Seal {
        /// To whom.
        member: u32,
    },
    /// The model cannot be read or is of another task.
    #[error("{0}")]
    Model(&'static str),
    /// The noise failed.
    #[error(transparent)]
    Noise(#[from] MechanismError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file or the store failed; nothing was sent.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}
