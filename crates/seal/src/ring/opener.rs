//! The ring as an opener: every version that may be used now.

use crate::ring::{KeyState, KeyVersion, Ring};
use crate::{Context, DoorKind, Opener, Opening, Refusal, RefusalReason, Stanza};
use mediveil_codec::Timestamp;

/// A ring at a moment in time. Tries its active and decrypt-only versions, newest first, as far as they have not expired.
///
/// Where a version that is disabled or expired would have opened the door, the refusal says so, so that the owner knows
/// what to do; the content key is not handed out.
#[derive(Clone, Copy, Debug)]
pub struct RingOpener<'a> {
    ring: &'a Ring,
    now: Timestamp,
}

impl Ring {
    /// The ring as an opener at this moment.
    #[must_use]
    pub const fn opener(&self, now: Timestamp) -> RingOpener<'_> {
        RingOpener { ring: self, now }
    }
}

impl RingOpener<'_> {
    /// Why the version may not be used now, if it may not.
    fn withheld(&self, version: &KeyVersion) -> Option<(RefusalReason, String)> {
        let number = version.number();
        if version.state() == KeyState::Disabled {
            return Some((
                RefusalReason::KeyDisabled,
                format!("version {number} of the ring opens it and is disabled"),
            ));
        }
        let expired = self.ring.check_expiry(version, self.now).is_err();
        expired.then(|| (RefusalReason::KeyExpired, format!("version {number} of the ring opens it and has expired")))
    }
}

impl Opener for RingOpener<'_> {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        let held = self.ring.versions().iter().rev().filter_map(|v| v.secret().map(|s| (v, s)));
        let (withheld, usable): (Vec<_>, Vec<_>) =
            held.map(|(v, secret)| (self.withheld(v), secret)).partition(|(why, _)| why.is_some());
        let mut refusal = None;
        for (_, secret) in usable {
            match secret.open_stanza(stanza, context) {
                Opening::NotMine => {}
                Opening::Refused(why) => refusal = Some(why),
                opened @ Opening::Opened(_) => return opened,
            }
        }
        for (why, secret) in withheld {
            match (secret.open_stanza(stanza, context), why) {
                (Opening::Opened(_), Some((reason, explanation))) => {
                    return Opening::Refused(Refusal { kind: stanza.kind.clone(), reason, explanation });
                }
                (Opening::Refused(why), _) => refusal = Some(why),
                _ => {}
            }
        }
        let destroyed = self.ring.receipts().count();
        match refusal {
            Some(mut why) => {
                if why.reason == RefusalReason::WrongKey && destroyed > 0 {
                    why.explanation.push_str(&format!("; {destroyed} versions of the ring are destroyed"));
                }
                Opening::Refused(why)
            }
            None if destroyed > 0 && [DoorKind::HPKE_P256, DoorKind::HPKE_XWING].contains(&stanza.kind) => {
                Opening::Refused(Refusal {
                    kind: stanza.kind.clone(),
                    reason: RefusalReason::WrongKey,
                    explanation: format!("no key of the ring opens it; {destroyed} versions are destroyed"),
                })
            }
            None => Opening::NotMine,
        }
    }
}
