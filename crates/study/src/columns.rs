//! Rows from columns, as programs hold them: numbers as numbers, categories as their places.
//!
//! A value means what its text means in CSV, and nothing else: [`Table::from_columns`] accepts the tables that
//! [`Table::from_csv`] accepts, with the same rows, and refuses the others for the same reason; only that numbers do not
//! become text on the way. The text of a whole number is its digits, that of another floating-point number the shortest
//! decimal that is read back as the same number, which is what most languages print; it is taken to the nearest step of the
//! column's grid, halves away from zero.

use crate::schema::{Column, ColumnKind, Schema};
use crate::table::{Table, TableError, missing, value, within};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// The values of a column, one for each row. `Debug` prints their number only.
#[derive(Clone)]
#[non_exhaustive]
pub enum Values<'a> {
    /// Texts, as a field of CSV has them.
    Texts(Cow<'a, [Option<String>]>),
    /// Whole numbers.
    Integers(Cow<'a, [i64]>),
    /// Numbers; NaN is a missing value.
    Floats(Cow<'a, [f64]>),
    /// `true` and `false`.
    Flags(Cow<'a, [bool]>),
    /// Places in a list of texts, from 0; a negative one is a missing value.
    Codes(Cow<'a, [i64]>, Cow<'a, [Option<String>]>),
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Texts(all) => all.len(),
            Self::Integers(all) | Self::Codes(all, _) => all.len(),
            Self::Floats(all) => all.len(),
            Self::Flags(all) => all.len(),
        }
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} values", self.len())
    }
}

/// A column of a table in memory. `Debug` prints its name and length only.
#[derive(Clone)]
pub struct Cells<'a> {
    /// What the table calls it: the patient's column, or the `field` of a declared one.
    pub name: Cow<'a, str>,
    /// Its values.
    pub values: Values<'a>,
    /// For each row whether there is a value at all; everywhere if this is `None`.
    pub known: Option<Cow<'a, [bool]>>,
}

impl Cells<'_> {
    fn is_known(&self, row: usize) -> bool {
        self.known.as_ref().is_none_or(|known| known.get(row).copied().unwrap_or(false))
    }

    /// What CSV has in this row, which is nothing where there is no value. `made` is where it is written if need be.
    fn text<'t>(&'t self, row: usize, made: &'t mut String) -> &'t str {
        made.clear();
        if !self.is_known(row) {
            return made;
        }
        // Nothing that is written to a `String` fails.
        let written = match &self.values {
            Values::Texts(all) => return all.get(row).and_then(Option::as_deref).unwrap_or_default(),
            Values::Codes(codes, texts) => {
                let place = codes.get(row).and_then(|code| usize::try_from(*code).ok());
                return place.and_then(|place| texts.get(place)?.as_deref()).unwrap_or_default();
            }
            Values::Flags(all) => all.get(row).map(|flag| write!(made, "{flag}")),
            Values::Integers(all) => all.get(row).map(|number| write!(made, "{number}")),
            Values::Floats(all) => all.get(row).filter(|number| !number.is_nan()).map(|number| {
                if number.trunc() == *number { write!(made, "{number:.0}") } else { write!(made, "{number}") }
            }),
        };
        debug_assert!(written.is_none_or(|done| done.is_ok()));
        made
    }
}

impl fmt::Debug for Cells<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells").field("name", &self.name).field("values", &self.values).finish_non_exhaustive()
    }
}

