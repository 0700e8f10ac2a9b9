"""Tables of every kind as CSV text, which the native reader takes."""

from __future__ import annotations

import csv
import datetime
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ._errors import InvalidError


def _cell(value: Any, whole: bool = False) -> str:
    """One cell; the empty text for what is missing. whole: 1.0 is 1, as flags beside missing values become."""
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
        if whole and value.is_integer():
            return format(Decimal(value), "f")
        text = repr(value)
        return format(Decimal(text), "f") if "e" in text else text
    if isinstance(value, Decimal):
        return "" if value.is_nan() else format(value, "f")
    if hasattr(value, "item"):  # a numpy scalar
        return _cell(value.item(), whole)
    text = str(value)
    # pandas' NA and NaT print so and are neither None nor NaN.
    if text in ("<NA>", "NaT"):
        return ""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():  # a day, as pandas keeps it
        return str(value.date())
    return text


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


def to_csv(data: Any, wanted: Sequence[str], *, whole: bool = False) -> bytes:
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
    columns = [[_cell(value, whole) for value in _column(data, name)] for name in wanted]
    if len({len(column) for column in columns}) > 1:
        raise ValueError("the columns have different lengths")
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(wanted)
    writer.writerows(zip(*columns))
    return out.getvalue().encode()


def to_integers(data: Any, wanted: Sequence[str] | None) -> tuple[list[str], list[list[int | None]]]:
    """The wanted columns of a table, or all, as whole numbers; None where there is no value.

    >>> to_integers({"hba1c": [64, float("nan"), 71.0]}, None)
    (['hba1c'], [[64, None, 71]])
    """

    def whole(value: Any) -> int | None:
        if hasattr(value, "item"):  # a numpy scalar
            value = value.item()
        if value is None or str(value) in ("<NA>", "NaT", "nan", "NaN"):
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or value != int(value):
            raise InvalidError("a cell is neither missing nor a whole number: scale other numbers first, 6.4 as 64")
        if not 0 <= value < 2**32:
            raise InvalidError("a cell is below 0 or above 4294967295")
        return int(value)

    if hasattr(data, "collect") and not hasattr(data, "iter_rows"):  # a lazy polars frame
        data = data.collect()
    names = [str(name) for name in _names(data)]
    missing = [name for name in wanted or () if name not in names]
    if missing:
        raise InvalidError(f"the table has no column {missing[0]!r}")
    names = list(wanted) if wanted is not None else names
    columns = [[whole(value) for value in _column(data, name)] for name in names]
    if len({len(column) for column in columns}) > 1:
        raise InvalidError("the columns have different lengths")
    return names, columns
