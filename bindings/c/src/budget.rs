//! The privacy budget: preview and reserve.

use crate::doors::time;
use crate::log::mediveil_log;
use crate::memory::{self, Here, Out};
use crate::status::{Failure, entry, mediveil_status};
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Budget, Epsilon, Guarantee, Permit, Plan, Price, Query, Reservation, Rho, Schema, Terms};
use mediveil_ledger::Actor;
use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The budget of a data set. May be used by several threads at once; not in a child after fork().
#[derive(Debug)]
pub struct mediveil_budget(Here<Budget>);

/// A question with its noise and price. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_plan(Plan);

/// A paid question: a permit to answer it once, or the answer that it got before. May be used by several threads, one after the other.
#[derive(Debug)]
pub struct mediveil_reservation(Mutex<Option<Held>>);

#[derive(Debug)]
enum Held {
    Permit(Box<Permit>),
    Answered(Vec<u8>),
}

impl mediveil_reservation {
    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a plan would cost. Costs are rounded up and what remains down.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct mediveil_preview {
    /// Whether a reservation would be refused now; reserving tells why.
    pub refused: bool,
    /// Whether amounts are rho with delta (zero-concentrated) and not epsilon (pure).
    pub concentrated: bool,
    /// The cost: epsilon or rho; 0 for a question that was paid for.
    pub cost: f64,
    /// The cost's delta.
    pub cost_delta: f64,
    /// What remains: epsilon or rho; less than 0 where that is private.
    pub remaining: f64,
    /// What remains of delta.
    pub remaining_delta: f64,
}

fn amounts(cost: &Cost, up: bool) -> (f64, f64) {
    match cost {
        Cost::Pure(epsilon) => (if up { epsilon.to_f64_up() } else { epsilon.to_f64_down() }, 0.0),
        Cost::Concentrated { rho, delta } if up => (rho.to_f64_up(), delta.to_f64_up()),
        Cost::Concentrated { rho, delta } => (rho.to_f64_down(), delta.to_f64_down()),
    }
}

/// Makes the budget of a data set, named by 32 bytes, for its life. `schema` is JSON; `epsilon` a decimal such as "1".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_budget_create(
    log: *const mediveil_log,
    data_set: *const u8,
    schema: *const c_char,
    epsilon: *const c_char,
    now: u64,
    out: *mut *mut mediveil_budget,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let log = memory::get(log)?;
        let terms = Terms {
            data_set: memory::array(data_set)?,
            unit: Schema::from_json(memory::text(schema)?)?.unit(),
            guarantee: Guarantee::DataSet,
            cap: Cost::Pure(Epsilon::cap_from_decimal(memory::text(epsilon)?)?),
        };
        memory::make(out, mediveil_budget(Here::new(Budget::create(log.0.get()?, terms, Actor::SYSTEM, time(now)?)?)))
    })
}

/// Opens the budget of a data set, named by 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_budget_open(
    log: *const mediveil_log,
    data_set: *const u8,
    out: *mut *mut mediveil_budget,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let log = memory::get(log)?;
        let budget = Budget::open(log.0.get()?, &memory::array(data_set)?, Actor::SYSTEM)?;
        memory::make(out, mediveil_budget(Here::new(budget)))
    })
}

/// Frees a budget and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_budget_free(budget: *mut *mut mediveil_budget) {
    memory::free(budget);
}

/// Plans a question. `schema` and `query` are JSON; the price is one of `epsilon` and `rho`, a decimal; the other is NULL. `version`
/// is that of the data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_plan_new(
    schema: *const c_char,
    query: *const c_char,
    epsilon: *const c_char,
    rho: *const c_char,
    version: u64,
    out: *mut *mut mediveil_plan,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let schema = Schema::from_json(memory::text(schema)?)?;
        let query = Query::from_json(memory::text(query)?)?;
        let price = match (memory::maybe_text(epsilon)?, memory::maybe_text(rho)?) {
            (Some(epsilon), None) => Price::Epsilon(Epsilon::cost_from_decimal(epsilon)?),
            (None, Some(rho)) => Price::Rho(Rho::cost_from_decimal(rho)?),
            _ => {
                let why = "give one of epsilon and rho";
                return Err(Failure(mediveil_status::MEDIVEIL_INVALID, why.into()));
            }
        };
        memory::make(out, mediveil_plan(query.plan(&schema, version, price)?))
    })
}

