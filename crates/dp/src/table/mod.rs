//! Plaintext tables of one data holder, and questions to them.
//!
//! A [`Schema`] declares everything that planning needs and nothing that depends on data: the patient's column, the most
//! rows a patient, the most rows in all, and for each column its bounds and scale, its values, or its length. A [`Table`]
//! is read under a schema: it keeps the first declared number of rows of each patient, clamps numbers to their bounds, and
//! tells nobody how often it did either. A [`Query`] is planned against the schema alone ([`Query::plan`]); the table is
//! touched only with a permit.
//!
//! Numbers are integers on a column's grid: with scale 2 the value 7.25 is 725. Sums cannot overflow: planning refuses a
//! query whose largest value times the largest number of rows leaves 62 bits.

mod estimate;
mod evaluate;
mod query;
mod rows;
mod schema;

pub use estimate::{Estimate, Expected};
pub use query::{Condition, PlanError, Price, Query, Statistic};
pub use rows::{Table, TableError};
pub use schema::{Column, ColumnKind, Schema, SchemaError, format_decimal, parse_decimal};

pub(crate) use evaluate::{Exact, Members, evaluate, touched};
pub(crate) use query::TablePlan;
