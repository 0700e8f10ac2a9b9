//! Key files: an identity in text armour, in the clear or under a passphrase.
//!
//! | form | first line | read by |
//! |---|---|---|
//! | secret identity | `-----BEGIN MEDIVEIL IDENTITY-----` | [`Identity::from_key_file`] |
//! | the same, sealed | `-----BEGIN MEDIVEIL SEALED-IDENTITY-----` | [`Identity::from_key_file`], with the passphrase |
//! | public identity | `-----BEGIN MEDIVEIL PUBLIC-IDENTITY-----` | [`PublicIdentity::from_key_file`] |
//! | one P-256 key | `-----BEGIN PRIVATE KEY-----` and the like, or a JWK | [`SigningKey`](crate::identity::SigningKey) and [`EcdhKey`](crate::identity::EcdhKey) |
//!
//! A sealed identity is a sealed file like any other, so besides a passphrase any [`Recipient`] can be its door: an escrow
//! committee, or another identity.

use crate::identity::{Identity, KeyError, PublicIdentity, SealingKem};
use crate::{
    ContentKey, Context, DoorKind, OpenError, Opener, Opening, Passphrase, Recipient, RefusalReason, SealError, Sealer,
    Stanza, WrapError, open,
};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire, armor};
use rand_core::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

/// An identity in a sealed file: the form of a key file with a passphrase.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedIdentity(Vec<u8>);

/// Public context of the sealed file, so that it is not taken for another.
const CONTEXT: &[u8] = b"mediveil/sealed-identity/v1";

impl SealedIdentity {
    /// Opens it.
    ///
    /// # Errors
    /// [`KeyError::Passphrase`] if no opener fits, [`KeyError::TooCostly`] if the passphrase door asks for too much work,
    /// [`KeyError::Format`] or [`KeyError::Decode`] if the file is damaged.
    pub fn open(&self, openers: &[&dyn Opener]) -> Result<Identity, KeyError> {
        let opened = open(&self.0, openers).map_err(|error| match error {
            OpenError::NoDoor { refusals, .. } if refusals.iter().any(|r| r.reason == RefusalReason::TooCostly) => {
                KeyError::TooCostly
            }
            OpenError::NoDoor { .. } => KeyError::Passphrase,
            OpenError::Malformed(error) => KeyError::Decode(error),
            _ => DAMAGED,
        })?;
        if opened.context != CONTEXT {
            return Err(KeyError::Format("the sealed file holds no identity"));
        }
        Ok(Identity::decode(&opened.plaintext)?)
    }
}

const DAMAGED: KeyError = KeyError::Format("the key file was changed or damaged");

impl fmt::Debug for SealedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedIdentity")
    }
}

impl Wire for SealedIdentity {
    const TYPE: ObjectType = ObjectType::SealedIdentity;
    /// Room for some doors beside the passphrase.
    const MAX_BODY: usize = 64 * 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.bytes(&self.0);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let file = d.bytes(Self::MAX_BODY)?;
        if mediveil_codec::peek_type(file) != Some(ObjectType::SealedCore) {
            return Err(d.invalid("not a sealed file"));
        }
        Ok(Self(file.to_vec()))
    }
}

