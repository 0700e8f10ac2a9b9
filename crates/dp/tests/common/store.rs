//! The database behind a log's back: SQL of others, and copies that are put back.

use mediveil_ledger::Log;
use mediveil_ledger::rusqlite::Connection;
use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
mod server {
    use mediveil_ledger::postgres::{Client, NoTls};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The address of a new schema on the server for tests, if there is one.
    pub fn schema() -> Option<String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("MEDIVEIL_TEST_POSTGRES").ok()?;
        let name = format!("dp_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run(&server, &format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"));
        Some(format!("{server}&options=-csearch_path%3D{name}"))
    }

    pub fn run(address: &str, sql: &str) {
        Client::connect(address, NoTls).unwrap().batch_execute(&sql.replace("x'00'", "'\\x00'")).unwrap();
    }
}

#[cfg(not(feature = "postgres"))]
mod server {
    pub fn schema() -> Option<String> {
        None
    }

    pub fn run(_: &str, _: &str) {}
}

pub use server::schema;

fn address(log: &Path) -> Option<&str> {
    log.to_str().filter(|text| text.starts_with("postgres://"))
}

/// Runs SQL behind the log's back.
pub fn run(log: &Log, sql: &str) {
    match address(log.path()) {
        Some(address) => server::run(address, sql),
        None => Connection::open(log.path()).unwrap().execute_batch(sql).unwrap(),
    }
}

const TABLES: [&str; 8] =
    ["ledger_entry", "ledger_head", "ledger_key", "ledger_node", "dp_budget", "dp_quota", "dp_query", "dp_record"];

fn copy_of(log: &Path) -> PathBuf {
    log.with_extension("copy")
}

/// Copies the database of a log that is closed.
pub fn copy(log: &Path) {
    match address(log) {
        Some(address) => {
            let sql: String = TABLES.map(|t| format!("CREATE TABLE copy_of_{t} AS TABLE {t};")).concat();
            server::run(address, &sql);
        }
        None => {
            std::fs::copy(log, copy_of(log)).unwrap();
        }
    }
}

/// Puts the copy back.
pub fn put_back(log: &Path) {
    let Some(address) = address(log) else {
        std::fs::copy(copy_of(log), log).unwrap();
        for suffix in ["-wal", "-shm"] {
            let mut name = log.as_os_str().to_owned();
            name.push(suffix);
            let _ = std::fs::remove_file(name);
        }
        return;
    };
    let one = |t| format!("TRUNCATE {t}; INSERT INTO {t} OVERRIDING SYSTEM VALUE SELECT * FROM copy_of_{t};");
    server::run(address, &TABLES.map(one).concat());
}
