"""Models in the clear and on encrypted values: from files and from scikit-learn, and everything that must be refused."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import mediveil as mv

ADA = {"sex": 1, "age": 53, "hdl": 50, "cholesterol": 161, "systolic": 146, "treated": True, "smoker": True, "diabetes": False}


@pytest.fixture(scope="module")
def keys() -> tuple[mv.PatientKey, mv.EvaluationKey]:
    return mv.PatientKey.generate()


def data(count: int, seed: int = 5) -> tuple[Any, Any]:
    """Ages 20 to 49 and values 3.0 to 6.9, with classes that depend on both."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.integers(20, 50, count), rng.integers(30, 70, count) / 10])
    return x, (x[:, 0] / 10 + x[:, 1] + rng.normal(0, 0.4, count) > 8.4).astype(int)


INPUTS: dict[str, Any] = {"age": (20, 49), "hba1c": (3, "6.9", 1)}
DOMAIN = [(age, units / 10) for age, units in itertools.product(range(20, 50), range(30, 70))]


def named(row: tuple[float, float]) -> dict[str, Any]:
    return {"age": int(row[0]), "hba1c": float(row[1])}


def test_the_published_score_is_scored_unseen(tmp_path: Path, keys: tuple[mv.PatientKey, mv.EvaluationKey]) -> None:
    key, evaluation = keys
    for name, expected in (("framingham-2008", 16), ("framingham-2008-high-risk", "20 % or more")):
        model = mv.Model.published(name)
        assert model.answer(ADA) == expected
        model.plan().form.save(tmp_path / "form")
        key.encrypt(mv.ModelForm.load(tmp_path / "form"), ADA).save(tmp_path / "inputs")
        [result] = mv.score(model.plan(), [mv.EncryptedInputs.load(tmp_path / "inputs")], key=evaluation)
        result.save(tmp_path / "result")
        form = mv.ModelForm.load(tmp_path / "form")
        assert key.decrypt(form, mv.EncryptedResult.load(tmp_path / "result")) == expected


def test_a_tree_answers_as_scikit_learn_does_on_its_whole_domain() -> None:
    x, y = data(400)
    tree = DecisionTreeClassifier(max_depth=6, random_state=1).fit(x, y)
    model = mv.Model.from_sklearn(tree, INPUTS)
    predicted = [str(c) for c in tree.predict(np.array(DOMAIN))]
    assert [model.answer(named(row)) for row in DOMAIN] == predicted
    assert len(set(predicted)) == 2
    # Thresholds between two values in single precision, where the sum of halves is not what it seems.
    edges = DecisionTreeRegressor(random_state=2).fit(x, x[:, 1])
    model = mv.Model.from_sklearn(edges, INPUTS, scale=10)
    rows = np.array(DOMAIN)
    assert [model.answer(named(row)) for row in DOMAIN] == [round(v * 10) for v in edges.predict(rows)]


def test_forests_and_logistic_scores_answer_as_scikit_learn_does() -> None:
    x, y = data(300)
    rows = np.array(DOMAIN)
    forest = RandomForestClassifier(n_estimators=7, max_depth=4, random_state=1).fit(x, y)
    model = mv.Model.from_sklearn(forest, INPUTS, scale=100_000)
    near = np.abs(forest.predict_proba(rows)[:, 1] - 0.5) < 1e-4
    answers = np.array([model.answer(named(row)) for row in DOMAIN])
    assert (answers == forest.predict(rows).astype(str))[~near].all()
    logistic = LogisticRegression().fit(x, y)
    for threshold in (0.5, 0.2):
        model = mv.Model.from_sklearn(logistic, INPUTS, threshold=threshold, scale=1_000_000)
        chance = logistic.predict_proba(rows)[:, 1]
        expected = np.where(chance >= threshold, "1", "0")
        answers = np.array([model.answer(named(row)) for row in DOMAIN])
        assert (answers == expected)[np.abs(chance - threshold) > 1e-4].all()
        assert set(answers) == {"0", "1"}
    trees = ExtraTreesRegressor(n_estimators=3, max_depth=3, random_state=1).fit(x, x[:, 0])
    model = mv.Model.from_sklearn(trees, INPUTS, scale=10)
    worst = max(abs(model.score(named(row)) / 30 - float(trees.predict([list(row)])[0])) for row in DOMAIN[::97])
    assert worst <= 0.05 + 1e-9


