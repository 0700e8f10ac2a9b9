//! Key rings: states, policies, opening, wire forms, and the files on the disk.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use core::time::Duration;
use mediveil_codec::testing::{check_decoding, check_wire, check_wire_by};
use mediveil_codec::{DecodeErrorKind, Timestamp, Wire};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind, SigningKey};
use mediveil_seal::ring::{
    Due, ErasureReceipt, KeyState, OwnerRole, PolicyError, Ring, RingError, RingFile, RingFileError, RotationPolicy,
    SealedRing, WhenActive, WrappingFile,
};
use mediveil_seal::{OpenError, Passphrase, RefusalReason, Sealer, open};
use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const DAY: u64 = 86_400_000;

/// The moment `millis` after the tests' beginning of time.
fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis).unwrap()
}

fn ring(role: OwnerRole, rng: &mut SeededRng) -> Ring {
    Ring::new(role, IdentityKind::P256, at(0), rng).unwrap()
}

fn again(ring: &Ring) -> Ring {
    Ring::decode(&ring.encode_secret()).unwrap()
}

fn states(ring: &Ring) -> Vec<KeyState> {
    ring.versions().iter().map(|v| v.state()).collect()
}

// --- states ---------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Step {
    Rotate,
    Disable(u32),
    Enable(u32),
    Destroy(u32, WhenActive),
}

/// The legal transitions, written a second time. `None` where the step is refused.
fn model(states: &[KeyState], step: Step) -> Option<Vec<KeyState>> {
    use KeyState::{Active, DecryptOnly, Destroyed, Disabled};
    let mut next = states.to_vec();
    let (number, to) = match step {
        Step::Rotate => {
            next.iter_mut().filter(|s| **s == Active).for_each(|s| *s = DecryptOnly);
            next.push(Active);
            return Some(next);
        }
        Step::Disable(n) => (n, Disabled),
        Step::Enable(n) => (n, DecryptOnly),
        Step::Destroy(n, _) => (n, Destroyed),
    };
    let from = next.get_mut(usize::try_from(number).unwrap().checked_sub(1)?)?;
    let legal = matches!(
        (step, *from),
        (Step::Disable(_), Active | DecryptOnly)
            | (Step::Enable(_), Disabled)
            | (Step::Destroy(..), DecryptOnly | Disabled)
            | (Step::Destroy(_, WhenActive::Destroy), Active)
    );
    *from = to;
    legal.then_some(next)
}

/// Every step from every state that rings of up to three versions can reach, against the model.
#[test]
fn exactly_the_legal_transitions() {
    let mut rng = SeededRng::from_u64(1);
    let first = ring(OwnerRole::Patient, &mut rng);
    let mut seen = HashSet::from([format!("{:?}", states(&first))]);
    let mut queue = VecDeque::from([first]);
    let mut steps = 0;
    while let Some(from) = queue.pop_front() {
        let before = states(&from);
        let mut possible = vec![Step::Rotate];
        for n in 0..=u32::try_from(before.len()).unwrap() + 1 {
            possible.extend([Step::Disable(n), Step::Enable(n)]);
            possible.extend([Step::Destroy(n, WhenActive::Refuse), Step::Destroy(n, WhenActive::Destroy)]);
        }
        for step in possible {
            if matches!(step, Step::Rotate) && before.len() == 3 {
                continue;
            }
            steps += 1;
            let mut to = again(&from);
            let done = match step {
                Step::Rotate => to.rotate(at(1), &mut rng).map(drop),
                Step::Disable(n) => to.disable(n),
                Step::Enable(n) => to.enable(n),
                Step::Destroy(n, when) => to.destroy(n, "test", when, at(1)).map(drop),
            };
            match model(&before, step) {
                None => {
                    assert!(done.is_err(), "{before:?} {step:?}");
                    assert!(to.encode() == from.encode(), "a refused step changes nothing: {before:?} {step:?}");
                }
                Some(after) => {
                    assert_eq!(done, Ok(()), "{before:?} {step:?}");
                    assert_eq!(states(&to), after);
                    check_invariants(&to);
                    if seen.insert(format!("{after:?}")) {
                        queue.push_back(to);
                    }
                }
            }
        }
    }
    // The newest version can be in any of the 4 states, each older one in any but active: 4, 4 * 3 and 4 * 9 states. From a
    // state of n versions there are 4 steps for each of n + 2 numbers, and rotation below three versions.
    assert_eq!(seen.len(), 4 + 12 + 36);
    assert_eq!(steps, 4 * 13 + 12 * 17 + 36 * 20);
}

fn check_invariants(ring: &Ring) {
    let active: Vec<_> = ring.versions().iter().filter(|v| v.state() == KeyState::Active).collect();
    assert!(active.len() <= 1);
    match ring.recipient(at(2)) {
        Ok(public) => assert_eq!(public, active[0].public()),
        Err(error) => assert_eq!((error, active.len()), (RingError::NoActiveVersion, 0)),
    }
    for version in ring.versions() {
        assert_eq!(version.receipt().is_some(), version.state() == KeyState::Destroyed);
        if let Some(receipt) = version.receipt() {
            receipt.verify(&ring.custodian()).unwrap();
            assert_eq!((receipt.version(), *receipt.identity()), (version.number(), version.public().id()));
        }
    }
    assert!(again(ring).encode() == ring.encode());
}

