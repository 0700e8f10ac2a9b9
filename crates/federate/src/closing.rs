//! What a round counts: one entry in the log, and never another.

use crate::contribution::{Contribution, Contributor};
use crate::error::FederateError;
use crate::round::Round;
use crate::terms::Federation;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_ledger::{Log, LogError, UniqueKey};
use sha2::{Digest, Sha256};

/// The contributions that a round counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    pub(crate) round: [u8; 32],
    /// Contributors in order, with the digests of their contributions.
    pub(crate) counted: Vec<(Contributor, [u8; 32])>,
}

impl Closing {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        Sha256::new_with_prefix(b"mediveil/federate/closing/v1\0").chain_update(self.encode()).finalize().into()
    }

    /// Who is counted, in order.
    pub fn counted(&self) -> impl ExactSizeIterator<Item = Contributor> + '_ {
        self.counted.iter().map(|(contributor, _)| *contributor)
    }

    /// How many sites are counted.
    #[must_use]
    pub fn sites(&self) -> u32 {
        self.number(|c| matches!(c, Contributor::Site(_)))
    }

    /// How many members' noise is counted.
    #[must_use]
    pub fn noises(&self) -> u32 {
        self.number(|c| matches!(c, Contributor::Member(_)))
    }

    fn number(&self, of: impl Fn(&Contributor) -> bool) -> u32 {
        u32::try_from(self.counted().filter(of).count()).unwrap_or(u32::MAX)
    }

    /// Whether enough is counted for a release.
    fn check(&self, federation: &Federation) -> Result<(), FederateError> {
        let terms = federation.terms();
        if self.sites() < terms.least_sites {
            return Err(FederateError::TooFew { what: "sites", found: self.sites(), needed: terms.least_sites });
        }
        // Fewer than `needed` members are dishonest, so one of these noises is honest.
        if self.noises() < terms.needed {
            return Err(FederateError::TooFew { what: "members", found: self.noises(), needed: terms.needed });
        }
        Ok(())
    }
}

impl Wire for Closing {
    const TYPE: ObjectType = ObjectType::FederateClosing;
    const MAX_BODY: usize = 16 << 10;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2).bytes(&self.round).list(&self.counted, |e, (contributor, digest)| {
            e.array(2);
            contributor.encode(e);
            e.bytes(digest);
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let round = d.byte_array()?;
        let counted = d.list(128, |d| {
            d.tuple(2)?;
            Ok((Contributor::decode(d)?, d.byte_array()?))
        })?;
        if !counted.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(d.invalid("contributors stand in order, each of them once"));
        }
        Ok(Self { round, counted })
    }
}

impl Federation {
    fn closing_key(round: &Round) -> UniqueKey {
        UniqueKey::of("federate/closing", &round.id())
    }

    /// Closes a round over these contributions: all that are at hand, in the log and signed. What came too late is never
    /// counted. Again with the same ones it changes nothing.
    ///
    /// # Errors
    /// [`FederateError::TooFew`] with fewer sites than the terms want, or fewer members' noise than are needed to open;
    /// [`FederateError::OtherClosing`]; [`FederateError::Uncommitted`].
    pub fn close(
        &self,
        log: &Log,
        round: &Round,
        contributions: &[Contribution],
        now: Timestamp,
    ) -> Result<Closing, FederateError> {
        if self.round(log, round.number)? != *round {
            return Err(FederateError::OtherRound { number: round.number });
        }
        let mut counted = Vec::with_capacity(contributions.len());
        for contribution in contributions {
            self.check_contribution(round, contribution)?;
            self.check_committed(log, contribution)?;
            counted.push((contribution.contributor(), contribution.digest()));
        }
        counted.sort();
        counted.dedup();
        let closing = Closing { round: round.id(), counted };
        closing.check(self)?;
        let entry = self.entry(now, "closing", closing.encode(), self.operator(), Self::closing_key(round))?;
        match log.append(&entry) {
            Ok(_) => Ok(closing),
            Err(LogError::KeyTaken { .. }) => Err(FederateError::OtherClosing),
            Err(other) => Err(other.into()),
        }
    }

    /// The closing of a round, if the log has one.
    ///
    /// # Errors
    /// [`FederateError::TooFew`] for one that counts too few, whoever wrote it.
    pub fn closing(&self, log: &Log, round: &Round) -> Result<Option<Closing>, FederateError> {
        let Some(found) = self.find(log, "closing", &Self::closing_key(round))? else { return Ok(None) };
        let closing = Closing::decode(&found)?;
        if closing.round != round.id() {
            return Err(FederateError::OtherClosing);
        }
        closing.check(self)?;
        Ok(Some(closing))
    }
}
