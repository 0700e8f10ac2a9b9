"""The rules of docs/formats.cddl against every frozen object of the project. Needs the workspace around the package."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cddl_verifier import Validator

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "docs" / "formats.cddl"

MAGIC = bytes.fromhex("894d4456")
HEAD = 12
CORE = "sealed-core"

# What holds frames that are no objects of the registry, and why.
NOT_OBJECTS = {
    "crates/codec": "the codec's own tests frame a toy under a registered code",
}
# Types of which no encoding is kept anywhere, with the reason and a body made by hand: of the right shape, and no more.
ID = bytes(32)
NOT_KEPT: dict[str, tuple[str, list[Any]]] = {
    "sealed-ring": ("frozen by its digest, for it holds a sealed file", [bytes(16), bytes(300), None, ID, bytes(99)]),
    "model-patient-key": ("over 20 kB, so its test makes one", [ID, bytes(99)]),
    "model-evaluation-key": ("29 MB, so its test makes one", [bytes(99)]),
    "model-result": ("made and read in one test, with such keys", [ID, ID, bytes(99)]),
}
# Types whose body is a list of equals: one fewer or one more is another list.
LISTS = {"noisy-answer", "provider-registry"}
# Types with byte strings that their decoders leave alone, so that the rules say no more of these.
OPAQUE = {"doors", "log-entry", "log-evidence"}
# Lengths of ids, keys, points and signatures, and the fields of other lengths that have one of these somewhere by chance.
FIXED = {16, 32, 33, 48, 64, 96, 192, 288, 1216}
BY_CHANCE = {
    "sealed-core": {3},
    "policy-door": {4, 5},
    "zk-proving-key": {9},
    "zk-ceremony": {3},
    "credential-registry": {2},
    "fhe-partial-decryption": {2},
}
# Types with byte strings that hold CBOR without a frame, and the places of these.
WITHIN = {"log-entry": (5,), "log-evidence": (1, 2)}


@cache
def registry() -> dict[int, str]:
    source = (ROOT / "crates/codec/src/registry.rs").read_text()
    lines = re.findall(r'^    \w+ = 0x([0-9a-f]{4}), "([a-z0-9-]+)";$', source, re.MULTILINE)
    return {int(code, 16): name for code, name in lines}


@cache
def rules() -> Validator:
    return Validator(RULES.read_text())


def fits(name: str, body: Any) -> bool:
    return bool(rules().validate(cbor2.dumps(body), name))


def split(data: bytes) -> tuple[str, bytes, bytes] | None:
    """The type, the body and what follows, of bytes that begin with a frame of a registered type."""
    if len(data) < HEAD or data[:4] != MAGIC:
        return None
    name, end = registry().get(int.from_bytes(data[4:6])), HEAD + int.from_bytes(data[8:HEAD])
    return (name, data[HEAD:end], data[end:]) if name and len(data) >= end else None


def objects(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The object that these bytes are, or the core and the doors of a sealed file; and all objects inside."""
    frame = split(data)
    if frame is None:
        return
    name, body, rest = frame
    if rest and name != CORE:
        return
    yield name, body
    for inner in strings(cbor2.loads(body)):
        yield from objects(inner)
    if rest and (doors := split(rest)) is not None:
        yield from objects(rest[: HEAD + len(doors[1])])


def strings(value: Any) -> Iterator[bytes]:
    """All byte strings in a body."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def unhexed(text: str) -> bytes:
    digits = re.sub(r"[\s\\]", "", text)
    return bytes.fromhex(digits) if re.fullmatch("([0-9a-f]{2})+", digits) else b""


def texts(value: Any) -> Iterator[str]:
    """All texts in what a JSON file says."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts(item)


def kept() -> Iterator[tuple[Path, bytes]]:
    """All bytes that the project keeps: literals and files of hexadecimal digits, vectors, and seeds of the fuzzer."""
    for folder in ("crates", "circuits"):
        for path in sorted((ROOT / folder).rglob("*.rs")):
            for literal in re.findall(r'"([0-9a-f\s\\]+)"', path.read_text()):
                yield path, unhexed(literal)
        for path in sorted((ROOT / folder).rglob("tests/**/*.hex")):
            yield path, unhexed(path.read_text())
    for path in sorted((ROOT / "docs/vectors").glob("*.json")):
        for text in texts(json.loads(path.read_text())):
            yield path, unhexed(text)
    for path in sorted((ROOT / "fuzz/corpus").glob("*/*")):
        yield path, path.read_bytes()


@cache
def found() -> dict[str, dict[bytes, str]]:
    """By type, all bodies, each with the first place that it is in."""
    all_types: dict[str, dict[bytes, str]] = {name: {} for name in registry().values()}
    for path, data in kept():
        place = path.relative_to(ROOT).as_posix()
        if any(place.startswith(f"{folder}/") for folder in NOT_OBJECTS):
            continue
        for name, body in objects(data):
            all_types[name].setdefault(body, place)
    return all_types


