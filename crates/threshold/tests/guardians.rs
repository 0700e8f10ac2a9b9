//! A sealed file that guardians open for a new identity.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{generate, people};
use mediveil_seal::{ContentKey, Context, DoorKind, Opener, Opening, Recipient, RefusalReason, Sealer, open};
use mediveil_threshold::guardians::{ApprovalError, CommitteeOpener, CommitteeRecipient, Door, approve};

/// Opens the door of `stanza` as an opener would, to look at the door alone.
fn context(n: u8) -> Context {
    Context::new([n; 32], Vec::new())
}

#[test]
fn guardians_open_a_door_for_a_new_identity_and_learn_nothing() {
    let (_, run, mut rng) = generate(5, 3, 1);
    let set = &run.outcome.set;
    let new = people(2, &mut rng);
    let recipient = CommitteeRecipient(set.key());
    let key = ContentKey::from_bytes([9; 32]);
    let stanza = recipient.wrap(&key, &context(1), &mut rng).unwrap();
    assert_eq!(stanza.kind, DoorKind::COMMITTEE);
    let door = Door::new(set.key(), &stanza, &context(1)).unwrap();
    assert!(Door::new(set.key(), &stanza, &context(2)).is_err(), "the door belongs to one file");

    let mut opener = CommitteeOpener::new(set);
    for (at, share) in run.shares.iter().enumerate().take(3) {
        let Opening::Refused(refusal) = opener.open_stanza(&stanza, &context(1)) else { panic!("opened early") };
        assert_eq!(refusal.reason, RefusalReason::TooFewShares);
        let answer = approve(share, set, &door, new[0].public(), &mut rng).unwrap();
        // Another reader's answer does not open, and an answer twice counts once.
        assert_eq!(opener.add(&answer, &new[1], &door), Err(ApprovalError::Sealed));
        assert_eq!(opener.add(&answer, &new[0], &door), Ok(at == 2));
        assert_eq!(opener.add(&answer, &new[0], &door), Ok(at == 2));
    }
    let Opening::Opened(opened) = opener.open_stanza(&stanza, &context(1)) else { panic!("stayed shut") };
    assert_eq!(opened.expose(), key.expose());
    assert!(matches!(opener.open_stanza(&stanza, &context(2)), Opening::Refused(_)));
    // An answer for one door is none for another.
    let other = recipient.wrap(&key, &context(2), &mut rng).unwrap();
    let other = Door::new(set.key(), &other, &context(2)).unwrap();
    let answer = approve(&run.shares[0], set, &other, new[0].public(), &mut rng).unwrap();
    assert_eq!(opener.add(&answer, &new[0], &door), Err(ApprovalError::Sealed));
    assert!(matches!(opener.open_stanza(&other_kind(&stanza), &context(1)), Opening::NotMine));
}

fn other_kind(stanza: &mediveil_seal::Stanza) -> mediveil_seal::Stanza {
    mediveil_seal::Stanza { kind: DoorKind::POLICY, body: stanza.body.clone() }
}

#[test]
fn every_changed_byte_of_a_door_keeps_it_shut() {
    let (_, run, mut rng) = generate(3, 2, 2);
    let set = &run.outcome.set;
    let reader = people(1, &mut rng);
    let stanza = CommitteeRecipient(set.key()).wrap(&ContentKey::from_bytes([1; 32]), &context(1), &mut rng).unwrap();
    let door = Door::new(set.key(), &stanza, &context(1)).unwrap();
    let mut opener = CommitteeOpener::new(set);
    for share in &run.shares[..2] {
        let answer = approve(share, set, &door, reader[0].public(), &mut rng).unwrap();
        opener.add(&answer, &reader[0], &door).unwrap();
    }
    for at in 0..stanza.body.len() {
        let mut changed = stanza.clone();
        changed.body[at] ^= 1;
        assert!(matches!(opener.open_stanza(&changed, &context(1)), Opening::Refused(_)), "byte {at}");
    }
}

#[test]
fn a_sealed_file_with_a_committee_door_stays_shut_without_answers() {
    let (_, run, mut rng) = generate(3, 2, 3);
    let set = &run.outcome.set;
    let sealed = Sealer::new().to(&CommitteeRecipient(set.key())).seal(b"record", &mut rng).unwrap();
    assert!(open(&sealed, &[&CommitteeOpener::new(set)]).is_err());
}
