//! Writes the seeds of every corpus: one small valid input of each form. `cargo run -p mediveil-fuzz --example seeds`.

#![allow(clippy::unwrap_used, reason = "a tool that stops at the first failure")]

use mediveil_codec::{Timestamp, Wire, armor};
use mediveil_record::{Limits, Record, RecordSecret};
use mediveil_rng::SeededRng;
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

    put("sealed_file", "unchanged", b"");
    put("sealed_file", "flip", &[0, 0, 200, 1]);
    put("sealed_file", "cut-grow", &[0x11, 0x80, 0, 0, 2, 0, 0, 7, 5, 1, 0, 64]);
}
