//! The log: appending, reading, heads and proofs.

use crate::entry::UniqueKey;
use crate::head::{Checkpoint, Head, LogId, SignedHead};
use crate::store::{self, Db, Group, lock};
use crate::sync::Mutex;
use crate::tree::{Hash, Range, consistency_path, inclusion_path};
use crate::tx::{Appended, Tx};
use crate::{ConsistencyProof, Damage, Entry, Evidence, InclusionProof, LogError};
use mediveil_codec::{DecodeError, Timestamp, Wire};
use mediveil_seal::identity::SigningKey;
use rand_core::CryptoRng;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    busy: Duration,
    max_pages: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { busy: Duration::from_secs(30), max_pages: None }
    }
}

impl Options {
    /// Waits 30 seconds for other processes and lets the file grow as long as there is space.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long to wait for the lock while other processes write, before [`LogError::Busy`].
    #[must_use]
    pub const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy = timeout;
        self
    }

    /// The most pages of 4,096 bytes that the file may have; beyond that, [`LogError::Full`]. For SQLite only.
    #[must_use]
    pub const fn max_pages(mut self, pages: u32) -> Self {
        self.max_pages = Some(pages);
        self
    }

    /// Makes a log, in a file that is absent or empty; or, with the feature `postgres`, in the PostgreSQL database that a path of
    /// the form `postgres://user@host/database` names, in the schema that its connections begin in.
    ///
    /// # Errors
    /// [`LogError::Exists`] if there is a log, [`LogError::NotALog`] if there is something else.
    pub fn create(self, path: impl AsRef<Path>, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Log, LogError> {
        let id = LogId::generate(rng);
        let path = path.as_ref();
        let conn = store::create(path, id, self.busy)?;
        self.writing(path, conn, id)
    }

    /// Opens a log for writing.
    ///
    /// # Errors
    /// [`LogError::NotFound`], [`LogError::NotALog`], [`LogError::Format`]; [`LogError::ReadOnly`] if the file cannot be
    /// written; [`LogError::Damaged`] if the tables or the number of nodes are not as they should be.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Log, LogError> {
        let path = path.as_ref();
        let (conn, id) = store::open(path, self.busy)?;
        self.writing(path, conn, id)
    }

    /// Opens a log for reading.
    ///
    /// On a medium that cannot be written at all the file is read as it is, which is right as long as nobody else can
    /// write it either.
    ///
    /// # Errors
    /// As [`open`](Self::open), without [`LogError::ReadOnly`] for files that can be read.
    pub fn open_read_only(self, path: impl AsRef<Path>) -> Result<Log, LogError> {
        let path = path.as_ref();
        let (conn, id) = store::open_read_only(path, self.busy)?;
        conn.snapshot(store::size)?;
        Ok(self.log(path, id, None, vec![conn]))
    }

    fn writing(self, path: &Path, conn: Db, id: LogId) -> Result<Log, LogError> {
        if let (Some(pages), Some(conn)) = (self.max_pages, conn.sqlite()) {
            conn.pragma_update(None, "max_page_count", pages)?;
        }
        let group = Group::new(conn, self.busy)?;
        Ok(self.log(path, id, Some(group), Vec::new()))
    }

    fn log(self, path: &Path, id: LogId, group: Option<Group>, readers: Vec<Db>) -> Log {
        let inner = Inner { id, path: path.to_owned(), options: self, readers: Mutex::new(readers), group };
        Log { inner: Arc::new(inner) }
    }
}

struct Inner {
    id: LogId,
    path: PathBuf,
    options: Options,
    /// Connections that are not in use; each thread that reads borrows one. They close before the writing one, which, being
    /// last, brings the write-ahead log home into the file.
    readers: Mutex<Vec<Db>>,
    group: Option<Group>,
}

/// An append-only log in a file, or in a database of PostgreSQL. Cheap to clone; clones share one connection for writing and one queue for commits.
///
/// Any number of threads and processes may use one file. Open it once in a process and clone it: that is what makes
/// commits of several threads share a write to disk.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("id", &self.inner.id).finish_non_exhaustive()
    }
}

/// An entry as it lies in the log: its place and its exact bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place, from 0.
    pub index: u64,
    /// The bytes that the tree hashes.
    pub bytes: Vec<u8>,
}

impl Record {
    /// What the bytes say.
    ///
    /// # Errors
    /// [`DecodeError`] if they are not an entry that this version knows; a later version's frame is an example. The record
    /// stays provable all the same.
    pub fn entry(&self) -> Result<Entry, DecodeError> {
        Entry::decode(&self.bytes)
    }
}

