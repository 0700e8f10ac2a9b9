//! The exact report of a plan that was fixed in advance.
//!
//! Losses of independent mechanisms add, so their grids are convolved; with the fast Fourier transform this costs the same
//! for ten mechanisms and for ten million. Three things are kept on the safe side:
//!
//! * *Rounding.* The grids are tilted by `exp(tilt * loss)` before the transform, which moves the region that decides about
//!   delta to the middle of the distribution (the saddle point), so that the transform's rounding error is relative to
//!   delta itself and not to one. The error is bounded by the transform's backward error (Higham 2002, section 24.1:
//!   relative in the 2-norm, at most a few units of roundoff a stage) and added.
//! * *Truncation.* What can lie above the window is bounded by Chernoff's inequality and added to delta. What wraps round
//!   from outside only adds. Of an epsilon below the window nothing is claimed.
//! * *Discretisation* never improves a loss (see the grid's own page).
//!
//! The result is the least of this, of the basic sum of epsilons, and of the conversion from zCDP: each is a sound bound.

use super::pld::{Grid, U, float, index};
use super::{Loss, zcdp};
use crate::Mechanism;
use crate::units::Epsilon;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// Mechanisms to be reported together, fixed before the first of them runs.
///
/// Not a filter: choosing what to ask next by looking at answers voids the report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FixedPlan {
    parts: Vec<(Loss, u64)>,
}

/// What a fixed plan promises: for every pair of neighbours and every event, `P <= exp(epsilon) Q + delta`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Never below the exact value.
    pub epsilon: f64,
    /// As asked.
    pub delta: f64,
    /// Which bound was the least.
    pub route: Route,
}

/// The bound that a report rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// Composed privacy-loss distributions.
    PrivacyLoss,
    /// The sum of epsilons.
    Basic,
    /// The sum of rhos, converted.
    Concentrated,
}

/// Why there is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A delta that is not between 0 and 1.
    #[error("delta must lie between 0 and 1")]
    Delta,
    /// A loss whose parameters are not positive and finite, or a mechanism repeated zero or too many times.
    #[error("a mechanism of the plan has no usable parameters")]
    Loss,
    /// No epsilon gives this delta: mechanisms of the plan already fail with a larger probability.
    #[error("the plan's own deltas exceed this delta")]
    Unreachable,
}

/// One loss, repeated.
struct Part {
    grid: Grid,
    times: u64,
}

/// Points of a spread; the discretisation's relative error in epsilon is about a tenth of its inverse square.
const FINENESS: f64 = 200.0;
/// Longest transform.
const MAX_LEN: usize = 1 << 21;
/// The most repetitions of one loss.
const MAX_TIMES: u64 = 1 << 32;

impl FixedPlan {
    /// No mechanism yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The plan with a loss composed `times` times.
    #[must_use]
    pub fn with(mut self, loss: Loss, times: u64) -> Self {
        match self.parts.iter_mut().find(|(l, _)| *l == loss) {
            Some((_, n)) => *n = n.saturating_add(times),
            None => self.parts.push((loss, times)),
        }
        self
    }

