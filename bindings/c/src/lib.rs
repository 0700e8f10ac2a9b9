//! The C library: opaque handles, one enum of status codes, a text for the last error, buffers that the caller owns, one free
//! function a type. `include/mediveil.h` is made from this crate and checked to be current by its test.
//!
//! Rules, which the header repeats for those who read it alone:
//!
//! * every function that can fail returns a [`mediveil_status`]; the text of the last failure on this thread is at
//!   `mediveil_last_error`;
//! * no panic crosses the boundary: it becomes `MEDIVEIL_PANIC`;
//! * handles are made and freed by functions of their type; freeing takes the address of the variable and sets it to NULL;
//!   a handle is a number that is looked up, so that a freed one, or one of another type, is refused wherever it comes from;
//! * an output buffer is (`out`, `len`): `*len` says how much room there is, and afterwards how much is needed; with `out` NULL
//!   only that is asked.
//!
//! Nothing here computes; the libraries do.

#![allow(non_camel_case_types, reason = "these are names of C")]

mod abe;
mod budget;
mod doors;
mod identity;
mod log;
mod memory;
mod proofs;
mod seal;
mod status;
mod threads;
mod threshold;

pub use abe::*;
pub use budget::*;
pub use doors::*;
pub use identity::*;
pub use log::*;
pub use proofs::*;
pub use seal::*;
pub use status::*;
pub use threshold::*;
