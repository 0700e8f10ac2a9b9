//! `federate init`: the terms, proved to hold.

use crate::commands::study::Folder;
use crate::failure::{Failure, Kind};
use crate::files::{read_public, read_small};
use crate::global::Global;
use crate::text::hex;
use clap::{Args, ValueEnum};
use mediveil_dp::Rho;
use mediveil_federate::{Federation, Grid, Layout, Plan, Task, Terms, Unit};
use mediveil_ledger::Log;
use mediveil_seal::identity::PublicIdentity;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Who is protected.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Protects {
    /// Each patient's vector is clipped
    Patient,
    /// Each site's one vector is clipped as a whole
    Site,
}

/// What a federation computes and costs; for real ones and for simulations.
#[derive(Debug, Args)]
pub(crate) struct Shape {
    /// The task in JSON: {"kind": "sum"}, "logistic" or "linear" with their features
    #[arg(long, value_name = "FILE")]
    pub(crate) task: PathBuf,
    /// Entries of each vector; for models the task says it
    #[arg(long, value_name = "N")]
    entries: Option<u32>,
    /// The greatest Euclidean length of one vector; longer ones are cut
    #[arg(long, value_name = "LENGTH", default_value_t = 1.0)]
    clip: f64,
    /// Steps of the grid to the clip; as many as the bits hold if not given
    #[arg(long, value_name = "N")]
    steps: Option<u32>,
    /// Bits of an entry of one site's sum
    #[arg(long, value_name = "N", default_value_t = 16)]
    bits: u32,
    /// The most patients of one site
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max_patients: u32,
    /// Who is protected
    #[arg(long, value_enum, default_value = "patient")]
    unit: Protects,
    /// How many rounds there are
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: u32,
    /// The budget of all rounds, under zero-concentrated differential privacy
    #[arg(long, value_name = "DECIMAL")]
    rho: String,
    /// What each round costs; an equal part of the budget if not given
    #[arg(long, value_name = "DECIMAL")]
    rho_round: Option<String>,
    /// The fewest sites that a round is closed over
    #[arg(long, value_name = "N", default_value_t = 1)]
    least_sites: u32,
}

/// People and a log, as the terms name them.
pub(crate) struct People {
    pub(crate) sites: Vec<PublicIdentity>,
    pub(crate) members: Vec<PublicIdentity>,
    pub(crate) needed: u32,
    pub(crate) operator: PublicIdentity,
}

impl Shape {
    pub(crate) fn read_task(&self) -> Result<Task, Failure> {
        let text = read_small(&self.task)?;
        let text = std::str::from_utf8(&text).map_err(|_| Failure::new(Kind::Damaged, "is not text").at(&self.task))?;
        Task::from_json(text).map_err(|e| Failure::from(e).at(&self.task))
    }

    pub(crate) fn terms(&self, title: &str, task: Task, people: People, log: &Log) -> Result<Terms, Failure> {
        let amount = |e: mediveil_dp::AmountError| Failure::usage(e.to_string());
        let cap = Rho::cap_from_decimal(&self.rho).map_err(amount)?;
        let rho = match &self.rho_round {
            Some(text) => Rho::cap_from_decimal(text).map_err(amount)?,
            None => Terms::equal_part(cap, self.rounds),
        };
        let unit = match self.unit {
            Protects::Patient => Unit::Patient,
            Protects::Site => Unit::Site,
        };
        let vectors = if unit == Unit::Patient { self.max_patients.max(1) } else { 1 };
        let finest = || Grid::finest(self.clip, self.bits, vectors);
        let grid = self.steps.map_or_else(finest, |steps| Grid::new(self.clip, steps));
        let grid = grid.ok_or_else(|| Failure::usage("the clip is a length above 0, of 1 to 2^30 steps"))?;
        let entries = match (task.entries(), self.entries) {
            (Some(entries), None) | (None, Some(entries)) => entries,
            (Some(needed), Some(entries)) if needed == entries => entries,
            (Some(needed), Some(_)) => return Err(Failure::usage(format!("the task takes {needed} entries"))),
            (None, None) => return Err(Failure::usage("plain sums need --entries")),
        };
        let People { sites, members, needed, operator } = people;
        Ok(Terms {
            title: title.to_owned(),
            task,
            sites,
            members,
            needed,
            least_sites: self.least_sites,
            operator,
            log: log.id(),
            unit,
            entries,
            grid,
            bits: self.bits,
            max_patients: self.max_patients,
            rounds: self.rounds,
            rho,
            cap,
            degree: Terms::DEGREE,
        })
    }
}

