//! Keys that a committee holds together: the committee, the plan and rounds of its key protocol, its members, its key.

use crate::data::Data;
use crate::fail::{fail, not_pickled, raise};
use crate::files::{Raised, Source};
use crate::identity::{Identity, PublicIdentity};
use crate::objects::public_object;
use crate::recovery::Recovery;
use crate::threads::on_all_cores;
use crate::time::{datetime, moment};
use mediveil_bridge::{CommitteeDoor as Door, Kind};
use mediveil_codec::Wire;
use mediveil_seal::identity::Identity as CoreIdentity;
use mediveil_seal::{Sealer, read_doors};
use mediveil_threshold::deal::{
    Board, Checked, CutOff, Dealings, Enrolled, Enrolments, Message, Plan, round0, round1, round2,
};
use mediveil_threshold::rehearsal::{Answer, Call, Proof as RehearsalProof};
use mediveil_threshold::tdh2::{self, Ciphertext, DecryptionShare};
use mediveil_threshold::{self as core, Content, KeyShare, MemberId, ProtocolError, PublicKeySet, Signed, recovery};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One signed statement.
pub fn signed<T: Content>(object: &Bound<'_, PyAny>) -> PyResult<Signed<T>> {
    Signed::decode(Data::of(object)?.as_slice()).map_err(fail)
}

/// Everything on a board that reads as this sort of statement; the rest is passed over, because anybody may post anything.
pub fn all_signed<T: Content>(objects: &Bound<'_, PyAny>) -> PyResult<Vec<Signed<T>>> {
    if objects.is_instance_of::<PyBytes>() || objects.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("expected several messages, got one"));
    }
    let mut all = Vec::new();
    for object in objects.try_iter()? {
        all.extend(Signed::decode(Data::of(&object?)?.as_slice()).ok());
    }
    Ok(all)
}

pub fn numbers(members: &[MemberId]) -> Vec<u16> {
    members.iter().map(|id| id.get()).collect()
}

