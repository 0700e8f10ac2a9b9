//! The committed corpora through every target, on stable: each seed, cut at every length (to a bound), and changed at
//! random from a fixed seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::ObjectType;
use mediveil_fuzz::{TARGETS, decoders};
use mediveil_rng::{Rng, SeededRng};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Changes tried on each seed: fewer where an input costs milliseconds.
fn changes(target: &str) -> usize {
    match target {
        "committee" | "log_file" | "policy_door" | "stream" | "study" | "zk" => 10,
        "codec_round_trip" | "fhe" | "model" | "slip39" => 30,
        _ => 100,
    }
}

#[test]
fn every_target_replays_its_corpus_and_neighbours_of_it() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut rng = SeededRng::from_u64(4);
    for (name, target) in TARGETS {
        let mut seeds: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().map(|e| e.unwrap().path()).collect();
        seeds.sort();
        let changes = changes(name);
        assert!(!seeds.is_empty(), "{name} has no corpus");
        for seed in seeds {
            let data = fs::read(&seed).unwrap();
            target(&data);
            let step = data.len().div_ceil(changes).max(1);
            for len in (0..data.len()).step_by(step) {
                target(&data[..len]);
            }
            for _ in 0..changes.min(data.len() * 3) {
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

#[test]
fn every_decoder_is_of_its_own_type() {
    let kinds: BTreeSet<ObjectType> = decoders().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.len(), decoders().len());
}

#[test]
fn every_registered_type_has_its_decoder() {
    let kinds: BTreeSet<ObjectType> = decoders().into_iter().map(|(kind, _)| kind).collect();
    let missing: Vec<&str> = ObjectType::ALL.iter().filter(|t| !kinds.contains(t)).map(|t| t.name()).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
