"""Raw by months: partitions are there three months ahead, and rows that found none are moved into theirs.

A row whose month has no partition lands in the default one, so that none is ever lost (docs/adr/0040). `migrate` and
the daily maintenance call this; the clock is the warehouse's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from extractors.clock import present
from extractors.errors import RetryLater
from extractors.patience import patiently
from extractors.registry import streams
from extractors.settings import Settings

Connection = psycopg.Connection[Any]
SCHEMA = "raw_months"
#: How many months after the present one have their partition.
AHEAD = 3

# What was there before partitions were ends with the month in which they came.
PARTITIONS = """
select
    parent.relname, child.relname,
    substring(pg_get_expr(child.relpartbound, child.oid) from $$TO \\('([^']+)'\\)$$)::timestamptz
from pg_inherits as known
inner join pg_class as parent on parent.oid = known.inhparent
inner join pg_class as child on child.oid = known.inhrelid
where parent.relnamespace = 'raw'::regnamespace and parent.relkind = 'p' and parent.relname = any(%s)
"""
DEFAULT = "create table {partition} partition of {table} default"
# Attached, not created in place: readers and writers of the other partitions go on meanwhile.
LOCK = "lock table {default} in access exclusive mode"
CREATE = "create table {partition} (like {table} including constraints)"
MOVE = """
with moved as (
    delete from {default} where observed_at >= {since} and observed_at < {until}
    returning *
)

insert into {partition} select * from moved
"""
ATTACH = "alter table {table} attach partition {partition} for values from ({since}) to ({until})"
STRAY = """
select distinct date_trunc('month', observed_at, 'UTC') from {default} where isfinite(observed_at)
"""
ANY_STRAY = "select exists(select from {default})"


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, instant: datetime) -> Month:
        """The month that an instant lies in."""
        utc = instant.astimezone(UTC)
        return cls(utc.year, utc.month)

    def after(self, months: int = 1) -> Month:
        """The month so many later."""
        years, number = divmod(self.number - 1 + months, 12)
        return Month(self.year + years, number + 1)

    @property
    def begin(self) -> datetime:
        """Its first instant."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.year:04}_{self.number:02}"


def prepare(connection: Connection, names: Sequence[str]) -> None:
    """Make the default partition and those of the coming months, where they are not there.

    `names`: tables of the schema raw. Belongs into one transaction with what creates them.
    """
    known = _known(connection, list(names))
    for name in names:
        if (name, f"{name}_default") not in known:
            parts = {"partition": _partition(name, "default"), "table": sql.Identifier("raw", name)}
            connection.execute(sql.SQL(DEFAULT).format(**parts))
    for name, month in list(_missing(connection, names)):
        _make_and_move(connection, name, month)


def tend(settings: Settings) -> list[str]:
    """Make what is missing, move rows into the partitions of their months, and return a line for each such table.

    A table that another session holds is left for tomorrow, with a line. Raises WarehouseUnavailable.
    """
    lines: list[str] = []
    names = [stream.full_name for stream in streams()]
    with closing(settings.warehouse.connect()) as connection:
        connection.autocommit = True
        for name, months in _wanted(connection, names).items():
            for month in months:
                try:
                    lines += patiently(partial(_settle, connection, name, month), f"raw.{name}")
                except RetryLater as error:
                    lines.append(f"{error}; its rows are kept in {SCHEMA}.{name}_default until tomorrow")
        for name in names:
            # Autovacuum looks at partitions, never at the table they make up.
            connection.execute(sql.SQL("analyze {}").format(sql.Identifier("raw", name)))
    return lines


def concerns(connection: Connection) -> list[str]:
    """Return a line for each table with rows that wait for the partition of their month."""
    lines = []
    for name in [stream.full_name for stream in streams()]:
        row = connection.execute(_about_default(ANY_STRAY, name)).fetchone()
        if row and row[0]:
            lines.append(_says(name, "rows wait", "the daily maintenance moves them, is it running?"))
    return lines


def _wanted(connection: Connection, names: Sequence[str]) -> dict[str, list[Month]]:
    """The months that tables lack: those to come, and those of rows that found no partition."""
    found: dict[str, set[Month]] = {}
    for name, month in _missing(connection, names):
        found.setdefault(name, set()).add(month)
    for name in names:
        for (begin,) in connection.execute(_about_default(STRAY, name)):
            found.setdefault(name, set()).add(Month.of(begin))
    return {name: sorted(months) for name, months in found.items()}


def _settle(connection: Connection, name: str, month: Month) -> list[str]:
    """Give one month its partition, with the rows that waited for it."""
    with connection.transaction():
        if (name, f"{name}_{month}") in _known(connection, [name]):
            return []
        moved = _make_and_move(connection, name, month)
    if not moved:
        return []
    return [_says(name, f"{moved} rows of {month.begin:%B %Y} came", "they are in its own partition now")]


def _missing(connection: Connection, names: Iterable[str]) -> Iterator[tuple[str, Month]]:
    known = _known(connection, list(names))
    this = Month.of(present(connection))
    for name in names:
        older = known.get((name, f"{name}_older"))
        for month in (this.after(number) for number in range(AHEAD + 1)):
            if (name, f"{name}_{month}") not in known and (older is None or month.begin >= older):
                yield name, month


def _known(connection: Connection, names: list[str]) -> dict[tuple[str, str], datetime | None]:
    """Every partition of tables, with the end of what it holds; the default one has none."""
    return {(row[0], row[1]): row[2] for row in connection.execute(PARTITIONS, (names,))}


def _make_and_move(connection: Connection, name: str, month: Month) -> int:
    """Make the partition of a month and move the rows that waited for it, and return how many they were."""
    parts = {
        "table": sql.Identifier("raw", name),
        "default": _partition(name, "default"),
        "partition": _partition(name, str(month)),
        "since": sql.Literal(month.begin.isoformat()),
        "until": sql.Literal(month.after().begin.isoformat()),
    }
    connection.execute(sql.SQL(LOCK).format(**parts))
    connection.execute(sql.SQL(CREATE).format(**parts))
    moved = connection.execute(sql.SQL(MOVE).format(**parts)).rowcount
    connection.execute(sql.SQL(ATTACH).format(**parts))
    return moved


def _about_default(statement: str, name: str) -> sql.Composed:
    return sql.SQL(statement).format(default=_partition(name, "default"))


def _partition(name: str, which: str) -> sql.Identifier:
    return sql.Identifier(SCHEMA, f"{name}_{which}")


def _says(name: str, what: str, action: str) -> str:
    return f"raw.{name}: {what} while no partition of their month was there; {action}, see docs/runbook.md#months"
