//! Sealed files against `age`: 64 MiB, one reader, one thread, into a buffer that is used again by either side.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at the first failure")]

use criterion::{Criterion, criterion_group, criterion_main};
use mediveil_rng::{Rng, SeededRng};
use mediveil_seal::identity::{SealingKem, SealingKey, SigningKey};
use mediveil_seal::{OpenReader, Sealer, Suite, open_into};
use std::hint::black_box;
use std::io::{Read, Write};

const LEN: usize = 64 << 20;

fn age_seal(to: &age::x25519::Recipient, plain: &[u8], out: &mut Vec<u8>) {
    let recipients = [to as &dyn age::Recipient];
    let encryptor = age::Encryptor::with_recipients(recipients.into_iter()).unwrap();
    let mut writer = encryptor.wrap_output(out).unwrap();
    writer.write_all(plain).unwrap();
    writer.finish().unwrap();
}

fn age_open(key: &age::x25519::Identity, sealed: &[u8], out: &mut Vec<u8>) {
    let decryptor = age::Decryptor::new(sealed).unwrap();
    let mut reader = decryptor.decrypt(std::iter::once(key as &dyn age::Identity)).unwrap();
    reader.read_to_end(out).unwrap();
}

fn seal(c: &mut Criterion) {
    let mut rng = SeededRng::from_u64(1);
    let mut plain = vec![0; LEN];
    rng.fill_bytes(&mut plain);
    let key = SealingKey::generate(SealingKem::P256, &mut rng);
    let hybrid = SealingKey::generate(SealingKem::XWing, &mut rng).public();
    let public = key.public();
    let author = SigningKey::generate(&mut rng);
    let age_key = age::x25519::Identity::generate();
    let age_public = age_key.to_public();

    let sealed = Sealer::new().to(&public).seal(&plain, &mut rng).unwrap();
    let mut age_sealed = Vec::new();
    age_seal(&age_public, &plain, &mut age_sealed);
    let mut out = Vec::with_capacity(LEN + (1 << 20));

    c.bench_function("seal.encrypt.64mib", |b| {
        b.iter(|| {
            out.clear();
            Sealer::new().to(&public).seal_into(black_box(&plain), &mut out, &mut rng).unwrap();
        });
    });
    c.bench_function("seal.encrypt.64mib/peer", |b| {
        b.iter(|| {
            out.clear();
            age_seal(&age_public, black_box(&plain), &mut out);
        });
    });
    c.bench_function("seal.open.64mib", |b| {
        b.iter(|| {
            out.clear();
            open_into(black_box(&sealed), &[&key], &mut out).unwrap()
        });
    });
    c.bench_function("seal.open.64mib/peer", |b| {
        b.iter(|| {
            out.clear();
            age_open(&age_key, black_box(&age_sealed), &mut out);
        });
    });
    c.bench_function("seal.stream.64mib", |b| {
        b.iter(|| {
            out.clear();
            OpenReader::new(black_box(sealed.as_slice()), &[&key]).unwrap().read_to_end(&mut out).unwrap()
        });
    });
    c.bench_function("seal.stream.64mib/peer", |b| {
        b.iter(|| {
            out.clear();
            age_open(&age_key, black_box(&age_sealed), &mut out);
        });
    });
    c.bench_function("seal.encrypt.64mib.aes", |b| {
        b.iter(|| {
            out.clear();
            let sealer = Sealer::new().suite(Suite::Aes256Gcm).to(&public);
            sealer.seal_into(black_box(&plain), &mut out, &mut rng).unwrap();
        });
    });
    c.bench_function("seal.encrypt.64mib.signed", |b| {
        b.iter(|| {
            out.clear();
            Sealer::new().author(&author).to(&public).seal_into(black_box(&plain), &mut out, &mut rng).unwrap();
        });
    });
    c.bench_function("seal.door.p256", |b| b.iter(|| Sealer::new().to(&public).seal(b"", &mut rng).unwrap()));
    c.bench_function("seal.door.xwing", |b| b.iter(|| Sealer::new().to(&hybrid).seal(b"", &mut rng).unwrap()));
}

criterion_group!(benches, seal);
criterion_main!(benches);
