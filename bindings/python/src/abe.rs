//! Policies, authorities and their keys.

use crate::data::{decode, load as load_file, write_key_file};
use crate::fail::{fail, not_pickled, raise};
use crate::threads::on_all_cores;
use crate::time::{datetime, moment};
use mediveil_abe as core;
use mediveil_abe::explain;
use mediveil_bridge::Kind;
use mediveil_codec::{Wire, armor};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::Arc;

fn attributes(texts: &[String]) -> PyResult<core::AttributeSet> {
    core::AttributeSet::parse(texts.iter().map(String::as_str)).map_err(fail)
}

/// A policy: who may open, in words such as `role:doctor and (ward:icu or clearance >= 3)`.
///
/// >>> import mediveil
/// >>> policy = mediveil.Policy("role:doctor and 2 of (ward:icu, ward:er, grade:senior)")
/// >>> policy.satisfied_by(["role:doctor", "ward:icu", "grade:senior"])
/// True
/// >>> policy.missing(["role:doctor", "ward:icu"])
/// [['grade:senior'], ['ward:er']]
/// >>> mediveil.Policy("role:doctor and")
/// Traceback (most recent call last):
///     ...
/// mediveil.PolicyError: expected ...
///
/// Raises PolicyError with the position and what was expected there.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Policy(Arc<core::Policy>);

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (text, /))]
    fn new(text: &str) -> PyResult<Self> {
        Ok(Self(Arc::new(core::Policy::parse(text).map_err(fail)?)))
    }

    /// Whether a key with these attributes satisfies it.
    fn satisfied_by(&self, attributes: Vec<String>) -> PyResult<bool> {
        Ok(explain::satisfies(&self.0, &self::attributes(&attributes)?))
    }

    /// What a key with these attributes lacks: lists of requirements, each of which would be enough. Empty if it lacks nothing.
    fn missing(&self, attributes: Vec<String>) -> PyResult<Vec<Vec<String>>> {
        let missing = explain::missing(&self.0, &self::attributes(&attributes)?);
        Ok(missing.iter().map(|set| set.iter().map(ToString::to_string).collect()).collect())
    }

    /// What opens it under an authority and what it costs, as a dict: `canonical`, `opens` (up to 16 lists of requirements),
    /// `rows` in the ciphertext, `repeats` of the most frequent attribute, and `bytes` of the door.
    ///
    /// Raises PolicyError if it does not fit the authority's schema.
    fn explain<'py>(&self, py: Python<'py>, parameters: &AuthorityParameters) -> PyResult<Bound<'py, PyDict>> {
        let report = explain::explain(&self.0, parameters.0.schema(), None).map_err(fail)?;
        let dict = PyDict::new(py);
        dict.set_item("canonical", &report.canonical)?;
        let opens: Vec<Vec<String>> =
            report.opens.iter().map(|set| set.iter().map(ToString::to_string).collect()).collect();
        dict.set_item("opens", opens)?;
        dict.set_item("rows", report.rows)?;
        dict.set_item("repeats", report.repeats)?;
        dict.set_item("bytes", report.bytes)?;
        Ok(dict)
    }

    /// The recipient that `seal` takes: files that keys of this authority open if they satisfy the policy. A key must also be
    /// unexpired at the time of sealing, unless `expires=False`.
    #[pyo3(signature = (parameters, *, now = None, expires = true))]
    fn door(
        &self,
        parameters: &AuthorityParameters,
        now: Option<&Bound<'_, PyAny>>,
        expires: bool,
    ) -> PyResult<PolicyDoor> {
        let policy = self.0.as_ref().clone();
        let door = if expires {
            core::PolicyRecipient::new(policy, &parameters.0, moment(now)?)
        } else {
            core::PolicyRecipient::without_expiry(policy, &parameters.0)
        };
        Ok(PolicyDoor(Arc::new(door.map_err(fail)?)))
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        py.import("mediveil._results")?.getattr("policy_html")?.call1((self.0.to_string(),))?.extract()
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Policy({:?})", self.0.to_string())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.str()?.hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (String,)) {
        (slf.get_type().into_any(), (slf.get().0.to_string(),))
    }
}

