//! Statement: statistics.
//!
//! *Over the N rows of the table under this root, those that pass this filter and have a value in this column number
//! `count`, sum to `sum` and have squares summing to `squares`.* N is up to 4,096, in chunks of [`CHUNK`] rows with a
//! proof each.
//!
//! # Tables
//! A row has four columns; a cell is absent or a number below 2^32 (what unit and offset it has is the table's business).
//! A row's leaf is Poseidon5(tag; four cells, salt) with a cell as present + 2 value, and the table is a 4-ary tree of depth
//! 6 over them. Rows stand at the places 0 to N - 1 and padding behind: a proof opens every place below N as a row, which
//! padding is not, and shows padding at every place from N on. So neither rows nor their number can be left out or made up:
//! absence cannot be proved in a tree of leaves, and is a flag in the row instead.
//!
//! # Chunks
//! Chunk i proves that the running totals behind `C_in`, with its rows added, are those behind `C_out`, where
//! C = Poseidon4(tag; count, sum, squares, blind). The first `C_in` is the fixed commitment [`start`]; each further one is the
//! `C_out` before it; only the last is opened. The verifier checks that all chunks are there, in order ([`chunks_of`]).
//!
//! Exact totals tell about single rows when asked often or of few rows. Whether they may be released is the business of
//! differential privacy (`mediveil-dp`); this statement only makes them true.
//!
//! # Public inputs
//! table root, N + 2^16 chunk, filter hash, `C_in`, `C_out`.

use crate::gadgets::bits::{bits, pack};
use crate::gadgets::merkle::{Children, children, placed};
use crate::gadgets::poseidon::{hash3, hash4, hash5};
use crate::r1cs::{Builder, Num};
use crate::statement::recorded;
use crate::{InvalidStatement, Statement, StatementId};
use ark_bn254::Fr;
use ark_ff::{One as _, PrimeField as _, Zero as _};
use mediveil_record::field::Tag;
use mediveil_record::merkle::{NODE_TAG, Tree, padding};
use mediveil_record::poseidon;
use rand_core::CryptoRng;

/// Columns of a row.
pub const COLUMNS: usize = 4;
/// Rows of a chunk.
pub const CHUNK: usize = 64;
/// Most rows of a table.
pub const MAX_ROWS: usize = 4096;
/// Depth of a table.
pub const DEPTH: usize = 6;
const CHUNK_DEPTH: usize = 3;
const VALUE_BITS: usize = 32;

/// The tag of a row.
pub const ROW_TAG: Tag = Tag::new("mediveil/zk/row/v1");
/// The tag of running totals.
pub const TOTALS_TAG: Tag = Tag::new("mediveil/zk/totals/v1");
/// The tag of a filter.
pub const FILTER_TAG: Tag = Tag::new("mediveil/zk/filter/v1");

/// The cells of a row.
pub type Row = [Option<u32>; COLUMNS];

fn cell(cell: Option<u32>) -> Fr {
    cell.map_or_else(Fr::zero, |v| Fr::from(1 + 2 * u64::from(v)))
}

fn row_leaf(row: &Row, salt: Fr) -> Fr {
    let [a, b, c, d] = row.map(cell);
    poseidon::hash5(ROW_TAG, &[a, b, c, d, salt])
}

/// A table with its salts: what the prover holds.
#[derive(Clone)]
pub struct Table {
    rows: Vec<(Row, Fr)>,
    tree: Tree,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({} rows)", self.rows.len())
    }
}

fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Fr {
    let mut bytes = [0; 64];
    rng.fill_bytes(&mut bytes);
    Fr::from_le_bytes_mod_order(&bytes)
}

