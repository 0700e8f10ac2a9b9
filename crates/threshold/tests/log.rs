//! The statements of a recovery in an append-only log: what is recorded tells nothing, and proves everything to whoever
//! holds the statement.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{generate, now, people};
use mediveil_codec::Wire;
use mediveil_ledger::{Actor, Entry, Event, Label, Log};
use mediveil_seal::identity::SigningKey;
use mediveil_seal::{Sealer, read_doors};
use mediveil_threshold::Signed;
use mediveil_threshold::guardians::CommitteeRecipient;
use mediveil_threshold::recovery::{self, Recovery, Request, request};
use std::time::Duration;

#[test]
fn every_statement_of_a_recovery_can_be_proven_from_the_log() {
    let (guardians, run, mut rng) = generate(3, 2, 1);
    let set = &run.outcome.set;
    let [old, new] = <[_; 2]>::try_from(people(2, &mut rng)).unwrap();
    let recipient = CommitteeRecipient::new(set.key()).owner(old.public(), Duration::from_secs(60));
    let sealed = Sealer::new().to(&recipient).seal(b"record", &mut rng).unwrap();
    let (context, stanzas) = read_doors(&mut sealed.as_slice()).unwrap();
    let asked = request(set.key(), &context, &stanzas, &new, now()).unwrap();
    let recovery = Recovery::new(set, &asked).unwrap();
    let later = now().plus(Duration::from_secs(60));
    let mut events = vec![asked.event(), recovery.veto(&old, now()).unwrap().event()];
    let mut approvals = Vec::new();
    for (guardian, share) in guardians.iter().zip(&run.shares).take(2) {
        let notice = recovery.notice(guardian, now()).unwrap();
        let approval = recovery.approve(share, guardian, &notice, &[], later, &mut rng).unwrap();
        events.extend([notice.event(), approval.event()]);
        approvals.push(approval);
    }
    events.push(recovery.complete(&approvals, &new, later).unwrap().event());

    let dir = tempfile::tempdir().unwrap();
    let log = Log::create(dir.path().join("events.log"), &mut rng).unwrap();
    let operator = SigningKey::generate(&mut rng);
    let entry = |event: &recovery::Event| {
        let event = Event::Committee {
            committee: set.key().id(),
            kind: Label::new(event.kind).unwrap(),
            body: event.body.to_vec(),
        };
        Entry::new(later, Actor::of(&operator.verifying_key()), event)
    };
    let recorded: Vec<_> = events.iter().map(|event| log.append(&entry(event)).unwrap()).collect();
    let head = log.head(later, &operator).unwrap();

    // The request's file, the evidence and the operator's key are enough.
    let asked = Signed::<Request>::decode(&asked.encode()).unwrap();
    let evidence = log.evidence(recorded[0].index, &head).unwrap();
    let (_, bytes, _) = evidence.verify(&operator.verifying_key()).unwrap();
    assert_eq!(bytes, entry(&asked.event()).encode());
    for (event, appended) in events.iter().zip(&recorded) {
        let evidence = log.evidence(appended.index, &head).unwrap();
        let (_, bytes, _) = evidence.verify(&operator.verifying_key()).unwrap();
        assert_eq!(bytes, entry(event).encode());
    }
    // Nobody reads from it who recovers, nor what.
    let name = new.public().id();
    for event in &events {
        assert!(!event.body.windows(32).any(|w| w == name || w == context.core_digest()));
    }
}
