//! The suites that every statement passes: what a prover who lies must not get through.
//!
//! Rechecking is limited to the rows that a change touches, so a hundred thousand changes take a second.

#![expect(clippy::indexing_slicing, reason = "test support: a failed check must stop the test")]

use crate::r1cs::R1cs;
use ark_bn254::Fr;
use ark_ff::{One as _, Zero as _};
use std::collections::{BTreeMap, BTreeSet};

/// Groups of rows that an assignment violates.
#[must_use]
pub fn violated(r1cs: &R1cs, values: &[Fr]) -> BTreeSet<String> {
    let broken = r1cs.rows().iter().filter(|row| !R1cs::holds(row, values));
    broken.map(|row| r1cs.group_of(row).to_owned()).collect()
}

/// For each variable, the rows it stands in.
fn columns(r1cs: &R1cs) -> Vec<Vec<usize>> {
    let mut columns = vec![Vec::new(); r1cs.variables()];
    for (index, row) in r1cs.rows().iter().enumerate() {
        let variables: BTreeSet<u32> =
            [&row.a, &row.b, &row.c].into_iter().flatten().map(|(variable, _)| *variable).collect();
        for variable in variables {
            columns[variable as usize].push(index);
        }
    }
    columns
}

/// Changes every cell of a satisfying assignment, one at a time, in several ways: public inputs and witness, each must be
/// refused. Returns, for each change, the groups that refused it.
///
/// # Panics
/// If the assignment does not satisfy the rows, or a change is accepted.
#[must_use]
pub fn mutate_every_cell(r1cs: &R1cs, values: &[Fr]) -> Vec<BTreeSet<String>> {
    assert_eq!(violated(r1cs, values), BTreeSet::new(), "the assignment is not satisfying");
    assert_eq!(values.len(), r1cs.variables());
    let columns = columns(r1cs);
    let mut values = values.to_vec();
    let mut refused = BTreeSet::new();
    for (cell, rows) in columns.iter().enumerate().skip(1) {
        let honest = values[cell];
        for change in [honest + Fr::one(), Fr::one() - honest, -honest, Fr::zero(), Fr::from(0x5eed_1234_5678_u64)] {
            if change == honest {
                continue;
            }
            values[cell] = change;
            let groups: BTreeSet<String> = rows
                .iter()
                .map(|row| &r1cs.rows()[*row])
                .filter(|row| !R1cs::holds(row, &values))
                .map(|row| r1cs.group_of(row).to_owned())
                .collect();
            let around: BTreeSet<&str> = rows.iter().map(|row| r1cs.group_of(&r1cs.rows()[*row])).collect();
            assert!(!groups.is_empty(), "variable {cell} can be changed freely; it stands in {around:?}");
            refused.insert(groups);
        }
        values[cell] = honest;
    }
    refused.into_iter().collect()
}

/// Every group must be needed: some attack (the groups that refuse it) is refused by this group alone.
///
/// # Panics
/// If a group could be removed and nothing would notice.
pub fn every_group_is_needed(r1cs: &R1cs, attacks: &[BTreeSet<String>]) {
    for group in r1cs.counts().keys() {
        let alone = attacks.iter().any(|groups| groups.len() == 1 && groups.contains(*group));
        assert!(alone, "nothing notices when the rows of {group} are removed");
    }
}

/// The lines of the committed table for a statement: rows, variables and non-zero entries, then rows by group.
#[must_use]
pub fn table(name: &str, r1cs: &R1cs) -> String {
    use std::fmt::Write as _;
    let entries: usize = r1cs.rows().iter().map(|r| r.a.len() + r.b.len() + r.c.len()).sum();
    let mut out = String::new();
    let _ = writeln!(out, "{name}\tconstraints\t{}", r1cs.constraints());
    let _ = writeln!(out, "{name}\tpublic inputs\t{}", r1cs.instances() - 1);
    let _ = writeln!(out, "{name}\tvariables\t{}", r1cs.variables());
    let _ = writeln!(out, "{name}\tnon-zero entries\t{entries}");
    // Counted in one statement and not the other, a group would go unnoticed; so all are listed.
    let counts: BTreeMap<&str, usize> = r1cs.counts();
    for (group, count) in counts {
        let _ = writeln!(out, "{name}\t{group}\t{count}");
    }
    let digest: String = r1cs.digest().iter().map(|b| format!("{b:02x}")).collect();
    let _ = writeln!(out, "{name}\tdigest\t{digest}");
    out
}
