"""A stream's work as a list of steps, each one list to page through; a crash goes on at the step and page it left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

import psycopg
from psycopg import sql

from extractors import singly, windows
from extractors.capabilities import allowed
from extractors.registry import PLATFORMS
from extractors.spec import Batch, Competitors, Read, Scope, Stream, Window

Cursor = dict[str, Any]
DONE: Cursor = {"read": None}

# The ids of a batch. By age: published in the window. By change: the count is another one than at the last read that
# moved the watermark; the history in raw of the stream that counts tells what it was then.
DUE = """
with latest as (
    select distinct on (record_key) record_key, payload
    from {table}
    where business_id = %(business_id)s and account_id = %(account_id)s
    order by record_key, observed_at desc
),

last_read as (
    select run.started_at
    from ops.cursors as cursor
    inner join ops.extract_runs as run using (run_id)
    where cursor.business_id = %(business_id)s and cursor.platform = %(platform)s
        and cursor.account_id = %(account_id)s and cursor.stream = %(stream)s
),

counted as (
    select
        latest.record_key,
        {published_at} as published_at,
        (
            select {changed}
            from {counts} as version
            where version.business_id = %(business_id)s and version.account_id = %(account_id)s
                and version.record_key = latest.record_key
            order by version.observed_at desc
            limit 1
        ) as count_now,
        (
            select {changed}
            from {counts} as version
            where version.business_id = %(business_id)s and version.account_id = %(account_id)s
                and version.record_key = latest.record_key
                and version.observed_at <= (select started_at from last_read)
            order by version.observed_at desc
            limit 1
        ) as count_then
    from latest
    where {where}
        and not exists (
            select from ops.known_posts as known
            where known.business_id = %(business_id)s and known.platform = %(platform)s
                and known.account_id = %(account_id)s and known.record_key = latest.record_key
                and cardinality(known.missed_runs) > 1
        )
)

select record_key
from counted
where published_at >= coalesce(%(oldest)s::timestamptz, '-infinity')
    and published_at < coalesce(%(until)s::timestamptz, 'infinity')
    and (
        %(by_age)s and published_at >= coalesce(%(since)s::timestamptz, '-infinity')
            and (not %(by_change)s or count_now > 0)
        or %(by_change)s and count_now > 0 and count_now is distinct from count_then
    )
"""

COMPETITORS = """
select handle
from ops.competitors
where business_id = %(business_id)s and platform = %(platform)s
    and %(account_id)s = (
        select min(account_id) from ops.accounts
        where business_id = %(business_id)s and platform = %(platform)s and is_enabled
    )
"""


KNOWN = """
select
    count(*) filter (
        where published_at >= coalesce(%(since)s::timestamptz, '-infinity')
            and published_at < coalesce(%(until)s::timestamptz, 'infinity')
    ),
    count(*)
from ops.known_posts
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    and missed_runs = '{}'
"""


@dataclass(frozen=True, slots=True)
class Known:
    """How many posts of an account are in a window, and in all."""

    recent: int
    all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One list: a read with its window or its batch. `key` finds it again; `following` is the cursor after it."""

    read: Read
    key: str
    scope: Scope
    following: Cursor


def steps(connection: psycopg.Connection[Any], stream: Stream, scope: Scope, asked_since: date | None) -> list[Step]:
    """Return every list of a run, in order, each with the cursor that follows its last page."""
    found: list[tuple[Read, str, Scope]] = []
    for read in stream.reads:
        if read.window is not None:
            found.extend((read, key, part) for key, part in _windows(read.window, scope, asked_since))
        elif read.batch is not None:
            ids = due_ids(connection, stream, read.batch, scope, is_asked=asked_since is not None)
            parts = _batches(len(ids) if read.follow else read.batch.size, scope, ids)
            # One step has one key, also when another id comes first after a crash.
            found.extend((read, "" if read.follow else part.ids[0], part) for part in parts)
        elif read.over is not None:
            found.extend((read, part.handles[0], part) for part in _competitors(connection, read.over, scope))
        else:
            found.append((read, "", scope))
    return _linked(found)


def remaining(all_steps: Sequence[Step], cursor: Cursor | None) -> Iterator[tuple[Step, dict[str, str] | None]]:
    """Yield the steps still to do, the first with the parameters of the page to go on with."""
    if cursor is None:
        yield from ((step, None) for step in all_steps)
        return
    names = list(dict.fromkeys(step.read.name for step in all_steps))
    if cursor["read"] not in names:
        return
    at = names.index(cursor["read"])
    for step in all_steps:
        place = names.index(step.read.name)
        if place > at or (place == at and step.key >= cursor["step"]):
            first = place == at and step.key == cursor["step"]
            yield step, cursor.get("params") if first else None


