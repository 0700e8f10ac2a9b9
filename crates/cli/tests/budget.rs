//! Budgets on the command line: what is charged, what is refused, what is free, and what an audit finds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{mediveil, run, says};
use mediveil_ledger::rusqlite::Connection;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

const SCHEMA: &str = r#"{"patient": "patient_id", "rows_per_patient": 1, "max_rows": 10000, "columns": [
    {"kind": "category", "name": "site", "values": ["A", "B", "C"]},
    {"kind": "number", "name": "hba1c", "low": "3", "high": "20", "scale": 2},
    {"kind": "number", "name": "diabetes", "low": "0", "high": "1"},
    {"kind": "text", "name": "race"}]}"#;
const COUNT: &str = r#"{"statistic": "count"}"#;
const MEAN: &str = r#"{"statistic": {"mean": {"column": "hba1c"}}}"#;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A folder with an owner, a log, a schema and a cohort of 200.
fn study() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    run(at, &["identity", "new", "--out", "owner.key"], 0);
    run(at, &["log", "init", "events.log", "--salt", "salt"], 0);
    run(at, &["sample", "--patients", "200", "--out", "bundles", "--cohort", "cohort.csv"], 0);
    fs::write(at.join("schema.json"), SCHEMA).unwrap();
    folder
}

fn create(at: &Path, file: &str, name: &str, more: &[&str], code: i32) -> String {
    let args = ["budget", "create", file, "--log", "events.log", "--schema", "schema.json", "--data-set", name];
    says(at, &[&args[..], &["--owner", "owner.key.pub"], more].concat(), code)
}

fn ask(at: &Path, query: &str, more: &[&str], code: i32) -> Output {
    run(at, &[&["budget", "query", "heart.budget", query, "--table", "cohort.csv"], more].concat(), code)
}

fn size(at: &Path) -> u64 {
    json(&run(at, &["log", "head", "events.log", "--json"], 0))["size"].as_u64().unwrap()
}

#[test]
fn a_schema_that_was_changed_behind_the_log_plans_nothing() {
    let folder = study();
    let at = folder.path();
    create(at, "heart.budget", "heart", &["--epsilon", "1"], 0);
    let file = at.join("heart.budget");
    let text = fs::read_to_string(&file).unwrap();
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    changed["schema"]["columns"][1]["high"] = "15".into();
    fs::write(&file, changed.to_string()).unwrap();
    for command in ["show", "report"] {
        let said = says(at, &["budget", command, "heart.budget"], 4);
        assert!(said.contains("heart.budget: its schema is not one that was declared"), "{said}");
    }
    ask(at, MEAN, &["--epsilon", "0.1"], 4);
    assert_eq!(size(at), 2);
    // Declared, it is the schema of a later version.
    fs::write(&file, &text).unwrap();
    fs::write(at.join("later.json"), SCHEMA.replace("\"20\"", "\"15\"")).unwrap();
    run(at, &["budget", "schema", "heart.budget", "--schema", "later.json"], 0);
    assert_eq!(size(at), 3);
    assert_ne!(fs::read_to_string(&file).unwrap(), text);
    run(at, &["budget", "show", "heart.budget"], 0);
    run(at, &["budget", "audit", "heart.budget"], 0);
}

#[test]
fn terms_are_for_life_and_create_leaves_nothing_behind_when_refused() {
    let folder = study();
    let at = folder.path();
    assert!(create(at, "heart.budget", "heart", &["--epsilon", "1"], 0).contains("epsilon 1"));
    assert!(create(at, "heart.budget", "other", &["--epsilon", "1"], 3).contains("heart.budget: exists"));
    assert!(create(at, "again.budget", "heart", &["--epsilon", "9"], 3).contains("for life"));
    for bad in
        [&["--epsilon", "0"][..], &["--epsilon", "-1"], &["--epsilon", "NaN"], &["--epsilon", "1", "--rho", "1"], &[]]
    {
        create(at, "again.budget", "lungs", bad, 2);
    }
    fs::write(at.join("schema.json"), SCHEMA.replace("\"3\"", "\"30\"")).unwrap();
    assert!(create(at, "again.budget", "lungs", &["--epsilon", "1"], 4).contains("schema.json: hba1c"));
    assert!(!at.join("again.budget").exists());
    assert_eq!(size(at), 2, "one budget and its schema are in the log");
    // The folder can be moved: a log beside the file is found beside it.
    fs::create_dir(at.join("moved")).unwrap();
    for file in ["events.log", "heart.budget"] {
        fs::rename(at.join(file), at.join("moved").join(file)).unwrap();
    }
    run(at, &["budget", "show", "moved/heart.budget"], 0);
}

