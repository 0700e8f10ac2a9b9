//! Decoders: any bytes are refused, or are the one encoding of a value.

use mediveil_codec::{Wire, armor};
use mediveil_record::{Commitment, LeafOpening};
use mediveil_seal::identity::{
    EcdhKey, EcdhPublicKey, Identity, PublicIdentity, SealedIdentity, SigningKey, VerifyingKey,
};
use mediveil_seal::ring::{ErasureReceipt, Ring, SealedRing, WrappingFile};
use mediveil_seal::{CoreHeader, Doors};

/// Bytes are refused, or are the one encoding of a value.
pub(crate) fn canonical<T: Wire>(data: &[u8]) {
    if let Ok(value) = T::decode(data)
        && value.encode() != data
    {
        panic!("{} has two encodings", T::TYPE);
    }
}

/// Every wire type, by whichever the bytes claim to be.
pub fn wire(data: &[u8]) {
    canonical::<CoreHeader>(data);
    canonical::<Doors>(data);
    canonical::<Identity>(data);
    canonical::<PublicIdentity>(data);
    canonical::<SealedIdentity>(data);
    canonical::<Ring>(data);
    canonical::<SealedRing>(data);
    canonical::<WrappingFile>(data);
    canonical::<ErasureReceipt>(data);
    canonical::<Commitment>(data);
    canonical::<LeafOpening>(data);
}

/// Key files of every form: armour, PEM, JWK.
pub fn key_file(data: &[u8]) {
    let _ = Identity::from_key_file(data, None);
    if let Ok(public) = PublicIdentity::from_key_file(data) {
        let again = PublicIdentity::from_key_file(public.to_key_file().as_bytes());
        assert!(again.is_ok_and(|again| again.encode() == public.encode()), "armour does not round-trip");
    }
    let _ = armor::decode::<ErasureReceipt>(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = VerifyingKey::from_spki_pem(text) {
        assert!(key.to_spki_pem().is_ok_and(|pem| VerifyingKey::from_spki_pem(&pem).is_ok_and(|again| again == key)));
    }
    if let Ok(key) = VerifyingKey::from_jwk(text) {
        assert!(VerifyingKey::from_jwk(&key.to_jwk()).is_ok_and(|again| again == key));
    }
    let _ = EcdhPublicKey::from_spki_pem(text);
    let _ = EcdhPublicKey::from_jwk(text);
    // Unencrypted only: an encrypted key may ask for seconds of work, within its cap.
    let _ = SigningKey::from_pkcs8_pem(text, None);
    let _ = EcdhKey::from_pkcs8_pem(text, None);
    let _ = SigningKey::from_jwk(text);
}
