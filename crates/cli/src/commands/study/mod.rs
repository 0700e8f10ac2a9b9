//! `mediveil study`: research on encrypted records, over the files of one directory.
//!
//! | file | written by | what |
//! |---|---|---|
//! | `terms` | `init` | schema, sites, committee, budget, log |
//! | `log` | all | the ledger: confirmations, commitments, queries, debits, releases |
//! | `ceremony/` | `join` | the messages of the key ceremony |
//! | `key` | `join` | the committee's key |
//! | `uploads/` | `submit` | what sites have shown |
//! | `queries/NAME/` | `evaluate`, `approve`, `release` | answer, parts, certificate |
//!
//! Nothing in the directory is secret. Sites, server and members may be different machines that share or synchronise it;
//! the secrets (identities, shares, stores, and rows) stay where their owners keep them.

mod ask;
mod found;
mod site;

pub(crate) use found::join;

use crate::failure::{Failure, Kind};
use crate::global::Global;
use clap::Subcommand;
use mediveil_codec::Wire;
use mediveil_dp::Budget;
use mediveil_ledger::{Actor, Log, LogError};
use mediveil_seal::AtomicFile;
use mediveil_study::{
    AnswerError, ConfirmError, Estimate, Layout, PlanError, ReleaseError, SchemaError, Study, TableError, Terms,
    TermsError, UploadError,
};
use serde_json::{Value, json};
use std::path::Path;

/// Studies.
#[derive(Debug, Subcommand)]
pub(crate) enum StudyCommand {
    /// Agree on a study: schema, sites, committee, budget; makes its directory and its log
    Init(found::Init),
    /// Take part in the key ceremony as a member; all members run this at the same time
    Join(found::Join),
    /// Encrypt a site's rows and commit to them in the log; shows nothing yet
    Encrypt(site::Encrypt),
    /// Show a site's encrypted rows, once every site has committed
    Submit(site::Submit),
    /// Say what a query would cost and bring, and prove that it can be answered; touches nothing
    Plan(ask::PlanArgs),
    /// Pay for a query, name its quorum, and compute the encrypted answer
    Evaluate(ask::Evaluate),
    /// Answer a query as a member of its quorum: checks log and budget, evaluates again, adds noise
    Approve(ask::Approve),
    /// Add up the quorum's parts into a certificate
    Release(ask::Release),
    /// Check a certificate from files alone
    Verify(ask::Verify),
}

impl StudyCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Init(c) => c.run(global),
            Self::Join(c) => c.run(global),
            Self::Encrypt(c) => c.run(global),
            Self::Submit(c) => c.run(global),
            Self::Plan(c) => c.run(global),
            Self::Evaluate(c) => c.run(global),
            Self::Approve(c) => c.run(global),
            Self::Release(c) => c.run(global),
            Self::Verify(c) => c.run(global),
        }
    }
}

/// The directory of a study.
pub(crate) struct Folder(Layout);

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(Layout::new(path))
    }

    /// Where its files are.
    pub(crate) const fn layout(&self) -> &Layout {
        &self.0
    }

    /// Reads an object, whole.
    pub(crate) fn read<T: Wire>(path: &Path) -> Result<T, Failure> {
        let bytes = std::fs::read(path).map_err(|e| Failure::from(e).at(path))?;
        T::decode(&bytes).map_err(|e| Failure::from(e).at(path))
    }

    /// Writes an object; the same bytes again are no change, others are refused.
    pub(crate) fn write<T: Wire>(path: &Path, object: &T) -> Result<(), Failure> {
        let bytes = object.encode();
        match AtomicFile::options().keep_existing(true).write(path, &bytes) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                if std::fs::read(path).is_ok_and(|found| found == bytes) {
                    return Ok(());
                }
                Err(Failure::new(Kind::Refused, "exists and holds something else; it is never replaced").at(path))
            }
            other => other.map_err(|e| Failure::from(e).at(path)),
        }
    }

    pub(crate) fn terms(&self) -> Result<Terms, Failure> {
        Self::read(&self.0.terms())
    }

    /// The study with its key, from the two files alone.
    pub(crate) fn study(&self) -> Result<Study, Failure> {
        let key = Self::read(&self.0.key())?;
        Ok(Study::new(self.terms()?, key)?)
    }

    pub(crate) fn log(&self, writing: bool) -> Result<Log, Failure> {
        open_log(&self.0.log(), writing)
    }

    /// The study, seen to have the key that all members confirmed, with its log and its budget.
    pub(crate) fn open(&self, writing: bool) -> Result<(Study, Budget), Failure> {
        let (study, log) = (self.study()?, self.log(writing)?);
        study.check_key(&log)?;
        let actor = Actor::of(study.terms().operator.verifying_key());
        let budget = Budget::open(&log, &study.id(), actor).map_err(ReleaseError::from)?;
        Ok((study, budget))
    }
}

