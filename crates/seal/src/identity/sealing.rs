//! HPKE keys (RFC 9180): the half of an identity that files are sealed for.
//!
//! | KEM | code | public key | encapsulation | assumption |
//! |---|---|---|---|---|
//! | DHKEM(P-256, HKDF-SHA256) | 0x0010 | 65 bytes, SEC1 uncompressed | 65 bytes | gap Diffie-Hellman on P-256 |
//! | X-Wing (X25519 and ML-KEM-768) | 0x647a | 1216 bytes | 1120 bytes | holds while *either* of the two does |
//!
//! The KDF is HKDF-SHA256 and the AEAD ChaCha20-Poly1305 for both. Arithmetic is constant-time on the word of the crates
//! `p256`, `curve25519-dalek` and `ml-kem`.

use crate::identity::KeyError;
use hpke::kem::{DhP256HkdfSha256, Kem, XWing};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256};
use rand_core::CryptoRng;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The key encapsulation mechanism of a sealing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SealingKem {
    /// DHKEM(P-256, HKDF-SHA256), RFC 9180 §7.1.
    P256,
    /// X-Wing, draft-connolly-cfrg-xwing-kem: X25519 with ML-KEM-768, secure against quantum computers as well.
    XWing,
}

impl SealingKem {
    /// Length of a public key in bytes.
    #[must_use]
    pub const fn public_len(self) -> usize {
        match self {
            Self::P256 => 65,
            Self::XWing => 1216,
        }
    }

    /// Length of a secret key in bytes.
    pub const SECRET_LEN: usize = 32;
}

/// A secret HPKE key. The types beneath wipe themselves on drop.
pub struct SealingKey(Secret);

enum Secret {
    P256(<DhP256HkdfSha256 as Kem>::PrivateKey),
    XWing(Box<<XWing as Kem>::PrivateKey>),
}

impl SealingKey {
    /// A fresh key.
    pub fn generate(kem: SealingKem, mut rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(match kem {
            SealingKem::P256 => Secret::P256(DhP256HkdfSha256::gen_keypair_with_rng(&mut rng).0),
            SealingKem::XWing => Secret::XWing(Box::new(XWing::gen_keypair_with_rng(&mut rng).0)),
        })
    }

    /// The key with these bytes: a P-256 scalar, big-endian, or an X-Wing seed.
    ///
    /// # Errors
    /// [`KeyError::SecretKey`] for a wrong length or a scalar out of range.
    pub fn from_bytes(kem: SealingKem, bytes: &[u8]) -> Result<Self, KeyError> {
        match kem {
            SealingKem::P256 => Deserializable::from_bytes(bytes).map(Secret::P256),
            SealingKem::XWing => Deserializable::from_bytes(bytes).map(|key| Secret::XWing(Box::new(key))),
        }
        .map(Self)
        .map_err(|_| KeyError::SecretKey)
    }

    /// The key's 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match &self.0 {
            Secret::P256(key) => key.to_bytes().to_vec(),
            Secret::XWing(key) => key.to_bytes().to_vec(),
        })
    }

    /// The mechanism.
    #[must_use]
    pub const fn kem(&self) -> SealingKem {
        match self.0 {
            Secret::P256(_) => SealingKem::P256,
            Secret::XWing(_) => SealingKem::XWing,
        }
    }

    /// The key that others seal for.
    #[must_use]
    pub fn public(&self) -> SealingPublicKey {
        SealingPublicKey(match &self.0 {
            Secret::P256(key) => Public::P256(DhP256HkdfSha256::sk_to_pk(key)),
            Secret::XWing(key) => Public::XWing(Box::new(XWing::sk_to_pk(key))),
        })
    }

    /// Opens what [`SealingPublicKey::hpke_seal`] made: HPKE base mode, single shot.
    pub(crate) fn hpke_open(&self, info: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match &self.0 {
            Secret::P256(key) => open::<DhP256HkdfSha256>(key, info, aad, sealed),
            Secret::XWing(key) => open::<XWing>(key, info, aad, sealed),
        }
    }
}

impl ConstantTimeEq for SealingKey {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        match (&self.0, &other.0) {
            (Secret::P256(a), Secret::P256(b)) => a.ct_eq(b),
            (Secret::XWing(a), Secret::XWing(b)) => a.ct_eq(b),
            _ => subtle::Choice::from(0),
        }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

/// A public HPKE key; a [`Recipient`](crate::Recipient) of sealed files.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingPublicKey(Public);

#[derive(Clone, PartialEq, Eq)]
enum Public {
    P256(<DhP256HkdfSha256 as Kem>::PublicKey),
    XWing(Box<<XWing as Kem>::PublicKey>),
}

impl SealingPublicKey {
    /// The key with these bytes: an uncompressed P-256 point, never the identity, or an X-Wing public key.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] for anything else.
    pub fn from_bytes(kem: SealingKem, bytes: &[u8]) -> Result<Self, KeyError> {
        match kem {
            SealingKem::P256 => Deserializable::from_bytes(bytes).map(Public::P256),
            SealingKem::XWing => Deserializable::from_bytes(bytes).map(|key| Public::XWing(Box::new(key))),
        }
        .map(Self)
        .map_err(|_| KeyError::PublicKey)
    }

    /// The key's bytes, [`SealingKem::public_len`] of them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Public::P256(key) => key.to_bytes().to_vec(),
            Public::XWing(key) => key.to_bytes().to_vec(),
        }
    }

    /// The mechanism.
    #[must_use]
    pub const fn kem(&self) -> SealingKem {
        match self.0 {
            Public::P256(_) => SealingKem::P256,
            Public::XWing(_) => SealingKem::XWing,
        }
    }

    /// The first 16 bytes of SHA-256 over the key's bytes, in hexadecimal: a name for listings.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        use sha2::Digest;
        sha2::Sha256::digest(self.to_bytes()).iter().take(16).map(|b| format!("{b:02x}")).collect()
    }

    /// HPKE base mode, single shot: encapsulation and ciphertext in one string. `None` if the key admits no
    /// encapsulation.
    pub(crate) fn hpke_seal(
        &self,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Option<Vec<u8>> {
        match &self.0 {
            Public::P256(key) => seal::<DhP256HkdfSha256>(key, info, aad, plaintext, rng),
            Public::XWing(key) => seal::<XWing>(key, info, aad, plaintext, rng),
        }
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublicKey({:?}, {})", self.kem(), self.fingerprint())
    }
}

fn seal<K: Kem>(
    key: &K::PublicKey,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    mut rng: &mut dyn CryptoRng,
) -> Option<Vec<u8>> {
    let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeS::Base,
        key,
        info,
        plaintext,
        aad,
        &mut rng,
    )
    .ok()?;
    let mut out = encapsulated.to_bytes().to_vec();
    out.extend_from_slice(&ciphertext);
    Some(out)
}

fn open<K: Kem>(key: &K::PrivateKey, info: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(K::EncappedKey::size())?;
    let encapsulated = K::EncappedKey::from_bytes(encapsulated).ok()?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, K>(&OpModeR::Base, key, &encapsulated, info, ciphertext, aad)
        .ok()
        .map(Zeroizing::new)
}
