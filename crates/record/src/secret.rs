//! The secret behind a commitment: what keeps leaves apart from guesses.

use crate::Digest;
use ark_bn254::Fr;
use ark_ff::PrimeField as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

const SALT_LABEL: &[u8] = b"mediveil/record/salt/v1";
const CHILD_LABEL: &[u8] = b"mediveil/record/child/v1";

/// 32 secret bytes from which every leaf's salt is derived.
///
/// The salt of a leaf is HMAC-SHA256(secret, label || 0 || digest || index) reduced modulo the field's order, where digest
/// is that of the whole resource. So one opened leaf, salt included, says nothing about the salt of another, in the same
/// resource or in another version of it, as long as HMAC-SHA256 is a pseudorandom function. The same secret and the same
/// resource give the same commitment: take a fresh secret where two commitments must not be linkable.
///
/// Whoever has the secret can test guesses about every leaf. Wiped on drop, compared in constant time, not `Copy`; `Debug`
/// prints the type's name only.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecordSecret([u8; Self::LEN]);

impl RecordSecret {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A fresh random secret.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut secret = Self([0; Self::LEN]);
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// The secret with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The secret's bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The secret of the resource at this place of a bundle. It can be handed on alone: it opens that resource and tells
    /// nothing of the others.
    #[must_use]
    pub fn child(&self, position: u32) -> Self {
        Self(self.derive(CHILD_LABEL, &[&position.to_be_bytes()]))
    }

    /// The salt of one leaf.
    pub(crate) fn salt(&self, resource: &Digest, index: u32) -> Fr {
        let mut bytes = self.derive(SALT_LABEL, &[resource.as_bytes(), &index.to_be_bytes()]);
        let salt = Fr::from_be_bytes_mod_order(&bytes);
        bytes.zeroize();
        salt
    }

    fn derive(&self, label: &[u8], context: &[&[u8]]) -> [u8; 32] {
        // HMAC pads a key to its hash's block of 64 bytes with zeros.
        let mut key = [0; 64];
        for (to, from) in key.iter_mut().zip(self.0) {
            *to = from;
        }
        let mut mac = Hmac::<Sha256>::new(&key.into());
        key.zeroize();
        mac.update(label);
        mac.update(&[0]);
        context.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

impl ConstantTimeEq for RecordSecret {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.ct_eq(&other.0)
    }
}

impl std::fmt::Debug for RecordSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordSecret")
    }
}

impl Wire for RecordSecret {
    const TYPE: ObjectType = ObjectType::RecordSecret;
    const MAX_BODY: usize = 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.bytes(&self.0);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.byte_array().map(Self)
    }
}
