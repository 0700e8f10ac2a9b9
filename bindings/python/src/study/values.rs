//! Schemas, questions and plans of studies: plain values.

use crate::fail::fail;
use crate::query::{cost, decimal};
use mediveil_dp::accounting::Cost;
use mediveil_study as core;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// What every site of a study declares about its rows before anyone asks.
///
/// patient: the column that names the patient. columns: for each name
///
/// * a number: `(low, high)` or `(low, high, places)`; where rows are to be told apart by it, a dict with `low`, `high` and,
///   as needed, `scale` (decimal places), `cuts` (ascending values), `required`, and `age_at` (a day: the field holds a date
///   of birth);
/// * a category: a list of values, or a dict with `values` and, as needed, `required`;
/// * a flag: the type `bool`, or a dict with `required`.
///
/// A dict may also have `field` (the column's name in tables), and `code` and `unit` for FHIR bundles. A `required` column has
/// no missing values and costs less. max_rows: the most rows of all sites together. rows_per_patient: at most how many rows
/// one patient has. neighbours: "add_remove" (default) or "replace".
///
/// >>> import mediveil
/// >>> schema = mediveil.StudySchema("id", {"hba1c": {"low": 3, "high": 20, "scale": 1, "cuts": ["6.5"]}, "diabetes": bool},
/// ...     max_rows=1000)
/// >>> schema.columns, mediveil.StudySchema.from_json(schema.to_json()) == schema
/// (['hba1c', 'diabetes'], True)
///
/// Raises InvalidError with the column.
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Debug, PartialEq)]
pub struct StudySchema(pub core::Schema);

#[pymethods]
impl StudySchema {
    #[new]
    #[pyo3(signature = (patient, columns, *, max_rows, rows_per_patient = 1, neighbours = "add_remove"))]
    fn new(
        py: Python<'_>,
        patient: &str,
        columns: &Bound<'_, PyAny>,
        max_rows: u64,
        rows_per_patient: u32,
        neighbours: &str,
    ) -> PyResult<Self> {
        let make = py.import("mediveil._study")?.getattr("schema_json")?;
        Self::from_json(make.call1((patient, columns, max_rows, rows_per_patient, neighbours))?.extract()?)
    }

    /// Reads the JSON form that Rust and the command use.
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        core::Schema::from_json(text).map(Self).map_err(fail)
    }

    /// The canonical JSON form.
    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// The patient's column.
    #[getter]
    fn patient(&self) -> &str {
        self.0.patient()
    }

    /// The names of the other columns.
    #[getter]
    fn columns(&self) -> Vec<&str> {
        self.0.columns().iter().map(core::Column::name).collect()
    }

    /// How many encrypted columns a row becomes.
    #[getter]
    fn encrypted_columns(&self) -> usize {
        self.0.lanes().len()
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        PyString::new(slf.py(), &slf.get().to_json()).hash()
    }

    fn __repr__(&self) -> String {
        format!("<StudySchema of {} columns, patient {:?}>", self.0.columns().len(), self.0.patient())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(),)))
    }
}

/// A question to a study: a statistic over the rows that pass a filter, for each group.
///
/// `by`: categories; one answer for each combination of their values. `where`: a dict from columns to what must hold, all of
/// them: True or False for a flag; a value or a list of values for a category; `(low, high)` for a number, both of them
/// declared cut points or None for an open end, the upper one not included. A list of such dicts: at least one of them.
/// For anything else there is `from_json`. A row that lacks a value the statistic needs does not count, and a condition on a
/// missing value never holds.
///
/// >>> import mediveil
/// >>> mediveil.StudyQuery.mean("hba1c", by=["sex"], where={"diabetes": True, "age": (65, None)})
/// <StudyQuery mean, by sex, filtered>
/// >>> query = mediveil.StudyQuery.histogram("hba1c")
/// >>> mediveil.StudyQuery.from_json(query.to_json()) == query
/// True
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Clone, Debug, PartialEq)]
pub struct StudyQuery(pub core::Query);

