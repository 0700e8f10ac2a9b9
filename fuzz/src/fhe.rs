//! Encrypted columns: keys, shares and ciphertexts of the smallest ring, decoded and loaded.

use crate::ledger::must;
use crate::wire::canonical;
use mediveil_codec::Wire;
use mediveil_fhe::ceremony::CeremonyMessage;
use mediveil_fhe::opening::{Epoch, MemoryStore, Opening, PartialDecryption, Request, combine};
use mediveil_fhe::{Bounds, CommitteeKey, EncodedCiphertext, MemberKey, Parameters, testing};
use mediveil_rng::SeededRng;
use std::sync::OnceLock;

/// A committee of two, both of whom are needed.
struct World {
    key: CommitteeKey,
    request: Request,
    parts: Vec<PartialDecryption>,
    answer: Vec<i64>,
    seeds: Vec<Vec<u8>>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut rng = SeededRng::from_u64(10);
        let parameters = must(Parameters::insecure_for_tests(8, 20, 4));
        let (key, members) = testing::committee(&parameters, 2, 2, &mut rng);
        let ciphertext = must(key.encrypt(&[1, 2, 3], Bounds { min: 0, max: 9 }, &mut rng));
        let encoded = ciphertext.to_encoded(&key).encode();
        let epoch = must(Epoch::new(&key, 7, &[1, 2]));
        let request = must(Request::new(&key, &epoch, [3; 32], vec![ciphertext], Opening::SlotSum));
        let parts: Vec<_> = members
            .iter()
            .map(|(member, identity)| {
                must(member.decrypt(&request, identity, |n| Ok(vec![0; n]), &mut MemoryStore::new(), &mut rng))
            })
            .collect();
        let answer = must(combine(&request, &parts));
        let member = members.first().map(|(member, _)| member.encode()).unwrap_or_default();
        let part = parts.first().map(Wire::encode).unwrap_or_default();
        let seeds = vec![encoded, epoch.encode(), part, member, parameters.encode()];
        World { key, request, parts, answer, seeds }
    })
}

/// Valid objects: ciphertext, epoch, partial decryption, member's key, parameters.
#[must_use]
pub fn fhe_seeds() -> Vec<Vec<u8>> {
    world().seeds.clone()
}

/// Any bytes are refused or are the one encoding of a value; what decodes loads or is refused; and a changed share is not
/// combined into another answer.
pub fn fhe(data: &[u8]) {
    let world = world();
    canonical::<Parameters>(data);
    canonical::<CommitteeKey>(data);
    canonical::<MemberKey>(data);
    canonical::<CeremonyMessage>(data);
    canonical::<Epoch>(data);
    canonical::<PartialDecryption>(data);
    if let Ok(encoded) = EncodedCiphertext::decode(data) {
        assert!(encoded.encode() == data, "a ciphertext has two encodings");
        if let Ok(loaded) = world.key.load(&encoded) {
            // A bound on its noise that is too good to be true is raised, and then it stays.
            let again = loaded.to_encoded(&world.key);
            let twice = must(world.key.load(&again)).to_encoded(&world.key);
            assert!(again.encode() == twice.encode(), "a ciphertext is loaded as another");
        }
    }
    if let Ok(part) = PartialDecryption::decode(data) {
        let mut parts = world.parts.clone();
        if let Some(first) = parts.first_mut() {
            *first = part;
        }
        if let Ok(answer) = combine(&world.request, &parts) {
            assert_eq!(answer, world.answer, "a changed share gives another answer");
        }
    }
}
