//! From zCDP to (epsilon, delta): the optimal conversion of Canonne, Kamath, Steinke 2020 (arXiv 2004.00010, corollary 13),
//!
//! `delta = min over alpha > 1 of exp((alpha - 1)(alpha rho - epsilon)) / (alpha - 1) * (1 - 1/alpha)^alpha`.
//!
//! Every alpha gives a valid bound, so a search that stops early is only less tight; the evaluation itself is widened by
//! more than its rounding error (`libm`'s functions are within one unit in the last place).

/// Relative widening of each term; a term is computed with less than ten rounding errors.
const WIDEN: f64 = 1e-14;

/// The terms of `ln(delta)` at one alpha, given as `a = alpha - 1`; `(1 - 1/alpha)^alpha / a` is written so that nothing
/// cancels at either end.
fn ln_delta_terms(rho: f64, epsilon: f64, a: f64) -> [f64; 4] {
    [a * (a + 1.0) * rho, -a * epsilon, -a * libm::log1p(1.0 / a), -libm::log1p(a)]
}

/// The terms of `epsilon` at one alpha.
fn epsilon_terms(rho: f64, ln_delta: f64, a: f64) -> [f64; 4] {
    [(a + 1.0) * rho, -libm::log1p(1.0 / a), -libm::log1p(a) / a, -ln_delta / a]
}

/// Least sum of the terms over `a`, by golden sections on a logarithmic scale (the functions here have one valley),
/// raised by its rounding error.
fn minimum(terms: impl Fn(f64) -> [f64; 4]) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    let value = |ln_a: f64| terms(libm::exp(ln_a)).iter().sum::<f64>();
    let (mut low, mut high) = (-21.0, 21.0);
    for _ in 0..80 {
        let left = high - GOLDEN * (high - low);
        let right = low + GOLDEN * (high - low);
        if value(left) <= value(right) { high = right } else { low = left }
    }
    let best = terms(libm::exp(f64::midpoint(low, high)));
    best.iter().sum::<f64>() + WIDEN * best.iter().map(|t| t.abs()).sum::<f64>()
}

/// The least epsilon, rounded up, such that `rho`-zCDP implies (epsilon, `delta`)-DP. Infinite for a delta that is not
/// above zero and for a rho that is not finite; zero for a rho of zero or a delta of one.
#[must_use]
pub fn epsilon_of_rho(rho: f64, delta: f64) -> f64 {
    if rho.is_nan() || rho < 0.0 || rho.is_infinite() || delta.is_nan() || delta <= 0.0 {
        return f64::INFINITY;
    }
    if rho == 0.0 || delta >= 1.0 {
        return 0.0;
    }
    let ln_delta = libm::log(delta);
    minimum(|a| epsilon_terms(rho, ln_delta, a)).max(0.0).next_up()
}

/// The least delta, rounded up, such that `rho`-zCDP implies (`epsilon`, delta)-DP. Never above one.
#[must_use]
pub fn delta_of_rho(rho: f64, epsilon: f64) -> f64 {
    if rho.is_nan() || rho < 0.0 || rho.is_infinite() || epsilon.is_nan() || epsilon < 0.0 {
        return 1.0;
    }
    if rho == 0.0 || epsilon.is_infinite() {
        return 0.0;
    }
    let least = minimum(|a| ln_delta_terms(rho, epsilon, a));
    (libm::exp(least) * (1.0 + WIDEN)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference table: k-fold pure eps0 through zCDP at delta 1e-6.
    #[test]
    fn the_optimal_conversion_of_the_reference_table() {
        for (k, eps0, expected) in [(10.0, 0.1, 1.47159), (100.0, 0.1, 5.22153), (1000.0, 0.01, 1.47159)] {
            let epsilon = epsilon_of_rho(k * eps0 * eps0 / 2.0, 1e-6);
            assert!((epsilon - expected).abs() < 6e-6, "{k} {eps0}: {epsilon}");
        }
    }

    /// A figure of `dp_accounting`'s tests: one Gaussian of this sigma has epsilon 1 at delta 1e-6 by its Rényi curve.
    #[test]
    fn one_gaussian_through_its_renyi_curve() {
        let epsilon = epsilon_of_rho(0.5 / (4.530_877_117f64 * 4.530_877_117), 1e-6);
        assert!((epsilon - 1.0).abs() < 1e-3, "{epsilon}");
    }

    /// Never below a dense search by brute force, and there and back again is never better than where one began.
    #[test]
    fn rounds_outwards() {
        for rho in [1e-12, 1e-6, 1e-3, 0.05, 0.5, 3.0, 100.0] {
            for delta in [1e-15, 1e-9, 1e-6, 1e-3, 0.1] {
                let epsilon = epsilon_of_rho(rho, delta);
                let dense = (0..20_000)
                    .map(|i| {
                        let a = libm::exp(-12.0 + f64::from(i) * 2e-3);
                        epsilon_terms(rho, libm::log(delta), a).iter().sum::<f64>()
                    })
                    .fold(f64::INFINITY, f64::min)
                    .max(0.0);
                // The dense search itself is off by the square of its step.
                assert!(epsilon >= dense * (1.0 - 1e-6), "{rho} {delta}: {epsilon} below {dense}");
                assert!(epsilon <= dense * (1.0 + 1e-6) + 1e-12, "{rho} {delta}: {epsilon} above {dense}");
                if epsilon > 1e-300 {
                    let back = delta_of_rho(rho, epsilon);
                    assert!(back <= delta * (1.0 + 1e-9) && back > 0.0, "{rho} {delta}: {back}");
                }
            }
        }
    }

    #[test]
    fn nonsense_promises_nothing() {
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(epsilon_of_rho(bad, 1e-6), f64::INFINITY);
            assert_eq!(delta_of_rho(bad, 1.0), 1.0);
        }
        assert_eq!(epsilon_of_rho(1.0, 0.0), f64::INFINITY);
        assert_eq!(epsilon_of_rho(1.0, f64::NAN), f64::INFINITY);
        assert_eq!(epsilon_of_rho(0.0, 1e-9), 0.0);
    }
}
