//! Why a policy is not satisfied, and what would satisfy it.
//!
//! Everything here is public: policies stand in the clear in the files they protect.

use crate::access::AccessTree;
use crate::attribute::Attribute;
use crate::epoch::Granularity;
use crate::policy::{Comparison, Node, Policy, PolicyError};
use crate::schema::{AttributeSet, Schema};
use crate::scheme::{G1_LEN, G2_LEN};
use std::collections::BTreeSet;
use std::fmt;

/// How many sets the search keeps at every gate, and how many an explanation has at most.
pub const MAX_SETS: usize = 16;

/// One thing a policy asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Requirement {
    /// An attribute.
    Attribute(Attribute),
    /// A number that passes.
    Comparison(Comparison),
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(a) => a.fmt(f),
            Self::Comparison(c) => c.fmt(f),
        }
    }
}

/// The smallest sets of requirements that are missing: with any one of them the policy would be satisfied. Sets are
/// ordered by size, and none contains another. A single empty set means that nothing is missing.
///
/// The search keeps the [`MAX_SETS`] smallest sets at every gate, so for a policy with many alternatives the answer is not
/// complete, and where alternatives share requirements it may miss the very smallest.
#[must_use]
pub fn missing(policy: &Policy, attributes: &AttributeSet) -> Vec<Vec<Requirement>> {
    sets(policy.root(), attributes).into_iter().map(|set| set.into_iter().collect()).collect()
}

/// Whether the attributes satisfy the policy, expiry aside.
#[must_use]
pub fn satisfies(policy: &Policy, attributes: &AttributeSet) -> bool {
    fn holds(node: &Node, attributes: &AttributeSet) -> bool {
        match node {
            Node::Attribute(a) => attributes.contains(a),
            Node::Comparison(c) => attributes.passes(c),
            Node::All(children) => children.iter().all(|c| holds(c, attributes)),
            Node::Any(children) => children.iter().any(|c| holds(c, attributes)),
            Node::AtLeast(needed, children) => children.iter().filter(|c| holds(c, attributes)).count() >= *needed,
        }
    }
    holds(policy.root(), attributes)
}

type Set = BTreeSet<Requirement>;

fn sets(node: &Node, attributes: &AttributeSet) -> Vec<Set> {
    let leaf = |held: bool, requirement| vec![if held { Set::new() } else { Set::from([requirement]) }];
    match node {
        Node::Attribute(a) => leaf(attributes.contains(a), Requirement::Attribute(a.clone())),
        Node::Comparison(c) => leaf(attributes.passes(c), Requirement::Comparison(c.clone())),
        Node::All(children) => some_of(children.len(), children, attributes),
        Node::Any(children) => some_of(1, children, attributes),
        Node::AtLeast(needed, children) => some_of(*needed, children, attributes),
    }
}

/// The smallest sets that satisfy `needed` of the children.
fn some_of(needed: usize, children: &[Node], attributes: &AttributeSet) -> Vec<Set> {
    // chosen[k]: the smallest sets that satisfy k of the children seen so far.
    let mut chosen: Vec<Vec<Set>> = vec![Vec::new(); needed.saturating_add(1)];
    if let Some(none) = chosen.first_mut() {
        none.push(Set::new());
    }
    for (seen, child) in children.iter().enumerate() {
        let own = sets(child, attributes);
        let left = children.len().saturating_sub(seen);
        for k in (1..=needed.min(seen.saturating_add(1))).rev() {
            // A count that cannot reach `needed` any more is of no use.
            if k.saturating_add(left).saturating_sub(1) < needed {
                break;
            }
            let before = chosen.get(k.saturating_sub(1)).map(Vec::as_slice).unwrap_or_default();
            let joined: Vec<Set> = before.iter().flat_map(|a| own.iter().map(move |b| a | b)).collect();
            if let Some(sets) = chosen.get_mut(k) {
                sets.extend(joined);
                smallest(sets);
            }
        }
    }
    chosen.pop().unwrap_or_default()
}

/// Leaves the smallest sets, none of which contains another.
fn smallest(sets: &mut Vec<Set>) {
    sets.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let mut kept: Vec<Set> = Vec::new();
    for set in sets.drain(..) {
        if kept.len() == MAX_SETS {
            break;
        }
        if !kept.iter().any(|k| k.is_subset(&set)) {
            kept.push(set);
        }
    }
    *sets = kept;
}

/// Sets of requirements in words: `a:b and c:d, or e:f`. At most three of them, the smallest.
#[must_use]
pub fn in_words(sets: &[Vec<Requirement>]) -> String {
    let smallest = sets.first().map_or(0, Vec::len);
    let sets: Vec<String> = sets
        .iter()
        .take_while(|set| set.len() == smallest)
        .take(3)
        .map(|set| {
            let shown: Vec<String> = set.iter().take(8).map(ToString::to_string).collect();
            let more = set.len().saturating_sub(8);
            shown.join(" and ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
        })
        .collect();
    sets.join(", or ")
}

/// What a policy means and costs: for `policy explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The policy in canonical text.
    pub canonical: String,
    /// The smallest sets that open it, as [`missing`] finds them for a key without attributes.
    pub opens: Vec<Vec<Requirement>>,
    /// Rows in the ciphertext, the epoch clause included.
    pub rows: usize,
    /// In how many rows the attribute stands that stands in most.
    pub repeats: usize,
    /// Bytes of group elements in the file.
    pub bytes: usize,
}

/// Explains a policy under an authority's schema, as it would be sealed in epoch `sealed`.
///
/// # Errors
/// [`PolicyError`] if it cannot be sealed under this schema.
pub fn explain(policy: &Policy, schema: &Schema, sealed: Option<(Granularity, u32)>) -> Result<Report, PolicyError> {
    let tree = AccessTree::build(policy, schema, sealed)?;
    let g2 = tree.occurrences.saturating_add(1).saturating_mul(G2_LEN);
    Ok(Report {
        canonical: policy.to_string(),
        opens: missing(policy, &AttributeSet::default()),
        rows: tree.rows.len(),
        repeats: tree.occurrences,
        bytes: tree.rows.len().saturating_mul(G1_LEN).saturating_add(g2),
    })
}

/// One line for each fact.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "policy  {}", self.canonical)?;
        for (i, set) in self.opens.iter().enumerate() {
            let requirements: Vec<String> = set.iter().map(ToString::to_string).collect();
            writeln!(f, "{}  {}", if i == 0 { "opens " } else { "or    " }, requirements.join(" and "))?;
        }
        if self.opens.len() == MAX_SETS {
            writeln!(f, "        and perhaps more")?;
        }
        write!(f, "costs   {} rows, {} bytes of points in the file", self.rows, self.bytes)
    }
}
