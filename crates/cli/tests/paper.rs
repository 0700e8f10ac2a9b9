//! Paper shares on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{run, says};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn split(at: &Path, more: &[&str], code: i32) -> String {
    let base = ["paper", "split", "patient.key", "--sealed", "patient.sealed", "--dir", "paper"];
    says(at, &[&base[..], more].concat(), code)
}

fn join(at: &Path, shares: &[&str], more: &[&str], code: i32) -> String {
    let shares: Vec<String> = shares.iter().map(|s| format!("paper/group-{s}.txt")).collect();
    let mut args = vec!["paper", "join", "-o", "back.key"];
    args.extend(shares.iter().map(String::as_str));
    args.extend(more);
    let said = says(at, &args, code);
    assert_eq!(at.join("back.key").exists(), code == 0, "{said}");
    said
}

fn is_back(at: &Path) {
    assert_eq!(fs::read(at.join("back.key")).unwrap(), fs::read(at.join("patient.key")).unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(at.join("back.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::remove_file(at.join("back.key")).unwrap();
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["identity", "new", "--out", "patient.key"], 0);
    folder
}

const SEALED: &[&str] = &["--sealed", "patient.sealed"];

#[test]
fn groups_with_enough_shares_bring_a_key_back_and_fewer_do_not() {
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("phrase"), "on a note\n").unwrap();
    fs::write(at.join("guess"), "a guess\n").unwrap();
    let groups = ["--group", "2of3", "--group", "3of5", "--group", "1of1", "--groups-needed", "2"];
    split(at, &[&groups[..], &["--passphrase-file", "phrase"]].concat(), 0);
    assert_eq!(fs::read_dir(at.join("paper")).unwrap().count(), 9);
    let note = [SEALED, &["--passphrase-file", "phrase"]].concat();
    join(at, &["1-share-3", "1-share-1", "3-share-1"], &note, 0);
    is_back(at);
    // More than are needed, one of them twice.
    join(at, &["1-share-1", "1-share-1", "1-share-2", "2-share-5", "2-share-1", "2-share-2", "2-share-3"], &note, 0);
    is_back(at);
    let said = join(at, &["1-share-1", "2-share-1", "2-share-2", "3-share-1"], &note, 3);
    assert!(
        said.contains("1 of 2 groups have enough shares (group 1: 1 of 2 shares; group 2: 2 of 3 shares"),
        "{said}"
    );
    // Without the passphrase, or with another one, the words give another key.
    join(at, &["1-share-3", "1-share-1", "3-share-1"], SEALED, 3);
    let guess = [SEALED, &["--passphrase-file", "guess"]].concat();
    join(at, &["1-share-3", "1-share-1", "3-share-1"], &guess, 3);
    // Nothing is replaced.
    fs::write(at.join("back.key"), "mine").unwrap();
    let taken = ["paper", "join", "-o", "back.key", "paper/group-3-share-1.txt", "paper/group-1-share-1.txt"];
    let taken = [&taken[..], &["paper/group-1-share-2.txt"], &note].concat();
    assert!(says(at, &taken, 3).contains("back.key: exists"));
    assert_eq!(fs::read(at.join("back.key")).unwrap(), b"mine");
}

#[test]
fn what_cannot_be_split_leaves_nothing() {
    let folder = folder();
    let at = folder.path();
    for (code, words, args) in [
        (2, "required", &[][..]),
        (2, "such as 3of5", &["--group", "3"]),
        (2, "such as 3of5", &["--group", "300of500"]),
        (2, "between 1 and all", &["--group", "4of3"]),
        (2, "between 1 and all", &["--group", "0of3"]),
        (2, "between 1 and all", &["--group", "2of17"]),
        (2, "one share copied", &["--group", "1of3"]),
        (2, "between 1 and all", &["--group", "2of3", "--groups-needed", "2"]),
        (2, "cannot be used with", &["--group", "2of3", "--raw"]),
    ] {
        let said = split(at, args, code);
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(!at.join("paper").exists() && !at.join("patient.sealed").exists(), "{args:?}");
    }
    run(at, &["paper", "split", "patient.key", "--group", "2of3"], 2);
    run(at, &["paper", "split", "patient.key", "--group", "2of3", "--raw"], 2);
    run(at, &["paper", "split", "missing", "--group", "2of3", "--sealed", "x", "--dir", "paper"], 1);
    assert!(!at.join("paper").exists() && !at.join("x").exists());
    // A share that is in the way: none of the others appears, and the sealed file neither.
    fs::create_dir(at.join("paper")).unwrap();
    fs::write(at.join("paper/group-1-share-2.txt"), "mine").unwrap();
    assert!(split(at, &["--group", "2of3"], 3).contains("group-1-share-2.txt: exists"));
    assert_eq!(fs::read_dir(at.join("paper")).unwrap().count(), 1);
    assert!(!at.join("patient.sealed").exists());
    fs::remove_file(at.join("paper/group-1-share-2.txt")).unwrap();
    split(at, &["--group", "2of3"], 0);
    assert!(split(at, &["--group", "2of3"], 3).contains("patient.sealed: exists"));
}

#[test]
fn wrong_words_and_strange_shares_are_named() {
    let folder = folder();
    let at = folder.path();
    split(at, &["--group", "2of3"], 0);
    let path = at.join("paper/group-1-share-2.txt");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# Group 1, share 2 of 3: 2 of them are needed (SLIP-39).\n"), "{text}");
    let words: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).flat_map(str::split_whitespace).collect();
    assert_eq!(words.len(), 33);
    let damage = |words: &[&str]| fs::write(&path, words.join("\n")).unwrap();
    let refused = |expected: &str| {
        let said = join(at, &["1-share-1", "1-share-2"], SEALED, 4);
        assert!(said.contains("group-1-share-2.txt: ") && said.contains(expected), "{said}");
    };
    damage(&words);
    join(at, &["1-share-1", "1-share-2"], SEALED, 0);
    is_back(at);
    damage(&words[..32]);
    refused("32 words");
    damage(&[&words[..32], &["patient"]].concat());
    refused("word 33 is not in the list");
    let other = if words[9] == "academic" { "acid" } else { "academic" };
    damage(&[&words[..9], &[other], &words[10..]].concat());
    refused("the checksum does not fit");
    // A share of another split of the same file.
    fs::remove_file(at.join("patient.sealed")).unwrap();
    run(at, &["paper", "split", "patient.key", "--sealed", "o", "--dir", "other", "--group", "2of3"], 0);
    fs::copy(at.join("other/group-1-share-2.txt"), &path).unwrap();
    refused("do not belong together");
    // The right words and another sealed file.
    damage(&words);
    join(at, &["1-share-1", "1-share-2"], &["--sealed", "o"], 3);
}

