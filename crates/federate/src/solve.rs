//! Small dense symmetric systems: Cholesky's factorisation and Jacobi's eigenvalues.

/// Solves (matrix + ridge) x = right; `None` if that is not positive definite.
pub(crate) fn solve(matrix: &[Vec<f64>], right: &[f64], ridge: f64) -> Option<Vec<f64>> {
    let n = right.len();
    let at = |rows: &[Vec<f64>], i: usize, j: usize| rows.get(i).and_then(|r| r.get(j)).copied();
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(n);
    for i in 0..n {
        let mut row: Vec<f64> = Vec::with_capacity(n);
        for j in 0..=i {
            let known: f64 = match lower.get(j) {
                Some(other) => row.iter().zip(other.iter().take(j)).map(|(a, b)| a * b).sum(),
                None => row.iter().take(j).map(|a| a * a).sum(),
            };
            let value = at(matrix, i, j)? - known + if i == j { ridge } else { 0.0 };
            if i == j {
                if value <= 0.0 || !value.is_finite() {
                    return None;
                }
                row.push(libm::sqrt(value));
            } else {
                row.push(value / at(&lower, j, j)?);
            }
        }
        lower.push(row);
    }
    let mut x: Vec<f64> = Vec::with_capacity(n);
    for (row, b) in lower.iter().zip(right) {
        let known: f64 = row.iter().zip(&x).map(|(l, x)| l * x).sum();
        x.push((b - known) / row.last()?);
    }
    for i in (0..n).rev() {
        let known: f64 = (i.saturating_add(1)..n).map(|k| Some(at(&lower, k, i)? * x.get(k)?)).sum::<Option<f64>>()?;
        let value = (x.get(i)? - known) / at(&lower, i, i)?;
        *x.get_mut(i)? = value;
    }
    x.iter().all(|v| v.is_finite()).then_some(x)
}

/// The least eigenvalue of a symmetric matrix, by cyclic Jacobi rotations (Golub and Van Loan, *Matrix Computations*, §8.5).
pub(crate) fn least_eigenvalue(matrix: &[Vec<f64>]) -> f64 {
    let n = matrix.len();
    let mut a: Vec<f64> = matrix.iter().flatten().copied().collect();
    let at = |a: &[f64], i: usize, j: usize| a.get(i.wrapping_mul(n).wrapping_add(j)).copied().unwrap_or_default();
    for _ in 0..60 {
        let mut off = 0.0;
        for p in 0..n {
            for q in p.saturating_add(1)..n {
                let (app, aqq, apq) = (at(&a, p, p), at(&a, q, q), at(&a, p, q));
                off += apq * apq;
                if apq == 0.0 {
                    continue;
                }
                let theta = (aqq - app) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + libm::sqrt(theta * theta + 1.0));
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / libm::sqrt(t * t + 1.0);
                let s = t * c;
                let mut set = |i: usize, j: usize, value: f64| {
                    if let Some(place) = a.get_mut(i.wrapping_mul(n).wrapping_add(j)) {
                        *place = value;
                    }
                };
                set(p, p, app - t * apq);
                set(q, q, aqq + t * apq);
                set(p, q, 0.0);
                set(q, p, 0.0);
                for k in (0..n).filter(|k| *k != p && *k != q) {
                    let (akp, akq) = (at(&a, k, p), at(&a, k, q));
                    let (x, y) = (c * akp - s * akq, s * akp + c * akq);
                    for (i, j, value) in [(k, p, x), (p, k, x), (k, q, y), (q, k, y)] {
                        if let Some(place) = a.get_mut(i.wrapping_mul(n).wrapping_add(j)) {
                            *place = value;
                        }
                    }
                }
            }
        }
        if off < 1e-22 * a.iter().map(|v| v * v).sum::<f64>() {
            break;
        }
    }
    (0..n).map(|i| at(&a, i, i)).fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_with_a_known_answer() {
        let matrix = vec![vec![4.0, 1.0, 0.5], vec![1.0, 3.0, -1.0], vec![0.5, -1.0, 5.0]];
        let x = [1.0, -2.0, 3.0];
        let right: Vec<f64> = matrix.iter().map(|r| r.iter().zip(x).map(|(a, x)| a * x).sum()).collect();
        for (found, x) in solve(&matrix, &right, 0.0).unwrap().iter().zip(x) {
            assert!((found - x).abs() < 1e-12);
        }
        assert_eq!(solve(&[vec![1.0, 2.0], vec![2.0, 1.0]], &[1.0, 1.0], 0.0), None, "not positive definite");
        assert!(solve(&[vec![1.0, 2.0], vec![2.0, 1.0]], &[1.0, 1.0], 2.0).is_some());
    }

    #[test]
    fn eigenvalues_of_known_matrices() {
        // Eigenvalues 1 and 3; 2 - sqrt 2, 2, 2 + sqrt 2.
        assert!((least_eigenvalue(&[vec![2.0, 1.0], vec![1.0, 2.0]]) - 1.0).abs() < 1e-12);
        let chain = [vec![2.0, -1.0, 0.0], vec![-1.0, 2.0, -1.0], vec![0.0, -1.0, 2.0]];
        assert!((least_eigenvalue(&chain) - (2.0 - 2f64.sqrt())).abs() < 1e-12);
        assert_eq!(least_eigenvalue(&[vec![-7.0]]), -7.0);
    }
}