    /// The plan with these mechanisms.
    #[must_use]
    pub fn with_mechanisms<'a>(self, mechanisms: impl IntoIterator<Item = &'a Mechanism>) -> Self {
        mechanisms.into_iter().fold(self, |plan, m| plan.with(m.loss(), 1))
    }

    /// The least epsilon at `delta`, never below the exact value of the dominating pairs.
    ///
    /// # Errors
    /// [`ReportError`] for parameters out of range, and where no epsilon reaches this delta.
    pub fn epsilon_at(&self, delta: f64) -> Result<Report, ReportError> {
        if !(delta > 0.0 && delta < 1.0) {
            return Err(ReportError::Delta);
        }
        if self.parts.iter().any(|(loss, times)| !loss.is_valid() || *times == 0 || *times > MAX_TIMES) {
            return Err(ReportError::Loss);
        }
        let bounds = [
            (self.basic(delta), Route::Basic),
            (self.concentrated(delta), Route::Concentrated),
            (self.composed(delta), Route::PrivacyLoss),
        ];
        bounds
            .into_iter()
            .filter_map(|(epsilon, route)| epsilon.map(|epsilon| Report { epsilon, delta, route }))
            .min_by(|a, b| a.epsilon.total_cmp(&b.epsilon))
            .ok_or(ReportError::Unreachable)
    }

    /// The sum of epsilons, where each has one and the deltas fit.
    fn basic(&self, delta: f64) -> Option<f64> {
        let mut total = (0.0f64, 0.0f64);
        for (loss, times) in &self.parts {
            let (e, d) = loss.approximate()?;
            total = (fma_up(e, *times, total.0), fma_up(d, *times, total.1));
        }
        (total.1 <= delta).then_some(total.0)
    }

    fn concentrated(&self, delta: f64) -> Option<f64> {
        let mut total = (0.0f64, 0.0f64);
        for (loss, times) in &self.parts {
            let (rho, d) = loss.concentrated();
            total = (fma_up(rho, *times, total.0), fma_up(d, *times, total.1));
        }
        let left = (delta - total.1).next_down();
        (left > 0.0).then(|| zcdp::epsilon_of_rho(total.0, left)).filter(|e| e.is_finite())
    }

    fn composed(&self, delta: f64) -> Option<f64> {
        if self.parts.is_empty() {
            return Some(0.0);
        }
        let count: f64 = self.parts.iter().map(|(_, n)| times(*n)).sum();
        let variance: f64 = self.parts.iter().map(|(l, n)| times(*n) * l.spread() * l.spread()).sum();
        let mut step = self.aligned((variance / count).sqrt() / FINENESS);
        // Where the sum is too wide for this step, a coarser one.
        for _ in 0..12 {
            match self.composed_with(delta, step, count) {
                Attempt::Epsilon(epsilon) => return Some(epsilon),
                Attempt::Unreachable => return None,
                Attempt::TooLong => step *= 2.0,
            }
        }
        None
    }

    /// A step not above this one that divides every pure epsilon of the plan, if there is one of about its size: then
    /// their losses lie on the grid and are not spread at all.
    fn aligned(&self, step: f64) -> f64 {
        let divisor = self.parts.iter().fold(0u64, |d, (loss, _)| match loss {
            Loss::Pure { epsilon } | Loss::Approximate { epsilon, .. } => gcd(d, epsilon.units()),
            _ => d,
        });
        let divisor = Epsilon::from_units(divisor).map_or(0.0, Epsilon::to_f64_down);
        if divisor < step { step } else { divisor / libm::ceil(divisor / step) }
    }

    fn composed_with(&self, delta: f64, step: f64, count: f64) -> Attempt {
        let tail = (delta * 1e-7 / count).max(1e-290);
        let mut parts = Vec::new();
        for (loss, n) in &self.parts {
            let Some(grid) = Grid::of(loss, step, tail) else { return Attempt::TooLong };
            parts.push(Part { grid, times: *n });
        }
        // 1 - prod (1 - d)^n <= sum n d, and the product form is much tighter for large deltas.
        let ln_finite: f64 = parts.iter().map(|p| times(p.times) * libm::log1p(-p.grid.infinite.min(1.0))).sum();
        let infinite = -libm::expm1(ln_finite * (1.0 + 1e-12)) * (1.0 + 1e-12);
        let left = (delta - infinite).next_down();
        if left.is_nan() || left <= 0.0 {
            return Attempt::Unreachable;
        }
        let mut tilted = Tilted::new(&parts, left);
        let mut least: Option<f64> = None;
        // Where little can lie above the answer the saddle point runs to the edge of the support, and a window around it may
        // not reach down to the answer. Then its lower end is still a bound, and a weaker tilt sees further down.
        for _ in 0..40 {
            let Some(window) = tilted.window(left) else { break };
            let Some(composed) = tilted.compose(&window) else { break };
            match composed.epsilon(left) {
                Found::Epsilon(epsilon) => return Attempt::Epsilon(least.map_or(epsilon, |l| l.min(epsilon))),
                Found::Below(bottom) => least = Some(least.map_or(bottom, |l| l.min(bottom))),
                Found::None if least.is_none() => return Attempt::Unreachable,
                Found::None => break,
            }
            tilted = tilted.weaker();
        }
        least.map_or(Attempt::TooLong, Attempt::Epsilon)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

enum Attempt {
    Epsilon(f64),
    Unreachable,
    TooLong,
}

fn times(n: u64) -> f64 {
    crate::privacy::f64_up(n)
}

/// `a * n + b`, not below the exact value.
fn fma_up(a: f64, n: u64, b: f64) -> f64 {
    if a == 0.0 { b } else { a.mul_add(times(n), b).next_up() }
}

/// The parts under an exponential tilt.
struct Tilted<'a> {
    parts: &'a [Part],
    step: f64,
    tilt: f64,
    /// Of each part: the logarithm of its moment-generating function at the tilt.
    ln_mgf: Vec<f64>,
}

