//! Before noise, results equal plaintext evaluation exactly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]

mod common;

use common::{World, nothing};
use mediveil_dp::accounting::Cost;
use mediveil_study::*;
use proptest::prelude::*;
use proptest::sample::Index;

/// A random schema: up to three numbers, two categories, two flags.
#[derive(Clone, Debug)]
struct Shape {
    numbers: Vec<(i64, i64, Vec<i64>, bool)>,
    categories: Vec<(usize, bool)>,
    flags: Vec<bool>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let number = (-300i64..300, 0i64..400, proptest::collection::btree_set(1i64..=400, 0..4), any::<bool>()).prop_map(
        |(low, width, cuts, required)| {
            let high = low + width;
            (low, high, cuts.into_iter().map(|c| low + c).filter(|c| *c <= high).collect(), required)
        },
    );
    (
        proptest::collection::vec(number, 1..4),
        proptest::collection::vec((1usize..4, any::<bool>()), 0..3),
        proptest::collection::vec(any::<bool>(), 0..3),
    )
        .prop_map(|(numbers, categories, flags)| Shape { numbers, categories, flags })
}

impl Shape {
    fn json(&self) -> String {
        let mut columns = Vec::new();
        for (i, (low, high, cuts, required)) in self.numbers.iter().enumerate() {
            let cuts: Vec<String> = cuts.iter().map(ToString::to_string).collect();
            columns.push(serde_json::json!({"kind": "number", "name": format!("n{i}"), "low": low.to_string(),
                "high": high.to_string(), "cuts": cuts, "required": required}));
        }
        for (i, (values, required)) in self.categories.iter().enumerate() {
            let values: Vec<String> = (0..*values).map(|v| format!("v{v}")).collect();
            columns.push(serde_json::json!({"kind": "category", "name": format!("c{i}"), "values": values, "required": required}));
        }
        for (i, required) in self.flags.iter().enumerate() {
            columns.push(serde_json::json!({"kind": "flag", "name": format!("f{i}"), "required": required}));
        }
        serde_json::json!({"patient": "id", "max_rows": 200, "columns": columns}).to_string()
    }

    /// A row from random words; every fifth value that may be missing is.
    fn row(&self, words: &[Index]) -> Vec<Option<String>> {
        let mut words = words.iter();
        let mut missing = |required: bool| !required && words.next().unwrap().index(5) == 0;
        let absent: Vec<bool> = self
            .numbers
            .iter()
            .map(|n| n.3)
            .chain(self.categories.iter().map(|c| c.1))
            .chain(self.flags.iter().copied())
            .map(&mut missing)
            .collect();
        let mut texts = Vec::new();
        for (low, high, ..) in &self.numbers {
            texts.push((low + words.next().unwrap().index((high - low + 1) as usize) as i64).to_string());
        }
        for (values, _) in &self.categories {
            texts.push(format!("v{}", words.next().unwrap().index(*values)));
        }
        for _ in &self.flags {
            texts.push(words.next().unwrap().index(2).to_string());
        }
        texts.into_iter().zip(absent).map(|(text, absent)| (!absent).then_some(text)).collect()
    }

    fn condition(&self, words: &mut impl Iterator<Item = Index>, depth: u32) -> Filter {
        let mut pick = |n: usize| words.next().unwrap().index(n);
        match pick(if depth == 0 { 6 } else { 9 }) {
            0 if !self.flags.is_empty() => Filter::Flag(format!("f{}", pick(self.flags.len()))),
            1 if !self.categories.is_empty() => {
                let c = pick(self.categories.len());
                let values = (0..=pick(self.categories[c].0)).map(|v| format!("v{v}")).collect();
                Filter::Is { column: format!("c{c}"), values }
            }
            kind @ (2..=4) => {
                let n = pick(self.numbers.len());
                let (column, cuts) = (format!("n{n}"), &self.numbers[n].2);
                if cuts.is_empty() {
                    return Filter::Known(column);
                }
                let cut = pick(cuts.len());
                let value = cuts[cut].to_string();
                match kind {
                    2 => Filter::AtLeast { column, value },
                    3 => Filter::Below { column, value },
                    _ => match cuts.get(cut + 1) {
                        Some(high) => Filter::Between { column, low: value, high: high.to_string() },
                        None => Filter::AtLeast { column, value },
                    },
                }
            }
            6 => Filter::Not(Box::new(self.condition(words, depth - 1))),
            7 => Filter::And((0..2).map(|_| self.condition(words, depth - 1)).collect()),
            8 => Filter::Or((0..2).map(|_| self.condition(words, depth - 1)).collect()),
            _ => Filter::Known(format!("n{}", pick(self.numbers.len()))),
        }
    }

