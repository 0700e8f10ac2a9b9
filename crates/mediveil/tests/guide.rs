//! The reviewer's guide in `docs/` against the code: constants, the registry of types, and the vectors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_abe::{AttributeKey, PublicParameters};
use mediveil_codec::{ObjectType, Wire};
use mediveil_fhe::{Need, Parameters};
use mediveil_ledger::{Evidence, SignedHead};
use mediveil_record::{Commitment, LeafOpening, Limits, Record, RecordSecret};
use mediveil_seal::identity::{Identity, VerifyingKey};
use mediveil_seal::ring::{OwnerRole, RotationPolicy};
use mediveil_seal::{OpenError, Opener, Passphrase, open};
use mediveil_threshold::tdh2::{Ciphertext, DecryptionShare, combine};
use mediveil_threshold::{KeyShare, PublicKeySet};
use mediveil_zk::{ProofFile, Trust, VerifyingKey as ProofKey};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// The rows of the table under a heading: cells without back quotes.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(docs().join(page)).unwrap();
    let section = text.split("\n## ").find(|s| s.starts_with(heading)).unwrap();
    let rows = section.lines().filter(|l| l.starts_with('|')).skip(2);
    rows.map(|l| l.trim_matches('|').split('|').map(|c| c.trim().trim_matches('`').to_owned()).collect()).collect()
}

fn vectors(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(docs().join("vectors").join(name)).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn log_q(need: &Need, degree: u32) -> u64 {
    let security = Parameters::for_need(need).unwrap().security();
    assert_eq!(security.degree, degree);
    u64::from(security.classical_128)
}

#[test]
fn the_constants_are_those_of_the_code() {
    let days = |role| RotationPolicy::of(role).rotate_after().as_secs() / 86_400;
    let expiry = RotationPolicy::of(OwnerRole::Emergency).expire_after().unwrap().as_secs() / 3600;
    let unit = |bits: u32| format!("-{bits}");
    let code: BTreeMap<&str, String> = [
        ("frame length in bytes", mediveil_codec::FRAME_LEN.to_string()),
        ("segment length in bytes", mediveil_seal::SEGMENT_LEN.to_string()),
        ("doors of a file, at most", mediveil_seal::MAX_DOORS.to_string()),
        ("caller's context in bytes, at most", mediveil_seal::MAX_CONTEXT.to_string()),
        ("PBKDF2 iterations by default", Passphrase::DEFAULT_ITERATIONS.to_string()),
        ("PBKDF2 iterations, at least", Passphrase::MIN_ITERATIONS.to_string()),
        ("PBKDF2 iterations, at most", Passphrase::MAX_ITERATIONS.to_string()),
        ("rotation of patient keys in days", days(OwnerRole::Patient).to_string()),
        ("rotation of provider keys in days", days(OwnerRole::Provider).to_string()),
        ("rotation of system keys in days", days(OwnerRole::System).to_string()),
        ("expiry of emergency keys in hours", expiry.to_string()),
        (
            "expiry of emergency attribute keys in hours",
            (mediveil_abe::authority::EMERGENCY.as_secs() / 3600).to_string(),
        ),
        ("policy rows, at most", mediveil_abe::MAX_ROWS.to_string()),
        ("policy depth, at most", mediveil_abe::policy::MAX_DEPTH.to_string()),
        ("committee members, at most", mediveil_threshold::MAX_MEMBERS.to_string()),
        ("study committee members, at most", mediveil_fhe::Terms::MAX_MEMBERS.to_string()),
        ("epsilon's unit as a power of two", unit(mediveil_dp::Epsilon::UNIT_BITS)),
        ("rho's unit as a power of two", unit(mediveil_dp::Rho::UNIT_BITS)),
        ("delta's unit as a power of two", unit(mediveil_dp::Delta::UNIT_BITS)),
        ("log q at ring degree 8192, at most", log_q(&Need::sums(1 << 20, 1000, 5, 3), 8192).to_string()),
        ("log q at ring degree 16384, at most", log_q(&Need::filtered_sums(1 << 20, 1000, 5, 3), 16384).to_string()),
        ("leaves of a committed resource, at most", mediveil_record::MAX_LEAVES.to_string()),
        ("depth of the credential registry", mediveil_circuits::identity::DEPTH.to_string()),
        ("claims of a record proof, at most", mediveil_circuits::record::MAX_CLAIMS.to_string()),
        ("rows of a statistics proof, at most", mediveil_circuits::statistics::MAX_ROWS.to_string()),
        ("proof length in bytes", mediveil_zk::Proof::<()>::LEN.to_string()),
    ]
    .into();
    let page: Vec<(String, String)> =
        table("techniques.md", "Constants").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    for (name, value) in &page {
        assert_eq!(code.get(name.as_str()), Some(value), "{name}");
    }
    assert_eq!(page.len(), code.len());
}

#[test]
fn the_registry_of_types_is_that_of_the_code() {
    let page: Vec<(String, String)> = table("formats.md", "Registry of object types")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let code: Vec<(String, String)> =
        ObjectType::ALL.iter().map(|t| (format!("0x{:04x}", t.code()), t.name().to_owned())).collect();
    assert_eq!(page, code);
}

#[test]
fn vectors_of_sealed_files() {
    let cases = vectors("sealed-file.json");
    let cases = cases["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        let opener: Box<dyn Opener> = match case["opens"]["key"].as_str() {
            Some(key) => Box::new(Identity::from_key_file(key.as_bytes(), None).unwrap()),
            None => Box::new(Passphrase::new(case["opens"]["passphrase"].as_str().unwrap())),
        };
        let opened = open(&bytes(&case["file"]), &[&*opener]);
        match (opened, case["refused"].as_str()) {
            (Ok(opened), None) => assert_eq!(*opened.plaintext, bytes(&case["plaintext"])),
            (Err(OpenError::NoDoor { .. }), Some("no door")) => {}
            (Err(OpenError::Tampered | OpenError::Malformed(_)), Some("damaged")) => {}
            (other, _) => panic!("{}: {:?}", case["name"], other.map(|_| "opened")),
        }
    }
}

