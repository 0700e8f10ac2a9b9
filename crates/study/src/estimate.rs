//! From released numbers to estimates with intervals. Pure post-processing of public integers.

use crate::convolution::{NoiseKind, half_width};
use crate::resolve::{Number, Recipe};
use mediveil_dp::format_decimal;

/// One figure of an answer.
///
/// The interval holds what the same computation on the encrypted rows would have given without noise, with probability at
/// least 95 % for this figure alone. It counts the noise of the whole quorum and nothing else: not missing values, nor the
/// sampling of patients from a population. An end that the noise leaves open is infinite.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The group, value by value; empty if there are none.
    pub group: Vec<String>,
    /// Which figure of the group: `count`, `mean`, the edges of a bin, the name of a coefficient.
    pub label: String,
    /// The estimate, in the columns' own units.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The probability with which an interval may miss.
pub(crate) const FAILURE: f64 = 0.05;

/// A value with its interval; arithmetic keeps the true value inside.
#[derive(Clone, Copy, Debug)]
struct Range {
    value: f64,
    low: f64,
    high: f64,
}

const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

impl Range {
    const ZERO: Self = Self { value: 0.0, low: 0.0, high: 0.0 };

    fn around(value: i64, width: f64) -> Self {
        let value = float(value);
        Self { value, low: value - width, high: value + width }
    }

    fn hull(value: f64, ends: &[f64]) -> Self {
        // NaN is infinity minus infinity, or zero times infinity: nothing is known.
        if ends.iter().any(|e| e.is_nan()) {
            return Self { value, low: ALL.0, high: ALL.1 };
        }
        let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { value, low, high }
    }

    fn minus(self, o: Self) -> Self {
        Self::hull(self.value - o.value, &[self.low - o.high, self.high - o.low])
    }

    fn plus(self, o: Self) -> Self {
        Self::hull(self.value + o.value, &[self.low + o.low, self.high + o.high])
    }

    fn times(self, o: Self) -> Self {
        let ends = [self.low * o.low, self.low * o.high, self.high * o.low, self.high * o.high];
        Self::hull(self.value * o.value, &ends)
    }

    fn squared(self) -> Self {
        let (a, b) = (self.low * self.low, self.high * self.high);
        let low = if self.low <= 0.0 && self.high >= 0.0 { 0.0 } else { a.min(b) };
        Self { value: self.value * self.value, low, high: a.max(b) }
    }

    /// Over something that is not zero; where its interval holds zero, nothing is known.
    fn over(self, o: Self) -> Self {
        if o.low <= 0.0 && o.high >= 0.0 {
            return Self { value: self.value / o.value, low: ALL.0, high: ALL.1 };
        }
        let ends = [self.low / o.low, self.low / o.high, self.high / o.low, self.high / o.high];
        Self::hull(self.value / o.value, &ends)
    }

    /// Over a count, which is at least one row where there is anything to divide.
    fn over_count(self, count: Self) -> Self {
        let at_least_one = Self { value: count.value.max(1.0), low: count.low.max(1.0), high: count.high.max(1.0) };
        self.over(at_least_one)
    }

    fn within(self, low: f64, high: f64) -> Self {
        let clamp = |v: f64| if v.is_nan() { f64::midpoint(low, high) } else { v.clamp(low, high) };
        Self { value: clamp(self.value), low: clamp(self.low), high: clamp(self.high) }
    }

    fn named(self, group: &[String], label: impl Into<String>) -> Estimate {
        Estimate { group: group.to_vec(), label: label.into(), value: self.value, low: self.low, high: self.high }
    }

    fn constant(value: f64) -> Self {
        Self { value, low: value, high: value }
    }
}

/// An integer as a float: exact within 2^53, and within one unit in the last place beyond.
pub(crate) fn float(value: i64) -> f64 {
    let magnitude = value.unsigned_abs();
    let (high, low) = (u32::try_from(magnitude >> 32).unwrap_or(u32::MAX), magnitude & 0xffff_ffff);
    let low = u32::try_from(low).unwrap_or(u32::MAX);
    let magnitude = f64::from(high).mul_add(4_294_967_296.0, f64::from(low));
    if value < 0 { -magnitude } else { magnitude }
}

/// One grid step in the column's unit.
pub(crate) fn step(scale: u8) -> f64 {
    libm::pow(10.0, -f64::from(scale))
}

fn steps(value: f64, number: &Number) -> Range {
    Range::constant(value * step(number.scale))
}