#[test]
fn refused_changes_say_why() {
    let mut rng = SeededRng::from_u64(2);
    let mut ring = ring(OwnerRole::Patient, &mut rng);
    assert_eq!(ring.destroy(1, "x", WhenActive::Refuse, at(0)), Err(RingError::ActiveVersion(1)));
    assert_eq!(ring.destroy(9, "x", WhenActive::Refuse, at(0)), Err(RingError::NoSuchVersion(9)));
    assert_eq!(ring.disable(0), Err(RingError::NoSuchVersion(0)));
    let transition = |state, wanted| Err(RingError::Transition { version: 1, state, wanted });
    assert_eq!(ring.enable(1), transition(KeyState::Active, "enabled"));
    let early = Timestamp::from_millis(at(0).millis() - 1).unwrap();
    assert_eq!(ring.rotate(early, &mut rng), Err(RingError::Clock { now: early, newest: at(0) }));
    assert_eq!(ring.rotate(at(0), &mut rng), Ok(2));
    for reason in ["", "  ", "two\nlines", "\u{1b}[2J", &"x".repeat(257)] {
        assert_eq!(ring.destroy(1, reason, WhenActive::Refuse, at(0)), Err(RingError::Reason), "{reason:?}");
    }
    let error = ring.destroy(1, "x", WhenActive::Refuse, early).unwrap_err();
    assert_eq!(error, RingError::Clock { now: early, newest: at(0) });
    ring.destroy(1, &"x".repeat(256), WhenActive::Refuse, at(0)).unwrap();
    assert_eq!(ring.disable(1), transition(KeyState::Destroyed, "disabled"));
    assert_eq!(
        ring.destroy(1, "x", WhenActive::Destroy, at(0)).map(drop),
        transition(KeyState::Destroyed, "destroyed again")
    );
    assert_eq!(
        format!("{:?}", ring.version(2).unwrap()),
        format!("KeyVersion(2, active, {})", ring.version(2).unwrap().public().fingerprint())
    );
}

// --- policies -------------------------------------------------------------------------------------------------------

