//! Questions to plaintext tables: what is computed, what is refused at planning, and what bad input gets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod common;

use common::*;
use mediveil_dp::{Estimate, Part, PlanError, Price, Refused, Schema, Table, TableError};

/// So much budget that the noise is nearly nothing: answers are then the exact ones.
fn ask(table: &Table, json: &str, price: &str) -> Vec<Estimate> {
    let f = with_cap(pure("4000000"));
    let plan = query(json).plan(table.schema(), 1, epsilon(price)).unwrap();
    let answer = f.budget.ask(&plan, table, now()).unwrap();
    plan.estimates(&answer).unwrap()
}

fn value(table: &Table, json: &str) -> f64 {
    let all = ask(table, json, "1000000");
    assert_eq!(all.len(), 1);
    assert!(all[0].low <= all[0].value && all[0].value <= all[0].high);
    all[0].value
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} {b}");
}

/// Against the same statistics computed here from the text.
#[test]
fn statistics_agree_with_plain_arithmetic() {
    let t = table(120);
    let rows: Vec<Vec<String>> = csv(120).lines().skip(1).map(|l| l.split(',').map(str::to_owned).collect()).collect();
    let ages: Vec<f64> = rows.iter().map(|r| r[1].parse().unwrap()).collect();
    let hba1c: Vec<f64> = rows.iter().map(|r| r[2].parse().unwrap()).collect();
    let n = rows.len() as f64;
    close(value(&t, r#"{"statistic":"count"}"#), n);
    close(value(&t, r#"{"statistic":{"sum":{"column":"hba1c"}}}"#), hba1c.iter().sum());
    close(value(&t, r#"{"statistic":{"mean":{"column":"age"}}}"#), ages.iter().sum::<f64>() / n);
    let mean = hba1c.iter().sum::<f64>() / n;
    let variance = hba1c.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    close(value(&t, r#"{"statistic":{"variance":{"column":"hba1c"}}}"#), variance);
    let mut sorted = ages.clone();
    sorted.sort_by(f64::total_cmp);
    let candidates = (20..80).map(|a| format!("\"{a}\"")).collect::<Vec<_>>().join(",");
    let median = value(
        &t,
        &format!(
            r#"{{"statistic":{{"quantile":{{"column":"age","numerator":1,"denominator":2,"candidates":[{candidates}]}}}}}}"#
        ),
    );
    assert!(sorted[119] - 1.0 <= median && median <= sorted[120] + 1.0, "{median}");
    let filtered = r#"{"statistic":"count","filter":[{"is":{"column":"sex","values":["f"]}},
        {"between":{"column":"hba1c","low":"4.5","high":"7.0"}}]}"#;
    let expected = rows.iter().zip(&hba1c).filter(|(r, h)| r[3] == "f" && **h >= 4.5 && **h <= 7.0).count();
    close(value(&t, filtered), expected as f64);
    let cells = ask(&t, r#"{"statistic":{"contingency":{"columns":["sex","arm"]}}}"#, "1000000");
    assert_eq!(cells.len(), 6);
    for cell in &cells {
        let expected = rows.iter().filter(|r| r[3] == cell.group[0] && r[4] == cell.group[1]).count();
        close(cell.value, expected as f64);
    }
    let cells = ask(&t, r#"{"statistic":{"group_sum":{"by":["arm"],"column":"hba1c"}}}"#, "1000000");
    for cell in &cells {
        let expected: f64 = rows.iter().zip(&hba1c).filter(|(r, _)| r[4] == cell.group[0]).map(|(_, h)| h).sum();
        close(cell.value, expected);
    }
    let cells = ask(&t, r#"{"statistic":{"histogram":{"column":"age","edges":["30","50"]}}}"#, "1000000");
    let expected =
        [(0.0, 30.0), (30.0, 50.0), (50.0, 1e9)].map(|(a, z)| ages.iter().filter(|x| **x >= a && **x < z).count());
    assert_eq!(cells.iter().map(|c| c.value as usize).collect::<Vec<_>>(), expected);
    assert_eq!(cells[1].group, ["30", "50"]);
}

#[test]
fn groups_that_are_not_declared_need_a_threshold() {
    let f = with_cap(concentrated("10", "0.001"));
    let json = r#"{"statistic":{"groups":{"by":["code","sex"],"delta":"0.000001"}}}"#;
    let mut text = csv(200);
    text += "unique,50,6.0,f,a,Q00\n";
    let t = Table::from_csv(text.as_bytes(), &schema()).unwrap();
    for price in [epsilon("1"), rho("0.5")] {
        let plan = query(json).plan(&schema(), 1, price).unwrap();
        let groups = plan.estimates(&f.budget.ask(&plan, &t, now()).unwrap()).unwrap();
        let names: Vec<_> = groups.iter().map(|g| g.group.join("/")).collect();
        // The unique code is shown with probability at most 1e-6 a query.
        assert_eq!(names, ["E11/f", "E11/m"]);
        assert!(groups.iter().all(|g| (g.value - 200.0).abs() < 60.0));
    }
    assert!(query(r#"{"statistic":{"groups":{"by":["code"],"delta":"0"}}}"#).plan(&schema(), 1, rho("1")).is_err());
}

#[test]
fn values_out_of_bounds_are_clamped_and_rows_beyond_the_unit_dropped() {
    let header = "id,age,hba1c,sex,arm,code\n";
    let with = |rows: &str| Table::from_csv([header, rows].concat().as_bytes(), &schema()).unwrap();
    let sum = |t: &Table| value(t, r#"{"statistic":{"sum":{"column":"age"}}}"#);
    close(sum(&with("a,9223372036854775807,5,f,a,x\n")), 120.0);
    close(sum(&with("a,-9223372036854775808,5,f,a,x\n")), 0.0);
    close(sum(&with("a,99999999999999999999999999999999,5,f,a,x\n")), 120.0);
    close(sum(&with("a,50,5,f,a,x\na,60,5,f,a,x\na,70,5,f,a,x\n")), 110.0);
    // Which rows stay depends on nobody else: with a patient in between it is the same two.
    close(sum(&with("a,50,5,f,a,x\nb,1,5,f,a,x\na,60,5,f,a,x\na,70,5,f,a,x\n")), 111.0);
    // Missing values and undeclared categories.
    let t = with("a,,5,f,a,x\nb,40,,q,a,\n");
    close(sum(&t), 40.0);
    close(value(&t, r#"{"statistic":"count"}"#), 2.0);
    close(value(&t, r#"{"statistic":"count","filter":[{"known":{"column":"sex"}}]}"#), 1.0);
    let cells = ask(&t, r#"{"statistic":{"contingency":{"columns":["sex"]}}}"#, "1000000");
    assert_eq!(cells.iter().map(|c| c.value).collect::<Vec<_>>(), [1.0, 0.0]);
    // One row, and none.
    close(value(&with("a,50,5,f,a,x\n"), r#"{"statistic":{"mean":{"column":"age"}}}"#), 50.0);
    let empty = with("");
    close(value(&empty, r#"{"statistic":"count"}"#), 0.0);
    for json in [
        r#"{"statistic":{"mean":{"column":"age"}}}"#,
        r#"{"statistic":{"variance":{"column":"hba1c"}}}"#,
        r#"{"statistic":{"quantile":{"column":"age","numerator":1,"denominator":2}}}"#,
    ] {
        let estimates = ask(&empty, json, "1");
        assert!(estimates[0].value.is_finite());
    }
}

#[test]
fn empty_groups_get_noise_like_all_others() {
    let f = with_cap(pure("4000"));
    let t = table(0);
    // Twenty draws of noise of scale 20: all zero with probability below 1e-25.
    let noisy = (0..20).any(|version| {
        let plan = query(r#"{"statistic":{"contingency":{"columns":["sex","arm"]}}}"#).plan(
            &schema(),
            version,
            epsilon("0.1"),
        );
        let answer = f.budget.ask(&plan.unwrap(), &t, now()).unwrap();
        matches!(answer.parts(), [Part::Values(v)] if v.len() == 6 && v.iter().any(|x| *x != 0))
    });
    assert!(noisy);
}

#[test]
fn sums_that_could_overflow_are_refused_at_planning() {
    let wide = |high: &str, rows: u64| {
        Schema::from_json(&format!(
            r#"{{"patient":"id","rows_per_patient":1,"max_rows":{rows},"columns":[
            {{"kind":"number","name":"x","low":"0","high":"{high}"}}]}}"#
        ))
        .unwrap()
    };
    let sum = query(r#"{"statistic":{"sum":{"column":"x"}}}"#);
    let big = (1u64 << 40).to_string();
    assert!(sum.plan(&wide(&big, 1 << 22), 1, epsilon("1")).is_ok());
    assert_eq!(sum.plan(&wide(&big, (1 << 22) + 1), 1, epsilon("1")).unwrap_err(), PlanError::Overflow { bits: 63 });
    let variance = query(r#"{"statistic":{"variance":{"column":"x"}}}"#);
    assert!(variance.plan(&wide(&big, 10), 1, epsilon("1")).is_err());
    assert!(variance.plan(&wide("1000", 1 << 30), 1, epsilon("1")).is_ok());
}

#[test]
fn queries_that_make_no_sense_are_refused_before_anything_is_spent() {
    for json in [
        r#"{"statistic":{"sum":{"column":"id"}}}"#,
        r#"{"statistic":{"sum":{"column":"nothing"}}}"#,
        r#"{"statistic":{"sum":{"column":"sex"}}}"#,
        r#"{"statistic":{"contingency":{"columns":[]}}}"#,
        r#"{"statistic":{"contingency":{"columns":["sex","sex"]}}}"#,
        r#"{"statistic":{"contingency":{"columns":["code"]}}}"#,
        r#"{"statistic":{"histogram":{"column":"age","edges":["50","30"]}}}"#,
        r#"{"statistic":{"histogram":{"column":"age","edges":["x"]}}}"#,
        r#"{"statistic":{"quantile":{"column":"age","numerator":3,"denominator":2}}}"#,
        r#"{"statistic":{"quantile":{"column":"age","numerator":0,"denominator":0}}}"#,
        r#"{"statistic":"count","filter":[{"is":{"column":"sex","values":["q"]}}]}"#,
        r#"{"statistic":"count","filter":[{"between":{"column":"sex","low":"1","high":"2"}}]}"#,
    ] {
        assert!(query(json).plan(&schema(), 1, epsilon("1")).is_err(), "{json}");
    }
    for json in ["", "{}", r#"{"statistic":"median"}"#, r#"{"statistic":"count","epsilon":1}"#] {
        assert!(mediveil_dp::Query::from_json(json).is_err(), "{json}");
    }
    assert!(matches!(
        query(r#"{"statistic":{"variance":{"column":"age"}}}"#).plan(
            &schema(),
            1,
            Price::Epsilon(mediveil_dp::Epsilon::ONE_UNIT)
        ),
        Err(PlanError::Price)
    ));
}

#[test]
fn tables_that_cannot_be_read_name_the_place_and_no_value() {
    let read = |text: &str| Table::from_csv(text.as_bytes(), &schema()).unwrap_err();
    let header = "id,age,hba1c,sex,arm,code\n";
    assert_eq!(read("id,age\n"), TableError::NoColumn("hba1c".into()));
    assert_eq!(read(&format!("{header}a,secret,5,f,a,x\n")), TableError::NotANumber { line: 2, column: "age".into() });
    assert_eq!(read(&format!("{header},5,5,f,a,x\n")), TableError::NoPatient(2));
    assert!(matches!(read(&format!("{header}a,5\n")), TableError::Csv(_)));
    let small = Schema::from_json(&SCHEMA.replace("100000", "1")).unwrap();
    assert_eq!(Table::from_csv(csv(1).as_bytes(), &small).unwrap_err(), TableError::TooManyRows);
}

/// Intervals hold what a noiseless answer would be, for all statistics, in at least the promised share of runs.
#[test]
fn intervals_hold_their_share() {
    let t = table(200);
    let f = with_cap(pure("4000000"));
    for json in [
        r#"{"statistic":"count"}"#,
        r#"{"statistic":{"sum":{"column":"hba1c"}}}"#,
        r#"{"statistic":{"mean":{"column":"age"}}}"#,
        r#"{"statistic":{"variance":{"column":"age"}}}"#,
    ] {
        let exact = value(&t, json);
        let runs = 100u64;
        let held = (0..runs)
            .filter(|version| {
                let plan = query(json).plan(&schema(), *version, epsilon("1")).unwrap();
                let e = &plan.estimates(&f.budget.ask(&plan, &t, now()).unwrap()).unwrap()[0];
                e.low <= exact + 1e-9 && exact - 1e-9 <= e.high
            })
            .count();
        // P(Binomial(100, 0.95) < 77) is below 1e-9.
        assert!(held >= 77, "{json}: {held}");
    }
}

#[test]
fn a_plan_is_for_one_schema() {
    let f = with_cap(pure("10"));
    let other = Schema::from_json(&SCHEMA.replace("\"high\": \"120\"", "\"high\": \"110\"")).unwrap();
    let t = Table::from_csv(csv(3).as_bytes(), &other).unwrap();
    assert_eq!(f.budget.ask(&count(1, epsilon("1")), &t, now()).unwrap_err(), Refused::Schema);
    assert_eq!(
        f.budget.spent().unwrap(),
        Some(mediveil_dp::accounting::Cost::zero(mediveil_dp::accounting::Regime::Pure))
    );
}

/// One row and no row are answered like any table: the same shape, values within the bounds, and no error that tells them apart.
#[test]
fn one_row_and_no_row_are_answered_like_any_other() {
    let header = "id,age,hba1c,sex,arm,code\n";
    let questions = [
        r#"{"statistic":"count"}"#,
        r#"{"statistic":{"sum":{"column":"age"}}}"#,
        r#"{"statistic":{"mean":{"column":"age"}}}"#,
        r#"{"statistic":{"variance":{"column":"hba1c"}}}"#,
        r#"{"statistic":{"quantile":{"column":"age","numerator":1,"denominator":2,"candidates":["20","40","60"]}}}"#,
        r#"{"statistic":{"histogram":{"column":"age","edges":["30","50"]}}}"#,
        r#"{"statistic":{"contingency":{"columns":["sex","arm"]}}}"#,
        r#"{"statistic":{"group_sum":{"by":["arm"],"column":"hba1c"}}}"#,
    ];
    for json in questions {
        let shape = |rows: &str| {
            let all = ask(&Table::from_csv([header, rows].concat().as_bytes(), &schema()).unwrap(), json, "1");
            assert!(all.iter().all(|e| e.value.is_finite() && e.low <= e.value && e.value <= e.high), "{json}");
            all.into_iter().map(|e| e.group).collect::<Vec<_>>()
        };
        let many = shape(csv(50).split_once('\n').unwrap().1);
        assert_eq!((shape(""), shape("a,50,5.0,f,a,E11\n")), (many.clone(), many), "{json}");
    }
    let one = Table::from_csv([header, "a,50,5.0,f,a,E11\n"].concat().as_bytes(), &schema()).unwrap();
    close(value(&one, questions[0]), 1.0);
    close(value(&one, questions[2]), 50.0);
    close(value(&one, questions[3]), 0.0);
}
