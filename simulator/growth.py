"""How the counters of a post grow with its age."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from simulator.model import Post

FROZEN_AFTER = timedelta(days=27)
WITHDRAWN_AFTER = timedelta(days=3)


def counter(post: Post, metric: str, at: datetime) -> int:
    """The lifetime value of one of the post's counters at an instant; KeyError for a counter it does not have.

    total * (1 - exp(-age / tau)), still after 27 days. Some likes are withdrawn: counters of the platforms do fall.
    """
    return _value(post, metric, at, _grown(post, at))


def counters(post: Post, at: datetime) -> dict[str, int]:
    """All counters of a post at an instant."""
    grown = _grown(post, at)
    return {metric: _value(post, metric, at, grown) for metric in post.totals}


def _grown(post: Post, at: datetime) -> float:
    """The share of its totals that a post has reached."""
    age = min(at - post.published_at, FROZEN_AFTER)
    return 1 - math.exp(-age / post.tau) if age > timedelta(0) else 0.0


def _value(post: Post, metric: str, at: datetime, grown: float) -> int:
    value = round(post.totals[metric] * grown)
    if metric == "likes" and post.likes_withdrawn and at - post.published_at >= WITHDRAWN_AFTER:
        return max(0, value - post.likes_withdrawn)
    return value
