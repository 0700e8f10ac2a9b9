//! `mediveil log append`.

use super::{open_for_writing, read_salt};
use crate::failure::{Failure, Kind};
use crate::files::{read_armored, read_public};
use crate::global::Global;
use clap::{Args, Subcommand};
use mediveil_codec::{Timestamp, Wire, read_wire};
use mediveil_ledger::{Actor, Entry, Event, Label, Subject, UniqueKey};
use mediveil_seal::CoreHeader;
use mediveil_seal::ring::ErasureReceipt;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};

/// `log append`.
///
/// Returns when the entry is on the disk. Nothing of a patient belongs into a log: name patients with --subject, which records a
/// pseudonym.
#[derive(Debug, Args)]
pub(crate) struct Append {
    /// The log
    log: PathBuf,
    #[command(subcommand)]
    event: EventArgs,
    /// Who did it: their identity, public or secret
    #[arg(long, value_name = "PUB", global = true)]
    actor: Option<PathBuf>,
    /// The patient it concerns; the log gets a pseudonym
    #[arg(long, value_name = "ID", global = true)]
    subject: Option<String>,
    /// The secret that makes pseudonyms, from `log init --salt`
    #[arg(long, value_name = "FILE", global = true)]
    salt: Option<PathBuf>,
    /// Your own name for the entry, unique in the log: appending again under it records once
    #[arg(long, value_name = "NAME", global = true)]
    key: Option<String>,
}

#[derive(Debug, Subcommand)]
enum EventArgs {
    /// A word of an operator; never about a patient
    Note {
        /// At most 1,024 bytes
        text: String,
    },
    /// A file was sealed
    Sealed {
        /// The sealed file
        file: PathBuf,
    },
    /// Someone tried to open a sealed file
    Accessed {
        /// The sealed file
        file: PathBuf,
        /// The kind of door, such as policy or hpke-p256
        #[arg(long, value_name = "KIND")]
        door: Label,
        /// It stayed shut
        #[arg(long)]
        refused: bool,
        /// What for, such as TREAT or HRESCH
        #[arg(long, value_name = "CODE")]
        purpose: Option<Label>,
        /// The document of the consent that allowed it
        #[arg(long, value_name = "FILE")]
        consent: Option<PathBuf>,
    },
    /// The patient consented
    Consent {
        /// The document; the log gets its digest
        document: PathBuf,
        /// To what, such as TREAT or HRESCH
        #[arg(long, value_name = "CODE")]
        purpose: Label,
        /// To whom; anyone who acts for this purpose if not given
        #[arg(long, value_name = "PUB")]
        grantee: Option<PathBuf>,
        /// Until when; until withdrawn if not given
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
    },
    /// The patient withdrew a consent
    Withdraw {
        /// The document of the consent
        document: PathBuf,
    },
    /// A key version was destroyed
    Erased {
        /// The receipt
        receipt: PathBuf,
    },
}

/// The name of a sealed file in a log, and how many doors it has.
pub(crate) fn sealed_file(path: &Path) -> Result<([u8; 32], u32), Failure> {
    let mut file = File::open(path).map_err(|e| Failure::from(e).at(path))?;
    let (_, core) =
        read_wire::<CoreHeader>(&mut file).map_err(|_| Failure::new(Kind::Damaged, "is not a sealed file").at(path))?;
    let mut file = File::open(path).map_err(|e| Failure::from(e).at(path))?;
    let doors = mediveil_seal::inspect(&mut file).map_err(|e| Failure::from(e).at(path))?.doors.len();
    Ok((Sha256::digest(core).into(), u32::try_from(doors).unwrap_or(u32::MAX)))
}

fn digest(path: &Path) -> Result<[u8; 32], Failure> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(|e| Failure::from(e).at(path))?;
    let mut chunk = [0; 8192];
    loop {
        let n = std::io::Read::read(&mut file, &mut chunk).map_err(|e| Failure::from(e).at(path))?;
        match chunk.get(..n) {
            Some(part) if n > 0 => hasher.update(part),
            _ => return Ok(hasher.finalize().into()),
        }
    }
}

fn actor(path: &Path) -> Result<Actor, Failure> {
    read_public(path).map(|public| Actor::of(public.verifying_key()))
}

impl EventArgs {
    fn event(&self) -> Result<Event, Failure> {
        Ok(match self {
            Self::Note { text } => Event::Note { text: text.clone() },
            Self::Sealed { file } => {
                let (file, doors) = sealed_file(file)?;
                Event::Sealed { file, doors }
            }
            Self::Accessed { file, door, refused, purpose, consent } => Event::Accessed {
                file: sealed_file(file)?.0,
                door: door.clone(),
                opened: !refused,
                purpose: purpose.clone(),
                consent: consent.as_deref().map(digest).transpose()?,
            },
            Self::Consent { document, purpose, grantee, until } => Event::ConsentGranted {
                consent: digest(document)?,
                purpose: purpose.clone(),
                grantee: grantee.as_deref().map(actor).transpose()?,
                until: *until,
            },
            Self::Withdraw { document } => Event::ConsentWithdrawn { consent: digest(document)? },
            Self::Erased { receipt } => Event::Erased { receipt: read_armored::<ErasureReceipt>(receipt)?.encode() },
        })
    }
}

impl Append {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let who = self.actor.as_deref().map(actor).transpose()?.unwrap_or(Actor::SYSTEM);
        let mut entry = Entry::new(global.now(), who, self.event.event()?);
        entry = match (&self.subject, &self.salt) {
            (None, _) => entry,
            (Some(id), Some(salt)) => entry.about(Subject::pseudonym(&read_salt(salt)?, id.as_bytes())),
            (Some(_), None) => {
                return Err(Failure::usage(
                    "a patient needs a pseudonym: name the secret that makes it with --salt FILE",
                ));
            }
        };
        if let Some(key) = &self.key {
            entry = entry.keyed(UniqueKey::of("cli/append", key.as_bytes()));
        }
        let log = open_for_writing(&self.log)?;
        let appended = log.append(&entry).map_err(|e| Failure::from(e).at(&self.log))?;
        let json = json!({ "index": appended.index, "fresh": appended.fresh, "event": entry.event.name() });
        let had = if appended.fresh { "" } else { ", recorded before" };
        let text = format!("{}: entry {}, {}{had}", self.log.display(), appended.index, entry.event.name());
        global.report(false, &json, &text);
        Ok(())
    }
}
