//! The committed corpora through every target, on stable: each seed, cut at every length (to a bound), and changed at
//! random from a fixed seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_fuzz::TARGETS;
use mediveil_rng::{Rng, SeededRng};
use std::fs;
use std::path::Path;

/// Changes tried on each seed.
const CHANGES: usize = 100;

#[test]
fn every_target_replays_its_corpus_and_neighbours_of_it() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut rng = SeededRng::from_u64(4);
    for (name, target) in TARGETS {
        let mut seeds: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().map(|e| e.unwrap().path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{name} has no corpus");
        for seed in seeds {
            let data = fs::read(&seed).unwrap();
            target(&data);
            let step = data.len().div_ceil(CHANGES).max(1);
            for len in (0..data.len()).step_by(step) {
                target(&data[..len]);
            }
            for _ in 0..CHANGES.min(data.len() * 3) {
                let mut changed = data.clone();
                for _ in 0..=rng.next_u32() % 3 {
                    let at = usize::try_from(rng.next_u32()).unwrap() % changed.len();
                    changed[at] = u8::try_from(rng.next_u32() & 0xff).unwrap();
                }
                target(&changed);
            }
        }
    }
}

#[test]
fn every_target_file_has_its_function_and_its_corpus() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<String> = fs::read_dir(here.join("targets"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap().trim_end_matches(".rs").to_owned())
        .collect();
    files.sort();
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, names);
}
