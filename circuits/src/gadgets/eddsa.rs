//! `EdDSA` on BabyJubJub with Poseidon, in circomlib's convention (`EdDSAPoseidonVerifier`), natively and in a circuit.
//!
//! A signature (R, S) on a field element M under the key A satisfies S B = R + h (8 A) with h = Poseidon(R, A, M) and B
//! circomlib's `Base8`. Both sides of this module require what circomlib leaves open or spreads over templates:
//! A and R lie on the curve, 8 A is not the identity (small-order keys are refused) and S < l (one S a signature).
//! A signature cannot have an R outside the prime-order subgroup, since S B and h (8 A) lie in it.
//!
//! The hash carries no domain tag, as circomlib's has none; what is signed must be a tagged hash itself. Nonces are
//! SHA-256 over the secret key, fresh randomness and the message, so neither a repeated nor a weak generator leaks the key.

use super::babyjubjub::{
    Point, add, clear_cofactor, equal, has_prime_order, mul_base, mul_hash, on_curve, scalar_bits,
};
use super::poseidon::hash5;
use crate::field_bytes;
use crate::r1cs::{Builder, Num};
use ark_bn254::Fr;
use ark_ec::{AffineRepr as _, CurveGroup as _, PrimeGroup as _};
use ark_ff::{BigInteger as _, PrimeField as _, Zero as _};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_record::field::Tag;
use mediveil_record::poseidon;
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha512};
use taceo_ark_babyjubjub::{EdwardsAffine, EdwardsProjective, Fr as Scalar};
use zeroize::Zeroize as _;

/// A provider's secret signing key: a scalar from 1 to l - 1. Wiped on drop.
#[derive(Clone)]
pub struct SigningKey(Scalar);

impl SigningKey {
    /// A fresh random key.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        loop {
            let mut bytes = [0; 64];
            rng.fill_bytes(&mut bytes);
            let scalar = Scalar::from_le_bytes_mod_order(&bytes);
            bytes.zeroize();
            if !scalar.is_zero() {
                return Self(scalar);
            }
        }
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey((EdwardsProjective::generator() * self.0).into_affine())
    }

    /// Signs a field element, which must be a hash under a domain tag of its own.
    pub fn sign(&self, message: Fr, rng: &mut (impl CryptoRng + ?Sized)) -> Signature {
        let mut fresh = [0; 32];
        rng.fill_bytes(&mut fresh);
        let mut secret = self.0.into_bigint().to_bytes_be();
        let digest = Sha512::new_with_prefix(b"mediveil/eddsa/nonce/v1\0")
            .chain_update(&secret)
            .chain_update(fresh)
            .chain_update(field_bytes(&message))
            .finalize();
        secret.zeroize();
        let mut nonce = Scalar::from_le_bytes_mod_order(&digest);
        let r = (EdwardsProjective::generator() * nonce).into_affine();
        let h = challenge(&r, &self.public().0, message);
        let s = nonce + Scalar::from(8) * reduce(h) * self.0;
        nonce.zeroize();
        Signature { r, s }
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl Wire for SigningKey {
    const TYPE: ObjectType = ObjectType::ProviderKey;
    const MAX_BODY: usize = 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        let mut bytes = self.0.into_bigint().to_bytes_be();
        e.bytes(&bytes);
        bytes.zeroize();
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let scalar = scalar_from(&d.byte_array()?).filter(|s| !s.is_zero());
        scalar.map(Self).ok_or_else(|| d.invalid("not a secret key"))
    }
}

/// A provider's public key: a point of order l.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(EdwardsAffine);

impl PublicKey {
    /// The key with these coordinates; `None` unless they are a point of prime order.
    #[must_use]
    pub fn from_coordinates(x: Fr, y: Fr) -> Option<Self> {
        let point = EdwardsAffine::new_unchecked(x, y);
        has_prime_order(&point).then_some(Self(point))
    }

    /// The point.
    pub const fn point(&self) -> &EdwardsAffine {
        &self.0
    }

    /// Whether this is a signature of this key on the message.
    #[must_use]
    pub fn verify(&self, message: Fr, signature: &Signature) -> bool {
        verify(&self.0, message, &signature.r, signature.s)
    }
}

