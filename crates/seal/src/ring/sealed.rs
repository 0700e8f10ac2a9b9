//! The two files of a ring as bytes.
//!
//! # The ring file
//! [`SealedRing`] holds, in the clear, the ring's id, the *lockbox* and the generation of the wrapping key; and, encrypted,
//! the ring. The lockbox is a [sealed file](crate::file) with a random 32-byte lock key `L`; its doors are whatever the
//! owner chose (a passphrase, an identity, a committee). So a changed ring is written without asking for the passphrase
//! again, and doors of readers who are not present stay.
//!
//! The ring is encrypted with ChaCha20-Poly1305 under a key that is used once:
//! `HKDF-SHA256(salt = 32 random bytes, secret = L || W, info = "mediveil/ring/v1")`, where `W` is the wrapping key of the
//! stated generation, or nothing for a ring that is bound to none. Everything in the clear is authenticated with it.
//!
//! A lockbox whose only doors are public keys can be made by anybody who knows those keys, and so can the whole file: an
//! attacker who can write it could put their own ring in its place. A passphrase door alone, or a wrapping file, prevents
//! that.
//!
//! # The wrapping file
//! [`WrappingFile`] holds the current wrapping key in the clear, and during an erasure the next one as well. It opens
//! nothing without the ring file and its lock.

use crate::crypto::{Cipher, Hkdf, Suite};
use crate::ring::Ring;
use crate::{OpenError, Opener, Recipient, SealError, Sealer, open};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire, peek_type};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// 32 secret bytes.
pub(super) type Key = Zeroizing<[u8; 32]>;

fn fresh_key(rng: &mut (impl CryptoRng + ?Sized)) -> Key {
    let mut key = Zeroizing::new([0; 32]);
    rng.fill_bytes(key.as_mut());
    key
}

/// A wrapping key and its place in the sequence of them.
#[derive(Clone)]
pub(super) struct WrappingKey {
    pub(super) generation: u64,
    pub(super) key: Key,
}

/// The small file that a ring is bound to.
#[derive(Clone)]
pub struct WrappingFile {
    pub(super) ring: [u8; 16],
    pub(super) current: WrappingKey,
    pub(super) next: Option<WrappingKey>,
}

impl WrappingFile {
    pub(super) fn first(ring: [u8; 16], rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { ring, current: WrappingKey { generation: 1, key: fresh_key(rng) }, next: None }
    }

    /// The current key and a fresh next one; `None` at the end of all generations.
    pub(super) fn with_next(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Option<(Self, WrappingKey)> {
        let next = WrappingKey { generation: self.current.generation.checked_add(1)?, key: fresh_key(rng) };
        Some((Self { ring: self.ring, current: self.current.clone(), next: Some(next.clone()) }, next))
    }

    /// The file with this key alone.
    pub(super) fn settled(&self, key: WrappingKey) -> Self {
        Self { ring: self.ring, current: key, next: None }
    }

    /// The key of this generation, if it is here.
    pub(super) fn key(&self, generation: u64) -> Option<&WrappingKey> {
        [Some(&self.current), self.next.as_ref()].into_iter().flatten().find(|k| k.generation == generation)
    }

    /// The id of the ring that is bound to it.
    #[must_use]
    pub const fn ring(&self) -> &[u8; 16] {
        &self.ring
    }

    /// The number of the current key, counted from 1; each erasure adds one.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.current.generation
    }

    /// Whether an erasure was interrupted; opening the ring for writing finishes it or takes it back.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        self.next.is_some()
    }
}

impl fmt::Debug for WrappingFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingFile")
    }
}

impl Wire for WrappingFile {
    const TYPE: ObjectType = ObjectType::WrappingKey;
    const MAX_BODY: usize = 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.ring).u64(self.current.generation).bytes(&*self.current.key);
        e.option(self.next.as_ref(), |e, next| {
            e.bytes(&*next.key);
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let ring = d.byte_array()?;
        let generation = d.u64()?;
        // One more must be countable.
        let following = generation.checked_add(1).filter(|_| generation > 0);
        let following = following.ok_or_else(|| d.invalid("an impossible generation"))?;
        let current = WrappingKey { generation, key: Zeroizing::new(d.byte_array()?) };
        let next =
            d.option(Decoder::byte_array)?.map(|key| WrappingKey { generation: following, key: Zeroizing::new(key) });
        Ok(Self { ring, current, next })
    }
}

/// The lock key `L`, and the sealed file that holds it.
#[derive(Clone)]
pub(super) struct Lockbox {
    pub(super) sealed: Vec<u8>,
    pub(super) key: Key,
}

fn lockbox_context(ring: &[u8; 16]) -> Vec<u8> {
    [b"mediveil/ring-lock/v1", &ring[..]].concat()
}

impl Lockbox {
    const MAX: usize = 256 * 1024;

