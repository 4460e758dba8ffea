"""Reads and writes of `ops`: runs with their leases, cursors, quarantine. The ledger is the state."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

import psycopg

from extractors import aliases
from extractors.errors import PASSING, AlreadyRunning, PipelineError, RetryLater, Stopped, named, remembered
from extractors.load import check_enabled
from extractors.pages import Lease
from extractors.spec import Account, Stream

# A lease ends when its time is over, or at once when the database session of its holder is gone. Other roles' sessions
# show no start; then the number alone counts, and the lease lives on. A row touched after this transaction began is
# not judged, since the list of sessions, once read, stays the same until the transaction ends.
FREE = """(
    lease_expires_at < clock_timestamp()
    or holder_pid is not null and lease_expires_at < now() + interval '10 minutes' and not exists (
        select 1 from pg_stat_activity as session
        where session.pid = holder_pid
            and (session.backend_start is null or session.backend_start = holder_started_at)
    )
)"""

RESUMABLE = f"""
update ops.extract_runs set
    state = 'running', lease_epoch = lease_epoch + 1, lease_expires_at = clock_timestamp() + interval '10 minutes',
    gate = 'pending', gate_report = null,
    error_class = null, error_message = null, next_allowed_at = null, finished_at = null, wanted_at = null,
    origin = coalesce(%(origin)s, origin), attempt = coalesce(%(attempt)s, attempt),
    holder_pid = %(holder_pid)s, holder_started_at = %(holder_started_at)s
where run_id = (
    select run_id from ops.extract_runs
    where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
        and stream = %(stream)s and gate <> 'quarantined' and page_cursor is not null
        and (state = 'failed' or state = 'running' and {FREE})
        and kind = %(kind)s
        and as_of <= %(as_of)s
        and as_of >= %(as_of)s - case when kind = 'asked' then interval '1 day' else interval '1 hour' end
        and window_since is not distinct from %(window_since)s
        and (window_until = %(window_until)s or window_until = as_of and %(window_until)s = %(as_of)s)
    order by started_at desc
    limit 1
    for update skip locked
)
returning run_id::text, lease_epoch, as_of, window_since, window_until, page_cursor
"""

ABANDON = f"""
update ops.extract_runs set
    state = 'failed', finished_at = clock_timestamp(), lease_epoch = lease_epoch + 1,
    holder_pid = null, holder_started_at = null,
    error_class = 'Abandoned', error_message = 'the process that ran this died; what it landed is kept'
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    and stream = %(stream)s and state = 'running' and {FREE}
"""

OPEN = """
insert into ops.extract_runs
    (run_id, business_id, platform, account_id, stream, kind, as_of, window_since, window_until, lease_expires_at,
    origin, attempt, holder_pid, holder_started_at)
values
    (%(run_id)s, %(business_id)s, %(platform)s, %(account_id)s, %(stream)s, %(kind)s, %(as_of)s, %(window_since)s,
    %(window_until)s, clock_timestamp() + interval '10 minutes',
    %(origin)s, coalesce(%(attempt)s, 0), %(holder_pid)s, %(holder_started_at)s)
on conflict do nothing
returning lease_epoch
"""

# A backfill looks for this between two pages, which are seconds apart.
WANT = f"""
update ops.extract_runs set wanted_at = coalesce(wanted_at, clock_timestamp())
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    and stream = %(stream)s and state = 'running' and kind = 'asked' and not {FREE}
"""
PAUSE = "select pg_sleep(0.25)"
LONGEST_YIELD_SECONDS = 30.0

COMPLETE = """
update ops.extract_runs set
    state = 'complete', finished_at = clock_timestamp(), page_cursor = null, holder_pid = null, holder_started_at = null
where run_id = %s and lease_epoch = %s and state = 'running'
"""

FAIL = """
update ops.extract_runs set
    state = 'failed', finished_at = clock_timestamp(), calls = calls + %(calls)s, retries = retries + %(retries)s,
    charged = charged + %(charged)s, holder_pid = null, holder_started_at = null,
    error_class = %(error_class)s, error_message = %(error_message)s, next_allowed_at = %(next_allowed_at)s
where run_id = %(run_id)s and lease_epoch = %(lease_epoch)s and state = 'running'
"""

# The last run of a stream that this origin asked for, unless a day went by since: then everything is read again.
LAST_ASKED = """
select run_id::text, state, gate, attempt, error_class, error_message, next_allowed_at,
    next_allowed_at > clock_timestamp() as is_early
from ops.extract_runs
where origin = %(origin)s and business_id = %(business_id)s and account_id = %(account_id)s and stream = %(stream)s
    and platform = %(platform)s and finished_at > clock_timestamp() - interval '1 day'
order by started_at desc
limit 1
"""

GIVE_BACK = """
update ops.extract_runs set
    state = 'failed', finished_at = clock_timestamp(), lease_epoch = lease_epoch + 1,
    holder_pid = null, holder_started_at = null, error_class = %(error_class)s,
    error_message = platform || ' account ' || account_id || ': ' || %(error_message)s
