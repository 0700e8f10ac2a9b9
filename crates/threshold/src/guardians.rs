//! A committee as a door of sealed files.
//!
//! [`CommitteeRecipient`] wraps a file's content key under a key that only `needed` guardians together can use. The reader
//! shows each guardian the [`Door`]; a guardian who agrees answers with [`approve`]: its decryption share, in a file sealed
//! for the reader's *new* identity. So no guardian sees another's share, and none sees the content key. The reader gathers
//! the answers in a [`CommitteeOpener`].
//!
//! The stanza is the framed [`Ciphertext`] and the content key under ChaCha20-Poly1305 with the encapsulated key, which is
//! used once. Both are bound to the digest of the file's core header, so a door opens no other file.
//!
//! Whether a request is genuine, and how long it must wait, is for the guardians to settle before they approve.

use crate::tdh2::{CheckedCiphertext, Ciphertext, DecryptError, DecryptionShare, SharedKey, combine, encapsulate};
use crate::{KeyShare, PublicKey, PublicKeySet};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Tag};
use mediveil_codec::{FRAME_LEN, Wire};
use mediveil_seal::identity::{Identity, PublicIdentity};
use mediveil_seal::{
    ContentKey, Context, DoorKind, Opener, Opening, Recipient, Refusal, RefusalReason, Sealer, Stanza, WrapError, open,
};
use rand_core::CryptoRng;

const LABEL: &[u8] = b"mediveil/threshold/door/v1";
const SEALED_KEY: usize = ContentKey::LEN + 16;

fn associated(context: &Context) -> Vec<u8> {
    [LABEL, context.core_digest()].concat()
}

/// A committee that files can be sealed for.
#[derive(Clone, Copy, Debug)]
pub struct CommitteeRecipient<'a>(pub &'a PublicKey);

impl Recipient for CommitteeRecipient<'_> {
    fn kind(&self) -> DoorKind {
        DoorKind::COMMITTEE
    }

    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        let associated = associated(context);
        let (ciphertext, shared) = encapsulate(self.0, &associated, rng);
        let mut sealed = *key.expose();
        let cipher = ChaCha20Poly1305::new((&*shared).into());
        let tag = cipher
            .encrypt_inout_detached(&[0; 12].into(), &associated, sealed.as_mut_slice().into())
            .map_err(|_| WrapError { kind: self.kind(), why: "encryption failed".into() })?;
        Ok(Stanza { kind: self.kind(), body: [&ciphertext.encode()[..], &sealed, &tag].concat() })
    }
}

/// A committee's door in one file, checked: what guardians are asked to help open.
#[derive(Clone, Debug)]
pub struct Door {
    checked: CheckedCiphertext,
    sealed: [u8; SEALED_KEY],
    associated: Vec<u8>,
}

impl Door {
    /// The door in this stanza of the file with this context, if it is for this key.
    ///
    /// # Errors
    /// [`DecryptError::Ciphertext`] if the stanza is no committee's door, is for another key or file, or was changed.
    pub fn new(key: &PublicKey, stanza: &Stanza, context: &Context) -> Result<Self, DecryptError> {
        let at = stanza.body.len().saturating_sub(SEALED_KEY);
        let parts = stanza.body.split_at_checked(at).filter(|(head, _)| head.len() > FRAME_LEN);
        let (head, sealed) = parts.ok_or(DecryptError::Ciphertext)?;
        if stanza.kind != DoorKind::COMMITTEE {
            return Err(DecryptError::Ciphertext);
        }
        let ciphertext = Ciphertext::decode(head).map_err(|_| DecryptError::Ciphertext)?;
        let associated = associated(context);
        let checked = ciphertext.check(key, &associated)?;
        let sealed = sealed.try_into().map_err(|_| DecryptError::Ciphertext)?;
        Ok(Self { checked, sealed, associated })
    }

