"""What others recorded of Meta's stories, comments and discovery is read by our readers, or refused by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from extractors.errors import ContractBroken
from extractors.registry import PLATFORMS
from extractors.spec import Account, Read, Record, Scope, Unread

RESPONSES = Path(__file__).resolve().parents[3] / "shared" / "data" / "responses"
NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
MEDIA = "17846368219941692"

pytestmark = pytest.mark.skipif(not RESPONSES.exists(), reason="the recorded responses are not beside the repository")


def recorded(platform: str, ending: str) -> Any:
    """The one recorded body whose file ends so."""
    lines = (RESPONSES / f"{platform}.jsonl").read_text(encoding="utf-8").splitlines()
    (body,) = [row["body"] for row in map(json.loads, lines) if (row["path"] or "").endswith(ending)]
    return body


def reader(platform: str, stream: str, **asked: Any) -> tuple[Read, Scope]:
    account = Account(business_id=1, platform=platform, account_id="1", credential="none", timezone="UTC")
    (read,) = PLATFORMS[platform].stream(stream).reads
    return read, Scope(account=account, now=NOW, **asked)


def batch_of_one(body: Any) -> list[dict[str, Any]]:
    return [{"code": 200, "body": json.dumps(body)}]


@pytest.mark.parametrize(("page", "goes_on"), [("1", True), ("2", False)])
def test_comments_of_a_media_object(page: str, goes_on: bool) -> None:
    read, scope = reader("instagram", "comments", ids=(MEDIA,))
    assert read.follow
    listed = recorded("instagram", f"medias/comments_p{page}.json")
    body = batch_of_one({"id": MEDIA, "username": "ikroskun", "comments": listed})
    found = read.records(scope, body)
    assert [item.key for item in found] == [each["id"] for each in listed["data"]]
    texts = [item.payload["text"] for item in found if isinstance(item, Record)]
    assert texts == [each["text"] for each in listed["data"]]
    assert set(read.follow.places(scope, body)) == ({MEDIA} if goes_on else set())


def test_replies_to_a_comment_name_no_member() -> None:
    read, scope = reader("instagram", "comments", places={f"{MEDIA}/17858154961981086": "ikroskun after"})
    (reply,) = read.records(scope, batch_of_one(recorded("instagram", "comments/replies.json")))
    assert isinstance(reply, Record)
    assert reply.payload["text"] == "@member nihao"
    assert (reply.payload["post_id"], reply.payload["parent_id"]) == (MEDIA, "17858154961981086")


def test_comments_that_came_without_ids_are_refused_by_name_and_withheld() -> None:
    """Apps with the feature for public content get none: https://developers.facebook.com/docs/graph-api/reference/."""
    read, scope = reader("facebook", "comments", ids=("1_2",))
    listed = recorded("facebook", "comments/comments_p1.json")
    assert "id" not in listed["data"][0]
    (unread,) = read.records(scope, batch_of_one(listed))
    assert isinstance(unread, Unread)
    assert type(unread.error) is ContractBroken
    assert listed["data"][0]["message"][:20] not in unread.body.decode()


@pytest.mark.parametrize("page", ["1", "2"])
def test_media_of_a_competitor(page: str) -> None:
    read, scope = reader("instagram", "competitors", handles=("facebookfordevelopers",))
    body = recorded("instagram", f"discovery/medias_p{page}.json")
    profile, *posts = read.records(scope, body)
    listed = body["business_discovery"]["media"]["data"]
    assert profile.key == "facebookfordevelopers:profile:2026-11-21"
    assert [post.key for post in posts] == [f"facebookfordevelopers:post:{each['id']}" for each in listed]


def test_profile_of_a_competitor_without_media() -> None:
    read, scope = reader("instagram", "competitors", handles=("facebookfordevelopers",))
    (profile,) = read.records(scope, recorded("instagram", "discovery/user_fields.json"))
    assert isinstance(profile, Record)
    assert profile.payload["name"] == "Facebook for Developers"


def test_a_list_of_stories_names_what_to_ask_next() -> None:
    read, scope = reader("instagram", "stories", metrics=("views",))
    assert read.follow
    listed = recorded("instagram", "users/stories.json")
    places = dict(read.follow.places(scope, listed))
    stories = {each["id"] for each in listed["data"]}
    assert stories
    assert stories <= set(places)
    asked = Scope(account=scope.account, now=NOW, metrics=("views",), places={key: places[key] for key in stories})
    views = {"data": [{"name": "views", "period": "lifetime", "values": [{"value": 7}]}]}
    found = read.records(asked, batch_of_one(views) * len(stories))
    assert {item.key for item in found} == stories
