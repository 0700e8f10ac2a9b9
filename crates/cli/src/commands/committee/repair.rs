//! `mediveil committee repair`: a lost share made again by members who learn nothing of it.

use super::board::{PassedOver, listing, post_at, short};
use super::state::State;
use super::{accusation_json, accusation_lines, read_set, record};
use crate::commands::log::{LogArg, Recorder, with_entries};
use crate::failure::{Failure, Kind};
use crate::files::{PassphraseSource, read_identity, read_object};
use crate::global::Global;
use clap::Args;
use mediveil_codec::Wire;
use mediveil_seal::identity::Identity;
use mediveil_threshold::repair::{Closing, Lost, Repair as Case, Request, Split, Splits, Sum, Transcript, Verdict};
use mediveil_threshold::{Content, MemberId, ProtocolError, PublicKeySet, Signed};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `committee repair`.
///
/// Does the next step of whoever runs it, in a directory that the member and its helpers copy to each other. The member whose
/// share is lost asks first, naming as many helpers as are needed; each helper runs this twice, with an exchange between; then
/// the member takes its share. If a helper cheats it is named and the member asks again, elsewhere, with other helpers.
/// Whoever holds a member's identity can have its share, as the member itself could: ask before you help.
#[derive(Debug, Args)]
pub(crate) struct Repair {
    /// The directory of this repair
    case: PathBuf,
    /// The key set of the epoch, or the board of the run that made it
    #[arg(long, value_name = "PATH")]
    set: PathBuf,
    /// The secret identity of the member or helper
    #[arg(long, short, value_name = "KEY")]
    identity: PathBuf,
    /// The directory with what this member keeps for itself
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// A member who shall help, by its number; for the one who asks
    #[arg(long, value_name = "N")]
    helper: Vec<u16>,
    #[command(flatten)]
    passphrase: PassphraseSource,
    #[command(flatten)]
    log: LogArg,
}

/// What lies in the directory of a repair.
pub(super) struct Files {
    request: Signed<Request>,
    splits: Vec<Signed<Split>>,
    sums: Vec<Signed<Sum>>,
    closing: Option<Signed<Closing>>,
    passed_over: Vec<PassedOver>,
}

impl Files {
    pub(super) fn read(case: &Path) -> Result<Self, Failure> {
        let request = read_object(&case.join("request"))?;
        let mut files = Self { request, splits: Vec::new(), sums: Vec::new(), closing: None, passed_over: Vec::new() };
        for (name, path) in listing(case)? {
            let read = match name.split('-').next() {
                Some("split") => read_object(&path).map(|message| files.splits.push(message)),
                Some("sum") => read_object(&path).map(|message| files.sums.push(message)),
                Some("closing") => read_object(&path).map(|message| files.closing = Some(message)),
                Some("request") => Ok(()),
                _ => Err(Failure::new(Kind::Damaged, "is no message of a repair")),
            };
            if let Err(failure) = read {
                files.passed_over.push(PassedOver { file: name, why: failure.message().to_owned() });
            }
        }
        Ok(files)
    }

    /// The public part again: what it proves.
    pub(super) fn audit(&self, set: &PublicKeySet) -> Result<Verdict, ProtocolError> {
        Transcript::new(&self.request, &self.splits, &self.sums, self.closing.as_ref()).audit(set)
    }

    pub(super) const fn request(&self) -> &Signed<Request> {
        &self.request
    }

    pub(super) fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }
}

/// What was done, for the report.
struct Done {
    what: &'static str,
    posted: PathBuf,
    share: Option<PathBuf>,
    accusations: Vec<mediveil_threshold::Accusation>,
    dead: Option<Failure>,
    recorded: Vec<Option<u64>>,
}

impl Done {
    fn posted(what: &'static str, posted: PathBuf) -> Self {
        Self { what, posted, share: None, accusations: Vec::new(), dead: None, recorded: Vec::new() }
    }
}

