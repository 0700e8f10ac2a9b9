//! The three rounds and the end.

use super::board::{PassedOver, Round, Run, short};
use super::state::{State, destroy};
use super::{accusation_json, accusation_lines, record};
use crate::commands::log::{LogArg, with_entries};
use crate::failure::{Failure, Kind};
use crate::files::{PassphraseSource, read_identity};
use crate::global::Global;
use crate::text::hex;
use clap::Args;
use mediveil_seal::identity::Identity;
use mediveil_threshold::deal::{CutOff, Enrolled, Message, round1};
use mediveil_threshold::{Accusation, MemberId, ProtocolError, Signed};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `committee deal`.
///
/// Round 0: an encryption key of this epoch. Round 1: commitments and encrypted shares; in a refresh or a resharing, of the
/// share that --state holds. Round 2: complaints, each with the proof of it; usually none. Run again it posts the very same:
/// a member who signs two things for one round is out.
#[derive(Debug, Args)]
pub(crate) struct Deal {
    /// The directory of the board
    board: PathBuf,
    /// This member's secret identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// The directory with what this member keeps for itself; made if missing. It never travels
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// `committee close`.
///
/// What counts is what lies on the convenor's board now. Whoever is silent is left out and accused of nothing.
#[derive(Debug, Args)]
pub(crate) struct Close {
    /// The directory of the board
    board: PathBuf,
    /// The convenor's secret identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// End the round even though members are silent
    #[arg(long)]
    without_silent: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// `committee finish`.
///
/// Writes `committee.pub`, `key-set` and `transcript` on the board: the same bytes at every honest member's. Compare the
/// transcript's hash with the others over another channel. As long as --state is kept, a share that was lost is made again
/// by running this once more.
#[derive(Debug, Args)]
pub(crate) struct Finish {
    /// The directory of the board
    board: PathBuf,
    /// The directory with what this member keeps for itself: the share goes there. Without it only the public part is done
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Destroy this member's share and key of the epoch before, for good, with what a repair left. Copies elsewhere are yours to
    /// find
    #[arg(long, requires = "state")]
    retire: bool,
    #[command(flatten)]
    log: LogArg,
}

/// Accusations and files that do not count, for reports.
fn remarks(run: &Run, accusations: &[Accusation]) -> (Vec<Value>, Vec<Value>, String) {
    let (dealers, receivers) = (run.plan.dealers(), run.plan.committee());
    let passed_over = run.passed_over();
    let mut text = accusation_lines(accusations, dealers, receivers);
    for PassedOver { file, why } in &passed_over {
        text.push_str(&format!("passed over {file}: {why}\n"));
    }
    let accusations = accusations.iter().map(|a| accusation_json(a, dealers, receivers)).collect();
    (accusations, passed_over.iter().map(PassedOver::json).collect(), text)
}

impl Deal {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let run = Run::read(&self.board)?;
        let identity = read_identity(&self.identity, &self.passphrase)?;
        let state = State::new(&self.state);
        let mut rng = mediveil_rng::system();
        let mut accusations = Vec::new();
        let mut accused = Vec::new();
        let (path, what, again) = match run.open_round() {
            Some(0) => {
                let (path, again) = say(&run, &run.round0, &state, &identity, || {
                    let (enrolled, message) = Enrolled::start(&run.plan, &identity, &mut rng)?;
                    state.keep_enrolled(&enrolled, false)?;
                    Ok(message)
                })?;
                (path, "enrolled", again)
            }
            Some(1) => {
                let enrolments = run.enrolments()?;
                accusations.clone_from(&enrolments.accusations);
                let (path, again) = say(&run, &run.round1, &state, &identity, || {
                    let share = run.plan.from().map(|set| state.demand_share(set)).transpose()?;
                    Ok(enrolments.deal(&identity, share.as_ref(), &mut rng)?)
                })?;
                (path, "dealt", again)
            }
            Some(2) => {
                let dealings = run.dealings()?;
                accusations.clone_from(&dealings.accusations);
                let (path, again) = say(&run, &run.round2, &state, &identity, || {
                    let enrolled = state.enrolled(&run.session())?.ok_or(ProtocolError::NotEnrolled)?;
                    let pairs = two_faced(&run.round1);
                    let (_, message) = dealings.check_against(&enrolled, &identity, &pairs, &mut rng)?;
                    accused = message.content().accused();
                    Ok(message)
                })?;
                (path, "checked", again)
            }
            _ => return Err(Failure::new(Kind::Refused, "all rounds are over: run `committee finish`")),
        };
        let (accusations, passed_over, remarks) = remarks(&run, &accusations);
        let complaints: Vec<u16> = accused.iter().map(|id| id.get()).collect();
        let mut text = format!("{}: {what}{}\n{remarks}", path.display(), if again { " as before" } else { "" });
        for dealer in &accused {
            text.push_str(&format!("complained of dealer {dealer}, with proof\n"));
        }
        let json = json!({
            "did": what, "posted": path, "again": again, "complaints": complaints, "accusations": accusations,
            "passed_over": passed_over,
        });
        global.report(false, &json, text.trim_end());
        Ok(())
    }
}

/// Says something once: what was said before is posted again, and what the board has of this member from elsewhere is not
/// contradicted.
fn say<T: Message>(
    run: &Run,
    round: &Round<T>,
    state: &State,
    identity: &Identity,
    make: impl FnOnce() -> Result<Signed<T>, Failure>,
) -> Result<(PathBuf, bool), Failure> {
    let me = T::authors(&run.plan).find(identity.public()).ok_or(ProtocolError::NotAMember)?;
    if let Some(message) = state.said::<T>(&run.session())? {
        return Ok((run.post(&message)?, true));
    }
    if round.messages.iter().any(|m| m.content().author() == me.get()) {
        let why = "the board has a message of this member that --state knows nothing of: a second one would be proof \
                   against you. Use the directory it was made with";
        return Err(Failure::new(Kind::Refused, why));
    }
    let message = make()?;
    state.note(&message)?;
    Ok((run.post(&message)?, false))
}

/// The dealings on the board of dealers who signed two.
fn two_faced(round: &Round<round1::Package>) -> Vec<(Signed<round1::Package>, Signed<round1::Package>)> {
    use mediveil_threshold::Content;
    let mut pairs = Vec::new();
    for (i, a) in round.messages.iter().enumerate() {
        let second = round.messages.iter().take(i).find(|b| b.content().author() == a.content().author());
        if let Some(b) = second {
            pairs.push((a.clone(), b.clone()));
        }
    }
    pairs
}

fn numbers(ids: &[MemberId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Close {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let run = Run::read(&self.board)?;
        let identity = read_identity(&self.identity, &self.passphrase)?;
        let (silent, cut_off) = match run.open_round() {
            Some(0) => self.end(global, &run, &run.round0, &identity, run.plan.committee().needed())?,
            Some(1) => self.end(global, &run, &run.round1, &identity, run.plan.dealers().needed())?,
            Some(2) => self.end(global, &run, &run.round2, &identity, 0)?,
            _ => return Err(Failure::new(Kind::Refused, "all rounds are over: run `committee finish`")),
        };
        let path = run.post_cut_off(&cut_off)?;
        // The convenor sees at once what comes of it.
        let run = Run::read(&self.board)?;
        let round = cut_off.content().round();
        let accusations = match round {
            0 => run.enrolments()?.accusations,
            1 => run.dealings()?.accusations,
            _ => run.outcome()?.1.accusations,
        };
        let (accusations, passed_over, remarks) = remarks(&run, &accusations);
        let mut text = format!("{}: round {round} is over\n", path.display());
        if !silent.is_empty() {
            text.push_str(&format!("silent     {}\n", numbers(&silent)));
        }
        text.push_str(&remarks);
        let json = json!({
            "round": round, "closed_at": cut_off.content().closed_at().to_string(), "posted": path,
            "silent": silent.iter().map(|id| id.get()).collect::<Vec<_>>(), "accusations": accusations,
            "passed_over": passed_over,
        });
        global.report(false, &json, text.trim_end());
        Ok(())
    }

    fn end<T: Message>(
        &self,
        global: &Global,
        run: &Run,
        round: &Round<T>,
        identity: &Identity,
        needed: u16,
    ) -> Result<(Vec<MemberId>, Signed<CutOff>), Failure> {
        if identity.public().verifying_key() != run.plan.committee().convenor() {
            return Err(Failure::new(Kind::Refused, "this identity is not the committee's convenor"));
        }
        let silent = round.silent(&run.plan);
        let spoke = usize::from(T::authors(&run.plan).size()).saturating_sub(silent.len());
        if spoke < usize::from(needed) {
            let why = format!("too few members have spoken, {spoke} of the {needed} that are needed: wait for more");
            return Err(Failure::new(Kind::Refused, why));
        }
        if !silent.is_empty() && !self.without_silent {
            let silent = numbers(&silent);
            let why = format!("silent so far: {silent}. Wait for them, or leave them out with --without-silent");
            return Err(Failure::new(Kind::Refused, why));
        }
        Ok((silent, CutOff::close(&run.plan, &round.messages, global.now(), identity)?))
    }
}

impl Finish {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let run = Run::read(&self.board)?;
        let (dealings, outcome) = run.outcome()?;
        let set = &outcome.set;
        let state = self.state.as_deref().map(State::new);
        // Everything is settled before anything is written.
        let before = match (&state, run.plan.from()) {
            (Some(state), Some(from)) => state.folders_of(from)?,
            _ => Vec::new(),
        };
        let recorder = self.log.open()?;
        let share = match &state {
            None => None,
            Some(state) => match state.enrolled(&run.session())? {
                Some(enrolled) => Some(outcome.recover(&dealings, &enrolled, &mut mediveil_rng::system())?),
                // Who leaves the committee has nothing to take, and something to destroy.
                None if !before.is_empty() => None,
                None => return Err(ProtocolError::NotEnrolled.into()),
            },
        };
        let recorded = record::run(&recorder, global, &run.plan, &outcome)?;
        run.publish("committee.pub", set.key())?;
        run.publish("key-set", set)?;
        if let Some(transcript) = run.transcript() {
            run.publish("transcript", &transcript)?;
        }
        let kept = match (&state, &share) {
            (Some(state), Some(share)) => Some(state.keep_share(&run.session(), share, set)?),
            _ => None,
        };
        let (retired, left) = if self.retire { (before, Vec::new()) } else { (Vec::new(), before) };
        for folder in &retired {
            destroy(folder)?;
        }
        let (accusations, passed_over, remarks) = remarks(&run, &outcome.accusations);
        let mut text = format!("key        {} ({})\n", hex(&set.key().id()), set.committee().purpose().escape_debug());
        text.push_str(&format!("epoch      {}\ntranscript {}\n", set.epoch(), hex(set.transcript())));
        text.push_str(&format!("dealers    {}\n{remarks}", numbers(&outcome.dealers())));
        if let (Some(path), Some(share)) = (&kept, &share) {
            text.push_str(&format!("share      of member {} in {}\n", share.member(), path.display()));
        }
        for folder in &retired {
            text.push_str(&format!("destroyed  {}\n", folder.display()));
        }
        for folder in &left {
            let folder = folder.display();
            text.push_str(&format!("the epoch before is still in {folder}: destroy it with --retire\n"));
        }
        let json = json!({
            "key": hex(&set.key().id()), "epoch": set.epoch(), "transcript": hex(set.transcript()),
            "session": short(run.session().as_bytes()), "dealers": outcome.dealers().iter().map(|d| d.get()).collect::<Vec<_>>(),
            "accusations": accusations, "passed_over": passed_over, "share": kept, "destroyed": retired,
        });
        let json = with_entries(json, &mut text, &recorded);
        global.report(false, &json, text.trim_end());
        Ok(())
    }
}
