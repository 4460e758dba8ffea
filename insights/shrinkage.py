"""Adaptive shrinkage of many estimates at once: what is left of an effect when its neighbours are looked at too.

Stephens 2017, "False discovery rates: a new deal" (Biostatistics 18:2): estimates b with standard errors s come from a
mixture of zero-centred normals on a grid of widths, its weights learned from all of them by expectation maximisation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr  # type: ignore[import-untyped]  # scipy ships no types

Array = NDArray[np.float64]

#: Widths of true log effects: the first is "practically none", the last nearly a doubling.
WIDTHS = np.array([0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.65])
#: Belief before any estimate: worth this many, nine tenths of it on "practically none".
PRIOR_SIZE, PRIOR_NONE = 10.0, 0.9


def learned_mixture(estimates: Array, errors: Array, *, steps: int = 300) -> Array:
    """Return the weights of `WIDTHS`, learned from estimates (n,) and their standard errors (n,)."""
    prior = np.full(len(WIDTHS), (1 - PRIOR_NONE) / (len(WIDTHS) - 1))
    prior[0] = PRIOR_NONE
    weights = prior
    if len(estimates) == 0:
        return weights
    density = _density(estimates, errors)
    for _ in range(steps):
        shares = density * weights
        shares /= shares.sum(axis=1, keepdims=True)
        weights = (PRIOR_SIZE * prior + shares.sum(axis=0)) / (PRIOR_SIZE + len(estimates))
    return weights


def _density(estimates: Array, errors: Array) -> Array:
    """The likelihood of each estimate under each width, up to a factor per estimate: shape (n, widths)."""
    variance = errors[:, None] ** 2 + WIDTHS**2
    log = -0.5 * (np.log(variance) + estimates[:, None] ** 2 / variance)
    return np.asarray(np.exp(log - log.max(axis=1, keepdims=True)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Shrunk:
    """Posterior of each effect, a mixture of normals: all arrays have the shape (n, widths)."""

    shares: Array
    means: Array
    deviations: Array

    @property
    def mean(self) -> Array:
        """The posterior mean of each effect: shape (n,)."""
        return np.asarray((self.shares * self.means).sum(axis=1), dtype=np.float64)

    def probability_above(self, value: float | Array) -> Array:
        """Return the probability that each effect is above `value`: shape (n,)."""
        bound = np.asarray(value, dtype=np.float64)[..., None]
        return np.asarray((self.shares * ndtr((self.means - bound) / self.deviations)).sum(axis=1), dtype=np.float64)

    def quantile(self, share: float) -> Array:
        """Return a quantile of each effect, by bisection to a millionth of the widest: shape (n,)."""
        reach = np.abs(self.means).max(axis=1) + 8 * self.deviations.max(axis=1)
        low, high = -reach, reach
        for _ in range(24):
            middle = (low + high) / 2
            is_low = 1 - self.probability_above(middle) < share
            low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
        return np.asarray((low + high) / 2, dtype=np.float64)


def shrunk(estimates: Array, errors: Array, weights: Array) -> Shrunk:
    """Return the posterior of each effect from its estimate, its standard error and the mixture's weights."""
    shares = _density(estimates, errors) * weights
    variance = errors[:, None] ** 2
    kept = WIDTHS**2 / (WIDTHS**2 + variance)
    return Shrunk(
        shares=shares / shares.sum(axis=1, keepdims=True),
        means=kept * estimates[:, None],
        deviations=np.sqrt(kept * variance),
    )


def benjamini_hochberg(p: Array) -> Array:
    """Return q-values, the false discovery rate at which each p-value is called (Benjamini and Hochberg 1995)."""
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q