impl Table {
    /// Reads columns in memory. Columns that the schema does not name are passed over; of two with one name the first counts.
    ///
    /// # Errors
    /// [`TableError`], as for the same table in CSV; [`TableError::Read`] for columns of different lengths and for places
    /// beyond the end of their list.
    pub fn from_columns(columns: &[Cells<'_>], schema: &Schema) -> Result<Self, TableError> {
        let find =
            |name: &str| columns.iter().find(|c| c.name == name).ok_or_else(|| TableError::NoColumn(name.to_owned()));
        let patient = find(schema.patient())?;
        let fields = schema.columns().iter().map(|c| find(c.field())).collect::<Result<Vec<_>, _>>()?;
        let rows = patient.values.len();
        for cells in fields.iter().copied().chain([patient]) {
            if cells.values.len() != rows || cells.known.as_ref().is_some_and(|known| known.len() != rows) {
                return Err(TableError::Read("the columns have different lengths".into()));
            }
            let Values::Codes(codes, texts) = &cells.values else { continue };
            let beyond = |code: &i64| usize::try_from(*code).is_ok_and(|place| place >= texts.len());
            if codes.iter().enumerate().any(|(row, code)| beyond(code) && cells.is_known(row)) {
                return Err(TableError::Read("a category's place is beyond the end of its values".into()));
            }
        }
        // What comes after the first row too many is not looked at.
        let room = usize::try_from(schema.max_rows()).unwrap_or(usize::MAX);
        let read =
            schema.columns().iter().zip(&fields).map(|(column, cells)| (column, read(column, cells, rows.min(room))));
        let mut values = Vec::with_capacity(fields.len());
        let mut first: Option<(usize, &Column, &'static str)> = None;
        for (column, read) in read {
            match read {
                Ok(column) => values.push(column),
                Err((row, why)) if first.is_none_or(|(earliest, ..)| row < earliest) => {
                    first = Some((row, column, why));
                }
                Err(_) => {}
            }
        }
        let row = |at: usize| u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
        let refused =
            first.map(|(at, column, why)| TableError::Value { row: row(at), column: column.name().to_owned(), why });
        let mut table = Self::new(schema);
        table.patients.reserve(rows.min(room));
        let mut made = String::new();
        // In a refused row the values are looked at before the patient.
        for at in 0..first.map_or(rows.min(room), |(at, ..)| at) {
            table.count(patient.text(at, &mut made), row(at))?;
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        if rows > room {
            return Err(TableError::TooManyRows { limit: schema.max_rows() });
        }
        table.columns = values;
        table.rows = u64::try_from(rows).unwrap_or(u64::MAX);
        Ok(table)
    }
}

/// Why a column is refused: the row, from 0, and the reason.
type Refused = (usize, &'static str);

/// A column's first rows.
fn read(column: &Column, cells: &Cells<'_>, rows: usize) -> Result<Vec<i64>, Refused> {
    let mut made = String::new();
    let each = |row: &dyn Fn(usize) -> Result<i64, &'static str>| {
        (0..rows).map(|at| row(at).map_err(|why| (at, why))).collect::<Result<Vec<_>, _>>()
    };
    let present = |at: usize| cells.is_known(at);
    match (column.kind(), &cells.values) {
        (ColumnKind::Number { bounds, scale, age_at: None, .. }, Values::Integers(all)) => {
            let power = 10i128.saturating_pow(u32::from(*scale));
            each(&|at| match all.get(at).filter(|_| present(at)) {
                Some(number) => {
                    let steps = i128::from(*number).saturating_mul(power);
                    within(bounds, i64::try_from(steps).unwrap_or(if steps < 0 { i64::MIN } else { i64::MAX }))
                }
                None => missing(column),
            })
        }
        (ColumnKind::Number { bounds, scale, age_at: None, .. }, Values::Floats(all)) => {
            let grid = Grid::new(*scale);
            (0..rows)
                .map(|at| {
                    let found = all.get(at).filter(|number| present(at) && !number.is_nan());
                    let step = match found.map(|number| grid.step(*number)) {
                        Some(Some(step)) => within(bounds, step),
                        // Near the middle between two steps, and far from zero.
                        Some(None) => value(column, cells.text(at, &mut made)),
                        None => missing(column),
                    };
                    step.map_err(|why| (at, why))
                })
                .collect()
        }
        (ColumnKind::Flag, Values::Flags(all)) => each(&|at| match all.get(at).filter(|_| present(at)) {
            Some(flag) => Ok(i64::from(*flag)),
            None => missing(column),
        }),
        (_, Values::Codes(codes, texts)) => {
            let known: Vec<_> = texts.iter().map(|text| field(column, text.as_deref().unwrap_or_default())).collect();
            each(&|at| {
                let place = codes.get(at).filter(|_| present(at)).and_then(|code| usize::try_from(*code).ok());
                place.and_then(|place| known.get(place).copied()).unwrap_or_else(|| missing(column))
            })
        }
        _ => (0..rows).map(|at| field(column, cells.text(at, &mut made)).map_err(|why| (at, why))).collect(),
    }
}

/// A field of CSV.
fn field(column: &Column, text: &str) -> Result<i64, &'static str> {
    match text.trim() {
        "" => missing(column),
        text => value(column, text),
    }
}

/// Numbers to steps of 10^-scale without text.
struct Grid {
    power: Option<f64>,
}

impl Grid {
    /// Powers of ten that a floating-point number holds exactly, which all scales have.
    const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
    /// 2^40: below it what is neglected is less than 0.001 of a step.
    const NEAR: f64 = (1_u64 << 40) as f64;

    fn new(scale: u8) -> Self {
        Self { power: Self::POWERS.get(usize::from(scale)).copied() }
    }

    /// The step nearest to the number's shortest decimal, if that is certain: the decimal lies within half a unit in the last
    /// place of the number, the product is rounded by as much again, and both together are at most 2^-52 of less than 2^40.
    fn step(&self, number: f64) -> Option<i64> {
        let scaled = number * self.power?;
        let nearest = scaled.round();
        if scaled.abs() < Self::NEAR && (scaled - nearest).abs() < 0.499 {
            #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^40")]
            return Some(nearest as i64);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Grid;

    #[test]
    fn what_is_certain_is_near() {
        let grid = Grid::new(1);
        assert_eq!([0.0, -0.0, 6.4, -6.44, 1e-300].map(|n| grid.step(n)), [0, 0, 64, -64, 0].map(Some));
        // A tie, a tie but for the last place, what is too large, and what is no number.
        let uncertain = [0.25, 0.25_f64.next_up(), 2e11, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX];
        assert_eq!(uncertain.map(|n| grid.step(n)), [None; 7]);
        assert_eq!(Grid::new(10).step(1.0), None);
    }
}
