//! The model file: JSON, read strictly, with every bound checked before anything is planned.
//!
//! Numbers of a model are integers, so that "equal to the model in the clear" has one meaning. Weights with decimals are
//! multiplied by the file's `scale`; values with decimals by ten for each of the input's `decimals`.

use super::form::{ValueError, Values};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;

/// The longest model file, in bytes.
const MAX_FILE: usize = 16 << 20;
/// Most inputs of a model.
const MAX_INPUTS: usize = 256;
/// Most nodes over all trees of a model.
pub const MAX_NODES: usize = 20_000;
/// Most terms, and most steps of a term, of a points-based score.
const MAX_TERMS: usize = 4_096;
/// Most tests on the way to a leaf.
const MAX_DEPTH: usize = 64;
/// Most classes.
const MAX_CLASSES: usize = 16;
/// The largest absolute value of a bound, weight, point or leaf.
const MAX_NUMBER: i64 = 1 << 40;

/// Why a model file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// It is not JSON of the expected form; NaN and infinities are not JSON.
    #[error("not a model file: {0}")]
    Json(String),
    /// It is too long to be read.
    #[error("the model file has {0} bytes, over the {MAX_FILE} that are read")]
    TooLong(usize),
    /// Something that must not be empty, or is over its bound.
    #[error("{0}")]
    Range(String),
    /// An input that is not declared, or declared twice.
    #[error("input `{0}` is not declared exactly once")]
    Input(String),
    /// A node that is its own ancestor, or has two parents.
    #[error("tree {tree}: node {node} is reached twice, so this is no tree")]
    Cycle {
        /// Number of the tree, from 0.
        tree: usize,
        /// Number of the node, from 0.
        node: usize,
    },
    /// A node that does not exist, or that nothing leads to.
    #[error("tree {tree}: node {node} does not exist or cannot be reached")]
    Node {
        /// Number of the tree, from 0.
        tree: usize,
        /// Number of the node, from 0.
        node: usize,
    },
    /// A tree deeper than is read.
    #[error("tree {0} is deeper than {MAX_DEPTH} tests")]
    Deep(usize),
}

/// One input: a number with declared bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name in model, form and values.
    pub name: String,
    /// What it is, with its unit.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Smallest value, in units of the last decimal.
    pub min: i64,
    /// Largest value, in units of the last decimal.
    pub max: i64,
    /// Decimals of a value: with 1, the value 5.2 is the integer 52.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decimals: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
const fn is_zero(n: &u8) -> bool {
    *n == 0
}

impl Input {
    /// How many values it can have.
    #[must_use]
    pub fn width(&self) -> u64 {
        self.max.abs_diff(self.min).saturating_add(1)
    }
}

/// What the patient gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The score itself, between declared bounds.
    Score {
        /// Smallest score.
        min: i64,
        /// Largest score.
        max: i64,
    },
    /// Only a class: how many of the cuts the score reaches.
    Class {
        /// Names, one more than there are cuts.
        names: Vec<String>,
    },
}

impl Answer {
    /// The words for an answer.
    #[must_use]
    pub fn describe(&self, answer: i64) -> String {
        match self {
            Self::Score { .. } => answer.to_string(),
            Self::Class { names } => {
                usize::try_from(answer).ok().and_then(|i| names.get(i)).map_or_else(|| answer.to_string(), Clone::clone)
            }
        }
    }

    /// The smallest and the largest answer.
    #[must_use]
    pub fn bounds(&self) -> (i64, i64) {
        match self {
            Self::Score { min, max } => (*min, *max),
            Self::Class { names } => (0, i64::try_from(names.len()).unwrap_or(i64::MAX).saturating_sub(1)),
        }
    }

    pub(super) fn check(&self) -> Result<(), ModelError> {
        match self {
            Self::Score { min, max } if min > max || min.abs().max(max.abs()) > MAX_NUMBER => {
                Err(ModelError::Range("a score needs bounds, the smaller first, below 2^40".into()))
            }
            Self::Class { names } if !(2..=MAX_CLASSES).contains(&names.len()) => {
                Err(ModelError::Range(format!("a model has 2 to {MAX_CLASSES} classes")))
            }
            _ => Ok(()),
        }
    }
}

/// A model: inputs, a rule that makes a score of them, and what of the score is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    name: String,
    source: String,
    inputs: Vec<Input>,
    rule: Rule,
    cuts: Vec<i64>,
    answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A constant and terms.
    Sum { base: i64, terms: Vec<Term> },
    /// The sum of what the trees say.
    Trees(Vec<Tree>),
}

