//! A site's vectors from whatever holds numbers, added up on the federation's grid.

use crate::fail::{fail, raise};
use mediveil_bridge::Kind;
use mediveil_federate::{Federation, SiteSum, VectorRefused};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use zeroize::Zeroizing;

/// Numbers copied out of a buffer of doubles, and its shape.
struct Numbers {
    numbers: Zeroizing<Vec<f64>>,
    shape: Vec<usize>,
}

/// What a buffer of doubles holds, or an object that numpy makes one of; `None` for anything else.
fn numbers(object: &Bound<'_, PyAny>) -> PyResult<Option<Numbers>> {
    let py = object.py();
    let read = |buffer: PyBuffer<f64>| -> PyResult<Numbers> {
        Ok(Numbers { numbers: Zeroizing::new(buffer.to_vec(py)?), shape: buffer.shape().to_vec() })
    };
    if let Ok(buffer) = PyBuffer::get(object) {
        return read(buffer).map(Some);
    }
    if !object.hasattr("__array__")? {
        return Ok(None);
    }
    let array = py.import("numpy")?.call_method1("asarray", (object, "float64"))?;
    read(PyBuffer::get(&array)?).map(Some)
}

/// One vector of an iterable.
fn one(object: &Bound<'_, PyAny>) -> PyResult<Zeroizing<Vec<f64>>> {
    match numbers(object)? {
        Some(Numbers { numbers, shape }) if shape.len() == 1 => Ok(numbers),
        Some(_) => Err(raise(Kind::Invalid, "a vector has one dimension")),
        None => object.extract().map(Zeroizing::new),
    }
}

/// Clips the vectors and adds them up. The second number says how many had to be cut.
pub fn gather(data: &Bound<'_, PyAny>, federation: &Federation) -> PyResult<(SiteSum, u32)> {
    let py = data.py();
    let entries = usize::try_from(federation.terms().entries).unwrap_or(usize::MAX);
    if let Some(Numbers { numbers, shape }) = numbers(data)? {
        let found = match *shape {
            [found] | [_, found] => found,
            _ => {
                return Err(raise(
                    Kind::Invalid,
                    "an array of vectors has the shape (patients, entries) or (entries,)",
                ));
            }
        };
        if found != entries {
            return Err(fail(VectorRefused::Length { found, expected: entries }));
        }
        let sum = py.detach(|| federation.gather(numbers.chunks_exact(entries.max(1)))).map_err(fail)?;
        let cut = sum.cut();
        return Ok((sum, cut));
    }
    let Ok(iterator) = data.try_iter() else {
        return Err(PyTypeError::new_err("vectors are an array of numbers, or an iterable of vectors"));
    };
    // One by one, so that no site needs the memory for all of them at once.
    let (mut sums, mut vectors, mut cut) = (Zeroizing::new(vec![0i64; entries]), 0u32, 0u32);
    for vector in iterator {
        let vector = one(&vector?)?;
        let added = py.detach(|| federation.gather([vector.as_slice()])).map_err(fail)?;
        for (to, steps) in sums.iter_mut().zip(added.sums()) {
            *to = to.saturating_add(*steps);
        }
        (vectors, cut) = (vectors.saturating_add(1), cut.saturating_add(added.cut()));
        py.check_signals()?;
        if vectors > federation.terms().max_patients {
            break;
        }
    }
    let sum = federation.gathered(sums.to_vec(), vectors).map_err(fail)?;
    Ok((sum, cut))
}
