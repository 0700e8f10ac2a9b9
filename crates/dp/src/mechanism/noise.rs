//! The boundary to opendp: every call into it is in this file.
//!
//! Scales are found by asking opendp's privacy map, so that the map, which is proven and rounds upwards, has the last word
//! on what a mechanism costs.

use super::MechanismError;
use crate::Sensitivity;
use crate::privacy::f64_up;
use crate::units::{Delta, Epsilon, Rho};
use opendp::core::Measurement;
use opendp::domains::{AtomDomain, MapDomain, VectorDomain};
use opendp::error::Fallible;
use opendp::measurements::{
    make_gaussian, make_gaussian_threshold, make_laplace, make_laplace_threshold, make_noisy_max,
};
use opendp::measures::{Approximate, MaxDivergence, ZeroConcentratedDivergence};
use opendp::metrics::{AbsoluteDistance, L0PInfDistance, L1Distance, L2Distance, LInfDistance};
use std::collections::{BTreeMap, HashMap};

type Integers = VectorDomain<AtomDomain<i64>>;
type Counts = MapDomain<AtomDomain<String>, AtomDomain<i64>>;
type LaplaceThreshold =
    Measurement<Counts, L0PInfDistance<1, AbsoluteDistance<i64>>, Approximate<MaxDivergence>, HashMap<String, i64>>;
type GaussianThreshold = Measurement<
    Counts,
    L0PInfDistance<2, AbsoluteDistance<f64>>,
    Approximate<ZeroConcentratedDivergence>,
    HashMap<String, i64>,
>;

/// The widest noise: a scale of 2^50 steps.
const MAX_SCALE: f64 = 1_125_899_906_842_624.0;

/// A scale and what opendp says it costs.
pub(super) struct Calibrated {
    pub(super) scale: f64,
    pub(super) cost: f64,
}

/// Opendp's errors carry text and a backtrace; here they all mean that the noise cannot be made.
fn failed(_: opendp::error::Error) -> MechanismError {
    MechanismError::Sampler
}

/// The least scale at or a few rounding steps above `guess` that costs at most `price`.
fn calibrate(guess: f64, price: f64, map: impl Fn(f64) -> Fallible<f64>) -> Result<Calibrated, MechanismError> {
    let mut scale = guess.max(f64::powi(0.5, 30));
    for step in 0..64 {
        if !scale.is_finite() || scale > MAX_SCALE {
            return Err(MechanismError::TooNoisy);
        }
        let cost = map(scale).map_err(failed)?;
        if cost <= price {
            return if cost > 0.0 { Ok(Calibrated { scale, cost }) } else { Err(MechanismError::Constant) };
        }
        scale = scale.next_up() * (1.0 + f64::EPSILON * f64::powi(2.0, step / 4));
    }
    Err(MechanismError::TooNoisy)
}

fn laplace(scale: f64) -> Fallible<Measurement<Integers, L1Distance<i64>, MaxDivergence, Vec<i64>>> {
    make_laplace(VectorDomain::new(AtomDomain::default()), L1Distance::<i64>::default(), scale, None)
}

fn gaussian(sigma: f64) -> Fallible<Measurement<Integers, L2Distance<f64>, ZeroConcentratedDivergence, Vec<i64>>> {
    make_gaussian(VectorDomain::new(AtomDomain::default()), L2Distance::<f64>::default(), sigma, None)
}

fn laplace_thresholded(scale: f64, threshold: i64) -> Fallible<LaplaceThreshold> {
    make_laplace_threshold(counts(), L0PInfDistance(AbsoluteDistance::default()), scale, threshold, None)
}

fn gaussian_thresholded(sigma: f64, threshold: i64) -> Fallible<GaussianThreshold> {
    make_gaussian_threshold(counts(), L0PInfDistance(AbsoluteDistance::default()), sigma, threshold, None)
}

fn counts() -> Counts {
    MapDomain::new(AtomDomain::default(), AtomDomain::default())
}

