//! `mediveil zk`: proofs in zero knowledge.

mod export;
mod inspect;
mod parties;
mod prove;
pub(crate) mod request;
pub(crate) mod seen;
mod setup;
mod verify;

use crate::failure::{Failure, Kind};
use crate::global::Global;
use crate::text::hex;
use clap::{Subcommand, ValueEnum};
use indicatif::ProgressBar;
use mediveil_circuits::identity::Identity;
use mediveil_circuits::record::RecordAuthenticity;
use mediveil_circuits::statistics::Statistics;
use mediveil_codec::{Wire, armor};
use mediveil_record::field::to_bytes;
use mediveil_seal::AtomicFile;
use mediveil_zk::{Fr, KeyError, Origin, Statement, Trust, VerifyingKey, hash_of};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Proofs in zero knowledge.
///
/// A setup makes the keys of a statement, once. An issuer puts credentials in a registry; providers sign records for their
/// holders. A verifier writes a request, the holder proves what it asks, and the verifier learns that it is true and
/// nothing else.
#[derive(Debug, Subcommand)]
pub(crate) enum ZkCommand {
    /// Make small powers of tau (.ptau), for trying things out
    Powers(setup::Powers),
    /// Begin the setup of a statement's keys over powers of tau, or make development keys
    Setup(setup::Setup),
    /// Add a contribution to a setup
    Contribute(setup::Contribute),
    /// End a setup with a public beacon, verify it, and write the keys
    Finalise(setup::Finalise),
    /// Verify every step of a setup, and that keys come from it
    VerifySetup(setup::VerifySetup),
    /// Holders: the secret behind a person's nullifiers
    #[command(subcommand)]
    Holder(parties::HolderCommand),
    /// Issuers: registers of persons, and their credentials
    #[command(subcommand)]
    Issuer(parties::IssuerCommand),
    /// Providers: keys, their registry, and signing records
    #[command(subcommand)]
    Provider(parties::ProviderCommand),
    /// Commit to a table of numbers, for statistics
    Table(parties::TableArgs),
    /// Write down what is to be proved
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Prove what a request asks
    #[command(subcommand)]
    Prove(prove::Prove),
    /// Verify a proof of what a request asked
    #[command(subcommand)]
    Verify(verify::Verify),
    /// Write a Solidity contract that verifies proofs under a key
    ExportSolidity(export::ExportSolidity),
    /// Write a proof or a verifying key as JSON for snarkjs
    ExportSnarkjs(export::ExportSnarkjs),
    /// Show what a file says of itself, verifying nothing
    Inspect(inspect::Inspect),
}

impl ZkCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Powers(c) => c.run(global),
            Self::Setup(c) => c.run(global),
            Self::Contribute(c) => c.run(global),
            Self::Finalise(c) => c.run(global),
            Self::VerifySetup(c) => c.run(global),
            Self::Holder(c) => c.run(global),
            Self::Issuer(c) => c.run(global),
            Self::Provider(c) => c.run(global),
            Self::Table(c) => c.run(global),
            Self::Request(c) => c.run(global),
            Self::Prove(c) => c.run(global),
            Self::Verify(c) => c.run(global),
            Self::ExportSolidity(c) => c.run(global),
            Self::ExportSnarkjs(c) => c.run(global),
            Self::Inspect(c) => c.run(global),
        }
    }
}

/// The statements, by their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatementArg {
    /// A credential of a registry, an age, a role, a nullifier (2^12 powers of tau)
    Identity,
    /// Values of a record that an accredited provider signed (2^14)
    Record,
    /// Count, sum and squares over a committed table, 64 rows at a time (2^16)
    Statistics,
}

impl StatementArg {
    /// The statement with this id.
    fn of(id: &str) -> Result<Self, Failure> {
        let known = [
            (Identity::ID, Self::Identity),
            (RecordAuthenticity::ID, Self::Record),
            (Statistics::ID, Self::Statistics),
        ];
        let found = known.into_iter().find(|(known, _)| known.as_str() == id);
        found
            .map(|(_, arg)| arg)
            .ok_or_else(|| Failure::new(Kind::Damaged, "is for a statement that this version lacks"))
    }
}

