//! What a data holder declares about a table before anyone asks.

use crate::privacy::{Bounds, Neighbours, PrivacyUnit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Why a schema is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Not JSON, or not of the schema's shape.
    #[error("the schema cannot be read: {0}")]
    Json(String),
    /// A value that makes no sense, by the name of its column or field.
    #[error("{0}: {1}")]
    Invalid(String, &'static str),
}

/// A column with numbers, categories or free text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    kind: ColumnKind,
}

/// What a column holds. Every column may have missing values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers on a decimal grid.
    Number {
        /// Least and greatest value, in grid steps.
        bounds: Bounds,
        /// Decimal places: a step is 10^-scale. At most 9.
        scale: u8,
    },
    /// One of a few declared values; anything else counts as missing.
    Category(Vec<String>),
    /// Text whose values are not known beforehand: only thresholded groups can show them.
    Text,
}

impl Column {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    #[must_use]
    pub const fn kind(&self) -> &ColumnKind {
        &self.kind
    }
}

/// The declared shape of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    patient: String,
    unit: PrivacyUnit,
    max_rows: u64,
    columns: Vec<Column>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaJson {
    patient: String,
    rows_per_patient: u32,
    #[serde(default)]
    neighbours: Neighbours,
    max_rows: u64,
    columns: Vec<ColumnJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum ColumnJson {
    Number {
        name: String,
        low: String,
        high: String,
        #[serde(default)]
        scale: u8,
    },
    Category {
        name: String,
        values: Vec<String>,
    },
    Text {
        name: String,
    },
}

/// A decimal number on a grid of `scale` places, rounded to the nearest step, halves away from zero; beyond the range of
/// 64 bits the nearest integer there is. `None` for text that is no plain decimal.
#[must_use]
pub fn parse_decimal(text: &str, scale: u8) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let places = usize::from(scale);
    let kept = fraction.bytes().chain(std::iter::repeat(b'0')).take(places);
    let magnitude = whole
        .bytes()
        .chain(kept)
        .fold(0i128, |value, digit| value.saturating_mul(10).saturating_add(i128::from(digit.saturating_sub(b'0'))));
    let up = fraction.as_bytes().get(places).is_some_and(|d| *d >= b'5');
    let magnitude = magnitude.saturating_add(i128::from(up));
    let value = if negative { magnitude.saturating_neg() } else { magnitude };
    Some(i64::try_from(value).unwrap_or(if negative { i64::MIN } else { i64::MAX }))
}

/// Steps as a decimal number.
#[must_use]
pub fn format_decimal(steps: i64, scale: u8) -> String {
    let digits = format!("{:0>width$}", steps.unsigned_abs(), width = usize::from(scale).saturating_add(1));
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale.into()));
    let sign = if steps < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

impl Schema {
    /// The most columns, and the most values of a category.
    pub const MAX_ITEMS: usize = 4096;
    /// The most rows that can be declared.
    pub const MAX_ROWS: u64 = 1 << 40;

    /// Reads a schema such as
    ///
    /// ```json
    /// {
    ///   "patient": "patient_id", "rows_per_patient": 4, "max_rows": 1000000,
    ///   "columns": [
    ///     {"kind": "number", "name": "hba1c", "low": "3.0", "high": "20.0", "scale": 1},
    ///     {"kind": "category", "name": "sex", "values": ["female", "male", "other"]},
    ///     {"kind": "text", "name": "diagnosis"}
    ///   ]
    /// }
    /// ```
    ///
    /// `neighbours` is `add_remove` unless it says `replace`.
    ///
    /// # Errors
    /// [`SchemaError`] for anything else, with the place.
    pub fn from_json(json: &str) -> Result<Self, SchemaError> {
        let raw: SchemaJson = serde_json::from_str(json).map_err(|e| SchemaError::Json(e.to_string()))?;
        let invalid = |what: &str, why| SchemaError::Invalid(what.to_owned(), why);
        let unit = PrivacyUnit::new(raw.neighbours, raw.rows_per_patient)
            .ok_or_else(|| invalid("rows_per_patient", "must lie between 1 and 1,048,576"))?;
        if raw.max_rows == 0 || raw.max_rows > Self::MAX_ROWS {
            return Err(invalid("max_rows", "must lie between 1 and 2^40"));
        }
        if raw.columns.len() > Self::MAX_ITEMS {
            return Err(invalid("columns", "are too many"));
        }
        let columns = raw.columns.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let mut names: BTreeSet<&str> = columns.iter().map(Column::name).collect();
        if names.len() != columns.len() || !names.insert(&raw.patient) {
            return Err(invalid("columns", "must have different names, and none the patient's"));
        }
        Ok(Self { patient: raw.patient, unit, max_rows: raw.max_rows, columns })
    }

