//! Questions, and planning them against a schema alone.

use super::schema::{format_decimal, parse_decimal};
use super::{Column, ColumnKind, Schema};
use crate::privacy::{Bounds, Sensitivity, SensitivityError};
use crate::units::{Delta, Epsilon, Rho};
use crate::{AmountError, Mechanism, MechanismError, Plan};
use serde::{Deserialize, Serialize};

/// A statistic over the rows that pass a filter. Columns are named; numbers are decimals such as `"7.5"` and are rounded
/// to the column's grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// What is wanted.
    pub statistic: Statistic,
    /// Rows must pass all of these.
    #[serde(default)]
    pub filter: Vec<Condition>,
}

/// What can be asked. Rows whose value is missing in a column that the statistic needs do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Statistic {
    /// How many rows.
    Count,
    /// The sum of a number.
    Sum {
        /// The number's column.
        column: String,
    },
    /// The mean of a number: a noisy sum over a noisy count, each for half the price.
    Mean {
        /// The number's column.
        column: String,
    },
    /// The variance of a number: from a noisy count, sum and sum of squares, each for a third of the price.
    Variance {
        /// The number's column.
        column: String,
    },
    /// The candidate with about `numerator / denominator` of the rows below it.
    Quantile {
        /// The number's column.
        column: String,
        /// The median is 1 / 2.
        numerator: u32,
        /// At most 10,000.
        denominator: u32,
        /// Values to choose from; none stands for 257 evenly spread over the bounds.
        #[serde(default)]
        candidates: Vec<String>,
    },
    /// Counts between edges: below the first, between each two (lower edge included), from the last on.
    Histogram {
        /// The number's column.
        column: String,
        /// In ascending order.
        edges: Vec<String>,
    },
    /// Counts of all combinations of declared categories. Empty combinations get noise like all others.
    Contingency {
        /// Columns with categories.
        columns: Vec<String>,
    },
    /// Sums of a number for all combinations of declared categories.
    GroupSum {
        /// Columns with categories.
        by: Vec<String>,
        /// The number's column.
        column: String,
    },
    /// Counts of the combinations that occur, of any columns; those with few rows are not shown. Spends delta.
    Groups {
        /// Columns of any kind.
        by: Vec<String>,
        /// A decimal such as `"0.000001"`: the probability that someone unique is shown.
        delta: String,
    },
}

/// One test of a row. A missing value passes none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Condition {
    /// The category or text is one of these.
    Is {
        /// The column.
        column: String,
        /// The values.
        values: Vec<String>,
    },
    /// The number lies between these, both included.
    Between {
        /// The column.
        column: String,
        /// The least.
        low: String,
        /// The greatest.
        high: String,
    },
    /// The value is not missing.
    Known {
        /// The column.
        column: String,
    },
}

/// What a query may spend, and so which noise it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// Laplace noise and permute-and-flip.
    Epsilon(Epsilon),
    /// Gaussian noise and the exponential mechanism; in concentrated data sets only.
    Rho(Rho),
}

/// Why a query has no plan. Nothing of the data is in it, for the data is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Not a query.
    #[error("the query cannot be read: {0}")]
    Json(String),
    /// No such column.
    #[error("there is no column {0:?}")]
    NoColumn(String),
    /// The column is of the wrong kind for this.
    #[error("column {column:?}: {why}")]
    Column {
        /// Its name.
        column: String,
        /// What was expected.
        why: &'static str,
    },
    /// A parameter without sense.
    #[error("{0}")]
    Parameter(&'static str),
    /// A sum could leave 62 bits: bounds times rows.
    #[error(
        "a sum could reach 2^{bits}, over the limit of 2^62; narrow the bounds, coarsen the scale or declare fewer rows"
    )]
    Overflow {
        /// Bits of the largest possible sum.
        bits: u32,
    },
    /// Too many cells.
    #[error("the answer would have {cells} cells, over the limit of {limit}")]
    TooManyCells {
        /// How many.
        cells: u64,
        /// The limit.
        limit: u64,
    },
    /// The price is too small to divide.
    #[error("this price is too small to be divided among the statistic's parts")]
    Price,
    /// The sensitivity is too large.
    #[error(transparent)]
    Sensitivity(#[from] SensitivityError),
    /// The noise cannot be made.
    #[error(transparent)]
    Mechanism(#[from] MechanismError),
    /// A delta that is none.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

/// The most cells, edges and candidates.
const MAX_CELLS: u64 = 1 << 16;
/// Even spread of candidates for quantiles.
const CANDIDATES: i64 = 256;

/// A test with its column found.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Category { column: usize, allowed: Vec<u32> },
    Text { column: usize, allowed: Vec<String> },
    Range { column: usize, low: i64, high: i64 },
    Known { column: usize },
}

/// Columns of categories: the place of each, and its declared values.
pub(crate) type Categories = Vec<(usize, Vec<String>)>;

/// A statistic with its columns found.
#[derive(Clone, Debug)]
pub(crate) enum Resolved {
    Count,
    Sum { column: usize, scale: u8 },
    Mean { column: usize, centre: i64, bounds: Bounds, scale: u8 },
    Variance { column: usize, centre: i64, bounds: Bounds, scale: u8 },
    Quantile { column: usize, numerator: i64, denominator: i64, candidates: Vec<i64>, scale: u8 },
    Histogram { column: usize, edges: Vec<i64>, scale: u8 },
    Contingency { columns: Categories },
    GroupSum { by: Categories, column: usize, scale: u8 },
    Groups { by: Vec<usize> },
}

/// What the evaluation of a table needs of a plan.
#[derive(Clone, Debug)]
pub(crate) struct TablePlan {
    pub(crate) schema: Schema,
    pub(crate) filter: Vec<Test>,
    pub(crate) statistic: Resolved,
}

struct Number<'a> {
    place: usize,
    name: &'a str,
    bounds: Bounds,
    scale: u8,
}

