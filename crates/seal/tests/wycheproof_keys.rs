//! Project Wycheproof's ECDSA and ECDH cases for P-256, through this crate's own key types.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_seal::identity::{EcdhKey, EcdhPublicKey, Signature, VerifyingKey};
use wycheproof::{TestResult, ecdh, ecdsa};

fn ecdsa_cases(name: ecdsa::TestName, parse: impl Fn(&[u8]) -> Option<Signature>) -> (usize, usize) {
    let set = ecdsa::TestSet::load(name).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for group in set.test_groups {
        // The same key in three forms.
        let key = VerifyingKey::from_sec1(&group.key.key).unwrap();
        assert_eq!(VerifyingKey::from_spki_der(&group.der).unwrap(), key);
        assert_eq!(VerifyingKey::from_spki_pem(&group.pem).unwrap(), key);
        for case in group.tests {
            let good = parse(&case.sig).is_some_and(|s| key.verify_fips(&case.msg, &s).is_ok());
            match case.result {
                TestResult::Valid => assert!(good, "{name:?} case {}: {}", case.tc_id, case.comment),
                TestResult::Invalid => assert!(!good, "{name:?} case {}: {}", case.tc_id, case.comment),
                TestResult::Acceptable => {}
            }
            if good { accepted += 1 } else { refused += 1 }
        }
    }
    (accepted, refused)
}

#[test]
fn ecdsa_p256_sha256_der() {
    let (accepted, refused) = ecdsa_cases(ecdsa::TestName::EcdsaSecp256r1Sha256, |sig| Signature::from_der(sig).ok());
    assert!(accepted + refused >= 480, "only {} cases ran", accepted + refused);
    assert!(accepted >= 170 && refused >= 300, "{accepted} accepted, {refused} refused");
}

#[test]
fn ecdsa_p256_sha256_p1363() {
    let (accepted, refused) =
        ecdsa_cases(ecdsa::TestName::EcdsaSecp256r1Sha256P1363, |sig| Signature::from_bytes(sig.try_into().ok()?).ok());
    assert!(accepted + refused >= 260, "only {} cases ran", accepted + refused);
    assert!(accepted >= 100 && refused >= 60, "{accepted} accepted, {refused} refused");
}

/// Private keys of the cases are integers of any length.
fn secret(bytes: &[u8]) -> EcdhKey {
    let significant: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    let mut scalar = [0; 32];
    scalar[32 - significant.len()..].copy_from_slice(&significant);
    EcdhKey::from_bytes(&scalar).unwrap()
}

fn ecdh_cases(name: ecdh::TestName, parse: impl Fn(&[u8]) -> Option<EcdhPublicKey>) -> (usize, usize) {
    let set = ecdh::TestSet::load(name).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    for group in set.test_groups {
        for case in group.tests {
            let shared = parse(&case.public_key).map(|peer| secret(&case.private_key).agree(&peer));
            let right = shared.as_ref().is_some_and(|s| s[..] == case.shared_secret[..]);
            match case.result {
                TestResult::Valid => assert!(right, "{name:?} case {}: {}", case.tc_id, case.comment),
                TestResult::Invalid => assert!(shared.is_none(), "{name:?} case {}: {}", case.tc_id, case.comment),
                // Compressed points and unusual ASN.1: refused or right, never wrong.
                TestResult::Acceptable => {
                    assert!(shared.is_none() || right, "{name:?} case {}: {}", case.tc_id, case.comment);
                }
            }
            if right { agreed += 1 } else { refused += 1 }
        }
    }
    (agreed, refused)
}

#[test]
fn ecdh_p256_spki() {
    let (agreed, refused) = ecdh_cases(ecdh::TestName::EcdhSecp256r1, |der| EcdhPublicKey::from_spki_der(der).ok());
    assert!(agreed + refused >= 612, "only {} cases ran", agreed + refused);
    assert!(agreed >= 330 && refused >= 200, "{agreed} agreed, {refused} refused");
}

#[test]
fn ecdh_p256_ecpoint() {
    let (agreed, refused) =
        ecdh_cases(ecdh::TestName::EcdhSecp256r1Ecpoint, |point| EcdhPublicKey::from_sec1(point).ok());
    assert!(agreed + refused >= 355, "only {} cases ran", agreed + refused);
    assert!(agreed >= 330 && refused >= 10, "{agreed} agreed, {refused} refused");
}
