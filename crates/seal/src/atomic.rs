//! Output files that appear whole or not at all.
//!
//! What is written goes to a temporary file in the directory of the target. [`AtomicFile::commit`] brings it to the disk
//! (`fsync`), renames it over the target, which POSIX makes atomic, and brings the directory to the disk. Dropped without
//! `commit`, the temporary file is removed and the target is as it was. A process that is killed leaves at most a file
//! `.NAME.XXXXXX.mediveil-tmp`, never a partial target.
//!
//! What the file system and the disk promise about `fsync` is assumed. The directory is synchronised on Unix only.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

const SUFFIX: &str = ".mediveil-tmp";

/// How an [`AtomicFile`] is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtomicOptions {
    private: bool,
    keep_existing: bool,
}

impl AtomicOptions {
    /// Replaces an existing file and keeps its mode; a new file has the process's usual one.
    #[must_use]
    pub const fn new() -> Self {
        Self { private: false, keep_existing: false }
    }

    /// Readable and writable by its owner alone (mode 0600 on Unix), whatever the target's mode was.
    #[must_use]
    pub const fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// Refuses to replace a file: creating and committing fail with [`io::ErrorKind::AlreadyExists`] if there is one,
    /// even if it came into being in between.
    #[must_use]
    pub const fn keep_existing(mut self, keep: bool) -> Self {
        self.keep_existing = keep;
        self
    }

    /// Opens the temporary file beside `path`. If `path` is a symbolic link, what it points to is the target.
    ///
    /// # Errors
    /// If the target is a directory or a device, if it exists and must be kept, or if its directory cannot be written.
    pub fn create(self, path: &Path) -> io::Result<AtomicFile> {
        let target = resolve(path)?;
        let existing = match fs::metadata(&target) {
            Ok(found) => Some(found),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        if let Some(found) = &existing {
            if found.is_dir() {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, "the output is a directory"));
            }
            if !found.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the output is not a regular file"));
            }
            if self.keep_existing {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the output exists already"));
            }
        }
        let name =
            target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the output has no name"))?;
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(SUFFIX);
        if let Some(mode) = (!self.private).then(ordinary_mode).flatten() {
            builder.permissions(mode);
        }
        let temp = builder.tempfile_in(directory(&target))?;
        if let (Some(found), false) = (existing, self.private) {
            temp.as_file().set_permissions(found.permissions())?;
        }
        Ok(AtomicFile { temp, target, keep_existing: self.keep_existing })
    }

    /// Writes `bytes` to `path` in one go.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`AtomicFile::commit`].
    pub fn write(self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create(path)?;
        file.write_all(bytes)?;
        file.commit()
    }
}

/// A file that takes its place only on [`commit`](Self::commit). Not buffered.
pub struct AtomicFile {
    temp: NamedTempFile,
    target: PathBuf,
    keep_existing: bool,
}

impl AtomicFile {
    /// For what may be read by others: replaces an existing file and keeps its mode.
    ///
    /// # Errors
    /// As [`AtomicOptions::create`].
    pub fn create(path: &Path) -> io::Result<Self> {
        AtomicOptions::new().create(path)
    }

    /// The other ways to make one.
    #[must_use]
    pub const fn options() -> AtomicOptions {
        AtomicOptions::new()
    }

    /// Brings everything to the disk and puts the file in its place. After an error the target is as it was, unless the
    /// error came from synchronising the directory, after the file had taken its place.
    ///
    /// # Errors
    /// A full disk, a directory that cannot be written, or a target that came into being and must be kept.
    pub fn commit(mut self) -> io::Result<()> {
        self.temp.flush()?;
        self.temp.as_file().sync_all()?;
        if self.keep_existing { self.temp.persist_noclobber(&self.target) } else { self.temp.persist(&self.target) }
            .map_err(|e| e.error)?;
        sync_directory(&self.target)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temp.flush()
    }
}

impl fmt::Debug for AtomicFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicFile").field("target", &self.target).finish_non_exhaustive()
    }
}

/// The file that a path names in the end.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => fs::canonicalize(path),
        _ => Ok(path.to_path_buf()),
    }
}

fn directory(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// 0666 less the process's mask, as programs usually create files.
#[cfg(unix)]
fn ordinary_mode() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn ordinary_mode() -> Option<Permissions> {
    None
}

#[cfg(unix)]
fn sync_directory(target: &Path) -> io::Result<()> {
    fs::File::open(directory(target))?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes the temporary files that a killed process left beside `path`. The caller must be sure that no other process
/// is writing this target, by holding a lock.
pub(crate) fn sweep(path: &Path) -> io::Result<()> {
    let target = resolve(path)?;
    let Some(name) = target.file_name().and_then(|n| n.to_str()) else { return Ok(()) };
    let prefix = format!(".{name}.");
    for entry in fs::read_dir(directory(&target))? {
        let entry = entry?;
        let found = entry.file_name();
        let Some(found) = found.to_str() else { continue };
        let random = found.strip_prefix(&prefix).and_then(|f| f.strip_suffix(SUFFIX));
        if random.is_some_and(|r| !r.is_empty() && r.bytes().all(|b| b.is_ascii_alphanumeric())) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