impl Table {
    /// Commits to these rows, each under a fresh salt.
    ///
    /// # Errors
    /// [`InvalidStatement::Rows`] for none or more than 4,096.
    pub fn new(rows: &[Row], rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, InvalidStatement> {
        Self::from_salted(rows.iter().map(|row| (*row, random(rng))).collect())
    }

    /// The table of these rows, each with its salt.
    pub(crate) fn from_salted(rows: Vec<(Row, Fr)>) -> Result<Self, InvalidStatement> {
        let full = InvalidStatement::Rows { found: rows.len(), max: MAX_ROWS };
        if rows.is_empty() {
            return Err(full);
        }
        let tree = Tree::new(rows.iter().map(|(row, salt)| row_leaf(row, *salt)).collect(), DEPTH);
        tree.map(|tree| Self { rows, tree }).map_err(|_| full)
    }

    /// The root, which is published once.
    #[must_use]
    pub fn root(&self) -> Fr {
        self.tree.root()
    }

    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The rows with their salts.
    pub(crate) fn salted(&self) -> &[(Row, Fr)] {
        &self.rows
    }

    /// The public parts and witnesses of all chunks, and the opening of the last commitment.
    pub fn chunks(
        &self,
        query: &Query,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> (Vec<(ChunkPublic, ChunkWitness)>, Totals) {
        let mut before = Totals::default();
        let mut chunks = Vec::new();
        for (chunk, rows) in (0_u16..).zip(self.rows.chunks(CHUNK)) {
            let mut after = Totals { blind: random(rng), ..before };
            for value in rows.iter().filter_map(|(row, _)| query.value_of(row)) {
                let value = u128::from(value);
                after.count = after.count.saturating_add(1);
                after.sum = after.sum.saturating_add(value);
                after.squares = after.squares.saturating_add(value.saturating_mul(value));
            }
            // A chunk's place in the tree: the upper levels of the path of any of its rows.
            let first = usize::from(chunk).saturating_mul(CHUNK);
            let levels = self
                .rows
                .get(first)
                .zip(self.tree.path(first))
                .map(|((row, salt), path)| children(row_leaf(row, *salt), &path).split_off(CHUNK_DEPTH));
            let public = ChunkPublic {
                table: self.root(),
                rows: u16::try_from(self.rows.len()).unwrap_or(u16::MAX),
                chunk,
                filter: query.hash(),
                before: before.commit(),
                after: after.commit(),
            };
            let levels = levels.unwrap_or_default();
            let rows = rows.iter().copied().map(Some).collect();
            chunks.push((public, ChunkWitness { rows, levels, query: query.clone(), before, after }));
            before = after;
        }
        (chunks, before)
    }
}

/// What is asked: a column, and for each column a range that a row's cell must be present and in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    column: usize,
    filter: [Option<(u32, u32)>; COLUMNS],
}

impl Query {
    /// Totals of a column over the rows whose cells lie in these ranges, both ends included; `None` asks nothing of a column.
    ///
    /// # Errors
    /// [`InvalidStatement`] for a column beyond the last and a range that is empty.
    pub fn new(column: usize, filter: [Option<(u32, u32)>; COLUMNS]) -> Result<Self, InvalidStatement> {
        if column >= COLUMNS {
            return Err(InvalidStatement::Column(column));
        }
        match filter.iter().flatten().find(|(low, high)| low > high) {
            Some((low, _)) => Err(InvalidStatement::EmptyRange(low.to_string())),
            None => Ok(Self { column, filter }),
        }
    }

    /// The value that this row adds, if it passes: the statement's twin.
    #[must_use]
    pub fn value_of(&self, row: &Row) -> Option<u32> {
        let passes = self.filter.iter().zip(row).all(|(range, cell)| match (range, cell) {
            (None, _) => true,
            (Some((low, high)), Some(v)) => (low..=high).contains(&v),
            (Some(_), None) => false,
        });
        row.get(self.column).copied().flatten().filter(|_| passes)
    }

    /// Each column's part: asked + 2 low + 2^33 high.
    fn parts(&self) -> [Fr; COLUMNS] {
        self.filter.map(|range| {
            range.map_or_else(Fr::zero, |(low, high)| {
                Fr::one() + Fr::from(2 * u64::from(low)) + Fr::from(u128::from(high) << 33)
            })
        })
    }

    /// The hash that a verifier computes from the query that it means.
    #[must_use]
    pub fn hash(&self) -> Fr {
        let [a, b, c, d] = self.parts();
        let shift = Fr::from(1_u128 << 65);
        poseidon::hash3(FILTER_TAG, &[a + b * shift, c + d * shift, Fr::from(self.column as u64)])
    }
}

/// Running totals and the blinding of their commitment. The last one opens the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Rows that passed.
    pub count: u64,
    /// Their sum.
    pub sum: u128,
    /// The sum of their squares.
    pub squares: u128,
    /// The blinding.
    pub blind: Fr,
}

impl Totals {
    /// The commitment.
    #[must_use]
    pub fn commit(&self) -> Fr {
        let totals = [Fr::from(self.count), Fr::from(self.sum), Fr::from(self.squares), self.blind];
        poseidon::hash4(TOTALS_TAG, &totals)
    }
}

/// The first chunk's `C_in`: the commitment to nothing, with blinding zero.
#[must_use]
pub fn start() -> Fr {
    Totals::default().commit()
}

