//! What the vectors of a federation mean: plain sums, or one step of fitting a model.
//!
//! *Logistic regression* by noisy full-batch gradient descent (Bassily, Smith, Thakurta, FOCS 2014; Abadi et al., CCS 2016,
//! without sampling): each round sums every patient's gradient at the round's weights, clipped, and one more entry that counts
//! patients, so that nothing is scaled by a number that would have to be public. Weights follow with momentum.
//!
//! *Linear regression* in one round by noisy sufficient statistics (Wang, *Revisiting differentially private linear
//! regression*, UAI 2018, arXiv 1803.02596, algorithm `AdaSSP`): each patient gives the upper triangle of z zᵀ for z = (features, 1,
//! target). The ridge adapts to the least eigenvalue, which is read off the noisy matrix itself and lowered by what the noise
//! can have raised it (Weyl); that is post-processing and costs nothing.
//!
//! Features are scaled by a declared centre and spread and held within four spreads. Declare them from general knowledge of the
//! quantity, never from the data: they are public.

use crate::error::{FederateError, PlanError};
use crate::solve::{least_eigenvalue, solve};
use serde::{Deserialize, Serialize};
use std::io::Read;

/// A number of a patient, and how it is scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// The column of the table.
    pub name: String,
    /// If the column is a day of birth, the day (YYYY-MM-DD) at which the age in years is the number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_at: Option<String>,
    /// What is subtracted.
    pub centre: f64,
    /// What it is then divided by.
    pub spread: f64,
}

impl Feature {
    /// The scaled number, within four spreads; a missing one is the centre.
    fn scale(&self, text: &str) -> Option<f64> {
        if text.trim().is_empty() {
            return Some(0.0);
        }
        let value = match &self.age_at {
            Some(at) => years(at)? - years(text.trim())?,
            None => text.trim().parse::<f64>().ok().filter(|v| v.is_finite())?,
        };
        Some(((value - self.centre) / self.spread).clamp(-4.0, 4.0))
    }

    fn check(&self) -> Result<(), PlanError> {
        let fits = !self.name.is_empty()
            && self.name.len() <= 128
            && self.centre.is_finite()
            && self.spread.is_finite()
            && self.spread > 0.0
            && self.age_at.as_deref().is_none_or(|at| years(at).is_some());
        if fits { Ok(()) } else { Err(PlanError::Task(format!("feature {:?}", self.name))) }
    }
}

/// A day as a number of years, for differences: exact to a day.
fn years(day: &str) -> Option<f64> {
    let mut parts = day.get(..10)?.split('-').map(|p| p.parse::<u16>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let known = (1..=12).contains(&month) && (1..=31).contains(&day) && parts.next().is_none();
    known.then(|| f64::from(year) + (f64::from(month) - 1.0) / 12.0 + (f64::from(day) - 1.0) / 372.0)
}

/// What is computed. In JSON: `{"kind": "sum"}`, `{"kind": "logistic", …}`, `{"kind": "linear", …}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Sums of whatever the sites hold.
    Sum {},
    /// Logistic regression.
    Logistic {
        /// The column of the label: 0 or 1. Rows without it do not count.
        label: String,
        /// The features.
        features: Vec<Feature>,
        /// The step size.
        step: f64,
        /// How much of the last step goes on: from 0 to below 1.
        momentum: f64,
        /// Weight of the squared length of the weights.
        ridge: f64,
    },
    /// Linear regression.
    Linear {
        /// What is predicted.
        target: Feature,
        /// The features.
        features: Vec<Feature>,
    },
}

/// The share of the clip that counts patients.
const COUNT: f64 = 0.25;

/// One site's patients, scaled. Patient data: wipe the process that holds it.
#[derive(Clone, Default)]
pub struct Examples {
    rows: Vec<(Vec<f64>, f64)>,
}

impl Examples {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All examples of several sites: for simulations alone.
    #[must_use]
    pub fn pooled(sites: &[Self]) -> Self {
        Self { rows: sites.iter().flat_map(|s| s.rows.iter().cloned()).collect() }
    }

    /// Features with an intercept of 1 at the end, and the target.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[f64], f64)> {
        self.rows.iter().map(|(x, y)| (x.as_slice(), *y))
    }
}