#[test]
fn a_secret_goes_into_words_itself_and_the_key_of_a_file_opens_it_without_this_tool() {
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("seed"), [7; 16]).unwrap();
    let base = ["paper", "split", "--raw", "seed", "--group", "2of2", "--iterations", "0"];
    let printed: Value = serde_json::from_slice(&run(at, &[&base[..], &["--json"]].concat(), 0).stdout).unwrap();
    let shares = printed["shares"].as_array().unwrap();
    assert_eq!(shares.len(), 2);
    for (i, share) in shares.iter().enumerate() {
        fs::write(at.join(format!("s{i}")), share["words"].as_str().unwrap()).unwrap();
        assert_eq!(share["words"].as_str().unwrap().split(' ').count(), 20);
    }
    run(at, &["paper", "join", "--raw", "s0", "s1", "-o", "back"], 0);
    assert_eq!(fs::read(at.join("back")).unwrap(), [7; 16]);
    let text = String::from_utf8(run(at, &base, 0).stdout).unwrap();
    assert_eq!(text.matches("# Group 1, share").count(), 2);
    for length in [15, 17, 66] {
        fs::write(at.join("seed"), vec![7; length]).unwrap();
        assert!(says(at, &base, 2).contains("an even number of bytes, 16 to 64"));
    }

    split(at, &["--group", "2of2"], 0);
    run(at, &["paper", "join", "--raw", "paper/group-1-share-1.txt", "paper/group-1-share-2.txt", "-o", "key"], 0);
    let digits: String = fs::read(at.join("key")).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    fs::write(at.join("digits"), digits).unwrap();
    run(at, &["open", "patient.sealed", "--passphrase-file", "digits", "-o", "opened.key"], 0);
    assert_eq!(fs::read(at.join("opened.key")).unwrap(), fs::read(at.join("patient.key")).unwrap());
}
