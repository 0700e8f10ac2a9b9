//! A run, checked again by anybody.

use super::board::{PassedOver, Run};
use super::repair::Files;
use super::setup::{plan_json, plan_text};
use super::{accusation_json, accusation_lines, read_set};
use crate::failure::{Failure, Kind};
use crate::files::{read_armored, read_object};
use crate::global::Global;
use crate::text::hex;
use clap::Args;
use mediveil_threshold::deal::{Outcome, Plan, Transcript};
use mediveil_threshold::{Accusation, Culprit, ProtocolError, PublicKey};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `committee verify`.
///
/// Runs the public part again: every signature, proof, complaint and sum. Needs no secret and no member, so that a third party
/// decides who cheated. A board may be looked at while its run goes on.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A board, the transcript of an ended run, or the directory of a repair
    path: PathBuf,
    /// The key set that a repair is about, or its board
    #[arg(long, value_name = "PATH")]
    set: Option<PathBuf>,
    /// Demand that it is about this key
    #[arg(long, value_name = "PUB")]
    key: Option<PathBuf>,
    /// Demand that it proves this member guilty, by its number among those who deal or those who receive
    #[arg(long, value_name = "N")]
    accused: Option<u16>,
}

/// Whether an accusation is about the member with this number, in whichever part.
const fn is_about(accusation: &Accusation, number: u16) -> bool {
    match accusation.culprit {
        Culprit::Dealer(id) | Culprit::Helper(id) | Culprit::Receiver(id) => id.get() == number,
    }
}

/// What the public part comes to.
struct Finding {
    plan: Plan,
    /// How far it went, in words.
    state: String,
    accusations: Vec<Accusation>,
    outcome: Option<Outcome>,
    passed_over: Vec<PassedOver>,
    /// Why it cannot go on.
    dead: Option<Failure>,
}

impl Finding {
    fn of_transcript(transcript: &Transcript) -> Result<Self, Failure> {
        let mut finding = Self {
            plan: transcript.plan().clone(),
            state: "ended".into(),
            accusations: Vec::new(),
            outcome: None,
            passed_over: Vec::new(),
            dead: None,
        };
        match transcript.audit() {
            Ok(outcome) => finding.end(outcome),
            Err(error) => finding.die(error)?,
        }
        Ok(finding)
    }

    fn of_board(run: &Run) -> Result<Self, Failure> {
        let mut finding = Self {
            plan: run.plan.clone(),
            state: String::new(),
            accusations: Vec::new(),
            outcome: None,
            passed_over: run.passed_over(),
            dead: None,
        };
        let open = run.open_round();
        finding.state = open.map_or_else(|| "ended".into(), |round| format!("round {round} is open"));
        if open == Some(0) {
            return Ok(finding);
        }
        let enrolments = run.enrolments();
        match &enrolments {
            Ok(enrolments) => finding.accusations.clone_from(&enrolments.accusations),
            Err(_) => return finding.with_death(run),
        }
        if open == Some(1) {
            return Ok(finding);
        }
        match run.dealings() {
            Ok(dealings) => finding.accusations = dealings.accusations,
            Err(_) => return finding.with_death(run),
        }
        if open.is_none() {
            match run.outcome() {
                Ok((_, outcome)) => finding.end(outcome),
                Err(_) => return finding.with_death(run),
            }
        }
        Ok(finding)
    }

    fn end(&mut self, outcome: Outcome) {
        self.accusations.clone_from(&outcome.accusations);
        self.outcome = Some(outcome);
    }

    fn die(&mut self, error: ProtocolError) -> Result<(), Failure> {
        match error {
            ProtocolError::TooFew { ref accusations, .. } => {
                self.accusations.clone_from(accusations);
                self.state = "failed".into();
                self.dead = Some(error.into());
                Ok(())
            }
            other => Err(other.into()),
        }
    }

    /// The board's run failed: with accusations that prove why, or because the board itself is not whole.
    fn with_death(mut self, run: &Run) -> Result<Self, Failure> {
        self.die(run.failure()?)?;
        Ok(self)
    }

    fn proves(&self, number: u16) -> bool {
        self.accusations.iter().any(|a| is_about(a, number))
    }

