//! Identities and their keys: wire forms, published vectors, foreign forms, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_codec::{DecodeErrorKind, Wire, armor};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{
    EcdhKey, EcdhPublicKey, Identity, IdentityKind, KeyError, PublicIdentity, SealedIdentity, SealingKem, SealingKey,
    SealingPublicKey, Signature, SigningKey, VerifyingKey,
};
use mediveil_seal::{OpenError, Passphrase, Sealer, open};
use subtle::ConstantTimeEq;

fn array<const N: usize>(hex: &str) -> [u8; N] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn identity(kind: IdentityKind, seed: u64) -> Identity {
    Identity::generate(kind, &mut SeededRng::from_u64(seed)).unwrap()
}

fn same(a: &Identity, b: &Identity) -> bool {
    a.ct_eq(b).into()
}

// --- wire forms -----------------------------------------------------------------------------------------------------

#[test]
fn identity_on_the_wire() {
    let frozen = "894d44560201010000000068 84
        5820 c5d30a7ce1ec119378c84f487d775a8542f13ece238a9455e8229e888de85bbd
        5820 c0da6404eb717b73d86afaf6540a6207eb2340be22da529b995b7aa1d063eb29
        f6
        5820 89a0a4ffd5ec83c6ff57273d206b7b34f35fe781072536ed6a1723b86adf5964";
    check_wire_by(&identity(IdentityKind::P256, 1), frozen, same);
}

#[test]
fn hybrid_identity_on_the_wire() {
    let frozen = "894d44560201010000000089 84
        5820 6a1f3118f09e7c39421949f5995f01f5a56cbc4980148fa9c7290fc102cb585f
        5820 232a24c47fce965d1ac833eab044076fe2038f5435d750135bcd8884239af4b7
        5820 d138a489db576846818ea955e027ed1388231746f3c74363e3a3b0891f413083
        5820 24cd212753e6a91632d37d5fe2044f69137654cb9e63b8fe0a5c87ce894e8dee";
    check_wire_by(&identity(IdentityKind::Hybrid, 2), frozen, same);
}

#[test]
fn public_identity_on_the_wire() {
    let frozen = "894d4456020201000000008a 84
        5821 03b77406706bfc7a5d97f9bebd1398ddc67933bf087f54461108c584ff425f3dc0
        5821 02036e4c059765709964dba198111e03d5005f278f17aedf5ed75343da374c6f88
        f6
        5840 2315efef8ae89b8e6e2d165bbc20b219fc6f3c7a94d5600eee4a927c03a9e896
             53dedec655f64247a5f67f3de0b096908277f1120c8ffeb4083836092f40b1de";
    check_wire(identity(IdentityKind::P256, 1).public(), frozen);
}

