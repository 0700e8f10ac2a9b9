//! Proofs of the three statements, with everything a verifier needs.

use crate::Folder;
use mediveil_circuits::forms::{IssuerRegister, NamedTable, NewSecret, ProviderRegistry, SignedRecord};
use mediveil_circuits::gadgets::eddsa::SigningKey;
use mediveil_circuits::identity::{HolderSecret, Identity, IdentityWitness};
use mediveil_circuits::record::{RecordAuthenticity, RecordWitness};
use mediveil_circuits::statistics::Statistics;
use mediveil_codec::{Wire, armor};
use mediveil_record::{Date, Limits, Record, RecordSecret};
use mediveil_rng::SeededRng;
use mediveil_zk::forms::{Request, StatisticsAnswer};
use mediveil_zk::{Fr, ProofFile, ProvingKey, Statement, development_setup, hash_of};

const RECORD: &str =
    r#"{"resourceType":"Observation","code":{"coding":[{"code":"4548-4"}]},"valueQuantity":{"value":6.4}}"#;

fn setup<S: Statement>(to: &Folder, name: &str, rng: &mut SeededRng) -> ProvingKey<S> {
    let key = development_setup::<S>(rng).unwrap();
    let file = key.verifying().encode_wire();
    to.write(&format!("{name}.sha256"), hash_of(&file));
    to.write(&format!("{name}.vk"), file);
    key
}

fn prove<S: Statement>(
    to: &Folder,
    name: &str,
    public: &S::Public,
    witness: &S::Witness,
    nullifier: &Fr,
    rng: &mut SeededRng,
) {
    let key = setup::<S>(to, name, rng);
    let proof = key.prove(public, witness, rng).unwrap();
    to.write(&format!("{name}.proof"), ProofFile::new::<S>(public, &proof).encode());
    to.write(&format!("{name}.nullifier"), mediveil_record::field::to_bytes(nullifier));
}

pub(crate) fn write(to: &Folder) {
    let mut rng = SeededRng::from_u64(10);
    let secret = HolderSecret::generate(&mut rng);
    identity(to, &secret, &mut rng);
    record(to, &secret, &mut rng);
    statistics(to, &mut rng);
}

fn identity(to: &Folder, secret: &HolderSecret, rng: &mut SeededRng) {
    let request = |challenge: &str| {
        format!(
            r#"{{"statement": "identity", "scope": "pharmacy", "challenge": "{challenge}", "born_before": "2008-11-22",
                "today": "2026-11-21", "roles": ["physician"]}}"#
        )
    };
    to.write("identity.request", request("one"));
    to.write("identity.other-request", request("two"));
    let day = |text| Date::parse(text).unwrap();
    let mut register = IssuerRegister::new("Anna", vec!["patient".into(), "physician".into()]).unwrap();
    let (credential, _) = register
        .issue("P-1", secret.holder(), day("1980-02-29"), "physician", day("2027-01-31"), NewSecret::Refuse)
        .unwrap();
    let registry = register.publish().unwrap();
    // One in armour and one not: both are read.
    to.write("identity.registry", armor::encode(&registry));
    let other = HolderSecret::generate(rng).holder();
    register.issue("P-2", other, day("1990-01-01"), "patient", day("2027-01-31"), NewSecret::Refuse).unwrap();
    to.write("identity.other-registry", register.publish().unwrap().encode());
    let Request::Identity(request) = Request::parse(request("one").as_bytes()).unwrap() else { unreachable!() };
    let nullifier = secret.nullifier(request.scope());
    let public = request.public(&registry, nullifier).unwrap();
    let path = registry.path_of(&credential).unwrap();
    let witness = IdentityWitness { secret: secret.clone(), credential, path };
    prove::<Identity>(to, "identity", &public, &witness, &nullifier, rng);
}

fn record(to: &Folder, secret: &HolderSecret, rng: &mut SeededRng) {
    let request = |bound: &str| {
        format!(
            r#"{{"statement": "record", "scope": "insurer", "challenge": "one", "claims": [
                {{"path": "code.coding[0].code", "is": "4548-4"}}, {{"path": "valueQuantity.value", "below": "{bound}"}}]}}"#
        )
    };
    to.write("record.request", request("7.0"));
    to.write("record.other-request", request("6.5"));
    let (lab, hospital) = (SigningKey::generate(rng), SigningKey::generate(rng));
    let providers =
        ProviderRegistry::new(vec![("lab".into(), lab.public()), ("hospital".into(), hospital.public())]).unwrap();
    to.write("record.registry", providers.encode());
    to.write("record.other-registry", ProviderRegistry::new(vec![("lab".into(), hospital.public())]).unwrap().encode());
    let record = Record::parse(RECORD.as_bytes(), &Limits::default()).unwrap();
    let resource = record.commit(&RecordSecret::generate(rng)).unwrap().remove(0);
    let signed = SignedRecord::sign(&lab, resource.commitment(), secret.holder(), rng);
    let Request::Record(request) = Request::parse(request("7.0").as_bytes()).unwrap() else { unreachable!() };
    let nullifier = secret.nullifier(request.scope());
    let public = request.public(&providers, nullifier).unwrap();
    let witness = RecordWitness {
        secret: secret.clone(),
        record: signed.commitment(),
        provider: *signed.provider(),
        provider_path: providers.tree().unwrap().path(0).unwrap(),
        signature: *signed.signature(),
        openings: public.claims().iter().map(|claim| resource.open(claim.path()).unwrap()).collect(),
    };
    prove::<RecordAuthenticity>(to, "record", &public, &witness, &nullifier, rng);
}

fn statistics(to: &Folder, rng: &mut SeededRng) {
    let request =
        |high: u32| format!(r#"{{"statement": "statistics", "column": "value", "where": {{"value": [110, {high}]}}}}"#);
    to.write("statistics.request", request(149));
    to.write("statistics.other-request", request(150));
    let rows: Vec<_> = (0..70).map(|i| [Some(100 + i), None, None, None]).collect();
    let table = NamedTable::new(vec!["value".into()], &rows, rng).unwrap();
    to.write("statistics.table", table.commitment().encode());
    let other = NamedTable::new(vec!["value".into()], &rows, rng).unwrap();
    to.write("statistics.other-table", other.commitment().encode());
    let Request::Statistics(request) = Request::parse(request(149).as_bytes()).unwrap() else { unreachable!() };
    let query = request.query(&table.commitment()).unwrap();
    let key = setup::<Statistics>(to, "statistics", rng);
    let answer = StatisticsAnswer::prove(&key, table.table(), &query, rng, |_| ()).unwrap();
    to.write("statistics.answer", answer.encode());
}
