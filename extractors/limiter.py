"""Client-side rate limits, kept in Postgres: one row per budget, shared by every process and host.

One statement reserves a place in every budget of a call, first come first served by the row locks, so that no window of
a budget, wherever it begins, holds more than its allowance (docs/adr/0008-exact-windows.md). A caller that dies wastes
one place and never causes an excess. The database's clock is the only one. Answers correct the rows: used up, nearly
used up, or blocked until.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from extractors.errors import ConfigurationError, PipelineError, RetryLater, VersionSunset
from extractors.spec import Budget, Platform, Usage

# Retries of all processes together stay below this share of a platform's answered calls, and a floor besides, which
# comes back within this many seconds. The floor is for a burst, that of a platform which is well but for a moment; for
# more failures in a row at most so many are earned. docs/adr/0026-retries-are-paid-for.md
RETRY_SHARE, RETRY_FLOOR, RETRY_FLOOR_SECONDS, MOST_EARNED = 0.05, 20, 43_200, 3
BURST = 3

# A wait longer than this releases the worker instead of sleeping in it.
LONGEST_WAIT_SECONDS = 120.0

RESERVE = """
select wait_seconds, asked_at, refused_by, allowed_at, why, is_troubled
from ops.reserve_places(
    %(keys)s, %(allowances)s::integer[], %(spans)s::double precision[], %(pardons)s, %(gates)s, %(patience)s,
    %(weight)s
)
"""

BLOCKED = """
select clock_timestamp(), greatest(extract(epoch from max(blocked_until) - clock_timestamp())::float8, 0)
from ops.rate_budgets
where budget = any(%(budgets)s)
"""

IN_THE_HOUR = "case when budget.earned_at > clock_timestamp() - interval '1 hour' then budget.earned else 0 end"
HAS_FLOOR = """
%(in_a_row)s <= %(burst)s
and budget.next_free_at <= clock_timestamp() + make_interval(secs => %(step)s * (%(floor)s - 1))
"""

# What answered calls have paid for retries: so many in a row at most; what is more goes back to the floor.
EARN = f"""
insert into ops.rate_budgets as budget (budget, next_free_at, earned, earned_at)
values (%(budget)s, clock_timestamp(), least(%(paid)s::float8, %(most)s), clock_timestamp())
on conflict (budget) do update set
    earned = least({IN_THE_HOUR} + %(paid)s, %(most)s),
    earned_at = case when %(paid)s > 0 then clock_timestamp() else budget.earned_at end,
    next_free_at = budget.next_free_at
        - make_interval(secs => %(step)s * greatest({IN_THE_HOUR} + %(paid)s - %(most)s, 0)),
    updated_at = clock_timestamp()
"""

# A retry: of the floor in a burst, else of what was earned.
RETRY = f"""
update ops.rate_budgets as budget set
    next_free_at = case when {HAS_FLOOR}
        then greatest(budget.next_free_at, clock_timestamp()) + make_interval(secs => %(step)s)
        else budget.next_free_at end,
    earned = case when {HAS_FLOOR} then budget.earned else budget.earned - 1 end,
    updated_at = clock_timestamp()
where budget.budget = %(budget)s and (({HAS_FLOOR}) or {IN_THE_HOUR} > 1 - 1e-6)
returning true
"""

# Answers overtake each other: of one window the highest figure counts. Clocks differ by seconds, windows by minutes.
OBSERVE = """
update ops.rate_budgets set
    window_used = case
        when abs(extract(epoch from window_resets_at - %(resets_at)s::timestamptz)) < 5
            then greatest(window_used, %(used)s) else %(used)s end,
    window_limit = %(limit)s,
    window_resets_at = %(resets_at)s,
    blocked_until = case when %(blocked_until)s::timestamptz > clock_timestamp()
        then greatest(blocked_until, %(blocked_until)s) else blocked_until end,
    blocked_reason = case when %(blocked_until)s::timestamptz > clock_timestamp()
        then %(reason)s else blocked_reason end,
    updated_at = clock_timestamp()
where budget = %(budget)s
"""

# What is only counted learns its limit from the call that was one too many.
BLOCK = """
update ops.rate_budgets set
    blocked_until = greatest(blocked_until, %(until)s),
    blocked_reason = %(reason)s,
    window_limit = case when %(is_counted)s then greatest(window_used - 1, 0) else window_limit end,
    updated_at = clock_timestamp()
