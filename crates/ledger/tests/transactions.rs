//! Appending: group commit, unique keys, and transactions that callers share with the log.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{at, file_of, keyed, log_of, note, scratch, scratch_file, texts};
use mediveil_ledger::{Appended, Event, Log, LogError, Options, TooLong, Tx};
use mediveil_rng::SeededRng;
use std::sync::{Barrier, mpsc};
use std::time::Duration;

#[test]
fn appends_are_numbered_and_read_back() {
    let (_place, log) = log_of(0);
    assert_eq!(log.append(&note("a")), Ok(Appended { index: 0, fresh: true }));
    let two = log.append_all(&[note("b"), note("c")]).unwrap();
    assert_eq!(two.iter().map(|a| a.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(texts(&log), ["a", "b", "c"]);
    assert_eq!(log.entries(1..2).count(), 1);
    assert_eq!(log.append_all(&[]), Ok(Vec::new()));
    assert_eq!(log.verify_all().unwrap().state, log.checkpoint().unwrap());
}

#[test]
fn a_log_is_made_once_and_opened_only_where_it_is() {
    let place = scratch();
    assert_eq!(Log::open(&place.path).unwrap_err(), LogError::NotFound);
    assert_eq!(Log::open_read_only(&place.path).unwrap_err(), LogError::NotFound);
    let log = Log::create(&place.path, &mut SeededRng::from_u64(1)).unwrap();
    assert_eq!(Log::create(&place.path, &mut SeededRng::from_u64(2)).unwrap_err(), LogError::Exists);
    assert_eq!(Log::open(&place.path).unwrap().id(), log.id());
}

#[test]
fn what_is_no_log_is_neither_opened_nor_overwritten() {
    let place = scratch_file();
    let text = place.dir.path().join("text");
    std::fs::write(&text, "not a database at all, and long enough to be looked at as one".repeat(20)).unwrap();
    assert_eq!(Log::open(&text).unwrap_err(), LogError::NotALog);
    assert_eq!(Log::create(&text, &mut SeededRng::from_u64(1)).unwrap_err(), LogError::NotALog);
    let foreign = place.dir.path().join("foreign");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert_eq!(Log::open(&foreign).unwrap_err(), LogError::NotALog);
    assert_eq!(Log::create(&foreign, &mut SeededRng::from_u64(1)).unwrap_err(), LogError::NotALog);
    assert_eq!(std::fs::read(&foreign).unwrap(), before, "a stranger's database stays as it is");
    let newer = place.dir.path().join("newer");
    drop(Log::create(&newer, &mut SeededRng::from_u64(1)).unwrap());
    rusqlite::Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    assert_eq!(Log::open(&newer).unwrap_err(), LogError::Format(2));
}

#[test]
fn a_commit_reaches_the_disk_before_it_is_reported() {
    let (_place, log) = log_of(1);
    let settings = log
        .transaction(|tx| -> Result<_, LogError> {
            let ask = |sql| tx.db().first(sql, &[], |row| row.text(0));
            Ok(match tx.db().sqlite() {
                Some(sqlite) => {
                    let level: i64 = sqlite.query_row("PRAGMA synchronous", [], |r| r.get(0))?;
                    (ask("PRAGMA journal_mode")?, Some(level.to_string()))
                }
                None => {
                    let synchronous = "SELECT current_setting('synchronous_commit')";
                    (ask("SELECT current_setting('fsync')")?, ask(synchronous)?)
                }
            })
        })
        .unwrap();
    let expected = if common::postgres::server().is_some() { ("on", "on") } else { ("wal", "2") };
    assert_eq!(settings, (Some(expected.0.into()), Some(expected.1.into())));
}

#[test]
fn a_unique_key_records_once() {
    let (_place, log) = log_of(3);
    let mut entry = keyed("once");
    assert_eq!(log.append(&entry), Ok(Appended { index: 3, fresh: true }));
    entry.at = at(100);
    assert_eq!(log.append(&entry), Ok(Appended { index: 3, fresh: false }), "the time of the attempt does not matter");
    let both = log.append_all(&[keyed("twice"), entry.clone(), keyed("twice")]).unwrap();
    assert_eq!(both.iter().map(|a| (a.index, a.fresh)).collect::<Vec<_>>(), [(4, true), (3, false), (4, false)]);
    entry.event = Event::Note { text: "something else".into() };
    assert_eq!(log.append(&entry), Err(LogError::KeyTaken { index: 3 }));
    assert_eq!(log.size(), Ok(5));
    assert_eq!(log.find(&entry.key.unwrap()).unwrap().unwrap().index, 3);
    assert_eq!(log.find(&keyed("never").key.unwrap()), Ok(None));
    log.verify_all().unwrap();
}

#[test]
fn parts_over_their_limits_are_refused_and_leave_nothing() {
    let (_place, log) = log_of(0);
    let refused = TooLong { field: "note", found: 1025, limit: 1024 };
    assert_eq!(log.append_all(&[note("fits"), note("x".repeat(1025))]), Err(LogError::TooLong(refused)));
    let receipt = Event::Erased { receipt: vec![0; Event::MAX_BYTES + 1] };
    let mut entry = note("");
    entry.event = receipt;
    assert!(matches!(log.append(&entry), Err(LogError::TooLong(TooLong { field: "receipt", .. }))));
    entry.event = Event::Erased { receipt: vec![0; Event::MAX_BYTES] };
    log.append(&entry).unwrap();
    assert_eq!(log.size(), Ok(1));
    assert_eq!(log.entry(0).unwrap().entry().unwrap(), entry);
}

fn with_purse(log: &Log, units: i64) {
    log.transaction(|tx| -> Result<(), LogError> {
        tx.db().define("CREATE TABLE test_purse (units INTEGER NOT NULL)")?;
        tx.db().execute("INSERT INTO test_purse VALUES (?1)", &[units.into()])?;
        Ok(())
    })
    .unwrap();
}

fn units(tx: &mut Tx<'_, '_>) -> Result<i64, LogError> {
    Ok(tx.db().first("SELECT units FROM test_purse", &[], |row| row.int(0))?.unwrap())
}

fn purse(log: &Log) -> i64 {
    log.transaction(units).unwrap()
}

/// Takes a unit and records it, or refuses: the shape of every debit.
fn spend(log: &Log, name: &str) -> Result<Appended, LogError> {
    log.transaction(|tx| {
        if units(tx)? == 0 {
            return Err(LogError::Storage("spent".into()));
        }
        tx.db().execute("UPDATE test_purse SET units = units - 1", &[])?;
        tx.append(&note(name))
    })
}

#[test]
fn own_tables_and_entries_change_together_or_not_at_all() {
    let (_place, log) = log_of(0);
    with_purse(&log, 2);
    assert_eq!(spend(&log, "a").unwrap().index, 0);
    let undone = log.transaction(|tx| {
        tx.db().execute("UPDATE test_purse SET units = 0", &[])?;
        assert_eq!(tx.append(&note("lost"))?.index, 1);
        assert_eq!(tx.size(), 2);
        assert_eq!(tx.entry(1)?.entry()?, note("lost"));
        Err::<(), _>(LogError::Storage("changed my mind".into()))
    });
    assert_eq!(undone, Err(LogError::Storage("changed my mind".into())));
    assert_eq!((purse(&log), texts(&log)), (1, vec!["a".into()]));
    let panicked = std::panic::catch_unwind(|| {
        log.transaction(|tx| -> Result<(), LogError> {
            tx.db().execute("UPDATE test_purse SET units = 0", &[])?;
            tx.append(&note("lost"))?;
            panic!("in the middle");
        })
    });
    assert!(panicked.is_err());
    assert_eq!((purse(&log), texts(&log)), (1, vec!["a".into()]));
    spend(&log, "b").unwrap();
    assert!(spend(&log, "c").is_err());
    assert_eq!((purse(&log), texts(&log)), (0, vec!["a".into(), "b".into()]));
    log.verify_all().unwrap();
}

/// An error of the log's own that the closure swallows must not leave half an append behind.
#[test]
fn a_swallowed_failure_of_an_append_undoes_the_transaction() {
    let place = scratch_file();
    let log = Options::new().max_pages(24).create(&place.path, &mut SeededRng::from_u64(1)).unwrap();
    with_purse(&log, 1);
    let mut big = note("");
    big.event = Event::Erased { receipt: vec![1; Event::MAX_BYTES] };
    let swallowed = log.transaction(|tx| {
        tx.db().execute("UPDATE test_purse SET units = 0", &[])?;
        let _ = tx.append(&big);
        let _ = tx.append(&big);
        Ok::<_, LogError>(())
    });
    assert_eq!(swallowed, Err(LogError::Full));
    assert_eq!((purse(&log), log.size()), (1, Ok(0)));
    log.append(&note("small")).unwrap();
    log.verify_all().unwrap();
}

#[test]
fn sql_of_callers_stays_off_the_log_and_the_transaction() {
    let (_place, log) = file_of(2);
    for sql in [
        "DELETE FROM ledger_entry",
        "UPDATE ledger_node SET hash = x'00'",
        "INSERT INTO Ledger_Key VALUES (x'00', 1)",
        "DROP TABLE ledger_head",
        "ALTER TABLE ledger_head ADD COLUMN x",
        "CREATE TRIGGER t AFTER INSERT ON ledger_entry BEGIN SELECT 1; END",
        "CREATE INDEX i ON ledger_entry (body)",
        "CREATE TABLE ledger_mine (x)",
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "RELEASE ledger_job",
        "ROLLBACK TO ledger_job",
        "ATTACH ':memory:' AS other",
        "PRAGMA synchronous = OFF",
        "PRAGMA user_version = 9",
    ] {
        let refused = log.transaction(|tx| -> Result<(), LogError> {
            tx.append(&note("not recorded"))?;
            tx.db().define(sql)
        });
        assert_eq!(refused, Err(LogError::Forbidden), "{sql}");
    }
    assert_eq!(texts(&log), ["0", "1"]);
    log.transaction(|tx| tx.db().define("SELECT count(*) FROM ledger_entry; SAVEPOINT mine; RELEASE mine")).unwrap();
    log.verify_all().unwrap();
}

#[test]
fn errors_of_sql_do_not_repeat_the_statement() {
    let (_place, log) = log_of(0);
    let failed =
        log.transaction(|tx| -> Result<(), LogError> { tx.db().define("INSERT INTO absent VALUES ('Mrs Example')") });
    let Err(LogError::Storage(text)) = failed else { panic!("{failed:?}") };
    assert!(text.starts_with("no such table") && text.contains("absent") && !text.contains("Example"), "{text}");
}

#[test]
fn a_transaction_within_a_transaction_is_refused() {
    let (_place, log) = log_of(1);
    let nested = log.transaction(|tx| {
        tx.append(&note("outer"))?;
        assert_eq!(log.append(&note("inner")), Err(LogError::Nested));
        assert_eq!(log.size(), Ok(1), "reading shows the state before");
        Ok::<_, LogError>(())
    });
    assert_eq!(nested, Ok(()));
    assert_eq!(texts(&log), ["0", "outer"]);
}

/// While one job holds the lock, others queue; when it ends, all of them go to disk in one commit, each with its own fate.
#[test]
fn jobs_that_wait_share_a_commit_and_fail_alone() {
    let (_place, log) = log_of(0);
    let before = commits(&log);
    let (started, go) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|s| {
        s.spawn(|| {
            log.transaction(|tx| {
                started.wait();
                go.wait();
                tx.append(&note("first"))
            })
            .unwrap();
        });
        started.wait();
        let waiting: Vec<_> = (0..8)
            .map(|i| {
                let log = &log;
                s.spawn(move || {
                    log.transaction(|tx| {
                        let appended = tx.append(&note(format!("{i}")))?;
                        match i {
                            3 => Err(LogError::Storage("refused".into())),
                            5 => panic!("five"),
                            _ => Ok(appended.index),
                        }
                    })
                })
            })
            .collect();
        // Until all of them stand in the queue there is nothing to see; they need no more than this.
        std::thread::sleep(Duration::from_millis(300));
        go.wait();
        let ends: Vec<_> = waiting.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        assert!(ends[5].is_err());
        assert_eq!(*ends[3].as_ref().unwrap(), Err(LogError::Storage("refused".into())));
        let mut indices: Vec<_> = ends.iter().flatten().flatten().copied().collect();
        indices.sort_unstable();
        assert_eq!(indices, [1, 2, 3, 4, 5, 6], "no gap where a job failed");
    });
    assert_eq!(log.size(), Ok(7));
    let spent = commits(&log).zip(before).map(|(after, before)| after - before);
    assert!(spent.is_none_or(|spent| spent <= 4), "seven durable transactions took {spent:?} commits");
    log.verify_all().unwrap();
}

/// How often the file was committed to, from SQLite's own counter as another connection sees it.
fn commits(log: &Log) -> Option<i64> {
    if common::postgres::server().is_some() {
        return None;
    }
    thread_local! {
        static SEEN: std::cell::OnceCell<rusqlite::Connection> = const { std::cell::OnceCell::new() };
    }
    SEEN.with(|seen| {
        let conn = seen.get_or_init(|| rusqlite::Connection::open(log.path()).unwrap());
        Some(conn.query_row("PRAGMA data_version", [], |r| r.get(0)).unwrap())
    })
}

#[test]
fn followers_see_every_entry_once_from_any_writer() {
    let (place, log) = log_of(3);
    let elsewhere = Log::open(&place.path).unwrap();
    let (send, receive) = mpsc::channel();
    std::thread::scope(|s| {
        let mut follow = log.follow(1);
        s.spawn(move || {
            for record in follow.by_ref().take(42) {
                let record = record.unwrap();
                send.send((record.index, record.entry().unwrap().event)).unwrap();
            }
            assert_eq!(follow.position(), 43);
            assert_eq!(follow.wait(Duration::from_millis(5)), Ok(None));
        });
        for i in 3..23 {
            log.append(&note(i.to_string())).unwrap();
            elsewhere.append(&note("from elsewhere")).unwrap();
        }
    });
    let seen: Vec<_> = receive.iter().collect();
    assert!(seen.iter().map(|(i, _)| *i).eq(1..43));
    assert!(seen[2..].iter().all(|(_, e)| matches!(e, Event::Note { .. })));
    // A reader follows as well, and what does not exist yet is nothing.
    let mut reader = Log::open_read_only(&place.path).unwrap().follow(42);
    assert_eq!(reader.poll().unwrap().unwrap().index, 42);
    assert_eq!(reader.poll(), Ok(None));
    assert_eq!(log.follow(1000).poll(), Ok(None));
}

#[test]
fn a_reader_cannot_write() {
    let (place, log) = log_of(2);
    let reader = Log::open_read_only(&place.path).unwrap();
    assert_eq!(reader.append(&note("x")), Err(LogError::ReadOnly));
    assert_eq!(reader.head(at(0), &common::operator()), Err(LogError::ReadOnly));
    assert_eq!(reader.checkpoint(), log.checkpoint());
    log.append(&note("2")).unwrap();
    assert_eq!(texts(&reader), ["0", "1", "2"]);
    reader.verify_all().unwrap();
}

#[test]
fn a_lock_that_is_held_too_long_is_reported() {
    let (place, log) = log_of(1);
    let other = Options::new().busy_timeout(Duration::from_millis(30)).open(&place.path).unwrap();
    log.transaction(|tx| {
        tx.append(&note("1"))?;
        assert_eq!(other.append(&note("x")), Err(LogError::Busy));
        assert_eq!(other.size(), Ok(1), "reading goes on");
        Ok::<_, LogError>(())
    })
    .unwrap();
    assert_eq!(other.append(&note("2")).unwrap().index, 2);
}
