//! `mediveil tour`: the main job as one run, from records to refusals, with a report.
//!
//! Each part of the system has a file here with its steps. A step does real work through the same crates that services
//! use, checks its own claim, and returns its figures; a claim that does not hold fails the run.

mod budget;
mod federations;
mod guardians;
mod keys;
mod log;
#[cfg(feature = "model")]
mod models;
mod policies;
mod proofs;
mod records;
mod report;
mod sealing;
mod soak;
mod studies;

use crate::failure::{Failure, Kind};
use crate::global::Global;
use clap::Args;
use mediveil_codec::Timestamp;
use mediveil_record::{CommittedResource, Record};
use mediveil_seal::identity::Identity;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// `tour`.
#[derive(Debug, Args)]
pub(crate) struct Tour {
    /// Take the patients from the FHIR R4 bundles (*.json) in this folder instead of generating them
    #[arg(long, value_name = "DIR")]
    fhir: Option<PathBuf>,
    /// Where sealed files, report.json and report.html go
    #[arg(long, value_name = "DIR", default_value = "mediveil-tour")]
    out: PathBuf,
    /// Fewer patients, and without the steps that take long
    #[arg(long)]
    quick: bool,
    /// Seed of the generated patients
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// Take the tour again and again in one process for so many minutes, and fail if its memory grows (on Linux)
    #[arg(long, value_name = "MINUTES")]
    soak: Option<u32>,
}

/// What the steps hand on to each other.
pub(crate) struct World {
    pub(crate) out: PathBuf,
    pub(crate) quick: bool,
    pub(crate) seed: u64,
    pub(crate) fhir: Option<PathBuf>,
    pub(crate) now: Timestamp,
    pub(crate) patients: Vec<Patient>,
    pub(crate) provider: Option<keys::Provider>,
    pub(crate) hospital: Option<policies::Hospital>,
    pub(crate) log: Option<log::TourLog>,
    pub(crate) cohort: Option<budget::Cohort>,
    pub(crate) proofs: Option<proofs::Proofs>,
    pub(crate) council: Option<guardians::Council>,
    pub(crate) research: Option<studies::Research>,
}

/// One patient of the tour.
pub(crate) struct Patient {
    /// A name for files: the bundle's own, or a number.
    pub(crate) name: String,
    pub(crate) bundle: Vec<u8>,
    pub(crate) record: Record,
    pub(crate) committed: Vec<CommittedResource>,
    pub(crate) identity: Identity,
    /// Where the sealed bundle lies.
    pub(crate) sealed: PathBuf,
}

/// The figures of one step, by name. Names end in their unit.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    values: Map<String, Value>,
    chart: String,
}

impl Figures {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// A drawing for the report, as SVG whose texts are escaped.
    pub(crate) fn chart(&mut self, svg: &str) {
        svg.clone_into(&mut self.chart);
    }
}

/// One step: its name in reports, what it claims, and the work. The work returns a line on what happened.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) claim: &'static str,
    pub(crate) run: fn(&mut World, &mut Figures) -> Result<String, Failure>,
}

/// What came of a step.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) claim: &'static str,
    pub(crate) ok: bool,
    pub(crate) seconds: f64,
    pub(crate) line: String,
    pub(crate) figures: Map<String, Value>,
    pub(crate) chart: String,
}

/// Every step, in order. Later parts add theirs here.
fn steps() -> impl Iterator<Item = &'static Step> {
    [
        log::FIRST,
        records::STEPS,
        keys::FIRST,
        sealing::STEPS,
        keys::STEPS,
        policies::STEPS,
        proofs::STEPS,
        guardians::STEPS,
        studies::STEPS,
        federations::STEPS,
        log::EVENTS,
        budget::STEPS,
        #[cfg(feature = "model")]
        models::STEPS,
        log::STEPS,
    ]
    .into_iter()
    .flatten()
}

/// A claim of a step that does not hold.
pub(crate) fn broken(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Step, what)
}

/// Holds a claim.
pub(crate) fn require(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(broken(what)) }
}

impl Tour {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self.soak {
            None => self.once(&self.out, global),
            Some(minutes) => soak::run(minutes, &self.out, |folder| self.once(folder, global)),
        }
    }

    fn once(&self, out: &Path, global: &Global) -> Result<(), Failure> {
        std::fs::create_dir_all(out).map_err(|e| Failure::from(e).at(out))?;
        let mut world = World {
            out: out.to_owned(),
            quick: self.quick,
            seed: self.seed,
            fhir: self.fhir.clone(),
            now: global.now(),
            patients: Vec::new(),
            provider: None,
            hospital: None,
            log: None,
            cohort: None,
            proofs: None,
            council: None,
            research: None,
        };
        let mut outcomes = Vec::new();
        for step in steps() {
            let mut figures = Figures::default();
            let start = Instant::now();
            let result = (step.run)(&mut world, &mut figures);
            let seconds = start.elapsed().as_secs_f64();
            let ok = result.is_ok();
            let line = result.unwrap_or_else(|failure| failure.message().to_owned());
            let Figures { values, chart } = figures;
            let outcome = Outcome { name: step.name, claim: step.claim, ok, seconds, line, figures: values, chart };
            if !global.is_json() {
                report::print(&outcome);
            }
            log::record(&world, &outcome)?;
            outcomes.push(outcome);
            // Later steps stand on earlier ones.
            if !ok {
                break;
            }
        }
        let json = report::json(&outcomes);
        write(&out.join("report.json"), format!("{json:#}\n").as_bytes())?;
        write(&out.join("report.html"), report::html(&outcomes, self.quick).as_bytes())?;
        if global.is_json() {
            println!("{json:#}");
        } else {
            println!("\nreport: {}", out.join("report.html").display());
        }
        match outcomes.last() {
            Some(last) if !last.ok => Err(broken(format!("step {} failed: {}", last.name, last.line))),
            _ => Ok(()),
        }
    }
}

/// Writes a file whole.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    mediveil_seal::AtomicFile::options().write(path, bytes).map_err(|e| Failure::from(e).at(path))
}

/// Reads a file whole.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::from(e).at(path))
}
