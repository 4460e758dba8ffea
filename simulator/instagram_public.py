"""What Instagram tells of stories, of comments below media, and of other professional accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator import audience, graph, graph_lists, remarks, stories
from simulator.exchange import Answer
from simulator.fields import Field, project
from simulator.graph import Ask
from simulator.growth import counters
from simulator.model import Account, Json, Post
from simulator.remarks import Remark
from simulator.rivals import HIDES_LIKES, Rival, rivals

COMMENTS_PER_PAGE = 50
COMMENT_FIELDS = frozenset(
    {"from", "hidden", "id", "like_count", "media", "parent_id", "replies", "text", "timestamp", "user", "username"}
)
PROFILE_FIELDS = frozenset(
    {
        "biography",
        "followers_count",
        "follows_count",
        "id",
        "media",
        "media_count",
        "name",
        "profile_picture_url",
        "username",
        "website",
    }
)
MEDIA_FIELDS = frozenset(
    {
        "caption",
        "comments_count",
        "id",
        "like_count",
        "media_product_type",
        "media_type",
        "media_url",
        "owner",
        "permalink",
        "timestamp",
        "username",
        "view_count",
    }
)
STORY_METRICS = frozenset(
    {
        "follows",
        "link_clicks",
        "navigation",
        "profile_visits",
        "reach",
        "replies",
        "shares",
        "total_interactions",
        "views",
    }
)


def live_stories(ask: Ask, account: Account) -> list[Post]:
    """What the account shows at the moment, newest first."""
    world = ask.service.world
    return stories.live(account, world.seed, world.anchor, ask.now)


def story(ask: Ask, node: str) -> Post | None:
    """A live story of an account that the token opens, by its id."""
    accounts = [one for one in ask.service.world.accounts if one.platform == "instagram" and ask.grant.opens(*one.key)]
    return next((post for one in accounts for post in live_stories(ask, one) if post.post_id == node), None)


def story_insights(ask: Ask, post: Post, names: Sequence[str], breakdown: str | None) -> list[Json]:
    """A story's metric objects; refused whole while fewer than five people have seen it."""
    if breakdown is not None and (names != ["navigation"] or breakdown != "story_navigation_action_type"):
        raise graph.error(100, "(#100) An unknown error has occurred.")
    told = stories.values(post, ask.now)
    if told is None:
        raise graph.error(10, "(#10) Not enough viewers for the media to show insights")
    return [_story_insight(post, name, told, is_by_kind=breakdown is not None) for name in names]


def _story_insight(post: Post, name: str, told: dict[str, int], *, is_by_kind: bool) -> Json:
    if name != "navigation":
        return graph.insight(post.post_id, name, "lifetime", values=[{"value": told[name]}])
    by_kind = {way: told[way] for way in stories.NAVIGATION}
    total: Json = {"value": sum(by_kind.values())}
    if is_by_kind:
        results = [{"dimension_values": [way], "value": count} for way, count in by_kind.items()]
        total["breakdowns"] = [{"dimension_keys": ["story_navigation_action_type"], "results": results}]
    return graph.insight(post.post_id, name, "lifetime", total_value=total)


def comments_field(ask: Ask, post: Post, one: Field) -> Json | None:
    """Comments nested in their media, newest first; None when there are none."""
    limit, after = graph_lists.nested(one, COMMENTS_PER_PAGE)
    return _comments(ask, post, one.inside, limit, after) if remarks.visible(post, ask.now) else None


def comments(ask: Ask, post: Post) -> Answer:
    """First-level comments below a media object."""
    fields = graph.wanted(ask, "id,text,timestamp", COMMENT_FIELDS, "IGComment")
    limit = graph.whole(ask, "limit", COMMENTS_PER_PAGE)
    body = _comments(ask, post, fields, limit, ask.params.get("after"))
    return Answer(body=body, objects=len(body["data"]), account=post.account.account_id)


def _comments(ask: Ask, post: Post, fields: Sequence[Field], limit: int, after: str | None) -> Json:
    found = remarks.visible(post, ask.now)
    first_level = [one for one in reversed(found) if one.parent is None]
    ids = [one.remark_id for one in first_level]
    kept, paging = graph_lists.page(ask, first_level, ids, limit=limit, after=after, most=COMMENTS_PER_PAGE)
    return graph_lists.body([_comment(ask, one, found, fields) for one in kept], paging)


