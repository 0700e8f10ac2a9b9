//! What several suites need: keys, entries, a fresh log, and children of the test binary.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests; each uses a part of it")]

use mediveil_codec::Timestamp;
use mediveil_ledger::{Actor, Entry, Event, Log, UniqueKey};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::SigningKey;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds).unwrap()
}

pub(crate) fn operator() -> SigningKey {
    SigningKey::generate(&mut SeededRng::from_u64(7))
}

pub(crate) fn note(text: impl Into<String>) -> Entry {
    Entry::new(at(0), Actor::SYSTEM, Event::Note { text: text.into() })
}

pub(crate) fn keyed(name: &str) -> Entry {
    note(name).keyed(UniqueKey::of("test", name.as_bytes()))
}

pub(crate) struct Scratch {
    pub(crate) dir: TempDir,
    pub(crate) path: PathBuf,
}

/// A place for a log.
pub(crate) fn scratch() -> Scratch {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    Scratch { dir, path }
}

/// A log of `n` notes named by their index.
pub(crate) fn log_of(n: u64) -> (Scratch, Log) {
    let place = scratch();
    let log = Log::create(&place.path, &mut SeededRng::from_u64(1)).unwrap();
    let entries: Vec<_> = (0..n).map(|i| note(i.to_string())).collect();
    log.append_all(&entries).unwrap();
    (place, log)
}

pub(crate) fn texts(log: &Log) -> Vec<String> {
    let size = log.size().unwrap();
    log.entries(0..size)
        .map(|r| match r.unwrap().entry().unwrap().event {
            Event::Note { text } => text,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// This test binary again, running only the test `name`, which does its part when it sees `LEDGER_CHILD`.
pub(crate) fn child(name: &str, argument: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env("LEDGER_CHILD", argument);
    command
}

pub(crate) fn child_argument() -> Option<String> {
    std::env::var("LEDGER_CHILD").ok()
}
