//! Encrypting values, evaluating a plan on them, and reading the answer.
//!
//! # What the answer tells of the model
//! A result goes out with an encryption of zero under the patient's public key added, which hides which samples were summed
//! (under the hardness of ring-LWE for whoever made the inputs), and with noise uniform over a quarter of its scale, which hides
//! the noise that the sums left. Where a plan has no bootstrap the remaining statistical distance is bounded by
//! [`Plan::masking_bits`](super::Plan::masking_bits). Where results come out of bootstraps their noise is about 2^-7 of that mask,
//! and nothing is proved of it: count on the model's secrecy against a patient's curiosity, not against many chosen queries. Any
//! answer tells what the model says of the values; that is its purpose.
//!
//! Answers must not be shown to whoever evaluates: decrypting chosen ciphertexts for another is beyond what these schemes protect.

use super::circuit::{Backend, Progress, Table};
use super::form::{Form, Values};
use super::keys::{Evaluator, PatientKey, PatientKeyId, SAMPLE, Seeds, fresh_noise};
use super::plan::Plan;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_rng::SeededRng;
use rand_core::CryptoRng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::fmt;
use tfhe::core_crypto::commons::math::random::{Seed, Seeder};
use tfhe::core_crypto::prelude::*;
use tfhe::named::Named;
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::shortint::parameters::{AtomicPatternKind, CarryModulus, Degree, MessageModulus, NoiseLevel, PBSOrder};
use tfhe_versionable::{Versionize, VersionsDispatch};

/// The longest encrypted inputs or results, in bytes.
const MAX_CIPHERTEXT: usize = 2 << 20;

/// Why something is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Keys, values or results of another patient.
    #[error("it belongs to key {found}, and the key at hand is {expected}")]
    Key {
        /// The key at hand.
        expected: PatientKeyId,
        /// The key it names.
        found: PatientKeyId,
    },
    /// Encrypted for, or answered by, another model or another version of it.
    #[error("it was made for another form: encrypt again with the model's present form")]
    Form,
    /// Not what it should be.
    #[error("the {0} is damaged, or made by other parameters")]
    Damaged(&'static str),
    /// What was decrypted is no answer.
    #[error("what was decrypted is no answer of the model: the result was not computed with this key's ciphertexts")]
    NoAnswer,
}

#[derive(Serialize, Deserialize, Versionize)]
#[versionize(BitsVersions)]
struct Bits {
    seed: u128,
    /// For each group, the bodies of its samples.
    groups: Vec<Vec<u64>>,
}

#[derive(VersionsDispatch)]
#[expect(dead_code, reason = "names the versions for the derived code")]
enum BitsVersions {
    V0(Bits),
}

impl Named for Bits {
    const NAME: &'static str = "mediveil::ModelBits";
}

#[derive(Serialize, Deserialize, Versionize)]
#[versionize(SamplesVersions)]
struct Samples {
    outputs: Vec<Vec<u64>>,
}

#[derive(VersionsDispatch)]
#[expect(dead_code, reason = "names the versions for the derived code")]
enum SamplesVersions {
    V0(Samples),
}

impl Named for Samples {
    const NAME: &'static str = "mediveil::ModelSamples";
}

macro_rules! ciphertext {
    ($(#[$doc:meta])* $name:ident, $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name {
            key: PatientKeyId,
            form: [u8; 32],
            bytes: Vec<u8>,
        }

        impl $name {
            /// The key it names.
            #[must_use]
            pub const fn key(&self) -> PatientKeyId {
                self.key
            }

            /// Digest of the form it is for.
            #[must_use]
            pub const fn form(&self) -> [u8; 32] {
                self.form
            }

            fn check(&self, key: PatientKeyId, form: &Form) -> Result<(), ProgramError> {
                if self.key != key {
                    return Err(ProgramError::Key { expected: key, found: self.key });
                }
                if self.form != form.digest() {
                    return Err(ProgramError::Form);
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("key", &self.key).finish_non_exhaustive()
            }
        }

        impl Wire for $name {
            const TYPE: ObjectType = ObjectType::$type;
            const MAX_BODY: usize = MAX_CIPHERTEXT + 128;

            fn encode_body(&self, e: &mut Encoder<'_>) {
                e.array(3).bytes(&self.key.0).bytes(&self.form).bytes(&self.bytes);
            }

            /// Only framing and size are checked here; the content is when it is used.
            fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                d.tuple(3)?;
                let key = PatientKeyId(d.byte_array()?);
                Ok(Self { key, form: d.byte_array()?, bytes: d.bytes(MAX_CIPHERTEXT)?.to_vec() })
            }
        }
    };
}

ciphertext! {
    /// One patient's values, encrypted by a form.
    EncryptedInputs, ModelInputs
}

ciphertext! {
    /// A model's answer, encrypted for the patient.
    EncryptedResult, ModelResult
}

