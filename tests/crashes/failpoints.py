"""Counts what a process does to the database, from outside: psycopg's own methods are wrapped, none of ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import psycopg
from psycopg.transaction import Transaction

Point = Callable[[str], None]


def install(point: Point) -> None:
    """Call `point` with a name before and after every statement, pipeline, begin, commit and rollback of a process.

    Of a `copy` also before and after it begins, each of its blocks, and its end.
    """
    for kind, names in (
        (psycopg.Cursor, ("execute", "executemany")),
        (psycopg.Copy, ("__enter__", "write", "__exit__")),
        (psycopg.Connection, ("commit", "rollback")),
        (psycopg.Pipeline, ("__enter__", "__exit__")),
        (Transaction, ("__enter__", "__exit__")),
    ):
        for name in names:
            setattr(kind, name, _around(getattr(kind, name), f"{kind.__name__}.{name}", point))


def _around(method: Callable[..., Any], name: str, point: Point) -> Callable[..., Any]:
    @wraps(method)
    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        said = f"{name} {_words(arguments)}" if name.startswith("Cursor") else name
        point(f"before {said}")
        result = method(self, *arguments, **named)
        point(f"after {said}")
        return result

    return wrapped


def _words(arguments: tuple[Any, ...]) -> str:
    """The first words of a statement, for messages."""
    match arguments[:1]:
        case (str() as text,):
            return " ".join(text.split()[:4])
        case (bytes() as text,):
            return " ".join(text.decode().split()[:3])
    return ""
