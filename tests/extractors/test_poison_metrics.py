"""One dead metric fails a whole call: everything else lands in the same run, and later runs do not ask for it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import psycopg
import pytest

from extractors.capabilities import MetricRejected, TooMuchData, Unmeasured
from extractors.errors import ContractBroken, ObjectGone, PermissionLost
from extractors.extract import RunResult
from extractors.platforms import facebook, instagram, meta
from extractors.spec import Account, Answer
from simulator import graph
from simulator.server import Simulator
from simulator.truth import METRICS
from simulator.world import World
from tests.extractors.conftest import ANCHOR, Extract
from tests.simulator.reading import facebook_row, instagram_row, values

Connection = psycopg.Connection[Any]
Posts = dict[tuple[str, str], dict[str, Any]]

#: The canonical metrics that a post loses with one of Facebook's.
LOST = {
    "post_media_view": {"impressions", "views"},
    "post_total_media_view_unique": {"reach"},
    "post_clicks": {"clicks"},
    "post_reactions_by_type_total": set(),
    "post_video_views": {"video_views"},
    "post_video_view_time": {"watch_time_seconds"},
}
#: Failed page and probes: halves of three, then one and one of the other two.
COST = dict(zip(facebook.POST_METRICS, (3, 4, 4, 3, 4, 4), strict=True))
WEEK = timedelta(days=7)


@pytest.fixture
def policy(simulator: Simulator) -> graph.Policy:
    """What Meta takes, to be changed."""
    return graph.policy(simulator.vault)


def expected(world: World, platform: str, without: set[str]) -> Posts:
    kept = [name for name in METRICS if name not in without]
    rows = [one for one in world.expected_posts([ANCHOR]) if one["platform"] == platform]
    return {(one["account_id"], one["post_id"]): {name: one[name] for name in kept} for one in rows}


def landed(connection: Connection, world: World, platform: str, without: set[str]) -> Posts:
    """The newest version of every organic post, with the metrics in it, as the simulator's own reader takes them."""
    kept = [name for name in METRICS if name not in without]
    accounts = {one.account_id: one for one in world.accounts if one.platform == platform}
    newest = connection.execute(
        f"select distinct on (account_id, record_key) account_id, payload from raw.{platform}__posts "
        "order by account_id, record_key, observed_at desc"
    ).fetchall()
    watched = {
        key: values(payload).get("ig_reels_video_view_total_time")
        for key, payload in connection.execute("select record_key, payload from raw.instagram__post_metrics")
    }
    found: Posts = {}
    for account_id, payload in newest:
        if platform == "facebook":
            row = facebook_row(accounts[account_id], {"insights": {"data": []}, **payload})
        elif payload["media_product_type"] == "AD":
            continue
        else:
            row = instagram_row(accounts[account_id], payload, watched.get(payload["id"]))
        found[account_id, payload["id"]] = {name: row.get(name) for name in kept}
    return found


def verdicts(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select account_id, stream, read, metric, api_version, state from ops.metric_capabilities order by metric"
    ).fetchall()


def warnings(results: list[RunResult]) -> list[str]:
    return [line for result in results for line in result.warnings]


def assert_complete(results: list[RunResult], simulator: Simulator) -> None:
    assert {result.state for result in results} == {"complete"}, [str(r.error) for r in results if r.error]
    assert sum(result.calls for result in results) == len(simulator.calls)


def minimum(world: World, platform: str, at: datetime = ANCHOR) -> int:
    return world.minimum_calls(at, first_run=True)[platform]


