//! The log and what is proved about it.

use crate::data::{Data, decode, exactly, hex};
use crate::fail::{fail, not_pickled, raise};
use crate::identity::{Identity, PublicIdentity};
use crate::time::{datetime, moment};
use mediveil_bridge::{Classify, Kind};
use mediveil_codec::Wire;
use mediveil_ledger as core;
use mediveil_ledger::{Actor, ConsistencyProof, Entry, Event, Evidence, Follow, Label, LogError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a follower waits before it looks for Ctrl-C.
const SLICE: Duration = Duration::from_millis(200);

pub fn actor(who: Option<&PublicIdentity>) -> Actor {
    who.map_or(Actor::SYSTEM, |who| Actor::of(who.0.verifying_key()))
}

/// An open log that a forked child or a closed handle is refused.
#[derive(Debug)]
pub struct Handle {
    log: Mutex<Option<core::Log>>,
    process: u32,
}

impl Handle {
    pub fn of(log: core::Log) -> Self {
        Self { log: Mutex::new(Some(log)), process: std::process::id() }
    }

    pub fn log(&self) -> PyResult<core::Log> {
        if std::process::id() != self.process {
            return Err(raise(Kind::State, "the log was opened before this process was forked: open it again here"));
        }
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.clone().ok_or_else(|| raise(Kind::State, "the log is closed"))
    }

    pub fn close(&self) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).take();
        if std::process::id() != self.process {
            // SQLite forbids a connection to be used across a fork, closing included.
            std::mem::forget(log);
        }
    }

    pub fn is_closed(&self) -> bool {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

fn entry_dict<'py>(py: Python<'py>, index: u64, bytes: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let entry = Entry::decode(bytes).map_err(fail)?;
    let dict = PyDict::new(py);
    dict.set_item("index", index)?;
    dict.set_item("at", datetime(py, entry.at)?)?;
    dict.set_item("actor", hex(entry.actor.as_bytes()))?;
    dict.set_item("subject", entry.subject.map(|s| hex(s.as_bytes())))?;
    dict.set_item("event", entry.event.name())?;
    match &entry.event {
        Event::Note { text } => dict.set_item("text", text)?,
        Event::Sealed { file, doors } => {
            dict.set_item("file", PyBytes::new(py, file))?;
            dict.set_item("doors", doors)?;
        }
        Event::Accessed { file, door, opened, purpose, .. } => {
            dict.set_item("file", PyBytes::new(py, file))?;
            dict.set_item("door", door.as_str())?;
            dict.set_item("opened", opened)?;
            dict.set_item("purpose", purpose.as_ref().map(Label::as_str))?;
        }
        Event::Budget { data_set, kind, .. } => {
            dict.set_item("data_set", PyBytes::new(py, data_set))?;
            dict.set_item("kind", kind.as_str())?;
        }
        _ => {}
    }
    Ok(dict)
}

/// An append-only log in one file that cannot be rewritten unseen: a Merkle tree (RFC 9162) over its entries, whose signed
/// heads anyone can keep and hold against it. Threads and processes may share the file.
///
/// >>> import mediveil, os, tempfile
/// >>> operator = mediveil.Identity.generate(hybrid=False)
/// >>> with mediveil.Log.create(os.path.join(tempfile.mkdtemp(), "events.log")) as log:
/// ...     first = log.append_note("the study begins")
/// ...     head = log.head(operator)
/// ...     evidence = log.evidence(first, head)
/// ...     log.verify()["size"]
/// 1
/// >>> index, entry = mediveil.verify_evidence(evidence, operator.public)
/// >>> index, entry["text"]
/// (0, 'the study begins')
///
/// Raises NotFoundError, ExistsError, BusyError, StorageError; DamagedError for a log that was changed; StateError once it is
/// closed or in a forked child.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Log(pub Handle);

