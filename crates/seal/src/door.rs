//! Doors: how a content key is handed to one reader.
//!
//! A door is a [`Stanza`] in the file, made by a [`Recipient`] and opened by an [`Opener`]. Both traits are object-safe,
//! so that policies (`mediveil-abe`) and committees (`mediveil-threshold`) become doors in their own crates; nothing here
//! knows them. Whatever an opener returns is checked against the file's key commitment before anything is decrypted.

use crate::ContentKey;
use mediveil_codec::{DecodeError, Decoder, Encoder};
use rand_core::CryptoRng;
use std::fmt;

/// The name of a kind of door: 1 to 32 characters of `a-z`, `0-9` and `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DoorKind(std::borrow::Cow<'static, str>);

impl DoorKind {
    /// HPKE to a P-256 key.
    pub const HPKE_P256: Self = Self::from_static("hpke-p256");
    /// HPKE to an X-Wing key (X25519 and ML-KEM-768).
    pub const HPKE_XWING: Self = Self::from_static("hpke-xwing");
    /// A passphrase.
    pub const PASSPHRASE: Self = Self::from_static("passphrase");
    /// The small file that a key ring is bound to.
    pub const WRAPPING_KEY: Self = Self::from_static("wrapping-key");
    /// An attribute policy.
    pub const POLICY: Self = Self::from_static("policy");
    /// A committee of guardians.
    pub const COMMITTEE: Self = Self::from_static("committee");

    const MAX: usize = 32;

    /// A kind known at compile time. The name must be valid; one that is not makes every file with it undecodable.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(name))
    }

    fn parse(name: &str) -> Option<Self> {
        let ok = (1..=Self::MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        ok.then(|| Self(name.to_owned().into()))
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DoorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DoorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DoorKind({})", self.0)
    }
}

/// One door as it lies in the file: its kind, and bytes that only openers of that kind understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    /// Who may try.
    pub kind: DoorKind,
    /// The wrapped content key, at most [`MAX_BODY`](Self::MAX_BODY) bytes.
    pub body: Vec<u8>,
}

impl Stanza {
    /// The longest body in bytes; wide enough for a policy over a thousand attributes.
    pub const MAX_BODY: usize = 256 * 1024;

    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        e.array(2).text(self.kind.as_str()).bytes(&self.body);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let kind = d.text(DoorKind::MAX)?;
        let kind = DoorKind::parse(kind).ok_or_else(|| d.invalid("not the name of a kind of door"))?;
        Ok(Self { kind, body: d.bytes(Self::MAX_BODY)?.to_vec() })
    }
}

/// What a door is bound to: the file it belongs to. A stanza made for one file opens no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    core_digest: [u8; 32],
    caller: Vec<u8>,
}

impl Context {
    /// The context of a file whose encoded core header has this SHA-256 digest and carries these caller's bytes.
    #[must_use]
    pub fn new(core_digest: [u8; 32], caller: Vec<u8>) -> Self {
        Self { core_digest, caller }
    }

    /// SHA-256 of the encoded core header: bind this. It covers the suite, the salt, the key commitment and the
    /// caller's context.
    #[must_use]
    pub const fn core_digest(&self) -> &[u8; 32] {
        &self.core_digest
    }

    /// The caller's own context, as it lies in the core header: public, authenticated, at most 4 KiB.
    #[must_use]
    pub fn caller(&self) -> &[u8] {
        &self.caller
    }
}

/// Someone a file can be sealed for.
pub trait Recipient {
    /// The kind of door this makes.
    fn kind(&self) -> DoorKind;

    /// Wraps the content key into a stanza that is bound to `context`.
    ///
    /// # Errors
    /// [`WrapError`] if this recipient cannot be sealed for.
    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError>;
}

impl<R: Recipient + ?Sized> Recipient for &R {
    fn kind(&self) -> DoorKind {
        (**self).kind()
    }
    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        (**self).wrap(key, context, rng)
    }
}

/// A recipient cannot be sealed for, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot seal for this {kind} recipient: {why}")]
pub struct WrapError {
    /// The kind of door.
    pub kind: DoorKind,
    /// What to do about it.
    pub why: String,
}

/// Someone who may hold the key to a door.
pub trait Opener {
    /// Tries one door of a file.
    ///
    /// Implementations must authenticate what they return where their scheme can, must not panic on any bytes, and must
    /// not reveal in a refusal anything that is not already public in the stanza.
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening;
}

impl<O: Opener + ?Sized> Opener for &O {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        (**self).open_stanza(stanza, context)
    }
}

/// What came of trying a door.
#[derive(Debug)]
pub enum Opening {
    /// The door is of a kind, or for a key, that this opener does not hold.
    NotMine,
    /// The door is of this opener's kind and stays shut.
    Refused(Refusal),
    /// The content key, still to be checked against the file's commitment.
    Opened(ContentKey),
}

/// Why a door of the right kind stays shut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of door.
    pub kind: DoorKind,
    /// The reason as callers can act on it.
    pub reason: RefusalReason,
    /// The reason as people read it: what is missing, and what to do. Never a secret.
    pub explanation: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.explanation)
    }
}

/// The reasons a door stays shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalReason {
    /// The key or passphrase is not the one, or the door was changed: the two look the same.
    WrongKey,
    /// The holder's attributes do not satisfy the policy.
    PolicyUnsatisfied,
    /// The holder's key had expired when the file was sealed.
    KeyExpired,
    /// The key exists and its owner disabled or destroyed it.
    KeyDisabled,
    /// Too few members took part.
    TooFewShares,
    /// The stanza is malformed, or provably changed.
    Malformed,
    /// The stanza asks for more work than this reader is willing to do.
    TooCostly,
}
