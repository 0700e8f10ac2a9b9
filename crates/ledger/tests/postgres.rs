//! What PostgreSQL adds to the suites that run on files and on it alike: a server that ends connections, clients that die with
//! the lock, and whoever else can write to the tables.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::postgres::{client, server};
use common::{at, child, child_argument, keyed, log_of, note, operator, scratch, texts};
use mediveil_ledger::{Damage, Log, LogError, Options};
use mediveil_rng::SeededRng;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Barrier;
use std::time::Duration;

/// Whether there is a server; says so where there is none.
fn there_is_a_server() -> bool {
    if server().is_none() {
        println!("SKIPPED: MEDIVEIL_TEST_POSTGRES names no server (cargo xtask test starts one)");
    }
    server().is_some()
}

#[test]
fn an_address_that_leads_nowhere_is_an_error() {
    let nowhere = tempfile::tempdir().unwrap();
    let address = format!("postgres:///none?host={}", nowhere.path().display().to_string().replace('/', "%2F"));
    for opened in [Log::open(&address), Log::open_read_only(&address)] {
        assert!(matches!(opened, Err(LogError::Storage(_))), "{opened:?}");
    }
    for bad in ["postgres://host:port/x", "postgresql://h/d?sslmode=perhaps"] {
        let Err(LogError::Storage(text)) = Log::open(bad) else { panic!("{bad}") };
        assert!(text.starts_with("not the address of a PostgreSQL database"), "{text}");
    }
}

#[test]
fn statements_on_the_log_and_the_transaction_are_refused() {
    if !there_is_a_server() {
        return;
    }
    let (_place, log) = log_of(2);
    for sql in [
        "DELETE FROM ledger_entry",
        "UPDATE Ledger_Node SET hash = ''",
        "CREATE TABLE mine (x INTEGER); INSERT INTO ledger_key SELECT '', 1",
        "DROP TABLE ledger_head",
        "TRUNCATE ledger_entry",
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "RELEASE ledger_job",
        "SET synchronous_commit = off",
        "SELECT set_config('synchronous_commit', 'off', false)",
        "SELECT 1; COMMIT",
        "LOCK TABLE ledger_entry",
        "COPY ledger_entry FROM STDIN",
    ] {
        let refused = log.transaction(|tx| -> Result<(), LogError> {
            tx.append(&note("not recorded"))?;
            tx.db().define(sql)
        });
        assert_eq!(refused, Err(LogError::Forbidden), "{sql}");
    }
    assert_eq!(texts(&log), ["0", "1"]);
    log.verify_all().unwrap();
}

/// A statement that failed has spoilt the transaction for the server; whoever goes on regardless is told, and nothing stays.
#[test]
fn a_swallowed_failure_of_a_statement_undoes_the_transaction() {
    if !there_is_a_server() {
        return;
    }
    let (_place, log) = log_of(1);
    let swallowed = log.transaction(|tx| {
        tx.append(&note("lost"))?;
        let _ = tx.db().define("INSERT INTO absent VALUES (1)");
        Ok::<_, LogError>(())
    });
    assert!(matches!(swallowed, Err(LogError::Storage(_))), "{swallowed:?}");
    assert_eq!(log.append(&note("1")).unwrap().index, 1);
    assert_eq!(texts(&log), ["0", "1"]);
    log.verify_all().unwrap();
}

#[test]
fn rows_that_someone_else_changed_are_found() {
    if !there_is_a_server() {
        return;
    }
    let tamper = |sql: &str| {
        let (place, log) = log_of(4);
        let key = operator();
        log.head(at(1), &key).unwrap();
        log.append_all(&[note("4"), keyed("five"), note("6")]).unwrap();
        let head = log.head(at(2), &key).unwrap().verify(&key.verifying_key()).unwrap();
        drop(log);
        client(place.path.to_str().unwrap()).batch_execute(sql).unwrap();
        let verdict = Log::open(&place.path).and_then(|log| {
            log.verify_all()?;
            log.check_against(&head)
        });
        verdict.unwrap_err()
    };
    let flip = "UPDATE ledger_entry SET body = set_byte(body, 40, (get_byte(body, 40) + 1) % 256) WHERE idx = 2";
    assert_eq!(tamper(flip), Damage::EntryChanged { index: 2 }.into());
    assert!(matches!(tamper("DELETE FROM ledger_entry WHERE idx = 6"), LogError::Damaged(Damage::NodeCount { .. })));
    assert!(matches!(
        tamper("UPDATE ledger_node SET hash = sha256(hash) WHERE pos = 2"),
        LogError::Damaged(Damage::NodeChanged { .. })
    ));
    assert!(matches!(tamper("DELETE FROM ledger_key"), LogError::Damaged(Damage::KeyIndex { index: 5 })));
    for schema in [
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER t BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE RULE r AS ON INSERT TO ledger_key DO INSTEAD NOTHING",
        "ALTER TABLE ledger_entry ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE ledger_head ADD COLUMN x TEXT",
        "CREATE VIEW ledger_more AS SELECT 1",
        "DROP TABLE ledger_key",
    ] {
        assert!(matches!(tamper(schema), LogError::Damaged(Damage::Schema(_))), "{schema}");
    }
    // A copy of then, put back whole: no hash is wrong, and only the head that was remembered tells.
    let back = "DELETE FROM ledger_entry WHERE idx >= 4; DELETE FROM ledger_node WHERE pos >= 7; \
                DELETE FROM ledger_key; DELETE FROM ledger_head WHERE size > 4";
    assert_eq!(tamper(back), LogError::RolledBack { remembered: 7, found: 4 });
}