impl Repair {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let set = read_set(&self.set)?;
        let identity = read_identity(&self.identity, &self.passphrase)?;
        let state = State::new(&self.state);
        let me = set.committee().find(identity.public()).ok_or(ProtocolError::NotAMember)?;
        let recorder = self.log.open()?;
        let done = if self.case.join("request").exists() {
            let files = Files::read(&self.case)?;
            let case = Case::new(&set, &files.request)?;
            if case.member() == me {
                self.take(global, &recorder, &case, &files, &identity, &state)?
            } else {
                self.help(&set, &case, &files, &identity, &state, me)?
            }
        } else {
            self.ask(global, &set, &identity, &state)?
        };
        let mut text = format!("{}: {}\n", done.posted.display(), done.what);
        if let Some(path) = &done.share {
            text.push_str(&format!("share      of member {me} in {}\n", path.display()));
        }
        text.push_str(&accusation_lines(&done.accusations, set.committee(), set.committee()));
        let accusations: Vec<Value> =
            done.accusations.iter().map(|a| accusation_json(a, set.committee(), set.committee())).collect();
        let json = json!({
            "did": done.what, "posted": done.posted, "share": done.share, "accusations": accusations,
        });
        let json = with_entries(json, &mut text, &done.recorded);
        global.report(false, &json, text.trim_end());
        done.dead.map_or(Ok(()), Err)
    }

    fn ask(&self, global: &Global, set: &PublicKeySet, identity: &Identity, state: &State) -> Result<Done, Failure> {
        let helpers: Option<Vec<MemberId>> = self.helper.iter().map(|n| MemberId::new(*n)).collect();
        let helpers = helpers.ok_or_else(|| Failure::usage("members are numbered from 1"))?;
        let (lost, request) = Lost::request(set, identity, &helpers, global.now(), &mut mediveil_rng::system())?;
        state.keep(&folder(request.digest()), "lost", &lost)?;
        let path = self.case.join("request");
        post_at(&path, &request)?;
        Ok(Done::posted("asked for help", path))
    }

    fn help(
        &self,
        set: &PublicKeySet,
        case: &Case<'_>,
        files: &Files,
        identity: &Identity,
        state: &State,
        me: MemberId,
    ) -> Result<Done, Failure> {
        if !case.helpers().contains(&me) {
            return Err(Failure::new(Kind::Refused, "this member is not among the helpers that were asked"));
        }
        let share = state.demand_share(set)?;
        let mut rng = mediveil_rng::system();
        let folder = folder(case.id());
        if state.kept::<Signed<Split>>(&folder, "said-split")?.is_none() {
            refuse_second(&files.splits, me)?;
            let split = case.split(identity, &share, &mut rng)?;
            state.keep(&folder, "said-split", &split)?;
            return Ok(Done::posted("split this share among the helpers", self.post("split", &split)?));
        }
        // Posted again where the board lost it.
        if let Some(split) = state.kept::<Signed<Split>>(&folder, "said-split")? {
            self.post("split", &split)?;
        }
        let splits = splits(case, &Files::read(&self.case)?)?;
        if let Some(sum) = state.kept::<Signed<Sum>>(&folder, "said-sum")? {
            return Ok(Done::posted("summed the parts as before", self.post("sum", &sum)?));
        }
        refuse_second(&files.sums, me)?;
        let sum = splits.sum(identity, &share, &mut rng)?;
        state.keep(&folder, "said-sum", &sum)?;
        Ok(Done::posted("summed the parts", self.post("sum", &sum)?))
    }

    fn take(
        &self,
        global: &Global,
        recorder: &Recorder,
        case: &Case<'_>,
        files: &Files,
        identity: &Identity,
        state: &State,
    ) -> Result<Done, Failure> {
        let folder = folder(case.id());
        let lost: Lost = state.kept(&folder, "lost")?.ok_or_else(|| {
            Failure::new(Kind::Refused, "the state of this repair is not here, or its share was taken already")
        })?;
        let splits = splits(case, files)?;
        let (share, closing) =
            splits.finish(&lost, identity, &files.sums, global.now(), &mut mediveil_rng::system()).map_err(waiting)?;
        let verdict = Transcript::new(&files.request, &files.splits, &files.sums, Some(&closing)).audit(case.set())?;
        let set = case.set();
        let recorded = record::repair(recorder, global, set, closing.digest(), share.is_some(), &verdict.accusations)?;
        let kept = share.as_ref().map(|share| state.keep(&folder, "share", share)).transpose()?;
        let posted = self.post("closing", &closing)?;
        state.forget(&folder, "lost")?;
        let dead = kept.is_none().then(|| {
            Failure::new(
                Kind::Refused,
                "the share could not be repaired: ask again with other helpers than those accused",
            )
        });
        let what = if kept.is_some() { "repaired" } else { "failed" };
        Ok(Done { what, posted, share: kept, accusations: verdict.accusations, dead, recorded })
    }

    fn post<T: Content>(&self, what: &str, message: &Signed<T>) -> Result<PathBuf, Failure>
    where
        Signed<T>: Wire,
    {
        let name = format!("{what}-{}-{}", message.content().author(), short(message.digest()));
        let path = self.case.join(name);
        post_at(&path, message)?;
        Ok(path)
    }
}

/// Where a member keeps what belongs to a repair.
fn folder(id: &[u8; 32]) -> String {
    format!("repair-{}", short(id))
}

/// A second message of this member would be proof against it.
fn refuse_second<T: Content>(messages: &[Signed<T>], me: MemberId) -> Result<(), Failure> {
    if messages.iter().any(|message| message.content().author() == me.get()) {
        let why = "the directory has a message of this member that --state knows nothing of: a second one would be proof \
                   against you. Use the directory it was made with";
        return Err(Failure::new(Kind::Refused, why));
    }
    Ok(())
}

/// A message that is not there yet is no damage here: there is no cut-off.
fn waiting(error: ProtocolError) -> Failure {
    match error {
        ProtocolError::Missing(culprit) => {
            Failure::new(Kind::Refused, format!("the message of {culprit} is not here yet: wait for it"))
        }
        other => other.into(),
    }
}

fn splits<'a>(case: &Case<'a>, files: &Files) -> Result<Splits<'a>, Failure> {
    case.splits(&files.splits).map_err(waiting)
}
