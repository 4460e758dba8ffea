"""Our calls of a first run beside those Airbyte's connectors make for the same accounts; docs/api-calls.md has sources.

Ours are counted by the ledger while the world was read. Airbyte's are computed from the same world by what its
connectors' manifests say, always as the fewest they could be: one page fewer where a manifest asks once more to see the
end, parents read once although every substream reads them again. They are not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks.measure import Figure
from extractors.settings import Settings
from simulator.model import Account, Post
from simulator.world import World

GRAPH_DEFAULT_PAGE = 25
AIRBYTE_PAGE = 100
USER_INSIGHTS_DAYS, USER_INSIGHTS_PERIODS = 30, 4
DEMOGRAPHIC_BREAKDOWNS = 3

Posts = Sequence[Post]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What a connector does for one of our groups of streams. `calls` is None where it has no such stream."""

    platform: str
    group: str
    streams: tuple[str, ...]
    calls: Callable[[Posts], int] | None
    says: str


def _pages(count: int, size: int) -> int:
    return max(1, -(-count // size))


def _children(posts: Posts) -> int:
    return sum(len(_data(post.payload.get("children"))) for post in posts)


def _data(value: Any) -> Sequence[Any]:
    found = value.get("data", []) if isinstance(value, dict) else value or []
    return found if isinstance(found, list | tuple) else []


#: Read on 2026-11-21 in the manifests of the connectors' repository; the paths are in docs/api-calls.md.
PEERS = (
    Peer(
        platform="instagram",
        group="posts and their metrics",
        streams=("posts", "post_metrics"),
        calls=lambda posts: _pages(len(posts), AIRBYTE_PAGE) + len(posts) + _children(posts),
        says="media by 100, /{media}/insights for each, each carousel child",
    ),
    Peer(
        platform="instagram",
        group="account series",
        streams=("account_daily",),
        calls=lambda posts: USER_INSIGHTS_DAYS * USER_INSIGHTS_PERIODS,
        says="user_insights: a day a call, four periods, 30 days",
    ),
    Peer(
        platform="instagram",
        group="audience",
        streams=("audience",),
        calls=lambda posts: DEMOGRAPHIC_BREAKDOWNS,
        says="user_lifetime_insights: three breakdowns; ours are five",
    ),
    Peer(
        platform="facebook",
        group="posts and their metrics",
        streams=("posts",),
        calls=lambda posts: 2 * _pages(len(posts), GRAPH_DEFAULT_PAGE),
        says="post and post_insights both page through /posts, metrics nested",
    ),
    Peer(
        platform="facebook",
        group="account series",
        streams=("account_daily",),
        calls=lambda posts: 1,
        says="page_insights: one call without a range, so no history",
    ),
    Peer(
        platform="linkedin",
        group="posts and their metrics",
        streams=("posts", "post_metrics"),
        calls=None,
        says="source-linkedin-pages has no posts",
    ),
    Peer(
        platform="linkedin",
        group="account series",
        streams=("account_daily",),
        calls=lambda posts: 2,
        says="followers and shares over time; no page views, ours has them",
    ),
    Peer(
        platform="twitter",
        group="posts and their metrics",
        streams=("posts", "post_metrics"),
        calls=None,
        says="source-twitter searches recent tweets; no account's own metrics",
    ),
)


def rows_listed(settings: Settings) -> int:
    """How many records the ledger says were read."""
    with settings.warehouse.connect() as connection:
        row = connection.execute("select sum(listed)::bigint from ops.extract_runs").fetchone()
    return int(row[0]) if row else 0


def table(settings: Settings, world: World) -> Iterator[Figure]:
    """Return one line per platform and group: our calls, and the share of Airbyte's they are."""
    ours = _ours(settings)
    for peer in PEERS:
        made = sum(ours.get(f"{peer.platform}__{stream}", 0) for stream in peer.streams)
        theirs = _theirs(peer, world)
        yield Figure(
            what=f"calls, {peer.platform}, {peer.group}",
            value=made,
            unit="calls",
            ratio=made / theirs if theirs else None,
            against=f"Airbyte {theirs:,}: {peer.says}" if theirs else f"Airbyte none: {peer.says}",
        )


def _ours(settings: Settings) -> dict[str, int]:
    with settings.warehouse.connect() as connection:
        rows = connection.execute("select stream, sum(calls)::int from ops.extract_runs group by stream").fetchall()
    return dict(rows)


def _theirs(peer: Peer, world: World) -> int:
    if peer.calls is None:
        return 0
    return sum(peer.calls(_listed(world, account, world.anchor)) for account in world.accounts if _is_of(peer, account))


def _is_of(peer: Peer, account: Account) -> bool:
    return account.platform == peer.platform


def _listed(world: World, account: Account, at: datetime) -> Posts:
    return [post for post in world.listed(account, at) if post.created_at <= at]
