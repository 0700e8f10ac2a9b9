//! Where a member keeps what it has answered, so that it never answers twice.
//!
//! A store has claims, which bind a name (a ciphertext, a purpose, an epoch's number) to the request that used it first,
//! and records, which hold a request's part. Both are written once and never change. [`DirectoryStore`] keeps one small
//! file for each, created whole or not at all and on the disk before the call returns, so that processes may share it and
//! a power cut loses nothing that was reported.

use mediveil_seal::AtomicFile;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A store of claims and records. Implementations must be durable before they return, and must never replace anything.
pub trait PartialStore {
    /// Binds `name` to `owner` if it is not bound, and returns whom it is bound to.
    ///
    /// # Errors
    /// If it cannot be written or read. The caller then sends nothing.
    fn claim(&mut self, name: &[u8; 32], owner: &[u8; 32]) -> io::Result<[u8; 32]>;

    /// The record of `request`, if there is one.
    ///
    /// # Errors
    /// If it cannot be read. The caller then sends nothing.
    fn load(&self, request: &[u8; 32]) -> io::Result<Option<Vec<u8>>>;

    /// Stores the record of `request` if there is none, and returns the one that is stored.
    ///
    /// # Errors
    /// If it cannot be written or read. The caller then sends nothing.
    fn save(&mut self, request: &[u8; 32], record: &[u8]) -> io::Result<Vec<u8>>;
}

/// A store in memory: for tests, and for members that live for one release only.
#[derive(Default)]
pub struct MemoryStore {
    claims: BTreeMap<[u8; 32], [u8; 32]>,
    records: BTreeMap<[u8; 32], Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl PartialStore for MemoryStore {
    fn claim(&mut self, name: &[u8; 32], owner: &[u8; 32]) -> io::Result<[u8; 32]> {
        Ok(*self.claims.entry(*name).or_insert(*owner))
    }

    fn load(&self, request: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
        Ok(self.records.get(request).cloned())
    }

    fn save(&mut self, request: &[u8; 32], record: &[u8]) -> io::Result<Vec<u8>> {
        Ok(self.records.entry(*request).or_insert_with(|| record.to_vec()).clone())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

/// A store in a directory, private to its owner. Back it up with care: a restored older state forgets what was answered.
#[derive(Debug)]
pub struct DirectoryStore {
    directory: PathBuf,
}

impl DirectoryStore {
    /// The store in `directory`, which is made if it does not exist.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_path_buf() })
    }

    fn path(&self, name: &[u8; 32], suffix: &str) -> PathBuf {
        let hex: String = name.iter().map(|b| format!("{b:02x}")).collect();
        self.directory.join(format!("{hex}.{suffix}"))
    }

    fn write_once(path: &Path, content: &[u8]) -> io::Result<Vec<u8>> {
        match AtomicFile::options().private(true).keep_existing(true).write(path, content) {
            Ok(()) => Ok(content.to_vec()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => std::fs::read(path),
            Err(e) => Err(e),
        }
    }
}

impl PartialStore for DirectoryStore {
    fn claim(&mut self, name: &[u8; 32], owner: &[u8; 32]) -> io::Result<[u8; 32]> {
        let found = Self::write_once(&self.path(name, "claim"), owner)?;
        found.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a claim has 32 bytes"))
    }

    fn load(&self, request: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path(request, "partial")) {
            Ok(record) => Ok(Some(record)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn save(&mut self, request: &[u8; 32], record: &[u8]) -> io::Result<Vec<u8>> {
        Self::write_once(&self.path(request, "partial"), record)
    }
}
