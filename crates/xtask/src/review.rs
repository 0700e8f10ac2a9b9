//! `cargo xtask review`: what a reviewer sees first. The claims of the guide by their tests, published vectors, the tamper
//! matrix, versions and licences, on one page.

use crate::guide::{self, Named};
use crate::programs::{self, Programs};
use crate::python::at;
use crate::report::versions;
use crate::shell::{metadata, root, target_dir};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

/// What runs beside the ten claims: a heading, and tests.
const MORE: &[(&str, &[&str])] = &[
    (
        "Published vectors",
        &[
            "mediveil-seal::src::wycheproof_chacha20_poly1305",
            "mediveil-seal::src::wycheproof_aes_256_gcm",
            "mediveil-seal::src::wycheproof_hkdf_sha256",
            "mediveil-seal::src::wycheproof_pbkdf2_hmac_sha256",
            "mediveil-seal::wycheproof_keys::ecdsa_p256_sha256_der",
            "mediveil-seal::wycheproof_keys::ecdh_p256_ecpoint",
            "mediveil-seal::identity::rfc6979_p256_sha256",
            "mediveil-abe::src::the_hash_is_rfc_9380s",
            "mediveil-abe::language::circl_cases_agree",
            "mediveil-threshold::slip39::vectors_of_the_standard",
            "mediveil-record::json::plain_export_passes_rfc_8785s_cases",
            "mediveil-record::src::equals_circomlibs_published_values",
            "mediveil-circuits::gadgets::eddsa_accepts_circomlibjs_signature",
            "mediveil-dp::src::gaussian_compositions_of_the_reference_table",
        ],
    ),
    (
        "Tamper matrix",
        &[
            "mediveil-codec::frame::changed_objects_are_refused_or_canonical",
            "mediveil-seal::sealed_file::segments_swapped_dropped_repeated_reordered_or_cut_are_found",
            "mediveil-seal::sealed_file::parts_of_another_file_are_refused",
            "mediveil-abe::src::every_component_mauled_is_rejected",
            "mediveil-threshold::guardians::every_changed_byte_of_a_door_keeps_it_shut",
            "mediveil-ledger::tamper::an_edited_entry",
            "mediveil-ledger::tamper::swapped_rows",
            "mediveil-ledger::proofs::every_changed_byte_of_a_proof_is_refused",
            "mediveil-zk::proofs::points_at_infinity_off_the_curve_and_outside_the_subgroup_are_no_proof",
            "mediveil-study::withstand::a_certificate_verifies_from_its_bytes_and_nothing_else_in_it_may_change",
        ],
    ),
];

/// Crates whose version heads the page.
const SHOWN: &[&str] = &[
    "chacha20poly1305",
    "aes-gcm",
    "p256",
    "hpke",
    "blst",
    "blstrs",
    "ark-groth16",
    "ark-bn254",
    "opendp",
    "fhe",
    "rusqlite",
];

pub(crate) fn run(args: &[String]) -> Result<(), String> {
    if !args.is_empty() {
        return Err("review takes nothing".into());
    }
    let claims = guide::table(&guide::page("README.md")?, "n");
    let mut groups: Vec<(String, Vec<(String, Named)>)> = Vec::new();
    let named = |row: &Vec<String>| {
        let test = guide::tests_in(row.last()?).pop()?;
        Some((row.get(1)?.clone(), test))
    };
    groups.push(("The ten claims".into(), claims.iter().filter_map(named).collect()));
    for (heading, list) in MORE {
        let tests = list.iter().flat_map(|span| guide::tests_in(&format!("`{span}`")));
        groups.push(((*heading).into(), tests.map(|t| (t.test.replace('_', " "), t)).collect()));
    }
    if let Some((_, lost)) = groups.iter().flat_map(|g| &g.1).find(|(_, test)| !guide::exists(test)) {
        return Err(format!("the guide names a test that does not exist: {lost:?}"));
    }
    let places = groups.iter().flat_map(|g| g.1.iter().map(|(_, test)| test.place.as_str()));
    let programs = programs::build(&places.collect())?;
    let start = Instant::now();
    let mut outcomes = BTreeMap::new();
    for (heading, tests) in &groups {
        println!("\n== {heading}");
        for (claim, test) in tests {
            let (ok, seconds) = passes(test, &programs)?;
            println!("{:<6} {seconds:>6.1} s  {claim}\n{:17}{}", if ok { "ok" } else { "FAILED" }, "", test.test);
            outcomes.insert(test.clone(), (ok, seconds));
        }
    }
    let licences = licences()?;
    let folder = target_dir().join("review");
    at(&folder, fs::create_dir_all(&folder))?;
    let file = folder.join("index.html");
    at(&file, fs::write(&file, html(&groups, &outcomes, &licences)))?;
    println!("\n{} licences in {} packages", licences.len(), licences.values().sum::<usize>());
    println!("took {:.0} s after the build; wrote {}", start.elapsed().as_secs_f64(), file.display());
    match outcomes.values().filter(|(ok, _)| !ok).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} tests failed", outcomes.len())),
    }
}

