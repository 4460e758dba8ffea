"""What Facebook shows of other pages: profile and newest posts, one call per competitor.

Read 2026-11-21: https://developers.facebook.com/docs/graph-api/reference/page and /docs/features-reference/
page-public-content-access. Without that feature, which an app gets by review, Meta answers code 10: this stream alone
stops, and says so. Never told: insights.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from extractors.platforms import meta
from extractors.shape import mapping, objects, text
from extractors.spec import Competitors, Params, Read, Record, Scope, Stream

WHERE = "facebook__competitors"
PROFILE_FIELDS = "id,name,username,link,followers_count,fan_count,talking_about_count,verification_status"
POST_FIELDS = (
    "id,created_time,message,permalink_url,status_type,shares,"
    "reactions.limit(0).summary(total_count),comments.limit(0).summary(total_count)"
)
POSTS = 50


def params(scope: Scope) -> Params:
    """A page and its newest posts in one call."""
    return {"fields": f"{PROFILE_FIELDS},posts.limit({POSTS}){{{POST_FIELDS}}}"}


def records(scope: Scope, body: Any) -> list[Record]:
    """The profile, once a day, and the posts, each under the competitor's handle."""
    (handle,) = scope.handles
    page = mapping(body, WHERE)
    text(page, "id", WHERE)
    posts = page.get("posts")
    profile = {name: value for name, value in page.items() if name != "posts"}
    listed = objects(posts, "data", WHERE) if posts is not None else []
    return [
        Record(f"{handle}:profile:{scope.today.isoformat()}", profile),
        *(Record(f"{handle}:post:{text(item, 'id', WHERE)}", item) for item in listed),
    ]


STREAM = Stream(
    platform="facebook",
    name="competitors",
    kind="entity",
    reads=(
        Read(
            name="public_page",
            path=lambda scope: f"/{meta.VERSION}/{quote(scope.handles[0], safe='')}",
            params=params,
            records=records,
            over=Competitors(),
        ),
    ),
)