def due_ids(
    connection: psycopg.Connection[Any], stream: Stream, batch: Batch, scope: Scope, *, is_asked: bool = False
) -> list[str]:
    """Return the parent's record keys whose details are due, from the last versions in raw, sorted."""
    account = scope.account
    parent = PLATFORMS[account.platform].stream(batch.of)
    statement = sql.SQL(DUE).format(
        table=sql.Identifier("raw", parent.full_name),
        counts=sql.Identifier("raw", f"{account.platform}__{batch.counted_in or batch.of}"),
        where=_own_sql(batch.where),
        published_at=_own_sql(parent.published_at),
        changed=_own_sql(batch.changed or "null::bigint"),
    )
    values = {
        "business_id": account.business_id,
        "platform": account.platform,
        "account_id": account.account_id,
        "stream": stream.full_name,
        "oldest": scope.now - batch.oldest if batch.oldest else None,
        "since": scope.since,
        "until": scope.until,
        "by_change": batch.changed is not None,
        "by_age": batch.changed is None or is_asked,
    }
    return sorted(row[0] for row in connection.execute(statement, values))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step takes: HTTP calls, and what the platform counts them as. `is_least`: how long it is, is not known."""

    calls: int
    charged: int
    is_least: bool = False


def step_cost(connection: psycopg.Connection[Any], stream: Stream, step: Step, version: str) -> Cost:
    """Return what a step takes, or the least of it: of a list that was never read, or of lists that go on."""
    read, scope = step.read, step.scope
    if read.metrics:
        metrics, _ = allowed(connection, scope, stream, read, version)
        if not metrics and not read.has_more:
            return Cost(0, 0)
        scope = replace(scope, metrics=metrics)
    if read.follow is not None:
        parts = list(_batches(read.follow.size, scope, scope.ids)) or [scope]
        return Cost(len(parts), sum(read.weight(part) for part in parts), is_least=True)
    if singly.is_refused(connection, scope, stream, read, version):
        return Cost(len(scope.ids), len(scope.ids))
    if read.page_size is None:
        return Cost(1, read.weight(scope))
    known = known_posts(connection, scope, read)
    calls = 1 if known is None else known_pages(known, read)
    return Cost(calls, calls * read.weight(scope), is_least=known is None)


def known_pages(known: Known, read: Read) -> int:
    """Return the pages of a list of known length; one without a date filter is left with the page that leaves it."""
    size = read.page_size or 1
    if read.newest_first is not None and known.recent < known.all:
        return min(known.recent // size + 1, ceil(known.all / size))
    return max(ceil(known.recent / size), 1)


def known_posts(connection: psycopg.Connection[Any], scope: Scope, read: Read) -> Known | None:
    """Return how many posts the account is known to have, or None when its list was never read."""
    values = {
        **scope.account.identity(),
        "since": max(filter(None, (scope.since, scope.now - read.oldest if read.oldest else None)), default=None),
        "until": None if read.newest_first is not None else scope.until,
    }
    row = connection.execute(KNOWN, values).fetchone()
    return Known(*row) if row and row[1] else None


def _own_sql(text: str) -> sql.SQL:
    """SQL of a platform file, a constant of ours; its per cent signs are no placeholders."""
    return sql.SQL(text.replace("%", "%%"))


def _windows(window: Window, scope: Scope, asked_since: date | None) -> Iterator[tuple[str, Scope]]:
    today = scope.now.astimezone(window.calendar).date()
    read_until = scope.since.astimezone(window.calendar).date() if scope.since else None
    since = windows.first_day(window, today, asked=asked_since, read_until=read_until)
    until = _day_after(scope.until, window) if scope.until else None
    for start, end in windows.calls(window, scope.now, since=since, until=until):
        yield start.isoformat(), replace(scope, since=start, until=end)


def _day_after(until: datetime, window: Window) -> date:
    """The first day that is not read: a day counts when any of it lies before `until`."""
    return (until.astimezone(window.calendar) - timedelta(microseconds=1)).date() + timedelta(days=1)


def _batches(size: int, scope: Scope, ids: Sequence[str]) -> Iterator[Scope]:
    for start in range(0, len(ids), max(size, 1)):
        yield replace(scope, ids=tuple(ids[start : start + size]))


def _competitors(connection: psycopg.Connection[Any], over: Competitors, scope: Scope) -> Iterator[Scope]:
    """Yield groups of the business's competitors, to the first of its enabled accounts on the platform alone."""
    handles = sorted(row[0] for row in connection.execute(COMPETITORS, scope.account.identity()))
    for start in range(0, len(handles), over.size):
        yield replace(scope, handles=tuple(handles[start : start + over.size]))


def _linked(found: Sequence[tuple[Read, str, Scope]]) -> list[Step]:
    cursors: list[Cursor] = [{"read": read.name, "step": key, "params": None} for read, key, _ in found]
    pairs = zip(found, [after for _, after in pairwise([*cursors, DONE])], strict=True)
    return [Step(read=read, key=key, scope=scope, following=after) for (read, key, scope), after in pairs]
