//! What a budget was spent on, read from the log.

use super::records::{Debit, Quota, QuotaKind, Settlement, Terms};
use super::{Budget, Refused};
use crate::accounting::Cost;
use mediveil_codec::{Timestamp, Wire};
use mediveil_ledger::{Actor, Event, Log};
use std::collections::BTreeMap;

/// One debit as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Its entry in the log.
    pub entry: u64,
    /// When, by the clock of the service.
    pub at: Timestamp,
    /// Who recorded it.
    pub actor: Actor,
    /// What was charged, and to whom.
    pub debit: Debit,
    /// Whether an answer was stored.
    pub answered: bool,
}

/// A budget's past. What it says is the log's word; [`Budget::audit`] tells whether it adds up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// When the budget was created.
    pub created: Timestamp,
    /// Every debit, in order.
    pub debits: Vec<Charged>,
    /// Every quota as it is now, with what was spent under it.
    pub quotas: Vec<(Quota, Cost)>,
}

impl Budget {
    /// Reads every entry of the budget. The cost grows with the log.
    ///
    /// # Errors
    /// [`Refused::Tampered`] where an entry of the budget cannot be read; [`Refused::Log`].
    pub fn history(&self) -> Result<History, Refused> {
        let (mut created, mut debits) = (None, Vec::<Charged>::new());
        let mut quotas: BTreeMap<(QuotaKind, String), (Quota, Cost)> = BTreeMap::new();
        let mut by_query: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        for record in self.log.entries(0..self.log.size()?) {
            let record = record?;
            let Ok(entry) = record.entry() else { continue };
            let Event::Budget { data_set, kind, body } = &entry.event else { continue };
            if *data_set != self.terms.data_set {
                continue;
            }
            match kind.as_str() {
                "created" => created = Some(entry.at),
                "quota" => {
                    let quota = Quota::decode(body)?;
                    let place = quotas.entry((quota.kind, quota.name.clone()));
                    let (declared, _) = place.or_insert_with(|| (quota.clone(), Cost::zero(self.terms.cap.regime())));
                    *declared = quota;
                }
                "debited" => {
                    let debit = Debit::decode(body)?;
                    for kind in QuotaKind::ALL {
                        let name = kind.of(&debit.account).to_owned();
                        if let Some((_, spent)) = quotas.get_mut(&(kind, name)) {
                            *spent = spent.checked_add(&debit.cost).ok_or(Refused::Tampered)?;
                        }
                    }
                    by_query.insert(debit.query.0, debits.len());
                    let (index, at, actor) = (record.index, entry.at, entry.actor);
                    debits.push(Charged { entry: index, at, actor, debit, answered: false });
                }
                "answered" => {
                    let place = by_query.get(&Settlement::decode(body)?.query.0);
                    if let Some(charged) = place.and_then(|at| debits.get_mut(*at)) {
                        charged.answered = true;
                    }
                }
                _ => {}
            }
        }
        let created = created.ok_or(Refused::Tampered)?;
        Ok(History { created, debits, quotas: quotas.into_values().collect() })
    }

    /// The terms of every budget in a log, in the order they were created. The cost grows with the log.
    ///
    /// # Errors
    /// [`Refused::Tampered`] where terms cannot be read; [`Refused::Log`].
    pub fn all(log: &Log) -> Result<Vec<Terms>, Refused> {
        let mut all = Vec::new();
        for record in log.entries(0..log.size()?) {
            if let Ok(entry) = record?.entry()
                && let Event::Budget { kind, body, .. } = &entry.event
                && kind.as_str() == "created"
            {
                all.push(Terms::decode(body)?);
            }
        }
        Ok(all)
    }
}
