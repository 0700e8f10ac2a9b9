//! Sums of vectors under one-time keys: exact, opened by a quorum over exactly those who are counted, and by nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::Wire;
use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_fhe::vector::{
    EncryptedVector, KeyShare, OneTimeKey, ShareSum, VectorError, VectorNeed, VectorParameters, VectorSum,
};
use mediveil_rng::SeededRng;

const SEED: [u8; 32] = [9; 32];

fn parameters(entries: usize, contributors: u32, largest: u64) -> VectorParameters {
    VectorParameters::insecure_for_tests(16, &VectorNeed { entries, contributors, largest }).unwrap()
}

/// Contributors' vectors under keys of their own, and each one's shares.
fn contribute(
    p: &VectorParameters,
    vectors: &[Vec<i64>],
    (needed, members): (u32, u32),
    rng: &mut SeededRng,
) -> (Vec<EncryptedVector>, Vec<Vec<KeyShare>>) {
    let one = |v: &Vec<i64>| {
        let key = OneTimeKey::generate(p, rng);
        let shares = key.share(needed, members, rng).unwrap();
        (key.encrypt(&SEED, v, rng).unwrap(), shares)
    };
    vectors.iter().map(one).unzip()
}

fn shown(shares: &[Vec<KeyShare>], counted: &[usize], member: usize) -> ShareSum {
    ShareSum::of(counted.iter().map(|c| &shares[*c][member - 1])).unwrap()
}

fn sum(p: &VectorParameters, vectors: &[EncryptedVector], counted: &[usize]) -> VectorSum {
    let mut sum = VectorSum::new(p);
    counted.iter().for_each(|c| sum.add(&vectors[*c]).unwrap());
    sum
}

#[test]
fn sums_at_the_declared_maxima_are_exact() {
    let mut rng = SeededRng::from_u64(1);
    // Three 16-bit maxima, in several blocks, the last of them not full; one field, four fields, the widest field.
    for (largest, each) in [(3 * 32_767u64, 32_767i64), (3, 1), (3 << 60, 1 << 60)] {
        let p = parameters(777, 3, largest);
        for value in [each, -each, 0] {
            let mut vectors = vec![vec![value; 777]; 3];
            // A sign that changes from field to field.
            if value == 0 {
                vectors = vec![(0..777).map(|i| if i % 2 == 0 { each } else { -each }).collect(); 3];
            }
            let expected: Vec<i64> = (0..777).map(|i| vectors.iter().map(|v| v[i]).sum()).collect();
            let (encrypted, shares) = contribute(&p, &vectors, (2, 3), &mut rng);
            let all = sum(&p, &encrypted, &[0, 1, 2]);
            let opened = all.open(&SEED, 2, &[shown(&shares, &[0, 1, 2], 2), shown(&shares, &[0, 1, 2], 3)]).unwrap();
            assert_eq!(opened.values, expected);
            assert!(opened.wrong.is_empty());
        }
    }
}

#[test]
fn the_real_ring_opens_what_it_holds() {
    let mut rng = SeededRng::from_u64(2);
    let need = VectorNeed { entries: 20_000, contributors: 15, largest: 1 << 20 };
    let p = VectorParameters::for_need(&need).unwrap();
    let vectors: Vec<Vec<i64>> =
        (0..3i64).map(|c| (0..20_000i64).map(|i| (i * 7919 * (c + 1)) % 65_535 - 32_767).collect()).collect();
    let (encrypted, shares) = contribute(&p, &vectors, (2, 3), &mut rng);
    // 104 bits a coefficient, and hardly anything around them.
    let bytes = encrypted[0].encode().len() as u64;
    assert_eq!((p.blocks(), p.vector_bytes()), (2, 2 * 4096 * 13));
    assert!((1..64).contains(&(bytes - p.vector_bytes())), "{bytes}");
    let opened = sum(&p, &encrypted, &[0, 1, 2])
        .open(&SEED, 2, &[shown(&shares, &[0, 1, 2], 1), shown(&shares, &[0, 1, 2], 3)])
        .unwrap();
    let expected: Vec<i64> = (0..20_000).map(|i| vectors.iter().map(|v| v[i]).sum()).collect();
    assert_eq!(opened.values, expected);
}

#[test]
fn who_is_not_counted_is_not_in_the_sum() {
    let mut rng = SeededRng::from_u64(3);
    let p = parameters(40, 3, 1000);
    let vectors = [vec![1i64; 40], vec![20; 40], vec![300; 40]];
    let (encrypted, shares) = contribute(&p, &vectors, (2, 3), &mut rng);
    let opened = |counted: &[usize]| {
        let sums = [shown(&shares, counted, 1), shown(&shares, counted, 2)];
        sum(&p, &encrypted, counted).open(&SEED, 2, &sums).unwrap().values
    };
    assert_eq!(opened(&[0, 2]), vec![301; 40]);
    assert_eq!(opened(&[0, 1]), vec![21; 40]);
    // Shares of others than those in the sum open nothing: neither one more, nor one fewer, nor another.
    for counted in [&[0, 1, 2][..], &[0], &[1, 2]] {
        let sums = [shown(&shares, counted, 1), shown(&shares, counted, 2)];
        assert_eq!(sum(&p, &encrypted, &[0, 1]).open(&SEED, 2, &sums), Err(VectorError::Garbage));
    }
}

