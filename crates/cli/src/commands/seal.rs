//! `mediveil seal`.

use crate::commands::policy::PolicyDoorArgs;
use crate::commands::recover::{CommitteeDoor, CommitteeDoorArgs};
use crate::failure::{Failure, Kind};
use crate::files::{Input, Output, PassphraseSource, read_identity, read_public};
use crate::global::Global;
use clap::{Args, ValueEnum};
use mediveil_abe::PolicyRecipient;
use mediveil_codec::Timestamp;
use mediveil_seal::identity::{Identity, PublicIdentity};
use mediveil_seal::{Hinted, Passphrase, Recipient, Sealer, Suite};
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;

/// `seal`.
#[derive(Debug, Args)]
pub(crate) struct Seal {
    /// What to seal; stdin if it is - or missing
    file: Option<PathBuf>,
    /// Where the sealed file goes; stdout if it is - or missing
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A reader's public identity; give it once for each reader
    #[arg(long, value_name = "PUB")]
    to: Vec<PathBuf>,
    #[command(flatten)]
    policy: PolicyDoorArgs,
    #[command(flatten)]
    committee: CommitteeDoorArgs,
    #[command(flatten)]
    passphrase: PassphraseSource,
    /// Put a hint of the reader's key at each door: quicker to open among many, but it links files of one reader
    #[arg(long)]
    hint: bool,
    /// Sign as this author; readers see and can prove who wrote it
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Public words in the header, such as a purpose; authenticated, never secret
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
    /// How the content is encrypted
    #[arg(long, value_enum, default_value = "chacha20-poly1305")]
    suite: SuiteArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SuiteArg {
    /// ChaCha20-Poly1305
    #[value(name = "chacha20-poly1305")]
    ChaCha,
    /// AES-256-GCM
    #[value(name = "aes-256-gcm")]
    Aes,
}

impl From<SuiteArg> for Suite {
    fn from(arg: SuiteArg) -> Self {
        match arg {
            SuiteArg::ChaCha => Self::ChaCha20Poly1305,
            SuiteArg::Aes => Self::Aes256Gcm,
        }
    }
}

/// The readers named on a command line.
pub(crate) struct Readers {
    identities: Vec<PublicIdentity>,
    passphrase: Option<Passphrase>,
    hint: bool,
    policy: Option<PolicyRecipient>,
    committee: Option<CommitteeDoor>,
}

impl Readers {
    pub(crate) fn read(to: &[PathBuf], passphrase: &PassphraseSource, hint: bool) -> Result<Self, Failure> {
        let identities = to.iter().map(|path| read_public(path)).collect::<Result<_, _>>()?;
        Ok(Self { identities, passphrase: passphrase.get(true)?, hint, policy: None, committee: None })
    }

    /// These readers and those of a policy, if one is given.
    pub(crate) fn and_policy(self, policy: &PolicyDoorArgs, now: Timestamp) -> Result<Self, Failure> {
        Ok(Self { policy: policy.recipient(now)?, ..self })
    }

    /// These readers and a committee, if one is given.
    pub(crate) fn and_committee(self, committee: &CommitteeDoorArgs) -> Result<Self, Failure> {
        Ok(Self { committee: committee.door()?, ..self })
    }

    pub(crate) fn recipients(&self) -> Vec<Box<dyn Recipient + '_>> {
        let mut all: Vec<Box<dyn Recipient + '_>> = Vec::new();
        for identity in &self.identities {
            let key = identity.preferred_sealing_key();
            all.push(if self.hint { Box::new(Hinted(key)) } else { Box::new(key.clone()) });
        }
        if let Some(passphrase) = &self.passphrase {
            all.push(Box::new(passphrase));
        }
        if let Some(policy) = &self.policy {
            all.push(Box::new(policy));
        }
        if let Some(committee) = &self.committee {
            all.push(Box::new(committee.recipient()));
        }
        all
    }
}

impl Seal {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let others = self.passphrase.is_asked() || self.policy.is_asked() || self.committee.is_asked();
        if self.to.is_empty() && !others {
            let how = "for whom? name a reader with --to PUB, or use --policy, --committee or --passphrase";
            return Err(Failure::usage(how));
        }
        let readers = Readers::read(&self.to, &self.passphrase, self.hint)?.and_policy(&self.policy, global.now())?;
        let readers = readers.and_committee(&self.committee)?;
        let author: Option<Identity> =
            self.sign.as_deref().map(|path| read_identity(path, &PassphraseSource::default())).transpose()?;
        let recipients = readers.recipients();
        let mut sealer = Sealer::new().suite(self.suite.into());
        if let Some(context) = &self.context {
            sealer = sealer.context(context.as_bytes())?;
        }
        for recipient in &recipients {
            sealer = sealer.to(recipient.as_ref());
        }
        if let Some(author) = &author {
            sealer = sealer.author(author.signing_key());
        }
        let mut input = Input::open(self.file.as_deref(), global)?;
        let mut out = Output::create(self.out.as_deref(), true)?;
        let stdout = out.is_stdout();
        let expected = input.len;
        let bytes = sealer.copy(&mut input.by_ref(), &mut out, &mut mediveil_rng::system())?;
        if expected.is_some_and(|expected| expected != bytes) {
            return Err(Failure::new(Kind::Failed, "the input changed while it was read; nothing was written"));
        }
        out.commit()?;
        let json = json!({ "bytes": bytes, "doors": recipients.len(), "signed": author.is_some() });
        let doors = if recipients.len() == 1 { "one reader".into() } else { format!("{} readers", recipients.len()) };
        let to = self.out.as_ref().map_or_else(|| "stdout".into(), |p| p.display().to_string());
        global.report(stdout, &json, &format!("{to}: {bytes} bytes sealed for {doors}"));
        Ok(())
    }
}