/// Frees a plan and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_plan_free(plan: *mut *mut mediveil_plan) {
    memory::free(plan);
}

/// What a plan would cost and whether it would be refused. Touches nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_budget_preview(
    budget: *const mediveil_budget,
    plan: *const mediveil_plan,
    out: *mut mediveil_preview,
) -> mediveil_status {
    entry(|| {
        let found = memory::get(budget)?.0.get()?.preview(&memory::get(plan)?.0)?;
        let (cost, cost_delta) = amounts(&found.cost, true);
        let (remaining, remaining_delta) = found.remaining.as_ref().map_or((-1.0, -1.0), |left| amounts(left, false));
        let concentrated = matches!(found.cost, Cost::Concentrated { .. });
        let refused = found.refusal.is_some();
        memory::put(out, mediveil_preview { refused, concentrated, cost, cost_delta, remaining, remaining_delta })
    })
}

/// Debits a plan, durably, before any data is touched. MEDIVEIL_BUDGET if it does not fit; nothing is spent then. `now` is in
/// milliseconds since 1970.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_budget_reserve(
    budget: *const mediveil_budget,
    plan: *const mediveil_plan,
    now: u64,
    out: *mut *mut mediveil_reservation,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let held = match memory::get(budget)?.0.get()?.reserve(&memory::get(plan)?.0, time(now)?)? {
            Reservation::Permit(permit) => Held::Permit(permit),
            Reservation::Answered(answer) => Held::Answered(answer),
        };
        memory::make(out, mediveil_reservation(Mutex::new(Some(held))))
    })
}

fn spent() -> Failure {
    Failure(mediveil_status::MEDIVEIL_STATE, "the reservation holds no permit: it was answered or settled".into())
}

/// Adds the noise of the plan's mechanism `index` to `count` exact values, in place. Each mechanism runs once a permit. Show
/// nothing before it is settled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_reservation_add_noise(
    reservation: *mut mediveil_reservation,
    index: usize,
    values: *mut i64,
    count: usize,
) -> mediveil_status {
    entry(|| {
        let reservation = memory::get(reservation)?;
        let mut held = reservation.held();
        let values = memory::numbers(values, count)?;
        let Some(Held::Permit(permit)) = held.as_mut() else { return Err(spent()) };
        values.copy_from_slice(&permit.add_noise(index, values)?);
        Ok(())
    })
}

/// Stores the answer of a permit; afterwards the reservation holds the stored answer, which may be an earlier one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_reservation_settle(
    reservation: *mut mediveil_reservation,
    budget: *const mediveil_budget,
    answer: *const u8,
    answer_len: usize,
    now: u64,
) -> mediveil_status {
    entry(|| {
        let (reservation, budget, now) = (memory::get(reservation)?, memory::get(budget)?, time(now)?);
        let (budget, mut held) = (budget.0.get()?, reservation.held());
        let answer = memory::bytes(answer, answer_len)?;
        match held.take() {
            Some(Held::Permit(permit)) => {
                *held = Some(Held::Answered(budget.settle(*permit, answer, now)?));
                Ok(())
            }
            other => {
                *held = other;
                Err(spent())
            }
        }
    })
}

/// The stored answer. MEDIVEIL_STATE while the reservation holds a permit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_reservation_answer(
    reservation: *const mediveil_reservation,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| match &*memory::get(reservation)?.held() {
        Some(Held::Answered(answer)) => memory::give(answer, Out::of(out, len)?),
        _ => Err(Failure(mediveil_status::MEDIVEIL_STATE, "the reservation has no answer yet".into())),
    })
}

/// Frees a reservation and sets the variable to NULL. A debit stands: the same plan gets another permit for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_reservation_free(reservation: *mut *mut mediveil_reservation) {
    memory::free(reservation);
}
