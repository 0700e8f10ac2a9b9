//! All roles in one process, over real or sample tables, and how far a federated fit is from the pooled one.
//!
//! Only a simulation can tell: it holds every site's rows, which in a real federation nobody does. What it compares with is not
//! released, costs no budget and must not leave the process that holds the rows. The released numbers beside it are made by the same
//! code as in a real federation, with real noise.
//!
//! *What the noise explains.* The same training is repeated with fresh continuous Gaussian noise of the planned deviation on
//! the pooled rows; the scores between the 5th and 95th percentile of these repetitions are the band in which a federated fit is
//! expected.

use crate::clip::float;
use crate::error::FederateError;
use crate::solve::solve;
use crate::task::{Examples, Model, Task, dot, logistic};
use crate::terms::Federation;
use mediveil_codec::Timestamp;
use mediveil_dp::{Budget, Rho};
use mediveil_fhe::opening::MemoryStore;
use mediveil_seal::identity::Identity;
use rand_core::CryptoRng;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How well weights predict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Logistic: the share of labels that are predicted right. Linear: the share of the variance that is explained.
    pub score: f64,
    /// Logistic: the mean logarithmic loss. Linear: the mean squared error, in spreads of the target.
    pub loss: f64,
}

/// How well weights predict these examples.
#[must_use]
pub fn evaluate(task: &Task, weights: &[f64], examples: &Examples) -> Fit {
    let count = float(i64::try_from(examples.len()).unwrap_or(i64::MAX)).max(1.0);
    if let Task::Linear { .. } = task {
        let mean = examples.rows().map(|(_, y)| y).sum::<f64>() / count;
        let off = examples.rows().map(|(x, y)| (y - dot(weights, x)) * (y - dot(weights, x))).sum::<f64>();
        let all = examples.rows().map(|(_, y)| (y - mean) * (y - mean)).sum::<f64>();
        return Fit { score: 1.0 - off / all.max(f64::MIN_POSITIVE), loss: off / count };
    }
    let mut fit = Fit { score: 0.0, loss: 0.0 };
    for (x, y) in examples.rows() {
        let z = dot(weights, x);
        fit.score += f64::from(u8::from((z > 0.0) == (y > 0.5)));
        // -ln of the probability of what happened.
        let towards = if y > 0.5 { z } else { -z };
        fit.loss += libm::log1p(libm::exp(-towards.abs())) + (-towards).max(0.0);
    }
    Fit { score: fit.score / count, loss: fit.loss / count }
}

/// The best fit to pooled examples, without clip, noise or rounds: least squares, or Newton's method on the logistic loss with the
/// task's ridge.
///
/// # Errors
/// [`FederateError::Model`] where the examples determine no fit.
pub fn pooled_fit(task: &Task, examples: &Examples) -> Result<Vec<f64>, FederateError> {
    let singular = || FederateError::Model("the pooled examples determine no fit");
    let size = task.features().len().saturating_add(1);
    let mut weights = vec![0.0; size];
    let (rounds, ridge) = match task {
        Task::Sum {} => return Err(FederateError::Model("plain sums have no model")),
        Task::Linear { .. } => (1, 0.0),
        Task::Logistic { ridge, .. } => (50, *ridge),
    };
    let count = float(i64::try_from(examples.len()).unwrap_or(i64::MAX)).max(1.0);
    for _ in 0..rounds {
        let mut hessian = vec![vec![0.0; size]; size];
        let mut gradient = vec![0.0; size];
        for (x, y) in examples.rows() {
            let z = dot(&weights, x);
            let (residual, curvature) = match task {
                Task::Linear { .. } => (y - z, 1.0),
                _ => (y - logistic(z), logistic(z) * (1.0 - logistic(z))),
            };
            for ((row, g), a) in hessian.iter_mut().zip(&mut gradient).zip(x) {
                *g += residual * a;
                row.iter_mut().zip(x).for_each(|(h, b)| *h += curvature * a * b);
            }
        }
        for ((row, g), (i, w)) in hessian.iter_mut().zip(&mut gradient).zip(weights.iter().enumerate()) {
            if i.saturating_add(1) < size {
                *g -= ridge * count * w;
                row.iter_mut().skip(i).take(1).for_each(|h| *h += ridge * count);
            }
        }
        let step = solve(&hessian, &gradient, 1e-9 * count).ok_or_else(singular)?;
        weights.iter_mut().zip(&step).for_each(|(w, s)| *w += s);
        if step.iter().all(|s| s.abs() < 1e-9) {
            break;
        }
        check_finite(&weights)?;
    }
    Ok(weights)
}

