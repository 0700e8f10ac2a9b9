//! `mediveil log`: a log that cannot be rewritten unseen.

mod append;
mod describe;
mod export;
mod follow;
mod prove;
mod record;
mod verify;

pub(crate) use append::sealed_file;
pub(crate) use describe::short;
pub(crate) use record::{LogArg, Recorder, with_entries};

use crate::failure::{Failure, Kind};
use crate::files::{PassphraseSource, is_armored, read_armored, read_identity, read_public, write_armored};
use crate::global::Global;
use clap::{Args, Subcommand};
use mediveil_ledger::{EvidenceError, HeadError, Log, LogError, ProofError, SignedHead, SubjectSalt};
use mediveil_seal::identity::VerifyingKey;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Logs.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Make an empty log
    Init(Init),
    /// Record something
    Append(append::Append),
    /// Check logs, heads, proofs and evidence, all that are named, against each other
    Verify(verify::Verify),
    /// Write the proof that an entry is in the log, or that the log only grew
    Prove(prove::Prove),
    /// Show the log's state, sign it, and check it against a head that is remembered
    Head(Head),
    /// Print entries as they come
    Follow(follow::Follow),
    /// Write entries as FHIR R4 audit events, provenance and consents
    Export(export::Export),
}

impl LogCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Init(c) => c.run(global),
            Self::Append(c) => c.run(global),
            Self::Verify(c) => c.run(global),
            Self::Prove(c) => c.run(global),
            Self::Head(c) => c.run(global),
            Self::Follow(c) => c.run(global),
            Self::Export(c) => c.run(global),
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::Exists | LogError::OtherLog { .. } | LogError::KeyTaken { .. } | LogError::Complete => {
                Kind::Refused
            }
            LogError::OutOfRange { .. } | LogError::NoProof { .. } | LogError::TooLong(_) => Kind::Usage,
            LogError::NoPostgres => Kind::Usage,
            LogError::NotALog
            | LogError::Format(_)
            | LogError::Damaged(_)
            | LogError::RolledBack { .. }
            | LogError::Rewritten { .. }
            | LogError::Decode(_) => Kind::Damaged,
            LogError::Head(error) => return error.clone().into(),
            LogError::Proof(error) => return error.clone().into(),
            _ => Kind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<HeadError> for Failure {
    fn from(error: HeadError) -> Self {
        let kind = match &error {
            HeadError::OtherSigner { .. } | HeadError::OtherLog { .. } | HeadError::Unproven { .. } => Kind::Refused,
            _ => Kind::Damaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Self {
        let kind = match &error {
            ProofError::OtherSize { .. } | ProofError::OtherLog => Kind::Refused,
            _ => Kind::Damaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<EvidenceError> for Failure {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::Head(error) => error.into(),
            EvidenceError::Proof(error) => error.into(),
            other => Self::new(Kind::Damaged, other.to_string()),
        }
    }
}

/// Whether a log is named by the address of a PostgreSQL database instead of a file.
pub(crate) fn is_address(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"))
}

/// A password in an address would be seen by everybody who lists processes or reads a budget's file.
fn refuse_password(path: &Path) -> Result<(), Failure> {
    let text = path.to_str().filter(|_| is_address(path)).unwrap_or_default();
    let user = text.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    let named = user.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    if named || text.contains("password=") {
        return Err(Failure::usage("no password in an address: set PGPASSWORD instead"));
    }
    Ok(())
}

/// Opens a log for reading.
pub(crate) fn open(path: &Path) -> Result<Log, Failure> {
    refuse_password(path)?;
    Log::open_read_only(path).map_err(|e| Failure::from(e).at(path))
}

/// Opens a log for writing.
pub(crate) fn open_for_writing(path: &Path) -> Result<Log, Failure> {
    refuse_password(path)?;
    Log::open(path).map_err(|e| Failure::from(e).at(path))
}

/// The signed head in a file, seen to be signed by `trusted`.
pub(crate) fn read_head(path: &Path, trusted: &VerifyingKey) -> Result<mediveil_ledger::Head, Failure> {
    let head: SignedHead = read_armored(path)?;
    head.verify(trusted).map_err(|e| Failure::from(e).at(path))
}

/// The key of a public identity.
pub(crate) fn read_signer(path: &Path) -> Result<VerifyingKey, Failure> {
    read_public(path).map(|public| *public.verifying_key())
}

/// The secret that makes pseudonyms, in a file.
pub(crate) fn read_salt(path: &Path) -> Result<SubjectSalt, Failure> {
    read_armored(path)
}

/// Whether a file is a database of SQLite: then it can only be a log.
fn is_database(bytes: &[u8]) -> bool {
    bytes.starts_with(b"SQLite format 3\0")
}

/// `log init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The log to make: a file, or the address of a PostgreSQL database for services on several machines
    log: PathBuf,
    /// Also make the secret that turns identifiers of patients into pseudonyms, in this file
    #[arg(long, value_name = "FILE")]
    salt: Option<PathBuf>,
}

impl Init {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut rng = mediveil_rng::system();
        if let Some(path) = self.salt.as_deref().filter(|p| p.exists()) {
            let why = "exists; without it, pseudonyms can never be made again. Choose another name";
            return Err(Failure::new(Kind::Refused, why).at(path));
        }
        refuse_password(&self.log)?;
        let log = Log::create(&self.log, &mut rng).map_err(|e| Failure::from(e).at(&self.log))?;
        if let Some(path) = &self.salt {
            write_armored(path, &SubjectSalt::generate(&mut rng), true, false)?;
        }
        let (path, id) = (self.log.display().to_string(), log.id().to_string());
        let salt = self.salt.as_ref().map(|p| p.display().to_string());
        let more = salt.as_ref().map(|s| format!("\n{s}: makes pseudonyms, keep it secret")).unwrap_or_default();
        let text = format!("{path}: an empty log, {id}{more}");
        global.report(false, &json!({ "log": path, "id": id, "salt": salt }), &text);
        Ok(())
    }
}

/// `log head`.
///
/// A head is a few hundred bytes that name all the log held when it was signed. Keep the latest one away from the log: only
/// against it can a rollback to an older copy, or another history, be noticed.
#[derive(Debug, Args)]
pub(crate) struct Head {
    /// The log
    log: PathBuf,
    /// Sign the present state as this identity; refused if the log does not extend the last head it holds
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseSource,
    /// Check that the log extends this head
    #[arg(long, value_name = "HEAD")]
    against: Option<PathBuf>,
    /// As --against, if the file is there; then the new head takes its place
    #[arg(long, value_name = "HEAD", conflicts_with_all = ["against", "out"], requires = "sign")]
    remember: Option<PathBuf>,
    /// Who must have signed the head that the log is checked against; by default, who signs now
    #[arg(long, value_name = "PUB")]
    signer: Option<PathBuf>,
    /// Where the head goes: the new one, or without --sign the last one that the log holds
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Head {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let key = self.sign.as_deref().map(|path| read_identity(path, &self.passphrase)).transpose()?;
        let signer = match (&self.signer, &key) {
            (Some(path), _) => Some(read_signer(path)?),
            (None, Some(key)) => Some(key.signing_key().verifying_key()),
            (None, None) => None,
        };
        let log = if key.is_some() { open_for_writing(&self.log)? } else { open(&self.log)? };
        let remembered = self.against.as_deref().or_else(|| self.remember.as_deref().filter(|p| p.exists()));
        let mut checked = None;
        if let Some(path) = remembered {
            let signer = signer.ok_or_else(|| Failure::usage("who signed that head? name them with --signer PUB"))?;
            let head = read_head(path, &signer)?;
            log.check_against(&head).map_err(|e| Failure::from(e).at(&self.log))?;
            checked = Some(head.size());
        }
        let head = match &key {
            Some(key) => Some(log.head(global.now(), key.signing_key()).map_err(|e| Failure::from(e).at(&self.log))?),
            None => log.last_head().map_err(|e| Failure::from(e).at(&self.log))?,
        };
        if let Some(path) = self.out.as_ref().or(self.remember.as_ref()) {
            let head = head.as_ref().ok_or_else(|| {
                Failure::new(Kind::Refused, "the log holds no head; sign one with --sign KEY").at(&self.log)
            })?;
            write_armored(path, head, false, true)?;
        }
        let state = log.checkpoint().map_err(|e| Failure::from(e).at(&self.log))?;
        let signed = head.as_ref().map(head_json);
        let json = json!({
            "log": state.log.to_string(), "size": state.size, "root": state.root.to_string(),
            "signed": signed, "extends": checked,
        });
        let mut text = format!("log        {}\nentries    {}\nroot       {}\n", state.log, state.size, state.root);
        if let Some(head) = &head {
            let (size, by, at) = (head.claims().size, head.signer().fingerprint(), head.at());
            text.push_str(&format!("signed     {size} entries, by {by}, {at}\n"));
        }
        if let Some(size) = checked {
            text.push_str(&format!("extends    the head of {size} entries that was remembered\n"));
        }
        global.answer(&json, &text);
        Ok(())
    }
}

/// A head for other programs.
fn head_json(head: &SignedHead) -> Value {
    let claims = head.claims();
    json!({
        "log": claims.log.to_string(), "size": claims.size, "root": claims.root.to_string(),
        "signer": head.signer().fingerprint(), "at": head.at().to_string(),
    })
}

/// An object of the ledger in a file, by the label of its armour.
enum Object {
    Head(Box<SignedHead>),
    Inclusion(mediveil_ledger::InclusionProof),
    Consistency(mediveil_ledger::ConsistencyProof),
    Evidence(Box<mediveil_ledger::Evidence>),
    Entry(Box<mediveil_ledger::Entry>),
}

impl Object {
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = crate::files::read_small(path)?;
        if is_armored::<SignedHead>(&text) {
            read_armored(path).map(Box::new).map(Self::Head)
        } else if is_armored::<mediveil_ledger::InclusionProof>(&text) {
            read_armored(path).map(Self::Inclusion)
        } else if is_armored::<mediveil_ledger::ConsistencyProof>(&text) {
            read_armored(path).map(Self::Consistency)
        } else if is_armored::<mediveil_ledger::Evidence>(&text) {
            read_armored(path).map(Box::new).map(Self::Evidence)
        } else if is_armored::<mediveil_ledger::Entry>(&text) {
            read_armored(path).map(Box::new).map(Self::Entry)
        } else {
            let what = "is not a log, nor a head, an entry, a proof or evidence of one";
            Err(Failure::new(Kind::Damaged, what).at(path))
        }
    }
}
