"""Tables of every kind as CSV text, which the native reader takes."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any


def _cell(value: Any) -> str:
    """One cell; the empty text for what is missing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            if math.isnan(value):
                return ""
            raise ValueError("an infinite number in the table")
        text = repr(value)
        return format(Decimal(text), "f") if "e" in text else text
    if isinstance(value, Decimal):
        return "" if value.is_nan() else format(value, "f")
    if hasattr(value, "item"):  # a numpy scalar
        return _cell(value.item())
    text = str(value)
    # pandas' NA and NaT print so and are neither None nor NaN.
    return "" if text in ("<NA>", "NaT") else text


def _column(data: Any, name: str) -> Iterable[Any]:
    column = data[name]
    for method in ("to_pylist", "to_list", "tolist"):  # Arrow; pandas and polars; numpy
        if hasattr(column, method):
            values: Iterable[Any] = getattr(column, method)()
            return values
    if isinstance(column, (str, bytes)) or not isinstance(column, Iterable):
        raise TypeError(f"column {name!r} is no column")
    return column


def _names(data: Any) -> Sequence[Any]:
    if hasattr(data, "column_names"):  # Arrow
        return list(data.column_names)
    if isinstance(data, Mapping):
        return list(data)
    if hasattr(data, "columns"):
        return list(data.columns)
    raise TypeError(
        "a table is a pandas or polars DataFrame, an Arrow table, a dict of columns, a path, or CSV text as bytes, "
        f"not {type(data).__name__}"
    )


def to_csv(data: Any, wanted: Sequence[str]) -> bytes:
    """The wanted columns of a table, with a header line.

    >>> to_csv({"id": ["a", "b"], "x": [1.5, float("nan")], "other": [0, 0]}, ["id", "x"])
    b'id,x\\r\\na,1.5\\r\\nb,\\r\\n'
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, (str, os.PathLike)):
        with open(data, "rb") as file:
            return file.read()
    if hasattr(data, "collect") and not hasattr(data, "iter_rows"):  # a lazy polars frame
        data = data.collect()
    names = set(_names(data))
    missing = [name for name in wanted if name not in names]
    if missing:
        # The native reader names it as it would for a file.
        return (",".join('"' + str(name).replace('"', '""') + '"' for name in names) + "\r\n").encode()
    columns = [list(map(_cell, _column(data, name))) for name in wanted]
    if len({len(column) for column in columns}) > 1:
        raise ValueError("the columns have different lengths")
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(wanted)
    writer.writerows(zip(*columns))
    return out.getvalue().encode()
