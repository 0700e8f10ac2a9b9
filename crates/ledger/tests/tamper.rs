//! Everything that can be done to a log's file, and what is said about it. Those who change it here know the format and repair
//! what they can.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Scratch, at, file_of, keyed, note, operator, texts};
use mediveil_codec::Wire;
use mediveil_ledger::{Checkpoint, Damage, Hash, Head, HeadError, Log, LogError, SignedHead};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::SigningKey;
use rusqlite::Connection;

/// A closed log of seven entries with heads of 4 and 7, and the last of them.
fn victim() -> (Scratch, Head) {
    let (place, log) = file_of(4);
    let key = operator();
    log.head(at(1), &key).unwrap();
    log.append_all(&[note("4"), keyed("five"), note("6")]).unwrap();
    let head = log.head(at(2), &key).unwrap();
    log.verify_all().unwrap();
    (place, head.verify(&key.verifying_key()).unwrap())
}

fn sql(place: &Scratch, sql: &str) {
    let conn = Connection::open(&place.path).unwrap();
    conn.execute_batch(sql).unwrap();
}

/// What opening or checking the file says.
fn verdict(place: &Scratch) -> LogError {
    match Log::open(&place.path) {
        Ok(log) => log.verify_all().unwrap_err(),
        Err(error) => error,
    }
}

fn damage(place: &Scratch) -> Damage {
    match verdict(place) {
        LogError::Damaged(damage) => damage,
        other => unreachable!("{other:?}"),
    }
}

/// Rewrites the whole tree over the entries as they now are: what a forger with all the time in the world does.
fn rebuild_tree(place: &Scratch) {
    let copy = common::scratch_file();
    let id = Log::open(&place.path).map(|l| l.id());
    let conn = Connection::open(&place.path).unwrap();
    let bodies: Vec<Vec<u8>> = conn
        .prepare("SELECT body FROM ledger_entry ORDER BY idx")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let fresh = Log::create(&copy.path, &mut SeededRng::from_u64(1)).unwrap();
    for body in &bodies {
        fresh.append(&mediveil_ledger::Entry::decode(body).unwrap()).unwrap();
    }
    drop(fresh);
    conn.execute("ATTACH ?1 AS fresh", [copy.path.to_str().unwrap()]).unwrap();
    conn.execute_batch("DELETE FROM ledger_node; INSERT INTO ledger_node SELECT * FROM fresh.ledger_node").unwrap();
    conn.execute_batch("DELETE FROM ledger_entry; INSERT INTO ledger_entry SELECT * FROM fresh.ledger_entry").unwrap();
    drop(id);
}

fn edit_entry_2(place: &Scratch) {
    let edited = note("two, but kinder").encode();
    Connection::open(&place.path)
        .unwrap()
        .execute("UPDATE ledger_entry SET body = ?1 WHERE idx = 2", [edited])
        .unwrap();
}

#[test]
fn an_edited_entry() {
    let (place, head) = victim();
    edit_entry_2(&place);
    assert_eq!(damage(&place), Damage::EntryChanged { index: 2 });
    let log = Log::open(&place.path).unwrap();
    assert_eq!(log.entry(2), Err(Damage::EntryChanged { index: 2 }.into()), "reading it says so as well");
    assert!(log.entry(3).is_ok());
    // With its leaf repaired, the node above does not fit.
    let leaf = *Hash::leaf(&note("two, but kinder").encode()).as_bytes();
    Connection::open(&place.path).unwrap().execute("UPDATE ledger_node SET hash = ?1 WHERE pos = 3", [leaf]).unwrap();
    assert_eq!(damage(&place), Damage::NodeChanged { level: 1, index: 1 });
    // With the whole tree repaired, the signed head does not fit.
    rebuild_tree(&place);
    assert_eq!(damage(&place), Damage::Rewritten { size: 4 });
    // With the heads removed, the file is in order; only who remembers one knows.
    sql(&place, "DELETE FROM ledger_head");
    let log = Log::open(&place.path).unwrap();
    log.verify_all().unwrap();
    assert_eq!(log.check_against(&head), Err(LogError::Rewritten { size: 7 }));
}

#[test]
fn an_edited_node() {
    for pos in 0..11 {
        let (place, _) = victim();
        let zero = [0u8; 32];
        Connection::open(&place.path)
            .unwrap()
            .execute("UPDATE ledger_node SET hash = ?1 WHERE pos = ?2", (zero, pos))
            .unwrap();
        let named = matches!(damage(&place), Damage::NodeChanged { .. } | Damage::EntryChanged { .. });
        assert!(named, "position {pos}");
        sql(&place, &format!("UPDATE ledger_node SET hash = x'00' WHERE pos = {pos}"));
        let named = matches!(damage(&place), Damage::NodeChanged { .. } | Damage::EntryChanged { .. });
        assert!(named, "position {pos}, short");
    }
}

