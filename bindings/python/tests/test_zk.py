"""Proofs of the three statements, and everything that must be refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import mediveil as mv

OBSERVATION = """{"resourceType": "Observation", "code": {"coding": [{"code": "4548-4"}]},
    "valueQuantity": {"value": 6.4, "unit": "%"}, "effectiveDateTime": "2026-03-01T08:00:00Z"}"""
CLAIMS = ["code.coding[0].code = 4548-4", "valueQuantity.value < 7.0"]


class World:
    """One issuer with two persons, and one key: what the tests of identity share."""

    def __init__(self) -> None:
        self.register = mv.IssuerRegister("St. Anna", roles=["patient", "physician"])
        self.me, self.other = mv.HolderSecret.generate(), mv.HolderSecret.generate()
        self.mine = self.issue("P-1", self.me, "1980-02-29")
        self.young = self.issue("P-2", self.other, "2015-01-01")
        self.registry = self.register.publish()
        self.key = mv.ProvingKey.development("identity")
        self.checks = self.key.verifying(allow_development=True)

    def issue(self, person: str, who: mv.HolderSecret, born: str) -> mv.Credential:
        return self.register.issue(person, who.holder, born=born, role="physician", expires="2099-01-31")

    def prove(self, request: mv.IdentityRequest) -> mv.Proof:
        return mv.prove(request, key=self.key, secret=self.me, credential=self.mine, registry=self.registry)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def asked(scope: str = "pharmacy/2026", **more: Any) -> mv.IdentityRequest:
    return mv.IdentityRequest(scope=scope, min_age=18, **more)


def test_one_person_is_known_again_in_a_scope_and_nowhere_else(world: World) -> None:
    nullifiers = []
    for scope in ("a", "a", "b"):
        request = asked(scope)
        proof = mv.Proof.from_bytes(world.prove(request).to_bytes())
        seen = mv.verify(proof, key=world.checks, request=request, registry=world.registry)
        assert (seen.statement, seen.scope) == ("identity", scope)
        assert seen.nullifier == world.me.nullifier(scope)
        nullifiers.append(seen.nullifier)
    assert nullifiers[0] == nullifiers[1] != nullifiers[2]


def test_a_proof_is_for_its_request_alone(world: World) -> None:
    request = asked()
    proof = world.prove(request)
    others = {
        "scope": asked("pharmacy/2027", challenge=request.challenge),
        "challenge": asked(),
        "birth date": mv.IdentityRequest(scope="pharmacy/2026", min_age=21, challenge=request.challenge),
        "roles": asked(roles=["patient"], challenge=request.challenge),
    }
    for what, other in others.items():
        with pytest.raises(mv.UnverifiedError, match=what):
            mv.verify(proof, key=world.checks, request=other, registry=world.registry)
    with pytest.raises(mv.UnverifiedError, match="registry"):
        empty = mv.IssuerRegister("St. Anna", roles=["patient", "physician"]).publish()
        mv.verify(proof, key=world.checks, request=request, registry=empty)


def test_what_is_not_so_is_not_proved(world: World) -> None:
    def prove(request: mv.IdentityRequest, **other: Any) -> None:
        parts: dict[str, Any] = {"secret": world.me, "credential": world.mine, "registry": world.registry, **other}
        mv.prove(request, key=world.key, **parts)

    with pytest.raises(mv.RefusedError, match="not born before"):
        prove(asked(), secret=world.other, credential=world.young)
    with pytest.raises(mv.RefusedError, match="expired"):
        prove(asked(today="2099-02-01"))
    with pytest.raises(mv.RefusedError, match="none of the roles"):
        prove(asked(roles=["patient"]))
    with pytest.raises(mv.RefusedError, match="another holder"):
        prove(asked(), secret=world.other)
    with pytest.raises(mv.RefusedError, match="not in this registry"):
        prove(asked(), registry=mv.IssuerRegister("St. Anna", roles=["patient", "physician"]).publish())
    with pytest.raises(mv.InvalidError, match="no role"):
        prove(asked(roles=["janitor"]))


def test_any_change_of_a_proof_is_refused(world: World) -> None:
    request = asked()
    good = world.prove(request).to_bytes()
    for at in range(0, len(good), 17):
        bad = bytearray(good)
        bad[at] ^= 1
        with pytest.raises((mv.DamagedError, mv.UnverifiedError)):
            mv.verify(mv.Proof.from_bytes(bad), key=world.checks, request=request, registry=world.registry)
    for cut in (0, 1, len(good) - 1):
        with pytest.raises(mv.DamagedError):
            mv.Proof.from_bytes(good[:cut])
    with pytest.raises(mv.DamagedError):
        mv.Proof.from_bytes(good + b"\0")


def test_a_key_of_another_setup_or_statement_is_refused(world: World) -> None:
    request = asked()
    proof = world.prove(request)
    foreign = mv.ProvingKey.development("identity").verifying(allow_development=True)
    with pytest.raises(mv.UnverifiedError, match="under this key"):
        mv.verify(proof, key=foreign, request=request, registry=world.registry)
    with pytest.raises(mv.UnverifiedError, match="proof 0"):
        mv.verify_batch([(proof, request)], key=foreign, registry=world.registry)
    record = mv.RecordRequest(CLAIMS, scope="x")
    providers = mv.ProviderRegistry({"lab": mv.ProviderKey.generate().public})
    with pytest.raises(mv.InvalidError, match="key is for identity"):
        mv.verify(proof, key=world.checks, request=record, providers=providers)


def test_development_keys_are_refused_wherever_one_is_read(world: World, tmp_path: Path) -> None:
    with pytest.raises(mv.RefusedError, match="development"):
        world.key.verifying()
    world.key.save(tmp_path / "identity.pk")
    world.checks.save(tmp_path / "identity.vk")
    with pytest.raises(mv.RefusedError, match="development"):
        mv.VerifyingKey.load(tmp_path / "identity.vk")
    again = mv.VerifyingKey.load(tmp_path / "identity.vk", allow_development=True)
    assert (again.to_bytes(), again.origin) == (world.checks.to_bytes(), "development")
    assert pickle.loads(pickle.dumps(again)).sha256 == again.sha256
    with pytest.raises(mv.DamagedError, match="proving key"):
        mv.VerifyingKey.load(tmp_path / "identity.pk", allow_development=True)
    with pytest.raises(mv.DamagedError, match="verifying key"):
        mv.ProvingKey.load(tmp_path / "identity.vk")
    with pytest.raises(mv.ExistsError):
        world.key.save(tmp_path / "identity.pk")
    with pytest.raises(mv.UnverifiedError, match="SHA-256"):
        mv.ProvingKey.load(tmp_path / "identity.pk", sha256=bytes(32))
    with pytest.raises(mv.InvalidError, match="32 bytes"):
        mv.ProvingKey.load(tmp_path / "identity.pk", sha256=b"short")
    file = bytearray((tmp_path / "identity.pk").read_bytes())
    file[-40] ^= 1
    (tmp_path / "bad.pk").write_bytes(file)
    with pytest.raises(mv.DamagedError):
        mv.ProvingKey.load(tmp_path / "bad.pk")
    request = asked()
    loaded = mv.ProvingKey.load(tmp_path / "identity.pk")
    proof = mv.prove(request, key=loaded, secret=world.me, credential=world.mine, registry=world.registry)
    mv.verify(proof, key=again, request=request, registry=world.registry)
    with pytest.raises(mv.InvalidError, match="identity, record and statistics"):
        mv.ProvingKey.development("age")
    with pytest.raises(mv.NotFoundError):
        mv.ProvingKey.load(tmp_path / "nothing")


def test_a_batch_is_as_good_as_each_and_names_the_first_that_fails(world: World) -> None:
    requests = [asked(f"scope {n}") for n in range(4)]
    pairs = [(world.prove(request), request) for request in requests]
    seen = mv.verify_batch(pairs, key=world.checks, registry=world.registry)
    assert [s.nullifier for s in seen] == [world.me.nullifier(f"scope {n}") for n in range(4)]
    swapped = [pairs[0], pairs[1], (pairs[2][0], requests[3]), pairs[3]]
    with pytest.raises(mv.UnverifiedError, match="proof 2 of the batch.*scope"):
        mv.verify_batch(swapped, key=world.checks, registry=world.registry)
    with pytest.raises(TypeError):
        mv.verify_batch(pairs, key=world.checks)
    with pytest.raises(TypeError):
        mv.verify_batch([pairs[0][0]], key=world.checks, registry=world.registry)  # type: ignore[list-item]
    with pytest.raises(TypeError):
        mixed: list[Any] = [(pairs[0][0], mv.StatisticsRequest("x"))]
        mv.verify_batch(mixed, key=world.checks, registry=world.registry)


def test_snarkjs_forms(world: World) -> None:
    proof, public = world.prove(asked()).to_snarkjs()
    assert (proof["protocol"], proof["curve"], len(public)) == ("groth16", "bn128", world.checks.to_snarkjs()["nPublic"])
    world.checks.verify_snarkjs(proof, public)
    with pytest.raises(mv.UnverifiedError):
        world.checks.verify_snarkjs(proof, ["1", *public[1:]])
    # A number at or above the field's order is another spelling of a small one, and refused.
    order = 21888242871839275222246405745257275088548364400416034343698204186575808495617
    for wrong in ([*public[:-1]], [str(order + int(public[0])), *public[1:]], ["01", *public[1:]], [-1, *public[1:]]):
        with pytest.raises(mv.DamagedError):
            world.checks.verify_snarkjs(proof, wrong)  # type: ignore[arg-type]
    for name in ("pi_a", "pi_b", "protocol"):
        with pytest.raises(mv.DamagedError):
            world.checks.verify_snarkjs({**proof, name: "1"}, public)
    assert "contract Identity" in world.checks.to_solidity("Identity")
    with pytest.raises(mv.InvalidError):
        world.checks.to_solidity("not a name")


def test_parts_that_lack_or_do_not_belong(world: World) -> None:
    request = asked()
    for parts in ({}, {"secret": world.me}, {"table": mv.StatisticsTable({"x": [1]})}):
        with pytest.raises(TypeError):
            mv.prove(request, key=world.key, **parts)
    with pytest.raises(TypeError):
        mv.prove("be an adult", key=world.key)  # type: ignore[arg-type]
    proof = world.prove(request)
    with pytest.raises(TypeError):
        mv.verify(proof, key=world.checks, request=request)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        mv.verify(b"", key=world.checks, request=request, registry=world.registry)  # type: ignore[call-overload]


def test_requests_that_cannot_be() -> None:
    for wrong in ({}, {"min_age": 18, "born_before": "2008-01-01"}):
        with pytest.raises(TypeError):
            mv.IdentityRequest(scope="x", **wrong)  # type: ignore[arg-type]
    for day in ("2026-02-30", "yesterday", "26-1-1"):
        with pytest.raises(mv.InvalidError):
            mv.IdentityRequest(scope="x", born_before=day)
    with pytest.raises(mv.InvalidError):
        mv.IdentityRequest(scope="x", min_age=3000)
    for age in (-1, 2**40):
        with pytest.raises(OverflowError):
            mv.IdentityRequest(scope="x", min_age=age)
    for claims in ([], ["value"], ["a < 1", "a > 0"], ["a < b"], ["a > 2 < 1"], [f"p{n} = x" for n in range(5)]):
        with pytest.raises(mv.InvalidError):
            mv.RecordRequest(claims, scope="x")
    with pytest.raises((OverflowError, TypeError)):
        mv.StatisticsRequest("x", where={"y": (0, 2**32)})
    with pytest.raises(TypeError):
        mv.StatisticsRequest("x", where={"y": 5})  # type: ignore[dict-item]
    for text in ("", "{}", '{"statement": "identity"}', '{"statement": "identity", "scope": "x", "extra": 1}'):
        with pytest.raises(mv.InvalidError):
            mv.IdentityRequest.from_json(text)
    with pytest.raises(mv.InvalidError, match="another statement"):
        mv.IdentityRequest.from_json(mv.StatisticsRequest("x").to_json())
    request = mv.RecordRequest(CLAIMS, scope="insurer")
    assert pickle.loads(pickle.dumps(request)) == request
    assert json.loads(request.to_json())["statement"] == "record"
    assert mv.IdentityRequest(scope="x", min_age=18).challenge != mv.IdentityRequest(scope="x", min_age=18).challenge


def test_registers(world: World, tmp_path: Path) -> None:
    register = mv.IssuerRegister("clinic", roles=["patient"])
    me, new = mv.HolderSecret.generate(), mv.HolderSecret.generate()
    issue: dict[str, Any] = {"born": "1980-01-01", "role": "patient", "expires": "2030-01-01"}
    register.issue("P", me.holder, **issue)
    with pytest.raises(mv.RefusedError, match="another person"):
        register.issue("Q", me.holder, **issue)
    with pytest.raises(mv.RefusedError, match="another secret"):
        register.issue("P", new.holder, **issue)
    register.issue("P", new.holder, new_secret=True, **issue)
    register.save(tmp_path / "register")
    register = mv.IssuerRegister.load(tmp_path / "register")
    with pytest.raises(mv.NotFoundError):
        register.revoke("Q")
    register.revoke("P")
    assert (register.counts, register.publish().credentials) == ((0, 1), 0)
    for bad in ({"role": "janitor"}, {"born": "2031-01-01"}, {"born": "then"}):
        with pytest.raises(mv.InvalidError):
            register.issue("R", me.holder, **{**issue, **bad})
    for name, roles in (("", ["a"]), ("x", []), ("x", ["a", "a"]), ("x" * 200, ["a"])):
        with pytest.raises(mv.InvalidError):
            mv.IssuerRegister(name, roles=roles)
    registry = world.registry
    registry.save(tmp_path / "registry")
    assert mv.CredentialRegistry.load(tmp_path / "registry") == registry == pickle.loads(pickle.dumps(registry))
    with pytest.raises(mv.DamagedError):
        mv.CredentialRegistry.load(tmp_path / "register")
    lab = mv.ProviderKey.generate()
    with pytest.raises(mv.InvalidError):
        mv.ProviderRegistry({"a": lab.public, "b": lab.public})
    with pytest.raises(TypeError):
        mv.ProviderRegistry({"a": lab})  # type: ignore[dict-item]


def test_secrets_stay_where_they_are(world: World, tmp_path: Path) -> None:
    lab = mv.ProviderKey.generate()
    held = lab.sign(mv.Record(OBSERVATION), world.me.holder)
    secrets = [world.me, world.mine, lab, held, mv.StatisticsTable({"x": [1]}), world.register, world.key]
    for n, secret in enumerate(secrets):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret)
        assert "secret" in repr(secret) or "Register" in repr(secret) or "ProvingKey" in repr(secret)
    for n, secret in enumerate(secrets[:5]):
        path = tmp_path / str(n)
        secret.save(path)  # type: ignore[attr-defined]
        assert path.stat().st_mode & 0o77 == 0
        with pytest.raises(mv.ExistsError):
            secret.save(path)  # type: ignore[attr-defined]
        type(secret).load(path)  # type: ignore[attr-defined]
    assert mv.HolderSecret.load(tmp_path / "0").nullifier("x") == world.me.nullifier("x")


@pytest.fixture(scope="module")
def record_key() -> mv.ProvingKey:
    return mv.ProvingKey.development("record")


def test_what_a_record_says(world: World, record_key: mv.ProvingKey) -> None:
    record = mv.Record(OBSERVATION)
    lab, hospital = mv.ProviderKey.generate(), mv.ProviderKey.generate()
    held = lab.sign(record, world.me.holder)
    providers = mv.ProviderRegistry({"lab": lab.public, "hospital": hospital.public})
    request = mv.RecordRequest([*CLAIMS, "effectiveDateTime >= 2026-01-01T00:00:00Z"], scope="pharmacy/2026")
    parts: dict[str, Any] = {"key": record_key, "secret": world.me, "record": record, "held": held, "providers": providers}
    proof = mv.prove(request, **parts)
    checks = record_key.verifying(allow_development=True)
    seen = mv.verify(proof, key=checks, request=request, providers=providers)
    # The same person as in identity proofs of the scope.
    assert seen.nullifier == world.me.nullifier("pharmacy/2026")
    assert mv.verify_batch([(proof, request)], key=checks, providers=providers) == [seen]
    false = mv.RecordRequest(["valueQuantity.value < 6.4"], scope="pharmacy/2026")
    with pytest.raises(mv.UnverifiedError):
        mv.verify(proof, key=checks, request=false, providers=providers)
    with pytest.raises(mv.UnverifiedError, match="registry of providers"):
        mv.verify(proof, key=checks, request=request, providers=mv.ProviderRegistry({"lab": lab.public}))
    changed = mv.Record(OBSERVATION.replace("6.4", "6.3"))
    strangers = mv.ProviderRegistry({"hospital": hospital.public})
    for why, other in (
        ("all the values", {"request": false}),
        ("all the values", {"request": mv.RecordRequest(["status = final"], scope="x")}),
        ("not in this registry", {"providers": strangers}),
        ("another holder", {"secret": world.other}),
        ("all the values", {"resource": 1}),
    ):
        with pytest.raises(mv.RefusedError, match=why):
            mv.prove(**{"request": request, **parts, **other})
    with pytest.raises(mv.UnverifiedError, match="not the record"):
        mv.prove(request, **{**parts, "record": changed})
    with pytest.raises(mv.InvalidError):
        mv.prove(request, **{**parts, "key": world.key})


def test_what_a_table_adds_up_to() -> None:
    key = mv.ProvingKey.development("statistics")
    checks = key.verifying(allow_development=True)
    hba1c = [50 + n % 30 for n in range(70)]
    born = [1950 + n % 40 if n % 9 else None for n in range(70)]
    rows = {"hba1c": hba1c, "born": born}
    table = mv.StatisticsTable(rows)
    request = mv.StatisticsRequest("hba1c", where={"born": (1960, 1980)})
    steps: list[int] = []
    proof = mv.prove(request, key=key, table=table, progress=steps.append)
    assert steps == [1, 1]
    kept = [h for h, b in zip(hba1c, born) if b is not None and 1960 <= b <= 1980]
    totals = mv.verify(mv.Proof.from_bytes(proof.to_bytes()), key=checks, request=request, table=table.commitment)
    assert totals == mv.Totals(len(kept), sum(kept), sum(x * x for x in kept))
    for other, published in (
        (mv.StatisticsRequest("hba1c"), table.commitment),
        (mv.StatisticsRequest("hba1c", where={"born": (1960, 1979)}), table.commitment),
        (request, mv.StatisticsTable(rows).commitment),
    ):
        with pytest.raises(mv.UnverifiedError):
            mv.verify(proof, key=checks, request=other, table=published)
    with pytest.raises(mv.InvalidError):
        proof.to_snarkjs()
    with pytest.raises(mv.InvalidError, match="no column"):
        mv.verify(proof, key=checks, request=mv.StatisticsRequest("bmi"), table=table.commitment)

    def stop(_: int) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        mv.prove(request, key=key, table=table, progress=stop)


def test_tables_that_cannot_be() -> None:
    import pandas as pd

    frame = pd.DataFrame({"x": [1.0, float("nan")], "y": [2, 3], "z": ["a", "b"]})
    assert mv.StatisticsTable(frame, columns=["x", "y"]).commitment.columns == ["x", "y"]
    many = {str(n): [1] for n in range(5)}
    empty: dict[str, list[int]] = {"x": []}
    for wrong in (frame, many, empty, {}, {"x": [-1]}, {"x": [2**32]}, {"x": [0.5]}, {"x": [True]}, {"x": [1] * 4097}):
        with pytest.raises(mv.InvalidError):
            mv.StatisticsTable(wrong)
    for endless in (float("inf"), 10**400):
        with pytest.raises((mv.InvalidError, OverflowError)):
            mv.StatisticsTable({"x": [endless]})
    with pytest.raises(mv.InvalidError):
        mv.StatisticsTable({"x": [1], "y": [1, 2]})
    with pytest.raises(mv.InvalidError):
        mv.StatisticsTable(frame, columns=["x", "nothing"])
    with pytest.raises(TypeError):
        mv.StatisticsTable(5)
