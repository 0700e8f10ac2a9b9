//! Proofs and their verification.

use crate::keys::VerifyingKey;
use crate::msm::msm_few;
use crate::points::{self, Check};
use ark_bn254::{Bn254, Fr};
use ark_ec::AffineRepr as _;
use ark_groth16::Groth16;
use mediveil_circuits::Statement;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_rng::Compat06;
use rand_core::CryptoRng;
use std::marker::PhantomData;

/// A proof that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The proof does not prove these public inputs under this key.
    #[error("the proof does not prove this statement under this key")]
    Refused,
    /// Another number of public inputs than the statement has.
    #[error("this statement has {expected} public inputs, not {found}")]
    Inputs {
        /// What the statement has.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A public input at or above the field's order.
    #[error("public input {0} is not a canonical field element")]
    NotCanonical(usize),
    /// The proof file is for another statement.
    #[error("this proof is for another statement")]
    OtherStatement,
}

/// A proof of a statement: three points, none of them infinity. Malleable: not an identifier.
#[derive(Debug)]
pub struct Proof<S> {
    pub(crate) points: ark_groth16::Proof<Bn254>,
    statement: PhantomData<fn() -> S>,
}

impl<S> Clone for Proof<S> {
    fn clone(&self) -> Self {
        Self { points: self.points.clone(), statement: PhantomData }
    }
}

impl<S> Proof<S> {
    pub(crate) const fn from_ark(points: ark_groth16::Proof<Bn254>) -> Self {
        Self { points, statement: PhantomData }
    }

    /// Bytes of a proof: A, B, C uncompressed as Ethereum's precompiles take them.
    pub const LEN: usize = 2 * points::G1 + points::G2;

    /// The proof as arkworks has it.
    #[must_use]
    pub const fn ark(&self) -> &ark_groth16::Proof<Bn254> {
        &self.points
    }

    /// The proof's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = points::write_all_g1(&[self.points.a]);
        out.extend(points::write_all_g2(&[self.points.b]));
        out.extend(points::write_all_g1(&[self.points.c]));
        out
    }

    /// The proof with these bytes; `None` if a point is off its curve, outside its group or infinity.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (a, rest) = bytes.split_at_checked(points::G1)?;
        let (b, c) = rest.split_at_checked(points::G2)?;
        let a = points::read_g1(a, Check::Full)?;
        let b = points::read_g2(b, Check::Full)?;
        let c = points::read_g1(c, Check::Full)?;
        let finite = !a.is_zero() && !b.is_zero() && !c.is_zero();
        finite.then_some(Self::from_ark(ark_groth16::Proof { a, b, c }))
    }
}

impl<S: Statement> VerifyingKey<S> {
    /// Verifies a proof of these public inputs.
    ///
    /// # Errors
    /// [`VerifyError::Refused`].
    pub fn verify(&self, public: &S::Public, proof: &Proof<S>) -> Result<(), VerifyError> {
        self.verify_inputs(&S::inputs(public), proof)
    }

    /// Verifies a proof of raw public inputs: for inputs that came as numbers. Prefer [`verify`](Self::verify), whose
    /// public part is well-formed.
    ///
    /// # Errors
    /// [`VerifyError`] unless there are exactly as many inputs as the statement has and the proof proves them.
    pub fn verify_inputs(&self, inputs: &[Fr], proof: &Proof<S>) -> Result<(), VerifyError> {
        let expected = S::PUBLIC_INPUTS;
        // The library below would take a shorter list for one that ends in zeros.
        if inputs.len() != expected {
            return Err(VerifyError::Inputs { expected, found: inputs.len() });
        }
        let points = self.prepared.vk.gamma_abc_g1.split_first();
        let Some((constant, points)) = points else { return Err(VerifyError::Refused) };
        let sum = msm_few(points, inputs) + constant;
        match Groth16::<Bn254>::verify_proof_with_prepared_inputs(&self.prepared, &proof.points, &sum) {
            Ok(true) => Ok(()),
            _ => Err(VerifyError::Refused),
        }
    }

    /// A proof of the same statement that cannot be linked to this one (Baghery et al., 2020/811, figure 1).
    pub fn rerandomise(&self, proof: &Proof<S>, rng: &mut (impl CryptoRng + ?Sized)) -> Proof<S> {
        let points = Groth16::<Bn254>::rerandomize_proof(&self.prepared.vk, &proof.points, &mut Compat06(rng));
        Proof::from_ark(points)
    }
}

/// A proof with its public inputs, as a file.
#[derive(Clone, Debug)]
pub struct ProofFile {
    statement: String,
    inputs: Vec<Fr>,
    proof: Proof<()>,
}

impl ProofFile {
    /// The file of a proof.
    #[must_use]
    pub fn new<S: Statement>(public: &S::Public, proof: &Proof<S>) -> Self {
        let statement = S::ID.as_str().to_owned();
        Self { statement, inputs: S::inputs(public), proof: Proof::from_ark(proof.points.clone()) }
    }

    /// The name of the statement that it is for.
    #[must_use]
    pub fn statement(&self) -> &str {
        &self.statement
    }

    /// The public inputs.
    #[must_use]
    pub fn inputs(&self) -> &[Fr] {
        &self.inputs
    }

    /// The proof, if it is for this statement and exactly these public inputs: what a verifier asks who knows what it wants
    /// proved.
    ///
    /// # Errors
    /// [`VerifyError::OtherStatement`], [`VerifyError::Refused`] for other public inputs.
    pub fn proof_of<S: Statement>(&self, public: &S::Public) -> Result<Proof<S>, VerifyError> {
        if self.statement != S::ID.as_str() {
            return Err(VerifyError::OtherStatement);
        }
        if self.inputs != S::inputs(public) {
            return Err(VerifyError::Refused);
        }
        Ok(Proof::from_ark(self.proof.points.clone()))
    }
}

impl ProofFile {
    /// The proof and its public inputs as snarkjs' `proof.json` and `public.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> (serde_json::Value, serde_json::Value) {
        (self.proof.to_snarkjs(), self.inputs.iter().map(ToString::to_string).collect())
    }
}

impl PartialEq for ProofFile {
    fn eq(&self, other: &Self) -> bool {
        self.statement == other.statement && self.inputs == other.inputs && self.proof.points == other.proof.points
    }
}

impl Wire for ProofFile {
    const TYPE: ObjectType = ObjectType::ZkProof;
    const MAX_BODY: usize = 1 << 16;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).text(&self.statement);
        e.list(&self.inputs, |e, input| {
            e.bytes(&points::element_bytes(input));
        });
        e.bytes(&self.proof.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let statement = d.text(64)?.to_owned();
        let inputs = d.list(1024, |d| {
            points::element(&d.byte_array()?).ok_or_else(|| d.invalid("not an element of the field"))
        })?;
        let proof = Proof::from_bytes(d.bytes(Proof::<()>::LEN)?);
        let proof = proof.ok_or_else(|| d.invalid("a point that is not in its group"))?;
        Ok(Self { statement, inputs, proof })
    }
}
