"""What Instagram shows of other professional accounts: business discovery, one call per competitor.

Read 2026-11-21: https://developers.facebook.com/docs/instagram-platform/instagram-api-with-facebook-login/
business-discovery. It counts against the app's own limit. Never told: reach, saves, shares; likes that are hidden.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from extractors.platforms import meta
from extractors.shape import mapping, objects, text
from extractors.spec import Competitors, Json, Params, Read, Record, Scope, Stream

WHERE = "instagram__competitors"
PROFILE_FIELDS = "id,username,name,followers_count,follows_count,media_count"
MEDIA_FIELDS = "id,caption,media_type,media_product_type,permalink,timestamp,like_count,comments_count,view_count"
# The newest ones: a day's run sees each for weeks, unless more than fifty come a day.
MEDIA = 50


def params(scope: Scope) -> Params:
    """A competitor's profile and newest media in one call, through our own account."""
    (handle,) = scope.handles
    media = f"media.limit({MEDIA}){{{MEDIA_FIELDS}}}"
    return {"fields": f"business_discovery.username({quote(handle, safe='')}){{{PROFILE_FIELDS},{media}}}"}


def records(scope: Scope, body: Any) -> list[Record]:
    """The profile, once a day, and the media, each under the competitor's handle."""
    (handle,) = scope.handles
    found = mapping(mapping(body, WHERE).get("business_discovery"), WHERE)
    media = found.get("media")
    profile = {name: value for name, value in found.items() if name != "media"}
    return [
        Record(f"{handle}:profile:{scope.today.isoformat()}", profile),
        *(_post(handle, item) for item in (objects(media, "data", WHERE) if media is not None else [])),
    ]


def _post(handle: str, item: Json) -> Record:
    return Record(f"{handle}:post:{text(item, 'id', WHERE)}", item)


STREAM = Stream(
    platform="instagram",
    name="competitors",
    kind="entity",
    reads=(Read(name="discovery", path=meta.node, params=params, records=records, over=Competitors()),),
)
