"""The best time to post, for those who would rather hear "we do not know" than noise.

Outcome: the log engagement rate of mature posts. Content type and the account's trend are taken out, hour and weekday
effects are estimated with shrinkage (`effects`), and nothing is recommended unless the whole grid of times passes a
stratified permutation test. docs/statistics.md has the formulas and how often this is right.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from insights import effects
from insights.effects import HOURS, SLOTS, Belief, Effects, Evidence, evidence, orthonormal
from insights.permutation import between_groups, p_value, shuffled

Array = NDArray[np.float64]

#: Fewer mature posts than this say nothing of 168 slots.
ENOUGH_POSTS = 30
PERMUTATIONS = 499
#: The whole grid must be this unlikely by chance before any slot is recommended or advised against.
CHANCE = 0.10
WEAK_CHANCE = 0.25
#: A recommended slot is better than the usual one with at least this probability.
SURE, LIKELY = 0.90, 0.80
FORECAST_LIMIT = 5_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The mature posts of one business on one platform, ready for the model.

    `outcome`: log engagement rate; `left`: what content, account and trend leave of it; `strata`: posts that may change
    places in a permutation (same account and content type).
    """

    outcome: Array
    left: Array
    strata: NDArray[np.int64]
    weekday: NDArray[np.int64]
    hour: NDArray[np.int64]
    found: Evidence

    @property
    def posts(self) -> int:
        """How many posts speak."""
        return len(self.outcome)


def log_rate(engagement: Array, impressions: Array) -> Array:
    """Return the log engagement rate, with half an engagement and one impression more so that 0 stays finite.

    A negative count, as LinkedIn sends after restatements, counts as 0 here. The half is the usual correction of an
    empirical log rate (Cox and Snell 1989, section 2.1.6).
    """
    return np.asarray(np.log((np.maximum(engagement, 0.0) + 0.5) / (impressions + 1.0)), dtype=np.float64)


def sample(posts: pd.DataFrame) -> Sample:
    """Return the sample of mature posts with columns account, content_type, published_at, weekday (1 is Monday), hour,
    engagement and impressions.
    """
    outcome = log_rate(posts["engagement"].to_numpy("float64"), posts["impressions"].to_numpy("float64"))
    account, content = (pd.factorize(posts[name])[0] for name in ("account", "content_type"))
    nuisance = _nuisance(account, content, posts["published_at"])
    basis = orthonormal(nuisance)
    weekday, hour = posts["weekday"].to_numpy("int64") - 1, posts["hour"].to_numpy("int64")
    return Sample(
        outcome=outcome,
        left=outcome - basis @ (basis.T @ outcome),
        strata=account * (content.max(initial=0) + 1) + content,
        weekday=weekday,
        hour=hour,
        found=evidence(outcome, nuisance, weekday, hour),
    )


def _nuisance(account: NDArray[np.int64], content: NDArray[np.int64], published_at: pd.Series) -> Array:
    """One level per account and per content type, and the trend: a line, with a bend where there are posts enough."""
    days = (published_at - published_at.min()).dt.total_seconds().to_numpy() / 86_400
    scaled = (days - days.mean()) / (days.std() or 1.0)
    columns = [np.eye(account.max() + 1)[account], np.eye(content.max() + 1)[content], scaled[:, None]]
    if len(days) >= 2 * ENOUGH_POSTS:
        columns.append(scaled[:, None] ** 2)
    return np.hstack(columns)


