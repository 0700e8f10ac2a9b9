//! Writes the seeds of every corpus: one small valid input of each form. `cargo run -p mediveil-fuzz --example seeds`.

#![allow(clippy::unwrap_used, reason = "a tool that stops at the first failure")]

use mediveil_codec::{ObjectType, Timestamp, Wire, armor};
use mediveil_fuzz::{LogWorld, PolicyWorld};
use mediveil_record::{Limits, Record, RecordSecret};
use mediveil_rng::{Rng, SeededRng};
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_seal::ring::{OwnerRole, Ring, WhenActive};
use mediveil_seal::{CoreHeader, Doors, Passphrase};
use std::fs;
use std::path::Path;

const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}]},"effectiveDateTime":"2026-11-21T03:40:00+01:00","valueQuantity":{"value":7.10,"unit":"%"},"note":[{"text":"caf\u00e9 \ud83d\ude00"}]}"#;

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    };
    let mut rng = SeededRng::from_u64(3);
    let classic = Identity::generate(IdentityKind::P256, &mut rng).unwrap();
    let hybrid = Identity::generate(IdentityKind::Hybrid, &mut rng).unwrap();
    let cheap = Passphrase::new("x").with_iterations(Passphrase::MIN_ITERATIONS).unwrap();

    let file = mediveil_fuzz::sample_file();
    let mut rest = file.as_slice();
    put("wire", "core", &mediveil_codec::read_wire::<CoreHeader>(&mut rest).unwrap().1);
    put("wire", "doors", &mediveil_codec::read_wire::<Doors>(&mut rest).unwrap().1);
    put("wire", "identity", &classic.encode());
    put("wire", "public-identity", &classic.public().encode());
    put("wire", "public-hybrid", &hybrid.public().encode());
    put("wire", "sealed-identity", &classic.seal(&[&cheap], &mut rng).unwrap().encode());
    let start = Timestamp::from_seconds(1_800_000_000).unwrap();
    let mut ring = Ring::new(OwnerRole::Provider, IdentityKind::P256, start, &mut rng).unwrap();
    ring.rotate(start, &mut rng).unwrap();
    let receipt = ring.destroy(1, "seed", WhenActive::Refuse, start).unwrap();
    put("wire", "ring", &ring.encode());
    put("wire", "receipt", &receipt.encode());
    let record = Record::parse(OBSERVATION.as_bytes(), &Limits::default()).unwrap();
    let committed = record.commit(&RecordSecret::generate(&mut rng)).unwrap();
    let committed = committed.first().unwrap();
    put("wire", "commitment", &committed.commitment().encode());
    put("wire", "opening", &committed.open("valueQuantity.value").unwrap().encode());

    put("key_file", "public", classic.public().to_key_file().as_bytes());
    put("key_file", "secret", classic.to_key_file(None, &mut rng).unwrap().as_bytes());
    put("key_file", "receipt", armor::encode(&receipt).as_bytes());
    put("key_file", "spki", classic.public().verifying_key().to_spki_pem().unwrap().as_bytes());
    put("key_file", "pkcs8", classic.signing_key().to_pkcs8_pem().unwrap().as_bytes());
    put("key_file", "jwk", classic.public().verifying_key().to_jwk().as_bytes());
    put("key_file", "jwk-secret", classic.signing_key().to_jwk().as_bytes());

    put("fhir", "observation", OBSERVATION.as_bytes());
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{{"fullUrl":"urn:uuid:1","resource":{OBSERVATION},"request":{{"method":"POST","url":"Observation"}}}}]}}"#
    );
    put("fhir", "bundle", bundle.as_bytes());
    put("fhir", "numbers", br#"{"resourceType":"Basic","a":[0,-0,1.50,1E3,-12.5e-2,123456789012345678]}"#);

    // Every type whose bytes are frozen in a crate's tests.
    for (kind, _) in mediveil_fuzz::decoders() {
        if let Some(bytes) = frozen(kind) {
            put("codec_round_trip", kind.name(), &bytes);
        }
    }

    let decoders = mediveil_fuzz::decoders();
    for kind in ObjectType::ALL.iter().filter(|kind| !decoders.iter().any(|(known, _)| known == *kind)) {
        println!("without a decoder in src/round_trip.rs: {kind}");
    }
    let mut more = mediveil_fuzz::committee_seeds();
    more.extend(LogWorld::get().seeds.iter().cloned());
    more.extend(mediveil_fuzz::zk_seeds().into_iter().map(|(_, bytes)| bytes));
    for bytes in more {
        if let Some(kind) = mediveil_codec::peek_type(&bytes) {
            put("codec_round_trip", kind.name(), &bytes);
        }
    }

    put("policy", "care", b"(role:cardiologist and site:A and clearance >= 3) or role:emergency");
    put("policy", "quoted", "2 of (x:a, y:\"A \\\" b\", z:\u{e4}, n in 2..5) AND issued <= 2027-01-31".as_bytes());
    for seed in 0..4_u8 {
        let mut tree = [0; 64];
        SeededRng::from_u64(seed.into()).fill_bytes(&mut tree);
        put("policy", &format!("tree-{seed}"), &tree);
        put("committee", &format!("script-{seed}"), &tree);
        put("stream", &format!("script-{seed}"), &tree);
        put("log_file", &format!("edit-{seed}"), &[&[1], &tree[..]].concat());
        put("log_file", &format!("bytes-{seed}"), &[&[0], &tree[..16]].concat());
        put("slip39", &format!("split-{seed}"), &[&[0xff], &tree[..]].concat());
    }
    let world = PolicyWorld::get();
    put("policy_door", "door", &world.door.body);
    put("policy_door", "key", &world.key.encode());
    put("policy_door", "parameters", &world.authority.parameters().encode());
    put("policy_door", "flip", &[0, 0, 200, 1]);
    for (name, bytes) in ["entry", "head", "inclusion", "consistency", "evidence"].iter().zip(&LogWorld::get().seeds) {
        put("ledger", name, bytes);
    }
    put("budget", "schema", mediveil_fuzz::SCHEMA.as_bytes());
    put("budget", "mean", br#"{"statistic":{"mean":{"column":"hba1c"}},"filter":[]}"#);
    put("budget", "histogram", br#"{"statistic":{"histogram":{"column":"age","edges":["18","65.0"]}}}"#);
    put("budget", "table", b"id,age,hba1c,sex,code\na,44,6.5,f,x\nb,,7,m,\"y,z\"\n");
    put("slip39", "one", b"duckling enlarge academic academic agency result length solution fridge kidney coal piece deal husband erode duke ajar critical decision keyboard");
    put("slip39", "two", b"shadow pistol academic always adequate wildlife fancy gross oasis cylinder mustang wrist rescue view short owner flip making coding armed\nshadow pistol academic acid actress prayer class unknown daughter sweater depict flip twice unkind craft early superior advocate guest smoking");
    for (name, bytes) in mediveil_fuzz::zk_seeds() {
        if name == "proof" {
            // Was taken for the proof itself once.
            put("zk", "proof-and-a-byte", &[&bytes[..], &[0]].concat());
        }
        put("zk", name, &bytes);
    }
    for (name, bytes) in ["ciphertext", "epoch", "part", "member", "parameters"].iter().zip(mediveil_fuzz::fhe_seeds())
    {
        put("fhe", name, &bytes);
    }
    for (name, bytes) in mediveil_fuzz::model_seeds() {
        put("model", name, &bytes);
    }
    put("model", "framingham", mediveil_fhe::program::FRAMINGHAM_2008_HIGH_RISK.as_bytes());
    put("model", "cycle", br#"{"format":"mediveil-model/1","name":"c","inputs":[{"name":"a","min":0,"max":1}],"trees":[{"nodes":[{"input":"a","at_most":0,"yes":0,"no":0}]}],"answer":{"score":{"min":0,"max":1}}}"#);
    for (name, bytes) in mediveil_fuzz::study_seeds() {
        put("study", name, &bytes);
        if let Some(kind) = mediveil_codec::peek_type(&bytes) {
            put("codec_round_trip", kind.name(), &bytes);
        }
    }
    put("study", "flip", &[0, 200, 1, 1, 90, 0x80]);
    put(
        "canonical_json",
        "text",
        r#"{"b":[true,null,"\u20ac\n\u001f\ud83d\ude00"],"a":{"\u00e9":"","\ufb33":[[]]}}"#.as_bytes(),
    );
    put("canonical_json", "numbers", br#"[0,-0,1e21,1E-7,333333333.33333329,1.0,9007199254740993,5e-324]"#);

    put("sealed_file", "unchanged", b"");
    put("sealed_file", "flip", &[0, 0, 200, 1]);
    put("sealed_file", "cut-grow", &[0x11, 0x80, 0, 0, 2, 0, 0, 7, 5, 1, 0, 64]);
}

/// The bytes frozen in the tests of the type's crate, where they stand in a file of their own.
fn frozen(kind: ObjectType) -> Option<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = [
        "crates/abe/tests/wire",
        "crates/fhe/tests/snapshots",
        "crates/federate/tests/snapshots",
        "crates/zk/tests/wire",
        "circuits/tests/wire",
    ];
    for folder in folders {
        for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            let Ok(text) = fs::read_to_string(entry.path()) else { continue };
            let Some(bytes) = from_hex(&text) else { continue };
            if mediveil_codec::peek_type(&bytes) == Some(kind) && bytes.len() <= 8192 {
                return Some(bytes);
            }
        }
    }
    None
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
