//! Proofs on the command line: what is proved, and every proof that is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{run, says};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

const NOW: &str = "2026-11-21T08:00:00Z";
const RECORD: &str = r#"{"resourceType":"Bundle","type":"collection","entry":[
    {"resource":{"resourceType":"Patient","birthDate":"1980-02-29"}},
    {"resource":{"resourceType":"Observation","code":{"coding":[{"code":"8480-6"}]},"valueQuantity":{"value":121.0}}},
    {"resource":{"resourceType":"Observation","code":{"coding":[{"code":"4548-4"}]},"valueQuantity":{"value":6.4}}},
    {"resource":{"resourceType":"Observation","code":{"coding":[{"code":"exact"}]},"valueQuantity":{"value":6.150188484881049}}}]}"#;

/// Keys, parties and requests, made once: development keys for identity and record, an issuer, a lab, two holders.
static CLINIC: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let lines = [
        "setup identity --development -o identity",
        "setup record --development -o record",
        "holder new -o me",
        "holder new -o other",
        "issuer new --name Anna --role patient --role physician -o register",
        "issuer issue register --person P-1 --holder me.pub --born 1980-02-29 --role physician --expires 2027-01-31 -o my.credential",
        "issuer issue register --person P-2 --holder other.pub --born 2010-05-05 --role patient --expires 2027-01-31 -o other.credential",
        "provider new -o lab",
        "provider new -o hospital",
        "provider registry --member lab=lab.pub --member hospital=hospital.pub -o providers",
        "provider registry --member hospital=hospital.pub -o hospitals",
        "provider sign lab --record record.json --holder me.pub -o held",
    ];
    fs::write(at.join("record.json"), RECORD).unwrap();
    lines.iter().for_each(|line| zk(at, line, 0));
    request(at, "identity --scope pharmacy --min-age 18 --role physician", "id.json");
    request(at, "identity --scope pharmacy --challenge fixed --min-age 18", "any-role.json");
    run(at, &claims("insurer", &["code.coding[0].code = 4548-4", "valueQuantity.value < 7.0"], "hba1c.json"), 0);
    prove_identity(at, "id.json", "id.proof", 0);
    prove_record(at, "hba1c.json", "record.proof", 0);
    folder
});

fn words(line: &str) -> Vec<&str> {
    std::iter::once("zk").chain(line.split(' ')).chain(["--now", NOW]).collect()
}

fn zk(at: &Path, line: &str, code: i32) {
    run(at, &words(line), code);
}

/// Runs a line that is refused, and returns what it says.
fn refused(at: &Path, line: &str, code: i32) -> String {
    says(at, &words(line), code)
}

fn request(at: &Path, line: &str, out: &str) {
    zk(at, &format!("request {line} -o {out}"), 0);
}

fn claims<'a>(scope: &'a str, claims: &[&'a str], out: &'a str) -> Vec<&'a str> {
    let mut args = vec!["zk", "request", "record", "--scope", scope, "-o", out];
    claims.iter().for_each(|claim| args.extend(["--claim", claim]));
    args
}

const IDENTITY: &str = "--key identity.pk --secret me --credential my.credential --registry register.pub";
const RECORD_ARGS: &str = "--key record.pk --secret me --record record.json --held held --providers providers";

fn prove_identity(at: &Path, request: &str, out: &str, code: i32) -> String {
    says(at, &words(&format!("prove identity {IDENTITY} --request {request} -o {out}")), code)
}

fn prove_record(at: &Path, request: &str, out: &str, code: i32) -> String {
    says(at, &words(&format!("prove record {RECORD_ARGS} --request {request} -o {out}")), code)
}

fn verify_identity(proof: &str, request: &str, more: &str) -> String {
    format!("verify identity {proof} --key identity.vk --request {request} --registry register.pub {more}")
}

fn verify_record(proof: &str, request: &str, more: &str) -> String {
    format!("verify record {proof} --key record.vk --request {request} --providers providers {more}")
}