public_object! {
    /// Who holds a key together: members by their public identities, how many of them are needed, what the key is for, and
    /// the convenor, who closes rounds and is trusted for progress alone. Its bytes go to every member.
    ///
    /// >>> import mediveil
    /// >>> people = [mediveil.Identity.generate(hybrid=False) for _ in range(3)]
    /// >>> board = mediveil.Committee("recovery", needed=2, members=[p.public for p in people], convenor=people[0].public)
    /// >>> len(board), board.needed, board.purpose
    /// (3, 2, 'recovery')
    ///
    /// Raises InvalidError for fewer than 2 * needed - 1 members, and for two with a key in common.
    Committee(core::Committee) {
        #[new]
        #[pyo3(signature = (purpose, *, needed, members, convenor))]
        fn new(purpose: &str, needed: u16, members: Vec<Bound<'_, PublicIdentity>>, convenor: &PublicIdentity)
            -> PyResult<Self> {
            let members = members.iter().map(|m| m.get().0.as_ref().clone()).collect();
            let convenor = *convenor.0.verifying_key();
            let made = core::Committee::new(purpose, needed, members, convenor, &mut mediveil_rng::system());
            made.map(|it| Self(Arc::new(it))).map_err(fail)
        }

        /// What the key is for.
        #[getter]
        fn purpose(&self) -> &str {
            self.0.purpose()
        }

        /// How many members are needed.
        #[getter]
        fn needed(&self) -> u16 {
            self.0.needed()
        }

        /// The members in their order; their numbers count from 1.
        #[getter]
        fn members(&self) -> Vec<PublicIdentity> {
            self.0.members().map(|(_, member)| PublicIdentity(Arc::new(member.clone()))).collect()
        }

        fn __len__(&self) -> usize {
            self.0.size().into()
        }

        fn __repr__(&self) -> String {
            format!("<Committee for {:?}, {} of {}>", self.0.purpose(), self.0.needed(), self.0.size())
        }
    }
}

public_object! {
    /// The plan of one run of the key protocol: a new key, new shares of the same key, or its passing on to another
    /// committee. All who take part start from the same plan; three rounds of messages follow, which the caller moves.
    ///
    /// In each round every `Guardian` makes a message, and the convenor closes it over the messages that are there:
    /// `join`, `close(0)`, `deal`, `close(1)`, `check`, `close(2)`, `finish`. `hold_together` does all that within one process.
    ///
    /// >>> import mediveil
    /// >>> people = [mediveil.Identity.generate(hybrid=False) for _ in range(3)]
    /// >>> board = mediveil.Committee("recovery", needed=2, members=[p.public for p in people], convenor=people[0].public)
    /// >>> plan = mediveil.KeyPlan.generate(board)
    /// >>> keys = mediveil.hold_together(plan, [mediveil.Guardian(p) for p in people], convenor=people[0])
    /// >>> keys.epoch, keys.key.purpose
    /// (0, 'recovery')
    KeyPlan(Plan) {
        /// A new key for this committee.
        #[staticmethod]
        fn generate(committee: &Committee) -> Self {
            Self(Arc::new(Plan::generate((*committee.0).clone())))
        }

        /// New shares of the same key for the same committee. Shares from before do not fit the new ones.
        #[staticmethod]
        fn refresh(key_set: &KeySet) -> Self {
            Self(Arc::new(Plan::refresh(&key_set.0, &mut mediveil_rng::system())))
        }

        /// The same key for another committee. old_needed: what you believe to be needed now. Raises InvalidError if the set
        /// says otherwise or the purpose is another, RefusedError for a committee that would need fewer.
        #[staticmethod]
        #[pyo3(signature = (key_set, committee, *, old_needed))]
        fn reshare(key_set: &KeySet, committee: &Committee, old_needed: u16) -> PyResult<Self> {
            let plan = Plan::reshare(&key_set.0, old_needed, (*committee.0).clone()).map_err(fail)?;
            Ok(Self(Arc::new(plan)))
        }

        /// The committee that holds the key afterwards.
        #[getter]
        fn committee(&self) -> Committee {
            Committee(Arc::new(self.0.committee().clone()))
        }

        /// Closes round 0, 1 or 2 over the messages that are on the board, as its convenor: the signed list of what counts.
        /// What is no message of this round is passed over.
        #[pyo3(signature = (round, messages, convenor, *, now = None))]
        fn close<'py>(
            &self,
            py: Python<'py>,
            round: u8,
            messages: &Bound<'py, PyAny>,
            convenor: &Identity,
            now: Option<&Bound<'py, PyAny>>,
        ) -> PyResult<Bound<'py, PyBytes>> {
            fn close<T: Message>(
                plan: &Plan,
                messages: &Bound<'_, PyAny>,
                now: Option<&Bound<'_, PyAny>>,
                convenor: &CoreIdentity,
            ) -> PyResult<Vec<u8>> {
                let (messages, now) = (all_signed::<T>(messages)?, moment(now)?);
                Ok(CutOff::close(plan, &messages, now, convenor).map_err(fail)?.encode())
            }
            let bytes = match round {
                0 => close::<round0::Package>(&self.0, messages, now, &convenor.0)?,
                1 => close::<round1::Package>(&self.0, messages, now, &convenor.0)?,
                2 => close::<round2::Package>(&self.0, messages, now, &convenor.0)?,
                _ => return Err(raise(Kind::Invalid, "the rounds are 0, 1 and 2")),
            };
            Ok(PyBytes::new(py, &bytes))
        }

        fn __repr__(&self) -> String {
            let what = if self.0.from().is_some() { "of a key that exists" } else { "of a new key" };
            format!("<KeyPlan {what} for {} members>", self.0.committee().size())
        }
    }
}

