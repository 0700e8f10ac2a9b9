//! A patient's keys, and the evaluator that a clinic makes of the public one.
//!
//! The evaluation key holds the bootstrapping and keyswitching keys of `tfhe` at its default parameters (two bits of message, two
//! of carry, failure below 2^-128) and a compact public key under which the clinic encrypts zeros to mask results. Its SHA-256 is
//! the key's name, so a key cannot go under another's. Bodies are `safe_serialize` of `tfhe`, read back with a size limit and
//! checked against the parameters.
//!
//! `tfhe` draws from its own generator; it is seeded from the caller's here, with the 128 bits that it takes. It does not wipe
//! its keys when they are dropped; the bytes that are kept here are wiped.

use super::encrypted::ProgramError;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::commons::math::random::{Seed, Seeder};
use tfhe::core_crypto::prelude::*;
use tfhe::named::Named;
use tfhe::safe_serialization::{safe_deserialize, safe_deserialize_conformant, safe_serialize};
use tfhe::shortint::engine::ShortintEngine;
use tfhe::shortint::parameters::v1_8::V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as PARAMETERS;
use tfhe::shortint::parameters::{AtomicPatternParameters, ShortintParameterSet};
use tfhe::shortint::{ClientKey, CompressedServerKey, PBSParameters, ServerKey};
use tfhe_versionable::{Versionize, VersionsDispatch};
use zeroize::Zeroizing;

/// The longest secret key, in bytes.
const MAX_SECRET: usize = 1 << 18;
/// The longest evaluation key, in bytes: 29 MiB are usual.
const MAX_EVALUATION: usize = 48 << 20;
/// Numbers of an LWE sample under the large key, its body included.
pub(super) const SAMPLE: usize = 2049;

/// Names a patient's keys: SHA-256 of the evaluation key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PatientKeyId(pub [u8; 32]);

impl fmt::Debug for PatientKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PatientKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Seeds for the generators of `tfhe` out of the caller's.
pub(super) struct Seeds<'a, R: CryptoRng + ?Sized>(pub(super) &'a mut R);

impl<R: CryptoRng + ?Sized> Seeder for Seeds<'_, R> {
    fn seed(&mut self) -> Seed {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        Seed(u128::from_le_bytes(bytes))
    }

    fn is_available() -> bool {
        true
    }
}

/// Runs what draws from this thread's generator of `tfhe` on one that is seeded from the caller's.
fn seeded<T>(rng: &mut (impl CryptoRng + ?Sized), work: impl FnOnce() -> T) -> T {
    let mut seeds = Seeds(rng);
    ShortintEngine::with_thread_local_mut(|engine| *engine = ShortintEngine::new_from_seeder(&mut seeds));
    let done = work();
    ShortintEngine::with_thread_local_mut(|engine| *engine = ShortintEngine::new());
    done
}

#[derive(Serialize, Deserialize, Versionize)]
#[versionize(SecretVersions)]
struct Secret {
    client: ClientKey,
}

#[derive(VersionsDispatch)]
#[expect(dead_code, reason = "names the versions for the derived code")]
enum SecretVersions {
    V0(Secret),
}

impl Named for Secret {
    const NAME: &'static str = "mediveil::ModelSecret";
}

#[derive(Serialize, Deserialize, Versionize)]
#[versionize(EvaluationVersions)]
struct Evaluation {
    server: CompressedServerKey,
    mask: SeededLweCompactPublicKeyOwned<u64>,
}

#[derive(VersionsDispatch)]
#[expect(dead_code, reason = "names the versions for the derived code")]
enum EvaluationVersions {
    V0(Evaluation),
}

impl Named for Evaluation {
    const NAME: &'static str = "mediveil::ModelEvaluation";
}

/// The one parameter set.
struct OneSet;

impl ParameterSetConformant for Evaluation {
    type ParameterSet = OneSet;

    fn is_conformant(&self, _: &OneSet) -> bool {
        let server = AtomicPatternParameters::Standard(PBSParameters::PBS(PARAMETERS));
        let degree = tfhe::shortint::ciphertext::MaxDegree::from_msg_carry_modulus(
            PARAMETERS.message_modulus,
            PARAMETERS.carry_modulus,
        );
        let mask = LweCompactPublicKeyConformanceParams {
            encryption_lwe_dimension: LweDimension(SAMPLE.saturating_sub(1)),
            ciphertext_modulus: CiphertextModulus::new_native(),
        };
        self.server.is_conformant(&(server, degree)) && self.mask.is_conformant(&mask)
    }
}

/// The patient's secret key. Whoever has it reads every value and every answer.
pub struct PatientKey {
    id: PatientKeyId,
    bytes: Zeroizing<Vec<u8>>,
    client: ClientKey,
}

impl fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientKey")
    }
}

/// The patient's public key: with it one computes on the patient's ciphertexts, and reads nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct EvaluationKey {
    id: PatientKeyId,
    bytes: Vec<u8>,
}

impl fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EvaluationKey").field(&self.id).finish()
    }
}

