//! The Merkle tree of RFC 9162 §2.1 as arithmetic: which nodes there are, where they are stored, and which of them make
//! a root or a proof. Nothing here reads or writes.
//!
//! SHA-256 with the prefixes `00` for leaves and `01` for inner nodes. Only *perfect* subtrees are stored, those whose
//! leaves are all present: their hashes never change, so a stored node is written once. A node's storage position counts
//! the perfect nodes in the order in which they become complete (post-order), so that storing is appending; the tree of
//! `n` leaves fills the positions `0..2n - popcount(n)`. Whatever is not perfect, the right edge of a tree of any size,
//! is hashed on demand from at most 64 perfect nodes.

use sha2::{Digest, Sha256};
use std::fmt;

/// The most entries that a log can hold: 2^48. Far beyond any disk, and low enough that no position overflows.
pub const MAX_SIZE: u64 = 1 << 48;

/// A SHA-256 hash: of a leaf, of a node, or the root of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; Self::LEN]);

impl Hash {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// The hash with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The root of the tree without leaves: SHA-256 of nothing.
    #[must_use]
    pub fn empty_root() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The hash of a leaf: SHA-256 of `00` and the entry's bytes.
    #[must_use]
    pub fn leaf(entry: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    /// The hash of an inner node: SHA-256 of `01` and its children.
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        Self(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// A perfect subtree: the `index`-th one from the left with `2^level` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    pub(crate) level: u32,
    pub(crate) index: u64,
}

impl Node {
    pub(crate) const fn leaf(index: u64) -> Self {
        Self { level: 0, index }
    }

    /// Where the node is stored. It becomes complete with its last leaf, right after its descendants on that edge.
    pub(crate) fn position(self) -> u64 {
        let last_leaf = (self.index << self.level) | ((1 << self.level) - 1);
        stored_nodes(last_leaf) + u64::from(self.level)
    }
}

/// How many perfect nodes the tree of `size` leaves has.
pub(crate) fn stored_nodes(size: u64) -> u64 {
    2 * size - u64::from(size.count_ones())
}

/// The leaves `start..end` as a subtree of an RFC 9162 tree: `start` is a multiple of the smallest power of two that is
/// not below their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Range {
    fn len(self) -> u64 {
        self.end - self.start
    }

    /// The perfect nodes of the range, left to right; at most one of each level.
    pub(crate) fn peaks(self) -> impl Iterator<Item = Node> {
        let mut start = self.start;
        let len = self.len();
        (0..u64::BITS).rev().filter(move |level| len >> level & 1 == 1).map(move |level| {
            let node = Node { level, index: start >> level };
            start += 1 << level;
            node
        })
    }

    /// The split of RFC 9162 §2.1.1: the left part has the largest power of two of leaves that leaves some for the right.
    fn split(self) -> Option<(Self, Self)> {
        let len = self.len();
        if len < 2 {
            return None;
        }
        let middle = self.start + (1 << (len - 1).ilog2());
        Some((Self { start: self.start, end: middle }, Self { start: middle, end: self.end }))
    }

    /// The root of the range from its peaks, left to right; `None` without peaks.
    pub(crate) fn fold(peaks: &[Hash]) -> Option<Hash> {
        peaks.iter().rev().copied().reduce(|right, left| Hash::node(&left, &right))
    }
}

/// The subtrees whose hashes are the inclusion proof of leaf `index` in the tree of `size` leaves, in proof order
/// (RFC 9162 §2.1.3.1). Requires `index < size`.
pub(crate) fn inclusion_path(index: u64, size: u64) -> Vec<Range> {
    let mut path = Vec::new();
    let mut here = Range { start: 0, end: size };
    while let Some((left, right)) = here.split() {
        if index < left.end {
            path.push(right);
            here = left;
        } else {
            path.push(left);
            here = right;
        }
    }
    path.reverse();
    path
}

/// The subtrees whose hashes are the consistency proof between the trees of `old` and `new` leaves, in proof order
/// (RFC 9162 §2.1.4.1). Requires `0 < old <= new`.
pub(crate) fn consistency_path(old: u64, new: u64) -> Vec<Range> {
    let mut path = Vec::new();
    let mut here = Range { start: 0, end: new };
    // Whether the old tree's root is known to the verifier and is this subtree.
    let mut whole = true;
    while here.end != old {
        let Some((left, right)) = here.split() else { break };
        if old <= left.end {
            path.push(right);
            here = left;
        } else {
            path.push(left);
            here = right;
            whole = false;
        }
    }
    if !whole {
        path.push(here);
    }
    path.reverse();
    path
}

/// The right edge of a tree: the peaks from which it grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The edge of the tree of `size` leaves with these peaks, left to right; `None` if their number is wrong.
    pub(crate) fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (u32::try_from(peaks.len()) == Ok(size.count_ones())).then_some(Self { size, peaks })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn root(&self) -> Hash {
        Range::fold(&self.peaks).unwrap_or_else(Hash::empty_root)
    }

    /// Adds a leaf; calls `complete` for each node that becomes complete, in the order of their positions.
    pub(crate) fn push<E>(
        &mut self,
        leaf: Hash,
        mut complete: impl FnMut(Node, Hash) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut node, mut hash) = (Node::leaf(self.size), leaf);
        complete(node, hash)?;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            node = Node { level: node.level + 1, index: node.index >> 1 };
            hash = Hash::node(&left, &hash);
            complete(node, hash)?;
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positions of the nodes in the order of their completion are 0, 1, 2, ...
    #[test]
    fn positions_are_dense_and_in_order_of_completion() {
        let mut edge = Frontier::default();
        let mut next = 0;
        for i in 0..1000u64 {
            edge.push(Hash::leaf(&i.to_be_bytes()), |node, _| {
                assert_eq!(node.position(), next, "{node:?}");
                next += 1;
                Ok::<(), ()>(())
            })
            .unwrap();
            assert_eq!(next, stored_nodes(i + 1));
        }
    }

    #[test]
    fn positions_reach_the_largest_log() {
        let last = Node::leaf(MAX_SIZE - 1).position();
        assert!(i64::try_from(last).is_ok());
        assert_eq!(stored_nodes(MAX_SIZE), 2 * MAX_SIZE - 1);
    }

    /// RFC 9162 §2.1.5's example tree of seven leaves.
    #[test]
    fn paths_of_the_rfc_example() {
        let range = |start, end| Range { start, end };
        assert_eq!(inclusion_path(0, 7), [range(1, 2), range(2, 4), range(4, 7)]);
        assert_eq!(inclusion_path(3, 7), [range(2, 3), range(0, 2), range(4, 7)]);
        assert_eq!(inclusion_path(4, 7), [range(5, 6), range(6, 7), range(0, 4)]);
        assert_eq!(inclusion_path(6, 7), [range(4, 6), range(0, 4)]);
        assert_eq!(consistency_path(3, 7), [range(2, 3), range(3, 4), range(0, 2), range(4, 7)]);
        assert_eq!(consistency_path(4, 7), [range(4, 7)]);
        assert_eq!(consistency_path(6, 7), [range(4, 6), range(6, 7), range(0, 4)]);
        assert_eq!(consistency_path(7, 7), []);
    }

    #[test]
    fn an_edge_needs_the_right_number_of_peaks() {
        assert_eq!(Frontier::new(3, vec![Hash::empty_root()]), None);
        assert_eq!(Frontier::new(0, Vec::new()), Some(Frontier::default()));
        assert_eq!(Frontier::default().root(), Hash::empty_root());
    }
}
