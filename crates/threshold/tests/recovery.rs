//! Recovery: who may ask, object, approve and when, and what the files prove afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Run, generate, id, now, people, run};
use mediveil_codec::{Timestamp, Wire};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_seal::{Sealer, open, read_doors};
use mediveil_threshold::deal::Plan;
use mediveil_threshold::guardians::CommitteeRecipient;
use mediveil_threshold::recovery::{Approval, Dossier, Notice, Recovery, RecoveryError, Request, State, Veto, request};
use mediveil_threshold::{PublicKeySet, Signed};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

fn days(n: u32) -> Timestamp {
    now().plus(DAY * n)
}

/// A file with a door of five guardians, of whom three are needed, and three days for a veto.
struct Scene {
    guardians: Vec<Identity>,
    run: Run,
    old: Identity,
    new: Identity,
    sealed: Vec<u8>,
    rng: SeededRng,
}

fn scene(seed: u64) -> Scene {
    let (guardians, run, mut rng) = generate(5, 3, seed);
    let [old] = <[_; 1]>::try_from(people(1, &mut rng)).unwrap();
    let new = Identity::generate(IdentityKind::Hybrid, &mut rng).unwrap();
    let recipient = CommitteeRecipient::new(run.outcome.set.key()).owner(old.public(), DAY * 3);
    let sealed = Sealer::new().to(&recipient).seal(b"record", &mut rng).unwrap();
    Scene { guardians, run, old, new, sealed, rng }
}

fn ask(set: &PublicKeySet, sealed: &[u8], who: &Identity) -> Signed<Request> {
    let (context, stanzas) = read_doors(&mut &sealed[..]).unwrap();
    request(set.key(), &context, &stanzas, who, now()).unwrap()
}

impl Scene {
    fn set(&self) -> &PublicKeySet {
        &self.run.outcome.set
    }

    fn ask(&self) -> Signed<Request> {
        ask(self.set(), &self.sealed, &self.new)
    }
}

fn approve(
    scene: &mut Scene,
    asked: &Signed<Request>,
    guardian: usize,
    notice: &Signed<Notice>,
    vetoes: &[Signed<Veto>],
    at: Timestamp,
) -> Result<Signed<Approval>, RecoveryError> {
    let recovery = Recovery::new(&scene.run.outcome.set, asked).unwrap();
    let who = &scene.guardians[guardian];
    recovery.approve(&scene.run.shares[guardian], who, notice, vetoes, at, &mut scene.rng)
}

#[test]
fn approvals_wait_for_the_delay_by_each_guardians_own_clock() {
    let mut s = scene(1);
    let asked = s.ask();
    let notices = [0, 1].map(|i: usize| {
        let at = days(u32::try_from(i).unwrap() * 2);
        Recovery::new(s.set(), &asked).unwrap().notice(&s.guardians[i], at).unwrap()
    });
    let just_before = Timestamp::from_millis(days(3).millis() - 1).unwrap();
    assert_eq!(
        approve(&mut s, &asked, 0, &notices[0], &[], just_before).unwrap_err(),
        RecoveryError::TooEarly { until: days(3) }
    );
    assert!(approve(&mut s, &asked, 0, &notices[0], &[], days(3)).is_ok());
    // Guardian 2 saw it two days later, and waits two days longer.
    assert_eq!(
        approve(&mut s, &asked, 1, &notices[1], &[], days(4)).unwrap_err(),
        RecoveryError::TooEarly { until: days(5) }
    );
    // Another guardian's notice does not do, and neither does that of another request.
    assert_eq!(approve(&mut s, &asked, 1, &notices[0], &[], days(9)).unwrap_err(), RecoveryError::Signature("notice"));
    let again = Signed::<Request>::decode(&ask(s.set(), &s.sealed, &s.old).encode()).unwrap();
    let early = Recovery::new(s.set(), &again).unwrap().notice(&s.guardians[1], now()).unwrap();
    assert_eq!(approve(&mut s, &asked, 1, &early, &[], days(4)).unwrap_err(), RecoveryError::OtherRequest("notice"));
}

#[test]
fn a_request_cannot_be_dated_back() {
    let mut s = scene(2);
    let (context, stanzas) = read_doors(&mut s.sealed.as_slice()).unwrap();
    let long_ago = Timestamp::from_seconds(0).unwrap();
    let asked = request(s.set().key(), &context, &stanzas, &s.new, long_ago).unwrap();
    let notice = Recovery::new(s.set(), &asked).unwrap().notice(&s.guardians[0], now()).unwrap();
    assert_eq!(
        approve(&mut s, &asked, 0, &notice, &[], now()).unwrap_err(),
        RecoveryError::TooEarly { until: days(3) }
    );
}