impl PatientKey {
    /// Encrypts values by a form.
    ///
    /// # Errors
    /// [`ProgramError::Form`] if the values are not of this form; [`ProgramError::Damaged`] if they cannot be written.
    pub fn encrypt(
        &self,
        form: &Form,
        values: &Values,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<EncryptedInputs, ProgramError> {
        form.values(values.as_slice().to_vec()).map_err(|_| ProgramError::Form)?;
        let mut plain: Vec<u64> = Vec::new();
        let mut counts = Vec::new();
        for group in 0..form.groups().len() {
            let number = form.pack(group, values.as_slice());
            let bits = (1..form.group_width(group)).map(|at| u64::from(number >= at) << form.scale());
            let before = plain.len();
            plain.extend(bits);
            counts.push(plain.len().saturating_sub(before));
        }
        let (secret, noise) = self.secret();
        let Seed(seed) = Seeds(rng).seed();
        let mut list = list(vec![0; plain.len()], seed);
        if !plain.is_empty() {
            let plain = PlaintextList::from_container(plain);
            encrypt_seeded_lwe_ciphertext_list(&secret, &mut list, &plain, noise, &mut Seeds(rng));
        }
        let mut bodies = list.into_container().into_iter();
        let groups = counts.into_iter().map(|n| bodies.by_ref().take(n).collect()).collect();
        let mut bytes = Vec::new();
        safe_serialize(&Bits { seed, groups }, &mut bytes, MAX_CIPHERTEXT as u64)
            .map_err(|_| ProgramError::Damaged("encrypted values"))?;
        Ok(EncryptedInputs { key: self.id(), form: form.digest(), bytes })
    }

    /// Reads an answer: the score, or the number of the class from 0.
    ///
    /// # Errors
    /// [`ProgramError`] for results of another key or form, and for what is no answer.
    pub fn decrypt(&self, form: &Form, result: &EncryptedResult) -> Result<i64, ProgramError> {
        result.check(self.id(), form)?;
        let damaged = || ProgramError::Damaged("result");
        let mut rest = result.bytes.as_slice();
        let samples: Samples = safe_deserialize(&mut rest, MAX_CIPHERTEXT as u64).map_err(|_| damaged())?;
        if !rest.is_empty() || samples.outputs.iter().any(|s| s.len() != SAMPLE) {
            return Err(damaged());
        }
        let (secret, _) = self.secret();
        let half = 1_u64.checked_shl(form.scale().saturating_sub(1)).unwrap_or(0);
        let read = |sample: Vec<u64>| {
            let sample = LweCiphertext::from_container(sample, CiphertextModulus::new_native());
            let phase = decrypt_lwe_ciphertext(&secret, &sample).0;
            i64::try_from(phase.wrapping_add(half) >> form.scale()).unwrap_or(i64::MAX)
        };
        let outputs: Vec<i64> = samples.outputs.into_iter().map(read).collect();
        form.read(&outputs).ok_or(ProgramError::NoAnswer)
    }
}

/// Samples whose masks come out of a seed.
fn list(bodies: Vec<u64>, seed: u128) -> SeededLweCiphertextListOwned<u64> {
    SeededLweCiphertextList::from_container(bodies, LweSize(SAMPLE), Seed(seed).into(), CiphertextModulus::new_native())
}

impl Evaluator {
    /// Evaluates a plan on one patient's values, its lookups on all threads.
    ///
    /// # Errors
    /// [`ProgramError`] for values of another key or form, and for damaged ones.
    pub fn evaluate(
        &self,
        plan: &Plan,
        inputs: &EncryptedInputs,
        rng: &mut (impl CryptoRng + ?Sized),
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<EncryptedResult, ProgramError> {
        let form = plan.form();
        inputs.check(self.id(), form)?;
        let groups = expand(form, inputs)?;
        let samples = Expanded { evaluator: self, groups, scale: form.scale() };
        let mut outputs = plan.circuit().run(&samples, progress)?;
        for output in &mut outputs {
            self.mask(output, form.scale(), rng);
        }
        let mut bytes = Vec::new();
        safe_serialize(&Samples { outputs }, &mut bytes, MAX_CIPHERTEXT as u64)
            .map_err(|_| ProgramError::Damaged("result"))?;
        Ok(EncryptedResult { key: self.id(), form: form.digest(), bytes })
    }

    /// Evaluates a plan on many sets of values under one key, on all threads; the answers are in the order of the values.
    ///
    /// # Errors
    /// The first of those of [`evaluate`](Self::evaluate).
    pub fn evaluate_batch(
        &self,
        plan: &Plan,
        batch: &[EncryptedInputs],
        rng: &mut (impl CryptoRng + ?Sized),
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<EncryptedResult>, ProgramError> {
        let seeds: Vec<[u8; 32]> = batch
            .iter()
            .map(|_| {
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                seed
            })
            .collect();
        let total = plan.bootstraps().saturating_mul(batch.len());
        let done = std::sync::atomic::AtomicUsize::new(0);
        let step = |_| {
            let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed).saturating_add(1);
            progress(Progress { done, total });
        };
        let pairs: Vec<_> = batch.iter().zip(seeds).collect();
        pairs
            .into_par_iter()
            .map(|(inputs, seed)| self.evaluate(plan, inputs, &mut SeededRng::new(seed), &step))
            .collect()
    }

    /// Adds an encryption of zero and noise over a quarter of the scale to either side.
    fn mask(&self, output: &mut [u64], scale: u32, rng: &mut (impl CryptoRng + ?Sized)) {
        let mut seeds = Seeds(rng);
        let seed = seeds.seed();
        let mut generator = EncryptionRandomGenerator::<DefaultRandomGenerator>::new(seed, &mut seeds);
        let mut zero = LweCiphertext::new(0_u64, LweSize(SAMPLE), CiphertextModulus::new_native());
        let noise = fresh_noise();
        encrypt_lwe_ciphertext_with_compact_public_key(
            &self.mask,
            &mut zero,
            Plaintext(0),
            noise,
            noise,
            generator.noise_generator_mut(),
        );
        add(output, 1, zero.as_ref());
        let range = scale.saturating_sub(1);
        let flood = rng.next_u64().checked_shr(64_u32.saturating_sub(range)).unwrap_or(0);
        let quarter = 1_u64.checked_shl(range.saturating_sub(1)).unwrap_or(0);
        if let Some(body) = output.last_mut() {
            *body = body.wrapping_add(flood).wrapping_sub(quarter);
        }
    }
}

/// `to += factor * from`, modulo 2^64.
fn add(to: &mut [u64], factor: i64, from: &[u64]) {
    let factor = factor.cast_unsigned();
    for (to, from) in to.iter_mut().zip(from) {
        *to = to.wrapping_add(from.wrapping_mul(factor));
    }
}

/// The samples of each group, checked against the form.
fn expand(form: &Form, inputs: &EncryptedInputs) -> Result<Vec<Vec<u64>>, ProgramError> {
    let damaged = || ProgramError::Damaged("encrypted values");
    let mut rest = inputs.bytes.as_slice();
    let bits: Bits = safe_deserialize(&mut rest, MAX_CIPHERTEXT as u64).map_err(|_| damaged())?;
    let fits = |(group, bodies): (usize, &Vec<u64>)| bodies.len() as u64 == form.group_width(group).saturating_sub(1);
    if !rest.is_empty() || bits.groups.len() != form.groups().len() || !bits.groups.iter().enumerate().all(fits) {
        return Err(damaged());
    }
    let counts: Vec<usize> = bits.groups.iter().map(Vec::len).collect();
    let bodies: Vec<u64> = bits.groups.into_iter().flatten().collect();
    if bodies.is_empty() {
        return Ok(vec![Vec::new(); counts.len()]);
    }
    let samples = list(bodies, bits.seed).par_decompress_into_lwe_ciphertext_list().into_container();
    let mut rest = samples.as_slice();
    let mut groups = Vec::new();
    for count in counts {
        let (group, after) = rest.split_at_checked(count.saturating_mul(SAMPLE)).ok_or_else(damaged)?;
        groups.push(group.to_vec());
        rest = after;
    }
    Ok(groups)
}

/// A patient's samples with the key to compute on them.
struct Expanded<'a> {
    evaluator: &'a Evaluator,
    groups: Vec<Vec<u64>>,
    scale: u32,
}

impl Backend for Expanded<'_> {
    type Value = Vec<u64>;
    type Error = ProgramError;

