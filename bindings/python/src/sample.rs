//! Generated patients, for examples.

use mediveil_sample::Generator;
use pyo3::prelude::*;

/// CSV text of a generated cohort: one patient a line, the same for the same seed everywhere. Nobody in it exists.
///
/// >>> import mediveil
/// >>> mediveil.sample_cohort(2, seed=7).splitlines()[0][:25]
/// 'patient_id,site,birth_dat'
#[pyfunction]
#[pyo3(signature = (count, *, seed = 1))]
pub fn sample_cohort(py: Python<'_>, count: u32, seed: u64) -> String {
    py.detach(|| Generator::new(seed).cohort_csv(count))
}

/// The FHIR Bundle of one generated patient, as JSON text.
///
/// >>> import mediveil
/// >>> len(mediveil.Record(mediveil.sample_bundle(0, seed=7))) > 10
/// True
#[pyfunction]
#[pyo3(signature = (index, *, seed = 1))]
pub fn sample_bundle(py: Python<'_>, index: u32, seed: u64) -> String {
    py.detach(|| Generator::new(seed).patient(index).bundle_json())
}
