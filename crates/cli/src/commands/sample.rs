//! `mediveil sample`.

use crate::failure::Failure;
use crate::files::{Output, is_dash};
use crate::global::Global;
use clap::Args;
use mediveil_sample::Generator;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// `sample`.
///
/// No real person: every value is drawn from a generator. The same seed gives the same bytes on every machine.
#[derive(Debug, Args)]
pub(crate) struct Sample {
    /// How many patients
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    patients: u32,
    /// Seed: another number, other patients
    #[arg(long, default_value_t = 2026)]
    seed: u64,
    /// The folder for the bundles, one file for each patient
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also write the same patients as a table, one row each, to this file
    #[arg(long, value_name = "FILE")]
    cohort: Option<PathBuf>,
}

impl Sample {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.out).map_err(|e| Failure::from(e).at(&self.out))?;
        let generator = Generator::new(self.seed);
        let bar = global.shows_progress().then(|| indicatif::ProgressBar::new(self.patients.into()));
        let mut bytes = 0usize;
        for patient in generator.patients(self.patients) {
            let bundle = patient.bundle_json();
            let path = self.out.join(format!("{}.json", patient.id()));
            // Samples can be made again, so they are not brought to the disk one by one.
            std::fs::write(&path, &bundle).map_err(|e| Failure::from(e).at(&path))?;
            bytes = bytes.saturating_add(bundle.len());
            if let Some(bar) = &bar {
                bar.inc(1);
            }
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let mut taken = false;
        if let Some(path) = &self.cohort {
            let mut out = Output::create(Some(path), false)?;
            taken = is_dash(path);
            out.write_all(generator.cohort_csv(self.patients).as_bytes())?;
            out.commit()?;
        }
        let json = json!({ "patients": self.patients, "seed": self.seed, "bytes": bytes });
        let text = format!("{}: {} patients, {bytes} bytes, seed {}", self.out.display(), self.patients, self.seed);
        global.report(taken, &json, &text);
        Ok(())
    }
}