impl Log {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&core::Log) -> Result<T, LogError> + Send,
    ) -> PyResult<T> {
        let log = self.0.log()?;
        py.detach(|| work(&log)).map_err(fail)
    }

    fn append(
        &self,
        py: Python<'_>,
        event: Event,
        who: Option<&PublicIdentity>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let entry = Entry::new(moment(at)?, actor(who), event);
        self.with(py, |log| log.append(&entry)).map(|appended| appended.index)
    }
}

/// An argument that names a log: one that is open, or a path, where one is opened, or made if there is none and `make`.
pub fn log_of(object: &Bound<'_, PyAny>, make: bool) -> PyResult<core::Log> {
    if let Ok(log) = object.cast::<Log>() {
        return log.get().0.log();
    }
    let path: PathBuf = object.extract()?;
    let opened = object.py().detach(|| match core::Log::open(&path) {
        Err(LogError::NotFound) if make => core::Log::create(&path, &mut mediveil_rng::system()),
        other => other,
    });
    opened.map_err(fail)
}

#[pymethods]
impl Log {
    /// Makes a new log. Raises ExistsError if there is a file.
    #[staticmethod]
    fn create(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let log = py.detach(|| core::Log::create(path, &mut mediveil_rng::system())).map_err(fail)?;
        Ok(Self(Handle::of(log)))
    }

    /// Opens a log. Raises NotFoundError; DamagedError for what is no log.
    #[staticmethod]
    #[pyo3(signature = (path, *, read_only = false))]
    fn open(py: Python<'_>, path: PathBuf, read_only: bool) -> PyResult<Self> {
        let open = || if read_only { core::Log::open_read_only(path) } else { core::Log::open(path) };
        Ok(Self(Handle::of(py.detach(open).map_err(fail)?)))
    }

    /// Records a text of up to 1,024 bytes and returns its index. Write nothing about a patient into it: a log keeps
    /// everything. The entry is on the disk when this returns.
    #[pyo3(signature = (text, *, actor = None, at = None))]
    fn append_note(
        &self,
        py: Python<'_>,
        text: String,
        actor: Option<&PublicIdentity>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        self.append(py, Event::Note { text }, actor, at)
    }

    /// Records that a file (its SHA-256, 32 bytes) was sealed with this many doors.
    #[pyo3(signature = (file, doors, *, actor = None, at = None))]
    fn append_sealed(
        &self,
        py: Python<'_>,
        file: &Bound<'_, PyAny>,
        doors: u32,
        actor: Option<&PublicIdentity>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let file = exactly(file, "a SHA-256 digest")?;
        self.append(py, Event::Sealed { file, doors }, actor, at)
    }