fn ask(
    py: Python<'_>,
    statistic: core::Statistic,
    by: Option<Vec<String>>,
    wanted: Option<&Bound<'_, PyAny>>,
) -> PyResult<StudyQuery> {
    let mut query = core::Query { statistic, by: by.unwrap_or_default(), filter: None, epsilon: None, rho: None };
    if let Some(wanted) = wanted.filter(|w| !w.is_none()) {
        let text: String = py.import("mediveil._study")?.getattr("filter_json")?.call1((wanted,))?.extract()?;
        let whole = format!(r#"{{"statistic": "count", "filter": {text}}}"#);
        query.filter = core::Query::from_json(&whole).map_err(fail)?.filter;
    }
    Ok(StudyQuery(query))
}

#[pymethods]
impl StudyQuery {
    /// How many rows.
    #[staticmethod]
    #[pyo3(signature = (*, by = None, r#where = None))]
    fn count(py: Python<'_>, by: Option<Vec<String>>, r#where: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        ask(py, core::Statistic::Count, by, r#where)
    }

    /// The sum of a number.
    #[staticmethod]
    #[pyo3(signature = (column, *, by = None, r#where = None))]
    fn sum(
        py: Python<'_>,
        column: String,
        by: Option<Vec<String>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        ask(py, core::Statistic::Sum { column }, by, r#where)
    }

    /// The mean of a number, with the count it rests on.
    #[staticmethod]
    #[pyo3(signature = (column, *, by = None, r#where = None))]
    fn mean(
        py: Python<'_>,
        column: String,
        by: Option<Vec<String>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        ask(py, core::Statistic::Mean { column }, by, r#where)
    }

    /// The variance of a number, with its mean and count. One deep without a filter.
    #[staticmethod]
    #[pyo3(signature = (column, *, by = None, r#where = None))]
    fn variance(
        py: Python<'_>,
        column: String,
        by: Option<Vec<String>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        ask(py, core::Statistic::Variance { column }, by, r#where)
    }

    /// The covariance of two numbers.
    #[staticmethod]
    #[pyo3(signature = (x, y, *, by = None, r#where = None))]
    fn covariance(
        py: Python<'_>,
        x: String,
        y: String,
        by: Option<Vec<String>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        ask(py, core::Statistic::Covariance { x, y }, by, r#where)
    }

    /// Counts between the declared cut points of a number.
    #[staticmethod]
    #[pyo3(signature = (column, *, by = None, r#where = None))]
    fn histogram(
        py: Python<'_>,
        column: String,
        by: Option<Vec<String>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        ask(py, core::Statistic::Histogram { column }, by, r#where)
    }

    /// Between which declared cut points the value lies that numerator / denominator of the rows are below.
    #[staticmethod]
    #[pyo3(signature = (column, numerator, denominator, *, by = None, r#where = None))]
    fn quantile(
        py: Python<'_>,
        column: String,
        numerator: u32,
        denominator: u32,
        by: Option<Vec<String>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        ask(py, core::Statistic::Quantile { column, numerator, denominator }, by, r#where)
    }

    /// Least squares of the number `y` on one to four others, with an intercept.
    #[staticmethod]
    #[pyo3(signature = (y, x, *, by = None, r#where = None))]
    fn regression(
        py: Python<'_>,
        y: String,
        x: Vec<String>,
        by: Option<Vec<String>>,
        r#where: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        ask(py, core::Statistic::Regression { y, x }, by, r#where)
    }

    /// Reads the JSON form that Rust and the command use, with or without a price. Raises InvalidError.
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        core::Query::from_json(text).map(Self).map_err(fail)
    }

    /// The JSON form.
    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// The same question with its price, as the command's files have it: exactly one of epsilon (in a study under pure
    /// differential privacy) and rho (zero-concentrated).
    #[pyo3(signature = (*, epsilon = None, rho = None))]
    fn priced(&self, epsilon: Option<&Bound<'_, PyAny>>, rho: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        if epsilon.is_some() == rho.is_some() {
            return Err(PyTypeError::new_err("give a price: one of epsilon and rho"));
        }
        let (epsilon, rho) = (epsilon.map(decimal).transpose()?, rho.map(decimal).transpose()?);
        Ok(Self(core::Query { epsilon, rho, ..self.0.clone() }))
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        PyString::new(slf.py(), &slf.get().to_json()).hash()
    }

    fn __repr__(&self) -> String {
        let what = match &self.0.statistic {
            core::Statistic::Count => "count",
            core::Statistic::Sum { .. } => "sum",
            core::Statistic::Mean { .. } => "mean",
            core::Statistic::Variance { .. } => "variance",
            core::Statistic::Covariance { .. } => "covariance",
            core::Statistic::Histogram { .. } => "histogram",
            core::Statistic::Quantile { .. } => "quantile",
            core::Statistic::Regression { .. } => "regression",
            _ => "question",
        };
        let by = if self.0.by.is_empty() { String::new() } else { format!(", by {}", self.0.by.join(" and ")) };
        format!("<StudyQuery {what}{by}{}>", if self.0.filter.is_some() { ", filtered" } else { "" })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(),)))
    }
}

/// A question that is proved to be answerable: what one patient can change, the noise, and that nothing overflows. Made by
/// `Study.plan`, which shows an example; it touches no data and spends nothing.
///
/// >>> import mediveil
/// >>> mediveil.StudyPlan.__name__
/// 'StudyPlan'
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct StudyPlan {
    pub plan: core::Plan,
    pub cost: Cost,
}

#[pymethods]
impl StudyPlan {
    /// The question, in canonical form, with its price.
    #[getter]
    fn query(&self) -> StudyQuery {
        StudyQuery(self.plan.query().clone())
    }

    /// What it costs, once.
    #[getter]
    fn cost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        cost(py, &self.cost)
    }

    /// The names of the groups.
    #[getter]
    fn groups(&self) -> Vec<Vec<String>> {
        self.plan.groups().to_vec()
    }

    /// What is proved, as a dict: `numbers` that are released; `moments`, a list with for each of them `sensitivity` (what one
    /// patient changes), `scale` (of each member's noise) and `half_width` (of the 95 % interval of all of it), in steps of the
    /// column; `depth`; `multiplications` for each block; `largest_bits` of `plaintext_bits`; `noise_bits`, `smudging_bits`
    /// and `spare_bits`; and at most how much work an evaluation is: `blocks`, `bytes_read`, `bytes_answer`, `seconds` of one
    /// core, about.
    #[getter]
    fn figures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let f = self.plan.figures();
        let moments = f.moments.iter().map(|m| {
            let dict = PyDict::new(py);
            dict.set_item("sensitivity", m.sensitivity)?;
            dict.set_item("scale", m.scale)?;
            dict.set_item("half_width", m.half_width)?;
            Ok(dict)
        });
        let dict = PyDict::new(py);
        dict.set_item("numbers", f.numbers)?;
        dict.set_item("moments", moments.collect::<PyResult<Vec<_>>>()?)?;
        dict.set_item("depth", f.depth)?;
        dict.set_item("multiplications", f.multiplications)?;
        dict.set_item("largest_bits", f.largest_bits)?;
        dict.set_item("plaintext_bits", f.plaintext_bits)?;
        dict.set_item("noise_bits", f.noise_bits)?;
        dict.set_item("smudging_bits", f.smudging_bits)?;
        dict.set_item("spare_bits", f.spare_bits)?;
        dict.set_item("blocks", f.blocks)?;
        dict.set_item("bytes_read", f.bytes_read)?;
        dict.set_item("bytes_answer", f.bytes_answer)?;
        dict.set_item("seconds", f.seconds)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!("<StudyPlan of {} numbers, {}>", self.plan.figures().numbers, self.cost)
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let html = py.import("mediveil._results")?.getattr("study_plan_html")?;
        html.call1((self.plan.query().to_json(), self.cost(py)?, self.figures(py)?))?.extract()
    }
}
