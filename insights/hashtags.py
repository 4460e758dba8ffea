"""Which hashtags go with more engagement, after content type and period are accounted for.

Each tag's lift is estimated with the other tags of its posts in the model, tested by permutation within content type
and period, corrected for the many tags (false discovery rate), and shrunk with all tags of the platform (`shrinkage`).
docs/statistics.md has the formulas and the power; "not enough evidence" is never "no effect".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from insights.best_times import log_rate
from insights.effects import orthonormal
from insights.permutation import shuffled
from insights.shrinkage import Shrunk, benjamini_hochberg, learned_mixture, shrunk

Array = NDArray[np.float64]

#: A tag is judged from this many mature posts with it, and as many without it.
ENOUGH_USES = 4
ENOUGH_POSTS = 30
PERMUTATIONS = 1_999
PERIODS = 3
DISCOVERY_RATE = 0.10
WEAK_CHANCE, LIKELY = 0.05, 0.90
#: A found tag must also have this probability of its sign, once shrunk with the platform's other tags.
PROBABLE = 0.80
#: How much a tag's own estimate yields to the others in the same posts: a ridge in units of the noise.
RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The mature posts of one business on one platform: what is left of the outcome, and the uses (n, tags)."""

    tags: tuple[str, ...]
    uses: Array
    left: Array
    strata: NDArray[np.int64]
    estimates: Array
    errors: Array

    @property
    def posts(self) -> int:
        """How many posts speak."""
        return len(self.left)


def sample(posts: pd.DataFrame) -> Sample:
    """Return the sample of mature posts with columns account, content_type, published_at, engagement, impressions and
    hashtags (a list).
    """
    outcome = log_rate(posts["engagement"].to_numpy("float64"), posts["impressions"].to_numpy("float64"))
    strata = _strata(posts)
    tags, uses = _uses(posts["hashtags"])
    basis = orthonormal(np.eye(strata.max(initial=0) + 1)[strata])
    left, inside = (values - basis @ (basis.T @ values) for values in (outcome, uses))
    estimates, errors = _estimates(inside, left, len(outcome) - basis.shape[1])
    return Sample(tags, inside, left, strata, estimates, errors)


def _strata(posts: pd.DataFrame) -> NDArray[np.int64]:
    """Posts of one account, content type and third of the time; a stratum too thin for it is not cut by time."""
    base = posts.groupby(["account", "content_type"]).ngroup().to_numpy()
    rank = posts["published_at"].rank(method="first").to_numpy()
    period = np.minimum((rank - 1) * PERIODS // len(posts), PERIODS - 1).astype("int64")
    fine = base * PERIODS + period
    sizes = np.bincount(fine)
    thin = np.isin(base, np.unique(base[sizes[fine] < 2]))
    return np.asarray(np.unique(np.where(thin, base * PERIODS, fine), return_inverse=True)[1], dtype=np.int64)


def _uses(hashtags: pd.Series) -> tuple[tuple[str, ...], Array]:
    """The judged tags and the matrix of their uses; a tag used by nearly all or hardly any post is not judged."""
    lists = [set(tags) for tags in hashtags]
    counts = pd.Series([tag for tags in lists for tag in tags], dtype="object").value_counts()
    judged = sorted(counts[(counts >= ENOUGH_USES) & (counts <= len(lists) - ENOUGH_USES)].index)
    place = {tag: number for number, tag in enumerate(judged)}
    uses = np.zeros((len(lists), len(judged)))
    for row, tags in enumerate(lists):
        uses[row, [place[tag] for tag in tags if tag in place]] = 1.0
    return tuple(judged), uses


def _estimates(uses: Array, left: Array, freedom: int) -> tuple[Array, Array]:
    """Each tag's log lift beside the other tags (ridge on those), and its standard error."""
    if uses.shape[1] == 0:
        return np.empty(0), np.empty(0)
    gram = uses.T @ uses
    inverse = np.linalg.inv(gram + RIDGE * np.eye(len(gram)))
    joint = inverse @ (uses.T @ left)
    noise = float(np.sum((left - uses @ joint) ** 2)) / max(freedom - float(np.trace(inverse @ gram)), 1.0)
    # The tag's own column after the others took their share: what is left of it carries the estimate.
    own = 1 / np.diag(inverse) - RIDGE
    weight = np.maximum(own, 1e-9)
    return joint * (1 + RIDGE / weight), np.sqrt(noise / weight)


def chances(one: Sample, *, seed: int = 0) -> Array:
    """Return each tag's two-sided permutation p-value, posts shuffled within their strata: shape (tags,)."""
    draws = shuffled(one.left, one.strata, PERMUTATIONS, seed)
    observed = np.abs(one.left @ one.uses)
    extreme = (np.abs(draws @ one.uses) >= observed * (1 - 1e-12)).sum(axis=0)
    return np.asarray((1 + extreme) / (1 + PERMUTATIONS), dtype=np.float64)


def learned(samples: Sequence[Sample]) -> Array:
    """Return the platform's mixture of tag effects from all its businesses."""
    judged = [one for one in samples if one.posts >= ENOUGH_POSTS]
    if not judged:
        return learned_mixture(np.empty(0), np.empty(0))
    return learned_mixture(
        np.concatenate([one.estimates for one in judged]), np.concatenate([one.errors for one in judged])
    )


def judged(one: Sample, weights: Array, *, seed: int = 0) -> pd.DataFrame:
    """Return one row per judged tag: lifts and 80 per cent intervals in per cent, p_value, q_value and verdict."""
    if one.posts < ENOUGH_POSTS or not one.tags:
        return pd.DataFrame(columns=["hashtag", "lift", "lift_low", "lift_high", "p_value", "q_value", "verdict"])
    p = chances(one, seed=seed)
    q = benjamini_hochberg(p)
    posterior = shrunk(one.estimates, one.errors, weights)
    values = {"lift": posterior.mean, "lift_low": posterior.quantile(0.10), "lift_high": posterior.quantile(0.90)}
    percent = {name: np.expm1(value) * 100 for name, value in values.items()}
    frame = {"hashtag": one.tags, **percent, "p_value": p, "q_value": q, "verdict": _verdicts(p, q, posterior)}
    return pd.DataFrame(frame)


def _verdicts(p: Array, q: Array, posterior: Shrunk) -> list[str]:
    better = posterior.probability_above(0.0)
    is_found = q <= DISCOVERY_RATE
    choices = [
        (is_found & (better >= PROBABLE), "recommend"),
        (is_found & (better <= 1 - PROBABLE), "avoid"),
        ((p <= WEAK_CHANCE) & (better >= LIKELY), "weak"),
    ]
    found = np.select([which for which, _ in choices], [name for _, name in choices], "no_evidence")
    return [str(name) for name in found]
