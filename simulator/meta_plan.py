"""The fewest requests for Meta's stories, comments and competitors; docs/api-calls.md derives them in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from simulator import remarks, stories
from simulator.growth import counter
from simulator.model import Account, Post
from simulator.plan import META_BATCH, pages
from simulator.rivals import Rival, reader_of

FACEBOOK_COMMENTS_PAGE = 100
INSTAGRAM_COMMENTS_PAGE = 50
STORIES_PAGE = 100
STORIES_BATCH = META_BATCH // 2
"""Each story takes two parts: its plain metrics, and its navigation by kind."""


def more_calls(
    accounts: Sequence[Account],
    posts: Mapping[tuple[str, str], tuple[Post, ...]],
    found: Mapping[tuple[str, str], Rival],
    world: tuple[int, datetime],
    at: datetime,
    before: datetime | None,
) -> dict[str, int]:
    """Requests per platform at an instant; `before` is when the comments were read last, None for never.

    `world` is its seed and anchor.
    """
    calls = {"facebook": 0, "instagram": 0}
    for account in accounts:
        if account.platform in calls:
            calls[account.platform] += batches(threads(posts[account.key], at, before), META_BATCH)
        if account.platform == "instagram":
            calls["instagram"] += story_calls(len(stories.live(account, *world, at)))
    for (platform, _), rival in found.items():
        if platform not in calls:
            continue
        # Read through one account of the business, which must have one.
        reader_of(accounts, rival.account.business_id, platform)
        calls[platform] += 1
    return calls


def story_calls(count: int) -> int:
    """The list, and batches of what it named; further pages of the list ride along in a batch."""
    rest = max(0, pages(count, STORIES_PAGE) - 1)
    return 1 + -(-(count + rest) // STORIES_BATCH)


def threads(listed: Sequence[Post], at: datetime, before: datetime | None) -> list[list[list[int]]]:
    """For each post with news, in order of ids: the chains of pages to read, as `[pages, chain that it opens...]`."""
    due = [post for post in listed if post.kind == "own" and post.created_at <= at and _is_due(post, at, before)]
    return [_chains(post, at) for post in sorted(due, key=lambda post: post.post_id)]


def _is_due(post: Post, at: datetime, before: datetime | None) -> bool:
    now = counter(post, "comments", at)
    return now > 0 and (before is None or counter(post, "comments", before) != now)


def _chains(post: Post, at: datetime) -> list[list[int]]:
    """The comments of a post as pages: for every page, how many further pages each of its comments' replies have."""
    found = remarks.visible(post, at)
    if post.account.platform == "facebook":
        return [[] for _ in range(pages(len(found), FACEBOOK_COMMENTS_PAGE))]
    first_level = [one for one in reversed(found) if one.parent is None]
    answers = [sum(1 for each in found if each.parent == one.remark_id) for one in first_level]
    size = INSTAGRAM_COMMENTS_PAGE
    told = [[pages(count, size) - 1 for count in answers[n : n + size]] for n in range(0, len(answers), size)]
    return [[more for more in page if more] for page in told] or [[]]


def batches(work: Iterable[list[list[int]]], size: int) -> int:
    """Calls that read all lists, `size` to a call: a list goes on in the call after the page that leads there."""
    waiting = deque(work)
    under_way: list[list[list[int]]] = []
    calls = 0
    while waiting or under_way:
        while waiting and len(under_way) < size:
            under_way.append(waiting.popleft())
        asked, under_way = under_way[:size], under_way[size:]
        for pages_left in asked:
            under_way += [[[]] * count for count in pages_left[0]]
            under_way += [pages_left[1:]] if pages_left[1:] else []
        calls += 1
    return calls
