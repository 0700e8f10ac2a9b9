//! The budget: what is charged, refused, resumed, repeated and found by an audit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::*;
use mediveil_codec::{Timestamp, Wire};
use mediveil_dp::accounting::{Cost, Regime};
use mediveil_dp::{
    Account, Answer, Budget, Finding, Guarantee, Part, Quota, QuotaKind, Refused, Reservation, Table, Terms,
};
use mediveil_ledger::{Actor, Log, LogError, SubjectSalt};
use mediveil_seal::identity::SigningKey;

fn account(researcher: &str) -> Account {
    Account { researcher: researcher.into(), ..Account::default() }
}

fn clean(budget: &Budget) {
    let audit = budget.audit().unwrap();
    assert_eq!(audit.findings, []);
    if let Some(spent) = budget.spent().unwrap() {
        let (main, delta) = spent.units();
        assert_eq!(audit.spent, (main.into(), delta.into()));
    }
}

#[test]
fn a_query_is_charged_once_and_repeated_for_free() {
    let f = with_cap(pure("1"));
    let t = table(20);
    let plan = count(1, epsilon("0.6"));
    let before = f.budget.preview(&plan).unwrap();
    assert_eq!(before.remaining, Some(pure("1")));
    assert_eq!(before.refusal, None);
    assert_eq!(f.log.size().unwrap(), 1, "a preview touches nothing");
    let first = f.budget.ask(&plan, &t, now()).unwrap();
    for _ in 0..5 {
        assert_eq!(f.budget.ask(&plan, &t, now()).unwrap(), first);
        // Whoever asks, and whatever the table has become: the stored answer.
        assert_eq!(f.budget.ask(&plan.clone().charged_to(account("other")), &table(3), now()).unwrap(), first);
    }
    assert_eq!(f.budget.preview(&plan).unwrap().cost, Cost::zero(Regime::Pure));
    // Another version, price or question is another query, and 0.6 is more than what is left.
    for other in [count(2, epsilon("0.6")), count(1, epsilon("0.7"))] {
        let refused = f.budget.ask(&other, &t, now()).unwrap_err();
        assert!(matches!(refused, Refused::OverBudget { .. }));
        assert_eq!(f.budget.preview(&other).unwrap().refusal, Some(refused));
    }
    // A refusal leaves the filter usable to the last unit.
    let left = f.budget.preview(&count(3, epsilon("0.1"))).unwrap().remaining.unwrap().units().0;
    f.budget.ask(&count_for_units(3, left), &t, now()).unwrap();
    assert!(f.budget.ask(&count_for_units(4, 1), &t, now()).is_err());
    assert_eq!(f.budget.spent().unwrap(), Some(pure("1")));
    clean(&f.budget);
}

#[test]
fn a_crash_between_debit_and_answer_is_resumed() {
    let f = with_cap(pure("1"));
    let plan = count(1, epsilon("0.6"));
    let Reservation::Permit(lost) = f.budget.reserve(&plan, now()).unwrap() else { panic!() };
    let spent = f.budget.spent().unwrap();
    drop(lost);
    let again = Budget::open(&Log::open(f.log.path()).unwrap(), &DATA_SET, Actor::SYSTEM).unwrap();
    let answer = again.ask(&plan, &table(5), now()).unwrap();
    assert_eq!(f.budget.spent().unwrap(), spent, "nothing was charged twice");
    assert_eq!(f.budget.ask(&plan, &table(5), now()).unwrap(), answer);
    clean(&f.budget);
}

#[test]
fn of_two_permits_for_one_debit_one_is_consumed() {
    let f = with_cap(pure("1"));
    let (plan, t) = (count(1, epsilon("0.1")), table(5));
    let Reservation::Permit(mut slow) = f.budget.reserve(&plan, now()).unwrap() else { panic!() };
    let Reservation::Permit(mut fast) = f.budget.reserve(&plan, now()).unwrap() else { panic!() };
    let fast_answer = fast.answer(&t).unwrap();
    let released = f.budget.settle(*fast, &fast_answer.encode(), now()).unwrap();
    let slow_answer = slow.answer(&t).unwrap();
    assert_eq!(f.budget.settle(*slow, &slow_answer.encode(), now()).unwrap(), released);
    assert_eq!(released, fast_answer.encode());
    assert!(matches!(f.budget.reserve(&plan, now()).unwrap(), Reservation::Answered(bytes) if bytes == released));
    clean(&f.budget);
}

