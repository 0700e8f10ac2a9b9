//! Days and minutes of the proleptic Gregorian calendar, in UTC.

use std::fmt;

/// A day. Prints as FHIR's `date` (`1965-09-12`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    days: i64,
}

impl Date {
    /// The day this many days after 1970-01-01.
    #[must_use]
    pub const fn from_days(days: i64) -> Self {
        Self { days }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn days(self) -> i64 {
        self.days
    }

    /// Year, month and day (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
    const fn civil(self) -> (i64, i64, i64) {
        let z = self.days + 719_468;
        let (era, day) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let shifted = (5 * day + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month, day - (153 * shifted + 2) / 5 + 1)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A minute of a day. Prints as FHIR's `dateTime` (`2024-03-05T09:15:00+00:00`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Moment {
    pub(crate) day: Date,
    /// Minutes since midnight.
    pub(crate) minute: i64,
}

impl Moment {
    /// The same day, some minutes later; the caller stays within the day.
    pub(crate) const fn plus_minutes(self, minutes: i64) -> Self {
        Self { day: self.day, minute: self.minute + minutes }
    }

    pub(crate) const fn plus_days(self, days: i64) -> Self {
        Self { day: Date::from_days(self.day.days + days), minute: self.minute }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}:{:02}:00+00:00", self.day, self.minute / 60, self.minute % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_print() {
        let days = [0, -1, 19_782, 19_783, 11_016, -25_568, 20_634];
        let printed = days.map(|d| Date::from_days(d).to_string());
        let expected =
            ["1970-01-01", "1969-12-31", "2024-02-29", "2024-03-01", "2000-02-29", "1899-12-31", "2026-06-30"];
        assert_eq!(printed, expected);
    }

    #[test]
    fn moments_print() {
        let moment = Moment { day: Date::from_days(19_787), minute: 555 };
        assert_eq!(moment.to_string(), "2024-03-05T09:15:00+00:00");
        assert_eq!(moment.plus_days(1).plus_minutes(50).to_string(), "2024-03-06T10:05:00+00:00");
    }
}