/// Grid indices that the sum is computed on.
struct Window {
    first: i64,
    len: usize,
    /// An upper bound on the probability under P of a sum above the window.
    above: f64,
}

impl Part {
    /// `ln sum mass exp(t loss)`, and the mean and variance of the loss under that tilt.
    fn moments(&self, t: f64) -> (f64, f64, f64) {
        let term =
            |(i, m): (usize, &f64)| (*m > 0.0).then(|| (libm::log(*m) + t * self.grid.loss(i), self.grid.loss(i)));
        let terms: Vec<(f64, f64)> = self.grid.mass.iter().enumerate().filter_map(term).collect();
        let top = terms.iter().map(|(w, _)| *w).fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut mean, mut square) = (0.0, 0.0, 0.0);
        for (w, l) in &terms {
            let w = libm::exp(w - top);
            sum += w;
            mean += w * l;
            square += w * l * l;
        }
        let mean = mean / sum;
        (top + libm::log(sum), mean, (square / sum - mean * mean).max(0.0))
    }

    /// The least and the greatest loss that has any probability.
    fn ends(&self) -> (f64, f64) {
        let low = self.grid.mass.iter().position(|m| *m > 0.0).unwrap_or(0);
        let high = self.grid.mass.iter().rposition(|m| *m > 0.0).unwrap_or(0);
        (self.grid.loss(low), self.grid.loss(high))
    }
}

impl<'a> Tilted<'a> {
    /// Tilts to where Chernoff's bound reaches `delta`: `epsilon = min over t of (K(t) - ln delta) / t`.
    fn new(parts: &'a [Part], delta: f64) -> Self {
        let step = parts.first().map_or(1.0, |p| p.grid.step);
        let reach = parts
            .iter()
            .map(|p| {
                let (a, z) = p.ends();
                a.abs().max(z.abs())
            })
            .fold(step, f64::max);
        let k = |t: f64| -> f64 { parts.iter().map(|p| times(p.times) * p.moments(t).0).sum() };
        let ln_delta = libm::log(delta);
        // Beyond 300 / reach the smallest weights underflow; by then the tilt has reached the edge of the support.
        let tilt = golden(1e-6 / reach, 300.0 / reach, |t| (k(t) - ln_delta) / t);
        Self::at(parts, step, tilt)
    }

    /// Half the tilt.
    fn weaker(&self) -> Self {
        Self::at(self.parts, self.step, self.tilt / 2.0)
    }

    fn at(parts: &'a [Part], step: f64, tilt: f64) -> Self {
        Self { parts, step, tilt, ln_mgf: parts.iter().map(|p| p.moments(tilt).0).collect() }
    }

