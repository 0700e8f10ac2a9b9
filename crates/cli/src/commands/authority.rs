//! `mediveil authority`: who says which attributes a person has.

use crate::commands::identity::public_path;
use crate::failure::{Failure, Kind};
use crate::files::{is_armored, read_armored, read_small, write_armored};
use crate::global::Global;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use mediveil_abe::{Attribute, AttributeKey, AttributeSet, Authority, Granularity, PublicParameters, Schema};
use mediveil_codec::Timestamp;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Authorities.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthorityCommand {
    /// Make an authority: FILE with its master secret, and FILE.pub for everybody who seals
    New(New),
    /// Grant a key for attributes
    Grant(Grant),
    /// Show what an authority, its public parameters or an attribute key says of itself
    Inspect(Inspect),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Epoch {
    /// Expiry to the hour; for authorities that give out emergency keys
    Hours,
    /// Expiry to the day
    Days,
    /// Expiry to the week; the smallest keys and files
    Weeks,
}

impl From<Epoch> for Granularity {
    fn from(epoch: Epoch) -> Self {
        match epoch {
            Epoch::Hours => Self::Hours,
            Epoch::Days => Self::Days,
            Epoch::Weeks => Self::Weeks,
        }
    }
}

const fn epoch_name(granularity: Granularity) -> &'static str {
    match granularity {
        Granularity::Hours => "hours",
        Granularity::Days => "days",
        Granularity::Weeks => "weeks",
    }
}

/// `clearance:4`
#[derive(Clone, Debug)]
struct Integer {
    name: String,
    bits: u8,
}

impl FromStr for Integer {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a name and a width in bits, such as clearance:4";
        let (name, bits) = text.rsplit_once(':').ok_or(EXPECTED)?;
        Ok(Self { name: name.to_owned(), bits: bits.parse().map_err(|_| EXPECTED)? })
    }
}

/// `authority new`.
///
/// Whoever has the secret file opens everything that is sealed under this authority. What it declares is part of it: another
/// declaration is another authority.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Where the master secret goes; the public parameters go to the same name with .pub
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// What the authority calls itself
    #[arg(long, value_name = "NAME", default_value = "authority")]
    name: String,
    /// How finely keys expire
    #[arg(long, value_enum, default_value = "days")]
    epoch: Epoch,
    /// Declare an integer with its width in bits, such as clearance:4; the fewest bits that will do
    #[arg(long, value_name = "NAME:BITS")]
    integer: Vec<Integer>,
    /// Declare a date
    #[arg(long, value_name = "NAME")]
    date: Vec<String>,
    /// Declare an attribute that is for emergencies, such as role:emergency: keys with it live at most 24 hours
    #[arg(long, value_name = "NAME:VALUE")]
    emergency: Vec<Attribute>,
    /// Replace existing files: what was sealed under the old authority is lost
    #[arg(long)]
    force: bool,
}

/// `authority grant`.
///
/// A key expires for what is sealed afterwards. Nothing takes back what it could open before.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("expiry").required(true).args(["until", "emergency", "no_expiry"]))]
pub(crate) struct Grant {
    /// The authority's secret file
    authority: PathBuf,
    /// An attribute of the holder: role:cardiologist, clearance=3 or employed=2026-05-01; once for each
    #[arg(long, short, value_name = "ATTRIBUTE", required = true)]
    attribute: Vec<String>,
    /// The key opens nothing that is sealed from then on
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// The key expires within 24 hours
    #[arg(long)]
    emergency: bool,
    /// The key never expires, and opens only what was sealed with --no-expiry
    #[arg(long)]
    no_expiry: bool,
    /// Where the key goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

/// `authority inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// An authority, its public parameters, or an attribute key
    file: PathBuf,
}

impl AuthorityCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::New(new) => new.run(global),
            Self::Grant(grant) => grant.run(global),
            Self::Inspect(inspect) => inspect.run(global),
        }
    }
}

/// Refuses to replace what is there.
fn keep(path: &Path, force: bool) -> Result<(), Failure> {
    if !force && path.exists() {
        let why = "exists; what only it opens would be lost. Choose another name, or --force";
        return Err(Failure::new(Kind::Refused, why).at(path));
    }
    Ok(())
}

impl New {
    fn schema(&self) -> Result<Schema, mediveil_abe::SchemaError> {
        let schema = self.integer.iter().try_fold(Schema::new(), |s, i| s.integer(&i.name, i.bits))?;
        let schema = self.date.iter().try_fold(schema, |s, name| s.date(name))?;
        self.emergency.iter().try_fold(schema, |s, attribute| s.emergency(attribute.clone()))
    }

