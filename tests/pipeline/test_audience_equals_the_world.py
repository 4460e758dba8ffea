"""Followers, who they are, and stories, against the simulator's truth."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd

from simulator import stories
from tests.pipeline import audience
from tests.pipeline.compare import assert_same
from tests.pipeline.conftest import Built

NAVIGATION = {
    "tap_forward": "taps_forward",
    "tap_back": "taps_back",
    "tap_exit": "exits",
    "swipe_forward": "swipes_forward",
}


def test_daily_followers_equal_the_world(built: Built):
    keys = [*audience.ACCOUNT, "day"]
    assert_same(built.table("marts.audience_growth"), audience.growth(built), keys, [*audience.FLOWS, "growth_rate"])


def test_demographics_equal_the_world(built: Built):
    expected = audience.demographics(built)
    actual = built.table("marts.audience_demographics")
    keys = [*audience.ACCOUNT, "day", "dimension", "value"]
    told = ["label", "followers", "share", "suppressed_because"]
    rest = ["followers_count", "share_of_followers", "unknown_followers", "unknown_share"]
    dated = actual["platform"] != "facebook"
    assert_same(actual[dated], expected[expected["platform"] != "facebook"], keys, [*told, *rest])
    # Facebook dates its geography itself, by the Pacific day it ends: the newest of both is the same stock.
    newest = [name for name in keys if name != "day"]
    assert_same(_newest(actual[~dated]), _newest(expected[expected["platform"] == "facebook"]), newest, told)


def _newest(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["day"] == frame.groupby("account_id")["day"].transform("max")]


def test_audience_insights_equal_the_world(built: Built):
    """Days of Facebook's geography are its own: those are taken from the mart that shows them by value."""
    told = audience.demographics(built)
    dated = built.table("marts.audience_demographics").astype({"followers": "float64"})
    told = pd.concat([told[told["platform"] != "facebook"], dated[dated["platform"] == "facebook"]])
    keys = ["business_id", "platform", "day"]
    expected = audience.insights(built, told).merge(audience.told_at(built), on=keys)
    actual = built.table("marts.audience_insights")
    objects = ["age_demographics", "gender_demographics", "location_demographics"]
    values = ["followers_count", "follower_growth_rate", *objects, "synced_at", "created_at"]
    assert_same(actual, expected, keys, values)
    assert expected["age_demographics"].notna().any()
    assert actual["id"].is_unique


def test_stories_equal_the_world(built: Built):
    world = built.world
    rows = stories.expected_stories(world.accounts, world.seed, world.anchor, built.observed)
    expected = pd.DataFrame(rows.values()).rename(columns=NAVIGATION)
    expected["platform"] = "instagram"
    ways = expected[list(NAVIGATION.values())]
    expected["navigation"] = ways.sum(axis=1, min_count=1)
    expected["suppressed_because"] = expected["views"].map(
        lambda views: "fewer than 5 viewers" if views != views else None
    )
    by_id = {
        one.post_id: one for account in world.accounts for one in stories.stories(account, world.seed, world.anchor)
    }
    expected["media_type"] = [by_id[post_id].payload["media_type"] for post_id in expected["post_id"]]
    expected["published_at_local"] = [
        at.astimezone(ZoneInfo(built.timezones[business])).replace(tzinfo=None)
        for at, business in zip(expected["published_at"], expected["business_id"], strict=True)
    ]
    last = [max(at for at in built.observed if published <= at < published + stories.LIFE)
            for published in expected["published_at"]]  # fmt: skip
    expected["metrics_observed_at"] = pd.Series(last).where(expected["views"].notna().to_numpy(), None)
    counted = ["views", "reach", "replies", "shares", "total_interactions", "follows", "profile_visits", "link_clicks"]
    about = ["published_at", "published_at_local", "expires_at", "media_type", "permalink", "suppressed_because"]
    values = [*about, *counted, "navigation", *NAVIGATION.values(), "metrics_observed_at"]
    keys = ["business_id", "platform", "account_id", "post_id"]
    assert_same(built.table("marts.story_performance"), expected, keys, values)
    assert len(expected) > 30
