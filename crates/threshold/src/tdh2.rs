//! Encryption to a committee's key: TDH2 as a key encapsulation (Shoup and Gennaro, *Securing Threshold Cryptosystems
//! against Chosen Ciphertext Attack*, J. Cryptology 2002, section 5), in G1.
//!
//! - **Encapsulate** under X = x G with associated data L: r, s random; u = r G, v = r H for a second generator H; the
//!   proof (e, f) that u and v have one logarithm, bound to the key and L; the key is KDF(r X; key, L, ciphertext).
//! - **Anybody** can check the proof, so a member never works on a ciphertext that its maker did not know the secret of.
//!   That is where the security against chosen ciphertexts comes from; a transformation that decrypts first and checks
//!   afterwards (Fujisaki-Okamoto) would come too late, when the shares are already out.
//! - **A member's share** is `x_i u` with a proof that its logarithm is that of `x_i G`.
//! - **Combining** interpolates `needed` shares to x u, and checks the *result* with two pairings against the half of the key
//!   in G2: one check for all shares at once, and exact. Only if it fails are the proofs looked at, to name who was wrong.
//!   Members' numbers are small and public, so Lagrange's coefficients are taken as short integers over one factor.
//!
//! Security against chosen ciphertexts with up to `needed - 1` static corruptions, in the random-oracle model, under the
//! computational Diffie-Hellman assumption in G1 given x G2 (as for BLS signatures and the scheme of Baek and Zheng,
//! GLOBECOM 2003). The purpose of the key is in its [`id`](PublicKey::id), which all hashes take in: shares and
//! ciphertexts for one purpose, key or associated data are of no use for another.

use crate::algebra::{Secret, ShortWeights, base_mul, decode_point, encode_point, lagrange, linear_combination, mul};
use crate::proof::{Equality, Fields, Proof};
use crate::{KeyShare, MemberId, PublicKey, PublicKeySet};
use blstrs::{G1Affine, G1Projective, Scalar};
use ff::Field;
use hkdf::Hkdf;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;
use sha2::Sha256;
use std::fmt;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// The second generator H: a hash to G1 (RFC 9380), so that nobody knows its logarithm.
fn second_generator() -> &'static G1Affine {
    static H: OnceLock<G1Affine> = OnceLock::new();
    H.get_or_init(|| {
        const DST: &[u8] = b"MEDIVEIL-TDH2-V01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_";
        G1Projective::hash_to_curve(b"second generator", DST, &[]).into()
    })
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The ciphertext is for another key or other associated data, or was made wrongly.
    #[error("the ciphertext is for another key or context, or was changed")]
    Ciphertext,
    /// The share is of another key or epoch.
    #[error("this share belongs to another key or epoch")]
    OtherShare,
    /// Not exactly as many shares as are needed.
    #[error("{found} shares were given and exactly {needed} are needed")]
    Count {
        /// How many there are.
        found: usize,
        /// How many there must be.
        needed: u16,
    },
    /// Two shares are of one member.
    #[error("member {0} gave two shares")]
    Duplicate(MemberId),
    /// These members gave wrong shares: ask others.
    #[error("the shares of {} are wrong: ask other members", list(.0))]
    WrongShares(Vec<MemberId>),
}

fn list(members: &[MemberId]) -> String {
    members.iter().map(|id| format!("member {id}")).collect::<Vec<_>>().join(", ")
}

impl DecryptError {
    /// The members whose shares are wrong.
    #[must_use]
    pub fn culprits(&self) -> &[MemberId] {
        match self {
            Self::WrongShares(members) => members,
            _ => &[],
        }
    }
}

/// An encapsulated key. Whether it belongs to a key and to associated data is for [`check`](Self::check) to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    u: G1Affine,
    v: G1Affine,
    proof: EncapsulationProof,
}

/// The pair (e, f) of the paper.
#[derive(Clone, Debug, PartialEq, Eq)]
struct EncapsulationProof(Proof);

fn context(key: &PublicKey, associated: &[u8]) -> Fields {
    Fields::new("mediveil/threshold/tdh2/ciphertext/v1").add(&key.id()).add(associated)
}

/// The shared secret of an encapsulation or a decryption: 32 bytes, wiped on drop. Use it as the key of one AEAD.
pub type SharedKey = Zeroizing<[u8; 32]>;