/// What the verifier of a chunk sees.
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkPublic {
    /// The table's root.
    pub table: Fr,
    /// Rows of the table.
    pub rows: u16,
    /// The chunk, from 0.
    pub chunk: u16,
    /// The hash of the query.
    pub filter: Fr,
    /// `C_in`.
    pub before: Fr,
    /// `C_out`.
    pub after: Fr,
}

/// The public parts that the chunks of an answer must have: all of them, in order, linked by these commitments. `None`
/// unless there is one commitment a chunk and the last opens to the totals.
#[must_use]
pub fn chunks_of(
    table: Fr,
    rows: usize,
    query: &Query,
    commitments: &[Fr],
    totals: &Totals,
) -> Option<Vec<ChunkPublic>> {
    let rows_number = u16::try_from(rows).ok().filter(|_| (1..=MAX_ROWS).contains(&rows))?;
    if commitments.len() != rows.div_ceil(CHUNK) || commitments.last() != Some(&totals.commit()) {
        return None;
    }
    let mut before = start();
    let mut out = Vec::with_capacity(commitments.len());
    for (chunk, after) in (0_u16..).zip(commitments) {
        out.push(ChunkPublic { table, rows: rows_number, chunk, filter: query.hash(), before, after: *after });
        before = *after;
    }
    Some(out)
}

/// What the prover of a chunk knows.
#[derive(Clone)]
pub struct ChunkWitness {
    /// By place; nothing where padding stands.
    rows: Vec<Option<(Row, Fr)>>,
    levels: Children,
    query: Query,
    before: Totals,
    after: Totals,
}

impl std::fmt::Debug for ChunkWitness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkWitness")
    }
}

/// The statement, for one chunk.
#[derive(Clone, Copy, Debug)]
pub struct Statistics;
type This = Statistics;

impl Statement for Statistics {
    type Public = ChunkPublic;
    type Witness = ChunkWitness;
    const ID: StatementId = StatementId::new("mediveil/statistics/v1");
    const PUBLIC_INPUTS: usize = 5;

    fn inputs(public: &ChunkPublic) -> Vec<Fr> {
        let shape = Fr::from(u64::from(public.rows) + (u64::from(public.chunk) << 16));
        vec![public.table, shape, public.filter, public.before, public.after]
    }

    fn synthesize(cs: &mut Builder, inputs: &[Num], witness: Option<&ChunkWitness>) {
        let blank = ChunkWitness {
            rows: Vec::new(),
            levels: Vec::new(),
            query: Query { column: 0, filter: [None; COLUMNS] },
            before: Totals::default(),
            after: Totals::default(),
        };
        synthesize_chunk(cs, inputs, witness.unwrap_or(&blank));
    }

    recorded!();
}

/// One column of the filter, and whether it is the column that is summed.
struct Column {
    asked: Num,
    low: Num,
    high: Num,
    chosen: Num,
}

/// The totals that the rows add.
struct Sums {
    count: Num,
    sum: Num,
    squares: Num,
}

