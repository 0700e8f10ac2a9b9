//! Deterministic synthetic patients, to try and to measure things with: no real person is in them.
//!
//! A [`Generator`] turns a seed into adult patients, each as a FHIR R4 transaction Bundle and as one row of a cohort
//! table. The same seed gives the same bytes on every machine: all arithmetic is on integers, and all randomness comes
//! from ChaCha20 keyed with the seed and the number of the patient. A patient therefore does not depend on how many
//! are made.
//!
//! The model is a plain one: age and body mass raise the risk of diabetes and hypertension, those and smoking that of
//! heart disease; a disease moves the values measured from the visit of its onset on. The signs and rough sizes of
//! these effects are meant to be plausible; they are no epidemiology, and nothing may be concluded about people from
//! them. Resources carry the security label `HTEST` (test health data, HL7 v3 `ActReason`), and names are plainly
//! invented.
//!
//! ```
//! use mediveil_sample::Generator;
//!
//! let generator = Generator::new(1);
//! let patient = generator.patient(3);
//! assert!(patient.bundle_json().contains(patient.id()));
//! assert_eq!(generator.patients(10).nth(3).as_ref(), Some(&patient));
//! assert_eq!(generator.cohort_csv(3).lines().count(), 4);
//! ```

mod bundle;
mod calendar;
mod codes;
mod cohort;
mod draw;
mod fixed;
mod json;
mod names;
mod patient;
mod person;
mod visit;

pub use calendar::Date;
pub use cohort::CohortRow;
pub use fixed::Fixed;
pub use patient::{Generator, Patient};
pub use person::{Race, Sex, Site};
