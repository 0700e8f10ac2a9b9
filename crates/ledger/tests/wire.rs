//! The bytes of everything that is stored or sent, frozen.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{at, keyed, log_of, operator};
use mediveil_codec::testing::{check_decoding, check_wire, check_wire_by};
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
    check_wire(
        &entry,
        "894d44560401010000000086861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa58205b5b5b5b5b5b5b
         5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b58206b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b
         6b6b6b6b6b6b6b6b6b6b6b015824825820f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1
         f103",
    );
}

#[test]
fn subject_salt() {
    check_wire_by(
        &SubjectSalt::from_bytes([0x5a; 32]),
        "894d445604060100000000238158205a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
        |a, b| a.expose() == b.expose(),
    );
}

#[test]
fn entry_accessed() {
    let (purpose, consent) = (Some(label("HRESCH")), Some([0xc0; 32]));
    check_wire(
        &entry(Event::Accessed { file: [0xf1; 32], door: label("policy"), opened: true, purpose, consent }),
        "894d44560401010000000074861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f6025854855820f1
         f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f166706f6c696379f5664852455343485820
         c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0",
    );
    let shut = Event::Accessed { file: [0xf1; 32], door: label("x"), opened: false, purpose: None, consent: None };
    check_wire(
        &entry(shut),
        "894d44560401010000000048861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f6025828855820f1
         f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f16178f4f6f6",
    );
}

#[test]
fn entry_consent_granted_and_withdrawn() {
    let (grantee, until) = (Some(Actor::from_bytes([0xbb; 16])), Some(at(86_400)));
    let granted = Event::ConsentGranted { consent: [0xc0; 32], purpose: label("TREAT"), grantee, until };
    check_wire(
        &entry(granted),
        "894d44560401010000000063861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f6035843845820c0
         c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c065545245415450bbbbbbbbbbbbbbbbbbbb
         bbbbbbbbbbbb1b000001a31d82ac00",
    );
    check_wire(
        &entry(Event::ConsentWithdrawn { consent: [0xc0; 32] }),
        "894d44560401010000000043861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f6045823815820c0
         c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0",
    );
}

#[test]
fn entry_key() {
    check_wire(
        &entry(Event::Key { ring: [0x21; 32], version: 7, change: KeyChange::Disabled }),
        "894d44560401010000000045861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f605582583582021
         212121212121212121212121212121212121212121212121212121212121210703",
    );
}

#[test]
fn entry_erased() {
    check_wire(
        &entry(Event::Erased { receipt: vec![1, 2, 3] }),
        "894d44560401010000000024861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f606458143010203",
    );
}

#[test]
fn entry_committee() {
    let event = Event::Committee { committee: [0xcc; 32], kind: label("formed"), body: vec![5, 9] };
    check_wire(
        &entry(event),
        "894d4456040101000000004d861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f607582d835820cc
         cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc66666f726d6564420509",
    );
}

#[test]
fn entry_budget() {
    check_wire(
        &entry(Event::Budget { data_set: [0xd5; 32], kind: label("debited"), body: vec![8; 4] }),
        "894d44560401010000000050861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f6085830835820d5
         d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d5d567646562697465644408080808",
    );
}

#[test]
fn entry_released() {
    check_wire(
        &entry(Event::Released { query: [0x91; 32], certificate: [0xce; 32] }),
        "894d44560401010000000065861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f609584582582091
         919191919191919191919191919191919191919191919191919191919191915820cecececececececececececececece
         cecececececececececececececececece",
    );
}

#[test]
fn entry_note() {
    check_wire(
        &entry(Event::Note { text: "moved to the new server".into() }),
        "894d44560401010000000039861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f60a581981776d6f
         76656420746f20746865206e657720736572766572",
    );
}

#[test]
fn entry_of_another_program() {
    let event = Event::Unknown(UnknownEvent::new(0x8001, vec![0xff, 0x00]).unwrap());
    check_wire(
        &entry(event),
        "894d44560401010000000023861b000001a3185c500050aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaf6f619800142ff00",
    );
    assert_eq!(UnknownEvent::new(10, Vec::new()), None, "our codes are ours");
    assert_eq!(UnknownEvent::new(0x8000, vec![0; Event::MAX_BODY + 1]), None);
}

#[test]
fn head() {
    let (_place, log) = log_of(0);
    check_wire(
        &log.head(at(5), &operator()).unwrap(),
        "894d445604020100000000b4865820c5d30a7ce1ec119378c84f487d775a8542f13ece238a9455e8229e888de85bbd00
         5820e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8551b000001a3185c6388582103965e
         d871c0f9e8795a9c786afebeabe4658b81110c3329e0622bd068f7d61359584008a1a8409f8ccaff0568309b5d68e395
         847d7fcbdf736c8ed5105eba1de43b037da0c4b85236df96dc6156ff765f905ecd2d8f349d5452b9b0b4759ab7a082f4",
    );
}

#[test]
fn inclusion_proof() {
    let path = vec![Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32])];
    check_wire(
        &InclusionProof::new(1, 3, path).unwrap(),
        "894d44560403010000000048830103825820010101010101010101010101010101010101010101010101010101010101
         010158200202020202020202020202020202020202020202020202020202020202020202",
    );
}

#[test]
fn consistency_proof() {
    let path = (1..=3).map(|b| Hash::from_bytes([b; 32])).collect();
    check_wire(
        &ConsistencyProof::new(3, 4, path).unwrap(),
        "894d4456040401000000006a830304835820010101010101010101010101010101010101010101010101010101010101
         010158200202020202020202020202020202020202020202020202020202020202020202582003030303030303030303
         03030303030303030303030303030303030303030303",
    );
}

#[test]
fn evidence() {
    let (_place, log) = log_of(3);
    let head = log.head(at(5), &operator()).unwrap();
    let evidence = log.evidence(1, &head).unwrap();
    check_wire(
        &evidence,
        "894d4456040501000000013183582e894d44560401010000000022861b000001a3185c50005000000000000000000000
         000000000000f6f60a4381613158488301038258200db58276beebcccefb0de565ddd40fecf57c9da5ea84b33b00eb64
         c4748889ab58206500772038e66548fbea52702303aa9057687e56de695147a7b51dd6de5fbbe158b4865820c5d30a7c
         e1ec119378c84f487d775a8542f13ece238a9455e8229e888de85bbd03582023d22ea75be62d1d5af2271a46ca975b3b
         ee5b8103571d883173d9ea749748091b000001a3185c6388582103965ed871c0f9e8795a9c786afebeabe4658b81110c
         3329e0622bd068f7d6135958402fe279a4fd432577e9fdf73677943873329a5b00baaf585693b6d96373f94b5202f638
         18f44ca7ea0eb55765cb8bab63ac3ac76582532235fd01a2d9b71967ed",
    );
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
        (id, label.clone(), body.clone()).prop_map(|(committee, kind, body)| Event::Committee {
            committee,
            kind,
            body
        }),
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