    /// `K` at the tilt.
    fn cumulant(&self) -> f64 {
        self.parts.iter().zip(&self.ln_mgf).map(|(p, k)| times(p.times) * k).sum()
    }

    /// A window that holds all of the tilted sum that matters.
    fn window(&self, delta: f64) -> Option<Window> {
        let (mut mean, mut variance, mut low, mut high) = (0.0, 0.0, 0.0, 0.0);
        for part in self.parts {
            let (_, m, v) = part.moments(self.tilt);
            let (a, z) = part.ends();
            let n = times(part.times);
            (mean, variance) = (mean + n * m, variance + n * v);
            (low, high) = (low + n * a, high + n * z);
        }
        let deviation = variance.sqrt().max(self.step);
        for width in [10.0, 14.0, 20.0, 28.0, 40.0, 80.0] {
            let top = mean + width * deviation;
            let above = if top >= high { 0.0 } else { self.chernoff(top) };
            if above > delta * 1e-6 && width < 80.0 {
                continue;
            }
            let first = index(libm::floor((mean - width * deviation).max(low) / self.step)).checked_sub(4)?;
            let last = index(libm::ceil(top.min(high) / self.step)).checked_add(4)?;
            let len = usize::try_from(last.checked_sub(first)?).ok()?.checked_next_power_of_two()?;
            if len > MAX_LEN {
                return None;
            }
            return Some(Window { first, len: len.max(8), above: above * (1.0 + 1e-9) });
        }
        None
    }

    /// `P(sum >= top) <= exp(K(t) - t top)` for any t; a good one.
    fn chernoff(&self, top: f64) -> f64 {
        let exponent = |t: f64| self.parts.iter().map(|p| times(p.times) * p.moments(t).0).sum::<f64>() - t * top;
        let t = golden(self.tilt, self.tilt * 20.0, exponent);
        libm::exp(exponent(t) + 1e-9 * (1.0 + t * top.abs())).min(1.0)
    }

    fn compose(&self, window: &Window) -> Option<Composed> {
        let len = window.len;
        let wrap = |i: i64| usize::try_from(i.rem_euclid(i64::try_from(len).unwrap_or(i64::MAX))).unwrap_or(0);
        let mut planner = RealFftPlanner::<f64>::new();
        let (forward, inverse) = (planner.plan_fft_forward(len), planner.plan_fft_inverse(len));
        let mut product = vec![Complex::new(1.0, 0.0); len / 2 + 1];
        let (mut error, mut total_times, mut least_norm, mut size) = (0.0, 0.0, 1.0f64, 0.0f64);
        // Higham's constant is about 7 U a stage of radix 2, the mixed-radix plans need fewer stages, and packing a real
        // transform costs one more; 16 U a stage of radix 2 holds all of it.
        let stage = 16.0 * U * f64::from(len.ilog2().saturating_add(1));
        for (part, ln_mgf) in self.parts.iter().zip(&self.ln_mgf) {
            let mut input = vec![0.0; len];
            for (i, mass) in part.grid.mass.iter().enumerate() {
                let weight = self.tilt * part.grid.loss(i) - ln_mgf;
                size = size.max(weight.abs());
                let at = wrap(part.grid.first.saturating_add(i64::try_from(i).unwrap_or(0)));
                if let Some(slot) = input.get_mut(at) {
                    *slot += mass * libm::exp(weight);
                }
            }
            let norm = input.iter().map(|x| x * x).sum::<f64>().sqrt();
            let mut spectrum = forward.make_output_vec();
            forward.process(&mut input, &mut spectrum).ok()?;
            for (p, s) in product.iter_mut().zip(&spectrum) {
                *p *= power(*s, part.times);
            }
            let n = times(part.times);
            error += n * stage * norm;
            total_times += n;
            least_norm = least_norm.min(norm);
        }
        // The ends of a real signal's spectrum are real; rounding has left them so up to what is already counted.
        for end in [0, len / 2] {
            if let Some(p) = product.get_mut(end) {
                p.im = 0.0;
            }
        }
        let mut sum = inverse.make_output_vec();
        inverse.process(&mut product, &mut sum).ok()?;
        let scale = 1.0 / times(u64::try_from(len).unwrap_or(u64::MAX));
        // In the 2-norm: the forward errors through the product (each factor at most one in modulus, up to that error), the
        // powers' own rounding, and the inverse.
        let error = 2.0 * (error + (8.0 * U * total_times + 2.0 * stage) * least_norm);
        let cumulant = self.cumulant();
        let points = (0..len)
            .filter_map(|i| {
                let at = window.first.checked_add(i64::try_from(i).ok()?)?;
                let loss = float(at) * self.step;
                Some(Point { loss, mass: sum.get(wrap(at))?.max(0.0) * scale, ln_weight: cumulant - self.tilt * loss })
            })
            .collect();
        // Rounding of the weights: each factor's exponent is off by a few U of its size.
        let inflation = 1.0 + U * (16.0 * total_times * (size + 8.0) + 1e5 + 64.0 * cumulant.abs());
        Some(Composed { points, error, inflation, above: window.above })
    }
}