impl std::fmt::Debug for Examples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Examples")
    }
}

/// The state of a model between rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// One for each feature, and the intercept.
    pub weights: Vec<f64>,
    /// The last step.
    pub velocity: Vec<f64>,
    /// How many patients there are, about: the mean of the noisy counts.
    pub patients: f64,
    /// Rounds behind it.
    pub rounds: u32,
}

impl Model {
    /// The longest state in bytes.
    pub const MAX_LEN: usize = 1 << 20;

    /// The bytes that a round names.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Numbers and lists of them: it cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a state.
    ///
    /// # Errors
    /// [`FederateError::Model`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FederateError> {
        let refuse = FederateError::Model("the state of the model cannot be read");
        if bytes.len() > Self::MAX_LEN {
            return Err(refuse);
        }
        let model: Self = serde_json::from_slice(bytes).map_err(|_| refuse)?;
        let finite = |v: &[f64]| v.iter().all(|v| v.is_finite());
        if !finite(&model.weights) || !finite(&model.velocity) || !model.patients.is_finite() {
            return Err(FederateError::Model("the state of the model has numbers that are none"));
        }
        Ok(model)
    }
}

/// 1 / (1 + e^-z).
pub(crate) fn logistic(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + libm::exp(-z))
    } else {
        let e = libm::exp(z);
        e / (1.0 + e)
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Task {
    /// Reads a task.
    ///
    /// # Errors
    /// [`PlanError::Task`].
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        if text.len() > 1 << 16 {
            return Err(PlanError::Task("it is over 64 KiB".into()));
        }
        let read = |text: &str| serde_json::from_str::<Self>(text).map_err(|e| PlanError::Task(e.to_string()));
        let mut task = read(text)?;
        // A number of many digits may be read a last bit off; the terms need one that is read again as it is written.
        for _ in 0..64 {
            let again = read(&task.to_json())?;
            if again == task {
                break;
            }
            task = again;
        }
        task.check_itself()?;
        Ok(task)
    }

    /// The task as JSON, in one form.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts and finite numbers: it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The features.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        match self {
            Self::Sum {} => &[],
            Self::Logistic { features, .. } | Self::Linear { features, .. } => features,
        }
    }

    fn check_itself(&self) -> Result<(), PlanError> {
        let count = self.features().len();
        match self {
            Self::Sum {} => return Ok(()),
            Self::Logistic { label, step, momentum, ridge, .. } => {
                let fits = (1e-9..=100.0).contains(step)
                    && (0.0..=0.99).contains(momentum)
                    && (0.0..=10.0).contains(ridge)
                    && !label.is_empty()
                    && label.len() <= 128;
                if !fits {
                    let why = "a step in (0, 100], a momentum from 0 to 0.99, a ridge from 0 to 10, and a label";
                    return Err(PlanError::Task(why.into()));
                }
            }
            Self::Linear { target, .. } => target.check()?,
        }
        if count == 0 || count > 256 {
            return Err(PlanError::Task("a model has 1 to 256 features".into()));
        }
        self.features().iter().try_for_each(Feature::check)
    }

    pub(crate) fn check(&self, entries: u32) -> Result<(), PlanError> {
        self.check_itself()?;
        match self.entries() {
            Some(needed) if needed != entries => {
                Err(PlanError::Task(format!("it takes vectors of {needed} entries, and {entries} are declared")))
            }
            None if entries == 0 => Err(PlanError::Invalid("a vector has an entry")),
            _ => Ok(()),
        }
    }

    /// Entries of its vectors; `None` where they are the caller's choice.
    #[must_use]
    pub fn entries(&self) -> Option<u32> {
        let features = u32::try_from(self.features().len()).ok()?;
        match self {
            Self::Sum {} => None,
            // Gradient with intercept, and the count.
            Self::Logistic { .. } => features.checked_add(2),
            // The upper triangle over features, 1 and target.
            Self::Linear { .. } => {
                let side = features.checked_add(2)?;
                side.checked_mul(side.checked_add(1)?)?.checked_div(2)
            }
        }
    }

    /// How many rounds it takes, where the task fixes that.
    #[must_use]
    pub const fn rounds(&self) -> Option<u32> {
        match self {
            Self::Linear { .. } => Some(1),
            _ => None,
        }
    }

    /// The state of the first round.
    #[must_use]
    pub fn start(&self) -> Model {
        let zero = vec![0.0; if self.features().is_empty() { 0 } else { self.features().len().saturating_add(1) }];
        Model { weights: zero.clone(), velocity: zero, patients: 0.0, rounds: 0 }
    }

    /// Reads a site's table: CSV with a heading.
    ///
    /// # Errors
    /// [`FederateError::Model`] for a table that cannot be read or lacks a column, and for values that are no numbers. Says
    /// nothing of the values.
    pub fn examples(&self, table: impl Read) -> Result<Examples, FederateError> {
        let target = match self {
            Self::Sum {} => return Err(FederateError::Model("plain sums are not made of tables")),
            Self::Logistic { label, .. } => label,
            Self::Linear { target, .. } => &target.name,
        };
        let mut examples = Examples::default();
        self.read(table, Some(target), |x, field| {
            let y = match self {
                Self::Linear { target: feature, .. } => feature.scale(field),
                // pandas writes True and False.
                _ => match field.trim().to_ascii_lowercase().as_str() {
                    "0" | "false" => Some(0.0),
                    "1" | "true" => Some(1.0),
                    _ => None,
                },
            };
            examples.rows.push((x, y?));
            Some(())
        })?;
        Ok(examples)
    }

    /// Reads a table and hands over each row's scaled features, with the intercept, and the field of the target's column
    /// where one is asked for. Rows that lack it are left out.
    fn read(
        &self,
        table: impl Read,
        target: Option<&str>,
        mut row: impl FnMut(Vec<f64>, &str) -> Option<()>,
    ) -> Result<(), FederateError> {
        let unreadable = |_| FederateError::Model("the table cannot be read as CSV with a heading");
        let mut reader = csv::Reader::from_reader(table);
        let headings = reader.headers().map_err(unreadable)?.clone();
        let column = |name: &str| {
            let place = headings.iter().position(|h| h == name);
            place.ok_or(FederateError::Model("the table lacks a column that the task names"))
        };
        let places = self.features().iter().map(|f| column(&f.name)).collect::<Result<Vec<_>, _>>()?;
        let target = target.map(column).transpose()?;
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            let field = |place: usize| record.get(place).unwrap_or_default();
            let aim = target.map_or("", field);
            if target.is_some() && aim.trim().is_empty() {
                continue;
            }
            let x = self.features().iter().zip(&places).map(|(f, place)| f.scale(field(*place)));
            let x = x.chain([Some(1.0)]).collect::<Option<Vec<f64>>>();
            x.and_then(|x| row(x, aim))
                .ok_or(FederateError::Model("a field of the table is not what the task declares"))?;
        }
        Ok(())
    }

    /// What weights predict of each row of a table, CSV with a heading that needs no target: the probability of the label 1, or
    /// the target in its own unit.
    ///
    /// # Errors
    /// Those of [`examples`](Self::examples), and [`FederateError::Model`] for weights of another task.
    pub fn predict(&self, weights: &[f64], table: impl Read) -> Result<Vec<f64>, FederateError> {
        if matches!(self, Self::Sum {}) || weights.len() != self.features().len().saturating_add(1) {
            return Err(FederateError::Model("the weights are of a model with other features"));
        }
        let mut found = Vec::new();
        self.read(table, None, |x, _| {
            let z = dot(weights, &x);
            found.push(match self {
                Self::Linear { target, .. } => target.centre + target.spread * z,
                _ => logistic(z),
            });
            Some(())
        })?;
        Ok(found)
    }

    /// The vectors of a site's patients at this state, before the federation's own clipping: what
    /// [`Federation::gather`](crate::Federation::gather) takes.
    ///
    /// # Errors
    /// [`FederateError::Model`] for a model of another shape.
    pub fn vectors(&self, model: &Model, examples: &Examples, clip: f64) -> Result<Vec<Vec<f64>>, FederateError> {
        match self {
            Self::Sum {} => Err(FederateError::Model("plain sums have no model")),
            Self::Logistic { .. } => {
                if model.weights.len() != self.features().len().saturating_add(1) {
                    return Err(FederateError::Model("the state is of a model with other features"));
                }
                let (count, most) = (clip * COUNT, clip * libm::sqrt(1.0 - COUNT * COUNT));
                let one = |(x, y): (&[f64], f64)| {
                    let error = logistic(dot(&model.weights, x)) - y;
                    let length = error.abs() * libm::sqrt(dot(x, x));
                    let factor = if length > most { error * most / length } else { error };
                    x.iter().map(|x| x * factor).chain([count]).collect()
                };
                Ok(examples.rows().map(one).collect())
            }
            Self::Linear { .. } => {
                let one = |(x, y): (&[f64], f64)| {
                    let z: Vec<f64> = x.iter().copied().chain([y]).collect();
                    z.iter().enumerate().flat_map(|(i, a)| z.iter().skip(i).map(move |b| a * b)).collect()
                };
                Ok(examples.rows().map(one).collect())
            }
        }
    }

    /// The state after a round: from what was released, and how far its noise strays at one entry.
    ///
    /// # Errors
    /// [`FederateError::Model`] for sums or a model of another shape, and where the noise leaves nothing to solve.
    pub fn advance(&self, model: &Model, values: &[f64], clip: f64, deviation: f64) -> Result<Model, FederateError> {
        let expected = self.entries().and_then(|e| usize::try_from(e).ok());
        if expected != Some(values.len()) {
            return Err(FederateError::Model("the released sums are of another task"));
        }
        let rounds = model.rounds.saturating_add(1);
        match self {
            Self::Sum {} => Err(FederateError::Model("plain sums have no model")),
            Self::Logistic { step, momentum, ridge, .. } => {
                let Some((counted, gradient)) = values.split_last() else {
                    return Err(FederateError::Model("the released sums are of another task"));
                };
                // The mean of all rounds' counts; never below one patient.
                let seen = counted / (clip * COUNT);
                let patients = (model.patients * f64::from(model.rounds) + seen) / f64::from(rounds);
                let scale = patients.max(1.0);
                let mut next = Model { patients, rounds, ..model.clone() };
                let intercept = gradient.len().saturating_sub(1);
                let all = next.weights.iter_mut().zip(next.velocity.iter_mut()).zip(gradient).enumerate();
                for (i, ((w, v), g)) in all {
                    let shrink = if i == intercept { 0.0 } else { ridge * *w };
                    *v = momentum * *v - step * (g / scale + shrink);
                    *w += *v;
                }
                Ok(next)
            }
            Self::Linear { features, .. } => {
                let side = features.len().saturating_add(2);
                let unknown = side.saturating_sub(1);
                let mut rest = values.iter().copied();
                let mut full = vec![vec![0.0; side]; side];
                for i in 0..side {
                    for j in i..side {
                        let value = rest.next().unwrap_or_default();
                        for (a, b) in [(i, j), (j, i)] {
                            if let Some(place) = full.get_mut(a).and_then(|row| row.get_mut(b)) {
                                *place = value;
                            }
                        }
                    }
                }
                let matrix: Vec<Vec<f64>> =
                    full.iter().take(unknown).map(|row| row.iter().take(unknown).copied().collect()).collect();
                let right: Vec<f64> = full.iter().take(unknown).filter_map(|row| row.last().copied()).collect();
                // The count is the intercept's own product.
                let patients = matrix.last().and_then(|row| row.last()).copied().unwrap_or_default();
                let d = crate::clip::float(i64::try_from(unknown).unwrap_or(i64::MAX));
                // A symmetric matrix of such noise is no longer than this but for one time in twenty, about.
                let bound = deviation * libm::sqrt(d * libm::log(2.0 * d * d / 0.05));
                let least = (least_eigenvalue(&matrix) - bound).max(0.0);
                let ridge = (bound - least).max(0.0);
                let weights = solve(&matrix, &right, ridge).ok_or(FederateError::Model(
                    "the noise leaves nothing to solve: more patients or a larger budget",
                ))?;
                Ok(Model { velocity: vec![0.0; weights.len()], weights, patients, rounds })
            }
        }
    }
}
