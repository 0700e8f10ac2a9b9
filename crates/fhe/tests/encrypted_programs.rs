//! Models on ciphertexts: equal to the model in the clear, for the right key only, and refusing what is damaged or foreign.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::Wire;
use mediveil_codec::testing::check_wire;
use mediveil_fhe::program::{
    EncryptedInputs, EncryptedResult, EvaluationKey, Evaluator, FRAMINGHAM_2008, FRAMINGHAM_2008_HIGH_RISK, Limits,
    Model, PatientKey, Plan, ProgramError, generate,
};
use mediveil_rng::SeededRng;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Patient {
    key: PatientKey,
    evaluation: EvaluationKey,
    evaluator: Evaluator,
}

/// Two patients, made once.
fn patients() -> &'static [Patient; 2] {
    static PATIENTS: OnceLock<[Patient; 2]> = OnceLock::new();
    PATIENTS.get_or_init(|| {
        [1, 2].map(|seed| {
            let (key, evaluation) = generate(&mut SeededRng::from_u64(seed)).unwrap();
            let evaluator = evaluation.load().unwrap();
            Patient { key, evaluation, evaluator }
        })
    })
}

fn plan(json: &str) -> (Model, Plan) {
    let model = Model::from_json(json).unwrap();
    let plan = Plan::new(&model, Limits::default()).unwrap();
    (model, plan)
}

/// Answers of the model on ciphertexts equal those in the clear, for each set of values.
fn agrees(json: &str, sets: &[Vec<i64>]) {
    let (model, plan) = plan(json);
    let Patient { key, evaluator, .. } = &patients()[0];
    let mut rng = SeededRng::from_u64(3);
    let inputs: Vec<EncryptedInputs> = sets
        .iter()
        .map(|v| key.encrypt(plan.form(), &plan.form().values(v.clone()).unwrap(), &mut rng).unwrap())
        .collect();
    let calls = AtomicUsize::new(0);
    let count = |_| {
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let results = evaluator.evaluate_batch(&plan, &inputs, &mut rng, &count).unwrap();
    assert_eq!(calls.into_inner(), plan.bootstraps() * sets.len());
    for (values, result) in sets.iter().zip(&results) {
        assert_eq!(key.decrypt(plan.form(), result), Ok(model.answer_for(values)), "{values:?}");
    }
}

#[test]
fn framingham_on_ciphertexts_is_framingham() {
    let sets = [
        vec![0, 30, 100, 100, 90, 0, 0, 0],
        vec![0, 61, 47, 180, 124, 0, 1, 0],
        vec![1, 79, 20, 400, 200, 1, 1, 1],
        vec![1, 53, 50, 161, 146, 1, 1, 0],
    ];
    agrees(FRAMINGHAM_2008, &sets);
    agrees(FRAMINGHAM_2008_HIGH_RISK, &sets);
}

const TREE: &str = r#"{"format": "mediveil-model/1", "name": "t", "inputs": [
    {"name": "a", "min": 0, "max": 2}, {"name": "b", "min": -1, "max": 2}, {"name": "c", "min": 0, "max": 600}],
    "trees": [{"nodes": [{"input": "a", "at_most": 0, "yes": 1, "no": 2}, {"value": 1},
        {"input": "c", "at_most": 300, "yes": 3, "no": 4}, {"value": 0},
        {"input": "b", "at_most": 0, "yes": 5, "no": 6}, {"value": 2}, {"value": 1}]}],
    "answer": {"score": {"min": 0, "max": 2}}}"#;

/// Every input of a small domain, and both sides of the threshold of a wide one.
#[test]
fn tree_on_ciphertexts_is_exact_everywhere() {
    let sets: Vec<Vec<i64>> =
        (0..=2).flat_map(|a| (-1..=2).flat_map(move |b| [300, 301].map(|c| vec![a, b, c]))).collect();
    agrees(TREE, &sets);
}

