//! `mediveil budget`: a data set's privacy budget, charged before any data is touched.

mod file;
mod query;
mod report;

pub(crate) use file::BudgetFile;
pub(crate) use query::{HAMMER_UNITS, hammer_plan};
pub(crate) use report::page;

use crate::commands::log::{open, open_for_writing, read_head, read_salt, read_signer, short};
use crate::failure::{Failure, Kind};
use crate::files::read_public;
use crate::global::Global;
use clap::{Args, Subcommand};
use file::{CapArgs, QuotaArg, read_text};
use mediveil_dp::accounting::Cost;
use mediveil_dp::{
    Budget, ColumnKind, Guarantee, Neighbours, PlanError, Refused, Schema, SchemaError, TableError, Terms,
};
use mediveil_ledger::{Actor, UniqueKey};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Privacy budgets.
#[derive(Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// Create the budget of a data set, for its life
    Create(Create),
    /// Cap what one researcher, project or purpose may spend beneath the budget
    Quota(Quota),
    /// Declare the schema of a later version of the data
    Schema(DeclareSchema),
    /// Show a budget's terms, what is spent and what remains
    Show(Show),
    /// Show what queries would cost and how far their answers would stray; touches nothing
    Preview(query::Preview),
    /// Ask a table: charge the budget, then answer. Asking the same again is free
    Query(query::Ask),
    /// Show what was spent, by query, researcher, project and purpose
    Report(report::Report),
    /// Recompute the whole history by an independent sum and compare
    Audit(Audit),
    /// Ask small queries until killed: for the tour, which kills it
    #[command(hide = true)]
    Hammer(query::Hammer),
}

impl BudgetCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Create(c) => c.run(global),
            Self::Quota(c) => c.run(global),
            Self::Schema(c) => c.run(global),
            Self::Show(c) => c.run(global),
            Self::Preview(c) => c.run(global),
            Self::Query(c) => c.run(global),
            Self::Report(c) => c.run(global),
            Self::Audit(c) => c.run(global),
            Self::Hammer(c) => c.run(global),
        }
    }
}

impl From<Refused> for Failure {
    fn from(error: Refused) -> Self {
        let kind = match &error {
            Refused::Log(error) => return error.clone().into(),
            Refused::Tampered => Kind::Damaged,
            Refused::Name | Refused::Amount(_) => Kind::Usage,
            Refused::Mechanism(_) => Kind::Failed,
            _ => Kind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<SchemaError> for Failure {
    fn from(error: SchemaError) -> Self {
        Self::new(Kind::Damaged, error.to_string())
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        Self::new(Kind::Damaged, error.to_string())
    }
}

/// What remains of a cap; nothing is said of a per-record budget, where it is private.
fn remaining(budget: &Budget) -> Result<Option<Cost>, Refused> {
    Ok(budget.spent()?.map(|spent| budget.terms().cap.checked_sub(&spent).unwrap_or(Cost::zero(spent.regime()))))
}

/// An amount for programs: exact units beside a decimal that is never below it.
fn cost_json(cost: &Cost) -> Value {
    let (main, delta) = cost.units();
    match cost {
        Cost::Pure(epsilon) => json!({ "epsilon": epsilon.to_f64_up(), "epsilon_units": main }),
        Cost::Concentrated { rho, delta: d } => json!({
            "rho": rho.to_f64_up(), "rho_units": main, "delta": d.to_f64_up(), "delta_units": delta,
        }),
    }
}

/// `budget create`.
///
/// The cap is the promise to the patients, for the data set's whole life and all its versions: it cannot be raised. A new budget
/// is sound only for patients who are in no other.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The file to make: it names the log, the data set and its schema, and holds no secret
    file: PathBuf,
    /// The log that the budget lives in
    #[arg(long, value_name = "LOG")]
    log: PathBuf,
    /// The data set's name, the same for all its versions
    #[arg(long, value_name = "NAME")]
    data_set: String,
    /// What the table's columns can hold, and how many rows a patient can have, in JSON
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    #[command(flatten)]
    cap: CapArgs,
    /// Instead of one cap for all queries, one for each patient: who has reached it takes part no more, and nobody is told
    #[arg(long)]
    per_record: bool,
    /// Who answers for the budget: an identity, public or secret; its entries in the log bear this name
    #[arg(long, value_name = "PUB")]
    owner: PathBuf,
}

impl Create {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        if self.data_set.trim().is_empty() {
            return Err(Failure::usage("the data set needs a name"));
        }
        let schema = Schema::from_json(&read_text(&self.schema)?).map_err(|e| Failure::from(e).at(&self.schema))?;
        let owner = Actor::of(read_public(&self.owner)?.verifying_key());
        let log = open_for_writing(&self.log)?;
        let guarantee = if self.per_record { Guarantee::PerRecord } else { Guarantee::DataSet };
        let data_set = *UniqueKey::of("dp/data-set", self.data_set.as_bytes()).as_bytes();
        let terms = Terms { data_set, unit: schema.unit(), guarantee, cap: self.cap.cost() };
        let file = BudgetFile::new(&self.file, &self.log, &self.data_set, data_set, owner, schema)?;
        // The file first: a budget never exists without it; and away with it if there is no budget.
        file.write(&self.file)?;
        let budget = match Budget::create(&log, terms, owner, global.now()) {
            Ok(budget) => budget,
            Err(refused) => {
                std::fs::remove_file(&self.file)?;
                return Err(refused.into());
            }
        };
        budget.declare_schema(&file.schema, global.now())?;
        let id = file.data_set_hex();
        let (path, cap) = (self.file.display().to_string(), terms.cap);
        let json = json!({ "file": path, "data_set": id, "cap": cost_json(&cap), "per_record": self.per_record });
        let each = if self.per_record { " for each patient" } else { "" };
        let text = format!("{path}: a budget of {cap}{each} for the life of data set {}", short(&id));
        global.report(false, &json, &text);
        Ok(())
    }
}

/// `budget schema`.
///
/// The log binds a budget's file to the schemas that were declared: with one that was changed behind the log, such as wider bounds,
/// nothing is planned. Who may declare one is whoever may write the log.
#[derive(Debug, Args)]
pub(crate) struct DeclareSchema {
    /// The budget's file; from now on it has this schema
    file: PathBuf,
    /// What the columns of the later version can hold
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
}

impl DeclareSchema {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let schema = Schema::from_json(&read_text(&self.schema)?).map_err(|e| Failure::from(e).at(&self.schema))?;
        let mut file = BudgetFile::read(&self.file)?;
        let log = open_for_writing(&file.log_path(&self.file))?;
        let budget = Budget::open(&log, &file.data_set, file.owner)?;
        budget.declare_schema(&schema, global.now())?;
        file.schema = schema;
        file.replace(&self.file)?;
        let path = self.file.display();
        global.report(
            false,
            &json!({ "file": path.to_string() }),
            &format!("{path}: another schema, declared in the log"),
        );
        Ok(())
    }
}

