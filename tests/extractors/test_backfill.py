"""Asked ranges of days: they give way, go on where they stopped, and neither move the watermark back nor rewrite."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from expectations import runs as gate
from extractors import ledger
from extractors.errors import SteppedAside
from extractors.load import land
from extractors.pages import Page
from extractors.registry import PLATFORMS
from extractors.spec import Account, Record
from simulator.server import Simulator
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_secret,
    tokens,
)
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all

Connection = psycopg.Connection[Any]
Undisturbed = Callable[..., dict[str, str]]
DAY = timedelta(days=1)
LONG_AGO = date(2026, 6, 1)


def facts(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select kind, state, error_class, count(*) from ops.extract_runs group by 1, 2, 3 order by 1, 2, 3"
    ).fetchall()


@pytest.mark.fault("D04")
def test_a_backfill_and_a_scheduled_run_at_once_do_no_harm(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Undisturbed,
):
    extract("facebook")
    pass_all(connection)
    # Every page of the backfill takes a while, so that the scheduled run finds it at work.
    simulator.faults.add("slow_10s", platform="facebook", path_contains="since=178", times=12, seconds=0.4)
    with ThreadPoolExecutor(2) as pool:
        backfill = pool.submit(extract, "facebook", since=LONG_AGO)
        while not connection.execute("select 1 from ops.extract_runs where kind = 'asked' and pages > 0").fetchone():
            connection.execute("select pg_sleep(0.05)")
        scheduled = pool.submit(extract, "facebook", is_scheduled=True)
        assert not [result.error for result in scheduled.result() if result.error]
        stopped = [result for result in backfill.result() if result.error]
    assert {type(result.error) for result in stopped} <= {SteppedAside}
    simulator.faults.clear()
    again = extract("facebook", since=LONG_AGO)
    assert not [result.error for result in again if result.error]
    # An asked range reaches further back than a first run does, of the audience.
    assert_equal_warehouses(environment, undisturbed("facebook"), ["facebook__posts", "facebook__account_daily"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("D04")
def test_a_backfill_that_is_in_the_way_steps_aside_after_its_page_and_goes_on_there(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Undisturbed,
):
    extract("facebook", streams=["posts"])
    pass_all(connection)
    connection.execute(
        """
        create function ops.want() returns trigger language plpgsql as
        $$ begin if new.kind = 'asked' and new.pages = 1 then new.wanted_at := now(); end if; return new; end $$
        """
    )
    connection.execute(
        "create trigger want before update of pages on ops.extract_runs for each row execute function ops.want()"
    )
    first = extract("facebook", streams=["posts"], since=LONG_AGO)
    stopped = [result for result in first if result.error]
    assert stopped
    assert {type(result.error) for result in stopped} == {SteppedAside}
    assert all("makes room for a scheduled run" in str(result.error) for result in stopped)
    assert all(result.error.at <= datetime.now(UTC) + timedelta(minutes=6) for result in stopped)
    connection.execute("drop trigger want on ops.extract_runs")
    scheduled = extract("facebook", streams=["posts"])
    assert not {r.run_id for r in scheduled} & {r.run_id for r in first}, "a scheduled run is no part of a backfill"
    pass_all(connection)
    connection.execute("update ops.extract_runs set gate = 'pending' where state = 'failed'")
    # Hours later the same command goes on at its page.
    again = extract("facebook", streams=["posts"], since=LONG_AGO, now=ANCHOR + timedelta(hours=5))
    assert {r.run_id for r in stopped} <= {r.run_id for r in again if r.state == "complete"}
    assert_equal_warehouses(environment, undisturbed("facebook", streams=["posts"]), ["facebook__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


def test_a_backfill_leaves_a_share_of_the_budget(extract: Extract, connection: Connection, simulator: Simulator):
    extract("facebook", streams=["posts"])
    pass_all(connection)
    connection.execute(
        """
        create function ops.spend() returns trigger language plpgsql as
        $$ begin new.window_used := 75; new.window_limit := 100; return new; end $$
        """
    )
    connection.execute(
        "create trigger spend before update on ops.rate_budgets for each row execute function ops.spend()"
    )
    stopped = [r for r in extract("facebook", streams=["posts"], since=LONG_AGO) if r.error]
    assert stopped
    assert all("leaves 30% of the budget to scheduled runs" in str(r.error) for r in stopped)
    assert not [r.error for r in extract("facebook", streams=["posts"]) if r.error]


FIRST = date(2026, 1, 1)
STREAM = PLATFORMS["facebook"].stream("account_daily")


@st.composite
def intervals(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Ranges of days in any order, some overlapping, some read twice."""
    found = st.tuples(st.integers(0, 30), st.integers(1, 12)).map(lambda one: (one[0], one[0] + one[1]))
    return draw(st.permutations(draw(st.lists(found, min_size=1, max_size=7))))


