"""What four bulk calls from Python cost beyond the same work in Rust: `py.overhead` is the largest of the four fractions.

Both sides work in this process, in turn, on the same inputs, from crates that were built together; each is timed by its own
clock. A fraction is the median of those of all rounds, each of one call by either side: a machine that is slower for a while
is so for both. Nothing that is made once and used for many calls is timed: keys, plans, the memory of inputs and of outputs.
`mediveil_twin` is the Rust side.

`overhead.py SECONDS` measures for about so long and prints one JSON object a line.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import mediveil as mv
import mediveil_twin as twin
import numpy as np

Side = Callable[[], float]
MIB64 = 64 << 20
# Never fewer rounds than this, however long they take.
ROUNDS = 9


def timed(work: Callable[[], Any]) -> float:
    start = perf_counter()
    made = work()
    seconds = perf_counter() - start
    # It is given back here, as the Rust side's is: after the clock was read.
    del made
    return seconds


def rounds(python: Side, rust: Side, seconds: float) -> tuple[list[float], list[float]]:
    """The times of each side, each first in every other round, after one round that does not count."""
    python(), rust()
    end, times = perf_counter() + seconds, ([], [])
    for n in itertools.count():
        if n >= ROUNDS and perf_counter() > end:
            break
        for side in (0, 1) if n % 2 else (1, 0):
            times[side].append((python, rust)[side]())
    return times


def seal(_home: Path) -> tuple[Side, Side]:
    patient, data = mv.Identity.generate(hybrid=False).public, os.urandom(MIB64)
    capacity = MIB64 + (1 << 20)
    buffer, rust = mv.Buffer(capacity), twin.Seal(patient.to_bytes(), capacity)
    return lambda: timed(lambda: mv.seal_into(buffer, data, to=patient)), lambda: rust.run(data)


def encrypt(home: Path) -> tuple[Side, Side]:
    """A million values: four columns of 250,000 rows."""
    rows, chance = 250_000, np.random.default_rng(1)
    table = {
        "id": np.arange(rows),
        "hba1c": np.round(chance.uniform(4, 14, rows), 1),
        "weight": np.round(chance.uniform(40, 140, rows), 2),
        "age": chance.integers(18, 100, rows),
        "diabetes": chance.random(rows) < 0.1,
    }
    schema = mv.StudySchema(
        "id",
        {
            "hba1c": {"low": 3, "high": 20, "scale": 1, "required": True},
            "weight": {"low": 0, "high": 300, "scale": 1, "required": True},
            "age": {"low": 0, "high": 120, "required": True},
            "diabetes": {"required": True},
        },
        max_rows=rows,
    )
    site, operator, *members = (mv.Identity.generate(hybrid=False) for _ in range(4))
    public = [m.public for m in members]
    directory = home / "study"
    study = mv.Study.init(
        directory, schema, sites=[site.public], members=public, needed=2, depth=0, operator=operator.public, epsilon=1
    )
    mv.make_study_key(study, members)
    # Both load the key before they are timed.
    study.plan(mv.StudyQuery.count(), epsilon=1)
    site.save(home / "site")
    # Each has a log of its own, and both logs are as they were in every round: a site commits once.
    shutil.copytree(directory, home / "twin")
    shutil.copy(directory / "log", home / "log")
    columns = [(name, column.view("u1") if column.dtype == bool else column) for name, column in table.items()]
    rust = twin.Encrypt(home / "twin", home / "site", columns)

    def anew(folder: Path) -> Path:
        for old in itertools.chain(folder.glob("log*"), home.glob("rows*")):
            old.unlink()
        shutil.copy(home / "log", folder / "log")
        return home / "rows"

    def python() -> float:
        out = anew(directory)
        return timed(lambda: study.encrypt(table, site, out))

    return python, lambda: rust.run(anew(home / "twin"))


def verify(_home: Path) -> tuple[Side, Side]:
    """A hundred proofs: of ten different ones ten times each."""
    register, me = mv.IssuerRegister("bench", roles=["patient"]), mv.HolderSecret.generate()
    credential = register.issue("P-1", me.holder, born="1980-02-29", role="patient", expires="2099-01-31")
    registry, key = register.publish(), mv.ProvingKey.development("identity")
    pairs = []
    for n in range(10):
        request = mv.IdentityRequest(scope=f"bench/{n}", min_age=18, roles=["patient"])
        pairs.append((mv.prove(request, key=key, secret=me, credential=credential, registry=registry), request))
    pairs, checks = pairs * 10, key.verifying(allow_development=True)
    forms = [(proof.to_bytes(), request.to_json()) for proof, request in pairs]
    rust = twin.Verify(checks.to_bytes(), registry.to_bytes(), forms)
    return lambda: timed(lambda: mv.verify_batch(pairs, key=checks, registry=registry)), rust.run


def preview(home: Path) -> tuple[Side, Side]:
    schema = mv.Schema("id", {"hba1c": (3, 20, 1), "sex": ["female", "male"]}, max_rows=1000)
    queries = [mv.Query.count(), mv.Query.mean("hba1c"), mv.Query.histogram("hba1c", ["5.7", "6.5"]),
               mv.Query.sum("hba1c", where={"sex": "female"})]
    questions = [(query, f"0.{n:03}") for n in range(1, 251) for query in queries]
    plans = [query.plan(schema, epsilon=epsilon) for query, epsilon in questions]
    with mv.Budget.create(home / "twin.log", "bench", schema, epsilon=10) as budget:
        data_set = budget.data_set
    budget = mv.Budget.create(home / "python.log", "bench", schema, epsilon=10)
    forms = [(query.to_json(), epsilon) for query, epsilon in questions]
    rust = twin.Preview(home / "twin.log", data_set, schema.to_json(), forms)
    assert len(budget.preview_all(plans)) == 1000
    return lambda: timed(lambda: budget.preview_all(plans)), rust.run


# With the share of the time that each is measured for: the long ones need it for their rounds.
CALLS = {"py.seal.64mib": (seal, 0.2), "py.encrypt.1m": (encrypt, 0.5), "py.verify.100": (verify, 0.2),
         "py.preview.1000": (preview, 0.1)}


def main(seconds: float) -> None:
    overheads = []
    # Where there is memory that is a file system, no disk disturbs them.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 1 << 30 else None
    for name, (make, share) in CALLS.items():
        with tempfile.TemporaryDirectory(dir=memory) as home:
            python, rust = rounds(*make(Path(home)), seconds * share)
        # A call by Rust takes the median of its times, and one from Python the median fraction more.
        peer, ratio = median(rust), median(p / r for p, r in zip(python, rust, strict=True))
        overheads.append(ratio - 1)
        print(json.dumps({"id": name, "value": peer * ratio * 1e3, "peer_value": peer * 1e3}), flush=True)
    print(json.dumps({"id": "py.overhead", "value": max(overheads)}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
