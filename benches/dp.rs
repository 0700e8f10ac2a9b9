//! The budget: durable admission, repeats, previews, and the exact report of a fixed plan.
//!
//! The log lies under the target directory, on a real disk: an admission is a transaction with its sync. OpenDP's filter, the
//! peer, keeps nothing: it forgets everything with its process. It is here because it is what one would use instead, and its time
//! includes the release that it cannot do without.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at the first failure")]

use criterion::{Criterion, criterion_group, criterion_main};
use mediveil_codec::Timestamp;
use mediveil_dp::accounting::{Cost, FixedPlan, Loss};
use mediveil_dp::{Budget, Epsilon, Guarantee, Plan, Price, Query, Schema, Table, Terms};
use mediveil_ledger::{Actor, Log};
use mediveil_rng::SeededRng;
use opendp::combinators::{make_fully_adaptive_composition, make_privacy_filter};
use opendp::domains::AtomDomain;
use opendp::measurements::make_randomized_response_bool;
use opendp::measures::MaxDivergence;
use opendp::metrics::DiscreteDistance;
use std::hint::black_box;

const SCHEMA: &str = r#"{"patient": "id", "rows_per_patient": 1, "max_rows": 100000,
    "columns": [{"kind": "number", "name": "hba1c", "low": "3", "high": "20", "scale": 1}]}"#;

fn count(schema: &Schema, version: u64) -> Plan {
    let price = Price::Epsilon(Epsilon::from_units(1000).unwrap());
    Query::from_json(r#"{"statistic": "count"}"#).unwrap().plan(schema, version, price).unwrap()
}

fn budget(c: &mut Criterion) {
    let here = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir_in(here.parent().unwrap()).unwrap();
    let schema = Schema::from_json(SCHEMA).unwrap();
    let csv: String = (0..1000).map(|p| format!("p{p},{}.{}\n", 4 + p % 9, p % 10)).collect();
    let table = Table::from_csv(format!("id,hba1c\n{csv}").as_bytes(), &schema).unwrap();
    let log = Log::create(folder.path().join("bench.log"), &mut SeededRng::from_u64(1)).unwrap();
    let now: Timestamp = "2027-01-31".parse().unwrap();
    let cap = Cost::Pure(Epsilon::cap(1e6).unwrap());
    let terms = Terms { data_set: [7; 32], unit: schema.unit(), guarantee: Guarantee::DataSet, cap };
    let budget = Budget::create(&log, terms, Actor::SYSTEM, now).unwrap();
    let mut version = 0;
    c.bench_function("dp.admission", |b| {
        b.iter(|| {
            version += 1;
            budget.reserve(&count(&schema, version), now).unwrap()
        });
    });
    c.bench_function("dp.ask.1000", |b| {
        b.iter(|| {
            version += 1;
            budget.ask(&count(&schema, version), &table, now).unwrap()
        });
    });
    c.bench_function("dp.preview", |b| b.iter(|| budget.preview(&count(&schema, version + 1)).unwrap()));
    assert!(budget.audit().unwrap().findings.is_empty());
}

fn report(c: &mut Criterion) {
    let plan = FixedPlan::new()
        .with(Loss::DiscreteGaussian { sigma: 50.0, shift: 1 }, 1000)
        .with(Loss::DiscreteLaplace { scale: 100.0, shift: 1 }, 100);
    c.bench_function("dp.report.1100", |b| b.iter(|| black_box(&plan).epsilon_at(1e-6).unwrap()));
}

fn peer(c: &mut Criterion) {
    let odometer =
        make_fully_adaptive_composition(AtomDomain::<bool>::default(), DiscreteDistance, MaxDivergence).unwrap();
    let filter = make_privacy_filter(odometer, 1, 1e6).unwrap();
    let mut queryable = filter.invoke(&true).unwrap();
    c.bench_function("dp.admission/peer", |b| {
        b.iter(|| queryable.invoke(make_randomized_response_bool(0.51, false).unwrap()).unwrap());
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = budget, report, peer
}
criterion_main!(benches);
