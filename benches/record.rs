//! Records: reading, canonical bytes and commitment of one patient's bundle.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at the first failure")]

use criterion::{Criterion, criterion_group, criterion_main};
use mediveil_record::{Limits, Record, RecordSecret};
use mediveil_rng::SeededRng;
use mediveil_sample::Generator;
use std::hint::black_box;

fn record(c: &mut Criterion) {
    let bundle = Generator::new(1).patient(0).bundle_json();
    let record = Record::parse(bundle.as_bytes(), &Limits::default()).unwrap();
    let secret = RecordSecret::generate(&mut SeededRng::from_u64(1));
    c.bench_function("record.parse.bundle", |b| {
        b.iter(|| Record::parse(black_box(bundle.as_bytes()), &Limits::default()).unwrap());
    });
    c.bench_function("record.parse.bundle/peer", |b| {
        b.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(bundle.as_bytes())).unwrap());
    });
    c.bench_function("record.digest.bundle", |b| {
        b.iter(|| record.resources().iter().map(|r| r.digest()).collect::<Vec<_>>());
    });
    c.bench_function("record.commit.bundle", |b| b.iter(|| black_box(&record).commit(&secret).unwrap()));
}

criterion_group!(benches, record);
criterion_main!(benches);
