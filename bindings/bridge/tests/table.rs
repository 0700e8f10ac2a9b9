//! Every error enum of the libraries that the bindings carry, and every variant of it, stands in the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_bridge::{Classify, Kind};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The public error enums in a source text, with their variants: those that derive `thiserror::Error`.
fn enums(source: &str) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    let (mut is_error, mut lines) = (false, source.lines());
    while let Some(line) = lines.next() {
        let line = line.trim_end();
        if line.starts_with("#[derive(") {
            is_error = line.contains("thiserror::Error");
        } else if let Some(rest) = line.strip_prefix("pub enum ").filter(|_| is_error) {
            let name = rest.split([' ', '<', '{']).next().unwrap().to_owned();
            let body = lines.by_ref().take_while(|l| *l != "}");
            let variant = |l: &str| {
                let l = l.strip_prefix("    ")?;
                let end = l.find(|c: char| !c.is_alphanumeric()).unwrap_or(l.len());
                (l.starts_with(char::is_uppercase)).then(|| l[..end].to_owned())
            };
            found.insert(name, body.filter_map(variant).collect());
            is_error = false;
        } else if line.starts_with("pub struct") {
            is_error = false;
        }
    }
    found
}

/// The blocks of the table by `crate::Enum`.
fn blocks(table: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for block in table.split("impl Classify for mediveil_").skip(1) {
        let (head, body) = block.split_once(" {").unwrap();
        let (krate, path) = head.split_once("::").unwrap();
        // Within a crate the last segment names an enum.
        let name = path.rsplit("::").next().unwrap();
        let body = body.split("\n}\n").next().unwrap();
        found.insert(format!("{krate}::{name}"), body.to_owned());
    }
    found
}

fn missing(krate: &str, source: &str, table: &BTreeMap<String, String>) -> Vec<String> {
    let mut missing = Vec::new();
    for (name, variants) in enums(source) {
        let full = format!("{krate}::{name}");
        let Some(block) = table.get(&full) else {
            missing.push(full);
            continue;
        };
        for variant in variants {
            let named = block
                .match_indices(&format!("Self::{variant}"))
                .any(|(at, m)| !block[at + m.len()..].starts_with(|c: char| c.is_alphanumeric()));
            if !named {
                missing.push(format!("{full}::{variant}"));
            }
        }
    }
    missing
}

#[test]
fn every_variant_of_every_error_has_a_kind() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = blocks(&fs::read_to_string(here.join("src/table.rs")).unwrap());
    let manifest = fs::read_to_string(here.join("Cargo.toml")).unwrap();
    let (mut missed, mut seen) = (Vec::new(), 0);
    for krate in manifest.lines().filter_map(|l| l.strip_prefix("mediveil-")?.strip_suffix(".workspace = true")) {
        let mut files = Vec::new();
        let home = if krate == "circuits" { here.join("../..") } else { here.join("../../crates") };
        sources(&home.join(krate).join("src"), &mut files);
        for file in files {
            let source = fs::read_to_string(&file).unwrap();
            seen += enums(&source).len();
            missed.extend(missing(krate, &source, &table));
        }
    }
    assert!(seen >= 54, "only {seen} error enums were found: the test does not see them");
    assert_eq!(missed, Vec::<String>::new(), "these have no line in bindings/bridge/src/table.rs");
}

#[test]
fn the_test_above_notices_what_is_missing() {
    let source = "#[derive(Debug, thiserror::Error)]\n#[non_exhaustive]\npub enum E {\n    /// One.\n    #[error(\"a\")]\n    \
                  One,\n    #[error(\"b\")]\n    OneMore {\n        why: u8,\n    },\n}\n";
    let table = |text: &str| blocks(&format!("impl Classify for mediveil_seal::x::E {{\n{text}\n}}\n"));
    assert_eq!(missing("seal", source, &table("Self::One | Self::OneMore { .. }")), Vec::<String>::new());
    assert_eq!(missing("seal", source, &table("Self::OneMore { .. }")), ["seal::E::One"]);
    assert_eq!(missing("seal", source, &table("Self::One")), ["seal::E::OneMore"]);
    assert_eq!(missing("abe", source, &table("Self::One | Self::OneMore")), ["abe::E"]);
}

#[test]
fn kinds_have_codes_and_names_of_their_own() {
    for (position, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind.code(), i32::try_from(position).unwrap() + 1);
        assert_eq!(Kind::ALL.into_iter().filter(|k| k.exception() == kind.exception()).count(), 1);
    }
    assert_eq!(mediveil_seal::OpenError::Tampered.kind(), Kind::Damaged);
    assert_eq!(Classify::kind(&mediveil_ledger::LogError::Busy), Kind::Busy);
    let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
    assert_eq!(Classify::kind(&gone), Kind::NotFound);
}
