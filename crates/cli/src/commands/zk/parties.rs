//! `mediveil zk holder`, `issuer`, `provider` and `table`: who makes what goes into a proof.

use super::{Busy, hex_of, keep, read_file, read_object, write_file};
use crate::commands::identity::public_path;
use crate::failure::{Failure, Kind};
use crate::files::write_armored;
use crate::global::Global;
use clap::{Args, Subcommand};
use mediveil_circuits::forms::{HeldRecord, IssuerRegister, NamedTable, NewSecret, ProviderRegistry};
use mediveil_circuits::gadgets::eddsa::{PublicKey, SigningKey};
use mediveil_circuits::identity::{Holder, HolderSecret};
use mediveil_circuits::statistics::{COLUMNS, MAX_ROWS, Row};
use mediveil_codec::Wire;
use mediveil_record::{Date, Limits, Record};
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A day on the command line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day(pub(super) Date);

impl FromStr for Day {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Date::parse(text).map(Self).ok_or("expected a day such as 2026-11-21")
    }
}

/// Holders.
#[derive(Debug, Subcommand)]
pub(crate) enum HolderCommand {
    /// Make a holder's secret: FILE, and FILE.pub for issuers and providers
    New(NewHolder),
}

/// `holder new`.
///
/// The secret is kept for life: a new one gives other nullifiers, so issuers take it only after a loss.
#[derive(Debug, Args)]
pub(crate) struct NewHolder {
    /// Where the secret goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

impl HolderCommand {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let Self::New(NewHolder { out }) = self;
        let secret = HolderSecret::generate(&mut mediveil_rng::system());
        write_pair(out, &secret, &secret.holder())?;
        let (secret, public) = (out.display().to_string(), public_path(out).display().to_string());
        let text = format!("{secret}: secret\n{public}: public, for issuers and providers");
        global.report(false, &json!({ "secret": secret, "public": public }), &text);
        Ok(())
    }
}

/// Writes both halves, the public one first: a secret never exists without it.
fn write_pair<S: Wire, P: Wire>(out: &Path, secret: &S, public: &P) -> Result<(), Failure> {
    let public_file = public_path(out);
    keep(&[out, &public_file], false)?;
    write_armored(&public_file, public, false, false)?;
    write_armored(out, secret, true, false)
}

/// Issuers.
#[derive(Debug, Subcommand)]
pub(crate) enum IssuerCommand {
    /// Begin a register: FILE, which names persons, and FILE.pub, which is published
    New(NewIssuer),
    /// Issue a person's credential, or renew it
    Issue(Issue),
    /// Take a person's credential out of the registry
    Revoke(Revoke),
}

/// `issuer new`.
#[derive(Debug, Args)]
pub(crate) struct NewIssuer {
    /// What the issuer calls itself
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A role that credentials can have; once for each, up to 64. Their order never changes
    #[arg(long, value_name = "ROLE", required = true)]
    role: Vec<String>,
    /// Where the register goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// `issuer issue`.
///
/// Look at the person and their papers first. The registry that is published changes with every credential, and holders
/// prove under its newest state.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// The issuer's register
    register: PathBuf,
    /// Your name or number for the person: one credential for each
    #[arg(long, value_name = "TEXT")]
    person: String,
    /// The holder's public file
    #[arg(long, value_name = "PUB")]
    holder: PathBuf,
    /// The person's birth date
    #[arg(long, value_name = "DAY")]
    born: Day,
    /// The person's role
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// The last day on which the credential counts
    #[arg(long, value_name = "DAY")]
    expires: Day,
    /// The person lost the secret and comes with a new one: what may be done once can be done once more
    #[arg(long)]
    new_secret: bool,
    /// Where the credential goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

/// `issuer revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The issuer's register
    register: PathBuf,
    /// Your name or number for the person
    #[arg(long, value_name = "TEXT")]
    person: String,
}

/// Holds the register while it is changed, so that no other process does.
fn lock(register: &Path) -> Result<File, Failure> {
    let mut path = register.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let at = |e: std::io::Error| Failure::from(e).at(&path);
    let file = File::options().create(true).append(true).open(&path).map_err(at)?;
    file.lock().map_err(at)?;
    Ok(file)
}

