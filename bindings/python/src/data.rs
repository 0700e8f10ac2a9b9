//! Bytes in and out.

use crate::fail::{fail, raise};
use mediveil_bridge::{Classify, Kind};
use mediveil_codec::{Wire, armor};
use mediveil_seal::AtomicFile;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Key files are short; a wrong file is noticed before it fills the memory.
const MAX_KEY_FILE: u64 = 1 << 20;

/// The content of a bytes-like object: in place for `bytes`, which never change, and a copy of anything else.
#[derive(Debug)]
pub enum Data<'py> {
    Bytes(Bound<'py, PyBytes>),
    Copied(Zeroizing<Vec<u8>>),
}

impl<'py> Data<'py> {
    pub fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        if object.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("expected bytes, got str: encode it first"));
        }
        let buffer = PyBuffer::<u8>::get(object)
            .map_err(|e| if e.is_instance_of::<PyTypeError>(object.py()) { expected_bytes(object) } else { e })?;
        Ok(Self::Copied(Zeroizing::new(buffer.to_vec(object.py())?)))
    }

    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Copied(bytes) => bytes,
        }
    }
}

fn expected_bytes(object: &Bound<'_, PyAny>) -> PyErr {
    let name = object.get_type().name().map_or_else(|_| "something else".into(), |n| n.to_string());
    PyTypeError::new_err(format!("expected a bytes-like object, got {name}"))
}

/// Exactly `N` bytes.
pub fn exactly<const N: usize>(object: &Bound<'_, PyAny>, what: &str) -> PyResult<[u8; N]> {
    let data = Data::of(object)?;
    let bytes = data.as_slice();
    bytes.try_into().map_err(|_| raise(Kind::Invalid, format!("{what} has {N} bytes, not {}", bytes.len())))
}

/// Text, or bytes of it.
pub fn text_or_bytes(object: &Bound<'_, PyAny>) -> PyResult<Zeroizing<Vec<u8>>> {
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(Zeroizing::new(text.to_str()?.as_bytes().to_vec()));
    }
    Ok(Zeroizing::new(Data::of(object)?.as_slice().to_vec()))
}

pub fn decode<T: Wire>(object: &Bound<'_, PyAny>) -> PyResult<T> {
    T::decode(Data::of(object)?.as_slice()).map_err(fail)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn at(path: &Path, error: std::io::Error) -> PyErr {
    raise(error.kind_of(), format!("{}: {error}", path.display()))
}

/// `std::io::Error` has a `kind` of its own; this is the table's.
pub trait KindOf {
    fn kind_of(&self) -> Kind;
}

impl KindOf for std::io::Error {
    fn kind_of(&self) -> Kind {
        Classify::kind(self)
    }
}

pub fn read_key_file(path: &Path) -> PyResult<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path).and_then(|f| f.take(MAX_KEY_FILE + 1).read_to_end(&mut bytes)).map_err(|e| at(path, e))?;
    if bytes.len() as u64 > MAX_KEY_FILE {
        return Err(raise(Kind::Damaged, format!("{}: over 1 MiB, too long for a key file", path.display())));
    }
    Ok(bytes)
}

/// Writes a key file: whole or not at all; a secret one readable by its owner alone, and never over another.
pub fn write_key_file(path: &Path, text: &str, private: bool) -> PyResult<()> {
    AtomicFile::options().private(private).keep_existing(private).write(path, text.as_bytes()).map_err(|e| at(path, e))
}

/// Loads an armoured object from a file.
pub fn load<T: Wire>(path: PathBuf) -> PyResult<T> {
    armor::decode(&read_key_file(&path)?).map_err(fail)
}
