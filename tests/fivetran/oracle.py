"""What the two reports must show of our own raw rows, worked out in plain Python from the payloads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

METRICS = ("clicks", "impressions", "likes", "shares", "comments")
X_COUNTS_SINCE = datetime(2022, 12, 15, tzinfo=UTC)

Payload = Mapping[str, Any]
Counts = dict[str, int | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a report: what identifies it, and its five numbers."""

    business_id: int
    platform: str
    post_id: str
    post_url: str
    page_id: str
    created: datetime | None
    counts: Counts


def number(value: object) -> int | None:
    """A count: a JSON number, or a plain decimal in a text."""
    if isinstance(value, bool) or value is None:
        return None
    text = str(value)
    return int(Decimal(text)) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def added(*values: int | None) -> int | None:
    """The sum of what is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def told(payload: Payload, name: str) -> Any:
    """The value of one of Meta's nested insights."""
    for entry in (payload.get("insights") or {}).get("data", []):
        if entry["name"] == name:
            return entry["values"][0]["value"] if "values" in entry else entry["total_value"]["value"]
    return None


def instant(text: object) -> datetime | None:
    """An ISO 8601 instant."""
    return datetime.fromisoformat(str(text)).astimezone(UTC) if text else None


def linkedin(statistics: Payload | None) -> tuple[Counts, Counts]:
    """LinkedIn's numbers: ours, and as Fivetran's models show them."""
    sums = (statistics or {}).get("totalShareStatistics", {})
    names = {"clicks": "click", "impressions": "impression", "likes": "like", "shares": "share", "comments": "comment"}
    ours = {name: number(sums.get(f"{word}Count")) for name, word in names.items()}
    return ours, {name: value or 0 for name, value in ours.items()}


def twitter(payload: Payload, clicks: int | None) -> tuple[Counts, Counts]:
    """X's numbers; quotes are shares to us alone."""
    public = payload.get("public_metrics", {})
    impressions = number(public.get("impression_count"))
    created = instant(payload.get("created_at"))
    if impressions == 0 and created and created < X_COUNTS_SINCE:
        impressions = None
    reposts = number(public.get("retweet_count", public.get("repost_count")))
    ours = {
        "clicks": clicks,
        "impressions": impressions,
        "likes": number(public.get("like_count")),
        "shares": added(reposts, number(public.get("quote_count"))),
        "comments": number(public.get("reply_count")),
    }
    return ours, {**{name: value or 0 for name, value in ours.items()}, "shares": reposts or 0}


def facebook(payload: Payload) -> tuple[Counts, Counts | None]:
    """Facebook's numbers; without insights Fivetran's models leave the post out."""
    by_type = told(payload, "post_reactions_by_type_total")
    reactions = number(payload.get("reactions", {}).get("summary", {}).get("total_count"))
    if reactions is None and by_type is not None:
        reactions = sum(by_type.values())
    comments = number(payload.get("comments", {}).get("summary", {}).get("total_count"))
    shares = number(payload.get("shares", {}).get("count"))
    if shares is None and (reactions is not None or comments is not None):
        shares = 0
    views, clicks = number(told(payload, "post_media_view")), number(told(payload, "post_clicks"))
    ours = {"clicks": clicks, "impressions": views, "likes": reactions, "shares": shares, "comments": comments}
    others = ("post_total_media_view_unique", "post_video_views", "post_video_view_time")
    insights = [views, clicks, *(number(told(payload, name)) for name in others)]
    if by_type is None and all(value is None for value in insights):
        return ours, None
    likes = (by_type or {}).get("like", 0)
    return ours, {"clicks": clicks or 0, "impressions": views or 0, "likes": likes, "shares": None, "comments": None}


def instagram(payload: Payload) -> tuple[Counts, Counts]:
    """Instagram's numbers; Fivetran's models fill neither clicks nor shares."""
    likes, comments = number(told(payload, "likes")), number(told(payload, "comments"))
    ours = {
        "clicks": None,
        "impressions": number(told(payload, "views")),
        "likes": number(payload.get("like_count")) if likes is None else likes,
        "shares": number(told(payload, "shares")),
        "comments": number(payload.get("comments_count")) if comments is None else comments,
    }
    zeroed = {name: ours[name] or 0 for name in ("impressions", "likes", "comments")}
    return ours, {"clicks": None, "shares": None, **zeroed}