impl Query {
    /// Reads a query from JSON.
    ///
    /// # Errors
    /// [`PlanError::Json`].
    pub fn from_json(json: &str) -> Result<Self, PlanError> {
        serde_json::from_str(json).map_err(|e| PlanError::Json(e.to_string()))
    }

    /// Plans the query at this price on one version of a table with this schema: finds the columns, derives the
    /// sensitivity, and fixes the noise. Looks at no data.
    ///
    /// # Errors
    /// [`PlanError`] for a query that does not fit the schema, could overflow, or has no noise at this price.
    pub fn plan(&self, schema: &Schema, version: u64, price: Price) -> Result<Plan, PlanError> {
        let mut canonical = self.clone();
        let mut filter = Vec::new();
        for condition in &mut canonical.filter {
            filter.push(resolve_condition(condition, schema)?);
        }
        // The order of conditions does not matter, nor does saying one twice.
        canonical.filter.sort();
        canonical.filter.dedup();
        let (statistic, mechanisms) = resolve(&mut canonical.statistic, schema, price)?;
        let mut bytes = schema.digest().to_vec();
        bytes.extend_from_slice(
            serde_json::to_string(&canonical).map_err(|e| PlanError::Json(e.to_string()))?.as_bytes(),
        );
        let plan = Plan::new(&bytes, version, mechanisms).ok_or(PlanError::Parameter("the query is too long"))?;
        Ok(plan.of_table(TablePlan { schema: schema.clone(), filter, statistic }))
    }
}

fn find<'a>(schema: &'a Schema, name: &str) -> Result<(usize, &'a Column), PlanError> {
    schema.column(name).ok_or_else(|| PlanError::NoColumn(name.to_owned()))
}

fn number<'a>(schema: &'a Schema, name: &str) -> Result<Number<'a>, PlanError> {
    let (place, column) = find(schema, name)?;
    match column.kind() {
        ColumnKind::Number { bounds, scale } => {
            Ok(Number { place, name: column.name(), bounds: *bounds, scale: *scale })
        }
        _ => Err(PlanError::Column { column: name.to_owned(), why: "expected a column of numbers" }),
    }
}

fn categories(schema: &Schema, names: &[String]) -> Result<(Categories, u32), PlanError> {
    let mut found = Vec::new();
    let mut cells = 1u64;
    for (n, name) in names.iter().enumerate() {
        let (place, column) = find(schema, name)?;
        let ColumnKind::Category(values) = column.kind() else {
            return Err(PlanError::Column { column: name.clone(), why: "expected a column of categories" });
        };
        if names.iter().take(n).any(|other| other == name) {
            return Err(PlanError::Column { column: name.clone(), why: "the column is named twice" });
        }
        cells = cells.saturating_mul(u64::try_from(values.len()).unwrap_or(u64::MAX));
        found.push((place, values.clone()));
    }
    if names.is_empty() {
        return Err(PlanError::Parameter("at least one column is needed to form groups"));
    }
    Ok((found, cell_count(cells)?))
}

fn cell_count(cells: u64) -> Result<u32, PlanError> {
    match u32::try_from(cells) {
        Ok(n) if cells <= MAX_CELLS => Ok(n),
        _ => Err(PlanError::TooManyCells { cells, limit: MAX_CELLS }),
    }
}

