//! What a verifier wants proved.

use super::day;
use crate::data::{Data, hex};
use crate::fail::{fail, raise};
use mediveil_bridge::Kind;
use mediveil_circuits::record::RecordPublic;
use mediveil_codec::Timestamp;
use mediveil_record::Date;
use mediveil_rng::Rng;
use mediveil_zk::Fr;
use mediveil_zk::forms as core;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use std::collections::BTreeMap;

/// What no earlier request said: 128 random bits unless given.
fn challenge(given: Option<String>) -> String {
    given.unwrap_or_else(|| {
        let mut bytes = [0; 16];
        mediveil_rng::system().fill_bytes(&mut bytes);
        hex(&bytes)
    })
}

fn parse(text: &Bound<'_, PyAny>) -> PyResult<core::Request> {
    if let Ok(text) = text.cast::<PyString>() {
        return core::Request::parse(text.to_str()?.as_bytes()).map_err(fail);
    }
    core::Request::parse(Data::of(text)?.as_slice()).map_err(fail)
}

fn other() -> PyErr {
    raise(Kind::Invalid, "this is a request for another statement")
}

/// Asks who somebody is: a credential of a registry that counts `today`, an age, and one of some roles.
///
/// scope: where one person counts once, such as a vote or a counter and its day. min_age in years, or born_before, a day:
/// exactly one of them. roles: names; any role for none. today: the system's day in UTC unless given. challenge: random
/// unless given; a verifier makes a new request for each session and keeps it.
///
/// >>> import mediveil
/// >>> request = mediveil.IdentityRequest(scope="pharmacy/2026", min_age=18, roles=["physician"], today="2026-11-21")
/// >>> request.born_before
/// '2008-11-22'
/// >>> mediveil.IdentityRequest.from_json(request.to_json()) == request
/// True
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Debug, PartialEq)]
pub struct IdentityRequest(pub core::IdentityRequest);

#[pymethods]
impl IdentityRequest {
    #[new]
    #[pyo3(signature = (*, scope, min_age = None, born_before = None, roles = None, today = None, challenge = None))]
    fn new(
        scope: String,
        min_age: Option<u32>,
        born_before: Option<&Bound<'_, PyAny>>,
        roles: Option<Vec<String>>,
        today: Option<&Bound<'_, PyAny>>,
        challenge: Option<String>,
    ) -> PyResult<Self> {
        let today = match today {
            Some(today) => day(today)?,
            None => {
                let now = Timestamp::now().to_string();
                let today = now.get(..10).and_then(Date::parse);
                today.ok_or_else(|| raise(Kind::State, "the system's clock lies outside the calendar"))?
            }
        };
        let before = match (min_age, born_before) {
            (Some(years), None) => core::IdentityRequest::day_of_age(today, years)
                .ok_or_else(|| raise(Kind::Invalid, "nobody is that old"))?,
            (None, Some(before)) => day(before)?,
            _ => return Err(PyTypeError::new_err("give one of min_age and born_before")),
        };
        Ok(Self(core::IdentityRequest {
            scope,
            challenge: self::challenge(challenge),
            born_before: before.to_string(),
            today: today.to_string(),
            roles: roles.unwrap_or_default(),
        }))
    }

    /// Reads the JSON that `to_json` or the command wrote. Raises InvalidError.
    #[staticmethod]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let core::Request::Identity(it) = parse(text)? { Ok(Self(it)) } else { Err(other()) }
    }

    /// As JSON, to be sent to the holder.
    fn to_json(&self) -> String {
        core::Request::Identity(self.0.clone()).to_json()
    }

    /// The scope.
    #[getter]
    fn scope(&self) -> &str {
        &self.0.scope
    }

    /// The challenge.
    #[getter]
    fn challenge(&self) -> &str {
        &self.0.challenge
    }

    /// The holder was born before this day.
    #[getter]
    fn born_before(&self) -> &str {
        &self.0.born_before
    }

    /// The roles of which the holder has one; empty for any.
    #[getter]
    fn roles(&self) -> Vec<String> {
        self.0.roles.clone()
    }

    fn __repr__(&self) -> String {
        format!("<IdentityRequest in {:?}, born before {}>", self.0.scope, self.0.born_before)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(),)))
    }
}

