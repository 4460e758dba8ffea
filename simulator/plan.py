"""The fewest requests that read everything, from the page and batch maxima the platforms allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator.model import Account, Post
from simulator.truth import LOOKBACK, PRIVATE_WINDOW

LINKEDIN_PAGE = 100
LINKEDIN_BATCH = 20
X_PAGE = 100
FACEBOOK_PAGE = 25
"""Posts per page with nested insights; bare lists may have 100."""
INSTAGRAM_PAGE = 50
META_BATCH = 50
FACEBOOK_WINDOW_DAYS = 90
INSTAGRAM_WINDOW_DAYS = 30
DEMOGRAPHICS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How many days of the daily series a run reads; LinkedIn gives a year in one request.

    `instagram_totals` and `instagram_follows` are asked for one day per request.
    """

    lookback: timedelta = LOOKBACK
    facebook_days: int = 7
    instagram_series: int = 30
    instagram_totals: int = 3
    instagram_follows: int = 2


LATER_RUN = Windows()
FIRST_RUN = Windows(facebook_days=365, instagram_totals=30, instagram_follows=29)
"""A year of Facebook, and a month of Instagram's totals up to the day before yesterday for follows."""


def minimum_calls(
    accounts: Sequence[Account],
    posts: Mapping[tuple[str, str], tuple[Post, ...]],
    at: datetime,
    *,
    first_run: bool,
    windows: Windows | None = None,
) -> dict[str, int]:
    """Requests per platform for profile, posts, post_metrics, account_daily and audience of all accounts.

    `first_run` reads all posts, a later run those of the lookback; `windows` says how many days of the daily series
    (FIRST_RUN or LATER_RUN when not said).
    """
    windows = windows or (FIRST_RUN if first_run else LATER_RUN)
    count = {"linkedin": _linkedin, "twitter": _x, "facebook": _facebook, "instagram": _instagram}
    calls = dict.fromkeys(count, 0)
    since = None if first_run else at - windows.lookback
    for account in accounts:
        listed = [post for post in posts[account.key] if post.is_there(at)]
        calls[account.platform] += count[account.platform](listed, since, at, windows)
    return calls


def pages(count: int, size: int) -> int:
    """Pages of a list; even an empty list takes one request to see."""
    return max(1, -(-count // size))


def _recent(posts: Sequence[Post], since: datetime | None) -> list[Post]:
    return [post for post in posts if since is None or post.created_at >= since]


def _linkedin(posts: Sequence[Post], since: datetime | None, at: datetime, windows: Windows) -> int:
    """Organization, network size, posts, statistics by kind of URN, three daily series, facets."""
    recent = _recent(posts, since)
    whole = len(recent) == len(posts)
    listing = pages(len(posts), LINKEDIN_PAGE) if whole else len(recent) // LINKEDIN_PAGE + 1
    told = [post for post in recent if post.is_organic]
    shares = sum(1 for post in told if post.post_id.startswith("urn:li:share:"))
    statistics = -(-shares // LINKEDIN_BATCH) + -(-(len(told) - shares) // LINKEDIN_BATCH)
    return 2 + listing + statistics + 3 + 1


def _x(posts: Sequence[Post], since: datetime | None, at: datetime, windows: Windows) -> int:
    """The user, the timeline, the timeline of the last 30 days with the author's metrics."""
    kept = [post for post in posts if post.kind != "retweet"]
    young = [post for post in kept if post.created_at >= at - PRIVATE_WINDOW]
    return 1 + pages(len(_recent(kept, since)), X_PAGE) + pages(len(young), X_PAGE)


def _facebook(posts: Sequence[Post], since: datetime | None, at: datetime, windows: Windows) -> int:
    """Page token, page, posts with insights, daily series, geography."""
    series = pages(windows.facebook_days, FACEBOOK_WINDOW_DAYS)
    return 2 + pages(len(_recent(posts, since)), FACEBOOK_PAGE) + series + 1


def _instagram(posts: Sequence[Post], since: datetime | None, at: datetime, windows: Windows) -> int:
    """Account, media with insights, reels in batches, series, totals and follows by day, demographics."""
    recent = _recent(posts, since)
    reels = sum(1 for post in recent if post.payload["media_product_type"] == "REELS")
    media = pages(len(recent), INSTAGRAM_PAGE) + -(-reels // META_BATCH)
    series = pages(windows.instagram_series, INSTAGRAM_WINDOW_DAYS)
    return 1 + media + series + windows.instagram_totals + windows.instagram_follows + DEMOGRAPHICS
