//! Proving and verifying.

use super::keys::{Proving, Verifying, to_python};
use super::{
    Credential, CredentialRegistry, HeldRecord, HolderSecret, IdentityRequest, ProviderRegistry, ProvingKey,
    RecordRequest, StatisticsRequest, StatisticsTable, TableCommitment, VerifyingKey, element_bytes, form,
};
use crate::data::{Data, decode};
use crate::fail::{fail, raise};
use crate::objects::{read_object, write_file};
use crate::record::Record;
use crate::threads::on_all_cores;
use mediveil_bridge::Kind;
use mediveil_circuits::Fr;
use mediveil_circuits::identity::{Identity, IdentityWitness};
use mediveil_circuits::record::{RecordAuthenticity, RecordPublic, RecordWitness};
use mediveil_circuits::statistics::Statistics;
use mediveil_codec::{ObjectType, Wire, peek_type};
use mediveil_zk::forms::{self, StatisticsAnswer};
use mediveil_zk::{self as core, BatchError, ProofFile, Statement, VerifyError};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};
use std::path::PathBuf;
use std::sync::Arc;

/// The forms of a proof.
#[derive(Debug)]
pub enum Made {
    File(Box<ProofFile>),
    Answer(StatisticsAnswer),
}

/// A proof: made by `prove`, and worth something to whoever verifies it. Anyone can make it into another proof of the same,
/// so it identifies nothing: nullifiers do. May be pickled.
///
/// >>> import mediveil
/// >>> mediveil.Proof.from_bytes(b"no proof")
/// Traceback (most recent call last):
///     ...
/// mediveil.DamagedError: ...
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Proof(pub Arc<Made>);

impl Proof {
    fn of(made: Made) -> Self {
        Self(Arc::new(made))
    }

    fn file(&self) -> Result<&ProofFile, VerifyError> {
        match self.0.as_ref() {
            Made::File(file) => Ok(file.as_ref()),
            Made::Answer(_) => Err(VerifyError::OtherStatement),
        }
    }
}

#[pymethods]
impl Proof {
    /// Reads a proof's bytes. Raises DamagedError.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let found = peek_type(Data::of(data)?.as_slice());
        Ok(Self::of(match found {
            Some(ObjectType::StatisticsAnswer) => Made::Answer(decode(data)?),
            _ => Made::File(Box::new(decode(data)?)),
        }))
    }

    /// The bytes of it.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(
            py,
            &match self.0.as_ref() {
                Made::File(file) => file.encode(),
                Made::Answer(answer) => answer.encode(),
            },
        )
    }

    /// Reads a proof's file, as this or `mediveil zk prove` writes it.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| {
            read_object(&path).map(|file| Made::File(Box::new(file))).or_else(|_| read_object(&path).map(Made::Answer))
        })
        .map(Self::of)
    }

    /// Writes its file, over what is there.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        write_file(&path, self.to_bytes(py).as_bytes(), false, false)
    }

    /// What it says it proves: "identity", "record" or "statistics", or the name of another statement.
    #[getter]
    fn statement(&self) -> &str {
        match self.0.as_ref() {
            Made::Answer(_) => "statistics",
            Made::File(file) if file.statement() == Identity::ID.as_str() => "identity",
            Made::File(file) if file.statement() == RecordAuthenticity::ID.as_str() => "record",
            Made::File(file) => file.statement(),
        }
    }

    /// The proof and its public inputs as snarkjs has them in `proof.json` and `public.json`: a dict and a list. Raises
    /// InvalidError for statistics, which are many proofs.
    fn to_snarkjs(&self, py: Python<'_>) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        let many = || raise(Kind::Invalid, "statistics are one proof for every 64 rows: snarkjs has no form for that");
        let (proof, public) = self.file().map_err(|_| many())?.to_snarkjs();
        Ok((to_python(py, &proof)?, to_python(py, &public)?))
    }

    fn __repr__(&self) -> String {
        format!("<Proof of {}>", self.statement())
    }

    fn __eq__(&self, other: &Self) -> bool {
        match (self.0.as_ref(), other.0.as_ref()) {
            (Made::File(a), Made::File(b)) => a == b,
            (Made::Answer(a), Made::Answer(b)) => a == b,
            _ => false,
        }
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.get().to_bytes(slf.py()).hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("from_bytes")?, (slf.get().to_bytes(slf.py()),)))
    }
}

