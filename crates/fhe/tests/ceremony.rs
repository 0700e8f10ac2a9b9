//! The ceremony from outside: messages that are missing, changed, replayed or chosen late.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::Wire;
use mediveil_fhe::ceremony::{self, Begun, CeremonyError, CeremonyMessage, Committed, Revealed};
use mediveil_fhe::{Parameters, Terms, testing};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::Identity;

type Step<S> = (Vec<S>, Vec<CeremonyMessage>);

fn parameters() -> Parameters {
    Parameters::insecure_for_tests(32, 20, 4).unwrap()
}

fn begin<'a>(terms: &Terms, identities: &'a [Identity], rng: &mut SeededRng) -> Step<Begun<'a>> {
    identities.iter().map(|i| ceremony::begin(terms, i, rng).unwrap()).unzip()
}

fn commit<'a>((states, sent): Step<Begun<'a>>, rng: &mut SeededRng) -> Step<Committed<'a>> {
    states.into_iter().map(|s| s.next(&sent, rng).unwrap()).unzip()
}

fn reveal<'a>((states, sent): Step<Committed<'a>>) -> Step<Revealed<'a>> {
    states.into_iter().map(|s| s.next(&sent).unwrap()).unzip()
}

/// All members end with the same key, each with a share of its own, for several committees.
#[test]
fn members_agree_on_the_key() {
    let mut rng = SeededRng::from_u64(1);
    for (size, needed) in [(2, 2), (3, 2), (5, 3), (4, 4)] {
        let (key, members) = testing::committee(&parameters(), size, needed, &mut rng);
        assert_eq!(key.terms().needed(), needed);
        for (number, (member, identity)) in (1..).zip(&members) {
            assert_eq!((member.key(), member.member()), (key.id(), number));
            assert_eq!(key.terms().member(number), Some(identity.public()));
        }
        let shares: std::collections::BTreeSet<Vec<u8>> = members.iter().map(|(m, _)| m.encode()).collect();
        assert_eq!(shares.len(), members.len());
    }
}

/// A rushing member holds its round-three shares back, sees all others', and puts shares in that make the aggregate what it
/// likes. It is bound to its commitment: nobody goes on to round four, where that aggregate would meet a secret.
#[test]
fn a_rushing_member_cannot_choose_the_aggregate() {
    let mut rng = SeededRng::from_u64(2);
    let identities = testing::identities(3, &mut rng);
    let terms = testing::terms(&parameters(), 2, &identities);
    let committed = commit(begin(&terms, &identities, &mut rng), &mut rng);
    // The attacker runs a second life with the same nonces and commitments of the others, and other secrets.
    let (states, mut sent) = reveal(committed);
    let mut second = SeededRng::from_u64(3);
    let (_, other) = reveal(commit(begin(&terms, &identities, &mut second), &mut second));
    sent[2] = other[2].clone();
    for state in states.into_iter().take(2) {
        let error = state.next(&sent, &mut rng).unwrap_err();
        assert_eq!(error.culprits(), [3]);
    }
}

#[test]
fn all_members_must_be_online_in_every_round() {
    let mut rng = SeededRng::from_u64(5);
    let identities = testing::identities(3, &mut rng);
    let terms = testing::terms(&parameters(), 2, &identities);
    let (states, sent) = begin(&terms, &identities, &mut rng);
    let state = states.into_iter().next().unwrap();
    let error = state.next(&sent[..2], &mut rng).unwrap_err();
    assert_eq!(error, CeremonyError::Missing { members: vec![3] });
    let (states, sent) = commit(begin(&terms, &identities, &mut rng), &mut rng);
    let state = states.into_iter().next().unwrap();
    assert_eq!(state.next(&sent[..1]).unwrap_err().culprits(), [2, 3]);
}

