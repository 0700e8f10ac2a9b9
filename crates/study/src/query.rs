//! Questions to a study, as researchers write them.

use serde::{Deserialize, Serialize};

/// A statistic over the rows that pass a filter, for each group, at a price.
///
/// ```
/// let query = mediveil_study::Query::from_json(r#"{
///     "statistic": {"mean": {"column": "hba1c"}}, "by": ["sex"],
///     "filter": {"and": [{"flag": "diabetes"}, {"at_least": {"column": "age", "value": "65"}}]},
///     "epsilon": "0.5"
/// }"#)?;
/// assert_eq!(query.by, ["sex"]);
/// # Ok::<(), mediveil_study::PlanError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// What is wanted.
    pub statistic: Statistic,
    /// Columns of categories: one answer for each combination of their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// Which rows count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// The price in a study under pure differential privacy, a decimal: Laplace noise. Either this or `rho`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<String>,
    /// The price in a study under zero-concentrated differential privacy, a decimal: Gaussian noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rho: Option<String>,
}

/// What can be asked. A row with a missing value in a column that the statistic needs does not count.
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
    /// The mean of a number, from a noisy sum and a noisy count.
    Mean {
        /// The number's column.
        column: String,
    },
    /// The variance of a number, from noisy moments.
    Variance {
        /// The number's column.
        column: String,
    },
    /// The covariance of two numbers, from noisy moments.
    Covariance {
        /// One number's column.
        x: String,
        /// The other's.
        y: String,
    },
    /// Counts between the declared cut points of a number: below the first, from each to the next, from the last on.
    Histogram {
        /// The number's column.
        column: String,
    },
    /// Between which declared cut points the value lies that `numerator / denominator` of the rows are below.
    Quantile {
        /// The number's column.
        column: String,
        /// The median is 1 / 2.
        numerator: u32,
        /// At most 10,000.
        denominator: u32,
    },
    /// Least squares of a number on others, with an intercept.
    Regression {
        /// The number that is explained.
        y: String,
        /// One to four numbers that explain it.
        x: Vec<String>,
    },
}

/// Which rows count. A condition on a missing value holds neither as it stands nor negated, so such a row is counted only
/// where the rest of the filter decides (Kleene's logic).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Filter {
    /// All of these.
    And(Vec<Filter>),
    /// At least one of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// The flag is set.
    Flag(String),
    /// The value is not missing.
    Known(String),
    /// The category is one of these.
    Is {
        /// The column.
        column: String,
        /// The values.
        values: Vec<String>,
    },
    /// The number is at least a declared cut point.
    AtLeast {
        /// The column.
        column: String,
        /// The cut point.
        value: String,
    },
    /// The number is below a declared cut point.
    Below {
        /// The column.
        column: String,
        /// The cut point.
        value: String,
    },
    /// The number is at least one declared cut point and below another.
    Between {
        /// The column.
        column: String,
        /// The lower cut point, included.
        low: String,
        /// The upper cut point, not included.
        high: String,
    },
}

impl Query {
    /// The longest query in bytes of JSON.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Reads a query.
    ///
    /// # Errors
    /// [`PlanError::Json`](crate::PlanError::Json).
    pub fn from_json(json: &str) -> Result<Self, crate::PlanError> {
        if json.len() > Self::MAX_LEN {
            return Err(crate::PlanError::Parameter("a query has at most 16 KiB"));
        }
        serde_json::from_str(json).map_err(|e| crate::PlanError::Json(e.to_string()))
    }

    /// The query as JSON on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
