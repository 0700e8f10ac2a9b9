//! `mediveil model`: a model's answer on values that stay encrypted.

use crate::failure::{Failure, Kind};
use crate::files::{read_object, refuse_existing, write_armored};
use crate::global::Global;
use crate::text::hex;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::ProgressBar;
use mediveil_codec::Wire;
use mediveil_fhe::program::{
    self, EncryptedInputs, EncryptedResult, EvaluationKey, Form, FormError, Limits, Model, ModelError, PatientKey,
    Plan, PlanError, ProgramError, ValueError,
};
use mediveil_seal::AtomicFile;
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const PATENTS: &str = "\
The engine is the crate tfhe (BSD-3-Clause-Clear), which grants no patent rights: its authors (Zama) ask commercial users to \
obtain a patent licence. Built without its default feature `model`, this command has no such part.

Answers are not authenticated, and each tells what the model says of the values: a patient who asks often, or encrypts what is \
no number, learns more of the model.";

/// Models.
#[derive(Debug, Subcommand)]
#[command(after_help = PATENTS)]
pub(crate) enum ModelCommand {
    /// Write a published score as a model file
    Published(Published),
    /// Show what a model asks, what it tells, and what it costs; write the form that patients encrypt by
    Inspect(Inspect),
    /// Make a patient's keys: a secret one, and an evaluation key beside it for whoever scores
    Keygen(Keygen),
    /// Encrypt a patient's values by a form
    Encrypt(Encrypt),
    /// Evaluate a model on encrypted values
    Score(Score),
    /// Read the answer
    Decrypt(Decrypt),
}

/// Scores that come with the command.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Score2008 {
    /// Framingham 2008, ten-year risk of cardiovascular disease: the points
    #[value(name = "framingham-2008")]
    Points,
    /// The same points, told only whether the risk is 20 % or more
    #[value(name = "framingham-2008-high-risk")]
    HighRisk,
}

/// `model published`.
#[derive(Debug, Args)]
pub(crate) struct Published {
    /// Which
    #[arg(value_enum)]
    score: Score2008,
    /// The model file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `model inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The model file
    model: PathBuf,
    /// Write the form here: inputs and bounds, none of the model's weights
    #[arg(long, value_name = "FILE")]
    form: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What a score may cost.
#[derive(Debug, Args)]
struct LimitArgs {
    /// Refuse models that take longer than this for one patient, in seconds, by estimate
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0)]
    max_seconds: f64,
}