/// A fresh key, and its encapsulation for the committee. `associated` is what the ciphertext belongs to: whoever checks or
/// opens it must give the same bytes.
pub fn encapsulate(key: &PublicKey, associated: &[u8], rng: &mut (impl CryptoRng + ?Sized)) -> (Ciphertext, SharedKey) {
    let r = Secret::random(rng);
    let h = second_generator();
    let (u, v) = (base_mul(&r.0), mul(h, &r.0));
    let statement = Equality { public: &u, base: h, image: &v };
    let proof = EncapsulationProof(Proof::of_equality(&context(key, associated), &statement, &r, rng));
    let ciphertext = Ciphertext { u, v, proof };
    let shared = derive(key, &ciphertext.digest(key, associated), &mul(&key.point, &r.0));
    (ciphertext, shared)
}

fn derive(key: &PublicKey, ciphertext: &[u8; 32], point: &G1Affine) -> SharedKey {
    let secret = Zeroizing::new(point.to_compressed());
    let mut out = Zeroizing::new([0; 32]);
    let info = [&key.id()[..], ciphertext].concat();
    let expanded = Hkdf::<Sha256>::new(Some(b"mediveil/threshold/tdh2/key/v1"), &*secret).expand(&info, out.as_mut());
    debug_assert!(expanded.is_ok());
    out
}

impl Ciphertext {
    fn digest(&self, key: &PublicKey, associated: &[u8]) -> [u8; 32] {
        context(key, associated).add(&self.encode()).finish()
    }

    /// Checks that the ciphertext was made for this key and these associated data, by someone who knew what is in it.
    ///
    /// # Errors
    /// [`DecryptError::Ciphertext`] otherwise.
    pub fn check(&self, key: &PublicKey, associated: &[u8]) -> Result<CheckedCiphertext, DecryptError> {
        let statement = Equality { public: &self.u, base: second_generator(), image: &self.v };
        if !self.proof.0.verify_equality(&context(key, associated), &statement) {
            return Err(DecryptError::Ciphertext);
        }
        Ok(CheckedCiphertext { u: self.u, digest: self.digest(key, associated), key: key.clone() })
    }
}

impl Wire for Ciphertext {
    const TYPE: ObjectType = ObjectType::ThresholdCiphertext;
    const MAX_BODY: usize = 256;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4);
        encode_point(e, &self.u);
        encode_point(e, &self.v);
        self.proof.0.encode(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        Ok(Self { u: decode_point(d)?, v: decode_point(d)?, proof: EncapsulationProof(Proof::decode(d)?) })
    }
}

/// A ciphertext that was checked for a key and associated data: what members work on.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckedCiphertext {
    u: G1Affine,
    digest: [u8; 32],
    key: PublicKey,
}

impl CheckedCiphertext {
    /// SHA-256 over key, associated data and ciphertext.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    fn share_context(&self, set: &[u8; 32], member: MemberId) -> Fields {
        Fields::new("mediveil/threshold/tdh2/share/v1").add(set).add(&member.get().to_be_bytes()).add(&self.digest)
    }
}

impl fmt::Debug for CheckedCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CheckedCiphertext")
    }
}

/// One member's share of one decryption, with its proof. Bound to the ciphertext with its key, purpose and associated data,
/// and to the epoch. `needed` of them open the ciphertext, so send it to nobody but the one who may read.
#[derive(Clone, PartialEq, Eq)]
pub struct DecryptionShare {
    member: MemberId,
    point: G1Affine,
    proof: Proof,
}

impl DecryptionShare {
    /// Whose it is.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    /// Whether the share is right.
    #[must_use]
    pub fn verify(&self, set: &PublicKeySet, ciphertext: &CheckedCiphertext) -> bool {
        self.verify_for(&set.digest(), set, ciphertext)
    }

    fn verify_for(&self, digest: &[u8; 32], set: &PublicKeySet, ciphertext: &CheckedCiphertext) -> bool {
        let Some(public) = set.verification(self.member) else { return false };
        let statement = Equality { public, base: &ciphertext.u, image: &self.point };
        *set.key() == ciphertext.key
            && self.proof.verify_equality(&ciphertext.share_context(digest, self.member), &statement)
    }
}

impl fmt::Debug for DecryptionShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionShare({})", self.member)
    }
}

