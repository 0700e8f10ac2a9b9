//! What is computed in each block: sums and products of encrypted columns, shared where they repeat.
//!
//! A circuit is a graph without cycles over the study's lanes. Equal nodes are one node, so a filter that every cell of an
//! answer needs is multiplied once. Products are taken of the two shallowest factors first, which gives the least depth.
//! The same graph is walked three times: for depth and noise when a query is planned, and on ciphertexts when it is
//! evaluated; so a plan cannot differ from what is run.

use mediveil_fhe::{Ciphertext, EvaluateError, Evaluator, Noise, NoiseModel};
use std::collections::HashMap;

/// A node by its number; nodes come after those that they use.
pub(crate) type NodeId = usize;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    /// The lane in this place.
    Lane(usize),
    /// The sum of nodes times integers: at least one, in ascending order, no factor zero.
    Sum(Vec<(NodeId, i64)>),
    /// The product of two nodes, the lower number first.
    Product(NodeId, NodeId),
}

/// The graph, and which of its nodes are the cells of the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circuit {
    nodes: Vec<Node>,
    depths: Vec<u32>,
    known: HashMap<Node, NodeId>,
    cells: Vec<NodeId>,
}

impl Circuit {
    fn add(&mut self, node: Node, depth: u32) -> NodeId {
        if let Some(id) = self.known.get(&node) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(node.clone());
        self.depths.push(depth);
        self.known.insert(node, id);
        id
    }

    pub(crate) fn lane(&mut self, place: usize) -> NodeId {
        self.add(Node::Lane(place), 0)
    }

    /// The sum of nodes times integers; sums within sums are opened up. `None` if nothing is left of it.
    pub(crate) fn sum(&mut self, terms: &[(NodeId, i64)]) -> Option<NodeId> {
        let mut merged: std::collections::BTreeMap<NodeId, i64> = std::collections::BTreeMap::new();
        for (id, factor) in terms {
            let inner = match self.nodes.get(*id)? {
                Node::Sum(inner) => inner.clone(),
                _ => vec![(*id, 1)],
            };
            for (node, times) in inner {
                let place = merged.entry(node).or_insert(0);
                *place = place.checked_add(times.checked_mul(*factor)?)?;
            }
        }
        merged.retain(|_, factor| *factor != 0);
        let terms: Vec<(NodeId, i64)> = merged.into_iter().collect();
        match terms.as_slice() {
            [] => None,
            [(only, 1)] => Some(*only),
            _ => {
                let depth = terms.iter().map(|(id, _)| self.depth(*id)).max().unwrap_or(0);
                Some(self.add(Node::Sum(terms), depth))
            }
        }
    }

    /// The product of all factors, shallowest first; `None` of none.
    pub(crate) fn product(&mut self, factors: &[NodeId]) -> Option<NodeId> {
        let mut left: Vec<NodeId> = factors.to_vec();
        while left.len() > 1 {
            left.sort_by_key(|id| std::cmp::Reverse((self.depth(*id), *id)));
            let (a, b) = (left.pop()?, left.pop()?);
            let depth = self.depth(a).max(self.depth(b)).saturating_add(1);
            left.push(self.add(Node::Product(a.min(b), a.max(b)), depth));
        }
        left.pop()
    }

    /// a + b - ab.
    pub(crate) fn either(&mut self, a: NodeId, b: NodeId) -> Option<NodeId> {
        let both = self.product(&[a, b])?;
        self.sum(&[(a, 1), (b, 1), (both, -1)])
    }

    pub(crate) fn cell(&mut self, node: NodeId) {
        self.cells.push(node);
    }

    pub(crate) fn cells(&self) -> usize {
        self.cells.len()
    }

    pub(crate) fn depth(&self, id: NodeId) -> u32 {
        self.depths.get(id).copied().unwrap_or(0)
    }

    /// The depth of the deepest cell.
    pub(crate) fn deepest(&self) -> u32 {
        self.cells.iter().map(|id| self.depth(*id)).max().unwrap_or(0)
    }

    /// Which nodes the cells need, and by how many others each is used.
    fn uses(&self) -> Vec<u32> {
        let mut uses = vec![0u32; self.nodes.len()];
        let mut count = |id: NodeId| {
            if let Some(n) = uses.get_mut(id) {
                *n = n.saturating_add(1);
            }
        };
        self.cells.iter().for_each(|id| count(*id));
        for at in (0..self.nodes.len()).rev() {
            if uses.get(at).copied().unwrap_or(0) == 0 {
                continue;
            }
            let mut count = |id: NodeId| {
                if let Some(n) = uses.get_mut(id) {
                    *n = n.saturating_add(1);
                }
            };
            match self.nodes.get(at) {
                Some(Node::Sum(terms)) => terms.iter().for_each(|(id, _)| count(*id)),
                Some(Node::Product(a, b)) => {
                    count(*a);
                    count(*b);
                }
                _ => {}
            }
        }
        uses
    }

    /// Multiplications of a block.
    pub(crate) fn multiplications(&self) -> u64 {
        let uses = self.uses();
        let products = self.nodes.iter().zip(&uses).filter(|(n, used)| matches!(n, Node::Product(..)) && **used > 0);
        u64::try_from(products.count()).unwrap_or(u64::MAX)
    }

