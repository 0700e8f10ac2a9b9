//! Measures admission: its cost after 100,000 past queries against its cost after 10, and durable admissions a second with
//! one writer and with eight. `cargo run --release -p mediveil-dp --example admission`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use mediveil_codec::{Timestamp, Wire};
use mediveil_dp::accounting::Cost;
use mediveil_dp::{
    Account, Budget, Debit, Epsilon, Guarantee, Mechanism, Neighbours, Plan, PrivacyUnit, QueryId, Sensitivity, Terms,
};
use mediveil_ledger::{Actor, Entry, Event, Label, Log, LogError, UniqueKey};
use std::time::Instant;

const DATA_SET: [u8; 32] = [7; 32];

fn units(n: u64) -> Cost {
    Cost::Pure(Epsilon::from_units(n).unwrap())
}

fn plan(unit: PrivacyUnit, version: u64) -> Plan {
    let count = Sensitivity::count(unit).unwrap();
    let mechanism = Mechanism::laplace(count, Epsilon::from_units(1000).unwrap()).unwrap();
    Plan::new(b"count", version, vec![mechanism]).unwrap()
}

/// Writes `n` past queries in one transaction, as that many reservations would have.
fn history(log: &Log, n: u64, now: Timestamp) {
    log.transaction(|tx| -> Result<(), LogError> {
        let mut last = 0;
        for number in 1..=n {
            let query = UniqueKey::of("past", &number.to_be_bytes());
            let debit = Debit {
                query: QueryId::from_bytes(*query.as_bytes()),
                number,
                version: 0,
                cost: units(1),
                total: units(number),
                account: Account::default(),
            };
            let key = UniqueKey::of("dp/debit", &[DATA_SET, *query.as_bytes()].concat());
            let event =
                Event::Budget { data_set: DATA_SET, kind: Label::new("debited").unwrap(), body: debit.encode() };
            last = tx.append(&Entry::new(now, Actor::SYSTEM, event).keyed(key))?.index;
            let sql = "INSERT INTO dp_query (data_set, id) VALUES (?1, ?2)";
            tx.db().execute(sql, &[(&DATA_SET).into(), query.as_bytes().into()])?;
        }
        tx.db().execute(
            "UPDATE dp_budget SET main = ?1, debits = ?1, last_entry = ?2",
            &[i64::try_from(n).unwrap().into(), i64::try_from(last).unwrap().into()],
        )?;
        Ok(())
    })
    .unwrap();
}

fn main() {
    let now: Timestamp = "2027-01-31T08:00:00Z".parse().unwrap();
    let unit = PrivacyUnit::new(Neighbours::AddRemove, 1).unwrap();
    let terms = Terms { data_set: DATA_SET, unit, guarantee: Guarantee::DataSet, cap: units(1 << 60) };
    let dir = tempfile::tempdir().unwrap();
    let fixtures: Vec<Budget> = [10, 100_000]
        .into_iter()
        .map(|n| {
            let log = Log::create(dir.path().join(n.to_string()), &mut mediveil_rng::SeededRng::from_u64(n)).unwrap();
            let budget = Budget::create(&log, terms, Actor::SYSTEM, now).unwrap();
            history(&log, n, now);
            budget
        })
        .collect();
    // Alternating rounds, so that both see the same machine; the median of each.
    let mut times = [Vec::new(), Vec::new()];
    for version in 1..=2000 {
        for (budget, times) in fixtures.iter().zip(&mut times) {
            let plan = plan(unit, version);
            let start = Instant::now();
            let _ = budget.reserve(&plan, now).unwrap();
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let [few, many] = &mut times;
    let (few, many) = (median(few), median(many));
    println!("admission after 10: {:.1} us, after 100,000: {:.1} us", few * 1e6, many * 1e6);
    println!("dp.admission_flatness {:.3}", many / few);
    for writers in [1u64, 8] {
        let each = 2000 / writers;
        let start = Instant::now();
        std::thread::scope(|scope| {
            for writer in 0..writers {
                let budget = fixtures[1].clone();
                scope.spawn(move || {
                    for n in 0..each {
                        let plan = plan(unit, 1_000_000 * writers + writer * 10_000 + n);
                        let _ = budget.reserve(&plan, now).unwrap();
                    }
                });
            }
        });
        println!(
            "dp.admissions_per_s {writers} writers: {:.0}",
            (each * writers) as f64 / start.elapsed().as_secs_f64()
        );
    }
    assert!(fixtures[0].audit().unwrap().findings.is_empty());
}
