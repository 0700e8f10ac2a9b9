//! The generator that `fhe` wants (`rand_core` 0.9) over the one that callers of this workspace pass (0.10).

use crate::security::VARIANCE;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// So many little-endian words of 64 bits, drawn in one call: the system's generator takes a call into the kernel each time, and
/// a word at a time that takes longer than all arithmetic of an encryption. They are the words that single draws would give.
pub(crate) fn words(count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Zeroizing<Vec<[u8; 8]>> {
    let mut words = Zeroizing::new(vec![[0; 8]; count]);
    rng.fill_bytes(words.as_flattened_mut());
    words
}

/// A borrowed generator of today's traits under yesterday's. `fhe` asks for a word at a time; those of the small polynomials to
/// come are drawn together.
pub(crate) struct Drawn<'a, R: ?Sized> {
    ahead: Zeroizing<Vec<[u8; 8]>>,
    used: usize,
    then: &'a mut R,
}

impl<'a, R: CryptoRng + ?Sized> Drawn<'a, R> {
    /// For so many small polynomials of this degree: each takes `4 VARIANCE` bits a coefficient.
    pub(crate) fn for_small(polynomials: usize, degree: usize, rng: &'a mut R) -> Self {
        let each = degree.saturating_mul(4 * VARIANCE).div_ceil(64);
        Self { ahead: words(polynomials.saturating_mul(each), rng), used: 0, then: rng }
    }
}

impl<R: CryptoRng + ?Sized> rand_core_09::RngCore for Drawn<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.then.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        let Some(word) = self.ahead.get(self.used) else { return self.then.next_u64() };
        self.used = self.used.saturating_add(1);
        u64::from_le_bytes(*word)
    }

    fn fill_bytes(&mut self, dst: &mut [u8]) {
        self.then.fill_bytes(dst);
    }
}

impl<R: CryptoRng + ?Sized> rand_core_09::CryptoRng for Drawn<'_, R> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Parameters, ring, testing};
    use fhe_math::rq::{Poly, Representation};
    use mediveil_rng::SeededRng;
    use rand_core::{Rng as _, TryCryptoRng, TryRng};
    use std::convert::Infallible;

    /// Counts what is asked of it.
    struct Counted(SeededRng, Vec<usize>);

    impl TryRng for Counted {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            self.1.push(4);
            Ok(self.0.next_u32())
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            self.1.push(8);
            Ok(self.0.next_u64())
        }
        fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
            self.1.push(dst.len());
            self.0.fill_bytes(dst);
            Ok(())
        }
    }

    impl TryCryptoRng for Counted {}

    #[test]
    fn words_drawn_together_are_the_words_drawn_one_by_one() {
        for degree in [16, 64, 8192] {
            let context = fhe_math::rq::Context::new_arc(&[4_611_686_018_326_724_609], degree).unwrap();
            let mut rng = Counted(SeededRng::from_u64(3), Vec::new());
            let together = ring::small(&context, &mut rng).unwrap();
            assert_eq!(rng.1, [degree * 40 / 8]);
            let mut seeded = SeededRng::from_u64(3);
            // Nothing is drawn ahead: every word is asked for by itself.
            let mut one_by_one = Drawn::for_small(0, degree, &mut seeded);
            let poly = Poly::small(&context, Representation::Ntt, VARIANCE, &mut one_by_one).unwrap();
            assert!(*together == poly);
            // Nor is anything left over.
            assert_eq!(rng.0.next_u64(), seeded.next_u64());
        }
    }

    #[test]
    fn an_encryption_asks_once() {
        let parameters = Parameters::insecure_for_tests(64, 20, 4).unwrap();
        let (key, _) = testing::committee(&parameters, 2, 2, &mut SeededRng::from_u64(1));
        let mut rng = Counted(SeededRng::from_u64(2), Vec::new());
        key.encrypt(&[1, 2, 3], Bounds { min: 0, max: 9 }, &mut rng).unwrap();
        assert_eq!(rng.1, [3 * 64 * 40 / 8]);
    }
}