public_object! {
    /// The key of a committee: what files are sealed for, by `door`, and keys encapsulated to. It stays the same through
    /// every refresh and resharing.
    ///
    /// >>> import mediveil
    /// >>> people = [mediveil.Identity.generate(hybrid=False) for _ in range(3)]
    /// >>> board = mediveil.Committee("study", needed=2, members=[p.public for p in people], convenor=people[0].public)
    /// >>> guardians = [mediveil.Guardian(p) for p in people]
    /// >>> keys = mediveil.hold_together(mediveil.KeyPlan.generate(board), guardians, convenor=people[0])
    /// >>> ciphertext, secret = keys.key.encapsulate(b"for query 7")
    /// >>> shares = [guardian.decrypt(ciphertext, b"for query 7") for guardian in guardians[:2]]
    /// >>> keys.combine(ciphertext, b"for query 7", shares) == secret
    /// True
    CommitteeKey(core::PublicKey) {
        /// What the key is for.
        #[getter]
        fn purpose(&self) -> &str {
            self.0.purpose()
        }

        /// 32 bytes that name it.
        #[getter]
        fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
            PyBytes::new(py, &self.0.id())
        }

        /// A door for `seal`: the committee opens the file for a new identity by a `Recovery`. owner: a PublicIdentity that
        /// can veto that, for which guardians wait `delay`, a timedelta in whole seconds.
        #[pyo3(signature = (*, owner = None, delay = None))]
        fn door(&self, owner: Option<&PublicIdentity>, delay: Option<Duration>) -> PyResult<CommitteeDoor> {
            let delay = delay.unwrap_or_default();
            if owner.is_none() && !delay.is_zero() {
                return Err(raise(Kind::Invalid, "guardians wait for an owner's veto: name the owner"));
            }
            if delay.subsec_nanos() != 0 || u32::try_from(delay.as_secs()).is_err() {
                return Err(raise(Kind::Invalid, "a delay is in whole seconds, up to 136 years"));
            }
            let owner = owner.map(|it| it.0.clone());
            Ok(CommitteeDoor(Arc::new(Door { key: self.0.clone(), owner, delay })))
        }

        /// A fresh secret of 32 bytes, and its ciphertext for the committee. associated: what it belongs to; whoever decrypts
        /// must give the same. Use the secret as the key of one authenticated encryption.
        fn encapsulate<'py>(&self, py: Python<'py>, associated: &Bound<'py, PyAny>)
            -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
            let associated = Data::of(associated)?;
            let bytes = associated.as_slice();
            let (ciphertext, secret) =
                py.detach(|| tdh2::encapsulate(&self.0, bytes, &mut mediveil_rng::system()));
            Ok((PyBytes::new(py, &ciphertext.encode()), PyBytes::new(py, &*secret)))
        }

        /// Asks that the committee's door of a sealed file be opened for this identity: the request that goes to the guardians.
        /// source: bytes-like, a path, or a binary file object. Raises NotFoundError if the file has no such door.
        #[pyo3(signature = (source, reader, *, now = None))]
        fn request_recovery<'py>(
            &self,
            py: Python<'py>,
            source: &Bound<'py, PyAny>,
            reader: &Identity,
            now: Option<&Bound<'py, PyAny>>,
        ) -> PyResult<Bound<'py, PyBytes>> {
            let now = moment(now)?;
            let is_source = source.is_instance_of::<PyString>()
                || source.hasattr("__fspath__")?
                || source.hasattr("read")?;
            let (context, stanzas) = if is_source {
                let raised = Raised::default();
                let mut source = Source::of(source, None, &raised)?;
                py.detach(|| read_doors(&mut source)).map_err(|e| raised.or(|| fail(e)))?
            } else {
                read_doors(&mut Cursor::new(Data::of(source)?.as_slice())).map_err(fail)?
            };
            let request = py.detach(|| recovery::request(&self.0, &context, &stanzas, &reader.0, now)).map_err(fail)?;
            Ok(PyBytes::new(py, &request.encode()))
        }

        /// Checks the proof of a rehearsal, and returns when it was called. Raises UnverifiedError.
        fn verify_rehearsal<'py>(&self, py: Python<'py>, proof: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
            let proof: RehearsalProof = crate::data::decode(proof)?;
            if !py.detach(|| proof.verify(&self.0)) {
                return Err(raise(Kind::Unverified, "this does not prove it of this committee's key"));
            }
            datetime(py, proof.call().at())
        }

        fn __repr__(&self) -> String {
            format!("<CommitteeKey for {:?}>", self.0.purpose())
        }
    }
}

