//! Setup by several parties: phase 2 over a standard `.ptau` file.
//!
//! ```text
//! ptau -> Ceremony::start -> contribute -> contribute -> ... -> finalise(beacon) -> ProvingKey, VerifyingKey
//! ```
//!
//! Bowe, Gabizon and Miers ("Scalable Multi-party Computation for zk-SNARK Parameters in the Random Beacon Model",
//! 2017/1050), in the form that snarkjs and the Groth16 ceremonies use: the powers of tau fix tau, alpha and beta; gamma is
//! one; each contributor multiplies delta by a secret x and divides the L and H queries by it. If one contributor forgets
//! x, nobody knows delta. The last step takes x from a public beacon that nobody could foresee, so that the last
//! contributor cannot steer the result.
//!
//! Each step publishes delta in G1 and G2 and a proof of knowledge of x: with s a fresh point and r a point of G2 hashed
//! from the transcript so far, s x and r x. [`Ceremony::decode_wire`] makes the start anew from the `.ptau` file; [`Ceremony::verify`] checks every
//! step's proof and that delta moved by that x, and that the queries are those of the start divided by the whole product
//! (by one random linear combination). It needs nothing of the contributors but the file.
//!
//! The `.ptau` file is checked in itself: every point in its group and the powers of one tau, alpha and beta. Who
//! contributed to it is for its own transcript to say; take a published one by its hash.

mod ptau;
mod start;

pub use ptau::{Ptau, PtauError};

use crate::keys::{KeyError, Origin, ProvingKey};
use crate::points::{self, Check, random_scalar};
use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::pairing::Pairing as _;
use ark_ec::{AffineRepr as _, CurveGroup as _, VariableBaseMSM as _};
use ark_ff::{Field as _, PrimeField as _, Zero as _};
use mediveil_circuits::Statement;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::marker::PhantomData;
use zeroize::Zeroize as _;

/// A ceremony that cannot go on, or cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The bytes are no transcript.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The `.ptau` file cannot be used.
    #[error(transparent)]
    Ptau(#[from] PtauError),
    /// The transcript is for another statement, other rows or other powers of tau.
    #[error("this transcript is for another statement or other powers of tau")]
    OtherStart,
    /// A step's proof is wrong.
    #[error("step {step} of the transcript, by {who}, does not prove its contribution")]
    Step {
        /// The step, from 0.
        step: usize,
        /// The contributor's name for itself.
        who: String,
    },
    /// The keys are not those of the steps.
    #[error("the keys in the transcript do not follow from its steps")]
    Keys,
    /// No step, or none before the beacon.
    #[error("a ceremony needs at least one contribution before the beacon")]
    TooFew,
    /// A step after the beacon.
    #[error("this ceremony is finished")]
    Finished,
    /// The name is empty or longer than 64 bytes.
    #[error("a contributor's name has 1 to 64 bytes")]
    Name,
    /// The beacon in the transcript is not the expected one.
    #[error("the last step is not from the expected beacon")]
    Beacon,
    /// The key is degenerate.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A public random value that nobody could foresee when the last contribution was published, and how often it is hashed
/// (2^`rounds_log2` times SHA-256, a delay against whoever could influence it slightly).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The value: a block hash, a lottery draw.
    pub value: [u8; 32],
    /// Binary logarithm of the number of hashes, at most 40.
    pub rounds_log2: u8,
}

impl Beacon {
    const MAX_ROUNDS_LOG2: u8 = 40;