    /// Lanes that are read.
    pub(crate) fn lanes(&self) -> u64 {
        let uses = self.uses();
        let lanes = self.nodes.iter().zip(&uses).filter(|(n, used)| matches!(n, Node::Lane(_)) && **used > 0);
        u64::try_from(lanes.count()).unwrap_or(u64::MAX)
    }

    /// The largest noise of a cell over one block.
    pub(crate) fn noise(&self, model: &NoiseModel) -> Noise {
        let mut noises: Vec<Noise> = Vec::with_capacity(self.nodes.len());
        let fresh = model.fresh();
        for node in &self.nodes {
            let of = |id: &NodeId| noises.get(*id).unwrap_or(&fresh);
            let noise = match node {
                Node::Lane(_) => fresh.clone(),
                Node::Product(a, b) => model.product(of(a), of(b)),
                Node::Sum(terms) => {
                    let scaled = terms.iter().map(|(id, factor)| model.times(of(id), factor.unsigned_abs()));
                    scaled.reduce(|a, b| model.sum(&a, &b)).unwrap_or_else(|| fresh.clone())
                }
            };
            noises.push(noise);
        }
        self.cells.iter().filter_map(|id| noises.get(*id)).max().cloned().unwrap_or(fresh)
    }

    /// The cells of one block. Each lane is loaded once, when it is first needed, and each value is dropped after its last
    /// use.
    pub(crate) fn evaluate<E: From<EvaluateError>>(
        &self,
        server: &Evaluator,
        load: impl Fn(usize) -> Result<Ciphertext, E>,
    ) -> Result<Vec<Ciphertext>, E> {
        let mut uses = self.uses();
        let mut values: Vec<Option<Ciphertext>> = Vec::with_capacity(self.nodes.len());
        let missing = || EvaluateError::Range("a node of the circuit has no value; this is a defect, please report it");
        for (at, node) in self.nodes.iter().enumerate() {
            if uses.get(at).copied().unwrap_or(0) == 0 {
                values.push(None);
                continue;
            }
            let of = |id: &NodeId| values.get(*id).and_then(Option::as_ref).ok_or_else(missing);
            let value = match node {
                Node::Lane(place) => load(*place)?,
                Node::Product(a, b) => server.multiply(of(a)?, of(b)?)?,
                Node::Sum(terms) => {
                    let mut total: Option<Ciphertext> = None;
                    for (id, factor) in terms {
                        let term = if *factor == 1 { of(id)?.clone() } else { server.scale(of(id)?, *factor)? };
                        match &mut total {
                            Some(total) => server.add_assign(total, &term)?,
                            None => total = Some(term),
                        }
                    }
                    total.ok_or_else(missing)?
                }
            };
            values.push(Some(value));
            let mut release = |id: &NodeId| {
                let left = uses.get_mut(*id).map(|n| {
                    *n = n.saturating_sub(1);
                    *n
                });
                if left == Some(0)
                    && let Some(place) = values.get_mut(*id)
                {
                    *place = None;
                }
            };
            match node {
                Node::Lane(_) => {}
                Node::Product(a, b) => {
                    release(a);
                    release(b);
                }
                Node::Sum(terms) => terms.iter().for_each(|(id, _)| release(id)),
            }
        }
        let cells = self.cells.iter().map(|id| values.get(*id).cloned().flatten().ok_or_else(|| E::from(missing())));
        cells.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_nodes_are_one_and_products_are_balanced() {
        let mut c = Circuit::default();
        let lanes: Vec<NodeId> = (0..4).map(|i| c.lane(i)).collect();
        assert_eq!(c.lane(2), lanes[2]);
        let four = c.product(&lanes).unwrap();
        assert_eq!(c.depth(four), 2);
        let deep = c.product(&[four, lanes[0]]).unwrap();
        assert_eq!(c.depth(deep), 3);
        // One deep factor and three shallow ones: ((a b) c) and the deep one beside them, not one after the other.
        let ab = c.either(lanes[0], lanes[1]).unwrap();
        let mixed = c.product(&[ab, lanes[2], lanes[3]]).unwrap();
        assert_eq!(c.depth(mixed), 2);
        assert_eq!(c.product(&lanes), Some(four));
        c.cell(four);
        // Only what a cell needs counts.
        assert_eq!((c.multiplications(), c.lanes(), c.deepest()), (3, 4, 2));
    }

    #[test]
    fn sums_are_opened_up_and_cancel() {
        let mut c = Circuit::default();
        let (a, b) = (c.lane(0), c.lane(1));
        let difference = c.sum(&[(a, 1), (b, -1)]).unwrap();
        assert_eq!(c.sum(&[(difference, 1), (b, 1)]), Some(a));
        assert_eq!(c.sum(&[(difference, -1), (a, 1)]), Some(b));
        assert_eq!(c.sum(&[(a, 1), (a, -1)]), None);
        assert_eq!(c.sum(&[(a, i64::MAX), (a, 1)]), None);
    }
}