/// What a file is sealed for by `to=`: a committee, and on what terms it may open it. Made by `CommitteeKey.door`.
///
/// >>> import datetime, mediveil
/// >>> people = [mediveil.Identity.generate(hybrid=False) for _ in range(3)]
/// >>> board = mediveil.Committee("recovery", needed=2, members=[p.public for p in people], convenor=people[0].public)
/// >>> guardians = [mediveil.Guardian(p) for p in people]
/// >>> keys = mediveil.hold_together(mediveil.KeyPlan.generate(board), guardians, convenor=people[0])
/// >>> patient = mediveil.Identity.generate(hybrid=False)
/// >>> door = keys.key.door(owner=patient.public, delay=datetime.timedelta(hours=72))
/// >>> mediveil.inspect(mediveil.seal(b"record", to=[patient, door]))["doors"]
/// ['hpke-p256', 'committee']
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct CommitteeDoor(pub Arc<Door>);

#[pymethods]
impl CommitteeDoor {
    /// How long guardians wait.
    #[getter]
    fn delay(&self) -> Duration {
        self.0.delay
    }

    fn __repr__(&self) -> String {
        format!("<CommitteeDoor for {:?}>", self.0.key.purpose())
    }
}

public_object! {
    /// Everything public about a committee's key in one epoch. Members who finished the same protocol hold equal sets.
    ///
    /// >>> import mediveil
    /// >>> people = [mediveil.Identity.generate(hybrid=False) for _ in range(3)]
    /// >>> board = mediveil.Committee("recovery", needed=2, members=[p.public for p in people], convenor=people[0].public)
    /// >>> guardians = [mediveil.Guardian(p) for p in people]
    /// >>> keys = mediveil.hold_together(mediveil.KeyPlan.generate(board), guardians, convenor=people[0])
    /// >>> call = keys.call()
    /// >>> found = keys.conclude(call, [guardian.rehearse(call) for guardian in guardians])
    /// >>> found["working"], found["wrong"]
    /// ([1, 2, 3], [])
    KeySet(PublicKeySet) {
        /// The committee that holds the key.
        #[getter]
        fn committee(&self) -> Committee {
            Committee(Arc::new(self.0.committee().clone()))
        }

        /// How many times shares were renewed.
        #[getter]
        fn epoch(&self) -> u32 {
            self.0.epoch()
        }

        /// The key.
        #[getter]
        fn key(&self) -> CommitteeKey {
            CommitteeKey(Arc::new(self.0.key().clone()))
        }

        /// The hash over everything that was said when it was made, 32 bytes: to be compared by telephone.
        #[getter]
        fn transcript<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
            PyBytes::new(py, self.0.transcript())
        }

        /// Whether the member with this number, from 1, was dealt a share.
        fn has_share(&self, member: u16) -> bool {
            MemberId::new(member).is_some_and(|id| self.0.has_share(id))
        }

        /// The secret in a ciphertext, from exactly as many shares as are needed. Raises UnverifiedError that names the members
        /// whose shares are wrong.
        fn combine<'py>(
            &self,
            py: Python<'py>,
            ciphertext: &Bound<'py, PyAny>,
            associated: &Bound<'py, PyAny>,
            shares: &Bound<'py, PyAny>,
        ) -> PyResult<Bound<'py, PyBytes>> {
            let ciphertext: Ciphertext = crate::data::decode(ciphertext)?;
            let associated = Data::of(associated)?;
            let bytes = associated.as_slice();
            let mut all: Vec<DecryptionShare> = Vec::new();
            for share in shares.try_iter()? {
                all.push(crate::data::decode(&share?)?);
            }
            let secret = py.detach(|| {
                let checked = ciphertext.check(self.0.key(), bytes)?;
                tdh2::combine(&self.0, &checked, &all)
            });
            Ok(PyBytes::new(py, &*secret.map_err(fail)?))
        }

        /// A call to all guardians to show that their shares work, without opening anything.
        #[pyo3(signature = (*, now = None))]
        fn call<'py>(&self, py: Python<'py>, now: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyBytes>> {
            Ok(PyBytes::new(py, &Call::new(&self.0, moment(now)?, &mut mediveil_rng::system()).encode()))
        }

        /// Checks the answers to a call: a dict with `proof` (bytes, for `CommitteeKey.verify_rehearsal`), and the numbers of
        /// the members whose shares are `working` and `wrong`. Raises StateError if too few work.
        fn conclude<'py>(
            &self,
            py: Python<'py>,
            call: &Bound<'py, PyAny>,
            answers: &Bound<'py, PyAny>,
        ) -> PyResult<Bound<'py, PyDict>> {
            let call: Call = crate::data::decode(call)?;
            let mut all: Vec<Answer> = Vec::new();
            for answer in answers.try_iter()? {
                all.extend(Answer::decode(Data::of(&answer?)?.as_slice()).ok());
            }
            let end = py.detach(|| call.conclude(&self.0, &all)).map_err(fail)?;
            let dict = PyDict::new(py);
            dict.set_item("proof", PyBytes::new(py, &end.proof.encode()))?;
            dict.set_item("working", numbers(&end.working))?;
            dict.set_item("wrong", numbers(&end.wrong))?;
            Ok(dict)
        }

        fn __repr__(&self) -> String {
            let committee = self.0.committee();
            let (needed, size) = (committee.needed(), committee.size());
            format!("<KeySet for {:?}, {needed} of {size}, epoch {}>", committee.purpose(), self.0.epoch())
        }
    }
}

