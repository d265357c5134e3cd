"""Whether a test could fail: read from its source, without running it.

A test asserts when it, or a function of this repository that it calls, has an `assert`, or expects
something to be raised. What it is given by fixtures, and methods of objects, are not followed.
"""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_LEAVES_OUT = frozenset({"skip", "skipif", "xfail", "importorskip"})
_EXPECTS = frozenset({"raises", "warns"})


def problem_of(path: Path, name: str) -> str | None:
    """Why the test `name` of a module says nothing; None if it is collected, run, and asserts."""
    module = _parsed(path)
    test = _functions(module).get(name)
    if not path.name.startswith("test_") or not name.startswith("test_") or test is None:
        return "no such test is collected"
    marks = [node for node in module.body if isinstance(node, ast.Assign) and _is_mark(node)]
    if any(_words(node) & _LEAVES_OUT for node in (test, *test.decorator_list, *marks)):
        return "it may be left out"
    return None if _asserts(path, test, frozenset()) else "it asserts nothing"


def names_of_tests(path: Path) -> list[str]:
    """The tests of a module, by their names."""
    return [name for name in _functions(_parsed(path)) if name.startswith("test_")]


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _functions(module: ast.Module) -> dict[str, ast.FunctionDef]:
    """By name; of two of one name the later one counts, as for Python."""
    return {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}


def _is_mark(node: ast.Assign) -> bool:
    return any(isinstance(item, ast.Name) and item.id == "pytestmark" for item in node.targets)


def _words(node: ast.AST) -> set[str]:
    found = (item for item in ast.walk(node) if isinstance(item, ast.Attribute))
    return {item.attr for item in found}


def _asserts(path: Path, function: ast.FunctionDef, seen: frozenset[str]) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and _is_expectation(node.func):
            return True
    key = f"{path}::{function.name}"
    callees = () if key in seen else _called(path, function)
    return any(_asserts(*callee, seen | {key}) for callee in callees)


def _is_expectation(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and called.attr in _EXPECTS
        and isinstance(called.value, ast.Name)
        and called.value.id == "pytest"
    )


def _called(path: Path, function: ast.FunctionDef) -> Iterator[tuple[Path, ast.FunctionDef]]:
    """The functions of tests that another one calls by their names."""
    module = _parsed(path)
    own, imported = _functions(module), _imported(module)
    names = {
        node.func.id
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    for name in sorted(names):
        if name in own:
            yield path, own[name]
        elif name in imported:
            yield from _found(*imported[name])


def _imported(module: ast.Module) -> dict[str, tuple[str, str]]:
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in module.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


def _found(module: str, name: str) -> Iterator[tuple[Path, ast.FunctionDef]]:
    # Only what stands beside tests: an `assert` of the product says nothing of what a test wants.
    if "tests" not in module.split("."):
        return
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return
    path = Path(spec.origin)
    function = _functions(_parsed(path)).get(name)
    if function is not None:
        yield path, function
