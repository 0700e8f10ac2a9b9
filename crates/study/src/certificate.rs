//! The certificate: a released answer with everything it rests on, checked from files alone.
//!
//! A certificate holds the query, the released numbers, the parts of the quorum with their signatures, and from the log the
//! debit and the query's registration with proofs to a head that the operator signed. Whoever has the study's terms and the
//! committee's key can find out that this query was paid for, at which price and under which noise (planning is
//! deterministic), that the whole named quorum signed for exactly these ciphertexts, and that their parts add up to exactly
//! these numbers. Intervals are computed from the plan, for the noise of the whole quorum.

use crate::estimate::{Estimate, estimates};
use crate::plan::Plan;
use crate::query::Query;
use crate::release::{Registration, ReleaseError, purpose};
use crate::terms::Study;
use crate::upload::body_of;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_dp::Debit;
use mediveil_fhe::opening::{OpeningRecord, PartialDecryption};
use mediveil_ledger::{Entry, Event, Evidence, Head};
use std::fmt;

/// A released answer with its grounds. Believe nothing in it before [`verify`](Self::verify).
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    pub(crate) study: [u8; 32],
    /// The canonical query.
    pub(crate) query: String,
    /// The released integers, in grid steps.
    pub(crate) numbers: Vec<i64>,
    pub(crate) opening: OpeningRecord,
    pub(crate) parts: Vec<PartialDecryption>,
    pub(crate) debit: Evidence,
    pub(crate) registration: Evidence,
}

/// What a certificate shows, once it is verified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The plan of the query: price, noise, proofs.
    pub plan: Plan,
    /// The debit in the budget, with its cost and the total up to it.
    pub debit: Debit,
    /// The members that opened it.
    pub quorum: Vec<u32>,
    /// The places of debit and query in the log.
    pub places: (u64, u64),
    /// The head of the log that shows them.
    pub head: Head,
    /// The answer.
    pub estimates: Vec<Estimate>,
}

impl Certificate {
    /// The study it says it is of.
    #[must_use]
    pub const fn study(&self) -> &[u8; 32] {
        &self.study
    }

    /// The query, as JSON.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The released integers: for each moment in turn, each group in turn, each bin in turn.
    #[must_use]
    pub fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// Checks everything that the certificate says.
    ///
    /// # Errors
    /// [`ReleaseError::Certificate`] and others saying what does not hold.
    pub fn verify(&self, study: &Study) -> Result<Verified, ReleaseError> {
        let refuse = ReleaseError::Certificate;
        if self.study != study.id() {
            return Err(refuse("it is of another study"));
        }
        let query = Query::from_json(&self.query)?;
        let plan = study.plan(&query)?;
        if plan.query().to_json() != self.query {
            return Err(refuse("its query is not in canonical form"));
        }
        // What the log says.
        let operator = study.terms().operator.verifying_key();
        let (debit_at, debit, head) = self.debit.verify(operator)?;
        let (place, registration, other) = self.registration.verify(operator)?;
        if head.log() != study.terms().log || head != other {
            return Err(refuse("its proofs are not from the study's log, or from two states of it"));
        }
        let debit = match Entry::decode(debit)?.event {
            Event::Budget { data_set, kind, body } if data_set == study.id() && kind.as_str() == "debited" => {
                Debit::decode(&body)?
            }
            _ => return Err(refuse("its debit is not an entry of the study's budget")),
        };
        let body =
            body_of(study, &Entry::decode(registration)?, "query").ok_or(refuse("its query is not in the log"))?;
        let registration = Registration::decode(&body)?;
        let cost = plan.charge().cost(debit.cost.regime()).map_err(|e| ReleaseError::Budget(e.into()))?;
        if registration.study != study.id() || registration.query != self.query || registration.id != debit.query {
            return Err(refuse("the query in the log is another, or another was paid for"));
        }
        if cost != Some(debit.cost) || plan.charge().name(&study.id(), &debit.cost) != debit.query {
            return Err(refuse("what was paid for is another query, or another price"));
        }
        // What the quorum signed.
        let expected = purpose(study, &debit.query, debit_at, place, &registration.uploads);
        let epoch = self.opening.epoch();
        if *self.opening.purpose() != expected || epoch.number() != place || epoch.quorum() != registration.quorum {
            return Err(refuse("it was opened for another purpose or by another quorum"));
        }
        if self.opening.ciphertexts().len() != plan.figures().numbers {
            return Err(refuse("it opens another number of sums"));
        }
        if self.opening.combine(study.key(), &self.parts)? != self.numbers {
            return Err(refuse("the parts add up to other numbers"));
        }
        let estimates = plan.estimates(study, &self.numbers).ok_or(refuse("it has another number of results"))?;
        let quorum = registration.quorum;
        Ok(Verified { plan, debit, quorum, places: (debit_at, place), head, estimates })
    }
}

impl Plan {
    /// The answer behind released numbers; `None` if they are not as many as the plan releases.
    #[must_use]
    pub fn estimates(&self, study: &Study, numbers: &[i64]) -> Option<Vec<Estimate>> {
        let r = &self.resolved;
        estimates(&r.recipe, &r.groups, r.bins, &self.kinds, study.terms().needed, numbers)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("query", &self.query)
            .field("numbers", &self.numbers)
            .finish_non_exhaustive()
    }
}

impl Wire for Certificate {
    const TYPE: ObjectType = ObjectType::StudyCertificate;
    const MAX_BODY: usize = 64 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(7).bytes(&self.study).text(&self.query).list(&self.numbers, |e, n| {
            e.i64(*n);
        });
        e.bytes(&self.opening.encode());
        e.list(&self.parts, |e, part| {
            e.bytes(&part.encode());
        });
        e.bytes(&self.debit.encode()).bytes(&self.registration.encode());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(7)?;
        let study = d.byte_array()?;
        let query = d.text(Query::MAX_LEN)?.to_owned();
        let numbers = d.list(4096, Decoder::i64)?;
        let opening = inner(d, 4 << 20, "not the record of an opening")?;
        let parts = d.list(64, |d| inner(d, 4 << 20, "not a partial decryption"))?;
        let debit = inner(d, 1 << 20, "not evidence from a log")?;
        let registration = inner(d, 1 << 20, "not evidence from a log")?;
        Ok(Self { study, query, numbers, opening, parts, debit, registration })
    }
}

fn inner<T: Wire>(d: &mut Decoder<'_>, max: usize, what: &'static str) -> Result<T, DecodeError> {
    let bytes = d.bytes(max)?;
    T::decode(bytes).map_err(|_| d.invalid(what))
}
