//! Logs and budgets by the address of a PostgreSQL database, on the server that is named for tests.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{run, says};
use mediveil_ledger::postgres::{Client, NoTls};
use serde_json::Value;
use std::fs;

#[test]
fn a_password_does_not_belong_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["postgres://me:secret@host/db", "postgresql:///db?host=h&password=secret"] {
        let said = says(folder.path(), &["log", "init", address], 2);
        assert!(said.contains("PGPASSWORD") && !said.contains("secret"), "{said}");
        assert!(!says(folder.path(), &["log", "head", address], 2).contains("secret"));
    }
}

#[test]
fn a_log_and_a_budget_live_in_a_database_and_are_audited_there() {
    let Ok(server) = std::env::var("MEDIVEIL_TEST_POSTGRES") else {
        println!("SKIPPED: MEDIVEIL_TEST_POSTGRES names no server (cargo xtask test starts one)");
        return;
    };
    let schema = format!("cli_{}", std::process::id());
    let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
    Client::connect(&server, NoTls).unwrap().batch_execute(&sql).unwrap();
    let log = format!("{server}&options=-csearch_path%3D{schema}");
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = folder.path();
    run(at, &["log", "head", &log], 1);
    run(at, &["log", "init", &log], 0);
    run(at, &["log", "init", &log], 3);
    run(at, &["identity", "new", "--kind", "classic", "--out", "me.key"], 0);
    fs::write(
        at.join("schema.json"),
        r#"{"patient": "id", "rows_per_patient": 1, "max_rows": 100,
            "columns": [{"kind": "number", "name": "age", "low": "0", "high": "120"}]}"#,
    )
    .unwrap();
    fs::write(at.join("t.csv"), "id,age\na,30\nb,40\n").unwrap();
    let create = ["budget", "create", "b.json", "--log", &log, "--data-set", "d", "--schema", "schema.json"];
    run(at, &[&create[..], &["--epsilon", "1", "--owner", "me.key.pub"]].concat(), 0);
    // The file leads there from any folder: the budget is one, whoever asks from wherever.
    fs::copy(at.join("b.json"), other.path().join("b.json")).unwrap();
    fs::copy(at.join("t.csv"), other.path().join("t.csv")).unwrap();
    let ask = |at: &std::path::Path, version: &str, code| {
        let query = [r#"{"statistic": "count"}"#, "--table", "t.csv", "--epsilon", "0.6", "--version", version];
        run(at, &[&["budget", "query", "b.json"], &query[..], &["--json"]].concat(), code).stdout
    };
    let first: Value = serde_json::from_slice(&ask(at, "1", 0)).unwrap();
    let again: Value = serde_json::from_slice(&ask(other.path(), "1", 0)).unwrap();
    assert_eq!((&first["id"], &first["answer"]), (&again["id"], &again["answer"]));
    assert_eq!((&first["repeated"], &again["repeated"]), (&false.into(), &true.into()));
    ask(other.path(), "2", 3);
    run(at, &["budget", "audit", "b.json"], 0);
    run(other.path(), &["log", "verify", &log], 0);
    let lines = run(at, &["log", "follow", &log, "--no-wait", "--json"], 0).stdout;
    let kinds: Vec<String> = String::from_utf8(lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["created", "schema", "debited", "answered"]);
}
