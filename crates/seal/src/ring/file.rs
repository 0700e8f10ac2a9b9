//! A ring on the disk: every change is whole or absent, through any crash.
//!
//! # The order of an erasure
//! For a ring bound to a wrapping file, with current wrapping key `W`:
//!
//! 1. the wrapping file becomes `{W, W'}`, with a fresh `W'`;
//! 2. the ring file becomes the changed ring under `W'`;
//! 3. the wrapping file becomes `{W'}`, and the replaced one is overwritten in place;
//! 4. the receipt is handed out.
//!
//! Each step is an [`AtomicFile`](crate::AtomicFile), on the disk before the next begins. A crash before 2 leaves the old ring, which opens
//! under `W`: opening takes `W'` back. A crash after 2 leaves the new ring, which opens under `W'`: opening finishes step 3,
//! and the receipt is found in the ring. So at no point is the ring lost, and a receipt is never out while the wrapping
//! file still holds `W`.
//!
//! Other changes (rotation, disabling) write the ring file alone, under the same `W`. An unbound ring is erased by
//! writing the ring file alone; older copies of it undo that, which its receipts say by having no generation.

use crate::atomic::{AtomicOptions, resolve, sweep};
use crate::ring::lock::{Lock, LockError};
use crate::ring::sealed::{Lockbox, WrappingKey};
use crate::ring::{ErasureReceipt, Ring, RingError, SealedRing, WhenActive, WrappingFile};
use crate::{OpenError, Opener, Recipient, SealError};
use mediveil_codec::{DecodeError, FRAME_LEN, Timestamp, Wire};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A ring file cannot be made, opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingFileError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process, or another part of this one, has the ring open for writing.
    #[error("{path} is in use{}: close it there, or wait", holder(*process))]
    Busy {
        /// The ring file.
        path: PathBuf,
        /// Who, if they said so.
        process: Option<u32>,
    },
    /// The file is not what it should be.
    #[error("{path}: {source}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// None of the keys given opens the ring's lock.
    #[error("the ring's lock does not open: {0}")]
    Locked(#[source] OpenError),
    /// The lock could not be made.
    #[error("the ring's lock cannot be made: {0}")]
    Lock(#[from] SealError),
    /// The ring is bound to a wrapping file and none was given.
    #[error("the ring is bound to a wrapping file: say where it is")]
    WrappingNeeded,
    /// A wrapping file was given and the ring is bound to none.
    #[error("the ring is bound to no wrapping file")]
    NotBound,
    /// Ring file and wrapping file are one path, or the ring is bound already.
    #[error("the wrapping file must be a new file of its own")]
    WrappingPath,
    /// The ring file is older than the wrapping file: a version was erased since.
    #[error(
        "this copy of the ring is of generation {ring}, and its wrapping file of {wrapping}: a key was erased since"
    )]
    OlderRing {
        /// Of the ring file.
        ring: u64,
        /// Of the wrapping file.
        wrapping: u64,
    },
    /// The wrapping file is older than the ring file.
    #[error("this copy of the wrapping file is of generation {wrapping}, and the ring of {ring}: give the present one")]
    OlderWrapping {
        /// Of the ring file.
        ring: u64,
        /// Of the wrapping file.
        wrapping: u64,
    },
    /// The wrapping file belongs to another ring.
    #[error("the wrapping file belongs to another ring")]
    OtherRing,
    /// The ring was changed or damaged after it was written, or the wrapping key is another.
    #[error("the ring file was changed or damaged, or the wrapping file is another")]
    Tampered,
    /// The file on the disk is no longer the one that was opened, although the lock was held.
    #[error("{0} changed on the disk while it was open: open it again")]
    Changed(PathBuf),
    /// An earlier change stopped half-way; what is on the disk decides.
    #[error("an earlier change failed half-way: open the ring again")]
    Reopen,
    /// The ring itself refuses.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The ring is too large to be written, or encryption failed.
    #[error("the ring cannot be written")]
    TooLarge,
}

fn holder(process: Option<u32>) -> String {
    process.map(|id| format!(" by process {id}")).unwrap_or_default()
}

