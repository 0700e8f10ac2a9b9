//! `mediveil rewrap`.

use crate::commands::open::Keys;
use crate::commands::policy::PolicyDoorArgs;
use crate::commands::recover::CommitteeDoorArgs;
use crate::commands::seal::Readers;
use crate::failure::Failure;
use crate::files::{Input, Output, PassphraseSource};
use crate::global::Global;
use clap::Args;
use mediveil_seal::Opener;
use serde_json::json;
use std::path::PathBuf;

/// `rewrap`.
///
/// Dropping a door does not take back what its holder has read, nor older copies of the file.
#[derive(Debug, Args)]
pub(crate) struct Rewrap {
    /// The sealed file
    file: PathBuf,
    /// Where the file with the new doors goes; may be the same file
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// A secret identity or an attribute key that opens the file now
    #[arg(long, short, value_name = "KEY", required = true)]
    identity: Vec<PathBuf>,
    /// A further reader's public identity
    #[arg(long, value_name = "PUB")]
    to: Vec<PathBuf>,
    /// Put a hint of the reader's key at each new door
    #[arg(long)]
    hint: bool,
    /// Drop the door of this number, as `inspect` counts them
    #[arg(long, value_name = "N")]
    drop: Vec<usize>,
    /// Drop all doors of this kind, as `inspect` names them
    #[arg(long, value_name = "KIND")]
    drop_kind: Vec<String>,
    #[command(flatten)]
    policy: PolicyDoorArgs,
    #[command(flatten)]
    committee: CommitteeDoorArgs,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

impl Rewrap {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let keys = Keys::of(&self.identity);
        let openers = keys.openers(global)?;
        let openers: Vec<&dyn Opener> = openers.iter().map(AsRef::as_ref).collect();
        let readers = Readers::read(&self.to, &self.passphrase, self.hint)?.and_policy(&self.policy, global.now())?;
        let readers = readers.and_committee(&self.committee)?;
        let recipients = readers.recipients();
        if recipients.is_empty() && self.drop.is_empty() && self.drop_kind.is_empty() {
            return Err(Failure::usage(
                "nothing to change: name a reader with --to, --policy or --committee, or a door with --drop",
            ));
        }
        let mut change = mediveil_seal::Rewrap::new();
        for recipient in &recipients {
            change = change.to(recipient.as_ref());
        }
        for index in &self.drop {
            change = change.drop_index(*index);
        }
        for kind in &self.drop_kind {
            change = change.drop_where(move |_, stanza| stanza.kind.as_str() == kind);
        }
        let mut input = Input::open(Some(&self.file), global)?;
        let mut out = Output::create(Some(&self.out), true)?;
        let doors = change.run(&mut input, &mut out, &openers, &mut mediveil_rng::system())?;
        out.commit()?;
        let text = format!("{}: {doors} {} now", self.out.display(), if doors == 1 { "door" } else { "doors" });
        global.report(false, &json!({ "doors": doors }), &text);
        Ok(())
    }
}