#[test]
fn a_deleted_row() {
    for index in 0..6 {
        let (place, _) = victim();
        sql(&place, &format!("DELETE FROM ledger_entry WHERE idx = {index}"));
        assert_eq!(damage(&place), Damage::EntryMissing { index });
        assert_eq!(Log::open(&place.path).unwrap().entry(index), Err(Damage::EntryMissing { index }.into()));
    }
    for pos in 0..10 {
        let (place, _) = victim();
        sql(&place, &format!("DELETE FROM ledger_node WHERE pos = {pos}"));
        assert!(matches!(damage(&place), Damage::NodeMissing { .. }), "position {pos}");
    }
    let (place, _) = victim();
    sql(&place, "DELETE FROM ledger_key");
    assert_eq!(damage(&place), Damage::KeyIndex { index: 5 });
    let (place, _) = victim();
    sql(&place, "DELETE FROM ledger_meta");
    assert!(Log::open(&place.path).is_err());
}

#[test]
fn a_cut_tail() {
    let (place, head) = victim();
    sql(&place, "DELETE FROM ledger_entry WHERE idx = 6");
    assert_eq!(damage(&place), Damage::NodeCount { entries: 6, nodes: 11, expected: 10 });
    // Cut cleanly, the stored head is larger than the log; and nothing signs it.
    sql(&place, "DELETE FROM ledger_node WHERE pos = 10");
    assert_eq!(damage(&place), Damage::Cut { signed: 7, found: 6 });
    let log = Log::open(&place.path).unwrap();
    assert_eq!(log.head(at(3), &operator()), Err(Damage::Cut { signed: 7, found: 6 }.into()));
    // With the head cut as well, only who remembers it knows.
    sql(&place, "DELETE FROM ledger_head WHERE size = 7");
    log.verify_all().unwrap();
    assert_eq!(log.check_against(&head), Err(LogError::RolledBack { remembered: 7, found: 6 }));
    // Grown again, it is a fork.
    log.append_all(&[note("six, differently"), note("7")]).unwrap();
    log.verify_all().unwrap();
    assert_eq!(log.check_against(&head), Err(LogError::Rewritten { size: 7 }));
}

#[test]
fn swapped_rows() {
    let (place, head) = victim();
    sql(
        &place,
        "UPDATE ledger_entry SET idx = 99 WHERE idx = 1; UPDATE ledger_entry SET idx = 1 WHERE idx = 4;
         UPDATE ledger_entry SET idx = 4 WHERE idx = 99",
    );
    assert_eq!(damage(&place), Damage::EntryChanged { index: 1 });
    rebuild_tree(&place);
    assert_eq!(damage(&place), Damage::Rewritten { size: 4 });
    assert_eq!(Log::open(&place.path).unwrap().check_against(&head), Err(LogError::Rewritten { size: 7 }));
}

#[test]
fn surplus_rows() {
    let (place, _) = victim();
    sql(&place, "INSERT INTO ledger_node VALUES (11, zeroblob(32))");
    assert_eq!(damage(&place), Damage::NodeCount { entries: 7, nodes: 12, expected: 11 });
    let (place, _) = victim();
    sql(&place, "INSERT INTO ledger_entry VALUES (9, x'00')");
    assert_eq!(damage(&place), Damage::NodeCount { entries: 10, nodes: 11, expected: 18 });
    let (place, _) = victim();
    sql(&place, "INSERT INTO ledger_entry VALUES (-1, x'00')");
    assert_eq!(damage(&place), Damage::Schema("a negative number".into()));
    let (place, _) = victim();
    sql(&place, "INSERT INTO ledger_key VALUES (zeroblob(32), 3)");
    assert_eq!(damage(&place), Damage::KeyIndex { index: 5 });
    // A key that leads to an entry without it.
    let log = Log::open(&place.path).unwrap();
    sql(&place, "UPDATE ledger_key SET idx = 3 WHERE idx = 5");
    assert_eq!(log.append(&keyed("five")), Err(Damage::KeyIndex { index: 3 }.into()));
    assert_eq!(log.find(&keyed("five").key.unwrap()), Err(Damage::KeyIndex { index: 3 }.into()));
}

