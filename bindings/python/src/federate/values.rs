//! What a federation computes, and the models that it fits: plain public values.

use crate::data::Data;
use crate::fail::fail;
use mediveil_federate as core;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

/// Numbers as an `array.array` of doubles, which `numpy.asarray` takes without a copy.
pub fn doubles<'py>(py: Python<'py>, numbers: &[f64]) -> PyResult<Bound<'py, PyAny>> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_ne_bytes()).collect();
    py.import("array")?.getattr("array")?.call1(("d", PyBytes::new(py, &bytes)))
}

/// A table of any kind as CSV text with the columns that a task names.
pub fn rows<'py>(data: &Bound<'py, PyAny>, task: &core::Task, with_target: bool) -> PyResult<Data<'py>> {
    let features: Vec<&str> = task.features().iter().map(|f| f.name.as_str()).collect();
    let target = target_of(task).filter(|_| with_target);
    let csv = data.py().import("mediveil._federate")?.getattr("task_rows")?.call1((data, features, target))?;
    Data::of(&csv)
}

fn target_of(task: &core::Task) -> Option<&str> {
    match task {
        core::Task::Sum {} => None,
        core::Task::Logistic { label, .. } => Some(label),
        core::Task::Linear { target, .. } => Some(&target.name),
    }
}

/// What a federation computes: sums of whatever vectors the sites hold, or a regression over their patients' rows.
///
/// features: for each column a pair `(centre, spread)`, or a dict with `centre`, `spread` and, for a column of days of birth,
/// `age_at`, the day at which the age in years is the number. A number less the centre, over the spread, is held within four
/// spreads; a missing one is the centre. Centres and spreads are public: take them from general knowledge, never from the rows.
///
/// >>> import mediveil
/// >>> task = mediveil.FederatedTask.logistic("diabetes", {"bmi": (27, 5), "hba1c": (5.7, 1)})
/// >>> task.kind, task.features, task.target
/// ('logistic', ['bmi', 'hba1c'], 'diabetes')
/// >>> mediveil.FederatedTask.from_json(task.to_json()) == task
/// True
///
/// Raises InvalidError for a task that makes no sense.
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Clone, Debug, PartialEq)]
pub struct FederatedTask(pub core::Task);

fn make(py: Python<'_>, kind: &str, features: &Bound<'_, PyAny>, more: &Bound<'_, PyDict>) -> PyResult<FederatedTask> {
    let text = py.import("mediveil._federate")?.getattr("task_json")?.call1((kind, features, more))?;
    FederatedTask::from_json(text.extract()?)
}

#[pymethods]
impl FederatedTask {
    /// Sums of vectors.
    #[staticmethod]
    fn sum() -> Self {
        Self(core::Task::Sum {})
    }

    /// Logistic regression by noisy gradient descent, one step a round. label: a column of 0 and 1, or False and True; rows
    /// without it do not count. step: the size of a step, above 0 to 100. momentum: how much of the last step goes on, 0 to
    /// 0.99. ridge: the weight of the squared length of the weights, 0 to 10.
    #[staticmethod]
    #[pyo3(signature = (label, features, *, step = 1.5, momentum = 0.7, ridge = 0.001))]
    fn logistic(
        py: Python<'_>,
        label: &str,
        features: &Bound<'_, PyAny>,
        step: f64,
        momentum: f64,
        ridge: f64,
    ) -> PyResult<Self> {
        let more = PyDict::new(py);
        more.set_item("label", label)?;
        more.set_item("step", step)?;
        more.set_item("momentum", momentum)?;
        more.set_item("ridge", ridge)?;
        make(py, "logistic", features, &more)
    }

    /// Least squares in one round. target: the column that is predicted; rows without it do not count. centre, spread: of the
    /// target, as for features.
    #[staticmethod]
    #[pyo3(signature = (target, features, *, centre, spread))]
    fn linear(py: Python<'_>, target: &str, features: &Bound<'_, PyAny>, centre: f64, spread: f64) -> PyResult<Self> {
        let aim = PyDict::new(py);
        aim.set_item("name", target)?;
        aim.set_item("centre", centre)?;
        aim.set_item("spread", spread)?;
        let more = PyDict::new(py);
        more.set_item("target", aim)?;
        make(py, "linear", features, &more)
    }

    /// Reads the JSON form that Rust and the command use.
    #[staticmethod]
    fn from_json(text: &str) -> PyResult<Self> {
        core::Task::from_json(text).map(Self).map_err(fail)
    }

    /// The canonical JSON form.
    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// "sum", "logistic" or "linear".
    #[getter]
    fn kind(&self) -> &'static str {
        match self.0 {
            core::Task::Sum {} => "sum",
            core::Task::Logistic { .. } => "logistic",
            core::Task::Linear { .. } => "linear",
        }
    }

    /// The columns of the features; none for sums.
    #[getter]
    fn features(&self) -> Vec<&str> {
        self.0.features().iter().map(|f| f.name.as_str()).collect()
    }

    /// The column that is predicted; None for sums.
    #[getter]
    fn target(&self) -> Option<&str> {
        target_of(&self.0)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        PyString::new(slf.py(), &slf.get().to_json()).hash()
    }

    pub fn __repr__(&self) -> String {
        match target_of(&self.0) {
            None => "<FederatedTask sum>".into(),
            Some(target) => {
                format!("<FederatedTask {} of {target:?} on {} features>", self.kind(), self.0.features().len())
            }
        }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(),)))
    }
}

