//! Threads of the libraries, which a child does not inherit when its parent forks. Work for them would wait there for ever.

use crate::status::{Failure, mediveil_status};
use std::process;
use std::sync::OnceLock;

/// Runs work that may use all cores: in a forked child, on threads of its own.
pub(crate) fn on_all_cores<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    if *FIRST.get_or_init(process::id) == process::id() {
        return Ok(work());
    }
    let pool = rayon::ThreadPoolBuilder::new().build();
    let pool = pool.map_err(|e| Failure(mediveil_status::MEDIVEIL_STATE, e.to_string()))?;
    Ok(pool.install(work))
}

/// Before work on pairings, whose threads cannot be made anew: refused in a child of a process that has begun such work.
pub(crate) fn pairings() -> Result<(), Failure> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    if *FIRST.get_or_init(process::id) == process::id() {
        return Ok(());
    }
    let why = "policies or committees were used before this process was forked: start a program of its own for them";
    Err(Failure(mediveil_status::MEDIVEIL_STATE, why.into()))
}
