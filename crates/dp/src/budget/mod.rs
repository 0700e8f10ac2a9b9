//! The budget of a data set: no data without a permit, no permit without a durable debit.
//!
//! The order is fixed and each arrow is a type that only the step before can make:
//!
//! ```text
//! Plan --reserve--> Permit (debit and log entry on disk, one transaction)
//!      --noise----> answer (in memory only)
//!      --settle---> stored answer (answer stored, permit consumed, log entry: one transaction) --> release
//! ```
//!
//! A crash between `reserve` and `settle` loses nothing and gains nothing: the debit stands, and asking again with the same
//! plan gives a permit for the same debit. Of several permits for one debit (a slow caller and its retry) one is consumed;
//! the others get what it stored, and their own noise is discarded unseen. Once there is an answer, the same plan gets the
//! same bytes for ever, at no cost. Nothing is ever refunded.
//!
//! *What is guaranteed.* The data set's cap, for all its versions and its whole life, against all researchers together;
//! terms cannot be changed, a cap cannot be raised. Quotas of researchers, projects and purposes lie beneath it and
//! guarantee nothing by themselves: researchers may collude (arXiv 2506.05290). A new budget is sound only for patients who are
//! in no other. What `data_set` names, which patients belong to it, and that an account is who it says are the word of the
//! service in front.
//!
//! *What is trusted.* The machine that runs this, and the disk to keep what it synced. A database copied back is noticed by
//! [`Budget::open_against`] and whoever else remembers a head of the log. Rows changed behind the log's back are noticed by
//! the next debit where they concern the last total, and by [`Budget::audit`] everywhere.

mod audit;
mod history;
mod per_record;
mod records;
mod store;

pub use audit::{Audit, Finding};
pub use history::{Charged, History};
pub use records::{Debit, Guarantee, Quota, QuotaKind, Settlement, Terms};

use crate::accounting::{Cost, Filter, Refusal, Regime};
use crate::{Account, AmountError, Answer, Mechanism, MechanismError, Neighbours, Plan, QueryId, Schema, Table};
use mediveil_codec::{Timestamp, Wire};
use mediveil_ledger::{Actor, Db, Entry, Event, Head, Label, Log, LogError, Tx, UniqueKey};
use sha2::{Digest, Sha256};

