//! The committed table of constraint counts. A change must be deliberate: it makes every key of that statement void.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_circuits::Statement;
use mediveil_circuits::identity::Identity;
use mediveil_circuits::record::RecordAuthenticity;
use mediveil_circuits::statistics::Statistics;
use mediveil_circuits::testing::table;

fn lines<S: Statement>() -> String {
    table(S::ID.as_str(), S::r1cs())
}

#[test]
fn constraint_counts_are_as_committed() {
    let now = lines::<Identity>() + &lines::<RecordAuthenticity>() + &lines::<Statistics>();
    let now = format!("statement\twhat\tcount\n{now}");
    let committed = include_str!("../CONSTRAINTS.tsv");
    assert!(now == committed, "CONSTRAINTS.tsv is not what the statements have; it would be\n{now}");
}
