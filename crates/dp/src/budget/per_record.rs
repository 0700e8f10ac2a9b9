//! The alternative guarantee: one filter a patient.
//!
//! A query costs a patient its whole price if one of their rows passes its filter, and nothing otherwise, because then
//! the answer's distribution does not depend on them at all (individual privacy loss; Feldman, Zrnic 2021). A patient who
//! cannot pay takes part no more. That is data: neither answers, nor errors, nor previews, nor the log, nor the amount of work
//! tell who or how many. Every patient is read and written for every query, whether it concerns them or not.

use super::store;
use super::{Budget, Guarantee, Refused, check_schema};
use crate::accounting::{Cost, Filter};
use crate::table::touched;
use crate::{Answer, Plan, Table};
use mediveil_codec::Timestamp;
use mediveil_ledger::{Db, Subject, SubjectSalt};

impl Budget {
    /// As [`ask`](Self::ask), under a per-record budget. Patients are kept by their pseudonyms under `salt`, which must be the
    /// same for the data set's life; with another salt everyone would start anew.
    ///
    /// # Errors
    /// [`Refused`]; [`Refused::OverBudget`] only where the price exceeds the cap that every patient starts with.
    pub fn ask_per_record(
        &self,
        plan: &Plan,
        table: &Table,
        salt: &SubjectSalt,
        now: Timestamp,
    ) -> Result<Answer, Refused> {
        if self.terms.guarantee != Guarantee::PerRecord {
            return Err(Refused::Guarantee);
        }
        check_schema(plan, table)?;
        let reservation =
            self.reserve_with(plan, now, |conn, cost| self.charge_patients(conn, plan, table, salt, cost))?;
        self.finish(reservation, table, now)
    }

    /// Charges every patient the query sees and can be charged; says who takes part.
    fn charge_patients(
        &self,
        conn: &Db,
        plan: &Plan,
        table: &Table,
        salt: &SubjectSalt,
        cost: &Cost,
    ) -> Result<Option<Vec<u8>>, Refused> {
        let of_table = plan.table.as_ref().ok_or(Refused::Schema)?;
        let touched = touched(of_table, table);
        let (data_set, regime) = (&self.terms.data_set, self.regime());
        let mut members = Vec::with_capacity(touched.len());
        for (patient, touched) in table.patients().iter().zip(touched) {
            let subject = Subject::pseudonym(salt, patient.as_bytes());
            let spent = store::record(conn, data_set, regime, subject.as_bytes())?;
            let mut filter = Filter::new(self.terms.cap, spent).ok_or(Refused::Tampered)?;
            let pays = filter.admit(*cost).is_ok();
            let after = if touched { filter.spent() } else { spent };
            store::set_record(conn, data_set, subject.as_bytes(), &after)?;
            members.push(u8::from(pays));
        }
        Ok(Some(members))
    }
}