    /// Records an attempt to open a file (its SHA-256) by a kind of door, whether it opened, and the purpose given.
    #[pyo3(signature = (file, door, opened, *, purpose = None, actor = None, at = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn append_accessed(
        &self,
        py: Python<'_>,
        file: &Bound<'_, PyAny>,
        door: &str,
        opened: bool,
        purpose: Option<&str>,
        actor: Option<&PublicIdentity>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let file = exactly(file, "a SHA-256 digest")?;
        let door = Label::new(door).map_err(fail)?;
        let purpose = purpose.map(Label::new).transpose().map_err(fail)?;
        self.append(py, Event::Accessed { file, door, opened, purpose, consent: None }, actor, at)
    }

    /// The number of entries.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, core::Log::size)
    }

    /// The head of the log now, signed by its operator and kept in it.
    #[pyo3(signature = (operator, *, now = None))]
    fn head(&self, py: Python<'_>, operator: &Identity, now: Option<&Bound<'_, PyAny>>) -> PyResult<SignedHead> {
        let now = moment(now)?;
        self.with(py, |log| log.head(now, operator.0.signing_key())).map(SignedHead)
    }

    /// Reads everything, recomputes the tree and the stored heads, and returns a dict with `size`, `root`, `heads` and
    /// `unreadable` (entries of a newer version). Raises DamagedError that says what was changed.
    fn verify<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = self.with(py, core::Log::verify_all)?;
        let dict = PyDict::new(py);
        dict.set_item("size", found.state.size)?;
        dict.set_item("root", PyBytes::new(py, found.state.root.as_bytes()))?;
        dict.set_item("heads", found.heads)?;
        dict.set_item("unreadable", found.unreadable)?;
        Ok(dict)
    }

    /// Makes sure that this log extends the one whose head was kept. Raises DamagedError for a log rolled back or rewritten,
    /// UnverifiedError for another signer or log.
    fn check_against(&self, py: Python<'_>, head: &SignedHead, operator: &PublicIdentity) -> PyResult<()> {
        let head = head.0.verify(operator.0.verifying_key()).map_err(fail)?;
        self.with(py, |log| log.check_against(&head))
    }

    /// Proof for anyone that an entry is in the log of this head, as bytes: see `verify_evidence`.
    fn evidence<'py>(&self, py: Python<'py>, index: u64, head: &SignedHead) -> PyResult<Bound<'py, PyBytes>> {
        let evidence = self.with(py, |log| log.evidence(index, &head.0))?;
        Ok(PyBytes::new(py, &evidence.encode()))
    }

    /// Proof that the log of `new` entries extends the log of `old`, as bytes: see `verify_consistency`.
    fn consistency<'py>(&self, py: Python<'py>, old: u64, new: u64) -> PyResult<Bound<'py, PyBytes>> {
        let proof = self.with(py, |log| log.consistency(old, new))?;
        Ok(PyBytes::new(py, &proof.encode()))
    }

    /// One entry as a dict: `index`, `at` (datetime), `actor`, `subject`, `event` and what belongs to the event.
    fn entry<'py>(&self, py: Python<'py>, index: u64) -> PyResult<Bound<'py, PyDict>> {
        let record = self.with(py, |log| log.entry(index))?;
        entry_dict(py, record.index, &record.bytes)
    }

    /// Follows the log from an entry on: an iterator of entries that waits for new ones, up to `timeout` seconds for each (0:
    /// not at all; None: for ever, until Ctrl-C).
    #[pyo3(signature = (start = 0, *, timeout = Some(0.0)))]
    fn follow(&self, start: u64, timeout: Option<f64>) -> PyResult<LogFollower> {
        let log = self.0.log()?;
        let timeout = match timeout {
            None => None,
            Some(seconds) => Some(
                Duration::try_from_secs_f64(seconds)
                    .map_err(|_| raise(Kind::Invalid, "a timeout is a number of seconds from 0 on, or None"))?,
            ),
        };
        Ok(LogFollower { follow: Mutex::new(log.follow(start)), timeout, process: std::process::id() })
    }

    /// Whether it is closed.
    #[getter]
    fn closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Closes it. Closing twice is no error.
    fn close(&self) {
        self.0.close();
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let size = self.size(py)?;
        usize::try_from(size).map_err(|_| raise(Kind::Invalid, "the log is too long for this machine's len()"))
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, pyo3::types::PyTuple>) -> bool {
        self.close();
        false
    }

    fn __repr__(&self) -> String {
        self.0.log().map_or_else(|_| "<Log, closed>".into(), |log| format!("<Log {}>", log.path().display()))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("an open log"))
    }
}

/// The entries of a log as they come.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct LogFollower {
    follow: Mutex<Follow>,
    timeout: Option<Duration>,
    process: u32,
}

#[pymethods]
impl LogFollower {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        if std::process::id() != self.process {
            return Err(raise(Kind::State, "the log was opened before this process was forked: open it again here"));
        }
        let begun = Instant::now();
        loop {
            let left = self.timeout.map_or(SLICE, |t| t.saturating_sub(begun.elapsed()).min(SLICE));
            let next = py.detach(|| {
                let mut follow = self.follow.lock().unwrap_or_else(PoisonError::into_inner);
                if left.is_zero() { follow.poll() } else { follow.wait(left) }
            });
            match next {
                Ok(Some(record)) => return entry_dict(py, record.index, &record.bytes).map(Some),
                Ok(None) if self.timeout.is_some_and(|t| begun.elapsed() >= t) => return Ok(None),
                Ok(None) => py.check_signals()?,
                Err(error) if Classify::kind(&error) == Kind::Busy => py.check_signals()?,
                Err(error) => return Err(fail(error)),
            }
        }
    }
}

