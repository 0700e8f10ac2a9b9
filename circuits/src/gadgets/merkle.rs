//! Membership in the 4-ary Poseidon trees of `mediveil_record::merkle`.
//!
//! All four children of a node are witnesses, and the node below must be one of them. [`member`] proves just that, with
//! no position, in 300 rows a level. [`placed`] proves that it stands at a position which is given as bits, in 300 rows a
//! level and the bits: what a statement needs that counts rows of a table.
//!
//! Nobody can open padding: it is a hash under a label for which no leaf tag has a known preimage, so a leaf computed in
//! the circuit never equals it.

use crate::gadgets::poseidon::hash4;
use crate::r1cs::{Builder, Num};
use ark_bn254::Fr;
use ark_ff::Zero as _;
use mediveil_record::merkle::{ARITY, NODE_TAG, Path};

/// The children of each node on the way from a leaf to the root, leaf level first.
pub type Children = Vec<[Fr; ARITY]>;

/// The children along a path: the leaf's own hash put into its place among its siblings.
#[must_use]
pub fn children(leaf: Fr, path: &Path) -> Children {
    let mut index = path.index();
    let mut child = leaf;
    path.siblings()
        .iter()
        .map(|[a, b, c]| {
            let all = match index % 4 {
                0 => [child, *a, *b, *c],
                1 => [*a, child, *b, *c],
                2 => [*a, *b, child, *c],
                _ => [*a, *b, *c, child],
            };
            index /= 4;
            child = mediveil_record::merkle::node(&all);
            all
        })
        .collect()
}

/// The root over `depth` levels above this leaf. Where the witness lacks a level, the node stands among zeros.
pub fn member(cs: &mut Builder, leaf: &Num, levels: &[[Fr; ARITY]], depth: usize) -> Num {
    (0..depth).fold(leaf.clone(), |below, level| {
        let children = child_variables(cs, &below, levels, level);
        let [c0, c1, c2, c3] = &children;
        let left = cs.mul(&(&below - c0), &(&below - c1));
        let right = cs.mul(&(&below - c2), &(&below - c3));
        cs.enforce(&left, &right, &Num::zero());
        hash4(cs, NODE_TAG, [c0, c1, c2, c3])
    })
}

/// The root over as many levels as there are pairs of bits: at each level the node stands at place b0 + 2 b1. The bits must
/// be boolean.
pub fn placed(cs: &mut Builder, leaf: &Num, levels: &[[Fr; ARITY]], places: &[[Num; 2]]) -> Num {
    places.iter().enumerate().fold(leaf.clone(), |below, (level, [b0, b1])| {
        let children = child_variables(cs, &below, levels, level);
        let [c0, c1, c2, c3] = &children;
        let low = cs.select(b0, c1, c0);
        let high = cs.select(b0, c3, c2);
        cs.enforce(b1, &(&high - &low), &(&below - &low));
        hash4(cs, NODE_TAG, [c0, c1, c2, c3])
    })
}

fn child_variables(cs: &mut Builder, below: &Num, levels: &[[Fr; ARITY]], level: usize) -> [Num; ARITY] {
    let alone = [below.value(), Fr::zero(), Fr::zero(), Fr::zero()];
    levels.get(level).copied().unwrap_or(alone).map(|child| cs.witness(child))
}
