"""Federations from Python: sums and models from terms to release, by messages and over files of the command."""

from __future__ import annotations

import copy
import json
import math
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mediveil as mv
from mediveil._tables import to_csv
from test_command import COMMAND, run

TASK = mv.FederatedTask.logistic("ill", {"a": (10, 5), "b": (0, 1)})


@dataclass
class World:
    """Two sites, and a committee of three, two of whom open."""

    home: Path
    federation: mv.Federation
    sites: list[mv.Identity]
    members: list[mv.Identity]
    operator: mv.Identity

    def answer(self, number: int) -> mv.FederatedAnswer:
        return self.federation.answer(self.members[number - 1], store=self.home / f"store-{number}")


def people(count: int) -> list[mv.Identity]:
    return [mv.Identity.generate(hybrid=False) for _ in range(count)]


def found(home: Path, task: mv.FederatedTask, **terms: Any) -> World:
    everyone = people(6)
    sites, members, operator = everyone[:2], everyone[2:5], everyone[5]
    federation = mv.Federation.init(
        home / "fed",
        task,
        sites=[s.public for s in sites],
        members=[m.public for m in members],
        needed=2,
        operator=operator.public,
        **{"max_patients": 100, "title": "trial", **terms},
    )
    return World(home, federation, sites, members, operator)


@pytest.fixture
def sums(tmp_path: Path) -> World:
    """Sums of three entries, a round of which has hardly any noise."""
    return found(tmp_path, mv.FederatedTask.sum(), entries=3, clip=100, rho=16_000, rounds=2)


def test_sums_from_messages_to_a_release(sums: World, tmp_path: Path) -> None:
    federation = sums.federation
    assert federation.status == {"round": None, "state": None, "contributed": [], "counted": None}
    assert federation.round is None and federation.model() is None and federation.released(1) is None
    with pytest.raises(mv.StateError, match="no round has begun"):
        federation.contribute(np.ones((1, 3)), sums.sites[0])
    begun = federation.begin()
    assert begun == federation.begin() == federation.round, "begun again it costs nothing"
    assert federation.budget.spent == federation.figures["cost"]
    # The first site has the terms and what it was sent; it sees neither log nor directory.
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(federation.directory / "terms", alone)
    there = mv.Federation.open(alone)
    sent = mv.FederatedRound.from_bytes(begun.to_bytes())
    rows = np.arange(30, dtype=float).reshape(10, 3)
    upload = there.contribute(rows, sums.sites[0], round=sent)
    assert upload.contributor == "site-0"
    federation.submit(mv.FederatedUpload.from_bytes(upload.to_bytes()))
    federation.submit(upload)
    with pytest.raises(mv.ExistsError, match="contributed something else"):
        federation.submit(there.contribute(rows, sums.sites[0], round=sent))
    # The second gathers first, and sees that one vector of its two is cut from length 500 to 100.
    gathered = federation.gather([[300, -400, 0], np.array([1, 2, 3])])
    assert (gathered.vectors, gathered.cut) == (2, 1)
    assert np.allclose(np.asarray(gathered.values), [61, -78, 3], atol=0.01)
    federation.submit(federation.contribute(gathered, sums.sites[1]))
    with pytest.raises(mv.StateError, match="members contributed"):
        federation.close()
    told: list[int] = []
    federation.submit(federation.noise(sums.members[0], progress=told.append))
    assert sum(told) == 3
    federation.submit(federation.noise(sums.members[2]))
    with pytest.raises(mv.StateError, match="not closed"):
        sums.answer(1)
    with pytest.raises(mv.StateError, match="not closed"):
        federation.combine()
    everyone = ["site-0", "site-1", "member-1", "member-3"]
    assert federation.status["contributed"] == everyone and federation.close() == everyone
    with pytest.raises(mv.RefusedError, match="closed over other"):
        federation.close(without=["site-1"])
    with pytest.raises(mv.StateError, match="closed"):
        federation.submit(federation.noise(sums.members[1]))
    first = sums.answer(1)
    assert first == sums.answer(1) == mv.FederatedAnswer.from_bytes(first.to_bytes()) and first.member == 1
    federation.submit(first)
    with pytest.raises(mv.RefusedError, match="2 are needed"):
        federation.combine()
    federation.submit(sums.answer(2))
    release = federation.combine()
    assert (release.number, release.sites, release.noises, release.wrong) == (1, 2, 2, ())
    assert release.deviation == pytest.approx(federation.figures["deviation"] * math.sqrt(2))
    truth = rows.sum(axis=0) + [61, -78, 3]
    # Every row of the first site is shorter than the clip.
    assert np.linalg.norm(rows, axis=1).max() < 100
    assert np.abs(release.to_numpy() - truth).max() < 6 * release.deviation + 0.02
    assert federation.status["state"] == "released" and federation.combine() == release == federation.released(1)
    assert pickle.loads(pickle.dumps(release)) == release and "± " in release._repr_html_()
    assert "noise" in federation._repr_html_() and "trial" in federation._repr_html_()
    assert federation.begin().number == 2
    with pytest.raises(mv.ExistsError):
        found(tmp_path, mv.FederatedTask.sum(), entries=3, rho=1)


