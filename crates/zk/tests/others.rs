//! Other people's verifiers: the contract in an EVM, and snarkjs. Both need node and the packages of tests/js/package.json
//! in target/zk-js; where they cannot be had, the tests say by name that they were skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use ark_ff::One as _;
use mediveil_circuits::Statement as _;
use mediveil_circuits::identity::Identity;
use mediveil_rng::SeededRng;
use mediveil_zk::{ContractName, Fr, VerifyingKey};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use world::{KEY, identity};

/// The directory with the packages, installed if npm can; `None` where there is no node or no registry.
static PACKAGES: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/zk-js");
    let node = Command::new("node").arg("--version").output().ok()?;
    if !node.status.success() {
        return None;
    }
    std::fs::create_dir_all(&root).ok()?;
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js/package.json");
    std::fs::copy(pinned, root.join("package.json")).ok()?;
    if !root.join("node_modules/snarkjs").exists() {
        let installed = Command::new("npm").args(["install", "--no-audit", "--no-fund"]).current_dir(&root).output();
        if !installed.ok()?.status.success() {
            return None;
        }
    }
    root.canonicalize().ok()
});

/// Has the script check these cases and returns its report; `None`, and a line on standard error past the test harness's
/// capture, where it cannot run.
fn run(test: &str, cases: &Value) -> Option<Value> {
    let Some(packages) = &*PACKAGES else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: node or its packages are missing");
        return None;
    };
    let directory = packages.join(test);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("cases.json"), cases.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js/run.mjs");
    let output = Command::new("node").arg(script).arg(&directory).env("MEDIVEIL_ZK_JS", packages).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    Some(serde_json::from_str(out.trim()).unwrap())
}

fn words(bytes: &[u8]) -> Vec<String> {
    bytes.chunks(32).map(|w| format!("0x{}", hex::encode(w))).collect()
}

#[test]
fn the_contract_in_an_evm_accepts_and_refuses_the_same() {
    let vk = KEY.verifying();
    let (public, witness) = identity(b"transaction");
    let proof = KEY.prove(&public, &witness, &mut SeededRng::from_u64(1)).unwrap();
    let again = vk.rerandomise(&proof, &mut SeededRng::from_u64(2));
    let inputs: Vec<String> = Identity::inputs(&public).iter().map(ToString::to_string).collect();
    let good = words(&proof.to_bytes());

    let mut evm: Vec<Value> = Vec::new();
    let mut case = |name: &str, proof: &[String], inputs: &[String], accept: bool| {
        evm.push(json!({ "name": name, "proof": proof, "inputs": inputs, "accept": accept }));
    };
    case("honest", &good, &inputs, true);
    case("re-randomised", &words(&again.to_bytes()), &inputs, true);
    for i in 0..inputs.len() {
        let mut other = inputs.clone();
        other[i] = (Identity::inputs(&public)[i] + Fr::one()).to_string();
        case(&format!("input {i} changed"), &good, &other, false);
        // The same element, plus r.
        let r = "21888242871839275222246405745257275088548364400416034343698204186575808495617";
        let mut wrapped = inputs.clone();
        wrapped[i] = add(&inputs[i], r);
        case(&format!("input {i} plus r"), &good, &wrapped, false);
    }
    let mut swapped = inputs.clone();
    swapped.swap(0, 1);
    case("inputs swapped", &good, &swapped, false);
    case("an input missing", &good, &inputs[..4], false);
    case("an input too many", &good, &[inputs.clone(), vec!["0".into()]].concat(), false);
    for i in 0..8 {
        let mut off = good.clone();
        off[i] = add(&dec(&off[i]), "1");
        case(&format!("coordinate {i} off the curve"), &off, &inputs, false);
        let p = "21888242871839275222246405745257275088696311157297823662689037894645226208583";
        let mut wrapped = good.clone();
        wrapped[i] = add(&dec(&wrapped[i]), p);
        case(&format!("coordinate {i} plus p"), &wrapped, &inputs, false);
    }
    for (name, range) in [("A", 0..2), ("B", 2..6), ("C", 6..8), ("everything", 0..8)] {
        let mut infinite = good.clone();
        infinite[range].fill("0".into());
        case(&format!("{name} at infinity"), &infinite, &inputs, false);
    }

    let name = ContractName::new("IdentityVerifier").unwrap();
    let cases = json!({ "name": "IdentityVerifier", "contract": vk.to_solidity(&name), "cases": evm });
    let Some(report) = run("the_contract_in_an_evm_accepts_and_refuses_the_same", &cases) else { return };
    assert_eq!(report["evm"], evm.len());
    // The precompiles alone take 211,750, the transaction with its calldata some 27,400, and eleven calls and what is around
    // them some 2,300.
    assert!(report["gas"].as_u64().unwrap() < 241_500, "{report}");
}

#[test]
fn snarkjs_accepts_and_refuses_the_same() {
    let vk = KEY.verifying();
    let (public, witness) = identity(b"transaction");
    let proof = KEY.prove(&public, &witness, &mut SeededRng::from_u64(1)).unwrap();
    let again = vk.rerandomise(&proof, &mut SeededRng::from_u64(2));
    let mut changed = public.clone();
    changed.message += Fr::one();
    let inputs = VerifyingKey::<Identity>::inputs_to_snarkjs;
    let mut cut = inputs(&public);
    cut.as_array_mut().unwrap().pop();
    let cases = json!({ "snarkjs": { "vk": vk.to_snarkjs(), "cases": [
        { "name": "honest", "proof": proof.to_snarkjs(), "inputs": inputs(&public), "accept": true },
        { "name": "re-randomised", "proof": again.to_snarkjs(), "inputs": inputs(&public), "accept": true },
        { "name": "message changed", "proof": proof.to_snarkjs(), "inputs": inputs(&changed), "accept": false },
        { "name": "an input missing", "proof": proof.to_snarkjs(), "inputs": cut, "accept": false },
    ]}});
    let Some(report) = run("snarkjs_accepts_and_refuses_the_same", &cases) else { return };
    assert_eq!(report["snarkjs"], 4);
}

#[test]
fn contract_names_are_identifiers() {
    for bad in ["", "1a", "a b", "a;", "a{", "é"] {
        assert_eq!(ContractName::new(bad), None);
    }
}

fn dec(hex_word: &str) -> String {
    use ark_ff::PrimeField as _;
    ark_bn254::Fq::from_be_bytes_mod_order(&hex::decode(&hex_word[2..]).unwrap()).to_string()
}

/// Decimal addition, beyond any field.
fn add(a: &str, b: &str) -> String {
    let (mut a, mut b): (Vec<u8>, Vec<u8>) =
        (a.bytes().rev().map(|d| d - b'0').collect(), b.bytes().rev().map(|d| d - b'0').collect());
    let len = a.len().max(b.len()) + 1;
    a.resize(len, 0);
    b.resize(len, 0);
    let mut carry = 0;
    let digits: Vec<u8> = a
        .iter()
        .zip(&b)
        .map(|(a, b)| {
            let sum = a + b + carry;
            carry = sum / 10;
            sum % 10 + b'0'
        })
        .collect();
    let text = String::from_utf8(digits.into_iter().rev().collect()).unwrap();
    text.trim_start_matches('0').to_owned()
}
