"""How far back a run reads: young posts often, old ones rarely, never past what a platform offers.

The state is the ledger itself: when each depth was last read completely, and passed. A budget that is nearly used drops
the deepest first, and says so; the ledger then still shows it as due. docs/adr/0015-the-age-ladder.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from extractors import ledger
from extractors.clock import present
from extractors.errors import SteppedAside
from extractors.pages import Lease
from extractors.registry import PLATFORMS
from extractors.spec import Account, Budget, Scope, Stream
from extractors.steps import step_cost, steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Posts up to this age are read again this often."""

    age: timedelta
    every: timedelta


DAY = timedelta(days=1)
EVERYTHING = 36_500 * DAY
LADDER = (
    Rung(age=2 * DAY, every=timedelta(hours=1)),
    Rung(age=7 * DAY, every=timedelta(hours=6)),
    Rung(age=28 * DAY, every=DAY),
    Rung(age=90 * DAY, every=7 * DAY),
    Rung(age=EVERYTHING, every=30 * DAY),
)
# A schedule is never on time to the second: what is due in a moment is due now.
EARLY = timedelta(minutes=5)
# The part of a budget that old posts, and backfills, leave to the young ones.
KEPT_SHARE = 0.3
STEP_ASIDE = timedelta(minutes=5)

LAST_READ = """
select depth.age, (
    select max(run.as_of)
    from ops.extract_runs as run
    where run.business_id = %(business_id)s and run.platform = %(platform)s and run.account_id = %(account_id)s
        and run.stream = %(stream)s and run.state = 'complete' and run.gate = 'passed'
        and run.as_of between %(now)s - %(longest)s and %(now)s
        and run.window_until >= run.as_of
        and (run.window_since is null or run.window_since <= run.as_of - depth.age)
)
from unnest(%(ages)s::interval[]) as depth (age)
"""

SPENT = """
select window_used, window_limit
from ops.rate_budgets
where budget = %s and window_limit > 0
    and (window_resets_at > clock_timestamp()
        or window_resets_at is null and updated_at > clock_timestamp() - interval '5 minutes')
"""

BETWEEN = """
select count(*) from ops.known_posts
where business_id = %(business_id)s and platform = %(platform)s and account_id = %(account_id)s
    and published_at >= coalesce(%(since)s::timestamptz, '-infinity') and published_at < %(until)s
    and cardinality(missed_runs) < 2
"""

WANTED = "select wanted_at is not null from ops.extract_runs where run_id = %s and lease_epoch = %s"

NEXT_RESET = """
select max(coalesce(window_resets_at, clock_timestamp() + interval '5 minutes'))
from ops.rate_budgets
where budget = any(%s) and window_limit > 0 and window_used > window_limit * (1 - %s)
    and (window_resets_at > clock_timestamp()
        or window_resets_at is null and updated_at > clock_timestamp() - interval '5 minutes')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Where a run begins to read: `since` None is everything; `asked` is the day asked for, as far as it is offered."""

    since: datetime | None
    asked: date | None = None
    notes: tuple[str, ...] = ()


def opening(
    connection: psycopg.Connection[Any],
    account: Account,
    stream: Stream,
    now: datetime,
    asked: date | None,
    *,
    is_scheduled: bool = False,
) -> Opening:
    """Return where a run's window begins: as asked, else behind the last complete read, else open (everything).

    A run without a range reads 28 days back from the last complete read, and deeper where the ladder says that it is
    time; a scheduled one may read less, down to two days.
    """
    if asked is not None:
        return as_asked(account, stream, now, asked)
    read_until = ledger.watermark(connection, account, stream)
    notes = tuple(losses(connection, account, stream, now, read_until))
    # A dated list looks back by its own rule; the first run reads everything.
    if read_until is None or any(read.window for read in stream.reads):
        return Opening(since=read_until, notes=notes)
    if not on_ladder(stream):
        return Opening(since=read_until - stream.lookback, notes=notes)
    found = _depths(connection, account, stream, now, read_until, is_scheduled=is_scheduled)
    deepest = found[0]
    for depth in found:
        if depth is found[-1] or not is_short(connection, account, stream, now, depth):
            left = _left_for_later(connection, account, stream, now, depth, deepest)
            return Opening(since=depth, notes=(*notes, *left))
    raise AssertionError("the last depth is always read")


