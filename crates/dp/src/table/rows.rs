//! Reading a table: truncation, clamping, missing values.

use super::schema::parse_decimal;
use super::{ColumnKind, Schema};
use std::collections::HashMap;
use std::fmt;
use std::io::Read;

/// Why a table cannot be read. For the data holder: it names places in the file, never values. It is never shown to those
/// who ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file is not well-formed CSV; at which line, where known.
    #[error("the table is not well-formed CSV{}", at_line(*.0))]
    Csv(Option<u64>),
    /// A declared column is not in the file.
    #[error("the table has no column {0:?}")]
    NoColumn(String),
    /// A number that is none.
    #[error("line {line}, column {column:?}: not a decimal number")]
    NotANumber {
        /// Line of the file, from 1.
        line: u64,
        /// Name of the column.
        column: String,
    },
    /// A row without a patient.
    #[error("line {0}: the patient is missing")]
    NoPatient(u64),
    /// More rows than declared.
    #[error("the table has more rows than the schema declares")]
    TooManyRows,
}

fn at_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |l| format!(" (line {l})"))
}

/// One column's values; `None` is missing.
pub(crate) enum Values {
    /// Clamped numbers in grid steps.
    Numbers(Vec<Option<i64>>),
    /// Indices of declared values.
    Categories(Vec<Option<u32>>),
    /// Texts; the empty text is missing.
    Texts(Vec<Option<String>>),
}

/// A table in memory. `Debug` prints its shape's name only.
pub struct Table {
    schema: Schema,
    /// Identifiers of patients, in the order of their first row.
    patients: Vec<String>,
    /// Of each row, the index of its patient.
    owner: Vec<u32>,
    columns: Vec<Values>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Table")
    }
}

impl Table {
    /// Reads CSV (RFC 4180) with a header line. Of each patient the first declared number of rows is kept, whatever the
    /// rows of others; numbers are clamped; an empty cell and an undeclared category are missing values.
    ///
    /// # Errors
    /// [`TableError`], for the data holder.
    pub fn from_csv(reader: impl Read, schema: &Schema) -> Result<Self, TableError> {
        let mut csv = csv::ReaderBuilder::new().flexible(false).from_reader(reader);
        let csv_error = |e: csv::Error| TableError::Csv(e.position().map(csv::Position::line));
        let headers = csv.headers().map_err(csv_error)?.clone();
        let find =
            |name: &str| headers.iter().position(|h| h == name).ok_or_else(|| TableError::NoColumn(name.to_owned()));
        let patient = find(schema.patient())?;
        let places = schema.columns().iter().map(|c| find(c.name())).collect::<Result<Vec<_>, _>>()?;
        let mut table = Self {
            schema: schema.clone(),
            patients: Vec::new(),
            owner: Vec::new(),
            columns: schema.columns().iter().map(|c| Values::empty(c.kind())).collect(),
        };
        let mut seen: HashMap<String, (u32, u32)> = HashMap::new();
        let mut rows = 0u64;
        for record in csv.records() {
            let record = record.map_err(csv_error)?;
            let line = record.position().map_or(0, csv::Position::line);
            rows = rows.saturating_add(1);
            if rows > schema.max_rows() {
                return Err(TableError::TooManyRows);
            }
            let id = record.get(patient).map(str::trim).filter(|p| !p.is_empty()).ok_or(TableError::NoPatient(line))?;
            let next = u32::try_from(table.patients.len()).map_err(|_| TableError::TooManyRows)?;
            let (owner, count) = seen.entry(id.to_owned()).or_insert_with(|| {
                table.patients.push(id.to_owned());
                (next, 0)
            });
            if *count == schema.unit().rows() {
                continue;
            }
            *count = count.saturating_add(1);
            table.owner.push(*owner);
            for ((values, column), place) in table.columns.iter_mut().zip(schema.columns()).zip(&places) {
                let cell = record.get(*place).unwrap_or("").trim();
                values
                    .push(cell, column.kind())
                    .map_err(|NotANumber| TableError::NotANumber { line, column: column.name().to_owned() })?;
            }
        }
        Ok(table)
    }

    /// The schema it was read under.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn patients(&self) -> &[String] {
        &self.patients
    }

    pub(crate) fn owner(&self) -> &[u32] {
        &self.owner
    }

    pub(crate) fn values(&self, column: usize) -> Option<&Values> {
        self.columns.get(column)
    }
}

struct NotANumber;

impl Values {
    const fn empty(kind: &ColumnKind) -> Self {
        match kind {
            ColumnKind::Number { .. } => Self::Numbers(Vec::new()),
            ColumnKind::Category(_) => Self::Categories(Vec::new()),
            ColumnKind::Text => Self::Texts(Vec::new()),
        }
    }

    fn push(&mut self, cell: &str, kind: &ColumnKind) -> Result<(), NotANumber> {
        match (self, kind) {
            (Self::Numbers(values), ColumnKind::Number { bounds, scale }) => {
                values.push(match cell {
                    "" => None,
                    _ => Some(bounds.clamp(parse_decimal(cell, *scale).ok_or(NotANumber)?)),
                });
            }
            (Self::Categories(values), ColumnKind::Category(declared)) => {
                let place = declared.iter().position(|d| d == cell);
                values.push(place.and_then(|p| u32::try_from(p).ok()));
            }
            (Self::Texts(values), _) => values.push((!cell.is_empty()).then(|| cell.to_owned())),
            _ => return Err(NotANumber),
        }
        Ok(())
    }
}
