"""Calls that count as several: all their places at one instant, no window over its allowance, nobody starved."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.errors import ConfigurationError, RetryLater
from extractors.limiter import Limiter
from extractors.settings import Settings
from extractors.spec import Budget
from simulator.limits import Limits, Rolling
from simulator.server import Simulator
from simulator.world import World
from tests.extractors.calling import PROCESSES, Platform, between, callers, counted, endings, worst
from tests.extractors.conftest import pass_time
from tests.extractors.sockets import ANCHOR

Connection = psycopg.Connection[Any]

LIMIT = Rolling(calls=200, seconds=8)
PARTS = 10
SECONDS = 25.0

PROMISE = """
select extract(epoch from place.asked_at)::float8 + place.wait_seconds
from unnest(%(weights)s::integer[]) as weight,
    lateral ops.reserve_places(
        array[%(key)s || left(weight::text, 0)], array[%(calls)s]::integer[], array[%(seconds)s]::float8[],
        '{}', '{}', 1e9, weight
    ) as place
"""


@pytest.fixture
def opened(warehouse: dict[str, str]) -> Iterator[Connection]:
    with closing(Settings.from_environment(warehouse).warehouse.connect()) as connection:
        connection.autocommit = True
        yield connection


def promised(connection: Connection, budget: Budget, weights: list[int]) -> list[float]:
    """The instants of calls of these weights, asked for at once, in order."""
    values = {"key": budget.key, "calls": budget.calls, "seconds": budget.seconds, "weights": weights}
    return [row[0] for row in connection.execute(PROMISE, values)]


def most_within(instants: list[float], weights: list[int], seconds: float) -> int:
    """The most places of any window of this length."""
    first = held = most = 0
    for at, weight in zip(instants, weights, strict=True):
        held += weight
        while instants[first] <= at - seconds:
            held -= weights[first]
            first += 1
        most = max(most, held)
    return most


@pytest.mark.parametrize("calls", [50, 200, 333, 600, 2401])
def test_no_window_holds_more_than_the_allowance_whatever_the_weights(opened: Connection, calls: int):
    choose = random.Random(calls)
    weights = [choose.choice((1, 1, 1, 7, 25, 50)) for _ in range(4 * calls // 10 + 60)]
    budget = Budget(key="exact", calls=calls, seconds=60)
    instants = promised(opened, budget, weights)
    assert instants == sorted(instants), "first come, first served"
    assert most_within(instants, weights, 60 + budget.margin - 1e-5) <= calls


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_weights_of_any_order_never_break_a_window(migrated_once: Connection, data: st.DataObject):
    budget = Budget(key=f"any{random.random()}", calls=data.draw(st.integers(1, 450)), seconds=60)
    weights = data.draw(st.lists(st.integers(1, min(budget.most or 1, 60)), min_size=5, max_size=80))
    instants = promised(migrated_once, budget, weights)
    assert most_within(instants, weights, 60 + budget.margin - 1e-5) <= (budget.calls or 0)


@pytest.fixture(scope="module")
def migrated_once(new_database: Any, migrated_template: str) -> Iterator[Connection]:
    """One database for all examples; each has a budget of its own."""
    with closing(Settings.from_environment(new_database(migrated_template)).warehouse.connect()) as connection:
        connection.autocommit = True
        yield connection


def test_a_heavy_call_takes_all_of_its_places_or_none(opened: Connection):
    limiter = Limiter(opened, sleep=lambda _seconds: None)
    budget = Budget(key="account", calls=100, seconds=600)
    app = Budget(key="app", calls=1000, seconds=600)
    limiter.reserve([budget, app], weight=60)
    with pytest.raises(RetryLater):
        limiter.reserve([budget, app], weight=60)
    places = "select budget, places from ops.rate_budgets order by 1"
    assert opened.execute(places).fetchall() == [("account", 60), ("app", 60)]
    limiter.reserve([app], weight=60)
    assert opened.execute(places).fetchall() == [("account", 60), ("app", 120)]


def test_a_call_that_never_fits_is_a_fault_of_the_configuration(opened: Connection):
    limiter = Limiter(opened, sleep=lambda _seconds: None)
    limiter.reserve([Budget(key="fits", calls=50, seconds=60)], weight=50)
    with pytest.raises(ConfigurationError, match="counts as 51 calls, and budget small has 50 at most"):
        limiter.reserve([Budget(key="small", calls=50, seconds=60)], weight=51)
    assert Budget(key="blocks", calls=401, seconds=60).most == 399


def test_a_heavy_call_that_was_turned_away_comes_to_its_turn_among_light_ones(opened: Connection):
    """Light calls ask all the time and would take each place as it becomes free."""
    budget = Budget(key="busy", calls=60, seconds=3600)
    limiter = Limiter(opened, sleep=lambda seconds: pass_time(opened, seconds))
    for _ in range(60):
        limiter.reserve([budget])
        pass_time(opened, 60)
    turned_away, light, waited = 0, 0, 0.0
    while waited < 4 * 3600:
        try:
            limiter.reserve([budget], weight=40)
            break
        except RetryLater as later:
            turned_away += 1
            until = (later.at - limiter.now()).total_seconds()
            while until > 0:
                try:
                    limiter.reserve([budget])
                    light += 1
                except RetryLater:
                    pass
                step = min(until, 30.0)
                pass_time(opened, step)
                until, waited = until - step, waited + step
    assert turned_away == 1, "what became free meanwhile was kept for it"
    assert waited < 3600
    kept = opened.execute("select kept_places from ops.rate_budgets where budget = 'busy'").fetchone()
    assert kept == (0,)


def test_what_is_kept_for_a_call_that_never_comes_back_is_free_again(opened: Connection):
    budget = Budget(key="busy", calls=60, seconds=600)
    limiter = Limiter(opened, sleep=lambda _seconds: None)
    limiter.reserve([budget], weight=60)
    pass_time(opened, 1)
    with pytest.raises(RetryLater) as turned_away:
        limiter.reserve([budget], weight=40)
    until = (turned_away.value.at - limiter.now()).total_seconds()
    pass_time(opened, until + 121)
    assert limiter._places([budget], (), "") == 0


def test_eight_processes_with_batches_among_them_never_exceed_what_the_platform_counts(
    warehouse: dict[str, str], world: World, record_property: Any
):
    budget = Budget(key="shared", calls=LIMIT.calls, seconds=int(LIMIT.seconds), scope="not corrected")
    parts = [PARTS if number % 2 else 0 for number in range(PROCESSES)]
    with Simulator(world, now=ANCHOR, limits=Limits(meta_app=LIMIT, meta_account_day=10**9)) as simulator:
        whom = Platform(simulator=simulator, platform="facebook", budget=budget, parts=parts)
        with callers(warehouse, whom, SECONDS) as processes:
            codes = endings(processes, SECONDS + 10)
        calls = counted(simulator, "meta:app")
    start = calls[0].at
    steady = [call for call in calls if start + LIMIT.seconds + 1 <= call.at < start + SECONDS - 0.5]
    charged = between(steady, 0, float("inf"))
    made = [sum(call.who == str(number) for call in steady) for number in range(PROCESSES)]
    used = charged.total() / LIMIT.calls * LIMIT.seconds / (SECONDS - 1.5 - LIMIT.seconds)
    refused = sum(call.is_over for call in calls)
    found = {"refused": refused, "worst window": worst(calls, LIMIT.seconds), "limit": LIMIT.calls}
    found |= {"share of the allowance": round(used, 4), "calls per process": made, "weights": parts}
    print(found)
    record_property("weighted limiter", found)
    assert refused == 0
    assert codes == [0] * PROCESSES
    assert worst(calls, LIMIT.seconds) <= LIMIT.calls
    assert {call.cost for call in calls} == {1, PARTS}
    assert used >= 0.90
    assert max(made) - min(made) <= 2, "a heavy call waits for no more turns than a light one"
