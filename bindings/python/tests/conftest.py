"""What the tests share. Keys are made once: making them is the slow part."""

from __future__ import annotations

from pathlib import Path

import pytest

import mediveil as mv


@pytest.fixture(scope="session")
def patient() -> mv.Identity:
    return mv.Identity.generate()


@pytest.fixture(scope="session")
def provider() -> mv.Identity:
    return mv.Identity.generate(hybrid=False)


@pytest.fixture(scope="session")
def clinic() -> mv.Authority:
    return mv.Authority.create("clinic", integers={"clearance": 4})


@pytest.fixture
def schema() -> mv.Schema:
    return mv.Schema("id", {"hba1c": (3, 20, 1), "sex": ["female", "male"], "note": str}, max_rows=1000)


@pytest.fixture
def budget(tmp_path: Path, schema: mv.Schema) -> mv.Budget:
    return mv.Budget.create(tmp_path / "study.log", "diabetes", schema, epsilon=1)