#[test]
fn hybrid_public_identity_on_the_wire() {
    let public = identity(IdentityKind::Hybrid, 2).public().clone();
    let bytes = public.encode();
    assert_eq!(PublicIdentity::decode(&bytes).unwrap(), public);
    assert_eq!(bytes.len(), 12 + 1 + 35 + 35 + 3 + 1216 + 66);
    // The whole is frozen by its digest, because 1.3 KB of hexadecimal would help nobody.
    assert_eq!(hex::encode(sha256(&bytes)), "1333d3d62e4cd44257d63aaf0b411e7b80b6362919509493b93874b2736e0ca0");
    // 1,368 bytes times three changes cost too much for `check_wire` with a signature check each: every truncation, and a
    // changed byte every so often, in each of the fields.
    for len in 0..bytes.len() {
        PublicIdentity::decode(&bytes[..len]).unwrap_err();
    }
    for at in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(PublicIdentity::decode(&changed).is_err(), "byte {at}");
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

#[test]
fn armour_is_the_key_file_form() {
    let alice = identity(IdentityKind::Hybrid, 3);
    let text = armor::encode(&alice);
    assert!(text.starts_with("-----BEGIN MEDIVEIL IDENTITY-----\n"));
    assert!(same(&armor::decode::<Identity>(text.as_bytes()).unwrap(), &alice));
    let text = armor::encode(alice.public());
    assert!(text.starts_with("-----BEGIN MEDIVEIL PUBLIC-IDENTITY-----\n"));
    assert_eq!(armor::decode::<PublicIdentity>(text.as_bytes()).unwrap(), *alice.public());
    // One is not taken for the other.
    armor::decode::<Identity>(text.as_bytes()).unwrap_err();
}

#[test]
fn debug_prints_no_secret() {
    let alice = identity(IdentityKind::Hybrid, 3);
    assert_eq!(format!("{alice:?}"), "Identity");
    assert_eq!(format!("{:?}", alice.ecdh_key()), "EcdhKey");
    assert_eq!(format!("{:?}", alice.signing_key()), "SigningKey");
    assert_eq!(format!("{:?}", alice.public()), format!("PublicIdentity({})", alice.public().fingerprint()));
}

#[test]
fn sealed_identity_on_the_wire() {
    let mut rng = SeededRng::from_u64(20);
    let alice = identity(IdentityKind::P256, 1);
    let passphrase = quick("correct");
    let sealed = alice.seal(&[&passphrase], &mut rng).unwrap();
    let bytes = sealed.encode();
    assert_eq!(hex::encode(sha256(&bytes)), "a59667ddbb017095b04c886d9808241f056368836cc779eca799ff7e67dee852");
    mediveil_codec::testing::check_decoding::<SealedIdentity>(&bytes);
    assert!(same(&SealedIdentity::decode(&bytes).unwrap().open(&[&passphrase]).unwrap(), &alice));
    assert_eq!(sealed.open(&[&quick("wrong")]).unwrap_err(), KeyError::Passphrase);
}

/// The fewest iterations that are allowed, because tests open many files.
fn quick(text: &str) -> Passphrase {
    Passphrase::new(text).with_iterations(Passphrase::MIN_ITERATIONS).unwrap()
}

#[test]
fn key_files_say_what_they_need() {
    let mut rng = SeededRng::from_u64(21);
    let alice = identity(IdentityKind::Hybrid, 22);
    let plain = alice.to_key_file(None, &mut rng).unwrap();
    let sealed = alice.to_key_file(Some(&quick("correct")), &mut rng).unwrap();
    let public = alice.public().to_key_file();
    let read = |text: &str, passphrase: Option<&str>| {
        Identity::from_key_file(text.as_bytes(), passphrase.map(Passphrase::new).as_ref())
    };
    assert!(same(&read(&plain, None).unwrap(), &alice));
    assert!(same(&read(&plain, Some("not needed")).unwrap(), &alice));
    assert!(same(&read(&sealed, Some("correct")).unwrap(), &alice));
    assert!(same(&read(&sealed.replace('\n', "\r\n"), Some("correct")).unwrap(), &alice));
    assert_eq!(read(&sealed, None).unwrap_err(), KeyError::PassphraseNeeded);
    assert_eq!(read(&sealed, Some("wrong")).unwrap_err(), KeyError::Passphrase);
    assert_eq!(PublicIdentity::from_key_file(public.as_bytes()).unwrap(), *alice.public());
    let why = |error| match error {
        KeyError::Format(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(why(read(&public, None).unwrap_err()).contains("public identity"));
    assert!(why(PublicIdentity::from_key_file(plain.as_bytes()).unwrap_err()).contains("secret identity"));
    assert!(why(PublicIdentity::from_key_file(sealed.as_bytes()).unwrap_err()).contains("secret identity"));
    assert!(why(read(PEM, None).unwrap_err()).contains("another tool"));
    assert!(why(read(&alice.ecdh_key().to_jwk(), None).unwrap_err()).contains("another tool"));
    assert!(why(read("", None).unwrap_err()).contains("no key file"));
    assert!(why(read("-----BEGIN MEDIVEIL KEY-RING-----", None).unwrap_err()).contains("no key file"));
    // Cut short or changed.
    assert!(matches!(read(&plain[..plain.len() - 40], None).unwrap_err(), KeyError::Decode(_)));
    let cut = sealed.replacen("\n", "\nAAAA", 1);
    assert!(matches!(read(&cut, Some("correct")).unwrap_err(), KeyError::Decode(_)));
}

/// The last segment of the sealed file changed, where the passphrase is right: the file is damaged, not the passphrase wrong.
#[test]
fn a_damaged_sealed_identity_is_told_from_a_wrong_passphrase() {
    let alice = identity(IdentityKind::P256, 1);
    let sealed = alice.seal(&[&quick("correct")], &mut SeededRng::from_u64(20)).unwrap();
    let mut bytes = sealed.encode();
    *bytes.last_mut().unwrap() ^= 1;
    let error = SealedIdentity::decode(&bytes).unwrap().open(&[&quick("correct")]).unwrap_err();
    assert_eq!(error, KeyError::Format("the key file was changed or damaged"));
    // A sealed file that is something else, with the same bytes inside.
    let other = Sealer::new().to(&quick("correct")).seal(&alice.encode(), &mut SeededRng::from_u64(23)).unwrap();
    let framed = framed(0x0203, &[&[0x59][..], &u16::try_from(other.len()).unwrap().to_be_bytes(), &other].concat());
    let error = SealedIdentity::decode(&framed).unwrap().open(&[&quick("correct")]).unwrap_err();
    assert_eq!(error, KeyError::Format("the sealed file holds no identity"));
}

fn framed(code: u16, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x89, b'M', b'D', b'V'][..], &code.to_be_bytes(), &[1, 0], &len, body].concat()
}

#[test]
fn files_for_an_identity_open_for_it_and_for_nobody_else() {
    let mut rng = SeededRng::from_u64(24);
    for kind in [IdentityKind::P256, IdentityKind::Hybrid] {
        let (alice, mallory) = (identity(kind, 25), identity(kind, 26));
        let sealed = Sealer::new().to(alice.public()).seal(b"record", &mut rng).unwrap();
        assert_eq!(*open(&sealed, &[&alice]).unwrap().plaintext, b"record");
        assert!(matches!(open(&sealed, &[&mallory]), Err(OpenError::NoDoor { .. })));
        // A hybrid identity also opens what was sealed for its P-256 key alone.
        let p256 = alice.public().sealing_key(SealingKem::P256).unwrap();
        let sealed = Sealer::new().to(p256).seal(b"record", &mut rng).unwrap();
        assert_eq!(*open(&sealed, &[&alice]).unwrap().plaintext, b"record");
    }
    let hybrid = identity(IdentityKind::Hybrid, 25);
    let sealed = Sealer::new().to(hybrid.public()).seal(b"record", &mut rng).unwrap();
    let p256_alone = hybrid.sealing_key(SealingKem::P256).unwrap();
    assert!(matches!(open(&sealed, &[p256_alone]), Err(OpenError::NoDoor { .. })), "the door is post-quantum");
}

// --- the keys belong together ---------------------------------------------------------------------------------------

/// Replaces `from` by `to` in the encoding, wherever it stands.
fn spliced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    let mut out = bytes.to_vec();
    out[at..at + to.len()].copy_from_slice(to);
    out
}

