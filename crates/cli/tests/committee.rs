//! Committees on the command line: members in folders of their own, who exchange files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{run, says};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Copies what is missing from one directory to another, as rsync would.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if !target.exists() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Hosts `h1` to `hn`, each with a key and with a copy of the boards.
struct Hosts {
    folder: tempfile::TempDir,
    count: usize,
}

impl Hosts {
    fn new(count: usize) -> Self {
        let hosts = Self { folder: tempfile::tempdir().unwrap(), count };
        for n in 1..=count {
            fs::create_dir(hosts.at(n)).unwrap();
            run(&hosts.at(n), &["identity", "new", "--kind", "classic", "--out", "me.key"], 0);
        }
        hosts
    }

    fn at(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("h{n}"))
    }

    fn publics(&self, of: &[usize]) -> Vec<String> {
        of.iter().map(|n| self.at(*n).join("me.key.pub").display().to_string()).collect()
    }

    /// Everybody gets everybody's files of this board.
    fn exchange(&self, board: &str) {
        let all = self.folder.path().join("wire").join(board);
        fs::create_dir_all(&all).unwrap();
        for n in 1..=self.count {
            if self.at(n).join(board).exists() {
                copy(&self.at(n).join(board), &all);
            }
        }
        (1..=self.count).for_each(|n| copy(&all, &self.at(n).join(board)));
    }

    fn new_board(&self, board: &str, members: &[usize], needed: &str) {
        let publics = self.publics(members);
        let mut args = vec!["committee", "new", board, "--purpose", "the tests", "--needed", needed];
        publics.iter().for_each(|p| args.extend(["--member", p]));
        run(&self.at(1), &args, 0);
        self.exchange(board);
    }

    fn deal(&self, n: usize, board: &str, code: i32) -> String {
        says(&self.at(n), &["committee", "deal", board, "-i", "me.key", "--state", "state"], code)
    }

    fn close(&self, board: &str, more: &[&str], code: i32) -> String {
        let base = ["committee", "close", board, "-i", "me.key"];
        let said = says(&self.at(1), &[&base[..], more].concat(), code);
        self.exchange(board);
        said
    }

    fn round(&self, board: &str, speakers: &[usize]) {
        speakers.iter().for_each(|n| drop(self.deal(*n, board, 0)));
        self.exchange(board);
        self.close(board, &[], 0);
    }

    fn finish(&self, n: usize, board: &str, more: &[&str]) -> Value {
        let base = ["committee", "finish", board, "--state", "state", "--json"];
        serde_json::from_slice(&run(&self.at(n), &[&base[..], more].concat(), 0).stdout).unwrap()
    }

    fn verify(&self, n: usize, path: &str) -> Value {
        serde_json::from_slice(&run(&self.at(n), &["committee", "verify", path, "--json"], 0).stdout).unwrap()
    }

    /// A key of all hosts.
    fn generate(&self, board: &str, needed: &str) {
        let all: Vec<usize> = (1..=self.count).collect();
        self.new_board(board, &all, needed);
        (0..3).for_each(|_| self.round(board, &all));
        all.iter().for_each(|n| drop(self.finish(*n, board, &[])));
    }

    /// The files of a round that begin so.
    fn files(&self, n: usize, round: &str, prefix: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.at(n).join(round))
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with(prefix))
            .collect();
        files.sort();
        files
    }
}

/// Everything below a folder with its content, to see that a refusal left nothing behind.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(snapshot(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

fn passed_over(json: &Value) -> String {
    json["passed_over"].to_string()
}

