//! What a committee has agreed on, and its public keys.

use crate::ceremony::CeremonyError;
use crate::ciphertext::{Ciphertext, EncodedCiphertext};
use crate::compat::Drawn;
use crate::noise::NoiseModel;
use crate::parameters::Parameters;
use crate::ring::{self, RingError};
use fhe::bfv::{Encoding, Plaintext, PublicKey, RelinearizationKey};
use fhe_math::rq::{Poly, Representation};
use fhe_traits::{DeserializeParametrized, FheEncoder, FheEncrypter, Serialize};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_seal::identity::PublicIdentity;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// SHA-256 of a committee's terms and public keys: what ciphertexts, shares and epochs name their key by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyId(")?;
        self.0.iter().take(8).try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str(")")
    }
}

/// The terms of a committee: who is in it, how many must agree, under which parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    parameters: Parameters,
    members: Vec<PublicIdentity>,
    needed: u32,
    smudging: u32,
    label: [u8; 32],
}

impl Terms {
    /// Most members of a committee.
    pub const MAX_MEMBERS: usize = 64;

    /// The terms for `needed` of `members`, with `smudging` bits (64 by default, at least 40) and a label that binds the
    /// key to its study, such as the digest of the schema.
    ///
    /// # Errors
    /// [`CeremonyError::Terms`] that says which rule is broken.
    pub fn new(
        parameters: Parameters,
        members: Vec<PublicIdentity>,
        needed: u32,
        smudging: u32,
        label: [u8; 32],
    ) -> Result<Self, CeremonyError> {
        if !(2..=Self::MAX_MEMBERS).contains(&members.len()) || !PublicIdentity::all_differ(&members) {
            return Err(CeremonyError::Terms("a committee has 2 to 64 members, each of them once"));
        }
        if needed < 2 || usize::try_from(needed).map_or(true, |t| t > members.len()) {
            return Err(CeremonyError::Terms("a quorum has at least two members and at most all"));
        }
        if !(40..=128).contains(&smudging) {
            return Err(CeremonyError::Terms("smudging takes 40 to 128 bits"));
        }
        Ok(Self { parameters, members, needed, smudging, label })
    }

    /// The parameters.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The members, numbered from 1 in this order.
    #[must_use]
    pub fn members(&self) -> &[PublicIdentity] {
        &self.members
    }

    /// How many members there are.
    #[must_use]
    pub fn size(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// Members of a quorum; one fewer learn nothing.
    #[must_use]
    pub const fn needed(&self) -> u32 {
        self.needed
    }

    /// Bits of smudging.
    #[must_use]
    pub const fn smudging(&self) -> u32 {
        self.smudging
    }

    /// What the caller bound the key to.
    #[must_use]
    pub const fn label(&self) -> &[u8; 32] {
        &self.label
    }

    /// The rules of noise under these terms.
    #[must_use]
    pub fn noise(&self) -> NoiseModel {
        NoiseModel::new(&self.parameters, self.size())
    }

    /// The member with this number.
    #[must_use]
    pub fn member(&self, number: u32) -> Option<&PublicIdentity> {
        self.members.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/terms/v1\0");
        hash.update(self.parameters.encode());
        hash.update(self.needed.to_be_bytes());
        hash.update(self.smudging.to_be_bytes());
        hash.update(self.label);
        for member in &self.members {
            hash.update(member.id());
        }
        hash.finalize().into()
    }

    fn encode_items(&self, e: &mut Encoder<'_>) {
        e.bytes(&self.parameters.encode());
        PublicIdentity::encode_list(e, &self.members);
        e.u32(self.needed).u32(self.smudging).bytes(&self.label);
    }

    fn decode_items(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let parameters = d.bytes(512)?;
        let parameters = Parameters::decode(parameters).map_err(|_| d.invalid("not a parameter set"))?;
        let members = d.list(Self::MAX_MEMBERS, PublicIdentity::decode_item)?;
        let needed = d.u32()?;
        let smudging = d.u32()?;
        let label = d.byte_array()?;
        Self::new(parameters, members, needed, smudging, label).map_err(|_| d.invalid("not the terms of a committee"))
    }
}

/// The polynomials of the public keys, packed: two of the public key, then the pairs of the relinearisation key.
#[derive(PartialEq, Eq)]
pub(crate) struct PublicPolys {
    pub(crate) public: [Vec<u8>; 2],
    pub(crate) relin: Vec<[Vec<u8>; 2]>,
}

struct Inner {
    terms: Terms,
    id: KeyId,
    polys: PublicPolys,
    public: PublicKey,
    relin: RelinearizationKey,
    noise: NoiseModel,
}

/// A committee's public key: encrypts, evaluates, and says who may open. Cheap to clone.
///
/// It comes out of a [`ceremony`](crate::ceremony) or out of bytes. Nothing in the bytes proves that a ceremony made
/// them: whoever encrypts must hold the [`id`](Self::id) from a place they trust, such as a log entry signed by members.
#[derive(Clone)]
pub struct CommitteeKey(Arc<Inner>);

impl CommitteeKey {
    pub(crate) fn assemble(terms: Terms, polys: PublicPolys) -> Option<Self> {
        let parameters = terms.parameters().clone();
        let (context, degree) = (parameters.context(), parameters.slots_per_block());
        let read = |bytes: &Vec<u8>, form: Representation| {
            let mut poly: Poly = ring::unpack(bytes, context, degree)?;
            poly.change_representation(form);
            Some(poly.to_bytes())
        };
        if polys.relin.len() != context.moduli().len() {
            return None;
        }
        let mut ciphertext = Vec::new();
        for poly in &polys.public {
            field(&mut ciphertext, 1, &read(poly, Representation::Ntt)?);
        }
        let mut message = Vec::new();
        field(&mut message, 1, &ciphertext);
        let public = PublicKey::from_bytes(&message, parameters.bfv()).ok()?;
        let mut switching = Vec::new();
        for [c0, _] in &polys.relin {
            field(&mut switching, 1, &read(c0, Representation::NttShoup)?);
        }
        for [_, c1] in &polys.relin {
            field(&mut switching, 2, &read(c1, Representation::NttShoup)?);
        }
        let mut message = Vec::new();
        field(&mut message, 1, &switching);
        let relin = RelinearizationKey::from_bytes(&message, parameters.bfv()).ok()?;
        let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/key/v1\0");
        hash.update(terms.digest());
        for poly in polys.public.iter().chain(polys.relin.iter().flatten()) {
            hash.update(poly);
        }
        let id = KeyId(hash.finalize().into());
        let noise = terms.noise();
        Some(Self(Arc::new(Inner { terms, id, polys, public, relin, noise })))
    }