/// Runs an expression for the statement type that was named.
macro_rules! for_statement {
    ($arg:expr, $S:ident => $body:expr) => {
        match $arg {
            $crate::commands::zk::StatementArg::Identity => {
                type $S = mediveil_circuits::identity::Identity;
                $body
            }
            $crate::commands::zk::StatementArg::Record => {
                type $S = mediveil_circuits::record::RecordAuthenticity;
                $body
            }
            $crate::commands::zk::StatementArg::Statistics => {
                type $S = mediveil_circuits::statistics::Statistics;
                $body
            }
        }
    };
}
use for_statement;

/// A file, whole, if it is not longer than `max` bytes.
fn read_file(path: &Path, max: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let at = |e: std::io::Error| Failure::from(e).at(path);
    let file = File::open(path).map_err(at)?;
    let expected = usize::try_from(file.metadata().map_err(at)?.len()).unwrap_or(0).min(max);
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected.saturating_add(1)));
    file.take((max as u64).saturating_add(1)).read_to_end(&mut bytes).map_err(at)?;
    if bytes.len() > max {
        return Err(Failure::new(Kind::Damaged, "is longer than such a file can be").at(path));
    }
    Ok(bytes)
}

/// An object in armour or as plain bytes.
fn read_object<T: Wire>(path: &Path) -> Result<T, Failure> {
    // Armour is a third longer, with line ends.
    let bytes = read_file(path, T::MAX_BODY.saturating_mul(3) / 2 + 4096)?;
    let object = if armor::is_armored(&bytes) { armor::decode(&bytes) } else { T::decode(&bytes) };
    object.map_err(|e| Failure::from(e).at(path))
}

/// Writes bytes whole or not at all; replaces nothing unless told to.
fn write_file(path: &Path, bytes: &[u8], secret: bool, replace: bool) -> Result<(), Failure> {
    let options = AtomicFile::options().keep_existing(!replace).private(secret);
    options.write(path, bytes).map_err(|e| Failure::from(e).at(path))
}

/// Refuses to replace what is there.
fn keep(paths: &[&Path], force: bool) -> Result<(), Failure> {
    match paths.iter().find(|path| !force && path.exists()) {
        Some(path) => Err(Failure::new(Kind::Refused, "exists; choose another name, or --force").at(path)),
        None => Ok(()),
    }
}

/// A sign of life on a terminal for as long as it exists.
struct Busy(Option<ProgressBar>);

impl Busy {
    fn new(global: &Global, what: &'static str) -> Self {
        Self(global.shows_progress().then(|| {
            let bar = ProgressBar::new_spinner().with_message(what);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        }))
    }

    fn say(&self, what: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(what);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// An element in hexadecimal, 64 digits.
fn hex_of(element: &Fr) -> String {
    hex(&to_bytes(element))
}

/// 32 bytes in hexadecimal.
fn hex32(text: &str) -> Result<[u8; 32], &'static str> {
    const EXPECTED: &str = "expected 64 hexadecimal digits";
    let mut out = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(EXPECTED);
    }
    for (i, byte) in out.iter_mut().enumerate() {
        let at = i.saturating_mul(2);
        let digits = text.get(at..at.saturating_add(2)).ok_or(EXPECTED)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| EXPECTED)?;
    }
    Ok(out)
}

/// The longest key file.
const MAX_KEY: usize = (1 << 30) + 64;

/// A verifying key and the SHA-256 of its file.
fn read_verifying<S: Statement>(path: &Path, trust: Trust) -> Result<(VerifyingKey<S>, [u8; 32]), Failure> {
    let bytes = read_file(path, MAX_KEY)?;
    let key = VerifyingKey::decode_wire(&bytes, trust).map_err(|e| key_failure(e).at(path))?;
    Ok((key, hash_of(&bytes)))
}

/// Says what to do about a development key.
fn key_failure(error: KeyError) -> Failure {
    match error {
        KeyError::Development => Failure::new(
            Kind::Refused,
            "is a development key: whoever made it can forge proofs. Use the key of a ceremony, or \
             --allow-development to try things out",
        ),
        other => other.into(),
    }
}

/// Where a key comes from, in words.
fn origin_words(origin: Origin) -> String {
    match origin {
        Origin::Development => "development: whoever made it can forge".into(),
        Origin::Ceremony(transcript) => format!("ceremony {}", hex(&transcript)),
    }
}
