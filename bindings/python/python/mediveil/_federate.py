"""Federations: tasks and tables as people write them, and training with everybody in one process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._errors import InvalidError
from ._native import FederatedTask, Federation, Identity
from ._results import Cost, FederatedFit, _table
from ._tables import to_csv

if TYPE_CHECKING:
    from ._native import _Number, _Path, _Progress, _Time


def _feature(name: str, kind: Any) -> dict[str, Any]:
    if isinstance(kind, Mapping):
        feature = {"name": name, **kind}
        if "age_at" in feature:
            feature["age_at"] = str(feature["age_at"])
        return {key: value if isinstance(value, str) else float(value) for key, value in feature.items()}
    if isinstance(kind, str) or not isinstance(kind, Sequence) or len(kind) != 2:
        raise TypeError(f"feature {name}: a pair of centre and spread, or a dict")
    return {"name": name, "centre": float(kind[0]), "spread": float(kind[1])}


def task_json(kind: str, features: Mapping[str, Any], more: Mapping[str, Any]) -> str:
    """The JSON form of a task.

    >>> task_json("logistic", {"bmi": (27, 5)}, {"label": "diabetes"})
    '{"kind": "logistic", "features": [{"name": "bmi", "centre": 27.0, "spread": 5.0}], "label": "diabetes"}'
    """
    if not isinstance(features, Mapping):
        raise TypeError("features is a dict from columns to pairs of centre and spread")
    made = [_feature(name, feature) for name, feature in features.items()]
    return json.dumps({"kind": kind, "features": made, **more})


def model_parts(text: str) -> tuple[str, list[float], list[float], float, int]:
    """The task of a model's JSON form, and its numbers.

    >>> state = {"weights": [1], "velocity": [0], "patients": 3, "rounds": 2}
    >>> model_parts(json.dumps({"task": {"kind": "sum"}, "state": state}))
    ('{"kind": "sum"}', [1], [0], 3, 2)
    """
    try:
        found = json.loads(text)
        task, state = found["task"], found["state"]
        return json.dumps(task), state["weights"], state["velocity"], state["patients"], state["rounds"]
    except (ValueError, TypeError, KeyError):
        raise InvalidError("not the JSON form of a federated model") from None


def _listed(part: Any) -> list[Any]:
    if hasattr(part, "to_numpy"):  # pandas and polars
        part = part.to_numpy()
    return part.tolist() if hasattr(part, "tolist") else list(part)


def task_rows(data: Any, features: Sequence[str], target: str | None) -> bytes:
    """The columns of a task as CSV: of a table of any kind, or of a pair of arrays.

    >>> task_rows(([[1.5, 2.0]], [True]), ["bmi", "age"], "smoker")
    b'bmi,age,smoker\\r\\n1.5,2,true\\r\\n'
    >>> task_rows({"bmi": [21.5], "name": ["n"]}, ["bmi"], None)
    b'bmi\\r\\n21.5\\r\\n'
    """
    wanted = [*features] if target is None else [*features, target]
    if isinstance(data, tuple) and len(data) == 2:
        matrix, aims = (_listed(part) for part in data)
        if any(len(row) != len(features) for row in matrix):
            raise InvalidError(f"the array of features has the shape (patients, {len(features)})")
        if len(aims) != len(matrix):
            raise InvalidError("there are other numbers of rows and of targets")
        data = {name: [row[n] for row in matrix] for n, name in enumerate(features)}
        if target is not None:
            data[target] = aims
    elif getattr(data, "ndim", None) == 2 and not hasattr(data, "columns"):  # a numpy array without the target
        if target is not None:
            raise InvalidError("an array has no target: give a pair of arrays, or a table")
        return task_rows((data, [None] * len(data)), features, None)
    return to_csv(data, wanted, whole=True)


def model_html(target: str, coefficients: Mapping[str, float], intercept: float, patients: float, rounds: int) -> str:
    """A model as a table."""
    made = [(name, f"{value:.4g}") for name, value in coefficients.items()]
    about = [("predicts", target), ("rounds", str(rounds)), ("patients, about", f"{patients:.0f}")]
    return _table(("", ""), about) + _table(("column", "coefficient"), [*made, ("intercept", f"{intercept:.4g}")])


def federation_html(
    title: tuple[str, str, str], counts: tuple[int, tuple[int, int], int], cap: str, figures: Mapping[str, Any]
) -> str:
    """A federation as a table."""
    sites, (members, needed), rounds = counts
    rows = [("federation", title[0]), ("id", title[1]), ("computes", title[2].strip("<>").partition(" ")[2])]
    rows += [("sites", str(sites)), ("committee", f"{needed} of {members} open")]
    rows += [("rounds", f"{rounds} at {figures['cost']}, {figures['total']} of {cap} in all")]
    noise = f"deviation {figures['deviation']:.4g} an entry and member, against a clip of {figures['clip']:.4g}"
    return _table(("", ""), [*rows, ("noise", noise), ("upload", f"{figures['upload_bytes']} bytes")])


def fit_together(
    federation: Federation,
    sites: Iterable[tuple[Identity, Any]],
    members: Sequence[Identity],
    *,
    stores: _Path,
    table: Any = None,
    progress: _Progress | None = None,
    now: _Time | None = None,
) -> FederatedFit:
    """Runs all rounds of a federation that are left with everybody in this process: for trials and tests. sites: pairs of a
    site's identity and its rows, as `Federation.contribute` takes them. members: those who add noise, at least as many as open;
    the first of them open. stores: a directory under which each member's store is. table: rows of one's own to try each
    released model on. progress: told after each round.

    Ctrl-C stops it between two steps. Called again it goes on in the round where it stopped, which is not paid for twice; when
    all rounds are over it says what came of them.

    >>> import os, tempfile
    >>> north, south, operator, *members = (Identity.generate(hybrid=False) for _ in range(5))
    >>> home = tempfile.mkdtemp()
    >>> task = FederatedTask.linear("pressure", {"age": (50, 20)}, centre=125, spread=15)
    >>> federation = Federation.init(os.path.join(home, "fed"), task, rho=50, clip=8, max_patients=500,
    ...     sites=[north.public, south.public], members=[m.public for m in members], needed=2, operator=operator.public)
    >>> rows = {"age": [20 + n % 60 for n in range(300)], "pressure": [100 + n % 60 / 2 for n in range(300)]}
    >>> fit = fit_together(federation, [(north, rows), (south, rows)], members, stores=home, table=rows)
    >>> len(fit.releases), abs(fit.model.coefficients["age"] - 0.5) < 0.1, fit.scores[0]["score"] > 0.9
    (1, True, True)
    >>> fit.cost.rho <= 50, fit.remaining.rho < 1
    (True, True)

    Raises InvalidError for somebody who is no site or member, and what the steps raise.
    """
    team = [(identity, data) for identity, data in sites]
    for identity, _ in team:
        if federation.site_number(identity.public) is None:
            raise InvalidError("one of the sites is none of the federation's")
    numbers = [federation.member_number(member.public) for member in members]
    if None in numbers or len(members) < federation.committee[1]:
        raise InvalidError("there must be as many members of the federation as open a sum")
    update: Any = getattr(progress, "update", progress)
    for _ in range(federation.rounds - _finished(federation)):
        _round(federation, team, list(zip(members, numbers)), stores, now)
        if update is not None:
            update(1)
    numbered = range(1, federation.rounds + 1)
    releases = tuple(release for n in numbered if (release := federation.released(n)) is not None)
    scores = []
    for release in releases if table is not None else ():
        model = federation.model(after=release.number)
        if model is not None:
            scores.append(model.score(table))
    budget = federation.budget
    return FederatedFit(federation.model(), releases, tuple(scores), budget.spent or Cost(), budget.remaining)


def _finished(federation: Federation) -> int:
    """How many rounds are over."""
    status = federation.status
    number: int = status["round"] or 0
    return number if status["state"] in (None, "released") else number - 1


def _round(
    federation: Federation,
    sites: Sequence[tuple[Identity, Any]],
    members: Sequence[tuple[Identity, int | None]],
    stores: _Path,
    now: _Time | None,
) -> None:
    """One round, from wherever it stands."""
    federation.begin(now=now)
    status = federation.status
    if status["state"] == "open":
        for identity, data in sites:
            if f"site-{federation.site_number(identity.public)}" not in status["contributed"]:
                federation.submit(federation.contribute(data, identity), now=now)
        for member, number in members:
            if f"member-{number}" not in status["contributed"]:
                federation.submit(federation.noise(member), now=now)
        federation.close(now=now)
    for member, number in members[: federation.committee[1]]:
        federation.submit(federation.answer(member, store=os.path.join(stores, f"member-{number}")))
    federation.combine(now=now)


def simulate_federation(
    task: FederatedTask,
    tables: Iterable[Any],
    *,
    directory: _Path,
    rho: _Number,
    rounds: int = 1,
    clip: float = 1.0,
    entries: int | None = None,
    bits: int = 32,
    max_patients: int = 1000,
    members: int = 3,
    needed: int = 2,
    table: Any = None,
    progress: _Progress | None = None,
    now: _Time | None = None,
) -> FederatedFit:
    """Tries a federation out: makes identities for one site a table and for a committee, founds the federation in a directory,
    and runs `fit_together`. This process sees every row, which in a real federation nobody does: for planning, on data that one
    party may see. The released numbers are made as in earnest, with real noise, and the log and the budget are kept in
    `directory`, where `Federation.open` finds them.

    >>> import os, tempfile
    >>> folder = os.path.join(tempfile.mkdtemp(), "trial")
    >>> tables = [[[1, 2], [3, 4]], [[5, 6]]]
    >>> sums = FederatedTask.sum()
    >>> fit = simulate_federation(sums, tables, directory=folder, rho=10000, clip=10, entries=2, members=2)
    >>> [round(value) for value in fit.releases[0].values]
    [9, 12]

    Raises what `Federation.init` and `fit_together` raise.
    """
    rows = list(tables)
    sites, team = ([Identity.generate(hybrid=False) for _ in range(n)] for n in (len(rows), members))
    federation = Federation.init(
        directory,
        task,
        sites=[site.public for site in sites],
        members=[member.public for member in team],
        needed=needed,
        operator=Identity.generate(hybrid=False).public,
        rho=rho,
        rounds=rounds,
        clip=clip,
        entries=entries,
        bits=bits,
        max_patients=max_patients,
        least_sites=len(rows),
        title="simulation",
        now=now,
    )
    stores = os.path.join(directory, "stores")
    return fit_together(federation, zip(sites, rows), team, stores=stores, table=table, progress=progress, now=now)


for _function in (fit_together, simulate_federation):
    _function.__module__ = "mediveil"
