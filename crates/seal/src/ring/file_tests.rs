//! Each crash point of each change: the change is stopped there as by a crash, and the ring is opened again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::identity::{Identity, IdentityKind, SealingKem};
use crate::ring::{KeyState, OwnerRole};
use crate::{Sealer, open};
use mediveil_rng::SeededRng;

const STEPS: [Step; 4] = [Step::Begun, Step::Prepared, Step::Switched, Step::Settled];

struct Stage {
    dir: tempfile::TempDir,
    owner: Identity,
    rng: SeededRng,
    /// Sealed for version 1 alone, and for version 2 alone.
    files: [Vec<u8>; 2],
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

fn crash() -> io::Error {
    io::Error::other("the power went")
}

impl Stage {
    /// A ring with a decrypt-only version 1 and an active version 2, closed.
    fn new(seed: u64, bound: bool) -> Self {
        let mut rng = SeededRng::from_u64(seed);
        let owner = Identity::generate(IdentityKind::P256, &mut rng).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let ring = Ring::new(OwnerRole::Patient, IdentityKind::P256, now(), &mut rng).unwrap();
        let mut stage = Self { dir, owner, rng, files: [Vec::new(), Vec::new()] };
        stage.files[0] = stage.seal_for(&ring);
        let wrapping = bound.then(|| stage.path("wrap"));
        let (path, rng) = (stage.path("ring"), &mut stage.rng);
        let mut file = RingFile::create(&path, ring, &[stage.owner.public()], wrapping.as_deref(), rng).unwrap();
        file.rotate(now(), rng).unwrap();
        stage.files[1] = stage.seal_for(file.ring());
        stage
    }