/// Counts if every condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) conditions: Vec<(usize, i64, i64)>,
    pub(super) input: usize,
    pub(super) shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Value from which on, and points; ascending, the first from the input's minimum.
    Steps(Vec<(i64, i64)>),
    /// A weight for each unit.
    Linear(i64),
}

impl Term {
    pub(super) fn value(&self, values: &[i64]) -> i64 {
        let at = |i: usize| values.get(i).copied().unwrap_or_default();
        if !self.conditions.iter().all(|&(i, low, high)| (low..=high).contains(&at(i))) {
            return 0;
        }
        let x = at(self.input);
        match &self.shape {
            Shape::Linear(weight) => weight.saturating_mul(x),
            Shape::Steps(steps) => steps.iter().take_while(|(from, _)| *from <= x).last().map_or(0, |(_, p)| *p),
        }
    }

    /// Every input it looks at, ascending.
    pub(super) fn inputs(&self) -> Vec<usize> {
        let mut inputs: Vec<usize> = self.conditions.iter().map(|c| c.0).chain([self.input]).collect();
        inputs.sort_unstable();
        inputs.dedup();
        inputs
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Test { input: usize, at_most: i64, yes: usize, no: usize },
    Leaf(i64),
}

impl Tree {
    fn value(&self, values: &[i64]) -> i64 {
        let mut at = 0;
        for _ in 0..=MAX_DEPTH {
            match self.nodes.get(at) {
                Some(Node::Leaf(value)) => return *value,
                Some(Node::Test { input, at_most, yes, no }) => {
                    at = if values.get(*input).is_some_and(|x| x <= at_most) { *yes } else { *no };
                }
                None => break,
            }
        }
        0
    }
}

// --- the file ---

/// A list that stops being read once it is too long.
struct Capped<T, const N: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Capped<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Reader<T, N> {
            type Value = Capped<T, N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {N}")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() >= N {
                        return Err(A::Error::custom(format!("over {N} entries in a list")));
                    }
                    items.push(item);
                }
                Ok(Capped(items))
            }
        }
        deserializer.deserialize_seq(Reader(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    name: String,
    #[serde(default)]
    source: String,
    inputs: Capped<Input, MAX_INPUTS>,
    points: Option<Points>,
    trees: Option<Capped<TreeFile, 1024>>,
    logistic: Option<Logistic>,
    answer: AnswerFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Points {
    #[serde(default)]
    base: i64,
    terms: Capped<TermFile, MAX_TERMS>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermFile {
    #[serde(default, rename = "if")]
    conditions: BTreeMap<String, (i64, i64)>,
    of: String,
    steps: Capped<(i64, i64), MAX_TERMS>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeFile {
    nodes: Capped<NodeFile, MAX_NODES>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum NodeFile {
    Test { input: String, at_most: i64, yes: usize, no: usize },
    Leaf { value: i64 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Logistic {
    scale: i64,
    intercept: i64,
    weights: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum AnswerFile {
    Score {
        min: i64,
        max: i64,
    },
    Class {
        names: Capped<String, MAX_CLASSES>,
        #[serde(default)]
        from: Vec<i64>,
        #[serde(default)]
        probability: Vec<f64>,
    },
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// [`ModelError`], which names what is wrong and where.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        if text.len() > MAX_FILE {
            return Err(ModelError::TooLong(text.len()));
        }
        let file: File = serde_json::from_str(text).map_err(|e| ModelError::Json(e.to_string()))?;
        if file.format != "mediveil-model/1" {
            return Err(ModelError::Json("`format` is not mediveil-model/1".into()));
        }
        let inputs = check_inputs(file.inputs.0)?;
        let names: HashMap<&str, usize> =
            inputs.iter().enumerate().map(|(i, input)| (input.name.as_str(), i)).collect();
        let find = |name: &str| names.get(name).copied().ok_or_else(|| ModelError::Input(name.into()));
        let scale = file.logistic.as_ref().map(|l| l.scale);
        let rule = match (file.points, file.trees, file.logistic) {
            (Some(points), None, None) => points.rule(&inputs, find)?,
            (None, Some(trees), None) => trees_rule(trees.0, find)?,
            (None, None, Some(logistic)) => logistic.rule(find)?,
            _ => return Err(ModelError::Json("one of `points`, `trees` and `logistic` must be there".into())),
        };
        let (answer, cuts) = file.answer.check(scale)?;
        let model = Self { name: file.name, source: file.source, inputs, rule, cuts, answer };
        let (found_min, found_max) = model.score_bounds();
        if found_min.abs().max(found_max.abs()) > MAX_NUMBER {
            return Err(ModelError::Range("scores of 2^40 and more are not computed".into()));
        }
        Ok(model)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it was published.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its inputs, in the order of their values.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// What is told of the score.
    #[must_use]
    pub const fn answer(&self) -> &Answer {
        &self.answer
    }

    pub(super) const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Scores from which on the class is one higher, ascending.
    #[must_use]
    pub fn cuts(&self) -> &[i64] {
        &self.cuts
    }

    /// Values from a JSON object with one number, or truth value, for each input, checked against their bounds.
    ///
    /// # Errors
    /// [`ValueError`] naming the input.
    pub fn values_from_json(&self, text: &str) -> Result<Values, ValueError> {
        Values::from_json(&self.inputs, text)
    }

    /// The score of values in the clear, in the order of the inputs.
    #[must_use]
    pub fn score(&self, values: &[i64]) -> i64 {
        match &self.rule {
            Rule::Sum { base, terms } => terms.iter().fold(*base, |sum, t| sum.saturating_add(t.value(values))),
            Rule::Trees(trees) => trees.iter().fold(0, |sum: i64, t| sum.saturating_add(t.value(values))),
        }
    }

    /// The answer for values in the clear: the score, or the number of the class from 0.
    #[must_use]
    pub fn answer_for(&self, values: &[i64]) -> i64 {
        self.told(self.score(values))
    }

    /// What is told of a score.
    pub(super) fn told(&self, score: i64) -> i64 {
        match self.answer {
            Answer::Score { .. } => score,
            Answer::Class { .. } => {
                i64::try_from(self.cuts.iter().filter(|cut| score >= **cut).count()).unwrap_or(i64::MAX)
            }
        }
    }

    /// Loose bounds on the score over the whole domain, term by term or leaf by leaf. The plan has the exact ones.
    fn score_bounds(&self) -> (i64, i64) {
        match &self.rule {
            Rule::Sum { base, terms } => terms.iter().fold((*base, *base), |(low, high), term| {
                let mut ends: Vec<i64> = match &term.shape {
                    Shape::Steps(steps) => steps.iter().map(|s| s.1).collect(),
                    Shape::Linear(w) => self
                        .inputs
                        .get(term.input)
                        .map(|i| vec![w.saturating_mul(i.min), w.saturating_mul(i.max)])
                        .unwrap_or_default(),
                };
                if !term.conditions.is_empty() {
                    ends.push(0);
                }
                let (min, max) = (ends.iter().min().copied(), ends.iter().max().copied());
                (low.saturating_add(min.unwrap_or(0)), high.saturating_add(max.unwrap_or(0)))
            }),
            Rule::Trees(trees) => trees.iter().fold((0, 0), |(low, high): (i64, i64), tree| {
                let leaves = || tree.nodes.iter().filter_map(|n| if let Node::Leaf(v) = n { Some(*v) } else { None });
                (low.saturating_add(leaves().min().unwrap_or(0)), high.saturating_add(leaves().max().unwrap_or(0)))
            }),
        }
    }
}

pub(super) fn check_inputs(inputs: Vec<Input>) -> Result<Vec<Input>, ModelError> {
    if inputs.is_empty() {
        return Err(ModelError::Range("a model needs an input".into()));
    }
    for (i, input) in inputs.iter().enumerate() {
        if input.name.is_empty() || inputs.iter().take(i).any(|other| other.name == input.name) {
            return Err(ModelError::Input(input.name.clone()));
        }
        if input.min > input.max || input.min.abs().max(input.max.abs()) > MAX_NUMBER || input.decimals > 9 {
            return Err(ModelError::Range(format!(
                "input `{}` needs bounds, the smaller first, below 2^40, and at most 9 decimals",
                input.name
            )));
        }
    }
    Ok(inputs)
}

fn small(number: i64) -> Result<i64, ModelError> {
    if number.abs() > MAX_NUMBER {
        return Err(ModelError::Range(format!("{number} is over 2^40")));
    }
    Ok(number)
}

impl Points {
    fn rule(self, inputs: &[Input], find: impl Fn(&str) -> Result<usize, ModelError>) -> Result<Rule, ModelError> {
        let mut terms = Vec::new();
        for term in self.terms.0 {
            let input = find(&term.of)?;
            let conditions = term
                .conditions
                .iter()
                .map(|(name, (low, high))| Ok((find(name)?, *low, *high)))
                .collect::<Result<_, ModelError>>()?;
            let steps = term.steps.0;
            let first = steps.first().map(|s| s.0);
            let low = inputs.get(input).map(|i| i.min);
            if first.is_none() || first > low || !steps.is_sorted_by(|a, b| a.0 < b.0) {
                return Err(ModelError::Range(format!(
                    "the steps of `{}` must ascend and begin at its minimum or below",
                    term.of
                )));
            }
            for (_, points) in &steps {
                small(*points)?;
            }
            terms.push(Term { conditions, input, shape: Shape::Steps(steps) });
        }
        Ok(Rule::Sum { base: small(self.base)?, terms })
    }
}

impl Logistic {
    fn rule(self, find: impl Fn(&str) -> Result<usize, ModelError>) -> Result<Rule, ModelError> {
        if self.scale < 1 || self.scale > 1_000_000 {
            return Err(ModelError::Range("`scale` is 1 to 1,000,000".into()));
        }
        let terms = self
            .weights
            .iter()
            .map(|(name, weight)| {
                Ok(Term { conditions: Vec::new(), input: find(name)?, shape: Shape::Linear(small(*weight)?) })
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Rule::Sum { base: small(self.intercept)?, terms })
    }
}

fn trees_rule(files: Vec<TreeFile>, find: impl Fn(&str) -> Result<usize, ModelError>) -> Result<Rule, ModelError> {
    let nodes: usize = files.iter().map(|t| t.nodes.0.len()).sum();
    if files.is_empty() || nodes > MAX_NODES {
        return Err(ModelError::Range(format!("a model has 1 to {MAX_NODES} nodes over all its trees, not {nodes}")));
    }
    let mut trees = Vec::new();
    for (number, file) in files.into_iter().enumerate() {
        let mut nodes = Vec::new();
        for node in file.nodes.0 {
            nodes.push(match node {
                NodeFile::Leaf { value } => Node::Leaf(small(value)?),
                NodeFile::Test { input, at_most, yes, no } => Node::Test { input: find(&input)?, at_most, yes, no },
            });
        }
        check_tree(number, &nodes)?;
        trees.push(Tree { nodes });
    }
    Ok(Rule::Trees(trees))
}

/// Every node is reached exactly once, from node 0, and not too deep.
fn check_tree(tree: usize, nodes: &[Node]) -> Result<(), ModelError> {
    let mut seen = vec![false; nodes.len()];
    let mut open = vec![(0_usize, 0_usize)];
    while let Some((at, depth)) = open.pop() {
        match seen.get_mut(at) {
            None => return Err(ModelError::Node { tree, node: at }),
            Some(true) => return Err(ModelError::Cycle { tree, node: at }),
            Some(fresh) => *fresh = true,
        }
        if let Some(Node::Test { yes, no, .. }) = nodes.get(at) {
            if depth >= MAX_DEPTH {
                return Err(ModelError::Deep(tree));
            }
            open.extend([(*yes, depth.saturating_add(1)), (*no, depth.saturating_add(1))]);
        }
    }
    match seen.iter().position(|reached| !reached) {
        Some(node) => Err(ModelError::Node { tree, node }),
        None => Ok(()),
    }
}

impl AnswerFile {
    fn check(self, scale: Option<i64>) -> Result<(Answer, Vec<i64>), ModelError> {
        let (answer, cuts) = match self {
            Self::Score { min, max } => (Answer::Score { min, max }, Vec::new()),
            Self::Class { names, from, probability } => {
                let cuts = match (scale, probability.as_slice()) {
                    (_, []) => from,
                    (Some(scale), probabilities) if from.is_empty() => {
                        probabilities.iter().map(|p| logit(*p, scale)).collect::<Result<_, _>>()?
                    }
                    _ => {
                        return Err(ModelError::Range(
                            "classes are cut by `from`, or by `probability` in a logistic model".into(),
                        ));
                    }
                };
                (Answer::Class { names: names.0 }, cuts)
            }
        };
        answer.check()?;
        if let Answer::Class { names } = &answer
            && (cuts.len().saturating_add(1) != names.len() || !cuts.is_sorted_by(|a, b| a < b))
        {
            return Err(ModelError::Range("classes need one cut less than names, ascending".into()));
        }
        Ok((answer, cuts))
    }
}

/// The smallest scaled score whose probability is at least `p`.
fn logit(p: f64, scale: i64) -> Result<i64, ModelError> {
    if !(p > 0.0 && p < 1.0) {
        return Err(ModelError::Range("a probability is strictly between 0 and 1".into()));
    }
    #[expect(clippy::cast_precision_loss, reason = "a scale of at most a million")]
    let cut = libm::ceil(libm::log(p / (1.0 - p)) * scale as f64);
    #[expect(clippy::cast_possible_truncation, reason = "at most 745 times a million in size")]
    let cut = cut as i64;
    Ok(cut)
}
