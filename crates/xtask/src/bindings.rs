//! The Python package: its tests, in an environment of their own under the target directory, and its wheel. The C library: its
//! own checks.

use crate::python::{at, environment, environment_if_any};
use crate::shell::{build_once, cargo, root, step, step_aside, target_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn home() -> PathBuf {
    root().join("bindings/python")
}

/// What `pyproject.toml` lists under `[project.optional-dependencies] test`.
fn requirements(pyproject: &str) -> Vec<String> {
    let list = pyproject.lines().find_map(|l| l.strip_prefix("test = [")).and_then(|l| l.strip_suffix(']'));
    list.into_iter().flat_map(|l| l.split(',')).map(|item| item.trim().trim_matches('"').to_owned()).collect()
}

/// Puts the package together as it would be installed: the Python half as it is now, and this native module.
fn assemble(site: &Path, native: &Path) -> Result<(), String> {
    let package = emptied(&site.join("mediveil"))?;
    let source = home().join("python/mediveil");
    for item in at(&source, fs::read_dir(&source))? {
        let path = at(&source, item)?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            at(&path, fs::copy(&path, package.join(name)))?;
        }
    }
    at(native, fs::copy(native, package.join("_native.abi3.so"))).map(|_| ())
}

/// The file of a library that cargo has built.
fn library(folder: &str, name: &str) -> PathBuf {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    target_dir().join(folder).join(format!("{prefix}{name}{suffix}"))
}

/// The package with a native module that the workspace's tests built, with their features, so that nothing is compiled twice.
fn for_tests() -> Result<PathBuf, String> {
    let build = ["test", "--workspace", "--locked", "--no-run", "--test", "module"];
    step_aside("the native module", &mut cargo(&build))?;
    let site = target_dir().join("python/site");
    assemble(&site, &library("debug/deps", "mediveil_native"))?;
    Ok(site)
}

/// What measures calls from Python beside the same in Rust; nothing where there is no environment to run it in.
pub(crate) fn overhead() -> Result<Option<Overhead>, String> {
    let Some(python) = environment_if_any("overhead", &["numpy>=2".to_owned()]) else {
        println!("\n== SKIPPED: calls from Python beside the same in Rust (no python3 with venv, or no numpy)");
        return Ok(None);
    };
    // Together, so that both are made of the same crates.
    let mut build = cargo(&["build", "--profile", "bench", "--locked"]);
    build.args(["--package", "mediveil-py", "--package", "mediveil-benches-python"]);
    step("build of the Python package and its twin", &mut build)?;
    let site = target_dir().join("python/overhead-site");
    assemble(&site, &library("release", "mediveil_native"))?;
    let twin = library("release", "mediveil_twin");
    at(&twin, fs::copy(&twin, site.join("mediveil_twin.abi3.so")))?;
    Ok(Some(Overhead { python, site }))
}

/// The interpreter and the folder that it imports from.
pub(crate) struct Overhead {
    python: PathBuf,
    site: PathBuf,
}

impl Overhead {
    /// Measures for about so many seconds and prints figures, one a line.
    pub(crate) fn command(&self, seconds: u32) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(root().join("benches/python/overhead.py")).arg(seconds.to_string());
        command.env("PYTHONPATH", &self.site).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// The interpreter with all that the tests import.
pub(crate) fn tester() -> Result<PathBuf, String> {
    let manifest = home().join("pyproject.toml");
    let packages = requirements(&at(&manifest, fs::read_to_string(&manifest))?);
    if packages.is_empty() {
        return Err(format!("{}: no test requirements found", manifest.display()));
    }
    environment("tests", &packages)
}

/// Tests, documentation examples, examples and types.
pub(crate) fn check_python() -> Result<(), String> {
    let python = tester()?;
    let site = for_tests()?;
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
    step_aside("pytest", &mut pytest)?;
    let cache = target_dir().join("python/mypy");
    let mut mypy = run(&["-m", "mypy", "python/mediveil", "examples", "../../examples/python"]);
    step_aside("mypy --strict", mypy.env("MYPYPATH", "python").env("MYPY_CACHE_DIR", cache).env_remove("PYTHONPATH"))
}

/// The C library, its header, example and tests, plainly and under the sanitizers and valgrind.
pub(crate) fn check_c() -> Result<(), String> {
    let mut make = Command::new("make");
    // With the features that the workspace's tests were built with: nothing is compiled twice.
    make.args(["check", "SCOPE=--workspace", "-j2", "--output-sync=target"])
        .current_dir(root().join("bindings/c"))
        .env("CARGO_TARGET_DIR", target_dir());
    build_once(&mut make);
    step_aside("the C library", &mut make)
}

/// `cargo xtask wheel`: the wheel, optimised, under `target/wheels`; then what the README shows, with nothing but the wheel and
/// pandas.
pub(crate) fn wheel(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("wheel takes no arguments".into());
    }
    let python = environment("wheel", &["maturin>=1.9.4,<2".to_owned()])?;
    let out = emptied(&target_dir().join("wheels"))?;
    let mut maturin = Command::new(python);
    maturin.args(["-m", "maturin", "build", "--release", "--locked", "--out"]).arg(&out).current_dir(home());
    step("the wheel", &mut maturin)?;
    let mut built = at(&out, fs::read_dir(&out))?.flatten().map(|item| item.path());
    let wheel = built.find(|path| path.extension().is_some_and(|e| e == "whl")).ok_or("maturin made no wheel")?;
    let size = at(&wheel, fs::metadata(&wheel))?.len();
    println!("\n{}: {:.1} MB", wheel.display(), size as f64 / 1e6);
    let python = environment("installed", &["pandas>=2.2".to_owned()])?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--force-reinstall"]);
    step("pip install of the wheel", pip.arg(&wheel))?;
    let page = home().join("README.md");
    let lines = block(&at(&page, fs::read_to_string(&page))?, "python").ok_or("the README shows no Python")?;
    // It writes a log where it runs, and sees nothing of this tree.
    let folder = emptied(&target_dir().join("python/installed-here"))?;
    step("the README's lines", Command::new(python).args(["-I", "-c", &lines]).current_dir(folder))
}

/// A folder with nothing in it.
fn emptied(folder: &Path) -> Result<PathBuf, String> {
    if folder.exists() {
        at(folder, fs::remove_dir_all(folder))?;
    }
    at(folder, fs::create_dir_all(folder))?;
    Ok(folder.to_owned())
}

/// The first block of a page in this language.
fn block(page: &str, language: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("\n```{language}\n"))?;
    rest.split_once("\n```").map(|(lines, _)| lines.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_requirements_are_read_from_the_project() {
        let text = "[x]\nother = [\"a\"]\ntest = [\"pytest>=8\", \"numpy>=2\"]\n";
        assert_eq!(super::requirements(text), ["pytest>=8", "numpy>=2"]);
        assert_eq!(super::requirements(""), Vec::<String>::new());
    }

    #[test]
    fn the_lines_of_a_page_are_those_of_its_first_block() {
        let page = "# x\n```sh\nno\n```\n\n```python\na = 1\nb = 2\n```\n```python\nc\n```\n";
        assert_eq!(super::block(page, "python").as_deref(), Some("a = 1\nb = 2"));
        assert_eq!(super::block(page, "ruby"), None);
    }
}
