"""Records, and the table of errors."""

from __future__ import annotations

from typing import Any

import pytest

import mediveil as mv
from mediveil import _errors, _native


def test_canonical_bytes_digest_and_commitment() -> None:
    record = mv.Record(mv.sample_bundle(3, seed=7))
    assert mv.Record(mv.sample_bundle(3, seed=7).encode()).resources[0].digest == record.resources[0].digest
    secret = mv.Record.new_secret()
    commitments = record.commit(secret)
    assert len(commitments) == len(record) == len(record.resources)
    path, value = next(leaf for leaf in record.resources[1].leaves if not leaf[0].startswith("$"))
    opening = record.open(secret, 1, path)
    assert mv.check_opening(commitments[1], opening) == (path, value)
    with pytest.raises(mv.UnverifiedError):
        mv.check_opening(commitments[0], opening)
    with pytest.raises(mv.NotFoundError):
        record.open(secret, 1, "no.such.path")
    with pytest.raises(mv.NotFoundError):
        record.open(secret, 10**6, path)
    with pytest.raises(OverflowError):
        record.open(secret, -1, path)
    with pytest.raises(mv.InvalidError):
        record.commit(b"short")
    with pytest.raises(mv.DamagedError):
        mv.check_opening(b"\xff" * 32, opening)
    with pytest.raises(mv.DamagedError):
        mv.check_opening(commitments[0], opening[:-1])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"a": 1}', '{"resourceType": 5}', '{"resourceType": "Patient", "resourceType": "Patient"}',
             '{"resourceType": "Patient", "x": NaN}', '{"resourceType": "Patient", "x": "\\ud800"}', b"\xff\xfe", "[" * 1000]
)
def test_what_is_no_record(text: Any) -> None:
    with pytest.raises(mv.InvalidError):
        mv.Record(text)


def test_the_tree_of_exceptions_is_the_tables() -> None:
    table = dict(_native._kinds())
    assert set(table) == set(_errors.__all__)
    assert sorted(table.values()) == list(range(1, len(table) + 1))
    for name in table:
        assert issubclass(getattr(mv, name), mv.Error)
    assert issubclass(mv.InvalidError, ValueError)
    assert issubclass(mv.StorageError, OSError)
