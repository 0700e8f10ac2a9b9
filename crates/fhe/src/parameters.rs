//! Parameter sets: ring degree, plaintext modulus and ciphertext moduli, and the choice among them by need.
//!
//! A set that exists is secure by [`SecurityEstimate`]'s table and packs: every modulus is a prime congruent to 1 modulo
//! twice the degree, so that both rings split into `degree` slots. Sets for the same need are the same everywhere: the
//! primes are the largest of their size.

use crate::noise::{BudgetExceeded, NoiseModel};
use crate::security::{SecurityEstimate, VARIANCE};
use crate::slots::SlotMap;
use fhe::bfv::{BfvParameters, BfvParametersBuilder};
use fhe_math::rq::Context;
use fhe_math::zq::primes::generate_prime;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use std::fmt;
use std::sync::Arc;

/// Why there is no such parameter set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The degree is not one of 8192, 16384 and 32768.
    #[error("the ring degree {0} is not one of 8192, 16384 and 32768")]
    Degree(u32),
    /// The modulus is too large for 128 bits of security.
    #[error("a modulus of {log_q} bits is over the {limit} bits that 128-bit security allows at degree {degree}")]
    Insecure {
        /// Ring degree.
        degree: u32,
        /// Bits of the modulus.
        log_q: u32,
        /// Bits allowed.
        limit: u32,
    },
    /// A modulus is not a prime of the right form or size, or they are not distinct and in order.
    #[error(
        "the moduli must be distinct primes, congruent to 1 modulo twice the degree, the plaintext's the smallest with \
         at most 60 bits, the others with at most 62"
    )]
    Moduli,
    /// No set meets the need.
    #[error("no parameter set meets the need: {0}")]
    Need(BudgetExceeded),
    /// The need is out of range.
    #[error("{0}")]
    Range(&'static str),
}

/// What a study needs of its parameters: the largest circuit that will be evaluated.
///
/// The circuit is a product of 2^`depth` fresh ciphertexts in each block, each of them a sum or difference of up to
/// `terms`, summed over the blocks of `rows` rows, and opened `opened` coefficients at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Multiplications on top of each other: 0 for sums, 2 for a filter over two conditions and a value.
    pub depth: u32,
    /// Ciphertexts added up before each multiplication, such as 3 for `a + b - ab`.
    pub terms: u32,
    /// The largest absolute value that any slot, sum or noisy result can have, at most [`Need::MAX_ABS`].
    pub max_abs: u64,
    /// Rows over all sites.
    pub rows: u64,
    /// Committee members.
    pub members: u32,
    /// Members of a quorum.
    pub needed: u32,
    /// Bits of smudging; 64 unless there is a reason.
    pub smudging: u32,
    /// Coefficients opened in one release: one for each number.
    pub opened: u64,
}

impl Need {
    /// The largest `max_abs`: what the largest primes of 60 bits have room for.
    pub const MAX_ABS: u64 = (1 << 59) - (1 << 24);

    /// Sums, counts and histograms without filters, 64 bits of smudging and 64 numbers a release.
    #[must_use]
    pub const fn sums(rows: u64, max_abs: u64, members: u32, needed: u32) -> Self {
        Self { depth: 0, terms: 1, max_abs, rows, members, needed, smudging: 64, opened: 64 }
    }

    /// A filter over two conditions and a value (depth 2), otherwise as [`sums`](Self::sums).
    #[must_use]
    pub const fn filtered_sums(rows: u64, max_abs: u64, members: u32, needed: u32) -> Self {
        Self { depth: 2, terms: 3, max_abs, rows, members, needed, smudging: 64, opened: 64 }
    }

    fn check(&self, model: &NoiseModel, degree: u32) -> Result<(), BudgetExceeded> {
        let mut noise = model.fresh();
        for _ in 0..self.depth {
            noise = model.times(&noise, self.terms.into());
            noise = model.product(&noise, &noise);
        }
        let blocks = self.rows.div_ceil(degree.into()).max(1);
        noise = model.times(&noise, blocks.saturating_mul(self.terms.into()));
        model.opening(&noise, self.opened, self.needed, self.smudging).map(|_| ())
    }
}

struct Inner {
    bfv: Arc<BfvParameters>,
    context: Arc<Context>,
    slots: SlotMap,
    degree: u32,
    security: SecurityEstimate,
}

/// A parameter set. Cheap to clone.
#[derive(Clone)]
pub struct Parameters(Arc<Inner>);

impl Parameters {
    /// Degrees that there are.
    pub const DEGREES: [u32; 3] = [8192, 16384, 32768];
    /// Most ciphertext primes a set can have.
    pub const MAX_PRIMES: usize = 16;

