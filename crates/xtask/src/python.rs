//! Python programs that check ours against other people's, each in an environment of its own under the target directory.

use crate::shell::{cargo, has, root, step, target_dir};
use std::path::PathBuf;
use std::process::Command;

/// The interpreter of the environment `name` with the packages of a requirements file; `None` where this machine has no Python
/// with `venv`, or the packages cannot be had.
fn environment(name: &str, requirements: &str) -> Option<PathBuf> {
    if !has("python3", &["-m", "venv", "--help"]) {
        return None;
    }
    let folder = target_dir().join(name);
    let python = folder.join("bin/python");
    if !python.exists() {
        step(&format!("python environment {name}"), Command::new("python3").args(["-m", "venv"]).arg(&folder)).ok()?;
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    step(&format!("packages of {name}"), install.arg(root().join(requirements))).ok()?;
    Some(python)
}

/// Our privacy reports against those of `dp-accounting`, on random plans.
pub(crate) fn accounting() -> Result<(), String> {
    let Some(python) = environment("python-dp", "crates/dp/tests/python/requirements.txt") else {
        println!("\n== SKIPPED: privacy reports beside dp-accounting (no python3 with venv, or no packages)");
        return Ok(());
    };
    let build = ["build", "--quiet", "--locked", "--package", "mediveil-dp", "--example", "report_epsilon"];
    step("the program that reports plans", &mut cargo(&build))?;
    let program = target_dir().join("debug/examples/report_epsilon");
    let script = root().join("crates/dp/tests/python/agreement.py");
    step("privacy reports beside dp-accounting", Command::new(python).arg(script).arg(program))
}
