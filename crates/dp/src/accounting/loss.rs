//! The privacy loss of one mechanism: what a fixed plan composes.
//!
//! Each loss names a pair of distributions that dominates every pair of neighbouring outputs (Zhu, Dong, Wang 2022,
//! arXiv 2106.08567), and knows its bounds in the two simple calculi.

use crate::privacy::f64_up;
use crate::units::{Delta, Epsilon, Rho};

/// A mechanism as the report sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// Any pure mechanism. Dominated by randomised response (Kairouz, Oh, Viswanath 2015).
    Pure {
        /// Its epsilon.
        epsilon: Epsilon,
    },
    /// Any approximate mechanism. Dominated by randomised response that fails openly with probability delta.
    Approximate {
        /// Its epsilon.
        epsilon: Epsilon,
        /// Its delta.
        delta: Delta,
    },
    /// Laplace noise on the real line.
    Laplace {
        /// Sensitivity over scale.
        ratio: f64,
    },
    /// Laplace noise on the integers, on one coordinate.
    DiscreteLaplace {
        /// Scale.
        scale: f64,
        /// Sensitivity, a whole number of steps.
        shift: u64,
    },
    /// Gaussian noise on the real line, in any number of coordinates.
    Gaussian {
        /// Sensitivity over standard deviation.
        ratio: f64,
    },
    /// Gaussian noise on the integers, on one coordinate.
    DiscreteGaussian {
        /// The parameter sigma.
        sigma: f64,
        /// Sensitivity, a whole number of steps.
        shift: u64,
    },
    /// Any mechanism of which no more is known than its zCDP: the privacy profile that zCDP implies.
    Concentrated {
        /// Its rho.
        rho: Rho,
        /// Its delta.
        delta: Delta,
    },
}

impl Loss {
    /// Whether the parameters are positive and finite.
    pub(super) fn is_valid(&self) -> bool {
        let positive = |v: f64| v.is_finite() && v > 1e-9 && v < 1e9;
        match self {
            Self::Pure { epsilon } | Self::Approximate { epsilon, .. } => *epsilon > Epsilon::ZERO,
            Self::Laplace { ratio } | Self::Gaussian { ratio } => positive(*ratio),
            Self::DiscreteLaplace { scale, shift } => *shift > 0 && positive(f64_up(*shift) / scale),
            Self::DiscreteGaussian { sigma, shift } => *shift > 0 && positive(f64_up(*shift) / sigma),
            Self::Concentrated { rho, .. } => *rho > Rho::ZERO,
        }
    }

    /// The largest finite loss and the probability of an infinite one, where the first exists. Rounded up.
    pub(super) fn approximate(&self) -> Option<(f64, f64)> {
        Some(match self {
            Self::Pure { epsilon } => (epsilon.to_f64_up(), 0.0),
            Self::Approximate { epsilon, delta } => (epsilon.to_f64_up(), delta.to_f64_up()),
            Self::Laplace { ratio } => (*ratio, 0.0),
            Self::DiscreteLaplace { scale, shift } => ((f64_up(*shift) / scale).next_up(), 0.0),
            _ => return None,
        })
    }

    /// Its zCDP, rounded up, with the probability of an infinite loss.
    pub(super) fn concentrated(&self) -> (f64, f64) {
        let half_square = |v: f64| (v * v).next_up() / 2.0;
        match self {
            Self::Gaussian { ratio } => (half_square(*ratio), 0.0),
            Self::DiscreteGaussian { sigma, shift } => (half_square((f64_up(*shift) / sigma).next_up()), 0.0),
            Self::Concentrated { rho, delta } => (rho.to_f64_up(), delta.to_f64_up()),
            other => {
                let (epsilon, delta) = other.approximate().unwrap_or((f64::INFINITY, 1.0));
                (half_square(epsilon), delta)
            }
        }
    }

    /// About the standard deviation of the loss: sets the grid, never the result.
    pub(super) fn spread(&self) -> f64 {
        match self {
            Self::Pure { .. } | Self::Approximate { .. } | Self::Laplace { .. } | Self::DiscreteLaplace { .. } => {
                self.approximate().map_or(1.0, |(epsilon, _)| epsilon)
            }
            _ => (2.0 * self.concentrated().0).sqrt(),
        }
    }
}