@pytest.mark.fault("D05")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shuffled=intervals())
def test_intervals_in_any_order_keep_the_watermark_and_the_newest_observation(
    connection: Connection, shuffled: list[tuple[int, int]]
):
    row = connection.execute("select coalesce(max(business_id), 0) + 1 from ops.businesses").fetchone()
    account = Account(business_id=row[0], platform="facebook", account_id="7", credential="c", timezone="UTC")
    connection.execute("insert into ops.businesses values (%s, 'n', 'UTC')", (account.business_id,))
    connection.execute(
        "insert into ops.accounts (business_id, platform, account_id, credential) values (%s, 'facebook', '7', 'c')",
        (account.business_id,),
    )
    newest: dict[str, int] = {}
    read_interval(connection, account, 0, 1, -1, ANCHOR - timedelta(hours=1), kind="scheduled")
    newest[str(FIRST)] = -1
    watermark = ledger.watermark(connection, account, STREAM)
    assert watermark is not None
    for number, (start, end) in enumerate(shuffled):
        at = ANCHOR + timedelta(minutes=number)
        read_interval(connection, account, start, end, number, at)
        newest |= dict.fromkeys((str(FIRST + n * DAY) for n in range(start, end)), number)
        before, watermark = watermark, ledger.watermark(connection, account, STREAM)
        assert watermark is not None
        assert watermark >= before, "the watermark went backwards"
    found = connection.execute(
        "select distinct on (record_key) record_key, (payload ->> 'value')::int from raw.facebook__account_daily "
        "where business_id = %s order by record_key, observed_at desc",
        (account.business_id,),
    ).fetchall()
    assert dict(found) == newest


def read_interval(
    connection: Connection, account: Account, start: int, end: int, value: int, at: datetime, kind: str = "asked"
) -> None:
    """One run over the days [start, end), which land with this value; the gate lets it pass."""
    edges = [datetime.combine(FIRST + n * DAY, datetime.min.time(), UTC) for n in (start, end)]
    opened = ledger.open_run(connection, account, STREAM, as_of=at, since=edges[0], until=edges[1], kind=kind)
    days = [str(FIRST + n * DAY) for n in range(start, end)]
    records = [Record(day, {"value": value}) for day in days]
    land(connection, opened.lease, Page(records=records, observed_at=at, next_cursor=None, calls=1, retries=0))
    ledger.complete(connection, opened.lease)
    (waiting,) = [run for run in gate.pending(connection, ["facebook"]) if run.run_id == opened.lease.run_id]
    assert gate.decide(connection, waiting, []) == 0, "nothing is set aside"


@pytest.mark.fault("D05")
def test_an_old_interval_read_again_changes_nothing_that_is_newer(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Undisturbed,
):
    extract("facebook", streams=["account_daily"])
    pass_all(connection)
    before = connection.execute("select max(watermark), min(watermark) from ops.cursors").fetchone()
    old = extract("facebook", streams=["account_daily"], since=date(2026, 3, 1), until=date(2026, 3, 31))
    assert sum(result.stored for result in old) == 0
    assert sum(result.unchanged for result in old) > 0
    for run in gate.pending(connection, ["facebook"]):
        gate.decide(connection, run, [])
    assert connection.execute("select max(watermark), min(watermark) from ops.cursors").fetchone() == before
    assert_equal_warehouses(
        environment, undisturbed("facebook", streams=["account_daily"]), ["facebook__account_daily"]
    )
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))
