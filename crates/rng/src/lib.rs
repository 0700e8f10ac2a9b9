//! Randomness at one boundary.
//!
//! Functions of this workspace that need randomness take a [`CryptoRng`] of `rand_core` 0.10; nothing draws it behind
//! the caller's back. This crate supplies the two generators that callers pass, and the one shim to the older
//! generations of `rand_core` that some dependencies speak.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub use rand_core::{CryptoRng, Rng, SeedableRng};

use rand_core::{Infallible, TryCryptoRng, TryRng, UnwrapErr};

/// The operating system's generator. Panics if the system has none to give, because no caller could go on safely.
#[must_use]
pub fn system() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

/// A ChaCha20 generator with a fixed seed: for test vectors and sample data, never for keys.
///
/// The same seed gives the same bytes on every machine and in every version of this workspace.
pub struct SeededRng(chacha20::ChaCha20Rng);

impl SeededRng {
    /// The generator for a 32-byte seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(chacha20::ChaCha20Rng::from_seed(seed))
    }

    /// The generator for a number, in the first eight bytes of the seed, little-endian.
    #[must_use]
    pub fn from_u64(seed: u64) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(seed.to_le_bytes()) {
            *to = from;
        }
        Self::new(bytes)
    }
}

impl std::fmt::Debug for SeededRng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeededRng")
    }
}

impl TryRng for SeededRng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next_u32())
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill_bytes(dst);
        Ok(())
    }
}

impl TryCryptoRng for SeededRng {}

/// A generator of `rand_core` 0.10 for functions that want one of 0.6 (arkworks 0.6 and blstrs).
#[cfg(feature = "rand_core_06")]
#[derive(Debug)]
pub struct Compat06<R>(pub R);

#[cfg(feature = "rand_core_06")]
impl<R: Rng> rand_core_06::RngCore for Compat06<R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

#[cfg(feature = "rand_core_06")]
impl<R: CryptoRng> rand_core_06::CryptoRng for Compat06<R> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8439 appendix A.1, test vector 1 (all-zero key): the generator is ChaCha20 itself, so seeds stay portable.
    #[test]
    fn seeded_rng_is_the_chacha20_keystream() {
        let mut bytes = [0; 8];
        SeededRng::from_u64(0).fill_bytes(&mut bytes);
        assert_eq!(bytes, [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
    }

    #[test]
    fn system_rng_does_not_repeat() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        system().fill_bytes(&mut a);
        system().fill_bytes(&mut b);
        assert_ne!(a, b);
    }
}
