//! What has been spent, and what it means.
//!
//! A data set has one [`Regime`] for life. *Pure*: costs are epsilons and add up. *Concentrated*: costs are pairs of rho
//! (zCDP) and delta and add up; a pure mechanism enters as `epsilon^2 / 2`, a threshold spends delta.
//!
//! Two kinds of arithmetic live here, and their types keep them apart:
//!
//! * [`Filter`] decides. Its sums are exact and hold when the analyst chooses each next query, and its price, from all
//!   answers so far (pure: Rogers, Roth, Ullman, Vadhan 2016; Rényi and zCDP: Feldman, Zrnic 2021; approximate zCDP:
//!   Whitehouse, Ramdas, Rogers, Wu 2023).
//! * [`FixedPlan`] reports. It composes privacy-loss distributions and is tighter, but only for a plan that was fixed
//!   before the first answer: used as a filter it would be unsound (arXiv 2602.06756). It yields a [`Report`], which has
//!   no way into a filter.

mod filter;
mod loss;
mod pld;
mod report;
mod zcdp;

pub use filter::{Filter, Refusal};
pub use loss::Loss;
pub use report::{FixedPlan, Report, ReportError, Route};
pub use zcdp::{delta_of_rho, epsilon_of_rho};

use crate::units::{Delta, Epsilon, Rho};
use mediveil_codec::{DecodeError, Decoder, Encoder};
use std::fmt;

/// How a data set counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// Pure differential privacy: refuses Gaussian noise and thresholds.
    Pure,
    /// Approximate zero-concentrated differential privacy.
    Concentrated,
}

/// An amount of privacy in one regime: a cost, a cap or a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// In a pure data set.
    Pure(Epsilon),
    /// In a concentrated data set.
    Concentrated {
        /// Zero-concentrated part.
        rho: Rho,
        /// Probability of failure.
        delta: Delta,
    },
}

impl Cost {
    /// Nothing, in this regime.
    #[must_use]
    pub const fn zero(regime: Regime) -> Self {
        match regime {
            Regime::Pure => Self::Pure(Epsilon::ZERO),
            Regime::Concentrated => Self::Concentrated { rho: Rho::ZERO, delta: Delta::ZERO },
        }
    }

    /// Its regime.
    #[must_use]
    pub const fn regime(&self) -> Regime {
        match self {
            Self::Pure(_) => Regime::Pure,
            Self::Concentrated { .. } => Regime::Concentrated,
        }
    }

    /// The exact sum; `None` for two regimes and beyond the range.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Pure(a), Self::Pure(b)) => a.checked_add(*b).map(Self::Pure),
            (Self::Concentrated { rho, delta }, Self::Concentrated { rho: r, delta: d }) => {
                Some(Self::Concentrated { rho: rho.checked_add(*r)?, delta: delta.checked_add(*d)? })
            }
            _ => None,
        }
    }

    /// The exact difference; `None` where any part would fall below nothing.
    #[must_use]
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Pure(a), Self::Pure(b)) => a.checked_sub(*b).map(Self::Pure),
            (Self::Concentrated { rho, delta }, Self::Concentrated { rho: r, delta: d }) => {
                Some(Self::Concentrated { rho: rho.checked_sub(*r)?, delta: delta.checked_sub(*d)? })
            }
            _ => None,
        }
    }

    /// Whether every part is within `cap`.
    #[must_use]
    pub fn within(&self, cap: &Self) -> bool {
        cap.checked_sub(self).is_some()
    }

    /// Units of the main part (epsilon or rho) and of delta.
    #[must_use]
    pub const fn units(&self) -> (u64, u64) {
        match self {
            Self::Pure(epsilon) => (epsilon.units(), 0),
            Self::Concentrated { rho, delta } => (rho.units(), delta.units()),
        }
    }

    /// The amount with these units; `None` beyond the ranges, and for a delta in a pure regime.
    #[must_use]
    pub fn from_units(regime: Regime, main: u64, delta: u64) -> Option<Self> {
        match regime {
            Regime::Pure if delta == 0 => Epsilon::from_units(main).map(Self::Pure),
            Regime::Pure => None,
            Regime::Concentrated => {
                Some(Self::Concentrated { rho: Rho::from_units(main)?, delta: Delta::from_units(delta)? })
            }
        }
    }

    /// What the amount promises as (epsilon, delta): for a pure amount its epsilon, whatever the delta; for a
    /// concentrated one the optimal conversion at `delta` less its own, rounded up. `None` where its own delta already
    /// reaches `delta`.
    #[must_use]
    pub fn epsilon_at(&self, delta: f64) -> Option<f64> {
        match self {
            Self::Pure(epsilon) => Some(epsilon.to_f64_up()),
            Self::Concentrated { rho, delta: own } => {
                let left = (delta - own.to_f64_up()).next_down();
                (left > 0.0).then(|| epsilon_of_rho(rho.to_f64_up(), left))
            }
        }
    }

    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        let (main, delta) = self.units();
        e.array(3).u8(matches!(self, Self::Concentrated { .. }).into()).u64(main).u64(delta);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let regime = match d.u8()? {
            0 => Regime::Pure,
            1 => Regime::Concentrated,
            _ => return Err(d.invalid("not a regime")),
        };
        Self::from_units(regime, d.u64()?, d.u64()?).ok_or_else(|| d.invalid("not an amount of privacy"))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pure(epsilon) => write!(f, "epsilon {epsilon}"),
            Self::Concentrated { rho, delta } if *delta == Delta::ZERO => write!(f, "rho {rho}"),
            Self::Concentrated { rho, delta } => write!(f, "rho {rho}, delta {delta}"),
        }
    }
}