const DEV: &str = "--allow-development --no-seen";

/// What the verifier learns.
fn accepted(at: &Path, line: &str) -> Value {
    let line = format!("{line} --json");
    let answer: Value = serde_json::from_slice(&run(at, &words(&line), 0).stdout).unwrap();
    assert_eq!(answer["accepted"], true);
    answer
}

#[test]
fn development_keys_are_refused_unless_asked_for() {
    let at = CLINIC.path();
    for line in
        [verify_identity("id.proof", "id.json", "--no-seen"), verify_record("record.proof", "hba1c.json", "--no-seen")]
    {
        assert!(refused(at, &line, 3).contains("development key"), "{line}");
        let answer = accepted(at, &format!("{line} --allow-development"));
        assert!(answer["key_origin"].as_str().unwrap().contains("development"));
    }
    assert!(refused(at, "export-solidity identity.vk -o dev.sol", 3).contains("development key"));
    assert!(!at.join("dev.sol").exists());
}

#[test]
fn a_proof_shows_what_was_asked_and_nothing_else() {
    let at = CLINIC.path();
    let answer = accepted(at, &verify_identity("id.proof", "id.json", DEV));
    assert_eq!((&answer["born"]["before"], &answer["role"][0]), (&"2008-11-22".into(), &"physician".into()));
    assert_eq!((&answer["scope"], &answer["registry"]), (&"pharmacy".into(), &"Anna".into()));
    let record = accepted(at, &verify_record("record.proof", "hba1c.json", DEV));
    assert_eq!(record["claims"][1], "valueQuantity.value < 7.0");
    assert_eq!(record["signed"]["by_one_of"][0], "lab");
    // Another scope, another nullifier.
    assert_ne!(answer["nullifier"], record["nullifier"]);
    for file in ["id.proof", "record.proof"] {
        assert!(fs::read(at.join(file)).unwrap().len() < 900, "{file}");
    }
}

#[test]
fn another_scope_challenge_question_registry_or_key_is_refused() {
    let at = CLINIC.path();
    let text = fs::read_to_string(at.join("id.json")).unwrap();
    let request: Value = serde_json::from_str(&text).unwrap();
    for (member, value, says) in [
        ("scope", "another pharmacy", "another scope"),
        ("challenge", "another", "another challenge"),
        ("born_before", "2008-11-23", "another birth date, day or set of roles"),
        ("today", "2026-11-22", "another birth date, day or set of roles"),
    ] {
        let mut changed = request.clone();
        changed[member] = value.into();
        let file = format!("{member}.json");
        fs::write(at.join(&file), changed.to_string()).unwrap();
        let said = refused(at, &verify_identity("id.proof", &file, DEV), 3);
        assert!(said.contains(says), "{member}: {said}");
    }
    let mut changed = request;
    changed["roles"] = serde_json::json!(["patient"]);
    fs::write(at.join("roles.json"), changed.to_string()).unwrap();
    assert!(refused(at, &verify_identity("id.proof", "roles.json", DEV), 3).contains("set of roles"));
    // Registries: a state of the issuer's without the holder, and providers without the lab.
    zk(at, "issuer new --name Anna --role patient --role physician -o elsewhere", 0);
    let line = "verify identity id.proof --key identity.vk --request id.json --registry elsewhere.pub";
    assert!(refused(at, &format!("{line} {DEV}"), 3).contains("another registry"));
    let line = "verify record record.proof --key record.vk --request hba1c.json --providers hospitals";
    assert!(refused(at, &format!("{line} {DEV}"), 3).contains("another registry of providers"));
    let bound = fs::read_to_string(at.join("hba1c.json")).unwrap().replace("7.0", "6.9");
    fs::write(at.join("bound.json"), bound).unwrap();
    assert!(refused(at, &verify_record("record.proof", "bound.json", DEV), 3).contains("another set of claims"));
    // Keys: another setup of the statement, and the key of another statement.
    zk(at, "setup identity --development -o second", 0);
    let line = "verify identity id.proof --key second.vk --request id.json --registry register.pub";
    assert!(refused(at, &format!("{line} {DEV}"), 3).contains("does not prove this statement under this key"));
    let line = "verify identity id.proof --key record.vk --request id.json --registry register.pub";
    assert!(refused(at, &format!("{line} {DEV}"), 4).contains("mediveil/record-authenticity/v1"));
    // Proofs and requests of another statement.
    refused(at, &verify_identity("record.proof", "id.json", DEV), 3);
    refused(at, &verify_identity("id.proof", "hba1c.json", DEV), 3);
}

