//! The tour again and again in one process, to see that its memory stays flat.

use super::broken;
use crate::failure::Failure;
use std::path::Path;
use std::time::{Duration, Instant};

/// Growth that is forgiven: the allocator keeps what it once had, and rounds differ in which pages they touch.
const SLACK: f64 = 0.10;

/// This process's resident memory in bytes; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Whether memory grows: the least of the last third of the rounds against the largest of the second third. The first third
/// fills tables and pools.
fn grows(rounds: &[u64]) -> Option<bool> {
    let third = rounds.len() / 3;
    let before = rounds.get(third..third * 2)?.iter().max()?;
    let after = rounds.get(third * 2..)?.iter().min()?;
    Some(*after as f64 > *before as f64 * (1.0 + SLACK))
}

/// Runs `round` in a folder of its own for so many minutes, at least six times.
pub(super) fn run(minutes: u32, out: &Path, round: impl Fn(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let end = Instant::now() + Duration::from_secs(u64::from(minutes).saturating_mul(60));
    let mut rounds = Vec::new();
    while Instant::now() < end || rounds.len() < 6 {
        let folder = out.join(format!("round-{}", rounds.len()));
        round(&folder)?;
        std::fs::remove_dir_all(&folder).map_err(|e| Failure::from(e).at(&folder))?;
        let bytes = resident().ok_or_else(|| broken("this system does not tell how much memory a process has"))?;
        eprintln!("round {}: {:.1} MiB", rounds.len(), bytes as f64 / 1_048_576.0);
        rounds.push(bytes);
    }
    match grows(&rounds) {
        Some(false) => Ok(()),
        _ => Err(broken(format!("memory grew over {} rounds", rounds.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_from_warming_up() {
        assert_eq!(grows(&[10, 50, 90, 100, 100, 101, 100, 99, 101]), Some(false));
        assert_eq!(grows(&[10, 20, 30, 40, 50, 60, 70, 80, 90]), Some(true));
        assert_eq!(grows(&[10, 20]), None);
    }

    #[test]
    fn six_rounds_are_run_each_in_a_folder_that_is_gone_afterwards() {
        let out = tempfile::tempdir().unwrap();
        let count = std::cell::Cell::new(0);
        run(0, out.path(), |folder| {
            count.set(count.get() + 1);
            std::fs::create_dir(folder).map_err(Failure::from)
        })
        .unwrap();
        assert_eq!((count.get(), std::fs::read_dir(out.path()).unwrap().count()), (6, 0));
    }
}
