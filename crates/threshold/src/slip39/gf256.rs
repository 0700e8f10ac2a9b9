//! GF(256) modulo x^8 + x^4 + x^3 + x + 1, and interpolation over it.

use zeroize::Zeroizing;

/// The product, by shifts and masks: the same steps for all values.
fn mul(a: u8, b: u8) -> u8 {
    let (mut product, mut a) = (0_u8, a);
    for bit in 0..8 {
        product ^= a & 0_u8.wrapping_sub(b >> bit & 1);
        a = a << 1 ^ 0x1b & 0_u8.wrapping_sub(a >> 7);
    }
    product
}

/// a^254, which is the inverse, and zero for zero.
fn invert(a: u8) -> u8 {
    let mut power = a;
    let mut result = 1;
    for _ in 0..7 {
        power = mul(power, power);
        result = mul(result, power);
    }
    result
}

/// The polynomials' values at `x`, byte by byte, from their values at distinct places.
pub(super) fn interpolate(points: &[(u8, Zeroizing<Vec<u8>>)], x: u8) -> Zeroizing<Vec<u8>> {
    let len = points.first().map_or(0, |(_, value)| value.len());
    let mut out = Zeroizing::new(vec![0; len]);
    for (i, value) in points {
        let coefficient =
            points.iter().filter(|(j, _)| j != i).fold(1, |product, (j, _)| mul(product, mul(x ^ j, invert(i ^ j))));
        for (to, from) in out.iter_mut().zip(value.iter()) {
            *to ^= mul(*from, coefficient);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_has_its_inverse() {
        assert_eq!(mul(0x57, 0x83), 0xc1, "the example of FIPS 197, section 4.2");
        assert_eq!(invert(0), 0);
        assert!((1..=255).all(|a| mul(a, invert(a)) == 1));
    }
}