impl Log {
    /// Makes a log with the default [`Options`].
    ///
    /// # Errors
    /// Those of [`Options::create`].
    pub fn create(path: impl AsRef<Path>, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, LogError> {
        Options::new().create(path, rng)
    }

    /// Opens a log for writing with the default [`Options`].
    ///
    /// # Errors
    /// Those of [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LogError> {
        Options::new().open(path)
    }

    /// Opens a log for reading with the default [`Options`].
    ///
    /// # Errors
    /// Those of [`Options::open_read_only`].
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, LogError> {
        Options::new().open_read_only(path)
    }

    /// The log's name.
    #[must_use]
    pub fn id(&self) -> LogId {
        self.inner.id
    }

    /// Where its file is, or its database: an address may have a password in it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    pub(crate) fn group(&self) -> Result<&Group, LogError> {
        self.inner.group.as_ref().ok_or(LogError::ReadOnly)
    }

    /// Runs `read` on one snapshot of the log's database, for the caller's own tables in it. It writes nothing.
    ///
    /// # Errors
    /// Those of `read`, and failures of the database.
    pub fn snapshot<T, E: From<LogError>>(&self, read: impl FnOnce(&Db) -> Result<T, E>) -> Result<T, E> {
        let conn = self.reader()?;
        let value = conn.snapshot(read)?;
        lock(&self.inner.readers).push(conn);
        Ok(value)
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Db) -> Result<T, LogError>) -> Result<T, LogError> {
        self.snapshot(read)
    }

    /// A connection that can only read; an idle one, or a new one.
    fn reader(&self) -> Result<Db, LogError> {
        let idle = lock(&self.inner.readers).pop();
        match idle {
            Some(conn) if conn.is_alive() => Ok(conn),
            _ => {
                let (conn, id) = store::open_read_only(&self.inner.path, self.inner.options.busy)?;
                if id != self.inner.id {
                    return Err(LogError::OtherLog { expected: self.inner.id, found: id });
                }
                Ok(conn)
            }
        }
    }

    /// Appends an entry and returns when it is on disk. If its [`key`](Entry::key) is in the log with the same content
    /// (times aside), nothing is recorded and the answer is where it is, so an append may be repeated after any error.
    ///
    /// Threads that append at the same time share one write to disk.
    ///
    /// # Errors
    /// [`LogError::ReadOnly`], [`Full`](LogError::Full), [`Busy`](LogError::Busy): nothing was recorded.
    /// [`KeyTaken`](LogError::KeyTaken): the key names another entry. [`Uncertain`](LogError::Uncertain): append again,
    /// under the same key. [`Damaged`](LogError::Damaged), [`RolledBack`](LogError::RolledBack),
    /// [`Rewritten`](LogError::Rewritten): the file is not the log that this process knows.
    pub fn append(&self, entry: &Entry) -> Result<Appended, LogError> {
        self.transaction(|tx| tx.append(entry))
    }

    /// Appends all of the entries or none, in order and side by side.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn append_all(&self, entries: &[Entry]) -> Result<Vec<Appended>, LogError> {
        self.transaction(|tx| entries.iter().map(|e| tx.append(e)).collect())
    }

    /// Runs `work` in one transaction on the log's file and returns when all it did is on disk: entries appended through
    /// [`Tx::append`] and SQL on the caller's own tables through [`Tx::db`] are recorded together or not at all.
    ///
    /// * `work` runs at most once, on the caller's thread, alone: no other thread or process writes meanwhile. What it
    ///   reads is current, the effects of transactions that will be committed together with it included; if such a commit
    ///   fails, it fails for all of them.
    /// * If `work` returns an error or panics, all that it did is undone and the error or panic goes on to the caller.
    /// * Its value is returned only after the commit, so it may be acted upon.
    /// * Keep it short: everyone else waits. Starting another transaction of the same log inside it is refused as
    ///   [`LogError::Nested`]; reading through the log's other methods is possible but shows the state before.
    ///
    /// # Errors
    /// Those of `work`, and those of [`append`](Self::append).
    pub fn transaction<T, E: From<LogError>>(
        &self,
        work: impl FnOnce(&mut Tx<'_, '_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.group()?.run(|job| work(&mut Tx::new(job)))
    }

    /// How many entries there are.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if the number of nodes does not fit, and failures of the database.
    pub fn size(&self) -> Result<u64, LogError> {
        self.read(store::size)
    }

    /// The present state: size and root.
    ///
    /// # Errors
    /// As [`size`](Self::size).
    pub fn checkpoint(&self) -> Result<Checkpoint, LogError> {
        self.read(|conn| {
            let frontier = store::frontier(conn, store::size(conn)?)?;
            Ok(Checkpoint { log: self.inner.id, size: frontier.size(), root: frontier.root() })
        })
    }

    /// The root of the tree over the first `size` entries.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] if there are not so many.
    pub fn root(&self, size: u64) -> Result<Hash, LogError> {
        self.read(|conn| root(conn, size))
    }

    /// Signs the present state and stores the head in the log. Refuses if the log does not extend the head it stored
    /// last, so that a signer who is asked to sign a log that was cut or rewritten does not vouch for it.
    ///
    /// The time is the signer's word; heads may carry times out of order.
    ///
    /// # Errors
    /// [`LogError::Damaged`] with [`Damage::Cut`], [`Damage::Rewritten`] or [`Damage::HeadForged`]; otherwise as
    /// [`append`](Self::append).
    pub fn head(&self, now: Timestamp, key: &SigningKey) -> Result<SignedHead, LogError> {
        let log = self.inner.id;
        self.group()?.run(|job| {
            job.guard.own(|| {
                let state = Checkpoint { log, size: job.frontier.size(), root: job.frontier.root() };
                let head = state.sign(now, key);
                let last = store::last_head(job.conn)?.map(|bytes| stored_head(log, &bytes)).transpose()?;
                if let Some(last) = &last {
                    extends(job.conn, &state, last.checkpoint())?;
                }
                let known = last.is_some_and(|l| *l.checkpoint() == state && *l.signer() == key.verifying_key());
                if !known {
                    store::insert_head(job.conn, state.size, &head.encode())?;
                }
                Ok(head)
            })
        })
    }

    /// The head that was signed last, as it is stored.
    ///
    /// # Errors
    /// [`Damage::Head`] if it cannot be read.
    pub fn last_head(&self) -> Result<Option<SignedHead>, LogError> {
        let bytes = self.read(store::last_head)?;
        let head = bytes.map(|b| SignedHead::decode(&b)).transpose();
        head.map_err(|e| Damage::Head(e.to_string()).into())
    }

    /// Checks the log against a head that the caller remembers: the only way to notice that a whole file was replaced by
    /// an older copy of itself, or by another history.
    ///
    /// # Errors
    /// [`LogError::OtherLog`], [`LogError::RolledBack`] if the log is smaller, [`LogError::Rewritten`] if its first
    /// entries are others.
    pub fn check_against(&self, remembered: &Head) -> Result<(), LogError> {
        if remembered.log() != self.inner.id {
            return Err(LogError::OtherLog { expected: self.inner.id, found: remembered.log() });
        }
        self.read(|conn| {
            let size = store::size(conn)?;
            if size < remembered.size() {
                return Err(LogError::RolledBack { remembered: remembered.size(), found: size });
            }
            if root(conn, remembered.size())? != remembered.root() {
                return Err(LogError::Rewritten { size: remembered.size() });
            }
            Ok(())
        })
    }

    /// The proof that entry `index` is in the log of the first `size` entries.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] unless `index < size` and the log has `size` entries.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, LogError> {
        self.read(|conn| {
            let present = store::size(conn)?;
            if index >= size || size > present {
                return Err(LogError::OutOfRange { index, size: size.min(present) });
            }
            let path = inclusion_path(index, size).into_iter().map(|r| store::range_root(conn, r));
            Ok(InclusionProof::new(index, size, path.collect::<Result<_, _>>()?)?)
        })
    }

    /// The proof that the log of `new` entries extends the log of `old` entries.
    ///
    /// # Errors
    /// [`LogError::NoProof`] unless `old <= new` and the log has `new` entries.
    pub fn consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, LogError> {
        self.read(|conn| {
            let size = store::size(conn)?;
            if old > new || new > size {
                return Err(LogError::NoProof { old, new, size });
            }
            let ranges = if old == 0 { Vec::new() } else { consistency_path(old, new) };
            let path = ranges.into_iter().map(|r| store::range_root(conn, r));
            Ok(ConsistencyProof::new(old, new, path.collect::<Result<_, _>>()?)?)
        })
    }

    /// An entry with its proof and the head it leads to, in one portable object.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] if the entry is not below the head's size; [`LogError::OtherLog`].
    pub fn evidence(&self, index: u64, head: &SignedHead) -> Result<Evidence, LogError> {
        if head.claims().log != self.inner.id {
            return Err(LogError::OtherLog { expected: self.inner.id, found: head.claims().log });
        }
        let proof = self.inclusion(index, head.claims().size)?;
        Ok(Evidence::new(self.entry(index)?.bytes, proof, head.clone())?)
    }

    /// An entry, seen to hash to its leaf.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`]; [`Damage::EntryChanged`] or [`Damage::EntryMissing`].
    pub fn entry(&self, index: u64) -> Result<Record, LogError> {
        self.read(|conn| record(conn, index, store::size(conn)?))
    }

    /// The entries of a range in order, as many as there are. Reads as it goes, so a range may be of any length.
    #[must_use]
    pub fn entries(&self, range: std::ops::Range<u64>) -> Entries {
        Entries { log: self.clone(), next: range.start, end: range.end, page: Vec::new().into_iter() }
    }

    /// The size, and up to `limit` entries from `from` on, from one snapshot.
    pub(crate) fn page(&self, from: u64, limit: u64) -> Result<(u64, Vec<Record>), LogError> {
        self.read(|conn| {
            let size = store::size(conn)?;
            let page = (from..size.min(from.saturating_add(limit))).map(|i| record(conn, i, size));
            Ok((size, page.collect::<Result<_, _>>()?))
        })
    }

    /// The entry with this unique key.
    ///
    /// # Errors
    /// [`Damage::KeyIndex`] if the index leads to an entry that does not have the key.
    pub fn find(&self, key: &UniqueKey) -> Result<Option<Record>, LogError> {
        self.read(|conn| {
            let Some(index) = store::find_key(conn, key)? else { return Ok(None) };
            let record = record(conn, index, store::size(conn)?)?;
            let found = record.entry().is_ok_and(|e| e.key == Some(*key));
            if found { Ok(Some(record)) } else { Err(Damage::KeyIndex { index }.into()) }
        })
    }
}

