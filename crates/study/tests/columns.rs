//! Columns in memory are read as the same table in CSV is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_study::{Cells, Schema, Table, TableError, Values};
use proptest::prelude::*;
use std::borrow::Cow;

const SCHEMA: &str = r#"{"patient": "id", "rows_per_patient": 2, "max_rows": 12, "columns": [
    {"kind": "number", "name": "hba1c", "low": "-5", "high": "20", "scale": 1},
    {"kind": "number", "name": "fine", "low": "-1", "high": "1", "scale": 9},
    {"kind": "number", "name": "large", "low": "-9007199254740992", "high": "9007199254740992"},
    {"kind": "number", "name": "age", "field": "born", "age_at": "2026-01-01", "low": "0", "high": "120"},
    {"kind": "category", "name": "sex", "values": ["female", "male", "1", "-0", "2.5", "true"], "required": true},
    {"kind": "flag", "name": "smoker"}]}"#;

const NAMES: [&str; 7] = ["id", "hba1c", "fine", "large", "born", "sex", "smoker"];

/// What a field of CSV would be.
fn text(values: &Values<'_>, row: usize) -> Option<String> {
    match values {
        Values::Texts(all) => all[row].clone(),
        Values::Integers(all) => Some(all[row].to_string()),
        Values::Flags(all) => Some(all[row].to_string()),
        Values::Codes(codes, texts) => usize::try_from(codes[row]).ok().and_then(|code| texts[code].clone()),
        Values::Floats(all) if all[row].is_nan() => None,
        Values::Floats(all) if all[row].fract() == 0.0 => Some(format!("{:.0}", all[row])),
        Values::Floats(all) => Some(all[row].to_string()),
        _ => panic!(),
    }
}

fn csv(columns: &[Cells<'_>], rows: usize) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut made = columns.iter().map(|c| quoted(&c.name)).collect::<Vec<_>>().join(",") + "\n";
    for row in 0..rows {
        let known = |c: &&Cells<'_>| c.known.as_ref().is_none_or(|k| k[row]);
        let field = |c: &Cells<'_>| Some(c).filter(known).and_then(|c| text(&c.values, row)).unwrap_or_default();
        made += &(columns.iter().map(|c| quoted(&field(c))).collect::<Vec<_>>().join(",") + "\n");
    }
    made
}

/// Rows, or why there are none.
fn told(read: Result<Table, TableError>) -> Result<Vec<Vec<Option<i64>>>, String> {
    let table = read.map_err(|e| e.to_string())?;
    let columns = 0..table.schema().columns().len();
    Ok((0..table.rows()).map(|row| columns.clone().map(|column| table.value(column, row)).collect()).collect())
}

fn float() -> impl Strategy<Value = f64> {
    // Any bits; steps of tenths, twentieths and halves with their neighbours; whole numbers of all sizes.
    prop_oneof![
        1 => any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |n| n.is_finite()),
        6 => (-60i32..210, -2i32..3).prop_map(|(twentieths, ulps)| {
            let near = f64::from(twentieths) / 20.0;
            (0..ulps.abs()).fold(near, |n, _| if ulps < 0 { n.next_down() } else { n.next_up() })
        }),
        2 => (-1_000_000_000i32..1_000_000_000).prop_map(|n| (f64::from(n) + 0.5) / 1e9),
        2 => (0u32..2, -5i32..21).prop_map(|(half, n)| f64::from(n) + f64::from(half) / 2.0),
        1 => (0i32..64).prop_map(|bits| -f64::from(bits).exp2() * 1.5),
        1 => prop_oneof![Just(f64::NAN), Just(-0.0), Just(9_007_199_254_740_992.0), Just(9.1e15), Just(1e300)],
    ]
}

fn values(rows: usize) -> impl Strategy<Value = Values<'static>> {
    let words =
        ["", " ", "female", "male", "1", "0", "-0", "true", "7.25", " 3 ", "-4.95", "1960-06-30", "p1", "\"q\",\n"];
    let word = prop_oneof![1 => Just(None), 9 => (0..words.len()).prop_map(move |n| Some(words[n].to_owned()))];
    let whole = prop_oneof![3 => 0i64..2, 3 => -5i64..21, 1 => any::<i64>()];
    let list = prop::collection::vec(word.clone(), 1..5);
    prop_oneof![
        prop::collection::vec(word, rows).prop_map(|v| Values::Texts(v.into())),
        prop::collection::vec(whole, rows).prop_map(|v| Values::Integers(v.into())),
        prop::collection::vec(float(), rows).prop_map(|v| Values::Floats(v.into())),
        prop::collection::vec(any::<bool>(), rows).prop_map(|v| Values::Flags(v.into())),
        (prop::collection::vec(-1i64..100, rows), list).prop_map(|(codes, list)| {
            let last = i64::try_from(list.len()).unwrap();
            Values::Codes(codes.into_iter().map(|c| if c < 0 { c } else { c % last }).collect(), list.into())
        }),
    ]
}

