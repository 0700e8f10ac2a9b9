//! Proofs in zero knowledge: rows of the identity statement, and gas of one verification on chain with its transaction.
//!
//! Gas needs node and the packages of crates/zk/tests/js/package.json in target/zk-js, where the tests of mediveil-zk install
//! them; without them the figure is left out.

use crate::print;
use mediveil_circuits::identity::{
    Credential, HolderSecret, Identity, IdentityPublic, IdentityWitness, Registry, Role, RoleSet, message,
};
use mediveil_circuits::{Scope, Statement as _};
use mediveil_record::Date;
use mediveil_rng::SeededRng;
use mediveil_zk::{ContractName, development_setup};
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;
use std::process::Command;

pub(crate) fn figures() -> Result<(), Box<dyn Error>> {
    print("zk.constraints.identity", Identity::r1cs().constraints() as f64, None);
    match gas()? {
        Some(gas) => print("zk.gas", gas, None),
        None => eprintln!("zk.gas is left out: node or its packages are missing; run the tests of mediveil-zk once"),
    }
    Ok(())
}

fn gas() -> Result<Option<f64>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let packages = root.join("target/zk-js");
    if !packages.join("node_modules/snarkjs").exists() || Command::new("node").arg("--version").output().is_err() {
        return Ok(None);
    }
    let mut rng = SeededRng::from_u64(1);
    let key = development_setup::<Identity>(&mut rng)?;
    let secret = HolderSecret::generate(&mut rng);
    let date = |text| Date::parse(text).ok_or("no date");
    let (role, birth, expiry) = (Role::new(3)?, date("2004-02-29")?, date("2027-01-31")?);
    let credential = Credential { holder: secret.holder(), birth, role, expiry };
    let registry = Registry::new(std::slice::from_ref(&credential))?;
    let scope = Scope::new("figures");
    let public = IdentityPublic {
        registry: registry.root(),
        nullifier: secret.nullifier(scope),
        scope,
        message: message(b"transaction"),
        born_before: date("2008-11-21")?,
        today: date("2026-11-21")?,
        roles: RoleSet::new(&[role])?,
    };
    let path = registry.path(0).ok_or("no path")?;
    let proof = key.prove(&public, &IdentityWitness { secret, credential, path }, &mut rng)?;
    let word = |word: &[u8]| word.iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02x}"));
    let words: Vec<String> = proof.to_bytes().chunks(32).map(word).collect();
    let inputs: Vec<String> = Identity::inputs(&public).iter().map(ToString::to_string).collect();
    let contract = key.verifying().to_solidity(&ContractName::new("Verifier").ok_or("no name")?);
    let case = json!({ "name": "honest", "proof": words, "inputs": inputs, "accept": true });
    let directory = tempfile::tempdir()?;
    let cases = json!({ "name": "Verifier", "contract": contract, "cases": [case] });
    std::fs::write(directory.path().join("cases.json"), cases.to_string())?;
    let script = root.join("crates/zk/tests/js/run.mjs");
    let output = Command::new("node").arg(script).arg(directory.path()).env("MEDIVEIL_ZK_JS", &packages).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let report: Value = serde_json::from_slice(&output.stdout)?;
    Ok(report.get("gas").and_then(Value::as_f64))
}
