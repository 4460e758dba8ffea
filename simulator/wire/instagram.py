"""Instagram media. A reel is `VIDEO` by `media_type` and `REELS` by `media_product_type`.

https://developers.facebook.com/docs/instagram-platform/reference/instagram-media
"""

from __future__ import annotations

import random
from typing import Any

from simulator.days import meta_time
from simulator.model import Json, Sketch
from simulator.wire import Spelled, read_all

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MEDIA_TYPE = {"image": "IMAGE", "carousel": "CAROUSEL_ALBUM", "video": "VIDEO", "reel": "VIDEO"}


def shortcode(number: int) -> str:
    """The id in Instagram's base 64."""
    letters = ""
    while number:
        number, position = divmod(number, 64)
        letters = ALPHABET[position] + letters
    return letters


def product_type(sketch: Sketch) -> str:
    """`FEED`, `REELS`, or `AD` for what was paid for."""
    if sketch.kind == "ad":
        return "AD"
    return "REELS" if sketch.content_type == "reel" else "FEED"


def spell(sketch: Sketch, rng: random.Random) -> Spelled:
    """One media object, without counters."""
    seconds = int(sketch.published_at.timestamp())
    number = 18_000_000_000_000_000 + (seconds - 1_700_000_000) * 1_000_000 + rng.randrange(1_000_000)
    code = shortcode(number * 97)
    permalink = f"https://www.instagram.com/{'reel' if sketch.content_type == 'reel' else 'p'}/{code}/"
    payload: dict[str, Any] = {
        "id": str(number),
        "media_type": MEDIA_TYPE[sketch.content_type],
        "media_product_type": product_type(sketch),
        "permalink": permalink,
        "shortcode": code,
        "timestamp": meta_time(sketch.published_at),
        "username": sketch.account.handle,
        "is_comment_enabled": True,
        "media_url": f"https://scontent.cdninstagram.com/v/t51/{number}.jpg",
    }
    text = None if sketch.segments is None else read_all(sketch.segments)
    if text is not None:
        payload["caption"] = text
    if sketch.content_type == "reel":
        payload["is_shared_to_feed"] = True
    children: list[Json] = [
        {"id": str(number - 500 + n), "media_type": "VIDEO" if n == 2 else "IMAGE"} for n in range(3)
    ]
    if sketch.content_type == "carousel":
        payload["children"] = {"data": children}
    return Spelled(post_id=str(number), payload=payload, text=text, permalink=permalink, created_at=sketch.published_at)
