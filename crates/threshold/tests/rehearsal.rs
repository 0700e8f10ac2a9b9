//! Rehearsals: they prove that shares work, and open nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{generate, id, now, run};
use mediveil_codec::Wire;
use mediveil_threshold::ProtocolError;
use mediveil_threshold::deal::Plan;
use mediveil_threshold::rehearsal::{Answer, Call, Proof};
use mediveil_threshold::tdh2::{DecryptionShare, combine, combine_verified, encapsulate};

#[test]
fn enough_right_answers_prove_that_the_shares_work() {
    let (_, run, mut rng) = generate(5, 3, 1);
    let set = &run.outcome.set;
    let call = Call::new(set, now(), &mut rng);
    let answers: Vec<_> = run.shares.iter().map(|s| s.rehearse(set, &call, &mut rng).unwrap()).collect();
    let conclusion = call.conclude(set, &answers[1..]).unwrap();
    assert_eq!((conclusion.working.as_slice(), conclusion.wrong.as_slice()), (&[2, 3, 4, 5].map(id)[..], &[][..]));
    let proof = Proof::decode(&conclusion.proof.encode()).unwrap();
    assert!(proof.verify(set.key()));
    assert_eq!(proof.call(), &call);
    // Any three give the same proof, because it is the committee's.
    assert_eq!(call.conclude(set, &answers[..3]).unwrap().proof, proof);
    let too_few = call.conclude(set, &[answers[0].clone(), answers[1].clone(), answers[0].clone()]).unwrap_err();
    assert_eq!(too_few, ProtocolError::TooFewAnswers { found: 2, needed: 3, wrong: vec![] });
    let (_, other, _) = generate(3, 2, 2);
    assert!(!proof.verify(other.outcome.set.key()));
    assert_eq!(call.conclude(&other.outcome.set, &answers).unwrap_err(), ProtocolError::OtherShare);
    assert_eq!(other.shares[0].rehearse(&other.outcome.set, &call, &mut rng).unwrap_err(), ProtocolError::OtherShare);
    assert_eq!(other.shares[0].rehearse(set, &call, &mut rng).unwrap_err(), ProtocolError::OtherShare);
}

#[test]
fn wrong_answers_are_named_and_do_not_count() {
    let (_, run, mut rng) = generate(5, 3, 3);
    let set = &run.outcome.set;
    let call = Call::new(set, now(), &mut rng);
    let earlier = Call::new(set, now(), &mut rng);
    let mut answers: Vec<_> = run.shares.iter().map(|s| s.rehearse(set, &call, &mut rng).unwrap()).collect();
    // An answer to an earlier call, and one under another member's number.
    answers[0] = run.shares[0].rehearse(set, &earlier, &mut rng).unwrap();
    let mut bytes = answers[1].encode();
    assert_eq!(bytes[13], 2);
    bytes[13] = 5;
    answers[4] = Answer::decode(&bytes).unwrap();
    let conclusion = call.conclude(set, &answers).unwrap();
    assert_eq!((conclusion.working, conclusion.wrong), (vec![id(2), id(3), id(4)], vec![id(1), id(5)]));
    let error = call.conclude(set, &answers[..3]).unwrap_err();
    assert_eq!(error, ProtocolError::TooFewAnswers { found: 2, needed: 3, wrong: vec![id(1)] });
    // A changed byte of a proof, wherever it still decodes.
    let proof = conclusion.proof.encode();
    for at in 12..proof.len() {
        let mut changed = proof.clone();
        changed[at] ^= 1;
        if let Ok(changed) = Proof::decode(&changed) {
            assert!(!changed.verify(set.key()), "byte {at}");
        }
    }
}

#[test]
fn answers_of_a_rehearsal_are_useless_for_opening() {
    let (_, run, mut rng) = generate(3, 2, 4);
    let set = &run.outcome.set;
    let (ciphertext, key) = encapsulate(set.key(), b"file", &mut rng);
    let checked = ciphertext.check(set.key(), b"file").unwrap();
    let call = Call::new(set, now(), &mut rng);
    // An answer has the very form of a decryption share; dress it as one.
    let dressed: Vec<_> = run
        .shares
        .iter()
        .map(|share| {
            let mut bytes = share.rehearse(set, &call, &mut rng).unwrap().encode();
            let genuine = share.decrypt(set, &checked, &mut rng).unwrap().encode();
            bytes[..12].copy_from_slice(&genuine[..12]);
            DecryptionShare::decode(&bytes).unwrap()
        })
        .collect();
    assert!(dressed.iter().all(|share| !share.verify(set, &checked)));
    assert_eq!(combine(set, &checked, &dressed[..2]).unwrap_err().culprits(), [id(1), id(2)]);
    // Below the checks: what they interpolate to is another key, alone and mixed with one genuine share.
    assert_ne!(combine_verified(set, &checked, &dressed[..2]).unwrap(), key);
    let genuine = run.shares[2].decrypt(set, &checked, &mut rng).unwrap();
    let mixed = [dressed[0].clone(), genuine];
    assert_ne!(combine_verified(set, &checked, &mixed).unwrap(), key);
    assert_eq!(combine(set, &checked, &mixed).unwrap_err().culprits(), [id(1)]);
}

#[test]
fn a_share_of_an_old_epoch_fails_the_rehearsal_and_old_proofs_stay_good() {
    let (people, first, mut rng) = generate(3, 2, 5);
    let old = &first.outcome.set;
    let call = Call::new(old, now(), &mut rng);
    let before: Vec<_> = first.shares.iter().map(|s| s.rehearse(old, &call, &mut rng).unwrap()).collect();
    let proof = call.conclude(old, &before).unwrap().proof;
    let dealers: Vec<_> = people.iter().zip(&first.shares).collect();
    let second = run(&Plan::refresh(old, &mut rng), &people, &dealers, &mut rng);
    let new = &second.outcome.set;
    assert!(proof.verify(new.key()));
    let error = call.conclude(new, &before).unwrap_err();
    assert_eq!(error, ProtocolError::TooFewAnswers { found: 0, needed: 2, wrong: vec![id(1), id(2), id(3)] });
    let after: Vec<_> = second.shares.iter().map(|s| s.rehearse(new, &call, &mut rng).unwrap()).collect();
    assert_eq!(call.conclude(new, &after).unwrap().proof, proof, "the same call under the same key");
}
