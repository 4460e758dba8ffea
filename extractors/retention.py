"""What a platform lets others keep for a short time only is deleted in time; the daily maintenance calls it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

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

# The run that brought a row knows how many of its rows went, so that ledger and table go on adding up.
PURGE = """
with gone as (
    delete from raw.{table}
    where observed_at < clock_timestamp() - %(kept)s and {where}
    returning run_id
),

counted as (
    select run_id, count(*) as rows_gone from gone group by run_id
)

update ops.extract_runs as run set purged = run.purged + counted.rows_gone
from counted
where run.run_id = counted.run_id
returning counted.rows_gone
"""


def purge(settings: Settings) -> list[str]:
    """Delete what is due, and return a line for each rule that found something. Raises WarehouseUnavailable."""
    lines = []
    with closing(settings.warehouse.connect()) as connection:
        for rule in RULES:
            statement = sql.SQL(PURGE).format(table=sql.Identifier(rule.stream), where=sql.SQL(rule.where))
            with connection.transaction():
                count = sum(row[0] for row in connection.execute(statement, {"kept": rule.kept}))
            if count:
                hours = rule.allowed // timedelta(hours=1)
                lines.append(f"{rule.stream}: {count} {rule.what} deleted, which may be kept for {hours} hours")
    return lines
