//! `mediveil budget preview` and `query`.

use super::file::{AccountArgs, BudgetFile, DELTA, PriceArgs, figure, read_query};
use super::{cost_json, remaining, salt_of};
use crate::commands::log::short;
use crate::failure::Failure;
use crate::files::{Input, write_armored};
use crate::global::Global;
use clap::Args;
use mediveil_dp::accounting::{Cost, FixedPlan};
use mediveil_dp::{Budget, Epsilon, Estimate, Plan, Price, Query, Refused, Table};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `budget preview`.
///
/// Of several queries the sum is shown too, and what they promise together if all of them are fixed before the first is asked.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    /// The budget's file
    file: PathBuf,
    /// A query in JSON, or a file with one
    #[arg(required = true, value_name = "QUERY")]
    query: Vec<String>,
    #[command(flatten)]
    price: PriceArgs,
    #[command(flatten)]
    account: AccountArgs,
    /// The version of the data
    #[arg(long, value_name = "N", default_value_t = 1)]
    version: u64,
    /// The delta at which to say what the queries promise together
    #[arg(long, value_name = "DELTA", default_value_t = DELTA)]
    at_delta: f64,
}

impl Preview {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let (file, budget) = BudgetFile::open(&self.file, false)?;
        let mut fixed = FixedPlan::new();
        let (mut sum, mut rows, mut text) = (Cost::zero(budget.terms().cap.regime()), Vec::new(), String::new());
        for query in &self.query {
            let plan = read_query(query)?.plan(&file.schema, self.version, self.price.price())?;
            let plan = plan.charged_to(self.account.account());
            let preview = budget.preview(&plan)?;
            sum = sum.checked_add(&preview.cost).ok_or(Refused::Amount(mediveil_dp::AmountError::TooLarge))?;
            fixed = fixed.with_mechanisms(plan.mechanisms());
            let expected = plan.expected().unwrap_or_default();
            let refusal = preview.refusal.as_ref().map(ToString::to_string);
            let quotas: Vec<Value> = preview
                .quotas
                .iter()
                .map(|(kind, left)| json!({ "kind": kind.name(), "remaining": cost_json(left) }))
                .collect();
            let errors: Vec<Value> = expected
                .iter()
                .map(|e| json!({ "figure": e.figure, "mean": e.mean, "half_width_95": e.half_width }))
                .collect();
            rows.push(json!({
                "id": preview.id.to_string(), "cost": cost_json(&preview.cost),
                "remaining": preview.remaining.as_ref().map(cost_json), "quotas": quotas, "expected": errors,
                "refusal": refusal,
            }));
            let free = if preview.cost.units() == (0, 0) { ", for it was asked before" } else { "" };
            text.push_str(&format!(
                "query      {}\ncost       {}{free}\n",
                short(&preview.id.to_string()),
                preview.cost
            ));
            for e in &expected {
                let (mean, width) = (figure(e.mean), figure(e.half_width));
                text.push_str(&format!("error      {}: about {mean}, within {width} in 95 of 100 cases\n", e.figure));
            }
            if let Some(left) = &preview.remaining {
                text.push_str(&format!("remains    {left}\n"));
            }
            for (kind, left) in &preview.quotas {
                text.push_str(&format!("quota      {left} of the {}'s\n", kind.name()));
            }
            if let Some(why) = refusal {
                text.push_str(&format!("refused    {why}\n"));
            }
        }
        let mut json = json!({ "queries": rows });
        if self.query.len() > 1 {
            let report = fixed.epsilon_at(self.at_delta).map_err(|e| Failure::usage(e.to_string()))?;
            let epsilon = figure(report.epsilon);
            text.push_str(&format!(
                "together   {sum}\nfixed      epsilon {epsilon} at delta {:e}, if all are chosen before the first is asked\n",
                report.delta
            ));
            if let Some(json) = json.as_object_mut() {
                json.insert("cost".into(), cost_json(&sum));
                json.insert("fixed".into(), json!({ "epsilon": report.epsilon, "delta": report.delta }));
            }
        }
        global.answer(&json, &text);
        Ok(())
    }
}

