"""Sealing and opening, and everything that must be refused."""

from __future__ import annotations

import copy
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mediveil as mv


def test_every_recipient_opens_and_nobody_else(patient: mv.Identity, provider: mv.Identity) -> None:
    paper = mv.Passphrase("seven quiet llamas", iterations=100_000)
    sealed = mv.seal(b"record", to=[patient.public, provider, paper], author=provider, context=b"ward 7")
    for keys in (patient, provider, paper, [mv.Identity.generate(hybrid=False), patient]):
        assert mv.open(sealed, keys=keys) == b"record"
    assert mv.open(sealed, keys=patient, author=provider.public) == b"record"
    with pytest.raises(mv.UnverifiedError):
        mv.open(sealed, keys=patient, author=patient.public)
    with pytest.raises(mv.UnverifiedError):
        mv.open(mv.seal(b"record", to=patient), keys=patient, author=patient.public)
    with pytest.raises(mv.NoKeyError):
        mv.open(sealed, keys=mv.Identity.generate(hybrid=False))
    with pytest.raises(mv.NoKeyError):
        mv.open(sealed, keys=mv.Passphrase("guess", iterations=100_000))
    shown = mv.inspect(sealed)
    assert shown["doors"] == ["hpke-xwing", "hpke-p256", "passphrase"]
    assert (shown["context"], shown["signed"], shown["plaintext_len"]) == (b"ward 7", True, 6)


def test_a_change_anywhere_is_noticed(patient: mv.Identity) -> None:
    sealed = mv.seal(b"x" * 100, to=patient.public)
    for at in range(0, len(sealed), 37):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises((mv.DamagedError, mv.NoKeyError)):
            mv.open(changed, keys=patient)
    for length in (0, 1, 20, len(sealed) - 1):
        with pytest.raises(mv.DamagedError):
            mv.open(sealed[:length], keys=patient)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000])
def test_sizes_around_a_segment(patient: mv.Identity, size: int) -> None:
    plaintext = os.urandom(size)
    assert mv.open(mv.seal(plaintext, to=patient.public), keys=patient) == plaintext
    sealed, opened = io.BytesIO(), io.BytesIO()
    assert mv.seal_file(io.BytesIO(plaintext), sealed, to=patient.public) == size
    sealed.seek(0)
    assert mv.open_file(sealed, opened, keys=patient) == size
    assert opened.getvalue() == plaintext


def test_buffers_of_every_sort(provider: mv.Identity) -> None:
    data = bytes(range(256)) * 4
    array = np.frombuffer(data, dtype=np.uint8)
    grid = np.arange(64, dtype=np.uint8).reshape(8, 8)
    read_only = array.copy()
    read_only.flags.writeable = False
    cases: list[tuple[Any, bytes]] = [
        (bytearray(data), data),
        (memoryview(data), data),
        (memoryview(data)[::2], data[::2]),
        (memoryview(data)[::-1], data[::-1]),
        (array, data),
        (read_only, data),
        (grid[:, ::3], grid[:, ::3].tobytes()),
        (np.asfortranarray(grid), grid.tobytes()),
        (np.empty(0, dtype=np.uint8), b""),
        (bytearray(), b""),
    ]
    for given, meant in cases:
        sealed = mv.seal(given, to=provider.public)
        assert mv.open(memoryview(sealed), keys=provider) == meant
        assert mv.open(np.frombuffer(sealed, dtype=np.uint8), keys=provider) == meant


@pytest.mark.parametrize("wrong", ["text", 1, None, 1.5, [1, 2], {"a": 1}, object()])
def test_what_is_not_bytes(provider: mv.Identity, wrong: Any) -> None:
    with pytest.raises(TypeError):
        mv.seal(wrong, to=provider.public)
    with pytest.raises(TypeError):
        mv.open(wrong, keys=provider)


def test_arrays_of_wider_numbers_are_not_taken_for_bytes(provider: mv.Identity) -> None:
    with pytest.raises((TypeError, BufferError)):
        mv.seal(np.arange(4, dtype=np.int64), to=provider.public)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["text", b"bytes", 1, None, [1], [None], {1: 2}])
def test_what_is_no_recipient_or_key(provider: mv.Identity, wrong: Any) -> None:
    with pytest.raises(TypeError):
        mv.seal(b"", to=wrong)
    with pytest.raises(TypeError):
        mv.open(mv.seal(b"", to=provider.public), keys=wrong)


