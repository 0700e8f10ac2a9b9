//! The messages of the ceremony: one shape for all rounds, signed.

use crate::ceremony::CeremonyError;
use crate::key::{MAX_POLY, Terms};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_seal::identity::{Identity, Signature};
use sha2::{Digest, Sha256};
use std::fmt;

const PURPOSE: &str = "fhe/ceremony/v1";

/// Rounds of the ceremony.
pub(crate) const ROUNDS: u8 = 6;

/// What one member broadcasts in one round. Move the bytes to all other members by any means; it is signed.
#[derive(Clone, PartialEq, Eq)]
pub struct CeremonyMessage {
    pub(crate) round: u8,
    pub(crate) sender: u32,
    pub(crate) transcript: [u8; 32],
    /// A nonce, a commitment, a salt or a digest, by round.
    pub(crate) word: [u8; 32],
    /// Polynomials, sealed dealings or numbers, by round.
    pub(crate) blobs: Vec<Vec<u8>>,
    signature: Signature,
}

fn digest(round: u8, sender: u32, transcript: &[u8; 32], word: &[u8; 32], blobs: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/ceremony/message/v1\0");
    hash.update([round]);
    hash.update(sender.to_be_bytes());
    hash.update(transcript);
    hash.update(word);
    hash_blobs(&mut hash, blobs);
    hash.finalize().into()
}

fn hash_blobs(hash: &mut Sha256, blobs: &[Vec<u8>]) {
    hash.update((blobs.len() as u64).to_be_bytes());
    for blob in blobs {
        hash.update((blob.len() as u64).to_be_bytes());
        hash.update(blob);
    }
}

/// The commitment to polynomials that a later round reveals.
pub(crate) fn commitment(transcript: &[u8; 32], sender: u32, salt: &[u8; 32], blobs: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/ceremony/commitment/v1\0");
    hash.update(transcript);
    hash.update(sender.to_be_bytes());
    hash.update(salt);
    hash_blobs(&mut hash, blobs);
    hash.finalize().into()
}

impl CeremonyMessage {
    pub(crate) fn signed(
        round: u8,
        sender: u32,
        transcript: [u8; 32],
        word: [u8; 32],
        blobs: Vec<Vec<u8>>,
        identity: &Identity,
    ) -> Self {
        let signature = identity.sign(PURPOSE, &digest(round, sender, &transcript, &word, &blobs));
        Self { round, sender, transcript, word, blobs, signature }
    }

    /// The round, from 1 to 6.
    #[must_use]
    pub const fn round(&self) -> u8 {
        self.round
    }

    /// The member who sent it.
    #[must_use]
    pub const fn sender(&self) -> u32 {
        self.sender
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        digest(self.round, self.sender, &self.transcript, &self.word, &self.blobs)
    }
}

impl fmt::Debug for CeremonyMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CeremonyMessage")
            .field("round", &self.round)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

/// Brings the messages of a round into the order of the members: one of each, signed, of this round, and from members who
/// saw the earlier rounds as we did. Returns them with the transcript that now includes them.
pub(crate) fn collect<'m>(
    terms: &Terms,
    round: u8,
    transcript: &[u8; 32],
    own: &CeremonyMessage,
    messages: &'m [CeremonyMessage],
) -> Result<(Vec<&'m CeremonyMessage>, [u8; 32]), CeremonyError> {
    let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/ceremony/transcript/v1\0");
    hash.update(transcript);
    let mut ordered = Vec::with_capacity(messages.len());
    let mut missing = Vec::new();
    for (member, identity) in (1u32..).zip(terms.members()) {
        let mut of_member = messages.iter().filter(|m| m.sender == member);
        let Some(message) = of_member.next() else {
            missing.push(member);
            continue;
        };
        let digest = message.digest();
        if message.round != round || of_member.any(|other| other.digest() != digest) {
            return Err(CeremonyError::Unexpected { member });
        }
        if identity.verifying_key().verify(PURPOSE, &digest, &message.signature).is_err() {
            return Err(CeremonyError::Signature { member });
        }
        if message.transcript != *transcript {
            return Err(CeremonyError::Transcript { member });
        }
        if member == own.sender && digest != own.digest() {
            return Err(CeremonyError::Unexpected { member });
        }
        hash.update(digest);
        ordered.push(message);
    }
    if !missing.is_empty() {
        return Err(CeremonyError::Missing { members: missing });
    }
    Ok((ordered, hash.finalize().into()))
}

impl Wire for CeremonyMessage {
    const TYPE: ObjectType = ObjectType::FheCeremonyMessage;
    const MAX_BODY: usize = 320 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(6).u8(self.round).u32(self.sender).bytes(&self.transcript).bytes(&self.word);
        e.list(&self.blobs, |e, blob| {
            e.bytes(blob);
        });
        e.bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        let round = d.u8()?;
        if !(1..=ROUNDS).contains(&round) {
            return Err(d.invalid("the ceremony has six rounds"));
        }
        let sender = d.u32()?;
        if usize::try_from(sender).map_or(true, |s| !(1..=Terms::MAX_MEMBERS).contains(&s)) {
            return Err(d.invalid("members are numbered from 1 to 64"));
        }
        let transcript = d.byte_array()?;
        let word = d.byte_array()?;
        let blobs = d.list(Terms::MAX_MEMBERS, |d| Ok(d.bytes(MAX_POLY + (1 << 20))?.to_vec()))?;
        let signature = d.byte_array::<{ Signature::LEN }>()?;
        let signature = Signature::from_bytes(&signature).map_err(|_| d.invalid("not a P-256 signature"))?;
        Ok(Self { round, sender, transcript, word, blobs, signature })
    }
}
