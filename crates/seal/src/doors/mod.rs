//! The doors that this crate knows: HPKE keys and passphrases.

mod hpke;
mod passphrase;

pub use hpke::Hinted;
pub use passphrase::Passphrase;
