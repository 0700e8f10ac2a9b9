//! The fuzz targets as ordinary functions: each takes any bytes and panics only if a promise is broken.
//!
//! `cargo xtask fuzz` runs them under libFuzzer where `cargo-fuzz` is installed; `tests/replay.rs` replays the committed
//! corpora, every truncation of each seed and a run of random changes, in the ordinary tests on stable.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a broken promise must stop the fuzzer")]

mod fhir;
mod sealed;
mod wire;

pub use fhir::fhir;
pub use sealed::{reader, sample_file, sealed_file};
pub use wire::{key_file, wire};

/// A target by its name.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] =
    &[("fhir", fhir), ("key_file", key_file), ("sealed_file", sealed_file), ("wire", wire)];
