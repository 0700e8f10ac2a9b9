//! `mediveil identity`: the keys of one person, practice or service.

use crate::failure::{Failure, Kind};
use crate::files::{Output, PassphraseSource, read_identity, read_public, read_small};
use crate::global::Global;
use clap::{Args, Subcommand, ValueEnum};
use mediveil_seal::AtomicFile;
use mediveil_seal::identity::{EcdhKey, IdentityKind, PublicIdentity, SealingKem, SigningKey};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Identities.
#[derive(Debug, Subcommand)]
pub(crate) enum Identity {
    /// Make an identity: FILE for its owner alone, and FILE.pub for everybody
    New(New),
    /// Show the public half of an identity, in a format of your choice
    Show(Show),
    /// Write one key of an identity for other tools
    Export(Export),
    /// Make an identity of keys from other tools
    Import(Import),
}

/// What the keys are made of.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArg {
    /// P-256 alone
    Classic,
    /// P-256 and X-Wing (X25519 with ML-KEM-768): sealed files stay closed to quantum computers
    Hybrid,
}

/// `identity new`.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Where the secret identity goes; the public one goes to the same name with .pub
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// What the keys are made of
    #[arg(long, value_enum, default_value = "hybrid")]
    kind: KindArg,
    /// Replace existing files: what only they could open is lost
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// `identity show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A secret or public identity
    file: PathBuf,
    /// How to show it
    #[arg(long, value_enum, default_value = "text")]
    format: ShowFormat,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ShowFormat {
    /// Names and fingerprints
    Text,
    /// The public identity as a key file
    Key,
    /// Its signing and P-256 sealing keys as SPKI PEM, in this order
    Pem,
    /// The same two keys as a JWK set
    Jwk,
}

/// Which key of an identity.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// The key that signs
    Signing,
    /// The P-256 key that files are sealed for
    Sealing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// PKCS#8 PEM; with a passphrase, encrypted
    Pkcs8,
    /// A private JWK
    Jwk,
}

/// `identity export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The secret identity
    file: PathBuf,
    /// Which of its keys
    #[arg(long, value_enum)]
    key: Part,
    /// In which format
    #[arg(long, value_enum, default_value = "pkcs8")]
    format: ExportFormat,
    /// Where it goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// `identity import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The signing key: PKCS#8 PEM or a private JWK
    #[arg(long, value_name = "FILE")]
    signing: PathBuf,
    /// The sealing key, another one than the signing key
    #[arg(long, value_name = "FILE")]
    sealing: PathBuf,
    /// Where the secret identity goes; the public one goes to the same name with .pub
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Replace existing files: what only they could open is lost
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
}

impl Identity {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::New(new) => new.run(global),
            Self::Show(show) => show.run(global),
            Self::Export(export) => export.run(global),
            Self::Import(import) => import.run(global),
        }
    }
}

/// `alice.key` -> `alice.key.pub`.
pub(crate) fn public_path(secret: &Path) -> PathBuf {
    let mut name = secret.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// Writes both halves. The public one first: a secret key never exists without it.
pub(crate) fn write_pair(
    out: &Path,
    identity: &mediveil_seal::identity::Identity,
    passphrase: &PassphraseSource,
    force: bool,
) -> Result<(), Failure> {
    let public = public_path(out);
    if !force {
        for path in [out, &public] {
            if path.exists() {
                let why = "exists; what only it opens would be lost. Choose another name, or --force";
                return Err(Failure::new(Kind::Refused, why).at(path));
            }
        }
    }
    let text = identity.to_key_file(passphrase.get(true)?.as_ref(), &mut mediveil_rng::system())?;
    let options = AtomicFile::options().keep_existing(!force);
    options.write(&public, identity.public().to_key_file().as_bytes()).map_err(|e| Failure::from(e).at(&public))?;
    options.private(true).write(out, text.as_bytes()).map_err(|e| Failure::from(e).at(out))
}

fn describe(identity: &PublicIdentity) -> (serde_json::Value, String) {
    let kind = if identity.is_hybrid() { "hybrid" } else { "classic" };
    let fingerprint = |kem| identity.sealing_key(kem).map(mediveil_seal::identity::SealingPublicKey::fingerprint);
    let json = json!({
        "fingerprint": identity.fingerprint(),
        "kind": kind,
        "signing": { "algorithm": "ECDSA P-256", "fingerprint": identity.verifying_key().fingerprint() },
        "sealing": { "algorithm": "DHKEM(P-256, HKDF-SHA256)", "fingerprint": fingerprint(SealingKem::P256) },
        "sealing_hybrid": fingerprint(SealingKem::XWing).map(|f| json!({ "algorithm": "X-Wing", "fingerprint": f })),
    });
    let mut text = format!(
        "identity        {} ({kind})\nsigning key     ECDSA P-256                {}\n",
        identity.fingerprint(),
        identity.verifying_key().fingerprint()
    );
    for (kem, name) in [(SealingKem::P256, "DHKEM(P-256, HKDF-SHA256)"), (SealingKem::XWing, "X-Wing")] {
        if let Some(fingerprint) = fingerprint(kem) {
            text.push_str(&format!("sealing key     {name:<26} {fingerprint}\n"));
        }
    }
    (json, text)
}

impl New {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let kind = match self.kind {
            KindArg::Classic => IdentityKind::P256,
            KindArg::Hybrid => IdentityKind::Hybrid,
        };
        let identity = mediveil_seal::identity::Identity::generate(kind, &mut mediveil_rng::system())?;
        write_pair(&self.out, &identity, &self.passphrase, self.force)?;
        let fingerprint = identity.public().fingerprint();
        let (secret, public) = (self.out.display().to_string(), public_path(&self.out).display().to_string());
        let text = format!("{secret}: secret, for its owner alone\n{public}: public\nidentity {fingerprint}");
        global.report(false, &json!({ "secret": secret, "public": public, "fingerprint": fingerprint }), &text);
        Ok(())
    }
}