def _comment(ask: Ask, one: Remark, found: Sequence[Remark], fields: Sequence[Field]) -> Json:
    told = remarks.on_instagram(one) | {"media": {"id": one.post_id}}
    answers = [each for each in found if each.parent == one.remark_id]
    for field in fields:
        if field.name not in COMMENT_FIELDS:
            raise graph.error(100, f"(#100) Tried accessing nonexisting field ({field.name}) on node type (IGComment)")
        if field.name == "replies" and answers:
            limit, after = graph_lists.nested(field, COMMENTS_PER_PAGE)
            told["replies"] = _replies(ask, answers, field.inside, limit, after)
    return {"id": one.remark_id} | {field.name: told[field.name] for field in fields if field.name in told}


def _replies(ask: Ask, answers: Sequence[Remark], fields: Sequence[Field], limit: int, after: str | None) -> Json:
    ids = [one.remark_id for one in answers]
    kept, paging = graph_lists.page(ask, answers, ids, limit=limit, after=after, most=COMMENTS_PER_PAGE)
    return graph_lists.body([project(remarks.on_instagram(one), fields) for one in kept], paging)


def remark(ask: Ask, node: str) -> Remark | None:
    """A comment below a media object of an account that the token opens, by its id."""
    post = ask.service.world.post("instagram", node[:-4])
    if post is None or not ask.grant.opens(*post.account.key):
        return None
    return next((one for one in remarks.visible(post, ask.now) if one.remark_id == node), None)


def replies(ask: Ask, one: Remark) -> Answer:
    """The replies to a comment, oldest first."""
    post = ask.service.world.by_id["instagram", one.post_id]
    fields = graph.wanted(ask, "id,text,timestamp", COMMENT_FIELDS, "IGComment")
    answers = [each for each in remarks.visible(post, ask.now) if each.parent == one.remark_id]
    body = _replies(ask, answers, fields, graph.whole(ask, "limit", COMMENTS_PER_PAGE), ask.params.get("after"))
    return Answer(body=body, objects=len(body["data"]), account=post.account.account_id)


def discovery(ask: Ask, one: Field) -> Json:
    """`business_discovery.username(x){...}`: the public side of another professional account."""
    handle = one.arguments.get("username", ("",))[0]
    world = ask.service.world
    rival = rivals(world.seed, world.anchor, world.scale).get(("instagram", handle))
    if rival is None:
        raise _unknown(handle)
    for field in one.inside:
        if field.name not in PROFILE_FIELDS:
            raise graph.error(100, f"(#100) Tried accessing nonexisting field ({field.name}) on node type (IGUser)")
    told = _profile(ask, rival)
    kept = {field.name: told[field.name] for field in one.inside if field.name in told}
    return kept | {field.name: _media(ask, rival, field) for field in one.inside if field.name == "media"}


def _unknown(handle: str) -> Exception:
    return graph.error(
        110,
        "Invalid user id",
        subcode=2207013,
        is_transient=False,
        error_user_title="Cannot find User",
        error_user_msg=f"The user with username: {handle} cannot be found.",
    )


def _profile(ask: Ask, rival: Rival) -> Json:
    return {
        "id": rival.account.account_id,
        "username": rival.account.handle,
        "name": rival.account.name,
        "followers_count": audience.stock_at(rival.account, ask.now),
        "follows_count": 25,
        "media_count": len(rival.listed(ask.now)),
    }


def _media(ask: Ask, rival: Rival, one: Field) -> Json:
    for field in one.inside:
        if field.name not in MEDIA_FIELDS:
            raise graph.error(100, f"(#100) Tried accessing nonexisting field ({field.name}) on node type (IGMedia)")
    listed = rival.listed(ask.now)
    limit, after = graph_lists.nested(one, 25)
    kept, paging = graph_lists.page(ask, listed, [post.post_id for post in listed], limit=limit, after=after)
    # Discovery has no next link: the cursor alone leads on.
    cursors = {"cursors": {"after": paging["cursors"]["after"]}} if "next" in paging else {}
    return graph_lists.body([project(_other(ask, post), one.inside) for post in kept], cursors)


def _other(ask: Ask, post: Post) -> dict[str, Any]:
    now = counters(post, ask.now)
    told = post.payload | {"comments_count": now["comments"], "like_count": now["likes"]}
    if post.account.handle in HIDES_LIKES:
        del told["like_count"]
    return told | ({"view_count": now["impressions"]} if post.content_type == "reel" else {})