/// A model that a federation has released: public, as the noisy sums are that it is made of. Made by `Federation.model` and
/// `fit_together`.
///
/// >>> import mediveil
/// >>> model = mediveil.FederatedModel.from_json('{"task": {"kind": "logistic", "label": "diabetes", "features": '
/// ...     '[{"name": "bmi", "centre": 27, "spread": 5}], "step": 1, "momentum": 0, "ridge": 0}, '
/// ...     '"state": {"weights": [0.5, -1], "velocity": [0, 0], "patients": 300, "rounds": 4}}')
/// >>> model.coefficients, model.intercept
/// ({'bmi': 0.1}, -3.7)
/// >>> [round(p, 3) for p in model.predict({"bmi": [27, 47]})]
/// [0.269, 0.731]
/// >>> model.score({"bmi": [22, 47], "diabetes": [0, 1]})["score"]
/// 1.0
#[pyclass(frozen, eq, module = "mediveil")]
#[derive(Clone, Debug, PartialEq)]
pub struct FederatedModel {
    pub task: core::Task,
    pub model: core::Model,
}

#[pymethods]
impl FederatedModel {
    /// Reads the form that `to_json` writes. Raises InvalidError.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        // Python reads numbers to the last bit.
        let parts = py.import("mediveil._federate")?.getattr("model_parts")?.call1((text,))?;
        let (task, weights, velocity, patients, rounds): (String, Vec<f64>, Vec<f64>, f64, u32) = parts.extract()?;
        let task = core::Task::from_json(&task).map_err(fail)?;
        let same = |v: &[f64]| v.len() == task.start().weights.len() && v.iter().all(|v| v.is_finite());
        if weights.is_empty() || !same(&weights) || !same(&velocity) || !patients.is_finite() {
            return Err(fail(core::FederateError::Model("the state is of a model with other features")));
        }
        Ok(Self { task, model: core::Model { weights, velocity, patients, rounds } })
    }

    /// Task and state as JSON.
    fn to_json(&self) -> String {
        let state = self.model.to_bytes();
        format!(r#"{{"task": {}, "state": {}}}"#, self.task.to_json(), String::from_utf8_lossy(&state))
    }

    /// What it predicts, and of what.
    #[getter]
    fn task(&self) -> FederatedTask {
        FederatedTask(self.task.clone())
    }

    /// How many rounds made it.
    #[getter]
    fn rounds(&self) -> u32 {
        self.model.rounds
    }

    /// How many patients there are, about: the mean of the noisy counts.
    #[getter]
    fn patients(&self) -> f64 {
        self.model.patients
    }

    /// The weights of the scaled features, in their order, and last the intercept.
    #[getter]
    fn weights<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        doubles(py, &self.model.weights)
    }

    /// For each column what one more of its unit adds, as far as it is within four spreads: to the logarithm of the odds, or to
    /// the target in its unit. Of a column of days of birth the unit is a year of age.
    #[getter]
    fn coefficients<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (feature, weight) in self.task.features().iter().zip(&self.model.weights) {
            dict.set_item(&feature.name, self.unit() * weight / feature.spread)?;
        }
        Ok(dict)
    }

    /// What is predicted where every column is 0, in the same unit as the coefficients.
    #[getter]
    fn intercept(&self) -> f64 {
        let features = self.task.features().iter().zip(&self.model.weights);
        let shift: f64 = features.map(|(f, w)| w * f.centre / f.spread).sum();
        let own = self.model.weights.last().copied().unwrap_or_default();
        let base = match &self.task {
            core::Task::Linear { target, .. } => target.centre,
            _ => 0.0,
        };
        base + self.unit() * (own - shift)
    }

    /// What it says of each row: the probability that the label is 1, or the target in its unit; an array of doubles. table: as
    /// for `Federation.contribute`; the target's column is not needed.
    ///
    /// Raises InvalidError for a table that lacks a column, or has what is no number.
    fn predict<'py>(&self, py: Python<'py>, table: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let csv = rows(table, &self.task, false)?;
        let bytes = csv.as_slice();
        let found = py.detach(|| self.task.predict(&self.model.weights, bytes)).map_err(fail)?;
        doubles(py, &found)
    }

    /// How well it predicts a table with the target's column: `score`, the share of labels that are right or of the variance
    /// that is explained, and `loss`, the mean logarithmic loss or the mean squared error in spreads of the target. Both tell
    /// of the table's patients and are not released by anything.
    fn score<'py>(&self, py: Python<'py>, table: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let csv = rows(table, &self.task, true)?;
        let bytes = csv.as_slice();
        let fit = py.detach(|| {
            let examples = self.task.examples(bytes)?;
            Ok(core::evaluate(&self.task, &self.model.weights, &examples))
        });
        let fit = fit.map_err(|e: core::FederateError| fail(e))?;
        let dict = PyDict::new(py);
        dict.set_item("score", fit.score)?;
        dict.set_item("loss", fit.loss)?;
        Ok(dict)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        PyString::new(slf.py(), &slf.get().to_json()).hash()
    }

    fn __repr__(&self) -> String {
        let (kind, rounds) = (FederatedTask(self.task.clone()).__repr__(), self.model.rounds);
        format!("<FederatedModel after {rounds} rounds, {}", kind.trim_start_matches("<FederatedTask "))
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let html = py.import("mediveil._federate")?.getattr("model_html")?;
        let target = target_of(&self.task).unwrap_or_default();
        html.call1((target, self.coefficients(py)?, self.intercept(), self.model.patients, self.model.rounds))?
            .extract()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(),)))
    }
}

impl FederatedModel {
    /// What one spread of what is predicted is.
    const fn unit(&self) -> f64 {
        match &self.task {
            core::Task::Linear { target, .. } => target.spread,
            _ => 1.0,
        }
    }
}
