//! Committees and whole runs for the tests.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use mediveil_codec::Timestamp;
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_threshold::deal::{
    Board, CutOff, Dealings, Enrolled, Enrolments, Outcome, Plan, Transcript, round0, round1, round2,
};
use mediveil_threshold::{Committee, KeyShare, MemberId, Signed};

pub fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

pub fn id(n: u16) -> MemberId {
    MemberId::new(n).unwrap()
}

pub fn people(n: usize, rng: &mut SeededRng) -> Vec<Identity> {
    (0..n).map(|_| Identity::generate(IdentityKind::P256, rng).unwrap()).collect()
}

pub fn committee(people: &[Identity], needed: u16, rng: &mut SeededRng) -> Committee {
    let members = people.iter().map(|p| p.public().clone()).collect();
    Committee::new("test", needed, members, *people[0].public().verifying_key(), rng).unwrap()
}

pub struct Run {
    pub plan: Plan,
    pub states: Vec<Enrolled>,
    pub cut_offs: Vec<Signed<CutOff>>,
    pub round0: Vec<Signed<round0::Package>>,
    pub round1: Vec<Signed<round1::Package>>,
    pub round2: Vec<Signed<round2::Package>>,
    pub enrolments: Enrolments,
    pub dealings: Dealings,
    pub outcome: Outcome,
    pub shares: Vec<KeyShare>,
}

impl Run {
    pub fn transcript(&self) -> Transcript {
        Transcript::new(
            &self.plan,
            &Board::new(&self.cut_offs[0], &self.round0),
            &Board::new(&self.cut_offs[1], &self.round1),
            &Board::new(&self.cut_offs[2], &self.round2),
        )
    }
}

/// An honest run. `dealers` are the old members with their shares in a renewal; `people[0]` is the convenor.
pub fn run(plan: &Plan, people: &[Identity], dealers: &[(&Identity, &KeyShare)], rng: &mut SeededRng) -> Run {
    let convenor = &people[0];
    let mut states = Vec::new();
    let mut round0 = Vec::new();
    for person in people {
        let (state, message) = Enrolled::start(plan, person, rng).unwrap();
        states.push(state);
        round0.push(message);
    }
    let cut0 = CutOff::close(plan, &round0, now(), convenor).unwrap();
    let enrolments = plan.enrolments(&Board::new(&cut0, &round0)).unwrap();
    let round1: Vec<_> = if plan.from().is_some() {
        dealers.iter().map(|(p, s)| enrolments.deal(p, Some(s), rng).unwrap()).collect()
    } else {
        people.iter().map(|p| enrolments.deal(p, None, rng).unwrap()).collect()
    };
    let cut1 = CutOff::close(plan, &round1, now(), convenor).unwrap();
    let dealings = enrolments.dealings(&Board::new(&cut1, &round1)).unwrap();
    let mut checked = Vec::new();
    let mut round2 = Vec::new();
    for (state, person) in states.iter().zip(people) {
        let (shares, message) = dealings.check(state, person, rng).unwrap();
        assert!(message.content().accused().is_empty());
        checked.push(shares);
        round2.push(message);
    }
    let cut2 = CutOff::close(plan, &round2, now(), convenor).unwrap();
    let outcome = dealings.outcome(&Board::new(&cut2, &round2)).unwrap();
    assert_eq!(outcome.accusations, []);
    let shares = checked.into_iter().map(|c| outcome.key_share(c).unwrap()).collect();
    Run {
        plan: plan.clone(),
        states,
        cut_offs: vec![cut0, cut1, cut2],
        round0,
        round1,
        round2,
        enrolments,
        dealings,
        outcome,
        shares,
    }
}

pub fn generate(n: usize, needed: u16, seed: u64) -> (Vec<Identity>, Run, SeededRng) {
    let mut rng = SeededRng::from_u64(seed);
    let people = people(n, &mut rng);
    let plan = Plan::generate(committee(&people, needed, &mut rng));
    let run = run(&plan, &people, &[], &mut rng);
    (people, run, rng)
}
