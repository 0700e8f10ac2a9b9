//! Fuzzing without a fuzzer: changes the committed corpora at random, without knowing what that reaches. For machines without
//! `cargo-fuzz`; `cargo run -p mediveil-fuzz --example blind -- SECONDS [TARGET]...`. An input that breaks a promise is left in the
//! system's temporary directory, and its path printed.

#![allow(clippy::unwrap_used, reason = "a tool that stops at the first failure")]

use mediveil_fuzz::{TARGETS, Target};
use mediveil_rng::{Rng, SeededRng, system};
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{env, fs};

/// A changed copy of a seed: up to eight changes, of bytes, lengths and order, with pieces of another seed.
fn change(seeds: &[Vec<u8>], rng: &mut SeededRng) -> Vec<u8> {
    let mut below = |n: usize| usize::try_from(rng.next_u32()).unwrap() % n.max(1);
    let mut data = seeds.get(below(seeds.len())).cloned().unwrap_or_default();
    for _ in 0..=below(8) {
        let at = below(data.len() + 1);
        match below(7) {
            0..=2 => {
                if let Some(byte) = data.get_mut(at) {
                    let extremes =
                        [0, 1, 0x7f, 0x80, 0xff, byte.wrapping_add(1), byte.wrapping_sub(1), *byte ^ 1 << below(8)];
                    *byte = extremes.get(below(8)).copied().unwrap_or(0);
                }
            }
            3 => data.truncate(at),
            4 => data.insert(at, u8::try_from(below(256)).unwrap()),
            5 => {
                data.drain(at..(at + below(8)).min(data.len()));
            }
            _ => {
                let other = seeds.get(below(seeds.len())).map(Vec::as_slice).unwrap_or_default();
                let from = below(other.len());
                let piece = other.get(from..(from + below(32)).min(other.len())).unwrap_or_default();
                data.splice(at..at, piece.iter().copied());
            }
        }
    }
    data
}

fn run(name: &str, target: Target, seconds: u64) -> bool {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut seeds: Vec<Vec<u8>> = fs::read_dir(corpus).unwrap().map(|e| fs::read(e.unwrap().path()).unwrap()).collect();
    seeds.push(Vec::new());
    let mut rng = SeededRng::from_u64(system().next_u64());
    let (start, mut runs) = (Instant::now(), 0_u64);
    while start.elapsed() < Duration::from_secs(seconds) {
        let data = change(&seeds, &mut rng);
        if catch_unwind(|| target(&data)).is_err() {
            let path = env::temp_dir().join(format!("mediveil-fuzz-{name}-{runs}"));
            fs::write(&path, &data).unwrap();
            println!("{name}: a promise is broken by {}", path.display());
            return false;
        }
        runs += 1;
    }
    println!("{name}: {runs} inputs in {} s", start.elapsed().as_secs());
    true
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(10);
    let chosen: Vec<String> = arguments.collect();
    let targets = TARGETS.iter().filter(|(name, _)| chosen.is_empty() || chosen.iter().any(|c| c == name));
    let broken = targets.filter(|(name, target)| !run(name, *target, seconds)).count();
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
