"""The advice of the marts against the statistics of the world's own posts, and their chances against plain shuffles.

That the statistics themselves are right is proved where the truth is known: tests/insights, docs/statistics.md. Here
they must have been computed from the right posts, and every number of them must have come to its place.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from insights import best_times, hashtags
from tests.pipeline.compare import assert_same
from tests.pipeline.conftest import Built

MATURE = timedelta(days=7)
SHUFFLES = 400
#: Two estimates of one chance differ by less than this: five standard deviations of the wider one.
APART = 0.16
GROUP = ["business_id", "platform"]


@pytest.fixture
def mature(built: Built) -> pd.DataFrame:
    """The posts that the statistics may look at, in the order in which they look."""
    posts = built.posts()
    is_old = posts["published_at"] <= built.now - MATURE
    posts = posts[posts["engagement"].notna() & (posts["impressions"] > 0) & is_old]
    names = posts[["business_id", "platform", "account_id", "post_id"]].astype(str).agg("|".join, axis=1)
    posts = posts.assign(
        account=posts["account_id"],
        weekday=[at.isoweekday() for at in posts["local"]],
        hour=[at.hour for at in posts["local"]],
        key=[hashlib.md5(name.encode(), usedforsecurity=False).hexdigest() for name in names],
    )
    return posts.sort_values([*GROUP, "published_at", "key"], ignore_index=True)


def seed_of(business: object, platform: object) -> int:
    return crc32(f"{platform}:{business}".encode())


def test_best_times_are_those_of_the_world_s_posts(built: Built, mature: pd.DataFrame):
    slots, advice = [], []
    for platform, posts in mature.groupby("platform"):
        samples = {business: best_times.sample(group) for business, group in posts.groupby("business_id")}
        belief = best_times.learned(list(samples.values()))
        for business, one in samples.items():
            found = best_times.judged(one, belief, seed=seed_of(business, platform)).frame()
            slots.append(found.assign(business_id=business, platform=platform))
            words = best_times.recommendations(found)
            advice.append(words.assign(business_id=business, platform=platform))
    judged = pd.concat(slots, ignore_index=True)
    actual = built.table("marts.best_times")
    is_young = actual["posts_judged"].isna()
    assert (actual.loc[is_young, "verdict"] == "insufficient_data").all()
    lifts = ["lift", "lift_low", "lift_high", "lift_low_95", "lift_high_95", "probability_better"]
    values = [*lifts, "p_value", "posts_judged", "more_posts", "verdict"]
    assert_same(actual[~is_young], judged, [*GROUP, "weekday", "hour"], values, within=1e-9)
    said = ["weekday", "hour", "label", "lift", "verdict", "evidence"]
    assert_same(built.table("marts.best_time_recommendations"), pd.concat(advice, ignore_index=True), [*GROUP, "rank"],
                said, within=1e-9)  # fmt: skip
    assert judged["lift"].notna().sum() > 300


def test_lifts_of_hashtags_are_those_of_the_world_s_posts(built: Built, mature: pd.DataFrame):
    lifts = []
    for platform, posts in mature.groupby("platform"):
        samples = {business: hashtags.sample(group) for business, group in posts.groupby("business_id")}
        mixture = hashtags.learned(list(samples.values()))
        for business, one in samples.items():
            found = hashtags.judged(one, mixture, seed=seed_of(business, platform))
            lifts.append(found.assign(business_id=business, platform=platform))
    judged = pd.concat([found for found in lifts if len(found)], ignore_index=True)
    actual = built.table("marts.hashtags")
    is_judged = actual["p_value"].notna()
    assert (actual.loc[~is_judged, "verdict"] == "insufficient_data").all()
    values = ["lift", "lift_low", "lift_high", "p_value", "q_value", "verdict"]
    assert_same(actual[is_judged], judged, [*GROUP, "hashtag"], values, within=1e-9)
    for _, tags in actual[is_judged].groupby(GROUP):
        q = false_discovery_control(tags["p_value"].astype(float))
        assert np.allclose(q, tags["q_value"].astype(float))


def test_the_chances_are_those_of_plain_shuffles(built: Built, mature: pd.DataFrame):
    """The same question asked without a line of the pipeline's: least squares, shuffled lists, sums of squares."""
    rng = np.random.default_rng(1)
    told = built.table("marts.best_times").groupby(GROUP)["p_value"].max().astype(float)
    compared = 0
    for key, posts in mature.groupby(GROUP):
        if len(posts) < best_times.ENOUGH_POSTS or pd.isna(told[key]):
            continue
        left, strata = residuals(posts)
        times = [posts["hour"].to_numpy() // 2, posts["weekday"].to_numpy()]
        observed = between(left, times)
        draws = [between(shuffled(left, strata, rng), times) for _ in range(SHUFFLES)]
        assert abs(np.mean([draw >= observed for draw in draws]) - told[key]) < APART, key
        compared += 1
    assert compared >= 10


def residuals(posts: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What account, content type and a bent line through time leave of the log rate; and who may change places."""
    rate = np.log((posts["engagement"].clip(lower=0) + 0.5) / (posts["impressions"] + 1))
    days = (posts["published_at"] - posts["published_at"].min()) / timedelta(days=1)
    scaled = (days - days.mean()) / days.std()
    bend = [scaled, scaled**2] if len(posts) >= 60 else [scaled]
    kinds = pd.get_dummies(posts[["account_id", "content_type"]]).astype(float)
    design = np.column_stack([np.ones(len(posts)), kinds, *bend])
    fitted = design @ np.linalg.lstsq(design, rate.to_numpy(), rcond=None)[0]
    return rate.to_numpy() - fitted, posts.groupby(["account_id", "content_type"]).ngroup().to_numpy()


def between(values: np.ndarray, groupings: list[np.ndarray]) -> float:
    """The sum of squares between groups, over several ways to group."""
    total = 0.0
    for groups in groupings:
        for group in np.unique(groups):
            own = values[groups == group]
            total += own.sum() ** 2 / len(own)
    return total


def shuffled(values: np.ndarray, strata: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same values, mixed within each stratum."""
    found = values.copy()
    for stratum in np.unique(strata):
        found[strata == stratum] = rng.permutation(values[strata == stratum])
    return found
