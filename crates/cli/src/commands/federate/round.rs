//! `federate begin`, `contribute`, `noise`, `close`, `open` and `combine`: one round.

use crate::commands::federate::Place;
use crate::commands::study::Folder;
use crate::failure::{Failure, Kind};
use crate::files::{PassphraseSource, read_identity};
use crate::global::Global;
use clap::{ArgGroup, Args};
use indicatif::ProgressBar;
use mediveil_codec::Wire;
use mediveil_federate::{Contributor, FederateError, Round, SiteSum, Upload};
use mediveil_fhe::opening::DirectoryStore;
use mediveil_seal::AtomicFile;
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};

/// `federate begin`.
///
/// The debit comes first and is durable. A round that has begun and is not released yet is begun again at no cost.
#[derive(Debug, Args)]
pub(crate) struct Begin {
    /// The federation's directory
    directory: PathBuf,
}

impl Begin {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let place = Place::open(&self.directory, true)?;
        let (number, state) = match place.last()? {
            None => (1, place.federation.terms().task.start()),
            Some(last) => match place.release(&last)? {
                Some(release) => {
                    let next = place.after(&last, &release)?;
                    (last.number().saturating_add(1), next.unwrap_or_else(|| place.federation.terms().task.start()))
                }
                None => {
                    let model = place.model(&last)?;
                    (last.number(), model.unwrap_or_else(|| place.federation.terms().task.start()))
                }
            },
        };
        let state = state.to_bytes();
        let round = place.federation.begin(&place.budget, number, &state, global.now())?;
        let path = place.layout.state(number);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| Failure::from(e).at(parent))?;
        }
        AtomicFile::options().write(&path, &state).map_err(|e| Failure::from(e).at(&path))?;
        let spent = place.budget.spent().map_err(FederateError::from)?.map(|c| c.to_string()).unwrap_or_default();
        let json = json!({ "round": round.number(), "spent": spent });
        global.report(false, &json, &format!("round {} has begun; {spent} spent in all", round.number()));
        Ok(())
    }
}

/// `federate contribute`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rows").required(true).args(["csv", "vectors"]))]
pub(crate) struct Contribute {
    /// The federation's directory
    directory: PathBuf,
    /// The site's rows as CSV with a heading, for the federation's model
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Vectors to be added up, one a line, numbers separated by commas, no heading
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// The site's identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
}

impl Contribute {
    fn sum(&self, place: &Place, round: &Round) -> Result<SiteSum, Failure> {
        let (federation, model) = (&place.federation, place.model(round)?);
        let open = |path: &PathBuf| File::open(path).map_err(|e| Failure::from(e).at(path));
        match (&self.csv, &self.vectors, model) {
            (Some(path), _, Some(model)) => {
                let task = &federation.terms().task;
                let examples = task.examples(open(path)?).map_err(|e| Failure::from(e).at(path))?;
                Ok(federation.gather(task.vectors(&model, &examples, federation.terms().grid.clip())?)?)
            }
            (_, Some(path), None) => {
                let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(open(path)?);
                let refuse = || Failure::new(Kind::Damaged, "has a line that is not numbers with commas").at(path);
                let mut vectors = Vec::new();
                for record in reader.records() {
                    let record = record.map_err(|_| refuse())?;
                    let numbers = record.iter().map(|v| v.trim().parse::<f64>().map_err(|_| refuse()));
                    vectors.push(numbers.collect::<Result<Vec<f64>, _>>()?);
                }
                Ok(federation.gather(vectors)?)
            }
            (Some(_), ..) => Err(Failure::usage("this federation adds up plain vectors: give --vectors")),
            _ => Err(Failure::usage("this federation fits a model: give --csv")),
        }
    }

    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let place = Place::open(&self.directory, true)?;
        let identity = read_identity(&self.identity, &PassphraseSource::default())?;
        let site = place.federation.terms().site(identity.public()).ok_or(FederateError::NotOne("a site"))?;
        let round = place.current()?;
        refuse_second(&place, &round, Contributor::Site(site))?;
        let sum = self.sum(&place, &round)?;
        let upload = place.federation.contribute(&round, &sum, &identity, &mut mediveil_rng::system())?;
        submit(&place, &round, &upload, global)
    }
}

/// Before anything is computed; handing in looks again.
fn refuse_second(place: &Place, round: &Round, contributor: Contributor) -> Result<(), Failure> {
    match place.federation.committed(place.log(), round, contributor)? {
        Some(_) => Err(FederateError::Twice { contributor }.into()),
        None => Ok(()),
    }
}

fn submit(place: &Place, round: &Round, upload: &Upload, global: &Global) -> Result<(), Failure> {
    let sent = place.federation.hand_in(&place.layout, place.log(), round, upload, global.now())?;
    let contributor = upload.contribution.contributor();
    let path = place.layout.contribution(round.number(), contributor);
    let json = json!({ "round": round.number(), "contributor": contributor.to_string(), "bytes": sent });
    let text = format!("{}: {contributor} in round {}, {sent} bytes", path.display(), round.number());
    global.report(false, &json, &text);
    Ok(())
}

/// `federate noise`.
///
/// Each member draws the whole planned noise: one honest member is enough for privacy, and accuracy counts all.
#[derive(Debug, Args)]
pub(crate) struct Noise {
    /// The federation's directory
    directory: PathBuf,
    /// The member's identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
}

