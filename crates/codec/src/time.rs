//! A point in time as every room writes it. No function of this workspace reads the clock: callers pass `now`.

use crate::{DecodeError, Decoder, Encoder};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds (POSIX time), up to the end of the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 9999-12-30T22:00:00Z, the last moment that RFC 3339 can write in every time zone.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// The moment `millis` milliseconds after the epoch, or `None` beyond [`MAX`](Self::MAX).
    #[must_use]
    pub const fn from_millis(millis: u64) -> Option<Self> {
        if millis <= Self::MAX.0 { Some(Self(millis)) } else { None }
    }

    /// The moment `seconds` seconds after the epoch, or `None` beyond [`MAX`](Self::MAX).
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Option<Self> {
        match seconds.checked_mul(1000) {
            Some(millis) => Self::from_millis(millis),
            None => None,
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This moment and a while; stays at [`MAX`](Self::MAX) at the end of time.
    #[must_use]
    pub fn plus(self, while_: Duration) -> Self {
        let millis = u64::try_from(while_.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis).min(Self::MAX.0))
    }

    /// How long after `earlier` this is; `None` if it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_millis)
    }

    /// The system's clock: a convenience for the faces of the workspace, the command and the bindings.
    #[must_use]
    pub fn now() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(now.as_millis()).unwrap_or(u64::MAX).min(Self::MAX.0))
    }

    /// Writes the timestamp as an item of a body.
    pub fn encode(self, e: &mut Encoder<'_>) {
        e.u64(self.0);
    }

    /// Reads the timestamp as an item of a body.
    ///
    /// # Errors
    /// Anything but an unsigned integer up to [`MAX`](Self::MAX).
    pub fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let millis = d.u64()?;
        Self::from_millis(millis).ok_or_else(|| d.invalid("a time after the year 9999"))
    }
}

/// RFC 3339 in UTC, with milliseconds only where there are some.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(t) => write!(f, "{t}"),
            Err(_) => write!(f, "{millis} ms after 1970"),
        }
    }
}

/// Text that is not a moment in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 2027-01-31T08:00:00Z or a date such as 2027-01-31, between 1970 and 9999")]
pub struct TimestampError;

/// RFC 3339 with any offset, or a date, which means its first moment in UTC.
impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment = match text.parse::<jiff::Timestamp>() {
            Ok(t) => t,
            Err(_) if text.len() == 10 => text
                .parse::<jiff::civil::Date>()
                .ok()
                .and_then(|d| d.to_zoned(jiff::tz::TimeZone::UTC).ok())
                .map(|z| z.timestamp())
                .ok_or(TimestampError)?,
            Err(_) => return Err(TimestampError),
        };
        u64::try_from(moment.as_millisecond()).ok().and_then(Self::from_millis).ok_or(TimestampError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_rfc3339() {
        let t = Timestamp::from_millis(1_795_228_800_000).unwrap();
        assert_eq!(t.to_string(), "2026-11-21T02:40:00Z");
        assert_eq!("2026-11-21T02:40:00Z".parse(), Ok(t));
        assert_eq!("2026-11-21T03:40:00+01:00".parse(), Ok(t));
        assert_eq!("2026-11-21".parse::<Timestamp>().unwrap().to_string(), "2026-11-21T00:00:00Z");
        assert_eq!("1969-12-31T23:59:59Z".parse::<Timestamp>(), Err(TimestampError));
        assert_eq!("2026-02-29".parse::<Timestamp>(), Err(TimestampError));
        assert_eq!("tomorrow".parse::<Timestamp>(), Err(TimestampError));
    }

    #[test]
    fn stays_within_its_range() {
        assert_eq!(Timestamp::from_millis(Timestamp::MAX.millis() + 1), None);
        assert_eq!(Timestamp::from_seconds(u64::MAX), None);
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00Z");
        let early = Timestamp::from_seconds(1).unwrap();
        assert_eq!(early.since(Timestamp::MAX), None);
        assert_eq!(Timestamp::from_seconds(3).unwrap().since(early), Some(Duration::from_secs(2)));
    }
}
