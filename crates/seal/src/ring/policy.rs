//! When keys are due: a table, not code.

use core::time::Duration;
use mediveil_codec::{DecodeError, Decoder, Encoder};
use serde::{Deserialize, Serialize};

/// Whose keys a ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OwnerRole {
    /// A patient: rotation every 365 days.
    Patient,
    /// A physician, a practice, a hospital: rotation every 90 days.
    Provider,
    /// A service: rotation every 30 days.
    System,
    /// Access in an emergency: keys live for 24 hours and are refused from then on.
    Emergency,
}

impl OwnerRole {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Patient, Self::Provider, Self::System, Self::Emergency];

    const fn code(self) -> u8 {
        match self {
            Self::Patient => 1,
            Self::Provider => 2,
            Self::System => 3,
            Self::Emergency => 4,
        }
    }

    pub(super) fn encode(self, e: &mut Encoder<'_>) {
        e.u8(self.code());
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let code = d.u8()?;
        Self::ALL.into_iter().find(|r| r.code() == code).ok_or_else(|| d.invalid("an unknown role"))
    }
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// After what time a key is due for rotation, and after what time it is refused. Both count from the key's creation and
/// in whole seconds; a moment exactly that long after the creation is due, or refused.
///
/// As data (serde): `{"rotate_after_seconds": 7776000, "expire_after_seconds": null}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct RotationPolicy {
    rotate_after: u64,
    expire_after: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    rotate_after_seconds: u64,
    expire_after_seconds: Option<u64>,
}

impl From<RotationPolicy> for Fields {
    fn from(policy: RotationPolicy) -> Self {
        Self { rotate_after_seconds: policy.rotate_after, expire_after_seconds: policy.expire_after }
    }
}

impl TryFrom<Fields> for RotationPolicy {
    type Error = PolicyError;
    fn try_from(fields: Fields) -> Result<Self, PolicyError> {
        Self::new(
            Duration::from_secs(fields.rotate_after_seconds),
            fields.expire_after_seconds.map(Duration::from_secs),
        )
    }
}

/// A rotation policy that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A time of zero or of more than a hundred years, or not of whole seconds.
    #[error("the times of a rotation policy are whole seconds, from one second to a hundred years")]
    Range,
    /// Keys would be refused before they are due.
    #[error("keys must be due for rotation no later than they expire")]
    ExpiresBeforeDue,
    /// Emergency keys without the hard expiry of 24 hours or less.
    #[error("emergency keys expire after 24 hours or less")]
    EmergencyExpiry,
}

impl RotationPolicy {
    const MAX: u64 = 36_525 * DAY;

    /// Rotation after `rotate_after`; refusal after `expire_after`, if at all.
    ///
    /// # Errors
    /// [`PolicyError`], saying what is wrong with the times.
    pub fn new(rotate_after: Duration, expire_after: Option<Duration>) -> Result<Self, PolicyError> {
        for time in [Some(rotate_after), expire_after].into_iter().flatten() {
            if time.subsec_nanos() != 0 || !(1..=Self::MAX).contains(&time.as_secs()) {
                return Err(PolicyError::Range);
            }
        }
        if expire_after.is_some_and(|expire| expire < rotate_after) {
            return Err(PolicyError::ExpiresBeforeDue);
        }
        Ok(Self { rotate_after: rotate_after.as_secs(), expire_after: expire_after.map(|t| t.as_secs()) })
    }

    /// The policy of a role: patients 365 days, providers 90, systems 30; emergency 24 hours with hard expiry.
    #[must_use]
    pub const fn of(role: OwnerRole) -> Self {
        match role {
            OwnerRole::Patient => Self { rotate_after: 365 * DAY, expire_after: None },
            OwnerRole::Provider => Self { rotate_after: 90 * DAY, expire_after: None },
            OwnerRole::System => Self { rotate_after: 30 * DAY, expire_after: None },
            OwnerRole::Emergency => Self { rotate_after: 24 * HOUR, expire_after: Some(24 * HOUR) },
        }
    }

    /// The age at which a key is due for rotation.
    #[must_use]
    pub const fn rotate_after(&self) -> Duration {
        Duration::from_secs(self.rotate_after)
    }

    /// The age at which a key is refused.
    #[must_use]
    pub fn expire_after(&self) -> Option<Duration> {
        self.expire_after.map(Duration::from_secs)
    }

    /// Whether a ring of this role may have this policy.
    pub(super) fn check(&self, role: OwnerRole) -> Result<(), PolicyError> {
        match (role, self.expire_after) {
            (OwnerRole::Emergency, Some(seconds)) if seconds <= 24 * HOUR => Ok(()),
            (OwnerRole::Emergency, _) => Err(PolicyError::EmergencyExpiry),
            _ => Ok(()),
        }
    }

    pub(super) fn encode(&self, e: &mut Encoder<'_>) {
        e.array(2).u64(self.rotate_after).option(self.expire_after, |e, seconds| {
            e.u64(seconds);
        });
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let rotate_after = d.u64()?;
        let expire_after = d.option(Decoder::u64)?;
        Self::new(Duration::from_secs(rotate_after), expire_after.map(Duration::from_secs))
            .map_err(|_| d.invalid("an impossible rotation policy"))
    }
}
