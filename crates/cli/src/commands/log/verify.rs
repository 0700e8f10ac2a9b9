//! `mediveil log verify`.

use super::{Object, is_address, is_database, open, read_signer};
use crate::failure::{Failure, Kind};
use crate::global::Global;
use clap::Args;
use mediveil_codec::Wire;
use mediveil_ledger::{ConsistencyProof, Entry, Head, InclusionProof, Log};
use mediveil_seal::identity::VerifyingKey;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `log verify`.
///
/// A log is recomputed from its entries: every hash, every stored head, every index. Heads, proofs and evidence are checked from
/// their files alone. Heads of different sizes need something that joins them: the log itself, or a consistency proof.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Logs, heads, consistency and inclusion proofs, entries and evidence, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Who signs the log's heads; needed for everything but a log by itself
    #[arg(long, value_name = "PUB")]
    signer: Option<PathBuf>,
}

/// What was named on the command line, sorted by kind.
#[derive(Default)]
struct Given {
    logs: Vec<(PathBuf, Log)>,
    heads: Vec<(PathBuf, Head)>,
    inclusion: Vec<(PathBuf, InclusionProof)>,
    consistency: Vec<(PathBuf, ConsistencyProof)>,
    entries: Vec<(PathBuf, Entry)>,
    findings: Vec<(Value, String)>,
}

fn begins_as_database(path: &Path) -> Result<bool, Failure> {
    let mut start = Vec::new();
    if is_address(path) {
        return Ok(true);
    }
    let file = File::open(path).map_err(|e| Failure::from(e).at(path))?;
    file.take(16).read_to_end(&mut start).map_err(|e| Failure::from(e).at(path))?;
    Ok(is_database(&start))
}

impl Given {
    fn read(files: &[PathBuf], signer: Option<&VerifyingKey>) -> Result<Self, Failure> {
        let mut given = Self::default();
        let trusted =
            || signer.ok_or_else(|| Failure::usage("whose heads are these? name the signer with --signer PUB"));
        for path in files {
            let at = |e: Failure| e.at(path);
            if begins_as_database(path)? {
                given.logs.push((path.clone(), open(path)?));
                continue;
            }
            match Object::read(path)? {
                Object::Head(head) => {
                    let head = head.verify(trusted()?).map_err(|e| at(e.into()))?;
                    given.found(
                        "head",
                        path,
                        head.size(),
                        &format!("head of {} entries, signed {}", head.size(), head.at()),
                    );
                    given.heads.push((path.clone(), head));
                }
                Object::Evidence(evidence) => {
                    let (index, _, head) = evidence.verify(trusted()?).map_err(|e| at(e.into()))?;
                    given.found("evidence", path, index, &format!("entry {index} of {} is in the log", head.size()));
                    given.heads.push((path.clone(), head));
                }
                Object::Inclusion(proof) => given.inclusion.push((path.clone(), proof)),
                Object::Consistency(proof) => given.consistency.push((path.clone(), proof)),
                Object::Entry(entry) => given.entries.push((path.clone(), *entry)),
            }
        }
        given.heads.sort_by_key(|(_, head)| head.size());
        Ok(given)
    }

    fn found(&mut self, kind: &str, path: &Path, number: u64, what: &str) {
        let file = path.display().to_string();
        self.findings
            .push((json!({ "file": file, "kind": kind, "number": number, "result": what }), format!("{file}: {what}")));
    }

    fn check_logs(&mut self) -> Result<(), Failure> {
        for (path, log) in std::mem::take(&mut self.logs) {
            let at = |e: mediveil_ledger::LogError| Failure::from(e).at(&path);
            let verified = log.verify_all().map_err(at)?;
            for (_, head) in &self.heads {
                log.check_against(head).map_err(at)?;
            }
            let (size, heads) = (verified.state.size, verified.heads);
            let mut what = format!("{size} entries and {heads} heads of its own verify, root {}", verified.state.root);
            if verified.unreadable > 0 {
                what.push_str(&format!("; {} are of a later version", verified.unreadable));
            }
            if self.heads.is_empty() {
                what.push_str(" (without a head from elsewhere, a log replaced as a whole goes unnoticed)");
            }
            self.found("log", &path, size, &what);
            self.logs.push((path, log));
        }
        Ok(())
    }

    fn check_inclusion(&mut self) -> Result<(), Failure> {
        for (path, proof) in std::mem::take(&mut self.inclusion) {
            let (_, head) = self.heads.iter().find(|(_, h)| h.size() == proof.size()).ok_or_else(|| {
                Failure::usage(format!("needs the head of {} entries beside it", proof.size())).at(&path)
            })?;
            if self.entries.is_empty() {
                return Err(Failure::usage("needs the entry that it is about beside it").at(&path));
            }
            let mut proved = Err(mediveil_ledger::ProofError::Inclusion { index: proof.index() });
            for (_, entry) in &self.entries {
                proved = proof.verify(&entry.encode(), head);
                if proved.is_ok() {
                    break;
                }
            }
            proved.map_err(|e| Failure::from(e).at(&path))?;
            let what = format!("the entry is number {} of {}", proof.index(), proof.size());
            self.found("inclusion", &path, proof.index(), &what);
        }
        Ok(())
    }

    /// Every two heads that are next to each other in size belong to one history.
    fn check_heads(&mut self) -> Result<(), Failure> {
        let heads = std::mem::take(&mut self.heads);
        let mut used = vec![false; self.consistency.len()];
        for pair in heads.windows(2) {
            let [(_, old), (path, new)] = pair else { continue };
            let place = self.consistency.iter().position(|(_, p)| (p.old(), p.new_size()) == (old.size(), new.size()));
            let proof = place.and_then(|p| self.consistency.get(p));
            if proof.is_none() && !self.logs.is_empty() && old.log() == new.log() && old.size() != new.size() {
                // The log has been seen to extend both.
                continue;
            }
            old.compare(new, proof.map(|(_, p)| p)).map_err(|e| Failure::from(e).at(path))?;
            if let Some(used) = place.and_then(|p| used.get_mut(p)) {
                *used = true;
            }
            if old.size() != new.size() {
                let what = format!("the log of {} entries extends the one of {}", new.size(), old.size());
                let path = proof.map_or(path, |(p, _)| p).clone();
                self.found("consistency", &path, new.size(), &what);
            }
        }
        let idle = self.consistency.iter().zip(used).find(|(_, used)| !used);
        if let Some(((path, proof), _)) = idle {
            let why = format!("needs the heads of {} and of {} entries beside it", proof.old(), proof.new_size());
            return Err(Failure::usage(why).at(path));
        }
        Ok(())
    }
}

impl Verify {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let signer = self.signer.as_deref().map(read_signer).transpose()?;
        let mut given = Given::read(&self.files, signer.as_ref())?;
        given.check_logs()?;
        given.check_inclusion()?;
        given.check_heads()?;
        if given.findings.is_empty() {
            return Err(Failure::new(Kind::Usage, "an entry alone proves nothing; name its proof and a head as well"));
        }
        let (json, text): (Vec<Value>, Vec<String>) = given.findings.into_iter().unzip();
        global.answer(&json!(json), &text.join("\n"));
        Ok(())
    }
}
