//! Small programs on one patient's encrypted values: risk scores, decision trees, forests and logistic scores.
//!
//! A clinic holds a [`Model`]; a patient holds a secret key and values. The patient encrypts the values by the model's
//! [`Form`], the clinic evaluates the model's [`Plan`] on the ciphertexts, and only the patient can read the score or the class.
//!
//! | module | what it holds |
//! |---|---|
//! | `model` | the model file, checked, and what it says of values in the clear |
//! | `form` | what the patient needs of a model: inputs, bounds, and how they are coded |
//! | `plan` | from a model to a circuit: widths, bootstraps, time, and what is refused |
//! | `circuit` | sums and lookups over four-bit wires, and the evaluation in the clear |
//! | `keys`, `encrypted` (feature `tfhe`) | the patient's keys, encrypted values, and the evaluation on them |
//!
//! # How values are coded, and why that is fast
//! A value x of a domain of D values travels as D - 1 encrypted bits, "x is at least j" for each j, in one seeded list of LWE
//! samples: eight bytes a bit. Every function of x, a table of points or a test of an interval, is then a sum of those bits with
//! known factors, exact and without a bootstrap. Inputs that a model looks at together are coded together. Bootstraps
//! (Chillotti, Gama, Georgieva and Izabachène, eprint 2018/421) are left for what joins inputs: the conjunction along a path of
//! a tree is one lookup of a sum, and a class is the last carry of an addition.
//!
//! # Assumptions
//! Both sides follow the protocol. A patient who does not can send bits that are no number and learn more of the model than
//! scores; a clinic that does not can answer anything, for results are not authenticated. LWE at 128 bits by the parameter set of
//! `tfhe`, whose probability of a wrong bootstrap is below 2^-128; sums of fresh bits cannot be wrong.
//!
//! # Patents
//! `tfhe` is under BSD-3-Clause-Clear, which grants no patent rights; its authors (Zama) ask commercial users to obtain a patent
//! licence. That is why encryption and encrypted evaluation stand behind the feature `tfhe` of this crate. Models, forms and plans
//! are built without it.

mod circuit;
#[cfg(feature = "tfhe")]
mod encrypted;
mod form;
#[cfg(feature = "tfhe")]
mod keys;
mod model;
mod plan;

pub use circuit::{Backend, Circuit, Clear, Overflow, Progress, Table};
#[cfg(feature = "tfhe")]
pub use encrypted::{EncryptedInputs, EncryptedResult, ProgramError};
pub use form::{Form, FormError, ValueError, Values};
#[cfg(feature = "tfhe")]
pub use keys::{EvaluationKey, Evaluator, PatientKey, PatientKeyId, generate};
pub use model::{Answer, Input, MAX_NODES, Model, ModelError};
pub use plan::{Limits, Plan, PlanError, REFERENCE_BOOTSTRAP_SECONDS};

/// Points of the general cardiovascular risk profile of the Framingham Heart Study (D'Agostino et al., Circulation 2008;
/// 117:743-753, the tables of points for women and men), as a model file.
pub const FRAMINGHAM_2008: &str = include_str!("../../models/framingham-2008.json");

/// The same points, asked only whether the ten-year risk is 20 % or more: 15 points for men and 18 for women.
pub const FRAMINGHAM_2008_HIGH_RISK: &str = include_str!("../../models/framingham-2008-high-risk.json");
