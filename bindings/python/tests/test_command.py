"""Files made by Rust open here, and the other way round: the `mediveil` command is the other side.

`cargo xtask test` says where it is by MEDIVEIL_COMMAND; without it there is nobody to exchange files with.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import mediveil as mv

COMMAND = os.environ.get("MEDIVEIL_COMMAND")
pytestmark = pytest.mark.skipif(COMMAND is None, reason="MEDIVEIL_COMMAND names no command to exchange files with")


def run(folder: Path, *words: str) -> None:
    assert COMMAND is not None
    done = subprocess.run([COMMAND, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)


def test_what_the_command_seals_python_opens(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(mv.sample_bundle(0))
    record = (tmp_path / "record.json").read_bytes()
    (tmp_path / "phrase").write_text("seven quiet llamas\n")
    run(tmp_path, "identity", "new", "--out", "patient.key")
    run(tmp_path, "authority", "new", "--out", "clinic.key", "--name", "clinic", "--integer", "clearance:4")
    run(tmp_path, "authority", "grant", "clinic.key", "-a", "role:doctor", "-a", "clearance=3", "--until", "2099-01-01",
        "-o", "doctor.key")
    run(tmp_path, "seal", "record.json", "-o", "a.sealed", "--to", "patient.key.pub", "--passphrase-file", "phrase")
    run(tmp_path, "seal", "record.json", "-o", "b.sealed", "--policy", "role:doctor and clearance >= 2", "--authority",
        "clinic.key.pub")
    patient = mv.Identity.load(tmp_path / "patient.key")
    sealed = (tmp_path / "a.sealed").read_bytes()
    assert mv.open(sealed, keys=patient) == record
    assert mv.open(sealed, keys=mv.Passphrase("seven quiet llamas")) == record
    assert mv.PublicIdentity.load(tmp_path / "patient.key.pub") == patient.public
    doctor = mv.AttributeKey.load(tmp_path / "doctor.key")
    assert mv.open((tmp_path / "b.sealed").read_bytes(), keys=doctor) == record
    assert doctor.is_genuine(mv.AuthorityParameters.load(tmp_path / "clinic.key.pub"))


def test_what_python_seals_the_command_opens(tmp_path: Path, patient: mv.Identity, clinic: mv.Authority) -> None:
    patient.save(tmp_path / "patient.key")
    clinic.grant(["role:doctor"], until="2099-01-01").save(tmp_path / "doctor.key")
    to = [patient.public, mv.Policy("role:doctor").door(clinic.parameters)]
    (tmp_path / "sealed").write_bytes(mv.seal(b"record", to=to))
    for n, key in enumerate(("patient.key", "doctor.key")):
        run(tmp_path, "open", "sealed", "-i", key, "-o", f"opened{n}")
        assert (tmp_path / f"opened{n}").read_bytes() == b"record"
