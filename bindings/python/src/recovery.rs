//! Recovery: guardians open a committee's door of a file for a new identity.

use crate::committee::{KeySet, all_signed, numbers, signed};
use crate::fail::{fail, not_pickled};
use crate::identity::{Identity, PublicIdentity};
use crate::time::{datetime, moment};
use mediveil_codec::Wire;
use mediveil_threshold::guardians::CommitteeOpener;
use mediveil_threshold::recovery::{self as core, Dossier, Request, State};
use mediveil_threshold::{PublicKeySet, Signed};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::sync::Arc;
use std::time::Duration;

/// A request that was checked: the door, its terms and the signature are genuine. Guardians look at it before they help, and
/// compare `reader.fingerprint` with what they were told over another channel.
///
/// >>> import datetime, mediveil
/// >>> people = [mediveil.Identity.generate(hybrid=False) for _ in range(3)]
/// >>> board = mediveil.Committee("recovery", needed=2, members=[p.public for p in people], convenor=people[0].public)
/// >>> guardians = [mediveil.Guardian(p) for p in people]
/// >>> keys = mediveil.hold_together(mediveil.KeyPlan.generate(board), guardians, convenor=people[0])
/// >>> patient, new = mediveil.Identity.generate(hybrid=False), mediveil.Identity.generate(hybrid=False)
/// >>> day = datetime.timedelta(days=1)
/// >>> sealed = mediveil.seal(b"record", to=[patient, keys.key.door(owner=patient.public, delay=day)])
/// >>> case = mediveil.Recovery(keys, keys.key.request_recovery(sealed, new))
/// >>> seen = [guardian.notice(case, now="2027-03-01") for guardian in guardians[:2]]
/// >>> guardians[0].approve(case, seen[0], vetoes=[], now="2027-03-01")
/// Traceback (most recent call last):
///     ...
/// mediveil.RefusedError: the owner can veto until 2027-03-02T00:00:00Z: approve after that
/// >>> said = [g.approve(case, n, vetoes=[], now="2027-03-02") for g, n in zip(guardians, seen)]
/// >>> mediveil.open(sealed, keys=case.finish(said, new))
/// b'record'
///
/// Raises UnverifiedError for another committee's request or another's signature, DamagedError for changed terms.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Recovery {
    set: Arc<PublicKeySet>,
    request: Arc<Signed<Request>>,
}

impl Recovery {
    pub fn checked(&self) -> PyResult<core::Recovery<'_>> {
        core::Recovery::new(&self.set, &self.request).map_err(fail)
    }
}

#[pymethods]
impl Recovery {
    #[new]
    fn new(py: Python<'_>, key_set: &KeySet, request: &Bound<'_, PyAny>) -> PyResult<Self> {
        let it = Self { set: key_set.0.clone(), request: Arc::new(signed(request)?) };
        py.detach(|| it.checked().map(drop))?;
        Ok(it)
    }

    /// 32 bytes that name this recovery.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.request.digest())
    }

    /// For whom the file shall be opened.
    #[getter]
    fn reader(&self) -> PublicIdentity {
        PublicIdentity(Arc::new(self.request.content().reader().clone()))
    }

    /// How long guardians wait.
    #[getter]
    fn delay(&self, py: Python<'_>) -> PyResult<Duration> {
        py.detach(|| self.checked().map(|it| it.terms().delay()))
    }

    /// Whether there is somebody who can veto.
    #[getter]
    fn has_owner(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.checked().map(|it| it.terms().has_owner()))
    }

    /// From when on a guardian with this notice approves, a datetime.
    fn until<'py>(&self, py: Python<'py>, notice: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.checked()?.until(&signed(notice)?))
    }

    /// The owner's veto, which must reach every guardian. Raises RefusedError for anybody else.
    #[pyo3(signature = (owner, *, now = None))]
    fn veto<'py>(
        &self,
        py: Python<'py>,
        owner: &Identity,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = moment(now)?;
        let veto = py.detach(|| self.checked()?.veto(&owner.0, now).map_err(fail))?;
        Ok(PyBytes::new(py, &veto.encode()))
    }

    /// Opens the shares in the approvals: the key for `open`, `open_file` and `rewrap_file`. Raises RefusedError for another
    /// identity than the one that asked, and for too few right approvals.
    fn finish(&self, py: Python<'_>, approvals: &Bound<'_, PyAny>, reader: &Identity) -> PyResult<RecoveredKey> {
        let approvals = all_signed(approvals)?;
        let opener = py.detach(|| self.checked()?.finish(&approvals, &reader.0).map_err(fail))?;
        Ok(RecoveredKey(Arc::new(opener)))
    }

    /// The word that the file is open, which ends the recovery.
    #[pyo3(signature = (approvals, reader, *, now = None))]
    fn complete<'py>(
        &self,
        py: Python<'py>,
        approvals: &Bound<'py, PyAny>,
        reader: &Identity,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (approvals, now) = (all_signed(approvals)?, moment(now)?);
        let done = py.detach(|| self.checked()?.complete(&approvals, &reader.0, now).map_err(fail))?;
        Ok(PyBytes::new(py, &done.encode()))
    }

    /// What the statements of this recovery say together, all of them verified: a dict with `state` ("waiting", "vetoed",
    /// "approved" or "completed"), the numbers of those who `approved`, `early` or `against_veto`, and `vetoed_at` and
    /// `completed_at`. Raises UnverifiedError for a statement that is not genuine.
    #[pyo3(signature = (*, notices, vetoes, approvals, completion = None))]
    fn verdict<'py>(
        &self,
        py: Python<'py>,
        notices: &Bound<'py, PyAny>,
        vetoes: &Bound<'py, PyAny>,
        approvals: &Bound<'py, PyAny>,
        completion: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let dossier = Dossier {
            request: (*self.request).clone(),
            notices: all_signed(notices)?,
            vetoes: all_signed(vetoes)?,
            approvals: all_signed(approvals)?,
            completion: completion.map(signed).transpose()?,
        };
        let verdict = py.detach(|| dossier.verify(&self.set)).map_err(fail)?;
        let dict = PyDict::new(py);
        let state = match verdict.state {
            State::Waiting => "waiting",
            State::Vetoed => "vetoed",
            State::Approved => "approved",
            State::Completed => "completed",
        };
        dict.set_item("state", state)?;
        dict.set_item("approved", numbers(&verdict.approved_by))?;
        dict.set_item("early", numbers(&verdict.early))?;
        dict.set_item("against_veto", numbers(&verdict.against_veto))?;
        dict.set_item("vetoed_at", verdict.vetoed_at.map(|at| datetime(py, at)).transpose()?)?;
        dict.set_item("completed_at", verdict.completed_at.map(|at| datetime(py, at)).transpose()?)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("<Recovery for {}>", self.request.content().reader().fingerprint())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let request = PyBytes::new(slf.py(), &slf.get().request.encode());
        (slf.get_type(), (KeySet(slf.get().set.clone()), request)).into_pyobject(slf.py())
    }
}

/// What guardians gave for one file: a key for `open`. As good as the file's content key, so drop it when the file is open.
/// Made by `Recovery.finish`.
///
/// >>> import mediveil
/// >>> mediveil.RecoveredKey()
/// Traceback (most recent call last):
///     ...
/// TypeError: ...
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct RecoveredKey(pub Arc<CommitteeOpener>);

#[pymethods]
impl RecoveredKey {
    fn __repr__(&self) -> &'static str {
        "<RecoveredKey, secret>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a recovered key"))
    }
}