#[test]
fn altered_proofs_and_inputs_are_refused() {
    let at = CLINIC.path();
    let proof = fs::read(at.join("id.proof")).unwrap();
    let shown: Value = serde_json::from_slice(&run(at, &words("inspect id.proof --json"), 0).stdout).unwrap();
    let nullifier = shown["public_inputs"][1].as_str().unwrap().to_owned();
    let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&nullifier[2 * i..2 * i + 2], 16).unwrap()).collect();
    let place = proof.windows(32).position(|w| w == bytes).unwrap();
    // Somebody else's nullifier under the same proof.
    let mut altered = proof.clone();
    altered[place + 31] ^= 1;
    fs::write(at.join("altered.proof"), &altered).unwrap();
    let said = refused(at, &verify_identity("altered.proof", "id.json", DEV), 3);
    assert!(said.contains("does not prove"), "{said}");
    // A point that is none, a cut, and bytes behind the end.
    let mut off = proof.clone();
    let last = off.len() - 1;
    off[last] ^= 1;
    for damaged in [&off[..], &proof[..last], &[&proof[..], b"x"].concat()] {
        fs::write(at.join("damaged.proof"), damaged).unwrap();
        refused(at, &verify_identity("damaged.proof", "id.json", DEV), 4);
    }
    refused(at, &verify_identity("missing.proof", "id.json", DEV), 1);
    refused(at, &verify_identity("id.proof", "id.json", "--allow-development"), 2);
}

#[test]
fn a_nullifier_counts_once_in_a_scope() {
    let at = CLINIC.path();
    let seen = "--allow-development --seen seen.txt";
    accepted(at, &verify_identity("id.proof", "id.json", seen));
    let before = fs::read(at.join("seen.txt")).unwrap();
    assert!(refused(at, &verify_identity("id.proof", "id.json", seen), 3).contains("seen before"));
    // A new proof for a new challenge is the same person in the same scope.
    prove_identity(at, "any-role.json", "again.proof", 0);
    assert!(refused(at, &verify_identity("again.proof", "any-role.json", seen), 3).contains("seen before"));
    assert_eq!(fs::read(at.join("seen.txt")).unwrap(), before);
    // Another scope counts for itself; a proof that is refused is not recorded.
    accepted(at, &verify_record("record.proof", "hba1c.json", seen));
    let two = fs::read_to_string(at.join("seen.txt")).unwrap();
    assert_eq!(two.lines().count(), 2);
    fs::write(at.join("other-scope.json"), fs::read_to_string(at.join("id.json")).unwrap().replace("pharmacy", "x"))
        .unwrap();
    refused(at, &verify_identity("id.proof", "other-scope.json", seen), 3);
    assert_eq!(fs::read_to_string(at.join("seen.txt")).unwrap(), two);
    fs::write(at.join("letter"), "not a list\n").unwrap();
    refused(at, &verify_identity("id.proof", "id.json", "--allow-development --seen letter"), 4);
}

