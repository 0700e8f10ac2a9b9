//! What a log gives away: entries, heads, proofs and evidence, against a log of eleven notes.

use crate::wire::canonical;
use mediveil_codec::{Timestamp, Wire};
use mediveil_ledger::{
    Actor, Checkpoint, ConsistencyProof, Entry, Event, Evidence, Hash, Head, InclusionProof, Log, Record, SignedHead,
    fhir,
};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{SigningKey, VerifyingKey};
use std::fmt::Debug;
use std::sync::OnceLock;

pub(crate) fn must<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|e| panic!("{e:?}"))
}

pub(crate) const EPOCH: Timestamp = match Timestamp::from_seconds(1_800_000_000) {
    Some(time) => time,
    None => Timestamp::MAX,
};

/// How many notes the log has.
const SIZE: u64 = 11;

/// A log's entries, two of its heads, and a proof of each kind.
#[derive(Debug)]
pub struct LogWorld {
    operator: VerifyingKey,
    entries: Vec<Vec<u8>>,
    heads: Vec<Head>,
    /// Another history of the same length.
    forged: Head,
    /// The encoded seeds: entry, head, inclusion proof, consistency proof, evidence.
    pub seeds: Vec<Vec<u8>>,
}

/// A note.
pub(crate) fn note(text: String) -> Entry {
    Entry::new(EPOCH, Actor::SYSTEM, Event::Note { text })
}

impl LogWorld {
    /// The one of this process, always the same.
    ///
    /// # Panics
    /// Never, unless the log is broken.
    pub fn get() -> &'static Self {
        static WORLD: OnceLock<LogWorld> = OnceLock::new();
        WORLD.get_or_init(|| {
            let directory = must(tempfile::tempdir());
            let log = must(Log::create(directory.path().join("log"), &mut SeededRng::from_u64(6)));
            let key = SigningKey::generate(&mut SeededRng::from_u64(7));
            let notes: Vec<_> = (0..SIZE).map(|i| note(i.to_string())).collect();
            must(log.append_all(notes.get(..6).unwrap_or_default()));
            let first = must(log.head(EPOCH, &key));
            must(log.append_all(notes.get(6..).unwrap_or_default()));
            let second = must(log.head(EPOCH, &key));
            let (inclusion, consistency) = (must(log.inclusion(4, SIZE)), must(log.consistency(6, SIZE)));
            let evidence = must(log.evidence(4, &second));
            let entries: Vec<_> = notes.iter().map(Wire::encode).collect();
            let heads = [&first, &second].map(|h| must(h.verify(&key.verifying_key()))).to_vec();
            let other = Checkpoint {
                root: Hash::leaf(b"another history"),
                ..*must(second.verify(&key.verifying_key())).checkpoint()
            };
            let forged = must(other.sign(EPOCH, &key).verify(&key.verifying_key()));
            let seeds = vec![
                entries.first().cloned().unwrap_or_default(),
                second.encode(),
                inclusion.encode(),
                consistency.encode(),
                evidence.encode(),
            ];
            Self { operator: key.verifying_key(), entries, heads, forged, seeds }
        })
    }
}

/// Any bytes are refused or are the one encoding of a value; and nothing verifies that the log does not say.
pub fn ledger(data: &[u8]) {
    let world = LogWorld::get();
    canonical::<Entry>(data);
    canonical::<SignedHead>(data);
    canonical::<InclusionProof>(data);
    canonical::<ConsistencyProof>(data);
    canonical::<Evidence>(data);
    let said = |head: &Head| world.heads.contains(head);
    if let Ok(head) = SignedHead::decode(data)
        && let Ok(head) = head.verify(&world.operator)
    {
        assert!(said(&head), "a head verifies that was never signed");
    }
    let Some(last) = world.heads.last() else { return };
    if let Ok(proof) = InclusionProof::decode(data) {
        for (index, entry) in (0..).zip(&world.entries) {
            assert!(proof.verify(entry, last).is_err() || proof.index() == index, "an entry in another place");
        }
        assert!(proof.verify(b"never written", last).is_err(), "an entry that is not there");
    }
    if let Ok(proof) = ConsistencyProof::decode(data) {
        for old in &world.heads {
            assert!(proof.verify(old, &world.forged).is_err(), "a rewritten log is consistent");
        }
    }
    if let Ok(evidence) = Evidence::decode(data)
        && let Ok((index, entry, head)) = evidence.verify(&world.operator)
    {
        let place = usize::try_from(index).ok().and_then(|i| world.entries.get(i));
        assert!(said(&head) && place.is_some_and(|e| e == entry), "evidence of what was never written");
    }
    // The audit export takes every entry.
    if Entry::decode(data).is_ok() {
        let record = Record { index: 0, bytes: data.to_vec() };
        let device = || fhir::Device { name: "fuzz".into(), address: "192.0.2.1".into() };
        let (namespace, organization) = ("https://example.org".into(), "fuzz".into());
        let site = fhir::Site { namespace, organization, client: device(), server: device() };
        assert!(site.resources(last.log(), &record).is_ok_and(|r| !r.is_empty()), "an entry without a resource");
    }
}
