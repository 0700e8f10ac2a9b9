//! One loss on a grid, never better than it is.
//!
//! *Connect the dots* (Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022, arXiv 2207.04380): what lies between two grid
//! points is moved to both, keeping its probability under both distributions of the pair. A hockey-stick divergence is
//! convex in `exp(-loss)`, so it can only grow, and it grows with the square of the grid step. Rounding is on the same side: each
//! computed probability is raised by a bound on its error, and the raise goes to the upper point.

use super::{Loss, zcdp};
use crate::privacy::{f64_of, f64_up};

/// Unit roundoff.
pub(super) const U: f64 = f64::EPSILON / 2.0;

/// Probabilities under P of the losses `(first + i) * step`, and of an infinite loss.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) step: f64,
    pub(super) first: i64,
    pub(super) mass: Vec<f64>,
    pub(super) infinite: f64,
}

/// The largest number of points of one loss.
const MAX_POINTS: i64 = 1 << 22;

/// A float as a grid index; saturates.
pub(super) fn index(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "float casts saturate, which is meant")]
    let index = value as i64;
    index
}

/// A grid index as a float; exact below 2^53.
pub(super) fn float(index: i64) -> f64 {
    f64_of(index)
}

struct Builder {
    step: f64,
    first: i64,
    mass: Vec<f64>,
    infinite: f64,
    /// `1 - exp(-step)`, rounded down.
    width: f64,
}

impl Builder {
    /// A grid that holds losses from `low` to `high`; `None` where that is too many points.
    fn new(step: f64, low: f64, high: f64) -> Option<Self> {
        let first = index(libm::floor(low / step)).checked_sub(1)?;
        let last = index(libm::ceil(high / step)).checked_add(2)?;
        let points = last.checked_sub(first).filter(|n| (1..=MAX_POINTS).contains(n))?;
        let width = (-libm::expm1(-step)) * (1.0 - 4.0 * U);
        Some(Self { step, first, mass: vec![0.0; usize::try_from(points).ok()?], infinite: 0.0, width })
    }

    fn add(&mut self, at: i64, mass: f64) {
        let place = at.checked_sub(self.first).and_then(|i| usize::try_from(i).ok()).unwrap_or(0);
        match self.mass.get_mut(place) {
            Some(m) => *m += mass,
            // Above the grid: the worst case.
            None => self.infinite += mass,
        }
    }

    /// Losses within `[i, i+1] * step` with probability `p` under P, `exp(-i step) r` under Q; both to within `error`.
    fn cell(&mut self, i: i64, p: f64, r: f64, error: f64) {
        let total = p + error;
        if total <= 0.0 {
            return;
        }
        let upper = ((p - r + 2.0 * error).max(0.0) / self.width * (1.0 + 4.0 * U)).min(total);
        self.add(i.saturating_add(1), upper);
        self.add(i, (total - upper) * (1.0 + 2.0 * U));
    }

    /// A single loss with probability `p`, both with few rounding errors.
    fn atom(&mut self, loss: f64, p: f64) {
        // Raised by its rounding error, so that it can only be rounded up.
        let loss = loss + 8.0 * U * loss.abs();
        let i = index(libm::floor(loss / self.step));
        let above = (loss - float(i) * self.step).clamp(0.0, self.step);
        let error = 16.0 * U * p;
        // What matters is that no more than all goes up and no less than is due.
        let upper = (p * -libm::expm1(-above) / self.width * (1.0 + 8.0 * U) + error).min(p + error);
        let upper = if above == 0.0 { 0.0 } else { upper };
        self.add(i.saturating_add(1), upper);
        self.add(i, (p + error - upper).max(0.0));
    }

    fn finish(self) -> Grid {
        Grid { step: self.step, first: self.first, mass: self.mass, infinite: self.infinite.min(1.0) }
    }
}

/// Probability of a standard normal variable above `y`.
fn above(y: f64) -> f64 {
    0.5 * libm::erfc(y / std::f64::consts::SQRT_2)
}

fn density(y: f64) -> f64 {
    libm::exp(-y * y / 2.0) * 0.398_942_280_401_432_7
}

impl Grid {
    /// The loss on a grid of this step. What is less likely than `tail` at either end is moved outwards: below, to the
    /// lowest point; above, to infinity. `None` where the grid would be too long.
    pub(super) fn of(loss: &Loss, step: f64, tail: f64) -> Option<Self> {
        match *loss {
            Loss::Pure { epsilon } => response(epsilon.to_f64_up(), 0.0, step),
            Loss::Approximate { epsilon, delta } => response(epsilon.to_f64_up(), delta.to_f64_up(), step),
            Loss::Laplace { ratio } => laplace(ratio, step),
            Loss::DiscreteLaplace { scale, shift } => discrete_laplace(scale, shift, step),
            Loss::Gaussian { ratio } => gaussian(ratio, 0.0, 1.0, step, tail),
            Loss::DiscreteGaussian { sigma, shift } => discrete_gaussian(sigma, shift, step, tail),
            Loss::Concentrated { rho, delta } => profile(rho.to_f64_up(), delta.to_f64_up(), step, tail),
        }
    }

