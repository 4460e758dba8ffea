"""X posts: snowflake ids, HTML-escaped text, t.co links, media apart, long posts in `note_tweet`.

https://docs.x.com/x-api/fundamentals/data-dictionary
"""

from __future__ import annotations

import html
import random
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from simulator.days import milliseconds, x_time
from simulator.model import Json, Link, Plain, Post, Sketch, Tag
from simulator.wire import Spelled, read, read_all

EPOCH = 1_288_834_974_657
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SHORT_TEXT = 280
MEDIA = {"image": ("photo", 1), "carousel": ("photo", 3), "video": ("video", 1)}
PREFIX = {"photo": 3, "video": 13, "animated_gif": 16}


def snowflake(at: datetime, rng: random.Random) -> int:
    """An id of the given instant."""
    return milliseconds(at) - EPOCH << 22 | rng.randrange(1 << 22)


def short_link(rng: random.Random) -> str:
    """A t.co address, 23 characters as all of them."""
    return "https://t.co/" + "".join(rng.choices(ALPHABET, k=10))


@dataclass(slots=True)
class Writing:
    """A text as it grows, with entities at code point offsets."""

    text: str = ""
    hashtags: list[Json] = field(default_factory=list)
    urls: list[Json] = field(default_factory=list)

    def add(self, words: str) -> tuple[int, int]:
        """Append, and say where the words stand."""
        start = len(self.text)
        self.text += words
        return start, len(self.text)

    def add_tag(self, spelling: str) -> None:
        """Append a hashtag with its entity."""
        start, end = self.add(f"#{spelling}")
        self.hashtags.append({"start": start, "end": end, "tag": spelling})

    def add_link(self, short: str, expanded: str, **more: str) -> None:
        """Append a shortened link with its entity."""
        start, end = self.add(short)
        shown = expanded.removeprefix("https://")
        entity = {"start": start, "end": end, "url": short, "expanded_url": expanded, "display_url": shown[:27]}
        self.urls.append(entity | more)

    def entities(self) -> Json:
        """The `entities` object; fields without value are left out."""
        named = {"hashtags": self.hashtags, "urls": self.urls}
        return {name: found for name, found in named.items() if found}


def write(sketch: Sketch, rng: random.Random) -> Writing:
    """The words of a post, escaped and shortened, without its media link."""
    writing = Writing()
    for segment in sketch.segments or ():
        match segment:
            case Tag(spelling):
                writing.add_tag(spelling)
            case Link(url):
                writing.add_link(short_link(rng), url, status="200", unwound_url=url)
            case Plain(text):
                writing.add(html.escape(text, quote=False))
            case other:
                writing.add(html.escape(read(other), quote=False))
    return writing


def media_objects(sketch: Sketch, number: int) -> tuple[Json, ...]:
    """The media of a post, as they stand in `includes.media`."""
    if sketch.content_type not in MEDIA:
        return ()
    kind, count = MEDIA[sketch.content_type]
    if kind == "video" and sketch.number % 7 == 3:
        kind = "animated_gif"
    objects: list[Json] = []
    for position in range(count):
        media: Json = {"media_key": f"{PREFIX[kind]}_{number - 4_000_000 + position}", "type": kind}
        address = f"https://pbs.twimg.com/media/{number + position}.jpg"
        media |= {"url": address} if kind == "photo" else {"preview_image_url": address}
        if kind == "video":
            media["duration_ms"] = 20_000 + number % 70_000
        objects.append(media)
    return tuple(objects)


def spell(sketch: Sketch, rng: random.Random) -> Spelled:
    """One post of a timeline, all of its optional fields included."""
    number = snowflake(sketch.published_at, rng)
    post_id = str(number)
    page = f"https://x.com/{sketch.account.handle}/status/{post_id}"
    payload: dict[str, Any] = {
        "id": post_id,
        "created_at": x_time(sketch.published_at),
        "author_id": sketch.account.account_id,
        "conversation_id": post_id,
        "lang": "en",
        "edit_history_tweet_ids": [post_id],
        "possibly_sensitive": False,
        "reply_settings": "everyone",
    }
    if sketch.number % 41 == 5:
        payload["edit_history_tweet_ids"].insert(0, str(number - (60_000 << 22)))
    writing = write(sketch, rng)
    text = read_all(sketch.segments or ())
    text = _refer(sketch, rng, payload, writing, text, number)
    media = media_objects(sketch, number)
    _attach(sketch, rng, payload, writing, media, page)
    _settle(sketch, rng, payload, writing, post_id)
    return Spelled(
        post_id=post_id, payload=payload, text=text, permalink=page, created_at=sketch.published_at, media=media
    )


