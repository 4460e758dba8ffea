"""Places of a budget: exact in every window, shared by everybody, none taken that is not used."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from extractors.errors import RetryLater
from extractors.limiter import BURST, MOST_EARNED, RETRY_FLOOR, Limiter
from extractors.settings import Settings
from extractors.spec import Budget, Usage
from tests.extractors.conftest import pass_time

Connection = psycopg.Connection[Any]

LIMIT = Budget(key="shared", calls=120, seconds=2)

# Many places at once, however far ahead; the function is called anew for each number.
PLACES = """
select extract(epoch from place.asked_at)::float8 + place.wait_seconds
from generate_series(1, %(count)s) as number,
    lateral ops.reserve_places(
        array[%(key)s || left(number::text, 0)], array[%(calls)s]::integer[], array[%(seconds)s]::float8[],
        '{}', '{}', 1e9
    ) as place
"""


def promised(connection: Connection, budget: Budget, count: int) -> list[float]:
    """The instants of so many places in a row, asked for at once."""
    values = {"key": budget.key, "calls": budget.calls, "seconds": budget.seconds}
    found: list[float] = []
    while len(found) < count:
        found.extend(row[0] for row in connection.execute(PLACES, {**values, "count": min(200, count - len(found))}))
    return found


@pytest.fixture
def opened(warehouse: dict[str, str]) -> Iterator[Connection]:
    with closing(Settings.from_environment(warehouse).warehouse.connect()) as connection:
        connection.autocommit = True
        yield connection


def test_force_ignores_an_old_block_but_not_the_one_it_causes(opened: Connection):
    slept: list[float] = []
    ended = RetryLater("told to stop", datetime.now(UTC) + timedelta(seconds=100))
    Limiter(opened).observe([LIMIT], (), ended)
    forced = Limiter(opened, forced=True, sleep=slept.append)
    forced.reserve([LIMIT])
    assert slept == []
    forced.observe([LIMIT], (), RetryLater("told to stop", datetime.now(UTC) + timedelta(hours=1)))
    with pytest.raises(RetryLater):
        forced.reserve([LIMIT])


def test_a_place_too_far_away_is_given_back(opened: Connection):
    slow = Budget(key="slow", calls=1, seconds=1000)
    quick = Budget(key="quick", calls=100, seconds=1)
    limiter = Limiter(opened, sleep=lambda _seconds: None)
    limiter.reserve([slow])
    promised = "select budget, places, last_place_at, latest_at from ops.rate_budgets order by 1"
    before = opened.execute(promised).fetchall()
    for _ in range(3):
        with pytest.raises(RetryLater) as raised:
            limiter.reserve([quick, slow])
        assert timedelta(seconds=990) < raised.value.at - limiter.now() < timedelta(seconds=1020)
    assert opened.execute(f"select * from ({promised}) as row where places > 0").fetchall() == before


def test_runs_share_one_floor_of_retries_that_time_refills(opened: Connection):
    first, second = Limiter(opened), Limiter(opened)
    granted = [(first if turn % 2 else second).may_retry("linkedin", answered=0, in_a_row=1) for turn in range(24)]
    assert granted == [True] * RETRY_FLOOR + [False] * 4
    assert first.may_retry("facebook", answered=0, in_a_row=1)
    opened.execute("update ops.rate_budgets set next_free_at = next_free_at - interval '36 minutes 1 second'")
    assert first.may_retry("linkedin", answered=0, in_a_row=1)
    assert not first.may_retry("linkedin", answered=0, in_a_row=1)


def test_more_than_a_burst_in_a_row_needs_what_answered_calls_of_the_hour_have_paid(opened: Connection):
    first, second, more = Limiter(opened), Limiter(opened), BURST + 1
    assert all(first.may_retry("linkedin", answered=0, in_a_row=number) for number in range(1, more))
    assert not first.may_retry("linkedin", answered=19, in_a_row=more)
    second.earn("linkedin", answered=1)
    assert first.may_retry("linkedin", answered=0, in_a_row=more)
    assert not first.may_retry("linkedin", answered=0, in_a_row=more)
    second.earn("linkedin", answered=1000)
    granted = [first.may_retry("linkedin", answered=0, in_a_row=more + 1) for _ in range(MOST_EARNED + 1)]
    assert granted == [True] * MOST_EARNED + [False]
    second.earn("linkedin", answered=1000)
    opened.execute("update ops.rate_budgets set earned_at = earned_at - interval '61 minutes'")
    assert not first.may_retry("linkedin", answered=0, in_a_row=more)


def test_answered_calls_beyond_what_is_earned_fill_the_floor_again(opened: Connection):
    limiter = Limiter(opened)
    limiter.earn("linkedin", answered=60)
    granted = [limiter.may_retry("linkedin", answered=0, in_a_row=1) for _ in range(RETRY_FLOOR + MOST_EARNED + 1)]
    assert granted == [True] * (RETRY_FLOOR + MOST_EARNED) + [False]
    limiter.earn("linkedin", answered=60 + 40)
    granted = [limiter.may_retry("linkedin", answered=0, in_a_row=1) for _ in range(MOST_EARNED + 3)]
    assert granted == [True] * (MOST_EARNED + 2) + [False]


@pytest.mark.fault("C06")
def test_sixteen_sessions_with_shuffled_budgets_neither_deadlock_nor_lose_a_place(
    warehouse: dict[str, str], connection: Connection
):
    budgets = [Budget(key=f"shared:{name}", calls=100_000, seconds=60) for name in "abcdef"]
    failures: list[Exception] = []

    def reserve(seed: int) -> None:
        shuffling = random.Random(seed)
        with closing(Settings.from_environment(warehouse).warehouse.connect()) as mine:
            mine.autocommit = True
            limiter = Limiter(mine, sleep=lambda _seconds: None)
            for _ in range(25):
                shuffled = shuffling.sample(budgets, k=len(budgets))
                try:
                    limiter.reserve(shuffled)
                    limiter.observe(shuffled, [Usage(used=1, limit=100)], None)
                except psycopg.Error as error:
                    failures.append(error)
                if failures:
                    return

    sessions = [threading.Thread(target=reserve, args=(number,)) for number in range(16)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert failures == []
    places = connection.execute("select places from ops.rate_budgets where budget like 'shared:%'").fetchall()
    assert places == [(16 * 25,)] * len(budgets)


@pytest.mark.parametrize("calls", [1, 7, 201, 900, 2401])
def test_no_window_holds_more_places_than_the_allowance_and_nearly_all_are_used(opened: Connection, calls: int):
    budget = Budget(key="exact", calls=calls, seconds=60)
    instants = promised(opened, budget, 2 * calls + 60)
    windows = [later - earlier for earlier, later in zip(instants, instants[calls:], strict=False)]
    assert min(windows) > 60 + budget.margin - 1e-5, (
        "the place after the last of an allowance is a window and its margin on"
    )
    at_once = sum(at < instants[0] + 30 for at in instants)
    assert at_once >= 0.99 * calls
    # The burst over, those who wait are spaced evenly.
    spaced = instants[at_once:]
    gaps = [later - earlier for earlier, later in pairwise(spaced)]
    assert max(gaps) - min(gaps) < 0.02 * 60
    assert 0.97 * calls <= (len(spaced) - 1) / (spaced[-1] - spaced[0]) * 60 <= calls


def test_another_allowance_begins_with_what_the_old_one_promised(opened: Connection):
    limiter = Limiter(opened, sleep=lambda _seconds: None)
    for _ in range(6):
        limiter.reserve([Budget(key="changed", calls=10, seconds=100)])
    waits = [limiter._places([Budget(key="changed", calls=8, seconds=100)], (), "") for _ in range(3)]
    assert waits[:2] == [0, 0]
    assert waits[2] > 99


def test_a_call_that_waits_for_one_budget_does_not_hold_up_the_others_callers(opened: Connection):
    narrow, wide = Budget(key="narrow", calls=1, seconds=50), Budget(key="wide", calls=100, seconds=50)
    limiter = Limiter(opened, sleep=lambda _seconds: None)
    assert limiter._places([narrow, wide], (), "") == 0
    assert limiter._places([narrow, wide], (), "") > 49
    assert limiter._places([wide], (), "") == 0


def test_the_place_in_the_other_budgets_counts_from_when_the_call_is_made(opened: Connection):
    narrow, wide = Budget(key="narrow", calls=1, seconds=50), Budget(key="wide", calls=2, seconds=60)
    limiter = Limiter(opened, sleep=lambda _seconds: None)
    assert [round(limiter._places([narrow, wide], (), "")) for _ in range(2)] == [0, 51]
    # The second call is made at 51 s: no third before 61 s, and no fourth before 112 s.
    waits = [limiter._places([wide], (), "") for _ in range(2)]
    assert waits[0] == pytest.approx(61, abs=1)
    assert waits[1] == pytest.approx(112, abs=1)


def test_a_caller_that_oversleeps_takes_a_new_place(opened: Connection, monkeypatch: pytest.MonkeyPatch):
    budget = Budget(key="slept", calls=2, seconds=2)
    clock = [0.0]
    monkeypatch.setattr("extractors.limiter.time.monotonic", lambda: clock[0])
    slept: list[float] = []

    def oversleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds + (5.0 if len(slept) == 1 else 0.0)
        pass_time(opened, seconds + (5.0 if len(slept) == 1 else 0.0))

    limiter = Limiter(opened, sleep=oversleep)
    for _ in range(3):
        limiter.reserve([budget])
    assert len(slept) == 1
    assert opened.execute("select places from ops.rate_budgets").fetchone() == (4,)


@pytest.mark.fault("D16")
def test_a_clock_that_jumps_back_in_the_middle_of_a_call_changes_nothing(
    opened: Connection, monkeypatch: pytest.MonkeyPatch
):
    class Back(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) - timedelta(hours=1)

    limiter = Limiter(opened, sleep=lambda _seconds: None)
    limiter.reserve([LIMIT])
    monkeypatch.setattr("extractors.limiter.datetime", Back)
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    limiter.observe([LIMIT], (), RetryLater("told to stop", limiter.now() + timedelta(seconds=600)))
    left = opened.execute("select blocked_until - clock_timestamp() from ops.rate_budgets").fetchone()
    assert left is not None
    assert timedelta(seconds=598) < left[0] <= timedelta(seconds=601)
    with pytest.raises(RetryLater) as raised:
        limiter.reserve([LIMIT])
    assert timedelta(seconds=597) < raised.value.at - limiter.now() <= timedelta(seconds=601)