def test_arguments_that_exclude_each_other(provider: mv.Identity) -> None:
    paper = mv.Passphrase("a", iterations=100_000)
    for wrong in (
        lambda: mv.seal(b"", to=[]),
        lambda: mv.seal(b"", to=[paper, paper]),
        lambda: mv.seal(b"", to=provider.public, context=b"x" * 5000),
        lambda: mv.seal(b"", to=provider.public, suite="rot13"),
        lambda: mv.Passphrase("a", iterations=1),
    ):
        with pytest.raises(mv.InvalidError):
            wrong()
    for huge in (2**64, -1):
        with pytest.raises(OverflowError):
            mv.Passphrase("a", iterations=huge)
    with pytest.raises(mv.NoKeyError):
        mv.open(mv.seal(b"", to=provider.public), keys=[])


def test_paths_appear_whole_or_not_at_all(tmp_path: Path, patient: mv.Identity, provider: mv.Identity) -> None:
    (tmp_path / "plain").write_bytes(b"y" * 200_000)
    mv.seal_file(tmp_path / "plain", str(tmp_path / "sealed"), to=patient.public)
    damaged = bytearray((tmp_path / "sealed").read_bytes())
    damaged[-100] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(mv.DamagedError):
        mv.open_file(tmp_path / "damaged", tmp_path / "out", keys=patient)
    with pytest.raises(mv.NoKeyError):
        mv.open_file(tmp_path / "sealed", tmp_path / "out", keys=provider)
    with pytest.raises(mv.UnverifiedError):
        mv.open_file(tmp_path / "sealed", tmp_path / "out", keys=patient, author=patient.public)
    with pytest.raises(mv.NotFoundError):
        mv.open_file(tmp_path / "nothing", tmp_path / "out", keys=patient)
    with pytest.raises(mv.StorageError):
        mv.seal_file(tmp_path, tmp_path / "out", to=patient.public)
    with pytest.raises(mv.Error):
        mv.seal_file(tmp_path / "plain", tmp_path / "no" / "out", to=patient.public)
    assert sorted(os.listdir(tmp_path)) == before
    assert mv.inspect(tmp_path / "sealed")["segments"] == 4


class Odd(io.RawIOBase):
    """Reads and writes a few bytes at a time, as sockets do."""

    def __init__(self, data: bytes = b"") -> None:
        self.left, self.taken = data, bytearray()

    def read(self, size: int = -1) -> bytes:
        n = min(size, 1000)
        chunk, self.left = self.left[:n], self.left[n:]
        return chunk

    def write(self, data: Any) -> int:
        part = bytes(data)[:777]
        self.taken += part
        return len(part)


def test_short_reads_and_writes(patient: mv.Identity) -> None:
    plaintext, sealed, opened = os.urandom(150_000), Odd(), Odd()
    mv.seal_file(Odd(plaintext), sealed, to=patient.public)
    mv.open_file(Odd(bytes(sealed.taken)), opened, keys=patient)
    assert bytes(opened.taken) == plaintext


def test_an_exception_inside_a_file_object_comes_through(patient: mv.Identity) -> None:
    class Broken(Odd):
        def read(self, size: int = -1) -> bytes:
            raise ZeroDivisionError("mine")

        def write(self, data: Any) -> int:
            raise KeyError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        mv.seal_file(Broken(), io.BytesIO(), to=patient.public)
    with pytest.raises(KeyError, match="mine"):
        mv.seal_file(io.BytesIO(b"x"), Broken(), to=patient.public)
    sealed = mv.seal(b"x", to=patient.public)
    with pytest.raises(KeyError, match="mine"):
        mv.open_file(io.BytesIO(sealed), Broken(), keys=patient)


@pytest.mark.parametrize("given", [None, "text", 5, b"x" * 10_000_000])
def test_file_objects_that_lie(patient: mv.Identity, given: Any) -> None:
    class Liar(io.RawIOBase):
        def read(self, size: int = -1) -> Any:
            return given

    with pytest.raises((TypeError, ValueError)):
        mv.seal_file(Liar(), io.BytesIO(), to=patient.public)

    class Boaster(io.RawIOBase):
        def write(self, data: Any) -> int:
            return 10**9

    with pytest.raises(ValueError):
        mv.seal_file(io.BytesIO(b"x"), Boaster(), to=patient.public)