fn permute_and_flip_of(scale: f64) -> Fallible<Measurement<Integers, LInfDistance<i64>, MaxDivergence, usize>> {
    make_noisy_max(VectorDomain::new(AtomDomain::default()), LInfDistance::new(false), MaxDivergence, scale, false)
}

fn exponential_of(scale: f64) -> Fallible<Measurement<Integers, LInfDistance<i64>, ZeroConcentratedDivergence, usize>> {
    make_noisy_max(
        VectorDomain::new(AtomDomain::default()),
        LInfDistance::new(false),
        ZeroConcentratedDivergence,
        scale,
        false,
    )
}

/// A sensitivity as opendp's integer distance; it is at most 2^54.
fn distance(value: u64) -> Result<i64, MechanismError> {
    match i64::try_from(value) {
        Ok(0) => Err(MechanismError::Constant),
        Ok(d) => Ok(d),
        Err(_) => Err(MechanismError::TooNoisy),
    }
}

pub(super) fn laplace_scale(s: &Sensitivity, price: Epsilon) -> Result<Calibrated, MechanismError> {
    let l1 = distance(s.l1())?;
    let price = price.to_f64_down();
    calibrate(f64_up(s.l1()) / price, price, |scale| laplace(scale)?.map(&l1))
}

pub(super) fn gaussian_scale(s: &Sensitivity, price: Rho) -> Result<Calibrated, MechanismError> {
    distance(s.linf())?;
    let (l2, price) = (s.l2(), price.to_f64_down());
    calibrate(l2 / (2.0 * price).sqrt(), price, |sigma| gaussian(sigma)?.map(&l2))
}

pub(super) fn noisy_max_scale(s: &Sensitivity, price: Epsilon) -> Result<Calibrated, MechanismError> {
    let linf = distance(s.linf())?;
    let price = price.to_f64_down();
    calibrate(2.0 * f64_up(s.linf()) / price, price, |scale| permute_and_flip_of(scale)?.map(&linf))
}

pub(super) fn exponential_scale(s: &Sensitivity, price: Rho) -> Result<Calibrated, MechanismError> {
    let linf = distance(s.linf())?;
    let price = price.to_f64_down();
    calibrate(2.0 * f64_up(s.linf()) / (8.0 * price).sqrt(), price, |scale| exponential_of(scale)?.map(&linf))
}

/// The least threshold whose delta is at most `delta`, and the map's (epsilon or rho, delta) there.
fn least_threshold(
    linf: i64,
    delta: Delta,
    map: impl Fn(i64) -> Fallible<(f64, f64)>,
) -> Result<(i64, f64, f64), MechanismError> {
    let wanted = delta.to_f64_down();
    let fits = |t: i64| map(t).is_ok_and(|(_, d)| d <= wanted);
    // One above the sensitivity is the least that can hide anything; double the distance until it fits, then bisect.
    let mut reach = 1i64;
    while !fits(linf.saturating_add(reach)) {
        reach = reach.saturating_mul(2);
        if reach > 1 << 55 {
            return Err(MechanismError::Threshold);
        }
    }
    let (mut low, mut high) = (linf.saturating_add(reach / 2), linf.saturating_add(reach));
    while low < high {
        let middle = low + (high - low) / 2;
        if fits(middle) { high = middle } else { low = middle + 1 }
    }
    let (main, delta) = map(high).map_err(failed)?;
    Ok((high, main, delta.max(f64::MIN_POSITIVE)))
}

pub(super) fn laplace_least_threshold(
    s: &Sensitivity,
    scale: f64,
    delta: Delta,
) -> Result<(i64, f64, f64), MechanismError> {
    let (l1, linf) = (distance(s.l1())?, distance(s.linf())?);
    least_threshold(linf, delta, |t| laplace_thresholded(scale, t)?.map(&(s.l0(), l1, linf)))
}

pub(super) fn gaussian_least_threshold(
    s: &Sensitivity,
    sigma: f64,
    delta: Delta,
) -> Result<(i64, f64, f64), MechanismError> {
    let linf = distance(s.linf())?;
    least_threshold(linf, delta, |t| gaussian_thresholded(sigma, t)?.map(&(s.l0(), s.l2(), f64_up(s.linf()))))
}

