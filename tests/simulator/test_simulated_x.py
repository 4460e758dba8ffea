"""X answers and refuses as documented."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from simulator.limits import Limits
from simulator.model import Account
from simulator.server import Simulator
from simulator.world import World
from tests.simulator.conftest import ANCHOR, Ask
from tests.simulator.reading import TWEET_FIELDS, Reader


@pytest.fixture
def account(account_of: Callable[..., Account]) -> Account:
    return account_of("twitter")


@pytest.fixture
def token(world: World, account: Account) -> str:
    return world.credentials[account.credential].token


def timeline(account: Account, query: str = "") -> str:
    return f"/2/users/{account.account_id}/tweets?{query}"


def test_a_token_that_is_missing_wrong_or_expired_is_the_same_401(
    simulator: Simulator, ask: Ask, account: Account, token: str
) -> None:
    simulator.vault.set_state(account.credential, "expired")

    for presented in (None, "nobody", token):
        answer = ask("twitter", timeline(account), token=presented)
        assert answer.status_code == 401
        assert answer.json() == {
            "title": "Unauthorized",
            "type": "about:blank",
            "status": 401,
            "detail": "Unauthorized",
        }


def test_only_what_was_asked_for_is_told(ask: Ask, account: Account, token: str) -> None:
    plain = ask("twitter", timeline(account, "max_results=100"), token=token).json()
    assert all(set(one) == {"id", "text", "edit_history_tweet_ids"} for one in plain["data"])
    assert "includes" not in plain

    user = ask("twitter", f"/2/users?ids={account.account_id}", token=token).json()["data"][0]
    assert set(user) == {"id", "name", "username"}


@pytest.mark.parametrize("value", ["4", "101", "many"])
def test_max_results_is_5_to_100(ask: Ask, account: Account, token: str, value: str) -> None:
    answer = ask("twitter", timeline(account, f"max_results={value}"), token=token)

    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "parameters": {"max_results": [value]},
            "message": f"The `max_results` query parameter value [{value}] is not between 5 and 100",
        }
    ]
    assert answer.json()["type"].endswith("/invalid-request")


@pytest.mark.parametrize(
    "query",
    ["tweet.fields=text,likes", "expansions=author", "pagination_token=abc", "start_time=yesterday", "since_id=x"],
)
def test_names_and_values_x_does_not_know_are_400(ask: Ask, account: Account, token: str, query: str) -> None:
    assert ask("twitter", timeline(account, query), token=token).status_code == 400


def test_pages_follow_opaque_tokens_to_the_last_post(
    reader: Reader, ask: Ask, world: World, account: Account, token: str
) -> None:
    seen: list[str] = []
    more = ""
    while True:
        body = ask("twitter", timeline(account, f"max_results=10{more}"), token=token).json()
        seen += [one["id"] for one in body["data"]]
        assert body["meta"]["result_count"] == len(body["data"])
        assert body["meta"]["newest_id"] == body["data"][0]["id"]
        assert ("previous_token" in body["meta"]) == bool(more)
        if "next_token" not in body["meta"]:
            break
        assert not body["meta"]["next_token"].isdigit()
        more = f"&pagination_token={body['meta']['next_token']}"

    assert seen == [post.post_id for post in world.listed(account, ANCHOR)]


def test_reposts_are_there_unless_excluded_and_replies_and_quotes_stay(
    reader: Reader, ask: Ask, account: Account, token: str
) -> None:
    everything = ask("twitter", timeline(account, f"max_results=100&tweet.fields={TWEET_FIELDS}"), token=token)
    kept, _ = reader.timeline(account, f"tweet.fields={TWEET_FIELDS}")

    def kinds(posts: list[dict[str, Any]]) -> set[str]:
        return {one["type"] for post in posts for one in post.get("referenced_tweets", [])}

    assert kinds(everything.json()["data"]) == {"retweeted", "replied_to", "quoted"}
    assert kinds(kept) == {"replied_to", "quoted"}
    assert any(post["text"].startswith("RT @partner: ") for post in everything.json()["data"])


def test_text_is_escaped_entities_count_code_points_and_long_posts_are_in_notes(
    reader: Reader, account: Account
) -> None:
    posts, media = reader.timeline(
        account, f"tweet.fields={TWEET_FIELDS}&expansions=attachments.media_keys&media.fields=type,public_metrics"
    )

    assert any("&amp;amp; a smile" in post["text"] and "&lt; 5" in post["text"] for post in posts)
    for post in posts:
        for whole in filter(None, (post, post.get("note_tweet"))):
            entities = whole.get("entities", {})
            for tag in entities.get("hashtags", []):
                assert whole["text"][tag["start"] : tag["end"]] == f"#{tag['tag']}"
            for url in entities.get("urls", []):
                assert whole["text"][url["start"] : url["end"]] == url["url"]
                assert len(url["url"]) == 23
    notes = [post for post in posts if "note_tweet" in post]
    assert notes
    assert all(len(post["note_tweet"]["text"]) > 280 > len(post["text"].split("…")[0]) for post in notes)
    assert all(("public_metrics" in one) == (one["type"] == "video") for one in media.values())


def test_private_metrics_need_the_authors_own_token(
    ask: Ask, world: World, account: Account, account_of: Callable[..., Account]
) -> None:
    query = timeline(account, "tweet.fields=non_public_metrics,organic_metrics&max_results=10")

    app = ask("twitter", query, token=world.app_only_token)
    assert app.status_code == 403
    assert app.json()["title"] == "Unsupported Authentication"
    assert app.json()["type"] == "https://api.twitter.com/2/problems/unsupported-authentication"
    assert ask("twitter", timeline(account), token=world.app_only_token).ok

    other = world.credentials[account_of("twitter", 2).credential].token
    foreign = ask("twitter", query, token=other).json()
    assert "data" not in foreign
    assert {one["field"] for one in foreign["errors"]} == {"non_public_metrics", "organic_metrics"}
    assert foreign["meta"]["result_count"] == 0
    assert "next_token" in foreign["meta"]


def test_posts_of_30_days_are_dropped_when_private_metrics_are_asked(reader: Reader, account: Account) -> None:
    def private(since: timedelta) -> list[str]:
        start = f"{ANCHOR - since:%Y-%m-%dT%H:%M:%SZ}"
        posts, _ = reader.timeline(account, f"tweet.fields=created_at,non_public_metrics&start_time={start}")
        assert all("url_link_clicks" in post["non_public_metrics"] for post in posts)
        return [post["id"] for post in posts]

    assert private(timedelta(days=30)) == private(timedelta(days=90))


def test_promoted_metrics_of_posts_never_promoted_are_empty(ask: Ask, account: Account, token: str) -> None:
    body = ask("twitter", timeline(account, "tweet.fields=promoted_metrics"), token=token).json()

    assert "data" not in body


def test_unknown_users_are_errors_within_a_200(ask: Ask, account: Account, token: str) -> None:
    both = ask("twitter", f"/2/users?ids={account.account_id},999&user.fields=public_metrics", token=token)
    assert both.status_code == 200
    assert len(both.json()["data"]) == 1
    assert both.json()["errors"][0]["type"].endswith("/resource-not-found")

    nobody = ask("twitter", "/2/users/999/tweets", token=token)
    assert nobody.status_code == 200
    assert set(nobody.json()) == {"errors"}


def test_nothing_in_the_window_is_a_200_without_data(ask: Ask, account: Account, token: str) -> None:
    body = ask("twitter", timeline(account, "end_time=2019-01-01T00:00:00Z"), token=token).json()

    assert body == {"meta": {"result_count": 0}}


def test_every_answer_tells_the_budget_and_429_follows_it(world: World, account: Account, token: str) -> None:
    with Simulator(world, limits=Limits(x_window=2), wall=lambda: 1_795_220_500.0) as small:
        reader = Reader(small)
        url = small.base_urls["twitter"] + timeline(account)
        answers = [reader.session.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5) for _ in range(3)]

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert [one.headers["x-rate-limit-remaining"] for one in answers] == ["1", "0", "0"]
    assert {one.headers["x-rate-limit-reset"] for one in answers} == {"1795221000"}
    assert answers[2].json() == {
        "title": "Too Many Requests",
        "detail": "Too Many Requests",
        "type": "about:blank",
        "status": 429,
    }
    assert "Retry-After" not in answers[2].headers


def test_the_new_vocabulary_is_answered_in_kind(ask: Ask, account: Account, token: str) -> None:
    post = ask("twitter", timeline(account, "post.fields=public_metrics"), token=token).json()["data"][0]

    assert set(post) == {"id", "text", "edit_history_post_ids", "public_metrics"}
    assert "repost_count" in post["public_metrics"]


def test_unknown_paths_are_404(ask: Ask, token: str) -> None:
    assert ask("twitter", "/2/insights/28hr", token=token).status_code == 404