/// Makes a patient's keys. Takes one or two seconds.
///
/// # Errors
/// [`ProgramError::Damaged`] if `tfhe` cannot write them, which has no cause in the caller.
pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Result<(PatientKey, EvaluationKey), ProgramError> {
    let (client, server) = seeded(rng, || {
        let client = ClientKey::new(PARAMETERS);
        let server = CompressedServerKey::new(&client);
        (client, server)
    });
    let (secret, noise) = client.encryption_key_and_noise();
    let mask = allocate_and_generate_new_seeded_lwe_compact_public_key(
        &secret,
        noise,
        CiphertextModulus::new_native(),
        &mut Seeds(rng),
    );
    let mut bytes = Vec::new();
    safe_serialize(&Evaluation { server, mask }, &mut bytes, MAX_EVALUATION as u64)
        .map_err(|_| ProgramError::Damaged("evaluation key"))?;
    let evaluation = EvaluationKey::new(bytes);
    let secret = Secret { client };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET));
    safe_serialize(&secret, &mut *bytes, MAX_SECRET as u64).map_err(|_| ProgramError::Damaged("secret key"))?;
    Ok((PatientKey { id: evaluation.id, bytes, client: secret.client }, evaluation))
}

impl PatientKey {
    /// The name of the key pair.
    #[must_use]
    pub const fn id(&self) -> PatientKeyId {
        self.id
    }

    /// The key of samples and the noise of fresh ones.
    pub(super) fn secret(&self) -> (LweSecretKeyView<'_, u64>, DynamicDistribution<u64>) {
        self.client.encryption_key_and_noise()
    }
}

impl EvaluationKey {
    fn new(bytes: Vec<u8>) -> Self {
        let id = Sha256::new_with_prefix(b"mediveil/fhe/evaluation-key/v1\0").chain_update(&bytes).finalize();
        Self { id: PatientKeyId(id.into()), bytes }
    }

    /// The name of the key pair.
    #[must_use]
    pub const fn id(&self) -> PatientKeyId {
        self.id
    }

    /// Makes the key usable: some 120 MiB of memory, and half a second.
    ///
    /// # Errors
    /// [`ProgramError::Damaged`] if the bytes are not a key of the one parameter set.
    pub fn load(&self) -> Result<Evaluator, ProgramError> {
        let damaged = || ProgramError::Damaged("evaluation key");
        let mut rest = self.bytes.as_slice();
        let parts: Evaluation =
            safe_deserialize_conformant(&mut rest, MAX_EVALUATION as u64, &OneSet).map_err(|_| damaged())?;
        if !rest.is_empty() {
            return Err(damaged());
        }
        // Seeds carry a position in their stream; one that runs over its end stops `tfhe` by a panic.
        let expand = || (parts.server.decompress(), parts.mask.decompress_into_lwe_compact_public_key());
        let (server, mask) = catch_unwind(AssertUnwindSafe(expand)).map_err(|_| damaged())?;
        Ok(Evaluator { id: self.id, server, mask })
    }
}

/// An evaluation key, expanded.
pub struct Evaluator {
    id: PatientKeyId,
    pub(super) server: ServerKey,
    pub(super) mask: LweCompactPublicKeyOwned<u64>,
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Evaluator").field(&self.id).finish()
    }
}

impl Evaluator {
    /// The name of the key pair.
    #[must_use]
    pub const fn id(&self) -> PatientKeyId {
        self.id
    }
}

/// The noise of fresh samples.
pub(super) const fn fresh_noise() -> DynamicDistribution<u64> {
    PARAMETERS.glwe_noise_distribution
}

impl Wire for PatientKey {
    const TYPE: ObjectType = ObjectType::ModelPatientKey;
    const MAX_BODY: usize = MAX_SECRET + 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2).bytes(&self.id.0).bytes(&self.bytes);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let id = PatientKeyId(d.byte_array()?);
        let bytes = Zeroizing::new(d.bytes(MAX_SECRET)?.to_vec());
        let mut rest = bytes.as_slice();
        let secret: Secret =
            safe_deserialize(&mut rest, MAX_SECRET as u64).map_err(|_| d.invalid("not a secret key of tfhe"))?;
        let client = secret.client;
        let fits = client.parameters() == ShortintParameterSet::from(PARAMETERS)
            && client.encryption_key().lwe_dimension().to_lwe_size() == LweSize(SAMPLE);
        if !fits || !rest.is_empty() {
            return Err(d.invalid("a secret key of other parameters"));
        }
        Ok(Self { id, bytes, client })
    }
}

impl Wire for EvaluationKey {
    const TYPE: ObjectType = ObjectType::ModelEvaluationKey;
    const MAX_BODY: usize = MAX_EVALUATION + 16;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(1).bytes(&self.bytes);
    }

    /// Only framing and size are checked here; [`EvaluationKey::load`] checks the key.
    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(1)?;
        Ok(Self::new(d.bytes(MAX_EVALUATION)?.to_vec()))
    }
}
