//! The budgeter's tables, in the log's own database, so that a debit and its entry are one transaction.
//!
//! Running totals make admission independent of history. They are not covered by the log's tree: the log is the truth, the
//! tables are its sum, and [`Budget::audit`](super::Budget::audit) compares the two.

use super::records::QuotaKind;
use crate::QueryId;
use crate::accounting::{Cost, Regime};
use mediveil_ledger::{Db, LogError, Value};

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

/// The database's integers are signed; every amount, number and index here is below 2^63.
fn sql(value: u64) -> Value<'static> {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn code(kind: QuotaKind) -> Value<'static> {
    Value::Int(kind.code().into())
}

fn unsigned(value: i64) -> Result<u64, LogError> {
    u64::try_from(value).map_err(|_| LogError::Storage("a negative amount in the budget's tables".into()))
}

type Result<T, E = LogError> = std::result::Result<T, E>;

pub(super) fn create_tables(db: &Db) -> Result<()> {
    db.define(SCHEMA)
}

pub(super) fn insert_budget(db: &Db, data_set: &[u8; 32], terms: &[u8], entry: u64) -> Result<()> {
    db.execute(
        "INSERT INTO dp_budget (data_set, terms, main, delta, debits, last_entry) VALUES (?1, ?2, 0, 0, 0, ?3)",
        &[data_set.into(), terms.into(), sql(entry)],
    )?;
    Ok(())
}

pub(super) fn budget(db: &Db, data_set: &[u8; 32]) -> Result<Option<Row>> {
    let row = db.first(
        "SELECT terms, main, delta, debits, last_entry FROM dp_budget WHERE data_set = ?1",
        &[data_set.into()],
        |row| {
            Ok(Row {
                terms: row.bytes(0)?,
                main: unsigned(row.int(1)?)?,
                delta: unsigned(row.int(2)?)?,
                debits: unsigned(row.int(3)?)?,
                last_entry: unsigned(row.int(4)?)?,
            })
        },
    );
    match row {
        // A log without any budget has no such table.
        Err(LogError::Storage(message)) if message.contains("no such table") => Ok(None),
        other => other,
    }
}

pub(super) fn update_budget(db: &Db, data_set: &[u8; 32], total: &Cost, debits: u64, last_entry: u64) -> Result<()> {
    let (main, delta) = total.units();
    db.execute(
        "UPDATE dp_budget SET main = ?2, delta = ?3, debits = ?4, last_entry = ?5 WHERE data_set = ?1",
        &[data_set.into(), sql(main), sql(delta), sql(debits), sql(last_entry)],
    )?;
    Ok(())
}

/// A quota's cap and what was spent under it.
pub(super) fn quota(
    db: &Db,
    data_set: &[u8; 32],
    regime: Regime,
    kind: QuotaKind,
    name: &str,
) -> Result<Option<(Cost, Cost)>> {
    let cost = |main, delta| {
        Cost::from_units(regime, unsigned(main)?, unsigned(delta)?)
            .ok_or_else(|| LogError::Storage("an impossible amount in the budget's tables".into()))
    };
    db.first(
        "SELECT cap_main, cap_delta, main, delta FROM dp_quota WHERE data_set = ?1 AND kind = ?2 AND name = ?3",
        &[data_set.into(), code(kind), name.into()],
        |row| Ok((cost(row.int(0)?, row.int(1)?)?, cost(row.int(2)?, row.int(3)?)?)),
    )
}

/// Whether the data set has any quota of this kind.
pub(super) fn has_quotas(db: &Db, data_set: &[u8; 32], kind: QuotaKind) -> Result<bool> {
    let sql = "SELECT 1 FROM dp_quota WHERE data_set = ?1 AND kind = ?2 LIMIT 1";
    Ok(db.first(sql, &[data_set.into(), code(kind)], |_| Ok(()))?.is_some())
}

/// Sets a quota's cap and keeps what was spent.
pub(super) fn set_quota(db: &Db, data_set: &[u8; 32], kind: QuotaKind, name: &str, cap: &Cost) -> Result<()> {
    let (main, delta) = cap.units();
    db.execute(
        "INSERT INTO dp_quota (data_set, kind, name, cap_main, cap_delta, main, delta) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0)
         ON CONFLICT (data_set, kind, name) DO UPDATE SET cap_main = ?4, cap_delta = ?5",
        &[data_set.into(), code(kind), name.into(), sql(main), sql(delta)],
    )?;
    Ok(())
}

