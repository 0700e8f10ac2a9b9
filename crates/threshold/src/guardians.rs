//! A committee as a door of sealed files.
//!
//! [`CommitteeRecipient`] wraps a file's content key under a key that only `needed` guardians together can use. The door
//! carries its [`Terms`]: who may veto a recovery and how long guardians wait for that. The terms are bound into the
//! ciphertext, so nobody can show guardians a door with other terms: their shares would not open it. How the door is
//! opened is in [`recovery`](crate::recovery).
//!
//! The content key lies under ChaCha20-Poly1305 with the encapsulated key, which is used once. Both are bound to the digest
//! of the file's core header, so a door opens no other file.

use crate::keys::decode_object;
use crate::proof::Fields;
use crate::tdh2::{CheckedCiphertext, Ciphertext, DecryptError, DecryptionShare, SharedKey, combine, encapsulate};
use crate::{PublicKey, PublicKeySet};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Tag};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_seal::identity::PublicIdentity;
use mediveil_seal::{
    ContentKey, Context, DoorKind, Opener, Opening, Recipient, Refusal, RefusalReason, Stanza, WrapError,
};
use rand_core::CryptoRng;
use std::time::Duration;

const SEALED_KEY: usize = ContentKey::LEN + 16;

/// The owner of a door, so that only those who know the owner recognise it: SHA-256 over a salt of the door and the
/// owner's public identity. Doors of one owner cannot be told to be of one by those who do not know the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    salt: [u8; 16],
    tag: [u8; 32],
}

impl Owner {
    fn tag(salt: &[u8; 16], identity: &PublicIdentity) -> [u8; 32] {
        Fields::new("mediveil/threshold/owner/v1").add(salt).add(&identity.id()).finish()
    }
}

/// On what terms a door may be opened: fixed when the file is sealed, and bound into the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    owner: Option<Owner>,
    /// In seconds.
    delay: u32,
}

impl Terms {
    /// How long a guardian waits between first seeing a request and approving it.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_secs(u64::from(self.delay))
    }

    /// Whether there is somebody who can veto.
    #[must_use]
    pub const fn has_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// Whether this identity can veto.
    #[must_use]
    pub fn is_owner(&self, identity: &PublicIdentity) -> bool {
        self.owner.as_ref().is_some_and(|owner| Owner::tag(&owner.salt, identity) == owner.tag)
    }

    /// What a door's encryption is bound to: file and terms.
    pub(crate) fn bind(&self, core_digest: &[u8; 32]) -> [u8; 32] {
        let fields = Fields::new("mediveil/threshold/door/v1").add(core_digest).add(&self.delay.to_be_bytes());
        match &self.owner {
            None => fields,
            Some(owner) => fields.add(&owner.salt).add(&owner.tag),
        }
        .finish()
    }

    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        e.array(2).u32(self.delay);
        e.option(self.owner.as_ref(), |e, owner| {
            e.array(2).bytes(&owner.salt).bytes(&owner.tag);
        });
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let delay = d.u32()?;
        let owner = d.option(|d| {
            d.tuple(2)?;
            Ok(Owner { salt: d.byte_array()?, tag: d.byte_array()? })
        })?;
        Ok(Self { owner, delay })
    }
}

/// A committee that files can be sealed for, and the terms on which it may open them.
#[derive(Clone, Debug)]
pub struct CommitteeRecipient<'a> {
    key: &'a PublicKey,
    owner: Option<&'a PublicIdentity>,
    /// In seconds.
    delay: u32,
}

impl<'a> CommitteeRecipient<'a> {
    /// The committee with this key, without waiting and without an owner who could veto.
    #[must_use]
    pub const fn new(key: &'a PublicKey) -> Self {
        Self { key, owner: None, delay: 0 }
    }

    /// Lets this identity veto a recovery, and guardians wait so long for that: whole seconds, 136 years at most.
    #[must_use]
    pub fn owner(mut self, owner: &'a PublicIdentity, delay: Duration) -> Self {
        self.owner = Some(owner);
        self.delay = u32::try_from(delay.as_secs()).unwrap_or(u32::MAX);
        self
    }
}

