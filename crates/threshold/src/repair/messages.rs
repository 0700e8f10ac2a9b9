//! The messages of a repair, each signed by its author, and the transcript of all of them.

use super::Repair;
use crate::algebra::{decode_point, encode_point};
use crate::envelope::{Disclosure, OwnedPoint, SealedScalar};
use crate::keys::decode_object;
use crate::proof::Fields;
use crate::{Accusation, Content, MAX_MEMBERS, MemberId, ProtocolError, PublicKeySet, Signed};
use blstrs::G1Affine;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};

const MANY: usize = MAX_MEMBERS as usize;

/// Within what an author may sign one message only.
fn scope(repair: &[u8; 32], round: &str) -> [u8; 32] {
    Fields::new("mediveil/threshold/repair/scope/v1").add(repair).add(round.as_bytes()).finish()
}

/// The wish of a member to have its share repaired, signed with its identity: by whom, and the key that only it can open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub(super) set: [u8; 32],
    pub(super) member: MemberId,
    /// In ascending order.
    pub(super) helpers: Vec<MemberId>,
    pub(super) key: OwnedPoint,
    pub(super) at: Timestamp,
}

impl Request {
    /// Whose share is lost.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    /// Who shall help, in ascending order.
    #[must_use]
    pub fn helpers(&self) -> &[MemberId] {
        &self.helpers
    }

    /// When it was made, by the member's clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl Content for Request {
    const TYPE: ObjectType = ObjectType::RepairRequest;
    const MAX: usize = 256 + MANY * 3;
    const PURPOSE: &'static str = "threshold/repair-request/v1";

    fn scope(&self) -> [u8; 32] {
        Fields::new("mediveil/threshold/repair/request/v1").add(&self.set).point(&self.key.point).finish()
    }

    fn author(&self) -> u16 {
        self.member.get()
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(5).bytes(&self.set);
        self.member.encode(e);
        e.list(&self.helpers, |e, helper| helper.encode(e));
        self.key.encode(e);
        self.at.encode(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        Ok(Self {
            set: d.byte_array()?,
            member: MemberId::decode(d)?,
            helpers: d.list(MANY, MemberId::decode)?,
            key: OwnedPoint::decode(d)?,
            at: Timestamp::decode(d)?,
        })
    }
}

/// Round 1: a helper's share, weighted for the lost place and split into a part for each helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The digest of the request.
    pub(super) repair: [u8; 32],
    pub(super) helper: MemberId,
    /// Each part times G, in the order of the helpers.
    pub(super) commitments: Vec<G1Affine>,
    pub(super) ephemeral: OwnedPoint,
    pub(super) parts: Vec<SealedScalar>,
}

impl Split {
    /// Whose split it is.
    #[must_use]
    pub const fn helper(&self) -> MemberId {
        self.helper
    }
}

impl Content for Split {
    const TYPE: ObjectType = ObjectType::RepairSplit;
    const MAX: usize = 512 + MANY * 104;
    const PURPOSE: &'static str = "threshold/repair-split/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.repair, "split")
    }

    fn author(&self) -> u16 {
        self.helper.get()
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(5).bytes(&self.repair);
        self.helper.encode(e);
        e.list(&self.commitments, encode_point);
        self.ephemeral.encode(e);
        e.list(&self.parts, |e, part| {
            e.bytes(part);
        });
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        Ok(Self {
            repair: d.byte_array()?,
            helper: MemberId::decode(d)?,
            commitments: d.list(MANY, decode_point)?,
            ephemeral: OwnedPoint::decode(d)?,
            parts: d.list(MANY, Decoder::byte_array)?,
        })
    }
}

/// A complaint about what a helper sent, with the point that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) of: MemberId,
    pub(super) disclosure: Disclosure,
}

impl Complaint {
    fn encode(&self, e: &mut Encoder<'_>) {
        e.array(2);
        self.of.encode(e);
        self.disclosure.encode(e);
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        Ok(Self { of: MemberId::decode(d)?, disclosure: Disclosure::decode(d)? })
    }
}

/// What a helper says in round 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The sum of the parts it received, encrypted to the member.
    Sum(Box<(OwnedPoint, SealedScalar)>),
    /// Parts that are wrong.
    Complaints(Vec<Complaint>),
}

/// Round 2: the sum of the parts a helper received, for the member alone; or its complaints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    pub(super) repair: [u8; 32],
    pub(super) helper: MemberId,
    /// The digest of all splits.
    pub(super) splits: [u8; 32],
    pub(super) said: Said,
}

impl Sum {
    /// Whose sum it is.
    #[must_use]
    pub const fn helper(&self) -> MemberId {
        self.helper
    }

    /// The helpers it complains of.
    #[must_use]
    pub fn accused(&self) -> Vec<MemberId> {
        match &self.said {
            Said::Sum(_) => Vec::new(),
            Said::Complaints(complaints) => complaints.iter().map(|complaint| complaint.of).collect(),
        }
    }
}