#[test]
fn a_permit_runs_each_mechanism_once() {
    let f = with_cap(pure("1"));
    let Reservation::Permit(mut permit) = f.budget.reserve(&count(1, epsilon("0.1")), now()).unwrap() else { panic!() };
    assert_eq!(permit.add_noise(0, &[10]).unwrap().len(), 1);
    assert!(permit.add_noise(0, &[10]).is_err());
    assert!(permit.run(0).is_err());
    assert!(permit.run(1).is_err());
    assert!(permit.add_noise(1, &[10]).is_err());
    assert!(permit.answer(&table(1)).is_err());
}

#[test]
fn a_pure_data_set_refuses_gaussian_noise_and_thresholds() {
    let f = with_cap(pure("100"));
    let groups = query(r#"{"statistic":{"groups":{"by":["code"],"delta":"0.000001"}}}"#);
    for plan in [count(1, rho("0.1")), groups.plan(&schema(), 1, epsilon("1")).unwrap()] {
        assert_eq!(f.budget.reserve(&plan, now()).unwrap_err(), Refused::Regime);
        assert_eq!(f.budget.preview(&plan).unwrap_err(), Refused::Regime);
    }
    // A concentrated one takes all of them: pure ones at half the square, thresholds at a delta.
    let f = with_cap(concentrated("1", "0.00001"));
    for plan in [count(1, rho("0.1")), count(2, epsilon("1")), groups.plan(&schema(), 1, epsilon("0.5")).unwrap()] {
        f.budget.ask(&plan, &table(10), now()).unwrap();
    }
    let Some(Cost::Concentrated { rho, delta }) = f.budget.spent().unwrap() else { panic!() };
    assert!(rho.to_f64_up() <= 0.1 + 0.5 + 0.125 + 1e-9 && rho.to_f64_up() > 0.7249);
    assert!(delta.to_f64_up() <= 1e-6 && delta.to_f64_up() > 1e-7);
    // Delta alone can be what is exhausted.
    let costly = query(r#"{"statistic":{"groups":{"by":["code"],"delta":"0.0001"}}}"#);
    let refused = f.budget.reserve(&costly.plan(&schema(), 1, epsilon("0.1")).unwrap(), now()).unwrap_err();
    assert!(matches!(refused, Refused::OverBudget { .. }));
    clean(&f.budget);
}

#[test]
fn quotas_lie_beneath_the_cap() {
    let f = with_cap(pure("1"));
    let quota = |name: &str, cap: &str| Quota { kind: QuotaKind::Researcher, name: name.into(), cap: pure(cap) };
    f.budget.set_quota(&quota("ada", "0.3"), now()).unwrap();
    f.budget.set_quota(&quota("bob", "5"), now()).unwrap();
    let by = |who: &str, version, price: &str| count(version, epsilon(price)).charged_to(account(who));
    let t = table(5);
    f.budget.ask(&by("ada", 1, "0.2"), &t, now()).unwrap();
    let refused = f.budget.ask(&by("ada", 2, "0.2"), &t, now()).unwrap_err();
    assert!(matches!(refused, Refused::OverQuota { kind: QuotaKind::Researcher, .. }));
    // Where there are quotas, nobody goes without.
    for who in ["eve", ""] {
        let refused = f.budget.ask(&by(who, 2, "0.01"), &t, now()).unwrap_err();
        assert_eq!(refused, Refused::NoQuota(QuotaKind::Researcher));
    }
    // A generous quota does not lift the cap.
    f.budget.ask(&by("bob", 3, "0.7"), &t, now()).unwrap();
    assert!(matches!(f.budget.ask(&by("bob", 4, "0.2"), &t, now()), Err(Refused::OverBudget { .. })));
    // Lowered below what was spent: nothing remains, and nothing is refunded.
    f.budget.set_quota(&quota("ada", "0.1"), now()).unwrap();
    let refused = f.budget.preview(&by("ada", 5, "0.0001")).unwrap().refusal.unwrap();
    assert!(matches!(refused, Refused::OverQuota { remaining, .. } if remaining == Cost::zero(Regime::Pure)));
    assert_eq!(f.budget.set_quota(&quota("", "1"), now()), Err(Refused::Name));
    let audit = f.budget.audit().unwrap();
    assert_eq!(audit.findings, []);
    assert_eq!(audit.by_account.len(), 2);
}

#[test]
fn the_history_tells_what_the_audit_adds_up() {
    let f = with_cap(pure("1"));
    let t = table(5);
    f.budget.ask(&count(1, epsilon("0.1")).charged_to(account("ada")), &t, now()).unwrap();
    let quota = |cap: &str| Quota { kind: QuotaKind::Researcher, name: "ada".into(), cap: pure(cap) };
    f.budget.set_quota(&quota("0.3"), now()).unwrap();
    f.budget.ask(&count(2, epsilon("0.2")).charged_to(account("ada")), &t, now()).unwrap();
    f.budget.set_quota(&quota("0.5"), now()).unwrap();
    let Reservation::Permit(open) =
        f.budget.reserve(&count(3, epsilon("0.1")).charged_to(account("ada")), now()).unwrap()
    else {
        panic!()
    };
    let history = f.budget.history().unwrap();
    assert_eq!(history.created, now());
    assert_eq!(history.debits.iter().map(|c| c.answered).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(history.debits[2].debit.query, open.id());
    let sum: u128 = history.debits.iter().map(|c| u128::from(c.debit.cost.units().0)).sum();
    assert_eq!(f.budget.audit().unwrap().spent.0, sum);
    // Under a quota counts what was spent since it was first set; its cap is the latest.
    let under = history.debits[1].debit.cost.checked_add(&history.debits[2].debit.cost).unwrap();
    assert_eq!(history.quotas, [(quota("0.5"), under)]);
    assert_eq!(Budget::all(&f.log).unwrap(), [*f.budget.terms()]);
}

#[test]
fn expected_errors_are_in_the_units_of_the_column() {
    let expected = |json: &str| query(json).plan(&schema(), 1, epsilon("1")).unwrap();
    let plan = expected(r#"{"statistic":{"mean":{"column":"hba1c"}}}"#);
    let errors = plan.expected().unwrap();
    assert_eq!(errors.iter().map(|e| e.figure).collect::<Vec<_>>(), ["sum", "count"]);
    // A step of hba1c is a tenth: the sum's noise is ten times coarser in steps.
    let [sum, rows] = plan.expected_errors()[..] else { panic!() };
    assert!((errors[0].half_width - sum.1 as f64 / 10.0).abs() < 1e-9 && (errors[0].mean - sum.0 / 10.0).abs() < 1e-9);
    assert!((errors[1].half_width - rows.1 as f64).abs() < 1e-9);
    let plan = expected(r#"{"statistic":{"quantile":{"column":"age","numerator":1,"denominator":4}}}"#);
    assert_eq!(Some(plan.expected().unwrap()[0].half_width), plan.rank_error());
}

#[test]
fn what_is_a_little_short_is_told_in_exact_units() {
    let f = with_cap(pure("1"));
    // So much is gone that what is left is one unit short of 0.6, and prints alike.
    let price = f.budget.preview(&count(2, epsilon("0.6"))).unwrap().cost.units().0;
    f.budget.ask(&count_for_units(1, pure("1").units().0 - price + 1), &table(5), now()).unwrap();
    let refused = f.budget.reserve(&count(2, epsilon("0.6")), now()).unwrap_err();
    let Refused::OverBudget { cost, remaining } = refused else { panic!("{refused}") };
    let (asked, left) = (cost.units().0, remaining.units().0);
    assert_eq!((asked, cost.to_string()), (left + 1, remaining.to_string()));
    let text = refused.to_string();
    let exact = format!(": {asked} units of epsilon asked, {left} left (a unit is 2^-40;");
    assert!(text.contains(&exact) && !text.contains("delta"), "{text}");
    f.budget.reserve(&count_for_units(3, left), now()).unwrap();
    clean(&f.budget);
}

#[test]
fn a_schema_that_was_exchanged_is_told_from_the_one_declared() {
    let f = with_cap(pure("1"));
    assert_eq!(f.budget.knows_schema(&schema()), Ok(false));
    f.budget.declare_schema(&schema(), now()).unwrap();
    f.budget.declare_schema(&schema(), now()).unwrap();
    assert_eq!((f.budget.knows_schema(&schema()), f.log.size()), (Ok(true), Ok(2)));
    let wider = mediveil_dp::Schema::from_json(&SCHEMA.replace("\"120\"", "\"130\"")).unwrap();
    assert_eq!(f.budget.knows_schema(&wider), Ok(false));
    // A later version of the data has its own.
    f.budget.declare_schema(&wider, now()).unwrap();
    assert_eq!((f.budget.knows_schema(&schema()), f.budget.knows_schema(&wider)), (Ok(true), Ok(true)));
    let other = mediveil_dp::Schema::from_json(&SCHEMA.replace("\"rows_per_patient\": 2", "\"rows_per_patient\": 3"));
    assert_eq!(f.budget.declare_schema(&other.unwrap(), now()), Err(Refused::Unit));
    clean(&f.budget);
}

#[test]
fn terms_are_for_life() {
    let f = with_cap(pure("1"));
    let again = Budget::create(&f.log, terms(pure("100")), Actor::SYSTEM, now());
    assert!(matches!(again, Err(Refused::Exists)));
    assert_eq!(Budget::open(&f.log, &DATA_SET, Actor::SYSTEM).unwrap().terms().cap, pure("1"));
    assert!(matches!(Budget::open(&f.log, &[8; 32], Actor::SYSTEM), Err(Refused::NoBudget)));
    // Another data set in the same log has a budget of its own.
    let other = Budget::create(&f.log, Terms { data_set: [8; 32], ..terms(pure("1")) }, Actor::SYSTEM, now()).unwrap();
    f.budget.ask(&count(1, epsilon("1")), &table(1), now()).unwrap();
    other.ask(&count(1, epsilon("1")), &table(1), now()).unwrap();
    clean(&f.budget);
    clean(&other);
}

#[test]
fn a_plan_for_another_unit_is_refused() {
    let f = with_cap(pure("10"));
    let one_row = mediveil_dp::Schema::from_json(&SCHEMA.replace("\"rows_per_patient\": 2", "\"rows_per_patient\": 1"));
    let plan = query(r#"{"statistic":"count"}"#).plan(&one_row.unwrap(), 1, epsilon("1")).unwrap();
    assert_eq!(f.budget.reserve(&plan, now()).unwrap_err(), Refused::Unit);
}

/// Data present or absent, large or empty: the same refusals in the same words, and not a byte written.
#[test]
fn refusals_depend_on_no_data() {
    let texts = |t: &Table| -> Vec<String> {
        let f = with_cap(pure("0.5"));
        let size = f.log.size().unwrap();
        let plans = [count(1, epsilon("0.6")), count(1, rho("0.1")), count(1, epsilon("4000000"))];
        let all = plans.iter().map(|p| f.budget.ask(p, t, now()).unwrap_err().to_string()).collect();
        assert_eq!(f.log.size().unwrap(), size);
        assert_eq!(f.budget.spent().unwrap(), Some(Cost::zero(Regime::Pure)));
        all
    };
    assert_eq!(texts(&table(0)), texts(&table(500)));
}

#[test]
fn a_jumping_clock_changes_nothing() {
    let f = with_cap(pure("1"));
    let t = table(5);
    for (version, millis) in [u64::MAX, 0, 1_800_000_000_000, 5, Timestamp::MAX.millis(), 1].into_iter().enumerate() {
        let at = Timestamp::from_millis(millis).unwrap_or(Timestamp::MAX);
        let plan = count(version as u64, epsilon("0.1"));
        let answer = f.budget.ask(&plan, &t, at).unwrap();
        assert_eq!(f.budget.ask(&plan, &t, Timestamp::from_millis(0).unwrap()).unwrap(), answer);
    }
    assert_eq!(f.budget.audit().unwrap().debits, 6);
    clean(&f.budget);
}

#[test]
fn a_database_copied_back_is_noticed_against_a_remembered_head() {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(&mut mediveil_rng::SeededRng::from_u64(3));
    let t = table(5);
    let path = {
        let log = any_log(&dir);
        let budget = Budget::create(&log, terms(pure("1")), Actor::SYSTEM, now()).unwrap();
        budget.ask(&count(1, epsilon("0.3")), &t, now()).unwrap();
        log.path().to_owned()
    };
    // The last close has folded the write-ahead log into the file.
    store::copy(&path);
    let head = {
        let log = Log::open(&path).unwrap();
        let budget = Budget::open(&log, &DATA_SET, Actor::SYSTEM).unwrap();
        budget.ask(&count(2, epsilon("0.7")), &t, now()).unwrap();
        assert!(budget.ask(&count(3, epsilon("0.7")), &t, now()).is_err());
        log.head(now(), &key).unwrap().verify(&key.verifying_key()).unwrap()
    };
    store::put_back(&path);
    let log = Log::open(&path).unwrap();
    let refused = Budget::open_against(&log, &head, &DATA_SET, Actor::SYSTEM).unwrap_err();
    assert!(matches!(refused, Refused::Log(LogError::RolledBack { .. })), "{refused}");
    // Without a remembered head nothing can be noticed: the copy is a good log of its own.
    clean(&Budget::open(&log, &DATA_SET, Actor::SYSTEM).unwrap());
}

#[test]
fn tables_changed_behind_the_log_are_noticed() {
    let change = |sql: &str| {
        let f = with_cap(pure("1"));
        f.budget.ask(&count(1, epsilon("0.3")), &table(5), now()).unwrap();
        let quota = Quota { kind: QuotaKind::Project, name: "p".into(), cap: pure("1") };
        f.budget.set_quota(&quota, now()).unwrap();
        store::run(&f.log, sql);
        f
    };
    let mine =
        |version| count(version, epsilon("0.3")).charged_to(Account { project: "p".into(), ..Account::default() });
    // A lowered total does not buy another query.
    let f = change("UPDATE dp_budget SET main = 0");
    assert_eq!(f.budget.reserve(&mine(2), now()).unwrap_err(), Refused::Tampered);
    assert_eq!(f.budget.audit().unwrap().findings, [Finding::TableTotal]);
    // A forgotten query is not charged or answered again.
    let f = change("DELETE FROM dp_query");
    assert_eq!(f.budget.reserve(&mine(1), now()).unwrap_err(), Refused::Tampered);
    assert!(f.budget.audit().unwrap().findings.iter().any(|f| matches!(f, Finding::TableQuery(_))));
    // A raised cap.
    let f = change("UPDATE dp_budget SET terms = x'00'");
    assert!(Budget::open(&f.log, &DATA_SET, Actor::SYSTEM).is_err());
    // A changed answer; a changed quota.
    let f = change("UPDATE dp_query SET answer = x'00'");
    assert!(matches!(f.budget.audit().unwrap().findings[..], [Finding::StoredAnswer(_)]));
    let f = change("UPDATE dp_quota SET main = 5");
    assert_eq!(f.budget.audit().unwrap().findings, [Finding::TableQuota(QuotaKind::Project)]);
    let f = change("DELETE FROM dp_quota");
    assert_eq!(f.budget.audit().unwrap().findings, [Finding::TableQuota(QuotaKind::Project)]);
}

#[test]
fn a_full_disk_spends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.log");
    {
        let log = log_in(&dir);
        Budget::create(&log, terms(pure("1000")), Actor::SYSTEM, now()).unwrap();
    }
    let log = mediveil_ledger::Options::new().max_pages(40).open(&path).unwrap();
    let budget = Budget::open(&log, &DATA_SET, Actor::SYSTEM).unwrap();
    let t = table(5);
    let mut version = 0;
    let refused = loop {
        version += 1;
        match budget.ask(&count(version, epsilon("0.01")), &t, now()) {
            Ok(_) => assert!(version < 10_000),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refused::Log(LogError::Full));
    clean(&budget);
    drop((log, budget));
    // With room again, the same plan goes on, and what was reserved is not charged twice.
    let log = Log::open(&path).unwrap();
    let budget = Budget::open(&log, &DATA_SET, Actor::SYSTEM).unwrap();
    budget.ask(&count(version, epsilon("0.01")), &t, now()).unwrap();
    assert_eq!(budget.audit().unwrap().debits, version);
    clean(&budget);
}

#[test]
fn a_read_only_log_refuses_debits_and_still_previews() {
    let f = with_cap(pure("1"));
    let read_only = Log::open_read_only(f.log.path()).unwrap();
    let budget = Budget::open(&read_only, &DATA_SET, Actor::SYSTEM).unwrap();
    let plan = count(1, epsilon("0.5"));
    assert_eq!(budget.reserve(&plan, now()).unwrap_err(), Refused::Log(LogError::ReadOnly));
    assert_eq!(budget.preview(&plan).unwrap().remaining, Some(pure("1")));
    clean(&budget);
}

// --- per-record filters ---

/// What members of a committee go by: the log's word that a query is paid for, and its name.
#[test]
fn a_debit_is_found_by_its_plan_and_by_nothing_else() {
    let f = with_cap(pure("1"));
    let plan = count(1, epsilon("0.5")).charged_to(Account { project: "p".into(), ..Account::default() });
    let cost = plan.cost(Regime::Pure).unwrap().unwrap();
    let name = plan.name(&DATA_SET, &cost);
    assert_eq!(f.budget.preview(&plan).unwrap().id, name);
    assert!(f.budget.find(&plan).unwrap().is_none());
    assert_eq!(f.log.size().unwrap(), 1, "looking spends nothing");
    f.budget.set_quota(&Quota { kind: QuotaKind::Project, name: "p".into(), cap: pure("1") }, now()).unwrap();
    let Reservation::Permit(permit) = f.budget.reserve(&plan, now()).unwrap() else { panic!() };
    assert_eq!(permit.id(), name);
    // With read access only, and with the place of the debit in the log.
    let read_only = Log::open_read_only(f.log.path()).unwrap();
    let reader = Budget::open(&read_only, &DATA_SET, Actor::SYSTEM).unwrap();
    let Some((2, Reservation::Permit(mut found))) = reader.find(&plan).unwrap() else { panic!() };
    assert_eq!(found.id(), name);
    found.answer(&table(5)).unwrap();
    assert_eq!(f.log.size().unwrap(), 3);
    // Another price, version or question is another query, and has no debit; nor does this one in another data set's name.
    let other = query(r#"{"statistic":{"sum":{"column":"age"}}}"#).plan(&schema(), 1, epsilon("0.5")).unwrap();
    for plan in [count(1, epsilon("0.4")), count(2, epsilon("0.5")), other] {
        assert!(reader.find(&plan).unwrap().is_none());
        assert_ne!(plan.name(&DATA_SET, &cost), name);
    }
    assert_ne!(plan.name(&DATA_SET, &pure("0.4")), name);
    assert_ne!(plan.name(&[8; 32], &cost), name);
    // Whoever it is charged to, it is the same query.
    assert_eq!(plan.clone().charged_to(account("somebody")).name(&DATA_SET, &cost), name);
    // No permit once it is answered: the answer.
    let stored = f.budget.settle(*permit, b"answer", now()).unwrap();
    let Some((2, Reservation::Answered(answer))) = reader.find(&plan).unwrap() else { panic!() };
    assert_eq!(answer, stored);
    // A price that this regime does not have.
    let gaussian = query(r#"{"statistic":"count"}"#).plan(&schema(), 1, rho("0.1")).unwrap();
    assert_eq!(reader.find(&gaussian).unwrap_err(), Refused::Regime);
    // Tables that have forgotten what the log has.
    store::run(&f.log, "DELETE FROM dp_query");
    assert_eq!(reader.find(&plan).unwrap_err(), Refused::Tampered);
}

fn per_record(cap: &str) -> Fixture {
    with_terms(Terms { guarantee: Guarantee::PerRecord, ..terms(pure(cap)) })
}

fn counted(answer: &Answer) -> i64 {
    match answer.parts() {
        [Part::Values(v)] => v[0],
        _ => panic!(),
    }
}

#[test]
fn exhausted_patients_drop_out_and_nothing_visible_tells() {
    // So large a price that the noise is nothing and the answers show who takes part.
    let (f, t, salt) = (per_record("1000000"), table(100), SubjectSalt::from_bytes([1; 32]));
    let ask = |f: &Fixture, json: &str, version, price: &str| {
        let plan = query(json).plan(&schema(), version, epsilon(price)).unwrap();
        f.budget.ask_per_record(&plan, &t, &salt, now())
    };
    let women = r#"{"statistic":"count","filter":[{"is":{"column":"sex","values":["f"]}}]}"#;
    let all = r#"{"statistic":"count"}"#;
    assert_eq!(counted(&ask(&f, women, 1, "600000").unwrap()), 100);
    // The men have all of their budget left and the women 400000.
    assert_eq!(counted(&ask(&f, all, 1, "600000").unwrap()), 100);
    assert_eq!(counted(&ask(&f, all, 2, "400000").unwrap()), 200);
    assert_eq!(counted(&ask(&f, all, 3, "400000").unwrap()), 0);
    // The same query again is the same answer, though by now nobody could pay for it.
    assert_eq!(counted(&ask(&f, all, 1, "600000").unwrap()), 100);
    // Nothing visible: previews, refusals and the log are those of a table in which nobody is exhausted.
    let fresh = per_record("1000000");
    let plan = query(all).plan(&schema(), 9, epsilon("400000")).unwrap();
    let (mut a, mut b) = (f.budget.preview(&plan).unwrap(), fresh.budget.preview(&plan).unwrap());
    assert_eq!((a.remaining, a.refusal.take()), (None, None));
    assert_eq!((b.remaining, b.refusal.take()), (None, None));
    assert_eq!(a, b);
    assert_eq!(f.budget.spent().unwrap(), None);
    let over = ask(&f, all, 9, "1000001").unwrap_err();
    assert_eq!(over, ask(&fresh, all, 9, "1000001").unwrap_err());
    clean(&f.budget);
    // The other guarantee's door is shut, both ways.
    assert_eq!(f.budget.ask(&plan, &t, now()).unwrap_err(), Refused::Guarantee);
    let capped = with_cap(pure("1"));
    assert_eq!(capped.budget.ask_per_record(&plan, &t, &salt, now()).unwrap_err(), Refused::Guarantee);
}

/// Independent check of the per-record rule: nobody's sum exceeds the cap, to the unit.
#[test]
fn nobody_pays_more_than_the_cap() {
    let (f, t, salt) = (per_record("1"), table(40), SubjectSalt::from_bytes([1; 32]));
    for version in 0..12u64 {
        let json = if version % 3 == 0 {
            r#"{"statistic":"count","filter":[{"between":{"column":"age","low":"30","high":"45"}}]}"#
        } else {
            r#"{"statistic":{"mean":{"column":"age"}}}"#
        };
        let plan = query(json).plan(&schema(), version, epsilon("0.3")).unwrap();
        f.budget.ask_per_record(&plan, &t, &salt, now()).unwrap();
    }
    let cap = pure("1").units().0;
    let (most, patients) = f
        .log
        .snapshot(|db| {
            db.first("SELECT max(main), count(*) FROM dp_record", &[], |row| {
                Ok((row.int(0)?.unsigned_abs(), row.int(1)?.unsigned_abs()))
            })
        })
        .unwrap()
        .unwrap();
    assert!(most <= cap && most > cap * 8 / 10, "{most}");
    assert_eq!(patients, 40);
    clean(&f.budget);
}

#[test]
fn exchange_has_no_per_record_filters() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(&dir);
    let unit = mediveil_dp::PrivacyUnit::new(mediveil_dp::Neighbours::Replace, 1).unwrap();
    let terms = Terms { guarantee: Guarantee::PerRecord, unit, ..terms(pure("1")) };
    assert!(matches!(Budget::create(&log, terms, Actor::SYSTEM, now()), Err(Refused::Guarantee)));
}