    fn seal_for(&mut self, ring: &Ring) -> Vec<u8> {
        Sealer::new().to(ring.recipient(now()).unwrap()).seal(b"record", &mut self.rng).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn wrapping(&self) -> Option<PathBuf> {
        Some(self.path("wrap")).filter(|p| p.exists())
    }

    fn open(&self) -> Result<RingFile, RingFileError> {
        RingFile::open(&self.path("ring"), &[&self.owner], self.wrapping().as_deref())
    }

    fn read(&self) -> Result<Ring, RingFileError> {
        RingFile::read(&self.path("ring"), &[&self.owner], self.wrapping().as_deref())
    }

    /// Erases version 1 up to a step.
    fn erase_until(&mut self, stop: Step) {
        let mut file = self.open().unwrap();
        let mut reached = false;
        let error = file
            .erase_stepwise(1, "consent withdrawn", WhenActive::Refuse, now(), &mut self.rng, &mut |step| {
                reached |= step == stop;
                if step == stop { Err(crash()) } else { Ok(()) }
            })
            .unwrap_err();
        assert!(reached && matches!(error, RingFileError::Io { .. }), "{error}");
        // The handle is of no use any more.
        assert!(matches!(file.rotate(now(), &mut self.rng), Err(RingFileError::Reopen)));
    }

    fn opens(&self, ring: &Ring, file: usize) -> bool {
        open(&self.files[file], &[&ring.opener(now())]).is_ok()
    }
}

#[test]
fn erasure_of_a_bound_ring_at_every_crash_point() {
    for (seed, stop) in (0u64..).zip(STEPS) {
        let mut stage = Stage::new(seed, true);
        let old_ring = fs::read(stage.path("ring")).unwrap();
        stage.erase_until(stop);
        let gone = matches!(stop, Step::Switched | Step::Settled);
        let interrupted = matches!(stop, Step::Prepared | Step::Switched);
        assert_eq!(read_wrapping(&stage.path("wrap")).unwrap().is_interrupted(), interrupted);

        // A reader sees the ring before or after, and repairs nothing.
        let files = |stage: &Stage| (fs::read(stage.path("ring")).unwrap(), fs::read(stage.path("wrap")).unwrap());
        let before = files(&stage);
        assert_eq!(stage.opens(&stage.read().unwrap(), 0), !gone);
        assert!(files(&stage) == before);

        // A writer finishes it or takes it back; opening once more changes nothing.
        for _ in 0..2 {
            let file = stage.open().unwrap();
            let version = file.ring().version(1).unwrap();
            let wrapping = read_wrapping(&stage.path("wrap")).unwrap();
            assert!(!wrapping.is_interrupted());
            assert_eq!(stage.opens(file.ring(), 0), !gone, "{stop:?}");
            assert!(stage.opens(file.ring(), 1), "{stop:?}: the other version is whole");
            if gone {
                assert_eq!(version.state(), KeyState::Destroyed);
                let receipt = version.receipt().unwrap();
                receipt.verify(&file.ring().custodian()).unwrap();
                assert_eq!(receipt.reason(), "consent withdrawn");
                assert_eq!((receipt.wrapping_generation(), wrapping.generation()), (Some(2), 2));
            } else {
                assert_eq!(version.state(), KeyState::DecryptOnly);
                assert_eq!((file.ring().receipts().count(), wrapping.generation()), (0, 1));
            }
        }

        // The erasure can be asked for again where it did not happen.
        if !gone {
            let mut file = stage.open().unwrap();
            let receipt = file.erase(1, "again", WhenActive::Refuse, now(), &mut stage.rng).unwrap();
            receipt.verify(&file.ring().custodian()).unwrap();
            assert!(!stage.opens(file.ring(), 0));
        }

        // The older copy of the ring does not open with the present wrapping file.
        fs::write(stage.path("ring"), &old_ring).unwrap();
        assert!(matches!(stage.open(), Err(RingFileError::OlderRing { ring: 1, wrapping: 2 })));
        assert!(matches!(stage.read(), Err(RingFileError::OlderRing { ring: 1, wrapping: 2 })));
        // Below that guard: the key itself is another, whatever generation it claims to be.
        let mut lying = read_wrapping(&stage.path("wrap")).unwrap();
        lying.current.generation = 1;
        fs::write(stage.path("wrap"), lying.encode()).unwrap();
        assert!(matches!(stage.open(), Err(RingFileError::Tampered)));
    }
}

#[test]
fn erasure_of_an_unbound_ring_at_every_crash_point() {
    for (seed, (stop, gone)) in (10u64..).zip([(Step::Begun, false), (Step::Switched, true)]) {
        let mut stage = Stage::new(seed, false);
        let old_ring = fs::read(stage.path("ring")).unwrap();
        stage.erase_until(stop);
        let file = stage.open().unwrap();
        assert_eq!(stage.opens(file.ring(), 0), !gone);
        assert_eq!(
            file.ring().receipts().map(ErasureReceipt::wrapping_generation).collect::<Vec<_>>(),
            vec![None; usize::from(gone)]
        );
        drop(file);
        // What the documentation says of unbound rings: an older copy undoes the erasure.
        fs::write(stage.path("ring"), &old_ring).unwrap();
        assert!(stage.opens(stage.open().unwrap().ring(), 0));
    }
}

#[test]
fn rotation_at_every_crash_point() {
    for (seed, (stop, versions)) in (20u64..).zip([(Step::Begun, 2), (Step::Switched, 3)]) {
        for bound in [false, true] {
            let mut stage = Stage::new(seed, bound);
            let mut file = stage.open().unwrap();
            let mut next = file.draft().unwrap();
            next.rotate(now(), &mut stage.rng).unwrap();
            file.store(next, Change::Ring, &mut stage.rng, &mut |step| {
                if step == stop { Err(crash()) } else { Ok(()) }
            })
            .unwrap_err();
            drop(file);
            let file = stage.open().unwrap();
            assert_eq!(file.ring().versions().len(), versions);
            assert_eq!(file.ring().versions().iter().filter(|v| v.state() == KeyState::Active).count(), 1);
            assert!(stage.opens(file.ring(), 0) && stage.opens(file.ring(), 1));
        }
    }
}

#[test]
fn a_changed_lock_at_every_crash_point() {
    for (seed, stop) in (30u64..).zip(STEPS) {
        let mut stage = Stage::new(seed, true);
        let heir = Identity::generate(IdentityKind::P256, &mut stage.rng).unwrap();
        let mut file = stage.open().unwrap();
        let next = file.draft().unwrap();
        file.lockbox = Lockbox::new(next.id(), &[heir.public()], &mut stage.rng).unwrap();
        file.store(next, Change::Keys, &mut stage.rng, &mut |step| {
            if step == stop { Err(crash()) } else { Ok(()) }
        })
        .unwrap_err();
        drop(file);
        let changed = matches!(stop, Step::Switched | Step::Settled);
        let (opens, locked) = if changed { (&heir, &stage.owner) } else { (&stage.owner, &heir) };
        let wrapping = stage.wrapping();
        let path = stage.path("ring");
        assert!(matches!(RingFile::open(&path, &[locked], wrapping.as_deref()), Err(RingFileError::Locked(_))));
        let file = RingFile::open(&path, &[opens], wrapping.as_deref()).unwrap();
        assert!(stage.opens(file.ring(), 0) && stage.opens(file.ring(), 1));
    }
}

#[test]
fn creation_at_its_crash_point() {
    let mut rng = SeededRng::from_u64(40);
    let owner = Identity::generate(IdentityKind::P256, &mut rng).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (path, wrap) = (dir.path().join("ring"), dir.path().join("wrap"));
    let ring = |rng: &mut SeededRng| Ring::new(OwnerRole::System, IdentityKind::P256, now(), rng).unwrap();
    let new = ring(&mut rng);
    RingFile::create_stepwise(&path, new, &[owner.public()], Some(&wrap), &mut rng, &mut |_| Err(crash())).unwrap_err();
    // The wrapping file is there and the ring is not; neither a second try nor opening does anything to either.
    let left = fs::read(&wrap).unwrap();
    for _ in 0..2 {
        let new = ring(&mut rng);
        let error = RingFile::create(&path, new, &[owner.public()], Some(&wrap), &mut rng).unwrap_err();
        assert!(matches!(error, RingFileError::Io { path, source }
            if path == wrap && source.kind() == io::ErrorKind::AlreadyExists));
        let error = RingFile::open(&path, &[&owner], Some(&wrap)).unwrap_err();
        assert!(matches!(error, RingFileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound));
        assert_eq!(fs::read(&wrap).unwrap(), left);
    }
    fs::remove_file(&wrap).unwrap();
    let new = ring(&mut rng);
    RingFile::create(&path, new, &[owner.public()], Some(&wrap), &mut rng).unwrap();
    RingFile::open(&path, &[&owner], Some(&wrap)).unwrap();
}

#[test]
fn what_a_killed_writer_left_is_removed() {
    let stage = Stage::new(50, true);
    let left = [".ring.aB3xYz.mediveil-tmp", ".wrap.000000.mediveil-tmp"];
    let others = [".ring2.aB3xYz.mediveil-tmp", ".ring.aB3.xYz.mediveil-tmp", ".ring.mediveil-tmp", "ring.aB3xYz"];
    for name in left.iter().chain(&others) {
        fs::write(stage.path(name), b"half a file").unwrap();
    }
    drop(stage.open().unwrap());
    assert!(left.iter().all(|name| !stage.path(name).exists()));
    assert!(others.iter().all(|name| stage.path(name).exists()));
}

/// A backup by hard link shares the replaced wrapping file's blocks, so it shows whether they were overwritten.
#[cfg(unix)]
#[test]
fn the_replaced_wrapping_file_is_overwritten() {
    let mut stage = Stage::new(60, true);
    fs::hard_link(stage.path("wrap"), stage.path("link")).unwrap();
    let old = fs::read(stage.path("link")).unwrap();
    let mut file = stage.open().unwrap();
    file.rotate(now(), &mut stage.rng).unwrap();
    assert_eq!(fs::read(stage.path("link")).unwrap(), old, "rotation leaves the wrapping file alone");
    file.erase(1, "test", WhenActive::Refuse, now(), &mut stage.rng).unwrap();
    assert_eq!(fs::read(stage.path("link")).unwrap(), vec![0; old.len()]);
}

/// With the ring's secret out of the way, nothing else in the two files opens what was sealed for it.
#[test]
fn no_byte_of_a_destroyed_secret_is_left_in_the_ring() {
    let mut stage = Stage::new(70, true);
    let mut file = stage.open().unwrap();
    let secret = file.ring().version(1).unwrap().secret().unwrap().sealing_key(SealingKem::P256).unwrap().to_bytes();
    let signing = file.ring().version(1).unwrap().secret().unwrap().signing_key().to_bytes();
    let holds = |ring: &Ring, bytes: &[u8]| ring.encode_secret().windows(32).any(|w| w == bytes);
    assert!(holds(file.ring(), &secret) && holds(file.ring(), &*signing));
    file.erase(1, "test", WhenActive::Refuse, now(), &mut stage.rng).unwrap();
    assert!(!holds(file.ring(), &secret) && !holds(file.ring(), &*signing));
    drop(file);
    assert!(!holds(stage.open().unwrap().ring(), &secret));
}
