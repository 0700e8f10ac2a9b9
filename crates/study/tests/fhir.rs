//! Rows from FHIR bundles.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_record::{Limits, Record};
use mediveil_sample::Generator;
use mediveil_study::{Schema, Table, TableError};

const SCHEMA: &str = r#"{"patient": "patient_id", "max_rows": 200, "columns": [
    {"kind": "number", "name": "hba1c", "low": "2", "high": "20", "scale": 1, "code": "4548-4", "unit": "%"},
    {"kind": "number", "name": "systolic", "field": "systolic_bp", "low": "50", "high": "260", "code": "8480-6",
     "unit": "mm[Hg]"},
    {"kind": "number", "name": "age", "field": "birth_date", "age_at": "2026-01-01", "low": "0", "high": "125"},
    {"kind": "category", "name": "sex", "values": ["female", "male"], "code": "gender", "required": true},
    {"kind": "flag", "name": "diabetes", "code": "44054006", "required": true},
    {"kind": "flag", "name": "hypertension", "code": "59621000", "required": true}]}"#;

fn schema() -> Schema {
    Schema::from_json(SCHEMA).unwrap()
}

fn record(json: &str) -> Record {
    Record::parse(json.as_bytes(), &Limits::default()).unwrap()
}

fn row(table: &Table, row: u64) -> Vec<Option<i64>> {
    (0..6).map(|c| table.value(c, row)).collect()
}

/// The cohort table that the generator writes is the same patients' last values.
#[test]
fn bundles_and_the_cohort_table_give_the_same_rows() {
    let generator = Generator::new(11);
    let schema = schema();
    let csv = Table::from_csv(generator.cohort_csv(120).as_bytes(), &schema).unwrap();
    let mut fhir = Table::new(&schema);
    for patient in generator.patients(120) {
        fhir.push_record(&record(&patient.bundle_json())).unwrap();
    }
    assert_eq!(fhir.rows(), 120);
    for r in 0..120 {
        assert_eq!(row(&fhir, r), row(&csv, r), "row {r}");
    }
    // The comparison means something: values are there, missing ones too, and flags both ways.
    let hba1c: Vec<_> = (0..120).map(|r| csv.value(0, r)).collect();
    assert!(hba1c.iter().any(Option::is_some) && hba1c.iter().any(Option::is_none));
    assert!((0..120).any(|r| csv.value(4, r) == Some(1)) && (0..120).any(|r| csv.value(4, r) == Some(0)));
}

/// A bundle with a patient and these further resources.
fn bundle(resources: &[String]) -> Record {
    let patient = r#"{"resourceType": "Patient", "id": "p", "birthDate": "1960-06-30", "gender": "male"}"#.to_owned();
    let all: Vec<String> =
        std::iter::once(&patient).chain(resources).map(|r| format!(r#"{{"resource": {r}}}"#)).collect();
    record(&format!(r#"{{"resourceType": "Bundle", "type": "collection", "entry": [{}]}}"#, all.join(",")))
}

fn hba1c(value: &str, unit: &str, at: &str, status: &str) -> String {
    format!(
        r#"{{"resourceType": "Observation", "status": "{status}", "effectiveDateTime": "{at}",
            "code": {{"coding": [{{"system": "http://loinc.org", "code": "4548-4"}}]}},
            "valueQuantity": {{"value": {value}, "code": "{unit}"}}}}"#
    )
}

fn condition(system: &str, verification: &str) -> String {
    format!(
        r#"{{"resourceType": "Condition", "verificationStatus": {{"coding": [{{"code": "{verification}"}}]}},
            "code": {{"coding": [{{"system": "{system}", "code": "44054006"}}]}}}}"#
    )
}

fn one(resources: &[String]) -> Vec<Option<i64>> {
    let mut table = Table::new(&schema());
    table.push_record(&bundle(resources)).unwrap();
    row(&table, 0)
}

#[test]
fn the_latest_observation_counts_and_withdrawn_ones_do_not() {
    let nothing = one(&[]);
    assert_eq!(nothing, [None, None, Some(65), Some(1), Some(0), Some(0)]);
    let old = hba1c("6.1", "%", "2020-01-01", "final");
    // The same instant in another zone is earlier by its offset.
    let new = hba1c("7.25", "%", "2021-03-01T10:00:00Z", "final");
    let zoned = hba1c("8.0", "%", "2021-03-01T11:30:00+02:00", "amended");
    for order in [[&old, &new, &zoned], [&zoned, &new, &old], [&new, &old, &zoned]] {
        assert_eq!(one(&order.map(Clone::clone))[0], Some(73));
    }
    let wrong = hba1c("9.9", "%", "2022-01-01", "entered-in-error");
    assert_eq!(one(&[old.clone(), wrong])[0], Some(61));
    // Without a number, or of another code system.
    let text = old.replace("\"value\": 6.1, ", "");
    assert_eq!(one(&[text])[0], None);
    assert_eq!(one(&[old.replace("loinc.org", "example.org")])[0], None);
    assert_eq!(one(&[condition("http://snomed.info/sct", "confirmed")])[4], Some(1));
    assert_eq!(one(&[condition("http://snomed.info/sct", "refuted")])[4], Some(0));
    assert_eq!(one(&[condition("http://example.org", "confirmed")])[4], Some(0));
}

#[test]
fn what_does_not_fit_is_refused_and_the_table_stays() {
    let schema = schema();
    let mut table = Table::new(&schema);
    let refused = |table: &mut Table, record: &Record| table.push_record(record).unwrap_err();
    let unit = bundle(&[hba1c("47", "mmol/mol", "2020-01-01", "final")]);
    let TableError::Value { row: 1, column, why } = refused(&mut table, &unit) else { panic!() };
    assert!(column == "hba1c" && why.contains("another unit"));
    let range = bundle(&[hba1c("47", "%", "2020-01-01", "final")]);
    let said = refused(&mut table, &range).to_string();
    assert!(said.contains("outside") && !said.contains("47"));
    // No plain decimal: refused, never guessed.
    assert!(matches!(
        refused(&mut table, &bundle(&[hba1c("7e0", "%", "2020-01-01", "final")])),
        TableError::Value { .. }
    ));
    let nobody = record(r#"{"resourceType": "Bundle", "type": "collection", "entry": []}"#);
    assert!(matches!(refused(&mut table, &nobody), TableError::Patient { row: 1 }));
    let unnamed = record(r#"{"resourceType": "Patient", "gender": "male"}"#);
    assert!(matches!(refused(&mut table, &unnamed), TableError::Patient { row: 1 }));
    let two = bundle(&[r#"{"resourceType": "Patient", "id": "q", "gender": "female"}"#.to_owned()]);
    assert!(matches!(refused(&mut table, &two), TableError::Patient { row: 1 }));
    // A required value that is not there.
    let sexless = record(r#"{"resourceType": "Patient", "id": "q"}"#);
    assert!(matches!(refused(&mut table, &sexless), TableError::Value { row: 1, .. }));
    assert_eq!(table.rows(), 0);
    table.push_record(&bundle(&[])).unwrap();
    assert!(matches!(refused(&mut table, &bundle(&[])), TableError::TooManyOfOne { row: 2, limit: 1 }));
    let codeless = Schema::from_json(&SCHEMA.replace("\"code\": \"59621000\", ", "")).unwrap();
    let TableError::NoCode(name) = refused(&mut Table::new(&codeless), &bundle(&[])) else { panic!() };
    assert_eq!(name, "hypertension");
}