/// The entries of a range; see [`Log::entries`].
#[derive(Debug)]
pub struct Entries {
    log: Log,
    next: u64,
    end: u64,
    page: std::vec::IntoIter<Record>,
}

impl Entries {
    const PAGE: u64 = 256;
}

impl Iterator for Entries {
    type Item = Result<Record, LogError>;
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.page.next() {
            return Some(Ok(record));
        }
        let limit = self.end.saturating_sub(self.next).min(Self::PAGE);
        if limit == 0 {
            return None;
        }
        match self.log.page(self.next, limit) {
            Ok((_, page)) => {
                self.next = self.next.saturating_add(u64::try_from(page.len()).unwrap_or(limit));
                if page.is_empty() {
                    self.end = self.next;
                }
                self.page = page.into_iter();
                self.page.next().map(Ok)
            }
            Err(error) => {
                self.end = self.next;
                Some(Err(error))
            }
        }
    }
}

pub(crate) fn record(conn: &Db, index: u64, size: u64) -> Result<Record, LogError> {
    if index >= size {
        return Err(LogError::OutOfRange { index, size });
    }
    Ok(Record { index, bytes: store::entry(conn, index)? })
}

fn root(conn: &Db, size: u64) -> Result<Hash, LogError> {
    let present = store::size(conn)?;
    if size > present {
        return Err(LogError::OutOfRange { index: size, size: present });
    }
    store::range_root(conn, Range { start: 0, end: size })
}

/// A stored head, seen to be of this log and signed by the key that it names.
pub(crate) fn stored_head(log: LogId, bytes: &[u8]) -> Result<Head, Damage> {
    let head = SignedHead::decode(bytes).map_err(|e| Damage::Head(e.to_string()))?;
    if head.claims().log != log {
        return Err(Damage::Head("it is of another log".into()));
    }
    head.verify_claimed().map_err(|_| Damage::HeadForged { size: head.claims().size })
}

fn extends(conn: &Db, state: &Checkpoint, signed: &Checkpoint) -> Result<(), LogError> {
    if state.size < signed.size {
        return Err(Damage::Cut { signed: signed.size, found: state.size }.into());
    }
    if store::range_root(conn, Range { start: 0, end: signed.size })? != signed.root {
        return Err(Damage::Rewritten { size: signed.size }.into());
    }
    Ok(())
}
