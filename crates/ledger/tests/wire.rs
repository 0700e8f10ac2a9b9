//! The bytes of everything that is stored or sent, frozen.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{at, keyed, log_of, operator};
use mediveil_codec::testing::{check_decoding, check_wire};
use mediveil_codec::{DecodeErrorKind, Wire};
use mediveil_ledger::{
    Actor, ConsistencyProof, Entry, Event, Evidence, Hash, InclusionProof, KeyChange, Label, Subject, SubjectSalt,
    UniqueKey, UnknownEvent,
};
use proptest::prelude::*;

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

fn entry(event: Event) -> Entry {
    Entry::new(at(0), Actor::from_bytes([0xaa; 16]), event)
}

#[test]
fn entry_sealed_about_a_subject_under_a_key() {
    let entry = entry(Event::Sealed { file: [0xf1; 32], doors: 3 })
        .about(Subject::from_bytes([0x5b; 32]))
        .keyed(UniqueKey::from_bytes([0x6b; 32]));
    check_wire(&entry, "");
}

#[test]
fn entry_accessed() {
    let (purpose, consent) = (Some(label("HRESCH")), Some([0xc0; 32]));
    check_wire(&entry(Event::Accessed { file: [0xf1; 32], door: label("policy"), opened: true, purpose, consent }), "");
    let shut = Event::Accessed { file: [0xf1; 32], door: label("x"), opened: false, purpose: None, consent: None };
    check_wire(&entry(shut), "");
}

#[test]
fn entry_consent_granted_and_withdrawn() {
    let (grantee, until) = (Some(Actor::from_bytes([0xbb; 16])), Some(at(86_400)));
    let granted = Event::ConsentGranted { consent: [0xc0; 32], purpose: label("TREAT"), grantee, until };
    check_wire(&entry(granted), "");
    check_wire(&entry(Event::ConsentWithdrawn { consent: [0xc0; 32] }), "");
}

#[test]
fn entry_key() {
    check_wire(&entry(Event::Key { ring: [0x21; 32], version: 7, change: KeyChange::Disabled }), "");
}

#[test]
fn entry_erased() {
    check_wire(&entry(Event::Erased { receipt: vec![1, 2, 3] }), "");
}

#[test]
fn entry_committee() {
    let event = Event::Committee { committee: [0xcc; 32], kind: label("formed"), body: vec![5, 9] };
    check_wire(&entry(event), "");
}

#[test]
fn entry_budget() {
    check_wire(&entry(Event::Budget { data_set: [0xd5; 32], kind: label("debited"), body: vec![8; 4] }), "");
}

#[test]
fn entry_released() {
    check_wire(&entry(Event::Released { query: [0x91; 32], certificate: [0xce; 32] }), "");
}

#[test]
fn entry_note() {
    check_wire(&entry(Event::Note { text: "moved to the new server".into() }), "");
}

#[test]
fn entry_of_another_program() {
    let event = Event::Unknown(UnknownEvent::new(0x8001, vec![0xff, 0x00]).unwrap());
    check_wire(&entry(event), "");
    assert_eq!(UnknownEvent::new(10, Vec::new()), None, "our codes are ours");
    assert_eq!(UnknownEvent::new(0x8000, vec![0; Event::MAX_BODY + 1]), None);
}

#[test]
fn head() {
    let (_place, log) = log_of(0);
    check_wire(&log.head(at(5), &operator()).unwrap(), "");
}

#[test]
fn inclusion_proof() {
    let path = vec![Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32])];
    check_wire(&InclusionProof::new(1, 3, path).unwrap(), "");
}

#[test]
fn consistency_proof() {
    let path = (1..=3).map(|b| Hash::from_bytes([b; 32])).collect();
    check_wire(&ConsistencyProof::new(3, 4, path).unwrap(), "");
}

#[test]
fn evidence() {
    let (_place, log) = log_of(3);
    let head = log.head(at(5), &operator()).unwrap();
    let evidence = log.evidence(1, &head).unwrap();
    check_wire(&evidence, "");
    assert_eq!(evidence.verify(&operator().verifying_key()).unwrap().0, 1);
    assert!(Evidence::decode(&head.encode()).is_err());
}

