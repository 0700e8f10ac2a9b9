//! `mediveil ring`: key versions, their rotation and their erasure.

use crate::failure::{Failure, Kind};
use crate::files::{PassphraseSource, read_identity, read_public};
use crate::global::Global;
use clap::{Args, Subcommand, ValueEnum};
use mediveil_codec::{Timestamp, Wire, armor};
use mediveil_seal::identity::{IdentityKind, PublicIdentity};
use mediveil_seal::ring::{
    Due, ErasureReceipt, KeyVersion, OwnerRole, Ring, RingError, RingFile, RingFileError, WhenActive,
};
use mediveil_seal::{AtomicFile, Context, Opener, Opening, Recipient, Stanza};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Key rings.
#[derive(Debug, Subcommand)]
pub(crate) enum RingCommand {
    /// Make a ring with its first key
    Init(Init),
    /// Show the versions of a ring, and what is due
    Status(Status),
    /// Write the public identity that files are sealed for now
    Public(Public),
    /// Make a new key; the old one only opens from now on
    Rotate(Rotate),
    /// Destroy a key version for good: what only it opens is lost
    Erase(Erase),
    /// Check a receipt of an erasure
    Receipt(Receipt),
}

/// How a ring is unlocked.
#[derive(Debug, Args)]
pub(crate) struct Unlock {
    /// The ring file
    ring: PathBuf,
    #[command(flatten)]
    keys: RingKeys,
}

/// The keys of a ring's lock.
#[derive(Debug, Args)]
pub(crate) struct RingKeys {
    /// The wrapping file that the ring is bound to
    #[arg(long, value_name = "FILE")]
    wrapping: Option<PathBuf>,
    /// A secret identity that opens the ring's lock
    #[arg(long, value_name = "KEY")]
    unlock: Vec<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

impl RingKeys {
    fn openers(&self) -> Result<Vec<Box<dyn Opener>>, Failure> {
        let mut openers: Vec<Box<dyn Opener>> = Vec::new();
        for path in &self.unlock {
            openers.push(Box::new(read_identity(path, &PassphraseSource::default())?));
        }
        // A ring that no identity opens is opened by a passphrase.
        if self.passphrase.is_asked() || openers.is_empty() {
            openers.push(Box::new(self.passphrase.demand("Passphrase of the ring: ", false)?));
        }
        Ok(openers)
    }
}

impl Unlock {
    fn write(&self) -> Result<RingFile, Failure> {
        let openers = self.keys.openers()?;
        let openers: Vec<&dyn Opener> = openers.iter().map(AsRef::as_ref).collect();
        RingFile::open(&self.ring, &openers, self.keys.wrapping.as_deref()).map_err(|e| Failure::from(e).at(&self.ring))
    }

    fn read(&self) -> Result<Ring, Failure> {
        read_ring(&self.ring, &self.keys)
    }
}

/// Reads a ring without locking it.
fn read_ring(path: &Path, keys: &RingKeys) -> Result<Ring, Failure> {
    let openers = keys.openers()?;
    let openers: Vec<&dyn Opener> = openers.iter().map(AsRef::as_ref).collect();
    RingFile::read(path, &openers, keys.wrapping.as_deref()).map_err(|e| Failure::from(e).at(path))
}

/// A ring as an opener that owns it: for `open --ring`.
pub(crate) struct HeldRing {
    ring: Ring,
    now: Timestamp,
}

impl HeldRing {
    pub(crate) fn read(path: &Path, wrapping: Option<PathBuf>, now: Timestamp) -> Result<Self, Failure> {
        let keys = RingKeys { wrapping, unlock: Vec::new(), passphrase: PassphraseSource::default() };
        Ok(Self { ring: read_ring(path, &keys)?, now })
    }
}

impl Opener for HeldRing {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        self.ring.opener(self.now).open_stanza(stanza, context)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Rotation every 365 days
    Patient,
    /// Rotation every 90 days
    Provider,
    /// Rotation every 30 days
    System,
    /// Keys are refused 24 hours after they were made
    Emergency,
}

impl From<Role> for OwnerRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Patient => Self::Patient,
            Role::Provider => Self::Provider,
            Role::System => Self::System,
            Role::Emergency => Self::Emergency,
        }
    }
}

