//! A model of three sites that never show their rows: fitted within a budget, beside the fit to the pooled rows.
//!
//! Left out with `--quick`.

use crate::failure::Failure;
use crate::tour::studies::cohort;
use crate::tour::{Figures, Step, World, broken, require};
use mediveil_dp::Rho;
use mediveil_federate::{Examples, FederateError, Federation, Grid, Simulation, Task, Terms, Unit};
use mediveil_ledger::Log;
use mediveil_seal::identity::{Identity, IdentityKind, PublicIdentity};

const MEMBERS: usize = 3;
const ROUNDS: u32 = 15;

pub(crate) const STEPS: &[Step] = &[Step {
    name: "train together",
    claim: "three sites fit one model under rho 1; it predicts as the pooled fit does, within what the noise explains",
    run: train,
}];

fn failed(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

/// Who has diabetes, from what a check-up measures. Centres and spreads are those of adults in general.
fn task(day: &str) -> Result<Task, Failure> {
    let json = format!(
        r#"{{"kind": "logistic", "label": "diabetes", "features": [
            {{"name": "birth_date", "age_at": "{day}", "centre": 50, "spread": 20}},
            {{"name": "bmi", "centre": 27, "spread": 5}},
            {{"name": "systolic_bp", "centre": 125, "spread": 16}},
            {{"name": "glucose", "centre": 100, "spread": 25}}],
            "step": 1.5, "momentum": 0.7, "ridge": 0.001}}"#
    );
    Ok(Task::from_json(&json)?)
}

fn train(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    if world.quick {
        return Ok("left out with --quick".into());
    }
    let mut rng = mediveil_rng::system();
    let day = world.now.to_string();
    let task = task(day.get(..10).unwrap_or("2026-01-01"))?;
    let tables = cohort(world)?.iter().map(|t| task.examples(t.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let largest = tables.iter().map(Examples::len).max().unwrap_or_default();
    let mut people = |count: usize| {
        (0..count).map(|_| Identity::generate(IdentityKind::P256, &mut rng)).collect::<Result<Vec<_>, _>>()
    };
    let (sites, members) = (people(tables.len())?, people(MEMBERS)?);
    let operator = people(1)?.pop().ok_or_else(|| broken("nobody"))?;
    let public = |all: &[Identity]| all.iter().map(|i| i.public().clone()).collect::<Vec<PublicIdentity>>();
    let path = world.out.join("federation.log");
    for old in ["federation.log", "federation.log-wal", "federation.log-shm"] {
        let _ = std::fs::remove_file(world.out.join(old));
    }
    let log = Log::create(&path, &mut mediveil_rng::system()).map_err(|e| Failure::from(e).at(&path))?;
    let cap: Rho = "1".parse().map_err(failed)?;
    let each = cap.split(ROUNDS.into()).and_then(|parts| parts.last().copied()).ok_or_else(|| broken("no price"))?;
    let federation = Federation::new(Terms {
        title: "who has diabetes".into(),
        entries: task.entries().unwrap_or_default(),
        task,
        sites: public(&sites),
        members: public(&members),
        needed: 2,
        least_sites: 2,
        operator: operator.public().clone(),
        log: log.id(),
        unit: Unit::Patient,
        grid: Grid::new(1.5, 10_000).ok_or_else(|| broken("no grid"))?,
        bits: 32,
        // Declared, not counted: room for twice what there is.
        max_patients: u32::try_from(largest.saturating_mul(2).clamp(1, 100_000)).unwrap_or(100_000),
        rounds: ROUNDS,
        rho: each,
        cap,
        degree: Terms::DEGREE,
    })?;
    let budget = federation.create_budget(&log, world.now)?;
    let sites: Vec<(Identity, Examples)> = sites.into_iter().zip(tables).collect();
    let simulation = Simulation {
        federation: &federation,
        budget: &budget,
        sites: &sites,
        members: &members,
        repeats: 20,
        now: world.now,
    };
    let report = simulation.run(&mut rng, &mut |_| ())?;
    let last = report.rounds.last().ok_or_else(|| broken("no round"))?;
    let (score, pooled) = (last.federated.score, report.pooled.score);
    // One run in twenty falls out of its band; half a point more is room for that.
    require(score >= last.band.0 - 0.005, "the model is worse than its noise explains")?;
    require(score >= pooled - 0.05, "the model is far from the pooled fit")?;
    // One round more is refused, and spends nothing.
    let spent = budget.spent().map_err(FederateError::from)?;
    let more = federation.begin(&budget, ROUNDS + 1, &report.model.to_bytes(), world.now);
    require(matches!(more, Err(FederateError::NoRound { .. })), "a round beyond the terms begins")?;
    require(budget.spent().map_err(FederateError::from)? == spent, "a refused round spent something")?;
    require(budget.audit().map_err(FederateError::from)?.findings.is_empty(), "the budget does not add up")?;
    figures.set("rounds", ROUNDS);
    figures.set("patients", report.patients);
    figures.set("accuracy_released", score);
    figures.set("accuracy_without_noise", last.noiseless.score);
    figures.set("accuracy_pooled", pooled);
    figures.set("spent_rho", report.spent.to_string());
    figures.set("upload_bytes", federation.plan().upload_bytes);
    figures.chart(&report.plot());
    Ok(format!(
        "accuracy {:.2} % released, {:.2} % pooled; the noise explains {:.2} to {:.2} %; rho {} in {ROUNDS} rounds",
        score * 100.0,
        pooled * 100.0,
        last.band.0 * 100.0,
        last.band.1 * 100.0,
        report.spent,
    ))
}