/// Why the budgeter refuses. Nothing was spent, drawn or looked at, and a smaller query may still be admitted, unless a
/// variant says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A pure data set admits neither Gaussian noise nor thresholds.
    #[error("a pure data set admits neither Gaussian noise nor thresholds; use Laplace noise and declared groups")]
    Regime,
    /// The data set's cap.
    #[error("over the data set's budget: the query costs {cost} and {remaining} remains{}", closely(.cost, .remaining))]
    OverBudget {
        /// The query's cost.
        cost: Cost,
        /// What remains.
        remaining: Cost,
    },
    /// A quota beneath the cap.
    #[error("over the {}'s quota: the query costs {cost} and {remaining} remains{}", .kind.name(), closely(.cost, .remaining))]
    OverQuota {
        /// Whose.
        kind: QuotaKind,
        /// The query's cost.
        cost: Cost,
        /// What remains.
        remaining: Cost,
    },
    /// The data set has quotas of this kind and the account none of them.
    #[error("this data set has quotas for each {}, and the account has none", .0.name())]
    NoQuota(QuotaKind),
    /// The plan's sensitivities are for another privacy unit than the budget protects.
    #[error("the plan protects another unit than this budget does")]
    Unit,
    /// The table has another schema than the plan.
    #[error("the plan was made for another schema than the table's")]
    Schema,
    /// A per-record budget was asked as a data set's, or the reverse.
    #[error("this budget has another kind of guarantee")]
    Guarantee,
    /// A name of the account or a quota is empty or too long.
    #[error("names of accounts and quotas have 1 to 128 bytes")]
    Name,
    /// No budget for this data set in this log.
    #[error("this log has no budget for this data set; create one first")]
    NoBudget,
    /// There is a budget already, and terms do not change.
    #[error("this data set has a budget already, and its terms are for life")]
    Exists,
    /// The tables do not fit the log.
    #[error("the budget's tables do not fit the log: someone changed them; run an audit")]
    Tampered,
    /// The mechanism failed. The debit stands; ask again with the same plan.
    #[error(transparent)]
    Mechanism(#[from] MechanismError),
    /// A cost out of range.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// The log cannot be written or read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Exact amounts, where decimals could read alike: costs are rounded up and caps down, so that 0.6 of a cap of 1 leaves a
/// little less than 0.4.
fn closely(cost: &Cost, remaining: &Cost) -> String {
    let (asked, left) = (cost.units(), remaining.units());
    let (unit, regime) = match cost {
        Cost::Pure(_) => ("2^-40", "epsilon"),
        Cost::Concentrated { .. } => ("2^-48", "rho"),
    };
    let mut text = String::new();
    if asked.0 > left.0 {
        text = format!(": {} units of {regime} asked, {} left", asked.0, left.0);
        text.push_str(&format!(" (a unit is {unit}; costs are rounded up to whole units, caps down)"));
    }
    if asked.1 > left.1 {
        text.push_str(&format!(": {} units of delta asked, {} left (a unit is 2^-60)", asked.1, left.1));
    }
    text
}

impl From<mediveil_codec::DecodeError> for Refused {
    fn from(_: mediveil_codec::DecodeError) -> Self {
        Self::Tampered
    }
}

/// The right to answer one plan once. Made by a debit, consumed by [`Budget::settle`].
///
/// Dropping it loses nothing: the same plan gets another one for the same debit.
#[derive(Debug)]
#[must_use = "the debit is on disk; answer the plan and settle the permit"]
pub struct Permit {
    id: QueryId,
    plan: Plan,
    used: Vec<bool>,
    members: Option<Vec<bool>>,
}

impl Permit {
    /// The query's id.
    #[must_use]
    pub const fn id(&self) -> QueryId {
        self.id
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Adds the noise of the plan's mechanism `index` to exact values that were computed elsewhere. Each mechanism runs once a
    /// permit. Do not show the result before it is settled.
    ///
    /// # Errors
    /// [`MechanismError::Shape`] for a mechanism that is not there, adds no noise to values, or has run.
    pub fn add_noise(&mut self, index: usize, exact: &[i64]) -> Result<Vec<i64>, MechanismError> {
        self.run(index)?.add_noise(exact)
    }

    /// The one run of the plan's mechanism `index`, for values that come in parts or go through on several threads.
    ///
    /// # Errors
    /// [`MechanismError::Shape`] for a mechanism that is not there or has run.
    pub fn run(&mut self, index: usize) -> Result<NoiseRun<'_>, MechanismError> {
        let mechanism = self.plan.mechanisms().get(index).ok_or(MechanismError::Shape)?;
        match self.used.get_mut(index) {
            Some(used) if !*used => *used = true,
            _ => return Err(MechanismError::Shape),
        }
        Ok(NoiseRun { mechanism })
    }

    /// Answers a plan for a plaintext table.
    ///
    /// # Errors
    /// [`Refused::Schema`] for a table with another schema; [`Refused::Mechanism`] where a mechanism fails or has run.
    pub fn answer(&mut self, table: &Table) -> Result<Answer, Refused> {
        let schema = &self.plan.table.as_ref().ok_or(Refused::Schema)?.schema;
        if schema != table.schema() {
            return Err(Refused::Schema);
        }
        if self.used.iter().any(|u| *u) {
            return Err(MechanismError::Shape.into());
        }
        self.used.fill(true);
        Ok(Answer::compute(&self.plan, table, self.members.as_deref())?)
    }
}

/// The one run of a mechanism. Each value goes through once, in one part; the parts together are what was planned and paid for.
#[derive(Debug)]
pub struct NoiseRun<'a> {
    mechanism: &'a Mechanism,
}

impl NoiseRun<'_> {
    /// Adds noise to one part of the exact values.
    ///
    /// # Errors
    /// [`MechanismError::Shape`] for a mechanism that adds no noise to values; [`MechanismError::Sampler`].
    pub fn add_noise(&self, part: &[i64]) -> Result<Vec<i64>, MechanismError> {
        self.mechanism.add_noise(part)
    }
}

/// What came of a reservation.
#[derive(Debug)]
pub enum Reservation {
    /// The plan is paid for and has no answer yet.
    Permit(Box<Permit>),
    /// The plan was answered before: the stored bytes, at no cost.
    Answered(Vec<u8>),
}

