//! Studies through the command: exit codes, what appears and what does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{mediveil, run, says};
use serde_json::Value;
use std::fs;
use std::path::Path;

const SCHEMA: &str = r#"{"patient": "id", "max_rows": 100, "columns": [
    {"kind": "number", "name": "age", "low": "0", "high": "120", "cuts": ["40", "65"], "required": true},
    {"kind": "flag", "name": "smoker"}]}"#;

/// A study of one site and a committee of two, with its key. Sums only: the smallest ring.
fn study() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for name in ["site", "one", "two", "operator", "stranger"] {
        run(at, &["identity", "new", "--out", &format!("{name}.key")], 0);
    }
    fs::write(at.join("schema.json"), SCHEMA).unwrap();
    let init = [
        "study",
        "init",
        "s",
        "--schema",
        "schema.json",
        "--site",
        "site.key.pub",
        "--member",
        "one.key.pub",
        "--member",
        "two.key.pub",
        "--needed",
        "2",
        "--depth",
        "0",
        "--operator",
        "operator.key.pub",
        "--epsilon",
        "2",
    ];
    run(at, &init, 0);
    assert!(says(at, &init, 3).contains("terms never change"));
    let join = |name: &str| {
        mediveil(at, &["study", "join", "s", "-i", &format!("{name}.key"), "-o", &format!("{name}.share")])
    };
    let mut children = ["one", "two"].map(|name| join(name).spawn().unwrap());
    assert!(children.iter_mut().all(|c| c.wait().unwrap().success()));
    run(at, &["study", "join", "s", "-i", "stranger.key", "-o", "stranger.share"], 3);
    run(at, &["study", "join", "s", "-i", "one.key", "-o", "again.share"], 3);
    assert!(!at.join("stranger.share").exists() && !at.join("again.share").exists());
    folder
}

