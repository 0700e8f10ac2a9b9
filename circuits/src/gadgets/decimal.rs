//! Dates and decimals: the field elements of `mediveil_record::leaf`, compared.
//!
//! A date is its days since 0001-01-01 (22 bits). A decimal is a mantissa, offset by 2^63, and a scale; to compare it with
//! a bound of scale s, the mantissa is multiplied by 10^(s - own scale), for a difference of at most [`MAX_SHIFT`].
//! Native twin: [`rescale`].

use crate::r1cs::{Builder, Num};
use ark_bn254::Fr;
use ark_ff::{One as _, Zero as _};

/// Bits of a date.
pub const DATE_BITS: usize = 22;
/// Bits of an offset mantissa.
pub const MANTISSA_BITS: usize = 64;
/// Most decimal places that a bound may have beyond the value.
pub const MAX_SHIFT: u8 = 7;

/// The offset of integers and mantissas: 2^63.
#[must_use]
pub fn offset() -> Fr {
    Fr::from(1_u64 << 63)
}

/// 10^(b0 + 2 b1 + 4 b2) for three boolean variables: two rows.
pub fn power_of_ten(cs: &mut Builder, shift: &[Num; 3]) -> Num {
    let [b0, b1, b2] = shift;
    let factor = |bit: &Num, power: u64| &Num::one() + &bit.times(Fr::from(power.saturating_sub(1)));
    let low = cs.mul(&factor(b0, 10), &factor(b1, 100));
    cs.mul(&low, &factor(b2, 10_000))
}

/// mantissa * 10^(to - from), the native twin; `None` where the shift is negative or over [`MAX_SHIFT`].
#[must_use]
pub fn rescale(mantissa: i64, from: u8, to: u8) -> Option<i128> {
    let shift = to.checked_sub(from).filter(|s| *s <= MAX_SHIFT)?;
    i128::from(mantissa).checked_mul(10_i128.checked_pow(shift.into())?)
}

/// The field element of a signed number.
#[must_use]
pub fn signed(n: i128) -> Fr {
    let size = Fr::from(n.unsigned_abs());
    if n < 0 { Fr::zero() - size } else { Fr::one() * size }
}
