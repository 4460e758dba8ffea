"""The history of every post, worked out from the looks, against what the marts tell of it."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.pipeline import history, oracle
from tests.pipeline.compare import assert_same
from tests.pipeline.conftest import Built
from tests.pipeline.history import ADDITIVE, KEYS
from tests.pipeline.readings import Watched, watched
from tests.warehouse.history_oracle import AGES

IDENTITY = list(KEYS)
VALUES = [f"{kind}_{age}" for age in AGES for kind in ("value", "is_interpolated")]


@pytest.fixture
def posts(built: Built) -> list[Watched]:
    """Every organic post with what was told of it."""
    return watched(built)


def test_values_at_ages_and_half_lives_equal_the_looks(built: Built, posts: list[Watched]):
    expected = history.velocity(posts, built.now)
    about = ["content_type", "published_at", "final_value", "first_seen_hours"]
    ends = ["hours_to_half", "hours_to_90", "is_censored", "censored_because"]
    actual = built.table("marts.post_velocity")
    assert_same(actual, expected, [*IDENTITY, "metric"], [*about, *VALUES, *ends])
    if len(built.observed) > 1:
        told = expected[[f"is_interpolated_{age}" for age in AGES]].stack().value_counts()
        assert min(told[True], told[False]) > 100
        assert expected["hours_to_half"].notna().any()
        assert set(expected["censored_because"].dropna()) == {"younger than 7 days", "not settled"}


def test_posts_are_measured_by_the_median_of_their_like(built: Built, posts: list[Watched]):
    expected = history.over_performance(posts)
    values = ["content_type", "published_at", "age_hours", "value", "is_interpolated", "n", *history.JUDGED]
    actual = built.table("marts.post_over_performance")
    assert_same(actual, expected, [*IDENTITY, "metric"], [*values, "not_judged_because"])
    assert built.now == built.observed[0] or expected["ratio"].notna().sum() > 20


def test_gains_by_day_equal_the_looks(built: Built, posts: list[Watched]):
    expected = history.daily(posts)
    actual = with_post_ids(built, "core.fct_post_daily")
    values = [*ADDITIVE, "engagement", *(f"opening_{name}" for name in (*ADDITIVE, "engagement"))]
    assert_same(actual, expected, [*IDENTITY, "activity_date"], [*values, "is_opening", "days_covered", "observed_at"])


def test_trends_equal_the_looks(built: Built, posts: list[Watched]):
    expected = history.trends(posts, built.posts(), built.today())
    keys = ["business_id", "platform", "period", "period_start", "attribution"]
    rated = ["rated_engagement", "rated_impressions", "engagement_rate"]
    values = ["posts", *ADDITIVE, "engagement", *rated, "max_days_covered", "is_partial"]
    assert_same(built.table("marts.engagement_trends"), expected, keys, values)


def test_every_fall_is_listed(built: Built, posts: list[Watched]):
    actual = built.table("marts.restatements")
    of_posts = actual[actual["period"] == "lifetime"]
    if len(built.observed) == 1:
        assert of_posts.empty
        return
    expected = history.falls(posts)
    assert {"likes", "reactions"} <= set(expected["metric"])
    values = ["period", "day", "old_observed_at", "old_value", "new_value", "difference", "cause", "delay_hours"]
    assert_same(of_posts, expected, [*IDENTITY, "metric", "observed_at"], values)
    assert actual["restatement_id"].is_unique


def test_days_that_changed_afterwards_are_those_of_which_raw_has_two_versions(built: Built):
    """The simulator tells of a day once and for all; days that change are in tests/warehouse."""
    told = pd.concat(
        built.table(f"raw.{platform}__account_daily") for platform in ("linkedin", "facebook", "instagram")
    )
    versions = told.groupby(["account_id", "record_key"]).size()
    actual = built.table("marts.restatements")
    assert (actual["period"] == "day").sum() == (versions > 1).sum()


def test_deleted_posts_are_marked_and_keep_their_last_values(builds: dict[str, Built]):
    built = builds["second"]
    posts = built.posts()
    gone = posts[posts["is_deleted"]]
    assert set(gone["platform"]) == {"linkedin", "twitter", "facebook", "instagram"}
    assert_same(built.table("marts.post_performance"), posts, IDENTITY, ["is_deleted", *oracle.METRICS])
    assert all(gone["published_at"] < built.observed[0])


def with_post_ids(built: Built, relation: str) -> pd.DataFrame:
    """Rows of organic posts, named as marts name them."""
    names = built.table("core.fct_posts")[["post_key", "post_id"]]
    found = built.table(relation).merge(names, on="post_key")
    found.attrs["relation"] = relation
    return found
