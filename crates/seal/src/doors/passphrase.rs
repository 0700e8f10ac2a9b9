//! The door for a passphrase: PBKDF2-HMAC-SHA256 (RFC 8018 §5.2) and ChaCha20-Poly1305.
//!
//! The stanza is a 16-byte salt, the iteration count (32 bits, big-endian) and the encrypted content key. A file has at
//! most one such door, and what it opens to must meet the file's key commitment: so no file can be made that tests
//! several guesses of a passphrase in one attempt (partitioning oracles, Len, Grubbs, Ristenpart, USENIX Security 2021).
//!
//! PBKDF2 is what validated systems allow; it is not memory-hard, so a weak passphrase falls to graphics cards. The
//! count is stored, so files made with a higher one go on opening.

use crate::crypto::{Cipher, Suite, TAG_LEN, pbkdf2};
use crate::{ContentKey, Context, DoorKind, Opener, Opening, Recipient, Refusal, RefusalReason, Stanza, WrapError};
use rand_core::CryptoRng;
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

const SALT_LEN: usize = 16;
const BODY_LEN: usize = SALT_LEN + 4 + ContentKey::LEN + TAG_LEN;

/// A passphrase, as recipient and as opener.
///
/// It is brought to Unicode NFC (RFC 8265 §4.2), so that one passphrase typed on two systems is one. Wiped on drop.
pub struct Passphrase {
    text: Zeroizing<String>,
    iterations: u32,
}

impl Passphrase {
    /// Iterations for new files.
    pub const DEFAULT_ITERATIONS: u32 = 600_000;
    /// Fewer are refused, in making and in reading.
    pub const MIN_ITERATIONS: u32 = 100_000;
    /// More are refused in reading: a hostile file must not hold up its reader for minutes.
    pub const MAX_ITERATIONS: u32 = 10_000_000;

    /// A passphrase with the default number of iterations.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: Zeroizing::new(text.nfc().collect()), iterations: Self::DEFAULT_ITERATIONS }
    }

    /// The same passphrase with another number of iterations for new files.
    ///
    /// # Errors
    /// [`WrapError`] outside [`MIN_ITERATIONS`](Self::MIN_ITERATIONS)..=[`MAX_ITERATIONS`](Self::MAX_ITERATIONS).
    pub fn with_iterations(self, iterations: u32) -> Result<Self, WrapError> {
        if (Self::MIN_ITERATIONS..=Self::MAX_ITERATIONS).contains(&iterations) {
            Ok(Self { iterations, ..self })
        } else {
            Err(WrapError {
                kind: DoorKind::PASSPHRASE,
                why: format!("the iteration count must be {} to {}", Self::MIN_ITERATIONS, Self::MAX_ITERATIONS),
            })
        }
    }

    fn cipher(&self, salt: &[u8], iterations: u32) -> Cipher {
        let mut key = Zeroizing::new([0; 32]);
        pbkdf2(self.text.as_bytes(), salt, iterations, key.as_mut());
        Cipher::new(Suite::ChaCha20Poly1305, &key)
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// The key is used once, so the nonce is constant; everything that is not secret is authenticated with it.
const NONCE: [u8; 12] = [0; 12];

fn aad(context: &Context, salt: &[u8], iterations: [u8; 4]) -> Vec<u8> {
    [b"mediveil/seal/v1/door/passphrase", &context.core_digest()[..], salt, &iterations].concat()
}

impl Recipient for Passphrase {
    fn kind(&self) -> DoorKind {
        DoorKind::PASSPHRASE
    }

    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let iterations = self.iterations.to_be_bytes();
        let sealed = self
            .cipher(&salt, self.iterations)
            .seal_short(&NONCE, &aad(context, &salt, iterations), key.expose())
            .ok_or_else(|| WrapError { kind: self.kind(), why: "encryption failed".into() })?;
        Ok(Stanza { kind: self.kind(), body: [&salt[..], &iterations, &sealed].concat() })
    }
}

impl Opener for Passphrase {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        if stanza.kind != DoorKind::PASSPHRASE {
            return Opening::NotMine;
        }
        let refused =
            |reason, explanation: String| Opening::Refused(Refusal { kind: DoorKind::PASSPHRASE, reason, explanation });
        let malformed = || refused(RefusalReason::Malformed, "the door is malformed".into());
        if stanza.body.len() != BODY_LEN {
            return malformed();
        }
        let Some((salt, rest)) = stanza.body.split_first_chunk::<SALT_LEN>() else { return malformed() };
        let Some((count, sealed)) = rest.split_first_chunk::<4>() else { return malformed() };
        let iterations = u32::from_be_bytes(*count);
        if iterations < Self::MIN_ITERATIONS {
            return refused(
                RefusalReason::Malformed,
                format!("{iterations} iterations are fewer than the {} that are safe", Self::MIN_ITERATIONS),
            );
        }
        if iterations > Self::MAX_ITERATIONS {
            return refused(
                RefusalReason::TooCostly,
                format!("{iterations} iterations are more than the {} a reader will do", Self::MAX_ITERATIONS),
            );
        }
        let opened = self.cipher(salt, iterations).open_short(&NONCE, &aad(context, salt, *count), sealed);
        match opened.as_ref().and_then(|key| <[u8; ContentKey::LEN]>::try_from(key.as_slice()).ok()) {
            Some(key) => Opening::Opened(ContentKey::from_bytes(key)),
            None => refused(RefusalReason::WrongKey, "the passphrase is another, or the door was changed".into()),
        }
    }
}
