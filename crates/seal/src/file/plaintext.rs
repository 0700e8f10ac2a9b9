//! An opened record in memory.

use std::fmt;
use std::ops::Deref;

/// What a sealed file held, wiped when dropped. `Debug` prints the length only.
///
/// The whole buffer is overwritten at memory speed and then passed through an optimisation barrier, so that the compiler
/// keeps the writes (`zeroize::optimization_barrier`); `Zeroizing<Vec<u8>>` writes byte by byte, which for a large record
/// costs as much as its decryption.
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    /// A buffer of zeros, to be decrypted into. It never grows, so no copy stays behind.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self(vec![0; len])
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The bytes in an ordinary vector, which is not wiped.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Plaintext {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        self.0.fill(0);
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

impl zeroize::ZeroizeOnDrop for Plaintext {}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({} bytes)", self.0.len())
    }
}
