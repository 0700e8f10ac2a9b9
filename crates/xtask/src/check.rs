//! `cargo xtask check`: each crate builds by itself, without its default features, and with each of its features alone. Feature
//! unification in the workspace would hide one that is missing.

use crate::shell::{cargo, metadata, step};
use serde_json::Value;

/// What must not build: noise without its secure generator.
const REFUSED: (&str, &str) = ("mediveil-dp", "secure-noise");

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut checked = 0;
    for package in metadata(false)? {
        let Some(name) = package.get("name").and_then(Value::as_str) else { continue };
        if !args.is_empty() && !args.iter().any(|a| a == name) {
            continue;
        }
        let mut sets = vec![("default features".to_owned(), Vec::new())];
        sets.push(("no features".into(), vec!["--no-default-features".to_owned()]));
        for feature in package.get("features").and_then(Value::as_object).into_iter().flat_map(|f| f.keys()) {
            // A fuzzer's entry point links only under its own build.
            if !["default", "libfuzzer", "extension-module"].contains(&feature.as_str()) {
                let list = vec!["--no-default-features".to_owned(), "--features".into(), feature.clone()];
                sets.push((format!("feature {feature} alone"), list));
            }
        }
        for (title, list) in sets {
            let refused = name == REFUSED.0 && !list.is_empty() && !list.iter().any(|l| l == REFUSED.1);
            let mut command = cargo(&["check", "--quiet", "--locked", "--package", name]);
            command.args(list);
            if refused {
                let output = command.output().map_err(|e| format!("cargo check: {e}"))?;
                println!(
                    "\n== {name}, {title}: {}",
                    if output.status.success() { "BUILDS" } else { "refused, as it must be" }
                );
                if output.status.success() {
                    return Err(format!("{name} builds without {}", REFUSED.1));
                }
            } else {
                step(&format!("{name}, {title}"), &mut command)?;
            }
            checked += 1;
        }
    }
    if checked == 0 { Err("no such package".into()) } else { Ok(()) }
}