#[test]
fn a_changed_table() {
    for change in [
        "CREATE TRIGGER gone AFTER INSERT ON ledger_entry BEGIN DELETE FROM ledger_entry WHERE idx = new.idx; END",
        "CREATE TRIGGER other AFTER INSERT ON Ledger_Entry BEGIN SELECT 1; END",
        "CREATE INDEX fast ON ledger_node (hash)",
        "ALTER TABLE ledger_head ADD COLUMN note TEXT",
        "ALTER TABLE ledger_key RENAME TO kept; CREATE VIEW ledger_key AS SELECT * FROM kept",
        "DROP TABLE ledger_head",
    ] {
        let (place, _) = victim();
        sql(&place, change);
        assert!(matches!(damage(&place), Damage::Schema(_)), "{change}");
        assert!(matches!(Log::open_read_only(&place.path), Err(LogError::Damaged(Damage::Schema(_)))), "{change}");
    }
    let (place, _) = victim();
    sql(&place, "CREATE TABLE test_own (x); CREATE TRIGGER own AFTER INSERT ON test_own BEGIN SELECT 1; END");
    Log::open(&place.path).unwrap().verify_all().unwrap();
}

#[test]
fn a_copied_back_database() {
    let (place, log) = file_of(3);
    let key = operator();
    log.head(at(1), &key).unwrap();
    drop(log);
    let copy = std::fs::read(&place.path).unwrap();
    let log = Log::open(&place.path).unwrap();
    log.append_all(&[note("3"), note("4")]).unwrap();
    let remembered = log.head(at(2), &key).unwrap().verify(&key.verifying_key()).unwrap();
    drop(log);
    std::fs::write(&place.path, copy).unwrap();
    let log = Log::open(&place.path).unwrap();
    log.verify_all().unwrap();
    assert_eq!(log.check_against(&remembered), Err(LogError::RolledBack { remembered: 5, found: 3 }));
    assert!(LogError::RolledBack { remembered: 5, found: 3 }.to_string().contains("rolled back"));
}

/// A process that has the log open notices by itself.
#[test]
fn a_database_copied_back_under_an_open_log() {
    let (place, log) = file_of(3);
    sql(&place, "DELETE FROM ledger_entry WHERE idx = 2; DELETE FROM ledger_node WHERE pos = 3");
    assert_eq!(log.append(&note("x")), Err(LogError::RolledBack { remembered: 3, found: 2 }));
    let (place, log) = file_of(3);
    edit_entry_2(&place);
    rebuild_tree(&place);
    assert_eq!(log.append(&note("x")), Err(LogError::Rewritten { size: 3 }));
    drop(log);
    Log::open(&place.path).unwrap().append(&note("x")).unwrap();
}

#[test]
fn a_follower_notices_a_log_that_shrinks() {
    let (place, log) = file_of(3);
    let mut follow = log.follow(0);
    let late = log.follow(5);
    assert_eq!(follow.by_ref().take(3).count(), 3);
    assert_eq!(follow.poll(), Ok(None));
    sql(&place, "DELETE FROM ledger_entry WHERE idx = 2; DELETE FROM ledger_node WHERE pos = 3");
    assert_eq!(follow.poll(), Err(LogError::RolledBack { remembered: 3, found: 2 }));
    assert_eq!({ late }.poll(), Ok(None), "what has not begun may be anywhere");
}

#[test]
fn a_forged_head() {
    let (place, head) = victim();
    let trusted = operator().verifying_key();
    let forger = SigningKey::generate(&mut SeededRng::from_u64(666));
    let mut state = *head.checkpoint();
    state.root = Hash::leaf(b"anything");
    // Signed by another key: verifies under that key only, and contradicts the log that stores it.
    let signed = state.sign(at(9), &forger);
    assert!(matches!(signed.verify(&trusted), Err(HeadError::OtherSigner { .. })));
    let store = |bytes: Vec<u8>| {
        let conn = Connection::open(&place.path).unwrap();
        conn.execute("DELETE FROM ledger_head WHERE id > 2", []).unwrap();
        conn.execute("INSERT INTO ledger_head (id, size, head) VALUES (3, 7, ?1)", [bytes]).unwrap();
    };
    store(signed.encode());
    assert_eq!(damage(&place), Damage::Rewritten { size: 7 });
    let log = Log::open(&place.path).unwrap();
    assert_eq!(log.head(at(10), &operator()), Err(Damage::Rewritten { size: 7 }.into()), "nobody vouches for it");
    // Under the operator's name, with a signature that is not the operator's.
    let mut bytes = log.last_head().unwrap().unwrap().encode();
    let real = head.checkpoint().sign(at(9), &operator()).encode();
    let at_signature = bytes.len() - 64;
    bytes[..at_signature].copy_from_slice(&real[..at_signature]);
    let forged = SignedHead::decode(&bytes).unwrap();
    assert_eq!(forged.verify(&trusted), Err(HeadError::Forged { size: 7 }));
    store(bytes);
    assert_eq!(damage(&place), Damage::HeadForged { size: 7 });
    // Of another log, and no head at all.
    let mut elsewhere = *head.checkpoint();
    elsewhere.log = mediveil_ledger::LogId::from_bytes([9; 32]);
    store(elsewhere.sign(at(9), &operator()).encode());
    assert_eq!(damage(&place), Damage::Head("it is of another log".into()));
    store(vec![1, 2, 3]);
    assert!(matches!(damage(&place), Damage::Head(_)));
    store(real);
    sql(&place, "UPDATE ledger_head SET size = 6 WHERE id = 3");
    assert_eq!(damage(&place), Damage::Head("it is stored under another size".into()));
}