/// Refuses what could leave 62 bits when this magnitude is summed over all rows.
fn no_overflow(schema: &Schema, magnitude: u64) -> Result<(), PlanError> {
    let largest = u128::from(magnitude) * u128::from(schema.max_rows());
    if largest > 1 << 62 {
        return Err(PlanError::Overflow { bits: largest.ilog2().saturating_add(1) });
    }
    Ok(())
}

/// A decimal on a column's grid, and its canonical text.
fn on_grid(text: &mut String, number: &Number<'_>) -> Result<i64, PlanError> {
    let value = parse_decimal(text, number.scale)
        .ok_or_else(|| PlanError::Column { column: number.name.to_owned(), why: "expected a decimal number" })?;
    *text = format_decimal(value, number.scale);
    Ok(value)
}

fn resolve_condition(condition: &mut Condition, schema: &Schema) -> Result<Test, PlanError> {
    match condition {
        Condition::Known { column } => Ok(Test::Known { column: find(schema, column)?.0 }),
        Condition::Between { column, low, high } => {
            let number = number(schema, column)?;
            let (low, high) = (on_grid(low, &number)?, on_grid(high, &number)?);
            Ok(Test::Range { column: number.place, low, high })
        }
        Condition::Is { column, values } => {
            values.sort();
            values.dedup();
            let (place, found) = find(schema, column)?;
            match found.kind() {
                ColumnKind::Text => Ok(Test::Text { column: place, allowed: values.clone() }),
                ColumnKind::Category(declared) => {
                    let mut allowed = Vec::new();
                    for value in values.iter() {
                        let at = declared.iter().position(|d| d == value).and_then(|p| u32::try_from(p).ok());
                        allowed.push(at.ok_or_else(|| PlanError::Column {
                            column: column.clone(),
                            why: "this value is not one of the declared categories",
                        })?);
                    }
                    Ok(Test::Category { column: place, allowed })
                }
                ColumnKind::Number { .. } => {
                    Err(PlanError::Column { column: column.clone(), why: "numbers are tested with `between`" })
                }
            }
        }
    }
}

fn split(price: Price, parts: u64) -> Result<Vec<Price>, PlanError> {
    match price {
        Price::Epsilon(e) => e.split(parts).map(|p| p.into_iter().map(Price::Epsilon).collect()),
        Price::Rho(r) => r.split(parts).map(|p| p.into_iter().map(Price::Rho).collect()),
    }
    .ok_or(PlanError::Price)
}

fn additive(sensitivity: Sensitivity, price: Price) -> Result<Mechanism, PlanError> {
    Ok(match price {
        Price::Epsilon(e) => Mechanism::laplace(sensitivity, e)?,
        Price::Rho(r) => Mechanism::gaussian(sensitivity, r)?,
    })
}

/// A column with the numbers centred, which halves their magnitude, and one noisy sum for each sensitivity.
fn centred(
    schema: &Schema,
    number: &Number<'_>,
    price: Price,
    squares: bool,
) -> Result<(i64, Vec<Mechanism>), PlanError> {
    let unit = schema.unit();
    let centre = number.bounds.middle();
    let shifted = number.bounds.shifted(centre).ok_or(SensitivityError)?;
    no_overflow(schema, shifted.magnitude())?;
    let mut sensitivities = vec![Sensitivity::sum(unit, shifted)?, Sensitivity::count(unit)?];
    if squares {
        let square = shifted.magnitude().checked_mul(shifted.magnitude()).ok_or(SensitivityError)?;
        let largest = i64::try_from(square).map_err(|_| SensitivityError)?;
        no_overflow(schema, square)?;
        sensitivities.push(Sensitivity::sum(unit, Bounds::new(0, largest).ok_or(SensitivityError)?)?);
    }
    let prices = split(price, if squares { 3 } else { 2 })?;
    let mechanisms = sensitivities.into_iter().zip(prices).map(|(s, p)| additive(s, p)).collect::<Result<_, _>>()?;
    Ok((centre, mechanisms))
}

