//! What a key protocol leaves behind: one public key for ever, a set of commitments for each epoch, and a secret share
//! for each member.

use crate::algebra::{Commitment, Secret, base_mul, decode_point, encode_point};
use crate::committee::MAX_PURPOSE;
use crate::deal::Session;
use crate::proof::Fields;
use crate::{Committee, MAX_MEMBERS, MemberId};
use blstrs::{Bls12, G1Affine, G2Affine, G2Prepared, Gt};
use group::Group;
use group::prime::PrimeCurveAffine;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use pairing::{MillerLoopResult, MultiMillerLoop};
use std::fmt;

const G2_LEN: usize = 96;

/// A G2 point of the subgroup, never the identity.
fn decode_g2(d: &mut Decoder<'_>) -> Result<G2Affine, DecodeError> {
    let bytes = d.byte_array::<G2_LEN>()?;
    let point: Option<G2Affine> = G2Affine::from_compressed(&bytes).into();
    match point {
        Some(point) if !bool::from(point.is_identity()) => Ok(point),
        _ => Err(d.invalid("not a point of the group G2")),
    }
}

/// e(a, h) = e(b, G2): whether `a` and `b` are in the ratio of the G2 generator and `h`.
pub(crate) fn pairing_equal(a: &G1Affine, h: &G2Affine, b: &G1Affine) -> bool {
    let left = G2Prepared::from(*h);
    let right = G2Prepared::from(-G2Affine::generator());
    Bls12::multi_miller_loop(&[(a, &left), (b, &right)]).final_exponentiation() == Gt::identity()
}

/// A committee's public key: x G in G1, x G2 in G2, and what the key is for.
///
/// It stays the same through every refresh, resharing and repair. The half in G2 lets anybody check a combined result
/// with two pairings instead of a proof for each share. That makes the decisional Diffie-Hellman problem easy for this
/// key, so encryption rests on the computational one: see [`tdh2`](crate::tdh2).
///
/// A rushing member can bias the key's distribution (Gennaro, Jarecki, Krawczyk, Rabin, EUROCRYPT '99). That is harmless
/// for encryption. **Never use a key, or anything of a key protocol, as public randomness.**
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub(crate) point: G1Affine,
    pub(crate) point2: G2Affine,
    purpose: String,
}

impl PublicKey {
    /// `None` unless both halves are one key.
    pub(crate) fn new(point: G1Affine, point2: G2Affine, purpose: &str) -> Option<Self> {
        let ok = !purpose.is_empty()
            && purpose.len() <= MAX_PURPOSE
            && !bool::from(point.is_identity())
            && pairing_equal(&G1Affine::generator(), &point2, &point);
        ok.then(|| Self { point, point2, purpose: purpose.to_owned() })
    }

    /// What the key is for.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// SHA-256 over key and purpose: the key's name.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        Fields::new("mediveil/threshold/key/v1")
            .point(&self.point)
            .add(&self.point2.to_compressed())
            .add(self.purpose.as_bytes())
            .finish()
    }

    /// Whether `image` is x `base`.
    pub(crate) fn is_power(&self, base: &G1Affine, image: &G1Affine) -> bool {
        pairing_equal(base, &self.point2, image)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.id().iter().take(16).try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str(")")
    }
}

impl Wire for PublicKey {
    const TYPE: ObjectType = ObjectType::ThresholdPublicKey;
    const MAX_BODY: usize = 160 + MAX_PURPOSE;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3);
        encode_point(e, &self.point);
        e.bytes(&self.point2.to_compressed()).text(&self.purpose);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let point = decode_point(d)?;
        let point2 = decode_g2(d)?;
        let purpose = d.text(MAX_PURPOSE)?;
        Self::new(point, point2, purpose).ok_or_else(|| d.invalid("the halves are two keys"))
    }
}

/// Everything public about a key in one epoch: the committee, the commitment to the polynomial that its shares lie on, and
/// the members' encryption keys of the epoch.
///
/// Two members who finished the same protocol hold equal sets; compare [`transcript`](Self::transcript) over a second
/// channel if the convenor is not trusted to show everybody the same cut-offs.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKeySet {
    pub(crate) committee: Committee,
    pub(crate) epoch: u32,
    pub(crate) key: PublicKey,
    pub(crate) commitment: Commitment,
    /// By member: its encryption key of the epoch, if it enrolled.
    pub(crate) encryption: Vec<Option<G1Affine>>,
    pub(crate) session: Session,
    pub(crate) transcript: [u8; 32],
    /// By member: its share times G. Follows from the commitment.
    verification: Vec<G1Affine>,
    /// Follows from all the rest.
    digest: [u8; 32],
}

pub(crate) struct SetParts {
    pub(crate) committee: Committee,
    pub(crate) epoch: u32,
    pub(crate) key: PublicKey,
    pub(crate) commitment: Commitment,
    pub(crate) encryption: Vec<Option<G1Affine>>,
    pub(crate) session: Session,
    pub(crate) transcript: [u8; 32],
}

impl PublicKeySet {
    /// `None` unless the parts fit each other.
    pub(crate) fn new(parts: SetParts) -> Option<Self> {
        let SetParts { committee, epoch, key, commitment, encryption, session, transcript } = parts;
        let fits = commitment.0.len() == usize::from(committee.needed())
            && commitment.constant() == Some(&key.point)
            && encryption.len() == usize::from(committee.size())
            && key.purpose() == committee.purpose();
        if !fits {
            return None;
        }
        let verification = commitment.at_all(committee.size());
        let identity = verification.iter().chain(&commitment.0).any(|p| bool::from(p.is_identity()));
        let digest = [0; 32];
        let mut set = Self { committee, epoch, key, commitment, encryption, session, transcript, verification, digest };
        set.digest = set.hash();
        (!identity).then_some(set)
    }

