"""The streams that no mart shows yet: staging against the world, at once and after nine days."""

from __future__ import annotations

import pandas as pd
import pytest

from simulator import competitors, social_truth
from tests.pipeline.compare import assert_same
from tests.pipeline.conftest import Built

COMMENT = ["business_id", "account_id", "platform", "post_id", "parent_comment_id", "commented_at", "text", "likes"]


def newest(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """The last version of each record."""
    return frame.sort_values("observed_at").groupby(key, as_index=False).tail(1)


@pytest.mark.parametrize("platform", ["linkedin", "twitter"])
def test_comments_equal_the_world(built: Built, platform: str) -> None:
    expected = pd.DataFrame(social_truth.expected_comments(platform, built.world.posts, built.observed))
    actual = newest(built.table(f"staging.stg_{platform}__comments"), "comment_id")
    # Those of deleted posts stay as they were last told.
    actual, expected = (each[~each["post_id"].isin(built.deleted)] for each in (actual, expected))
    assert len(expected) > 100
    assert expected["is_own"].any() or platform == "twitter"
    assert_same(actual, expected.astype({"likes": "float64"}), ["comment_id"], [*COMMENT, "is_own"])


@pytest.mark.parametrize("platform", ["linkedin", "twitter"])
def test_competitors_equal_the_world(built: Built, platform: str) -> None:
    told = competitors.expected_competitors(built.world.accounts, platform, built.observed)
    expected = pd.DataFrame({"record_key": key, **values} for key, values in told.items())
    actual = newest(built.table(f"staging.stg_{platform}__competitors"), "record_key")
    values = ["business_id", "account_id", "observed_date", "competitor_id", "handle", "name", "followers_count"]
    assert_same(actual, expected, ["record_key"], values)


def test_linkedin_reactions_by_type_equal_the_world(built: Built) -> None:
    told = social_truth.expected_reactions(built.world.posts, built.observed)
    kinds = ["like", "praise", "empathy", "interest", "appreciation", "entertainment"]
    expected = pd.DataFrame(
        {"post_id": urn, **{f"{kind}_count": found.get(kind.upper()) for kind in kinds}} for urn, found in told.items()
    )
    values = [f"{kind}_count" for kind in kinds]
    expected = expected.astype(dict.fromkeys(values, "float64"))
    assert_same(newest(built.table("staging.stg_linkedin__post_reactions"), "post_id"), expected, ["post_id"], values)


def test_linkedin_videos_equal_the_world(built: Built) -> None:
    told = social_truth.expected_videos(built.world.posts, built.observed)
    expected = pd.DataFrame(
        {"post_id": urn, "statistic": kind, "value": float(value)} for (urn, kind), value in told.items()
    )
    actual = newest(built.table("staging.stg_linkedin__video_metrics"), "record_key")
    assert_same(actual, expected, ["post_id", "statistic"], ["value"])


def test_linkedin_posts_of_all_types_are_told_apart(built: Built) -> None:
    """A reshare names what it passes on; every other type has a sign of its own."""
    staged = newest(built.table("staging.stg_linkedin__posts"), "post_id").set_index("post_id")
    signs = {
        "carousel": staged["has_multi_image"],
        "poll": staged["has_poll"],
        "link": staged["has_article"],
        **{kind: staged["media_urn"].fillna("").str.startswith(f"urn:li:{kind}:") for kind in ("image", "video")},
        "document": staged["media_urn"].fillna("").str.startswith("urn:li:document:"),
    }
    listed = [
        post
        for account in built.world.accounts
        if account.platform == "linkedin"
        for post in built.world.posts[account.key]
        if post.created_at <= built.now
    ]
    assert {post.content_type for post in listed} == {*signs, "text"}
    for kind, sign in signs.items():
        assert {post.post_id for post in listed if post.content_type == kind} == set(staged.index[sign])
    reshares = set(staged.index[staged["reshared_urn"].notna()])
    assert {post.post_id for post in listed if post.kind == "reshare"} == reshares
