"""Simulated accounts with known truth: how often the advice is right, beside what plain averages say.

log engagement rate = content type (sd 0.4) + smooth hour curve + weekday + noise (sd 0.7). Posting habits and the mix
of content depend on the hour, as in life, so raw averages are confounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from insights import best_times, hashtags
from insights.effects import HOURS, SLOTS, WEEKDAYS

Array = NDArray[np.float64]

NOISE, CONTENT_SPREAD, CONTENT_TYPES = 0.7, 0.4, 4
BASE_RATE, IMPRESSIONS = np.log(0.03), 5_000
EFFECTS = {"none": (0.0, 0.0), "small": (0.12, 0.06), "large": (0.25, 0.10)}
SIZES = (60, 150, 400)


@dataclass(frozen=True, slots=True)
class Truth:
    """One simulated account: its posts, and the true log effect of each slot."""

    posts: pd.DataFrame
    slots: Array

    @property
    def usual(self) -> float:
        """The true mean log effect over the slots the account posts in, weighted by its posts."""
        return float(self.slots[self.slot].mean())

    @property
    def slot(self) -> NDArray[np.int64]:
        """The slot of each post: weekday * 24 + hour, Monday is 0."""
        return np.asarray((self.posts["weekday"] - 1) * HOURS + self.posts["hour"], dtype=np.int64)


def _circular(rng: np.random.Generator, spread: float) -> Array:
    """A smooth curve over 24 hours from three harmonics, scaled to the spread."""
    angle = 2 * np.pi * np.arange(HOURS) / HOURS
    curve = sum(
        rng.normal() / order * np.cos(order * angle) + rng.normal() / order * np.sin(order * angle)
        for order in (1, 2, 3)
    )
    return np.asarray((curve - np.mean(curve)) / np.std(curve) * spread, dtype=np.float64)


def account(rng: np.random.Generator, posts: int, hour_spread: float, weekday_spread: float) -> Truth:
    """Return an account with `posts` posts over 26 weeks; spreads are standard deviations of log effects."""
    hours = _circular(rng, hour_spread) if hour_spread else np.zeros(HOURS)
    weekdays = rng.normal(0, weekday_spread, WEEKDAYS) if weekday_spread else np.zeros(WEEKDAYS)
    content = rng.normal(0, CONTENT_SPREAD, CONTENT_TYPES)
    at_hour = rng.choice(HOURS, posts, p=_habit(_circular(rng, 1.2)))
    on_day = rng.choice(WEEKDAYS, posts, p=_habit(rng.normal(0, 0.6, WEEKDAYS)))
    mix = np.array([_circular(rng, 0.8) for _ in range(CONTENT_TYPES)]).T
    odds = np.exp(mix) / np.exp(mix).sum(axis=1, keepdims=True)
    kind = (odds[at_hour].cumsum(axis=1) > rng.random((posts, 1))).argmax(axis=1)
    log_rate = BASE_RATE + content[kind] + hours[at_hour] + weekdays[on_day] + rng.normal(0, NOISE, posts)
    day = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(rng.integers(0, 26, posts) * 7 + on_day, unit="D")
    frame = pd.DataFrame(
        {
            "account": 0,
            "content_type": kind,
            "published_at": day + pd.to_timedelta(at_hour, unit="h"),
            "weekday": on_day + 1,
            "hour": at_hour,
            "engagement": np.exp(log_rate) * IMPRESSIONS,
            "impressions": IMPRESSIONS,
        }
    )
    return Truth(frame, np.add.outer(weekdays, hours).reshape(SLOTS))


def _habit(preference: Array) -> Array:
    return np.asarray(np.exp(preference) / np.exp(preference).sum(), dtype=np.float64)


def plain(truth: Truth, fewest: int = 1) -> int:
    """Return the slot with the highest plain mean engagement rate among those with at least `fewest` posts."""
    rate = (truth.posts["engagement"] / truth.posts["impressions"]).to_numpy()
    counts = np.bincount(truth.slot, minlength=SLOTS)
    means = np.bincount(truth.slot, weights=rate, minlength=SLOTS) / np.maximum(counts, 1)
    return int(np.where(counts >= min(fewest, counts.max()), means, -1).argmax())


def measure(effect: str, posts: int, accounts: int, *, pool: bool = True, seed: int = 1) -> dict[str, float]:
    """Return one row of the table: shares and gains in per cent, over `accounts` accounts of one platform."""
    rng = np.random.default_rng([seed, posts, *map(ord, effect)])
    truths = [account(rng, posts, *EFFECTS[effect]) for _ in range(accounts)]
    samples = [best_times.sample(truth.posts) for truth in truths]
    pooled = best_times.learned(samples)
    judged = [
        best_times.judged(one, pooled if pool else best_times.learned([one]), seed=number)
        for number, one in enumerate(samples)
    ]
    advised = [_advised(each) for each in judged]
    ours = [_gain(truth, slot) for truth, slot in zip(truths, advised, strict=True) if slot is not None]
    plainly = [_gain(truth, plain(truth)) for truth in truths]
    often = [_gain(truth, plain(truth, 3)) for truth in truths]
    return {
        "posts": posts,
        "recommend": 100 * len(ours) / accounts,
        "gain": float(np.mean(ours)) if ours else float("nan"),
        "worse": 100 * float(np.mean(np.array(ours) < 0)) if ours else float("nan"),
        "plain gain": float(np.mean(plainly)),
        "plain worse": 100 * float(np.mean(np.array(plainly) < 0)),
        "plain n>=3 gain": float(np.mean(often)),
        "plain n>=3 worse": 100 * float(np.mean(np.array(often) < 0)),
        "oracle gain": float(np.mean([_gain(truth, int(truth.slots.argmax())) for truth in truths])),
        **_coverage(truths, judged),
    }


def _advised(one: best_times.Judged) -> int | None:
    """Return the slot our recommendation of rank 1 names, if it is one of verdict `recommend`."""
    if one.posterior is None or "recommend" not in one.verdicts:
        return None
    first = best_times.recommendations(one.frame()).iloc[0]
    return int((first["weekday"] - 1) * HOURS + first["hour"]) if first["verdict"] == "recommend" else None


def _gain(truth: Truth, slot: int) -> float:
    """Return the true gain of a slot over the usual one, in per cent."""
    return float(np.expm1(truth.slots[slot] - truth.usual) * 100)


def _coverage(truths: list[Truth], judged: list[best_times.Judged]) -> dict[str, float]:
    """Return how many per cent of the true lifts lie in the 80 and 95 per cent intervals, over slots posted in."""
    inside: dict[int, list[float]] = {80: [], 95: []}
    for truth, one in zip(truths, judged, strict=True):
        if one.posterior is None:
            continue
        lift = truth.slots - truth.usual
        posted = one.posted > 0
        for level, tail in ((80, 0.10), (95, 0.025)):
            hit = (one.posterior.quantile(tail) <= lift) & (lift <= one.posterior.quantile(1 - tail))
            inside[level].append(float(hit[posted].mean()))
    return {f"covered {level}": 100 * float(np.mean(values)) for level, values in inside.items()}


TAGS, TRUE_TAGS, TAG_EFFECT = 40, 3, float(np.log(1.42))


def tagged_account(rng: np.random.Generator, posts: int, true_tags: int) -> pd.DataFrame:
    """Return posts with 40 tags whose use goes with the content type; the first `true_tags` lift engagement by 42 %."""
    truth = account(rng, posts, 0.0, 0.0)
    frame = truth.posts.copy()
    liking = np.exp(rng.normal(-2.6, 0.7, TAGS) + rng.normal(0, 0.8, (CONTENT_TYPES, TAGS)))
    used = rng.random((posts, TAGS)) < np.clip(liking[frame["content_type"]], 0, 0.6)
    frame["engagement"] *= np.exp(used[:, :true_tags].sum(axis=1) * TAG_EFFECT)
    frame["hashtags"] = [[f"tag{tag}" for tag in np.flatnonzero(row)] for row in used]
    return frame


def measure_hashtags(
    posts: int, accounts: int, true_tags: int, *, pool: bool = True, seed: int = 1
) -> dict[str, float]:
    """Return tags flagged by mistake per account and the share of the true ones found, in per cent; plain beside."""
    rng = np.random.default_rng([seed, posts, true_tags])
    frames = [tagged_account(rng, posts, true_tags) for _ in range(accounts)]
    samples = [hashtags.sample(frame) for frame in frames]
    pooled = hashtags.learned(samples)
    true = {f"tag{tag}" for tag in range(true_tags)}
    counts = {"false": 0, "found": 0, "plain false": 0, "plain found": 0}
    for number, (frame, one) in enumerate(zip(frames, samples, strict=True)):
        weights = pooled if pool else hashtags.learned([one])
        verdicts = hashtags.judged(one, weights, seed=number)
        flagged = set(verdicts.loc[verdicts["verdict"].isin(["recommend", "avoid"]), "hashtag"])
        plainly = _plain_tags(frame)
        counts["false"] += len(flagged - true)
        counts["found"] += len(flagged & true)
        counts["plain false"] += len(plainly - true)
        counts["plain found"] += len(plainly & true)
    shares = {name: value / accounts for name, value in counts.items()}
    for name in ("found", "plain found"):
        shares[name] = 100 * shares[name] / true_tags if true_tags else float("nan")
    return {"posts": posts, **shares}


def _plain_tags(frame: pd.DataFrame) -> set[str]:
    """Return the tags whose posts' mean rate is over 20 per cent above the mean of all posts."""
    rate = frame["engagement"] / frame["impressions"]
    means = frame.assign(rate=rate).explode("hashtags").groupby("hashtags")["rate"].mean()
    return set(means[means > 1.2 * rate.mean()].index)
