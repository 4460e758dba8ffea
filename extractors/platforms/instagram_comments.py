"""Comments below an account's media with their replies, 50 to a page, newest first.

Read 2026-11-21: https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-comment and
/ig-media/comments. They come nested in their media, which names its own account: so a reply of the account's is told
from a member's. A comment under more than a page of replies has a list of its own, keyed `{media}/{comment}`.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from extractors.platforms.graph_comments import MEMBER, Taken, Thread, comments, kept, next_place
from extractors.shape import mapping, objects, text
from extractors.spec import Batch, Json, Record, Scope

WHERE = "instagram__comments"
FIELDS = "id,text,timestamp,like_count,hidden,username"
KEPT = ("id", "timestamp", "like_count", "hidden")
PER_PAGE = 50
# Letters, digits, underscores and dots, no dot at the end; not inside a word, as in an e-mail address.
HANDLE = re.compile(r"(?<![\w.])@([A-Za-z0-9_](?:[A-Za-z0-9_.]*[A-Za-z0-9_])?)")


def url(key: str, place: str) -> str:
    """Address of a page of a media object's comments, or of a comment's replies."""
    media, _, comment = key.partition("/")
    cursor = quote(place.partition(" ")[2], safe="")
    if comment:
        return f"{comment}/replies?fields={FIELDS}&limit={PER_PAGE}&after={cursor}"
    after = f".after({cursor})" if cursor else ""
    replies = f"replies.limit({PER_PAGE}){{{FIELDS}}}"
    return f"{media}?fields=username,comments.limit({PER_PAGE}){after}{{{FIELDS},{replies}}}"


def take(_scope: Scope, key: str, place: str, body: Json) -> Taken:
    """Return the comments of a page and their replies without their authors, and the lists that go on.

    A place is the account's own handle and the cursor: a list of replies does not name the account.
    """
    media, _, comment = key.partition("/")
    if comment:
        own = place.partition(" ")[0]
        return _list(body, key, own, media, comment)
    node = mapping(body, WHERE)
    own = str(node.get("username") or "")
    if node.get("comments") is None:
        return [], {}
    found, lists = _list(node["comments"], media, own, media, None)
    for item in objects(node["comments"], "data", WHERE):
        if item.get("replies") is not None:
            parent = text(item, "id", WHERE)
            replies, more = _list(item["replies"], f"{media}/{parent}", own, media, parent)
            found += replies
            lists |= more
    return found, lists


def _list(body: Json, key: str, own: str, media: str, parent: str | None) -> Taken:
    found = [_record(item, own, media, parent) for item in objects(body, "data", WHERE)]
    cursor = next_place(body)
    return found, ({key: f"{own} {cursor}"} if cursor else {})


def _record(item: Json, own: str, media: str, parent: str | None) -> Record:
    is_owner = bool(own) and str(item.get("username") or "").casefold() == own.casefold()
    payload = {**kept(item, KEPT), "post_id": media, "is_owner": is_owner}
    if parent is not None:
        payload["parent_id"] = parent
    if isinstance(item.get("text"), str):
        payload["text"] = HANDLE.sub(lambda found: _mention(found, own), item["text"])
    return Record(text(item, "id", WHERE), payload)


def _mention(found: re.Match[str], own: str) -> str:
    return found[0] if found[1].casefold() == own.casefold() else MEMBER


STREAM = comments(
    "instagram",
    Thread(url, take),
    Batch(
        of="posts",
        size=50,
        where="payload ->> 'media_product_type' is distinct from 'AD'",
        changed="""(jsonb_path_query_first(payload, '$.comments_count ? (@.type() == "number")') #>> '{}')::numeric""",
    ),
)
