"""Facebook Page posts. https://developers.facebook.com/docs/graph-api/reference/page/feed"""

from __future__ import annotations

import random
from typing import Any

from simulator.days import meta_time
from simulator.model import Json, Sketch
from simulator.wire import Spelled, read_all

STATUS = {
    "text": "mobile_status_update",
    "image": "added_photos",
    "carousel": "added_photos",
    "video": "added_video",
    "reel": "added_video",
    "link": "shared_story",
}


def attachment(sketch: Sketch, serial: int, permalink: str) -> Json | None:
    """The attachment of a content type; None for text."""
    photo: Json = {"media_type": "photo", "type": "photo"}
    target: Json = {"id": str(serial), "url": permalink}
    objects: dict[str, Json] = {
        "image": photo | {"url": f"https://www.facebook.com/photo.php?fbid={serial}", "target": {"id": str(serial)}},
        "carousel": {
            "media_type": "album",
            "type": "album",
            "url": f"https://www.facebook.com/media/set/?set=a.{serial}",
            "title": f"Photos from {sketch.account.name}'s post",
            "subattachments": {"data": [photo, photo]},
        },
        "video": {"media_type": "video", "type": "video_inline", "url": permalink, "target": target},
        "reel": {"media_type": "video", "type": "video_inline", "url": permalink, "target": target},
        "link": {
            "media_type": "link",
            "type": "share",
            "url": f"https://l.facebook.com/l.php?u=https%3A%2F%2Fexample.com%2F{serial}",
            "title": "A longer story",
        },
    }
    return objects.get(sketch.content_type)


def spell(sketch: Sketch, rng: random.Random) -> Spelled:
    """One post of `/{page}/published_posts`, without counters."""
    serial = rng.randrange(10**9, 10**10)
    seconds = int(sketch.published_at.timestamp())
    post_id = f"{sketch.account.account_id}_{122_000_000_000_000_000 + seconds * 10_000 + rng.randrange(10_000)}"
    permalink = f"https://www.facebook.com/{sketch.account.handle}/posts/pfbid0{serial:x}{seconds:x}"
    if sketch.content_type == "reel":
        permalink = f"https://www.facebook.com/reel/{serial}"
    elif sketch.content_type == "video":
        permalink = f"https://www.facebook.com/{sketch.account.handle}/videos/{serial}/"
    payload: dict[str, Any] = {
        "id": post_id,
        "created_time": meta_time(sketch.published_at),
        "updated_time": meta_time(sketch.published_at),
        "permalink_url": permalink,
        "status_type": STATUS[sketch.content_type],
        "is_published": True,
        "is_hidden": False,
    }
    text = None if sketch.segments is None else read_all(sketch.segments)
    if text is not None:
        payload["message"] = text
    if sketch.content_type == "link":
        payload["story"] = f"{sketch.account.name} shared a link."
    if sketch.content_type in ("image", "carousel"):
        payload["full_picture"] = f"https://scontent.xx.fbcdn.net/v/t39.30808-6/{serial}.jpg"
    if (attached := attachment(sketch, serial, permalink)) is not None:
        payload["attachments"] = {"data": [attached]}
    return Spelled(post_id=post_id, payload=payload, text=text, permalink=permalink, created_at=sketch.published_at)
