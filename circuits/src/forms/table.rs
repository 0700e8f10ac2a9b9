//! Tables whose columns have names.

use super::{FormError, are_names, decode_names, encode_names};
use crate::statistics::{COLUMNS, MAX_ROWS, Row, Table};
use crate::{InvalidStatement, decode_field, field_bytes};
use ark_bn254::Fr;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;

fn column_of(columns: &[String], name: &str) -> Result<usize, FormError> {
    columns.iter().position(|c| c == name).ok_or_else(|| FormError::UnknownColumn(name.to_owned()))
}

/// A table with its salts and the names of its columns: what its keeper holds. Rows are persons' data.
#[derive(Clone, Debug)]
pub struct NamedTable {
    columns: Vec<String>,
    table: Table,
}

impl NamedTable {
    /// Commits to these rows under fresh salts. Columns beyond the names are absent in every row.
    ///
    /// # Errors
    /// [`FormError::Columns`], [`FormError::Name`], and [`FormError::Full`] for no rows or more than 4,096.
    pub fn new(columns: Vec<String>, rows: &[Row], rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, FormError> {
        if columns.is_empty() || columns.len() > COLUMNS {
            return Err(FormError::Columns);
        }
        if !are_names(columns.iter().map(String::as_str)) {
            return Err(FormError::Name);
        }
        let table = Table::new(rows, rng).map_err(|_: InvalidStatement| FormError::Full)?;
        Ok(Self { columns, table })
    }

    /// The table.
    #[must_use]
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// What is published of it.
    #[must_use]
    pub fn commitment(&self) -> TableCommitment {
        TableCommitment { columns: self.columns.clone(), rows: self.table.rows(), root: self.table.root() }
    }
}

impl PartialEq for NamedTable {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns && self.table.salted() == other.table.salted()
    }
}

impl Wire for NamedTable {
    const TYPE: ObjectType = ObjectType::StatisticsTable;
    const MAX_BODY: usize = 1 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2);
        encode_names(e, &self.columns);
        e.list(self.table.salted(), |e, (row, salt)| {
            e.array(COLUMNS.saturating_add(1));
            for cell in row {
                e.option(*cell, |e, value| {
                    e.u32(value);
                });
            }
            e.bytes(&field_bytes(salt));
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let columns = decode_names(d, COLUMNS)?;
        let rows = d.list(MAX_ROWS, |d| {
            d.tuple(COLUMNS.saturating_add(1))?;
            let mut row: Row = [None; COLUMNS];
            for cell in &mut row {
                *cell = d.option(Decoder::u32)?;
            }
            Ok((row, decode_field(d)?))
        })?;
        let table = Table::from_salted(rows).map_err(|_| d.invalid("a table without rows"))?;
        Ok(Self { columns, table })
    }
}

/// What is published of a table, once: a query is asked of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCommitment {
    columns: Vec<String>,
    rows: usize,
    root: Fr,
}

impl TableCommitment {
    /// The columns' names.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The place of a column.
    ///
    /// # Errors
    /// [`FormError::UnknownColumn`].
    pub fn column(&self, name: &str) -> Result<usize, FormError> {
        column_of(&self.columns, name)
    }

    /// Number of rows, 1 to 4,096.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> Fr {
        self.root
    }
}

impl Wire for TableCommitment {
    const TYPE: ObjectType = ObjectType::TableCommitment;
    const MAX_BODY: usize = 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3);
        encode_names(e, &self.columns);
        e.u16(u16::try_from(self.rows).unwrap_or(u16::MAX)).bytes(&field_bytes(&self.root));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let columns = decode_names(d, COLUMNS)?;
        let rows = usize::from(d.u16()?);
        if !(1..=MAX_ROWS).contains(&rows) {
            return Err(d.invalid("a number of rows that no table has"));
        }
        Ok(Self { columns, rows, root: decode_field(d)? })
    }
}
