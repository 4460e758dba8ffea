"""The age ladder: how deep a run reads, what a short budget drops, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.registry import PLATFORMS
from extractors.schedule import DAY, EVERYTHING, LADDER, clamped, days_of, due, on_ladder, opening, rungs_of
from extractors.spec import Account
from simulator.server import Simulator
from simulator.world import World
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all

Connection = psycopg.Connection[Any]
HOUR = timedelta(hours=1)
X = Account(business_id=1, platform="twitter", account_id="1", credential="c", timezone="Europe/Berlin")


SPEND = (
    "update ops.rate_budgets set window_used = %s, window_limit = 900, "
    "window_resets_at = clock_timestamp() + interval '15 minutes' where budget like 'twitter:%%timeline'"
)


def since_of(connection: Connection, stream: str = "twitter__posts") -> list[datetime | None]:
    rows = connection.execute(
        "select window_since from ops.extract_runs where stream = %s order by started_at", (stream,)
    )
    return [row[0] for row in rows]


def depths(
    connection: Connection, world: World, now: datetime, platform: str = "twitter"
) -> dict[str, timedelta | None]:
    """How deep a scheduled run of each stream on the ladder would read now."""
    account = next(one for one in world.accounts if one.platform == platform)
    mine = Account(
        business_id=account.business_id,
        platform=platform,
        account_id=account.account_id,
        credential="c",
        timezone="UTC",
    )
    found = {}
    for stream in PLATFORMS[platform].streams:
        if on_ladder(stream):
            begin = opening(connection, mine, stream, now, None, is_scheduled=True).since
            found[stream.name] = now - begin if begin else None
    return found


def test_posts_and_their_metrics_are_on_the_ladder_and_nothing_else():
    names = {stream.full_name for platform in PLATFORMS.values() for stream in platform.streams if on_ladder(stream)}
    assert {f"{platform}__posts" for platform in PLATFORMS} <= names
    assert {"linkedin__post_metrics", "twitter__post_metrics", "instagram__post_metrics"} <= names
    assert not {name for name in names if name.endswith(("profile", "account_daily", "audience"))}


def test_the_ladder_ends_where_a_platform_stops_telling():
    assert rungs_of(PLATFORMS["twitter"].stream("posts"))[-1].age == EVERYTHING
    assert [rung.age.days for rung in rungs_of(PLATFORMS["twitter"].stream("post_metrics"))] == [2, 7, 28, 90]
    assert rungs_of(PLATFORMS["linkedin"].stream("post_metrics"))[-1].age == EVERYTHING


@given(hours=st.lists(st.integers(1, 30), min_size=200, max_size=300))
def test_no_rung_waits_longer_than_its_pause_and_one_run(hours: list[int]):
    now, last, worst = ANCHOR, dict.fromkeys((rung.age for rung in LADDER), ANCHOR), dict.fromkeys(LADDER, HOUR * 0)
    for pause in hours:
        now += pause * HOUR
        for rung in due(LADDER, last, now):
            worst[rung] = max(worst[rung], now - last[rung.age])
            # A deeper read is a read of the shallower ones too.
            last |= {each.age: now for each in LADDER if each.age <= rung.age}
    for rung, waited in worst.items():
        assert waited <= rung.every + 30 * HOUR


def test_scheduled_runs_read_young_posts_hourly_and_older_ones_rarely(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    extract("twitter", is_scheduled=True)
    pass_all(connection)
    seen = []
    for hour in range(1, 27):
        now = ANCHOR + hour * HOUR
        simulator.clock.set(now)
        seen.append(depths(connection, world, now)["posts"])
        extract("twitter", now=now, streams=["posts"], is_scheduled=True)
        pass_all(connection)
    days = [depth.days if depth else None for depth in seen]
    assert set(days) == {2, 7, 28}
    assert days.count(28) == 1
    assert [hour for hour, age in enumerate(days, 1) if age == 7] == [6, 12, 18]
    assert days[23] == 28


def test_a_run_by_hand_reads_28_days_each_time(extract: Extract, connection: Connection, simulator: Simulator):
    extract("facebook", streams=["posts"])
    pass_all(connection)
    extract("facebook", streams=["posts"], now=ANCHOR + HOUR)
    begins = since_of(connection, "facebook__posts")
    assert set(begins) == {None, ANCHOR - 28 * DAY}


@pytest.mark.parametrize(("days", "depth"), [(5, 28 + 5), (7, 90), (31, None)])
def test_older_posts_are_read_weekly_and_monthly(
    days: int, depth: int | None, extract: Extract, connection: Connection, world: World
):
    extract("facebook", streams=["posts"])
    pass_all(connection)
    found = depths(connection, world, ANCHOR + days * DAY, "facebook")["posts"]
    assert (found.days if found else None) == depth


@pytest.mark.fault("D07")
def test_after_ten_days_down_nothing_between_is_left_out(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    extract("twitter")
    pass_all(connection)
    now = ANCHOR + 10 * DAY
    simulator.clock.set(now)
    # Not even a budget that is nearly used may leave a gap behind the last complete read.
    connection.execute(SPEND, (800,))
    extract("twitter", now=now, is_scheduled=True)
    assert ANCHOR in since_of(connection)
    account_ids = [one.account_id for one in world.accounts if one.platform == "twitter"]
    wanted = {
        post.post_id
        for one in world.accounts
        if one.account_id in account_ids
        for post in world.listed(one, now)
        if post.kind != "retweet"
    }
    assert {row[0] for row in connection.execute("select record_key from raw.twitter__posts")} == wanted
    private = {
        post.post_id
        for one in world.accounts
        if one.account_id in account_ids
        for post in world.listed(one, now)
        if post.kind != "retweet" and post.created_at > ANCHOR
    }
    assert private <= {row[0] for row in connection.execute("select record_key from raw.twitter__post_metrics")}


@pytest.mark.fault("B19")
def test_posts_unread_for_half_of_the_time_a_metric_is_told_are_named(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    extract("twitter")
    pass_all(connection)
    results = []
    for days in (10, 17):
        now = ANCHOR + days * DAY
        simulator.clock.set(now)
        extract("twitter", now=now, streams=["posts"])
        pass_all(connection)
        simulator.faults.add("permission_lost", platform="twitter", path_contains="non_public_metrics", times=99)
        results.append([line for r in extract("twitter", now=now, streams=["post_metrics"]) for line in r.warnings])
        simulator.faults.clear()
    assert results[0] == []
    assert results[1]
    assert all("past half of the 30 days" in line and "were never read" in line for line in results[1])


def test_a_short_budget_drops_the_oldest_first_and_says_how_many(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    extract("twitter")
    pass_all(connection)
    now = ANCHOR + 8 * DAY
    simulator.clock.set(now)
    connection.execute(SPEND, (800,))
    results = extract("twitter", now=now, streams=["posts"])
    assert since_of(connection)[-1] == ANCHOR - 28 * DAY, "28 days are a promise"
    told = [line for result in results for line in result.warnings]
    assert told
    assert all("posts from before" in line and "left for a later run" in line for line in told)
    pass_all(connection)
    connection.execute(SPEND, (10,))
    extract("twitter", now=now + HOUR, streams=["posts"])
    assert since_of(connection)[-1] == now + HOUR - 90 * DAY, "what was left is due until it is read"


@pytest.mark.fault("D06")
def test_an_interval_of_a_scheduler_becomes_days():
    midnight = datetime(2026, 11, 20, tzinfo=UTC)
    assert days_of(midnight, midnight + DAY) == (date(2026, 11, 20), date(2026, 11, 20))
    assert days_of(midnight, midnight + 7 * DAY) == (date(2026, 11, 20), date(2026, 11, 26))
    at = midnight + 3 * HOUR
    assert days_of(at, at) == (date(2026, 11, 20), date(2026, 11, 20)), "a run by hand has an interval without length"


@pytest.mark.fault("D06")
def test_a_window_comes_from_what_is_asked_or_from_the_ledger_and_never_from_a_logical_date(
    extract: Extract, connection: Connection
):
    extract("facebook", streams=["posts"], since=date(2026, 10, 1), until=date(2026, 10, 10))
    asked = connection.execute("select distinct window_since, window_until from ops.extract_runs").fetchall()
    zones = {"Europe/Berlin": 2, "America/New_York": -4}
    assert {(since.date(), until.date()) for since, until in asked} <= {
        (date(2026, 9, 30), date(2026, 10, 10)),
        (date(2026, 10, 1), date(2026, 10, 11)),
    }, zones


@pytest.mark.parametrize(
    ("platform", "stream", "first"),
    [
        ("linkedin", "account_daily", date(2025, 11, 21)),
        ("linkedin", "post_metrics", date(2025, 11, 21)),
        ("linkedin", "posts", date(2003, 5, 5)),
        ("twitter", "posts", date(2010, 11, 7)),
        ("facebook", "account_daily", date(2024, 11, 21)),
        ("instagram", "posts", date(2010, 10, 6)),
    ],
)
def test_a_day_before_what_is_offered_is_clamped_with_a_line(platform: str, stream: str, first: date):
    account = Account(business_id=1, platform=platform, account_id="1", credential="c", timezone="UTC")
    found, line = clamped(account, PLATFORMS[platform].stream(stream), ANCHOR, date(202, 1, 1))
    assert found == first
    assert line is not None
    assert line.startswith(f"--since 0202-01-01: {platform}__{stream} ")
    assert line.endswith(f", reading from {first}")
    assert clamped(account, PLATFORMS[platform].stream(stream), ANCHOR, date(2026, 11, 1)) == (date(2026, 11, 1), None)


Undisturbed = Callable[..., dict[str, str]]


def test_a_typo_in_since_reads_what_is_offered_and_says_so(extract: Extract, simulator: Simulator):
    results = extract("linkedin", "twitter", "facebook", since=date(202, 1, 1))
    results += extract("instagram", since=date(202, 1, 1), streams=["posts", "post_metrics"])
    assert not [result.error for result in results if result.error]
    told = {result.stream: result.warnings for result in results if result.stream.endswith(("posts", "daily"))}
    assert all(len(lines) == 1 and "reading from" in lines[0] for lines in told.values()), told
