//! Parts that statements are made of. Each has a native twin, and agrees with it on every input that it accepts.

pub mod babyjubjub;
pub mod bits;
pub mod decimal;
pub mod eddsa;
pub mod merkle;
pub mod poseidon;
