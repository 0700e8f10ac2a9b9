//! Crashes and crowds: child processes that are killed, threads and processes that race, files that are torn.
//!
//! Children are this test binary again, told by an environment variable what to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::*;
use mediveil_codec::Wire;
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Budget, Debit, Epsilon, Refused};
use mediveil_ledger::{Actor, Event, Log};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ROLE: &str = "MEDIVEIL_DP_TEST_CHILD";

/// A child that works on a log and writes what it has to say into a directory.
fn spawn(role: &str, log: &Path, notes: &Path, argument: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--test-threads=1", "--nocapture"])
        .env(ROLE, role)
        .env("MEDIVEIL_DP_TEST_PATH", log)
        .env("MEDIVEIL_DP_TEST_NOTES", notes)
        .env("MEDIVEIL_DP_TEST_ARGUMENT", argument.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a child does. Does nothing when run as a test.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let path = std::env::var("MEDIVEIL_DP_TEST_PATH").unwrap();
    let notes = std::path::PathBuf::from(std::env::var("MEDIVEIL_DP_TEST_NOTES").unwrap());
    let argument: u64 = std::env::var("MEDIVEIL_DP_TEST_ARGUMENT").unwrap().parse().unwrap();
    let log = Log::open(&path).unwrap();
    let budget = Budget::open(&log, &DATA_SET, Actor::SYSTEM).unwrap();
    let t = table(5);
    match role.as_str() {
        // Asks one query after another until killed, and notes what it released.
        "asker" => {
            let mut released =
                std::fs::OpenOptions::new().append(true).create(true).open(notes.join("released")).unwrap();
            for version in argument.. {
                let plan = count_for_units(version, 3);
                if let Ok(answer) = budget.ask(&plan, &t, now()) {
                    let hex: String = answer.encode().iter().map(|b| format!("{b:02x}")).collect();
                    released.write_all(format!("{version} {hex}\n").as_bytes()).unwrap();
                }
            }
        }
        // Tries for single units until refused.
        "racer" => {
            let mut won = 0u64;
            for n in 0..1000 {
                match budget.reserve(&count_for_units(argument * 10_000 + n, 1), now()) {
                    Ok(_) => won += 1,
                    Err(Refused::OverBudget { .. }) => break,
                    Err(Refused::Log(mediveil_ledger::LogError::Busy)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            std::fs::write(notes.join(format!("won{argument}")), won.to_string()).unwrap();
        }
        _ => panic!(),
    }
}

/// The sum over the history, from the entries alone and in wide integers: spent units, number of debits.
fn independent_sum(log: &Log) -> (u128, usize) {
    let mut seen = BTreeSet::new();
    let mut sum = 0u128;
    for record in log.entries(0..u64::MAX) {
        if let Event::Budget { kind, body, .. } = record.unwrap().entry().unwrap().event
            && kind.as_str() == "debited"
        {
            let debit = Debit::decode(&body).unwrap();
            assert!(seen.insert(debit.query), "debited twice");
            sum += u128::from(debit.cost.units().0);
            assert_eq!(u128::from(debit.total.units().0), sum);
        }
    }
    (sum, seen.len())
}

fn units(n: u64) -> Cost {
    Cost::Pure(Epsilon::from_units(n).unwrap())
}

#[test]
fn killed_at_random_points_nothing_is_lost_and_nothing_spent_twice() {
    let f = with_cap(units(1 << 40));
    let (path, notes) = (f.log.path().to_owned(), f.dir.path());
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut released: BTreeMap<u64, String> = BTreeMap::new();
    let mut resumed = 0;
    let mut next = 0u64;
    for round in 0..40u64 {
        let before = f.log.size().unwrap();
        let mut asker = spawn("asker", &path, notes, next);
        // It is at work once the log grows; then it is killed somewhere within the next few queries.
        let mut waited = 0;
        while f.log.size().unwrap() == before && waited < 3000 {
            std::thread::sleep(Duration::from_millis(2));
            waited += 1;
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((random >> 33) % 30_000));
        asker.kill().unwrap();
        asker.wait().unwrap();

        let log = Log::open(&path).unwrap();
        let budget = Budget::open(&log, &DATA_SET, Actor::SYSTEM).unwrap();
        let audit = budget.audit().unwrap();
        assert_eq!(audit.findings, [], "round {round}");
        let (sum, debits) = independent_sum(&log);
        assert_eq!((sum, audit.spent.0), (u128::from(audit.debits) * 3, sum));
        assert_eq!(budget.spent().unwrap(), Some(units(u64::try_from(sum).unwrap())));

        // What was released is what is stored, to the byte; a line cut short by the kill was never released.
        let text = std::fs::read_to_string(notes.join("released")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            if let Some((version, hex)) = line.split_once(' ') {
                released.insert(version.parse().unwrap(), hex.to_owned());
            }
        }
        for (version, hex) in released.range(next..) {
            let answer = budget.ask(&count_for_units(*version, 3), &table(5), now()).unwrap();
            assert_eq!(answer.encode().iter().map(|b| format!("{b:02x}")).collect::<String>(), *hex);
        }
        // A debit without an answer is resumed, at no further cost.
        if audit.answered < audit.debits {
            assert_eq!(audit.debits - audit.answered, 1);
            budget.ask(&count_for_units(audit.debits - 1, 3), &table(5), now()).unwrap();
            resumed += 1;
        }
        let after = budget.audit().unwrap();
        assert_eq!((after.debits, after.answered), (audit.debits, audit.debits));
        assert_eq!(independent_sum(&log), (sum, debits));
        next = audit.debits;
        let _ = std::fs::remove_file(notes.join("released"));
    }
    println!("{next} debits, {resumed} resumed");
    assert!(next >= 40);
}

#[test]
fn sixty_four_threads_race_for_the_last_unit() {
    let f = with_cap(units(100));
    let won: u64 = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..64u64)
            .map(|racer| {
                let budget = f.budget.clone();
                scope.spawn(move || {
                    let tries = (0..4).map(|n| budget.reserve(&count_for_units(racer * 100 + n, 1), now()));
                    tries
                        .filter(|r| !matches!(r, Err(Refused::OverBudget { .. })))
                        .map(|r| r.map(|_| 1).unwrap())
                        .sum::<u64>()
                })
            })
            .collect();
        racers.into_iter().map(|r| r.join().unwrap()).sum()
    });
    assert_eq!(won, 100);
    assert_eq!(independent_sum(&f.log), (100, 100));
    assert_eq!(f.budget.audit().unwrap().findings, []);
}

#[test]
fn eight_processes_race_for_the_last_unit() {
    let f = with_cap(units(120));
    let (path, notes) = (f.log.path().to_owned(), f.dir.path());
    let racers: Vec<Child> = (0..8).map(|n| spawn("racer", &path, notes, n)).collect();
    for mut racer in racers {
        assert!(racer.wait().unwrap().success());
    }
    let won: u64 =
        (0..8).map(|n| std::fs::read_to_string(notes.join(format!("won{n}"))).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(won, 120);
    assert_eq!(independent_sum(&f.log), (120, 120));
    assert_eq!(f.budget.audit().unwrap().findings, []);
}

#[test]
fn many_ask_the_same_and_get_the_same_for_one_debit() {
    let f = with_cap(units(100));
    let t = table(5);
    let answers: BTreeSet<Vec<u8>> = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..16)
            .map(|_| {
                let (budget, t) = (f.budget.clone(), &t);
                scope.spawn(move || budget.ask(&count_for_units(1, 60), t, now()).unwrap().encode())
            })
            .collect();
        askers.into_iter().map(|a| a.join().unwrap()).collect()
    });
    assert_eq!(answers.len(), 1);
    assert_eq!(independent_sum(&f.log), (60, 1));
}

