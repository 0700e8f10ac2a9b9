//! Noise against its distribution, costs against opendp's maps, and an audit that distinguishes neighbours.
//!
//! Opendp draws its own randomness, so each statistical test has a fixed probability of failing by chance: at most 1e-9.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests with small numbers"
)]

use super::*;
use crate::privacy::{Bounds, Neighbours, PrivacyUnit};

const ALPHA: f64 = 1e-9;

fn unit(rows: u32) -> PrivacyUnit {
    PrivacyUnit::new(Neighbours::AddRemove, rows).unwrap()
}

fn count() -> Sensitivity {
    Sensitivity::count(unit(1)).unwrap()
}

/// How far an empirical distribution function may stray (Dvoretzky, Kiefer, Wolfowitz; Massart 1990).
fn stray(n: usize) -> f64 {
    ((2.0 / ALPHA).ln() / (2.0 * n as f64)).sqrt()
}

fn follows(samples: &[i64], cdf: impl Fn(i64) -> f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let n = sorted.len() as f64;
    for x in sorted[0]..=sorted[sorted.len() - 1] {
        let below = sorted.partition_point(|s| *s <= x) as f64 / n;
        assert!((below - cdf(x)).abs() <= stray(samples.len()), "at {x}: {below} against {}", cdf(x));
    }
}

#[test]
fn laplace_noise_has_the_distribution_of_its_scale() {
    let m = Mechanism::laplace(count(), Epsilon::cost(0.25).unwrap()).unwrap();
    assert_eq!(m.scale(), 4.0);
    assert_eq!(m.cost(Regime::Pure).unwrap(), Some(Cost::Pure(Epsilon::cost(0.25).unwrap())));
    let q = (-0.25f64).exp();
    follows(&m.add_noise(&vec![0; 20_000]).unwrap(), |x| {
        if x >= 0 { 1.0 - q.powi(x as i32 + 1) / (1.0 + q) } else { q.powi(-x as i32) / (1.0 + q) }
    });
}

#[test]
fn gaussian_noise_has_the_distribution_of_its_sigma() {
    let m = Mechanism::gaussian(count(), Rho::cost(0.02).unwrap()).unwrap();
    assert!((m.scale() - 5.0).abs() < 1e-9 && m.cost(Regime::Pure).unwrap().is_none());
    let weight = |x: i64| (-(x as f64).powi(2) / 50.0).exp();
    let total: f64 = (-100..=100).map(weight).sum();
    follows(&m.add_noise(&vec![0; 20_000]).unwrap(), |x| (-100..=x.min(100)).map(weight).sum::<f64>() / total);
}

#[test]
fn the_price_is_never_exceeded_and_nearly_used() {
    for rows in [1, 3, 1000] {
        for text in ["0.000001", "0.1", "1", "7.3"] {
            let s = Sensitivity::sum(unit(rows), Bounds::new(-7, 120).unwrap()).unwrap();
            let price = Epsilon::cost_from_decimal(text).unwrap();
            for m in [Mechanism::laplace(s, price).unwrap(), Mechanism::noisy_max(s, price).unwrap()] {
                let Some(Cost::Pure(cost)) = m.cost(Regime::Pure).unwrap() else { panic!() };
                assert!(cost <= price && price.units() - cost.units() <= 1 + price.units() / (1 << 40), "{m:?}");
                let Some(Cost::Concentrated { rho, .. }) = m.cost(Regime::Concentrated).unwrap() else { panic!() };
                assert_eq!(rho, cost.to_rho().unwrap());
            }
            let price = Rho::cost_from_decimal(text).unwrap();
            for m in [Mechanism::gaussian(s, price).unwrap(), Mechanism::exponential(s, price).unwrap()] {
                let Some(Cost::Concentrated { rho, .. }) = m.cost(Regime::Concentrated).unwrap() else { panic!() };
                assert!(rho <= price && price.units() - rho.units() <= 1 + price.units() / (1 << 40), "{m:?}");
            }
        }
    }
}

#[test]
fn noise_wider_than_the_grid_is_refused() {
    let s = Sensitivity::sum(unit(1), Bounds::new(0, 1 << 52).unwrap()).unwrap();
    assert_eq!(Mechanism::laplace(s, Epsilon::ONE_UNIT), Err(MechanismError::TooNoisy));
    let nothing = Sensitivity::sum(unit(1), Bounds::new(0, 0).unwrap()).unwrap();
    assert_eq!(Mechanism::laplace(nothing, Epsilon::cost(1.0).unwrap()), Err(MechanismError::Constant));
    assert_eq!(Mechanism::gaussian(nothing, Rho::cost(1.0).unwrap()), Err(MechanismError::Constant));
}

/// A group of one patient stays hidden but for delta; a large group is shown; what is shown is at least the threshold.
#[test]
fn thresholds_hide_single_patients() {
    let s = Sensitivity::cells(unit(1), None).unwrap();
    let delta = Delta::cost(1e-6).unwrap();
    for m in [
        Mechanism::laplace_threshold(s, Epsilon::cost(1.0).unwrap(), delta).unwrap(),
        Mechanism::gaussian_threshold(s, Rho::cost(0.5).unwrap(), delta).unwrap(),
    ] {
        let Some(Cost::Concentrated { delta: spent, .. }) = m.cost(Regime::Concentrated).unwrap() else { panic!() };
        assert!(spent <= delta && spent.units() > delta.units() / 10, "{spent} of {delta}");
        assert_eq!(m.cost(Regime::Pure).unwrap(), None);
        let exact: BTreeMap<Vec<String>, i64> = (0..200).map(|i| (vec![format!("rare {i}")], 1)).collect();
        let shown = m.noisy_groups(exact).unwrap();
        // 200 chances of 1e-6: once in 5,000 runs one is shown, once in 1e9 three are.
        assert!(shown.len() < 3);
        let shown = m.noisy_groups([(vec!["common".to_owned()], 1000)].into()).unwrap();
        assert!(*shown.get(&vec!["common".to_owned()]).unwrap() >= m.threshold().unwrap());
    }
}

