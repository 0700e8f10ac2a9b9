"""Studies from Python: from terms to certificate, tables of every kind, shards, refusals, and files of the command."""

from __future__ import annotations

import copy
import pickle
import threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import mediveil as mv
from mediveil._native import _rows
from mediveil._tables import to_csv
from test_command import COMMAND, run

COLUMNS = {
    "age": {"low": 0, "high": 120, "cuts": [40, 65], "required": True},
    "hba1c": (3, 20, 1),
    "sex": {"values": ["female", "male"], "required": True},
    "smoker": bool,
}
SCHEMA = mv.StudySchema("id", COLUMNS, max_rows=100)
ROWS: dict[str, list[Any]] = {
    "id": [f"p{n}" for n in range(90)],
    "age": [20 + n for n in range(90)],
    "hba1c": [None if n % 9 == 0 else 5 + n % 30 / 10 for n in range(90)],
    "sex": [["female", "male"][n % 2] for n in range(90)],
    "smoker": [None if n % 10 == 0 else n % 3 == 0 for n in range(90)],
}


@dataclass
class World:
    """Two sites, and a committee of two who are both needed."""

    home: Path
    study: mv.Study
    sites: list[mv.Identity]
    members: list[mv.Identity]
    shares: list[mv.StudyShare]
    operator: mv.Identity

    def approve(self, plan: mv.StudyPlan, number: int) -> bytes:
        n = number - 1
        return self.study.approve(plan, self.members[n], self.shares[n], store=self.home / f"store-{n}")


