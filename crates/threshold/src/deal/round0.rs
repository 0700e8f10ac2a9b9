//! Round 0: members enrol with an encryption key for the epoch.

use super::cut_off::{Message, scope};
use super::{Board, Plan, Session};
use crate::algebra::Secret;
use crate::envelope::OwnedPoint;
use crate::proof::Fields;
use crate::{Accusation, Committee, Content, Culprit, EpochKey, MemberId, Misdeed, ProtocolError, Signed};
use blstrs::G1Affine;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_seal::identity::Identity;
use rand_core::CryptoRng;
use std::fmt;

/// A member's encryption key of the epoch, with a proof that the member knows its secret half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    session: Session,
    member: MemberId,
    key: OwnedPoint,
}

fn key_context(session: &Session, member: MemberId) -> Fields {
    Fields::new("mediveil/threshold/epoch-key/v1").add(session.as_bytes()).add(&member.get().to_be_bytes())
}

impl Content for Package {
    const TYPE: ObjectType = ObjectType::Enrolment;
    const MAX: usize = 256;
    const PURPOSE: &'static str = "threshold/enrolment/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.session, Self::ROUND)
    }

    fn author(&self) -> u16 {
        self.member.get()
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(self.session.as_bytes());
        self.member.encode(e);
        self.key.encode(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self {
            session: Session::from_bytes(d.byte_array()?),
            member: MemberId::decode(d)?,
            key: OwnedPoint::decode(d)?,
        })
    }
}

impl Message for Package {
    const ROUND: u8 = 0;

    fn session(&self) -> &Session {
        &self.session
    }

    fn authors(plan: &Plan) -> &Committee {
        plan.committee()
    }

    fn culprit(id: MemberId) -> Culprit {
        Culprit::Receiver(id)
    }
}

/// A member's secret state from enrolment to the end of the epoch: its epoch key. With it and the public transcript the
/// member can compute its share again at any time, so **destroy it with the epoch**. Wiped on drop.
pub struct Enrolled {
    pub(crate) session: Session,
    pub(crate) member: MemberId,
    pub(crate) key: EpochKey,
}

impl Enrolled {
    /// Enrols: the state to keep, and the message to post.
    ///
    /// # Errors
    /// [`ProtocolError::NotAMember`] if the identity is not in the committee.
    pub fn start(
        plan: &Plan,
        identity: &Identity,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Signed<Package>), ProtocolError> {
        let member = plan.committee().find(identity.public()).ok_or(ProtocolError::NotAMember)?;
        let session = plan.session();
        let key = EpochKey::generate(rng);
        let owned = OwnedPoint::new(&key_context(&session, member), &key.secret, rng);
        let message = Signed::new(Package { session, member, key: owned }, identity);
        Ok((Self { session, member, key }, message))
    }

    /// Whose state it is.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    /// The run it belongs to.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.session
    }
}

impl fmt::Debug for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolled")
    }
}

/// A secret: write it with [`encode_secret`](Wire::encode_secret), into a sealed file.
impl Wire for Enrolled {
    const TYPE: ObjectType = ObjectType::Enrolled;
    const MAX_BODY: usize = 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(self.session.as_bytes());
        self.member.encode(e);
        e.bytes(&*self.key.secret.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let session = Session::from_bytes(d.byte_array()?);
        let member = MemberId::decode(d)?;
        Ok(Self { session, member, key: EpochKey { secret: Secret::decode(d)? } })
    }
}

/// The result of round 0: who takes part, and with which key.
#[derive(Clone, Debug)]
pub struct Enrolments {
    pub(super) plan: Plan,
    /// By member.
    pub(super) keys: Vec<Option<G1Affine>>,
    pub(super) digest: [u8; 32],
    /// Who misbehaved so far. They are left out, and the protocol goes on.
    pub accusations: Vec<Accusation>,
}

impl Plan {
    /// Ends round 0.
    ///
    /// # Errors
    /// [`ProtocolError`] for a board that is not this round's, and if fewer than `needed` members enrolled.
    pub fn enrolments(&self, board: &Board<'_, Package>) -> Result<Enrolments, ProtocolError> {
        let settled = board.settle(self)?;
        let mut accusations = settled.accusations;
        let mut keys = Vec::with_capacity(settled.messages.len());
        for ((id, _), message) in self.committee().members().zip(&settled.messages) {
            let key = message.map(|m| &m.content().key);
            let proven = key.filter(|key| key.verify(&key_context(&self.session(), id)));
            if key.is_some() && proven.is_none() {
                accusations.push(Accusation { culprit: Culprit::Receiver(id), misdeed: Misdeed::UnprovenKey });
            }
            keys.push(proven.map(|key| key.point));
        }
        let found = keys.iter().flatten().count();
        let needed = self.committee().needed();
        if found < usize::from(needed) {
            return Err(ProtocolError::TooFew { found, needed, accusations });
        }
        Ok(Enrolments { plan: self.clone(), keys, digest: settled.digest, accusations })
    }
}

impl Enrolments {
    /// The members who enrolled.
    #[must_use]
    pub fn members(&self) -> Vec<MemberId> {
        self.plan
            .committee()
            .members()
            .zip(&self.keys)
            .filter(|(_, key)| key.is_some())
            .map(|((id, _), _)| id)
            .collect()
    }
}
