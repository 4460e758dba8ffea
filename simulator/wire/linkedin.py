"""LinkedIn posts: share and ugcPost URNs, commentary in little-text markup.

https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api
https://learn.microsoft.com/en-us/linkedin/marketing/integrations/community-management/shares/little-text-format
"""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

from simulator.days import milliseconds
from simulator.model import Json, Link, Mention, Plain, Segment, Sketch, Tag
from simulator.wire import Spelled, read_all

RESERVED = re.compile(r"([\\|{}@\[\]()<>#*_~])")
UGC_TYPES = frozenset({"video", "document", "poll"})


def escape(text: str) -> str:
    """Plain words with little-text's reserved characters escaped."""
    return RESERVED.sub(r"\\\1", text)


def markup(segment: Segment, *, marked_tags: bool) -> str:
    """A segment in little-text. Posts made by other tools hold `#word` bare."""
    match segment:
        case Plain(text):
            return escape(text)
        case Link(url):
            return escape(url)
        case Tag(spelling):
            return f"{{hashtag|\\#|{escape(spelling)}}}" if marked_tags else f"#{spelling}"
        case Mention(name, urn):
            return f"@[{escape(name)}]({urn})"
        case verbatim:
            return verbatim.wire


def content(sketch: Sketch, serial: int) -> Json | None:
    """The `content` object of a content type; None where LinkedIn leaves it out."""
    objects: dict[str, Json] = {
        "image": {"media": {"id": f"urn:li:image:D4E10AQF{serial:010d}", "altText": ""}},
        "video": {"media": {"title": "Behind the scenes", "id": f"urn:li:video:D4E05AQH{serial:010d}"}},
        "document": {"media": {"title": "Field guide.pdf", "id": f"urn:li:document:D4E1FAQG{serial:010d}"}},
        "carousel": {
            "multiImage": {"images": [{"id": f"urn:li:image:D4E22AQF{serial:09d}{n}", "altText": ""} for n in range(3)]}
        },
        "link": {
            "article": {
                "source": f"https://example.com/stories/{serial}",
                "title": "A longer story",
                "description": "Worth ten minutes",
                "thumbnail": f"urn:li:image:D4E10AQG{serial:010d}",
            }
        },
        "poll": {
            "poll": {
                "question": "Which topic next?",
                "options": [{"text": "Quality"}, {"text": "Speed"}],
                "settings": {"duration": "THREE_DAYS"},
            }
        },
    }
    return objects.get(sketch.content_type)


def spell(sketch: Sketch, rng: random.Random) -> Spelled:
    """One element of `/rest/posts`."""
    published = milliseconds(sketch.published_at)
    created_at = sketch.published_at - timedelta(milliseconds=rng.choice((0, 0, 412, 5000)))
    serial = rng.randrange(10**9)
    number = published << 22 | rng.randrange(1 << 22)
    urn = f"urn:li:{'ugcPost' if sketch.content_type in UGC_TYPES else 'share'}:{number}"
    segments = sketch.segments or ()
    payload: dict[str, Any] = {
        "id": urn,
        "author": sketch.account.urn,
        "commentary": "".join(markup(segment, marked_tags=sketch.marked_tags) for segment in segments),
        "createdAt": milliseconds(created_at),
        "lastModifiedAt": published,
        "lifecycleState": "DRAFT" if sketch.kind == "draft" else "PUBLISHED",
        "lifecycleStateInfo": {"isEditedByAuthor": rng.random() < 0.1},
        "visibility": "PUBLIC",
        "distribution": {
            "feedDistribution": "NONE" if sketch.kind == "dark" else "MAIN_FEED",
            "targetEntities": [],
            "thirdPartyDistributionChannels": [],
        },
        "isReshareDisabledByAuthor": False,
    }
    if sketch.kind != "draft":
        payload["publishedAt"] = published
    if sketch.kind == "dark":
        payload["adContext"] = {
            "isDsc": True,
            "dscAdAccount": "urn:li:sponsoredAccount:520866471",
            "dscStatus": "ACTIVE",
        }
    if sketch.kind == "reshare":
        parent = f"urn:li:share:{number - (rng.randrange(1, 1 << 30) << 22)}"
        payload["reshareContext"] = {"parent": parent, "root": parent}
    if (attached := content(sketch, serial)) is not None:
        payload["content"] = attached
    return Spelled(
        post_id=urn,
        payload=payload,
        text=read_all(segments, at_sign=""),
        permalink=f"https://www.linkedin.com/feed/update/{urn}/",
        created_at=created_at,
    )
