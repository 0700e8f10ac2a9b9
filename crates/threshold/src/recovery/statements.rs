//! What is said in a recovery. Each statement is signed by who says it and names what it answers by digest, so that a
//! handful of files tells the whole story to anybody, at any time.

use crate::committee::MAX_PURPOSE;
use crate::guardians::Terms;
use crate::keys::decode_object;
use crate::proof::Fields;
use crate::tdh2::Ciphertext;
use crate::{Content, MAX_MEMBERS, MemberId, Signed};
use mediveil_codec::{DecodeError, Decoder, Encoder, FRAME_LEN, ObjectType, Timestamp, Wire};
use mediveil_seal::identity::PublicIdentity;

/// A statement of a recovery.
pub trait Statement: Content {
    /// What happened, as a log calls it.
    const KIND: &'static str;

    /// The request it belongs to; `None` for the request itself, whose digest is the name.
    fn request(&self) -> Option<&[u8; 32]>;
}

/// A statement as an append-only log records it: what happened, and digests. Whoever holds the statement can prove that it
/// is the one in the log; the log says nothing of who recovers what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened, such as `recovery-requested`.
    pub kind: &'static str,
    /// The digest of the request, then the digest of the statement: 64 bytes.
    pub body: [u8; 64],
}

impl<T: Statement> Signed<T> {
    /// The statement as a log records it, under the committee's name.
    #[must_use]
    pub fn event(&self) -> Event {
        let request = self.content().request().unwrap_or_else(|| self.digest());
        let mut body = [0; 64];
        body.iter_mut().zip(request.iter().chain(self.digest())).for_each(|(to, from)| *to = *from);
        Event { kind: T::KIND, body }
    }
}

/// The scope of a statement: the request and who speaks.
fn scope(request: &[u8; 32], kind: &str, who: &[u8]) -> [u8; 32] {
    Fields::new("mediveil/threshold/recovery/v1").add(request).add(kind.as_bytes()).add(who).finish()
}

/// Bytes of one framed public identity, at most.
const MAX_IDENTITY: usize = FRAME_LEN + PublicIdentity::MAX_BODY;

/// The wish to have a door opened for a new identity, signed by that identity. It holds all that guardians need to check
/// it; they need not see the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The committee's key.
    pub(super) key: [u8; 32],
    /// The file, by the digest of its core header.
    pub(super) file: [u8; 32],
    pub(super) terms: Terms,
    pub(super) ciphertext: Ciphertext,
    pub(super) reader: PublicIdentity,
    pub(super) at: Timestamp,
}

impl Request {
    /// The [`id`](crate::PublicKey::id) of the committee's key.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The file, by SHA-256 of its core header.
    #[must_use]
    pub const fn file(&self) -> &[u8; 32] {
        &self.file
    }

    /// For whom the door shall be opened.
    #[must_use]
    pub const fn reader(&self) -> &PublicIdentity {
        &self.reader
    }

    /// When it was made, by the clock of who made it: of no weight, because guardians wait by their own.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl Content for Request {
    const TYPE: ObjectType = ObjectType::RecoveryRequest;
    const MAX: usize = 1024 + MAX_PURPOSE + MAX_IDENTITY;
    const PURPOSE: &'static str = "threshold/recovery-request/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.file, Self::KIND, &self.reader.id())
    }

    fn author(&self) -> u16 {
        0
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(6).bytes(&self.key).bytes(&self.file);
        self.terms.encode(e);
        e.bytes(&self.ciphertext.encode()).bytes(&self.reader.encode());
        self.at.encode(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        Ok(Self {
            key: d.byte_array()?,
            file: d.byte_array()?,
            terms: Terms::decode(d)?,
            ciphertext: decode_object(d)?,
            reader: decode_object(d)?,
            at: Timestamp::decode(d)?,
        })
    }
}

impl Statement for Request {
    const KIND: &'static str = "recovery-requested";

    fn request(&self) -> Option<&[u8; 32]> {
        None
    }
}

/// A guardian's word that it has seen a request. Its waiting time starts here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub(super) request: [u8; 32],
    /// By identity and not by number, so that it outlives a resharing.
    pub(super) guardian: [u8; 32],
    pub(super) at: Timestamp,
}

impl Notice {
    /// The [`id`](PublicIdentity::id) of the guardian's identity.
    #[must_use]
    pub const fn guardian(&self) -> &[u8; 32] {
        &self.guardian
    }

    /// When the guardian saw the request, by its clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl Content for Notice {
    const TYPE: ObjectType = ObjectType::RecoveryNotice;
    const MAX: usize = 128;
    const PURPOSE: &'static str = "threshold/recovery-notice/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.request, Self::KIND, &self.guardian)
    }

    fn author(&self) -> u16 {
        0
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.request).bytes(&self.guardian);
        self.at.encode(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { request: d.byte_array()?, guardian: d.byte_array()?, at: Timestamp::decode(d)? })
    }
}

