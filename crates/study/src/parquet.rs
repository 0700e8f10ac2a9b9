//! Rows from an Apache Parquet file, uncompressed or compressed with Snappy.
//!
//! Only the columns that the schema names are read, row by row. Each value becomes the text that CSV would have: integers,
//! floating-point numbers in their shortest decimal form, decimals, booleans as 0 and 1, dates as `YYYY-MM-DD`, strings; a
//! null is a missing value, and NaN is none but is refused. Times of day, timestamps, lists and maps are refused. The file is
//! the site's own: a damaged one is refused by the reader, but no care is taken against one that is made to use up memory.

use crate::schema::{Column, Schema};
use crate::table::{Table, TableError};
use jiff::Span;
use parquet::basic::{LogicalType, Repetition};
use parquet::data_type::Decimal;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;
use std::fs::File;
use std::sync::Arc;

impl Table {
    /// Reads a Parquet file; needs the feature `parquet`.
    ///
    /// # Errors
    /// [`TableError`]; [`TableError::NoColumn`] for a column of the schema that is not there or is nested.
    pub fn from_parquet(file: File, schema: &Schema) -> Result<Self, TableError> {
        let refuse =
            |_| TableError::Read("it is no Parquet file, is damaged, or is compressed other than with Snappy".into());
        let reader = SerializedFileReader::new(file).map_err(refuse)?;
        let root = reader.metadata().file_metadata().schema();
        let mut names = vec![schema.patient()];
        names.extend(schema.columns().iter().map(Column::field));
        let mut kept: Vec<Arc<Type>> = Vec::new();
        const TYPE: &str = "the value is of a type that is not read from Parquet";
        for name in &names {
            let found = root.get_fields().iter().find(|f| f.name() == *name && f.is_primitive());
            let one = |f: &&Arc<Type>| {
                let info = f.get_basic_info();
                info.has_repetition() && info.repetition() != Repetition::REPEATED
            };
            let flat = found.filter(one);
            let field = flat.ok_or_else(|| TableError::NoColumn((*name).to_owned()))?;
            // The record reader takes some of them for plain integers.
            if let Some(LogicalType::Timestamp { .. } | LogicalType::Time { .. }) =
                field.get_basic_info().logical_type_ref()
            {
                return Err(TableError::Value { row: 1, column: (*name).to_owned(), why: TYPE });
            }
            if !kept.iter().any(|k| k.name() == *name) {
                kept.push(Arc::clone(field));
            }
        }
        let projection = Type::group_type_builder(root.name()).with_fields(kept).build().map_err(refuse)?;
        let mut table = Self::new(schema);
        for row in reader.get_row_iter(Some(projection)).map_err(refuse)? {
            let row = row.map_err(refuse)?;
            let number = table.rows().saturating_add(1);
            let field = |name: &str| row.get_column_iter().find(|(n, _)| n.as_str() == name).map(|(_, value)| value);
            let read = |name: &str, column: &str| {
                let refused = TableError::Value { row: number, column: column.to_owned(), why: TYPE };
                field(name).map_or(Ok(None), |value| text(value).ok_or(refused))
            };
            let patient = read(schema.patient(), schema.patient())?.unwrap_or_default();
            let fields = schema.columns().iter().map(|c| read(c.field(), c.name())).collect::<Result<Vec<_>, _>>()?;
            let fields: Vec<Option<&str>> =
                fields.iter().map(|f| f.as_deref().map(str::trim).filter(|f| !f.is_empty())).collect();
            table.push(&patient, &fields)?;
        }
        Ok(table)
    }
}

/// The value as CSV has it; the outer `None` where there is no such form.
fn text(value: &Field) -> Option<Option<String>> {
    Some(Some(match value {
        Field::Null => return Some(None),
        Field::Bool(b) => u8::from(*b).to_string(),
        Field::Byte(n) => n.to_string(),
        Field::Short(n) => n.to_string(),
        Field::Int(n) => n.to_string(),
        Field::Long(n) => n.to_string(),
        Field::UByte(n) => n.to_string(),
        Field::UShort(n) => n.to_string(),
        Field::UInt(n) => n.to_string(),
        Field::ULong(n) => n.to_string(),
        // The shortest decimal that is read back as the same number, and never an exponent.
        Field::Float(n) => n.to_string(),
        Field::Double(n) => n.to_string(),
        Field::Decimal(n) => decimal(n)?,
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).ok()?.to_owned(),
        Field::Date(days) => {
            let days = Span::new().try_days(*days).ok()?;
            jiff::civil::date(1970, 1, 1).checked_add(days).ok()?.to_string()
        }
        _ => return None,
    }))
}

/// Big-endian two's complement with a number of decimal places.
fn decimal(value: &Decimal) -> Option<String> {
    let bytes = value.data();
    let filler = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let mut whole = [filler; 16];
    whole.get_mut(16usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    let number = i128::from_be_bytes(whole);
    let places = usize::try_from(value.scale()).ok().filter(|places| *places <= 38)?;
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = places.saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places));
    let sign = if number < 0 { "-" } else { "" };
    Some(if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}
