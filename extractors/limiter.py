"""Client-side rate limits, kept in Postgres: one row per budget, shared by every process and host.

One UPDATE reserves the next free instant, first come first served by the row lock; a caller that dies wastes one place
and never causes an excess. The database's clock is the only one. Answers correct the row: used up, or blocked until.
Measured for this design: 8 processes got 200 to 202 grants each, where a library's bucket gave one of them 161 of 168.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from extractors.errors import PipelineError, RetryLater
from extractors.spec import Budget, Usage

# Retries of all processes together stay below this share of a platform's calls, with a floor that comes back within
# this many seconds and lets a short run survive a hiccup.
RETRY_SHARE, RETRY_FLOOR, RETRY_FLOOR_SECONDS = 0.05, 20, 43_200

# A wait longer than this releases the worker instead of sleeping in it.
LONGEST_WAIT_SECONDS = 120.0

RESERVE = """
insert into ops.rate_budgets as budget (budget, next_free_at)
values (%(budget)s, clock_timestamp() + make_interval(secs => %(interval)s))
on conflict (budget) do update set
    next_free_at = greatest(
        budget.next_free_at,
        clock_timestamp(),
        case when not %(forced)s then budget.blocked_until end
    ) + make_interval(secs => %(interval)s),
    updated_at = clock_timestamp()
returning
    greatest(
        extract(epoch from budget.next_free_at - clock_timestamp())::float8 - %(interval)s * %(burst)s,
        case when %(forced)s then 0 else extract(epoch from budget.blocked_until - clock_timestamp())::float8 end,
        0
    ),
    clock_timestamp(),
    budget.blocked_until,
    budget.blocked_reason
"""

BLOCKED = """
select greatest(extract(epoch from max(blocked_until) - clock_timestamp())::float8, 0)
from ops.rate_budgets
where budget = any(%(budgets)s)
"""

# A place in the retry budget: it costs a step; the caller's own calls and the hours pay back, up to the floor.
RETRY = """
insert into ops.rate_budgets as budget (budget, next_free_at)
values (%(budget)s, clock_timestamp() + make_interval(secs => %(step)s))
on conflict (budget) do update set
    next_free_at = greatest(budget.next_free_at - make_interval(secs => %(credit)s), clock_timestamp())
        + make_interval(secs => %(step)s),
    updated_at = clock_timestamp()
where greatest(budget.next_free_at - make_interval(secs => %(credit)s), clock_timestamp())
    <= clock_timestamp() + make_interval(secs => %(step)s * (%(floor)s - 1))
returning true
"""

OBSERVE = """
update ops.rate_budgets set
    window_used = %(used)s,
    window_limit = %(limit)s,
    window_resets_at = %(resets_at)s,
    blocked_until = case when %(blocked_until)s::timestamptz > clock_timestamp()
        then greatest(blocked_until, %(blocked_until)s) else blocked_until end,
    blocked_reason = case when %(blocked_until)s::timestamptz > clock_timestamp()
        then %(reason)s else blocked_reason end,
    updated_at = clock_timestamp()
where budget = %(budget)s
"""

BLOCK = """
update ops.rate_budgets set
    blocked_until = greatest(blocked_until, %(until)s),
    blocked_reason = %(reason)s,
    updated_at = clock_timestamp()
where budget = %(budget)s
"""


@dataclass(slots=True)
class Limiter:
    """Waits for a place in every budget of a call, or says until when waiting is useless.

    `forced` ignores a block that was learned earlier (the command line's --force), never the spacing, nor a block that
    this very limiter caused.
    """

    connection: psycopg.Connection[Any]
    forced: bool = False
    sleep: Callable[[float], None] = time.sleep
    ahead: timedelta = timedelta(0)
    learned: set[str] = field(default_factory=set)

    def now(self) -> datetime:
        """The present by the database's clock, as last compared: a wrong clock here must not block others."""
        return datetime.now(UTC) + self.ahead

    def reserve(self, budgets: Sequence[Budget]) -> None:
        """Take a place in each budget, in key order, and sleep until it comes.

        Raises RetryLater when the place is more than two minutes away; the place is given back.
        """
        longest = self._places(budgets)
        while longest > 0:
            self.sleep(longest)
            # Somebody may have been told to stop while we slept; then this place is void.
            longest = self._places(budgets) if self._blocked(budgets) else 0.0

    def may_retry(self, platform: str, *, calls: int) -> bool:
        """Take a place in the retry budget of all runs of a platform; `calls` made since the last place pay for it."""
        step = RETRY_FLOOR_SECONDS / RETRY_FLOOR
        values = {"budget": f"{platform}:retries", "step": step, "floor": RETRY_FLOOR}
        values["credit"] = step * RETRY_SHARE * calls
        return self.connection.execute(RETRY, values).fetchone() is not None

    def _places(self, budgets: Sequence[Budget]) -> float:
        """Take a place in each budget, all or none, and return the seconds until the last of them comes."""
        longest = 0.0
        with self.connection.transaction():
            for budget in sorted(budgets, key=lambda each: each.key):
                wait, now, blocked_until, reason = self._place(budget)
                self.ahead = now - datetime.now(UTC)
                if wait > LONGEST_WAIT_SECONDS:
                    raise _later(budget, wait, now, blocked_until, reason)
                longest = max(longest, wait)
        return longest

    def _blocked(self, budgets: Sequence[Budget]) -> bool:
        keys = [budget.key for budget in budgets if not self._forces(budget)]
        row = self.connection.execute(BLOCKED, {"budgets": keys}).fetchone()
        return row is not None and (row[0] or 0) > 0

    def _forces(self, budget: Budget) -> bool:
        return self.forced and budget.key not in self.learned

    def _place(self, budget: Budget) -> tuple[float, datetime, datetime | None, str | None]:
        values = {"budget": budget.key, "interval": budget.interval, "burst": budget.burst}
        values["forced"] = self._forces(budget)
        row = self.connection.execute(RESERVE, values).fetchone()
        if row is None:
            raise AssertionError("an upsert with returning gives a row")
        return float(row[0] or 0), row[1], row[2], row[3]

    def observe(self, budgets: Sequence[Budget], usage: Usage | None, error: PipelineError | None) -> None:
        """Correct the budgets by what the answer said: usage headers, and a refusal with its end."""
        with self.connection.transaction():
            for budget in sorted(budgets, key=lambda each: each.key):
                if usage is not None:
                    self.connection.execute(OBSERVE, _observed(budget, usage))
                if isinstance(error, RetryLater):
                    values = {"budget": budget.key, "until": error.at, "reason": error.what}
                    self.connection.execute(BLOCK, values)
                    self.learned.add(budget.key)


def _observed(budget: Budget, usage: Usage) -> dict[str, object]:
    exhausted = usage.used is not None and usage.limit is not None and usage.used >= usage.limit
    return {
        "budget": budget.key,
        "used": usage.used or 0,
        "limit": usage.limit,
        "resets_at": usage.resets_at,
        "blocked_until": usage.blocked_until or (usage.resets_at if exhausted else None),
        "reason": f"the platform says {usage.used} of {usage.limit} are used",
    }


def _later(
    budget: Budget, wait: float, now: datetime, blocked_until: datetime | None, reason: str | None
) -> RetryLater:
    at = blocked_until if blocked_until and blocked_until > now else now + timedelta(seconds=wait)
    return RetryLater(f"budget {budget.key} is used up ({reason or 'by our own calls'})", at)
