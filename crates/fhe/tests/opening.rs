//! Opening: once, by the quorum, of what was asked and nothing beside it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::Wire;
use mediveil_fhe::opening::{
    BoxError, DirectoryStore, Epoch, MemoryStore, OpenError, Opening, OpeningRecord, PartialDecryption, PartialStore,
    Request, combine,
};
use mediveil_fhe::{Bounds, Ciphertext, CommitteeKey, Evaluator, MemberKey, Need, Parameters, testing};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::Identity;
use std::sync::LazyLock;

struct Committee {
    key: CommitteeKey,
    members: Vec<(MemberKey, Identity)>,
}

/// Three of five, 64 slots.
static COMMITTEE: LazyLock<Committee> = LazyLock::new(|| {
    let parameters = Parameters::insecure_for_tests(64, 40, 6).unwrap();
    let (key, members) = testing::committee(&parameters, 5, 3, &mut SeededRng::from_u64(1));
    Committee { key, members }
});

const WIDE: Bounds = Bounds { min: -1_000_000, max: 1_000_000 };

impl Committee {
    fn encrypt(&self, values: &[i64], seed: u64) -> Ciphertext {
        self.key.encrypt(values, WIDE, &mut SeededRng::from_u64(seed)).unwrap()
    }

    fn request(&self, number: u64, quorum: &[u32], purpose: u8, of: &[&Ciphertext], opening: Opening) -> Request {
        let epoch = Epoch::new(&self.key, number, quorum).unwrap();
        Request::new(&self.key, &epoch, [purpose; 32], of.iter().map(|c| (*c).clone()).collect(), opening).unwrap()
    }

    fn part(&self, member: usize, request: &Request, noise: i64, seed: u64) -> PartialDecryption {
        self.part_in(member, request, noise, seed, &mut MemoryStore::new()).unwrap()
    }

    fn part_in(
        &self,
        member: usize,
        request: &Request,
        noise: i64,
        seed: u64,
        store: &mut dyn PartialStore,
    ) -> Result<PartialDecryption, OpenError> {
        let (share, identity) = &self.members[member - 1];
        share.decrypt(request, identity, |n| Ok(vec![noise; n]), store, &mut SeededRng::from_u64(seed))
    }

    fn parts(&self, request: &Request, noise: i64) -> Vec<PartialDecryption> {
        request.epoch().quorum().iter().map(|m| self.part(*m as usize, request, noise, u64::from(*m))).collect()
    }
}

#[test]
fn every_quorum_opens_the_same_number() {
    let c = &*COMMITTEE;
    let block = c.encrypt(&[5, -7, 100], 2);
    for quorum in [[1, 2, 3], [3, 4, 5], [1, 3, 5], [2, 4, 5]] {
        let request = c.request(1, &quorum, 1, &[&block], Opening::SlotSum);
        assert_eq!(combine(&request, &c.parts(&request, 0)).unwrap(), [98]);
    }
}

/// Each member's integers arrive whole in the released numbers: in a slot sum, where they are counted in units of n^-1, and
/// in chosen slots.
#[test]
fn noise_is_added_in_units_of_what_is_released() {
    let c = &*COMMITTEE;
    let blocks = [c.encrypt(&[1000], 3), c.encrypt(&[2000, 3], 4)];
    let request = c.request(1, &[1, 2, 5], 1, &[&blocks[0], &blocks[1]], Opening::SlotSum);
    let mut parts = Vec::new();
    for (member, noise) in [(1, [1, -4]), (2, [-30, 50]), (5, [700, 0])] {
        let (share, identity) = &c.members[member - 1];
        let mut rng = SeededRng::from_u64(9);
        parts.push(
            share.decrypt(&request, identity, |_| Ok(noise.to_vec()), &mut MemoryStore::new(), &mut rng).unwrap(),
        );
    }
    assert_eq!(combine(&request, &parts).unwrap(), [1000 + 1 - 30 + 700, 2003 - 4 + 50]);
    let request = c.request(1, &[1, 2, 5], 1, &[&blocks[1]], Opening::Slots(vec![0, 1, 63]));
    assert_eq!(combine(&request, &c.parts(&request, -2)).unwrap(), [1994, -3, -6]);
    let request = c.request(1, &[1, 2, 5], 1, &[&blocks[1]], Opening::Slots((0..64).collect()));
    assert_eq!(combine(&request, &c.parts(&request, 1)).unwrap()[..3], [2003, 6, 3]);
}

