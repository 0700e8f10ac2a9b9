//! Threads of the libraries, which a child does not inherit when its parent forks. Work for them would wait there for ever.

use crate::status::{Failure, mediveil_status};
use std::process;
use std::sync::OnceLock;

/// Before work on pairings, whose threads cannot be made anew: refused in a child of a process that has begun such work.
pub(crate) fn pairings() -> Result<(), Failure> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    if *FIRST.get_or_init(process::id) == process::id() {
        return Ok(());
    }
    let why = "policies or committees were used before this process was forked: start a program of its own for them";
    Err(Failure(mediveil_status::MEDIVEIL_STATE, why.into()))
}