/// One of the three requests.
enum Asked {
    Identity(forms::IdentityRequest),
    Record(forms::RecordRequest),
    Statistics(forms::StatisticsRequest),
}

impl Asked {
    fn of(request: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(it) = request.cast::<IdentityRequest>() {
            Ok(Self::Identity(it.get().0.clone()))
        } else if let Ok(it) = request.cast::<RecordRequest>() {
            Ok(Self::Record(it.get().0.clone()))
        } else if let Ok(it) = request.cast::<StatisticsRequest>() {
            Ok(Self::Statistics(it.get().0.clone()))
        } else {
            Err(PyTypeError::new_err("a request is an IdentityRequest, RecordRequest or StatisticsRequest"))
        }
    }
}

fn takes(what: &str) -> PyErr {
    PyTypeError::new_err(what.to_owned())
}

fn other_key(key: &str, request: &str) -> PyErr {
    raise(Kind::Invalid, format!("this is a key for {key} and the request is for {request}"))
}

fn refused(why: impl Into<String>) -> PyErr {
    raise(Kind::Refused, why)
}

/// What keeps a proof from being made of what is not so, in words.
fn untrue(error: core::ProveError) -> PyErr {
    if let core::ProveError::Unsatisfied(part) = &error {
        return refused(match part.group.as_str() {
            "birth" => "you were not born before the day that is asked for".to_owned(),
            "expiry" => "your credential has expired".to_owned(),
            "role" => "you have none of the roles that are asked for".to_owned(),
            other => format!("what is asked is not true of you ({other})"),
        });
    }
    fail(error)
}

fn prove_identity(
    request: &forms::IdentityRequest,
    key: &core::ProvingKey<Identity>,
    secret: &HolderSecret,
    credential: &Credential,
    registry: &CredentialRegistry,
) -> PyResult<Proof> {
    if credential.0.holder != secret.0.holder() {
        return Err(refused("the credential belongs to another holder's secret"));
    }
    let path = registry.0.path_of(&credential.0).ok_or_else(|| {
        refused("the credential is not in this registry: it was renewed or revoked, or the registry is an old one")
    })?;
    let public = request.public(&registry.0, secret.0.nullifier(request.scope())).map_err(fail)?;
    let witness = IdentityWitness { secret: (*secret.0).clone(), credential: (*credential.0).clone(), path };
    let proof = key.prove(&public, &witness, &mut mediveil_rng::system()).map_err(untrue)?;
    Ok(Proof::of(Made::File(Box::new(ProofFile::new::<Identity>(&public, &proof)))))
}

/// What a holder puts into a proof about a record.
struct Held<'a> {
    secret: &'a HolderSecret,
    record: &'a Record,
    held: &'a HeldRecord,
    providers: &'a ProviderRegistry,
    resource: Option<usize>,
}

