//! Mechanisms: what is added to an exact answer, what it costs and how far it strays.
//!
//! All noise comes from `opendp`, which samples discrete distributions exactly from OpenSSL's generator (Canonne, Kamath,
//! Steinke 2020, arXiv 2004.00010): every output is an integer, so outputs of neighbouring data sets have one support and
//! the low-order-bit attacks on floating-point noise (Mironov 2012) have nothing to hold. The cost of a mechanism is what
//! opendp's own privacy map says of the scale that is used, not what was asked for.
//!
//! A [`Mechanism`] is made from a [`Sensitivity`] and a price; the scale follows. It can be inspected, priced and previewed
//! freely, and run only with a permit.

mod noise;

use crate::accounting::{Cost, Loss, Regime};
use crate::units::{Delta, Epsilon, Rho};
use crate::{AmountError, Sensitivity};
use noise::Calibrated;
use std::collections::BTreeMap;

/// Why a mechanism cannot be made or run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MechanismError {
    /// The noise that this price buys is wider than the integer grid, 2^50 steps.
    #[error("the noise would be wider than the grid of the answer; spend more, narrow the bounds or coarsen the scale")]
    TooNoisy,
    /// There is nothing that a patient could change, so there is nothing to calibrate to.
    #[error("the declared bounds leave nothing to measure: a patient cannot change this answer")]
    Constant,
    /// Thresholds are for unknown groups; no threshold gives the wanted delta.
    #[error("no threshold reaches this delta; spend more or allow a larger delta")]
    Threshold,
    /// The mechanism was given another kind or number of values than it was planned for.
    #[error("this mechanism was planned for another kind of answer")]
    Shape,
    /// The sampler failed: the system has no randomness to give.
    #[error("the noise generator failed; nothing was released")]
    Sampler,
    /// A cost that is no amount.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

/// A mechanism with its noise fixed.
#[derive(Clone, Debug, PartialEq)]
pub struct Mechanism {
    sensitivity: Sensitivity,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Laplace { price: Epsilon, scale: f64 },
    Gaussian { price: Rho, sigma: f64 },
    LaplaceThreshold { price: Epsilon, delta: Delta, scale: f64, threshold: i64 },
    GaussianThreshold { price: Rho, delta: Delta, sigma: f64, threshold: i64 },
    NoisyMax { price: Epsilon, scale: f64 },
    Exponential { price: Rho, scale: f64 },
}

impl Mechanism {
    /// Discrete Laplace noise on each coordinate, for `price` by the l1 sensitivity
    /// (Ghosh, Roughgarden, Sundararajan 2009).
    ///
    /// # Errors
    /// [`MechanismError`] where the noise would not fit the grid, or there is nothing to measure.
    pub fn laplace(sensitivity: Sensitivity, price: Epsilon) -> Result<Self, MechanismError> {
        let Calibrated { scale, cost } = noise::laplace_scale(&sensitivity, price)?;
        Ok(Self { sensitivity, kind: Kind::Laplace { price: Epsilon::cost(cost)?, scale } })
    }

    /// Discrete Gaussian noise on each coordinate, for `price` by the l2 sensitivity (Canonne, Kamath, Steinke 2020).
    ///
    /// # Errors
    /// Those of [`laplace`](Self::laplace).
    pub fn gaussian(sensitivity: Sensitivity, price: Rho) -> Result<Self, MechanismError> {
        let Calibrated { scale, cost } = noise::gaussian_scale(&sensitivity, price)?;
        Ok(Self { sensitivity, kind: Kind::Gaussian { price: Rho::cost(cost)?, sigma: scale } })
    }

    /// Discrete Laplace noise on the counts of groups that are not known beforehand; a group whose noisy count is below
    /// a threshold is not shown. The threshold is the least that `delta` allows.
    ///
    /// # Errors
    /// Those of [`laplace`](Self::laplace), and [`MechanismError::Threshold`].
    pub fn laplace_threshold(sensitivity: Sensitivity, price: Epsilon, delta: Delta) -> Result<Self, MechanismError> {
        let Calibrated { scale, .. } = noise::laplace_scale(&sensitivity, price)?;
        let (threshold, epsilon, delta) = noise::laplace_least_threshold(&sensitivity, scale, delta)?;
        let (price, delta) = (Epsilon::cost(epsilon)?, Delta::cost(delta)?);
        Ok(Self { sensitivity, kind: Kind::LaplaceThreshold { price, delta, scale, threshold } })
    }