/// What a plan would cost and bring. Nothing was touched.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Preview {
    /// The query's id.
    pub id: QueryId,
    /// Its cost; nothing if it was paid for before.
    pub cost: Cost,
    /// What the data set has left now; `None` for per-record budgets, where what is left is private.
    pub remaining: Option<Cost>,
    /// What the account has left now, under the quotas it has.
    pub quotas: Vec<(QuotaKind, Cost)>,
    /// Whether a reservation would be refused now, and why.
    pub refusal: Option<Refused>,
    /// For each mechanism the mean magnitude of its noise and the half-width of a 95 % interval, in grid steps.
    pub errors: Vec<(f64, u64)>,
}

/// The budget of one data set in one log. Cheap to clone; any number of threads and processes may use one.
#[derive(Clone, Debug)]
pub struct Budget {
    log: Log,
    terms: Terms,
    actor: Actor,
}

impl Budget {
    /// Creates a budget, for the data set's life.
    ///
    /// # Errors
    /// [`Refused::Exists`]; [`Refused::Guarantee`] for a per-record budget under another relation than add-or-remove;
    /// [`Refused::Amount`] for a cap of nothing.
    pub fn create(log: &Log, terms: Terms, actor: Actor, now: Timestamp) -> Result<Self, Refused> {
        if terms.guarantee == Guarantee::PerRecord && terms.unit.neighbours() != Neighbours::AddRemove {
            return Err(Refused::Guarantee);
        }
        if terms.cap.units().0 == 0 {
            return Err(AmountError::NotPositive.into());
        }
        let budget = Self { log: log.clone(), terms, actor };
        let key = UniqueKey::of("dp/terms", &terms.data_set);
        let entry = budget.entry(now, "created", terms.encode())?.keyed(key);
        log.transaction(|tx| {
            store::create_tables(tx.db())?;
            if tx.find(&key)?.is_some() || store::budget(tx.db(), &terms.data_set)?.is_some() {
                return Err(Refused::Exists);
            }
            let appended = tx.append(&entry)?;
            store::insert_budget(tx.db(), &terms.data_set, &terms.encode(), appended.index)?;
            Ok(())
        })?;
        Ok(budget)
    }

    /// Opens the budget of a data set; `actor` is named in the entries it will record.
    ///
    /// # Errors
    /// [`Refused::NoBudget`].
    pub fn open(log: &Log, data_set: &[u8; 32], actor: Actor) -> Result<Self, Refused> {
        let row = log.snapshot(|db| store::budget(db, data_set))?.ok_or(Refused::NoBudget)?;
        // The terms in the table are a copy; the log's are the truth.
        let logged = log.find(&UniqueKey::of("dp/terms", data_set))?.ok_or(Refused::Tampered)?.entry()?;
        let terms = Terms::decode(&row.terms)?;
        match &logged.event {
            Event::Budget { body, .. } if *body == row.terms && terms.data_set == *data_set => {
                Ok(Self { log: log.clone(), terms, actor })
            }
            _ => Err(Refused::Tampered),
        }
    }

    /// Opens the budget and makes sure that the log extends one that is remembered: notices a database copied back.
    ///
    /// # Errors
    /// [`LogError::RolledBack`], [`LogError::Rewritten`]; otherwise as [`open`](Self::open).
    pub fn open_against(log: &Log, remembered: &Head, data_set: &[u8; 32], actor: Actor) -> Result<Self, Refused> {
        log.check_against(remembered)?;
        Self::open(log, data_set, actor)
    }

    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The log it lives in.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    const fn regime(&self) -> Regime {
        self.terms.cap.regime()
    }

    fn entry(&self, now: Timestamp, kind: &str, body: Vec<u8>) -> Result<Entry, Refused> {
        let kind = Label::new(kind).map_err(|_| Refused::Tampered)?;
        Ok(Entry::new(now, self.actor, Event::Budget { data_set: self.terms.data_set, kind, body }))
    }

    /// Sets or changes a quota. What was spent under it stays spent.
    ///
    /// # Errors
    /// [`Refused::Name`]; [`Refused::Regime`] for a cap in another regime.
    pub fn set_quota(&self, quota: &Quota, now: Timestamp) -> Result<(), Refused> {
        if quota.name.is_empty() || quota.name.len() > Account::MAX_NAME {
            return Err(Refused::Name);
        }
        if quota.cap.regime() != self.regime() {
            return Err(Refused::Regime);
        }
        let entry = self.entry(now, "quota", quota.encode())?;
        self.log.transaction(|tx| {
            tx.append(&entry)?;
            store::set_quota(tx.db(), &self.terms.data_set, quota.kind, &quota.name, &quota.cap)?;
            Ok(())
        })
    }

