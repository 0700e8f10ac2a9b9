//! The primitives under everything in this crate, each in one place, so that published vectors run through the very
//! functions that files are made with.

use crate::ContentKey;
use chacha20poly1305::aead::{AeadInOut, KeyInit, inout::InOutBuf};
use chacha20poly1305::{ChaCha20Poly1305, Tag};
use hmac::Mac;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Length of an AEAD tag in bytes, for both suites.
pub(crate) const TAG_LEN: usize = 16;

/// How the segments of a file are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// ChaCha20-Poly1305 (RFC 8439): fast and constant-time in software everywhere.
    #[default]
    ChaCha20Poly1305,
    /// AES-256-GCM (NIST SP 800-38D): for places that must use AES; constant-time where the processor has AES
    /// instructions, and by bit-slicing elsewhere.
    Aes256Gcm,
}

impl Suite {
    /// The suite byte of the frame.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::ChaCha20Poly1305 => 1,
            Self::Aes256Gcm => 2,
        }
    }

    /// The suite with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::ChaCha20Poly1305),
            2 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }

    /// The name in listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChaCha20Poly1305 => "ChaCha20-Poly1305",
            Self::Aes256Gcm => "AES-256-GCM",
        }
    }
}

/// A keyed AEAD of one suite. The key schedules inside are wiped on drop.
pub(crate) enum Cipher {
    ChaCha(ChaCha20Poly1305),
    Aes(Box<aes_gcm::Aes256Gcm>),
}

impl Cipher {
    pub(crate) fn new(suite: Suite, key: &[u8; 32]) -> Self {
        match suite {
            Suite::ChaCha20Poly1305 => Self::ChaCha(ChaCha20Poly1305::new(key.into())),
            Suite::Aes256Gcm => Self::Aes(Box::new(aes_gcm::Aes256Gcm::new(key.into()))),
        }
    }

    /// Encrypts from one half of `buffer` to the other and returns the tag. `None` if the message is too long.
    pub(crate) fn seal(&self, nonce: &[u8; 12], aad: &[u8], buffer: InOutBuf<'_, '_, u8>) -> Option<[u8; TAG_LEN]> {
        match self {
            Self::ChaCha(c) => c.encrypt_inout_detached(nonce.into(), aad, buffer).ok().map(Into::into),
            Self::Aes(c) => c.encrypt_inout_detached(nonce.into(), aad, buffer).ok().map(Into::into),
        }
    }

    /// Decrypts from one half of `buffer` to the other; the output is meaningless unless this returns `Some`.
    pub(crate) fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
        tag: &[u8; TAG_LEN],
    ) -> Option<()> {
        let tag: &Tag = tag.into();
        match self {
            Self::ChaCha(c) => c.decrypt_inout_detached(nonce.into(), aad, buffer, tag).ok(),
            Self::Aes(c) => c.decrypt_inout_detached(nonce.into(), aad, buffer, tag).ok(),
        }
    }

    /// Encrypts a short message: ciphertext and tag.
    pub(crate) fn seal_short(&self, nonce: &[u8; 12], aad: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        let mut out = message.to_vec();
        let tag = self.seal(nonce, aad, out.as_mut_slice().into())?;
        out.extend_from_slice(&tag);
        Some(out)
    }

    /// Decrypts what [`seal_short`](Self::seal_short) made.
    pub(crate) fn open_short(&self, nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        let mut out = Zeroizing::new(ciphertext.to_vec());
        self.open(nonce, aad, out.as_mut_slice().into(), tag)?;
        Some(out)
    }
}

/// HKDF-SHA256 (RFC 5869), after its extract step.
pub(crate) struct Hkdf(hkdf::Hkdf<Sha256>);

impl Hkdf {
    pub(crate) fn extract(salt: &[u8], secret: &[u8]) -> Self {
        Self(hkdf::Hkdf::new(Some(salt), secret))
    }

    /// The expand step; `None` beyond 255 blocks.
    pub(crate) fn expand(&self, info: &[&[u8]], out: &mut [u8]) -> Option<()> {
        self.0.expand_multi_info(info, out).ok()
    }

    /// 32 bytes, which expansion always gives.
    pub(crate) fn expand_key(&self, info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        let expanded = self.expand(info, out.as_mut());
        debug_assert!(expanded.is_some());
        out
    }
}

/// PBKDF2-HMAC-SHA256 (RFC 8018 §5.2).
pub(crate) fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32, out: &mut [u8]) {
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, out);
}

