//! The Rust side of `py.overhead`: what a Rust program does for the four bulk calls, on memory that is there already.
//!
//! `overhead.py` loads this module beside the package `mediveil`, built from the same crates with the same profile, gives both
//! the same inputs, and lets them work in turn in one process. `run` of each class works once and returns the seconds it
//! took by its own clock, which neither a call from Python nor a conversion is part of.

use mediveil_circuits::forms::CredentialRegistry;
use mediveil_circuits::identity::Identity as IdentityStatement;
use mediveil_codec::{Timestamp, Wire};
use mediveil_dp::{Budget, Epsilon, Plan, Price, Query, Schema};
use mediveil_ledger::{Actor, Log};
use mediveil_seal::identity::{Identity, PublicIdentity};
use mediveil_seal::{AtomicFile, Sealer};
use mediveil_study::{Cells, Commitment, Layout, Study, Table, Terms, Values};
use mediveil_zk::forms::{IdentityRequest, Request};
use mediveil_zk::{ProofFile, Trust, VerifyingKey};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn failed(error: impl Display) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// Seals bytes for one recipient into memory that is used again.
#[pyclass]
struct Seal {
    to: PublicIdentity,
    out: Vec<u8>,
}

#[pymethods]
impl Seal {
    #[new]
    fn new(to: &[u8], capacity: usize) -> PyResult<Self> {
        Ok(Self { to: PublicIdentity::decode(to).map_err(failed)?, out: Vec::with_capacity(capacity) })
    }

