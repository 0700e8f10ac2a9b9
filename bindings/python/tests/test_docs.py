"""Every public name is documented with an example, and every example runs."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from pathlib import Path
from typing import Any, Iterator

import pytest

import mediveil
import mediveil._federate
import mediveil._models
import mediveil._native
import mediveil._study
import mediveil._tables

HERE = Path(__file__).parent
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def documented() -> Iterator[tuple[str, Any]]:
    for name in mediveil.__all__:
        item = getattr(mediveil, name)
        yield name, item
        if inspect.isclass(item):
            # In an order of their own: that of the native classes differs between the processes that share these tests.
            for member in sorted(vars(item)):
                # The fields of a dataclass are described in the text of their class.
                if not member.startswith("_") and not inspect.ismemberdescriptor(getattr(item, member)):
                    yield f"{name}.{member}", getattr(item, member)
    yield "_tables.to_csv", mediveil._tables.to_csv
    yield "_tables.columns", mediveil._tables.columns
    yield "_tables.to_integers", mediveil._tables.to_integers
    yield "_models.from_sklearn", mediveil._models.from_sklearn
    yield "_models.values_json", mediveil._models.values_json
    for name in ("schema_json", "filter_json", "rows"):
        yield f"_study.{name}", getattr(mediveil._study, name)
    for name in ("task_json", "model_parts", "task_rows"):
        yield f"_federate.{name}", getattr(mediveil._federate, name)


@pytest.mark.parametrize(("name", "item"), list(documented()), ids=lambda value: value if isinstance(value, str) else "")
def test_the_examples_in_the_documentation_run(name: str, item: Any) -> None:
    text = inspect.getdoc(item) or ""
    parts = (mediveil._federate, mediveil._study, mediveil._tables, mediveil._models, mediveil)
    names = {name: value for part in parts for name, value in vars(part).items()}
    test = doctest.DocTestParser().get_doctest(text, names, name, name, 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_every_class_and_function_has_an_example_and_every_member_a_text() -> None:
    for name, item in documented():
        text = inspect.getdoc(item) or ""
        assert text, f"{name} has no documentation"
        top = "." not in name
        is_exception = inspect.isclass(item) and issubclass(item, Exception)
        made_elsewhere = name == "LogFollower"
        if top and not is_exception and not made_elsewhere:
            assert ">>>" in text, f"{name} has no example"


def test_the_stubs_name_exactly_what_is_there() -> None:
    stub = ast.parse((HERE.parent / "python/mediveil/_native.pyi").read_text())
    declared: dict[str, set[str]] = {}
    for node in stub.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            members = (item.name for item in node.body if isinstance(item, ast.FunctionDef))
            declared[node.name] = {name for name in members if not name.startswith("__")}
        elif isinstance(node, ast.FunctionDef):
            declared[node.name] = set()
    there = {
        name: {member for member in vars(item) if not member.startswith("__")} if inspect.isclass(item) else set()
        for name, item in vars(mediveil._native).items()
        if not name.startswith("__")
    }
    assert declared == there
    assert set(mediveil.__all__) <= set(vars(mediveil))


def test_the_stubs_take_the_arguments_that_are_there() -> None:
    stub = ast.parse((HERE.parent / "python/mediveil/_native.pyi").read_text())

    def check(name: str, node: ast.FunctionDef, item: Any) -> None:
        if any(isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list):
            return
        text = getattr(item, "__text_signature__", None)
        assert text, name
        if any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list):
            wanted = {a.arg for a in node.args.posonlyargs + node.args.args + node.args.kwonlyargs}
            assert wanted <= set(re.findall(r"\w+", text)), name
            return
        found = [p for p in re.findall(r"\w+", re.sub(r"=[^,)]+", "", text)) if p not in ("self", "cls")]
        args = node.args
        wanted = [a.arg for a in args.posonlyargs + args.args + args.kwonlyargs if a.arg not in ("self", "cls")]
        if args.vararg:
            wanted.append(args.vararg.arg)
        assert found == wanted, name

    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            check(node.name, node, getattr(mediveil._native, node.name))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.name.startswith("__"):
                    check(f"{node.name}.{item.name}", item, getattr(getattr(mediveil._native, node.name), item.name))