impl Held<'_> {
    /// The first resource of which the claims are true.
    fn witness(&self, public: &RecordPublic) -> PyResult<RecordWitness> {
        let resources = self.held.0.open(&self.record.0).map_err(fail)?;
        let tree = self.providers.0.tree().map_err(form)?;
        for (index, (resource, signed)) in resources.iter().zip(self.held.0.signed()).enumerate() {
            if self.resource.is_some_and(|wanted| wanted != index) {
                continue;
            }
            let openings: Option<Vec<_>> = public.claims().iter().map(|claim| resource.open(claim.path())).collect();
            let Some(openings) = openings else { continue };
            if signed.holder() != self.secret.0.holder() {
                return Err(refused("the record was signed for another holder"));
            }
            let place = self.providers.0.index_of(signed.provider()).and_then(|index| tree.path(index));
            let place = place.ok_or_else(|| refused("the provider who signed is not in this registry"))?;
            let witness = RecordWitness {
                secret: (*self.secret.0).clone(),
                record: signed.commitment(),
                provider: *signed.provider(),
                provider_path: place,
                signature: *signed.signature(),
                openings,
            };
            if RecordAuthenticity::assign(public, &witness).is_ok() {
                return Ok(witness);
            }
        }
        Err(refused("no resource of this record has all the values that are asked for"))
    }

    fn prove(&self, request: &forms::RecordRequest, key: &core::ProvingKey<RecordAuthenticity>) -> PyResult<Proof> {
        let public = request.public(&self.providers.0, self.secret.0.nullifier(request.scope())).map_err(fail)?;
        let witness = self.witness(&public)?;
        let proof = key.prove(&public, &witness, &mut mediveil_rng::system()).map_err(untrue)?;
        Ok(Proof::of(Made::File(Box::new(ProofFile::new::<RecordAuthenticity>(&public, &proof)))))
    }
}

