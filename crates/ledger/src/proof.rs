//! Proofs as files: that an entry is in a log (RFC 9162 §2.1.3) and that one head extends another (§2.1.4).
//!
//! Proofs are verified with `ct-merkle`, an implementation by other people than the code that makes them from stored
//! nodes, so that a mistake would have to be made twice. Verification needs the files alone: the entry, the proof and a
//! [`Head`] whose signature was checked. `ct-merkle` panics on some sizes that no log has; decoding excludes them.

use crate::Entry;
use crate::head::{Head, HeadError, SignedHead, decode_size};
use crate::tree::{Hash, MAX_SIZE, consistency_path, inclusion_path};
use ct_merkle::RootHash;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_seal::identity::VerifyingKey;
use sha2::Sha256;

/// More hashes than any proof in a log of [`MAX_SIZE`] has: one for each level and one.
const MAX_PATH: usize = 64;

/// That a log of `size` entries has a given entry at `index`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    index: u64,
    size: u64,
    path: Vec<Hash>,
}

impl InclusionProof {
    /// The proof with these parts.
    ///
    /// # Errors
    /// [`ProofError::Shape`] unless `index` is below `size`, `size` at most [`MAX_SIZE`], and `path` as long as a proof of
    /// these has to be.
    pub fn new(index: u64, size: u64, path: Vec<Hash>) -> Result<Self, ProofError> {
        if index >= size || size > MAX_SIZE || path.len() != inclusion_path(index, size).len() {
            return Err(ProofError::Shape);
        }
        Ok(Self { index, size, path })
    }

    /// Where the entry is.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The size of the log that the proof is for.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The hashes, leaf first, as RFC 9162 §2.1.3.1 orders them.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// Checks that the log of `head` has the entry with these exact bytes at [`index`](Self::index).
    ///
    /// # Errors
    /// [`ProofError::OtherSize`] if the proof is for another size than the head; [`ProofError::Inclusion`] if the entry,
    /// its place, the proof or the head is not the right one.
    pub fn verify(&self, entry: &[u8], head: &Head) -> Result<(), ProofError> {
        if self.size != head.size() {
            return Err(ProofError::OtherSize { proof: self.size, head: head.size() });
        }
        let root = root_hash(head.root(), self.size);
        let proof = ct_merkle::InclusionProof::try_from_bytes(concat(&self.path)).map_err(|_| ProofError::Shape)?;
        root.verify_inclusion(&entry, self.index, &proof).map_err(|_| ProofError::Inclusion { index: self.index })
    }
}

/// That the log of `new` entries extends the log of `old` entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    old: u64,
    new: u64,
    path: Vec<Hash>,
}

impl ConsistencyProof {
    /// The proof with these parts.
    ///
    /// # Errors
    /// [`ProofError::Shape`] unless `old` is at most `new`, `new` at most [`MAX_SIZE`], and `path` as long as a proof of
    /// these has to be; the proof from an empty log, and from a log to itself, is empty.
    pub fn new(old: u64, new: u64, path: Vec<Hash>) -> Result<Self, ProofError> {
        if old > new || new > MAX_SIZE {
            return Err(ProofError::Shape);
        }
        let len = if old == 0 { 0 } else { consistency_path(old, new).len() };
        if path.len() != len {
            return Err(ProofError::Shape);
        }
        Ok(Self { old, new, path })
    }

    /// The smaller size.
    #[must_use]
    pub const fn old(&self) -> u64 {
        self.old
    }

    /// The larger size.
    #[must_use]
    pub const fn new_size(&self) -> u64 {
        self.new
    }

    /// The hashes, as RFC 9162 §2.1.4.1 orders them.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// Checks that the log of `new` extends the log of `old`. Prefer [`Head::compare`], which tells what it means if not.
    ///
    /// # Errors
    /// [`ProofError::OtherSize`] if the proof is for other sizes than the heads; [`ProofError::OtherLog`] if they are of
    /// different logs; [`ProofError::Consistency`] if a head or the proof is not the right one.
    pub fn verify(&self, old: &Head, new: &Head) -> Result<(), ProofError> {
        if old.log() != new.log() {
            return Err(ProofError::OtherLog);
        }
        for (proof, head) in [(self.old, old.size()), (self.new, new.size())] {
            if proof != head {
                return Err(ProofError::OtherSize { proof, head });
            }
        }
        let refused = ProofError::Consistency { old: self.old, new: self.new };
        if self.old == 0 {
            return if old.root() == Hash::empty_root() { Ok(()) } else { Err(refused) };
        }
        let proof = ct_merkle::ConsistencyProof::try_from_bytes(concat(&self.path)).map_err(|_| ProofError::Shape)?;
        root_hash(new.root(), self.new)
            .verify_consistency(&root_hash(old.root(), self.old), &proof)
            .map_err(|_| refused)
    }
}

