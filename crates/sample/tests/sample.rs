//! What the samples promise: the same bytes everywhere, records that our own parser accepts, and sense in the values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_record::{Limits, Record};
use mediveil_sample::{CohortRow, Fixed, Generator, Patient};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn json(patient: &Patient) -> Value {
    serde_json::from_str(&patient.bundle_json()).unwrap()
}

fn resources(bundle: &Value) -> impl Iterator<Item = &Value> {
    bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"])
}

/// Frozen: whoever changes these changes every published sample.
#[test]
fn bytes_are_frozen() {
    let generator = Generator::new(1);
    let digests = [
        sha256(&generator.patient(0).bundle_json()),
        sha256(&generator.patient(1).bundle_json()),
        sha256(&generator.cohort_csv(50)),
    ];
    let frozen = [
        "8268c4ba45486532529adad40f8380e1714e684824c5bf8b4b94e8d9201e8d6b",
        "00b2160aa517fa743fed365a71dd7fd31a257538eee8188ff24e735783d603d6",
        "94326353e57fe7b291b566c03c70dac6808c31662179488b4a3c6e0383d0ef1c",
    ];
    assert_eq!(digests, frozen);
}

#[test]
fn a_patient_does_not_depend_on_how_many_are_made() {
    let generator = Generator::new(9);
    let few: Vec<Patient> = generator.patients(3).collect();
    let many: Vec<Patient> = generator.patients(20).collect();
    assert_eq!(few[..], many[..3]);
    assert_eq!(generator.patient(17).bundle_json(), many[17].bundle_json());
    assert!(generator.cohort_csv(20).starts_with(&generator.cohort_csv(3)));
    let ids: BTreeSet<&str> = many.iter().map(Patient::id).collect();
    assert_eq!(ids.len(), 20);
    assert_ne!(Generator::new(10).patient(0).id(), many[0].id());
}

#[test]
fn bundles_are_records() {
    for patient in Generator::new(2).patients(40) {
        let text = patient.bundle_json();
        assert!(text.ends_with("}\n") && text.is_ascii());
        let record = Record::parse(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(record.bundle_type(), Some(mediveil_record::BundleType::Transaction));
        assert_eq!(record.resources()[0].id(), Some(patient.id()));
        for (kind, least) in [
            ("Patient", 1),
            ("Organization", 1),
            ("Practitioner", 1),
            ("Encounter", 3),
            ("Observation", 18),
            ("Immunization", 1),
        ] {
            assert!(record.of_type(kind).count() >= least, "{kind}");
        }
        assert_eq!(record.of_type("Condition").count(), patient.cohort_row().n_conditions);
        let urls: BTreeSet<String> = record.resources().iter().map(|r| r.full_url().unwrap().to_owned()).collect();
        assert_eq!(urls.len(), record.resources().len(), "every fullUrl is its own");
        for resource in record.resources() {
            assert_eq!(resource.full_url().unwrap(), format!("urn:uuid:{}", resource.id().unwrap()));
        }
    }
}

fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("reference").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_resolves() {
    for patient in Generator::new(3).patients(40) {
        let bundle = json(&patient);
        let entries = bundle["entry"].as_array().unwrap();
        let urls: BTreeSet<&str> = entries.iter().map(|entry| entry["fullUrl"].as_str().unwrap()).collect();
        let mut found = Vec::new();
        references(&bundle, &mut found);
        assert!(found.len() > entries.len());
        for reference in found {
            assert!(urls.contains(reference), "{reference}");
        }
    }
}

/// RFC 9562: the version and the variant.
#[test]
fn ids_are_uuids() {
    for patient in Generator::new(4).patients(200) {
        let parts: Vec<&str> = patient.id().split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))));
        assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']));
    }
}

