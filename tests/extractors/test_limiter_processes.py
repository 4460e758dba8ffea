"""One budget, eight processes with wrong clocks: the platform counts, and nobody is over the limit or starved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from extractors.errors import RetryLater
from extractors.limiter import Limiter
from extractors.spec import Budget
from simulator.limits import Limits, Rolling
from simulator.server import Simulator
from simulator.world import World
from tests.extractors.calling import PROCESSES, Platform, between, callers, counted, endings, worst
from tests.extractors.sockets import ANCHOR

Connection = psycopg.Connection[Any]

# Long enough to hold a busy machine's hiccups within the margin: 1.5 in 100 of the window.
LIMIT = Rolling(calls=200, seconds=8)
SECONDS = 26.0


@contextmanager
def limited(world: World, limit: Rolling) -> Iterator[Platform]:
    """LinkedIn with a rolling limit that it enforces, and a client who believes in the same."""
    with Simulator(world, now=ANCHOR, limits=Limits(linkedin_short=limit)) as simulator:
        budget = Budget(key="shared", calls=limit.calls, seconds=int(limit.seconds))
        yield Platform(simulator=simulator, platform="linkedin", budget=budget)


@pytest.mark.fault("B17")
def test_eight_processes_use_the_allowance_share_it_evenly_and_never_exceed_it(
    warehouse: dict[str, str], world: World, record_property: Callable[[str, object], None]
):
    with limited(world, LIMIT) as whom:
        with callers(warehouse, whom, SECONDS) as processes:
            codes = endings(processes, SECONDS + 10)
        calls = counted(whom.simulator, ":short")
        statuses = {call.status for call in whom.simulator.calls}
        slowest = max(call.seconds for call in whom.simulator.calls)
    start = calls[0].at
    # Three windows follow each other within the margin; the first may be used at once.
    first = between(calls, start, start + LIMIT.seconds)
    steady = between(calls, start + LIMIT.seconds + 1, start + SECONDS - 0.5)
    used = steady.total() / LIMIT.calls * LIMIT.seconds / (SECONDS - 1.5 - LIMIT.seconds)
    grants = [steady[str(number)] for number in range(PROCESSES)]
    refused = sum(call.is_over for call in calls)
    found = {"refused": refused, "worst window": worst(calls, LIMIT.seconds), "limit": LIMIT.calls}
    found |= {"first window": first.total(), "share of the allowance": round(used, 4), "grants": grants}
    found |= {"spread": round((max(grants) - min(grants)) / max(*grants, 1), 3), "calls": len(calls)}
    found |= {"burst per second": burst(calls[: LIMIT.calls]), "slowest answer": slowest}
    print(found)
    record_property("limiter", found)
    assert (refused, statuses) == (0, {200})
    assert codes == [0] * PROCESSES
    assert worst(calls, LIMIT.seconds) <= LIMIT.calls
    assert used >= 0.97
    assert first.total() >= 0.97 * LIMIT.calls
    assert max(grants) - min(grants) <= max(1, 0.10 * max(grants))


def burst(calls: list[Any]) -> int:
    """How fast the first allowance was served: far faster than it comes back, so the platform is no bottleneck."""
    return round(len(calls) / (calls[-1].at - calls[0].at))


@pytest.mark.fault("A01")
def test_a_block_holds_for_all_processes_at_once_and_ends_without_a_flood(
    warehouse: dict[str, str], connection: Connection, world: World
):
    limiter = Limiter(connection)
    with limited(world, LIMIT) as whom, callers(warehouse, whom, 13.0):
        # The first window was used at once; now all wait, evenly spaced.
        time.sleep(8.8)
        blocked = time.time()
        limiter.observe([whom.budget], (), RetryLater("told to stop", limiter.now() + timedelta(seconds=1.5)))
        written = time.time()
        time.sleep(2.5)
        calls = counted(whom.simulator, ":short")
    during = between(calls, written + 0.1, blocked + 1.5)
    after = between(calls, blocked + 1.5, blocked + 2.3)
    assert during.total() == 0, during
    assert len(after) == PROCESSES, after
    assert after.total() <= 0.8 / whom.budget.interval + PROCESSES, after
    assert worst(calls, LIMIT.seconds) <= LIMIT.calls


def test_a_caller_that_dies_wastes_its_place_and_nothing_more(warehouse: dict[str, str], world: World):
    limit = Rolling(calls=20, seconds=5)
    with limited(world, limit) as whom, callers(warehouse, whom, 30.0) as processes:
        interval = whom.budget.interval
        # The first window was used at once; now all wait, evenly spaced.
        time.sleep(6.0)
        died = time.time()
        for process in processes[:4]:
            process.kill()
        time.sleep(16 * interval + 0.2)
        calls = counted(whom.simulator, ":short")
    promised_then = between(calls, died, died + 8 * interval).total()
    all_in_all = between(calls, died, died + 16 * interval).total()
    assert promised_then <= 5, "eight places were promised, four of them to the dead"
    # A busy machine oversleeps now and then, which costs a place too.
    assert 10 <= all_in_all <= 13, "four of sixteen places are lost, and no more"
    assert worst(calls, limit.seconds) <= limit.calls