/// The write-ahead log cut at any length: a prefix of the history, whole, and never a debit in part.
#[test]
fn a_torn_tail_leaves_a_whole_prefix() {
    let f = in_a_file(terms(units(1000)));
    let t = table(2);
    for version in 0..6 {
        f.budget.ask(&count_for_units(version, 7), &t, now()).unwrap();
    }
    let path = f.log.path();
    let wal = std::fs::read(path.with_file_name("events.log-wal")).unwrap();
    let mut seen = BTreeSet::new();
    for cut in 0..12usize {
        let torn = tempfile::tempdir().unwrap();
        let copy = torn.path().join("events.log");
        std::fs::copy(path, &copy).unwrap();
        let mut tail = wal[..wal.len() - wal.len() * cut / 14].to_vec();
        if cut % 3 == 2 {
            // Not only cut, but garbage where the last bytes were.
            let end = tail.len();
            tail[end.saturating_sub(700)..].fill(0xa5);
        }
        std::fs::write(copy.with_file_name("events.log-wal"), tail).unwrap();
        let Ok(log) = Log::open(&copy) else { continue };
        let Ok(budget) = Budget::open(&log, &DATA_SET, Actor::SYSTEM) else { continue };
        let audit = budget.audit().unwrap();
        assert_eq!(audit.findings, []);
        let (sum, debits) = independent_sum(&log);
        assert_eq!((audit.spent.0, sum), (sum, debits as u128 * 7));
        seen.insert(debits);
        // And it goes on.
        budget.ask(&count_for_units(99, 7), &t, now()).unwrap();
    }
    assert!(seen.contains(&6) && seen.len() >= 3, "{seen:?}");
}