    /// The loss of a point.
    pub(super) fn loss(&self, i: usize) -> f64 {
        float(self.first.saturating_add(i64::try_from(i).unwrap_or(i64::MAX))) * self.step
    }
}

/// Randomised response: losses of plus and minus epsilon, and infinity with probability delta.
fn response(epsilon: f64, delta: f64, step: f64) -> Option<Grid> {
    let mut b = Builder::new(step, -epsilon, epsilon)?;
    let finite = (1.0 - delta) * (1.0 + 2.0 * U);
    let less = libm::exp(-epsilon);
    b.atom(epsilon, finite / (1.0 + less));
    b.atom(-epsilon, finite * less / (1.0 + less));
    b.infinite = delta;
    Some(b.finish())
}

/// Under P the noise is centred at 0 and under Q at `-m`, scale one: the loss at y is `|y + m| - |y|`.
fn laplace(m: f64, step: f64) -> Option<Grid> {
    let mut b = Builder::new(step, -m, m)?;
    b.atom(m, 0.5);
    b.atom(-m, 0.5 * libm::exp(-m));
    // Between -m and 0 the loss is 2y + m; P has density exp(y) / 2, Q exp(-y - m) / 2.
    let mut i = index(libm::floor(-m / step));
    loop {
        let bottom = float(i) * step;
        if bottom >= m {
            break;
        }
        let from = ((bottom - m) / 2.0).max(-m);
        let to = ((bottom + step - m) / 2.0).min(0.0);
        if to > from {
            let p = 0.5 * libm::exp(to) * -libm::expm1(from - to);
            let q = 0.5 * libm::exp(-from - m) * -libm::expm1(from - to);
            // `to - from` loses up to (m + 2) U of its own size's worth.
            let error = 8.0 * U * (p + 0.5 * libm::exp(to) * (m + 2.0));
            b.cell(i, p, q * libm::exp(bottom), error);
        }
        i = i.saturating_add(1);
    }
    Some(b.finish())
}

/// As [`laplace`], on the integers: `P(y) = (1 - q) / (1 + q) q^|y|` with `q = exp(-1 / scale)`.
fn discrete_laplace(scale: f64, shift: u64, step: f64) -> Option<Grid> {
    const MOST: u64 = 1 << 18;
    let m = f64_up(shift) / scale;
    let mut b = Builder::new(step, -m, m * (1.0 + 8.0 * U))?;
    let one_plus_q = 1.0 + libm::exp(-1.0 / scale);
    let one_minus_q = -libm::expm1(-1.0 / scale);
    b.atom(m, 1.0 / one_plus_q);
    b.atom(-m, libm::exp(-m) / one_plus_q);
    // Many steps: take them in runs, each at the loss of its upper end.
    let run = shift.div_ceil(MOST).max(1);
    let run_mass = -libm::expm1(-f64_up(run) / scale) / one_plus_q;
    let mut y = 1u64;
    while y < shift {
        // The run [-(y + run - 1), -y], or its part above -shift; a longer run only adds probability.
        let p = if run == 1 { one_minus_q / one_plus_q } else { run_mass } * libm::exp(-f64_up(y) / scale);
        let twice = f64_up(y.saturating_mul(2).abs_diff(shift));
        let loss = if y.saturating_mul(2) <= shift { twice / scale } else { -twice / scale };
        b.atom(loss, p * (1.0 + 8.0 * U * (1.0 + f64_up(y) / scale)));
        y = y.saturating_add(run);
    }
    Some(b.finish())
}

/// Under P the noise is standard normal and under Q centred at `-mu`: the loss at y is `mu^2 / 2 + mu y`. Losses are
/// raised by `lift` and probabilities by the factor `raise`.
fn gaussian(mu: f64, lift: f64, raise: f64, step: f64, tail: f64) -> Option<Grid> {
    let reach = (2.0 * libm::log(1.0 / tail)).sqrt() + 1.0;
    let middle = mu * mu / 2.0 + lift;
    let mut b = Builder::new(step, middle - mu * reach, middle + mu * reach)?;
    let at = |i: i64| (float(i) * step - middle) / mu;
    let (low, high) =
        (index(libm::floor((middle - mu * reach) / step)), index(libm::ceil((middle + mu * reach) / step)));
    b.add(low, above(-at(low)) * raise * (1.0 + 8.0 * U));
    b.infinite = above(at(high)) * raise * (1.0 + 8.0 * U);
    let q_factor = libm::exp(-lift);
    for i in low..high {
        let (y0, y1) = (at(i), at(i.saturating_add(1)));
        // Differences of the smaller tail, so that errors are relative to it.
        let between = |a: f64, z: f64| if a >= 0.0 { above(a) - above(z) } else { above(-z) - above(-a) };
        let p = between(y0, y1).max(0.0) * raise;
        let grow = libm::exp(float(i) * step);
        let r = between(y0 + mu, y1 + mu).max(0.0) * raise * grow * q_factor;
        let y_near = if y0 >= 0.0 { y0 } else { y1.min(0.0) };
        let smaller = above(y_near.abs()) + grow * q_factor * above((y_near + mu).abs());
        let slope = density(y_near) * (y0.abs() + 2.0 * mu + 1.0 + (float(i) * step / mu).abs());
        let error = 8.0 * U * (smaller + slope + (p + r) * (float(i).abs() * step + 2.0));
        b.cell(i, p, r, error);
    }
    Some(b.finish())
}

