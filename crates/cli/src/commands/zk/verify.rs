//! `mediveil zk verify`.

use super::prove::{nullifier_words, stated};
use super::request::{read_identity, read_record, read_statistics};
use super::{Busy, origin_words, read_object, read_verifying, seen};
use crate::failure::{Failure, Kind};
use crate::global::Global;
use crate::text::hex;
use clap::{ArgGroup, Args, Subcommand};
use mediveil_circuits::Statement;
use mediveil_circuits::forms::{CredentialRegistry, ProviderRegistry, TableCommitment};
use mediveil_circuits::identity::Identity;
use mediveil_circuits::record::RecordAuthenticity;
use mediveil_circuits::statistics::Statistics;
use mediveil_zk::forms::{ClaimRequest, StatisticsAnswer};
use mediveil_zk::{Fr, Origin, ProofFile, Scope, Trust, VerifyError, VerifyingKey};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Verifying.
#[derive(Debug, Subcommand)]
pub(crate) enum Verify {
    /// Verify a proof of who somebody is
    Identity(IdentityArgs),
    /// Verify a proof of what a record says
    Record(RecordArgs),
    /// Verify totals over a table
    Statistics(StatisticsArgs),
}

/// What every verification needs.
#[derive(Debug, Args)]
struct Common {
    /// The proof
    proof: PathBuf,
    /// The verifying key
    #[arg(long, value_name = "VK")]
    key: PathBuf,
    /// Your own request, as you wrote it
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Take a development key, under which whoever made it can forge: for trying things out
    #[arg(long)]
    allow_development: bool,
}

impl Common {
    fn key<S: Statement>(&self) -> Result<(VerifyingKey<S>, [u8; 32]), Failure> {
        let trust = if self.allow_development { Trust::Development } else { Trust::CeremonyOnly };
        read_verifying(&self.key, trust)
    }

    /// Reports acceptance.
    fn accept<S: Statement>(
        &self,
        key: &(VerifyingKey<S>, [u8; 32]),
        facts: &[(&str, Value, String)],
        global: &Global,
    ) {
        let origin = key.0.origin();
        let mut json = json!({
            "accepted": true, "statement": S::ID.as_str(), "key_sha256": hex(&key.1), "key_origin": origin_words(origin),
        });
        let mut text = format!("accepted   {}\n", S::ID);
        for (name, value, words) in facts {
            if let Some(json) = json.as_object_mut() {
                json.insert((*name).into(), value.clone());
            }
            text.push_str(&format!("{name:<10} {words}\n"));
        }
        text.push_str(&format!("key        {}, {}\n", hex(&key.1), origin_words(origin)));
        if origin == Origin::Development {
            text.push_str("(whoever made this key could have forged the proof)\n");
        }
        global.answer(&json, &text);
    }
}

/// Whether a nullifier is new.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("store").required(true).args(["seen", "no_seen"]))]
struct Store {
    /// The nullifiers seen so far, one file for a verifier: a second proof of one person in one scope is refused. The
    /// nullifier is on the disk before the proof is accepted
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
    /// Do not look at earlier nullifiers: whoever has the proof can show it again
    #[arg(long)]
    no_seen: bool,
}

impl Store {
    fn record(&self, scope: &Scope, nullifier: &Fr) -> Result<(), Failure> {
        self.seen.as_deref().map_or(Ok(()), |path| seen::record(path, scope, nullifier))
    }

    const fn words(&self) -> &'static str {
        if self.seen.is_some() { "new in this scope, and recorded" } else { "not compared with earlier ones" }
    }
}

/// `verify identity`.
#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    store: Store,
    /// The issuer's published registry, from a source that you trust
    #[arg(long, value_name = "FILE")]
    registry: PathBuf,
}

/// `verify record`.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    store: Store,
    /// The registry of accredited providers, from a source that you trust
    #[arg(long, value_name = "FILE")]
    providers: PathBuf,
}

/// `verify statistics`.
#[derive(Debug, Args)]
pub(crate) struct StatisticsArgs {
    #[command(flatten)]
    common: Common,
    /// The published commitment to the table, as you had it before you asked
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
}

impl Verify {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Identity(args) => args.run(global),
            Self::Record(args) => args.run(global),
            Self::Statistics(args) => args.run(global),
        }
    }
}

/// Verifies a proof file against the public part that the verifier made itself, and says what differs.
fn check<S: Statement>(
    file: &ProofFile,
    public: &S::Public,
    names: &[&str],
    key: &VerifyingKey<S>,
) -> Result<(), Failure> {
    if file.statement() != S::ID.as_str() {
        return Err(VerifyError::OtherStatement.into());
    }
    let expected = S::inputs(public);
    let differs = file.inputs().iter().zip(&expected).position(|(found, expected)| found != expected);
    if let Some(place) = differs {
        let what = names.get(place).or(names.last()).copied().unwrap_or("public input");
        return Err(Failure::new(Kind::Refused, format!("this proof is for another {what} than the request's")));
    }
    let proof = file.proof_of::<S>(public)?;
    Ok(key.verify(public, &proof)?)
}

