//! `federate status` and `report`: where a federation stands, and what came of it.

use crate::commands::federate::Place;
use crate::commands::federate::found::figures;
use crate::failure::{Failure, Kind};
use crate::global::Global;
use crate::text::hex;
use clap::Args;
use mediveil_federate::{Contributor, Examples, FederateError, Fit, Task, evaluate};
use serde_json::{Value, json};
use std::fs::File;
use std::path::PathBuf;

/// `federate status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The federation's directory
    directory: PathBuf,
}

impl Status {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let place = Place::open(&self.directory, false)?;
        let (terms, plan) = (place.federation.terms(), place.federation.plan());
        let spent = place.budget.spent().map_err(FederateError::from)?.map(|c| c.to_string()).unwrap_or_default();
        let (shape, mut text) = figures(terms, plan);
        let round = match place.last()? {
            None => {
                text.push_str("\nno round has begun");
                Value::Null
            }
            Some(round) => {
                let closing = place.federation.closing(place.log(), &round)?;
                let released = place.release(&round)?.is_some();
                let here: Vec<String> = place.contributions(&round)?.iter().map(|c| c.contributor().name()).collect();
                let counted = closing.map(|c| c.counted().map(Contributor::name).collect::<Vec<_>>());
                let state = match (&counted, released) {
                    (_, true) => "released",
                    (Some(_), _) => "closed",
                    (None, _) => "open",
                };
                text.push_str(&format!("\nround {} is {state}; contributed: {}", round.number(), here.join(", ")));
                json!({ "number": round.number(), "state": state, "contributed": here, "counted": counted })
            }
        };
        text.push_str(&format!("\n{spent} spent in all"));
        let json = json!({
            "federation": hex(&place.federation.id()), "title": terms.title, "plan": shape, "round": round, "spent": spent,
        });
        global.answer(&json, &text);
        Ok(())
    }
}

/// `federate report`.
///
/// A table of your own is read here and stays here; how well the models predict it is patient data.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The federation's directory
    directory: PathBuf,
    /// A table of your own, as CSV with a heading, to try each released model on
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

impl Report {
    fn examples(&self, task: &Task) -> Result<Option<Examples>, Failure> {
        let Some(path) = &self.table else { return Ok(None) };
        let file = File::open(path).map_err(|e| Failure::from(e).at(path))?;
        task.examples(file).map(Some).map_err(|e| Failure::from(e).at(path))
    }

    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let place = Place::open(&self.directory, false)?;
        let task = &place.federation.terms().task;
        let examples = self.examples(task)?;
        let (mut rounds, mut lines) = (Vec::new(), String::new());
        let last = place.last()?.map_or(0, |r| r.number());
        for number in 1..=last {
            let round = place.federation.round(place.log(), number)?;
            let Some(release) = place.release(&round)? else { break };
            let model = place.after(&round, &release)?;
            let fit: Option<Fit> = match (&model, &examples) {
                (Some(model), Some(examples)) => Some(evaluate(task, &model.weights, examples)),
                _ => None,
            };
            let deviation = release.deviation(&place.federation);
            lines.push_str(&format!("round {number:>4}  {} sites  deviation {deviation:.4}", release.sites()));
            if let Some(fit) = fit {
                lines.push_str(&format!("  score {:.4}  loss {:.4}", fit.score, fit.loss));
            }
            lines.push('\n');
            rounds.push(json!({
                "round": number, "sites": release.sites(), "noises": release.noises(), "deviation": deviation,
                "weights": model.as_ref().map(|m| m.weights.clone()),
                "patients_about": model.as_ref().map(|m| m.patients),
                "score": fit.map(|f| f.score), "loss": fit.map(|f| f.loss),
            }));
        }
        if rounds.is_empty() {
            return Err(Failure::new(Kind::Refused, "no round was released yet"));
        }
        let spent = place.budget.spent().map_err(FederateError::from)?.map(|c| c.to_string()).unwrap_or_default();
        lines.push_str(&format!("{spent} spent in all"));
        global.answer(&json!({ "rounds": rounds, "spent": spent }), &lines);
        Ok(())
    }
}
