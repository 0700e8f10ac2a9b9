//! One writer at a time: an advisory lock on `RING.lock`.
//!
//! The kernel holds the lock for as long as the file is open, so a process that dies leaves none behind; the empty-looking
//! file stays and means nothing by itself. On network file systems a lock is as good as the system makes it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Holds the lock until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum LockError {
    /// Somebody has it; the process id they wrote down, if they did.
    Held(Option<u32>),
    Io(io::Error),
}

/// The file beside `path` that is locked.
pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

impl Lock {
    /// Takes the lock of `path`, or says who has it. Does not wait.
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(lock_path(path)).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.take(16).read_to_string(&mut text);
                return Err(LockError::Held(read.ok().and_then(|_| text.trim().parse().ok())));
            }
            Err(TryLockError::Error(e)) => return Err(LockError::Io(e)),
        }
        // For the message of whoever comes next; nothing depends on it.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
