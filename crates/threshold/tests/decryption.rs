//! Threshold decryption and renewal of shares, from outside the crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{committee, generate, id, people, run};
use mediveil_codec::Wire;
use mediveil_threshold::deal::{Enrolled, Plan, Transcript};
use mediveil_threshold::tdh2::{Ciphertext, DecryptError, DecryptionShare, combine, combine_verified, encapsulate};
use mediveil_threshold::{KeyShare, ProtocolError, PublicKey, PublicKeySet};

#[test]
fn any_needed_members_decrypt_and_one_fewer_or_more_do_not() {
    let (_, run, mut rng) = generate(5, 3, 1);
    let set = &run.outcome.set;
    let (ciphertext, key) = encapsulate(set.key(), b"file 7", &mut rng);
    let checked = ciphertext.check(set.key(), b"file 7").unwrap();
    let all: Vec<_> = run.shares.iter().map(|s| s.decrypt(set, &checked, &mut rng).unwrap()).collect();
    assert!(all.iter().all(|s| s.verify(set, &checked)));
    for pick in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
        let shares: Vec<_> = pick.iter().map(|i| all[*i].clone()).collect();
        assert_eq!(combine(set, &checked, &shares).unwrap(), key);
        assert_eq!(combine_verified(set, &checked, &shares).unwrap(), key);
    }
    for count in [0, 1, 2, 4, 5] {
        assert_eq!(combine(set, &checked, &all[..count]), Err(DecryptError::Count { found: count, needed: 3 }));
    }
    let twice = [all[0].clone(), all[1].clone(), all[0].clone()];
    assert_eq!(combine(set, &checked, &twice), Err(DecryptError::Duplicate(id(1))));
}

#[test]
fn a_wrong_share_among_needed_ones_is_named() {
    let (_, run, mut rng) = generate(5, 3, 2);
    let set = &run.outcome.set;
    let (ciphertext, _) = encapsulate(set.key(), b"", &mut rng);
    let (other, _) = encapsulate(set.key(), b"", &mut rng);
    let checked = ciphertext.check(set.key(), b"").unwrap();
    let other = other.check(set.key(), b"").unwrap();
    let mut shares: Vec<_> = run.shares[..3].iter().map(|s| s.decrypt(set, &checked, &mut rng).unwrap()).collect();
    // The share for another ciphertext, and a share under another member's number.
    let stolen = run.shares[1].decrypt(set, &other, &mut rng).unwrap();
    assert!(!stolen.verify(set, &checked));
    shares[1] = stolen;
    let error = combine(set, &checked, &shares).unwrap_err();
    assert_eq!(error.culprits(), [id(2)]);
    let mut bytes = run.shares[3].decrypt(set, &checked, &mut rng).unwrap().encode();
    let at = bytes.iter().position(|b| *b == 4).unwrap();
    assert_eq!((at, bytes[13]), (13, 4), "the member's number");
    bytes[13] = 2;
    shares[1] = DecryptionShare::decode(&bytes).unwrap();
    assert_eq!(combine(set, &checked, &shares).unwrap_err().culprits(), [id(2)]);
}

#[test]
fn a_ciphertext_belongs_to_one_key_purpose_and_context() {
    let (_, run, mut rng) = generate(3, 2, 3);
    let (_, other, _) = generate(3, 2, 4);
    let set = &run.outcome.set;
    let (ciphertext, _) = encapsulate(set.key(), b"a", &mut rng);
    assert_eq!(ciphertext.check(set.key(), b"b").unwrap_err(), DecryptError::Ciphertext);
    assert_eq!(ciphertext.check(other.outcome.set.key(), b"a").unwrap_err(), DecryptError::Ciphertext);
    let checked = ciphertext.check(set.key(), b"a").unwrap();
    assert_eq!(other.shares[0].decrypt(set, &checked, &mut rng).unwrap_err(), DecryptError::OtherShare);
    assert_eq!(other.shares[0].decrypt(&other.outcome.set, &checked, &mut rng).unwrap_err(), DecryptError::OtherShare);
    // Every changed byte of a valid ciphertext is refused at decoding or by the check.
    let bytes = ciphertext.encode();
    for at in 12..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(changed) = Ciphertext::decode(&changed) {
            assert!(changed.check(set.key(), b"a").is_err(), "byte {at}");
        }
    }
}