    /// The committee that holds the key.
    #[must_use]
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// How many times the shares were renewed.
    #[must_use]
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The run that made it.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.session
    }

    /// The hash over everything that the protocol depended on.
    #[must_use]
    pub const fn transcript(&self) -> &[u8; 32] {
        &self.transcript
    }

    /// SHA-256 over the whole set: shares, proofs and messages of an epoch are bound to it.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    fn hash(&self) -> [u8; 32] {
        let fields = Fields::new("mediveil/threshold/set/v1")
            .add(&self.committee.digest())
            .add(&self.epoch.to_be_bytes())
            .add(&self.key.id())
            .add(self.session.as_bytes())
            .add(&self.transcript);
        let fields = self.commitment.0.iter().fold(fields, Fields::point);
        self.encryption
            .iter()
            .fold(fields, |fields, key| match key {
                Some(key) => fields.point(key),
                None => fields.add(&[]),
            })
            .finish()
    }

    /// A member's share times G.
    pub(crate) fn verification(&self, member: MemberId) -> Option<&G1Affine> {
        self.verification.get(member.index())
    }

    /// Whether the member enrolled in this epoch, so that it was dealt a share.
    #[must_use]
    pub fn has_share(&self, member: MemberId) -> bool {
        self.encryption(member).is_some()
    }

    pub(crate) fn encryption(&self, member: MemberId) -> Option<&G1Affine> {
        self.encryption.get(member.index()).and_then(Option::as_ref)
    }
}

impl fmt::Debug for PublicKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKeySet")
            .field("key", &self.key)
            .field("epoch", &self.epoch)
            .field("committee", &self.committee)
            .finish_non_exhaustive()
    }
}

impl Wire for PublicKeySet {
    const TYPE: ObjectType = ObjectType::PublicKeySet;
    const MAX_BODY: usize = Committee::MAX_BODY + 1024 + MAX_MEMBERS as usize * 110;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(7).bytes(&self.committee.encode()).u32(self.epoch).bytes(&self.key.encode());
        e.list(&self.commitment.0, encode_point);
        e.list(&self.encryption, |e, key| {
            e.option(key.as_ref(), encode_point);
        });
        e.bytes(self.session.as_bytes()).bytes(&self.transcript);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(7)?;
        let committee = decode_object(d)?;
        let epoch = d.u32()?;
        let key = decode_object(d)?;
        let commitment = Commitment(d.list(usize::from(MAX_MEMBERS), decode_point)?);
        let encryption = d.list(usize::from(MAX_MEMBERS), |d| d.option(decode_point))?;
        let session = Session::from_bytes(d.byte_array()?);
        let transcript = d.byte_array()?;
        Self::new(SetParts { committee, epoch, key, commitment, encryption, session, transcript })
            .ok_or_else(|| d.invalid("the parts of the key set do not fit"))
    }
}

/// Reads a framed object within a body.
pub(crate) fn decode_object<T: Wire>(d: &mut Decoder<'_>) -> Result<T, DecodeError> {
    let bytes = d.bytes(T::MAX_BODY.saturating_add(mediveil_codec::FRAME_LEN))?;
    T::decode(bytes).map_err(|inner| DecodeError { object: inner.object, ..d.invalid("a part is damaged") })
}

/// One member's secret share of a key in one epoch. Wiped on drop.
pub struct KeyShare {
    pub(crate) set: [u8; 32],
    pub(crate) member: MemberId,
    pub(crate) secret: Secret,
}

impl KeyShare {
    /// The share, if it is this member's in this set.
    pub(crate) fn new(set: &PublicKeySet, member: MemberId, secret: Secret) -> Option<Self> {
        let fits = set.verification(member) == Some(&base_mul(&secret.0));
        fits.then(|| Self { set: set.digest(), member, secret })
    }

    /// Whose it is.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    /// Whether it is a share of this set: of this key, in this epoch, and right.
    #[must_use]
    pub fn belongs_to(&self, set: &PublicKeySet) -> bool {
        self.set == set.digest() && set.verification(self.member) == Some(&base_mul(&self.secret.0))
    }
}

impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyShare")
    }
}

/// A secret: write it with [`encode_secret`](Wire::encode_secret), into a sealed file.
impl Wire for KeyShare {
    const TYPE: ObjectType = ObjectType::KeyShare;
    const MAX_BODY: usize = 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.set);
        self.member.encode(e);
        e.bytes(&*self.secret.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { set: d.byte_array()?, member: MemberId::decode(d)?, secret: Secret::decode(d)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_compared_with_the_set_before_it_exists() {
        let mut rng = mediveil_rng::SeededRng::from_u64(1);
        let held = crate::testing::hold(3, 2, &mut rng);
        let [one, two] = [1, 2].map(|n| MemberId::new(n).unwrap());
        let secret = || held.shares.first().map(|share| share.secret.clone()).unwrap();
        assert!(KeyShare::new(&held.set, one, secret()).is_some());
        assert!(KeyShare::new(&held.set, two, secret()).is_none());
        assert!(KeyShare::new(&held.set, one, Secret::random(&mut rng)).is_none());
        assert!(KeyShare::new(&held.set, MemberId::new(4).unwrap(), secret()).is_none());
    }
}
