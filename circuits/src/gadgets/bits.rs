//! Ranges and comparisons by decomposition into bits. Native twins are Rust's integers.
//!
//! A comparison of field elements means nothing unless both sides are known to be small: each gadget says what it needs.

use crate::r1cs::{Builder, Num};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup as _, BigInt, BigInteger as _, Field as _, One as _, PrimeField as _};

/// 2^n.
#[must_use]
pub fn power_of_two(n: usize) -> Fr {
    Fr::from(2_u64).pow([n as u64])
}

/// The number that these bits are, lowest first.
#[must_use]
pub fn pack(bits: &[Num]) -> Num {
    let mut weight = Fr::one();
    let parts: Vec<_> = bits
        .iter()
        .map(|bit| {
            let part = (weight, bit);
            weight.double_in_place();
            part
        })
        .collect();
    Num::sum(&parts)
}

/// The `n` bits of x, lowest first; refuses x >= 2^n. `n` must be at most 253: with more, some x have two readings
/// (see [`at_most`]). n + 1 rows.
pub fn bits(cs: &mut Builder, x: &Num, n: usize) -> Vec<Num> {
    let value = x.value().into_bigint();
    let bits: Vec<Num> = (0..n).map(|i| cs.boolean(value.get_bit(i))).collect();
    cs.equal(&pack(&bits), x);
    bits
}

/// Refuses x >= 2^n. n + 1 rows.
pub fn range(cs: &mut Builder, x: &Num, n: usize) {
    bits(cs, x, n);
}

/// Refuses a > b. Sound where a and b are below 2^n and n < 253: then b - a is a small number or a huge one. n + 1 rows.
pub fn less_or_equal(cs: &mut Builder, a: &Num, b: &Num, n: usize) {
    range(cs, &(b - a), n);
}

/// Refuses a >= b, under the same condition as [`less_or_equal`].
pub fn less(cs: &mut Builder, a: &Num, b: &Num, n: usize) {
    less_or_equal(cs, &(a + &Num::one()), b, n);
}

/// The boolean a <= b, for a and b below 2^n, n < 252. n + 2 rows.
pub fn is_less_or_equal(cs: &mut Builder, a: &Num, b: &Num, n: usize) -> Num {
    let shifted = &(b - a) + &Num::constant(power_of_two(n));
    // 2^n + b - a has bit n exactly where b >= a.
    bits(cs, &shifted, n.saturating_add(1)).pop().unwrap_or_else(Num::zero)
}

/// Refuses bits (lowest first, each boolean) whose number is above the constant, over the integers.
///
/// From the top: as long as all ones of the constant were met, each run of its zeros must be zeros.
pub fn at_most(cs: &mut Builder, bits: &[Num], max: &BigInt<4>) {
    let mut tight: Option<Num> = None;
    let mut index = bits.len();
    while index > 0 {
        let one = max.get_bit(index.saturating_sub(1));
        let run = (0..index).rev().take_while(|i| max.get_bit(*i) == one).count();
        let below = index.saturating_sub(run);
        let in_run = bits.get(below..index).unwrap_or_default();
        if one {
            // No zeros follow: nothing can exceed any more.
            if below > 0 {
                for bit in in_run.iter().rev() {
                    tight = Some(match &tight {
                        None => bit.clone(),
                        Some(tight) => cs.mul(tight, bit),
                    });
                }
            }
        } else {
            let sum = Num::sum(&in_run.iter().map(|bit| (Fr::one(), bit)).collect::<Vec<_>>());
            cs.enforce(&tight.clone().unwrap_or_else(Num::one), &sum, &Num::zero());
        }
        index = below;
    }
}

/// Refuses bits whose number is below the constant, over the integers: the mirror of [`at_most`].
pub fn at_least(cs: &mut Builder, bits: &[Num], min: &BigInt<4>) {
    let flipped: Vec<Num> = bits.iter().map(Num::not).collect();
    let mut max = BigInt::<4>::zero();
    for i in (0..bits.len()).filter(|i| !min.get_bit(*i)) {
        if let Some(limb) = max.0.get_mut(i / 64) {
            *limb |= 1_u64 << (i % 64);
        }
    }
    at_most(cs, &flipped, &max);
}
