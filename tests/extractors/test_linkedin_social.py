"""Reactions, videos and comments on LinkedIn: raw holds what the world has, asked for when a count moved, of nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from simulator import social_truth
from simulator.replies import replies
from simulator.server import Simulator
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

Connection = psycopg.Connection[Any]
SOCIAL = ("posts", "post_metrics", "post_reactions", "video_metrics", "comments")
LATER = ANCHOR + timedelta(days=3)


def last(connection: Connection, stream: str) -> dict[str, dict[str, Any]]:
    """The last version of every record."""
    rows = connection.execute(
        f"select distinct on (record_key) record_key, payload from raw.{stream} order by record_key, observed_at desc"
    )
    return dict(rows.fetchall())


def assert_raw_is_the_world(connection: Connection, world: World, observed: list[Any]) -> None:
    told = last(connection, "linkedin__post_reactions")
    assert {
        urn: {kind: one["count"] for kind, one in payload["reactionSummaries"].items()} for urn, payload in told.items()
    } == social_truth.expected_reactions(world.posts, observed)
    videos = last(connection, "linkedin__video_metrics")
    assert {(one["entity"], key.rsplit(":", 1)[1]): one["value"] for key, one in videos.items()} == (
        social_truth.expected_videos(world.posts, observed)
    )
    expected = social_truth.expected_comments("linkedin", world.posts, observed)
    assert expected
    assert {
        (key, one["post"], one["message"]["text"], "actor" in one, one["likesSummary"]["totalLikes"])
        for key, one in last(connection, "linkedin__comments").items()
    } == {(one["comment_id"], one["post_id"], one["text"], one["is_own"], one["likes"]) for one in expected}


def test_raw_equals_the_world_at_once_and_after_three_days(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    extract("linkedin", streams=SOCIAL)
    assert_raw_is_the_world(connection, world, [ANCHOR])
    pass_all(connection)
    simulator.clock.advance(timedelta(days=3))
    extract("linkedin", streams=SOCIAL, now=LATER)
    assert_raw_is_the_world(connection, world, [ANCHOR, LATER])


def test_after_three_days_only_posts_whose_count_moved_are_asked_for(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    extract("linkedin")
    pass_all(connection)
    simulator.clock.advance(timedelta(days=3))
    simulator.clear_calls()
    extract("linkedin", now=LATER)
    made = len(simulator.calls)
    assert made == world.minimum_calls(LATER, first_run=False, before=ANCHOR)["linkedin"]
    assert made > world.minimum_calls(LATER, first_run=False)["linkedin"], "the three days brought something"
    asked = {call.path for call in simulator.calls if "socialActions" in call.path}
    assert len(asked) == sum(
        social_truth.is_due(post, LATER, ANCHOR)
        for account, several in world.posts.items()
        if account[0] == "linkedin"
        for post in several
        if post.is_organic
    )


def test_days_asked_for_are_read_though_nothing_moved(extract: Extract, connection: Connection, simulator: Simulator):
    extract("linkedin", streams=SOCIAL)
    pass_all(connection)
    simulator.clear_calls()
    extract("linkedin", streams=["comments"])
    assert simulator.calls == []
    extract("linkedin", streams=["comments"], since=(ANCHOR - timedelta(days=7)).date())
    assert simulator.calls


def test_nobody_s_name_is_stored_not_even_of_an_answer_that_cannot_be_read(
    extract: Extract, environment: dict[str, str], connection: Connection, simulator: Simulator, world: World
):
    """`null_text` spoils the words alone, `empty_body` the whole answer: neither may keep who wrote it."""
    simulator.faults.add("null_text", platform="linkedin", path_contains="comments", times=1)
    simulator.faults.add("empty_body", platform="linkedin", path_contains="comments", times=1, after=2, body='{"a": 1')
    extract("linkedin", streams=SOCIAL)
    extract("linkedin", streams=SOCIAL)
    people = {
        name
        for account, several in world.posts.items()
        if account[0] == "linkedin"
        for post in several
        for one in replies(post, ANCHOR)
        for name in (f"urn:li:person:{one.person}", f"urn:li:person:{one.friend}", f"Example {one.friend}")
    }
    assert len(people) > 100
    assert_no_secret(environment, people)


def test_a_page_of_comments_in_another_shape_is_kept_without_its_values(
    extract: Extract, connection: Connection, simulator: Simulator
):
    simulator.faults.add("empty_body", platform="linkedin", path_contains="comments", times=1, body='{"Jo": ["Kim"]}')
    results = extract("linkedin", streams=SOCIAL)
    failed = [result for result in results if result.error]
    assert [result.stream for result in failed] == ["linkedin__comments"]
    (body,) = connection.execute("select convert_from(body, 'UTF8') from ops.quarantine").fetchone()
    assert "Kim" not in body
    assert "a text of 3 characters" in body


@pytest.mark.fault("B37")
def test_one_post_that_is_not_there_within_a_batch_is_a_warning_and_the_others_land(
    extract: Extract,
    environment: dict[str, str],
    connection: Connection,
    simulator: Simulator,
    undisturbed: Callable[..., dict[str, str]],
):
    simulator.faults.add("partial_errors", platform="linkedin", path_contains="socialMetadata", times=1)
    results = extract("linkedin", streams=SOCIAL)
    assert not [result.error for result in results if result.error]
    ((stream, line),) = [(result.stream, line) for result in results for line in result.warnings]
    assert stream == "linkedin__post_reactions"
    key = line[line.index("urn:li:") :]
    lost = connection.execute("select count(*) from raw.linkedin__post_reactions where record_key = %s", (key,))
    assert lost.fetchone() == (0,)
    # Asked for again by its day, the one is there too.
    extract("linkedin", streams=["post_reactions"], since=(ANCHOR - timedelta(days=300)).date())
    assert_equal_warehouses(
        environment, undisturbed("linkedin", streams=SOCIAL), [f"linkedin__{name}" for name in SOCIAL]
    )
    assert_ledger_explains(environment)
    assert_no_exposed_address(simulator)
    assert_no_secret(environment, tokens(simulator))


def test_a_post_deleted_in_the_middle_is_a_warning_and_the_others_are_read(
    extract: Extract, connection: Connection, simulator: Simulator
):
    simulator.faults.add("object_deleted_33", platform="linkedin", path_contains="socialActions", times=1)
    simulator.faults.add("object_deleted_33", platform="linkedin", path_contains="videoAnalytics", times=1)
    results = extract("linkedin", streams=SOCIAL)
    assert {result.state for result in results} == {"complete"}
    warned = {result.stream: result.warnings for result in results if result.warnings}
    assert set(warned) == {"linkedin__comments", "linkedin__video_metrics"}
    (line,) = warned["linkedin__comments"]
    assert "urn:li:" in line
    assert "not there" in line