def on_ladder(stream: Stream) -> bool:
    """Say whether a stream is read by the age of posts, rather than by days or by a count that changed."""
    is_aged = stream.kind in ("entity", "lifetime_metrics")
    return is_aged and all(read.window is None and not (read.batch and read.batch.changed) for read in stream.reads)


def due(rungs: Sequence[Rung], last_read: dict[timedelta, datetime | None], now: datetime) -> list[Rung]:
    """Return the rungs whose pause is over, deepest first; one that was never read is due."""
    waiting = [rung for rung in rungs if (at := last_read.get(rung.age)) is None or now - at >= rung.every - EARLY]
    return sorted(waiting, key=lambda rung: rung.age, reverse=True)


def rungs_of(stream: Stream) -> tuple[Rung, ...]:
    """Return the ladder as far as the stream reaches: of what a platform stops telling, nothing deeper is asked."""
    reach = _reach(stream)
    if reach is None:
        return LADDER
    return tuple(rung for n, rung in enumerate(LADDER) if n == 0 or LADDER[n - 1].age < reach)


def offered_since(account: Account, stream: Stream, now: datetime) -> tuple[date, str]:
    """Return the first day of which the platform tells anything in a stream, and how far that is in words."""
    platform = PLATFORMS[account.platform]
    today = now.astimezone(ZoneInfo(account.timezone)).date()
    windows = [timedelta(days=read.window.oldest) for read in stream.reads if read.window]
    reach = max(windows) if windows else _reach(stream)
    if reach is None:
        return platform.first_day, f"begins on {platform.first_day}"
    return max(today - reach, platform.first_day), f"offers {reach.days} days"


def clamped(account: Account, stream: Stream, now: datetime, asked: date) -> tuple[date, str | None]:
    """Return the day asked for, or the first one that is offered with a line that says so."""
    first, words = offered_since(account, stream, now)
    if asked >= first:
        return asked, None
    return first, f"--since {asked}: {stream.full_name} {words}, reading from {first}"


def days_of(start: datetime, end: datetime) -> tuple[date, date]:
    """Return the first and the last UTC day of an interval (end exclusive), as `since` and `until`.

    For a scheduler's data interval; one without length is the day it begins on.
    """
    last = max(start, end - timedelta(microseconds=1))
    return start.astimezone(UTC).date(), last.astimezone(UTC).date()


def losses(
    connection: psycopg.Connection[Any], account: Account, stream: Stream, now: datetime, read_until: datetime | None
) -> Iterator[str]:
    """Yield a line when posts have lived half the time for which a metric is told, and nobody has read it."""
    reach = min((read.oldest for read in stream.reads if read.oldest and read.batch is None), default=None)
    if reach is None or read_until is None or read_until >= now - reach / 2:
        return
    values = {**account.identity(), "since": max(read_until, now - reach), "until": now - reach / 2}
    row = connection.execute(BETWEEN, values).fetchone()
    if row and row[0]:
        yield (
            f"{stream.full_name}: {row[0]} posts are past half of the {reach.days + 1} days for which the platform "
            f"tells these metrics, and were never read; the last complete read was {read_until:%Y-%m-%d %H:%M} UTC"
        )


def is_short(
    connection: psycopg.Connection[Any], account: Account, stream: Stream, now: datetime, since: datetime | None
) -> bool:
    """Say whether reading so deep would use up what the platform's budgets leave for the young posts."""
    wanted: dict[str, int] = {}
    spent: dict[str, tuple[int, int]] = {}
    for budget, calls in _calls(connection, account, stream, now, since):
        wanted[budget.key] = wanted.get(budget.key, 0) + calls
        if budget.key not in spent and (row := connection.execute(SPENT, (budget.key,)).fetchone()):
            spent[budget.key] = row
    return any(_exceeds(wanted[key], used, limit) for key, (used, limit) in spent.items())