#[test]
fn what_is_not_so_has_no_proof() {
    let at = CLINIC.path();
    let gone = |file: &str| assert!(!at.join(file).exists(), "{file}");
    let minor = "prove identity --key identity.pk --secret other --credential other.credential --registry register.pub";
    assert!(refused(at, &format!("{minor} --request any-role.json -o no.proof"), 3).contains("not born before"));
    request(at, "identity --scope s --born-before 2020-01-01 --role physician", "physician.json");
    assert!(refused(at, &format!("{minor} --request physician.json -o no.proof"), 3).contains("none of the roles"));
    // Somebody else's credential; a secret that is no secret.
    let theft = "prove identity --key identity.pk --secret other --credential my.credential --registry register.pub";
    assert!(refused(at, &format!("{theft} --request id.json -o no.proof"), 3).contains("another holder's secret"));
    let public = "prove identity --key identity.pk --secret me.pub --credential my.credential --registry register.pub";
    refused(at, &format!("{public} --request id.json -o no.proof"), 4);
    // Records: a value that is not below, a value that is not there, too many decimals, another record, another holder.
    run(at, &claims("s", &["code.coding[0].code = 4548-4", "valueQuantity.value < 6.4"], "below.json"), 0);
    assert!(prove_record(at, "below.json", "no.proof", 3).contains("no resource of this record"));
    run(at, &claims("s", &["valueQuantity.unit = mmol/l"], "unit.json"), 0);
    assert!(prove_record(at, "unit.json", "no.proof", 3).contains("no resource of this record"));
    run(at, &claims("s", &["code.coding[0].code = exact", "valueQuantity.value < 7.0"], "fine.json"), 0);
    assert!(prove_record(at, "fine.json", "no.proof", 3).contains("places 15"));
    run(at, &claims("s", &["code.coding[0].code = exact", "valueQuantity.value < 7.0 places 15"], "fine15.json"), 0);
    prove_record(at, "fine15.json", "fine.proof", 0);
    fs::write(at.join("changed.json"), RECORD.replace("6.4}", "6.3}")).unwrap();
    let line = "prove record --key record.pk --secret me --record changed.json --held held --providers providers";
    assert!(
        refused(at, &format!("{line} --request hba1c.json -o no.proof"), 4).contains("not the record that was signed")
    );
    let line = "prove record --key record.pk --secret other --record record.json --held held --providers providers";
    assert!(refused(at, &format!("{line} --request hba1c.json -o no.proof"), 3).contains("another holder"));
    let line = "prove record --key record.pk --secret me --record record.json --held held --providers hospitals";
    assert!(refused(at, &format!("{line} --request hba1c.json -o no.proof"), 3).contains("not in this registry"));
    refused(at, &format!("prove record {RECORD_ARGS} --request hba1c.json --resource 1 -o no.proof"), 3);
    // The key of another statement, and one whose hash is not the pinned one.
    let line = "prove identity --key record.pk --secret me --credential my.credential --registry register.pub";
    refused(at, &format!("{line} --request id.json -o no.proof"), 4);
    let hash = "0".repeat(64);
    let said = refused(at, &format!("prove identity {IDENTITY} --request id.json --key-sha256 {hash} -o no.proof"), 4);
    assert!(said.contains("SHA-256"), "{said}");
    gone("no.proof");
    // Proofs are not replaced unasked.
    assert!(prove_identity(at, "id.json", "id.proof", 3).contains("exists"));
}

