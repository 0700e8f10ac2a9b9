"""The log, and those who tamper with it."""

from __future__ import annotations

import datetime
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

import mediveil as mv


def test_entries_come_back(tmp_path: Path, provider: mv.Identity) -> None:
    when = datetime.datetime(2027, 1, 31, 8, 0, 0, 123000, tzinfo=datetime.timezone.utc)
    with mv.Log.create(tmp_path / "log") as log:
        assert log.append_note("begins", at=when, actor=provider.public) == 0
        assert log.append_sealed(bytes(32), 2) == 1
        assert log.append_accessed(bytes(32), "hpke-p256", False, purpose="TREAT") == 2
        assert (log.size, len(log)) == (3, 3)
        first = log.entry(0)
        assert (first["at"], first["event"], first["text"]) == (when, "note", "begins")
        assert log.entry(2)["purpose"] == "TREAT"
        assert [e["index"] for e in log.follow()] == [0, 1, 2]
        with pytest.raises(mv.NotFoundError):
            log.entry(3)
        with pytest.raises(mv.InvalidError):
            log.append_note("x" * 5000)
        with pytest.raises(mv.InvalidError):
            log.append_sealed(b"short", 1)
        for huge in (-1, 2**70):
            with pytest.raises(OverflowError):
                log.entry(huge)
        for wrong in (-1.0, float("nan"), float("inf"), 1e300):
            with pytest.raises(mv.InvalidError):
                log.follow(timeout=wrong)
    with pytest.raises(mv.StateError):
        log.append_note("late")
    log.close()
    assert log.closed
    with pytest.raises(mv.ExistsError):
        mv.Log.create(tmp_path / "log")
    with pytest.raises(mv.NotFoundError):
        mv.Log.open(tmp_path / "other")
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    with pytest.raises(mv.DamagedError):
        mv.Log.open(tmp_path / "junk")
    with mv.Log.open(tmp_path / "log", read_only=True) as reader, pytest.raises(mv.StateError):
        reader.append_note("no")


def test_proofs_hold_and_forgeries_do_not(tmp_path: Path, provider: mv.Identity, patient: mv.Identity) -> None:
    log = mv.Log.create(tmp_path / "log")
    for n in range(9):
        log.append_note(f"entry {n}")
    old = log.head(provider)
    evidence = log.evidence(4, old)
    index, entry = mv.verify_evidence(evidence, provider.public)
    assert (index, entry["text"]) == (4, "entry 4")
    with pytest.raises(mv.UnverifiedError):
        mv.verify_evidence(evidence, patient.public)
    for at in range(20, len(evidence), 11):
        changed = bytearray(evidence)
        changed[at] ^= 1
        with pytest.raises((mv.UnverifiedError, mv.DamagedError)):
            mv.verify_evidence(changed, provider.public)
    log.append_note("later")
    new = log.head(provider)
    mv.verify_consistency(old, new, log.consistency(9, 10), provider.public)
    log.check_against(old, provider.public)
    other = mv.Log.create(tmp_path / "other")
    for n in range(10):
        other.append_note(f"entry {n}")
    with pytest.raises(mv.UnverifiedError):
        mv.verify_consistency(old, other.head(provider), log.consistency(9, 10), provider.public)
    with pytest.raises(mv.Error):
        other.check_against(old, provider.public)
    with pytest.raises(mv.NotFoundError):
        log.consistency(9, 99)
    assert mv.SignedHead.from_bytes(new.to_bytes()).root == log.verify()["root"]


def test_an_edited_file_is_found_out(tmp_path: Path, provider: mv.Identity) -> None:
    with mv.Log.create(tmp_path / "log") as log:
        for n in range(5):
            log.append_note(f"entry {n}")
        copy = tmp_path / "copy"
    shutil.copy(tmp_path / "log", copy)
    with mv.Log.open(tmp_path / "log") as log:
        log.append_note("promised")
        head = log.head(provider)
        assert log.verify()["size"] == 6
    with mv.Log.open(copy) as rolled_back, pytest.raises(mv.DamagedError):
        rolled_back.check_against(head, provider.public)
    connection = sqlite3.connect(tmp_path / "log")
    names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
    table = next(name for name in names if "entr" in name)
    column = next(row[1] for row in connection.execute(f"pragma table_info({table})") if row[2].upper() == "BLOB")
    connection.execute(f"update {table} set {column} = zeroblob(length({column})) where rowid = 3")
    connection.commit()
    connection.close()
    with pytest.raises(mv.DamagedError), mv.Log.open(tmp_path / "log") as log:
        log.verify()


def test_a_follower_sees_what_comes(tmp_path: Path) -> None:
    log = mv.Log.create(tmp_path / "log")
    log.append_note("first")
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.extend(e["text"] for e in log.follow(timeout=3)))
    thread.start()
    time.sleep(0.1)
    log.append_note("second")
    thread.join()
    assert seen == ["first", "second"]


def test_a_forked_child_must_open_its_own(tmp_path: Path) -> None:
    log = mv.Log.create(tmp_path / "log")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            log.append_note("from the child")
        except mv.StateError:
            with mv.Log.open(tmp_path / "log") as own:
                own.append_note("from the child")
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert log.append_note("from the parent") == 1
    assert log.verify()["size"] == 2