impl Wire for DecryptionShare {
    const TYPE: ObjectType = ObjectType::DecryptionShare;
    const MAX_BODY: usize = 160;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4);
        self.member.encode(e);
        encode_point(e, &self.point);
        self.proof.encode(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        Ok(Self { member: MemberId::decode(d)?, point: decode_point(d)?, proof: Proof::decode(d)? })
    }
}

impl KeyShare {
    /// This member's share of a decryption.
    ///
    /// # Errors
    /// [`DecryptError::OtherShare`] if this is no share of the set, or the ciphertext is for another key.
    pub fn decrypt(
        &self,
        set: &PublicKeySet,
        ciphertext: &CheckedCiphertext,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<DecryptionShare, DecryptError> {
        let public = set.verification(self.member).ok_or(DecryptError::OtherShare)?;
        if *set.key() != ciphertext.key || self.set != set.digest() {
            return Err(DecryptError::OtherShare);
        }
        let point = mul(&ciphertext.u, &self.secret.0);
        let statement = Equality { public, base: &ciphertext.u, image: &point };
        let context = ciphertext.share_context(&self.set, self.member);
        let proof = Proof::of_equality(&context, &statement, &self.secret, rng);
        Ok(DecryptionShare { member: self.member, point, proof })
    }
}

/// The key in a ciphertext, from exactly as many shares as are needed. The result is checked; no share needs to be checked
/// before.
///
/// # Errors
/// [`DecryptError::Count`] and [`DecryptError::Duplicate`] for another number of members;
/// [`DecryptError::WrongShares`] names those whose shares are wrong.
pub fn combine(
    set: &PublicKeySet,
    ciphertext: &CheckedCiphertext,
    shares: &[DecryptionShare],
) -> Result<SharedKey, DecryptError> {
    if *set.key() != ciphertext.key {
        return Err(DecryptError::Ciphertext);
    }
    let point = interpolate(set, shares)?;
    if set.key().is_power(&ciphertext.u, &point) {
        return Ok(derive(set.key(), &ciphertext.digest, &point));
    }
    let digest = set.digest();
    let wrong = shares.iter().filter(|s| !s.verify_for(&digest, set, ciphertext)).map(DecryptionShare::member);
    Err(DecryptError::WrongShares(wrong.collect()))
}

/// The key from shares of which each was [verified](DecryptionShare::verify) before: without a check of its own. With a
/// wrong share the key is wrong.
///
/// # Errors
/// As [`combine`], but for the wrong shares.
pub fn combine_verified(
    set: &PublicKeySet,
    ciphertext: &CheckedCiphertext,
    shares: &[DecryptionShare],
) -> Result<SharedKey, DecryptError> {
    if *set.key() != ciphertext.key {
        return Err(DecryptError::Ciphertext);
    }
    Ok(derive(set.key(), &ciphertext.digest, &interpolate(set, shares)?))
}

fn interpolate(set: &PublicKeySet, shares: &[DecryptionShare]) -> Result<G1Affine, DecryptError> {
    let needed = set.committee().needed();
    if shares.len() != usize::from(needed) {
        return Err(DecryptError::Count { found: shares.len(), needed });
    }
    let members: Vec<MemberId> = shares.iter().map(DecryptionShare::member).collect();
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = members.iter().find(|id| !seen.insert(**id)) {
        return Err(DecryptError::Duplicate(*twice));
    }
    let strangers: Vec<_> = members.iter().copied().filter(|id| set.verification(*id).is_none()).collect();
    if !strangers.is_empty() {
        return Err(DecryptError::WrongShares(strangers));
    }
    if let Some(weights) = ShortWeights::new(&members) {
        let points = shares.iter().map(|share| share.point);
        let terms: Vec<_> =
            points.zip(weights.integers).map(|(p, (negative, k))| (if negative { -p } else { p }, k)).collect();
        let sum = linear_combination(&Scalar::ZERO, &terms).into();
        return Ok(if weights.factor == Scalar::ONE { sum } else { mul(&sum, &weights.factor) });
    }
    let coefficients = lagrange(&members, 0).unwrap_or_default();
    let terms: Vec<_> = shares.iter().map(|s| s.point).zip(coefficients).collect();
    Ok(linear_combination(&Scalar::ZERO, &terms).into())
}