impl Statement for Notice {
    const KIND: &'static str = "recovery-noticed";

    fn request(&self) -> Option<&[u8; 32]> {
        Some(&self.request)
    }
}

/// The owner's word against a request: honest guardians who see it never approve that request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veto {
    pub(super) request: [u8; 32],
    pub(super) owner: PublicIdentity,
    pub(super) at: Timestamp,
}

impl Veto {
    /// Who says it.
    #[must_use]
    pub const fn owner(&self) -> &PublicIdentity {
        &self.owner
    }

    /// When, by the owner's clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl Content for Veto {
    const TYPE: ObjectType = ObjectType::RecoveryVeto;
    const MAX: usize = 128 + MAX_IDENTITY;
    const PURPOSE: &'static str = "threshold/recovery-veto/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.request, Self::KIND, &self.owner.id())
    }

    fn author(&self) -> u16 {
        0
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.request).bytes(&self.owner.encode());
        self.at.encode(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { request: d.byte_array()?, owner: decode_object(d)?, at: Timestamp::decode(d)? })
    }
}

impl Statement for Veto {
    const KIND: &'static str = "recovery-vetoed";

    fn request(&self) -> Option<&[u8; 32]> {
        Some(&self.request)
    }
}

/// A guardian's approval. The guardian's decryption share is in it, in a sealed file that only the new identity opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub(super) request: [u8; 32],
    /// The guardian's notice.
    pub(super) notice: [u8; 32],
    /// The key set of the epoch.
    pub(super) set: [u8; 32],
    pub(super) guardian: MemberId,
    pub(super) at: Timestamp,
    pub(super) answer: Vec<u8>,
}

impl Approval {
    /// The guardian's number in its committee.
    #[must_use]
    pub const fn guardian(&self) -> MemberId {
        self.guardian
    }

    /// When, by the guardian's clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// The [`digest`](crate::PublicKeySet::digest) of the key set whose share is in it. Only approvals under one set open a
    /// door together.
    #[must_use]
    pub const fn set(&self) -> &[u8; 32] {
        &self.set
    }
}

impl Content for Approval {
    const TYPE: ObjectType = ObjectType::RecoveryApproval;
    const MAX: usize = 256 + Self::MAX_ANSWER;
    const PURPOSE: &'static str = "threshold/recovery-approval/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.request, Self::KIND, &self.set)
    }

    fn author(&self) -> u16 {
        self.guardian.get()
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(6).bytes(&self.request).bytes(&self.notice).bytes(&self.set);
        self.guardian.encode(e);
        self.at.encode(e);
        e.bytes(&self.answer);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        Ok(Self {
            request: d.byte_array()?,
            notice: d.byte_array()?,
            set: d.byte_array()?,
            guardian: MemberId::decode(d)?,
            at: Timestamp::decode(d)?,
            answer: d.bytes(Self::MAX_ANSWER)?.to_vec(),
        })
    }
}

impl Approval {
    /// The longest sealed share in bytes.
    const MAX_ANSWER: usize = 4096;
}

impl Statement for Approval {
    const KIND: &'static str = "recovery-approved";

    fn request(&self) -> Option<&[u8; 32]> {
        Some(&self.request)
    }
}

/// The new identity's word that it opened the door, and with which approvals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub(super) request: [u8; 32],
    /// By digest.
    pub(super) approvals: Vec<[u8; 32]>,
    pub(super) at: Timestamp,
}

impl Completion {
    /// The digests of the approvals.
    #[must_use]
    pub fn approvals(&self) -> &[[u8; 32]] {
        &self.approvals
    }

    /// When, by the clock of the new identity.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl Content for Completion {
    const TYPE: ObjectType = ObjectType::RecoveryCompletion;
    const MAX: usize = 128 + MAX_MEMBERS as usize * 34;
    const PURPOSE: &'static str = "threshold/recovery-completion/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.request, Self::KIND, &[])
    }

    fn author(&self) -> u16 {
        0
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.request);
        e.list(&self.approvals, |e, digest| {
            e.bytes(digest);
        });
        self.at.encode(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self {
            request: d.byte_array()?,
            approvals: d.list(usize::from(MAX_MEMBERS), Decoder::byte_array)?,
            at: Timestamp::decode(d)?,
        })
    }
}

impl Statement for Completion {
    const KIND: &'static str = "recovery-completed";

    fn request(&self) -> Option<&[u8; 32]> {
        Some(&self.request)
    }
}
