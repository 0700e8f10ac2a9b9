//! `mediveil committee`: a key that several people hold together, by files that they exchange.

pub(crate) mod board;
mod record;
mod repair;
mod rounds;
mod setup;
pub(crate) mod state;
mod verify;

use crate::failure::{Failure, Kind};
use crate::files::read_object;
use crate::global::Global;
use board::Run;
use clap::Subcommand;
use mediveil_threshold::{Accusation, Committee, CommitteeError, Culprit, ProtocolError, PublicKeySet};
use serde_json::{Value, json};
use std::path::Path;

/// Committees.
///
/// Members on different machines copy one directory, the board, to each other: by rsync, a shared folder or a stick. A run
/// has three rounds. In each, every member runs `deal` and posts a signed file; then the convenor runs `close`. After the
/// third everybody runs `finish`. What a member keeps for itself stays in a directory of its own and never travels.
#[derive(Debug, Subcommand)]
pub(crate) enum CommitteeCommand {
    /// Plan a new key: who holds it together, and how many of them are needed
    New(setup::New),
    /// Plan new shares of the same key for the same committee: old and new ones do not combine
    Refresh(setup::Refresh),
    /// Plan shares of the same key for another committee
    Reshare(setup::Reshare),
    /// Say what is to be said in the open round: enrol, deal shares, or complain
    Deal(rounds::Deal),
    /// End the open round, as the convenor
    Close(rounds::Close),
    /// Take the share at the end of a run, and publish the key
    Finish(rounds::Finish),
    /// Have a lost share made again by members who learn nothing of it, or help
    Repair(repair::Repair),
    /// Check a run and name who cheated, from its board or its transcript alone
    Verify(verify::Verify),
}

impl CommitteeCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::New(c) => c.run(global),
            Self::Refresh(c) => c.run(global),
            Self::Reshare(c) => c.run(global),
            Self::Deal(c) => c.run(global),
            Self::Close(c) => c.run(global),
            Self::Finish(c) => c.run(global),
            Self::Repair(c) => c.run(global),
            Self::Verify(c) => c.run(global),
        }
    }
}

impl From<CommitteeError> for Failure {
    fn from(error: CommitteeError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Self {
        let kind = match &error {
            ProtocolError::CutOff(_)
            | ProtocolError::Missing(_)
            | ProtocolError::Damaged(_)
            | ProtocolError::OtherBoard(_)
            | ProtocolError::WrongSession => Kind::Damaged,
            ProtocolError::Helpers { .. } => Kind::Usage,
            ProtocolError::Degenerate => Kind::Failed,
            _ => Kind::Refused,
        };
        let mut message = error.to_string();
        if let ProtocolError::TooFew { accusations, .. } = &error {
            for accusation in accusations {
                message.push_str(&format!("\n{accusation}"));
            }
        }
        Self::new(kind, message)
    }
}

/// The key set that a run came to: from its board, or from the file that `finish` published.
pub(crate) fn read_set(path: &Path) -> Result<PublicKeySet, Failure> {
    if path.is_dir() { Ok(Run::read(path)?.outcome()?.1.set) } else { read_object(path) }
}

/// Who is accused of what, with the fingerprint of the one it is about.
fn accusation_json(accusation: &Accusation, dealers: &Committee, receivers: &Committee) -> Value {
    let (part, id, committee) = match accusation.culprit {
        Culprit::Dealer(id) => ("dealer", id, dealers),
        Culprit::Helper(id) => ("helper", id, receivers),
        Culprit::Receiver(id) => ("member", id, receivers),
    };
    let fingerprint = committee.member(id).map(mediveil_seal::identity::PublicIdentity::fingerprint);
    json!({ "as": part, "member": id.get(), "fingerprint": fingerprint, "misdeed": accusation.misdeed.to_string() })
}

/// Accusations as lines for people.
fn accusation_lines(accusations: &[Accusation], dealers: &Committee, receivers: &Committee) -> String {
    let mut text = String::new();
    for accusation in accusations {
        let json = accusation_json(accusation, dealers, receivers);
        let fingerprint = json.get("fingerprint").and_then(Value::as_str).unwrap_or("unknown");
        text.push_str(&format!("accused    {accusation} (identity {fingerprint})\n"));
    }
    text
}