def make_room(connection: psycopg.Connection[Any], lease: Lease, budgets: Sequence[Budget]) -> None:
    """Between two pages of a backfill: raise SteppedAside when another run wants the stream, or its share of a budget.

    The page that landed is kept with its cursor, so that the same command goes on there.
    """
    where = f"{lease.account}: the backfill of {lease.stream.full_name}"
    row = connection.execute(WANTED, (lease.run_id, lease.epoch)).fetchone()
    if row and row[0]:
        raise SteppedAside(f"{where} makes room for a scheduled run", present(connection) + STEP_ASIDE)
    keys = [budget.key for budget in budgets]
    reset = connection.execute(NEXT_RESET, (keys, KEPT_SHARE)).fetchone()
    if reset and reset[0]:
        raise SteppedAside(f"{where} leaves {KEPT_SHARE:.0%} of the budget to scheduled runs", reset[0])


def as_asked(account: Account, stream: Stream, now: datetime, asked: date) -> Opening:
    """Return the window of a range that was asked for, from midnight of the business's calendar."""
    day, line = clamped(account, stream, now, asked)
    since = datetime.combine(day, time(), ZoneInfo(account.timezone)).astimezone(UTC)
    return Opening(since=since, asked=day, notes=(line,) if line else ())


def _depths(
    connection: psycopg.Connection[Any],
    account: Account,
    stream: Stream,
    now: datetime,
    read_until: datetime,
    *,
    is_scheduled: bool,
) -> list[datetime | None]:
    """Where the window may begin, deepest first; the last is what is read in any case."""
    rungs = rungs_of(stream)
    values = {
        **account.identity(),
        "stream": stream.full_name,
        "now": now,
        "ages": [rung.age for rung in rungs],
        "longest": 2 * max(rung.every for rung in rungs),
    }
    last_read = dict(connection.execute(LAST_READ, values).fetchall())
    least = rungs[0] if is_scheduled else max((r for r in rungs if r.age <= stream.lookback), key=lambda r: r.age)
    deeper = [rung for rung in due(rungs, last_read, now) if rung.age > least.age]
    begins = [_begin(rung, stream, now, read_until) for rung in (*deeper, least)]
    return list(dict.fromkeys(begins))


def _begin(rung: Rung, stream: Stream, now: datetime, read_until: datetime) -> datetime | None:
    """A window that leaves no gap behind the last complete read, and from 28 days on looks back from it."""
    if rung.age == EVERYTHING:
        return None
    behind = read_until - stream.lookback if rung.age >= stream.lookback else read_until
    return min(behind, now - rung.age)


def _reach(stream: Stream) -> timedelta | None:
    """How far back any list of a stream reaches, where each has an end."""
    ends = [read.oldest or (read.batch.oldest if read.batch else None) for read in stream.reads]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _calls(
    connection: psycopg.Connection[Any], account: Account, stream: Stream, now: datetime, since: datetime | None
) -> Iterator[tuple[Budget, int]]:
    platform = PLATFORMS[account.platform]
    for step in steps(connection, stream, Scope(account=account, now=now, since=since), None):
        cost = step_cost(connection, stream, step, platform.version)
        for budget in platform.budgets(account, step.read):
            yield budget, cost.charged


def _exceeds(wanted: int, used: int, limit: int) -> bool:
    """A limit of 100 is Meta's per cent: how many calls are left cannot be told, only that few are."""
    if limit == 100:
        return used > limit * (1 - KEPT_SHARE)
    return used + wanted > limit * (1 - KEPT_SHARE)


def _left_for_later(
    connection: psycopg.Connection[Any],
    account: Account,
    stream: Stream,
    now: datetime,
    since: datetime | None,
    deepest: datetime | None,
) -> Iterator[str]:
    if since == deepest or since is None:
        return
    row = connection.execute(BETWEEN, {**account.identity(), "since": deepest, "until": since}).fetchone()
    yield (
        f"{stream.full_name}: the budget is nearly used, {row[0] if row else 0} posts from before {since:%Y-%m-%d} "
        "were left for a later run"
    )
