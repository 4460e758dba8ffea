"""Database connections of many accounts that are read at once: as many as work, not as many as wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

Connection = psycopg.Connection[Any]


@dataclass(slots=True)
class Pool:
    """Idle connections, `keep` at most; more are opened while more accounts work, and closed again."""

    connect: Callable[[], Connection]
    keep: int
    _idle: list[Connection] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Connection:
        """Return an idle connection, or a new one. Raises WarehouseUnavailable."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        opened = self.connect()
        opened.autocommit = True
        return opened

    def give(self, connection: Connection) -> None:
        """Put a connection back, unless it is broken or there are enough."""
        with self._lock:
            if not connection.closed and len(self._idle) < self.keep:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()


class Lent:
    """A connection as its user sees it: taken from the pool at the first use, and again after it was given back."""

    __slots__ = ("_pool", "_taken")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._taken: Connection | None = None

    def __getattr__(self, name: str) -> Any:
        if self._taken is None:
            self._taken = self._pool.take()
        return getattr(self._taken, name)

    def give_back(self) -> None:
        """Let others have the connection, unless a transaction is open on it."""
        taken = self._taken
        if taken is not None and (taken.closed or taken.info.transaction_status == TransactionStatus.IDLE):
            self._taken = None
            self._pool.give(taken)

    def end(self) -> None:
        """Give the connection back, and close it if it is in the middle of something."""
        self.give_back()
        if self._taken is not None:
            self._taken.close()
            self._taken = None


class Shared:
    """One connection for the short statements of many threads; a transaction has it for itself until it ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    def execute(self, *arguments: Any, **named: Any) -> Any:
        """Run a statement; its rows are here when this returns."""
        with self._lock:
            return self._connection.execute(*arguments, **named)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Open a transaction that no other thread's statement gets into."""
        with self._lock, self._connection.transaction() as transaction:
            yield transaction