#[test]
fn a_query_is_charged_once_refused_beyond_the_cap_and_free_when_repeated() {
    let folder = study();
    let at = folder.path();
    create(at, "heart.budget", "heart", &["--epsilon", "1"], 0);
    let before = size(at);
    let preview = ["budget", "preview", "heart.budget", MEAN, "--epsilon", "0.6", "--json"];
    let seen = json(&run(at, &preview, 0));
    assert_eq!(seen["queries"][0]["remaining"]["epsilon_units"], 1u64 << 40);
    assert_eq!(seen["queries"][0]["expected"][0]["figure"], "sum");
    assert!(seen["queries"][0]["expected"][0]["half_width_95"].as_f64().unwrap() > 0.0);
    assert_eq!(size(at), before, "a preview touches nothing");

    let first = json(&ask(at, MEAN, &["--epsilon", "0.6", "--json", "-o", "first"], 0));
    let value = |v: &Value| (v["answer"][0]["low"].as_f64().unwrap(), v["answer"][0]["high"].as_f64().unwrap());
    assert!(value(&first).0 >= 3.0 && value(&first).1 <= 20.0 && value(&first).0 < value(&first).1);
    let spent = first["cost"]["epsilon_units"].as_u64().unwrap();
    assert!(spent <= (1u64 << 40) * 6 / 10 && spent > (1u64 << 40) * 59 / 100);
    let left = (1u64 << 40) - spent;
    assert_eq!(first["remaining"]["epsilon_units"], left);
    let size_after = size(at);
    for _ in 0..2 {
        let again = json(&ask(at, MEAN, &["--epsilon", "0.6", "--json", "-o", "again", "--researcher", "bob"], 0));
        assert_eq!((&again["answer"], &again["repeated"]), (&first["answer"], &Value::Bool(true)));
        assert_eq!(again["remaining"]["epsilon_units"], left);
        assert_eq!(fs::read(at.join("again")).unwrap(), fs::read(at.join("first")).unwrap());
    }
    // From a file, and with the spaces elsewhere, it is the same query.
    fs::write(at.join("mean.json"), MEAN.replace(' ', "\n")).unwrap();
    assert_eq!(json(&ask(at, "mean.json", &["--epsilon", "0.6", "--json"], 0))["repeated"], true);
    assert_eq!(size(at), size_after, "a repeat records nothing");

    let refused = ask(at, MEAN, &["--epsilon", "0.6", "--version", "2", "-o", "none"], 3);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("costs epsilon 0.6") && said.contains("epsilon 0.4") && said.contains("remains"), "{said}");
    assert!(refused.stdout.is_empty() && !at.join("none").exists());
    // A refusal says the same whatever the table holds, and does not look at it.
    let absent =
        ["budget", "query", "heart.budget", MEAN, "--epsilon", "0.6", "--version", "2", "--table", "absent.csv"];
    assert_eq!(says(at, &absent, 3), said);
    assert!(
        String::from_utf8(
            run(at, &["budget", "preview", "heart.budget", MEAN, "--epsilon", "0.6", "--version", "2"], 0).stdout
        )
        .unwrap()
        .contains("refused    over the data set's budget")
    );
    ask(at, COUNT, &["--epsilon", "0.3"], 0);
    assert!(
        String::from_utf8(run(at, &["budget", "audit", "heart.budget"], 0).stdout)
            .unwrap()
            .contains("nothing is amiss")
    );
}