/// `ring init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The ring file to make
    ring: PathBuf,
    /// Whose keys they are; this sets the rotation
    #[arg(long, value_enum)]
    role: Role,
    /// P-256 keys alone, without X-Wing
    #[arg(long)]
    classic: bool,
    /// Bind the ring to this new file, to be kept elsewhere: without it, an older copy of the ring undoes an erasure
    #[arg(long, value_name = "FILE")]
    wrapping: Option<PathBuf>,
    /// An identity that opens the ring's lock; otherwise a passphrase does
    #[arg(long, value_name = "PUB")]
    owner: Vec<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// `ring status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    unlock: Unlock,
}

/// `ring public`.
#[derive(Debug, Args)]
pub(crate) struct Public {
    #[command(flatten)]
    unlock: Unlock,
    /// Where the public identity goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// `ring rotate`.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    unlock: Unlock,
    /// Do nothing unless the key is due
    #[arg(long)]
    if_due: bool,
}

/// `ring erase`.
///
/// Older copies of a ring that is bound to no wrapping file undo the erasure. Nothing takes back what was read.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    unlock: Unlock,
    /// The version to destroy, as `status` counts them
    #[arg(long, value_name = "N")]
    version: u32,
    /// Why, in one line without patient data; it stands in the receipt
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Where the signed receipt goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Destroy it even if it is the active one
    #[arg(long)]
    active: bool,
}

/// `ring receipt`.
#[derive(Debug, Args)]
pub(crate) struct Receipt {
    /// The receipt
    file: PathBuf,
    /// The custodian's fingerprint, as `status` shows it and as you noted it when the ring was made
    #[arg(long, value_name = "FINGERPRINT")]
    custodian: String,
}

impl From<RingFileError> for Failure {
    fn from(error: RingFileError) -> Self {
        let kind = match &error {
            RingFileError::Locked(_)
            | RingFileError::WrappingNeeded
            | RingFileError::NotBound
            | RingFileError::OlderRing { .. }
            | RingFileError::OlderWrapping { .. }
            | RingFileError::OtherRing
            | RingFileError::Ring(_) => Kind::Refused,
            RingFileError::Tampered => Kind::Damaged,
            _ => Kind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<RingError> for Failure {
    fn from(error: RingError) -> Self {
        Self::new(Kind::Refused, error.to_string())
    }
}

impl RingCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Init(c) => c.run(global),
            Self::Status(c) => c.run(global),
            Self::Public(c) => c.run(global),
            Self::Rotate(c) => c.run(global),
            Self::Erase(c) => c.run(global),
            Self::Receipt(c) => c.run(global),
        }
    }
}

impl Init {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut rng = mediveil_rng::system();
        let owners: Vec<PublicIdentity> = self.owner.iter().map(|p| read_public(p)).collect::<Result<_, _>>()?;
        let mut doors: Vec<Box<dyn Recipient + '_>> = Vec::new();
        for owner in &owners {
            doors.push(Box::new(owner));
        }
        if owners.is_empty() || self.passphrase.is_asked() {
            doors.push(Box::new(self.passphrase.demand("Passphrase of the new ring: ", true)?));
        }
        let doors: Vec<&dyn Recipient> = doors.iter().map(AsRef::as_ref).collect();
        let kind = if self.classic { IdentityKind::P256 } else { IdentityKind::Hybrid };
        let ring = Ring::new(self.role.into(), kind, global.now(), &mut rng)?;
        let ring = RingFile::create(&self.ring, ring, &doors, self.wrapping.as_deref(), &mut rng)
            .map_err(|e| Failure::from(e).at(&self.ring))?;
        let custodian = ring.ring().custodian().fingerprint();
        let text = format!(
            "{}: version 1 is active\ncustodian {custodian} signs the receipts of erasures: note it elsewhere{}",
            self.ring.display(),
            if self.wrapping.is_none() {
                "\nbound to no wrapping file: an older copy of the ring can undo an erasure"
            } else {
                ""
            }
        );
        global.report(false, &json!({ "version": 1, "custodian": custodian, "bound": self.wrapping.is_some() }), &text);
        Ok(())
    }
}

fn due_text(due: &Due) -> String {
    match due {
        Due::Rotate { version, since } => format!("rotate version {version}: due since {since}"),
        Due::Destroy { version, since } => format!("erase version {version}: expired since {since}"),
        Due::NoActiveVersion => "rotate: no version is active, so nothing can be sealed for this ring".into(),
    }
}

