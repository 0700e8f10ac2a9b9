//! Exact answers. Nothing here is shown: what leaves this page goes through a mechanism.

use super::Table;
use super::query::{Resolved, TablePlan, Test};
use super::rows::Values;
use std::collections::BTreeMap;

/// Which patients take part, by their index in the table; `None` is all of them.
pub(crate) type Members<'a> = Option<&'a [bool]>;

/// The exact input of one mechanism.
pub(crate) enum Exact {
    Values(Vec<i64>),
    Scores(Vec<i64>),
    Groups(BTreeMap<Vec<String>, i64>),
}

/// The exact inputs of a plan's mechanisms in order. Sums stay within 62 bits, as planning saw to; they saturate all the
/// same.
pub(crate) fn evaluate(plan: &TablePlan, table: &Table, members: Members<'_>) -> Vec<Exact> {
    let rows = Rows { plan, table, members };
    let scalar = |v: i64| Exact::Values(vec![v]);
    match &plan.statistic {
        Resolved::Count => vec![scalar(rows.passing().fold(0, |n: i64, _| n.saturating_add(1)))],
        Resolved::Sum { column, .. } => vec![scalar(sum(rows.numbers(*column)))],
        Resolved::Mean { column, centre, .. } => {
            let values = || rows.numbers(*column).map(|v| v.saturating_sub(*centre));
            vec![scalar(sum(values())), scalar(count(values()))]
        }
        Resolved::Variance { column, centre, .. } => {
            let values = || rows.numbers(*column).map(|v| v.saturating_sub(*centre));
            let squares = values().map(|v| v.saturating_mul(v));
            vec![scalar(sum(values())), scalar(count(values())), scalar(sum(squares))]
        }
        Resolved::Quantile { column, numerator, denominator, candidates, .. } => {
            let mut values: Vec<i64> = rows.numbers(*column).collect();
            values.sort_unstable();
            let scores = candidates.iter().map(|c| {
                let below = length(values.partition_point(|v| v < c));
                let above = length(values.len()).saturating_sub(length(values.partition_point(|v| v <= c)));
                let missed = denominator.saturating_sub(*numerator).saturating_mul(below);
                missed.saturating_sub(numerator.saturating_mul(above)).saturating_abs().saturating_neg()
            });
            vec![Exact::Scores(scores.collect())]
        }
        Resolved::Histogram { column, edges, .. } => {
            let mut cells = vec![0i64; edges.len().saturating_add(1)];
            for value in rows.numbers(*column) {
                add(&mut cells, edges.partition_point(|e| *e <= value), 1);
            }
            vec![Exact::Values(cells)]
        }
        Resolved::Contingency { columns } => {
            let mut cells = vec![0i64; cell_number(columns)];
            for row in rows.passing() {
                if let Some(cell) = rows.cell(columns, row) {
                    add(&mut cells, cell, 1);
                }
            }
            vec![Exact::Values(cells)]
        }
        Resolved::GroupSum { by, column, .. } => {
            let mut cells = vec![0i64; cell_number(by)];
            for row in rows.passing() {
                if let (Some(cell), Some(value)) = (rows.cell(by, row), rows.number(*column, row)) {
                    add(&mut cells, cell, value);
                }
            }
            vec![Exact::Values(cells)]
        }
        Resolved::Groups { by } => {
            let mut groups: BTreeMap<Vec<String>, i64> = BTreeMap::new();
            for row in rows.passing() {
                if let Some(group) = by.iter().map(|c| rows.text(*c, row)).collect::<Option<Vec<_>>>() {
                    let count = groups.entry(group).or_insert(0);
                    *count = count.saturating_add(1);
                }
            }
            vec![Exact::Groups(groups)]
        }
    }
}

