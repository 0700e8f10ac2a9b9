//! What is to be done: a new key, or new shares of an old one.

use crate::keys::decode_object;
use crate::proof::Fields;
use crate::{Committee, ProtocolError, PublicKeySet};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;
use std::fmt;

/// The name of one run of the protocol: a hash over the committee with its nonce, and over the old key set if there is
/// one. Every message and proof is bound to it, so none is of use in another run.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session([u8; 32]);

impl Session {
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(")?;
        self.0.iter().take(8).try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str(")")
    }
}

/// The plan of one run: the committee that shall hold the key, and the key set whose shares are dealt on, if it is not a
/// new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    committee: Committee,
    from: Option<Box<PublicKeySet>>,
    session: Session,
}

impl Plan {
    /// A new key for this committee.
    #[must_use]
    pub fn generate(committee: Committee) -> Self {
        let session = Fields::new("mediveil/threshold/session/generate/v1").add(&committee.digest()).finish();
        Self { committee, from: None, session: Session(session) }
    }

    /// New shares of the same key for the same committee. Old and new shares do not combine, and whoever held fewer than
    /// `needed` old ones holds nothing any more, once the honest have destroyed their old shares and epoch keys.
    #[must_use]
    pub fn refresh(set: &PublicKeySet, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::renew(set, set.committee().renewed(rng))
    }

    /// Shares of the same key for another committee. `old_needed` is what the caller believes to be needed now; it is
    /// compared with the set, so that nobody can pass off a set with a smaller threshold.
    ///
    /// The old members' shares stay good until they are destroyed: those who leave must be trusted to do that, or be
    /// fewer than `old_needed`.
    ///
    /// # Errors
    /// [`ProtocolError::OldThreshold`] if the set disagrees; [`ProtocolError::Downgrade`] if the new committee needs fewer
    /// members than the old one; [`ProtocolError::OtherPurpose`] if it has another purpose.
    pub fn reshare(set: &PublicKeySet, old_needed: u16, committee: Committee) -> Result<Self, ProtocolError> {
        let current = set.committee().needed();
        if old_needed != current {
            return Err(ProtocolError::OldThreshold { current, given: old_needed });
        }
        if committee.needed() < current {
            return Err(ProtocolError::Downgrade { current, wanted: committee.needed() });
        }
        if committee.purpose() != set.committee().purpose() {
            return Err(ProtocolError::OtherPurpose);
        }
        Ok(Self::renew(set, committee))
    }

    fn renew(set: &PublicKeySet, committee: Committee) -> Self {
        let session =
            Fields::new("mediveil/threshold/session/renew/v1").add(&set.digest()).add(&committee.digest()).finish();
        Self { committee, from: Some(Box::new(set.clone())), session: Session(session) }
    }

    /// The committee that holds the key afterwards; its members enrol and complain.
    #[must_use]
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// The committee whose members deal: the same for a new key, the old one for an old key.
    #[must_use]
    pub fn dealers(&self) -> &Committee {
        self.from.as_ref().map_or(&self.committee, |set| set.committee())
    }

    /// The key set whose shares are dealt on.
    #[must_use]
    pub fn from(&self) -> Option<&PublicKeySet> {
        self.from.as_deref()
    }

    /// The name of this run.
    #[must_use]
    pub const fn session(&self) -> Session {
        self.session
    }
}

impl Wire for Plan {
    const TYPE: ObjectType = ObjectType::KeyPlan;
    const MAX_BODY: usize = Committee::MAX_BODY + PublicKeySet::MAX_BODY + 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2).bytes(&self.committee.encode());
        e.option(self.from.as_ref(), |e, set| {
            e.bytes(&set.encode());
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let committee = decode_object(d)?;
        match d.option(decode_object::<PublicKeySet>)? {
            None => Ok(Self::generate(committee)),
            Some(set) => Self::reshare(&set, set.committee().needed(), committee)
                .map_err(|_| d.invalid("the new committee cannot take over the key")),
        }
    }
}
