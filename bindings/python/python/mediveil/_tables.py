"""Tables of every kind as what the native readers take: CSV text, or columns in contiguous memory."""

from __future__ import annotations

import array
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
    if hasattr(value, "item"):  # a numpy scalar; of a long double the item is itself
        item = value.item()
        return _cell(float(item) if type(item) is type(value) else item, whole)
    text = str(value)
    # pandas' NA and NaT print so and are neither None nor NaN.
    if text in ("<NA>", "NaT"):
        return ""
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():  # a day, as pandas keeps it
        return str(value.date())
    return text


def _values(column: Any, name: str) -> Iterable[Any]:
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


def _collected(data: Any) -> Any:
    """The table itself of a lazy polars frame."""
    return data.collect() if hasattr(data, "collect") and not hasattr(data, "iter_rows") else data


def loaded(data: Any) -> Any:
    """What a path names, a table of one of Arrow's own files and the bytes of any other; what is no path as it is."""
    if not isinstance(data, (str, os.PathLike)):
        return data
    name = os.fspath(data)
    if name.endswith((".parquet", ".pq")):
        import pyarrow.parquet

        return pyarrow.parquet.read_table(name)
    if name.endswith((".feather", ".arrow", ".ipc")):
        import pyarrow.feather

        return pyarrow.feather.read_table(name)
    with open(name, "rb") as file:
        return file.read()


def to_csv(data: Any, wanted: Sequence[str], whole: bool = False) -> bytes:
    """The wanted columns of a table, with a header line; whole: 1.0 is 1, as flags beside missing values become.

    >>> to_csv({"id": ["a", "b"], "x": [1.5, float("nan")], "other": [0, 0]}, ["id", "x"])
    b'id,x\\r\\na,1.5\\r\\nb,\\r\\n'
    """
    data = _collected(loaded(data))
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    names = set(_names(data))
    missing = [name for name in wanted if name not in names]
    if missing:
        # The native reader names it as it would for a file.
        return (",".join('"' + str(name).replace('"', '""') + '"' for name in names) + "\r\n").encode()
    columns = [[_cell(value, whole) for value in _values(data[name], name)] for name in wanted]
    if len({len(column) for column in columns}) > 1:
        raise ValueError("the columns have different lengths")
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(wanted)
    writer.writerows(zip(*columns))
    return out.getvalue().encode()


# Of one column: its kind, its values, and where there are any. Where all are known there is None instead.
_Memory = tuple[str, Any, Any]
_NATIVE = frozenset("?bBhHiIlLqQfd")
_POLARS = frozenset(f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)) | {
    "Float32",
    "Float64",
    "Boolean",
}


def _numbers(values: Any, known: Any = None) -> _Memory | None:
    """Of a numpy array."""
    import numpy

    if values.ndim != 1:
        return None
    if isinstance(values, numpy.ma.MaskedArray):
        known, values = ~numpy.ma.getmaskarray(values), numpy.ma.getdata(values)
    if known is not None:
        known = known.view(numpy.uint8)
    kind = values.dtype.kind
    # The memory of nothing, or of a field between others, may begin anywhere.
    odd = not (values.size and values.flags.aligned)
    if kind == "b":
        return "flags", values.view(numpy.uint8), known
    if kind == "u" and values.dtype.itemsize == 8 and values.size and values.max() >= 2**63:
        return None
    if kind in "iu":
        return "integers", values.astype(numpy.int64, copy=odd), known
    return ("floats", values.astype(numpy.float64, copy=odd), known) if kind == "f" else None