/// Where a change can be interrupted. Tests stop it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing was written.
    Begun,
    /// The wrapping file holds both keys.
    Prepared,
    /// The ring file is the new one.
    Switched,
    /// The wrapping file holds the new key.
    Settled,
}

/// Called between the steps of a change; an error stops it there, as a crash would.
type Hook<'a> = &'a mut dyn FnMut(Step) -> io::Result<()>;

/// A key ring open for writing. Holds the lock `RING.lock` until dropped.
pub struct RingFile {
    path: PathBuf,
    wrapping: Option<Wrapping>,
    lockbox: Lockbox,
    ring: Ring,
    /// SHA-256 of the ring file as it should be on the disk.
    digest: [u8; 32],
    broken: bool,
    _lock: Lock,
}

struct Wrapping {
    path: PathBuf,
    file: WrappingFile,
}

impl fmt::Debug for RingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RingFile {
    /// Writes a new ring to `path`, with `doors` as its lock: whoever opens one of them opens the ring. With `wrapping`,
    /// also makes that file and binds the ring to it. Neither file may exist.
    ///
    /// A crash in between leaves the wrapping file alone, which can be removed.
    ///
    /// # Errors
    /// [`RingFileError::Io`] with [`io::ErrorKind::AlreadyExists`] if one exists; [`RingFileError::Lock`] for doors that
    /// cannot be made; [`RingFileError::Busy`].
    pub fn create(
        path: &Path,
        ring: Ring,
        doors: &[&dyn Recipient],
        wrapping: Option<&Path>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, RingFileError> {
        Self::create_stepwise(path, ring, doors, wrapping, rng, &mut |_| Ok(()))
    }

    fn create_stepwise(
        path: &Path,
        ring: Ring,
        doors: &[&dyn Recipient],
        wrapping: Option<&Path>,
        rng: &mut (impl CryptoRng + ?Sized),
        hook: Hook<'_>,
    ) -> Result<Self, RingFileError> {
        let path = resolve(path).map_err(at(path))?;
        refuse_existing(&path)?;
        let lock = take_lock(&path)?;
        refuse_existing(&path)?;
        let lockbox = Lockbox::new(ring.id(), doors, rng)?;
        let wrapping = match wrapping {
            None => None,
            Some(at_path) => Some(new_wrapping(at_path, &path, &ring, rng)?),
        };
        hook(Step::Prepared).map_err(at(&path))?;
        let written = seal(&ring, &lockbox, wrapping.as_ref().map(|w| &w.file.current), rng).and_then(|bytes| {
            NEW.write(&path, &bytes).map_err(at(&path))?;
            Ok(Sha256::digest(&bytes).into())
        });
        if let (Err(_), Some(wrapping)) = (&written, &wrapping) {
            // Nothing was ever sealed under it.
            let _ = fs::remove_file(&wrapping.path);
        }
        let digest = written?;
        Ok(Self { path, wrapping, lockbox, ring, digest, broken: false, _lock: lock })
    }

    /// Opens a ring for writing: takes the lock, and finishes or takes back an erasure that a crash interrupted.
    ///
    /// # Errors
    /// [`RingFileError::Busy`] if it is open elsewhere; [`RingFileError::Locked`] if no opener fits;
    /// [`RingFileError::OlderRing`] and its neighbours if ring and wrapping file do not belong together;
    /// [`RingFileError::Tampered`] and [`RingFileError::Decode`] for damage.
    pub fn open(path: &Path, openers: &[&dyn Opener], wrapping: Option<&Path>) -> Result<Self, RingFileError> {
        let path = resolve(path).map_err(at(path))?;
        // Before the lock, so that a wrong path leaves no lock file behind.
        fs::metadata(&path).map_err(at(&path))?;
        let lock = take_lock(&path)?;
        sweep(&path).map_err(at(&path))?;
        let (sealed, digest) = read_ring(&path)?;
        let mut wrapping = match wrapping {
            None => None,
            Some(wrapping) => {
                let wrapping = resolve(wrapping).map_err(at(wrapping))?;
                sweep(&wrapping).map_err(at(&wrapping))?;
                Some(Wrapping { file: read_wrapping(&wrapping)?, path: wrapping })
            }
        };
        let lockbox = sealed.unlock(openers).map_err(RingFileError::Locked)?;
        let key = wrapping_key(&sealed, wrapping.as_ref().map(|w| &w.file))?;
        let ring = sealed.open(&lockbox, key.as_ref()).ok_or(RingFileError::Tampered)?;
        // The key that opens the ring is the one that stays: back before the switch, forward after it.
        if let (Some(wrapping), Some(key)) = (wrapping.as_mut(), key)
            && wrapping.file.is_interrupted()
        {
            let settled = wrapping.file.settled(key);
            replace_wrapping(&wrapping.path, &settled)?;
            wrapping.file = settled;
        }
        Ok(Self { path, wrapping, lockbox, ring, digest, broken: false, _lock: lock })
    }

    /// Reads a ring without taking the lock, to open files or to look. A writer may be at work: what comes back is the
    /// ring before or after its change.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for [`RingFileError::Busy`].
    pub fn read(path: &Path, openers: &[&dyn Opener], wrapping: Option<&Path>) -> Result<Ring, RingFileError> {
        let mut attempts = 3u32;
        loop {
            attempts = attempts.saturating_sub(1);
            match Self::read_once(path, openers, wrapping) {
                // Between reading one file and the other the writer may have replaced both.
                Err(
                    RingFileError::OlderRing { .. }
                    | RingFileError::OlderWrapping { .. }
                    | RingFileError::Decode { .. }
                    | RingFileError::Tampered,
                ) if attempts > 0 && wrapping.is_some() => {}
                done => return done,
            }
        }
    }

    fn read_once(path: &Path, openers: &[&dyn Opener], wrapping: Option<&Path>) -> Result<Ring, RingFileError> {
        let (sealed, _) = read_ring(path)?;
        let wrapping = wrapping.map(read_wrapping).transpose()?;
        let key = wrapping_key(&sealed, wrapping.as_ref())?;
        let lockbox = sealed.unlock(openers).map_err(RingFileError::Locked)?;
        sealed.open(&lockbox, key.as_ref()).ok_or(RingFileError::Tampered)
    }

    /// The ring.
    #[must_use]
    pub const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Whether it is bound to a wrapping file.
    #[must_use]
    pub const fn is_bound(&self) -> bool {
        self.wrapping.is_some()
    }

    /// [`Ring::rotate`], on the disk.
    ///
    /// # Errors
    /// Those of [`Ring::rotate`], after which nothing has changed; and those of writing, after which the ring must be
    /// opened again.
    pub fn rotate(&mut self, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Result<u32, RingFileError> {
        let mut next = self.draft()?;
        let number = next.rotate(now, rng)?;
        self.store(next, Change::Ring, rng, &mut |_| Ok(()))?;
        Ok(number)
    }

    /// [`Ring::disable`], on the disk.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn disable(&mut self, version: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), RingFileError> {
        let mut next = self.draft()?;
        next.disable(version)?;
        self.store(next, Change::Ring, rng, &mut |_| Ok(()))
    }

    /// [`Ring::enable`], on the disk.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn enable(&mut self, version: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), RingFileError> {
        let mut next = self.draft()?;
        next.enable(version)?;
        self.store(next, Change::Ring, rng, &mut |_| Ok(()))
    }

