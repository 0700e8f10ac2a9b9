//! One site's rows, read under the study's schema.
//!
//! Reading is strict: a value outside of the declared bounds, a value that is none of a category's, a missing value in a
//! required column, one row too many of a patient, and the whole table is refused, with the row and the column and never
//! the value. What was accepted can be encrypted without a further word.

use crate::schema::{Column, ColumnKind, Day, Lane, Schema};
use mediveil_dp::{Bounds, parse_decimal};
use std::collections::HashMap;
use std::fmt;

/// Why rows were refused. Rows are counted from 1, without the heading.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The table cannot be read.
    #[error("the table cannot be read: {0}")]
    Read(String),
    /// A declared column is not there: the site has another schema.
    #[error("the table has no column {0:?}, which the study's schema declares")]
    NoColumn(String),
    /// A value that the schema does not allow.
    #[error("row {row}, column {column:?}: {why}")]
    Value {
        /// Which row.
        row: u64,
        /// Which column.
        column: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A bundle is not that of one patient with an id.
    #[error("row {row}: the bundle must hold exactly one Patient, with an id")]
    Patient {
        /// Which row.
        row: u64,
    },
    /// A column does not say what it is in FHIR.
    #[error("the study's schema gives column {0:?} no code, so it cannot be found in FHIR bundles")]
    NoCode(String),
    /// More rows than the study declares.
    #[error("the table has more than the {limit} rows that the study declares")]
    TooManyRows {
        /// The declared maximum.
        limit: u64,
    },
    /// More rows of one patient than the privacy unit allows.
    #[error("row {row}: one patient has more than the {limit} rows that the study declares")]
    TooManyOfOne {
        /// Which row.
        row: u64,
        /// The declared maximum.
        limit: u32,
    },
}

/// Stands for a missing value; beyond all bounds.
pub(crate) const MISSING: i64 = i64::MIN;