#[test]
fn the_owners_veto_stops_approvals_for_ever_and_nobody_elses_does() {
    let mut s = scene(3);
    let asked = s.ask();
    let recovery = Recovery::new(&s.run.outcome.set, &asked).unwrap();
    let notice = recovery.notice(&s.guardians[0], now()).unwrap();
    assert_eq!(recovery.veto(&s.new, days(1)).unwrap_err(), RecoveryError::NotTheOwner);
    assert_eq!(recovery.veto(&s.guardians[0], days(1)).unwrap_err(), RecoveryError::NotTheOwner);
    let veto = recovery.veto(&s.old, days(1)).unwrap();
    assert!(recovery.is_veto(&veto));
    // A veto of another request, and one with the signature of a veto of another time.
    let other_asked = ask(s.set(), &s.sealed, &s.guardians[4]);
    let other = Recovery::new(s.set(), &other_asked).unwrap().veto(&s.old, days(1)).unwrap();
    let later = recovery.veto(&s.old, days(2)).unwrap();
    let mut forged = veto.encode();
    let signature = later.signature().to_bytes();
    let at = forged.len() - signature.len();
    forged[at..].copy_from_slice(&signature);
    let forged = Signed::<Veto>::decode(&forged).unwrap();
    assert!(!recovery.is_veto(&other) && !recovery.is_veto(&forged));

    let approved = approve(&mut s, &asked, 0, &notice, &[other, forged.clone()], days(3));
    assert!(approved.is_ok());
    for at in [days(1), days(3), days(300)] {
        assert_eq!(
            approve(&mut s, &asked, 0, &notice, &[forged.clone(), veto.clone()], at).unwrap_err(),
            RecoveryError::Vetoed { at: days(1) }
        );
    }
}

/// Round the check: a request with other terms. Its maker can change the terms and sign; no share comes of it.
#[test]
fn other_terms_than_the_doors_do_not_check() {
    let s = scene(4);
    let asked = s.ask();
    let bytes = asked.encode();
    // Frame, two array heads, key and file, array head of the terms: then the delay, 3 days in seconds.
    let at = 12 + 1 + 1 + 34 + 34 + 1;
    assert_eq!(&bytes[at..at + 5], [0x1a, 0x00, 0x03, 0xf4, 0x80]);
    let mut shorter = bytes.clone();
    shorter[at + 4] = 0x81;
    let shorter = Signed::<Request>::decode(&shorter).unwrap();
    // The signature covers the terms ...
    assert_eq!(Recovery::new(s.set(), &shorter).unwrap_err(), RecoveryError::Signature("request"));
    // ... and so does the door: every field is bound, see the unit test with the attacker's own signature.
    let mut other_file = bytes;
    other_file[12 + 2 + 34 + 2] ^= 1;
    let other_file = Signed::<Request>::decode(&other_file).unwrap();
    assert_eq!(Recovery::new(s.set(), &other_file).unwrap_err(), RecoveryError::Signature("request"));
    let (_, stranger, _) = generate(3, 2, 5);
    assert_eq!(Recovery::new(&stranger.outcome.set, &asked).unwrap_err(), RecoveryError::OtherKey);
}

#[test]
fn only_members_with_their_own_share_approve_and_only_who_asked_opens() {
    let mut s = scene(6);
    let asked = s.ask();
    let recovery = Recovery::new(&s.run.outcome.set, &asked).unwrap();
    assert_eq!(recovery.notice(&s.new, now()).unwrap_err(), RecoveryError::NotAGuardian);
    let notices: Vec<_> = s.guardians.iter().map(|g| recovery.notice(g, now()).unwrap()).collect();
    assert_eq!(
        recovery.approve(&s.run.shares[1], &s.guardians[0], &notices[0], &[], days(3), &mut s.rng).unwrap_err(),
        RecoveryError::NotAGuardian
    );
    let approvals: Vec<_> = (0..3)
        .map(|i| recovery.approve(&s.run.shares[i], &s.guardians[i], &notices[i], &[], days(3), &mut s.rng).unwrap())
        .collect();
    assert_eq!(recovery.finish(&approvals, &s.old).unwrap_err(), RecoveryError::NotTheReader);
    assert_eq!(recovery.complete(&approvals, &s.old, days(3)).unwrap_err(), RecoveryError::NotTheReader);
    // One guardian three times is one guardian.
    let thrice = [approvals[0].clone(), approvals[0].clone(), approvals[0].clone()];
    assert_eq!(
        recovery.finish(&thrice, &s.new).unwrap_err(),
        RecoveryError::TooFew { found: 1, needed: 3, wrong: vec![] }
    );
    let opener = recovery.finish(&approvals, &s.new).unwrap();
    assert_eq!(*open(&s.sealed, &[&opener]).unwrap().plaintext, b"record");
}

