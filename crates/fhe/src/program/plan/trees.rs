//! Trees: leaves as conjunctions, conjunctions as lookups of sums, and forests as sums of trees.

use super::{
    Answer, BASE, Builder, Compiled, Digit, LOOKUP_SCALE, Linear, Model, Number, OUTPUT_NOISE, PlanError, bits,
    check_bounds,
};
use crate::program::model::{Node, Tree};

impl Builder<'_> {
    pub(super) fn trees(&mut self, model: &Model, trees: &[Tree]) -> Result<Compiled, PlanError> {
        let mut all = Vec::new();
        for tree in trees {
            all.push(self.leaves(tree));
        }
        let ends = |leaves: &[Leaf]| {
            let values = || leaves.iter().map(|l| l.value);
            (values().min().unwrap_or(0), values().max().unwrap_or(0))
        };
        let (low, high) = all.iter().fold((0_i64, 0_i64), |(low, high), leaves| {
            let (l, h) = ends(leaves);
            (low.saturating_add(l), high.saturating_add(h))
        });
        check_bounds(model, low, high)?;
        // One tree knows its answer at the leaf.
        if let [leaves] = all.as_mut_slice() {
            leaves.iter_mut().for_each(|l| l.value = model.told(l.value));
            let (low, high) = model.answer().bounds();
            let wide = high.saturating_sub(low) > 15;
            let digits = self.tree(0, leaves, low, if wide { 16 } else { 0 })?;
            let mut outputs = Vec::new();
            for digit in digits {
                outputs.push(self.quieter(digit.linear, OUTPUT_NOISE)?);
            }
            return Ok((outputs, 16, LOOKUP_SCALE));
        }
        // A score is counted from its declared minimum: the first number takes the difference in.
        let mut start = if let Answer::Score { min, .. } = model.answer() { low.saturating_sub(*min) } else { 0 };
        let range = high.saturating_sub(low).saturating_add(start);
        let needed = bits(range);
        if needed > 40 {
            return Err(PlanError::Width { needed, limit: 40 });
        }
        let mut numbers = Vec::new();
        for (i, leaves) in all.iter_mut().enumerate() {
            let (least, most) = ends(leaves);
            if least < most || start > 0 {
                let least = least.saturating_sub(std::mem::take(&mut start));
                let digits = self.tree(i, leaves, least, if range > 15 { BASE } else { 0 })?;
                numbers.push(Number::Digits(digits));
            }
        }
        match model.answer() {
            Answer::Class { .. } => self.classes(numbers, low, model.cuts()),
            Answer::Score { .. } if range <= 15 => {
                let mut output = Linear::default();
                for number in numbers {
                    let digit = self.single(number);
                    let linear = self.quieter(digit.linear, 1)?;
                    output = output.plus(1, &linear);
                }
                // Fifteen at most: as many trees as that can differ.
                Ok((vec![output], 2, LOOKUP_SCALE))
            }
            Answer::Score { .. } => {
                let mut outputs = Vec::new();
                if let Some(Number::Digits(digits)) = self.reduce(numbers, 1)?.into_iter().next() {
                    for digit in digits {
                        outputs.push(self.quieter(digit.linear, OUTPUT_NOISE)?);
                    }
                }
                if outputs.is_empty() {
                    outputs.push(Linear::default());
                }
                Ok((outputs, BASE, LOOKUP_SCALE))
            }
        }
    }

    /// The leaves that can be reached, sisters of one value joined.
    fn leaves(&self, tree: &Tree) -> Vec<Leaf> {
        let whole: Vec<(i64, i64)> = self.form.inputs().iter().map(|i| (i.min, i.max)).collect();
        fn walk(tree: &Tree, at: usize, region: &[(i64, i64)]) -> Vec<Leaf> {
            match tree.nodes.get(at) {
                Some(Node::Leaf(value)) => vec![Leaf { region: region.to_vec(), value: *value }],
                Some(Node::Test { input, at_most, yes, no }) => {
                    let Some((low, high)) = region.get(*input).copied() else { return Vec::new() };
                    let side = |node: usize, bounds: (i64, i64)| {
                        let mut region = region.to_vec();
                        if let Some(place) = region.get_mut(*input) {
                            *place = bounds;
                        }
                        if bounds.0 <= bounds.1 { walk(tree, node, &region) } else { Vec::new() }
                    };
                    let left = side(*yes, (low, high.min(*at_most)));
                    let right = side(*no, (low.max(at_most.saturating_add(1)), high));
                    match (left.as_slice(), right.as_slice()) {
                        ([a], [b]) if a.value == b.value => {
                            vec![Leaf { region: region.to_vec(), value: a.value }]
                        }
                        _ => left.into_iter().chain(right).collect(),
                    }
                }
                None => Vec::new(),
            }
        }
        walk(tree, 0, &whole)
    }

    /// A tree's value, less `least`, as digits of a base; base 0 stands for one digit.
    fn tree(&mut self, number: usize, leaves: &[Leaf], least: i64, base: i64) -> Result<Vec<Digit>, PlanError> {
        let mut prepared = Vec::new();
        for leaf in leaves {
            let tests = self.tests(leaf);
            if tests.len() > 15 {
                return Err(PlanError::Path { tree: number, found: tests.len() });
            }
            prepared.push((leaf.value.saturating_sub(least), tests));
        }
        let mut digits = Vec::new();
        let mut power = 1_i64;
        let most = prepared.iter().map(|p| p.0).max().unwrap_or(0);
        while digits.is_empty() || most >= power {
            let digit = |value: i64| {
                if base == 0 { value } else { value.checked_div(power).and_then(|v| v.checked_rem(base)).unwrap_or(0) }
            };
            digits.push(self.tree_digit(&prepared, digit)?);
            if base == 0 {
                break;
            }
            power = power.saturating_mul(base);
        }
        Ok(digits)
    }

    /// The tables, one a group, that are all one exactly in the leaf.
    fn tests(&self, leaf: &Leaf) -> Tests {
        let mut tests = Vec::new();
        for (group, inputs) in self.form.groups().iter().enumerate() {
            let whole = |i: &usize| {
                let bounds = self.form.inputs().get(*i).map(|i| (i.min, i.max));
                leaf.region.get(*i).copied() == bounds
            };
            if inputs.iter().all(whole) {
                continue;
            }
            let mut values = vec![0; self.form.inputs().len()];
            let table = (0..self.form.group_width(group)).map(|n| {
                self.form.unpack(group, n, &mut values);
                let inside = |i: &usize| {
                    values.get(*i).zip(leaf.region.get(*i)).is_some_and(|(v, (low, high))| (low..=high).contains(&v))
                };
                i64::from(inputs.iter().all(inside))
            });
            let table = table.collect();
            tests.push((group, table));
        }
        tests
    }

    fn tree_digit(&mut self, leaves: &[(i64, Tests)], digit: impl Fn(i64) -> i64) -> Result<Digit, PlanError> {
        let max = leaves.iter().map(|(v, _)| digit(*v)).max().unwrap_or(0);
        // The value whose leaves would cost most lookups is taken for granted.
        let cost = |value: i64| leaves.iter().filter(|(v, t)| digit(*v) == value && t.len() > 1).count();
        let usual = (0..=max).max_by_key(|v| cost(*v)).unwrap_or(0);
        let mut output = Linear::constant(usual);
        for sign in [1, -1] {
            let mut open: Vec<(i64, Linear)> = Vec::new();
            for (value, tests) in leaves {
                let change = digit(*value).saturating_sub(usual);
                if change.signum() != sign {
                    continue;
                }
                let mut reached = Linear::default();
                for (group, table) in tests {
                    reached = reached.plus(1, &self.table(*group, table));
                }
                match tests.len() {
                    0 => output.constant = output.constant.saturating_add(change),
                    1 => output = output.plus(change, &reached),
                    _ => open.push((change.abs(), reached)),
                }
            }
            for pack in pack(open) {
                let mut input = Linear::default();
                let mut stride = 1;
                let mut parts = Vec::new();
                for (change, reached) in pack {
                    let size = i64::try_from(reached.terms.len()).unwrap_or(15).saturating_add(1);
                    input = input.plus(stride, &reached);
                    parts.push((stride, size, change));
                    stride = stride.saturating_mul(size);
                }
                let found = self.lookup(input, |state| {
                    let hit = parts.iter().find(|(stride, size, _)| {
                        let part = state.checked_div(*stride).and_then(|s| s.checked_rem(*size));
                        part == Some(size.saturating_sub(1))
                    });
                    hit.map_or(0, |(_, _, change)| *change)
                })?;
                output = output.plus(sign, &found);
            }
        }
        Ok(Digit { linear: output, max })
    }
}

/// Groups with the values of a table over each.
type Tests = Vec<(usize, Vec<i64>)>;

/// A leaf: bounds for each input, and its value.
#[derive(Clone, Debug)]
struct Leaf {
    region: Vec<(i64, i64)>,
    value: i64,
}

/// Puts leaves together whose sums fit into four bits side by side, the longest first.
fn pack(mut leaves: Vec<(i64, Linear)>) -> Vec<Vec<(i64, Linear)>> {
    leaves.sort_by_key(|(_, l)| std::cmp::Reverse(l.terms.len()));
    let mut packs: Vec<(usize, Vec<(i64, Linear)>)> = Vec::new();
    for leaf in leaves {
        let size = leaf.1.terms.len().saturating_add(1);
        match packs.iter_mut().find(|(room, _)| size.saturating_mul(*room) <= 16) {
            Some((room, pack)) => {
                *room = room.saturating_mul(size);
                pack.push(leaf);
            }
            None => packs.push((size, vec![leaf])),
        }
    }
    packs.into_iter().map(|(_, pack)| pack).collect()
}
