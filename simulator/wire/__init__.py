"""How each platform spells a post on the wire; metrics are added when a request asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from simulator.model import Json, Link, Mention, Plain, Segment, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelled:
    """A post in a platform's words: the JSON object without metrics, and what people read."""

    post_id: str
    payload: Json
    text: str | None
    permalink: str
    created_at: datetime
    media: tuple[Json, ...] = ()


def read(segment: Segment, *, at_sign: str = "@") -> str:
    """A segment as people read it."""
    match segment:
        case Plain(text):
            return text
        case Tag(spelling):
            return f"#{spelling}"
        case Link(url):
            return url
        case Mention(name, _):
            return f"{at_sign}{name}"
        case verbatim:
            return verbatim.read


def read_all(segments: tuple[Segment, ...], *, at_sign: str = "@") -> str:
    """A text as people read it."""
    return "".join(read(segment, at_sign=at_sign) for segment in segments)