/// Which patients have at least one row that passes the plan's filter: to all others the query is blind.
pub(crate) fn touched(plan: &TablePlan, table: &Table) -> Vec<bool> {
    let mut touched = vec![false; table.patients().len()];
    let rows = Rows { plan, table, members: None };
    for (row, owner) in table.owner().iter().enumerate() {
        // The same work for each row, whatever it finds.
        let passes = rows.passes(row);
        if let Some(t) = usize::try_from(*owner).ok().and_then(|o| touched.get_mut(o)) {
            *t |= passes;
        }
    }
    touched
}

fn sum(values: impl Iterator<Item = i64>) -> i64 {
    values.fold(0, i64::saturating_add)
}

fn count(values: impl Iterator<Item = i64>) -> i64 {
    values.fold(0, |n, _| n.saturating_add(1))
}

fn length(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn add(cells: &mut [i64], at: usize, value: i64) {
    if let Some(cell) = cells.get_mut(at) {
        *cell = cell.saturating_add(value);
    }
}

/// How many combinations there are.
pub(super) fn cell_number(columns: &[(usize, Vec<String>)]) -> usize {
    columns.iter().fold(1usize, |n, (_, values)| n.saturating_mul(values.len()))
}

struct Rows<'a> {
    plan: &'a TablePlan,
    table: &'a Table,
    members: Members<'a>,
}

impl Rows<'_> {
    /// Rows of members that pass the filter.
    fn passing(&self) -> impl Iterator<Item = usize> {
        self.table.owner().iter().enumerate().filter_map(|(row, owner)| {
            let member = match self.members {
                None => true,
                Some(members) => usize::try_from(*owner).ok().and_then(|o| members.get(o)).copied().unwrap_or(false),
            };
            (self.passes(row) & member).then_some(row)
        })
    }

    fn passes(&self, row: usize) -> bool {
        self.plan.filter.iter().fold(true, |ok, test| {
            let this = match test {
                Test::Range { column, low, high } => self.number(*column, row).is_some_and(|v| v >= *low && v <= *high),
                Test::Category { column, allowed } => self.category(*column, row).is_some_and(|v| allowed.contains(&v)),
                Test::Text { column, allowed } => match self.table.values(*column) {
                    Some(Values::Texts(v)) => v.get(row).and_then(Option::as_ref).is_some_and(|v| allowed.contains(v)),
                    _ => false,
                },
                Test::Known { column } => self.text(*column, row).is_some(),
            };
            ok & this
        })
    }

    fn numbers(&self, column: usize) -> impl Iterator<Item = i64> {
        self.passing().filter_map(move |row| self.number(column, row))
    }

    fn number(&self, column: usize, row: usize) -> Option<i64> {
        match self.table.values(column)? {
            Values::Numbers(v) => *v.get(row)?,
            _ => None,
        }
    }

    fn category(&self, column: usize, row: usize) -> Option<u32> {
        match self.table.values(column)? {
            Values::Categories(v) => *v.get(row)?,
            _ => None,
        }
    }

    /// Any value as text: how unknown groups are named.
    fn text(&self, column: usize, row: usize) -> Option<String> {
        match self.table.values(column)? {
            Values::Texts(v) => v.get(row)?.clone(),
            Values::Numbers(v) => {
                let scale = match self.plan.schema.columns().get(column)?.kind() {
                    super::ColumnKind::Number { scale, .. } => *scale,
                    _ => 0,
                };
                v.get(row)?.map(|v| super::schema::format_decimal(v, scale))
            }
            Values::Categories(v) => match self.plan.schema.columns().get(column)?.kind() {
                super::ColumnKind::Category(names) => {
                    (*v.get(row)?).and_then(|i| names.get(usize::try_from(i).ok()?).cloned())
                }
                _ => None,
            },
        }
    }

    /// The number of a row's combination of categories: the last column varies fastest.
    fn cell(&self, columns: &[(usize, Vec<String>)], row: usize) -> Option<usize> {
        columns.iter().try_fold(0usize, |cell, (column, values)| {
            let place = usize::try_from(self.category(*column, row)?).ok()?;
            Some(cell.saturating_mul(values.len()).saturating_add(place))
        })
    }
}
