//! `cargo xtask bench`: runs the criterion benches and the figures program, compares with the targets, and writes the report.

use crate::bindings::{Overhead, overhead};
use crate::figures::{Measure, ROWS, Row, Target};
use crate::shell::{cargo, root, step, target_dir};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (mut quick, mut report, mut json_file, mut areas) = (false, false, None, Vec::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--quick" => quick = true,
            "--report" => report = true,
            "--json" => json_file = Some(PathBuf::from(rest.next().ok_or("--json takes a file")?)),
            flag if flag.starts_with('-') => return Err(format!("bench does not know {flag}")),
            area => areas.push(area.to_owned()),
        }
    }
    let mut known = benches()?;
    known.push(PYTHON.to_owned());
    if let Some(other) = areas.iter().find(|a| !known.contains(a)) {
        return Err(format!("there is no area `{other}`; there are {}", known.join(", ")));
    }
    let chosen: Vec<&String> = known.iter().filter(|a| areas.is_empty() || areas.contains(a)).collect();
    // What an earlier run measured must not pass for this one's.
    let folder = target_dir().join("criterion");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let (ours, python): (Vec<&String>, Vec<&String>) = chosen.iter().copied().partition(|area| *area != PYTHON);
    if !ours.is_empty() {
        let mut build =
            cargo(&["build", "--profile", "bench", "--locked", "--package", "mediveil-benches", "--bin", "figures"]);
        step("build of the benches", build.args(ours.iter().flat_map(|area| ["--bench", area.as_str()])))?;
    }
    for folder in peers(&chosen) {
        step(&format!("build of {folder}"), &mut peer("build", folder))?;
    }
    let python = if python.is_empty() { None } else { overhead()? };
    let start = Instant::now();
    for area in &ours {
        let mut command =
            cargo(&["bench", "--quiet", "--locked", "--package", "mediveil-benches", "--bench", area, "--"]);
        if quick {
            command.env(QUICK, "1");
            command.args(["--warm-up-time", "0.2", "--measurement-time", "0.6", "--sample-size", "10", "--noplot"]);
        }
        step(&format!("bench {area}"), &mut command)?;
    }
    let times = if ours.is_empty() { BTreeMap::new() } else { criterion(&folder)? };
    let mut printed = printed(&ours, quick)?;
    if let Some(python) = python {
        printed.extend(beside_rust(&python, if quick { 15 } else { 60 })?);
    }
    println!("\nmeasured for {:.0} s", start.elapsed().as_secs_f64());
    let rows: Vec<Value> = ROWS
        .iter()
        .filter(|r| chosen.iter().any(|a| belongs(r.id, a)))
        .filter_map(|r| figure(r, &times, &printed))
        .collect();
    print_table(&rows);
    if report || (areas.is_empty() && !quick) {
        let how = if quick { QUICK_REPORT } else { "`" };
        crate::report::write(&rows, &times, how)?;
    }
    if let Some(file) = json_file {
        let text = serde_json::to_string_pretty(&rows).map_err(|e| e.to_string())?;
        std::fs::write(&file, text + "\n").map_err(|e| format!("{}: {e}", file.display()))?;
        println!("\nwrote {}", file.display());
    }
    Ok(())
}

/// Set for benches and peers in a quick run: they leave out what takes long and has no target, and measure a part of a peer's
/// even work that takes a minute.
const QUICK: &str = "MEDIVEIL_BENCH_QUICK";

/// What the report says of such a run.
const QUICK_REPORT: &str = " --quick --report`, with few samples, the models of `FheUint32` on every third of their steps, and \
    no long operation without a target";

/// The area of calls from Python, which criterion does not measure.
const PYTHON: &str = "py";

/// The areas of criterion are the bench files of the benches package.
fn benches() -> Result<Vec<String>, String> {
    let folder = root().join("benches");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).map_err(|e| format!("benches: {e}"))?;
    let mut names: Vec<String> = entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok()?.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| manifest.contains(&format!("name = \"{name}\"")))
        .collect();
    names.sort();
    Ok(names)
}

/// Mean times in nanoseconds by criterion's full id.
fn criterion(folder: &Path) -> Result<BTreeMap<String, f64>, String> {
    let mut times = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?.flatten() {
            let path = entry.path();
            if !path.is_dir() {
                continue;
            }
            if path.file_name().is_some_and(|n| n == "new") {
                let id = read(&path.join("benchmark.json"))?;
                let estimates = read(&path.join("estimates.json"))?;
                let mean = estimates.pointer("/mean/point_estimate").and_then(Value::as_f64);
                if let (Some(id), Some(mean)) = (id.get("full_id").and_then(Value::as_str), mean) {
                    times.insert(id.to_owned(), mean);
                }
            } else {
                open.push(path);
            }
        }
    }
    Ok(times)
}

fn read(path: &Path) -> Result<Value, String> {
    let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Whether a row is of an area: by the first word of its id. Models on encrypted values are measured with `fhe`.
fn belongs(id: &str, area: &str) -> bool {
    let first = id.split('.').next().unwrap_or_default();
    first == area || (first == "tfhe" && area == "fhe")
}

/// Programs that stand outside of the workspace: the area, and the folder of the one that prints the values of its peers, or both
/// values of a row.
const PEERS: &[(&str, &str)] = &[("fhe", "benches/tfhe")];

fn peers(areas: &[&String]) -> impl Iterator<Item = &'static str> {
    PEERS.iter().filter(|(area, _)| areas.iter().any(|a| a == area)).map(|(_, folder)| *folder)
}

