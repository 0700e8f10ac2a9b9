//! Test programs, built as `cargo xtask test` builds them, with the features of the whole workspace, and started without cargo:
//! asked for the tests of one package, cargo would build it again with the features that it has alone.

use crate::guide::{LIBRARY, home};
use crate::shell::cargo;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// By package and place.
pub(crate) type Programs = BTreeMap<(String, String), PathBuf>;

/// Builds the programs of these places: names of test files, in whichever packages have them, and [`LIBRARY`].
pub(crate) fn build(places: &BTreeSet<&str>) -> Result<Programs, String> {
    let mut command = cargo(&["test", "--workspace", "--locked", "--no-run"]);
    for place in places {
        if *place == LIBRARY {
            command.arg("--lib");
        } else {
            command.args(["--test", place]);
        }
    }
    println!("\n== build of the tests");
    let command = command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = command.output().map_err(|e| format!("cargo test: {e}"))?;
    if !output.status.success() {
        return Err(format!("build of the tests failed ({}): {command:?}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(program).collect())
}

/// One line of cargo's report, if it tells of a test program.
fn program(line: &str) -> Option<((String, String), PathBuf)> {
    let report: Value = serde_json::from_str(line).ok()?;
    let text = |path: &str| report.pointer(path).and_then(Value::as_str);
    let file = text("/executable")?;
    let manifest = fs::read_to_string(text("/manifest_path")?).ok()?;
    let package = manifest.lines().find_map(|l| l.strip_prefix("name = \""))?.strip_suffix('"')?.to_owned();
    let place = if text("/target/kind/0")? == "test" { text("/target/name")? } else { LIBRARY };
    Some(((package, place.to_owned()), PathBuf::from(file)))
}

/// Starts a program as cargo would: in its package's folder.
pub(crate) fn command(programs: &Programs, package: &str, place: &str) -> Result<Command, String> {
    let program = programs.get(&(package.to_owned(), place.to_owned()));
    let (program, home) = program.zip(home(package)).ok_or(format!("no program holds {package}::{place}"))?;
    let mut command = Command::new(program);
    command.current_dir(home);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use crate::shell::{metadata, root};
    use std::fs;
    use std::path::Path;

    fn has_tests(source: &Path) -> bool {
        let entries = fs::read_dir(source).unwrap().map(|e| e.unwrap().path());
        entries.into_iter().any(|path| match path.is_dir() {
            true => has_tests(&path),
            false => fs::read_to_string(path).unwrap().contains("#[test]"),
        })
    }

    /// `test = false` spares the build of a program without tests; with tests they would never run.
    #[test]
    fn no_library_has_tests_that_are_not_built() {
        let mut spared = 0;
        for package in metadata(false).unwrap() {
            for target in package["targets"].as_array().unwrap() {
                let source = target["src_path"].as_str().unwrap();
                if target["test"] == false && source.ends_with("src/lib.rs") {
                    let source = Path::new(source).parent().unwrap();
                    assert!(!has_tests(source), "{}", source.strip_prefix(root()).unwrap_or(source).display());
                    spared += 1;
                }
            }
        }
        assert!(spared > 3, "{spared}");
    }
}
