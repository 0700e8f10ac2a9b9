//! The secret half of an identity.

use crate::identity::{
    EcdhKey, EcdhPublicKey, KeyError, PublicIdentity, SealingKem, SealingKey, Signature, SigningKey,
};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What an identity is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityKind {
    /// Signing and sealing on P-256.
    P256,
    /// The same, and a second sealing key of X-Wing: files sealed for it stay shut to quantum computers. Signatures stay
    /// on P-256, because a signature is checked today and a file may be kept for later.
    Hybrid,
}

/// A person's or a system's secret keys. Wiped on drop.
///
/// Signing and sealing are separate keys, so that handing one over (to an escrow, to a device) does not hand over the
/// other.
pub struct Identity {
    signing: SigningKey,
    ecdh: EcdhKey,
    p256: SealingKey,
    xwing: Option<SealingKey>,
    public: PublicIdentity,
}

impl Identity {
    /// A fresh identity.
    ///
    /// # Errors
    /// [`KeyError::Format`] if the generator repeats itself, so that signing and sealing keys came out equal.
    pub fn generate(kind: IdentityKind, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, KeyError> {
        let signing = SigningKey::generate(rng);
        let ecdh = EcdhKey::generate(rng);
        let xwing = match kind {
            IdentityKind::P256 => None,
            IdentityKind::Hybrid => Some(SealingKey::generate(SealingKem::XWing, rng)),
        };
        Self::from_keys(signing, ecdh, xwing)
    }

    /// The identity of these keys, for keys that were made elsewhere (PKCS#8 or JWK files). Making one signs the sealing
    /// keys with the signing key.
    ///
    /// # Errors
    /// [`KeyError::Format`] if signing and sealing share one key; [`KeyError::SecretKey`] if `xwing` is a key of another
    /// mechanism.
    pub fn from_keys(signing: SigningKey, sealing: EcdhKey, xwing: Option<SealingKey>) -> Result<Self, KeyError> {
        if bool::from(signing.to_bytes().ct_eq(&*sealing.to_bytes())) {
            return Err(KeyError::Format("signing and sealing need two keys, and these are one"));
        }
        if xwing.as_ref().is_some_and(|key| key.kem() != SealingKem::XWing) {
            return Err(KeyError::SecretKey);
        }
        let p256 = SealingKey::try_from(&sealing)?;
        let public = PublicIdentity::bind(&signing, sealing.public(), xwing.as_ref().map(SealingKey::public))?;
        Ok(Self { signing, ecdh: sealing, p256, xwing, public })
    }

    /// What others may hold of it.
    #[must_use]
    pub const fn public(&self) -> &PublicIdentity {
        &self.public
    }

    /// What it is made of.
    #[must_use]
    pub const fn kind(&self) -> IdentityKind {
        if self.xwing.is_some() { IdentityKind::Hybrid } else { IdentityKind::P256 }
    }

    /// The signing key.
    #[must_use]
    pub const fn signing_key(&self) -> &SigningKey {
        &self.signing
    }

    /// The P-256 sealing key as a key for ECDH and for export.
    #[must_use]
    pub const fn ecdh_key(&self) -> &EcdhKey {
        &self.ecdh
    }

    /// The sealing key of this mechanism, if the identity has one.
    #[must_use]
    pub const fn sealing_key(&self, kem: SealingKem) -> Option<&SealingKey> {
        match kem {
            SealingKem::P256 => Some(&self.p256),
            SealingKem::XWing => self.xwing.as_ref(),
        }
    }

    /// Signs `message` for `purpose`; see [`SigningKey::sign`].
    #[must_use]
    pub fn sign(&self, purpose: &'static str, message: &[u8]) -> Signature {
        self.signing.sign(purpose, message)
    }

    /// ECDH of the P-256 sealing key with a peer's; see [`EcdhKey::agree`].
    #[must_use]
    pub fn ecdh(&self, peer: &EcdhPublicKey) -> Zeroizing<[u8; 32]> {
        self.ecdh.agree(peer)
    }
}

impl ConstantTimeEq for Identity {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        let xwing = match (&self.xwing, &other.xwing) {
            (Some(a), Some(b)) => a.ct_eq(b),
            (a, b) => subtle::Choice::from(u8::from(a.is_none() && b.is_none())),
        };
        self.signing.to_bytes().ct_eq(&*other.signing.to_bytes()) & self.ecdh.ct_eq(&other.ecdh) & xwing
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// The secret keys and, as a check against damage, the [`PublicIdentity::id`] of their public halves.
impl Wire for Identity {
    const TYPE: ObjectType = ObjectType::Identity;
    const MAX_BODY: usize = 256;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&*self.signing.to_bytes()).bytes(&*self.ecdh.to_bytes());
        e.option(self.xwing.as_ref(), |e, key| {
            e.bytes(&key.to_bytes());
        });
        e.bytes(&self.public.id());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let bytes = Zeroizing::new(d.byte_array::<32>()?);
        let signing = SigningKey::from_bytes(&bytes).map_err(|_| d.invalid("not a P-256 secret key"))?;
        let bytes = Zeroizing::new(d.byte_array::<32>()?);
        let ecdh = EcdhKey::from_bytes(&bytes).map_err(|_| d.invalid("not a P-256 secret key"))?;
        let xwing = d.option(|d| {
            let seed = d.bytes(SealingKem::SECRET_LEN)?;
            SealingKey::from_bytes(SealingKem::XWing, seed).map_err(|_| d.invalid("not an X-Wing secret key"))
        })?;
        let id = d.byte_array::<32>()?;
        let identity = Self::from_keys(signing, ecdh, xwing).map_err(|_| d.invalid("the keys make no identity"))?;
        if identity.public.id() != id {
            return Err(d.invalid("the secret keys do not match their public halves"));
        }
        Ok(identity)
    }
}
