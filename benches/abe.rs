//! Attribute-based encryption against `rabe`'s AC17: 50 attributes, all of them needed, no numbers and no epochs.
//!
//! `rabe` is here for its speed only: it does not keep keys apart and must not protect anything. It encrypts without
//! security against chosen ciphertexts; ours has it, and its opening is timed from the bytes of a door to the comparison of
//! every row with its encapsulation made anew. `abe.encrypt.50` seals again and again under one authority, which keeps tables
//! for the hashes of attributes, and so does `abe.decrypt.50` with one key; `/first` is the first time, tables included.
//!
//! `blst` spreads multi-exponentiations over all cores, and `rabe` uses one. For an equal comparison run it pinned:
//! `taskset -c 0 cargo xtask bench abe`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at the first failure")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use mediveil_abe::{
    AttributeKey, AttributeSet, Authority, Granularity, Policy, PolicyRecipient, PublicParameters, Schema,
};
use mediveil_codec::{Timestamp, Wire};
use mediveil_rng::SeededRng;
use mediveil_seal::{ContentKey, Context, Opener, Opening, Recipient, Stanza};
use rabe::schemes::ac17::{cp_decrypt, cp_encrypt, cp_keygen, setup};
use rabe::utils::policy::pest::PolicyLanguage;
use std::hint::black_box;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("attr:value{i:02}")).collect()
}

/// `rabe` has binary gates only.
fn rabe_policy(names: &[String]) -> String {
    let leaf = |name: &String| format!(r#"{{"name":"{name}"}}"#);
    let mut rest = names.iter().map(leaf);
    let first = rest.next().unwrap_or_default();
    rest.fold(first, |all, one| format!(r#"{{"name":"and","children":[{all},{one}]}}"#))
}

struct Setting {
    authority: Authority,
    attributes: AttributeSet,
    policy: Policy,
    content: ContentKey,
    context: Context,
    rng: SeededRng,
}

impl Setting {
    fn new(count: usize) -> Self {
        let mut rng = SeededRng::from_u64(1);
        let names = names(count);
        Self {
            authority: Authority::create("bench", Granularity::Days, Schema::new(), &mut rng).unwrap(),
            attributes: AttributeSet::parse(names.iter().map(String::as_str)).unwrap(),
            policy: Policy::parse(&names.join(" and ")).unwrap(),
            content: ContentKey::generate(&mut rng),
            context: Context::new([7; 32], Vec::new()),
            rng,
        }
    }

    fn grant(&mut self) -> AttributeKey {
        self.authority.grant_without_expiry(&self.attributes, &mut self.rng).unwrap()
    }

    fn seal(&mut self, parameters: &PublicParameters) -> Stanza {
        let recipient = PolicyRecipient::without_expiry(self.policy.clone(), parameters).unwrap();
        recipient.wrap(&self.content, &self.context, &mut self.rng).unwrap()
    }

    fn open(&self, key: &AttributeKey, stanza: &Stanza) {
        assert!(matches!(key.open_stanza(black_box(stanza), &self.context), Opening::Opened(_)));
    }
}

fn fifty(c: &mut Criterion) {
    let mut s = Setting::new(50);
    let encoded = s.authority.parameters().encode();
    let parameters = PublicParameters::decode(&encoded).unwrap();
    let (key, stanza) = (s.grant(), s.seal(&parameters));
    c.bench_function("abe.keygen.50", |b| b.iter(|| s.grant()));
    c.bench_function("abe.encrypt.50", |b| b.iter(|| s.seal(&parameters)));
    c.bench_function("abe.encrypt.50/first", |b| {
        let fresh = || PublicParameters::decode(&encoded).unwrap();
        b.iter_batched(fresh, |parameters| s.seal(&parameters), BatchSize::SmallInput);
    });
    c.bench_function("abe.decrypt.50", |b| b.iter(|| s.open(&key, &stanza)));
    c.bench_function("abe.decrypt.50/first", |b| {
        let bytes = key.encode();
        let fresh = || AttributeKey::decode(&bytes).unwrap();
        b.iter_batched(fresh, |key| s.open(&key, &stanza), BatchSize::SmallInput);
    });
    let now: Timestamp = "2026-11-21".parse().unwrap();
    let recipient = PolicyRecipient::new(s.policy.clone(), &parameters, now).unwrap();
    c.bench_function("abe.encrypt.50/epoch", |b| {
        b.iter(|| recipient.wrap(&s.content, &s.context, &mut s.rng).unwrap());
    });
}

fn peer(c: &mut Criterion) {
    let names = names(50);
    let attributes: Vec<&str> = names.iter().map(String::as_str).collect();
    let policy = rabe_policy(&names);
    let (public, master) = setup();
    let key = cp_keygen(&master, &attributes).unwrap();
    let encrypt = || cp_encrypt(&public, black_box(&policy), &[7; 32], PolicyLanguage::JsonPolicy).unwrap();
    let ciphertext = encrypt();
    c.bench_function("abe.keygen.50/peer", |b| b.iter(|| cp_keygen(&master, black_box(&attributes)).unwrap()));
    c.bench_function("abe.encrypt.50/peer", |b| b.iter(encrypt));
    c.bench_function("abe.decrypt.50/peer", |b| b.iter(|| cp_decrypt(&key, black_box(&ciphertext)).unwrap()));
}

/// Over the number of attributes, where `MEDIVEIL_CURVES` is set.
fn curves(c: &mut Criterion) {
    if std::env::var_os("MEDIVEIL_CURVES").is_none() {
        return;
    }
    for count in [1, 10, 200, 1000] {
        let mut s = Setting::new(count);
        let parameters = s.authority.parameters().clone();
        let (key, stanza) = (s.grant(), s.seal(&parameters));
        c.bench_function(&format!("abe.keygen.{count}"), |b| b.iter(|| s.grant()));
        c.bench_function(&format!("abe.encrypt.{count}"), |b| b.iter(|| s.seal(&parameters)));
        c.bench_function(&format!("abe.decrypt.{count}"), |b| b.iter(|| s.open(&key, &stanza)));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = fifty, peer, curves
}
criterion_main!(benches);