    /// The schema as canonical JSON: what [`digest`](Self::digest) hashes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let raw = SchemaJson {
            patient: self.patient.clone(),
            rows_per_patient: self.unit.rows(),
            neighbours: self.unit.neighbours(),
            max_rows: self.max_rows,
            columns: self.columns.iter().map(column_json).collect(),
        };
        serde_json::to_string(&raw).unwrap_or_default()
    }

    /// SHA-256 of the canonical JSON.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_json()).into()
    }

    /// The column that names the patient. It cannot be asked about.
    #[must_use]
    pub fn patient(&self) -> &str {
        &self.patient
    }

    /// Who is protected.
    #[must_use]
    pub const fn unit(&self) -> PrivacyUnit {
        self.unit
    }

    /// The most rows of the table.
    #[must_use]
    pub const fn max_rows(&self) -> u64 {
        self.max_rows
    }

    /// The columns, but for the patient's.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column with this name and its place.
    pub(crate) fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, c)| c.name == name)
    }
}

fn column(raw: ColumnJson) -> Result<Column, SchemaError> {
    Ok(match raw {
        ColumnJson::Number { name, low, high, scale } => {
            let invalid = |why| SchemaError::Invalid(name.clone(), why);
            if scale > 9 {
                return Err(invalid("a scale has at most 9 decimal places"));
            }
            let parse = |t: &str| parse_decimal(t, scale).ok_or_else(|| invalid("a bound is not a decimal number"));
            let bounds = Bounds::new(parse(&low)?, parse(&high)?)
                .ok_or_else(|| invalid("bounds must not be crossed, nor beyond 2^53 grid steps"))?;
            Column { name, kind: ColumnKind::Number { bounds, scale } }
        }
        ColumnJson::Category { name, values } => {
            let different: BTreeSet<&String> = values.iter().collect();
            if values.is_empty() || values.len() > Schema::MAX_ITEMS || different.len() != values.len() {
                return Err(SchemaError::Invalid(name, "categories must be different, and between 1 and 4,096"));
            }
            Column { name, kind: ColumnKind::Category(values) }
        }
        ColumnJson::Text { name } => Column { name, kind: ColumnKind::Text },
    })
}

fn column_json(column: &Column) -> ColumnJson {
    let name = column.name.clone();
    match &column.kind {
        ColumnKind::Number { bounds, scale } => ColumnJson::Number {
            name,
            low: format_decimal(bounds.low(), *scale),
            high: format_decimal(bounds.high(), *scale),
            scale: *scale,
        },
        ColumnKind::Category(values) => ColumnJson::Category { name, values: values.clone() },
        ColumnKind::Text => ColumnJson::Text { name },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_to_the_grid_and_saturate() {
        assert_eq!(parse_decimal("7.25", 1), Some(73));
        assert_eq!(parse_decimal("-7.25", 1), Some(-73));
        assert_eq!(parse_decimal("7", 2), Some(700));
        assert_eq!(parse_decimal(".5", 0), Some(1));
        assert_eq!(parse_decimal("99999999999999999999999999999999999999999999999", 2), Some(i64::MAX));
        assert_eq!(parse_decimal("-99999999999999999999999999999999999999999999999", 2), Some(i64::MIN));
        assert_eq!(parse_decimal("-9223372036854775808", 0), Some(i64::MIN));
        for bad in ["", ".", "-", "1e5", "NaN", "inf", "1,5", "0x1", "--1"] {
            assert_eq!(parse_decimal(bad, 1), None, "{bad}");
        }
        assert_eq!(format_decimal(-5, 2), "-0.05");
        assert_eq!(format_decimal(725, 2), "7.25");
    }

    #[test]
    fn schemas_round_trip_and_refuse_nonsense() {
        let json = r#"{"patient":"id","rows_per_patient":2,"neighbours":"replace","max_rows":10,"columns":[
            {"kind":"number","name":"a","low":"-1.5","high":"20","scale":1},
            {"kind":"category","name":"b","values":["x","y"]},{"kind":"text","name":"c"}]}"#;
        let schema = Schema::from_json(json).unwrap();
        assert_eq!(Schema::from_json(&schema.to_json()), Ok(schema.clone()));
        for (from, to) in [
            ("\"max_rows\":10", "\"max_rows\":0"),
            ("\"rows_per_patient\":2", "\"rows_per_patient\":0"),
            ("\"low\":\"-1.5\"", "\"low\":\"21\""),
            ("\"low\":\"-1.5\"", "\"low\":\"-1e3\""),
            ("\"scale\":1", "\"scale\":10"),
            ("[\"x\",\"y\"]", "[\"x\",\"x\"]"),
            ("[\"x\",\"y\"]", "[]"),
            ("\"name\":\"c\"", "\"name\":\"a\""),
            ("\"name\":\"c\"", "\"name\":\"id\""),
            ("\"name\":\"c\"", "\"name\":\"c\",\"bounds\":1"),
            ("\"high\":\"20\"", "\"high\":\"99999999999999999999\""),
        ] {
            assert!(Schema::from_json(&json.replace(from, to)).is_err(), "{to}");
        }
    }
}