    /// The smallest set that meets `need`: smallest degree first, then fewest primes, then shortest primes.
    ///
    /// # Errors
    /// [`ParameterError::Need`] with the missing bits if there is none; [`ParameterError::Range`] for a need that makes no
    /// sense.
    pub fn for_need(need: &Need) -> Result<Self, ParameterError> {
        let range = ParameterError::Range;
        if !(1..=Need::MAX_ABS).contains(&need.max_abs) {
            return Err(range("the largest value must be between 1 and 2^59 - 2^24"));
        }
        if need.depth > 8 || need.terms == 0 || need.opened == 0 {
            return Err(range("depth is at most 8, and terms and opened values at least one"));
        }
        if need.needed < 2 || need.needed > need.members || need.members > 64 {
            return Err(range("a quorum has at least two members and a committee at most 64"));
        }
        let mut failed = BudgetExceeded { needed: 0, available: 0 };
        for degree in Self::DEGREES {
            let limit = SecurityEstimate::new(degree, 0).map_or(0, |s| s.classical_128);
            let Some(plaintext) = plaintext_prime(degree, need.max_abs) else { continue };
            let least = (64 - plaintext.leading_zeros() + 1).max(40);
            for count in 2..=Self::MAX_PRIMES {
                for size in least..=62 {
                    let total = u64::from(size) * count as u64;
                    if total > u64::from(limit) {
                        break;
                    }
                    // Powers of two first, which are slightly more than the primes below them: those take longer to find.
                    let fits =
                        |moduli: &[u64]| need.check(&NoiseModel::of(degree, plaintext, moduli, need.members), degree);
                    if let Err(e) = fits(&vec![1 << size; count]) {
                        failed = e;
                        continue;
                    }
                    let Some(moduli) = primes(degree, size, count) else { continue };
                    match fits(&moduli) {
                        Ok(()) => return Self::new(degree, plaintext, &moduli),
                        Err(e) => failed = e,
                    }
                }
            }
        }
        Err(ParameterError::Need(failed))
    }

    /// The set with these moduli.
    ///
    /// # Errors
    /// [`ParameterError`] for anything that is insecure or does not pack.
    pub fn new(degree: u32, plaintext: u64, moduli: &[u64]) -> Result<Self, ParameterError> {
        let log_q = NoiseModel::of(degree, plaintext, moduli, 1).modulus_bits();
        let log_q = u32::try_from(log_q).unwrap_or(u32::MAX);
        let security = match SecurityEstimate::new(degree, log_q) {
            Some(security) if security.holds_classical() => security,
            Some(security) => {
                return Err(ParameterError::Insecure { degree, log_q, limit: security.classical_128 });
            }
            None => toy_estimate(degree, log_q).ok_or(ParameterError::Degree(degree))?,
        };
        Self::build(degree, plaintext, moduli, security).ok_or(ParameterError::Moduli)
    }

    fn build(degree: u32, plaintext: u64, moduli: &[u64], security: SecurityEstimate) -> Option<Self> {
        let step = u64::from(degree).checked_mul(2)?;
        let fits = |p: u64, bits: u32| 64 - p.leading_zeros() <= bits && p % step == 1;
        let mut sorted = moduli.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let distinct = sorted.len() == moduli.len() && (2..=Self::MAX_PRIMES).contains(&moduli.len());
        if !distinct || !fits(plaintext, 60) || !moduli.iter().all(|q| fits(*q, 62) && *q > plaintext) {
            return None;
        }
        let n = usize::try_from(degree).ok()?;
        // Checks that every modulus is prime before `fhe` relies on it.
        Context::new(moduli, n).ok()?;
        let slots = SlotMap::new(plaintext, n)?;
        let bfv = BfvParametersBuilder::new()
            .set_degree(n)
            .set_plaintext_modulus(plaintext)
            .set_moduli(moduli)
            .set_variance(VARIANCE)
            .build_arc()
            .ok()?;
        let context = bfv.context_at_level(0).ok()?.clone();
        Some(Self(Arc::new(Inner { bfv, context, slots, degree, security })))
    }

    /// Ring degree, which is the number of slots of a ciphertext: the rows of a block.
    #[must_use]
    pub fn degree(&self) -> u32 {
        self.0.degree
    }

    /// Ring degree as a length.
    pub(crate) fn slots_per_block(&self) -> usize {
        self.0.bfv.degree()
    }

    /// The plaintext modulus t, a prime. Results are right between `-(t-1)/2` and `(t-1)/2`.
    #[must_use]
    pub fn plaintext_modulus(&self) -> u64 {
        self.0.bfv.plaintext()
    }

