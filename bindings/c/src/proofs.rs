//! Verification of zero-knowledge proofs: of who somebody is, of what a record says, and of totals over a table.
//!
//! A verifier knows what it asked. It gives its own request, what it trusts (a registry, or a commitment to a table) and a
//! verifying key, and the proof as it came; of the proof nothing is taken on trust but the nullifier.

use crate::identity::{object, read_file};
use crate::memory;
use crate::status::{Failure, Outcome, entry, mediveil_status};
use crate::threads;
use mediveil_circuits::forms::{CredentialRegistry, ProviderRegistry, TableCommitment};
use mediveil_circuits::identity::Identity;
use mediveil_circuits::record::RecordAuthenticity;
use mediveil_circuits::statistics::Statistics;
use mediveil_zk::forms::{Request, StatisticsAnswer};
use mediveil_zk::{Fr, KeyInfo, Origin, ProofFile, Statement, Trust, VerifyError, VerifyingKey, hash_of};
use std::ffi::c_char;

/// A verifying key of one of the statements. May be used by several threads at once.
#[derive(Debug)]
pub struct mediveil_verifying_key(Key);

#[derive(Debug)]
enum Key {
    Identity(Box<VerifyingKey<Identity>>),
    Record(Box<VerifyingKey<RecordAuthenticity>>),
    Statistics(Box<VerifyingKey<Statistics>>),
}

impl Key {
    fn read(file: &[u8], trust: Trust) -> Result<Self, Failure> {
        let info = KeyInfo::read(file)?;
        if info.proving {
            return Err(Failure(
                mediveil_status::MEDIVEIL_INVALID,
                "this is a proving key: give its verifying key".into(),
            ));
        }
        let named = |id: mediveil_zk::StatementId| info.statement == id.as_str();
        if named(Identity::ID) {
            return Ok(Self::Identity(Box::new(VerifyingKey::decode_wire(file, trust)?)));
        }
        if named(RecordAuthenticity::ID) {
            return Ok(Self::Record(Box::new(VerifyingKey::decode_wire(file, trust)?)));
        }
        // Whatever else it is for, this says so.
        Ok(Self::Statistics(Box::new(VerifyingKey::decode_wire(file, trust)?)))
    }
}

/// Totals of a query, exact.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct mediveil_totals {
    /// Rows that count.
    pub count: u64,
    /// The sum, its upper 64 bits.
    pub sum_high: u64,
    /// The sum, its lower 64 bits.
    pub sum_low: u64,
    /// The sum of squares, its upper 64 bits.
    pub squares_high: u64,
    /// The sum of squares, its lower 64 bits.
    pub squares_low: u64,
}

fn halves(sum: u128) -> (u64, u64) {
    let [high, low] = [sum >> 64, sum & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(u64::MAX));
    (high, low)
}

fn trust(allow_development: bool) -> Trust {
    if allow_development { Trust::Development } else { Trust::CeremonyOnly }
}

/// Reads a verifying key. `sha256`, the 32 bytes that its file is known by, may be NULL: MEDIVEIL_UNVERIFIED if it has another.
/// MEDIVEIL_REFUSED for a development key, under which whoever made it can forge, unless `allow_development`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verifying_key_load(
    path: *const c_char,
    sha256: *const u8,
    allow_development: bool,
    out: *mut *mut mediveil_verifying_key,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let file = read_file(path)?;
        let key = key(&file, sha256, allow_development)?;
        memory::make(out, mediveil_verifying_key(key))
    })
}

/// Reads a verifying key from the bytes of its file, otherwise as `mediveil_verifying_key_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verifying_key_from_bytes(
    data: *const u8,
    len: usize,
    sha256: *const u8,
    allow_development: bool,
    out: *mut *mut mediveil_verifying_key,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let key = key(memory::bytes(data, len)?, sha256, allow_development)?;
        memory::make(out, mediveil_verifying_key(key))
    })
}

fn key(file: &[u8], sha256: *const u8, allow_development: bool) -> Result<Key, Failure> {
    if !sha256.is_null() && hash_of(file) != memory::array(sha256)? {
        return Err(mediveil_zk::KeyError::OtherHash.into());
    }
    threads::on_all_cores(|| Key::read(file, trust(allow_development)))?
}

/// Whether a verifying key is of a ceremony; else it is a development key, under which whoever made it can forge.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verifying_key_is_of_ceremony(
    key: *const mediveil_verifying_key,
    out: *mut bool,
) -> mediveil_status {
    entry(|| {
        let key = memory::get(key)?;
        let origin = match &key.0 {
            Key::Identity(key) => key.origin(),
            Key::Record(key) => key.origin(),
            Key::Statistics(key) => key.origin(),
        };
        memory::put(out, matches!(origin, Origin::Ceremony(_)))
    })
}

/// Frees a verifying key and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verifying_key_free(key: *mut *mut mediveil_verifying_key) {
    memory::free(key);
}

fn other_statement() -> Failure {
    VerifyError::OtherStatement.into()
}

fn other_request(statement: &str) -> Failure {
    Failure(mediveil_status::MEDIVEIL_INVALID, format!("the request is not one for the statement `{statement}`"))
}

