"""What happened on an account in a day: the growth of its posts' counters, and visits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from simulator.audience import fraction
from simulator.growth import FROZEN_AFTER, counters
from simulator.model import Account, Post

NAMES = (
    "impressions",
    "likes",
    "comments",
    "clicks",
    "shares",
    "reposts",
    "quotes",
    "saves",
    "video_views",
    "watch_ms",
)


def gained_between(posts: Iterable[Post], start: datetime, end: datetime) -> dict[str, int]:
    """Increments of the counters of all live organic posts in [start, end); a fall counts as a fall."""
    found = dict.fromkeys(NAMES, 0)
    for post in posts:
        if not post.is_organic or post.published_at >= end or post.published_at < start - FROZEN_AFTER:
            continue
        before, after = counters(post, start), counters(post, end)
        for name in NAMES:
            found[name] += after.get(name, 0) - before.get(name, 0)
    return found


def unique(value: int, account: Account, start: datetime) -> int:
    """How many different people stand behind a count."""
    return round(value * (0.62 + 0.2 * fraction(account.account_id, "unique", start.date().isoformat())))


def visits(account: Account, start: datetime, what: str) -> int:
    """Visits of the profile or page on a day."""
    size = account.followers.stock[0]
    return round(size * 0.004 * (0.4 + fraction(account.account_id, what, start.date().isoformat())))
