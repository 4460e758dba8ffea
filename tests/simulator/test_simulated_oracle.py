"""What can be read over HTTP and what the oracle says are the same, now and later."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from simulator.model import PLATFORMS
from simulator.plan import LATER_RUN
from simulator.server import Simulator
from simulator.truth import METRICS
from simulator.world import World
from tests.simulator.conftest import ANCHOR
from tests.simulator.reading import Reader
from tests.simulator.social import read_competitors, read_social

INSTANTS = (ANCHOR, ANCHOR + timedelta(days=3))
COMPARED = ("business_id", "account_id", "content_type", "text", "permalink", *METRICS)


def told(rows: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {(one["platform"], one["post_id"]): tuple(one.get(name) for name in COMPARED) for one in rows}


def read(reader: Reader, world: World, now: datetime, since: datetime | None = None) -> list[dict[str, Any]]:
    return [row for account in world.accounts for row in reader.posts(account, now=now, since=since)]


def test_every_metric_of_every_post_over_http_is_what_the_oracle_expects(reader: Reader, world: World) -> None:
    rows, expected = read(reader, world, ANCHOR), world.expected_posts([ANCHOR])

    assert told(rows) == told(expected)
    assert len(rows) == len(expected)
    instants = {(one["platform"], one["post_id"]): one["published_at"].timestamp() for one in expected}
    assert {(one["platform"], one["post_id"]): one["published_at"] for one in rows} == instants


def test_a_reader_that_reads_28_days_again_after_3_days_holds_what_the_oracle_expects(
    reader: Reader, simulator: Simulator, world: World
) -> None:
    held = {(one["platform"], one["post_id"]): one for one in read(reader, world, ANCHOR)}
    later = simulator.clock.advance(timedelta(days=3))
    for row in read(reader, world, later, since=later - timedelta(days=28)):
        key = row["platform"], row["post_id"]
        if row["platform"] == "twitter" and row["clicks"] is None and key in held:
            row["clicks"] = held[key]["clicks"]
        held[key] = row

    expected = world.expected_posts([ANCHOR, later])
    assert told(list(held.values())) == told(expected)
    assert len(expected) > len(world.expected_posts([ANCHOR]))


def test_some_likes_fall_from_one_reading_to_the_next(world: World) -> None:
    first, later = ({one["post_id"]: one["likes"] for one in world.expected_posts([at])} for at in INSTANTS)

    assert any(likes is not None and later[post] < likes for post, likes in first.items())
    assert any(likes is not None and later[post] > likes for post, likes in first.items())


def test_clicks_on_x_stay_at_the_last_value_that_was_told(world: World) -> None:
    later = ANCHOR + timedelta(days=40)
    both = {one["post_id"]: one for one in world.expected_posts([ANCHOR, later]) if one["platform"] == "twitter"}
    late = {one["post_id"]: one for one in world.expected_posts([later]) if one["platform"] == "twitter"}
    recent = [key for key, one in both.items() if ANCHOR - timedelta(days=20) < one["published_at"] < ANCHOR]

    assert recent
    assert all(both[key]["clicks"] is not None and late[key]["clicks"] is None for key in recent)


def test_metrics_a_platform_does_not_offer_are_never_known(world: World) -> None:
    absent = {
        "linkedin": {"views", "reposts", "quotes", "saves", "video_views", "watch_time_seconds"},
        "twitter": {"reach", "views", "watch_time_seconds"},
        "facebook": {"reposts", "quotes", "saves"},
        "instagram": {"clicks", "reposts", "quotes"},
    }
    for row in world.expected_posts([ANCHOR]):
        assert all(row[name] is None for name in absent[row["platform"]])


def test_nothing_is_known_of_a_linkedin_post_without_activity(world: World) -> None:
    rows = [one for one in world.expected_posts([ANCHOR]) if one["platform"] == "linkedin"]

    assert any(all(one[name] is None for name in METRICS) for one in rows)
    assert any(one["likes"] is not None and one["likes"] < 0 for one in rows)
    assert any(one["impressions"] is not None and one["reach"] is None for one in rows)


@pytest.mark.parametrize("first_run", [True, False])
def test_the_minimum_of_calls_is_within_reach(
    reader: Reader, simulator: Simulator, world: World, first_run: bool
) -> None:
    since = None if first_run else ANCHOR - timedelta(days=28)
    for account in world.accounts:
        posts = reader.everything(account, now=ANCHOR, since=since)
        if first_run:
            read_social(reader, account, posts, ANCHOR)
    read_competitors(reader, world.accounts)

    made = {platform: sum(1 for call in simulator.calls if call.platform == platform) for platform in PLATFORMS}
    assert made == world.minimum_calls(ANCHOR, first_run=first_run, windows=LATER_RUN)