/// A policy under one authority, as a recipient for `seal`. Made by `Policy.door`.
///
/// >>> import mediveil
/// >>> authority = mediveil.Authority.create("clinic")
/// >>> door = mediveil.Policy("role:doctor").door(authority.parameters, expires=False)
/// >>> door
/// <PolicyDoor role:doctor>
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct PolicyDoor(pub Arc<core::PolicyRecipient>);

#[pymethods]
impl PolicyDoor {
    /// The policy.
    #[getter]
    fn policy(&self) -> Policy {
        Policy(Arc::new(self.0.policy().clone()))
    }

    fn __repr__(&self) -> String {
        format!("<PolicyDoor {}>", self.0.policy())
    }
}

/// Who grants attributes. It holds the master secret: whoever has it opens everything sealed under its policies.
///
/// >>> import datetime, mediveil
/// >>> clinic = mediveil.Authority.create("clinic", integers={"clearance": 4})
/// >>> tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2)
/// >>> doctor = clinic.grant(["role:doctor", "clearance=3"], until=tomorrow)
/// >>> nurse = clinic.grant(["role:nurse", "clearance=1"], until=tomorrow)
/// >>> door = mediveil.Policy("role:doctor and clearance >= 2").door(clinic.parameters)
/// >>> sealed = mediveil.seal(b"record", to=door)
/// >>> mediveil.open(sealed, keys=doctor)
/// b'record'
/// >>> mediveil.open(sealed, keys=nurse)
/// Traceback (most recent call last):
///     ...
/// mediveil.NoKeyError: ...
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Authority(Arc<core::Authority>);

#[pymethods]
impl Authority {
    /// A new authority. granularity of expiry: "hours", "days" or "weeks". integers: names of numbers with their width in bits
    /// (1 to 32). dates: names of dates. emergency: attributes whose keys live at most 24 hours.
    #[staticmethod]
    #[pyo3(signature = (name, *, granularity = "days", integers = None, dates = None, emergency = None))]
    fn create(
        py: Python<'_>,
        name: &str,
        granularity: &str,
        integers: Option<&Bound<'_, PyDict>>,
        dates: Option<Vec<String>>,
        emergency: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let granularity = match granularity {
            "hours" => core::Granularity::Hours,
            "days" => core::Granularity::Days,
            "weeks" => core::Granularity::Weeks,
            _ => return Err(raise(Kind::Invalid, "granularity is hours, days or weeks")),
        };
        let mut schema = core::Schema::new();
        for (name, bits) in integers.into_iter().flatten() {
            schema = schema.integer(&name.extract::<String>()?, bits.extract()?).map_err(fail)?;
        }
        for name in dates.unwrap_or_default() {
            schema = schema.date(&name).map_err(fail)?;
        }
        for text in emergency.unwrap_or_default() {
            schema = schema.emergency(text.parse::<core::Attribute>().map_err(fail)?).map_err(fail)?;
        }
        let made = py.detach(|| {
            on_all_cores(|| core::Authority::create(name, granularity, schema, &mut mediveil_rng::system()))
        })?;
        Ok(Self(Arc::new(made.map_err(fail)?)))
    }

