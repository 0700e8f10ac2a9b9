//! Proving and verifying keys of one statement, and their files.
//!
//! A key file names the statement, the digest of its rows and where the key comes from. A key is only ever read for a
//! statement type, and is refused if any of these differs: the key of another statement, or of the same one before its
//! rows changed, proves something else. Reading checks every point, all lengths, and that gamma and delta differ and are
//! not infinity: gamma = delta is a setup without phase 2, under which anyone can forge (two protocols lost their funds to
//! it in 2026). [`ProvingKey::decode_pinned`] skips the points' checks, and takes the file's hash for it.

use crate::pairing::{FixedLines, InputSum, Lines, Value};
use crate::points::{self, Check};
use crate::prover::Queries;
use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use mediveil_circuits::{Statement, StatementId};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use sha2::{Digest as _, Sha256};
use std::marker::PhantomData;
use std::sync::Arc;

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One party made it and could forge: for development and tests.
    Development,
    /// A ceremony of several parties, by the SHA-256 of its transcript.
    Ceremony([u8; 32]),
}

/// Whose keys a verifier takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Trust {
    /// Those of ceremonies alone.
    #[default]
    CeremonyOnly,
    /// Development keys too.
    Development,
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are no key.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The key is for another statement.
    #[error("this key is for the statement {found}; {expected} is needed")]
    OtherStatement {
        /// What it is for.
        found: String,
        /// What it was read for.
        expected: StatementId,
    },
    /// The key is for other rows of the same statement.
    #[error("this key was made for another version of {0}; run the setup again")]
    OtherRows(StatementId),
    /// A development key where those are not taken.
    #[error("this is a development key: whoever made it can forge proofs; use the key of a ceremony")]
    Development,
    /// The file does not have the pinned hash.
    #[error("the key file does not have the expected SHA-256")]
    OtherHash,
    /// gamma equals delta, or a point that must not be is infinity.
    #[error(
        "this key has had no phase 2 (gamma equals delta) or a point at infinity where none may be: anyone could forge"
    )]
    Degenerate,
    /// Another number of points than the statement has.
    #[error("this key does not have the lengths of its statement")]
    Lengths,
}

/// SHA-256 of a key file: what is published and pinned.
#[must_use]
pub fn hash_of(file: &[u8]) -> [u8; 32] {
    Sha256::digest(file).into()
}

/// What both key files begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    statement: String,
    digest: [u8; 32],
    origin: Origin,
}

impl Header {
    fn of<S: Statement>(origin: Origin) -> Self {
        Self { statement: S::ID.as_str().to_owned(), digest: S::r1cs().digest(), origin }
    }

    fn check<S: Statement>(&self, trust: Trust) -> Result<(), KeyError> {
        if self.statement != S::ID.as_str() {
            return Err(KeyError::OtherStatement { found: self.statement.clone(), expected: S::ID });
        }
        if self.digest != S::r1cs().digest() {
            return Err(KeyError::OtherRows(S::ID));
        }
        if self.origin == Origin::Development && trust != Trust::Development {
            return Err(KeyError::Development);
        }
        Ok(())
    }

    fn encode(&self, e: &mut Encoder<'_>) {
        e.text(&self.statement).bytes(&self.digest);
        match &self.origin {
            Origin::Development => e.null(),
            Origin::Ceremony(hash) => e.bytes(hash),
        };
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let statement = d.text(64)?.to_owned();
        let digest = d.byte_array()?;
        let origin = d.option(Decoder::byte_array)?.map_or(Origin::Development, Origin::Ceremony);
        Ok(Self { statement, digest, origin })
    }
}

/// The file of a verifying key, for any statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VerifyingKeyFile {
    header: Header,
    pub(crate) key: ark_groth16::VerifyingKey<Bn254>,
}

const MAX_INPUTS: usize = 4096;