    fn table(&self, table: &Table) -> Result<Vec<u64>, ProgramError> {
        let damaged = || ProgramError::Damaged("encrypted values");
        let group = self.groups.get(table.group()).ok_or_else(damaged)?;
        let mut sum = self.sum(table.first(), &[])?;
        for (at, by) in table.steps() {
            let index = usize::try_from(at.saturating_sub(1)).map_err(|_| damaged())?;
            let sample = group.chunks_exact(SAMPLE).nth(index).ok_or_else(damaged)?;
            add(&mut sum, *by, sample);
        }
        Ok(sum)
    }

    fn sum(&self, constant: i64, terms: &[(i64, &Vec<u64>)]) -> Result<Vec<u64>, ProgramError> {
        let mut sum = vec![0; SAMPLE];
        for (factor, value) in terms {
            add(&mut sum, *factor, value);
        }
        if let Some(body) = sum.last_mut() {
            *body = body.wrapping_add(constant.cast_unsigned() << self.scale);
        }
        Ok(sum)
    }

    fn lookup(&self, value: &Vec<u64>, table: &[u8; 16]) -> Result<Vec<u64>, ProgramError> {
        let server = &self.evaluator.server;
        let table = server.generate_lookup_table(|at| {
            let entry = usize::try_from(at).ok().and_then(|at| table.get(at));
            u64::from(entry.copied().unwrap_or(0))
        });
        let mut wire = tfhe::shortint::Ciphertext::new(
            LweCiphertext::from_container(value.clone(), CiphertextModulus::new_native()),
            Degree::new(15),
            NoiseLevel::NOMINAL,
            MessageModulus(4),
            CarryModulus(4),
            AtomicPatternKind::Standard(PBSOrder::KeyswitchBootstrap),
        );
        server.apply_lookup_table_assign(&mut wire, &table);
        Ok(wire.ct.into_container())
    }
}
