//! Who is protected, and how much one of them can change an answer.
//!
//! The *privacy unit* is a patient with a declared largest number of rows. Every [`Sensitivity`] is computed here from the
//! unit and from declared column bounds; there is no constructor that takes a number typed in. That a patient really has
//! no more rows is enforced where the rows are ([`crate::Table`] keeps the first ones of each patient), or by whoever
//! evaluates on encrypted rows.

use mediveil_codec::{DecodeError, Decoder, Encoder};
use serde::{Deserialize, Serialize};

/// Which two data sets must look alike. In a schema's JSON `add_remove`, which is the default, or `replace`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Neighbours {
    /// One has a patient that the other has not. The number of patients is not public.
    #[default]
    AddRemove,
    /// One patient's rows are exchanged for other rows, or for none. The number of patients is public.
    Replace,
}

/// One patient, who contributes at most a declared number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrivacyUnit {
    neighbours: Neighbours,
    rows: u32,
}

impl PrivacyUnit {
    /// The most rows a patient may have.
    pub const MAX_ROWS: u32 = 1 << 20;

    /// A patient with at most `rows` rows; `None` for no rows and above [`MAX_ROWS`](Self::MAX_ROWS).
    #[must_use]
    pub const fn new(neighbours: Neighbours, rows: u32) -> Option<Self> {
        if rows == 0 || rows > Self::MAX_ROWS { None } else { Some(Self { neighbours, rows }) }
    }

    /// Which data sets are neighbours.
    #[must_use]
    pub const fn neighbours(self) -> Neighbours {
        self.neighbours
    }

    /// The most rows of one patient.
    #[must_use]
    pub const fn rows(self) -> u32 {
        self.rows
    }

    pub(crate) fn encode(self, e: &mut Encoder<'_>) {
        e.array(2).u8(matches!(self.neighbours, Neighbours::Replace).into()).u32(self.rows);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let neighbours = match d.u8()? {
            0 => Neighbours::AddRemove,
            1 => Neighbours::Replace,
            _ => return Err(d.invalid("not a neighbour relation")),
        };
        Self::new(neighbours, d.u32()?).ok_or_else(|| d.invalid("not a number of rows a patient"))
    }
}

/// Declared inclusive bounds of a column, on its integer grid. Low is at most high; both lie within ±2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    low: i64,
    high: i64,
}

impl Bounds {
    /// The largest magnitude of a bound.
    pub const LIMIT: i64 = 1 << 53;

    /// Bounds from `low` to `high`; `None` where they are crossed or beyond ±2^53.
    #[must_use]
    pub const fn new(low: i64, high: i64) -> Option<Self> {
        if low > high || low < -Self::LIMIT || high > Self::LIMIT { None } else { Some(Self { low, high }) }
    }

    /// The least value.
    #[must_use]
    pub const fn low(self) -> i64 {
        self.low
    }

    /// The greatest value.
    #[must_use]
    pub const fn high(self) -> i64 {
        self.high
    }

    /// The value moved to the nearer bound where it lies outside. Total, for `i64::MIN` and `i64::MAX` too.
    #[must_use]
    pub const fn clamp(self, value: i64) -> i64 {
        if value < self.low {
            self.low
        } else if value > self.high {
            self.high
        } else {
            value
        }
    }

    /// The integer nearest the middle, towards `low`.
    #[must_use]
    pub const fn middle(self) -> i64 {
        // Both are within 2^53, so nothing overflows.
        self.low + (self.high - self.low) / 2
    }

    /// The largest magnitude that a value can have.
    #[must_use]
    pub const fn magnitude(self) -> u64 {
        let (low, high) = (self.low.unsigned_abs(), self.high.unsigned_abs());
        if low > high { low } else { high }
    }

    /// The bounds of `value - centre`; `None` beyond ±2^53.
    #[must_use]
    pub fn shifted(self, centre: i64) -> Option<Self> {
        Self::new(self.low.checked_sub(centre)?, self.high.checked_sub(centre)?)
    }
}

