//! `mediveil zk inspect`.

use super::{hex_of, origin_words, read_file};
use crate::failure::{Failure, Kind};
use crate::global::Global;
use crate::text::hex;
use clap::Args;
use mediveil_circuits::forms::{
    CredentialRegistry, HeldRecord, IssuerRegister, NamedTable, ProviderRegistry, TableCommitment,
};
use mediveil_circuits::gadgets::eddsa::{PublicKey, SigningKey};
use mediveil_circuits::identity::{Credential, Holder, HolderSecret};
use mediveil_codec::{DecodeError, ObjectType, Wire, armor, peek_type};
use mediveil_zk::ceremony::CeremonyInfo;
use mediveil_zk::forms::{Request, StatisticsAnswer};
use mediveil_zk::{KeyInfo, ProofFile, hash_of};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// `inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A key, transcript, proof, request, credential, registry, signed record, table or answer
    file: PathBuf,
}

/// Names and values, in their order.
type Facts = Vec<(&'static str, Value)>;

/// The object in armour or as plain bytes.
fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    if armor::is_armored(bytes) { armor::decode(bytes) } else { T::decode(bytes) }
}

/// The type in the frame, or in the first line of the armour.
fn type_of(bytes: &[u8]) -> Option<ObjectType> {
    if !armor::is_armored(bytes) {
        return peek_type(bytes);
    }
    let first = std::str::from_utf8(bytes).ok()?.trim_start().lines().next()?;
    let label = first.strip_prefix("-----BEGIN MEDIVEIL ")?.strip_suffix("-----")?.to_ascii_lowercase();
    ObjectType::ALL.iter().copied().find(|t| t.name() == label)
}

fn facts(object: ObjectType, bytes: &[u8]) -> Result<Option<Facts>, DecodeError> {
    Ok(Some(match object {
        ObjectType::ZkProvingKey | ObjectType::ZkVerifyingKey => {
            let info = KeyInfo::read(bytes)?;
            vec![
                ("statement", json!(info.statement)),
                ("origin", json!(origin_words(info.origin))),
                ("public_inputs", json!(info.inputs)),
                ("rows_digest", json!(hex(&info.digest))),
            ]
        }
        ObjectType::ZkCeremony => {
            let info = CeremonyInfo::read(bytes)?;
            vec![
                ("contributors", json!(info.contributors)),
                ("beacon", json!(info.beacon.as_ref().map(|b| hex(&b.value)))),
                ("beacon_rounds", json!(info.beacon.as_ref().map(|b| b.rounds_log2))),
            ]
        }
        ObjectType::ZkProof => {
            let proof: ProofFile = decode(bytes)?;
            let inputs: Vec<String> = proof.inputs().iter().map(hex_of).collect();
            vec![("statement", json!(proof.statement())), ("public_inputs", json!(inputs))]
        }
        ObjectType::StatisticsAnswer => {
            let answer: StatisticsAnswer = decode(bytes)?;
            let totals = answer.unverified_totals();
            vec![
                ("chunks", json!(answer.chunks().len())),
                ("count", json!(totals.count)),
                ("sum", json!(totals.sum.to_string())),
                ("squares", json!(totals.squares.to_string())),
            ]
        }
        ObjectType::HolderSecret => vec![("holder", json!(hex_of(&decode::<HolderSecret>(bytes)?.holder().element())))],
        ObjectType::Holder => vec![("holder", json!(hex_of(&decode::<Holder>(bytes)?.element())))],
        ObjectType::Credential => {
            let c: Credential = decode(bytes)?;
            vec![
                ("holder", json!(hex_of(&c.holder.element()))),
                ("born", json!(c.birth.to_string())),
                ("role", json!(c.role.number())),
                ("expires", json!(c.expiry.to_string())),
            ]
        }
        ObjectType::IssuerRegister => {
            let (active, revoked) = decode::<IssuerRegister>(bytes)?.counts();
            vec![("credentials", json!(active)), ("revoked", json!(revoked))]
        }
        ObjectType::CredentialRegistry => {
            let r: CredentialRegistry = decode(bytes)?;
            vec![
                ("name", json!(r.name())),
                ("roles", json!(r.roles())),
                ("credentials", json!(r.credentials())),
                ("root", json!(hex_of(&r.root()))),
            ]
        }
        ObjectType::ProviderRegistry => {
            let r: ProviderRegistry = decode(bytes)?;
            let names: Vec<&str> = r.members().iter().map(|(name, _)| name.as_str()).collect();
            let root = r.tree().map(|tree| hex_of(&tree.root())).unwrap_or_default();
            vec![("providers", json!(names)), ("root", json!(root))]
        }
        ObjectType::ProviderKey => key_facts(&decode::<SigningKey>(bytes)?.public()),
        ObjectType::ProviderPublicKey => key_facts(&decode(bytes)?),
        ObjectType::HeldRecord => {
            let held: HeldRecord = decode(bytes)?;
            let first = held.signed().first();
            let mut facts = vec![("resources", json!(held.signed().len()))];
            facts.push(("holder", json!(first.map(|s| hex_of(&s.holder().element())))));
            facts.extend(first.map(|s| key_facts(s.provider())).into_iter().flatten());
            facts
        }
        ObjectType::StatisticsTable => table_facts(&decode::<NamedTable>(bytes)?.commitment()),
        ObjectType::TableCommitment => table_facts(&decode(bytes)?),
        _ => return Ok(None),
    }))
}