/// `model keygen`.
#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The secret key's file; the evaluation key, of 29 MiB, goes beside it with `.eval` appended
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `model encrypt`.
#[derive(Debug, Args)]
pub(crate) struct Encrypt {
    /// The values: a JSON object with a number for each input
    values: PathBuf,
    /// The patient's secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The model's form
    #[arg(long, value_name = "FILE")]
    form: PathBuf,
    /// The encrypted values
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

/// `model score`.
///
/// Nothing is learnt of the values, and the model stays here.
#[derive(Debug, Args)]
pub(crate) struct Score {
    /// The model file
    model: PathBuf,
    /// Encrypted values, all under one key
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The patient's evaluation key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The answer, for one set of values; otherwise each goes beside its values with `.result` appended
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// `model decrypt`.
#[derive(Debug, Args)]
pub(crate) struct Decrypt {
    /// The encrypted answer
    result: PathBuf,
    /// The patient's secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The form that the values were encrypted by
    #[arg(long, value_name = "FILE")]
    form: PathBuf,
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::new(Kind::Damaged, error.to_string())
    }
}

impl From<FormError> for Failure {
    fn from(error: FormError) -> Self {
        Self::new(Kind::Damaged, error.to_string())
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::new(Kind::Refused, error.to_string())
    }
}

impl From<ValueError> for Failure {
    fn from(error: ValueError) -> Self {
        let kind = if matches!(error, ValueError::Domain { .. }) { Kind::Refused } else { Kind::Damaged };
        Self::new(kind, error.to_string())
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        let kind = match &error {
            ProgramError::Key { .. } | ProgramError::Form => Kind::Refused,
            _ => Kind::Damaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl ModelCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Published(c) => c.run(global),
            Self::Inspect(c) => c.run(global),
            Self::Keygen(c) => c.run(global),
            Self::Encrypt(c) => c.run(global),
            Self::Score(c) => c.run(global),
            Self::Decrypt(c) => c.run(global),
        }
    }
}

/// A file, whole, of at most so many bytes.
fn read_capped(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().map_err(|e| Failure::from(e).at(path))?;
    if bytes.len() > limit {
        return Err(Failure::new(Kind::Damaged, format!("is over {limit} bytes")).at(path));
    }
    Ok(bytes)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = read_capped(path, 16 << 20)?;
    String::from_utf8(bytes).map_err(|_| Failure::new(Kind::Damaged, "is not UTF-8 text").at(path))
}

fn read_form(path: &Path) -> Result<Form, Failure> {
    Form::from_json(&read_text(path)?).map_err(|e| Failure::from(e).at(path))
}

fn read_plan(path: &Path, limits: &LimitArgs) -> Result<(Model, Plan), Failure> {
    let model = Model::from_json(&read_text(path)?).map_err(|e| Failure::from(e).at(path))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits { seconds: limits.max_seconds, cores, ..Limits::default() };
    let plan = Plan::new(&model, limits).map_err(|e| Failure::from(e).at(path))?;
    Ok((model, plan))
}

/// The evaluation key, in its own bytes: armour would take a third more of 29 MiB.
fn read_evaluation_key(path: &Path) -> Result<EvaluationKey, Failure> {
    let bytes = read_capped(path, EvaluationKey::MAX_BODY.saturating_add(mediveil_codec::FRAME_LEN))?;
    EvaluationKey::decode(&bytes).map_err(|e| Failure::from(e).at(path))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Published {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let text = match self.score {
            Score2008::Points => program::FRAMINGHAM_2008,
            Score2008::HighRisk => program::FRAMINGHAM_2008_HIGH_RISK,
        };
        let model = Model::from_json(text)?;
        refuse_existing(&self.out)?;
        let options = AtomicFile::options().keep_existing(true);
        options.write(&self.out, text.as_bytes()).map_err(|e| Failure::from(e).at(&self.out))?;
        let json = json!({ "model": model.name(), "source": model.source() });
        global.report(false, &json, &format!("{}: {}\n{}", self.out.display(), model.name(), model.source()));
        Ok(())
    }
}

impl Inspect {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let (model, plan) = read_plan(&self.model, &self.limits)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let form = plan.form();
        if let Some(path) = &self.form {
            AtomicFile::options().write(path, form.to_json().as_bytes()).map_err(|e| Failure::from(e).at(path))?;
        }
        let inputs: Vec<_> = form
            .inputs()
            .iter()
            .map(|i| json!({ "name": i.name, "about": i.about, "min": i.min, "max": i.max, "decimals": i.decimals }))
            .collect();
        let json = json!({
            "model": model.name(),
            "source": model.source(),
            "inputs": inputs,
            "answer": form.answer(),
            "bootstraps": plan.bootstraps(),
            "bootstraps_in_a_row": plan.circuit().depth(),
            "estimated_seconds": plan.seconds(cores),
            "upload_bytes": plan.upload_bytes(),
            "masking_bits": plan.masking_bits(),
            "form": hex(&form.digest()),
        });
        let mut text = format!("{}\n{}\n", model.name(), model.source());
        for i in form.inputs() {
            let decimals = if i.decimals > 0 { format!(", {} decimals", i.decimals) } else { String::new() };
            text.push_str(&format!("  {:<14} {:>6} to {:<6} {}{decimals}\n", i.name, i.min, i.max, i.about));
        }
        let told = match form.answer() {
            program::Answer::Score { min, max } => format!("a score of {min} to {max}"),
            program::Answer::Class { names } => format!("one of: {}", names.join(", ")),
        };
        text.push_str(&format!(
            "tells the patient {told}\n{} bootstraps, {} in a row; about {:.1} s on {cores} cores; {} bytes of values",
            plan.bootstraps(),
            plan.circuit().depth(),
            plan.seconds(cores),
            plan.upload_bytes(),
        ));
        global.answer(&json, &text);
        Ok(())
    }
}