    /// As [`laplace_threshold`](Self::laplace_threshold), with discrete Gaussian noise.
    ///
    /// # Errors
    /// Those of [`laplace_threshold`](Self::laplace_threshold).
    pub fn gaussian_threshold(sensitivity: Sensitivity, price: Rho, delta: Delta) -> Result<Self, MechanismError> {
        let Calibrated { scale, .. } = noise::gaussian_scale(&sensitivity, price)?;
        let (threshold, rho, delta) = noise::gaussian_least_threshold(&sensitivity, scale, delta)?;
        let (price, delta) = (Rho::cost(rho)?, Delta::cost(delta)?);
        Ok(Self { sensitivity, kind: Kind::GaussianThreshold { price, delta, sigma: scale, threshold } })
    }

    /// The index of a largest score, by permute-and-flip (`McKenna`, Sheldon 2020, arXiv 2010.12603), for `price` by the
    /// linf sensitivity. The scores need not move in one direction together.
    ///
    /// # Errors
    /// Those of [`laplace`](Self::laplace).
    pub fn noisy_max(sensitivity: Sensitivity, price: Epsilon) -> Result<Self, MechanismError> {
        let Calibrated { scale, cost } = noise::noisy_max_scale(&sensitivity, price)?;
        Ok(Self { sensitivity, kind: Kind::NoisyMax { price: Epsilon::cost(cost)?, scale } })
    }

    /// The index of a largest score, by the exponential mechanism, for `price` in a concentrated data set: bounded range
    /// makes it cost `epsilon^2 / 8` (Cesar, Rogers 2021, arXiv 2004.07223).
    ///
    /// # Errors
    /// Those of [`laplace`](Self::laplace).
    pub fn exponential(sensitivity: Sensitivity, price: Rho) -> Result<Self, MechanismError> {
        let Calibrated { scale, cost } = noise::exponential_scale(&sensitivity, price)?;
        Ok(Self { sensitivity, kind: Kind::Exponential { price: Rho::cost(cost)?, scale } })
    }

    /// What it is calibrated to.
    #[must_use]
    pub const fn sensitivity(&self) -> &Sensitivity {
        &self.sensitivity
    }

    /// The cost in a data set of this regime, or `None` where the regime does not admit it: a pure data set refuses
    /// Gaussian noise and thresholds.
    ///
    /// # Errors
    /// [`AmountError`] where the cost is beyond the range of its unit.
    pub fn cost(&self, regime: Regime) -> Result<Option<Cost>, AmountError> {
        let concentrated = |rho, delta| Some(Cost::Concentrated { rho, delta });
        Ok(match (regime, &self.kind) {
            (Regime::Pure, Kind::Laplace { price, .. } | Kind::NoisyMax { price, .. }) => Some(Cost::Pure(*price)),
            (Regime::Pure, _) => None,
            (Regime::Concentrated, Kind::Laplace { price, .. } | Kind::NoisyMax { price, .. }) => {
                concentrated(price.to_rho()?, Delta::ZERO)
            }
            (Regime::Concentrated, Kind::LaplaceThreshold { price, delta, .. }) => {
                concentrated(price.to_rho()?, *delta)
            }
            (Regime::Concentrated, Kind::Gaussian { price, .. } | Kind::Exponential { price, .. }) => {
                concentrated(*price, Delta::ZERO)
            }
            (Regime::Concentrated, Kind::GaussianThreshold { price, delta, .. }) => concentrated(*price, *delta),
        })
    }

    /// What an exact report composes (see [`crate::accounting`]).
    #[must_use]
    pub fn loss(&self) -> Loss {
        let scalar = self.sensitivity.l0() == 1;
        match &self.kind {
            // Many coordinates: the shift can be spread over them, and randomised response dominates every spread.
            Kind::Laplace { scale, .. } if scalar => {
                Loss::DiscreteLaplace { scale: *scale, shift: self.sensitivity.l1() }
            }
            Kind::Laplace { price, .. } | Kind::NoisyMax { price, .. } => Loss::Pure { epsilon: *price },
            Kind::Gaussian { sigma, .. } if scalar => {
                Loss::DiscreteGaussian { sigma: *sigma, shift: self.sensitivity.linf() }
            }
            Kind::Gaussian { price, .. } | Kind::Exponential { price, .. } => {
                Loss::Concentrated { rho: *price, delta: Delta::ZERO }
            }
            Kind::LaplaceThreshold { price, delta, .. } => Loss::Approximate { epsilon: *price, delta: *delta },
            Kind::GaussianThreshold { price, delta, .. } => Loss::Concentrated { rho: *price, delta: *delta },
        }
    }

    /// The least half-width of which it is certain that the noise on one coordinate stays within it with probability
    /// at least `1 - failure`. For selections, the score by which the selected candidate may fall short of the best of
    /// `candidates`.
    #[must_use]
    pub fn half_width(&self, failure: f64, candidates: usize) -> u64 {
        match &self.kind {
            Kind::Laplace { scale, .. } | Kind::LaplaceThreshold { scale, .. } => {
                noise::laplace_half_width(*scale, failure)
            }
            Kind::Gaussian { sigma, .. } | Kind::GaussianThreshold { sigma, .. } => {
                noise::gaussian_half_width(*sigma, failure)
            }
            Kind::NoisyMax { scale, .. } | Kind::Exponential { scale, .. } => {
                noise::selection_shortfall(*scale, failure, candidates)
            }
        }
    }

