//! Writes `docs/vectors/*.json`: one object of each kind that other languages and other versions must read, with what opens it.
//!
//! `cargo run -p mediveil --all-features --example vectors -- docs/vectors`. The generator is seeded, so the same code gives the same
//! files; a file that changes is a format that changed. The secrets in them are for tests alone.

use mediveil::Timestamp;
use mediveil::abe::{AttributeSet, Authority, Granularity, Policy, PolicyRecipient, Schema};
use mediveil::circuits::Scope;
use mediveil::circuits::identity::{
    Credential, HolderSecret, Identity as Statement, IdentityPublic, IdentityWitness, Registry, Role, RoleSet, message,
};
use mediveil::codec::Wire as _;
use mediveil::ledger::{Actor, Entry, Event, Log};
use mediveil::record::{Date, Limits, Record, RecordSecret};
use mediveil::seal::identity::{Identity, IdentityKind};
use mediveil::seal::{Passphrase, Sealer, Suite};
use mediveil::threshold::Committee;
use mediveil::threshold::deal::{Board, CutOff, Enrolled, Plan};
use mediveil::threshold::tdh2::encapsulate;
use mediveil::zk::{ProofFile, development_setup};
use mediveil_rng::SeededRng;
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A copy with one bit of one byte changed.
fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    bytes.iter().enumerate().map(|(i, b)| if i == at { b ^ 1 } else { *b }).collect()
}

fn sealed_files(rng: &mut SeededRng) -> Result<Value> {
    let patient = Identity::generate(IdentityKind::Hybrid, rng)?;
    let provider = Identity::generate(IdentityKind::P256, rng)?;
    let stranger = Identity::generate(IdentityKind::P256, rng)?;
    let phrase = "seven llamas hum";
    let paper = Passphrase::new(phrase).with_iterations(Passphrase::MIN_ITERATIONS)?;
    let plain = b"HbA1c 7.10 %".as_slice();
    let all = Sealer::new().to(patient.public()).to(provider.public()).to(&paper).context(b"ward 3")?;
    let file = all.seal(plain, rng)?;
    let signed =
        Sealer::new().suite(Suite::Aes256Gcm).to(provider.public()).author(patient.signing_key()).seal(plain, rng)?;
    let empty = Sealer::new().to(provider.public()).seal(b"", rng)?;
    let long: Vec<u8> = (0..70_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let segments = Sealer::new().to(provider.public()).seal(&long, rng)?;
    // Without a passphrase a key file needs no randomness.
    let key = |who: &Identity| who.to_key_file(None, &mut SeededRng::from_u64(0)).map(|text| text.to_string());
    let case = |name: &str, file: &[u8], keys: Value, plaintext: Option<&[u8]>, refused: Option<&str>| json!({ "name": name, "file": hex(file), "opens": keys, "plaintext": plaintext.map(hex), "refused": refused });
    let (patients, providers, strangers) = (key(&patient)?, key(&provider)?, key(&stranger)?);
    let cut = file.split_last().map_or(&[][..], |(_, rest)| rest);
    Ok(
        json!({ "about": "Sealed files. `opens` is a key file or a passphrase; `refused` is the kind of refusal.", "cases": [
        case("hybrid door", &file, json!({ "key": &patients }), Some(plain), None),
        case("P-256 door", &file, json!({ "key": &providers }), Some(plain), None),
        case("passphrase door", &file, json!({ "passphrase": phrase }), Some(plain), None),
        case("signed, AES-256-GCM", &signed, json!({ "key": &providers }), Some(plain), None),
        case("empty", &empty, json!({ "key": &providers }), Some(b""), None),
        case("two segments", &segments, json!({ "key": &providers }), Some(&long), None),
        case("a stranger's key", &file, json!({ "key": strangers }), None, Some("no door")),
        case("a wrong passphrase", &file, json!({ "passphrase": "seven llamas" }), None, Some("no door")),
        case("last byte changed", &flipped(&file, file.len() - 1), json!({ "key": &providers }), None, Some("damaged")),
        case("cut by one byte", cut, json!({ "key": &providers }), None, Some("damaged")),
    ] }),
    )
}

fn records() -> Result<Value> {
    let json = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}]},"effectiveDateTime":"2026-11-21T03:40:00+01:00","valueQuantity":{"value":7.10,"unit":"%"}}"#;
    let record = Record::parse(json.as_bytes(), &Limits::DEFAULT)?;
    let committed = record.commit(&RecordSecret::from_bytes([7; 32]))?;
    let committed = committed.first().ok_or("no resource")?;
    let opening = committed.open("valueQuantity.value").ok_or("no value")?;
    Ok(
        json!({ "about": "A FHIR resource, its SHA-256 digest, its commitment under a secret of 32 bytes 07, and one opened leaf.",
        "json": json, "digest": hex(committed.digest().as_bytes()), "secret": hex(&[7; 32]),
        "commitment": hex(&committed.commitment().to_bytes()),
        "path": "valueQuantity.value", "value": "7.10", "opening": hex(&opening.encode()) }),
    )
}

