//! Authorities, attribute keys and policy doors on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{run, says};
use serde_json::Value;
use std::fs;
use std::path::Path;

const RECORD: &[u8] = br#"{"resourceType":"Observation","valueQuantity":{"value":6.4}}"#;
const POLICY: &str = "(role:cardiologist and site:A and clearance >= 3) or role:emergency";
const NOW: &str = "2026-11-21T08:00:00Z";

fn grant(at: &Path, name: &str, attributes: &[&str], expiry: &[&str], now: &str) {
    let out = format!("{name}.key");
    let mut args = vec!["authority", "grant", "care.authority", "--out", &out, "--now", now];
    attributes.iter().for_each(|a| args.extend(["--attribute", a]));
    args.extend(expiry);
    run(at, &args, 0);
}

/// A folder with an authority, keys, a patient and a record sealed for the patient and under [`POLICY`].
fn hospital() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    run(at, &["identity", "new", "--out", "patient.key"], 0);
    let new = "authority new --out care.authority --name St.Anna --epoch hours --integer clearance:4 --date employed";
    let new: Vec<&str> = new.split(' ').chain(["--emergency", "role:emergency"]).collect();
    run(at, &new, 0);
    let year = ["--until", "2027-11-21"];
    grant(at, "doctor", &["role:cardiologist", "site:A", "clearance=3", "employed=2020-05-01"], &year, NOW);
    grant(at, "trainee", &["role:cardiologist", "site:A", "clearance=2"], &year, NOW);
    grant(at, "insurer", &["role:insurer", "site:A", "clearance=9"], &year, NOW);
    grant(at, "elsewhere", &["role:cardiologist", "site:B", "clearance=9"], &year, NOW);
    grant(at, "expired", &["role:emergency"], &["--emergency"], "2026-11-19T08:00:00Z");
    grant(at, "emergency", &["role:emergency"], &["--emergency"], NOW);
    grant(at, "timeless", &["role:cardiologist", "site:A", "clearance=3"], &["--no-expiry"], NOW);
    fs::write(at.join("record.json"), RECORD).unwrap();
    seal(at, "r.sealed", &["--to", "patient.key.pub"]);
    folder
}

fn seal(at: &Path, out: &str, more: &[&str]) {
    let mut args = vec!["seal", "record.json", "-o", out, "--policy", POLICY];
    args.extend(["--authority", "care.authority.pub", "--now", NOW]);
    args.extend(more);
    run(at, &args, 0);
}

fn opens(at: &Path, file: &str, key: &str) {
    run(at, &["open", file, "-i", key, "-o", "opened"], 0);
    assert_eq!(fs::read(at.join("opened")).unwrap(), RECORD);
    fs::remove_file(at.join("opened")).unwrap();
}

fn refused(at: &Path, file: &str, keys: &[&str]) -> String {
    let mut args = vec!["open", file, "-o", "stolen"];
    keys.iter().for_each(|key| args.extend(["-i", key]));
    let said = says(at, &args, 3);
    let left = fs::read_dir(at).unwrap().any(|e| e.unwrap().file_name().to_string_lossy().contains("stolen"));
    assert!(!left, "something appeared");
    said
}

#[test]
fn fitting_keys_open_and_the_others_are_told_why_not() {
    let folder = hospital();
    let at = folder.path();
    for key in ["doctor.key", "emergency.key", "patient.key"] {
        opens(at, "r.sealed", key);
    }
    let said = refused(at, "r.sealed", &["insurer.key"]);
    assert!(said.contains("the policy needs role:cardiologist, or role:emergency"), "{said}");
    let said = refused(at, "r.sealed", &["trainee.key"]);
    assert!(said.contains("clearance >= 3"), "{said}");
    let said = refused(at, "r.sealed", &["expired.key"]);
    assert!(said.contains("this key expired at 2026-11-20T08:00:00Z, before the file was sealed"), "{said}");
    let said = refused(at, "r.sealed", &["timeless.key"]);
    assert!(said.contains("keys that carry an expiry"), "{said}");
    // What one lacks another has; keys do not combine.
    let said = refused(at, "r.sealed", &["elsewhere.key", "trainee.key", "insurer.key"]);
    assert!(said.contains("site:A") && said.contains("clearance >= 3"), "{said}");
    // Another authority with the same words.
    run(at, &["authority", "new", "--out", "other.authority"], 0);
    let other = ["authority", "grant", "other.authority", "--attribute", "role:emergency", "--no-expiry"];
    run(at, &[&other[..], &["--out", "other.key"]].concat(), 0);
    refused(at, "r.sealed", &["other.key"]);
    // Without the clause for the epoch everybody who satisfies the policy opens.
    seal(at, "open-ended.sealed", &["--no-expiry"]);
    for key in ["doctor.key", "expired.key", "timeless.key"] {
        opens(at, "open-ended.sealed", key);
    }
    refused(at, "open-ended.sealed", &["insurer.key"]);
}

