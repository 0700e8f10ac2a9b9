//! `--log`: what other commands did, in a log as well.

use super::open_for_writing;
use crate::failure::Failure;
use crate::global::Global;
use clap::Args;
use mediveil_ledger::{Actor, Entry, Event, Label, Log, UniqueKey};
use serde_json::Value;
use std::path::PathBuf;

/// Where to record what is done.
#[derive(Debug, Args)]
pub(crate) struct LogArg {
    /// Record it in this log as well, before anybody sees it; it says what happened and names no one
    #[arg(long, value_name = "LOG")]
    log: Option<PathBuf>,
}

/// The log of a command, if there is one, open before anything is done.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: Option<(PathBuf, Log)>,
}

impl LogArg {
    pub(crate) fn open(&self) -> Result<Recorder, Failure> {
        let log = self.log.as_ref().map(|path| open_for_writing(path).map(|log| (path.clone(), log)));
        Ok(Recorder { log: log.transpose()? })
    }
}

impl Recorder {
    /// Records what happened in a committee and says where, durably; the same again is recorded once. The entry has no actor: an
    /// identity would say who recovers what.
    pub(crate) fn committee(
        &self,
        global: &Global,
        committee: [u8; 32],
        kind: &str,
        body: &[u8],
    ) -> Result<Option<u64>, Failure> {
        let Some((path, log)) = &self.log else { return Ok(None) };
        let label = Label::new(kind).map_err(|e| Failure::usage(e.to_string()))?;
        let name = [&committee[..], kind.as_bytes(), body].concat();
        let event = Event::Committee { committee, kind: label, body: body.to_vec() };
        let entry = Entry::new(global.now(), Actor::SYSTEM, event).keyed(UniqueKey::of("cli/committee", &name));
        let appended = log.append(&entry).map_err(|e| Failure::from(e).at(path))?;
        Ok(Some(appended.index))
    }
}

/// Adds to a report where things were recorded.
pub(crate) fn with_entries(mut json: Value, text: &mut String, entries: &[Option<u64>]) -> Value {
    let entries: Vec<u64> = entries.iter().flatten().copied().collect();
    if !entries.is_empty() {
        let list = entries.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        *text = format!("{}\nrecorded   entry {list}", text.trim_end());
    }
    if let Some(object) = json.as_object_mut() {
        object.insert("recorded".into(), entries.into());
    }
    json
}
