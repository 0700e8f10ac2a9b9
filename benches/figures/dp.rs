//! The budget: whether admission stays as it is over 100,000 queries, admissions a second, and how far reports exceed the exact.
//!
//! Logs lie beside this program, in the target directory: on a disk, not in memory. OpenDP's filter is asked for its own
//! flatness, the cost of a query after 3,000 others over that after 10: it adds up all of history for each.

use crate::print;
use mediveil_codec::{Timestamp, Wire};
use mediveil_dp::accounting::{Cost, FixedPlan, Loss};
use mediveil_dp::{Account, Budget, Debit, Epsilon, Guarantee, Plan, Price, Query, QueryId, Schema, Terms};
use mediveil_ledger::{Actor, Entry, Event, Label, Log, LogError, UniqueKey};
use mediveil_rng::SeededRng;
use opendp::combinators::{make_fully_adaptive_composition, make_privacy_filter};
use opendp::domains::AtomDomain;
use opendp::measurements::make_randomized_response_bool;
use opendp::measures::MaxDivergence;
use opendp::metrics::DiscreteDistance;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error>>;

const DATA_SET: [u8; 32] = [7; 32];
const UNITS: u64 = 1000;
const SCHEMA: &str = r#"{"patient": "id", "rows_per_patient": 1, "max_rows": 100000, "columns": []}"#;

struct Setting {
    schema: Schema,
    now: Timestamp,
}

impl Setting {
    fn plan(&self, version: u64) -> Outcome<Plan> {
        let price = Price::Epsilon(Epsilon::from_units(UNITS).ok_or("a price")?);
        Ok(Query::from_json(r#"{"statistic": "count"}"#)?.plan(&self.schema, version, price)?)
    }

    /// A budget with so many debits behind it, loaded in one transaction and seen to be a true history by its audit.
    fn budget(&self, folder: &Path, past: u64) -> Outcome<Budget> {
        let path = folder.join(format!("{past}.log"));
        let cap = Cost::Pure(Epsilon::cap(1e6)?);
        let terms = Terms { data_set: DATA_SET, unit: self.schema.unit(), guarantee: Guarantee::DataSet, cap };
        {
            let log = Log::create(&path, &mut SeededRng::from_u64(past))?;
            Budget::create(&log, terms, Actor::SYSTEM, self.now)?;
            self.load(&log, past)?;
        }
        // Opened anew: what was written ahead has come home to the file, as in a service that has run for long.
        let log = Log::open(&path)?;
        let budget = Budget::open(&log, &DATA_SET, Actor::SYSTEM)?;
        let audit = budget.audit()?;
        if audit.debits != past || !audit.findings.is_empty() {
            return Err("the fixture is no true history".into());
        }
        Ok(budget)
    }

    fn load(&self, log: &Log, past: u64) -> Outcome<()> {
        let kind = Label::new("debited")?;
        let amount = |n: u64| Epsilon::from_units(n).map(Cost::Pure).ok_or(LogError::Complete);
        log.transaction(|tx| -> Result<(), LogError> {
            let mut last = 0;
            for number in 1..=past {
                let query = *UniqueKey::of("bench", &number.to_be_bytes()).as_bytes();
                let debit = Debit {
                    query: QueryId::from_bytes(query),
                    number,
                    version: number,
                    cost: amount(UNITS)?,
                    total: amount(UNITS * number)?,
                    account: Account::default(),
                };
                let event = Event::Budget { data_set: DATA_SET, kind: kind.clone(), body: debit.encode() };
                let key = UniqueKey::of("dp/debit", &[DATA_SET, query].concat());
                last = tx.append(&Entry::new(self.now, Actor::SYSTEM, event).keyed(key))?.index;
                let sql = "INSERT INTO dp_query (data_set, id, answer, members) VALUES (?1, ?2, NULL, NULL)";
                tx.db().execute(sql, &[(&DATA_SET).into(), (&query).into()])?;
            }
            let (total, last) = (i64::try_from(UNITS * past), i64::try_from(last));
            let (total, last) = (total.map_err(|_| LogError::Complete)?, last.map_err(|_| LogError::Complete)?);
            let past = i64::try_from(past).map_err(|_| LogError::Complete)?;
            let sql = "UPDATE dp_budget SET main = ?1, debits = ?2, last_entry = ?3";
            tx.db().execute(sql, &[total.into(), past.into(), last.into()])?;
            Ok(())
        })?;
        Ok(())
    }

    /// Seconds that one durable admission takes, the next version's.
    fn admit(&self, budget: &Budget, version: u64) -> Outcome<f64> {
        let plan = self.plan(version)?;
        let start = Instant::now();
        drop(budget.reserve(&plan, self.now)?);
        Ok(start.elapsed().as_secs_f64())
    }

    /// Mean cost with 100,000 debits behind over that with 10, taken in turns.
    fn flatness(&self, folder: &Path) -> Outcome<f64> {
        let (few, many) = (self.budget(folder, 10)?, self.budget(folder, 100_000)?);
        let (mut at_few, mut at_many) = (0.0, 0.0);
        for n in 0..420u64 {
            let (a, b) = (self.admit(&few, 1_000_000 + n)?, self.admit(&many, 1_000_000 + n)?);
            if n >= 20 {
                (at_few, at_many) = (at_few + a, at_many + b);
            }
        }
        Ok(at_many / at_few)
    }

    fn per_second(&self, budget: &Budget, writers: u64, first: u64) -> Outcome<f64> {
        const SPAN: Duration = Duration::from_secs(2);
        let start = Instant::now();
        let counts: Vec<Result<u64, String>> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..writers)
                .map(|writer| {
                    let budget = budget.clone();
                    scope.spawn(move || {
                        let mut done = 0;
                        while start.elapsed() < SPAN {
                            let version = first + writer * 1_000_000 + done;
                            self.admit(&budget, version).map_err(|e| e.to_string())?;
                            done += 1;
                        }
                        Ok(done)
                    })
                })
                .collect();
            writers.into_iter().map(|w| w.join().unwrap_or_else(|_| Err("a writer panicked".into()))).collect()
        });
        let done = counts.into_iter().sum::<Result<u64, String>>()?;
        Ok(done as f64 / start.elapsed().as_secs_f64())
    }
}