/// Chunk by chunk, with a look at signals and a word to the progress callback in between.
fn prove_statistics(
    py: Python<'_>,
    request: &forms::StatisticsRequest,
    key: &core::ProvingKey<Statistics>,
    table: &StatisticsTable,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Proof> {
    let query = request.query(&table.0.commitment()).map_err(fail)?;
    let (parts, totals) = py.detach(|| table.0.table().chunks(&query, &mut mediveil_rng::system()));
    let mut chunks = Vec::with_capacity(parts.len());
    for (public, witness) in &parts {
        let proof = py.detach(|| on_all_cores(|| key.prove(public, witness, &mut mediveil_rng::system())))?;
        chunks.push((public.after, proof.map_err(untrue)?));
        py.check_signals()?;
        if let Some(progress) = progress.filter(|p| !p.is_none()) {
            let call = if progress.hasattr("update")? { progress.getattr("update")? } else { progress.clone() };
            call.call1((1,))?;
        }
    }
    let answer = StatisticsAnswer::from_parts(totals, chunks);
    answer.map(|it| Proof::of(Made::Answer(it))).ok_or_else(|| raise(Kind::Failed, "a table without chunks"))
}

/// Proves what a request asks, and nothing else.
///
/// For an IdentityRequest give secret, credential and registry; for a RecordRequest secret, record, held and providers, and
/// resource if it must be that one of the record's resources; for a StatisticsRequest table, and a progress callback if you
/// like: it is called with 1 after every 64 rows, and an exception in it, or Ctrl-C, stops the work.
///
/// >>> import mediveil
/// >>> register = mediveil.IssuerRegister("St. Anna", roles=["patient", "physician"])
/// >>> me = mediveil.HolderSecret.generate()
/// >>> mine = register.issue("P-1", me.holder, born="1980-02-29", role="physician", expires="2099-01-31")
/// >>> registry, key = register.publish(), mediveil.ProvingKey.development("identity")
/// >>> request = mediveil.IdentityRequest(scope="pharmacy/2026", min_age=18, roles=["physician"])
/// >>> proof = mediveil.prove(request, key=key, secret=me, credential=mine, registry=registry)
/// >>> checks = key.verifying(allow_development=True)
/// >>> seen = mediveil.verify(proof, key=checks, request=request, registry=registry)
/// >>> seen.nullifier == me.nullifier("pharmacy/2026")
/// True
///
/// Raises RefusedError where what is asked is not so, or the parts do not belong together; TypeError for missing parts.
#[pyfunction]
#[pyo3(signature = (request, *, key, secret = None, credential = None, registry = None, record = None, held = None,
    providers = None, resource = None, table = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
pub fn prove(
    py: Python<'_>,
    request: &Bound<'_, PyAny>,
    key: &ProvingKey,
    secret: Option<&HolderSecret>,
    credential: Option<&Credential>,
    registry: Option<&CredentialRegistry>,
    record: Option<&Record>,
    held: Option<&HeldRecord>,
    providers: Option<&ProviderRegistry>,
    resource: Option<usize>,
    table: Option<&StatisticsTable>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Proof> {
    match (Asked::of(request)?, secret, credential, registry, record, held, providers, table) {
        (Asked::Identity(request), Some(secret), Some(credential), Some(registry), None, None, None, None) => {
            let Proving::Identity(key) = key.0.as_ref() else { return Err(other_key(key.statement(), "an identity")) };
            py.detach(|| on_all_cores(|| prove_identity(&request, key, secret, credential, registry)))?
        }
        (Asked::Record(request), Some(secret), None, None, Some(record), Some(held), Some(providers), None) => {
            let Proving::Record(key) = key.0.as_ref() else { return Err(other_key(key.statement(), "a record")) };
            let held = Held { secret, record, held, providers, resource };
            py.detach(|| on_all_cores(|| held.prove(&request, key)))?
        }
        (Asked::Statistics(request), None, None, None, None, None, None, Some(table)) => {
            let Proving::Statistics(key) = key.0.as_ref() else { return Err(other_key(key.statement(), "statistics")) };
            prove_statistics(py, &request, key, table, progress)
        }
        (Asked::Identity(_), ..) => Err(takes("a proof of identity takes secret, credential and registry")),
        (Asked::Record(_), ..) => Err(takes("a proof about a record takes secret, record, held and providers")),
        (Asked::Statistics(_), ..) => Err(takes("a proof of statistics takes table")),
    }
}

/// Places of the nullifier among the public inputs, and what the others are.
const IDENTITY: (usize, [&str; 5]) =
    (1, ["registry", "nullifier", "scope", "challenge", "birth date, day or set of roles"]);
const RECORD: (usize, [&str; 5]) = (3, ["registry of providers", "challenge", "scope", "nullifier", "set of claims"]);

/// The public part that the verifier makes itself, the proof of exactly that, and the nullifier that it states; or what
/// differs.
fn asked<S: Statement>(
    file: &ProofFile,
    (place, names): (usize, [&str; 5]),
    make: impl FnOnce(Fr) -> Result<S::Public, forms::RequestError>,
) -> PyResult<(S::Public, core::Proof<S>, Fr)> {
    if file.statement() != S::ID.as_str() {
        return Err(fail(VerifyError::OtherStatement));
    }
    let missing = || raise(Kind::Unverified, "the proof has another number of public inputs");
    let nullifier = file.inputs().get(place).copied().ok_or_else(missing)?;
    let public = make(nullifier).map_err(fail)?;
    match file.proof_of::<S>(&public) {
        Ok(proof) => Ok((public, proof, nullifier)),
        Err(why) => {
            Err(match file.inputs().iter().zip(&S::inputs(&public)).position(|(found, asked)| found != asked) {
                Some(place) => {
                    let what = names.get(place).or(names.last()).copied().unwrap_or("public input");
                    raise(Kind::Unverified, format!("this proof is for another {what} than the request's"))
                }
                None => fail(why),
            })
        }
    }
}

/// Verifies one proof; the nullifier.
fn one<S: Statement>(
    key: &core::VerifyingKey<S>,
    proof: &Proof,
    names: (usize, [&str; 5]),
    make: impl FnOnce(Fr) -> Result<S::Public, forms::RequestError>,
) -> PyResult<Fr> {
    let (public, proof, nullifier) = asked::<S>(proof.file().map_err(fail)?, names, make)?;
    key.verify(&public, &proof).map_err(fail)?;
    Ok(nullifier)
}

/// `Verified` of Python.
fn verified<'py>(py: Python<'py>, statement: &str, scope: &str, nullifier: &Fr) -> PyResult<Bound<'py, PyAny>> {
    let class = py.import("mediveil._results")?.getattr("Verified")?;
    class.call1((statement, scope, PyBytes::new(py, &element_bytes(nullifier))))
}

fn other_proof_key(key: &VerifyingKey) -> PyErr {
    raise(Kind::Invalid, format!("the key is for {} and the request is not", key.statement()))
}

