//! Where the log is kept: SQLite, or [PostgreSQL](postgres) behind the feature `postgres`. Nothing above this module knows which;
//! callers' own tables go through [`Db`], which hides it from them as well.
//!
//! With SQLite it is one file in WAL mode with `synchronous=FULL`: a commit returns after the write-ahead log has reached the disk. Tables:
//!
//! | table | row |
//! |---|---|
//! | `ledger_meta` | the log's id |
//! | `ledger_entry` | index, exact bytes of the entry |
//! | `ledger_node` | position (see [`tree`](crate::tree)), hash |
//! | `ledger_key` | unique key, index of its entry |
//! | `ledger_head` | number, size, signed head |
//!
//! The database is trusted to bring back what it committed after a crash. It is not trusted with the truth: whatever is read is
//! checked against hashes by those who ask for it.

mod db;
mod group;
#[cfg(test)]
mod interleavings;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;

pub use db::{Db, Row, Value};
pub(crate) use group::{Group, Job, lock};
pub(crate) use rows::*;

use crate::{Damage, LogError, LogId};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// "MDVL" in the file's header, so that `file` and we know what it is.
const APPLICATION_ID: u32 = 0x4d44_564c;
const FORMAT: u32 = 1;

/// Every object that the log has in its file: exactly these, or someone changed how the log is read or written.
const SCHEMA: [(&str, &str); 5] = [
    ("ledger_entry", "CREATE TABLE ledger_entry (idx INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT"),
    (
        "ledger_head",
        "CREATE TABLE ledger_head (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, head BLOB NOT NULL) STRICT",
    ),
    ("ledger_key", "CREATE TABLE ledger_key (key BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID"),
    ("ledger_meta", "CREATE TABLE ledger_meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID"),
    ("ledger_node", "CREATE TABLE ledger_node (pos INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT"),
];

/// The address of a PostgreSQL database, if the path is one. No file is meant by such a path.
fn address(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"))
}

/// Makes a log.
pub(crate) fn create(path: &Path, id: LogId, busy: Duration) -> Result<Db, LogError> {
    match address(path) {
        None => create_file(path, id, busy).map(Db::from),
        #[cfg(feature = "postgres")]
        Some(url) => postgres::create(url, id, busy),
        #[cfg(not(feature = "postgres"))]
        Some(_) => Err(LogError::NoPostgres),
    }
}

/// Opens an existing log for writing.
pub(crate) fn open(path: &Path, busy: Duration) -> Result<(Db, LogId), LogError> {
    match address(path) {
        None => open_file(path, busy).map(|(conn, id)| (conn.into(), id)),
        #[cfg(feature = "postgres")]
        Some(url) => postgres::open(url, true),
        #[cfg(not(feature = "postgres"))]
        Some(_) => Err(LogError::NoPostgres),
    }
}

/// Opens an existing log for reading.
pub(crate) fn open_read_only(path: &Path, busy: Duration) -> Result<(Db, LogId), LogError> {
    match address(path) {
        None => open_file_read_only(path, busy).map(|(conn, id)| (conn.into(), id)),
        #[cfg(feature = "postgres")]
        Some(url) => postgres::open(url, false),
        #[cfg(not(feature = "postgres"))]
        Some(_) => Err(LogError::NoPostgres),
    }
}

/// Makes a log in the file, which must be absent or empty.
fn create_file(path: &Path, id: LogId, busy: Duration) -> Result<Connection, LogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(busy)?;
    is_unused(&conn)?;
    settle(&conn)?;
    db::begin(&conn, busy)?;
    // Another process may have been faster; its log stays as it is.
    is_unused(&conn)?;
    for (_, sql) in SCHEMA {
        conn.execute_batch(sql)?;
    }
    conn.execute("INSERT INTO ledger_meta (name, value) VALUES ('id', ?1)", [id.as_bytes().as_slice()])?;
    conn.pragma_update(None, "application_id", APPLICATION_ID)?;
    conn.pragma_update(None, "user_version", FORMAT)?;
    conn.execute_batch("COMMIT")?;
    sync_directory(path);
    Ok(conn)
}

fn is_unused(conn: &Connection) -> Result<(), LogError> {
    let objects: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |r| r.get(0))?;
    match objects {
        0 => Ok(()),
        _ if application == i64::from(APPLICATION_ID) => Err(LogError::Exists),
        _ => Err(LogError::NotALog),
    }
}

/// The file's name must survive a power cut as well. SQLite does this for the write-ahead log; where a directory cannot
/// be opened for it, the file system has no such notion.
fn sync_directory(path: &Path) {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(directory) = std::fs::File::open(parent) {
        let _ = directory.sync_all();
    }
}

