//! Proofs: equal to those of RFC 9162 written down plainly, and to those of `ct-merkle`; and refused when anything about
//! them is changed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

mod common;

use common::{at, file_of, log_of, note, operator};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use mediveil_codec::Wire;
use mediveil_ledger::{
    ConsistencyProof, Evidence, Hash, Head, HeadError, InclusionProof, Log, LogError, ProofError, Relation, SignedHead,
};
use sha2::{Digest, Sha256};

/// RFC 9162 §2.1.1, word for word.
fn mth(leaves: &[Vec<u8>]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => Sha256::digest([&[0], leaf.as_slice()].concat()).into(),
        _ => {
            let (left, right) = leaves.split_at(k(leaves.len()));
            Sha256::digest([&[1], mth(left).as_slice(), mth(right).as_slice()].concat()).into()
        }
    }
}

/// The largest power of two smaller than n.
fn k(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// RFC 9162 §2.1.3.1.
fn path(m: usize, leaves: &[Vec<u8>]) -> Vec<[u8; 32]> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(k(leaves.len()));
    let (mut path, sibling) =
        if m < left.len() { (path(m, left), mth(right)) } else { (path(m - left.len(), right), mth(left)) };
    path.push(sibling);
    path
}

/// RFC 9162 §2.1.4.1.
fn subproof(m: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<[u8; 32]> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let (left, right) = leaves.split_at(k(leaves.len()));
    let (mut proof, sibling) = if m <= left.len() {
        (subproof(m, left, whole), mth(right))
    } else {
        (subproof(m - left.len(), right, false), mth(left))
    };
    proof.push(sibling);
    proof
}

fn hashes(path: &[Hash]) -> Vec<[u8; 32]> {
    path.iter().map(|h| *h.as_bytes()).collect()
}

fn leaves(log: &Log) -> Vec<Vec<u8>> {
    log.entries(0..u64::MAX).map(|r| r.unwrap().bytes).collect()
}

/// The head of the first `size` entries, as the operator would have signed it then.
fn head(log: &Log, size: u64) -> Head {
    let mut state = log.checkpoint().unwrap();
    (state.size, state.root) = (size, log.root(size).unwrap());
    state.sign(at(0), &operator()).verify(&operator().verifying_key()).unwrap()
}

#[test]
fn every_inclusion_proof_up_to_130_entries_is_that_of_the_rfc() {
    let (_place, log) = file_of(130);
    let leaves = leaves(&log);
    let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    assert_eq!(*log.root(0).unwrap().as_bytes(), mth(&[]));
    for size in 1..=130usize {
        oracle.push(leaves[size - 1].clone());
        let root = mth(&leaves[..size]);
        assert_eq!(*log.root(size as u64).unwrap().as_bytes(), root);
        assert_eq!(oracle.root().as_bytes().as_slice(), root);
        let head = head(&log, size as u64);
        for (index, leaf) in leaves[..size].iter().enumerate() {
            let proof = log.inclusion(index as u64, size as u64).unwrap();
            assert_eq!(hashes(proof.path()), path(index, &leaves[..size]), "{index} in {size}");
            assert_eq!(hashes(proof.path()).concat(), oracle.prove_inclusion(index).as_bytes(), "{index} in {size}");
            proof.verify(leaf, &head).unwrap();
        }
    }
}

#[test]
fn every_consistency_proof_up_to_70_entries_is_that_of_the_rfc() {
    let (_place, log) = log_of(70);
    let leaves = leaves(&log);
    let heads: Vec<_> = (0..=70).map(|n| head(&log, n)).collect();
    let mut oracle = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for new in 0..=70usize {
        if new > 0 {
            oracle.push(leaves[new - 1].clone());
        }
        for old in 0..=new {
            let proof = log.consistency(old as u64, new as u64).unwrap();
            if old > 0 {
                assert_eq!(hashes(proof.path()), subproof(old, &leaves[..new], true), "{old} to {new}");
                assert_eq!(hashes(proof.path()).concat(), oracle.prove_consistency(new - old).as_bytes());
            } else {
                assert!(proof.path().is_empty());
            }
            proof.verify(&heads[old], &heads[new]).unwrap();
            let expected = if old == new { Relation::Same } else { Relation::Older };
            assert_eq!(heads[old].compare(&heads[new], Some(&proof)), Ok(expected));
        }
    }
}

