//! Doors for HPKE keys (RFC 9180, base mode, single shot).
//!
//! The stanza is one flag byte, an eight-byte hint if the flag says so, the encapsulation and the encrypted content key.
//! `info` is the name of the door; `aad` is the digest of the file's core header and the flag and hint, so that a stanza
//! belongs to one file. Without a hint a reader tries its key on every stanza of its kind, and the file does not tell for
//! whom it is.

use crate::identity::{SealingKem, SealingKey, SealingPublicKey};
use crate::{ContentKey, Context, DoorKind, Opener, Opening, Recipient, Refusal, RefusalReason, Stanza, WrapError};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

const NO_HINT: u8 = 0;
const HINT: u8 = 1;
const HINT_LEN: usize = 8;

impl SealingKem {
    /// The kind of door that keys of this mechanism open.
    #[must_use]
    pub const fn door_kind(self) -> DoorKind {
        match self {
            Self::P256 => DoorKind::HPKE_P256,
            Self::XWing => DoorKind::HPKE_XWING,
        }
    }

    const fn info(self) -> &'static [u8] {
        match self {
            Self::P256 => b"mediveil/seal/v1/door/hpke-p256",
            Self::XWing => b"mediveil/seal/v1/door/hpke-xwing",
        }
    }
}

/// The first bytes of a hash of the public key: enough to find one's own door, and to link all files of one reader.
fn hint_of(key: &SealingPublicKey) -> [u8; HINT_LEN] {
    let digest = Sha256::new().chain_update(b"mediveil/seal/v1/hint").chain_update(key.to_bytes()).finalize();
    let mut hint = [0; HINT_LEN];
    for (to, from) in hint.iter_mut().zip(digest) {
        *to = from;
    }
    hint
}

fn wrap(
    key: &SealingPublicKey,
    prefix: &[u8],
    content_key: &ContentKey,
    context: &Context,
    rng: &mut dyn CryptoRng,
) -> Result<Stanza, WrapError> {
    let kind = key.kem().door_kind();
    let aad = [context.core_digest(), prefix].concat();
    let sealed = key
        .hpke_seal(key.kem().info(), &aad, content_key.expose(), rng)
        .ok_or_else(|| WrapError { kind: kind.clone(), why: "the public key admits no encapsulation".into() })?;
    Ok(Stanza { kind, body: [prefix, &sealed].concat() })
}

impl Recipient for SealingPublicKey {
    fn kind(&self) -> DoorKind {
        self.kem().door_kind()
    }

    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        wrap(self, &[NO_HINT], key, context, rng)
    }
}

/// A recipient whose door carries an eight-byte hint of its public key.
///
/// The reader then finds the door at once in a long list. The price: whoever sees two files can tell that they have a
/// reader in common, and whoever knows the public key can tell that it is this reader.
#[derive(Clone, Copy, Debug)]
pub struct Hinted<'a>(pub &'a SealingPublicKey);

impl Recipient for Hinted<'_> {
    fn kind(&self) -> DoorKind {
        self.0.kem().door_kind()
    }

    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        let mut prefix = vec![HINT];
        prefix.extend_from_slice(&hint_of(self.0));
        wrap(self.0, &prefix, key, context, rng)
    }
}

impl Opener for SealingKey {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        if stanza.kind != self.kem().door_kind() {
            return Opening::NotMine;
        }
        let refused = |reason, explanation: &str| {
            Opening::Refused(Refusal { kind: stanza.kind.clone(), reason, explanation: explanation.into() })
        };
        let prefix_len = match stanza.body.first() {
            Some(&NO_HINT) => 1,
            Some(&HINT) => 1 + HINT_LEN,
            _ => return refused(RefusalReason::Malformed, "the door is malformed"),
        };
        let Some((prefix, sealed)) = stanza.body.split_at_checked(prefix_len) else {
            return refused(RefusalReason::Malformed, "the door is malformed");
        };
        // The hint is public, so an ordinary comparison does.
        if prefix_len > 1 && prefix.get(1..) != Some(&hint_of(&self.public())[..]) {
            return Opening::NotMine;
        }
        let aad = [context.core_digest(), prefix].concat();
        match self.hpke_open(self.kem().info(), &aad, sealed) {
            Some(key) => match <[u8; ContentKey::LEN]>::try_from(key.as_slice()) {
                Ok(key) => Opening::Opened(ContentKey::from_bytes(key)),
                Err(_) => refused(RefusalReason::Malformed, "the door is malformed"),
            },
            None => refused(RefusalReason::WrongKey, "the door is for another key, or was changed"),
        }
    }
}
