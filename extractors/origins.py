"""What asked for many runs at once, such as a DAG run: when it began and ended, and what became of its accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from extractors.ledger import Origin
from extractors.registry import platform as find_platform
from extractors.status import Line, line_of

# A DAG has one run of a platform at a time: one before this that never said it ended has ended all the same.
ANNOUNCE = """
with ended as (
    update ops.extract_origins set ended_at = clock_timestamp()
    where platform = %(platform)s and ended_at is null and is_backfill = %(is_backfill)s and origin <> %(origin)s
        and split_part(origin, '/', 1) = split_part(%(origin)s, '/', 1)
)
insert into ops.extract_origins as known (origin, platform, is_backfill)
values (%(origin)s, %(platform)s, %(is_backfill)s)
on conflict (origin, platform) do update set planned_at = clock_timestamp(), ended_at = null
"""

# Six hours are the longest a DAG run may take.
URGENT = """
select origin
from ops.extract_origins
where platform = %s and not is_backfill and ended_at is null and planned_at > clock_timestamp() - interval '6 hours'
order by planned_at
limit 1
"""

READ = "select exists (select 1 from ops.extract_runs where origin = %s and platform = %s and state = 'complete')"

# Accounts that were planned, with the last run of each stream that has something to tell. No stream: no run at all.
NOTABLE = """
with planned as (
    select business_id, account_id
    from unnest(%(business_ids)s::bigint[], %(account_ids)s::text[]) as planned (business_id, account_id)
),

latest as (
    select distinct on (business_id, account_id, stream) *
    from ops.extract_runs
    where origin = %(origin)s and platform = %(platform)s
    order by business_id, account_id, stream, started_at desc
)

select
    planned.business_id, %(platform)s, planned.account_id, coalesce(latest.stream, stream.name), latest.state,
    latest.gate, latest.stored, latest.unchanged, latest.calls, null::float8, latest.next_allowed_at,
    latest.error_class, latest.error_message, latest.gate_report -> 0 ->> 'expectation',
    coalesce(latest.warnings, '{}')
from planned
cross join unnest(%(streams)s::text[]) as stream (name)
left join latest
    on latest.business_id = planned.business_id and latest.account_id = planned.account_id
        and latest.stream = stream.name
where latest.state is distinct from 'complete' or latest.gate = 'quarantined' or latest.warnings <> '{}'
order by planned.business_id, planned.account_id, stream.name
"""

REFUSED = """
select
    business_id, platform, account_id, stream, state, gate, stored, unchanged, calls, null::float8, next_allowed_at,
    error_class, error_message, gate_report -> 0 ->> 'expectation', warnings
from ops.extract_runs
where run_id = any(%s::uuid[]) and gate = 'quarantined'
order by business_id, account_id, stream
"""
UNREAD = "its turn did not come, since the task that was to read it ended; clear that task, or wait for the next run"


def announce(connection: psycopg.Connection[Any], origin: Origin, platform: str, *, is_backfill: bool) -> None:
    """Note that accounts of a platform are about to be read."""
    connection.execute(ANNOUNCE, {"origin": origin.key, "platform": platform, "is_backfill": is_backfill})


def conclude(connection: psycopg.Connection[Any], origin: Origin, platform: str) -> None:
    """Note that all is read that could be."""
    connection.execute(
        "update ops.extract_origins set ended_at = clock_timestamp() where origin = %s and platform = %s",
        (origin.key, platform),
    )


def urgent(connection: psycopg.Connection[Any], platform: str) -> str | None:
    """Return what a backfill of the platform has to wait for, as a sentence, or None."""
    row = connection.execute(URGENT, (platform,)).fetchone()
    return f"the backfill gives way to {row[0]}" if row else None


def is_anything_read(connection: psycopg.Connection[Any], origin: Origin, platform: str) -> bool:
    """Whether a stream of any account was read to its end."""
    row = connection.execute(READ, (origin.key, platform)).fetchone()
    return bool(row and row[0])


def notable(
    connection: psycopg.Connection[Any], origin: Origin, platform: str, accounts: Sequence[Mapping[str, Any]]
) -> list[Line]:
    """Return what there is to say of accounts that an origin planned: failures, refusals, warnings, and the unread."""
    values = {
        "origin": origin.key,
        "platform": platform,
        "streams": [stream.full_name for stream in find_platform(platform).streams],
        "business_ids": [each["business_id"] for each in accounts],
        "account_ids": [each["account_id"] for each in accounts],
    }
    return [line_of(row, unread=UNREAD) for row in connection.execute(NOTABLE, values)]


def refused(connection: psycopg.Connection[Any], run_ids: Sequence[str]) -> list[Line]:
    """Return what there is to say of runs that a gate refused, whoever asked for them."""
    return [line_of(row) for row in connection.execute(REFUSED, (list(run_ids),))]