#[test]
fn approvals_for_another_request_do_not_count_for_this_one() {
    let mut s = scene(7);
    let thief = people(1, &mut s.rng).remove(0);
    let (asked, stolen) = (s.ask(), ask(s.set(), &s.sealed, &thief));
    let notices: Vec<_> =
        (0..3).map(|i| Recovery::new(s.set(), &asked).unwrap().notice(&s.guardians[i], now()).unwrap()).collect();
    let approvals: Vec<_> = (0..3).map(|i| approve(&mut s, &asked, i, &notices[i], &[], days(3)).unwrap()).collect();
    let theirs = Recovery::new(s.set(), &stolen).unwrap();
    assert_eq!(
        theirs.finish(&approvals, &thief).unwrap_err(),
        RecoveryError::TooFew { found: 0, needed: 3, wrong: vec![] }
    );
}

#[test]
fn approvals_of_two_epochs_do_not_mix_and_notices_outlive_a_refresh() {
    let mut s = scene(8);
    let asked = s.ask();
    let notices: Vec<_> =
        (0..5).map(|i| Recovery::new(s.set(), &asked).unwrap().notice(&s.guardians[i], now()).unwrap()).collect();
    let mut approvals = vec![approve(&mut s, &asked, 0, &notices[0], &[], days(3)).unwrap()];
    let plan = Plan::refresh(&s.run.outcome.set, &mut s.rng);
    let dealers: Vec<_> = s.guardians.iter().zip(&s.run.shares).collect();
    let second = run(&plan, &s.guardians, &dealers, &mut s.rng);
    let set = &second.outcome.set;
    let recovery = Recovery::new(set, &asked).unwrap();
    for (i, notice) in notices.iter().enumerate().take(3).skip(1) {
        approvals.push(recovery.approve(&second.shares[i], &s.guardians[i], notice, &[], days(3), &mut s.rng).unwrap());
    }
    assert_eq!(
        recovery.finish(&approvals, &s.new).unwrap_err(),
        RecoveryError::TooFew { found: 2, needed: 3, wrong: vec![] }
    );
    let old_share =
        recovery.approve(&s.run.shares[3], &s.guardians[3], &notices[3], &[], days(3), &mut s.rng).unwrap_err();
    assert_eq!(old_share, RecoveryError::OtherShare);
    approvals
        .push(recovery.approve(&second.shares[3], &s.guardians[3], &notices[3], &[], days(3), &mut s.rng).unwrap());
    let opener = recovery.finish(&approvals, &s.new).unwrap();
    assert_eq!(*open(&s.sealed, &[&opener]).unwrap().plaintext, b"record");
}

