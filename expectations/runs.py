"""The gate's side of the run ledger: which runs wait, what the ledger itself gives away, and the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from expectations import aside, learned
from expectations.fields import fields_of
from expectations.projection import instant
from extractors.errors import WarehouseUnavailable
from extractors.spec import Stream

Connection = psycopg.Connection[Any]

LEDGER_CHECKS = {
    "rows_as_counted": "raw holds as many rows of a run and its account as the ledger counts",
    "profile_is_complete": "a complete run of a profile lists every record of it",
    "posts_are_still_listed": "posts: an empty list where posts were is believed only when a second run says the same",
    "quarantine_budget": "at most one record in a hundred, and never more than 50, could not be read",
    "stream_is_registered": "the registry knows the stream",
}

PENDING = """
select
    run_id::text, business_id, platform, account_id, stream, kind, state, lease_epoch, stored, listed,
    window_since, window_until,
    (
        select count(*) from ops.quarantine as entry
        where entry.last_run_id = run.run_id and entry.record_key is not null and entry.resolved_at is null
            and entry.reason = any(%(unreadable)s)
    ) as unread
from ops.extract_runs as run
where gate = 'pending' and state in ('complete', 'failed')
    and (%(platforms)s::text[] is null or platform = any(%(platforms)s))
order by stream, started_at
"""

# Another gate may be deciding at this moment, or the run was taken up again: then the rows judged are not its rows.
STILL_THE_SAME = """
select 1 from ops.extract_runs
where run_id = %s and gate = 'pending' and state = %s and lease_epoch = %s
for no key update skip locked
"""

DECIDE = "update ops.extract_runs set gate = %s, gate_report = %s where run_id = %s"

ADVANCE = """
insert into ops.cursors as stored (business_id, platform, account_id, stream, watermark, run_id)
select %(business_id)s, %(platform)s, %(account_id)s, %(stream)s, %(watermark)s, %(run_id)s
-- Days asked for before anything was read whole leave all that is older unread: no watermark yet.
where %(kind)s <> 'asked' or %(window_since)s::timestamptz is null or exists (
    select from ops.cursors
    where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
        and stream = %(stream)s
)
on conflict (business_id, platform, account_id, stream) do update
set watermark = excluded.watermark, run_id = excluded.run_id, updated_at = clock_timestamp()
where excluded.watermark > stored.watermark
    -- A run that was asked to begin later than the last complete read leaves a gap: the watermark stays before it.
    and (%(window_since)s::timestamptz is null or %(window_since)s <= stored.watermark)
"""

COUNTS = sql.SQL(
    """
select run.run_id::text, count(record.run_id)
from ops.extract_runs as run
left join {table} as record
    on run.business_id = record.business_id and run.account_id = record.account_id and run.run_id = record.run_id
where run.run_id = any(%s)
group by run.run_id
"""
)

# Posts of passed runs inside the window, and how many the complete run before this one listed.
VANISHED = sql.SQL(
    """
select
    (
        select count(distinct record.record_key)
        from {table} as record
        inner join ops.extract_runs as earlier on record.run_id = earlier.run_id and earlier.gate = 'passed'
        where record.business_id = %(business_id)s and record.account_id = %(account_id)s
            and {published} >= coalesce(%(since)s, '-infinity'::timestamptz) and {published} < %(until)s
    ),
    (
        select earlier.listed
        from ops.extract_runs as earlier
        where earlier.business_id = %(business_id)s and earlier.platform = %(platform)s
            and earlier.account_id = %(account_id)s and earlier.stream = %(stream)s
            and earlier.state = 'complete' and earlier.gate <> 'pending' and earlier.kind <> 'replay'
        order by earlier.started_at desc
        limit 1
    )
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run that waits for its judgement."""

    run_id: str
    business_id: int
    platform: str
    account_id: str
    stream: str
    kind: str
    state: str
    lease_epoch: int
    stored: int
    listed: int
    window_since: datetime | None
    window_until: datetime
    unread: int

    @property
    def is_whole(self) -> bool:
        """It read all that it set out to read; a replay brings one answer."""
        return self.state == "complete" and self.kind != "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One expectation that one run did not meet, with up to twenty of its rows.

    `keys`: what is wrong with each record, while they are few enough to be set aside.
    """

    expectation: str
    column: str | None
    rows: tuple[str, ...]
    count: int
    explanation: str
    keys: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the form kept in ops.extract_runs.gate_report."""
        return {
            "expectation": self.expectation,
            "column": self.column,
            "rows": list(self.rows),
            "count": self.count,
            "explanation": self.explanation,
        }


def pending(connection: Connection, platforms: Sequence[str] | None) -> list[Run]:
    """Return the finished runs without a judgement. Raises WarehouseUnavailable when `ops` is not there."""
    values = {"platforms": list(platforms) if platforms else None, "unreadable": list(aside.UNREADABLE)}
    try:
        with connection.cursor(row_factory=class_row(Run)) as cursor:
            return cursor.execute(PENDING, values).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        raise WarehouseUnavailable(
            "the warehouse has no run ledger (ops.extract_runs)", "run `python -m extractors migrate`"
        ) from None


def refusal(expectation: str, says: str, count: int = 1) -> Failure:
    """Return a failure of a run as a whole, which no single row can be blamed for."""
    return Failure(expectation=expectation, column=None, rows=(), count=count, explanation=says)


def ledger_failures(connection: Connection, stream: Stream, runs: Sequence[Run]) -> dict[str, list[Failure]]:
    """Judge runs by their ledger line: rows as counted, a profile that is there, posts that did not vanish."""
    counted = dict(connection.execute(COUNTS.format(table=table(stream)), ([run.run_id for run in runs],)).fetchall())
    return {
        run.run_id: [
            *_rows_as_counted(run, counted[run.run_id]),
            *_within_budget(run),
            *(_complete_profile(stream, run) if stream.name == "profile" else []),
            *(_posts_still_listed(connection, stream, run) if stream.name == "posts" else []),
        ]
        for run in runs
    }


def table(stream: Stream) -> sql.Identifier:
    """Return the stream's raw table."""
    return sql.Identifier("raw", stream.full_name)


