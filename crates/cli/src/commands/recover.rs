//! `mediveil recover`: guardians open a file for an identity that is not the one it was sealed for; and the options for a
//! committee's door that other commands share.

use crate::commands::committee::board::{PassedOver, listing, post_at, short};
use crate::commands::committee::read_set;
use crate::commands::committee::state::State;
use crate::commands::log::{LogArg, Recorder, with_entries};
use crate::failure::{Failure, Kind};
use crate::files::{
    Input, Output, PassphraseSource, read_armored, read_identity, read_object, read_public, refuse_existing,
};
use crate::global::Global;
use crate::text::hex;
use clap::{ArgGroup, Args, Subcommand};
use mediveil_codec::Wire;
use mediveil_seal::identity::{Identity, PublicIdentity};
use mediveil_seal::{AtomicFile, OpenReader, Rewrap, read_doors};
use mediveil_threshold::guardians::CommitteeRecipient;
use mediveil_threshold::recovery::{
    self, Approval, Completion, Dossier, Notice, Recovery, RecoveryError, Request as Wish, State as Stage, Statement,
    Veto as Objection,
};
use mediveil_threshold::rehearsal::{Answer as Reply, Call as Calling, Proof};
use mediveil_threshold::{MemberId, ProtocolError, PublicKey, PublicKeySet, Signed};
use serde_json::{Value, json};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// A waiting time: a number of seconds, minutes, hours or days, such as 72h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delay(pub(crate) Duration);

impl FromStr for Delay {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a time such as 90s, 30m, 72h or 7d, at most 136 years";
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            _ => return Err(EXPECTED),
        };
        let number: u32 = text.get(..text.len().saturating_sub(1)).and_then(|n| n.parse().ok()).ok_or(EXPECTED)?;
        let seconds = number.checked_mul(unit).ok_or(EXPECTED)?;
        Ok(Self(Duration::from_secs(u64::from(seconds))))
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Waiting times are talked of in hours below a week.
        let seconds = self.0.as_secs();
        match [(86_400, "d", 7), (3600, "h", 1), (60, "m", 1)]
            .into_iter()
            .find(|(n, _, least)| seconds >= n * least && seconds.is_multiple_of(*n))
        {
            Some((n, unit, _)) => write!(f, "{}{unit}", seconds / n),
            None => write!(f, "{seconds}s"),
        }
    }
}

/// A door for a committee.
#[derive(Debug, Args)]
pub(crate) struct CommitteeDoorArgs {
    /// Seal for the committee with this public key, whose members open the file together (see `recover`)
    #[arg(long, value_name = "PUB")]
    committee: Option<PathBuf>,
    /// Let this identity veto a recovery
    #[arg(long, value_name = "PUB", requires = "committee")]
    owner: Option<PathBuf>,
    /// How long each guardian waits for the owner's veto, such as 72h; fixed in the file
    #[arg(long, value_name = "TIME", requires = "owner", default_value = "72h")]
    delay: Delay,
}

/// A committee to seal for, and on what terms.
pub(crate) struct CommitteeDoor {
    key: PublicKey,
    owner: Option<PublicIdentity>,
    delay: Duration,
}

impl CommitteeDoorArgs {
    pub(crate) const fn is_asked(&self) -> bool {
        self.committee.is_some()
    }

    pub(crate) fn door(&self) -> Result<Option<CommitteeDoor>, Failure> {
        let Some(path) = &self.committee else { return Ok(None) };
        let owner = self.owner.as_deref().map(read_public).transpose()?;
        Ok(Some(CommitteeDoor { key: read_armored(path)?, owner, delay: self.delay.0 }))
    }
}

impl CommitteeDoor {
    pub(crate) fn recipient(&self) -> CommitteeRecipient<'_> {
        let recipient = CommitteeRecipient::new(&self.key);
        match &self.owner {
            Some(owner) => recipient.owner(owner, self.delay),
            None => recipient,
        }
    }
}

/// Recoveries.
///
/// The statements of one recovery lie in one directory, which everybody copies to each other. Each is signed; together they
/// show later who said what, and when.
#[derive(Debug, Subcommand)]
pub(crate) enum RecoverCommand {
    /// Ask, as the new identity, for a sealed file to be opened
    Request(Request),
    /// Look at a request as a guardian, and help when the waiting time is over
    Approve(Approve),
    /// Object, as the identity that the file's door names as its owner
    Veto(Veto),
    /// Open the file with enough approvals
    Finish(Finish),
    /// Check the statements of a recovery
    Verify(Verify),
    /// Prove that enough shares still work, without opening anything
    #[command(subcommand)]
    Rehearse(Rehearse),
}

