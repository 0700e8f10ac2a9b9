//! Running other programs and saying so.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map_or_else(|| here.clone(), PathBuf::from)
}

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A cargo command in the root of the workspace.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    build_once(&mut command);
    command
}

/// Under a continuous integration, which sets `CI`, nobody builds a second time or runs a debugger: what cargo keeps for that
/// costs time and disk.
pub(crate) fn build_once(command: &mut Command) {
    if std::env::var_os("CI").is_some() {
        for name in ["CARGO_INCREMENTAL", "CARGO_PROFILE_DEV_DEBUG"] {
            if std::env::var_os(name).is_none() {
                command.env(name, "0");
            }
        }
    }
}

/// Runs a command under a heading; its output goes straight through.
pub(crate) fn step(title: &str, command: &mut Command) -> Result<(), String> {
    println!("\n== {title}");
    let start = Instant::now();
    let status = command.status().map_err(|e| format!("{title}: cannot start {command:?}: {e}"))?;
    if status.success() {
        println!("== {title}: ok, {:.1} s", start.elapsed().as_secs_f64());
        Ok(())
    } else {
        Err(format!("{title} failed ({status}): {command:?}"))
    }
}

/// What `cargo metadata` says of packages: those of the workspace, or of the whole lock file.
pub(crate) fn metadata(whole: bool) -> Result<Vec<Value>, String> {
    let mut command = cargo(&["metadata", "--format-version", "1", "--locked"]);
    if !whole {
        command.arg("--no-deps");
    }
    let output = command.output().map_err(|e| format!("cargo metadata: {e}"))?;
    let mut metadata: Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    match metadata.get_mut("packages").map(Value::take) {
        Some(Value::Array(packages)) => Ok(packages),
        _ => Err("cargo metadata: no packages".into()),
    }
}

/// Whether a program answers to `--version`.
pub(crate) fn has(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|o| o.status.success())
}
