"""Stories, comments and competitors on Meta: all of them, once, and nothing of who wrote below a post."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from expectations.gate import validate_pending
from extractors.accounts import load
from extractors.errors import ObjectGone, PermissionLost, Transient
from extractors.extract import RunResult
from extractors.platforms import facebook_comments, instagram_comments, instagram_stories, meta
from extractors.registry import PLATFORMS
from extractors.settings import Settings
from extractors.shape import withheld
from extractors.spec import Account, Record, Scope, Unread
from simulator import graph, meta_plan, remarks, rivals, stories
from simulator.model import Post
from simulator.server import Simulator
from simulator.world import World
from tests.aftermath import assert_equal_warehouses, assert_ledger_explains, assert_no_secret, tokens
from tests.extractors.conftest import ANCHOR, Extract
from tests.extractors.test_extract import pass_all

Connection = psycopg.Connection[Any]
Rows = dict[str, dict[str, Any]]
PAGES = ("facebook", "instagram")
ACCOUNT = Account(business_id=1, platform="instagram", account_id="17841400", credential="none", timezone="UTC")


def newest(connection: Connection, stream: str) -> Rows:
    """The last version of every record of a stream, by key."""
    found = connection.execute(
        f"select distinct on (record_key) record_key, payload from raw.{stream} order by record_key, observed_at desc"
    )
    return dict(found.fetchall())


def own_posts(world: World, platform: str) -> list[Post]:
    return [post for account in world.accounts if account.platform == platform for post in world.posts[account.key]]


def comment_rows(found: Rows) -> Rows:
    """Comments as the oracle tells them."""
    return {
        key: {
            "post_id": payload["post_id"],
            "parent_comment_id": payload.get("parent_id"),
            "created_at": datetime.fromisoformat(payload.get("created_time") or payload["timestamp"]),
            "text": payload.get("message", payload.get("text")),
            "likes": payload["like_count"],
            "is_hidden": payload.get("is_hidden", payload.get("hidden")),
            "is_owner": payload["is_owner"],
        }
        for key, payload in found.items()
    }


def told_comments(world: World, platform: str, at: datetime) -> Rows:
    owner = ("business_id", "account_id")
    expected = remarks.expected_comments(own_posts(world, platform), at)
    return {key: {name: row[name] for name in row if name not in owner} for key, row in expected.items()}


def insight(payload: dict[str, Any], name: str) -> Any:
    found = [one for one in payload.get("insights", {}).get("data", []) if one["name"] == name]
    return found[0]["values"][0]["value"] if found else None


def by_kind(payload: dict[str, Any]) -> dict[str, int]:
    (found,) = [one for one in payload["insights"]["data"] if one["name"] == "navigation"]
    results = found["total_value"]["breakdowns"][0]["results"]
    return {result["dimension_values"][0]: result["value"] for result in results}


def assert_stories_equal_the_world(found: Rows, world: World, observed: list[datetime]) -> None:
    expected = stories.expected_stories(world.accounts, world.seed, world.anchor, observed)
    assert set(found) == set(expected)
    for key, row in expected.items():
        payload = found[key]
        assert datetime.fromisoformat(payload["timestamp"]) == row["published_at"]
        for name in ("views", "reach", "replies", "shares", "total_interactions", "follows", "link_clicks"):
            assert insight(payload, name) == row[name], (key, name)
        if row["views"] is None:
            assert "insights" not in payload
        else:
            assert by_kind(payload) == {way: row[way] for way in stories.NAVIGATION}


def run_of(results: list[RunResult], stream: str) -> list[RunResult]:
    return [result for result in results if result.stream == stream]


def test_stories_land_with_their_navigation_and_keep_the_last_numbers_when_they_are_over(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    observed = [ANCHOR, ANCHOR + timedelta(hours=6), ANCHOR + timedelta(hours=30)]
    for at in observed:
        simulator.clock.set(at)
        results = extract("instagram", now=at, streams=["stories"])
        assert {result.state for result in results} == {"complete"}, [str(r.error) for r in results if r.error]
        assert sum(result.quarantined for result in results) == 0
        pass_all(connection)
    found = newest(connection, "instagram__stories")
    assert_stories_equal_the_world(found, world, observed)
    assert [key for key, payload in found.items() if "insights" not in payload], "no story had too few viewers"
    versions = connection.execute("select count(*) from raw.instagram__stories").fetchone()[0]
    assert versions > len(found)


def test_more_stories_than_a_batch_or_a_page_holds_are_all_read(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    graph.policy(simulator.vault).largest_page = 10
    results = extract("instagram", streams=["stories"])
    assert {result.state for result in results} == {"complete"}
    assert_stories_equal_the_world(newest(connection, "instagram__stories"), world, [ANCHOR])


@pytest.mark.fault("B22")
@pytest.mark.parametrize("metric", ["views", "navigation"])
def test_a_retired_story_metric_costs_itself_alone(
    metric: str, extract: Extract, connection: Connection, simulator: Simulator, environment: dict[str, str]
):
    graph.policy(simulator.vault).retired.add(metric)
    results = extract("instagram", streams=["stories"])
    assert {result.state for result in results} == {"complete"}, [str(r.error) for r in results if r.error]
    payloads = [payload for payload in newest(connection, "instagram__stories").values() if "insights" in payload]
    names = [{one["name"] for one in payload["insights"]["data"]} for payload in payloads]
    assert names
    assert all(each == set(instagram_stories.STORY) - {metric} for each in names)
    verdicts = connection.execute("select metric, state from ops.metric_capabilities").fetchall()
    assert verdicts == [(metric, "rejected")]
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B23")
def test_a_metric_that_one_story_lacks_is_missing_there_alone(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    alive = {
        key: row
        for key, row in stories.expected_stories(world.accounts, world.seed, world.anchor, [ANCHOR]).items()
        if row["views"] is not None
    }
    poor = next(
        key for key, row in alive.items() if sum(o["account_id"] == row["account_id"] for o in alive.values()) > 1
    )
    graph.policy(simulator.vault).media_without[poor] = {"link_clicks"}
    results = extract("instagram", streams=["stories"])
    assert {result.state for result in results} == {"complete"}
    found = newest(connection, "instagram__stories")
    for key, row in alive.items():
        assert insight(found[key], "views") == row["views"]
        assert insight(found[key], "link_clicks") == (None if key == poor else row["link_clicks"])
    assert connection.execute("select count(*) from ops.quarantine").fetchone() == (0,)


@pytest.mark.parametrize("page", [None, 7])
def test_comments_equal_the_world_at_once_and_after_three_days(
    page: int | None, extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    graph.policy(simulator.vault).largest_page = page
    later = ANCHOR + timedelta(days=3)
    for at in (ANCHOR, later):
        simulator.clock.set(at)
        extract(*PAGES, now=at, streams=["posts", "comments"])
        pass_all(connection)
        for platform in PAGES:
            found = comment_rows(newest(connection, f"{platform}__comments"))
            assert found == told_comments(world, platform, at)
            assert {row["is_owner"] for row in found.values()} == {True, False}


def test_only_posts_whose_comments_moved_are_asked_again_and_their_calls_are_the_fewest(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    later = ANCHOR + timedelta(days=3)
    for at, before in ((ANCHOR, None), (ANCHOR, ANCHOR), (later, ANCHOR)):
        simulator.clock.set(at)
        extract(*PAGES, now=at, streams=["posts"])
        simulator.clear_calls()
        extract(*PAGES, now=at, streams=["comments"])
        made = Counter(call.platform for call in simulator.calls if call.method == "POST")
        for platform in PAGES:
            accounts = [account for account in world.accounts if account.platform == platform]
            lists = [meta_plan.threads(world.posts[one.key], at, before) for one in accounts]
            assert made[platform] == sum(meta_plan.batches(each, meta_plan.META_BATCH) for each in lists)
        pass_all(connection)


def test_nobody_who_wrote_below_a_post_is_kept_anywhere(
    extract: Extract,
    connection: Connection,
    simulator: Simulator,
    environment: dict[str, str],
    world: World,
    capfd: pytest.CaptureFixture[str],
):
    simulator.faults.add("truncated_json", platform="facebook", path_contains="/v26.0/?", after=1)
    results = extract(*PAGES, streams=["posts", "comments"])
    posts = own_posts(world, "facebook") + own_posts(world, "instagram")
    names = sorted(remarks.canaries(posts, ANCHOR))
    assert len(names) > 2_000
    output = capfd.readouterr()
    said = " ".join([str(result.error) for result in results] + [line for r in results for line in r.warnings])
    assert_no_secret(environment, names[:: len(names) // 400], said, *output)
    for platform in PAGES:
        everything = connection.execute(
            f"select string_agg(payload::text, ' ') from raw.{platform}__comments"
        ).fetchone()[0]
        assert not [name for name in names if name in everything]
        stored = newest(connection, f"{platform}__comments").values()
        assert not {"from", "username", "user", "message_tags"} & {name for payload in stored for name in payload}


@pytest.mark.parametrize(
    "part",
    [
        {"id": "1", "username": "acme", "comments": {"data": [{"id": 5, "username": "jo.example", "text": "hello"}]}},
        {"id": "1", "comments": {"data": "jo.example"}},
        ["jo.example"],
    ],
)
def test_an_unreadable_list_of_comments_is_kept_without_a_word_of_it(part: Any):
    scope = Scope(account=ACCOUNT, now=ANCHOR, ids=("1", "2"))
    well = {"code": 200, "body": json.dumps({"id": "2", "username": "acme"})}
    (read,) = instagram_comments.STREAM.reads
    (unread,) = read.records(scope, [{"code": 200, "body": json.dumps(part)}, well])
    assert isinstance(unread, Unread)
    assert unread.key == "1"
    assert b"jo.example" not in unread.body
    assert b"hello" not in unread.body


def test_what_is_withheld_shows_its_shape_and_nothing_else():
    kept = withheld(b'{"data": [{"id": "17", "username": "jo.example", "like_count": 3}], "data2": NaN}')
    assert b"jo.example" not in kept
    assert json.loads(kept)["withheld, for it names members"]["data"] == [
        {"id": "a text of 2 characters", "username": "a text of 10 characters", "like_count": "a int"}
    ]
    assert json.loads(withheld(b'{"username": "jo'))["withheld, for it names members"] == "16 bytes that are no JSON"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Amazing 😍 @acmedata", "Amazing 😍 @acmedata"),
        ("@jo.example. Thank you, @AcmeData!", "@member. Thank you, @AcmeData!"),
        ("hello@example.com", "hello@example.com"),
        ("(@a_b.c,@x)", "(@member,@member)"),
        ("@ nobody @", "@ nobody @"),
    ],
)
def test_handles_of_members_leave_the_text_and_the_account_s_own_stays(text: str, kept: str):
    body = {"username": "acmedata", "comments": {"data": [{"id": "5", "username": "jo.example", "text": text}]}}
    ((record,), _) = instagram_comments.take(Scope(account=ACCOUNT, now=ANCHOR), "1", "", body)
    assert record.payload["text"] == kept


def test_tagged_names_leave_a_facebook_comment_in_both_forms_of_tags():
    scope = Scope(account=ACCOUNT, now=ANCHOR)
    own, jo, both = {"id": "17841400", "name": "Acme"}, {"id": "1", "name": "Jo"}, {"id": "2", "name": "Jo Example"}
    for tags in ([own, jo, both], {"0": [jo], "9": [both], "19": [own]}):
        item = {"id": "9_1", "message": "Jo and Jo Example, ask Acme", "message_tags": tags, "from": own}
        ((record,), _) = facebook_comments.take(scope, "1_9", "", {"data": [item]})
        assert record.payload["message"] == "@member and @member, ask Acme"
        assert record.payload["is_owner"] is True


@pytest.mark.fault("B37")
def test_a_part_that_timed_out_is_asked_again_in_the_same_run(
    extract: Extract,
    connection: Connection,
    simulator: Simulator,
    environment: dict[str, str],
    undisturbed: Callable[..., dict[str, str]],
):
    simulator.faults.add("partial_errors", platform="facebook", path_contains="/v26.0/?", times=1)
    results = extract("facebook", streams=["posts", "comments"])
    assert sum(result.quarantined for result in results) == 0
    assert_equal_warehouses(environment, undisturbed("facebook", streams=["posts", "comments"]), ["facebook__comments"])
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B37")
def test_a_part_that_times_out_twice_is_kept_and_the_others_land(
    extract: Extract, connection: Connection, simulator: Simulator, environment: dict[str, str], world: World
):
    simulator.faults.add("partial_errors", platform="facebook", path_contains="/v26.0/?", times=2)
    results = extract("facebook", streams=["posts", "comments"])
    assert {result.state for result in results} == {"complete"}
    ((key, reason, count),) = connection.execute(
        "select record_key, reason, count(*) over () from ops.quarantine"
    ).fetchall()
    assert (reason, count) == (Transient.__name__, 1)
    found = comment_rows(newest(connection, "facebook__comments"))
    told = told_comments(world, "facebook", ANCHOR)
    assert found == {each: row for each, row in told.items() if row["post_id"] != key}
    assert len(found) < len(told)
    assert_ledger_explains(environment)
    assert_no_secret(environment, tokens(simulator))


@pytest.mark.fault("B08")
def test_a_deleted_post_is_one_unread_item_and_the_others_land():
    gone = {"error": {"message": "Unsupported get request. Object with ID '2' does not exist", "code": 100}}
    gone["error"] |= {"error_subcode": 33, "type": "GraphMethodException"}
    body = [
        {"code": 200, "body": json.dumps({"data": [{"id": "1_1", "message": "still here"}]})},
        {"code": 400, "body": json.dumps(gone)},
    ]
    (read,) = facebook_comments.STREAM.reads
    record, unread = read.records(Scope(account=ACCOUNT, now=ANCHOR, ids=("1", "2")), body)
    assert isinstance(record, Record)
    assert isinstance(unread, Unread)
    assert (unread.key, type(unread.error)) == ("2", ObjectGone)


@pytest.mark.fault("B05")
def test_comments_that_may_not_be_read_at_all_end_that_stream_alone():
    refused = graph.missing_permission().answer
    body = [{"code": 400, "body": json.dumps(refused.body)}] * 2
    (read,) = facebook_comments.STREAM.reads
    with pytest.raises(PermissionLost):
        read.records(Scope(account=ACCOUNT, now=ANCHOR, ids=("1", "2")), body)


@pytest.mark.fault("D01")
def test_a_run_that_dies_between_calls_goes_on_where_it_was(
    extract: Extract,
    connection: Connection,
    simulator: Simulator,
    environment: dict[str, str],
    undisturbed: Callable[..., dict[str, str]],
):
    graph.policy(simulator.vault).largest_page = 7
    extract("instagram", streams=["posts"])
    pass_all(connection)
    simulator.clear_calls()
    simulator.faults.add("rate_limited", platform="instagram", path_contains="/v26.0/?", after=3, minutes=60)
    broken = extract("instagram", streams=["comments"])
    assert [result.state for result in broken].count("failed") == 1
    before = len(simulator.calls)
    connection.execute("update ops.rate_budgets set blocked_until = null, window_used = 0")
    resumed = extract("instagram", streams=["comments"])
    assert {result.state for result in resumed} == {"complete"}
    assert connection.execute("select count(distinct run_id) from raw.instagram__comments").fetchone()[0] <= 3
    assert before > 3
    calm = undisturbed("instagram", streams=["posts", "comments"])
    assert_equal_warehouses(environment, calm, ["instagram__comments"])
    assert_no_secret(environment, tokens(simulator))


def test_competitors_equal_the_world_and_are_read_once_a_business(
    extract: Extract, connection: Connection, simulator: Simulator, world: World
):
    observed = [ANCHOR, ANCHOR + timedelta(days=3)]
    for at in observed:
        simulator.clock.set(at)
        simulator.clear_calls()
        extract(*PAGES, now=at, streams=["competitors"])
        asked = [call for call in simulator.calls if call.query != {"fields": "access_token"}]
        assert len(asked) == len([one for one in world.rivals if one[0] in PAGES])
        pass_all(connection)
    for platform in PAGES:
        found = newest(connection, f"{platform}__competitors")
        expected = rivals.expected_competitors(world.rivals, world.accounts, platform, observed)
        assert set(found) == {key for _, key in expected}
        for (_, key), row in expected.items():
            payload = found[key]
            if ":profile:" in key:
                assert payload["followers_count"] == row["followers_count"]
                continue
            assert payload["id"] == row["post_id"]
            likes, comments = payload.get("like_count"), payload.get("comments_count")
            if platform == "facebook":
                likes, comments = (payload[name]["summary"]["total_count"] for name in ("reactions", "comments"))
            assert (likes, comments) == (row["likes"], row["comments"])


def test_a_competitor_that_is_private_is_a_warning_and_the_others_are_read(
    extract: Extract, connection: Connection, environment: dict[str, str]
):
    connection.execute("insert into ops.competitors values (1, 'instagram', 'aaa.private')")
    results = run_of(extract("instagram", streams=["competitors"]), "instagram__competitors")
    assert {result.state for result in results} == {"complete"}
    (line,) = [line for result in results for line in result.warnings]
    assert line.startswith("aaa.private: ")
    assert "Invalid user id" in line
    keys = newest(connection, "instagram__competitors")
    assert {key.split(":")[0] for key in keys} == {"ostsee.werke", "elbe.labs", "brooklyn.brew"}
    assert_ledger_explains(environment)


@pytest.mark.fault("B05")
def test_pages_of_others_without_the_feature_end_that_stream_alone(
    extract: Extract, environment: dict[str, str], simulator: Simulator
):
    graph.policy(simulator.vault).without_public_content = True
    results = extract("facebook")
    failed = [result for result in results if result.error]
    assert [(result.stream, type(result.error)) for result in failed] == [("facebook__competitors", PermissionLost)]
    assert "Page Public Content Access" in str(failed[0].error)
    assert_ledger_explains(environment, failed={"facebook__competitors": "PermissionLost"})
    assert_no_secret(environment, tokens(simulator))


def test_of_two_accounts_of_a_business_one_reads_the_competitors(
    warehouse: dict[str, str], simulator: Simulator, world: World, tmp_path: Path, extract: Extract
):
    first, second, *_ = (one for one in world.accounts if one.platform == "instagram")
    accounts = [
        f'{{platform: instagram, account_id: "{one.account_id}", credential: {one.credential}}}'
        for one in (first, second)
    ]
    lines = "\n".join(f"      - {line}" for line in accounts)
    path = tmp_path / "two.yml"
    path.write_text(
        f"businesses:\n  - business_id: 9\n    name: Two\n    timezone: UTC\n    accounts:\n{lines}\n"
        "    competitors:\n      - {platform: instagram, handle: elbe.labs}\n"
    )
    load(Settings.from_environment(warehouse), path)
    results = [result for result in extract("instagram", streams=["competitors"]) if result.business_id == 9]
    assert [(result.account_id, result.calls > 0) for result in results] == [
        (first.account_id, True),
        (second.account_id, False),
    ]


def test_every_new_stream_passes_the_gate(extract: Extract, environment: dict[str, str]):
    extract(*PAGES)
    settings = Settings.from_environment({**environment, "PIPELINE_NOW": ANCHOR.isoformat()})
    judged = validate_pending(settings)
    assert [line for result in judged for line in result.lines()] == []
    names = {stream.full_name for name in PAGES for stream in PLATFORMS[name].streams}
    assert {result.stream for result in judged} == names


def test_too_few_viewers_is_a_condition_and_every_other_code_ten_a_permission():
    scope = Scope(
        account=ACCOUNT, now=datetime(2026, 11, 21, tzinfo=UTC), metrics=("views",), places={"7": '{"id": "7"}'}
    )
    few = graph.error(10, "(#10) Not enough viewers for the media to show insights").answer.body
    lost = graph.missing_permission().answer.body
    (read,) = instagram_stories.STREAM.reads
    assert read.records(scope, [{"code": 400, "body": json.dumps(few)}]) == [Record("7", {"id": "7"})]
    with pytest.raises(PermissionLost):
        read.records(scope, [{"code": 400, "body": json.dumps(lost)}])
    assert meta.VERSION in read.path(scope)
