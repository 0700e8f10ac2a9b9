//! From noisy integers to estimates with intervals. Pure post-processing: it looks at the plan and the released answer.

use super::evaluate::cell_number;
use super::query::Resolved;
use crate::answer::{Answer, Part};
use crate::privacy::{Bounds, f64_of, f64_up};
use crate::{Mechanism, Plan};

/// One figure with its error interval.
///
/// The interval holds what the same computation without noise would have given, with probability at least 95 % for this
/// figure alone (in a table of many cells, about one in twenty lies outside its own). It covers the noise and nothing else: not
/// clamping to the declared bounds, rows dropped beyond the declared number a patient, missing values, nor the sampling of
/// patients from a population.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The group or the edges of the cell; empty for a single figure.
    pub group: Vec<String>,
    /// The estimate, in the column's own unit.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The error to expect of one noisy figure of an answer, known before anything is spent.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Which figure: `count`, `sum`, `sum of squares` (both of the values less the middle of their bounds, for means and
    /// variances), `rows missed` of a quantile, or `each cell`.
    pub figure: &'static str,
    /// The mean magnitude of the noise, in the column's own unit. For a quantile, the scale of its selection in rows.
    pub mean: f64,
    /// The half-width of a 95 % interval.
    pub half_width: f64,
}

/// The probability with which an interval may miss.
pub(crate) const FAILURE: f64 = 0.05;

fn step(scale: u8) -> f64 {
    libm::pow(10.0, -f64::from(scale))
}

fn plain(group: Vec<String>, value: i64, width: u64, unit: f64) -> Estimate {
    let (value, width) = (f64_of(value), f64_up(width.min(1 << 54)));
    Estimate { group, value: value * unit, low: (value - width) * unit, high: (value + width) * unit }
}

impl Plan {
    /// What the released answer of a table's query says; `None` if the plan is for another kind of data, or the answer
    /// another plan's.
    #[must_use]
    pub fn estimates(&self, answer: &Answer) -> Option<Vec<Estimate>> {
        let statistic = &self.table.as_ref()?.statistic;
        let parts = answer.parts();
        if parts.len() != self.mechanisms().len() {
            return None;
        }
        let scalar = |n: usize| match parts.get(n) {
            Some(Part::Values(v)) => v.first().copied(),
            _ => None,
        };
        let width = |n: usize, failure: f64| self.mechanisms().get(n).map(|m| m.half_width(failure, 0));
        let cells = |unit: f64, names: Vec<Vec<String>>| match parts.first() {
            Some(Part::Values(values)) if values.len() == names.len() => {
                let width = width(0, FAILURE)?;
                Some(names.into_iter().zip(values).map(|(name, v)| plain(name, *v, width, unit)).collect())
            }
            _ => None,
        };
        match statistic {
            Resolved::Count => Some(vec![plain(Vec::new(), scalar(0)?, width(0, FAILURE)?, 1.0)]),
            Resolved::Sum { scale, .. } => Some(vec![plain(Vec::new(), scalar(0)?, width(0, FAILURE)?, step(*scale))]),
            Resolved::Mean { centre, bounds, scale, .. } => {
                let share = FAILURE / 2.0;
                let sum = Range::around(scalar(0)?, width(0, share)?);
                let count = Range::around(scalar(1)?, width(1, share)?);
                Some(vec![mean(sum, count, *centre, *bounds).scaled(step(*scale))])
            }
            Resolved::Variance { bounds, scale, .. } => {
                let share = FAILURE / 3.0;
                let sum = Range::around(scalar(0)?, width(0, share)?);
                let count = Range::around(scalar(1)?, width(1, share)?);
                let squares = Range::around(scalar(2)?, width(2, share)?);
                Some(vec![variance(sum, count, squares, *bounds).scaled(step(*scale) * step(*scale))])
            }
            Resolved::Quantile { candidates, scale, .. } => {
                let Some(Part::Choice(choice)) = parts.first() else { return None };
                let value = f64_of(*candidates.get(usize::try_from(*choice).ok()?)?) * step(*scale);
                Some(vec![Estimate { group: Vec::new(), value, low: value, high: value }])
            }
            Resolved::Histogram { edges, scale, .. } => {
                let name = |e: Option<&i64>| e.map_or_else(String::new, |e| super::schema::format_decimal(*e, *scale));
                let names = (0..=edges.len())
                    .map(|i| vec![name(i.checked_sub(1).and_then(|b| edges.get(b))), name(edges.get(i))])
                    .collect();
                cells(1.0, names)
            }
            Resolved::Contingency { columns } => cells(1.0, names(columns)),
            Resolved::GroupSum { by, scale, .. } => cells(step(*scale), names(by)),
            Resolved::Groups { .. } => {
                let Some(Part::Groups(groups)) = parts.first() else { return None };
                let width = width(0, FAILURE)?;
                Some(groups.iter().map(|(group, count)| plain(group.clone(), *count, width, 1.0)).collect())
            }
        }
    }

