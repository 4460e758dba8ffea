"""What members write below posts: comments and replies, with names that must never be kept.

A post shows as many as its counter says. Who wrote one, and whom it names, is known here alone: the canaries.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from simulator.days import meta_time
from simulator.growth import counters
from simulator.model import Account, Json, Post

TEXTS = (
    "Amazing 😍",
    "When does registration close?",
    "🔥",
    "",
    "Über die Größe müssen wir reden",
    "مرحبا، أين المكان؟",
    'Line one\nline two; "quoted", 100% =SUM(A1)',
    "Mail me at hello@example.com please",
    "Fish & chips <3",
)
ANSWERS = ("Thank you!", "Tomorrow 😀", "We will tell you on Monday")
REPLIES = 0.3
"""Share of the comments that answer an earlier one."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who comments: no account of ours."""

    member_id: str
    name: str
    handle: str


@dataclass(frozen=True, slots=True)
class Remark:
    """One comment. `named` is who its text mentions; `author` is None for the account itself."""

    remark_id: str
    account: Account
    post_id: str
    written_at: datetime
    author: Member | None
    named: Member | None
    words: str
    likes: int
    hidden: bool
    parent: str | None

    @property
    def is_owner(self) -> bool:
        """Whether the account answers below its own post."""
        return self.author is None


def member(*seed: object) -> Member:
    """A member whose name, handle and id are found nowhere else."""
    mark = hashlib.sha256(":".join(map(str, seed)).encode()).hexdigest()
    return Member(str(24_000_000_000_000_000 + int(mark[:12], 16)), f"Mx {mark[:6]} Quidam", f"quidam.{mark[6:14]}")


@dataclass(frozen=True, slots=True)
class Place:
    """What the comments below a post follow from."""

    account: Account
    post_id: str
    published_at: datetime
    tau: timedelta
    total: int


def remarks(post: Post) -> tuple[Remark, ...]:
    """Everything that will ever be written below a post, oldest first."""
    return _remarks(Place(post.account, post.post_id, post.published_at, post.tau, max(0, post.totals["comments"])))


@lru_cache(maxsize=8_192)
def _remarks(place: Place) -> tuple[Remark, ...]:
    rng = random.Random(f"{place.post_id}:remarks")
    found: list[Remark] = []
    for number in range(place.total):
        age = -place.tau * math.log(1 - (number + 0.5) / place.total)
        at = place.published_at + timedelta(seconds=math.floor(age.total_seconds()))
        found.append(_remark(place, number, at, found, rng))
    return tuple(found)


def _remark(place: Place, number: int, at: datetime, earlier: Sequence[Remark], rng: random.Random) -> Remark:
    first_level = [one for one in earlier if one.parent is None]
    parent = rng.choice(first_level) if first_level and rng.random() < REPLIES else None
    owner = parent is not None and rng.random() < 0.5
    named = parent.author if parent is not None and rng.random() < 0.7 else None
    if named is None and rng.random() < 0.1:
        named = member(place.post_id, number, "friend")
    return Remark(
        remark_id=remark_id(place, number),
        account=place.account,
        post_id=place.post_id,
        written_at=at,
        author=None if owner else member(place.post_id, number),
        named=named,
        words=rng.choice(ANSWERS if owner else TEXTS),
        likes=rng.randrange(6),
        hidden=rng.random() < 0.04,
        parent=parent.remark_id if parent is not None else None,
    )


def remark_id(place: Place, number: int) -> str:
    """`{post}_{comment}` on Facebook, without the page; a number of its own on Instagram."""
    if place.account.platform == "facebook":
        return f"{place.post_id.partition('_')[2]}_{900_000 + number}"
    return f"{place.post_id}{number:04d}"


def visible(post: Post, at: datetime) -> tuple[Remark, ...]:
    """The comments that stand below a post at an instant, oldest first."""
    return remarks(post)[: max(0, counters(post, at)["comments"])]


def text(remark: Remark) -> str:
    """The words as they are written, with the name of whom they address, and now and then of the account."""
    if remark.named is not None:
        return f"{mention(remark.named, remark.account)} {remark.words}"
    return f"{remark.words} @{remark.account.handle}" if remark.likes == 5 else remark.words


def mention(named: Member, account: Account) -> str:
    """A member in a text: by name on Facebook, by handle on Instagram."""
    return named.name if account.platform == "facebook" else f"@{named.handle}"


def on_facebook(remark: Remark) -> Json:
    """A comment as Facebook tells it to the page."""
    account = remark.account
    author = remark.author
    told: Json = {
        "id": remark.remark_id,
        "message": text(remark),
        "created_time": meta_time(remark.written_at),
        "like_count": remark.likes,
        "comment_count": 0,
        "is_hidden": remark.hidden,
        "from": {"name": account.name, "id": account.account_id}
        if author is None
        else {"name": author.name, "id": author.member_id},
    }
    if remark.parent is not None:
        told["parent"] = {"id": remark.parent}
    if remark.named is not None:
        tag = {"id": remark.named.member_id, "name": remark.named.name, "type": "user", "offset": 0}
        told["message_tags"] = [tag | {"length": len(remark.named.name)}]
    return told


def on_instagram(remark: Remark) -> Json:
    """A comment as Instagram tells it, without its replies."""
    account, author = remark.account, remark.author
    handle = account.handle if author is None else author.handle
    told: Json = {
        "id": remark.remark_id,
        "text": text(remark),
        "timestamp": meta_time(remark.written_at),
        "username": handle,
        "like_count": remark.likes,
        "hidden": remark.hidden,
        "from": {"id": account.account_id if author is None else author.member_id, "username": handle},
    }
    return told if remark.parent is None else told | {"parent_id": remark.parent}


def canaries(posts: Iterable[Post], at: datetime) -> set[str]:
    """Names, handles and ids of everybody who wrote below the posts or is named there."""
    people = {person for post in posts for one in visible(post, at) for person in (one.author, one.named) if person}
    return {mark for one in people for mark in (one.member_id, one.name, one.handle)}


def expected_comments(posts: Iterable[Post], at: datetime) -> dict[str, dict[str, Any]]:
    """The oracle of the comments of Facebook and Instagram: by id, the words with `@member` for whom they name."""
    return {
        one.remark_id: {
            "business_id": post.account.business_id,
            "account_id": post.account.account_id,
            "post_id": post.post_id,
            "parent_comment_id": one.parent,
            "created_at": one.written_at,
            "text": f"@member {one.words}" if one.named is not None else text(one),
            "likes": one.likes,
            "is_hidden": one.hidden,
            "is_owner": one.is_owner,
        }
        for post in posts
        if post.is_organic
        for one in visible(post, at)
    }