@pytest.mark.parametrize("metric", facebook.POST_METRICS)
def test_a_retired_post_metric_costs_itself_alone(
    metric: str, extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.retired.add(metric)
    results = extract("facebook")
    assert_complete(results, simulator)
    assert landed(connection, world, "facebook", LOST[metric]) == expected(world, "facebook", LOST[metric])
    assert verdicts(connection) == [(None, "facebook__posts", "published_posts", metric, "v26.0", "rejected")]
    (line,) = warnings(results)
    assert line.startswith(f"{metric}: rejected in published_posts, left out for every account until 2026-11-28")
    assert len(simulator.calls) == minimum(world, "facebook") + COST[metric]

    simulator.clear_calls()
    again = extract("facebook")
    assert_complete(again, simulator)
    assert len(simulator.calls) == minimum(world, "facebook")
    assert not warnings(again)
    assert not [call for call in simulator.calls if metric in str(call.query)]


def test_two_metrics_retired_at_once_are_both_found(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.retired |= {"post_clicks", "post_video_view_time"}
    results = extract("facebook")
    assert_complete(results, simulator)
    without = LOST["post_clicks"] | LOST["post_video_view_time"]
    assert landed(connection, world, "facebook", without) == expected(world, "facebook", without)
    assert [row[3] for row in verdicts(connection)] == ["post_clicks", "post_video_view_time"]
    assert len(warnings(results)) == 2
    # The second search starts from what the first one saw working.
    assert len(simulator.calls) == minimum(world, "facebook") + 4 + 3


def test_when_every_metric_is_retired_the_posts_land_without(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.retired |= set(facebook.POST_METRICS)
    results = extract("facebook")
    assert_complete(results, simulator)
    without = set().union(*LOST.values())
    assert landed(connection, world, "facebook", without) == expected(world, "facebook", without)
    assert len(verdicts(connection)) == len(facebook.POST_METRICS)


def test_a_retired_page_metric_is_searched_once_for_all_windows(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.retired.add("page_views_total")
    results = extract("facebook")
    assert_complete(results, simulator)
    assert verdicts(connection) == [
        (None, "facebook__account_daily", "page_insights", "page_views_total", "v26.0", "rejected")
    ]
    assert len(warnings(results)) == 1
    assert len(simulator.calls) == minimum(world, "facebook") + 4
    days = connection.execute(
        "select split_part(record_key, ':', 2), count(*) from raw.facebook__account_daily group by 1"
    ).fetchall()
    assert {name for name, _ in days} == set(facebook.PAGE_METRICS) - {"page_views_total"}
    assert len({count for _, count in days}) == 1, "every other metric has every day"


def test_a_retired_reels_metric_leaves_the_other_for_every_reel(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.retired.add("ig_reels_avg_watch_time")
    results = extract("instagram")
    assert_complete(results, simulator)
    assert landed(connection, world, "instagram", set()) == expected(world, "instagram", set())
    assert verdicts(connection) == [
        (None, "instagram__post_metrics", "reels", "ig_reels_avg_watch_time", "v26.0", "rejected")
    ]
    assert len(warnings(results)) == 1
    assert not connection.execute("select 1 from ops.quarantine").fetchall()
    assert len(simulator.calls) == minimum(world, "instagram") + 1, "the message names the metric: no search"


def test_a_refusal_that_names_nothing_is_searched_for_each_account(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.is_terse = True
    policy.retired.add("ig_reels_avg_watch_time")
    results = extract("instagram")
    assert_complete(results, simulator)
    assert landed(connection, world, "instagram", set()) == expected(world, "instagram", set())
    found = verdicts(connection)
    assert {row[3] for row in found} == {"ig_reels_avg_watch_time"}
    assert None not in {row[0] for row in found}
    assert len(simulator.calls) == minimum(world, "instagram") + 2 * len(found)


def test_one_reel_without_a_metric_keeps_its_other_one(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    reels: dict[str, list[str]] = defaultdict(list)
    for post in chain.from_iterable(world.posts.values()):
        if post.payload.get("media_product_type") == "REELS" and post.created_at <= ANCHOR:
            reels[post.account.account_id].append(post.post_id)
    most = max(reels.values(), key=len)
    assert len(most) > 1
    policy.media_without[most[0]] = {"ig_reels_avg_watch_time"}
    results = extract("instagram")
    assert_complete(results, simulator)
    assert landed(connection, world, "instagram", set()) == expected(world, "instagram", set())
    lone = connection.execute(
        "select jsonb_path_query_array(payload, '$.data[*].name') from raw.instagram__post_metrics "
        "where record_key = %s",
        (most[0],),
    ).fetchone()
    assert lone == (["ig_reels_video_view_total_time"],)
    assert not verdicts(connection), "a metric that works for other reels is not dead"
    assert len(warnings(results)) == 1
    assert not connection.execute("select 1 from ops.quarantine").fetchall()
    assert len(simulator.calls) == minimum(world, "instagram") + 1


@pytest.mark.parametrize("place", [0, 7, -1], ids=["first", "amid", "last"])
def test_one_post_without_a_metric_goes_without_it_alone(
    place: int, extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    account = max(
        (one for one in world.accounts if one.platform == "instagram"), key=lambda one: len(world.listed(one, ANCHOR))
    )
    poor = [post.post_id for post in world.listed(account, ANCHOR) if post.kind == "own"][place]
    policy.media_without[poor] = {"saved"}
    results = extract("instagram")
    assert_complete(results, simulator)
    wanted = expected(world, "instagram", set())
    wanted[account.account_id, poor]["saves"] = None
    assert landed(connection, world, "instagram", set()) == wanted
    assert not verdicts(connection)
    assert warnings(results) == [f"saved: left out of {poor} alone, in media; it does not have it"]
    assert len(simulator.calls) <= minimum(world, "instagram") + 12


def test_a_metric_that_no_post_of_an_account_has_is_left_out_for_the_account(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    account, *others = (one for one in world.accounts if one.platform == "instagram")
    policy.media_without |= {post.post_id: {"saved"} for post in world.posts[account.key]}
    results = extract("instagram", streams=["posts"])
    assert_complete(results, simulator)
    assert [(row[0], row[3]) for row in verdicts(connection)] == [(account.account_id, "saved")]
    found = landed(connection, world, "instagram", {"watch_time_seconds"})
    assert found.keys() == expected(world, "instagram", set()).keys()
    assert {row["saves"] for key, row in found.items() if key[0] == account.account_id} == {None}
    assert None not in {row["saves"] for key, row in found.items() if key[0] in {one.account_id for one in others}}


def test_a_rejected_metric_is_tried_again_after_a_week(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.retired.add("post_clicks")
    extract("facebook")
    for days, extra, count in ((6, 0, 0), (7, 4, 1), (8, 0, 0)):
        now = ANCHOR + timedelta(days=days)
        simulator.clock.set(now)
        simulator.clear_calls()
        results = extract("facebook", now=now)
        assert_complete(results, simulator)
        assert len(simulator.calls) == minimum(world, "facebook", now) + extra, days
        assert len(warnings(results)) == count, days
    dates = "select first_rejected_at, last_rejected_at, retry_after from ops.metric_capabilities"
    assert connection.execute(dates).fetchall() == [(ANCHOR, ANCHOR + WEEK, ANCHOR + 2 * WEEK)]

    policy.retired.clear()
    now = ANCHOR + 2 * WEEK
    simulator.clock.set(now)
    simulator.clear_calls()
    results = extract("facebook", now=now)
    assert len(simulator.calls) == minimum(world, "facebook", now)
    assert not warnings(results)
    assert [row[-1] for row in verdicts(connection)] == ["restored"]


def test_a_metric_retired_between_two_pages_is_left_out_of_the_resumed_page(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    simulator.faults.add("token_expired", platform="facebook", path_contains="after=", times=1)
    broken = [result for result in extract("facebook", streams=["posts"]) if result.error]
    assert len(broken) == 1
    assert broken[0].listed > 0
    policy.retired.add("post_clicks")
    assert_all_posts_once(extract, connection, world, {"clicks"})
    assert [row[3] for row in verdicts(connection)] == ["post_clicks"]


def assert_all_posts_once(extract: Extract, connection: Connection, world: World, without: set[str]) -> None:
    results = extract("facebook", streams=["posts"])
    assert {result.state for result in results} == {"complete"}, [str(r.error) for r in results if r.error]
    assert landed(connection, world, "facebook", without) == expected(world, "facebook", without)


def limits(simulator: Simulator) -> list[int]:
    lists = [call for call in simulator.calls if call.path.endswith("/published_posts")]
    return [int(call.query["limit"]) for call in lists]


def test_a_list_that_is_too_heavy_is_read_in_smaller_pages(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.heaviest = 40
    results = extract("facebook", streams=["posts"])
    assert_complete(results, simulator)
    assert landed(connection, world, "facebook", set()) == expected(world, "facebook", set())
    assert sum(result.stored for result in results) == sum(result.listed for result in results)
    asked = limits(simulator)
    assert asked[:3] == [25, 12, 6]
    assert set(asked) == {25, 12, 6}
    assert asked.count(25) == asked.count(12) == len(results), "found once per list, not once per page"

    policy.heaviest = graph.HEAVIEST
    simulator.clear_calls()
    extract("facebook", streams=["posts"])
    assert set(limits(simulator)) == {25}, "nothing is remembered"


def test_halving_in_the_middle_of_a_list_loses_and_doubles_nothing(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    simulator.faults.add("token_expired", platform="facebook", path_contains="after=", times=1)
    assert [result for result in extract("facebook", streams=["posts"]) if result.error]
    policy.heaviest = 40
    simulator.clear_calls()
    assert_all_posts_once(extract, connection, world, set())
    assert {25, 12, 6} <= set(limits(simulator))
    doubled = connection.execute(
        "select count(*) - count(distinct (account_id, record_key)) from raw.facebook__posts"
    ).fetchone()
    assert doubled == (0,)


def test_a_single_object_that_is_too_heavy_fails_the_run_by_name(
    extract: Extract, simulator: Simulator, policy: graph.Policy
):
    policy.heaviest = 5
    results = extract("facebook", streams=["posts"])
    assert {type(result.error) for result in results} == {TooMuchData}
    assert limits(simulator)[:5] == [25, 12, 6, 3, 1]


def withhold_insights(simulator: Simulator) -> None:
    simulator.faults.add("empty_data", platform="facebook", path_contains="metric=page_follows,page_daily", times=999)


def test_insights_that_are_empty_for_the_whole_window_are_a_missing_permission(
    extract: Extract, connection: Connection, simulator: Simulator
):
    withhold_insights(simulator)
    # The second time, the first run is resumed: it must not end as complete.
    for _ in range(2):
        results = extract("facebook")
        failed = [result for result in results if result.error]
        assert {result.stream for result in failed} == {"facebook__account_daily"}
        assert {type(result.error) for result in failed} == {PermissionLost}
        assert "grant read_insights" in str(failed[0].error)
        assert {r.state for r in results if r.stream != "facebook__account_daily"} == {"complete"}
    assert sum(result.calls for result in failed) > 0

    simulator.faults.clear()
    assert {result.state for result in extract("facebook")} == {"complete"}
    assert connection.execute("select count(*) > 0 from raw.facebook__account_daily").fetchone() == (True,)


def test_a_small_page_without_insights_is_no_failure(extract: Extract, connection: Connection, simulator: Simulator):
    extract("facebook", streams=["profile"])
    connection.execute("update raw.facebook__profile set payload = jsonb_set(payload, '{followers_count}', '40')")
    withhold_insights(simulator)
    results = extract("facebook", streams=["account_daily"])
    assert {result.state for result in results} == {"complete"}
    assert {result.listed for result in results} == {0}


def test_a_window_that_ends_in_the_past_may_be_empty(extract: Extract, simulator: Simulator):
    extract("facebook", streams=["profile"])
    withhold_insights(simulator)
    days = (ANCHOR - timedelta(days=60)).date(), (ANCHOR - timedelta(days=40)).date()
    results = extract("facebook", streams=["account_daily"], since=days[0], until=days[1])
    assert {result.state for result in results} == {"complete"}


def test_a_refusal_that_no_metric_explains_is_raised_and_not_remembered(
    extract: Extract, connection: Connection, simulator: Simulator, policy: graph.Policy
):
    policy.is_terse = True
    policy.retired |= set(instagram.REELS_METRICS)
    results = extract("instagram", streams=["posts", "post_metrics"])
    failed = [result for result in results if result.error]
    assert failed
    assert {type(result.error) for result in failed} == {MetricRejected}
    assert "unknown error" in str(failed[0].error)
    assert not verdicts(connection)


def test_a_hiccup_that_looks_like_a_refusal_condemns_no_metric(
    extract: Extract, connection: Connection, simulator: Simulator, world: World, policy: graph.Policy
):
    policy.hiccups = 1
    results = extract("instagram")
    assert_complete(results, simulator)
    assert landed(connection, world, "instagram", set()) == expected(world, "instagram", set())
    assert not verdicts(connection)
    assert not warnings(results)
    assert len(simulator.calls) == minimum(world, "instagram") + 5


@pytest.mark.parametrize(
    ("message", "subcode", "kind"),
    [
        ("(#100) The value must be a valid insights metric", None, MetricRejected),
        ("(#100) An unknown error has occurred.", None, MetricRejected),
        ("Invalid parameter", None, MetricRejected),
        ("Invalid parameter", 2108006, Unmeasured),
        ("(#100) There cannot be more than 30 days (2592000 s) between since and until", None, ContractBroken),
        ("(#100) Param limit must be a number between 1 and 100", None, ContractBroken),
        ("(#100) Tried accessing nonexisting field (insights) on node type (Video)", None, ContractBroken),
        ("Unsupported get request. Object with ID '1' does not exist", 33, ObjectGone),
    ],
)
def test_only_words_about_metrics_start_a_search(message: str, subcode: int | None, kind: type[Exception]):
    account = Account(business_id=1, platform="facebook", account_id="1", credential="c", timezone="UTC")
    body = {"error": {"code": 100, "message": message, "error_subcode": subcode}}
    assert type(meta.classify(Answer(status=400, headers={}, body=body, at=ANCHOR), account)) is kind


@pytest.mark.parametrize(
    ("message", "culprits"),
    [
        ("(#100) The value must be a valid insights metric", []),
        ("(#100) metric[1] must be one of the following values: views, shares", ["saved"]),
        (
            "(#100) The Media Insights API does not support the views, shares metric for this media product type.",
            ["views", "shares"],
        ),
        (
            "(#100) Starting from version v22.0, the views metric is no longer supported for the queried media.",
            ["views"],
        ),
        ("(#100) Incompatible metrics (saved) with metric type (total_value)", ["saved"]),
    ],
)
def test_what_the_message_names_is_not_searched(message: str, culprits: list[str]):
    account = Account(business_id=1, platform="instagram", account_id="1", credential="c", timezone="UTC")
    body = {"error": {"code": 100, "message": message}}
    error = meta.classify(Answer(status=400, headers={}, body=body, at=ANCHOR), account)
    assert isinstance(error, MetricRejected)
    assert error.culprits(["views", "saved", "shares"]) == culprits
