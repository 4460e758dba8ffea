"""Posts that are deleted or edited: what the platforms list and say of them, and what the oracle knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from simulator.model import Account, Post
from simulator.server import Simulator
from simulator.world import World
from tests.simulator.conftest import ANCHOR, Ask

DAY = timedelta(days=1)


def own(world: World, account: Account) -> Post:
    return next(post for post in world.listed(account, ANCHOR) if post.kind == "own")


def expected(simulator: Simulator, *days: int) -> dict[str, dict[str, Any]]:
    return {row["post_id"]: row for row in simulator.world.expected_posts([ANCHOR + n * DAY for n in days])}


@pytest.mark.parametrize("platform", ["linkedin", "twitter", "facebook", "instagram"])
def test_a_deleted_post_is_listed_no_more_and_a_tombstone_after_two_looks(
    platform: str, simulator: Simulator, ask: Ask, account_of: Callable[..., Account], world: World
) -> None:
    account = account_of(platform)
    post = own(world, account)
    body = {"platform": platform, "post_ids": [post.post_id], "at": (ANCHOR + DAY).isoformat()}
    assert ask("linkedin", "/_simulator/delete", method="POST", json=body).ok
    assert post in world.listed(account, ANCHOR + 2 * DAY), "the world of other tests is another one"
    listed = [[one.post_id for one in simulator.world.listed(account, ANCHOR + n * DAY)] for n in (0, 1)]
    assert post.post_id in listed[0]
    assert post.post_id not in listed[1]
    assert expected(simulator, 0, 1)[post.post_id]["is_deleted"] is False
    assert expected(simulator, 0, 1, 2)[post.post_id]["is_deleted"] is True
    assert post.post_id not in expected(simulator, 1, 2), "nobody has seen it"
    assert expected(simulator, 0, 5)[post.post_id]["likes"] == expected(simulator, 0)[post.post_id]["likes"]
    wrong = {"platform": platform, "post_ids": ["nobody's"]}
    assert ask("linkedin", "/_simulator/delete", method="POST", json=wrong).status_code == 400


def test_a_lookup_by_ids_tells_what_is_there_and_what_is_gone(
    simulator: Simulator, ask: Ask, account_of: Callable[..., Account], world: World
) -> None:
    account = account_of("twitter")
    gone, there = [post.post_id for post in world.listed(account, ANCHOR)[:2]]
    simulator.delete("twitter", gone)
    token = world.credentials[account.credential].token
    body = ask("twitter", f"/2/tweets?ids={gone},{there}", token=token).json()
    assert [one["id"] for one in body["data"]] == [there]
    assert [(one["resource_id"], one["title"]) for one in body["errors"]] == [(gone, "Not Found Error")]
    assert ask("twitter", "/2/tweets?ids=", token=token).status_code == 400

    company = account_of("linkedin")
    urns = [post.post_id for post in world.listed(company, ANCHOR)[:2]]
    simulator.delete("linkedin", urns[0])
    listed = ",".join(urn.replace(":", "%3A") for urn in urns)
    body = ask("linkedin", f"/rest/posts?ids=List({listed})", token=world.credentials[company.credential].token).json()
    assert list(body["results"]) == [urns[1]]
    assert body["statuses"] == {urns[0]: 404, urns[1]: 200}


def test_an_edited_post_is_listed_once_with_the_ids_of_all_its_versions(
    simulator: Simulator, ask: Ask, account_of: Callable[..., Account], world: World
) -> None:
    account = account_of("twitter")
    before = own(world, account)
    at = ANCHOR + timedelta(minutes=10)
    body = {"post_id": before.post_id, "text": "Fish & chips", "at": at.isoformat()}
    assert ask("linkedin", "/_simulator/edit", method="POST", json=body).ok
    simulator.clock.set(at)
    path = f"/2/users/{account.account_id}/tweets?max_results=100&tweet.fields=edit_history_tweet_ids,created_at"
    listed = ask("twitter", path, token=world.credentials[account.credential].token).json()["data"]
    assert before.post_id not in {one["id"] for one in listed}
    newest = listed[0]
    assert newest["text"] == "Fish &amp; chips"
    assert newest["edit_history_tweet_ids"] == [*before.payload["edit_history_tweet_ids"], newest["id"]]

    rows = {row["post_id"]: row for row in simulator.world.expected_posts([ANCHOR, at])}
    assert before.post_id not in rows
    assert rows[newest["id"]]["text"] == "Fish & chips"
    assert before.post_id in {row["post_id"] for row in simulator.world.expected_posts([ANCHOR])}
