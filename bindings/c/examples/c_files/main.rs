//! The Rust half of what Rust and C must read of each other.
//!
//! `c_files write DIR` writes what the C tests read there; `c_files read DIR` reads what they left, and fails if anything is not
//! what it should be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a part of the tests"
)]

mod proofs;
mod threshold;
mod vectors;

use mediveil_abe::{
    AttributeKey, AttributeSet, Authority, Granularity, Policy, PolicyRecipient, PublicParameters, Schema,
};
use mediveil_codec::{Timestamp, Wire, armor};
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Budget, Epsilon, Guarantee, Query, Reservation, Terms};
use mediveil_ledger::{Actor, Entry, Event, Evidence, Log, SignedHead};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind, PublicIdentity};
use mediveil_seal::{Passphrase, Sealer, open};
use std::fs;
use std::path::{Path, PathBuf};

/// 2027-02-01.
const NOW: u64 = 1_801_382_400_000;
const WEEK: u64 = 7 * 86_400_000;
const DATA_SET: [u8; 32] = [7; 32];
const SCHEMA: &str = r#"{"patient": "id", "rows_per_patient": 1, "max_rows": 1000, "columns":
    [{"kind": "number", "name": "hba1c", "low": "3", "high": "20", "scale": 1}]}"#;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

struct Folder(PathBuf);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }
}

fn write(to: &Folder) {
    let mut rng = SeededRng::from_u64(1);
    // Identities and files for them.
    let alice = Identity::generate(IdentityKind::Hybrid, &mut rng).unwrap();
    let author = Identity::generate(IdentityKind::P256, &mut rng).unwrap();
    to.write("alice.key", &*alice.to_key_file(None, &mut rng).unwrap());
    to.write("alice.pub", armor::encode(alice.public()));
    to.write("locked.key", &*alice.to_key_file(Some(&Passphrase::new("seven llamas")), &mut rng).unwrap());
    to.write("author.pub", armor::encode(author.public()));
    let sealer = Sealer::new().to(alice.public()).author(author.signing_key()).context(b"ward").unwrap();
    to.write("to-alice.sealed", sealer.seal(b"written in Rust", &mut rng).unwrap());
    // Policies.
    let clinic = Authority::create("clinic", Granularity::Days, Schema::new(), &mut rng).unwrap();
    let doctor = AttributeSet::parse(["role:doctor", "ward:icu"]).unwrap();
    let key = clinic.grant(&doctor, at(NOW + WEEK), at(NOW), &mut rng).unwrap();
    to.write("clinic.authority", armor::encode(&clinic));
    to.write("clinic.parameters", armor::encode(clinic.parameters()));
    to.write("doctor.key", armor::encode(&key));
    let policy = Policy::parse("role:doctor and ward:icu").unwrap();
    let door = PolicyRecipient::new(policy, clinic.parameters(), at(NOW)).unwrap();
    to.write("to-doctors.sealed", Sealer::new().to(&door).seal(b"for doctors, in Rust", &mut rng).unwrap());
    // A log with a budget, and what is proved about it.
    let log = Log::create(to.path("rust.log"), &mut rng).unwrap();
    let note = |text: &str| Entry::new(at(NOW), Actor::SYSTEM, Event::Note { text: text.to_owned() });
    log.append(&note("written in Rust")).unwrap();
    let old = log.head(at(NOW), author.signing_key()).unwrap();
    let unit = mediveil_dp::Schema::from_json(SCHEMA).unwrap().unit();
    let cap = Cost::Pure(Epsilon::cap_from_decimal("1").unwrap());
    let terms = Terms { data_set: DATA_SET, unit, guarantee: Guarantee::DataSet, cap };
    Budget::create(&log, terms, Actor::SYSTEM, at(NOW)).unwrap();
    let new = log.head(at(NOW), author.signing_key()).unwrap();
    to.write("old.head", old.encode());
    to.write("new.head", new.encode());
    to.write("note.evidence", log.evidence(0, &new).unwrap().encode());
    let size = |head: &SignedHead| head.verify(author.public().verifying_key()).unwrap().size();
    to.write("grown.consistency", log.consistency(size(&old), size(&new)).unwrap().encode());
}

fn read(from: &Folder) {
    // A key file of C's opens what was sealed in Rust, and what was sealed in C.
    let bob = Identity::from_key_file(&from.read("c.key"), None).unwrap();
    let locked = Identity::from_key_file(&from.read("c-locked.key"), Some(&Passphrase::new("eight llamas"))).unwrap();
    assert_eq!(bob.public().id(), locked.public().id());
    let public = PublicIdentity::from_key_file(&from.read("c.pub")).unwrap();
    assert_eq!(bob.public().id(), public.id());
    let opened = open(&from.read("c.sealed"), &[&bob]).unwrap();
    assert_eq!(*opened.plaintext, b"written in C");
    assert_eq!(opened.author.unwrap().to_sec1(), public.verifying_key().to_sec1());
    let mut rng = SeededRng::from_u64(2);
    let sealed = Sealer::new().to(&public).seal(b"back", &mut rng).unwrap();
    assert_eq!(*open(&sealed, &[&bob]).unwrap().plaintext, b"back");
    // Policies: an authority of C's grants in Rust, and its key opens what C sealed.
    let clinic: Authority = armor::decode(&from.read("c.authority")).unwrap();
    let parameters: PublicParameters = armor::decode(&from.read("c.parameters")).unwrap();
    assert_eq!(parameters.encode(), clinic.parameters().encode());
    let nurse: AttributeKey = armor::decode(&from.read("c.nurse")).unwrap();
    assert_eq!(*open(&from.read("c-policy.sealed"), &[&nurse]).unwrap().plaintext, b"for nurses, in C");
    let attributes = AttributeSet::parse(["role:nurse"]).unwrap();
    let granted = clinic.grant(&attributes, at(NOW + WEEK), at(NOW), &mut rng).unwrap();
    assert_eq!(*open(&from.read("c-policy.sealed"), &[&granted]).unwrap().plaintext, b"for nurses, in C");
    // The log, what C proved about it, and the answer that C paid for.
    let log = Log::open(from.path("c.log")).unwrap();
    log.verify_all().unwrap();
    let head = SignedHead::decode(&from.read("c.head")).unwrap();
    log.check_against(&head.verify(public.verifying_key()).unwrap()).unwrap();
    let evidence = Evidence::decode(&from.read("c.evidence")).unwrap();
    let (index, bytes, _) = evidence.verify(public.verifying_key()).unwrap();
    let entry = Entry::decode(bytes).unwrap();
    assert!(index == 1 && matches!(&entry.event, Event::Note { text } if text == "goes on"), "{entry:?}");
    let budget = Budget::open(&log, &DATA_SET, Actor::SYSTEM).unwrap();
    let schema = mediveil_dp::Schema::from_json(SCHEMA).unwrap();
    let query = Query::from_json(r#"{"statistic": "count"}"#).unwrap();
    let price = mediveil_dp::Price::Epsilon(Epsilon::cost_from_decimal("0.4").unwrap());
    match budget.reserve(&query.plan(&schema, 1, price).unwrap(), at(NOW)).unwrap() {
        Reservation::Answered(answer) => assert_eq!(answer, from.read("c.answer")),
        Reservation::Permit(_) => panic!("C's answer is not there"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", folder] => {
            let folder = Folder(Path::new(folder).to_owned());
            write(&folder);
            threshold::write(&folder);
            proofs::write(&folder);
            vectors::write(&folder);
        }
        ["read", folder] => read(&Folder(Path::new(folder).to_owned())),
        _ => panic!("c_files write DIR, or c_files read DIR"),
    }
}
