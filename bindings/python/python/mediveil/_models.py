"""Model files from fitted estimators of scikit-learn, and values for models, as JSON text."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ._errors import InvalidError
from ._tables import _cell

_BOUNDS = "bounds are (smallest, largest) or (smallest, largest, decimals)"


def values_json(values: Mapping[str, Any]) -> str:
    """Values by name as a JSON object of decimal numbers.

    >>> values_json({"age": 53, "smoker": True, "hba1c": 6.4})
    '{"age": "53", "smoker": "1", "hba1c": "6.4"}'
    """

    def text(value: Any) -> str:
        if hasattr(value, "item"):  # a numpy scalar
            value = value.item()
        if isinstance(value, bool):
            return str(int(value))
        if isinstance(value, float) and math.isinf(value):
            return "inf"
        return _cell(value)

    return json.dumps({str(name): text(value) for name, value in values.items()})


def _inputs(inputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    found = []
    for name, bounds in inputs.items():
        if isinstance(bounds, str) or len(bounds) not in (2, 3):
            raise InvalidError(f"{name}: {_BOUNDS}")
        decimals = bounds[2] if len(bounds) == 3 else 0
        if not isinstance(decimals, int) or not 0 <= decimals <= 9:
            raise InvalidError(f"{name}: there are 0 to 9 decimals")
        units = []
        for bound in bounds[:2]:
            exact = Decimal(_cell(bound)).scaleb(decimals)
            if exact != exact.to_integral_value():
                raise InvalidError(f"{name}: a bound has more than {decimals} decimals")
            units.append(int(exact))
        found.append({"name": name, "min": units[0], "max": units[1], "decimals": decimals})
    return found


def _single(value: float) -> float:
    """A number as scikit-learn's trees see it: in single precision."""
    found: float = struct.unpack("f", struct.pack("f", value))[0]
    return found


def _at_most(spec: dict[str, Any], threshold: float) -> int:
    """The largest value within the bounds, in units, that passes the test of a tree; one below the smallest if none does."""
    low, high = spec["min"] - 1, spec["max"]
    while low < high:
        middle = (low + high + 1) // 2
        if _single(middle / 10 ** spec["decimals"]) <= threshold:
            low = middle
        else:
            high = middle - 1
    return int(low)


def _nodes(tree: Any, inputs: list[dict[str, Any]], leaf: Callable[[Any], int]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    for at in range(tree.node_count):
        yes, no = int(tree.children_left[at]), int(tree.children_right[at])
        if yes == no:  # both are -1
            nodes.append({"value": leaf(tree.value[at])})
        else:
            spec = inputs[int(tree.feature[at])]
            threshold = _at_most(spec, float(tree.threshold[at]))
            nodes.append({"input": spec["name"], "at_most": threshold, "yes": yes, "no": no})
    return nodes


def _leaves(nodes: list[dict[str, Any]]) -> list[int]:
    return [node["value"] for node in nodes if "value" in node]


def _two_classes(estimator: Any, kind: str) -> list[str]:
    names = [str(name) for name in estimator.classes_]
    if len(names) != 2:
        raise InvalidError(f"{kind} of {len(names)} classes is not compiled: only of two")
    return names


def _from_trees(estimator: Any, kind: str, inputs: list[dict[str, Any]], scale: int) -> dict[str, Any]:
    if getattr(estimator, "n_outputs_", 1) != 1:
        raise InvalidError("an estimator of several outputs is not compiled")
    trees = [estimator.tree_] if hasattr(estimator, "tree_") else [part.tree_ for part in estimator.estimators_]
    if "Regressor" in kind:
        parts = [_nodes(tree, inputs, lambda value: round(float(value[0][0]) * scale)) for tree in trees]
        ends = [(min(_leaves(nodes)), max(_leaves(nodes))) for nodes in parts]
        answer: dict[str, Any] = {"score": {"min": sum(e[0] for e in ends), "max": sum(e[1] for e in ends)}}
    elif len(trees) == 1:
        names = [str(name) for name in estimator.classes_]
        # The first of the most common classes, as predict() chooses.
        first = [_nodes(trees[0], inputs, lambda value: max(range(len(names)), key=lambda c: float(value[0][c])))]
        if len(names) < 2:
            raise InvalidError("the estimator knows one class only")
        return {"trees": [{"nodes": n} for n in first], "answer": _classes(names, list(range(1, len(names))))}
    else:
        names = _two_classes(estimator, "a forest")

        def share(value: Any) -> int:
            counts = [float(count) for count in value[0]]
            return round(scale * counts[1] / sum(counts))

        parts = [_nodes(tree, inputs, share) for tree in trees]
        # More than half of what there can be; an even split is the first class.
        answer = _classes(names, [scale * len(trees) // 2 + 1])
    return {"trees": [{"nodes": nodes} for nodes in parts], "answer": answer}


def _classes(names: list[str], cuts: list[int]) -> dict[str, Any]:
    return {"class": {"names": names, "from": cuts}}


def _from_logistic(estimator: Any, inputs: list[dict[str, Any]], scale: int, threshold: float) -> dict[str, Any]:
    names = _two_classes(estimator, "a logistic score")
    [coefficients] = estimator.coef_
    weights = {
        spec["name"]: round(float(weight) * scale / 10 ** spec["decimals"])
        for spec, weight in zip(inputs, coefficients, strict=True)
    }
    rule = {"scale": scale, "intercept": round(float(estimator.intercept_[0]) * scale), "weights": weights}
    return {"logistic": rule, "answer": {"class": {"names": names, "probability": [threshold]}}}


def from_sklearn(
    estimator: Any,
    inputs: Mapping[str, Sequence[Any]],
    name: str,
    source: str,
    scale: int | None,
    threshold: float,
) -> str:
    """The model file of a fitted estimator; `Model.from_sklearn` says which, and how exact.

    >>> from sklearn.tree import DecisionTreeRegressor
    >>> stump = DecisionTreeRegressor().fit([[1], [5]], [0.5, 2])
    >>> from_sklearn(stump, {"x": (0, 9)}, "stump", "", 10, 0.5)[-61:]
    '{"value": 20}]}], "answer": {"score": {"min": 5, "max": 20}}}'
    """
    kind = type(estimator).__name__
    specs = _inputs(inputs)
    features = getattr(estimator, "n_features_in_", None)
    if features is None:
        raise InvalidError(f"{kind}: fit it first")
    if features != len(specs):
        raise InvalidError(f"{len(specs)} inputs for an estimator of {features} features")
    if scale is not None and not 1 <= scale <= 1_000_000:
        raise InvalidError("the scale is 1 to 1,000,000")
    if kind in ("LogisticRegression", "LogisticRegressionCV"):
        rule = _from_logistic(estimator, specs, scale or 10_000, threshold)
    elif kind.startswith(("DecisionTree", "ExtraTree", "RandomForest")) and kind.endswith(("Classifier", "Regressor")):
        rule = _from_trees(estimator, kind, specs, scale or 100)
    else:
        raise InvalidError(f"{kind} is none of: a decision tree, a random forest, extra trees, a logistic regression")
    return json.dumps({"format": "mediveil-model/1", "name": name, "source": source, "inputs": specs, **rule})
