//! `cargo xtask sbom` and `cargo xtask deny`: what this software is made of. Both use well-kept tools, installed under the target
//! directory when they are not there.

use crate::python::at;
use crate::shell::{cargo, has, packages, root, step, target_dir};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The tool, from the path or from the target directory, where it is built once.
fn tool(name: &str, version: &str) -> Result<PathBuf, String> {
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

/// A `CycloneDX` bill of materials for each package.
pub(crate) fn sbom(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("sbom takes nothing".into());
    }
    let program = tool("cargo-cyclonedx", "0.5.9")?;
    let mut command = Command::new(program);
    command.args(["cyclonedx", "--format", "json", "--all", "--spec-version", "1.5", "--quiet"]);
    command.args(["--override-filename", "bom"]).current_dir(root());
    step("bill of materials", &mut command)?;
    // The tool writes beside each manifest.
    let folder = target_dir().join("sbom");
    at(&folder, fs::create_dir_all(&folder))?;
    let mut written = 0;
    for (package, home) in homes()? {
        let (from, to) = (home.join("bom.json"), folder.join(format!("{package}.cdx.json")));
        if from.exists() {
            at(&from, fs::copy(&from, &to))?;
            at(&from, fs::remove_file(&from))?;
            written += 1;
        }
    }
    println!("wrote {written} files to {}", folder.display());
    if written == packages()?.len() { Ok(()) } else { Err("a package has no bill of materials".into()) }
}

/// Licences, sources, bans and duplicate versions.
pub(crate) fn deny(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("deny takes nothing".into());
    }
    let program = tool("cargo-deny", "0.20.2")?;
    let mut command = Command::new(program);
    command.args(["--locked", "--all-features", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    step("licences, bans and sources", command.current_dir(root()))
}

/// Each package with the folder of its manifest.
fn homes() -> Result<Vec<(String, PathBuf)>, String> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]).output();
    let output = output.map_err(|e| format!("cargo metadata: {e}"))?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let list = metadata.get("packages").and_then(|p| p.as_array()).into_iter().flatten();
    Ok(list
        .filter_map(|p| {
            let manifest = PathBuf::from(p.get("manifest_path")?.as_str()?);
            Some((p.get("name")?.as_str()?.to_owned(), manifest.parent()?.to_owned()))
        })
        .collect())
}
