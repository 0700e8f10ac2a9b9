//! Files and file objects as Rust's readers and writers, with progress, signals and exceptions carried through.

use crate::data::{Data, KindOf, at};
use crate::fail::raise;
use mediveil_bridge::Kind;
use mediveil_seal::AtomicFile;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// How much is read between two looks at signals and the progress callback.
const TICK: u64 = 1 << 20;

/// The Python exception that stopped a copy, beside the `io::Error` that Rust saw.
#[derive(Clone, Debug, Default)]
pub struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    fn keep(&self, error: PyErr) -> io::Error {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        io::Error::other("a Python exception")
    }

    /// The exception that was raised in between, or else the one given.
    pub fn or(&self, other: impl FnOnce() -> PyErr) -> PyErr {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(other)
    }

    /// Tells a callback that so much was done; what it raises is kept.
    pub fn tell(&self, progress: &Py<PyAny>, done: u64) {
        let _ = self.python(|py| progress.call1(py, (done,)).map(|_| ()));
    }

    fn is_set(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Raises what was raised in between.
    pub fn check(&self) -> PyResult<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn python<T>(&self, work: impl for<'py> FnOnce(Python<'py>) -> PyResult<T>) -> io::Result<T> {
        // During the interpreter's exit there is nobody left to ask.
        match Python::try_attach(work) {
            Some(done) => done.map_err(|e| self.keep(e)),
            None => Err(io::Error::other("the interpreter is shutting down")),
        }
    }
}

/// What is told how much was done since it was last told: `tqdm(...)` itself, its `update`, or any callable will do.
pub fn updater(progress: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    match progress.filter(|p| !p.is_none()) {
        Some(bar) if bar.hasattr("update")? => Ok(Some(bar.getattr("update")?.unbind())),
        Some(call) if call.is_callable() => Ok(Some(call.clone().unbind())),
        Some(_) => Err(PyTypeError::new_err("progress is a callable that takes a number")),
        None => Ok(None),
    }
}

/// A writer that looks at signals before each write, and stops once anything was raised.
#[derive(Debug)]
pub struct Watched<W> {
    pub inner: W,
    pub raised: Raised,
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.raised.python(|py| py.check_signals())?;
        if self.raised.is_set() {
            return Err(io::Error::other("a Python exception"));
        }
        self.inner.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn path_of(object: &Bound<'_, PyAny>) -> PyResult<Option<PathBuf>> {
    if object.is_instance_of::<PyString>() || object.hasattr("__fspath__")? {
        return object.extract().map(Some);
    }
    Ok(None)
}

fn wrong(object: &Bound<'_, PyAny>, method: &str) -> PyErr {
    let name = object.get_type().name().map_or_else(|_| "something else".into(), |n| n.to_string());
    PyTypeError::new_err(format!("expected a path or a binary file object with {method}(), got {name}"))
}

#[derive(Debug)]
enum From {
    File(File),
    Object(Py<PyAny>),
}

/// A path or a file object to read from.
#[derive(Debug)]
pub struct Source {
    from: From,
    progress: Option<Py<PyAny>>,
    since: u64,
    raised: Raised,
}

impl Source {
    /// `progress` is called with the number of bytes read since the last call: `tqdm(...)` itself or its `update` will do.
    pub fn of(object: &Bound<'_, PyAny>, progress: Option<&Bound<'_, PyAny>>, raised: &Raised) -> PyResult<Self> {
        let from = match path_of(object)? {
            Some(path) => {
                let file = File::open(&path).map_err(|e| at(&path, e))?;
                if file.metadata().is_ok_and(|m| m.is_dir()) {
                    return Err(raise(Kind::Storage, format!("{}: is a directory", path.display())));
                }
                From::File(file)
            }
            None if object.hasattr("read")? => From::Object(object.clone().unbind()),
            None => return Err(wrong(object, "read")),
        };
        Ok(Self { from, progress: updater(progress)?, since: 0, raised: raised.clone() })
    }

    /// The file, where it is one.
    pub fn into_file(self) -> Option<File> {
        match self.from {
            From::File(file) => Some(file),
            From::Object(_) => None,
        }
    }

    fn tick(&mut self, read: usize) -> io::Result<()> {
        self.since += read as u64;
        // At the end (nothing read) what is left is reported.
        if self.since < TICK && (read > 0 || self.since == 0) {
            return Ok(());
        }
        let since = std::mem::take(&mut self.since);
        self.raised.python(|py| {
            py.check_signals()?;
            if let Some(progress) = &self.progress {
                progress.call1(py, (since,))?;
            }
            Ok(())
        })
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.from {
            From::File(file) => file.read(out)?,
            From::Object(object) => self.raised.python(|py| {
                let given = object.bind(py).call_method1("read", (out.len(),))?;
                if given.is_none() {
                    return Err(PyValueError::new_err("read() returned None: open the file in blocking mode"));
                }
                let data = Data::of(&given)
                    .map_err(|_| PyTypeError::new_err("read() must return bytes: open the file in binary mode"))?;
                let bytes = data.as_slice();
                let Some(to) = out.get_mut(..bytes.len()) else {
                    return Err(PyValueError::new_err("read() returned more than it was asked for"));
                };
                to.copy_from_slice(bytes);
                Ok(bytes.len())
            })?,
        };
        self.tick(read)?;
        Ok(read)
    }
}

#[derive(Debug)]
enum Into {
    File(Box<AtomicFile>, PathBuf),
    Object(Py<PyAny>),
}

/// A path, where the output appears whole or not at all, or a file object.
#[derive(Debug)]
pub struct Sink {
    into: Into,
    raised: Raised,
}

impl Sink {
    pub fn of(object: &Bound<'_, PyAny>, raised: &Raised) -> PyResult<Self> {
        let into = match path_of(object)? {
            Some(path) => Into::File(Box::new(AtomicFile::create(&path).map_err(|e| at(&path, e))?), path),
            None if object.hasattr("write")? => Into::Object(object.clone().unbind()),
            None => return Err(wrong(object, "write")),
        };
        Ok(Self { into, raised: raised.clone() })
    }

    /// Puts a file in its place. What was written to a file object is there already.
    pub fn commit(self) -> PyResult<()> {
        match self.into {
            Into::File(file, path) => file.commit().map_err(|e| {
                let message = format!("{}: {e}", path.display());
                raise(e.kind_of(), message)
            }),
            Into::Object(_) => Ok(()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match &mut self.into {
            Into::File(file, _) => file.write(data),
            Into::Object(object) => self.raised.python(|py| {
                let written = object.bind(py).call_method1("write", (PyBytes::new(py, data),))?;
                // Raw files say how much they took; others take everything, and some return None.
                let written = if written.is_none() { data.len() } else { written.extract::<usize>()? };
                if written > data.len() {
                    return Err(PyValueError::new_err("write() says that it wrote more than it was given"));
                }
                Ok(written)
            }),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.into {
            Into::File(file, _) => file.flush(),
            Into::Object(object) => self.raised.python(|py| {
                let object = object.bind(py);
                if object.hasattr("flush")? {
                    object.call_method0("flush")?;
                }
                Ok(())
            }),
        }
    }
}
