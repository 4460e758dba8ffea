"""The oracle of what people do under the posts: comments, reactions by type, numbers of videos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from simulator.growth import counter
from simulator.model import Post
from simulator.reactions import reactions, video_numbers
from simulator.replies import Reply, comment_id, replies
from simulator.truth import LOOKBACK, last_read

Posts = Mapping[tuple[str, str], Iterable[Post]]
Row = dict[str, Any]
COMMENTS_FOR = timedelta(days=28)
"""The age of the posts whose replies are read."""
REACTIONS_FOR = timedelta(days=365)
VIDEOS_FOR = timedelta(days=180)
VIDEO_NUMBERS = ("VIDEO_VIEW", "VIEWER", "TIME_WATCHED")
X_REACH = timedelta(days=7)
X_OVERLAP = timedelta(hours=1)


def moved(post: Post, name: str, at: datetime, before: datetime | None) -> bool:
    """Whether a count is above 0 and another one than at the look before; None when nobody looked yet."""
    was = counter(post, name, before) if before and post.published_at <= before else 0
    return 0 < counter(post, name, at) != was


def expected_comments(platform: str, posts: Posts, observed_at: Sequence[datetime]) -> list[Row]:
    """The oracle of `linkedin__comments` and `twitter__comments`: what an observer of all instants holds.

    Looked at are posts of 28 days whose count moved since the look before. LinkedIn tells the first level of them
    whole; X the replies of others in the last seven days, or since an hour before the look before.
    """
    rows = {}
    for several in posts.values():
        for post in several:
            if post.account.platform == platform and post.is_organic:
                for reply in _seen(post, observed_at):
                    rows[reply.reply_id] = _row(reply)
    return list(rows.values())


def _seen(post: Post, observed_at: Sequence[datetime]) -> Iterable[Reply]:
    before: datetime | None = None
    for at in observed_at:
        if is_due(post, at, before):
            yield from (one for one in replies(post, at) if is_told(one, at, before))
        before = at


def is_due(post: Post, at: datetime, before: datetime | None) -> bool:
    """Whether the post's replies are asked for: it is young, and has more or fewer of them than at the last look."""
    young = at - COMMENTS_FOR <= post.created_at <= at and post.published_at <= at
    return young and moved(post, "comments", at, before)


def is_told(reply: Reply, at: datetime, before: datetime | None) -> bool:
    """Whether the platform tells of a reply when it is asked at an instant, the look before being at another."""
    if reply.post.account.platform == "linkedin":
        return reply.answers is None
    since = max(at - X_REACH, before - X_OVERLAP) if before else at - X_REACH
    return not reply.is_own and reply.written_at >= since


def _row(reply: Reply) -> Row:
    account = reply.post.account
    return {
        "business_id": account.business_id,
        "platform": account.platform,
        "account_id": account.account_id,
        "comment_id": comment_id(reply),
        "post_id": reply.post.post_id,
        "parent_comment_id": reply.answers,
        "commented_at": reply.written_at,
        "text": reply.words.replace("{friend}", "@member")
        if account.platform == "linkedin"
        else _without_leading(reply),
        "likes": reply.likes,
        "is_own": reply.is_own,
    }


def _without_leading(reply: Reply) -> str:
    """On X a reply begins with those it addresses: they go, whoever is named later is a member."""
    words = reply.words.removeprefix("{friend}")
    return words.replace("{friend}", "@member")


def expected_reactions(posts: Posts, observed_at: Sequence[datetime]) -> dict[str, dict[str, int]]:
    """Post to reactions by type, as an observer of all instants holds them; posts without likes are not there."""
    found = {}
    for post in _linkedin(posts, observed_at[-1]):
        at = last_read(post, observed_at, LOOKBACK)
        if at - REACTIONS_FOR <= post.created_at and (told := reactions(post, at)):
            found[post.post_id] = told
    return found


def expected_videos(posts: Posts, observed_at: Sequence[datetime]) -> dict[tuple[str, str], int]:
    """Post and kind of number to its value, for the videos that were shown."""
    found: dict[tuple[str, str], int] = {}
    for post in _linkedin(posts, observed_at[-1]):
        at = last_read(post, observed_at, LOOKBACK)
        if at - VIDEOS_FOR <= post.created_at and counter(post, "impressions", at) > 0:
            numbers = video_numbers(post, at)
            found |= {(post.post_id, name): numbers[name] for name in VIDEO_NUMBERS if name in numbers}
    return found


def _linkedin(posts: Posts, at: datetime) -> Iterable[Post]:
    for several in posts.values():
        for post in several:
            if post.account.platform == "linkedin" and post.is_organic and post.published_at <= at:
                yield post
