//! Keys, encrypted values and encrypted answers.

use super::{ModelForm, ModelPlan, told, values_json};
use crate::fail::{fail, raise};
use crate::objects::{public_object, secret_object};
use crate::threads::on_all_cores;
use mediveil_bridge::Kind;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_fhe::program::{self as core, Evaluator, ProgramError, Progress};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyMapping};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// How often signals and the progress callback are looked after.
const TICK: Duration = Duration::from_millis(50);
/// Sets of values that are evaluated together: enough for every core, and few enough that Ctrl-C is soon heard.
const TOGETHER: usize = 32;

secret_object! {
    /// A patient's secret key: it encrypts values by a form, and reads answers. Whoever has it reads every value and every answer.
    ///
    /// The engine is the crate tfhe, whose licence (BSD-3-Clause-Clear) grants no patent rights: its authors (Zama) ask
    /// commercial users to obtain a patent licence.
    ///
    /// >>> import mediveil
    /// >>> form = mediveil.Model.published("framingham-2008").plan().form
    /// >>> key, evaluation = mediveil.PatientKey.generate()
    /// >>> ada = {"sex": 1, "age": 53, "hdl": 50, "cholesterol": 161, "systolic": 146, "treated": True, "smoker": True,
    /// ...     "diabetes": False}
    /// >>> inputs = key.encrypt(form, ada)
    /// >>> (key.id == evaluation.id == inputs.key), inputs.form == form.digest
    /// (True, True)
    PatientKey(core::PatientKey), "a patient's secret key" {
        /// Makes a secret key, and the evaluation key (29 MiB) for whoever computes. Takes one or two seconds.
        #[staticmethod]
        fn generate(py: Python<'_>) -> PyResult<(PatientKey, EvaluationKey)> {
            let made = py.detach(|| on_all_cores(|| core::generate(&mut mediveil_rng::system())))?;
            let (secret, evaluation) = made.map_err(fail)?;
            Ok((PatientKey(Arc::new(secret)), EvaluationKey(Arc::new(evaluation.into()))))
        }

        /// The name of the key pair, 32 bytes.
        #[getter]
        fn id(&self) -> [u8; 32] {
            self.0.id().0
        }

        /// Encrypts values, by the names of the inputs. Raises InvalidError for values that are missing, unknown, no numbers, or
        /// outside the declared bounds.
        fn encrypt(
            &self,
            py: Python<'_>,
            form: &ModelForm,
            values: &Bound<'_, PyMapping>,
        ) -> PyResult<EncryptedInputs> {
            let values = form.form.values_from_json(&values_json(values)?).map_err(fail)?;
            let made = py.detach(|| self.0.encrypt(&form.form, &values, &mut mediveil_rng::system()));
            made.map(|it| EncryptedInputs(Arc::new(it))).map_err(fail)
        }

        /// Reads an answer: a score, or the name of a class. Raises NoKeyError for another patient's, RefusedError for another
        /// form's, DamagedError for what is no answer.
        fn decrypt<'py>(
            &self,
            py: Python<'py>,
            form: &ModelForm,
            result: &EncryptedResult,
        ) -> PyResult<Bound<'py, PyAny>> {
            let answer = py.detach(|| self.0.decrypt(&form.form, &result.0)).map_err(fail)?;
            told(py, form.form.answer(), answer)
        }
    }
}

/// An evaluation key that is expanded at its first use.
#[derive(Debug)]
pub struct Expanding {
    key: core::EvaluationKey,
    evaluator: OnceLock<Evaluator>,
}

impl From<core::EvaluationKey> for Expanding {
    fn from(key: core::EvaluationKey) -> Self {
        Self { key, evaluator: OnceLock::new() }
    }
}

impl Expanding {
    fn evaluator(&self) -> Result<&Evaluator, ProgramError> {
        if let Some(evaluator) = self.evaluator.get() {
            return Ok(evaluator);
        }
        let evaluator = self.key.load()?;
        Ok(self.evaluator.get_or_init(|| evaluator))
    }
}

impl Wire for Expanding {
    const TYPE: ObjectType = core::EvaluationKey::TYPE;
    const MAX_BODY: usize = core::EvaluationKey::MAX_BODY;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        self.key.encode_body(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        core::EvaluationKey::decode_body(d).map(Self::from)
    }
}

public_object! {
    /// A patient's evaluation key: with it one computes on the patient's encrypted values, and reads nothing. Of 29 MiB, and 120
    /// in memory once it is used.
    ///
    /// >>> import mediveil
    /// >>> key, evaluation = mediveil.PatientKey.generate()
    /// >>> mediveil.EvaluationKey.from_bytes(evaluation.to_bytes()).id == key.id
    /// True
    EvaluationKey(Expanding) {
        /// The name of the key pair, 32 bytes.
        #[getter]
        fn id(&self) -> [u8; 32] {
            self.0.key.id().0
        }
    }
}

