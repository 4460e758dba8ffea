"""Stories, comments and competitors of Meta in staging against the world, at once and after nine days."""

from __future__ import annotations

import pandas as pd
import pytest

from simulator import remarks, rivals, stories
from tests.pipeline.compare import assert_same
from tests.pipeline.conftest import Built

NAVIGATION = {
    "tap_forward": "taps_forward",
    "tap_back": "taps_back",
    "tap_exit": "exits",
    "swipe_forward": "swipes_forward",
}


def newest(built: Built, relation: str, key: str) -> pd.DataFrame:
    """The last version of every record of a staging model."""
    frame = built.table(f"staging.{relation}").sort_values("observed_at")
    return frame.drop_duplicates(["business_id", "account_id", key], keep="last")


def of_posts_that_are_there(built: Built, comments: pd.DataFrame) -> pd.DataFrame:
    """Comments of deleted posts stay as they were last told, which the world does not say."""
    return comments[~comments["post_id"].isin(built.deleted)]


def test_stories_are_staged_with_what_was_told_last(built: Built):
    world = built.world
    expected = pd.DataFrame(
        stories.expected_stories(world.accounts, world.seed, world.anchor, built.observed).values()
    ).rename(columns=NAVIGATION)
    counted = ["views", "reach", "replies", "shares", "total_interactions", "follows", "profile_visits", "link_clicks"]
    assert_same(
        newest(built, "stg_instagram__stories", "post_id"),
        expected,
        ["business_id", "account_id", "post_id"],
        [*counted, *NAVIGATION.values(), "published_at", "expires_at", "permalink"],
    )


@pytest.mark.parametrize("platform", ["facebook", "instagram"])
def test_comments_are_staged_without_whoever_wrote_them(platform: str, built: Built):
    world = built.world
    accounts = [account for account in world.accounts if account.platform == platform]
    posts = [post for account in accounts for post in world.posts[account.key] if post.gone_at is None]
    expected = pd.DataFrame.from_dict(remarks.expected_comments(posts, built.now), orient="index")
    expected = expected.rename_axis("comment_id").reset_index()
    assert len(expected) > 5_000
    assert_same(
        of_posts_that_are_there(built, newest(built, f"stg_{platform}__comments", "comment_id")),
        expected.rename(columns={"text": "comment_text", "likes": "like_count"}),
        ["business_id", "account_id", "comment_id"],
        ["post_id", "parent_comment_id", "created_at", "comment_text", "like_count", "is_hidden", "is_owner"],
    )


@pytest.mark.parametrize(
    ("platform", "likes", "comments", "text"),
    [
        ("facebook", "reactions_total_count", "comments_total_count", "message"),
        ("instagram", "like_count", "comments_count", "caption"),
    ],
)
def test_competitors_are_staged_as_they_show_themselves(
    platform: str, likes: str, comments: str, text: str, built: Built
):
    world = built.world
    found = rivals.expected_competitors(world.rivals, world.accounts, platform, built.observed)
    expected = pd.DataFrame(
        [{"account_id": account, "record_key": key, **row} for (account, key), row in found.items()]
    )
    assert_same(
        newest(built, f"stg_{platform}__competitors", "record_key"),
        expected.rename(columns={"likes": likes, "comments": comments, "text": text}),
        ["account_id", "record_key"],
        ["handle", "followers_count", "post_id", "published_at", text, likes, comments],
    )
