"""Reads and writes of `ops`: runs with their leases, cursors, quarantine. The ledger is the state."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from extractors.errors import AlreadyRunning, PipelineError, RetryLater
from extractors.load import Lease
from extractors.spec import Account, Stream

RESUMABLE = """
update ops.extract_runs set
    state = 'running', lease_epoch = lease_epoch + 1, lease_expires_at = clock_timestamp() + interval '10 minutes',
    gate = 'pending', gate_report = null,
    error_class = null, error_message = null, next_allowed_at = null, finished_at = null
where run_id = (
    select run_id from ops.extract_runs
    where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
        and stream = %(stream)s and gate <> 'quarantined' and page_cursor is not null
        and (state = 'failed' or state = 'running' and lease_expires_at < clock_timestamp())
        and as_of between %(as_of)s - interval '1 hour' and %(as_of)s
        and window_since is not distinct from %(window_since)s
        and (window_until = %(window_until)s or window_until = as_of and %(window_until)s = %(as_of)s)
    order by started_at desc
    limit 1
    for update skip locked
)
returning run_id::text, lease_epoch, as_of, window_since, window_until, page_cursor
"""

ABANDON = """
update ops.extract_runs set
    state = 'failed', finished_at = clock_timestamp(), lease_epoch = lease_epoch + 1,
    error_class = 'Abandoned', error_message = 'the process that ran this died; what it landed is kept'
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    and stream = %(stream)s and state = 'running' and lease_expires_at < clock_timestamp()
"""

OPEN = """
insert into ops.extract_runs
    (run_id, business_id, platform, account_id, stream, kind, as_of, window_since, window_until, lease_expires_at)
values
    (%(run_id)s, %(business_id)s, %(platform)s, %(account_id)s, %(stream)s, %(kind)s, %(as_of)s, %(window_since)s,
    %(window_until)s, clock_timestamp() + interval '10 minutes')
on conflict do nothing
returning lease_epoch
"""

COMPLETE = """
update ops.extract_runs set state = 'complete', finished_at = clock_timestamp(), page_cursor = null
where run_id = %s and lease_epoch = %s and state = 'running'
"""

FAIL = """
update ops.extract_runs set
    state = 'failed', finished_at = clock_timestamp(), calls = calls + %(calls)s, retries = retries + %(retries)s,
    error_class = %(error_class)s, error_message = %(error_message)s, next_allowed_at = %(next_allowed_at)s
where run_id = %(run_id)s and lease_epoch = %(lease_epoch)s and state = 'running'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A run that may write now: its lease, its frozen clock and window, and the page to go on with."""

    lease: Lease
    as_of: datetime
    window_since: datetime | None
    window_until: datetime
    page_cursor: dict[str, Any] | None


def open_run(
    connection: psycopg.Connection[Any],
    account: Account,
    stream: Stream,
    *,
    as_of: datetime,
    since: datetime | None,
    until: datetime,
    kind: str = "scheduled",
) -> Opened:
    """Take up an interrupted run of the same window, or begin a new one.

    Raises AlreadyRunning while another process holds the stream of this account.
    """
    values: dict[str, Any] = {
        "run_id": str(uuid.uuid4()),
        "business_id": account.business_id,
        "platform": account.platform,
        "account_id": account.account_id,
        "stream": stream.full_name,
        "as_of": as_of,
        "window_since": since,
        "window_until": until,
        "kind": kind,
    }
    quarantined = _quarantined_runs(connection, values)
    with connection.transaction():
        found = connection.execute(RESUMABLE, values).fetchone()
        if found is None:
            connection.execute(ABANDON, values)
            opened = connection.execute(OPEN, values).fetchone()
            if opened is None:
                raise AlreadyRunning(
                    f"{account}: {stream.full_name} is being read by another process",
                    "wait for it; a process that died is taken over ten minutes after its last page",
                )
            found = (values["run_id"], opened[0], as_of, since, until, None)
    run_id, epoch, run_as_of, run_since, run_until, cursor = found
    lease = Lease(run_id=run_id, epoch=epoch, account=account, stream=stream, quarantined_runs=quarantined)
    return Opened(lease=lease, as_of=run_as_of, window_since=run_since, window_until=run_until, page_cursor=cursor)


def _quarantined_runs(connection: psycopg.Connection[Any], values: dict[str, Any]) -> tuple[str, ...]:
    rows = connection.execute(
        "select run_id::text from ops.extract_runs where gate = 'quarantined' and platform = %(platform)s "
        "and business_id = %(business_id)s and account_id = %(account_id)s and stream = %(stream)s",
        values,
    )
    return tuple(row[0] for row in rows)


def complete(connection: psycopg.Connection[Any], lease: Lease) -> None:
    """Close a run whose last page is in; the watermark waits for the gate."""
    connection.execute(COMPLETE, (lease.run_id, lease.epoch))


def fail(connection: psycopg.Connection[Any], lease: Lease, error: PipelineError, *, calls: int, retries: int) -> None:
    """Close a run with its reason, counting the calls that brought no page; what it landed stays."""
    values = {
        "run_id": lease.run_id,
        "lease_epoch": lease.epoch,
        "calls": calls,
        "retries": retries,
        "error_class": type(error).__name__,
        "error_message": str(error),
        "next_allowed_at": error.at if isinstance(error, RetryLater) else None,
    }
    connection.execute(FAIL, values)


def watermark(connection: psycopg.Connection[Any], account: Account, stream: Stream) -> datetime | None:
    """Return up to where the stream of this account was read and passed the gate, or None before the first time."""
    row = connection.execute(
        "select watermark from ops.cursors "
        "where business_id = %s and platform = %s and account_id = %s and stream = %s",
        (account.business_id, account.platform, account.account_id, stream.full_name),
    ).fetchone()
    return row[0] if row else None
