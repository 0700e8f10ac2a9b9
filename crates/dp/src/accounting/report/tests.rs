//! The reference tables, and agreement with sums that need no grid.

use super::*;
use crate::units::{Delta, Rho};

/// `delta(epsilon)` of a normal pair with ratio mu (Balle, Wang 2018, theorem 8).
fn gaussian_delta(mu: f64, epsilon: f64) -> f64 {
    let phi = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    phi(mu / 2.0 - epsilon / mu) - libm::exp(epsilon) * phi(-mu / 2.0 - epsilon / mu)
}

fn bisect(delta: f64, top: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, top);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if f(middle) <= delta { high = middle } else { low = middle }
    }
    high
}

/// `delta(epsilon)` of k-fold randomised response, by its binomial sum.
fn response_delta(k: u32, eps0: f64, epsilon: f64) -> f64 {
    let p = 1.0 / (1.0 + (-eps0).exp());
    let mut ln_choose = 0.0;
    let mut sum = 0.0;
    for j in 0..=k {
        if j > 0 {
            ln_choose += f64::from(k - j + 1).ln() - f64::from(j).ln();
        }
        let loss = (2.0 * f64::from(j) - f64::from(k)) * eps0;
        if loss > epsilon {
            let ln = ln_choose + f64::from(j) * p.ln() + f64::from(k - j) * (1.0 - p).ln();
            sum += -(epsilon - loss).exp_m1() * ln.exp();
        }
    }
    sum
}

/// Never below, and at most 0.1 % above. Returns the excess as a fraction.
fn check(name: &str, plan: &FixedPlan, delta: f64, exact: f64, printed: Option<f64>) -> f64 {
    let report = plan.epsilon_at(delta).unwrap();
    if let Some(printed) = printed {
        assert!((exact - printed).abs() <= 6e-6, "{name}: the closed form gives {exact}, the table {printed}");
    }
    assert!(report.epsilon >= exact, "{name}: reported {} is below {exact}", report.epsilon);
    let excess = report.epsilon / exact - 1.0;
    assert!(excess <= 1e-3, "{name}: reported {} is {excess:e} above {exact}", report.epsilon);
    excess
}

#[test]
fn gaussian_compositions_of_the_reference_table() {
    let mut largest = 0.0f64;
    for (k, sigma, at5, at6) in
        [(1u64, 1.0, 4.377178, 4.886554), (1000, 100.0, 1.199370, 1.367571), (1000, 50.0, 2.594383, 2.921601)]
    {
        for (delta, printed) in [(1e-5, at5), (1e-6, at6)] {
            let mu = times(k).sqrt() / sigma;
            let exact = bisect(delta, 50.0, |e| gaussian_delta(mu, e));
            let plan = FixedPlan::new().with(Loss::Gaussian { ratio: 1.0 / sigma }, k);
            let excess = check("gaussian", &plan, delta, exact, Some(printed));
            println!("gaussian k={k} sigma={sigma} delta={delta:e}: excess {excess:e}");
            largest = largest.max(excess);
        }
    }
    println!("dp.epsilon_excess (gaussian) {largest:e}");
    assert!(largest < 3e-4);
}

#[test]
fn pure_compositions_of_the_reference_table() {
    for (k, eps0, printed) in [(10u32, 0.1, 0.99937), (100, 0.1, 4.77457), (1000, 0.01, 1.36545)] {
        let epsilon = Epsilon::cost(eps0).unwrap();
        let exact = bisect(1e-6, 20.0, |e| response_delta(k, epsilon.to_f64_up(), e));
        let plan = FixedPlan::new().with(Loss::Pure { epsilon }, k.into());
        let excess = check("pure", &plan, 1e-6, exact, Some(printed));
        println!("pure k={k} eps0={eps0}: excess {excess:e}");
        assert_eq!(plan.basic(1e-6).map(|e| (e * 1e3).round() / 1e3), Some(f64::from(k) * eps0));
    }
}

/// Figures of `dp_accounting`'s own tests.
#[test]
fn the_figures_of_dp_accounting() {
    let epsilon = |e| Epsilon::cost(e).unwrap();
    // (1, 0.1) with (2, 0.2): delta(3) is 0.28, so at delta 0.28 and a little epsilon is at most 3, and just below, none.
    let plan = FixedPlan::new()
        .with(Loss::Approximate { epsilon: epsilon(1.0), delta: Delta::cost(0.1).unwrap() }, 1)
        .with(Loss::Approximate { epsilon: epsilon(2.0), delta: Delta::cost(0.2).unwrap() }, 1);
    let at = plan.epsilon_at(0.28 + 1e-9).unwrap();
    assert!((at.epsilon - 3.0).abs() < 0.003, "{at:?}");
    assert_eq!(plan.epsilon_at(0.28 - 1e-9), Err(ReportError::Unreachable));

    let plan = FixedPlan::new().with(Loss::Laplace { ratio: 1.0 }, 3).with(Loss::Laplace { ratio: 0.5 }, 2);
    let at = plan.epsilon_at(1e-14).unwrap();
    assert!(at.epsilon >= 4.0 - 1e-12 && at.epsilon <= 4.0 * 1.001, "{at:?}");

    let plan = FixedPlan::new().with(Loss::Gaussian { ratio: 1.0 / 4.530_877_117 }, 1);
    for delta in [1e-5, 1e-6, 1e-7] {
        let exact = bisect(delta, 10.0, |e| gaussian_delta(1.0 / 4.530_877_117, e));
        check("sigma 4.53", &plan, delta, exact, None);
    }
    // At (1, 1e-6) with room to spare: the closed form needs 0.92739.
    assert!(plan.epsilon_at(1e-6).unwrap().epsilon < 1.0);
}

