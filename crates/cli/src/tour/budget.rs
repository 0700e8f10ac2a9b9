//! A research budget on the cohort: spent to its end, repeated for free, and killed in the middle.

use crate::commands::budget::{BudgetFile, HAMMER_UNITS, hammer_plan, page};
use crate::failure::Failure;
use crate::tour::{Figures, Step, World, broken, require, write};
use mediveil_codec::Wire;
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Account, Budget, Debit, Epsilon, Guarantee, Plan, Price, Query, Refused, Reservation};
use mediveil_dp::{Schema, Table, Terms};
use mediveil_ledger::{Event, Log, UniqueKey};
use mediveil_rng::Rng;
use mediveil_sample::Generator;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Patients of the cohort that is generated when there is none beside the bundles.
const GENERATED: u32 = 400;

const SCHEMA: &str = r#"{
    "patient": "patient_id", "rows_per_patient": 1, "max_rows": 100000,
    "columns": [
        {"kind": "category", "name": "site", "values": ["A", "B", "C"]},
        {"kind": "category", "name": "sex", "values": ["female", "male"]},
        {"kind": "number", "name": "systolic_bp", "low": "60", "high": "260", "scale": 2},
        {"kind": "number", "name": "hba1c", "low": "3", "high": "20", "scale": 2},
        {"kind": "number", "name": "smoker", "low": "0", "high": "1"},
        {"kind": "number", "name": "diabetes", "low": "0", "high": "1"}
    ]
}"#;

