"""A measured figure, and the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from extractors.settings import Settings
from local import postgres

#: A server like a modest production one; durable, since the limit compared with pays for that as well.
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "wal_compression": "on"}
#: What dlt made for a run of its own; its tables would be vacuumed while others are measured.
LEFT_BY_PEERS = r"select nspname from pg_namespace where nspname like 'dlt\_%'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One result; `ratio` is against what `against` names, measured in the same run."""

    what: str
    value: float
    unit: str
    ratio: float | None = None
    against: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the figure as a row of the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (
            self.what,
            f"{self.value:,.1f}" if self.value < 1000 else f"{self.value:,.0f}",
            self.unit,
            ratio,
            self.against,
        )


@dataclass(slots=True)
class Stopwatch:
    """Seconds between entering and leaving a block."""

    seconds: float = 0.0


def settle(settings: Settings) -> None:
    """Have the server do what the last measurement left to it, so that the next one pays for itself alone."""
    with settings.warehouse.connect() as connection:
        connection.autocommit = True
        for (schema,) in connection.execute(LEFT_BY_PEERS).fetchall():
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
        connection.execute("checkpoint")


@contextmanager
def measured_server(settings: Mapping[str, str] = SETTINGS) -> Iterator[postgres.Server]:
    """Run a server of one's own, which is gone afterwards."""
    with TemporaryDirectory(prefix="benchmark-") as directory:
        server = postgres.start(Path(directory), settings=settings)
        try:
            yield server
        finally:
            postgres.remove(Path(directory))


@contextmanager
def unvacuumed(server: postgres.Server) -> Iterator[None]:
    """Let no autovacuum worker take a core away from whoever is on the clock."""
    with psycopg.connect(server.url("postgres", "postgresql"), autocommit=True) as connection:
        connection.execute("alter system set autovacuum = off")
        connection.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("alter system reset autovacuum")
            connection.execute("select pg_reload_conf()")


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measure a block by the monotonic clock."""
    watch, start = Stopwatch(), time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - start
