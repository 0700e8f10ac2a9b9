//! A rehearsal: proof that enough members still have shares that work, without opening anything.
//!
//! Each member multiplies its share `x_i` with a point B that is hashed from the call, and proves that it did. The answers
//! interpolate to x B, which anybody checks against the public key with two pairings: it is a signature of the committee
//! under the call (Boneh, Lynn, Shacham, ASIACRYPT 2001; Boldyreva, PKC 2003), and proves the rehearsal for ever.
//!
//! B comes from the curve's hash under a domain of its own, so nobody knows its logarithm. An answer is therefore of no use
//! for opening: a ciphertext with B in the place of u would need a proof that its maker knows that logarithm. In the
//! random-oracle model the answers tell nothing at all that the public key does not: a simulator that chooses the
//! logarithm b of B makes every answer as `b (x_i G)`.

use crate::algebra::{Secret, decode_point, encode_point, lagrange, linear_combination, mul};
use crate::proof::{Equality, Fields, Proof as Equal};
use crate::{KeyShare, MemberId, ProtocolError, PublicKey, PublicKeySet};
use blstrs::{G1Affine, G1Projective, Scalar};
use ff::Field;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use rand_core::CryptoRng;
use std::collections::BTreeMap;

/// What is rehearsed on: anybody can call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The committee's key.
    key: [u8; 32],
    nonce: [u8; 32],
    at: Timestamp,
}

impl Call {
    /// A fresh call to the committee with this key.
    #[must_use]
    pub fn new(set: &PublicKeySet, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        Self { key: set.key().id(), nonce, at: now }
    }

    /// When it was called, by the clock of who called.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    fn digest(&self) -> [u8; 32] {
        Fields::new("mediveil/threshold/rehearsal/v1").add(&self.encode()).finish()
    }

    /// The point that shares are multiplied with.
    fn base(&self) -> G1Affine {
        const DST: &[u8] = b"MEDIVEIL-REHEARSAL-V01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_";
        G1Projective::hash_to_curve(&self.digest(), DST, &[]).into()
    }

    fn context(&self, set: &[u8; 32], member: MemberId) -> Fields {
        Fields::new("mediveil/threshold/rehearsal/answer/v1")
            .add(set)
            .add(&member.get().to_be_bytes())
            .add(&self.digest())
    }

    /// Checks the answers: the proof that enough shares work, and whose do and whose do not.
    ///
    /// # Errors
    /// [`ProtocolError::OtherShare`] for a call to another key; [`ProtocolError::TooFewAnswers`] with the members whose
    /// answers are wrong.
    pub fn conclude(&self, set: &PublicKeySet, answers: &[Answer]) -> Result<Conclusion, ProtocolError> {
        if self.key != set.key().id() {
            return Err(ProtocolError::OtherShare);
        }
        let (base, digest) = (self.base(), set.digest());
        let mut points = BTreeMap::new();
        let mut wrong = Vec::new();
        for answer in answers {
            if answer.verify(self, &base, &digest, set) {
                points.insert(answer.member, answer.point);
            } else {
                wrong.push(answer.member);
            }
        }
        wrong.sort_unstable();
        wrong.dedup();
        wrong.retain(|member| !points.contains_key(member));
        let needed = set.committee().needed();
        let working: Vec<MemberId> = points.keys().copied().collect();
        let Some(chosen) = working.get(..usize::from(needed)) else {
            return Err(ProtocolError::TooFewAnswers { found: working.len(), needed, wrong });
        };
        let coefficients = lagrange(chosen, 0).ok_or(ProtocolError::Degenerate)?;
        let terms: Vec<_> = points.into_values().zip(coefficients).collect();
        let point = linear_combination(&Scalar::ZERO, &terms).into();
        Ok(Conclusion { proof: Proof { call: self.clone(), point }, working, wrong })
    }
}

impl Wire for Call {
    const TYPE: ObjectType = ObjectType::RehearsalCall;
    const MAX_BODY: usize = 96;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.key).bytes(&self.nonce);
        self.at.encode(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { key: d.byte_array()?, nonce: d.byte_array()?, at: Timestamp::decode(d)? })
    }
}

/// One member's answer to a call, with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    member: MemberId,
    point: G1Affine,
    proof: Equal,
}

