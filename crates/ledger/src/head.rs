//! Signed tree heads: what a log promises about itself (RFC 9162 §4.10, with our own framing and ECDSA P-256).
//!
//! A head names the log, its size and its root, and says when it was signed. The signature is over exactly these 80 bytes
//! for the purpose `ledger/head/v1`: log id, size (big-endian), root, time in milliseconds (big-endian).
//!
//! [`SignedHead`] is what lies in a file; [`Head`] is one whose signature was checked against a key that the caller
//! trusts, and everything that proves something asks for that. A signer of heads can still lie by signing two histories.
//! It cannot do so unseen once two people compare heads: [`Head::compare`] tells growth from a fork.

use crate::entry::hex_bytes;
use crate::tree::{Hash, MAX_SIZE};
use crate::{ConsistencyProof, ProofError};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_seal::identity::{Signature, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use std::fmt;

const PURPOSE: &str = "ledger/head/v1";

/// The name of a log: 32 random bytes drawn when it was created.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId([u8; 32]);

impl LogId {
    pub(crate) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut id = [0; 32];
        rng.fill_bytes(&mut id);
        Self(id)
    }

    /// The id with these bytes.
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

hex_bytes!(LogId);

/// A state of a log: its size and root, for whom nobody vouches yet. [`Log::checkpoint`](crate::Log::checkpoint) gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub log: LogId,
    /// How many entries it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Signs the state. The signer must have checked that it extends everything signed before;
    /// [`Log::head`](crate::Log::head) does.
    #[must_use]
    pub fn sign(self, at: Timestamp, key: &SigningKey) -> SignedHead {
        let signature = key.sign(PURPOSE, &message(&self, at));
        SignedHead { state: self, at, signer: key.verifying_key(), signature }
    }
}

fn message(state: &Checkpoint, at: Timestamp) -> Vec<u8> {
    [&state.log.0[..], &state.size.to_be_bytes(), state.root.as_bytes(), &at.millis().to_be_bytes()].concat()
}

/// A tree head as it lies in a file, its signature not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedHead {
    state: Checkpoint,
    at: Timestamp,
    signer: VerifyingKey,
    signature: Signature,
}

impl SignedHead {
    /// The head, if `trusted` signed it.
    ///
    /// # Errors
    /// [`HeadError::OtherSigner`] if another key claims to have signed it, [`HeadError::Forged`] if none did.
    pub fn verify(&self, trusted: &VerifyingKey) -> Result<Head, HeadError> {
        if self.signer != *trusted {
            return Err(HeadError::OtherSigner { signer: self.signer.fingerprint(), trusted: trusted.fingerprint() });
        }
        self.verify_claimed()
    }

    /// The head, if the key that it names signed it: enough to recognise damage, not to trust the log.
    pub(crate) fn verify_claimed(&self) -> Result<Head, HeadError> {
        self.signer
            .verify(PURPOSE, &message(&self.state, self.at), &self.signature)
            .map_err(|_| HeadError::Forged { size: self.state.size })?;
        Ok(Head { state: self.state, at: self.at, signer: self.signer })
    }

    /// The key that claims to have signed it. Look it up in a list of trusted keys; do not trust it from here.
    #[must_use]
    pub const fn signer(&self) -> &VerifyingKey {
        &self.signer
    }

    /// What it claims.
    #[must_use]
    pub const fn claims(&self) -> &Checkpoint {
        &self.state
    }

    /// When it claims to have been signed.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

impl fmt::Debug for SignedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedHead").field("state", &self.state).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Wire for SignedHead {
    const TYPE: ObjectType = ObjectType::TreeHead;
    const MAX_BODY: usize = 256;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(6).bytes(&self.state.log.0).u64(self.state.size).bytes(self.state.root.as_bytes());
        self.at.encode(e);
        e.bytes(&self.signer.to_sec1()).bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        let log = LogId(d.byte_array()?);
        let size = decode_size(d)?;
        let root = Hash::from_bytes(d.byte_array()?);
        if size == 0 && root != Hash::empty_root() {
            return Err(d.invalid("not the root of an empty log"));
        }
        let at = Timestamp::decode(d)?;
        let signer = VerifyingKey::from_sec1(&d.byte_array::<{ VerifyingKey::LEN }>()?)
            .map_err(|_| d.invalid("not a P-256 public key"))?;
        let signature = Signature::from_bytes(&d.byte_array::<{ Signature::LEN }>()?)
            .map_err(|_| d.invalid("not a P-256 signature"))?;
        Ok(Self { state: Checkpoint { log, size, root }, at, signer, signature })
    }
}

