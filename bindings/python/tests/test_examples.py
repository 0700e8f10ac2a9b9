"""The examples run, as somebody would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(("name", "argument"), [("first_budget", "study.log"), ("steward", ".")])
def test_the_example_runs(tmp_path: Path, name: str, argument: str) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), argument]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "left: epsilon 0.6" in done.stdout or "entries verifies" in done.stdout


def test_the_readmes_ten_lines_are_the_example(tmp_path: Path) -> None:
    text = (EXAMPLES.parent / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    # In a wheel's source the workspace's README is not there.
    whole = EXAMPLES.parents[2] / "README.md"
    assert not whole.exists() or code in whole.read_text()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "left: epsilon 0.6" in done.stdout