pub(super) fn spend_quota(db: &Db, data_set: &[u8; 32], kind: QuotaKind, name: &str, spent: &Cost) -> Result<()> {
    let (main, delta) = spent.units();
    db.execute(
        "UPDATE dp_quota SET main = ?4, delta = ?5 WHERE data_set = ?1 AND kind = ?2 AND name = ?3",
        &[data_set.into(), code(kind), name.into(), sql(main), sql(delta)],
    )?;
    Ok(())
}

/// All quotas with what was spent: kind, name, spent.
pub(super) fn quotas(db: &Db, data_set: &[u8; 32]) -> Result<Vec<(u8, String, u64, u64)>> {
    db.all("SELECT kind, name, main, delta FROM dp_quota WHERE data_set = ?1", &[data_set.into()], |row| {
        let kind = u8::try_from(row.int(0)?).unwrap_or(u8::MAX);
        Ok((kind, row.text(1)?, unsigned(row.int(2)?)?, unsigned(row.int(3)?)?))
    })
}

/// A query that was debited.
pub(super) struct Known {
    pub(super) answer: Option<Vec<u8>>,
    pub(super) members: Option<Vec<u8>>,
}

pub(super) fn query(db: &Db, data_set: &[u8; 32], id: &QueryId) -> Result<Option<Known>> {
    let sql = "SELECT answer, members FROM dp_query WHERE data_set = ?1 AND id = ?2";
    db.first(sql, &[data_set.into(), (&id.0).into()], |row| {
        Ok(Known { answer: row.optional_bytes(0)?, members: row.optional_bytes(1)? })
    })
}

pub(super) fn insert_query(db: &Db, data_set: &[u8; 32], id: &QueryId, members: Option<&[u8]>) -> Result<()> {
    let sql = "INSERT INTO dp_query (data_set, id, answer, members) VALUES (?1, ?2, NULL, ?3)";
    db.execute(sql, &[data_set.into(), (&id.0).into(), members.into()])?;
    Ok(())
}

/// Stores the answer and forgets who took part.
pub(super) fn answer_query(db: &Db, data_set: &[u8; 32], id: &QueryId, answer: &[u8]) -> Result<()> {
    let sql = "UPDATE dp_query SET answer = ?3, members = NULL WHERE data_set = ?1 AND id = ?2";
    db.execute(sql, &[data_set.into(), (&id.0).into(), answer.into()])?;
    Ok(())
}

/// Ids of all debited queries.
pub(super) fn query_ids(db: &Db, data_set: &[u8; 32]) -> Result<Vec<[u8; 32]>> {
    db.all("SELECT id FROM dp_query WHERE data_set = ?1", &[data_set.into()], |row| {
        let id = row.bytes(0)?.try_into();
        id.map_err(|_| LogError::Storage("a query's id of another length in the budget's tables".into()))
    })
}

/// What one patient has spent in a per-record budget.
pub(super) fn record(db: &Db, data_set: &[u8; 32], regime: Regime, subject: &[u8; 32]) -> Result<Cost> {
    let sql = "SELECT main, delta FROM dp_record WHERE data_set = ?1 AND subject = ?2";
    let raw = db.first(sql, &[data_set.into(), subject.into()], |row| Ok((row.int(0)?, row.int(1)?)))?;
    let (main, delta) = raw.unwrap_or((0, 0));
    Cost::from_units(regime, unsigned(main)?, unsigned(delta)?)
        .ok_or_else(|| LogError::Storage("an impossible amount in the budget's tables".into()))
}

pub(super) fn set_record(db: &Db, data_set: &[u8; 32], subject: &[u8; 32], spent: &Cost) -> Result<()> {
    let (main, delta) = spent.units();
    db.execute(
        "INSERT INTO dp_record (data_set, subject, main, delta) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (data_set, subject) DO UPDATE SET main = ?3, delta = ?4",
        &[data_set.into(), subject.into(), sql(main), sql(delta)],
    )?;
    Ok(())
}