impl Status {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let ring = self.unlock.read()?;
        let due = ring.due(global.now());
        let state = |v: &KeyVersion| serde_json::to_value(v.state()).unwrap_or_default();
        let versions: Vec<Value> = ring
            .versions()
            .iter()
            .map(|v| {
                json!({
                    "version": v.number(), "state": state(v), "created": v.created().to_string(),
                    "fingerprint": v.public().fingerprint(),
                })
            })
            .collect();
        let mut text = format!(
            "role       {}\nrotation   every {} days\ncustodian  {}\n",
            serde_json::to_value(ring.role()).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
            ring.policy().rotate_after().as_secs() / 86_400,
            ring.custodian().fingerprint()
        );
        for v in ring.versions() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "version {:<2} {:<13} made {}  {}",
                v.number(),
                state(v).as_str().unwrap_or_default(),
                v.created(),
                v.public().fingerprint()
            );
        }
        for due in &due {
            let _ = writeln!(text, "due        {}", due_text(due));
        }
        let json = json!({
            "role": ring.role(), "policy": ring.policy(), "custodian": ring.custodian().fingerprint(),
            "versions": versions, "due": due,
        });
        global.answer(&json, &text);
        Ok(())
    }
}

impl Public {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let ring = self.unlock.read()?;
        let public = ring.recipient(global.now())?;
        AtomicFile::options()
            .write(&self.out, public.to_key_file().as_bytes())
            .map_err(|e| Failure::from(e).at(&self.out))?;
        let text = format!("{}: identity {}", self.out.display(), public.fingerprint());
        global.report(false, &json!({ "public": self.out, "fingerprint": public.fingerprint() }), &text);
        Ok(())
    }
}

impl Rotate {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut ring = self.unlock.write()?;
        let now = global.now();
        let wanted = ring.ring().due(now).iter().any(|d| matches!(d, Due::Rotate { .. } | Due::NoActiveVersion));
        if self.if_due && !wanted {
            global.report(false, &json!({ "rotated": false }), "not due");
            return Ok(());
        }
        let version = ring.rotate(now, &mut mediveil_rng::system())?;
        let text = format!("version {version} is active; older ones only open");
        global.report(false, &json!({ "rotated": true, "version": version }), &text);
        Ok(())
    }
}

impl Erase {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut ring = self.unlock.write()?;
        // Before the key is gone: a receipt that cannot be written would be lost with it.
        let out =
            AtomicFile::options().keep_existing(true).create(&self.out).map_err(|e| Failure::from(e).at(&self.out))?;
        let when_active = if self.active { WhenActive::Destroy } else { WhenActive::Refuse };
        let receipt = ring.erase(self.version, &self.reason, when_active, global.now(), &mut mediveil_rng::system())?;
        let mut out = out;
        std::io::Write::write_all(&mut out, armor::encode(&receipt).as_bytes())?;
        out.commit().map_err(|e| Failure::from(e).at(&self.out))?;
        let bound = receipt.wrapping_generation().is_some();
        let text = format!(
            "version {} is destroyed; receipt in {}{}",
            self.version,
            self.out.display(),
            if bound { "" } else { "\nthe ring is bound to no wrapping file: destroy its older copies as well" }
        );
        global.report(false, &json!({ "version": self.version, "receipt": self.out, "bound": bound }), &text);
        Ok(())
    }
}

impl Receipt {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let text = crate::files::read_small(&self.file)?;
        let read = if armor::is_armored(&text) { armor::decode(&text) } else { ErasureReceipt::decode(&text) };
        let receipt: ErasureReceipt = read.map_err(|e| Failure::from(e).at(&self.file))?;
        let custodian = *receipt.custodian();
        if custodian.fingerprint() != self.custodian.trim().to_ascii_lowercase() {
            return Err(Failure::new(Kind::Refused, "another custodian signed this receipt").at(&self.file));
        }
        receipt.verify(&custodian).map_err(|e| Failure::from(e).at(&self.file))?;
        let identity: String = receipt.identity().iter().take(16).map(|b| format!("{b:02x}")).collect();
        let json = json!({
            "version": receipt.version(), "identity": identity, "erased": receipt.erased_at().to_string(),
            "reason": receipt.reason(), "bound": receipt.wrapping_generation().is_some(),
        });
        let text = format!(
            "valid: version {} (identity {identity}) was destroyed at {}: {}",
            receipt.version(),
            receipt.erased_at(),
            receipt.reason()
        );
        global.answer(&json, &text);
        Ok(())
    }
}
