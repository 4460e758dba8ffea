"""Faults of group D, each around extractions: days without runs, odd ranges, calendars, clocks, ends and neighbours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from extractors.crew import Crew
from extractors.errors import AlreadyRunning, RetryLater, TokenDead
from extractors.extract import Asked, due_accounts
from extractors.ledger import Origin
from extractors.limiter import Limiter
from extractors.settings import Settings
from simulator.server import Simulator
from simulator.world import World, build_world
from tests.conftest import ROOT
from tests.extractors.conftest import ANCHOR, Survival, pass_time

DAY = timedelta(days=1)


def crew(case: Survival, **asked: Any) -> Crew:
    settings = Settings.from_environment(case.environment)
    return Crew(settings=settings, asked=Asked(**asked))


def accounts(case: Survival, *platforms: str) -> list[dict[str, Any]]:
    settings = Settings.from_environment(case.environment)
    return [account for platform in platforms for account in due_accounts(settings, platform)]


@pytest.mark.fault("D01")
def test_a_task_tried_again_reads_what_its_first_try_left(survival: Survival):
    origin = Origin(key="extract_facebook/scheduled__1")
    Limiter(survival.connection).earn("facebook", answered=60)
    survival.simulator.faults.add("http_500", platform="facebook", path_contains="after=", times=4)
    assert survival.read("facebook", streams=["posts"], origin=origin) == ["Transient"]
    survival.simulator.clear_calls()
    assert survival.read("facebook", streams=["posts"], origin=origin) == []
    assert {call.account for call in survival.simulator.calls if "published_posts" in call.path} == {
        account
        for (account,) in survival.connection.execute(
            "select distinct account_id from ops.extract_runs where retries > 0"
        ).fetchall()
    }, "what was complete is not read again"
    survival.equals("facebook", "posts")


@pytest.mark.fault("D03")
def test_a_task_that_was_started_twice_reads_as_one(survival: Survival):
    origin, who = Origin(key="extract_twitter/scheduled__1"), accounts(survival, "twitter")
    survival.simulator.faults.add("slow_10s", platform="twitter", times=6, seconds=0.2)
    asked = {"streams": ["posts"], "origin": origin}
    with ThreadPoolExecutor(2) as twice:
        both = list(twice.map(lambda _: list(crew(survival, **asked).read(who)), range(2)))
    assert all(isinstance(error, AlreadyRunning) for done in both for each in done for error in each.errors)
    assert not [each for each in crew(survival, **asked).read(who) if each.errors]
    complete = "select count(*), count(distinct account_id) from ops.extract_runs where state = 'complete'"
    assert survival.connection.execute(complete).fetchone() == (3, 3)
    survival.equals("twitter", "posts")


@pytest.mark.fault("D06")
@pytest.mark.parametrize(
    "asked",
    [
        {"since": date(2019, 1, 1), "until": date(2099, 1, 1)},
        {"since": date(2020, 1, 1)},
        {"until": date(2099, 1, 1), "since": date(2000, 1, 1)},
    ],
)
def test_a_run_by_hand_with_a_strange_range_reads_what_there_is(survival: Survival, asked: dict[str, date]):
    assert survival.read("facebook", streams=["posts"], **asked) == []
    ends = survival.connection.execute("select distinct window_until from ops.extract_runs").fetchall()
    assert ends == [(ANCHOR,)], "nothing is read of what has not come"
    survival.equals("facebook", "posts")


@pytest.mark.fault("D07")
def test_ten_days_without_a_run_leave_no_hole(survival: Survival):
    before = ANCHOR - 10 * DAY
    survival.simulator.clock.set(before)
    assert survival.read("facebook", before, streams=["account_daily"]) == []
    assert survival.read("facebook", ANCHOR, streams=["account_daily"], is_scheduled=True) == []
    survival.equals("facebook", "account_daily", at=(before, ANCHOR))


@pytest.mark.fault("D10")
def test_accounts_that_wait_for_a_platform_s_limit_hold_up_no_other_platform(survival: Survival):
    survival.connection.execute(
        "insert into ops.rate_budgets (budget, blocked_until, blocked_reason) "
        "select 'facebook:' || account_id, now() + interval '100 s', 'it said so' from ops.accounts "
        "where platform = 'facebook'"
    )
    settings = Settings.from_environment(survival.environment)
    waiting = Crew(settings=settings, asked=Asked(streams=["profile"]), workers=1, patience=0.5)
    done = list(waiting.read(accounts(survival, "facebook", "linkedin")))
    assert {each.platform for each in done if not each.errors} == {"linkedin"}
    assert all(isinstance(each.errors[0], RetryLater) for each in done if each.platform == "facebook")
    pass_time(survival.connection, 101)
    assert survival.read("facebook", streams=["profile"]) == []
    survival.equals("facebook", "profile")


@pytest.mark.fault("D11")
def test_an_account_that_fails_is_alone_and_has_all_when_it_is_mended(survival: Survival):
    survival.simulator.vault.set_state("twitter_nordlicht", "revoked")
    done = list(crew(survival, streams=["profile", "posts"]).read(accounts(survival, "twitter")))
    (failed,) = [each for each in done if each.errors]
    assert {type(error) for error in failed.errors} == {TokenDead}
    survival.simulator.vault.set_state("twitter_nordlicht", "valid")
    survival.heals("twitter", "profile", "posts", since=None)


def program(case: Survival, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **case.environment, **variables}
    return subprocess.Popen(
        [sys.executable, *arguments], env=known, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.fault("D14")
def test_an_extraction_asks_nothing_of_airflow_s_own_database(survival: Survival):
    nowhere = "postgresql+psycopg2://nobody:nothing@127.0.0.1:1/none"
    with program(survival, "-c", PROGRAM, "linkedin", AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=nowhere) as run:
        output, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert json.loads(output) == []
    survival.equals("linkedin", "posts")


@pytest.mark.fault("D15")
def test_a_command_asked_to_end_finishes_its_page_and_the_next_has_the_rest(survival: Survival):
    survival.simulator.faults.add("slow_10s", platform="facebook", times=99, seconds=0.4)
    with program(survival, "-m", "extractors", "run", "--platform", "facebook", "--stream", "posts") as run:
        while len(survival.simulator.calls) < 2:
            assert run.poll() is None
            survival.connection.execute("select pg_sleep(0.05)")
        run.send_signal(signal.SIGTERM)
        output, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "stopped: SIGTERM" in errors
    assert "Traceback" not in output + errors
    survival.simulator.faults.clear()
    left = survival.connection.execute("select count(*) from ops.extract_runs where state = 'running'").fetchone()
    assert left == (0,)
    assert survival.read("facebook", streams=["posts"]) == []
    survival.equals("facebook", "posts")


#: Reads the posts of a platform's accounts, and prints the class of each error.
PROGRAM = """
import json, sys
from extractors.extract import due_accounts, extract_account
from extractors.settings import Settings
settings = Settings.from_environment()
accounts = due_accounts(settings, sys.argv[1])
results = [result for each in accounts for result in extract_account(settings, each, streams=["posts"])]
print(json.dumps([type(each.error).__name__ for each in results if each.error]))
"""
#: Replaces the clock of a process before anything of ours is imported: it is wrong, and jumps back at every look.
WRONG_CLOCK = """
import datetime, itertools, time
looks, was, real = itertools.count(), time.time, datetime.datetime
class Wrong(real):
    __slots__ = ()
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(hours={hours}) - datetime.timedelta(minutes=next(looks))
datetime.datetime = Wrong
time.time = lambda: was() + 3600 * {hours} - 60 * next(looks)
"""


@pytest.mark.fault("D16", "B17")
@pytest.mark.parametrize("hours", [-3, 3])
def test_a_worker_whose_clock_is_wrong_and_jumps_back_stores_the_same(survival: Survival, hours: int):
    survival.simulator.faults.add("rate_limited", platform="facebook", path_contains="published_posts", minutes=600)
    with program(survival, "-c", WRONG_CLOCK.format(hours=hours) + PROGRAM, "facebook") as run:
        output, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert json.loads(output) == ["RetryLater"]
    row = survival.connection.execute("select max(blocked_until) - clock_timestamp() from ops.rate_budgets").fetchone()
    assert row is not None
    assert timedelta(hours=9, minutes=58) < row[0] <= timedelta(hours=10), "the database's clock decides"
    pass_time(survival.connection, 36_001)
    assert survival.read("facebook", streams=["posts"]) == []
    survival.equals("facebook", "posts")


CALENDAR = {
    "clocks go back in California": datetime(2026, 11, 3, 14, 30, tzinfo=UTC),
    "clocks go forward in Europe": datetime(2027, 3, 30, 14, 30, tzinfo=UTC),
    "the year ends in ISO week 53": datetime(2027, 1, 3, 14, 30, tzinfo=UTC),
    "a leap day": datetime(2028, 3, 1, 14, 30, tzinfo=UTC),
}


class TestCalendar:
    """Day by day over an edge of the calendar, the same is stored as by one run behind it."""

    @pytest.fixture(params=CALENDAR)
    def world(self, request: pytest.FixtureRequest) -> World:
        return build_world(seed=7, anchor=CALENDAR[request.param], scale=0.02)

    @pytest.fixture
    def simulator(self, world: World) -> Iterator[Simulator]:
        with Simulator(world, now=world.anchor) as running:
            yield running

    @pytest.mark.parametrize("platform", ["facebook", "linkedin"])
    @pytest.mark.fault("D08", "D09")
    def test_daily_runs_over_an_edge_of_the_calendar_leave_no_hole_and_no_double(
        self,
        survival: Survival,
        world: World,
        platform: str,
    ):
        days = [world.anchor - number * DAY for number in (4, 3, 2, 1, 0)]
        survival.simulator.clock.set(days[0])
        for day in days:
            assert survival.read(platform, day, streams=["account_daily"], is_scheduled=True) == []
        survival.equals(platform, "account_daily", at=(days[0], days[-1]))
