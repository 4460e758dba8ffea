"""X's recent search and lookup of handles answer and refuse as documented."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from simulator import competitors, social_truth
from simulator.model import Account, Post
from simulator.replies import replies
from simulator.world import World
from tests.simulator.conftest import ANCHOR, Ask
from tests.simulator.reading import Reader
from tests.simulator.social import read_competitors, search_replies


@pytest.fixture
def account(account_of: Callable[..., Account]) -> Account:
    return account_of("twitter")


@pytest.fixture
def token(world: World, account: Account) -> str:
    return world.credentials[account.credential].token


@pytest.fixture
def talked(world: World, account: Account) -> list[Post]:
    """Own posts of the last days, with replies."""
    listed = world.listed(account, ANCHOR)
    return [post for post in listed if post.is_organic and post.totals["comments"]][:12]


def search(query: str, more: str = "") -> str:
    return f"/2/tweets/search/recent?query={query.replace(' ', '%20')}&max_results=100{more}"


def test_replies_over_http_are_what_the_oracle_expects(reader: Reader, account: Account, talked: list[Post]) -> None:
    told = search_replies(reader, account, [post.post_id for post in talked])
    expected = social_truth.expected_comments("twitter", {account.key: talked}, [ANCHOR])
    assert expected
    assert {one["id"] for one in told} == {one["comment_id"] for one in expected}
    assert [int(one["id"]) for one in told] == sorted((int(one["id"]) for one in told), reverse=True)
    assert all(one["text"].startswith(f"@{account.handle}") for one in told)
    assert all(one["author_id"] != account.account_id for one in told)


def test_only_what_was_asked_for_is_told_of_a_reply(ask: Ask, token: str, talked: list[Post]) -> None:
    conversation = f"conversation_id:{talked[0].post_id}"
    plain = ask("twitter", search(conversation), token=token).json()
    assert all(set(one) == {"id", "text", "edit_history_tweet_ids"} for one in plain["data"])
    named = ask("twitter", search(conversation, "&expansions=author_id&user.fields=verified"), token=token).json()
    assert set(named["includes"]["users"][0]) == {"id", "name", "username", "verified"}


def test_pages_hold_10_to_100_and_tokens_lead_on(ask: Ask, token: str, talked: list[Post]) -> None:
    busy = max(talked, key=lambda post: len(replies(post, ANCHOR)))
    path = search(f"conversation_id:{busy.post_id}").replace("max_results=100", "max_results=10")
    first = ask("twitter", path, token=token).json()
    second = ask("twitter", f"{path}&next_token={first['meta']['next_token']}", token=token).json()
    assert first["meta"]["result_count"] == 10
    assert int(second["meta"]["newest_id"]) < int(first["meta"]["oldest_id"])
    assert ask("twitter", path.replace("=10", "=9"), token=token).status_code == 400


def test_a_query_has_at_most_512_characters_and_operators_that_exist(ask: Ask, token: str, talked: list[Post]) -> None:
    several = " OR ".join(f"conversation_id:{post.post_id}" for post in talked)
    assert ask("twitter", search(f"({several})"), token=token).status_code == 200
    too_long = " OR ".join(f"conversation_id:{10**18 + n}" for n in range(14))
    refused = ask("twitter", search(f"({too_long})"), token=token)
    assert refused.status_code == 400
    assert "Length must be between 1 and 512" in refused.json()["errors"][0]["message"]
    for wrong in ("is:reply", f"conversation_id:{talked[0].post_id} near:me", ""):
        assert ask("twitter", search(wrong), token=token).status_code == 400


def test_seven_days_can_be_searched(ask: Ask, token: str, talked: list[Post]) -> None:
    path = search(f"conversation_id:{talked[0].post_id}")
    week, longer = ANCHOR - timedelta(days=7), ANCHOR - timedelta(days=7, minutes=1)
    assert ask("twitter", f"{path}&start_time={week:%Y-%m-%dT%H:%M:%SZ}", token=token).status_code == 200
    refused = ask("twitter", f"{path}&start_time={longer:%Y-%m-%dT%H:%M:%SZ}", token=token)
    assert refused.status_code == 400
    assert "'start_time' must be on or after" in refused.json()["errors"][0]["message"]


def test_handles_are_looked_up_in_any_spelling_and_unknown_ones_are_errors_in_a_200(ask: Ask, token: str) -> None:
    answer = ask("twitter", "/2/users/by?usernames=OSTSEEWERKE,no_such_acme&user.fields=public_metrics", token=token)
    assert answer.status_code == 200
    (user,) = answer.json()["data"]
    assert user["username"] == "OstseeWerke"
    (problem,) = answer.json()["errors"]
    assert problem["detail"] == "Could not find user with usernames: [no_such_acme]."
    assert problem["type"].endswith("/resource-not-found")
    nobody = ask("twitter", "/2/users/by?usernames=no_such_acme", token=token)
    assert "data" not in nobody.json()
    hundred = ",".join(f"user{n}" for n in range(101))
    assert ask("twitter", f"/2/users/by?usernames={hundred}", token=token).status_code == 400
    assert ask("twitter", "/2/users/by?usernames=not.a.handle", token=token).status_code == 400


def test_followers_of_competitors_over_http_are_what_the_oracle_expects(reader: Reader, world: World) -> None:
    told = read_competitors(reader, world.accounts)
    for platform in ("linkedin", "twitter"):
        for one in competitors.expected_competitors(world.accounts, platform, [ANCHOR]).values():
            assert told[one["handle"]] == one["followers_count"]