def test_a_tree_of_scikit_learn_is_exact_on_encrypted_values(keys: tuple[mv.PatientKey, mv.EvaluationKey]) -> None:
    key, evaluation = keys
    x, y = data(200)
    tree = DecisionTreeClassifier(max_depth=4, random_state=3).fit(x, y)
    plan = mv.Model.from_sklearn(tree, INPUTS).plan()
    rows = DOMAIN[:: len(DOMAIN) // 11]
    calls: list[int] = []
    results = mv.score(plan, [key.encrypt(plan.form, named(r)) for r in rows], key=evaluation, progress=calls.append)
    answers = [key.decrypt(plan.form, result) for result in results]
    assert answers == [str(c) for c in tree.predict(np.array(rows))]
    assert sum(calls) == plan.bootstraps * len(rows)
    assert plan.bootstraps > 0 < plan.seconds(cores=1)


def test_what_stops_the_progress_stops_the_work(keys: tuple[mv.PatientKey, mv.EvaluationKey]) -> None:
    key, evaluation = keys
    plan = mv.Model.published("framingham-2008-high-risk").plan()

    def stop(_: int) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        mv.score(plan, [key.encrypt(plan.form, ADA)] * 8, key=evaluation, progress=stop)


def test_values_outside_the_domain_are_refused(keys: tuple[mv.PatientKey, mv.EvaluationKey]) -> None:
    model = mv.Model.published("framingham-2008")
    form = model.plan().form
    wrong: dict[str, Any] = {
        "outside": {**ADA, "age": 93},
        "no value": {name: value for name, value in ADA.items() if name != "hdl"},
        "no input": {**ADA, "height": 180},
        "decimals": {**ADA, "age": 53.5},
        "not a number": {**ADA, "age": float("nan")},
        "`age` is not": {**ADA, "age": float("inf")},
    }
    for said, values in wrong.items():
        with pytest.raises(mv.InvalidError, match=said):
            model.answer(values)
        with pytest.raises(mv.InvalidError, match=said):
            keys[0].encrypt(form, values)
    assert model.answer({**ADA, "age": np.int64(53), "hdl": 50.0, "smoker": np.bool_(True)}) == 16


def test_files_that_are_no_model_are_refused() -> None:
    good: dict[str, Any] = json.loads(mv.Model.published("framingham-2008").to_json())
    leaf = {"value": 1}
    test = {"input": "a", "at_most": 0, "yes": 0, "no": 1}

    def tree(nodes: list[dict[str, Any]]) -> str:
        inputs = [{"name": "a", "min": 0, "max": 1}]
        answer = {"score": {"min": 0, "max": 1}}
        return json.dumps({"format": good["format"], "name": "t", "inputs": inputs, "trees": [{"nodes": nodes}], "answer": answer})

    for text in ("", "{}", "[1]", tree([test, leaf]), tree([leaf] * 1_000_000), json.dumps({**good, "extra": 1})):
        with pytest.raises(mv.DamagedError):
            mv.Model.from_json(text)
    with pytest.raises(mv.DamagedError):
        mv.Model.from_json(json.dumps({**good, "points": {"base": float("nan"), "terms": []}}))
    with pytest.raises(mv.NotFoundError):
        mv.Model.published("framingham-1998")
    narrow = mv.Model.from_json(json.dumps({**good, "answer": {"score": {"min": 0, "max": 20}}}))
    with pytest.raises(mv.RefusedError, match="the score can be -5 to 33"):
        narrow.plan()
    with pytest.raises(mv.RefusedError, match="over the limit"):
        mv.Model.published("framingham-2008-high-risk").plan(max_bootstraps=1)


def test_estimators_that_do_not_fit_are_refused() -> None:
    x, y = data(60)
    tree = DecisionTreeClassifier(max_depth=2).fit(x, y)
    three = RandomForestClassifier(n_estimators=2, max_depth=1).fit(x, np.arange(60) % 3)
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (LinearRegression().fit(x, y), INPUTS, "is none of"),
        (DecisionTreeClassifier(), INPUTS, "fit it first"),
        (tree, {"age": (20, 49)}, "1 inputs for an estimator of 2"),
        (tree, {"age": (20, 49), "hba1c": (3, 7, 1, 2)}, "bounds are"),
        (tree, {"age": (20, 49), "hba1c": ("3.05", 7, 1)}, "more than 1 decimals"),
        (three, INPUTS, "3 classes"),
    ]
    for estimator, inputs, said in cases:
        with pytest.raises(mv.InvalidError, match=said):
            mv.Model.from_sklearn(estimator, inputs)


