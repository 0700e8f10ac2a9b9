//! A risk score and a class on one patient's encrypted values.

use crate::failure::Failure;
use crate::tour::{Figures, Step, World, broken, require};
use mediveil_codec::Wire;
use mediveil_fhe::program::{
    FRAMINGHAM_2008, FRAMINGHAM_2008_HIGH_RISK, Limits, Model, PatientKey, Plan, ProgramError, Values, generate,
};
use std::time::Instant;

pub(crate) const STEPS: &[Step] = &[Step {
    name: "score encrypted values",
    claim: "a clinic scores a patient without seeing a value; only the patient reads the score, which is the published one",
    run: score,
}];

/// Sex, age, HDL, cholesterol, systolic pressure, treated, smoker, diabetes.
const PATIENTS: &[[i64; 8]] =
    &[[0, 61, 47, 180, 124, 0, 1, 0], [1, 53, 50, 161, 146, 1, 1, 0], [1, 36, 62, 150, 118, 0, 0, 0]];

fn say(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

fn values(plan: &Plan, patient: &[i64]) -> Result<Values, Failure> {
    plan.form().values(patient.to_vec()).map_err(say)
}

fn score(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    if world.quick {
        return Ok("--quick: left out, since a patient's keys are 29 MiB".into());
    }
    let mut rng = mediveil_rng::system();
    let start = Instant::now();
    let (key, evaluation) = generate(&mut rng).map_err(say)?;
    figures.set("keygen_ms", ms(start));
    figures.set("evaluation_key_bytes", evaluation.encode().len());
    let (other, _): (PatientKey, _) = generate(&mut rng).map_err(say)?;
    let evaluator = evaluation.load().map_err(say)?;
    let mut told = Vec::new();
    for (name, text) in [("points", FRAMINGHAM_2008), ("high_risk", FRAMINGHAM_2008_HIGH_RISK)] {
        let model = Model::from_json(text).map_err(say)?;
        let plan = Plan::new(&model, Limits::default()).map_err(say)?;
        let mut batch = Vec::new();
        for patient in PATIENTS {
            batch.push(key.encrypt(plan.form(), &values(&plan, patient)?, &mut rng).map_err(say)?);
        }
        let start = Instant::now();
        let results = evaluator.evaluate_batch(&plan, &batch, &mut rng, &|_| ()).map_err(say)?;
        figures.set(&format!("{name}_ms_a_patient"), ms(start) / PATIENTS.len() as f64);
        figures.set(&format!("{name}_bootstraps"), plan.bootstraps());
        for (patient, result) in PATIENTS.iter().zip(&results) {
            let answer = key.decrypt(plan.form(), result).map_err(say)?;
            require(answer == model.answer_for(patient), "the encrypted score is not the published one")?;
            require(
                matches!(other.decrypt(plan.form(), result), Err(ProgramError::Key { .. })),
                "another patient's key is taken for the answer",
            )?;
            told.push(model.answer().describe(answer));
        }
        let upload = batch.first().map_or(0, |b| b.encode().len());
        figures.set(&format!("{name}_upload_bytes"), upload);
    }
    Ok(format!("{} patients: {}", PATIENTS.len(), told.join(", ")))
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
