//! One operation, once, for callgrind to count: `instructions OPERATION`. Without one it lists them.
//!
//! Everything but [`measured`] is set-up and is not counted. Keys and files come from the guide's vectors, so that set-up is short.

use mediveil_abe::AttributeKey;
use mediveil_circuits::identity::Identity as Statement;
use mediveil_codec::Wire;
use mediveil_ledger::Evidence;
use mediveil_record::{Limits, Record, RecordSecret};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind, VerifyingKey};
use mediveil_seal::{Sealer, open};
use mediveil_threshold::tdh2::{Ciphertext, DecryptionShare, combine};
use mediveil_threshold::{KeyShare, PublicKeySet};
use mediveil_zk::{Proof, ProofFile, Trust, VerifyingKey as ProofKey};
use serde_json::Value;
use std::error::Error;
use std::hint::black_box;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const OPERATIONS: &[&str] = &[
    "seal.seal.1mib",
    "seal.open.1mib",
    "record.commit",
    "ledger.verify_evidence",
    "abe.open",
    "threshold.decrypt_share",
    "threshold.verify_share",
    "threshold.combine.2of3",
    "zk.verify",
];

/// What is counted: callgrind collects between entering and leaving this function.
#[inline(never)]
fn mediveil_measured(run: &mut dyn FnMut()) {
    run();
}

fn measured<T>(run: impl FnOnce() -> T) -> T {
    let (mut run, mut out) = (Some(run), None);
    mediveil_measured(&mut || out = run.take().map(|run| black_box(run())));
    out.unwrap_or_else(|| std::process::abort())
}

fn vectors(name: &str) -> Result<Value> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/vectors/").to_owned() + name + ".json";
    Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?)
}

fn bytes(value: Option<&Value>) -> Result<Vec<u8>> {
    Ok(hex::decode(value.and_then(Value::as_str).ok_or("no hexadecimal text")?)?)
}

fn main() -> Result<()> {
    let Some(operation) = std::env::args().nth(1) else {
        OPERATIONS.iter().for_each(|name| println!("{name}"));
        return Ok(());
    };
    let rng = &mut SeededRng::from_u64(1);
    match operation.as_str() {
        "seal.seal.1mib" | "seal.open.1mib" => {
            let reader = Identity::generate(IdentityKind::P256, rng)?;
            let plain = vec![7; 1 << 20];
            if operation == "seal.seal.1mib" {
                measured(|| Sealer::new().to(reader.public()).seal(&plain, rng))?;
            } else {
                let file = Sealer::new().to(reader.public()).seal(&plain, rng)?;
                measured(|| open(&file, &[&reader]))?;
            }
        }
        "record.commit" => {
            let v = vectors("record")?;
            let record =
                Record::parse(v.get("json").and_then(Value::as_str).ok_or("no record")?.as_bytes(), &Limits::DEFAULT)?;
            measured(|| record.commit(&RecordSecret::from_bytes([7; 32])))?;
        }
        "ledger.verify_evidence" => {
            let v = vectors("log")?;
            let operator = VerifyingKey::from_sec1(&bytes(v.get("operator"))?)?;
            let evidence = Evidence::decode(&bytes(v.get("evidence"))?)?;
            measured(|| evidence.verify(&operator).map(|(index, ..)| index))?;
        }
        "abe.open" => {
            let v = vectors("policy")?;
            let key = AttributeKey::decode(&bytes(v.pointer("/keys/0/key"))?)?;
            let file = bytes(v.get("file"))?;
            measured(|| open(&file, &[&key]))?;
        }
        "threshold.decrypt_share" | "threshold.verify_share" | "threshold.combine.2of3" => {
            let v = vectors("committee")?;
            let set = PublicKeySet::decode(&bytes(v.get("set"))?)?;
            let ciphertext =
                Ciphertext::decode(&bytes(v.get("ciphertext"))?)?.check(set.key(), &bytes(v.get("associated"))?)?;
            let share = |n: usize| -> Result<DecryptionShare> {
                Ok(DecryptionShare::decode(&bytes(v.pointer(&format!("/shares/{n}")))?)?)
            };
            if operation == "threshold.decrypt_share" {
                let key = KeyShare::decode(&bytes(v.pointer("/key_shares/0"))?)?;
                measured(|| key.decrypt(&set, &ciphertext, rng))?;
            } else if operation == "threshold.verify_share" {
                let share = share(0)?;
                measured(|| share.verify(&set, &ciphertext)).then_some(()).ok_or("a wrong share")?;
            } else {
                let shares = [share(0)?, share(1)?];
                measured(|| combine(&set, &ciphertext, &shares))?;
            }
        }
        "zk.verify" => {
            let v = vectors("proof")?;
            let key = ProofKey::<Statement>::decode_wire(&bytes(v.get("verifying_key"))?, Trust::Development)?;
            let file = ProofFile::decode(&bytes(v.get("proof"))?)?;
            let proof = Proof::from_bytes(&bytes(v.get("points"))?).ok_or("no proof")?;
            measured(|| key.verify_inputs(file.inputs(), &proof))?;
        }
        other => return Err(format!("no operation `{other}`; there are {}", OPERATIONS.join(", ")).into()),
    }
    Ok(())
}
