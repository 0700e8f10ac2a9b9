"""The notebooks have the cells of their scripts, and both run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

from notebooks import EXAMPLES, cells, text

SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def test_there_are_notebooks() -> None:
    assert [path.stem for path in SCRIPTS] == sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))
    assert [path.stem for path in SCRIPTS] == ["researcher_half_hour", "scale_out", "steward_half_hour"]


def test_cells_of_a_script() -> None:
    script = "# %% [markdown]\n# # Title\n#\n# text\n\n# %%\nx = 1\n\n\ny = 2\n\n# %%\nx\n"
    assert cells(script) == [("markdown", "# Title\n\ntext"), ("code", "x = 1\n\n\ny = 2"), ("code", "x")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_notebook_has_the_cells_of_its_script(script: Path) -> None:
    # Otherwise run `python tests/notebooks.py`.
    assert script.with_suffix(".ipynb").read_text() == text(script.read_text())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_script_runs(tmp_path: Path, script: Path) -> None:
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # What each shows last has come true.
    assert "entries verify" in done.stdout.splitlines()[-1], done.stdout


@pytest.mark.filterwarnings("ignore")  # of the kernel's machinery, not ours
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_notebook_runs(tmp_path: Path, script: Path) -> None:
    notebook = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert last.outputs and all(output.output_type != "error" for output in last.outputs)
