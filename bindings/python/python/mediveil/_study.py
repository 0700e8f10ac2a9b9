"""Studies: schemas and filters as people write them, tables from files, and helpers for trials in one process."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ._errors import InvalidError
from ._tables import columns, loaded

if TYPE_CHECKING:
    from ._native import Identity, Study, StudyPlan, StudyShare, _Path, _Time
    from ._results import Released


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise TypeError(f"expected a number, or text such as \"6.5\", got {type(value).__name__}")
    return value if isinstance(value, str) else format(Decimal(str(value)), "f")


def _column(name: str, kind: Any) -> dict[str, Any]:
    if kind is bool:
        return {"kind": "flag", "name": name}
    if isinstance(kind, tuple):
        if len(kind) not in (2, 3):
            raise TypeError(f"column {name}: a number is (low, high) or (low, high, places)")
        scale = kind[2] if len(kind) == 3 else 0
        return {"kind": "number", "name": name, "low": _number(kind[0]), "high": _number(kind[1]), "scale": scale}
    if isinstance(kind, Mapping):
        column: dict[str, Any] = {"kind": "category" if "values" in kind else "number" if "low" in kind else "flag"}
        column |= {"name": name, **kind}
        for bound in ("low", "high"):
            if bound in column:
                column[bound] = _number(column[bound])
        if "cuts" in column:
            column["cuts"] = [_number(cut) for cut in column["cuts"]]
        if "age_at" in column:
            column["age_at"] = str(column["age_at"])
        if "values" in column:
            column["values"] = list(column["values"])
        return column
    if isinstance(kind, str) or not isinstance(kind, Sequence):
        raise TypeError(f"column {name}: give bounds, a list of values, the type bool, or a dict")
    return {"kind": "category", "name": name, "values": list(kind)}


def schema_json(
    patient: str, columns: Mapping[str, Any], max_rows: int, rows_per_patient: int, neighbours: str
) -> str:
    """The JSON form of a schema.

    >>> schema_json("id", {"smoker": bool}, 10, 1, "add_remove").partition("columns")[2]
    '": [{"kind": "flag", "name": "smoker"}]}'
    """
    made = {"patient": patient, "rows_per_patient": rows_per_patient, "neighbours": neighbours, "max_rows": max_rows}
    return json.dumps({**made, "columns": [_column(name, kind) for name, kind in columns.items()]})


def _condition(column: str, wanted: Any) -> dict[str, Any]:
    if wanted is True:
        return {"flag": column}
    if wanted is False:
        return {"not": {"flag": column}}
    if isinstance(wanted, str):
        return {"is": {"column": column, "values": [wanted]}}
    if isinstance(wanted, tuple):
        if len(wanted) != 2 or wanted == (None, None):
            raise TypeError(f"where {column}: a range is (low, high), and one end may be None")
        low, high = (None if end is None else _number(end) for end in wanted)
        if high is None:
            return {"at_least": {"column": column, "value": low}}
        if low is None:
            return {"below": {"column": column, "value": high}}
        return {"between": {"column": column, "low": low, "high": high}}
    if isinstance(wanted, Sequence) and all(isinstance(value, str) for value in wanted):
        return {"is": {"column": column, "values": list(wanted)}}
    raise TypeError(f"where {column}: True or False, a value, a list of values, or a range (low, high)")


def _filter(wanted: Any) -> dict[str, Any]:
    if isinstance(wanted, Mapping):
        all_of = [_condition(column, value) for column, value in wanted.items()]
        if not all_of:
            raise InvalidError("where: no condition was given")
        return all_of[0] if len(all_of) == 1 else {"and": all_of}
    if isinstance(wanted, Sequence) and not isinstance(wanted, str) and wanted:
        return {"or": [_filter(one) for one in wanted]}
    raise TypeError("where is a dict of conditions, or a list of such dicts")


def filter_json(wanted: Any) -> str:
    """The JSON form of a filter.

    >>> filter_json({"diabetes": True, "age": (65, None)})
    '{"and": [{"flag": "diabetes"}, {"at_least": {"column": "age", "value": "65"}}]}'
    """
    return json.dumps(_filter(wanted))


def rows(data: Any, wanted: Sequence[str]) -> bytes | list[tuple[str, str, Any, Any]]:
    """A table as the native reader takes it: the wanted columns of what is in memory or in a file of Arrow's, and CSV as it is.

    >>> rows({"id": ["a"], "smoker": [1.0]}, ["id", "smoker"])
    [('id', 'texts', ['a'], None), ('smoker', 'texts', ['1'], None)]
    >>> rows(b"id,smoker\\na,1\\n", ["id", "smoker"])
    b'id,smoker\\na,1\\n'
    """
    data = loaded(data)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    return columns(data, wanted)


def make_study_key(study: Study, members: Sequence[Identity], *, now: _Time | None = None) -> list[StudyShare]:
    """Runs a study's key ceremony among all members in this process, in their order: for trials and tests. Members on
    machines of their own use `Study.join`, or `Study.ceremony` and send the messages themselves.

    >>> site, operator, *members = (Identity.generate(hybrid=False) for _ in range(4))
    >>> schema = StudySchema("id", {"smoker": {"required": True}}, max_rows=100)
    >>> import os, tempfile
    >>> folder = os.path.join(tempfile.mkdtemp(), "study")
    >>> study = Study.init(folder, schema, sites=[site.public], members=[m.public for m in members], needed=2, depth=0,
    ...     operator=operator.public, epsilon=1)
    >>> [share.member for share in make_study_key(study, members)]
    [1, 2]

    Raises InvalidError unless these are all members, RefusedError for somebody else.
    """
    if len(members) != study.committee[0]:
        raise InvalidError("the ceremony needs every member of the committee, once")
    ceremonies = [study.ceremony(member) for member in members]
    while None not in (messages := [ceremony.message for ceremony in ceremonies]):
        for ceremony in ceremonies:
            ceremony.advance(messages)
    return [ceremony.finish(now=now) for ceremony in ceremonies]


def ask_together(
    study: Study,
    plan: StudyPlan,
    members: Mapping[int, tuple[Identity, StudyShare, _Path]],
    *,
    operator: Identity,
    now: _Time | None = None,
) -> Released:
    """Takes a plan from debit to verified answer with members of this process: for trials and tests. members: for each number
    of the quorum the identity, the share and the path of the store.

    >>> ask_together.__name__
    'ask_together'

    Raises BudgetError, and nothing is spent.
    """
    certificate = study.evaluate(plan, quorum=sorted(members), now=now)
    if certificate is None:
        for identity, share, store in members.values():
            study.approve(plan, identity, share, store=store)
        certificate = study.release(plan, operator, now=now)
    return certificate.verify(study)


for _function in (make_study_key, ask_together):
    _function.__module__ = "mediveil"
