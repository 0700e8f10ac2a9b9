//! `cargo xtask fuzz`: the fuzz targets under libFuzzer, or blind changes to their corpora where no fuzzer can be had.

use crate::shell::{cargo, has, root, step, target_dir, tool};
use std::process::Command;
use std::sync::Mutex;

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut seconds = 60u32;
    let mut chosen = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--seconds" {
            let number = rest.next().and_then(|n| n.parse().ok());
            seconds = number.filter(|n| *n > 0).ok_or("--seconds takes a number of seconds")?;
        } else {
            chosen.push(arg.clone());
        }
    }
    let targets: Vec<String> = targets()?.into_iter().filter(|t| chosen.is_empty() || chosen.contains(t)).collect();
    if targets.is_empty() {
        return Err("no such fuzz target; they are the files in fuzz/targets".into());
    }
    let program = match tool("cargo-fuzz", "0.13.2") {
        Ok(program) => program,
        Err(reason) => {
            println!("cargo-fuzz cannot be had ({reason}): changing the committed corpora at random instead");
            let seconds = seconds.to_string();
            let mut command = cargo(&["run", "--package", "mediveil-fuzz", "--example", "blind", "--", &seconds]);
            return step("corpora", command.args(&targets));
        }
    };
    // The sanitizers need a nightly compiler; coverage alone works on stable.
    let active = has("rustc", &["-Zhelp"]);
    let nightly = active || has("rustup", &["run", "nightly", "rustc", "-Zhelp"]);
    if !nightly {
        println!("no nightly compiler: fuzzing without the address sanitizer");
    }
    let fuzzer = |verb: &str| {
        let mut command = if nightly && !active {
            let mut command = Command::new("rustup");
            command.args(["run", "nightly"]).arg(&program).env_remove("CARGO").env_remove("RUSTC");
            command
        } else {
            Command::new(&program)
        };
        // `--release` leaves debug assertions to the profile, which has them in our crates alone.
        command.args(["fuzz", verb, "--release", "--fuzz-dir", "fuzz", "--features", "libfuzzer"]).current_dir(root());
        command.env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
        // Many programs are linked; optimising across crates at each would take longer than fuzzing them.
        command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_TARGET_DIR", target_dir().join("fuzz"));
        if !nightly {
            command.args(["--sanitizer", "none"]);
        }
        command
    };
    step("build of the fuzz targets", &mut fuzzer("build"))?;
    let fuzz = |target: &str| {
        let corpus = target_dir().join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
        let mut command = fuzzer("run");
        command.arg(target).arg(&corpus).arg(root().join("fuzz/corpus").join(target));
        command.args(["--", &format!("-max_total_time={seconds}"), "-print_final_stats=1", "-print_funcs=0"]);
        command.args(["-max_len=65536", "-rss_limit_mb=2048", "-timeout=60"]);
        let output = command.output().map_err(|e| format!("{target}: cannot start {command:?}: {e}"))?;
        let log = target_dir().join("fuzz").join(format!("{target}.log"));
        let said = [output.stdout, output.stderr].concat();
        std::fs::write(&log, &said).map_err(|e| format!("{}: {e}", log.display()))?;
        let said = String::from_utf8_lossy(&said);
        if output.status.success() {
            let stat =
                |name| said.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name)).unwrap_or("?");
            println!(
                "{target:<18} {:>10} inputs, {:>5} of them new",
                stat("number_of_executed_units:").trim(),
                stat("new_units_added:").trim()
            );
            return Ok(());
        }
        let mut end: Vec<&str> = said.lines().rev().take(60).collect();
        end.reverse();
        println!("{}", end.join("\n"));
        Err(format!("{target} failed ({}): all that it said is in {}", output.status, log.display()))
    };
    println!("\n== {} targets, {seconds} s each", targets.len());
    // One on each core. What one finds is told at the end; the others go on.
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let (left, failed) = (Mutex::new(targets.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                // The lock is not held while a target runs.
                let next = || left.lock().ok()?.next();
                while let Some(target) = next() {
                    if let (Err(why), Ok(mut failed)) = (fuzz(target), failed.lock()) {
                        failed.push(why);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().map_err(|e| e.to_string())?;
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

/// The targets are the files in `fuzz/targets`.
fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/targets");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}