/// Places of the nullifier among the public inputs.
const IDENTITY_NULLIFIER: usize = 1;
const RECORD_NULLIFIER: usize = 3;

/// Checks a proof of a statement with a nullifier, and gives the nullifier.
fn check<S: Statement>(
    key: &VerifyingKey<S>,
    proof: &[u8],
    place: usize,
    public: impl FnOnce(Fr) -> Result<S::Public, Failure> + Send,
) -> Result<[u8; 32], Failure> {
    let file: ProofFile = object(proof)?;
    if file.statement() != S::ID.as_str() {
        return Err(other_statement());
    }
    let nullifier = file.inputs().get(place).copied().ok_or(VerifyError::Refused)?;
    let public = public(nullifier)?;
    let proof = file.proof_of::<S>(&public)?;
    key.verify(&public, &proof)?;
    Ok(mediveil_record::field::to_bytes(&nullifier))
}

/// Verifies a proof of who somebody is: the holder of a credential of the registry, of an age and with a role that `request`
/// asks for. `request` is the verifier's own, as JSON, with a challenge that no earlier one had; `registry` is the issuer's
/// published file, from a source that is trusted. `nullifier`, 32 bytes that are the same for every proof of one holder in one
/// scope, may be NULL; to take a person once, keep them and compare. MEDIVEIL_UNVERIFIED unless all of it is proved.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verify_identity(
    key: *const mediveil_verifying_key,
    request: *const c_char,
    registry: *const u8,
    registry_len: usize,
    proof: *const u8,
    proof_len: usize,
    nullifier: *mut u8,
) -> mediveil_status {
    entry(|| {
        let (key, request) = (memory::get(key)?, memory::text(request)?);
        let (registry, proof) = (memory::bytes(registry, registry_len)?, memory::bytes(proof, proof_len)?);
        let found = threads::on_all_cores(|| {
            let Key::Identity(key) = &key.0 else { return Err(other_statement()) };
            let Request::Identity(request) = Request::parse(request.as_bytes())? else {
                return Err(other_request("identity"));
            };
            let registry: CredentialRegistry = object(registry)?;
            check(key, proof, IDENTITY_NULLIFIER, |nullifier| Ok(request.public(&registry, nullifier)?))
        })??;
        memory::put_bytes_if(nullifier, &found)
    })
}

/// Verifies a proof of what a record says, signed for its holder by one of the providers. `request` is the verifier's own, as
/// JSON; `providers` is the registry of accredited ones, from a source that is trusted; `nullifier` as for
/// `mediveil_verify_identity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verify_record(
    key: *const mediveil_verifying_key,
    request: *const c_char,
    providers: *const u8,
    providers_len: usize,
    proof: *const u8,
    proof_len: usize,
    nullifier: *mut u8,
) -> mediveil_status {
    entry(|| {
        let (key, request) = (memory::get(key)?, memory::text(request)?);
        let (providers, proof) = (memory::bytes(providers, providers_len)?, memory::bytes(proof, proof_len)?);
        let found = threads::on_all_cores(|| {
            let Key::Record(key) = &key.0 else { return Err(other_statement()) };
            let Request::Record(request) = Request::parse(request.as_bytes())? else {
                return Err(other_request("record"));
            };
            let providers: ProviderRegistry = object(providers)?;
            check(key, proof, RECORD_NULLIFIER, |nullifier| Ok(request.public(&providers, nullifier)?))
        })??;
        memory::put_bytes_if(nullifier, &found)
    })
}

/// Verifies the answer to a query over a table, and gives its totals. `request` is the asker's own, as JSON; `table` is the
/// published commitment, as it was had before the question.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verify_statistics(
    key: *const mediveil_verifying_key,
    request: *const c_char,
    table: *const u8,
    table_len: usize,
    answer: *const u8,
    answer_len: usize,
    totals: *mut mediveil_totals,
) -> mediveil_status {
    entry(|| statistics(key, request, memory::bytes(table, table_len)?, memory::bytes(answer, answer_len)?, totals))
}

fn statistics(
    key: *const mediveil_verifying_key,
    request: *const c_char,
    table: &[u8],
    answer: &[u8],
    out: *mut mediveil_totals,
) -> Outcome {
    let (key, request) = (memory::get(key)?, memory::text(request)?);
    let found = threads::on_all_cores(|| {
        let Key::Statistics(key) = &key.0 else { return Err(other_statement()) };
        let Request::Statistics(request) = Request::parse(request.as_bytes())? else {
            return Err(other_request("statistics"));
        };
        let (table, answer): (TableCommitment, StatisticsAnswer) = (object(table)?, object(answer)?);
        let query = request.query(&table)?;
        let totals = answer.verify(key, &table, &query, &mut mediveil_rng::system())?;
        let ((sum_high, sum_low), (squares_high, squares_low)) = (halves(totals.sum), halves(totals.squares));
        Ok(mediveil_totals { count: totals.count, sum_high, sum_low, squares_high, squares_low })
    })??;
    memory::put(out, found)
}