/// Elements that R4 requires of each type (cardinality 1..), its patterns for dates, and the invariants that could break.
#[test]
fn resources_have_what_r4_requires() {
    let is_datetime = |text: &str| text.len() == 25 && text.ends_with(":00+00:00") && text.as_bytes()[10] == b'T';
    for patient in Generator::new(5).patients(40) {
        let bundle = json(&patient);
        let mut codes = BTreeSet::new();
        for entry in bundle["entry"].as_array().unwrap() {
            let resource = &entry["resource"];
            let kind = resource["resourceType"].as_str().unwrap();
            assert_eq!(
                (entry["request"]["method"].as_str(), entry["request"]["url"].as_str()),
                (Some("POST"), Some(kind))
            );
            assert_eq!(resource["meta"]["security"][0]["code"], "HTEST");
            let required: &[&str] = match kind {
                "Encounter" => &["/status", "/class/code", "/period/start", "/period/end"],
                "Condition" => {
                    &["/subject/reference", "/clinicalStatus/coding/0/code", "/code/coding/0/code", "/onsetDateTime"]
                }
                "Observation" => &["/status", "/code/coding/0/code", "/category/0/coding/0/code", "/effectiveDateTime"],
                "Immunization" => {
                    &["/status", "/vaccineCode/coding/0/code", "/patient/reference", "/occurrenceDateTime"]
                }
                "Patient" => &["/name/0/family", "/gender", "/birthDate", "/identifier/0/value"],
                _ => &["/identifier/0/value"],
            };
            for path in required {
                let text = resource.pointer(path).and_then(Value::as_str);
                let text = text.unwrap_or_else(|| panic!("{kind} without {path}"));
                let dated = path.ends_with("DateTime") || path.starts_with("/period");
                assert!(!dated || is_datetime(text), "{kind}{path}: {text}");
            }
            if kind == "Condition" {
                // con-4: what abated is not active.
                let resolved = resource["clinicalStatus"]["coding"][0]["code"] == "resolved";
                assert_eq!(resource.get("abatementDateTime").is_some(), resolved);
                assert_eq!(resource["code"]["coding"][0]["system"], "http://snomed.info/sct");
            }
            if kind == "Observation" {
                let code = resource["code"]["coding"][0]["code"].as_str().unwrap();
                assert_eq!(resource["code"]["coding"][0]["system"], "http://loinc.org");
                // obs-6 and the vital signs: one value, or components.
                let values = ["valueQuantity", "valueCodeableConcept", "component"];
                assert_eq!(values.iter().filter(|name| resource.get(**name).is_some()).count(), 1, "{code}");
                codes.insert(code.to_owned());
            }
        }
        for code in ["8302-2", "29463-7", "39156-5", "85354-9", "718-7", "72166-2"] {
            assert!(codes.contains(code), "{code}");
        }
        // Born, seen, and only then dead.
        let row = patient.cohort_row();
        let seen: Vec<&str> = resources(&bundle).filter_map(|r| r["period"]["start"].as_str()).collect();
        assert!(seen.is_sorted() && row.birth_date.to_string().as_str() < seen[0]);
        if let Some(death) = resources(&bundle).find_map(|r| r["deceasedDateTime"].as_str()) {
            assert!(row.deceased && *seen.last().unwrap() < death && death < "2026-06-30");
        }
    }
}

/// A number of the bundle as the lexeme that is written, which the floats of `serde_json` do not keep.
fn lexeme(quantity: &mediveil_record::json::Value) -> String {
    let Some(mediveil_record::json::Value::Number(number)) = quantity.get("value") else { panic!("no number") };
    number.lexeme().to_owned()
}

