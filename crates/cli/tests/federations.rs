//! Federations through the command: exit codes, what appears and what does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{mediveil, run, says};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn json(at: &Path, args: &[&str]) -> Value {
    serde_json::from_slice(&run(at, &[args, &["--json"]].concat(), 0).stdout).unwrap()
}

fn people() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "one", "two", "three", "operator", "stranger"] {
        run(folder.path(), &["identity", "new", "--out", &format!("{name}.key")], 0);
    }
    folder
}

/// Terms for two sites and three members, two of whom are needed.
fn init<'a>(directory: &'a str, task: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = [
        "federate",
        "init",
        directory,
        "--task",
        task,
        "--site",
        "a.key.pub",
        "--site",
        "b.key.pub",
        "--member",
        "one.key.pub",
        "--member",
        "two.key.pub",
        "--member",
        "three.key.pub",
        "--needed",
        "2",
        "--operator",
        "operator.key.pub",
    ];
    [&fixed[..], more].concat()
}

#[test]
fn sums_from_terms_to_release_and_their_refusals() {
    let folder = people();
    let at = folder.path();
    fs::write(at.join("sum.json"), r#"{"kind": "sum"}"#).unwrap();
    fs::write(at.join("bad.json"), r#"{"kind": "difference"}"#).unwrap();
    let shape = ["--entries", "3", "--clip", "100", "--max-patients", "10", "--rho", "4000", "--rounds", "2"];
    // Nothing appears where the terms make no federation.
    run(at, &init("s", "bad.json", &shape), 4);
    run(at, &init("s", "sum.json", &["--rho", "1"]), 2);
    let dear = [&shape[..], &["--rho-round", "3000"]].concat();
    assert!(says(at, &init("s", "sum.json", &dear), 3).contains("cost more than the budget"));
    let coarse = [&shape[..], &["--steps", "4000"]].concat();
    assert!(says(at, &init("s", "sum.json", &coarse), 3).contains("16 bits hold 32767"));
    assert!(!at.join("s").exists());
    run(at, &init("s", "sum.json", &shape), 0);
    assert!(says(at, &init("s", "sum.json", &shape), 3).contains("terms never change"));

    fs::write(at.join("a.csv"), "1,2,3\n10,20,30\n").unwrap();
    fs::write(at.join("b.csv"), "300,-400,0\n").unwrap();
    let contribute = |who: &str, table: &str, code| {
        says(at, &["federate", "contribute", "s", "--vectors", table, "-i", &format!("{who}.key")], code)
    };
    assert!(contribute("a", "a.csv", 3).contains("no round has begun"));
    run(at, &["federate", "begin", "s"], 0);
    for (bad, why) in [("1,2\n", "entries"), ("1,2,x\n", "not numbers"), ("1,NaN,2\n", "finite")] {
        fs::write(at.join("bad.csv"), bad).unwrap();
        assert!(contribute("a", "bad.csv", 4).contains(why), "{bad}");
    }
    fs::write(at.join("bad.csv"), "1,2,3\n".repeat(11)).unwrap();
    contribute("a", "bad.csv", 4);
    contribute("stranger", "a.csv", 3);
    run(at, &["federate", "contribute", "s", "--csv", "a.csv", "-i", "a.key"], 2);
    assert_eq!(fs::read_dir(at.join("s/rounds/1")).unwrap().count(), 1, "the state alone");
    // Somebody who stopped between the files and the log can go on: what the log does not have is written anew.
    let there = at.join("s/rounds/1/site-0.contribution");
    let log = fs::read(at.join("s/log")).unwrap();
    contribute("a", "a.csv", 0);
    fs::write(at.join("s/log"), log).unwrap();
    let uncommitted = fs::read(&there).unwrap();
    contribute("a", "a.csv", 0);
    assert_ne!(fs::read(&there).unwrap(), uncommitted);
    assert!(contribute("a", "a.csv", 3).contains("contributed something else"));
    // Round the guard: the file gone, the log still knows; and the vector, which the log has promised, stays.
    let kept = fs::read(&there).unwrap();
    let vector = fs::read(at.join("s/rounds/1/site-0.vector")).unwrap();
    fs::remove_file(&there).unwrap();
    contribute("a", "a.csv", 3);
    assert!(!there.exists());
    assert!(fs::read(at.join("s/rounds/1/site-0.vector")).unwrap() == vector);
    fs::write(&there, kept).unwrap();
    contribute("b", "b.csv", 0);
    let noise = |who: &str, code| says(at, &["federate", "noise", "s", "-i", &format!("{who}.key")], code);
    noise("one", 0);
    assert!(says(at, &["federate", "close", "s"], 3).contains("1 members contributed, and 2 are needed"));
    noise("a", 3);
    noise("three", 0);
    let open = |who: &str, code| {
        says(at, &["federate", "open", "s", "-i", &format!("{who}.key"), "--store", &format!("{who}.store")], code)
    };
    assert!(open("one", 3).contains("not closed"));
    run(at, &["federate", "close", "s", "--without", "site-0"], 0);
    run(at, &["federate", "close", "s"], 3);
    noise("two", 3);
    open("stranger", 3);
    open("one", 0);
    let answer = at.join("s/rounds/1/member-1.answer");
    let first = fs::read(&answer).unwrap();
    open("one", 0);
    assert_eq!(fs::read(&answer).unwrap(), first, "a retry gives the same bytes");
    assert!(says(at, &["federate", "combine", "s"], 3).contains("2 are needed"));
    open("two", 0);
    let vector = at.join("s/rounds/1/site-1.vector");
    let kept = fs::read(&vector).unwrap();
    fs::write(&vector, &kept[1..]).unwrap();
    run(at, &["federate", "combine", "s", "-o", "sums.csv"], 4);
    assert!(!at.join("sums.csv").exists());
    fs::write(&vector, kept).unwrap();
    let released = json(at, &["federate", "combine", "s", "-o", "sums.csv"]);
    // One site, clipped to 100 in direction (3, -4, 0), and the noise of two members.
    let sums: Vec<f64> = released["sums"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let deviation = released["deviation"].as_f64().unwrap();
    assert!(deviation < 5.0 && sums.iter().zip([60.0, -80.0, 0.0]).all(|(a, b)| (a - b).abs() < 8.0 * deviation));
    assert_eq!(fs::read_to_string(at.join("sums.csv")).unwrap().lines().count(), 3);
    assert!(open("three", 3).contains("released before"));
    let status = json(at, &["federate", "status", "s"]);
    assert_eq!((&status["round"]["state"], &status["round"]["number"]), (&Value::from("released"), &Value::from(1)));
    assert!(status["plan"]["upload_ratio"].as_f64().is_some());
    assert_eq!(json(at, &["federate", "report", "s"])["rounds"].as_array().unwrap().len(), 1);
    // The budget holds two rounds; there is no third.
    run(at, &["federate", "begin", "s"], 0);
    run(at, &["federate", "begin", "s"], 0);
    assert!(says(at, &["federate", "combine", "s"], 3).contains("not closed"));
}

#[test]
fn of_many_contributions_at_once_one_counts_and_its_files_stay() {
    let folder = people();
    let at = folder.path();
    fs::write(at.join("sum.json"), r#"{"kind": "sum"}"#).unwrap();
    fs::write(at.join("a.csv"), "1,2,3\n").unwrap();
    run(at, &init("s", "sum.json", &["--entries", "3", "--clip", "100", "--max-patients", "10", "--rho", "4000"]), 0);
    run(at, &["federate", "begin", "s"], 0);
    let contribute = ["federate", "contribute", "s", "--vectors", "a.csv", "-i", "a.key"];
    let started: Vec<_> = (0..6).map(|_| mediveil(at, &contribute).spawn().unwrap()).collect();
    let codes: Vec<_> = started.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [0, 3].contains(code)), "{codes:?}");
    for member in ["one", "two"] {
        run(at, &["federate", "noise", "s", "-i", &format!("{member}.key")], 0);
    }
    run(at, &["federate", "close", "s"], 0);
    for member in ["one", "two"] {
        run(at, &["federate", "open", "s", "-i", &format!("{member}.key"), "--store", &format!("{member}.store")], 0);
    }
    assert_eq!(json(at, &["federate", "combine", "s"])["sites"], 1);
}

#[test]
fn a_simulation_reports_beside_the_pooled_fit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    run(at, &["sample", "--patients", "300", "--seed", "7", "--out", "bundles", "--cohort", "cohort.csv"], 0);
    let cohort = fs::read_to_string(at.join("cohort.csv")).unwrap();
    let (heading, rows) = cohort.split_once('\n').unwrap();
    for (site, part) in rows.lines().collect::<Vec<_>>().chunks(100).enumerate() {
        fs::write(at.join(format!("{site}.csv")), format!("{heading}\n{}\n", part.join("\n"))).unwrap();
    }
    let task = r#"{"kind": "logistic", "label": "diabetes", "features": [{"name": "hba1c", "centre": 5.7, "spread": 1}],
        "step": 2, "momentum": 0.5, "ridge": 0.001}"#;
    fs::write(at.join("task.json"), task).unwrap();
    let simulate = [
        "federate",
        "simulate",
        "--task",
        "task.json",
        "--csv",
        "0.csv",
        "--csv",
        "1.csv",
        "--csv",
        "2.csv",
        "--rho",
        "8",
        "--rounds",
        "3",
        "--bits",
        "32",
        "--max-patients",
        "100",
        "--repeats",
        "5",
        "--out",
        "sim",
    ];
    let report = json(at, &simulate);
    assert_eq!(report["simulation"], Value::from(true));
    assert_eq!(report["rounds"].as_array().unwrap().len(), 3);
    assert_eq!(report["patients"], Value::from(300));
    let page = fs::read_to_string(at.join("sim/report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("not for publication") && !page.contains("NaN"));
    run(at, &simulate, 3);
    let absent: Vec<&str> = simulate.iter().map(|a| if *a == "2.csv" { "3.csv" } else { a }).collect();
    let absent: Vec<&str> = absent.iter().map(|a| if *a == "sim" { "sim2" } else { *a }).collect();
    assert_eq!(mediveil(at, &absent).output().unwrap().status.code(), Some(1));
    assert!(!at.join("sim2").exists());
}
