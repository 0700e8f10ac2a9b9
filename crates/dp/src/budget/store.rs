//! The budgeter's tables, in the log's own file, so that a debit and its entry are one transaction.
//!
//! Running totals make admission independent of history. They are not covered by the log's tree: the log is the truth, the
//! tables are its sum, and [`Budget::audit`](super::Budget::audit) compares the two.

use super::records::QuotaKind;
use crate::QueryId;
use crate::accounting::{Cost, Regime};
use mediveil_ledger::LogError;
use mediveil_ledger::rusqlite::{Connection, OptionalExtension, params};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS dp_budget (
    data_set BLOB PRIMARY KEY, terms BLOB NOT NULL, main INTEGER NOT NULL, delta INTEGER NOT NULL,
    debits INTEGER NOT NULL, last_entry INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dp_quota (
    data_set BLOB NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL,
    cap_main INTEGER NOT NULL, cap_delta INTEGER NOT NULL, main INTEGER NOT NULL, delta INTEGER NOT NULL,
    PRIMARY KEY (data_set, kind, name)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dp_query (
    data_set BLOB NOT NULL, id BLOB NOT NULL, answer BLOB, members BLOB,
    PRIMARY KEY (data_set, id)) STRICT;
CREATE TABLE IF NOT EXISTS dp_record (
    data_set BLOB NOT NULL, subject BLOB NOT NULL, main INTEGER NOT NULL, delta INTEGER NOT NULL,
    PRIMARY KEY (data_set, subject)) STRICT, WITHOUT ROWID;
";

/// The budget's row.
pub(super) struct Row {
    pub(super) terms: Vec<u8>,
    pub(super) main: u64,
    pub(super) delta: u64,
    pub(super) debits: u64,
    pub(super) last_entry: u64,
}

/// SQLite's integers are signed; every amount, number and index here is below 2^63.
fn sql(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> Result<u64, LogError> {
    u64::try_from(value).map_err(|_| LogError::Storage("a negative amount in the budget's tables".into()))
}

type Result<T, E = LogError> = std::result::Result<T, E>;

pub(super) fn create_tables(conn: &Connection) -> Result<()> {
    Ok(conn.execute_batch(SCHEMA)?)
}

pub(super) fn insert_budget(conn: &Connection, data_set: &[u8; 32], terms: &[u8], entry: u64) -> Result<()> {
    conn.execute(
        "INSERT INTO dp_budget (data_set, terms, main, delta, debits, last_entry) VALUES (?1, ?2, 0, 0, 0, ?3)",
        params![data_set, terms, sql(entry)],
    )?;
    Ok(())
}

pub(super) fn budget(conn: &Connection, data_set: &[u8; 32]) -> Result<Option<Row>> {
    let mut statement =
        match conn.prepare_cached("SELECT terms, main, delta, debits, last_entry FROM dp_budget WHERE data_set = ?1") {
            Ok(statement) => statement,
            // A log without any budget has no such table.
            Err(e) if e.to_string().contains("no such table") => return Ok(None),
            Err(e) => return Err(e.into()),
        };
    type Raw = (Vec<u8>, i64, i64, i64, i64);
    let raw: Option<Raw> =
        statement.query_row([data_set], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))).optional()?;
    raw.map(|(terms, main, delta, debits, last)| {
        Ok(Row {
            terms,
            main: unsigned(main)?,
            delta: unsigned(delta)?,
            debits: unsigned(debits)?,
            last_entry: unsigned(last)?,
        })
    })
    .transpose()
}

pub(super) fn update_budget(
    conn: &Connection,
    data_set: &[u8; 32],
    total: &Cost,
    debits: u64,
    last_entry: u64,
) -> Result<()> {
    let (main, delta) = total.units();
    conn.prepare_cached(
        "UPDATE dp_budget SET main = ?2, delta = ?3, debits = ?4, last_entry = ?5 WHERE data_set = ?1",
    )?
    .execute(params![data_set, sql(main), sql(delta), sql(debits), sql(last_entry)])?;
    Ok(())
}

/// A quota's cap and what was spent under it.
pub(super) fn quota(
    conn: &Connection,
    data_set: &[u8; 32],
    regime: Regime,
    kind: QuotaKind,
    name: &str,
) -> Result<Option<(Cost, Cost)>> {
    let raw: Option<(i64, i64, i64, i64)> = conn
        .prepare_cached(
            "SELECT cap_main, cap_delta, main, delta FROM dp_quota WHERE data_set = ?1 AND kind = ?2 AND name = ?3",
        )?
        .query_row(params![data_set, kind.code(), name], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
        .optional()?;
    let Some((cap_main, cap_delta, main, delta)) = raw else { return Ok(None) };
    let cost = |main, delta| {
        Cost::from_units(regime, unsigned(main)?, unsigned(delta)?)
            .ok_or_else(|| LogError::Storage("an impossible amount in the budget's tables".into()))
    };
    Ok(Some((cost(cap_main, cap_delta)?, cost(main, delta)?)))
}

/// Whether the data set has any quota of this kind.
pub(super) fn has_quotas(conn: &Connection, data_set: &[u8; 32], kind: QuotaKind) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM dp_quota WHERE data_set = ?1 AND kind = ?2 LIMIT 1")?
        .exists(params![data_set, kind.code()])?)
}