def edited(before: Post, at: datetime, text: str) -> Post:
    """The next version of a post: a new id, the older ones in its history, plain words instead of the old ones."""
    post_id = str(snowflake(at, random.Random(f"{before.post_id}:{at.isoformat()}")))
    payload = {name: value for name, value in before.payload.items() if name not in ("entities", "note_tweet")}
    payload |= {"id": post_id, "created_at": x_time(at), "text": html.escape(text, quote=False)}
    payload["edit_history_tweet_ids"] = [*before.payload["edit_history_tweet_ids"], post_id]
    return replace(
        before,
        post_id=post_id,
        created_at=at,
        published_at=at,
        text=text,
        hashtags=(),
        permalink=before.permalink.replace(before.post_id, post_id),
        payload=payload,
    )


def _refer(sketch: Sketch, rng: random.Random, payload: Json, writing: Writing, text: str, number: int) -> str:
    """Add what makes a reply, a quote or a repost; returns the text as people read it."""
    other = str(number - (rng.randrange(3_600_000, 86_400_000) << 22))
    if sketch.kind == "quote":
        quoted = f"https://x.com/partner/status/{other}"
        writing.add(" ")
        writing.add_link(short_link(rng), quoted)
        payload["referenced_tweets"] = [{"type": "quoted", "id": other}]
        return f"{text} {quoted}"
    if sketch.kind == "reply":
        payload["referenced_tweets"] = [{"type": "replied_to", "id": other}]
        payload["conversation_id"] = other
        payload["in_reply_to_user_id"] = "998877"
    if sketch.kind == "retweet":
        payload["referenced_tweets"] = [{"type": "retweeted", "id": other}]
        writing.text = f"RT @partner: {writing.text}"[:140]
        writing.hashtags, writing.urls = [], []
    return text


def _attach(
    sketch: Sketch, rng: random.Random, payload: Json, writing: Writing, media: tuple[Json, ...], page: str
) -> None:
    """Add media with the link that X appends for them, and polls."""
    if sketch.content_type == "poll":
        payload["attachments"] = {"poll_ids": [str(int(payload["id"]) - 77)]}
    if not media:
        return
    payload["attachments"] = {"media_keys": [one["media_key"] for one in media]}
    kind = "photo" if media[0]["type"] == "photo" else "video"
    if writing.text:
        writing.add(" ")
    writing.add_link(short_link(rng), f"{page}/{kind}/1", media_key=media[0]["media_key"])
    first = writing.urls[-1]
    writing.urls += [first | {"media_key": one["media_key"]} for one in media[1:]]


def _settle(sketch: Sketch, rng: random.Random, payload: Json, writing: Writing, post_id: str) -> None:
    """Put the text in its place: whole, or cut with the whole in `note_tweet`."""
    if not sketch.long:
        payload["text"] = writing.text
        if entities := writing.entities():
            payload["entities"] = entities
        return
    payload["note_tweet"] = {"text": writing.text}
    if entities := writing.entities():
        payload["note_tweet"]["entities"] = entities
    cut = Writing()
    kept = min(len(writing.text), SHORT_TEXT - 28)
    cut.add(writing.text[:kept].rsplit(" ", 1)[0] + "… ")
    kept = len(cut.text) - 2
    cut.hashtags = [tag for tag in writing.hashtags if tag["end"] <= kept]
    cut.urls = [url for url in writing.urls if url["end"] <= kept]
    cut.add_link(short_link(rng), f"https://x.com/i/web/status/{post_id}")
    payload["text"] = cut.text
    payload["entities"] = cut.entities()
