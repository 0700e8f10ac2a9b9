//! `study init` and `study join`: from an agreement to a committee's key.

use crate::commands::study::Folder;
use crate::failure::{Failure, Kind};
use crate::files::{PassphraseSource, read_identity, read_public, read_small};
use crate::global::Global;
use crate::text::hex;
use clap::{ArgGroup, Args};
use mediveil_codec::Wire;
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Budget, Delta, Epsilon, Rho};
use mediveil_fhe::ceremony::{self, CeremonyError, CeremonyMessage};
use mediveil_fhe::{CommitteeKey, MemberKey};
use mediveil_ledger::{Actor, Log};
use mediveil_seal::AtomicFile;
use mediveil_seal::identity::{Identity, PublicIdentity};
use mediveil_study::{Layout, ReleaseError, Schema, Study, Terms};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// `study init`.
///
/// The terms never change: another schema, committee or budget is another study.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("cap").required(true).args(["epsilon", "rho"]))]
pub(crate) struct Init {
    /// The study's directory, which is made
    directory: PathBuf,
    /// What the study is called
    #[arg(long, value_name = "TEXT", default_value = "study")]
    title: String,
    /// What every site's rows look like, in JSON
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    /// A site's public identity; once for each, in the order of the evaluation
    #[arg(long, value_name = "PUB", required = true)]
    site: Vec<PathBuf>,
    /// A committee member's public identity; once for each, numbered from 1 in this order
    #[arg(long, value_name = "PUB", required = true)]
    member: Vec<PathBuf>,
    /// Members that open an answer; one fewer learn nothing
    #[arg(long, value_name = "N")]
    needed: u32,
    /// Who keeps the log and pays from the budget
    #[arg(long, value_name = "PUB")]
    operator: PathBuf,
    /// Whose evaluation a member may trust instead of its own
    #[arg(long, value_name = "PUB")]
    evaluator: Vec<PathBuf>,
    /// The budget for the life of the study, under pure differential privacy
    #[arg(long, value_name = "DECIMAL")]
    epsilon: Option<String>,
    /// The same under zero-concentrated differential privacy
    #[arg(long, value_name = "DECIMAL")]
    rho: Option<String>,
    /// How deep columns may be multiplied: 2 is a filter over three conditions and a value
    #[arg(long, value_name = "N", default_value_t = 2)]
    depth: u32,
}

impl Init {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let text = read_small(&self.schema)?;
        let text =
            std::str::from_utf8(&text).map_err(|_| Failure::new(Kind::Damaged, "is not text").at(&self.schema))?;
        let schema = Schema::from_json(text).map_err(|e| Failure::from(e).at(&self.schema))?;
        let all = |paths: &[PathBuf]| paths.iter().map(|p| read_public(p)).collect::<Result<Vec<PublicIdentity>, _>>();
        let (sites, members, evaluators) = (all(&self.site)?, all(&self.member)?, all(&self.evaluator)?);
        let amount = |e: mediveil_dp::AmountError| Failure::usage(e.to_string());
        let cap = match (&self.epsilon, &self.rho) {
            (Some(epsilon), _) => Cost::Pure(Epsilon::cap_from_decimal(epsilon).map_err(amount)?),
            (_, Some(rho)) => {
                Cost::Concentrated { rho: Rho::cap_from_decimal(rho).map_err(amount)?, delta: Delta::ZERO }
            }
            _ => return Err(Failure::usage("how much may all answers cost? give --epsilon or --rho")),
        };
        let size = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let parameters = Terms::parameters_for(&schema, size, self.needed, self.depth)?;
        let operator = read_public(&self.operator)?;
        std::fs::create_dir_all(&self.directory).map_err(|e| Failure::from(e).at(&self.directory))?;
        let folder = Folder::new(&self.directory);
        if folder.layout().terms().exists() {
            let why = "holds a study already, and terms never change; choose another directory";
            return Err(Failure::new(Kind::Refused, why).at(&self.directory));
        }
        let path = folder.layout().log();
        let log = Log::create(&path, &mut mediveil_rng::system()).map_err(|e| Failure::from(e).at(&path))?;
        let (title, depth, needed) = (self.title.clone(), self.depth, self.needed);
        let log_id = log.id();
        let terms =
            Terms { title, schema, sites, members, needed, depth, cap, operator, evaluators, log: log_id, parameters };
        let made = terms.check().map_err(Failure::from).and_then(|()| {
            let actor = Actor::of(terms.operator.verifying_key());
            Budget::create(&log, terms.budget(), actor, global.now()).map_err(ReleaseError::from)?;
            Folder::write(&folder.layout().terms(), &terms)
        });
        if made.is_err() {
            drop(log);
            let _ = std::fs::remove_file(&path);
        }
        made?;
        let (id, security) = (hex(&terms.id()), terms.parameters.security());
        let json = json!({
            "study": id, "degree": security.degree, "log_q": security.log_q, "lanes": terms.schema.lanes().len(),
            "sites": terms.sites.len(), "members": terms.members.len(), "needed": terms.needed,
            "budget": terms.cap.to_string(),
        });
        let text = format!(
            "{}: study {id}\n{} sites; {} of {} members open; budget {}; ring of {} slots, {} of {} bits",
            self.directory.display(),
            terms.sites.len(),
            terms.needed,
            terms.members.len(),
            terms.cap,
            security.degree,
            security.log_q,
            security.classical_128,
        );
        global.report(false, &json, &text);
        Ok(())
    }
}