#[test]
fn secrets_are_private_and_nothing_is_replaced_unasked() {
    let folder = hospital();
    let at = folder.path();
    for (name, label) in [
        ("care.authority", "ATTRIBUTE-AUTHORITY"),
        ("doctor.key", "ATTRIBUTE-KEY"),
        ("care.authority.pub", "AUTHORITY-PARAMETERS"),
    ] {
        let text = fs::read_to_string(at.join(name)).unwrap();
        assert!(text.starts_with(&format!("-----BEGIN MEDIVEIL {label}-----\n")), "{name}");
        #[cfg(unix)]
        if label != "AUTHORITY-PARAMETERS" {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(at.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }
    let before = [fs::read(at.join("care.authority")).unwrap(), fs::read(at.join("doctor.key")).unwrap()];
    assert!(says(at, &["authority", "new", "--out", "care.authority"], 3).contains("care.authority: exists"));
    let grant = ["authority", "grant", "care.authority", "--attribute", "role:x", "--no-expiry", "--out"];
    assert!(says(at, &[&grant[..], &["doctor.key"]].concat(), 3).contains("doctor.key: exists"));
    assert_eq!(before, [fs::read(at.join("care.authority")).unwrap(), fs::read(at.join("doctor.key")).unwrap()]);
    // Half of a pair is enough to refuse, and the other half does not appear.
    fs::write(at.join("half.authority.pub"), "mine").unwrap();
    run(at, &["authority", "new", "--out", "half.authority"], 3);
    assert!(!at.join("half.authority").exists());
}

#[test]
fn what_cannot_be_granted_leaves_no_key() {
    let folder = hospital();
    let at = folder.path();
    let base = ["authority", "grant", "care.authority", "--now", NOW, "--out", "bad.key"];
    for (code, words, args) in [
        (2, "required", &["--attribute", "role:nurse"][..]),
        (2, "required", &["--until", "2027-01-01"]),
        (2, "cannot be used with", &["--attribute", "role:nurse", "--emergency", "--until", "2027-01-01"]),
        (2, "declares no number `age`", &["--attribute", "age=3", "--until", "2027-01-01"]),
        (2, "at most 15", &["--attribute", "clearance=16", "--until", "2027-01-01"]),
        (2, "", &["--attribute", "nonsense", "--until", "2027-01-01"]),
        (3, "expired already", &["--attribute", "role:nurse", "--until", "2026-11-21"]),
        (3, "at most 24 hours", &["--attribute", "role:emergency", "--until", "2027-01-01"]),
        (3, "at most 24 hours", &["--attribute", "role:emergency", "--no-expiry"]),
    ] {
        let said = says(at, &[&base[..], args].concat(), code);
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(!at.join("bad.key").exists(), "{args:?}");
    }
    let from = |file: &str| {
        ["authority", "grant", file, "--attribute", "a:b", "--no-expiry", "--out", "bad.key"].map(str::to_owned)
    };
    for (code, file) in [(4, "care.authority.pub"), (4, "doctor.key"), (1, "missing")] {
        let args = from(file);
        run(at, &args.each_ref().map(String::as_str), code);
        assert!(!at.join("bad.key").exists());
    }
    run(at, &["authority", "new", "--out", "bad.authority", "--integer", "age:40"], 2);
    run(at, &["authority", "new", "--out", "bad.authority", "--integer", "age"], 2);
    assert!(!at.join("bad.authority").exists() && !at.join("bad.authority.pub").exists());
}

#[test]
fn bad_policies_seal_nothing() {
    let folder = hospital();
    let at = folder.path();
    let seal = |policy: &str, more: &[&str], code: i32| {
        let said = says(at, &[&["seal", "record.json", "-o", "bad", "--policy", policy], more].concat(), code);
        assert!(!at.join("bad").exists());
        said
    };
    let authority = ["--authority", "care.authority.pub"];
    assert!(seal("role:a and", &authority, 2).contains("expected"));
    assert!(seal("age >= 3", &authority, 2).contains("declares no number `age`"));
    assert!(seal("clearance >= 16", &authority, 2).contains("0 to 15"));
    seal("clearance > 5 and clearance < 3", &authority, 2);
    seal("role:a", &[], 2);
    seal("role:a", &["--authority", "patient.key.pub"], 4);
    seal("role:a", &["--authority", "missing"], 1);
    run(at, &["seal", "record.json", "-o", "bad", "--to", "patient.key.pub", "--no-expiry"], 2);
    assert!(!at.join("bad").exists());
}

#[test]
fn a_policy_and_its_authority_stand_in_the_clear() {
    let folder = hospital();
    let at = folder.path();
    let json = |args: &[&str]| -> Value { serde_json::from_slice(&run(at, args, 0).stdout).unwrap() };
    let parameters = json(&["authority", "inspect", "care.authority.pub", "--json"]);
    assert_eq!(parameters["name"], "St.Anna");
    assert_eq!(parameters["epochs"], "hours");
    assert_eq!(parameters["declares"]["numbers"][0]["name"], "clearance");
    assert_eq!(parameters["declares"]["emergency"][0], "role:emergency");
    assert_eq!(json(&["authority", "inspect", "care.authority", "--json"])["id"], parameters["id"]);
    let key = json(&["authority", "inspect", "doctor.key", "--json"]);
    assert_eq!(key["authority"], parameters["id"]);
    assert_eq!(key["attributes"], "role:cardiologist, site:A, clearance=3, employed=2020-05-01");
    assert_eq!(key["expires"], "2027-11-21T00:00:00Z");
    run(at, &["authority", "inspect", "patient.key"], 4);

    let doors = json(&["inspect", "r.sealed", "--json"]);
    let door = doors["doors"].as_array().unwrap().iter().find(|d| d["kind"] == "policy").unwrap().clone();
    assert_eq!(door["policy"], POLICY);
    assert_eq!(door["authority"], parameters["id"]);
    assert!(door["epoch"].is_u64());
    let text = String::from_utf8(run(at, &["inspect", "r.sealed"], 0).stdout).unwrap();
    assert!(text.contains(POLICY), "{text}");

    let policy = "clearance>=3 AND ( role:b or role:a )".replace("AND", "and");
    let explained = json(&["policy", "explain", &policy, "--authority", "care.authority.pub", "--json"]);
    assert_eq!(explained["leaves"], 3);
    assert_eq!(explained["opens"].as_array().unwrap().len(), 2);
    let canonical = explained["policy"].as_str().unwrap();
    assert_eq!(json(&["policy", "explain", canonical, "--json"])["policy"], canonical);
    let without = json(&["policy", "explain", &policy, "--authority", "care.authority.pub", "--no-expiry", "--json"]);
    assert!(without["rows"].as_u64() < explained["rows"].as_u64());
    run(at, &["policy", "explain", "age >= 3", "--authority", "care.authority.pub"], 2);
    run(at, &["policy", "explain", "2 of (a:b"], 2);
}

#[test]
fn doors_change_to_a_policy_and_away_from_it() {
    let folder = hospital();
    let at = folder.path();
    run(at, &["seal", "record.json", "-o", "p.sealed", "--to", "patient.key.pub"], 0);
    refused(at, "p.sealed", &["doctor.key"]);
    let add = ["rewrap", "p.sealed", "-o", "p.sealed", "-i", "patient.key", "--policy", POLICY];
    run(at, &[&add[..], &["--authority", "care.authority.pub", "--now", NOW]].concat(), 0);
    opens(at, "p.sealed", "doctor.key");
    opens(at, "p.sealed", "patient.key");
    // An attribute key changes doors as well, and only a fitting one.
    run(at, &["rewrap", "p.sealed", "-o", "q.sealed", "-i", "insurer.key", "--drop-kind", "policy"], 3);
    assert!(!at.join("q.sealed").exists());
    run(at, &["rewrap", "p.sealed", "-o", "q.sealed", "-i", "doctor.key", "--drop-kind", "policy"], 0);
    refused(at, "q.sealed", &["doctor.key"]);
    opens(at, "q.sealed", "patient.key");
}

#[test]
fn damaged_keys_and_doors_are_refused() {
    let folder = hospital();
    let at = folder.path();
    let key = fs::read_to_string(at.join("doctor.key")).unwrap();
    fs::write(at.join("cut.key"), &key[..key.len() / 2]).unwrap();
    run(at, &["open", "r.sealed", "-i", "cut.key", "-o", "stolen"], 4);
    run(at, &["open", "r.sealed", "-i", "care.authority", "-o", "stolen"], 4);
    let sealed = fs::read(at.join("r.sealed")).unwrap();
    let policy = sealed.windows(4).position(|w| w == b"site").unwrap();
    let mut bad = sealed.clone();
    bad[policy + 5] = b'B';
    fs::write(at.join("bad.sealed"), bad).unwrap();
    for key in ["doctor.key", "elsewhere.key"] {
        let output = common::mediveil(at, &["open", "bad.sealed", "-i", key, "-o", "stolen"]).output().unwrap();
        assert!(matches!(output.status.code(), Some(3 | 4)), "{key}");
    }
    assert!(!at.join("stolen").exists());
}

#[test]
fn the_tour_opens_by_attributes_and_refuses_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("fhir")).unwrap();
    for (name, value) in [("one", "6.4"), ("two", "7.1")] {
        let observation = format!(r#"{{"resourceType":"Observation","id":"o","valueQuantity":{{"value":{value}}}}}"#);
        let bundle = format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{observation}}},{{"resource":{{"resourceType":"Patient","id":"{name}"}}}}]}}"#
        );
        fs::write(at.join("fhir").join(format!("{name}.json")), bundle).unwrap();
    }
    run(at, &["tour", "--quick", "--fhir", "fhir", "--out", "out"], 0);
    let report: Value = serde_json::from_slice(&fs::read(at.join("out/report.json")).unwrap()).unwrap();
    let text = report.to_string();
    for step in
        ["grant attributes", "seal under a policy", "open by attributes", "refuse by attributes", "refuse pooled keys"]
    {
        assert!(text.contains(&format!(r#""name":"{step}","ok":true"#)), "{step}: {text}");
    }
    for name in ["one", "two"] {
        let seen = run(at, &["inspect", &format!("out/care/{name}.sealed")], 0).stdout;
        assert!(String::from_utf8(seen).unwrap().contains("(role:cardiologist and site:A) or role:emergency"));
    }
}