/// Writes the register, then what is published of it: the one can be made from the other.
fn write_register(path: &Path, register: &IssuerRegister, replace: bool) -> Result<String, Failure> {
    let published = register.publish()?;
    write_file(path, &register.encode_secret(), true, replace)?;
    write_file(&public_path(path), &published.encode(), false, replace)?;
    Ok(hex_of(&published.root()))
}

impl IssuerCommand {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::New(new) => new.run(global),
            Self::Issue(issue) => issue.run(global),
            Self::Revoke(revoke) => revoke.run(global),
        }
    }
}

impl NewIssuer {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.out, &public_path(&self.out)], false)?;
        let register = IssuerRegister::new(&self.name, self.role.clone())?;
        let root = write_register(&self.out, &register, false)?;
        let (register, public) = (self.out.display().to_string(), public_path(&self.out).display().to_string());
        let text = format!("{register}: register, personal data\n{public}: registry, to be published\nroot {root}");
        global.report(false, &json!({ "register": register, "registry": public, "root": root }), &text);
        Ok(())
    }
}

impl Issue {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.out], self.force)?;
        let holder: Holder = read_object(&self.holder)?;
        if self.born.0 > self.expires.0 {
            return Err(Failure::usage("the credential would expire before the person's birth"));
        }
        let _lock = lock(&self.register)?;
        let mut register: IssuerRegister = read_object(&self.register)?;
        let secret = if self.new_secret { NewSecret::AfterLoss } else { NewSecret::Refuse };
        let (credential, renewal) =
            register.issue(&self.person, holder, self.born.0, &self.role, self.expires.0, secret)?;
        // A credential without its place in the registry is worth nothing, so it may be there first.
        write_armored(&self.out, &credential, true, self.force)?;
        let root = write_register(&self.register, &register, true)?;
        let (out, public) = (self.out.display().to_string(), public_path(&self.register).display().to_string());
        let (active, revoked) = register.counts();
        let what = if renewal { "renewed" } else { "issued" };
        let text =
            format!("{out}: credential {what}\n{public}: {active} credentials, to be published anew\nroot {root}");
        let json = json!({
            "credential": out, "renewal": renewal, "registry": public, "credentials": active, "revoked": revoked,
            "root": root,
        });
        global.report(false, &json, &text);
        Ok(())
    }
}

impl Revoke {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let _lock = lock(&self.register)?;
        let mut register: IssuerRegister = read_object(&self.register)?;
        register.revoke(&self.person)?;
        let root = write_register(&self.register, &register, true)?;
        let public = public_path(&self.register).display().to_string();
        let (active, revoked) = register.counts();
        let text = format!("{public}: {active} credentials, to be published anew\nroot {root}");
        let json = json!({ "registry": public, "credentials": active, "revoked": revoked, "root": root });
        global.report(false, &json, &text);
        Ok(())
    }
}

/// Providers.
#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// Make a provider's signing key: FILE, and FILE.pub
    New(NewProvider),
    /// Write the registry of accredited providers
    Registry(RegistryArgs),
    /// Commit to a record and sign it for its holder
    Sign(Sign),
}

/// `provider new`.
#[derive(Debug, Args)]
pub(crate) struct NewProvider {
    /// Where the secret key goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// `NAME=FILE`
#[derive(Clone, Debug)]
struct Member {
    name: String,
    key: PathBuf,
}

impl FromStr for Member {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, key) = text.split_once('=').ok_or("expected a name and a public key, such as lab=lab.key.pub")?;
        Ok(Self { name: name.to_owned(), key: key.into() })
    }
}

/// `provider registry`.
///
/// A proof shows that one of these providers signed, not which. A registry with one provider names it.
#[derive(Debug, Args)]
pub(crate) struct RegistryArgs {
    /// A provider's name and public key, such as lab=lab.key.pub; once for each, up to 1,024
    #[arg(long, value_name = "NAME=PUB", required = true)]
    member: Vec<Member>,
    /// Where the registry goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

/// `provider sign`.
///
/// The holder keeps the signed file beside the record. Whoever has both reads the record and can open its values; proofs
/// need the holder's own secret.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The provider's secret key
    key: PathBuf,
    /// The record: a FHIR R4 resource or Bundle in JSON
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
    /// The holder's public file
    #[arg(long, value_name = "PUB")]
    holder: PathBuf,
    /// Where the signed commitments and their secret go
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// A FHIR record in a file.
pub(super) fn read_record(path: &Path) -> Result<Record, Failure> {
    let limits = Limits::default();
    let bytes = read_file(path, limits.bytes)?;
    Record::parse(&bytes, &limits).map_err(|e| Failure::new(Kind::Damaged, e.to_string()).at(path))
}

impl ProviderCommand {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::New(NewProvider { out }) => {
                let key = SigningKey::generate(&mut mediveil_rng::system());
                write_pair(out, &key, &key.public())?;
                let (secret, public) = (out.display().to_string(), public_path(out).display().to_string());
                let text = format!("{secret}: secret signing key\n{public}: public");
                global.report(false, &json!({ "secret": secret, "public": public }), &text);
                Ok(())
            }
            Self::Registry(registry) => registry.run(global),
            Self::Sign(sign) => sign.run(global),
        }
    }
}