/// `budget quota`.
///
/// Quotas share the budget out and guarantee nothing by themselves: researchers may work together. Where one kind has quotas, nobody
/// of that kind goes without. What was spent stays spent.
#[derive(Debug, Args)]
pub(crate) struct Quota {
    /// The budget's file
    file: PathBuf,
    /// Whose and how much, such as researcher:ada=0.5; in rho and delta, project:heart=0.1,0.000001
    #[arg(required = true, value_name = "KIND:NAME=AMOUNT")]
    quota: Vec<QuotaArg>,
}

impl Quota {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let (_, budget) = BudgetFile::open(&self.file, true)?;
        let regime = budget.terms().cap.regime();
        let quotas = self.quota.iter().map(|q| q.quota(regime)).collect::<Result<Vec<_>, _>>()?;
        for quota in &quotas {
            budget.set_quota(quota, global.now())?;
        }
        let rows: Vec<Value> =
            quotas.iter().map(|q| json!({ "kind": q.kind.name(), "name": q.name, "cap": cost_json(&q.cap) })).collect();
        let lines: Vec<String> =
            quotas.iter().map(|q| format!("{} {}: at most {}", q.kind.name(), q.name.escape_debug(), q.cap)).collect();
        global.report(false, &json!(rows), &lines.join("\n"));
        Ok(())
    }
}

/// `budget show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The budget's file
    file: PathBuf,
}

fn column_json(column: &mediveil_dp::Column) -> (Value, String) {
    let (kind, text) = match column.kind() {
        ColumnKind::Number { bounds, scale } => {
            let step = 10f64.powi(-i32::from(*scale));
            #[expect(clippy::cast_precision_loss, reason = "bounds are within 2^53")]
            let (low, high) = (bounds.low() as f64 * step, bounds.high() as f64 * step);
            ("number", format!("a number from {} to {}", file::figure(low), file::figure(high)))
        }
        ColumnKind::Category(values) => ("category", format!("one of {}", values.join(", "))),
        ColumnKind::Text => ("text", "any text; shown in thresholded groups only".to_owned()),
    };
    (json!({ "name": column.name(), "kind": kind, "holds": text }), text)
}