#[test]
fn the_table_holds_the_last_values_of_the_bundles() {
    let generator = Generator::new(1);
    let table = generator.cohort_csv(100);
    let mut lines = table.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(columns.len(), 24);
    for (patient, line) in generator.patients(100).zip(lines) {
        let row: BTreeMap<&str, &str> = columns.iter().copied().zip(line.split(',')).collect();
        assert_eq!((row.len(), line), (24, patient.cohort_row().to_csv().as_str()));
        let record = Record::parse(patient.bundle_json().as_bytes(), &Limits::default()).unwrap();
        // Newest last, by its date.
        let mut last: BTreeMap<String, (String, String)> = BTreeMap::new();
        for observation in record.of_type("Observation") {
            let value = observation.json();
            let date = value.get("effectiveDateTime").unwrap().as_str().unwrap().to_owned();
            let mut see = |part: &mediveil_record::json::Value| {
                let coding = &part.get("code").unwrap().get("coding").unwrap().as_array().unwrap()[0];
                let code = coding.get("code").unwrap().as_str().unwrap().to_owned();
                let Some(quantity) = part.get("valueQuantity") else { return };
                let seen = (date.clone(), lexeme(quantity));
                let newest = last.entry(code).or_insert_with(|| seen.clone());
                if seen.0 > newest.0 {
                    *newest = seen;
                }
            };
            see(value);
            value.get("component").and_then(|parts| parts.as_array()).into_iter().flatten().for_each(see);
        }
        for (column, code) in [
            ("height_cm", "8302-2"),
            ("weight_kg", "29463-7"),
            ("bmi", "39156-5"),
            ("systolic_bp", "8480-6"),
            ("diastolic_bp", "8462-4"),
            ("glucose", "2339-0"),
            ("hba1c", "4548-4"),
            ("total_cholesterol", "2093-3"),
            ("hdl", "2085-9"),
            ("triglycerides", "2571-8"),
            ("creatinine", "38483-4"),
            ("hemoglobin", "718-7"),
        ] {
            let observed = last.get(code).map_or("", |(_, lexeme)| lexeme.as_str());
            assert_eq!(row[column], observed, "{column} of {}", patient.id());
        }
        let bundle = json(&patient);
        let of = |kind: &str| -> Vec<&Value> { resources(&bundle).filter(|r| r["resourceType"] == kind).collect() };
        let person = of("Patient")[0];
        assert_eq!((&person["id"], &person["birthDate"]), (&row["patient_id"].into(), &row["birth_date"].into()));
        assert_eq!(
            (&person["gender"], &person["extension"][0]["extension"][1]["valueString"]),
            (&row["sex"].into(), &row["race"].into())
        );
        assert_eq!(of("Organization")[0]["identifier"][0]["value"], row["site"]);
        assert_eq!(row["deceased"] == "1", person.get("deceasedDateTime").is_some());
        assert_eq!(row["n_conditions"], of("Condition").len().to_string());
        let has = |code: &str| of("Condition").iter().any(|c| c["code"]["coding"][0]["code"] == code);
        for (column, code) in [
            ("diabetes", "44054006"),
            ("prediabetes", "15777000"),
            ("hypertension", "59621000"),
            ("heart_disease", "53741008"),
        ] {
            assert_eq!(row[column] == "1", has(code), "{column}");
        }
        let smokes = resources(&bundle).any(|r| r["valueCodeableConcept"]["coding"][0]["code"] == "77176002");
        assert_eq!(row["smoker"] == "1", smokes);
    }
}

fn mean(values: impl Iterator<Item = i64>) -> i64 {
    let (n, sum) = values.fold((0, 0), |(n, sum), value| (n + 1, sum + value));
    assert!(n > 50, "too few to tell: {n}");
    1000 * sum / n
}

/// The mean of a value, in thousandths of its last place, over the rows that have it, without and with a trait.
fn means(
    rows: &[CohortRow],
    split: impl Fn(&CohortRow) -> bool,
    value: impl Fn(&CohortRow) -> Option<i64>,
) -> (i64, i64) {
    let of = |side: bool| mean(rows.iter().filter(|row| split(row) == side).filter_map(&value));
    (of(false), of(true))
}

