"""Posts that were watched for two months by irregular looks: what every look saw, and what of it was landed."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tests.warehouse.landing import (
    AS_OF,
    LINKEDIN,
    OTHER_INSTAGRAM,
    TWITTER,
    Account,
    Payload,
    insights,
    instagram_media,
    land,
    land_accounts,
    linkedin_post,
    linkedin_statistics,
    tweet,
)

METRICS = ("impressions", "likes", "comments", "shares")
Counts = dict[str, int | None]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Post:
    """A post and how fast it grows."""

    account: Account
    post_id: str
    published_at: datetime
    content_type: str
    total: int
    hours: float

    def counts(self, at: datetime, rng: random.Random) -> Counts:
        """What the platform says at an instant: a growing curve, now and then restated or silent."""
        age = (at - self.published_at) / HOUR
        shown = math.floor(self.total * (1 - math.exp(-age / self.hours)))
        withdrawn = shown // 400 if age > 200 else 0
        return {
            "impressions": None if rng.random() < 0.03 else shown - (7 if rng.random() < 0.02 else 0),
            "likes": shown // 20 - withdrawn,
            "comments": shown // 90,
            "shares": None if self.total % 7 == 0 else shown // 150,
        }


@dataclass(frozen=True, slots=True)
class Look:
    """One run: what it saw of the posts published since `since`; `changed` is what raw keeps of it."""

    account: Account
    at: datetime
    since: datetime | None
    gate: str
    is_whole: bool
    seen: dict[str, Counts]
    changed: frozenset[str]


def posts() -> list[Post]:
    """Two content types on X, one elsewhere; published from before the first look to two hours ago."""
    rng = random.Random(11)
    kinds = [(TWITTER, "text", 34), (TWITTER, "image", 15), (OTHER_INSTAGRAM, "image", 24), (LINKEDIN, "text", 9)]
    made = []
    for account, content_type, count in kinds:
        for n in range(count):
            published = (AS_OF - timedelta(hours=rng.uniform(2, 75 * 24))).replace(microsecond=0)
            post_id = f"{account.platform[0]}-{content_type}-{n}"
            made.append(Post(account, post_id, published, content_type, rng.randrange(400, 9_000), rng.uniform(5, 70)))
    return made


#: It is gone for good from this instant on.
GONE, GONE_AT = "t-text-3", AS_OF - 20 * DAY


def looks() -> list[Look]:
    """Every look in order, of 28 days or of all: with gaps, a refused run, and some that set records aside."""
    rng = random.Random(12)
    return [look for account in (TWITTER, OTHER_INSTAGRAM, LINKEDIN) for look in _looks(account, rng)]


def _looks(account: Account, rng: random.Random) -> list[Look]:
    own = [post for post in posts() if post.account == account]
    before: dict[str, Counts] = {}
    made: list[Look] = []
    at = AS_OF - 60 * DAY
    while at < AS_OF:
        number = len(made)
        since = None if number % 9 == 0 else at - 28 * DAY
        there = [post for post in own if post.published_at < at and (since is None or post.published_at >= since)]
        seen = {post.post_id: post.counts(at, rng) for post in there if post.post_id != GONE or at < GONE_AT}
        changed = frozenset(key for key, counts in seen.items() if before.get(key) != counts)
        gate = "quarantined" if number == 14 else "passed"
        made.append(Look(account, at, since, gate, number % 11 != 5, seen, changed))
        if gate == "passed":  # rows of a refused run are no version
            before |= seen
        at += timedelta(hours=rng.choice((1.5, 4, 9, 14, 26)) + (100 if number == 20 else 0), minutes=rng.randrange(50))
    return made


def land_looks(connection: psycopg.Connection[Any], some: Sequence[Look]) -> None:
    """Land the changed records of these looks, each look as a run of its own."""
    by_id = {post.post_id: post for post in posts()}
    for look in some:
        stream = "post_metrics" if look.account == LINKEDIN else "posts"
        payload = PAYLOADS[look.account.platform]
        rows = {key: payload(by_id[key], look.seen[key]) for key in sorted(look.changed)}
        run_id = land(connection, look.account, stream, rows, at=look.at, gate=look.gate)
        connection.execute(
            "update ops.extract_runs set window_since = %s, listed = stored + %s, quarantined = %s where run_id = %s",
            (look.since, int(not look.is_whole), int(not look.is_whole), run_id),
        )


def land_all(connection: psycopg.Connection[Any]) -> None:
    """Land the whole world."""
    begin(connection)
    land_looks(connection, looks())
    confirm_gone(connection)


def begin(connection: psycopg.Connection[Any]) -> None:
    """Land what the looks stand on: accounts, and the posts whose statistics are a stream of their own."""
    land_accounts(connection)
    own = {post.post_id: linkedin_post(post.published_at) for post in posts() if post.account == LINKEDIN}
    land(connection, LINKEDIN, "posts", own, at=AS_OF - 61 * DAY)


def confirm_gone(connection: psycopg.Connection[Any]) -> None:
    """Write down that two runs have missed the post that is gone."""
    missed: list[uuid.UUID] = [
        row[0]
        for row in connection.execute(
            "select run_id from ops.extract_runs where platform = 'twitter' and stream = 'twitter__posts'"
            " and started_at >= %s and gate = 'passed' order by started_at limit 2",
            (GONE_AT,),
        )
    ]
    (post,) = (post for post in posts() if post.post_id == GONE)
    connection.execute(
        "insert into ops.known_posts (business_id, platform, account_id, record_key, published_at, missed_at,"
        " missed_runs) values (%s, %s, %s, %s, %s, %s, %s)",
        (TWITTER.business_id, TWITTER.platform, TWITTER.account_id, GONE, post.published_at, GONE_AT, missed),
    )


def _tweet(post: Post, counts: Counts) -> Payload:
    names = {"impressions": "impression_count", "likes": "like_count", "comments": "reply_count"}
    metrics = {name: counts[metric] for metric, name in names.items()}
    metrics |= {"retweet_count": counts["shares"]}
    media = {"media": [{"media_key": "3_1", "type": "photo"}]}
    photo: dict[str, Any] = {"includes": media} if post.content_type == "image" else {}
    told = {name: value for name, value in metrics.items() if value is not None}
    return tweet(post.post_id, post.published_at.isoformat(), public_metrics=told, **photo)


def _media(post: Post, counts: Counts) -> Payload:
    names = {"impressions": "views", "likes": "likes", "comments": "comments", "shares": "shares"}
    told = {names[metric]: value for metric, value in counts.items() if value is not None}
    return instagram_media(post.published_at.isoformat(), insights=insights(**told))


def _statistics(post: Post, counts: Counts) -> Payload:
    names = {"impressions": "impressionCount", "likes": "likeCount", "comments": "commentCount", "shares": "shareCount"}
    return linkedin_statistics(**{names[metric]: value for metric, value in counts.items() if value is not None})


PAYLOADS: dict[str, Callable[[Post, Counts], Payload]] = {
    "twitter": _tweet,
    "instagram": _media,
    "linkedin": _statistics,
}
