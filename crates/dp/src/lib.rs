//! Differential privacy for a data set: noise, accounting, and a budget that cannot be overspent.
//!
//! A [`Schema`] declares what a table can hold and who is protected. A [`Query`] is planned against the schema alone: the
//! [`Plan`] fixes the noise and the price. A [`Budget`] in the log pays for it, durably, before any data is touched; only
//! then is the answer computed, noise added, stored, and released.
//!
//! | page | what it alone knows |
//! |---|---|
//! | [`Epsilon`], [`Rho`], [`Delta`] | privacy parameters as exact integers, rounded on the safe side |
//! | [`PrivacyUnit`], [`Sensitivity`] | who is protected, and how much one of them can change an answer |
//! | [`Mechanism`] | noise from opendp, calibrated by its own privacy maps |
//! | [`accounting`] | adaptive filters, and exact reports of fixed plans |
//! | [`Query`], [`Table`] | questions to plaintext tables |
//! | [`Budget`] | debits, permits, stored answers, quotas, audit |
//!
//! ```
//! use mediveil_codec::Timestamp;
//! use mediveil_dp::accounting::Cost;
//! use mediveil_dp::{Budget, Epsilon, Guarantee, Price, Query, Schema, Table, Terms};
//! use mediveil_ledger::{Actor, Log};
//!
//! let schema = Schema::from_json(r#"{
//!     "patient": "id", "rows_per_patient": 1, "max_rows": 1000,
//!     "columns": [{"kind": "number", "name": "hba1c", "low": "3.0", "high": "20.0", "scale": 1}]
//! }"#)?;
//! let table = Table::from_csv("id,hba1c\np1,7.2\np2,5.9\n".as_bytes(), &schema)?;
//!
//! let dir = tempfile::tempdir()?;
//! let log = Log::create(dir.path().join("events.log"), &mut mediveil_rng::SeededRng::from_u64(1))?;
//! let now: Timestamp = "2027-01-31T08:00:00Z".parse()?;
//! let terms = Terms {
//!     data_set: [7; 32],
//!     unit: schema.unit(),
//!     guarantee: Guarantee::DataSet,
//!     cap: Cost::Pure(Epsilon::cap_from_decimal("1")?),
//! };
//! let budget = Budget::create(&log, terms, Actor::SYSTEM, now)?;
//!
//! let query = Query::from_json(r#"{"statistic": {"mean": {"column": "hba1c"}}}"#)?;
//! let plan = query.plan(&schema, 1, Price::Epsilon("0.4".parse()?))?;
//! assert_eq!(budget.preview(&plan)?.cost, Cost::Pure("0.4".parse()?));
//! let answer = budget.ask(&plan, &table, now)?;
//! let estimate = &plan.estimates(&answer).unwrap()[0];
//! assert!(estimate.low >= 3.0 && estimate.high <= 20.0);
//!
//! // Asking again costs nothing and says the same; a third query of another kind no longer fits.
//! assert_eq!(budget.ask(&plan, &table, now)?, answer);
//! let sum = Query::from_json(r#"{"statistic": {"sum": {"column": "hba1c"}}}"#)?;
//! assert!(budget.reserve(&sum.plan(&schema, 1, Price::Epsilon("0.7".parse()?))?, now).is_err());
//! assert!(budget.audit()?.findings.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is assumed
//! OpenSSL's generator (3.3.1, built from source by opendp's own pin) is unpredictable, and opendp's samplers and privacy maps
//! are right. Time and memory of a computation are not hidden from someone who can measure them on the machine: the samplers and the
//! evaluation of a table take time that depends on their input. Serve answers at fixed times where that matters.

#[cfg(not(feature = "secure-noise"))]
compile_error!(
    "mediveil-dp must be built with the feature `secure-noise`: without it opendp falls back to a generator that is not \
     meant for secrets"
);

pub mod accounting;
mod answer;
mod budget;
mod mechanism;
mod plan;
mod privacy;
mod table;
mod units;

pub use answer::{Answer, Part};
pub use budget::{
    Audit, Budget, Charged, Debit, Finding, Guarantee, History, NoiseRun, Permit, Preview, Quota, QuotaKind, Refused,
    Reservation, Settlement, Terms,
};
pub use mechanism::{Mechanism, MechanismError};
pub use plan::{Account, Plan, QueryId};
pub use privacy::{Bounds, Neighbours, PrivacyUnit, Sensitivity, SensitivityError};
pub use table::{
    Column, ColumnKind, Condition, Estimate, Expected, PlanError, Price, Query, Schema, SchemaError, Statistic, Table,
    TableError, format_decimal, parse_decimal,
};
pub use units::{AmountError, Delta, Epsilon, Rho};