/// The estimates behind the released numbers: for each moment in turn, each group in turn, each bin in turn.
pub(crate) fn estimates(
    recipe: &Recipe,
    groups: &[Vec<String>],
    bins: usize,
    kinds: &[NoiseKind],
    quorum: u32,
    numbers: &[i64],
) -> Option<Vec<Estimate>> {
    let cells = groups.len().checked_mul(bins)?;
    if numbers.len() != cells.checked_mul(kinds.len())? {
        return None;
    }
    let parts = f64::from(u32::try_from(kinds.len()).ok()?.max(1));
    let moments: Vec<&[i64]> = numbers.chunks(cells.max(1)).collect();
    let mut all = Vec::new();
    for (g, group) in groups.iter().enumerate() {
        // All moments of a group hold together.
        let at = |moment: usize| {
            let kind = kinds.get(moment)?;
            let value = moments.get(moment)?.get(g)?;
            Some(Range::around(*value, half_width(*kind, quorum, FAILURE / parts)))
        };
        let of_bins = || moments.first()?.get(g.checked_mul(bins)?..)?.get(..bins);
        match recipe {
            Recipe::Count => all.push(at(0)?.named(group, "count")),
            Recipe::Sum(n) => all.push(at(0)?.times(Range::constant(step(n.scale))).named(group, "sum")),
            Recipe::Mean(n) => {
                let (mean, count) = (mean(at(0)?, at(1)?, n), at(1)?);
                all.push(mean.named(group, "mean"));
                all.push(count.named(group, "count"));
            }
            Recipe::Variance(n) => {
                let (sum, count, squares) = (at(0)?, at(1)?, at(2)?);
                let unit = Range::constant(step(n.scale) * step(n.scale));
                let spread = squares.over_count(count).minus(sum.over_count(count).squared());
                let width = float(n.bounds.high()) - float(n.bounds.low());
                // Popoviciu: a quarter of the squared width, and half a step for the middle that was rounded.
                let variance = spread.within(0.0, (width + 1.0) * (width + 1.0) / 4.0).times(unit);
                all.push(variance.named(group, "variance"));
                all.push(mean(sum, count, n).named(group, "mean"));
                all.push(count.named(group, "count"));
            }
            Recipe::Covariance(a, b) => {
                let (count, x, y, xy) = (at(0)?, at(1)?, at(2)?, at(3)?);
                let unit = Range::constant(step(a.scale) * step(b.scale));
                let covariance = xy.over_count(count).minus(x.over_count(count).times(y.over_count(count))).times(unit);
                all.push(covariance.named(group, "covariance"));
                all.push(count.named(group, "count"));
            }
            Recipe::Histogram(n) => {
                let width = half_width(*kinds.first()?, quorum, FAILURE);
                for (bin, count) in of_bins()?.iter().enumerate() {
                    all.push(Range::around(*count, width).named(group, bin_name(n, bin)));
                }
            }
            Recipe::Quantile { number, numerator, denominator } => {
                let share = f64::from(*numerator) / f64::from(*denominator);
                all.push(quantile(of_bins()?, share, number, *kinds.first()?, quorum)?.named(group, "quantile"));
            }
            Recipe::Regression { y, x } => {
                let count = at(0)?;
                let sums = (0..=x.len()).map(|i| at(i.checked_add(1)?)).collect::<Option<Vec<_>>>()?;
                let first = x.len().checked_add(2)?;
                let products = (first..kinds.len()).map(at).collect::<Option<Vec<_>>>()?;
                all.extend(regression(count, &sums, &products, y, x, group)?);
            }
        }
    }
    Some(all)
}

fn mean(sum: Range, count: Range, n: &Number) -> Range {
    let (low, high) = (float(n.bounds.low()), float(n.bounds.high()));
    let centred = sum.over_count(count).plus(Range::constant(float(n.bounds.middle())));
    centred.within(low, high).times(Range::constant(step(n.scale)))
}

/// The bin between two cut points as text: `below 5.7`, `5.7 to 6.5`, `6.5 and over`.
fn bin_name(n: &Number, bin: usize) -> String {
    let edge = |at: Option<usize>| at.and_then(|at| n.cuts.get(at)).map(|c| format_decimal(*c, n.scale));
    match (edge(bin.checked_sub(1)), edge(Some(bin))) {
        (None, Some(high)) => format!("below {high}"),
        (Some(low), Some(high)) => format!("{low} to {high}"),
        (Some(low), None) => format!("{low} and over"),
        (None, None) => "all".into(),
    }
}

