//! `mediveil log follow`.

use super::describe::{record_json, record_line};
use super::open;
use crate::failure::Failure;
use crate::global::Global;
use clap::Args;
use mediveil_ledger::Record;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// `log follow`.
///
/// Prints what is there and then each entry as some process records it, in order, none twice. With --json each is one object on
/// one line.
#[derive(Debug, Args)]
pub(crate) struct Follow {
    /// The log
    log: PathBuf,
    /// Begin with this entry; entries count from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// End after so many entries
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// End with the last entry that is there instead of waiting for more
    #[arg(long)]
    no_wait: bool,
}

fn print(global: &Global, record: &Record) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if global.is_json() {
        writeln!(out, "{}", record_json(record))?;
    } else {
        writeln!(out, "{}", record_line(record))?;
    }
    out.flush()
}

impl Follow {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let log = open(&self.log)?;
        let mut follow = log.follow(self.from);
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let next = if self.no_wait { follow.poll() } else { follow.wait(Duration::from_secs(3600)) };
            match next.map_err(|e| Failure::from(e).at(&self.log))? {
                Some(record) => match print(global, &record) {
                    Ok(()) => left = left.saturating_sub(1),
                    // The reader has seen enough.
                    Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break,
                    Err(e) => return Err(e.into()),
                },
                None if self.no_wait => break,
                None => {}
            }
        }
        Ok(())
    }
}