fn log(rng: &mut SeededRng) -> Result<Value> {
    let operator = Identity::generate(IdentityKind::P256, rng)?;
    let now: Timestamp = "2026-11-21T08:00:00Z".parse()?;
    let folder = tempfile::tempdir()?;
    let log = Log::create(folder.path().join("log"), rng)?;
    let mut heads = Vec::new();
    for file in 0..7 {
        log.append(&Entry::new(now, Actor::SYSTEM, Event::Sealed { file: [file; 32], doors: 2 }))?;
        heads.push(log.head(now, operator.signing_key())?);
    }
    let head = heads.last().ok_or("no head")?;
    let evidence = log.evidence(2, head)?.encode();
    Ok(
        json!({ "about": "Evidence that the entry at an index is in a log, under the operator's key (SEC 1, compressed).",
        "operator": hex(&operator.public().verifying_key().to_sec1()),
        "operator_identity": hex(&operator.public().encode()), "index": 2, "size": 7,
        "entry": hex(&log.entry(2)?.bytes), "evidence": hex(&evidence),
        "changed": hex(&flipped(&evidence, evidence.len() - 1)), "head": hex(&head.encode()) }),
    )
}

fn policies(rng: &mut SeededRng) -> Result<Value> {
    let now: Timestamp = "2026-11-21T08:00:00Z".parse()?;
    let until: Timestamp = "2027-11-21".parse()?;
    let hospital = Authority::create("St. Anna", Granularity::Hours, Schema::new().integer("clearance", 4)?, rng)?;
    let text = "(role:cardiologist and site:A and clearance >= 3) or role:emergency";
    let door = PolicyRecipient::new(Policy::parse(text)?, hospital.parameters(), now)?;
    let file = Sealer::new().to(&door).seal(b"bundle", rng)?;
    let mut keys = Vec::new();
    for (attributes, from, until, opens) in [
        (&["role:cardiologist", "site:A", "clearance=3"][..], now, until, true),
        (&["role:cardiologist", "site:A", "clearance=2"], now, until, false),
        (&["role:insurer", "site:A"], now, until, false),
        (&["role:emergency"], "2026-01-01".parse()?, "2026-02-01".parse()?, false),
    ] {
        let key = hospital.grant(&AttributeSet::parse(attributes.iter().copied())?, until, from, rng)?;
        keys.push(json!({ "attributes": attributes, "key": hex(&key.encode()), "opens": opens }));
    }
    Ok(json!({ "about": "A file under a policy, and keys of its authority.", "policy": text, "file": hex(&file),
        "plaintext": hex(b"bundle"), "parameters": hex(&hospital.parameters().encode()), "keys": keys }))
}