fn cells(name: &'static str, rows: usize) -> impl Strategy<Value = Cells<'static>> {
    let known = prop_oneof![
        2 => Just(None),
        1 => prop::collection::vec(prop::bool::weighted(0.8), rows).prop_map(|k| Some(Cow::from(k))),
    ];
    (values(rows), known).prop_map(move |(values, known)| Cells { name: name.into(), values, known })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// One column at a time, since a table of all of them is hardly ever accepted.
    #[test]
    fn a_column_is_read_as_in_csv(
        (rows, columns, which) in (1usize..4, 1usize..7).prop_flat_map(|(rows, which)| {
            (Just(rows), cells(NAMES[which], rows).prop_map(|c| vec![c]), Just(which))
        })
    ) {
        let mut schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let mut kept = schema["columns"][which - 1].take();
        kept["required"] = (rows == 1).into();
        schema["columns"] = serde_json::json!([kept]);
        let schema = Schema::from_json(&schema.to_string()).unwrap();
        let ids = (0..rows).map(|n| Some(n.to_string())).collect::<Vec<_>>();
        let columns = [columns, vec![Cells { name: "id".into(), values: Values::Texts(ids.into()), known: None }]].concat();
        let expected = told(Table::from_csv(csv(&columns, rows).as_bytes(), &schema));
        prop_assert_eq!(told(Table::from_columns(&columns, &schema)), expected);
    }

    /// Which of several faults is named, and who has too many rows.
    #[test]
    fn a_table_is_refused_as_in_csv(
        (rows, columns) in (0usize..15).prop_flat_map(|rows| (
            Just(rows),
            (cells("id", rows), cells("smoker", rows), cells("hba1c", rows)).prop_map(|(a, b, c)| vec![a, b, c]),
        ))
    ) {
        let mut schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let all = schema["columns"].take();
        schema["columns"] = serde_json::json!([all[0], all[5]]);
        let schema = Schema::from_json(&schema.to_string()).unwrap();
        let expected = told(Table::from_csv(csv(&columns, rows).as_bytes(), &schema));
        prop_assert_eq!(told(Table::from_columns(&columns, &schema)), expected);
    }
}

/// A table that everything of is accepted.
fn good() -> Vec<Cells<'static>> {
    let text = |all: &[&str]| Values::Texts(all.iter().map(|t| Some((*t).to_owned())).collect());
    let sexes = vec![Some("female".to_owned()), Some("male".to_owned())];
    let columns: [Values<'static>; 7] = [
        Values::Integers(vec![7, 7, 9].into()),
        Values::Floats(vec![7.13, f64::NAN, -0.05].into()),
        Values::Floats(vec![0.123_456_789_5, 1e-10, -1.0].into()),
        Values::Floats(vec![9e15, -9_007_199_254_740_992.0, 2_251_799_813_685_248.5].into()),
        text(&["1960-06-30", "", "2000-01-02"]),
        Values::Codes(vec![1, 0, 0].into(), sexes.into()),
        Values::Flags(vec![true, false, true].into()),
    ];
    let name = |(name, values): (&'static str, Values<'static>)| Cells { name: name.into(), values, known: None };
    NAMES.into_iter().zip(columns).map(name).collect()
}

fn read(columns: &[Cells<'_>]) -> Result<Vec<Vec<Option<i64>>>, String> {
    told(Table::from_columns(columns, &Schema::from_json(SCHEMA).unwrap()))
}

#[test]
fn rows_are_what_they_say() {
    let mut columns = good();
    columns[6].known = Some(vec![true, true, false].into());
    let rows = read(&columns).unwrap();
    // Halves go away from zero.
    assert_eq!(rows[0], [Some(71), Some(123_456_790), Some(9_000_000_000_000_000), Some(65), Some(1), Some(1)]);
    assert_eq!(rows[1], [None, Some(0), Some(-9_007_199_254_740_992), None, Some(0), Some(0)]);
    assert_eq!(rows[2], [Some(-1), Some(-1_000_000_000), Some((1 << 51) + 1), Some(25), Some(0), None]);
}

#[test]
fn what_makes_no_table_is_refused() {
    let refused = |change: &dyn Fn(&mut Vec<Cells<'static>>)| {
        let mut columns = good();
        change(&mut columns);
        read(&columns).unwrap_err()
    };
    assert!(refused(&|c| c[1].values = Values::Floats(vec![1.0].into())).contains("different lengths"));
    assert!(refused(&|c| c[1].known = Some(vec![true].into())).contains("different lengths"));
    assert!(refused(&|c| c[0].values = Values::Integers(vec![1, 2].into())).contains("different lengths"));
    assert!(
        refused(&|c| c[5].values = Values::Codes(vec![0, 0, 2].into(), vec![None, None].into())).contains("beyond")
    );
    assert!(
        refused(&|c| c[5].values = Values::Codes(vec![0, -1, 0].into(), vec![Some("male".into())].into()))
            .contains("row 2, column \"sex\": the value is missing")
    );
    assert!(refused(&|c| drop(c.remove(3))).contains("no column \"large\""));
    assert!(refused(&|c| c[0].name = "who".into()).contains("no column \"id\""));
    assert!(refused(&|c| c[1].values = Values::Floats(vec![1.0, f64::INFINITY, 1.0].into())).contains("decimal"));
    assert!(refused(&|c| c[3].values = Values::Integers(vec![0, i64::MIN, 0].into())).contains("outside"));
    assert!(refused(&|c| c[6].values = Values::Floats(vec![1.0, 0.0, -0.0].into())).contains("row 3"));
    assert!(refused(&|c| c[0].values = Values::Integers(vec![7, 7, 7].into())).contains("row 3: one patient"));
    // What is not known may be anything.
    let mut columns = good();
    columns[6].values = Values::Codes(vec![0, 9, 0].into(), vec![Some("true".to_owned())].into());
    assert!(read(&columns).unwrap_err().contains("beyond"));
    columns[6].known = Some(vec![true, false, true].into());
    assert_eq!(read(&columns).unwrap()[1][5], None);
    // Of two columns with one name the first counts, as in CSV.
    let mut twice = good();
    let mut other = twice[1].clone();
    other.values = Values::Floats(vec![1e9; 3].into());
    twice.push(other);
    assert_eq!(read(&twice), read(&good()));
    assert!(!format!("{:?}", twice[1]).contains("7.13"));
}
