//! The fuzz targets as ordinary functions: each takes any bytes and panics only if a promise is broken.
//!
//! `cargo xtask fuzz` runs them under libFuzzer where `cargo-fuzz` is installed; `tests/replay.rs` replays the committed
//! corpora, every truncation of each seed and a run of random changes, in the ordinary tests on stable.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a broken promise must stop the fuzzer")]

mod budget;
mod canonical_json;
mod committee;
mod door;
mod fhe;
mod fhir;
mod ledger;
mod log_file;
mod model;
mod policy;
mod round_trip;
mod sealed;
mod slip39;
mod stream;
mod study;
mod wire;
mod zk;

pub use budget::{SCHEMA, budget};
pub use canonical_json::canonical_json;
pub use committee::{committee, committee_seeds};
pub use door::{PolicyWorld, policy_door};
pub use fhe::{fhe, fhe_seeds};
pub use fhir::fhir;
pub use ledger::{LogWorld, ledger};
pub use log_file::log_file;
pub use model::{MODELS, model, model_seeds};
pub use policy::policy;
pub use round_trip::{codec_round_trip, decoders};
pub use sealed::{reader, sample_file, sealed_file};
pub use slip39::slip39;
pub use stream::stream;
pub use study::{study, study_seeds};
pub use wire::{key_file, wire};
pub use zk::{zk, zk_seeds};

/// A target by its name.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("budget", budget),
    ("canonical_json", canonical_json),
    ("codec_round_trip", codec_round_trip),
    ("committee", committee),
    ("fhe", fhe),
    ("fhir", fhir),
    ("key_file", key_file),
    ("ledger", ledger),
    ("log_file", log_file),
    ("model", model),
    ("policy", policy),
    ("policy_door", policy_door),
    ("sealed_file", sealed_file),
    ("slip39", slip39),
    ("stream", stream),
    ("study", study),
    ("wire", wire),
    ("zk", zk),
];