impl RegistryArgs {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.out], self.force)?;
        let members = self.member.iter().map(|m| Ok((m.name.clone(), read_object::<PublicKey>(&m.key)?)));
        let registry = ProviderRegistry::new(members.collect::<Result<_, Failure>>()?)?;
        write_armored(&self.out, &registry, false, self.force)?;
        let (out, root) = (self.out.display().to_string(), hex_of(&registry.tree()?.root()));
        let text = format!("{out}: {} providers\nroot {root}", registry.members().len());
        global.report(false, &json!({ "file": out, "providers": registry.members().len(), "root": root }), &text);
        Ok(())
    }
}

impl Sign {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.out], false)?;
        let key: SigningKey = read_object(&self.key)?;
        let holder: Holder = read_object(&self.holder)?;
        let record = read_record(&self.record)?;
        let busy = Busy::new(global, "committing and signing");
        let held = HeldRecord::sign(&key, &record, holder, &mut mediveil_rng::system())
            .map_err(|e| Failure::new(Kind::Damaged, e.to_string()).at(&self.record))?;
        write_file(&self.out, &held.encode_secret(), true, false)?;
        drop(busy);
        let out = self.out.display().to_string();
        let text = format!("{out}: {} resources committed and signed for the holder", held.signed().len());
        global.report(false, &json!({ "file": out, "resources": held.signed().len() }), &text);
        Ok(())
    }
}

/// `table`.
///
/// The first line names one to four columns; cells are whole numbers below 2^32, or empty where there is no value. Scale
/// other values first: 6.4 as 64.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// The rows, as CSV
    csv: PathBuf,
    /// Where rows and salts go; what is published goes to the same name with .pub
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

impl TableArgs {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.out, &public_path(&self.out)], false)?;
        let (columns, rows) = self.read()?;
        let count = rows.len();
        if !(1..=MAX_ROWS).contains(&count) {
            return Err(Failure::usage(format!("a table has 1 to {MAX_ROWS} rows, not {count}")).at(&self.csv));
        }
        let table =
            NamedTable::new(columns, &rows, &mut mediveil_rng::system()).map_err(|e| Failure::from(e).at(&self.csv))?;
        let commitment = table.commitment();
        write_armored(&public_path(&self.out), &commitment, false, false)?;
        write_file(&self.out, &table.encode_secret(), true, false)?;
        let (out, root) = (self.out.display().to_string(), hex_of(&commitment.root()));
        let public = public_path(&self.out).display().to_string();
        let text = format!("{out}: {count} rows and their salts\n{public}: to be published, once\nroot {root}");
        global.report(false, &json!({ "table": out, "public": public, "rows": count, "root": root }), &text);
        Ok(())
    }

    fn read(&self) -> Result<(Vec<String>, Vec<Row>), Failure> {
        let damaged = |what: String| Failure::new(Kind::Damaged, what).at(&self.csv);
        let bytes = read_file(&self.csv, 1 << 20)?;
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let columns: Vec<String> =
            reader.headers().map_err(|e| damaged(e.to_string()))?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for (line, record) in (2_usize..).zip(reader.records()) {
            // The reader's own message may quote a cell.
            let record = record.map_err(|_| damaged(format!("line {line} has another number of cells")))?;
            let mut row: Row = [None; COLUMNS];
            for (cell, text) in row.iter_mut().zip(&record) {
                if !text.is_empty() {
                    let number = text.parse().map_err(|_| {
                        damaged(format!("line {line} has a cell that is neither empty nor a whole number below 2^32"))
                    })?;
                    *cell = Some(number);
                }
            }
            rows.push(row);
        }
        Ok((columns, rows))
    }
}
