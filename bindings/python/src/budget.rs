//! Tables and the budget.

use crate::data::Data;
use crate::fail::{fail, not_pickled, raise};
use crate::identity::PublicIdentity;
use crate::log::{Handle, actor, log_of};
use crate::query::{Plan, Query, Schema, cost, decimal};
use crate::time::moment;
use mediveil_bridge::Kind;
use mediveil_dp as core;
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Delta, Epsilon, Guarantee, Quota, QuotaKind, Rho, Terms};
use mediveil_ledger::UniqueKey;
use pyo3::exceptions::{PyIndexError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::sync::Arc;

/// A table in the data holder's hands, read under a schema: a pandas or polars DataFrame, an Arrow table, a dict of columns, a
/// path to a CSV file, or CSV text as bytes. NaN, None and empty cells are missing values; of each patient the first rows that
/// the schema allows are kept. Columns that the schema does not name are left out.
///
/// >>> import mediveil
/// >>> schema = mediveil.Schema("id", {"hba1c": (3, 20, 1)}, max_rows=1000)
/// >>> mediveil.Table({"id": ["a", "b"], "hba1c": [7.2, None]}, schema)
/// <Table of 1 columns>
///
/// Raises InvalidError with the line and column for what is no number or has no patient.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Table(Arc<core::Table>);

#[pymethods]
impl Table {
    #[new]
    #[pyo3(signature = (data, schema, /))]
    fn new(py: Python<'_>, data: &Bound<'_, PyAny>, schema: &Schema) -> PyResult<Self> {
        let mut wanted = vec![schema.0.patient()];
        wanted.extend(schema.0.columns().iter().map(core::Column::name));
        let csv = py.import("mediveil._tables")?.getattr("to_csv")?.call1((data, wanted))?;
        let csv = Data::of(&csv)?;
        let bytes = csv.as_slice();
        let table = py.detach(|| core::Table::from_csv(bytes, &schema.0)).map_err(fail)?;
        Ok(Self(Arc::new(table)))
    }

    fn __repr__(&self) -> String {
        format!("<Table of {} columns>", self.0.schema().columns().len())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a table of patients"))
    }
}

/// The previews of many plans, in their order; `Budget.preview_all` makes them.
///
/// >>> import mediveil, os, tempfile
/// >>> schema = mediveil.Schema("id", {"hba1c": (3, 20, 1)}, max_rows=1000)
/// >>> budget = mediveil.Budget.create(os.path.join(tempfile.mkdtemp(), "study.log"), "diabetes", schema, epsilon=1)
/// >>> budget.preview_all([mediveil.Query.count().plan(schema, epsilon="0.1")])[0].refusal is None
/// True
#[pyclass(frozen, sequence, module = "mediveil")]
#[derive(Debug)]
pub struct Previews(Vec<core::Preview>);

#[pymethods]
impl Previews {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let at = if index < 0 { self.0.len().checked_add_signed(index) } else { usize::try_from(index).ok() };
        let found =
            at.and_then(|at| self.0.get(at)).ok_or_else(|| PyIndexError::new_err("there is no such preview"))?;
        shown(py, found)
    }

    fn __repr__(&self) -> String {
        format!("<Previews of {} plans>", self.0.len())
    }
}

/// A `Preview` of Python.
fn shown<'py>(py: Python<'py>, found: &core::Preview) -> PyResult<Bound<'py, PyAny>> {
    let remaining = found.remaining.as_ref().map(|left| cost(py, left)).transpose()?;
    let refusal = found.refusal.as_ref().map(ToString::to_string);
    let make = py.import("mediveil._results")?.getattr("Preview")?;
    make.call1((cost(py, &found.cost)?, remaining, refusal, found.errors.clone()))
}