/// Fewer than needed members: no request, no combination, and below both, the sum of their parts is not a plaintext.
#[test]
fn two_of_three_needed_members_fail() {
    let c = &*COMMITTEE;
    assert!(matches!(Epoch::new(&c.key, 1, &[1, 2]), Err(OpenError::Request(_))));
    for quorum in [&[1, 2, 2][..], &[1, 2, 6], &[0, 1, 2], &[1, 2, 3, 4]] {
        assert!(Epoch::new(&c.key, 1, quorum).is_err());
    }
    let block = c.encrypt(&[5], 5);
    let request = c.request(1, &[1, 2, 3], 1, &[&block], Opening::SlotSum);
    let parts = c.parts(&request, 0);
    let Err(OpenError::Missing { members }) = combine(&request, &parts[..2]) else { panic!("two parts opened it") };
    assert_eq!(members, [3]);
    // A third, who is not in the quorum, cannot stand in: not by its own call, not with a part of another request.
    assert!(matches!(c.part_in(4, &request, 0, 1, &mut MemoryStore::new()), Err(OpenError::NotInQuorum)));
    let theirs = c.request(2, &[1, 2, 4], 1, &[&block], Opening::SlotSum);
    let four = c.part(4, &theirs, 0, 1);
    let mixed = [parts[0].clone(), parts[1].clone(), four];
    assert!(matches!(combine(&request, &mixed), Err(OpenError::Part { member: 4 })));
    // A member with another member's identity, or another's share.
    let swapped = c.members[0].0.decrypt(
        &request,
        &c.members[1].1,
        |n| Ok(vec![0; n]),
        &mut MemoryStore::new(),
        &mut SeededRng::from_u64(1),
    );
    assert!(matches!(swapped, Err(OpenError::NotInQuorum)));
}

/// The same request again, with another generator and other noise, in another process: the same bytes, and no noise drawn.
#[test]
fn a_retried_decryption_is_replayed_byte_for_byte() {
    let c = &*COMMITTEE;
    let block = c.encrypt(&[5], 6);
    let directory = tempfile::tempdir().unwrap();
    let request = || c.request(1, &[1, 2, 3], 1, &[&block], Opening::SlotSum);
    let first = c.part_in(1, &request(), 3, 1, &mut DirectoryStore::open(directory.path()).unwrap()).unwrap();
    let (share, identity) = &c.members[0];
    let never = |_: usize| -> Result<Vec<i64>, BoxError> { panic!("noise was drawn a second time") };
    let mut reopened = DirectoryStore::open(directory.path()).unwrap();
    let again = share.decrypt(&request(), identity, never, &mut reopened, &mut SeededRng::from_u64(2)).unwrap();
    assert_eq!(first.encode(), again.encode());
    // In a store that does not know it, the part would have been another one: the store is what makes them equal.
    assert_ne!(c.part(1, &request(), 3, 2).encode(), first.encode());
}

/// What was opened is spent: under another quorum, epoch, purpose or opening, alone or beside others.
#[test]
fn nothing_is_opened_twice() {
    let c = &*COMMITTEE;
    let (block, other) = (c.encrypt(&[5], 7), c.encrypt(&[6], 8));
    for store in [
        &mut MemoryStore::new() as &mut dyn PartialStore,
        &mut DirectoryStore::open(tempfile::tempdir().unwrap().path()).unwrap(),
    ] {
        c.part_in(1, &c.request(1, &[1, 2, 3], 1, &[&block], Opening::SlotSum), 0, 1, store).unwrap();
        let spent = |request: Request, store: &mut dyn PartialStore| match c.part_in(1, &request, 0, 2, store) {
            Err(OpenError::Spent(what)) => what,
            answer => panic!("{answer:?}"),
        };
        // A new quorum is a new epoch, and reopens nothing.
        assert_eq!(spent(c.request(1, &[1, 2, 4], 2, &[&other], Opening::SlotSum), store), "the number of the epoch");
        assert_eq!(spent(c.request(2, &[1, 2, 4], 2, &[&block], Opening::SlotSum), store), "a ciphertext");
        assert_eq!(spent(c.request(1, &[1, 2, 3], 3, &[&block], Opening::Slots(vec![0])), store), "a ciphertext");
        assert_eq!(spent(c.request(1, &[1, 2, 3], 4, &[&other, &block], Opening::SlotSum), store), "a ciphertext");
        // A permit is used once.
        assert_eq!(spent(c.request(1, &[1, 2, 3], 1, &[&other], Opening::SlotSum), store), "the purpose");
    }
}

