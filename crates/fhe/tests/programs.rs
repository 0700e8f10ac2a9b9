//! Models, forms and plans in the clear: the circuit says what the model says on whole domains, and what must be refused is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_fhe::program::{
    FRAMINGHAM_2008, FRAMINGHAM_2008_HIGH_RISK, Form, FormError, Limits, Model, ModelError, Plan, PlanError, ValueError,
};
use mediveil_rng::{Rng, SeededRng};

fn plan(json: &str) -> (Model, Plan) {
    let model = Model::from_json(json).unwrap();
    let plan = Plan::new(&model, Limits::default()).unwrap();
    (model, plan)
}

/// Every combination of values.
fn domain(model: &Model) -> Vec<Vec<i64>> {
    model.inputs().iter().fold(vec![vec![]], |rows, input| {
        rows.iter().flat_map(|row| (input.min..=input.max).map(move |v| [row.as_slice(), &[v]].concat())).collect()
    })
}

/// The circuit says what the model says, everywhere. Returns how many different answers there are.
fn everywhere(json: &str) -> usize {
    let (model, merged) = plan(json);
    // Coded each by itself, so that what joins inputs is done by lookups.
    let apart = Plan::new(&model, Limits { merge: 0, ..Limits::default() }).unwrap();
    assert!(apart.bootstraps() >= merged.bootstraps());
    let mut answers = std::collections::BTreeSet::new();
    for values in domain(&model) {
        let expected = model.answer_for(&values);
        assert_eq!(merged.rehearse(&values), Ok(expected), "{json} at {values:?}");
        assert_eq!(apart.rehearse(&values), Ok(expected), "{json} at {values:?}, apart");
        answers.insert(expected);
    }
    answers.len()
}

fn random(model: &Model, rng: &mut SeededRng) -> Vec<i64> {
    let draw = |i: &mediveil_fhe::program::Input, r: u64| i.min + i64::try_from(r % i.width()).unwrap();
    model.inputs().iter().map(|i| draw(i, rng.next_u64())).collect()
}

/// The tables of points once more, typed from the article by other means than the model file.
fn framingham(v: &[i64]) -> i64 {
    let [sex, age, hdl, cholesterol, systolic, treated, smoker, diabetes] = v.try_into().unwrap();
    let band = |x: i64, from: &[i64]| from.iter().filter(|f| x >= **f).count();
    let age = band(age, &[35, 40, 45, 50, 55, 60, 65, 70, 75]);
    let cholesterol = band(cholesterol, &[160, 200, 240, 280]);
    let hdl = [2, 1, 0, -1, -2][band(hdl, &[35, 45, 50, 60])];
    if sex == 0 {
        let pressure = band(systolic, &[120, 130, 140, 150, 160]);
        let pressure = if treated == 1 { [-1, 2, 3, 5, 6, 7][pressure] } else { [-3, 0, 1, 2, 4, 5][pressure] };
        [0, 2, 4, 5, 7, 8, 9, 10, 11, 12][age]
            + [0, 1, 3, 4, 5][cholesterol]
            + hdl
            + pressure
            + 3 * smoker
            + 4 * diabetes
    } else {
        let pressure = band(systolic, &[120, 130, 140, 160]);
        let pressure = if treated == 1 { [0, 2, 3, 4, 5][pressure] } else { [-2, 0, 1, 2, 3][pressure] };
        [0, 2, 5, 6, 8, 10, 11, 12, 14, 15][age]
            + [0, 1, 2, 3, 4][cholesterol]
            + hdl
            + pressure
            + 4 * smoker
            + 3 * diabetes
    }
}

#[test]
fn framingham_is_the_published_table() {
    let (points, plan_points) = plan(FRAMINGHAM_2008);
    let (high, plan_high) = plan(FRAMINGHAM_2008_HIGH_RISK);
    let mut rng = SeededRng::from_u64(8);
    let mut seen = [0; 2];
    for _ in 0..20_000 {
        let values = random(&points, &mut rng);
        let expected = framingham(&values);
        assert_eq!(points.score(&values), expected);
        assert_eq!(plan_points.rehearse(&values), Ok(expected));
        let at_risk = i64::from(expected >= if values[0] == 0 { 18 } else { 15 });
        assert_eq!(high.answer_for(&values), at_risk);
        assert_eq!(plan_high.rehearse(&values), Ok(at_risk));
        seen[usize::try_from(at_risk).unwrap()] += 1;
    }
    assert!(seen[0] > 1000 && seen[1] > 1000, "{seen:?}");
    // A woman of 61 with HDL 47, cholesterol 180, untreated 124, who smokes: the example of the article, 10.0 + ... = 13 points.
    assert_eq!(points.score(&[0, 61, 47, 180, 124, 0, 1, 0]), 9 + 1 + 3);
    // Scores cost no bootstrap at all; whether 20 % is reached costs three.
    assert_eq!((plan_points.bootstraps(), plan_high.bootstraps()), (0, 3));
    assert!(plan_points.masking_bits().unwrap() >= 24, "{:?}", plan_points.masking_bits());
}