impl Keygen {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let public = beside(&self.out, ".eval");
        refuse_existing(&self.out)?;
        refuse_existing(&public)?;
        let (secret, evaluation) = program::generate(&mut mediveil_rng::system())?;
        write_armored(&self.out, &secret, true, false)?;
        let bytes = evaluation.encode();
        let options = AtomicFile::options().keep_existing(true);
        options.write(&public, &bytes).map_err(|e| Failure::from(e).at(&public))?;
        let json = json!({ "key": secret.id().to_string(), "evaluation_key_bytes": bytes.len() });
        let text = format!(
            "{}: secret key {}\n{}: evaluation key, {} bytes, for whoever scores",
            self.out.display(),
            secret.id(),
            public.display(),
            bytes.len()
        );
        global.report(false, &json, &text);
        Ok(())
    }
}

impl Encrypt {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let form = read_form(&self.form)?;
        let text = Zeroizing::new(read_text(&self.values)?);
        let values = form.values_from_json(&text).map_err(|e| Failure::from(e).at(&self.values))?;
        let key: PatientKey = read_object(&self.key)?;
        let inputs = key.encrypt(&form, &values, &mut mediveil_rng::system())?;
        write_armored(&self.out, &inputs, false, true)?;
        let bytes = inputs.encode().len();
        let json = json!({ "key": key.id().to_string(), "values": values.as_slice().len(), "bytes": bytes });
        let text = format!("{}: {} values, {bytes} bytes", self.out.display(), values.as_slice().len());
        global.report(false, &json, &text);
        Ok(())
    }
}

impl Score {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        if self.out.is_some() && self.inputs.len() > 1 {
            return Err(Failure::usage("-o names one file; leave it out for several sets of values"));
        }
        let (_, plan) = read_plan(&self.model, &self.limits)?;
        let key = read_evaluation_key(&self.key)?;
        let mut batch = Vec::new();
        for path in &self.inputs {
            let inputs: EncryptedInputs = read_object(path)?;
            // Before the key is expanded, which takes longer than all else.
            if inputs.key() != key.id() {
                return Err(Failure::from(ProgramError::Key { expected: key.id(), found: inputs.key() }).at(path));
            }
            if inputs.form() != plan.form().digest() {
                return Err(Failure::from(ProgramError::Form).at(path));
            }
            batch.push(inputs);
        }
        let evaluator = key.load().map_err(|e| Failure::from(e).at(&self.key))?;
        let total = plan.bootstraps().saturating_mul(batch.len());
        let bar = global.shows_progress().then(|| ProgressBar::new(total as u64));
        let start = std::time::Instant::now();
        let step = |progress: program::Progress| {
            if let Some(bar) = &bar {
                bar.set_position(progress.done as u64);
            }
        };
        let results = evaluator.evaluate_batch(&plan, &batch, &mut mediveil_rng::system(), &step)?;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(bar) = &bar {
            bar.finish_and_clear();
        }
        let mut written = Vec::new();
        for (path, result) in self.inputs.iter().zip(&results) {
            let out = self.out.clone().unwrap_or_else(|| beside(path, ".result"));
            write_armored(&out, result, false, true)?;
            written.push(out.display().to_string());
        }
        let json = json!({ "results": written, "bootstraps": total, "seconds": seconds });
        let text = format!("{}: {total} bootstraps in {seconds:.2} s", written.join(", "));
        global.report(false, &json, &text);
        Ok(())
    }
}

impl Decrypt {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let form = read_form(&self.form)?;
        let key: PatientKey = read_object(&self.key)?;
        let result: EncryptedResult = read_object(&self.result)?;
        let answer = key.decrypt(&form, &result).map_err(|e| Failure::from(e).at(&self.result))?;
        let told = form.answer().describe(answer);
        global.answer(
            &json!({ "model": form.name(), "answer": answer, "told": told }),
            &format!("{}: {told}", form.name()),
        );
        Ok(())
    }
}