def test_numbers_of_every_kind_are_the_same(sums: World) -> None:
    federation = sums.federation
    federation.begin()
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    array = np.array(rows)
    strided = np.zeros((2, 6))
    strided[:, ::2] = array
    fixed = array.copy()
    fixed.flags.writeable = False

    def lazily() -> Iterator[Any]:
        yield rows[0]
        yield array[1]

    kinds: list[Any] = [rows, array, array.astype(int), array.astype("float32"), np.asfortranarray(array), strided[:, ::2], fixed]
    kinds += [pd.DataFrame(array), pl.DataFrame(array), tuple(map(tuple, rows)), lazily(), memoryview(array), array[::-1]]
    assert {tuple(federation.gather(data).values) for data in kinds} == {tuple(federation.gather(array).values)}
    assert federation.gather(array[0]).vectors == 1
    assert federation.gather(np.zeros((0, 3))).vectors == federation.gather([]).vectors == 0
    for wrong in [np.ones((2, 4)), np.ones((2, 3, 1)), [[1, 2]], [[math.nan, 0, 0]], np.full((1, 3), np.inf), np.ones((101, 3))]:
        with pytest.raises(mv.InvalidError):
            federation.gather(wrong)
    with pytest.raises(mv.InvalidError, match="more vectors"):
        federation.gather([1.0, 2.0, 3.0] for _ in iter(int, 1))
    for odd in ["text", b"bytes", 5, None, {"a": [1]}, [["1", "2", "3"]], [1.0, 2.0, 3.0]]:
        with pytest.raises((TypeError, ValueError)):
            federation.gather(odd)

    def broken() -> Iterator[Any]:
        yield [1.0, 2.0, 3.0]
        raise LookupError("the disk is gone")

    with pytest.raises(LookupError, match="the disk is gone"):
        federation.gather(broken())


def test_a_site_is_protected_as_a_whole(tmp_path: Path) -> None:
    world = found(tmp_path, mv.FederatedTask.sum(), entries=2, clip=5, rho=1, unit="site")
    world.federation.begin()
    assert world.federation.gather(np.array([3.0, 4.0])).cut == 0
    with pytest.raises(mv.InvalidError, match="more vectors"):
        world.federation.gather(np.ones((2, 2)))


