//! `cargo xtask timing`: whether operations on secrets take time that depends on them, by Welch's t-test.

use crate::shell::cargo;
use serde_json::Value;

/// The usual bound: above it, a difference is taken for real.
const BOUND: f64 = 4.5;

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let seconds = match args {
        [] => 20,
        [flag, number] if flag == "--seconds" => number.parse().map_err(|_| "--seconds takes a number")?,
        _ => return Err("timing takes --seconds N or nothing".into()),
    };
    let mut command = cargo(&["run", "--quiet", "--profile", "bench", "--locked", "--package", "mediveil-benches"]);
    command.args(["--bin", "timing", "--", &u32::to_string(&seconds)]);
    println!("\n== {seconds} s an operation; other work on this machine spoils the answer");
    let output = command.output().map_err(|e| format!("timing: {e}"))?;
    if !output.status.success() {
        return Err(format!("timing failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    println!("\n{:<26} {:<34} {:>9} {:>8}  finding", "operation", "classes", "samples", "|t|");
    let (mut surprises, mut control) = (Vec::new(), false);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let row: Value = serde_json::from_str(line).map_err(|e| format!("timing: {line}: {e}"))?;
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let t = row.get("t").and_then(Value::as_f64).unwrap_or(f64::NAN);
        let leaks = row.get("leaks").and_then(Value::as_bool).unwrap_or(false);
        let found = t > BOUND;
        control |= leaks && found;
        if found && !leaks {
            surprises.push(text("operation"));
        }
        let word = if found { "depends on the class" } else { "nothing found" };
        let samples = row.get("samples").and_then(Value::as_u64).unwrap_or(0);
        println!("{:<26} {:<34} {samples:>9} {t:>8.1}  {word}", text("operation"), text("classes"));
    }
    if !control {
        return Err("the control was not found: this run could not have found anything".into());
    }
    match surprises.as_slice() {
        [] => Ok(()),
        names => Err(format!("time depends on the class: {}; run it again on an idle machine", names.join(", "))),
    }
}
