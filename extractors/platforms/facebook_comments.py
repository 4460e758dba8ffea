"""Comments below a page's posts, replies among them, 100 to a page.

Read 2026-11-21: https://developers.facebook.com/docs/graph-api/reference/object/comments (`filter=stream` gives replies
too, `order=chronological` puts new ones last) and /reference/comment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from extractors.platforms.graph_comments import MEMBER, Taken, Thread, comments, kept, next_place
from extractors.shape import mapping, objects, text
from extractors.spec import Batch, Json, Record, Scope

WHERE = "facebook__comments"
FIELDS = "id,message,created_time,like_count,comment_count,is_hidden,parent{id},from{id},message_tags"
KEPT = ("id", "created_time", "like_count", "comment_count", "is_hidden")
PER_PAGE = 100


def url(post: str, cursor: str) -> str:
    """Address of a page of a post's comments."""
    after = f"&after={quote(cursor, safe='')}" if cursor else ""
    return f"{post}/comments?filter=stream&order=chronological&limit={PER_PAGE}&fields={FIELDS}{after}"


def take(scope: Scope, post: str, _place: str, body: Json) -> Taken:
    """Return the comments of a page without their authors, and the page that follows."""
    page = mapping(body, WHERE)
    found = [_record(scope, post, item) for item in objects(page, "data", WHERE)]
    cursor = next_place(page)
    return found, ({post: cursor} if cursor else {})


def _record(scope: Scope, post: str, item: Json) -> Record:
    parent = item.get("parent")
    payload = {**kept(item, KEPT), "post_id": post, "is_owner": _id(item.get("from")) == scope.account.account_id}
    if parent is not None:
        payload["parent_id"] = text(mapping(parent, WHERE), "id", WHERE)
    if isinstance(item.get("message"), str):
        payload["message"] = _without_members(scope, item["message"], item.get("message_tags"))
    return Record(text(item, "id", WHERE), payload)


def _without_members(scope: Scope, message: str, tags: Any) -> str:
    """Take the tagged names out of a text; the page's own stays. Longest first: a name may hold a shorter one."""
    names = {tag.get("name") for tag in _tags(tags) if _id(tag) != scope.account.account_id}
    for name in sorted((name for name in names if isinstance(name, str) and name), key=len, reverse=True):
        message = message.replace(name, MEMBER)
    return message


def _tags(tags: Any) -> Iterator[Json]:
    """Tags come as a list, or by their offset."""
    lists = tags.values() if isinstance(tags, dict) else [tags]
    return (tag for each in lists if isinstance(each, list) for tag in each if isinstance(tag, dict))


def _id(profile: Any) -> Any:
    return profile.get("id") if isinstance(profile, dict) else None


STREAM = comments(
    "facebook",
    Thread(url, take),
    Batch(
        of="posts",
        size=50,
        where="true",
        changed="""(jsonb_path_query_first(payload, '$.comments.summary.total_count ? (@.type() == "number")')
            #>> '{}')::numeric""",
    ),
)