fn check_finite(weights: &[f64]) -> Result<(), FederateError> {
    if weights.iter().all(|w| w.is_finite() && w.abs() < 1e6) {
        return Ok(());
    }
    Err(FederateError::Model("the pooled examples are separated: their best fit is endless; declare a ridge"))
}

/// One round of a simulation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RoundReport {
    /// Its number, from 1.
    pub number: u32,
    /// How well the released model predicts the pooled rows.
    pub federated: Fit,
    /// How well the same training does on pooled rows without noise.
    pub noiseless: Fit,
    /// The 5th and the 95th percentile of the score over repeated draws of the planned noise.
    pub band: (f64, f64),
    /// Sites that were counted.
    pub sites: u32,
    /// Members' noises that were counted.
    pub noises: u32,
}

/// What a simulation found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The rounds.
    pub rounds: Vec<RoundReport>,
    /// The last released model.
    pub model: Model,
    /// The best pooled fit, without clip and noise.
    pub pooled: Fit,
    /// Deviation of the noise in each released sum, relative to the clip.
    pub deviation: f64,
    /// What was spent.
    pub spent: Rho,
    /// Patients of all sites.
    pub patients: usize,
}

impl Report {
    /// Whether the last score lies within what the noise explains, or above.
    #[must_use]
    pub fn within_noise(&self) -> bool {
        self.rounds.last().is_some_and(|r| r.federated.score >= r.band.0)
    }

    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let fit = |f: &Fit| json!({"score": f.score, "loss": f.loss});
        let rounds: Vec<Value> = self
            .rounds
            .iter()
            .map(|r| {
                json!({"round": r.number, "federated": fit(&r.federated), "noiseless": fit(&r.noiseless),
                    "noise_explains": [r.band.0, r.band.1], "sites": r.sites, "noises": r.noises})
            })
            .collect();
        json!({"simulation": true, "patients": self.patients, "rounds": rounds, "pooled": fit(&self.pooled),
            "deviation_over_clip": self.deviation, "spent_rho": self.spent.to_string(),
            "within_noise": self.within_noise(), "weights": self.model.weights})
    }

    /// Score over rounds, as SVG: what the noise explains as a band, the training without noise, the released models, and the
    /// best pooled fit.
    #[must_use]
    pub fn plot(&self) -> String {
        let (width, height, left, top) = (640.0, 260.0, 60.0, 20.0);
        let scores = self.rounds.iter().flat_map(|r| [r.federated.score, r.noiseless.score, r.band.0, r.band.1]);
        let (low, high) = scores
            .chain([self.pooled.score])
            .filter(|s| s.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)));
        let room = ((high - low) * 0.08).max(1e-3);
        let (low, high) = (low - room, high + room);
        let last = f64::from(u32::try_from(self.rounds.len()).unwrap_or(1)).max(2.0);
        let x = |round: u32| left + (f64::from(round) - 1.0) / (last - 1.0) * width;
        let y = |score: f64| top + (high - score.clamp(low, high)) / (high - low) * height;
        let line = |of: &dyn Fn(&RoundReport) -> f64| {
            self.rounds.iter().fold(String::new(), |mut text, r| {
                let _ = write!(text, "{:.1},{:.1} ", x(r.number), y(of(r)));
                text
            })
        };
        let band = self.rounds.iter().rev().fold(line(&|r| r.band.1), |mut text, r| {
            let _ = write!(text, "{:.1},{:.1} ", x(r.number), y(r.band.0));
            text
        });
        let mut svg = format!(
            "<svg role=\"img\" aria-label=\"Score over rounds\" width=\"100%\" viewBox=\"0 0 {:.0} {:.0}\" \
             font-size=\"12\" font-family=\"system-ui,sans-serif\">",
            left + width + 20.0,
            top + height + 60.0
        );
        for part in 0..=4 {
            let score = low + (high - low) * f64::from(part) / 4.0;
            let _ = write!(
                svg,
                "<line x1=\"{left}\" x2=\"{:.0}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#dde3ea\"/><text x=\"{2:.0}\" \
                 y=\"{3:.1}\" text-anchor=\"end\">{score:.3}</text>",
                left + width,
                y(score),
                left - 8.0,
                y(score) + 4.0
            );
        }
        let (right, best) = (left + width, y(self.pooled.score));
        let _ = write!(
            svg,
            "<polygon points=\"{band}\" fill=\"#4a86c5\" fill-opacity=\"0.18\"/><line x1=\"{left}\" x2=\"{right:.0}\" \
             y1=\"{best:.1}\" y2=\"{best:.1}\" stroke=\"#5a6675\" stroke-dasharray=\"6 4\"/><polyline points=\"{}\" fill=\"none\" \
             stroke=\"#5a6675\"/><polyline points=\"{}\" fill=\"none\" stroke=\"#0a6b3d\" stroke-width=\"2\"/>",
            line(&|r| r.noiseless.score),
            line(&|r| r.federated.score),
        );
        for r in &self.rounds {
            let _ = write!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"#0a6b3d\"/>",
                x(r.number),
                y(r.federated.score)
            );
        }
        let foot = top + height + 24.0;
        let _ = write!(
            svg,
            "<text x=\"{left}\" y=\"{foot:.0}\">round 1</text><text x=\"{:.0}\" y=\"{foot:.0}\" \
             text-anchor=\"end\">round {}</text><text x=\"{left}\" y=\"{:.0}\">green: released models; grey: the same training \
             without noise; dashed: best pooled fit; blue: what the noise explains</text></svg>",
            left + width,
            self.rounds.len(),
            foot + 22.0
        );
        svg
    }
}