    /// Crypto-erasure: [`Ring::destroy`], on the disk, with a new wrapping key if the ring is bound. When this returns a
    /// receipt, the secret is in neither of the two files. What remains elsewhere is in the
    /// [module's words](crate::ring).
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate). After an error of writing no receipt is out; when the ring is opened again, the version
    /// is either whole or destroyed with its receipt in the ring.
    pub fn erase(
        &mut self,
        version: u32,
        reason: &str,
        when_active: WhenActive,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<ErasureReceipt, RingFileError> {
        self.erase_stepwise(version, reason, when_active, now, rng, &mut |_| Ok(()))
    }

    fn erase_stepwise(
        &mut self,
        version: u32,
        reason: &str,
        when_active: WhenActive,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
        hook: Hook<'_>,
    ) -> Result<ErasureReceipt, RingFileError> {
        let mut next = self.draft()?;
        let generation = self.wrapping.as_ref().map(|w| w.file.generation().saturating_add(1));
        let receipt = next.destroy_under(version, reason, when_active, now, generation)?;
        self.store(next, Change::Keys, rng, hook)?;
        Ok(receipt)
    }

    /// Replaces the lock: a fresh lock key for these doors. With a wrapping file it takes a new wrapping key too, so that an
    /// older ring file no longer opens by the old lock.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`rotate`](Self::rotate).
    pub fn change_lock(
        &mut self,
        doors: &[&dyn Recipient],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), RingFileError> {
        let next = self.draft()?;
        let lockbox = Lockbox::new(next.id(), doors, rng)?;
        let old = core::mem::replace(&mut self.lockbox, lockbox);
        let stored = self.store(next, Change::Keys, rng, &mut |_| Ok(()));
        if stored.is_err() {
            self.lockbox = old;
        }
        stored
    }

    /// Binds an unbound ring to a new wrapping file.
    ///
    /// # Errors
    /// [`RingFileError::WrappingPath`] if the ring is bound already, and as [`create`](Self::create).
    pub fn bind(&mut self, wrapping: &Path, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), RingFileError> {
        let next = self.draft()?;
        if self.wrapping.is_some() {
            return Err(RingFileError::WrappingPath);
        }
        self.check_unchanged()?;
        self.wrapping = Some(new_wrapping(wrapping, &self.path, &self.ring, rng)?);
        self.store(next, Change::Ring, rng, &mut |_| Ok(()))
    }

    fn draft(&self) -> Result<Ring, RingFileError> {
        if self.broken { Err(RingFileError::Reopen) } else { Ok(self.ring.draft()) }
    }

    /// Puts `next` in the place of the ring, on the disk and then in memory.
    fn store(
        &mut self,
        next: Ring,
        change: Change,
        rng: &mut (impl CryptoRng + ?Sized),
        hook: Hook<'_>,
    ) -> Result<(), RingFileError> {
        self.check_unchanged()?;
        self.broken = true;
        hook(Step::Begun).map_err(at(&self.path))?;
        match (&mut self.wrapping, change) {
            (Some(wrapping), Change::Keys) => {
                let (both, key) = wrapping.file.with_next(rng).ok_or(RingFileError::TooLarge)?;
                let bytes = seal(&next, &self.lockbox, Some(&key), rng)?;
                replace_wrapping(&wrapping.path, &both)?;
                hook(Step::Prepared).map_err(at(&wrapping.path))?;
                OVER.write(&self.path, &bytes).map_err(at(&self.path))?;
                self.digest = Sha256::digest(&bytes).into();
                hook(Step::Switched).map_err(at(&self.path))?;
                let settled = both.settled(key);
                replace_wrapping(&wrapping.path, &settled)?;
                wrapping.file = settled;
                hook(Step::Settled).map_err(at(&wrapping.path))?;
            }
            (wrapping, _) => {
                let bytes = seal(&next, &self.lockbox, wrapping.as_ref().map(|w| &w.file.current), rng)?;
                OVER.write(&self.path, &bytes).map_err(at(&self.path))?;
                self.digest = Sha256::digest(&bytes).into();
                hook(Step::Switched).map_err(at(&self.path))?;
            }
        }
        self.ring = next;
        self.broken = false;
        Ok(())
    }

    /// Refuses to write over what somebody else wrote past the lock.
    fn check_unchanged(&self) -> Result<(), RingFileError> {
        let found = read_limited(&self.path, FRAME_LEN.saturating_add(SealedRing::MAX_BODY))?;
        if <[u8; 32]>::from(Sha256::digest(&found)) != self.digest {
            return Err(RingFileError::Changed(self.path.clone()));
        }
        if let Some(wrapping) = &self.wrapping {
            let found = read_limited(&wrapping.path, FRAME_LEN.saturating_add(WrappingFile::MAX_BODY))?;
            if *found != *wrapping.file.encode_secret() {
                return Err(RingFileError::Changed(wrapping.path.clone()));
            }
        }
        Ok(())
    }
}

