"""The vectors of the reviewer's guide (docs/vectors), which Rust and C replay as well."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

import mediveil as mv

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "vectors"


def vectors(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def armoured(label: str, data: bytes) -> str:
    """A key file's text: base64 in lines of 64 between two labels."""
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN MEDIVEIL {label}-----", *lines, f"-----END MEDIVEIL {label}-----", ""])


@pytest.mark.parametrize("case", vectors("sealed-file")["cases"], ids=lambda case: str(case["name"]))
def test_sealed_files(case: dict[str, Any]) -> None:
    key: mv.Identity | mv.Passphrase
    if "key" in case["opens"]:
        key = mv.Identity.from_key_file(case["opens"]["key"])
    else:
        key = mv.Passphrase(case["opens"]["passphrase"])
    if case["refused"] is None:
        assert mv.open(raw(case["file"]), keys=key) == raw(case["plaintext"])
        return
    refusal = {"no door": mv.NoKeyError, "damaged": mv.DamagedError}[case["refused"]]
    with pytest.raises(refusal):
        mv.open(raw(case["file"]), keys=key)


def test_records() -> None:
    v = vectors("record")
    record = mv.Record(v["json"])
    assert record.resources[0].digest == raw(v["digest"])
    commitment = raw(v["commitment"])
    assert record.commit(raw(v["secret"])) == [commitment]
    assert record.open(raw(v["secret"]), 0, v["path"]) == raw(v["opening"])
    assert mv.check_opening(commitment, raw(v["opening"])) == (v["path"], v["value"])
    changed = commitment[:-1] + bytes([commitment[-1] ^ 1])
    with pytest.raises(mv.Error):
        mv.check_opening(changed, raw(v["opening"]))


def test_the_log() -> None:
    v = vectors("log")
    operator = mv.PublicIdentity.from_bytes(raw(v["operator_identity"]))
    index, entry = mv.verify_evidence(raw(v["evidence"]), operator)
    assert (index, entry["event"]) == (v["index"], "sealed")
    head = mv.SignedHead.from_bytes(raw(v["head"]))
    head.verify(operator)
    assert head.size == v["size"]
    with pytest.raises(mv.Error):
        mv.verify_evidence(raw(v["changed"]), operator)


def test_policies(tmp_path: Path) -> None:
    v = vectors("policy")
    parameters = mv.AuthorityParameters.from_bytes(raw(v["parameters"]))
    policy = mv.Policy(v["policy"])
    for number, case in enumerate(v["keys"]):
        path = tmp_path / f"{number}.key"
        path.write_text(armoured("ATTRIBUTE-KEY", raw(case["key"])))
        key = mv.AttributeKey.load(path)
        assert key.is_genuine(parameters)
        if case["opens"]:
            assert policy.satisfied_by(case["attributes"])
            assert mv.open(raw(v["file"]), keys=key) == raw(v["plaintext"])
        else:
            with pytest.raises(mv.NoKeyError):
                mv.open(raw(v["file"]), keys=key)


def test_committees() -> None:
    v = vectors("committee")
    keys = mv.KeySet.from_bytes(raw(v["set"]))
    ciphertext, associated = raw(v["ciphertext"]), raw(v["associated"])
    shares = [raw(share) for share in v["shares"]]
    for pair in ((0, 1), (0, 2), (1, 2)):
        assert keys.combine(ciphertext, associated, [shares[i] for i in pair]) == raw(v["shared_key"])
    with pytest.raises(mv.Error):
        keys.combine(ciphertext, associated, shares[:1])
    with pytest.raises(mv.Error):
        keys.combine(ciphertext, b"ward 4", shares)


def test_proofs() -> None:
    v = vectors("proof")
    with pytest.raises(mv.Error, match="development"):
        mv.VerifyingKey.from_bytes(raw(v["verifying_key"]))
    key = mv.VerifyingKey.from_bytes(raw(v["verifying_key"]), allow_development=True)
    assert mv.Proof.from_bytes(raw(v["proof"])).to_snarkjs() == (v["snarkjs_proof"], v["snarkjs_public"])
    key.verify_snarkjs(v["snarkjs_proof"], v["snarkjs_public"])
    swapped = [v["snarkjs_public"][1], v["snarkjs_public"][0], *v["snarkjs_public"][2:]]
    with pytest.raises(mv.Error):
        key.verify_snarkjs(v["snarkjs_proof"], swapped)
