//! Privacy parameters as exact integers.
//!
//! Floating point never holds a budget: a sum of rounded numbers drifts, and drift is an overspend. Every amount is a whole
//! number of a fixed unit, sums are exact, and whatever has to be rounded is rounded once, where it enters:
//!
//! | type | unit | smallest | largest |
//! |---|---|---|---|
//! | [`Epsilon`] | 2^-40 (0.9e-12) | one unit | 2^22 |
//! | [`Rho`] | 2^-48 (3.6e-15) | one unit | 2^14 |
//! | [`Delta`] | 2^-60 (8.7e-19) | one unit | 1 |
//!
//! A *cost* is rounded up ([`Epsilon::cost`]), a *cap* is rounded down ([`Epsilon::cap`]); so the charge is never too small
//! and the promise never too large. Both refuse what is not a positive finite number: NaN, infinities, zeros of either
//! sign and negative numbers. A subnormal cost becomes one unit; a subnormal cap is refused, because it rounds down to
//! nothing.

use std::fmt;
use std::str::FromStr;

/// A number that is no privacy parameter. Says what was expected; never echoes data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmountError {
    /// NaN, an infinity, zero of either sign, or below zero.
    #[error("a privacy parameter is a finite number above zero")]
    NotPositive,
    /// More than the type holds.
    #[error("this privacy parameter is larger than any that means something")]
    TooLarge,
    /// Less than one unit where it had to be rounded down.
    #[error("this cap is below the smallest unit and would round down to nothing")]
    TooSmall,
    /// Text that is not a plain decimal number.
    #[error("expected a plain decimal number such as 0.1")]
    NotDecimal,
}

#[derive(Clone, Copy)]
enum Round {
    Up,
    Down,
}

/// `value * 2^bits` as an integer, rounded as asked; exact but for that one rounding.
fn units_of(value: f64, bits: u32, max: u64, round: Round) -> Result<u64, AmountError> {
    if !value.is_finite() || value <= 0.0 {
        return Err(AmountError::NotPositive);
    }
    // value = mantissa * 2^exponent, exactly.
    let raw = value.to_bits();
    let field = (raw >> 52) & 0x7ff;
    let fraction = raw & ((1 << 52) - 1);
    let (mantissa, exponent) =
        if field == 0 { (fraction, -1074) } else { (fraction | (1 << 52), i64_of(field) - 1075) };
    let shift = exponent + i64::from(bits);
    let units = if shift >= 0 {
        let left = u32::try_from(shift).map_err(|_| AmountError::TooLarge)?;
        if left > 70 {
            return Err(AmountError::TooLarge);
        }
        u128::from(mantissa) << left
    } else {
        let right = u32::try_from(-shift).unwrap_or(u32::MAX);
        let (whole, rest) = if right >= 64 {
            (0, mantissa != 0)
        } else {
            (mantissa >> right, mantissa & ((1u64 << right).wrapping_sub(1)) != 0)
        };
        u128::from(whole) + u128::from(rest && matches!(round, Round::Up))
    };
    finish(units, max)
}

fn i64_of(field: u64) -> i64 {
    i64::try_from(field).unwrap_or(i64::MAX)
}

fn finish(units: u128, max: u64) -> Result<u64, AmountError> {
    match u64::try_from(units) {
        Ok(0) => Err(AmountError::TooSmall),
        Ok(units) if units <= max => Ok(units),
        _ => Err(AmountError::TooLarge),
    }
}