/// Bounds are exact although women and men have tables of their own: -5 is a woman's, 33 both reach.
#[test]
fn score_that_leaves_its_declared_bounds_is_refused_with_the_exact_ones() {
    let narrower = FRAMINGHAM_2008.replace(r#"{"min": -5, "max": 33}"#, r#"{"min": -4, "max": 32}"#);
    let refused = Plan::new(&Model::from_json(&narrower).unwrap(), Limits::default()).unwrap_err();
    assert_eq!(refused, PlanError::Overflow { min: -4, max: 32, found_min: -5, found_max: 33 });
}

const INPUTS: &str = r#""format": "mediveil-model/1", "name": "t", "inputs": [
    {"name": "a", "min": -2, "max": 5}, {"name": "b", "min": 10, "max": 16}, {"name": "c", "min": 0, "max": 1}]"#;

#[test]
fn points_are_exact_on_the_whole_domain() {
    let terms = r#""points": {"base": 3, "terms": [
        {"of": "a", "steps": [[-2, 0], [0, 4], [1, -3], [4, 9]]},
        {"if": {"c": [1, 1]}, "of": "b", "steps": [[0, 1], [12, 2], [15, -7]]},
        {"if": {"c": [0, 0], "a": [0, 3]}, "of": "b", "steps": [[0, 0], [16, 5]]}]}"#;
    assert!(everywhere(&format!(r#"{{{INPUTS}, {terms}, "answer": {{"score": {{"min": -9, "max": 40}}}}}}"#)) > 10);
    let classes = r#""answer": {"class": {"names": ["w", "x", "y", "z"], "from": [-1, 4, 9]}}"#;
    assert_eq!(everywhere(&format!("{{{INPUTS}, {terms}, {classes}}}")), 4);
    // Cuts that every score reaches, and none.
    let classes = r#""answer": {"class": {"names": ["w", "x", "y"], "from": [-1000, 1000]}}"#;
    assert_eq!(everywhere(&format!("{{{INPUTS}, {terms}, {classes}}}")), 1);
}

#[test]
fn logistic_scores_are_exact_on_the_whole_domain() {
    // Wide inputs stay in groups of their own, so the class is a carry.
    let inputs = r#""format": "mediveil-model/1", "name": "t", "inputs": [
        {"name": "a", "min": 0, "max": 29, "decimals": 1}, {"name": "b", "min": -20, "max": 10},
        {"name": "c", "min": 0, "max": 24}]"#;
    let rule = r#""logistic": {"scale": 1000, "intercept": -1234, "weights": {"a": 57, "b": -31, "c": 203}}"#;
    assert!(
        everywhere(&format!(r#"{{{inputs}, {rule}, "answer": {{"score": {{"min": -5000, "max": 9000}}}}}}"#)) > 1000
    );
    let class = r#""answer": {"class": {"names": ["no", "yes"], "probability": [0.8]}}"#;
    assert_eq!(everywhere(&format!("{{{inputs}, {rule}, {class}}}")), 2);
    // ln(0.8 / 0.2) = 1.38629..., so the class begins at 1387 thousandths.
    let (model, plan) = plan(&format!("{{{inputs}, {rule}, {class}}}"));
    assert_eq!(model.cuts(), [1387]);
    assert!(plan.bootstraps() >= 4 && plan.bootstraps() <= 8, "{}", plan.bootstraps());
}

fn tree(rng: &mut SeededRng, depth: u32, values: i64) -> String {
    fn grow(rng: &mut SeededRng, depth: u32, values: i64, nodes: &mut Vec<String>) -> usize {
        let at = nodes.len();
        nodes.push(String::new());
        if depth == 0 || rng.next_u32().is_multiple_of(8) {
            nodes[at] = format!(r#"{{"value": {}}}"#, rng.next_u64() % u64::try_from(values).unwrap());
        } else {
            let (input, low, width) =
                [("a", -2, 8), ("b", 10, 7), ("c", 0, 2)][usize::try_from(rng.next_u32() % 3).unwrap()];
            let at_most = low + i64::from(rng.next_u32() % width);
            let yes = grow(rng, depth - 1, values, nodes);
            let no = grow(rng, depth - 1, values, nodes);
            nodes[at] = format!(r#"{{"input": "{input}", "at_most": {at_most}, "yes": {yes}, "no": {no}}}"#);
        }
        at
    }
    let mut nodes = Vec::new();
    grow(rng, depth, values, &mut nodes);
    format!(r#"{{"nodes": [{}]}}"#, nodes.join(","))
}

/// Random trees and forests, of few and of many values, asked for scores and for classes.
#[test]
fn trees_and_forests_are_exact_on_the_whole_domain() {
    let mut rng = SeededRng::from_u64(9);
    let mut answers = 0;
    for case in 0..48 {
        let (trees, values): (i32, i64) = [(1, 2), (1, 12), (1, 300), (3, 2), (5, 4), (7, 100)][case % 6];
        let forest: Vec<String> = (0..trees).map(|_| tree(&mut rng, 6, values)).collect();
        let most = values * i64::from(trees);
        let score = format!(r#""score": {{"min": -1, "max": {most}}}"#);
        let class = format!(r#""class": {{"names": ["p", "q", "r"], "from": [{}, {}]}}"#, most / 3, most / 2 + 1);
        for answer in [score, class] {
            answers += everywhere(&format!(r#"{{{INPUTS}, "trees": [{}], "answer": {{{answer}}}}}"#, forest.join(",")));
        }
    }
    assert!(answers > 300, "{answers}");
}

/// Inputs too wide to be coded together: the conjunctions are lookups. Sampled, for there are 10^9 combinations.
#[test]
fn trees_over_wide_inputs_are_exact() {
    let mut rng = SeededRng::from_u64(10);
    for case in 0..20 {
        let inputs: Vec<String> =
            (0..6).map(|i| format!(r#"{{"name": "x{i}", "min": 0, "max": {}}}"#, 30 + 40 * i)).collect();
        let trees: Vec<String> = (0..[1, 1, 4, 9][case % 4])
            .map(|_| {
                let text = tree(&mut rng, 6, [2, 5][case % 2]);
                // The names and bounds of the wide inputs in the place of the small ones.
                let text = text.replace("\"a\"", "\"x5\"").replace("\"b\"", "\"x1\"");
                let text = text.replacen("\"c\"", "\"x2\"", 2).replacen("\"x5\"", "\"x3\"", 1);
                text.replace("\"c\"", "\"x4\"").replacen("\"x1\"", "\"x0\"", 1)
            })
            .collect();
        let answer =
            [r#""score": {"min": 0, "max": 40}"#, r#""class": {"names": ["n", "y"], "from": [2]}"#][case / 2 % 2];
        let json = format!(
            r#"{{"format": "mediveil-model/1", "name": "w", "inputs": [{}], "trees": [{}], "answer": {{{answer}}}}}"#,
            inputs.join(","),
            trees.join(",")
        );
        let (model, plan) = plan(&json);
        for _ in 0..500 {
            // Around the thresholds of the small inputs.
            let near = |r: u32| i64::from(r % 18);
            let values: Vec<i64> = (0..6).map(|_| near(rng.next_u32())).collect();
            assert_eq!(plan.rehearse(&values), Ok(model.answer_for(&values)), "{json} at {values:?}");
        }
    }
}

/// More groups than one carry chain takes, and a sum over them.
#[test]
fn sums_of_many_wide_inputs_are_exact() {
    let inputs: Vec<String> = (0..20).map(|i| format!(r#"{{"name": "x{i}", "min": 0, "max": 99}}"#)).collect();
    let weights: Vec<String> = (0..20).map(|i| format!(r#""x{i}": {}"#, [3, -5, 17, 1][i % 4])).collect();
    let json = format!(
        r#"{{"format": "mediveil-model/1", "name": "w", "inputs": [{}], "logistic": {{"scale": 10, "intercept": -7000,
            "weights": {{{}}}}}, "answer": {{"class": {{"names": ["n", "m", "y"], "from": [-4000, 0]}}}}}}"#,
        inputs.join(","),
        weights.join(",")
    );
    let (model, plan) = plan(&json);
    let mut rng = SeededRng::from_u64(11);
    let mut seen = [0; 3];
    for _ in 0..2000 {
        let values = random(&model, &mut rng);
        let expected = model.answer_for(&values);
        assert_eq!(plan.rehearse(&values), Ok(expected));
        seen[usize::try_from(expected).unwrap()] += 1;
    }
    assert!(seen[1] > 100 && (seen[0] > 0 || seen[2] > 0), "{seen:?}");
}

#[test]
fn model_with_a_cycle_is_refused() {
    let model = |nodes: &str| {
        Model::from_json(&format!(
            r#"{{{INPUTS}, "trees": [{{"nodes": [{nodes}]}}], "answer": {{"score": {{"min": 0, "max": 9}}}}}}"#
        ))
    };
    let test = |yes: usize, no: usize| format!(r#"{{"input": "a", "at_most": 0, "yes": {yes}, "no": {no}}}"#);
    let leaf = r#"{"value": 1}"#;
    assert_eq!(model(&format!("{},{leaf}", test(0, 1))), Err(ModelError::Cycle { tree: 0, node: 0 }));
    assert_eq!(
        model(&format!("{},{},{leaf}", test(1, 2), test(0, 2))).unwrap_err().to_string(),
        "tree 0: node 2 is reached twice, so this is no tree"
    );
    assert_eq!(model(&format!("{},{leaf}", test(1, 1))), Err(ModelError::Cycle { tree: 0, node: 1 }));
    assert_eq!(model(&format!("{},{leaf}", test(1, 7))), Err(ModelError::Node { tree: 0, node: 7 }));
    assert_eq!(model(&format!("{leaf},{leaf}")), Err(ModelError::Node { tree: 0, node: 1 }));
    assert_eq!(model(""), Err(ModelError::Node { tree: 0, node: 0 }));
    // A vine deeper than is read.
    let vine: Vec<String> = (0..65).map(|i| format!("{},{leaf}", test(2 * i + 2, 2 * i + 1))).collect();
    assert_eq!(model(&format!("{},{leaf}", vine.join(","))), Err(ModelError::Deep(0)));
}

#[test]
fn model_of_a_million_nodes_is_refused_before_it_is_built() {
    let nodes = vec![r#"{"value":0}"#; 1_000_000].join(",");
    let json =
        format!(r#"{{{INPUTS}, "trees": [{{"nodes": [{nodes}]}}], "answer": {{"score": {{"min": 0, "max": 9}}}}}}"#);
    let refused = Model::from_json(&json).unwrap_err();
    assert!(matches!(&refused, ModelError::Json(why) if why.starts_with("over 20000 entries in a list")), "{refused}");
    // Spread over many trees as well.
    let tree = format!(r#"{{"nodes": [{}]}}"#, vec![r#"{"value":0}"#; 1000].join(","));
    let json = format!(
        r#"{{{INPUTS}, "trees": [{}], "answer": {{"score": {{"min": 0, "max": 9}}}}}}"#,
        vec![tree.as_str(); 1000].join(",")
    );
    assert!(matches!(Model::from_json(&json), Err(ModelError::Range(_))));
    assert_eq!(Model::from_json(&" ".repeat(17 << 20)), Err(ModelError::TooLong(17 << 20)));
}

#[test]
fn nan_and_infinity_are_no_numbers_of_a_model() {
    let with = |weight: &str, probability: &str| {
        Model::from_json(&format!(
            r#"{{{INPUTS}, "logistic": {{"scale": 10, "intercept": 0, "weights": {{"a": {weight}}}}},
                "answer": {{"class": {{"names": ["n", "y"], "probability": [{probability}]}}}}}}"#
        ))
    };
    assert!(with("1", "0.5").is_ok());
    for weight in ["NaN", "nan", "Infinity", "1e999", "0.5", "\"NaN\"", "9223372036854775808"] {
        assert!(matches!(with(weight, "0.5"), Err(ModelError::Json(_))), "{weight}");
    }
    for probability in ["NaN", "1e999", "-Infinity"] {
        assert!(matches!(with("1", probability), Err(ModelError::Json(_))), "{probability}");
    }
    for probability in ["0", "1", "-0.5", "1.5"] {
        assert!(matches!(with("1", probability), Err(ModelError::Range(_))), "{probability}");
    }
}

#[test]
fn values_outside_the_declared_domain_are_refused() {
    let (_, plan) = plan(FRAMINGHAM_2008);
    let good = r#"{"sex": 1, "age": 58, "hdl": 44, "cholesterol": 230, "systolic": 142, "treated": true, "smoker": 0, "diabetes": "0"}"#;
    let form = Form::from_json(&plan.form().to_json()).unwrap();
    assert_eq!(&form, plan.form());
    assert_eq!(form.values_from_json(good).unwrap().as_slice(), [1, 58, 44, 230, 142, 1, 0, 0]);
    let change = |from: &str, to: &str| form.values_from_json(&good.replace(from, to)).unwrap_err();
    assert_eq!(change("58", "80"), ValueError::Domain { input: "age".into(), min: 30, max: 79 });
    assert_eq!(
        change("58", "-58").to_string(),
        "`age` is outside its declared bounds, 30 to 79 (in units of its last decimal)"
    );
    assert_eq!(change("58", "58.5"), ValueError::Number { input: "age".into(), decimals: 0 });
    assert_eq!(change("58", "\"fifty\""), ValueError::Number { input: "age".into(), decimals: 0 });
    assert_eq!(
        change("58", "1e400").to_string().split(':').next(),
        Some("not a JSON object with a number for each input")
    );
    assert_eq!(change("\"age\": 58, ", ""), ValueError::Missing("age".into()));
    assert_eq!(change("\"age\"", "\"agee\""), ValueError::Unknown("agee".into()));
    assert_eq!(form.values(vec![0; 7]).unwrap_err(), ValueError::Count { expected: 8, found: 7 });
}

#[test]
fn what_cannot_finish_or_does_not_fit_is_refused_with_the_figure() {
    let plan = |json: &str, limits| Plan::new(&Model::from_json(json).unwrap(), limits);
    let limits = Limits::default();
    // One input too wide to be coded, and two that are looked at together.
    let wide = FRAMINGHAM_2008.replace(r#""max": 400"#, r#""max": 4000"#);
    let PlanError::Domain { inputs, width } = plan(&wide, limits).unwrap_err() else { panic!() };
    assert_eq!((inputs, width), (vec!["sex".to_owned(), "cholesterol".to_owned()], 7802));
    // A score of more bits than a result carries.
    let heavy = format!(
        r#"{{{INPUTS}, "logistic": {{"scale": 1, "intercept": 0, "weights": {{"a": 100000000}}}},
            "answer": {{"score": {{"min": -1000000000, "max": 1000000000}}}}}}"#
    );
    assert_eq!(plan(&heavy, limits).unwrap_err(), PlanError::Width { needed: 31, limit: 23 });
    // Limits of the caller.
    let few = Limits { bootstraps: 2, ..limits };
    assert_eq!(plan(FRAMINGHAM_2008_HIGH_RISK, few).unwrap_err(), PlanError::Bootstraps { found: 3, limit: 2 });
    let fast = Limits { seconds: 0.001, ..limits };
    assert!(matches!(plan(FRAMINGHAM_2008, fast).unwrap_err(), PlanError::Slow { .. }));
    // A path over sixteen inputs that do not fit together.
    let inputs: Vec<String> = (0..16).map(|i| format!(r#"{{"name": "x{i}", "min": 0, "max": 99}}"#)).collect();
    let nodes: Vec<String> = (0..16)
        .map(|i| {
            format!(r#"{{"input": "x{i}", "at_most": 50, "yes": {}, "no": {}}}, {{"value": 0}}"#, 2 * i + 2, 2 * i + 1)
        })
        .collect();
    let json = format!(
        r#"{{"format": "mediveil-model/1", "name": "p", "inputs": [{}], "trees": [{{"nodes": [{}, {{"value": 1}}]}}],
            "answer": {{"score": {{"min": 0, "max": 1}}}}}}"#,
        inputs.join(","),
        nodes.join(",")
    );
    assert_eq!(plan(&json, limits).unwrap_err(), PlanError::Path { tree: 0, found: 16 });
}

#[test]
fn forms_that_do_not_hold_together_are_refused() {
    let (_, plan) = plan(FRAMINGHAM_2008);
    let json = plan.form().to_json();
    let change = |from: &str, to: &str| {
        assert!(json.contains(from), "{json}");
        Form::from_json(&json.replace(from, to)).unwrap_err()
    };
    assert_eq!(change(r#""scale":57"#, r#""scale":62"#), FormError::Scale);
    assert_eq!(change(r#""outputs":1"#, r#""outputs":1000"#), FormError::Scale);
    assert_eq!(change(r#""max":400"#, r#""max":400000"#), FormError::Groups);
    assert_eq!(change(r#""groups":[["#, r#""groups":[[99,"#), FormError::Groups);
    assert!(matches!(change("mediveil-form/1", "mediveil-form/2"), FormError::Json(_)));
    assert!(matches!(change(r#""min":30"#, r#""min":300"#), FormError::Bounds(_)));
}
