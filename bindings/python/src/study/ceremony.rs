//! A member's part in the key ceremony of a study, message by message.
//!
//! The states of the ceremony borrow its terms and the member's identity, so they live on a thread of their own, which takes
//! the messages of a round and gives the member's next one.

use crate::data::Data;
use crate::fail::{fail, not_pickled, raise};
use crate::objects::{bytes_of, secret_object};
use crate::study::Study;
use mediveil_bridge::Kind;
use mediveil_codec::{Timestamp, Wire};
use mediveil_fhe::ceremony::{self, CeremonyError, CeremonyMessage};
use mediveil_fhe::{CommitteeKey, MemberKey, Terms};
use mediveil_seal::identity::Identity as CoreIdentity;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

secret_object! {
    /// A member's secret share of a study's key. It is made by the key ceremony (`StudyCeremony`, `Study.join`, or
    /// `make_study_key` for trials, which shows an example), saved to a file of its owner, and not pickled.
    ///
    /// >>> import mediveil
    /// >>> mediveil.StudyShare.__name__
    /// 'StudyShare'
    StudyShare(MemberKey), "a secret share" {
        /// The member's number, from 1.
        #[getter]
        fn member(&self) -> u32 {
            self.0.member()
        }
    }
}

enum Said {
    Message(CeremonyMessage),
    Done(Box<(CommitteeKey, MemberKey)>),
    Failed(CeremonyError),
}

fn run(
    terms: &Terms,
    identity: &CoreIdentity,
    say: &dyn Fn(CeremonyMessage),
    heard: &Receiver<Vec<CeremonyMessage>>,
) -> Result<Option<(CommitteeKey, MemberKey)>, CeremonyError> {
    let mut rng = mediveil_rng::system();
    macro_rules! hear {
        ($sent:expr) => {{
            say($sent);
            match heard.recv() {
                Ok(messages) => messages,
                // Nobody holds the other end any more.
                Err(_) => return Ok(None),
            }
        }};
    }
    let (state, sent) = ceremony::begin(terms, identity, &mut rng)?;
    let (state, sent) = state.next(&hear!(sent), &mut rng)?;
    let (state, sent) = state.next(&hear!(sent))?;
    let (state, sent) = state.next(&hear!(sent), &mut rng)?;
    let (state, sent) = state.next(&hear!(sent))?;
    let (state, sent) = state.next(&hear!(sent), &mut rng)?;
    state.finish(&hear!(sent)).map(Some)
}

enum State {
    /// The message of this round, as bytes.
    Waiting(Vec<u8>),
    Done(Arc<MemberKey>, CommitteeKey),
    Failed,
}

struct Thread {
    to: Sender<Vec<CeremonyMessage>>,
    from: Receiver<Said>,
    state: State,
}

/// One member's part in the key ceremony: six rounds, in each of which every member sends one message to all. Made by
/// `Study.ceremony`; each instance runs once, and if a member fails all begin again with new ones.
///
/// Send `message` to all others, collect those of all members (one's own among them, in any order), give them to `advance`,
/// and so on until `message` is None; then `finish`. `Study.join` does this over the study's directory, `make_study_key`
/// among members of one process.
///
/// >>> import mediveil
/// >>> mediveil.StudyCeremony.__name__
/// 'StudyCeremony'
#[pyclass(frozen, module = "mediveil")]
pub struct StudyCeremony {
    study: Py<Study>,
    identity: Arc<CoreIdentity>,
    thread: Mutex<Thread>,
    process: u32,
}

impl std::fmt::Debug for StudyCeremony {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StudyCeremony")
    }
}

fn ended() -> PyErr {
    raise(Kind::State, "the ceremony has failed: all members begin again")
}

impl Thread {
    fn take(&mut self, said: Result<Said, std::sync::mpsc::RecvError>) -> PyResult<()> {
        self.state = State::Failed;
        self.state = match said.map_err(|_| ended())? {
            Said::Message(message) => State::Waiting(message.encode()),
            Said::Done(made) => State::Done(Arc::new(made.1), made.0),
            Said::Failed(error) => return Err(fail(error)),
        };
        Ok(())
    }
}