/// A federation with everybody in one process.
#[derive(Debug)]
pub struct Simulation<'a> {
    /// The federation.
    pub federation: &'a Federation,
    /// Its budget.
    pub budget: &'a Budget,
    /// Each site with its rows, in the order of the terms.
    pub sites: &'a [(Identity, Examples)],
    /// The members, in the order of the terms.
    pub members: &'a [Identity],
    /// How often the training is repeated with other noise, for the band.
    pub repeats: u32,
    /// The present.
    pub now: Timestamp,
}

/// A training on pooled rows in memory, with noise of a given deviation.
fn rehearse(
    simulation: &Simulation<'_>,
    rounds: u32,
    deviation: f64,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Vec<Fit>, FederateError> {
    let terms = simulation.federation.terms();
    let (task, clip) = (&terms.task, terms.grid.clip());
    let pooled = Examples::pooled(&simulation.sites.iter().map(|(_, e)| e.clone()).collect::<Vec<_>>());
    let mut model = task.start();
    let mut fits = Vec::new();
    for _ in 0..rounds {
        let entries = usize::try_from(terms.entries).unwrap_or(usize::MAX);
        let mut sums = vec![0.0; entries];
        for vector in task.vectors(&model, &pooled, clip)? {
            let length = libm::sqrt(dot(&vector, &vector));
            let factor = if length > clip { clip / length } else { 1.0 };
            sums.iter_mut().zip(&vector).for_each(|(s, v)| *s += v * factor);
        }
        if deviation > 0.0 {
            sums.iter_mut().for_each(|s| *s += deviation * normal(rng));
        }
        match task.advance(&model, &sums, clip, deviation) {
            Ok(next) => model = next,
            // Noise left nothing to solve: the weights stay.
            Err(FederateError::Model(_)) => model.rounds = model.rounds.saturating_add(1),
            Err(other) => return Err(other),
        }
        fits.push(evaluate(task, &model.weights, &pooled));
    }
    Ok(fits)
}

/// A standard normal draw (Box and Muller 1958): for rehearsals, never for privacy.
fn normal(rng: &mut (impl CryptoRng + ?Sized)) -> f64 {
    let mut uniform = || (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0;
    libm::sqrt(-2.0 * libm::log(uniform())) * libm::cos(2.0 * std::f64::consts::PI * uniform())
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = float(i64::try_from(sorted.len().saturating_sub(1)).unwrap_or(0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
    let place = libm::round(part * last) as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

impl Simulation<'_> {
    /// One round through the whole protocol, with every site and every member.
    fn round(
        &self,
        number: u32,
        model: &Model,
        stores: &mut [MemoryStore],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Model, u32, u32), FederateError> {
        let (federation, budget, log, now) = (self.federation, self.budget, self.budget.log(), self.now);
        let terms = federation.terms();
        let round = federation.begin(budget, number, &model.to_bytes(), now)?;
        let mut uploads = Vec::new();
        for (identity, examples) in self.sites {
            let sum = federation.gather(terms.task.vectors(model, examples, terms.grid.clip())?)?;
            uploads.push(federation.contribute(&round, &sum, identity, rng)?);
        }
        for member in self.members {
            uploads.push(federation.noise(budget, &round, member, rng, &|_, _| ())?);
        }
        for upload in &uploads {
            federation.commit(log, &round, &upload.contribution, now)?;
        }
        let contributions: Vec<_> = uploads.iter().map(|u| u.contribution.clone()).collect();
        federation.close(log, &round, &contributions, now)?;
        let mut tally = federation.tally(budget, &round)?;
        uploads.iter().try_for_each(|upload| tally.add(upload))?;
        let needed = usize::try_from(terms.needed).unwrap_or(usize::MAX);
        let answering = self.members.iter().zip(stores).take(needed);
        let sums = answering
            .map(|(member, store)| federation.answer(budget, &round, &contributions, member, store))
            .collect::<Result<Vec<_>, _>>()?;
        let release = federation.combine(budget, &round, &tally, &sums, now)?;
        Ok((federation.after(model, &release)?, release.sites(), release.noises()))
    }

    /// Trains over all rounds and reports. `progress` is told each round when it is over.
    ///
    /// # Errors
    /// [`FederateError`], such as a budget that does not reach.
    pub fn run(
        &self,
        rng: &mut (impl CryptoRng + ?Sized),
        progress: &mut dyn FnMut(&RoundReport),
    ) -> Result<Report, FederateError> {
        let terms = self.federation.terms();
        let task = &terms.task;
        let pooled = Examples::pooled(&self.sites.iter().map(|(_, e)| e.clone()).collect::<Vec<_>>());
        let noises = libm::sqrt(float(i64::try_from(self.members.len()).unwrap_or(i64::MAX)));
        let deviation = self.federation.plan().sigma * noises * terms.grid.step();
        let rounds = task.rounds().unwrap_or(terms.rounds).min(terms.rounds);
        let noiseless = rehearse(self, rounds, 0.0, rng)?;
        let mut repeats = Vec::new();
        for _ in 0..self.repeats.max(1) {
            repeats.push(rehearse(self, rounds, deviation, rng)?);
        }
        let mut stores: Vec<MemoryStore> = self.members.iter().map(|_| MemoryStore::new()).collect();
        let mut model = task.start();
        let mut reports = Vec::new();
        for (number, noiseless) in (1..=rounds).zip(noiseless) {
            let (next, sites, noises) = self.round(number, &model, &mut stores, rng)?;
            model = next;
            let place = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
            let mut scores: Vec<f64> = repeats.iter().filter_map(|r| r.get(place).map(|f| f.score)).collect();
            scores.sort_by(f64::total_cmp);
            let band = (percentile(&scores, 0.05), percentile(&scores, 0.95));
            let federated = evaluate(task, &model.weights, &pooled);
            let report = RoundReport { number, federated, noiseless, band, sites, noises };
            progress(&report);
            reports.push(report);
        }
        let spent = match self.budget.spent()? {
            Some(mediveil_dp::accounting::Cost::Concentrated { rho, .. }) => rho,
            _ => Rho::ZERO,
        };
        Ok(Report {
            rounds: reports,
            model,
            pooled: evaluate(task, &pooled_fit(task, &pooled)?, &pooled),
            deviation: deviation / terms.grid.clip(),
            spent,
            patients: pooled.len(),
        })
    }
}