def test_foreign_and_damaged_keys_and_ciphertexts_are_refused(keys: tuple[mv.PatientKey, mv.EvaluationKey]) -> None:
    key, evaluation = keys
    other, other_evaluation = mv.PatientKey.generate()
    plan = mv.Model.published("framingham-2008").plan()
    high = mv.Model.published("framingham-2008-high-risk").plan()
    inputs = key.encrypt(plan.form, ADA)
    with pytest.raises(mv.NoKeyError, match="belongs to key"):
        mv.score(plan, [inputs], key=other_evaluation)
    with pytest.raises(mv.RefusedError, match="another form"):
        mv.score(high, [inputs], key=evaluation)
    [result] = mv.score(plan, [inputs], key=evaluation)
    with pytest.raises(mv.NoKeyError):
        other.decrypt(plan.form, result)
    with pytest.raises(mv.RefusedError):
        key.decrypt(high.form, result)
    public: list[tuple[Any, bytes]] = [
        (mv.EncryptedInputs, inputs.to_bytes()),
        (mv.EncryptedResult, result.to_bytes()),
        (mv.EvaluationKey, evaluation.to_bytes()),
    ]
    for kind, whole in public:
        for cut in (b"", whole[: len(whole) // 2], whole[:-1], whole + b"x"):
            with pytest.raises(mv.DamagedError):
                kind.from_bytes(cut)
    # Another key's bytes under the same length: a key by name, and none that computes.
    changed = bytearray(evaluation.to_bytes())
    changed[40] ^= 0x55
    with pytest.raises((mv.DamagedError, mv.NoKeyError)):
        mv.score(plan, [inputs], key=mv.EvaluationKey.from_bytes(bytes(changed)))


def test_what_is_public_travels_and_what_is_secret_stays(tmp_path: Path, keys: tuple[mv.PatientKey, mv.EvaluationKey]) -> None:
    key, evaluation = keys
    model = mv.Model.published("framingham-2008")
    form = model.plan().form
    inputs = key.encrypt(form, ADA)
    for it in (model, form, inputs):
        again = pickle.loads(pickle.dumps(it))
        assert again == it and hash(again) == hash(it)
    model.save(tmp_path / "model.json")
    assert mv.Model.load(tmp_path / "model.json") == model
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)
    key.save(tmp_path / "ada.key")
    with pytest.raises(mv.ExistsError):
        key.save(tmp_path / "ada.key")
    assert mv.PatientKey.load(tmp_path / "ada.key").id == key.id == evaluation.id
    assert repr(key) == "<PatientKey, secret>"
    (tmp_path / "cut.key").write_bytes((tmp_path / "ada.key").read_bytes()[:-20])
    with pytest.raises(mv.DamagedError):
        mv.PatientKey.load(tmp_path / "cut.key")
