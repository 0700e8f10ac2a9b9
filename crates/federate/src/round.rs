//! A round: paid for and in the log before anything of it is opened.
//!
//! A round's name covers the federation, its number and the state that it works on, such as the weights of a model. The seed
//! of its encryption, every contribution, the closing and the release carry that name, so nothing of one round fits into another.

use crate::error::FederateError;
use crate::release::Release;
use crate::terms::Federation;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_dp::{Budget, Permit, Refused, Reservation};
use mediveil_ledger::{Actor, Entry, Event, Label, Log, LogError, UniqueKey};
use sha2::{Digest, Sha256};

/// A round of a federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    pub(crate) federation: [u8; 32],
    pub(crate) number: u32,
    pub(crate) state: [u8; 32],
}

impl Round {
    /// Its number, from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// SHA-256 of the state that it works on.
    #[must_use]
    pub const fn state(&self) -> &[u8; 32] {
        &self.state
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        Sha256::new_with_prefix(b"mediveil/federate/round/v1\0").chain_update(self.encode()).finalize().into()
    }

    /// The digest of a state.
    #[must_use]
    pub fn digest_of(state: &[u8]) -> [u8; 32] {
        Sha256::new_with_prefix(b"mediveil/federate/state/v1\0").chain_update(state).finalize().into()
    }
}

impl Wire for Round {
    const TYPE: ObjectType = ObjectType::FederateRound;
    const MAX_BODY: usize = 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.federation).u32(self.number).bytes(&self.state);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { federation: d.byte_array()?, number: d.u32()?, state: d.byte_array()? })
    }
}

impl Federation {
    pub(crate) fn check_budget(&self, budget: &Budget) -> Result<(), FederateError> {
        let fits = budget.terms() == self.budget_terms() && budget.log().id() == self.terms().log;
        if fits { Ok(()) } else { Err(FederateError::OtherBudget) }
    }

    pub(crate) fn check_log(&self, log: &Log) -> Result<(), FederateError> {
        let expected = self.terms().log;
        if log.id() == expected { Ok(()) } else { Err(LogError::OtherLog { expected, found: log.id() }.into()) }
    }

    /// An entry of the federation in its log.
    pub(crate) fn entry(
        &self,
        now: Timestamp,
        kind: &str,
        body: Vec<u8>,
        actor: Actor,
        key: UniqueKey,
    ) -> Result<Entry, FederateError> {
        let kind = Label::new(kind).map_err(|e| LogError::Storage(e.to_string()))?;
        Ok(Entry::new(now, actor, Event::Committee { committee: self.id(), kind, body }).keyed(key))
    }