fn synthesize_chunk(cs: &mut Builder, inputs: &[Num], witness: &ChunkWitness) {
    let [table, shape, filter, before, after] = inputs else { return };
    let columns = cs.group("filter", |cs| filter_columns(cs, filter, &witness.query));

    // N in 16 bits (up to 4,096 by the places there are), the chunk in 6.
    let shape = cs.group("shape", |cs| bits(cs, shape, 22));
    let (rows, chunk) = shape.split_at_checked(16).unwrap_or((&[], &[]));
    let (rows, first) = (pack(rows), pack(chunk).times(Fr::from(CHUNK as u64)));

    let data: Vec<Num> = cs.group("rows", |cs| {
        let data: Vec<Num> = (0..CHUNK).map(|i| cs.boolean(witness.rows.get(i).is_some_and(Option::is_some))).collect();
        for pair in data.windows(2) {
            // No row after padding.
            if let [here, next] = pair {
                cs.enforce(next, &here.not(), &Num::zero());
            }
        }
        data
    });
    cs.group("number", |cs| {
        let here = Num::sum(&data.iter().map(|d| (Fr::one(), d)).collect::<Vec<_>>());
        // Rows of later chunks: none unless this one is full.
        let rest = &(&rows - &first) - &here;
        bits(cs, &rest, 13);
        let full = data.last().cloned().unwrap_or_else(Num::zero);
        cs.enforce(&full.not(), &rest, &Num::zero());
    });

    let mut sums = Sums { count: Num::zero(), sum: Num::zero(), squares: Num::zero() };
    let mut leaves: Vec<Num> = Vec::with_capacity(CHUNK);
    for (i, data) in data.iter().enumerate() {
        let (row, salt) = witness.rows.get(i).copied().flatten().unwrap_or_default();
        leaves.push(one_row(cs, &row, salt, data, &columns, &mut sums));
    }
    cs.group("table", |cs| {
        for _ in 0..CHUNK_DEPTH {
            leaves = leaves
                .chunks_exact(4)
                .filter_map(|c| if let [a, b, c, d] = c { Some(hash4(cs, NODE_TAG, [a, b, c, d])) } else { None })
                .collect();
        }
        let node = leaves.first().cloned().unwrap_or_else(Num::zero);
        let places: Vec<[Num; 2]> = chunk.as_chunks::<2>().0.to_vec();
        let root = placed(cs, &node, &witness.levels, &places);
        cs.equal(&root, table);
    });
    cs.group("totals", |cs| {
        let totals = |cs: &mut Builder, t: &Totals| {
            [Fr::from(t.count), Fr::from(t.sum), Fr::from(t.squares)].map(|v| cs.witness(v))
        };
        let [count, sum, squares] = totals(cs, &witness.before);
        let blind = cs.witness(witness.before.blind);
        let own = hash4(cs, TOTALS_TAG, [&count, &sum, &squares, &blind]);
        cs.equal(&own, before);
        let blind = cs.witness(witness.after.blind);
        let (count, sum, squares) = (&count + &sums.count, &sum + &sums.sum, &squares + &sums.squares);
        let own = hash4(cs, TOTALS_TAG, [&count, &sum, &squares, &blind]);
        cs.equal(&own, after);
    });
}

fn filter_columns(cs: &mut Builder, filter: &Num, query: &Query) -> Vec<Column> {
    let parts = query.parts().map(|part| {
        let part = cs.witness(part);
        let split = bits(cs, &part, 65);
        (part, split)
    });
    let column: Vec<Num> = (0..2).map(|i| cs.boolean(query.column >> i & 1 == 1)).collect();
    let [(a, _), (b, _), (c, _), (d, _)] = &parts;
    let shift = Fr::from(1_u128 << 65);
    let chosen = pack(&column);
    let own = hash3(cs, FILTER_TAG, [&(a + &b.times(shift)), &(c + &d.times(shift)), &chosen]);
    cs.equal(&own, filter);
    let [c0, c1] = column.as_slice() else { return Vec::new() };
    let both = cs.mul(c0, c1);
    let hot = [&(&c0.not() - c1) + &both, c0 - &both, c1 - &both, both];
    parts
        .into_iter()
        .zip(hot)
        .filter_map(|((_, split), chosen)| {
            let (asked, bounds) = split.split_first()?;
            let (low, high) = bounds.split_at_checked(VALUE_BITS)?;
            Some(Column { asked: asked.clone(), low: pack(low), high: pack(high), chosen })
        })
        .collect()
}

