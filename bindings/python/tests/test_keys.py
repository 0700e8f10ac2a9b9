"""Key rings, authorities and policies, against themselves and against the wrong hands."""

from __future__ import annotations

import datetime
import os
import pickle
from pathlib import Path

import pytest

import mediveil as mv

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc)


def test_a_ring_rotates_and_erases(tmp_path: Path, provider: mv.Identity) -> None:
    path = tmp_path / "provider.ring"
    with mv.KeyRing.create(path, "provider", to=provider, hybrid=False, now=NOW - DAY) as ring:
        old = mv.seal(b"old", to=ring)
        assert ring.rotate(now=NOW) == 2
        new = mv.seal(b"new", to=[ring])
        assert (mv.open(old, keys=ring), mv.open(new, keys=ring)) == (b"old", b"new")
        ring.disable(1)
        with pytest.raises(mv.NoKeyError):
            mv.open(old, keys=ring)
        ring.enable(1)
        with pytest.raises(mv.StateError):
            ring.erase(2, "not yet")
        receipt = ring.erase(1, "the patient asked")
        assert ring.verify_receipt(receipt) == 1
        with pytest.raises((mv.UnverifiedError, mv.DamagedError)):
            ring.verify_receipt(receipt[:-1] + bytes([receipt[-1] ^ 1]))
        with pytest.raises(mv.NoKeyError):
            mv.open(old, keys=ring)
        with pytest.raises(mv.NotFoundError):
            ring.disable(9)
        with pytest.raises(mv.BusyError):
            mv.KeyRing.open(path, keys=provider)
        states = [(v["number"], v["state"]) for v in ring.versions]
        assert states == [(1, "destroyed"), (2, "active")]
        assert ring.versions[1]["public"] == ring.public
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(ring)
    assert ring.closed
    ring.close()
    for use in (ring.rotate, lambda: ring.versions, lambda: mv.seal(b"", to=ring), lambda: mv.open(new, keys=ring)):
        with pytest.raises(mv.StateError):
            use()
    with pytest.raises(mv.NoKeyError):
        mv.KeyRing.open(path, keys=mv.Identity.generate(hybrid=False))
    with mv.KeyRing.open(path, keys=provider) as again:
        assert mv.open(new, keys=again) == b"new"


def test_what_a_ring_cannot_be_made_of(tmp_path: Path, provider: mv.Identity) -> None:
    with pytest.raises(mv.InvalidError):
        mv.KeyRing.create(tmp_path / "a", "janitor", to=provider)
    with pytest.raises(mv.NotFoundError):
        mv.KeyRing.open(tmp_path / "a", keys=provider)
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(mv.DamagedError):
        mv.KeyRing.open(tmp_path / "junk", keys=provider)
    with pytest.raises(OverflowError):
        mv.KeyRing.create(tmp_path / "b", "patient", to=provider, hybrid=False).disable(2**40)
    assert not (tmp_path / "a").exists()


def test_a_forked_child_leaves_the_ring_alone(tmp_path: Path, provider: mv.Identity) -> None:
    with mv.KeyRing.create(tmp_path / "r", "provider", to=provider, hybrid=False) as ring:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                ring.rotate()
            except mv.StateError:
                ring.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(mv.BusyError):
            mv.KeyRing.open(tmp_path / "r", keys=provider)
        assert ring.rotate() == 2


def test_policies_open_for_those_who_satisfy_them(clinic: mv.Authority, patient: mv.Identity) -> None:
    until = NOW + 3 * DAY
    doctor = clinic.grant(["role:doctor", "clearance=3"], until=until)
    nurse = clinic.grant(["role:nurse", "clearance=1"], until=until)
    policy = mv.Policy("role:doctor and clearance >= 2")
    sealed = mv.seal(b"record", to=[policy.door(clinic.parameters), patient])
    assert mv.open(sealed, keys=doctor) == b"record"
    with pytest.raises(mv.NoKeyError):
        mv.open(sealed, keys=nurse)
    other = mv.Authority.create("other", integers={"clearance": 4})
    stranger = other.grant(["role:doctor", "clearance=3"], until=until)
    with pytest.raises(mv.NoKeyError):
        mv.open(sealed, keys=stranger)
    assert doctor.is_genuine(clinic.parameters)
    assert not doctor.is_genuine(other.parameters)
    # A key that is expired opens nothing that is sealed from then on.
    later = mv.seal(b"record", to=policy.door(clinic.parameters, now=NOW + 30 * DAY))
    with pytest.raises(mv.NoKeyError):
        mv.open(later, keys=doctor)
    report = policy.explain(clinic.parameters)
    assert report["rows"] >= 2
    assert report["opens"]
    assert "doctor" in policy._repr_html_()


@pytest.mark.parametrize("text", ["", "role:doctor and", "3 of (a:b)", "(" * 100 + "a:b" + ")" * 100, "a:b " * 10])
def test_policies_that_do_not_parse(text: str) -> None:
    with pytest.raises(mv.PolicyError):
        mv.Policy(text)


def test_attributes_and_times_that_cannot_be(clinic: mv.Authority) -> None:
    for attributes in (["clearance=99"], ["and:x"], ["unknown=3"], ["role doctor"]):
        with pytest.raises(mv.PolicyError):
            clinic.grant_without_expiry(attributes)
    with pytest.raises(mv.InvalidError):
        clinic.grant_without_expiry([])
    with pytest.raises(mv.RefusedError):
        clinic.grant(["role:doctor"], until=NOW - 400 * DAY)
    for when in (datetime.datetime(2027, 1, 1), "tomorrow", "1969-01-01"):
        with pytest.raises(mv.InvalidError):
            clinic.grant(["role:doctor"], until=when)
    with pytest.raises(TypeError):
        clinic.grant(["role:doctor"], until=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        clinic.grant("role:doctor", until=NOW)
    with pytest.raises(mv.PolicyError):
        mv.Policy("height >= 3").explain(clinic.parameters)
    with pytest.raises(mv.InvalidError):
        mv.Authority.create("x", granularity="years")
    with pytest.raises(OverflowError):
        mv.Authority.create("x", integers={"a": 300})


def test_authority_files(tmp_path: Path, clinic: mv.Authority) -> None:
    clinic.save(tmp_path / "clinic.key")
    assert (tmp_path / "clinic.key").stat().st_mode & 0o077 == 0
    assert mv.Authority.load(tmp_path / "clinic.key").parameters == clinic.parameters
    clinic.parameters.save(tmp_path / "clinic.pub")
    assert mv.AuthorityParameters.load(tmp_path / "clinic.pub") == clinic.parameters
    key = clinic.grant(["role:doctor"], until="2099-01-01")
    key.save(tmp_path / "doctor.key")
    again = mv.AttributeKey.load(tmp_path / "doctor.key")
    assert again.expires == key.expires
    assert again.expires is not None and again.expires.tzinfo is not None
    with pytest.raises(mv.DamagedError):
        mv.AttributeKey.load(tmp_path / "clinic.key")
    with pytest.raises(mv.DamagedError):
        mv.AuthorityParameters.from_bytes(clinic.parameters.to_bytes()[:-1])
