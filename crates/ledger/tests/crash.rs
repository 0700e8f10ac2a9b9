//! Processes that die, disks that fill up, files that end too early or cannot be written: whatever was reported as recorded
//! is there afterwards, whole and in order, and nothing is there in part.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Scratch, at, child, child_argument, file_of, keyed, log_of, note, operator, scratch_file, texts};
use mediveil_ledger::{Damage, Event, Log, LogError, Options};
use mediveil_rng::{Rng, SeededRng};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// Appends from two threads and says each name once it is durable, until killed.
#[test]
fn child_appends_until_killed() {
    let Some(argument) = child_argument() else { return };
    let (path, round) = argument.split_once('|').unwrap();
    let log = Log::open(path).unwrap();
    std::thread::scope(|s| {
        for thread in 0..2 {
            let log = &log;
            s.spawn(move || {
                for i in 0.. {
                    let name = format!("{round}.{thread}.{i}");
                    let appended = if i % 3 == 0 {
                        // An entry together with a row of its own.
                        log.transaction(|tx| {
                            tx.db().execute("INSERT INTO test_names (name) VALUES (?1)", &[name.as_str().into()])?;
                            tx.append(&keyed(&name))
                        })
                    } else {
                        log.append(&keyed(&name))
                    };
                    let index = appended.unwrap().index;
                    if i % 16 == 15 {
                        log.head(at(i), &operator()).unwrap();
                    }
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "ack {index} {name}").unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

/// A child is killed at a random moment, thirty times over; each time the log is whole and holds what was acknowledged.
#[cfg(unix)]
#[test]
fn kill_9_at_random_moments_loses_nothing_that_was_acknowledged() {
    let (place, log) = log_of(0);
    log.transaction(|tx| tx.db().define("CREATE TABLE test_names (name TEXT PRIMARY KEY) STRICT")).unwrap();
    drop(log);
    let mut rng = SeededRng::from_u64(9);
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for round in 0..30 {
        let argument = format!("{}|{round}", place.path.display());
        let mut process = child("child_appends_until_killed", &argument).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut read_to = |until: usize, acknowledged: &mut Vec<(u64, String)>| {
            let mut seen = 0;
            while seen < until {
                let Some(Ok(line)) = lines.next() else { return };
                let Some(at) = line.find("ack ") else { continue };
                let Some((index, name)) = line[at + 4..].split_once(' ') else { continue };
                acknowledged.push((index.parse().unwrap(), name.to_owned()));
                seen += 1;
            }
        };
        read_to(1 + (rng.next_u32() % 12) as usize, &mut acknowledged);
        std::thread::sleep(Duration::from_micros(u64::from(rng.next_u32() % 4000)));
        process.kill().unwrap();
        process.wait().unwrap();
        read_to(usize::MAX, &mut acknowledged);

        let log = Log::open(&place.path).unwrap();
        let verified = log.verify_all().unwrap();
        let present = texts(&log);
        assert_eq!(present.len() as u64, verified.state.size);
        assert_eq!(present.iter().collect::<BTreeSet<_>>().len(), present.len(), "nothing twice");
        for (index, name) in &acknowledged {
            assert_eq!(&present[usize::try_from(*index).unwrap()], name, "round {round}");
        }
        // Rows of callers' tables are there exactly with their entries.
        let rows = log.snapshot(|db| db.all("SELECT name FROM test_names", &[], |row| row.text(0))).unwrap();
        let third = |name: &&String| name.rsplit('.').next().unwrap().parse::<u64>().unwrap() % 3 == 0;
        let expected: BTreeSet<_> = present.iter().filter(third).collect();
        assert_eq!(rows.iter().collect::<BTreeSet<_>>(), expected, "round {round}");
    }
    assert!(acknowledged.len() >= 30);
}

fn wal(place: &Scratch) -> std::path::PathBuf {
    place.dir.path().join("log-wal")
}

/// Copies of the file and its write-ahead log as they lie on the disk at this moment, the latter cut to `wal_len` bytes.
fn snapshot(place: &Scratch, wal_len: usize) -> Scratch {
    let copy = scratch_file();
    std::fs::copy(&place.path, &copy.path).unwrap();
    let bytes = std::fs::read(wal(place)).unwrap();
    std::fs::write(wal(&copy), &bytes[..wal_len.min(bytes.len())]).unwrap();
    copy
}

/// A write-ahead log that ends anywhere is a log that ends after some commit, never in the middle of one.
#[test]
fn a_torn_tail_of_the_write_ahead_log_is_an_earlier_commit() {
    let (place, log) = file_of(1);
    let mut states = vec![(0, log.checkpoint().unwrap())];
    for i in 1..12u64 {
        log.append_all(&[note(format!("{i}a")), keyed(&format!("{i}b"))]).unwrap();
        states.push((std::fs::metadata(wal(&place)).unwrap().len(), log.checkpoint().unwrap()));
    }
    let full = std::fs::metadata(wal(&place)).unwrap().len();
    let mut sizes = BTreeSet::new();
    let mut rng = SeededRng::from_u64(3);
    let cuts = states.iter().flat_map(|(len, _)| [len.saturating_sub(1), *len, len + 1, len + 2000]);
    let random: Vec<_> = (0..40).map(|_| u64::from(rng.next_u32()) % (full + 1)).collect();
    for cut in cuts.chain(random) {
        let copy = snapshot(&place, usize::try_from(cut).unwrap());
        // Before the commit that made the tables there is no log yet.
        let torn = match Log::open(&copy.path) {
            Ok(torn) => torn,
            Err(error) => {
                assert!(cut < states[1].0, "cut at {cut}: {error}");
                continue;
            }
        };
        let verified = torn.verify_all().unwrap();
        sizes.insert(verified.state.size);
        if let Some((_, state)) = states.iter().rev().find(|(len, _)| *len <= cut && *len > 0) {
            assert!(verified.state.size >= state.size, "what was on disk at {cut} is there");
        }
        assert!(verified.state.size % 2 == 1 || verified.state.size == 0, "no half of a commit");
        torn.append(&note("on")).unwrap();
        torn.verify_all().unwrap();
    }
    assert!(sizes.len() > 8, "{sizes:?}");
}

/// Damage within the write-ahead log ends it there.
#[test]
fn a_damaged_write_ahead_log_is_an_earlier_commit() {
    let (place, log) = file_of(1);
    for i in 0..10 {
        log.append(&note(i.to_string())).unwrap();
    }
    let bytes = std::fs::read(wal(&place)).unwrap();
    let mut rng = SeededRng::from_u64(4);
    for _ in 0..40 {
        let copy = snapshot(&place, usize::MAX);
        let mut damaged = bytes.clone();
        let spot = rng.next_u32() as usize % damaged.len();
        damaged[spot] ^= 1 << (rng.next_u32() % 8);
        std::fs::write(wal(&copy), damaged).unwrap();
        if let Ok(log) = Log::open(&copy.path) {
            log.verify_all().unwrap();
        }
    }
}

/// A database that lost its end, or a page in the middle, is recognised; it never passes for a shorter log.
#[test]
fn a_truncated_or_torn_database_is_recognised() {
    let (place, log) = file_of(400);
    let key = operator();
    log.head(at(1), &key).unwrap();
    let remembered = log.last_head().unwrap().unwrap().verify(&key.verifying_key()).unwrap();
    drop(log);
    assert!(!wal(&place).exists(), "closed: everything is in the one file");
    let bytes = std::fs::read(&place.path).unwrap();
    let pages = bytes.len() / 4096;
    let check = |bytes: &[u8], what: &str| {
        let copy = scratch_file();
        std::fs::write(&copy.path, bytes).unwrap();
        let verdict = Log::open(&copy.path).and_then(|log| {
            log.verify_all()?;
            log.check_against(&remembered)
        });
        assert!(verdict.is_err(), "{what}");
    };
    for page in 0..pages {
        check(&bytes[..page * 4096], "cut");
        check(&bytes[..page * 4096 + 1000], "cut within a page");
        let mut torn = bytes.clone();
        // The second half of a page never written: zero bytes, in all that hold something.
        let half = &mut torn[page * 4096 + 2048..(page + 1) * 4096];
        if half.iter().any(|b| *b != 0) {
            half.fill(0);
            check(&torn, &format!("page {page} torn"));
        }
    }
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let place = scratch_file();
    let log = Options::new().max_pages(40).create(&place.path, &mut SeededRng::from_u64(1)).unwrap();
    let mut recorded = 0;
    let error = loop {
        match log.append(&note("x".repeat(1000))) {
            Ok(appended) => {
                assert_eq!(appended.index, recorded);
                recorded += 1;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error, LogError::Full);
    assert!(recorded > 10);
    assert_eq!(log.size(), Ok(recorded));
    log.verify_all().unwrap();
    assert_eq!(log.append_all(&vec![note("x".repeat(1000)); 50]), Err(LogError::Full));
    drop(log);
    // With room again it goes on.
    let log = Log::open(&place.path).unwrap();
    assert_eq!(log.append(&note("y")).unwrap().index, recorded);
    log.verify_all().unwrap();
}

/// Threads that shared a commit with the job that filled the disk are told, and what was reported stays.
#[test]
fn a_full_disk_in_a_shared_commit_is_reported_to_all_who_share_it() {
    let place = scratch_file();
    let log = Options::new().max_pages(60).create(&place.path, &mut SeededRng::from_u64(1)).unwrap();
    let recorded = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|s| {
        for thread in 0..6 {
            let (log, recorded) = (&log, &recorded);
            s.spawn(move || {
                for i in 0..40 {
                    let name = format!("{thread}.{i}");
                    let mut entry = keyed(&name);
                    entry.event = Event::Note { text: format!("{name} {}", "x".repeat(900)) };
                    match log.append(&entry) {
                        Ok(appended) => recorded.lock().unwrap().push((appended.index, name)),
                        Err(error) => assert_eq!(error, LogError::Full),
                    }
                }
            });
        }
    });
    let mut recorded = recorded.into_inner().unwrap();
    recorded.sort();
    log.verify_all().unwrap();
    let present = texts(&log);
    assert!(recorded.len() < 240, "it was full at some point");
    assert_eq!(present.len(), recorded.len(), "what was refused is not there");
    assert!(recorded.iter().all(|(i, name)| present[usize::try_from(*i).unwrap()].split(' ').next() == Some(name)));
}

/// On a real file system without space, where the machine lets us make one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_refuses_and_loses_nothing() {
    let mount = tempfile::tempdir().unwrap();
    let run = |command: &str, arguments: &[&str]| {
        std::process::Command::new(command).args(arguments).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    let point = mount.path().to_str().unwrap();
    if !run("mount", &["-t", "tmpfs", "-o", "size=512k", "tmpfs", point]) {
        return; // Not allowed here; the page limit above stands for it.
    }
    let outcome = std::panic::catch_unwind(|| fill(&mount.path().join("log")));
    assert!(run("umount", &[point]));
    outcome.unwrap();
}

#[cfg(target_os = "linux")]
fn fill(path: &Path) {
    let log = Log::create(path, &mut SeededRng::from_u64(1)).unwrap();
    let mut recorded = 0;
    let error = loop {
        match log.append(&note("x".repeat(1000))) {
            Ok(_) => recorded += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, LogError::Full);
    assert_eq!(log.append(&note("x".repeat(1000))), Err(LogError::Full));
    assert_eq!(log.size(), Ok(recorded));
    log.verify_all().unwrap();
    drop(log);
    let log = Log::open_read_only(path).unwrap();
    assert_eq!(log.size(), Ok(recorded));
    log.verify_all().unwrap();
}

/// Opens for writing what it may not write; run as a user that is not root.
#[test]
fn child_opens_what_it_cannot_write() {
    let Some(path) = child_argument() else { return };
    assert_eq!(Log::open(&path).unwrap_err(), LogError::ReadOnly);
    let reader = Log::open_read_only(&path).unwrap();
    assert_eq!(texts(&reader), ["0", "1", "2"]);
    reader.verify_all().unwrap();
    assert_eq!(reader.append(&note("x")), Err(LogError::ReadOnly));
}

#[cfg(unix)]
#[test]
fn a_read_only_file_is_read_and_not_written() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let (place, log) = file_of(3);
    drop(log);
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&place.path, 0o444);
    mode(place.dir.path(), 0o555);
    let mut command = child("child_opens_what_it_cannot_write", place.path.to_str().unwrap());
    if std::fs::metadata(&place.path).unwrap().uid() == 0 {
        // Root may write anything, so the child is nobody; from where the test binary may not be reachable for it.
        let binary = place.dir.path().join("child");
        mode(place.dir.path(), 0o755);
        std::fs::copy(command.get_program(), &binary).unwrap();
        mode(&binary, 0o755);
        mode(place.dir.path(), 0o555);
        let mut other = std::process::Command::new(binary);
        other.args(command.get_args()).env("LEDGER_CHILD", &place.path).uid(65_534).gid(65_534);
        command = other;
    }
    let output = command.current_dir("/").output().unwrap();
    mode(place.dir.path(), 0o755);
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

/// Random bytes anywhere in the file: never a panic, never a wrong answer that passes for a right one.
#[test]
fn random_damage_is_found_or_harmless() {
    let (place, log) = file_of(60);
    let state = log.checkpoint().unwrap();
    drop(log);
    let bytes = std::fs::read(&place.path).unwrap();
    let mut rng = SeededRng::from_u64(5);
    let mut found = 0;
    for _ in 0..200 {
        let copy = scratch_file();
        let mut damaged = bytes.clone();
        let spot = rng.next_u32() as usize % damaged.len();
        rng.fill_bytes(&mut damaged[spot..=spot]);
        std::fs::write(&copy.path, &damaged).unwrap();
        match Log::open(&copy.path).and_then(|log| log.verify_all()) {
            Ok(verified) => assert_eq!(verified.state, state, "byte {spot}"),
            Err(LogError::Damaged(Damage::Database(_) | Damage::Schema(_))) => found += 1,
            Err(_) => found += 1,
        }
    }
    assert!(found > 20, "{found}");
}