    fn json(&self) -> Value {
        let mut json = plan_json(&self.plan);
        let (dealers, receivers) = (self.plan.dealers(), self.plan.committee());
        let accusations: Vec<Value> = self.accusations.iter().map(|a| accusation_json(a, dealers, receivers)).collect();
        if let Some(object) = json.as_object_mut() {
            object.insert("state".into(), self.state.clone().into());
            object.insert("accusations".into(), accusations.into());
            object
                .insert("passed_over".into(), self.passed_over.iter().map(PassedOver::json).collect::<Vec<_>>().into());
            if let Some(outcome) = &self.outcome {
                object.insert("key".into(), hex(&outcome.set.key().id()).into());
                object.insert("epoch".into(), outcome.set.epoch().into());
                object.insert("transcript".into(), hex(outcome.set.transcript()).into());
                object.insert("dealers".into(), outcome.dealers().iter().map(|d| d.get()).collect::<Vec<_>>().into());
            }
        }
        json
    }

    fn text(&self) -> String {
        let mut text = format!("{}state      {}\n", plan_text(&self.plan), self.state);
        if let Some(outcome) = &self.outcome {
            let set = &outcome.set;
            text.push_str(&format!("key        {}\nepoch      {}\n", hex(&set.key().id()), set.epoch()));
            text.push_str(&format!("transcript {}\n", hex(set.transcript())));
        }
        text.push_str(&accusation_lines(&self.accusations, self.plan.dealers(), self.plan.committee()));
        for PassedOver { file, why } in &self.passed_over {
            text.push_str(&format!("passed over {file}: {why}\n"));
        }
        text
    }
}

impl Verify {
    /// A repair: what its messages prove.
    fn repair(&self, global: &Global) -> Result<(), Failure> {
        let set = self.set.as_deref().ok_or_else(|| Failure::usage("which key set is the repair about? give --set"))?;
        let set = read_set(set)?;
        let files = Files::read(&self.path)?;
        let verdict = files.audit(&set).map_err(|e| Failure::from(e).at(&self.path))?;
        let guilty = |number| verdict.accusations.iter().any(|a| is_about(a, number));
        if let Some(number) = self.accused.filter(|number| !guilty(*number)) {
            return Err(
                Failure::new(Kind::Refused, format!("nothing here proves member {number} guilty")).at(&self.path)
            );
        }
        let (committee, request) = (set.committee(), files.request().content());
        let accusations: Vec<Value> =
            verdict.accusations.iter().map(|a| accusation_json(a, committee, committee)).collect();
        let helpers: Vec<u16> = request.helpers().iter().map(|id| id.get()).collect();
        let passed_over: Vec<Value> = files.passed_over().iter().map(PassedOver::json).collect();
        let json = json!({
            "key": hex(&set.key().id()), "epoch": set.epoch(), "member": request.member().get(), "helpers": helpers,
            "repaired": verdict.repaired, "accusations": accusations, "passed_over": passed_over,
        });
        let text = format!(
            "member     {}\nhelpers    {helpers:?}\nrepaired   {}\n{}",
            request.member(),
            if verdict.repaired { "yes" } else { "no" },
            accusation_lines(&verdict.accusations, committee, committee)
        );
        global.answer(&json, &text);
        Ok(())
    }

    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        if self.path.join("request").exists() {
            return self.repair(global);
        }
        let finding = if self.path.is_dir() {
            Finding::of_board(&Run::read(&self.path)?)?
        } else {
            let transcript: Transcript = read_object(&self.path)?;
            Finding::of_transcript(&transcript).map_err(|e| e.at(&self.path))?
        };
        if let Some(path) = &self.key {
            let key: PublicKey = read_armored(path)?;
            let found = finding.outcome.as_ref().map(|o| o.set.key().id());
            let found = found.or_else(|| finding.plan.from().map(|set| set.key().id()));
            if found != Some(key.id()) {
                return Err(Failure::new(Kind::Refused, "it is about another key, or none yet").at(&self.path));
            }
        }
        if let Some(number) = self.accused.filter(|number| !finding.proves(*number)) {
            return Err(
                Failure::new(Kind::Refused, format!("nothing here proves member {number} guilty")).at(&self.path)
            );
        }
        global.answer(&finding.json(), &finding.text());
        match finding.dead {
            Some(failure) if self.accused.is_none() => Err(failure),
            _ => Ok(()),
        }
    }
}
