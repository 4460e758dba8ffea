"""Lists that misbehave, against the simulator: nothing lost, nothing twice, and a name for what cannot be borne."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest

from extractors.errors import CursorExpired, EmptyPages, ObjectGone, PageLoop, Transient
from extractors.extract import RunResult
from extractors.limiter import Limiter
from simulator.days import meta_time, x_time
from simulator.model import Post
from simulator.server import Simulator
from simulator.wire.twitter import snowflake
from simulator.world import World, build_world
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    tokens,
)
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all

Connection = psycopg.Connection[Any]
Undisturbed = Callable[..., dict[str, str]]
#: Where a request says its place in the list.
PLACE = {"facebook": "after=", "instagram": "after=", "twitter": "pagination_token="}
PLATFORMS = ("facebook", "twitter")


def errors(results: Iterable[RunResult]) -> list[type]:
    return [type(result.error) for result in results if result.error]


def keys_of(connection: Connection, stream: str) -> set[tuple[str, str]]:
    return set(connection.execute(f"select account_id, record_key from raw.{stream}").fetchall())


def listed_in(world: World, platform: str, at: datetime) -> set[tuple[str, str]]:
    accounts = [one for one in world.accounts if one.platform == platform]
    posts = [post for account in accounts for post in world.listed(account, at) if post.kind != "retweet"]
    return {(post.account.account_id, post.post_id) for post in posts}


@pytest.mark.fault("B10")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_list_whose_cursor_expired_is_begun_again(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, undisturbed: Undisturbed
):
    simulator.faults.add("cursor_expired", platform=platform, path_contains=PLACE[platform], times=1)
    assert errors(extract(platform)) == []
    assert simulator.faults.waiting() == []
    assert_equal_warehouses(environment, undisturbed(platform), [f"{platform}__posts"])
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B10")
def test_a_cursor_that_expired_between_two_runs_begins_the_list_again_too(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Undisturbed,
):
    Limiter(connection).earn("facebook", answered=60)
    simulator.faults.add("html_error_page", platform="facebook", path_contains="after=", times=4)
    assert errors(extract("facebook", streams=["posts"])) == [Transient]
    simulator.faults.clear()
    simulator.faults.add("cursor_expired", platform="facebook", path_contains="after=", times=1)
    assert errors(extract("facebook")) == []
    assert_equal_warehouses(environment, undisturbed("facebook"), ["facebook__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B10")
def test_cursors_that_always_expire_end_the_run_after_two_new_beginnings(
    extract: Extract, environment: dict[str, str], simulator: Simulator, undisturbed: Undisturbed
):
    account = next(one.account_id for one in simulator.world.accounts if one.platform == "facebook")
    simulator.faults.add("cursor_expired", platform="facebook", path_contains="after=", times=99)
    results = extract("facebook", streams=["posts"])
    assert set(errors(results)) == {CursorExpired}
    failed = [call for call in simulator.calls if call.account == account and call.fault == "cursor_expired"]
    assert len(failed) == 3
    simulator.faults.clear()
    assert errors(extract("facebook")) == []
    assert_equal_warehouses(environment, undisturbed("facebook"), ["facebook__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B11")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_page_served_twice_makes_no_row_twice(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, undisturbed: Undisturbed
):
    simulator.faults.add("duplicate_page", platform=platform, path_contains=PLACE[platform], times=1)
    assert errors(extract(platform)) == []
    assert simulator.faults.waiting() == []
    assert_equal_warehouses(environment, undisturbed(platform), [f"{platform}__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B12")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_pages_that_lead_back_are_named_and_the_rest_comes_later(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, undisturbed: Undisturbed
):
    simulator.faults.add("page_loop", platform=platform, path_contains=PLACE[platform], times=999)
    results = extract(platform, streams=["posts"])
    assert PageLoop in set(errors(results))
    assert all("leads in circles" in str(result.error) for result in results if result.error)
    assert max(result.calls for result in results) <= 8
    simulator.faults.clear()
    assert errors(extract(platform)) == []
    assert_equal_warehouses(environment, undisturbed(platform), [f"{platform}__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B13")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_empty_pages_without_end_are_left_until_later(
    platform: str, extract: Extract, environment: dict[str, str], simulator: Simulator, undisturbed: Undisturbed
):
    simulator.faults.add("endless_empty_pages", platform=platform, path_contains=PLACE[platform], times=999)
    results = extract(platform, streams=["posts"])
    assert set(errors(results)) == {EmptyPages}
    assert all(result.error.at > datetime.now(UTC) for result in results if isinstance(result.error, EmptyPages))
    simulator.faults.clear()
    assert errors(extract(platform)) == []
    assert_equal_warehouses(environment, undisturbed(platform), [f"{platform}__posts"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


def a_page_account(world: World, platform: str, more_than: int) -> tuple[Any, list[Post]]:
    """An account with more posts than that, and its posts newest first."""
    for account in world.accounts:
        posts = world.listed(account, ANCHOR)
        if account.platform == platform and len(posts) > more_than:
            return account, posts
    raise AssertionError(f"no {platform} account has more than {more_than} posts")


@pytest.mark.fault("B14")
def test_items_that_move_between_pages_are_all_read(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    _, posts = a_page_account(simulator.world, "linkedin", 105)
    # While the second page is asked for, posts of the first are deleted: what was 101st is 98th now.
    simulator.delete("linkedin", *(post.post_id for post in posts[3:6]), at=ANCHOR + timedelta(seconds=30))
    simulator.faults.add("time_passes", platform="linkedin", path_contains="start=100", seconds=60)
    assert errors(extract("linkedin")) == []
    assert listed_in(simulator.world, "linkedin", simulator.clock.now()) <= keys_of(connection, "linkedin__posts")
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.fixture(scope="module")
def world() -> World:
    """The small world, with so many posts more on LinkedIn and X that their lists have two pages."""
    small = build_world(seed=7, anchor=ANCHOR, scale=0.08)
    more = []
    for platform in ("linkedin", "twitter"):
        account = next(one for one in small.accounts if one.platform == platform)
        model = next(post for post in small.listed(account, ANCHOR) if post.kind == "own")
        days = [ANCHOR - timedelta(days=40, hours=n) for n in range(130)]
        more += [_dated(model, _id(platform, at), at) for at in days]
    return small.after(*more)


def _id(platform: str, at: datetime) -> str:
    return f"urn:li:share:7{int(at.timestamp()):017}" if platform == "linkedin" else str(snowflake(at, Random(7)))


def _dated(model: Post, post_id: str, at: datetime) -> Post:
    """Another post like this one, of another instant."""
    payload = {**model.payload, "id": post_id}
    match model.account.platform:
        case "linkedin":
            payload |= dict.fromkeys(("createdAt", "publishedAt", "lastModifiedAt"), int(at.timestamp() * 1000))
        case "twitter":
            payload |= {"created_at": x_time(at), "edit_history_tweet_ids": [post_id]}
        case _:
            payload |= {"created_time": meta_time(at)}
    return replace(model, post_id=post_id, created_at=at, published_at=at, payload=payload)


@pytest.mark.fault("B15")
@pytest.mark.parametrize("platform", ["linkedin", "facebook"])
def test_equal_instants_across_a_page_border_and_at_the_window_s_edge_are_all_read(
    platform: str,
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    world: World,
):
    account = next(one for one in world.accounts if one.platform == platform)
    model = next(post for post in world.listed(account, ANCHOR) if post.kind == "own")
    extract(platform)
    pass_all(connection)
    # The next run looks 28 days back: so many posts stand at that very instant that two page borders lie in them.
    size, edge = (100, ANCHOR - timedelta(days=28)) if platform == "linkedin" else (25, ANCHOR - timedelta(days=28))
    prefix = "urn:li:share:7" if platform == "linkedin" else f"{account.account_id}_9"
    late = [_dated(model, f"{prefix}{n:017}", edge) for n in range(2 * size + 3)]
    simulator.world = world.after(*late)
    simulator.clock.advance(timedelta(hours=1))
    assert errors(extract(platform, now=ANCHOR + timedelta(hours=1))) == []
    assert {(account.account_id, post.post_id) for post in late} <= keys_of(connection, f"{platform}__posts")
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B16")
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_post_created_during_the_run_is_there_now_or_with_the_next_run(
    platform: str, extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    later = timedelta(days=2)
    simulator.faults.add("time_passes", platform=platform, path_contains=PLACE[platform], seconds=later.total_seconds())
    assert errors(extract(platform)) == []
    assert simulator.clock.now() == ANCHOR + later
    pass_all(connection)
    assert errors(extract(platform, now=ANCHOR + later)) == []
    assert keys_of(connection, f"{platform}__posts") == listed_in(simulator.world, platform, ANCHOR + later)
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B08")
def test_one_deleted_object_of_a_batch_does_not_end_the_stream(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    extract("instagram", streams=["posts"])
    pass_all(connection)
    reels = [
        post
        for account in simulator.world.accounts
        for post in simulator.world.listed(account, ANCHOR)
        if account.platform == "instagram" and post.payload["media_product_type"] == "REELS"
    ]
    gone, *others = reels
    simulator.delete("instagram", gone.post_id)
    results = extract("instagram", streams=["post_metrics"])
    assert errors(results) == []
    assert {key for _, key in keys_of(connection, "instagram__post_metrics")} == {post.post_id for post in others}
    assert [line for result in results for line in result.warnings] == [
        f"1 asked for and not there (any more), so left out: {gone.post_id}"
    ]
    assert connection.execute("select count(*) from ops.quarantine").fetchone() == (0,)
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B08")
def test_when_every_object_of_a_batch_is_gone_the_stream_goes_on_all_the_same(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator
):
    extract("instagram", streams=["posts"])
    pass_all(connection)
    for account in simulator.world.accounts:
        if account.platform == "instagram":
            simulator.delete("instagram", *(post.post_id for post in simulator.world.listed(account, ANCHOR)))
    assert errors(extract("instagram", streams=["post_metrics"])) == []
    assert keys_of(connection, "instagram__post_metrics") == set()
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B09")
@pytest.mark.parametrize("stream", ["posts", "account_daily"])
def test_does_not_exist_is_a_hiccup_when_the_account_itself_is_said_not_to_exist(
    stream: str, extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator,
    undisturbed: Undisturbed,
):  # fmt: skip
    extract("instagram")
    pass_all(connection)
    simulator.faults.add("object_deleted_33", platform="instagram", times=999)
    assert set(errors(extract("instagram", streams=[stream]))) == {Transient}
    assert connection.execute("select count(*) from ops.known_posts where missed_runs <> '{}'").fetchone() == (0,)
    simulator.faults.clear()
    assert errors(extract("instagram")) == []
    assert_equal_warehouses(environment, undisturbed("instagram"), [f"instagram__{stream}"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B09")
def test_of_an_account_that_was_never_there_it_is_believed(extract: Extract, simulator: Simulator):
    simulator.faults.add("object_deleted_33", platform="instagram", times=999)
    assert set(errors(extract("instagram", streams=["posts"]))) == {ObjectGone}