/// A Parquet file of patients with an age and whether they smoke.
fn write_parquet(path: &Path, ages: &[i32], smokers: &[bool]) {
    use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type};
    let schema = "message rows { required binary id (UTF8); required int32 age; optional boolean smoker; }";
    let schema = parquet::schema::parser::parse_message_type(schema).unwrap().into();
    let file = fs::File::create(path).unwrap();
    let mut writer = parquet::file::writer::SerializedFileWriter::new(file, schema, Default::default()).unwrap();
    let ids: Vec<ByteArray> = (0..ages.len()).map(|i| ByteArray::from(format!("p{i}").as_str())).collect();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int32Type>().write_batch(ages, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<BoolType>().write_batch(smokers, Some(&vec![1; smokers.len()]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

fn json(at: &Path, args: &[&str]) -> Value {
    serde_json::from_slice(&run(at, &[args, &["--json"]].concat(), 0).stdout).unwrap()
}

#[test]
fn a_study_from_terms_to_certificate_and_its_refusals() {
    let folder = study();
    let at = folder.path();
    // A share is for its owner alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(at.join("one.share")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    for (rows, why) in [
        ("id,age,smoker\na,130,1\n", "outside of the declared bounds"),
        ("id,age,smoker\na,,1\n", "required"),
        ("id,age\na,50\n", "no column"),
        ("id,age,smoker\na,50,1\na,51,1\n", "more than the 1 rows"),
    ] {
        fs::write(at.join("bad.csv"), rows).unwrap();
        let said = says(at, &["study", "encrypt", "s", "--csv", "bad.csv", "-i", "site.key", "-o", "bad.rows"], 4);
        assert!(said.contains(why) && !said.contains("130"), "{said}");
        assert!(!at.join("bad.rows").exists() && !at.join("bad.rows.manifest").exists());
    }
    // From Parquet: the same refusals, and what is no Parquet at all.
    let parquet = |code| {
        says(at, &["study", "encrypt", "s", "--parquet", "bad.parquet", "-i", "site.key", "-o", "bad.rows"], code)
    };
    assert!(parquet(1).contains("bad.parquet"));
    fs::copy(at.join("bad.csv"), at.join("bad.parquet")).unwrap();
    assert!(parquet(4).contains("no Parquet file"));
    write_parquet(&at.join("bad.parquet"), &[50, 130], &[true, false]);
    let said = parquet(4);
    assert!(said.contains("row 2, column \"age\"") && !said.contains("130"), "{said}");
    assert!(!at.join("bad.rows").exists());
    // From FHIR bundles: a folder without any, and columns that name no code.
    fs::create_dir(at.join("bundles")).unwrap();
    let fhir =
        |code| says(at, &["study", "encrypt", "s", "--fhir", "bundles", "-i", "site.key", "-o", "bad.rows"], code);
    assert!(fhir(2).contains("no FHIR bundles"));
    let patient = r#"{"resourceType": "Patient", "id": "p", "birthDate": "1960-01-01"}"#;
    fs::write(at.join("bundles").join("p.json"), patient).unwrap();
    assert!(fhir(4).contains("gives column \"age\" no code"));
    fs::write(at.join("bundles").join("p.json"), "{").unwrap();
    fhir(4);
    run(at, &["study", "encrypt", "s", "-i", "site.key", "-o", "bad.rows"], 2);
    assert!(!at.join("bad.rows").exists());
    let (ages, smokers): (Vec<i32>, Vec<bool>) = (0..90).map(|i| (20 + i, i % 2 == 1)).unzip();
    write_parquet(&at.join("rows.parquet"), &ages, &smokers);
    run(at, &["study", "encrypt", "s", "--parquet", "rows.parquet", "-i", "stranger.key", "-o", "x.rows"], 3);
    run(at, &["study", "encrypt", "s", "--parquet", "rows.parquet", "-i", "site.key", "-o", "x.rows"], 0);
    // A site commits once.
    fs::write(at.join("rows.csv"), "id,age,smoker\na,50,1\n").unwrap();
    run(at, &["study", "encrypt", "s", "--csv", "rows.csv", "-i", "site.key", "-o", "y.rows"], 3);
    assert!(!at.join("y.rows").exists() && !at.join("y.rows.manifest").exists());
    let query = |name: &str, text: &str| fs::write(at.join(name), text).unwrap();
    query("q.json", r#"{"statistic": {"histogram": {"column": "age"}}, "epsilon": "1.5"}"#);
    run(at, &["study", "evaluate", "s", "q.json", "--quorum", "1,2"], 3);
    run(at, &["study", "submit", "s", "x.rows"], 0);
    run(at, &["study", "submit", "s", "x.rows"], 3);
    let planned = json(at, &["study", "plan", "s", "q.json"]);
    assert_eq!(planned["figures"]["numbers"], 3);
    assert!(planned["cost"].as_str().unwrap().starts_with("epsilon 1.5"));
    query(
        "deep.json",
        r#"{"statistic": "count", "filter": {"and": [{"flag": "smoker"}, {"at_least": {"column": "age", "value": "65"}}]}, "epsilon": "1"}"#,
    );
    assert!(says(at, &["study", "plan", "s", "deep.json"], 3).contains("1 deep and the study allows 0"));
    query("broken.json", "{");
    run(at, &["study", "plan", "s", "broken.json"], 4);
    query("dear.json", r#"{"statistic": "count", "epsilon": "9"}"#);
    assert!(says(at, &["study", "plan", "s", "dear.json"], 3).contains("over the data set's budget"));
    assert!(says(at, &["study", "evaluate", "s", "dear.json", "--quorum", "1,2"], 3).contains("budget"));
    // Nothing is opened that was not paid for.
    let approve = |name: &str, code| {
        let (key, share, store) = (format!("{name}.key"), format!("{name}.share"), format!("{name}.store"));
        run(at, &["study", "approve", "s", "q.json", "-i", &key, "--share", &share, "--store", &store], code);
    };
    approve("one", 3);
    // In two shards.
    for blocks in ["0..1", "0..2"] {
        let code = if blocks == "0..1" { 0 } else { 2 };
        run(at, &["study", "evaluate", "s", "q.json", "--quorum", "1,2", "--blocks", blocks, "-o", "shard"], code);
    }
    run(at, &["study", "evaluate", "s", "q.json", "--quorum", "1,2", "--merge", "shard", "--merge", "shard"], 3);
    run(at, &["study", "evaluate", "s", "q.json", "--quorum", "1,2", "--merge", "shard"], 0);
    approve("one", 0);
    let part = || {
        let queries = at.join("s/queries");
        let mut found = fs::read_dir(queries).unwrap().map(|e| e.unwrap().path().join("part-1")).filter(|p| p.exists());
        fs::read(found.next().unwrap()).unwrap()
    };
    let first = part();
    approve("one", 0);
    assert_eq!(part(), first, "a retry gives the same bytes");
    let release = ["study", "release", "s", "q.json", "-i", "operator.key", "-o", "certificate"];
    assert!(says(at, &release, 3).contains("[2]"));
    assert!(!at.join("certificate").exists());
    approve("two", 0);
    run(at, &["study", "release", "s", "q.json", "-i", "stranger.key"], 3);
    run(at, &release, 0);
    // From terms, key and certificate alone.
    fs::create_dir(at.join("alone")).unwrap();
    for name in ["terms", "key"] {
        fs::copy(at.join("s").join(name), at.join("alone").join(name)).unwrap();
    }
    let verified = json(at, &["study", "verify", "certificate", "--study", "alone"]);
    assert_eq!(verified["quorum"], serde_json::json!([1, 2]));
    let bins = verified["answer"].as_array().unwrap();
    assert_eq!(bins.len(), 3);
    // True counts: 20, 25, 45. Held to four half-widths.
    for (bin, truth) in bins.iter().zip([20.0, 25.0, 45.0]) {
        let at = |name: &str| bin[name].as_f64().unwrap();
        assert!((at("value") - truth).abs() <= 2.0 * (at("high") - at("low")), "{bin}");
    }
    let bytes = fs::read(at.join("certificate")).unwrap();
    for place in [200, bytes.len() / 2, bytes.len() - 5] {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        fs::write(at.join("changed"), changed).unwrap();
        let code = mediveil(at, &["study", "verify", "changed", "--study", "alone"]).output().unwrap().status.code();
        assert!(matches!(code, Some(3 | 4)), "{code:?}");
    }
    // The same query again costs nothing; there is no budget for another.
    run(at, &["study", "evaluate", "s", "q.json", "--quorum", "1,2"], 0);
    query("other.json", r#"{"statistic": "count", "epsilon": "0.6"}"#);
    run(at, &["study", "evaluate", "s", "other.json", "--quorum", "1,2"], 3);
}