#[test]
fn a_sealing_key_put_beside_anothers_signing_key_is_refused() {
    let (alice, mallory) = (identity(IdentityKind::Hybrid, 4), identity(IdentityKind::Hybrid, 5));
    let (a, m) = (alice.public(), mallory.public());
    let bytes = a.encode();
    let xwing = |p: &PublicIdentity| p.sealing_key(SealingKem::XWing).unwrap().to_bytes();
    for forged in [
        spliced(&bytes, &a.ecdh_key().to_sec1(), &m.ecdh_key().to_sec1()),
        spliced(&bytes, &xwing(a), &xwing(m)),
        spliced(&bytes, &a.verifying_key().to_sec1(), &m.verifying_key().to_sec1()),
        // The signing key in both places.
        spliced(&bytes, &a.ecdh_key().to_sec1(), &a.verifying_key().to_sec1()),
    ] {
        let error = PublicIdentity::decode(&forged).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Invalid("the keys are not signed by their signing key"));
    }
    // And the X-Wing key taken away: a downgrade.
    let at = bytes.windows(3).position(|w| w == [0x59, 0x04, 0xc0]).unwrap();
    let mut stripped = bytes[..at].to_vec();
    stripped.push(0xf6);
    stripped.extend_from_slice(&bytes[at + 3 + 1216..]);
    let body = u32::try_from(stripped.len() - 12).unwrap();
    stripped[8..12].copy_from_slice(&body.to_be_bytes());
    let error = PublicIdentity::decode(&stripped).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Invalid("the keys are not signed by their signing key"));
}