    fn scalar(&self, transcript: &[u8; 32]) -> Fr {
        let mut hash = self.value;
        for _ in 0..1_u64 << self.rounds_log2.min(Self::MAX_ROUNDS_LOG2) {
            hash = Sha256::digest(hash).into();
        }
        (0_u8..)
            .map(|n| {
                let half = |i: u8| {
                    Sha256::new_with_prefix(b"mediveil/zk/beacon/v1\0")
                        .chain_update(transcript)
                        .chain_update(hash)
                        .chain_update([n, i])
                        .finalize()
                };
                Fr::from_be_bytes_mod_order(&[half(0), half(1)].concat())
            })
            .find(|x| !x.is_zero())
            .unwrap_or_default()
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    who: String,
    beacon: Option<Beacon>,
    delta_g1: G1Affine,
    delta_g2: G2Affine,
    s: G1Affine,
    s_x: G1Affine,
    r_x: G2Affine,
}

/// The transcript with the queries that its steps have reached.
#[derive(Clone, Debug)]
pub struct Ceremony<S> {
    start: [u8; 32],
    steps: Vec<Step>,
    /// The key before the first step, computed here from the powers of tau.
    first: std::sync::Arc<ark_groth16::ProvingKey<Bn254>>,
    key: ark_groth16::ProvingKey<Bn254>,
    statement: PhantomData<fn() -> S>,
}

impl<S: Statement> Ceremony<S> {
    /// The start: the key of the statement with delta = gamma = 1, under which anyone can forge.
    ///
    /// # Errors
    /// [`CeremonyError::Ptau`] if the file has too few powers.
    pub fn start(ptau: &Ptau) -> Result<Self, CeremonyError> {
        let key = start::initial_key(S::r1cs(), ptau)?;
        let start = Sha256::new_with_prefix(b"mediveil/zk/ceremony/v1\0")
            .chain_update(S::ID.as_str())
            .chain_update([0])
            .chain_update(S::r1cs().digest())
            .chain_update(ptau.sha256())
            .finalize()
            .into();
        Ok(Self { start, steps: Vec::new(), first: key.clone().into(), key, statement: PhantomData })
    }

    /// Who contributed, in order; the beacon's step last.
    pub fn contributors(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.who.as_str())
    }

    /// The SHA-256 of the steps so far: what a contributor publishes to be able to find its step again.
    #[must_use]
    pub fn transcript(&self) -> [u8; 32] {
        self.transcript_at(self.steps.len())
    }

    fn transcript_at(&self, steps: usize) -> [u8; 32] {
        self.steps.iter().take(steps).fold(self.start, |so_far, step| {
            let mut hash = Sha256::new_with_prefix(so_far);
            hash.update((step.who.len() as u64).to_be_bytes());
            hash.update(&step.who);
            if let Some(beacon) = &step.beacon {
                hash.update([1, beacon.rounds_log2]);
                hash.update(beacon.value);
            } else {
                hash.update([0]);
            }
            hash.update(points::write_all_g1(&[step.delta_g1, step.s, step.s_x]));
            hash.update(points::write_all_g2(&[step.delta_g2, step.r_x]));
            hash.finalize().into()
        })
    }

    /// Adds a contribution. The secret is drawn here and wiped here.
    ///
    /// # Errors
    /// [`CeremonyError::Finished`] behind the beacon, [`CeremonyError::Name`].
    pub fn contribute(&mut self, who: &str, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), CeremonyError> {
        let (mut x, s) = (random_scalar(rng), random_scalar(rng));
        let result = self.step(who, None, x, s);
        x.zeroize();
        result
    }