impl Wire for VerifyingKeyFile {
    const TYPE: ObjectType = ObjectType::ZkVerifyingKey;
    const MAX_BODY: usize = 1024 + MAX_INPUTS * points::G1;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(5);
        self.header.encode(e);
        let mut fixed = points::write_all_g1(&[self.key.alpha_g1]);
        fixed.extend(points::write_all_g2(&[self.key.beta_g2, self.key.gamma_g2, self.key.delta_g2]));
        e.bytes(&fixed).bytes(&points::write_all_g1(&self.key.gamma_abc_g1));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        let header = Header::decode(d)?;
        let key = decode_verifying(d, Check::Full)?;
        Ok(Self { header, key })
    }
}

fn decode_verifying(d: &mut Decoder<'_>, check: Check) -> Result<ark_groth16::VerifyingKey<Bn254>, DecodeError> {
    const BAD: &str = "a point that is not in its group";
    let fixed = d.bytes(points::G1.saturating_add(3 * points::G2))?;
    let parts = fixed.split_at_checked(points::G1).ok_or_else(|| d.invalid(BAD))?;
    let alpha = points::read_g1(parts.0, check).ok_or_else(|| d.invalid(BAD))?;
    let g2 = points::read_all_g2(parts.1, check).ok_or_else(|| d.invalid(BAD))?;
    let [beta, gamma, delta] = *g2.as_slice() else { return Err(d.invalid("another number of points")) };
    let inputs = d.bytes(MAX_INPUTS * points::G1)?;
    let inputs = points::read_all_g1(inputs, check).ok_or_else(|| d.invalid(BAD))?;
    Ok(ark_groth16::VerifyingKey {
        alpha_g1: alpha,
        beta_g2: beta,
        gamma_g2: gamma,
        delta_g2: delta,
        gamma_abc_g1: inputs,
    })
}

/// The checks that a key needs beside its points'.
fn check_verifying<S: Statement>(key: &ark_groth16::VerifyingKey<Bn254>) -> Result<(), KeyError> {
    if key.gamma_abc_g1.len() != S::PUBLIC_INPUTS.saturating_add(1) {
        return Err(KeyError::Lengths);
    }
    let infinite = key.alpha_g1.is_zero() || key.beta_g2.is_zero() || key.gamma_g2.is_zero() || key.delta_g2.is_zero();
    if infinite || key.gamma_g2 == key.delta_g2 {
        return Err(KeyError::Degenerate);
    }
    Ok(())
}

/// What a verifier computes once from a key.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) beta: Lines,
    pub(crate) minus_gamma: FixedLines,
    pub(crate) minus_delta: FixedLines,
    /// e(alpha, beta).
    pub(crate) constant: Value,
    pub(crate) inputs: InputSum,
}

impl Prepared {
    /// `None` if alpha, beta, gamma or delta is infinity or outside its group.
    fn of(key: &ark_groth16::VerifyingKey<Bn254>) -> Option<Self> {
        let beta = Lines::of(&key.beta_g2)?;
        Some(Self {
            minus_gamma: FixedLines::of(&-key.gamma_g2)?,
            minus_delta: FixedLines::of(&-key.delta_g2)?,
            constant: Value::pairing(&key.alpha_g1, &beta)?,
            inputs: InputSum::of(&key.gamma_abc_g1),
            beta,
        })
    }
}

/// The verifying key of a statement, checked and prepared.
#[derive(Clone, Debug)]
pub struct VerifyingKey<S> {
    pub(crate) key: ark_groth16::VerifyingKey<Bn254>,
    pub(crate) prepared: Arc<Prepared>,
    origin: Origin,
    statement: PhantomData<fn() -> S>,
}

impl<S: Statement> VerifyingKey<S> {
    pub(crate) fn new(key: &ark_groth16::VerifyingKey<Bn254>, origin: Origin) -> Result<Self, KeyError> {
        check_verifying::<S>(key)?;
        let prepared = Prepared::of(key).ok_or(KeyError::Degenerate)?.into();
        Ok(Self { key: key.clone(), prepared, origin, statement: PhantomData })
    }

    /// Where the key comes from.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The key as arkworks has it.
    #[must_use]
    pub const fn ark(&self) -> &ark_groth16::VerifyingKey<Bn254> {
        &self.key
    }

