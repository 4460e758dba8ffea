"""What Facebook tells of comments below a page's posts, and of the pages of others."""

from __future__ import annotations

from simulator import audience, graph, graph_lists, remarks
from simulator.days import meta_time
from simulator.exchange import Answer
from simulator.facebook import check_page_token
from simulator.fields import Field, project
from simulator.graph import Ask
from simulator.growth import counters
from simulator.model import Json, Post
from simulator.rivals import Rival, rivals

COMMENT_FIELDS = frozenset(
    {
        "comment_count",
        "created_time",
        "from",
        "id",
        "is_hidden",
        "like_count",
        "message",
        "message_tags",
        "parent",
    }
)
PAGE_FIELDS = frozenset(
    {
        "fan_count",
        "followers_count",
        "id",
        "link",
        "name",
        "posts",
        "talking_about_count",
        "username",
        "verification_status",
    }
)
POST_FIELDS = frozenset(
    {"comments", "created_time", "id", "message", "permalink_url", "reactions", "shares", "status_type", "story"}
)


def comments(ask: Ask, post: Post) -> Answer:
    """The comments below a post: first level alone without `filter=stream`, newest first without `order`."""
    check_page_token(ask, post.account)
    fields = graph.wanted(ask, "id,message,created_time", COMMENT_FIELDS, "Comment")
    found = list(remarks.visible(post, ask.now))
    if ask.params.get("filter") != "stream":
        found = [one for one in found if one.parent is None]
    if ask.params.get("order") != "chronological":
        found.reverse()
    limit = graph.whole(ask, "limit", 25)
    kept, paging = graph_lists.page(
        ask, found, [one.remark_id for one in found], limit=limit, after=ask.params.get("after")
    )
    data = [project(remarks.on_facebook(one), fields) for one in kept]
    return Answer(body=graph_lists.body(data, paging), objects=len(data), account=post.account.account_id)


def find(ask: Ask, name: str) -> Rival | None:
    """A page of others by its user name or id."""
    world = ask.service.world
    found = rivals(world.seed, world.anchor, world.scale)
    pages = (one for (platform, _), one in found.items() if platform == "facebook")
    return next((one for one in pages if name in (one.account.handle, one.account.account_id)), None)


def public_page(ask: Ask, rival: Rival) -> Answer:
    """A page of others, to apps with the feature Page Public Content Access."""
    if ask.policy.without_public_content:
        raise graph.missing_permission()
    fields = graph.wanted(ask, "id,name", PAGE_FIELDS, "Page")
    account, followers = rival.account, audience.stock_at(rival.account, ask.now)
    told: Json = {
        "id": account.account_id,
        "name": account.name,
        "username": account.handle,
        "link": f"https://www.facebook.com/{account.handle}",
        "followers_count": followers,
        "fan_count": round(followers * 0.95),
        "talking_about_count": followers // 90,
        "verification_status": "not_verified",
    }
    kept = {one.name: told[one.name] for one in fields if one.name in told}
    kept |= {one.name: _posts(ask, rival, one) for one in fields if one.name == "posts"}
    return Answer(body=kept | {"id": account.account_id}, objects=1, account=account.account_id)


def _posts(ask: Ask, rival: Rival, one: Field) -> Json:
    for field in one.inside:
        if field.name not in POST_FIELDS:
            raise graph.error(100, f"(#100) Tried accessing nonexisting field ({field.name}) on node type (Post)")
    listed = rival.listed(ask.now)
    limit, after = graph_lists.nested(one, 25)
    kept, paging = graph_lists.page(ask, listed, [post.post_id for post in listed], limit=limit, after=after)
    return graph_lists.body([project(_post(ask, post), one.inside) for post in kept], paging)


def _post(ask: Ask, post: Post) -> Json:
    now = counters(post, ask.now)
    told = post.payload | {
        "created_time": meta_time(post.created_at),
        "reactions": {"data": [], "summary": {"total_count": now["likes"]}},
        "comments": {"data": [], "summary": {"total_count": now["comments"]}},
    }
    return told | ({"shares": {"count": now["shares"]}} if now["shares"] else {})