/// A ciphertext beside a spent one is claimed by the refused request, and no other request gets it.
#[test]
fn a_cut_between_claim_and_record_sends_nothing_twice() {
    let c = &*COMMITTEE;
    let block = c.encrypt(&[5], 9);
    let request = c.request(1, &[1, 2, 3], 1, &[&block], Opening::SlotSum);
    /// Fails to save once, as at a full disk.
    struct Cut(MemoryStore, bool);
    impl PartialStore for Cut {
        fn claim(&mut self, name: &[u8; 32], owner: &[u8; 32]) -> std::io::Result<[u8; 32]> {
            self.0.claim(name, owner)
        }
        fn load(&self, request: &[u8; 32]) -> std::io::Result<Option<Vec<u8>>> {
            self.0.load(request)
        }
        fn save(&mut self, request: &[u8; 32], record: &[u8]) -> std::io::Result<Vec<u8>> {
            if std::mem::replace(&mut self.1, false) {
                return Err(std::io::Error::other("cut"));
            }
            self.0.save(request, record)
        }
    }
    let mut store = Cut(MemoryStore::new(), true);
    assert!(matches!(c.part_in(1, &request, 0, 1, &mut store), Err(OpenError::Store(_))));
    // Nothing was sent, but the ciphertext belongs to that request from now on.
    let another = c.request(1, &[1, 2, 3], 2, &[&block], Opening::SlotSum);
    assert!(matches!(c.part_in(1, &another, 0, 2, &mut store), Err(OpenError::Spent(_))));
    let part = c.part_in(1, &request, 0, 3, &mut store).unwrap();
    assert_eq!(c.part_in(1, &request, 0, 4, &mut store).unwrap(), part);
}

/// Two processes race: one record is kept, both send it.
#[test]
fn the_first_record_wins() {
    let directory = tempfile::tempdir().unwrap();
    let (mut a, mut b) =
        (DirectoryStore::open(directory.path()).unwrap(), DirectoryStore::open(directory.path()).unwrap());
    assert_eq!(a.claim(&[1; 32], &[2; 32]).unwrap(), [2; 32]);
    assert_eq!(b.claim(&[1; 32], &[3; 32]).unwrap(), [2; 32]);
    assert_eq!(b.load(&[4; 32]).unwrap(), None);
    assert_eq!(a.save(&[4; 32], b"first").unwrap(), b"first");
    assert_eq!(b.save(&[4; 32], b"second").unwrap(), b"first");
    assert_eq!(b.load(&[4; 32]).unwrap().unwrap(), b"first");
}

/// A damaged record is not sent and not replaced.
#[test]
fn a_damaged_record_burns_the_request() {
    let c = &*COMMITTEE;
    let request = c.request(1, &[1, 2, 3], 1, &[&c.encrypt(&[5], 10)], Opening::SlotSum);
    let mut store = MemoryStore::new();
    store.save(request.digest(), b"not a part").unwrap();
    assert!(matches!(c.part_in(1, &request, 0, 1, &mut store), Err(OpenError::Damaged)));
    // Another member's part under this member's name.
    let mut store = MemoryStore::new();
    store.save(request.digest(), &c.part(2, &request, 0, 1).encode()).unwrap();
    assert!(matches!(c.part_in(1, &request, 0, 1, &mut store), Err(OpenError::Damaged)));
}

/// Wrong shares add up to garbage, which the residual noise shows.
#[test]
fn garbage_is_caught_by_the_residual_noise() {
    let c = &*COMMITTEE;
    let block = c.encrypt(&[5], 11);
    let request = c.request(1, &[1, 2, 3], 1, &[&block], Opening::SlotSum);
    // A member whose share is not the one its colleagues' dealings made.
    let mut bytes = c.members[0].0.encode();
    let last = bytes.len() - 1;
    bytes[last - 40] ^= 1;
    let wrong = MemberKey::decode(&bytes).unwrap();
    let mut parts = c.parts(&request, 0);
    let mut rng = SeededRng::from_u64(1);
    parts[0] = wrong.decrypt(&request, &c.members[0].1, |n| Ok(vec![0; n]), &mut MemoryStore::new(), &mut rng).unwrap();
    assert!(matches!(combine(&request, &parts), Err(OpenError::Garbage)));
}

