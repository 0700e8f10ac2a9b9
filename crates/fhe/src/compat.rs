//! The generator that `fhe` wants (`rand_core` 0.9) over the one that callers of this workspace pass (0.10).

use rand_core::CryptoRng;

/// A borrowed generator of today's traits under yesterday's.
pub(crate) struct Compat09<'a, R: ?Sized>(pub(crate) &'a mut R);

impl<R: CryptoRng + ?Sized> rand_core_09::RngCore for Compat09<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dst: &mut [u8]) {
        self.0.fill_bytes(dst);
    }
}

impl<R: CryptoRng + ?Sized> rand_core_09::CryptoRng for Compat09<'_, R> {}