/// Sets a quota's cap and keeps what was spent.
pub(super) fn set_quota(conn: &Connection, data_set: &[u8; 32], kind: QuotaKind, name: &str, cap: &Cost) -> Result<()> {
    let (main, delta) = cap.units();
    conn.execute(
        "INSERT INTO dp_quota (data_set, kind, name, cap_main, cap_delta, main, delta) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0)
         ON CONFLICT DO UPDATE SET cap_main = ?4, cap_delta = ?5",
        params![data_set, kind.code(), name, sql(main), sql(delta)],
    )?;
    Ok(())
}

pub(super) fn spend_quota(
    conn: &Connection,
    data_set: &[u8; 32],
    kind: QuotaKind,
    name: &str,
    spent: &Cost,
) -> Result<()> {
    let (main, delta) = spent.units();
    conn.prepare_cached("UPDATE dp_quota SET main = ?4, delta = ?5 WHERE data_set = ?1 AND kind = ?2 AND name = ?3")?
        .execute(params![data_set, kind.code(), name, sql(main), sql(delta)])?;
    Ok(())
}

/// All quotas with what was spent: kind, name, spent.
pub(super) fn quotas(conn: &Connection, data_set: &[u8; 32]) -> Result<Vec<(u8, String, u64, u64)>> {
    let mut statement = conn.prepare("SELECT kind, name, main, delta FROM dp_quota WHERE data_set = ?1")?;
    let rows = statement.query_map([data_set], |r| {
        Ok((r.get::<_, u8>(0)?, r.get::<_, String>(1)?, r.get::<_, i64>(2)?, r.get::<_, i64>(3)?))
    })?;
    rows.map(|row| {
        let (kind, name, main, delta) = row?;
        Ok((kind, name, unsigned(main)?, unsigned(delta)?))
    })
    .collect()
}

/// A query that was debited.
pub(super) struct Known {
    pub(super) answer: Option<Vec<u8>>,
    pub(super) members: Option<Vec<u8>>,
}

pub(super) fn query(conn: &Connection, data_set: &[u8; 32], id: &QueryId) -> Result<Option<Known>> {
    Ok(conn
        .prepare_cached("SELECT answer, members FROM dp_query WHERE data_set = ?1 AND id = ?2")?
        .query_row(params![data_set, id.0], |r| Ok(Known { answer: r.get(0)?, members: r.get(1)? }))
        .optional()?)
}

pub(super) fn insert_query(conn: &Connection, data_set: &[u8; 32], id: &QueryId, members: Option<&[u8]>) -> Result<()> {
    conn.prepare_cached("INSERT INTO dp_query (data_set, id, answer, members) VALUES (?1, ?2, NULL, ?3)")?
        .execute(params![data_set, id.0, members])?;
    Ok(())
}

/// Stores the answer and forgets who took part.
pub(super) fn answer_query(conn: &Connection, data_set: &[u8; 32], id: &QueryId, answer: &[u8]) -> Result<()> {
    conn.prepare_cached("UPDATE dp_query SET answer = ?3, members = NULL WHERE data_set = ?1 AND id = ?2")?
        .execute(params![data_set, id.0, answer])?;
    Ok(())
}

/// Ids of all debited queries.
pub(super) fn query_ids(conn: &Connection, data_set: &[u8; 32]) -> Result<Vec<[u8; 32]>> {
    let mut statement = conn.prepare("SELECT id FROM dp_query WHERE data_set = ?1")?;
    let rows = statement.query_map([data_set], |r| r.get::<_, [u8; 32]>(0))?;
    Ok(rows.collect::<std::result::Result<Vec<_>, _>>()?)
}

/// What one patient has spent in a per-record budget.
pub(super) fn record(conn: &Connection, data_set: &[u8; 32], regime: Regime, subject: &[u8; 32]) -> Result<Cost> {
    let raw: Option<(i64, i64)> = conn
        .prepare_cached("SELECT main, delta FROM dp_record WHERE data_set = ?1 AND subject = ?2")?
        .query_row(params![data_set, subject], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let (main, delta) = raw.unwrap_or((0, 0));
    Cost::from_units(regime, unsigned(main)?, unsigned(delta)?)
        .ok_or_else(|| LogError::Storage("an impossible amount in the budget's tables".into()))
}

pub(super) fn set_record(conn: &Connection, data_set: &[u8; 32], subject: &[u8; 32], spent: &Cost) -> Result<()> {
    let (main, delta) = spent.units();
    conn.prepare_cached(
        "INSERT INTO dp_record (data_set, subject, main, delta) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET main = ?3, delta = ?4",
    )?
    .execute(params![data_set, subject, sql(main), sql(delta)])?;
    Ok(())
}