/// A member that was restarted begins again with another nonce; it cannot slip back into the ceremony it left.
#[test]
fn a_member_restarted_midway_cannot_rejoin() {
    let mut rng = SeededRng::from_u64(6);
    let identities = testing::identities(3, &mut rng);
    let terms = testing::terms(&parameters(), 2, &identities);
    let (states, sent) = begin(&terms, &identities, &mut rng);
    let (restarted, nonce) = ceremony::begin(&terms, &identities[2], &mut rng).unwrap();
    // It sees its former nonce in place of its own.
    assert_eq!(restarted.next(&sent, &mut rng).unwrap_err(), CeremonyError::Unexpected { member: 3 });
    // The others see two nonces of it.
    let both = [&sent[..], std::slice::from_ref(&nonce)].concat();
    let state = states.into_iter().next().unwrap();
    assert_eq!(state.next(&both, &mut rng).unwrap_err(), CeremonyError::Unexpected { member: 3 });
}

/// Member three tells member one another nonce than member two: found one round later, before any share is revealed.
#[test]
fn different_stories_to_different_members_are_found() {
    let mut rng = SeededRng::from_u64(7);
    let identities = testing::identities(3, &mut rng);
    let terms = testing::terms(&parameters(), 2, &identities);
    let (states, sent) = begin(&terms, &identities, &mut rng);
    let (_, another) = ceremony::begin(&terms, &identities[2], &mut rng).unwrap();
    let told_two = [sent[0].clone(), sent[1].clone(), another];
    let mut states = states.into_iter();
    let (one, from_one) = states.next().unwrap().next(&sent, &mut rng).unwrap();
    let (_, from_two) = states.next().unwrap().next(&told_two, &mut rng).unwrap();
    let (_, from_three) = states.next().unwrap().next(&sent, &mut rng).unwrap();
    let error = one.next(&[from_one, from_two, from_three]).unwrap_err();
    assert_eq!(error, CeremonyError::Transcript { member: 2 });
}

#[test]
fn messages_are_signed_and_of_their_round() {
    let mut rng = SeededRng::from_u64(8);
    let identities = testing::identities(3, &mut rng);
    let terms = testing::terms(&parameters(), 2, &identities);
    let (states, sent) = begin(&terms, &identities, &mut rng);
    let mut bytes = sent[1].encode();
    let nonce_at = bytes.len() - 64 - 2 - 1 - 32;
    bytes[nonce_at] ^= 1;
    let changed = CeremonyMessage::decode(&bytes).unwrap();
    let forged = [sent[0].clone(), changed, sent[2].clone()];
    let mut states = states.into_iter();
    let error = states.next().unwrap().next(&forged, &mut rng).unwrap_err();
    assert_eq!(error, CeremonyError::Signature { member: 2 });
    let (two, _) = states.next().unwrap().next(&sent, &mut rng).unwrap();
    assert_eq!(two.next(&sent).unwrap_err(), CeremonyError::Unexpected { member: 1 });
    // Another committee's messages, by the same people.
    let others = Terms::new(parameters(), terms.members().to_vec(), 3, 64, [0; 32]).unwrap();
    let (_, foreign) = begin(&others, &identities, &mut rng);
    let mixed = [sent[0].clone(), foreign[1].clone(), sent[2].clone()];
    let error = states.next().unwrap().next(&mixed, &mut rng).unwrap_err();
    assert_eq!(error, CeremonyError::Transcript { member: 2 });
}

#[test]
fn terms_make_a_committee_or_are_refused() {
    let mut rng = SeededRng::from_u64(9);
    let ids = testing::identities(3, &mut rng);
    let members: Vec<_> = ids.iter().map(|i| i.public().clone()).collect();
    let terms =
        |members: &[_], needed, smudging| Terms::new(parameters(), Vec::from(members), needed, smudging, [0; 32]);
    assert!(terms(&members, 2, 64).is_ok());
    for (members, needed, smudging) in [
        (&members[..1], 1, 64),
        (&members[..], 1, 64),
        (&members[..], 4, 64),
        (&members[..], 2, 39),
        (&[members[0].clone(), members[1].clone(), members[0].clone()][..], 2, 64),
    ] {
        assert!(matches!(terms(members, needed, smudging), Err(CeremonyError::Terms(_))));
    }
    let stranger = testing::identities(1, &mut rng).remove(0);
    let error = ceremony::begin(&terms(&members, 2, 64).unwrap(), &stranger, &mut rng).unwrap_err();
    assert_eq!(error, CeremonyError::NotAMember);
}