/// Asks what a record says that an accredited provider signed for the holder.
///
/// claims: one to four, all true of one resource, as `PATH = TEXT` or `PATH < VALUE` with one or two of <, <=, >, >= for
/// numbers and days. Numbers may have up to seven decimals; for more write `places N` behind the bound. scope and challenge
/// are as in `IdentityRequest`.
///
/// >>> import mediveil
/// >>> request = mediveil.RecordRequest(["code.coding[0].code = 4548-4", "valueQuantity.value < 7.0"], scope="insurer")
/// >>> request.claims[1]
/// 'valueQuantity.value < 7.0'
///
/// Raises InvalidError for claims that cannot be.
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Debug, PartialEq)]
pub struct RecordRequest(pub core::RecordRequest);

#[pymethods]
impl RecordRequest {
    #[new]
    #[pyo3(signature = (claims, *, scope, challenge = None))]
    fn new(claims: Vec<String>, scope: String, challenge: Option<String>) -> PyResult<Self> {
        let claims = claims.iter().map(|c| core::ClaimRequest::from_words(c)).collect::<Result<Vec<_>, _>>();
        let request =
            core::RecordRequest { scope, challenge: self::challenge(challenge), claims: claims.map_err(fail)? };
        // What cannot be asked is said here and not to the holder.
        let claims = request.claims.iter().map(core::ClaimRequest::claim).collect::<Result<Vec<_>, _>>();
        RecordPublic::new(Fr::default(), Fr::default(), request.scope(), Fr::default(), claims.map_err(fail)?)
            .map_err(fail)?;
        Ok(Self(request))
    }

    /// Reads the JSON that `to_json` or the command wrote. Raises InvalidError.
    #[staticmethod]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let core::Request::Record(it) = parse(text)? { Ok(Self(it)) } else { Err(other()) }
    }

    /// As JSON, to be sent to the holder.
    fn to_json(&self) -> String {
        core::Request::Record(self.0.clone()).to_json()
    }

    /// The scope.
    #[getter]
    fn scope(&self) -> &str {
        &self.0.scope
    }

    /// The challenge.
    #[getter]
    fn challenge(&self) -> &str {
        &self.0.challenge
    }

    /// The claims in words.
    #[getter]
    fn claims(&self) -> Vec<String> {
        self.0.claims.iter().map(ToString::to_string).collect()
    }

    fn __repr__(&self) -> String {
        format!("<RecordRequest in {:?}: {}>", self.0.scope, self.claims().join("; "))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(),)))
    }
}

/// Asks for count, sum and sum of squares of a column, over the rows whose cells are present and within `where`: a dict
/// from columns to `(low, high)`, both included.
///
/// >>> import mediveil
/// >>> request = mediveil.StatisticsRequest("hba1c", where={"born": (1950, 1980)})
/// >>> mediveil.StatisticsRequest.from_json(request.to_json()) == request
/// True
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Debug, PartialEq)]
pub struct StatisticsRequest(pub core::StatisticsRequest);

#[pymethods]
impl StatisticsRequest {
    #[new]
    #[pyo3(signature = (column, *, r#where = None))]
    fn new(column: String, r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut filter = BTreeMap::new();
        for (name, range) in r#where.into_iter().flatten() {
            let range = range.cast::<PyTuple>().ok().filter(|r| r.len() == 2);
            let range = range.ok_or_else(|| PyTypeError::new_err(format!("where {name}: a range is (low, high)")))?;
            let (low, high) = range.extract::<(u32, u32)>()?;
            filter.insert(name.extract::<String>()?, [low, high]);
        }
        Ok(Self(core::StatisticsRequest { column, filter }))
    }

    /// Reads the JSON that `to_json` or the command wrote. Raises InvalidError.
    #[staticmethod]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let core::Request::Statistics(it) = parse(text)? { Ok(Self(it)) } else { Err(other()) }
    }

    /// As JSON, to be sent to the table's keeper.
    fn to_json(&self) -> String {
        core::Request::Statistics(self.0.clone()).to_json()
    }

    /// The column that is added up.
    #[getter]
    fn column(&self) -> &str {
        &self.0.column
    }

    fn __repr__(&self) -> String {
        format!("<StatisticsRequest of {:?}, {} conditions>", self.0.column, self.0.filter.len())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(),)))
    }
}
