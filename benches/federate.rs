//! Federated sums: `federate.encrypt.100k` is one site's encryption of 100,000 entries of 16 bits, `federate.share_sum.13` what one
//! member adds up for ten sites and three noises. The sum of a million entries is among the figures.
//!

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at the first failure")]

use criterion::{Criterion, criterion_group, criterion_main};
use mediveil_fhe::vector::{KeyShare, OneTimeKey, ShareSum, VectorNeed, VectorParameters};
use mediveil_rng::SeededRng;
use std::hint::black_box;

fn vectors(c: &mut Criterion) {
    let mut rng = SeededRng::from_u64(1);
    let need = VectorNeed { entries: 100_000, contributors: 15, largest: 1 << 20 };
    let parameters = VectorParameters::for_need(&need).unwrap();
    let values: Vec<i64> = (0..100_000).map(|i| i % 65_535 - 32_767).collect();
    c.bench_function("federate.encrypt.100k", |b| {
        b.iter(|| {
            let key = OneTimeKey::generate(&parameters, &mut rng);
            key.encrypt(&[1; 32], black_box(&values), &mut rng).unwrap()
        });
    });
    let mut rng = SeededRng::from_u64(2);
    let mut share =
        || -> KeyShare { OneTimeKey::generate(&parameters, &mut rng).share(3, 5, &mut rng).unwrap().swap_remove(0) };
    let shares: Vec<KeyShare> = (0..13).map(|_| share()).collect();
    c.bench_function("federate.share_sum.13", |b| b.iter(|| ShareSum::of(black_box(&shares)).unwrap()));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = vectors
}
criterion_main!(benches);