    fn statistic(&self, words: &mut impl Iterator<Item = Index>) -> Statistic {
        let mut pick = |n: usize| words.next().unwrap().index(n);
        let (kind, a, b) = (pick(8), pick(self.numbers.len()), pick(self.numbers.len()));
        let (column, other) = (format!("n{a}"), format!("n{b}"));
        match kind {
            0 => Statistic::Sum { column },
            1 => Statistic::Mean { column },
            2 => Statistic::Variance { column },
            3 if a != b => Statistic::Covariance { x: column, y: other },
            4 if a != b => Statistic::Regression { y: column, x: vec![other] },
            5 if !self.numbers[a].2.is_empty() => Statistic::Histogram { column },
            6 if !self.numbers[a].2.is_empty() => Statistic::Quantile { column, numerator: 1, denominator: 2 },
            _ => Statistic::Count,
        }
    }
}

/// Kleene's logic over one row, written without a thought of circuits.
fn holds(filter: &Filter, schema: &Schema, row: &[Option<i64>]) -> Option<bool> {
    let at = |name: &str| schema.columns().iter().position(|c| c.name() == name).unwrap();
    let number = |text: &str| text.parse::<i64>().unwrap();
    match filter {
        Filter::And(parts) => {
            let each: Vec<_> = parts.iter().map(|p| holds(p, schema, row)).collect();
            if each.contains(&Some(false)) {
                Some(false)
            } else {
                each.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
            }
        }
        Filter::Or(parts) => {
            let each: Vec<_> = parts.iter().map(|p| holds(p, schema, row)).collect();
            if each.contains(&Some(true)) {
                Some(true)
            } else {
                each.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
            }
        }
        Filter::Not(inner) => holds(inner, schema, row).map(|h| !h),
        Filter::Flag(name) => row[at(name)].map(|v| v == 1),
        Filter::Known(name) => Some(row[at(name)].is_some()),
        Filter::Is { column, values } => {
            let ColumnKind::Category(declared) = schema.columns()[at(column)].kind() else { panic!() };
            row[at(column)].map(|v| values.contains(&declared[v as usize]))
        }
        Filter::AtLeast { column, value } => row[at(column)].map(|v| v >= number(value)),
        Filter::Below { column, value } => row[at(column)].map(|v| v < number(value)),
        Filter::Between { column, low, high } => row[at(column)].map(|v| v >= number(low) && v < number(high)),
        _ => panic!(),
    }
}

