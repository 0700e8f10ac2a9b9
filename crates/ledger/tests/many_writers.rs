//! Threads and processes on one log: nothing lost, nothing twice, everything in one order.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{child, child_argument, keyed, log_of, texts};
use mediveil_ledger::{Log, LogError};
use std::collections::BTreeMap;
use std::process::Stdio;

const NUMBERS: std::ops::Range<u32> = 0..60;

/// Appends from four threads; prints where each entry went.
#[test]
fn child_appends_from_four_threads() {
    let Some(argument) = child_argument() else { return };
    let (path, process) = argument.split_once('|').unwrap();
    let log = Log::open(path).unwrap();
    for (name, index) in append_from(&log, 4, process) {
        println!("\nack {index} {name}");
    }
}

fn append_from(log: &Log, threads: u32, process: &str) -> Vec<(String, u64)> {
    std::thread::scope(|s| {
        let writers: Vec<_> = (0..threads)
            .map(|thread| {
                s.spawn(move || {
                    let one = |i| {
                        let name = format!("{process}.{thread}.{i}");
                        let index = log.append(&keyed(&name)).unwrap().index;
                        // Everyone also asks for what all share: it is recorded once.
                        log.append(&keyed(&format!("shared {i}"))).unwrap();
                        (name, index)
                    };
                    NUMBERS.map(one).collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    })
}

#[test]
fn sixteen_threads_and_four_processes_lose_and_repeat_nothing() {
    let (place, log) = log_of(0);
    let children: Vec<_> = (1..=4)
        .map(|process| {
            let argument = format!("{}|{process}", place.path.display());
            child("child_appends_from_four_threads", &argument).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    let mut total = 0;
    for (name, index) in append_from(&log, 16, "0") {
        total += 1;
        acknowledged.insert(index, name);
    }
    for process in children {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let Some(rest) = line.strip_prefix("ack ") else { continue };
            let (index, name) = rest.split_once(' ').unwrap();
            total += 1;
            acknowledged.insert(index.parse().unwrap(), name.to_owned());
        }
    }
    let numbers = NUMBERS.len();
    assert_eq!(total, 32 * numbers);
    assert_eq!(acknowledged.len(), 32 * numbers, "every entry has a place of its own");
    let present = texts(&log);
    assert_eq!(present.len(), 33 * numbers, "each shared entry once");
    for (index, name) in &acknowledged {
        assert_eq!(&present[usize::try_from(*index).unwrap()], name);
    }
    // Each writer's entries are in the order in which it appended them.
    let mut last: BTreeMap<&str, u32> = BTreeMap::new();
    for name in acknowledged.values() {
        let (writer, i) = name.rsplit_once('.').unwrap();
        let i: u32 = i.parse().unwrap();
        assert!(last.insert(writer, i).is_none_or(|before| before < i), "{name}");
    }
    assert_eq!(usize::try_from(log.verify_all().unwrap().state.size).unwrap(), 33 * numbers);
}

/// Takes one of the units that are left, from many threads.
#[test]
fn child_spends() {
    let Some(path) = child_argument() else { return };
    spend(&Log::open(path).unwrap());
}

fn spend(log: &Log) {
    std::thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                for i in 0..20 {
                    let spent = log.transaction(|tx| {
                        let left = tx.db().first("SELECT units FROM test_purse", &[], |row| row.int(0))?.unwrap();
                        if left == 0 {
                            return Ok(false);
                        }
                        tx.db().execute("UPDATE test_purse SET units = ?1", &[(left - 1).into()])?;
                        tx.append(&common::note(format!("{i}")))?;
                        Ok::<_, LogError>(true)
                    });
                    spent.unwrap();
                }
            });
        }
    });
}

#[test]
fn racing_for_the_last_unit_never_overspends() {
    let (place, log) = log_of(0);
    log.transaction(|tx| {
        tx.db().define("CREATE TABLE test_purse (units INTEGER); INSERT INTO test_purse VALUES (400)")
    })
    .unwrap();
    let children: Vec<_> = (0..3)
        .map(|_| child("child_spends", place.path.to_str().unwrap()).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    spend(&log);
    for mut process in children {
        assert!(process.wait().unwrap().success());
    }
    // 4 processes, 8 threads, 20 attempts each: 640 for 400 units.
    assert_eq!(log.size(), Ok(400));
    let left = log.snapshot(|db| db.first("SELECT units FROM test_purse", &[], |row| row.int(0))).unwrap();
    assert_eq!(left, Some(0));
    log.verify_all().unwrap();
}
