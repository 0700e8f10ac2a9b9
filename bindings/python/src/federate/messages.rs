//! What travels between the parties of a federation: rounds, uploads and answers, as bytes; and what never does, a site's sum.

use crate::data::Data;
use crate::fail::{fail, not_pickled};
use crate::federate::values::doubles;
use crate::objects::public_object;
use crate::threads::on_all_cores;
use mediveil_codec::{Wire, read_wire};
use mediveil_federate as core;
use mediveil_fhe::vector::EncryptedVector;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};
use std::sync::Arc;

/// A round that has begun: its number and the state of the model that it works on. A site that has the federation's terms and
/// this needs no log to contribute. Made by `Federation.begin` and `Federation.round`.
///
/// >>> import mediveil
/// >>> mediveil.FederatedRound.from_bytes(b"none")
/// Traceback (most recent call last):
///     ...
/// mediveil.DamagedError: ...
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedRound {
    pub round: core::Round,
    pub state: Vec<u8>,
}

/// What is read from two objects one after the other, or else it is damaged.
fn damaged(why: &'static str) -> PyErr {
    crate::fail::raise(mediveil_bridge::Kind::Damaged, why)
}

#[pymethods]
impl FederatedRound {
    /// Its number, from 1.
    #[getter]
    fn number(&self) -> u32 {
        self.round.number()
    }

    /// The state of the model, as bytes of JSON.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.state)
    }

    /// Reads the bytes that `to_bytes` wrote. Raises DamagedError, also for a state that is not the one the round names.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let data = Data::of(data)?;
        let mut rest = data.as_slice();
        let (round, _) = read_wire::<core::Round>(&mut rest).map_err(fail)?;
        if core::Round::digest_of(rest) != *round.state() {
            return Err(damaged("the state is not the one that the round names"));
        }
        Ok(Self { round, state: rest.to_vec() })
    }

    /// The round, and behind it the state.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &[self.round.encode(), self.state.clone()].concat())
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.get().to_bytes(slf.py()).hash()
    }

    fn __repr__(&self) -> String {
        format!("<FederatedRound {}>", self.round.number())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("from_bytes")?, (slf.get().to_bytes(slf.py()),)))
    }
}

/// The sum of a site's vectors, clipped and in steps of the grid, before it is encrypted: patient data. It stays in the process
/// that made it and is not pickled. Made by `Federation.gather`.
///
/// >>> import mediveil
/// >>> mediveil.SiteSum.__name__
/// 'SiteSum'
#[pyclass(frozen, module = "mediveil")]
pub struct SiteSum {
    pub sum: core::SiteSum,
    pub cut: u32,
    pub grid: core::Grid,
    /// The federation, and the round whose model the vectors were made with.
    pub of: ([u8; 32], Option<[u8; 32]>),
}

impl std::fmt::Debug for SiteSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SiteSum")
    }
}

#[pymethods]
impl SiteSum {
    /// How many vectors are in it.
    #[getter]
    fn vectors(&self) -> u32 {
        self.sum.vectors()
    }

    /// How many of them were longer than the clip and had to be cut. If many were, the sum is of other vectors than was meant.
    #[getter]
    fn cut(&self) -> u32 {
        self.cut
    }

    /// The entries, an array of doubles.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let values: Vec<f64> = self.sum.sums().iter().map(|steps| self.grid.real(*steps)).collect();
        doubles(py, &values)
    }

    fn __repr__(&self) -> &'static str {
        "<SiteSum, patient data>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("the sum of a site's vectors"))
    }
}

/// What a site or a member gives to a round: a vector under a key of its own, that key in shares sealed to the members, and a
/// signature. It hides the vector from everybody but a quorum of the members, may be sent by any way, and is handed in by
/// `Federation.submit`. Made by `Federation.contribute` and `Federation.noise`.
///
/// >>> import mediveil
/// >>> mediveil.FederatedUpload.from_bytes(b"none")
/// Traceback (most recent call last):
///     ...
/// mediveil.DamagedError: ...
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Debug, PartialEq, Eq)]
pub struct FederatedUpload(pub Arc<core::Upload>);

#[pymethods]
impl FederatedUpload {
    /// Who says to have made it: "site-0", "member-1". It is checked when it is submitted.
    #[getter]
    fn contributor(&self) -> String {
        self.0.contribution.contributor().name()
    }

    /// Reads the bytes that `to_bytes` wrote. Raises DamagedError.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = data.py();
        let data = Data::of(data)?;
        let mut rest = data.as_slice();
        let (contribution, _) = read_wire::<core::Contribution>(&mut rest).map_err(fail)?;
        let vector = py.detach(|| on_all_cores(|| EncryptedVector::decode(rest)))?.map_err(fail)?;
        Ok(Self(Arc::new(core::Upload { contribution, vector })))
    }

    /// The signed contribution, and behind it the vector.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| [self.0.contribution.encode(), self.0.vector.encode()].concat());
        PyBytes::new(py, &bytes)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        PyBytes::new(slf.py(), &slf.get().0.contribution.digest()).hash()
    }

    fn __repr__(&self) -> String {
        format!("<FederatedUpload of {}>", self.contributor())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("from_bytes")?, (slf.get().to_bytes(slf.py()),)))
    }
}

public_object! {
    /// A member's part in opening a closed round: the signed sum of its shares of exactly the keys that the closing counts. It
    /// may be shown to anybody, and is handed in by `Federation.submit`. Made by `Federation.answer`.
    ///
    /// >>> import mediveil
    /// >>> mediveil.FederatedAnswer.from_bytes(b"none")
    /// Traceback (most recent call last):
    ///     ...
    /// mediveil.DamagedError: ...
    FederatedAnswer(core::MemberSum) {
        /// The number of the member that says to have made it, from 1.
        #[getter]
        fn member(&self) -> u32 {
            self.0.member()
        }

        fn __repr__(&self) -> String {
            format!("<FederatedAnswer of member {}>", self.0.member())
        }
    }
}
