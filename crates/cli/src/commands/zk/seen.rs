//! The nullifiers that a verifier has seen: a text file, one line for each, scope and nullifier in hexadecimal.
//!
//! Looking up and adding happen under a lock on the file, and an entry is on the disk before the proof is accepted. A last
//! line without its end, left by a power cut, was never reported and is dropped.

use super::hex_of;
use crate::failure::{Failure, Kind};
use mediveil_zk::{Fr, Scope};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Two elements, a space and a line feed.
const LINE: usize = 130;

/// Whether a line has the form of one.
fn is_line(line: &str) -> bool {
    let is_element = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    line.split_once(' ').is_some_and(|(scope, nullifier)| is_element(scope) && is_element(nullifier))
}

/// Adds a nullifier, if it is new in its scope.
pub(crate) fn record(path: &Path, scope: &Scope, nullifier: &Fr) -> Result<(), Failure> {
    let at = |e: io::Error| Failure::from(e).at(path);
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(at)?;
    file.lock().map_err(at)?;
    let line = format!("{} {}", hex_of(&scope.element()), hex_of(nullifier));
    let seen = read(&mut file).map_err(|e| e.at(path))?;
    if seen.lines().any(|earlier| earlier == line) {
        let why = "this nullifier was seen before in this scope: a replay, or the same person a second time";
        return Err(Failure::new(Kind::Refused, why));
    }
    writeln!(file, "{line}").and_then(|()| file.sync_all()).map_err(at)
}

/// All whole lines; the rest is cut off.
fn read(file: &mut File) -> Result<String, Failure> {
    let damaged = || Failure::new(Kind::Damaged, "is not a list of nullifiers; nothing was changed");
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|_| damaged())?;
    let whole = text.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let tail = text.split_off(whole);
    if !text.lines().all(is_line) || tail.len() >= LINE || !tail.bytes().all(|b| b.is_ascii_hexdigit() || b == b' ') {
        return Err(damaged());
    }
    if !tail.is_empty() {
        file.set_len(whole as u64)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn once_in_a_scope_across_power_cuts_and_never_into_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let (a, b) = (Scope::new("a"), Scope::new("b"));
        let kind = |scope, n: u64| record(&path, scope, &Fr::from(n)).map_err(|e| e.exit_code());
        assert_eq!(kind(&a, 1), Ok(()));
        assert_eq!(kind(&a, 1), Err(3));
        assert_eq!(kind(&a, 2), Ok(()));
        assert_eq!(kind(&b, 1), Ok(()));
        let whole = fs::read_to_string(&path).unwrap();
        assert_eq!((whole.lines().count(), whole.len()), (3, 3 * LINE));
        // A line that a power cut left: it was never reported.
        fs::write(&path, &whole[..2 * LINE + 70]).unwrap();
        assert_eq!(kind(&a, 2), Err(3));
        assert_eq!(kind(&b, 1), Ok(()));
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
        for other in ["a letter to my aunt\n", "a letter", "\u{ff}"] {
            fs::write(&path, other).unwrap();
            assert_eq!(kind(&a, 9), Err(4));
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
    }
}