#[test]
fn two_histories_are_a_fork() {
    let (place, log) = file_of(4);
    let key = operator();
    let trusted = key.verifying_key();
    drop(log);
    let other_place = common::scratch_file();
    std::fs::copy(&place.path, &other_place.path).unwrap();
    let (a, b) = (Log::open(&place.path).unwrap(), Log::open(&other_place.path).unwrap());
    a.append(&note("for the patient")).unwrap();
    b.append(&note("for the auditor")).unwrap();
    let [head_a, head_b] = [&a, &b].map(|l| l.head(at(1), &key).unwrap().verify(&trusted).unwrap());
    assert_eq!(head_a.compare(&head_b, None), Err(HeadError::Fork { size: 5 }));
    b.append(&note("more")).unwrap();
    let longer = b.head(at(2), &key).unwrap().verify(&trusted).unwrap();
    assert_eq!(head_a.compare(&longer, None), Err(HeadError::Unproven { old: 5, new: 6 }));
    let proof = b.consistency(5, 6).unwrap();
    assert!(matches!(head_a.compare(&longer, Some(&proof)), Err(HeadError::Inconsistent { old: 5, new: 6, .. })));
    assert!(matches!(longer.compare(&head_a, Some(&proof)), Err(HeadError::Inconsistent { .. })));
    assert_eq!(a.check_against(&head_a), Ok(()));
    assert_eq!(b.check_against(&head_a), Err(LogError::Rewritten { size: 5 }));
    let stranger = log_with_seed(9);
    assert!(matches!(stranger.1.check_against(&head_a), Err(LogError::OtherLog { .. })));
}

fn log_with_seed(seed: u64) -> (Scratch, Log) {
    let place = common::scratch_file();
    let log = Log::create(&place.path, &mut SeededRng::from_u64(seed)).unwrap();
    (place, log)
}

/// Times are recorded as they are given, in entries and heads; order is the index alone.
#[test]
fn a_jumping_clock() {
    let (_place, log) = file_of(0);
    let key = operator();
    for seconds in [50, 10, 10, 400, 0] {
        let mut entry = note(seconds.to_string());
        entry.at = at(seconds);
        log.append(&entry).unwrap();
        let head = log.head(at(seconds), &key).unwrap();
        assert_eq!(head.verify(&key.verifying_key()).unwrap().at(), at(seconds));
    }
    assert_eq!(texts(&log), ["50", "10", "10", "400", "0"]);
    let verified = log.verify_all().unwrap();
    assert_eq!((verified.state.size, verified.heads), (5, 5));
}

#[test]
fn a_head_of_the_same_state_is_stored_once() {
    let (_place, log) = file_of(0);
    let key = operator();
    let empty = log.head(at(1), &key).unwrap();
    assert_eq!(empty.claims(), &Checkpoint { log: log.id(), size: 0, root: Hash::empty_root() });
    assert_eq!(log.head(at(2), &key).unwrap().at(), at(2));
    assert_eq!(log.verify_all().unwrap().heads, 1);
    log.append(&note("0")).unwrap();
    log.head(at(3), &key).unwrap();
    log.head(at(3), &SigningKey::generate(&mut SeededRng::from_u64(8))).unwrap();
    assert_eq!(log.verify_all().unwrap().heads, 3);
    let old = empty.verify(&key.verifying_key()).unwrap();
    let new = log.last_head().unwrap().unwrap();
    let new = new.verify(&new.signer().clone()).unwrap();
    assert_eq!(old.compare(&new, None), Ok(mediveil_ledger::Relation::Older), "everything extends nothing");
}
