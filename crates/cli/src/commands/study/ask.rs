//! `study plan`, `evaluate`, `approve`, `release` and `verify`: from a question to an answer that anybody can check.

use crate::commands::study::site::uploads;
use crate::commands::study::{Folder, number, show};
use crate::failure::{Failure, Kind};
use crate::files::{PassphraseSource, read_identity, read_small};
use crate::global::Global;
use crate::text::hex;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use mediveil_codec::Wire;
use mediveil_fhe::MemberKey;
use mediveil_fhe::opening::{DirectoryStore, PartialDecryption};
use mediveil_seal::AtomicFile;
use mediveil_study::{
    Asked, Certificate, EncryptedAnswer, Evaluation, Layout, Partial, Plan, Query, ReleaseError, Study,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

fn read_query(path: &Path) -> Result<Query, Failure> {
    let text = read_small(path)?;
    let text = std::str::from_utf8(&text).map_err(|_| Failure::new(Kind::Damaged, "is not text").at(path))?;
    Query::from_json(text).map_err(|e| Failure::from(e).at(path))
}

/// The files of a study, with the folder of this query made.
fn place<'f>(folder: &'f Folder, plan: &Plan) -> Result<&'f Layout, Failure> {
    let path = folder.layout().query(plan);
    std::fs::create_dir_all(&path).map_err(|e| Failure::from(e).at(&path))?;
    Ok(folder.layout())
}

/// A bar over blocks, where one is wanted.
fn bar(global: &Global) -> Option<ProgressBar> {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} blocks {eta}").ok()?;
    global.shows_progress().then(|| ProgressBar::new(0).with_style(style))
}

fn advance(bar: Option<&ProgressBar>, done: u64, all: u64) {
    if let Some(bar) = bar {
        bar.set_length(all);
        bar.set_position(done);
    }
}

/// `study plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The study's directory
    directory: PathBuf,
    /// The query in JSON
    query: PathBuf,
}

fn figures(plan: &Plan) -> (Value, String) {
    let f = plan.figures();
    let moments: Vec<Value> = f
        .moments
        .iter()
        .map(|m| json!({ "sensitivity": m.sensitivity, "scale": m.scale, "half_width_95": m.half_width }))
        .collect();
    let json = json!({
        "numbers": f.numbers, "moments": moments, "depth": f.depth, "multiplications_per_block": f.multiplications,
        "largest_bits": f.largest_bits, "plaintext_bits": f.plaintext_bits, "noise_bits": f.noise_bits,
        "smudging_bits": f.smudging_bits, "spare_bits": f.spare_bits, "blocks": f.blocks,
        "bytes_read": f.bytes_read, "bytes_answer": f.bytes_answer, "core_seconds": f.seconds,
    });
    let mut text = format!("releases   {} numbers, {} deep\n", f.numbers, f.depth);
    for m in &f.moments {
        text.push_str(&format!(
            "noise      one patient changes {}, each member adds scale {}, 95 % within {} steps\n",
            m.sensitivity,
            number(m.scale),
            number(m.half_width)
        ));
    }
    text.push_str(&format!(
        "proved     largest number {} of {} bits; {} bits of noise, {} of smudging, {} to spare\n",
        f.largest_bits, f.plaintext_bits, f.noise_bits, f.smudging_bits, f.spare_bits
    ));
    text.push_str(&format!(
        "work       at most {} blocks, {} MB read, about {:.1} s of one core, each evaluation\n",
        f.blocks,
        f.bytes_read / 1_000_000,
        f.seconds
    ));
    (json, text)
}

impl PlanArgs {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let (study, budget) = Folder::new(&self.directory).open(false)?;
        let plan = study.plan(&read_query(&self.query)?)?;
        let preview = budget.preview(plan.charge()).map_err(ReleaseError::from)?;
        if let Some(refusal) = preview.refusal {
            return Err(ReleaseError::from(refusal).into());
        }
        let (proofs, lines) = figures(&plan);
        let remaining = preview.remaining.map(|r| r.to_string());
        let json = json!({
            "query": serde_json::from_str::<Value>(&plan.query().to_json()).unwrap_or_default(),
            "id": preview.id.to_string(), "cost": preview.cost.to_string(), "remaining": remaining, "figures": proofs,
        });
        let remaining = remaining.unwrap_or_default();
        global.answer(&json, &format!("costs      {} of {remaining} that remains\n{lines}", preview.cost));
        Ok(())
    }
}