/// The log of a study or a federation.
pub(crate) fn open_log(path: &Path, writing: bool) -> Result<Log, Failure> {
    let log = if writing { Log::open(path) } else { Log::open_read_only(path) };
    log.map_err(|e| Failure::from(e).at(path))
}

/// A failing log under something else, as if it were by itself.
fn log_kind(error: &LogError) -> Kind {
    Failure::from(error.clone()).kind()
}

macro_rules! failure {
    ($error:ty, $name:ident => $kind:expr) => {
        impl From<$error> for Failure {
            fn from($name: $error) -> Self {
                let kind = $kind;
                Self::new(kind, $name.to_string())
            }
        }
    };
}

failure!(SchemaError, e => Kind::Damaged);
failure!(TableError, e => Kind::Damaged);
failure!(TermsError, e => match e {
    TermsError::Key => Kind::Damaged,
    _ => Kind::Usage,
});
failure!(ConfirmError, e => match &e {
    ConfirmError::Log(log) => log_kind(log),
    _ => Kind::Refused,
});
failure!(PlanError, e => match e {
    PlanError::Json(_) => Kind::Damaged,
    _ => Kind::Refused,
});
failure!(UploadError, e => upload_kind(&e));
failure!(AnswerError, e => answer_kind(&e));
impl From<ReleaseError> for Failure {
    fn from(error: ReleaseError) -> Self {
        let kind = match &error {
            ReleaseError::Answer(inner) => answer_kind(inner),
            ReleaseError::Upload(inner) => upload_kind(inner),
            ReleaseError::Certificate(_) | ReleaseError::Evidence(_) | ReleaseError::Decode(_) => Kind::Damaged,
            ReleaseError::Log(log) => log_kind(log),
            _ => Kind::Refused,
        };
        match error {
            ReleaseError::Budget(refused) => refused.into(),
            other => Self::new(kind, other.to_string()),
        }
    }
}

fn upload_kind(e: &UploadError) -> Kind {
    match e {
        UploadError::Log(log) => log_kind(log),
        UploadError::Io(_) => Kind::Failed,
        UploadError::Damaged { .. } | UploadError::Entry { .. } => Kind::Damaged,
        _ => Kind::Refused,
    }
}

fn answer_kind(e: &AnswerError) -> Kind {
    match e {
        AnswerError::Upload(e) => upload_kind(e),
        AnswerError::Range { .. } => Kind::Usage,
        _ => Kind::Refused,
    }
}

/// A number for people: six significant digits, and an open end where there is no bound.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value > 0.0 { "unbounded".into() } else { "-unbounded".into() };
    }
    let text = if value.abs() >= 1e6 { format!("{value:.0}") } else { format!("{value:.4}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Estimates as JSON and as lines.
pub(crate) fn show(estimates: &[Estimate]) -> (Value, String) {
    let mut lines = String::new();
    for e in estimates {
        let name = e.group.iter().map(String::as_str).chain([e.label.as_str()]).collect::<Vec<_>>().join(", ");
        let (value, low, high) = (number(e.value), number(e.low), number(e.high));
        lines.push_str(&format!("{name:<28} {value:>12}   95 % {low} to {high}\n"));
    }
    let finite = |v: f64| if v.is_finite() { json!(v) } else { Value::Null };
    let json = estimates
        .iter()
        .map(|e| {
            json!({
                "group": e.group, "label": e.label,
                "value": finite(e.value), "low": finite(e.low), "high": finite(e.high),
            })
        })
        .collect();
    (json, lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mediveil_dp::Refused;
    use mediveil_federate::FederateError;

    #[test]
    fn a_failing_log_ends_the_command_alike_whatever_it_belongs_to() {
        let back = || LogError::RolledBack { remembered: 2, found: 1 };
        let all: [Failure; 8] = [
            back().into(),
            Refused::from(back()).into(),
            ConfirmError::from(back()).into(),
            UploadError::from(back()).into(),
            ReleaseError::from(back()).into(),
            ReleaseError::from(Refused::from(back())).into(),
            FederateError::from(back()).into(),
            FederateError::from(Refused::from(back())).into(),
        ];
        for (n, failure) in all.iter().enumerate() {
            assert!(failure.kind() == Kind::Damaged, "{n}: {failure:?}");
        }
    }
}