/// `base^n`, by squaring.
fn power(base: Complex<f64>, mut n: u64) -> Complex<f64> {
    let (mut square, mut result) = (base, Complex::new(1.0, 0.0));
    while n > 0 {
        if n & 1 == 1 {
            result *= square;
        }
        square *= square;
        n >>= 1;
    }
    result
}

/// Where a function with one valley is least, on a logarithmic scale.
fn golden(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    let (mut low, mut high) = (libm::log(low), libm::log(high));
    let mut left = high - GOLDEN * (high - low);
    let mut right = low + GOLDEN * (high - low);
    let (mut at_left, mut at_right) = (f(libm::exp(left)), f(libm::exp(right)));
    for _ in 0..40 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = f(libm::exp(left));
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = f(libm::exp(right));
        }
    }
    libm::exp(f64::midpoint(low, high))
}

/// One point of the composed distribution; its probability under P is `mass * exp(ln_weight)`.
struct Point {
    loss: f64,
    mass: f64,
    ln_weight: f64,
}

/// The composed distribution on its window.
struct Composed {
    points: Vec<Point>,
    /// Bound on the 2-norm of the error of all masses.
    error: f64,
    inflation: f64,
    above: f64,
}

impl Composed {
    /// An upper bound on `delta(epsilon)` of the finite losses.
    fn delta(&self, epsilon: f64) -> f64 {
        let (mut sum, mut norm) = (0.0, 0.0);
        for point in self.points.iter().rev() {
            if point.loss <= epsilon {
                break;
            }
            let weight = -libm::expm1(epsilon - point.loss) * libm::exp(point.ln_weight);
            sum += point.mass * weight;
            norm += weight * weight;
        }
        // Cauchy-Schwarz: an error vector of this 2-norm changes the sum by at most this much.
        (sum + self.error * norm.sqrt()) * self.inflation + self.above
    }

    /// The least epsilon whose delta is at most `delta`. Losses below the window are not in it (they wrap round, and only add),
    /// so nothing is known of an epsilon below its lower end.
    fn epsilon(&self, delta: f64) -> Found {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return Found::None };
        let (bottom, top) = (first.loss.max(0.0), last.loss.max(0.0));
        if self.delta(top) > delta {
            return Found::None;
        }
        if self.delta(bottom) <= delta {
            return if bottom > 0.0 { Found::Below(bottom) } else { Found::Epsilon(0.0) };
        }
        let (mut low, mut high) = (bottom, top);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if self.delta(middle) <= delta { high = middle } else { low = middle }
        }
        Found::Epsilon(high.next_up())
    }
}

/// What a window shows.
enum Found {
    /// The least epsilon.
    Epsilon(f64),
    /// It is this, the window's lower end, or less.
    Below(f64),
    /// It is above the window, or there is none.
    None,
}

#[cfg(test)]
mod tests;
