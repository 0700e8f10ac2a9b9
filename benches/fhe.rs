//! Packed BFV under a committee's key, 8,192 numbers to a block: `fhe.add`, `fhe.encrypt` and `fhe.load` take
//! the time of one block.
//!
//! Needs the feature `testing` of `mediveil-fhe`, for a committee in one process.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at the first failure")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mediveil_codec::Wire;
use mediveil_fhe::opening::{Epoch, MemoryStore, Opening, Request, combine};
use mediveil_fhe::{Bounds, EncodedCiphertext, Evaluator, Need, Parameters, testing};
use mediveil_rng::SeededRng;
use std::hint::black_box;

const BOUNDS: Bounds = Bounds { min: 0, max: 8191 };

/// Sums of 2^24 rows, 5 of 9, and all 8,192 slots opened at once.
fn sums(c: &mut Criterion) {
    let mut rng = SeededRng::from_u64(1);
    let mut need = Need::sums(1 << 24, 1 << 39, 9, 5);
    need.opened = 8192;
    let parameters = Parameters::for_need(&need).unwrap();
    let (key, members) = testing::committee(&parameters, 9, 5, &mut rng);
    let server = Evaluator::new(&key).unwrap();
    let values: Vec<i64> = (0..8192).collect();
    let block = key.encrypt(&values, BOUNDS, &mut rng).unwrap();
    let encoded = block.to_encoded(&key).encode();
    let mut sum = block.clone();
    c.bench_function("fhe.add", |b| b.iter(|| server.add_assign(&mut sum, black_box(&block)).unwrap()));
    c.bench_function("fhe.encrypt", |b| b.iter(|| key.encrypt(&values, BOUNDS, &mut rng).unwrap()));
    c.bench_function("fhe.load", |b| {
        b.iter(|| key.load(&EncodedCiphertext::decode(black_box(&encoded)).unwrap()).unwrap());
    });

    let epoch = Epoch::new(&key, 1, &[1, 3, 5, 7, 9]).unwrap();
    for (name, opening) in [
        ("fhe.committee_decrypt.5of9", Opening::Slots((0..8192).collect())),
        ("fhe.committee_decrypt.5of9/one_number", Opening::SlotSum),
    ] {
        let request = Request::new(&key, &epoch, [1; 32], vec![block.clone()], opening).unwrap();
        let (member, identity) = members.first().unwrap();
        let mut rng = SeededRng::from_u64(2);
        c.bench_function(name, |b| {
            b.iter_batched_ref(
                MemoryStore::new,
                |store| member.decrypt(&request, identity, |n| Ok(vec![1; n]), store, &mut rng).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
    let request = Request::new(&key, &epoch, [1; 32], vec![block], Opening::Slots((0..8192).collect())).unwrap();
    let parts: Vec<_> = members
        .iter()
        .filter(|(m, _)| epoch.quorum().contains(&m.member()))
        .map(|(m, id)| m.decrypt(&request, id, |n| Ok(vec![0; n]), &mut MemoryStore::new(), &mut rng).unwrap())
        .collect();
    c.bench_function("fhe.combine.5of9", |b| b.iter(|| combine(&request, black_box(&parts)).unwrap()));
}

/// One block of a filter over two conditions and a value: two multiplications for 16,384 rows.
fn filter(c: &mut Criterion) {
    let mut rng = SeededRng::from_u64(3);
    let parameters = Parameters::for_need(&Need::filtered_sums(1 << 24, 1 << 39, 2, 2)).unwrap();
    let (key, _) = testing::committee(&parameters, 2, 2, &mut rng);
    let server = Evaluator::new(&key).unwrap();
    let block = key.encrypt(&[1; 16384], Bounds::FLAG, &mut rng).unwrap();
    c.bench_function("fhe.filter_block", |b| {
        b.iter(|| {
            let both = server.multiply(black_box(&block), &block).unwrap();
            server.multiply(&both, &block).unwrap()
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = sums, filter
}
criterion_main!(benches);
