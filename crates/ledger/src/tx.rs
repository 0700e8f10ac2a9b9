//! A transaction on the log's file, for callers who record something of their own together with an entry.

use crate::entry::{Entry, UniqueKey};
use crate::log::{Record, record};
use crate::store::{self, Db, Job};
use crate::tree::{Frontier, Hash, MAX_SIZE, Node};
use crate::{Damage, LogError};
use mediveil_codec::Wire;
use std::fmt;

/// A transaction that is under way; see [`Log::transaction`](crate::Log::transaction).
pub struct Tx<'a, 'j> {
    job: &'a mut Job<'j>,
}

impl fmt::Debug for Tx<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the log, from 0.
    pub index: u64,
    /// Whether this append recorded it, or an earlier one under the same key had.
    pub fresh: bool,
}

impl<'a, 'j> Tx<'a, 'j> {
    pub(crate) fn new(job: &'a mut Job<'j>) -> Self {
        Self { job }
    }

    /// Appends an entry. It is recorded when the transaction is; its index is final already.
    ///
    /// # Errors
    /// [`LogError::KeyTaken`], [`LogError::TooLong`], [`LogError::Complete`]: the transaction may go on. After any other
    /// error all of the transaction will be undone, whatever its closure returns.
    pub fn append(&mut self, entry: &Entry) -> Result<Appended, LogError> {
        entry.event.check()?;
        let Job { conn, frontier, guard, broken } = &mut *self.job;
        let appended = guard.own(|| append(conn, frontier, entry));
        appended.inspect_err(|error| {
            if !matches!(error, LogError::KeyTaken { .. } | LogError::Complete) {
                *broken = Some(error.clone());
            }
        })
    }

    /// How many entries there are, those of this transaction included.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.job.frontier.size()
    }

    /// The root of the tree over these entries.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.job.frontier.root()
    }

    /// An entry, those of this transaction included.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`], [`LogError::Damaged`].
    pub fn entry(&self, index: u64) -> Result<Record, LogError> {
        self.job.guard.own(|| record(self.job.conn, index, self.size()))
    }

    /// The index of the entry with this unique key.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn find(&self, key: &UniqueKey) -> Result<Option<u64>, LogError> {
        self.job.guard.own(|| store::find_key(self.job.conn, key))
    }

    /// The database, for the caller's own tables beside the log's. Give them a prefix of their own; `ledger_` is the log's.
    /// Statements on the log's tables, transaction control, `ATTACH` and `PRAGMA` are refused; see [`Db`].
    ///
    /// Nothing in such a table is covered by the tree. What must not change unseen belongs in an entry.
    ///
    /// Errors of SQL convert with `LogError::from`; a [`LogError::Full`] or a failing disk may already have undone the
    /// whole transaction, so return them.
    #[must_use]
    pub fn db(&self) -> &Db {
        self.job.conn
    }
}

fn append(conn: &Db, frontier: &mut Frontier, entry: &Entry) -> Result<Appended, LogError> {
    if let Some(key) = &entry.key
        && let Some(index) = store::find_key(conn, key)?
    {
        let present = record(conn, index, frontier.size())?;
        return match present.entry() {
            Ok(present) if present.records_the_same(entry) => Ok(Appended { index, fresh: false }),
            Ok(present) if present.key == entry.key => Err(LogError::KeyTaken { index }),
            _ => Err(Damage::KeyIndex { index }.into()),
        };
    }
    let index = frontier.size();
    if index >= MAX_SIZE {
        return Err(LogError::Complete);
    }
    let bytes = entry.encode();
    store::insert_entry(conn, index, &bytes)?;
    frontier.push(Hash::leaf(&bytes), |node: Node, hash| store::insert_node(conn, node, &hash))?;
    if let Some(key) = &entry.key {
        store::insert_key(conn, key, index)?;
    }
    Ok(Appended { index, fresh: true })
}
