//! `cargo xtask sbom` and `cargo xtask deny`: what this software is made of. Both use well-kept tools, installed under the target
//! directory when they are not there.

use crate::python::at;
use crate::shell::{metadata, root, step, target_dir, tool};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

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
    let packages = metadata(false)?;
    for package in &packages {
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
        let from = Path::new(text("manifest_path")).with_file_name("bom.json");
        at(&from, fs::copy(&from, folder.join(format!("{}.cdx.json", text("name")))))?;
        at(&from, fs::remove_file(&from))?;
    }
    println!("wrote {} files to {}", packages.len(), folder.display());
    Ok(())
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
