//! `cargo xtask instructions`: how many instructions operations take, by callgrind, against the committed baseline. Counts do not
//! depend on how busy a machine is, so drift shows what time hides.

use crate::python::at;
use crate::shell::{cargo, has, root, step, target_dir};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

/// Drift that is reported.
const LIMIT: f64 = 0.05;

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let bless = match args {
        [] => false,
        [flag] if flag == "--bless" => true,
        _ => return Err("instructions takes --bless or nothing".into()),
    };
    if !has("valgrind", &["--version"]) {
        println!("SKIPPED: valgrind is not installed (Debian: apt-get install valgrind)");
        return Ok(());
    }
    let mut build = cargo(&["build", "--profile", "bench", "--locked", "--package", "mediveil-benches", "--bin"]);
    step("build", build.arg("instructions"))?;
    let program = target_dir().join("release/instructions");
    let list = Command::new(&program).output().map_err(|e| format!("{}: {e}", program.display()))?;
    let file = root().join("benches/INSTRUCTIONS.tsv");
    let baseline = parse(&fs::read_to_string(&file).unwrap_or_default());
    let (mut table, mut drifted) = (String::from("operation\tinstructions\n"), Vec::new());
    println!("\n{:<28} {:>14} {:>14} {:>8}", "operation", "instructions", "baseline", "drift");
    for name in String::from_utf8_lossy(&list.stdout).lines() {
        let count = count(&program, name)?;
        let _ = writeln!(table, "{name}\t{count}");
        let known = baseline.get(name).copied();
        let drift = known.map(|k| (count as f64 - k as f64) / k as f64);
        let shown = drift.map_or_else(|| "new".into(), |d| format!("{:+.1} %", d * 100.0));
        println!("{name:<28} {count:>14} {:>14} {shown:>8}", known.map_or_else(|| "-".into(), |k| k.to_string()));
        if drift.is_none_or(|d| d.abs() > LIMIT) {
            drifted.push(name.to_owned());
        }
    }
    if bless {
        at(&file, fs::write(&file, table))?;
        println!("\nwrote {}", file.display());
        return Ok(());
    }
    match drifted.as_slice() {
        [] => Ok(()),
        names => Err(format!("more than 5 % from the baseline: {}; `--bless` accepts them", names.join(", "))),
    }
}

/// Instructions of one operation, set-up left out.
fn count(program: &std::path::Path, name: &str) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*mediveil_measured*"])
        .args(["--callgrind-out-file=/dev/null", "--dump-instr=no"])
        .arg(program)
        .arg(name)
        // One thread, so that the count does not depend on how work is shared out.
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let found = text.lines().find_map(|l| l.split_once("Collected : ")?.1.trim().parse().ok());
    match found {
        Some(count) if output.status.success() && count > 0 => Ok(count),
        _ => Err(format!("{name} was not counted:\n{text}")),
    }
}

fn parse(table: &str) -> BTreeMap<String, u64> {
    let rows = table.lines().filter_map(|l| l.split_once('\t'));
    rows.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_baseline_is_read_and_its_heading_is_not() {
        let table = super::parse("operation\tinstructions\nzk.verify\t12\n");
        assert_eq!(table.into_iter().collect::<Vec<_>>(), [("zk.verify".to_owned(), 12)]);
    }
}
