//! From a query to a circuit, its moments and their sensitivities. Looks at the schema alone.
//!
//! Every statistic is a list of *moments*: sums over rows of products of columns. A moment has one cell for each group and,
//! for histograms, each bin; the cells of one moment are disjoint, so one patient changes them as one patient changes a
//! histogram. Conditions become 0/1 nodes: negations are pushed down to the columns, where `not` is validity minus the
//! column, so that neither padding nor missing values ever pass.

use crate::circuit::{Circuit, NodeId};
use crate::plan::PlanError;
use crate::query::{Filter, Query, Statistic};
use crate::schema::{Column, ColumnKind, Lane, Schema};
use mediveil_dp::{Bounds, Sensitivity, SensitivityError, format_decimal, parse_decimal};
use std::collections::{BTreeSet, HashMap};

/// One factor of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Factor {
    node: NodeId,
    /// Zero or one in every row.
    boolean: bool,
    /// Zero wherever this column has no value.
    covers: Option<usize>,
    /// Nothing but the validity of the column it covers, or of the row.
    validity: bool,
}

/// A sum over rows, one number a cell.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) sensitivity: Sensitivity,
    /// The largest absolute value that one row adds to one cell.
    pub(crate) row_bound: u64,
}

/// A column of numbers as estimates need it.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) name: String,
    pub(crate) bounds: Bounds,
    pub(crate) scale: u8,
    pub(crate) cuts: Vec<i64>,
    place: usize,
}

impl Number {
    /// The bounds of the distance from the middle.
    fn shifted(&self) -> Result<Bounds, PlanError> {
        Ok(self.bounds.shifted(self.bounds.middle()).ok_or(SensitivityError)?)
    }
}

/// How the released numbers become an answer.
#[derive(Clone, Debug)]
pub(crate) enum Recipe {
    Count,
    Sum(Number),
    Mean(Number),
    Variance(Number),
    Covariance(Number, Number),
    Histogram(Number),
    Quantile { number: Number, numerator: u32, denominator: u32 },
    Regression { y: Number, x: Vec<Number> },
}

/// A query with everything found.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) query: Query,
    pub(crate) recipe: Recipe,
    /// The names of the groups; one without names if there are none.
    pub(crate) groups: Vec<Vec<String>>,
    pub(crate) bins: usize,
    pub(crate) moments: Vec<Moment>,
    pub(crate) circuit: Circuit,
}

/// Most cells of one answer.
pub(crate) const MAX_CELLS: u64 = 1024;

struct Builder<'s> {
    schema: &'s Schema,
    places: HashMap<Lane, usize>,
    circuit: Circuit,
}

const NEVER: PlanError = PlanError::Parameter("the filter has a condition that no row can meet");

pub(crate) fn resolve(query: &Query, schema: &Schema) -> Result<Resolved, PlanError> {
    let mut query = query.clone();
    let places = schema.lanes().into_iter().enumerate().map(|(place, lane)| (lane, place)).collect();
    let mut builder = Builder { schema, places, circuit: Circuit::default() };
    let filter = match &mut query.filter {
        Some(filter) => builder.filter(filter, true)?,
        None => Vec::new(),
    };
    let (groups, selectors) = builder.groups(&query.by)?;
    let (recipe, terms, bins) = builder.statistic(&mut query.statistic)?;
    let cells = u64::try_from(groups.len().saturating_mul(bins)).unwrap_or(u64::MAX);
    let all = cells.saturating_mul(u64::try_from(terms.len()).unwrap_or(u64::MAX));
    if all > MAX_CELLS {
        return Err(PlanError::TooManyCells { cells: all, limit: MAX_CELLS });
    }
    let grouped = (cells > 1).then(|| u32::try_from(cells).unwrap_or(u32::MAX));
    let unit = schema.unit();
    let mut moments = Vec::new();
    for term in &terms {
        let sensitivity = match (grouped, term.bounds) {
            (None, None) => Sensitivity::count(unit)?,
            (None, Some(bounds)) => Sensitivity::sum(unit, bounds)?,
            (cells, None) => Sensitivity::cells(unit, cells)?,
            (cells, Some(bounds)) => Sensitivity::cell_sums(unit, cells, bounds)?,
        };
        moments.push(Moment { sensitivity, row_bound: term.bounds.map_or(1, |b| b.magnitude().max(1)) });
        for selector in &selectors {
            for bin in &term.bins {
                let factors = [filter.as_slice(), selector, bin].concat();
                let node = builder.product(&factors)?;
                builder.circuit.cell(node);
            }
        }
    }
    Ok(Resolved { query, recipe, groups, bins, moments, circuit: builder.circuit })
}

