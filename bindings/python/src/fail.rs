//! Errors as exceptions.

use mediveil_bridge::{Classify, Kind};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// A library's error as the exception of its kind.
pub fn fail(error: impl Classify) -> PyErr {
    raise(error.kind(), error.to_string())
}

/// An exception of this kind.
pub fn raise(kind: Kind, message: impl Into<String>) -> PyErr {
    let message = message.into();
    Python::attach(|py| match class(py, kind) {
        Ok(class) => PyErr::from_type(class, message),
        Err(error) => error,
    })
}

fn class(py: Python<'_>, kind: Kind) -> PyResult<Bound<'_, PyType>> {
    Ok(py.import("mediveil._errors")?.getattr(kind.exception())?.cast_into::<PyType>()?)
}

/// The refusal of `pickle` and `copy` by everything secret or open.
pub fn not_pickled(what: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{what} is not pickled or copied: save it to a file of its own, or open it again there"
    ))
}

/// The names of the exception classes and their status codes in C, for the tests.
#[pyfunction]
pub fn _kinds() -> Vec<(&'static str, i32)> {
    Kind::ALL.iter().map(|kind| (kind.exception(), kind.code())).collect()
}