#[test]
fn fewer_than_needed_open_nothing() {
    let mut rng = SeededRng::from_u64(4);
    let p = parameters(40, 2, 1000);
    let (encrypted, shares) = contribute(&p, &[vec![5; 40], vec![6; 40]], (3, 5), &mut rng);
    let all = sum(&p, &encrypted, &[0, 1]);
    let sums: Vec<ShareSum> = (1..=5).map(|m| shown(&shares, &[0, 1], m)).collect();
    assert_eq!(all.open(&SEED, 3, &sums[..2]), Err(VectorError::TooFew { found: 2, needed: 3 }));
    // Round the guard: two of three points give garbage, whoever they are.
    for pair in [[0, 1], [0, 4], [3, 4]] {
        let two = pair.map(|i| sums[i].clone());
        assert_eq!(all.open(&SEED, 2, &two), Err(VectorError::Garbage));
    }
    assert_eq!(all.open(&SEED, 3, &sums[2..]).unwrap().values, vec![11; 40]);
}

#[test]
fn a_wrong_sum_is_garbage_and_is_named_where_others_make_up_for_it() {
    let mut rng = SeededRng::from_u64(5);
    let p = parameters(40, 2, 1000);
    let (encrypted, shares) = contribute(&p, &[vec![5; 40], vec![6; 40]], (2, 4), &mut rng);
    let all = sum(&p, &encrypted, &[0, 1]);
    // Member 2 leaves a contributor out.
    let mut sums: Vec<ShareSum> = (1..=4).map(|m| shown(&shares, &[0, 1], m)).collect();
    sums[1] = shown(&shares, &[0], 2);
    assert_eq!(all.open(&SEED, 2, &sums[..2]), Err(VectorError::Garbage));
    let opened = all.open(&SEED, 2, &sums).unwrap();
    assert_eq!((opened.values, opened.wrong), (vec![11; 40], vec![2]));
    let twice = [sums[0].clone(), sums[0].clone()];
    assert_eq!(all.open(&SEED, 2, &twice), Err(VectorError::Twice { member: 1 }));
    // One residue of one share, off by one.
    let mut bytes = sums[2].encode();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let off = ShareSum::decode(&bytes).unwrap();
    assert_eq!(all.open(&SEED, 2, &[sums[0].clone(), off]), Err(VectorError::Garbage));
}

#[test]
fn another_seed_and_another_shape_open_nothing() {
    let mut rng = SeededRng::from_u64(6);
    let p = parameters(40, 2, 1000);
    let (encrypted, shares) = contribute(&p, &[vec![5; 40], vec![6; 40]], (2, 2), &mut rng);
    let sums = [shown(&shares, &[0, 1], 1), shown(&shares, &[0, 1], 2)];
    let mut all = sum(&p, &encrypted, &[0, 1]);
    assert_eq!(all.open(&[8; 32], 2, &sums), Err(VectorError::Garbage));
    assert_eq!(all.add(&encrypted[0]), Err(VectorError::TooMany { limit: 2 }));
    let other = parameters(4_000, 2, 1000);
    assert_eq!(VectorSum::new(&other).add(&encrypted[0]), Err(VectorError::Foreign));
    assert!(ShareSum::of([&shares[0][0], &shares[1][1]]).is_err());
    assert!(ShareSum::of([]).is_err());
    let key = || OneTimeKey::generate(&p, &mut SeededRng::from_u64(1));
    assert_eq!(key().encrypt(&SEED, &[1; 39], &mut rng), Err(VectorError::Length { found: 39, expected: 40 }));
    assert_eq!(key().encrypt(&SEED, &[1001; 40], &mut rng), Err(VectorError::Range));
    for (needed, members) in [(0, 1), (3, 2), (2, 65)] {
        assert_eq!(key().share(needed, members, &mut rng).unwrap_err(), VectorError::Committee);
    }
}

#[test]
fn one_vector_twice_is_two_ciphertexts() {
    let mut rng = SeededRng::from_u64(7);
    let p = parameters(40, 2, 1000);
    let (encrypted, _) = contribute(&p, &[vec![5; 40], vec![5; 40]], (2, 2), &mut rng);
    assert_ne!(encrypted[0], encrypted[1]);
}

#[test]
fn vectors_shares_and_sums_are_frozen() {
    let mut rng = SeededRng::from_u64(8);
    let p = parameters(3, 1, 1000);
    let key = OneTimeKey::generate(&p, &mut rng);
    let shares = key.share(1, 1, &mut rng).unwrap();
    check_wire_by(&shares[0], include_str!("snapshots/vector_key_share.hex"), |a, b| a.encode() == b.encode());
    check_wire(&ShareSum::of(&shares).unwrap(), include_str!("snapshots/vector_share_sum.hex"));
    check_wire(&key.encrypt(&SEED, &[1, -2, 3], &mut rng).unwrap(), include_str!("snapshots/vector.hex"));
}