def test_progress_adds_up_and_stops_the_work(tmp_path: Path, patient: mv.Identity) -> None:
    size = 5_500_000
    (tmp_path / "plain").write_bytes(bytes(size))
    steps: list[int] = []
    mv.seal_file(tmp_path / "plain", tmp_path / "sealed", to=patient.public, progress=steps.append)
    assert sum(steps) == size
    assert len(steps) > 3

    class Bar:
        n = 0

        def update(self, step: int) -> None:
            self.n += step

    bar = Bar()
    mv.open_file(tmp_path / "sealed", io.BytesIO(), keys=patient, progress=bar)
    assert bar.n == (tmp_path / "sealed").stat().st_size

    def stop(_: int) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        mv.seal_file(tmp_path / "plain", tmp_path / "out", to=patient.public, progress=stop)
    assert not (tmp_path / "out").exists()
    with pytest.raises(TypeError):
        mv.seal_file(tmp_path / "plain", tmp_path / "out", to=patient.public, progress=7)  # type: ignore[arg-type]


def test_ctrl_c_stops_a_long_copy(tmp_path: Path, patient: mv.Identity) -> None:
    def interrupt(_: int) -> None:
        signal.raise_signal(signal.SIGINT)

    (tmp_path / "plain").write_bytes(bytes(8_000_000))
    with pytest.raises(KeyboardInterrupt):
        mv.seal_file(tmp_path / "plain", tmp_path / "out", to=patient.public, progress=interrupt)
    assert not (tmp_path / "out").exists()


def test_other_threads_run_meanwhile(patient: mv.Identity) -> None:
    data, counted, done = bytes(32_000_000), [0], threading.Event()

    def work() -> None:
        mv.seal(data, to=patient.public)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        counted[0] += 1
    thread.join()
    assert counted[0] > 100


def test_many_threads_share_keys(provider: mv.Identity) -> None:
    failures: list[BaseException] = []

    def work(n: int) -> None:
        try:
            for i in range(20):
                text = f"{n} {i}".encode()
                assert mv.open(mv.seal(text, to=provider.public), keys=provider) == text
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_secrets_are_neither_pickled_nor_copied_nor_shown(patient: mv.Identity, clinic: mv.Authority) -> None:
    key = clinic.grant_without_expiry(["role:doctor"])
    for secret in (patient, mv.Passphrase("tell nobody"), clinic, key):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="not pickled"):
                attempt(secret)
        assert "tell nobody" not in repr(secret)
    for public in (patient.public, clinic.parameters, mv.Policy("role:doctor")):
        assert pickle.loads(pickle.dumps(public)) == public
        assert hash(copy.deepcopy(public)) == hash(public)


def test_key_files(tmp_path: Path, patient: mv.Identity) -> None:
    paper, path = mv.Passphrase("seven", iterations=100_000), tmp_path / "patient.key"
    patient.save(path, passphrase=paper)
    assert path.stat().st_mode & 0o077 == 0
    assert mv.Identity.load(path, passphrase=paper).public == patient.public
    with pytest.raises(mv.ExistsError):
        patient.save(path)
    with pytest.raises(mv.NoKeyError):
        mv.Identity.load(path)
    with pytest.raises(mv.NoKeyError):
        mv.Identity.load(path, passphrase=mv.Passphrase("eight", iterations=100_000))
    patient.public.save(tmp_path / "patient.key.pub")
    assert mv.PublicIdentity.load(tmp_path / "patient.key.pub") == patient.public
    with pytest.raises(mv.DamagedError):
        mv.PublicIdentity.load(path)
    (tmp_path / "long").write_bytes(bytes(2_000_000))
    with pytest.raises(mv.DamagedError):
        mv.Identity.load(tmp_path / "long")
    assert mv.Identity.from_key_file(path.read_text(), passphrase=paper).public == patient.public


def test_the_interpreter_may_exit_during_work() -> None:
    program = (
        "import threading, mediveil as mv, time\n"
        "key = mv.Identity.generate(hybrid=False)\n"
        "data = bytes(64_000_000)\n"
        "def work():\n"
        "    while True: mv.seal(data, to=key)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.2)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_child_can_use_keys(provider: mv.Identity, clinic: mv.Authority) -> None:
    doctor = clinic.grant_without_expiry(["role:doctor"])
    door = mv.Policy("role:doctor or (a:b and c:d)").door(clinic.parameters, expires=False)
    assert mv.open(mv.seal(b"x", to=door), keys=doctor) == b"x"
    record = mv.Record(mv.sample_bundle(0))
    secret = mv.Record.new_secret()
    wanted = record.commit(secret)
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(120)
        try:
            fine = mv.open(mv.seal(b"x", to=provider.public), keys=provider) == b"x"
            fine = fine and mv.open(mv.seal(b"x", to=door), keys=doctor) == b"x"
            status = 0 if fine and record.commit(secret) == wanted else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
