//! 4-ary Merkle trees of a fixed depth with Poseidon nodes: the one tree of records, registries and tables.
//!
//! A node is `Poseidon4[tag NODE](child 0, child 1, child 2, child 3)`. Leaves are hashes under tags of their own, so no
//! node passes for a leaf. Places behind the last leaf hold [`padding`]: the hash of a label, of which nobody knows a
//! preimage under any leaf tag. Subtrees of padding alone are known in advance and cost nothing.

use crate::field::{Tag, hash_to_field};
use crate::poseidon;
use ark_bn254::Fr;
use std::sync::LazyLock;

/// Children of a node.
pub const ARITY: usize = 4;
/// The deepest tree.
pub const MAX_DEPTH: usize = 16;
/// The domain tag of a node.
pub const NODE_TAG: Tag = Tag::new("mediveil/merkle/node/v1");
/// The label whose hash is [`padding`].
pub const PADDING_LABEL: &str = "mediveil/merkle/padding/v1";

/// The element at every place without a leaf: [`hash_to_field`]([`PADDING_LABEL`], nothing).
#[must_use]
pub fn padding() -> Fr {
    let [padding, ..] = *PADDING;
    padding
}

/// Roots of subtrees of padding alone, by height.
static PADDING: LazyLock<[Fr; MAX_DEPTH + 1]> = LazyLock::new(|| {
    let mut next = hash_to_field(PADDING_LABEL, &[]);
    core::array::from_fn(|_| {
        let this = next;
        next = node(&[this; ARITY]);
        this
    })
});

/// The hash of a node's children.
#[must_use]
pub fn node(children: &[Fr; ARITY]) -> Fr {
    poseidon::hash4(NODE_TAG, children)
}

/// A tree with all its nodes but those of padding alone.
#[derive(Clone, Debug)]
pub struct Tree {
    /// By height, leaves first and the root last.
    levels: Vec<Vec<Fr>>,
}

/// More leaves than the tree has places, or a depth over [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{leaves} leaves do not fit a 4-ary tree of depth {depth}, which is at most {MAX_DEPTH}")]
pub struct TreeFull {
    /// Leaves that were given.
    pub leaves: usize,
    /// Depth of the tree.
    pub depth: usize,
}

impl Tree {
    /// The tree of this depth over these leaf hashes.
    ///
    /// # Errors
    /// [`TreeFull`] if they are more than 4^depth.
    pub fn new(leaves: Vec<Fr>, depth: usize) -> Result<Self, TreeFull> {
        if depth > MAX_DEPTH || leaves.len() as u64 > 1_u64 << (2 * depth) {
            return Err(TreeFull { leaves: leaves.len(), depth });
        }
        let mut levels = vec![leaves];
        for padding in PADDING.iter().take(depth) {
            let below = levels.last().map_or(&[][..], Vec::as_slice);
            let above = below.chunks(ARITY).map(|children| {
                let mut all = [*padding; ARITY];
                for (to, from) in all.iter_mut().zip(children) {
                    *to = *from;
                }
                node(&all)
            });
            let above = above.collect();
            levels.push(above);
        }
        Ok(Self { levels })
    }

    /// Its depth.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.levels.len().saturating_sub(1)
    }

    /// The leaf hashes.
    #[must_use]
    pub fn leaves(&self) -> &[Fr] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Fr {
        let padding = PADDING.get(self.depth()).copied().unwrap_or_default();
        self.levels.last().and_then(|l| l.first()).copied().unwrap_or(padding)
    }

    /// The path of the leaf at this index; `None` where there is no leaf.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<Path> {
        if index >= self.leaves().len() {
            return None;
        }
        let mut siblings = Vec::with_capacity(self.depth());
        let mut place = index;
        for (level, padding) in self.levels.iter().zip(PADDING.iter()).take(self.depth()) {
            let first = place - place % ARITY;
            let mut others = (first..first + ARITY).filter(|i| *i != place);
            siblings
                .push([(); ARITY - 1].map(|()| others.next().and_then(|i| level.get(i)).copied().unwrap_or(*padding)));
            place /= ARITY;
        }
        Some(Path { index: u32::try_from(index).ok()?, siblings })
    }
}

