//! Committees that hold a key, for the unit tests of what is built on them.

use crate::deal::{Board, CutOff, Enrolled, Plan};
use crate::{Committee, KeyShare, PublicKeySet};
use mediveil_codec::Timestamp;
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind};

pub(crate) struct Held {
    pub(crate) people: Vec<Identity>,
    pub(crate) set: PublicKeySet,
    pub(crate) shares: Vec<KeyShare>,
}

pub(crate) fn people(n: usize, rng: &mut SeededRng) -> Vec<Identity> {
    (0..n).map(|_| Identity::generate(IdentityKind::P256, rng).unwrap()).collect()
}

pub(crate) fn committee(people: &[Identity], needed: u16, rng: &mut SeededRng) -> Committee {
    let members = people.iter().map(|p| p.public().clone()).collect();
    Committee::new("test", needed, members, *people[0].public().verifying_key(), rng).unwrap()
}

/// An honest run of a plan for these people, whose first is the convenor.
fn run(plan: &Plan, people: Vec<Identity>, dealers: &[(&Identity, Option<&KeyShare>)], rng: &mut SeededRng) -> Held {
    let now = Timestamp::from_seconds(1_800_000_000).unwrap();
    let (states, round0): (Vec<_>, Vec<_>) = people.iter().map(|p| Enrolled::start(plan, p, rng).unwrap()).unzip();
    let cut_off = CutOff::close(plan, &round0, now, &people[0]).unwrap();
    let enrolments = plan.enrolments(&Board::new(&cut_off, &round0)).unwrap();
    let round1: Vec<_> = dealers.iter().map(|(p, share)| enrolments.deal(p, *share, rng).unwrap()).collect();
    let cut_off = CutOff::close(plan, &round1, now, &people[0]).unwrap();
    let dealings = enrolments.dealings(&Board::new(&cut_off, &round1)).unwrap();
    let (checked, round2): (Vec<_>, Vec<_>) =
        states.iter().zip(&people).map(|(state, p)| dealings.check(state, p, rng).unwrap()).unzip();
    let cut_off = CutOff::close(plan, &round2, now, &people[0]).unwrap();
    let outcome = dealings.outcome(&Board::new(&cut_off, &round2)).unwrap();
    let shares = checked.into_iter().map(|c| outcome.key_share(c).unwrap()).collect();
    Held { people, set: outcome.set, shares }
}

/// A new key of `n` people of whom `needed` are needed.
pub(crate) fn hold(n: usize, needed: u16, rng: &mut SeededRng) -> Held {
    let people = people(n, rng);
    let plan = Plan::generate(committee(&people, needed, rng));
    let copies: Vec<Identity> = people.iter().map(copy).collect();
    let dealers: Vec<_> = copies.iter().map(|p| (p, None)).collect();
    run(&plan, people, &dealers, rng)
}

/// New shares of an old key.
pub(crate) fn renew(plan: &Plan, old: &Held, people: Vec<Identity>, rng: &mut SeededRng) -> Held {
    let dealers: Vec<_> = old.people.iter().zip(&old.shares).map(|(p, share)| (p, Some(share))).collect();
    run(plan, people, &dealers, rng)
}

pub(crate) fn copy(person: &Identity) -> Identity {
    use mediveil_codec::Wire;
    Identity::decode(&person.encode()).unwrap()
}