/// `study join`.
///
/// Nothing of a ceremony can be taken up again: if a member stops in the middle, remove the ceremony folder, and all begin
/// again.
#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The study's directory
    directory: PathBuf,
    /// The member's identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// Where the member's secret share goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// How many seconds to wait for the others in each round
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wait: u64,
}

/// The messages of a ceremony in a folder.
struct Board {
    layout: Layout,
    members: u32,
    wait: Duration,
}

fn of_ceremony(error: &CeremonyError) -> Failure {
    let kind = match error {
        CeremonyError::NotAMember | CeremonyError::Terms(_) => Kind::Refused,
        CeremonyError::Missing { .. } => Kind::Failed,
        _ => Kind::Damaged,
    };
    Failure::new(kind, error.to_string())
}

impl Board {
    fn post(&self, message: &CeremonyMessage) -> Result<(), Failure> {
        let path = self.layout.message(message.round(), message.sender());
        match AtomicFile::options().keep_existing(true).write(&path, &message.encode()) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                let why = "exists: this member began the ceremony before. Remove the folder, and let all begin again";
                Err(Failure::new(Kind::Refused, why).at(&path))
            }
            other => other.map_err(|e| Failure::from(e).at(&path)),
        }
    }

    /// Posts a message and waits for those of all members.
    fn exchange(&self, message: &CeremonyMessage) -> Result<Vec<CeremonyMessage>, Failure> {
        self.post(message)?;
        let start = Instant::now();
        loop {
            let missing: Vec<u32> =
                (1..=self.members).filter(|m| !self.layout.message(message.round(), *m).exists()).collect();
            if missing.is_empty() {
                break;
            }
            if start.elapsed() > self.wait {
                let why = format!("members {missing:?} did not send round {}; all begin again", message.round());
                return Err(Failure::new(Kind::Failed, why));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        (1..=self.members).map(|m| Folder::read(&self.layout.message(message.round(), m))).collect()
    }
}

/// Runs the ceremony as one member, over a directory that all share.
pub(crate) fn join(
    terms: &Terms,
    identity: &Identity,
    layout: &Layout,
    wait: Duration,
) -> Result<(CommitteeKey, MemberKey), Failure> {
    let folder = layout.ceremony();
    std::fs::create_dir_all(&folder).map_err(|e| Failure::from(e).at(&folder))?;
    let committee = terms.committee()?;
    let board = Board { layout: layout.clone(), members: committee.size(), wait };
    let mut rng = mediveil_rng::system();
    let (state, sent) = ceremony::begin(&committee, identity, &mut rng).map_err(|e| of_ceremony(&e))?;
    let (state, sent) = state.next(&board.exchange(&sent)?, &mut rng).map_err(|e| of_ceremony(&e))?;
    let (state, sent) = state.next(&board.exchange(&sent)?).map_err(|e| of_ceremony(&e))?;
    let (state, sent) = state.next(&board.exchange(&sent)?, &mut rng).map_err(|e| of_ceremony(&e))?;
    let (state, sent) = state.next(&board.exchange(&sent)?).map_err(|e| of_ceremony(&e))?;
    let (state, sent) = state.next(&board.exchange(&sent)?, &mut rng).map_err(|e| of_ceremony(&e))?;
    state.finish(&board.exchange(&sent)?).map_err(|e| of_ceremony(&e))
}

impl Join {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let folder = Folder::new(&self.directory);
        let identity = read_identity(&self.identity, &PassphraseSource::default())?;
        if self.out.exists() {
            let why = "exists; a share is never replaced. Choose another name";
            return Err(Failure::new(Kind::Refused, why).at(&self.out));
        }
        let log = folder.log(true)?;
        let wait = Duration::from_secs(self.wait);
        let (key, share) = join(&folder.terms()?, &identity, folder.layout(), wait)?;
        let options = AtomicFile::options().private(true).keep_existing(true);
        options.write(&self.out, &share.encode_secret()).map_err(|e| Failure::from(e).at(&self.out))?;
        Folder::write(&folder.layout().key(), &key)?;
        let study = Study::new(folder.terms()?, key)?;
        study.confirm(&log, &identity, global.now())?;
        let key = hex(&study.key().id().0);
        let json = json!({ "member": share.member(), "share": self.out.display().to_string(), "key": key });
        let text = format!("{}: secret share of member {}\nkey {key}", self.out.display(), share.member());
        global.report(false, &json, &text);
        Ok(())
    }
}
