//! Schemas, questions and plans.

use crate::fail::{fail, raise};
use mediveil_bridge::Kind;
use mediveil_dp as core;
use mediveil_dp::{Account, Condition, Delta, Epsilon, Price, Rho, Statistic};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString, PyTuple, PyType};

/// A number as plain decimal text: from `str`, `int`, `Decimal`, or `float` by its shortest form.
pub fn decimal(object: &Bound<'_, PyAny>) -> PyResult<String> {
    if object.is_instance_of::<PyBool>() {
        return Err(PyTypeError::new_err("expected a number, got a bool"));
    }
    if object.is_instance_of::<PyString>() {
        return object.extract();
    }
    let py = object.py();
    let class = py.import("decimal")?.getattr("Decimal")?;
    let known = object.is_instance_of::<PyInt>() || object.is_instance_of::<PyFloat>() || object.is_instance(&class)?;
    if !known {
        let name = object.get_type().name()?;
        return Err(PyTypeError::new_err(format!("expected a number, or text such as \"0.4\", got {name}")));
    }
    let exact = class.call1((object.str()?,))?;
    if !exact.call_method0("is_finite")?.extract::<bool>()? {
        return Err(raise(Kind::Invalid, "expected a finite number"));
    }
    py.import("builtins")?.getattr("format")?.call1((exact, "f"))?.extract()
}

/// What a data holder declares about a table before anyone asks.
///
/// patient: the column that names the patient. max_rows: the most rows the table will ever have. rows_per_patient: how many
/// rows of one patient count, at most. columns: for each name, `(low, high)` or `(low, high, places)` for numbers, which are
/// clamped to these bounds and rounded to so many decimal places; a list of values for categories; `str` for free text, which
/// only thresholded groups can show. neighbours: "add_remove" (default) or "replace".
///
/// >>> import mediveil
/// >>> schema = mediveil.Schema("id", {"hba1c": (3, 20, 1), "sex": ["female", "male"]}, max_rows=1000)
/// >>> mediveil.Schema.from_json(schema.to_json()) == schema
/// True
///
/// Raises InvalidError with the column.
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Debug, PartialEq)]
pub struct Schema(pub core::Schema);

fn column<'py>(name: &Bound<'py, PyAny>, kind: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = name.py();
    let dict = PyDict::new(py);
    dict.set_item("name", name)?;
    if let Ok(number) = kind.cast::<PyTuple>() {
        if !(2..=3).contains(&number.len()) {
            return Err(PyTypeError::new_err(format!("column {name}: a number is (low, high) or (low, high, places)")));
        }
        dict.set_item("kind", "number")?;
        dict.set_item("low", decimal(&number.get_item(0)?)?)?;
        dict.set_item("high", decimal(&number.get_item(1)?)?)?;
        let places: u8 = if number.len() == 3 { number.get_item(2)?.extract()? } else { 0 };
        dict.set_item("scale", places)?;
    } else if kind.is(py.get_type::<PyString>()) {
        dict.set_item("kind", "text")?;
    } else if kind.is_instance_of::<PyString>() || kind.is_instance_of::<PyType>() {
        return Err(PyTypeError::new_err(format!("column {name}: give bounds, a list of values, or the type str")));
    } else {
        dict.set_item("kind", "category")?;
        let values = kind.try_iter()?.map(|v| v?.extract::<String>()).collect::<PyResult<Vec<_>>>()?;
        dict.set_item("values", values)?;
    }
    Ok(dict)
}

#[pymethods]
impl Schema {
    #[new]
    #[pyo3(signature = (patient, columns, *, max_rows, rows_per_patient = 1, neighbours = "add_remove"))]
    fn new(
        py: Python<'_>,
        patient: &str,
        columns: &Bound<'_, PyDict>,
        max_rows: u64,
        rows_per_patient: u32,
        neighbours: &str,
    ) -> PyResult<Self> {
        let declared = columns.iter().map(|(name, kind)| column(&name, &kind)).collect::<PyResult<Vec<_>>>()?;
        let all = PyDict::new(py);
        all.set_item("patient", patient)?;
        all.set_item("rows_per_patient", rows_per_patient)?;
        all.set_item("neighbours", neighbours)?;
        all.set_item("max_rows", max_rows)?;
        all.set_item("columns", declared)?;
        let json: String = py.import("json")?.getattr("dumps")?.call1((all,))?.extract()?;
        Self::from_json(&json)
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

    /// SHA-256 of the canonical form.
    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.digest())
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

    fn __hash__(&self) -> u64 {
        self.0.digest().iter().take(8).fold(0, |all, byte| (all << 8) | u64::from(*byte))
    }

    fn __repr__(&self) -> String {
        format!("<Schema of {} columns, patient {:?}>", self.0.columns().len(), self.0.patient())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(),)))
    }
}

