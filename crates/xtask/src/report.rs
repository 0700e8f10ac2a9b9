//! `benches/REPORT.md`: what a full run of the benches measured, on which machine, against which versions, with plots.

use crate::plot::{Curve, bars, curves};
use crate::python::at;
use crate::shell::root;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

/// Crates whose versions a reader of the figures wants to know: peers, and what the figures rest on.
const VERSIONS: &[&str] = &[
    "age",
    "rabe",
    "threshold_crypto",
    "ark-groth16",
    "ark-bn254",
    "tfhe",
    "opendp",
    "ct-merkle",
    "blst",
    "blstrs",
    "fhe",
    "chacha20poly1305",
    "aes-gcm",
    "p256",
    "rusqlite",
    "criterion",
];

/// A plot over sizes: file, title, horizontal axis, and for each curve its name and the bench ids with their sizes.
type Sizes = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static [(f64, &'static str)])]);

const CURVES: &[Sizes] = &[
    (
        "abe-attributes",
        "Attribute-based encryption: cost over the attributes of an AND policy",
        "attributes",
        &[
            (
                "grant",
                &[
                    (1.0, "abe.keygen.1"),
                    (10.0, "abe.keygen.10"),
                    (50.0, "abe.keygen.50"),
                    (200.0, "abe.keygen.200"),
                    (1000.0, "abe.keygen.1000"),
                ],
            ),
            (
                "encrypt",
                &[
                    (1.0, "abe.encrypt.1"),
                    (10.0, "abe.encrypt.10"),
                    (50.0, "abe.encrypt.50"),
                    (200.0, "abe.encrypt.200"),
                    (1000.0, "abe.encrypt.1000"),
                ],
            ),
            (
                "decrypt",
                &[
                    (1.0, "abe.decrypt.1"),
                    (10.0, "abe.decrypt.10"),
                    (50.0, "abe.decrypt.50"),
                    (200.0, "abe.decrypt.200"),
                    (1000.0, "abe.decrypt.1000"),
                ],
            ),
        ],
    ),
    (
        "dkg-members",
        "Key generation by a committee: one member's processor time, needed = a third of all and one",
        "members",
        &[(
            "one member",
            &[
                (4.0, "threshold.dkg.2of4"),
                (16.0, "threshold.dkg.6of16"),
                (64.0, "threshold.dkg.22of64"),
                (100.0, "threshold.dkg.34of100"),
                (256.0, "threshold.dkg.86of256"),
            ],
        )],
    ),
];

/// Writes the report and its plots into `benches`.
pub(crate) fn write(rows: &[Value], times: &BTreeMap<String, f64>, settings: &str) -> Result<(), String> {
    let folder = root().join("benches");
    let plots = folder.join("plots");
    at(&plots, fs::create_dir_all(&plots))?;
    let mut text = heading(settings);
    let _ = writeln!(text, "\n## Figures\n\n| id | value | unit | peer | peer's value | ratio | target | met |");
    let _ = writeln!(text, "|---|---:|---|---|---:|---:|---|---|");
    for row in rows {
        let word = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let number = |key: &str| row.get(key).and_then(Value::as_f64).map_or_else(String::new, crate::bench::round);
        let met = match row.get("met").and_then(Value::as_bool) {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let (id, unit, peer, target) = (word("id"), word("unit"), word("peer"), word("target"));
        let (value, other, ratio) = (number("value"), number("peer_value"), number("ratio"));
        let _ = writeln!(text, "| `{id}` | {value} | {unit} | {peer} | {other} | {ratio} | {target} | {met} |");
    }
    let ratios: Vec<(String, f64)> = rows
        .iter()
        .filter_map(|row| {
            let text = |key: &str| row.get(key).and_then(Value::as_str);
            Some((format!("{} / {}", text("id")?, text("peer")?), row.get("ratio")?.as_f64().filter(|r| *r > 0.0)?))
        })
        .collect();
    let list: Vec<(&str, f64)> = ratios.iter().map(|(label, ratio)| (label.as_str(), *ratio)).collect();
    plot(
        &mut text,
        "ratios",
        "Times better than the peer in the same run",
        &bars("Times better than the peer", &list),
    )?;
    for (file, title, horizontal, lines) in CURVES {
        let drawn: Vec<Curve<'_>> = lines
            .iter()
            .map(|(name, ids)| Curve {
                name,
                points: ids.iter().filter_map(|(size, id)| Some((*size, times.get(*id)? / 1e6))).collect(),
            })
            .filter(|c| c.points.len() > 1)
            .collect();
        if !drawn.is_empty() {
            plot(&mut text, file, title, &curves(title, horizontal, "milliseconds", &drawn))?;
        }
    }
    let file = folder.join("REPORT.md");
    at(&file, fs::write(&file, text))?;
    println!("\nwrote {}", file.display());
    Ok(())
}

fn plot(text: &mut String, name: &str, title: &str, svg: &str) -> Result<(), String> {
    let file = root().join("benches/plots").join(format!("{name}.svg"));
    at(&file, fs::write(&file, svg))?;
    let _ = writeln!(text, "\n## {title}\n\n![{title}](plots/{name}.svg)");
    Ok(())
}

fn heading(settings: &str) -> String {
    let mut text = format!(
        "# What was measured\n\nWritten by `cargo xtask bench{settings}; run it again to repeat it. A peer is measured in the same run, on the \
         same\ninput, in the same process; `tfhe` in one of its own. Times are criterion's means of one operation; a ratio above one\nmeans better than the peer.\n\n\
         ## Machine and versions\n\n| | |\n|---|---|\n"
    );
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {} |", value.trim());
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ").map(|(_, m)| m.to_owned()));
    line("processor", &model.unwrap_or_else(|| std::env::consts::ARCH.into()));
    line("cores", &std::thread::available_parallelism().map_or_else(|_| "?".into(), |n| n.to_string()));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    line("memory", &kib.map_or_else(|| "?".into(), |k| format!("{} GiB", (k + (1 << 19)) >> 20)));
    line("system", std::env::consts::OS);
    line("compiler", &said("rustc", &["--version"]));
    line(
        "this software",
        &format!("{} at commit {}", env!("CARGO_PKG_VERSION"), said("git", &["rev-parse", "--short", "HEAD"])),
    );
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap_or_default();
    let lock = read("Cargo.lock") + &read("benches/tfhe/Cargo.lock");
    for name in VERSIONS {
        let versions = versions(&lock, name);
        if !versions.is_empty() {
            line(&format!("`{name}`"), &versions.join(", "));
        }
    }
    text
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(root()).output();
    output.map_or_else(|_| "?".into(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

/// The versions of a package in the lock file.
pub(crate) fn versions(lock: &str, package: &str) -> Vec<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line == name
            && let Some(version) = lines.next().and_then(|l| l.strip_prefix("version = \""))
        {
            found.push(version.trim_end_matches('"').to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::versions;

    #[test]
    fn versions_come_from_the_lock_file_by_whole_names() {
        let lock = "[[package]]\nname = \"age\"\nversion = \"0.11.1\"\n\n[[package]]\nname = \"age-core\"\nversion = \"0.1.0\"\n";
        assert_eq!(versions(lock, "age"), ["0.11.1"]);
        assert!(versions(lock, "ag").is_empty());
    }
}