#[test]
fn issuers_keep_to_one_credential_a_person_and_revoke() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for line in ["holder new -o a", "holder new -o b", "issuer new --name X --role patient -o r"] {
        zk(at, line, 0);
    }
    let issue = |person: &str, holder: &str, more: &str| {
        format!(
            "issuer issue r --person {person} --holder {holder}.pub --born 1980-01-01 --role patient --expires 2027-01-01 {more}"
        )
    };
    let root = |file: &str| -> Value {
        let shown: Value =
            serde_json::from_slice(&run(at, &words(&format!("inspect {file} --json")), 0).stdout).unwrap();
        shown["root"].clone()
    };
    zk(at, &issue("1", "a", "-o a.credential"), 0);
    let first = root("r.pub");
    assert!(refused(at, &issue("1", "b", "-o b.credential"), 3).contains("another secret"));
    assert!(refused(at, &issue("2", "a", "-o b.credential"), 3).contains("another person"));
    refused(at, &issue("1", "a", "-o a.credential"), 3);
    refused(at, &issue("3", "b", "-o b.credential").replace("--role patient", "--role king"), 2);
    refused(at, &issue("3", "b", "-o b.credential").replace("1980-01-01", "1980-02-30"), 2);
    refused(at, &issue("3", "b", "-o b.credential").replace("1980-01-01", "2028-01-01"), 2);
    assert!(!at.join("b.credential").exists());
    assert_eq!(root("r.pub"), first);
    zk(at, &issue("1", "b", "-o b.credential --new-secret"), 0);
    zk(at, "issuer revoke r --person 1", 0);
    refused(at, "issuer revoke r --person 1", 3);
    assert_ne!(root("r.pub"), first);
    refused(at, "holder new -o a", 3);
    refused(at, "issuer new --name X --role patient -o r", 3);
    #[cfg(unix)]
    for (name, mode) in [("a", 0o600), ("r", 0o600), ("b.credential", 0o600)] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(at.join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn requests_that_make_no_sense_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for line in [
        "request identity --scope s -o bad",
        "request identity --scope s --min-age 3000 -o bad",
        "request identity --scope s --born-before 2026-02-30 -o bad",
        "request record --scope s -o bad",
        "request statistics --column a --where b=3 -o bad",
    ] {
        refused(at, line, 2);
    }
    let one: [&[&str]; 4] = [&["v"], &["v < x"], &["v > 3 < 2"], &["v < 1", "v < 2"]];
    for list in one {
        run(at, &claims("s", list, "bad"), 2);
    }
    assert!(!at.join("bad").exists());
    fs::write(
        at.join("typo.json"),
        r#"{"statement":"identity","scope":"s","challenge":"c","born_befor":"2000-01-01"}"#,
    )
    .unwrap();
    refused(at, "inspect typo.json", 4);
}

#[test]
fn setups_that_cannot_be_believed_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    zk(at, "powers --power 3 -o small.ptau", 0);
    refused(at, "powers --power 3 -o small.ptau", 3);
    assert!(refused(at, "setup identity --ptau small.ptau -o c", 2).contains("needs 2^12"));
    let file = fs::read(at.join("small.ptau")).unwrap();
    fs::write(at.join("cut.ptau"), &file[..file.len() - 1]).unwrap();
    refused(at, "setup identity --ptau cut.ptau -o c", 4);
    refused(at, "setup identity -o c", 2);
    refused(at, "setup identity --development --ptau small.ptau -o c", 2);
    refused(at, "contribute identity small.ptau --name x -o c", 4);
    refused(at, "finalise identity small.ptau --ptau small.ptau --beacon 00 -o c", 2);
    assert!(!at.join("c").exists() && !at.join("c.pk").exists());
}

#[test]
fn exports_for_other_verifiers() {
    let at = CLINIC.path();
    zk(at, "export-solidity identity.vk --allow-development --name Identity -o Identity.sol", 0);
    let source = fs::read_to_string(at.join("Identity.sol")).unwrap();
    assert!(source.contains("contract Identity {") && source.contains("mediveil/identity/v1"));
    refused(at, "export-solidity identity.vk --allow-development --name 1x -o x.sol", 2);
    refused(at, "export-solidity identity.pk --allow-development -o x.sol", 4);
    refused(at, "export-solidity id.proof --allow-development -o x.sol", 4);
    zk(at, "export-snarkjs identity.vk -o vk.json", 0);
    zk(at, "export-snarkjs id.proof -o proof.json --public public.json", 0);
    refused(at, "export-snarkjs id.proof -o y.json", 2);
    refused(at, "export-snarkjs identity.vk -o y.json --public z.json", 2);
    let json = |name: &str| -> Value { serde_json::from_slice(&fs::read(at.join(name)).unwrap()).unwrap() };
    assert_eq!(json("vk.json")["nPublic"], 5);
    assert_eq!(json("proof.json")["protocol"], "groth16");
    assert_eq!(json("public.json").as_array().unwrap().len(), 5);
    assert!(!at.join("x.sol").exists() && !at.join("y.json").exists());
    for (file, kind) in [
        ("identity.pk", "zk-proving-key"),
        ("record.vk", "zk-verifying-key"),
        ("me", "holder-secret"),
        ("my.credential", "credential"),
        ("register", "issuer-register"),
        ("register.pub", "credential-registry"),
        ("providers", "provider-registry"),
        ("held", "held-record"),
        ("id.json", "request"),
    ] {
        let shown: Value =
            serde_json::from_slice(&run(at, &words(&format!("inspect {file} --json")), 0).stdout).unwrap();
        assert_eq!(shown["kind"], kind);
    }
    refused(at, "inspect record.json", 4);
}

