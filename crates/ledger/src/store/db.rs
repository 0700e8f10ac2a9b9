//! One connection to a database, and the little SQL that the log and its callers need: SQLite, or PostgreSQL behind the feature
//! `postgres`.
//!
//! Statements are written once, in SQLite's dialect with numbered parameters (`?1`), and in the part of it that PostgreSQL
//! shares: see [`Db::define`] for tables. Values are integers below 2^63, bytes and text.

#[cfg(feature = "postgres")]
use super::postgres::{Postgres, PostgresRow};
use crate::{Damage, LogError};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};
use std::fmt;
use std::time::{Duration, Instant};

/// A parameter of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// An integer.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        value.map_or(Self::Null, Self::Bytes)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null => Ok(ToSqlOutput::from(rusqlite::types::Null)),
            Self::Int(value) => Ok(ToSqlOutput::from(*value)),
            Self::Bytes(value) => value.to_sql(),
            Self::Text(value) => value.to_sql(),
        }
    }
}

/// A row of an answer, while it is read. Columns count from 0.
pub struct Row<'a> {
    inner: RowOf<'a>,
}

enum RowOf<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    #[cfg(feature = "postgres")]
    Postgres(&'a PostgresRow),
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Row")
    }
}

macro_rules! column {
    ($row:expr, $index:expr) => {
        match $row.inner {
            RowOf::Sqlite(row) => Ok(row.get($index)?),
            #[cfg(feature = "postgres")]
            RowOf::Postgres(row) => Ok(row.try_get($index)?),
        }
    };
}

impl Row<'_> {
    /// An integer, if the column is not null.
    ///
    /// # Errors
    /// [`LogError::Storage`] for a column that is not there or of another type.
    pub fn optional_int(&self, index: usize) -> Result<Option<i64>, LogError> {
        column!(self, index)
    }

    /// An integer.
    ///
    /// # Errors
    /// [`LogError::Storage`] for a column that is null, not there or of another type.
    pub fn int(&self, index: usize) -> Result<i64, LogError> {
        column!(self, index)
    }

    /// Bytes, if the column is not null.
    ///
    /// # Errors
    /// As [`optional_int`](Self::optional_int).
    pub fn optional_bytes(&self, index: usize) -> Result<Option<Vec<u8>>, LogError> {
        column!(self, index)
    }

    /// Bytes.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>, LogError> {
        column!(self, index)
    }

    /// Text.
    ///
    /// # Errors
    /// As [`int`](Self::int).
    pub fn text(&self, index: usize) -> Result<String, LogError> {
        column!(self, index)
    }
}

/// A connection to the database that keeps a log, inside a transaction or on a snapshot.
///
/// In a transaction, statements that write to the log's tables, control the transaction or change how durable a commit is are
/// refused as [`LogError::Forbidden`], which keeps out mistakes, not malice: whoever runs code in this process could open the
/// database as well.
pub struct Db {
    pub(super) inner: Inner,
}

pub(super) enum Inner {
    Sqlite(Connection),
    #[cfg(feature = "postgres")]
    Postgres(Box<Postgres>),
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.inner {
            Inner::Sqlite(_) => "Db(SQLite)",
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => "Db(PostgreSQL)",
        })
    }
}

impl From<Connection> for Db {
    fn from(conn: Connection) -> Self {
        Self { inner: Inner::Sqlite(conn) }
    }
}