def _of_arrow(column: Any) -> _Memory | None:
    import pyarrow
    from pyarrow import types

    if isinstance(column, pyarrow.ChunkedArray):
        if types.is_dictionary(column.type):
            column = column.unify_dictionaries()
        column = column.combine_chunks()
    if not isinstance(column, pyarrow.Array):
        return None
    if types.is_dictionary(column.type):
        codes = _of_arrow(column.indices)
        texts = [_cell(value, whole=True) for value in column.dictionary.to_pylist()]
        return codes and ("codes", (codes[1], texts), codes[2])
    flags = types.is_boolean(column.type)
    if not (flags or types.is_integer(column.type) or types.is_float32(column.type) or types.is_float64(column.type)):
        return None
    known = None
    if column.null_count:
        known = column.is_valid().to_numpy(zero_copy_only=False)
        column = column.fill_null(False if flags else 0)
    return _numbers(column.to_numpy(zero_copy_only=False), known)


def _of_pandas(column: Any) -> _Memory | None:
    import pandas

    if not isinstance(column, pandas.Series):
        return None
    kind = getattr(column.dtype, "kind", "O")
    if isinstance(column.dtype, pandas.CategoricalDtype):
        texts = [_cell(value, whole=True) for value in column.dtype.categories.to_list()]
        return "codes", (column.cat.codes.to_numpy("int64"), texts), None
    if kind not in "biuf":
        return None
    if not pandas.api.types.is_extension_array_dtype(column.dtype):
        return _numbers(column.to_numpy())
    plain = {"b": "bool", "i": "int64", "u": "uint64", "f": "float64"}[kind]
    return _numbers(column.to_numpy(plain, na_value=False if kind == "b" else 0), column.notna().to_numpy())


def _of_polars(column: Any) -> _Memory | None:
    kind = str(getattr(column, "dtype", None))
    if kind.startswith(("Categorical", "Enum")):
        return _of_arrow(column.to_arrow())
    if kind not in _POLARS:
        return None
    known = None
    if column.null_count():
        known = column.is_not_null().to_numpy()
        column = column.fill_null(False if kind == "Boolean" else 0)
    return _numbers(column.to_numpy(), known)


def _memory(column: Any) -> _Memory | None:
    """A column's own memory, widened if need be, where it is one of numbers, flags or categories."""
    try:
        match type(column).__module__.partition(".")[0]:
            case "numpy":
                return _numbers(column)
            case "pyarrow":
                return _of_arrow(column)
            case "pandas":
                return _of_pandas(column)
            case "polars":
                return _of_polars(column)
        if isinstance(column, array.array) and column.typecode in _NATIVE:
            import numpy

            return _numbers(numpy.asarray(column))
        if isinstance(column, memoryview) and column.format in _NATIVE:
            import numpy

            return _numbers(numpy.asarray(column))
    except ImportError:  # Polars and Arrow do without numpy, and so does this: more slowly.
        pass
    return None


def columns(data: Any, wanted: Sequence[str]) -> list[tuple[str, str, Any, Any]]:
    """The wanted columns of a table in memory, each as its name, what it holds, its values, and, unless all are, where they
    are known: contiguous or strided memory of 64-bit numbers, of bytes for flags, or of places in a list of texts for
    categories; and for every other column a list of texts as they would be in CSV.

    >>> columns({"id": ["a", "b"], "x": array.array("d", [1.5, float("nan")])}, ["id"])
    [('id', 'texts', ['a', 'b'], None)]
    """
    data = _collected(data)
    names = set(_names(data))
    if not names.issuperset(wanted):
        # The native reader says which is missing.
        return [(name, "texts", [], None) for name in wanted if name in names]
    made = []
    for name in wanted:
        column = data[name]
        found = _memory(column) or ("texts", [_cell(value, whole=True) for value in _values(column, name)], None)
        made.append((name, *found))
    if len({len(values[0] if kind == "codes" else values) for _, kind, values, _ in made}) > 1:
        raise ValueError("the columns have different lengths")
    return made


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

    data = _collected(data)
    names = [str(name) for name in _names(data)]
    missing = [name for name in wanted or () if name not in names]
    if missing:
        raise InvalidError(f"the table has no column {missing[0]!r}")
    names = list(wanted) if wanted is not None else names
    columns = [[whole(value) for value in _values(data[name], name)] for name in names]
    if len({len(column) for column in columns}) > 1:
        raise InvalidError("the columns have different lengths")
    return names, columns
