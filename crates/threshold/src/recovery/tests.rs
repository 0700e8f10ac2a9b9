//! Guardians and readers who cheat, from inside.

use super::*;
use crate::deal::Plan;
use crate::guardians::CommitteeRecipient;
use crate::testing::{Held, hold};
use mediveil_rng::SeededRng;
use mediveil_seal::{ContentKey, Recipient};
use std::time::Duration;

const DELAY: Duration = Duration::from_secs(1000);

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

struct Scene {
    held: Held,
    people: Vec<Identity>,
    asked: Signed<Request>,
    rng: SeededRng,
}

/// Three guardians of whom two are needed; people 0 is the owner and 1 asks.
fn scene(seed: u64) -> Scene {
    let mut rng = SeededRng::from_u64(seed);
    let held = hold(3, 2, &mut rng);
    let people = crate::testing::people(3, &mut rng);
    let context = Context::new([1; 32], Vec::new());
    let recipient = CommitteeRecipient::new(held.set.key()).owner(people[0].public(), DELAY);
    let stanza = recipient.wrap(&ContentKey::from_bytes([2; 32]), &context, &mut rng).unwrap();
    let asked = request(held.set.key(), &context, &[stanza], &people[1], now()).unwrap();
    Scene { held, people, asked, rng }
}

/// Who asks can sign anything, but the door knows its terms, its file and its key.
#[test]
fn a_request_with_other_terms_or_another_file_does_not_check_though_it_is_signed() {
    let s = scene(1);
    let context = Context::new([9; 32], Vec::new());
    let attacker = CommitteeRecipient::new(s.held.set.key()).owner(s.people[1].public(), Duration::ZERO);
    let own = attacker.wrap(&ContentKey::from_bytes([3; 32]), &context, &mut SeededRng::from_u64(2)).unwrap();
    let own = Door::read(&own).unwrap();
    let genuine = s.asked.content();
    let forged = [
        Request { terms: own.terms.clone(), ..genuine.clone() },
        Request { file: [9; 32], ..genuine.clone() },
        Request { ciphertext: own.ciphertext.clone(), ..genuine.clone() },
        Request { ciphertext: own.ciphertext, terms: own.terms, ..genuine.clone() },
    ];
    for request in forged {
        let signed = Signed::new(request, &s.people[1]);
        assert_eq!(Recovery::new(&s.held.set, &signed).unwrap_err(), RecoveryError::Door);
    }
    // For another reader, it must be that reader's signature.
    let signed = Signed::new(Request { reader: s.people[2].public().clone(), ..genuine.clone() }, &s.people[1]);
    assert_eq!(Recovery::new(&s.held.set, &signed).unwrap_err(), RecoveryError::Signature("request"));
    // And terms of one's own, below this check, decrypt nothing: the ciphertext does not check, so there is no share.
    assert!(Recovery::new(&s.held.set, &s.asked).is_ok());
}

/// Guardians who skip the wait can do so, because the mathematics knows no clock. Their signatures prove it.
#[test]
fn approvals_before_the_time_and_against_a_veto_are_proven_by_their_signatures() {
    let mut s = scene(3);
    let recovery = Recovery::new(&s.held.set, &s.asked).unwrap();
    let mut dossier =
        Dossier { request: s.asked.clone(), notices: vec![], vetoes: vec![], approvals: vec![], completion: None };
    for (at, time) in [now().plus(DELAY), now()].into_iter().enumerate() {
        let guardian = &s.held.people[at];
        let notice = recovery.notice(guardian, now()).unwrap();
        dossier.approvals.push(recovery.approval(&s.held.shares[at], guardian, &notice, time, &mut s.rng).unwrap());
        dossier.notices.push(notice);
    }
    dossier.vetoes.push(recovery.veto(&s.people[0], now().plus(DELAY)).unwrap());
    let verdict = dossier.verify(&s.held.set).unwrap();
    let [one, two] = [1, 2].map(|n| MemberId::new(n).unwrap());
    assert_eq!((verdict.early, verdict.against_veto), (vec![two], vec![one]));
    assert_eq!(verdict.state, State::Approved);
    // An approval on another guardian's notice has none.
    let mut borrowed = dossier.clone();
    let stolen = recovery
        .approval(&s.held.shares[2], &s.held.people[2], &dossier.notices[0], now().plus(DELAY), &mut s.rng)
        .unwrap();
    borrowed.approvals.push(stolen);
    assert_eq!(borrowed.verify(&s.held.set).unwrap_err(), RecoveryError::OtherRequest("approval"));
    // A completion over one guardian's approval twice, or over approvals that nobody has seen.
    let twice = *dossier.approvals[0].digest();
    for approvals in [vec![twice, twice], vec![twice], vec![twice, [7; 32]]] {
        let completion = Completion { request: *recovery.id(), approvals, at: now() };
        dossier.completion = Some(Signed::new(completion, &s.people[1]));
        assert_eq!(dossier.verify(&s.held.set).unwrap_err(), RecoveryError::OtherRequest("completion"));
    }
}

