//! The end of a round: what was on the board, signed by the convenor.

use super::{Plan, Session};
use crate::proof::Fields;
use crate::signed::Content;
use crate::{Accusation, Committee, Culprit, Equivocation, MAX_MEMBERS, MemberId, Misdeed, ProtocolError, Signed};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp};
use mediveil_seal::identity::Identity;
use std::collections::HashMap;

/// A message of one of the three rounds.
pub trait Message: Content {
    /// The round, from 0.
    const ROUND: u8;
    /// The session it was made for.
    fn session(&self) -> &Session;
    /// The committee whose members say it.
    fn authors(plan: &Plan) -> &Committee;
    /// The author in the part it plays here.
    fn culprit(id: MemberId) -> Culprit;
}

/// Within what a member may sign one message only.
pub(crate) fn scope(session: &Session, round: u8) -> [u8; 32] {
    Fields::new("mediveil/threshold/scope/v1").add(session.as_bytes()).add(&[round]).finish()
}

/// What became of one member in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It said nothing in time. It is left out and accused of nothing.
    Silent,
    /// It posted the message with this digest.
    Posted([u8; 32]),
    /// It signed two messages. It is left out, and this is the proof.
    Equivocated(Box<Equivocation>),
}

/// The signed end of a round: for each member what counts. A message that is not listed came late and does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    session: Session,
    round: u8,
    closed_at: Timestamp,
    entries: Vec<Entry>,
}

impl CutOff {
    /// Closes a round over the messages that are on the board. Messages of other sessions, with wrong signatures or from
    /// strangers are passed over; a member with two messages is listed with the proof of it.
    ///
    /// # Errors
    /// [`ProtocolError::NotAMember`] if `convenor` is not the committee's convenor.
    pub fn close<T: Message>(
        plan: &Plan,
        messages: &[Signed<T>],
        now: Timestamp,
        convenor: &Identity,
    ) -> Result<Signed<Self>, ProtocolError> {
        if convenor.public().verifying_key() != plan.committee().convenor() {
            return Err(ProtocolError::NotAMember);
        }
        let mut entries = Vec::new();
        for (id, author) in T::authors(plan).members() {
            let mut mine = messages.iter().filter(|m| {
                let content = m.content();
                content.author() == id.get() && *content.session() == plan.session() && m.verify(author.verifying_key())
            });
            entries.push(match mine.next() {
                None => Entry::Silent,
                Some(first) => match mine.find_map(|other| Equivocation::between(first, other)) {
                    Some(proof) => Entry::Equivocated(Box::new(proof)),
                    None => Entry::Posted(*first.digest()),
                },
            });
        }
        let cut_off = Self { session: plan.session(), round: T::ROUND, closed_at: now, entries };
        Ok(Signed::new(cut_off, convenor))
    }

    /// The run it belongs to.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.session
    }

    /// The round, from 0.
    #[must_use]
    pub const fn round(&self) -> u8 {
        self.round
    }

    /// When it was closed, by the convenor's clock.
    #[must_use]
    pub const fn closed_at(&self) -> Timestamp {
        self.closed_at
    }

    /// What became of each member, in the order of the committee.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Content for CutOff {
    const TYPE: ObjectType = ObjectType::CutOff;
    const MAX: usize = 128 + MAX_MEMBERS as usize * 240;
    const PURPOSE: &'static str = "threshold/cut-off/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.session, self.round)
    }

    fn author(&self) -> u16 {
        0
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(self.session.as_bytes()).u8(self.round);
        self.closed_at.encode(e);
        e.list(&self.entries, |e, entry| match entry {
            Entry::Silent => {
                e.array(1).u8(0);
            }
            Entry::Posted(digest) => {
                e.array(2).u8(1).bytes(digest);
            }
            Entry::Equivocated(proof) => {
                e.array(2).u8(2);
                proof.encode(e);
            }
        });
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let session = Session::from_bytes(d.byte_array()?);
        let round = d.u8()?;
        let closed_at = Timestamp::decode(d)?;
        let entries = d.list(usize::from(MAX_MEMBERS), |d| {
            let len = d.array(2)?;
            match (len, d.u8()?) {
                (1, 0) => Ok(Entry::Silent),
                (2, 1) => Ok(Entry::Posted(d.byte_array()?)),
                (2, 2) => Ok(Entry::Equivocated(Box::new(Equivocation::decode(d)?))),
                _ => Err(d.invalid("not an entry of a cut-off")),
            }
        })?;
        Ok(Self { session, round, closed_at, entries })
    }
}