/// Rows of one site that fit the schema. `Debug` prints their number only.
#[derive(Clone)]
pub struct Table {
    schema: Schema,
    pub(crate) rows: u64,
    /// For each column its values: grid steps, the place of the category, 0 or 1.
    pub(crate) columns: Vec<Vec<i64>>,
    /// How many rows each patient has so far.
    pub(crate) patients: HashMap<String, u32>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        let columns = vec![Vec::new(); schema.columns().len()];
        Self { schema: schema.clone(), rows: 0, columns, patients: HashMap::new() }
    }

    /// Reads CSV (RFC 4180) with a heading. An empty field is a missing value; columns that the schema does not name are
    /// passed over.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn from_csv(reader: impl std::io::Read, schema: &Schema) -> Result<Self, TableError> {
        let read = |e: csv::Error| match e.kind() {
            csv::ErrorKind::Io(io) => TableError::Read(io.to_string()),
            // The message of other kinds may quote the data.
            _ => TableError::Read("it is not CSV with the same number of fields in each row".into()),
        };
        let mut reader = csv::Reader::from_reader(reader);
        let heading = reader.headers().map_err(read)?.clone();
        let place =
            |name: &str| heading.iter().position(|h| h == name).ok_or_else(|| TableError::NoColumn(name.to_owned()));
        let patient = place(schema.patient())?;
        let places = schema.columns().iter().map(|c| place(c.field())).collect::<Result<Vec<_>, _>>()?;
        let mut table = Self::new(schema);
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(read)? {
            let fields: Vec<Option<&str>> =
                places.iter().map(|p| record.get(*p).map(str::trim).filter(|f| !f.is_empty())).collect();
            table.push(record.get(patient).unwrap_or_default(), &fields)?;
        }
        Ok(table)
    }

    /// Adds one row of a patient: a text for each column of the schema, in its order, `None` where there is no value.
    ///
    /// # Errors
    /// [`TableError`]; the table is as before.
    pub fn push(&mut self, patient: &str, fields: &[Option<&str>]) -> Result<(), TableError> {
        let row = self.rows.saturating_add(1);
        if row > self.schema.max_rows() {
            return Err(TableError::TooManyRows { limit: self.schema.max_rows() });
        }
        let read = |(at, column): (usize, &Column)| {
            let refuse = |why| TableError::Value { row, column: column.name().to_owned(), why };
            match fields.get(at).copied().flatten() {
                None => missing(column).map_err(refuse),
                Some(text) => value(column, text).map_err(refuse),
            }
        };
        let values = self.schema.columns().iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        self.count(patient, row)?;
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        self.rows = row;
        Ok(())
    }

    /// Counts a row of a patient.
    pub(crate) fn count(&mut self, patient: &str, row: u64) -> Result<(), TableError> {
        let limit = self.schema.unit().rows();
        match self.patients.get_mut(patient) {
            Some(count) if *count >= limit => return Err(TableError::TooManyOfOne { row, limit }),
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.patients.insert(patient.to_owned(), 1);
            }
        }
        Ok(())
    }

    /// How many rows there are.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The schema it was read under.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The value of a column in a row, both counted from 0: grid steps, the place of the category, 0 or 1.
    #[must_use]
    pub fn value(&self, column: usize, row: u64) -> Option<i64> {
        let value = *self.columns.get(column)?.get(usize::try_from(row).ok()?)?;
        (value != MISSING).then_some(value)
    }

    /// One block of a lane, in plain: what is encrypted.
    pub(crate) fn lane(&self, lane: Lane, block: u64, degree: u32) -> Vec<i64> {
        let start = block.saturating_mul(degree.into());
        let end = start.saturating_add(degree.into()).min(self.rows);
        (start..end).map(|row| self.slot(lane, row)).collect()
    }

    fn slot(&self, lane: Lane, row: u64) -> i64 {
        let of = |column: usize, f: &dyn Fn(i64) -> i64| self.value(column, row).map_or(0, f);
        match lane {
            Lane::Row => 1,
            Lane::Valid(c) => of(c, &|_| 1),
            Lane::Flag(c) => of(c, &|v| v),
            Lane::Is(c, i) => of(c, &|v| i64::from(usize::try_from(v) == Ok(i))),
            Lane::Value(c) => match self.schema.columns().get(c).map(Column::kind) {
                Some(ColumnKind::Number { bounds, .. }) => of(c, &|v| v.saturating_sub(bounds.middle())),
                _ => 0,
            },
            Lane::AtLeast(c, i) => match self.schema.columns().get(c).map(Column::kind) {
                Some(ColumnKind::Number { cuts, .. }) => {
                    of(c, &|v| i64::from(cuts.get(i).is_some_and(|cut| v >= *cut)))
                }
                _ => 0,
            },
        }
    }
}

/// What a row without a value has.
pub(crate) fn missing(column: &Column) -> Result<i64, &'static str> {
    if column.is_required() { Err("the value is missing, and the column is required") } else { Ok(MISSING) }
}

/// A number of grid steps, if the schema allows it.
pub(crate) fn within(bounds: &Bounds, steps: i64) -> Result<i64, &'static str> {
    if bounds.clamp(steps) == steps { Ok(steps) } else { Err("the value is outside of the declared bounds") }
}

/// What a text says, if the schema allows it.
pub(crate) fn value(column: &Column, text: &str) -> Result<i64, &'static str> {
    match column.kind() {
        ColumnKind::Number { bounds, scale, age_at, .. } => {
            let value = match age_at.as_deref().and_then(Day::parse) {
                Some(at) => Day::parse(text).ok_or("not a day such as 1960-01-31")?.age_at(at),
                None => parse_decimal(text, *scale).ok_or("not a decimal number")?,
            };
            within(bounds, value)
        }
        ColumnKind::Category(values) => {
            let place = values.iter().position(|v| v == text).and_then(|p| i64::try_from(p).ok());
            place.ok_or("the value is none of the declared ones")
        }
        // pandas writes True and False, R TRUE and FALSE.
        ColumnKind::Flag if text == "0" || text.eq_ignore_ascii_case("false") => Ok(0),
        ColumnKind::Flag if text == "1" || text.eq_ignore_ascii_case("true") => Ok(1),
        ColumnKind::Flag => Err("a flag is 0 or 1, false or true"),
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("rows", &self.rows).finish_non_exhaustive()
    }
}