/// Laplace alone has a closed form: delta(epsilon) = 1 - exp((epsilon - m) / 2).
#[test]
fn one_laplace_mechanism() {
    for m in [0.1, 1.0, 3.0] {
        for delta in [1e-3, 1e-6] {
            let exact = m + 2.0 * libm::log1p(-delta);
            check("laplace", &FixedPlan::new().with(Loss::Laplace { ratio: m }, 1), delta, exact, None);
        }
    }
}

/// Convolves exact atoms in a map keyed by the integer output, for a few repetitions.
fn brute(atoms: &[(f64, f64)], k: u32, epsilon: f64) -> f64 {
    let mut sums: Vec<(f64, f64)> = vec![(0.0, 1.0)];
    for _ in 0..k {
        let mut next: Vec<(f64, f64)> =
            sums.iter().flat_map(|(l, p)| atoms.iter().map(move |(m, q)| (l + m, p * q))).collect();
        next.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Merge equal losses.
        let mut merged: Vec<(f64, f64)> = Vec::new();
        for (l, p) in next {
            match merged.last_mut() {
                Some(last) if (last.0 - l).abs() < 1e-11 => last.1 += p,
                _ => merged.push((l, p)),
            }
        }
        sums = merged;
    }
    sums.iter().filter(|(l, _)| *l > epsilon).map(|(l, p)| p * -(epsilon - l).exp_m1()).sum()
}

#[test]
fn discrete_mechanisms_against_brute_force() {
    for (scale, shift, k) in [(2.0f64, 1u64, 4u32), (3.0, 4, 3), (10.0, 7, 3)] {
        let q = (-1.0 / scale).exp();
        let p = |n: i64| (1.0 - q) / (1.0 + q) * q.powi(i32::try_from(n.abs()).unwrap());
        let s = i64::try_from(shift).unwrap();
        let atoms: Vec<(f64, f64)> = (-400..=400i64).map(|n| (float((n + s).abs() - n.abs()) / scale, p(n))).collect();
        for delta in [1e-3, 1e-6] {
            let exact = bisect(delta, 20.0, |e| brute(&merge(&atoms), k, e));
            let plan = FixedPlan::new().with(Loss::DiscreteLaplace { scale, shift }, k.into());
            check("discrete laplace", &plan, delta, exact, None);
        }
    }
    for (sigma, shift, k) in [(1.5f64, 1u64, 3u32), (6.0, 3, 3), (0.7, 1, 2)] {
        let weight = |n: i64| (-float(n) * float(n) / (2.0 * sigma * sigma)).exp();
        let total: f64 = (-200..=200).map(weight).sum();
        let m = f64::from(u32::try_from(shift).unwrap());
        let atoms: Vec<(f64, f64)> = (-100..=100i64)
            .map(|n| ((m * m + 2.0 * m * float(n)) / (2.0 * sigma * sigma), weight(n) / total))
            .filter(|(_, p)| *p > 1e-40)
            .collect();
        for delta in [1e-3, 1e-6] {
            let exact = bisect(delta, 60.0, |e| brute(&atoms, k, e));
            let plan = FixedPlan::new().with(Loss::DiscreteGaussian { sigma, shift }, k.into());
            check("discrete gaussian", &plan, delta, exact, None);
        }
    }
}

fn merge(atoms: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted = atoms.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (l, p) in sorted {
        match merged.last_mut() {
            Some(last) if (last.0 - l).abs() < 1e-12 => last.1 += p,
            _ => merged.push((l, p)),
        }
    }
    merged
}

/// Wide discrete noise meets the continuous one from above, in both ways of computing it.
#[test]
fn wide_discrete_noise_is_close_to_continuous_noise() {
    for sigma in [5e3, 5e7] {
        let shift = 1000u64;
        let ratio = times(shift) / sigma;
        let exact = bisect(1e-6, 20.0, |e| gaussian_delta(ratio * 10.0, e));
        let report = FixedPlan::new().with(Loss::DiscreteGaussian { sigma, shift }, 100).epsilon_at(1e-6).unwrap();
        assert!(
            report.epsilon >= exact * (1.0 - 1e-9) && report.epsilon <= exact * 1.001,
            "{sigma}: {report:?} {exact}"
        );
    }
    let coarse = FixedPlan::new().with(Loss::DiscreteLaplace { scale: 1e7, shift: 10_000_000 }, 1);
    check("wide laplace", &coarse, 1e-6, 1.0 + 2.0 * libm::log1p(-1e-6), None);
}