impl Noise {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let place = Place::open(&self.directory, true)?;
        let identity = read_identity(&self.identity, &PassphraseSource::default())?;
        let member = place.federation.terms().member(identity.public()).ok_or(FederateError::NotOne("a member"))?;
        let round = place.current()?;
        refuse_second(&place, &round, Contributor::Member(member))?;
        let bar = global.shows_progress().then(|| ProgressBar::new(place.federation.terms().entries.into()));
        let progress = |done, _| {
            if let Some(bar) = &bar {
                bar.set_position(done);
            }
        };
        let mut rng = mediveil_rng::system();
        let upload = place.federation.noise(&place.budget, &round, &identity, &mut rng, &progress)?;
        if let Some(bar) = &bar {
            bar.finish_and_clear();
        }
        submit(&place, &round, &upload, global)
    }
}

/// `federate close`.
#[derive(Debug, Args)]
pub(crate) struct Close {
    /// The federation's directory
    directory: PathBuf,
    /// Leave out these contributors, such as site-2, whose shares a member could not open
    #[arg(long, value_name = "WHO")]
    without: Vec<String>,
}

impl Close {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let place = Place::open(&self.directory, true)?;
        let round = place.current()?;
        let mut found = place.contributions(&round)?;
        found.retain(|c| !self.without.contains(&c.contributor().name()));
        let closing = place.federation.close(place.log(), &round, &found, global.now())?;
        let counted: Vec<String> = closing.counted().map(|c| c.to_string()).collect();
        let json = json!({ "round": round.number(), "counted": counted });
        let text = format!("round {} is closed over {}", round.number(), counted.join(", "));
        global.report(false, &json, &text);
        Ok(())
    }
}

/// `federate open`.
///
/// A member answers once a round. Keep the store: without it a member cannot know what it has answered.
#[derive(Debug, Args)]
pub(crate) struct Open {
    /// The federation's directory
    directory: PathBuf,
    /// The member's identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// The member's own store of what it has answered
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
}

impl Open {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let place = Place::open(&self.directory, false)?;
        let identity = read_identity(&self.identity, &PassphraseSource::default())?;
        let round = place.current()?;
        let found = place.contributions(&round)?;
        let mut store = DirectoryStore::open(&self.store).map_err(|e| Failure::from(e).at(&self.store))?;
        let answer = place.federation.answer(&place.budget, &round, &found, &identity, &mut store)?;
        let path = place.layout.answer(round.number(), answer.member());
        AtomicFile::options().write(&path, &answer.encode()).map_err(|e| Failure::from(e).at(&path))?;
        let json = json!({ "round": round.number(), "member": answer.member() });
        global.report(false, &json, &format!("{}: the answer of member {}", path.display(), answer.member()));
        Ok(())
    }
}

/// `federate combine`.
#[derive(Debug, Args)]
pub(crate) struct Combine {
    /// The federation's directory
    directory: PathBuf,
    /// Write the released sums here as well, as CSV: one entry a line
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::from(e).at(path))
}

impl Combine {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let place = Place::open(&self.directory, true)?;
        let round = place.current()?;
        let federation = &place.federation;
        let mut tally = federation.tally(&place.budget, &round)?;
        let closing = federation.closing(place.log(), &round)?.ok_or(FederateError::NotClosed)?;
        for contribution in place.contributions(&round)? {
            let contributor = contribution.contributor();
            if closing.counted().any(|c| c == contributor) {
                let path = place.layout.vector(round.number(), contributor);
                let vector = federation.read_vector(&contribution, &read_bytes(&path)?);
                let vector = vector.map_err(|e| Failure::from(e).at(&path))?;
                tally.add(&Upload { contribution, vector })?;
            }
        }
        let mut answers = Vec::new();
        for member in (1u32..).take(federation.terms().members.len()) {
            let path = place.layout.answer(round.number(), member);
            if path.exists() {
                answers.push(Folder::read(&path)?);
            }
        }
        let release = federation.combine(&place.budget, &round, &tally, &answers, global.now())?;
        Folder::write(&place.layout.release(round.number()), &release)?;
        let (values, deviation) = (release.values(federation), release.deviation(federation));
        if let Some(out) = &self.out {
            let lines: String = values.iter().map(|v| format!("{v}\n")).collect();
            AtomicFile::options().write(out, lines.as_bytes()).map_err(|e| Failure::from(e).at(out))?;
        }
        let model = place.after(&round, &release)?;
        let json = json!({
            "round": round.number(), "sites": release.sites(), "noises": release.noises(), "wrong": release.wrong(),
            "deviation": deviation, "weights": model.as_ref().map(|m| m.weights.clone()),
            "sums": values.get(..values.len().min(64)),
        });
        let mut text = format!(
            "round {} released: {} sites, the noise of {} members, deviation {deviation:.4} an entry",
            round.number(),
            release.sites(),
            release.noises()
        );
        match &model {
            Some(model) => text.push_str(&format!("\nweights {:?}", model.weights)),
            None => text.push_str(&format!("\nsums {:?}", values.get(..values.len().min(8)).unwrap_or_default())),
        }
        global.answer(&json, &text);
        Ok(())
    }
}