/// A signed head: the size and root of a log at a time. Keep it, hand it on, compare it; may be pickled.
///
/// >>> import mediveil, os, pickle, tempfile
/// >>> operator = mediveil.Identity.generate(hybrid=False)
/// >>> log = mediveil.Log.create(os.path.join(tempfile.mkdtemp(), "events.log"))
/// >>> head = pickle.loads(pickle.dumps(log.head(operator)))
/// >>> head.verify(operator.public)
/// >>> head.size
/// 0
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct SignedHead(core::SignedHead);

#[pymethods]
impl SignedHead {
    /// Reads the bytes that `to_bytes` wrote. Raises DamagedError. The signature is not checked: see `verify`.
    #[staticmethod]
    fn from_bytes(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        decode(data).map(Self)
    }

    /// The bytes of it.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.encode())
    }

    /// Checks the operator's signature. Raises UnverifiedError.
    fn verify(&self, operator: &PublicIdentity) -> PyResult<()> {
        self.0.verify(operator.0.verifying_key()).map(|_| ()).map_err(fail)
    }

    /// The number of entries that it claims.
    #[getter]
    fn size(&self) -> u64 {
        self.0.claims().size
    }

    /// The Merkle root that it claims, 32 bytes.
    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.claims().root.as_bytes())
    }

    /// When it was signed.
    #[getter]
    fn at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        datetime(py, self.0.at())
    }

    fn __repr__(&self) -> String {
        format!("<SignedHead of {} entries, {}>", self.0.claims().size, self.0.at())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("from_bytes")?, (slf.get().to_bytes(slf.py()),)))
    }
}

/// Checks evidence that an entry is in an operator's log, without the log, and returns its index and the entry as a dict.
///
/// >>> import mediveil
/// >>> mediveil.verify_evidence(b"made up", mediveil.Identity.generate().public)
/// Traceback (most recent call last):
///     ...
/// mediveil.DamagedError: ...
///
/// Raises UnverifiedError for a forged head or an entry that is not in the log; DamagedError for what is no evidence.
#[pyfunction]
pub fn verify_evidence<'py>(
    py: Python<'py>,
    evidence: &Bound<'py, PyAny>,
    operator: &PublicIdentity,
) -> PyResult<(u64, Bound<'py, PyDict>)> {
    let evidence: Evidence = decode(evidence)?;
    let (index, bytes, _) = evidence.verify(operator.0.verifying_key()).map_err(fail)?;
    Ok((index, entry_dict(py, index, bytes)?))
}

/// Checks that the log of a newer head extends the log of an older one, with the proof of `Log.consistency`.
///
/// >>> import mediveil, os, tempfile
/// >>> operator = mediveil.Identity.generate(hybrid=False)
/// >>> log = mediveil.Log.create(os.path.join(tempfile.mkdtemp(), "events.log"))
/// >>> _ = log.append_note("one"); old = log.head(operator)
/// >>> _ = log.append_note("two"); new = log.head(operator)
/// >>> mediveil.verify_consistency(old, new, log.consistency(1, 2), operator.public)
///
/// Raises UnverifiedError if nothing shows it; then keep both heads.
#[pyfunction]
pub fn verify_consistency(
    old: &SignedHead,
    new: &SignedHead,
    proof: &Bound<'_, PyAny>,
    operator: &PublicIdentity,
) -> PyResult<()> {
    let proof = ConsistencyProof::decode(Data::of(proof)?.as_slice()).map_err(fail)?;
    let key = operator.0.verifying_key();
    let (old, new) = (old.0.verify(key).map_err(fail)?, new.0.verify(key).map_err(fail)?);
    proof.verify(&old, &new).map_err(fail)
}
