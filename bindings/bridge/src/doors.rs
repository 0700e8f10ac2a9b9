//! Recipients and keys of any sort, shared by handles.

use mediveil_abe::{AttributeKey, PolicyRecipient};
use mediveil_codec::Timestamp;
use mediveil_rng::CryptoRng;
use mediveil_seal::identity::{Identity, PublicIdentity};
use mediveil_seal::ring::RingFile;
use mediveil_seal::{ContentKey, Context, DoorKind, Opener, Opening, Passphrase, Recipient, Stanza, WrapError};
use mediveil_threshold::PublicKey;
use mediveil_threshold::guardians::{CommitteeOpener, CommitteeRecipient};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A ring that is open for writing, until it is closed.
pub type SharedRing = Arc<Mutex<Option<RingFile>>>;

/// A committee that files can be sealed for, with who can veto a recovery and how long guardians wait for that.
#[derive(Clone, Debug)]
pub struct CommitteeDoor {
    /// The committee's key.
    pub key: Arc<PublicKey>,
    /// Who can veto; nobody without.
    pub owner: Option<Arc<PublicIdentity>>,
    /// How long guardians wait, in whole seconds. Without an owner they do not.
    pub delay: Duration,
}

impl CommitteeDoor {
    fn recipient(&self) -> CommitteeRecipient<'_> {
        let recipient = CommitteeRecipient::new(&self.key);
        match &self.owner {
            Some(owner) => recipient.owner(owner, self.delay),
            None => recipient,
        }
    }
}

impl Recipient for CommitteeDoor {
    fn kind(&self) -> DoorKind {
        self.recipient().kind()
    }
    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        self.recipient().wrap(key, context, rng)
    }
}

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
    /// A committee, as many of whom as are needed open it together.
    Committee(Arc<CommitteeDoor>),
}

impl To {
    fn recipient(&self) -> &dyn Recipient {
        match self {
            Self::Identity(to) => to.as_ref(),
            Self::Passphrase(to) => to.as_ref(),
            Self::Policy(to) => to.as_ref(),
            Self::Committee(to) => to.as_ref(),
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
    /// Guardians' approvals, enough of them.
    Committee(Arc<CommitteeOpener>),
    /// Every version of a key ring that is usable at this time.
    Ring(SharedRing, Timestamp),
}

impl Opener for By {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        match self {
            Self::Identity(by) => by.open_stanza(stanza, context),
            Self::Passphrase(by) => by.open_stanza(stanza, context),
            Self::Attributes(by) => by.open_stanza(stanza, context),
            Self::Committee(by) => by.open_stanza(stanza, context),
            Self::Ring(ring, now) => {
                let ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
                ring.as_ref().map_or(Opening::NotMine, |file| file.ring().opener(*now).open_stanza(stanza, context))
            }
        }
    }
}
