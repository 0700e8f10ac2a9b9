//! Frozen bytes, round trips, truncations and changed bytes of every wire type, in the smallest ring.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::Wire;
use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_fhe::opening::{Epoch, MemoryStore, Opening, Request};
use mediveil_fhe::{Bounds, CiphertextError, EncodedCiphertext, Parameters, ceremony, testing};
use mediveil_rng::SeededRng;

fn smallest() -> Parameters {
    Parameters::insecure_for_tests(8, 20, 2).unwrap()
}

#[test]
fn parameters() {
    check_wire(&smallest(), include_str!("snapshots/parameters.hex"));
}

#[test]
fn keys_ciphertexts_and_epochs() {
    let mut rng = SeededRng::from_u64(1);
    // Four primes, so that there is room for an opening.
    let parameters = Parameters::insecure_for_tests(8, 20, 4).unwrap();
    let (key, members) = testing::committee(&parameters, 2, 2, &mut rng);
    let (member, identity) = &members[0];
    let same_bytes = |a: &_, b: &_| Wire::encode(a) == Wire::encode(b);
    check_wire_by(member, include_str!("snapshots/member_key.hex"), same_bytes);
    let ciphertext = key.encrypt(&[1, 2, 3], Bounds { min: 0, max: 9 }, &mut rng).unwrap();
    check_wire(&ciphertext.to_encoded(&key), include_str!("snapshots/ciphertext.hex"));
    let epoch = Epoch::new(&key, 7, &[2, 1]).unwrap();
    check_wire(&epoch, include_str!("snapshots/epoch.hex"));
    let request = Request::new(&key, &epoch, [3; 32], vec![ciphertext], Opening::SlotSum).unwrap();
    check_wire(&request.record().unwrap(), include_str!("snapshots/opening.hex"));
    let part = member.decrypt(&request, identity, |n| Ok(vec![0; n]), &mut MemoryStore::new(), &mut rng).unwrap();
    check_wire(&part, include_str!("snapshots/partial_decryption.hex"));
}

/// Keys rebuild their ring when decoded, so not every byte of them is changed here: its head and a sample are.
#[test]
fn committee_key() {
    let (key, _) =
        testing::committee(&Parameters::insecure_for_tests(8, 20, 3).unwrap(), 2, 2, &mut SeededRng::from_u64(2));
    let bytes = key.encode();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let frozen = include_str!("snapshots/committee_key.hex");
    assert!(hex == frozen.trim(), "the frozen encoding changed; it is now\n{hex}");
    let back = mediveil_fhe::CommitteeKey::decode(&bytes).unwrap();
    assert_eq!(back, key);
    assert_eq!(back.id(), key.id());
    for len in (0..bytes.len()).step_by(97) {
        assert!(mediveil_fhe::CommitteeKey::decode(&bytes[..len]).is_err());
    }
    let mut changed = bytes.clone();
    for at in (0..bytes.len()).step_by(61) {
        changed[at] ^= 0x81;
        if let Ok(other) = mediveil_fhe::CommitteeKey::decode(&changed) {
            assert_eq!(other.encode(), changed);
            assert_ne!(other.id(), key.id());
        }
        changed[at] ^= 0x81;
    }
}

#[test]
fn ceremony_message() {
    let mut rng = SeededRng::from_u64(3);
    let identities = testing::identities(2, &mut rng);
    // The smallest set whose fresh ciphertexts can be opened.
    let parameters = Parameters::insecure_for_tests(8, 20, 3).unwrap();
    let terms = testing::terms(&parameters, 2, &identities);
    let (_, message) = ceremony::begin(&terms, &identities[0], &mut rng).unwrap();
    check_wire(&message, include_str!("snapshots/ceremony_message.hex"));
}

/// Three parts, one part, residues out of range, another ring: refused, each where it can be known.
#[test]
fn ciphertexts_of_another_shape_are_refused() {
    let mut rng = SeededRng::from_u64(4);
    let (key, _) = testing::committee(&Parameters::insecure_for_tests(8, 20, 3).unwrap(), 2, 2, &mut rng);
    let bytes = key.encrypt(&[1], Bounds::FLAG, &mut rng).unwrap().to_encoded(&key).encode();
    // Each part: 8 coefficients of 62 bits modulo 3 primes, and a head of two bytes.
    let part = 8 * 62 / 8 * 3 + 2;
    let list_at = bytes.len() - 2 * part - 1;
    assert_eq!(bytes[list_at], 0x82);
    let resized = |count: u8, end: usize, more: &[u8]| {
        let mut out = bytes[..end].to_vec();
        out[list_at] = 0x80 | count;
        out.extend_from_slice(more);
        let body = u32::try_from(out.len() - 12).unwrap();
        out[8..12].copy_from_slice(&body.to_be_bytes());
        out
    };
    let three = resized(3, bytes.len(), &bytes[bytes.len() - part..]);
    let one = resized(1, bytes.len() - part, &[]);
    for wrong in [three, one] {
        let error = EncodedCiphertext::decode(&wrong).unwrap_err();
        assert!(error.to_string().contains("a ciphertext has two parts"), "{error}");
    }
    assert_eq!(resized(2, bytes.len(), &[]), bytes, "the test cuts where it means to");
    let mut too_large = bytes.clone();
    let last = too_large.len();
    too_large[last - 8..].fill(0xff);
    let too_large = EncodedCiphertext::decode(&too_large).unwrap();
    assert_eq!(key.load(&too_large).unwrap_err(), CiphertextError::Ring);
}
