//! What every site declares about its rows before anyone asks, and the encrypted columns that follow from it.
//!
//! A column of numbers is encrypted as its distance from the middle of its bounds, with one 0/1 column for each cut point
//! ("at least this"), a category as one 0/1 column for each value, a flag as itself. A column that may lack values has a
//! validity column beside it. These are the [`Lane`]s; conditions and groups are sums and products of them.

use mediveil_dp::{Bounds, Neighbours, PrivacyUnit, format_decimal, parse_decimal};
use serde::{Deserialize, Serialize};
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

/// A day, as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day(jiff::civil::Date);

impl Day {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text.len() == 10).then(|| text.parse().ok().map(Self)).flatten()
    }

    /// Whole years between a birth on this day and `at`.
    pub(crate) fn age_at(self, at: Self) -> i64 {
        let years = i64::from(at.0.year()).saturating_sub(self.0.year().into());
        let before = (at.0.month(), at.0.day()) < (self.0.month(), self.0.day());
        years.saturating_sub(before.into())
    }
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Numbers on a decimal grid.
    Number {
        /// Least and greatest value, in grid steps.
        bounds: Bounds,
        /// Decimal places: a step is 10^-scale. At most 9.
        scale: u8,
        /// Values at which rows can be told apart, ascending, in grid steps.
        cuts: Vec<i64>,
        /// The field holds a date of birth, and the value is the age in whole years on this day.
        age_at: Option<String>,
    },
    /// One of a few declared values.
    Category(Vec<String>),
    /// True or false.
    Flag,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    field: String,
    required: bool,
    code: Option<String>,
    unit: Option<String>,
    kind: ColumnKind,
}

impl Column {
    /// Its name in queries.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The column of a table it is read from; in FHIR, the element of Patient.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Whether every row has a value.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }

    /// Its code in FHIR: LOINC of the Observations for numbers, SNOMED CT of the Conditions for flags, the element of Patient
    /// for categories and ages.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Its unit in FHIR, a UCUM code; an Observation in another unit is refused.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// What it holds.
    #[must_use]
    pub const fn kind(&self) -> &ColumnKind {
        &self.kind
    }
}

/// One encrypted column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// One where there is a row.
    Row,
    /// A number's distance from the middle of its bounds, by column.
    Value(usize),
    /// One where the column has a value.
    Valid(usize),
    /// One where the number is at least the cut point.
    AtLeast(usize, usize),
    /// One where the category is this value.
    Is(usize, usize),
    /// The flag.
    Flag(usize),
}

/// The declared shape of a study's rows.
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
    #[serde(default = "one")]
    rows_per_patient: u32,
    #[serde(default)]
    neighbours: Neighbours,
    max_rows: u64,
    columns: Vec<ColumnJson>,
}

const fn one() -> u32 {
    1
}

