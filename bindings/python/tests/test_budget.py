"""The budget on tables of every kind."""

from __future__ import annotations

import io
import pickle
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mediveil as mv

COLUMNS = {
    "id": [f"p{n}" for n in range(400)],
    "hba1c": [4.0 + n % 50 / 10 for n in range(400)],
    "sex": ["female" if n % 4 else "male" for n in range(400)],
    "note": ["same" if n % 2 else f"rare {n}" for n in range(400)],
}


def tables(tmp_path: Path) -> dict[str, Any]:
    frame = pd.DataFrame(COLUMNS)
    frame.to_csv(tmp_path / "table.csv", index=False)
    return {
        "pandas": frame,
        "pandas with Arrow inside": frame.convert_dtypes(dtype_backend="pyarrow"),
        "categories": frame.astype({"sex": "category"}),
        "polars": pl.DataFrame(COLUMNS),
        "lazy": pl.LazyFrame(COLUMNS),
        "Arrow": pa.table(COLUMNS),
        "dict": COLUMNS,
        "arrays": {name: np.array(values) for name, values in COLUMNS.items()},
        "path": tmp_path / "table.csv",
        "text": (tmp_path / "table.csv").read_bytes(),
    }


def test_every_kind_of_table_gives_the_same_answer(tmp_path: Path, schema: mv.Schema) -> None:
    # An enormous epsilon leaves no noise, so that the answers can be compared with the truth.
    log = mv.Log.create(tmp_path / "log")
    truth = sum(COLUMNS["hba1c"]) / 400  # type: ignore[arg-type]
    for n, (name, data) in enumerate(tables(tmp_path).items()):
        budget = mv.Budget.create(log, name, schema, epsilon=2000)
        table = mv.Table(data, schema)
        mean = budget.ask(mv.Query.mean("hba1c"), table, epsilon=1000)
        assert mean.value == pytest.approx(truth, abs=0.001), name
        cells = budget.ask(mv.Query.contingency(["sex"]), table, epsilon=900)
        assert [(e.group, e.value) for e in cells] == [(("female",), 300.0), (("male",), 100.0)], name


def test_missing_values(tmp_path: Path, schema: mv.Schema) -> None:
    frames = [
        pd.DataFrame({"id": ["a", "b", "c"], "hba1c": [5.0, np.nan, 7.0], "sex": ["male", None, "x"], "note": ["", "", ""]}),
        pd.DataFrame({"id": ["a", "b", "c"], "hba1c": pd.array([5, pd.NA, 7]), "sex": ["male", pd.NA, "x"], "note": [""] * 3}),
        pl.DataFrame({"id": ["a", "b", "c"], "hba1c": [5.0, None, 7.0], "sex": ["male", None, "x"], "note": [None] * 3}),
        {"id": ["a", "b", "c"], "hba1c": [Decimal(5), Decimal("NaN"), Decimal(7)], "sex": ["male", None, "x"], "note": [1, 2, 3]},
    ]
    log = mv.Log.create(tmp_path / "log")
    for n, frame in enumerate(frames):
        budget = mv.Budget.create(log, f"set {n}", schema, epsilon=2000)
        table = mv.Table(frame, schema)
        assert budget.ask(mv.Query.sum("hba1c"), table, epsilon=900).value == pytest.approx(12, abs=1)
        known = budget.ask(mv.Query.count(where={"sex": True}), table, epsilon=900)
        assert known.value == 1


