//! A committee of three of whom two are needed, a stranger's, and a ciphertext.

use crate::{Folder, NOW, at};
use mediveil_codec::{Wire, armor};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_threshold::deal::{Board, CutOff, Enrolled, Plan};
use mediveil_threshold::tdh2::encapsulate;
use mediveil_threshold::{Committee, KeyShare, PublicKeySet};

/// An honest run; the first member is the convenor.
fn committee(purpose: &str, rng: &mut SeededRng) -> (PublicKeySet, Vec<KeyShare>) {
    let people: Vec<Identity> = (0..3).map(|_| Identity::generate(IdentityKind::P256, rng).unwrap()).collect();
    let members = people.iter().map(|p| p.public().clone()).collect();
    let plan = Plan::generate(Committee::new(purpose, 2, members, *people[0].public().verifying_key(), rng).unwrap());
    let (states, enrolled): (Vec<_>, Vec<_>) =
        people.iter().map(|person| Enrolled::start(&plan, person, rng).unwrap()).unzip();
    let cut_off = CutOff::close(&plan, &enrolled, at(NOW), &people[0]).unwrap();
    let enrolments = plan.enrolments(&Board::new(&cut_off, &enrolled)).unwrap();
    let dealt: Vec<_> = people.iter().map(|person| enrolments.deal(person, None, rng).unwrap()).collect();
    let cut_off = CutOff::close(&plan, &dealt, at(NOW), &people[0]).unwrap();
    let dealings = enrolments.dealings(&Board::new(&cut_off, &dealt)).unwrap();
    let (checked, said): (Vec<_>, Vec<_>) =
        states.iter().zip(&people).map(|(state, person)| dealings.check(state, person, rng).unwrap()).unzip();
    let cut_off = CutOff::close(&plan, &said, at(NOW), &people[0]).unwrap();
    let outcome = dealings.outcome(&Board::new(&cut_off, &said)).unwrap();
    let shares = checked.into_iter().map(|shares| outcome.key_share(shares).unwrap()).collect();
    (outcome.set, shares)
}

pub(crate) fn write(to: &Folder) {
    let mut rng = SeededRng::from_u64(20);
    let (set, shares) = committee("guardians", &mut rng);
    to.write("committee.set", armor::encode(&set));
    for (share, number) in shares.iter().zip(1..) {
        to.write(&format!("share.{number}"), armor::encode(share));
    }
    let (ciphertext, key) = encapsulate(set.key(), b"record 7", &mut rng);
    to.write("committee.ciphertext", ciphertext.encode());
    to.write("committee.key", *key);
    let checked = ciphertext.check(set.key(), b"record 7").unwrap();
    to.write("committee.part", shares[0].decrypt(&set, &checked, &mut rng).unwrap().encode());
    let (other, strangers) = committee("others", &mut rng);
    to.write("other.set", other.encode());
    to.write("other.share", strangers[1].encode());
}