impl Show {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let (file, budget) = BudgetFile::open(&self.file, false)?;
        let (terms, history) = (budget.terms(), budget.history()?);
        let (spent, left) = (budget.spent()?, remaining(&budget)?);
        let unit = terms.unit;
        let neighbours = match unit.neighbours() {
            Neighbours::AddRemove => "add or remove",
            Neighbours::Replace => "replace",
        };
        let per_record = terms.guarantee == Guarantee::PerRecord;
        let columns: Vec<(Value, String)> = file.schema.columns().iter().map(column_json).collect();
        let quotas: Vec<Value> = history
            .quotas
            .iter()
            .map(|(q, spent)| {
                json!({ "kind": q.kind.name(), "name": q.name, "cap": cost_json(&q.cap), "spent": cost_json(spent) })
            })
            .collect();
        let json = json!({
            "name": file.name, "data_set": file.data_set_hex(), "log": budget.log().id().to_string(),
            "owner": file.owner.to_string(), "created": history.created.to_string(),
            "cap": cost_json(&terms.cap), "per_record": per_record,
            "unit": { "patient": file.schema.patient(), "rows": unit.rows(), "neighbours": neighbours },
            "spent": spent.as_ref().map(cost_json), "remaining": left.as_ref().map(cost_json),
            "debits": history.debits.len(), "quotas": quotas,
            "columns": columns.iter().map(|(j, _)| j.clone()).collect::<Vec<_>>(),
        });
        let mut text = format!(
            "data set   {} ({})\nowner      {}\ncreated    {}\nprotects   a patient, at most {} row(s) each ({neighbours})\n",
            file.name.escape_debug(),
            file.data_set_hex(),
            file.owner,
            history.created,
            unit.rows(),
        );
        let each = if per_record { ", for each patient" } else { "" };
        text.push_str(&format!("cap        {}{each}\n", terms.cap));
        if let Cost::Concentrated { delta, .. } = terms.cap {
            // Beside the delta that groups may spend, some is needed for the conversion.
            let at = file::DELTA + delta.to_f64_up();
            if let Some(epsilon) = terms.cap.epsilon_at(at) {
                text.push_str(&format!("which is   epsilon {} at delta {at:.2e}\n", file::figure(epsilon)));
            }
        }
        if let (Some(spent), Some(left)) = (&spent, &left) {
            text.push_str(&format!("spent      {spent}, on {} queries\nremains    {left}\n", history.debits.len()));
        } else {
            text.push_str(&format!("queries    {}\n", history.debits.len()));
        }
        for (quota, spent) in &history.quotas {
            let name = quota.name.escape_debug();
            text.push_str(&format!("quota      {} {name}: {spent} of {}\n", quota.kind.name(), quota.cap));
        }
        for (column, (_, holds)) in file.schema.columns().iter().zip(&columns) {
            text.push_str(&format!("column     {}: {holds}\n", column.name().escape_debug()));
        }
        global.answer(&json, &text);
        Ok(())
    }
}

/// `budget audit`.
///
/// Verifies the log, adds up every debit from its entries alone, and compares with the running totals and the stored answers.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The budget's file
    file: PathBuf,
    /// Check that the log extends this head: notices a database that was copied back
    #[arg(long, value_name = "HEAD", requires = "signer")]
    against: Option<PathBuf>,
    /// Who signed that head
    #[arg(long, value_name = "PUB")]
    signer: Option<PathBuf>,
}

impl Audit {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let file = BudgetFile::read(&self.file)?;
        let log = open(&file.log_path(&self.file))?;
        if let (Some(path), Some(signer)) = (&self.against, &self.signer) {
            let head = read_head(path, &read_signer(signer)?)?;
            log.check_against(&head).map_err(|e| Failure::from(e).at(log.path()))?;
        }
        let budget = Budget::open(&log, &file.data_set, file.owner)?;
        let audit = budget.audit()?;
        let cap = budget.terms().cap;
        let total = u64::try_from(audit.spent.0).ok().zip(u64::try_from(audit.spent.1).ok());
        let total = total.and_then(|(main, delta)| Cost::from_units(cap.regime(), main, delta));
        let findings: Vec<String> = audit.findings.iter().map(|f| format!("{f:?}")).collect();
        let json = json!({
            "debits": audit.debits, "answered": audit.answered, "entries": log.size().map_err(Failure::from)?,
            "spent": total.as_ref().map(cost_json), "cap": cost_json(&cap), "findings": findings,
        });
        let total = total.map_or_else(|| "more than any budget".into(), |t| t.to_string());
        let what =
            if budget.terms().guarantee == Guarantee::PerRecord { "prices add up to" } else { "debits add up to" };
        let text = format!(
            "{} debits, {} answered\n{what} {total}; the cap is {cap}{}",
            audit.debits,
            audit.answered,
            if findings.is_empty() { "\nthe log verifies, and nothing is amiss" } else { "" }
        );
        global.answer(&json, &text);
        if findings.is_empty() {
            return Ok(());
        }
        let why = format!("the history does not add up: {}; keep the file as evidence", findings.join(", "));
        Err(Failure::new(Kind::Damaged, why).at(log.path()))
    }
}

/// The secret of a per-record budget's pseudonyms, where the budget needs one.
fn salt_of(path: Option<&PathBuf>, guarantee: Guarantee) -> Result<Option<mediveil_ledger::SubjectSalt>, Failure> {
    match (guarantee, path) {
        (Guarantee::DataSet, _) => Ok(None),
        (Guarantee::PerRecord, Some(path)) => read_salt(path).map(Some),
        (Guarantee::PerRecord, None) => Err(Failure::usage(
            "this budget keeps one account for each patient, by pseudonym: name the secret that makes them with --salt FILE",
        )),
    }
}
