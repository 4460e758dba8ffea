"""What people write under the posts: comments on LinkedIn, replies on X; as many as the post's counter says."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from simulator.days import milliseconds
from simulator.model import Post

WORDS = (
    "Great work, when is the next edition?",
    "Thanks {friend} for sharing 👏👏 & see you <there>",
    "🎉👨‍👩‍👧‍👦 {friend} you should see this, and {friend} too",
    "{friend}",
    "Does this ship to Kathmandu? नेपाल",
    "👏👏",
    "",
    "Not convinced.\nPrices went up twice this year!",
    "Write to me@example.com, or ask {friend}'s team",
)
LONG_WORDS = " ".join(["I have followed this for years and still find something new every single time."] * 5)
OWN_EVERY = 9
ANSWER_EVERY = 5
X_EPOCH = 1_288_834_974_657


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply; `answers` is the reply it answers, None where it answers the post itself."""

    post: Post
    reply_id: str
    written_at: datetime
    words: str
    person: str
    friend: str
    is_own: bool
    likes: int
    answers: str | None


@lru_cache(maxsize=20_000)
def _number(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(":".join(map(str, parts)).encode()).digest()[:8])


def _written_at(post: Post, position: int) -> datetime:
    """When the counter passes to `position` + 1: the growth of `growth.counter` turned round, to the next second."""
    age = -post.tau * math.log(1 - (position + 0.5) / post.totals["comments"])
    return (post.published_at + age + timedelta(seconds=1)).replace(microsecond=0)


def replies(post: Post, at: datetime) -> list[Reply]:
    """The replies to a post by an instant, oldest first."""
    found: list[Reply] = []
    for position in range(post.totals.get("comments", 0)):
        written_at = _written_at(post, position)
        if written_at > at:
            break
        found.append(_reply(post, position, written_at, found))
    return found


def _reply(post: Post, position: int, written_at: datetime, before: Sequence[Reply]) -> Reply:
    drawn = _number(post.post_id, position)
    epoch = X_EPOCH if post.account.platform == "twitter" else 0
    is_long = post.account.platform == "twitter" and drawn % 17 == 3
    return Reply(
        post=post,
        reply_id=str(milliseconds(written_at) - epoch << 22 | drawn % (1 << 22)),
        written_at=written_at,
        words=LONG_WORDS if is_long else WORDS[drawn % len(WORDS)],
        person=f"person{drawn % 9_973}",
        friend=f"friend{drawn % 997}",
        is_own=position % OWN_EVERY == 4,
        likes=drawn % 7,
        answers=before[-1].reply_id if before and position % ANSWER_EVERY == 3 else None,
    )


def activity_of(post: Post) -> str:
    """The activity that LinkedIn's comments hang on: never the share that was asked for."""
    return f"urn:li:activity:{int(post.post_id.rpartition(':')[2]) + 1}"


def comment_id(reply: Reply) -> str:
    """The platform's name of a reply."""
    if reply.post.account.platform == "twitter":
        return reply.reply_id
    return f"urn:li:comment:({activity_of(reply.post)},{reply.reply_id})"