fn committees(rng: &mut SeededRng) -> Result<Value> {
    let now: Timestamp = "2026-11-21T08:00:00Z".parse()?;
    let people =
        (0..3).map(|_| Identity::generate(IdentityKind::P256, rng)).collect::<std::result::Result<Vec<_>, _>>()?;
    let convenor = people.first().ok_or("nobody")?;
    let members = people.iter().map(|p| p.public().clone()).collect();
    let plan = Plan::generate(Committee::new("vectors", 2, members, *convenor.public().verifying_key(), rng)?);
    let (mut states, mut messages) = (Vec::new(), Vec::new());
    for person in &people {
        let (state, message) = Enrolled::start(&plan, person, rng)?;
        states.push(state);
        messages.push(message);
    }
    let cut_off = CutOff::close(&plan, &messages, now, convenor)?;
    let enrolments = plan.enrolments(&Board::new(&cut_off, &messages))?;
    let mut messages = Vec::new();
    for person in &people {
        messages.push(enrolments.deal(person, None, rng)?);
    }
    let cut_off = CutOff::close(&plan, &messages, now, convenor)?;
    let dealings = enrolments.dealings(&Board::new(&cut_off, &messages))?;
    let (mut checked, mut messages) = (Vec::new(), Vec::new());
    for (state, person) in states.iter().zip(&people) {
        let (shares, message) = dealings.check(state, person, rng)?;
        checked.push(shares);
        messages.push(message);
    }
    let cut_off = CutOff::close(&plan, &messages, now, convenor)?;
    let outcome = dealings.outcome(&Board::new(&cut_off, &messages))?;
    let associated = b"ward 3";
    let (ciphertext, shared) = encapsulate(outcome.set.key(), associated, rng);
    let checked_ciphertext = ciphertext.check(outcome.set.key(), associated)?;
    let (mut keys, mut shares) = (Vec::new(), Vec::new());
    for part in checked {
        let key = outcome.key_share(part)?;
        shares.push(hex(&key.decrypt(&outcome.set, &checked_ciphertext, rng)?.encode()));
        keys.push(hex(&key.encode()));
    }
    Ok(
        json!({ "about": "A committee of three, of which two are needed: its key, an encapsulation for it, the members' key shares and their \
        decryption shares; any two give the shared key.", "set": hex(&outcome.set.encode()), "associated": hex(associated),
        "ciphertext": hex(&ciphertext.encode()), "key_shares": keys, "shares": shares, "shared_key": hex(&*shared) }),
    )
}

fn proofs(rng: &mut SeededRng) -> Result<Value> {
    let date = |text| Date::parse(text).ok_or("no date");
    let secret = HolderSecret::generate(rng);
    let role = Role::new(3)?;
    let credential =
        Credential { holder: secret.holder(), birth: date("2004-02-29")?, role, expiry: date("2027-01-31")? };
    let registry = Registry::new(std::slice::from_ref(&credential))?;
    let scope = Scope::new("pharmacy/2026");
    let public = IdentityPublic {
        registry: registry.root(),
        nullifier: secret.nullifier(scope),
        scope,
        message: message(b"vector"),
        born_before: date("2008-11-21")?,
        today: date("2026-11-21")?,
        roles: RoleSet::new(&[role])?,
    };
    let witness = IdentityWitness { secret, credential, path: registry.path(0).ok_or("no path")? };
    let key = development_setup::<Statement>(rng)?;
    let proof = key.prove(&public, &witness, rng)?;
    let (file, points) = (ProofFile::new::<Statement>(&public, &proof), hex(&proof.to_bytes()));
    let (proof, inputs) = file.to_snarkjs();
    Ok(
        json!({ "about": "An identity proof under a development key, as files of this project and as snarkjs reads them.",
        "verifying_key": hex(&key.verifying().encode_wire()), "proof": hex(&file.encode()), "points": points,
        "snarkjs_proof": proof, "snarkjs_public": inputs }),
    )
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or("say where to: docs/vectors")?;
    let rng = &mut SeededRng::from_u64(20_261_121);
    for (name, value) in [
        ("sealed-file", sealed_files(rng)?),
        ("record", records()?),
        ("log", log(rng)?),
        ("policy", policies(rng)?),
        ("committee", committees(rng)?),
        ("proof", proofs(rng)?),
    ] {
        let file = Path::new(&folder).join(format!("{name}.json"));
        std::fs::write(&file, serde_json::to_string_pretty(&value)? + "\n")?;
        println!("{}", file.display());
    }
    Ok(())
}
