//! The one secret of a sealed file.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The 256-bit key from which a sealed file derives everything else. Doors wrap it; whoever has it can read the file.
///
/// Wiped on drop, compared in constant time, not `Copy`; `Debug` prints the type's name only.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ContentKey([u8; Self::LEN]);

impl ContentKey {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// A fresh random key.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut key = Self([0; Self::LEN]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The key with these bytes, as an [`Opener`](crate::Opener) recovered them from a stanza.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The key's bytes, for a [`Recipient`](crate::Recipient) to wrap.
    #[must_use]
    pub const fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl ConstantTimeEq for ContentKey {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.0.ct_eq(&other.0)
    }
}

impl std::fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ContentKey")
    }
}
