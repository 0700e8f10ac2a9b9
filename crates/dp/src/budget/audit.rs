//! The audit: everything again, from the log alone.
//!
//! Shares no arithmetic with admission: it adds up in wide integers what the entries say, and then compares with the tables.

use super::records::{Debit, Quota, QuotaKind, Settlement, Terms};
use super::{Budget, Guarantee, Refused, store};
use crate::{Account, QueryId};
use mediveil_codec::Wire;
use mediveil_ledger::{Db, Event};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// An entry of the budget cannot be read, at this index.
    Unreadable(u64),
    /// The budget was created twice, not at all before it was used, or with other terms than it has.
    Terms(u64),
    /// A query was debited twice.
    DebitedTwice(QueryId),
    /// A debit's number or total is not the sum of what came before.
    Total(QueryId),
    /// The sum went over the cap at this query.
    OverCap(QueryId),
    /// A quota was exceeded at this query.
    OverQuota(QueryId, QuotaKind),
    /// An answer without a debit, or a second answer.
    Answer(QueryId),
    /// The tables' total is not the log's.
    TableTotal,
    /// The tables' total of a quota is not the log's.
    TableQuota(QuotaKind),
    /// A debit that the tables do not know, or a query that the log does not know.
    TableQuery(QueryId),
    /// The stored answer is not the one whose digest was logged.
    StoredAnswer(QueryId),
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Debits.
    pub debits: u64,
    /// Debits with an answer.
    pub answered: u64,
    /// The exact sum of all costs: units of the main part and of delta.
    pub spent: (u128, u128),
    /// The same for each account.
    pub by_account: Vec<(Account, (u128, u128))>,
    /// What is wrong; empty where nothing is.
    pub findings: Vec<Finding>,
}

type Sum = (u128, u128);

fn plus(a: Sum, b: (u64, u64)) -> Sum {
    (a.0.saturating_add(b.0.into()), a.1.saturating_add(b.1.into()))
}

fn wide(a: (u64, u64)) -> Sum {
    (a.0.into(), a.1.into())
}

struct State {
    per_record: bool,
    terms: Option<Terms>,
    debits: BTreeMap<[u8; 32], Option<[u8; 32]>>,
    spent: Sum,
    accounts: BTreeMap<(String, String, String), Sum>,
    caps: BTreeMap<(QuotaKind, String), Sum>,
    under: BTreeMap<(QuotaKind, String), Sum>,
    findings: Vec<Finding>,
}

impl Budget {
    /// Verifies the whole log, adds up every debit, and compares with the tables. The cost grows with the log.
    ///
    /// # Errors
    /// [`Refused::Log`] where the log itself is damaged; what is wrong with the budget is in [`Audit::findings`].
    pub fn audit(&self) -> Result<Audit, Refused> {
        self.log.verify_all()?;
        let mut state = State {
            per_record: self.terms.guarantee == Guarantee::PerRecord,
            terms: None,
            debits: BTreeMap::new(),
            spent: (0, 0),
            accounts: BTreeMap::new(),
            caps: BTreeMap::new(),
            under: BTreeMap::new(),
            findings: Vec::new(),
        };
        // One state of the database for both: first the tables' snapshot, then as many entries as it knows.
        self.log.snapshot(|db| {
            let size = db.first("SELECT coalesce(max(idx), -1) + 1 FROM ledger_entry", &[], |row| row.int(0))?;
            for record in self.log.entries(0..u64::try_from(size.unwrap_or(0)).unwrap_or(0)) {
                let record = record?;
                let Ok(entry) = record.entry() else { continue };
                if let Event::Budget { data_set, kind, body } = &entry.event
                    && *data_set == self.terms.data_set
                {
                    state.take(record.index, kind.as_str(), body);
                }
            }
            if state.terms != Some(self.terms) {
                state.findings.push(Finding::Terms(0));
            }
            state.compare(db, &self.terms.data_set)
        })?;
        let answered = state.debits.values().filter(|a| a.is_some()).count();
        Ok(Audit {
            debits: u64::try_from(state.debits.len()).unwrap_or(u64::MAX),
            answered: u64::try_from(answered).unwrap_or(u64::MAX),
            spent: state.spent,
            by_account: state
                .accounts
                .into_iter()
                .map(|((researcher, project, purpose), sum)| (Account { researcher, project, purpose }, sum))
                .collect(),
            findings: state.findings,
        })
    }
}