#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum KindJson {
    Number,
    Category,
    Flag,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnJson {
    kind: KindJson,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    high: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    scale: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cuts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    age_at: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_zero(scale: &u8) -> bool {
    *scale == 0
}

impl Schema {
    /// The most columns.
    pub const MAX_COLUMNS: usize = 256;
    /// The most lanes: what one row becomes.
    pub const MAX_LANES: usize = 1024;
    /// The most rows that can be declared.
    pub const MAX_ROWS: u64 = 1 << 28;
    /// The longest name in bytes.
    pub const MAX_NAME: usize = 128;

    /// Reads a schema such as
    ///
    /// ```json
    /// {
    ///   "patient": "patient_id", "rows_per_patient": 1, "max_rows": 1000000,
    ///   "columns": [
    ///     {"kind": "number", "name": "hba1c", "low": "3.0", "high": "20.0", "scale": 1, "cuts": ["5.7", "6.5"],
    ///      "code": "4548-4", "unit": "%"},
    ///     {"kind": "number", "name": "age", "field": "birth_date", "age_at": "2026-01-01", "low": "0", "high": "120",
    ///      "cuts": ["65"], "required": true},
    ///     {"kind": "category", "name": "sex", "values": ["female", "male"], "required": true},
    ///     {"kind": "flag", "name": "diabetes", "code": "44054006"}
    ///   ]
    /// }
    /// ```
    ///
    /// `max_rows` counts the rows of all sites together. `neighbours` is `add_remove` unless it says `replace`; `field` is
    /// the name unless given; `code` and `unit` are for FHIR bundles. A `required` column has no missing values and needs no validity column, which saves depth.
    ///
    /// # Errors
    /// [`SchemaError`] for anything else, with the place.
    pub fn from_json(json: &str) -> Result<Self, SchemaError> {
        let raw: SchemaJson = serde_json::from_str(json).map_err(|e| SchemaError::Json(e.to_string()))?;
        let invalid = |what: &str, why| SchemaError::Invalid(what.to_owned(), why);
        let unit = PrivacyUnit::new(raw.neighbours, raw.rows_per_patient)
            .ok_or_else(|| invalid("rows_per_patient", "must lie between 1 and 1,048,576"))?;
        if raw.max_rows == 0 || raw.max_rows > Self::MAX_ROWS {
            return Err(invalid("max_rows", "must lie between 1 and 2^28"));
        }
        if raw.columns.is_empty() || raw.columns.len() > Self::MAX_COLUMNS {
            return Err(invalid("columns", "are none, or more than 256"));
        }
        let columns = raw.columns.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let names: BTreeSet<&str> = columns.iter().map(Column::name).collect();
        if names.len() != columns.len() {
            return Err(invalid("columns", "must have different names"));
        }
        if raw.patient.is_empty() || raw.patient.len() > Self::MAX_NAME {
            return Err(invalid("patient", "must be the name of the column that tells patients apart"));
        }
        let schema = Self { patient: raw.patient, unit, max_rows: raw.max_rows, columns };
        if schema.lanes().len() > Self::MAX_LANES {
            return Err(invalid("columns", "have more than 1,024 values and cut points in all"));
        }
        Ok(schema)
    }

    /// The schema as canonical JSON.
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

    /// The column of a table that tells patients apart.
    #[must_use]
    pub fn patient(&self) -> &str {
        &self.patient
    }

    /// Who is protected.
    #[must_use]
    pub const fn unit(&self) -> PrivacyUnit {
        self.unit
    }

    /// The most rows over all sites.
    #[must_use]
    pub const fn max_rows(&self) -> u64 {
        self.max_rows
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column with this name and its place.
    pub(crate) fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, c)| c.name == name)
    }

    /// The encrypted columns, in the order of uploads.
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        let mut lanes = vec![Lane::Row];
        for (c, column) in self.columns.iter().enumerate() {
            match &column.kind {
                ColumnKind::Number { cuts, .. } => {
                    lanes.push(Lane::Value(c));
                    lanes.extend((0..cuts.len()).map(|i| Lane::AtLeast(c, i)));
                }
                ColumnKind::Category(values) => lanes.extend((0..values.len()).map(|i| Lane::Is(c, i))),
                ColumnKind::Flag => lanes.push(Lane::Flag(c)),
            }
            // A category's values add up to its validity.
            if !column.required && !matches!(column.kind, ColumnKind::Category(_)) {
                lanes.push(Lane::Valid(c));
            }
        }
        lanes
    }

    /// The bounds of a lane's numbers.
    pub(crate) fn lane_bounds(&self, lane: Lane) -> mediveil_fhe::Bounds {
        if let Lane::Value(c) = lane
            && let Some(ColumnKind::Number { bounds, .. }) = self.columns.get(c).map(Column::kind)
        {
            let centre = bounds.middle();
            let (min, max) = (bounds.low().saturating_sub(centre), bounds.high().saturating_sub(centre));
            return mediveil_fhe::Bounds { min, max };
        }
        mediveil_fhe::Bounds::FLAG
    }

    /// The largest magnitude that any product of two numbers, or any number, can have in a row.
    pub(crate) fn largest(&self) -> u64 {
        let numbers = self.columns.iter().filter_map(|c| match &c.kind {
            ColumnKind::Number { bounds, .. } => Some(bounds),
            _ => None,
        });
        let centred = |b: &Bounds| b.high().abs_diff(b.middle()).max(b.low().abs_diff(b.middle()));
        let (plain, distance) = numbers.fold((1, 1), |(p, d), b| (b.magnitude().max(p), centred(b).max(d)));
        plain.max(distance.saturating_mul(distance))
    }
}

