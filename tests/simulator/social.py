"""The plain reader's other half: reactions, videos and comments, with as few requests as the platforms allow."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

from simulator.model import Account
from tests.simulator.reading import Reader, Row


def read_social(reader: Reader, account: Account, posts: list[Row], now: datetime) -> list[Row]:
    """What people did under the posts, as a first run reads it; returns the comments as the platform tells them."""
    match account.platform:
        case "linkedin":
            read_reactions(reader, account, [one["post_id"] for one in posts if (one["likes"] or 0) > 0])
            seen = [one for one in posts if one["content_type"] == "video" and (one["impressions"] or 0) > 0]
            for urn in (one["post_id"] for one in seen if now.timestamp() - one["published_at"] <= 180 * 86_400):
                for kind in ("VIDEO_VIEW", "VIEWER", "TIME_WATCHED"):
                    reader.get(account, video_path(urn, kind))
            urns = [one["post_id"] for one in talked_about(posts, now)]
            return [element for urn in urns for element in read_comments(reader, account, urn)]
    return []


def talked_about(posts: list[Row], now: datetime) -> list[Row]:
    """The posts of 28 days that have comments."""
    since = (now - timedelta(days=28)).timestamp()
    return [one for one in posts if one["published_at"] >= since and (one["comments"] or 0) > 0]


def read_reactions(reader: Reader, account: Account, urns: list[str]) -> Row:
    """`socialMetadata` of posts, twenty at a time."""
    found: Row = {}
    for start in range(0, len(urns), 20):
        listed = ",".join(quote(urn, safe="") for urn in urns[start : start + 20])
        found |= reader.get(account, f"/rest/socialMetadata?ids=List({listed})")["results"]
    return found


def video_path(urn: str, kind: str) -> str:
    """One number of one video."""
    return f"/rest/videoAnalytics?q=entity&entity={quote(urn, safe='')}&type={kind}&aggregation=ALL"


def read_comments(reader: Reader, account: Account, urn: str, count: int = 100) -> list[Row]:
    """All comments of one level, page by page."""
    elements: list[Row] = []
    while True:
        path = f"/rest/socialActions/{quote(urn, safe='')}/comments?start={len(elements)}&count={count}"
        page = reader.get(account, path)
        elements += page["elements"]
        if not any(link["rel"] == "next" for link in page["paging"]["links"]):
            return elements
