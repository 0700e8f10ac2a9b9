//! Reports plans that were fixed in advance: one plan a line on stdin, one answer a line on stdout, both JSON.
//!
//! A plan is `{"delta": 1e-6, "parts": [{"kind": "gaussian", "ratio": 0.5, "times": 10}]}`. Kinds and their parameters are
//! those of [`Loss`]: `pure` (epsilon), `approximate` (epsilon, delta), `laplace` and `gaussian` (ratio),
//! `discrete_laplace` (scale, shift), `discrete_gaussian` (sigma, shift). An answer is `{"epsilon": 1.2}` or
//! `{"error": "..."}`. The agreement test with other accountants speaks to this program.

use mediveil_dp::accounting::{FixedPlan, Loss};
use mediveil_dp::{Delta, Epsilon};
use serde_json::{Value, json};
use std::io::{BufRead, Write};

fn loss(part: &Value) -> Result<Loss, String> {
    let number = |name: &str| part.get(name).and_then(Value::as_f64).ok_or(format!("no number {name:?}"));
    let shift = || part.get("shift").and_then(Value::as_u64).ok_or("no whole number \"shift\"");
    let epsilon = || Epsilon::cost(number("epsilon")?).map_err(|e| e.to_string());
    Ok(match part.get("kind").and_then(Value::as_str) {
        Some("pure") => Loss::Pure { epsilon: epsilon()? },
        Some("approximate") => {
            Loss::Approximate { epsilon: epsilon()?, delta: Delta::cost(number("delta")?).map_err(|e| e.to_string())? }
        }
        Some("laplace") => Loss::Laplace { ratio: number("ratio")? },
        Some("gaussian") => Loss::Gaussian { ratio: number("ratio")? },
        Some("discrete_laplace") => Loss::DiscreteLaplace { scale: number("scale")?, shift: shift()? },
        Some("discrete_gaussian") => Loss::DiscreteGaussian { sigma: number("sigma")?, shift: shift()? },
        _ => return Err("no known \"kind\"".into()),
    })
}

fn report(line: &str) -> Result<f64, String> {
    let plan: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let delta = plan.get("delta").and_then(Value::as_f64).ok_or("no number \"delta\"")?;
    let mut fixed = FixedPlan::new();
    for part in plan.get("parts").and_then(Value::as_array).ok_or("no list \"parts\"")? {
        fixed = fixed.with(loss(part)?, part.get("times").and_then(Value::as_u64).unwrap_or(1));
    }
    fixed.epsilon_at(delta).map(|r| r.epsilon).map_err(|e| e.to_string())
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match report(&line?) {
            Ok(epsilon) => json!({ "epsilon": epsilon }),
            Err(error) => json!({ "error": error }),
        };
        writeln!(out, "{answer}")?;
    }
    out.flush()
}
