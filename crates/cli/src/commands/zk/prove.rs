//! `mediveil zk prove`.

use super::parties::read_record as read_fhir;
use super::{Busy, MAX_KEY, hex_of, hex32, keep, read_file, read_object, request, write_file};
use crate::failure::{Failure, Kind};
use crate::global::Global;
use crate::text::hex;
use clap::{Args, Subcommand};
use mediveil_circuits::Statement;
use mediveil_circuits::forms::{CredentialRegistry, HeldRecord, NamedTable, ProviderRegistry};
use mediveil_circuits::identity::{Credential, HolderSecret, Identity, IdentityWitness};
use mediveil_circuits::record::{RecordAuthenticity, RecordPublic, RecordWitness};
use mediveil_circuits::statistics::{CHUNK, Statistics};
use mediveil_codec::Wire;
use mediveil_record::{CommittedResource, LeafValue};
use mediveil_zk::forms::{ClaimRequest, Literal, RecordRequest, StatisticsAnswer};
use mediveil_zk::{Origin, ProofFile, ProvingKey, Trust, hash_of};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Proving.
#[derive(Debug, Subcommand)]
pub(crate) enum Prove {
    /// Prove who you are
    Identity(IdentityArgs),
    /// Prove what your record says
    Record(RecordArgs),
    /// Prove what the rows of your table add up to
    Statistics(StatisticsArgs),
}

/// What every proof needs.
#[derive(Debug, Args)]
struct Common {
    /// The proving key
    #[arg(long, value_name = "PK")]
    key: PathBuf,
    /// The SHA-256 of the proving key's file, if you know it: then its points need not be checked, which takes most of the time
    #[arg(long, value_name = "HEX", value_parser = hex32)]
    key_sha256: Option<[u8; 32]>,
    /// What the verifier asks
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Where the proof goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

impl Common {
    fn key<S: Statement>(&self, global: &Global) -> Result<ProvingKey<S>, Failure> {
        let _busy = Busy::new(global, "reading and checking the proving key");
        let bytes = read_file(&self.key, MAX_KEY)?;
        // A prover's secrets do not depend on who made a key whose points are in their groups.
        match &self.key_sha256 {
            None => ProvingKey::decode_wire(&bytes, Trust::Development),
            Some(sha256) => ProvingKey::decode_pinned(&bytes, sha256, Trust::Development),
        }
        .map_err(|e| Failure::from(e).at(&self.key))
    }

    fn done<S: Statement>(&self, key: &ProvingKey<S>, bytes: &[u8], global: &Global) -> Result<(), Failure> {
        write_file(&self.out, bytes, false, self.force)?;
        let out = self.out.display().to_string();
        let development = key.verifying().origin() == Origin::Development;
        let note = if development { "\n(under a development key, which verifiers refuse by default)" } else { "" };
        let json = json!({
            "file": out, "statement": S::ID.as_str(), "bytes": bytes.len(), "sha256": hex(&hash_of(bytes)),
            "development_key": development,
        });
        global.report(false, &json, &format!("{out}: proof of {}, {} bytes{note}", S::ID, bytes.len()));
        Ok(())
    }
}

/// `prove identity`.
#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    #[command(flatten)]
    common: Common,
    /// Your holder's secret
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// Your credential
    #[arg(long, value_name = "FILE")]
    credential: PathBuf,
    /// The issuer's published registry, as the verifier has it
    #[arg(long, value_name = "FILE")]
    registry: PathBuf,
}

/// `prove record`.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    common: Common,
    /// Your holder's secret
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// The record: a FHIR R4 resource or Bundle in JSON
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
    /// The signed commitments that the provider gave you with it
    #[arg(long, value_name = "FILE")]
    held: PathBuf,
    /// The registry of providers, as the verifier has it
    #[arg(long, value_name = "FILE")]
    providers: PathBuf,
    /// The resource of the Bundle, from 0; the first that fits unless given
    #[arg(long, value_name = "N")]
    resource: Option<usize>,
}

/// `prove statistics`.
///
/// The answer opens exact totals. Who may see them is for you to decide; what is published belongs under differential privacy.
#[derive(Debug, Args)]
pub(crate) struct StatisticsArgs {
    #[command(flatten)]
    common: Common,
    /// The table with its salts
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
}

impl Prove {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Identity(args) => args.run(global),
            Self::Record(args) => args.run(global),
            Self::Statistics(args) => args.run(global),
        }
    }
}

impl IdentityArgs {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.common.out], self.common.force)?;
        let request = request::read_identity(&self.common.request)?;
        let secret: HolderSecret = read_object(&self.secret)?;
        let credential: Credential = read_object(&self.credential)?;
        let registry: CredentialRegistry = read_object(&self.registry)?;
        if credential.holder != secret.holder() {
            return Err(Failure::new(Kind::Refused, "belongs to another holder's secret").at(&self.credential));
        }
        let path = registry.path_of(&credential).ok_or_else(|| {
            let why = "is not in this registry: it was renewed or revoked, or the registry is an old one";
            Failure::new(Kind::Refused, why).at(&self.credential)
        })?;
        let public = request.public(&registry, secret.nullifier(request.scope()))?;
        let witness = IdentityWitness { secret, credential, path };
        // Before the key, which takes longer to read.
        Identity::assign(&public, &witness).map_err(|e| untrue(&e.group))?;
        let key = self.common.key::<Identity>(global)?;
        let busy = Busy::new(global, "proving");
        let proof = key.prove(&public, &witness, &mut mediveil_rng::system())?;
        drop(busy);
        self.common.done(&key, &ProofFile::new::<Identity>(&public, &proof).encode(), global)
    }
}

