//! Frozen bytes, round trips, truncations and changed bytes of every wire type.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

mod common;

use common::{World, nothing, now, table};
use mediveil_codec::Wire;
use mediveil_codec::testing::check_decoding;
use mediveil_study::*;
use std::fmt::Debug;

const SCHEMA: &str =
    r#"{"patient": "id", "max_rows": 3, "columns": [{"kind": "flag", "name": "f", "required": true}]}"#;

/// A world of fixed bytes: keys and log ids come from the seed.
fn world() -> World {
    World::with(1, SCHEMA, 1, 2, 2, 0, mediveil_dp::accounting::Cost::Pure("1".parse().unwrap()))
}

/// The frozen digest of an encoding that is too long to stand here whole, and its head.
fn frozen<T: Wire + PartialEq + Debug>(value: &T, all: &mut String) {
    use sha2::{Digest, Sha256};
    let bytes = value.encode();
    assert_eq!(T::decode(&bytes).unwrap(), *value);
    let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let (head, digest) = (hex(&bytes[..bytes.len().min(32)]), hex(&Sha256::digest(&bytes)));
    all.push_str(&format!("{} {} {head} {digest}\n", T::TYPE.name(), bytes.len()));
}

#[test]
fn everything_that_is_stored_or_sent() {
    let w = world();
    let mut all = String::new();
    frozen(w.study.terms(), &mut all);
    // Terms rebuild their ring when decoded, so not every byte is changed three times.
    let bytes = w.study.terms().encode();
    for at in (0..bytes.len()).step_by(5) {
        assert!(Terms::decode(&bytes[..at]).is_err());
        let mut changed = bytes.clone();
        changed[at] ^= 0x81;
        if let Ok(other) = Terms::decode(&changed) {
            assert_eq!(other.encode(), changed);
            assert_ne!(other.id(), w.study.id());
        }
    }
    let confirmation = Confirmation::new(&w.study, &w.members[0].1).unwrap();
    frozen(&confirmation, &mut all);
    check_decoding::<Confirmation>(&confirmation.encode());
    let upload = w.upload(0, &Table::from_csv("id,f\na,1\n".as_bytes(), w.study.schema()).unwrap(), 1);
    frozen(upload.manifest(), &mut all);
    check_decoding::<Manifest>(&upload.manifest().encode());
    let commitment = Commitment::new(upload.manifest(), &w.sites[0]);
    frozen(&commitment, &mut all);
    check_decoding::<Commitment>(&commitment.encode());
    w.study.commit(&w.log, &commitment, now()).unwrap();
    let uploads = w.study.accept(&w.log, vec![upload]).unwrap();
    let plan = w.plan(r#"{"statistic": "count", "epsilon": "0.5"}"#);
    let registered = w.register(&plan, &uploads, &[1, 2]);
    let entry = w.log.entry(registered.place()).unwrap().entry().unwrap();
    let mediveil_ledger::Event::Committee { body, .. } = entry.event else { panic!() };
    frozen(&Registration::decode(&body).unwrap(), &mut all);
    check_decoding::<Registration>(&body);
    let partial = w.study.evaluate_blocks(&plan, &uploads, 0..1, nothing()).unwrap();
    frozen(&partial, &mut all);
    sampled::<Partial>(&partial.encode());
    let answer = w.study.evaluate(&plan, &uploads, nothing()).unwrap().sign(&w.study, &w.evaluator).unwrap();
    frozen(&answer, &mut all);
    sampled::<EncryptedAnswer>(&answer.encode());
    assert!(all == include_str!("snapshots/wire.txt"), "a frozen encoding changed; they are now\n{all}");
    // A certificate holds fresh noise, so its bytes are not frozen; its form is that of its parts.
    let parts: Vec<_> = [1, 2].map(|m| w.approve(m, &plan, &uploads)).to_vec();
    let certificate = w.study.release(&w.budget, &plan, &uploads, &answer, &parts, &w.operator, now()).unwrap();
    assert_eq!(Certificate::decode(&certificate.encode()).unwrap(), certificate);
    assert_eq!(certificate.encode()[..8], [0x89, 0x4d, 0x44, 0x56, 0x0a, 0x08, 1, 0]);
    sampled::<Certificate>(&certificate.encode());
}

/// As `check_decoding`, for long encodings: some truncations, some changed bytes.
fn sampled<T: Wire>(bytes: &[u8]) {
    for len in (0..bytes.len()).step_by(61) {
        assert!(T::decode(&bytes[..len]).is_err(), "cut to {len}");
    }
    assert!(T::decode(&[bytes, &[0]].concat()).is_err());
    let mut changed = bytes.to_vec();
    for at in (0..bytes.len()).step_by(37).chain(0..120) {
        for mask in [0x01, 0x80] {
            changed[at] ^= mask;
            if let Ok(value) = T::decode(&changed) {
                assert!(value.encode() == changed, "byte {at}");
            }
            changed[at] ^= mask;
        }
    }
}

#[test]
fn nothing_secret_is_printed() {
    let w = World::new(2);
    let t = table(w.study.schema(), 0, 3);
    assert_eq!(format!("{t:?}"), "Table { rows: 3, .. }");
    let upload = w.upload(0, &t, 1);
    assert!(format!("{upload:?}").len() < 120);
}