/// `recover request`.
#[derive(Debug, Args)]
pub(crate) struct Request {
    /// The sealed file; its head is enough
    file: PathBuf,
    /// The directory of this recovery to make
    case: PathBuf,
    /// The committee's public key
    #[arg(long, value_name = "PUB")]
    committee: PathBuf,
    /// The new secret identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseSource,
    #[command(flatten)]
    log: LogArg,
}

/// Where the request and the committee are.
#[derive(Debug, Args)]
struct Case {
    /// The directory of the recovery
    case: PathBuf,
    /// The committee's key set of the epoch, or the board of the run that made it
    #[arg(long, value_name = "PATH")]
    set: PathBuf,
}

/// `recover approve`.
///
/// The first time it signs that the request was seen, and the waiting time begins by this guardian's clock: tell the owner by
/// every way there is. Run it again when the time is over. The fingerprint is to be heard from the person who asks, over
/// another channel than the files.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    #[command(flatten)]
    case: Case,
    /// The guardian's secret identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// The directory with what this guardian keeps for itself: its share
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The fingerprint of the new identity, as the person who asks says it
    #[arg(long, value_name = "FINGERPRINT")]
    reader: String,
    #[command(flatten)]
    passphrase: PassphraseSource,
    #[command(flatten)]
    log: LogArg,
}

/// `recover veto`.
#[derive(Debug, Args)]
pub(crate) struct Veto {
    #[command(flatten)]
    case: Case,
    /// The old secret identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseSource,
    #[command(flatten)]
    log: LogArg,
}

/// `recover finish`.
///
/// The guardians' door still names the lost identity as the one that can veto: give the file a new one with
/// `rewrap --drop-kind committee --committee PUB --owner PUB`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("result").required(true).multiple(true).args(["out", "rewrap"]))]
pub(crate) struct Finish {
    #[command(flatten)]
    case: Case,
    /// The sealed file
    file: PathBuf,
    /// The new secret identity
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// Where the content goes; readable for its owner alone
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the sealed file goes with a door for the new identity, its content untouched
    #[arg(long, value_name = "FILE")]
    rewrap: Option<PathBuf>,
    /// Drop the door of this number from it, as `inspect` counts them: that of the lost identity. What its holder has read, and
    /// older copies of the file, stay what they are
    #[arg(long, value_name = "N", requires = "rewrap")]
    drop: Vec<usize>,
    /// Drop all doors of this kind from it, as `inspect` names them
    #[arg(long, value_name = "KIND", requires = "rewrap")]
    drop_kind: Vec<String>,
    #[command(flatten)]
    passphrase: PassphraseSource,
    #[command(flatten)]
    log: LogArg,
}

/// `recover verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    case: Case,
}

/// Rehearsals.
#[derive(Debug, Subcommand)]
pub(crate) enum Rehearse {
    /// Call a rehearsal; anybody can
    Call(Call),
    /// Answer as a guardian
    Answer(Answer),
    /// Gather the answers into a proof that enough shares work
    Conclude(Conclude),
    /// Check such a proof
    Verify(VerifyProof),
}

/// `recover rehearse call`.
#[derive(Debug, Args)]
pub(crate) struct Call {
    #[command(flatten)]
    case: Case,
}

/// `recover rehearse answer`.
#[derive(Debug, Args)]
pub(crate) struct Answer {
    #[command(flatten)]
    case: Case,
    /// The directory with what this guardian keeps for itself: its share
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
}

/// `recover rehearse conclude`.
#[derive(Debug, Args)]
pub(crate) struct Conclude {
    #[command(flatten)]
    case: Case,
}

/// `recover rehearse verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyProof {
    /// The proof
    proof: PathBuf,
    /// The committee's public key
    #[arg(long, value_name = "PUB")]
    committee: PathBuf,
}

