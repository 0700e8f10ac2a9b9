//! What a log records: an event, when its writer says it happened, who did it, and whom it concerns.

use crate::Event;
use hmac::{Hmac, KeyInit, Mac};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_seal::identity::VerifyingKey;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// One entry of a log: an event, when its writer says it happened, who did it, and whom it concerns.
///
/// A log is kept for decades and read by auditors, so **nothing of a patient stands in it**: a patient appears as a
/// [`Subject`], 32 opaque bytes.
///
/// An entry's bytes are what the tree hashes, so an entry has one encoding for ever. An event of a later version of this
/// crate is kept, proved and verified like any other; it decodes as [`Event::Unknown`].
///
/// What an entry says is the word of its writer: the time is recorded and not trusted (a clock that jumps back gives times
/// out of order; the index alone gives the order), and the actor is named, not authenticated. The log's promise is that
/// what was written stays, in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it happened, by the clock of the writer.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// Whom it concerns, if it concerns a patient.
    pub subject: Option<Subject>,
    /// The writer's own name for this entry, unique in the log: appending twice under one key records once.
    pub key: Option<UniqueKey>,
    /// What happened.
    pub event: Event,
}

impl Entry {
    /// The longest encoding of an entry, in bytes.
    pub const MAX_LEN: usize = mediveil_codec::FRAME_LEN + Self::MAX_BODY;

    /// An entry that concerns no patient and has no unique key.
    #[must_use]
    pub const fn new(at: Timestamp, actor: Actor, event: Event) -> Self {
        Self { at, actor, subject: None, key: None, event }
    }

    /// The same entry about `subject`.
    #[must_use]
    pub const fn about(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The same entry under a unique key.
    #[must_use]
    pub const fn keyed(mut self, key: UniqueKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Whether both record the same thing: everything but the time, which differs between one attempt and the next.
    #[must_use]
    pub fn records_the_same(&self, other: &Self) -> bool {
        (self.actor, self.subject, self.key, &self.event) == (other.actor, other.subject, other.key, &other.event)
    }
}

impl Wire for Entry {
    const TYPE: ObjectType = ObjectType::LogEntry;
    const MAX_BODY: usize = Event::MAX_BODY + 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(6);
        self.at.encode(e);
        e.bytes(&self.actor.0)
            .option(self.subject.as_ref(), |e, s| {
                e.bytes(&s.0);
            })
            .option(self.key.as_ref(), |e, k| {
                e.bytes(&k.0);
            })
            .u16(self.event.code());
        self.event.encode_nested(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        let at = Timestamp::decode(d)?;
        let actor = Actor(d.byte_array()?);
        let subject = d.option(Decoder::byte_array)?.map(Subject);
        let key = d.option(Decoder::byte_array)?.map(UniqueKey);
        let code = d.u16()?;
        Ok(Self { at, actor, subject, key, event: Event::decode_nested(code, d)? })
    }
}

macro_rules! hex_bytes {
    ($name:ident) => {
        /// Lower-case hexadecimal.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}
pub(crate) use hex_bytes;

/// Who did something: the fingerprint of a P-256 key, as [`VerifyingKey::fingerprint`] prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Actor([u8; 16]);

impl Actor {
    /// The system itself, for what no key holder did.
    pub const SYSTEM: Self = Self([0; 16]);

    /// The holder of this key.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        let digest: [u8; 32] = Sha256::digest(key.to_sec1()).into();
        let mut actor = [0; 16];
        for (to, from) in actor.iter_mut().zip(digest) {
            *to = from;
        }
        Self(actor)
    }

    /// The actor with this fingerprint.
    #[must_use]
    pub const fn from_bytes(fingerprint: [u8; 16]) -> Self {
        Self(fingerprint)
    }

    /// The fingerprint.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

hex_bytes!(Actor);

/// Whom an entry concerns: 32 bytes that mean nothing by themselves.
///
/// A bare digest of a name or a number can be found by trying all of them; make subjects with
/// [`pseudonym`](Self::pseudonym), which is keyed by a secret [`SubjectSalt`] of the organisation. Whoever holds the salt
/// can tell which entries concern a patient; whoever destroys it makes the subjects unlinkable for good, entries unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject([u8; 32]);

impl Subject {
    /// The pseudonym of an identifier: HMAC-SHA-256 under the salt, with a domain of its own. The same identifier has the
    /// same pseudonym under one salt and unrelated ones under different salts.
    #[must_use]
    pub fn pseudonym(salt: &SubjectSalt, identifier: &[u8]) -> Self {
        // HMAC takes keys of any length; this one never fails.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&salt.0) else { return Self([0; 32]) };
        mac.update(b"mediveil/ledger/subject/v1\0");
        mac.update(identifier);
        Self(mac.finalize().into_bytes().into())
    }

    /// The subject with these bytes: a pseudonym made elsewhere, or an id that is random by itself.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

hex_bytes!(Subject);

/// The secret that makes pseudonyms. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SubjectSalt([u8; 32]);

impl SubjectSalt {
    /// A fresh random salt.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut salt = Self([0; 32]);
        rng.fill_bytes(&mut salt.0);
        salt
    }

    /// The salt with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored with the organisation's secrets.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A file for the organisation's secrets; keep it where nobody reads who reads the log.
impl Wire for SubjectSalt {
    const TYPE: ObjectType = ObjectType::SubjectSalt;
    const MAX_BODY: usize = 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(1).bytes(&self.0);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(1)?;
        Ok(Self(d.byte_array()?))
    }
}

impl fmt::Debug for SubjectSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectSalt")
    }
}

/// A name for an entry that its writer chooses, unique in the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UniqueKey([u8; 32]);

impl UniqueKey {
    /// The key with these bytes; they must hold nothing of a patient.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The SHA-256 digest of a purpose and a name within it. The name can be guessed from the key if it is guessable.
    #[must_use]
    pub fn of(purpose: &str, name: &[u8]) -> Self {
        Self(Sha256::new().chain_update(purpose).chain_update([0]).chain_update(name).finalize().into())
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

hex_bytes!(UniqueKey);
