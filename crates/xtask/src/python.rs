//! Environments for Python programs under the target directory, and the programs that check ours against other people's.

use crate::shell::{cargo, has, root, step, step_aside, target_dir};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// The result of a file operation, with the path in its error.
pub(crate) fn at<T>(path: &Path, done: io::Result<T>) -> Result<T, String> {
    done.map_err(|e| format!("{}: {e}", path.display()))
}

/// The program that makes environments: `PYTHON`, or `python3`.
fn base() -> std::ffi::OsString {
    std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into())
}

/// The interpreter of an environment with these packages; made anew when the list changes.
pub(crate) fn environment(name: &str, packages: &[String]) -> Result<PathBuf, String> {
    let dir = target_dir().join("python").join(name);
    let (python, stamp) = (dir.join("bin/python"), dir.join("filled"));
    let list = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|filled| filled == list) {
        return Ok(python);
    }
    let base = base();
    let title = format!("an environment for {name} (PYTHON={})", base.display());
    step_aside(&title, Command::new(&base).args(["-m", "venv", "--clear"]).arg(&dir))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    step_aside(&format!("pip install, for {name}"), &mut pip)?;
    at(&stamp, fs::write(&stamp, list))?;
    Ok(python)
}

/// The same, or nothing where there is no Python that makes environments, or no packages to fill one with.
pub(crate) fn environment_if_any(name: &str, packages: &[String]) -> Option<PathBuf> {
    has(base(), &["-m", "venv", "--help"]).then(|| environment(name, packages).ok()).flatten()
}

/// The interpreter that has `dp-accounting`; nothing where there is none.
pub(crate) fn accountant() -> Result<Option<PathBuf>, String> {
    let list = root().join("crates/dp/tests/python/requirements.txt");
    let packages: Vec<String> = at(&list, fs::read_to_string(&list))?.lines().map(str::to_owned).collect();
    Ok(environment_if_any("accounting", &packages))
}

/// Our privacy reports against those of `dp-accounting`, on random plans.
pub(crate) fn accounting() -> Result<(), String> {
    let Some(python) = accountant()? else {
        println!("\n== SKIPPED: privacy reports beside dp-accounting (no python3 with venv, or no packages)");
        return Ok(());
    };
    // With the features of the whole workspace, which its tests have been built with.
    let build = ["build", "--quiet", "--locked", "--workspace", "--example", "report_epsilon"];
    step("the program that reports plans", &mut cargo(&build))?;
    let program = target_dir().join("debug/examples/report_epsilon");
    let script = root().join("crates/dp/tests/python/agreement.py");
    step("privacy reports beside dp-accounting", Command::new(python).arg(script).arg(program))
}
