//! Opening a closed round: one sum of shares a member, once; and the release that anybody can add up.

use crate::closing::Closing;
use crate::contribution::{Contribution, Contributor, Upload, decode_signature};
use crate::error::FederateError;
use crate::round::Round;
use crate::task::Model;
use crate::terms::Federation;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_dp::{Budget, Permit, Reservation};
use mediveil_fhe::opening::PartialStore;
use mediveil_fhe::vector::{OpenedVector, ShareSum, VectorParameters, VectorSum};
use mediveil_ledger::{Entry, Event, UniqueKey};
use mediveil_seal::identity::{Identity, Signature};
use sha2::{Digest, Sha256};
use std::fmt;

const PURPOSE: &str = "federate/member-sum/v1";

/// A member's part: the sum of its shares of exactly the keys that the closing counts, signed. It may be shown to anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct MemberSum {
    closing: [u8; 32],
    sum: ShareSum,
    signature: Signature,
}

impl MemberSum {
    /// The member's number, from 1.
    #[must_use]
    pub const fn member(&self) -> u32 {
        self.sum.member()
    }

    fn message(closing: &[u8; 32], sum: &ShareSum) -> [u8; 32] {
        let hash = Sha256::new_with_prefix(b"mediveil/federate/member-sum/v1\0");
        hash.chain_update(closing).chain_update(sum.encode()).finalize().into()
    }

    /// Whether it is this federation's member's signed word on this closing.
    fn check(&self, federation: &Federation, closing: &Closing) -> Result<(), FederateError> {
        let member = self.member();
        let place = member.checked_sub(1).and_then(|m| usize::try_from(m).ok());
        let identity = place.and_then(|p| federation.terms().members.get(p));
        let message = Self::message(&self.closing, &self.sum);
        let signed = identity.is_some_and(|i| i.verifying_key().verify(PURPOSE, &message, &self.signature).is_ok());
        if signed && self.closing == closing.id() { Ok(()) } else { Err(FederateError::Part { member }) }
    }
}

impl fmt::Debug for MemberSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberSum").field("member", &self.member()).finish_non_exhaustive()
    }
}

impl Wire for MemberSum {
    const TYPE: ObjectType = ObjectType::FederateMemberSum;
    const MAX_BODY: usize = 1 << 18;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.closing).bytes(&self.sum.encode()).bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let closing = d.byte_array()?;
        let sum = ShareSum::decode(d.bytes(1 << 17)?).map_err(|_| d.invalid("not a sum of shares"))?;
        Ok(Self { closing, sum, signature: decode_signature(d)? })
    }
}

/// The noisy sum of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub(crate) round: [u8; 32],
    pub(crate) closing: [u8; 32],
    pub(crate) sites: u32,
    pub(crate) noises: u32,
    /// Members whose sums opened it, and those whose sums were wrong.
    pub(crate) wrong: Vec<u32>,
    pub(crate) numbers: Vec<i64>,
}

impl Release {
    /// The round that it releases.
    #[must_use]
    pub const fn round(&self) -> &[u8; 32] {
        &self.round
    }

    /// The name of its closing.
    #[must_use]
    pub const fn closing(&self) -> &[u8; 32] {
        &self.closing
    }

    /// How many sites it counts.
    #[must_use]
    pub const fn sites(&self) -> u32 {
        self.sites
    }

    /// How many members' noises are in it.
    #[must_use]
    pub const fn noises(&self) -> u32 {
        self.noises
    }

    /// Members who showed something that does not fit what the others showed.
    #[must_use]
    pub fn wrong(&self) -> &[u32] {
        &self.wrong
    }

    /// The sums, in grid steps.
    #[must_use]
    pub fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// The sums, as numbers.
    #[must_use]
    pub fn values(&self, federation: &Federation) -> Vec<f64> {
        let grid = federation.terms().grid;
        self.numbers.iter().map(|n| grid.real(*n)).collect()
    }