#[test]
fn forest_and_logistic_class_on_ciphertexts_are_exact() {
    let stump = |input: &str, at_most: i64| {
        format!(
            r#"{{"nodes": [{{"input": "{input}", "at_most": {at_most}, "yes": 1, "no": 2}}, {{"value": 0}},
                {{"input": "c", "at_most": 9, "yes": 3, "no": 4}}, {{"value": 3}}, {{"value": 7}}]}}"#
        )
    };
    let inputs = r#""format": "mediveil-model/1", "name": "f", "inputs": [{"name": "a", "min": 0, "max": 99},
        {"name": "b", "min": 0, "max": 99}, {"name": "c", "min": 0, "max": 99}]"#;
    let trees = [("a", 10), ("a", 50), ("b", 20), ("b", 70), ("a", 80)].map(|(i, t)| stump(i, t)).join(",");
    let sets = [vec![0, 0, 0], vec![60, 30, 5], vec![99, 99, 99], vec![20, 80, 10], vec![11, 0, 9]];
    agrees(&format!(r#"{{{inputs}, "trees": [{trees}], "answer": {{"score": {{"min": 0, "max": 35}}}}}}"#), &sets);
    let class = r#""answer": {"class": {"names": ["n", "m", "y"], "from": [7, 20]}}"#;
    agrees(&format!(r#"{{{inputs}, "trees": [{trees}], {class}}}"#), &sets);
    let rule = r#""logistic": {"scale": 100, "intercept": -500, "weights": {"a": 7, "b": -3, "c": 5}}"#;
    agrees(&format!(r#"{{{inputs}, {rule}, {class}}}"#), &sets);
}

#[test]
fn evaluation_key_of_another_patient_is_refused() {
    let [one, two] = patients();
    let (_, plan) = plan(TREE);
    let form = plan.form();
    let mut rng = SeededRng::from_u64(4);
    let values = form.values(vec![1, 1, 301]).unwrap();
    let inputs = one.key.encrypt(form, &values, &mut rng).unwrap();
    let foreign = ProgramError::Key { expected: two.key.id(), found: one.key.id() };
    assert_eq!(two.evaluator.evaluate(&plan, &inputs, &mut rng, &|_| ()), Err(foreign.clone()));
    let result = one.evaluator.evaluate(&plan, &inputs, &mut rng, &|_| ()).unwrap();
    assert_eq!(two.key.decrypt(form, &result), Err(foreign));
    // Below the check: the other's samples under this patient's name do not become this patient's.
    let mut bytes = inputs.encode();
    let at = bytes.windows(32).position(|w| w == one.key.id().0).unwrap();
    bytes[at..at + 32].copy_from_slice(&two.key.id().0);
    let forged = EncryptedInputs::decode(&bytes).unwrap();
    let result = two.evaluator.evaluate(&plan, &forged, &mut rng, &|_| ()).unwrap();
    let mut wrong = 0;
    for seed in 0..8 {
        let result = if seed == 0 {
            result.clone()
        } else {
            two.evaluator.evaluate(&plan, &forged, &mut SeededRng::from_u64(seed), &|_| ()).unwrap()
        };
        wrong += usize::from(two.key.decrypt(form, &result) != Ok(1));
    }
    assert!(wrong > 0);
    // A key cannot go under another's name: the name is the key's digest.
    assert_eq!(EvaluationKey::decode(&two.evaluation.encode()).unwrap().id(), two.key.id());
    assert_ne!(one.key.id(), two.key.id());
}

#[test]
fn values_and_results_of_another_form_are_refused() {
    let Patient { key, evaluator, .. } = &patients()[0];
    let mut rng = SeededRng::from_u64(5);
    let (_, old) = plan(TREE);
    let (_, new) = plan(&TREE.replace(r#""max": 600"#, r#""max": 601"#));
    let values = old.form().values(vec![1, 1, 301]).unwrap();
    let inputs = key.encrypt(old.form(), &values, &mut rng).unwrap();
    assert_eq!(evaluator.evaluate(&new, &inputs, &mut rng, &|_| ()), Err(ProgramError::Form));
    let result = evaluator.evaluate(&old, &inputs, &mut rng, &|_| ()).unwrap();
    assert_eq!(key.decrypt(new.form(), &result), Err(ProgramError::Form));
    // Values that are checked for one form cannot be encrypted by a narrower one.
    let (_, narrow) = plan(&TREE.replace(r#""max": 600"#, r#""max": 300"#));
    assert_eq!(key.encrypt(narrow.form(), &values, &mut rng).unwrap_err(), ProgramError::Form);
    // Two encryptions of the same values, and two answers to the same ciphertext, differ.
    assert_ne!(key.encrypt(old.form(), &values, &mut rng).unwrap(), inputs);
    assert_ne!(evaluator.evaluate(&old, &inputs, &mut rng, &|_| ()).unwrap(), result);
}

const SMALLEST: &str = r#"{"format": "mediveil-model/1", "name": "s", "inputs": [{"name": "a", "min": 0, "max": 1}],
    "points": {"terms": [{"of": "a", "steps": [[0, 0], [1, 1]]}]}, "answer": {"score": {"min": 0, "max": 1}}}"#;

#[test]
fn ciphertexts_are_framed_and_frozen() {
    let Patient { key, evaluator, .. } = &patients()[0];
    let mut rng = SeededRng::from_u64(6);
    let (_, plan) = plan(SMALLEST);
    let inputs = key.encrypt(plan.form(), &plan.form().values(vec![1]).unwrap(), &mut rng).unwrap();
    check_wire(&inputs, include_str!("snapshots/model_inputs.hex"));
    let result = evaluator.evaluate(&plan, &inputs, &mut rng, &|_| ()).unwrap();
    assert_eq!(key.decrypt(plan.form(), &result), Ok(1));
    let bytes = result.encode();
    assert_eq!(EncryptedResult::decode(&bytes).unwrap(), result);
    for len in (0..bytes.len()).step_by(131) {
        assert!(EncryptedResult::decode(&bytes[..len]).is_err());
    }
}

/// What decodes as a frame but is no ciphertext is refused where it is used, and never a panic.
#[test]
fn damaged_ciphertexts_are_refused() {
    let Patient { key, evaluator, .. } = &patients()[0];
    let mut rng = SeededRng::from_u64(7);
    let (_, plan) = plan(SMALLEST);
    let form = plan.form();
    let inputs = key.encrypt(form, &form.values(vec![1]).unwrap(), &mut rng).unwrap();
    let whole = inputs.encode();
    let mut refused = 0;
    for at in 12..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        let Ok(changed) = EncryptedInputs::decode(&bytes) else { continue };
        match evaluator.evaluate(&plan, &changed, &mut rng, &|_| ()) {
            Err(_) => refused += 1,
            // A changed sample is a sample: it decrypts to anything, or to nothing.
            Ok(result) => drop(key.decrypt(form, &result)),
        }
    }
    assert!(refused > 80, "{refused}");
    let result = evaluator.evaluate(&plan, &inputs, &mut rng, &|_| ()).unwrap().encode();
    for at in (12..260).chain([result.len() - 1]) {
        let mut bytes = result.clone();
        bytes[at] ^= 0x40;
        if let Ok(changed) = EncryptedResult::decode(&bytes) {
            drop(key.decrypt(form, &changed));
        }
    }
}

#[test]
fn damaged_keys_are_refused() {
    let Patient { key, evaluation, .. } = &patients()[0];
    let secret = key.encode_secret();
    assert_eq!(*PatientKey::decode(&secret).unwrap().encode_secret(), *secret);
    for len in (0..secret.len()).step_by(997) {
        assert!(PatientKey::decode(&secret[..len]).is_err());
    }
    assert!(format!("{key:?}") == "PatientKey");
    let public = evaluation.encode();
    assert!((28 << 20..30 << 20).contains(&public.len()), "{}", public.len());
    for len in [0, 11, 12, 100, public.len() / 2, public.len() - 1] {
        assert!(EvaluationKey::decode(&public[..len]).is_err());
    }
    // Changed where `tfhe` describes the key: another key by name, and not one that loads, or one of other numbers.
    let mut refused = 0;
    for at in (17..300).step_by(3) {
        let mut bytes = public.clone();
        bytes[at] ^= 0x55;
        let changed = EvaluationKey::decode(&bytes);
        refused += usize::from(match changed {
            Ok(changed) => {
                assert_ne!(changed.id(), key.id());
                changed.load().is_err()
            }
            Err(_) => true,
        });
        if refused > 20 {
            break;
        }
    }
    assert!(refused > 20, "{refused}");
}
