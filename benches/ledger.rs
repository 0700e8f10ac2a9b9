//! The log: durable appends, and proofs in a log of 100,000 entries beside `ct-merkle`, which holds its tree in memory.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at the first failure")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use mediveil_codec::{Timestamp, Wire};
use mediveil_ledger::{Actor, Entry, Event, Evidence, Log};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::SigningKey;
use sha2::Sha256;
use std::hint::black_box;

const SIZE: u64 = 100_000;

fn entry(n: u64) -> Entry {
    let mut file = [0; 32];
    file.iter_mut().zip(n.to_be_bytes()).for_each(|(to, from)| *to = from);
    Entry::new(Timestamp::from_seconds(1_800_000_000 + n).unwrap(), Actor::SYSTEM, Event::Sealed { file, doors: 2 })
}

fn log(c: &mut Criterion) {
    let here = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir_in(here.parent().unwrap()).unwrap();
    let mut rng = SeededRng::from_u64(1);
    let path = folder.path().join("bench.log");
    let entries: Vec<Entry> = (0..SIZE).map(entry).collect();
    Log::create(&path, &mut rng).unwrap().append_all(&entries).unwrap();
    // Opened anew, so that what was written ahead has come home.
    let log = Log::open(&path).unwrap();
    let key = SigningKey::generate(&mut rng);
    let now: Timestamp = "2027-01-31".parse().unwrap();
    let head = log.head(now, &key).unwrap();

    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    entries.iter().for_each(|e| tree.push(e.encode()));
    assert_eq!(tree.root().as_bytes().as_slice(), log.root(SIZE).unwrap().as_bytes());

    let mut at = 0;
    let mut next = move || {
        at = (at + 61_803) % SIZE;
        at
    };
    c.bench_function("ledger.inclusion.100k", |b| b.iter(|| log.inclusion(next(), SIZE).unwrap()));
    c.bench_function("ledger.inclusion.100k/peer", |b| {
        b.iter(|| tree.prove_inclusion(usize::try_from(next()).unwrap()));
    });
    c.bench_function("ledger.consistency.100k", |b| b.iter(|| log.consistency(next().max(1), SIZE).unwrap()));
    let evidence = log.evidence(SIZE / 3, &head).unwrap().encode();
    let trusted = key.verifying_key();
    c.bench_function("ledger.verify_evidence", |b| {
        b.iter(|| {
            let evidence = Evidence::decode(black_box(&evidence)).unwrap();
            evidence.verify(&trusted).unwrap();
        });
    });
    let mut n = SIZE;
    c.bench_function("ledger.append", |b| {
        b.iter_batched(
            || {
                n += 1;
                entry(n)
            },
            |entry| log.append(&entry).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = log
}
criterion_main!(benches);
