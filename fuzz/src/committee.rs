//! A key protocol with one malicious member, who may send what it likes under its own signature, in every round.

use crate::ledger::{EPOCH, must};
use arbitrary::Unstructured;
use mediveil_codec::Wire;
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_threshold::deal::{Board, CutOff, Enrolled, Plan, round0, round1, round2};
use mediveil_threshold::{Committee, Content, Culprit, Signed};
use std::sync::OnceLock;

/// Three members of whom two are needed; the third is malicious. With what the first two honestly say in round 0.
struct World {
    people: Vec<Identity>,
    plan: Plan,
    states: Vec<Enrolled>,
    enrolments: Vec<Signed<round0::Package>>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut rng = SeededRng::from_u64(12);
        let people: Vec<_> = (0..3).map(|_| must(Identity::generate(IdentityKind::P256, &mut rng))).collect();
        let Some(convenor) = people.first() else { panic!("three people") };
        let members = people.iter().map(|p| p.public().clone()).collect();
        let committee = must(Committee::new("fuzz", 2, members, *convenor.public().verifying_key(), &mut rng));
        let plan = Plan::generate(committee);
        let (states, enrolments) = people.iter().map(|p| must(Enrolled::start(&plan, p, &mut rng))).unzip();
        World { people, plan, states, enrolments }
    })
}

/// Valid objects: the plan, an enrolment, the state behind it, a cut-off and a dealing.
#[must_use]
pub fn committee_seeds() -> Vec<Vec<u8>> {
    let world = world();
    let [convenor, ..] = world.people.as_slice() else { return Vec::new() };
    let cut_off = must(CutOff::close(&world.plan, &world.enrolments, EPOCH, convenor));
    let enrolments = must(world.plan.enrolments(&Board::new(&cut_off, &world.enrolments)));
    let dealing = must(enrolments.deal(convenor, None, &mut SeededRng::from_u64(1)));
    let first = |encoded: Option<Vec<u8>>| encoded.unwrap_or_default();
    vec![
        world.plan.encode(),
        first(world.enrolments.first().map(Wire::encode)),
        first(world.states.first().map(Wire::encode)),
        cut_off.encode(),
        dealing.encode(),
    ]
}

/// The message with bytes changed as the input says, signed again by its author if it still is a message.
fn changed<T: Content>(message: &Signed<T>, author: &Identity, u: &mut Unstructured<'_>) -> Option<Signed<T>> {
    let mut bytes = message.encode();
    for _ in 0..u.int_in_range(0..=4_u8).ok()? {
        let at = u.choose_index(bytes.len()).ok()?;
        let to = u.arbitrary::<u8>().ok()?;
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
    }
    let read = Signed::<T>::decode(&bytes).ok()?;
    if u.arbitrary().ok()? {
        return Some(read);
    }
    let content = read.content();
    let said = [&content.scope()[..], &content.author().to_be_bytes(), read.digest()].concat();
    let signature = author.sign(T::PURPOSE, &said).to_bytes();
    let end = bytes.len().checked_sub(signature.len())?;
    bytes.truncate(end);
    bytes.extend_from_slice(&signature);
    Signed::decode(&bytes).ok()
}

/// The messages of a round, the last one replaced or silent.
fn board<T: Content + Clone>(honest: &[Signed<T>], author: &Identity, u: &mut Unstructured<'_>) -> Vec<Signed<T>> {
    let mut messages = honest.to_vec();
    let Some(last) = messages.pop() else { return messages };
    let mut twice = u.ratio(1, 8).unwrap_or(false);
    loop {
        match u.int_in_range(0..=9_u8).unwrap_or(0) {
            0..=2 => messages.push(last.clone()),
            3 => {}
            _ => messages.extend(changed(&last, author, u)),
        }
        if !std::mem::take(&mut twice) {
            return messages;
        }
    }
}

/// Whatever the malicious member says: the two honest ones are not accused, and both have shares of one key.
pub fn committee(data: &[u8]) {
    let world = world();
    let mut u = Unstructured::new(data);
    let mut rng = SeededRng::from_u64(u.arbitrary::<u8>().unwrap_or(0).into());
    let [convenor, second, bad] = world.people.as_slice() else { return };
    let plan = &world.plan;

    let messages = board(&world.enrolments, bad, &mut u);
    let cut_off = must(CutOff::close(plan, &messages, EPOCH, convenor));
    let enrolments = must(plan.enrolments(&Board::new(&cut_off, &messages)));

    // If the bad member's enrolment does not count, it cannot deal honestly, and then it says nothing.
    let mut honest: Vec<Signed<round1::Package>> =
        [convenor, second].map(|p| must(enrolments.deal(p, None, &mut rng))).to_vec();
    let messages = match enrolments.deal(bad, None, &mut rng) {
        Ok(own) => {
            honest.push(own);
            board(&honest, bad, &mut u)
        }
        Err(_) => honest,
    };
    let cut_off = must(CutOff::close(plan, &messages, EPOCH, convenor));
    let dealings = must(enrolments.dealings(&Board::new(&cut_off, &messages)));

    let mut checked = Vec::new();
    let mut honest: Vec<Signed<round2::Package>> = Vec::new();
    for (state, person) in world.states.iter().zip([convenor, second]) {
        let (shares, message) = must(dealings.check(state, person, &mut rng));
        checked.push(shares);
        honest.push(message);
    }
    let own = world.states.get(2).and_then(|state| dealings.check(state, bad, &mut rng).ok());
    let messages = match own {
        Some((_, message)) => {
            honest.push(message);
            board(&honest, bad, &mut u)
        }
        None => honest,
    };
    let cut_off = must(CutOff::close(plan, &messages, EPOCH, convenor));
    let outcome = must(dealings.outcome(&Board::new(&cut_off, &messages)));
    for accusation in &outcome.accusations {
        let number = match accusation.culprit {
            Culprit::Dealer(id) | Culprit::Helper(id) | Culprit::Receiver(id) => id.get(),
        };
        assert_eq!(number, 3, "an honest member is accused");
    }
    for shares in checked {
        let share = must(outcome.key_share(shares));
        assert!(share.belongs_to(&outcome.set), "an honest member has a wrong share");
    }
}