#[test]
fn guardians_who_sign_wrong_answers_are_named() {
    let mut s = scene(4);
    let recovery = Recovery::new(&s.held.set, &s.asked).unwrap();
    let time = now().plus(DELAY);
    let mut approvals: Vec<_> = s
        .held
        .people
        .iter()
        .zip(&s.held.shares)
        .map(|(guardian, share)| {
            let notice = recovery.notice(guardian, now()).unwrap();
            recovery.approval(share, guardian, &notice, time, &mut s.rng).unwrap()
        })
        .collect();
    let two = MemberId::new(2).unwrap();
    let forge = |approval: &Signed<Approval>, answer: Vec<u8>, signer: &Identity| {
        Signed::new(Approval { answer, ..approval.content().clone() }, signer)
    };
    // Another guardian's share, an answer that does not open, and one that was made for another request.
    let other = Signed::new(Request { at: time, ..s.asked.content().clone() }, &s.people[1]);
    let other = Recovery::new(&s.held.set, &other).unwrap();
    let notice = other.notice(&s.held.people[1], now()).unwrap();
    let replayed = other.approval(&s.held.shares[1], &s.held.people[1], &notice, time, &mut s.rng).unwrap();
    let answers = [approvals[0].content().answer.clone(), vec![1, 2, 3], replayed.content().answer.clone()];
    for answer in answers {
        approvals[1] = forge(&approvals[1], answer, &s.held.people[1]);
        let error = recovery.finish(&approvals[..2], &s.people[1]).unwrap_err();
        assert_eq!(error, RecoveryError::TooFew { found: 1, needed: 2, wrong: vec![two] });
        assert!(recovery.finish(&approvals, &s.people[1]).is_ok(), "the third makes up for it");
    }
    // Signed by somebody else, it says nothing of the guardian it names.
    approvals[1] = forge(&approvals[1], vec![], &s.held.people[0]);
    let error = recovery.finish(&approvals[..2], &s.people[1]).unwrap_err();
    assert_eq!(error, RecoveryError::TooFew { found: 1, needed: 2, wrong: vec![] });
}

#[test]
fn a_guardian_of_another_committee_with_the_same_key_may_not_lend_its_number() {
    let mut s = scene(5);
    // Resharing to other people keeps the key, so the request still checks; the old people are no guardians any more.
    let others = crate::testing::people(3, &mut s.rng);
    let plan = Plan::reshare(&s.held.set, 2, crate::testing::committee(&others, 2, &mut s.rng)).unwrap();
    let new = crate::testing::renew(&plan, &s.held, others, &mut s.rng);
    let recovery = Recovery::new(&new.set, &s.asked).unwrap();
    assert_eq!(recovery.notice(&s.held.people[0], now()).unwrap_err(), RecoveryError::NotAGuardian);
    let time = now().plus(DELAY);
    let old = Recovery::new(&s.held.set, &s.asked).unwrap();
    let notice = old.notice(&s.held.people[0], now()).unwrap();
    let error = recovery.approve(&s.held.shares[0], &s.held.people[0], &notice, &[], time, &mut s.rng).unwrap_err();
    assert_eq!(error, RecoveryError::NotAGuardian);
}

#[test]
fn a_strangers_veto_and_a_notice_in_anothers_name_do_not_count_though_they_are_signed() {
    let mut s = scene(6);
    let recovery = Recovery::new(&s.held.set, &s.asked).unwrap();
    let stranger = &s.people[2];
    let veto = Veto { request: *recovery.id(), owner: stranger.public().clone(), at: now() };
    let veto = Signed::new(veto, stranger);
    assert!(!recovery.is_veto(&veto));
    let [guardian, other] = [&s.held.people[0], &s.held.people[1]];
    let notice = Notice { request: *recovery.id(), guardian: other.public().id(), at: now() };
    let notice = Signed::new(notice, guardian);
    let time = now().plus(DELAY);
    let share = &s.held.shares[0];
    let error = recovery.approve(share, guardian, &notice, &[], time, &mut s.rng).unwrap_err();
    assert_eq!(error, RecoveryError::Signature("notice"));
    let own = recovery.notice(guardian, now()).unwrap();
    assert!(recovery.approve(share, guardian, &own, std::slice::from_ref(&veto), time, &mut s.rng).is_ok());
    let dossier =
        Dossier { request: s.asked.clone(), notices: vec![], vetoes: vec![veto], approvals: vec![], completion: None };
    assert_eq!(dossier.verify(&s.held.set).unwrap_err(), RecoveryError::Signature("veto"));
}
