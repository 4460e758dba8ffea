"""Permutation tests that keep the strata: what chance alone would do, given the same posts (Good 2005)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def shuffled(values: Array, strata: Counts, times: int, seed: int) -> Array:
    """Return `times` copies of `values`, each shuffled within every stratum: shape (times, n)."""
    rng = np.random.default_rng(seed)
    order = np.argsort(strata, kind="stable")
    # Sorting by stratum first and a random number second permutes within strata, all copies at once.
    draws = rng.random((times, len(values)))
    places = np.argsort(draws + strata[order], axis=1, kind="stable")
    found = np.empty((times, len(values)))
    found[:, order] = values[order][places]
    return found


def between_groups(values: Array, groups: Counts) -> Array:
    """Return the sum of squares between groups of each row: `values` (times, n), `groups` (n,), result (times,)."""
    count = int(groups.max()) + 1
    member = np.zeros((len(groups), count))
    member[np.arange(len(groups)), groups] = 1
    sizes = np.maximum(member.sum(axis=0), 1)
    return np.asarray(((values @ member) ** 2 / sizes).sum(axis=1), dtype=np.float64)


def p_value(observed: float, by_chance: Array) -> float:
    """Return the share of draws at least as extreme, the observation counted among them (never 0)."""
    return float((1 + np.sum(by_chance >= observed * (1 - 1e-12))) / (1 + len(by_chance)))