#[test]
fn the_files_prove_later_who_said_what() {
    let mut s = scene(9);
    let asked = s.ask();
    let recovery = Recovery::new(&s.run.outcome.set, &asked).unwrap();
    let notices: Vec<_> = (0..3).map(|i| recovery.notice(&s.guardians[i], now()).unwrap()).collect();
    let mut dossier = Dossier {
        request: asked.clone(),
        notices: notices.clone(),
        vetoes: Vec::new(),
        approvals: Vec::new(),
        completion: None,
    };
    let state = |dossier: &Dossier| dossier.verify(&s.run.outcome.set).unwrap().state;
    assert_eq!(state(&dossier), State::Waiting);
    for (i, notice) in notices.iter().enumerate() {
        let approval = recovery.approve(&s.run.shares[i], &s.guardians[i], notice, &[], days(3), &mut s.rng).unwrap();
        dossier.approvals.push(Signed::decode(&approval.encode()).unwrap());
    }
    assert_eq!(state(&dossier), State::Approved);
    let completion = recovery.complete(&dossier.approvals, &s.new, days(4)).unwrap();
    dossier.completion = Some(Signed::decode(&completion.encode()).unwrap());
    let verdict = dossier.verify(s.set()).unwrap();
    assert_eq!(verdict.state, State::Completed);
    assert_eq!(verdict.approved_by, [id(1), id(2), id(3)]);
    assert_eq!((verdict.early.as_slice(), verdict.against_veto.as_slice()), (&[][..], &[][..]));
    assert_eq!((verdict.vetoed_at, verdict.completed_at), (None, Some(days(4))));

    // A veto that came before shows who did not heed it; one that came after does not undo what was done.
    for (at, against) in [(days(2), vec![id(1), id(2), id(3)]), (days(5), vec![])] {
        let mut vetoed = dossier.clone();
        vetoed.vetoes.push(recovery.veto(&s.old, at).unwrap());
        let verdict = vetoed.verify(s.set()).unwrap();
        assert_eq!((verdict.against_veto, verdict.vetoed_at), (against, Some(at)));
        vetoed.approvals.truncate(2);
        vetoed.completion = None;
        assert_eq!(vetoed.verify(s.set()).unwrap().state, State::Vetoed);
    }

    // What is missing or was exchanged shows.
    let refused = |change: &dyn Fn(&mut Dossier)| {
        let mut changed = dossier.clone();
        change(&mut changed);
        changed.verify(s.set()).unwrap_err()
    };
    assert_eq!(refused(&|d| d.approvals.truncate(2)), RecoveryError::OtherRequest("completion"));
    assert_eq!(refused(&|d| d.notices.truncate(2)), RecoveryError::OtherRequest("approval"));
    let other_asked = ask(s.set(), &s.sealed, &s.old);
    let other = Recovery::new(s.set(), &other_asked).unwrap();
    let (notice, veto) = (other.notice(&s.guardians[0], now()).unwrap(), other.veto(&s.old, now()).unwrap());
    assert_eq!(refused(&|d| d.notices.push(notice.clone())), RecoveryError::OtherRequest("notice"));
    assert_eq!(refused(&|d| d.vetoes.push(veto.clone())), RecoveryError::OtherRequest("veto"));
    assert_eq!(refused(&|d| d.request = other_asked.clone()), RecoveryError::OtherRequest("notice"));
    fn flip<T: mediveil_threshold::Content>(signed: &Signed<T>) -> Signed<T> {
        let mut bytes = signed.encode();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        Signed::decode(&bytes).unwrap()
    }
    assert_eq!(refused(&|d| d.request = flip(&d.request)), RecoveryError::Signature("request"));
    assert_eq!(refused(&|d| d.notices[1] = flip(&d.notices[1])), RecoveryError::Signature("notice"));
    assert_eq!(refused(&|d| d.approvals[1] = flip(&d.approvals[1])), RecoveryError::Signature("approval"));
    assert_eq!(refused(&|d| d.completion = Some(flip(&completion))), RecoveryError::Signature("completion"));
    let vetoed = flip(&recovery.veto(&s.old, now()).unwrap());
    assert_eq!(refused(&|d| d.vetoes.push(vetoed.clone())), RecoveryError::Signature("veto"));
}

#[test]
fn each_statement_has_its_line_for_a_log() {
    let mut s = scene(10);
    let asked = s.ask();
    let recovery = Recovery::new(&s.run.outcome.set, &asked).unwrap();
    let notice = recovery.notice(&s.guardians[0], now()).unwrap();
    let veto = recovery.veto(&s.old, now()).unwrap();
    let approvals: Vec<_> = (0..3)
        .map(|i| {
            let notice = recovery.notice(&s.guardians[i], now()).unwrap();
            recovery.approve(&s.run.shares[i], &s.guardians[i], &notice, &[], days(3), &mut s.rng).unwrap()
        })
        .collect();
    let completion = recovery.complete(&approvals, &s.new, days(3)).unwrap();
    let events = [asked.event(), notice.event(), veto.event(), approvals[0].event(), completion.event()];
    let kinds = events.clone().map(|event| event.kind);
    assert_eq!(
        kinds,
        ["recovery-requested", "recovery-noticed", "recovery-vetoed", "recovery-approved", "recovery-completed"]
    );
    let digests = [asked.digest(), notice.digest(), veto.digest(), approvals[0].digest(), completion.digest()];
    for (event, digest) in events.iter().zip(digests) {
        assert_eq!((&event.body[..32], &event.body[32..]), (&recovery.id()[..], &digest[..]));
    }
}
