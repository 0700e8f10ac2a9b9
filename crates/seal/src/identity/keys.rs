//! ECDSA P-256 keys (FIPS 186-5; deterministic nonces by RFC 6979).
//!
//! Every signature of this workspace is over a *purpose* and a message, so that a signature made for one use verifies for
//! no other. What is signed is `"mediveil/" || purpose || 0x00 || message`, hashed with SHA-256. Purposes are written as
//! `area/use/v1` and hold no zero byte.
//!
//! Signatures are low-S and [`VerifyingKey::verify`] insists on it, so that one message has one signature encoding.
//! [`VerifyingKey::verify_fips`] is plain FIPS 186-5 over a bare message, for certificates and other foreign formats.
//!
//! Scalar arithmetic is constant-time on the word of the `p256` crate (`RustCrypto`), which
//! says of itself that it has not been audited.

use p256::ecdsa::signature::{Signer, Verifier};
use p256::elliptic_curve::Generate;
use rand_core::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes or text that are not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a point of P-256 in SEC1 encoding, or the identity.
    #[error("not a P-256 public key")]
    PublicKey,
    /// Not a scalar between 1 and the group order.
    #[error("not a P-256 secret key")]
    SecretKey,
    /// Not 64 bytes of r and s in range.
    #[error("not a P-256 signature")]
    Signature,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Unverified,
    /// A key file or key text that cannot be read; what was wrong with it.
    #[error("{0}")]
    Format(&'static str),
    /// An encrypted key and the wrong passphrase, or a damaged file: the two look the same.
    #[error("the passphrase does not open this key")]
    Passphrase,
    /// The key is encrypted and no passphrase was given.
    #[error("this key is protected by a passphrase: give it")]
    PassphraseNeeded,
    /// The key file asks for more work or memory than this reader is willing to spend.
    #[error("the key file asks for more work than is allowed; have it written again with a lower cost")]
    TooCostly,
    /// The key file is damaged.
    #[error(transparent)]
    Decode(#[from] mediveil_codec::DecodeError),
}

/// A secret signing key. Wiped on drop.
pub struct SigningKey(p256::ecdsa::SigningKey);

impl SigningKey {
    /// A fresh key.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(p256::ecdsa::SigningKey::generate_from_rng(rng))
    }

    /// The key with this scalar, 32 bytes big-endian.
    ///
    /// # Errors
    /// [`KeyError::SecretKey`] for zero and for the group order and above.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        p256::ecdsa::SigningKey::from_slice(bytes).map(Self).map_err(|_| KeyError::SecretKey)
    }

    /// The scalar, 32 bytes big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(*self.0.verifying_key())
    }

    /// Signs `message` for `purpose` (see the module's words on purposes). Deterministic.
    #[must_use]
    pub fn sign(&self, purpose: &'static str, message: &[u8]) -> Signature {
        self.sign_fips(&framed(purpose, message))
    }

    /// Signs a bare message, for foreign formats such as certificates. Prefer [`sign`](Self::sign).
    #[must_use]
    pub fn sign_fips(&self, message: &[u8]) -> Signature {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        Signature(signature.normalize_s())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

fn framed(purpose: &'static str, message: &[u8]) -> Vec<u8> {
    debug_assert!(!purpose.is_empty() && !purpose.contains('\0'));
    [b"mediveil/", purpose.as_bytes(), &[0], message].concat()
}

/// A public signing key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(p256::ecdsa::VerifyingKey);

impl VerifyingKey {
    /// Length of [`to_sec1`](Self::to_sec1) in bytes.
    pub const LEN: usize = 33;

    /// The key at this point: SEC1, compressed or uncompressed, never the identity.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] for anything else.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, KeyError> {
        // The hybrid forms 06 and 07 and the compact form 05 are legal SEC1 and have no use here.
        match bytes.first() {
            Some(2..=4) => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map(Self).map_err(|_| KeyError::PublicKey),
            _ => Err(KeyError::PublicKey),
        }
    }

    /// The point in compressed SEC1 encoding.
    #[must_use]
    pub fn to_sec1(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        for (to, from) in out.iter_mut().zip(self.0.to_sec1_point(true).as_bytes()) {
            *to = *from;
        }
        out
    }

    /// The point's two coordinates, 32 bytes big-endian each.
    #[must_use]
    pub fn coordinates(&self) -> ([u8; 32], [u8; 32]) {
        let point = self.0.to_sec1_point(false);
        let (mut x, mut y) = ([0; 32], [0; 32]);
        for (to, from) in x.iter_mut().chain(y.iter_mut()).zip(point.as_bytes().iter().skip(1)) {
            *to = *from;
        }
        (x, y)
    }

    /// Checks a signature over `purpose` and `message`; refuses high-S signatures.
    ///
    /// # Errors
    /// [`KeyError::Unverified`] for any signature but the right one.
    pub fn verify(&self, purpose: &'static str, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        if signature.0.normalize_s() != signature.0 {
            return Err(KeyError::Unverified);
        }
        self.verify_fips(&framed(purpose, message), signature)
    }

    /// Checks a signature over a bare message by FIPS 186-5, high-S or low, for foreign formats.
    ///
    /// # Errors
    /// [`KeyError::Unverified`] for any signature but a right one.
    pub fn verify_fips(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        self.0.verify(message, &signature.0).map_err(|_| KeyError::Unverified)
    }

    /// The first 16 bytes of SHA-256 over the compressed point, in hexadecimal: a name for listings.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(self.to_sec1());
        digest.iter().take(16).map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.fingerprint())
    }
}

/// An ECDSA P-256 signature: r and s, 32 bytes big-endian each (IEEE P1363).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(p256::ecdsa::Signature);

impl Signature {
    /// Length of [`to_bytes`](Self::to_bytes).
    pub const LEN: usize = 64;

    /// The signature with these r and s.
    ///
    /// # Errors
    /// [`KeyError::Signature`] unless both lie between 1 and the group order.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, KeyError> {
        p256::ecdsa::Signature::from_slice(bytes).map(Self).map_err(|_| KeyError::Signature)
    }

    /// The signature in DER (ASN.1), as X.509 and most foreign formats carry it.
    ///
    /// # Errors
    /// [`KeyError::Signature`] for anything but strict DER with r and s in range.
    pub fn from_der(bytes: &[u8]) -> Result<Self, KeyError> {
        p256::ecdsa::Signature::from_der(bytes).map(Self).map_err(|_| KeyError::Signature)
    }

    /// r and s, 32 bytes big-endian each.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0.to_bytes().into()
    }
}