impl From<RecoveryError> for Failure {
    fn from(error: RecoveryError) -> Self {
        let kind = match &error {
            RecoveryError::Door | RecoveryError::Signature(_) | RecoveryError::OtherRequest(_) => Kind::Damaged,
            RecoveryError::Sealing => Kind::Failed,
            _ => Kind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

impl RecoverCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Request(c) => c.run(global),
            Self::Approve(c) => c.run(global),
            Self::Veto(c) => c.run(global),
            Self::Finish(c) => c.run(global),
            Self::Verify(c) => c.run(global),
            Self::Rehearse(Rehearse::Call(c)) => c.run(global),
            Self::Rehearse(Rehearse::Answer(c)) => c.run(global),
            Self::Rehearse(Rehearse::Conclude(c)) => c.run(global),
            Self::Rehearse(Rehearse::Verify(c)) => c.run(global),
        }
    }
}

/// The statements in a directory, as they lie there.
#[derive(Default)]
struct Statements {
    notices: Vec<Signed<Notice>>,
    vetoes: Vec<Signed<Objection>>,
    approvals: Vec<Signed<Approval>>,
    completion: Option<Signed<Completion>>,
    passed_over: Vec<PassedOver>,
}

/// Takes a statement if it belongs to the request and is signed.
fn take<T: Statement>(
    path: &Path,
    request: &[u8; 32],
    genuine: impl FnOnce(&Signed<T>) -> bool,
) -> Result<Signed<T>, String> {
    let statement: Signed<T> = read_object(path).map_err(|failure| failure.message().to_owned())?;
    if statement.content().request() != Some(request) {
        return Err("belongs to another request".into());
    }
    if genuine(&statement) { Ok(statement) } else { Err("is not signed by whom it should be".into()) }
}

impl Statements {
    /// What is genuine and belongs to this recovery under this key set; the rest is passed over and named.
    fn read(case: &Path, recovery: &Recovery<'_>, set: &PublicKeySet) -> Result<Self, Failure> {
        let mut all = Self::default();
        let committee = set.committee();
        for (name, path) in listing(case)? {
            let taken = match name.split('-').next() {
                Some("request") => Ok(()),
                Some("notice") => take(&path, recovery.id(), |notice: &Signed<Notice>| {
                    committee.members().any(|(_, member)| {
                        member.id() == *notice.content().guardian() && notice.verify(member.verifying_key())
                    })
                })
                .map(|notice| all.notices.push(notice)),
                Some("veto") => take(&path, recovery.id(), |veto| recovery.is_veto(veto)).map(|v| all.vetoes.push(v)),
                Some("approval") => take(&path, recovery.id(), |approval: &Signed<Approval>| {
                    let guardian = committee.member(approval.content().guardian());
                    *approval.content().set() == set.digest()
                        && guardian.is_some_and(|guardian| approval.verify(guardian.verifying_key()))
                })
                .map(|approval| all.approvals.push(approval)),
                Some("completion") => take(&path, recovery.id(), |completion: &Signed<Completion>| {
                    completion.verify(recovery.reader().verifying_key())
                })
                .map(|completion| all.completion = Some(completion)),
                _ => Err("is no statement of a recovery".into()),
            };
            if let Err(why) = taken {
                all.passed_over.push(PassedOver { file: name, why });
            }
        }
        Ok(all)
    }

    fn remarks(&self) -> String {
        self.passed_over.iter().map(|p| format!("passed over {}: {}\n", p.file, p.why)).collect()
    }

    fn passed_over(&self) -> Vec<Value> {
        self.passed_over.iter().map(PassedOver::json).collect()
    }
}

impl Case {
    fn open(&self) -> Result<(PublicKeySet, Signed<Wish>), Failure> {
        Ok((read_set(&self.set)?, read_object(&self.case.join("request"))?))
    }

    /// Adds a statement to the directory.
    fn post<T: Statement>(&self, what: &str, statement: &Signed<T>) -> Result<PathBuf, Failure>
    where
        Signed<T>: Wire,
    {
        let path = self.case.join(format!("{what}-{}", short(statement.digest())));
        post_at(&path, statement)?;
        Ok(path)
    }
}

/// Records a statement in the log, if there is one.
fn record<T: Statement>(
    recorder: &Recorder,
    global: &Global,
    key: [u8; 32],
    statement: &Signed<T>,
) -> Result<Option<u64>, Failure> {
    let event = statement.event();
    recorder.committee(global, key, event.kind, &event.body)
}

/// A statement as a log can record it.
fn event_json<T: Statement>(statement: &Signed<T>) -> Value {
    let event = statement.event();
    let body: String = event.body.iter().map(|b| format!("{b:02x}")).collect();
    json!({ "kind": event.kind, "body": body })
}