/// What the released numbers are before noise, from the rows as they are.
fn expected(query: &Query, schema: &Schema, rows: &[Vec<Option<i64>>], groups: &[Vec<String>]) -> Vec<i64> {
    let at = |name: &str| schema.columns().iter().position(|c| c.name() == name).unwrap();
    let middle = |name: &str| match schema.columns()[at(name)].kind() {
        ColumnKind::Number { bounds, .. } => bounds.low() + (bounds.high() - bounds.low()) / 2,
        _ => panic!(),
    };
    let cuts = |name: &str| match schema.columns()[at(name)].kind() {
        ColumnKind::Number { cuts, .. } => cuts.clone(),
        _ => panic!(),
    };
    let in_group = |row: &[Option<i64>], group: &[String]| {
        query.by.iter().zip(group).all(|(column, value)| {
            let ColumnKind::Category(declared) = schema.columns()[at(column)].kind() else { panic!() };
            row[at(column)].is_some_and(|v| declared[v as usize] == *value)
        })
    };
    let mut out = Vec::new();
    // Each moment: for a row, which bins it adds what to.
    type Moment<'a> = Box<dyn Fn(&[Option<i64>]) -> Option<(usize, i64)> + 'a>;
    let value = |name: &String| {
        let (c, m) = (at(name), middle(name));
        move |r: &[Option<i64>]| r[c].map(|v| v - m)
    };
    let mut bins = 1;
    let moments: Vec<Moment<'_>> = match &query.statistic {
        Statistic::Count => vec![Box::new(|_| Some((0, 1)))],
        Statistic::Sum { column } => {
            let c = at(column);
            vec![Box::new(move |r| r[c].map(|v| (0, v)))]
        }
        Statistic::Mean { column } => {
            let v = value(column);
            vec![Box::new(move |r| v(r).map(|v| (0, v))), Box::new(move |r| v(r).map(|_| (0, 1)))]
        }
        Statistic::Variance { column } => {
            let v = value(column);
            vec![
                Box::new(move |r| v(r).map(|v| (0, v))),
                Box::new(move |r| v(r).map(|_| (0, 1))),
                Box::new(move |r| v(r).map(|v| (0, v * v))),
            ]
        }
        Statistic::Covariance { x, y } => {
            let (x, y) = (value(x), value(y));
            let both = move |r: &[Option<i64>]| Some((x(r)?, y(r)?));
            vec![
                Box::new(move |r| both(r).map(|_| (0, 1))),
                Box::new(move |r| both(r).map(|(a, _)| (0, a))),
                Box::new(move |r| both(r).map(|(_, b)| (0, b))),
                Box::new(move |r| both(r).map(|(a, b)| (0, a * b))),
            ]
        }
        Statistic::Regression { y, x } => {
            let (x, y) = (value(&x[0]), value(y));
            let both = move |r: &[Option<i64>]| Some((x(r)?, y(r)?));
            vec![
                Box::new(move |r| both(r).map(|_| (0, 1))),
                Box::new(move |r| both(r).map(|(a, _)| (0, a))),
                Box::new(move |r| both(r).map(|(_, b)| (0, b))),
                Box::new(move |r| both(r).map(|(a, _)| (0, a * a))),
                Box::new(move |r| both(r).map(|(a, b)| (0, a * b))),
            ]
        }
        Statistic::Histogram { column } | Statistic::Quantile { column, .. } => {
            let (c, cuts) = (at(column), cuts(column));
            bins = cuts.len() + 1;
            vec![Box::new(move |r| r[c].map(|v| (cuts.iter().filter(|cut| v >= **cut).count(), 1)))]
        }
        _ => panic!(),
    };
    for moment in &moments {
        for group in groups {
            let mut cells = vec![0; bins];
            for row in rows {
                let passes = query.filter.as_ref().is_none_or(|f| holds(f, schema, row) == Some(true));
                if passes
                    && in_group(row, group)
                    && let Some((bin, add)) = moment(row)
                {
                    cells[bin] += add;
                }
            }
            out.extend(cells);
        }
    }
    out
}