impl Answer {
    /// Whose it is.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.member
    }

    fn verify(&self, call: &Call, base: &G1Affine, digest: &[u8; 32], set: &PublicKeySet) -> bool {
        let Some(public) = set.verification(self.member) else { return false };
        let statement = Equality { public, base, image: &self.point };
        self.proof.verify_equality(&call.context(digest, self.member), &statement)
    }
}

impl Wire for Answer {
    const TYPE: ObjectType = ObjectType::RehearsalAnswer;
    const MAX_BODY: usize = 160;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4);
        self.member.encode(e);
        encode_point(e, &self.point);
        self.proof.encode(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        Ok(Self { member: MemberId::decode(d)?, point: decode_point(d)?, proof: Equal::decode(d)? })
    }
}

impl KeyShare {
    /// Answers a rehearsal. The answer opens nothing and may be seen by anybody.
    ///
    /// # Errors
    /// [`ProtocolError::OtherShare`] if this is no share of the set, or the call is to another key.
    pub fn rehearse(
        &self,
        set: &PublicKeySet,
        call: &Call,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Answer, ProtocolError> {
        let public = set.verification(self.member).ok_or(ProtocolError::OtherShare)?;
        if call.key != set.key().id() || self.set != set.digest() {
            return Err(ProtocolError::OtherShare);
        }
        Ok(answer(call, &self.set, self.member, public, &self.secret, rng))
    }
}

fn answer(
    call: &Call,
    set: &[u8; 32],
    member: MemberId,
    public: &G1Affine,
    secret: &Secret,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Answer {
    let base = call.base();
    let point = mul(&base, &secret.0);
    let statement = Equality { public, base: &base, image: &point };
    let proof = Equal::of_equality(&call.context(set, member), &statement, secret, rng);
    Answer { member, point, proof }
}

/// What came of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The proof that `needed` shares work.
    pub proof: Proof,
    /// The members whose shares work, in ascending order.
    pub working: Vec<MemberId>,
    /// The members who gave wrong answers and no right one, in ascending order: their shares need repair.
    pub wrong: Vec<MemberId>,
}

/// The proof that, on a call, `needed` members had shares that work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    call: Call,
    point: G1Affine,
}

impl Proof {
    /// Whether the proof holds for this key. It stays the same through refreshes and resharings, and so do its proofs.
    #[must_use]
    pub fn verify(&self, key: &PublicKey) -> bool {
        self.call.key == key.id() && key.is_power(&self.call.base(), &self.point)
    }

    /// The call that was answered.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }
}

impl Wire for Proof {
    const TYPE: ObjectType = ObjectType::RehearsalProof;
    const MAX_BODY: usize = 256;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2).bytes(&self.call.encode());
        encode_point(e, &self.point);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        Ok(Self { call: crate::keys::decode_object(d)?, point: decode_point(d)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_rng::SeededRng;

    #[test]
    fn the_point_of_a_call_depends_on_every_field() {
        let call = Call { key: [1; 32], nonce: [2; 32], at: Timestamp::from_seconds(3).unwrap() };
        let others = [
            Call { key: [9; 32], ..call.clone() },
            Call { nonce: [9; 32], ..call.clone() },
            Call { at: Timestamp::from_seconds(9).unwrap(), ..call.clone() },
        ];
        assert!(others.iter().all(|other| other.base() != call.base()));
    }

    /// Members who answer a call to another committee, against the rules, make no proof for either.
    #[test]
    fn a_proof_is_of_the_committee_that_was_called() {
        let mut rng = SeededRng::from_u64(1);
        let held = crate::testing::hold(3, 2, &mut rng);
        let call = Call { key: [1; 32], ..Call::new(&held.set, Timestamp::from_seconds(3).unwrap(), &mut rng) };
        let points = held.shares.iter().take(2).map(|share| {
            let public = held.set.verification(share.member).unwrap();
            answer(&call, &held.set.digest(), share.member, public, &share.secret, &mut rng).point
        });
        let places = [1, 2].map(|n| MemberId::new(n).unwrap());
        let terms: Vec<_> = points.zip(lagrange(&places, 0).unwrap()).collect();
        let point = linear_combination(&Scalar::ZERO, &terms).into();
        assert!(held.set.key().is_power(&call.base(), &point));
        assert!(!Proof { call, point }.verify(held.set.key()));
    }
}