    /// The largest absolute value a slot or a result can have.
    #[must_use]
    pub fn max_abs(&self) -> u64 {
        (self.plaintext_modulus() - 1) / 2
    }

    /// The ciphertext primes.
    #[must_use]
    pub fn moduli(&self) -> &[u64] {
        self.0.bfv.moduli()
    }

    /// Blocks that `rows` rows fill.
    #[must_use]
    pub fn blocks(&self, rows: u64) -> u64 {
        rows.div_ceil(u64::from(self.degree()))
    }

    /// Bytes of one polynomial on the wire.
    #[must_use]
    pub fn polynomial_bytes(&self) -> usize {
        let bits: u32 = self.moduli().iter().map(|q| 64 - q.leading_zeros()).sum();
        self.slots_per_block().saturating_mul(usize::try_from(bits).unwrap_or(usize::MAX)) / 8
    }

    /// What current tables say of the set.
    #[must_use]
    pub fn security(&self) -> SecurityEstimate {
        self.0.security
    }

    pub(crate) fn bfv(&self) -> &Arc<BfvParameters> {
        &self.0.bfv
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.0.context
    }

    pub(crate) fn slots(&self) -> &SlotMap {
        &self.0.slots
    }

    /// A ring of this degree that hides nothing, for tests: `count` primes of 62 bits, t of `plaintext_bits`.
    ///
    /// # Errors
    /// [`ParameterError::Moduli`] if there are no such primes.
    #[cfg(any(test, feature = "testing"))]
    pub fn insecure_for_tests(degree: u32, plaintext_bits: u32, count: usize) -> Result<Self, ParameterError> {
        let moduli = primes(degree, 62, count).ok_or(ParameterError::Moduli)?;
        let bits = usize::try_from(plaintext_bits).unwrap_or(0);
        let plaintext =
            generate_prime(bits, 2 * u64::from(degree), 1 << plaintext_bits).ok_or(ParameterError::Moduli)?;
        Self::new(degree, plaintext, &moduli)
    }
}

#[cfg(any(test, feature = "testing"))]
fn toy_estimate(degree: u32, log_q: u32) -> Option<SecurityEstimate> {
    let secret = crate::SecretDistribution::CentredBinomial { variance: 10 };
    let toy = (8..=1024).contains(&degree) && degree.is_power_of_two();
    toy.then_some(SecurityEstimate { degree, log_q, classical_128: 0, quantum_128: 0, secret })
}

#[cfg(not(any(test, feature = "testing")))]
fn toy_estimate(_: u32, _: u32) -> Option<SecurityEstimate> {
    None
}

/// The largest prime of the smallest size that has room for `-max_abs..=max_abs`.
fn plaintext_prime(degree: u32, max_abs: u64) -> Option<u64> {
    let room = max_abs.checked_mul(2)?.checked_add(1)?;
    let step = u64::from(degree) * 2;
    let least = (64 - room.leading_zeros()).max(64 - step.leading_zeros() + 2);
    (least..=60).find_map(|bits| {
        let prime = generate_prime(usize::try_from(bits).ok()?, step, 1 << bits)?;
        (prime >= room).then_some(prime)
    })
}

/// The `count` largest primes of `bits` bits that split at this degree, in falling order.
fn primes(degree: u32, bits: u32, count: usize) -> Option<Vec<u64>> {
    let mut found = Vec::with_capacity(count);
    let mut below = 1u64 << bits;
    while found.len() < count {
        below = generate_prime(usize::try_from(bits).ok()?, 2 * u64::from(degree), below)?;
        found.push(below);
    }
    Some(found)
}

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.degree() == other.degree()
                && self.plaintext_modulus() == other.plaintext_modulus()
                && self.moduli() == other.moduli())
    }
}

impl Eq for Parameters {}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("degree", &self.degree())
            .field("plaintext_modulus", &self.plaintext_modulus())
            .field("log_q", &self.security().log_q)
            .finish_non_exhaustive()
    }
}

impl Wire for Parameters {
    const TYPE: ObjectType = ObjectType::FheParameters;
    const MAX_BODY: usize = 256;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).u32(self.degree()).u64(self.plaintext_modulus());
        e.list(self.moduli(), |e, q| {
            e.u64(*q);
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let degree = d.u32()?;
        let plaintext = d.u64()?;
        let moduli = d.list(Self::MAX_PRIMES, Decoder::u64)?;
        Self::new(degree, plaintext, &moduli).map_err(|e| {
            d.invalid(match e {
                ParameterError::Insecure { .. } => "the modulus is too large to be secure at this degree",
                ParameterError::Degree(_) => "not a degree of this scheme",
                _ => "the moduli are not those of a packing ring",
            })
        })
    }
}
