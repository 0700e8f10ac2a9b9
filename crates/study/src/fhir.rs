//! Rows from FHIR R4 bundles: one row a patient.
//!
//! | column | read from |
//! |---|---|
//! | number with a code | the latest Observation with this LOINC code, its own value or that of a component |
//! | age (`age_at`) | Patient.birthDate, or the element that the code names |
//! | category | the element of Patient that the code names, such as `gender` |
//! | flag with a code | whether there is a Condition with this SNOMED CT code |
//!
//! A number or a category that the bundle does not have is a missing value. A flag is never missing: what is not recorded
//! counts as not there, and what is resolved counts as there. Observations and Conditions that were entered in error,
//! cancelled or refuted do not count. Numbers are taken as they are written: a column that declares a unit refuses
//! Observations in another, one that declares none believes the site.

use crate::schema::{Column, ColumnKind};
use crate::table::{Table, TableError};
use mediveil_record::json::Value;
use mediveil_record::{DateTime, Record, Resource};

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";

impl Table {
    /// Adds the row of the one patient of a bundle.
    ///
    /// # Errors
    /// [`TableError::Patient`] unless there is exactly one patient with an id; [`TableError::NoCode`] for a column that
    /// does not say what it is in FHIR; otherwise as [`push`](Self::push).
    pub fn push_record(&mut self, record: &Record) -> Result<(), TableError> {
        let row = self.rows().saturating_add(1);
        let mut patients = record.of_type("Patient");
        let (Some(patient), None) = (patients.next(), patients.next()) else { return Err(TableError::Patient { row }) };
        let id = patient.id().ok_or(TableError::Patient { row })?.to_owned();
        let columns = self.schema().columns().iter();
        let fields = columns.map(|c| field(c, row, patient, record)).collect::<Result<Vec<_>, _>>()?;
        let fields: Vec<Option<&str>> = fields.iter().map(Option::as_deref).collect();
        self.push(&id, &fields)
    }
}

fn field(column: &Column, row: u64, patient: &Resource, record: &Record) -> Result<Option<String>, TableError> {
    let code = || column.code().ok_or_else(|| TableError::NoCode(column.name().to_owned()));
    let element = |name: &str| patient.json().get(name).and_then(Value::as_str).map(str::to_owned);
    match column.kind() {
        ColumnKind::Number { age_at: Some(_), .. } => Ok(element(column.code().unwrap_or("birthDate"))),
        ColumnKind::Number { .. } => {
            let Some(quantity) = latest(record, code()?) else { return Ok(None) };
            let unit = quantity.get("code").and_then(Value::as_str);
            if column.unit().is_some_and(|declared| unit != Some(declared)) {
                let why = "the observation is in another unit than the schema declares";
                return Err(TableError::Value { row, column: column.name().to_owned(), why });
            }
            let Some(Value::Number(number)) = quantity.get("value") else { return Ok(None) };
            Ok(Some(number.lexeme().to_owned()))
        }
        ColumnKind::Category(_) => Ok(element(code()?)),
        ColumnKind::Flag => {
            let code = code()?;
            let holds = |c: &&Resource| has_code(c.json().get("code"), SNOMED, &[code]) && !withdrawn(c.json());
            Ok(Some(u8::from(record.of_type("Condition").any(|c| holds(&c))).to_string()))
        }
    }
}

/// Whether a `CodeableConcept` names one of the codes, of this system unless it is empty.
fn has_code(concept: Option<&Value>, system: &str, codes: &[&str]) -> bool {
    let codings = concept.and_then(|c| c.get("coding")).and_then(Value::as_array).unwrap_or_default();
    let text = |coding: &Value, name: &str| coding.get(name).and_then(Value::as_str).map(str::to_owned);
    codings.iter().any(|c| {
        (system.is_empty() || text(c, "system").as_deref() == Some(system))
            && text(c, "code").is_some_and(|code| codes.contains(&code.as_str()))
    })
}

/// Whether a resource says of itself that it is not so.
fn withdrawn(resource: &Value) -> bool {
    const STATUSES: [&str; 3] = ["entered-in-error", "cancelled", "refuted"];
    let status = resource.get("status").and_then(Value::as_str);
    status.is_some_and(|s| STATUSES.contains(&s)) || has_code(resource.get("verificationStatus"), "", &STATUSES)
}

/// The quantity of the latest observation with this code; of several at one moment the last in the bundle.
fn latest<'r>(record: &'r Record, code: &str) -> Option<&'r Value> {
    let mut found: Option<(u64, &Value)> = None;
    for observation in record.of_type("Observation").map(Resource::json).filter(|o| !withdrawn(o)) {
        let parts = observation.get("component").and_then(Value::as_array).unwrap_or_default();
        let mut named = std::iter::once(observation).chain(parts).filter(|e| has_code(e.get("code"), LOINC, &[code]));
        let quantity =
            named.find_map(|e| e.get("valueQuantity").filter(|q| matches!(q.get("value"), Some(Value::Number(_)))));
        let text = observation.get("effectiveDateTime").and_then(Value::as_str).unwrap_or_default();
        // A day is its first moment; what has no moment is older than all that has one.
        let moment = DateTime::parse(text).or_else(|| DateTime::parse(&format!("{text}T00:00:00Z")));
        let moment = moment.map_or(0, |m| m.millis());
        if let Some(quantity) = quantity
            && found.is_none_or(|(at, _)| at <= moment)
        {
            found = Some((moment, quantity));
        }
    }
    found.map(|(_, quantity)| quantity)
}
