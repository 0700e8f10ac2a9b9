//! Measured values as the decimals a laboratory prints.

use std::fmt;

/// A decimal with a fixed number of places: `units` times 10^-`places`. Prints all its places (`7.0`, not `7`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fixed {
    units: i64,
    places: u8,
}

impl Fixed {
    /// `units` of 10^-`places`; places beyond 9 count as 9.
    #[must_use]
    pub const fn new(units: i64, places: u8) -> Self {
        Self { units, places: if places > 9 { 9 } else { places } }
    }

    /// The number without its point: 71 for 7.1.
    #[must_use]
    pub const fn units(self) -> i64 {
        self.units
    }

    /// Digits after the point, 0 to 9.
    #[must_use]
    pub const fn places(self) -> u8 {
        self.places
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.places == 0 {
            return write!(f, "{}", self.units);
        }
        let one = 10u64.pow(u32::from(self.places));
        let (size, sign) = (self.units.unsigned_abs(), if self.units < 0 { "-" } else { "" });
        write!(f, "{sign}{}.{:0width$}", size / one, size % one, width = usize::from(self.places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_every_place() {
        let all =
            [(71, 1), (70, 1), (5, 2), (-5, 2), (120, 0), (i64::MIN, 9)].map(|(u, p)| Fixed::new(u, p).to_string());
        assert_eq!(all, ["7.1", "7.0", "0.05", "-0.05", "120", "-9223372036.854775808"]);
    }
}
