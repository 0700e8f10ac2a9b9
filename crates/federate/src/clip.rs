//! From real vectors to integers of bounded length.
//!
//! The grid is the clip over a whole number of steps. A vector longer than the clip is shrunk to it, rounded to the nearest
//! grid point, and shrunk further if rounding made it longer; the length of the *integers* is then checked exactly. So
//! however floating-point arithmetic rounds, no vector is longer than `norm` steps: what the noise is calibrated to
//! (Abadi et al., *Deep Learning with Differential Privacy*, CCS 2016, for the clipping of each person's gradient).

use crate::error::VectorRefused;

/// A clip and its grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    clip: f64,
    norm: u32,
}

impl Grid {
    /// The most steps of a clip.
    pub const MAX_NORM: u32 = 1 << 30;

    /// The grid of `norm` steps to the `clip`; `None` unless the clip is a positive finite number between 2^-64 and 2^64, and
    /// there is a step.
    #[must_use]
    pub fn new(clip: f64, norm: u32) -> Option<Self> {
        let fits = clip.is_finite() && (f64::powi(2.0, -64)..=f64::powi(2.0, 64)).contains(&clip);
        (fits && (1..=Self::MAX_NORM).contains(&norm)).then_some(Self { clip, norm })
    }

    /// The finest grid, of at most 2^20 steps to the clip, at which `vectors` vectors add up within `bits` bits an entry, the
    /// sign included.
    #[must_use]
    pub fn finest(clip: f64, bits: u32, vectors: u32) -> Option<Self> {
        let room = 1u64.checked_shl(bits.saturating_sub(1)).unwrap_or(u64::MAX).saturating_sub(1);
        let steps = u32::try_from(room / u64::from(vectors.max(1))).unwrap_or(u32::MAX);
        Self::new(clip, steps.clamp(1, 1 << 20))
    }

    /// The clip: the greatest Euclidean length of a vector.
    #[must_use]
    pub const fn clip(&self) -> f64 {
        self.clip
    }

    /// Steps of the grid to the clip.
    #[must_use]
    pub const fn norm(&self) -> u32 {
        self.norm
    }

    /// One step.
    #[must_use]
    pub fn step(&self) -> f64 {
        self.clip / f64::from(self.norm)
    }

    /// The number that so many steps are.
    #[must_use]
    pub fn real(&self, steps: i64) -> f64 {
        float(steps) * self.step()
    }

    /// A vector on the grid, clipped: the sum of the squares of its integers is at most `norm` squared. The second value says
    /// whether it had to be cut.
    ///
    /// # Errors
    /// [`VectorRefused::NotANumber`] for NaN and infinities, which have no direction to keep.
    pub fn quantise(&self, vector: &[f64]) -> Result<(Vec<i64>, bool), VectorRefused> {
        if vector.iter().any(|v| !v.is_finite()) {
            return Err(VectorRefused::NotANumber);
        }
        let largest = vector.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            return Ok((vec![0; vector.len()], false));
        }
        // By the largest entry first, so that no square overflows.
        let length = largest * libm::sqrt(vector.iter().map(|v| (v / largest) * (v / largest)).sum());
        let cut = length > self.clip;
        let mut factor = if cut { 1.0 / length } else { 1.0 / self.clip } * f64::from(self.norm);
        let limit = u128::from(self.norm).saturating_mul(self.norm.into());
        for _ in 0..64 {
            let steps: Vec<i64> = vector.iter().map(|v| nearest(v * factor)).collect();
            let square = square(&steps);
            if square <= limit {
                return Ok((steps, cut));
            }
            // A little shorter than what came out too long.
            factor *= f64::from(self.norm) / libm::sqrt(approximate(square)) * (1.0 - 1e-9);
        }
        // Towards zero no length grows; what is left is rounding of the factor itself.
        let factor = f64::from(self.norm) / length.max(self.clip) * (1.0 - 1e-6);
        let steps: Vec<i64> = vector.iter().map(|v| nearest(libm::trunc(v * factor))).collect();
        if square(&steps) <= limit { Ok((steps, cut)) } else { Err(VectorRefused::NotANumber) }
    }
}

/// The sum of the squares, exactly.
fn square(steps: &[i64]) -> u128 {
    let each = |v: &i64| u128::from(v.unsigned_abs()).saturating_mul(v.unsigned_abs().into());
    steps.iter().map(each).fold(0, u128::saturating_add)
}

/// The nearest integer; values are at most 2^31 here, and saturate beyond.
fn nearest(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate, which is meant")]
    let whole = libm::round(value) as i64;
    whole
}

/// An integer as a float, within one unit in the last place.
pub(crate) fn float(value: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for estimates")]
    let float = value as f64;
    float
}

fn approximate(value: u128) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a first guess, checked exactly afterwards")]
    let float = value as f64;
    float
}
