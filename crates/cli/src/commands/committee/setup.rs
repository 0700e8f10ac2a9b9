//! The plans of runs: a new key, or new shares of an old one.

use super::board::{Run, short};
use super::read_set;
use crate::failure::Failure;
use crate::files::read_public;
use crate::global::Global;
use crate::text::hex;
use clap::Args;
use mediveil_seal::identity::{PublicIdentity, VerifyingKey};
use mediveil_threshold::Committee;
use mediveil_threshold::deal::Plan;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `committee new`.
///
/// Members are numbered in the order of the command line. Whoever makes the plan has no part in the key; members look at it
/// with `verify` before they enrol. The key can be biased by a member who speaks last: it is for encryption, never for
/// randomness.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// The directory of the board to make
    board: PathBuf,
    /// What the key is for; it keeps its purpose for life
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    #[command(flatten)]
    members: Members,
}

/// `committee refresh`.
#[derive(Debug, Args)]
pub(crate) struct Refresh {
    /// The board of the ended run, or its key set
    old: PathBuf,
    /// The directory of the board to make
    board: PathBuf,
}

/// `committee reshare`.
///
/// Old members deal and new members receive; who is both does both. Shares of members who leave stay good until they destroy
/// them (`finish --retire`).
#[derive(Debug, Args)]
pub(crate) struct Reshare {
    /// The board of the ended run, or its key set
    old: PathBuf,
    /// The directory of the board to make
    board: PathBuf,
    /// How many are needed now, as you believe: nobody can pass off another key set
    #[arg(long, value_name = "N")]
    old_needed: u16,
    #[command(flatten)]
    members: Members,
}

#[derive(Debug, Args)]
struct Members {
    /// A member's public identity; once for each, in order
    #[arg(long = "member", value_name = "PUB", required = true)]
    members: Vec<PathBuf>,
    /// How many of them are needed to use the key: at most half of them, rounded up
    #[arg(long, value_name = "N")]
    needed: u16,
    /// Who ends the rounds; the first member unless said otherwise. Trusted for progress, not for secrecy
    #[arg(long, value_name = "PUB")]
    convenor: Option<PathBuf>,
}

impl Members {
    fn committee(&self, purpose: &str) -> Result<Committee, Failure> {
        let members: Vec<PublicIdentity> = self.members.iter().map(|p| read_public(p)).collect::<Result<_, _>>()?;
        let convenor: VerifyingKey = match (&self.convenor, members.first()) {
            (Some(path), _) => *read_public(path)?.verifying_key(),
            (None, Some(first)) => *first.verifying_key(),
            (None, None) => return Err(Failure::usage("name the members with --member")),
        };
        Ok(Committee::new(purpose, self.needed, members, convenor, &mut mediveil_rng::system())?)
    }
}

/// What a plan says.
pub(super) fn plan_json(plan: &Plan) -> Value {
    let committee = plan.committee();
    json!({
        "purpose": committee.purpose(),
        "needed": committee.needed(),
        "members": committee.members().map(|(_, m)| m.fingerprint()).collect::<Vec<_>>(),
        "convenor": committee.convenor().fingerprint(),
        "session": hex(plan.session().as_bytes()),
        "key": plan.from().map(|set| hex(&set.key().id())),
        "old_epoch": plan.from().map(mediveil_threshold::PublicKeySet::epoch),
    })
}

/// The same for people.
pub(super) fn plan_text(plan: &Plan) -> String {
    let committee = plan.committee();
    let mut text = format!("purpose    {}\n", committee.purpose().escape_debug());
    text.push_str(&format!("needed     {} of {}\n", committee.needed(), committee.size()));
    for (id, member) in committee.members() {
        text.push_str(&format!("member     {id:<3} {}\n", member.fingerprint()));
    }
    text.push_str(&format!("convenor   {}\n", committee.convenor().fingerprint()));
    text.push_str(&format!("session    {}\n", short(plan.session().as_bytes())));
    if let Some(set) = plan.from() {
        text.push_str(&format!("from       key {}, epoch {}\n", short(&set.key().id()), set.epoch()));
    }
    text
}

fn create(global: &Global, board: &Path, plan: &Plan) -> Result<(), Failure> {
    Run::create(board, plan)?;
    let text = format!("{}: a new board\n{}", board.display(), plan_text(plan));
    let mut json = plan_json(plan);
    if let Some(json) = json.as_object_mut() {
        json.insert("board".into(), board.display().to_string().into());
    }
    global.report(false, &json, text.trim_end());
    Ok(())
}

impl New {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        create(global, &self.board, &Plan::generate(self.members.committee(&self.purpose)?))
    }
}

impl Refresh {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let set = read_set(&self.old)?;
        create(global, &self.board, &Plan::refresh(&set, &mut mediveil_rng::system()))
    }
}

impl Reshare {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let set = read_set(&self.old)?;
        let committee = self.members.committee(set.committee().purpose())?;
        create(global, &self.board, &Plan::reshare(&set, self.old_needed, committee)?)
    }
}