/// Builds or runs such a program, under its own lock file and with cargo's release profile.
fn peer(action: &str, folder: &str) -> Command {
    let mut command = cargo(&[action, "--release", "--locked", "--manifest-path"]);
    command.arg(root().join(folder).join("Cargo.toml")).arg("--target-dir").arg(target_dir().join("peers"));
    command
}

/// Values of ours and of a peer by their ids.
type Printed = BTreeMap<String, (f64, Option<f64>)>;

/// Calls from Python and the same in Rust.
fn beside_rust(python: &Overhead, seconds: u32) -> Result<Printed, String> {
    println!("\n== calls from Python beside the same in Rust");
    let rows = lines(&mut python.command(seconds), "overhead.py")?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, row)| Some((id, (number(&row, "value")?, number(&row, "peer_value")))))
        .collect())
}

fn number(row: &Value, key: &str) -> Option<f64> {
    row.get(key).and_then(Value::as_f64)
}

/// Figures that are not times: one JSON object a line, `{"id": ..., "value": ..., "peer_value": ...}`. Each area in a process
/// of its own: one figure is a process's largest memory.
fn printed(areas: &[&String], quick: bool) -> Result<Printed, String> {
    println!("\n== figures that are not times");
    let mut figures = BTreeMap::new();
    // As it was built beside the benches: asked to run it, cargo would build it again without what they need.
    let program = target_dir().join("release").join(format!("figures{}", std::env::consts::EXE_SUFFIX));
    for area in areas {
        let mut command = Command::new(&program);
        command.arg(area).current_dir(root());
        for (id, row) in lines(&mut command, &format!("figures {area}"))? {
            if let Some(value) = number(&row, "value") {
                figures.insert(id, (value, number(&row, "peer_value")));
            }
        }
    }
    for folder in peers(areas) {
        let mut command = peer("run", folder);
        if quick {
            command.env(QUICK, "1");
        }
        for (id, row) in lines(command.arg("--quiet"), folder)? {
            if let Some(value) = number(&row, "value") {
                figures.insert(id, (value, number(&row, "peer_value")));
            } else if let Some((_, peer)) = figures.get_mut(&id) {
                *peer = number(&row, "peer_value");
            }
        }
    }
    Ok(figures)
}

/// What a program prints, by id.
fn lines(command: &mut Command, what: &str) -> Result<Vec<(String, Value)>, String> {
    let start = Instant::now();
    let output = command.output().map_err(|e| format!("{what}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{what} failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    println!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    let mut rows = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let row: Value = serde_json::from_str(line).map_err(|e| format!("{what}: {line}: {e}"))?;
        if let Some(id) = row.get("id").and_then(Value::as_str) {
            rows.push((id.to_owned(), row));
        }
    }
    Ok(rows)
}

fn figure(row: &Row, times: &BTreeMap<String, f64>, printed: &Printed) -> Option<Value> {
    let time = |id: &str| times.get(id).copied();
    let peer_id = format!("{}/peer", row.id);
    let (value, peer, unit, more_is_better) = match row.measure {
        Measure::Millis => (time(row.id)? / 1e6, time(&peer_id).map(|t| t / 1e6), "ms", false),
        Measure::GigabytesPerSecond(bytes) => (bytes / time(row.id)?, time(&peer_id).map(|t| bytes / t), "GB/s", true),
        Measure::MillionsPerSecond(items) => {
            let rate = |nanos: f64| items * 1e3 / nanos;
            (rate(time(row.id)?), time(&peer_id).map(rate), "M/s", true)
        }
        Measure::Printed(unit) => {
            let (value, peer) = *printed.get(row.id)?;
            (value, peer, unit, matches!(row.target, Target::AtLeast(_)))
        }
    };
    let ratio = peer.map(|p| if more_is_better { value / p } else { p / value });
    let (target, met) = match row.target {
        Target::AtLeast(t) => (Some(format!(">= {t}")), Some(value >= t)),
        Target::AtMost(t) => (Some(format!("<= {t}")), Some(value <= t)),
        Target::Ratio(t) => (Some(format!(">= {t}x")), ratio.map(|r| r >= t)),
        Target::None => (None, None),
    };
    Some(json!({
        "id": row.id, "value": value, "unit": unit, "peer": row.peer, "peer_value": peer,
        "ratio": ratio, "target": target, "met": met,
    }))
}

fn print_table(rows: &[Value]) {
    println!(
        "\n{:<28} {:>12} {:<9} {:>12} {:>8}  {:<18} {:<10} met",
        "id", "value", "unit", "peer value", "ratio", "peer", "target"
    );
    for row in rows {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
        let number = |key: &str| row.get(key).and_then(Value::as_f64).map_or_else(|| "-".to_owned(), round);
        let met = match row.get("met").and_then(Value::as_bool) {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        println!(
            "{:<28} {:>12} {:<9} {:>12} {:>8}  {:<18} {:<10} {met}",
            text("id"),
            number("value"),
            text("unit"),
            number("peer_value"),
            number("ratio"),
            text("peer"),
            text("target")
        );
    }
}

/// Four significant digits.
pub(crate) fn round(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        v if v < 0.01 => format!("{value:.6}"),
        v if v < 10.0 => format!("{value:.3}"),
        v if v < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