fn values(table: &Table) -> Vec<Vec<Option<i64>>> {
    let columns = table.schema().columns().len();
    (0..table.rows()).map(|r| (0..columns).map(|c| table.value(c, r)).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Random schemas, tables over several sites and blocks, and queries with groups and filters.
    #[test]
    fn results_equal_plaintext_evaluation(
        shape in shape(),
        rows in proptest::collection::vec(proptest::collection::vec(any::<Index>(), 16), 0..150),
        cut in any::<Index>(),
        words in proptest::collection::vec(any::<Index>(), 400),
    ) {
        let w = World::with(1, &shape.json(), 2, 2, 2, 3, Cost::Pure("1000".parse().unwrap()));
        let schema = w.study.schema();
        let mut tables = [Table::new(schema), Table::new(schema)];
        let first = cut.index(rows.len() + 1);
        for (i, row) in rows.iter().enumerate() {
            let texts = shape.row(row);
            let fields: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            tables[usize::from(i >= first)].push(&i.to_string(), &fields).unwrap();
        }
        let all: Vec<_> = tables.iter().flat_map(values).collect();
        let uploads = w.uploads(&tables);
        let mut words = words.into_iter().cycle();
        let mut asked = 0;
        for _ in 0..12 {
            let by = match words.next().unwrap().index(3) {
                0 if !shape.categories.is_empty() => vec!["c0".to_owned()],
                1 if shape.categories.len() > 1 => vec!["c0".to_owned(), "c1".to_owned()],
                _ => Vec::new(),
            };
            let filter = (words.next().unwrap().index(4) > 0).then(|| shape.condition(&mut words, 2));
            let statistic = shape.statistic(&mut words);
            let query = Query { statistic, by, filter, epsilon: Some("1".into()), rho: None };
            let plan = match w.study.plan(&query) {
                Ok(plan) => plan,
                // What the study has no room for, what no row can meet, and columns of one value, which tell nothing.
                Err(PlanError::Depth { .. } | PlanError::Parameter(_) | PlanError::Mechanism(_) | PlanError::Noise(_)) => continue,
                Err(other) => panic!("{other}: {query:?}"),
            };
            let answer = w.study.evaluate(&plan, &uploads, nothing()).unwrap();
            prop_assert_eq!(w.exact(&answer), expected(&query, schema, &all, plan.groups()), "{:?}", query);
            asked += 1;
            if asked == 4 {
                break;
            }
        }
    }
}

/// At the declared maximum of rows, all at the bound: every sum still comes out, and one step more of room is refused.
#[test]
fn sums_at_the_declared_maxima() {
    // 2^39 is what t of 40 bits has room for. Four sites leave seven blocks of 64 slots that rows may fill.
    let schema = |high: &str| {
        format!(
            r#"{{"patient": "id", "max_rows": 256, "columns": [
                {{"kind": "number", "name": "a", "low": "0", "high": "{high}", "required": true}}]}}"#
        )
    };
    let w = World::with(2, &schema("1000000000"), 1, 2, 2, 2, Cost::Pure("100".parse().unwrap()));
    let mut table = Table::new(w.study.schema());
    for r in 0..256 {
        table.push(&r.to_string(), &[Some("1000000000")]).unwrap();
    }
    assert!(matches!(table.push("one more", &[Some("1")]), Err(TableError::TooManyRows { limit: 256 })));
    let uploads = w.uploads(&[table]);
    let plan = w.plan(r#"{"statistic": {"sum": {"column": "a"}}, "epsilon": "10"}"#);
    assert!(plan.figures().largest_bits <= plan.figures().plaintext_bits);
    assert_eq!(w.exact(&w.study.evaluate(&plan, &uploads, nothing()).unwrap()), [256 * 1_000_000_000]);
    // The square does not fit, nor does the sum of larger numbers, nor the same sum under more noise.
    let refused = |query: &str, w: &World| w.study.plan(&Query::from_json(query).unwrap()).unwrap_err();
    let square = refused(r#"{"statistic": {"variance": {"column": "a"}}, "epsilon": "10"}"#, &w);
    assert!(matches!(square, PlanError::Sensitivity(_)), "{square}");
    let noisy = refused(r#"{"statistic": {"sum": {"column": "a"}}, "epsilon": "0.1"}"#, &w);
    assert!(matches!(noisy, PlanError::Overflow { available: 39, .. }), "{noisy}");
    let larger = World::with(3, &schema("3000000000"), 1, 2, 2, 2, Cost::Pure("100".parse().unwrap()));
    let sum = refused(r#"{"statistic": {"sum": {"column": "a"}}, "epsilon": "1000"}"#, &larger);
    assert!(matches!(sum, PlanError::Overflow { needed: 40, available: 39 }), "{sum}");
}

/// Shards of any cut, merged in any order, through their bytes: the same answer to the byte.
#[test]
fn shards_merge_to_the_same_answer() {
    use mediveil_codec::Wire;
    let w = World::new(4);
    let uploads = w.usual();
    let plan = w.plan(r#"{"statistic": {"mean": {"column": "hba1c"}}, "by": ["sex"], "filter": {"flag": "diabetes"}, "epsilon": "1"}"#);
    let whole = w.study.evaluate(&plan, &uploads, nothing()).unwrap();
    let blocks = uploads.blocks();
    assert_eq!(blocks, 4);
    let shard =
        |range| Partial::decode(&w.study.evaluate_blocks(&plan, &uploads, range, nothing()).unwrap().encode()).unwrap();
    let merged = shard(2..3).merge(&shard(0..2), &w.study).unwrap();
    assert!(matches!(
        w.study.complete(&plan, &uploads, &merged),
        Err(AnswerError::Incomplete { missing: 1, blocks: 4 })
    ));
    let merged = shard(3..4).merge(&merged, &w.study).unwrap();
    assert_eq!(w.study.complete(&plan, &uploads, &merged).unwrap().encode(), whole.encode());
    // A block counts once, and queries do not mix.
    assert!(matches!(shard(1..3).merge(&shard(2..4), &w.study), Err(AnswerError::Overlap { block: 2 })));
    let other = w.plan(r#"{"statistic": {"mean": {"column": "hba1c"}}, "by": ["sex"], "filter": {"flag": "diabetes"}, "epsilon": "2"}"#);
    let of_other = w.study.evaluate_blocks(&other, &uploads, 2..4, nothing()).unwrap();
    assert!(matches!(shard(0..2).merge(&of_other, &w.study), Err(AnswerError::Unrelated)));
    assert!(matches!(w.study.complete(&other, &uploads, &merged), Err(AnswerError::Unrelated)));
    for range in [(0, 5), (2, 2), (3, 2)] {
        let refused = w.study.evaluate_blocks(&plan, &uploads, range.0..range.1, nothing());
        assert!(matches!(refused, Err(AnswerError::Range { blocks: 4, .. })));
    }
}