/// What is asked, and for how much of an epsilon of 1.
const QUERIES: &[(&str, &str, &str)] = &[
    (
        "patients with diabetes",
        r#"{"statistic": "count", "filter": [{"between": {"column": "diabetes", "low": "1", "high": "1"}}]}"#,
        "0.1",
    ),
    ("mean HbA1c", r#"{"statistic": {"mean": {"column": "hba1c"}}}"#, "0.2"),
    (
        "systolic pressure",
        r#"{"statistic": {"histogram": {"column": "systolic_bp", "edges": ["120", "140", "160"]}}}"#,
        "0.1",
    ),
    ("sites and sexes", r#"{"statistic": {"contingency": {"columns": ["site", "sex"]}}}"#, "0.1"),
    ("smokers by site", r#"{"statistic": {"group_sum": {"by": ["site"], "column": "smoker"}}}"#, "0.1"),
    (
        "median systolic pressure",
        r#"{"statistic": {"quantile": {"column": "systolic_bp", "numerator": 1, "denominator": 2}}}"#,
        "0.2",
    ),
    ("variance of HbA1c", r#"{"statistic": {"variance": {"column": "hba1c"}}}"#, "0.3"),
];

/// The cohort with its budget.
pub(crate) struct Cohort {
    budget: Budget,
    file: PathBuf,
    csv: PathBuf,
    table: Table,
    /// What was asked, with the bytes that were released.
    asked: Vec<(Plan, Vec<u8>)>,
}

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "create a budget",
        claim: "the cohort's table has an epsilon of 1 for its whole life, kept in the log",
        run: create,
    },
    Step {
        name: "ask until refused",
        claim: "each query is charged before the table is read; what no longer fits is refused at no cost",
        run: ask,
    },
    Step {
        name: "ask again for free",
        claim: "a repeated query gets the same bytes and costs nothing, whoever asks",
        run: repeat,
    },
    Step {
        name: "kill the budgeter",
        claim: "killed at random moments, it goes on: nothing is lost, nothing is paid twice, the sum is exact",
        run: kill,
    },
];

fn say(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

fn cohort(world: &World) -> Result<&Cohort, Failure> {
    world.cohort.as_ref().ok_or_else(|| broken("no cohort"))
}

fn create(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let log = world.log.as_ref().ok_or_else(|| broken("no log"))?;
    let schema = Schema::from_json(SCHEMA).map_err(say)?;
    let beside = world.fhir.as_deref().and_then(Path::parent).map(|p| p.join("cohort.csv")).filter(|p| p.is_file());
    let csv = match beside {
        Some(csv) => csv,
        None => {
            let csv = world.out.join("cohort.csv");
            write(&csv, Generator::new(world.seed).cohort_csv(GENERATED).as_bytes())?;
            csv
        }
    };
    let reader = std::fs::File::open(&csv).map_err(|e| Failure::from(e).at(&csv))?;
    let table = Table::from_csv(reader, &schema).map_err(|e| Failure::from(e).at(&csv))?;
    let data_set = *UniqueKey::of("dp/data-set", b"the tour's cohort").as_bytes();
    let terms = Terms {
        data_set,
        unit: schema.unit(),
        guarantee: Guarantee::DataSet,
        cap: Cost::Pure(Epsilon::cap_from_decimal("1").map_err(say)?),
    };
    let budget = Budget::create(&log.log, terms, log.actor(), world.now)?;
    let again = Budget::create(
        &log.log,
        Terms { cap: Cost::Pure(Epsilon::cap(9.0).map_err(say)?), ..terms },
        log.actor(),
        world.now,
    );
    require(matches!(again, Err(Refused::Exists)), "a budget can be created anew")?;
    let file = world.out.join("cohort.budget");
    if file.exists() {
        std::fs::remove_file(&file).map_err(|e| Failure::from(e).at(&file))?;
    }
    BudgetFile::new(&file, log.log.path(), "the tour's cohort", data_set, log.actor(), schema)?.write(&file)?;
    budget.declare_schema(table.schema(), world.now)?;
    figures.set("cap_epsilon", 1.0);
    let line = format!("epsilon 1 for the table {}", csv.file_name().map(|n| n.to_string_lossy()).unwrap_or_default());
    world.cohort = Some(Cohort { budget, file, csv, table, asked: Vec::new() });
    Ok(line)
}

fn plan(schema: &Schema, query: &str, price: &str, version: u64) -> Result<Plan, Failure> {
    let account = Account { researcher: "ada".into(), project: "heart".into(), purpose: "HRESCH".into() };
    let price = Price::Epsilon(price.parse().map_err(say)?);
    Ok(Query::from_json(query)?.plan(schema, version, price)?.charged_to(account))
}

fn ask(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let now = world.now;
    let cohort = world.cohort.as_mut().ok_or_else(|| broken("no cohort"))?;
    let (budget, table) = (&cohort.budget, &cohort.table);
    let mut said = String::new();
    let mut refused = None;
    for (name, query, price) in QUERIES {
        let plan = plan(table.schema(), query, price, 1)?;
        let before = (budget.log().size()?, budget.spent()?);
        let preview = budget.preview(&plan)?;
        match budget.ask(&plan, table, now) {
            Ok(answer) => {
                let spent = before.1.and_then(|s| s.checked_add(&preview.cost));
                require(budget.spent()? == spent, "the charge is not what the preview said")?;
                if let Some([first, ..]) = plan.estimates(&answer).as_deref() {
                    figures.set(name, format!("{:.1} ({:.1} to {:.1})", first.value, first.low, first.high));
                    if said.is_empty() {
                        said = format!("{name}: {:.0} ± {:.0}", first.value, first.high - first.value);
                    }
                }
                cohort.asked.push((plan, answer.encode()));
            }
            Err(why @ Refused::OverBudget { .. }) => {
                require(preview.refusal == Some(why.clone()), "the preview did not say that it would be refused")?;
                require((budget.log().size()?, budget.spent()?) == before, "a refusal cost something")?;
                refused = Some(why);
            }
            Err(other) => return Err(other.into()),
        }
    }
    let refused = refused.ok_or_else(|| broken("nothing was refused"))?;
    // The filter is still usable: something smaller fits.
    let (_, query, _) = QUERIES.last().ok_or_else(|| broken("no query"))?;
    let smaller = plan(table.schema(), query, "0.1", 1)?;
    let answer = budget.ask(&smaller, table, now)?;
    cohort.asked.push((smaller, answer.encode()));
    figures.set("queries", cohort.asked.len());
    if let Some(Cost::Pure(spent)) = budget.spent()? {
        figures.set("spent_epsilon", spent.to_f64_up());
    }
    Ok(format!("{} answers ({said}); then {refused}", cohort.asked.len()))
}

fn repeat(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let cohort = cohort(world)?;
    let budget = &cohort.budget;
    let before = (budget.log().size()?, budget.spent()?);
    for (plan, released) in &cohort.asked {
        let other = plan.clone().charged_to(Account { researcher: "bob".into(), ..Account::default() });
        for plan in [plan.clone(), other] {
            require(budget.preview(&plan)?.cost.units() == (0, 0), "a repeat has a price")?;
            match budget.reserve(&plan, world.now)? {
                Reservation::Answered(bytes) => require(bytes == *released, "a repeat gets another answer")?,
                Reservation::Permit(_) => return Err(broken("a repeat is answered anew")),
            }
        }
    }
    require((budget.log().size()?, budget.spent()?) == before, "a repeat cost something")?;
    figures.set("repeats", cohort.asked.len().saturating_mul(2));
    Ok(format!("{} answers, twice each, the same to the byte", cohort.asked.len()))
}

/// A child that dies with its handle, whatever happens to the step.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sum over the log's entries alone, in wide integers: units spent, and how many debits.
fn independent_sum(log: &Log, data_set: &[u8; 32]) -> Result<(u128, u64), Failure> {
    let (mut seen, mut sum) = (BTreeSet::new(), 0u128);
    for record in log.entries(0..log.size()?) {
        if let Event::Budget { data_set: of, kind, body } = record?.entry()?.event
            && of == *data_set
            && kind.as_str() == "debited"
        {
            let debit = Debit::decode(&body)?;
            require(seen.insert(*debit.query.as_bytes()), "a query was debited twice")?;
            sum = sum.saturating_add(debit.cost.units().0.into());
            require(u128::from(debit.total.units().0) == sum, "a debit's total is not the sum of all before it")?;
        }
    }
    Ok((sum, u64::try_from(seen.len()).unwrap_or(u64::MAX)))
}

fn kill(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let rounds = if world.quick { 5 } else { 25 };
    let cohort = cohort(world)?;
    let (budget, table) = (&cohort.budget, &cohort.table);
    let (log, data_set) = (budget.log(), &budget.terms().data_set);
    let (before, base) = independent_sum(log, data_set)?;
    let mut rng = mediveil_rng::system();
    let (mut next, mut resumed) = (0u64, 0u32);
    for _ in 0..rounds {
        let size = log.size()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["budget", "hammer"]).arg(&cohort.file).arg("--table").arg(&cohort.csv);
        command.args(["--from", &next.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = Killed(command.spawn()?);
        // Killed somewhere within the first few debits and answers, each of which is an entry.
        let enough = size.saturating_add(u64::from(rng.next_u32() % 12)).saturating_add(1);
        let start = Instant::now();
        while log.size()? < enough {
            require(start.elapsed() < Duration::from_secs(60), "the child does nothing")?;
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(u64::from(rng.next_u32() % 5_000)));
        drop(child);

        let audit = budget.audit()?;
        require(audit.findings.is_empty(), "the audit finds something amiss after a kill")?;
        let (sum, debits) = independent_sum(log, data_set)?;
        next = debits.saturating_sub(base);
        let expected = before.saturating_add(u128::from(next).saturating_mul(HAMMER_UNITS.into()));
        require(sum == expected && audit.spent == (sum, 0), "the sum is wrong after a kill")?;
        let spent = budget.spent()?.map(|s| u128::from(s.units().0));
        require(spent == Some(sum), "the running total is wrong after a kill")?;
        // A debit without an answer is gone on with, and paid no second time.
        let unanswered = audit.debits.saturating_sub(audit.answered);
        require(unanswered <= 1, "one child left more than one debit open")?;
        if unanswered == 1 {
            budget.ask(&hammer_plan(table.schema(), next.saturating_sub(1))?, table, world.now)?;
            require(independent_sum(log, data_set)? == (sum, debits), "going on was charged again")?;
            resumed = resumed.saturating_add(1);
        }
        let audit = budget.audit()?;
        require(audit.debits == audit.answered && audit.findings.is_empty(), "a debit stays without its answer")?;
    }
    write(&world.out.join("budget.html"), page("the tour's cohort", budget)?.as_bytes())?;
    figures.set("kills", rounds);
    figures.set("debits", next);
    figures.set("resumed", resumed);
    Ok(format!(
        "{rounds} children killed after {next} debits in all, {resumed} of them open and gone on with; the sum is exact"
    ))
}
