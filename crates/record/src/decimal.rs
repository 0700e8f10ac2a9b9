//! FHIR decimals: a number and its precision, exactly.

use std::fmt;

/// mantissa / 10^scale, with the scale that was written: 7.10 is (710, 2) and 7.1 is (71, 1), and they are different.
///
/// FHIR asks for 18 significant digits; the mantissa has 64 bits, and the scale goes to 255 so that small numbers printed
/// from doubles fit. Exponents are resolved: `7.1e-3` is (71, 4), and `7e2`, whose scale would be negative, is (700, 0).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i64,
    scale: u8,
}

impl Decimal {
    /// mantissa / 10^scale.
    #[must_use]
    pub const fn new(mantissa: i64, scale: u8) -> Self {
        Self { mantissa, scale }
    }

    /// The number with this lexeme in the grammar of RFC 8259 §6; `None` for other text and for what does not fit.
    #[must_use]
    pub fn parse(lexeme: &str) -> Option<Self> {
        let (negative, rest) = match lexeme.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, lexeme),
        };
        let (digits, exponent) = match rest.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (digits, ""),
        };
        if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        let mut mantissa = 0_u64;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = digit.checked_sub(b'0').filter(|d| *d <= 9)?;
            mantissa = mantissa.checked_mul(10)?.checked_add(digit.into())?;
        }
        let mut scale = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        if mantissa == 0 {
            scale = scale.max(0);
        }
        while scale < 0 {
            mantissa = mantissa.checked_mul(10)?;
            scale += 1;
        }
        let mantissa = if negative { 0_i64.checked_sub_unsigned(mantissa)? } else { i64::try_from(mantissa).ok()? };
        Some(Self { mantissa, scale: u8::try_from(scale).ok()? })
    }

    /// The digits as an integer.
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// How many of the digits stand behind the point.
    #[must_use]
    pub const fn scale(self) -> u8 {
        self.scale
    }
}

/// The exponent, cut off where no mantissa of 64 bits could follow.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let size = digits.bytes().fold(0_i64, |n, d| n.saturating_mul(10).saturating_add((d - b'0').into()));
    let size = size.min(i64::from(u32::MAX));
    Some(if negative { -size } else { size })
}

/// Without an exponent.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let scale = usize::from(self.scale);
        let digits = format!("{:0width$}", self.mantissa.unsigned_abs(), width = scale.saturating_add(1));
        match digits.split_at_checked(digits.len().saturating_sub(scale)) {
            Some((whole, fraction)) if !fraction.is_empty() => write!(f, "{sign}{whole}.{fraction}"),
            _ => write!(f, "{sign}{digits}"),
        }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decimal")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lexeme: &str) -> Option<(i64, u8)> {
        Decimal::parse(lexeme).map(|d| (d.mantissa(), d.scale()))
    }

    #[test]
    fn keeps_the_precision_that_was_written() {
        assert_eq!(parse("7.10"), Some((710, 2)));
        assert_eq!(parse("7.1"), Some((71, 1)));
        assert_eq!(parse("-0.00"), Some((0, 2)));
        assert_eq!(parse("7.1e-3"), Some((71, 4)));
        assert_eq!(parse("7.10E+1"), Some((710, 1)));
        assert_eq!(parse("7e2"), Some((700, 0)));
        assert_eq!(parse("0e400"), Some((0, 0)));
        assert_eq!(parse("1.1368683772161603E-13"), Some((11_368_683_772_161_603, 29)));
        assert_eq!(parse("9223372036854775807.0e-1"), None);
        assert_eq!(parse("9223372036854775807e0"), Some((i64::MAX, 0)));
        assert_eq!(parse("9223372036854775808e0"), None);
        assert_eq!(parse("-9223372036854775808e0"), Some((i64::MIN, 0)));
        assert_eq!(parse("-9223372036854775809e0"), None);
        assert_eq!(parse("1e18"), Some((1_000_000_000_000_000_000, 0)));
        assert_eq!(parse("1e-255"), Some((1, 255)));
    }

    #[test]
    fn refuses_what_does_not_fit_and_what_is_no_number() {
        for bad in
            ["1e400", "-1e400", "1e19", "1e-256", "0e-256", "1e99999999999999999999999", "12345678901234567890.5"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
        for bad in [
            "", "-", ".5", "5.", "01.0", "+1.0", "1.0e", "1.0e+", "1.0e1.0", "1,0", "0x1p3", "NaN", "1.0 ", "--1.0",
            "1.-0",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn prints_what_was_written() {
        for text in ["7.10", "-0.05", "0.00", "12.5", "-1000.0"] {
            assert_eq!(Decimal::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Decimal::new(i64::MIN, 0).to_string(), i64::MIN.to_string());
        assert_eq!(Decimal::parse("7.1e-3").unwrap().to_string(), "0.0071");
    }
}