/// The privacy budget of one data set: what may be learned of it in all, debited in a log before any data is touched.
///
/// >>> import mediveil, os, tempfile
/// >>> schema = mediveil.Schema("id", {"hba1c": (3, 20, 1)}, max_rows=1000)
/// >>> patients = mediveil.Table({"id": [str(i) for i in range(500)], "hba1c": [5.5 + i % 30 / 10 for i in range(500)]}, schema)
/// >>> home = tempfile.mkdtemp()
/// >>> budget = mediveil.Budget.create(os.path.join(home, "study.log"), "diabetes", schema, epsilon=1)
/// >>> mean = budget.ask(mediveil.Query.mean("hba1c"), patients, epsilon="0.4")
/// >>> mean.low <= mean.value <= mean.high
/// True
/// >>> budget.remaining
/// Cost(epsilon 0.6)
/// >>> budget.ask(mediveil.Query.count(), patients, epsilon="0.7")
/// Traceback (most recent call last):
///     ...
/// mediveil.BudgetError: over the data set's budget: ...
///
/// The interval of an answer covers the noise with a probability of 95 %, and nothing else: no clamping, no missing values, no
/// sampling. Raises BudgetError when the budget or a quota does not reach; nothing is spent then.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Budget {
    budget: core::Budget,
    handle: Handle,
}

fn data_set(name: &Bound<'_, PyAny>) -> PyResult<[u8; 32]> {
    if name.is_instance_of::<PyString>() {
        return Ok(*UniqueKey::of("dp/data-set", name.extract::<String>()?.as_bytes()).as_bytes());
    }
    crate::data::exactly(name, "the id of a data set")
}

pub fn cap(
    epsilon: Option<&Bound<'_, PyAny>>,
    rho: Option<&Bound<'_, PyAny>>,
    delta: Option<&Bound<'_, PyAny>>,
) -> PyResult<Cost> {
    match (epsilon, rho, delta) {
        (Some(epsilon), None, None) => Ok(Cost::Pure(Epsilon::cap_from_decimal(&decimal(epsilon)?).map_err(fail)?)),
        (None, Some(rho), delta) => {
            let rho = Rho::cap_from_decimal(&decimal(rho)?).map_err(fail)?;
            let delta = delta.map(|d| Delta::cap_from_decimal(&decimal(d)?).map_err(fail)).transpose()?;
            Ok(Cost::Concentrated { rho, delta: delta.unwrap_or(Delta::ZERO) })
        }
        _ => Err(PyTypeError::new_err("give epsilon, or rho with or without delta")),
    }
}

impl Budget {
    pub fn of(budget: core::Budget) -> Self {
        let handle = Handle::of(budget.log().clone());
        Self { budget, handle }
    }

    /// The budget, unless it is closed or the process forked.
    fn live(&self) -> PyResult<&core::Budget> {
        self.handle.log()?;
        Ok(&self.budget)
    }

    fn left(&self, py: Python<'_>) -> PyResult<Option<Cost>> {
        let budget = self.live()?;
        let spent = py.detach(|| budget.spent()).map_err(fail)?;
        Ok(spent.and_then(|spent| budget.terms().cap.checked_sub(&spent)))
    }
}

