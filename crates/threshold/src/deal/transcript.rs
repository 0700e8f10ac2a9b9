//! Everything public of a finished run in one object, for auditors and for members who lost their state.

use super::cut_off::Message;
use super::{Board, CutOff, Dealings, Enrolled, Outcome, Plan, round0, round1, round2};
use crate::keys::decode_object;
use crate::{KeyShare, MAX_MEMBERS, ProtocolError, Signed};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;

/// The plan and the three rounds as they stood on the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    plan: Plan,
    round0: (Signed<CutOff>, Vec<Signed<round0::Package>>),
    round1: (Signed<CutOff>, Vec<Signed<round1::Package>>),
    round2: (Signed<CutOff>, Vec<Signed<round2::Package>>),
}

impl Transcript {
    /// Collects the boards of the three rounds; messages that no cut-off lists are left away.
    #[must_use]
    pub fn new(
        plan: &Plan,
        round0: &Board<'_, round0::Package>,
        round1: &Board<'_, round1::Package>,
        round2: &Board<'_, round2::Package>,
    ) -> Self {
        Self { plan: plan.clone(), round0: listed(round0), round1: listed(round1), round2: listed(round2) }
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    fn run(&self) -> Result<(Dealings, Outcome), ProtocolError> {
        let enrolments = self.plan.enrolments(&Board::new(&self.round0.0, &self.round0.1))?;
        let dealings = enrolments.dealings(&Board::new(&self.round1.0, &self.round1.1))?;
        let outcome = dealings.outcome(&Board::new(&self.round2.0, &self.round2.1))?;
        Ok((dealings, outcome))
    }

    /// Runs the public part again: every signature, proof, complaint and sum.
    ///
    /// # Errors
    /// [`ProtocolError`], as the run itself would have had.
    pub fn audit(&self) -> Result<Outcome, ProtocolError> {
        self.run().map(|(_, outcome)| outcome)
    }

    /// A member's share again, from its saved state.
    ///
    /// # Errors
    /// As [`Outcome::recover`].
    pub fn recover(&self, state: &Enrolled, rng: &mut (impl CryptoRng + ?Sized)) -> Result<KeyShare, ProtocolError> {
        let (dealings, outcome) = self.run()?;
        outcome.recover(&dealings, state, rng)
    }
}

fn listed<T: Message + Clone>(board: &Board<'_, T>) -> (Signed<CutOff>, Vec<Signed<T>>) {
    let entries = board.cut_off.content().entries();
    let find = |digest| board.messages.iter().find(|m| m.digest() == digest).cloned();
    let messages = entries
        .iter()
        .filter_map(|entry| match entry {
            super::Entry::Posted(digest) => find(digest),
            _ => None,
        })
        .collect();
    (board.cut_off.clone(), messages)
}

fn write_round<T: Message>(e: &mut Encoder<'_>, round: &(Signed<CutOff>, Vec<Signed<T>>)) {
    e.array(2).bytes(&round.0.encode());
    e.list(&round.1, |e, message| {
        e.bytes(&message.encode());
    });
}

fn read_round<T: Message>(d: &mut Decoder<'_>) -> Result<(Signed<CutOff>, Vec<Signed<T>>), DecodeError> {
    d.tuple(2)?;
    Ok((decode_object(d)?, d.list(usize::from(MAX_MEMBERS), decode_object)?))
}

impl Wire for Transcript {
    const TYPE: ObjectType = ObjectType::CeremonyTranscript;
    const MAX_BODY: usize = 512 * 1024 * 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.plan.encode());
        write_round(e, &self.round0);
        write_round(e, &self.round1);
        write_round(e, &self.round2);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let plan = decode_object(d)?;
        Ok(Self { plan, round0: read_round(d)?, round1: read_round(d)?, round2: read_round(d)? })
    }
}
