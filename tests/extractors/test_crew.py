"""Many accounts at once: nobody waits for a sleeper, a failure is its own, and the end comes in good order."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import psycopg
import pytest

from extractors import ledger
from extractors.crew import Crew, Done
from extractors.errors import AlreadyRunning, RetryLater, Stopped, TokenDead
from extractors.extract import Asked
from extractors.settings import Settings
from tests import crowd
from tests.crowd import Crowd

Connection = psycopg.Connection[Any]
PROFILE = Asked(streams=["profile"])


@pytest.fixture
def platform() -> Iterator[Crowd]:
    with crowd.serving(Crowd()) as running:
        yield running


@pytest.fixture
def settings(platform: Crowd, warehouse: dict[str, str]) -> Settings:
    return Settings.from_environment(crowd.environment(platform, warehouse, credentials=200))


def names(done: list[Done]) -> set[str]:
    return {each.account_id for each in done}


def block(connection: Connection, budget: str, seconds: float) -> None:
    """As if the platform had said: not before."""
    connection.execute(
        "insert into ops.rate_budgets (budget, blocked_until, blocked_reason) values (%s, now() + %s, 'it said so') "
        "on conflict (budget) do update set blocked_until = excluded.blocked_until",
        (budget, timedelta(seconds=seconds)),
    )


@pytest.mark.fault("D11")
def test_one_of_two_hundred_accounts_fails_and_the_others_land(
    settings: Settings, platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 200)
    platform.dead.add("1077")
    done = list(Crew(settings=settings, asked=PROFILE).read(accounts))
    assert names(done) == {each["account_id"] for each in accounts}
    (failed,) = [each for each in done if each.errors]
    assert failed.account_id == "1077"
    assert isinstance(failed.errors[0], TokenDead)
    assert connection.execute("select count(distinct account_id) from raw.twitter__profile").fetchone() == (199,)
    assert set(platform.calls.values()) == {1}
    states = connection.execute("select state, count(*) from ops.extract_runs group by 1 order by 1").fetchall()
    assert states == [("complete", 199), ("failed", 1)]


def test_accounts_are_read_side_by_side_and_never_more_than_the_workers(
    settings: Settings, platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 24)
    platform.seconds = 0.1
    sessions = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    most = 0
    began = monotonic()
    for _ in Crew(settings=settings, asked=PROFILE, workers=6).read(accounts):
        most = max(most, connection.execute(sessions).fetchone()[0])
    assert platform.most_at_once == 6
    assert most <= 6 + 1, "a connection per worker, and one that all share"
    assert monotonic() - began < 24 * 0.1 * 3


def test_accounts_that_wait_for_their_budget_hold_up_nobody_and_no_connection(
    settings: Settings, platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 30, credentials=30)
    for number in range(1, 21):
        block(connection, f"twitter:crowd_{number}:users", 3)
    began, ends = monotonic(), {}
    for each in Crew(settings=settings, asked=PROFILE, workers=2).read(accounts):
        ends[each.account_id] = monotonic() - began
        if len(ends) == 10:
            open_now = connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            ).fetchone()[0]
            assert open_now <= 3
    free = {str(1000 + number) for number in range(21, 31)}
    assert set(list(ends)[:10]) == free, "ten that need not wait come first, though two workers met twenty sleepers"
    assert len(ends) == 30
    assert min(seconds for name, seconds in ends.items() if name not in free) >= 2.5


@pytest.mark.fault("D10")
def test_a_crew_that_only_sleeps_gives_its_slot_back_and_the_rest_is_read(
    settings: Settings, platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 200, credentials=200)
    for number in range(1, 101):
        block(connection, f"twitter:crowd_{number}:users", 100)
    began = monotonic()
    done = list(Crew(settings=settings, asked=PROFILE, patience=1.0).read(accounts))
    assert monotonic() - began < 60, "nobody slept a hundred seconds in the slot"
    put_off = [each for each in done if each.errors]
    assert len(done) == 200
    assert len(put_off) == 100
    for each in put_off:
        assert isinstance(each.errors[0], RetryLater)
        assert timedelta(0) < each.errors[0].at - datetime.now(UTC) <= timedelta(seconds=101)
    assert connection.execute("select count(*) from ops.extract_runs where state = 'running'").fetchone() == (0,)


def test_a_sleeper_is_woken_by_the_end(settings: Settings, connection: Connection):
    accounts = crowd.load(connection, 3)
    block(connection, "twitter:crowd_1:users", 100)
    crew = Crew(settings=settings, asked=PROFILE)
    began, done = monotonic(), []
    for each in crew.read(accounts):
        done.append(each)
        if len(done) == 2:
            crew.stop.asked_by = "SIGTERM"
    assert monotonic() - began < 20
    (asleep,) = [each for each in done if each.errors]
    assert isinstance(asleep.errors[0], Stopped)
    kept = connection.execute("select error_class, holder_pid from ops.extract_runs where state = 'failed'").fetchall()
    assert kept == [("Stopped", None)]


def test_an_account_that_nobody_loaded_fails_alone(settings: Settings, connection: Connection):
    accounts = crowd.load(connection, 2)
    stranger = {"business_id": 1, "platform": "twitter", "account_id": "404"}
    done = list(Crew(settings=settings, asked=PROFILE).read([*accounts, stranger]))
    assert {each.account_id: [type(error).__name__ for error in each.errors] for each in done} == {
        "404": ["ConfigurationError"], "1001": [], "1002": [],
    }  # fmt: skip


def test_a_backfill_gives_way_before_the_next_account(settings: Settings, connection: Connection, platform: Crowd):
    accounts = crowd.load(connection, 40)
    answers = iter([None] * 5 + ["the backfill gives way to extract_twitter/scheduled"] * 99)
    done = list(Crew(settings=settings, asked=PROFILE, gives_way=lambda _: next(answers)).read(accounts))
    put_off = [each for each in done if each.errors]
    assert (len(done), len(put_off), len(platform.calls)) == (40, 35, 5)
    assert "gives way to extract_twitter/scheduled" in str(put_off[0].errors[0])


ORIGIN = ledger.Origin(key="extract_twitter/scheduled__1")


def read_again(settings: Settings, accounts: list[dict[str, Any]], origin: ledger.Origin | None) -> list[Done]:
    return list(Crew(settings=settings, asked=Asked(streams=["profile"], origin=origin)).read(accounts))


@pytest.mark.fault("D01")
def test_a_repeat_of_the_same_run_reads_only_what_is_not_settled(
    settings: Settings, platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 4)
    platform.dead.add("1001")
    platform.limited["1002"] = 3600
    first = read_again(settings, accounts, ORIGIN)
    assert sorted(each.account_id for each in first if each.errors) == ["1001", "1002"]
    platform.calls.clear()
    again = read_again(settings, accounts, ORIGIN)
    assert platform.calls == {}, "two are complete, one is dead, the time of one has not come"
    assert {each.account_id: [str(error) for error in each.errors] for each in again} == {
        each.account_id: [str(error) for error in each.errors] for each in first
    }
    assert {each.account_id: each.results[0].run_id for each in again} == {
        each.account_id: each.results[0].run_id for each in first
    }
    assert connection.execute("select count(*) from ops.extract_runs").fetchone() == (4,)


def test_a_person_who_asks_again_gets_what_had_failed_and_a_new_run_gets_all(
    settings: Settings, platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 3)
    platform.dead.add("1001")
    read_again(settings, accounts, ORIGIN)
    platform.dead.clear()
    platform.calls.clear()
    cleared = read_again(settings, accounts, ledger.Origin(key=ORIGIN.key, attempt=1))
    assert not [each for each in cleared if each.errors]
    assert platform.calls == {"1001": 1}
    for origin in (None, ledger.Origin(key="extract_twitter/scheduled__2")):
        platform.calls.clear()
        read_again(settings, accounts, origin)
        assert len(platform.calls) == 3, origin


def test_rows_that_the_gate_refused_and_reads_of_yesterday_are_not_settled(
    settings: Settings, platform: Crowd, connection: Connection
):
    accounts = crowd.load(connection, 2)
    read_again(settings, accounts, ORIGIN)
    connection.execute("update ops.extract_runs set gate = 'quarantined' where account_id = '1001'")
    connection.execute("update ops.extract_runs set finished_at = now() - interval '25 h' where account_id = '1002'")
    platform.calls.clear()
    read_again(settings, accounts, ORIGIN)
    assert platform.calls == {"1001": 1, "1002": 1}


@pytest.mark.fault("D03")
def test_the_same_task_twice_at_once_reads_as_one(settings: Settings, platform: Crowd, connection: Connection):
    accounts = crowd.load(connection, 12)
    platform.seconds = 0.05
    with ThreadPoolExecutor(2) as twice:
        both = list(twice.map(lambda _: read_again(settings, accounts, ORIGIN), range(2)))
    for done in both:
        assert all(isinstance(error, AlreadyRunning) for each in done for error in each.errors)
    third = read_again(settings, accounts, ORIGIN)
    assert not [each for each in third if each.errors]
    assert set(platform.calls.values()) == {1}, "no account was called twice"
    assert connection.execute("select count(*), count(distinct account_id) from raw.twitter__profile").fetchone() == (
        12, 12,
    )  # fmt: skip