    /// The body of the federation's entry of this kind and key, if the log has one.
    pub(crate) fn find(&self, log: &Log, kind: &str, key: &UniqueKey) -> Result<Option<Vec<u8>>, FederateError> {
        self.check_log(log)?;
        let Some(record) = log.find(key)? else { return Ok(None) };
        match record.entry().map_err(LogError::from)?.event {
            Event::Committee { committee, kind: found, body } if committee == self.id() && found.as_str() == kind => {
                Ok(Some(body))
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn operator(&self) -> Actor {
        Actor::of(self.terms().operator.verifying_key())
    }

    fn round_key(&self, number: u32) -> UniqueKey {
        UniqueKey::of("federate/round", &[&self.id()[..], &number.to_be_bytes()].concat())
    }

    /// What the budget is charged for.
    pub(crate) fn charge(&self, round: &Round) -> Result<mediveil_dp::Plan, FederateError> {
        let query = [b"mediveil/federate/query/v1\0", round.encode().as_slice()].concat();
        let plan = mediveil_dp::Plan::new(&query, 1, vec![self.plan().mechanism.clone()]);
        plan.ok_or(FederateError::NoRound { rounds: self.terms().rounds })
    }

    /// Pays for a round over this state and puts it in the log. Again with the same state it costs nothing and changes nothing.
    ///
    /// # Errors
    /// [`FederateError::Budget`] with what is missing, and nothing spent; [`FederateError::OtherRound`] if it began with
    /// another state; [`FederateError::Released`] if it is over.
    pub fn begin(&self, budget: &Budget, number: u32, state: &[u8], now: Timestamp) -> Result<Round, FederateError> {
        self.check_budget(budget)?;
        if number == 0 || number > self.terms().rounds {
            return Err(FederateError::NoRound { rounds: self.terms().rounds });
        }
        let round = Round { federation: self.id(), number, state: Round::digest_of(state) };
        let key = self.round_key(number);
        let body = round.encode();
        // Before the debit, so that a mistaken state costs nothing.
        if self.find(budget.log(), "round", &key)?.is_some_and(|found| found != body) {
            return Err(FederateError::OtherRound { number });
        }
        if let Reservation::Answered(_) = budget.reserve(&self.charge(&round)?, now)? {
            return Err(FederateError::Released);
        }
        match budget.log().append(&self.entry(now, "round", body, self.operator(), key)?) {
            Ok(_) => Ok(round),
            Err(LogError::KeyTaken { .. }) => Err(FederateError::OtherRound { number }),
            Err(other) => Err(other.into()),
        }
    }

    /// A round that has begun, as the log has it.
    ///
    /// # Errors
    /// [`FederateError::NotBegun`].
    pub fn round(&self, log: &Log, number: u32) -> Result<Round, FederateError> {
        let found = self.find(log, "round", &self.round_key(number))?.ok_or(FederateError::NotBegun { number })?;
        let round = Round::decode(&found)?;
        if round.federation != self.id() || round.number != number {
            return Err(FederateError::NotBegun { number });
        }
        Ok(round)
    }

    /// The round that began last, if any has.
    ///
    /// # Errors
    /// [`FederateError`] where the log cannot be read.
    pub fn last_round(&self, log: &Log) -> Result<Option<Round>, FederateError> {
        let mut last = None;
        for number in 1..=self.terms().rounds {
            match self.round(log, number) {
                Ok(round) => last = Some(round),
                Err(FederateError::NotBegun { .. }) => break,
                Err(other) => return Err(other),
            }
        }
        Ok(last)
    }

    /// The permit of a round that is paid for, in the log, and not released: what everyone checks who adds noise or opens.
    pub(crate) fn permit(&self, budget: &Budget, round: &Round) -> Result<Permit, FederateError> {
        self.check_budget(budget)?;
        if self.round(budget.log(), round.number)? != *round {
            return Err(FederateError::OtherRound { number: round.number });
        }
        match budget.find(&self.charge(round)?)? {
            Some((_, Reservation::Permit(permit))) => Ok(*permit),
            Some((_, Reservation::Answered(_))) => Err(FederateError::Released),
            None => Err(FederateError::NotBegun { number: round.number }),
        }
    }

    /// The release of a round, if there is one.
    ///
    /// # Errors
    /// [`FederateError`] where log and budget cannot be read.
    pub fn released(&self, budget: &Budget, round: &Round) -> Result<Option<Release>, FederateError> {
        self.check_budget(budget)?;
        match budget.find(&self.charge(round)?)? {
            Some((_, Reservation::Answered(bytes))) => Ok(Some(Release::decode(&bytes)?)),
            _ => Ok(None),
        }
    }

    /// The budget of this federation in its log.
    ///
    /// # Errors
    /// Those of [`Budget::open`].
    pub fn open_budget(&self, log: &Log) -> Result<Budget, FederateError> {
        self.check_log(log)?;
        let budget = Budget::open(log, &self.id(), self.operator())?;
        self.check_budget(&budget)?;
        Ok(budget)
    }

    /// Creates the budget of this federation in its log.
    ///
    /// # Errors
    /// [`Refused::Exists`], and those of [`Budget::create`].
    pub fn create_budget(&self, log: &Log, now: Timestamp) -> Result<Budget, FederateError> {
        self.check_log(log)?;
        Budget::create(log, *self.budget_terms(), self.operator(), now).map_err(Refused::into)
    }
}