/// How far the exact answers of two neighbours can be apart: in number of coordinates (l0), as a sum (l1), as a Euclidean
/// length (l2, rounded up) and in one coordinate (linf). All on the integer grid of the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    unit: PrivacyUnit,
    l0: u32,
    l1: u64,
    l2: f64,
    linf: u64,
}

/// A sensitivity beyond 2^53: the noise could not be placed on the grid exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "one patient could change this answer by more than 2^53 grid steps; narrow the bounds, coarsen the scale or allow fewer rows"
)]
pub struct SensitivityError;

impl Sensitivity {
    /// The largest sensitivity: every value up to it is exact as a float.
    pub const LIMIT: u64 = 1 << 53;

    /// Of a number of rows.
    ///
    /// # Errors
    /// Never for units that exist; the signature is shared.
    pub fn count(unit: PrivacyUnit) -> Result<Self, SensitivityError> {
        // Under either relation the rows of one patient come or go, all that match the filter: at most `rows`.
        Self::scalar(unit, u64::from(unit.rows))
    }

    /// Of a sum of one column.
    ///
    /// # Errors
    /// [`SensitivityError`] beyond 2^53.
    pub fn sum(unit: PrivacyUnit, bounds: Bounds) -> Result<Self, SensitivityError> {
        Self::scalar(unit, Self::sum_of_one(unit, bounds)?)
    }

    fn sum_of_one(unit: PrivacyUnit, bounds: Bounds) -> Result<u64, SensitivityError> {
        let per_row = match unit.neighbours {
            Neighbours::AddRemove => bounds.magnitude(),
            // From the least a patient can contribute to the most; no rows at all contribute nothing.
            Neighbours::Replace => bounds.high.max(0).abs_diff(bounds.low.min(0)),
        };
        per_row.checked_mul(unit.rows.into()).filter(|s| *s <= Self::LIMIT).ok_or(SensitivityError)
    }

    /// Of disjoint counts: a histogram, a contingency table, counts by group. `cells` is `None` where the number of
    /// groups is not known beforehand.
    ///
    /// # Errors
    /// Never for units that exist; the signature is shared.
    pub fn cells(unit: PrivacyUnit, cells: Option<u32>) -> Result<Self, SensitivityError> {
        Self::disjoint(unit, cells, u64::from(unit.rows))
    }

    /// Of disjoint sums of one column.
    ///
    /// # Errors
    /// [`SensitivityError`] beyond 2^53.
    pub fn cell_sums(unit: PrivacyUnit, cells: Option<u32>, bounds: Bounds) -> Result<Self, SensitivityError> {
        let largest = bounds.magnitude().checked_mul(unit.rows.into()).ok_or(SensitivityError)?;
        let mut it = Self::disjoint(unit, cells, largest)?;
        it.linf = Self::sum_of_one(unit, bounds)?.max(it.linf);
        if unit.neighbours == Neighbours::Replace && bounds.low < 0 && bounds.high > 0 {
            // What is taken and what is given can meet in one cell with opposite signs.
            it.l2 = f64_up(it.l1);
        }
        Ok(it)
    }

    /// One patient changes a set of disjoint cells by at most `total` in all; exchanging a patient takes from some and
    /// gives to others.
    fn disjoint(unit: PrivacyUnit, cells: Option<u32>, total: u64) -> Result<Self, SensitivityError> {
        let (l0, l1, l2) = match unit.neighbours {
            Neighbours::AddRemove => (unit.rows, total, f64_up(total)),
            Neighbours::Replace => {
                let root_two = std::f64::consts::SQRT_2.next_up();
                (unit.rows.saturating_mul(2), total.saturating_mul(2), (f64_up(total) * root_two).next_up())
            }
        };
        if l1 > Self::LIMIT {
            return Err(SensitivityError);
        }
        Ok(Self { unit, l0: cells.map_or(l0, |c| c.min(l0)), l1, l2, linf: total })
    }