#[test]
fn vectors_of_records() {
    let v = vectors("record.json");
    let record = Record::parse(v["json"].as_str().unwrap().as_bytes(), &Limits::DEFAULT).unwrap();
    let secret = RecordSecret::from_bytes(bytes(&v["secret"]).try_into().unwrap());
    let committed = &record.commit(&secret).unwrap()[0];
    assert_eq!(committed.digest().as_bytes()[..], bytes(&v["digest"]));
    assert_eq!(committed.commitment().to_bytes()[..], bytes(&v["commitment"]));
    let commitment = Commitment::from_bytes(&bytes(&v["commitment"]).try_into().unwrap()).unwrap();
    let opening = LeafOpening::decode(&bytes(&v["opening"])).unwrap();
    let leaf = commitment.verify(&opening).unwrap();
    assert_eq!((leaf.path.as_str(), leaf.value.to_string().as_str()), (v["path"].as_str().unwrap(), "7.10"));
}

#[test]
fn vectors_of_the_log() {
    let v = vectors("log.json");
    let operator = VerifyingKey::from_sec1(&bytes(&v["operator"])).unwrap();
    let evidence = Evidence::decode(&bytes(&v["evidence"])).unwrap();
    let (index, entry, head) = evidence.verify(&operator).unwrap();
    assert_eq!((index, entry), (v["index"].as_u64().unwrap(), &bytes(&v["entry"])[..]));
    assert_eq!(head.size(), v["size"].as_u64().unwrap());
    assert_eq!(SignedHead::decode(&bytes(&v["head"])).unwrap().verify(&operator).unwrap().root(), head.root());
    let changed = Evidence::decode(&bytes(&v["changed"]));
    assert!(changed.is_err() || changed.unwrap().verify(&operator).is_err());
}

#[test]
fn vectors_of_policies() {
    let v = vectors("policy.json");
    PublicParameters::decode(&bytes(&v["parameters"])).unwrap();
    let keys = v["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 4);
    for key in keys {
        let opened = open(&bytes(&v["file"]), &[&AttributeKey::decode(&bytes(&key["key"])).unwrap()]);
        assert_eq!(opened.is_ok(), key["opens"].as_bool().unwrap(), "{}", key["attributes"]);
        if let Ok(opened) = opened {
            assert_eq!(*opened.plaintext, bytes(&v["plaintext"]));
        }
    }
}

#[test]
fn vectors_of_committees() {
    let v = vectors("committee.json");
    let set = PublicKeySet::decode(&bytes(&v["set"])).unwrap();
    let ciphertext = Ciphertext::decode(&bytes(&v["ciphertext"])).unwrap();
    assert!(ciphertext.check(set.key(), b"ward 4").is_err());
    let ciphertext = ciphertext.check(set.key(), &bytes(&v["associated"])).unwrap();
    for key in v["key_shares"].as_array().unwrap() {
        assert!(KeyShare::decode(&bytes(key)).unwrap().belongs_to(&set));
    }
    let share = |n: usize| DecryptionShare::decode(&bytes(&v["shares"][n])).unwrap();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        assert_eq!(combine(&set, &ciphertext, &[share(a), share(b)]).unwrap()[..], bytes(&v["shared_key"]));
    }
    assert!(combine(&set, &ciphertext, &[share(0)]).is_err());
}

#[test]
fn vectors_of_proofs() {
    use mediveil_circuits::identity::Identity as Statement;
    let v = vectors("proof.json");
    let file = bytes(&v["verifying_key"]);
    assert!(ProofKey::<Statement>::decode_wire(&file, Trust::CeremonyOnly).is_err(), "a development key");
    let key = ProofKey::<Statement>::decode_wire(&file, Trust::Development).unwrap();
    let proof = ProofFile::decode(&bytes(&v["proof"])).unwrap();
    assert_eq!(proof.to_snarkjs(), (v["snarkjs_proof"].clone(), v["snarkjs_public"].clone()));
    let points = mediveil_zk::Proof::from_bytes(&bytes(&v["points"])).unwrap();
    key.verify_inputs(proof.inputs(), &points).unwrap();
    let mut inputs = proof.inputs().to_vec();
    inputs.swap(0, 1);
    assert!(key.verify_inputs(&inputs, &points).is_err());
}
