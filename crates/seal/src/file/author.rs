//! The author's trailer: who wrote the file, encrypted inside it.

use crate::crypto::{Cipher, Schedule, Suite, TAG_LEN};
use crate::identity::{Signature, SigningKey, VerifyingKey};

/// Length of the encrypted trailer in bytes.
pub(crate) const TRAILER_LEN: usize = VerifyingKey::LEN + Signature::LEN + TAG_LEN;

const PURPOSE: &str = "seal/author/v1";
const NONCE: [u8; 12] = [0; 12];

/// What the author signs: the core header, the length of all encrypted segments, and their Merkle root.
fn statement(core_digest: &[u8; 32], sealed_len: u64, root: &[u8; 32]) -> Vec<u8> {
    [&core_digest[..], &sealed_len.to_be_bytes(), root].concat()
}

/// Signs and encrypts. The key is used for this one message, so the nonce is constant.
pub(crate) fn seal(
    author: &SigningKey,
    suite: Suite,
    schedule: &Schedule,
    core_digest: &[u8; 32],
    sealed_len: u64,
    root: &[u8; 32],
) -> Option<Vec<u8>> {
    let signature = author.sign(PURPOSE, &statement(core_digest, sealed_len, root));
    let block = [&author.verifying_key().to_sec1()[..], &signature.to_bytes()].concat();
    Cipher::new(suite, &schedule.author(core_digest)).seal_short(&NONCE, &[], &block)
}

/// Decrypts and verifies; returns the author.
pub(crate) fn open(
    trailer: &[u8],
    suite: Suite,
    schedule: &Schedule,
    core_digest: &[u8; 32],
    sealed_len: u64,
    root: &[u8; 32],
) -> Option<VerifyingKey> {
    let block = Cipher::new(suite, &schedule.author(core_digest)).open_short(&NONCE, &[], trailer)?;
    let (key, signature) = block.split_first_chunk::<{ VerifyingKey::LEN }>()?;
    let key = VerifyingKey::from_sec1(key).ok()?;
    let signature = Signature::from_bytes(signature.try_into().ok()?).ok()?;
    key.verify(PURPOSE, &statement(core_digest, sealed_len, root), &signature).ok()?;
    Some(key)
}