    /// Of a sum of integer vectors with so many `entries`, one for each row, each cut to a Euclidean length of at most `norm`
    /// before it is added.
    ///
    /// # Errors
    /// [`SensitivityError`] for no entries and beyond 2^53.
    pub fn clipped(unit: PrivacyUnit, entries: u32, norm: u64) -> Result<Self, SensitivityError> {
        // The rows of one patient come, go, or are exchanged for as many others.
        let times = if unit.neighbours == Neighbours::Replace { 2 } else { 1 };
        let total = norm.checked_mul(unit.rows.into()).and_then(|t| t.checked_mul(times)).ok_or(SensitivityError)?;
        // At most sqrt(entries) times the length.
        let root = u64::from(entries.isqrt()).saturating_add(u64::from(entries.isqrt().saturating_pow(2) < entries));
        let l1 = total.checked_mul(root).filter(|l1| *l1 <= Self::LIMIT).ok_or(SensitivityError)?;
        if entries == 0 {
            return Err(SensitivityError);
        }
        Ok(Self { unit, l0: entries, l1, l2: f64_up(total), linf: total })
    }

    /// Of the rank scores that select the quantile `numerator / denominator`: one row more on either side of a candidate.
    ///
    /// # Errors
    /// [`SensitivityError`] beyond 2^53.
    pub fn rank_scores(unit: PrivacyUnit, numerator: u32, denominator: u32) -> Result<Self, SensitivityError> {
        let above = denominator.checked_sub(numerator).ok_or(SensitivityError)?;
        let per_row = match unit.neighbours {
            Neighbours::AddRemove => above.max(numerator),
            // A row moves from one side to the other.
            Neighbours::Replace => denominator,
        };
        Self::scalar(unit, u64::from(per_row) * u64::from(unit.rows))
    }

    fn scalar(unit: PrivacyUnit, value: u64) -> Result<Self, SensitivityError> {
        if value > Self::LIMIT {
            return Err(SensitivityError);
        }
        Ok(Self { unit, l0: 1, l1: value, l2: f64_up(value), linf: value })
    }

    /// Whom it was derived for.
    #[must_use]
    pub const fn unit(&self) -> PrivacyUnit {
        self.unit
    }

    /// Changed coordinates.
    #[must_use]
    pub const fn l0(&self) -> u32 {
        self.l0
    }

    /// Sum of the changes.
    #[must_use]
    pub const fn l1(&self) -> u64 {
        self.l1
    }

    /// Euclidean length of the change, rounded up.
    #[must_use]
    pub const fn l2(&self) -> f64 {
        self.l2
    }

    /// The largest change of one coordinate.
    #[must_use]
    pub const fn linf(&self) -> u64 {
        self.linf
    }
}

/// An integer up to 2^54 as a float; exact up to 2^53.
pub(crate) fn f64_up(value: u64) -> f64 {
    let high = u32::try_from(value >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX);
    f64::from(high).mul_add(4_294_967_296.0, f64::from(low))
}

