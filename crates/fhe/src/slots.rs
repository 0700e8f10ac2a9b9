//! Which coefficients make which slots.
//!
//! The plaintext ring `Z_t[x] / (x^n + 1)` splits into n slots: a polynomial's values at the n primitive 2n-th roots of
//! unity modulo t. Slot i is the value at w^(2i+1), where w is the smallest of these roots as an integer: an order that
//! does not depend on how a library arranges its transform. Adding and multiplying polynomials adds and multiplies slot
//! by slot. The sum of all slots is n times the constant coefficient, because every other power sums to zero over the
//! roots.

use fhe_math::ntt::NttOperator;
use fhe_math::zq::Modulus;
use std::collections::HashMap;

pub(crate) struct SlotMap {
    plaintext: Modulus,
    transform: NttOperator,
    /// Place in the transform of each slot.
    places: Vec<usize>,
    inverse_degree: u64,
}

impl SlotMap {
    pub(crate) fn new(plaintext: u64, degree: usize) -> Option<Self> {
        let modulus = Modulus::new(plaintext).ok()?;
        let transform = NttOperator::new(&modulus, degree)?;
        // The transform of x is the list of roots in the transform's own order.
        let mut roots = vec![0u64; degree];
        *roots.get_mut(1)? = 1;
        transform.forward(&mut roots);
        let place_of: HashMap<u64, usize> = roots.iter().enumerate().map(|(place, root)| (*root, place)).collect();
        let root = *roots.iter().min()?;
        let square = modulus.mul(root, root);
        let places = std::iter::successors(Some(root), |r| Some(modulus.mul(*r, square)))
            .take(degree)
            .map(|r| place_of.get(&r).copied())
            .collect::<Option<Vec<_>>>()?;
        let inverse_degree = modulus.inv(u64::try_from(degree).ok()?)?;
        Some(Self { plaintext: modulus, transform, places, inverse_degree })
    }

    pub(crate) fn plaintext(&self) -> &Modulus {
        &self.plaintext
    }

    /// n^-1 mod t: the unit in which a constant coefficient counts the sum of the slots.
    pub(crate) fn inverse_degree(&self) -> u64 {
        self.inverse_degree
    }

    /// A signed number modulo t. The caller has checked its size.
    pub(crate) fn reduce(&self, value: i64) -> u64 {
        let t = i128::from(*self.plaintext);
        u64::try_from(i128::from(value).rem_euclid(t)).unwrap_or(0)
    }

    /// The representative between -(t-1)/2 and (t-1)/2.
    pub(crate) fn centre(&self, value: u64) -> i64 {
        let t = *self.plaintext;
        let signed = i64::try_from(value).unwrap_or(0);
        if value > t / 2 { signed.saturating_sub(i64::try_from(t).unwrap_or(i64::MAX)) } else { signed }
    }

    /// Coefficients modulo t of the polynomial with these slots, missing ones zero.
    pub(crate) fn encode(&self, slots: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut values = vec![0u64; self.places.len()];
        for (place, slot) in self.places.iter().zip(slots) {
            if let Some(value) = values.get_mut(*place) {
                *value = slot;
            }
        }
        self.transform.backward(&mut values);
        values
    }

    /// The slots of the polynomial with these coefficients.
    pub(crate) fn decode(&self, mut coefficients: Vec<u64>) -> Vec<u64> {
        self.transform.forward(&mut coefficients);
        self.places.iter().map(|place| coefficients.get(*place).copied().unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(t: &Modulus, base: u64, exponent: u64) -> u64 {
        t.pow(base, exponent)
    }

    /// Slot i of x^3 + 5 is w^(3(2i+1)) + 5, computed without any transform.
    #[test]
    fn a_slot_is_the_value_at_its_root() {
        let n = 16;
        let map = SlotMap::new(65537, n).unwrap();
        let t = map.plaintext();
        let w = (2..65537).find(|w| power(t, *w, 16) == 65536).unwrap();
        let mut polynomial = vec![0; n];
        polynomial[3] = 1;
        polynomial[0] = 5;
        let slots = map.decode(polynomial.clone());
        for (i, slot) in slots.iter().enumerate() {
            let root = power(t, w, 2 * i as u64 + 1);
            assert_eq!(*slot, t.add(power(t, root, 3), 5), "slot {i}");
        }
        assert_eq!(map.encode(slots.iter().copied()), polynomial);
        let sum = slots.iter().fold(0, |a, b| t.add(a, *b));
        assert_eq!(sum, t.mul(n as u64, 5));
    }

    #[test]
    fn numbers_are_centred() {
        let map = SlotMap::new(65537, 16).unwrap();
        for value in [-32768i64, -1, 0, 1, 32768] {
            assert_eq!(map.centre(map.reduce(value)), value);
        }
    }
}
