//! What the README shows is what happens: its sessions run line by line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::process::Command;

/// The lines of every `sh` block under the heading.
fn session(readme: &str, heading: &str) -> Vec<String> {
    let section = readme.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap();
    let mut lines = Vec::new();
    let mut inside = false;
    for line in section.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && !line.trim().is_empty() => lines.push(line.to_owned()),
            _ => {}
        }
    }
    lines
}

/// A line that begins with `!` must be refused, with the exit code that its comment names.
fn check(line: &str, folder: &Path) {
    let (command, expected) = match line.strip_prefix("! ") {
        None => (line, 0),
        Some(command) => {
            let code = command.rsplit("exit code ").next().and_then(|n| n.trim().parse().ok());
            (command, code.unwrap_or_else(|| panic!("say which exit code: {line}")))
        }
    };
    let bin = Path::new(env!("CARGO_BIN_EXE_mediveil")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash").args(["-c", command]).current_dir(folder).env("PATH", path).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(expected),
        "{line}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs the session under this heading in a folder of its own.
fn run(heading: &str) {
    let lines = session(&readme(), heading);
    assert!(lines.len() >= 4, "{heading}");
    let folder = tempfile::tempdir().unwrap();
    for line in &lines {
        check(line, folder.path());
    }
}

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap()
}

/// A test for each session: they run side by side.
macro_rules! sessions {
    ($($test:ident: $title:literal,)*) => {
        $(
            #[test]
            fn $test() {
                run(concat!("## Session: ", $title));
            }
        )*

        #[test]
        fn every_session_has_its_test() {
            let readme = readme();
            let titles: Vec<&str> = readme.lines().filter_map(|l| l.strip_prefix("## Session: ")).collect();
            assert_eq!(titles, [$($title),*]);
        }
    };
}

sessions! {
    record: "one record, several readers",
    keys: "keys that rotate, and one that is erased",
    policies: "access by attributes",
    budget: "spend a budget and audit it",
    guardians: "guardians on five hosts",
    paper: "a key on paper",
    proofs: "proofs that show what they must, and nothing else",
    study: "research on encrypted rows",
    model: "a score on values that stay encrypted",
    federation: "one model of three hospitals",
}
