//! Key rings in their files.

use crate::data::Data;
use crate::doors;
use crate::fail::{fail, not_pickled, raise};
use crate::identity::PublicIdentity;
use crate::time::{datetime, moment};
use mediveil_bridge::{Kind, SharedRing};
use mediveil_codec::{Timestamp, Wire};
use mediveil_seal::identity::{IdentityKind, PublicIdentity as CorePublic};
use mediveil_seal::ring::{ErasureReceipt, OwnerRole, Ring, RingFile, RingFileError, WhenActive};
use mediveil_seal::{Opener, Recipient};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The versions of one owner's key in a file: the newest seals, older ones still open what was sealed for them, and a version
/// can be erased so that what was sealed for it is gone.
///
/// `KeyRing.create` makes the file, `KeyRing.open` opens it; it is locked for others until `close()`, or the end of a `with`
/// block. `role` is "patient", "provider", "system" or "emergency" and sets when keys are due for rotation and expire.
/// `wrapping` names a second file without which the ring does not open: kept on other storage, it makes erasure hold
/// against copies of the ring.
///
/// >>> import mediveil, tempfile, os
/// >>> owner = mediveil.Identity.generate(hybrid=False)
/// >>> path = os.path.join(tempfile.mkdtemp(), "provider.ring")
/// >>> with mediveil.KeyRing.create(path, "provider", to=owner, hybrid=False) as ring:
/// ...     sealed = mediveil.seal(b"record", to=ring)
/// ...     ring.rotate()
/// ...     mediveil.open(sealed, keys=ring)
/// 2
/// b'record'
///
/// Raises BusyError while another process has it open, NoKeyError when no key opens its lock, StateError once it is closed.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct KeyRing {
    ring: SharedRing,
    process: u32,
}

impl KeyRing {
    fn of(file: RingFile) -> Self {
        Self { ring: Arc::new(Mutex::new(Some(file))), process: std::process::id() }
    }

    pub fn shared(&self) -> PyResult<SharedRing> {
        if std::process::id() != self.process {
            return Err(raise(Kind::State, "the ring was opened before this process was forked: open it again here"));
        }
        if self.ring.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Err(raise(Kind::State, "the ring is closed"));
        }
        Ok(self.ring.clone())
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut RingFile) -> Result<T, RingFileError> + Send,
    ) -> PyResult<T> {
        let shared = self.shared()?;
        let done = py.detach(|| {
            let mut ring = shared.lock().unwrap_or_else(PoisonError::into_inner);
            ring.as_mut().map(work)
        });
        done.ok_or_else(|| raise(Kind::State, "the ring is closed"))?.map_err(fail)
    }

    pub fn recipient_at(&self, now: Timestamp) -> PyResult<Arc<CorePublic>> {
        let shared = self.shared()?;
        let ring = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let file = ring.as_ref().ok_or_else(|| raise(Kind::State, "the ring is closed"))?;
        file.ring().recipient(now).map(|public| Arc::new(public.clone())).map_err(fail)
    }
}

impl Drop for KeyRing {
    fn drop(&mut self) {
        // In a forked child the lock on the file is the parent's, and must not be given back here.
        if std::process::id() != self.process {
            std::mem::forget(self.ring.clone());
        }
    }
}

fn role(name: &str) -> PyResult<OwnerRole> {
    Ok(match name {
        "patient" => OwnerRole::Patient,
        "provider" => OwnerRole::Provider,
        "system" => OwnerRole::System,
        "emergency" => OwnerRole::Emergency,
        _ => return Err(raise(Kind::Invalid, "a role is patient, provider, system or emergency")),
    })
}

#[pymethods]
impl KeyRing {
    /// Makes a ring with one version, locked for `to` (as in `seal`). Raises ExistsError or StorageError.
    #[staticmethod]
    #[pyo3(signature = (path, role, *, to, hybrid = true, wrapping = None, now = None))]
    fn create(
        py: Python<'_>,
        path: PathBuf,
        role: &str,
        to: &Bound<'_, PyAny>,
        hybrid: bool,
        wrapping: Option<PathBuf>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (role, to, now) = (self::role(role)?, doors::to(to)?, moment(now)?);
        let kind = if hybrid { IdentityKind::Hybrid } else { IdentityKind::P256 };
        let file = py.detach(|| {
            let mut rng = mediveil_rng::system();
            let ring = Ring::new(role, kind, now, &mut rng)?;
            let to: Vec<&dyn Recipient> = to.iter().map(|t| t as &dyn Recipient).collect();
            RingFile::create(&path, ring, &to, wrapping.as_deref(), &mut rng)
        });
        Ok(Self::of(file.map_err(fail)?))
    }