    /// Adds a contribution to a transcript's file without the powers of tau, in a moment: what is added is right whatever
    /// stands before it, and whether that is right is for [`verify`](Self::verify) to say, which everybody should run.
    ///
    /// # Errors
    /// As [`contribute`](Self::contribute), and for damaged files.
    pub fn append(file: &[u8], who: &str, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Vec<u8>, CeremonyError> {
        let file = CeremonyFile::decode(file)?;
        let (mut delta_g1, mut delta_g2) = (G1Affine::generator(), G2Affine::generator());
        if let Some(last) = file.steps.last() {
            (delta_g1, delta_g2) = (last.delta_g1, last.delta_g2);
        }
        let key = ark_groth16::ProvingKey {
            vk: ark_groth16::VerifyingKey { delta_g2, ..Default::default() },
            beta_g1: G1Affine::zero(),
            delta_g1,
            a_query: Vec::new(),
            b_g1_query: Vec::new(),
            b_g2_query: Vec::new(),
            h_query: file.h,
            l_query: file.l,
        };
        let (start, steps, first) = (file.start, file.steps, key.clone().into());
        let mut ceremony = Self { start, steps, first, key, statement: PhantomData };
        ceremony.contribute(who, rng)?;
        Ok(ceremony.encode_wire())
    }

    /// The last step, from a public beacon.
    ///
    /// # Errors
    /// [`CeremonyError::TooFew`] without a contribution, [`CeremonyError::Finished`] the second time.
    pub fn finalise(&mut self, beacon: Beacon) -> Result<(), CeremonyError> {
        if self.steps.is_empty() {
            return Err(CeremonyError::TooFew);
        }
        let x = beacon.scalar(&self.transcript());
        self.step("beacon", Some(beacon), x, Fr::from(1))
    }

    fn step(&mut self, who: &str, beacon: Option<Beacon>, x: Fr, s: Fr) -> Result<(), CeremonyError> {
        if self.finished() {
            return Err(CeremonyError::Finished);
        }
        if who.is_empty() || who.len() > 64 {
            return Err(CeremonyError::Name);
        }
        let s = (G1Affine::generator() * s).into_affine();
        let s_x = (s * x).into_affine();
        let r = challenge_point(&self.transcript(), &s, &s_x);
        let mut inverse = x.inverse().unwrap_or_default();
        for query in [&mut self.key.l_query, &mut self.key.h_query] {
            let scaled: Vec<G1Projective> = query.par_iter().map(|p| *p * inverse).collect();
            *query = G1Projective::normalize_batch(&scaled);
        }
        inverse.zeroize();
        let (delta_g1, delta_g2) = ((self.key.delta_g1 * x).into_affine(), (self.key.vk.delta_g2 * x).into_affine());
        (self.key.delta_g1, self.key.vk.delta_g2) = (delta_g1, delta_g2);
        let r_x = (r * x).into_affine();
        self.steps.push(Step { who: who.to_owned(), beacon, delta_g1, delta_g2, s, s_x, r_x });
        Ok(())
    }

    fn finished(&self) -> bool {
        self.steps.last().is_some_and(|step| step.beacon.is_some())
    }

    /// Checks every step, and the keys against the start, which this process made itself from the powers of tau.
    ///
    /// # Errors
    /// [`CeremonyError`] naming the first step that is not what it says, or the keys.
    pub fn verify(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), CeremonyError> {
        let first = &*self.first;
        let (mut delta_g1, mut delta_g2) = (first.delta_g1, first.vk.delta_g2);
        for (index, step) in self.steps.iter().enumerate() {
            let transcript = self.transcript_at(index);
            let r = challenge_point(&transcript, &step.s, &step.s_x);
            let finite = !step.s.is_zero() && !step.s_x.is_zero() && !step.delta_g1.is_zero();
            // One x in: s to s x, r to r x, delta to the new delta, in both groups.
            let ok = finite
                && same_ratio((step.s, step.s_x), (r, step.r_x))
                && same_ratio((delta_g1, step.delta_g1), (r, step.r_x))
                && same_ratio((step.s, step.s_x), (delta_g2, step.delta_g2));
            let beacon_ok = match &step.beacon {
                None => true,
                Some(beacon) => {
                    let x = beacon.scalar(&transcript);
                    index > 0 && index.saturating_add(1) == self.steps.len() && delta_g1 * x == step.delta_g1
                }
            };
            if !ok || !beacon_ok {
                return Err(CeremonyError::Step { step: index, who: step.who.clone() });
            }
            (delta_g1, delta_g2) = (step.delta_g1, step.delta_g2);
        }
        let own = &self.key;
        let unchanged = own.vk.alpha_g1 == first.vk.alpha_g1
            && own.vk.beta_g2 == first.vk.beta_g2
            && own.vk.gamma_g2 == first.vk.gamma_g2
            && own.vk.gamma_abc_g1 == first.vk.gamma_abc_g1
            && own.beta_g1 == first.beta_g1
            && own.a_query == first.a_query
            && own.b_g1_query == first.b_g1_query
            && own.b_g2_query == first.b_g2_query;
        let lengths = own.l_query.len() == first.l_query.len() && own.h_query.len() == first.h_query.len();
        let moved = own.delta_g1 == delta_g1 && own.vk.delta_g2 == delta_g2;
        // L and H were divided by what delta was multiplied with.
        let divided = |own: &[G1Affine], first: &[G1Affine], rng: &mut _| {
            let weights: Vec<Fr> = own.iter().map(|_| weight(rng)).collect();
            match (G1Projective::msm(own, &weights), G1Projective::msm(first, &weights)) {
                (Ok(own), Ok(first)) => Bn254::pairing(own, delta_g2) == Bn254::pairing(first, self.first.vk.delta_g2),
                _ => false,
            }
        };
        let ok = unchanged
            && lengths
            && moved
            && divided(&own.l_query, &first.l_query, rng)
            && divided(&own.h_query, &first.h_query, rng);
        if ok { Ok(()) } else { Err(CeremonyError::Keys) }
    }

    /// The keys, from a ceremony that is finished with the expected beacon and passes [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`CeremonyError`] if it is not finished, with another beacon, or not verified.
    pub fn into_key(
        self,
        beacon: &Beacon,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<ProvingKey<S>, CeremonyError> {
        if !self.finished() || self.steps.len() < 2 {
            return Err(CeremonyError::TooFew);
        }
        if self.steps.last().and_then(|step| step.beacon.as_ref()) != Some(beacon) {
            return Err(CeremonyError::Beacon);
        }
        self.verify(rng)?;
        let origin = Origin::Ceremony(self.transcript());
        Ok(ProvingKey::new(self.key, origin)?)
    }
}

/// 128 random bits.
pub(super) fn weight(rng: &mut (impl CryptoRng + ?Sized)) -> Fr {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    Fr::from(u128::from_le_bytes(bytes))
}

/// Whether b / a in G1 is d / c in G2: e(a, d) = e(b, c).
pub(super) fn same_ratio((a, b): (G1Affine, G1Affine), (c, d): (G2Affine, G2Affine)) -> bool {
    Bn254::multi_pairing([a, -b], [d, c]).is_zero()
}

/// A point of G2 whose logarithm nobody knows: abscissas hashed until one is on the curve, then the cofactor cleared.
fn challenge_point(transcript: &[u8; 32], s: &G1Affine, s_x: &G1Affine) -> G2Affine {
    let points = points::write_all_g1(&[*s, *s_x]);
    let coordinate = |counter: u64, part: u8| {
        let half = |i: u8| {
            Sha256::new_with_prefix(b"mediveil/zk/ceremony-point/v1\0")
                .chain_update(transcript)
                .chain_update(&points)
                .chain_update(counter.to_be_bytes())
                .chain_update([part, i])
                .finalize()
        };
        ark_bn254::Fq::from_be_bytes_mod_order(&[half(0), half(1)].concat())
    };
    (0..)
        .filter_map(|counter| {
            let x = ark_bn254::Fq2::new(coordinate(counter, 0), coordinate(counter, 1));
            G2Affine::get_point_from_x_unchecked(x, false)
        })
        .map(|p| p.clear_cofactor())
        .find(|p| !p.is_zero())
        .unwrap_or_else(|| G2Projective::zero().into_affine())
}

const MAX_STEPS: usize = 1024;

/// Body: start, steps, delta in G1 and G2 follow from the last step; L and H; the parts that never change are made anew
/// from the powers of tau by [`Ceremony::decode_wire`].
pub(crate) struct CeremonyFile {
    start: [u8; 32],
    steps: Vec<Step>,
    l: Vec<G1Affine>,
    h: Vec<G1Affine>,
}

impl Wire for CeremonyFile {
    const TYPE: ObjectType = ObjectType::ZkCeremony;
    const MAX_BODY: usize = 1 << 30;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.start);
        e.list(&self.steps, |e, step| {
            e.array(4).text(&step.who);
            e.option(step.beacon.as_ref(), |e, beacon| {
                e.array(2).bytes(&beacon.value).u8(beacon.rounds_log2);
            });
            e.bytes(&points::write_all_g1(&[step.delta_g1, step.s, step.s_x]));
            e.bytes(&points::write_all_g2(&[step.delta_g2, step.r_x]));
        });
        e.bytes(&points::write_all_g1(&self.l)).bytes(&points::write_all_g1(&self.h));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        const BAD: &str = "a point that is not in its group";
        d.tuple(4)?;
        let start = d.byte_array()?;
        let steps = d.list(MAX_STEPS, |d| {
            d.tuple(4)?;
            let who = d.text(64)?.to_owned();
            let beacon = d.option(|d| {
                d.tuple(2)?;
                let (value, rounds_log2) = (d.byte_array()?, d.u8()?);
                if rounds_log2 > Beacon::MAX_ROUNDS_LOG2 {
                    return Err(d.invalid("a beacon of more than 2^40 hashes"));
                }
                Ok(Beacon { value, rounds_log2 })
            })?;
            let g1 = points::read_all_g1(d.bytes(3 * points::G1)?, Check::Full).ok_or_else(|| d.invalid(BAD))?;
            let g2 = points::read_all_g2(d.bytes(2 * points::G2)?, Check::Full).ok_or_else(|| d.invalid(BAD))?;
            let ([delta_g1, s, s_x], [delta_g2, r_x]) = (g1.as_slice(), g2.as_slice()) else {
                return Err(d.invalid("another number of points"));
            };
            let (delta_g1, s, s_x, delta_g2, r_x) = (*delta_g1, *s, *s_x, *delta_g2, *r_x);
            Ok(Step { who, beacon, delta_g1, delta_g2, s, s_x, r_x })
        })?;
        let query =
            |d: &mut Decoder<'_>| points::read_all_g1(d.bytes(1 << 28)?, Check::Full).ok_or_else(|| d.invalid(BAD));
        Ok(Self { start, steps, l: query(d)?, h: query(d)? })
    }
}