public_object! {
    /// One patient's values, encrypted by a form. `PatientKey.encrypt` makes them, `score` computes on them.
    ///
    /// >>> import mediveil
    /// >>> mediveil.EncryptedInputs.from_bytes(b"not encrypted values")
    /// Traceback (most recent call last):
    ///     ...
    /// mediveil.DamagedError: ...
    EncryptedInputs(core::EncryptedInputs) {
        /// The key pair they name, 32 bytes.
        #[getter]
        fn key(&self) -> [u8; 32] {
            self.0.key().0
        }

        /// Digest of the form they are for, 32 bytes.
        #[getter]
        fn form(&self) -> [u8; 32] {
            self.0.form()
        }
    }
}

public_object! {
    /// A model's answer, encrypted for the patient: `score` makes it, `PatientKey.decrypt` reads it.
    ///
    /// >>> import mediveil
    /// >>> mediveil.EncryptedResult.from_bytes(b"not an answer")
    /// Traceback (most recent call last):
    ///     ...
    /// mediveil.DamagedError: ...
    EncryptedResult(core::EncryptedResult) {
        /// The key pair it names, 32 bytes.
        #[getter]
        fn key(&self) -> [u8; 32] {
            self.0.key().0
        }

        /// Digest of the form it is for, 32 bytes.
        #[getter]
        fn form(&self) -> [u8; 32] {
            self.0.form()
        }
    }
}

/// Evaluates a plan on sets of values under one patient's key, on all cores; the answers are in the order of the values.
///
/// progress: called with the number of bootstraps since the last call, `plan.bootstraps * len(inputs)` in all; a tqdm bar will do.
/// An exception in it, or Ctrl-C, stops the work after some dozen sets of values.
///
/// Nothing is learnt of the values. The answers are for the patient: do not have them shown to whoever evaluates. Whoever asks
/// often, or encrypts what is no number, learns more of the model than its answers say.
///
/// >>> import mediveil
/// >>> model = mediveil.Model.published("framingham-2008-high-risk")
/// >>> plan = model.plan()
/// >>> key, evaluation = mediveil.PatientKey.generate()
/// >>> ada = {"sex": 1, "age": 53, "hdl": 50, "cholesterol": 161, "systolic": 146, "treated": True, "smoker": True,
/// ...     "diabetes": False}
/// >>> results = mediveil.score(plan, (key.encrypt(plan.form, ada),), key=evaluation)
/// >>> key.decrypt(plan.form, *results) == model.answer(ada)
/// True
///
/// Raises NoKeyError for values of another patient, RefusedError for those of another form, DamagedError for what is no ciphertext
/// or no key.
#[pyfunction]
#[pyo3(signature = (plan, inputs, *, key, progress = None))]
pub fn score<'py>(
    py: Python<'py>,
    plan: &ModelPlan,
    inputs: Vec<PyRef<'py, EncryptedInputs>>,
    key: &EvaluationKey,
    progress: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let progress = match progress.filter(|p| !p.is_none()) {
        Some(bar) if bar.hasattr("update")? => Some(bar.getattr("update")?),
        other => other.cloned(),
    };
    let batch: Vec<core::EncryptedInputs> = inputs.iter().map(|it| it.0.as_ref().clone()).collect();
    drop(inputs);
    let (done, stop, finished) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicBool::new(false));
    let waiting = thread::current();
    let mut told = 0;
    let work = || {
        let step = |_: Progress| {
            done.fetch_add(1, Ordering::Relaxed);
        };
        let mut results = Vec::with_capacity(batch.len());
        let evaluator = key.0.evaluator()?;
        for some in batch.chunks(TOGETHER) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            results.extend(evaluator.evaluate_batch(&plan.plan, some, &mut mediveil_rng::system(), &step)?);
        }
        Ok::<_, ProgramError>(results)
    };
    let (stopped, results) = thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let results = on_all_cores(work);
            finished.store(true, Ordering::Release);
            waiting.unpark();
            results
        });
        let mut look = || -> PyResult<()> {
            py.check_signals()?;
            let now = done.load(Ordering::Relaxed);
            if let (Some(call), true) = (&progress, now > told) {
                call.call1((now.saturating_sub(told),))?;
                told = now;
            }
            Ok(())
        };
        let mut stopped = None;
        while !finished.load(Ordering::Acquire) && !worker.is_finished() && stopped.is_none() {
            py.detach(|| thread::park_timeout(TICK));
            stopped = look().err();
        }
        if stopped.is_some() {
            stop.store(true, Ordering::Relaxed);
        }
        let results = py.detach(|| worker.join());
        (stopped.or_else(|| look().err()), results)
    });
    if let Some(error) = stopped {
        return Err(error);
    }
    let results = results.map_err(|_| raise(Kind::Failed, "the evaluation stopped"))??.map_err(fail)?;
    let list = PyList::empty(py);
    for result in results {
        list.append(EncryptedResult(Arc::new(result)).into_pyobject(py)?)?;
    }
    Ok(list)
}
