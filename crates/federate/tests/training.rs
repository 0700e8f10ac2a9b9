//! Models fitted by federations of sample patients, beside the pooled fit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_federate::testing::Town;
use mediveil_federate::*;
use mediveil_sample::Generator;

const LOGISTIC: &str = r#"{"kind": "logistic", "label": "diabetes", "features": [
    {"name": "birth_date", "age_at": "2026-01-01", "centre": 50, "spread": 20},
    {"name": "bmi", "centre": 27, "spread": 5},
    {"name": "systolic_bp", "centre": 125, "spread": 16},
    {"name": "hba1c", "centre": 5.7, "spread": 1}], "step": 1.5, "momentum": 0.7, "ridge": 0.001}"#;

const LINEAR: &str = r#"{"kind": "linear", "target": {"name": "systolic_bp", "centre": 125, "spread": 16}, "features": [
    {"name": "birth_date", "age_at": "2026-01-01", "centre": 50, "spread": 20},
    {"name": "bmi", "centre": 27, "spread": 5}]}"#;

/// The sample cohort as three tables.
fn tables(rows: u32) -> Vec<String> {
    let csv = Generator::new(2026).cohort_csv(rows);
    let mut lines = csv.lines();
    let heading = lines.next().unwrap();
    let mut tables = vec![format!("{heading}\n"); 3];
    for (i, line) in lines.enumerate() {
        tables[i % 3].push_str(line);
        tables[i % 3].push('\n');
    }
    tables
}

fn train(json: &str, rounds: u32, each: &str, rows: u32) -> Report {
    let task = Task::from_json(json).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clip = if matches!(task, Task::Linear { .. }) { 6.0 } else { 1.5 };
    let mut town = Town::new(folder.path(), |t| {
        t.entries = task.entries().unwrap();
        t.task = task.clone();
        (t.rounds, t.rho, t.cap) = (rounds, each.parse().unwrap(), "2".parse().unwrap());
        (t.bits, t.max_patients, t.grid) = (32, rows, Grid::new(clip, 10_000).unwrap());
    });
    let sites: Vec<_> = town.sites.drain(..).collect::<Vec<_>>();
    let tables = tables(rows);
    let sites: Vec<_> =
        sites.into_iter().zip(&tables).map(|(i, t)| (i, task.examples(t.as_bytes()).unwrap())).collect();
    let simulation = Simulation {
        federation: &town.federation,
        budget: &town.budget,
        sites: &sites,
        members: &town.members,
        repeats: 20,
        now: town.now,
    };
    let mut seen = 0;
    let report = simulation.run(&mut town.rng, &mut |_| seen += 1).unwrap();
    assert_eq!(seen, report.rounds.len());
    assert!(report.patients > rows as usize * 9 / 10);
    // Every round was paid for, and no more.
    let spent = town.budget.spent().unwrap().unwrap();
    assert_eq!(spent.units().0, town.federation.plan().each.units() * u64::from(rounds));
    assert!(town.budget.audit().unwrap().findings.is_empty());
    report
}

#[test]
fn logistic_regression_reaches_the_pooled_fit_within_its_noise() {
    let report = train(LOGISTIC, 12, "0.05", 1_500);
    let last = report.rounds.last().unwrap();
    let first = report.rounds.first().unwrap();
    println!("{:#}", report.to_json());
    // Every twentieth run may fall out of the band: an allowance of two points beneath it.
    assert!(last.federated.score >= last.band.0 - 0.02, "{last:?}");
    assert!(last.federated.score >= report.pooled.score - 0.05, "{last:?} {:?}", report.pooled);
    assert!(last.federated.loss < first.federated.loss);
    // The training without noise is near the best fit, so that what is left is noise.
    assert!((last.noiseless.score - report.pooled.score).abs() < 0.03, "{last:?} {:?}", report.pooled);
    assert!((report.model.patients / report.patients as f64 - 1.0).abs() < 0.1, "{}", report.model.patients);
}

#[test]
fn linear_regression_takes_one_round() {
    let report = train(LINEAR, 1, "1", 1_500);
    let last = report.rounds.last().unwrap();
    println!("{:#}", report.to_json());
    assert_eq!(report.rounds.len(), 1);
    assert!(last.federated.score >= last.band.0 - 0.02, "{last:?}");
    assert!(last.federated.score >= report.pooled.score - 0.05, "{last:?} {:?}", report.pooled);
}

#[test]
fn too_little_budget_for_the_rounds_is_refused_before_any() {
    let task = Task::from_json(LOGISTIC).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let town = Town::new(folder.path(), |_| ());
    let mut terms = town.federation.terms().clone();
    (terms.entries, terms.task, terms.rounds) = (task.entries().unwrap(), task, 4);
    assert!(matches!(terms.plan(), Err(PlanError::Budget { rounds: 4, .. })));
}

