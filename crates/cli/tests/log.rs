//! Logs on the command line: what scripts rely on, and what is caught.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{mediveil, run, says};
use mediveil_ledger::rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn note(at: &Path, text: &str) {
    run(at, &["log", "append", "events.log", "note", text], 0);
}

/// A folder with an operator, a stranger, and a log of four notes with its head in `old.head`.
fn office() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    run(at, &["identity", "new", "--out", "operator.key"], 0);
    run(at, &["identity", "new", "--out", "stranger.key"], 0);
    run(at, &["log", "init", "events.log", "--salt", "salt"], 0);
    for text in ["zero", "one", "two", "three"] {
        note(at, text);
    }
    run(at, &["log", "head", "events.log", "--sign", "operator.key", "-o", "old.head"], 0);
    folder
}

/// Copies a log that nobody has open.
fn copy(at: &Path, from: &str, to: &str) {
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(at.join(format!("{to}{suffix}")));
    }
    fs::copy(at.join(from), at.join(to)).unwrap();
}

fn edit(at: &Path, log: &str, sql: &str) {
    Connection::open(at.join(log)).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn init_never_replaces_and_the_salt_is_private() {
    let folder = office();
    let at = folder.path();
    assert!(says(at, &["log", "init", "events.log"], 3).contains("there is a log at this path already"));
    assert!(says(at, &["log", "init", "other.log", "--salt", "salt"], 3).contains("salt: exists"));
    assert!(!at.join("other.log").exists());
    fs::write(at.join("text"), "not a log, but longer than nothing\n").unwrap();
    assert!(says(at, &["log", "init", "text"], 4).contains("not a log"));
    assert!(says(at, &["log", "head", "missing.log"], 1).contains("missing.log: there is no log at this path"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(at.join("salt")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn append_records_each_kind_and_patients_by_pseudonym() {
    let folder = office();
    let at = folder.path();
    fs::write(at.join("consent.pdf"), "I agree").unwrap();
    fs::write(at.join("record"), "{}").unwrap();
    run(at, &["seal", "record", "-o", "record.sealed", "--to", "operator.key.pub"], 0);
    let about = ["--subject", "patient-17", "--salt", "salt", "--actor", "operator.key.pub"];
    let append = |event: &[&str]| {
        let mut args = vec!["log", "append", "events.log"];
        args.extend(event);
        args.extend(about);
        run(at, &args, 0);
    };
    append(&["sealed", "record.sealed"]);
    append(&["consent", "consent.pdf", "--purpose", "HRESCH", "--until", "2030-01-01"]);
    append(&["accessed", "record.sealed", "--door", "hpke-p256", "--purpose", "TREAT", "--consent", "consent.pdf"]);
    append(&["accessed", "record.sealed", "--door", "policy", "--refused"]);
    append(&["withdraw", "consent.pdf"]);
    assert!(says(at, &["log", "append", "events.log", "note", "x", "--subject", "p"], 2).contains("--salt FILE"));
    assert!(says(at, &["log", "append", "events.log", "sealed", "consent.pdf"], 4).contains("not a sealed file"));
    let long = "x".repeat(1025);
    assert!(says(at, &["log", "append", "events.log", "note", &long], 2).contains("1025 bytes"));

    let output = run(at, &["log", "follow", "events.log", "--no-wait", "--json", "--from", "4"], 0);
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<&str> = lines.iter().map(|l| l["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["sealed", "consent-granted", "accessed", "accessed", "consent-withdrawn"]);
    let subjects: BTreeSet<&str> = lines.iter().map(|l| l["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects.len(), 1, "one patient, one pseudonym");
    assert_eq!(lines[0]["doors"], 1);
    assert_eq!((&lines[2]["opened"], &lines[3]["opened"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(lines[2]["consent"], lines[1]["consent"]);
    assert_eq!(lines[2]["file"], lines[0]["file"]);
    let log = fs::read(at.join("events.log")).unwrap();
    assert!(!log.windows(10).any(|w| w == b"patient-17"), "an identifier stands in the log");
}

#[test]
fn appending_again_under_one_key_records_once() {
    let folder = office();
    let at = folder.path();
    let keyed =
        |text: &str, code: i32| run(at, &["log", "append", "events.log", "note", text, "--key", "k", "--json"], code);
    let (first, again) = (json(&keyed("same", 0)), json(&keyed("same", 0)));
    assert_eq!((&first["fresh"], &again["fresh"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(first["index"], again["index"]);
    keyed("other", 3);
    assert_eq!(json(&run(at, &["log", "head", "events.log", "--json"], 0))["size"], 5);
}

#[test]
fn proofs_verify_from_files_alone_and_only_for_the_signer() {
    let folder = office();
    let at = folder.path();
    note(at, "four");
    run(at, &["log", "head", "events.log", "--sign", "operator.key", "-o", "new.head"], 0);
    run(at, &["log", "prove", "events.log", "--entry", "2", "-o", "two.evidence"], 0);
    run(at, &["log", "prove", "events.log", "--entry", "2", "--bare", "-o", "two.proof"], 0);
    run(at, &["log", "prove", "events.log", "--since", "old.head", "-o", "growth.proof"], 0);
    assert!(says(at, &["log", "prove", "events.log", "--entry", "5", "-o", "x"], 2).contains("no entry 5"));
    assert!(!at.join("x").exists());
    for file in ["events.log", "events.log-wal", "events.log-shm"] {
        let _ = fs::remove_file(at.join(file));
    }
    let verify = |files: &[&str], signer: &str, code: i32| {
        let mut args = vec!["log", "verify"];
        args.extend(files);
        args.extend(["--signer", signer]);
        String::from_utf8(run(at, &args, code).stdout).unwrap()
    };
    assert!(verify(&["two.evidence"], "operator.key.pub", 0).contains("entry 2 of 5 is in the log"));
    assert!(verify(&["two.proof", "two.proof.entry", "new.head"], "operator.key.pub", 0).contains("number 2 of 5"));
    let all = ["growth.proof", "new.head", "old.head", "two.evidence"];
    assert!(verify(&all, "operator.key.pub", 0).contains("the log of 5 entries extends the one of 4"));
    // Another signer; no signer; heads that nothing joins; proofs without what they are about.
    verify(&["two.evidence"], "stranger.key.pub", 3);
    run(at, &["log", "verify", "two.evidence"], 2);
    verify(&["old.head", "new.head"], "operator.key.pub", 3);
    verify(&["growth.proof", "new.head"], "operator.key.pub", 2);
    verify(&["two.proof", "new.head"], "operator.key.pub", 2);
    verify(&["two.proof", "two.proof.entry"], "operator.key.pub", 2);
    run(at, &["log", "verify", "two.proof.entry"], 2);
    run(at, &["log", "verify", "operator.key.pub"], 4);
    // Another entry under a true proof.
    run(at, &["log", "init", "events.log"], 0);
    note(at, "forged");
    run(at, &["log", "head", "events.log", "--sign", "operator.key"], 0);
    run(at, &["log", "prove", "events.log", "--entry", "0", "--bare", "-o", "forged"], 0);
    verify(&["two.proof", "forged.entry", "new.head"], "operator.key.pub", 4);
    // Every changed line of a proof's file.
    for name in ["two.evidence", "growth.proof", "new.head"] {
        let good = fs::read_to_string(at.join(name)).unwrap();
        let middle = good.lines().nth(1).unwrap();
        let first = middle.chars().nth(40).unwrap();
        let other = if first == 'A' { 'B' } else { 'A' };
        let bad: String = middle.chars().enumerate().map(|(i, c)| if i == 40 { other } else { c }).collect();
        fs::write(at.join(name), good.replacen(middle, &bad, 1)).unwrap();
        let code = mediveil(at, &["log", "verify", "growth.proof", "new.head", "old.head", "two.evidence"])
            .args(["--signer", "operator.key.pub"])
            .output()
            .unwrap()
            .status
            .code();
        assert!(matches!(code, Some(2..=4)), "{name}: {code:?}");
        fs::write(at.join(name), good).unwrap();
    }
}

#[test]
fn an_edited_log_is_caught_and_the_place_is_named() {
    let folder = office();
    let at = folder.path();
    assert!(String::from_utf8(run(at, &["log", "verify", "events.log"], 0).stdout).unwrap().contains("4 entries"));
    let cases = [
        (
            "UPDATE ledger_entry SET body = (SELECT body FROM ledger_entry WHERE idx = 0) WHERE idx = 2",
            "entry 2 was changed",
        ),
        ("DELETE FROM ledger_entry WHERE idx = 1", "entry 1 is missing"),
        ("UPDATE ledger_node SET hash = zeroblob(32) WHERE pos = (SELECT max(pos) FROM ledger_node)", "was changed"),
        ("DELETE FROM ledger_entry WHERE idx = 3", "cut or extended"),
        ("CREATE TABLE ledger_more (a)", ""),
    ];
    for (sql, why) in cases {
        copy(at, "events.log", "edited.log");
        edit(at, "edited.log", sql);
        let said = says(at, &["log", "verify", "edited.log"], 4);
        assert!(said.contains("edited.log: the log is damaged") && said.contains(why), "{sql}: {said}");
    }
    // Nobody signs what was cut.
    copy(at, "events.log", "edited.log");
    edit(at, "edited.log", "UPDATE ledger_head SET head = zeroblob(9)");
    run(at, &["log", "head", "edited.log", "--sign", "operator.key", "-o", "lie.head"], 4);
    assert!(!at.join("lie.head").exists());
}

#[test]
fn rollback_and_fork_are_noticed_against_a_remembered_head() {
    let folder = office();
    let at = folder.path();
    copy(at, "events.log", "backup.log");
    let remember = ["log", "head", "events.log", "--sign", "operator.key", "--remember", "latest.head"];
    run(at, &remember, 0);
    note(at, "four");
    let said = String::from_utf8(run(at, &remember, 0).stdout).unwrap();
    assert!(said.contains("extends    the head of 4 entries"), "{said}");
    let head = fs::read(at.join("latest.head")).unwrap();

    copy(at, "backup.log", "events.log");
    let said = says(at, &remember, 4);
    assert!(said.contains("rolled back: 5 entries were promised and 4 are there"), "{said}");
    note(at, "something else");
    let said = says(at, &remember, 4);
    assert!(said.contains("rewritten, or this is a fork"), "{said}");
    assert_eq!(fs::read(at.join("latest.head")).unwrap(), head, "the remembered head is kept as evidence");
    // Without a remembered head the fork signs; the two heads of one size convict whoever signed both.
    run(at, &["log", "head", "events.log", "--sign", "operator.key", "-o", "fork.head"], 0);
    let said = says(at, &["log", "verify", "latest.head", "fork.head", "--signer", "operator.key.pub"], 4);
    assert!(said.contains("forked: two heads of size 5"), "{said}");
    let said = says(at, &["log", "verify", "events.log", "latest.head", "--signer", "operator.key.pub"], 4);
    assert!(said.contains("fork"), "{said}");
    // A head of another log, and one by another signer.
    run(at, &["log", "init", "other.log"], 0);
    let against =
        |log: &str, signer: &str| says(at, &["log", "head", log, "--against", "old.head", "--signer", signer], 3);
    assert!(against("other.log", "operator.key.pub").contains("this belongs to the log"));
    assert!(against("events.log", "stranger.key.pub").contains("names the signer"));
    run(at, &["log", "head", "events.log", "--against", "old.head"], 2);
    run(at, &["log", "head", "other.log", "-o", "none.head"], 3);
}

#[test]
fn follow_prints_what_another_process_records() {
    let folder = office();
    let at = folder.path();
    let mut child = mediveil(at, &["log", "follow", "events.log", "--from", "3", "--count", "3", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["text"], "three");
    note(at, "four");
    assert_eq!(next()["text"], "four");
    note(at, "five\u{1b}[31m");
    assert_eq!(next()["index"], 5);
    assert!(child.wait().unwrap().success());
    let plain = String::from_utf8(run(at, &["log", "follow", "events.log", "--no-wait"], 0).stdout).unwrap();
    assert_eq!(plain.lines().count(), 6);
    assert!(!plain.contains('\u{1b}'), "an entry writes to the terminal");
}

#[test]
fn export_gives_fhir_resources() {
    let folder = office();
    let at = folder.path();
    fs::write(at.join("consent.pdf"), "I agree").unwrap();
    let consent = ["log", "append", "events.log", "consent", "consent.pdf", "--purpose", "HRESCH"];
    run(at, &[&consent[..], &["--subject", "p1", "--salt", "salt"]].concat(), 0);
    let site = ["--namespace", "https://ehr.example.org", "--organization", "clinic"];
    let ends = ["--client", "portal=10.0.0.7", "--server", "ehr=ehr.example.org"];
    let export = [&["log", "export", "events.log"][..], &site, &ends].concat();
    let bundle = json(&run(at, &export, 0));
    let kinds: BTreeSet<&str> =
        bundle["entry"].as_array().unwrap().iter().map(|e| e["resource"]["resourceType"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["AuditEvent", "Consent", "Provenance"]));
    run(at, &[&export[..], &["--from", "4", "-o", "bundle.json"]].concat(), 0);
    let part: Value = serde_json::from_slice(&fs::read(at.join("bundle.json")).unwrap()).unwrap();
    assert_eq!(part["entry"].as_array().unwrap().len(), 3);
    run(at, &[&["log", "export", "events.log"][..], &site, &["--client", "portal", "--server", "ehr=x"]].concat(), 2);
}
