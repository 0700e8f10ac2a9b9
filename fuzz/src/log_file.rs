//! A log's file, changed: in its bytes as a medium or a fool changes them, and in its tables as a forger does.

use crate::ledger::{EPOCH, must, note};
use arbitrary::{Result, Unstructured};
use mediveil_codec::Wire;
use mediveil_ledger::rusqlite::{Connection, params};
use mediveil_ledger::{Head, Log};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::SigningKey;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// The file of a closed log of eight notes with a head, and what someone remembers of it.
fn original() -> &'static (Vec<u8>, Head, Vec<Vec<u8>>) {
    static FILE: OnceLock<(Vec<u8>, Head, Vec<Vec<u8>>)> = OnceLock::new();
    FILE.get_or_init(|| {
        let directory = must(tempfile::tempdir());
        let path = directory.path().join("log");
        let log = must(Log::create(&path, &mut SeededRng::from_u64(8)));
        let key = SigningKey::generate(&mut SeededRng::from_u64(9));
        let notes: Vec<_> = (0..8).map(|i: u32| note(i.to_string())).collect();
        must(log.append_all(&notes));
        let head = must(must(log.head(EPOCH, &key)).verify(&key.verifying_key()));
        drop(log);
        let entries = notes.iter().map(Wire::encode).collect();
        (must(fs::read(&path)), head, entries)
    })
}

/// One change to the tables.
enum Edit {
    Body { index: u8, byte: u16, to: u8 },
    Node { place: u8, byte: u8, to: u8 },
    Swap { a: u8, b: u8 },
    Drop { index: u8 },
    Cut { from: u8 },
    Add { index: i64, body: Vec<u8> },
    Heads,
    HeadByte { byte: u16, to: u8 },
}

impl Edit {
    fn any(u: &mut Unstructured<'_>) -> Result<Self> {
        Ok(match u.int_in_range(0..=7_u8)? {
            0 => Self::Body { index: u.arbitrary()?, byte: u.arbitrary()?, to: u.arbitrary()? },
            1 => Self::Node { place: u.arbitrary()?, byte: u.arbitrary()?, to: u.arbitrary()? },
            2 => Self::Swap { a: u.arbitrary()?, b: u.arbitrary()? },
            3 => Self::Drop { index: u.arbitrary()? },
            4 => Self::Cut { from: u.arbitrary()? },
            5 => Self::Add { index: u.arbitrary()?, body: u.arbitrary()? },
            6 => Self::Heads,
            _ => Self::HeadByte { byte: u.arbitrary()?, to: u.arbitrary()? },
        })
    }
}

/// Applies what SQLite allows.
fn edit(path: &Path, edits: &[Edit]) -> Option<()> {
    let conn = Connection::open(path).ok()?;
    for edit in edits {
        let blob = |table: &str, column: &str, key: &str, at: i64, byte: usize, to: u8| {
            let select = format!("SELECT {column} FROM {table} WHERE {key} = ?1");
            let mut bytes: Vec<u8> = conn.query_row(&select, [at], |r| r.get(0)).ok()?;
            *bytes.get_mut(byte)? = to;
            conn.execute(&format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1"), params![at, bytes]).ok()
        };
        let _ = match edit {
            Edit::Body { index, byte, to } => {
                blob("ledger_entry", "body", "idx", i64::from(index % 9), usize::from(*byte % 64), *to)
            }
            Edit::Node { place, byte, to } => {
                blob("ledger_node", "hash", "pos", i64::from(place % 16), usize::from(byte % 32), *to)
            }
            Edit::HeadByte { byte, to } => blob("ledger_head", "head", "id", 1, usize::from(*byte % 200), *to),
            Edit::Swap { a, b } => {
                let (a, b) = (i64::from(a % 8), i64::from(b % 8));
                conn.execute("UPDATE ledger_entry SET idx = -1 WHERE idx = ?1", [a]).ok();
                conn.execute("UPDATE ledger_entry SET idx = ?1 WHERE idx = ?2", [a, b]).ok();
                conn.execute("UPDATE ledger_entry SET idx = ?1 WHERE idx = -1", [b]).ok()
            }
            Edit::Drop { index } => conn.execute("DELETE FROM ledger_entry WHERE idx = ?1", [index % 9]).ok(),
            Edit::Cut { from } => {
                conn.execute("DELETE FROM ledger_node WHERE pos >= ?1", [from % 16]).ok();
                conn.execute("DELETE FROM ledger_entry WHERE idx >= ?1", [from % 9]).ok()
            }
            Edit::Add { index, body } => {
                conn.execute("INSERT INTO ledger_entry (idx, body) VALUES (?1, ?2)", params![index, body]).ok()
            }
            Edit::Heads => conn.execute("DELETE FROM ledger_head", []).ok(),
        };
    }
    Some(())
}

/// Whatever was done to the file: it is refused, or it holds the history that it held, for those who remember its head.
pub fn log_file(data: &[u8]) {
    let (file, head, entries) = original();
    let directory = must(tempfile::tempdir());
    let path = directory.path().join("log");
    let mut u = Unstructured::new(data);
    if u.arbitrary().unwrap_or(false) {
        must(fs::write(&path, file));
        let edits: Vec<Edit> = (0..4).map_while(|_| if u.is_empty() { None } else { Edit::any(&mut u).ok() }).collect();
        let _ = edit(&path, &edits);
    } else {
        let mut changed = file.clone();
        crate::sealed::apply(&mut changed, u.take_rest());
        must(fs::write(&path, &changed));
    }
    let Ok(log) = Log::open_read_only(&path) else { return };
    let records = |log: &Log| -> Vec<Vec<u8>> { log.entries(0..8).filter_map(|r| Some(r.ok()?.bytes)).collect() };
    // Each record that is read at all was written, or the state does not fit the remembered head.
    let read = records(&log);
    if log.verify_all().is_ok() && log.check_against(head).is_ok() {
        assert!(read == *entries, "an altered history is accepted");
    }
}