impl Wire for PublicKey {
    const TYPE: ObjectType = ObjectType::ProviderPublicKey;
    const MAX_BODY: usize = 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2).bytes(&field_bytes(&self.0.x)).bytes(&field_bytes(&self.0.y));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let (x, y) = (crate::decode_field(d)?, crate::decode_field(d)?);
        Self::from_coordinates(x, y).ok_or_else(|| d.invalid("not a point of prime order"))
    }
}

/// A signature: the point R and the scalar S < l.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    pub(crate) r: EdwardsAffine,
    pub(crate) s: Scalar,
}

impl Signature {
    /// The signature with these parts; `None` if R is off the curve or S is not below l.
    #[must_use]
    pub fn from_parts(rx: Fr, ry: Fr, s: &[u8; 32]) -> Option<Self> {
        let r = EdwardsAffine::new_unchecked(rx, ry);
        scalar_from(s).filter(|_| r.is_on_curve()).map(|s| Self { r, s })
    }

    /// S as an element of the circuit's field.
    #[must_use]
    pub fn s_element(&self) -> Fr {
        Fr::from_bigint(self.s.into_bigint()).unwrap_or_default()
    }

    /// R.
    pub const fn r_point(&self) -> &EdwardsAffine {
        &self.r
    }
}

impl Wire for Signature {
    const TYPE: ObjectType = ObjectType::ProviderSignature;
    const MAX_BODY: usize = 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&field_bytes(&self.r.x)).bytes(&field_bytes(&self.r.y));
        e.bytes(&field_bytes(&self.s_element()));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let (x, y) = (crate::decode_field(d)?, crate::decode_field(d)?);
        Self::from_parts(x, y, &d.byte_array()?).ok_or_else(|| d.invalid("not a signature"))
    }
}

fn scalar_from(bytes: &[u8; 32]) -> Option<Scalar> {
    let element = mediveil_record::field::from_bytes(bytes)?;
    Scalar::from_bigint(element.into_bigint())
}

/// The element as an integer, modulo l.
fn reduce(h: Fr) -> Scalar {
    Scalar::from_le_bytes_mod_order(&h.into_bigint().to_bytes_le())
}

fn challenge(r: &EdwardsAffine, a: &EdwardsAffine, message: Fr) -> Fr {
    poseidon::hash5(Tag::CIRCOMLIB, &[r.x, r.y, a.x, a.y, message])
}

/// The equation on points that need not be of prime order: the gadget's exact twin.
#[must_use]
pub fn verify(a: &EdwardsAffine, message: Fr, r: &EdwardsAffine, s: Scalar) -> bool {
    if !a.is_on_curve() || !r.is_on_curve() {
        return false;
    }
    let a8 = EdwardsProjective::from(*a) * Scalar::from(8);
    if a8.is_zero() {
        return false;
    }
    EdwardsProjective::generator() * s == a8 * reduce(challenge(r, a, message)) + r.into_group()
}

/// A signature and its key as witnesses.
#[derive(Clone, Debug)]
pub struct SignatureNums {
    /// The key.
    pub a: Point,
    /// R.
    pub r: Point,
    /// S.
    pub s: Num,
}

impl SignatureNums {
    /// Witnesses with these values.
    pub fn witness(cs: &mut Builder, a: &EdwardsAffine, r: &EdwardsAffine, s: Fr) -> Self {
        Self { a: Point::witness(cs, a), r: Point::witness(cs, r), s: cs.witness(s) }
    }
}

/// Refuses what is not a signature of `a` on the message: some 3,500 rows.
pub fn verify_gadget(cs: &mut Builder, message: &Num, signature: &SignatureNums) {
    let SignatureNums { a, r, s } = signature;
    cs.group("points", |cs| {
        on_curve(cs, a);
        on_curve(cs, r);
    });
    let p = cs.group("cofactor", |cs| {
        let p = clear_cofactor(cs, a);
        // 8 A is in the prime-order subgroup, where only the identity has x = 0.
        cs.nonzero(&p.x);
        p
    });
    let left = cs.group("base", |cs| {
        let s = scalar_bits(cs, s);
        mul_base(cs, &s)
    });
    let right = cs.group("challenge", |cs| {
        let h = hash5(cs, Tag::CIRCOMLIB, [&r.x, &r.y, &a.x, &a.y, message]);
        let hp = mul_hash(cs, &h, &p);
        add(cs, r, &hp)
    });
    cs.group("equation", |cs| equal(cs, &left, &right));
}