/// One round as it stands on the board: the cut-off, and the messages. More messages than it lists may be there.
#[derive(Debug)]
pub struct Board<'a, T> {
    pub(crate) cut_off: &'a Signed<CutOff>,
    pub(crate) messages: &'a [Signed<T>],
}

impl<'a, T: Message> Board<'a, T> {
    /// The round with this end and these messages.
    #[must_use]
    pub const fn new(cut_off: &'a Signed<CutOff>, messages: &'a [Signed<T>]) -> Self {
        Self { cut_off, messages }
    }

    /// What counts, by member, and who is out for signing twice.
    pub(super) fn settle(&self, plan: &Plan) -> Result<Settled<'a, T>, ProtocolError> {
        let cut_off = self.cut_off.content();
        if cut_off.session != plan.session() {
            return Err(ProtocolError::CutOff("it is for another session"));
        }
        if cut_off.round != T::ROUND {
            return Err(ProtocolError::CutOff("it is for another round"));
        }
        let authors = T::authors(plan);
        if cut_off.entries.len() != usize::from(authors.size()) {
            return Err(ProtocolError::CutOff("it has another number of members"));
        }
        if !self.cut_off.verify(plan.committee().convenor()) {
            return Err(ProtocolError::CutOff("the signature does not verify"));
        }
        // A digest is that of what is said. Anybody can post what a member said with another signature, and that must not hide
        // the member's own copy.
        let mut posted: HashMap<&[u8; 32], Vec<&'a Signed<T>>> = HashMap::new();
        for message in self.messages {
            posted.entry(message.digest()).or_default().push(message);
        }
        let scope = scope(&plan.session(), T::ROUND);
        let mut messages = Vec::with_capacity(cut_off.entries.len());
        let mut accusations = Vec::new();
        for ((id, author), entry) in authors.members().zip(&cut_off.entries) {
            messages.push(match entry {
                Entry::Silent => None,
                Entry::Posted(digest) => {
                    let copies = posted.get(digest).map(Vec::as_slice).unwrap_or_default();
                    let content = copies.first().ok_or(ProtocolError::Missing(T::culprit(id)))?.content();
                    if content.author() != id.get() || *content.session() != plan.session() {
                        return Err(ProtocolError::CutOff("it lists a message of another member or session"));
                    }
                    let own = copies.iter().find(|copy| copy.verify(author.verifying_key()));
                    Some(*own.ok_or(ProtocolError::Damaged(T::culprit(id)))?)
                }
                Entry::Equivocated(proof) => {
                    if proof.author != id || !proof.verify::<T>(&scope, author.verifying_key()) {
                        return Err(ProtocolError::CutOff("it calls a member double-tongued without proof"));
                    }
                    accusations.push(Accusation { culprit: T::culprit(id), misdeed: Misdeed::Equivocation });
                    None
                }
            });
        }
        Ok(Settled { messages, accusations, digest: *self.cut_off.digest() })
    }
}

/// A round's messages that count, by member.
pub(super) struct Settled<'a, T> {
    pub(super) messages: Vec<Option<&'a Signed<T>>>,
    pub(super) accusations: Vec<Accusation>,
    pub(super) digest: [u8; 32],
}

#[cfg(test)]
impl CutOff {
    /// A cut-off of one's choice.
    pub(super) const fn forged(session: Session, round: u8, closed_at: Timestamp, entries: Vec<Entry>) -> Self {
        Self { session, round, closed_at, entries }
    }
}