    /// Binds a schema to the budget: records its digest, so that whoever plans later can tell the schema that was declared from one
    /// that was exchanged. A later version of the data may have another; declaring one again changes nothing.
    ///
    /// # Errors
    /// [`Refused::Unit`] for a schema that protects another unit; [`Refused::Log`].
    pub fn declare_schema(&self, schema: &Schema, now: Timestamp) -> Result<(), Refused> {
        if schema.unit() != self.terms.unit {
            return Err(Refused::Unit);
        }
        let entry = self.entry(now, "schema", schema.digest().to_vec())?;
        let key = schema_key(&self.terms.data_set, schema);
        self.log.transaction(|tx| {
            // Whoever declared it first.
            if tx.find(&key)?.is_none() {
                tx.append(&entry.keyed(key))?;
            }
            Ok(())
        })
    }

    /// Whether this schema was declared for the budget's data set.
    ///
    /// # Errors
    /// [`Refused::Log`].
    pub fn knows_schema(&self, schema: &Schema) -> Result<bool, Refused> {
        Ok(self.log.find(&schema_key(&self.terms.data_set, schema))?.is_some())
    }

    /// What was spent so far; `None` for per-record budgets.
    ///
    /// # Errors
    /// Failures of the database.
    pub fn spent(&self) -> Result<Option<Cost>, Refused> {
        let row = self.log.snapshot(|db| store::budget(db, &self.terms.data_set))?.ok_or(Refused::NoBudget)?;
        let spent = Cost::from_units(self.regime(), row.main, row.delta).ok_or(Refused::Tampered)?;
        Ok((self.terms.guarantee == Guarantee::DataSet).then_some(spent))
    }

    /// What the plan would cost, what it would bring, and what remains. Touches nothing, neither budget nor data.
    ///
    /// # Errors
    /// [`Refused`] where the plan cannot be priced here, whatever remains.
    pub fn preview(&self, plan: &Plan) -> Result<Preview, Refused> {
        let cost = self.price(plan)?;
        let id = plan.id(&self.terms.data_set, &cost);
        let (row, known, charge) = self.log.snapshot(|db| {
            let row = store::budget(db, &self.terms.data_set)?.ok_or(Refused::NoBudget)?;
            let known = store::query(db, &self.terms.data_set, &id)?.is_some();
            let charge = self.charge(db, &row, plan.account(), cost);
            Ok::<_, Refused>((row, known, charge))
        })?;
        let (refusal, quotas) = match charge {
            Ok(charge) => (None, charge.quotas.iter().map(|(k, f)| (*k, f.1)).collect()),
            Err(refusal) => (Some(refusal), Vec::new()),
        };
        let spent = Cost::from_units(self.regime(), row.main, row.delta).ok_or(Refused::Tampered)?;
        let remaining = self.terms.cap.checked_sub(&spent).ok_or(Refused::Tampered)?;
        Ok(Preview {
            id,
            cost: if known { Cost::zero(self.regime()) } else { cost },
            remaining: (self.terms.guarantee == Guarantee::DataSet).then_some(remaining),
            quotas,
            refusal: if known { None } else { refusal },
            errors: plan.expected_errors(),
        })
    }

    /// The plan's cost here, once it is seen to fit the terms.
    fn price(&self, plan: &Plan) -> Result<Cost, Refused> {
        let names = QuotaKind::ALL.map(|k| k.of(plan.account()).len());
        if names.iter().any(|n| *n > Account::MAX_NAME) {
            return Err(Refused::Name);
        }
        if plan.mechanisms().iter().any(|m| m.sensitivity().unit() != self.terms.unit) {
            return Err(Refused::Unit);
        }
        plan.cost(self.regime())?.ok_or(Refused::Regime)
    }