where budget = %(budget)s
"""


@dataclass(slots=True)
class Limiter:
    """Waits for a place in every budget of a call, or says until when waiting is useless.

    `forced` ignores a block that was learned earlier (the command line's --force), never the spacing, nor a block that
    this very limiter caused. `is_troubled`: the platform last reserved for left the latest calls unanswered.
    """

    connection: psycopg.Connection[Any]
    forced: bool = False
    sleep: Callable[[float], None] = time.sleep
    learned: set[str] = field(default_factory=set)
    is_troubled: bool = False
    compared: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The present by the database's clock: last compared, and carried on by a clock that cannot be set."""
        if self.compared is None:
            row = self.connection.execute("select clock_timestamp()").fetchone()
            self.compared = (row[0] if row else datetime.now(UTC)), time.monotonic()
        at, since = self.compared
        return at + timedelta(seconds=time.monotonic() - since)

    def reserve(
        self, budgets: Sequence[Budget], platform: Platform | None = None, *, who: str = "", weight: int = 1
    ) -> None:
        """Take `weight` places in each budget, in key order, and sleep until they come, all at one instant.

        Raises RetryLater when that is more than two minutes away, or the platform's circuit is open; nothing is taken
        then. Raises VersionSunset when the platform serves our version no more, and ConfigurationError for a call that
        never fits into a budget. `who` asks, for the message.
        """
        check_weight(budgets, weight, who)
        gates = [platform.circuit, platform.sunset] if platform is not None else []
        keys = [*gates, *(budget.key for budget in budgets)]
        late_after = min((budget.margin / 2 for budget in budgets if budget.calls), default=LONGEST_WAIT_SECONDS)
        asked, wait = time.monotonic(), self._places(budgets, gates, who, weight)
        while wait > 0:
            self.sleep(wait)
            # Somebody may have been told to stop while we slept, or we overslept; then this place is void.
            if not self._blocked(keys) and time.monotonic() - asked - wait <= late_after:
                return
            asked, wait = time.monotonic(), self._places(budgets, gates, who, weight)

    def may_retry(self, platform: str, *, answered: int, in_a_row: int) -> bool:
        """Take a place in the retry budget of all runs of a platform.

        `answered`: calls since the last time this was asked. `in_a_row`: unanswered ones of all processes, this one
        among them.
        """
        self.earn(platform, answered=answered)
        row = self.connection.execute(RETRY, {**_retries(platform), "in_a_row": in_a_row}).fetchone()
        return row is not None

    def earn(self, platform: str, *, answered: int) -> None:
        """Let answered calls pay for retries to come."""
        self.connection.execute(EARN, {**_retries(platform), "paid": answered * RETRY_SHARE})

    def _places(self, budgets: Sequence[Budget], gates: Sequence[str], who: str, weight: int = 1) -> float:
        """Take places in each budget, all or none, and return the seconds until they come."""
        ordered = sorted(budgets, key=lambda each: each.key)
        values = {
            "keys": [budget.key for budget in ordered],
            "allowances": [budget.calls for budget in ordered],
            "spans": [budget.seconds for budget in ordered],
            "pardons": [budget.key for budget in ordered if self.forces(budget.key)],
            "gates": [gate for gate in gates if not self.forces(gate)],
            "patience": LONGEST_WAIT_SECONDS,
            "weight": weight,
        }
        row = self.connection.execute(RESERVE, values).fetchone()
        if row is None:
            raise AssertionError("a function gives a row")
        wait, now, refused_by, allowed_at, why, self.is_troubled = row
        self.compared = now, time.monotonic()
        if refused_by is None:
            return float(wait)
        if refused_by.partition(":")[2].startswith("version:"):
            raise VersionSunset(f"{who}: {why}", "no call was made; see docs/runbook.md#contract")
        if refused_by in gates:
            raise RetryLater(f"{who}: {why}", allowed_at)
        raise RetryLater(f"{who or 'a call'}: budget {refused_by} is used up ({why or 'by our own calls'})", allowed_at)

    def _blocked(self, keys: Sequence[str]) -> bool:
        row = self.connection.execute(BLOCKED, {"budgets": [key for key in keys if not self.forces(key)]}).fetchone()
        if row is None:
            return False
        self.compared = row[0], time.monotonic()
        return bool(row[1])

    def forces(self, key: str) -> bool:
        """Say whether a block under this key is to be ignored: forced, and not caused by this very limiter."""
        return self.forced and key not in self.learned

    def observe(self, budgets: Sequence[Budget], usages: Sequence[Usage], error: PipelineError | None) -> None:
        """Correct the budgets by what the answer said: usage headers, and a refusal with its end.

        Each goes to the budgets of its own scope; a refusal of a scope that the call has no budget for stops them all.
        """
        for usage in usages:
            for budget in budgets:
                if budget.scope == usage.scope:
                    self.connection.execute(OBSERVE, _observed(budget, usage))
        if isinstance(error, RetryLater):
            for budget in [each for each in budgets if each.scope == error.scope] or budgets:
                self.connection.execute(BLOCK, _refused(budget, error))
                self.learned.add(budget.key)


def _retries(platform: str) -> dict[str, object]:
    step = RETRY_FLOOR_SECONDS / RETRY_FLOOR
    floor = {"step": step, "floor": RETRY_FLOOR, "burst": BURST}
    return {"budget": f"{platform}:retries", "most": MOST_EARNED, **floor}


def check_weight(budgets: Sequence[Budget], weight: int, who: str) -> None:
    """Raise ConfigurationError for a call that the platform counts as more than a budget ever has."""
    for budget in budgets:
        if budget.most is not None and weight > budget.most:
            raise ConfigurationError(
                f"{who or 'a call'}: counts as {weight} calls, and budget {budget.key} has {budget.most} at most "
                f"({budget.calls} in {budget.seconds} s)",
                "ask for fewer objects in one batch, or give the budget more calls, in extractors/platforms/",
            )


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


def _refused(budget: Budget, error: RetryLater) -> dict[str, object]:
    return {
        "budget": budget.key,
        "until": error.at,
        # Others share the budget: whose call it was is cut off.
        "reason": error.what.partition(": ")[2] or error.what,
        "is_counted": budget.calls is None and budget.scope == "day",
    }