#[test]
fn proofs_that_do_not_exist_are_refused() {
    let (_place, log) = log_of(5);
    assert_eq!(log.inclusion(5, 5), Err(LogError::OutOfRange { index: 5, size: 5 }));
    assert_eq!(log.inclusion(4, 6), Err(LogError::OutOfRange { index: 4, size: 5 }));
    assert_eq!(log.inclusion(0, 0), Err(LogError::OutOfRange { index: 0, size: 0 }));
    assert_eq!(log.consistency(3, 6), Err(LogError::NoProof { old: 3, new: 6, size: 5 }));
    assert_eq!(log.consistency(4, 3), Err(LogError::NoProof { old: 4, new: 3, size: 5 }));
    assert_eq!(log.root(6), Err(LogError::OutOfRange { index: 6, size: 5 }));
    assert_eq!(log.entry(5), Err(LogError::OutOfRange { index: 5, size: 5 }));
}

/// Every byte of each file, in three ways: it does not decode, or it does not verify.
#[test]
fn every_changed_byte_of_a_proof_is_refused() {
    let (_place, log) = log_of(13);
    let key = operator();
    let trusted = key.verifying_key();
    let signed = log.head(at(1), &key).unwrap();
    let (old, new) = (head(&log, 6), signed.verify(&trusted).unwrap());
    let entry = log.entry(4).unwrap().bytes;
    let flips = |bytes: &[u8], accepted: &dyn Fn(&[u8]) -> bool| {
        assert!(accepted(bytes));
        for place in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut changed = bytes.to_vec();
                changed[place] ^= mask;
                assert!(!accepted(&changed), "byte {place} xor {mask:02x}");
            }
        }
    };
    let inclusion = log.inclusion(4, 13).unwrap();
    flips(&inclusion.encode(), &|b| InclusionProof::decode(b).is_ok_and(|p| p.verify(&entry, &new).is_ok()));
    flips(&entry, &|b| inclusion.verify(b, &new).is_ok());
    let consistency = log.consistency(6, 13).unwrap();
    flips(&consistency.encode(), &|b| ConsistencyProof::decode(b).is_ok_and(|p| p.verify(&old, &new).is_ok()));
    flips(&signed.encode(), &|b| SignedHead::decode(b).is_ok_and(|h| h.verify(&trusted).is_ok()));
    let evidence = log.evidence(4, &signed).unwrap();
    flips(&evidence.encode(), &|b| Evidence::decode(b).is_ok_and(|e| e.verify(&trusted).is_ok()));
}

#[test]
fn a_proof_for_another_size_or_place_or_log_is_refused() {
    let (_place, log) = log_of(8);
    let (head7, head8) = (head(&log, 7), head(&log, 8));
    let proof = log.inclusion(3, 8).unwrap();
    let entry = log.entry(3).unwrap().bytes;
    proof.verify(&entry, &head8).unwrap();
    assert_eq!(proof.verify(&entry, &head7), Err(ProofError::OtherSize { proof: 8, head: 7 }));
    let moved = InclusionProof::new(2, 8, proof.path().to_vec()).unwrap();
    assert_eq!(moved.verify(&entry, &head8), Err(ProofError::Inclusion { index: 2 }));
    assert_eq!(InclusionProof::new(3, 4, proof.path().to_vec()), Err(ProofError::Shape));
    assert_eq!(InclusionProof::new(8, 8, proof.path().to_vec()), Err(ProofError::Shape));
    assert_eq!(ConsistencyProof::new(7, 8, Vec::new()), Err(ProofError::Shape));
    assert_eq!(ConsistencyProof::new(9, 8, Vec::new()), Err(ProofError::Shape));

    let other = common::scratch();
    let other = Log::create(&other.path, &mut mediveil_rng::SeededRng::from_u64(2)).unwrap();
    other.append_all(&(0..8).map(|i| note(i.to_string())).collect::<Vec<_>>()).unwrap();
    let elsewhere = head(&other, 8);
    assert_eq!(elsewhere.root(), head8.root(), "the same entries");
    let consistency = log.consistency(7, 8).unwrap();
    assert_eq!(consistency.verify(&head7, &elsewhere), Err(ProofError::OtherLog));
    let refused = HeadError::OtherLog { expected: head8.log(), found: elsewhere.log() };
    assert_eq!(head8.compare(&elsewhere, None), Err(refused));
}