    /// A fresh lock key for these readers.
    pub(super) fn new(
        ring: &[u8; 16],
        doors: &[&dyn Recipient],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, SealError> {
        let key = fresh_key(rng);
        let mut sealer = Sealer::new().context(&lockbox_context(ring))?;
        for door in doors {
            sealer = sealer.to(*door);
        }
        let sealed = sealer.seal(&*key, rng)?;
        if sealed.len() > Self::MAX { Err(SealError::TooManyDoors) } else { Ok(Self { sealed, key }) }
    }

    fn open(sealed: &[u8], ring: &[u8; 16], openers: &[&dyn Opener]) -> Result<Self, OpenError> {
        let opened = open(sealed, openers)?;
        let key = <[u8; 32]>::try_from(opened.plaintext.as_slice()).map_err(|_| OpenError::Tampered)?;
        if opened.context != lockbox_context(ring) {
            return Err(OpenError::Tampered);
        }
        Ok(Self { sealed: sealed.to_vec(), key: Zeroizing::new(key) })
    }
}

/// A ring as it lies on the disk. Holds nothing secret in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRing {
    ring: [u8; 16],
    lockbox: Vec<u8>,
    wrapping_generation: Option<u64>,
    salt: [u8; 32],
    ciphertext: Vec<u8>,
}

impl SealedRing {
    pub(super) fn seal(
        ring: &Ring,
        lockbox: &Lockbox,
        wrapping: Option<&WrappingKey>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<Self> {
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let mut sealed = Self {
            ring: *ring.id(),
            lockbox: lockbox.sealed.clone(),
            wrapping_generation: wrapping.map(|w| w.generation),
            salt,
            ciphertext: Vec::new(),
        };
        let cipher = sealed.cipher(&lockbox.key, wrapping);
        sealed.ciphertext = cipher.seal_short(&NONCE, &sealed.aad(), &ring.encode_secret())?;
        Some(sealed)
    }

    /// Opens the lockbox.
    pub(super) fn unlock(&self, openers: &[&dyn Opener]) -> Result<Lockbox, OpenError> {
        Lockbox::open(&self.lockbox, &self.ring, openers)
    }

    /// The ring. `None` if it was changed, or if one of the keys is another.
    pub(super) fn open(&self, lockbox: &Lockbox, wrapping: Option<&WrappingKey>) -> Option<Ring> {
        let plain = self.cipher(&lockbox.key, wrapping).open_short(&NONCE, &self.aad(), &self.ciphertext)?;
        Ring::decode(&plain).ok().filter(|ring| *ring.id() == self.ring)
    }

    fn cipher(&self, lock: &Key, wrapping: Option<&WrappingKey>) -> Cipher {
        let mut secret = Zeroizing::new(Vec::with_capacity(64));
        secret.extend_from_slice(&**lock);
        if let Some(wrapping) = wrapping {
            secret.extend_from_slice(&*wrapping.key);
        }
        let key = Hkdf::extract(&self.salt, &secret).expand_key(&[b"mediveil/ring/v1"]);
        Cipher::new(Suite::ChaCha20Poly1305, &key)
    }

    fn aad(&self) -> Vec<u8> {
        [
            &self.ring[..],
            &Sha256::digest(&self.lockbox),
            &[u8::from(self.wrapping_generation.is_some())],
            &self.wrapping_generation.unwrap_or_default().to_be_bytes(),
        ]
        .concat()
    }

    /// The ring's id.
    #[must_use]
    pub const fn ring(&self) -> &[u8; 16] {
        &self.ring
    }

    /// The generation of the wrapping key it needs; `None` if it is bound to no wrapping file.
    #[must_use]
    pub const fn wrapping_generation(&self) -> Option<u64> {
        self.wrapping_generation
    }

    /// The sealed file with the lock key, whose doors [`inspect`](crate::inspect) lists.
    #[must_use]
    pub fn lockbox(&self) -> &[u8] {
        &self.lockbox
    }
}

/// Each key is used once.
const NONCE: [u8; 12] = [0; 12];

impl Wire for SealedRing {
    const TYPE: ObjectType = ObjectType::SealedRing;
    const MAX_BODY: usize = Ring::MAX_BODY + Lockbox::MAX + 4096;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(5).bytes(&self.ring).bytes(&self.lockbox);
        e.option(self.wrapping_generation, |e, generation| {
            e.u64(generation);
        });
        e.bytes(&self.salt).bytes(&self.ciphertext);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        let ring = d.byte_array()?;
        let lockbox = d.bytes(Lockbox::MAX)?;
        if peek_type(lockbox) != Some(ObjectType::SealedCore) {
            return Err(d.invalid("not a sealed file"));
        }
        let lockbox = lockbox.to_vec();
        let wrapping_generation = d.option(Decoder::u64)?;
        let salt = d.byte_array()?;
        let ciphertext = d.bytes(Ring::MAX_BODY.saturating_add(1024))?.to_vec();
        Ok(Self { ring, lockbox, wrapping_generation, salt, ciphertext })
    }
}