/// The factors that select each group.
type Selectors = Vec<Vec<Factor>>;

/// A moment before filter and groups: the factors of each bin, and the bounds of what is summed, `None` for counts.
struct Term {
    bounds: Option<Bounds>,
    bins: Vec<Vec<Factor>>,
}

/// The bounds of the product of two numbers.
fn product_bounds(a: Bounds, b: Bounds) -> Result<Bounds, PlanError> {
    let corners = [(a.low(), b.low()), (a.low(), b.high()), (a.high(), b.low()), (a.high(), b.high())];
    let products = corners.map(|(a, b)| a.checked_mul(b));
    let products = products.into_iter().collect::<Option<Vec<i64>>>().ok_or(SensitivityError)?;
    let (low, high) = (products.iter().min().copied(), products.iter().max().copied());
    Ok(Bounds::new(low.unwrap_or(0), high.unwrap_or(0)).ok_or(SensitivityError)?)
}

impl Builder<'_> {
    fn find(&self, name: &str) -> Result<(usize, &Column), PlanError> {
        self.schema.column(name).ok_or_else(|| PlanError::NoColumn(name.to_owned()))
    }

    fn number(&self, name: &str) -> Result<Number, PlanError> {
        let (place, column) = self.find(name)?;
        match column.kind() {
            ColumnKind::Number { bounds, scale, cuts, .. } => {
                Ok(Number { name: name.to_owned(), bounds: *bounds, scale: *scale, cuts: cuts.clone(), place })
            }
            _ => Err(PlanError::Column { column: name.to_owned(), why: "expected a column of numbers" }),
        }
    }

    fn categories(&self, name: &str) -> Result<(usize, Vec<String>), PlanError> {
        let (place, column) = self.find(name)?;
        match column.kind() {
            ColumnKind::Category(values) => Ok((place, values.clone())),
            _ => Err(PlanError::Column { column: name.to_owned(), why: "expected a column of categories" }),
        }
    }

    fn lane(&mut self, lane: Lane) -> Result<NodeId, PlanError> {
        let place = self.places.get(&lane).copied();
        Ok(self.circuit.lane(place.ok_or(PlanError::Parameter("the schema has no such encrypted column"))?))
    }

    fn sum(&mut self, terms: &[(NodeId, i64)]) -> Result<NodeId, PlanError> {
        self.circuit.sum(terms).ok_or(NEVER)
    }

    fn row(&mut self) -> Result<Factor, PlanError> {
        Ok(Factor { node: self.lane(Lane::Row)?, boolean: true, covers: None, validity: true })
    }

    fn valid(&mut self, column: usize) -> Result<Factor, PlanError> {
        let (required, values) = match self.schema.columns().get(column) {
            Some(c) => match c.kind() {
                ColumnKind::Category(values) => (c.is_required(), values.len()),
                _ => (c.is_required(), 0),
            },
            None => (true, 0),
        };
        if required {
            return self.row();
        }
        let node = if values > 0 {
            let lanes = (0..values).map(|i| Ok((self.lane(Lane::Is(column, i))?, 1)));
            let lanes = lanes.collect::<Result<Vec<_>, PlanError>>()?;
            self.sum(&lanes)?
        } else {
            self.lane(Lane::Valid(column))?
        };
        Ok(Factor { node, boolean: true, covers: Some(column), validity: true })
    }

    /// A condition on one column: `node` where it holds, or validity minus `node`.
    fn literal(&mut self, column: usize, node: NodeId, holds: bool) -> Result<Vec<Factor>, PlanError> {
        let node = if holds {
            node
        } else {
            let valid = self.valid(column)?.node;
            self.sum(&[(valid, 1), (node, -1)])?
        };
        Ok(vec![Factor { node, boolean: true, covers: Some(column), validity: false }])
    }

    /// The product, with everything left out that other factors imply.
    fn product(&mut self, factors: &[Factor]) -> Result<NodeId, PlanError> {
        let covered: BTreeSet<usize> = factors.iter().filter(|f| !f.validity).filter_map(|f| f.covers).collect();
        let mut kept: Vec<&Factor> = Vec::new();
        let needs_row = factors.iter().all(|f| f.validity && f.covers.is_none());
        for factor in factors {
            let implied = factor.validity
                && match factor.covers {
                    Some(column) => covered.contains(&column),
                    None => !needs_row,
                };
            // A truth value squared is itself.
            let repeated = factor.boolean && kept.iter().any(|k| k.node == factor.node);
            if !implied && !repeated {
                kept.push(factor);
            }
        }
        if kept.is_empty() {
            return self.lane(Lane::Row);
        }
        let nodes: Vec<NodeId> = kept.iter().map(|f| f.node).collect();
        self.circuit.product(&nodes).ok_or(NEVER)
    }

    /// The factors that are all one where `filter` holds (or, if not `positive`, where it surely does not).
    fn filter(&mut self, filter: &mut Filter, positive: bool) -> Result<Vec<Factor>, PlanError> {
        match filter {
            Filter::Not(inner) => self.filter(inner, !positive),
            Filter::And(parts) | Filter::Or(parts) if parts.is_empty() => {
                Err(PlanError::Parameter("`and` and `or` need at least one condition"))
            }
            Filter::And(parts) => self.all(parts, positive, positive),
            Filter::Or(parts) => self.all(parts, positive, !positive),
            Filter::Flag(name) => {
                let (place, column) = self.find(name)?;
                if *column.kind() != ColumnKind::Flag {
                    return Err(PlanError::Column { column: name.clone(), why: "expected a flag" });
                }
                let node = self.lane(Lane::Flag(place))?;
                self.literal(place, node, positive)
            }
            Filter::Known(name) => {
                let (place, _) = self.find(name)?;
                let valid = self.valid(place)?;
                if positive {
                    return Ok(vec![valid]);
                }
                let row = self.row()?;
                let node = self.sum(&[(row.node, 1), (valid.node, -1)])?;
                Ok(vec![Factor { node, boolean: true, covers: None, validity: false }])
            }
            Filter::Is { column, values } => {
                values.sort();
                values.dedup();
                let (place, declared) = self.categories(column)?;
                if let Some(stranger) = values.iter().find(|v| !declared.contains(v)) {
                    let column = format!("{column} = {stranger}");
                    return Err(PlanError::Column { column, why: "this value is not one of the declared categories" });
                }
                let wanted = declared.iter().enumerate().filter(|(_, v)| values.contains(v) == positive);
                let terms = wanted.map(|(i, _)| Ok((self.lane(Lane::Is(place, i))?, 1)));
                let terms = terms.collect::<Result<Vec<_>, PlanError>>()?;
                let node = self.sum(&terms)?;
                Ok(vec![Factor { node, boolean: true, covers: Some(place), validity: false }])
            }
            Filter::AtLeast { column, value } => {
                let (place, cut) = self.cut(column, value)?;
                let node = self.lane(Lane::AtLeast(place, cut))?;
                self.literal(place, node, positive)
            }
            Filter::Below { column, value } => {
                let (place, cut) = self.cut(column, value)?;
                let node = self.lane(Lane::AtLeast(place, cut))?;
                self.literal(place, node, !positive)
            }
            Filter::Between { column, low, high } => {
                let (place, from) = self.cut(column, low)?;
                let (_, to) = self.cut(column, high)?;
                if from >= to {
                    return Err(NEVER);
                }
                let (from, to) = (self.lane(Lane::AtLeast(place, from))?, self.lane(Lane::AtLeast(place, to))?);
                let node = self.sum(&[(from, 1), (to, -1)])?;
                self.literal(place, node, positive)
            }
        }
    }

    /// All of the parts (each as it stands or negated), or at least one of them.
    fn all(&mut self, parts: &mut [Filter], positive: bool, conjunction: bool) -> Result<Vec<Factor>, PlanError> {
        let mut each = parts.iter_mut().map(|p| self.filter(p, positive)).collect::<Result<Vec<_>, _>>()?;
        if conjunction || each.len() == 1 {
            return Ok(each.drain(..).flatten().collect());
        }
        let mut nodes = each.iter().map(|factors| self.product(factors)).collect::<Result<Vec<_>, _>>()?;
        nodes.sort_unstable();
        nodes.dedup();
        while nodes.len() > 1 {
            nodes.sort_by_key(|id| std::cmp::Reverse((self.circuit.depth(*id), *id)));
            if let (Some(a), Some(b)) = (nodes.pop(), nodes.pop()) {
                nodes.push(self.circuit.either(a, b).ok_or(NEVER)?);
            }
        }
        let node = nodes.pop().ok_or(NEVER)?;
        Ok(vec![Factor { node, boolean: true, covers: None, validity: false }])
    }

    /// The place of a declared cut point.
    fn cut(&self, column: &str, text: &mut String) -> Result<(usize, usize), PlanError> {
        let number = self.number(column)?;
        let refuse = |why| PlanError::Column { column: column.to_owned(), why };
        let value = parse_decimal(text, number.scale).ok_or_else(|| refuse("expected a decimal number"))?;
        *text = format_decimal(value, number.scale);
        let cut = number.cuts.iter().position(|c| *c == value);
        Ok((number.place, cut.ok_or_else(|| refuse("this value is not one of the declared cut points"))?))
    }

    /// The names of all combinations, and the factors that select each.
    fn groups(&mut self, by: &[String]) -> Result<(Vec<Vec<String>>, Selectors), PlanError> {
        let mut names: Vec<Vec<String>> = vec![Vec::new()];
        let mut selectors: Selectors = vec![Vec::new()];
        for (n, column) in by.iter().enumerate() {
            let (place, values) = self.categories(column)?;
            if by.iter().take(n).any(|other| other == column) {
                return Err(PlanError::Column { column: column.clone(), why: "the column is named twice" });
            }
            let cells = u64::try_from(names.len().saturating_mul(values.len())).unwrap_or(u64::MAX);
            if cells > MAX_CELLS {
                return Err(PlanError::TooManyCells { cells, limit: MAX_CELLS });
            }
            let (mut more_names, mut more_selectors) = (Vec::new(), Vec::new());
            for (name, selector) in names.iter().zip(&selectors) {
                for (i, value) in values.iter().enumerate() {
                    let node = self.lane(Lane::Is(place, i))?;
                    let factor = Factor { node, boolean: true, covers: Some(place), validity: false };
                    more_names.push([name.as_slice(), std::slice::from_ref(value)].concat());
                    more_selectors.push([selector.as_slice(), std::slice::from_ref(&factor)].concat());
                }
            }
            (names, selectors) = (more_names, more_selectors);
        }
        Ok((names, selectors))
    }

    /// The distance of a number from the middle of its bounds.
    fn value(&mut self, number: &Number) -> Result<Factor, PlanError> {
        let node = self.lane(Lane::Value(number.place))?;
        Ok(Factor { node, boolean: false, covers: Some(number.place), validity: false })
    }

    /// The number itself: the distance and, where there is a value, the middle.
    fn plain(&mut self, number: &Number) -> Result<Factor, PlanError> {
        let (value, valid) = (self.value(number)?, self.valid(number.place)?);
        let node = self.sum(&[(value.node, 1), (valid.node, number.bounds.middle())])?;
        Ok(Factor { node, ..value })
    }

    fn bins(&mut self, number: &Number) -> Result<Vec<Vec<Factor>>, PlanError> {
        if number.cuts.is_empty() {
            return Err(PlanError::Column {
                column: number.name.clone(),
                why: "the column has no declared cut points",
            });
        }
        let cuts = (0..number.cuts.len()).map(|i| self.lane(Lane::AtLeast(number.place, i)));
        let cuts = cuts.collect::<Result<Vec<_>, _>>()?;
        let valid = self.valid(number.place)?.node;
        let mut bins = Vec::new();
        for (from, to) in std::iter::once(&valid).chain(&cuts).zip(cuts.iter().map(Some).chain([None])) {
            let node = match to {
                Some(to) => self.sum(&[(*from, 1), (*to, -1)])?,
                None => *from,
            };
            bins.push(vec![Factor { node, boolean: true, covers: Some(number.place), validity: false }]);
        }
        Ok(bins)
    }

    fn statistic(&mut self, statistic: &mut Statistic) -> Result<(Recipe, Vec<Term>, usize), PlanError> {
        let one = |bounds, factors| Term { bounds, bins: vec![factors] };
        Ok(match statistic {
            Statistic::Count => (Recipe::Count, vec![one(None, vec![self.row()?])], 1),
            Statistic::Sum { column } => {
                let n = self.number(column)?;
                let terms = vec![one(Some(n.bounds), vec![self.plain(&n)?])];
                (Recipe::Sum(n), terms, 1)
            }
            Statistic::Mean { column } => {
                let n = self.number(column)?;
                let terms = vec![one(Some(n.shifted()?), vec![self.value(&n)?]), one(None, vec![self.valid(n.place)?])];
                (Recipe::Mean(n), terms, 1)
            }
            Statistic::Variance { column } => {
                let n = self.number(column)?;
                let bounds = n.shifted()?;
                let most = product_bounds(bounds, bounds)?.high();
                let square = Bounds::new(0, most).ok_or(SensitivityError)?;
                let value = self.value(&n)?;
                let terms = vec![
                    one(Some(bounds), vec![value.clone()]),
                    one(None, vec![self.valid(n.place)?]),
                    one(Some(square), vec![value.clone(), value]),
                ];
                (Recipe::Variance(n), terms, 1)
            }
            Statistic::Covariance { x, y } => {
                if x == y {
                    return Err(PlanError::Parameter("the covariance of a column with itself is its variance"));
                }
                let (a, b) = (self.number(x)?, self.number(y)?);
                let terms = self.joint(&[&a, &b], &[(0, 1)])?;
                (Recipe::Covariance(a, b), terms, 1)
            }
            Statistic::Histogram { column } => {
                let n = self.number(column)?;
                let bins = self.bins(&n)?;
                let count = bins.len();
                (Recipe::Histogram(n), vec![Term { bounds: None, bins }], count)
            }
            Statistic::Quantile { column, numerator, denominator } => {
                let number = self.number(column)?;
                if *numerator > *denominator || *denominator == 0 || *denominator > 10_000 {
                    return Err(PlanError::Parameter(
                        "a quantile is a fraction from 0 to 1 with a denominator up to 10,000",
                    ));
                }
                let bins = self.bins(&number)?;
                let count = bins.len();
                let recipe = Recipe::Quantile { number, numerator: *numerator, denominator: *denominator };
                (recipe, vec![Term { bounds: None, bins }], count)
            }
            Statistic::Regression { y, x } => {
                let different: BTreeSet<&String> = x.iter().chain([&*y]).collect();
                if x.is_empty() || x.len() > 4 || different.len() != x.len().saturating_add(1) {
                    return Err(PlanError::Parameter("a regression has one to four different columns beside the y"));
                }
                let numbers = x.iter().map(|x| self.number(x)).collect::<Result<Vec<_>, _>>()?;
                let explained = self.number(y)?;
                let all: Vec<&Number> = numbers.iter().chain([&explained]).collect();
                let last = numbers.len();
                let pairs: Vec<(usize, usize)> = (0..last).flat_map(|i| (i..=last).map(move |j| (i, j))).collect();
                let terms = self.joint(&all, &pairs)?;
                (Recipe::Regression { y: explained, x: numbers }, terms, 1)
            }
        })
    }

    /// Over the rows in which all columns have values: the count, each column's sum, and the sums of these products.
    fn joint(&mut self, columns: &[&Number], pairs: &[(usize, usize)]) -> Result<Vec<Term>, PlanError> {
        let validity = columns.iter().map(|n| self.valid(n.place)).collect::<Result<Vec<_>, _>>()?;
        let values = columns.iter().map(|n| self.value(n)).collect::<Result<Vec<_>, _>>()?;
        let with = |mut factors: Vec<Factor>| {
            factors.extend(validity.iter().cloned());
            vec![factors]
        };
        let mut terms = vec![Term { bounds: None, bins: with(Vec::new()) }];
        for (number, value) in columns.iter().zip(&values) {
            terms.push(Term { bounds: Some(number.shifted()?), bins: with(vec![value.clone()]) });
        }
        for (i, j) in pairs {
            if let (Some(a), Some(b), Some(u), Some(v)) =
                (columns.get(*i), columns.get(*j), values.get(*i), values.get(*j))
            {
                let (a, b) = (a.shifted()?, b.shifted()?);
                let bounds = product_bounds(a, b)?;
                let bounds = if i == j { Bounds::new(0, bounds.high()).ok_or(SensitivityError)? } else { bounds };
                terms.push(Term { bounds: Some(bounds), bins: with(vec![u.clone(), v.clone()]) });
            }
        }
        Ok(terms)
    }
}