fn conditions(wanted: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<Condition>> {
    let mut all = Vec::new();
    for (column, is) in wanted.into_iter().flatten() {
        let column: String = column.extract()?;
        all.push(if let Ok(range) = is.cast::<PyTuple>() {
            if range.len() != 2 {
                return Err(PyTypeError::new_err(format!("where {column}: a range is (low, high)")));
            }
            Condition::Between { column, low: decimal(&range.get_item(0)?)?, high: decimal(&range.get_item(1)?)? }
        } else if is.is_instance_of::<PyString>() {
            Condition::Is { column, values: vec![is.extract()?] }
        } else if is.cast::<PyBool>().is_ok_and(|known| known.is_true()) {
            Condition::Known { column }
        } else {
            let expected =
                || format!("where {column}: a value, a list of values, a range (low, high), or True for known");
            let values = is.try_iter().map_err(|_| PyTypeError::new_err(expected()))?;
            let values = values.map(|v| v?.extract::<String>()).collect::<PyResult<Vec<_>>>()?;
            Condition::Is { column, values }
        });
    }
    Ok(all)
}

/// A question to a table. `where` maps columns to a value, a list of values, a range `(low, high)`, or True for "known"; rows
/// must pass all of them. Rows that lack a value the statistic needs do not count.
///
/// >>> import mediveil
/// >>> mediveil.Query.mean("hba1c", where={"sex": "female", "age": (18, 65)})
/// <Query mean of hba1c, 2 conditions>
/// >>> query = mediveil.Query.histogram("hba1c", ["5.7", "6.5"])
/// >>> mediveil.Query.from_json(query.to_json()) == query
/// True
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Debug, PartialEq)]
pub struct Query(core::Query);

impl Query {
    fn of(statistic: Statistic, filter: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Ok(Self(core::Query { statistic, filter: conditions(filter)? }))
    }
}

