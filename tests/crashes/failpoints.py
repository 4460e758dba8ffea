"""Counts what a process does to the database, from outside: psycopg's own methods are wrapped, none of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import psycopg
from psycopg.transaction import Transaction

Point = Callable[[str], None]


def install(point: Point) -> None:
    """Call `point` with a name before and after every statement, copy, begin, commit and rollback of this process."""
    for kind, names in (
        (psycopg.Cursor, ("execute", "executemany")),
        (psycopg.Connection, ("commit", "rollback")),
        (Transaction, ("__enter__", "__exit__")),
    ):
        for name in names:
            setattr(kind, name, _around(getattr(kind, name), f"{kind.__name__}.{name}", point))
    psycopg.Cursor.copy = _around_copy(psycopg.Cursor.copy, point)  # type: ignore[method-assign]


def _around(method: Callable[..., Any], name: str, point: Point) -> Callable[..., Any]:
    @wraps(method)
    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        said = f"{name} {_words(arguments)}"
        point(f"before {said}")
        result = method(self, *arguments, **named)
        point(f"after {said}")
        return result

    return wrapped


def _around_copy(method: Callable[..., Any], point: Point) -> Callable[..., Any]:
    @wraps(method)
    @contextmanager
    def wrapped(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        point("before copy")
        with method(self, *arguments, **named) as copy:
            point("after copy begins")
            yield copy
            point("before copy ends")
        point("after copy")

    return wrapped


def _words(arguments: tuple[Any, ...]) -> str:
    """The first words of a statement, for messages."""
    return " ".join(arguments[0].split()[:4]) if arguments and isinstance(arguments[0], str) else ""
