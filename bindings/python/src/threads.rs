//! Work on several cores, after a fork as well.

use crate::fail::raise;
use mediveil_bridge::Kind;
use pyo3::prelude::*;
use std::sync::OnceLock;

/// Runs work that may use all cores. Threads do not survive a fork: in a forked child it gets threads of its own.
pub fn on_all_cores<T: Send>(work: impl FnOnce() -> T + Send) -> PyResult<T> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    if *FIRST.get_or_init(std::process::id) == std::process::id() {
        return Ok(work());
    }
    let pool = rayon::ThreadPoolBuilder::new().build().map_err(|e| raise(Kind::State, e.to_string()))?;
    Ok(pool.install(work))
}