/// Knowing only rho can cost, and never gain.
#[test]
fn profiles_of_zcdp_are_no_better_than_their_conversion_and_no_worse() {
    let rho = Rho::cost(0.02).unwrap();
    for delta in [1e-4, 1e-6, 1e-9] {
        let one = FixedPlan::new().with(Loss::Concentrated { rho, delta: Delta::ZERO }, 1);
        let grid = one.composed(delta).unwrap();
        let direct = zcdp::epsilon_of_rho(rho.to_f64_up(), delta);
        assert!(grid >= direct * (1.0 - 1e-9) && grid <= direct * 1.001, "{delta}: {grid} {direct}");
    }
}

#[test]
fn parameters_out_of_range_are_refused() {
    let gaussian = |ratio| FixedPlan::new().with(Loss::Gaussian { ratio }, 1);
    for bad in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, 5e-324] {
        assert_eq!(gaussian(bad).epsilon_at(1e-6), Err(ReportError::Loss));
    }
    for bad in [0.0, -1e-6, 1.0, f64::NAN] {
        assert_eq!(gaussian(1.0).epsilon_at(bad), Err(ReportError::Delta));
    }
    assert_eq!(FixedPlan::new().epsilon_at(1e-6).map(|r| r.epsilon), Ok(0.0));
}

/// A million repetitions cost no more than one, and small deltas stay sharp because of the tilt.
#[test]
fn many_repetitions_and_tiny_deltas() {
    for (k, sigma, delta) in [(1_000_000u64, 3000.0, 1e-6), (1000, 100.0, 1e-30), (3, 2.0, 1e-60)] {
        let mu = times(k).sqrt() / sigma;
        // In the far tail the difference cancels; Mills' ratio does not.
        let exact = bisect(delta, 200.0, |e| {
            let (a, b) = (e / mu - mu / 2.0, e / mu + mu / 2.0);
            let scaled = |x: f64| {
                (0..4000)
                    .map(|i| {
                        let t = (f64::from(i) + 0.5) * 0.005;
                        (-x * t - t * t / 2.0).exp() * 0.005
                    })
                    .sum::<f64>()
            };
            (-a * a / 2.0).exp() * 0.398_942_280_401_432_7 * (scaled(a) - scaled(b))
        });
        let report = FixedPlan::new().with(Loss::Gaussian { ratio: 1.0 / sigma }, k).epsilon_at(delta).unwrap();
        assert!(
            report.epsilon >= exact * (1.0 - 1e-5) && report.epsilon <= exact * 1.001,
            "{k} {delta:e}: {report:?} {exact}"
        );
    }
}

/// Laplace noise repeated: losses rounded down on a fine grid and convolved term by term give less than the exact value, and
/// by at most a step each. At a delta near the probability of the greatest loss the saddle point lies at the edge.
#[test]
fn laplace_compositions_against_plain_convolution() {
    const CELLS: usize = 400;
    for m in [0.1, 0.184_849_169_423_063_95, 1.0] {
        let step = m / times(CELLS as u64);
        let mut one = vec![0.0f64; 2 * CELLS + 1];
        one[2 * CELLS] = 0.5;
        one[0] = 0.5 * (-m).exp();
        for (j, mass) in one.iter_mut().enumerate().take(2 * CELLS) {
            // The loss m - 2x lies in this cell for x between these.
            let low = m - step / 2.0 * times(j as u64 + 1);
            let high = m - step / 2.0 * times(j as u64);
            *mass += 0.5 * ((-low).exp() - (-high).exp());
        }
        let mut sum = vec![1.0f64];
        for k in 1..=20u32 {
            let mut next = vec![0.0; sum.len() + 2 * CELLS];
            for (i, a) in sum.iter().enumerate() {
                for (j, b) in one.iter().enumerate() {
                    next[i + j] += a * b;
                }
            }
            sum = next;
            if ![2, 5, 10, 20].contains(&k) {
                continue;
            }
            for delta in [1e-3, 1e-5, 1e-7] {
                let below = |epsilon: f64| -> f64 {
                    let loss = |i: usize| step * (times(i as u64) - f64::from(k) * times(CELLS as u64));
                    let terms = sum.iter().enumerate().filter(|(i, _)| loss(*i) > epsilon);
                    terms.map(|(i, p)| p * -(epsilon - loss(i)).exp_m1()).sum()
                };
                let exact = bisect(delta, f64::from(k) * m, below);
                let plan = FixedPlan::new().with(Loss::Laplace { ratio: m }, k.into());
                let report = plan.epsilon_at(delta).unwrap();
                assert!(report.epsilon >= exact, "{m} {k} {delta:e}: {report:?} is below {exact}");
                let most = (exact + f64::from(k) * step) * 1.001;
                assert!(report.epsilon <= most, "{m} {k} {delta:e}: {report:?} is above {most}");
            }
        }
    }
}