#[test]
fn the_policies_are_data() {
    let table: Vec<_> = OwnerRole::ALL
        .iter()
        .map(|role| {
            format!(
                "{} {}",
                serde_json::to_string(role).unwrap(),
                serde_json::to_string(&RotationPolicy::of(*role)).unwrap()
            )
        })
        .collect();
    assert_eq!(
        table,
        [
            r#""patient" {"rotate_after_seconds":31536000,"expire_after_seconds":null}"#,
            r#""provider" {"rotate_after_seconds":7776000,"expire_after_seconds":null}"#,
            r#""system" {"rotate_after_seconds":2592000,"expire_after_seconds":null}"#,
            r#""emergency" {"rotate_after_seconds":86400,"expire_after_seconds":86400}"#,
        ]
    );
    let read = |json: &str| serde_json::from_str::<RotationPolicy>(json);
    assert_eq!(
        read(r#"{"rotate_after_seconds":60,"expire_after_seconds":120}"#).unwrap(),
        RotationPolicy::new(Duration::from_secs(60), Some(Duration::from_secs(120))).unwrap()
    );
    for bad in [
        r#"{"rotate_after_seconds":0,"expire_after_seconds":null}"#,
        r#"{"rotate_after_seconds":60,"expire_after_seconds":59}"#,
        r#"{"rotate_after_seconds":60,"expire_after_seconds":0}"#,
        r#"{"rotate_after_seconds":18446744073709551615,"expire_after_seconds":null}"#,
        r#"{"rotate_after_seconds":60,"expire_after_seconds":null,"other":1}"#,
        r#"{"rotate_after_seconds":-1,"expire_after_seconds":null}"#,
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    let split = RotationPolicy::new(Duration::from_millis(1500), None);
    assert_eq!(split, Err(PolicyError::Range));
}

#[test]
fn keys_are_due_at_exactly_their_age() {
    let mut rng = SeededRng::from_u64(3);
    for (role, days) in [(OwnerRole::Patient, 365), (OwnerRole::Provider, 90), (OwnerRole::System, 30)] {
        let mut ring = ring(role, &mut rng);
        let age = days * DAY;
        assert_eq!(ring.due(at(age - 1)), []);
        assert_eq!(ring.due(at(age)), [Due::Rotate { version: 1, since: at(age) }]);
        assert_eq!(ring.due(at(2 * age)), [Due::Rotate { version: 1, since: at(age) }]);
        // Overdue is not refused.
        ring.recipient(at(10 * age)).unwrap();
        ring.rotate(at(age), &mut rng).unwrap();
        assert_eq!(ring.due(at(age)), []);
        assert_eq!(ring.due(at(2 * age - 1)), []);
        assert_eq!(ring.due(at(2 * age)), [Due::Rotate { version: 2, since: at(2 * age) }]);
        ring.disable(2).unwrap();
        assert_eq!(ring.due(at(2 * age)), [Due::NoActiveVersion]);
        assert_eq!(ring.recipient(at(age)), Err(RingError::NoActiveVersion));
    }
    let json = serde_json::to_string(&Due::Rotate { version: 1, since: at(0) }).unwrap();
    assert_eq!(json, r#"{"what":"rotate","version":1,"since":1800000000000}"#);
}

/// The reason with which a ring refuses a file, or `None` if it opens it.
fn refusal(ring: &Ring, file: &[u8], now: Timestamp) -> Option<RefusalReason> {
    match open(file, &[&ring.opener(now)]) {
        Ok(opened) => {
            assert_eq!(*opened.plaintext, b"record");
            None
        }
        Err(OpenError::NoDoor { refusals, .. }) => Some(refusals[0].reason),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn emergency_keys_expire_at_exactly_24_hours() {
    let mut rng = SeededRng::from_u64(4);
    let mut ring = ring(OwnerRole::Emergency, &mut rng);
    let file = Sealer::new().to(ring.recipient(at(0)).unwrap()).seal(b"record", &mut rng).unwrap();
    assert_eq!(ring.due(at(DAY - 1)), []);
    ring.recipient(at(DAY - 1)).unwrap();
    assert_eq!(refusal(&ring, &file, at(DAY - 1)), None);

    let expired = RingError::Expired { version: 1, from: at(0), until: at(DAY) };
    assert_eq!(ring.recipient(at(DAY)), Err(expired.clone()));
    assert_eq!(ring.identity(at(DAY)).map(drop), Err(expired.clone()));
    assert_eq!(refusal(&ring, &file, at(DAY)), Some(RefusalReason::KeyExpired));
    assert_eq!(
        ring.due(at(DAY)),
        [Due::Rotate { version: 1, since: at(DAY) }, Due::Destroy { version: 1, since: at(DAY) }]
    );
    // Turning the clock back to before the key does not help.
    let early = Timestamp::from_millis(at(0).millis() - 1).unwrap();
    assert_eq!(ring.recipient(early), Err(expired));
    assert_eq!(refusal(&ring, &file, early), Some(RefusalReason::KeyExpired));
    // Nor does rotation, for the old file; the expired secret stays due until it is destroyed.
    ring.rotate(at(DAY), &mut rng).unwrap();
    assert_eq!(refusal(&ring, &file, at(DAY)), Some(RefusalReason::KeyExpired));
    assert_eq!(ring.due(at(DAY)), [Due::Destroy { version: 1, since: at(DAY) }]);
    ring.destroy(1, "expired", WhenActive::Refuse, at(DAY)).unwrap();
    assert_eq!(ring.due(at(DAY)), []);
    assert_eq!(refusal(&ring, &file, at(DAY)), Some(RefusalReason::WrongKey));

    // No policy gives emergency keys a longer life.
    for policy in [
        RotationPolicy::of(OwnerRole::Patient),
        RotationPolicy::new(Duration::from_secs(60), Some(Duration::from_secs(86_401))).unwrap(),
    ] {
        let ring = Ring::with_policy(OwnerRole::Emergency, policy, IdentityKind::P256, at(0), &mut rng);
        assert_eq!(ring.map(drop), Err(RingError::Policy(PolicyError::EmergencyExpiry)));
    }
    let short = RotationPolicy::new(Duration::from_secs(60), Some(Duration::from_secs(60))).unwrap();
    let ring = Ring::with_policy(OwnerRole::Emergency, short, IdentityKind::P256, at(0), &mut rng).unwrap();
    assert!(ring.recipient(at(59_999)).is_ok() && ring.recipient(at(60_000)).is_err());
}

// --- opening --------------------------------------------------------------------------------------------------------

#[test]
fn each_state_opens_or_refuses_with_its_reason() {
    let mut rng = SeededRng::from_u64(5);
    for kind in [IdentityKind::P256, IdentityKind::Hybrid] {
        let mut ring = Ring::new(OwnerRole::Provider, kind, at(0), &mut rng).unwrap();
        let mut files = Vec::new();
        for _ in 0..4 {
            files.push(Sealer::new().to(ring.recipient(at(0)).unwrap()).seal(b"record", &mut rng).unwrap());
            ring.rotate(at(0), &mut rng).unwrap();
        }
        let stranger = Ring::new(OwnerRole::Provider, kind, at(0), &mut rng).unwrap();
        let theirs = Sealer::new().to(stranger.recipient(at(0)).unwrap()).seal(b"record", &mut rng).unwrap();
        assert!(files.iter().all(|f| refusal(&ring, f, at(0)).is_none()));
        assert_eq!(refusal(&ring, &theirs, at(0)), Some(RefusalReason::WrongKey));
        ring.disable(1).unwrap();
        ring.destroy(2, "test", WhenActive::Refuse, at(0)).unwrap();
        assert_eq!(refusal(&ring, &files[0], at(0)), Some(RefusalReason::KeyDisabled));
        assert_eq!(refusal(&ring, &files[1], at(0)), Some(RefusalReason::WrongKey));
        assert_eq!(refusal(&ring, &files[2], at(0)), None);
        ring.enable(1).unwrap();
        assert_eq!(refusal(&ring, &files[0], at(0)), None);
        // The destroyed version is gone for good, after a round trip too.
        assert_eq!(refusal(&again(&ring), &files[1], at(0)), Some(RefusalReason::WrongKey));
        // A file with two doors opens by the one that is left.
        let both = Sealer::new()
            .to(ring.version(2).unwrap().public())
            .to(ring.version(3).unwrap().public())
            .seal(b"record", &mut rng)
            .unwrap();
        assert_eq!(refusal(&ring, &both, at(0)), None);
    }
}

#[test]
fn a_ring_without_any_secret_says_so() {
    let mut rng = SeededRng::from_u64(6);
    let mut ring = ring(OwnerRole::System, &mut rng);
    let file = Sealer::new().to(ring.recipient(at(0)).unwrap()).seal(b"record", &mut rng).unwrap();
    ring.destroy(1, "end of service", WhenActive::Destroy, at(0)).unwrap();
    let error = open(&file, &[&ring.opener(at(0))]).map(drop).unwrap_err();
    assert!(error.to_string().contains("1 versions are destroyed"), "{error}");
    assert_eq!(ring.due(at(0)), [Due::NoActiveVersion]);
    assert_eq!(ring.rotate(at(0), &mut rng), Ok(2));
}

// --- wire forms -----------------------------------------------------------------------------------------------------

/// One version in each of three states.
fn sample() -> Ring {
    let mut rng = SeededRng::from_u64(7);
    let mut ring = ring(OwnerRole::Emergency, &mut rng);
    ring.rotate(at(1), &mut rng).unwrap();
    ring.rotate(at(2), &mut rng).unwrap();
    ring.disable(2).unwrap();
    ring.destroy(1, "expired", WhenActive::Refuse, at(3)).unwrap();
    ring
}

#[test]
fn ring_on_the_wire() {
    check_wire_by(&sample(), RING, |a, b| a.encode() == b.encode());
}

#[test]
fn receipt_on_the_wire() {
    check_wire(sample().receipts().next().unwrap(), RECEIPT);
}

#[test]
fn ring_files_on_the_wire() {
    let mut rng = SeededRng::from_u64(8);
    let stage = Stage::new();
    let (path, wrap) = (stage.path("ring"), stage.path("wrap"));
    RingFile::create(&path, sample(), &[&stage.passphrase], Some(&wrap), &mut rng).unwrap();
    let bytes = fs::read(&wrap).unwrap();
    let wrapping = WrappingFile::decode(&bytes).unwrap();
    check_wire_by(&wrapping, WRAPPING, |a, b| a.encode() == b.encode());
    assert_eq!((wrapping.ring(), wrapping.generation()), (sample().id(), 1));
    let bytes = fs::read(&path).unwrap();
    check_decoding::<SealedRing>(&bytes);
    assert_eq!(hex::encode(sha256(&bytes)), SEALED_RING);
    let sealed = SealedRing::decode(&bytes).unwrap();
    assert_eq!((sealed.ring(), sealed.wrapping_generation()), (sample().id(), Some(1)));
    assert_eq!(mediveil_seal::inspect(&mut std::io::Cursor::new(sealed.lockbox())).unwrap().doors.len(), 1);
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

const RING: &str = "
    894d445602100100000002a58650f19ee3b965429844e496af300ed6cb0d04821a000151801a00015180f45820df11e75412e425
    2c931663e75593c7295b94b16ccec5fdef37421c0359fc116b8384011b000001a3185c500004825896894d445602020100000000
    8a845821038e9440dd656f49cf9de8dc3682034930a69a87bcce2fa92dd1c17899965a19a758210388fc12800414f3409a00f982
    2da10710856a4050d450aa71c56c245b0e1ee329f65840a729841873afc45e4fd2f9a110eb5237e514c57edd6ed00ee5974e7f7a
    3d9d357b25227073b28654168214de6eac6a853ca4066ac861a7fa7e43c7bf7a9959bb58b8894d445602110100000000ac8850f1
    9ee3b965429844e496af300ed6cb0d015820aeead133bf0e94a31da07e4a5bd025ff1de71e1398aeecbae5a52221175b91551b00
    0001a3185c5003f66765787069726564582102e44c65ff4d1d6507482cf83e3c26ed59b90d7530ad7e1edaac176d3f437fa60258
    40342369afd7ca092a016c3a571adbcd5d625ab01289c698117f37089b01a374c611ed6bb0133ff20ea7b4f8442ea5ffea60bcba
    65a4ef9c947321bb1c5c736c4084021b000001a3185c5001035874894d44560201010000000068845820840fb48355415356a603
    69f1a3ae6f4a200f92a803eedc54e7f775344adeaff45820d3f82eea8b94321ffbba1dcc12fed020e8a225f32515ec583fac81ae
    e806a640f65820715a30660ddd38a5b34391cbd289cfa3f65ebd3ea993ed3adbc6523d1d40d86d84031b000001a3185c50020158
    74894d445602010100000000688458208a9e9c9bde5f76678a5d6bb80b71ba63011a70b2b0c4ba2eec3bc7b01118044658208c0f
    8316291dc45cbe493347ddaac00c3c0bb58e593221d3e9aecad03a623440f65820f8c2e9874d64497299de37da69b7fc930fe387
    26af13b87ae69530e41e345e68";
const RECEIPT: &str = "
    894d445602110100000000ac8850f19ee3b965429844e496af300ed6cb0d015820aeead133bf0e94a31da07e4a5bd025ff1de71e
    1398aeecbae5a52221175b91551b000001a3185c5003f66765787069726564582102e44c65ff4d1d6507482cf83e3c26ed59b90d
    7530ad7e1edaac176d3f437fa6025840342369afd7ca092a016c3a571adbcd5d625ab01289c698117f37089b01a374c611ed6bb0
    133ff20ea7b4f8442ea5ffea60bcba65a4ef9c947321bb1c5c736c40";
const WRAPPING: &str = "
    894d445602120100000000368450f19ee3b965429844e496af300ed6cb0d015820cc722f1468da48e9eb91b3bd045b911d203844
    b5f6cba7613d0485c4738107ebf6";
const SEALED_RING: &str = "2b1b55c59a3c6d21febe278faa2fba47d67437537ad64109a1de4ccb0341dd9a";

/// Offset of `part` in `whole`.
fn find(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).position(|w| w == part).unwrap()
}

#[test]
fn rings_that_contradict_themselves_are_refused() {
    let mut rng = SeededRng::from_u64(9);
    let mut ring = ring(OwnerRole::Patient, &mut rng);
    ring.rotate(at(0), &mut rng).unwrap();
    let why = |bytes: &[u8]| match Ring::decode(bytes).unwrap_err().kind {
        DecodeErrorKind::Invalid(why) => why,
        other => panic!("{other:?}"),
    };
    let bytes = ring.encode();
    let time = [&[0x1b][..], &at(0).millis().to_be_bytes()].concat();
    let first = find(&bytes, &time);
    // number, time, state: 84 01 1b........ 02
    assert_eq!((bytes[first - 1], bytes[first + 9]), (1, 2));
    let with = |at: usize, byte: u8| {
        let mut changed = bytes.clone();
        changed[at] = byte;
        changed
    };
    assert_eq!(why(&with(first + 9, 1)), "two active versions");
    assert_eq!(why(&with(first + 9, 5)), "an unknown state of a key version");
    assert_eq!(why(&with(first - 1, 2)), "the versions are not in order");
    assert_eq!(why(&with(first + 8, time[8] + 1)), "the versions are not in order");
    // A receipt of another ring, in the place of this one's.
    let mut gone = again(&ring);
    let mut other = self::ring(OwnerRole::Patient, &mut rng);
    gone.destroy(1, "test", WhenActive::Refuse, at(0)).unwrap();
    other.rotate(at(0), &mut rng).unwrap();
    other.destroy(1, "test", WhenActive::Refuse, at(0)).unwrap();
    let (ours, theirs) = (gone.receipts().next().unwrap().encode(), other.receipts().next().unwrap().encode());
    let mut forged = gone.encode();
    let place = find(&forged, &ours);
    forged[place..place + theirs.len()].copy_from_slice(&theirs);
    assert_eq!(why(&forged), "the receipt of another version");
    // A ring of emergency keys with a patient's policy.
    let role = find(&bytes, &[0x82, 0x1a, 0x01, 0xe1, 0x33, 0x80, 0xf6]) - 1;
    assert_eq!(why(&with(role, 4)), "emergency keys without hard expiry");
    assert_eq!(why(&with(role, 9)), "an unknown role");
}

#[test]
fn receipts_are_the_custodians_alone() {
    let mut rng = SeededRng::from_u64(10);
    let ring = sample();
    let receipt = ring.receipts().next().unwrap();
    receipt.verify(&ring.custodian()).unwrap();
    receipt.verify(&SigningKey::generate(&mut rng).verifying_key()).unwrap_err();
    assert_eq!((receipt.reason(), receipt.version(), receipt.erased_at()), ("expired", 1, at(3)));
    assert_eq!(receipt.wrapping_generation(), None, "a ring in memory is bound to nothing");
    let bytes = receipt.encode();
    // Another reason under the same signature.
    let mut forged = bytes.clone();
    let place = find(&forged, b"expired");
    forged[place..place + 7].copy_from_slice(b"consent");
    assert_eq!(
        ErasureReceipt::decode(&forged).unwrap_err().kind,
        DecodeErrorKind::Invalid("the custodian's signature does not verify")
    );
}

// --- files ----------------------------------------------------------------------------------------------------------

struct Stage {
    dir: tempfile::TempDir,
    owner: Identity,
    passphrase: Passphrase,
}

impl Stage {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            owner: Identity::generate(IdentityKind::Hybrid, &mut SeededRng::from_u64(100)).unwrap(),
            passphrase: Passphrase::new("correct").with_iterations(Passphrase::MIN_ITERATIONS).unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A bound ring, closed, locked by the owner's identity.
    fn bound(&self, ring: &str, wrapping: &str, rng: &mut SeededRng) {
        let new = self::ring(OwnerRole::Patient, rng);
        let (path, wrap) = (self.path(ring), self.path(wrapping));
        RingFile::create(&path, new, &[self.owner.public()], Some(&wrap), rng).unwrap();
    }

    fn open(&self, ring: &str, wrapping: Option<&str>) -> Result<RingFile, RingFileError> {
        let wrapping = wrapping.map(|w| self.path(w));
        RingFile::open(&self.path(ring), &[&self.owner], wrapping.as_deref())
    }

    fn read(&self, ring: &str, wrapping: Option<&str>) -> Result<Ring, RingFileError> {
        let wrapping = wrapping.map(|w| self.path(w));
        RingFile::read(&self.path(ring), &[&self.owner], wrapping.as_deref())
    }
}

fn io_kind<T>(result: Result<T, RingFileError>) -> ErrorKind {
    match result.map(drop).unwrap_err() {
        RingFileError::Io { source, .. } => source.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn either_door_of_the_lock_opens_and_both_stay() {
    let mut rng = SeededRng::from_u64(11);
    let stage = Stage::new();
    let path = stage.path("ring");
    let new = ring(OwnerRole::Patient, &mut rng);
    drop(RingFile::create(&path, new, &[&stage.passphrase, stage.owner.public()], None, &mut rng).unwrap());
    // Rotated by the owner's key alone, without the passphrase.
    let mut file = RingFile::open(&path, &[&stage.owner], None).unwrap();
    assert!(!file.is_bound());
    assert_eq!(file.rotate(at(1), &mut rng).unwrap(), 2);
    drop(file);
    let file = RingFile::open(&path, &[&stage.passphrase], None).unwrap();
    assert_eq!(states(file.ring()), [KeyState::DecryptOnly, KeyState::Active]);
    drop(file);
    for wrong in ["", "Correct"] {
        let wrong = Passphrase::new(wrong);
        assert!(matches!(RingFile::open(&path, &[&wrong], None), Err(RingFileError::Locked(_))));
        assert!(matches!(RingFile::read(&path, &[&wrong], None), Err(RingFileError::Locked(_))));
    }
    // The file shows no secret and no public key of the ring.
    let bytes = fs::read(&path).unwrap();
    let ring = stage.read("ring", None).unwrap();
    for version in ring.versions() {
        let public = version.public().verifying_key().to_sec1();
        assert!(!bytes.windows(33).any(|w| w == public));
    }
}

#[test]
fn changes_reach_the_disk() {
    let mut rng = SeededRng::from_u64(12);
    let stage = Stage::new();
    stage.bound("ring", "wrap", &mut rng);
    let mut file = stage.open("ring", Some("wrap")).unwrap();
    file.rotate(at(1), &mut rng).unwrap();
    file.disable(1, &mut rng).unwrap();
    assert_eq!(states(&stage.read("ring", Some("wrap")).unwrap()), [KeyState::Disabled, KeyState::Active]);
    file.enable(1, &mut rng).unwrap();
    let error = file.erase(2, "test", WhenActive::Refuse, at(1), &mut rng).unwrap_err();
    assert!(matches!(error, RingFileError::Ring(RingError::ActiveVersion(2))));
    // A refused change leaves the handle as good as before.
    let receipt = file.erase(1, "test", WhenActive::Refuse, at(1), &mut rng).unwrap();
    assert_eq!(receipt.wrapping_generation(), Some(2));
    receipt.verify(&file.ring().custodian()).unwrap();
    drop(file);
    let read = stage.read("ring", Some("wrap")).unwrap();
    assert_eq!(states(&read), [KeyState::Destroyed, KeyState::Active]);
    assert_eq!(read.receipts().collect::<Vec<_>>(), [&receipt]);
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let mut rng = SeededRng::from_u64(13);
    let stage = Stage::new();
    stage.bound("ring", "wrap", &mut rng);
    let file = stage.open("ring", Some("wrap")).unwrap();
    let error = stage.open("ring", Some("wrap")).unwrap_err();
    assert!(matches!(&error, RingFileError::Busy { process: Some(id), .. } if *id == std::process::id()));
    assert!(error.to_string().contains(&format!("in use by process {}", std::process::id())), "{error}");
    stage.read("ring", Some("wrap")).unwrap();
    drop(file);
    stage.open("ring", Some("wrap")).unwrap();
}

#[test]
fn a_file_that_changed_underneath_is_not_written_over() {
    let mut rng = SeededRng::from_u64(14);
    let stage = Stage::new();
    for name in ["ring", "wrap"] {
        stage.bound("ring", "wrap", &mut rng);
        let mut file = stage.open("ring", Some("wrap")).unwrap();
        let mut bytes = fs::read(stage.path(name)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(stage.path(name), &bytes).unwrap();
        let error = file.rotate(at(1), &mut rng).unwrap_err();
        assert!(matches!(&error, RingFileError::Changed(path) if *path == stage.path(name)), "{error}");
        assert_eq!(fs::read(stage.path(name)).unwrap(), bytes);
        drop(file);
        fs::remove_file(stage.path("ring")).unwrap();
        fs::remove_file(stage.path("wrap")).unwrap();
    }
}

#[test]
fn an_older_copy_does_not_open_what_was_erased() {
    let mut rng = SeededRng::from_u64(15);
    let stage = Stage::new();
    stage.bound("ring", "wrap", &mut rng);
    let mut file = stage.open("ring", Some("wrap")).unwrap();
    let record = Sealer::new().to(file.ring().recipient(at(0)).unwrap()).seal(b"record", &mut rng).unwrap();
    file.rotate(at(1), &mut rng).unwrap();
    fs::copy(stage.path("ring"), stage.path("backup")).unwrap();
    fs::copy(stage.path("wrap"), stage.path("backup-wrap")).unwrap();
    assert_eq!(refusal(file.ring(), &record, at(1)), None);
    file.erase(1, "test", WhenActive::Refuse, at(2), &mut rng).unwrap();
    drop(file);
    let error = stage.read("backup", Some("wrap")).unwrap_err();
    assert!(matches!(error, RingFileError::OlderRing { ring: 1, wrapping: 2 }));
    assert!(matches!(stage.open("backup", Some("wrap")), Err(RingFileError::OlderRing { .. })));
    assert!(matches!(stage.read("backup", None), Err(RingFileError::WrappingNeeded)));
    assert_eq!(refusal(&stage.read("ring", Some("wrap")).unwrap(), &record, at(2)), Some(RefusalReason::WrongKey));
    // What the documentation says remains: both older copies together.
    assert_eq!(refusal(&stage.read("backup", Some("backup-wrap")).unwrap(), &record, at(2)), None);
    // And the present ring with the older wrapping file opens no more than the other way round.
    let error = stage.read("ring", Some("backup-wrap")).unwrap_err();
    assert!(matches!(error, RingFileError::OlderWrapping { ring: 2, wrapping: 1 }));
}

#[test]
fn swapped_truncated_and_missing_files_are_refused() {
    let mut rng = SeededRng::from_u64(16);
    let stage = Stage::new();
    stage.bound("a", "a-wrap", &mut rng);
    stage.bound("b", "b-wrap", &mut rng);
    assert!(matches!(stage.open("a", Some("b-wrap")), Err(RingFileError::OtherRing)));
    assert!(matches!(stage.open("a-wrap", Some("a")), Err(RingFileError::Decode { .. })));
    assert!(matches!(stage.open("a", Some("a")), Err(RingFileError::Decode { .. })));
    assert_eq!(io_kind(stage.open("missing", None)), ErrorKind::NotFound);
    assert!(!stage.path("missing.lock").exists(), "a wrong path leaves nothing behind");
    assert_eq!(io_kind(stage.open("a", Some("missing"))), ErrorKind::NotFound);
    assert_eq!(io_kind(stage.read("missing", None)), ErrorKind::NotFound);
    fs::create_dir(stage.path("dir")).unwrap();
    assert_eq!(io_kind(stage.read("dir", None)), ErrorKind::InvalidInput);
    // The lockbox of one ring in the other's file: its doors open, and it belongs elsewhere.
    let (a, b) = (fs::read(stage.path("a")).unwrap(), fs::read(stage.path("b")).unwrap());
    let lockbox = |bytes: &[u8]| SealedRing::decode(bytes).unwrap().lockbox().to_vec();
    let place = find(&a, &lockbox(&a));
    let mut mixed = a.clone();
    mixed[place..place + lockbox(&b).len()].copy_from_slice(&lockbox(&b));
    fs::write(stage.path("mixed"), &mixed).unwrap();
    assert!(matches!(stage.open("mixed", Some("a-wrap")), Err(RingFileError::Locked(_))));
    // The ciphertext of one ring in the other's file.
    let tail = 200;
    let mixed = [&a[..a.len() - tail], &b[b.len() - tail..]].concat();
    fs::write(stage.path("mixed"), &mixed).unwrap();
    assert!(matches!(stage.open("mixed", Some("a-wrap")), Err(RingFileError::Tampered)));
    // Cut at lengths throughout, and every so many bytes changed; the wrapping key changed anywhere.
    for len in (0..a.len()).step_by(97) {
        fs::write(stage.path("mixed"), &a[..len]).unwrap();
        assert!(matches!(stage.read("mixed", Some("a-wrap")), Err(RingFileError::Decode { .. })), "cut to {len}");
    }
    for place in (0..a.len()).step_by(41) {
        let mut changed = a.clone();
        changed[place] ^= 1;
        fs::write(stage.path("mixed"), &changed).unwrap();
        assert!(stage.read("mixed", Some("a-wrap")).is_err(), "byte {place}");
    }
    let wrapping = fs::read(stage.path("a-wrap")).unwrap();
    for place in 0..wrapping.len() {
        let mut changed = wrapping.clone();
        changed[place] ^= 1;
        fs::write(stage.path("wrap"), &changed).unwrap();
        assert!(stage.read("a", Some("wrap")).is_err(), "byte {place}");
    }
    stage.open("a", Some("a-wrap")).unwrap();
}

#[test]
fn nothing_is_created_over_existing_files_or_without_doors() {
    let mut rng = SeededRng::from_u64(17);
    let stage = Stage::new();
    let create = |ring: &Path, wrapping: Option<&Path>, rng: &mut SeededRng| {
        let new = self::ring(OwnerRole::Patient, rng);
        RingFile::create(ring, new, &[stage.owner.public()], wrapping, rng)
    };
    fs::write(stage.path("taken"), b"somebody's").unwrap();
    assert_eq!(io_kind(create(&stage.path("taken"), None, &mut rng)), ErrorKind::AlreadyExists);
    assert_eq!(io_kind(create(&stage.path("r"), Some(&stage.path("taken")), &mut rng)), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(stage.path("taken")).unwrap(), b"somebody's");
    assert!(!stage.path("r").exists());
    let same = create(&stage.path("r"), Some(&stage.path("r")), &mut rng);
    assert!(matches!(same, Err(RingFileError::WrappingPath)));
    let none = RingFile::create(&stage.path("r"), ring(OwnerRole::Patient, &mut rng), &[], None, &mut rng);
    assert!(matches!(none, Err(RingFileError::Lock(_))));
    assert_eq!(io_kind(create(&stage.path("missing/r"), None, &mut rng)), ErrorKind::NotFound);
    assert_eq!(io_kind(create(&stage.path("r"), Some(&stage.path("missing/w")), &mut rng)), ErrorKind::NotFound);
    assert!(!stage.path("r").exists());
}

#[test]
fn an_unbound_ring_is_bound_later() {
    let mut rng = SeededRng::from_u64(18);
    let stage = Stage::new();
    let new = ring(OwnerRole::Provider, &mut rng);
    let mut file = RingFile::create(&stage.path("ring"), new, &[stage.owner.public()], None, &mut rng).unwrap();
    fs::write(stage.path("wrap"), b"").unwrap();
    assert_eq!(io_kind(file.bind(&stage.path("wrap"), &mut rng)), ErrorKind::AlreadyExists);
    fs::remove_file(stage.path("wrap")).unwrap();
    file.bind(&stage.path("wrap"), &mut rng).unwrap();
    assert!(matches!(file.bind(&stage.path("other"), &mut rng), Err(RingFileError::WrappingPath)));
    drop(file);
    assert!(matches!(stage.open("ring", None), Err(RingFileError::WrappingNeeded)));
    let mut file = stage.open("ring", Some("wrap")).unwrap();
    file.rotate(at(1), &mut rng).unwrap();
    assert_eq!(file.erase(1, "test", WhenActive::Refuse, at(1), &mut rng).unwrap().wrapping_generation(), Some(2));
    // A wrapping file for a ring that has none.
    let new = ring(OwnerRole::Provider, &mut rng);
    RingFile::create(&stage.path("free"), new, &[stage.owner.public()], None, &mut rng).unwrap();
    assert!(matches!(stage.open("free", Some("wrap")), Err(RingFileError::NotBound)));
}

#[test]
fn a_changed_lock_shuts_the_old_one_out() {
    let mut rng = SeededRng::from_u64(19);
    let stage = Stage::new();
    stage.bound("ring", "wrap", &mut rng);
    fs::copy(stage.path("ring"), stage.path("backup")).unwrap();
    let mut file = stage.open("ring", Some("wrap")).unwrap();
    file.change_lock(&[&stage.passphrase], &mut rng).unwrap();
    file.rotate(at(1), &mut rng).unwrap();
    drop(file);
    assert!(matches!(stage.open("ring", Some("wrap")), Err(RingFileError::Locked(_))));
    assert!(matches!(stage.open("backup", Some("wrap")), Err(RingFileError::OlderRing { .. })));
    let wrap = stage.path("wrap");
    let file = RingFile::open(&stage.path("ring"), &[&stage.passphrase], Some(&wrap)).unwrap();
    assert_eq!(file.ring().versions().len(), 2);
}

#[cfg(unix)]
#[test]
fn ring_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mut rng = SeededRng::from_u64(20);
    let stage = Stage::new();
    stage.bound("ring", "wrap", &mut rng);
    let mut file = stage.open("ring", Some("wrap")).unwrap();
    file.rotate(at(1), &mut rng).unwrap();
    file.erase(1, "test", WhenActive::Refuse, at(1), &mut rng).unwrap();
    for name in ["ring", "wrap", "ring.lock"] {
        let mode = fs::metadata(stage.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    let mut names: Vec<_> =
        fs::read_dir(stage.dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["ring", "ring.lock", "wrap"], "no temporary file stays");
}

/// The directory that the kernel lets nobody write, the superuser included.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let mut rng = SeededRng::from_u64(21);
    let stage = Stage::new();
    let new = ring(OwnerRole::Patient, &mut rng);
    let created = RingFile::create(Path::new("/proc/self/ring"), new, &[stage.owner.public()], None, &mut rng);
    assert!(matches!(created, Err(RingFileError::Io { .. })));
}