def table(count: int, seed: int) -> dict[str, list[Any]]:
    """Rows of which the label follows the columns."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(10, 5, count), rng.normal(0, 1, count)
    ill = (a - 10) / 5 - b + rng.normal(0, 0.5, count) > 0
    return {"a": a.tolist(), "b": b.tolist(), "ill": ill.tolist(), "name": ["somebody"] * count}


def test_a_model_is_fitted_within_its_budget(tmp_path: Path) -> None:
    world = found(tmp_path, TASK, clip=2, rho=20, rounds=8, max_patients=400)
    federation = world.federation
    sites = [(site, table(300, n)) for n, site in enumerate(world.sites)]
    mine, told = table(500, 9), []
    fit = mv.fit_together(federation, sites, world.members, stores=tmp_path, table=mine, progress=told.append)
    assert told == [1] * 8 and [release.number for release in fit.releases] == list(range(1, 9))
    assert {(release.sites, release.noises) for release in fit.releases} == {(2, 3)}
    assert fit.scores[-1]["score"] > 0.82 and fit.scores[-1]["loss"] < fit.scores[0]["loss"]
    assert fit.scores[-1] == fit.model.score(mine)
    model = federation.model()
    assert model is not None and model == fit.model and model.rounds == 8 and abs(model.patients - 600) < 60
    # What it says of a row is what its coefficients say, in the column's units.
    for a, b, p in zip(mine["a"], mine["b"], model.predict(mine)):
        assert 0 < p < 1
        if abs(a - 10) < 20 and abs(b) < 4:
            odds = model.intercept + model.coefficients["a"] * a + model.coefficients["b"] * b
            assert math.log(p / (1 - p)) == pytest.approx(odds, abs=1e-9)
    assert model.coefficients["a"] > 0 > model.coefficients["b"]
    # The released model is the start, and one step of each round's public sum.
    start = federation.model(after=0)
    assert start is not None and list(start.weights) == [0, 0, 0]
    assert federation.model(after=8) == model != federation.model(after=7)
    with pytest.raises(mv.StateError):
        federation.model(after=9)
    # All was paid for, once, and nothing more is to be had.
    assert fit.cost.rho is not None and 19.9 < fit.cost.rho <= 20 and fit.remaining == federation.budget.remaining
    assert federation.budget.audit()["findings"] == []
    with pytest.raises(mv.RefusedError, match="8 rounds"):
        federation.begin()
    again = mv.fit_together(federation, sites, world.members, stores=tmp_path, table=mine)
    assert again == fit, "all rounds are over: it says what came of them"
    assert fit.to_pandas().shape == (8, 6) and "rho" in fit._repr_html_() and "ill" in fit._repr_html_()
    assert pickle.loads(pickle.dumps(fit)) == fit and copy.copy(model) == model
    assert hash(pickle.loads(pickle.dumps(model))) == hash(model)


def test_tables_of_every_kind_make_the_same_gradients(tmp_path: Path) -> None:
    federation = found(tmp_path, TASK, clip=2, rho=1).federation
    begun = federation.begin()
    rows = table(50, 3)
    frame = pd.DataFrame(rows)
    features = frame[["a", "b"]]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    kinds: list[Any] = [rows, frame, pl.DataFrame(rows), pa.table(rows), tmp_path / "rows.csv", to_csv(rows, sorted(rows))]
    kinds += [(features.to_numpy(), frame["ill"].to_numpy()), (features, frame["ill"]), (features.to_numpy(), rows["ill"])]
    kinds += [frame.assign(ill=frame["ill"].astype(float)), (features.to_numpy(), frame["ill"].astype(int).to_numpy())]
    wanted = tuple(federation.gather(rows).values)
    assert {tuple(federation.gather(data, round=begun).values) for data in kinds} == {wanted}
    assert len(wanted) == 4 and wanted[-1] == pytest.approx(50 * 0.25 * 2, abs=0.01), "the last entry counts patients"
    model = federation.model()
    assert model is not None
    predictions = {tuple(model.predict(data)) for data in [rows, frame, features, features.to_numpy(), kinds[6]]}
    assert predictions == {(0.5,) * 50}
    # Rows without the label do not count, and a missing feature is its centre.
    some = {"a": [10, None], "b": [math.nan, 0], "ill": [1, None]}
    assert federation.gather(some).vectors == 1
    for wrong in [
        {"a": [1], "ill": [1]},
        {"a": [1], "b": ["high"], "ill": [1]},
        {"a": [1], "b": [1], "ill": [2]},
        (np.ones((3, 3)), [1, 0, 1]),
        (np.ones((3, 2)), [1, 0]),
        np.ones((3, 2)),
    ]:
        with pytest.raises(mv.InvalidError) as caught:
            federation.gather(wrong)
        assert "high" not in str(caught.value)
    with pytest.raises(TypeError):
        federation.gather(5)


def test_training_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    world = found(tmp_path, TASK, clip=2, rho=10, rounds=3)
    federation = world.federation
    sites = [(site, table(80, n)) for n, site in enumerate(world.sites)]

    def stop(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mv.fit_together(federation, sites, world.members, stores=tmp_path, progress=stop)
    assert federation.status["state"] == "released"
    # In the middle of the second: one upload is in, and another is stuck between its files and the log.
    federation.begin()
    federation.submit(federation.contribute(sites[0][1], world.sites[0]))
    stuck = federation.contribute(sites[1][1], world.sites[1]).to_bytes()
    signed = 12 + int.from_bytes(stuck[8:12], "big")
    folder = federation.directory / "rounds/2"
    (folder / "site-1.contribution").write_bytes(stuck[:signed])
    (folder / "site-1.vector").write_bytes(stuck[signed:])
    assert federation.status["contributed"] == ["site-0"]
    spent = federation.budget.spent
    fit = mv.fit_together(federation, sites, world.members, stores=tmp_path)
    assert [release.number for release in fit.releases] == [1, 2, 3] and fit.cost.rho is not None
    assert {release.sites for release in fit.releases} == {2}
    assert spent is not None and spent.rho is not None and float(spent.rho) == pytest.approx(float(fit.cost.rho) * 2 / 3)


def test_what_does_not_belong_is_refused(sums: World, tmp_path: Path) -> None:
    federation = sums.federation
    (tmp_path / "other").mkdir()
    other = found(tmp_path / "other", mv.FederatedTask.sum(), entries=3, clip=100, rho=1)
    begun, elsewhere = federation.begin(), other.federation.begin()
    rows = np.ones((2, 3))
    with pytest.raises(mv.RefusedError, match="not a site"):
        federation.contribute(rows, sums.members[0])
    with pytest.raises(mv.RefusedError, match="not a member"):
        federation.noise(sums.sites[0])
    with pytest.raises(mv.UnverifiedError, match="another round"):
        federation.contribute(rows, sums.sites[0], round=elsewhere)
    with pytest.raises(mv.StateError, match="another round or federation"):
        federation.contribute(other.federation.gather(rows), sums.sites[0])
    with pytest.raises(mv.UnverifiedError):
        federation.submit(other.federation.contribute(rows, other.sites[0]))
    upload = federation.contribute(rows, sums.sites[0])
    data = upload.to_bytes()
    for n in (10, 200, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[n] ^= 1
        with pytest.raises((mv.DamagedError, mv.UnverifiedError)):
            federation.submit(mv.FederatedUpload.from_bytes(changed))
    for cut in (b"", data[:-1], data + b"x"):
        with pytest.raises(mv.DamagedError):
            mv.FederatedUpload.from_bytes(cut)
    with pytest.raises(mv.DamagedError):
        mv.FederatedRound.from_bytes(begun.to_bytes() + b"x")
    with pytest.raises(TypeError):
        federation.submit(data)  # type: ignore[arg-type]
    assert federation.status["contributed"] == [] and not list((federation.directory / "rounds/1").glob("site*"))
    federation.submit(upload)
    with pytest.raises(mv.NotFoundError):
        mv.Federation.open(tmp_path / "nowhere")

    def stop(_done: int) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError):
        federation.noise(sums.members[0], progress=stop)
    for site, number in zip(sums.sites, (0, 1)):
        assert federation.site_number(site.public) == number and federation.member_number(site.public) is None
    assert federation.member_number(sums.members[2].public) == 3
    for pairs, members in [([(sums.operator, rows)], sums.members), ([], sums.members[:1]), ([], sums.sites)]:
        with pytest.raises(mv.InvalidError):
            mv.fit_together(federation, pairs, members, stores=tmp_path)


def test_terms_that_do_not_hold_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    task = mv.FederatedTask.sum()
    for terms, why in [
        ({"rho": 1, "rho_round": "0.6", "rounds": 2}, "cost more than the budget"),
        ({"rho": 1, "steps": 1 << 30}, "32 bits hold"),
        ({"rho": "none"}, "decimal"),
        ({"rho": 0}, "above zero"),
        ({"rho": 1, "clip": math.nan}, "clip"),
        ({"rho": 1, "entries": 0}, "entry"),
        ({"rho": 1, "unit": "ward"}, "unit"),
        ({"rho": 1, "least_sites": 3}, "at least one site"),
        ({"rho": 1, "title": ""}, "title"),
        ({"rho": 1, "max_patients": 0}, "patients"),
        ({"rho": 1, "rounds": 0}, "10,000 rounds"),
        ({"rho": 50, "rounds": 2**32 - 1}, "10,000 rounds"),
    ]:
        with pytest.raises(mv.Error, match=why) as caught:
            found(tmp_path, task, **{"entries": 3, **terms})
        assert isinstance(caught.value, mv.BudgetError if "cost" in why else mv.InvalidError)
        assert not (tmp_path / "fed").exists()
    with pytest.raises(mv.InvalidError, match="entries"):
        found(tmp_path, task, rho=1)
    with pytest.raises(mv.InvalidError, match="takes 4 entries"):
        found(tmp_path, TASK, rho=1, entries=5)
    for name in ("rounds", "max_patients", "bits"):
        with pytest.raises(OverflowError):
            found(tmp_path, task, rho=1, entries=3, **{name: -1})
        with pytest.raises(OverflowError):
            found(tmp_path, task, rho=1, entries=3, **{name: 2**40})


def test_tasks_and_models_are_plain_values() -> None:
    born = mv.FederatedTask.linear(
        "pressure", {"birth_date": {"centre": 50, "spread": 20, "age_at": pd.Timestamp("2026-01-01").date()}}, centre=125, spread=16
    )
    assert (born.kind, born.features, born.target) == ("linear", ["birth_date"], "pressure")
    for task in (TASK, born, mv.FederatedTask.sum()):
        assert pickle.loads(pickle.dumps(task)) == task == mv.FederatedTask.from_json(task.to_json())
        assert hash(copy.copy(task)) == hash(task)
    assert TASK != born and repr(TASK) == "<FederatedTask logistic of \"ill\" on 2 features>"
    # A centre of many digits, as one computes it, is read again as it is written.
    odd = mv.FederatedTask.logistic("y", {"x": (0.1 + 0.2, 1 / 3)})
    assert mv.FederatedTask.from_json(odd.to_json()).to_json() == odd.to_json()
    for features in [{}, {"x": (0, 0)}, {"x": (0, math.nan)}, {"": (0, 1)}, {"x": {"centre": 1}}, {"x": {"centre": 1, "odd": 2}}]:
        with pytest.raises(mv.InvalidError):
            mv.FederatedTask.logistic("y", features)
    for kind in [5, "text", (1,), (1, 2, 3)]:
        with pytest.raises(TypeError):
            mv.FederatedTask.logistic("y", {"x": kind})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        mv.FederatedTask.logistic("y", ["x"])  # type: ignore[arg-type]
    for wrong in [{"step": 0}, {"step": math.inf}, {"momentum": 1}, {"ridge": -1}]:
        with pytest.raises(mv.InvalidError):
            mv.FederatedTask.logistic("y", {"x": (0, 1)}, **wrong)
    state = {"weights": [0.1 + 0.2, 1 / 3], "velocity": [0, 0], "patients": 5, "rounds": 1}
    text = json.dumps({"task": json.loads(born.to_json()), "state": state})
    model = mv.FederatedModel.from_json(text)
    assert list(model.weights) == state["weights"] and mv.FederatedModel.from_json(model.to_json()) == model
    # One more year of age is a twentieth of a spread of it, and the target's spread is 16.
    assert model.coefficients["birth_date"] == pytest.approx(0.3 / 20 * 16)
    assert list(model.predict({"birth_date": ["1976-01-01", "1956-01-01"]})) == pytest.approx([125 + 16 / 3, 125 + 16 * (0.3 + 1 / 3)])
    for bad in ["", "{}", "[]", text.replace("0.333", "NaN"), text.replace('"rounds"', '"other"'), text.replace("[0, 0]", "[0]")]:
        with pytest.raises((mv.InvalidError, TypeError)):
            mv.FederatedModel.from_json(bad)


def test_what_travels_is_pickled_and_what_must_not_is_refused(sums: World) -> None:
    federation = sums.federation
    begun = federation.begin()
    upload = federation.contribute(np.ones((1, 3)), sums.sites[0])
    for message in (begun, upload, federation):
        assert pickle.loads(pickle.dumps(message)) == message and hash(copy.copy(message)) == hash(message)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(federation.gather(np.ones((1, 3))))


@pytest.mark.skipif(COMMAND is None, reason="MEDIVEIL_COMMAND names no command to exchange files with")
def test_the_command_and_python_share_a_federation(tmp_path: Path) -> None:
    world = found(tmp_path, TASK, clip=2, rho=20, rounds=2)
    federation = world.federation
    for name, identity in zip(["a", "b", "one", "two", "three", "operator"], [*world.sites, *world.members, world.operator]):
        identity.save(tmp_path / f"{name}.key")
    rows = [table(60, n) for n in range(2)]
    (tmp_path / "a.csv").write_bytes(to_csv(rows[0], sorted(rows[0])))
    # Each step of the first round by one of them, and of the second by the other.
    run(tmp_path, "federate", "begin", "fed")
    federation.submit(federation.contribute(rows[1], world.sites[1]))
    run(tmp_path, "federate", "contribute", "fed", "--csv", "a.csv", "-i", "a.key")
    run(tmp_path, "federate", "noise", "fed", "-i", "one.key")
    federation.submit(federation.noise(world.members[1]))
    run(tmp_path, "federate", "close", "fed")
    federation.submit(world.answer(1))
    run(tmp_path, "federate", "open", "fed", "-i", "two.key", "--store", "store-2")
    first = federation.combine()
    federation.begin()
    federation.submit(federation.contribute(rows[0], world.sites[0]))
    for member in world.members[:2]:
        federation.submit(federation.noise(member))
    federation.close()
    run(tmp_path, "federate", "open", "fed", "-i", "three.key", "--store", "store-3")
    federation.submit(world.answer(2))
    run(tmp_path, "federate", "combine", "fed")
    second = federation.released(2)
    assert first.sites == 2 and second is not None and second.sites == 1
    assert federation.model() == federation.model(after=2)
    run(tmp_path, "federate", "report", "fed", "--table", "a.csv")
