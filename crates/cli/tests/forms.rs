//! The forms that scripts rely on: names, files, exit codes, what appears and what does not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{mediveil, run, says};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

const RECORD: &[u8] = br#"{"resourceType":"Observation","valueQuantity":{"value":6.4}}"#;

/// A folder with three identities and a record sealed for two of them.
fn clinic() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for name in ["alice", "bob", "mallory"] {
        run(at, &["identity", "new", "--out", &format!("{name}.key")], 0);
    }
    fs::write(at.join("record.json"), RECORD).unwrap();
    run(at, &["seal", "record.json", "-o", "r.sealed", "--to", "alice.key.pub", "--to", "bob.key.pub"], 0);
    folder
}

fn is_empty_of(folder: &Path, name: &str) -> bool {
    // Neither the file nor a temporary one beside it.
    fs::read_dir(folder).unwrap().all(|e| !e.unwrap().file_name().to_string_lossy().contains(name))
}

#[test]
fn identity_new_asks_nothing_and_writes_both_halves() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let output = run(at, &["identity", "new", "--out", "alice.key"], 0);
    assert!(output.stdout.is_empty(), "stdout belongs to data");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(at.join("alice.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(fs::read_to_string(at.join("alice.key.pub")).unwrap().starts_with("-----BEGIN MEDIVEIL PUBLIC-IDENTITY"));
    let before = fs::read(at.join("alice.key")).unwrap();
    let said = says(at, &["identity", "new", "--out", "alice.key"], 3);
    assert!(said.contains("alice.key: exists"), "{said}");
    assert_eq!(fs::read(at.join("alice.key")).unwrap(), before, "a key is never overwritten unasked");
    run(at, &["identity", "new", "--out", "alice.key", "--force"], 0);
    assert_ne!(fs::read(at.join("alice.key")).unwrap(), before);
}

#[test]
fn seal_and_open_give_back_the_record_to_each_reader_and_to_nobody_else() {
    let folder = clinic();
    let at = folder.path();
    for name in ["alice", "bob"] {
        run(at, &["open", "r.sealed", "-i", &format!("{name}.key"), "-o", "opened.json"], 0);
        assert_eq!(fs::read(at.join("opened.json")).unwrap(), RECORD);
        fs::remove_file(at.join("opened.json")).unwrap();
    }
    let said = says(at, &["open", "r.sealed", "-i", "mallory.key", "-o", "stolen"], 3);
    assert!(said.contains("none of the keys given opens this file"), "{said}");
    assert!(is_empty_of(at, "stolen"));
    assert!(says(at, &["open", "r.sealed", "-i", "alice.key.pub", "-o", "stolen"], 4).contains("public identity"));
    assert!(says(at, &["open", "r.sealed", "-o", "stolen"], 2).contains("with which key?"));
    assert!(says(at, &["seal", "record.json", "-o", "stolen"], 2).contains("for whom?"));
    assert!(says(at, &["open", "missing", "-i", "alice.key", "-o", "stolen"], 1).contains("missing"));
    assert!(says(at, &["open", "record.json", "-i", "alice.key", "-o", "stolen"], 4).contains("not a sealed file"));
    run(at, &["open", "r.sealed", "-i", "alice.key", "-o", "."], 1);
    run(at, &["open", "r.sealed", "-i", "alice.key", "-o", "no/such/folder"], 1);
    assert!(is_empty_of(at, "stolen"));
}

#[test]
fn a_changed_file_is_refused_and_leaves_nothing() {
    let folder = clinic();
    let at = folder.path();
    let sealed = fs::read(at.join("r.sealed")).unwrap();
    for (what, bad) in [
        ("last byte", {
            let mut b = sealed.clone();
            *b.last_mut().unwrap() ^= 1;
            b
        }),
        ("cut", sealed[..sealed.len() - 1].to_vec()),
        ("longer", [&sealed[..], &[0]].concat()),
        ("half", sealed[..sealed.len() / 2].to_vec()),
        ("empty", Vec::new()),
    ] {
        fs::write(at.join("bad.sealed"), bad).unwrap();
        let said = says(at, &["open", "bad.sealed", "-i", "alice.key", "-o", "stolen"], 4);
        assert!(said.starts_with("mediveil: "), "{what}: {said}");
        assert!(is_empty_of(at, "stolen"), "{what}");
        // An output that exists stays as it was.
        fs::write(at.join("kept"), b"before").unwrap();
        run(at, &["open", "bad.sealed", "-i", "alice.key", "-o", "kept"], 4);
        assert_eq!(fs::read(at.join("kept")).unwrap(), b"before", "{what}");
    }
}

#[test]
fn pipes_carry_data_and_nothing_else() {
    let folder = clinic();
    let at = folder.path();
    let mut seal = mediveil(at, &["seal", "--to", "alice.key.pub"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    seal.stdin.take().unwrap().write_all(RECORD).unwrap();
    let sealed = seal.wait_with_output().unwrap();
    assert!(sealed.status.success());
    let mut open = mediveil(at, &["open", "-i", "alice.key"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    open.stdin.take().unwrap().write_all(&sealed.stdout).unwrap();
    let opened = open.wait_with_output().unwrap();
    assert_eq!(opened.stdout, RECORD);
    assert!(opened.stderr.is_empty(), "silence in a pipe: {}", String::from_utf8_lossy(&opened.stderr));
}

#[test]
fn ranges_authors_and_contexts_are_demanded() {
    let folder = clinic();
    let at = folder.path();
    let output = run(at, &["open", "r.sealed", "-i", "alice.key", "--range", "2..14"], 0);
    assert_eq!(output.stdout, &RECORD[2..14]);
    run(at, &["open", "r.sealed", "-i", "alice.key", "--range", "9999.."], 2);
    run(at, &["open", "r.sealed", "-i", "alice.key", "--range", "5..1"], 2);
    let seal =
        ["seal", "record.json", "-o", "s.sealed", "--to", "alice.key.pub", "--sign", "bob.key", "--context", "w3"];
    run(at, &seal, 0);
    let open = |extra: &[&str], code| {
        run(at, &[&["open", "s.sealed", "-i", "alice.key", "-o", "out"], extra].concat(), code);
        let appeared = at.join("out").exists();
        let _ = fs::remove_file(at.join("out"));
        assert_eq!(appeared, code == 0);
    };
    open(&["--author", "bob.key.pub"], 0);
    open(&["--author", "alice.key.pub"], 3);
    open(&["--author", "bob.key.pub", "--range", "0..2"], 0);
    open(&["--author", "alice.key.pub", "--range", "0..2"], 3);
    open(&["--context", "w3"], 0);
    open(&["--context", "w4"], 3);
    run(at, &["open", "r.sealed", "-i", "alice.key", "-o", "out", "--author", "bob.key.pub"], 3);
}

#[test]
fn passphrases_come_from_a_file_or_the_environment() {
    let folder = clinic();
    let at = folder.path();
    fs::write(at.join("phrase"), "seven llamas\nignored\n").unwrap();
    fs::write(at.join("wrong"), "eight llamas\n").unwrap();
    run(at, &["seal", "record.json", "-o", "p.sealed", "--passphrase-file", "phrase"], 0);
    run(at, &["open", "p.sealed", "--passphrase-file", "phrase", "-o", "out"], 0);
    run(at, &["open", "p.sealed", "--passphrase-file", "wrong", "-o", "out"], 3);
    assert!(says(at, &["open", "p.sealed", "--passphrase", "-o", "out"], 2).contains("--passphrase-file"));
    let output = mediveil(at, &["open", "p.sealed", "--passphrase"])
        .env("MEDIVEIL_PASSPHRASE", "seven llamas")
        .output()
        .unwrap();
    assert_eq!(output.stdout, RECORD);
    // A key file under a passphrase.
    run(at, &["identity", "new", "--out", "carol.key", "--passphrase-file", "phrase"], 0);
    assert!(fs::read_to_string(at.join("carol.key")).unwrap().contains("SEALED-IDENTITY"));
    run(at, &["seal", "record.json", "-o", "c.sealed", "--to", "carol.key.pub"], 0);
    run(at, &["open", "c.sealed", "-i", "carol.key", "-o", "out"], 2);
    let mut open = mediveil(at, &["open", "c.sealed", "-i", "carol.key"]);
    assert_eq!(open.env("MEDIVEIL_PASSPHRASE", "seven llamas").output().unwrap().stdout, RECORD);
}

#[test]
fn rewrap_and_inspect() {
    let folder = clinic();
    let at = folder.path();
    let seen =
        |file: &str| -> Value { serde_json::from_slice(&run(at, &["inspect", file, "--json"], 0).stdout).unwrap() };
    assert_eq!(seen("r.sealed")["doors"].as_array().unwrap().len(), 2);
    assert_eq!(seen("r.sealed")["plaintext_bytes"], RECORD.len());
    run(at, &["rewrap", "r.sealed", "-o", "r.sealed", "-i", "bob.key", "--to", "mallory.key.pub", "--drop", "0"], 0);
    run(at, &["open", "r.sealed", "-i", "mallory.key", "-o", "out"], 0);
    run(at, &["open", "r.sealed", "-i", "alice.key", "-o", "out"], 3);
    run(at, &["rewrap", "r.sealed", "-o", "n.sealed", "-i", "bob.key", "--drop-kind", "hpke-xwing"], 3);
    assert!(!at.join("n.sealed").exists(), "a file without doors is never written");
    run(at, &["rewrap", "r.sealed", "-o", "n.sealed", "-i", "bob.key"], 2);
    run(at, &["inspect", "record.json"], 4);
}

#[test]
fn a_ring_rotates_erases_and_opens() {
    let folder = clinic();
    let at = folder.path();
    fs::write(at.join("phrase"), "ring phrase\n").unwrap();
    let ring = |args: &[&str], code| {
        let all = [&["ring"], args, &["--wrapping", "w.key", "--passphrase-file", "phrase"]].concat();
        run(at, &all, code)
    };
    let first = "--now=2026-01-01T00:00:00Z";
    let due = "--now=2026-04-01T00:00:00Z";
    ring(&["init", "p.ring", "--role", "provider", first], 0);
    ring(&["public", "p.ring", "-o", "p1.pub", first], 0);
    run(at, &["seal", "record.json", "-o", "one.sealed", "--to", "p1.pub"], 0);
    let status =
        |now: &str| -> Value { serde_json::from_slice(&ring(&["status", "p.ring", "--json", now], 0).stdout).unwrap() };
    assert_eq!(status("--now=2026-03-31T23:59:59Z")["due"], serde_json::json!([]));
    assert_eq!(status(due)["due"][0]["what"], "rotate");
    ring(&["rotate", "p.ring", "--if-due", "--now=2026-03-31T23:59:59Z"], 0);
    assert_eq!(status(due)["versions"].as_array().unwrap().len(), 1);
    ring(&["rotate", "p.ring", "--if-due", due], 0);
    assert_eq!(status(due)["versions"][0]["state"], "decrypt-only");
    assert_eq!(status(due)["versions"][1]["state"], "active");
    let open = ["open", "one.sealed", "--ring", "p.ring", "--wrapping", "w.key", "-o", "out", due];
    let with_phrase = |code| {
        let output = mediveil(at, &open).env("MEDIVEIL_PASSPHRASE", "ring phrase").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    };
    with_phrase(0);
    let custodian = status(due)["custodian"].as_str().unwrap().to_owned();
    ring(&["erase", "p.ring", "--version", "2", "--reason", "x", "-o", "no", due], 3);
    assert!(!at.join("no").exists());
    fs::copy(at.join("p.ring"), at.join("old.ring")).unwrap();
    ring(&["erase", "p.ring", "--version", "1", "--reason", "left", "-o", "receipt", due], 0);
    run(at, &["ring", "receipt", "receipt", "--custodian", &custodian], 0);
    run(at, &["ring", "receipt", "receipt", "--custodian", "00"], 3);
    with_phrase(3);
    ring(&["status", "old.ring", due], 3);
}

#[test]
fn keys_travel_to_other_tools_and_back() {
    let folder = clinic();
    let at = folder.path();
    for format in ["pkcs8", "jwk"] {
        run(at, &["identity", "export", "alice.key", "--key", "signing", "--format", format, "-o", "s.out"], 0);
        run(at, &["identity", "export", "alice.key", "--key", "sealing", "--format", format, "-o", "e.out"], 0);
        let import = ["identity", "import", "--signing", "s.out", "--sealing", "e.out", "-o", "again.key", "--force"];
        run(at, &import, 0);
        let show = |file| -> Value {
            serde_json::from_slice(&run(at, &["identity", "show", file, "--json"], 0).stdout).unwrap()
        };
        assert_eq!(show("again.key")["signing"], show("alice.key.pub")["signing"]);
        assert_eq!(show("again.key")["sealing"], show("alice.key.pub")["sealing"]);
    }
    for format in ["text", "key", "pem", "jwk"] {
        assert!(!run(at, &["identity", "show", "alice.key.pub", "--format", format], 0).stdout.is_empty());
    }
    let same = ["identity", "import", "--signing", "s.out", "--sealing", "s.out", "-o", "same.key"];
    assert_ne!(mediveil(at, &same).output().unwrap().status.code(), Some(0), "one key for two uses");
}

#[test]
fn help_completions_and_man_pages_come_from_one_definition() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let help = String::from_utf8(run(at, &["--help"], 0).stdout).unwrap();
    assert!(help.contains("Exit codes:"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(String::from_utf8(run(at, &["completions", shell], 0).stdout).unwrap().contains("rewrap"), "{shell}");
    }
    run(at, &["man", "-o", "man"], 0);
    assert!(fs::read_to_string(at.join("man/mediveil-seal.1")).unwrap().contains(".TH"));
    run(at, &["no-such-command"], 2);
    run(at, &["seal", "--no-such-flag"], 2);
    let said = says(at, &["open", "x", "-i", "y", "--json"], 1);
    let error: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(error["error"], "failed");
}

/// A disk that takes no more, by a limit on the size of files, and an output device that is full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_and_leaves_nothing() {
    let folder = clinic();
    let at = folder.path();
    fs::write(at.join("big"), vec![7; 1 << 20]).unwrap();
    run(at, &["seal", "big", "-o", "big.sealed", "--to", "alice.key.pub"], 0);
    let shell = |script: &str| {
        let bin = env!("CARGO_BIN_EXE_mediveil");
        let output =
            std::process::Command::new("bash").args(["-c", script, "bash", bin]).current_dir(at).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for work in ["seal big -o late --to alice.key.pub", "open big.sealed -i alice.key -o late"] {
        let (code, said) = shell(&format!("trap '' XFSZ; ulimit -f 64; \"$1\" {work}"));
        assert_eq!(code, Some(1), "{work}: {said}");
        assert!(is_empty_of(at, "late"), "{work}");
    }
    let (code, said) = shell("\"$1\" open big.sealed -i alice.key > /dev/full");
    assert_eq!(code, Some(1), "{said}");
}
