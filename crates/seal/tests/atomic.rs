//! Output files are whole or absent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_seal::{AtomicFile, AtomicOptions};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn nothing_is_there_before_commit_and_everything_after() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"new").unwrap();
    assert!(!path.exists());
    file.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn dropped_without_commit_the_old_file_stays_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    fs::write(&path, b"old").unwrap();
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"half of what is ne").unwrap();
    assert_eq!(names(dir.path()).len(), 2);
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn an_existing_file_can_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let keep = AtomicOptions::default().keep_existing(true);
    // It comes into being while the new one is written.
    let mut file = keep.create(&path).unwrap();
    file.write_all(b"new").unwrap();
    fs::write(&path, b"old").unwrap();
    assert_eq!(file.commit().unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(keep.create(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn directories_and_devices_are_no_output() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(AtomicFile::create(dir.path()).unwrap_err().kind(), ErrorKind::IsADirectory);
    assert_eq!(AtomicFile::create(&dir.path().join("missing/out")).unwrap_err().kind(), ErrorKind::NotFound);
    AtomicFile::create(Path::new("/")).unwrap_err();
    AtomicFile::create(Path::new("")).unwrap_err();
    #[cfg(unix)]
    {
        assert_eq!(AtomicFile::create(Path::new("/dev/null")).unwrap_err().kind(), ErrorKind::InvalidInput);
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        assert_eq!(AtomicFile::create(&file.join("out")).unwrap_err().kind(), ErrorKind::NotADirectory);
    }
    assert!(names(dir.path()).iter().all(|n| n == "file"));
}

/// The directory that the kernel lets nobody write, the superuser included.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_written_is_refused_at_once() {
    AtomicFile::create(Path::new("/proc/self/out")).unwrap_err();
}

#[cfg(unix)]
#[test]
fn modes() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let private = AtomicFile::options().private(true);
    private.write(&path, b"secret").unwrap();
    assert_eq!(mode(), 0o600);
    // Replacing keeps the mode; it never widens it.
    AtomicOptions::default().write(&path, b"secret").unwrap();
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    AtomicOptions::default().write(&path, b"x").unwrap();
    assert_eq!(mode(), 0o640);
    private.write(&path, b"secret").unwrap();
    assert_eq!(mode(), 0o600);
    // A new public file has what the process's mask leaves, as any other new file.
    fs::write(dir.path().join("plain"), b"").unwrap();
    AtomicOptions::default().write(&dir.path().join("ours"), b"").unwrap();
    let of = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
    assert_eq!(of("ours"), of("plain"));
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_stays_and_its_target_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::write(&real, b"old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    AtomicOptions::default().write(&link, b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), b"new");
}