/// `federate init`.
///
/// The terms never change: another task, clip, committee or budget is another federation.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The federation's directory, which is made
    directory: PathBuf,
    /// What it is called
    #[arg(long, value_name = "TEXT", default_value = "federation")]
    title: String,
    #[command(flatten)]
    shape: Shape,
    /// A site's public identity; once for each, numbered from 0 in this order
    #[arg(long, value_name = "PUB", required = true)]
    site: Vec<PathBuf>,
    /// A committee member's public identity; once for each, numbered from 1 in this order
    #[arg(long, value_name = "PUB", required = true)]
    member: Vec<PathBuf>,
    /// Members that open a sum, more than half of them; one fewer learn nothing
    #[arg(long, value_name = "N")]
    needed: u32,
    /// Who keeps the log and pays from the budget
    #[arg(long, value_name = "PUB")]
    operator: PathBuf,
}

/// What the terms prove, as JSON and as lines.
pub(crate) fn figures(terms: &Terms, plan: &Plan) -> (Value, String) {
    let vector = plan.vector();
    let json = json!({
        "entries": terms.entries, "rounds": terms.rounds, "rho_round": plan.each.to_string(),
        "rho_total": plan.total.to_string(), "sensitivity_steps": plan.sensitivity, "sigma_steps": plan.sigma,
        "sigma": plan.sigma * terms.grid.step(), "largest_site_steps": plan.largest_site,
        "largest_noise_steps": plan.largest_noise, "fields": vector.fields(), "field_bits": vector.width(),
        "degree": vector.degree(), "log_q": vector.log_q(), "upload_bytes": plan.upload_bytes,
        "upload_ratio": plan.ratio(),
    });
    let text = format!(
        "{} rounds at rho {}, {} in all; each member's noise has deviation {:.4} against a clip of {}\n\
         sums and noise fit {} fields of {} bits a coefficient; an upload has {} bytes",
        terms.rounds,
        plan.each,
        plan.total,
        plan.sigma * terms.grid.step(),
        terms.grid.clip(),
        vector.fields(),
        vector.width(),
        plan.upload_bytes,
    );
    (json, text)
}

impl Init {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let all = |paths: &[PathBuf]| paths.iter().map(|p| read_public(p)).collect::<Result<Vec<PublicIdentity>, _>>();
        let people = People {
            sites: all(&self.site)?,
            members: all(&self.member)?,
            needed: self.needed,
            operator: read_public(&self.operator)?,
        };
        let task = self.shape.read_task()?;
        let layout = Layout::new(&self.directory);
        if layout.terms().exists() {
            let why = "holds a federation already, and terms never change; choose another directory";
            return Err(Failure::new(Kind::Refused, why).at(&self.directory));
        }
        let new = !self.directory.exists();
        std::fs::create_dir_all(&self.directory).map_err(|e| Failure::from(e).at(&self.directory))?;
        let path = layout.log();
        let made = self.make(&layout, &path, task, people, global);
        if made.is_err() {
            let _ = std::fs::remove_file(&path);
            if new {
                let _ = std::fs::remove_dir_all(&self.directory);
            }
        }
        let (federation, _) = made?;
        let (mut json, text) = figures(federation.terms(), federation.plan());
        let id = hex(&federation.id());
        if let Some(object) = json.as_object_mut() {
            object.insert("federation".into(), json!(id));
        }
        global.report(false, &json, &format!("{}: federation {id}\n{text}", self.directory.display()));
        Ok(())
    }

    fn make(
        &self,
        layout: &Layout,
        path: &Path,
        task: Task,
        people: People,
        global: &Global,
    ) -> Result<(Federation, Log), Failure> {
        let log = Log::create(path, &mut mediveil_rng::system()).map_err(|e| Failure::from(e).at(path))?;
        let federation = Federation::new(self.shape.terms(&self.title, task, people, &log)?)?;
        federation.create_budget(&log, global.now())?;
        Folder::write(&layout.terms(), federation.terms())?;
        Ok((federation, log))
    }
}
