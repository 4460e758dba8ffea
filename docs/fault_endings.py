"""Which tests end with the three assertions, read from their source: a test, or what it calls, names all three.

Followed are the functions and methods of the test's own file and of the conftest.py files beside and above it, fixtures
included; what a test imports from elsewhere counts by its name alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

#: One function of tests/aftermath.py that makes all three.
WHOLE = "assert_survived"
#: The three, each by any of its names: the warehouse equals the oracle, the ledger explains, no secret is anywhere.
#: `is_exact` is the verdict of tests/crashes on rows and ledger after a kill.
THREE = (
    frozenset({"assert_equal_warehouses", "is_exact"}),
    frozenset({"assert_ledger_explains"}),
    frozenset({"assert_no_secret"}),
)

#: What a fixture or a function calls to leave a test out.
SKIPS = frozenset({"skip", "importorskip"})

Functions = Mapping[str, frozenset[str]]


def is_whole(path: Path, test: str) -> bool:
    """Say whether a test of a file makes all three assertions, itself or through what it calls."""
    known = _functions(path)
    named = _reached(test, known)
    return WHOLE in named or all(any(name in named for name in names) for names in THREE)


def may_skip(path: Path, test: str) -> bool:
    """Say whether a test of a file may be left out by something it calls, a fixture of its for instance."""
    return bool(SKIPS & _reached(test, _functions(path)))


def _reached(start: str, known: Functions) -> frozenset[str]:
    """Every name that a function uses, and those that functions of such a name use."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = known.get(waiting.pop(), frozenset()) - found
        found |= fresh
        waiting += fresh
    return frozenset(found)


def _functions(path: Path) -> Functions:
    """The names used by each function of a file and of its conftest.py files; the file's own come first."""
    found: dict[str, frozenset[str]] = {}
    for each in (path, *_conftests(path)):
        for name, used in _uses(each).items():
            found.setdefault(name, used)
    return found


def _conftests(path: Path) -> Iterable[Path]:
    folders = [folder for folder in path.parents if (folder / "__init__.py").exists() or folder == path.parent]
    return [folder / "conftest.py" for folder in folders if (folder / "conftest.py").exists()]


@cache
def _uses(path: Path) -> Functions:
    module = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name: _names(node) for node in ast.walk(module) if isinstance(node, kinds)}


def _names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    """The names a function uses: plain, as attributes, and its arguments, which pytest fills with fixtures."""
    found = {each.id for each in ast.walk(function) if isinstance(each, ast.Name)}
    found |= {each.attr for each in ast.walk(function) if isinstance(each, ast.Attribute)}
    return frozenset(found | {each.arg for each in ast.walk(function) if isinstance(each, ast.arg)})