#[test]
fn secret_keys_that_do_not_match_their_public_halves_are_refused() {
    let (alice, mallory) = (identity(IdentityKind::Hybrid, 4), identity(IdentityKind::Hybrid, 5));
    let bytes = alice.encode();
    let error =
        Identity::decode(&spliced(&bytes, &*alice.signing_key().to_bytes(), &*mallory.signing_key().to_bytes()))
            .unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Invalid("the secret keys do not match their public halves"));
    let seed = |i: &Identity| i.sealing_key(SealingKem::XWing).unwrap().to_bytes();
    let error = Identity::decode(&spliced(&bytes, &seed(&alice), &seed(&mallory))).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Invalid("the secret keys do not match their public halves"));
    // A scalar of zero, and the group order.
    let zero = spliced(&bytes, &*alice.ecdh_key().to_bytes(), &[0; 32]);
    assert_eq!(Identity::decode(&zero).unwrap_err().kind, DecodeErrorKind::Invalid("not a P-256 secret key"));
    let order = array::<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let order = spliced(&bytes, &*alice.ecdh_key().to_bytes(), &order);
    assert_eq!(Identity::decode(&order).unwrap_err().kind, DecodeErrorKind::Invalid("not a P-256 secret key"));
}

#[test]
fn signing_and_sealing_need_two_keys() {
    let mut rng = SeededRng::from_u64(6);
    let key = SigningKey::generate(&mut rng);
    let again = EcdhKey::from_bytes(&key.to_bytes()).unwrap();
    let error = Identity::from_keys(key, again, None).unwrap_err();
    assert_eq!(error, KeyError::Format("signing and sealing need two keys, and these are one"));
    // A P-256 sealing key where the X-Wing key belongs.
    let wrong = SealingKey::generate(SealingKem::P256, &mut rng);
    let error = Identity::from_keys(SigningKey::generate(&mut rng), EcdhKey::generate(&mut rng), Some(wrong));
    assert_eq!(error.unwrap_err(), KeyError::SecretKey);
}

#[test]
fn ids_name_all_keys() {
    let mut rng = SeededRng::from_u64(7);
    let signing = SigningKey::generate(&mut rng).to_bytes();
    let make =
        |ecdh: EcdhKey, xwing| Identity::from_keys(SigningKey::from_bytes(&signing).unwrap(), ecdh, xwing).unwrap();
    let ecdh = EcdhKey::generate(&mut rng).to_bytes();
    let one = make(EcdhKey::from_bytes(&ecdh).unwrap(), None);
    let again = make(EcdhKey::from_bytes(&ecdh).unwrap(), None);
    let other = make(EcdhKey::generate(&mut rng), None);
    let hybrid = make(EcdhKey::from_bytes(&ecdh).unwrap(), Some(SealingKey::generate(SealingKem::XWing, &mut rng)));
    assert_eq!(one.public().id(), again.public().id());
    assert_ne!(one.public().id(), other.public().id());
    assert_ne!(one.public().id(), hybrid.public().id());
    assert_eq!(one.public().fingerprint(), hex::encode(&one.public().id()[..16]));
    assert_eq!((one.kind(), hybrid.kind()), (IdentityKind::P256, IdentityKind::Hybrid));
    assert_eq!(hybrid.public().preferred_sealing_key().kem(), SealingKem::XWing);
    assert_eq!(one.public().preferred_sealing_key().kem(), SealingKem::P256);
}

