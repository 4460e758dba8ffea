"""Hashtags against simulated accounts whose truth is known, and the pieces the judgement is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from insights import hashtags
from insights.calibration import measure_hashtags, tagged_account
from insights.permutation import between_groups, p_value, shuffled
from insights.shrinkage import benjamini_hochberg, learned_mixture, shrunk


def test_forty_tags_without_effect_are_hardly_ever_flagged_where_plain_averages_flag_some():
    row = measure_hashtags(150, 30, 0, pool=False)
    assert row["false"] <= 0.2
    assert row["plain false"] > 3


def test_true_tags_are_found_with_posts_enough():
    row = measure_hashtags(400, 20, 3)
    assert row["found"] > 15
    assert row["false"] <= 0.5


def test_a_tag_of_a_popular_content_type_is_not_mistaken_for_its_cause():
    rng = np.random.default_rng(1)
    is_video = rng.random(300) < 0.4
    tags = [["clip"] if video and rng.random() < 0.8 else ["other"] for video in is_video]
    posts = frame_of(np.where(is_video, "video", "text"), 0.02 * np.exp(0.9 * is_video + rng.normal(0, 0.3, 300)), tags)
    found = hashtags.judged(hashtags.sample(posts), hashtags.learned([])).set_index("hashtag")
    assert found.loc["clip", "verdict"] == "no_evidence"
    assert found.loc["clip", "lift_low"] <= 0 <= found.loc["clip", "lift_high"]


def test_a_tag_always_beside_a_lifting_one_does_not_get_its_credit_twice():
    rng = np.random.default_rng(2)
    lifting, beside = rng.random(400) < 0.3, rng.random(400) < 0.5
    tags = [
        [*(["good"] if a else []), *(["idle"] if (a and b) else []), "x"] for a, b in zip(lifting, beside, strict=True)
    ]
    posts = frame_of(np.full(400, "text"), 0.02 * np.exp(0.5 * lifting + rng.normal(0, 0.4, 400)), tags)
    found = hashtags.judged(hashtags.sample(posts), hashtags.learned([])).set_index("hashtag")
    assert found.loc["good", "verdict"] == "recommend"
    assert found.loc["idle", "lift"] < found.loc["good", "lift"] / 2


def test_tags_of_hardly_any_or_nearly_every_post_are_not_judged():
    tags = [["always", *(["thrice"] if number < 3 else []), *(["often"] if number % 2 else [])] for number in range(40)]
    one = hashtags.sample(frame_of(np.full(40, "text"), np.full(40, 0.02), tags))
    assert one.tags == ("often",)


def test_too_few_posts_are_not_judged():
    posts = tagged_account(np.random.default_rng(3), 20, 0)
    assert hashtags.judged(hashtags.sample(posts), hashtags.learned([])).empty


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=60))
def test_q_values_equal_those_of_scipy(p: list[float]):
    assert np.allclose(benjamini_hochberg(np.array(p)), false_discovery_control(np.array(p)))


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 2**32))
def test_a_shuffle_keeps_every_stratum(count: int, strata: int, seed: int):
    rng = np.random.default_rng(seed)
    values, groups = rng.normal(size=count), rng.integers(0, strata, count)
    for row in shuffled(values, groups, 5, seed):
        for group in set(groups.tolist()):
            assert sorted(row[groups == group]) == sorted(values[groups == group])


def test_a_permutation_test_of_noise_is_uniform():
    rng = np.random.default_rng(4)
    found = []
    for seed in range(300):
        values, groups = rng.normal(size=40), rng.integers(0, 4, 40)
        draws = np.vstack([values, shuffled(values, np.zeros(40, dtype=np.int64), 99, seed)])
        statistic = between_groups(draws, groups)
        found.append(p_value(statistic[0], statistic[1:]))
    assert 0.05 <= np.mean(np.array(found) <= 0.10) <= 0.16


def test_shrinkage_believes_what_many_estimates_agree_on():
    rng = np.random.default_rng(5)
    errors = np.full(2_000, 0.2)
    true = np.where(rng.random(2_000) < 0.3, rng.normal(0, 0.4, 2_000), 0.0)
    estimates = true + rng.normal(0, errors)
    posterior = shrunk(estimates, errors, learned_mixture(estimates, errors))
    assert np.mean((posterior.mean - true) ** 2) < 0.6 * np.mean((estimates - true) ** 2)
    inside = (posterior.quantile(0.1) <= true) & (true <= posterior.quantile(0.9))
    assert 0.78 <= np.mean(inside) <= 0.97


def frame_of(kind: np.ndarray, rate: np.ndarray, tags: list[list[str]]) -> pd.DataFrame:
    start = pd.Timestamp("2026-01-01", tz="UTC")
    return pd.DataFrame(
        {
            "account": "a",
            "content_type": kind,
            "published_at": start + pd.to_timedelta(np.arange(len(kind)), unit="D"),
            "engagement": rate * 10_000,
            "impressions": 10_000.0,
            "hashtags": tags,
        }
    )
