//! The immutable core header.

use crate::crypto::{Schedule, Suite};
use crate::{ContentKey, Context};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

/// The longest caller's context in bytes.
pub const MAX_CONTEXT: usize = 4096;

/// What is fixed when a file is sealed and never changes after: everything in the file is bound to its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreHeader {
    suite: Suite,
    salt: [u8; 32],
    commitment: [u8; 32],
    signed: bool,
    context: Vec<u8>,
}

impl CoreHeader {
    /// A header for a new file under `key`. `context` is at most [`MAX_CONTEXT`] bytes long.
    pub(crate) fn new(
        suite: Suite,
        signed: bool,
        context: Vec<u8>,
        key: &ContentKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Self, Schedule) {
        let mut salt = [0; 32];
        rng.fill_bytes(&mut salt);
        let schedule = Schedule::new(key, &salt);
        let commitment = schedule.commitment(suite);
        (Self { suite, salt, commitment, signed, context }, schedule)
    }

    /// How the segments are encrypted.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Whether an author's signature closes the file.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.signed
    }

    /// The caller's context: public, authenticated once the file is opened, at most [`MAX_CONTEXT`] bytes.
    #[must_use]
    pub fn context(&self) -> &[u8] {
        &self.context
    }

    /// The key schedule of `key`, if it is the key that this header commits to.
    pub(crate) fn schedule(&self, key: &ContentKey) -> Option<Schedule> {
        let schedule = Schedule::new(key, &self.salt);
        schedule.commits_to(self.suite, &self.commitment).then_some(schedule)
    }

    /// The key schedule of any key in this file, committed to or not.
    #[cfg(test)]
    pub(crate) fn schedule_of(&self, key: &ContentKey) -> Schedule {
        Schedule::new(key, &self.salt)
    }

    /// What doors are bound to, given the header's own encoding.
    pub(crate) fn door_context(&self, encoded: &[u8]) -> Context {
        Context::new(Sha256::digest(encoded).into(), self.context.clone())
    }
}

impl Wire for CoreHeader {
    const TYPE: ObjectType = ObjectType::SealedCore;
    const SUITES: &'static [u8] = &[Suite::ChaCha20Poly1305.code(), Suite::Aes256Gcm.code()];
    const MAX_BODY: usize = MAX_CONTEXT + 128;

    fn suite(&self) -> u8 {
        self.suite.code()
    }

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.salt).bytes(&self.commitment).bool(self.signed).bytes(&self.context);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let suite = Suite::from_code(d.suite()).ok_or_else(|| d.invalid("an unknown suite"))?;
        d.tuple(4)?;
        Ok(Self {
            suite,
            salt: d.byte_array()?,
            commitment: d.byte_array()?,
            signed: d.bool()?,
            context: d.bytes(MAX_CONTEXT)?.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_codec::testing::check_wire;

    #[test]
    fn frozen_bytes() {
        let header = CoreHeader {
            suite: Suite::Aes256Gcm,
            salt: [1; 32],
            commitment: [2; 32],
            signed: true,
            context: b"clinic".to_vec(),
        };
        check_wire(
            &header,
            "894d4456 0101 01 02 0000004d 84
             5820 0101010101010101010101010101010101010101010101010101010101010101
             5820 0202020202020202020202020202020202020202020202020202020202020202
             f5 46636c696e6963",
        );
    }
}
