"""The competitors of the businesses: accounts of others, of which the platforms show only what is public."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from simulator import audience
from simulator.cast import COMPANIES, OFFICE, Part
from simulator.generate import Span, make_account, make_posts
from simulator.growth import counters
from simulator.model import Account, Post

NEWEST = 50
"""How many posts of a competitor are worth a look."""
HIDES_LIKES = frozenset({"brooklyn.brew"})
"""Handles that hide how many like their posts."""


def _rival(platform: str, account_id: str, handle: str, followers: int, posts_per_day: float) -> Part:
    return Part(
        platform=platform,
        account_id=account_id,
        credential="",
        name=handle.replace(".", " ").title(),
        handle=handle,
        followers=followers,
        posts_per_day=posts_per_day,
        hours=OFFICE,
    )


RIVALS: Mapping[int, tuple[Part, ...]] = {
    1: (
        _rival("instagram", "17841400000000901", "ostsee.werke", 10_234, 0.7),
        _rival("instagram", "17841400000000902", "elbe.labs", 2_900, 0.2),
        _rival("facebook", "102030405060901", "ostseewerke", 4_700, 0.6),
    ),
    2: (_rival("instagram", "17841400000000903", "brooklyn.brew", 48_000, 1.1),),
}
"""By business; accounts.yml names them by platform and handle."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A competitor's account and everything it will ever publish, newest first."""

    account: Account
    posts: tuple[Post, ...]

    def listed(self, at: datetime) -> list[Post]:
        """What it has published by an instant, newest first; advertisements are not shown to others."""
        return [post for post in self.posts if post.is_organic and post.published_at <= at]


@lru_cache(maxsize=4)
def rivals(seed: int, anchor: datetime, scale: float) -> Mapping[tuple[str, str], Rival]:
    """The competitors of a world by platform and handle."""
    span = Span(anchor=anchor, scale=scale)
    found = {}
    for company in COMPANIES:
        for part in RIVALS.get(company.business_id, ()):
            account = make_account(company, part, span, seed)
            found[part.platform, part.handle] = Rival(account, make_posts(part, account, span, seed))
    return found


def names(business_id: int) -> list[str]:
    """The lines of accounts.yml about the competitors of a business; none for a business without."""
    parts = RIVALS.get(business_id, ())
    return [f"      - {{platform: {part.platform}, handle: {part.handle}}}" for part in parts]


def reader_of(accounts: Sequence[Account], business_id: int, platform: str) -> str:
    """The account through which a business looks at its competitors: the first of its own on the platform."""
    own = (one.account_id for one in accounts if (one.business_id, one.platform) == (business_id, platform))
    return min(own)


def expected_competitors(
    found: Mapping[tuple[str, str], Rival], accounts: Sequence[Account], platform: str, observed_at: Sequence[datetime]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The oracle of `stg_<platform>__competitors` (Facebook, Instagram): account and record key, with the last values.

    Counters stand as they were when the post was last among the newest.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for (on, handle), rival in found.items():
        if on != platform:
            continue
        reader = reader_of(accounts, rival.account.business_id, platform)
        zone = ZoneInfo(rival.account.timezone)
        for at in observed_at:
            day = at.astimezone(zone).date().isoformat()
            stock = audience.stock_at(rival.account, at)
            rows[reader, f"{handle}:profile:{day}"] = {"handle": handle, "followers_count": stock}
            for post in rival.listed(at)[:NEWEST]:
                rows[reader, f"{handle}:post:{post.post_id}"] = _post_row(handle, post, at)
    return rows


def _post_row(handle: str, post: Post, at: datetime) -> dict[str, Any]:
    now = counters(post, at)
    return {
        "handle": handle,
        "post_id": post.post_id,
        "published_at": post.published_at,
        "text": post.text,
        "likes": None if handle in HIDES_LIKES else now["likes"],
        "comments": now["comments"],
    }