#[pymethods]
impl Query {
    /// How many rows.
    #[staticmethod]
    #[pyo3(signature = (*, r#where = None))]
    fn count(r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of(Statistic::Count, r#where)
    }

    /// The sum of a number.
    #[staticmethod]
    #[pyo3(signature = (column, *, r#where = None))]
    fn sum(column: String, r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of(Statistic::Sum { column }, r#where)
    }

    /// The mean of a number: a noisy sum over a noisy count, each for half the price.
    #[staticmethod]
    #[pyo3(signature = (column, *, r#where = None))]
    fn mean(column: String, r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of(Statistic::Mean { column }, r#where)
    }

    /// The variance of a number.
    #[staticmethod]
    #[pyo3(signature = (column, *, r#where = None))]
    fn variance(column: String, r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of(Statistic::Variance { column }, r#where)
    }

    /// The value below which about numerator / denominator of the rows lie, out of the candidates (257 evenly spread over the
    /// bounds if none are given). The median is 1 / 2.
    #[staticmethod]
    #[pyo3(signature = (column, numerator, denominator, *, candidates = None, r#where = None))]
    fn quantile(
        column: String,
        numerator: u32,
        denominator: u32,
        candidates: Option<Vec<Bound<'_, PyAny>>>,
        r#where: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let candidates = candidates.unwrap_or_default().iter().map(decimal).collect::<PyResult<_>>()?;
        Self::of(Statistic::Quantile { column, numerator, denominator, candidates }, r#where)
    }

    /// Counts between ascending edges: below the first, between each two (the lower one included), from the last on.
    #[staticmethod]
    #[pyo3(signature = (column, edges, *, r#where = None))]
    fn histogram(column: String, edges: Vec<Bound<'_, PyAny>>, r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let edges = edges.iter().map(decimal).collect::<PyResult<_>>()?;
        Self::of(Statistic::Histogram { column, edges }, r#where)
    }

    /// Counts for each combination of the values of these categories.
    #[staticmethod]
    #[pyo3(signature = (columns, *, r#where = None))]
    fn contingency(columns: Vec<String>, r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of(Statistic::Contingency { columns }, r#where)
    }

    /// Sums of a number for each combination of the values of these categories.
    #[staticmethod]
    #[pyo3(signature = (by, column, *, r#where = None))]
    fn group_sum(by: Vec<String>, column: String, r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of(Statistic::GroupSum { by, column }, r#where)
    }

    /// Counts of the groups that are there and large enough to be shown; `delta` is the chance that a small one is.
    #[staticmethod]
    #[pyo3(signature = (by, *, delta, r#where = None))]
    fn groups(by: Vec<String>, delta: &Bound<'_, PyAny>, r#where: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Self::of(Statistic::Groups { by, delta: decimal(delta)? }, r#where)
    }

    /// Reads the JSON form that Rust and the command use. Raises InvalidError.
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        core::Query::from_json(text).map(Self).map_err(fail)
    }

    /// The JSON form.
    fn to_json(&self) -> PyResult<String> {
        serde_json::to_string(&self.0).map_err(|e| raise(Kind::Failed, e.to_string()))
    }

    /// Plans it against a schema for a price: exactly one of epsilon (pure) and rho (zero-concentrated), as `str`, `Decimal`,
    /// `int` or `float`. version: of the data; the same question to the same version is answered once and free afterwards.
    /// researcher, project, purpose: whose quotas are charged as well. Touches no data and spends nothing.
    ///
    /// Raises InvalidError for a column, bounds or price that cannot be.
    #[pyo3(signature = (schema, *, epsilon = None, rho = None, version = 1, researcher = "", project = "", purpose = ""))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn plan(
        &self,
        schema: &Schema,
        epsilon: Option<&Bound<'_, PyAny>>,
        rho: Option<&Bound<'_, PyAny>>,
        version: u64,
        researcher: &str,
        project: &str,
        purpose: &str,
    ) -> PyResult<Plan> {
        let price = match (epsilon, rho) {
            (Some(epsilon), None) => Price::Epsilon(Epsilon::cost_from_decimal(&decimal(epsilon)?).map_err(fail)?),
            (None, Some(rho)) => Price::Rho(Rho::cost_from_decimal(&decimal(rho)?).map_err(fail)?),
            _ => return Err(PyTypeError::new_err("give a price: one of epsilon and rho")),
        };
        let plan = self.0.plan(&schema.0, version, price).map_err(fail)?;
        let account = Account { researcher: researcher.into(), project: project.into(), purpose: purpose.into() };
        Ok(Plan(plan.charged_to(account)))
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        PyString::new(slf.py(), &slf.get().to_json()?).hash()
    }

    fn __repr__(&self) -> String {
        let what = match &self.0.statistic {
            Statistic::Count => "count".into(),
            Statistic::Sum { column } => format!("sum of {column}"),
            Statistic::Mean { column } => format!("mean of {column}"),
            Statistic::Variance { column } => format!("variance of {column}"),
            Statistic::Quantile { column, numerator, denominator, .. } => {
                format!("{numerator}/{denominator} quantile of {column}")
            }
            Statistic::Histogram { column, .. } => format!("histogram of {column}"),
            Statistic::Contingency { columns } => format!("contingency of {}", columns.join(", ")),
            Statistic::GroupSum { by, column } => format!("sum of {column} by {}", by.join(", ")),
            Statistic::Groups { by, .. } => format!("groups by {}", by.join(", ")),
            _ => "question".into(),
        };
        let filter = match self.0.filter.len() {
            0 => String::new(),
            1 => ", 1 condition".into(),
            n => format!(", {n} conditions"),
        };
        format!("<Query {what}{filter}>")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json()?,)))
    }
}

/// A question with its noise and price, before anything is spent. Made by `Query.plan`.
///
/// >>> import mediveil
/// >>> schema = mediveil.Schema("id", {"hba1c": (3, 20, 1)}, max_rows=1000)
/// >>> plan = mediveil.Query.count().plan(schema, epsilon="0.1")
/// >>> round(plan.expected_errors[0][1])  # 95 of 100 times the noise is within
/// 30
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Plan(pub core::Plan);

#[pymethods]
impl Plan {
    /// The data's version that it asks.
    #[getter]
    fn version(&self) -> u64 {
        self.0.version()
    }

    /// For each mechanism the mean magnitude of its noise and the half-width of a 95 % interval, in steps of the column.
    #[getter]
    fn expected_errors(&self) -> Vec<(f64, u64)> {
        self.0.expected_errors()
    }

    fn __repr__(&self) -> String {
        format!("<Plan of {} mechanisms>", self.0.mechanisms().len())
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        py.import("mediveil._results")?.getattr("plan_html")?.call1((self.expected_errors(),))?.extract()
    }
}

/// An amount as Python's `Cost`.
pub fn cost<'py>(py: Python<'py>, amount: &core::accounting::Cost) -> PyResult<Bound<'py, PyAny>> {
    let (epsilon, rho, delta): (Option<Epsilon>, Option<Rho>, Option<Delta>) = match amount {
        core::accounting::Cost::Pure(epsilon) => (Some(*epsilon), None, None),
        core::accounting::Cost::Concentrated { rho, delta } => (None, Some(*rho), Some(*delta)),
    };
    let text = |amount: Option<String>| amount;
    py.import("mediveil._results")?.getattr("Cost")?.call_method1(
        "_of",
        (text(epsilon.map(|e| e.to_string())), text(rho.map(|r| r.to_string())), text(delta.map(|d| d.to_string()))),
    )
}