#[test]
fn parts_are_bound_to_member_and_request() {
    let c = &*COMMITTEE;
    let block = c.encrypt(&[5], 12);
    let request = c.request(1, &[1, 2, 3], 1, &[&block], Opening::SlotSum);
    let parts = c.parts(&request, 0);
    // Changed in transit.
    let mut bytes = parts[1].encode();
    let at = bytes.len() - 80;
    bytes[at] ^= 1;
    let changed = PartialDecryption::decode(&bytes).unwrap();
    let forged = [parts[0].clone(), changed, parts[2].clone()];
    assert!(matches!(combine(&request, &forged), Err(OpenError::Part { member: 2 })));
    // Twice the same member.
    let twice = [parts[0].clone(), parts[0].clone(), parts[2].clone()];
    assert!(matches!(combine(&request, &twice), Err(OpenError::Part { member: 1 })));
    // For another purpose.
    let other = c.request(1, &[1, 2, 3], 2, &[&block], Opening::SlotSum);
    assert!(matches!(combine(&other, &parts), Err(OpenError::Part { .. })));
}

/// The part of a slot sum is one residue a prime, whatever else is in the ciphertext: partial sums are in no message.
#[test]
fn slots_beside_the_opened_number_are_in_no_message() {
    let c = &*COMMITTEE;
    let values: Vec<i64> = (0..64).collect();
    let block = c.encrypt(&values, 13);
    let request = c.request(1, &[1, 2, 3], 1, &[&block], Opening::SlotSum);
    let part = c.part(1, &request, 0, 1).encode();
    let primes = c.key.parameters().moduli().len();
    // Frame, heads, digest, member, signature, and 8 bytes a prime.
    assert!(part.len() < 12 + 34 + 2 + 66 + 6 + 8 * primes, "{} bytes", part.len());
}

/// Without any ciphertext: the record, through its bytes, and the parts give the same numbers; a record of other constants,
/// another purpose or another quorum is not what the members signed.
#[test]
fn a_record_adds_up_without_the_ciphertexts() {
    let c = &*COMMITTEE;
    let blocks = [c.encrypt(&[1000, 5], 30), c.encrypt(&[-77], 31)];
    let request = c.request(4, &[1, 2, 5], 9, &[&blocks[0], &blocks[1]], Opening::SlotSum);
    let parts = c.parts(&request, 2);
    let record = OpeningRecord::decode(&request.record().unwrap().encode()).unwrap();
    assert_eq!(record.digest(), *request.digest());
    assert_eq!((record.epoch(), record.purpose()), (request.epoch(), &[9; 32]));
    assert_eq!(record.combine(&c.key, &parts).unwrap(), [1005 + 6, -77 + 6]);
    assert_eq!(combine(&request, &parts).unwrap(), [1011, -71]);
    assert!(matches!(record.combine(&c.key, &parts[1..]), Err(OpenError::Missing { .. })));
    for other in [
        c.request(4, &[1, 2, 5], 8, &[&blocks[0], &blocks[1]], Opening::SlotSum),
        c.request(4, &[1, 2, 4], 9, &[&blocks[0], &blocks[1]], Opening::SlotSum),
        c.request(4, &[1, 2, 5], 9, &[&blocks[1], &blocks[0]], Opening::SlotSum),
    ] {
        let refused = other.record().unwrap().combine(&c.key, &parts);
        assert!(matches!(refused, Err(OpenError::Part { .. })));
    }
    // One constant moved by one plaintext unit: the members did not sign that.
    let mut bytes = record.encode();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let moved = OpeningRecord::decode(&bytes).unwrap();
    assert!(matches!(moved.combine(&c.key, &parts), Err(OpenError::Part { .. })));
    let slots = c.request(4, &[1, 2, 5], 9, &[&blocks[0]], Opening::Slots(vec![0]));
    assert_eq!(slots.record(), None);
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let c = &*COMMITTEE;
    let block = c.encrypt(&[5], 15);
    let epoch = Epoch::new(&c.key, 1, &[1, 2, 3]).unwrap();
    let request = |of: Vec<Ciphertext>, opening| Request::new(&c.key, &epoch, [1; 32], of, opening);
    assert!(matches!(request(vec![], Opening::SlotSum), Err(OpenError::Request(_))));
    assert!(matches!(request(vec![block.clone(), block.clone()], Opening::SlotSum), Err(OpenError::Request(_))));
    for slots in [vec![], vec![1, 1], vec![2, 1], vec![64]] {
        assert!(matches!(request(vec![block.clone()], Opening::Slots(slots)), Err(OpenError::Request(_))));
    }
    // Another key's epoch or ciphertext.
    let mut rng = SeededRng::from_u64(16);
    let (other, _) = testing::committee(c.key.parameters(), 4, 3, &mut rng);
    let theirs = Epoch::new(&other, 1, &[1, 2, 3]).unwrap();
    assert!(matches!(
        Request::new(&c.key, &theirs, [1; 32], vec![block], Opening::SlotSum),
        Err(OpenError::Request(_))
    ));
    let foreign = other.encrypt(&[1], Bounds::FLAG, &mut rng).unwrap();
    assert!(matches!(request(vec![foreign], Opening::SlotSum), Err(OpenError::Ciphertext(_))));
    // Too much noise: refused before anything is computed.
    let server = Evaluator::new(&c.key).unwrap();
    let mut noisy = c.encrypt(&[2], 17);
    while c.key.noise().opening(noisy.noise(), 1, 3, 64).is_ok() {
        noisy = server.multiply(&noisy, &noisy).unwrap();
    }
    assert!(matches!(request(vec![noisy], Opening::SlotSum), Err(OpenError::Budget(_))));
}