fn resolve(statistic: &mut Statistic, schema: &Schema, price: Price) -> Result<(Resolved, Vec<Mechanism>), PlanError> {
    let unit = schema.unit();
    Ok(match statistic {
        Statistic::Count => {
            no_overflow(schema, 1)?;
            (Resolved::Count, vec![additive(Sensitivity::count(unit)?, price)?])
        }
        Statistic::Sum { column } => {
            let n = number(schema, column)?;
            no_overflow(schema, n.bounds.magnitude())?;
            let mechanism = additive(Sensitivity::sum(unit, n.bounds)?, price)?;
            (Resolved::Sum { column: n.place, scale: n.scale }, vec![mechanism])
        }
        Statistic::Mean { column } => {
            let n = number(schema, column)?;
            let (centre, mechanisms) = centred(schema, &n, price, false)?;
            (Resolved::Mean { column: n.place, centre, bounds: n.bounds, scale: n.scale }, mechanisms)
        }
        Statistic::Variance { column } => {
            let n = number(schema, column)?;
            let (centre, mechanisms) = centred(schema, &n, price, true)?;
            (Resolved::Variance { column: n.place, centre, bounds: n.bounds, scale: n.scale }, mechanisms)
        }
        Statistic::Quantile { column, numerator, denominator, candidates } => {
            let n = number(schema, column)?;
            let (numerator, denominator) = (*numerator, *denominator);
            if numerator > denominator || denominator == 0 || denominator > 10_000 {
                return Err(PlanError::Parameter(
                    "a quantile is a fraction from 0 to 1 with a denominator up to 10,000",
                ));
            }
            no_overflow(schema, denominator.into())?;
            let candidates = candidates_of(candidates, &n)?;
            let sensitivity = Sensitivity::rank_scores(unit, numerator, denominator)?;
            let mechanism = match price {
                Price::Epsilon(e) => Mechanism::noisy_max(sensitivity, e)?,
                Price::Rho(r) => Mechanism::exponential(sensitivity, r)?,
            };
            let (numerator, denominator) = (numerator.into(), denominator.into());
            (
                Resolved::Quantile { column: n.place, numerator, denominator, candidates, scale: n.scale },
                vec![mechanism],
            )
        }
        Statistic::Histogram { column, edges } => {
            let n = number(schema, column)?;
            let edges = edges.iter_mut().map(|e| on_grid(e, &n)).collect::<Result<Vec<_>, _>>()?;
            if !edges.is_sorted_by(|a, b| a < b) {
                return Err(PlanError::Parameter("the edges of a histogram must ascend"));
            }
            let cells = cell_count(u64::try_from(edges.len()).unwrap_or(u64::MAX).saturating_add(1))?;
            let mechanism = additive(Sensitivity::cells(unit, Some(cells))?, price)?;
            (Resolved::Histogram { column: n.place, edges, scale: n.scale }, vec![mechanism])
        }
        Statistic::Contingency { columns } => {
            let (columns, cells) = categories(schema, columns)?;
            let mechanism = additive(Sensitivity::cells(unit, Some(cells))?, price)?;
            (Resolved::Contingency { columns }, vec![mechanism])
        }
        Statistic::GroupSum { by, column } => {
            let n = number(schema, column)?;
            no_overflow(schema, n.bounds.magnitude())?;
            let (by, cells) = categories(schema, by)?;
            let mechanism = additive(Sensitivity::cell_sums(unit, Some(cells), n.bounds)?, price)?;
            (Resolved::GroupSum { by, column: n.place, scale: n.scale }, vec![mechanism])
        }
        Statistic::Groups { by, delta } => {
            if by.is_empty() {
                return Err(PlanError::Parameter("at least one column is needed to form groups"));
            }
            let delta = Delta::cap_from_decimal(delta)?;
            let by = by.iter().map(|name| find(schema, name).map(|(place, _)| place)).collect::<Result<_, _>>()?;
            let sensitivity = Sensitivity::cells(unit, None)?;
            let mechanism = match price {
                Price::Epsilon(e) => Mechanism::laplace_threshold(sensitivity, e, delta)?,
                Price::Rho(r) => Mechanism::gaussian_threshold(sensitivity, r, delta)?,
            };
            (Resolved::Groups { by }, vec![mechanism])
        }
    })
}

fn candidates_of(texts: &mut [String], n: &Number<'_>) -> Result<Vec<i64>, PlanError> {
    let mut values = texts.iter_mut().map(|t| on_grid(t, n)).collect::<Result<Vec<_>, _>>()?;
    if values.is_empty() {
        let (low, high) = (i128::from(n.bounds.low()), i128::from(n.bounds.high()));
        values = (0..=i128::from(CANDIDATES))
            .filter_map(|i| i64::try_from(low + (high - low) * i / i128::from(CANDIDATES)).ok())
            .collect();
    }
    cell_count(u64::try_from(values.len()).unwrap_or(u64::MAX))?;
    values.sort_unstable();
    values.dedup();
    Ok(values)
}