/// What a change is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The ring only.
    Ring,
    /// Something must not open any more: take a new wrapping key.
    Keys,
}

const NEW: AtomicOptions = AtomicOptions::new().private(true).keep_existing(true);
const OVER: AtomicOptions = AtomicOptions::new().private(true);

fn at(path: &Path) -> impl FnOnce(io::Error) -> RingFileError {
    let path = path.to_path_buf();
    move |source| RingFileError::Io { path, source }
}

fn take_lock(path: &Path) -> Result<Lock, RingFileError> {
    Lock::take(path).map_err(|e| match e {
        LockError::Held(process) => RingFileError::Busy { path: path.to_path_buf(), process },
        LockError::Io(source) => RingFileError::Io { path: path.to_path_buf(), source },
    })
}

fn refuse_existing(path: &Path) -> Result<(), RingFileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(at(path)(io::Error::new(io::ErrorKind::AlreadyExists, "it exists already"))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(at(path)(e)),
    }
}

fn seal(
    ring: &Ring,
    lockbox: &Lockbox,
    wrapping: Option<&WrappingKey>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, RingFileError> {
    SealedRing::seal(ring, lockbox, wrapping, rng).map(|sealed| sealed.encode()).ok_or(RingFileError::TooLarge)
}

/// Makes the wrapping file of a ring.
fn new_wrapping(
    path: &Path,
    ring_path: &Path,
    ring: &Ring,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Wrapping, RingFileError> {
    if path == ring_path {
        return Err(RingFileError::WrappingPath);
    }
    let file = WrappingFile::first(*ring.id(), rng);
    NEW.write(path, &file.encode_secret()).map_err(at(path))?;
    Ok(Wrapping { path: path.to_path_buf(), file })
}

/// Replaces the wrapping file and then overwrites the replaced one, as far as the disk lets us.
fn replace_wrapping(path: &Path, file: &WrappingFile) -> Result<(), RingFileError> {
    let old = fs::OpenOptions::new().read(true).write(true).open(path);
    OVER.write(path, &file.encode_secret()).map_err(at(path))?;
    // What fails here is caught by nothing and was promised by nobody; the new file is in its place.
    if let Ok(mut old) = old {
        let _ = overwrite(&mut old);
    }
    Ok(())
}

fn overwrite(file: &mut fs::File) -> io::Result<()> {
    let len = file.metadata()?.len().min(4096);
    file.rewind()?;
    file.write_all(&vec![0; usize::try_from(len).unwrap_or_default()])?;
    file.sync_all()
}

/// The whole file, if it is no longer than this.
fn read_limited(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, RingFileError> {
    let file = fs::File::open(path).map_err(at(path))?;
    let found = file.metadata().map_err(at(path))?;
    if !found.is_file() {
        return Err(at(path)(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    // One byte over the limit is read, so that a file that is too long does not decode.
    let most = (limit as u64).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(found.len().min(most)).unwrap_or_default()));
    file.take(most).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(bytes)
}

fn read_ring(path: &Path) -> Result<(SealedRing, [u8; 32]), RingFileError> {
    let bytes = read_limited(path, FRAME_LEN.saturating_add(SealedRing::MAX_BODY))?;
    let sealed =
        SealedRing::decode(&bytes).map_err(|source| RingFileError::Decode { path: path.to_path_buf(), source })?;
    Ok((sealed, Sha256::digest(&bytes).into()))
}

fn read_wrapping(path: &Path) -> Result<WrappingFile, RingFileError> {
    let bytes = read_limited(path, FRAME_LEN.saturating_add(WrappingFile::MAX_BODY))?;
    WrappingFile::decode(&bytes).map_err(|source| RingFileError::Decode { path: path.to_path_buf(), source })
}

/// The wrapping key of the ring's generation.
fn wrapping_key(sealed: &SealedRing, wrapping: Option<&WrappingFile>) -> Result<Option<WrappingKey>, RingFileError> {
    let (ring, file) = match (sealed.wrapping_generation(), wrapping) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(RingFileError::NotBound),
        (Some(_), None) => return Err(RingFileError::WrappingNeeded),
        (Some(generation), Some(file)) => (generation, file),
    };
    if file.ring() != sealed.ring() {
        return Err(RingFileError::OtherRing);
    }
    match file.key(ring) {
        Some(key) => Ok(Some(key.clone())),
        None if ring < file.generation() => Err(RingFileError::OlderRing { ring, wrapping: file.generation() }),
        None => Err(RingFileError::OlderWrapping { ring, wrapping: file.generation() }),
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