impl Request {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let key: PublicKey = read_armored(&self.committee)?;
        let identity = read_identity(&self.identity, &self.passphrase)?;
        let mut input = Input::open(Some(&self.file), global)?;
        let (context, stanzas) = read_doors(&mut input).map_err(|e| Failure::from(e).at(&self.file))?;
        let wish = recovery::request(&key, &context, &stanzas, &identity, global.now())?;
        let path = self.case.join("request");
        refuse_existing(&path)?;
        let recorded = record(&self.log.open()?, global, key.id(), &wish)?;
        post_at(&path, &wish)?;
        let reader = identity.public().fingerprint();
        let mut text = format!(
            "{}: recovery {}\nreader     {reader}: tell it to the guardians yourself",
            path.display(),
            short(wish.digest())
        );
        let json = json!({
            "posted": path, "recovery": hex(wish.digest()), "reader": reader, "event": event_json(&wish),
        });
        let json = with_entries(json, &mut text, &[recorded]);
        global.report(false, &json, &text);
        Ok(())
    }
}

impl Approve {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let (set, wish) = self.case.open()?;
        let recovery = Recovery::new(&set, &wish)?;
        if recovery.reader().fingerprint() != self.reader.trim().to_ascii_lowercase() {
            let why = "the request is for another identity than the one you were told of: do not help";
            return Err(Failure::new(Kind::Refused, why));
        }
        let identity = read_identity(&self.identity, &self.passphrase)?;
        let me = set.committee().find(identity.public()).ok_or(RecoveryError::NotAGuardian)?;
        let share = State::new(&self.state).demand_share(&set)?;
        let (recorder, key) = (self.log.open()?, set.key().id());
        let said = Statements::read(&self.case.case, &recovery, &set)?;
        if let Some(veto) = said.vetoes.first() {
            return Err(RecoveryError::Vetoed { at: veto.content().at() }.into());
        }
        let mine = identity.public().id();
        let seen = said.notices.iter().filter(|n| *n.content().guardian() == mine).min_by_key(|n| n.content().at());
        let now = global.now();
        let fresh = if seen.is_some() { None } else { Some(recovery.notice(&identity, now)?) };
        let Some(notice) = seen.or(fresh.as_ref()) else { return Err(RecoveryError::NotAGuardian.into()) };
        let until = recovery.until(notice);
        if let Some(fresh) = fresh.as_ref().filter(|_| now < until) {
            let recorded = record(&recorder, global, key, fresh)?;
            let path = self.case.post("notice", fresh)?;
            let mut text =
                format!("{}: seen; tell the owner, and approve after {until}\n{}", path.display(), said.remarks());
            let json = json!({
                "did": "noticed", "posted": path, "until": until.to_string(), "event": event_json(fresh),
                "passed_over": said.passed_over(),
            });
            let json = with_entries(json, &mut text, &[recorded]);
            global.report(false, &json, text.trim_end());
            return Ok(());
        }
        let before = said.approvals.iter().find(|a| a.content().guardian() == me);
        let (approval, again) = match before {
            Some(approval) => (approval.clone(), true),
            None => {
                let rng = &mut mediveil_rng::system();
                (recovery.approve(&share, &identity, notice, &said.vetoes, now, rng)?, false)
            }
        };
        let recorded = [record(&recorder, global, key, notice)?, record(&recorder, global, key, &approval)?];
        if let Some(fresh) = &fresh {
            self.case.post("notice", fresh)?;
        }
        let path = self.case.post("approval", &approval)?;
        let mut text =
            format!("{}: approved{}\n{}", path.display(), if again { " as before" } else { "" }, said.remarks());
        let json = json!({
            "did": "approved", "again": again, "posted": path, "event": event_json(&approval),
            "passed_over": said.passed_over(),
        });
        let json = with_entries(json, &mut text, &recorded);
        global.report(false, &json, text.trim_end());
        Ok(())
    }
}

impl Veto {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let (set, wish) = self.case.open()?;
        let recovery = Recovery::new(&set, &wish)?;
        let identity = read_identity(&self.identity, &self.passphrase)?;
        let veto = recovery.veto(&identity, global.now())?;
        // An objection never waits for a log: it is posted first.
        let path = self.case.post("veto", &veto)?;
        let recorded = record(&self.log.open()?, global, set.key().id(), &veto)?;
        let mut text = format!("{}: vetoed; see that it reaches every guardian", path.display());
        let json = json!({ "did": "vetoed", "posted": path, "event": event_json(&veto) });
        global.report(false, &with_entries(json, &mut text, &[recorded]), &text);
        Ok(())
    }
}

