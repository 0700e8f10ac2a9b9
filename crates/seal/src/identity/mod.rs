//! P-256 identities.

mod keys;

pub use keys::{KeyError, Signature, SigningKey, VerifyingKey};