#[test]
fn ecdh_and_hpke_keys_are_one_key() {
    let alice = identity(IdentityKind::P256, 8);
    let (secret, public) = (alice.sealing_key(SealingKem::P256).unwrap(), alice.public().sealing_key(SealingKem::P256));
    assert_eq!(secret.to_bytes()[..], alice.ecdh_key().to_bytes()[..]);
    assert_eq!(secret.public(), *public.unwrap());
    assert_eq!(EcdhPublicKey::try_from(public.unwrap()).unwrap(), *alice.public().ecdh_key());
    assert_eq!(SealingPublicKey::try_from(alice.public().ecdh_key()).unwrap(), *public.unwrap());
    let xwing = SealingKey::generate(SealingKem::XWing, &mut SeededRng::from_u64(9));
    assert_eq!(EcdhKey::try_from(&xwing).unwrap_err(), KeyError::SecretKey);
    assert_eq!(EcdhPublicKey::try_from(&xwing.public()).unwrap_err(), KeyError::PublicKey);
}

// --- published vectors ----------------------------------------------------------------------------------------------

/// RFC 6979 A.2.5, P-256 with SHA-256. This crate gives the low-S form of the same signature.
#[test]
fn rfc6979_p256_sha256() {
    let key =
        SigningKey::from_bytes(&array("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")).unwrap();
    let (x, y) = key.verifying_key().coordinates();
    assert_eq!(x, array::<32>("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"));
    assert_eq!(y, array::<32>("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"));
    for (message, r, s) in [
        (
            "sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            "test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ] {
        let published = Signature::from_bytes(&array(&format!("{r}{s}"))).unwrap();
        let ours = key.sign_fips(message.as_bytes());
        assert_eq!(ours.to_bytes()[..32], published.to_bytes()[..32]);
        let high = published.to_bytes()[32] >= 0x80;
        assert_eq!(ours == published, !high, "only a high s is replaced by the low one");
        key.verifying_key().verify_fips(message.as_bytes(), &published).unwrap();
        key.verifying_key().verify_fips(message.as_bytes(), &ours).unwrap();
    }
}

#[test]
fn a_high_s_signature_is_refused_for_our_own_purposes() {
    let key = SigningKey::generate(&mut SeededRng::from_u64(10));
    let signature = key.sign("test/purpose/v1", b"message");
    key.verifying_key().verify("test/purpose/v1", b"message", &signature).unwrap();
    assert_eq!(key.verifying_key().verify("test/other/v1", b"message", &signature).unwrap_err(), KeyError::Unverified);
    // n - s
    let order = array::<32>("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let mut bytes = signature.to_bytes();
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let difference = i16::from(order[i]) - i16::from(bytes[32 + i]) - borrow;
        borrow = i16::from(difference < 0);
        bytes[32 + i] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let high = Signature::from_bytes(&bytes).unwrap();
    let framed = b"mediveil/test/purpose/v1\0message";
    key.verifying_key().verify_fips(framed, &high).unwrap();
    assert_eq!(key.verifying_key().verify("test/purpose/v1", b"message", &high).unwrap_err(), KeyError::Unverified);
}

/// RFC 7515 A.3: the key and the signature of the ES256 example.
#[test]
fn rfc7515_a3_es256() {
    let jwk = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    let key = SigningKey::from_jwk(jwk).unwrap();
    let signed = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let signature = <base64ct::Base64UrlUnpadded as base64ct::Encoding>::decode_vec(signature).unwrap();
    let signature = Signature::from_bytes(&signature.try_into().unwrap()).unwrap();
    key.verifying_key().verify_fips(signed.as_bytes(), &signature).unwrap();
    key.verifying_key().verify_fips(&signed.as_bytes()[1..], &signature).unwrap_err();
}

/// RFC 7517 A.1 and A.2: the EC keys, which carry `"use":"enc"`.
#[test]
fn rfc7517_appendix_a_ec_keys() {
    let public = r#"{"kty":"EC","crv":"P-256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}"#;
    let secret = r#"{"kty":"EC","crv":"P-256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use":"enc","kid":"1"}"#;
    let key = EcdhKey::from_jwk(secret).unwrap();
    assert_eq!(key.public(), EcdhPublicKey::from_jwk(public).unwrap());
    // Computed with Python's hashlib from RFC 7638 §3.
    assert_eq!(key.public().thumbprint(), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    let misuse = KeyError::Format("the JWK's use says that it is for something else");
    assert_eq!(SigningKey::from_jwk(secret).unwrap_err(), misuse);
    assert_eq!(VerifyingKey::from_jwk(public).unwrap_err(), misuse);
}

/// RFC 7518 appendix C: ECDH-ES between Alice's ephemeral key and Bob.
#[test]
fn rfc7518_appendix_c_ecdh() {
    let alice = EcdhKey::from_jwk(
        r#"{"kty":"EC","crv":"P-256",
            "x":"gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
            "y":"SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
            "d":"0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"}"#,
    )
    .unwrap();
    let bob = EcdhKey::from_jwk(
        r#"{"kty":"EC","crv":"P-256",
            "x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
            "d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"}"#,
    )
    .unwrap();
    let z = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106,
        72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];
    assert_eq!(*alice.agree(&bob.public()), z);
    assert_eq!(*bob.agree(&alice.public()), z);
}

