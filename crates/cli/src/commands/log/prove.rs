//! `mediveil log prove`.

use super::open;
use crate::failure::{Failure, Kind};
use crate::files::{read_armored, write_armored};
use crate::global::Global;
use clap::{ArgGroup, Args};
use mediveil_ledger::{Log, LogError, SignedHead};
use serde_json::json;
use std::path::{Path, PathBuf};

/// `log prove`.
///
/// Who holds a head, a proof and the signer's public identity needs nothing else: `log verify` checks them without the log.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["entry", "since"]))]
pub(crate) struct Prove {
    /// The log
    log: PathBuf,
    /// Prove that the log has this entry; entries count from 0
    #[arg(long, value_name = "N")]
    entry: Option<u64>,
    /// Prove that the log only grew since this head
    #[arg(long, value_name = "HEAD")]
    since: Option<PathBuf>,
    /// The head to prove it for; by default the last one that the log holds
    #[arg(long, value_name = "HEAD")]
    head: Option<PathBuf>,
    /// Write the bare proof to FILE and the entry to FILE.entry, without the head: for who has the head already
    #[arg(long, requires = "entry")]
    bare: bool,
    /// Where the proof goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// Refuses a head that is not of this log's history: its proof would only be refused later.
fn belongs(log: &Log, head: &SignedHead) -> Result<(), LogError> {
    let claims = head.claims();
    if claims.log != log.id() {
        return Err(LogError::OtherLog { expected: log.id(), found: claims.log });
    }
    let size = log.size()?;
    if claims.size > size {
        return Err(LogError::RolledBack { remembered: claims.size, found: size });
    }
    if log.root(claims.size)? == claims.root { Ok(()) } else { Err(LogError::Rewritten { size: claims.size }) }
}

impl Prove {
    fn read(&self, log: &Log, path: &Path) -> Result<SignedHead, Failure> {
        let head = read_armored(path)?;
        belongs(log, &head).map_err(|e| Failure::from(e).at(&self.log))?;
        Ok(head)
    }

    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let log = open(&self.log)?;
        let at = |e: LogError| Failure::from(e).at(&self.log);
        let head = match &self.head {
            Some(path) => self.read(&log, path)?,
            None => log.last_head().map_err(at)?.ok_or_else(|| {
                Failure::new(Kind::Refused, "the log holds no head; sign one with `mediveil log head --sign KEY`")
                    .at(&self.log)
            })?,
        };
        let size = head.claims().size;
        let out = self.out.display();
        let (json, text) = match (self.entry, &self.since) {
            (Some(index), _) if self.bare => {
                let proof = log.inclusion(index, size).map_err(at)?;
                let entry = log.entry(index).map_err(at)?.entry().map_err(|e| Failure::from(e).at(&self.log))?;
                let mut beside = self.out.clone().into_os_string();
                beside.push(".entry");
                write_armored(Path::new(&beside), &entry, false, true)?;
                write_armored(&self.out, &proof, false, true)?;
                (
                    json!({ "entry": index, "size": size }),
                    format!("{out}: proof that entry {index} of {size} is in the log"),
                )
            }
            (Some(index), _) => {
                let evidence = log.evidence(index, &head).map_err(at)?;
                write_armored(&self.out, &evidence, false, true)?;
                (
                    json!({ "entry": index, "size": size }),
                    format!("{out}: entry {index} of {size} with its proof and head"),
                )
            }
            (None, Some(since)) => {
                let old = self.read(&log, since)?.claims().size;
                let proof = log.consistency(old, size).map_err(at)?;
                write_armored(&self.out, &proof, false, true)?;
                let text = format!("{out}: proof that the log of {size} entries extends the one of {old}");
                (json!({ "old": old, "size": size }), text)
            }
            (None, None) => return Err(Failure::usage("prove what? name --entry N or --since HEAD")),
        };
        global.report(false, &json, &text);
        Ok(())
    }
}
