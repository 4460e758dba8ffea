"""The fewest requests that read everything, from the page and batch maxima the platforms allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator import competitors, social_truth
from simulator.model import Account, Post
from simulator.replies import replies
from simulator.truth import LOOKBACK, PRIVATE_WINDOW

LINKEDIN_PAGE = 100
LINKEDIN_BATCH = 20
LINKEDIN_COMMENTS = 100
X_PAGE = 100
X_CONVERSATIONS = 12
"""Conversations that fit into a query of 512 characters."""
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
    before: datetime | None = None,
) -> dict[str, int]:
    """Requests per platform for all streams of all accounts.

    `first_run` reads all posts, a later run those of the lookback; `windows` says how many days of the daily series
    (FIRST_RUN or LATER_RUN when not said). `before` is when the run before a later one looked: what is read only when a
    count has moved is counted from then (nothing has moved when not said).
    """
    windows = windows or (FIRST_RUN if first_run else LATER_RUN)
    count = {"linkedin": _linkedin, "twitter": _x, "facebook": _facebook, "instagram": _instagram}
    calls = dict.fromkeys(count, 0)
    since = None if first_run else (before or at) - windows.lookback
    for account in accounts:
        listed = [post for post in posts[account.key] if post.is_there(at)]
        calls[account.platform] += count[account.platform](listed, since, at, windows)
        social = SOCIAL.get(account.platform, _nothing)
        calls[account.platform] += social(listed, at, None if first_run else before or at)
    for platform in SOCIAL:
        calls[platform] += competitors.calls(accounts, platform)
    return calls


def _moved(posts: Sequence[Post], name: str, oldest: timedelta, at: datetime, before: datetime | None) -> list[Post]:
    """The published posts, not older, whose count moved since the run before."""
    return [
        post
        for post in posts
        if post.is_organic
        and at - oldest <= post.created_at
        and post.published_at <= at
        and social_truth.moved(post, name, at, before)
    ]


def _linkedin_social(posts: Sequence[Post], at: datetime, before: datetime | None) -> int:
    """Reactions in batches, three numbers of each video, comments of each post: where the count behind them moved."""
    reacted = _moved(posts, "likes", social_truth.REACTIONS_FOR, at, before)
    watched = _moved(posts, "impressions", social_truth.VIDEOS_FOR, at, before)
    videos = sum(1 for post in watched if post.content_type == "video")
    comments = sum(
        pages(sum(1 for one in replies(post, at) if one.answers is None), LINKEDIN_COMMENTS)
        for post in _moved(posts, "comments", social_truth.COMMENTS_FOR, at, before)
    )
    return -(-len(reacted) // LINKEDIN_BATCH) + len(social_truth.VIDEO_NUMBERS) * videos + comments


def _x_social(posts: Sequence[Post], at: datetime, before: datetime | None) -> int:
    """Replies to the posts whose count moved, twelve conversations in a query."""
    due = _moved(posts, "comments", social_truth.COMMENTS_FOR, at, before)
    told = {post.post_id: sum(1 for one in replies(post, at) if social_truth.is_told(one, at, before)) for post in due}
    ordered = sorted(told)
    groups = [ordered[start : start + X_CONVERSATIONS] for start in range(0, len(ordered), X_CONVERSATIONS)]
    return sum(pages(sum(told[one] for one in group), X_PAGE) for group in groups)


def _nothing(posts: Sequence[Post], at: datetime, before: datetime | None) -> int:
    return 0


SOCIAL = {"linkedin": _linkedin_social, "twitter": _x_social}


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
