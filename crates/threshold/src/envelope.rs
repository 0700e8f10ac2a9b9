//! How a share travels on a public board: encrypted to one member's key of the epoch, in such a way that the member can
//! later show everybody what was in it, and only that.
//!
//! The shape is that of RFC 9180's base mode over G1: the sender's ephemeral R = r G, the receiver's E = e G, the shared
//! Z = e R; key = HKDF-SHA256(Z; label, session, sender, receiver, R, E) for one ChaCha20-Poly1305 encryption. One
//! ephemeral serves all receivers of a message (Kurosawa 2002; Bellare, Boldyreva, Staddon 2003). The `hpke` crate cannot
//! serve here, because it keeps Z to itself.
//!
//! A receiver who was cheated publishes Z with a proof that it is e R ([`Disclosure`]). Then anybody reruns the key
//! schedule. A ciphertext that fails to authenticate under the right Z is the sender's fault: nobody but the sender
//! chose it, and the sender signed it.
//!
//! Both R and E carry proofs of knowledge bound to session and owner. Without the one for R, a cheating dealer could copy
//! an honest dealer's R, provoke a complaint, and read from the disclosed Z a share of the honest dealer.

use crate::algebra::{SCALAR_LEN, Secret, base_mul, decode_point, encode_point, mul};
use crate::proof::{Equality, Fields, Proof};
use blstrs::G1Affine;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Tag};
use hkdf::Hkdf;
use mediveil_codec::{DecodeError, Decoder, Encoder};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of an encrypted scalar.
pub(crate) const SEALED_LEN: usize = SCALAR_LEN + 16;

/// A scalar, encrypted.
pub(crate) type SealedScalar = [u8; SEALED_LEN];

/// Who sends what to whom: everything that one encryption is bound to but the keys.
#[derive(Clone, Copy)]
pub(crate) struct Route<'a> {
    /// The use: dealing, or one of the steps of a repair.
    pub(crate) label: &'static str,
    pub(crate) session: &'a [u8; 32],
    pub(crate) sender: u16,
    pub(crate) receiver: u16,
    pub(crate) ephemeral: &'a G1Affine,
    pub(crate) to: &'a G1Affine,
}

impl Route<'_> {
    fn fields(&self) -> Fields {
        Fields::new(self.label)
            .add(self.session)
            .add(&self.sender.to_be_bytes())
            .add(&self.receiver.to_be_bytes())
            .point(self.ephemeral)
            .point(self.to)
    }

    fn cipher(&self, shared: &G1Affine) -> (ChaCha20Poly1305, [u8; 32]) {
        let info = self.fields().finish();
        let secret = Zeroizing::new(shared.to_compressed());
        let mut key = Zeroizing::new([0; 32]);
        let expanded =
            Hkdf::<Sha256>::new(Some(b"mediveil/threshold/envelope/v1"), &*secret).expand(&info, key.as_mut());
        debug_assert!(expanded.is_ok());
        (ChaCha20Poly1305::new((&*key).into()), info)
    }

    /// Encrypts a scalar. `ephemeral_secret` is r.
    pub(crate) fn seal(&self, scalar: &Secret, ephemeral_secret: &Secret) -> SealedScalar {
        let (cipher, info) = self.cipher(&mul(self.to, &ephemeral_secret.0));
        let mut out = [0; SEALED_LEN];
        if let Some((body, tag_at)) = out.split_first_chunk_mut::<SCALAR_LEN>() {
            body.copy_from_slice(&*scalar.to_bytes());
            // The key is used once. Encryption of 32 bytes cannot fail.
            match cipher.encrypt_inout_detached(&[0; 12].into(), &info, body.as_mut_slice().into()) {
                Ok(tag) => tag_at.copy_from_slice(&tag),
                Err(_) => body.zeroize(),
            }
        }
        out
    }

    /// Decrypts with the shared point: `None` if it does not authenticate, or holds no scalar.
    pub(crate) fn open(&self, sealed: &SealedScalar, shared: &G1Affine) -> Option<Secret> {
        let (cipher, info) = self.cipher(shared);
        let (body, tag) = sealed.split_first_chunk::<SCALAR_LEN>()?;
        let tag: &[u8; 16] = tag.try_into().ok()?;
        let tag: &Tag = tag.into();
        let mut body = Zeroizing::new(*body);
        cipher.decrypt_inout_detached(&[0; 12].into(), &info, body.as_mut_slice().into(), tag).ok()?;
        Secret::from_bytes(&body)
    }

    fn disclosure_context(&self) -> Fields {
        self.fields().add(b"disclosure")
    }

    /// The shared point, and the proof that it is the one.
    pub(crate) fn disclose(&self, key: &Secret, rng: &mut (impl CryptoRng + ?Sized)) -> Disclosure {
        let shared = mul(self.ephemeral, &key.0);
        let statement = Equality { public: self.to, base: self.ephemeral, image: &shared };
        let proof = Proof::of_equality(&self.disclosure_context(), &statement, key, rng);
        Disclosure { shared, proof }
    }

    /// Whether the disclosed point is the shared one.
    pub(crate) fn is_disclosed_by(&self, disclosure: &Disclosure) -> bool {
        let statement = Equality { public: self.to, base: self.ephemeral, image: &disclosure.shared };
        disclosure.proof.verify_equality(&self.disclosure_context(), &statement)
    }
}

/// The shared point of one encryption, published by its receiver, with the proof that it is the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disclosure {
    pub(crate) shared: G1Affine,
    proof: Proof,
}

impl Disclosure {
    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        e.array(3);
        encode_point(e, &self.shared);
        self.proof.encode(e);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { shared: decode_point(d)?, proof: Proof::decode(d)? })
    }
}

/// A public point with the proof that its owner knows the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedPoint {
    pub(crate) point: G1Affine,
    proof: Proof,
}

impl OwnedPoint {
    pub(crate) fn new(context: &Fields, secret: &Secret, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let point = base_mul(&secret.0);
        let proof = Proof::of_knowledge(context, &point, secret, rng);
        Self { point, proof }
    }

    pub(crate) fn verify(&self, context: &Fields) -> bool {
        self.proof.verify_knowledge(context, &self.point)
    }

    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        e.array(3);
        encode_point(e, &self.point);
        self.proof.encode(e);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { point: decode_point(d)?, proof: Proof::decode(d)? })
    }
}

/// A member's encryption key of one epoch, secret half. It opens every share that was dealt to the member in that epoch,
/// so it must be destroyed with the epoch: a refresh is worth nothing against someone who keeps it. Wiped on drop.
pub struct EpochKey {
    pub(crate) secret: Secret,
}

impl EpochKey {
    pub(crate) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { secret: Secret::random(rng) }
    }

    pub(crate) fn public(&self) -> G1Affine {
        base_mul(&self.secret.0)
    }

    /// The shared point with a sender's ephemeral.
    pub(crate) fn shared(&self, ephemeral: &G1Affine) -> G1Affine {
        mul(ephemeral, &self.secret.0)
    }
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EpochKey")
    }
}