/// `budget query`.
///
/// The debit is on the disk before the table is looked at. After a crash in between, the same query goes on without paying again.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The budget's file
    file: PathBuf,
    /// The query in JSON, or a file with it
    query: String,
    /// The table: CSV with a header line
    #[arg(long, value_name = "CSV")]
    table: PathBuf,
    #[command(flatten)]
    price: PriceArgs,
    #[command(flatten)]
    account: AccountArgs,
    /// The version of the data: other data, another number
    #[arg(long, value_name = "N", default_value_t = 1)]
    version: u64,
    /// The secret that makes pseudonyms, for budgets with an account for each patient; the same for the data set's life
    #[arg(long, value_name = "FILE")]
    salt: Option<PathBuf>,
    /// Also write the released answer to this file
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Reads the table of a data holder.
fn read_table(path: &Path, file: &BudgetFile, global: &Global) -> Result<Table, Failure> {
    let input = Input::open(Some(path), global)?;
    Table::from_csv(input, &file.schema).map_err(|e| Failure::from(e).at(path))
}

fn estimate_line(estimate: &Estimate) -> String {
    let (value, low, high) = (figure(estimate.value), figure(estimate.low), figure(estimate.high));
    let group: Vec<String> = estimate.group.iter().map(|g| g.escape_debug().to_string()).collect();
    let name = if group.is_empty() { "answer".to_owned() } else { group.join(" / ") };
    if estimate.low < estimate.high {
        format!("{name:<10} {value}  (95 %: {low} to {high})\n")
    } else {
        format!("{name:<10} {value}\n")
    }
}

fn estimate_json(estimate: &Estimate) -> Value {
    json!({ "group": estimate.group, "value": estimate.value, "low": estimate.low, "high": estimate.high })
}

impl Ask {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let (file, budget) = BudgetFile::open(&self.file, true)?;
        let plan = read_query(&self.query)?.plan(&file.schema, self.version, self.price.price())?;
        let plan = plan.charged_to(self.account.account());
        let salt = salt_of(self.salt.as_ref(), budget.terms().guarantee)?;
        let preview = budget.preview(&plan)?;
        if let Some(refused) = preview.refusal {
            return Err(refused.into());
        }
        let table = read_table(&self.table, &file, global)?;
        let answer = match &salt {
            None => budget.ask(&plan, &table, global.now())?,
            Some(salt) => budget.ask_per_record(&plan, &table, salt, global.now())?,
        };
        if let Some(path) = &self.out {
            write_armored(path, &answer, false, true)?;
        }
        let estimates = plan.estimates(&answer).ok_or(Refused::Tampered)?;
        let left = remaining(&budget)?;
        let free = preview.cost.units() == (0, 0);
        let json = json!({
            "id": preview.id.to_string(), "cost": cost_json(&preview.cost), "repeated": free,
            "answer": estimates.iter().map(estimate_json).collect::<Vec<_>>(), "rank_error": plan.rank_error(),
            "remaining": left.as_ref().map(cost_json),
        });
        let mut text: String = estimates.iter().map(estimate_line).collect();
        if let Some(rows) = plan.rank_error() {
            text.push_str(&format!("misses     the rank by up to {} rows (95 %)\n", figure(rows)));
        }
        let cost = if free { "nothing: the answer was stored".to_owned() } else { preview.cost.to_string() };
        text.push_str(&format!("cost       {cost}\n"));
        if let Some(left) = &left {
            text.push_str(&format!("remains    {left}\n"));
        }
        global.answer(&json, &text);
        Ok(())
    }
}

/// `budget hammer`: counts at the smallest prices, one version after another, until killed.
#[derive(Debug, Args)]
pub(crate) struct Hammer {
    /// The budget's file
    file: PathBuf,
    /// The table
    #[arg(long)]
    table: PathBuf,
    /// The first version to ask
    #[arg(long)]
    from: u64,
}

/// What one query of the hammer costs, in units of epsilon.
pub(crate) const HAMMER_UNITS: u64 = 3;

/// The hammer's query on one version of the data.
pub(crate) fn hammer_plan(schema: &mediveil_dp::Schema, version: u64) -> Result<Plan, Failure> {
    let epsilon = Epsilon::from_units(HAMMER_UNITS).unwrap_or(Epsilon::ONE_UNIT);
    Ok(Query::from_json(r#"{"statistic":"count"}"#)?.plan(schema, version, Price::Epsilon(epsilon))?)
}

/// Asks from version `from` on until refused.
fn hammer(budget: &Budget, table: &Table, from: u64, global: &Global) -> Result<(), Failure> {
    for version in from.. {
        budget.ask(&hammer_plan(table.schema(), version)?, table, global.now())?;
    }
    Ok(())
}

impl Hammer {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let (file, budget) = BudgetFile::open(&self.file, true)?;
        hammer(&budget, &read_table(&self.table, &file, global)?, self.from, global)
    }
}
