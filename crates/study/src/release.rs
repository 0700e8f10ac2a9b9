//! From a paid query to a released answer.
//!
//! ```text
//! Plan --register--> Registered (debit and query, with its quorum, in the log)
//!      --approve---> one part a member: permit and log checked, answer evaluated again, noise inside
//!      --release---> Certificate (parts added up, everything they rest on, stored in the budget, named in the log)
//! ```
//!
//! The quorum stands in the log beside the query and is never another: a query is opened by the members that were named
//! first, or not at all. The number of the epoch is the query's place in the log. What each part is bound to, its
//! *purpose*, covers the study, the query, its debit and its place in the log, and the uploads.

use crate::certificate::Certificate;
use crate::evaluate::{AnswerError, EncryptedAnswer, Progress};
use crate::plan::{Plan, PlanError};
use crate::query::Query;
use crate::terms::Study;
use crate::upload::{body_of, entry};
use crate::{UploadError, Uploads};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_dp::{Budget, MechanismError, Permit, QueryId, Refused, Reservation};
use mediveil_fhe::MemberKey;
use mediveil_fhe::opening::{BoxError, Epoch, OpenError, Opening, PartialDecryption, PartialStore, Request};
use mediveil_ledger::{Actor, Entry, Event, EvidenceError, LogError, UniqueKey};
use mediveil_seal::identity::Identity;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;

/// Why nothing is released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The budget refuses, or the log it lives in.
    #[error(transparent)]
    Budget(#[from] Refused),
    /// The encrypted answer cannot be made, or is another.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The uploads cannot be used.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The opening is refused or fails.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The query in a certificate has no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The log has no debit for this query.
    #[error("the log has no debit for this query: it was not asked, or asked at another price")]
    NotPaid,
    /// The log does not have this query.
    #[error("the log does not have this query with a quorum")]
    NotRegistered,
    /// The query was registered with another quorum.
    #[error(
        "the query is registered with another quorum; a quorum is never exchanged, and what it does not open is spent"
    )]
    OtherQuorum,
    /// The query was answered before.
    #[error("the query was answered before: its certificate is in the budget, and nothing is opened again")]
    Answered,
    /// The budget is of another study.
    #[error("the budget is of another study or in another log")]
    OtherBudget,
    /// The identity is not the one that keeps the log.
    #[error("only the operator that the study names signs the log's heads")]
    NotOperator,
    /// The certificate does not hold.
    #[error("the certificate does not hold: {0}")]
    Certificate(&'static str),
    /// What the certificate shows of the log does not hold.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Stored bytes that are not what they should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A query in the log: what is asked, and who will open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub(crate) study: [u8; 32],
    pub(crate) id: QueryId,
    /// The canonical query.
    pub(crate) query: String,
    pub(crate) quorum: Vec<u32>,
    pub(crate) uploads: [u8; 32],
}

impl Registration {
    /// The query's name in the budget.
    #[must_use]
    pub const fn id(&self) -> QueryId {
        self.id
    }

    /// The query, as JSON.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The members that will open it, ascending.
    #[must_use]
    pub fn quorum(&self) -> &[u32] {
        &self.quorum
    }
}

impl Wire for Registration {
    const TYPE: ObjectType = ObjectType::StudyQuery;
    const MAX_BODY: usize = Query::MAX_LEN + 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(5).bytes(&self.study).bytes(self.id.as_bytes()).text(&self.query);
        e.list(&self.quorum, |e, m| {
            e.u32(*m);
        });
        e.bytes(&self.uploads);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        let (study, id) = (d.byte_array()?, QueryId::from_bytes(d.byte_array()?));
        let query = d.text(Query::MAX_LEN)?.to_owned();
        let quorum = d.list(64, Decoder::u32)?;
        if quorum.first() == Some(&0) || !quorum.is_sorted_by(|a, b| a < b) {
            return Err(d.invalid("a quorum is members in ascending order"));
        }
        Ok(Self { study, id, query, quorum, uploads: d.byte_array()? })
    }
}

/// A query that is paid for and in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub(crate) id: QueryId,
    pub(crate) debit: u64,
    pub(crate) place: u64,
    pub(crate) epoch: Epoch,
}

impl Registered {
    /// The query's name in the budget.
    #[must_use]
    pub const fn id(&self) -> QueryId {
        self.id
    }

    /// The place of its debit in the log.
    #[must_use]
    pub const fn debit(&self) -> u64 {
        self.debit
    }

    /// Its own place in the log.
    #[must_use]
    pub const fn place(&self) -> u64 {
        self.place
    }

    /// Its quorum; the number is its place in the log.
    #[must_use]
    pub const fn epoch(&self) -> &Epoch {
        &self.epoch
    }
}

/// What came of registering a query.
#[derive(Debug)]
pub enum Asked {
    /// It is paid for; the committee can open it.
    Registered(Registered),
    /// It was answered before: its certificate, at no cost.
    Answered(Box<Certificate>),
}

