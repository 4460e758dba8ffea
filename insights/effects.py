"""A hierarchical model of what time does to engagement: hour and weekday effects with honest intervals.

For the posts of one business on one platform, y = X b + h[hour] + w[weekday] + e, where

* y is the log engagement rate, X holds the intercept of each account, its content types and its trend (flat priors),
* h is a smooth circular curve over 24 hours, a Gaussian process with a periodic kernel (Rasmussen and Williams 2006,
  section 4.2.3) of standard deviation `hour` in units of the noise,
* w are seven weekday effects, independent, of standard deviation `weekday` in the same units,
* e is independent noise of unknown variance (Jeffreys prior).

Given both standard deviations everything is conjugate. They are not known: a grid of them is averaged over, weighted by
marginal likelihood times a prior that the accounts of a platform share and that is learned from all of them by
expectation maximisation (Efron and Morris 1975; Laird 1978 for the mixing distribution on a grid). So a thin account
borrows its scepticism from the others; a share of the prior stays wide, whatever they teach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr  # type: ignore[import-untyped]  # scipy ships no types

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

HOURS, WEEKDAYS = 24, 7
SLOTS = HOURS * WEEKDAYS
#: Standard deviations of the effects, in units of the noise. The first is "practically none": 1 or 2 per cent.
SCALES = (0.02, 0.06, 0.10, 0.15, 0.22, 0.32, 0.50)
#: How far an hour speaks for its neighbours: lengths of the kernel on a circle of circumference 2 pi.
LENGTHS = (0.6, 1.0)
GRID = np.array(list(product(SCALES, SCALES, LENGTHS)))
#: What is believed before any account was seen, worth this many accounts: a twentieth of it says "practically none".
PRIOR_ACCOUNTS, PRIOR_NONE = 10.0, 0.05
#: So much of that belief is kept however much the others teach: an account need not be like them, and what is learned
#: from thin accounts is too sure of itself (robust mixture priors: Schmidli et al. 2014, doi 10.1111/biom.12242).
ROBUST_SHARE = 0.25


def prior_weights() -> Array:
    """Return the weights of the grid before any data: a little on no effect, the rest in proportion to both scales.

    Wide on purpose: it decides how long the intervals of thin accounts are. Caution about naming a time is the
    permutation test's task.
    """
    is_none = (GRID[:, :2] == SCALES[0]).all(axis=1)
    wide = np.where(is_none, 0.0, GRID[:, 0] * GRID[:, 1])
    weights: Array = np.where(is_none, PRIOR_NONE / is_none.sum(), (1 - PRIOR_NONE) * wide / wide.sum())
    return weights


@cache
def _roots() -> Array:
    """Return, for each point of the grid, a square root L of the prior covariance of the 31 effects: shape (g, 31, 31).

    The hour curve is centred: a constant belongs to the intercept.
    """
    angle = 2 * np.pi * np.arange(HOURS) / HOURS
    apart = np.sin((angle[:, None] - angle[None, :]) / 2) ** 2
    centre = np.eye(HOURS) - 1 / HOURS
    kernels = centre @ np.exp(-2 * apart / GRID[:, 2, None, None] ** 2) @ centre
    kernels /= kernels[:, :1, :1]
    values, vectors = np.linalg.eigh(kernels)
    hours = vectors * np.sqrt(np.clip(values, 0, None))[:, None, :]
    roots = np.zeros((len(GRID), HOURS + WEEKDAYS, HOURS + WEEKDAYS))
    roots[:, :HOURS, :HOURS] = GRID[:, 0, None, None] * hours
    roots[:, HOURS:, HOURS:] = GRID[:, 1, None, None] * np.eye(WEEKDAYS)
    return roots


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the posts of one business on one platform say of its 31 effects, before any prior.

    `precision` (31, 31) and `pull` (31) are the normal equations after X is projected out, `total` is the sum of
    squares that is left, `freedom` its degrees of freedom, `posted` (168) the posts by slot: weekday * 24 + hour,
    Monday is 0.
    """

    precision: Array
    pull: Array
    total: float
    freedom: int
    posted: Counts


@dataclass(frozen=True, slots=True)
class Effects:
    """Posterior of the 168 slots' log lift over the business's usual slot: a mixture of normals over the grid."""

    weights: Array
    means: Array
    deviations: Array

    @property
    def mean(self) -> Array:
        """The posterior mean of each slot's log lift: shape (168,)."""
        return self.weights @ self.means

    @property
    def deviation(self) -> Array:
        """The posterior standard deviation of each slot's log lift: shape (168,)."""
        second = self.weights @ (self.means**2 + self.deviations**2)
        return np.sqrt(np.maximum(second - self.mean**2, 1e-300))

    def probability_above(self, value: float | Array) -> Array:
        """Return the probability that each slot's log lift is above `value`: shape (168,)."""
        found: Array = self.weights @ ndtr((self.means - value) / self.deviations)
        return found

    def quantile(self, share: float) -> Array:
        """Return the quantile of each slot's log lift, by bisection to a ten-thousandth: shape (168,)."""
        reach = 8 * np.max(self.deviations, axis=0) + np.max(np.abs(self.means), axis=0)
        low, high = -reach, reach
        for _ in range(22):
            middle = (low + high) / 2
            is_low = 1 - self.probability_above(middle) < share
            low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
        return np.asarray((low + high) / 2, dtype=np.float64)


