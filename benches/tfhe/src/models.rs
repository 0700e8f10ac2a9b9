//! Models on one patient's encrypted values: ours beside the same model written with `FheUint32`, a comparison for each step or
//! test and a selection for each of its outcomes, as the documentation of `tfhe` shows. Both on all cores, in this process.
//!
//! The other takes most of a minute a model. With `MEDIVEIL_BENCH_QUICK` set it is measured on every third of its steps, which cost
//! the same each, and the time of all of them is three times that; its answer is compared in a whole run alone.

use mediveil_fhe::program::{FRAMINGHAM_2008, Limits, Model, Plan, generate};
use mediveil_rng::{Rng, SeededRng};
use serde_json::{Value, json};
use std::error::Error;
use std::time::Instant;
use tfhe::prelude::*;
use tfhe::{ClientKey, FheBool, FheUint32};

type Failed = Box<dyn Error>;

/// How often ours is repeated: it takes milliseconds where the other takes seconds.
const REPEAT: u32 = 5;

pub(crate) fn figures(client: &ClientKey) -> Result<(), Failed> {
    let quick = std::env::var_os("MEDIVEIL_BENCH_QUICK").is_some();
    let mut rng = SeededRng::from_u64(1);
    let tree = tree(&mut rng);
    let scores: [(&str, &str, &[i64]); 2] = [
        ("tfhe.risk_score", FRAMINGHAM_2008, &[1, 53, 50, 161, 146, 1, 1, 0]),
        ("tfhe.tree.depth6", &tree, &[50, 7, 93, 31, 66, 12, 80, 45]),
    ];
    let (key, evaluation) = generate(&mut rng)?;
    let evaluator = evaluation.load()?;
    for (id, text, values) in scores {
        let model = Model::from_json(text)?;
        let plan = Plan::new(&model, Limits::default())?;
        let inputs = key.encrypt(plan.form(), &plan.form().values(values.to_vec())?, &mut rng)?;
        let mut result = evaluator.evaluate(&plan, &inputs, &mut rng, &|_| ())?;
        let start = Instant::now();
        for _ in 0..REPEAT {
            result = evaluator.evaluate(&plan, &inputs, &mut rng, &|_| ())?;
        }
        let ours = start.elapsed().as_secs_f64() / f64::from(REPEAT);
        let mut steps = Steps { quick, all: 0, done: 0, seconds: 0.0 };
        let (seconds, answer) = naive(&serde_json::from_str(text)?, values, client, &mut steps)?;
        let naive = seconds + steps.seconds * (f64::from(steps.all) / f64::from(steps.done.max(1)) - 1.0);
        let expected = model.answer_for(values);
        if key.decrypt(plan.form(), &result)? != expected || !(quick || answer == expected) {
            return Err(format!("{id}: the answers differ").into());
        }
        println!(r#"{{"id": "{id}", "value": {ours}, "peer_value": {naive}}}"#);
    }
    Ok(())
}

/// A full tree of depth 6 over eight inputs of 0 to 99: 63 tests, and leaves of 0 to 7.
fn tree(rng: &mut SeededRng) -> String {
    let mut draw = |n: u64| rng.next_u64() % n;
    let nodes: Vec<Value> = (0_u64..127)
        .map(|at| match at {
            0..63 => {
                let (input, at_most) = (format!("x{}", draw(8)), 20 + draw(60));
                json!({ "input": input, "at_most": at_most, "yes": 2 * at + 1, "no": 2 * at + 2 })
            }
            _ => json!({ "value": draw(8) }),
        })
        .collect();
    let inputs: Vec<Value> = (0..8).map(|i| json!({ "name": format!("x{i}"), "min": 0, "max": 99 })).collect();
    let answer = json!({ "score": { "min": 0, "max": 7 } });
    json!({ "format": "mediveil-model/1", "name": "depth 6", "inputs": inputs, "trees": [{ "nodes": nodes }], "answer": answer })
        .to_string()
}

/// Which of the other's steps, each a comparison and a selection, are taken.
struct Steps {
    quick: bool,
    all: u32,
    done: u32,
    /// What those that are taken take.
    seconds: f64,
}

impl Steps {
    /// Whether to take the next.
    fn next(&mut self) -> bool {
        let taken = !self.quick || self.all % 3 == 0;
        self.all += 1;
        self.done += u32::from(taken);
        taken
    }

    fn timed(&mut self, step: impl FnOnce() -> Result<FheUint32, Failed>) -> Result<FheUint32, Failed> {
        let start = Instant::now();
        let made = step();
        self.seconds += start.elapsed().as_secs_f64();
        made
    }
}

/// Seconds and the answer of the model with `FheUint32`; no answer where steps are left out.
fn naive(model: &Value, values: &[i64], client: &ClientKey, steps: &mut Steps) -> Result<(f64, i64), Failed> {
    let mut inputs = Vec::new();
    for (input, value) in list(&model["inputs"]).iter().zip(values) {
        inputs.push((
            input["name"].as_str().unwrap_or_default(),
            FheUint32::try_encrypt(u32::try_from(*value)?, client)?,
        ));
    }
    let find =
        |name: &str| inputs.iter().find(|(n, _)| *n == name).map(|(_, x)| x).ok_or("an input that is not declared");
    let start = Instant::now();
    let answer = if let Some(trees) = model["trees"].as_array() {
        let nodes = list(&trees[0]["nodes"]);
        let mut found: Vec<Option<FheUint32>> = vec![None; nodes.len()];
        for (at, node) in nodes.iter().enumerate().rev() {
            found[at] = Some(match node["value"].as_i64() {
                Some(value) => constant(value)?,
                // In the place of what is left out, a number encrypted as the inputs are.
                None if !steps.next() => inputs.first().ok_or("no input")?.1.clone(),
                None => steps.timed(|| {
                    let test: FheBool = find(name(&node["input"]))?.le(u32::try_from(number(&node["at_most"]))?);
                    let child =
                        |key: &str| found[usize::try_from(number(&node[key])).unwrap_or(0)].as_ref().ok_or("a cycle");
                    Ok(test.select(child("yes")?, child("no")?))
                })?,
            });
        }
        found.swap_remove(0).ok_or("no root")?
    } else {
        let mut points = vec![constant(number(&model["points"]["base"]))?];
        for term in list(&model["points"]["terms"]) {
            let x = find(name(&term["of"]))?;
            let mut table = list(&term["steps"]).iter();
            let mut value = constant(table.next().map_or(0, |step| number(&step[1])))?;
            for step in table {
                if !steps.next() {
                    continue;
                }
                value = steps.timed(|| {
                    Ok(x.ge(u32::try_from(number(&step[0]))?).select(&constant(number(&step[1]))?, &value))
                })?;
            }
            for (condition, bounds) in term["if"].as_object().into_iter().flatten() {
                let y = find(condition)?;
                let low = y.ge(u32::try_from(number(&bounds[0]))?);
                let holds = low & y.le(u32::try_from(number(&bounds[1]))?);
                value = holds.if_then_zero(&value);
            }
            points.push(value);
        }
        points.iter().sum()
    };
    let seconds = start.elapsed().as_secs_f64();
    let opened: u32 = answer.decrypt(client);
    Ok((seconds, i64::from(opened.cast_signed())))
}

/// A constant; a negative one modulo 2^32.
fn constant(value: i64) -> Result<FheUint32, Failed> {
    Ok(FheUint32::try_encrypt_trivial(i32::try_from(value)?.cast_unsigned())?)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn name(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}
