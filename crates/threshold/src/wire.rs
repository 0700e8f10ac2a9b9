//! The encoding of every wire type, frozen: lower-case hexadecimal in `tests/wire`, one file a type. A changed file is a
//! changed format.

use crate::deal::{Board, CutOff, Enrolled, Plan, Transcript};
use crate::guardians::{CommitteeRecipient, Door};
use crate::recovery::{Recovery, request};
use crate::rehearsal::Call;
use crate::repair::{self, Lost, Repair};
use crate::tdh2::encapsulate;
use crate::testing::{committee, hold, people};
use crate::{KeyShare, MemberId, PublicKeySet};
use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_codec::{ObjectType, Timestamp, Wire};
use mediveil_rng::SeededRng;
use mediveil_seal::{ContentKey, Context, Recipient};
use std::fmt::Debug;
use std::time::Duration;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

fn snapshot(object: ObjectType) -> String {
    let file = format!("{}/tests/wire/{}.hex", env!("CARGO_MANIFEST_DIR"), object.name());
    std::fs::read_to_string(&file).unwrap_or_default()
}

/// Every truncation, and every byte changed in three ways.
fn frozen<T: Wire + PartialEq + Debug>(value: &T) {
    check_wire(value, &snapshot(T::TYPE));
}

fn frozen_secret<T: Wire>(value: &T) {
    check_wire_by(value, &snapshot(T::TYPE), |a, b| a.encode() == b.encode());
}

/// For objects of kilobytes whose decoding verifies signatures: their parts are checked by themselves, so that here only
/// every 17th byte is changed.
fn frozen_large<T: Wire + PartialEq + Debug>(value: &T) {
    let bytes = value.encode();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let name = T::TYPE.name();
    assert!(snapshot(T::TYPE).split_whitespace().collect::<String>() == hex, "{name} changed; it is now\n{hex}");
    assert_eq!(T::decode(&bytes).unwrap(), *value);
    assert!((0..bytes.len()).all(|len| T::decode(&bytes[..len]).is_err()), "{name}");
    assert!(T::decode(&[bytes.clone(), vec![0]].concat()).is_err(), "{name}");
    for at in (0..bytes.len()).step_by(17) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        if let Ok(value) = T::decode(&changed) {
            assert_eq!(value.encode(), changed, "{name}, byte {at}");
        }
    }
}

#[test]
fn a_committee_its_key_and_its_shares() {
    let mut rng = SeededRng::from_u64(1);
    let held = hold(3, 2, &mut rng);
    frozen(held.set.committee());
    frozen(held.set.key());
    frozen_large::<PublicKeySet>(&held.set);
    frozen_secret::<KeyShare>(&held.shares[1]);
    let (ciphertext, _) = encapsulate(held.set.key(), b"frozen", &mut rng);
    frozen(&ciphertext);
    let checked = ciphertext.check(held.set.key(), b"frozen").unwrap();
    frozen(&held.shares[2].decrypt(&held.set, &checked, &mut rng).unwrap());
}

#[test]
fn the_messages_of_a_key_protocol() {
    let mut rng = SeededRng::from_u64(2);
    let people = people(3, &mut rng);
    let plan = Plan::generate(committee(&people, 2, &mut rng));
    frozen(&plan);
    let (states, round0): (Vec<_>, Vec<_>) =
        people.iter().map(|p| Enrolled::start(&plan, p, &mut rng).unwrap()).unzip();
    frozen_secret(&states[0]);
    frozen(&round0[1]);
    let cut0 = CutOff::close(&plan, &round0, now(), &people[0]).unwrap();
    let enrolments = plan.enrolments(&Board::new(&cut0, &round0)).unwrap();
    let mut round1: Vec<_> = people.iter().map(|p| enrolments.deal(p, None, &mut rng).unwrap()).collect();
    frozen(&round1[0]);
    // One dealer is silent on the board, and another has signed two dealings, of which one came to member 1 alone.
    let again = enrolments.deal(&people[1], None, &mut rng).unwrap();
    let all = [round1.clone(), vec![again.clone()]].concat();
    let doubled = CutOff::close(&plan, &all[1..], now(), &people[0]).unwrap();
    frozen(&doubled);
    round1.truncate(2);
    crate::deal::damage(&mut round1[0], &people[0]);
    let cut1 = CutOff::close(&plan, &round1, now(), &people[0]).unwrap();
    let dealings = enrolments.dealings(&Board::new(&cut1, &round1)).unwrap();
    let seen = [(round1[1].clone(), again)];
    let (_, complaints) = dealings.check_against(&states[0], &people[0], &seen, &mut rng).unwrap();
    assert_eq!(complaints.content().accused(), [1, 2].map(|n| MemberId::new(n).unwrap()));
    frozen(&complaints);
    let round2 = [complaints];
    let cut2 = CutOff::close(&plan, &round2, now(), &people[0]).unwrap();
    frozen_large(&Transcript::new(
        &plan,
        &Board::new(&cut0, &round0),
        &Board::new(&cut1, &round1),
        &Board::new(&cut2, &round2),
    ));
}