    /// The count below which a group is not shown, where there is one.
    #[must_use]
    pub const fn threshold(&self) -> Option<i64> {
        match self.kind {
            Kind::LaplaceThreshold { threshold, .. } | Kind::GaussianThreshold { threshold, .. } => Some(threshold),
            _ => None,
        }
    }

    /// Scale of the noise: Laplace's `b`, Gaussian's sigma, the temperature of a selection. In steps of the answer's grid.
    #[must_use]
    pub const fn scale(&self) -> f64 {
        match self.kind {
            Kind::Laplace { scale, .. }
            | Kind::LaplaceThreshold { scale, .. }
            | Kind::NoisyMax { scale, .. }
            | Kind::Exponential { scale, .. } => scale,
            Kind::Gaussian { sigma, .. } | Kind::GaussianThreshold { sigma, .. } => sigma,
        }
    }

    /// Adds noise to each coordinate.
    pub(crate) fn add_noise(&self, exact: &[i64]) -> Result<Vec<i64>, MechanismError> {
        match &self.kind {
            Kind::Laplace { scale, .. } => noise::add_laplace(exact, *scale),
            Kind::Gaussian { sigma, .. } => noise::add_gaussian(exact, *sigma),
            _ => Err(MechanismError::Shape),
        }
    }

    /// Adds noise to each group's count and keeps those that reach the threshold.
    pub(crate) fn noisy_groups(
        &self,
        exact: BTreeMap<Vec<String>, i64>,
    ) -> Result<BTreeMap<Vec<String>, i64>, MechanismError> {
        match &self.kind {
            Kind::LaplaceThreshold { scale, threshold, .. } => noise::laplace_groups(exact, *scale, *threshold),
            Kind::GaussianThreshold { sigma, threshold, .. } => noise::gaussian_groups(exact, *sigma, *threshold),
            _ => Err(MechanismError::Shape),
        }
    }

    /// Selects an index of a large score.
    pub(crate) fn select(&self, scores: &[i64]) -> Result<usize, MechanismError> {
        match &self.kind {
            Kind::NoisyMax { scale, .. } => noise::permute_and_flip(scores, *scale),
            Kind::Exponential { scale, .. } => noise::exponential(scores, *scale),
            _ => Err(MechanismError::Shape),
        }
    }

    /// The canonical bytes of the mechanism: its kind, sensitivity and exact noise. Part of a query's identity.
    pub(crate) fn canonical(&self) -> [u8; 72] {
        let (code, price, delta, scale, threshold) = match &self.kind {
            Kind::Laplace { price, scale } => (0u64, price.units(), 0, scale, 0),
            Kind::Gaussian { price, sigma } => (1, price.units(), 0, sigma, 0),
            Kind::LaplaceThreshold { price, delta, scale, threshold } => {
                (2, price.units(), delta.units(), scale, *threshold)
            }
            Kind::GaussianThreshold { price, delta, sigma, threshold } => {
                (3, price.units(), delta.units(), sigma, *threshold)
            }
            Kind::NoisyMax { price, scale } => (4, price.units(), 0, scale, 0),
            Kind::Exponential { price, scale } => (5, price.units(), 0, scale, 0),
        };
        let s = &self.sensitivity;
        let fields = [
            code,
            price,
            delta,
            scale.to_bits(),
            threshold.cast_unsigned(),
            u64::from(s.l0()),
            s.l1(),
            s.l2().to_bits(),
            s.linf(),
        ];
        let mut out = [0; 72];
        for (to, from) in out.iter_mut().zip(fields.iter().flat_map(|f| f.to_be_bytes())) {
            *to = from;
        }
        out
    }

    /// The mean of the noise's magnitude on one coordinate, about; for selections the temperature.
    #[must_use]
    pub fn mean_error(&self) -> f64 {
        match &self.kind {
            Kind::Laplace { scale, .. } | Kind::LaplaceThreshold { scale, .. } => {
                // 2q / (1 - q^2) with q = exp(-1 / b).
                1.0 / libm::sinh(1.0 / scale)
            }
            Kind::Gaussian { sigma, .. } | Kind::GaussianThreshold { sigma, .. } => {
                sigma * (2.0 / std::f64::consts::PI).sqrt()
            }
            Kind::NoisyMax { scale, .. } | Kind::Exponential { scale, .. } => *scale,
        }
    }
}

#[cfg(test)]
mod tests;