impl Identity {
    /// The identity in a sealed file with these doors.
    ///
    /// # Errors
    /// [`SealError`] for recipients that cannot be sealed for, none or too many of them.
    pub fn seal(
        &self,
        recipients: &[&dyn Recipient],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<SealedIdentity, SealError> {
        let mut sealer = Sealer::new().context(CONTEXT)?;
        for recipient in recipients {
            sealer = sealer.to(*recipient);
        }
        let sealed = sealer.seal(&self.encode_secret(), rng)?;
        if sealed.len() > SealedIdentity::MAX_BODY.saturating_sub(8) {
            return Err(SealError::TooManyDoors);
        }
        Ok(SealedIdentity(sealed))
    }

    /// The identity as the text of a key file: sealed if a passphrase is given, otherwise in the clear, for a file that
    /// only its owner can read.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn to_key_file(
        &self,
        passphrase: Option<&Passphrase>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Zeroizing<String>, SealError> {
        match passphrase {
            None => Ok(armor::encode(self)),
            Some(passphrase) => Ok(armor::encode(&self.seal(&[passphrase], rng)?)),
        }
    }

    /// The identity in this key file. A passphrase that is not needed is ignored.
    ///
    /// # Errors
    /// [`KeyError::PassphraseNeeded`], [`KeyError::Passphrase`] and [`KeyError::TooCostly`] for sealed files;
    /// [`KeyError::Format`], saying what the text is, and [`KeyError::Decode`] for anything that is no identity.
    pub fn from_key_file(text: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        match KeyFileForm::of(text) {
            Some(KeyFileForm::Identity) => Ok(armor::decode(text)?),
            Some(KeyFileForm::SealedIdentity) => {
                let sealed: SealedIdentity = armor::decode(text)?;
                sealed.open(&[passphrase.ok_or(KeyError::PassphraseNeeded)?])
            }
            Some(KeyFileForm::PublicIdentity) => {
                Err(KeyError::Format("this is a public identity; the secret one is needed"))
            }
            Some(KeyFileForm::Pem | KeyFileForm::Jwk) => Err(BARE_KEY),
            None => Err(UNKNOWN),
        }
    }
}

impl PublicIdentity {
    /// The identity as the text of a key file.
    #[must_use]
    pub fn to_key_file(&self) -> String {
        armor::encode(self).as_str().to_owned()
    }

    /// The public identity in this key file.
    ///
    /// # Errors
    /// [`KeyError::Format`], saying what the text is, and [`KeyError::Decode`] for anything that is no public identity.
    pub fn from_key_file(text: &[u8]) -> Result<Self, KeyError> {
        match KeyFileForm::of(text) {
            Some(KeyFileForm::PublicIdentity) => Ok(armor::decode(text)?),
            Some(KeyFileForm::Identity | KeyFileForm::SealedIdentity) => {
                Err(KeyError::Format("this is a secret identity; the public one is needed, usually in KEY.pub"))
            }
            Some(KeyFileForm::Pem | KeyFileForm::Jwk) => Err(BARE_KEY),
            None => Err(UNKNOWN),
        }
    }
}

const BARE_KEY: KeyError = KeyError::Format(
    "this is one key of another tool, and an identity has several: import a signing and a sealing key together",
);
const UNKNOWN: KeyError = KeyError::Format("this is no key file: it begins with none of the known first lines");

/// What a key file holds, as its first characters tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyFileForm {
    /// A secret [`Identity`] in the clear.
    Identity,
    /// A [`SealedIdentity`]: a passphrase is needed.
    SealedIdentity,
    /// A [`PublicIdentity`].
    PublicIdentity,
    /// One key of another tool in PEM.
    Pem,
    /// One key of another tool as a JWK.
    Jwk,
}

impl KeyFileForm {
    /// The form of this text, if it is a known one. Looks at the beginning only.
    #[must_use]
    pub fn of(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii_start();
        let starts = |with: &str| text.starts_with(with.as_bytes());
        if starts("-----BEGIN MEDIVEIL IDENTITY-----") {
            Some(Self::Identity)
        } else if starts("-----BEGIN MEDIVEIL SEALED-IDENTITY-----") {
            Some(Self::SealedIdentity)
        } else if starts("-----BEGIN MEDIVEIL PUBLIC-IDENTITY-----") {
            Some(Self::PublicIdentity)
        } else if starts("-----BEGIN MEDIVEIL ") {
            None
        } else if starts("-----BEGIN ") {
            Some(Self::Pem)
        } else if starts("{") {
            Some(Self::Jwk)
        } else {
            None
        }
    }
}

/// Files for an identity are sealed for its [preferred](PublicIdentity::preferred_sealing_key) key.
impl Recipient for PublicIdentity {
    fn kind(&self) -> DoorKind {
        self.preferred_sealing_key().kind()
    }

    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        self.preferred_sealing_key().wrap(key, context, rng)
    }
}

/// An identity opens what was sealed for any of its sealing keys.
impl Opener for Identity {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        let kem = match &stanza.kind {
            kind if *kind == SealingKem::P256.door_kind() => SealingKem::P256,
            kind if *kind == SealingKem::XWing.door_kind() => SealingKem::XWing,
            _ => return Opening::NotMine,
        };
        self.sealing_key(kem).map_or(Opening::NotMine, |key| key.open_stanza(stanza, context))
    }
}
