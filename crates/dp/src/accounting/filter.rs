//! The privacy filter: admits or refuses, in constant time and whatever came before.

use super::Cost;
use crate::units::{Delta, Epsilon, Rho};

/// A running total under a cap. Adaptive: sound when each query and its price depend on all earlier answers.
///
/// A refusal changes nothing, so a smaller query may still be admitted after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    cap: Cost,
    spent: Cost,
}

/// A cost that does not fit. The total is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The cost is of another regime than the cap.
    #[error("this cost is counted in another unit than the data set's budget")]
    Regime,
    /// More than what remains.
    #[error("the query costs {cost} and {remaining} remains")]
    OverBudget {
        /// What was asked for.
        cost: Cost,
        /// What remains.
        remaining: Cost,
    },
}

impl Filter {
    /// A filter with `spent` already gone; `None` where that is of another regime or more than the cap.
    #[must_use]
    pub fn new(cap: Cost, spent: Cost) -> Option<Self> {
        spent.within(&cap).then_some(Self { cap, spent })
    }

    /// The cap.
    #[must_use]
    pub const fn cap(&self) -> Cost {
        self.cap
    }

    /// The exact sum of what was admitted.
    #[must_use]
    pub const fn spent(&self) -> Cost {
        self.spent
    }

    /// The cap less what was spent.
    #[must_use]
    pub fn remaining(&self) -> Cost {
        self.cap.checked_sub(&self.spent).unwrap_or(Cost::zero(self.cap.regime()))
    }

    /// Adds `cost` to the total, or refuses and leaves it.
    ///
    /// # Errors
    /// [`Refusal`] where it does not fit.
    pub fn admit(&mut self, cost: Cost) -> Result<(), Refusal> {
        if cost.regime() != self.cap.regime() {
            return Err(Refusal::Regime);
        }
        match self.spent.checked_add(&cost) {
            Some(total) if total.within(&self.cap) => {
                self.spent = total;
                Ok(())
            }
            _ => Err(Refusal::OverBudget { cost, remaining: self.remaining() }),
        }
    }
}

impl From<Epsilon> for Cost {
    fn from(epsilon: Epsilon) -> Self {
        Self::Pure(epsilon)
    }
}

impl From<(Rho, Delta)> for Cost {
    fn from((rho, delta): (Rho, Delta)) -> Self {
        Self::Concentrated { rho, delta }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::Regime;

    fn epsilon(units: u64) -> Cost {
        Cost::Pure(Epsilon::from_units(units).unwrap())
    }

    #[test]
    fn the_last_unit_can_be_spent_and_not_one_more() {
        let mut filter = Filter::new(epsilon(10), Cost::zero(Regime::Pure)).unwrap();
        filter.admit(epsilon(7)).unwrap();
        assert_eq!(filter.admit(epsilon(4)), Err(Refusal::OverBudget { cost: epsilon(4), remaining: epsilon(3) }));
        filter.admit(epsilon(3)).unwrap();
        assert!(filter.admit(epsilon(1)).is_err());
        assert_eq!(filter.spent(), epsilon(10));
    }

    #[test]
    fn either_part_alone_refuses() {
        let cost = |rho, delta| Cost::from_units(Regime::Concentrated, rho, delta).unwrap();
        let mut filter = Filter::new(cost(10, 5), cost(0, 0)).unwrap();
        assert!(filter.admit(cost(1, 6)).is_err());
        assert!(filter.admit(cost(11, 0)).is_err());
        assert_eq!(filter.admit(epsilon(1)), Err(Refusal::Regime));
        filter.admit(cost(10, 5)).unwrap();
        assert_eq!(filter.remaining(), cost(0, 0));
    }

    #[test]
    fn sums_beyond_the_range_are_refused_not_wrapped() {
        let max = epsilon(Epsilon::MAX_UNITS);
        let mut filter = Filter::new(max, max).unwrap();
        assert!(filter.admit(max).is_err());
        assert_eq!(filter.spent(), max);
        assert_eq!(Filter::new(epsilon(1), epsilon(2)), None);
    }
}
