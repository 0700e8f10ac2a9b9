//! Ciphertexts: two polynomials, the key they belong to, and the bound on their noise.

use crate::key::{CommitteeKey, KeyId, MAX_POLY};
use crate::noise::Noise;
use crate::ring;
use fhe::bfv;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use num_bigint::BigUint;
use sha2::{Digest, Sha256};
use std::fmt;

/// Why a ciphertext cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CiphertextError {
    /// It was made under another committee's key: another study, or an earlier ceremony.
    #[error("the ciphertext belongs to another key ({found:?} instead of {expected:?})")]
    Key {
        /// The key at hand.
        expected: KeyId,
        /// The key it names.
        found: KeyId,
    },
    /// Its polynomials are not of the key's ring.
    #[error("the polynomials of the ciphertext are not of the key's ring")]
    Ring,
}

/// A block of `degree` encrypted slots. Always two parts: products are relinearised where they are made.
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext {
    key: KeyId,
    noise: Noise,
    pub(crate) inner: bfv::Ciphertext,
}

impl Ciphertext {
    pub(crate) fn assemble(key: KeyId, noise: Noise, inner: bfv::Ciphertext) -> Self {
        Self { key, noise, inner }
    }

    /// The key it belongs to.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// The bound on its noise, carried along by every operation.
    #[must_use]
    pub const fn noise(&self) -> &Noise {
        &self.noise
    }

    pub(crate) fn set_noise(&mut self, noise: Noise) {
        self.noise = noise;
    }

    /// The two polynomials, packed.
    fn packed(&self, key: &CommitteeKey) -> [Vec<u8>; 2] {
        let degree = key.parameters().slots_per_block();
        let mut parts = self.inner.iter().map(|p| ring::pack(p, degree));
        [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()]
    }

    /// SHA-256 of key and polynomials: the ciphertext's name in requests and in the store of partial decryptions.
    #[must_use]
    pub fn digest(&self, key: &CommitteeKey) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/ciphertext/v1\0");
        hash.update(self.key.0);
        for part in self.packed(key) {
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// The form that is stored and sent.
    #[must_use]
    pub fn to_encoded(&self, key: &CommitteeKey) -> EncodedCiphertext {
        EncodedCiphertext { key: self.key, noise: self.noise.clone(), parts: self.packed(key) }
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ciphertext").field("key", &self.key).field("noise_bits", &self.noise.bits()).finish()
    }
}

/// A ciphertext as bytes. [`CommitteeKey::load`] makes it usable, under the key it names only.
///
/// The noise bound it carries is the word of whoever computed it. A member that decides what to open evaluates the plan
/// itself and uses the bound that comes out there.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedCiphertext {
    key: KeyId,
    noise: Noise,
    parts: [Vec<u8>; 2],
}

impl EncodedCiphertext {
    /// The key it names.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.key
    }

    pub(crate) fn load(&self, key: &CommitteeKey) -> Result<Ciphertext, CiphertextError> {
        if self.key != key.id() {
            return Err(CiphertextError::Key { expected: key.id(), found: self.key });
        }
        let parameters = key.parameters();
        let (context, degree) = (parameters.context(), parameters.slots_per_block());
        let polys = self.parts.iter().map(|p| ring::unpack(p, context, degree)).collect::<Option<Vec<_>>>();
        let polys = polys.ok_or(CiphertextError::Ring)?;
        let inner = bfv::Ciphertext::new(polys, parameters.bfv()).map_err(|_| CiphertextError::Ring)?;
        // Less than a fresh ciphertext can have is not believed.
        let noise = self.noise.clone().max(key.noise().fresh());
        Ok(Ciphertext::assemble(self.key, noise, inner))
    }
}

impl fmt::Debug for EncodedCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedCiphertext").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Wire for EncodedCiphertext {
    const TYPE: ObjectType = ObjectType::FheCiphertext;
    const MAX_BODY: usize = 2 * MAX_POLY + 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.key.0).bytes(&self.noise.0.to_bytes_be());
        e.list(&self.parts, |e, part| {
            e.bytes(part);
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let key = KeyId(d.byte_array()?);
        let noise = d.bytes(128)?;
        if matches!(noise.first(), None | Some(0)) {
            return Err(d.invalid("a noise bound is a positive number without leading zeros"));
        }
        let noise = Noise(BigUint::from_bytes_be(noise));
        let parts = d.list(3, |d| Ok(d.bytes(MAX_POLY)?.to_vec()))?;
        let parts = parts.try_into().map_err(|_| d.invalid("a ciphertext has two parts"))?;
        Ok(Self { key, noise, parts })
    }
}