/// What a later version writes under a code that this one does not know is kept byte for byte.
#[test]
fn a_future_event_is_kept_proved_and_verified() {
    let (_place, log) = log_of(2);
    let known = keyed("k").encode();
    // The code is the item before the body; 10 becomes 11.
    let mut future = known.clone();
    let code = future.iter().rposition(|b| *b == 10).unwrap();
    *future.get_mut(code).unwrap() = 11;
    let entry = Entry::decode(&future).unwrap();
    assert_eq!(entry.event.code(), 11);
    assert_eq!(entry.encode(), future);
    let index = log.append(&entry).unwrap().index;
    let record = log.entry(index).unwrap();
    assert_eq!((&record.bytes, record.entry().unwrap()), (&future, entry));
    assert_eq!(log.verify_all().unwrap().unreadable, 0);
    let head = log.head(at(1), &operator()).unwrap();
    log.evidence(index, &head).unwrap().verify(&operator().verifying_key()).unwrap();
}

#[test]
fn known_events_are_decoded_strictly() {
    let good = entry(Event::Key { ring: [1; 32], version: 1, change: KeyChange::Created }).encode();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() = 9;
    let error = Entry::decode(&bad).unwrap_err();
    assert_eq!((error.kind, error.offset), (DecodeErrorKind::Invalid("not a change of a key"), good.len()));
    for text in ["", "has space", "ä", &"x".repeat(65)] {
        assert!(Label::new(text).is_err(), "{text:?}");
    }
    assert!(Label::new("x".repeat(64)).is_ok());
}

#[test]
fn pseudonyms_depend_on_the_salt_alone() {
    let (a, b) = (SubjectSalt::from_bytes([1; 32]), SubjectSalt::from_bytes([2; 32]));
    assert_eq!(Subject::pseudonym(&a, b"4711"), Subject::pseudonym(&a, b"4711"));
    assert_ne!(Subject::pseudonym(&a, b"4711"), Subject::pseudonym(&b, b"4711"));
    assert_ne!(Subject::pseudonym(&a, b"4711"), Subject::pseudonym(&a, b"4712"));
    // HMAC-SHA-256 of the domain and the identifier, computed with Python's hmac.
    let expected = "3d321d9375e285150bf5348b357dc1fc8e19d46361d6a12f556e053a3e68b0c3";
    assert_eq!(Subject::pseudonym(&a, b"4711").to_string(), expected);
    assert_eq!(format!("{a:?}"), "SubjectSalt");
}

#[test]
fn an_actor_is_the_fingerprint_of_its_key() {
    let key = operator().verifying_key();
    assert_eq!(Actor::of(&key).to_string(), key.fingerprint());
}

fn events() -> impl Strategy<Value = Event> {
    let id = any::<[u8; 32]>();
    let label = "[A-Za-z0-9._:/-]{1,64}".prop_map(|t| Label::new(t).unwrap());
    let body = prop::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        (id, any::<u32>()).prop_map(|(file, doors)| Event::Sealed { file, doors }),
        (id, label.clone(), any::<bool>(), prop::option::of(label.clone()), prop::option::of(id)).prop_map(
            |(file, door, opened, purpose, consent)| Event::Accessed { file, door, opened, purpose, consent }
        ),
        (id, label.clone(), prop::option::of(any::<[u8; 16]>()), prop::option::of(0..4_000_000_000u64)).prop_map(
            |(consent, purpose, grantee, until)| Event::ConsentGranted {
                consent,
                purpose,
                grantee: grantee.map(Actor::from_bytes),
                until: until.map(at)
            }
        ),
        (id, label.clone(), body.clone()).prop_map(|(committee, kind, body)| Event::Committee { committee, kind, body }),
        (id, label, body.clone()).prop_map(|(data_set, kind, body)| Event::Budget { data_set, kind, body }),
        body.clone().prop_map(|receipt| Event::Erased { receipt }),
        "\\PC{0,64}".prop_map(|text| Event::Note { text }),
        (0x8000u16.., body).prop_map(|(code, body)| Event::Unknown(UnknownEvent::new(code, body).unwrap())),
    ]
}

proptest! {
    #[test]
    fn every_entry_has_one_encoding(
        event in events(),
        subject in prop::option::of(any::<[u8; 32]>()),
        key in prop::option::of(any::<[u8; 32]>()),
        seconds in 0..4_000_000_000u64,
    ) {
        let entry = Entry {
            at: at(seconds),
            actor: Actor::SYSTEM,
            subject: subject.map(Subject::from_bytes),
            key: key.map(UniqueKey::from_bytes),
            event,
        };
        let bytes = entry.encode();
        prop_assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        check_decoding::<Entry>(&bytes);
    }
}
