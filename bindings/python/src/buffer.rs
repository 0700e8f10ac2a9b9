//! Memory that is used again: for many megabytes, fresh memory costs as much as the encryption that fills it.

use crate::fail::{not_pickled, raise};
use mediveil_bridge::Kind;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

/// Bytes that `seal_into` writes and Python reads in place, again and again. It grows as needed and keeps its memory.
///
/// `memoryview(buffer)`, `bytes(buffer)` and everything that takes bytes-like objects see what was written last; nobody can
/// write through a view. While a view is alive the buffer is not filled again: release it, or use it in a `with`.
///
/// >>> import mediveil
/// >>> patient, buffer = mediveil.Identity.generate(), mediveil.Buffer(1 << 20)
/// >>> for scan in (b"first", b"second"):
/// ...     length = mediveil.seal_into(buffer, scan, to=patient.public)
/// ...     with memoryview(buffer) as sealed:
/// ...         print(len(sealed) == length, mediveil.open(sealed, keys=patient))
/// True b'first'
/// True b'second'
///
/// Raises BusyError when it is filled while a view is alive or another thread fills it.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Buffer(Mutex<Held>);

#[derive(Debug)]
enum Held {
    /// At rest, with so many views of it.
    Filled { bytes: Vec<u8>, views: usize },
    /// With the thread that writes it.
    Away,
}

impl Buffer {
    fn swap<T>(&self, with: impl FnOnce(&mut Held) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets `write` append to the memory, emptied, with nobody looking. Returns how long the content is then; after an error it
    /// is empty.
    pub fn fill<E>(&self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> PyResult<Result<usize, E>> {
        let taken = self.swap(|held| match held {
            Held::Filled { bytes, views: 0 } => {
                let bytes = std::mem::take(bytes);
                *held = Held::Away;
                Ok(bytes)
            }
            Held::Filled { .. } => Err("a view of this buffer is in use: release it before the buffer is filled again"),
            Held::Away => Err("another thread fills this buffer"),
        });
        // Back it goes even if `write` panics.
        let mut back = Back { buffer: self, bytes: taken.map_err(|why| raise(Kind::Busy, why))? };
        back.bytes.clear();
        let written = write(&mut back.bytes);
        if written.is_err() {
            back.bytes.clear();
        }
        Ok(written.map(|()| back.bytes.len()))
    }
}

struct Back<'a> {
    buffer: &'a Buffer,
    bytes: Vec<u8>,
}

impl Drop for Back<'_> {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.buffer.swap(|held| *held = Held::Filled { bytes, views: 0 });
    }
}

#[pymethods]
impl Buffer {
    /// capacity: bytes to set aside at once.
    #[new]
    #[pyo3(signature = (capacity = 0, /))]
    fn new(capacity: usize) -> PyResult<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(capacity).map_err(|_| raise(Kind::Invalid, "there is not so much memory"))?;
        Ok(Self(Mutex::new(Held::Filled { bytes, views: 0 })))
    }

    fn __len__(&self) -> usize {
        self.swap(|held| match held {
            Held::Filled { bytes, .. } => bytes.len(),
            Held::Away => 0,
        })
    }

    #[expect(unsafe_code, reason = "the buffer protocol is one of raw pointers")]
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let object = slf.as_ptr();
        slf.get().swap(|held| match held {
            Held::Filled { bytes, views } => {
                let len = ffi::Py_ssize_t::try_from(bytes.len()).map_err(|_| PyBufferError::new_err("too long"))?;
                // SAFETY: `view` is the caller's, to be filled in. The memory stays where and what it is until the views are
                // counted down to nothing, since `fill` refuses before; the view holds the object and is read-only.
                let filled = unsafe { ffi::PyBuffer_FillInfo(view, object, bytes.as_mut_ptr().cast(), len, 1, flags) };
                if filled != 0 {
                    return Err(PyErr::fetch(slf.py()));
                }
                *views = views.saturating_add(1);
                Ok(())
            }
            Held::Away => Err(PyBufferError::new_err("another thread fills this buffer")),
        })
    }

    #[expect(unsafe_code, reason = "the buffer protocol is one of raw pointers; nothing is done with this one")]
    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.swap(|held| {
            if let Held::Filled { views, .. } = held {
                *views = views.saturating_sub(1);
            }
        });
    }

    fn __repr__(&self) -> String {
        format!("<Buffer of {} bytes>", self.__len__())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a buffer"))
    }
}
