"""The instant that decides windows, ages and "today": one for a whole command or task, and never the worker's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg

NOW = "select clock_timestamp()"


@dataclass(slots=True)
class Clock:
    """Tells one instant again and again: `at` where that is given, else the warehouse's clock at the first question.

    Workers' clocks differ by minutes, and so would their windows; the warehouse has one.
    """

    at: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def now(self, connect: Callable[[], psycopg.Connection[Any]]) -> datetime:
        """Return the instant as UTC; `connect` opens the warehouse. Raises WarehouseUnavailable."""
        with self._lock:
            if self.at is None:
                with connect() as connection:
                    self.at = present(connection)
            return self.at


def present(connection: psycopg.Connection[Any]) -> datetime:
    """Return what time it is, by the warehouse's clock."""
    row = connection.execute(NOW).fetchone()
    if row is None:
        raise AssertionError("a select of one value gives a row")
    return row[0].astimezone(UTC)  # type: ignore[no-any-return]
