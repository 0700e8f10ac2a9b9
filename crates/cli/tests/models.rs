//! Models on encrypted values on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![cfg(feature = "model")]

mod common;

use common::{run, says};
use serde_json::Value;
use std::fs;

const VALUES: &str = r#"{"sex": 1, "age": 53, "hdl": 50, "cholesterol": 161, "systolic": 146,
    "treated": true, "smoker": true, "diabetes": false}"#;

#[test]
fn a_patient_is_scored_unseen_and_everything_foreign_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("values.json"), VALUES).unwrap();
    for (name, model) in [("points", "framingham-2008"), ("high", "framingham-2008-high-risk")] {
        run(at, &["model", "published", model, "--out", &format!("{name}.json")], 0);
        let form = format!("{name}.form");
        let out = run(at, &["--json", "model", "inspect", &format!("{name}.json"), "--form", &form], 0);
        let shown: Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(shown["bootstraps"], if name == "points" { 0 } else { 3 });
        // None of the model's points is in the form.
        assert!(!fs::read_to_string(at.join(form)).unwrap().contains("steps"));
    }
    run(at, &["model", "keygen", "--out", "ada.key"], 0);
    run(at, &["model", "keygen", "--out", "ben.key"], 0);
    run(at, &["model", "keygen", "--out", "ada.key"], 3);
    let encrypt = |values: &str, form: &str, out: &str, code| {
        says(at, &["model", "encrypt", values, "--key", "ada.key", "--form", form, "-o", out], code)
    };
    encrypt("values.json", "points.form", "ada.points", 0);
    encrypt("values.json", "high.form", "ada.high", 0);
    // Two sets at once, each answered beside its values.
    let score = ["model", "score", "points.json", "ada.points", "--key", "ada.key.eval", "-o", "answer"];
    run(at, &score, 0);
    run(at, &["model", "score", "high.json", "ada.high", "ada.high", "--key", "ada.key.eval"], 0);
    let decrypt = |result: &str, key: &str, form: &str, code| {
        run(at, &["--json", "model", "decrypt", result, "--key", key, "--form", form], code)
    };
    let told: Value = serde_json::from_slice(&decrypt("answer", "ada.key", "points.form", 0).stdout).unwrap();
    // 8 for the age, -1 for HDL, 1 for cholesterol, 4 for treated pressure, 4 for smoking.
    assert_eq!(told["answer"], 16);
    let told: Value = serde_json::from_slice(&decrypt("ada.high.result", "ada.key", "high.form", 0).stdout).unwrap();
    assert_eq!(told["told"], "20 % or more");

    // Another patient's key, on either side; another model's form.
    decrypt("answer", "ben.key", "points.form", 3);
    decrypt("answer", "ada.key", "high.form", 3);
    assert!(
        says(at, &["model", "score", "points.json", "ada.points", "--key", "ben.key.eval", "-o", "stolen"], 3)
            .contains("belongs to key")
    );
    run(at, &["model", "score", "high.json", "ada.points", "--key", "ada.key.eval", "-o", "stolen"], 3);
    // Outside the domain, and not a number.
    fs::write(at.join("old.json"), VALUES.replace("53", "93")).unwrap();
    assert!(encrypt("old.json", "points.form", "stolen", 3).contains("`age` is outside its declared bounds, 30 to 79"));
    fs::write(at.join("nan.json"), VALUES.replace("53", "NaN")).unwrap();
    encrypt("nan.json", "points.form", "stolen", 4);
    // A model with a cycle, and one that could overflow.
    let points = fs::read_to_string(at.join("points.json")).unwrap();
    fs::write(at.join("narrow.json"), points.replace(r#""max": 33"#, r#""max": 20"#)).unwrap();
    assert!(says(at, &["model", "inspect", "narrow.json"], 3).contains("the score can be -5 to 33"));
    fs::write(
        at.join("cycle.json"),
        r#"{"format": "mediveil-model/1", "name": "c", "inputs": [{"name": "a", "min": 0, "max": 1}],
            "trees": [{"nodes": [{"input": "a", "at_most": 0, "yes": 0, "no": 0}]}],
            "answer": {"score": {"min": 0, "max": 1}}}"#,
    )
    .unwrap();
    assert!(says(at, &["model", "inspect", "cycle.json"], 4).contains("node 0 is reached twice"));
    // Cut short.
    let key = fs::read(at.join("ada.key.eval")).unwrap();
    fs::write(at.join("cut.eval"), &key[..key.len() - 1]).unwrap();
    run(at, &["model", "score", "points.json", "ada.points", "--key", "cut.eval", "-o", "stolen"], 4);
    let inputs = fs::read(at.join("ada.points")).unwrap();
    fs::write(at.join("cut.points"), &inputs[..inputs.len() / 2]).unwrap();
    run(at, &["model", "score", "points.json", "cut.points", "--key", "ada.key.eval", "-o", "stolen"], 4);
    assert!(!at.join("stolen").exists());
}