    /// Reads the file that `save` or `mediveil authority new` wrote.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(Arc::new(load_file(path)?)))
    }

    /// Writes the master secret to a file that its owner alone can read. Raises ExistsError where a file is there already.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        write_key_file(&path, &armor::encode(self.0.as_ref()), true)
    }

    /// The public half: what policies are sealed under.
    #[getter]
    fn parameters(&self) -> AuthorityParameters {
        AuthorityParameters(Arc::new(self.0.parameters().clone()))
    }

    /// A key for these attributes (`name:value`, `name=number`, `name=2027-01-31`) that expires by `until`. Raises RefusedError
    /// for a time that is past or too far off for emergency attributes.
    #[pyo3(signature = (attributes, *, until, now = None))]
    fn grant(
        &self,
        py: Python<'_>,
        attributes: Vec<String>,
        until: &Bound<'_, PyAny>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<AttributeKey> {
        let (set, until, now) = (self::attributes(&attributes)?, moment(Some(until))?, moment(now)?);
        let key = py
            .detach(|| on_all_cores(|| self.0.grant(&set, until, now, &mut mediveil_rng::system())))?
            .map_err(fail)?;
        Ok(AttributeKey(Arc::new(key)))
    }

    /// A key for an emergency, which lives at most 24 hours.
    #[pyo3(signature = (attributes, *, now = None))]
    fn grant_emergency(
        &self,
        py: Python<'_>,
        attributes: Vec<String>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<AttributeKey> {
        let (set, now) = (self::attributes(&attributes)?, moment(now)?);
        let key = py
            .detach(|| on_all_cores(|| self.0.grant_emergency(&set, now, &mut mediveil_rng::system())))?
            .map_err(fail)?;
        Ok(AttributeKey(Arc::new(key)))
    }

    /// A key that never expires. It opens only what was sealed with `expires=False`.
    fn grant_without_expiry(&self, py: Python<'_>, attributes: Vec<String>) -> PyResult<AttributeKey> {
        let set = self::attributes(&attributes)?;
        let key = py
            .detach(|| on_all_cores(|| self.0.grant_without_expiry(&set, &mut mediveil_rng::system())))?
            .map_err(fail)?;
        Ok(AttributeKey(Arc::new(key)))
    }

    fn __repr__(&self) -> String {
        format!("<Authority {:?}, secret>", self.0.parameters().name())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("an authority's master secret"))
    }
}

/// The public half of an authority. May be pickled.
///
/// >>> import mediveil, pickle
/// >>> public = mediveil.Authority.create("clinic").parameters
/// >>> public.name, pickle.loads(pickle.dumps(public)) == public
/// ('clinic', True)
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct AuthorityParameters(pub Arc<core::PublicParameters>);

#[pymethods]
impl AuthorityParameters {
    /// Reads the file that `save` or `mediveil authority new` wrote.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(Arc::new(load_file(path)?)))
    }

    /// Writes its file.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        write_key_file(&path, &armor::encode(self.0.as_ref()), false)
    }

    /// Reads the bytes that `to_bytes` wrote. Raises DamagedError.
    #[staticmethod]
    fn from_bytes(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Arc::new(decode(data)?)))
    }

    /// The bytes of it.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.encode())
    }

    /// Its name, as the authority chose it.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// 32 bytes that name it: a hash of everything public.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.id().as_bytes())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn __hash__(&self) -> u64 {
        self.0.id().as_bytes().iter().take(8).fold(0, |all, byte| (all << 8) | u64::from(*byte))
    }

    fn __repr__(&self) -> String {
        format!("<AuthorityParameters {:?} {}>", self.0.name(), self.0.id())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("from_bytes")?, (slf.get().to_bytes(slf.py()),)))
    }
}

/// A reader's key from an authority. Secret: not pickled, wiped when dropped.
///
/// >>> import mediveil
/// >>> clinic = mediveil.Authority.create("clinic")
/// >>> key = clinic.grant_without_expiry(["role:doctor"])
/// >>> key.attributes, key.expires
/// ('role:doctor', None)
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct AttributeKey(pub Arc<core::AttributeKey>);

#[pymethods]
impl AttributeKey {
    /// Reads the file that `save` or `mediveil authority grant` wrote.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(Arc::new(load_file(path)?)))
    }

    /// Writes it to a file that its owner alone can read. Raises ExistsError where a file is there already.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        write_key_file(&path, &armor::encode(self.0.as_ref()), true)
    }

    /// Its attributes, as one text.
    #[getter]
    fn attributes(&self) -> String {
        self.0.attributes().to_string()
    }

    /// When it expires (a datetime), or None.
    #[getter]
    fn expires<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.expires().map(|at| datetime(py, at)).transpose()
    }

    /// Whether the authority with these parameters granted it.
    fn is_genuine(&self, py: Python<'_>, parameters: &AuthorityParameters) -> PyResult<bool> {
        py.detach(|| on_all_cores(|| self.0.is_genuine(&parameters.0, &mut mediveil_rng::system())))
    }

    fn __repr__(&self) -> String {
        format!("<AttributeKey {}, secret>", self.0.attributes())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("an attribute key"))
    }
}