/// How far one run of the protocol is for one member.
struct Run {
    plan: Plan,
    enrolled: Option<Enrolled>,
    enrolments: Option<Enrolments>,
    dealings: Option<Dealings>,
    checked: Option<Checked>,
}

#[derive(Default)]
struct State {
    held: Option<(PublicKeySet, KeyShare)>,
    run: Option<Run>,
    accusations: Vec<String>,
}

/// A member of a committee with its share. Messages go in and out as bytes; the share stays in here, or goes into a file that
/// only this member's identity opens (`seal_share`).
///
/// >>> import mediveil
/// >>> people = [mediveil.Identity.generate(hybrid=False) for _ in range(3)]
/// >>> board = mediveil.Committee("recovery", needed=2, members=[p.public for p in people], convenor=people[0].public)
/// >>> guardians = [mediveil.Guardian(p) for p in people]
/// >>> keys = mediveil.hold_together(mediveil.KeyPlan.generate(board), guardians, convenor=people[0])
/// >>> guardians[2].member, guardians[2].key_set == keys
/// (3, True)
/// >>> again = mediveil.Guardian.restore(people[2], keys, guardians[2].seal_share())
/// >>> again.member
/// 3
#[pyclass(frozen, module = "mediveil")]
pub struct Guardian {
    identity: Arc<CoreIdentity>,
    state: Mutex<State>,
}

impl std::fmt::Debug for Guardian {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guardian")
    }
}

fn no_share() -> PyErr {
    raise(Kind::State, "this guardian holds no share")
}

fn no_round(what: &str) -> PyErr {
    raise(Kind::State, format!("{what} comes first"))
}

impl Guardian {
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&CoreIdentity, &mut State) -> T + Send) -> PyResult<T> {
        py.detach(|| {
            on_all_cores(|| work(&self.identity, &mut self.state.lock().unwrap_or_else(PoisonError::into_inner)))
        })
    }

    fn with_share<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&CoreIdentity, &PublicKeySet, &KeyShare) -> PyResult<T> + Send,
    ) -> PyResult<T> {
        self.with(py, |identity, state| {
            let (set, share) = state.held.as_ref().ok_or_else(no_share)?;
            work(identity, set, share)
        })?
    }
}

