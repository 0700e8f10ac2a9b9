//! The queue for commits under a scheduler that decides at every lock, wait and atomic which thread goes on: random orders,
//! and orders with few but well-placed switches (probabilistic concurrency testing, Burckhardt et al., ASPLOS 2010).
//!
//! It is the real queue on a real file; only its locks are the scheduler's. A wait whose end is never announced is a
//! deadlock here, since time does not pass. A failure prints the schedule that leads to it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::{Actor, Entry, Event, Log, LogError, Options, UniqueKey};
use mediveil_rng::SeededRng;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const ORDERS: usize = 60;

/// Runs `model` under many orders.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let model = Arc::new(model);
    let mut config = Config::new();
    // SQLite runs on the threads' stacks.
    config.stack_size = 0x8_0000;
    let again = model.clone();
    Runner::new(RandomScheduler::new_from_seed(1, ORDERS), config.clone()).run(move || again());
    Runner::new(PctScheduler::new_from_seed(2, 3, ORDERS), config).run(move || model());
}

struct Place {
    log: Log,
    // After the log, so that the file is closed before its folder goes.
    _folder: tempfile::TempDir,
}

fn place(options: Options) -> Arc<Place> {
    let folder = tempfile::tempdir().unwrap();
    let log = options.create(folder.path().join("log"), &mut SeededRng::from_u64(1)).unwrap();
    Arc::new(Place { log, _folder: folder })
}

fn entry(event: Event) -> Entry {
    Entry::new(mediveil_codec::Timestamp::from_seconds(1_800_000_000).unwrap(), Actor::SYSTEM, event)
}

fn note(text: impl Into<String>) -> Entry {
    entry(Event::Note { text: text.into() })
}

fn keyed(name: &str) -> Entry {
    note(name).keyed(UniqueKey::of("test", name.as_bytes()))
}

/// As large as an entry may be.
fn receipt() -> Entry {
    entry(Event::Erased { receipt: vec![0; Event::MAX_BYTES] })
}

fn together<T: Send + 'static>(threads: impl IntoIterator<Item = Box<dyn FnOnce() -> T + Send>>) -> Vec<T> {
    let threads: Vec<_> = threads.into_iter().map(thread::spawn).collect();
    threads.into_iter().map(|t| t.join().unwrap()).collect()
}

/// What another connection sees of the log at this moment.
fn sees(log: &Log, index: u64, entry: &Entry) -> bool {
    log.size().unwrap() > index && log.entry(index).unwrap().entry().unwrap() == *entry
}

#[test]
fn what_append_returned_is_committed_and_has_a_place_of_its_own() {
    explore(|| {
        let place = place(Options::new());
        let writer = |name: &'static str| {
            let place = place.clone();
            Box::new(move || {
                let entry = keyed(name);
                let index = place.log.append(&entry).unwrap().index;
                assert!(sees(&place.log, index, &entry), "returned before its commit");
                // All ask for this one: it is recorded once, in whichever commit.
                (index, place.log.append(&keyed("shared")).unwrap().index)
            }) as Box<dyn FnOnce() -> (u64, u64) + Send>
        };
        let places = together([writer("a"), writer("b"), writer("c")]);
        let shared = places.first().unwrap().1;
        assert!(places.iter().all(|p| p.1 == shared));
        let mut all: Vec<u64> = places.iter().map(|p| p.0).chain([shared]).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
        assert_eq!(place.log.size().unwrap(), 4);
    });
}

#[test]
fn a_job_that_fails_or_panics_is_undone_alone() {
    explore(|| {
        let place = place(Options::new());
        let good = |name: &'static str| {
            let place = place.clone();
            Box::new(move || {
                let entry = note(name);
                let index = place.log.append(&entry).unwrap().index;
                assert!(sees(&place.log, index, &entry));
            }) as Box<dyn FnOnce() + Send>
        };
        let failing = {
            let place = place.clone();
            Box::new(move || {
                let outcome = place.log.transaction(|tx| -> Result<(), LogError> {
                    tx.append(&note("undone"))?;
                    Err(LogError::Full)
                });
                assert_eq!(outcome, Err(LogError::Full));
            }) as Box<dyn FnOnce() + Send>
        };
        let panicking = {
            let place = place.clone();
            Box::new(move || {
                let work = || {
                    place.log.transaction(|tx| -> Result<(), LogError> {
                        tx.append(&note("undone"))?;
                        std::panic::resume_unwind(Box::new("a caller's fault"))
                    })
                };
                assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
            }) as Box<dyn FnOnce() + Send>
        };
        together([good("a"), failing, panicking, good("b")]);
        assert_eq!(place.log.size().unwrap(), 2);
        assert_eq!(place.log.verify_all().unwrap().state.size, 2);
    });
}

#[test]
fn when_a_transaction_breaks_all_that_shared_it_hear_of_it_and_nobody_else() {
    let shared = Arc::new(AtomicU32::new(0));
    let counter = shared.clone();
    explore(move || {
        // The file may not grow far enough for the large entries: SQLite undoes the whole transaction.
        let place = place(Options::new().max_pages(24));
        let small = |name: &'static str| {
            let (place, counter) = (place.clone(), counter.clone());
            Box::new(move || {
                let entry = note(name);
                match place.log.append(&entry) {
                    Ok(appended) => {
                        assert!(sees(&place.log, appended.index, &entry));
                        1u64
                    }
                    Err(LogError::Full) => {
                        counter.fetch_add(1, Ordering::Relaxed);
                        0
                    }
                    Err(other) => panic!("{other}"),
                }
            }) as Box<dyn FnOnce() -> u64 + Send>
        };
        let large = {
            let place = place.clone();
            Box::new(move || {
                assert_eq!(place.log.append_all(&[receipt(), receipt()]).err(), Some(LogError::Full));
                0u64
            }) as Box<dyn FnOnce() -> u64 + Send>
        };
        let kept: u64 = together([small("a"), large, small("b")]).into_iter().sum();
        place.log.append(&note("the log goes on")).unwrap();
        assert_eq!(place.log.verify_all().unwrap().state.size, kept + 1);
    });
    assert!(shared.load(Ordering::Relaxed) > 0, "some order lets a small entry share the transaction");
}

#[test]
fn a_follower_is_always_woken() {
    explore(|| {
        let place = place(Options::new());
        let follower = {
            let place = place.clone();
            thread::spawn(move || {
                let group = place.log.group().unwrap();
                // Here a time limit never passes: only the announcement ends this wait.
                group.wait_beyond(1, Duration::from_secs(3600));
                assert!(place.log.size().unwrap() > 1);
            })
        };
        let writer = |name: &'static str| {
            let place = place.clone();
            Box::new(move || assert!(place.log.append(&note(name)).is_ok())) as Box<dyn FnOnce() + Send>
        };
        together([writer("a"), writer("b")]);
        follower.join().unwrap();
    });
}