impl Show {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let identity = match read_public(&self.file) {
            Ok(public) => public,
            // A sealed secret identity needs its passphrase even for its public half.
            Err(_) => read_identity(&self.file, &self.passphrase)?.public().clone(),
        };
        match self.format {
            ShowFormat::Text => {
                let (json, text) = describe(&identity);
                global.answer(&json, &text);
            }
            ShowFormat::Key => global.answer(&json!({ "key": identity.to_key_file() }), &identity.to_key_file()),
            ShowFormat::Pem => {
                let pem = identity.verifying_key().to_spki_pem()? + &identity.ecdh_key().to_spki_pem()?;
                global.answer(&json!({ "pem": pem }), &pem);
            }
            ShowFormat::Jwk => {
                let parse = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
                let set = json!({ "keys": [
                    parse(identity.verifying_key().to_jwk()),
                    parse(identity.ecdh_key().to_jwk()),
                ]});
                global.answer(&set, &format!("{set:#}"));
            }
        }
        Ok(())
    }
}

impl Export {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let identity = read_identity(&self.file, &PassphraseSource::default())?;
        let text = match self.format {
            ExportFormat::Jwk if self.passphrase.is_asked() => {
                return Err(Failure::usage("a JWK has no passphrase; export PKCS#8 instead"));
            }
            ExportFormat::Jwk => match self.key {
                Part::Signing => identity.signing_key().to_jwk(),
                Part::Sealing => identity.ecdh_key().to_jwk(),
            },
            ExportFormat::Pkcs8 => match (self.passphrase.text(true)?, self.key) {
                (None, Part::Signing) => identity.signing_key().to_pkcs8_pem()?,
                (None, Part::Sealing) => identity.ecdh_key().to_pkcs8_pem()?,
                (Some(p), Part::Signing) => {
                    identity.signing_key().to_encrypted_pkcs8_pem(p.as_bytes(), &mut mediveil_rng::system())?
                }
                (Some(p), Part::Sealing) => {
                    identity.ecdh_key().to_encrypted_pkcs8_pem(p.as_bytes(), &mut mediveil_rng::system())?
                }
            },
        };
        if crate::files::is_dash(&self.out) {
            let mut out = Output::create(None, false)?;
            out.write_all(text.as_bytes())?;
            out.commit()?;
        } else {
            AtomicFile::options()
                .private(true)
                .write(&self.out, text.as_bytes())
                .map_err(|e| Failure::from(e).at(&self.out))?;
        }
        let out = self.out.display().to_string();
        global.report(crate::files::is_dash(&self.out), &json!({ "secret": out }), &format!("{out}: a secret key"));
        Ok(())
    }
}

impl Import {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let passphrase = self.passphrase.text(false)?;
        let passphrase = passphrase.as_ref().map(|p| p.as_bytes());
        let signing = foreign(&self.signing, |text| {
            if text.trim_start().starts_with('{') {
                SigningKey::from_jwk(text)
            } else {
                SigningKey::from_pkcs8_pem(text, passphrase)
            }
        })?;
        let sealing = foreign(&self.sealing, |text| {
            if text.trim_start().starts_with('{') {
                EcdhKey::from_jwk(text)
            } else {
                EcdhKey::from_pkcs8_pem(text, passphrase)
            }
        })?;
        let identity = mediveil_seal::identity::Identity::from_keys(signing, sealing, None)?;
        write_pair(&self.out, &identity, &self.passphrase, self.force)?;
        let fingerprint = identity.public().fingerprint();
        let text = format!("{}: identity {fingerprint}", self.out.display());
        global.report(false, &json!({ "secret": self.out, "fingerprint": fingerprint }), &text);
        Ok(())
    }
}

/// Reads a key of another tool.
fn foreign<K>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<K, mediveil_seal::identity::KeyError>,
) -> Result<K, Failure> {
    let bytes = Zeroizing::new(read_small(path)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::new(Kind::Damaged, "is not text").at(path))?;
    parse(text).map_err(|e| Failure::from(e).at(path))
}
