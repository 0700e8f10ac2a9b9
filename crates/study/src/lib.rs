//! Research on encrypted records: aggregates that only a committee can open, and only with noise.
//!
//! Hospitals encrypt their patients' features under a committee's key; an untrusted server computes on the ciphertexts; a
//! quorum of the committee opens one noisy number at a time. Nobody ever sees a record, a partial sum or an exact
//! statistic, and every answer is paid for, in the log, before it is opened.
//!
//! | step | type | who | what |
//! |---|---|---|---|
//! | agree | [`Terms`], [`Study`] | all | schema, sites, committee, budget, log; then the key ceremony of `mediveil-fhe` |
//! | upload | [`Manifest`], [`Commitment`] | sites | rows as ciphertexts, committed in the log before any is shown |
//! | plan | [`Query`], [`Plan`] | anybody | sensitivity, noise, depth and overflow proved, or refused with the figure that fails |
//! | register | [`Registered`] | the operator | the debit, and the query with its quorum, in the log |
//! | evaluate | [`Partial`], [`EncryptedAnswer`] | the server, each member | exact, deterministic, parallel, in shards if wanted |
//! | approve | [`Study::approve`] | each member of the quorum | one part, with the full planned noise inside, once |
//! | release | [`Certificate`] | the operator | the parts added up, with everything that they rest on |
//! | verify | [`Verified`] | anybody | the certificate checked from files alone |
//!
//! ```
//! use mediveil_codec::Timestamp;
//! use mediveil_dp::{Budget, accounting::Cost};
//! use mediveil_fhe::{Parameters, opening::MemoryStore, testing};
//! use mediveil_ledger::{Actor, Log};
//! use mediveil_study::*;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut rng = mediveil_rng::SeededRng::from_u64(1);
//! # let dir = tempfile::tempdir()?;
//! # let now: Timestamp = "2027-01-31T08:00:00Z".parse()?;
//! let log = Log::create(dir.path().join("log"), &mut rng)?;
//! let mut people = testing::identities(5, &mut rng);
//! let (clinic, operator) = (people.pop().unwrap(), people.pop().unwrap());
//! let terms = Terms {
//!     title: "HbA1c after sixty-five".into(),
//!     schema: Schema::from_json(r#"{"patient": "id", "max_rows": 100, "columns": [
//!         {"kind": "number", "name": "hba1c", "low": "3", "high": "20", "scale": 1},
//!         {"kind": "flag", "name": "diabetes", "required": true}]}"#)?,
//!     sites: vec![clinic.public().clone()],
//!     members: people.iter().map(|m| m.public().clone()).collect(),
//!     needed: 2,
//!     depth: 2,
//!     cap: Cost::Pure("5".parse()?),
//!     operator: operator.public().clone(),
//!     evaluators: vec![],
//!     log: log.id(),
//!     // Terms::parameters_for finds the real ones; these hide nothing and are fast.
//!     parameters: Parameters::insecure_for_tests(64, 40, 6)?,
//! };
//! let (key, members) = testing::ceremony(&terms.committee()?, people, &mut rng);
//! let study = Study::new(terms, key)?;
//! let budget = Budget::create(&log, study.terms().budget(), Actor::SYSTEM, now)?;
//!
//! // The site commits, and only then shows.
//! let table = Table::from_csv("id,hba1c,diabetes\na,7.1,1\nb,5.2,0\nc,8.0,1\n".as_bytes(), study.schema())?;
//! let mut blocks = Vec::new();
//! let manifest = study.encrypt(&table, &clinic, &mut blocks, &mut rng, &mut |_, _| ())?;
//! study.commit(&log, &Commitment::new(&manifest, &clinic), now)?;
//! let uploads = study.accept(&log, vec![Upload::in_memory(manifest, blocks)])?;
//!
//! // A researcher asks; the operator pays from the budget and names the quorum.
//! let query = r#"{"statistic": {"mean": {"column": "hba1c"}}, "filter": {"flag": "diabetes"}, "epsilon": "4"}"#;
//! let plan = study.plan(&Query::from_json(query)?)?;
//! study.register(&budget, &plan, &uploads, &[1, 3], now)?;
//!
//! // Each member of the quorum evaluates for itself and answers once.
//! let mut parts = Vec::new();
//! for (share, identity) in members.iter().filter(|(m, _)| m.member() != 2) {
//!     let own = Evaluation::Own { shown: None, progress: &|_, _| () };
//!     let store = &mut MemoryStore::new();
//!     parts.push(study.approve(&budget, &plan, &uploads, own, share, identity, store, &mut rng)?);
//! }
//! let answer = study.evaluate(&plan, &uploads, &|_, _| ())?;
//! let certificate = study.release(&budget, &plan, &uploads, &answer, &parts, &operator, now)?;
//!
//! // Anybody can check it, from the certificate, the terms and the key.
//! let verified = certificate.verify(&study)?;
//! assert!(verified.estimates[0].low >= 3.0 && verified.estimates[0].high <= 20.0);
//! # Ok(())
//! # }
//! ```
//!
//! # Trust
//! Sites are semi-honest about their values: there are no range proofs yet, so a site that lies spoils answers, and what it
//! adds beyond the bounds is not covered by the noise. The server sees nothing. Fewer than a quorum of the members learn
//! nothing; a quorum can open everything. The integrity of partial decryptions is semi-honest, and nobody can be named for a
//! wrong one: gross garbage is found, a small offset is not. Privacy counts one honest member's noise, intervals count
//! all. That one patient has no more rows than declared is checked at each site and, across sites, declared by them.
//! Beneath lie the assumptions of `mediveil-fhe` (Ring-LWE, once-only opening), `mediveil-dp` and `mediveil-ledger`.
//! Nothing here has been audited.

mod certificate;
mod circuit;
mod columns;
mod confirm;
mod convolution;
mod estimate;
mod evaluate;
mod fhir;
mod layout;
#[cfg(feature = "parquet")]
mod parquet;
mod plan;
mod query;
mod release;
mod resolve;
mod schema;
mod table;
mod terms;
mod upload;

pub use certificate::{Certificate, Verified};
pub use columns::{Cells, Values};
pub use confirm::{ConfirmError, Confirmation};
pub use estimate::Estimate;
pub use evaluate::{AnswerError, EncryptedAnswer, Partial, Progress};
pub use layout::Layout;
pub use plan::{Figures, MomentFigures, Plan, PlanError};
pub use query::{Filter, Query, Statistic};
pub use release::{Asked, Evaluation, Registered, Registration, ReleaseError};
pub use schema::{Column, ColumnKind, Lane, Schema, SchemaError};
pub use table::{Table, TableError};
pub use terms::{Study, Terms, TermsError};
pub use upload::{Commitment, Manifest, Upload, UploadError, Uploads};