/// Runs one test; whether it ran, alone or with its like, and passed.
fn passes(test: &Named, programs: &Programs) -> Result<(bool, f64), String> {
    let start = Instant::now();
    let mut command = programs::command(programs, &test.package, &test.place)?;
    let output = command.arg(&test.test).output().map_err(|e| format!("{command:?}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ran = text.lines().any(|l| l.starts_with("test result: ok. ") && !l.starts_with("test result: ok. 0 "));
    Ok((output.status.success() && ran, start.elapsed().as_secs_f64()))
}

/// How many packages of the lock file declare each licence.
fn licences() -> Result<BTreeMap<String, usize>, String> {
    let mut counts = BTreeMap::new();
    for package in metadata(true)? {
        let licence = package.get("license").and_then(Value::as_str).unwrap_or("in a file of its own");
        *counts.entry(licence.replace('/', " OR ")).or_insert(0) += 1;
    }
    Ok(counts)
}

fn html(
    groups: &[(String, Vec<(String, Named)>)],
    outcomes: &BTreeMap<Named, (bool, f64)>,
    licences: &BTreeMap<String, usize>,
) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>mediveil: review</title><style>\
         body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}table{border-collapse:collapse;width:100%}\
         td,th{border-bottom:1px solid #ddd;padding:.3em .5em;text-align:left;vertical-align:top}code{font-size:12px;color:#555}\
         .ok{color:#176b36}.no{color:#b3261e;font-weight:bold}</style><h1>mediveil: review</h1>\
         <p>Nothing here has been audited. This page shows what the tests of this copy show, on this machine. The guide is in \
         <code>docs/README.md</code>.</p>\n",
    );
    for (heading, tests) in groups {
        let _ = writeln!(page, "<h2>{heading}</h2><table><tr><th>claim<th>test<th>seconds<th>outcome");
        for (claim, test) in tests {
            let (ok, seconds) = outcomes.get(test).copied().unwrap_or_default();
            let (class, word) = if ok { ("ok", "holds") } else { ("no", "FAILED") };
            let _ = writeln!(
                page,
                "<tr><td>{claim}<td><code>{}::{}::{}</code><td>{seconds:.1}<td class=\"{class}\">{word}",
                test.package, test.place, test.test
            );
        }
        page += "</table>\n";
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default();
    page += "<h2>Versions</h2><table><tr><th>crate<th>version";
    for name in SHOWN {
        let _ = write!(page, "\n<tr><td>{name}<td>{}", versions(&lock, name).join(", "));
    }
    page += "</table>\n<h2>Licences in the lock file</h2><table><tr><th>licence<th>packages";
    for (licence, count) in licences {
        let _ = write!(page, "\n<tr><td>{licence}<td>{count}");
    }
    page + "</table></html>\n"
}

#[cfg(test)]
mod tests {
    use super::MORE;
    use crate::guide::{exists, tests_in};

    #[test]
    fn every_test_of_the_review_exists() {
        for span in MORE.iter().flat_map(|(_, list)| *list) {
            let tests = tests_in(&format!("`{span}`"));
            assert!(tests.len() == 1 && tests.iter().all(exists), "{span}");
        }
    }
}