    fn run(&mut self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<f64> {
        let plaintext = data.as_bytes();
        py.detach(|| {
            let start = Instant::now();
            self.out.clear();
            let sealer = Sealer::new().to(&self.to);
            sealer.seal_into(plaintext, &mut self.out, &mut mediveil_rng::system()).map_err(failed)?;
            Ok(start.elapsed().as_secs_f64())
        })
    }
}

/// A site's rows from columns in memory to the ciphertexts in their file and the commitment in the log.
#[pyclass]
struct Encrypt {
    study: Study,
    layout: Layout,
    site: Identity,
    columns: Vec<Cells<'static>>,
}

fn read<T: Wire>(path: &Path) -> PyResult<T> {
    T::decode(&std::fs::read(path).map_err(failed)?).map_err(failed)
}

fn cells(name: String, values: &Bound<'_, PyAny>) -> PyResult<Cells<'static>> {
    let py = values.py();
    let values = if let Ok(integers) = PyBuffer::<i64>::get(values) {
        Values::Integers(integers.to_vec(py)?.into())
    } else if let Ok(floats) = PyBuffer::<f64>::get(values) {
        Values::Floats(floats.to_vec(py)?.into())
    } else {
        let bytes = PyBuffer::<u8>::get(values)?.to_vec(py)?;
        Values::Flags(bytes.into_iter().map(|byte| byte != 0).collect())
    };
    Ok(Cells { name: name.into(), values, known: None })
}

#[pymethods]
impl Encrypt {
    #[new]
    fn new(directory: PathBuf, site: PathBuf, columns: Vec<(String, Bound<'_, PyAny>)>) -> PyResult<Self> {
        let layout = Layout::new(directory);
        let terms: Terms = read(&layout.terms())?;
        let study = Study::new(terms, read(&layout.key())?).map_err(failed)?;
        let site = Identity::from_key_file(&std::fs::read(site).map_err(failed)?, None).map_err(failed)?;
        let columns = columns.into_iter().map(|(name, values)| cells(name, &values)).collect::<PyResult<_>>()?;
        Ok(Self { study, layout, site, columns })
    }

    fn run(&self, py: Python<'_>, out: PathBuf) -> PyResult<f64> {
        py.detach(|| {
            let start = Instant::now();
            self.encrypt(&out)?;
            Ok(start.elapsed().as_secs_f64())
        })
    }
}

impl Encrypt {
    fn encrypt(&self, out: &Path) -> PyResult<()> {
        let log = Log::open(self.layout.log()).map_err(failed)?;
        self.study.check_key(&log).map_err(failed)?;
        let table = Table::from_columns(&self.columns, self.study.schema()).map_err(failed)?;
        let new = AtomicFile::options().keep_existing(true);
        let mut file = new.create(out).map_err(failed)?;
        let rng = &mut mediveil_rng::system();
        let manifest = self.study.encrypt(&table, &self.site, &mut file, rng, &mut |_, _| ()).map_err(failed)?;
        let new = AtomicFile::options().keep_existing(true);
        new.write(&Layout::manifest(out), &manifest.encode()).map_err(failed)?;
        file.commit().map_err(failed)?;
        let commitment = Commitment::new(&manifest, &self.site);
        self.study.commit(&log, &commitment, Timestamp::now()).map_err(failed)?;
        Ok(())
    }
}

/// Verifies proofs of identity against one's own requests, all in one batch.
#[pyclass]
struct Verify {
    key: VerifyingKey<IdentityStatement>,
    registry: CredentialRegistry,
    batch: Vec<(ProofFile, IdentityRequest)>,
}

/// The place of the nullifier among the public inputs.
const NULLIFIER: usize = 1;

#[pymethods]
impl Verify {
    #[new]
    fn new(key: &[u8], registry: &[u8], pairs: Vec<(Vec<u8>, String)>) -> PyResult<Self> {
        let one = |(proof, request): (Vec<u8>, String)| {
            let Request::Identity(request) = Request::parse(request.as_bytes()).map_err(failed)? else {
                return Err(PyValueError::new_err("a request for another statement"));
            };
            Ok((ProofFile::decode(&proof).map_err(failed)?, request))
        };
        Ok(Self {
            key: VerifyingKey::decode_wire(key, Trust::Development).map_err(failed)?,
            registry: CredentialRegistry::decode(registry).map_err(failed)?,
            batch: pairs.into_iter().map(one).collect::<PyResult<_>>()?,
        })
    }

    fn run(&self, py: Python<'_>) -> PyResult<f64> {
        py.detach(|| {
            let start = Instant::now();
            let mut all = Vec::with_capacity(self.batch.len());
            for (file, request) in &self.batch {
                let nullifier = file.inputs().get(NULLIFIER).copied().unwrap_or_default();
                let public = request.public(&self.registry, nullifier).map_err(failed)?;
                let proof = file.proof_of(&public).map_err(failed)?;
                all.push((public, proof));
            }
            self.key.verify_batch(&all, &mut mediveil_rng::system()).map_err(failed)?;
            Ok(start.elapsed().as_secs_f64())
        })
    }
}

/// Previews plans.
#[pyclass]
struct Preview {
    budget: Budget,
    plans: Vec<Plan>,
}

#[pymethods]
impl Preview {
    #[new]
    fn new(log: PathBuf, data_set: [u8; 32], schema: &str, questions: Vec<(String, String)>) -> PyResult<Self> {
        let log = Log::open(log).map_err(failed)?;
        let budget = Budget::open(&log, &data_set, Actor::SYSTEM).map_err(failed)?;
        let schema = Schema::from_json(schema).map_err(failed)?;
        let one = |(query, epsilon): (String, String)| {
            let price = Price::Epsilon(Epsilon::cost_from_decimal(&epsilon).map_err(failed)?);
            Query::from_json(&query).map_err(failed)?.plan(&schema, 1, price).map_err(failed)
        };
        let plans = questions.into_iter().map(one).collect::<PyResult<_>>()?;
        Ok(Self { budget, plans })
    }

    fn run(&self, py: Python<'_>) -> PyResult<f64> {
        py.detach(|| {
            let start = Instant::now();
            let found = self.plans.iter().map(|plan| self.budget.preview(plan)).collect::<Result<Vec<_>, _>>();
            let seconds = start.elapsed().as_secs_f64();
            found.map_err(failed).map(|_| seconds)
        })
    }
}

#[pymodule(gil_used = true)]
mod mediveil_twin {
    #[pymodule_export]
    use super::{Encrypt, Preview, Seal, Verify};
}