where state = 'running' and holder_pid = %(pid)s and holder_started_at = %(started_at)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What asked for runs, such as a DAG run: a repeat of it finds what is settled and leaves it alone.

    `attempt` rises when a person asks again: then what had failed for good is read again, what is complete is not.
    """

    key: str
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """The database session whose life is the life of a lease: its process number and when it began."""

    pid: int
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A stream that its origin has nothing more to do for: complete, or failed and only a person can help."""

    run_id: str
    error: PipelineError | None


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
    origin: Origin | None = None,
    holder: Holder | None = None,
) -> Opened:
    """Take up an interrupted run of the same window, or begin a new one.

    A backfill in the way is asked to step aside, and waited for. Raises AlreadyRunning while another process holds the
    stream of this account, or has just read it for this origin, and Disconnected for an account that was disabled.
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
        "origin": origin.key if origin else None,
        "attempt": origin.attempt if origin else None,
        "holder_pid": holder.pid if holder else None,
        "holder_started_at": holder.started_at if holder else None,
        "kind": kind,
    }
    if kind != "asked":
        _ask_for_room(connection, values)
    former_ids = aliases.formers(connection, account)
    with connection.transaction():
        check_enabled(connection, account)
        found = connection.execute(RESUMABLE, values).fetchone()
        if found is None:
            connection.execute(ABANDON, values)
            opened = connection.execute(OPEN, values).fetchone()
            if opened is None or settled(connection, account, stream, origin) is not None:
                raise AlreadyRunning(
                    f"{account}: {stream.full_name} is being read by another process",
                    "wait for it; of a process that died the next run takes over, ten minutes after its last page "
                    "at the latest",
                )
            found = (values["run_id"], opened[0], as_of, since, until, None)
    run_id, epoch, run_as_of, run_since, run_until, cursor = found
    lease = Lease(
        run_id=run_id,
        epoch=epoch,
        account=account,
        stream=stream,
        former_ids=former_ids,
    )
    return Opened(lease=lease, as_of=run_as_of, window_since=run_since, window_until=run_until, page_cursor=cursor)


def _ask_for_room(connection: psycopg.Connection[Any], values: dict[str, Any]) -> None:
    """Wait while a backfill that was asked for the stream finishes its page, half a minute at most."""
    until = monotonic() + LONGEST_YIELD_SECONDS
    while connection.execute(WANT, values).rowcount and monotonic() < until:
        connection.execute(PAUSE)


def settled(
    connection: psycopg.Connection[Any], account: Account, stream: Stream, origin: Origin | None
) -> Settled | None:
    """Return the run by which an origin has got all it can of a stream, or None when there is something to read.

    Complete is settled, unless the gate refused the rows. A failure is, within one attempt, when only a person can help
    or while the named time has not come.
    """
    if origin is None:
        return None
    values = {**account.identity(), "stream": stream.full_name, "origin": origin.key}
    row = connection.execute(LAST_ASKED, values).fetchone()
    if row is None:
        return None
    run_id, state, gate, attempt, error_class, message, allowed_at, is_early = row
    if state == "complete":
        return Settled(run_id=run_id, error=None) if gate != "quarantined" else None
    if state != "failed" or attempt != origin.attempt or error_class == "Abandoned":
        return None
    kind = named(error_class)
    if issubclass(kind, PASSING) or (issubclass(kind, RetryLater) and not is_early):
        return None
    return Settled(run_id=run_id, error=remembered(error_class, message, allowed_at))


def holder(connection: psycopg.Connection[Any]) -> Holder | None:
    """Return the session of this connection, or None behind a pooler, where a session outlives or changes its client.

    A pooler hands each client a number of its own, which is not the number the server knows.
    """
    row = connection.execute("select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()").fetchone()
    if row is None or row[1] is None or row[0] != connection.info.backend_pid:
        return None
    return Holder(row[0], row[1])


def give_back(connection: psycopg.Connection[Any], held: Holder) -> int:
    """Close the runs that a process still holds while it ends, and return how many; their last page writes nothing."""
    error = Stopped("the process was asked to end in the middle of a page", "the next run reads that page again")
    values = {"pid": held.pid, "started_at": held.started_at}
    values |= {"error_class": type(error).__name__, "error_message": str(error)}
    return connection.execute(GIVE_BACK, values).rowcount


def complete(connection: psycopg.Connection[Any], lease: Lease) -> None:
    """Close a run whose last page is in; the watermark waits for the gate."""
    connection.execute(COMPLETE, (lease.run_id, lease.epoch))


def fail(
    connection: psycopg.Connection[Any],
    lease: Lease,
    error: PipelineError,
    *,
    calls: int,
    retries: int,
    charged: int = 0,
) -> None:
    """Close a run with its reason, counting the calls that brought no page; what it landed stays."""
    values = {
        "run_id": lease.run_id,
        "lease_epoch": lease.epoch,
        "calls": calls,
        "retries": retries,
        "charged": charged,
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