/// A decimal number as units, exactly but for one rounding. At most 18 digits in all.
fn units_of_decimal(text: &str, bits: u32, max: u64, round: Round) -> Result<u64, AmountError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.len().saturating_add(fraction.len());
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || digits > 18 || !plain(whole) || !plain(fraction) || text.ends_with('.') {
        return Err(AmountError::NotDecimal);
    }
    let number: u128 = [whole, fraction].concat().parse().map_err(|_| AmountError::NotDecimal)?;
    if number == 0 {
        return Err(AmountError::NotPositive);
    }
    let denominator = (0..fraction.len()).fold(1u128, |d, _| d.saturating_mul(10));
    let scaled = number << bits;
    finish(if matches!(round, Round::Up) { scaled.div_ceil(denominator) } else { scaled / denominator }, max)
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $bits:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The unit is two to the minus this.
            pub const UNIT_BITS: u32 = $bits;
            /// The largest amount, in units; below 2^63, so that databases with signed integers hold it.
            pub const MAX_UNITS: u64 = $max;
            /// Nothing. A running total starts here; no cost and no cap is ever this.
            pub const ZERO: Self = Self(0);
            /// The smallest amount above nothing.
            pub const ONE_UNIT: Self = Self(1);

            /// This many units, or `None` above [`MAX_UNITS`](Self::MAX_UNITS).
            #[must_use]
            pub const fn from_units(units: u64) -> Option<Self> {
                if units <= Self::MAX_UNITS { Some(Self(units)) } else { None }
            }

            /// The whole number of units.
            #[must_use]
            pub const fn units(self) -> u64 {
                self.0
            }

            /// A cost: `value` rounded up to whole units.
            ///
            /// # Errors
            /// [`AmountError`] for anything but a positive finite number within range.
            pub fn cost(value: f64) -> Result<Self, AmountError> {
                units_of(value, $bits, Self::MAX_UNITS, Round::Up).map(Self)
            }

            /// A cap: `value` rounded down to whole units.
            ///
            /// # Errors
            /// [`AmountError`] for anything but a positive finite number within range that is at least one unit.
            pub fn cap(value: f64) -> Result<Self, AmountError> {
                units_of(value, $bits, Self::MAX_UNITS, Round::Down).map(Self)
            }

            /// A cost written as a decimal such as `0.1`, rounded up from the decimal itself.
            ///
            /// # Errors
            /// [`AmountError`] for anything but a plain positive decimal of at most 18 digits.
            pub fn cost_from_decimal(text: &str) -> Result<Self, AmountError> {
                units_of_decimal(text, $bits, Self::MAX_UNITS, Round::Up).map(Self)
            }

            /// A cap written as a decimal, rounded down from the decimal itself.
            ///
            /// # Errors
            /// [`AmountError`] for anything but a plain positive decimal of at most 18 digits.
            pub fn cap_from_decimal(text: &str) -> Result<Self, AmountError> {
                units_of_decimal(text, $bits, Self::MAX_UNITS, Round::Down).map(Self)
            }

            /// The amount as a floating-point number that is never below it.
            #[must_use]
            pub fn to_f64_up(self) -> f64 {
                let (low, exact) = leading_bits(self.0);
                let low = low * f64::powi(0.5, $bits);
                if exact { low } else { low.next_up() }
            }

            /// The amount as a floating-point number that is never above it.
            #[must_use]
            pub fn to_f64_down(self) -> f64 {
                leading_bits(self.0).0 * f64::powi(0.5, $bits)
            }

            /// The exact sum, or `None` beyond [`MAX_UNITS`](Self::MAX_UNITS).
            #[must_use]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).and_then(Self::from_units)
            }

            /// The exact difference, or `None` below nothing.
            #[must_use]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }
        }

        /// Rounded up in the sixth significant digit: for people, not for arithmetic.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                display_up(self.to_f64_up(), f)
            }
        }

        /// Parses a cap or a price: rounded down. A price bounds what a mechanism may cost; its cost is then computed from
        /// its noise. So ten queries at 0.1 fit under a cap of 1.
        impl FromStr for $name {
            type Err = AmountError;
            fn from_str(text: &str) -> Result<Self, AmountError> {
                Self::cap_from_decimal(text)
            }
        }
    };
}

/// The leading 53 bits of an integer as a float, and whether that is all of it.
fn leading_bits(units: u64) -> (f64, bool) {
    let drop = 11u32.saturating_sub(units.leading_zeros());
    let kept = units >> drop;
    // At most 53 bits are kept, so both halves and their sum are exact.
    let high = u32::try_from(kept >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(kept & 0xffff_ffff).unwrap_or(u32::MAX);
    let value = f64::from(high).mul_add(4_294_967_296.0, f64::from(low));
    (value * f64::powi(2.0, i32::try_from(drop).unwrap_or(0)), kept << drop == units)
}

fn display_up(value: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if value == 0.0 {
        return f.write_str("0");
    }
    let digits = (5 - i32_floor(libm::log10(value))).clamp(0, 24);
    let scale = f64::powi(10.0, digits);
    let rounded = libm::ceil(value * scale - 1e-6) / scale;
    let text = format!("{rounded:.*}", usize::try_from(digits).unwrap_or(0));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    f.write_str(text)
}

fn i32_floor(value: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "a decimal exponent of an f64 is below 400")]
    let whole = libm::floor(value) as i32;
    whole
}

amount! {
    /// The parameter of pure differential privacy (Dwork, `McSherry`, Nissim, Smith 2006), in units of 2^-40.
    Epsilon, 40, 1 << 62
}
amount! {
    /// The parameter of zero-concentrated differential privacy (Bun, Steinke 2016, arXiv 1605.02065), in units of 2^-48.
    Rho, 48, 1 << 62
}
amount! {
    /// A probability of failure, in units of 2^-60; at most 1.
    Delta, 60, 1 << 60
}

impl Epsilon {
    /// What a pure mechanism costs in a concentrated data set: `epsilon^2 / 2`, rounded up
    /// (Bun, Steinke 2016, proposition 1.4). Exact integer arithmetic.
    ///
    /// # Errors
    /// [`AmountError::TooLarge`] where the square exceeds the range of [`Rho`].
    pub fn to_rho(self) -> Result<Rho, AmountError> {
        // units^2 * 2^-80 / 2 = units^2 * 2^-33 * 2^-48
        let square = u128::from(self.0) * u128::from(self.0);
        let units = u64::try_from(square.div_ceil(1 << 33)).map_err(|_| AmountError::TooLarge)?;
        Rho::from_units(units).ok_or(AmountError::TooLarge)
    }

    /// Cuts the amount into `parts` that sum to it exactly; the first ones are one unit larger where it does not divide.
    /// Each part is above nothing, or there is no answer.
    #[must_use]
    pub fn split(self, parts: u64) -> Option<Vec<Self>> {
        split(self.0, parts).map(|p| p.into_iter().map(Self).collect())
    }
}