/// Which part of what was asked is not true of this holder.
fn untrue(group: &str) -> Failure {
    let why = match group {
        "birth" => "you were not born before the day that is asked for",
        "expiry" => "your credential has expired",
        "role" => "you have none of the roles that are asked for",
        other => return Failure::new(Kind::Refused, format!("what is asked is not true of you ({other})")),
    };
    Failure::new(Kind::Refused, why)
}

impl RecordArgs {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.common.out], self.common.force)?;
        let request = request::read_record(&self.common.request)?;
        let secret: HolderSecret = read_object(&self.secret)?;
        let held: HeldRecord = read_object(&self.held)?;
        let providers: ProviderRegistry = read_object(&self.providers)?;
        let record = read_fhir(&self.record)?;
        let busy = Busy::new(global, "committing to the record");
        let resources = held.open(&record).map_err(|e| Failure::from(e).at(&self.record))?;
        drop(busy);
        let public = request.public(&providers, secret.nullifier(request.scope()))?;
        let witness = self.witness(&request, &public, &secret, &held, &providers, &resources)?;
        let key = self.common.key::<RecordAuthenticity>(global)?;
        let busy = Busy::new(global, "proving");
        let proof = key.prove(&public, &witness, &mut mediveil_rng::system())?;
        drop(busy);
        self.common.done(&key, &ProofFile::new::<RecordAuthenticity>(&public, &proof).encode(), global)
    }

    /// The first resource of which the claims are true.
    fn witness(
        &self,
        request: &RecordRequest,
        public: &RecordPublic,
        secret: &HolderSecret,
        held: &HeldRecord,
        providers: &ProviderRegistry,
        resources: &[CommittedResource],
    ) -> Result<RecordWitness, Failure> {
        let refused = |why: String| Failure::new(Kind::Refused, why);
        let tree = providers.tree()?;
        let mut why = "no resource of this record has all the values that are asked for".to_owned();
        for (index, (resource, signed)) in resources.iter().zip(held.signed()).enumerate() {
            if self.resource.is_some_and(|wanted| wanted != index) {
                continue;
            }
            let openings: Option<Vec<_>> = public.claims().iter().map(|claim| resource.open(claim.path())).collect();
            let Some(openings) = openings else { continue };
            if signed.holder() != secret.holder() {
                return Err(refused("was signed for another holder".into()).at(&self.held));
            }
            let place = providers.index_of(signed.provider()).and_then(|index| tree.path(index));
            let place = place.ok_or_else(|| refused("the provider who signed is not in this registry".into()))?;
            let witness = RecordWitness {
                secret: secret.clone(),
                record: signed.commitment(),
                provider: *signed.provider(),
                provider_path: place,
                signature: *signed.signature(),
                openings,
            };
            match RecordAuthenticity::assign(public, &witness) {
                Ok(_) => return Ok(witness),
                Err(_) => why = why_not(request, resource, why),
            }
        }
        Err(refused(why))
    }
}

/// Why the claims on a resource that has all their leaves are refused, where that can be said in words.
fn why_not(request: &RecordRequest, resource: &CommittedResource, otherwise: String) -> String {
    let says = |claim: &ClaimRequest, text: &str| {
        resource.leaves().iter().any(|leaf| leaf.path == claim.path && leaf.value.to_string() == text)
    };
    let meant = request.claims.iter().all(|claim| match &claim.is {
        Some(Literal::Text(text)) => says(claim, text),
        Some(Literal::Boolean(value)) => says(claim, &value.to_string()),
        None => true,
    });
    if !meant {
        return otherwise;
    }
    let fine = request.claims.iter().filter(|claim| claim.places.is_none() && claim.is.is_none()).find_map(|claim| {
        let leaf = resource.leaves().iter().find(|leaf| leaf.path == claim.path)?;
        match &leaf.value {
            LeafValue::Decimal(d) if d.scale() > 7 => Some((claim, d.scale())),
            _ => None,
        }
    });
    match fine {
        Some((claim, scale)) => format!(
            "the number at {} has {scale} decimal places and the request covers seven; ask for one with `places {scale}`",
            claim.path
        ),
        None => otherwise,
    }
}

impl StatisticsArgs {
    fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.common.out], self.common.force)?;
        let request = request::read_statistics(&self.common.request)?;
        let table: NamedTable = read_object(&self.table)?;
        let query = request.query(&table.commitment())?;
        let key = self.common.key::<Statistics>(global)?;
        let chunks = table.table().rows().div_ceil(CHUNK);
        let busy = Busy::new(global, "proving");
        let progress = |done: usize| busy.say(format!("proving: {done} of {chunks} chunks done"));
        let answer = StatisticsAnswer::prove(&key, table.table(), &query, &mut mediveil_rng::system(), progress)?;
        drop(busy);
        self.common.done(&key, &answer.encode(), global)
    }
}

/// The nullifier that a proof file states.
pub(super) fn stated(file: &ProofFile, place: usize, path: &Path) -> Result<mediveil_zk::Fr, Failure> {
    let missing = || Failure::new(Kind::Refused, "the proof has another number of public inputs").at(path);
    file.inputs().get(place).copied().ok_or_else(missing)
}

/// A nullifier, for people.
pub(super) fn nullifier_words(nullifier: &mediveil_zk::Fr) -> String {
    hex_of(nullifier)
}
