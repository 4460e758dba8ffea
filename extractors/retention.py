"""What a platform lets others keep for a short time only is deleted in time; the daily maintenance calls it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from extractors.erase import PURGE
from extractors.settings import Settings

# Deleted once a day, so a row may become a day older than this; four hours are left for a day that comes late.
DAILY, LATE = timedelta(hours=24), timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Rows of a stream that may be kept for `allowed` after they came; `where` is SQL over the payload."""

    stream: str
    what: str
    where: str
    allowed: timedelta

    @property
    def kept(self) -> timedelta:
        """How long a row stays, so that none is older than allowed even on the day before it goes."""
        return self.allowed - DAILY - LATE


#: https://learn.microsoft.com/en-us/linkedin/marketing/data-storage-requirements (read 2026-11-21): social activity of
#: members 48 hours. `actor` is there only where the organization itself wrote.
RULES = (
    Rule(
        stream="linkedin__comments",
        what="comments of members",
        where="not payload ? 'actor'",
        allowed=timedelta(hours=48),
    ),
)

DUE = "observed_at < clock_timestamp() - %(kept)s and "


def purge(settings: Settings) -> list[str]:
    """Delete what is due, and return a line for each rule that found something. Raises WarehouseUnavailable."""
    lines = []
    with closing(settings.warehouse.connect()) as connection:
        for rule in RULES:
            where = sql.SQL(DUE + rule.where)
            statement = sql.SQL(PURGE).format(table=sql.Identifier("raw", rule.stream), where=where)
            with connection.transaction():
                count = sum(row[0] for row in connection.execute(statement, {"kept": rule.kept}))
            if count:
                hours = rule.allowed // timedelta(hours=1)
                lines.append(f"{rule.stream}: {count} {rule.what} deleted, which may be kept for {hours} hours")
    return lines