/// Verifies a proof of exactly what your own request asked, under registries that you trust.
///
/// For an IdentityRequest give registry, for a RecordRequest providers, for a StatisticsRequest table, the published
/// commitment. Returns a `Verified` with the nullifier, or `Totals` for statistics. Remember nullifiers: the same one in the
/// same scope is a replay, or the same person a second time.
///
/// >>> import mediveil
/// >>> register, me = mediveil.IssuerRegister("St. Anna", roles=["patient"]), mediveil.HolderSecret.generate()
/// >>> mine = register.issue("P-1", me.holder, born="1980-02-29", role="patient", expires="2099-01-31")
/// >>> registry, key = register.publish(), mediveil.ProvingKey.development("identity")
/// >>> asked = mediveil.IdentityRequest(scope="vote/2026", min_age=16)
/// >>> proof = mediveil.prove(asked, key=key, secret=me, credential=mine, registry=registry)
/// >>> checks = key.verifying(allow_development=True)
/// >>> mediveil.verify(proof, key=checks, request=asked, registry=registry).scope
/// 'vote/2026'
/// >>> other = mediveil.IdentityRequest(scope="vote/2027", min_age=16)
/// >>> mediveil.verify(proof, key=checks, request=other, registry=registry)
/// Traceback (most recent call last):
///     ...
/// mediveil.UnverifiedError: this proof is for another scope than the request's
///
/// Raises UnverifiedError with what differs or that the proof does not hold; InvalidError for a key of another statement;
/// TypeError for missing parts.
#[pyfunction]
#[pyo3(signature = (proof, *, key, request, registry = None, providers = None, table = None))]
pub fn verify<'py>(
    py: Python<'py>,
    proof: &Proof,
    key: &VerifyingKey,
    request: &Bound<'py, PyAny>,
    registry: Option<&CredentialRegistry>,
    providers: Option<&ProviderRegistry>,
    table: Option<&TableCommitment>,
) -> PyResult<Bound<'py, PyAny>> {
    match (Asked::of(request)?, registry, providers, table) {
        (Asked::Identity(request), Some(registry), None, None) => {
            let Verifying::Identity(key) = key.0.as_ref() else { return Err(other_proof_key(key)) };
            let nullifier = py.detach(|| {
                on_all_cores(|| one::<Identity>(key, proof, IDENTITY, |n| request.public(&registry.0, n)))
            })??;
            verified(py, "identity", &request.scope, &nullifier)
        }
        (Asked::Record(request), None, Some(providers), None) => {
            let Verifying::Record(key) = key.0.as_ref() else { return Err(other_proof_key(key)) };
            let nullifier = py.detach(|| {
                on_all_cores(|| one::<RecordAuthenticity>(key, proof, RECORD, |n| request.public(&providers.0, n)))
            })??;
            verified(py, "record", &request.scope, &nullifier)
        }
        (Asked::Statistics(request), None, None, Some(table)) => {
            let Verifying::Statistics(key) = key.0.as_ref() else { return Err(other_proof_key(key)) };
            let Made::Answer(answer) = proof.0.as_ref() else { return Err(fail(VerifyError::OtherStatement)) };
            let query = request.query(&table.0).map_err(fail)?;
            let totals = py.detach(|| {
                on_all_cores(|| answer.verify(key, &table.0, &query, &mut mediveil_rng::system()).cloned())
            })?;
            let totals = totals.map_err(fail)?;
            let class = py.import("mediveil._results")?.getattr("Totals")?;
            class.call1((totals.count, totals.sum, totals.squares))
        }
        (Asked::Identity(_), ..) => Err(takes("verifying an identity takes registry")),
        (Asked::Record(_), ..) => Err(takes("verifying what a record says takes providers")),
        (Asked::Statistics(_), ..) => Err(takes("verifying statistics takes table")),
    }
}

fn nth(index: usize, error: PyErr) -> PyErr {
    Python::attach(|py| {
        let class = error.get_type(py);
        PyErr::from_type(class, format!("proof {index} of the batch: {}", error.value(py)))
    })
}

