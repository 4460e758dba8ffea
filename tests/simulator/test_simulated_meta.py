"""Facebook and Instagram answer and refuse as documented."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.fields import BadSyntax, Field, parse, project
from simulator.limits import Limits
from simulator.model import Account
from simulator.server import Simulator
from simulator.world import World
from tests.simulator.conftest import ANCHOR, Ask
from tests.simulator.reading import MEDIA_FIELDS, PAGE_SERIES, POST_FIELDS, REEL_METRICS, TOTALS, Reader

V = "/v26.0"
BAD_METRIC = "(#100) The value must be a valid insights metric"


@pytest.fixture
def page(account_of: Callable[..., Account]) -> Account:
    return account_of("facebook")


@pytest.fixture
def page_token(world: World, page: Account) -> str:
    return world.credentials[page.credential].page_tokens[page.account_id]


@pytest.fixture
def ig(account_of: Callable[..., Account]) -> Account:
    return account_of("instagram")


@pytest.fixture
def ig_token(world: World, ig: Account) -> str:
    return world.credentials[ig.credential].token


def window(since: datetime, until: datetime) -> str:
    return f"since={int(since.timestamp())}&until={int(until.timestamp())}"


def error(answer: Any) -> dict[str, Any]:
    assert answer.status_code in (400, 500), answer.text
    return dict(answer.json()["error"])


def test_field_expansion_is_read_as_graph_reads_it() -> None:
    fields = parse("id,insights.metric(a,b).period(lifetime){name,values},children{id,media_type},x.limit(0)")

    assert [one.name for one in fields] == ["id", "insights", "children", "x"]
    assert fields[1].arguments == {"metric": ("a", "b"), "period": ("lifetime",)}
    assert [one.name for one in fields[1].inside] == ["name", "values"]
    assert fields[3].arguments == {"limit": ("0",)}
    for bad in ("id,", "a{b", "a(b)", "a.limit", "a}b", "a.limit(0", ""):
        with pytest.raises(BadSyntax):
            parse(bad)


def test_projection_keeps_ids_and_looks_into_data() -> None:
    value = {"data": [{"id": "1", "name": "a", "secret": 1}], "paging": {"next": "u"}}

    projected = project(value, (Field(name="name"),))
    assert projected == {"data": [{"id": "1", "name": "a"}], "paging": {"next": "u"}}


def test_tokens_have_the_documented_refusals(
    simulator: Simulator, ask: Ask, page: Account, world: World, ig: Account
) -> None:
    node = f"{V}/{page.account_id}?fields=name"
    system = world.credentials[page.credential].token

    assert error(ask("facebook", node))["code"] == 2500
    invented = ask("facebook", node, token="nobody")
    assert error(invented) == {
        "message": "Invalid OAuth access token - Cannot parse access token",
        "type": "OAuthException",
        "code": 190,
        "fbtrace_id": "AbC1dEfGhIjKlMnOpQrStUv",
    }
    assert invented.headers["WWW-Authenticate"].startswith('OAuth "Facebook Platform"')
    simulator.vault.set_state(page.credential, "expired")
    old = error(ask("facebook", node, token=system))
    assert (old["code"], old["error_subcode"]) == (190, 463)
    assert old["message"].startswith("Error validating access token: Session has expired on")
    simulator.vault.set_state(page.credential, "revoked")
    assert error(ask("instagram", f"{V}/{ig.account_id}", token=system))["error_subcode"] == 460


def test_a_page_gives_its_token_to_the_system_user_and_only_that_token_reads_posts_and_insights(
    ask: Ask, page: Account, page_token: str, world: World
) -> None:
    system = world.credentials[page.credential].token
    derived = ask("facebook", f"{V}/{page.account_id}?fields=access_token", token=system).json()

    assert derived == {"access_token": page_token, "id": page.account_id}
    for edge in ("published_posts?fields=id", f"insights?metric={PAGE_SERIES}&period=day"):
        refused = ask("facebook", f"{V}/{page.account_id}/{edge}", token=system)
        assert error(refused)["message"] == "(#190) This method must be called with a Page Access Token"
        assert error(refused)["code"] == 190
        assert ask("facebook", f"{V}/{page.account_id}/{edge}", token=page_token).ok


def test_a_page_token_gives_itself(ask: Ask, account_of: Callable[..., Account], world: World) -> None:
    page = account_of("facebook", 3)
    token = world.credentials[page.credential].token

    assert ask("facebook", f"{V}/{page.account_id}?fields=access_token", token=token).json()["access_token"] == token


def test_versions_to_come_are_unknown_and_old_ones_are_served(ask: Ask, page: Account, page_token: str) -> None:
    assert ask("facebook", f"/v19.0/{page.account_id}", token=page_token).ok
    unknown = ask("facebook", f"/v27.0/{page.account_id}", token=page_token)
    assert error(unknown)["message"] == f"Unknown path components: /{page.account_id}"


def test_objects_of_others_are_refused(ask: Ask, page_token: str, account_of: Callable[..., Account]) -> None:
    nowhere = error(ask("facebook", f"{V}/123_456", token=page_token))
    assert (nowhere["code"], nowhere["error_subcode"]) == (100, 33)
    assert nowhere["message"].startswith("Unsupported get request. Object with ID '123_456' does not exist")

    rival = error(ask("facebook", f"{V}/{account_of('facebook', 2).account_id}", token=page_token))
    assert (rival["code"], "pages_read_engagement" in rival["message"]) == (10, True)


def test_fields_are_told_only_when_asked_and_unknown_ones_fail_the_call(
    ask: Ask, page: Account, page_token: str
) -> None:
    posts = f"{V}/{page.account_id}/published_posts"

    body = ask("facebook", f"{posts}?fields=permalink_url,reactions.limit(0).summary(total_count)", token=page_token)
    assert all(set(one) == {"id", "permalink_url", "reactions"} for one in body.json()["data"])
    unknown = error(ask("facebook", f"{posts}?fields=id,likes_count", token=page_token))
    assert unknown["message"] == "(#100) Tried accessing nonexisting field (likes_count) on node type (Post)"
    assert error(ask("facebook", f"{posts}?fields=id,insights.metric(a", token=page_token))["code"] == 2500


@pytest.mark.parametrize(
    "name",
    ["post_impressions", "post_impressions_unique", "post_engaged_users", "post_video_views_unique", "post_typo"],
)
def test_one_dead_or_mistyped_metric_fails_the_whole_posts_call(
    ask: Ask, page: Account, page_token: str, name: str
) -> None:
    fields = f"id,insights.metric(post_clicks,{name}).period(lifetime){{name,values}}"

    answer = ask("facebook", f"{V}/{page.account_id}/published_posts?fields={fields}", token=page_token)
    assert error(answer)["message"] == BAD_METRIC


@pytest.mark.parametrize(
    "name", ["page_fans", "page_impressions", "page_impressions_unique", "page_engaged_users", "page_reach"]
)
def test_dead_page_metrics_fail_the_whole_call(ask: Ask, page: Account, page_token: str, name: str) -> None:
    path = f"{V}/{page.account_id}/insights?period=day&metric="

    assert error(ask("facebook", f"{path}page_follows,{name}", token=page_token))["message"] == BAD_METRIC
    assert error(ask("facebook", path, token=page_token))["code"] == 3001


def test_pages_follow_cursors_and_next_holds_the_token(ask: Ask, world: World, page: Account, page_token: str) -> None:
    seen: list[str] = []
    path = f"{V}/{page.account_id}/published_posts?fields=id,created_time&limit=7"
    after = ""
    while True:
        body = ask("facebook", path + after, token=page_token).json()
        seen += [one["id"] for one in body["data"]]
        if "next" not in body["paging"]:
            break
        assert f"access_token={page_token}" in body["paging"]["next"]
        cursor = body["paging"]["cursors"]["after"]
        assert f"after={cursor}" in body["paging"]["next"]
        after = f"&after={cursor}"

    assert seen == [post.post_id for post in world.listed(page, ANCHOR)]
    assert "previous" in body["paging"]
    assert error(ask("facebook", f"{path}&after=nonsense", token=page_token))["code"] == 100


def test_an_empty_list_has_no_paging_and_a_limit_over_100_is_refused(ask: Ask, page: Account, page_token: str) -> None:
    posts = f"{V}/{page.account_id}/published_posts?fields=id"

    assert ask("facebook", f"{posts}&until=2019-01-01", token=page_token).json() == {"data": []}
    assert error(ask("facebook", f"{posts}&limit=101", token=page_token))["code"] == 100


def test_too_many_posts_times_metrics_is_code_1_over_http_500(ask: Ask, page: Account, page_token: str) -> None:
    many = (
        "post_media_view,post_total_media_view_unique,post_clicks,post_clicks_by_type,post_video_views,"
        "post_video_view_time,post_reactions_by_type_total,post_activity_by_action_type,post_video_length,"
        "post_reactions_like_total,post_reactions_love_total"
    )
    answer = ask(
        "facebook",
        f"{V}/{page.account_id}/published_posts?fields=id,insights.metric({many})&limit=100",
        token=page_token,
    )

    assert answer.status_code == 500
    assert answer.json() == {
        "error": {
            "message": "Please reduce the amount of data you're asking for, then retry your request",
            "code": 1,
        }
    }


def test_absent_is_absent_and_zero_is_zero_on_facebook_posts(
    reader: Reader, ask: Ask, page: Account, page_token: str
) -> None:
    answer = ask("facebook", f"{V}/{page.account_id}/published_posts?fields={POST_FIELDS}&limit=100", token=page_token)
    posts = answer.json()["data"]

    assert any("message" not in post for post in posts)
    assert any("shares" not in post for post in posts)
    assert all(post["shares"]["count"] > 0 for post in posts if "shares" in post)
    assert any(post["insights"]["data"] == [] for post in posts)
    still = [post for post in posts if post["status_type"] == "added_photos" and post["insights"]["data"]]
    for post in still:
        told = {one["name"]: one["values"][0]["value"] for one in post["insights"]["data"]}
        assert (told["post_video_views"], told["post_video_view_time"]) == (0, 0)
        assert sum(told["post_reactions_by_type_total"].values()) == post["reactions"]["summary"]["total_count"]


def test_page_days_end_at_pacific_midnight_on_both_sides_of_the_clock_change(
    ask: Ask, page: Account, page_token: str
) -> None:
    path = f"{V}/{page.account_id}/insights?metric=page_follows&period=day&since=2026-10-30&until=2026-11-04"
    body = ask("facebook", path, token=page_token).json()

    assert [one["end_time"] for one in body["data"][0]["values"]] == [
        "2026-10-31T07:00:00+0000",
        "2026-11-01T07:00:00+0000",
        "2026-11-02T08:00:00+0000",
        "2026-11-03T08:00:00+0000",
        "2026-11-04T08:00:00+0000",
    ]
    assert "next" in body["paging"]


def test_the_newest_page_day_ended_a_day_ago(simulator: Simulator, ask: Ask, page: Account, page_token: str) -> None:
    path = f"{V}/{page.account_id}/insights?metric=page_follows&period=day&"
    path += window(ANCHOR - timedelta(days=5), ANCHOR + timedelta(days=1))
    newest = ask("facebook", path, token=page_token).json()["data"][0]["values"][-1]["end_time"]
    assert newest == "2026-11-20T08:00:00+0000"

    simulator.clock.set(datetime(2026, 11, 21, 7, 59, tzinfo=UTC))
    before = ask("facebook", path, token=page_token).json()["data"][0]["values"][-1]["end_time"]
    assert before == "2026-11-19T08:00:00+0000"


def test_a_page_window_over_90_days_is_refused(ask: Ask, page: Account, page_token: str) -> None:
    path = f"{V}/{page.account_id}/insights?metric=page_follows&period=day&"

    assert ask("facebook", path + window(ANCHOR - timedelta(days=90), ANCHOR), token=page_token).ok
    long = ask("facebook", path + window(ANCHOR - timedelta(days=91), ANCHOR), token=page_token)
    assert "There cannot be more than 90 days" in error(long)["message"]


def test_follower_geography_is_empty_for_the_wrong_period(ask: Ask, page: Account, page_token: str) -> None:
    path = f"{V}/{page.account_id}/insights?metric=page_follows_city,page_follows_country"

    told = ask("facebook", f"{path}&period=day", token=page_token).json()["data"]
    assert {one["name"] for one in told} == {"page_follows_city", "page_follows_country"}
    assert all(isinstance(value["value"], dict) for one in told for value in one["values"])
    assert ask("facebook", f"{path}&period=lifetime", token=page_token).json()["data"] == []


def test_series_agree_with_the_oracle(ask: Ask, page: Account, page_token: str, world: World) -> None:
    path = f"{V}/{page.account_id}/insights?metric={PAGE_SERIES}&period=day&"
    body = ask("facebook", path + window(ANCHOR - timedelta(days=80), ANCHOR), token=page_token).json()
    told = {
        one["name"]: {
            datetime.fromisoformat(value["end_time"]).astimezone(UTC).date() - timedelta(days=1): value["value"]
            for value in one["values"]
        }
        for one in body["data"]
    }
    expected = {
        row["day"]: row
        for row in world.expected_account_daily([ANCHOR])
        if row["account_id"] == page.account_id and row["gained"] is not None
    }

    assert max(told["page_follows"]) == max(expected)
    for day, stock in told["page_follows"].items():
        assert stock == expected[day]["followers_count"]
        assert told["page_daily_follows_unique"][day] == expected[day]["gained"]
        assert told["page_daily_unfollows_unique"][day] == expected[day]["lost"]


def test_instagram_takes_the_system_users_token_and_tells_what_is_asked(ask: Ask, ig: Account, ig_token: str) -> None:
    assert ask("instagram", f"{V}/{ig.account_id}", token=ig_token).json() == {"id": ig.account_id}

    node = ask("instagram", f"{V}/{ig.account_id}?fields=username,followers_count,media_count", token=ig_token)
    assert set(node.json()) == {"id", "username", "followers_count", "media_count"}
    media = ask("instagram", f"{V}/{ig.account_id}/media?fields={MEDIA_FIELDS}&limit=100", token=ig_token).json()
    assert {one["media_product_type"] for one in media["data"]} == {"FEED", "REELS", "AD"}
    assert any("caption" not in one for one in media["data"])
    carousels = [one for one in media["data"] if one["media_type"] == "CAROUSEL_ALBUM"]
    assert all(set(child) == {"id", "media_type"} for one in carousels for child in one["children"]["data"])
    assert all(set(one) == {"name", "period", "values", "id"} for one in media["data"][0]["insights"]["data"])


def media_of(world: World, account: Account, product: str) -> str:
    listed = world.listed(account, ANCHOR)
    return next(post.post_id for post in listed if post.payload["media_product_type"] == product)


def test_reels_and_feed_media_have_metrics_of_their_own(ask: Ask, world: World, ig: Account, ig_token: str) -> None:
    reel, feed = (media_of(world, ig, product) for product in ("REELS", "FEED"))

    def insights(media: str, metrics: str) -> Any:
        return ask("instagram", f"{V}/{media}/insights?metric={metrics}", token=ig_token)

    assert insights(reel, REEL_METRICS).ok
    assert insights(feed, "views,follows,profile_visits").ok
    refused = error(insights(reel, "views,profile_visits,follows"))
    assert refused["message"] == (
        "(#100) The Media Insights API does not support the profile_visits, follows metric for this media product type."
    )
    assert "ig_reels_avg_watch_time" in error(insights(feed, REEL_METRICS))["message"]
    assert "metric[1] must be one of the following values" in error(insights(feed, "views,engagement"))["message"]
    assert "no longer supported for the queried media" in error(insights(feed, "impressions"))["message"]


def test_a_nested_metric_that_some_media_lack_fails_the_whole_list(ask: Ask, ig: Account, ig_token: str) -> None:
    fields = "id,insights.metric(views,follows){name,values}"

    answer = ask("instagram", f"{V}/{ig.account_id}/media?fields={fields}&limit=100", token=ig_token)
    assert error(answer)["code"] == 100


def test_a_batch_answers_each_part_by_itself(
    simulator: Simulator, ask: Ask, world: World, ig: Account, ig_token: str
) -> None:
    reel, feed = (media_of(world, ig, product) for product in ("REELS", "FEED"))
    parts = [{"method": "GET", "relative_url": f"{one}/insights?metric={REEL_METRICS}"} for one in (reel, feed)]

    def send(batch: list[dict[str, str]], **form: str) -> Any:
        return ask("instagram", f"{V}/", token=ig_token, method="POST", data={"batch": json.dumps(batch), **form})

    body = send(parts, include_headers="false").json()
    assert [part["code"] for part in body] == [200, 400]
    assert all(set(part) == {"code", "body"} for part in body)
    assert {one["name"] for one in json.loads(body[0]["body"])["data"]} == set(REEL_METRICS.split(","))
    assert "headers" in send(parts[:1]).json()[0]
    assert "Maximum batch size is 50" in error(send(parts * 26))["message"]
    assert simulator.calls[0].parts == tuple(part["relative_url"] for part in parts)


def test_totals_need_their_metric_type_and_series_refuse_it(ask: Ask, ig: Account, ig_token: str) -> None:
    node = f"{V}/{ig.account_id}/insights?period=day"

    plain = error(ask("instagram", f"{node}&metric=reach,views", token=ig_token))
    assert plain["message"] == (
        "(#100) The following metrics (views) should be specified with parameter metric_type=total_value"
    )
    assert ask("instagram", f"{node}&metric={TOTALS}&metric_type=total_value", token=ig_token).ok
    series = ask("instagram", f"{node}&metric=follower_count&metric_type=total_value", token=ig_token)
    assert error(series)["code"] == 100
    assert error(ask("instagram", f"{node}&metric=impressions", token=ig_token))["code"] == 100
    assert error(ask("instagram", f"{V}/{ig.account_id}/insights?metric=reach", token=ig_token))["code"] == 100


def test_an_instagram_window_over_30_days_is_refused(ask: Ask, ig: Account, ig_token: str) -> None:
    path = f"{V}/{ig.account_id}/insights?metric=reach&period=day&"

    assert ask("instagram", path + window(ANCHOR - timedelta(days=30), ANCHOR), token=ig_token).ok
    long = ask("instagram", path + window(ANCHOR - timedelta(days=31), ANCHOR), token=ig_token)
    assert error(long)["message"] == ("(#100) There cannot be more than 30 days (2592000 s) between since and until")
    old = path.replace("reach", "follower_count") + window(ANCHOR - timedelta(days=45), ANCHOR - timedelta(days=20))
    assert "last 30 days excluding the current day" in error(ask("instagram", old, token=ig_token))["message"]


def test_follows_need_their_breakdown_and_are_two_days_late(ask: Ask, ig: Account, ig_token: str, world: World) -> None:
    midnight = datetime(2026, 11, 21, tzinfo=UTC)

    def follows(back: int, more: str = "&breakdown=follow_type") -> list[dict[str, Any]]:
        day = window(midnight - timedelta(days=back), midnight - timedelta(days=back - 1))
        path = f"{V}/{ig.account_id}/insights?metric=follows_and_unfollows&period=day&metric_type=total_value&{day}"
        return list(ask("instagram", path + more, token=ig_token).json()["data"])

    assert follows(1) == []
    assert "total_value" not in follows(2, more="")[0]
    results = follows(2)[0]["total_value"]["breakdowns"][0]["results"]
    expected = next(
        row
        for row in world.expected_account_daily([ANCHOR])
        if row["account_id"] == ig.account_id and row["day"] == (midnight - timedelta(days=2)).date()
    )
    assert {one["dimension_values"][0]: one["value"] for one in results} == {
        "FOLLOWER": expected["gained"],
        "NON_FOLLOWER": expected["lost"],
    }


def test_a_day_that_is_not_over_is_missing_and_not_zero(ask: Ask, ig: Account, ig_token: str) -> None:
    path = f"{V}/{ig.account_id}/insights?metric=views&period=day&metric_type=total_value&"
    midnight = datetime(2026, 11, 21, tzinfo=UTC)

    today = ask("instagram", path + window(midnight, midnight + timedelta(days=1)), token=ig_token)
    yesterday = ask("instagram", path + window(midnight - timedelta(days=1), midnight), token=ig_token)
    assert today.json() == {"data": []}
    assert yesterday.json()["data"][0]["total_value"]["value"] > 0


@pytest.mark.parametrize("breakdown", ["age", "gender", "age,gender", "city", "country"])
def test_demographics_agree_with_the_oracle(ask: Ask, ig: Account, ig_token: str, world: World, breakdown: str) -> None:
    path = f"{V}/{ig.account_id}/insights?metric=follower_demographics&period=lifetime&metric_type=total_value"
    body = ask("instagram", f"{path}&breakdown={breakdown}", token=ig_token).json()
    results = body["data"][0]["total_value"]["breakdowns"][0]["results"]
    expected = {
        row["value"]: row["followers"]
        for row in world.expected_demographics([ANCHOR])
        if row["account_id"] == ig.account_id and row["dimension"] == breakdown.replace(",", "_")
    }

    assert {",".join(one["dimension_values"]): one["value"] for one in results} == expected


def test_small_accounts_are_told_nothing_about_their_followers(
    ask: Ask, account_of: Callable[..., Account], world: World
) -> None:
    small = account_of("instagram", 3)
    token = world.credentials[small.credential].token
    node = f"{V}/{small.account_id}/insights?"

    demographics = "metric=follower_demographics&period=lifetime&metric_type=total_value&breakdown=age"
    assert ask("instagram", node + demographics, token=token).json() == {"data": []}
    series = ask("instagram", f"{node}metric=reach,follower_count&period=day", token=token).json()["data"]
    assert [one["name"] for one in series] == ["reach"]
    assert not [row for row in world.expected_demographics([ANCHOR]) if row["account_id"] == small.account_id]


def test_wrong_breakdowns_fail_without_saying_why(ask: Ask, ig: Account, ig_token: str) -> None:
    path = f"{V}/{ig.account_id}/insights?metric=views&period=day&metric_type=total_value&breakdown=age"

    assert error(ask("instagram", path, token=ig_token))["message"] == "(#100) An unknown error has occurred."


def test_usage_headers_come_with_every_answer_and_80002_when_it_is_used_up(
    world: World, ig: Account, ig_token: str
) -> None:
    with Simulator(world, limits=Limits(meta_account_day=2)) as small:
        reader = Reader(small)
        url = f"{small.base_urls['instagram']}{V}/{ig.account_id}"
        answers = [
            reader.session.get(url, headers={"Authorization": f"Bearer {ig_token}"}, timeout=5) for _ in range(3)
        ]

    usage = [json.loads(one.headers["X-Business-Use-Case-Usage"])[ig.account_id][0] for one in answers]
    assert [one["call_count"] for one in usage] == [50, 100, 100]
    assert [one["type"] for one in usage] == ["instagram"] * 3
    assert usage[2]["estimated_time_to_regain_access"] > 0
    assert error(answers[2])["code"] == 80002
    assert set(json.loads(answers[0].headers["X-App-Usage"])) == {"call_count", "total_time", "total_cputime"}
    assert answers[0].headers["facebook-api-version"] == "v26.0"


def test_a_batch_counts_each_of_its_parts(world: World, ig: Account, ig_token: str) -> None:
    with Simulator(world, limits=Limits(meta_account_day=2)) as small:
        parts = [{"method": "GET", "relative_url": ig.account_id}] * 3
        answer = Reader(small).session.post(
            f"{small.base_urls['instagram']}{V}/",
            data={"batch": json.dumps(parts)},
            headers={"Authorization": f"Bearer {ig_token}"},
            timeout=5,
        )

    assert [part["code"] for part in answer.json()] == [200, 200, 400]