impl Finish {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let (set, wish) = self.case.open()?;
        let recovery = Recovery::new(&set, &wish)?;
        let identity: Identity = read_identity(&self.identity, &self.passphrase)?;
        let said = Statements::read(&self.case.case, &recovery, &set)?;
        let recorder = self.log.open()?;
        let opener = recovery.finish(&said.approvals, &identity)?;
        let completion = recovery.complete(&said.approvals, &identity, global.now())?;
        for path in self.out.iter().chain(&self.rewrap) {
            refuse_existing(path)?;
        }
        let at = |e: mediveil_seal::OpenError| Failure::from(e).at(&self.file);
        // Both are written whole before either takes its place.
        let mut outputs = Vec::new();
        if let Some(path) = &self.rewrap {
            let mut out =
                AtomicFile::options().keep_existing(true).create(path).map_err(|e| Failure::from(e).at(path))?;
            let mut change = Rewrap::new().to(identity.public());
            let (_, doors) =
                read_doors(&mut Input::open(Some(&self.file), global)?).map_err(|e| Failure::from(e).at(&self.file))?;
            for index in &self.drop {
                if *index >= doors.len() {
                    return Err(Failure::usage(format!("there is no door {index}: the file has {}", doors.len())));
                }
                change = change.drop_index(*index);
            }
            for kind in &self.drop_kind {
                change = change.drop_where(move |_, stanza| stanza.kind.as_str() == kind);
            }
            let mut input = Input::open(Some(&self.file), global)?;
            change.run(&mut input, &mut out, &[&opener], &mut mediveil_rng::system())?;
            outputs.push((path, out));
        }
        if let Some(path) = &self.out {
            let options = AtomicFile::options().keep_existing(true).private(true);
            let mut out = options.create(path).map_err(|e| Failure::from(e).at(path))?;
            let input = Input::open(Some(&self.file), global)?;
            OpenReader::new(input, &[&opener]).map_err(at)?.copy_to(&mut out).map_err(at)?;
            outputs.push((path, out));
        }
        // In the log before the content is anywhere.
        let recorded = record(&recorder, global, set.key().id(), &completion)?;
        for (path, out) in outputs {
            Output::File(Box::new(out)).commit().map_err(|e| e.at(path))?;
        }
        let path = self.case.post("completion", &completion)?;
        let mut text = format!("{}: the file is open for {}", path.display(), identity.public().fingerprint());
        let json = json!({
            "did": "finished", "posted": path, "out": self.out, "rewrap": self.rewrap, "event": event_json(&completion),
        });
        let json = with_entries(json, &mut text, &[recorded]);
        global.report(false, &json, &text);
        Ok(())
    }
}

const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "waiting",
        Stage::Vetoed => "vetoed",
        Stage::Approved => "approved",
        Stage::Completed => "completed",
    }
}

fn numbers(members: &[MemberId]) -> Vec<u16> {
    members.iter().map(|id| id.get()).collect()
}

impl Verify {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let (set, request) = self.case.open()?;
        let recovery = Recovery::new(&set, &request)?;
        let (reader, terms) = (recovery.reader().fingerprint(), recovery.terms().clone());
        let said = Statements::read(&self.case.case, &recovery, &set)?;
        let (remarks, passed_over) = (said.remarks(), said.passed_over());
        let Statements { notices, vetoes, approvals, completion, .. } = said;
        let dossier = Dossier { request: request.clone(), notices, vetoes, approvals, completion };
        let verdict = dossier.verify(&set)?;
        let (approved, early, against) =
            (numbers(&verdict.approved_by), numbers(&verdict.early), numbers(&verdict.against_veto));
        let (vetoed, completed) =
            (verdict.vetoed_at.map(|t| t.to_string()), verdict.completed_at.map(|t| t.to_string()));
        let mut text = format!("recovery   {}\nreader     {reader}\n", short(recovery.id()));
        let veto = if terms.has_owner() { "the owner can veto" } else { "nobody can veto" };
        text.push_str(&format!("terms      guardians wait {}, {veto}\n", Delay(terms.delay())));
        text.push_str(&format!("state      {}\napproved   by {approved:?}\n", stage(verdict.state)));
        for (word, members) in [("early", &early), ("against", &against)] {
            if !members.is_empty() {
                text.push_str(&format!(
                    "{word:<10} guardians {members:?} approved {}\n",
                    match word {
                        "early" => "before their waiting time was over",
                        _ => "after the owner's veto",
                    }
                ));
            }
        }
        for (word, time) in [("vetoed", &vetoed), ("completed", &completed)] {
            if let Some(time) = time {
                text.push_str(&format!("{word:<10} {time}\n"));
            }
        }
        text.push_str(&remarks);
        let json = json!({
            "recovery": hex(recovery.id()), "reader": reader, "delay_seconds": terms.delay().as_secs(),
            "has_owner": terms.has_owner(), "state": stage(verdict.state), "approved_by": approved, "early": early,
            "against_veto": against, "vetoed_at": vetoed, "completed_at": completed, "passed_over": passed_over,
        });
        global.answer(&json, &text);
        Ok(())
    }
}