impl StudyCeremony {
    pub fn begin(py: Python<'_>, study: Py<Study>, identity: Arc<CoreIdentity>) -> PyResult<Self> {
        let terms = study.get().terms.committee().map_err(fail)?;
        let (to, heard) = channel();
        let (say, from) = channel();
        let who = Arc::clone(&identity);
        std::thread::spawn(move || {
            let made = run(&terms, &who, &|m| drop(say.send(Said::Message(m))), &heard);
            let _ = match made {
                Ok(Some(made)) => say.send(Said::Done(Box::new(made))),
                Ok(None) => return,
                Err(error) => say.send(Said::Failed(error)),
            };
        });
        let mut thread = Thread { to, from, state: State::Failed };
        py.detach(|| {
            let said = thread.from.recv();
            thread.take(said)
        })?;
        Ok(Self { study, identity, thread: Mutex::new(thread), process: std::process::id() })
    }

    fn live(&self) -> PyResult<std::sync::MutexGuard<'_, Thread>> {
        if std::process::id() != self.process {
            return Err(raise(Kind::State, "the ceremony was begun before this process was forked"));
        }
        Ok(self.thread.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The message of this round and its number.
    pub fn sent(&self) -> PyResult<Option<Vec<u8>>> {
        match &self.live()?.state {
            State::Waiting(message) => Ok(Some(message.clone())),
            State::Done(..) => Ok(None),
            State::Failed => Err(ended()),
        }
    }

    pub fn hear(&self, py: Python<'_>, messages: Vec<CeremonyMessage>) -> PyResult<()> {
        py.detach(|| {
            let mut thread = self.live()?;
            match thread.state {
                State::Waiting(_) => {}
                State::Done(..) => return Err(raise(Kind::State, "the ceremony is over: finish it")),
                State::Failed => return Err(ended()),
            }
            let said = thread.to.send(messages).map_err(|_| ended()).map(|()| thread.from.recv());
            thread.take(said?)
        })
    }

    /// Writes the key, confirms it in the log, and hands over the share.
    pub fn end(&self, py: Python<'_>, now: Timestamp) -> PyResult<StudyShare> {
        let (share, key) = match &self.live()?.state {
            State::Done(share, key) => (Arc::clone(share), key.clone()),
            State::Waiting(_) => return Err(raise(Kind::State, "the ceremony is not over yet")),
            State::Failed => return Err(ended()),
        };
        let study = self.study.get();
        py.detach(|| study.take_key(key, &self.identity, now))?;
        Ok(StudyShare(share))
    }
}

#[pymethods]
impl StudyCeremony {
    /// This member's message of the present round; None when the ceremony is over.
    #[getter]
    fn message<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(self.sent()?.map(|m| PyBytes::new(py, &m)))
    }

    /// Takes the messages of all members of this round. Raises UnverifiedError with the member that deviates, StateError if a
    /// message is missing.
    fn advance(&self, py: Python<'_>, messages: &Bound<'_, PyAny>) -> PyResult<()> {
        if messages.is_instance_of::<PyBytes>() || messages.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("expected the messages of all members, got one"));
        }
        let mut all = Vec::new();
        for message in messages.try_iter()? {
            let data = Data::of(&message?)?;
            all.push(CeremonyMessage::decode(data.as_slice()).map_err(fail)?);
        }
        self.hear(py, all)
    }

    /// Writes the committee's key into the study's directory, confirms it in the log, and returns the member's share.
    #[pyo3(signature = (*, now = None))]
    fn finish(&self, py: Python<'_>, now: Option<&Bound<'_, PyAny>>) -> PyResult<StudyShare> {
        let now = crate::time::moment(now)?;
        self.end(py, now)
    }

    fn __repr__(&self) -> &'static str {
        "<StudyCeremony>"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a ceremony"))
    }
}

/// Messages from their files.
pub fn read_messages(paths: &[std::path::PathBuf]) -> PyResult<Vec<CeremonyMessage>> {
    paths.iter().map(|path| CeremonyMessage::decode(&bytes_of(path)?).map_err(fail)).collect()
}
