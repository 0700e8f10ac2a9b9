//! FHIR dates and moments as numbers that a circuit can compare.
//!
//! A string is a [`Date`] if it is `YYYY-MM-DD` and that day exists in the (proleptic) Gregorian calendar, and a
//! [`DateTime`] if it has FHIR's form for dateTime or instant down to the second and with a zone. FHIR also allows partial
//! dates (`2026`, `2026-11`) and they stay strings: they name a span, not a day.

use std::fmt;

/// Days from 0001-01-01 to 9999-12-31.
const DAYS: u32 = 3_652_059;
const DAY_MS: i64 = 86_400_000;

/// A day of the Gregorian calendar from 0001-01-01 to 9999-12-31, as days since 0001-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(u32);

impl Date {
    /// Days of the last date, 9999-12-31: every date fits 22 bits.
    pub const MAX_DAYS: u32 = DAYS - 1;

    /// The date of a year (1 to 9999), month and day, if there is such a day.
    #[must_use]
    pub fn from_ymd(year: u32, month: u32, day: u32) -> Option<Self> {
        let ok = (1..=9999).contains(&year) && day >= 1 && day <= days_in_month(year, month)?;
        ok.then(|| {
            // Years counted from March put the leap day last; 306 days lie between 0000-03-01 and 0001-01-01.
            let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
            let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
            Self(days.saturating_sub(306))
        })
    }

    /// The date this many days after 0001-01-01.
    #[must_use]
    pub const fn from_days(days: u32) -> Option<Self> {
        if days < DAYS { Some(Self(days)) } else { None }
    }

    /// `YYYY-MM-DD`, exactly.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else { return None };
        Self::from_ymd(number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?)
    }

    /// Days since 0001-01-01, at most [`MAX_DAYS`](Self::MAX_DAYS).
    #[must_use]
    pub const fn days(self) -> u32 {
        self.0
    }

    /// Year, month and day.
    #[must_use]
    pub const fn ymd(self) -> (u32, u32, u32) {
        // Inverse of `from_ymd`, by eras of 400 years (146,097 days).
        let days = self.0 + 306;
        let (era, doe) = (days / 146_097, days % 146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let (month, carry) = if mp < 10 { (mp + 3, 0) } else { (mp - 9, 1) };
        (era * 400 + yoe + carry, month, day)
    }
}

const fn days_in_month(year: u32, month: u32) -> Option<u32> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Some digits, and nothing else, as a number.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |n, d| match d {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u32::from(d - b'0')),
        _ => None,
    })
}

/// `YYYY-MM-DD`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Date")
    }
}

/// A moment, and how it was written: `2026-11-21T03:40:00.5+01:00`.
///
/// The lexeme keeps zone and precision; two lexemes of one moment are different values with equal
/// [`millis`](Self::millis). The form is FHIR's: `YYYY-MM-DDThh:mm:ss`, an optional fraction of at most nine digits, and `Z`
/// or an offset up to 14:00. A leap second (`:60`) counts as the second after it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DateTime {
    millis: u64,
    lexeme: Box<str>,
}

impl DateTime {
    /// Every moment, in milliseconds, is below two to this power.
    pub const BITS: u32 = 49;

    /// The moment that this text is, if it has exactly FHIR's form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let date = Date::parse(date)?;
        let (clock, rest) = rest.split_at_checked(9)?;
        let [b'T', h1, h2, b':', m1, m2, b':', s1, s2] = *clock.as_bytes() else { return None };
        let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (fraction_ms, zone) = match rest.strip_prefix('.') {
            None => (0, rest),
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                if !(1..=9).contains(&digits) {
                    return None;
                }
                let (fraction, zone) = rest.split_at_checked(digits)?;
                let millis = fraction.bytes().chain(*b"00").take(3).fold(0, |n, d| n * 10 + i64::from(d - b'0'));
                (millis, zone)
            }
        };
        let offset_minutes = match *zone.as_bytes() {
            [b'Z'] => 0,
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
                let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
                let minutes = (minutes <= 59).then_some(i64::from(hours * 60 + minutes)).filter(|m| *m <= 14 * 60)?;
                if sign == b'-' { -minutes } else { minutes }
            }
            _ => return None,
        };
        let seconds = i64::from(hour * 3600 + minute * 60 + second) - offset_minutes * 60;
        let millis = i64::from(date.days()) * DAY_MS + seconds * 1000 + fraction_ms;
        Some(Self { millis: u64::try_from(millis).ok()?, lexeme: text.into() })
    }

    /// Milliseconds since 0001-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn millis(&self) -> u64 {
        self.millis
    }

    /// How it was written.
    #[must_use]
    pub fn lexeme(&self) -> &str {
        &self.lexeme
    }

    /// The moment as the workspace writes it, if it lies between 1970 and 9999.
    #[must_use]
    pub fn timestamp(&self) -> Option<mediveil_codec::Timestamp> {
        // Days from 0001-01-01 to 1970-01-01.
        const EPOCH_MS: u64 = 719_162 * 86_400_000;
        mediveil_codec::Timestamp::from_millis(self.millis.checked_sub(EPOCH_MS)?)
    }
}