fn read_proof(common: &Common, statement: &str) -> Result<ProofFile, Failure> {
    let file: ProofFile = read_object(&common.proof)?;
    if file.statement() == statement {
        Ok(file)
    } else {
        Err(Failure::from(VerifyError::OtherStatement).at(&common.proof))
    }
}

/// Places of the nullifier among the public inputs.
const IDENTITY_NULLIFIER: usize = 1;
const RECORD_NULLIFIER: usize = 3;

impl IdentityArgs {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let request = read_identity(&self.common.request)?;
        let file = read_proof(&self.common, Identity::ID.as_str())?;
        let registry: CredentialRegistry = read_object(&self.registry)?;
        let key = self.common.key::<Identity>()?;
        let nullifier = stated(&file, IDENTITY_NULLIFIER, &self.common.proof)?;
        let public = request.public(&registry, nullifier)?;
        let names = ["registry", "nullifier", "scope", "challenge", "birth date, day or set of roles"];
        check::<Identity>(&file, &public, &names, &key.0).map_err(|e| e.at(&self.common.proof))?;
        self.store.record(&request.scope(), &nullifier).map_err(|e| e.at(&self.common.proof))?;
        let roles = if request.roles.is_empty() { registry.roles().to_vec() } else { request.roles.clone() };
        let born = request.born_before.clone();
        let facts = [
            (
                "registry",
                json!(registry.name()),
                format!("{}, {} credentials", registry.name(), registry.credentials()),
            ),
            ("born", json!({ "before": born }), format!("before {born}")),
            ("role", json!(roles), format!("one of {}", roles.join(", "))),
            ("scope", json!(request.scope), request.scope.clone()),
            ("nullifier", json!(nullifier_words(&nullifier)), nullifier_words(&nullifier)),
            ("seen", json!(self.store.words()), self.store.words().into()),
        ];
        self.common.accept(&key, &facts, global);
        Ok(())
    }
}

impl RecordArgs {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let request = read_record(&self.common.request)?;
        let file = read_proof(&self.common, RecordAuthenticity::ID.as_str())?;
        let providers: ProviderRegistry = read_object(&self.providers)?;
        let key = self.common.key::<RecordAuthenticity>()?;
        let nullifier = stated(&file, RECORD_NULLIFIER, &self.common.proof)?;
        let public = request.public(&providers, nullifier)?;
        let names = ["registry of providers", "challenge", "scope", "nullifier", "set of claims"];
        check::<RecordAuthenticity>(&file, &public, &names, &key.0).map_err(|e| e.at(&self.common.proof))?;
        self.store.record(&request.scope(), &nullifier).map_err(|e| e.at(&self.common.proof))?;
        let claims: Vec<String> = request.claims.iter().map(ClaimRequest::to_string).collect();
        let signers: Vec<&str> = providers.members().iter().map(|(name, _)| name.as_str()).collect();
        let facts = [
            ("claims", json!(claims), claims.join("; ")),
            ("signed", json!({ "by_one_of": signers }), format!("by one of {}", signers.join(", "))),
            ("scope", json!(request.scope), request.scope.clone()),
            ("nullifier", json!(nullifier_words(&nullifier)), nullifier_words(&nullifier)),
            ("seen", json!(self.store.words()), self.store.words().into()),
        ];
        self.common.accept(&key, &facts, global);
        Ok(())
    }
}

impl StatisticsArgs {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        let request = read_statistics(&self.common.request)?;
        let answer: StatisticsAnswer = read_object(&self.common.proof)?;
        let table: TableCommitment = read_object(&self.table)?;
        let query = request.query(&table)?;
        let key = self.common.key::<Statistics>()?;
        let busy = Busy::new(global, "verifying");
        let totals = answer
            .verify(&key.0, &table, &query, &mut mediveil_rng::system())
            .map_err(|e| Failure::from(e).at(&self.common.proof))?;
        drop(busy);
        let filter: Vec<String> =
            request.filter.iter().map(|(name, [low, high])| format!("{name} {low}..{high}")).collect();
        let all = format!("{} rows of the table", table.rows());
        let mean = mean(totals.sum, totals.count);
        let facts = [
            ("column", json!(request.column), request.column.clone()),
            ("where", json!(request.filter), if filter.is_empty() { all } else { filter.join(", ") }),
            ("count", json!(totals.count), totals.count.to_string()),
            // Sums go beyond what JSON's readers hold exactly.
            ("sum", json!(totals.sum.to_string()), totals.sum.to_string()),
            ("squares", json!(totals.squares.to_string()), totals.squares.to_string()),
            ("mean", json!(mean), mean.clone().unwrap_or_else(|| "none: no row counts".into())),
        ];
        self.common.accept(&key, &facts, global);
        Ok(())
    }
}

/// sum / count with four decimals, rounded down.
fn mean(sum: u128, count: u64) -> Option<String> {
    let scaled = sum.checked_mul(10_000)?.checked_div(count.into())?;
    Some(format!("{}.{:04}", scaled / 10_000, scaled % 10_000))
}