    /// The standard deviation of the noise in each of [`values`](Self::values): that of all members who contributed.
    #[must_use]
    pub fn deviation(&self, federation: &Federation) -> f64 {
        federation.plan().sigma * libm::sqrt(f64::from(self.noises)) * federation.terms().grid.step()
    }
}

impl Wire for Release {
    const TYPE: ObjectType = ObjectType::FederateRelease;
    const MAX_BODY: usize = 256 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(6).bytes(&self.round).bytes(&self.closing).u32(self.sites).u32(self.noises);
        e.list(&self.wrong, |e, m| {
            e.u32(*m);
        });
        e.list(&self.numbers, |e, n| {
            e.i64(*n);
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        Ok(Self {
            round: d.byte_array()?,
            closing: d.byte_array()?,
            sites: d.u32()?,
            noises: d.u32()?,
            wrong: d.list(64, Decoder::u32)?,
            numbers: d.list(VectorParameters::MAX_ENTRIES, Decoder::i64)?,
        })
    }
}

/// The sum of a round while its vectors come in one by one.
#[derive(Debug)]
pub struct Tally {
    closing: Closing,
    seen: Vec<Contributor>,
    sum: VectorSum,
}

impl Tally {
    /// Adds a contribution that the closing counts.
    ///
    /// # Errors
    /// [`FederateError::Uncommitted`] for one that it does not count; [`FederateError::Twice`].
    pub fn add(&mut self, upload: &Upload) -> Result<(), FederateError> {
        let (contributor, digest) = (upload.contribution.contributor(), upload.contribution.digest());
        if !self.closing.counted.contains(&(contributor, digest)) {
            return Err(FederateError::Uncommitted { contributor });
        }
        if self.seen.contains(&contributor) {
            return Err(FederateError::Twice { contributor });
        }
        self.sum.add(&upload.vector)?;
        self.seen.push(contributor);
        Ok(())
    }

    fn open(&self, federation: &Federation, sums: &[MemberSum]) -> Result<OpenedVector, FederateError> {
        if let Some(missing) = self.closing.counted().find(|c| !self.seen.contains(c)) {
            return Err(FederateError::Missing { contributor: missing });
        }
        for sum in sums {
            sum.check(federation, &self.closing)?;
        }
        let shown: Vec<ShareSum> = sums.iter().map(|s| s.sum.clone()).collect();
        Ok(self.sum.open(&self.closing.round, federation.terms().needed, &shown)?)
    }
}

impl Federation {
    /// One member's part in opening a closed round: checks that it is paid for, closed in the log over enough sites and enough
    /// noise, and that the contributions are those; opens its shares, adds them up, and answers once. A second call, in
    /// whatever process, gives the same bytes. A call for another set is refused for ever.
    ///
    /// # Errors
    /// [`FederateError`]; nothing was sent.
    pub fn answer(
        &self,
        budget: &Budget,
        round: &Round,
        contributions: &[Contribution],
        member: &Identity,
        store: &mut (impl PartialStore + ?Sized),
    ) -> Result<MemberSum, FederateError> {
        let number = self.terms().member(member.public()).ok_or(FederateError::NotOne("a member"))?;
        let _checked = self.permit(budget, round)?;
        let closing = self.closing(budget.log(), round)?.ok_or(FederateError::NotClosed)?;
        self.answer_for(&closing, round, contributions, member, number, store)
    }