pub(super) fn add_laplace(exact: &[i64], scale: f64) -> Result<Vec<i64>, MechanismError> {
    laplace(scale).and_then(|m| m.invoke(&exact.to_vec())).map_err(failed)
}

pub(super) fn add_gaussian(exact: &[i64], sigma: f64) -> Result<Vec<i64>, MechanismError> {
    gaussian(sigma).and_then(|m| m.invoke(&exact.to_vec())).map_err(failed)
}

pub(super) fn permute_and_flip(scores: &[i64], scale: f64) -> Result<usize, MechanismError> {
    permute_and_flip_of(scale).and_then(|m| m.invoke(&scores.to_vec())).map_err(failed)
}

pub(super) fn exponential(scores: &[i64], scale: f64) -> Result<usize, MechanismError> {
    exponential_of(scale).and_then(|m| m.invoke(&scores.to_vec())).map_err(failed)
}

type Groups = BTreeMap<Vec<String>, i64>;

pub(super) fn laplace_groups(exact: Groups, scale: f64, threshold: i64) -> Result<Groups, MechanismError> {
    through_map(exact, |m| laplace_thresholded(scale, threshold)?.invoke(m))
}

pub(super) fn gaussian_groups(exact: Groups, sigma: f64, threshold: i64) -> Result<Groups, MechanismError> {
    through_map(exact, |m| gaussian_thresholded(sigma, threshold)?.invoke(m))
}

/// Groups have several columns, opendp's keys are one string: number the groups. The answer is sorted by group, so that
/// its order tells nothing.
fn through_map(
    exact: Groups,
    release: impl FnOnce(&HashMap<String, i64>) -> Fallible<HashMap<String, i64>>,
) -> Result<Groups, MechanismError> {
    let numbered: Vec<(Vec<String>, i64)> = exact.into_iter().collect();
    let counts = numbered.iter().enumerate().map(|(i, (_, count))| (i.to_string(), *count)).collect();
    let noisy = release(&counts).map_err(failed)?;
    Ok(numbered
        .into_iter()
        .enumerate()
        .filter_map(|(i, (group, _))| noisy.get(&i.to_string()).map(|count| (group, *count)))
        .collect())
}

/// `P(|X| > t) = 2 exp(-(t+1)/b) / (1 + exp(-1/b))` for discrete Laplace.
pub(super) fn laplace_half_width(scale: f64, failure: f64) -> u64 {
    // t + 1 >= b (ln 2/failure - ln(1 + exp(-1/b)))
    let t = scale * (libm::log(2.0 / failure) - libm::log1p(libm::exp(-1.0 / scale))) - 1.0;
    whole_up(t.max(0.0))
}

/// The tail of a discrete Gaussian is at most that of the continuous one a step further in: `P(X >= m) <= P(N >= m - 1)`
/// (Canonne, Kamath, Steinke 2020, proposition 25); so `P(|X| > t) <= 2 P(N >= t)`.
pub(super) fn gaussian_half_width(sigma: f64, failure: f64) -> u64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let z = f64::midpoint(low, high);
        if libm::erfc(z / std::f64::consts::SQRT_2) <= failure { high = z } else { low = z }
    }
    whole_up(high * sigma)
}

/// The exponential mechanism with weights `exp(score / b)` falls short of the best by more than `b ln(n/failure)` with
/// probability at most `failure` (`McSherry`, Talwar 2007); permute-and-flip is never worse (`McKenna`, Sheldon 2020).
pub(super) fn selection_shortfall(scale: f64, failure: f64, candidates: usize) -> u64 {
    let n = f64::from(u32::try_from(candidates.max(1)).unwrap_or(u32::MAX));
    whole_up(scale * libm::log(n / failure))
}

/// Rounded up to an integer; saturates.
fn whole_up(value: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate, which is meant")]
    let whole = libm::ceil(value * (1.0 + 1e-12)) as u64;
    whole
}