/// Where a member takes the encrypted answer from.
#[derive(Clone, Copy)]
pub enum Evaluation<'a> {
    /// From its own evaluation; `shown` is compared with it, if there is one.
    Own {
        /// What the server says the answer is.
        shown: Option<&'a EncryptedAnswer>,
        /// Told how many of how many blocks are done.
        progress: Progress<'a>,
    },
    /// From an evaluator that the study names, on its signature.
    Trusted(&'a EncryptedAnswer),
}

impl fmt::Debug for Evaluation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own { .. } => "Own",
            Self::Trusted(_) => "Trusted",
        })
    }
}

fn query_key(study: &Study, id: &QueryId) -> UniqueKey {
    UniqueKey::of("study/query", &[&study.id()[..], id.as_bytes()].concat())
}

/// What parts are bound to.
pub(crate) fn purpose(study: &Study, id: &QueryId, debit: u64, place: u64, uploads: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"mediveil/study/purpose/v1\0");
    hash.update(study.id());
    hash.update(id.as_bytes());
    hash.update(study.terms().log.as_bytes());
    hash.update(debit.to_be_bytes());
    hash.update(place.to_be_bytes());
    hash.update(uploads);
    hash.finalize().into()
}

impl Study {
    fn check_budget(&self, budget: &Budget) -> Result<(), ReleaseError> {
        let fits = *budget.terms() == self.terms().budget() && budget.log().id() == self.terms().log;
        if fits { Ok(()) } else { Err(ReleaseError::OtherBudget) }
    }

    /// Pays for a plan and names its quorum in the log. Again with the same quorum, it costs nothing and changes nothing.
    ///
    /// # Errors
    /// [`ReleaseError::Budget`] with what is missing, and nothing spent; [`ReleaseError::OtherQuorum`];
    /// [`ReleaseError::Open`] for members that make no quorum.
    pub fn register(
        &self,
        budget: &Budget,
        plan: &Plan,
        uploads: &Uploads,
        quorum: &[u32],
        now: Timestamp,
    ) -> Result<Asked, ReleaseError> {
        self.check_budget(budget)?;
        self.check_plan(plan)?;
        let epoch = Epoch::new(self.key(), 0, quorum)?;
        let log = budget.log();
        let id = match budget.reserve(plan.charge(), now)? {
            Reservation::Answered(bytes) => return Ok(Asked::Answered(Box::new(Certificate::decode(&bytes)?))),
            Reservation::Permit(permit) => permit.id(),
        };
        let registration = Registration {
            study: self.id(),
            id,
            query: plan.query().to_json(),
            quorum: epoch.quorum().to_vec(),
            uploads: *uploads.digest(),
        };
        let entry = entry(self, now, "query", registration.encode(), self.operator())?.keyed(query_key(self, &id));
        match log.append(&entry) {
            Ok(_) => {}
            Err(LogError::KeyTaken { .. }) => return Err(ReleaseError::OtherQuorum),
            Err(other) => return Err(other.into()),
        }
        self.registered(budget, plan, uploads).map(|(registered, _)| Asked::Registered(registered))
    }

    fn operator(&self) -> Actor {
        Actor::of(self.terms().operator.verifying_key())
    }

    fn check_plan(&self, plan: &Plan) -> Result<(), ReleaseError> {
        if *plan.study() == self.id() { Ok(()) } else { Err(AnswerError::OtherStudy.into()) }
    }

    /// Finds a plan's debit and its registration in the log: what a member checks before anything else. Reads only.
    ///
    /// # Errors
    /// [`ReleaseError::NotPaid`], [`ReleaseError::NotRegistered`], [`ReleaseError::Answered`].
    pub fn registered(
        &self,
        budget: &Budget,
        plan: &Plan,
        uploads: &Uploads,
    ) -> Result<(Registered, Permit), ReleaseError> {
        self.check_budget(budget)?;
        self.check_plan(plan)?;
        let (debit, reservation) = budget.find(plan.charge())?.ok_or(ReleaseError::NotPaid)?;
        let Reservation::Permit(permit) = reservation else { return Err(ReleaseError::Answered) };
        let id = permit.id();
        let record = budget.log().find(&query_key(self, &id))?.ok_or(ReleaseError::NotRegistered)?;
        let entry = record.entry().map_err(LogError::from)?;
        let body = body_of(self, &entry, "query").ok_or(ReleaseError::NotRegistered)?;
        let registration = Registration::decode(&body)?;
        let expected = (self.id(), id, plan.query().to_json(), *uploads.digest());
        if (registration.study, registration.id, registration.query, registration.uploads) != expected {
            return Err(ReleaseError::NotRegistered);
        }
        let epoch = Epoch::new(self.key(), record.index, &registration.quorum)?;
        Ok((Registered { id, debit, place: record.index, epoch }, *permit))
    }