impl Content for Sum {
    const TYPE: ObjectType = ObjectType::RepairSum;
    const MAX: usize = 512 + MANY * 160;
    const PURPOSE: &'static str = "threshold/repair-sum/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.repair, "sum")
    }

    fn author(&self) -> u16 {
        self.helper.get()
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.repair);
        self.helper.encode(e);
        e.bytes(&self.splits);
        match &self.said {
            Said::Sum(sum) => {
                e.array(3).u8(0);
                sum.0.encode(e);
                e.bytes(&sum.1);
            }
            Said::Complaints(complaints) => {
                e.array(2).u8(1);
                e.list(complaints, |e, complaint| complaint.encode(e));
            }
        }
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let (repair, helper, splits) = (d.byte_array()?, MemberId::decode(d)?, d.byte_array()?);
        let len = d.array(3)?;
        let said = match (len, d.u8()?) {
            (3, 0) => Said::Sum(Box::new((OwnedPoint::decode(d)?, d.byte_array()?))),
            (2, 1) => Said::Complaints(d.list(MANY, Complaint::decode)?),
            _ => return Err(d.invalid("neither a sum nor complaints")),
        };
        Ok(Self { repair, helper, splits, said })
    }
}

/// The end: whether the member has its share again, and which sums were wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    pub(super) repair: [u8; 32],
    pub(super) member: MemberId,
    /// The digest of all sums.
    pub(super) sums: [u8; 32],
    pub(super) repaired: bool,
    pub(super) complaints: Vec<Complaint>,
    pub(super) at: Timestamp,
}

impl Closing {
    /// Whether the member says that it has its share again.
    #[must_use]
    pub const fn is_repaired(&self) -> bool {
        self.repaired
    }

    /// When it was closed, by the member's clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl Content for Closing {
    const TYPE: ObjectType = ObjectType::RepairClosing;
    const MAX: usize = 256 + MANY * 160;
    const PURPOSE: &'static str = "threshold/repair-closing/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.repair, "closing")
    }

    fn author(&self) -> u16 {
        self.member.get()
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(6).bytes(&self.repair);
        self.member.encode(e);
        e.bytes(&self.sums).bool(self.repaired);
        e.list(&self.complaints, |e, complaint| complaint.encode(e));
        self.at.encode(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        Ok(Self {
            repair: d.byte_array()?,
            member: MemberId::decode(d)?,
            sums: d.byte_array()?,
            repaired: d.bool()?,
            complaints: d.list(MANY, Complaint::decode)?,
            at: Timestamp::decode(d)?,
        })
    }
}

/// Everything public of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    request: Signed<Request>,
    splits: Vec<Signed<Split>>,
    sums: Vec<Signed<Sum>>,
    closing: Option<Signed<Closing>>,
}

/// What a transcript proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the member signed that it has its share again, after a repair in which nothing was wrong.
    pub repaired: bool,
    /// Who did what.
    pub accusations: Vec<Accusation>,
}

impl Transcript {
    /// The messages of a repair, as far as it went.
    #[must_use]
    pub fn new(
        request: &Signed<Request>,
        splits: &[Signed<Split>],
        sums: &[Signed<Sum>],
        closing: Option<&Signed<Closing>>,
    ) -> Self {
        Self { request: request.clone(), splits: splits.to_vec(), sums: sums.to_vec(), closing: closing.cloned() }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Signed<Request> {
        &self.request
    }

    /// Verifies every signature, commitment and complaint again.
    ///
    /// # Errors
    /// [`ProtocolError`] for messages that are missing, damaged or of another repair. What members did wrong is in the
    /// verdict instead.
    pub fn audit(&self, set: &PublicKeySet) -> Result<Verdict, ProtocolError> {
        let repair = Repair::new(set, &self.request)?;
        match self.judge(&repair) {
            Err(ProtocolError::Misdeed(accusation)) => Ok(Verdict { repaired: false, accusations: vec![accusation] }),
            verdict => verdict,
        }
    }

    fn judge(&self, repair: &Repair<'_>) -> Result<Verdict, ProtocolError> {
        let splits = repair.splits(&self.splits)?;
        let (sums, mut accusations) = splits.judge_sums(&self.sums)?;
        let mut repaired = false;
        if let Some(closing) = &self.closing {
            accusations.extend(splits.judge_closing(closing, &sums)?);
            repaired = closing.content().repaired && accusations.is_empty();
        }
        Ok(Verdict { repaired, accusations })
    }
}

fn write_all<T: Content>(e: &mut Encoder<'_>, messages: &[Signed<T>]) {
    e.list(messages, |e, message| {
        e.bytes(&message.encode());
    });
}

impl Wire for Transcript {
    const TYPE: ObjectType = ObjectType::RepairTranscript;
    const MAX_BODY: usize = 256 * 1024 * 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.request.encode());
        write_all(e, &self.splits);
        write_all(e, &self.sums);
        e.option(self.closing.as_ref(), |e, closing| {
            e.bytes(&closing.encode());
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        Ok(Self {
            request: decode_object(d)?,
            splits: d.list(MANY, decode_object)?,
            sums: d.list(MANY, decode_object)?,
            closing: d.option(decode_object)?,
        })
    }
}
