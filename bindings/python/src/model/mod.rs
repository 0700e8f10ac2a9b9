//! Models: what they ask and tell, what they cost, and their answers in the clear.

use crate::data::hex;
use crate::fail::fail;
use crate::objects::{read_file, write_file};
use mediveil_bridge::Kind;
use mediveil_fhe::program::{
    Answer, FRAMINGHAM_2008, FRAMINGHAM_2008_HIGH_RISK, Form, Input, Limits, Model as CoreModel, Plan, Values,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The longest model or form file.
const MAX_FILE: usize = 16 << 20;

/// Text from Python, or the bytes of it.
pub(super) fn text_of(text: &Bound<'_, PyAny>) -> PyResult<Zeroizing<String>> {
    let bytes = crate::data::text_or_bytes(text)?;
    let text = String::from_utf8(bytes.to_vec());
    text.map(Zeroizing::new).map_err(|_| crate::fail::raise(Kind::Damaged, "not UTF-8 text"))
}

fn file_text(path: &Path) -> PyResult<Zeroizing<String>> {
    let bytes = read_file(path, MAX_FILE)?;
    let text = std::str::from_utf8(&bytes);
    let wrong = |_| crate::fail::raise(Kind::Damaged, format!("{}: is not UTF-8 text", path.display()));
    text.map(|t| Zeroizing::new(t.to_owned())).map_err(wrong)
}

fn inputs<'py>(py: Python<'py>, inputs: &[Input]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for input in inputs {
        let dict = PyDict::new(py);
        dict.set_item("name", &input.name)?;
        dict.set_item("about", &input.about)?;
        dict.set_item("min", input.min)?;
        dict.set_item("max", input.max)?;
        dict.set_item("decimals", input.decimals)?;
        list.append(dict)?;
    }
    Ok(list)
}

/// What is told: (smallest, largest) of a score, or the names of the classes.
fn tells<'py>(py: Python<'py>, answer: &Answer) -> PyResult<Bound<'py, PyAny>> {
    match answer {
        Answer::Score { min, max } => Ok((*min, *max).into_pyobject(py)?.into_any()),
        Answer::Class { names } => Ok(names.into_pyobject(py)?.into_any()),
    }
}

/// An answer as Python has it: a score as an int, a class by its name.
pub(super) fn told<'py>(py: Python<'py>, answer: &Answer, value: i64) -> PyResult<Bound<'py, PyAny>> {
    match answer {
        Answer::Score { .. } => Ok(value.into_pyobject(py)?.into_any()),
        Answer::Class { .. } => Ok(answer.describe(value).into_pyobject(py)?.into_any()),
    }
}

/// Values by the names of the inputs, as JSON.
pub(super) fn values_json(given: &Bound<'_, PyMapping>) -> PyResult<Zeroizing<String>> {
    let write = given.py().import("mediveil._models")?.getattr("values_json")?;
    Ok(Zeroizing::new(write.call1((given,))?.extract()?))
}

/// A model that scores one patient: points, decision trees or forests, or a logistic score, with declared bounds on every
/// input. It is read from a model file, a published score, or an estimator of scikit-learn.
///
/// In the clear it answers at once. `plan` compiles it for values that stay encrypted.
///
/// >>> import mediveil
/// >>> model = mediveil.Model.published("framingham-2008")
/// >>> ada = {"sex": 1, "age": 53, "hdl": 50, "cholesterol": 161, "systolic": 146, "treated": True, "smoker": True,
/// ...     "diabetes": False}
/// >>> model.answer(ada)
/// 16
/// >>> model.answer({**ada, "age": 93})
/// Traceback (most recent call last):
///     ...
/// mediveil.InvalidError: `age` is outside its declared bounds, 30 to 79 (in units of its last decimal)
/// >>> model.tells
/// (-5, 33)
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Model {
    model: CoreModel,
    text: String,
}

impl Model {
    fn read(py: Python<'_>, text: &str) -> PyResult<Self> {
        let model = py.detach(|| CoreModel::from_json(text)).map_err(fail)?;
        Ok(Self { model, text: text.to_owned() })
    }

    fn values(&self, given: &Bound<'_, PyMapping>) -> PyResult<Values> {
        self.model.values_from_json(&values_json(given)?).map_err(fail)
    }
}

