//! Commits to every resource of FHIR files and says how long each step took:
//! `cargo run --release -p mediveil-record --example commit -- FILE...`

use mediveil_record::{Limits, Record, RecordSecret};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = RecordSecret::generate(&mut mediveil_rng::system());
    for file in std::env::args().skip(1) {
        let bytes = std::fs::read(&file)?;
        let start = Instant::now();
        let record = Record::parse(&bytes, &Limits::default())?;
        let parsed = start.elapsed();
        let committed = record.commit(&secret)?;
        let done = start.elapsed().saturating_sub(parsed);
        let leaves: usize = committed.iter().map(|c| c.leaves().len()).sum();
        let resources = committed.len();
        println!("{file}: {resources} resources, {leaves} leaves, parsed in {parsed:.1?}, committed in {done:.1?}");
    }
    Ok(())
}
