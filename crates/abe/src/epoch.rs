//! Epochs: the narrow clock of an authority.
//!
//! Encryption cannot see a clock. So a key carries the last epoch it is good for, `until`, and a file carries the epoch in
//! which it was sealed; the policy's root is `... and until >= epoch of sealing`. What follows from that, and what does not:
//!
//! - A key that expired cannot open what is sealed afterwards. It still opens older files it was entitled to.
//! - A new or renewed key opens older files as well, because its `until` is later than their sealing.
//! - Whoever seals chooses the epoch: sealing with a date in the past lets expired keys in. The clock of the sealing
//!   machine is trusted.
//! - Nothing takes back what was read, or a content key that a reader kept.
//!
//! An epoch is a number of hours, days or weeks since 1970-01-01T00:00:00Z. An expiry is rounded *down* to whole epochs:
//! `until` is the last epoch that has ended by then, so no key opens a file that was sealed after its expiry; with days, a
//! key that expires at noon already stops with files of that morning.

use mediveil_codec::Timestamp;

/// How long an epoch of an authority is. Narrow numbers keep keys and files small: each bit is a component of 48 bytes
/// in every key, and up to that many rows of 48 bytes in every file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// An hour, in 20 bits: until 2089. For authorities that give out emergency keys.
    Hours,
    /// A day in UTC, in 16 bits: until 2149.
    Days,
    /// Seven days from a Thursday, in 13 bits: until 2126. Too coarse for emergency keys.
    Weeks,
}

impl Granularity {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Hours => 1,
            Self::Days => 2,
            Self::Weeks => 3,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Hours),
            2 => Some(Self::Days),
            3 => Some(Self::Weeks),
            _ => None,
        }
    }

    /// Width of an epoch in bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Hours => 20,
            Self::Days => 16,
            Self::Weeks => 13,
        }
    }

    /// Length of an epoch in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Hours => 3_600,
            Self::Days => 86_400,
            Self::Weeks => 604_800,
        }
    }

    /// The epoch that `time` lies in, or `None` beyond the last one.
    #[must_use]
    pub fn epoch(self, time: Timestamp) -> Option<u32> {
        let epoch = time.seconds().checked_div(self.seconds())?;
        u32::try_from(epoch).ok().filter(|e| *e <= crate::attribute::max_of(self.bits()))
    }

    /// The last epoch that has ended by `expiry`, or the last there is; `None` if none has.
    #[must_use]
    pub fn last_before(self, expiry: Timestamp) -> Option<u32> {
        let ended = expiry.seconds().checked_div(self.seconds())?.checked_sub(1)?;
        Some(u32::try_from(ended).unwrap_or(u32::MAX).min(crate::attribute::max_of(self.bits())))
    }

    /// The first moment of an epoch.
    #[must_use]
    pub fn start(self, epoch: u32) -> Timestamp {
        Timestamp::from_seconds(u64::from(epoch).saturating_mul(self.seconds())).unwrap_or(Timestamp::MAX)
    }

    /// The first moment after an epoch.
    #[must_use]
    pub fn end(self, epoch: u32) -> Timestamp {
        self.start(epoch.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_never_reaches_beyond_itself() {
        for granularity in [Granularity::Hours, Granularity::Days, Granularity::Weeks] {
            for expiry in ["2026-11-21T12:30:00Z", "2027-01-01", "2026-11-26"] {
                let expiry: Timestamp = expiry.parse().unwrap();
                let until = granularity.last_before(expiry).unwrap();
                assert!(granularity.end(until) <= expiry);
                assert!(granularity.end(until + 1) > expiry);
                assert_eq!(granularity.epoch(granularity.start(until)), Some(until));
            }
            assert_eq!(granularity.last_before(Timestamp::from_seconds(0).unwrap()), None);
            assert_eq!(granularity.epoch(Timestamp::MAX), None);
            assert_eq!(granularity.last_before(Timestamp::MAX), Some((1 << granularity.bits()) - 1));
        }
    }
}