#[test]
fn the_statements_of_a_recovery() {
    let mut rng = SeededRng::from_u64(3);
    let held = hold(3, 2, &mut rng);
    let [old, new] = <[_; 2]>::try_from(people(2, &mut rng)).unwrap();
    let context = Context::new([1; 32], Vec::new());
    let recipient = CommitteeRecipient::new(held.set.key()).owner(old.public(), Duration::from_secs(3));
    let stanza = recipient.wrap(&ContentKey::from_bytes([2; 32]), &context, &mut rng).unwrap();
    frozen(&Door::read(&stanza).unwrap());
    let asked = request(held.set.key(), &context, &[stanza], &new, now()).unwrap();
    frozen(&asked);
    let recovery = Recovery::new(&held.set, &asked).unwrap();
    frozen(&recovery.veto(&old, now()).unwrap());
    let mut approvals = Vec::new();
    for (guardian, share) in held.people.iter().zip(&held.shares).take(2) {
        let notice = recovery.notice(guardian, now()).unwrap();
        let at = recovery.until(&notice);
        approvals.push(recovery.approve(share, guardian, &notice, &[], at, &mut rng).unwrap());
        if approvals.len() == 1 {
            frozen(&notice);
        }
    }
    frozen(&approvals[0]);
    frozen(&recovery.complete(&approvals, &new, now()).unwrap());
}

#[test]
fn the_messages_of_a_rehearsal() {
    let mut rng = SeededRng::from_u64(4);
    let held = hold(3, 2, &mut rng);
    let call = Call::new(&held.set, now(), &mut rng);
    frozen(&call);
    let answers: Vec<_> = held.shares.iter().map(|s| s.rehearse(&held.set, &call, &mut rng).unwrap()).collect();
    frozen(&answers[0]);
    frozen(&call.conclude(&held.set, &answers).unwrap().proof);
}

#[test]
fn the_messages_of_a_repair() {
    let mut rng = SeededRng::from_u64(5);
    let held = hold(3, 2, &mut rng);
    let helpers = [2, 3].map(|n| MemberId::new(n).unwrap());
    let (lost, asked) = Lost::request(&held.set, &held.people[0], &helpers, now(), &mut rng).unwrap();
    frozen_secret(&lost);
    frozen(&asked);
    let repair = Repair::new(&held.set, &asked).unwrap();
    let splits: Vec<_> = (1..3).map(|i| repair.split(&held.people[i], &held.shares[i], &mut rng).unwrap()).collect();
    frozen(&splits[0]);
    let settled = repair.splits(&splits).unwrap();
    let sums: Vec<_> = (1..3).map(|i| settled.sum(&held.people[i], &held.shares[i], &mut rng).unwrap()).collect();
    frozen(&sums[0]);
    let (share, closing) = settled.finish(&lost, &held.people[0], &sums, now(), &mut rng).unwrap();
    assert!(share.is_some());
    frozen(&closing);
    frozen_large(&repair::Transcript::new(&asked, &splits, &sums, Some(&closing)));
}