#[test]
fn members_on_three_hosts_make_a_key_renew_it_and_hand_it_on() {
    let hosts = Hosts::new(4);
    hosts.new_board("b0", &[1, 2, 3], "2");
    assert_eq!(hosts.verify(4, "b0")["state"], "round 0 is open");
    for _ in 0..3 {
        hosts.round("b0", &[1, 2, 3]);
    }
    let ends: Vec<Value> = (1..=3).map(|n| hosts.finish(n, "b0", &[])).collect();
    assert!(ends.iter().all(|end| end["transcript"] == ends[0]["transcript"] && end["key"] == ends[0]["key"]));
    assert_eq!(ends[0]["accusations"], Value::Array(Vec::new()));
    for name in ["committee.pub", "key-set", "transcript"] {
        let files: Vec<_> = (1..=3).map(|n| fs::read(hosts.at(n).join("b0").join(name)).unwrap()).collect();
        assert!(files.iter().all(|f| *f == files[0]), "{name}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&hosts.at(1).join("state")), 0o700);
        for (path, _) in snapshot(&hosts.at(1).join("state")) {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
    // The share that was lost is made again from the state and the board; what is there is kept.
    let share = hosts.at(2).join(ends[1]["share"].as_str().unwrap());
    let before = fs::read(&share).unwrap();
    fs::remove_file(&share).unwrap();
    hosts.finish(2, "b0", &[]);
    assert_eq!(fs::read(&share).unwrap(), before);
    hosts.finish(2, "b0", &[]);

    // A refresh: the key stays, and what the epoch before left is destroyed.
    run(&hosts.at(1), &["committee", "refresh", "b0", "b1"], 0);
    hosts.exchange("b1");
    for _ in 0..3 {
        hosts.round("b1", &[1, 2, 3]);
    }
    let end = hosts.finish(1, "b1", &[]);
    assert_eq!((&end["key"], &end["epoch"]), (&ends[0]["key"], &Value::from(1)));
    assert_eq!(end["destroyed"], serde_json::json!([]));
    assert_eq!(
        hosts.finish(2, "b1", &["--retire"])["destroyed"][0],
        share.parent().unwrap().strip_prefix(hosts.at(2)).unwrap().to_str().unwrap()
    );
    assert!(!share.exists());
    // An old share does not deal in a run that renews the new set.
    hosts.finish(1, "b1", &["--retire"]);
    hosts.finish(3, "b1", &["--retire"]);

    // A resharing: member 3 leaves, member 4 comes.
    let publics = hosts.publics(&[1, 2, 4]);
    let mut args = vec!["committee", "reshare", "b1/key-set", "b2", "--needed", "2"];
    publics.iter().for_each(|p| args.extend(["--member", p]));
    let with = |more: &[&'static str]| [&args[..], more].concat();
    run(&hosts.at(1), &args, 2);
    let said = says(&hosts.at(1), &with(&["--old-needed", "3"]), 3);
    assert!(said.contains("the key set says that 2 members are needed, not 3"), "{said}");
    assert!(!hosts.at(1).join("b2").exists());
    run(&hosts.at(1), &with(&["--old-needed", "2"]), 0);
    hosts.exchange("b2");
    hosts.round("b2", &[1, 2, 4]);
    assert!(hosts.deal(4, "b2", 3).contains("not a member of the committee"));
    hosts.round("b2", &[1, 2, 3]);
    hosts.round("b2", &[1, 2, 4]);
    let end = hosts.finish(4, "b2", &[]);
    assert_eq!((&end["key"], &end["epoch"]), (&ends[0]["key"], &Value::from(2)));
    assert_eq!(hosts.finish(3, "b2", &["--retire"])["share"], Value::Null);
    assert!(snapshot(&hosts.at(3).join("state")).iter().all(|(path, _)| !path.ends_with("share")));
    hosts.exchange("b0");
    run(&hosts.at(4), &["committee", "verify", "b2", "--key", "b0/committee.pub"], 0);
}

#[test]
fn who_says_two_things_is_named_by_whoever_looks_at_the_files() {
    let hosts = Hosts::new(3);
    hosts.new_board("b", &[1, 2, 3], "2");
    hosts.round("b", &[1, 2, 3]);
    // Member 3 deals twice, from a copy of its own machine.
    copy(&hosts.at(3), &hosts.folder.path().join("h9"));
    (1..=3).for_each(|n| drop(hosts.deal(n, "b", 0)));
    hosts.deal(9, "b", 0);
    copy(&hosts.at(9).join("b"), &hosts.at(3).join("b"));
    hosts.exchange("b");
    let said = hosts.close("b", &[], 0);
    assert!(said.contains("dealer 3 signed two messages for one round"), "{said}");
    assert_eq!(said.matches("is one of two that its member signed").count(), 2, "{said}");
    hosts.round("b", &[1, 2, 3]);
    for n in 1..=3 {
        let end = hosts.finish(n, "b", &[]);
        assert_eq!(end["dealers"], serde_json::json!([1, 2]));
        assert_eq!(end["accusations"][0]["member"], 3);
    }
    // A third party decides, by the transcript alone.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::copy(hosts.at(1).join("b/transcript"), elsewhere.path().join("evidence")).unwrap();
    let verify =
        |more: &[&str], code| says(elsewhere.path(), &[&["committee", "verify", "evidence"], more].concat(), code);
    verify(&["--accused", "3"], 0);
    assert!(verify(&["--accused", "2"], 3).contains("nothing here proves member 2 guilty"));
    fs::copy(hosts.at(1).join("me.key.pub"), elsewhere.path().join("other.pub")).unwrap();
    verify(&["--key", "other.pub"], 4);
    let text = fs::read_to_string(elsewhere.path().join("evidence")).unwrap();
    let middle = text.len() / 2;
    let other = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
    fs::write(elsewhere.path().join("evidence"), [&text[..middle], other, &text[middle + 1..]].concat()).unwrap();
    verify(&[], 4);
}

#[test]
fn a_second_dealing_that_came_late_is_complained_of_with_both_as_proof() {
    let hosts = Hosts::new(3);
    hosts.new_board("b", &[1, 2, 3], "2");
    hosts.round("b", &[1, 2, 3]);
    copy(&hosts.at(3), &hosts.folder.path().join("h9"));
    hosts.round("b", &[1, 2, 3]);
    hosts.deal(9, "b", 0);
    copy(&hosts.at(9).join("b/round1"), &hosts.at(2).join("b/round1"));
    let said = hosts.deal(2, "b", 0);
    assert!(
        said.contains("complained of dealer 3, with proof") && said.contains("came late, and is a second one"),
        "{said}"
    );
    hosts.deal(1, "b", 0);
    hosts.deal(3, "b", 0);
    hosts.exchange("b");
    let said = hosts.close("b", &[], 0);
    assert!(said.contains("accused    dealer 3 signed two messages for one round"), "{said}");
    assert_eq!(hosts.finish(1, "b", &[])["dealers"], serde_json::json!([1, 2]));
}

#[test]
fn the_silent_are_left_out_only_if_the_convenor_says_so_and_too_few_cannot_end_a_round() {
    let hosts = Hosts::new(3);
    hosts.new_board("b", &[1, 2, 3], "2");
    let nothing = snapshot(&hosts.at(1).join("b"));
    hosts.deal(1, "b", 0);
    let one = snapshot(&hosts.at(1).join("b"));
    assert_ne!(nothing, one);
    assert!(
        hosts.close("b", &["--without-silent"], 3).contains("too few members have spoken, 1 of the 2 that are needed")
    );
    hosts.deal(2, "b", 0);
    hosts.exchange("b");
    let two = snapshot(&hosts.at(1).join("b"));
    assert!(hosts.close("b", &[], 3).contains("silent so far: 3."));
    let other = ["committee", "close", "b", "-i", "me.key", "--without-silent"];
    assert!(says(&hosts.at(2), &other, 3).contains("not the committee's convenor"));
    assert_eq!(snapshot(&hosts.at(1).join("b")), two);
    hosts.close("b", &["--without-silent"], 0);
    // Who was silent gets no share, is accused of nothing, and may still deal.
    hosts.round("b", &[1, 2, 3]);
    assert!(hosts.deal(3, "b", 3).contains("not among those who enrolled"));
    hosts.deal(1, "b", 0);
    hosts.deal(2, "b", 0);
    hosts.exchange("b");
    hosts.close("b", &["--without-silent"], 0);
    let end = hosts.finish(2, "b", &[]);
    assert_eq!(end["accusations"], Value::Array(Vec::new()));
    let board = snapshot(&hosts.at(3));
    let finish = ["committee", "finish", "b", "--state", "state"];
    assert!(says(&hosts.at(3), &finish, 3).contains("have its share repaired"));
    assert_eq!(snapshot(&hosts.at(3)), board);
}

#[test]
fn what_does_not_belong_on_the_board_is_passed_over_or_refused() {
    let hosts = Hosts::new(4);
    hosts.new_board("other", &[1, 2, 3], "2");
    hosts.new_board("b", &[1, 2, 3], "2");
    for board in ["other", "b"] {
        hosts.round(board, &[1, 2, 3]);
    }
    // A stranger has no word.
    let before = snapshot(&hosts.at(4));
    assert!(hosts.deal(4, "b", 3).contains("not a member"));
    assert_eq!(snapshot(&hosts.at(4)), before);
    (1..=3).for_each(|n| drop(hosts.deal(n, "other", 0)));
    let dealings = |hosts: &Hosts| {
        (1..=3).map(|n| hosts.files(n, "other/round1", &format!("{n}-"))[0].clone()).collect::<Vec<_>>()
    };
    // A message of another session; one of another round; one with another's name; rubbish; another session's cut-off.
    hosts.deal(1, "b", 0);
    let round1 = hosts.at(1).join("b/round1");
    fs::copy(&dealings(&hosts)[1], round1.join("2-replayed")).unwrap();
    fs::copy(&hosts.files(1, "b/round0", "3-")[0], round1.join("3-early")).unwrap();
    fs::write(round1.join("rubbish"), "rubbish").unwrap();
    fs::copy(&hosts.files(1, "other/round0", "cut-off-")[0], round1.join("cut-off-of-another")).unwrap();
    let seen = hosts.verify(1, "b");
    assert_eq!(seen["state"], "round 1 is open");
    let words = passed_over(&seen);
    for (file, why) in [("2-replayed", "another session"), ("3-early", "another object"), ("rubbish", "first line")] {
        assert!(words.contains(file) && words.contains(why), "{file}: {words}");
    }
    assert!(words.contains("cut-off-of-another"));
    // They give nobody a voice.
    assert!(hosts.close("b", &["--without-silent"], 3).contains("too few members have spoken, 1 of the 2"));
    hosts.deal(2, "b", 0);
    hosts.exchange("b");
    hosts.close("b", &["--without-silent"], 0);

    // Late: after the cut-off a dealing does not count. Said again, it is the same.
    let said = hosts.deal(3, "b", 0);
    assert!(said.contains("checked"), "{said}");
    let again = hosts.deal(3, "b", 0);
    assert!(again.contains("checked as before"), "{again}");

    // A message that the cut-off lists, damaged on one host.
    let listed = hosts.files(3, "b/round1", "2-").into_iter().find(|p| !p.ends_with("2-replayed")).unwrap();
    let text = fs::read_to_string(&listed).unwrap();
    fs::write(&listed, text.replacen('A', "B", 1)).unwrap();
    let state = snapshot(&hosts.at(3).join("state"));
    let said = says(&hosts.at(3), &["committee", "verify", "b"], 4);
    assert!(said.contains("fetch it again, the cut-off lists it"), "{said}");
    hosts.deal(3, "b", 4);
    fs::remove_file(&listed).unwrap();
    assert!(says(&hosts.at(3), &["committee", "verify", "b"], 4).contains("fetch it"));
    assert_eq!(snapshot(&hosts.at(3).join("state")), state);
    fs::write(&listed, text).unwrap();
    hosts.verify(3, "b");

    // A convenor who ends one round twice.
    copy(&hosts.at(1), &hosts.folder.path().join("h9"));
    let twin = hosts.at(9);
    let first =
        hosts.files(9, "b/round1", "cut-off-").into_iter().find(|p| !p.ends_with("cut-off-of-another")).unwrap();
    fs::remove_file(first).unwrap();
    run(&twin, &["committee", "close", "b", "-i", "me.key", "--without-silent", "--now", "2030-01-01"], 0);
    copy(&twin.join("b"), &hosts.at(2).join("b"));
    assert!(hosts.deal(2, "b", 4).contains("a second end of this round"));
}

#[test]
fn a_member_never_contradicts_itself_and_never_loses_a_secret() {
    let hosts = Hosts::new(3);
    hosts.new_board("b", &[1, 2, 3], "2");
    hosts.deal(2, "b", 0);
    // The state is gone, or is another machine's: no second message.
    fs::rename(hosts.at(2).join("state"), hosts.at(2).join("kept")).unwrap();
    let before = snapshot(&hosts.at(2));
    assert!(hosts.deal(2, "b", 3).contains("a second one would be proof against you"));
    assert_eq!(snapshot(&hosts.at(2)), before);
    fs::rename(hosts.at(2).join("kept"), hosts.at(2).join("state")).unwrap();
    // The board is gone: the very same message again.
    let message = hosts.files(2, "b/round0", "2-");
    let text = fs::read(&message[0]).unwrap();
    fs::remove_file(&message[0]).unwrap();
    assert!(hosts.deal(2, "b", 0).contains("enrolled as before"));
    assert_eq!(fs::read(&message[0]).unwrap(), text);
    // A board in the way.
    let publics = hosts.publics(&[1, 2, 3]);
    let mut args = vec!["committee", "new", "b", "--purpose", "x", "--needed", "2"];
    publics.iter().for_each(|p| args.extend(["--member", p]));
    let before = snapshot(&hosts.at(1));
    assert!(says(&hosts.at(1), &args, 3).contains("exists"));
    assert_eq!(snapshot(&hosts.at(1)), before);
}

#[test]
fn impossible_committees_are_refused() {
    let hosts = Hosts::new(3);
    let publics = hosts.publics(&[1, 2, 3, 1]);
    let new = |needed: &str, members: &[usize], words: &str| {
        let mut args = vec!["committee", "new", "b", "--purpose", "x", "--needed", needed];
        members.iter().for_each(|n| args.extend(["--member", &publics[*n]]));
        let said = says(&hosts.at(1), &args, 2);
        assert!(said.contains(words) && !hosts.at(1).join("b").exists(), "{said}");
    };
    new("1", &[0, 1, 2], "would hold the key alone");
    new("0", &[0, 1, 2], "would hold the key alone");
    new("3", &[0, 1, 2], "name at least 5 members");
    new("2", &[0, 1, 3], "have a key in common");
    new("2", &[], "required");
    run(&hosts.at(1), &["committee", "verify", "missing"], 1);
    run(&hosts.at(1), &["committee", "verify", "me.key"], 4);
    run(&hosts.at(1), &["committee", "deal", "missing", "-i", "me.key", "--state", "state"], 1);
    assert!(!hosts.at(1).join("state").exists());
}

#[test]
fn a_run_with_too_few_honest_dealers_ends_with_its_proof() {
    let hosts = Hosts::new(3);
    hosts.new_board("b", &[1, 2, 3], "2");
    hosts.round("b", &[1, 2, 3]);
    for (n, twin) in [(2, 8), (3, 9)] {
        copy(&hosts.at(n), &hosts.folder.path().join(format!("h{twin}")));
        hosts.deal(twin, "b", 0);
        hosts.deal(n, "b", 0);
        copy(&hosts.at(twin).join("b"), &hosts.at(n).join("b"));
    }
    hosts.deal(1, "b", 0);
    hosts.exchange("b");
    let said = hosts.close("b", &[], 3);
    assert!(said.contains("dealer 2 signed two") && said.contains("dealer 3 signed two"), "{said}");
    assert!(says(&hosts.at(2), &["committee", "verify", "b"], 3).contains("start again without those accused"));
    run(&hosts.at(2), &["committee", "verify", "b", "--accused", "3"], 0);
    run(&hosts.at(2), &["committee", "verify", "b", "--accused", "1"], 3);
    hosts.deal(1, "b", 3);
    hosts.generate("again", "2");
}

/// A committee with a file sealed for it, a patient who is its owner, and a new identity.
fn guarded(delay: &str) -> (Hosts, String) {
    let hosts = Hosts::new(3);
    hosts.generate("b", "2");
    let at = hosts.at(1);
    for name in ["patient", "new", "stranger"] {
        run(&at, &["identity", "new", "--kind", "classic", "--out", &format!("{name}.key")], 0);
    }
    fs::write(at.join("record"), "the record").unwrap();
    let door = ["--committee", "b/committee.pub", "--owner", "patient.key.pub", "--delay", delay];
    run(&at, &[&["seal", "record", "-o", "sealed"], &door[..]].concat(), 0);
    let fingerprint = fingerprint(&at, "new.key.pub");
    (hosts, fingerprint)
}

fn fingerprint(at: &Path, file: &str) -> String {
    let json: Value = serde_json::from_slice(&run(at, &["identity", "show", file, "--json"], 0).stdout).unwrap();
    json["fingerprint"].as_str().unwrap().to_owned()
}

impl Hosts {
    fn recover(&self, n: usize, command: &str, more: &[&str], code: i32) -> String {
        says(&self.at(n), &[&["recover", command, "case", "--set", "b"], more].concat(), code)
    }

    fn approve(&self, n: usize, reader: &str, now: &str, code: i32) -> String {
        let args = ["-i", "me.key", "--state", "state", "--reader", reader, "--now", now];
        let said = self.recover(n, "approve", &args, code);
        self.exchange("case");
        said
    }

    fn request(&self, key: &str) {
        let who = ["--committee", "b/committee.pub", "-i", key];
        run(&self.at(1), &[&["recover", "request", "sealed", "case"], &who[..]].concat(), 0);
        self.exchange("case");
    }

    fn verdict(&self) -> Value {
        let args = ["recover", "verify", "case", "--set", "b/key-set", "--json"];
        serde_json::from_slice(&run(&self.at(3), &args, 0).stdout).unwrap()
    }
}

#[test]
fn enough_guardians_open_a_file_for_a_new_identity_after_the_waiting_time() {
    let (hosts, reader) = guarded("72h");
    let at = hosts.at(1);
    let seen = String::from_utf8(run(&at, &["inspect", "sealed"], 0).stdout).unwrap();
    assert!(seen.contains("committee") && seen.contains("guardians wait 72h, its owner can veto"), "{seen}");
    run(&at, &["open", "sealed", "-i", "new.key", "-o", "stolen"], 3);
    hosts.request("new.key");
    // The guardian was told of somebody else.
    let before = snapshot(&hosts.at(2));
    let other = fingerprint(&at, "stranger.key.pub");
    assert!(hosts.approve(2, &other, "2027-03-01", 3).contains("another identity than the one you were told of"));
    assert_eq!(snapshot(&hosts.at(2)), before);
    for n in [1, 2] {
        assert!(hosts.approve(n, &reader, "2027-03-01T00:00:00Z", 0).contains("approve after 2027-03-04T00:00:00Z"));
    }
    assert!(hosts.approve(1, &reader, "2027-03-03T23:59:59Z", 3).contains("can veto until 2027-03-04T00:00:00Z"));
    assert_eq!(hosts.verdict()["state"], "waiting");
    let finish =
        |key: &str, code| hosts.recover(1, "finish", &["sealed", "-i", key, "-o", "out", "--rewrap", "re"], code);
    assert!(finish("new.key", 3).contains("too few guardians have approved rightly, 0 of the 2 that are needed"));
    hosts.approve(1, &reader, "2027-03-04T00:00:00Z", 0);
    assert!(hosts.approve(1, &reader, "2027-03-05", 0).contains("approved as before"));
    assert!(finish("new.key", 3).contains("too few guardians have approved rightly, 1 of the 2"));
    hosts.approve(2, &reader, "2027-03-04T00:00:00Z", 0);
    assert!(finish("stranger.key", 3).contains("not the one that asked"));
    assert!(!at.join("out").exists() && !at.join("re").exists());
    fs::write(at.join("re"), "mine").unwrap();
    assert!(finish("new.key", 3).contains("re: exists"));
    assert!(!at.join("out").exists());
    fs::remove_file(at.join("re")).unwrap();
    finish("new.key", 0);
    assert_eq!(fs::read(at.join("out")).unwrap(), b"the record");
    run(&at, &["open", "re", "-i", "new.key", "-o", "again"], 0);
    assert_eq!(fs::read(at.join("again")).unwrap(), b"the record");
    hosts.exchange("case");
    let verdict = hosts.verdict();
    assert_eq!(verdict["state"], "completed");
    assert_eq!(verdict["approved_by"], serde_json::json!([1, 2]));
    assert_eq!(verdict["early"], serde_json::json!([]));
    // A statement that was changed is passed over, and what stood on it does not.
    let notice = hosts.files(3, "case", "notice-")[0].clone();
    let text = fs::read_to_string(&notice).unwrap();
    fs::write(&notice, text.replacen('A', "B", 1)).unwrap();
    run(&hosts.at(3), &["recover", "verify", "case", "--set", "b"], 4);
}

#[test]
fn the_owner_stops_a_recovery_and_nobody_else_can() {
    let (hosts, reader) = guarded("1h");
    let at = hosts.at(1);
    hosts.request("new.key");
    hosts.approve(2, &reader, "2027-03-01", 0);
    let before = snapshot(&at.join("case"));
    for key in ["stranger.key", "new.key", "me.key"] {
        assert!(hosts.recover(1, "veto", &["-i", key], 3).contains("is not the owner"), "{key}");
    }
    assert_eq!(snapshot(&at.join("case")), before);
    hosts.recover(1, "veto", &["-i", "patient.key", "--now", "2027-03-01"], 0);
    hosts.exchange("case");
    for n in 1..=3 {
        assert!(hosts.approve(n, &reader, "2027-04-01", 3).contains("the owner vetoed this request at 2027-03-01"));
    }
    assert_eq!(hosts.verdict()["state"], "vetoed");
    // A veto of another recovery stops nothing here.
    let veto = hosts.files(1, "case", "veto-")[0].clone();
    fs::rename(at.join("case"), at.join("old")).unwrap();
    fs::remove_dir_all(hosts.folder.path().join("wire/case")).unwrap();
    (2..=3).for_each(|n| fs::remove_dir_all(hosts.at(n).join("case")).unwrap());
    hosts.request("new.key");
    fs::copy(at.join("old").join(veto.file_name().unwrap()), at.join("case/veto-replayed")).unwrap();
    assert!(hosts.approve(1, &reader, "2027-05-01", 0).contains("veto-replayed: belongs to another request"));
    assert!(hosts.approve(1, &reader, "2027-05-02", 0).contains("approved"));

    // Asking again over the same directory, for a file without such a door, or with another committee's key.
    let who = ["--committee", "b/committee.pub", "-i", "new.key"];
    let ask = |file: &str, case: &str, code| says(&at, &[&["recover", "request", file, case], &who[..]].concat(), code);
    assert!(ask("sealed", "case", 3).contains("exists"));
    run(&at, &["seal", "record", "-o", "plain", "--to", "patient.key.pub"], 0);
    assert!(ask("plain", "no", 3).contains("no door of this committee"));
    ask("record", "no", 4);
    assert!(!at.join("no").exists());
    run(&at, &["seal", "record", "-o", "x", "--committee", "b/committee.pub", "--delay", "1h"], 2);
    run(&at, &["seal", "record", "-o", "x", "--committee", "b/key-set"], 4);
    assert!(!at.join("x").exists());
}

#[test]
fn a_lost_share_is_made_again_and_a_helper_who_says_two_things_is_named() {
    let hosts = Hosts::new(3);
    hosts.generate("b", "2");
    fs::remove_dir_all(hosts.at(2).join("state")).unwrap();
    let repair = |n: usize, case: &str, more: &[&str], code| {
        let base = ["committee", "repair", case, "--set", "b", "-i", "me.key", "--state", "state"];
        let said = says(&hosts.at(n), &[&base[..], more].concat(), code);
        hosts.exchange(case);
        said
    };
    repair(2, "bad", &["--helper", "1"], 2);
    repair(2, "bad", &["--helper", "1", "--helper", "2"], 2);
    repair(2, "bad", &["--helper", "0", "--helper", "1"], 2);
    assert!(!hosts.at(2).join("bad/request").exists() && !hosts.at(2).join("state").exists());

    // Helper 3 splits twice, from a copy of its machine.
    repair(2, "one", &["--helper", "1", "--helper", "3"], 0);
    copy(&hosts.at(3), &hosts.folder.path().join("h9"));
    repair(9, "one", &[], 0);
    copy(&hosts.at(9).join("one"), &hosts.folder.path().join("wire/one"));
    repair(1, "one", &[], 0);
    assert!(repair(3, "one", &[], 3).contains("a second one would be proof against you"));
    for path in hosts.files(3, "one", "split-3-") {
        fs::remove_file(path).unwrap();
    }
    let base = ["committee", "repair", "one", "--set", "b", "-i", "me.key", "--state", "state"];
    run(&hosts.at(3), &base, 0);
    hosts.exchange("one");
    assert!(repair(1, "one", &[], 3).contains("helper 3 signed two messages"));
    run(&hosts.at(2), &["committee", "verify", "one", "--set", "b", "--accused", "3"], 0);
    run(&hosts.at(2), &["committee", "verify", "one", "--set", "b", "--accused", "1"], 3);
    run(&hosts.at(2), &["committee", "verify", "one"], 2);

    // Asked again.
    repair(2, "two", &["--helper", "1", "--helper", "3"], 0);
    assert!(repair(2, "two", &[], 3).contains("is not here yet"));
    repair(1, "two", &[], 0);
    assert!(repair(1, "two", &[], 3).contains("is not here yet"));
    repair(3, "two", &[], 0);
    repair(1, "two", &[], 0);
    assert!(repair(1, "two", &[], 0).contains("as before"));
    repair(3, "two", &[], 0);
    let said = repair(2, "two", &[], 0);
    assert!(said.contains("repaired") && said.contains("share      of member 2"), "{said}");
    assert!(repair(2, "two", &[], 3).contains("its share was taken already"));
    let verdict = run(&hosts.at(3), &["committee", "verify", "two", "--set", "b", "--json"], 0).stdout;
    assert_eq!(serde_json::from_slice::<Value>(&verdict).unwrap()["repaired"], true);

    // A rehearsal with the share that was repaired.
    run(&hosts.at(1), &["recover", "rehearse", "call", "drill", "--set", "b"], 0);
    hosts.exchange("drill");
    let answer = ["recover", "rehearse", "answer", "drill", "--set", "b", "--state", "state"];
    run(&hosts.at(2), &answer, 0);
    hosts.exchange("drill");
    let conclude = ["recover", "rehearse", "conclude", "drill", "--set", "b", "--json"];
    assert!(says(&hosts.at(1), &conclude, 3).contains("too few members answered rightly, 1 of the 2 that are needed"));
    assert!(!hosts.at(1).join("drill/proof").exists());
    run(&hosts.at(3), &answer, 0);
    run(&hosts.at(3), &answer, 3);
    hosts.exchange("drill");
    let end: Value = serde_json::from_slice(&run(&hosts.at(1), &conclude, 0).stdout).unwrap();
    assert_eq!(end["working"], serde_json::json!([2, 3]));
    let verify = ["recover", "rehearse", "verify", "drill/proof", "--committee"];
    run(&hosts.at(1), &[&verify[..], &["b/committee.pub"]].concat(), 0);
    hosts.generate("other", "2");
    run(&hosts.at(1), &[&verify[..], &["other/committee.pub"]].concat(), 4);
}

#[test]
fn shares_of_two_epochs_open_nothing_together() {
    let (hosts, reader) = guarded("0s");
    run(&hosts.at(1), &["committee", "refresh", "b", "c"], 0);
    hosts.exchange("c");
    (0..3).for_each(|_| hosts.round("c", &[1, 2, 3]));
    hosts.finish(2, "c", &["--retire"]);
    hosts.finish(3, "c", &["--retire"]);
    hosts.request("new.key");
    // Member 1 kept the old share, member 2 has the new one alone.
    hosts.approve(1, &reader, "2027-03-01", 0);
    assert!(hosts.approve(2, &reader, "2027-03-01", 3).contains("holds no share of this key in this epoch"));
    let approve = |n: usize| {
        let args = ["-i", "me.key", "--state", "state", "--reader", &reader];
        run(&hosts.at(n), &[&["recover", "approve", "case", "--set", "c"], &args[..]].concat(), 0);
        hosts.exchange("case");
    };
    let finish = |set: &str, code| {
        let args = ["recover", "finish", "case", "sealed", "--set", set, "-i", "new.key", "-o", "out"];
        says(&hosts.at(1), &args, code)
    };
    approve(2);
    assert!(finish("b", 3).contains("too few guardians have approved rightly, 1 of the 2"));
    assert!(finish("c", 3).contains("too few guardians have approved rightly, 1 of the 2"));
    assert!(!hosts.at(1).join("out").exists());
    approve(3);
    finish("c", 0);
    assert_eq!(fs::read(hosts.at(1).join("out")).unwrap(), b"the record");
}

/// What a log has recorded, entry by entry.
fn recorded(at: &Path) -> Vec<Value> {
    let lines = run(at, &["log", "follow", "events.log", "--no-wait", "--json"], 0).stdout;
    String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(at: &Path) -> Vec<String> {
    recorded(at).iter().map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_said_in_a_recovery_is_in_the_log_before_anybody_sees_it() {
    let (hosts, reader) = guarded("72h");
    let at = hosts.at(1);
    let request = ["recover", "request", "sealed", "case", "--committee", "b/committee.pub", "-i", "new.key", "--log"];
    // A log that is not there, or full of something else: nothing is said.
    run(&at, &[&request[..], &["events.log"]].concat(), 1);
    run(&at, &[&request[..], &["record"]].concat(), 4);
    assert!(!at.join("case").exists());
    for n in 1..=3 {
        run(&hosts.at(n), &["log", "init", "events.log"], 0);
    }
    let said = says(&at, &[&request[..], &["events.log"]].concat(), 0);
    assert!(said.contains("recorded   entry 0"), "{said}");
    hosts.exchange("case");
    let approve = |n: usize, now: &str, code| {
        let args = ["-i", "me.key", "--state", "state", "--reader", &reader, "--log", "events.log", "--now", now];
        let said = hosts.recover(n, "approve", &args, code);
        hosts.exchange("case");
        said
    };
    approve(1, "2027-03-01", 0);
    approve(2, "2027-03-01", 0);
    approve(1, "2027-03-03", 3);
    assert_eq!(kinds(&at), ["recovery-requested", "recovery-noticed"]);
    approve(1, "2027-03-04", 0);
    // The same again is one entry, and what an earlier run did not record is recorded now.
    approve(1, "2027-03-05", 0);
    assert_eq!(kinds(&at), ["recovery-requested", "recovery-noticed", "recovery-approved"]);
    fs::remove_file(hosts.at(2).join("events.log")).unwrap();
    run(&hosts.at(2), &["log", "init", "events.log"], 0);
    approve(2, "2027-03-04", 0);
    assert_eq!(kinds(&hosts.at(2)), ["recovery-noticed", "recovery-approved"]);
    let finish = ["recover", "finish", "case", "sealed", "--set", "b", "-i", "new.key", "-o", "out", "--log"];
    run(&at, &[&finish[..], &["absent.log"]].concat(), 1);
    assert!(!at.join("out").exists() && hosts.files(1, "case", "completion-").is_empty());
    let json = run(&at, &[&finish[..], &["events.log", "--json"]].concat(), 0).stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["recorded"], &json["event"]["kind"]), (&serde_json::json!([3]), &"recovery-completed".into()));
    // A veto, in the log of whoever objects; it is posted even where the log fails.
    fs::rename(at.join("case"), at.join("over")).unwrap();
    fs::remove_dir_all(hosts.folder.path().join("wire/case")).unwrap();
    run(&at, &[&request[..], &["events.log", "--now", "2027-04-01"]].concat(), 0);
    run(&at, &["recover", "veto", "case", "--set", "b", "-i", "patient.key", "--log", "absent.log"], 1);
    assert_eq!(hosts.files(1, "case", "veto-").len(), 1);
    run(&at, &["recover", "veto", "case", "--set", "b", "-i", "patient.key", "--log", "events.log"], 0);
    assert_eq!(kinds(&at)[3..], ["recovery-completed", "recovery-requested", "recovery-vetoed"]);
    // All under the name of the key, and of nobody.
    let entries = recorded(&at);
    assert!(entries.iter().all(|e| e["committee"] == entries[0]["committee"] && e["actor"] == entries[0]["actor"]));
    let bytes = fs::read(at.join("events.log")).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains(&reader));
    run(&at, &["log", "verify", "events.log"], 0);
}

#[test]
fn what_a_run_and_a_repair_came_to_is_in_the_log() {
    let hosts = Hosts::new(3);
    let board = "b";
    hosts.new_board(board, &[1, 2, 3], "2");
    hosts.round(board, &[1, 2, 3]);
    // Member 3 deals twice, from a copy of its machine.
    copy(&hosts.at(3), &hosts.folder.path().join("h9"));
    for n in [1, 2, 3, 9] {
        hosts.deal(n, board, 0);
    }
    copy(&hosts.at(9).join(board), &hosts.folder.path().join("wire").join(board));
    hosts.exchange(board);
    hosts.close(board, &[], 0);
    hosts.round(board, &[1, 2, 3]);
    run(&hosts.at(1), &["log", "init", "events.log"], 0);
    for _ in 0..2 {
        let end = hosts.finish(1, board, &["--log", "events.log"]);
        assert_eq!(end["recorded"], serde_json::json!([0, 1]));
    }
    (2..=3).for_each(|n| drop(hosts.finish(n, board, &[])));
    assert_eq!(kinds(&hosts.at(1)), ["formed", "accused"]);

    fs::remove_file(hosts.at(1).join("state").join(share_of(&hosts, 1)).join("share")).unwrap();
    let repair = |n: usize, more: &[&str]| {
        let base = ["committee", "repair", "mend", "--set", board, "-i", "me.key", "--state", "state"];
        run(&hosts.at(n), &[&base[..], more].concat(), 0);
        hosts.exchange("mend");
    };
    repair(1, &["--helper", "2", "--helper", "3"]);
    for n in [2, 3, 2, 3] {
        repair(n, &[]);
    }
    repair(1, &["--log", "events.log"]);
    assert_eq!(kinds(&hosts.at(1)), ["formed", "accused", "repaired"]);

    run(&hosts.at(1), &["committee", "refresh", board, "c"], 0);
    hosts.exchange("c");
    (0..3).for_each(|_| hosts.round("c", &[1, 2, 3]));
    let end = hosts.finish(1, "c", &["--retire", "--log", "events.log"]);
    assert_eq!(kinds(&hosts.at(1)), ["formed", "accused", "repaired", "refreshed"]);
    // The repaired share and the key of the epoch, which could make it again, are both gone.
    assert_eq!(end["destroyed"].as_array().unwrap().len(), 2);
    let left: Vec<_> = fs::read_dir(hosts.at(1).join("state")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [end["session"].as_str().unwrap()]);
    let again = hosts.finish(1, "c", &["--retire"]);
    assert_eq!(again["destroyed"], serde_json::json!([]));
}

/// The folder that holds a member's only share.
fn share_of(hosts: &Hosts, n: usize) -> String {
    let all: Vec<_> = snapshot(&hosts.at(n).join("state")).into_iter().filter(|(p, _)| p.ends_with("share")).collect();
    assert_eq!(all.len(), 1);
    all[0].0.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_door_of_the_lost_identity_goes_when_asked() {
    let (hosts, reader) = guarded("0s");
    let at = hosts.at(1);
    let door = ["--committee", "b/committee.pub", "--owner", "patient.key.pub", "--delay", "0s"];
    run(&at, &[&["seal", "record", "-o", "own", "--to", "patient.key.pub"], &door[..]].concat(), 0);
    fs::rename(at.join("own"), at.join("sealed")).unwrap();
    run(&at, &["open", "sealed", "-i", "patient.key", "-o", "before"], 0);
    hosts.request("new.key");
    hosts.approve(1, &reader, "2027-03-01", 0);
    hosts.approve(2, &reader, "2027-03-01", 0);
    let finish = |more: &[&str], code| hosts.recover(1, "finish", &[&["sealed", "-i", "new.key"], more].concat(), code);
    finish(&["-o", "out", "--drop", "0"], 2);
    assert!(finish(&["--rewrap", "re", "--drop", "2"], 2).contains("there is no door 2: the file has 2"));
    assert!(!at.join("re").exists() && !at.join("out").exists());
    finish(&["--rewrap", "kept"], 0);
    run(&at, &["open", "kept", "-i", "patient.key", "-o", "still"], 0);
    finish(&["--rewrap", "re", "--drop", "0", "--drop-kind", "committee"], 0);
    run(&at, &["open", "re", "-i", "patient.key", "-o", "no"], 3);
    run(&at, &["open", "re", "-i", "new.key", "-o", "again"], 0);
    assert_eq!(fs::read(at.join("again")).unwrap(), b"the record");
    let seen: Value = serde_json::from_slice(&run(&at, &["inspect", "re", "--json"], 0).stdout).unwrap();
    assert_eq!(seen["doors"].as_array().unwrap().len(), 1);
}

#[test]
fn the_tour_loses_a_key_and_gets_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("fhir")).unwrap();
    for name in ["one", "two"] {
        let patient = format!(r#"{{"resource":{{"resourceType":"Patient","id":"{name}"}}}}"#);
        let observation = r#"{"resource":{"resourceType":"Observation","id":"o","valueQuantity":{"value":6.4}}}"#;
        let bundle = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{observation},{patient}]}}"#);
        fs::write(at.join("fhir").join(format!("{name}.json")), bundle).unwrap();
    }
    run(at, &["tour", "--quick", "--fhir", "fhir", "--out", "out"], 0);
    let text = fs::read_to_string(at.join("out/report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let text = report.to_string();
    for step in [
        "make a key among guardians",
        "seal for guardians",
        "recover a lost key",
        "veto a recovery",
        "replace a guardian",
        "repair a share",
    ] {
        assert!(text.contains(&format!(r#""name":"{step}","ok":true"#)), "{step}: {text}");
    }
    let seen = String::from_utf8(run(at, &["inspect", "out/guarded/one.sealed"], 0).stdout).unwrap();
    assert!(seen.contains("guardians wait 72h, its owner can veto"), "{seen}");
}