impl Db {
    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    /// Failures of the database; [`LogError::Forbidden`].
    pub fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<usize, LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => Ok(conn.prepare_cached(sql)?.execute(params_from_iter(params))?),
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.execute(sql, params),
        }
    }

    /// Runs a query and reads every row of the answer.
    ///
    /// # Errors
    /// Those of `read`, and failures of the database.
    pub fn all<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, LogError>,
    ) -> Result<Vec<T>, LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql)?;
                let mut rows = statement.query(params_from_iter(params))?;
                let mut all = Vec::new();
                while let Some(row) = rows.next()? {
                    all.push(read(&Row { inner: RowOf::Sqlite(row) })?);
                }
                Ok(all)
            }
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => {
                let rows = postgres.query(sql, params)?;
                rows.iter().map(|row| read(&Row { inner: RowOf::Postgres(row) })).collect()
            }
        }
    }

    /// Runs a query and reads the first row of the answer.
    ///
    /// # Errors
    /// Those of `read`, and failures of the database.
    pub fn first<T>(
        &self,
        sql: &'static str,
        params: &[Value<'_>],
        read: impl FnOnce(&Row<'_>) -> Result<T, LogError>,
    ) -> Result<Option<T>, LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => {
                let mut statement = conn.prepare_cached(sql)?;
                let mut rows = statement.query(params_from_iter(params))?;
                match rows.next()? {
                    Some(row) => read(&Row { inner: RowOf::Sqlite(row) }).map(Some),
                    None => Ok(None),
                }
            }
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => {
                let rows = postgres.query(sql, params)?;
                rows.first().map(|row| read(&Row { inner: RowOf::Postgres(row) })).transpose()
            }
        }
    }

    /// Makes tables: statements of SQLite separated by semicolons, with the types `INTEGER`, `BLOB` and `TEXT` and the table options
    /// `STRICT` and `WITHOUT ROWID`. PostgreSQL gets `BIGINT`, `BYTEA` and `TEXT`, and no options. Give tables a prefix of their
    /// own; `ledger_` is the log's.
    ///
    /// # Errors
    /// Failures of the database; [`LogError::Forbidden`].
    pub fn define(&self, sql: &str) -> Result<(), LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => Ok(conn.execute_batch(sql)?),
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.define(sql),
        }
    }

    /// The connection if this is SQLite, for what it alone can do.
    #[must_use]
    pub const fn sqlite(&self) -> Option<&Connection> {
        match &self.inner {
            Inner::Sqlite(conn) => Some(conn),
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => None,
        }
    }

    /// Begins a transaction that nobody else writes beside. Waits for at most `busy`.
    pub(super) fn begin(&self, busy: Duration) -> Result<(), LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => begin(conn, busy),
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.begin(busy),
        }
    }

    pub(super) fn commit(&self) -> Result<(), LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => commit(conn),
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.commit(),
        }
    }

    pub(super) fn roll_back(&self) {
        match &self.inner {
            Inner::Sqlite(conn) => roll_back(conn),
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.roll_back(),
        }
    }

    /// Whether the transaction is still there: some failures undo all of it.
    pub(super) fn in_transaction(&self) -> bool {
        match &self.inner {
            Inner::Sqlite(conn) => !conn.is_autocommit(),
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.in_transaction(),
        }
    }

    /// Begins, releases or returns to a savepoint.
    pub(super) fn savepoint(&self, sql: &'static str) -> Result<(), LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => {
                conn.prepare_cached(sql)?.execute([])?;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.control(sql),
        }
    }

    /// Runs `read` on one snapshot: another process may commit between one statement and the next. After an error the connection
    /// is not to be used any more.
    pub(crate) fn snapshot<T, E: From<LogError>>(&self, read: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        match &self.inner {
            Inner::Sqlite(conn) => {
                let snapshot = conn.unchecked_transaction().map_err(LogError::from)?;
                let value = read(self)?;
                snapshot.finish().map_err(LogError::from)?;
                Ok(value)
            }
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => {
                postgres.control("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
                let value = read(self)?;
                postgres.control("ROLLBACK")?;
                Ok(value)
            }
        }
    }

    /// Whether the connection can still be used.
    pub(crate) fn is_alive(&self) -> bool {
        match &self.inner {
            Inner::Sqlite(_) => true,
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.is_alive(),
        }
    }

    /// Our tables are exactly ours, with nothing of anyone else upon them.
    pub(crate) fn check_schema(&self) -> Result<(), LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => super::check_schema(conn),
            #[cfg(feature = "postgres")]
            Inner::Postgres(postgres) => postgres.check_schema(),
        }
    }

    /// The database's own checks of what it stores, where it can be asked for them.
    pub(crate) fn check_structures(&self) -> Result<(), LogError> {
        match &self.inner {
            Inner::Sqlite(conn) => {
                let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
                if verdict == "ok" { Ok(()) } else { Err(Damage::Database(verdict).into()) }
            }
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => Ok(()),
        }
    }
}

/// Takes SQLite's write lock. Waits with short naps, so that processes take turns quickly.
pub(super) fn begin(conn: &Connection, busy: Duration) -> Result<(), LogError> {
    let start = Instant::now();
    let mut nap = Duration::from_micros(200);
    loop {
        let begun = conn.prepare_cached("BEGIN IMMEDIATE").and_then(|mut s| s.execute([]));
        match begun {
            Ok(_) => return Ok(()),
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && start.elapsed() < busy => {
                std::thread::sleep(nap);
                nap = nap.saturating_mul(2).min(Duration::from_millis(4));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

fn roll_back(conn: &Connection) {
    // An error means that there is no transaction to roll back.
    let _ = conn.execute_batch("ROLLBACK");
}

fn commit(conn: &Connection) -> Result<(), LogError> {
    let Err(error) = conn.prepare_cached("COMMIT").and_then(|mut s| s.execute([])) else { return Ok(()) };
    roll_back(conn);
    Err(match error.sqlite_error_code() {
        // The pages may have reached the disk or not.
        Some(ErrorCode::SystemIoFailure) => LogError::Uncertain,
        _ => error.into(),
    })
}
