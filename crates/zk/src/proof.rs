//! Proofs and their verification.

use crate::keys::VerifyingKey;
use crate::pairing::{Fraction, Lines, Value, miller};
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
        if self.equation(inputs, &proof.points) == Some(true) { Ok(()) } else { Err(VerifyError::Refused) }
    }

    /// Whether e(A, B) e(I, -gamma) e(C, -delta) = e(alpha, beta), where I is the sum over the inputs; `None` if a point that
    /// must not be is infinity, or B outside its group.
    fn equation(&self, inputs: &[Fr], proof: &ark_groth16::Proof<Bn254>) -> Option<bool> {
        let key = &*self.prepared;
        let b = Lines::of(&proof.b)?;
        let mut fixed = vec![(Fraction::of(&proof.c)?, &key.minus_delta)];
        // The sum may be infinity, whose pairing is one.
        fixed.extend(key.inputs.at(inputs).map(|sum| (sum, &key.minus_gamma)));
        Some(Value::of(miller(&[b.at(&proof.a)?], &fixed)?)? == key.constant)
    }

    /// A proof of the same statement that cannot be linked to this one (Baghery et al., 2020/811, figure 1).
    pub fn rerandomise(&self, proof: &Proof<S>, rng: &mut (impl CryptoRng + ?Sized)) -> Proof<S> {
        let points = Groth16::<Bn254>::rerandomize_proof(&self.key, &proof.points, &mut Compat06(rng));
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;
    use crate::keys::Origin;
    use ark_bn254::{G1Affine, G1Projective, G2Affine, G2Projective};
    use ark_ec::{CurveGroup as _, PrimeGroup as _};
    use ark_ff::{Field as _, One as _, UniformRand as _, Zero as _};
    use mediveil_circuits::StatementId;
    use mediveil_circuits::r1cs::{Builder, Num, R1cs};
    use mediveil_rng::SeededRng;
    use std::sync::LazyLock;

    #[derive(Debug)]
    struct Two;

    impl Statement for Two {
        type Public = [Fr; 2];
        type Witness = ();
        const ID: StatementId = StatementId::new("mediveil/test/two/v1");
        const PUBLIC_INPUTS: usize = 2;
        fn inputs(public: &[Fr; 2]) -> Vec<Fr> {
            public.to_vec()
        }
        fn synthesize(_: &mut Builder, _: &[Num], _: Option<&()>) {}
        fn r1cs() -> &'static R1cs {
            static ROWS: LazyLock<R1cs> = LazyLock::new(Two::record);
            &ROWS
        }
    }

    fn g1(scalar: Fr) -> G1Affine {
        (G1Projective::generator() * scalar).into_affine()
    }

    fn g2(scalar: Fr) -> G2Affine {
        (G2Projective::generator() * scalar).into_affine()
    }

    /// Proofs made with the trapdoor, good and bad in every point and input, among them sums of inputs that are infinity:
    /// arkworks' verdict each time.
    #[test]
    fn the_verdict_is_arkworks() {
        let mut rng = Compat06(SeededRng::from_u64(1));
        let mut random = || Fr::rand(&mut rng);
        let (mut accepted, mut refused) = (0, 0);
        for round in 0..4 {
            let [alpha, beta, gamma, delta] = [random(), random(), random(), random()];
            let mut ic = [random(), random(), random()];
            let mut inputs = [random(), random()];
            match round {
                // The sum is infinity; then infinity is among the key's points; then the inputs are small.
                1 => ic[0] = -(ic[1] * inputs[0] + ic[2] * inputs[1]),
                2 => ic[1] = Fr::zero(),
                3 => inputs = [Fr::one(), Fr::zero()],
                _ => {}
            }
            let key = ark_groth16::VerifyingKey::<Bn254> {
                alpha_g1: g1(alpha),
                beta_g2: g2(beta),
                gamma_g2: g2(gamma),
                delta_g2: g2(delta),
                gamma_abc_g1: ic.map(g1).to_vec(),
            };
            let ours = VerifyingKey::<Two>::new(&key, Origin::Development).unwrap();
            let theirs = ark_groth16::prepare_verifying_key(&key);
            let sum = ic[0] + ic[1] * inputs[0] + ic[2] * inputs[1];
            let (a, b) = (random(), random());
            let c = (a * b - alpha * beta - sum * gamma) * delta.inverse().unwrap();
            let one = Fr::one();
            let mut cases = vec![(a, b, c, inputs), (-a, -b, c, inputs)];
            cases.extend([(-a, b, c, inputs), (a, -b, c, inputs), (a, b, -c, inputs), (c, b, a, inputs)]);
            cases.extend([(a + one, b, c, inputs), (a, b + one, c, inputs), (a, b, c + one, inputs)]);
            cases.extend(
                [[one, one], [-inputs[0], inputs[1]], [inputs[1], inputs[0]], [Fr::zero(); 2]].map(|i| (a, b, c, i)),
            );
            for (a, b, c, inputs) in cases {
                let points = ark_groth16::Proof { a: g1(a), b: g2(b), c: g1(c) };
                let verdict = Groth16::<Bn254>::verify_proof(&theirs, &points, &inputs).unwrap();
                let proof = Proof::<Two>::from_ark(points);
                assert_eq!(ours.verify(&inputs, &proof).is_ok(), verdict);
                let batch = [(inputs, proof.clone()), (inputs, proof)];
                assert_eq!(ours.verify_batch(&batch, &mut SeededRng::from_u64(2)).is_ok(), verdict);
                if verdict { accepted += 1 } else { refused += 1 }
            }
        }
        assert!(accepted >= 8 && refused >= 40, "{accepted} {refused}");
    }

    /// Below the decoder's check: a proof whose B is outside G2, or with a point at infinity.
    #[test]
    fn points_that_no_decoder_lets_through_are_refused_below_it() {
        let mut rng = Compat06(SeededRng::from_u64(3));
        let [alpha, beta, gamma, delta] = [2, 3, 5, 7].map(Fr::from);
        let key = ark_groth16::VerifyingKey::<Bn254> {
            alpha_g1: g1(alpha),
            beta_g2: g2(beta),
            gamma_g2: g2(gamma),
            delta_g2: g2(delta),
            gamma_abc_g1: vec![G1Affine::identity(); 3],
        };
        let key = VerifyingKey::<Two>::new(&key, Origin::Development).unwrap();
        let inputs = [Fr::one(), Fr::one()];
        let good = ark_groth16::Proof { a: g1(alpha * beta + delta), b: g2(Fr::one()), c: g1(Fr::one()) };
        let verdict = |points| key.verify(&inputs, &Proof::from_ark(points));
        verdict(good.clone()).unwrap();
        // Without C it would hold for another A, were infinity taken for a point.
        let bare = ark_groth16::Proof { a: g1(alpha * beta), b: g2(Fr::one()), c: G1Affine::identity() };
        assert_eq!(verdict(bare), Err(VerifyError::Refused));
        for infinite in 0..2 {
            let mut points = good.clone();
            if infinite == 0 {
                points.a = G1Affine::identity();
            } else {
                points.b = G2Affine::identity();
            }
            assert_eq!(verdict(points), Err(VerifyError::Refused));
        }
        let mut outside = good.clone();
        outside.b =
            std::iter::repeat_with(|| G2Affine::get_point_from_x_unchecked(ark_bn254::Fq2::rand(&mut rng), true))
                .flatten()
                .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
                .unwrap();
        assert_eq!(verdict(outside.clone()), Err(VerifyError::Refused));
        outside.b = (outside.b + good.b).into_affine();
        assert_eq!(verdict(outside), Err(VerifyError::Refused));
    }
}