/// A process that has the log open notices by itself, at its next append.
#[test]
fn a_copy_put_back_under_a_running_writer_is_noticed() {
    if !there_is_a_server() {
        return;
    }
    let (place, log) = log_of(4);
    log.append_all(&[note("4"), note("5"), note("6")]).unwrap();
    let mut other = client(place.path.to_str().unwrap());
    let back = "DELETE FROM ledger_entry WHERE idx >= 4; DELETE FROM ledger_node WHERE pos >= 7";
    other.batch_execute(back).unwrap();
    assert_eq!(log.append(&note("on")), Err(LogError::RolledBack { remembered: 7, found: 4 }));
    assert_eq!(Log::open(&place.path).unwrap().size(), Ok(4), "nothing was added to it");
}

/// The server ends the connection in the middle: the transaction is gone, the caller is told, and the next one goes through.
#[test]
fn a_connection_that_the_server_ends_costs_its_transaction_and_no_more() {
    if !there_is_a_server() {
        return;
    }
    let (place, log) = log_of(2);
    let address = place.path.to_str().unwrap();
    let pid = |db: &mediveil_ledger::Db| db.first("SELECT pg_backend_pid()::bigint", &[], |row| row.int(0));
    let ended = log.transaction(|tx| {
        tx.append(&note("lost"))?;
        let pid = pid(tx.db())?.unwrap();
        client(address).execute("SELECT pg_terminate_backend($1::bigint::int)", &[&pid]).unwrap();
        tx.append(&note("lost too"))
    });
    assert!(ended.is_err(), "{ended:?}");
    assert_eq!(texts(&Log::open_read_only(&place.path).unwrap()), ["0", "1"]);
    assert_eq!(log.append(&note("2")).unwrap().index, 2);
    // An idle connection as well.
    let mine = log.transaction(|tx| pid(tx.db())).unwrap().unwrap();
    client(address).execute("SELECT pg_terminate_backend($1::bigint::int)", &[&mine]).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(log.append(&keyed("3")).unwrap().index, 3);
    log.verify_all().unwrap();
}

/// Takes the lock, appends, says so, and waits to be killed before it commits.
#[test]
fn child_dies_with_the_lock() {
    let Some(path) = child_argument() else { return };
    let log = Log::open(path).unwrap();
    let _ = log.transaction(|tx| {
        tx.append(&note("never"))?;
        println!("\nlocked");
        std::thread::sleep(Duration::from_secs(600));
        Ok::<_, LogError>(())
    });
}

#[test]
fn a_client_killed_with_the_lock_leaves_neither_lock_nor_entry() {
    if !there_is_a_server() {
        return;
    }
    let (place, log) = log_of(1);
    for round in 0..3u64 {
        let mut process =
            child("child_dies_with_the_lock", place.path.to_str().unwrap()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "locked"));
        let impatient = Options::new().busy_timeout(Duration::from_millis(50)).open(&place.path).unwrap();
        assert_eq!(impatient.append(&note("x")), Err(LogError::Busy));
        assert_eq!(impatient.size(), Ok(round + 1), "reading goes on");
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(log.append(&note("on")).unwrap().index, round + 1);
    }
    log.verify_all().unwrap();
}

/// Two that make a log in one place at once: one of them does.
#[test]
fn one_of_many_makers_makes_the_log() {
    if !there_is_a_server() {
        return;
    }
    let place = scratch();
    let start = Barrier::new(6);
    let made: Vec<_> = std::thread::scope(|s| {
        let makers: Vec<_> = (0..6)
            .map(|n| {
                let (place, start) = (&place, &start);
                s.spawn(move || {
                    start.wait();
                    Log::create(&place.path, &mut SeededRng::from_u64(n)).map(|log| log.id())
                })
            })
            .collect();
        makers.into_iter().map(|m| m.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|m| m.is_ok()).count(), 1, "{made:?}");
    assert!(made.iter().flat_map(|m| m.as_ref().err()).all(|e| *e == LogError::Exists), "{made:?}");
    let id = made.into_iter().find_map(Result::ok).unwrap();
    assert_eq!(Log::open(&place.path).unwrap().id(), id);
}

/// Readers wait for no writer.
#[test]
fn reading_goes_on_while_someone_writes() {
    if !there_is_a_server() {
        return;
    }
    let (_place, log) = log_of(3);
    log.transaction(|tx| {
        tx.append(&note("3"))?;
        assert_eq!(texts(&log), ["0", "1", "2"]);
        assert_eq!(log.verify_all()?.state.size, 3);
        Ok::<_, LogError>(())
    })
    .unwrap();
    assert_eq!(log.size(), Ok(4));
}
