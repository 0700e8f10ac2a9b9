//! The statistics statement against a prover who lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ark_bn254::Fr;
use ark_ff::{One as _, Zero as _};
use mediveil_circuits::Statement as _;
use mediveil_circuits::r1cs::Builder;
use mediveil_circuits::statistics::{
    CHUNK, ChunkPublic, ChunkWitness, MAX_ROWS, Query, Row, Statistics, Table, Totals, chunks_of, start,
};
use mediveil_circuits::testing::violated;
use mediveil_rng::{Rng as _, SeededRng};
use std::collections::BTreeSet;

fn rows(n: usize) -> Vec<Row> {
    let mut rng = SeededRng::from_u64(3);
    (0..n)
        .map(|i| {
            let mut cell = |max: u32| Some(rng.next_u32() % max).filter(|v| v % 7 != 0);
            [cell(100), Some(u32::MAX - u32::try_from(i).unwrap()), cell(2), cell(1_000)]
        })
        .collect()
}

fn query() -> Query {
    Query::new(3, [Some((18, 65)), None, Some((1, 1)), None]).unwrap()
}

fn refusal(public: &ChunkPublic, witness: &ChunkWitness) -> BTreeSet<String> {
    let (mut cs, inputs) = Builder::assign(&Statistics::inputs(public));
    Statistics::synthesize(&mut cs, &inputs, Some(witness));
    violated(Statistics::r1cs(), cs.into_unchecked_assignment().values())
}

fn groups(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn answer(rows: &[Row], query: &Query) -> (Table, Vec<(ChunkPublic, ChunkWitness)>, Totals) {
    let table = Table::new(rows, &mut SeededRng::from_u64(4)).unwrap();
    let (chunks, totals) = table.chunks(query, &mut SeededRng::from_u64(5));
    (table, chunks, totals)
}

#[test]
fn totals_equal_a_plain_loop_for_every_shape() {
    for n in [1, 63, 64, 65, 130] {
        let rows = rows(n);
        for query in [
            query(),
            Query::new(1, [None; 4]).unwrap(),
            Query::new(0, [Some((0, u32::MAX)), Some((u32::MAX, u32::MAX)), None, None]).unwrap(),
            Query::new(2, [None, None, None, Some((0, 0))]).unwrap(),
        ] {
            let (table, chunks, totals) = answer(&rows, &query);
            let values: Vec<u128> = rows.iter().filter_map(|r| query.value_of(r)).map(u128::from).collect();
            assert_eq!(totals.count, values.len() as u64);
            assert_eq!(totals.sum, values.iter().sum());
            assert_eq!(totals.squares, values.iter().map(|v| v * v).sum());
            let commitments: Vec<Fr> = chunks.iter().map(|(p, _)| p.after).collect();
            let expected = chunks_of(table.root(), n, &query, &commitments, &totals).unwrap();
            assert_eq!(expected, chunks.iter().map(|(p, _)| p.clone()).collect::<Vec<_>>());
            for (public, witness) in &chunks {
                assert_eq!(refusal(public, witness), groups(&[]), "{n} rows");
            }
        }
    }
}

#[test]
fn rows_cannot_be_left_out_or_made_up() {
    let (_, chunks, _) = answer(&rows(100), &query());
    let (public, witness) = &chunks[1];
    // Fewer and more rows than the table has: the place is no padding, or padding opened as data.
    for rows in [64, 99, 101, 128, 4_096] {
        assert!(!refusal(&ChunkPublic { rows, ..public.clone() }, witness).is_empty(), "{rows}");
        let (_, others, _) = answer(&self::rows(usize::from(rows)), &query());
        if let Some((_, other)) = others.get(1) {
            assert!(!refusal(&ChunkPublic { rows, ..public.clone() }, other).is_empty(), "{rows}");
        }
    }
    // Another chunk's rows, and a chunk beyond the tree.
    assert!(!refusal(&ChunkPublic { chunk: 0, ..public.clone() }, witness).is_empty());
    assert!(!refusal(public, &chunks[0].1).is_empty());
    assert!(!refusal(&ChunkPublic { chunk: 64, ..public.clone() }, witness).is_empty());
    // Another query, other totals before, other totals after, another table.
    let other = Query::new(3, [Some((18, 66)), None, Some((1, 1)), None]).unwrap();
    assert_eq!(refusal(&ChunkPublic { filter: other.hash(), ..public.clone() }, witness), groups(&["filter"]));
    assert_eq!(refusal(&ChunkPublic { before: start(), ..public.clone() }, witness), groups(&["totals"]));
    assert_eq!(refusal(&ChunkPublic { after: start(), ..public.clone() }, witness), groups(&["totals"]));
    assert_eq!(refusal(&ChunkPublic { table: Fr::zero(), ..public.clone() }, witness), groups(&["table"]));
}

#[test]
fn the_verifier_asks_for_all_chunks_in_order() {
    let (table, chunks, totals) = answer(&rows(130), &query());
    let commitments: Vec<Fr> = chunks.iter().map(|(p, _)| p.after).collect();
    let ask = |n, c: &[Fr], t: &Totals| chunks_of(table.root(), n, &query(), c, t);
    assert!(ask(130, &commitments, &totals).is_some());
    assert!(ask(130, &commitments[..2], &totals).is_none());
    assert!(ask(130, &commitments[1..], &totals).is_none());
    assert!(ask(128, &commitments, &totals).is_none());
    assert!(ask(130, &commitments, &Totals { sum: totals.sum + 1, ..totals }).is_none());
    assert!(ask(130, &commitments, &Totals { blind: totals.blind + Fr::one(), ..totals }).is_none());
    assert!(ask(0, &[], &totals).is_none());
    // Reordered chunks ask for public parts that no proof has.
    let reordered = [commitments[1], commitments[0], commitments[2]];
    assert_ne!(ask(130, &reordered, &totals).unwrap()[0], chunks[0].0);
}

#[test]
fn tables_and_queries_have_bounds() {
    assert!(Table::new(&[], &mut SeededRng::from_u64(1)).is_err());
    assert!(Table::new(&vec![[None; 4]; MAX_ROWS + 1], &mut SeededRng::from_u64(1)).is_err());
    assert!(Query::new(4, [None; 4]).is_err());
    assert!(Query::new(0, [Some((2, 1)), None, None, None]).is_err());
    assert_eq!(MAX_ROWS % CHUNK, 0);
    // An asked range of everything still asks for presence.
    let all = Query::new(1, [Some((0, u32::MAX)), None, None, None]).unwrap();
    assert_ne!(all.hash(), Query::new(1, [None; 4]).unwrap().hash());
    assert_eq!(all.value_of(&[None, Some(1), None, None]), None);
}