    /// Beneath the checks of log and budget: what the store alone guards.
    pub(crate) fn answer_for(
        &self,
        closing: &Closing,
        round: &Round,
        contributions: &[Contribution],
        member: &Identity,
        number: u32,
        store: &mut (impl PartialStore + ?Sized),
    ) -> Result<MemberSum, FederateError> {
        let id = closing.id();
        let name = |kind: &str, of: &[u8; 32]| -> [u8; 32] {
            let mut hash = Sha256::new_with_prefix(b"mediveil/federate/claim/v1\0");
            hash.update(self.id());
            hash.update(number.to_be_bytes());
            hash.update(kind.as_bytes());
            hash.update([0]);
            hash.update(of);
            hash.finalize().into()
        };
        // The claim comes before anything is computed: after a cut nothing was sent, and the claim holds.
        if store.claim(&name("round", &round.id()), &id)? != id {
            return Err(FederateError::Spent);
        }
        let place = name("answer", &id);
        let stored = match store.load(&place)? {
            Some(stored) => stored,
            None => {
                let mut shares = Vec::with_capacity(closing.counted.len());
                for (contributor, digest) in &closing.counted {
                    let missing = FederateError::Missing { contributor: *contributor };
                    let found = contributions.iter().find(|c| c.contributor() == *contributor && c.digest() == *digest);
                    let contribution = found.ok_or(missing)?;
                    self.check_contribution(round, contribution)?;
                    shares.push(self.open_share(contribution, member)?);
                }
                let sum = ShareSum::of(&shares)?;
                let signature = member.sign(PURPOSE, &MemberSum::message(&id, &sum));
                store.save(&place, &MemberSum { closing: id, sum, signature }.encode())?
            }
        };
        let answer = MemberSum::decode(&stored).map_err(|_| FederateError::StoreDamaged)?;
        if answer.member() != number || answer.check(self, closing).is_err() {
            return Err(FederateError::StoreDamaged);
        }
        Ok(answer)
    }

    /// An empty tally for a closed round. Takes no secret.
    ///
    /// # Errors
    /// [`FederateError::NotClosed`].
    pub fn tally(&self, budget: &Budget, round: &Round) -> Result<Tally, FederateError> {
        let closing = self.closing(budget.log(), round)?.ok_or(FederateError::NotClosed)?;
        Ok(Tally { closing, seen: Vec::new(), sum: VectorSum::new(self.plan().vector()) })
    }

    /// Opens a full tally with the members' sums, stores the release in the budget, which consumes the permit, and names it in
    /// the log. If the round was released before, that release.
    ///
    /// # Errors
    /// [`FederateError::Open`] if sums are missing or wrong, and nothing is released; [`FederateError::Missing`].
    pub fn combine(
        &self,
        budget: &Budget,
        round: &Round,
        tally: &Tally,
        sums: &[MemberSum],
        now: Timestamp,
    ) -> Result<Release, FederateError> {
        let permit: Permit = match budget.find(&self.charge(round)?)? {
            // Perhaps a crash came between the release and its entry.
            Some((_, Reservation::Answered(stored))) => return self.announce(budget, round, &stored, now),
            _ => self.permit(budget, round)?,
        };
        if tally.closing.round != round.id() {
            return Err(FederateError::OtherRound { number: round.number });
        }
        let opened = tally.open(self, sums)?;
        let release = Release {
            round: round.id(),
            closing: tally.closing.id(),
            sites: tally.closing.sites(),
            noises: tally.closing.noises(),
            wrong: opened.wrong,
            numbers: opened.values,
        };
        let stored = budget.settle(permit, &release.encode(), now)?;
        self.announce(budget, round, &stored, now)
    }

    /// The state of the model after a released round, from the state before it.
    ///
    /// # Errors
    /// Those of [`Task::advance`](crate::Task::advance).
    pub fn after(&self, model: &Model, release: &Release) -> Result<Model, FederateError> {
        let terms = self.terms();
        terms.task.advance(model, &release.values(self), terms.grid.clip(), release.deviation(self))
    }

    fn announce(
        &self,
        budget: &Budget,
        round: &Round,
        stored: &[u8],
        now: Timestamp,
    ) -> Result<Release, FederateError> {
        let event = Event::Released { query: round.id(), certificate: Sha256::digest(stored).into() };
        let key = UniqueKey::of("federate/released", &round.id());
        budget.log().append(&Entry::new(now, self.operator(), event).keyed(key))?;
        Ok(Release::decode(stored)?)
    }
}