/// The lexeme.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lexeme)
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DateTime")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_agree_with_another_calendar_on_every_day() {
        let mut date = jiff::civil::date(1, 1, 1);
        for days in 0..=Date::MAX_DAYS {
            let ours = Date::from_days(days).unwrap();
            let (y, m, d) = ours.ymd();
            assert_eq!(
                (i64::from(y), i64::from(m), i64::from(d)),
                (date.year().into(), date.month().into(), date.day().into())
            );
            assert_eq!(Date::from_ymd(y, m, d), Some(ours));
            date = date.tomorrow().unwrap_or(date);
        }
        assert_eq!(Date::from_days(Date::MAX_DAYS).unwrap().to_string(), "9999-12-31");
        assert_eq!(Date::from_days(Date::MAX_DAYS + 1), None);
    }

    #[test]
    fn only_whole_existing_days_are_dates() {
        assert_eq!(Date::parse("0001-01-01").unwrap().days(), 0);
        assert_eq!(Date::parse("1970-01-01").unwrap().days(), 719_162);
        assert_eq!(Date::parse("2024-02-29").unwrap().to_string(), "2024-02-29");
        let bad = [
            "2023-02-29",
            "1900-02-29",
            "0000-01-01",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2026-01-00",
            "2026",
            "2026-11",
            "20261121",
            "2026-11-21Z",
            " 2026-11-21",
            "2026-1-1",
            "+026-11-21",
            "２026-11-2",
        ];
        for bad in bad {
            assert_eq!(Date::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_have_fhirs_form() {
        let ms = |t: &str| DateTime::parse(t).map(|d| d.millis());
        assert_eq!(ms("0001-01-01T00:00:00Z"), Some(0));
        assert_eq!(ms("1970-01-01T00:00:00.001Z"), Some(719_162 * 86_400_000 + 1));
        assert_eq!(ms("2026-11-21T03:40:00.5+01:00"), ms("2026-11-21T02:40:00.500Z"));
        assert_eq!(ms("2026-11-21T03:40:00.123999999-14:00"), ms("2026-11-21T17:40:00.123Z"));
        assert_eq!(ms("2016-12-31T23:59:60Z"), ms("2017-01-01T00:00:00Z"));
        assert!(ms("9999-12-31T23:59:60.999-14:00").unwrap() < 1 << DateTime::BITS);
        let now = DateTime::parse("2026-11-21T03:40:00+01:00").unwrap();
        assert_eq!(now.timestamp().unwrap().to_string(), "2026-11-21T02:40:00Z");
        assert_eq!(now.lexeme(), "2026-11-21T03:40:00+01:00");
        assert_eq!(DateTime::parse("1969-12-31T23:59:59Z").unwrap().timestamp(), None);
        let bad = [
            "2026-11-21T03:40:00",
            "2026-11-21T03:40Z",
            "2026-11-21 03:40:00Z",
            "2026-11-21t03:40:00Z",
            "2026-11-21T03:40:00z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T03:60:00Z",
            "2026-11-21T03:40:61Z",
            "2026-11-21T03:40:00.Z",
            "2026-11-21",
            "2026-11-21T03:40:00.1234567890Z",
            "2026-11-21T03:40:00+14:01",
            "2026-11-21T03:40:00+0100",
            "2026-02-30T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "2026-11-21T03:40:00+01:60",
            "2026-11-21T03:40:00Z ",
            "2026-11-21T03:4é:00Z",
        ];
        for bad in bad {
            assert_eq!(DateTime::parse(bad), None, "{bad}");
        }
    }
}