    /// The key's file.
    #[must_use]
    pub fn encode_wire(&self) -> Vec<u8> {
        VerifyingKeyFile { header: Header::of::<S>(self.origin), key: self.key.clone() }.encode()
    }

    /// Reads a key file for this statement.
    ///
    /// # Errors
    /// [`KeyError`] for damaged files, points outside their groups, other statements, degenerate keys, and development keys
    /// unless they are asked for.
    pub fn decode_wire(file: &[u8], trust: Trust) -> Result<Self, KeyError> {
        let file = VerifyingKeyFile::decode(file)?;
        file.header.check::<S>(trust)?;
        Self::new(&file.key, file.header.origin)
    }
}

/// The file of a proving key.
pub(crate) struct ProvingKeyFile<const PINNED: bool> {
    header: Header,
    key: ark_groth16::ProvingKey<Bn254>,
}

const MAX_POINTS: usize = 1 << 22;

impl<const PINNED: bool> Wire for ProvingKeyFile<PINNED> {
    const TYPE: ObjectType = ObjectType::ZkProvingKey;
    const MAX_BODY: usize = 1 << 30;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        let key = &self.key;
        e.array(11);
        self.header.encode(e);
        let mut fixed = points::write_all_g1(&[key.vk.alpha_g1]);
        fixed.extend(points::write_all_g2(&[key.vk.beta_g2, key.vk.gamma_g2, key.vk.delta_g2]));
        e.bytes(&fixed).bytes(&points::write_all_g1(&key.vk.gamma_abc_g1));
        e.bytes(&points::write_all_g1(&[key.beta_g1, key.delta_g1]));
        e.bytes(&points::write_all_g1(&key.a_query)).bytes(&points::write_all_g1(&key.b_g1_query));
        e.bytes(&points::write_all_g2(&key.b_g2_query));
        e.bytes(&points::write_all_g1(&key.h_query)).bytes(&points::write_all_g1(&key.l_query));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        const BAD: &str = "a point that is not in its group";
        let check = if PINNED { Check::Pinned } else { Check::Full };
        d.tuple(11)?;
        let header = Header::decode(d)?;
        let vk = decode_verifying(d, check)?;
        let g1 = |d: &mut Decoder<'_>| -> Result<Vec<G1Affine>, DecodeError> {
            let bytes = d.bytes(MAX_POINTS * points::G1)?;
            points::read_all_g1(bytes, check).ok_or_else(|| d.invalid(BAD))
        };
        let pair = g1(d)?;
        let [beta_g1, delta_g1] = *pair.as_slice() else { return Err(d.invalid("another number of points")) };
        let (a_query, b_g1_query) = (g1(d)?, g1(d)?);
        let bytes = d.bytes(MAX_POINTS * points::G2)?;
        let b_g2_query: Vec<G2Affine> = points::read_all_g2(bytes, check).ok_or_else(|| d.invalid(BAD))?;
        let (h_query, l_query) = (g1(d)?, g1(d)?);
        let key = ark_groth16::ProvingKey { vk, beta_g1, delta_g1, a_query, b_g1_query, b_g2_query, h_query, l_query };
        Ok(Self { header, key })
    }
}

/// The proving key of a statement.
#[derive(Clone, Debug)]
pub struct ProvingKey<S> {
    pub(crate) key: ark_groth16::ProvingKey<Bn254>,
    pub(crate) verifying: VerifyingKey<S>,
    pub(crate) matrices: Arc<taceo_groth16::ConstraintMatrices<crate::Fr>>,
    pub(crate) queries: Arc<Queries>,
}

