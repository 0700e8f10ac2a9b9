//! A committee's door in sealed files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{generate, now, people};
use mediveil_seal::{
    ContentKey, Context, DoorKind, OpenError, Opener, Opening, Recipient, RefusalReason, Rewrap, Sealer, Stanza, open,
    read_doors,
};
use mediveil_threshold::guardians::{CommitteeRecipient, Door};
use mediveil_threshold::recovery::{Recovery, RecoveryError, request};
use std::time::Duration;

#[test]
fn the_lost_files_owner_gets_back_in_and_may_open_new_doors() {
    let (guardians, run, mut rng) = generate(5, 3, 1);
    let set = &run.outcome.set;
    let [old, new] = <[_; 2]>::try_from(people(2, &mut rng)).unwrap();
    let record = vec![7; 200_000];
    let committee = CommitteeRecipient::new(set.key()).owner(old.public(), Duration::from_secs(60));
    let sealed = Sealer::new().to(old.public().preferred_sealing_key()).to(&committee).seal(&record, &mut rng).unwrap();
    assert_eq!(*open(&sealed, &[&old]).unwrap().plaintext, record);
    drop(old);

    // The new identity needs the head of the file only; the guardians need no file at all.
    let head = &sealed[..2048];
    let (context, stanzas) = read_doors(&mut &head[..]).unwrap();
    let asked = request(set.key(), &context, &stanzas, &new, now()).unwrap();
    let recovery = Recovery::new(set, &asked).unwrap();
    let later = now().plus(Duration::from_secs(60));
    let approvals: Vec<_> = [4, 0, 2]
        .into_iter()
        .map(|i| {
            let notice = recovery.notice(&guardians[i], now()).unwrap();
            recovery.approve(&run.shares[i], &guardians[i], &notice, &[], later, &mut rng).unwrap()
        })
        .collect();
    let opener = recovery.finish(&approvals, &new).unwrap();
    assert_eq!(*open(&sealed, &[&opener]).unwrap().plaintext, record);

    // From now on the new identity has a door of its own.
    let mut moved = Vec::new();
    let rewrap = Rewrap::new().drop_kind(DoorKind::HPKE_P256).to(new.public().preferred_sealing_key());
    rewrap.run(&mut sealed.as_slice(), &mut moved, &[&opener], &mut rng).unwrap();
    assert_eq!(*open(&moved, &[&new]).unwrap().plaintext, record);

    // Two approvals open nothing, and neither do three for another file of the same committee.
    let error = recovery.finish(&approvals[..2], &new).unwrap_err();
    assert_eq!(error, RecoveryError::TooFew { found: 2, needed: 3, wrong: vec![] });
    let other = Sealer::new().to(&committee_of(set)).seal(&record, &mut rng).unwrap();
    let Err(OpenError::NoDoor { refusals, .. }) = open(&other, &[&opener]) else { panic!("opened") };
    assert_eq!(refusals[0].reason, RefusalReason::WrongKey);
}

const fn committee_of(set: &mediveil_threshold::PublicKeySet) -> CommitteeRecipient<'_> {
    CommitteeRecipient::new(set.key())
}

fn context(n: u8) -> Context {
    Context::new([n; 32], Vec::new())
}

#[test]
fn a_door_belongs_to_one_file_and_one_key() {
    let (_, run, mut rng) = generate(3, 2, 2);
    let (_, other, _) = generate(3, 2, 3);
    let set = &run.outcome.set;
    let stanza = committee_of(set).wrap(&ContentKey::from_bytes([9; 32]), &context(1), &mut rng).unwrap();
    assert_eq!(stanza.kind, DoorKind::COMMITTEE);
    let door = Door::read(&stanza).unwrap();
    assert!(door.check(set.key(), &context(1)).is_ok());
    assert!(door.check(set.key(), &context(2)).is_err());
    assert!(door.check(other.outcome.set.key(), &context(1)).is_err());
    let [reader] = <[_; 1]>::try_from(people(1, &mut rng)).unwrap();
    let none = request(other.outcome.set.key(), &context(1), std::slice::from_ref(&stanza), &reader, now());
    assert_eq!(none.unwrap_err(), RecoveryError::NoDoor);
    let policy = Stanza { kind: DoorKind::POLICY, body: stanza.body };
    assert!(Door::read(&policy).is_none());
}

#[test]
fn every_changed_byte_of_a_door_keeps_it_shut() {
    let (guardians, run, mut rng) = generate(3, 2, 4);
    let set = &run.outcome.set;
    let [owner, reader] = <[_; 2]>::try_from(people(2, &mut rng)).unwrap();
    let recipient = CommitteeRecipient::new(set.key()).owner(owner.public(), Duration::ZERO);
    let key = ContentKey::from_bytes([1; 32]);
    let stanza = recipient.wrap(&key, &context(1), &mut rng).unwrap();
    let asked = request(set.key(), &context(1), std::slice::from_ref(&stanza), &reader, now()).unwrap();
    let recovery = Recovery::new(set, &asked).unwrap();
    let approvals: Vec<_> = (0..2)
        .map(|i| {
            let notice = recovery.notice(&guardians[i], now()).unwrap();
            recovery.approve(&run.shares[i], &guardians[i], &notice, &[], now(), &mut rng).unwrap()
        })
        .collect();
    let opener = recovery.finish(&approvals, &reader).unwrap();
    let Opening::Opened(opened) = opener.open_stanza(&stanza, &context(1)) else { panic!("stayed shut") };
    assert_eq!(opened.expose(), key.expose());
    assert!(matches!(opener.open_stanza(&stanza, &context(2)), Opening::Refused(_)));
    for at in 0..stanza.body.len() {
        let mut changed = stanza.clone();
        changed.body[at] ^= 1;
        assert!(matches!(opener.open_stanza(&changed, &context(1)), Opening::Refused(_)), "byte {at}");
    }
    let policy = Stanza { kind: DoorKind::POLICY, body: stanza.body };
    assert!(matches!(opener.open_stanza(&policy, &context(1)), Opening::NotMine));
}

#[test]
fn the_owner_is_in_the_door_for_those_who_know_it_and_differs_from_door_to_door() {
    let (_, run, mut rng) = generate(3, 2, 5);
    let set = &run.outcome.set;
    let [owner, stranger] = <[_; 2]>::try_from(people(2, &mut rng)).unwrap();
    let recipient = CommitteeRecipient::new(set.key()).owner(owner.public(), Duration::from_secs(259_200));
    let doors = [1, 2].map(|n| {
        let stanza = recipient.wrap(&ContentKey::from_bytes([n; 32]), &context(n), &mut rng).unwrap();
        Door::read(&stanza).unwrap()
    });
    for door in &doors {
        assert!(door.terms().is_owner(owner.public()) && !door.terms().is_owner(stranger.public()));
        assert_eq!(door.terms().delay(), Duration::from_secs(259_200));
        assert!(door.terms().has_owner());
    }
    assert_ne!(doors[0].terms(), doors[1].terms());
    let open_door = committee_of(set).wrap(&ContentKey::from_bytes([3; 32]), &context(3), &mut rng).unwrap();
    let open_door = Door::read(&open_door).unwrap();
    assert!(!open_door.terms().has_owner() && !open_door.terms().is_owner(owner.public()));
    assert_eq!(open_door.terms().delay(), Duration::ZERO);
}