#[test]
fn tables_are_read_strictly() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let table = |text: &str, code: i32| {
        fs::write(at.join("rows.csv"), text).unwrap();
        let said = says(at, &words("table rows.csv -o t"), code);
        assert_eq!(at.join("t").exists(), code == 0);
        said
    };
    for (bad, code) in [
        ("a,b\n1,-2\n", 4),
        ("a,b\n1,2.5\n", 4),
        ("a,b\n1\n", 4),
        ("a\n4294967296\n", 4),
        ("a,a\n1,2\n", 2),
        ("a,b,c,d,e\n1,2,3,4,5\n", 2),
        ("a,b\n", 2),
    ] {
        let said = table(bad, code);
        assert!(!said.contains("2.5"), "a cell is quoted: {said}");
    }
    table("born,hba1c\n1950,64\n1980,\n", 0);
    let shown: Value = serde_json::from_slice(&run(at, &words("inspect t.pub --json"), 0).stdout).unwrap();
    assert_eq!((&shown["rows"], &shown["columns"][1]), (&2.into(), &"hba1c".into()));
    refused(at, "table rows.csv -o t", 3);
}

#[test]
fn totals_are_proved_over_the_committed_table() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let made = run(at, &words("setup statistics --development -o stats --json"), 0);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let hash = made["proving_key"]["sha256"].as_str().unwrap();
    fs::write(at.join("rows.csv"), "born,hba1c\n1950,64\n1960,70\n1980,90\n1955,\n").unwrap();
    zk(at, "table rows.csv -o t", 0);
    request(at, "statistics --column hba1c --where born=1940..1970", "mean.json");
    zk(at, &format!("prove statistics --key stats.pk --key-sha256 {hash} --request mean.json --table t -o answer"), 0);
    let verify = "verify statistics answer --key stats.vk --request mean.json --table t.pub";
    assert!(refused(at, verify, 3).contains("development key"));
    let answer = accepted(at, &format!("{verify} --allow-development"));
    assert_eq!((&answer["count"], &answer["sum"], &answer["mean"]), (&2.into(), &"134".into(), &"67.0000".into()));
    // Another question, another table, other totals.
    request(at, "statistics --column hba1c --where born=1940..1971", "other.json");
    let other = "verify statistics answer --key stats.vk --request other.json --table t.pub --allow-development";
    refused(at, other, 3);
    zk(at, "table rows.csv -o t2", 0);
    let other = "verify statistics answer --key stats.vk --request mean.json --table t2.pub --allow-development";
    refused(at, other, 3);
    let mut altered = fs::read(at.join("answer")).unwrap();
    // Behind the frame and the array's head: the count.
    assert_eq!(altered[13], 2);
    altered[13] = 3;
    fs::write(at.join("altered"), &altered).unwrap();
    let other = "verify statistics altered --key stats.vk --request mean.json --table t.pub --allow-development";
    refused(at, other, 3);
    request(at, "statistics --column weight", "weight.json");
    refused(
        at,
        &format!("prove statistics --key stats.pk --key-sha256 {hash} --request weight.json --table t -o no"),
        2,
    );
}