#[test]
fn noise_of_another_length_or_size_is_refused() {
    let c = &*COMMITTEE;
    let limit = i64::try_from(c.key.parameters().max_abs()).unwrap();
    for noise in [vec![], vec![0, 0], vec![limit + 1], vec![i64::MIN]] {
        let request = c.request(1, &[1, 2, 3], 1, &[&c.encrypt(&[5], 18)], Opening::SlotSum);
        let (share, identity) = &c.members[0];
        let mut rng = SeededRng::from_u64(1);
        let refused = share.decrypt(&request, identity, |_| Ok(noise.clone()), &mut MemoryStore::new(), &mut rng);
        assert!(matches!(refused, Err(OpenError::Noise { expected: 1 })));
    }
}

/// A source of noise that fails sends nothing, and leaves the ciphertext to the same request only.
#[test]
fn a_failing_source_of_noise_sends_nothing() {
    let c = &*COMMITTEE;
    let block = c.encrypt(&[5], 19);
    let request = c.request(1, &[1, 2, 3], 1, &[&block], Opening::SlotSum);
    let (share, identity) = &c.members[0];
    let (mut store, mut rng) = (MemoryStore::new(), SeededRng::from_u64(1));
    let failed = share.decrypt(&request, identity, |_| Err("no entropy".into()), &mut store, &mut rng);
    assert!(matches!(failed, Err(OpenError::NoiseSource(_))));
    assert_eq!(store.load(request.digest()).unwrap(), None);
    let other = c.request(1, &[1, 2, 3], 2, &[&block], Opening::SlotSum);
    assert!(matches!(c.part_in(1, &other, 0, 1, &mut store), Err(OpenError::Spent(_))));
    assert!(c.part_in(1, &request, 0, 1, &mut store).is_ok());
}

/// The real ring for sums, end to end: ceremony, two blocks, one number.
#[test]
fn the_real_ring_works_end_to_end() {
    let mut rng = SeededRng::from_u64(20);
    let parameters = Parameters::for_need(&Need::sums(20_000, 1 << 30, 2, 2)).unwrap();
    let (key, members) = testing::committee(&parameters, 2, 2, &mut rng);
    let bounds = Bounds { min: 0, max: 100_000 };
    let values: Vec<Option<i64>> = (0..8192).map(|i| (i % 10 != 0).then_some(i * 10)).collect();
    let (first, second) = (
        key.encrypt_block(&values, bounds, &mut rng).unwrap(),
        key.encrypt_block(&values[..100], bounds, &mut rng).unwrap(),
    );
    let server = Evaluator::new(&key).unwrap();
    let sum = server.add(&first.values, &second.values).unwrap();
    let count = server.add(&first.validity, &second.validity).unwrap();
    let epoch = Epoch::new(&key, 1, &[1, 2]).unwrap();
    let request = Request::new(&key, &epoch, [1; 32], vec![sum, count], Opening::SlotSum).unwrap();
    let parts: Vec<_> = members
        .iter()
        .map(|(m, id)| m.decrypt(&request, id, |n| Ok(vec![0; n]), &mut MemoryStore::new(), &mut rng).unwrap())
        .collect();
    let total = |rows: &[Option<i64>]| rows.iter().flatten().sum::<i64>();
    let count = |rows: &[Option<i64>]| i64::try_from(rows.iter().flatten().count()).unwrap();
    let expected = [total(&values) + total(&values[..100]), count(&values) + count(&values[..100])];
    assert_eq!(combine(&request, &parts).unwrap(), expected);
}