#[pymethods]
impl Model {
    /// Reads the text of a model file. Raises DamagedError, saying what is wrong and where: cycles, too many nodes, numbers
    /// out of range, fields that are not known.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::read(py, &text_of(text)?)
    }

    /// Reads a model file. Raises DamagedError.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Self::read(py, &file_text(&path)?)
    }

    /// A score that comes with the library: "framingham-2008", the points of the general cardiovascular risk profile
    /// (D'Agostino et al., Circulation 2008; 117:743-753), or "framingham-2008-high-risk", told only whether they mean a
    /// ten-year risk of 20 % or more. Raises NotFoundError for another name.
    #[staticmethod]
    fn published(py: Python<'_>, name: &str) -> PyResult<Self> {
        match name {
            "framingham-2008" => Self::read(py, FRAMINGHAM_2008),
            "framingham-2008-high-risk" => Self::read(py, FRAMINGHAM_2008_HIGH_RISK),
            _ => Err(crate::fail::raise(
                Kind::NotFound,
                format!("{name}: there are framingham-2008 and framingham-2008-high-risk"),
            )),
        }
    }

    /// From a fitted estimator of scikit-learn: a decision tree, a random forest or extra trees (classifier or regressor), or
    /// a binary LogisticRegression.
    ///
    /// inputs: (smallest, largest) or (smallest, largest, decimals) by name, in the order of the estimator's features; the
    /// bounds are part of the model. scale: by how much leaves and weights are multiplied before they are rounded; 100 for
    /// trees and 10,000 for logistic scores unless said otherwise. threshold: the probability from which on a logistic score
    /// says the second class.
    ///
    /// A tree that classifies answers as `predict` does on every input within the bounds. A forest of two classes and a
    /// logistic score do so but for scores that rounding moves across the threshold; the score of a tree that regresses is
    /// `scale` times its prediction, rounded, and of a forest the sum of its trees'.
    ///
    /// >>> import mediveil
    /// >>> from sklearn.tree import DecisionTreeClassifier
    /// >>> tree = DecisionTreeClassifier().fit([[30, 5.1], [40, 7.2], [70, 5.3]], ["low", "high", "high"])
    /// >>> model = mediveil.Model.from_sklearn(tree, {"age": (18, 99), "hba1c": (3, 20, 1)}, name="example")
    /// >>> model.answer({"age": 30, "hba1c": 5.1}), model.answer({"age": 71, "hba1c": 8})
    /// ('low', 'high')
    ///
    /// Raises InvalidError for estimators that are none of these or do not have as many features.
    #[staticmethod]
    #[pyo3(signature = (estimator, inputs, *, name = "from scikit-learn", source = "", scale = None, threshold = 0.5))]
    fn from_sklearn(
        py: Python<'_>,
        estimator: &Bound<'_, PyAny>,
        inputs: &Bound<'_, PyAny>,
        name: &str,
        source: &str,
        scale: Option<i64>,
        threshold: f64,
    ) -> PyResult<Self> {
        let write = py.import("mediveil._models")?.getattr("from_sklearn")?;
        let text: String = write.call1((estimator, inputs, name, source, scale, threshold))?.extract()?;
        Self::read(py, &text)
    }

    /// The text of the model file.
    fn to_json(&self) -> &str {
        &self.text
    }

    /// Writes the model file, over what is there.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        write_file(&path, self.text.as_bytes(), false, false)
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.model.name()
    }

    /// Where it was published.
    #[getter]
    fn source(&self) -> &str {
        self.model.source()
    }

    /// The inputs, a dict each: name, about, min, max, decimals. With 1 decimal, the value 5.2 is 52 in min and max.
    #[getter]
    fn inputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        inputs(py, self.model.inputs())
    }

    /// What is told: (smallest, largest) of a score, or a list of the classes' names.
    #[getter]
    fn tells<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        tells(py, self.model.answer())
    }

    /// The answer for values in the clear, by the names of the inputs: a score, or the name of a class. Raises InvalidError
    /// for values that are missing, unknown, no numbers, or out of bounds.
    fn answer<'py>(&self, values: &Bound<'py, PyMapping>) -> PyResult<Bound<'py, PyAny>> {
        let answer = self.model.answer_for(self.values(values)?.as_slice());
        told(values.py(), self.model.answer(), answer)
    }

    /// The score behind the answer, for values in the clear: what the classes are cut from.
    fn score(&self, values: &Bound<'_, PyMapping>) -> PyResult<i64> {
        Ok(self.model.score(self.values(values)?.as_slice()))
    }

    /// Compiles the model for encrypted values. Raises RefusedError, with the figure, if it would take more bootstraps or
    /// longer than this for one patient on so many cores (all of them unless said otherwise), or does not fit its widths.
    #[pyo3(signature = (*, max_seconds = 600.0, max_bootstraps = 100_000, cores = None))]
    fn plan(
        &self,
        py: Python<'_>,
        max_seconds: f64,
        max_bootstraps: usize,
        cores: Option<usize>,
    ) -> PyResult<ModelPlan> {
        let cores = cores.unwrap_or_else(all_cores);
        let limits = Limits { seconds: max_seconds, bootstraps: max_bootstraps, cores, ..Limits::default() };
        let plan = py.detach(|| Plan::new(&self.model, limits)).map_err(fail)?;
        Ok(ModelPlan { plan: Arc::new(plan) })
    }

    fn __repr__(&self) -> String {
        format!("<Model {}>", self.model.name())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.model == other.model
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.get().model.name().into_pyobject(slf.py())?.hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().text.clone(),)))
    }
}

fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A model compiled for encrypted values: what it costs, and the form that patients encrypt by. `Model.plan` makes it.
///
/// >>> import mediveil
/// >>> plan = mediveil.Model.published("framingham-2008-high-risk").plan()
/// >>> plan.bootstraps, plan.depth, plan.upload_bytes < 20_000
/// (3, 3, True)
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct ModelPlan {
    pub(super) plan: Arc<Plan>,
}

#[pymethods]
impl ModelPlan {
    /// What a patient needs to encrypt, and to read the answer. It holds none of the model's weights.
    #[getter]
    fn form(&self) -> ModelForm {
        ModelForm { form: Arc::new(self.plan.form().clone()) }
    }

    /// Bootstraps for one patient: what takes the time.
    #[getter]
    fn bootstraps(&self) -> usize {
        self.plan.bootstraps()
    }

    /// Bootstraps that wait for each other.
    #[getter]
    fn depth(&self) -> usize {
        self.plan.circuit().depth()
    }

    /// Bytes that one patient sends, without the keys.
    #[getter]
    fn upload_bytes(&self) -> u64 {
        self.plan.upload_bytes()
    }

    /// Bits by which the noise added to an answer hides what it would tell of the model beyond itself; None where answers come
    /// out of bootstraps, for which nothing is proved.
    #[getter]
    fn masking_bits(&self) -> Option<u32> {
        self.plan.masking_bits()
    }

    /// Estimated seconds for one patient on so many cores, all of them unless said otherwise.
    #[pyo3(signature = (*, cores = None))]
    fn seconds(&self, cores: Option<usize>) -> f64 {
        self.plan.seconds(cores.unwrap_or_else(all_cores))
    }

    fn __repr__(&self) -> String {
        format!("<ModelPlan of {}: {} bootstraps>", self.plan.form().name(), self.plan.bootstraps())
    }
}

/// What is public of a model: inputs, bounds and how values are coded. `ModelPlan.form` gives it; it is written as JSON.
///
/// >>> import mediveil
/// >>> form = mediveil.Model.published("framingham-2008").plan().form
/// >>> mediveil.ModelForm.from_json(form.to_json()) == form, "steps" in form.to_json()
/// (True, False)
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct ModelForm {
    pub(super) form: Arc<Form>,
}

#[pymethods]
impl ModelForm {
    /// Reads the text of a form. Raises DamagedError.
    #[staticmethod]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let form = Form::from_json(&text_of(text)?).map_err(fail)?;
        Ok(Self { form: Arc::new(form) })
    }

    /// Reads a form's file. Raises DamagedError.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        let form = Form::from_json(&file_text(&path)?).map_err(fail)?;
        Ok(Self { form: Arc::new(form) })
    }

    /// The form as JSON, the same text for the same form.
    fn to_json(&self) -> String {
        self.form.to_json()
    }

    /// Writes its file, over what is there.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        write_file(&path, self.form.to_json().as_bytes(), false, false)
    }

    /// Name of the model.
    #[getter]
    fn name(&self) -> &str {
        self.form.name()
    }

    /// The inputs, as those of the model.
    #[getter]
    fn inputs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        inputs(py, self.form.inputs())
    }

    /// What is told: (smallest, largest) of a score, or a list of the classes' names.
    #[getter]
    fn tells<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        tells(py, self.form.answer())
    }

    /// SHA-256 of the form, 32 bytes: what encrypted values and answers are bound to.
    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.form.digest())
    }

    fn __repr__(&self) -> String {
        let digest = self.form.digest();
        format!("<ModelForm of {}, {}>", self.form.name(), hex(digest.get(..8).unwrap_or_default()))
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.form == other.form
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.get().digest(slf.py()).hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().form.to_json(),)))
    }
}

#[cfg(feature = "model")]
mod encrypted;
#[cfg(feature = "model")]
pub use encrypted::{EncryptedInputs, EncryptedResult, EvaluationKey, PatientKey, score};