impl Recipient for CommitteeRecipient<'_> {
    fn kind(&self) -> DoorKind {
        DoorKind::COMMITTEE
    }

    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        let owner = self.owner.map(|identity| {
            let mut salt = [0; 16];
            rng.fill_bytes(&mut salt);
            Owner { salt, tag: Owner::tag(&salt, identity) }
        });
        let terms = Terms { owner, delay: self.delay };
        let associated = terms.bind(context.core_digest());
        let (ciphertext, shared) = encapsulate(self.key, &associated, rng);
        let mut sealed = [0; SEALED_KEY];
        if let Some((body, tag_at)) = sealed.split_first_chunk_mut::<{ ContentKey::LEN }>() {
            body.copy_from_slice(key.expose());
            let tag = ChaCha20Poly1305::new((&*shared).into())
                .encrypt_inout_detached(&[0; 12].into(), &associated, body.as_mut_slice().into())
                .map_err(|_| WrapError { kind: self.kind(), why: "encryption failed".into() })?;
            tag_at.copy_from_slice(&tag);
        }
        Ok(Stanza { kind: self.kind(), body: Door { terms, ciphertext, sealed }.encode() })
    }
}

/// A committee's door as it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    pub(crate) terms: Terms,
    pub(crate) ciphertext: Ciphertext,
    sealed: [u8; SEALED_KEY],
}

impl Door {
    /// The door in this stanza: `None` if it is of another kind or malformed.
    #[must_use]
    pub fn read(stanza: &Stanza) -> Option<Self> {
        if stanza.kind == DoorKind::COMMITTEE { Self::decode(&stanza.body).ok() } else { None }
    }

    /// On what terms it may be opened. They are authentic if the door [checks](Self::check).
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Checks that the door is one of this committee in the file with this context, with its terms unchanged.
    ///
    /// # Errors
    /// [`DecryptError::Ciphertext`] otherwise.
    pub fn check(&self, key: &PublicKey, context: &Context) -> Result<CheckedCiphertext, DecryptError> {
        self.ciphertext.check(key, &self.terms.bind(context.core_digest()))
    }

    fn open(&self, shared: &SharedKey, context: &Context) -> Option<ContentKey> {
        let (body, tag) = self.sealed.split_first_chunk::<{ ContentKey::LEN }>()?;
        let tag: &[u8; 16] = tag.try_into().ok()?;
        let tag: &Tag = tag.into();
        let mut key = zeroize::Zeroizing::new(*body);
        let associated = self.terms.bind(context.core_digest());
        ChaCha20Poly1305::new((&**shared).into())
            .decrypt_inout_detached(&[0; 12].into(), &associated, key.as_mut_slice().into(), tag)
            .ok()?;
        Some(ContentKey::from_bytes(*key))
    }
}

impl Wire for Door {
    const TYPE: ObjectType = ObjectType::CommitteeDoor;
    const MAX_BODY: usize = 512;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3);
        self.terms.encode(e);
        e.bytes(&self.ciphertext.encode()).bytes(&self.sealed);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { terms: Terms::decode(d)?, ciphertext: decode_object(d)?, sealed: d.byte_array()? })
    }
}

/// Guardians' shares, as many as are needed: opens the one door they were given for, for `open`, `OpenReader` and `Rewrap`
/// of [`mediveil_seal`]. [`Recovery::finish`](crate::recovery::Recovery::finish) makes it. It is as good as the file's
/// content key; drop it when the file is open.
pub struct CommitteeOpener {
    pub(crate) set: PublicKeySet,
    pub(crate) shares: Vec<DecryptionShare>,
}

impl std::fmt::Debug for CommitteeOpener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CommitteeOpener")
    }
}

impl Opener for CommitteeOpener {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        if stanza.kind != DoorKind::COMMITTEE {
            return Opening::NotMine;
        }
        let refused = |reason, explanation: &str| {
            Opening::Refused(Refusal { kind: DoorKind::COMMITTEE, reason, explanation: explanation.to_owned() })
        };
        let Some(door) = Door::read(stanza) else {
            return refused(RefusalReason::Malformed, "the door is malformed");
        };
        let Ok(checked) = door.check(self.set.key(), context) else {
            return refused(RefusalReason::WrongKey, "the door is for another committee, or was changed");
        };
        match combine(&self.set, &checked, &self.shares) {
            Ok(shared) => match door.open(&shared, context) {
                Some(key) => Opening::Opened(key),
                None => refused(RefusalReason::Malformed, "the door was made wrongly"),
            },
            Err(DecryptError::Count { .. }) => {
                refused(RefusalReason::TooFewShares, "too few guardians have approved: ask more of them")
            }
            Err(_) => refused(RefusalReason::WrongKey, "the guardians approved the opening of another door"),
        }
    }
}
