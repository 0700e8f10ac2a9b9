//! Commitments to a resource, and opening one leaf of it.
//!
//! A commitment is the root of a 4-ary Poseidon tree of depth [`DEPTH`] ([`merkle`](crate::merkle)) over the salted hashes
//! of the resource's leaves ([`leaf`](crate::leaf)). It is *binding* as long as Poseidon is collision-resistant: a root has
//! one value at each place. It is *hiding* as long as the [`RecordSecret`] is secret: the root, and openings of other
//! leaves, do not help to confirm a guess at a leaf.
//!
//! # What an opening shows beside its value
//! The leaf's index, so how many leaves stand before it, and whether siblings are padding, so roughly how many leaves the
//! resource has. The leaf's salt becomes public with it, which matters to no other leaf. Proofs in zero knowledge over the
//! same root show none of this.
//!
//! A commitment says nothing about who made it; a signature over the root does that.

use crate::field::{from_bytes, to_bytes};
use crate::merkle::{self, Path, Tree};
use crate::{Digest, Leaf, LeafValue, RecordSecret, leaf, path};
use ark_bn254::Fr;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use std::fmt;

/// Depth of a resource's tree.
pub const DEPTH: usize = 6;
/// Most leaves of a resource, the digest's among them: 4^[`DEPTH`].
pub const MAX_LEAVES: usize = 1 << (2 * DEPTH);

const SIBLINGS: usize = merkle::ARITY - 1;
const SIBLINGS_LEN: usize = DEPTH * SIBLINGS * 32;

/// The commitment to one resource: 32 bytes that may be published and signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment(Fr);

impl Commitment {
    /// The commitment with this root.
    #[must_use]
    pub const fn from_root(root: Fr) -> Self {
        Self(root)
    }

    /// The root of the tree.
    #[must_use]
    pub const fn root(&self) -> Fr {
        self.0
    }

    /// The root, 32 bytes big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        to_bytes(&self.0)
    }

    /// The commitment with these bytes; `None` if they are no element of the field in its one encoding.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        from_bytes(bytes).map(Self)
    }

    /// The leaf that `opening` opens, if it is one of this commitment's.
    ///
    /// # Errors
    /// [`NotInCommitment`] if anything in the opening was changed, or it belongs to another commitment.
    pub fn verify<'o>(&self, opening: &'o LeafOpening) -> Result<&'o Leaf, NotInCommitment> {
        if opening.root() == self.0 { Ok(&opening.leaf) } else { Err(NotInCommitment) }
    }
}

/// The root in hexadecimal.
impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({self})")
    }
}

impl Wire for Commitment {
    const TYPE: ObjectType = ObjectType::Commitment;
    const MAX_BODY: usize = 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.bytes(&self.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Self::from_bytes(&d.byte_array()?).ok_or_else(|| d.invalid("not an element of the field"))
    }
}

/// An opening does not belong to the commitment, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the opened value does not belong to this commitment")]
pub struct NotInCommitment;

/// A resource has more leaves than a commitment has places.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this {resource_type} has {leaves} values and a commitment holds {MAX_LEAVES}; divide it into several resources"
)]
pub struct TooManyLeaves {
    /// The type of the resource.
    pub resource_type: String,
    /// Its leaves, the digest's among them.
    pub leaves: usize,
}

/// A resource's leaves, secret and tree: everything that its holder needs to open leaves and to prove statements.
#[derive(Clone)]
pub struct CommittedResource {
    leaves: Vec<Leaf>,
    digest: Digest,
    secret: RecordSecret,
    tree: Tree,
}

impl CommittedResource {
    pub(crate) fn new(leaves: Vec<Leaf>, digest: Digest, secret: RecordSecret) -> Result<Self, merkle::TreeFull> {
        let hashes = (0..).zip(&leaves).map(|(index, leaf)| leaf.hash(secret.salt(&digest, index))).collect();
        Ok(Self { leaves, digest, secret, tree: Tree::new(hashes, DEPTH)? })
    }

    /// The commitment.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment(self.tree.root())
    }

    /// The digest of the resource's canonical bytes.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The leaves in their order, the digest first.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// The index of the leaf at this path.
    #[must_use]
    pub fn index_of(&self, path: &str) -> Option<usize> {
        self.leaves.iter().position(|leaf| leaf.path == path)
    }

    /// Opens the leaf at this path; `None` if there is none.
    #[must_use]
    pub fn open(&self, path: &str) -> Option<LeafOpening> {
        self.open_at(self.index_of(path)?)
    }

    /// Opens the leaf at this index; `None` if there is none.
    #[must_use]
    pub fn open_at(&self, index: usize) -> Option<LeafOpening> {
        let leaf = self.leaves.get(index)?.clone();
        let path = self.tree.path(index)?;
        let salt = self.secret.salt(&self.digest, path.index());
        Some(LeafOpening { leaf, salt, path })
    }
}

impl fmt::Debug for CommittedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommittedResource({} leaves, {:?})", self.leaves.len(), self.commitment())
    }
}

/// One leaf with what proves that it stands in a commitment: its salt and its path of siblings. It holds the patient's
/// value; `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct LeafOpening {
    leaf: Leaf,
    salt: Fr,
    path: Path,
}

impl LeafOpening {
    /// The leaf, as claimed. Use what [`Commitment::verify`] returns instead of this, unless the opening is your own.
    #[must_use]
    pub const fn unverified_leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The leaf's salt.
    #[must_use]
    pub const fn salt(&self) -> Fr {
        self.salt
    }

    /// The leaf's place and siblings.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// The root of the tree in which this is a leaf.
    #[must_use]
    pub fn root(&self) -> Fr {
        self.path.root(self.leaf.hash(self.salt))
    }
}

impl fmt::Debug for LeafOpening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeafOpening({})", self.leaf.path)
    }
}

/// Body: `[index, path, value, salt, siblings]`, siblings leaf level first, 18 elements of 32 bytes big-endian.
impl Wire for LeafOpening {
    const TYPE: ObjectType = ObjectType::LeafOpening;
    const MAX_BODY: usize = leaf::MAX_TEXT + path::MAX_LEN + SIBLINGS_LEN + 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(5).u32(self.path.index()).text(&self.leaf.path);
        self.leaf.value.encode(e);
        let siblings: Vec<u8> = self.path.siblings().iter().flatten().flat_map(to_bytes).collect();
        e.bytes(&to_bytes(&self.salt)).bytes(&siblings);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        const OUTSIDE: &str = "not an element of the field";
        d.tuple(5)?;
        let index = d.u32()?;
        let path = d.text(path::MAX_LEN)?;
        if !path::is_path(path) {
            return Err(d.invalid("not the path of a leaf"));
        }
        let value = LeafValue::decode(d)?;
        let salt = from_bytes(&d.byte_array()?).ok_or_else(|| d.invalid(OUTSIDE))?;
        let siblings: [u8; SIBLINGS_LEN] = d.byte_array()?;
        let siblings = siblings.as_chunks::<32>().0.iter().map(from_bytes).collect::<Option<Vec<Fr>>>();
        let siblings = siblings.ok_or_else(|| d.invalid(OUTSIDE))?.as_chunks::<SIBLINGS>().0.to_vec();
        let path_to_root = Path::new(index, siblings).ok_or_else(|| d.invalid("an index beyond the tree"))?;
        Ok(Self { leaf: Leaf { path: path.to_owned(), value }, salt, path: path_to_root })
    }
}
