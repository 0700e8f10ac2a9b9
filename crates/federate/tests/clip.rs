//! Clipping: no vector is longer than its norm, whatever comes in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_federate::Grid;
use proptest::prelude::*;

fn square(steps: &[i64]) -> u128 {
    steps.iter().map(|v| u128::from(v.unsigned_abs()).pow(2)).sum()
}

proptest! {
    /// Whatever comes in, what comes out is no longer than the norm, and close to what came in.
    #[test]
    fn no_vector_is_longer_than_the_norm(
        vector in proptest::collection::vec(prop_oneof![-1e3..1e3f64, Just(0.0), -1e300..1e300f64, -1e-3..1e-3f64], 0..40),
        norm in prop_oneof![1u32..40, 1u32..=Grid::MAX_NORM],
        clip in prop_oneof![0.01..100.0f64, Just(1.0)],
    ) {
        let grid = Grid::new(clip, norm).unwrap();
        let (steps, cut) = grid.quantise(&vector).unwrap();
        prop_assert!(square(&steps) <= u128::from(norm).pow(2));
        let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length <= clip * 0.9 {
            prop_assert!(!cut);
            let step = grid.step();
            // Each entry within half a step, and what is taken off where rounding made it too long.
            let slack = 0.5 + (vector.len() as f64).sqrt();
            prop_assert!(vector.iter().zip(&steps).all(|(v, s)| (v / step - *s as f64).abs() <= slack + 1e-6));
        }
    }
}

#[test]
fn the_clip_is_exact_where_it_can_be() {
    let grid = Grid::new(5.0, 5).unwrap();
    assert_eq!(grid.quantise(&[3.0, 4.0]).unwrap(), (vec![3, 4], false));
    assert_eq!(grid.quantise(&[30.0, 40.0]).unwrap(), (vec![3, 4], true));
    assert_eq!(grid.quantise(&[-0.4, 0.6]).unwrap(), (vec![0, 1], false));
    // To the nearest it would be (1, 1, …), longer than one step.
    assert_eq!(Grid::new(1.0, 1).unwrap().quantise(&[0.6; 2]).unwrap().0.iter().sum::<i64>(), 0);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(grid.quantise(&[0.0, bad]).is_err());
    }
    for (clip, norm) in [(0.0, 1), (-1.0, 1), (f64::NAN, 1), (f64::INFINITY, 1), (1.0, 0), (1.0, u32::MAX)] {
        assert_eq!(Grid::new(clip, norm), None);
    }
    assert!(grid.quantise(&[f64::MAX; 4]).unwrap().1);
    assert_eq!(grid.quantise(&[f64::MIN_POSITIVE / 4.0; 4]).unwrap(), (vec![0; 4], false));
}

#[test]
fn the_finest_grid_is_what_the_bits_hold() {
    let steps = |bits, vectors| Grid::finest(1.0, bits, vectors).unwrap().norm();
    assert_eq!(steps(16, 10), 3276);
    assert_eq!(steps(16, 0), 32_767);
    // One step at least, which the terms then refuse; never over 2^20.
    assert_eq!(steps(2, 1_000_000), 1);
    assert_eq!(steps(48, 1), 1 << 20);
    assert_eq!(steps(200, 1), 1 << 20);
    assert_eq!(steps(0, 1), 1);
    assert_eq!(Grid::finest(f64::NAN, 16, 1), None);
}