#[pymethods]
impl Budget {
    /// Makes the budget of a data set, for its life. log: a Log or a path, where a log is made if there is none. data_set: its
    /// name, or 32 bytes. The schema is declared in the log. The cap is `epsilon`, or `rho` with or without `delta`, as `str`,
    /// `Decimal`, `int` or `float`. actor: who is named in the entries. Raises ExistsError if it has a budget.
    #[staticmethod]
    #[pyo3(signature = (log, data_set, schema, *, epsilon = None, rho = None, delta = None, actor = None, now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn create(
        py: Python<'_>,
        log: &Bound<'_, PyAny>,
        data_set: &Bound<'_, PyAny>,
        schema: &Schema,
        epsilon: Option<&Bound<'_, PyAny>>,
        rho: Option<&Bound<'_, PyAny>>,
        delta: Option<&Bound<'_, PyAny>>,
        actor: Option<&PublicIdentity>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let terms = Terms {
            data_set: self::data_set(data_set)?,
            unit: schema.0.unit(),
            guarantee: Guarantee::DataSet,
            cap: cap(epsilon, rho, delta)?,
        };
        let (now, who, log) = (moment(now)?, self::actor(actor), log_of(log, true)?);
        let made = py.detach(|| {
            let budget = core::Budget::create(&log, terms, who, now)?;
            budget.declare_schema(&schema.0, now)?;
            Ok(budget)
        });
        made.map(Self::of).map_err(|e: core::Refused| fail(e))
    }

    /// Opens the budget of a data set. Raises NotFoundError.
    #[staticmethod]
    #[pyo3(signature = (log, data_set, *, actor = None))]
    fn open(
        py: Python<'_>,
        log: &Bound<'_, PyAny>,
        data_set: &Bound<'_, PyAny>,
        actor: Option<&PublicIdentity>,
    ) -> PyResult<Self> {
        let (log, id, who) = (log_of(log, false)?, self::data_set(data_set)?, self::actor(actor));
        Ok(Self::of(py.detach(|| core::Budget::open(&log, &id, who)).map_err(fail)?))
    }

    /// Declares the schema of a later version of the data in the log. `ask` takes tables of declared schemas only, so that nobody
    /// widens a column's bounds unseen. Declaring one again changes nothing. Raises InvalidError for another privacy unit.
    #[pyo3(signature = (schema, *, now = None))]
    fn declare_schema(&self, py: Python<'_>, schema: &Schema, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let (budget, now) = (self.live()?, moment(now)?);
        py.detach(|| budget.declare_schema(&schema.0, now)).map_err(fail)
    }

    /// Whether a schema was declared in the log for this data set.
    fn knows_schema(&self, py: Python<'_>, schema: &Schema) -> PyResult<bool> {
        let budget = self.live()?;
        py.detach(|| budget.knows_schema(&schema.0)).map_err(fail)
    }

    /// What a plan would cost and bring, and whether it would be refused now. Nothing is touched.
    fn preview<'py>(&self, py: Python<'py>, plan: &Plan) -> PyResult<Bound<'py, PyAny>> {
        let budget = self.live()?;
        shown(py, &py.detach(|| budget.preview(&plan.0)).map_err(fail)?)
    }

    /// What each of many plans would cost and bring if it were asked first. Nothing is touched. The result is a sequence whose
    /// `Preview`s are made when they are looked at.
    ///
    /// >>> import mediveil, os, tempfile
    /// >>> schema = mediveil.Schema("id", {"hba1c": (3, 20, 1)}, max_rows=1000)
    /// >>> path = os.path.join(tempfile.mkdtemp(), "study.log")
    /// >>> with mediveil.Budget.create(path, "diabetes", schema, epsilon=1) as budget:
    /// ...     plans = [mediveil.Query.mean("hba1c").plan(schema, epsilon=e) for e in ("0.5", "2")]
    /// ...     previews = budget.preview_all(plans)
    /// >>> len(previews), [p.refusal is None for p in previews]
    /// (2, [True, False])
    fn preview_all(&self, py: Python<'_>, plans: &Bound<'_, PyAny>) -> PyResult<Previews> {
        let plans =
            plans.try_iter()?.map(|plan| Ok(plan?.cast_into::<Plan>()?.unbind())).collect::<PyResult<Vec<_>>>()?;
        let budget = self.live()?;
        let found = py.detach(|| plans.iter().map(|plan| budget.preview(&plan.get().0)).collect::<Result<Vec<_>, _>>());
        Ok(Previews(found.map_err(fail)?))
    }

    /// Debits a question, answers it, and returns an `Answer`. question: a Plan, or a Query with its price as in `Query.plan`.
    /// The same question to the same version of the data at the same price costs nothing again and says the same.
    ///
    /// Raises BudgetError, InvalidError for a table of a schema that was not declared.
    #[pyo3(signature = (question, table, *, epsilon = None, rho = None, version = 1, now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn ask<'py>(
        &self,
        py: Python<'py>,
        question: &Bound<'py, PyAny>,
        table: &Table,
        epsilon: Option<&Bound<'py, PyAny>>,
        rho: Option<&Bound<'py, PyAny>>,
        version: u64,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let plan = if let Ok(plan) = question.cast::<Plan>() {
            if epsilon.is_some() || rho.is_some() {
                return Err(PyTypeError::new_err("a plan has its price already"));
            }
            plan.clone()
        } else if question.is_instance_of::<Query>() {
            let with = PyDict::new(py);
            with.set_item("version", version)?;
            with.set_item("epsilon", epsilon)?;
            with.set_item("rho", rho)?;
            let schema = Schema(table.0.schema().clone());
            question.call_method("plan", (schema,), Some(&with))?.cast_into::<Plan>()?
        } else {
            return Err(PyTypeError::new_err("a question is a Query or a Plan"));
        };
        let (plan, budget, now) = (&plan.get().0, self.live()?, moment(now)?);
        if !py.detach(|| budget.knows_schema(table.0.schema())).map_err(fail)? {
            return Err(raise(
                Kind::Invalid,
                "the table's schema was not declared for this budget: see declare_schema",
            ));
        }
        let answer = py.detach(|| budget.ask(plan, &table.0, now)).map_err(fail)?;
        let estimates =
            plan.estimates(&answer).ok_or_else(|| raise(Kind::Damaged, "the stored answer is another plan's"))?;
        let rows: Vec<_> = estimates.into_iter().map(|e| (e.group, e.value, e.low, e.high)).collect();
        py.import("mediveil._results")?.getattr("Answer")?.call_method1("_of", (rows, plan.rank_error()))
    }

    /// Sets the quota of a researcher, project or purpose; the caps are as in `create`. What was spent under it stays spent.
    #[pyo3(signature = (kind, name, *, epsilon = None, rho = None, delta = None, now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn set_quota(
        &self,
        py: Python<'_>,
        kind: &str,
        name: String,
        epsilon: Option<&Bound<'_, PyAny>>,
        rho: Option<&Bound<'_, PyAny>>,
        delta: Option<&Bound<'_, PyAny>>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let kind = QuotaKind::ALL.into_iter().find(|k| k.name() == kind);
        let kind = kind.ok_or_else(|| raise(Kind::Invalid, "a quota is for a researcher, project or purpose"))?;
        let quota = Quota { kind, name, cap: cap(epsilon, rho, delta)? };
        let (budget, now) = (self.live()?, moment(now)?);
        py.detach(|| budget.set_quota(&quota, now)).map_err(fail)
    }

    /// Recomputes every debit from the log and returns a dict with `debits`, `answered` and `findings` (texts; empty if all is
    /// well).
    fn audit<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let budget = self.live()?;
        let found = py.detach(|| budget.audit()).map_err(fail)?;
        let dict = PyDict::new(py);
        dict.set_item("debits", found.debits)?;
        dict.set_item("answered", found.answered)?;
        dict.set_item("findings", found.findings.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>())?;
        Ok(dict)
    }

    /// The cap.
    #[getter]
    fn cap<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        cost(py, &self.live()?.terms().cap)
    }

    /// What was spent.
    #[getter]
    fn spent<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let budget = self.live()?;
        py.detach(|| budget.spent()).map_err(fail)?.map(|spent| cost(py, &spent)).transpose()
    }

    /// What is left.
    #[getter]
    fn remaining<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.left(py)?.map(|left| cost(py, &left)).transpose()
    }

    /// The 32 bytes that name the data set in the log.
    #[getter]
    fn data_set<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.live()?.terms().data_set))
    }

    /// Closes it for this object. Closing twice is no error.
    fn close(&self) {
        self.handle.close();
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, pyo3::types::PyTuple>) -> bool {
        self.close();
        false
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        if self.handle.is_closed() {
            return "<Budget, closed>".into();
        }
        match self.left(py) {
            Ok(Some(left)) => format!("<Budget, {left} of {} left>", self.budget.terms().cap),
            _ => "<Budget>".into(),
        }
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let html = py.import("mediveil._results")?.getattr("budget_html")?;
        html.call1((self.cap(py)?, self.spent(py)?, self.remaining(py)?))?.extract()
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("an open budget"))
    }
}