/// The way from a leaf to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    index: u32,
    siblings: Vec<[Fr; ARITY - 1]>,
}

impl Path {
    /// The path of the leaf at `index` with these siblings, leaf level first; `None` if there are more than [`MAX_DEPTH`]
    /// levels or the index is beyond them.
    #[must_use]
    pub fn new(index: u32, siblings: Vec<[Fr; ARITY - 1]>) -> Option<Self> {
        let depth = siblings.len();
        let inside = depth <= MAX_DEPTH && u64::from(index) < 1_u64 << (2 * depth);
        inside.then_some(Self { index, siblings })
    }

    /// The leaf's index, from 0. Its base-4 digits, lowest first, are the places at each level.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The other children at each level in their order, leaf level first.
    #[must_use]
    pub fn siblings(&self) -> &[[Fr; ARITY - 1]] {
        &self.siblings
    }

    /// The root that this leaf hash has along this path.
    #[must_use]
    pub fn root(&self, leaf: Fr) -> Fr {
        let mut index = self.index;
        self.siblings.iter().fold(leaf, |child, [a, b, c]| {
            let place = index % 4;
            index /= 4;
            node(&match place {
                0 => [child, *a, *b, *c],
                1 => [*a, child, *b, *c],
                2 => [*a, *b, child, *c],
                _ => [*a, *b, *c, child],
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full tree, node by node, with nothing clever.
    fn plain_root(leaves: &[Fr], depth: usize) -> Fr {
        let mut level: Vec<Fr> = leaves.to_vec();
        level.resize(1 << (2 * depth), padding());
        while level.len() > 1 {
            level = level.as_chunks().0.iter().map(node).collect();
        }
        level[0]
    }

    #[test]
    fn equals_the_plain_construction_and_every_path_leads_to_the_root() {
        for (count, depth) in [(0, 0), (1, 0), (0, 2), (1, 1), (4, 1), (5, 2), (16, 2), (17, 3), (64, 3)] {
            let leaves: Vec<Fr> = (0..count).map(Fr::from).collect();
            let tree = Tree::new(leaves.clone(), depth).unwrap();
            assert_eq!(tree.root(), plain_root(&leaves, depth), "{count} leaves, depth {depth}");
            for (i, leaf) in leaves.iter().enumerate() {
                let path = tree.path(i).unwrap();
                assert_eq!(path.siblings().len(), depth);
                assert_eq!(path.root(*leaf), tree.root());
                assert_ne!(path.root(*leaf + Fr::from(1)), tree.root());
                let again = Path::new(path.index(), path.siblings().to_vec()).unwrap();
                assert_eq!(again, path);
            }
            assert_eq!(tree.path(leaves.len()), None);
        }
    }

    #[test]
    fn has_as_many_places_as_it_says() {
        assert_eq!(Tree::new(vec![Fr::from(0); 5], 1).unwrap_err(), TreeFull { leaves: 5, depth: 1 });
        assert!(Tree::new(vec![Fr::from(0)], 17).is_err());
        assert_eq!(Path::new(4, vec![[Fr::from(0); 3]]), None);
        assert_eq!(Path::new(0, vec![[Fr::from(0); 3]; 17]), None);
        assert!(Path::new(u32::MAX, vec![[Fr::from(0); 3]; 16]).is_some());
    }

    /// Poseidon4 under the tag, by `light-poseidon`.
    #[test]
    fn a_node_is_tagged() {
        use light_poseidon::PoseidonHasher as _;
        let children: [Fr; 4] = core::array::from_fn(|i| Fr::from(u64::try_from(i).unwrap()));
        let mut reference = light_poseidon::Poseidon::<Fr>::with_domain_tag_circom(4, NODE_TAG.element()).unwrap();
        assert_eq!(node(&children), reference.hash(&children).unwrap());
        assert_ne!(node(&children), poseidon::hash4(Tag::CIRCOMLIB, &children));
    }
}
