"""What LinkedIn tells of a post by kind: reactions by type, numbers of a video."""

from __future__ import annotations

from datetime import datetime, timedelta

from simulator.growth import counters
from simulator.model import Post

FORGOTTEN_AFTER = timedelta(days=183)
"""Views and viewers are told for six months."""


def reactions(post: Post, at: datetime) -> dict[str, int]:
    """Reactions by type, which add up to the likes; not every post stirs every feeling."""
    likes = max(0, counters(post, at)["likes"])
    drawn = int(post.post_id.rpartition(":")[2])
    found = {"PRAISE": likes * 15 // 100, "EMPATHY": likes * 10 // 100, "INTEREST": likes * 3 // 100}
    found = {kind: count for number, (kind, count) in enumerate(found.items(), 2) if drawn % number}
    found["LIKE"] = likes - sum(found.values())
    return {kind: count for kind, count in found.items() if count}


def video_numbers(post: Post, at: datetime) -> dict[str, int]:
    """What is told of a video at an instant, by type."""
    if post.content_type != "video" or at - post.published_at > FORGOTTEN_AFTER:
        return {}
    views = counters(post, at)["impressions"] * 35 // 100
    return {
        "VIDEO_VIEW": views,
        "VIEWER": views * 4 // 5,
        "TIME_WATCHED": views * 6_700,
        "TIME_WATCHED_FOR_VIDEO_VIEWS": views * 6_100,
    }
