//! How large the ciphertext modulus may be.
//!
//! Source: Bossuat et al., *Security Guidelines for Implementing Homomorphic Encryption* (eprint 2024/463), the tables of
//! the largest log q per ring degree at 128 bits, classical and quantum, for Gaussian secrets of standard deviation 3.19.
//! Secrets and errors here are centred binomial with variance 10 (standard deviation 3.162), each of them drawn by one
//! member; even if all others collude, one member's secret of that width is left. Hardness depends on the ratio of q to
//! that width, and log2(3.19 / 3.162) < 0.02, so one bit below the Gaussian column is on the safe side.

/// How secrets and errors are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretDistribution {
    /// The difference of two sums of `2 * variance` fair bits each: what `fhe` samples.
    CentredBinomial {
        /// The variance.
        variance: u32,
    },
}

/// Variance of every secret and error.
pub(crate) const VARIANCE: usize = 10;

/// The largest absolute value such a sample can take: twice the variance.
pub(crate) const SMALL_MAX: u64 = 20;

/// What the guidelines say of a ring degree and a modulus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityEstimate {
    /// Ring degree.
    pub degree: u32,
    /// Bits of the ciphertext modulus, rounded up.
    pub log_q: u32,
    /// The largest log q for 128 bits against classical computers that this crate accepts: the Gaussian column less one.
    pub classical_128: u32,
    /// The same against quantum computers, for information; not enforced.
    pub quantum_128: u32,
    /// How secrets and errors are drawn.
    pub secret: SecretDistribution,
}

impl SecurityEstimate {
    pub(crate) fn new(degree: u32, log_q: u32) -> Option<Self> {
        let (classical, quantum) = gaussian_limits(degree)?;
        Some(Self {
            degree,
            log_q,
            classical_128: classical.saturating_sub(1),
            quantum_128: quantum.saturating_sub(1),
            secret: SecretDistribution::CentredBinomial { variance: 10 },
        })
    }

    /// Whether the modulus is small enough for 128 bits against classical computers. Parameters of which this is not
    /// true cannot be made (outside of tests).
    #[must_use]
    pub const fn holds_classical(&self) -> bool {
        self.log_q <= self.classical_128
    }

    /// Whether it is small enough for 128 bits against quantum computers too.
    #[must_use]
    pub const fn holds_quantum(&self) -> bool {
        self.log_q <= self.quantum_128
    }
}

/// Largest log q for 128 bits, Gaussian secrets: classical and quantum column.
const fn gaussian_limits(degree: u32) -> Option<(u32, u32)> {
    match degree {
        8192 => Some((216, 163)),
        16384 => Some((432, 324)),
        32768 => Some((870, 646)),
        _ => None,
    }
}
