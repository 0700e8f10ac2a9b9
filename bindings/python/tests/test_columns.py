"""Columns that a study takes as they lie in memory mean what they would mean as CSV."""

from __future__ import annotations

import array
import csv
import io
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mediveil as mv
from mediveil._native import _rows
from mediveil._tables import _cell, _values, columns

SCHEMA = mv.StudySchema(
    "id",
    {
        "hba1c": (-5, 20, 1),
        "fine": {"low": -1, "high": 1, "scale": 9},
        "steps": {"low": -(2**53), "high": 2**53, "required": True},
        "group": ["1", "2.5", "true", "a", "-0", "b\"c,\n"],
        "smoker": bool,
    },
    max_rows=9,
    rows_per_patient=2,
)
FIELDS = ["id", *SCHEMA.columns]


def as_csv(table: dict[str, Any]) -> bytes:
    """What the column's library says of its values, as text."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(table)
    cells = [[_cell(value, whole=True) for value in _values(column, name)] for name, column in table.items()]
    writer.writerows(zip(*cells, strict=True))
    return out.getvalue().encode()


def outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:  # noqa: BLE001
        return type(error), str(error)


INTEGERS = ["i1", "i2", "i4", "i8", ">i8", "u1", "u2", "u4", "u8", ">u4"]
NUMBERS: dict[str, list[Any]] = {
    "hba1c": [5, 6.4, 6.45, math.nextafter(6.45, 0), -4.95, 20, 0.05, 0.25, -0.0, 7.0, 1e-300],
    "fine": [0.1234567895, 1e-10, -1.0, 0.5e-9, 1.5e-9, 0.3],
    "steps": [0, 2**53, 2**53 - 1, -7, 2.5, 0.49999999999999994, 2**52 + 0.5],
    "group": [1, 2.5, 1.0],
    "smoker": [0, 1, 1.0, 0.0],
    "id": [1, 2, 3.5, 4, 1e17, 123456789012],
}
ODD = [-0.0, 21, 2**62, 2**53 + 2, -1e9, 2**63 - 1, -(2**63), 1e300, math.nan, math.inf, 0.5, 3]


def numpy_array(chance: random.Random, values: list[Any]) -> Any:
    """An array of them in some type that takes them, perhaps strided, backwards, read-only or masked."""
    for kind in chance.sample([*INTEGERS, "f2", "f4", "f8", ">f8", "g", "O"], 15):
        if kind in INTEGERS:
            info = np.iinfo(kind)
            if not all(math.isfinite(v) and v == int(v) and info.min <= int(v) <= info.max for v in values):
                continue
            made = np.array([int(v) for v in values], dtype=kind)
        else:
            with np.errstate(over="ignore"):
                made = np.array(values, dtype=kind)
        break
    else:
        made = np.array(values, dtype="f8")
    match chance.randrange(6):
        case 0:
            wide = np.zeros((len(values), 3), dtype=made.dtype)
            wide[:, 1] = made
            made = wide[:, 1]
        case 1:
            made = made[::-1].copy()[::-1]
        case 4:
            packed = np.zeros(len(values), dtype=[("odd", "u1"), ("x", made.dtype)])
            packed["x"] = made
            made = packed["x"]
        case 2:
            made.setflags(write=False)
        case 3:
            made = np.ma.array(made, mask=[chance.random() < 0.2 for _ in values])
    return made


def column(chance: random.Random, name: str, rows: int) -> Any:
    """A column in a form and of values that are mostly allowed."""
    values: list[Any] = [chance.choice(ODD if chance.random() < 0.03 else NUMBERS[name]) for _ in range(rows)]
    holes: list[Any] = [None if chance.random() < 0.1 else value for value in values]
    floats = [None if value is None else float(value) for value in holes]
    whole = all(v is None or (math.isfinite(v) and v == int(v) and abs(v) < 2**63) for v in holes)
    integers = [None if v is None else int(v) for v in holes] if whole else []
    flags = [None if v is None else bool(v) for v in holes]
    texts = [None if v is None else chance.choice([str(v), f" {v}", "a", "", "true"]) for v in holes]
    if chance.random() < 0.5:
        return numpy_array(chance, values)
    forms: list[Callable[[], Any]] = [
        lambda: holes,
        lambda: pd.Series(holes),
        lambda: pd.Series(holes, dtype="category"),
        lambda: pd.Series(texts, dtype="category"),
        lambda: pd.Series(texts),
        lambda: pd.Series(floats, dtype="Float64"),
        lambda: pd.Series(floats, dtype="double[pyarrow]"),
        lambda: pl.Series(floats, dtype=pl.Float64, strict=False),
        lambda: pl.Series([None if v is None else v / 2 for v in floats], dtype=pl.Float32),
        lambda: pl.Series(texts),
        lambda: pl.Series(texts, dtype=pl.Categorical),
        lambda: pl.Series(flags),
        lambda: pd.Series(flags, dtype="boolean"),
        lambda: pd.Series(flags, dtype="bool[pyarrow]"),
        lambda: pa.array(floats, pa.float64()),
        lambda: pa.array(floats, pa.float32()),
        lambda: pa.array(flags, pa.bool_()),
        lambda: pa.array(texts),
        lambda: pa.chunked_array([pa.array(texts[:2]).dictionary_encode(), pa.array(texts[2:]).dictionary_encode()])
        if rows > 3 and any(texts[:2]) and any(texts[2:])
        else pa.array(texts).dictionary_encode(),
        lambda: pa.chunked_array([pa.array(floats[:2], pa.float64()), pa.array(floats[2:], pa.float64())]),
        lambda: array.array("d", [math.nan if v is None else v for v in floats]),
        lambda: memoryview(array.array("d", [math.nan if v is None else v for v in floats]))[::-1],
    ]
    if whole:
        forms += [
            lambda: pd.Series(integers, dtype="Int64"),
            lambda: pd.Series(integers, dtype="int64[pyarrow]"),
            lambda: pl.Series(integers, dtype=pl.Int64),
            lambda: pa.array(integers, pa.int64()),
            lambda: array.array("q", [v or 0 for v in integers]),
        ]
    return chance.choice(forms)()


@pytest.mark.parametrize("seed", range(8))
def test_a_random_table_is_read_as_its_csv_is(seed: int) -> None:
    chance, accepted, refused = random.Random(seed), 0, set()
    for _ in range(120):
        # Few rows are often accepted and many name the first of several faults.
        rows = chance.choice([0, 1, 1, 2, 3, 4, 11])
        schema = SCHEMA
        if chance.random() < 0.6:
            name = chance.choice(SCHEMA.columns)
            table = {"id": [str(n) for n in range(rows)], name: column(chance, name, rows)}
            kinds = {"hba1c": (-5, 20, 1), "fine": {"low": -1, "high": 1, "scale": 9}, "steps": (-(2**53), 2**53),
                     "group": ["1", "2.5", "true", "a", "-0"], "smoker": bool}
            schema = mv.StudySchema("id", {name: kinds[name]}, max_rows=9)
        else:
            table = {name: column(chance, name, rows) for name in FIELDS}
        expected = outcome(lambda: _rows(as_csv(table), schema))
        assert outcome(lambda: _rows(table, schema)) == expected, table
        if isinstance(expected, list):
            accepted += 1
        else:
            refused.add(expected[1].partition(": ")[2] or expected[1])
    assert accepted > 30 and len(refused) > 4


def test_numbers_flags_and_categories_stay_in_memory() -> None:
    held = {
        "n": np.arange(6, dtype=">i2")[::2],
        "m": np.ma.array([1.5, 2.5, 3.5], mask=[0, 1, 0]),
        "f": np.array([True, False, True]),
        "c": pd.Series(["x", None, "x"], dtype="category"),
        "p": pd.Series([1, None, 3], dtype="Int64"),
        "l": pl.Series([True, None, False]),
        "d": pl.Series(["x", None, "x"], dtype=pl.Categorical),
        "a": pa.chunked_array([[1.5], [None, 2.5]]),
        "e": pa.array(["x", None, "x"]).dictionary_encode(),
        "b": array.array("h", [1, 2, 3]),
        "v": memoryview(array.array("f", [1, 2, 3])),
        "t": ["x", None, 1.0],
        "u": np.array([1, 2, 2**64 - 1], dtype="u8"),
        "g": np.array([1, 2, 3], dtype="g"),
    }
    found = {name: kind for name, kind, _, _ in columns(held, list(held))}
    kinds = {"integers": "npb", "floats": "mavg", "flags": "fl", "codes": "cde", "texts": "tu"}
    assert found == {name: kind for kind, names in kinds.items() for name in names}


def one(name: str, value: Any, kind: Any = (0, 100)) -> Any:
    return _rows({"id": np.arange(len(value)), name: value}, mv.StudySchema("id", {name: kind}, max_rows=9))


def test_what_cannot_be_is_refused() -> None:
    assert one("x", np.array([1.0, math.nan])) == [[1, None]]
    assert one("x", np.array([], dtype="f8")) == [[]]
    for infinite in (math.inf, -math.inf):
        with pytest.raises(ValueError, match="infinite"):
            one("x", np.array([1.0, infinite]))
        # What is masked is not there.
        assert one("x", np.ma.array([1.0, infinite], mask=[False, True])) == [[1, None]]
    for outside in (np.array([2**64 - 1], dtype="u8"), np.array([-(2**63)]), np.array([1e300]), [10**30], np.array([100.6])):
        with pytest.raises(mv.InvalidError, match="row 1, column \"x\": the value is outside"):
            one("x", outside)
    for wrong in (np.array([1 + 2j]), np.array(["much"]), np.array([b"1"]), np.array([True]), np.array([(1, 2)], dtype="i4,i4")):
        with pytest.raises(mv.InvalidError, match="decimal"):
            one("x", wrong)
    with pytest.raises(mv.InvalidError, match="a flag is 0 or 1"):
        one("x", np.array([1.0, 0.5]), bool)
    with pytest.raises(mv.InvalidError, match="row 2, .* missing"):
        one("x", np.array([1.0, math.nan]), {"low": 0, "high": 1, "required": True})
    with pytest.raises(mv.InvalidError, match="row 2, .* none of the declared"):
        one("x", pd.Series(["a", "b"], dtype="category"), ["a"])
    with pytest.raises(mv.InvalidError, match="more than the 9 rows"):
        one("x", np.zeros(10))
    schema = mv.StudySchema("id", {"x": (0, 1)}, max_rows=9)
    for short in (np.zeros(3), [0.0], pd.Series(["a"] * 3, dtype="category")):
        with pytest.raises(ValueError, match="different lengths"):
            _rows({"id": np.arange(2), "x": short}, schema)
    with pytest.raises(mv.InvalidError, match="no column \"x\""):
        _rows({"id": np.arange(2), "y": np.zeros(2)}, schema)
    with pytest.raises(mv.InvalidError, match="row 3: one patient"):
        _rows({"id": np.array([1, 2, 1]), "x": np.zeros(3)}, schema)
    for table in (np.zeros((2, 2)), 7, None):
        with pytest.raises((TypeError, mv.InvalidError)):
            _rows(table, schema)
    with pytest.raises((TypeError, ValueError, mv.InvalidError)):
        _rows({"id": np.arange(2), "x": np.zeros((2, 2))}, schema)
    with pytest.raises(TypeError):
        _rows({"id": np.arange(2), "x": np.float64(1)}, schema)


def test_memory_is_left_as_it_is(tmp_path: Path) -> None:
    numbers = np.array([1.25, math.nan, 3.0])
    numbers.setflags(write=False)
    before = numbers.tobytes()
    assert one("x", numbers, (0, 9, 1)) == [[13, None, 30]]
    frame = pd.DataFrame({"id": [1, 2, 3], "x": numbers})
    frame.to_csv(tmp_path / "x.csv", index=False)
    schema = mv.StudySchema("id", {"x": (0, 9, 1)}, max_rows=9)
    assert _rows(frame, schema) == _rows(tmp_path / "x.csv", schema) == [[13, None, 30]]
    assert numbers.tobytes() == before
