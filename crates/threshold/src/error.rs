//! What can go wrong in a protocol, who did it, and what proves it.

use crate::MemberId;
use std::fmt;

/// In which part somebody did something. In a resharing the dealers are members of the old committee and the receivers
/// of the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Culprit {
    /// Someone who dealt shares, by its number in the committee that deals.
    Dealer(MemberId),
    /// Someone who helps to repair a share.
    Helper(MemberId),
    /// Someone who receives shares, by its number in the committee that holds the key afterwards.
    Receiver(MemberId),
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dealer(id) => write!(f, "dealer {id}"),
            Self::Helper(id) => write!(f, "helper {id}"),
            Self::Receiver(id) => write!(f, "member {id}"),
        }
    }
}

/// What somebody did. Each is decided by the messages on the board alone, so that everybody who reads the same board
/// accuses the same members of the same things.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misdeed {
    /// Signed two different messages for one round.
    Equivocation,
    /// The proof for its encryption or ephemeral key does not hold: the key may be somebody else's.
    UnprovenKey,
    /// The proof for its commitment does not hold: it may be made of other members' (a rogue key).
    UnprovenConstant,
    /// The message answers another cut-off of the round before.
    OtherCutOff,
    /// The commitment has another number of coefficients than the committee needs members.
    WrongDegree {
        /// How many it has.
        found: usize,
        /// How many are needed.
        needed: u16,
    },
    /// The shares are not for the members who enrolled.
    WrongReceivers,
    /// A point of the commitment lies outside the group.
    OutsideGroup,
    /// The commitments in G1 and G2 are to different values.
    UnequalConstants,
    /// What it deals or splits is not its share of the key.
    NotItsShare,
    /// The share for this member does not decrypt, or does not fit the commitment.
    WrongShare {
        /// For whom it was.
        receiver: MemberId,
    },
    /// It complained of a share that is right, or could not prove the complaint.
    FalseComplaint {
        /// Of whom.
        dealer: MemberId,
    },
}

impl fmt::Display for Misdeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equivocation => f.write_str("signed two messages for one round"),
            Self::UnprovenKey => f.write_str("does not prove that it knows its key"),
            Self::UnprovenConstant => f.write_str("does not prove that it knows what it commits to"),
            Self::OtherCutOff => f.write_str("answers another cut-off"),
            Self::WrongDegree { found, needed } => {
                write!(f, "commits to {found} coefficients where {needed} members are needed")
            }
            Self::WrongReceivers => f.write_str("deals to others than those who enrolled"),
            Self::OutsideGroup => f.write_str("commits with points outside the group"),
            Self::UnequalConstants => f.write_str("commits to two different values"),
            Self::NotItsShare => f.write_str("deals something other than its share of the key"),
            Self::WrongShare { receiver } => write!(f, "dealt a wrong share to member {receiver}"),
            Self::FalseComplaint { dealer } => write!(f, "complained of member {dealer} without cause"),
        }
    }
}

/// Who did what. The proof is the messages on the board: whoever runs the protocol's public part over them
/// ([`Transcript::audit`](crate::deal::Transcript::audit)) comes to the same accusation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accusation {
    /// Who.
    pub culprit: Culprit,
    /// What.
    pub misdeed: Misdeed,
}

impl fmt::Display for Accusation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.culprit, self.misdeed)
    }
}

/// A protocol cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The identity is not a member of the committee that acts in this round.
    #[error("this identity is not a member of the committee")]
    NotAMember,
    /// The cut-off is for another session or round, has a wrong number of entries, or the convenor did not sign it.
    #[error("not a cut-off of this round by the committee's convenor: {0}")]
    CutOff(&'static str),
    /// The cut-off lists a message that is not there.
    #[error("the message of {0} that the cut-off lists is missing: fetch it")]
    Missing(Culprit),
    /// The message that the cut-off lists is there, and its signature does not verify.
    #[error("the copy of the message of {0} is damaged, its signature does not verify: fetch it again")]
    Damaged(Culprit),
    /// Too few honest members took part.
    #[error(
        "too few members took part honestly, {found} of the {needed} that are needed: start again without those accused or silent"
    )]
    TooFew {
        /// How many did.
        found: usize,
        /// How many must.
        needed: u16,
        /// Who misbehaved.
        accusations: Vec<Accusation>,
    },
    /// The secret state belongs to another session.
    #[error("this secret state belongs to another session")]
    OtherSession,
    /// The share belongs to another key, epoch or member.
    #[error("this share belongs to another key, epoch or member")]
    OtherShare,
    /// This member did not enrol in time and gets no share; it can be repaired later.
    #[error("this member is not among those who enrolled: have its share repaired")]
    NotEnrolled,
    /// This member did not get a right share from a dealer who counts, and did not complain in time.
    #[error("the share from dealer {0} is wrong and the time for complaints is over: have the share repaired")]
    Uncomplained(MemberId),
    /// The new committee would need fewer members than the old one.
    #[error("{wanted} needed is fewer than the {current} that hold the key now: a smaller threshold needs a new key")]
    Downgrade {
        /// How many are needed now.
        current: u16,
        /// How many were wanted.
        wanted: u16,
    },
    /// The old threshold that was given is not the one in the key set.
    #[error("the key set says that {current} members are needed, not {given}")]
    OldThreshold {
        /// What the key set says.
        current: u16,
        /// What was given.
        given: u16,
    },
    /// The new committee has another purpose.
    #[error("the key is for another purpose: a key keeps its purpose for life")]
    OtherPurpose,
    /// A commitment of the result is the identity, which honest randomness gives with probability 2^-255.
    #[error("the result is degenerate: start again")]
    Degenerate,
    /// A message belongs to another session.
    #[error("a message belongs to another session")]
    WrongSession,
    /// The helpers of a repair are not `needed` members other than the one whose share is lost.
    #[error("a repair needs exactly {needed} helpers, all of them members other than the one that asks")]
    Helpers {
        /// How many there must be.
        needed: u16,
    },
    /// A message answers another set of messages than those that are here: somebody shows different boards.
    #[error("the message of {0} answers other messages than those here: compare the boards")]
    OtherBoard(Culprit),
    /// Too few members answered a rehearsal rightly.
    #[error(
        "too few members answered rightly, {found} of the {needed} that are needed: have the shares of the others repaired"
    )]
    TooFewAnswers {
        /// How many did.
        found: usize,
        /// How many must.
        needed: u16,
        /// Who gave wrong answers.
        wrong: Vec<MemberId>,
    },
    /// A member did something that it proves itself by its message.
    #[error("{0}")]
    Misdeed(Accusation),
}

impl ProtocolError {
    /// The members whom this error proves guilty.
    #[must_use]
    pub fn culprits(&self) -> Vec<Culprit> {
        match self {
            Self::TooFew { accusations, .. } => accusations.iter().map(|a| a.culprit).collect(),
            Self::Misdeed(accusation) => vec![accusation.culprit],
            _ => Vec::new(),
        }
    }
}
