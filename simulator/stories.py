"""Instagram stories: a day long, then gone, with numbers that nobody tells afterwards."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from simulator.days import DAY, meta_time
from simulator.growth import counters
from simulator.model import Account, Post

LIFE = timedelta(hours=24)
FEWEST_VIEWERS = 5
"""Below it a story tells nothing."""
PAST, FUTURE = timedelta(days=3), timedelta(days=60)
HOURS = (7, 9, 12, 13, 17, 19, 21, 22)
TAKEOVER = 30
"""Stories of one afternoon, on the anchor's day, of the largest account: more than a batch holds."""
LARGEST = "17841405309211802"
NAVIGATION = ("tap_forward", "tap_back", "tap_exit", "swipe_forward")


@lru_cache(maxsize=64)
def stories(account: Account, seed: int, anchor: datetime) -> tuple[Post, ...]:
    """Every story of an account, newest first."""
    rng = random.Random(f"{seed}:{account.account_id}:stories")
    zone = ZoneInfo(account.timezone)
    taken: set[datetime] = set()
    told = []
    for at in sorted(_instants(account, zone, anchor, rng)):
        while at in taken:
            at += timedelta(seconds=1)
        taken.add(at)
        told.append(_story(account, at, rng))
    return tuple(reversed(told))


def _instants(account: Account, zone: ZoneInfo, anchor: datetime, rng: random.Random) -> list[datetime]:
    day, last = (anchor - PAST).date(), (anchor + FUTURE).date()
    found = []
    while day <= last:
        found += [_local(day, zone, rng) for _ in range(rng.choice((0, 1, 2, 3)))]
        day += DAY
    if account.account_id == LARGEST:
        found += [anchor - timedelta(hours=2, minutes=3 * n) for n in range(TAKEOVER)]
    # At any time somebody has one that is about to end, and one that has just begun.
    return [*found, anchor - LIFE + timedelta(minutes=20), anchor - timedelta(minutes=7)]


def _local(day: date, zone: ZoneInfo, rng: random.Random) -> datetime:
    at = time(rng.choice(HOURS), rng.randrange(60), rng.randrange(60))
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def _story(account: Account, at: datetime, rng: random.Random) -> Post:
    number = str(17_900_000_000_000_000 + int(at.timestamp() - 1_700_000_000) * 1_000_000 + rng.randrange(1_000_000))
    permalink = f"https://www.instagram.com/stories/{account.handle}/{number}"
    return Post(
        account=account,
        post_id=number,
        kind="story",
        content_type="story",
        created_at=at,
        published_at=at,
        text=None,
        permalink=permalink,
        hashtags=(),
        payload={
            "id": number,
            "media_type": rng.choice(("IMAGE", "VIDEO")),
            "media_product_type": "STORY",
            "permalink": permalink,
            "shortcode": f"S{int(number):x}",
            "timestamp": meta_time(at),
            "username": account.handle,
        },
        totals=_totals(account, rng),
        tau=timedelta(hours=rng.uniform(4, 7)),
    )


def _totals(account: Account, rng: random.Random) -> Mapping[str, int]:
    reach = round(account.followers.stock[0] * rng.uniform(0.02, 0.12))
    shown = round(reach * rng.uniform(1.05, 1.4))
    # Instagram does not count replies in Europe and Japan.
    replies = 0 if account.timezone.startswith("Europe/") else round(reach * 0.01 * rng.random())
    totals = {
        "impressions": shown,
        "reach": reach,
        "replies": replies,
        "shares": round(reach * 0.006 * rng.random()),
        "follows": round(reach * 0.004 * rng.random()),
        "profile_visits": round(reach * 0.02 * rng.random()),
        "link_clicks": round(reach * 0.015 * rng.random()),
    }
    ways = (0.7, 0.08, 0.07, 0.15)
    return totals | {way: round(shown * part) for way, part in zip(NAVIGATION, ways, strict=True)}


def live(account: Account, seed: int, anchor: datetime, at: datetime) -> list[Post]:
    """The stories that can be seen at an instant, newest first."""
    return [story for story in stories(account, seed, anchor) if story.published_at <= at < story.published_at + LIFE]


def values(story: Post, at: datetime) -> dict[str, int] | None:
    """Every number of a story at an instant, by the API's names; None while too few people have seen it."""
    now = counters(story, at)
    if now["reach"] < FEWEST_VIEWERS:
        return None
    told = {name: now[name] for name in ("reach", "replies", "shares", "follows", "profile_visits", "link_clicks")}
    told |= {way: now[way] for way in NAVIGATION}
    return told | {"views": now["impressions"], "total_interactions": now["replies"] + now["shares"]}


def expected_stories(
    accounts: Sequence[Account], seed: int, anchor: datetime, observed_at: Sequence[datetime]
) -> dict[str, dict[str, Any]]:
    """The oracle of the stories: by id, with the values of the last look while they were live."""
    rows: dict[str, dict[str, Any]] = {}
    for account in accounts:
        if account.platform != "instagram":
            continue
        for at in observed_at:
            for story in live(account, seed, anchor, at):
                rows[story.post_id] = _row(story, at)
    return rows


def _row(story: Post, at: datetime) -> dict[str, Any]:
    told = values(story, at) or {}
    names = ("views", "reach", "replies", "shares", "total_interactions", "follows", "profile_visits", "link_clicks")
    return {
        "business_id": story.account.business_id,
        "account_id": story.account.account_id,
        "post_id": story.post_id,
        "published_at": story.published_at,
        "expires_at": story.published_at + LIFE,
        "permalink": story.permalink,
        **{name: told.get(name) for name in names},
        **{way: told.get(way) for way in NAVIGATION},
    }