#[test]
fn effects_have_the_right_sign_and_size() {
    let rows: Vec<CohortRow> = Generator::new(6).patients(2000).map(|patient| patient.cohort_row()).collect();
    let units = |value: Option<Fixed>| value.map(Fixed::units);
    // Each claim: without, with, and the least difference in units of the last place.
    let claims = [
        ("HbA1c by diabetes", means(&rows, |r| r.diabetes, |r| units(r.hba1c)), 15),
        ("glucose by diabetes", means(&rows, |r| r.diabetes, |r| units(r.glucose)), 35),
        ("HbA1c by prediabetes", means(&rows, |r| r.diabetes || r.prediabetes, |r| units(r.hba1c)), 7),
        ("systolic by hypertension", means(&rows, |r| r.hypertension, |r| Some(r.systolic_bp.units())), 15),
        ("diastolic by hypertension", means(&rows, |r| r.hypertension, |r| Some(r.diastolic_bp.units())), 8),
        ("BMI by diabetes", means(&rows, |r| r.diabetes, |r| Some(r.bmi.units())), 5),
        ("age by diabetes", means(&rows, |r| r.diabetes, |r| Some(-r.birth_date.days() / 365)), 4),
        ("age by hypertension", means(&rows, |r| r.hypertension, |r| Some(-r.birth_date.days() / 365)), 5),
        (
            "heart disease by smoking, per mille",
            means(&rows, |r| r.smoker, |r| Some(1000 * i64::from(r.heart_disease))),
            50,
        ),
        (
            "heart disease by hypertension, per mille",
            means(&rows, |r| r.hypertension, |r| Some(1000 * i64::from(r.heart_disease))),
            50,
        ),
        (
            "death by heart disease, per mille",
            means(&rows, |r| r.heart_disease, |r| Some(1000 * i64::from(r.deceased))),
            30,
        ),
        (
            "glucose by HbA1c of 6.5",
            means(&rows, |r| units(r.hba1c) >= Some(65), |r| r.hba1c.and(units(r.glucose))),
            35,
        ),
        ("triglycerides by diabetes", means(&rows, |r| r.diabetes, |r| units(r.triglycerides)), 20),
    ];
    for (claim, (without, with), least) in claims {
        println!("{claim}: {without} {with}");
        assert!(with - without >= 1000 * least, "{claim}: {without} without, {with} with");
    }
    let (without, with) = means(&rows, |r| r.smoker, |r| units(r.hdl));
    assert!(without - with >= 2000, "smokers have less HDL: {without} {with}");

    for row in &rows {
        assert!(row.systolic_bp.units() >= row.diastolic_bp.units() + 25);
        assert!((150..=600).contains(&row.bmi.units()), "{}", row.bmi);
        // kg/m2 from what is printed, within half of the last place.
        let (h, w) = (row.height_cm.units(), row.weight_kg.units());
        assert!((2 * (w * 1_000_000 - row.bmi.units() * h * h)).abs() <= h * h);
        assert!(!(row.diabetes && row.prediabetes));
    }
}

#[test]
fn tables_have_three_sites_and_gaps() {
    let rows: Vec<CohortRow> = Generator::new(6).patients(400).map(|patient| patient.cohort_row()).collect();
    for site in ["A", "B", "C"] {
        assert!(rows.iter().filter(|row| row.site.to_string() == site).count() >= 60, "{site}");
    }
    type Column = fn(&CohortRow) -> Option<Fixed>;
    let columns: [Column; 6] =
        [|r| r.glucose, |r| r.hba1c, |r| r.total_cholesterol, |r| r.hdl, |r| r.triglycerides, |r| r.creatinine];
    for column in columns {
        let missing = rows.iter().filter(|row| column(row).is_none()).count();
        assert!((20..=240).contains(&missing), "{missing}");
    }
}

/// The table's columns are those of the sample data beside the repository, where it is there.
#[test]
fn the_header_is_that_of_the_shared_table() {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cohort.csv");
    let Ok(table) = std::fs::read_to_string(shared) else { return };
    assert_eq!(table.lines().next(), Some(CohortRow::HEADER));
}