fn root_hash(root: Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new((*root.as_bytes()).into(), size)
}

fn concat(path: &[Hash]) -> Vec<u8> {
    path.iter().flat_map(|h| h.as_bytes()).copied().collect()
}

fn encode_path(path: &[Hash], e: &mut Encoder<'_>) {
    e.list(path, |e, h| {
        e.bytes(h.as_bytes());
    });
}

fn decode_path(d: &mut Decoder<'_>) -> Result<Vec<Hash>, DecodeError> {
    d.list(MAX_PATH, |d| d.byte_array().map(Hash::from_bytes))
}

impl Wire for InclusionProof {
    const TYPE: ObjectType = ObjectType::InclusionProof;
    const MAX_BODY: usize = 32 + MAX_PATH * (Hash::LEN + 2);

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).u64(self.index).u64(self.size);
        encode_path(&self.path, e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let (index, size) = (d.u64()?, decode_size(d)?);
        Self::new(index, size, decode_path(d)?).map_err(|_| d.invalid("not the shape of an inclusion proof"))
    }
}

impl Wire for ConsistencyProof {
    const TYPE: ObjectType = ObjectType::ConsistencyProof;
    const MAX_BODY: usize = 32 + MAX_PATH * (Hash::LEN + 2);

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).u64(self.old).u64(self.new);
        encode_path(&self.path, e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let (old, new) = (d.u64()?, decode_size(d)?);
        Self::new(old, new, decode_path(d)?).map_err(|_| d.invalid("not the shape of a consistency proof"))
    }
}

/// An entry, its inclusion proof and the head that the proof leads to, in one file: what `mediveil log prove` writes and
/// anyone with the log's public key can check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    entry: Vec<u8>,
    proof: InclusionProof,
    head: SignedHead,
}

impl Evidence {
    /// The bundle of these three. Nothing is checked before [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`ProofError::Shape`] if the entry is longer than any entry.
    pub fn new(entry: Vec<u8>, proof: InclusionProof, head: SignedHead) -> Result<Self, ProofError> {
        if entry.len() > Entry::MAX_LEN {
            return Err(ProofError::Shape);
        }
        Ok(Self { entry, proof, head })
    }

    /// The entry's index and exact bytes, once everything is checked: the head is signed by `trusted` and the entry is in
    /// that log. Decode the bytes with [`Entry::decode`](Wire::decode).
    ///
    /// # Errors
    /// [`EvidenceError`] telling which of the two is wrong.
    pub fn verify(&self, trusted: &VerifyingKey) -> Result<(u64, &[u8], Head), EvidenceError> {
        let head = self.head.verify(trusted)?;
        self.proof.verify(&self.entry, &head)?;
        Ok((self.proof.index, &self.entry, head))
    }

    /// The head in the bundle, not checked.
    #[must_use]
    pub const fn head(&self) -> &SignedHead {
        &self.head
    }

    /// The proof in the bundle, not checked.
    #[must_use]
    pub const fn proof(&self) -> &InclusionProof {
        &self.proof
    }
}

impl Wire for Evidence {
    const TYPE: ObjectType = ObjectType::LogEvidence;
    const MAX_BODY: usize = Entry::MAX_LEN + InclusionProof::MAX_BODY + SignedHead::MAX_BODY + 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.entry).nested(|e| self.proof.encode_body(e)).nested(|e| self.head.encode_body(e));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self {
            entry: d.bytes(Entry::MAX_LEN)?.to_vec(),
            proof: d.nested(InclusionProof::MAX_BODY, InclusionProof::decode_body)?,
            head: d.nested(SignedHead::MAX_BODY, SignedHead::decode_body)?,
        })
    }
}

/// A proof that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The parts cannot belong to one proof.
    #[error("not the shape of a proof: its index, sizes and number of hashes do not fit together")]
    Shape,
    /// The proof is for another size than the head.
    #[error(
        "the proof is for a log of {proof} entries, the head for one of {head}; ask the log for the proof that fits"
    )]
    OtherSize {
        /// The size in the proof.
        proof: u64,
        /// The size in the head.
        head: u64,
    },
    /// The heads are of different logs.
    #[error("the two heads are of different logs")]
    OtherLog,
    /// The entry is not shown to be in the log.
    #[error(
        "nothing shows that this entry is number {index} of the log: the entry, its place, the proof or the head was changed"
    )]
    Inclusion {
        /// The index it should have.
        index: u64,
    },
    /// The heads are not shown to belong together.
    #[error(
        "the first {old} of {new} entries are not those of the older head: the log was rewritten, or the proof was changed"
    )]
    Consistency {
        /// The smaller size.
        old: u64,
        /// The larger size.
        new: u64,
    },
}

/// Evidence that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The head cannot be trusted.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The entry is not in the log.
    #[error(transparent)]
    Proof(#[from] ProofError),
}
