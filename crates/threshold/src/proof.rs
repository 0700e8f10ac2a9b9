//! Schnorr's proofs made non-interactive (Fiat and Shamir, CRYPTO '86): knowledge of a discrete logarithm, and equality
//! of two (Chaum and Pedersen, CRYPTO '92).
//!
//! A proof is the challenge and the response, so that no point of it needs decoding. Challenges have 128 bits and hash,
//! each with its length, a label for the use, the caller's context (session and prover), all bases and all points of the
//! statement and the commitments: the strong form (Bernhard, Pereira, Warinschi, ASIACRYPT 2012). Soundness is 2^-128
//! for each query to SHA-256 as a random oracle.

use crate::algebra::{
    SCALAR_LEN, Secret, base_mul, linear_combination, mul, random_scalar, scalar::short_scalar, scalar_from_bytes,
};
use blstrs::{G1Affine, Scalar};
use ff::Field;
use group::prime::PrimeCurveAffine;
use mediveil_codec::{DecodeError, Decoder, Encoder};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

/// A hash over a label and fields, each with its length.
#[derive(Clone)]
pub(crate) struct Fields(Sha256);

impl Fields {
    pub(crate) fn new(label: &str) -> Self {
        Self(Sha256::new()).add(label.as_bytes())
    }

    pub(crate) fn add(mut self, field: &[u8]) -> Self {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
        self
    }

    pub(crate) fn point(self, point: &G1Affine) -> Self {
        self.add(&point.to_compressed())
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// The first 128 bits as a challenge.
    pub(crate) fn challenge(self) -> [u8; 16] {
        let digest = self.finish();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// A challenge and a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    challenge: [u8; 16],
    response: Scalar,
}

/// What equality is claimed of: `public` = x G and `image` = x `base`.
pub(crate) struct Equality<'a> {
    pub(crate) public: &'a G1Affine,
    pub(crate) base: &'a G1Affine,
    pub(crate) image: &'a G1Affine,
}

impl Proof {
    fn new(challenge: [u8; 16], nonce: &Secret, secret: &Secret) -> Self {
        Self { challenge, response: nonce.0 + short_scalar(&challenge) * secret.0 }
    }

    /// The response and the negated challenge.
    fn exponents(&self) -> (Scalar, Scalar) {
        (self.response, short_scalar(&self.challenge))
    }

    /// That the prover knows x with `public` = x G.
    pub(crate) fn of_knowledge(
        context: &Fields,
        public: &G1Affine,
        secret: &Secret,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let nonce = Secret(random_scalar(rng));
        Self::new(knowledge_challenge(context, public, &base_mul(&nonce.0)), &nonce, secret)
    }

    /// Checks [`of_knowledge`](Self::of_knowledge); `public` must lie in G1.
    pub(crate) fn verify_knowledge(&self, context: &Fields, public: &G1Affine) -> bool {
        let (z, e) = self.exponents();
        let commitment = linear_combination(&z, &[(-*public, e)]).into();
        knowledge_challenge(context, public, &commitment) == self.challenge
    }

    /// That one x gives `public` = x G and `image` = x `base`.
    pub(crate) fn of_equality(
        context: &Fields,
        statement: &Equality<'_>,
        secret: &Secret,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let nonce = Secret(random_scalar(rng));
        let commitments = [base_mul(&nonce.0), mul(statement.base, &nonce.0)];
        Self::new(equality_challenge(context, statement, &commitments), &nonce, secret)
    }

    /// Checks [`of_equality`](Self::of_equality); all points must lie in G1.
    pub(crate) fn verify_equality(&self, context: &Fields, statement: &Equality<'_>) -> bool {
        let (z, e) = self.exponents();
        let commitments = [
            linear_combination(&z, &[(-*statement.public, e)]).into(),
            linear_combination(&Scalar::ZERO, &[(*statement.base, z), (-*statement.image, e)]).into(),
        ];
        equality_challenge(context, statement, &commitments) == self.challenge
    }

    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        e.bytes(&self.challenge).bytes(&self.response.to_bytes_be());
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let challenge = d.byte_array()?;
        let response = d.byte_array::<SCALAR_LEN>()?;
        let response = scalar_from_bytes(&response).ok_or_else(|| d.invalid("not a scalar"))?;
        Ok(Self { challenge, response })
    }
}

fn knowledge_challenge(context: &Fields, public: &G1Affine, commitment: &G1Affine) -> [u8; 16] {
    context.clone().add(b"knowledge").point(&G1Affine::generator()).point(public).point(commitment).challenge()
}

fn equality_challenge(context: &Fields, statement: &Equality<'_>, commitments: &[G1Affine; 2]) -> [u8; 16] {
    let fields = context.clone().add(b"equality").point(&G1Affine::generator());
    let fields = [statement.public, statement.base, statement.image].into_iter().fold(fields, Fields::point);
    commitments.iter().fold(fields, Fields::point).challenge()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_rng::SeededRng;

    #[test]
    fn proofs_hold_for_their_statement_and_context_only() {
        let mut rng = SeededRng::from_u64(1);
        let (x, y) = (Secret::random(&mut rng), Secret::random(&mut rng));
        let (public, base) = (base_mul(&x.0), base_mul(&y.0));
        let image = mul(&base, &x.0);
        let (here, there) = (Fields::new("here"), Fields::new("there"));

        let proof = Proof::of_knowledge(&here, &public, &x, &mut rng);
        assert!(proof.verify_knowledge(&here, &public));
        assert!(!proof.verify_knowledge(&there, &public));
        assert!(!proof.verify_knowledge(&here, &base));
        assert!(!Proof::of_knowledge(&here, &public, &y, &mut rng).verify_knowledge(&here, &public));

        let statement = Equality { public: &public, base: &base, image: &image };
        let proof = Proof::of_equality(&here, &statement, &x, &mut rng);
        assert!(proof.verify_equality(&here, &statement));
        assert!(!proof.verify_equality(&there, &statement));
        let wrong = mul(&base, &y.0);
        let unequal = Equality { public: &public, base: &base, image: &wrong };
        assert!(!proof.verify_equality(&here, &unequal));
        assert!(!Proof::of_equality(&here, &unequal, &x, &mut rng).verify_equality(&here, &unequal));
        assert!(!Proof::of_equality(&here, &unequal, &y, &mut rng).verify_equality(&here, &unequal));
    }
}