def found(home: Path, sites: int) -> World:
    people = [mv.Identity.generate(hybrid=False) for _ in range(sites + 3)]
    members, operator = people[sites : sites + 2], people[-1]
    study = mv.Study.init(
        home / "study",
        SCHEMA,
        sites=[p.public for p in people[:sites]],
        members=[m.public for m in members],
        needed=2,
        depth=0,
        operator=operator.public,
        epsilon=2,
        title="trial",
    )
    return World(home, study, people[:sites], members, mv.make_study_key(study, members), operator)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A study with the rows of two sites in it."""
    made = found(tmp_path_factory.mktemp("study"), 2)
    for n, site in enumerate(made.sites):
        rows = {name: column[n::2] for name, column in ROWS.items()}
        assert made.study.encrypt(rows, site, made.home / f"rows-{n}")["rows"] == 45
    for n in range(2):
        made.study.submit(made.home / f"rows-{n}")
    return made


def test_from_a_question_to_a_certificate(world: World, tmp_path: Path) -> None:
    study = world.study
    query = mv.StudyQuery.histogram("age")
    plan = study.plan(query, epsilon="0.5")
    assert plan.figures["numbers"] == 3 and plan.cost.epsilon == Decimal("0.5")
    assert "0.5" in plan._repr_html_() and "one patient changes 1" in plan._repr_html_()
    assert study.preview(plan).refusal is None
    # Nothing is computed or opened before it is paid for.
    with pytest.raises(mv.RefusedError, match="not asked"):
        study.shard(plan, 0, 1)
    with pytest.raises(mv.RefusedError):
        world.approve(plan, 1)
    told: list[int] = []
    assert study.evaluate(plan, quorum=[1, 2], progress=told.append) is None
    assert sum(told) == study.blocks == 2
    with pytest.raises(mv.InvalidError, match="members"):
        study.evaluate(plan, quorum=[1])
    first = world.approve(plan, 1)
    assert world.approve(plan, 1) == first
    with pytest.raises(mv.StateError, match=r"\[2\]"):
        study.release(plan, world.operator)
    world.approve(plan, 2)
    with pytest.raises(mv.RefusedError, match="operator"):
        study.release(plan, world.members[0])
    certificate = study.release(plan, world.operator)
    assert "not here" in certificate._repr_html_()
    released = certificate.verify(study)
    assert [e.group[-1] for e in released.answer] == ["below 40", "40 to 65", "65 and over"]
    # Held to four half-widths: the noise leaves its own interval in one answer of twenty.
    for estimate, truth in zip(released.answer, [20, 25, 45], strict=True):
        assert abs(estimate.value - truth) <= 2 * (estimate.high - estimate.low)
    assert (released.quorum, released.query) == ((1, 2), plan.query)
    assert "opened by members" in released._repr_html_()
    # From files alone, and by another process's objects.
    certificate.save(tmp_path / "certificate")
    (tmp_path / "alone").mkdir()
    for name in ("terms", "key"):
        (tmp_path / "alone" / name).write_bytes((study.directory / name).read_bytes())
    alone = mv.Study.open(tmp_path / "alone")
    again = mv.StudyCertificate.load(tmp_path / "certificate")
    assert again == certificate == pickle.loads(pickle.dumps(certificate))
    assert again.verify(alone).answer == released.answer
    changed = bytearray(certificate.to_bytes())
    changed[len(changed) // 2] ^= 1
    with pytest.raises((mv.UnverifiedError, mv.DamagedError)):
        mv.StudyCertificate.from_bytes(changed).verify(alone)
    # Asked again it is the same certificate at no cost, and the budget's audit finds nothing.
    before = study.budget.remaining
    assert study.evaluate(study.plan(query, epsilon="0.5"), quorum=[1, 2]) == certificate
    assert study.budget.remaining == before
    assert study.budget.audit()["findings"] == []


def test_shards_add_up(world: World) -> None:
    study = world.study
    plan = study.plan(mv.StudyQuery.mean("hba1c"), epsilon="0.25")
    assert study.register(plan, [1, 2]) is None
    # Elsewhere: a study is pickled as its path.
    there = pickle.loads(pickle.dumps(study))
    assert there == study
    shards = [there.shard(there.plan(plan.query), n, n + 1) for n in range(2)]
    with pytest.raises(mv.StateError, match="1 of 2 blocks"):
        study.evaluate(plan, quorum=[1, 2], shards=shards[:1])
    with pytest.raises(mv.InvalidError, match="twice"):
        study.merge([shards[0], shards[0]])
    assert study.evaluate(plan, quorum=[1, 2], shards=[study.merge(shards)]) is None
    # Members compare it with what they compute themselves.
    parts = [world.approve(plan, n) for n in (1, 2)]
    assert len(set(parts)) == 2
    mean = study.release(plan, world.operator).verify(study).answer
    assert [e.group for e in mean] == [("mean",), ("count",)]
    assert 3 <= mean.estimates[0].low <= mean.estimates[0].high <= 20


def test_ask_together_and_the_budget(world: World) -> None:
    team = {n: (world.members[n - 1], world.shares[n - 1], world.home / f"store-{n - 1}") for n in (1, 2)}
    plan = world.study.plan(mv.StudyQuery.count(by=["sex"]), epsilon="0.5")
    released = mv.ask_together(world.study, plan, team, operator=world.operator)
    assert [e.group[0] for e in released.answer] == ["female", "male"]
    left = world.study.budget.remaining
    dear = world.study.plan(mv.StudyQuery.sum("age"), epsilon="1.9")
    assert "over the data set's budget" in (world.study.preview(dear).refusal or "")
    with pytest.raises(mv.BudgetError):
        mv.ask_together(world.study, dear, team, operator=world.operator)
    assert world.study.budget.remaining == left


def test_tables_of_every_kind_are_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS)
    arrow = pa.table(ROWS)
    polars = pl.DataFrame(ROWS)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    pa.parquet.write_table(arrow, tmp_path / "rows.parquet")
    pa.feather.write_feather(arrow, tmp_path / "rows.feather", compression="uncompressed")
    # A flag beside missing values is a float in numpy.
    floats = frame.assign(smoker=frame["smoker"].astype(float))
    tables = [arrow, polars, polars.lazy(), tmp_path / "rows.parquet", str(tmp_path / "rows.feather"), frame, floats]
    (tmp_path / "own.csv").write_bytes(to_csv(ROWS, sorted(ROWS)))
    for table in [*tables, tmp_path / "own.csv", to_csv(ROWS, sorted(ROWS))]:
        assert _rows(table, SCHEMA) == _rows(ROWS, SCHEMA)
    small = found(tmp_path, 1)
    for n, data in enumerate([floats, tmp_path / "rows.csv", arrow]):
        # Only the first can commit, and what is refused comes after reading.
        if n == 0:
            assert small.study.encrypt(data, small.sites[0], tmp_path / "out")["rows"] == 90
        else:
            with pytest.raises(mv.ExistsError):
                small.study.encrypt(data, small.sites[0], tmp_path / f"out-{n}")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    small = found(tmp_path, 1)
    study, site = small.study, small.sites[0]
    good: dict[str, list[Any]] = {"id": ["a"], "age": [50], "hba1c": [6.5], "sex": ["male"], "smoker": [True]}
    for column, value, why in [
        ("age", 130, "outside of the declared bounds"),
        ("age", None, "required"),
        ("sex", "other", "none of the declared ones"),
        ("smoker", 2, "0 or 1"),
        ("hba1c", "much", "decimal"),
    ]:
        with pytest.raises(mv.InvalidError, match=why) as caught:
            study.encrypt({**good, column: [value]}, site, tmp_path / "out")
        assert "130" not in str(caught.value) and "row 1" in str(caught.value)
    with pytest.raises(ValueError, match="infinite"):
        study.encrypt({**good, "hba1c": [float("inf")]}, site, tmp_path / "out")
    with pytest.raises(mv.InvalidError, match="no column"):
        study.encrypt({"id": ["a"]}, site, tmp_path / "out")
    with pytest.raises(mv.InvalidError, match="gives column"):
        study.encrypt([mv.sample_bundle(0)], site, tmp_path / "out")
    with pytest.raises(mv.RefusedError, match="not a site"):
        study.encrypt(good, small.operator, tmp_path / "out")

    def stop(_done: int) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError):
        study.encrypt(good, site, tmp_path / "out", progress=stop)
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.manifest").exists()
    with pytest.raises(mv.RefusedError, match="not submitted"):
        study.blocks
    study.encrypt(good, site, tmp_path / "out")
    (tmp_path / "out.manifest").write_bytes(b"none")
    with pytest.raises(mv.DamagedError):
        study.submit(tmp_path / "out")


def test_questions_and_schemas() -> None:
    assert SCHEMA.columns == ["age", "hba1c", "sex", "smoker"] and SCHEMA.patient == "id"
    assert SCHEMA.encrypted_columns == 1 + 3 + 2 + 2 + 2
    assert pickle.loads(pickle.dumps(SCHEMA)) == SCHEMA and hash(copy.copy(SCHEMA)) == hash(SCHEMA)
    query = mv.StudyQuery.mean("hba1c", by=["sex"], where=[{"smoker": False, "age": (40, 65)}, {"sex": ["male"]}])
    assert pickle.loads(pickle.dumps(query)) == query
    assert '"or"' in query.to_json() and '"between"' in query.to_json() and '"not"' in query.to_json()
    assert query.priced(epsilon=Decimal("0.5")).to_json().endswith('"epsilon":"0.5"}')
    with pytest.raises(TypeError):
        query.priced()
    for wanted in [{"age": 5}, {"age": (None, None)}, 7, "age", {}, []]:
        with pytest.raises((TypeError, mv.InvalidError)):
            mv.StudyQuery.count(where=wanted)  # type: ignore[arg-type]
    for kind in [5, "text", (1,), {"low": True, "high": 2}, {"low": 5, "high": 1}, {"values": []}, {"odd": 1}]:
        with pytest.raises((TypeError, mv.InvalidError)):
            mv.StudySchema("id", {"x": kind}, max_rows=10)
    with pytest.raises(OverflowError):
        mv.StudySchema("id", {"x": bool}, max_rows=-1)
    with pytest.raises(mv.InvalidError):
        mv.StudyQuery.from_json("{")


def test_plans_are_refused_with_the_figure(world: World) -> None:
    with pytest.raises(mv.InvalidError, match="1 deep and the study allows 0"):
        world.study.plan(mv.StudyQuery.count(where={"smoker": True, "age": (65, None)}), epsilon=1)
    with pytest.raises(mv.InvalidError, match="no column"):
        world.study.plan(mv.StudyQuery.sum("weight"), epsilon=1)
    with pytest.raises(mv.InvalidError):
        world.study.plan(mv.StudyQuery.count(), epsilon="none")
    with pytest.raises(mv.InvalidError):
        world.study.plan(mv.StudyQuery.count(), rho=1)
    with pytest.raises(mv.ExistsError):
        mv.Study.init(
            world.study.directory,
            SCHEMA,
            sites=[world.sites[0].public],
            members=[m.public for m in world.members],
            needed=2,
            depth=0,
            operator=world.operator.public,
            epsilon=1,
        )
    with pytest.raises(mv.NotFoundError):
        mv.Study.open(world.home / "nowhere")


def test_the_ceremony_over_a_directory_and_by_messages(tmp_path: Path) -> None:
    people = [mv.Identity.generate(hybrid=False) for _ in range(3)]
    public = [p.public for p in people]

    def init(name: str) -> mv.Study:
        return mv.Study.init(
            tmp_path / name, SCHEMA, sites=public[2:], members=public[:2], needed=2, depth=0, operator=public[2], epsilon=1
        )

    study = init("a")
    with pytest.raises(mv.StateError, match="no key yet"):
        study.plan(mv.StudyQuery.count(), epsilon=1)
    with pytest.raises(mv.RefusedError):
        study.ceremony(people[2])
    shares: list[mv.StudyShare] = []
    threads = [threading.Thread(target=lambda p=p: shares.append(study.join(p, wait=120))) for p in people[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(share.member for share in shares) == [1, 2]
    with pytest.raises(mv.ExistsError):
        study.join(people[0])
    shares[0].save(tmp_path / "share")
    assert mv.StudyShare.load(tmp_path / "share").member == shares[0].member
    for secret in (shares[0],):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret)
    # By messages, one of which comes from another ceremony.
    other = init("b")
    ceremonies = [other.ceremony(p) for p in people[:2]]
    with pytest.raises(mv.StateError, match="not over"):
        ceremonies[0].finish()
    with pytest.raises(TypeError):
        ceremonies[0].advance(ceremonies[0].message)  # type: ignore[arg-type]
    with pytest.raises(mv.Error):
        ceremonies[0].advance([ceremonies[0].message, study.ceremony(people[1]).message])  # type: ignore[list-item]
    with pytest.raises(mv.StateError, match="begin again"):
        ceremonies[0].message


@pytest.mark.skipif(COMMAND is None, reason="MEDIVEIL_COMMAND names no command to exchange files with")
def test_the_command_and_python_share_a_study(tmp_path: Path) -> None:
    made = found(tmp_path, 2)
    everyone = {"site-0": made.sites[0], "site-1": made.sites[1], "one": made.members[0], "operator": made.operator}
    for name, identity in everyone.items():
        identity.save(tmp_path / f"{name}.key")
    made.shares[0].save(tmp_path / "one.share")
    half = [{name: column[n::2] for name, column in ROWS.items()} for n in range(2)]
    (tmp_path / "rows.csv").write_bytes(to_csv(half[0], sorted(ROWS)))
    # One site by the command, the other by Python; one member by the command, the other by Python.
    run(tmp_path, "study", "encrypt", "study", "--csv", "rows.csv", "-i", "site-0.key", "-o", "rows-0")
    made.study.encrypt(half[1], made.sites[1], tmp_path / "rows-1")
    made.study.submit(tmp_path / "rows-0")
    run(tmp_path, "study", "submit", "study", "rows-1")
    plan = made.study.plan(mv.StudyQuery.sum("age"), epsilon="1.5")
    (tmp_path / "query.json").write_text(plan.query.to_json())
    assert made.study.register(plan, [1, 2]) is None
    shard = made.study.shard(plan, 0, 1)
    (tmp_path / "shard-0").write_bytes(shard)
    run(tmp_path, "study", "evaluate", "study", "query.json", "--quorum", "1,2", "--blocks", "1..2", "-o", "shard-1")
    run(tmp_path, "study", "evaluate", "study", "query.json", "--quorum", "1,2", "--merge", "shard-0", "--merge", "shard-1")
    run(tmp_path, "study", "approve", "study", "query.json", "-i", "one.key", "--share", "one.share", "--store", "store-one")
    made.approve(plan, 2)
    run(tmp_path, "study", "release", "study", "query.json", "-i", "operator.key", "-o", "certificate")
    released = mv.StudyCertificate.load(tmp_path / "certificate").verify(made.study)
    assert released.quorum == (1, 2) and released.answer.estimates[0].group == ("sum",)
    truth, sum_of_ages = sum(ROWS["age"]), released.answer.estimates[0]
    assert abs(sum_of_ages.value - truth) <= 2 * (sum_of_ages.high - sum_of_ages.low)
    run(tmp_path, "study", "verify", "certificate", "--study", "study")