fn opendp_flatness() -> Outcome<f64> {
    let odometer = make_fully_adaptive_composition(AtomDomain::<bool>::default(), DiscreteDistance, MaxDivergence)?;
    let mut queryable = make_privacy_filter(odometer, 1, 1e6)?.invoke(&true)?;
    let (mut asked, mut at) = (0u32, Vec::new());
    for from in [10, 3000] {
        while asked < from {
            queryable.invoke(make_randomized_response_bool(0.51, false)?)?;
            asked += 1;
        }
        let start = Instant::now();
        for _ in 0..20 {
            queryable.invoke(make_randomized_response_bool(0.51, false)?)?;
            asked += 1;
        }
        at.push(start.elapsed().as_secs_f64());
    }
    match at[..] {
        [few, many] => Ok(many / few),
        _ => Err("two points".into()),
    }
}

/// `delta(epsilon)` of a normal pair with ratio mu (Balle, Wang 2018, theorem 8).
fn gaussian_delta(mu: f64, epsilon: f64) -> f64 {
    let phi = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    phi(mu / 2.0 - epsilon / mu) - libm::exp(epsilon) * phi(-mu / 2.0 - epsilon / mu)
}

/// `delta(epsilon)` of k-fold randomised response (Kairouz, Oh, Viswanath 2015), by its binomial sum.
fn response_delta(k: u32, eps0: f64, epsilon: f64) -> f64 {
    let p = 1.0 / (1.0 + libm::exp(-eps0));
    let (mut ln_choose, mut sum) = (0.0, 0.0);
    for j in 0..=k {
        if j > 0 {
            ln_choose += libm::log(f64::from(k - j + 1)) - libm::log(f64::from(j));
        }
        let loss = (2.0 * f64::from(j) - f64::from(k)) * eps0;
        if loss > epsilon {
            let ln = ln_choose + f64::from(j) * libm::log(p) + f64::from(k - j) * libm::log(1.0 - p);
            sum += -libm::expm1(epsilon - loss) * libm::exp(ln);
        }
    }
    sum
}

fn exact(delta: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 50.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if f(middle) <= delta { high = middle } else { low = middle }
    }
    high
}

/// The largest relative excess over the exact epsilon on the reference table; an error if one report is below.
fn excess() -> Outcome<f64> {
    let mut largest = 0.0f64;
    let mut compare = |plan: FixedPlan, delta: f64, exact: f64| -> Outcome<()> {
        let excess = plan.epsilon_at(delta)?.epsilon / exact - 1.0;
        if excess < 0.0 {
            return Err("a report is below the exact epsilon".into());
        }
        largest = largest.max(excess);
        Ok(())
    };
    for (k, sigma) in [(1u32, 1.0), (1000, 100.0), (1000, 50.0)] {
        for delta in [1e-5, 1e-6] {
            let mu = f64::from(k).sqrt() / sigma;
            let plan = FixedPlan::new().with(Loss::Gaussian { ratio: 1.0 / sigma }, k.into());
            compare(plan, delta, exact(delta, |e| gaussian_delta(mu, e)))?;
        }
    }
    for (k, eps0) in [(10u32, 0.1), (100, 0.1), (1000, 0.01)] {
        let epsilon = Epsilon::cost(eps0)?;
        let plan = FixedPlan::new().with(Loss::Pure { epsilon }, k.into());
        compare(plan, 1e-6, exact(1e-6, |e| response_delta(k, epsilon.to_f64_up(), e)))?;
    }
    Ok(largest)
}

pub(crate) fn figures() -> Outcome<()> {
    let here = std::env::current_exe()?;
    let folder = tempfile::tempdir_in(here.parent().ok_or("no directory")?)?;
    let setting = Setting { schema: Schema::from_json(SCHEMA)?, now: "2027-01-31".parse()? };
    print("dp.admission_flatness", setting.flatness(folder.path())?, Some(opendp_flatness()?));
    let busy = setting.budget(folder.path(), 1000)?;
    print("dp.admissions_per_s", setting.per_second(&busy, 1, 10_000_000)?, None);
    print("dp.admissions_per_s.8", setting.per_second(&busy, 8, 20_000_000)?, None);
    if !busy.audit()?.findings.is_empty() {
        return Err("the audit finds something amiss".into());
    }
    // Where a sync costs nothing: what is left is the work itself.
    if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
        print("dp.admission_flatness.no_sync", setting.flatness(memory.path())?, None);
    }
    print("dp.epsilon_excess", excess()?, None);
    Ok(())
}
