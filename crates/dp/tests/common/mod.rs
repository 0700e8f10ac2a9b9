//! What the tests share: a cohort, a log in a temporary directory, budgets upon it.
//!
//! The suites run on files, and where `MEDIVEIL_TEST_POSTGRES` names a server, on schemas of it, all but the tests that are about
//! the file itself. `cargo xtask test` does both.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use mediveil_codec::Timestamp;
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Budget, Epsilon, Guarantee, Plan, Price, Query, Rho, Schema, Table, Terms};
use mediveil_ledger::{Actor, Log};

pub const DATA_SET: [u8; 32] = [7; 32];

pub const SCHEMA: &str = r#"{
    "patient": "id", "rows_per_patient": 2, "max_rows": 100000,
    "columns": [
        {"kind": "number", "name": "age", "low": "0", "high": "120"},
        {"kind": "number", "name": "hba1c", "low": "3.0", "high": "20.0", "scale": 1},
        {"kind": "category", "name": "sex", "values": ["f", "m"]},
        {"kind": "category", "name": "arm", "values": ["a", "b", "c"]},
        {"kind": "text", "name": "code"}
    ]
}"#;

pub fn now() -> Timestamp {
    "2027-01-31T08:00:00Z".parse().unwrap()
}

pub fn schema() -> Schema {
    Schema::from_json(SCHEMA).unwrap()
}

/// `patients` patients with two rows each; ages 20 to 79, hba1c 4.0 to 9.9, half of each sex, three arms, one code.
pub fn csv(patients: usize) -> String {
    let mut text = String::from("id,age,hba1c,sex,arm,code\n");
    for p in 0..patients {
        for row in 0..2 {
            let hba1c = 40 + (p * 7 + row * 3) % 60;
            text += &format!(
                "p{p},{},{}.{},{},{},E11\n",
                20 + p % 60,
                hba1c / 10,
                hba1c % 10,
                ["f", "m"][p % 2],
                ["a", "b", "c"][p % 3]
            );
        }
    }
    text
}

pub fn table(patients: usize) -> Table {
    Table::from_csv(csv(patients).as_bytes(), &schema()).unwrap()
}

pub fn epsilon(text: &str) -> Price {
    Price::Epsilon(text.parse().unwrap())
}

pub fn rho(text: &str) -> Price {
    Price::Rho(text.parse().unwrap())
}

pub fn query(json: &str) -> Query {
    Query::from_json(json).unwrap()
}

/// A count; different versions make different queries.
pub fn count(version: u64, price: Price) -> Plan {
    query(r#"{"statistic":"count"}"#).plan(&schema(), version, price).unwrap()
}

/// A count for this many units of epsilon.
pub fn count_for_units(version: u64, units: u64) -> Plan {
    count(version, Price::Epsilon(Epsilon::from_units(units).unwrap()))
}

pub fn terms(cap: Cost) -> Terms {
    Terms { data_set: DATA_SET, unit: schema().unit(), guarantee: Guarantee::DataSet, cap }
}

pub fn pure(text: &str) -> Cost {
    Cost::Pure(Epsilon::cap_from_decimal(text).unwrap())
}

pub fn concentrated(rho: &str, delta: &str) -> Cost {
    Cost::Concentrated { rho: Rho::cap_from_decimal(rho).unwrap(), delta: delta.parse().unwrap() }
}

pub struct Fixture {
    pub dir: tempfile::TempDir,
    pub log: Log,
    pub budget: Budget,
}

/// A log in a file.
pub fn log_in(dir: &tempfile::TempDir) -> Log {
    Log::create(dir.path().join("events.log"), &mut mediveil_rng::SeededRng::from_u64(1)).unwrap()
}

/// A log in a file, or in a schema of its own on the server that is named for tests.
pub fn any_log(dir: &tempfile::TempDir) -> Log {
    match store::schema() {
        Some(address) => Log::create(address, &mut mediveil_rng::SeededRng::from_u64(1)).unwrap(),
        None => log_in(dir),
    }
}

pub mod store;

pub fn with_terms(terms: Terms) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let log = any_log(&dir);
    let budget = Budget::create(&log, terms, Actor::SYSTEM, now()).unwrap();
    Fixture { dir, log, budget }
}

/// The same in a file.
pub fn in_a_file(terms: Terms) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(&dir);
    let budget = Budget::create(&log, terms, Actor::SYSTEM, now()).unwrap();
    Fixture { dir, log, budget }
}

pub fn with_cap(cap: Cost) -> Fixture {
    with_terms(terms(cap))
}