    /// For a quantile: by how many rows the share below the released value may miss, with probability at most 5 %. (The
    /// interval of a quantile's [`Estimate`] is empty: how far a value lies from another of nearly the same rank is a
    /// property of the data.)
    #[must_use]
    pub fn rank_error(&self) -> Option<f64> {
        match (&self.table.as_ref()?.statistic, self.mechanisms()) {
            (Resolved::Quantile { denominator, candidates, .. }, [mechanism]) => {
                Some(f64_up(mechanism.half_width(FAILURE, candidates.len()).min(1 << 54)) / f64_of(*denominator))
            }
            _ => None,
        }
    }

    /// Expected error of each noisy figure in the column's own unit; `None` if the plan is not for a table.
    #[must_use]
    pub fn expected(&self) -> Option<Vec<Expected>> {
        let statistic = &self.table.as_ref()?.statistic;
        let figures: Vec<(&'static str, f64)> = match statistic {
            Resolved::Count => vec![("count", 1.0)],
            Resolved::Sum { scale, .. } => vec![("sum", step(*scale))],
            Resolved::Mean { scale, .. } => vec![("sum", step(*scale)), ("count", 1.0)],
            Resolved::Variance { scale, .. } => {
                let unit = step(*scale);
                vec![("sum", unit), ("count", 1.0), ("sum of squares", unit * unit)]
            }
            Resolved::Quantile { denominator, .. } => vec![("rows missed", 1.0 / f64_of(*denominator))],
            Resolved::Histogram { .. } | Resolved::Contingency { .. } | Resolved::Groups { .. } => {
                vec![("each cell", 1.0)]
            }
            Resolved::GroupSum { scale, .. } => vec![("each cell", step(*scale))],
        };
        let errors = self.expected_errors();
        let expected = figures.into_iter().zip(errors).map(|((figure, unit), (mean, width))| Expected {
            figure,
            mean: mean * unit,
            half_width: f64_up(width.min(1 << 54)) * unit,
        });
        Some(expected.collect())
    }

    /// Expected error of each mechanism in its own grid steps: the mean magnitude of the noise, and the half-width of a
    /// 95 % interval.
    #[must_use]
    pub fn expected_errors(&self) -> Vec<(f64, u64)> {
        let candidates = match self.table.as_ref().map(|t| &t.statistic) {
            Some(Resolved::Quantile { candidates, .. }) => candidates.len(),
            _ => 1,
        };
        let error = |m: &Mechanism| (m.mean_error(), m.half_width(FAILURE, candidates));
        self.mechanisms().iter().map(error).collect()
    }
}

fn names(columns: &[(usize, Vec<String>)]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for (_, values) in columns {
        all = all
            .iter()
            .flat_map(|head| values.iter().map(move |v| [&head[..], std::slice::from_ref(v)].concat()))
            .collect();
    }
    debug_assert_eq!(all.len(), cell_number(columns));
    all
}

/// A value with its interval.
#[derive(Clone, Copy)]
struct Range {
    value: f64,
    low: f64,
    high: f64,
}

impl Range {
    fn around(value: i64, width: u64) -> Self {
        let (value, width) = (f64_of(value), f64_up(width.min(1 << 54)));
        Self { value, low: value - width, high: value + width }
    }

    /// Over a count that is at least one row; the count's interval may begin lower, but an empty set has no mean.
    fn over(self, count: Self) -> Self {
        let (least, most) = (count.low.max(1.0), count.high.max(1.0));
        let low = if self.low < 0.0 { self.low / least } else { self.low / most };
        let high = if self.high > 0.0 { self.high / least } else { self.high / most };
        Self { value: self.value / count.value.max(1.0), low, high }
    }

    fn within(self, low: f64, high: f64) -> Self {
        Self { value: self.value.clamp(low, high), low: self.low.clamp(low, high), high: self.high.clamp(low, high) }
    }

    fn scaled(self, unit: f64) -> Estimate {
        Estimate { group: Vec::new(), value: self.value * unit, low: self.low * unit, high: self.high * unit }
    }
}

fn mean(sum: Range, count: Range, centre: i64, bounds: Bounds) -> Range {
    let m = sum.over(count);
    let c = f64_of(centre);
    Range { value: m.value + c, low: m.low + c, high: m.high + c }.within(f64_of(bounds.low()), f64_of(bounds.high()))
}

/// `E[x^2] - E[x]^2`, never below zero and never above a quarter of the squared width (Popoviciu).
fn variance(sum: Range, count: Range, squares: Range, bounds: Bounds) -> Range {
    let (m, q) = (sum.over(count), squares.over(count));
    let width = f64_of(bounds.high()) - f64_of(bounds.low());
    let most = (m.low * m.low).max(m.high * m.high);
    let least = if m.low <= 0.0 && m.high >= 0.0 { 0.0 } else { (m.low * m.low).min(m.high * m.high) };
    let value = q.value - m.value * m.value;
    // The grid's middle is rounded, so a quarter of the squared width can be exceeded by half a step.
    Range { value, low: q.low - most, high: q.high - least }.within(0.0, (width + 1.0) * (width + 1.0) / 4.0)
}