/// Trail of Bits, "Breaking Shamir's Secret Sharing" (2021): an id of 0 asks for the secret, and two that are equal modulo the
/// order crash the interpolation. Ids have 16 bits here, at most 1024, and are compared as numbers.
#[test]
fn ids_zero_duplicate_and_above_the_largest_are_refused() {
    let (_, run, mut rng) = generate(3, 2, 13);
    let set = &run.outcome.set;
    let (ciphertext, _) = encapsulate(set.key(), b"", &mut rng);
    let checked = ciphertext.check(set.key(), b"").unwrap();
    let bytes = run.shares[0].decrypt(set, &checked, &mut rng).unwrap().encode();
    assert_eq!(bytes[13], 1);
    let with = |id: &[u8]| {
        let mut changed = [&bytes[..13], id, &bytes[14..]].concat();
        let body = u32::try_from(changed.len() - 12).unwrap();
        changed[8..12].copy_from_slice(&body.to_be_bytes());
        DecryptionShare::decode(&changed)
    };
    assert_eq!(with(&[1]).unwrap().member(), id(1));
    assert!(with(&[0]).unwrap_err().to_string().contains("not a member's number"));
    assert!(with(&[0x19, 0x04, 0x01]).unwrap_err().to_string().contains("not a member's number"));
    // The largest id decodes, and is no member here.
    let stranger = with(&[0x19, 0x04, 0x00]).unwrap();
    assert!(!stranger.verify(set, &checked));
    let own = with(&[1]).unwrap();
    assert_eq!(combine(set, &checked, &[own.clone(), stranger.clone()]).unwrap_err().culprits(), [id(1024)]);
    assert_eq!(combine_verified(set, &checked, &[own.clone(), stranger]).unwrap_err().culprits(), [id(1024)]);
    assert_eq!(combine(set, &checked, &[own.clone(), own]).unwrap_err(), DecryptError::Duplicate(id(1)));
}

#[test]
fn the_identity_and_points_outside_the_group_do_not_decode() {
    let (_, run, mut rng) = generate(3, 2, 5);
    let (ciphertext, _) = encapsulate(run.outcome.set.key(), b"", &mut rng);
    let bytes = ciphertext.encode();
    // Frame, array head, byte-string head of two bytes, then u.
    let put = |first: u8, last: u8| {
        let mut changed = bytes.clone();
        changed[15] = first;
        changed[16..62].fill(0);
        changed[62] = last;
        Ciphertext::decode(&changed).unwrap_err().to_string()
    };
    assert!(put(0xc0, 0).contains("the identity"), "{}", put(0xc0, 0));
    let small: Vec<_> = (0..=255).map(|x| put(0x80, x)).collect();
    assert!(small.iter().any(|e| e.contains("outside the group")));
    assert!(small.iter().all(|e| e.contains("outside the group") || e.contains("not a point of the curve")));
}

#[test]
fn a_refresh_keeps_the_key_and_makes_old_shares_useless() {
    let (people, first, mut rng) = generate(5, 3, 6);
    let old = &first.outcome.set;
    let plan = Plan::refresh(old, &mut rng);
    let dealers: Vec<_> = people.iter().zip(&first.shares).collect();
    let second = run(&plan, &people, &dealers, &mut rng);
    let new = &second.outcome.set;
    assert_eq!((old.key(), old.epoch() + 1), (new.key(), new.epoch()));
    assert_eq!(second.outcome.dealers().len(), 3);

    let (ciphertext, key) = encapsulate(old.key(), b"", &mut rng);
    let checked = ciphertext.check(new.key(), b"").unwrap();
    let old_shares: Vec<_> = first.shares.iter().map(|s| s.decrypt(old, &checked, &mut rng).unwrap()).collect();
    let new_shares: Vec<_> = second.shares.iter().map(|s| s.decrypt(new, &checked, &mut rng).unwrap()).collect();
    assert_eq!(combine(new, &checked, &new_shares[2..]).unwrap(), key);
    assert_eq!(combine(old, &checked, &old_shares[2..]).unwrap(), key);
    // Mixed: named as wrong under either set, and below the check the interpolation gives another key.
    let mixed = [old_shares[0].clone(), new_shares[1].clone(), new_shares[2].clone()];
    assert_eq!(combine(new, &checked, &mixed).unwrap_err().culprits(), [id(1)]);
    assert_eq!(combine(old, &checked, &mixed).unwrap_err().culprits(), [id(2), id(3)]);
    assert_ne!(combine_verified(new, &checked, &mixed).unwrap(), key);
    assert_eq!(first.shares[0].decrypt(new, &checked, &mut rng).unwrap_err(), DecryptError::OtherShare);
    // An old epoch key opens nothing of the new epoch.
    assert!(matches!(
        second.outcome.recover(&second.dealings, &first.states[0], &mut rng),
        Err(ProtocolError::OtherSession)
    ));
}

