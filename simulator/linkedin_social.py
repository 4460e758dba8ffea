"""LinkedIn's social side of a post: comments, reactions by type, videos.

https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/network-update-social-actions,
/shares/social-metadata-api and /shares/video-analytics-api
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from simulator import restli
from simulator.days import milliseconds
from simulator.exchange import Answer, Refusal
from simulator.linkedin_gates import Ask, check_finder, collection, denied, problem
from simulator.model import Json, Post
from simulator.reactions import reactions, video_numbers
from simulator.replies import Reply, activity_of, comment_id, replies

LARGEST_BATCH = 100
VIDEO_TYPES = ("VIDEO_VIEW", "VIEWER", "TIME_WATCHED", "TIME_WATCHED_FOR_VIDEO_VIEWS")
COMMENT_URN = re.compile(r"urn:li:comment:\(urn:li:activity:(\d+),(\d+)\)")
NAMES = {"person": "Jo Example", "friend": "Kim 👩🏽‍🚀 Example"}


def own_post(ask: Ask, urn: str, resource: str) -> Post:
    """The post of that name, if it is published and the caller administers its organization."""
    post = ask.service.world.post("linkedin", urn)
    if post is None or post.created_at > ask.now or post.kind == "draft":
        raise Refusal(404, problem(404, "NOT_FOUND", "Could not find entity"))
    if not ask.grant.opens(*post.account.key):
        raise denied(f"Not enough permissions to access: {resource}.{ask.version}01")
    return post


def comments(ask: Ask, urn: str) -> Answer:
    """The comments on a post, or the answers to a comment: one level at a time."""
    count = ask.query.whole("count", 10, least=1, most=100)
    start = ask.query.whole("start", 0, least=0, most=1_000_000)
    post, answered = _object(ask, urn)
    everything = replies(post, ask.now)
    level = [one for one in everything if one.answers == answered]
    links = []
    if start + count < len(level):
        href = f"/rest/socialActions/{quote(urn, safe='')}/comments?count={count}&start={start + count}"
        links.append({"type": "application/json", "rel": "next", "href": href})
    elements = [comment_object(one, everything) for one in level[start : start + count]]
    return collection(ask, post.account, elements, start=start, count=count, links=links, total=len(level))


def _object(ask: Ask, urn: str) -> tuple[Post, str | None]:
    """The post a URN names, and the comment where it names one."""
    found = COMMENT_URN.fullmatch(urn)
    if found is None:
        return own_post(ask, urn, "socialActions/comments"), None
    number = str(int(found[1]) - 1)
    for kind in ("share", "ugcPost"):
        if ask.service.world.post("linkedin", f"urn:li:{kind}:{number}"):
            return own_post(ask, f"urn:li:{kind}:{number}", "socialActions/comments"), found[2]
    raise Refusal(404, problem(404, "NOT_FOUND", "Could not find entity"))


def comment_object(reply: Reply, others: list[Reply]) -> Json:
    """One comment as LinkedIn tells it: who wrote it, and whom it mentions."""
    post = reply.post
    actor = post.account.urn if reply.is_own else f"urn:li:person:{reply.person}"
    text, attributes = mentioned(reply)
    stamp = {"actor": actor, "time": milliseconds(reply.written_at)}
    answers = sum(1 for one in others if one.answers == reply.reply_id)
    element: Json = {
        "actor": actor,
        "commentUrn": comment_id(reply),
        "id": reply.reply_id,
        "object": activity_of(post),
        "created": stamp,
        "lastModified": stamp,
        "message": {"text": text, "attributes": attributes},
        "likesSummary": {"totalLikes": reply.likes, "aggregatedTotalLikes": reply.likes, "likedByCurrentUser": False},
    }
    if answers:
        element["commentsSummary"] = {"totalFirstLevelComments": answers, "aggregatedTotalComments": answers}
    if reply.answers:
        element["parentComment"] = f"urn:li:comment:({activity_of(post)},{reply.answers})"
    if not text:
        element["content"] = [{"type": "IMAGE", "entity": {"image": f"urn:li:image:C4E{reply.reply_id}"}}]
    return element


def mentioned(reply: Reply) -> tuple[str, list[Json]]:
    """The text with the friend's full name in it, and where it stands, in the UTF-16 units that Java counts."""
    name, attributes, text = f"{NAMES['friend']} {reply.friend}", [], ""
    for number, words in enumerate(reply.words.split("{friend}")):
        if number:
            start, length = (len(one.encode("utf-16-le")) // 2 for one in (text, name))
            value: Json = {"com.linkedin.common.MemberAttributedEntity": {"member": f"urn:li:person:{reply.friend}"}}
            attributes.append({"start": start, "length": length, "value": value})
            text += name
        text += words
    return text, attributes


def social_metadata(ask: Ask) -> Answer:
    """BATCH_GET: reactions by type and comments of many posts; each has a status of its own."""
    urns = ask.query.urns("ids")
    if urns is None or len(urns) > LARGEST_BATCH:
        raise restli.invalid("ids")
    results, statuses, errors = {}, {}, {}
    for urn in urns:
        try:
            results[urn] = metadata(own_post(ask, urn, "socialMetadata"), ask.now)
            statuses[urn] = 200
        except Refusal as refusal:
            errors[urn] = refusal.answer.body
            statuses[urn] = refusal.answer.status
    body = {"results": results, "statuses": statuses, "errors": errors}
    account = next((post.account.account_id for urn in results if (post := _known(ask, urn))), None)
    return Answer(body=body, objects=len(results), account=account)


def _known(ask: Ask, urn: str) -> Post | None:
    return ask.service.world.post("linkedin", urn)


def one_metadata(ask: Ask, urn: str) -> Answer:
    """GET: the same of one post."""
    post = own_post(ask, urn, "socialMetadata")
    return Answer(body=metadata(post, ask.now), objects=1, account=post.account.account_id)


def metadata(post: Post, at: datetime) -> Json:
    """The `socialMetadata` of a post; reactions that never occurred are absent."""
    written = replies(post, at)
    return {
        "entity": post.post_id,
        "commentsState": "OPEN",
        "commentSummary": {"count": len(written), "topLevelCount": sum(1 for one in written if one.answers is None)},
        "reactionSummaries": {
            kind: {"reactionType": kind, "count": count} for kind, count in reactions(post, at).items()
        },
    }


def video_analytics(ask: Ask) -> Answer:
    """One kind of number of one video; nothing for a post without a video, nor after six months."""
    check_finder(ask, "entity")
    urn, kind = ask.query.text("entity") or "", ask.query.text("type")
    if kind not in VIDEO_TYPES:
        raise restli.invalid("type")
    if ask.query.text("aggregation") not in (None, "ALL"):
        raise restli.invalid("aggregation")
    if not urn.startswith("urn:li:ugcPost:"):
        message = f"entity value {urn} must be a ugcPost URN"
        raise Refusal(400, problem(400, "INVALID_URN_TYPE", message))
    post = own_post(ask, urn, "videoAnalytics.FINDER-entity")
    numbers = video_numbers(post, ask.now)
    elements: list[dict[str, Any]] = []
    if kind in numbers:
        span = {"start": milliseconds(post.published_at), "end": milliseconds(ask.now)}
        elements = [{"entity": urn, "statisticsType": kind, "value": numbers[kind], "timeRange": span}]
    return collection(ask, post.account, elements)


ROUTES: tuple[tuple[re.Pattern[str], Callable[..., Answer]], ...] = (
    (re.compile(r"/rest/socialActions/([^/]+)/comments"), comments),
    (re.compile(r"/rest/socialMetadata"), social_metadata),
    (re.compile(r"/rest/socialMetadata/([^/]+)"), one_metadata),
    (re.compile(r"/rest/videoAnalytics"), video_analytics),
)