fn column(raw: ColumnJson) -> Result<Column, SchemaError> {
    let name = raw.name.clone();
    let invalid = |why| SchemaError::Invalid(name.clone(), why);
    if raw.name.is_empty() || raw.name.len() > Schema::MAX_NAME {
        return Err(invalid("a column has a name of 1 to 128 bytes"));
    }
    let only =
        |kind: KindJson, present: bool, why| if raw.kind == kind || !present { Ok(()) } else { Err(invalid(why)) };
    only(KindJson::Category, !raw.values.is_empty(), "only categories have values")?;
    let of_numbers =
        raw.low.is_some() || raw.high.is_some() || raw.scale != 0 || !raw.cuts.is_empty() || raw.age_at.is_some();
    only(
        KindJson::Number,
        of_numbers || raw.unit.is_some(),
        "only numbers have bounds, a scale, cut points, units and ages",
    )?;
    let kind = match raw.kind {
        KindJson::Number => number(&raw, &invalid)?,
        KindJson::Category => {
            let different: BTreeSet<&String> = raw.values.iter().collect();
            if raw.values.is_empty() || different.len() != raw.values.len() || different.contains(&String::new()) {
                return Err(invalid("a category needs values, different and not empty"));
            }
            ColumnKind::Category(raw.values)
        }
        KindJson::Flag => ColumnKind::Flag,
    };
    let field = raw.field.unwrap_or_else(|| raw.name.clone());
    Ok(Column { name: raw.name, field, required: raw.required, code: raw.code, unit: raw.unit, kind })
}

