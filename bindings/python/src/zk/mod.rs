//! Proofs in zero knowledge: who takes part, what is asked, keys and proofs.

mod keys;
mod parties;
mod proof;
mod request;

pub use keys::{ProvingKey, VerifyingKey};
pub use parties::{
    Credential, CredentialRegistry, HeldRecord, Holder, HolderSecret, IssuerRegister, ProviderKey, ProviderPublicKey,
    ProviderRegistry, StatisticsTable, TableCommitment,
};
pub use proof::{Proof, prove, verify, verify_batch};
pub use request::{IdentityRequest, RecordRequest, StatisticsRequest};

use crate::data::hex;
use crate::fail::{fail, raise};
use mediveil_bridge::Kind;
use mediveil_circuits::Fr;
use mediveil_record::Date;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

fn element_bytes(element: &Fr) -> [u8; 32] {
    mediveil_record::field::to_bytes(element)
}

/// A day: a `date`, or text such as 2026-11-21.
fn day(object: &Bound<'_, PyAny>) -> PyResult<Date> {
    let text = if object.is_instance_of::<PyString>() {
        object.clone()
    } else if object.hasattr("isoformat")? {
        object.call_method0("isoformat")?
    } else {
        return Err(PyTypeError::new_err("a day is a date, or text such as 2026-11-21"));
    };
    let text: String = text.extract()?;
    Date::parse(&text).ok_or_else(|| raise(Kind::Invalid, format!("{text}: expected a day such as 2026-11-21")))
}

/// The name of an element, for people.
fn short(element: &Fr) -> String {
    hex(element_bytes(element).get(..8).unwrap_or_default())
}

/// A form's error as its exception.
fn form(error: mediveil_circuits::forms::FormError) -> PyErr {
    fail(error)
}
