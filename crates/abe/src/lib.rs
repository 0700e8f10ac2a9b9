//! Attribute-based encryption: access to a record by policy, with no server asked.

mod access;
pub mod attribute;
pub mod epoch;
mod kem;
mod lsss;
pub mod policy;
pub mod schema;
mod scheme;

pub use access::{MAX_REPEATS, MAX_ROWS};
pub use attribute::{Attribute, AttributeError};
pub use epoch::Granularity;
pub use policy::{Comparison, Node, Number, Policy, PolicyError, Test};
pub use schema::{AttributeSet, NumberKind, Schema, SchemaError};