    /// The totals after a charge, or why there is none. Reads running totals only: the work does not grow with history.
    fn charge(&self, conn: &Db, row: &store::Row, account: &Account, cost: Cost) -> Result<Charge, Refused> {
        let spent = Cost::from_units(self.regime(), row.main, row.delta).ok_or(Refused::Tampered)?;
        let mut filter = Filter::new(self.terms.cap, spent).ok_or(Refused::Tampered)?;
        match self.terms.guarantee {
            Guarantee::DataSet => filter.admit(cost).map_err(|r| match r {
                Refusal::OverBudget { cost, remaining } => Refused::OverBudget { cost, remaining },
                Refusal::Regime => Refused::Regime,
            })?,
            // Each patient has a filter; what no patient could ever pay is refused openly.
            Guarantee::PerRecord if !cost.within(&self.terms.cap) => {
                return Err(Refused::OverBudget { cost, remaining: self.terms.cap });
            }
            Guarantee::PerRecord => {}
        }
        let mut quotas = Vec::new();
        for kind in QuotaKind::ALL {
            let name = kind.of(account);
            let Some((cap, spent)) = store::quota(conn, &self.terms.data_set, self.regime(), kind, name)? else {
                if store::has_quotas(conn, &self.terms.data_set, kind)? {
                    return Err(Refused::NoQuota(kind));
                }
                continue;
            };
            let total = spent.checked_add(&cost).filter(|t| t.within(&cap));
            // A quota may have been lowered below what was spent: then nothing remains.
            let remaining = cap.checked_sub(&spent).unwrap_or(Cost::zero(self.regime()));
            let total = total.ok_or(Refused::OverQuota { kind, cost, remaining })?;
            quotas.push((kind, (total, remaining)));
        }
        Ok(Charge { total: filter.spent(), quotas })
    }

    /// Pays for the plan, durably, or finds it paid for. Looks at no data.
    ///
    /// # Errors
    /// [`Refused`]; nothing was spent, except that after [`LogError::Uncertain`] the debit may stand: ask again.
    pub fn reserve(&self, plan: &Plan, now: Timestamp) -> Result<Reservation, Refused> {
        if self.terms.guarantee != Guarantee::DataSet {
            return Err(Refused::Guarantee);
        }
        self.reserve_with(plan, now, |_, _| Ok(None))
    }

    /// The permit of a plan that is paid for and has no answer yet, without paying: for whoever adds noise on the word of the
    /// log, such as the members of a committee. With the index of the debit in the log. `None` for a plan that the log has no debit
    /// of. Needs read access only.
    ///
    /// # Errors
    /// [`Refused::Tampered`] where tables and log do not agree on the debit; [`Refused`] where the plan has no price here.
    pub fn find(&self, plan: &Plan) -> Result<Option<(u64, Reservation)>, Refused> {
        let cost = self.price(plan)?;
        let id = plan.id(&self.terms.data_set, &cost);
        let Some(logged) = self.log.find(&debit_key(&self.terms.data_set, &id))? else { return Ok(None) };
        let Event::Budget { data_set, kind, body } = logged.entry()?.event else { return Err(Refused::Tampered) };
        let debit = Debit::decode(&body)?;
        let fits = data_set == self.terms.data_set && kind.as_str() == "debited" && debit.query == id;
        if !fits || debit.cost != cost || debit.version != plan.version() {
            return Err(Refused::Tampered);
        }
        let known = self.log.snapshot(|db| store::query(db, &self.terms.data_set, &id))?.ok_or(Refused::Tampered)?;
        let members = known.members.map(|m| m.into_iter().map(|b| b != 0).collect());
        let used = vec![false; plan.mechanisms().len()];
        let reservation = known.answer.map_or_else(
            || Reservation::Permit(Box::new(Permit { id, plan: plan.clone(), used, members })),
            Reservation::Answered,
        );
        Ok(Some((logged.index, reservation)))
    }

    /// The one way to a permit. `members` runs inside the transaction of a fresh debit and says who takes part, as one byte a
    /// patient.
    fn reserve_with(
        &self,
        plan: &Plan,
        now: Timestamp,
        members: impl FnOnce(&Db, &Cost) -> Result<Option<Vec<u8>>, Refused>,
    ) -> Result<Reservation, Refused> {
        let cost = self.price(plan)?;
        let id = plan.id(&self.terms.data_set, &cost);
        let data_set = &self.terms.data_set;
        let permit = |members: Option<Vec<u8>>| {
            let used = vec![false; plan.mechanisms().len()];
            let members = members.map(|m| m.into_iter().map(|b| b != 0).collect());
            Reservation::Permit(Box::new(Permit { id, plan: plan.clone(), used, members }))
        };
        self.log.transaction(|tx| {
            if let Some(known) = store::query(tx.db(), data_set, &id)? {
                return Ok(known.answer.map_or_else(|| permit(known.members), Reservation::Answered));
            }
            let row = store::budget(tx.db(), data_set)?.ok_or(Refused::NoBudget)?;
            self.check_last(tx, &row)?;
            let charge = self.charge(tx.db(), &row, plan.account(), cost)?;
            let number = row.debits.saturating_add(1);
            let members = members(tx.db(), &cost)?;
            let debit = Debit {
                query: id,
                number,
                version: plan.version(),
                cost,
                total: charge.total,
                account: plan.account().clone(),
            };
            let key = debit_key(data_set, &id);
            if tx.find(&key)?.is_some() {
                // The log knows a debit that the tables do not.
                return Err(Refused::Tampered);
            }
            let appended = tx.append(&self.entry(now, "debited", debit.encode())?.keyed(key))?;
            store::update_budget(tx.db(), data_set, &charge.total, number, appended.index)?;
            for (kind, (total, _)) in &charge.quotas {
                store::spend_quota(tx.db(), data_set, *kind, kind.of(plan.account()), total)?;
            }
            store::insert_query(tx.db(), data_set, &id, members.as_deref())?;
            Ok(permit(members))
        })
    }

