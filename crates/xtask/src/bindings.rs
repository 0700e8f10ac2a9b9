//! The Python package: its tests, in an environment of their own under the target directory, and its wheel. The C library: its
//! own checks.

use crate::python::{at, environment};
use crate::shell::{build_once, cargo, root, step, target_dir};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn home() -> PathBuf {
    root().join("bindings/python")
}

/// What `pyproject.toml` lists under `[project.optional-dependencies] test`.
fn requirements(pyproject: &str) -> Vec<String> {
    let list = pyproject.lines().find_map(|l| l.strip_prefix("test = [")).and_then(|l| l.strip_suffix(']'));
    list.into_iter().flat_map(|l| l.split(',')).map(|item| item.trim().trim_matches('"').to_owned()).collect()
}

/// The package as it would be installed: the Python half and the native module, both as they are now. The native module is
/// the one that the workspace's tests built, with their features, so that nothing is compiled twice.
fn assemble() -> Result<PathBuf, String> {
    let build = ["test", "--workspace", "--locked", "--no-run", "--test", "module"];
    step("the native module", &mut cargo(&build))?;
    let site = target_dir().join("python/site");
    let package = site.join("mediveil");
    if package.exists() {
        at(&package, fs::remove_dir_all(&package))?;
    }
    at(&package, fs::create_dir_all(&package))?;
    let source = home().join("python/mediveil");
    for item in at(&source, fs::read_dir(&source))? {
        let path = at(&source, item)?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            at(&path, fs::copy(&path, package.join(name)))?;
        }
    }
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = target_dir().join("debug/deps").join(format!("{prefix}mediveil_native{suffix}"));
    at(&built, fs::copy(&built, package.join("_native.abi3.so")))?;
    Ok(site)
}

/// Tests, documentation examples, examples and types.
pub(crate) fn test() -> Result<(), String> {
    let manifest = home().join("pyproject.toml");
    let packages = requirements(&at(&manifest, fs::read_to_string(&manifest))?);
    if packages.is_empty() {
        return Err(format!("{}: no test requirements found", manifest.display()));
    }
    let python = environment("tests", &packages)?;
    let site = assemble()?;
    let run = |args: &[&str]| {
        let mut command = Command::new(&python);
        command.args(args).current_dir(home()).env("PYTHONPATH", &site).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let mut pytest = run(&["-m", "pytest", "--numprocesses=auto", "--dist=worksteal"]);
    let command = target_dir().join("debug").join(format!("mediveil{}", std::env::consts::EXE_SUFFIX));
    if command.exists() {
        pytest.env("MEDIVEIL_COMMAND", command);
    }
    step("pytest", &mut pytest)?;
    let cache = target_dir().join("python/mypy");
    let mut mypy = run(&["-m", "mypy", "python/mediveil", "examples", "../../examples/python"]);
    step("mypy --strict", mypy.env("MYPYPATH", "python").env("MYPY_CACHE_DIR", cache).env_remove("PYTHONPATH"))
}

/// The C library, its header, example and tests, plainly and under the sanitizers and valgrind.
pub(crate) fn check_c() -> Result<(), String> {
    let mut make = Command::new("make");
    // With the features that the workspace's tests were built with: nothing is compiled twice.
    make.args(["check", "SCOPE=--workspace", "-j2", "--output-sync=target"])
        .current_dir(root().join("bindings/c"))
        .env("CARGO_TARGET_DIR", target_dir());
    build_once(&mut make);
    step("the C library", &mut make)
}

/// `cargo xtask wheel`: the wheel, optimised, under `target/wheels`.
pub(crate) fn wheel(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("wheel takes no arguments".into());
    }
    let python = environment("wheel", &["maturin>=1.9.4,<2".to_owned()])?;
    let out = target_dir().join("wheels");
    let mut maturin = Command::new(python);
    maturin.args(["-m", "maturin", "build", "--release", "--locked", "--out"]).arg(out).current_dir(home());
    step("the wheel", &mut maturin)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_requirements_are_read_from_the_project() {
        let text = "[x]\nother = [\"a\"]\ntest = [\"pytest>=8\", \"numpy>=2\"]\n";
        assert_eq!(super::requirements(text), ["pytest>=8", "numpy>=2"]);
        assert_eq!(super::requirements(""), Vec::<String>::new());
    }
}
