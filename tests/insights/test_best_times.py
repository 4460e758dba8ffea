"""Best times against simulated accounts whose truth is known, worlds with nothing to find included."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from insights import best_times
from insights.calibration import EFFECTS, account, measure
from insights.effects import HOURS, Belief, learned

SETTLED = 40


def sample_of(posts: int, effect: str, seed: int) -> best_times.Sample:
    return best_times.sample(account(np.random.default_rng(seed), posts, *EFFECTS[effect]).posts)


def test_where_time_makes_no_difference_hardly_any_account_hears_a_recommendation():
    row = measure("none", 150, SETTLED, pool=False)
    assert row["recommend"] <= 10


def test_a_recommended_slot_is_better_than_the_one_plain_averages_name():
    row = measure("large", 150, 2 * SETTLED)
    assert row["recommend"] > 30
    assert row["gain"] > row["plain gain"]
    assert row["worse"] <= row["plain worse"] / 2


def test_the_intervals_hold_what_they_promise():
    row = measure("large", 400, SETTLED)
    assert 72 <= row["covered 80"] <= 88
    assert 90 <= row["covered 95"] <= 99


def test_a_world_without_effect_teaches_an_account_to_doubt():
    doubt = learned([sample_of(150, "none", seed).found for seed in range(30)])
    trust = learned([sample_of(150, "large", seed).found for seed in range(30)])
    thin = [sample_of(40, "large", seed) for seed in range(100, 110)]

    def size(belief: Belief) -> float:
        return float(np.mean([np.abs(best_times.judged(one, belief).posterior.mean).mean() for one in thin]))

    # Not to nothing: a share of the prior stays wide, since an account need not be like the others.
    assert size(doubt) < 0.75 * size(trust)


def test_thin_accounts_of_a_small_effect_are_not_told_too_short_intervals():
    row = measure("small", 60, SETTLED)
    assert row["covered 80"] >= 70
    assert row["covered 95"] >= 90


def test_content_that_is_posted_at_an_hour_is_not_mistaken_for_the_hour():
    rng = np.random.default_rng(3)
    hour = rng.choice([9, 17], 300)
    kind = np.where(rng.random(300) < np.where(hour == 9, 0.9, 0.1), "video", "text")
    rate = 0.03 * np.exp(0.8 * (kind == "video") + rng.normal(0, 0.3, 300))
    posts = frame_of(hour, rng.integers(1, 8, 300), kind, rate)
    found = best_times.judged(best_times.sample(posts), best_times.learned([])).frame()
    at_nine = found[found["hour"] == 9]
    assert at_nine["engagement_rate_mean"].mean() > 1.4 * found[found["hour"] == 17]["engagement_rate_mean"].mean()
    assert (at_nine["verdict"] != "recommend").all()


def test_an_hour_that_is_truly_better_is_found_and_named_in_words():
    rng = np.random.default_rng(4)
    hour, weekday = rng.integers(7, 22, 400), rng.integers(1, 8, 400)
    rate = 0.03 * np.exp(0.6 * (np.abs(hour - 10) <= 1) + rng.normal(0, 0.5, 400))
    posts = frame_of(hour, weekday, np.full(400, "text"), rate)
    found = best_times.recommendations(best_times.judged(best_times.sample(posts), best_times.learned([])).frame())
    first = found.iloc[0]
    assert first["verdict"] == "recommend"
    assert 9 <= first["hour"] <= 11
    assert first["label"].endswith(f"{first['hour']:02d}:00")
    assert "80 % interval" in first["evidence"]
    assert "better with probability > 0.99" in first["evidence"]
    assert "(p < 0.01)" in first["evidence"]
    assert list(found["rank"]) == [1, 2, 3]


def test_growth_of_the_account_is_not_mistaken_for_a_time():
    rng = np.random.default_rng(5)
    early = np.arange(300) < 150
    hour = np.where(early, rng.integers(6, 12, 300), rng.integers(14, 20, 300))
    rate = 0.02 * np.exp(np.arange(300) / 200 + rng.normal(0, 0.3, 300))
    posts = frame_of(hour, rng.integers(1, 8, 300), np.full(300, "text"), rate)
    verdicts = set(best_times.judged(best_times.sample(posts), best_times.learned([])).verdicts)
    assert "recommend" not in verdicts


@pytest.mark.parametrize("count", [1, 5, 29])
def test_too_few_posts_are_said_to_be_too_few(count: int):
    rng = np.random.default_rng(6)
    posts = frame_of(
        rng.integers(0, 24, count), rng.integers(1, 8, count), np.full(count, "text"), np.full(count, 0.02)
    )
    judged = best_times.judged(best_times.sample(posts), best_times.learned([]))
    (row,) = best_times.recommendations(judged.frame()).to_dict("records")
    assert row["verdict"] == "insufficient_data"
    assert f"about {30 - count} more posts" in row["evidence"]
    assert judged.frame()["lift"].isna().all()


def test_only_slots_that_were_posted_in_are_judged():
    one = sample_of(60, "large", 7)
    frame = best_times.judged(one, best_times.learned([])).frame()
    assert len(frame) == np.count_nonzero(one.found.posted) < 7 * HOURS
    assert frame["posts"].sum() == 60


def test_the_same_posts_give_the_same_answer():
    one = sample_of(100, "small", 8)
    first, again = (best_times.judged(one, best_times.learned([]), seed=5).frame() for _ in range(2))
    pd.testing.assert_frame_equal(first, again)


def test_one_content_type_and_one_hour_are_no_trouble():
    posts = frame_of(np.full(40, 9), np.full(40, 1), np.full(40, "text"), np.linspace(0.01, 0.02, 40))
    judged = best_times.judged(best_times.sample(posts), best_times.learned([]))
    assert set(judged.frame()["verdict"]) == {"no_evidence"}


def frame_of(hour: np.ndarray, weekday: np.ndarray, kind: np.ndarray, rate: np.ndarray) -> pd.DataFrame:
    start = pd.Timestamp("2026-01-01", tz="UTC")
    return pd.DataFrame(
        {
            "account": "a",
            "content_type": kind,
            "published_at": start + pd.to_timedelta(np.arange(len(hour)), unit="D"),
            "weekday": weekday,
            "hour": hour,
            "engagement": rate * 10_000,
            "impressions": 10_000.0,
        }
    )