impl State {
    fn take(&mut self, index: u64, kind: &str, body: &[u8]) {
        match kind {
            "created" => match Terms::decode(body) {
                Ok(terms) if self.terms.is_none() => self.terms = Some(terms),
                Ok(_) => self.findings.push(Finding::Terms(index)),
                Err(_) => self.findings.push(Finding::Unreadable(index)),
            },
            "quota" => match Quota::decode(body) {
                Ok(quota) => {
                    self.caps.insert((quota.kind, quota.name), wide(quota.cap.units()));
                }
                Err(_) => self.findings.push(Finding::Unreadable(index)),
            },
            "debited" => match Debit::decode(body) {
                Ok(debit) => self.debit(index, debit),
                Err(_) => self.findings.push(Finding::Unreadable(index)),
            },
            "answered" => match Settlement::decode(body) {
                Ok(settlement) => match self.debits.get_mut(&settlement.query.0) {
                    Some(answer @ None) => *answer = Some(settlement.answer),
                    _ => self.findings.push(Finding::Answer(settlement.query)),
                },
                Err(_) => self.findings.push(Finding::Unreadable(index)),
            },
            // The digest of a schema that was declared.
            "schema" if body.len() == 32 => {}
            _ => self.findings.push(Finding::Unreadable(index)),
        }
    }

    fn debit(&mut self, index: u64, debit: Debit) {
        let Some(terms) = self.terms else {
            self.findings.push(Finding::Terms(index));
            return;
        };
        if self.debits.insert(debit.query.0, None).is_some() {
            self.findings.push(Finding::DebitedTwice(debit.query));
        }
        let cost = debit.cost.units();
        self.spent = plus(self.spent, cost);
        let expected = if self.per_record { (0, 0) } else { self.spent };
        let number = u64::try_from(self.debits.len()).unwrap_or(u64::MAX);
        if wide(debit.total.units()) != expected || debit.number != number || debit.cost.regime() != terms.cap.regime()
        {
            self.findings.push(Finding::Total(debit.query));
        }
        let cap = wide(terms.cap.units());
        if expected.0 > cap.0 || expected.1 > cap.1 {
            self.findings.push(Finding::OverCap(debit.query));
        }
        for kind in QuotaKind::ALL {
            let name = (kind, kind.of(&debit.account).to_owned());
            if let Some(cap) = self.caps.get(&name) {
                let sum = self.under.entry(name).or_insert((0, 0));
                *sum = plus(*sum, cost);
                if sum.0 > cap.0 || sum.1 > cap.1 {
                    self.findings.push(Finding::OverQuota(debit.query, kind));
                }
            }
        }
        let Account { researcher, project, purpose } = debit.account;
        let account = self.accounts.entry((researcher, project, purpose)).or_insert((0, 0));
        *account = plus(*account, cost);
    }

    fn compare(&mut self, conn: &Db, data_set: &[u8; 32]) -> Result<(), Refused> {
        let row = store::budget(conn, data_set)?.ok_or(Refused::NoBudget)?;
        let expected = if self.per_record { (0, 0) } else { self.spent };
        if wide((row.main, row.delta)) != expected || u64::try_from(self.debits.len()) != Ok(row.debits) {
            self.findings.push(Finding::TableTotal);
        }
        let mut left = self.caps.clone();
        for (code, name, main, delta) in store::quotas(conn, data_set)? {
            let Some(kind) = QuotaKind::ALL.into_iter().find(|k| k.code() == code) else { continue };
            let key = (kind, name);
            let declared = left.remove(&key).is_some();
            if !declared || wide((main, delta)) != self.under.get(&key).copied().unwrap_or((0, 0)) {
                self.findings.push(Finding::TableQuota(kind));
            }
        }
        self.findings.extend(left.keys().map(|(kind, _)| Finding::TableQuota(*kind)));
        let known: BTreeSet<[u8; 32]> = store::query_ids(conn, data_set)?.into_iter().collect();
        let logged: BTreeSet<[u8; 32]> = self.debits.keys().copied().collect();
        self.findings.extend(known.symmetric_difference(&logged).map(|id| Finding::TableQuery(QueryId(*id))));
        for (id, digest) in &self.debits {
            let stored = store::query(conn, data_set, &QueryId(*id))?.and_then(|k| k.answer);
            let stored: Option<[u8; 32]> = stored.map(|a| Sha256::digest(a).into());
            if stored != *digest {
                self.findings.push(Finding::StoredAnswer(QueryId(*id)));
            }
        }
        Ok(())
    }
}