#[test]
fn the_identity_point_and_unusual_encodings_are_no_keys() {
    let key = EcdhKey::generate(&mut SeededRng::from_u64(11)).public();
    let (x, y) = key.coordinates();
    let uncompressed = [&[4][..], &x, &y].concat();
    assert_eq!(EcdhPublicKey::from_sec1(&uncompressed).unwrap(), key);
    let hybrid = [&[6 + (y[31] & 1)][..], &x, &y].concat();
    let compact = [&[5][..], &x].concat();
    let off_curve = [&[4][..], &y, &x].concat();
    for bad in [&[][..], &[0], &[0; 33], &[0; 65], &hybrid, &compact, &off_curve, &uncompressed[..64]] {
        assert_eq!(EcdhPublicKey::from_sec1(bad).unwrap_err(), KeyError::PublicKey, "{bad:02x?}");
        assert_eq!(VerifyingKey::from_sec1(bad).unwrap_err(), KeyError::PublicKey, "{bad:02x?}");
    }
}

// --- foreign forms --------------------------------------------------------------------------------------------------

const PEM: &str = include_str!("keys/p256.pem");
const SCALAR: &str = "4ca235b3af60f410daa51309034a1f67593930633067651cfe92e70a1be71e99";

#[test]
fn openssl_keys_are_read() {
    let expected = array::<32>(SCALAR);
    let key = SigningKey::from_pkcs8_pem(PEM, None).unwrap();
    assert_eq!(*key.to_bytes(), expected);
    assert_eq!(key.to_pkcs8_pem().unwrap().as_str(), PEM, "and written the same way");
    let public = include_str!("keys/p256.pub.pem");
    assert_eq!(VerifyingKey::from_spki_pem(public).unwrap(), key.verifying_key());
    assert_eq!(key.verifying_key().to_spki_pem().unwrap(), public);
    assert_eq!(EcdhPublicKey::from_spki_pem(public).unwrap().to_spki_pem().unwrap(), public);
    for encrypted in [include_str!("keys/p256-pbkdf2.pem"), include_str!("keys/p256-scrypt.pem")] {
        assert_eq!(*EcdhKey::from_pkcs8_pem(encrypted, Some(b"correct")).unwrap().to_bytes(), expected);
        assert_eq!(EcdhKey::from_pkcs8_pem(encrypted, None).unwrap_err(), KeyError::PassphraseNeeded);
        for wrong in ["", "Correct", "correct "] {
            assert_eq!(EcdhKey::from_pkcs8_pem(encrypted, Some(wrong.as_bytes())).unwrap_err(), KeyError::Passphrase);
        }
    }
}