/// As [`gaussian`], on the integers.
fn discrete_gaussian(sigma: f64, shift: u64, step: f64, tail: f64) -> Option<Grid> {
    let m = f64_up(shift);
    let reach = (2.0 * libm::log(1.0 / tail)).sqrt() + 2.0;
    if sigma * reach > 2e6 {
        // P(n) <= (1 + e) times the normal probability of [n - 1/2, n + 1/2], where e is about
        // (reach^2 + 1) / (24 sigma^2) by the midpoint rule and the normaliser is at least sigma sqrt(2 pi) (Poisson
        // summation); and the loss within half a step differs by at most m / (2 sigma^2).
        let e = (reach * reach + 1.0) / (12.0 * sigma * sigma);
        return gaussian(m / sigma, m / (2.0 * sigma * sigma), 1.0 + e, step, tail);
    }
    let last = index(libm::ceil(sigma * reach));
    // The normaliser from below.
    let normal = if sigma < 2.0 {
        (-200..=200i64).map(|n| libm::exp(-float(n) * float(n) / (2.0 * sigma * sigma))).sum::<f64>()
    } else {
        sigma * 2.506_628_274_631_000_2
    } * (1.0 - 1e-13);
    let two = 2.0 * sigma * sigma;
    let loss = |n: i64| (m * m + 2.0 * m * float(n)) / two;
    let mut b = Builder::new(step, loss(-last), loss(last))?;
    for n in -last..=last {
        let p = libm::exp(-float(n) * float(n) / two) / normal;
        // The loss is raised by its terms' rounding, the probability by its exponent's.
        let l = loss(n) + 8.0 * U * (m * m + 2.0 * m * float(n).abs()) / two;
        b.atom(l, p * (1.0 + 8.0 * U * (2.0 + float(n) * float(n) / two)));
    }
    // P(X >= n) <= P(N >= n - 1).
    let rest = above((float(last)) / sigma) * (1.0 + 1e-12);
    b.infinite += rest;
    b.add(b.first, rest);
    Some(b.finish())
}

/// The pair whose privacy profile is the best that zCDP implies, connected between the grid points. The lower convex hull
/// of upper bounds on a convex function is an upper bound.
fn profile(rho: f64, delta: f64, step: f64, tail: f64) -> Option<Grid> {
    let top = zcdp::epsilon_of_rho(rho, tail.max(1e-300));
    let mut b = Builder::new(step, -top, top)?;
    let last = index(libm::ceil(top / step));
    // Points (alpha, delta(alpha)) with alpha = exp(epsilon); below alpha = 1 by exchanging the pair.
    let mut hull: Vec<(i64, f64, f64)> = Vec::new();
    let below = |a: &(i64, f64, f64), m: &(i64, f64, f64), z: &(i64, f64, f64)| {
        (m.2 - a.2) * (z.1 - a.1) < (z.2 - a.2) * (m.1 - a.1)
    };
    for i in -last..=last {
        let epsilon = float(i) * step;
        let d = zcdp::delta_of_rho(rho, epsilon.abs());
        let d = if i < 0 { -libm::expm1(epsilon) + libm::exp(epsilon) * d } else { d }.min(1.0);
        let point = (i, libm::exp(epsilon), d);
        while let [.., a, m] = hull.as_slice() {
            if below(a, m, &point) {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    // The probability under P of the loss at a vertex is alpha times the change of slope there.
    let slope = |a: &(i64, f64, f64), z: &(i64, f64, f64)| (z.2 - a.2) / (z.1 - a.1);
    let mut before = hull.first().map_or(0.0, |p| (p.2 - 1.0) / p.1);
    let mut previous_error = 0.0;
    for (n, here) in hull.iter().enumerate() {
        let (after, error) = match hull.get(n.saturating_add(1)) {
            Some(next) => (slope(here, next), 8.0 * U * (here.2 + next.2) / (next.1 - here.1)),
            None => (0.0, 0.0),
        };
        let mass = here.1 * (after - before + error + previous_error);
        b.add(here.0, mass.max(0.0));
        (before, previous_error) = (after, error);
    }
    let open = hull.last().map_or(1.0, |p| p.2);
    b.infinite = (delta + open).min(1.0);
    Some(b.finish())
}