/// Verifies many proofs of one statement in one check, several times faster than one by one: pairs of proof and request, all
/// IdentityRequest under one registry, or all RecordRequest under the same providers. Returns a `Verified` for each, in order;
/// two with one nullifier in one scope are one person.
///
/// >>> import mediveil
/// >>> key = mediveil.ProvingKey.development("identity").verifying(allow_development=True)
/// >>> registry = mediveil.IssuerRegister("St. Anna", roles=["patient"]).publish()
/// >>> mediveil.verify_batch([], key=key, registry=registry)
/// []
///
/// Raises UnverifiedError with the first proof that does not hold: then none counts.
#[pyfunction]
#[pyo3(signature = (pairs, *, key, registry = None, providers = None))]
pub fn verify_batch<'py>(
    py: Python<'py>,
    pairs: &Bound<'py, PyAny>,
    key: &VerifyingKey,
    registry: Option<&CredentialRegistry>,
    providers: Option<&ProviderRegistry>,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let mut proofs = Vec::new();
    let mut requests = Vec::new();
    for pair in pairs.try_iter()? {
        let (proof, request): (Bound<'_, Proof>, Bound<'_, PyAny>) = pair?.extract()?;
        proofs.push(proof.get().0.clone());
        requests.push(Asked::of(&request)?);
    }
    let mixed = || takes("a batch is of IdentityRequest with a registry, or of RecordRequest with providers");
    let (statement, found) = match (key.0.as_ref(), registry, providers) {
        (Verifying::Identity(key), Some(registry), None) => {
            let requests = requests.iter().map(|r| match r {
                Asked::Identity(request) => Ok(request),
                _ => Err(mixed()),
            });
            let requests = requests.collect::<PyResult<Vec<_>>>()?;
            let found = py.detach(|| {
                on_all_cores(|| {
                    together::<Identity, _>(key, &proofs, &requests, IDENTITY, |request, n| {
                        request.public(&registry.0, n)
                    })
                })
            })??;
            ("identity", found.into_iter().zip(requests.iter().map(|r| r.scope.clone())).collect::<Vec<_>>())
        }
        (Verifying::Record(key), None, Some(providers)) => {
            let requests = requests.iter().map(|r| match r {
                Asked::Record(request) => Ok(request),
                _ => Err(mixed()),
            });
            let requests = requests.collect::<PyResult<Vec<_>>>()?;
            let found = py.detach(|| {
                on_all_cores(|| {
                    together::<RecordAuthenticity, _>(key, &proofs, &requests, RECORD, |request, n| {
                        request.public(&providers.0, n)
                    })
                })
            })??;
            ("record", found.into_iter().zip(requests.iter().map(|r| r.scope.clone())).collect::<Vec<_>>())
        }
        (Verifying::Statistics(_), ..) => {
            return Err(raise(Kind::Invalid, "statistics are a batch already: use verify"));
        }
        _ => return Err(mixed()),
    };
    found.iter().map(|(nullifier, scope)| verified(py, statement, scope, nullifier)).collect()
}

fn together<S: Statement, R>(
    key: &core::VerifyingKey<S>,
    proofs: &[Arc<Made>],
    requests: &[&R],
    names: (usize, [&str; 5]),
    public: impl Fn(&R, Fr) -> Result<S::Public, forms::RequestError>,
) -> PyResult<Vec<Fr>> {
    let mut nullifiers = Vec::with_capacity(proofs.len());
    let mut all = Vec::with_capacity(proofs.len());
    for (index, (proof, request)) in proofs.iter().zip(requests).enumerate() {
        let Made::File(file) = proof.as_ref() else {
            return Err(fail(BatchError { index, why: VerifyError::OtherStatement }));
        };
        let (public, proof, nullifier) = asked::<S>(file, names, |n| public(request, n)).map_err(|e| nth(index, e))?;
        nullifiers.push(nullifier);
        all.push((public, proof));
    }
    key.verify_batch(&all, &mut mediveil_rng::system()).map_err(fail)?;
    Ok(nullifiers)
}
