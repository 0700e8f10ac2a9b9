//! What can go wrong with a log, so that a caller knows what to do.

use crate::head::{HeadError, LogId};
use crate::{ProofError, TooLong};
use mediveil_codec::DecodeError;

/// An operation on a log failed. Unless it says otherwise, nothing of the operation was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// No file there.
    #[error("there is no log at this path; create one first")]
    NotFound,
    /// [`Log::create`](crate::Log::create) found a log.
    #[error("there is a log at this path already; open it instead")]
    Exists,
    /// The path is the address of a PostgreSQL database, and this build has no PostgreSQL.
    #[error("this build keeps logs in files only; build it with the feature `postgres`")]
    NoPostgres,
    /// The file is something else.
    #[error("this file is not a log")]
    NotALog,
    /// A log of a later version of this crate.
    #[error("this log has format {0}, which this version does not know; use a newer version")]
    Format(u32),
    /// The log was opened for reading, or the file cannot be written.
    #[error("the log is read-only; open it for writing, with permission to write the file and its directory")]
    ReadOnly,
    /// The disk, the quota or the page limit is exhausted.
    #[error("no space is left for the log; nothing was recorded; make room and try again")]
    Full,
    /// Other processes kept the log locked for longer than the time-out.
    #[error("the log is busy: other processes hold its lock; try again")]
    Busy,
    /// The disk failed while a commit was under way. The entries may or may not be there.
    #[error(
        "the disk failed during a commit, and the entries may or may not be recorded; try again under the same unique key"
    )]
    Uncertain,
    /// The log is damaged or was tampered with.
    #[error("the log is damaged: {0}; keep the file as evidence and restore a copy that verifies")]
    Damaged(#[from] Damage),
    /// The log is older than a head that its reader remembers.
    #[error(
        "the log was rolled back: {remembered} entries were promised and {found} are there; restore the newer copy"
    )]
    RolledBack {
        /// The size that is remembered.
        remembered: u64,
        /// The size that was found.
        found: u64,
    },
    /// The log has other entries than those that a head promised.
    #[error(
        "the first {size} entries are not those that were promised: the log was rewritten, or this is a fork of it"
    )]
    Rewritten {
        /// The size of the head.
        size: u64,
    },
    /// A head of another log.
    #[error("this belongs to the log {found}, not to the log {expected}")]
    OtherLog {
        /// The log that is open.
        expected: LogId,
        /// The log that was meant.
        found: LogId,
    },
    /// There is no such entry.
    #[error("there is no entry {index} in a log of {size} entries")]
    OutOfRange {
        /// What was asked for.
        index: u64,
        /// How many entries there are.
        size: u64,
    },
    /// A proof between sizes that the log does not have, or in the wrong order.
    #[error("there is no proof from {old} to {new} entries in a log of {size}")]
    NoProof {
        /// The smaller size.
        old: u64,
        /// The larger size.
        new: u64,
        /// How many entries there are.
        size: u64,
    },
    /// Another entry has this unique key.
    #[error("entry {index} has this unique key and records something else; use another key")]
    KeyTaken {
        /// The entry that has it.
        index: u64,
    },
    /// A part of the event is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The log has [`MAX_SIZE`](crate::MAX_SIZE) entries.
    #[error("the log is complete: it has as many entries as a log can have; start another")]
    Complete,
    /// A transaction was started inside a transaction of the same log by the same thread.
    #[error("the log is already in a transaction of this thread; use that transaction")]
    Nested,
    /// SQL that a transaction must not run: on the log's own tables, or on the transaction itself.
    #[error("SQL inside a log transaction must leave the log's tables and the transaction alone")]
    Forbidden,
    /// The transaction that this one shared a commit with lost its connection to the file.
    #[error("the database failed: {0}")]
    Storage(String),
    /// Stored bytes that are not what they should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A head that does not hold.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A proof that does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// What is wrong with a log, found from its hashes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A number is skipped.
    #[error("entry {index} is missing")]
    EntryMissing {
        /// Its index.
        index: u64,
    },
    /// An entry does not hash to its leaf.
    #[error("entry {index} was changed, or its leaf hash was")]
    EntryChanged {
        /// Its index.
        index: u64,
    },
    /// A node of the tree is missing.
    #[error("the node {index} of level {level} is missing")]
    NodeMissing {
        /// Its level; leaves are level 0.
        level: u32,
        /// Its index within the level.
        index: u64,
    },
    /// A node is not the hash of its children.
    #[error("the node {index} of level {level} was changed")]
    NodeChanged {
        /// Its level; leaves are level 0.
        level: u32,
        /// Its index within the level.
        index: u64,
    },
    /// Entries and nodes do not fit together: one of them lost its end or gained one.
    #[error("{nodes} nodes are stored for {entries} entries, where {expected} belong: one of them was cut or extended")]
    NodeCount {
        /// How many entries there are.
        entries: u64,
        /// How many nodes there are.
        nodes: u64,
        /// How many there should be.
        expected: u64,
    },
    /// The log has signed a larger size than it has.
    #[error("the log was cut: it signed a head of {signed} entries and has {found}")]
    Cut {
        /// The size of the signed head.
        signed: u64,
        /// The size of the log.
        found: u64,
    },
    /// The log has signed another root than it has.
    #[error("the log was rewritten: its first {size} entries are not those of the head that it signed")]
    Rewritten {
        /// The size of the signed head.
        size: u64,
    },
    /// A stored head is not signed by the key it names.
    #[error("the stored head of {size} entries is forged")]
    HeadForged {
        /// The size it claims.
        size: u64,
    },
    /// A stored head cannot be read, or is of another log.
    #[error("a stored head is not a head of this log: {0}")]
    Head(String),
    /// The index of unique keys does not fit the entries.
    #[error("the index of unique keys is wrong about entry {index}")]
    KeyIndex {
        /// The entry.
        index: u64,
    },
    /// The log's tables are not as this crate makes them.
    #[error("the table definitions were changed: {0}")]
    Schema(String),
    /// SQLite found its file damaged.
    #[error("the database file is damaged: {0}")]
    Database(String),
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        // SQLite's messages name tables and causes, never the values of rows. The text of a statement is left out, because
        // its author may have written values into it.
        let message = match &error {
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Busy,
            Some(Code::DiskFull) => Self::Full,
            Some(Code::ReadOnly | Code::PermissionDenied) => Self::ReadOnly,
            Some(Code::DatabaseCorrupt) => Self::Damaged(Damage::Database(message)),
            Some(Code::NotADatabase) => Self::NotALog,
            Some(Code::AuthorizationForStatementDenied) => Self::Forbidden,
            _ => Self::Storage(message),
        }
    }
}