#[test]
fn resharing_moves_the_key_to_another_committee() {
    let (olds, first, mut rng) = generate(3, 2, 7);
    let old = &first.outcome.set;
    let news = people(7, &mut rng);
    let target = committee(&news, 4, &mut rng);
    let plan = Plan::reshare(old, 2, target).unwrap();
    // One old member is away.
    let dealers = [(&olds[2], &first.shares[2]), (&olds[0], &first.shares[0])];
    let second = run(&plan, &news, &dealers, &mut rng);
    let new = &second.outcome.set;
    assert_eq!(new.key(), old.key());
    let (ciphertext, key) = encapsulate(old.key(), b"", &mut rng);
    let checked = ciphertext.check(new.key(), b"").unwrap();
    let shares: Vec<_> = second.shares.iter().map(|s| s.decrypt(new, &checked, &mut rng).unwrap()).collect();
    assert_eq!(combine(new, &checked, &shares[3..]).unwrap(), key);
    assert!(combine(new, &checked, &shares[..3]).is_err());
    assert_eq!(second.transcript().audit().unwrap(), second.outcome);
}

#[test]
fn a_smaller_threshold_is_refused() {
    let (_, first, mut rng) = generate(5, 3, 8);
    let old = &first.outcome.set;
    let news = people(5, &mut rng);
    let smaller = committee(&news, 2, &mut rng);
    assert_eq!(Plan::reshare(old, 3, smaller.clone()).unwrap_err(), ProtocolError::Downgrade { current: 3, wanted: 2 });
    let same = committee(&news, 3, &mut rng);
    assert_eq!(Plan::reshare(old, 2, same.clone()).unwrap_err(), ProtocolError::OldThreshold { current: 3, given: 2 });
    let members = news.iter().map(|p| p.public().clone()).collect();
    let convenor = *news[0].public().verifying_key();
    let other = mediveil_threshold::Committee::new("other", 3, members, convenor, &mut rng).unwrap();
    assert_eq!(Plan::reshare(old, 3, other).unwrap_err(), ProtocolError::OtherPurpose);
    // Below the check: a plan that was put together by hand does not decode.
    let plan = Plan::reshare(old, 3, same.clone()).unwrap();
    assert_eq!(Plan::decode(&plan.encode()).unwrap(), plan);
    let (good, bad) = (same.encode(), smaller.encode());
    assert_eq!(good.len(), bad.len());
    let bytes = plan.encode();
    let at = bytes.windows(good.len()).position(|w| w == good).unwrap();
    let mut forged = bytes.clone();
    forged[at..at + bad.len()].copy_from_slice(&bad);
    assert!(Plan::decode(&forged).unwrap_err().to_string().contains("cannot take over the key"));
}

#[test]
fn a_member_who_lost_everything_but_its_epoch_key_recovers_its_share() {
    let (_, run, mut rng) = generate(4, 2, 9);
    let bytes = run.transcript().encode();
    let transcript = Transcript::decode(&bytes).unwrap();
    assert_eq!(transcript.audit().unwrap(), run.outcome);
    for (state, share) in run.states.iter().zip(&run.shares) {
        let saved = Enrolled::decode(&state.encode_secret()).unwrap();
        let again = transcript.recover(&saved, &mut rng).unwrap();
        assert_eq!(again.encode(), share.encode());
    }
}

#[test]
fn key_sets_and_shares_survive_the_wire_and_know_each_other() {
    let (_, run, _) = generate(3, 2, 10);
    let (_, other, _) = generate(3, 2, 11);
    let set = PublicKeySet::decode(&run.outcome.set.encode()).unwrap();
    assert_eq!(set, run.outcome.set);
    let share = KeyShare::decode(&run.shares[1].encode_secret()).unwrap();
    assert!(share.belongs_to(&set) && !share.belongs_to(&other.outcome.set));
    assert_eq!(format!("{share:?}"), "KeyShare");
    // A share that names another set, and the right set with another secret.
    for at in [20, share.encode().len() - 1] {
        let mut bytes = share.encode();
        bytes[at] ^= 1;
        assert!(!KeyShare::decode(&bytes).unwrap().belongs_to(&set), "byte {at}");
    }
    // A key of two halves that are not one key, and a set of parts that do not belong together.
    let [mut mixed, theirs] = [&set, &other.outcome.set].map(|set| set.key().encode());
    let at = 12 + 1 + 2 + 48;
    assert_eq!(mixed[at..at + 2], [0x58, 96], "the head of the half in G2");
    mixed[at..at + 98].copy_from_slice(&theirs[at..at + 98]);
    assert!(PublicKey::decode(&mixed).unwrap_err().to_string().contains("two keys"));
    let (whole, ours) = (set.encode(), set.key().encode());
    let at = whole.windows(ours.len()).position(|window| window == ours).unwrap();
    let mut mixed = whole;
    mixed[at..at + ours.len()].copy_from_slice(&theirs);
    assert!(PublicKeySet::decode(&mixed).unwrap_err().to_string().contains("do not fit"));
}
