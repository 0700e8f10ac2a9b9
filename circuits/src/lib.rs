//! What is proved: statements as rank-1 constraint systems over BN254, and the gadgets they are made of.
//!
//! | statement | says |
//! |---|---|
//! | [`identity`] | I hold a credential of this registry, was born before a date and have one of these roles; this is my nullifier |
//! | [`record`] | an accredited provider signed, for me, a record in which these leaves have these values or lie in these ranges |
//! | [`statistics`] | over the rows under this root, filtered so, count, sum and sum of squares of a column are these |
//!
//! A [`Statement`] is a type with a public part and a witness; `mediveil-zk` proves and verifies it. Hashes, leaves and
//! trees are those of `mediveil-record`; every hash use has a domain tag of its own. The rows of every statement are
//! counted in CONSTRAINTS.tsv and have a fixed digest.
//!
//! Nothing here runs in constant time: proving happens on the holder's own machine.

pub mod forms;
pub mod gadgets;
pub mod identity;
pub mod r1cs;
pub mod record;
mod statement;
pub mod statistics;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use ark_bn254::Fr;
pub use statement::{InvalidStatement, Scope, Statement, StatementId};

use mediveil_codec::{DecodeError, Decoder};

/// An element as 32 bytes, big-endian.
pub(crate) fn field_bytes(element: &Fr) -> [u8; 32] {
    mediveil_record::field::to_bytes(element)
}

/// An element in its one encoding.
pub(crate) fn decode_field(d: &mut Decoder<'_>) -> Result<Fr, DecodeError> {
    mediveil_record::field::from_bytes(&d.byte_array()?).ok_or_else(|| d.invalid("not an element of the field"))
}