/// Opens an existing log for writing.
fn open_file(path: &Path, busy: Duration) -> Result<(Connection, LogId), LogError> {
    exists(path)?;
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(cannot_open)?;
    conn.busy_timeout(busy)?;
    if conn.is_readonly("main")? {
        return Err(LogError::ReadOnly);
    }
    let id = identify(&conn)?;
    settle(&conn)?;
    Ok((conn, id))
}

/// Opens an existing log for reading.
fn open_file_read_only(path: &Path, busy: Duration) -> Result<(Connection, LogId), LogError> {
    exists(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let attempt = |conn: Connection| -> Result<(Connection, LogId), LogError> {
        conn.busy_timeout(busy)?;
        let id = identify(&conn)?;
        harden(&conn)?;
        Ok((conn, id))
    };
    let first = Connection::open_with_flags(path, flags).map_err(LogError::from).and_then(attempt);
    match first {
        // Reading a WAL database writes to a file beside it. On a medium that forbids this nobody is writing either, so
        // the file may be read as it is, unless it has a write-ahead log to be read first.
        Err(LogError::Storage(_) | LogError::ReadOnly) if !has_wal(path) => {
            let uri = immutable_uri(path).ok_or(LogError::ReadOnly)?;
            attempt(Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?)
        }
        other => other,
    }
}

fn cannot_open(error: rusqlite::Error) -> LogError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::CannotOpen) => LogError::ReadOnly,
        _ => error.into(),
    }
}

fn exists(path: &Path) -> Result<(), LogError> {
    if path.is_file() { Ok(()) } else { Err(LogError::NotFound) }
}

fn has_wal(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(name).is_ok_and(|m| m.len() > 0)
}

/// `file:` with the path's bytes escaped (RFC 3986).
fn immutable_uri(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let mut uri = String::from("file://");
    for byte in path.to_str()?.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?immutable=1");
    Some(uri)
}

/// What every connection has: no trust in what the schema says, and checks of the pages it reads.
fn harden(conn: &Connection) -> Result<(), LogError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_prepared_statement_cache_capacity(64);
    // 16 MiB of pages instead of 2: keys lie scattered, and a long history should not be read from the file again and again.
    conn.execute_batch("PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384")?;
    Ok(())
}

/// What every writing connection has: WAL, and commits that reach the disk.
fn settle(conn: &Connection) -> Result<(), LogError> {
    harden(conn)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0))?;
    if mode != "wal" {
        return Err(LogError::Storage(format!("no write-ahead log on this file system (journal mode {mode})")));
    }
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")?;
    Ok(())
}

/// The id of the log, once the file is seen to be one with the tables as they should be.
fn identify(conn: &Connection) -> Result<LogId, LogError> {
    let application: i64 = conn.pragma_query_value(None, "application_id", |r| r.get(0))?;
    if application != i64::from(APPLICATION_ID) {
        return Err(LogError::NotALog);
    }
    let format: i64 = conn.pragma_query_value(None, "user_version", |r| r.get(0))?;
    if format != i64::from(FORMAT) {
        return Err(LogError::Format(u32::try_from(format).unwrap_or(u32::MAX)));
    }
    check_schema(conn)?;
    let id: Vec<u8> = conn.query_row("SELECT value FROM ledger_meta WHERE name = 'id'", [], |r| r.get(0))?;
    let id = id.try_into().map_err(|_| Damage::Schema("the log's id is not 32 bytes".into()))?;
    Ok(LogId::from_bytes(id))
}

/// Our tables are exactly ours, with no trigger, view or index of anyone else upon them.
fn check_schema(conn: &Connection) -> Result<(), LogError> {
    let mut statement = conn.prepare(
        "SELECT name, sql FROM sqlite_schema WHERE lower(substr(tbl_name, 1, 7)) = 'ledger_' \
         OR lower(substr(name, 1, 7)) = 'ledger_' ORDER BY name",
    )?;
    let found = statement
        .query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, Option<String>>(1)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    // Automatic indexes have no SQL and come with their table.
    let found: Vec<_> = found.iter().filter_map(|(name, sql)| Some((name.as_str(), sql.as_deref()?))).collect();
    if let Some((name, _)) = found.iter().find(|o| !SCHEMA.contains(o)) {
        return Err(Damage::Schema(format!("{name} is not as the log made it")).into());
    }
    if found.len() != SCHEMA.len() {
        return Err(Damage::Schema("a table of the log is missing".into()).into());
    }
    Ok(())
}