#[test]
fn encrypted_pkcs8_goes_out_and_comes_back() {
    let mut rng = SeededRng::from_u64(12);
    let key = EcdhKey::generate(&mut rng);
    let pem = key.to_encrypted_pkcs8_pem("pässphrase".as_bytes(), &mut rng).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert!(bool::from(EcdhKey::from_pkcs8_pem(&pem, Some("pässphrase".as_bytes())).unwrap().ct_eq(&key)));
    assert_eq!(EcdhKey::from_pkcs8_pem(&pem, Some(b"passphrase")).unwrap_err(), KeyError::Passphrase);
    assert_eq!(EcdhKey::from_pkcs8_pem(&pem, None).unwrap_err(), KeyError::PassphraseNeeded);
    assert_eq!(key.to_encrypted_pkcs8_pem(b"", &mut rng).unwrap_err(), KeyError::Format("the passphrase is empty"));
}

/// Refused before any work: the test would take hours or all memory otherwise.
#[test]
fn key_files_that_ask_for_too_much_or_impossible_work_are_refused() {
    for (pem, costly) in [
        (include_str!("keys/pbkdf2-0-iterations.pem"), false),
        (include_str!("keys/pbkdf2-4294967295-iterations.pem"), true),
        (include_str!("keys/scrypt-n-0.pem"), false),
        (include_str!("keys/scrypt-n-1025.pem"), false),
        (include_str!("keys/scrypt-n-2-40.pem"), true),
        (include_str!("keys/scrypt-r-0.pem"), false),
        (include_str!("keys/scrypt-p-0.pem"), false),
        (include_str!("keys/scrypt-p-17.pem"), true),
    ] {
        let error = SigningKey::from_pkcs8_pem(pem, Some(b"correct")).unwrap_err();
        if costly {
            assert_eq!(error, KeyError::TooCostly, "{pem}");
        } else {
            assert!(matches!(error, KeyError::Format(_)), "{error:?} {pem}");
        }
    }
}

