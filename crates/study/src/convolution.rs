//! How far the noise of a whole quorum strays: each member adds the full planned noise, so a released number carries the sum
//! of as many independent draws as the quorum has members.
//!
//! *Laplace.* A discrete Laplace draw is the difference of two geometric ones, and a geometric draw is an exponential one
//! rounded down; so the sum of n draws lies within n of the sum of n continuous draws of the same scale, whose density is
//! known: `e^-|x| Σ_j C(2n-2-j, n-1) |x|^j / (j! 2^(2n-1-j))` in units of the scale (Kotz, Kozubowski, Podgórski, *The
//! Laplace Distribution and Generalizations*, 2001, §2.3). Integrating term by term gives the tail exactly.
//!
//! *Gaussian.* A discrete Gaussian of parameter sigma is sub-Gaussian with that parameter (Canonne, Kamath, Steinke 2020,
//! arXiv 2004.00010, proposition 25), so the sum of n of them is with `sigma sqrt(n)`: `P(|S| > w) <= 2 exp(-w² / (2 n
//! sigma²))`.
//!
//! Both widths are upper bounds; intervals made of them cover at least what they say.

/// Which noise each member draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NoiseKind {
    /// Discrete Laplace of this scale.
    Laplace(f64),
    /// Discrete Gaussian of this sigma.
    Gaussian(f64),
}

/// The tail of the sum of `draws` continuous Laplace variables of scale one: P(|S| > x).
fn laplace_tail(draws: u32, x: f64) -> f64 {
    if draws > 40 {
        // Chernoff: the logarithm of the moment generating function is -ln(1 - s²) a draw.
        let n = f64::from(draws);
        let s = ((n * n + x * x).sqrt() - n) / x.max(f64::MIN_POSITIVE);
        return (2.0 * libm::exp(-n * libm::log1p(-s * s) - s * x)).min(1.0);
    }
    // c_j j! = C(2n-2-j, n-1) / 2^(2n-1-j), from j = n-1 (where it is 2^-n) down.
    let n = f64::from(draws);
    let mut coefficient = libm::pow(0.5, n);
    // Γ(j+1, x) / j! = e^-x Σ_{i<=j} x^i / i!.
    let mut partial = vec![0.0; usize::try_from(draws).unwrap_or(1)];
    let (mut term, mut sum) = (libm::exp(-x), 0.0);
    for (i, place) in (1u32..).zip(partial.iter_mut()) {
        sum += term;
        *place = sum;
        term *= x / f64::from(i);
    }
    let mut total = 0.0;
    for (j, upper) in (0..draws).rev().zip(partial.iter().rev()) {
        total += coefficient * upper;
        // From j to j-1: C(2n-1-j, n-1) / C(2n-2-j, n-1) = (2n-1-j) / (n-j), and one more half.
        let (top, bottom) = (2.0 * n - 1.0 - f64::from(j), n - f64::from(j));
        coefficient *= top / bottom / 2.0;
    }
    (2.0 * total).min(1.0)
}

/// A width that the sum of `draws` draws exceeds in absolute value with probability at most `failure`.
pub(crate) fn half_width(kind: NoiseKind, draws: u32, failure: f64) -> f64 {
    let draws = draws.max(1);
    match kind {
        NoiseKind::Laplace(scale) => {
            let (mut low, mut high) = (0.0, 1.0);
            while laplace_tail(draws, high) > failure && high < 1e6 {
                high *= 2.0;
            }
            for _ in 0..60 {
                let middle = f64::midpoint(low, high);
                if laplace_tail(draws, middle) > failure { low = middle } else { high = middle }
            }
            libm::ceil(high * scale * (1.0 + 1e-12)) + f64::from(draws)
        }
        NoiseKind::Gaussian(sigma) => {
            libm::ceil(sigma * (2.0 * f64::from(draws) * libm::log(2.0 / failure)).sqrt() * (1.0 + 1e-12))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the convolution itself, step by step.
    #[test]
    fn tails_are_those_of_the_convolution() {
        let q = libm::exp(-1.0 / 6.0);
        let one: Vec<f64> = (-400i32..=400).map(|k| (1.0 - q) / (1.0 + q) * libm::pow(q, f64::from(k.abs()))).collect();
        let mut sum = one.clone();
        for draws in 1..=5u32 {
            if draws > 1 {
                let mut next = vec![0.0; sum.len() + one.len() - 1];
                for (i, a) in sum.iter().enumerate() {
                    for (j, b) in one.iter().enumerate() {
                        next[i + j] += a * b;
                    }
                }
                sum = next;
            }
            let centre = sum.len() / 2;
            for failure in [0.3, 0.05, 0.001] {
                let width = half_width(NoiseKind::Laplace(6.0), draws, failure);
                let outside = |w: f64| -> f64 {
                    let w: usize = format!("{w:.0}").parse().unwrap();
                    sum.iter().enumerate().filter(|(i, _)| i.abs_diff(centre) > w).map(|(_, p)| p).sum()
                };
                assert!(outside(width) <= failure, "{draws} {failure}");
                // No wider than the rounding costs.
                assert!(outside(width - 2.0 * f64::from(draws) - 2.0) > failure, "{draws} {failure}");
            }
        }
    }

    #[test]
    fn one_draw_is_the_exponential_tail() {
        for x in [0.0, 0.5, 3.0, 20.0] {
            assert!((laplace_tail(1, x) - libm::exp(-x)).abs() < 1e-12);
        }
        assert!((laplace_tail(7, 0.0) - 1.0).abs() < 1e-12);
        // The bound for many draws lies above the exact tail, and not far.
        assert!(laplace_tail(41, 30.0) >= laplace_tail(40, 30.0));
        let w = half_width(NoiseKind::Gaussian(10.0), 3, 0.05);
        assert!((47.0..=48.0).contains(&w), "{w}");
    }
}