    /// Opens a ring with keys (as in `mediveil.open`).
    #[staticmethod]
    #[pyo3(signature = (path, *, keys, wrapping = None))]
    fn open(py: Python<'_>, path: PathBuf, keys: &Bound<'_, PyAny>, wrapping: Option<PathBuf>) -> PyResult<Self> {
        let keys = doors::by(keys)?;
        let file = py.detach(|| {
            let keys: Vec<&dyn Opener> = keys.iter().map(|k| k as &dyn Opener).collect();
            RingFile::open(&path, &keys, wrapping.as_deref())
        });
        Ok(Self::of(file.map_err(fail)?))
    }

    /// Makes a new active version and returns its number.
    #[pyo3(signature = (*, now = None))]
    fn rotate(&self, py: Python<'_>, now: Option<&Bound<'_, PyAny>>) -> PyResult<u32> {
        let now = moment(now)?;
        self.with(py, |ring| ring.rotate(now, &mut mediveil_rng::system()))
    }

    /// Forbids a version to open anything until it is enabled again.
    fn disable(&self, py: Python<'_>, version: u32) -> PyResult<()> {
        self.with(py, |ring| ring.disable(version, &mut mediveil_rng::system()))
    }

    /// Allows a disabled version to open again.
    fn enable(&self, py: Python<'_>, version: u32) -> PyResult<()> {
        self.with(py, |ring| ring.enable(version, &mut mediveil_rng::system()))
    }

    /// Erases a version's secret for good and returns the signed receipt as bytes. Raises StateError for the active version
    /// unless `active=True`.
    #[pyo3(signature = (version, reason, *, active = false, now = None))]
    fn erase<'py>(
        &self,
        py: Python<'py>,
        version: u32,
        reason: &str,
        active: bool,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = moment(now)?;
        let when = if active { WhenActive::Destroy } else { WhenActive::Refuse };
        let receipt: ErasureReceipt =
            self.with(py, |ring| ring.erase(version, reason, when, now, &mut mediveil_rng::system()))?;
        Ok(PyBytes::new(py, &receipt.encode()))
    }

    /// Checks a receipt of `erase` against this ring's custodian and returns the number of the version erased. Raises
    /// UnverifiedError or DamagedError.
    fn verify_receipt(&self, py: Python<'_>, receipt: &Bound<'_, PyAny>) -> PyResult<u32> {
        let receipt = ErasureReceipt::decode(Data::of(receipt)?.as_slice()).map_err(fail)?;
        let custodian = self.with(py, |ring| Ok(ring.ring().custodian()))?;
        receipt.verify(&custodian).map_err(fail)?;
        Ok(receipt.version())
    }

    /// The versions: dicts with `number`, `created` (datetime), `state` and `public`.
    #[getter]
    fn versions<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let all = self.with(py, |ring| {
            let one = |v: &mediveil_seal::ring::KeyVersion| {
                (v.number(), v.created(), v.state().to_string(), v.public().clone())
            };
            Ok(ring.ring().versions().iter().map(one).collect::<Vec<_>>())
        })?;
        all.into_iter()
            .map(|(number, created, state, public)| {
                let dict = PyDict::new(py);
                dict.set_item("number", number)?;
                dict.set_item("created", datetime(py, created)?)?;
                dict.set_item("state", state)?;
                dict.set_item("public", PublicIdentity(Arc::new(public)))?;
                Ok(dict)
            })
            .collect()
    }

    /// The identity to seal for now. Raises RefusedError when the active version has expired.
    #[getter]
    fn public(&self) -> PyResult<PublicIdentity> {
        self.recipient_at(Timestamp::now()).map(PublicIdentity)
    }

    /// Whether it is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Closes the file. Closing twice is no error.
    fn close(&self) {
        if std::process::id() == self.process {
            drop(self.ring.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, pyo3::types::PyTuple>) -> bool {
        self.close();
        false
    }

    fn __repr__(&self) -> &'static str {
        if self.closed() { "<KeyRing, closed>" } else { "<KeyRing>" }
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a key ring"))
    }
}
