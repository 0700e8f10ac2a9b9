//! Recipients and keys of any sort, shared by handles.

use mediveil_abe::{AttributeKey, PolicyRecipient};
use mediveil_codec::Timestamp;
use mediveil_rng::CryptoRng;
use mediveil_seal::identity::{Identity, PublicIdentity};
use mediveil_seal::ring::RingFile;
use mediveil_seal::{ContentKey, Context, DoorKind, Opener, Opening, Passphrase, Recipient, Stanza, WrapError};
use std::sync::{Arc, Mutex, PoisonError};

/// A ring that is open for writing, until it is closed.
pub type SharedRing = Arc<Mutex<Option<RingFile>>>;

/// Somebody a file can be sealed for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum To {
    /// The holder of an identity.
    Identity(Arc<PublicIdentity>),
    /// Whoever knows a passphrase.
    Passphrase(Arc<Passphrase>),
    /// Whoever has an authority's key that satisfies a policy.
    Policy(Arc<PolicyRecipient>),
}

impl To {
    fn recipient(&self) -> &dyn Recipient {
        match self {
            Self::Identity(to) => to.as_ref(),
            Self::Passphrase(to) => to.as_ref(),
            Self::Policy(to) => to.as_ref(),
        }
    }
}

impl Recipient for To {
    fn kind(&self) -> DoorKind {
        self.recipient().kind()
    }
    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        self.recipient().wrap(key, context, rng)
    }
}

/// Something that opens a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum By {
    /// An identity.
    Identity(Arc<Identity>),
    /// A passphrase.
    Passphrase(Arc<Passphrase>),
    /// An authority's key.
    Attributes(Arc<AttributeKey>),
    /// Every version of a key ring that is usable at this time.
    Ring(SharedRing, Timestamp),
}

impl Opener for By {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        match self {
            Self::Identity(by) => by.open_stanza(stanza, context),
            Self::Passphrase(by) => by.open_stanza(stanza, context),
            Self::Attributes(by) => by.open_stanza(stanza, context),
            Self::Ring(ring, now) => {
                let ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
                ring.as_ref().map_or(Opening::NotMine, |file| file.ring().opener(*now).open_stanza(stanza, context))
            }
        }
    }
}