    fn open(&self, shared: &SharedKey) -> Option<ContentKey> {
        let (body, tag) = self.sealed.split_first_chunk::<{ ContentKey::LEN }>()?;
        let tag: &[u8; 16] = tag.try_into().ok()?;
        let tag: &Tag = tag.into();
        let mut key = zeroize::Zeroizing::new(*body);
        ChaCha20Poly1305::new((&**shared).into())
            .decrypt_inout_detached(&[0; 12].into(), &self.associated, key.as_mut_slice().into(), tag)
            .ok()?;
        Some(ContentKey::from_bytes(*key))
    }
}

/// Why a guardian's answer was not made or not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// The share does not belong to the set, or the door to the key.
    #[error(transparent)]
    Decrypt(#[from] DecryptError),
    /// The answer could not be sealed for the identity.
    #[error("the answer cannot be sealed for this identity")]
    Sealing,
    /// The answer is not for this identity, or was changed.
    #[error("the answer is for another identity, or was changed")]
    Sealed,
}

/// A guardian's answer: its decryption share for this door, in a sealed file that only `reader` opens. The file's public
/// context is the digest of the ciphertext it is for.
///
/// # Errors
/// [`ApprovalError::Decrypt`] for a share of another key or epoch; [`ApprovalError::Sealing`] if sealing fails.
pub fn approve(
    share: &KeyShare,
    set: &PublicKeySet,
    door: &Door,
    reader: &PublicIdentity,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<u8>, ApprovalError> {
    let answer = share.decrypt(set, &door.checked, rng)?;
    Sealer::new()
        .context(door.checked.digest())
        .map_err(|_| ApprovalError::Sealing)?
        .to(reader.preferred_sealing_key())
        .seal(&answer.encode(), rng)
        .map_err(|_| ApprovalError::Sealing)
}

/// Answers of guardians, gathered by the reader: opens the door once `needed` of them are right.
#[derive(Debug)]
pub struct CommitteeOpener<'a> {
    set: &'a PublicKeySet,
    shares: Vec<DecryptionShare>,
}

impl<'a> CommitteeOpener<'a> {
    /// Without answers yet.
    #[must_use]
    pub const fn new(set: &'a PublicKeySet) -> Self {
        Self { set, shares: Vec::new() }
    }

    /// Takes in a guardian's answer. The share is checked at once, so that a wrong one never counts; a second answer of
    /// one guardian is passed over. Returns whether there are enough.
    ///
    /// # Errors
    /// [`ApprovalError::Sealed`] if the answer does not open; [`DecryptError::WrongShares`] with the guardian's name.
    pub fn add(&mut self, answer: &[u8], reader: &Identity, door: &Door) -> Result<bool, ApprovalError> {
        let opened = open(answer, &[reader]).map_err(|_| ApprovalError::Sealed)?;
        if opened.context != door.checked.digest() {
            return Err(ApprovalError::Sealed);
        }
        let share = DecryptionShare::decode(&opened.plaintext).map_err(|_| ApprovalError::Sealed)?;
        if !share.verify(self.set, &door.checked) {
            return Err(DecryptError::WrongShares(vec![share.member()]).into());
        }
        let needed = usize::from(self.set.committee().needed());
        if self.shares.len() < needed && self.shares.iter().all(|s| s.member() != share.member()) {
            self.shares.push(share);
        }
        Ok(self.shares.len() == needed)
    }
}

impl Opener for CommitteeOpener<'_> {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        if stanza.kind != DoorKind::COMMITTEE {
            return Opening::NotMine;
        }
        let refused =
            |reason, explanation: String| Opening::Refused(Refusal { kind: DoorKind::COMMITTEE, reason, explanation });
        let Ok(door) = Door::new(self.set.key(), stanza, context) else {
            return refused(RefusalReason::WrongKey, "the door is for another committee, or was changed".into());
        };
        match combine(self.set, &door.checked, &self.shares) {
            Ok(shared) => match door.open(&shared) {
                Some(key) => Opening::Opened(key),
                None => refused(RefusalReason::Malformed, "the door was made wrongly".into()),
            },
            Err(DecryptError::Count { found, needed }) => refused(
                RefusalReason::TooFewShares,
                format!("{found} of {needed} guardians have answered: ask more of them"),
            ),
            Err(error) => refused(RefusalReason::WrongKey, error.to_string()),
        }
    }
}