def other(value: Any) -> Any:
    """Something of another type, which no field that takes `value` takes."""
    return {int: b"", bytes: "", str: b"", bool: 0, type(None): False, list: b""}[type(value)]


def ends(items: list[Any]) -> list[int]:
    """All places of a short list; of a long one, some at both ends."""
    return list(range(len(items))) if len(items) <= 20 else [*range(10), *range(len(items) - 10, len(items))]


def changed(value: Any, whole: bool) -> Iterator[Any]:
    """Bodies of another shape, at any depth. `whole`: whether the value is known to be a record, not a list of equals."""
    yield other(value)
    if not isinstance(value, list):
        return
    yield [*value, {}]
    # Elements of one type may be a list of equals.
    whole = whole or len({type(item) for item in value if item is not None}) > 1
    if whole:
        yield value[:-1]
        yield [*value, value[-1]]
    for at in ends(value):
        for item in changed(value[at], whole=False):
            yield [*value[:at], item, *value[at + 1 :]]


def longer(value: Any) -> Iterator[Any]:
    """Bodies in which something of a fixed length is a byte longer."""
    if isinstance(value, bytes) and len(value) in FIXED:
        yield value + b"\0"
    elif isinstance(value, list):
        for at in ends(value):
            for item in longer(value[at]):
                yield [*value[:at], item, *value[at + 1 :]]


def changed_bodies(name: str, body: Any) -> Iterator[Any]:
    if not isinstance(body, list):
        yield [body]
    yield from changed(body, whole=name not in LISTS)
    for at in WITHIN.get(name, ()):
        # The bytes of an unknown event are anything.
        if name != "log-entry" or body[4] in range(1, 11):
            for inner in changed(cbor2.loads(body[at]), whole=True):
                yield [*body[:at], cbor2.dumps(inner), *body[at + 1 :]]


@cache
def parts() -> dict[str, str]:
    """The right side of every rule, without comments and texts."""
    bare = re.sub(r'"[^"\n]*"|;.*', "", RULES.read_text())
    found = re.findall(r"^([a-z][a-z0-9-]*)(?:<[^=\n]*>)? = (.*(?:\n(?![a-z]).*)*)", bare, re.MULTILINE)
    return dict(found)


def reached_from(names: set[str]) -> set[str]:
    """These rules, and all that they are made of."""
    reached: set[str] = set()
    while names:
        reached |= names
        said = " ".join(re.sub(r"frame<[a-z0-9-]+>", "frame", parts()[name]) for name in names)
        names = set(re.findall(r"[a-z][a-z0-9-]*", said)) & parts().keys() - reached
    return reached


def test_the_rules_are_those_of_the_registry() -> None:
    headed = re.findall(
        r"^; 0x([0-9a-f]{4}) ([a-z0-9-]+): .+\n(?:;.+\n)*([a-z0-9-]+) = ", RULES.read_text(), re.MULTILINE
    )
    assert [(int(code, 16), name) for code, name, _ in headed] == list(registry().items())
    assert all(name == rule for _, name, rule in headed)
    # Every other rule is a part of some type's.
    assert sorted(parts().keys() - reached_from(set(registry().values()))) == []


@pytest.mark.parametrize("name", sorted(set(registry().values()) - OPAQUE))
def test_the_frames_inside_are_of_the_types_that_the_rule_names(name: str) -> None:
    named = {t for rule in reached_from({name}) for t in re.findall(r"frame<([a-z0-9-]+)>", parts()[rule])}
    assert named <= set(registry().values())
    for body, place in found()[name].items():
        inside = {frame[0] for inner in strings(cbor2.loads(body)) if (frame := split(inner)) and not frame[2]}
        assert inside <= named, place


def test_every_type_is_kept_somewhere() -> None:
    assert {name for name, bodies in found().items() if not bodies} == NOT_KEPT.keys()


@pytest.mark.parametrize("name", registry().values())
def test_every_kept_object_fits_its_rule(name: str) -> None:
    bodies = found()[name] or {cbor2.dumps(NOT_KEPT[name][1]): "made by hand"}
    for body, place in bodies.items():
        result = rules().validate(body, name)
        assert result, f"{place}: {result.errors}"


@pytest.mark.parametrize("name", registry().values())
def test_nothing_of_another_shape_fits(name: str) -> None:
    bodies = [cbor2.loads(body) for body in found()[name]] or [NOT_KEPT[name][1]]
    for body in bodies:
        assert fits(name, body)
        for wrong in changed_bodies(name, body):
            assert not fits(name, wrong), wrong


@pytest.mark.parametrize("name", registry().values())
def test_what_has_a_fixed_length_has_no_other(name: str) -> None:
    for body in [cbor2.loads(body) for body in found()[name]] or [NOT_KEPT[name][1]]:
        for wrong in longer(body):
            assert not fits(name, wrong) or any(wrong[at] != body[at] for at in BY_CHANCE.get(name, ())), wrong