    /// The row's total is what the last debit in the log says it is.
    fn check_last(&self, tx: &Tx<'_, '_>, row: &store::Row) -> Result<(), Refused> {
        let logged = tx.entry(row.last_entry)?.entry()?;
        let Event::Budget { data_set, kind, body } = &logged.event else { return Err(Refused::Tampered) };
        let fits = *data_set == self.terms.data_set
            && match kind.as_str() {
                "created" => *body == row.terms && (row.main, row.delta, row.debits) == (0, 0, 0),
                "debited" => {
                    let debit = Debit::decode(body)?;
                    debit.total.units() == (row.main, row.delta) && debit.number == row.debits
                }
                _ => false,
            };
        if fits { Ok(()) } else { Err(Refused::Tampered) }
    }

    /// Stores the answer and consumes the permit in one transaction; returns the bytes that may be released. If another
    /// permit for the same debit was settled first, those are its bytes, and `answer` must be forgotten.
    ///
    /// # Errors
    /// [`Refused::Log`]: nothing was stored (after [`LogError::Uncertain`] perhaps something); release nothing and ask again.
    #[expect(clippy::needless_pass_by_value, reason = "settling consumes the permit")]
    pub fn settle(&self, permit: Permit, answer: &[u8], now: Timestamp) -> Result<Vec<u8>, Refused> {
        let Permit { id, .. } = permit;
        let data_set = &self.terms.data_set;
        let digest: [u8; 32] = Sha256::digest(answer).into();
        let settlement = Settlement { query: id, answer: digest };
        let key = UniqueKey::of("dp/answer", &[&data_set[..], &id.0].concat());
        let entry = self.entry(now, "answered", settlement.encode())?.keyed(key);
        self.log.transaction(|tx| {
            let known = store::query(tx.db(), data_set, &id)?.ok_or(Refused::Tampered)?;
            if let Some(stored) = known.answer {
                return Ok(stored);
            }
            tx.append(&entry)?;
            store::answer_query(tx.db(), data_set, &id, answer)?;
            Ok(answer.to_vec())
        })
    }

    /// Reserves, answers from a table, settles: a query from plan to released answer.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn ask(&self, plan: &Plan, table: &Table, now: Timestamp) -> Result<Answer, Refused> {
        check_schema(plan, table)?;
        let reservation = self.reserve(plan, now)?;
        self.finish(reservation, table, now)
    }

    fn finish(&self, reservation: Reservation, table: &Table, now: Timestamp) -> Result<Answer, Refused> {
        let bytes = match reservation {
            Reservation::Answered(bytes) => bytes,
            Reservation::Permit(mut permit) => {
                let answer = permit.answer(table)?;
                self.settle(*permit, &answer.encode(), now)?
            }
        };
        Ok(Answer::decode(&bytes)?)
    }
}

fn check_schema(plan: &Plan, table: &Table) -> Result<(), Refused> {
    match &plan.table {
        Some(of_table) if of_table.schema == *table.schema() => Ok(()),
        _ => Err(Refused::Schema),
    }
}

/// Totals after a charge: the data set's, and of each quota the total and what remained before.
struct Charge {
    total: Cost,
    quotas: Vec<(QuotaKind, (Cost, Cost))>,
}

fn schema_key(data_set: &[u8; 32], schema: &Schema) -> UniqueKey {
    UniqueKey::of("dp/schema", &[&data_set[..], &schema.digest()].concat())
}

fn debit_key(data_set: &[u8; 32], id: &QueryId) -> UniqueKey {
    UniqueKey::of("dp/debit", &[&data_set[..], &id.0].concat())
}