    /// The key's name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    /// The committee and its parameters.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.0.terms
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        self.0.terms.parameters()
    }

    /// The rules of noise under this key.
    #[must_use]
    pub fn noise(&self) -> &NoiseModel {
        &self.0.noise
    }

    pub(crate) fn relin(&self) -> &RelinearizationKey {
        &self.0.relin
    }

    /// Encrypts residues modulo t, one a slot; slots beyond them are zero.
    pub(crate) fn encrypt_residues(
        &self,
        slots: impl Iterator<Item = u64>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Ciphertext, RingError> {
        let parameters = self.parameters();
        let coefficients = Zeroizing::new(parameters.slots().encode(slots));
        let plaintext = Plaintext::try_encode(coefficients.as_slice(), Encoding::poly(), parameters.bfv())?;
        // A secret and two errors.
        let mut rng = Drawn::for_small(3, coefficients.len(), rng);
        let inner = self.0.public.try_encrypt(&plaintext, &mut rng)?;
        Ok(Ciphertext::assemble(self.id(), self.noise().fresh(), inner))
    }

    /// The ciphertext behind its encoding.
    ///
    /// # Errors
    /// [`CiphertextError`](crate::CiphertextError) if it is of another key or its polynomials are not of this ring.
    pub fn load(&self, encoded: &EncodedCiphertext) -> Result<Ciphertext, crate::CiphertextError> {
        encoded.load(self)
    }
}

/// A length-delimited field of a protobuf message: the form that `fhe` imports keys from.
fn field(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push((tag << 3) | 2);
    let mut len = value.len();
    while len > 0x7f {
        out.push(u8::try_from(len & 0x7f).unwrap_or(0) | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap_or(0));
    out.extend_from_slice(value);
}

impl PartialEq for CommitteeKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.terms == other.0.terms && self.0.polys == other.0.polys
    }
}

impl Eq for CommitteeKey {}

impl fmt::Debug for CommitteeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitteeKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The longest packed polynomial: degree 32768, 870 bits.
pub(crate) const MAX_POLY: usize = 4 << 20;

impl Wire for CommitteeKey {
    const TYPE: ObjectType = ObjectType::FheCommitteeKey;
    const MAX_BODY: usize = 128 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(7);
        self.terms().encode_items(e);
        e.list(&self.0.polys.public, |e, p| {
            e.bytes(p);
        });
        e.array(self.0.polys.relin.len().saturating_mul(2));
        for poly in self.0.polys.relin.iter().flatten() {
            e.bytes(poly);
        }
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(7)?;
        let terms = Terms::decode_items(d)?;
        let poly = |d: &mut Decoder<'_>| Ok(d.bytes(MAX_POLY)?.to_vec());
        let public = d.list(2, poly)?;
        let public = public.try_into().map_err(|_| d.invalid("a public key has two polynomials"))?;
        let flat = d.list(2 * Parameters::MAX_PRIMES, poly)?;
        let mut relin = Vec::new();
        let mut flat = flat.into_iter();
        while let Some(c0) = flat.next() {
            let c1 = flat.next().ok_or_else(|| d.invalid("a relinearisation key has pairs of polynomials"))?;
            relin.push([c0, c1]);
        }
        Self::assemble(terms, PublicPolys { public, relin })
            .ok_or_else(|| d.invalid("the polynomials are not of this ring"))
    }
}