def evidence(outcome: Array, nuisance: Array, weekday: Counts, hour: Counts) -> Evidence:
    """Return what n posts say: `outcome` (n,), `nuisance` (n, k) with a level, `weekday` 0 to 6, `hour` 0 to 23."""
    design = np.zeros((len(outcome), HOURS + WEEKDAYS))
    design[np.arange(len(outcome)), hour] = 1
    design[np.arange(len(outcome)), HOURS + weekday] = 1
    basis = orthonormal(nuisance)
    left = outcome - basis @ (basis.T @ outcome)
    design -= basis @ (basis.T @ design)
    return Evidence(
        precision=design.T @ design,
        pull=design.T @ left,
        total=float(left @ left),
        freedom=len(outcome) - basis.shape[1],
        posted=np.bincount(weekday * HOURS + hour, minlength=SLOTS),
    )


def orthonormal(columns: Array) -> Array:
    """Return an orthonormal basis of the columns' span; dependent columns fall away."""
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, sizes > sizes[0] * 1e-9], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Fits:
    """The conjugate posterior at each point of the grid: effects, their covariance, the log marginal likelihood."""

    means: Array
    roots: Array
    likelihood: Array


def _fits(found: Evidence) -> _Fits:
    roots = _roots()
    inner = np.eye(HOURS + WEEKDAYS) + np.einsum("gij,ik,gkl->gjl", roots, found.precision, roots, optimize=True)
    factor = np.linalg.cholesky(inner)
    inverse = np.linalg.inv(factor)
    pull = np.einsum("gij,i->gj", roots, found.pull)
    half = np.einsum("gij,gj->gi", inverse, pull)
    left = np.maximum(found.total - np.sum(half**2, axis=1), 1e-12)
    determinant = np.sum(np.log(np.diagonal(factor, axis1=1, axis2=2)), axis=1)
    # Student's t with `freedom` degrees, as a normal of the same variance.
    spread = np.sqrt(left / max(found.freedom - 2, 1))
    posterior = np.einsum("gij,gkj->gik", roots, inverse) * spread[:, None, None]
    means = np.einsum("gij,gkj,gk->gi", roots, inverse, half, optimize=True)
    return _Fits(means, posterior, -determinant - found.freedom / 2 * np.log(left))


@dataclass(frozen=True, slots=True)
class Belief:
    """What the businesses of a platform teach of the grid: prior accounts plus one per business, shared out over it."""

    mass: Array

    def before(self, likelihood: Array) -> Array:
        """Return the weights for one of these businesses: what the others teach, mixed with the belief before any data.

        Its own part is taken out, so that it does not count twice.
        """
        own = _shares(likelihood[None, :], self.mass / self.mass.sum())[0]
        others = np.maximum(self.mass - own, 0.0) if self.mass.sum() > PRIOR_ACCOUNTS else self.mass
        return np.asarray((1 - ROBUST_SHARE) * others / others.sum() + ROBUST_SHARE * prior_weights(), dtype=np.float64)


def learned(all_evidence: Sequence[Evidence], *, steps: int = 300) -> Belief:
    """Return what a platform's businesses teach, by expectation maximisation on top of the prior."""
    mass = PRIOR_ACCOUNTS * prior_weights()
    if not all_evidence:
        return Belief(mass)
    likelihoods = np.array([_fits(each).likelihood for each in all_evidence])
    prior = mass
    for _ in range(steps):
        mass = prior + _shares(likelihoods, mass / mass.sum()).sum(axis=0)
    return Belief(mass)


def _shares(likelihoods: Array, weights: Array) -> Array:
    """The posterior of the grid for each business: log marginal likelihoods (n, g) and weights (g,) give (n, g)."""
    shares = np.exp(likelihoods - likelihoods.max(axis=1, keepdims=True)) * weights
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float64)


def effects(found: Evidence, belief: Belief) -> Effects:
    """Return the posterior of each slot's log lift over the usual slot, the average over the business's own posts."""
    fits = _fits(found)
    share = _shares(fits.likelihood[None, :], belief.before(fits.likelihood))[0]
    kept = share > 1e-4
    contrast = _contrasts(found.posted)
    spread = np.einsum("si,gij->gsj", contrast, fits.roots[kept], optimize=True)
    return Effects(
        weights=share[kept] / share[kept].sum(),
        means=fits.means[kept] @ contrast.T,
        deviations=np.sqrt(np.maximum(np.sum(spread**2, axis=2), 1e-18)),
    )


def _contrasts(posted: Counts) -> Array:
    """Return the matrix from the 31 effects to 168 lifts over the usual slot: shape (168, 31)."""
    slots = np.zeros((SLOTS, HOURS + WEEKDAYS))
    slots[np.arange(SLOTS), np.arange(SLOTS) % HOURS] = 1
    slots[np.arange(SLOTS), HOURS + np.arange(SLOTS) // HOURS] = 1
    usual = posted @ slots / max(int(posted.sum()), 1)
    return np.asarray(slots - usual, dtype=np.float64)
