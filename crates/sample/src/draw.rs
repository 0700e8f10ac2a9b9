//! Random draws in integer arithmetic.

use mediveil_rng::{Rng, SeededRng};

/// One in the fixed-point numbers of [`Draw::deviate`].
const ONE: i64 = 1 << 16;

/// What a stream of draws is for. Streams are independent, so a new draw in one does not move another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    /// A patient: person, visits and values.
    Patient,
    /// The identifiers of a patient's resources.
    Ids,
    /// A site: its organization and practitioners.
    Site,
}

/// The draws of one stream.
#[derive(Debug)]
pub(crate) struct Draw(SeededRng);

impl Draw {
    /// The stream for a seed, an index within it and a purpose: ChaCha20 under seed, index, purpose (all
    /// little-endian) and a constant.
    pub(crate) fn new(seed: u64, index: u32, stream: Stream) -> Self {
        let stream = match stream {
            Stream::Patient => 0u32,
            Stream::Ids => 1,
            Stream::Site => 2,
        };
        let parts = seed.to_le_bytes().into_iter().chain(index.to_le_bytes()).chain(stream.to_le_bytes());
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(parts.chain(*b"mediveil-sample1")) {
            *to = from;
        }
        Self(SeededRng::new(key))
    }

    /// A number from 0 to `n - 1`, or 0 for `n` = 0. The bias is at most `n` in 2^32.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        let wide = u64::from(self.0.next_u32()) * u64::from(n);
        u32::try_from(wide >> 32).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::from(self.below(u32::try_from(high - low + 1).unwrap_or(0)))
    }

    /// True with this many chances in a thousand.
    pub(crate) fn chance(&mut self, per_mille: i64) -> bool {
        i64::from(self.below(1000)) < per_mille
    }

    /// `first` or one of `others`, each as likely.
    pub(crate) fn pick<T: Copy>(&mut self, first: T, others: &[T]) -> T {
        let n = u32::try_from(others.len()).unwrap_or(0) + 1;
        match self.below(n).checked_sub(1).and_then(|i| usize::try_from(i).ok()) {
            Some(i) => others.get(i).copied().unwrap_or(first),
            None => first,
        }
    }

    /// A nearly normal deviate of mean 0 and standard deviation 1, in units of 2^-16: the sum of twelve uniform
    /// draws less its mean (Irwin-Hall), so never beyond six standard deviations.
    pub(crate) fn deviate(&mut self) -> i64 {
        (0..12).map(|_| i64::from(self.below(1 << 16))).sum::<i64>() - 12 * (ONE - 1) / 2
    }

    /// A nearly normal number.
    pub(crate) fn normal(&mut self, mean: i64, sd: i64) -> i64 {
        mean + scaled(sd, self.deviate())
    }

    /// A UUID of version 4 (RFC 9562, section 5.4).
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.0.next_u64(), self.0.next_u64());
        let high = (high & !0xf000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

/// `sd` times a [deviate](Draw::deviate), rounded.
pub(crate) const fn scaled(sd: i64, deviate: i64) -> i64 {
    rounded(sd * deviate, ONE)
}

/// The quotient, rounded to the nearest integer and upwards from the middle. `by` is positive.
pub(crate) const fn rounded(n: i64, by: i64) -> i64 {
    (n + by / 2).div_euclid(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviates_have_mean_zero_and_variance_one() {
        let mut draw = Draw::new(7, 0, Stream::Patient);
        let n = 40_000;
        let all: Vec<i64> = (0..n).map(|_| draw.deviate()).collect();
        let mean = all.iter().sum::<i64>() / n;
        let variance = all.iter().map(|d| d * d).sum::<i64>() / n;
        assert!(mean.abs() < ONE / 50, "mean {mean}");
        assert!((variance - ONE * ONE).abs() < ONE * ONE / 25, "variance {variance}");
    }

    #[test]
    fn rounding_goes_to_the_nearest() {
        assert_eq!([-6, -5, -4, 4, 5, 6, 14, 15].map(|n| rounded(n, 10)), [-1, 0, 0, 0, 1, 1, 1, 2]);
    }

    #[test]
    fn draws_stay_in_range_and_reach_its_ends() {
        let mut draw = Draw::new(1, 1, Stream::Ids);
        let all: Vec<i64> = (0..1000).map(|_| draw.between(-2, 3)).collect();
        assert_eq!((all.iter().min(), all.iter().max()), (Some(&-2), Some(&3)));
        assert!((0..1000).all(|_| !draw.chance(0) && draw.chance(1000)));
        assert_eq!(draw.below(0), 0);
    }
}
