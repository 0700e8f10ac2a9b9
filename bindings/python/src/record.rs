//! FHIR records: canonical bytes, digests, commitments.

use crate::data::{Data, decode, exactly, text_or_bytes};
use crate::fail::{fail, raise};
use crate::threads::on_all_cores;
use mediveil_bridge::Kind;
use mediveil_codec::Wire;
use mediveil_record as core;
use mediveil_record::{Commitment, Limits, RecordSecret};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

/// A FHIR R4 resource, or a Bundle of them, read strictly: no duplicate names, no lone surrogates, at most 64 MiB and 64 levels.
///
/// >>> import mediveil
/// >>> record = mediveil.Record('{"resourceType": "Observation", "status": "final", "valueQuantity": {"value": 7.10}}')
/// >>> secret = mediveil.Record.new_secret()
/// >>> commitment, = record.commit(secret)
/// >>> opening = record.open(secret, 0, "valueQuantity.value")
/// >>> mediveil.check_opening(commitment, opening)
/// ('valueQuantity.value', '7.10')
///
/// Raises InvalidError with the offset and the path for what is no FHIR JSON.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Record(pub Arc<core::Record>);

fn secret_of(secret: &Bound<'_, PyAny>) -> PyResult<RecordSecret> {
    exactly(secret, "a record's secret").map(RecordSecret::from_bytes)
}

fn no_such(path: &str) -> PyErr {
    raise(Kind::NotFound, format!("the resource has no value at {path}"))
}

#[pymethods]
impl Record {
    #[new]
    #[pyo3(signature = (json, /))]
    fn new(py: Python<'_>, json: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text = text_or_bytes(json)?;
        let record = py.detach(|| core::Record::parse(&text, &Limits::default())).map_err(fail)?;
        Ok(Self(Arc::new(record)))
    }

    /// 32 fresh random bytes: the secret behind a record's commitments. Whoever has it can open all of them; Python cannot
    /// wipe it.
    #[staticmethod]
    fn new_secret(py: Python<'_>) -> Bound<'_, PyBytes> {
        PyBytes::new(py, RecordSecret::generate(&mut mediveil_rng::system()).expose())
    }

    /// The resources, in their order.
    #[getter]
    fn resources(&self) -> Vec<Resource> {
        (0..self.0.resources().len()).map(|index| Resource { record: self.0.clone(), index }).collect()
    }

    /// A commitment (32 bytes) to each resource's values, under a secret of 32 bytes.
    fn commit<'py>(&self, py: Python<'py>, secret: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let secret = secret_of(secret)?;
        let committed = py.detach(|| {
            on_all_cores(|| self.0.commit(&secret))
                .map(|done| done.map(|all| all.iter().map(|c| c.commitment().to_bytes()).collect::<Vec<_>>()))
        })?;
        Ok(committed.map_err(fail)?.iter().map(|bytes| PyBytes::new(py, bytes)).collect())
    }

    /// Opens one value of the resource at `index`, as bytes for `check_opening`. Nothing else is shown. Raises NotFoundError.
    fn open<'py>(
        &self,
        py: Python<'py>,
        secret: &Bound<'py, PyAny>,
        index: usize,
        path: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let secret = secret_of(secret)?;
        let committed = py.detach(|| on_all_cores(|| self.0.commit(&secret)))?.map_err(fail)?;
        let resource = committed.get(index).ok_or_else(|| raise(Kind::NotFound, "there is no such resource"))?;
        Ok(PyBytes::new(py, &resource.open(path).ok_or_else(|| no_such(path))?.encode()))
    }

    fn __len__(&self) -> usize {
        self.0.resources().len()
    }

    fn __repr__(&self) -> String {
        format!("<Record of {} resources>", self.0.resources().len())
    }
}

/// One resource of a record.
///
/// >>> import mediveil
/// >>> resource = mediveil.Record('{"status": "final", "resourceType": "Observation"}').resources[0]
/// >>> resource.canonical()
/// b'{"resourceType":"Observation","status":"final"}'
/// >>> resource.type, len(resource.digest), resource.leaves[-1]
/// ('Observation', 32, ('status', 'final'))
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Resource {
    record: Arc<core::Record>,
    index: usize,
}

impl Resource {
    fn get(&self) -> PyResult<&core::Resource> {
        self.record.resources().get(self.index).ok_or_else(|| raise(Kind::NotFound, "there is no such resource"))
    }
}

#[pymethods]
impl Resource {
    /// Its type, such as "Patient".
    #[getter]
    fn r#type(&self) -> PyResult<&str> {
        Ok(self.get()?.resource_type())
    }

    /// Its id, or None.
    #[getter]
    fn id(&self) -> PyResult<Option<&str>> {
        Ok(self.get()?.id())
    }

    /// RFC 8785 with FHIR's number lexemes: 7.10 is not 7.1.
    fn canonical<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.get()?.canonical().as_bytes()))
    }

    /// SHA-256 of the canonical bytes.
    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.get()?.digest().as_bytes()))
    }

    /// Its values: pairs of path and text.
    #[getter]
    fn leaves(&self) -> PyResult<Vec<(String, String)>> {
        Ok(self.get()?.leaves().into_iter().map(|leaf| (leaf.path, leaf.value.to_string())).collect())
    }

    fn __repr__(&self) -> PyResult<String> {
        Ok(format!("<Resource {}>", self.get()?.resource_type()))
    }
}

/// Checks an opening against a commitment (32 bytes) and returns the path and the value as text.
///
/// >>> import mediveil
/// >>> record, secret = mediveil.Record('{"resourceType": "Patient", "gender": "female"}'), mediveil.Record.new_secret()
/// >>> mediveil.check_opening(record.commit(secret)[0], record.open(secret, 0, "gender"))
/// ('gender', 'female')
///
/// Raises UnverifiedError if the value is not in the commitment, DamagedError for what is no opening.
#[pyfunction]
pub fn check_opening(commitment: &Bound<'_, PyAny>, opening: &Bound<'_, PyAny>) -> PyResult<(String, String)> {
    let data = Data::of(commitment)?;
    let bytes = data.as_slice().try_into().map_err(|_| raise(Kind::Invalid, "a commitment has 32 bytes"))?;
    let commitment = Commitment::from_bytes(bytes).ok_or_else(|| raise(Kind::Damaged, "not a commitment"))?;
    let opening: core::LeafOpening = decode(opening)?;
    let leaf = commitment.verify(&opening).map_err(fail)?;
    Ok((leaf.path.clone(), leaf.value.to_string()))
}