/// Blocks `A..B`.
#[derive(Clone, Debug)]
struct Blocks(u64, u64);

impl FromStr for Blocks {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected two numbers such as 0..8";
        let (from, to) = text.split_once("..").ok_or(EXPECTED)?;
        Ok(Self(from.parse().map_err(|_| EXPECTED)?, to.parse().map_err(|_| EXPECTED)?))
    }
}

/// `study evaluate`.
///
/// The debit comes first and is durable before a ciphertext is read. The quorum is named for good: if one of its members does
/// not answer, the query is spent.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The study's directory
    directory: PathBuf,
    /// The query in JSON
    query: PathBuf,
    /// The members that will open the answer, such as 1,3,5
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', required = true)]
    quorum: Vec<u32>,
    /// Compute these blocks only, into the file of --out: one shard of several
    #[arg(long, value_name = "A..B", requires = "out")]
    blocks: Option<Blocks>,
    /// Where a shard goes
    #[arg(long, short, value_name = "FILE", requires = "blocks")]
    out: Option<PathBuf>,
    /// Add up these shards instead of computing
    #[arg(long, value_name = "FILE", conflicts_with = "blocks")]
    merge: Vec<PathBuf>,
    /// Sign the answer as one of the study's evaluators
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
}

impl Evaluate {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let folder = Folder::new(&self.directory);
        let (study, budget) = folder.open(true)?;
        let plan = study.plan(&read_query(&self.query)?)?;
        let uploads = uploads(&folder, &study, budget.log())?;
        let registered = match study.register(&budget, &plan, &uploads, &self.quorum, global.now())? {
            Asked::Registered(registered) => registered,
            Asked::Answered(certificate) => {
                Folder::write(&place(&folder, &plan)?.certificate(&plan), &*certificate)?;
                global.report(false, &json!({ "answered": true }), "answered before: the same certificate, at no cost");
                return Ok(());
            }
        };
        let bar = bar(global);
        let progress = |done, all| advance(bar.as_ref(), done, all);
        let partial = match (&self.blocks, self.merge.as_slice()) {
            (Some(Blocks(from, to)), _) => study.evaluate_blocks(&plan, &uploads, *from..*to, &progress)?,
            (None, []) => study.evaluate_blocks(&plan, &uploads, 0..uploads.blocks(), &progress)?,
            (None, [first, rest @ ..]) => {
                let mut merged: Partial = Folder::read(first)?;
                for shard in rest {
                    merged = merged.merge(&Folder::read(shard)?, &study)?;
                }
                merged
            }
        };
        if let Some(out) = &self.out {
            AtomicFile::options().write(out, &partial.encode()).map_err(|e| Failure::from(e).at(out))?;
            let json = json!({ "blocks": partial.blocks(), "of": uploads.blocks() });
            let text = format!("{}: {} of {} blocks", out.display(), partial.blocks(), uploads.blocks());
            global.report(false, &json, &text);
            return Ok(());
        }
        let mut answer = study.complete(&plan, &uploads, &partial)?;
        if let Some(path) = &self.sign {
            answer = answer.sign(&study, &read_identity(path, &PassphraseSource::default())?)?;
        }
        let path = place(&folder, &plan)?.answer(&plan);
        AtomicFile::options().write(&path, &answer.encode()).map_err(|e| Failure::from(e).at(&path))?;
        let json = json!({
            "id": registered.id().to_string(), "debit": registered.debit(), "query": registered.place(),
            "quorum": registered.epoch().quorum(), "blocks": uploads.blocks(), "answer": path.display().to_string(),
        });
        let text = format!(
            "{}: encrypted answer over {} blocks\npaid as entry {}, asked as entry {} of the log; members {:?} open it",
            path.display(),
            uploads.blocks(),
            registered.debit(),
            registered.place(),
            registered.epoch().quorum()
        );
        global.report(false, &json, &text);
        Ok(())
    }
}

/// `study approve`.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The study's directory
    directory: PathBuf,
    /// The query in JSON
    query: PathBuf,
    /// The member's identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// The member's secret share
    #[arg(long, value_name = "FILE")]
    share: PathBuf,
    /// The member's own directory of answers given: what makes it answer once. Never restore it from a backup
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// Take the answer on the signature of an evaluator that the study names
    #[arg(long)]
    trust_evaluator: bool,
}