#[test]
fn keys_of_other_kinds_are_refused_with_what_they_are() {
    let read = |pem| match SigningKey::from_pkcs8_pem(pem, Some(b"correct")).unwrap_err() {
        KeyError::Format(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(read(include_str!("keys/p384.pem")).contains("P-256"));
    assert!(read(include_str!("keys/p256-sec1.pem")).contains("openssl pkcs8"));
    assert!(read(include_str!("keys/p256-pbkdf2-sha1.pem")).contains("scheme"));
    assert!(read(include_str!("keys/p256-pbes1.pem")).contains("PBES2"));
    assert!(read(include_str!("keys/p256.pub.pem")).contains("public key"));
    assert!(read("").contains("PEM"));
    assert!(read(&"A".repeat(20_000)).contains("too long"));
    assert!(matches!(VerifyingKey::from_spki_pem(PEM).unwrap_err(), KeyError::Format(w) if w.contains("secret key")));
}

#[test]
fn damaged_pem_is_refused() {
    let mut accepted = 0;
    for at in 0..PEM.len() {
        let mut changed = PEM.as_bytes().to_vec();
        changed[at] ^= 1;
        let Ok(text) = String::from_utf8(changed) else { continue };
        match SigningKey::from_pkcs8_pem(&text, None) {
            // What is not the scalar or the point may differ in unused bits; the key must be the same one.
            Ok(key) => {
                accepted += 1;
                assert_eq!(*key.to_bytes(), array::<32>(SCALAR), "byte {at}");
            }
            Err(error) => assert!(matches!(error, KeyError::Format(_)), "{error:?}"),
        }
        if at < PEM.trim_end().len() {
            SigningKey::from_pkcs8_pem(&PEM[..at], None).unwrap_err();
        }
    }
    assert_eq!(accepted, 0);
}

#[test]
fn jwk_goes_out_and_comes_back() {
    let mut rng = SeededRng::from_u64(13);
    let (signing, sealing) = (SigningKey::generate(&mut rng), EcdhKey::generate(&mut rng));
    let json: serde_json::Value = serde_json::from_str(&signing.to_jwk()).unwrap();
    assert_eq!(json["kty"], "EC");
    assert_eq!(json["crv"], "P-256");
    assert_eq!(json["use"], "sig");
    assert_eq!(json["alg"], "ES256");
    assert_eq!(json["kid"], signing.verifying_key().thumbprint());
    assert_eq!(json.as_object().unwrap().len(), 8);
    assert_eq!(*SigningKey::from_jwk(&signing.to_jwk()).unwrap().to_bytes(), *signing.to_bytes());
    assert_eq!(VerifyingKey::from_jwk(&signing.verifying_key().to_jwk()).unwrap(), signing.verifying_key());
    let json: serde_json::Value = serde_json::from_str(&sealing.public().to_jwk()).unwrap();
    assert_eq!((json["use"].as_str(), json["alg"].as_str()), (Some("enc"), Some("ECDH-ES")));
    assert!(json.get("d").is_none());
    assert_eq!(*EcdhKey::from_jwk(&sealing.to_jwk()).unwrap().to_bytes(), *sealing.to_bytes());
    assert_eq!(EcdhPublicKey::from_jwk(&sealing.public().to_jwk()).unwrap(), sealing.public());
}

#[test]
fn jwks_that_lie_or_are_for_something_else_are_refused() {
    let mut rng = SeededRng::from_u64(14);
    let (key, other) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
    let json: serde_json::Value = serde_json::from_str(&key.to_jwk()).unwrap();
    let (x, y, d) = (json["x"].as_str().unwrap(), json["y"].as_str().unwrap(), json["d"].as_str().unwrap());
    let other: serde_json::Value = serde_json::from_str(&other.to_jwk()).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut json = json.clone();
        json[name] = value;
        json.to_string()
    };
    let without = |name: &str| {
        let mut json = json.clone();
        json.as_object_mut().unwrap().remove(name);
        json.to_string()
    };
    let bad = [
        with("kty", "OKP".into()),
        with("kty", "ec".into()),
        with("crv", "P-384".into()),
        with("use", "enc".into()),
        with("alg", "ECDH-ES".into()),
        with("alg", "none".into()),
        with("key_ops", serde_json::json!(["deriveBits"])),
        with("key_ops", serde_json::json!(["sign", "deriveBits"])),
        with("x", y.into()),
        with("x", format!("{x}=").into()),
        with("x", x[..42].into()),
        with("x", format!("AA{x}").into()),
        with("x", x.replace('_', "/").replace('-', "+").into()),
        with("x", 1.into()),
        with("d", other["d"].clone()),
        with("d", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()),
        with("d", "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE".into()),
        without("kty"),
        without("crv"),
        without("x"),
        without("y"),
        without("d"),
        // Members twice: readers differ on which one counts.
        json.to_string().replacen('{', r#"{"kty":"EC","#, 1),
        json.to_string().replacen('{', &format!(r#"{{"d":"{d}","#), 1),
        format!("[{json}]"),
        format!("{json}{json}"),
        String::new(),
        "null".into(),
        " ".repeat(70_000),
    ];
    assert!(x.contains(['-', '_']), "pick a seed whose x shows the difference between the two alphabets");
    for text in bad {
        assert!(SigningKey::from_jwk(&text).is_err(), "{text}");
    }
    for good in [
        with("key_ops", serde_json::json!(["sign"])),
        with("kid", "any".into()),
        with("x5t", "ignored".into()),
        without("use"),
        without("alg"),
        without("kid"),
    ] {
        assert_eq!(*SigningKey::from_jwk(&good).unwrap().to_bytes(), *key.to_bytes(), "{good}");
    }
    // A secret key is not handed on as a public one by accident.
    let error = VerifyingKey::from_jwk(&json.to_string()).unwrap_err();
    assert_eq!(error, KeyError::Format("this JWK is a secret key; the public key is needed"));
}
