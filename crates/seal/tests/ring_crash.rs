//! A process that rotates and erases is killed at any moment, again and again; the ring must open each time, and every
//! receipt that was out must hold.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![cfg(unix)]

use mediveil_codec::{Timestamp, Wire};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_seal::ring::{ErasureReceipt, KeyState, OwnerRole, Ring, RingFile, WhenActive};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const DIR: &str = "MEDIVEIL_TEST_RING_DIR";
const ROUNDS: u64 = 24;

fn owner() -> Identity {
    Identity::generate(IdentityKind::P256, &mut SeededRng::from_u64(1)).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

fn open(dir: &Path) -> RingFile {
    RingFile::open(&dir.join("ring"), &[&owner()], Some(&dir.join("wrap"))).unwrap()
}

/// Rotates, erases the version before, prints the receipt, and so on until it is killed.
fn child(dir: &Path) -> ! {
    let mut rng = mediveil_rng::system();
    let mut file = open(dir);
    println!("\nready");
    loop {
        let new = file.rotate(now(), &mut rng).unwrap();
        let old = new - 1;
        if file.ring().version(old).unwrap().state() == KeyState::DecryptOnly {
            let receipt = file.erase(old, "test", WhenActive::Refuse, now(), &mut rng).unwrap();
            println!("receipt {}", hex::encode(receipt.encode()));
        }
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn killed_at_any_moment() {
    if let Some(dir) = std::env::var_os(DIR) {
        child(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut rng = SeededRng::from_u64(2);
    let ring = Ring::new(OwnerRole::System, IdentityKind::P256, now(), &mut rng).unwrap();
    let custodian = ring.custodian();
    let wrap = dir.path().join("wrap");
    drop(RingFile::create(&dir.path().join("ring"), ring, &[owner().public()], Some(&wrap), &mut rng).unwrap());
    let mut receipts: Vec<ErasureReceipt> = Vec::new();
    let mut versions = 1;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed_at_any_moment", "--nocapture", "--test-threads", "1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The moments are spread, not chosen: what must hold must hold at all of them.
        let ready = lines.by_ref().map_while(Result::ok).any(|line| line == "ready");
        assert!(ready, "the child could not open the ring in round {round}");
        std::thread::sleep(Duration::from_micros(500 + round * 37_123 % 120_000));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            // The last line may be cut short.
            if let Some(receipt) = line.strip_prefix("receipt ").and_then(|hex| hex::decode(hex).ok())
                && let Ok(receipt) = ErasureReceipt::decode(&receipt)
            {
                receipts.push(receipt);
            }
        }
        let file = open(dir.path());
        let ring = file.ring();
        assert!(ring.versions().len() >= versions, "nothing that was there is lost");
        versions = ring.versions().len();
        assert_eq!(ring.versions().iter().filter(|v| v.state() == KeyState::Active).count(), 1);
        assert_eq!(ring.custodian(), custodian);
        for receipt in &receipts {
            receipt.verify(&custodian).unwrap();
            assert_eq!(ring.version(receipt.version()).unwrap().receipt(), Some(receipt));
        }
        drop(file);
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "temporary files are swept: {left:?}");
    }
    assert!(
        receipts.len() > 5 && versions > 5,
        "{} receipts, {versions} versions: the child did no work",
        receipts.len()
    );
}
