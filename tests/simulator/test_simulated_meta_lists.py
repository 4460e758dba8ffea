"""Stories, comments and the accounts of others answer and refuse as documented."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from simulator import graph, remarks, stories
from simulator.model import Account, Post
from simulator.server import Simulator
from simulator.world import World
from tests.simulator import reading_meta
from tests.simulator.conftest import ANCHOR, Ask
from tests.simulator.reading import Reader

V = "/v26.0"


@pytest.fixture
def ig(account_of: Callable[..., Account]) -> Account:
    return account_of("instagram", 2)


@pytest.fixture
def ig_token(world: World, ig: Account) -> str:
    return world.credentials[ig.credential].token


@pytest.fixture
def page(account_of: Callable[..., Account]) -> Account:
    return account_of("facebook", 2)


@pytest.fixture
def page_token(world: World, page: Account) -> str:
    return world.credentials[page.credential].page_tokens[page.account_id]


def error(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 400, answer.text
    return dict(answer.json()["error"])


def live(world: World, account: Account, *, seen: bool) -> list[Post]:
    listed = stories.live(account, world.seed, world.anchor, ANCHOR)
    return [story for story in listed if (stories.values(story, ANCHOR) is not None) == seen]


def most_discussed(world: World, account: Account) -> Post:
    return max(world.listed(account, ANCHOR), key=lambda post: len(remarks.visible(post, ANCHOR)))


def test_stories_live_for_a_day_and_are_no_media(
    simulator: Simulator, ask: Ask, ig: Account, ig_token: str, world: World
) -> None:
    path = f"{V}/{ig.account_id}/stories?fields=id,timestamp,media_product_type&limit=100"
    listed = ask("instagram", path, token=ig_token).json()["data"]
    ids = [story.post_id for story in stories.live(ig, world.seed, world.anchor, ANCHOR)]
    media = ask("instagram", f"{V}/{ig.account_id}/media?fields=id&limit=100", token=ig_token).json()["data"]
    assert [one["id"] for one in listed] == ids
    assert {one["media_product_type"] for one in listed} == {"STORY"}
    assert not set(ids) & {one["id"] for one in media}

    oldest = ids[-1]
    simulator.clock.advance(timedelta(minutes=30))
    later = ask("instagram", path, token=ig_token).json()["data"]
    assert oldest not in [one["id"] for one in later]
    assert error(ask("instagram", f"{V}/{oldest}/insights?metric=views", token=ig_token))["error_subcode"] == 33


def test_a_story_that_few_have_seen_tells_nothing_and_fails_a_list_with_nested_metrics(
    ask: Ask, account_of: Callable[..., Account], world: World
) -> None:
    small = account_of("instagram", 3)
    token = world.credentials[small.credential].token
    story = live(world, small, seen=False)[0]
    refused = error(ask("instagram", f"{V}/{story.post_id}/insights?metric=views", token=token))
    assert (refused["code"], refused["message"]) == (10, "(#10) Not enough viewers for the media to show insights")
    nested = f"{V}/{small.account_id}/stories?fields=id,insights.metric(views)"
    assert error(ask("instagram", nested, token=token))["code"] == 10


def test_navigation_comes_by_kind_with_its_breakdown_alone(ask: Ask, ig: Account, ig_token: str, world: World) -> None:
    story = live(world, ig, seen=True)[-1]
    told = stories.values(story, ANCHOR)
    assert told is not None
    path = f"{V}/{story.post_id}/insights?breakdown=story_navigation_action_type&metric="
    (metric,) = ask("instagram", f"{path}navigation", token=ig_token).json()["data"]
    (by_kind,) = metric["total_value"]["breakdowns"]
    assert by_kind["dimension_keys"] == ["story_navigation_action_type"]
    assert {one["dimension_values"][0]: one["value"] for one in by_kind["results"]} == {
        way: told[way] for way in stories.NAVIGATION
    }
    assert error(ask("instagram", f"{path}navigation,views", token=ig_token))["code"] == 100
    unfit = error(ask("instagram", f"{V}/{story.post_id}/insights?metric=views,saved", token=ig_token))
    assert "does not support the saved metric" in unfit["message"]


def test_the_reader_sees_every_comment_once_however_short_the_pages(
    reader: Reader, simulator: Simulator, page: Account, page_token: str, ig: Account, ig_token: str, world: World
) -> None:
    for most in (None, 3):
        graph.policy(simulator.vault).largest_page = most
        for account, token in ((page, page_token), (ig, ig_token)):
            posts = [post for post in world.listed(account, ANCHOR) if remarks.visible(post, ANCHOR)][:60]
            found = reading_meta.comments(reader, account, [post.post_id for post in posts], token)
            told = [one.remark_id for post in posts for one in remarks.visible(post, ANCHOR)]
            assert sorted(one["id"] for one in found) == sorted(told)


def test_facebook_shows_replies_and_their_order_only_when_asked(
    ask: Ask, page: Account, page_token: str, world: World
) -> None:
    post = most_discussed(world, page)
    path = f"{V}/{post.post_id}/comments?limit=100&fields=id,parent{{id}},from,message,message_tags"
    first_level = ask("facebook", path, token=page_token).json()["data"]
    whole = ask("facebook", f"{path}&filter=stream&order=chronological", token=page_token).json()["data"]
    assert not any("parent" in one for one in first_level)
    assert any("parent" in one for one in whole)
    assert [one["id"] for one in whole] == [one.remark_id for one in remarks.visible(post, ANCHOR)][:100]
    assert any(one["from"]["id"] == page.account_id for one in whole)
    assert all(tag["name"] in one["message"] for one in whole for tag in one.get("message_tags", []))
    system = world.credentials[page.credential].token
    assert error(ask("facebook", path, token=system))["code"] == 190


def test_instagram_nests_replies_and_counts_as_many_comments_as_it_shows(
    ask: Ask, ig: Account, ig_token: str, world: World
) -> None:
    post = most_discussed(world, ig)
    inside = "{id,username,text,replies.limit(50){id,username}}"
    fields = f"username,comments_count,comments.limit(50){inside}"
    media = ask("instagram", f"{V}/{post.post_id}?fields={fields}", token=ig_token).json()
    assert media["comments_count"] == len(remarks.visible(post, ANCHOR))
    assert media["username"] == ig.handle
    assert any("replies" in one for one in media["comments"]["data"])
    assert "next" in media["comments"]["paging"]
    bad = f"{V}/{post.post_id}?fields=comments.limit(51){{id}}"
    assert error(ask("instagram", bad, token=ig_token))["code"] == 100
    parent = next(one for one in media["comments"]["data"] if "replies" in one)
    replies = ask("instagram", f"{V}/{parent['id']}/replies?fields=id,username", token=ig_token).json()["data"]
    assert replies == parent["replies"]["data"]


def test_discovery_shows_what_is_public_and_knows_no_private_account(ask: Ask, ig: Account, ig_token: str) -> None:
    def discover(handle: str) -> Any:
        inside = "{id,username,followers_count,media.limit(2){id,like_count,comments_count,view_count}}"
        fields = f"business_discovery.username({handle}){inside}"
        return ask("instagram", f"{V}/{ig.account_id}?fields={fields}", token=ig_token)

    shy = discover("brooklyn.brew").json()["business_discovery"]
    assert shy["followers_count"] > 0
    assert len(shy["media"]["data"]) == 2
    assert not any("like_count" in one for one in shy["media"]["data"])
    assert set(shy["media"]["paging"]) == {"cursors"}
    open_hearted = discover("ostsee.werke").json()["business_discovery"]
    assert all("like_count" in one for one in open_hearted["media"]["data"])
    nobody = error(discover("nobody.at.all"))
    assert (nobody["code"], nobody["error_subcode"]) == (110, 2207013)
    assert nobody["error_user_msg"] == "The user with username: nobody.at.all cannot be found."


def test_pages_of_others_need_a_feature(simulator: Simulator, ask: Ask, page_token: str) -> None:
    path = f"{V}/ostseewerke?fields=name,followers_count,posts.limit(2){{id,shares,reactions.summary(total_count)}}"
    told = ask("facebook", path, token=page_token).json()
    assert told["followers_count"] > 0
    assert len(told["posts"]["data"]) == 2
    graph.policy(simulator.vault).without_public_content = True
    assert "Page Public Content Access" in error(ask("facebook", path, token=page_token))["message"]


def test_the_same_seed_tells_the_same_stories_and_remarks(world: World, ig: Account) -> None:
    again = stories.stories.__wrapped__(ig, world.seed, world.anchor)
    assert again == stories.stories(ig, world.seed, world.anchor)
    assert json.dumps([story.payload for story in again], sort_keys=True)
    post = most_discussed(world, ig)
    counts = [len(remarks.visible(post, post.published_at + timedelta(hours=hours))) for hours in (0, 6, 24, 900)]
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[-1] == post.totals["comments"]
