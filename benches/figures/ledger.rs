//! The log: durable appends a second by one thread and by eight that share commits, and the bytes of a proof.

use crate::print;
use mediveil_codec::{Timestamp, Wire};
use mediveil_ledger::{Actor, Entry, Event, Log};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::SigningKey;
use std::error::Error;
use std::time::{Duration, Instant};

const SPAN: Duration = Duration::from_secs(2);

fn entry(n: u64) -> Entry {
    Entry::new(Timestamp::MAX, Actor::SYSTEM, Event::Note { text: n.to_string() })
}

fn per_second(log: &Log, writers: u64) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let counts: Vec<Option<u64>> = std::thread::scope(|scope| {
        let work = || {
            let mut done = 0;
            while start.elapsed() < SPAN {
                log.append(&entry(done)).ok()?;
                done += 1;
            }
            Some(done)
        };
        let writers: Vec<_> = (0..writers).map(|_| scope.spawn(work)).collect();
        writers.into_iter().map(|w| w.join().ok().flatten()).collect()
    });
    let done: u64 = counts.into_iter().sum::<Option<u64>>().ok_or("an append failed")?;
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

pub(crate) fn figures() -> Result<(), Box<dyn Error>> {
    let here = std::env::current_exe()?;
    let folder = tempfile::tempdir_in(here.parent().ok_or("no directory")?)?;
    let mut rng = SeededRng::from_u64(1);
    let log = Log::create(folder.path().join("figures.log"), &mut rng)?;
    print("ledger.appends_per_s", per_second(&log, 1)?, None);
    print("ledger.appends_per_s.8", per_second(&log, 8)?, None);
    let entries: Vec<Entry> = (0..100_000u64.saturating_sub(log.size()?)).map(entry).collect();
    log.append_all(&entries)?;
    let head = log.head("2027-01-31".parse()?, &SigningKey::generate(&mut rng))?;
    print("ledger.evidence_bytes.100k", log.evidence(50_000, &head)?.encode().len() as f64, None);
    log.verify_all()?;
    Ok(())
}
