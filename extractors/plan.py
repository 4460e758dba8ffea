"""Predicts the calls of a run per budget, against what is left; asks the warehouse alone, no platform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from extractors import schedule
from extractors.accounts import enabled_accounts
from extractors.extract import chosen_streams, window_end
from extractors.ledger import watermark
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.spec import Account, Read, Scope, Stream
from extractors.steps import Cost, step_cost, steps

BUDGET = """
select window_limit - window_used, blocked_until
from ops.rate_budgets
where budget = %s and (window_resets_at > clock_timestamp() or blocked_until > clock_timestamp())
"""

NOTHING, UNKNOWN = Cost(0, 0), Cost(0, 0, is_least=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one budget will be asked for. `is_lower_bound`: a list never read before has an unknown number of pages.

    `calls` are HTTP calls; `charged` is as how many the platform counts them, and what `left` is less by afterwards.
    """

    budget: str
    calls: int
    charged: int
    is_lower_bound: bool
    left: int | None
    blocked_until: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        count = f"{'at least ' if self.is_lower_bound else ''}{self.calls} calls"
        count += f", counted as {self.charged}" if self.charged != self.calls else ""
        left = f", {self.left} left" if self.left is not None else ""
        blocked = f", blocked until {self.blocked_until:%Y-%m-%d %H:%M:%S %Z}" if self.blocked_until else ""
        return f"{self.budget}: {count}{left}{blocked}"


def plan(
    settings: Settings,
    accounts: Sequence[Mapping[str, Any]],
    *,
    streams: Sequence[str] | None = None,
    since: date | None = None,
    until: date | None = None,
) -> list[Line]:
    """Return one line per budget, in order of names."""
    wanted = {(each["business_id"], each["platform"], each["account_id"]) for each in accounts}
    predicted: dict[str, Cost] = {}
    with closing(settings.warehouse.connect()) as connection:
        for account in enabled_accounts(connection, None, None):
            if (account.business_id, account.platform, account.account_id) in wanted:
                for budget, cost in _account_costs(connection, settings, account, streams, since, until):
                    predicted[budget] = _sum(predicted.get(budget, NOTHING), cost)
        return [_line(connection, budget, predicted[budget]) for budget in sorted(predicted)]


def _sum(one: Cost, other: Cost) -> Cost:
    return Cost(one.calls + other.calls, one.charged + other.charged, one.is_least or other.is_least)


def _account_costs(
    connection: psycopg.Connection[Any],
    settings: Settings,
    account: Account,
    names: Sequence[str] | None,
    since: date | None,
    until: date | None,
) -> list[tuple[str, Cost]]:
    platform = PLATFORMS[account.platform]
    found: list[tuple[str, Cost]] = []
    chosen = chosen_streams(platform, names)
    if platform.page_token is not None:
        found.extend((budget.key, Cost(1, 1)) for budget in platform.budgets(account, platform.page_token))
    names_chosen = {stream.name for stream in chosen}
    unread = {stream.name for stream in chosen if watermark(connection, account, stream) is None}
    for stream in chosen:
        for read, cost in _stream_costs(connection, settings, account, stream, since, until):
            found.extend((budget.key, cost) for budget in platform.budgets(account, read))
        # What the posts of this very run will lead to is not known before they are read.
        waiting = [read for read in stream.reads if _is_led_to(read, names_chosen, unread)]
        found.extend((budget.key, UNKNOWN) for read in waiting for budget in platform.budgets(account, read))
    return found


def _is_led_to(read: Read, chosen: Set[str], unread: Set[str]) -> bool:
    """Whether streams of the same run decide what there is to ask: posts not read yet, or counts that may move."""
    batch = read.batch
    if batch is None:
        return False
    return batch.of in unread or (batch.changed is not None and bool({batch.of, batch.counted_in} & chosen))


def _stream_costs(
    connection: psycopg.Connection[Any],
    settings: Settings,
    account: Account,
    stream: Stream,
    since: date | None,
    until: date | None,
) -> Iterator[tuple[Read, Cost]]:
    opening = schedule.opening(connection, account, stream, settings.now, since)
    scope = Scope(
        account=account, now=settings.now, since=opening.since, until=window_end(account, until, settings.now)
    )
    for step in steps(connection, stream, scope, opening.asked):
        yield step.read, step_cost(connection, stream, step, PLATFORMS[account.platform].version)


def _line(connection: psycopg.Connection[Any], budget: str, cost: Cost) -> Line:
    row = connection.execute(BUDGET, (budget,)).fetchone()
    left, blocked_until = row or (None, None)
    return Line(
        budget=budget,
        calls=cost.calls,
        charged=cost.charged,
        is_lower_bound=cost.is_least,
        left=left,
        blocked_until=blocked_until,
    )
