"""Forks, threads, signals and buffers of every sort, where proofs and committees are concerned."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import mediveil as mv


def people(count: int) -> list[mv.Identity]:
    return [mv.Identity.generate(hybrid=False) for _ in range(count)]


@pytest.fixture(scope="module")
def scene() -> dict[str, Any]:
    register, me = mv.IssuerRegister("x", roles=["patient"]), mv.HolderSecret.generate()
    credential = register.issue("P", me.holder, born="1980-01-01", role="patient", expires="2099-01-01")
    key = mv.ProvingKey.development("identity")
    return {"me": me, "credential": credential, "registry": register.publish(), "key": key,
            "checks": key.verifying(allow_development=True)}


def prove(scene: dict[str, Any], scope: str) -> tuple[mv.Proof, mv.IdentityRequest]:
    request = mv.IdentityRequest(scope=scope, min_age=18)
    parts = {"secret": scene["me"], "credential": scene["credential"], "registry": scene["registry"]}
    return mv.prove(request, key=scene["key"], **parts), request


def test_a_forked_child_proves_and_verifies(scene: dict[str, Any]) -> None:
    proof, request = prove(scene, "before")
    board = people(3)
    committee = mv.Committee("x", needed=2, members=[p.public for p in board], convenor=board[0].public)
    guardians = [mv.Guardian(p) for p in board]
    keys = mv.hold_together(mv.KeyPlan.generate(committee), guardians, convenor=board[0])
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(300)
        try:
            pairs = [(proof, request), prove(scene, "after")]
            assert len(mv.verify_batch(pairs, key=scene["checks"], registry=scene["registry"])) == 2
            mv.verify(proof, key=scene["checks"], request=request, registry=scene["registry"])
            assert mv.CredentialRegistry.from_bytes(scene["registry"].to_bytes()) == scene["registry"]
            mv.hold_together(mv.KeyPlan.refresh(keys), guardians, convenor=board[0])
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_share_keys_and_registers(scene: dict[str, Any]) -> None:
    register, failed = mv.IssuerRegister("x", roles=["patient"]), []

    def work(n: int) -> None:
        try:
            proof, request = prove(scene, f"thread {n}")
            mv.verify(proof, key=scene["checks"], request=request, registry=scene["registry"])
            holder = mv.HolderSecret.generate().holder
            register.issue(f"P{n}", holder, born="1980-01-01", role="patient", expires="2099-01-01")
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and register.counts == (6, 0)


def test_a_guardian_in_two_threads_is_in_one_at_a_time() -> None:
    board = people(3)
    committee = mv.Committee("x", needed=2, members=[p.public for p in board], convenor=board[0].public)
    plans = [mv.KeyPlan.generate(committee) for _ in range(4)]
    guardian, made = mv.Guardian(board[0]), []
    threads = [threading.Thread(target=lambda plan=plan: made.append(guardian.join(plan))) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({message for message in made if message}) == 4


def test_the_interpreter_may_exit_while_it_proves() -> None:
    program = (
        "import threading, mediveil as mv, time\n"
        "def work():\n"
        "    while True: mv.ProvingKey.development('identity')\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.2)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_buffers_of_every_sort(scene: dict[str, Any]) -> None:
    proof, _ = prove(scene, "buffers")
    data = proof.to_bytes()
    wide = np.zeros((len(data), 2), dtype=np.uint8)
    wide[:, 0] = np.frombuffer(data, dtype=np.uint8)
    read_only = np.frombuffer(data, dtype=np.uint8)
    for given in (bytearray(data), memoryview(data), wide[:, 0], read_only, memoryview(data[::-1])[::-1]):
        assert mv.Proof.from_bytes(given) == proof
    for wrong in ("text", 1, None, [1], 1.5, float("nan"), np.zeros(3)):
        with pytest.raises((TypeError, BufferError)):
            mv.Proof.from_bytes(wrong)
        with pytest.raises((TypeError, BufferError)):
            mv.KeySet.from_bytes(wrong)
        with pytest.raises((TypeError, BufferError)):
            mv.paper_split(wrong, groups=[(2, 3)])
    for empty in (b"", bytearray(), np.empty(0, dtype=np.uint8)):
        with pytest.raises(mv.DamagedError):
            mv.Proof.from_bytes(empty)
        with pytest.raises(mv.DamagedError):
            mv.Committee.from_bytes(empty)


def test_an_exception_while_messages_are_read_comes_through(scene: dict[str, Any]) -> None:
    def messages() -> Any:
        yield b"one"
        raise LookupError("the board is gone")

    board = people(3)
    committee = mv.Committee("x", needed=2, members=[p.public for p in board], convenor=board[0].public)
    with pytest.raises(LookupError, match="the board is gone"):
        mv.KeyPlan.generate(committee).close(0, messages(), board[0])
    with pytest.raises(LookupError, match="the board is gone"):
        mv.verify_batch(messages_of_pairs(scene), key=scene["checks"], registry=scene["registry"])


def messages_of_pairs(scene: dict[str, Any]) -> Any:
    yield prove(scene, "x")
    raise LookupError("the board is gone")


def test_a_buffer_is_not_filled_while_somebody_looks_at_it(patient: mv.Identity) -> None:
    buffer = mv.Buffer(1000)
    assert len(buffer) == 0 and bytes(buffer) == b""
    length = mv.seal_into(buffer, b"x" * 100_000, to=patient.public)
    view = memoryview(buffer)
    assert view.readonly and len(view) == length == len(buffer)
    with pytest.raises(mv.BusyError, match="release"):
        mv.seal_into(buffer, b"again", to=patient.public)
    second = view[10:20]
    view.release()
    with pytest.raises(mv.BusyError):
        mv.seal_into(buffer, b"again", to=patient.public)
    second.release()
    mv.seal_into(buffer, bytearray(b"again"), to=patient.public)
    assert mv.open(buffer, keys=patient) == b"again"
    with pytest.raises(mv.InvalidError):
        mv.seal_into(buffer, b"nobody", to=[])
    assert len(buffer) == 0, "nothing is left of the file before"
    with pytest.raises((mv.InvalidError, OverflowError, MemoryError)):
        mv.Buffer(2**62)
    with pytest.raises(OverflowError):
        mv.Buffer(-1)
    with pytest.raises(TypeError):
        pickle.dumps(buffer)


def test_a_buffer_of_many_threads_has_one_writer_at_a_time(patient: mv.Identity) -> None:
    buffer = mv.Buffer()
    outcomes: list[str] = []

    def write(number: int) -> None:
        for _ in range(20):
            try:
                mv.seal_into(buffer, bytes([number]) * 300_000, to=patient.public)
                with memoryview(buffer) as sealed:
                    opened = mv.open(sealed, keys=patient)
                outcomes.append("whole" if len(set(opened)) == 1 else "mixed")
            except (mv.BusyError, BufferError):
                outcomes.append("busy")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "whole" in outcomes and "mixed" not in outcomes
    mv.seal_into(buffer, b"at rest", to=patient.public)