#[test]
fn queries_that_make_no_sense_are_refused_before_anything_is_spent() {
    let folder = study();
    let at = folder.path();
    create(at, "heart.budget", "heart", &["--epsilon", "1"], 0);
    let before = size(at);
    for (query, why) in [
        (r#"{"statistic": {"mean": {"column": "name"}}}"#, "no column \"name\""),
        (r#"{"statistic": {"mean": {"column": "patient_id"}}}"#, "no column"),
        (r#"{"statistic": {"sum": {"column": "site"}}}"#, "expected a column of numbers"),
        (r#"{"statistic": "everything"}"#, "cannot be read"),
        ("{", "cannot be read"),
    ] {
        let said = String::from_utf8(ask(at, query, &["--epsilon", "0.1"], 2).stderr).unwrap();
        assert!(said.contains(why), "{query}: {said}");
    }
    ask(at, "missing.json", &["--epsilon", "0.1"], 1);
    ask(at, COUNT, &[], 2);
    ask(at, COUNT, &["--epsilon", "inf"], 2);
    // A pure budget admits no Gaussian noise and no thresholds.
    ask(at, COUNT, &["--rho", "0.1"], 3);
    ask(at, r#"{"statistic": {"groups": {"by": ["race"], "delta": "0.0001"}}}"#, &["--epsilon", "0.1"], 3);
    fs::write(at.join("cohort.csv"), "patient_id,site,hba1c,diabetes,race\np1,A,high,0,x\n").unwrap();
    let said = String::from_utf8(ask(at, COUNT, &["--epsilon", "0.1"], 4).stderr).unwrap();
    assert!(said.contains("line 2, column \"hba1c\"") && !said.contains("high"), "{said}");
    assert_eq!(size(at), before);
}

#[test]
fn budgets_of_rho_take_every_kind_of_noise_and_tell_their_epsilon() {
    let folder = study();
    let at = folder.path();
    create(at, "heart.budget", "heart", &["--rho", "1", "--delta", "0.00001"], 0);
    ask(at, COUNT, &["--rho", "0.1"], 0);
    ask(at, MEAN, &["--epsilon", "0.5"], 0);
    let groups = r#"{"statistic": {"groups": {"by": ["race"], "delta": "0.000001"}}}"#;
    let shown = json(&ask(at, groups, &["--rho", "0.4", "--json"], 0));
    assert!(shown["cost"]["delta_units"].as_u64().unwrap() > 0);
    assert!(!shown["answer"].as_array().unwrap().is_empty(), "a group of dozens is shown");
    let quantile = r#"{"statistic": {"quantile": {"column": "hba1c", "numerator": 1, "denominator": 2}}}"#;
    assert!(json(&ask(at, quantile, &["--rho", "0.1", "--json"], 0))["rank_error"].as_f64().unwrap() > 0.0);
    let shown = String::from_utf8(run(at, &["budget", "show", "heart.budget"], 0).stdout).unwrap();
    assert!(shown.contains("cap        rho 1, delta 0.00001") && shown.contains("which is   epsilon"), "{shown}");
    // Together they promise more than the sum says, if fixed beforehand: the exact report is never above the sum's.
    let both = ["budget", "preview", "heart.budget", COUNT, MEAN, "--rho", "0.05", "--version", "7", "--json"];
    let both = json(&run(at, &both, 0));
    let sum = both["cost"]["rho"].as_f64().unwrap();
    let converted = mediveil_dp::accounting::epsilon_of_rho(sum, 1e-6);
    let exact = both["fixed"]["epsilon"].as_f64().unwrap();
    assert!(exact > 0.0 && exact <= converted, "{exact} {converted}");
}

#[test]
fn quotas_lie_beneath_the_cap_and_the_report_tells_who_spent_what() {
    let folder = study();
    let at = folder.path();
    create(at, "heart.budget", "heart", &["--epsilon", "2"], 0);
    run(at, &["budget", "quota", "heart.budget", "researcher:ada=0.5", "researcher:bob <b>=1"], 0);
    for bad in ["boss:ada=1", "researcher:ada", "researcher:ada=-1", "researcher:=1"] {
        run(at, &["budget", "quota", "heart.budget", bad], 2);
    }
    ask(at, COUNT, &["--epsilon", "0.3", "--researcher", "ada", "--project", "p1"], 0);
    let said = String::from_utf8(ask(at, MEAN, &["--epsilon", "0.3", "--researcher", "ada"], 3).stderr).unwrap();
    assert!(said.contains("over the researcher's quota") && said.contains("0.2"), "{said}");
    ask(at, MEAN, &["--epsilon", "0.3"], 3);
    ask(at, MEAN, &["--epsilon", "0.3", "--researcher", "bob <b>"], 0);

    let report = json(&run(at, &["budget", "report", "heart.budget", "--json"], 0));
    assert_eq!(report["queries"].as_array().unwrap().len(), 2);
    let names: Vec<&str> =
        report["researchers"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ada", "bob <b>"]);
    assert_eq!(report["researchers"][0]["spent"], report["queries"][0]["cost"]);
    assert_eq!(report["quotas"][0]["spent"], report["queries"][0]["cost"]);
    assert_eq!(report["spent"], report["queries"][1]["total"]);
    let text = String::from_utf8(run(at, &["budget", "report", "heart.budget"], 0).stdout).unwrap();
    assert!(text.contains("quota of researcher ada") && text.contains(" |") && text.contains('#'), "{text}");
    run(at, &["budget", "report", "heart.budget", "--html", "-o", "report.html"], 0);
    let page = fs::read_to_string(at.join("report.html")).unwrap();
    assert!(
        page.contains("<svg") && page.contains("bob &lt;b&gt;") && !page.contains("<b>") && !page.contains("<script")
    );
}

#[test]
fn per_record_budgets_need_their_salt_and_say_nothing_of_what_remains() {
    let folder = study();
    let at = folder.path();
    create(at, "heart.budget", "heart", &["--epsilon", "0.5", "--per-record"], 0);
    ask(at, COUNT, &["--epsilon", "0.4"], 2);
    let salted = ["--epsilon", "0.4", "--salt", "salt", "--json"];
    let first = json(&ask(at, COUNT, &salted, 0));
    assert_eq!(first["remaining"], Value::Null);
    // Everybody has paid: nobody takes part in the next, and it is answered all the same.
    let next = json(&ask(at, MEAN, &salted, 0));
    assert_eq!(next["remaining"], Value::Null);
    ask(at, COUNT, &["--epsilon", "0.6", "--salt", "salt"], 3);
    run(at, &["budget", "audit", "heart.budget"], 0);
    run(at, &["budget", "report", "heart.budget"], 0);
}

#[test]
fn an_audit_finds_what_was_changed_and_a_copy_that_was_put_back() {
    let folder = study();
    let at = folder.path();
    create(at, "heart.budget", "heart", &["--epsilon", "1"], 0);
    ask(at, COUNT, &["--epsilon", "0.3"], 0);
    fs::copy(at.join("events.log"), at.join("early")).unwrap();
    ask(at, MEAN, &["--epsilon", "0.3"], 0);
    run(at, &["log", "head", "events.log", "--sign", "owner.key", "-o", "head"], 0);
    let good = fs::read(at.join("events.log")).unwrap();
    let against = ["budget", "audit", "heart.budget", "--against", "head", "--signer", "owner.key.pub"];
    run(at, &against, 0);
    for (sql, why) in [
        ("UPDATE dp_budget SET main = 0", "TableTotal"),
        ("UPDATE dp_query SET answer = x'00'", "StoredAnswer"),
        ("DELETE FROM dp_query", "TableQuery"),
        ("DELETE FROM ledger_entry WHERE idx = 1", "entry 1 is missing"),
    ] {
        Connection::open(at.join("events.log")).unwrap().execute_batch(sql).unwrap();
        let said = says(at, &["budget", "audit", "heart.budget"], 4);
        assert!(said.contains(why), "{sql}: {said}");
        fs::write(at.join("events.log"), &good).unwrap();
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(at.join(format!("events.log{suffix}")));
        }
    }
    fs::copy(at.join("early"), at.join("events.log")).unwrap();
    run(at, &["budget", "audit", "heart.budget"], 0);
    assert!(says(at, &against, 4).contains("rolled back"));
    // A file that names another data set, or is none.
    let file = fs::read_to_string(at.join("heart.budget")).unwrap();
    fs::write(at.join("heart.budget"), file.replacen("\"data_set\": \"", "\"data_set\": \"00", 1)).unwrap();
    run(at, &["budget", "show", "heart.budget"], 4);
    fs::write(at.join("heart.budget"), "{}").unwrap();
    run(at, &["budget", "show", "heart.budget"], 4);
}

#[test]
fn killed_in_the_middle_it_goes_on_and_pays_once() {
    let folder = study();
    let at = folder.path();
    create(at, "heart.budget", "heart", &["--epsilon", "1"], 0);
    let mut next = 0u64;
    for round in 0..5u64 {
        let before = size(at);
        // From the last one that was debited: if it was left open it is gone on with, and if not, it is free.
        let from = next.saturating_sub(1).to_string();
        let mut child = mediveil(at, &["budget", "hammer", "heart.budget", "--table", "cohort.csv", "--from", &from])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut waited = 0;
        while size(at) == before && waited < 500 {
            std::thread::sleep(Duration::from_millis(5));
            waited += 1;
        }
        std::thread::sleep(Duration::from_millis(round * 3));
        child.kill().unwrap();
        child.wait().unwrap();
        let audit = json(&run(at, &["budget", "audit", "heart.budget", "--json"], 0));
        let debits = audit["debits"].as_u64().unwrap();
        assert!(debits > next, "the child asked nothing");
        assert!(debits - audit["answered"].as_u64().unwrap() <= 1);
        assert_eq!(audit["spent"]["epsilon_units"], debits * 3);
        next = debits;
    }
}

#[test]
fn the_tour_records_spends_is_killed_and_catches_changed_logs() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("fhir")).unwrap();
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"resource":{"resourceType":"Observation","id":"o","valueQuantity":{"value":6.4}}},
        {"resource":{"resourceType":"Patient","id":"a-patient-of-the-tour"}}]}"#;
    fs::write(at.join("fhir").join("a-patient-of-the-tour.json"), bundle).unwrap();
    // A cohort beside the bundles is taken.
    run(at, &["sample", "--patients", "60", "--out", "bundles", "--cohort", "cohort.csv"], 0);
    run(at, &["tour", "--quick", "--fhir", "fhir", "--out", "out"], 0);
    assert!(!at.join("out/cohort.csv").exists());
    let report: Value = serde_json::from_slice(&fs::read(at.join("out/report.json")).unwrap()).unwrap();
    let steps = report.as_array().unwrap();
    let names = ["open a log", "record events", "create a budget", "ask until refused", "ask again for free"];
    for name in names.into_iter().chain(["kill the budgeter", "verify the log", "catch a changed log"]) {
        assert!(steps.iter().any(|s| s["name"] == name && s["ok"] == true), "{name}");
    }
    // What it leaves behind is true for others as well: every step is in the log, and the budget's audit is clean.
    let lines = String::from_utf8(run(at, &["log", "follow", "out/events.log", "--no-wait"], 0).stdout).unwrap();
    for step in steps {
        assert!(lines.contains(&format!("tour: {}: holds", step["name"].as_str().unwrap())), "{step}");
    }
    run(at, &["log", "verify", "out/events.log"], 0);
    run(at, &["log", "verify", "out/log/edited.log"], 4);
    run(at, &["budget", "audit", "out/cohort.budget"], 0);
}