impl Approve {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let folder = Folder::new(&self.directory);
        let (study, budget) = folder.open(false)?;
        let identity = read_identity(&self.identity, &PassphraseSource::default())?;
        let bytes = Zeroizing::new(std::fs::read(&self.share).map_err(|e| Failure::from(e).at(&self.share))?);
        let share = MemberKey::decode(&bytes).map_err(|e| Failure::from(e).at(&self.share))?;
        let plan = study.plan(&read_query(&self.query)?)?;
        let uploads = uploads(&folder, &study, budget.log())?;
        let place = place(&folder, &plan)?;
        let path = place.answer(&plan);
        let shown: Option<EncryptedAnswer> = if path.exists() { Some(Folder::read(&path)?) } else { None };
        let bar = bar(global);
        let progress = |done, all| advance(bar.as_ref(), done, all);
        let evaluation = match (&shown, self.trust_evaluator) {
            (Some(answer), true) => Evaluation::Trusted(answer),
            (None, true) => return Err(Failure::usage("there is no answer yet that an evaluator could have signed")),
            (shown, false) => Evaluation::Own { shown: shown.as_ref(), progress: &progress },
        };
        let mut store = DirectoryStore::open(&self.store).map_err(|e| Failure::from(e).at(&self.store))?;
        let mut rng = mediveil_rng::system();
        let part = study.approve(&budget, &plan, &uploads, evaluation, &share, &identity, &mut store, &mut rng)?;
        let path = place.part(&plan, part.member());
        AtomicFile::options().write(&path, &part.encode()).map_err(|e| Failure::from(e).at(&path))?;
        let json = json!({ "member": part.member(), "part": path.display().to_string() });
        global.report(false, &json, &format!("{}: the part of member {}", path.display(), part.member()));
        Ok(())
    }
}

/// `study release`.
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The study's directory
    directory: PathBuf,
    /// The query in JSON
    query: PathBuf,
    /// The operator's identity, which signs the head of the log
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// Where the certificate goes as well
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn describe(study: &Study, certificate: &Certificate) -> Result<(Value, String), Failure> {
    let verified = certificate.verify(study)?;
    let (estimates, lines) = show(&verified.estimates);
    let (debit, place) = verified.places;
    let (proofs, _) = figures(&verified.plan);
    let json = json!({
        "study": hex(&study.id()),
        "query": serde_json::from_str::<Value>(certificate.query()).unwrap_or_default(),
        "id": verified.debit.query.to_string(), "cost": verified.debit.cost.to_string(),
        "spent": verified.debit.total.to_string(), "quorum": verified.quorum,
        "log": { "id": verified.head.log().to_string(), "size": verified.head.size(), "debit": debit, "query": place },
        "numbers": certificate.numbers(), "answer": estimates, "figures": proofs,
    });
    let text = format!(
        "{lines}cost {}, {} spent in all; opened by members {:?}; entries {debit} and {place} of the log",
        verified.debit.cost, verified.debit.total, verified.quorum
    );
    Ok((json, text))
}

impl Release {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let folder = Folder::new(&self.directory);
        let (study, budget) = folder.open(true)?;
        let operator = read_identity(&self.identity, &PassphraseSource::default())?;
        let plan = study.plan(&read_query(&self.query)?)?;
        let uploads = uploads(&folder, &study, budget.log())?;
        let place = place(&folder, &plan)?;
        let answer: EncryptedAnswer = Folder::read(&place.answer(&plan))?;
        let mut parts: Vec<PartialDecryption> = Vec::new();
        for member in 1..=study.key().terms().size() {
            let path = place.part(&plan, member);
            if path.exists() {
                parts.push(Folder::read(&path)?);
            }
        }
        let certificate = study.release(&budget, &plan, &uploads, &answer, &parts, &operator, global.now())?;
        let (json, text) = describe(&study, &certificate)?;
        Folder::write(&place.certificate(&plan), &certificate)?;
        if let Some(out) = &self.out {
            Folder::write(out, &certificate)?;
        }
        global.answer(&json, &text);
        Ok(())
    }
}

/// `study verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The certificate
    certificate: PathBuf,
    /// The study's directory; only its terms and its key are read
    #[arg(long, value_name = "DIR")]
    study: PathBuf,
}

impl Verify {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let study = Folder::new(&self.study).study()?;
        let certificate: Certificate = Folder::read(&self.certificate)?;
        let (json, text) = describe(&study, &certificate).map_err(|e| e.at(&self.certificate))?;
        global.answer(&json, &text);
        Ok(())
    }
}
