"""What others recorded of X's search and lookups and of LinkedIn's comments is read by our readers, of nobody."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from extractors.errors import ContractBroken, ObjectGone
from extractors.registry import PLATFORMS
from extractors.spec import Account, Record, Scope, Unread

RESPONSES = Path(__file__).resolve().parents[3] / "shared" / "data" / "responses"
NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not RESPONSES.exists(), reason="the recorded responses are not beside the repository")


def recorded(platform: str, source: str) -> list[Any]:
    """The bodies of successful answers whose endpoint or file matches."""
    rows = [json.loads(line) for line in (RESPONSES / f"{platform}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        row["body"]
        for row in rows
        if re.search(source, row["endpoint"] or row["path"]) and (row["status"] or 200) == 200
    ]


def read(platform: str, stream: str, body: Any, **asked: Any) -> list[Record | Unread]:
    account = Account(business_id=1, platform=platform, account_id="5637409", credential="none", timezone="UTC")
    (one,) = PLATFORMS[platform].stream(stream).reads
    return list(one.records(Scope(account=account, now=NOW, **asked), body))


def test_recorded_searches_are_read_without_their_authors() -> None:
    bodies = recorded("twitter", r"tweets/search/recent")
    assert bodies
    for body in bodies:
        found = read("twitter", "comments", body)
        assert [item.key for item in found] == [post["id"] for post in body["data"]]
        kept = json.dumps([item.payload for item in found if isinstance(item, Record)])
        for post in body["data"]:
            assert "author_id" not in kept
            mentions = post.get("entities", {}).get("mentions", [])
            assert not [one for one in mentions if f"@{one['username']}" in kept]


def test_recorded_lookups_of_handles_are_read_and_unknown_handles_kept_apart() -> None:
    bodies = recorded("twitter", r"/2/users/by(\?|$)")
    assert bodies
    unknown = 0
    for body in bodies:
        found = read("twitter", "competitors", body)
        told = [item for item in found if isinstance(item, Record)]
        assert [one.payload["id"] for one in told] == [user["id"] for user in body.get("data", [])]
        failed = [item for item in found if isinstance(item, Unread)]
        assert len(failed) == len(body.get("errors", []))
        assert all(isinstance(item.error, ObjectGone) for item in failed)
        unknown += len(failed)
    assert unknown


def test_a_recorded_comment_of_an_organization_is_its_own_and_names_nobody_else() -> None:
    (body,) = recorded("linkedin", r"commentResponse\.json$")
    post = "urn:li:share:6641861161010679808"
    (comment,) = read("linkedin", "comments", {"elements": [body]}, ids=(post,))
    assert isinstance(comment, Record)
    assert comment.key == body["$URN"]
    assert comment.payload["actor"] == "urn:li:organization:5637409"
    assert comment.payload["post"] == post
    assert comment.payload["message"] == {"text": "commentV2 with image urn"}
    assert "urn:li:person" not in json.dumps(comment.payload)


def test_comments_without_their_post_are_refused_by_name() -> None:
    with pytest.raises(ContractBroken, match="does not say of which post"):
        read("linkedin", "comments", {"elements": []})