/// One place: its leaf, and what it adds.
fn one_row(cs: &mut Builder, row: &Row, salt: Fr, data: &Num, columns: &[Column], sums: &mut Sums) -> Num {
    let mut passes = data.clone();
    let mut present = Num::zero();
    let mut value = Num::zero();
    let mut cells = Vec::with_capacity(COLUMNS);
    for (content, column) in row.iter().zip(columns) {
        let number = cs.witness(cell(*content));
        let split = cs.group("cells", |cs| {
            let split = bits(cs, &number, VALUE_BITS.saturating_add(1));
            // Absent is zero, and only zero.
            if let Some((flag, rest)) = split.split_first() {
                cs.enforce(&flag.not(), &pack(rest), &Num::zero());
            }
            split
        });
        let Some((flag, rest)) = split.split_first() else { continue };
        let own = pack(rest);
        passes = cs.group("ranges", |cs| {
            let from = crate::gadgets::bits::is_less_or_equal(cs, &column.low, &own, VALUE_BITS);
            let to = crate::gadgets::bits::is_less_or_equal(cs, &own, &column.high, VALUE_BITS);
            let inside = cs.mul(&from, &to);
            let inside = cs.mul(&inside, flag);
            // Not asked: passes.
            let refused = cs.mul(&column.asked, &inside.not());
            cs.mul(&passes, &refused.not())
        });
        cs.group("column", |cs| {
            let one = cs.mul(&column.chosen, flag);
            present = &present + &one;
            let chosen = cs.mul(&column.chosen, &own);
            value = &value + &chosen;
        });
        cells.push(number);
    }
    cs.group("sums", |cs| {
        let counted = cs.mul(&passes, &present);
        let added = cs.mul(&counted, &value);
        let square = cs.mul(&added, &value);
        sums.count = &sums.count + &counted;
        sums.sum = &sums.sum + &added;
        sums.squares = &sums.squares + &square;
    });
    let salt = cs.witness(salt);
    cs.group("leaf", |cs| {
        let [a, b, c, d] = cells.as_slice() else { return Num::zero() };
        let leaf = hash5(cs, ROW_TAG, [a, b, c, d, &salt]);
        cs.select(data, &leaf, &Num::constant(padding()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{every_group_is_needed, mutate_every_cell, violated};
    use mediveil_rng::SeededRng;
    use std::collections::BTreeSet;

    fn refusal(public: &ChunkPublic, witness: &ChunkWitness) -> BTreeSet<String> {
        let (mut cs, inputs) = Builder::assign(&Statistics::inputs(public));
        Statistics::synthesize(&mut cs, &inputs, Some(witness));
        violated(Statistics::r1cs(), cs.into_unchecked_assignment().values())
    }

    fn rows(n: u32) -> Vec<Row> {
        (0..n).map(|i| [Some(i), (i % 3 > 0).then_some(i * i), Some(i % 2), Some(u32::MAX - i)]).collect()
    }

    /// The keeper of a table could leave a hole in it and count it as a row.
    fn hole() -> BTreeSet<String> {
        let mut rng = SeededRng::from_u64(1);
        let query = Query::new(0, [None; COLUMNS]).unwrap();
        let salted: Vec<(Row, Fr)> = rows(64).iter().map(|row| (*row, random(&mut rng))).collect();
        let mut leaves: Vec<Fr> = salted.iter().map(|(row, salt)| row_leaf(row, *salt)).collect();
        leaves[10] = padding();
        let tree = Tree::new(leaves.clone(), DEPTH).unwrap();
        let totals = salted.iter().enumerate().filter(|(i, _)| *i != 10).fold(Totals::default(), |t, (_, (row, _))| {
            let v = u128::from(query.value_of(row).unwrap());
            Totals { count: t.count + 1, sum: t.sum + v, squares: t.squares + v * v, blind: t.blind }
        });
        let public = ChunkPublic {
            table: tree.root(),
            rows: 64,
            chunk: 0,
            filter: query.hash(),
            before: start(),
            after: totals.commit(),
        };
        let levels = children(leaves[0], &tree.path(0).unwrap()).split_off(CHUNK_DEPTH);
        let mut placed: Vec<Option<(Row, Fr)>> = salted.into_iter().map(Some).collect();
        placed[10] = None;
        refusal(&public, &ChunkWitness { rows: placed, levels, query, before: Totals::default(), after: totals })
    }

    /// One row counts twice and another not at all: the totals stay.
    fn moved_between_rows(honest: &[Fr]) -> BTreeSet<String> {
        let r1cs = Statistics::r1cs();
        let sums: Vec<u32> = r1cs
            .rows()
            .iter()
            .filter(|row| r1cs.group_of(row) == "sums")
            .step_by(3)
            .filter_map(|row| row.c.first().map(|(variable, _)| *variable))
            .collect();
        let mut values = honest.to_vec();
        values[sums[0] as usize] += Fr::one();
        values[sums[1] as usize] -= Fr::one();
        violated(r1cs, &values)
    }

    #[test]
    fn no_cell_is_free_and_every_group_is_needed() {
        assert_eq!(hole(), BTreeSet::from(["rows".to_owned()]));
        let query = Query::new(1, [Some((3, 90)), None, Some((1, 1)), None]).unwrap();
        let table = Table::new(&rows(100), &mut SeededRng::from_u64(2)).unwrap();
        let (chunks, _) = table.chunks(&query, &mut SeededRng::from_u64(3));
        let (public, witness) = &chunks[1];
        let values = Statistics::assign(public, witness).unwrap();
        let mut attacks = mutate_every_cell(Statistics::r1cs(), values.values());
        attacks.push(hole());
        attacks.push(moved_between_rows(values.values()));
        attacks.push(refusal(&ChunkPublic { rows: 101, ..public.clone() }, witness));
        every_group_is_needed(Statistics::r1cs(), &attacks);
        let r1cs = Statistics::r1cs();
        assert!(r1cs.constraints() + r1cs.instances() <= 65_536, "{}", r1cs.constraints());
    }
}