impl Call {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let set = read_set(&self.case.set)?;
        let path = self.case.case.join("call");
        refuse_existing(&path)?;
        post_at(&path, &Calling::new(&set, global.now(), &mut mediveil_rng::system()))?;
        let text = format!("{}: every guardian answers it with `recover rehearse answer`", path.display());
        global.report(false, &json!({ "did": "called", "posted": path }), &text);
        Ok(())
    }
}

impl Answer {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let set = read_set(&self.case.set)?;
        let call: Calling = read_object(&self.case.case.join("call"))?;
        let share = State::new(&self.state).demand_share(&set)?;
        let answer = share.rehearse(&set, &call, &mut mediveil_rng::system())?;
        let path = self.case.case.join(format!("answer-{}", answer.member()));
        refuse_existing(&path)?;
        post_at(&path, &answer)?;
        let text = format!("{}: member {} has a share that works", path.display(), answer.member());
        global.report(false, &json!({ "did": "answered", "member": answer.member().get(), "posted": path }), &text);
        Ok(())
    }
}

impl Conclude {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let set = read_set(&self.case.set)?;
        let call: Calling = read_object(&self.case.case.join("call"))?;
        let mut answers: Vec<Reply> = Vec::new();
        for (name, path) in listing(&self.case.case)? {
            if name.starts_with("answer-") {
                answers.push(read_object(&path)?);
            }
        }
        let end = call.conclude(&set, &answers).map_err(|error| match &error {
            ProtocolError::TooFewAnswers { wrong, .. } if !wrong.is_empty() => {
                Failure::new(Kind::Refused, format!("{error}; wrong: {:?}", numbers(wrong)))
            }
            _ => error.into(),
        })?;
        let path = self.case.case.join("proof");
        post_at(&path, &end.proof)?;
        let (working, wrong) = (numbers(&end.working), numbers(&end.wrong));
        let mut text = format!("{}: the shares of {working:?} work\n", path.display());
        if !wrong.is_empty() {
            text.push_str(&format!("those of {wrong:?} do not: have them repaired\n"));
        }
        let json = json!({ "did": "concluded", "posted": path, "working": working, "wrong": wrong });
        global.report(false, &json, text.trim_end());
        Ok(())
    }
}

impl VerifyProof {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let key: PublicKey = read_armored(&self.committee)?;
        let proof: Proof = read_object(&self.proof)?;
        if !proof.verify(&key) {
            return Err(Failure::new(Kind::Damaged, "does not prove it of this committee").at(&self.proof));
        }
        let at = proof.call().at().to_string();
        let text = format!("valid: enough shares of this key worked on the call of {at}");
        global.answer(&json!({ "valid": true, "called_at": at, "key": hex(&key.id()) }), &text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_read_and_print_alike() {
        for text in ["90s", "30m", "72s", "5h", "72h", "7d", "14d", "0s"] {
            assert_eq!(text.parse::<Delay>().map(|d| d.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("3d".parse(), Ok(Delay(Duration::from_secs(72 * 3600))));
        assert_eq!(Delay(Duration::from_secs(7 * 86_400 + 3600)).to_string(), "169h");
        for bad in ["", "3", "h", "-3h", "1.5h", "99999d", "3 h", "3w", "4294967296s"] {
            assert!(bad.parse::<Delay>().is_err(), "{bad}");
        }
    }
}