/// The bin in which the quantile lies: its value is the middle of the bin, its interval reaches over every bin that the
/// noise leaves possible.
fn quantile(counts: &[i64], share: f64, n: &Number, kind: NoiseKind, quorum: u32) -> Option<Range> {
    let bins = u32::try_from(counts.len()).ok()?;
    // At each cut point: the rows below it less the share of all rows. Below the quantile this is negative.
    let total: f64 = counts.iter().map(|c| float(*c)).sum();
    let failure = FAILURE / f64::from(bins.saturating_sub(1).max(1));
    let width = half_width(kind, quorum.saturating_mul(bins), failure);
    let edge = |at: usize| -> f64 {
        let at = at.checked_sub(1).map_or(Some(n.bounds.low()), |cut| n.cuts.get(cut).copied());
        float(at.unwrap_or_else(|| n.bounds.high()))
    };
    let (mut low, mut high, mut found) = (0, counts.len(), counts.len());
    let mut below = 0.0;
    for (cut, count) in (1usize..).zip(counts).take(counts.len().saturating_sub(1)) {
        below += float(*count);
        let excess = below - share * total;
        if excess + width < 0.0 {
            low = cut;
        }
        if excess >= 0.0 && found > cut {
            found = cut;
        }
        if excess - width > 0.0 && high > cut {
            high = cut;
        }
    }
    let middle = f64::midpoint(edge(found.saturating_sub(1)), edge(found));
    let unit = step(n.scale);
    let (low, high) = (edge(low) * unit, edge(high.max(low.saturating_add(1))) * unit);
    Some(Range { value: (middle * unit).clamp(low, high), low, high })
}

/// The normal equations of centred columns, solved in intervals; the intercept is brought back to the columns' own zero.
fn regression(
    count: Range,
    sums: &[Range],
    products: &[Range],
    y: &Number,
    x: &[Number],
    group: &[String],
) -> Option<Vec<Estimate>> {
    let p = x.len();
    // products holds, for each i < p, the pairs (i, i..=p); p is the y.
    let product = |i: usize, j: usize| -> Option<Range> {
        let (i, j) = (i.min(j), i.max(j));
        let skipped: usize = (0..i).map(|k| p.saturating_sub(k).saturating_add(1)).sum();
        products.get(skipped.checked_add(j.checked_sub(i)?)?).copied()
    };
    // Means of centred columns and centred second moments leave a system without the intercept.
    let means: Vec<Range> = sums.iter().map(|s| s.over_count(count)).collect();
    let second = |i: usize, j: usize| -> Option<Range> {
        let cross = if i == j { means.get(i)?.squared() } else { means.get(i)?.times(*means.get(j)?) };
        Some(product(i, j)?.over_count(count).minus(cross))
    };
    let mut rows: Vec<Vec<Range>> =
        (0..p).map(|i| (0..=p).map(|j| second(i, j)).collect::<Option<Vec<_>>>()).collect::<Option<_>>()?;
    for pivot in 0..p {
        let best = (pivot..p).max_by(|a, b| {
            let size = |r: &usize| rows.get(*r).and_then(|row| row.get(pivot)).map_or(0.0, |v| v.value.abs());
            size(a).total_cmp(&size(b))
        })?;
        rows.swap(pivot, best);
        let lead = rows.get(pivot)?.clone();
        for row in rows.iter_mut().skip(pivot.saturating_add(1)) {
            let factor = row.get(pivot)?.over(*lead.get(pivot)?);
            for (place, above) in row.iter_mut().zip(&lead).skip(pivot) {
                *place = place.minus(factor.times(*above));
            }
        }
    }
    let mut slopes = vec![Range::ZERO; p];
    for i in (0..p).rev() {
        let row = rows.get(i)?;
        let mut rest = *row.get(p)?;
        for (known, slope) in row.iter().zip(&slopes).skip(i.saturating_add(1)).take(p) {
            rest = rest.minus(known.times(*slope));
        }
        *slopes.get_mut(i)? = rest.over(*row.get(i)?);
    }
    // y = my + Σ slope (x - mx), with means in the columns' own units.
    let own = |mean: &Range, n: &Number| {
        mean.plus(Range::constant(float(n.bounds.middle()))).times(Range::constant(step(n.scale)))
    };
    let mut intercept = own(means.get(p)?, y);
    let mut all = Vec::new();
    for ((slope, n), mean) in slopes.iter().zip(x).zip(&means) {
        let slope = slope.times(steps(1.0, y)).over(steps(1.0, n));
        intercept = intercept.minus(slope.times(own(mean, n)));
        all.push(slope.named(group, n.name.clone()));
    }
    all.insert(0, intercept.named(group, "intercept"));
    all.push(count.named(group, "count"));
    Some(all)
}
