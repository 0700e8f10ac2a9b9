//! The public half of an identity.

use crate::identity::{EcdhPublicKey, KeyError, SealingKem, SealingPublicKey, Signature, SigningKey, VerifyingKey};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;

/// Purpose of the signature that ties an identity's keys together.
const BINDING: &str = "identity/binding/v1";

/// What others hold of an [`Identity`](crate::identity::Identity): the key that verifies its signatures and the keys that
/// files are sealed for.
///
/// The signing key has signed the sealing keys, and that signature is checked wherever one of these is made or decoded:
/// nobody can put their own sealing key beside another's verifying key. That the whole belongs to a person is for the
/// holder to find out, by comparing [`fingerprint`](Self::fingerprint) over another channel.
///
/// The P-256 sealing key is always there; the X-Wing key is there in hybrid identities.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    verifying: VerifyingKey,
    ecdh: EcdhPublicKey,
    p256: SealingPublicKey,
    xwing: Option<SealingPublicKey>,
    binding: Signature,
}

/// The signed bytes: each part has one length, so the string reads in one way.
fn binding_message(verifying: &VerifyingKey, ecdh: &EcdhPublicKey, xwing: Option<&SealingPublicKey>) -> Vec<u8> {
    let mut message = [verifying.to_sec1(), ecdh.to_sec1()].concat();
    if let Some(key) = xwing {
        message.extend_from_slice(&key.to_bytes());
    }
    message
}

impl PublicIdentity {
    /// Signs the keys together. `xwing`, if it is there, must be a key of [`SealingKem::XWing`].
    pub(super) fn bind(
        signing: &SigningKey,
        ecdh: EcdhPublicKey,
        xwing: Option<SealingPublicKey>,
    ) -> Result<Self, KeyError> {
        let verifying = signing.verifying_key();
        let binding = signing.sign(BINDING, &binding_message(&verifying, &ecdh, xwing.as_ref()));
        Self::new(verifying, ecdh, xwing, binding)
    }

    fn new(
        verifying: VerifyingKey,
        ecdh: EcdhPublicKey,
        xwing: Option<SealingPublicKey>,
        binding: Signature,
    ) -> Result<Self, KeyError> {
        if xwing.as_ref().is_some_and(|key| key.kem() != SealingKem::XWing) {
            return Err(KeyError::PublicKey);
        }
        verifying.verify(BINDING, &binding_message(&verifying, &ecdh, xwing.as_ref()), &binding)?;
        let p256 = SealingPublicKey::try_from(&ecdh)?;
        Ok(Self { verifying, ecdh, p256, xwing, binding })
    }

    /// The key that verifies this identity's signatures.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The P-256 sealing key as a key for ECDH.
    #[must_use]
    pub const fn ecdh_key(&self) -> &EcdhPublicKey {
        &self.ecdh
    }

    /// The sealing key of this mechanism, if the identity has one.
    #[must_use]
    pub const fn sealing_key(&self, kem: SealingKem) -> Option<&SealingPublicKey> {
        match kem {
            SealingKem::P256 => Some(&self.p256),
            SealingKem::XWing => self.xwing.as_ref(),
        }
    }

    /// The sealing key to use: X-Wing where there is one, otherwise P-256.
    #[must_use]
    pub fn preferred_sealing_key(&self) -> &SealingPublicKey {
        self.xwing.as_ref().unwrap_or(&self.p256)
    }

    /// Whether files for this identity are safe from quantum computers too.
    #[must_use]
    pub const fn is_hybrid(&self) -> bool {
        self.xwing.is_some()
    }

    /// SHA-256 over all public keys: the name of this identity where a program needs one. It does not cover the binding
    /// signature.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/identity/id/v1\0");
        hash.update(binding_message(&self.verifying, &self.ecdh, self.xwing.as_ref()));
        hash.finalize().into()
    }

    /// The first 16 bytes of [`id`](Self::id) in hexadecimal, for people to compare.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.id().iter().take(16).map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Debug for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicIdentity({})", self.fingerprint())
    }
}

/// Lists of people in other objects: who belongs to a committee, which sites there are.
impl PublicIdentity {
    /// Bytes of one framed identity in a list, at most.
    const MAX_ITEM: usize = 2048;

    /// Writes identities as one item of a body, in order.
    pub fn encode_list(e: &mut Encoder<'_>, identities: &[Self]) {
        e.list(identities, |e, identity| {
            e.bytes(&identity.encode());
        });
    }

    /// Reads one identity of a body, in a list of [`encode_list`](Self::encode_list) or by itself.
    ///
    /// # Errors
    /// [`DecodeError`] for what is no public identity.
    pub fn decode_item(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let bytes = d.bytes(Self::MAX_ITEM)?;
        Self::decode(bytes).map_err(|_| d.invalid("not a public identity"))
    }

    /// Whether nobody is in a list twice.
    #[must_use]
    pub fn all_differ(identities: &[Self]) -> bool {
        identities.iter().map(Self::id).collect::<BTreeSet<_>>().len() == identities.len()
    }

    /// The place in a list, from 0, of whoever has this identity.
    #[must_use]
    pub fn place_in(&self, identities: &[Self]) -> Option<u32> {
        u32::try_from(identities.iter().position(|other| other.id() == self.id())?).ok()
    }
}

impl Wire for PublicIdentity {
    const TYPE: ObjectType = ObjectType::PublicIdentity;
    const MAX_BODY: usize = 1536;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.verifying.to_sec1()).bytes(&self.ecdh.to_sec1());
        e.option(self.xwing.as_ref(), |e, key| {
            e.bytes(&key.to_bytes());
        });
        e.bytes(&self.binding.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let verifying = d.byte_array::<{ VerifyingKey::LEN }>()?;
        let verifying = VerifyingKey::from_sec1(&verifying).map_err(|_| d.invalid("not a P-256 public key"))?;
        let ecdh = d.byte_array::<{ EcdhPublicKey::LEN }>()?;
        let ecdh = EcdhPublicKey::from_sec1(&ecdh).map_err(|_| d.invalid("not a P-256 public key"))?;
        let xwing = d.option(|d| {
            let key = d.bytes(SealingKem::XWing.public_len())?;
            SealingPublicKey::from_bytes(SealingKem::XWing, key).map_err(|_| d.invalid("not an X-Wing public key"))
        })?;
        let binding = d.byte_array::<{ Signature::LEN }>()?;
        let binding = Signature::from_bytes(&binding).map_err(|_| d.invalid("not a P-256 signature"))?;
        Self::new(verifying, ecdh, xwing, binding)
            .map_err(|_| d.invalid("the keys are not signed by their signing key"))
    }
}