pub(crate) fn decode_size(d: &mut Decoder<'_>) -> Result<u64, DecodeError> {
    let size = d.u64()?;
    if size > MAX_SIZE { Err(d.invalid("larger than a log can be")) } else { Ok(size) }
}

/// A tree head that a trusted key has signed. Remember the latest one: it is what shows a later rollback.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    state: Checkpoint,
    at: Timestamp,
    signer: VerifyingKey,
}

impl Head {
    /// The log.
    #[must_use]
    pub const fn log(&self) -> LogId {
        self.state.log
    }

    /// How many entries the log had.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.state.size
    }

    /// The root of the tree over them.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.state.root
    }

    /// When it was signed, by the signer's clock; recorded, not trusted.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Who signed it.
    #[must_use]
    pub const fn signer(&self) -> &VerifyingKey {
        &self.signer
    }

    /// Log, size and root.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.state
    }

    /// Whether two heads can belong to one history. `proof` is the consistency proof between their sizes; it is not
    /// needed where the sizes are equal or one is 0.
    ///
    /// # Errors
    /// [`HeadError::OtherLog`]; [`HeadError::Fork`] for one size with two roots, which convicts the signer;
    /// [`HeadError::Unproven`] if the sizes differ and there is no proof, and [`HeadError::Inconsistent`] if the proof
    /// does not connect the two: ask the log for another, and if it has none it has forked.
    pub fn compare(&self, other: &Self, proof: Option<&ConsistencyProof>) -> Result<Relation, HeadError> {
        let (a, b) = (&self.state, &other.state);
        if a.log != b.log {
            return Err(HeadError::OtherLog { expected: a.log, found: b.log });
        }
        let (old, new, relation) = match a.size.cmp(&b.size) {
            std::cmp::Ordering::Equal if a.root == b.root => return Ok(Relation::Same),
            std::cmp::Ordering::Equal => return Err(HeadError::Fork { size: a.size }),
            std::cmp::Ordering::Less => (self, other, Relation::Older),
            std::cmp::Ordering::Greater => (other, self, Relation::Newer),
        };
        if old.size() == 0 {
            return Ok(relation);
        }
        let unproven = HeadError::Unproven { old: old.size(), new: new.size() };
        proof.ok_or(unproven)?.verify(old, new).map_err(|why| HeadError::Inconsistent {
            old: old.size(),
            new: new.size(),
            why,
        })?;
        Ok(relation)
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head").field("state", &self.state).field("at", &self.at).finish_non_exhaustive()
    }
}

/// How one head relates to another of the same history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same state.
    Same,
    /// It is a prefix of the other.
    Older,
    /// It extends the other.
    Newer,
}

/// Heads that cannot be trusted, or not together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// Another key than the trusted one is named in the head.
    #[error("the head names the signer {signer}, not the trusted key {trusted}")]
    OtherSigner {
        /// Fingerprint of the key in the head.
        signer: String,
        /// Fingerprint of the trusted key.
        trusted: String,
    },
    /// The signature is not by the key in the head: forged or damaged.
    #[error("the head of size {size} is forged: its signature does not verify")]
    Forged {
        /// The size it claims.
        size: u64,
    },
    /// Heads, or a head and a log, of different logs.
    #[error("this belongs to the log {found}, not to the log {expected}")]
    OtherLog {
        /// The log that was asked about.
        expected: LogId,
        /// The log it belongs to.
        found: LogId,
    },
    /// One size, two roots: the log has two histories, and both heads are the proof of it. Keep them.
    #[error("the log has forked: two heads of size {size} have different roots; keep both heads, they prove it")]
    Fork {
        /// The size of both.
        size: u64,
    },
    /// Two sizes and no proof.
    #[error(
        "nothing proves that the head of size {new} extends the head of size {old}; ask the log for a consistency proof"
    )]
    Unproven {
        /// The smaller size.
        old: u64,
        /// The larger size.
        new: u64,
    },
    /// Two sizes and a proof that does not connect them.
    #[error("the head of size {new} is not shown to extend the head of size {old}: {why}")]
    Inconsistent {
        /// The smaller size.
        old: u64,
        /// The larger size.
        new: u64,
        /// What is wrong with the proof.
        why: ProofError,
    },
}