fn key_facts(key: &PublicKey) -> Facts {
    vec![("provider_key", json!(hex_of(&key.point().x)))]
}

fn table_facts(table: &TableCommitment) -> Facts {
    vec![("columns", json!(table.columns())), ("rows", json!(table.rows())), ("root", json!(hex_of(&table.root())))]
}

/// A value without JSON's quotation marks.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Null => "none".into(),
        other => other.to_string(),
    }
}

/// A request in words.
fn request_facts(request: &Request) -> Facts {
    match request {
        Request::Identity(r) => vec![
            ("scope", json!(r.scope)),
            ("challenge", json!(r.challenge)),
            ("born_before", json!(r.born_before)),
            ("today", json!(r.today)),
            ("roles", json!(r.roles)),
        ],
        Request::Record(r) => {
            let claims: Vec<String> = r.claims.iter().map(ToString::to_string).collect();
            vec![("scope", json!(r.scope)), ("challenge", json!(r.challenge)), ("claims", json!(claims))]
        }
        Request::Statistics(r) => vec![("column", json!(r.column)), ("where", json!(r.filter))],
    }
}

impl Inspect {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let bytes = read_file(&self.file, 1 << 31)?;
        let at = |e: DecodeError| Failure::from(e).at(&self.file);
        let (kind, facts) = if bytes.trim_ascii_start().starts_with(b"{") {
            let request = Request::parse(&bytes).map_err(|e| Failure::from(e).at(&self.file))?;
            ("request", request_facts(&request))
        } else {
            let other = || Failure::new(Kind::Damaged, "is not a file of proofs").at(&self.file);
            let object = type_of(&bytes).ok_or_else(other)?;
            (object.name(), facts(object, &bytes).map_err(at)?.ok_or_else(other)?)
        };
        let sha256 = hex(&hash_of(&bytes));
        let mut text = format!("{:<14} {} bytes, nothing verified\n", kind, bytes.len());
        let mut json = Map::new();
        json.insert("kind".into(), kind.into());
        json.insert("bytes".into(), bytes.len().into());
        json.insert("sha256".into(), sha256.clone().into());
        for (name, value) in facts {
            text.push_str(&format!("{name:<14} {}\n", words(&value)));
            json.insert(name.into(), value);
        }
        text.push_str(&format!("{:<14} {sha256}\n", "sha256"));
        global.answer(&Value::Object(json), &text);
        Ok(())
    }
}
