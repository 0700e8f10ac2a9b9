//! Running other programs and saying so.

use serde_json::Value;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
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

/// The same beside other work: what the command says is printed in one piece, with its heading, when it has ended.
pub(crate) fn step_aside(title: &str, command: &mut Command) -> Result<(), String> {
    let start = Instant::now();
    let failed = |e: std::io::Error| format!("{title}: {e}");
    let (mut reader, writer) = std::io::pipe().map_err(failed)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    let child = command.spawn();
    // The command keeps this end of the pipe open otherwise, and reading would not end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.map_err(|e| format!("{title}: cannot start {command:?}: {e}"))?;
    let mut said = Vec::new();
    reader.read_to_end(&mut said).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    let took = start.elapsed().as_secs_f64();
    let end = if status.success() { format!("ok, {took:.1} s") } else { format!("failed ({status})") };
    let page = [format!("\n== {title}\n").as_bytes(), &said, format!("== {title}: {end}\n").as_bytes()].concat();
    std::io::stdout().lock().write_all(&page).map_err(failed)?;
    if status.success() { Ok(()) } else { Err(format!("{title} failed ({status}): {command:?}")) }
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

/// A cargo tool, from the path or from the target directory, where it is built once.
pub(crate) fn tool(name: &str, version: &str) -> Result<PathBuf, String> {
    let word = name.trim_start_matches("cargo-");
    if has(name, &[word, "--version"]) {
        return Ok(name.into());
    }
    let home = target_dir().join("tools");
    let program = home.join("bin").join(name);
    if !program.exists() {
        let mut install = cargo(&["install", "--locked", "--version", version, "--root"]);
        install.arg(&home).arg("--target-dir").arg(home.join("build")).arg(name);
        step(&format!("{name} {version}, built once"), &mut install)?;
    }
    Ok(program)
}