/// HMAC-SHA256 (RFC 2104).
pub(crate) fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // RFC 2104 §2: a key shorter than the block is padded with zeros; doing it here leaves no length to fail on.
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    let block: &[u8; 64] = &block;
    let mut mac = <hmac::Hmac<Sha256> as KeyInit>::new(block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// What a content key opens in one file: four keys, each for one use, and the public commitment to the content key.
///
/// HKDF-SHA256 with the file's salt; every key but the commitment binds the whole core header by its digest.
pub(crate) struct Schedule {
    hkdf: Hkdf,
}

impl Schedule {
    pub(crate) fn new(key: &ContentKey, salt: &[u8; 32]) -> Self {
        Self { hkdf: Hkdf::extract(salt, key.expose()) }
    }

    /// 32 bytes that fix the content key. ChaCha20-Poly1305 and AES-GCM are not key-committing; this makes the file so
    /// under the collision resistance of SHA-256.
    pub(crate) fn commitment(&self, suite: Suite) -> [u8; 32] {
        *self.hkdf.expand_key(&[b"mediveil/seal/v1/commitment", &[suite.code()]])
    }

    pub(crate) fn commits_to(&self, suite: Suite, commitment: &[u8; 32]) -> bool {
        self.commitment(suite).ct_eq(commitment).into()
    }

    pub(crate) fn segments(&self, core_digest: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        self.hkdf.expand_key(&[b"mediveil/seal/v1/segments", core_digest])
    }

    pub(crate) fn doors(&self, core_digest: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        self.hkdf.expand_key(&[b"mediveil/seal/v1/doors", core_digest])
    }

    pub(crate) fn author(&self, core_digest: &[u8; 32]) -> Zeroizing<[u8; 32]> {
        self.hkdf.expand_key(&[b"mediveil/seal/v1/author", core_digest])
    }
}

#[cfg(test)]
mod tests {
    //! Project Wycheproof through the functions above. Each test asserts how many cases it ran, so that none is skipped
    //! unseen.

    use super::*;
    use wycheproof::TestResult;

    fn aead(suite: Suite, name: wycheproof::aead::TestName, key_bits: usize) -> usize {
        let set = wycheproof::aead::TestSet::load(name).unwrap();
        let mut run = 0;
        for group in set.test_groups.iter().filter(|g| g.key_size == key_bits && g.nonce_size == 96) {
            for test in &group.tests {
                let cipher = Cipher::new(suite, test.key[..].try_into().unwrap());
                let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
                let sealed = [&test.ct[..], &test.tag[..]].concat();
                let opened = cipher.open_short(&nonce, &test.aad, &sealed);
                match test.result {
                    TestResult::Valid => {
                        assert_eq!(opened.unwrap()[..], test.pt[..], "case {}", test.tc_id);
                        assert_eq!(cipher.seal_short(&nonce, &test.aad, &test.pt).unwrap(), sealed);
                    }
                    _ => assert!(opened.is_none(), "case {} was accepted", test.tc_id),
                }
                run += 1;
            }
        }
        run
    }

    #[test]
    fn wycheproof_chacha20_poly1305() {
        assert_eq!(aead(Suite::ChaCha20Poly1305, wycheproof::aead::TestName::ChaCha20Poly1305, 256), 316);
    }

    #[test]
    fn wycheproof_aes_256_gcm() {
        assert_eq!(aead(Suite::Aes256Gcm, wycheproof::aead::TestName::AesGcm, 256), 66);
    }

    #[test]
    fn wycheproof_hkdf_sha256() {
        let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
        let mut run = 0;
        for test in set.test_groups.iter().flat_map(|g| &g.tests) {
            let mut out = vec![0; test.size];
            let done = Hkdf::extract(&test.salt, &test.ikm).expand(&[&test.info], &mut out);
            match test.result {
                TestResult::Valid => assert!(done.is_some() && out == test.okm[..], "case {}", test.tc_id),
                _ => assert!(done.is_none() || out != test.okm[..], "case {} was accepted", test.tc_id),
            }
            run += 1;
        }
        assert_eq!(run, 86);
    }

    #[test]
    fn wycheproof_pbkdf2_hmac_sha256() {
        let set = wycheproof::pbkdf2::TestSet::load(wycheproof::pbkdf2::TestName::Pbkdf2HmacSha256).unwrap();
        let mut run = 0;
        for test in set.test_groups.iter().flat_map(|g| &g.tests) {
            let mut out = vec![0; test.dk_len];
            pbkdf2(&test.password, &test.salt, u32::try_from(test.iteration_count).unwrap(), &mut out);
            assert_eq!(test.result == TestResult::Valid, out == test.dk[..], "case {}", test.tc_id);
            run += 1;
        }
        assert_eq!(run, 60);
    }

    #[test]
    fn schedule_separates_uses_and_files() {
        let key = ContentKey::from_bytes([1; 32]);
        let schedule = Schedule::new(&key, &[2; 32]);
        let (core, other) = ([3; 32], [4; 32]);
        let keys = [
            schedule.commitment(Suite::ChaCha20Poly1305),
            schedule.commitment(Suite::Aes256Gcm),
            *schedule.segments(&core),
            *schedule.segments(&other),
            *schedule.doors(&core),
            *schedule.doors(&other),
            *schedule.author(&core),
            *schedule.author(&other),
            *Schedule::new(&key, &[5; 32]).segments(&core),
            *Schedule::new(&ContentKey::from_bytes([6; 32]), &[2; 32]).segments(&core),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
