//! ECDH on P-256 (NIST SP 800-56A rev. 3, §5.7.1.2), for protocols outside sealed files that want a shared secret.
//!
//! Points are valid by type: an [`EcdhPublicKey`] is on the curve and not the identity, and P-256 has cofactor one, so the
//! agreement itself cannot fail and cannot be led onto another curve. What comes out is the x coordinate, which is *not*
//! uniformly random: put it through a KDF together with both public keys.

use crate::identity::{KeyError, SealingKem, SealingKey, SealingPublicKey};
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::sec1::ToSec1Point;
use rand_core::CryptoRng;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret P-256 key for key agreement. Wiped on drop.
pub struct EcdhKey(pub(super) p256::SecretKey);

impl EcdhKey {
    /// A fresh key.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(p256::SecretKey::generate_from_rng(rng))
    }

    /// The key with this scalar, 32 bytes big-endian.
    ///
    /// # Errors
    /// [`KeyError::SecretKey`] for zero and for the group order and above.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        p256::SecretKey::from_slice(bytes).map(Self).map_err(|_| KeyError::SecretKey)
    }

    /// The scalar, 32 bytes big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The key that the other side needs.
    #[must_use]
    pub fn public(&self) -> EcdhPublicKey {
        EcdhPublicKey(self.0.public_key())
    }

    /// The x coordinate of the shared point, 32 bytes big-endian. Feed it to a KDF; it is no key by itself.
    #[must_use]
    pub fn agree(&self, peer: &EcdhPublicKey) -> Zeroizing<[u8; 32]> {
        let shared = self.0.diffie_hellman(&peer.0);
        Zeroizing::new((*shared.raw_secret_bytes()).into())
    }
}

impl ConstantTimeEq for EcdhKey {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.to_bytes().ct_eq(&*other.to_bytes())
    }
}

impl fmt::Debug for EcdhKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EcdhKey")
    }
}

/// The same scalar as an HPKE key of DHKEM(P-256).
impl TryFrom<&EcdhKey> for SealingKey {
    type Error = KeyError;
    fn try_from(key: &EcdhKey) -> Result<Self, KeyError> {
        Self::from_bytes(SealingKem::P256, &*key.to_bytes())
    }
}

/// Only keys of [`SealingKem::P256`] are scalars of P-256.
impl TryFrom<&SealingKey> for EcdhKey {
    type Error = KeyError;
    fn try_from(key: &SealingKey) -> Result<Self, KeyError> {
        if key.kem() != SealingKem::P256 {
            return Err(KeyError::SecretKey);
        }
        p256::SecretKey::from_slice(&key.to_bytes()).map(Self).map_err(|_| KeyError::SecretKey)
    }
}

/// A public P-256 key for key agreement: a point on the curve, not the identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EcdhPublicKey(pub(super) p256::PublicKey);

impl EcdhPublicKey {
    /// Length of [`to_sec1`](Self::to_sec1) in bytes.
    pub const LEN: usize = 33;

    /// The key at this point: SEC1, compressed or uncompressed, never the identity.
    ///
    /// # Errors
    /// [`KeyError::PublicKey`] for anything else.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, KeyError> {
        // The hybrid forms 06 and 07 and the compact form 05 are legal SEC1 and have no use here.
        match bytes.first() {
            Some(2..=4) => p256::PublicKey::from_sec1_bytes(bytes).map(Self).map_err(|_| KeyError::PublicKey),
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
}

impl fmt::Debug for EcdhPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EcdhPublicKey(")?;
        self.to_sec1().iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str(")")
    }
}

/// Only keys of [`SealingKem::P256`] are points of P-256.
impl TryFrom<&SealingPublicKey> for EcdhPublicKey {
    type Error = KeyError;
    fn try_from(key: &SealingPublicKey) -> Result<Self, KeyError> {
        match key.kem() {
            SealingKem::P256 => Self::from_sec1(&key.to_bytes()),
            SealingKem::XWing => Err(KeyError::PublicKey),
        }
    }
}

impl TryFrom<&EcdhPublicKey> for SealingPublicKey {
    type Error = KeyError;
    fn try_from(key: &EcdhPublicKey) -> Result<Self, KeyError> {
        Self::from_bytes(SealingKem::P256, key.0.to_sec1_point(false).as_bytes())
    }
}