    /// The request that members answer.
    fn request(
        &self,
        plan: &Plan,
        uploads: &Uploads,
        registered: &Registered,
        answer: &EncryptedAnswer,
    ) -> Result<Request, ReleaseError> {
        answer.check_subject(self, plan, uploads)?;
        let purpose = purpose(self, &registered.id, registered.debit, registered.place, uploads.digest());
        let cells = answer.ciphertexts(self)?;
        Ok(Request::new(self.key(), &registered.epoch, purpose, cells, Opening::SlotSum)?)
    }

    /// One member's part: checks that the query is paid for and in the log with a quorum that it belongs to, that the uploads
    /// are those that the sites committed to, evaluates the plan itself (or takes the answer of an evaluator that the study
    /// names), and answers once, with the full planned noise of its own inside. A second call, in whatever process, gives the
    /// same bytes.
    ///
    /// # Errors
    /// [`ReleaseError`]; nothing was sent.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a member holds, what it is shown, and where it keeps its answers"
    )]
    pub fn approve(
        &self,
        budget: &Budget,
        plan: &Plan,
        uploads: &Uploads,
        evaluation: Evaluation<'_>,
        member: &MemberKey,
        identity: &Identity,
        store: &mut (impl PartialStore + ?Sized),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<PartialDecryption, ReleaseError> {
        let (registered, mut permit) = self.registered(budget, plan, uploads)?;
        if !registered.epoch.quorum().contains(&member.member()) {
            return Err(OpenError::NotInQuorum.into());
        }
        let own;
        let answer = match evaluation {
            Evaluation::Trusted(answer) => {
                answer.check_evaluator(self)?;
                answer
            }
            Evaluation::Own { shown, progress } => {
                own = self.evaluate(plan, uploads, progress)?;
                if shown.is_some_and(|shown| !shown.is_same(&own)) {
                    return Err(AnswerError::OtherAnswer.into());
                }
                &own
            }
        };
        let request = self.request(plan, uploads, &registered, answer)?;
        let each = plan.cells_each();
        let moments = plan.resolved.moments.len();
        let noise = |numbers: usize| -> Result<Vec<i64>, BoxError> {
            let mut noise = Vec::with_capacity(numbers);
            for moment in 0..moments {
                noise.extend(permit.add_noise(moment, &vec![0; each])?);
            }
            if noise.len() == numbers { Ok(noise) } else { Err(Box::new(MechanismError::Shape)) }
        };
        Ok(member.decrypt(&request, identity, noise, store, rng)?)
    }

    /// Adds up the quorum's parts, makes the certificate, stores it in the budget, which consumes the permit, and names it in
    /// the log. `operator` signs the log's head.
    ///
    /// # Errors
    /// [`ReleaseError::Open`] if a part is missing or wrong: nothing is released, and nobody can stand in.
    #[expect(clippy::too_many_arguments, reason = "what is released, on what grounds, and by whom")]
    pub fn release(
        &self,
        budget: &Budget,
        plan: &Plan,
        uploads: &Uploads,
        answer: &EncryptedAnswer,
        parts: &[PartialDecryption],
        operator: &Identity,
        now: Timestamp,
    ) -> Result<Certificate, ReleaseError> {
        if operator.public().id() != self.terms().operator.id() {
            return Err(ReleaseError::NotOperator);
        }
        let log = budget.log();
        let (registered, permit) = match self.registered(budget, plan, uploads) {
            // Perhaps a crash came between the answer and its entry.
            Err(ReleaseError::Answered) => match budget.find(plan.charge())? {
                Some((_, Reservation::Answered(stored))) => return self.announce(budget, plan, &stored, now),
                _ => return Err(ReleaseError::Answered),
            },
            found => found?,
        };
        let request = self.request(plan, uploads, &registered, answer)?;
        let record = request.record().ok_or(ReleaseError::Certificate("it opens no sums"))?;
        let numbers = record.combine(self.key(), parts)?;
        let head = log.head(now, operator.signing_key())?;
        let certificate = Certificate {
            study: self.id(),
            query: plan.query().to_json(),
            numbers,
            opening: record,
            parts: parts.to_vec(),
            debit: log.evidence(registered.debit, &head)?,
            registration: log.evidence(registered.place, &head)?,
        };
        let stored = budget.settle(permit, &certificate.encode(), now)?;
        self.announce(budget, plan, &stored, now)
    }

    /// Names a stored certificate in the log, once.
    fn announce(
        &self,
        budget: &Budget,
        plan: &Plan,
        stored: &[u8],
        now: Timestamp,
    ) -> Result<Certificate, ReleaseError> {
        let cost = plan.charge().cost(self.terms().cap.regime()).map_err(Refused::from)?.ok_or(Refused::Regime)?;
        let id = plan.charge().name(&self.id(), &cost);
        let event = Event::Released { query: *id.as_bytes(), certificate: Sha256::digest(stored).into() };
        let key = UniqueKey::of("study/released", &[&self.id()[..], id.as_bytes()].concat());
        budget.log().append(&Entry::new(now, self.operator(), event).keyed(key))?;
        Ok(Certificate::decode(stored)?)
    }
}