#[test]
fn selections_prefer_large_scores() {
    let s = Sensitivity::rank_scores(unit(1), 1, 2).unwrap();
    for m in [
        Mechanism::noisy_max(s, Epsilon::cost(1.0).unwrap()).unwrap(),
        Mechanism::exponential(s, Rho::cost(0.125).unwrap()).unwrap(),
    ] {
        let scores = [-1000, 0, -1000];
        assert!((0..50).all(|_| m.select(&scores).unwrap() == 1));
        assert_eq!(m.add_noise(&[0]), Err(MechanismError::Shape));
    }
    assert!(Mechanism::laplace(s, Epsilon::cost(1.0).unwrap()).unwrap().select(&[1]).is_err());
}

#[test]
fn half_widths_hold_the_promised_share() {
    let (n, failure) = (20_000usize, 0.05);
    for m in [
        Mechanism::laplace(count(), Epsilon::cost(0.3).unwrap()).unwrap(),
        Mechanism::gaussian(count(), Rho::cost(0.01).unwrap()).unwrap(),
    ] {
        let width = m.half_width(failure, 0) as i64;
        let outside = m.add_noise(&vec![0; n]).unwrap().iter().filter(|x| x.abs() > width).count();
        assert!(outside as f64 / n as f64 <= failure + stray(n), "{outside}");
        // And not by being much too wide: a tenth narrower fails.
        let narrow = (width as f64 * 0.8) as i64;
        let outside = m.add_noise(&vec![0; n]).unwrap().iter().filter(|x| x.abs() > narrow).count();
        assert!(outside as f64 / n as f64 > failure, "{outside}");
    }
}

/// Looks for an event that is more likely under one neighbour than epsilon allows, over all half-lines; true if one is
/// found that chance would show with probability below [`ALPHA`].
fn distinguishes(one: &[i64], other: &[i64], epsilon: f64) -> bool {
    let (mut a, mut b) = (one.to_vec(), other.to_vec());
    a.sort_unstable();
    b.sort_unstable();
    let slack = stray(a.len()) + epsilon.exp() * stray(b.len());
    let share = |s: &[i64], x: i64| s.partition_point(|v| *v <= x) as f64 / s.len() as f64;
    let (low, high) = (a[0].min(b[0]), a[a.len() - 1].max(b[b.len() - 1]));
    (low..=high).any(|x| {
        let (p, q) = (share(&a, x), share(&b, x));
        let e = epsilon.exp();
        p > e * q + slack || q > e * p + slack || 1.0 - p > e * (1.0 - q) + slack || 1.0 - q > e * (1.0 - p) + slack
    })
}

#[test]
fn an_audit_by_sampling_passes_the_mechanisms_and_catches_a_broken_one() {
    let n = 20_000;
    let epsilon = Epsilon::cost(1.0).unwrap();
    let honest = Mechanism::laplace(count(), epsilon).unwrap();
    let draw = |m: &Mechanism, exact: i64| m.add_noise(&vec![exact; n]).unwrap();
    assert!(!distinguishes(&draw(&honest, 100), &draw(&honest, 101), 1.0));
    // The Gaussian of the same plan at its (epsilon, delta): delta is far below what this audit resolves.
    let gaussian = Mechanism::gaussian(count(), Rho::cost(0.05).unwrap()).unwrap();
    let at = Cost::Concentrated { rho: Rho::cost(0.05).unwrap(), delta: Delta::ZERO }.epsilon_at(1e-6).unwrap();
    assert!(!distinguishes(&draw(&gaussian, 100), &draw(&gaussian, 101), at));
    // Broken: noise for half the sensitivity, and noise that forgets a tenth of the draws.
    let broken = Mechanism { kind: Kind::Laplace { price: epsilon, scale: 0.5 }, ..honest.clone() };
    assert!(distinguishes(&draw(&broken, 100), &draw(&broken, 101), 1.0));
    let forgetful = |exact: i64| {
        draw(&honest, exact)
            .into_iter()
            .enumerate()
            .map(|(i, v)| if i % 10 < 4 { exact } else { v })
            .collect::<Vec<_>>()
    };
    assert!(distinguishes(&forgetful(100), &forgetful(101), 1.0));
}

/// Outputs of neighbours share one support: every integer near both can come from either, and nothing but integers.
#[test]
fn neighbours_share_one_support() {
    let m = Mechanism::laplace(count(), Epsilon::cost(1.0).unwrap()).unwrap();
    let seen = |exact: i64| {
        let all = m.add_noise(&vec![exact; 20_000]).unwrap();
        (-2..=3).map(|x| all.contains(&x)).collect::<Vec<_>>()
    };
    // Each of these values has a probability above 2 %: missing one of them has probability below (0.98)^20000 < 1e-175.
    assert_eq!(seen(0), vec![true; 6]);
    assert_eq!(seen(1), vec![true; 6]);
}

/// Extremes of the integer type saturate and do not wrap.
#[test]
fn extreme_values_do_not_wrap() {
    let m = Mechanism::laplace(count(), Epsilon::cost(0.001).unwrap()).unwrap();
    for _ in 0..50 {
        let out = m.add_noise(&[i64::MAX, i64::MIN]).unwrap();
        assert!(out[0] > 0 && out[1] < 0);
    }
}