fn bytes(py: Python<'_>, message: Option<Vec<u8>>) -> Option<Bound<'_, PyBytes>> {
    message.map(|message| PyBytes::new(py, &message))
}

#[pymethods]
impl Guardian {
    #[new]
    fn new(identity: &Identity) -> Self {
        Self { identity: identity.0.clone(), state: Mutex::default() }
    }

    /// Begins a run: the message for round 0, or None for a member who only passes its share on. A run that was begun before
    /// and not finished is given up.
    fn join<'py>(&self, py: Python<'py>, plan: &KeyPlan) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let plan = (*plan.0).clone();
        let message = self.with(py, |identity, state| {
            let (enrolled, message) = match Enrolled::start(&plan, identity, &mut mediveil_rng::system()) {
                Ok((enrolled, message)) => (Some(enrolled), Some(message.encode())),
                Err(ProtocolError::NotAMember) if plan.dealers().find(identity.public()).is_some() => (None, None),
                Err(error) => return Err(fail(error)),
            };
            state.accusations.clear();
            state.run = Some(Run { plan, enrolled, enrolments: None, dealings: None, checked: None });
            Ok(message)
        })??;
        Ok(bytes(py, message))
    }

    /// Answers the end of round 0 with this member's part of the key: the message for round 1, or None for one who deals
    /// nothing. cut_off: what `KeyPlan.close` made. messages: those on the board.
    fn deal<'py>(
        &self,
        py: Python<'py>,
        cut_off: &Bound<'py, PyAny>,
        messages: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (cut_off, messages) = (signed::<CutOff>(cut_off)?, all_signed::<round0::Package>(messages)?);
        let message = self.with(py, |identity, state| {
            let run = state.run.as_mut().ok_or_else(|| no_round("join"))?;
            let enrolments = run.plan.enrolments(&Board::new(&cut_off, &messages)).map_err(fail)?;
            let dealer = run.plan.dealers().find(identity.public()).is_some();
            let share = match run.plan.from() {
                Some(set) => {
                    state.held.as_ref().filter(|(held, _)| held.digest() == set.digest()).map(|(_, share)| share)
                }
                None => None,
            };
            let message = if dealer {
                Some(enrolments.deal(identity, share, &mut mediveil_rng::system()).map_err(fail)?.encode())
            } else {
                None
            };
            run.enrolments = Some(enrolments);
            Ok::<_, PyErr>(message)
        })??;
        Ok(bytes(py, message))
    }

    /// Checks what was dealt to this member: the message for round 2, with its complaints if there are any, or None for one
    /// who gets no share.
    fn check<'py>(
        &self,
        py: Python<'py>,
        cut_off: &Bound<'py, PyAny>,
        messages: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (cut_off, messages) = (signed::<CutOff>(cut_off)?, all_signed::<round1::Package>(messages)?);
        let message = self.with(py, |identity, state| {
            let run = state.run.as_mut().ok_or_else(|| no_round("join"))?;
            let enrolments = run.enrolments.as_ref().ok_or_else(|| no_round("deal"))?;
            let dealings = enrolments.dealings(&Board::new(&cut_off, &messages)).map_err(fail)?;
            let message = match &run.enrolled {
                Some(enrolled) => {
                    let (checked, message) =
                        dealings.check(enrolled, identity, &mut mediveil_rng::system()).map_err(fail)?;
                    run.checked = Some(checked);
                    Some(message.encode())
                }
                None => None,
            };
            run.dealings = Some(dealings);
            Ok::<_, PyErr>(message)
        })??;
        Ok(bytes(py, message))
    }

    /// Ends the run: the key set, which all come to alike. The new share takes the place of the one before, which is wiped;
    /// so is the share of a member who left.
    fn finish<'py>(
        &self,
        py: Python<'py>,
        cut_off: &Bound<'py, PyAny>,
        messages: &Bound<'py, PyAny>,
    ) -> PyResult<KeySet> {
        let (cut_off, messages) = (signed::<CutOff>(cut_off)?, all_signed::<round2::Package>(messages)?);
        let set = self.with(py, |_, state| {
            let run = state.run.as_mut().ok_or_else(|| no_round("join"))?;
            let dealings = run.dealings.as_ref().ok_or_else(|| no_round("check"))?;
            let outcome = dealings.outcome(&Board::new(&cut_off, &messages)).map_err(fail)?;
            let held = match run.checked.take() {
                Some(checked) => Some((outcome.set.clone(), outcome.key_share(checked).map_err(fail)?)),
                None => None,
            };
            state.held = held;
            state.run = None;
            state.accusations = outcome.accusations.iter().map(ToString::to_string).collect();
            Ok::<_, PyErr>(outcome.set)
        })??;
        Ok(KeySet(Arc::new(set)))
    }

    /// Who misbehaved in the run that was finished last, in words.
    #[getter]
    fn accusations(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.with(py, |_, state| state.accusations.clone())
    }

    /// The key set whose share this guardian holds, or None.
    #[getter]
    fn key_set(&self, py: Python<'_>) -> PyResult<Option<KeySet>> {
        self.with(py, |_, state| state.held.as_ref().map(|(set, _)| KeySet(Arc::new(set.clone()))))
    }

    /// This guardian's number in its committee, from 1; None without a share.
    #[getter]
    fn member(&self, py: Python<'_>) -> PyResult<Option<u16>> {
        self.with(py, |_, state| state.held.as_ref().map(|(_, share)| share.member().get()))
    }

    /// The share in a sealed file that only this guardian's identity opens. Raises StateError without a share.
    fn seal_share<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let sealed = self.with_share(py, |identity, _, share| {
            let sealer = Sealer::new().to(identity.public());
            sealer.seal(&share.encode_secret(), &mut mediveil_rng::system()).map_err(fail)
        })?;
        Ok(PyBytes::new(py, &sealed))
    }

    /// The guardian again, from what `seal_share` made. Raises NoKeyError for another identity, StateError for a share of
    /// another key or epoch.
    #[staticmethod]
    fn restore(py: Python<'_>, identity: &Identity, key_set: &KeySet, sealed: &Bound<'_, PyAny>) -> PyResult<Self> {
        let data = Data::of(sealed)?;
        let sealed = data.as_slice();
        let opened =
            py.detach(|| on_all_cores(|| mediveil_seal::open(sealed, &[identity.0.as_ref()])))?.map_err(fail)?;
        let share = KeyShare::decode(&opened.plaintext).map_err(fail)?;
        let mine = key_set.0.committee().find(identity.0.public()) == Some(share.member());
        if !mine || !share.belongs_to(&key_set.0) {
            return Err(fail(ProtocolError::OtherShare));
        }
        let state = State { held: Some(((*key_set.0).clone(), share)), ..State::default() };
        Ok(Self { identity: identity.0.clone(), state: Mutex::new(state) })
    }

    /// This guardian's share of a decryption. As many of them as are needed open the ciphertext: send it to nobody but the
    /// one who may read. Raises DamagedError if the ciphertext is not for this key and `associated`.
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        ciphertext: &Bound<'py, PyAny>,
        associated: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ciphertext: Ciphertext = crate::data::decode(ciphertext)?;
        let associated = Data::of(associated)?;
        let associated = associated.as_slice();
        let share = self.with_share(py, |_, set, share| {
            let checked = ciphertext.check(set.key(), associated).map_err(fail)?;
            share.decrypt(set, &checked, &mut mediveil_rng::system()).map_err(fail)
        })?;
        Ok(PyBytes::new(py, &share.encode()))
    }

    /// Answers a call to a rehearsal: shows that the share works and opens nothing.
    fn rehearse<'py>(&self, py: Python<'py>, call: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let call: Call = crate::data::decode(call)?;
        let answer =
            self.with_share(py, |_, set, share| share.rehearse(set, &call, &mut mediveil_rng::system()).map_err(fail))?;
        Ok(PyBytes::new(py, &answer.encode()))
    }

    /// This guardian's word that it has seen a request. Its waiting time starts here: keep it, and tell the owner.
    #[pyo3(signature = (recovery, *, now = None))]
    fn notice<'py>(
        &self,
        py: Python<'py>,
        recovery: &Recovery,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let now = moment(now)?;
        let notice = py.detach(|| recovery.checked()?.notice(&self.identity, now).map_err(fail))?;
        Ok(PyBytes::new(py, &notice.encode()))
    }

    /// This guardian's approval, with its share for the one who asked. vetoes: all that are on the board. Raises RefusedError
    /// before the waiting time is over, and after the owner's veto.
    #[pyo3(signature = (recovery, notice, *, vetoes, now = None))]
    fn approve<'py>(
        &self,
        py: Python<'py>,
        recovery: &Recovery,
        notice: &Bound<'py, PyAny>,
        vetoes: &Bound<'py, PyAny>,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (notice, vetoes, now) = (signed(notice)?, all_signed(vetoes)?, moment(now)?);
        let approval = self.with_share(py, |identity, _, share| {
            let checked = recovery.checked()?;
            checked.approve(share, identity, &notice, &vetoes, now, &mut mediveil_rng::system()).map_err(fail)
        })?;
        Ok(PyBytes::new(py, &approval.encode()))
    }

    fn __repr__(&self) -> String {
        format!("<Guardian {}, secret>", self.identity.public().fingerprint())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a guardian"))
    }
}
