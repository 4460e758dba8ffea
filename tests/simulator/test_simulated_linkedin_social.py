"""LinkedIn's social side answers and refuses as documented: comments, reactions by type, videos."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest

from simulator import social_truth
from simulator.model import Account, Post
from simulator.server import Simulator
from simulator.world import World
from tests.simulator.conftest import ANCHOR, Ask
from tests.simulator.reading import Reader
from tests.simulator.social import read_comments, read_reactions, video_path


@pytest.fixture
def account(account_of: Callable[..., Account]) -> Account:
    return account_of("linkedin")


@pytest.fixture
def token(world: World, account: Account) -> str:
    return world.credentials[account.credential].token


@pytest.fixture
def posts(world: World, account: Account) -> list[Post]:
    return [post for post in world.listed(account, ANCHOR) if post.is_organic]


def metadata_path(*urns: str) -> str:
    return f"/rest/socialMetadata?ids=List({','.join(quote(urn, safe='') for urn in urns)})"


def test_comments_come_one_level_at_a_time_page_by_page(reader: Reader, account: Account, posts: list[Post]) -> None:
    post = max(posts, key=lambda one: one.totals["comments"])
    first = read_comments(reader, account, post.post_id, count=3)
    assert first == read_comments(reader, account, post.post_id)
    assert all(one["object"].startswith("urn:li:activity:") for one in first)
    assert not any("parentComment" in one for one in first)
    answered = next(one for one in first if "commentsSummary" in one)
    answers = read_comments(reader, account, answered["commentUrn"])
    assert len(answers) == answered["commentsSummary"]["totalFirstLevelComments"]
    assert {one["parentComment"] for one in answers} == {answered["commentUrn"]}


def test_comments_over_http_are_what_the_oracle_expects(
    reader: Reader, world: World, account: Account, posts: list[Post]
) -> None:
    young = [post for post in posts if social_truth.is_due(post, ANCHOR, None)]
    told = [one for post in young for one in read_comments(reader, account, post.post_id)]
    expected = social_truth.expected_comments("linkedin", {account.key: posts}, [ANCHOR])
    assert [one["commentUrn"] for one in told] == [one["comment_id"] for one in expected]
    assert any(one["actor"] == account.urn for one in told)
    assert any("MemberAttributedEntity" in str(one["message"]["attributes"]) for one in told)
    for one in told:
        for mention in one["message"]["attributes"]:
            units = one["message"]["text"].encode("utf-16-le")
            start, length = 2 * mention["start"], 2 * mention["length"]
            assert units[start : start + length].decode("utf-16-le").startswith("Kim 👩🏽‍🚀 Example ")


def test_reactions_by_type_add_up_to_the_likes_and_absent_types_are_absent(
    reader: Reader, world: World, account: Account, posts: list[Post]
) -> None:
    told = read_reactions(reader, account, [post.post_id for post in posts])
    kinds = {urn: {kind: one["count"] for kind, one in each["reactionSummaries"].items()} for urn, each in told.items()}
    expected = social_truth.expected_reactions({account.key: posts}, [ANCHOR])
    assert {urn: found for urn, found in kinds.items() if found} == expected
    likes = {one["post_id"]: one["likes"] for one in world.expected_posts([ANCHOR]) if one["post_id"] in expected}
    assert {urn: sum(found.values()) for urn, found in expected.items()} == likes
    assert len({frozenset(found) for found in expected.values()}) > 1


def test_each_post_of_a_batch_has_its_own_status(
    ask: Ask, world: World, account: Account, token: str, posts: list[Post], account_of: Callable[..., Account]
) -> None:
    good, gone = posts[0].post_id, "urn:li:share:7000000000000000000"
    foreign = world.listed(account_of("linkedin", 2), ANCHOR)[-1].post_id
    answer = ask("linkedin", metadata_path(good, gone, foreign), token=token)
    assert answer.status_code == 200
    assert answer.json()["statuses"] == {good: 200, gone: 404, foreign: 403}
    assert set(answer.json()["results"]) == {good}
    assert answer.json()["errors"][gone] == {"status": 404, "code": "NOT_FOUND", "message": "Could not find entity"}
    one = ask("linkedin", f"/rest/socialMetadata/{quote(good, safe='')}", token=token)
    assert one.json() == answer.json()["results"][good]


def test_videos_are_ugc_posts_and_others_have_no_numbers(
    ask: Ask, reader: Reader, account: Account, token: str, posts: list[Post]
) -> None:
    video = next(post for post in posts if post.content_type == "video" and post.totals["impressions"])
    (element,) = reader.get(account, video_path(video.post_id, "VIDEO_VIEW"))["elements"]
    expected = social_truth.expected_videos({account.key: [video]}, [ANCHOR])
    assert element["value"] == expected[video.post_id, "VIDEO_VIEW"]
    document = next(post for post in posts if post.content_type == "document")
    assert reader.get(account, video_path(document.post_id, "VIDEO_VIEW"))["elements"] == []
    share = next(post for post in posts if ":share:" in post.post_id)
    assert ask("linkedin", video_path(share.post_id, "VIDEO_VIEW"), token=token).json()["code"] == "INVALID_URN_TYPE"
    assert ask("linkedin", video_path(video.post_id, "LIKES"), token=token).status_code == 400


def test_a_video_is_forgotten_after_six_months(
    reader: Reader, simulator: Simulator, account: Account, posts: list[Post]
) -> None:
    video = next(post for post in posts if post.content_type == "video")
    simulator.clock.set(video.published_at + timedelta(days=184))
    assert reader.get(account, video_path(video.post_id, "TIME_WATCHED"))["elements"] == []


def test_somebody_elses_comments_are_403_and_a_post_nobody_has_404(
    ask: Ask, world: World, token: str, account_of: Callable[..., Account]
) -> None:
    foreign = quote(world.listed(account_of("linkedin", 2), ANCHOR)[-1].post_id, safe="")
    refused = ask("linkedin", f"/rest/socialActions/{foreign}/comments", token=token)
    assert (refused.status_code, refused.json()["code"]) == (403, "ACCESS_DENIED")
    gone = quote("urn:li:comment:(urn:li:activity:7,8)", safe="")
    assert ask("linkedin", f"/rest/socialActions/{gone}/comments", token=token).status_code == 404
