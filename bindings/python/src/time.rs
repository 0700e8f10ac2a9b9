//! Moments: `datetime` with a time zone, `date`, or RFC 3339 text.

use crate::fail::raise;
use mediveil_bridge::Kind;
use mediveil_codec::Timestamp;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// The moment an argument says; the system's clock for `None`.
pub fn moment(at: Option<&Bound<'_, PyAny>>) -> PyResult<Timestamp> {
    let Some(at) = at.filter(|a| !a.is_none()) else { return Ok(Timestamp::now()) };
    let text = if at.is_instance_of::<PyString>() {
        at.clone()
    } else if at.hasattr("isoformat")? {
        at.call_method0("isoformat")?
    } else {
        return Err(PyTypeError::new_err("a time is a datetime with a time zone, a date, or text such as 2027-01-31"));
    };
    let text: String = text.extract()?;
    text.parse().map_err(|_| {
        raise(
            Kind::Invalid,
            format!("{text}: expected a time with its zone, such as 2027-01-31T08:00:00Z, 1970 to 9999"),
        )
    })
}

/// A `datetime` in UTC.
pub fn datetime(py: Python<'_>, at: Timestamp) -> PyResult<Bound<'_, PyAny>> {
    let module = py.import("datetime")?;
    let zone = module.getattr("timezone")?.getattr("utc")?;
    let epoch = module.getattr("datetime")?.call_method1("fromtimestamp", (0, zone))?;
    let after = PyDict::new(py);
    after.set_item("milliseconds", at.millis())?;
    epoch.add(module.getattr("timedelta")?.call((), Some(&after))?)
}