impl<S: Statement> ProvingKey<S> {
    pub(crate) fn new(key: ark_groth16::ProvingKey<Bn254>, origin: Origin) -> Result<Self, KeyError> {
        let r1cs = S::r1cs();
        let size = r1cs.constraints().saturating_add(r1cs.instances()).next_power_of_two();
        let lengths = [
            (key.a_query.len(), r1cs.variables()),
            (key.b_g1_query.len(), r1cs.variables()),
            (key.b_g2_query.len(), r1cs.variables()),
            (key.h_query.len(), size.saturating_sub(1)),
            (key.l_query.len(), r1cs.variables().saturating_sub(r1cs.instances())),
        ];
        if lengths.iter().any(|(found, expected)| found != expected) {
            return Err(KeyError::Lengths);
        }
        if key.beta_g1.is_zero() || key.delta_g1.is_zero() {
            return Err(KeyError::Degenerate);
        }
        let verifying = VerifyingKey::new(&key.vk, origin)?;
        let [a, b, c] = r1cs.matrices();
        let entries = |m: &[Vec<(crate::Fr, usize)>]| m.iter().map(Vec::len).sum();
        let matrices = taceo_groth16::ConstraintMatrices {
            num_instance_variables: r1cs.instances(),
            num_witness_variables: r1cs.variables().saturating_sub(r1cs.instances()),
            num_constraints: r1cs.constraints(),
            a_num_non_zero: entries(&a),
            b_num_non_zero: entries(&b),
            c_num_non_zero: entries(&c),
            a,
            b,
            c,
        };
        let queries = Queries::of(&key).into();
        Ok(Self { key, verifying, matrices: matrices.into(), queries })
    }

    /// The verifying key.
    #[must_use]
    pub const fn verifying(&self) -> &VerifyingKey<S> {
        &self.verifying
    }

    /// The key as arkworks has it.
    #[must_use]
    pub const fn ark(&self) -> &ark_groth16::ProvingKey<Bn254> {
        &self.key
    }

    /// The key's file.
    #[must_use]
    pub fn encode_wire(&self) -> Vec<u8> {
        let header = Header::of::<S>(self.verifying.origin);
        ProvingKeyFile::<false> { header, key: self.key.clone() }.encode()
    }

    /// Reads a key file for this statement, checking every point.
    ///
    /// # Errors
    /// As [`VerifyingKey::decode_wire`].
    pub fn decode_wire(file: &[u8], trust: Trust) -> Result<Self, KeyError> {
        let file = ProvingKeyFile::<false>::decode(file)?;
        file.header.check::<S>(trust)?;
        Self::new(file.key, file.header.origin)
    }

    /// Reads a key file whose SHA-256 is known, without checking its points.
    ///
    /// # Errors
    /// [`KeyError::OtherHash`] unless the file is that one; then as [`decode_wire`](Self::decode_wire).
    pub fn decode_pinned(file: &[u8], sha256: &[u8; 32], trust: Trust) -> Result<Self, KeyError> {
        if hash_of(file) != *sha256 {
            return Err(KeyError::OtherHash);
        }
        let file = ProvingKeyFile::<true>::decode(file)?;
        file.header.check::<S>(trust)?;
        Self::new(file.key, file.header.origin)
    }
}

/// What a key file says of itself. Nothing of it is checked against a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Whether it is a proving key; else a verifying key.
    pub proving: bool,
    /// The name of the statement.
    pub statement: String,
    /// The digest of the statement's rows.
    pub digest: [u8; 32],
    /// Where the key comes from.
    pub origin: Origin,
    /// Public inputs of the statement.
    pub inputs: usize,
}

impl KeyInfo {
    /// Reads the file of a proving or verifying key.
    ///
    /// # Errors
    /// [`DecodeError`] for other and damaged files.
    pub fn read(file: &[u8]) -> Result<Self, DecodeError> {
        let proving = mediveil_codec::peek_type(file) == Some(ObjectType::ZkProvingKey);
        let (header, vk) = if proving {
            let file = ProvingKeyFile::<true>::decode(file)?;
            (file.header, file.key.vk)
        } else {
            let file = VerifyingKeyFile::decode(file)?;
            (file.header, file.key)
        };
        let Header { statement, digest, origin } = header;
        Ok(Self { proving, statement, digest, origin, inputs: vk.gamma_abc_g1.len().saturating_sub(1) })
    }
}
