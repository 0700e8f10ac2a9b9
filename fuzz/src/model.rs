//! Models: the files that people write, what is planned from them, and the ciphertexts of one small model.

use crate::ledger::must;
use crate::wire::canonical;
use mediveil_codec::Wire;
use mediveil_fhe::program::{
    EncryptedInputs, EncryptedResult, EvaluationKey, Evaluator, Form, Limits, Model, PatientKey, Plan, generate,
};
use mediveil_rng::{Rng, SeededRng};
use std::sync::OnceLock;

/// A model of each rule and of each answer, by name.
pub const MODELS: &[(&str, &str)] = &[
    (
        "points",
        r#"{"format":"mediveil-model/1","name":"p","inputs":[{"name":"a","min":0,"max":3},{"name":"b","min":-1,"max":1,"decimals":1}],"points":{"base":1,"terms":[{"of":"a","steps":[[0,0],[2,3]]},{"if":{"a":[1,2]},"of":"b","steps":[[-1,2],[1,-1]]}]},"answer":{"score":{"min":-9,"max":9}}}"#,
    ),
    (
        "tree",
        r#"{"format":"mediveil-model/1","name":"t","inputs":[{"name":"a","min":0,"max":9},{"name":"b","min":0,"max":900}],"trees":[{"nodes":[{"input":"a","at_most":4,"yes":1,"no":2},{"value":3},{"input":"b","at_most":300,"yes":3,"no":4},{"value":0},{"value":7}]},{"nodes":[{"value":1}]}],"answer":{"class":{"names":["n","y"],"from":[5]}}}"#,
    ),
    (
        "logistic",
        r#"{"format":"mediveil-model/1","name":"l","inputs":[{"name":"a","min":0,"max":99},{"name":"b","min":0,"max":99}],"logistic":{"scale":100,"intercept":-500,"weights":{"a":7,"b":-3}},"answer":{"class":{"names":["n","y"],"probability":[0.2]}}}"#,
    ),
];

/// One yes-or-no question: the least that can be encrypted.
const SMALLEST: &str = r#"{"format":"mediveil-model/1","name":"s","inputs":[{"name":"a","min":0,"max":1}],"points":{"terms":[{"of":"a","steps":[[0,0],[1,1]]}]},"answer":{"score":{"min":0,"max":1}}}"#;

struct World {
    plan: Plan,
    key: PatientKey,
    evaluator: Evaluator,
    inputs: EncryptedInputs,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut rng = SeededRng::from_u64(14);
        let plan = must(Plan::new(&must(Model::from_json(SMALLEST)), Limits::default()));
        let (key, evaluation) = must(generate(&mut rng));
        let values = must(plan.form().values(vec![1]));
        let inputs = must(key.encrypt(plan.form(), &values, &mut rng));
        World { key, evaluator: must(evaluation.load()), inputs, plan }
    })
}

/// Valid inputs by name: a model of each rule, a form, and encrypted values.
#[must_use]
pub fn model_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let world = world();
    let mut seeds: Vec<(&str, Vec<u8>)> = MODELS.iter().map(|(name, json)| (*name, json.as_bytes().to_vec())).collect();
    seeds.push(("form", world.plan.form().to_json().into_bytes()));
    seeds.push(("inputs", world.inputs.encode()));
    seeds
}

/// Whatever is read as a model is planned or refused, and its plan says what the model says; a form that is read is written the
/// same; bytes of keys and ciphertexts are refused or are the one encoding of a value, and changed ciphertexts are refused or
/// computed on, never a panic.
pub fn model(data: &[u8]) {
    canonical::<PatientKey>(data);
    canonical::<EvaluationKey>(data);
    canonical::<EncryptedResult>(data);
    if let Ok(inputs) = EncryptedInputs::decode(data) {
        assert!(inputs.encode() == data, "encrypted values have two encodings");
        let world = world();
        let mut rng = SeededRng::from_u64(15);
        if let Ok(result) = world.evaluator.evaluate(&world.plan, &inputs, &mut rng, &|_| ()) {
            let read = world.key.decrypt(world.plan.form(), &result);
            assert!(inputs != world.inputs || read == Ok(1), "the answer is another");
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(form) = Form::from_json(text) {
        let again = Form::from_json(&form.to_json());
        assert!(again.is_ok_and(|again| again == form), "a form changes when written");
        let _ = form.values_from_json(text);
    }
    let Ok(model) = Model::from_json(text) else { return };
    let limits = Limits { bootstraps: 500, seconds: 20.0, cores: 2, merge: 64 };
    let Ok(plan) = Plan::new(&model, limits) else { return };
    assert!(plan.bootstraps() <= limits.bootstraps, "a plan over its limit");
    let mut rng = SeededRng::from_u64(16);
    for _ in 0..4 {
        let values: Vec<i64> = model
            .inputs()
            .iter()
            .map(|i| i.min.saturating_add_unsigned(rng.next_u64().checked_rem(i.width()).unwrap_or(0)))
            .collect();
        assert!(plan.rehearse(&values) == Ok(model.answer_for(&values)), "the plan is another model");
    }
}