def chance(one: Sample, *, seed: int = 0) -> float:
    """Return the p-value of "time makes no difference": two-hour bins plus weekdays, shuffled within the strata."""
    draws = np.vstack([one.left, shuffled(one.left, one.strata, PERMUTATIONS, seed)])
    statistic = between_groups(draws, one.hour // 2) + between_groups(draws, one.weekday)
    return p_value(float(statistic[0]), statistic[1:])


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of every slot of a business on a platform; `p` is that of the whole grid."""

    posts: int
    p: float
    posterior: Effects | None
    posted: NDArray[np.int64]
    raw: Array
    verdicts: tuple[str, ...]
    more_posts: int | None

    def frame(self) -> pd.DataFrame:
        """Return one row per slot that was posted in, lifts and intervals in per cent."""
        slots = np.flatnonzero(self.posted)
        columns: dict[str, object] = {
            "weekday": slots // HOURS + 1,
            "hour": slots % HOURS,
            "posts": self.posted[slots],
            "engagement_rate_mean": self.raw[slots],
            "verdict": [self.verdicts[slot] for slot in slots],
            "p_value": self.p,
            "posts_judged": self.posts,
            "more_posts": self.more_posts,
        }
        for name, values in self._intervals().items():
            columns[name] = values[slots]
        return pd.DataFrame(columns)

    def _intervals(self) -> dict[str, Array]:
        if self.posterior is None:
            return dict.fromkeys(INTERVALS, np.full(SLOTS, np.nan))
        found = {name: self.posterior.quantile(share) for name, share in QUANTILES.items()}
        percent = {name: np.expm1(values) * 100 for name, values in {"lift": self.posterior.mean, **found}.items()}
        return {**percent, "probability_better": self.posterior.probability_above(0.0)}


QUANTILES = {"lift_low": 0.10, "lift_high": 0.90, "lift_low_95": 0.025, "lift_high_95": 0.975}
INTERVALS = ("lift", *QUANTILES, "probability_better")


def judged(one: Sample, belief: Belief, *, seed: int = 0) -> Judged:
    """Return the verdict on every slot, with what the platform's businesses teach."""
    raw = _raw_means(one)
    if one.posts < ENOUGH_POSTS or one.found.freedom < ENOUGH_POSTS // 2:
        verdicts = ("insufficient_data",) * SLOTS
        more = max(ENOUGH_POSTS - one.posts, 1)
        return Judged(one.posts, float("nan"), None, one.found.posted, raw, verdicts, more)
    posterior = effects.effects(one.found, belief)
    p = chance(one, seed=seed)
    verdicts = _verdicts(posterior, p)
    settles = None if "recommend" in verdicts else _more_posts(one, posterior)
    return Judged(one.posts, p, posterior, one.found.posted, raw, verdicts, settles)


def _raw_means(one: Sample) -> Array:
    """Return the plain mean engagement rate of each slot, in per cent: shape (168,)."""
    slot = one.weekday * HOURS + one.hour
    rate = np.exp(one.outcome) * 100
    counts = np.maximum(np.bincount(slot, minlength=SLOTS), 1)
    return np.asarray(np.bincount(slot, weights=rate, minlength=SLOTS) / counts, dtype=np.float64)


def _verdicts(posterior: Effects, p: float) -> tuple[str, ...]:
    better = posterior.probability_above(0.0)
    if p <= CHANCE:
        choices = [(better >= SURE, "recommend"), (better <= 1 - SURE, "avoid"), (better >= LIKELY, "weak")]
    elif p <= WEAK_CHANCE:
        choices = [(better >= LIKELY, "weak")]
    else:
        choices = []
    found = (
        np.select([which for which, _ in choices], [name for _, name in choices], "no_evidence") if choices else None
    )
    return tuple(map(str, found)) if found is not None else ("no_evidence",) * SLOTS


def _more_posts(one: Sample, posterior: Effects) -> int | None:
    """Return about how many more posts would settle it, if the best slot is as good as it looks; None: out of sight.

    The posterior deviation shrinks with the square root of the posts; settled is a probability of `SURE`.
    """
    posted = one.found.posted > 0
    ratio = np.max(np.where(posted, posterior.mean / posterior.deviation, 0.0))
    if ratio <= 0:
        return None
    needed = one.posts * (1.2816 / ratio) ** 2
    more = int(np.ceil(max(needed - one.posts, one.posts * 0.1) / 10) * 10)
    return more if more <= FORECAST_LIMIT else None


def learned(samples: Sequence[Sample]) -> Belief:
    """Return what all businesses of a platform with enough posts teach."""
    return effects.learned([one.found for one in samples if one.posts >= ENOUGH_POSTS])


DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
RANKS = 3


def recommendations(found: pd.DataFrame) -> pd.DataFrame:
    """Return up to three ranks of one business and platform from its frame of slots, each in words.

    Ranked by the lower end of the 80 per cent interval; a slot nobody posted in is never named. Without a slot worth
    naming there is one row, whose verdict and evidence say why.
    """
    named = found[found["verdict"].isin(["recommend", "weak"])]
    best = named.sort_values(["lift_low", "posts", "weekday", "hour"], ascending=[False, False, True, True])
    best = best.drop_duplicates("weekday").head(RANKS) if len(best) else found.head(1)
    rows = [_in_words(number, row) for number, row in enumerate(best.to_dict("records"), 1)]
    return pd.DataFrame(rows)


def _in_words(rank: int, row: Mapping[Hashable, Any]) -> dict[str, object]:
    verdict, posts, more = str(row["verdict"]), row["posts_judged"], row["more_posts"]
    settle = f"about {int(more)} more posts would settle it" if pd.notna(more) else "more posts may not settle it"
    if verdict not in ("recommend", "weak"):
        why = (
            f"{posts} mature posts are too few for an answer; {settle}"
            if verdict == "insufficient_data"
            else f"{posts} posts, and no time stands out beyond chance (p {_odds(row['p_value'])}); {settle}"
        )
        blank = {"weekday": None, "hour": None, "label": None, "lift": None}
        return {"rank": rank, **blank, "verdict": verdict, "evidence": why}
    slot = f"{DAYS[int(row['weekday']) - 1]} {int(row['hour']):02d}:00"
    said = (
        f"{row['lift']:+.0f} % over the usual time (80 % interval {row['lift_low']:+.0f} to {row['lift_high']:+.0f} %),"
        f" better with probability {_odds(row['probability_better'])}, from {posts} posts (p {_odds(row['p_value'])})"
    )
    named = {"weekday": row["weekday"], "hour": row["hour"], "label": slot, "lift": row["lift"]}
    return {
        "rank": rank,
        **named,
        "verdict": verdict,
        "evidence": said if verdict == "recommend" else f"{said}; {settle}",
    }


def _odds(share: float) -> str:
    """Return a probability in words that never claim certainty, as 1.00 or 0.00 would."""
    return "< 0.01" if share < 0.01 else "> 0.99" if share > 0.99 else f"= {share:.2f}"