impl<S: Statement> Ceremony<S> {
    /// The transcript's file.
    #[must_use]
    pub fn encode_wire(&self) -> Vec<u8> {
        let (l, h) = (self.key.l_query.clone(), self.key.h_query.clone());
        CeremonyFile { start: self.start, steps: self.steps.clone(), l, h }.encode()
    }

    /// Reads a transcript for this statement and these powers of tau. What it says is not believed until
    /// [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`CeremonyError`] for damaged files and other starts.
    pub fn decode_wire(file: &[u8], ptau: &Ptau) -> Result<Self, CeremonyError> {
        let file = CeremonyFile::decode(file)?;
        let mut ceremony = Self::start(ptau)?;
        if ceremony.start != file.start {
            return Err(CeremonyError::OtherStart);
        }
        if let Some(last) = file.steps.last() {
            (ceremony.key.delta_g1, ceremony.key.vk.delta_g2) = (last.delta_g1, last.delta_g2);
        }
        (ceremony.steps, ceremony.key.l_query, ceremony.key.h_query) = (file.steps, file.l, file.h);
        Ok(ceremony)
    }
}

/// What a transcript's file says of itself. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeremonyInfo {
    /// Who contributed, in order; the beacon's step last.
    pub contributors: Vec<String>,
    /// The beacon, if the ceremony is finished.
    pub beacon: Option<Beacon>,
}

impl CeremonyInfo {
    /// Reads the file of a transcript.
    ///
    /// # Errors
    /// [`DecodeError`] for other and damaged files.
    pub fn read(file: &[u8]) -> Result<Self, DecodeError> {
        let steps = CeremonyFile::decode(file)?.steps;
        let beacon = steps.last().and_then(|step| step.beacon.clone());
        Ok(Self { contributors: steps.into_iter().map(|step| step.who).collect(), beacon })
    }
}
