//! The committee's word on its key.
//!
//! Nothing in a committee's key proves that a ceremony made it. So each member that finished the ceremony says in the log
//! which key came out, signed; a site encrypts only under a key that every member has confirmed.

use crate::terms::Study;
use crate::upload::{body_of, decode_signature, entry};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_fhe::KeyId;
use mediveil_ledger::{Actor, Log, LogError, UniqueKey};
use mediveil_seal::identity::{Identity, Signature};

const PURPOSE: &str = "study/key/v1";

/// Why a key is not confirmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmError {
    /// The identity is not a member.
    #[error("this identity is not a member of the study's committee")]
    NotAMember,
    /// A member confirmed another key before.
    #[error("member {member} has confirmed another key: the ceremony was run twice, or somebody exchanged the key")]
    OtherKey {
        /// Which member.
        member: u32,
    },
    /// Members have not confirmed the key.
    #[error("members {members:?} have not confirmed the committee's key in the log")]
    Missing {
        /// Which.
        members: Vec<u32>,
    },
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A member's signed word that this is the key of its ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    study: [u8; 32],
    key: KeyId,
    member: u32,
    signature: Signature,
}

impl Confirmation {
    fn message(study: &[u8; 32], key: KeyId, member: u32) -> Vec<u8> {
        [&study[..], &key.0, &member.to_be_bytes()].concat()
    }

    /// The confirmation of a study's key by one of its members.
    ///
    /// # Errors
    /// [`ConfirmError::NotAMember`].
    pub fn new(study: &Study, member: &Identity) -> Result<Self, ConfirmError> {
        let number = study.terms().member(member.public()).ok_or(ConfirmError::NotAMember)?;
        let (id, key) = (study.id(), study.key().id());
        let signature = member.sign(PURPOSE, &Self::message(&id, key, number));
        Ok(Self { study: id, key, member: number, signature })
    }

    /// Whether it confirms this study's key, signed by its member.
    fn holds(&self, study: &Study) -> bool {
        let message = Self::message(&self.study, self.key, self.member);
        let member = study.key().terms().member(self.member);
        self.study == study.id()
            && self.key == study.key().id()
            && member.is_some_and(|m| m.verifying_key().verify(PURPOSE, &message, &self.signature).is_ok())
    }
}

impl Wire for Confirmation {
    const TYPE: ObjectType = ObjectType::StudyKeyConfirmation;
    const MAX_BODY: usize = 256;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.study).bytes(&self.key.0).u32(self.member).bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let (study, key, member) = (d.byte_array()?, KeyId(d.byte_array()?), d.u32()?);
        Ok(Self { study, key, member, signature: decode_signature(d)? })
    }
}

fn unique(study: &Study, member: u32) -> UniqueKey {
    UniqueKey::of("study/key", &[&study.id()[..], &member.to_be_bytes()].concat())
}

impl Study {
    /// Appends a member's confirmation to the log.
    ///
    /// # Errors
    /// [`ConfirmError::OtherKey`] if the member has confirmed another key.
    pub fn confirm(&self, log: &Log, member: &Identity, now: Timestamp) -> Result<u64, ConfirmError> {
        let confirmation = Confirmation::new(self, member)?;
        let actor = Actor::of(member.public().verifying_key());
        let number = confirmation.member;
        let entry = entry(self, now, "key", confirmation.encode(), actor)?.keyed(unique(self, number));
        match log.append(&entry) {
            Ok(appended) => Ok(appended.index),
            Err(LogError::KeyTaken { .. }) => Err(ConfirmError::OtherKey { member: number }),
            Err(other) => Err(other.into()),
        }
    }

    /// Whether every member has confirmed the key in the log.
    ///
    /// # Errors
    /// [`ConfirmError::Missing`], [`ConfirmError::OtherKey`].
    pub fn check_key(&self, log: &Log) -> Result<(), ConfirmError> {
        let mut missing = Vec::new();
        for member in 1..=self.key().terms().size() {
            let Some(record) = log.find(&unique(self, member))? else {
                missing.push(member);
                continue;
            };
            let entry = record.entry().map_err(LogError::from)?;
            let confirmation = body_of(self, &entry, "key").and_then(|b| Confirmation::decode(&b).ok());
            if !confirmation.is_some_and(|c| c.member == member && c.holds(self)) {
                return Err(ConfirmError::OtherKey { member });
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(ConfirmError::Missing { members: missing }) }
    }
}
