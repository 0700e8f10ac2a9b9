"""Notebooks from scripts: `python notebooks.py` writes beside each script in `examples/python` the notebook of the same cells.

A script is in the percent format: `# %%` begins a cell of code, `# %% [markdown]` one of text in comments.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[3] / "examples/python"


def cells(script: str) -> list[tuple[str, str]]:
    """The cells of a script: pairs of kind ("code" or "markdown") and source."""
    found = []
    for part in ("\n" + script).split("\n# %%")[1:]:
        head, _, body = part.partition("\n")
        body = body.strip("\n")
        if head.strip() == "[markdown]":
            lines = [line.removeprefix("#").removeprefix(" ") for line in body.splitlines()]
            found.append(("markdown", "\n".join(lines)))
        else:
            found.append(("code", body))
    return found


def notebook(script: str) -> dict[str, Any]:
    """The notebook of a script, without outputs."""
    made = []
    for n, (kind, source) in enumerate(cells(script)):
        cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{n}", "metadata": {}, "source": source.splitlines(True)}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def text(script: str) -> str:
    """The file of it."""
    return json.dumps(notebook(script), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in sorted(EXAMPLES.glob("*.py")):
        path.with_suffix(".ipynb").write_text(text(path.read_text()))
        print(path.with_suffix(".ipynb"))