/// A signed integer as a float; exact within 2^53, and within one unit in the last place beyond.
pub(crate) fn f64_of(value: i64) -> f64 {
    let magnitude = f64_up(value.unsigned_abs());
    if value < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(neighbours: Neighbours, rows: u32) -> PrivacyUnit {
        PrivacyUnit::new(neighbours, rows).unwrap()
    }

    /// Against brute force: every pair of neighbouring data sets over a small domain.
    #[test]
    fn sensitivities_are_what_exhaustive_search_finds() {
        for rows in 1..=3u32 {
            for (low, high) in [(-2i64, 3i64), (1, 3), (-3, -1), (0, 2)] {
                let bounds = Bounds::new(low, high).unwrap();
                // A patient's contributions: any multiset of at most `rows` values.
                let mut patients: Vec<Vec<i64>> = vec![vec![]];
                for _ in 0..rows {
                    let longer: Vec<Vec<i64>> =
                        patients.iter().flat_map(|p| (low..=high).map(move |v| [&p[..], &[v]].concat())).collect();
                    patients.extend(longer);
                }
                let sum = |p: &[i64]| p.iter().sum::<i64>();
                let added = patients.iter().map(|p| sum(p).unsigned_abs()).max().unwrap();
                let replaced =
                    patients.iter().flat_map(|p| patients.iter().map(move |q| sum(p).abs_diff(sum(q)))).max().unwrap();
                let add = unit(Neighbours::AddRemove, rows);
                let replace = unit(Neighbours::Replace, rows);
                assert_eq!(Sensitivity::sum(add, bounds).unwrap().l1(), added);
                assert_eq!(Sensitivity::sum(replace, bounds).unwrap().l1(), replaced);
                assert_eq!(Sensitivity::sum(add, bounds).unwrap().l2(), f64_up(added));
            }
        }
    }

    /// Against every pair of short vectors within the length.
    #[test]
    fn clipped_vectors_are_apart_by_at_most_their_length() {
        let within: Vec<[i64; 2]> =
            (-5..=5).flat_map(|a| (-5..=5).map(move |b| [a, b])).filter(|[a, b]| a * a + b * b <= 25).collect();
        let l2 = |v: &[i64; 2]| f64_of(v[0] * v[0] + v[1] * v[1]).sqrt();
        let add = Sensitivity::clipped(unit(Neighbours::AddRemove, 1), 2, 5).unwrap();
        assert_eq!((add.l0(), add.l1(), add.l2(), add.linf()), (2, 10, 5.0, 5));
        assert!(within.iter().all(|v| l2(v) <= add.l2() && v[0].unsigned_abs() + v[1].unsigned_abs() <= add.l1()));
        let replace = Sensitivity::clipped(unit(Neighbours::Replace, 1), 2, 5).unwrap();
        let apart = within.iter().flat_map(|v| within.iter().map(move |w| l2(&[v[0] - w[0], v[1] - w[1]])));
        assert_eq!(apart.fold(0.0, f64::max), replace.l2());
        assert_eq!(Sensitivity::clipped(unit(Neighbours::AddRemove, 3), 10, 7).unwrap().l2(), 21.0);
        assert!(Sensitivity::clipped(unit(Neighbours::AddRemove, 1), 0, 7).is_err());
        assert!(Sensitivity::clipped(unit(Neighbours::AddRemove, 2), 1, 1 << 53).is_err());
    }

    #[test]
    fn histograms_of_an_exchanged_patient_differ_by_root_two() {
        let s = Sensitivity::cells(unit(Neighbours::Replace, 3), Some(100)).unwrap();
        assert_eq!((s.l0(), s.l1(), s.linf()), (6, 6, 3));
        assert!(s.l2() >= 18f64.sqrt() && s.l2() < 18f64.sqrt() * (1.0 + 1e-15));
        let s = Sensitivity::cells(unit(Neighbours::AddRemove, 3), Some(2)).unwrap();
        assert_eq!((s.l0(), s.l1(), s.l2(), s.linf()), (2, 3, 3.0, 3));
    }

    #[test]
    fn bounds_clamp_everything() {
        let b = Bounds::new(-5, 7).unwrap();
        assert_eq!([b.clamp(i64::MIN), b.clamp(i64::MAX), b.clamp(0)], [-5, 7, 0]);
        assert_eq!(Bounds::new(1, 0), None);
        assert_eq!(Bounds::new(i64::MIN, 0), None);
        assert_eq!(Bounds::new(0, i64::MAX), None);
        let huge = Bounds::new(-Bounds::LIMIT, Bounds::LIMIT).unwrap();
        assert_eq!(Sensitivity::sum(unit(Neighbours::AddRemove, 2), huge), Err(SensitivityError));
    }
}
