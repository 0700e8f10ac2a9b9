//! Objects with a form in bytes, as Python has them: what is public is read from and written to files and bytes, compared,
//! hashed and pickled; what is secret is read from and written to files of its owner, and nothing else.

use crate::data::{Data, at};
use crate::fail::{fail, raise};
use crate::threads::on_all_cores;
use mediveil_bridge::{Classify, Kind};
use mediveil_codec::{Wire, armor};
use mediveil_seal::AtomicFile;
use pyo3::prelude::*;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A file of at most so many bytes.
pub fn read_file(path: &Path, max: usize) -> PyResult<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let most = (max as u64).saturating_add(1);
    File::open(path).and_then(|f| f.take(most).read_to_end(&mut bytes)).map_err(|e| at(path, e))?;
    if bytes.len() > max {
        return Err(raise(Kind::Damaged, format!("{}: longer than such a file can be", path.display())));
    }
    Ok(bytes)
}

/// An object from its file, in armour or as plain bytes.
pub fn read_object<T: Wire>(path: &Path) -> PyResult<T> {
    // Armour is a third longer, with line ends.
    let bytes = read_file(path, T::MAX_BODY.saturating_mul(3) / 2 + 4096)?;
    let object = if armor::is_armored(&bytes) { armor::decode(&bytes) } else { T::decode(&bytes) };
    object.map_err(|e| raise(Classify::kind(&e), format!("{}: {e}", path.display())))
}

/// An object from its bytes, which may take several cores.
pub fn decode_object<T: Wire + Send>(object: &Bound<'_, PyAny>) -> PyResult<T> {
    let data = Data::of(object)?;
    let bytes = data.as_slice();
    object.py().detach(|| on_all_cores(|| T::decode(bytes)))?.map_err(fail)
}

/// The longest object that is written in armour: longer ones are not for people to paste.
const MAX_ARMORED: usize = 4096;

/// Writes an object's file: small ones in armour, as the command does.
pub fn write_object<T: Wire>(path: &Path, object: &T, private: bool) -> PyResult<()> {
    let bytes = object.encode_secret();
    if bytes.len() > MAX_ARMORED {
        return write_file(path, &bytes, private, private);
    }
    write_file(path, armor::encode(object).as_bytes(), private, private)
}

/// Writes a file whole or not at all.
pub fn write_file(path: &Path, bytes: &[u8], private: bool, keep: bool) -> PyResult<()> {
    AtomicFile::options().private(private).keep_existing(keep).write(path, bytes).map_err(|e| at(path, e))
}

/// A file, whole.
pub fn bytes_of(path: &Path) -> PyResult<Vec<u8>> {
    std::fs::read(path).map_err(|e| at(path, e))
}

/// An object from a file that a directory of several parties holds, in plain bytes.
pub fn object_of<T: Wire>(path: &Path) -> PyResult<T> {
    T::decode(&bytes_of(path)?).map_err(|e| raise(Kind::Damaged, format!("{}: {e}", path.display())))
}

/// Writes an object into such a directory; the same bytes again are no change, others are refused.
pub fn put<T: Wire>(path: &Path, object: &T) -> PyResult<()> {
    let bytes = object.encode();
    match AtomicFile::options().keep_existing(true).write(path, &bytes) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            if std::fs::read(path).is_ok_and(|found| found == bytes) {
                return Ok(());
            }
            Err(at(path, e))
        }
        other => other.map_err(|e| at(path, e)),
    }
}

/// A folder, made where it is not.
pub fn folder(path: PathBuf) -> PyResult<PathBuf> {
    std::fs::create_dir_all(&path).map_err(|e| at(&path, e))?;
    Ok(path)
}

/// What one class of public objects is: read from and written to files and bytes, compared, hashed and pickled.
macro_rules! public_object {
    ($(#[$meta:meta])* $name:ident($core:ty) { $($methods:tt)* }) => {
        $(#[$meta])*
        #[pyclass(frozen, module = "mediveil")]
        #[derive(Debug)]
        pub struct $name(pub std::sync::Arc<$core>);

        #[pymethods]
        impl $name {
            $($methods)*

            /// Reads its file, as this or the command writes it. Raises DamagedError for anything else.
            #[staticmethod]
            fn load(py: Python<'_>, path: std::path::PathBuf) -> PyResult<Self> {
                let read = py.detach(|| $crate::threads::on_all_cores(|| $crate::objects::read_object(&path)))?;
                read.map(|it| Self(std::sync::Arc::new(it)))
            }

            /// Writes its file, over what is there.
            fn save(&self, path: std::path::PathBuf) -> PyResult<()> {
                $crate::objects::write_object(&path, self.0.as_ref(), false)
            }

            /// Reads the bytes that `to_bytes` wrote. Raises DamagedError.
            #[classmethod]
            fn from_bytes(_class: &Bound<'_, pyo3::types::PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
                Ok(Self(std::sync::Arc::new($crate::objects::decode_object(data)?)))
            }

            /// The bytes of it.
            fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, pyo3::types::PyBytes> {
                pyo3::types::PyBytes::new(py, &mediveil_codec::Wire::encode(self.0.as_ref()))
            }

            fn __eq__(&self, other: &Self) -> bool {
                mediveil_codec::Wire::encode(self.0.as_ref()) == mediveil_codec::Wire::encode(other.0.as_ref())
            }

            fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
                slf.get().to_bytes(slf.py()).hash()
            }

            fn __reduce__<'py>(
                slf: &Bound<'py, Self>,
            ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, pyo3::types::PyBytes>,))> {
                Ok((slf.get_type().getattr("from_bytes")?, (slf.get().to_bytes(slf.py()),)))
            }
        }
    };
}

/// What one class of secrets is: read from and written to files of their owner, and nothing else.
macro_rules! secret_object {
    ($(#[$meta:meta])* $name:ident($core:ty), $what:literal { $($methods:tt)* }) => {
        $(#[$meta])*
        #[pyclass(frozen, module = "mediveil")]
        #[derive(Debug)]
        pub struct $name(pub std::sync::Arc<$core>);

        #[pymethods]
        impl $name {
            $($methods)*

            /// Reads its file, as this or the command writes it. Raises DamagedError for anything else.
            #[staticmethod]
            fn load(py: Python<'_>, path: std::path::PathBuf) -> PyResult<Self> {
                let read = py.detach(|| $crate::threads::on_all_cores(|| $crate::objects::read_object(&path)))?;
                read.map(|it| Self(std::sync::Arc::new(it)))
            }

            /// Writes its file, readable by its owner alone. Raises ExistsError where a file is there already.
            fn save(&self, path: std::path::PathBuf) -> PyResult<()> {
                $crate::objects::write_object(&path, self.0.as_ref(), true)
            }

            fn __repr__(&self) -> &'static str {
                concat!("<", stringify!($name), ", secret>")
            }

            fn __reduce__(&self) -> PyResult<()> {
                Err($crate::fail::not_pickled($what))
            }
        }
    };
}

pub(crate) use {public_object, secret_object};