def _rows_as_counted(run: Run, rows: int) -> list[Failure]:
    if rows == run.stored:
        return []
    says = f"the ledger counts {run.stored} row(s) of the run, raw holds {rows} under its account"
    return [
        Failure(expectation="rows_as_counted", column=None, rows=(), count=abs(rows - run.stored), explanation=says)
    ]


def _within_budget(run: Run) -> list[Failure]:
    if aside.is_tolerable(run.unread, run.listed):
        return []
    says = (
        f"{run.unread} of {run.listed} records could not be read, more than one in a hundred or more than "
        f"{aside.MOST_ROWS}; `python -m extractors quarantine list` shows them"
    )
    return [refusal("quarantine_budget", says, run.unread)]


def _complete_profile(stream: Stream, run: Run) -> list[Failure]:
    expected = len(stream.reads)
    if not run.is_whole or run.listed >= expected:
        return []
    says = f"a complete run of a profile lists {expected} record(s), this one {run.listed}: the answer was empty"
    return [refusal("profile_is_complete", says, expected - run.listed)]


def _posts_still_listed(connection: Connection, stream: Stream, run: Run) -> list[Failure]:
    """An empty list where posts were is not believed at once: a second run that says the same is."""
    declared = fields_of(stream.full_name, stream.kind)
    if not run.is_whole or run.listed > 0 or not declared.published:
        return []
    published = instant(declared.published, declared.unit)
    values = {
        "business_id": run.business_id,
        "platform": run.platform,
        "account_id": run.account_id,
        "stream": run.stream,
        "since": run.window_since,
        "until": run.window_until,
    }
    found = connection.execute(VANISHED.format(table=table(stream), published=published), values).fetchone()
    posts, listed_before = found or (0, 0)
    if not posts or not listed_before:
        return []
    says = (
        f"the account listed no post, yet {posts} of this window were seen before; if they were deleted, "
        "the next run says the same and is believed"
    )
    return [refusal("posts_are_still_listed", says, posts)]


def decide(connection: Connection, run: Run, failures: Sequence[Failure], stream: Stream | None = None) -> int | None:
    """Write the judgement of a run, and move its cursor if it is complete and passed, in one transaction.

    Few bad records are set aside and the others pass. Returns how many were, or None, having written nothing, when the
    run is not the one that was judged any more.
    """
    with connection.transaction():
        if connection.execute(STILL_THE_SAME, (run.run_id, run.state, run.lease_epoch)).fetchone() is None:
            return None
        bad = aside.records(run, failures) if stream else None
        passed = bad is not None or not failures
        if stream is not None and run.stored > 0:
            learned.learn(connection, stream, run, passed=passed)
        moved = aside.move(connection, run, bad) if bad else 0
        report = Jsonb([failure.as_json() for failure in failures])
        connection.execute(DECIDE, ("passed" if passed else "quarantined", report, run.run_id))
        if run.is_whole and passed:
            connection.execute(ADVANCE, _watermark(run))
    return moved


def _watermark(run: Run) -> dict[str, Any]:
    return {
        "business_id": run.business_id,
        "platform": run.platform,
        "account_id": run.account_id,
        "stream": run.stream,
        "watermark": run.window_until,
        "window_since": run.window_since,
        "kind": run.kind,
        "run_id": run.run_id,
    }
