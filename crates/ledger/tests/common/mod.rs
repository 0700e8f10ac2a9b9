//! What several suites need: keys, entries, a fresh log, and children of the test binary.
//!
//! The suites run on files, and where `MEDIVEIL_TEST_POSTGRES` names a server, on schemas of it, all but the tests that are about
//! the file itself. `cargo xtask test` does both.

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

/// A place for a log in a file.
pub(crate) fn scratch_file() -> Scratch {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    Scratch { dir, path }
}

/// A place for a log: in a file, or in a schema of its own on the server that is named for tests.
pub(crate) fn scratch() -> Scratch {
    let file = scratch_file();
    match postgres::schema() {
        Some(path) => Scratch { path: path.into(), ..file },
        None => file,
    }
}

#[cfg(feature = "postgres")]
pub(crate) mod postgres {
    use postgres::{Client, NoTls};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The server for tests.
    pub(crate) fn server() -> Option<String> {
        std::env::var("MEDIVEIL_TEST_POSTGRES").ok()
    }

    /// Another connection than the log's.
    pub(crate) fn client(address: &str) -> Client {
        Client::connect(address, NoTls).unwrap()
    }

    /// The address of a new schema.
    pub(crate) fn schema() -> Option<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server()?;
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        client(&server).batch_execute(&format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")).unwrap();
        Some(format!("{server}&options=-csearch_path%3D{name}"))
    }
}

#[cfg(not(feature = "postgres"))]
pub(crate) mod postgres {
    pub(crate) fn server() -> Option<String> {
        None
    }

    pub(crate) fn schema() -> Option<String> {
        None
    }
}

/// A log of `n` notes named by their index, in a file.
pub(crate) fn file_of(n: u64) -> (Scratch, Log) {
    fill(scratch_file(), n)
}

/// A log of `n` notes named by their index.
pub(crate) fn log_of(n: u64) -> (Scratch, Log) {
    fill(scratch(), n)
}

fn fill(place: Scratch, n: u64) -> (Scratch, Log) {
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