impl Rho {
    /// Cuts the amount into `parts` that sum to it exactly, like [`Epsilon::split`].
    #[must_use]
    pub fn split(self, parts: u64) -> Option<Vec<Self>> {
        split(self.0, parts).map(|p| p.into_iter().map(Self).collect())
    }
}

fn split(units: u64, parts: u64) -> Option<Vec<u64>> {
    let each = units.checked_div(parts).filter(|e| *e > 0)?;
    let larger = units.checked_rem(parts)?;
    Some((0..parts).map(|i| each.saturating_add(u64::from(i < larger))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_that_are_not_numbers_are_refused() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -1.0, -f64::MIN_POSITIVE, -5e-324] {
            assert_eq!(Epsilon::cost(bad), Err(AmountError::NotPositive));
            assert_eq!(Epsilon::cap(bad), Err(AmountError::NotPositive));
            assert_eq!(Rho::cost(bad), Err(AmountError::NotPositive));
            assert_eq!(Delta::cap(bad), Err(AmountError::NotPositive));
        }
        assert_eq!(Epsilon::cost(5e-324), Ok(Epsilon::ONE_UNIT));
        assert_eq!(Epsilon::cap(5e-324), Err(AmountError::TooSmall));
        assert_eq!(Epsilon::cost(f64::MAX), Err(AmountError::TooLarge));
        assert_eq!(Delta::cost(1.0).map(Delta::units), Ok(1 << 60));
        assert_eq!(Delta::cost(1.0f64.next_up()), Err(AmountError::TooLarge));
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "nan", "inf", " 1", "1 ", "0x1", "1.2.3", "٣"] {
            assert!(Epsilon::cost_from_decimal(bad).is_err(), "{bad}");
        }
        for zero in ["0", "0.0", "000.000"] {
            assert_eq!(Epsilon::cost_from_decimal(zero), Err(AmountError::NotPositive));
        }
    }

    #[test]
    fn costs_round_up_and_caps_round_down() {
        // 0.1 * 2^40 = 109951162777.6
        assert_eq!(Epsilon::cost_from_decimal("0.1").map(Epsilon::units), Ok(109_951_162_778));
        assert_eq!(Epsilon::cap_from_decimal("0.1").map(Epsilon::units), Ok(109_951_162_777));
        assert_eq!(Epsilon::cost(0.1).map(Epsilon::units), Ok(109_951_162_778));
        assert_eq!(Epsilon::cap(0.1).map(Epsilon::units), Ok(109_951_162_777));
        assert_eq!(Epsilon::cost(1.0).map(Epsilon::units), Ok(1 << 40));
        assert_eq!(Epsilon::cap(1.0).map(Epsilon::units), Ok(1 << 40));
        let odd = Epsilon::from_units((1 << 60) + 1).unwrap();
        assert!(odd.to_f64_up() > odd.to_f64_down());
        assert_eq!(odd.to_f64_down(), f64::powi(2.0, 20));
        assert_eq!(Epsilon::ONE_UNIT.to_f64_up(), f64::powi(0.5, 40));
    }

    #[test]
    fn pure_enters_as_half_the_square_rounded_up() {
        let one = Epsilon::cost(1.0).unwrap();
        assert_eq!(one.to_rho().unwrap(), Rho::cost(0.5).unwrap());
        assert_eq!(Epsilon::ONE_UNIT.to_rho().unwrap(), Rho::ONE_UNIT);
        assert_eq!(Epsilon::from_units(1 << 62).unwrap().to_rho(), Err(AmountError::TooLarge));
        // The decimal's square, not the square of its float.
        let tenth = Epsilon::cost_from_decimal("0.1").unwrap();
        assert_eq!(u128::from(tenth.to_rho().unwrap().units()), (109_951_162_778u128).pow(2).div_ceil(1 << 33));
    }

    #[test]
    fn ten_prices_of_a_tenth_fit_under_one() {
        let tenth: Epsilon = "0.1".parse().unwrap();
        assert!(tenth.units() * 10 <= 1 << 40);
    }

    #[test]
    fn parts_sum_exactly() {
        let amount = Epsilon::from_units(10).unwrap();
        let parts: Vec<u64> = amount.split(3).unwrap().iter().map(|e| e.units()).collect();
        assert_eq!(parts, [4, 3, 3]);
        assert_eq!(Epsilon::from_units(2).unwrap().split(3), None);
        assert_eq!(amount.split(0), None);
    }

    #[test]
    fn prints_for_people_never_below() {
        assert_eq!(Epsilon::cost_from_decimal("0.1").unwrap().to_string(), "0.1");
        assert_eq!(Epsilon::cost(1.0).unwrap().to_string(), "1");
        assert_eq!(Epsilon::cost(3.0).unwrap().to_string(), "3");
        assert_eq!(Epsilon::ZERO.to_string(), "0");
        assert_eq!(Delta::cost_from_decimal("0.000001").unwrap().to_string(), "0.000001");
    }
}