#[test]
fn tasks_that_make_no_sense_are_refused() {
    for bad in [
        "",
        "{}",
        r#"{"kind": "quadratic"}"#,
        r#"{"kind": "sum", "more": 1}"#,
        &LOGISTIC.replace("1.5", "0"),
        &LOGISTIC.replace("0.7", "1"),
        &LOGISTIC.replace("0.001", "-1"),
        &LOGISTIC.replace("\"spread\": 5", "\"spread\": 0"),
        &LOGISTIC.replace("2026-01-01", "2026"),
        &LOGISTIC.replace("2026-01-01", "2026-13-01"),
        &LINEAR.replace("\"bmi\"", "\"\""),
        r#"{"kind": "linear", "target": {"name": "y", "centre": 0, "spread": 1}, "features": []}"#,
    ] {
        assert!(matches!(Task::from_json(bad), Err(PlanError::Task(_))), "{bad}");
    }
    let task = Task::from_json(LINEAR).unwrap();
    assert_eq!(Task::from_json(&task.to_json()).unwrap(), task);
    assert_eq!(task.entries(), Some(10));
    for bad in [
        "birth_date,bmi\n1960-01-01,20\n",
        "birth_date,bmi,systolic_bp\nx,20,120\n",
        "birth_date,bmi,systolic_bp\n1960-01-01,NaN,120\n",
        "birth_date,bmi,systolic_bp\n1960-01-01,20\n",
    ] {
        assert!(task.examples(bad.as_bytes()).is_err(), "{bad}");
    }
    // A missing feature is its centre, a missing target is no row.
    let found = task.examples("birth_date,bmi,systolic_bp\n,,120\n1960-01-01,20,\n".as_bytes()).unwrap();
    assert_eq!(found.len(), 1);
    assert!(Model::from_bytes(b"{}").is_err());
    let model = task.start();
    assert_eq!(Model::from_bytes(&model.to_bytes()).unwrap(), model);
    assert!(task.advance(&model, &[0.0; 9], 1.0, 1.0).is_err());
    let Err(FederateError::Model(why)) = task.advance(&model, &[0.0; 10], 1.0, 0.0) else { panic!("solved") };
    assert!(why.contains("nothing to solve"));
}

#[test]
fn predictions_are_in_the_targets_unit_and_need_no_target() {
    let linear = Task::from_json(LINEAR).unwrap();
    // 125 + 16 (0.5 age' - 0.25 bmi' + 1), at age 70 and BMI 32: 125 + 16 (0.5 - 0.25 + 1).
    let found = linear.predict(&[0.5, -0.25, 1.0], "bmi,birth_date\n32,1956-01-01\n,\n".as_bytes()).unwrap();
    assert_eq!(found, [145.0, 141.0]);
    let logistic = Task::from_json(LOGISTIC).unwrap();
    let table = "birth_date,bmi,systolic_bp,hba1c\n,27,125,5.7\n,,,6.7\n";
    let found = logistic.predict(&[0.0, 0.0, 0.0, 2.0, 0.0], table.as_bytes()).unwrap();
    assert_eq!(found[0], 0.5);
    assert!((found[1] - 1.0 / (1.0 + (-2f64).exp())).abs() < 1e-12);
    assert!(logistic.predict(&[0.0; 5], "bmi\n1\n".as_bytes()).is_err(), "a column is missing");
    assert!(logistic.predict(&[0.0; 4], table.as_bytes()).is_err(), "other features");
    assert!(Task::Sum {}.predict(&[0.0], "a\n1\n".as_bytes()).is_err());
    // The same number as the score of the examples.
    let examples = logistic.examples("birth_date,bmi,systolic_bp,hba1c,diabetes\n,,,6.7,1\n".as_bytes()).unwrap();
    assert!((evaluate(&logistic, &[0.0, 0.0, 0.0, 2.0, 0.0], &examples).loss + found[1].ln()).abs() < 1e-12);
}

#[test]
fn numbers_of_many_digits_are_read_again_as_they_are_written() {
    let mut state = 1u64;
    for _ in 0..3_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = f64::from_bits((state >> 12) | 0x3ff0_0000_0000_0000) * 10f64.powi((state % 7) as i32 - 3);
        let json =
            LINEAR.replace("\"centre\": 27, \"spread\": 5", &format!("\"centre\": {number}, \"spread\": {number}"));
        let task = Task::from_json(&json).unwrap();
        assert_eq!(Task::from_json(&task.to_json()).unwrap().to_json(), task.to_json(), "{number}");
        assert!((task.features()[1].spread / number - 1.0).abs() < 1e-15, "{number}");
    }
}

#[test]
fn the_plot_stands_alone_and_has_all_rounds() {
    let report = train(LOGISTIC, 3, "0.1", 300);
    let plot = report.plot();
    assert!(plot.starts_with("<svg") && plot.ends_with("</svg>") && !plot.contains("NaN"));
    assert_eq!(plot.matches("<circle").count(), 3);
}