def test_what_is_no_table(schema: mv.Schema, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        mv.Table(5, schema)
    with pytest.raises(TypeError):
        mv.Table({"id": "abc", "hba1c": [1], "sex": [""], "note": [""]}, schema)
    with pytest.raises(TypeError):
        mv.Table(np.zeros((3, 3)), schema)
    for wrong in (
        {"id": ["a"]},
        {"id": ["a"], "hba1c": ["high"], "sex": [""], "note": [""]},
        {"id": [None], "hba1c": [5], "sex": [""], "note": [""]},
        {"id": ["a"] * 1001, "hba1c": [5] * 1001, "sex": [""] * 1001, "note": [""] * 1001},
    ):
        with pytest.raises(mv.InvalidError):
            mv.Table(wrong, schema)
    for infinite in (float("inf"), float("-inf")):
        with pytest.raises(ValueError, match="infinite"):
            mv.Table({"id": ["a"], "hba1c": [infinite], "sex": [""], "note": [""]}, schema)
    with pytest.raises(ValueError, match="lengths"):
        mv.Table({"id": ["a", "b"], "hba1c": [5], "sex": [""], "note": [""]}, schema)
    with pytest.raises(FileNotFoundError):
        mv.Table(tmp_path / "nothing.csv", schema)
    # Clamped, not refused: huge and tiny numbers.
    mv.Table({"id": ["a", "b"], "hba1c": [1e300, 1e-300], "sex": ["", ""], "note": ["", ""]}, schema)
    empty: dict[str, list[Any]] = {"id": [], "hba1c": [], "sex": [], "note": []}
    mv.Table(empty, schema)


def test_the_budget_is_kept(budget: mv.Budget, schema: mv.Schema) -> None:
    table = mv.Table(COLUMNS, schema)
    question = mv.Query.mean("hba1c", where={"sex": "female", "hba1c": (3, 15)})
    first = budget.ask(question, table, epsilon="0.4")
    assert budget.remaining == mv.Cost(epsilon=Decimal("0.6"))
    again = budget.ask(question, table, epsilon=Decimal("0.4"))
    assert again == first
    assert budget.remaining == mv.Cost(epsilon=Decimal("0.6"))
    plan = mv.Query.count().plan(schema, epsilon=0.7)
    preview = budget.preview(plan)
    assert preview.refusal is not None
    with pytest.raises(mv.BudgetError):
        budget.ask(plan, table)
    assert budget.remaining == mv.Cost(epsilon=Decimal("0.6"))
    # Caps are rounded down and costs up, so that the last of a decimal budget is never quite reached.
    assert budget.preview(mv.Query.count().plan(schema, epsilon="0.5999")).refusal is None
    budget.ask(mv.Query.count(), table, epsilon="0.5999")
    assert budget.audit() == {"debits": 2, "answered": 2, "findings": []}
    assert pickle.loads(pickle.dumps(first)) == first
    assert list(first.to_pandas().columns) == ["group", "value", "low", "high"]
    assert first.to_polars().height == 1
    for html in (budget._repr_html_(), first._repr_html_(), preview._repr_html_(), plan._repr_html_()):
        assert html.startswith("<table>")


def test_groups_and_quantiles(tmp_path: Path, schema: mv.Schema) -> None:
    budget = mv.Budget.create(tmp_path / "log", bytes(32), schema, rho=500, delta="0.000001")
    table = mv.Table(COLUMNS, schema)
    median = budget.ask(mv.Query.quantile("hba1c", 1, 2, candidates=[5, "6.5", 8]), table, rho=100)
    assert (median.value, median.rank_error is not None) == (6.5, True)
    shown = budget.ask(mv.Query.groups(["note"], delta="0.0000001"), table, rho=100)
    assert [e.group for e in shown] == [("same",)]
    with pytest.raises(ValueError, match="2 figures"):
        budget.ask(mv.Query.contingency(["sex"]), table, rho=100).value
    assert budget.spent is not None and budget.spent.rho == 300


def test_quotas(budget: mv.Budget, schema: mv.Schema) -> None:
    table = mv.Table(COLUMNS, schema)
    budget.set_quota("researcher", "ann", epsilon="0.1")
    with pytest.raises(mv.BudgetError):
        budget.ask(mv.Query.count().plan(schema, epsilon="0.2", researcher="ann"), table)
    with pytest.raises(mv.BudgetError):
        budget.ask(mv.Query.count().plan(schema, epsilon="0.1"), table)
    budget.ask(mv.Query.count().plan(schema, epsilon="0.0999", researcher="ann"), table)
    with pytest.raises(mv.InvalidError):
        budget.set_quota("cat", "ann", epsilon=1)


@pytest.mark.parametrize("amount", [0, -1, "nan", float("nan"), float("inf"), Decimal("NaN"), "1e3", "", 10**40])
def test_amounts_that_cannot_be(schema: mv.Schema, tmp_path: Path, amount: Any) -> None:
    with pytest.raises(mv.InvalidError):
        mv.Query.count().plan(schema, epsilon=amount)
    with pytest.raises(mv.InvalidError):
        mv.Budget.create(tmp_path / "log", "x", schema, epsilon=amount)


@pytest.mark.parametrize("amount", [True, b"1", [1], object()])
def test_amounts_of_the_wrong_type(schema: mv.Schema, amount: Any) -> None:
    with pytest.raises(TypeError):
        mv.Query.count().plan(schema, epsilon=amount)


def test_questions_that_cannot_be(schema: mv.Schema, budget: mv.Budget) -> None:
    for query in (
        mv.Query.mean("nothing"),
        mv.Query.mean("sex"),
        mv.Query.mean("note"),
        mv.Query.quantile("hba1c", 3, 2),
        mv.Query.histogram("hba1c", [7, 5]),
        mv.Query.contingency([]),
    ):
        with pytest.raises(mv.InvalidError):
            query.plan(schema, epsilon=1)
    with pytest.raises(TypeError):
        mv.Query.count().plan(schema)
    with pytest.raises(TypeError):
        mv.Query.count().plan(schema, epsilon=1, rho=1)
    for where in ({"sex": 5}, {"hba1c": (1, 2, 3)}, {"sex": None}):
        with pytest.raises(TypeError):
            mv.Query.count(where=where)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        mv.Query.quantile("hba1c", -1, 2**40)
    with pytest.raises(mv.InvalidError):
        mv.Query.from_json("{")
    table = mv.Table(COLUMNS, schema)
    with pytest.raises(TypeError):
        budget.ask("how many?", table, epsilon=1)  # type: ignore[arg-type]
    other = mv.Schema("id", {"hba1c": (3, 20, 1)}, max_rows=1000)
    with pytest.raises(mv.InvalidError):
        budget.ask(mv.Query.count().plan(other, epsilon=1), table)
    assert budget.spent == mv.Cost(epsilon=Decimal(0))


def test_schemas_that_cannot_be() -> None:
    for columns in ({"a": (5, 3)}, {"id": (1, 2)}, {"a": ["x", "x"]}, {"a": (0, 1, 40)}, {"a": []}):
        with pytest.raises(mv.InvalidError):
            mv.Schema("id", columns, max_rows=10)
    for kind in ((1,), "female", int, 5):
        with pytest.raises(TypeError):
            mv.Schema("id", {"a": kind}, max_rows=10)  # type: ignore[dict-item]
    for rows in (0, 2**50):
        with pytest.raises(mv.InvalidError):
            mv.Schema("id", {}, max_rows=rows)
    with pytest.raises(OverflowError):
        mv.Schema("id", {}, max_rows=-1)


def test_budgets_are_for_life_and_closed_ones_closed(budget: mv.Budget, schema: mv.Schema, tmp_path: Path) -> None:
    with pytest.raises(mv.ExistsError):
        mv.Budget.create(tmp_path / "study.log", "diabetes", schema, epsilon=5)
    with pytest.raises(mv.NotFoundError):
        mv.Budget.open(tmp_path / "study.log", "another")
    with pytest.raises(mv.NotFoundError):
        mv.Budget.open(tmp_path / "nothing.log", "diabetes")
    assert not (tmp_path / "nothing.log").exists()
    with mv.Budget.open(tmp_path / "study.log", "diabetes") as again:
        assert again.cap == budget.cap
    with pytest.raises(mv.StateError):
        _ = again.remaining
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(budget)


def test_threads_cannot_overspend(budget: mv.Budget, schema: mv.Schema) -> None:
    table, refused = mv.Table(COLUMNS, schema), []

    def ask(n: int) -> None:
        try:
            budget.ask(mv.Query.count(where={"hba1c": (3, f"{4 + n}")}), table, epsilon="0.3")
        except mv.BudgetError:
            refused.append(n)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 5
    assert budget.remaining == mv.Cost(epsilon=Decimal("0.1"))


def test_the_sample_cohort_reads(tmp_path: Path) -> None:
    frame = pd.read_csv(io.StringIO(mv.sample_cohort(200, seed=7)))
    schema = mv.Schema("patient_id", {"hba1c": (3, 20, 1), "sex": ["female", "male"], "bmi": (10, 80, 1)}, max_rows=200)
    budget = mv.Budget.create(tmp_path / "log", "sample", schema, epsilon=2000)
    bmi = budget.ask(mv.Query.mean("bmi"), mv.Table(frame, schema), epsilon=1000)
    assert bmi.value == pytest.approx(frame["bmi"].mean(), abs=0.01)


def test_a_table_has_a_declared_schema(budget: mv.Budget, schema: mv.Schema) -> None:
    assert budget.knows_schema(schema)
    # A later version of the data with wider bounds.
    wider = mv.Schema("id", {"hba1c": (0, 40, 1)}, max_rows=1000)
    assert not budget.knows_schema(wider)
    table = mv.Table({"id": ["a", "b"], "hba1c": [6, 7]}, wider)
    with pytest.raises(mv.InvalidError, match="declare_schema"):
        budget.ask(mv.Query.count(), table, epsilon="0.1")
    assert budget.spent is not None and budget.spent.epsilon == 0
    budget.declare_schema(wider)
    budget.declare_schema(wider)
    assert budget.knows_schema(wider)
    budget.ask(mv.Query.count(), table, epsilon="0.1", version=2)
    with pytest.raises(mv.InvalidError):
        budget.declare_schema(mv.Schema("id", {"hba1c": (3, 20, 1)}, max_rows=1000, rows_per_patient=3))
    assert budget.audit()["findings"] == []
