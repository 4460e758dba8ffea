"""Replies on X: raw holds what the world has, of nobody, and nothing is paid for twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from simulator import social_truth
from simulator.replies import replies
from simulator.server import Simulator
from simulator.twitter_search import LONGEST_QUERY, author_id
from simulator.world import World
from tests.aftermath import (
    assert_equal_warehouses,
    assert_ledger_explains,
    assert_no_exposed_address,
    assert_no_secret,
    tokens,
)
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all
from tests.extractors.test_linkedin_social import last

Connection = psycopg.Connection[Any]
TALK = ("posts", "comments")
LATER = ANCHOR + timedelta(days=3)


def searches(simulator: Simulator) -> list[dict[str, str]]:
    """The parameters of every search so far."""
    return [dict(call.query) for call in simulator.calls if call.path.endswith("/search/recent")]


def assert_raw_is_the_world(connection: Connection, world: World, observed: list[Any]) -> None:
    expected = social_truth.expected_comments("twitter", world.posts, observed)
    found = last(connection, "twitter__comments")
    assert set(found) == {one["comment_id"] for one in expected}
    assert len(expected) > 100
    for one in expected:
        payload = found[one["comment_id"]]
        assert payload["conversation_id"] == one["post_id"]
        assert payload["public_metrics"]["like_count"] == one["likes"]
        words = payload.get("note_tweet", payload)["text"]
        assert words.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == one["text"]


def test_raw_equals_the_world_at_once_and_after_three_days(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    extract("twitter", streams=TALK)
    assert_raw_is_the_world(connection, world, [ANCHOR])
    pass_all(connection)
    simulator.clock.advance(timedelta(days=3))
    extract("twitter", streams=TALK, now=LATER)
    assert_raw_is_the_world(connection, world, [ANCHOR, LATER])


def test_few_queries_ask_for_conversations_that_moved_since_the_last_look(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    extract("twitter")
    assert all("start_time" not in asked for asked in searches(simulator))
    pass_all(connection)
    simulator.clock.advance(timedelta(days=3))
    simulator.clear_calls()
    extract("twitter", now=LATER)
    assert len(simulator.calls) == world.minimum_calls(LATER, first_run=False, before=ANCHOR)["twitter"]
    asked = searches(simulator)
    assert {one["start_time"] for one in asked} == {"2026-11-21T13:30:00Z"}, "an hour before the last look"
    assert max(len(one["query"]) for one in asked) <= LONGEST_QUERY
    assert max(one["query"].count("conversation_id:") for one in asked) > 1
    bought = sum(call.objects for call in simulator.calls if call.path.endswith("/search/recent"))
    stored = connection.execute(
        "select sum(stored), sum(listed) from ops.extract_runs where stream = 'twitter__comments' and gate = 'pending'"
    ).fetchone()
    assert stored == (bought, bought)


def test_twelve_of_the_longest_ids_fit_into_a_query_and_thirteen_would_not():
    longest = "9" * 19
    query = "(" + " OR ".join([f"conversation_id:{longest}"] * 12) + f") is:reply -from:{longest}"
    assert len(query) <= LONGEST_QUERY < len(query) + len(f" OR conversation_id:{longest}")


def test_nothing_is_searched_while_no_count_moves(extract: Extract, connection: Connection, simulator: Simulator):
    extract("twitter", streams=TALK)
    pass_all(connection)
    simulator.clear_calls()
    extract("twitter", streams=TALK)
    assert searches(simulator) == []


def test_nobody_is_asked_for_stored_or_kept(
    extract: Extract, environment: dict[str, str], simulator: Simulator, world: World
):
    """An answer in another shape is kept as an outline of it."""
    strange = '{"data": [{"id": 7, "text": "@jo_unreadable hello", "author_id": "424242424242"}]}'
    simulator.faults.add("empty_body", platform="twitter", path_contains="search", times=1, body=strange)
    failed = [result for result in extract("twitter", streams=TALK) if result.error]
    assert [type(result.error).__name__ for result in failed] == ["ContractBroken"]
    simulator.faults.add("renamed_fields", platform="twitter", path_contains="search", times=1)
    assert not [result.error for result in extract("twitter", streams=TALK) if result.error]
    written = [one for account, several in world.posts.items() if account[0] == "twitter" for one in several]
    people = {
        name
        for post in written
        for one in replies(post, ANCHOR)
        if not one.is_own
        for name in (author_id(one), f"@{one.person}", f"@{one.friend}", "@someone_else")
    }
    assert len(people) > 100
    assert_no_secret(environment, {*people, "jo_unreadable", "424242424242"})
    assert not [asked for asked in searches(simulator) if "author" in str(asked) or "user.fields" in asked]


@pytest.mark.fault("B37")
def test_a_competitor_nobody_is_called_is_a_warning_and_the_others_land(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
):
    connection.execute("insert into ops.competitors (business_id, platform, handle) values (1, 'twitter', 'no_such')")
    results = extract("twitter", streams=["competitors"])
    assert {result.state for result in results} == {"complete"}
    (line,) = [line for result in results for line in result.warnings]
    assert "no_such" in line
    assert "not there" in line
    assert connection.execute("select count(*) from ops.quarantine").fetchone() == (0,)
    assert_equal_warehouses(environment, undisturbed("twitter", streams=["competitors"]), ["twitter__competitors"])
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator))


def test_an_organization_nobody_is_called_is_a_warning_and_the_others_land(extract: Extract, connection: Connection):
    connection.execute("insert into ops.competitors (business_id, platform, handle) values (1, 'linkedin', 'a-nobody')")
    results = extract("linkedin", streams=["competitors"])
    assert {result.state for result in results} == {"complete"}
    (line,) = [line for result in results for line in result.warnings]
    assert line.startswith("a-nobody: ")
    sizes = connection.execute("select payload ->> 'firstDegreeSize' from raw.linkedin__competitors").fetchall()
    assert len(sizes) == 2


def test_without_competitors_nobody_is_looked_up(extract: Extract, connection: Connection, simulator: Simulator):
    connection.execute("delete from ops.competitors")
    extract("linkedin", "twitter", streams=["competitors"])
    assert simulator.calls == []