    fn run(&self, global: &Global) -> Result<(), Failure> {
        let public = public_path(&self.out);
        keep(&self.out, self.force)?;
        keep(&public, self.force)?;
        let schema = self.schema().map_err(|e| Failure::usage(e.to_string()))?;
        let authority = Authority::create(&self.name, self.epoch.into(), schema, &mut mediveil_rng::system())?;
        // The public file first: a secret never exists without it.
        write_armored(&public, authority.parameters(), false, self.force)?;
        write_armored(&self.out, &authority, true, self.force)?;
        let id = authority.parameters().id().to_string();
        let (secret, public) = (self.out.display().to_string(), public.display().to_string());
        let text = format!("{secret}: master secret, opens everything\n{public}: public\nauthority {id}");
        global.report(false, &json!({ "secret": secret, "public": public, "id": id }), &text);
        Ok(())
    }
}

impl Grant {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&self.out, self.force)?;
        let authority: Authority = read_armored(&self.authority)?;
        let attributes = AttributeSet::parse(self.attribute.iter().map(String::as_str))
            .map_err(|e| Failure::usage(e.to_string()))?;
        let (now, mut rng) = (global.now(), mediveil_rng::system());
        let key = match self.until {
            Some(until) => authority.grant(&attributes, until, now, &mut rng)?,
            None if self.emergency => authority.grant_emergency(&attributes, now, &mut rng)?,
            None => authority.grant_without_expiry(&attributes, &mut rng)?,
        };
        write_armored(&self.out, &key, true, self.force)?;
        let expires = key.expires().map(|e| e.to_string());
        let json = json!({
            "secret": self.out.display().to_string(),
            "authority": key.authority().to_string(),
            "attributes": key.attributes().to_string(),
            "expires": expires,
        });
        let expiry = expires.map_or_else(|| "never expires".into(), |e| format!("expires {e}"));
        let text = format!("{}: a key for {}, {expiry}", self.out.display(), key.attributes());
        global.report(false, &json, &text);
        Ok(())
    }
}

fn describe_schema(schema: &Schema) -> (Value, String) {
    let mut lines = String::new();
    for (name, kind) in schema.numbers() {
        let what = if kind.date { "a date".to_owned() } else { format!("an integer of {} bits", kind.bits) };
        lines.push_str(&format!("declares   {name}, {what}\n"));
    }
    for attribute in schema.emergency_attributes() {
        lines.push_str(&format!("declares   {attribute}, for emergencies\n"));
    }
    let numbers: Vec<Value> =
        schema.numbers().map(|(name, kind)| json!({ "name": name, "bits": kind.bits, "date": kind.date })).collect();
    let emergency: Vec<String> = schema.emergency_attributes().map(ToString::to_string).collect();
    (json!({ "numbers": numbers, "emergency": emergency }), lines)
}

fn describe_parameters(what: &str, parameters: &PublicParameters) -> (Value, String) {
    let (schema, lines) = describe_schema(parameters.schema());
    let epochs = epoch_name(parameters.granularity());
    let (id, name) = (parameters.id().to_string(), parameters.name());
    let text = format!("{what}\nname       {}\nid         {id}\nepochs     {epochs}\n{lines}", name.escape_debug());
    (json!({ "kind": what, "name": name, "id": id, "epochs": epochs, "declares": schema }), text)
}

fn describe_key(key: &AttributeKey) -> (Value, String) {
    let epochs = epoch_name(key.granularity());
    let expires = key.expires().map(|e| e.to_string());
    let json = json!({
        "kind": "attribute key",
        "authority": key.authority().to_string(),
        "attributes": key.attributes().to_string(),
        "epochs": epochs,
        "expires": expires,
    });
    let expires = expires.unwrap_or_else(|| "never; opens only what was sealed with --no-expiry".into());
    let text = format!(
        "attribute key\nauthority  {}\nattributes {}\nexpires    {expires}\n",
        key.authority(),
        key.attributes()
    );
    (json, text)
}

impl Inspect {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let bytes = Zeroizing::new(read_small(&self.file)?);
        let (json, text) = if is_armored::<AttributeKey>(&bytes) {
            describe_key(&read_armored(&self.file)?)
        } else if is_armored::<Authority>(&bytes) {
            describe_parameters("authority with its master secret", read_armored::<Authority>(&self.file)?.parameters())
        } else if is_armored::<PublicParameters>(&bytes) {
            describe_parameters("public parameters of an authority", &read_armored(&self.file)?)
        } else {
            let what = "is not an authority, its public parameters or an attribute key";
            return Err(Failure::new(Kind::Damaged, what).at(&self.file));
        };
        global.answer(&json, &text);
        Ok(())
    }
}