fn number(raw: &ColumnJson, invalid: &dyn Fn(&'static str) -> SchemaError) -> Result<ColumnKind, SchemaError> {
    if raw.scale > 9 {
        return Err(invalid("a scale has at most 9 decimal places"));
    }
    let parse = |t: &str| parse_decimal(t, raw.scale).ok_or_else(|| invalid("a bound is not a decimal number"));
    let (Some(low), Some(high)) = (&raw.low, &raw.high) else { return Err(invalid("a number needs low and high")) };
    let bounds = Bounds::new(parse(low)?, parse(high)?)
        .ok_or_else(|| invalid("bounds must not be crossed, nor beyond 2^53 grid steps"))?;
    let cuts = raw.cuts.iter().map(|c| parse(c)).collect::<Result<Vec<_>, _>>()?;
    let inside = |c: &i64| *c > bounds.low() && *c <= bounds.high();
    if !cuts.is_sorted_by(|a, b| a < b) || !cuts.iter().all(inside) {
        return Err(invalid("cut points must ascend, above the lower bound and up to the upper one"));
    }
    if raw.age_at.as_deref().is_some_and(|day| Day::parse(day).is_none()) {
        return Err(invalid("age_at is not a day such as 2026-01-31"));
    }
    Ok(ColumnKind::Number { bounds, scale: raw.scale, cuts, age_at: raw.age_at.clone() })
}

fn column_json(column: &Column) -> ColumnJson {
    let mut raw = ColumnJson {
        kind: KindJson::Flag,
        name: column.name.clone(),
        field: (column.field != column.name).then(|| column.field.clone()),
        required: column.required,
        code: column.code.clone(),
        unit: column.unit.clone(),
        low: None,
        high: None,
        scale: 0,
        cuts: Vec::new(),
        age_at: None,
        values: Vec::new(),
    };
    match &column.kind {
        ColumnKind::Number { bounds, scale, cuts, age_at } => {
            raw.kind = KindJson::Number;
            raw.low = Some(format_decimal(bounds.low(), *scale));
            raw.high = Some(format_decimal(bounds.high(), *scale));
            raw.scale = *scale;
            raw.cuts = cuts.iter().map(|c| format_decimal(*c, *scale)).collect();
            raw.age_at.clone_from(age_at);
        }
        ColumnKind::Category(values) => {
            raw.kind = KindJson::Category;
            raw.values.clone_from(values);
        }
        ColumnKind::Flag => {}
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"patient":"id","rows_per_patient":2,"neighbours":"replace","max_rows":10,"columns":[
        {"kind":"number","name":"a","low":"-1.5","high":"20","scale":1,"cuts":["0","5.5"]},
        {"kind":"category","name":"b","values":["x","y"],"required":true},
        {"kind":"flag","name":"c","field":"C","code":"44054006"}]}"#;

    #[test]
    fn schemas_round_trip_and_refuse_nonsense() {
        let schema = Schema::from_json(JSON).unwrap();
        assert_eq!(Schema::from_json(&schema.to_json()), Ok(schema.clone()));
        for (from, to) in [
            ("\"max_rows\":10", "\"max_rows\":0"),
            ("\"rows_per_patient\":2", "\"rows_per_patient\":0"),
            ("\"low\":\"-1.5\"", "\"low\":\"21\""),
            ("\"low\":\"-1.5\"", "\"low\":\"-1e3\""),
            ("\"low\":\"-1.5\",", ""),
            ("\"scale\":1", "\"scale\":10"),
            ("[\"x\",\"y\"]", "[\"x\",\"x\"]"),
            ("[\"x\",\"y\"]", "[]"),
            ("[\"0\",\"5.5\"]", "[\"5.5\",\"0\"]"),
            ("[\"0\",\"5.5\"]", "[\"-1.5\"]"),
            ("[\"0\",\"5.5\"]", "[\"20.1\"]"),
            ("\"name\":\"c\"", "\"name\":\"a\""),
            ("\"name\":\"c\"", "\"name\":\"\""),
            ("\"name\":\"c\"", "\"name\":\"c\",\"bounds\":1"),
            ("\"name\":\"c\"", "\"name\":\"c\",\"low\":\"1\""),
            ("\"name\":\"c\"", "\"name\":\"c\",\"unit\":\"%\""),
            ("\"name\":\"c\"", "\"name\":\"c\",\"values\":[\"x\"]"),
        ] {
            assert!(JSON.contains(from) && Schema::from_json(&JSON.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn lanes_follow_the_columns() {
        use Lane::{AtLeast, Flag, Is, Row, Valid, Value};
        let schema = Schema::from_json(JSON).unwrap();
        let expected = [Row, Value(0), AtLeast(0, 0), AtLeast(0, 1), Valid(0), Is(1, 0), Is(1, 1), Flag(2), Valid(2)];
        assert_eq!(schema.lanes(), expected);
        let bounds = schema.lane_bounds(Value(0));
        assert_eq!((bounds.min, bounds.max), (-15 - 92, 200 - 92));
        assert_eq!(schema.largest(), 108 * 108);
    }

    #[test]
    fn ages_count_whole_years() {
        let age = |born: &str, at: &str| Day::parse(born).unwrap().age_at(Day::parse(at).unwrap());
        assert_eq!(age("1960-03-02", "2026-03-01"), 65);
        assert_eq!(age("1960-03-02", "2026-03-02"), 66);
        assert_eq!(age("2000-02-29", "2001-02-28"), 0);
        assert_eq!(age("2000-02-29", "2001-03-01"), 1);
        assert_eq!(Day::parse("1960-3-2"), None);
        assert_eq!(Day::parse("1960-13-02"), None);
    }
}
