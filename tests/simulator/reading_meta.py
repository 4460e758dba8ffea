"""The plain reader's way through Meta's stories, comments and competitors, with as few requests as there can be."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from simulator.model import Account
from simulator.rivals import reader_of

if TYPE_CHECKING:
    from tests.simulator.reading import Reader

Row = dict[str, Any]
REPLY = "id,text,timestamp,like_count,hidden"
STORY_METRICS = "views,reach,replies,shares,total_interactions,follows,profile_visits,link_clicks"


def batch(reader: Reader, account: Account, urls: list[str], token: str) -> list[Row]:
    """One POST of up to 50 reads; the bodies of their answers."""
    response = reader.session.post(
        reader.simulator.base_urls[account.platform] + "/v26.0/",
        data={"batch": json.dumps([{"method": "GET", "relative_url": url} for url in urls])},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    return [json.loads(part["body"]) for part in response.json()]


def comments(reader: Reader, account: Account, posts: list[str], token: str) -> list[Row]:
    """All comments below the posts, replies among them; a list goes on in the next request."""
    waiting = deque((post, None, "") for post in sorted(posts))
    found: list[Row] = []
    while waiting:
        asked = [waiting.popleft() for _ in range(min(50, len(waiting)))]
        first = facebook_url if account.platform == "facebook" else instagram_url
        more: list[tuple[str, str | None, str]] = []
        bodies = batch(reader, account, [first(*one) for one in asked], token)
        for (post, comment, _), body in zip(asked, bodies, strict=True):
            page = body if account.platform == "facebook" or comment else body.get("comments", {"data": []})
            for parent, listed in ((comment, page), *((one["id"], one.get("replies")) for one in page["data"])):
                found += [one | {"post_id": post} for one in (listed or {"data": []})["data"]]
                cursor = (listed or {}).get("paging", {})
                if "next" in cursor:
                    more.append((post, parent, cursor["cursors"]["after"]))
        waiting.extendleft(reversed(more))
    return found


def facebook_url(post: str, _comment: str | None, after: str) -> str:
    fields = "id,message,created_time,like_count,is_hidden,parent{id}"
    return f"{post}/comments?filter=stream&order=chronological&limit=100&fields={fields}&after={after}"


def instagram_url(media: str, comment: str | None, after: str) -> str:
    if comment:
        return f"{comment}/replies?fields={REPLY}&limit=50&after={after}"
    place = f".after({after})" if after else ""
    return f"{media}?fields=comments.limit(50){place}{{{REPLY},replies.limit(50){{{REPLY}}}}}"


def stories(reader: Reader, account: Account) -> dict[str, list[Row]]:
    """The metric objects of every live story; none of those that too few people have seen."""
    token = reader.token(account)
    listed = reader.get(account, f"/v26.0/{account.account_id}/stories?fields=id,timestamp&limit=100")["data"]
    found: dict[str, list[Row]] = {}
    for start in range(0, len(listed), 25):
        some = [one["id"] for one in listed[start : start + 25]]
        navigation = "metric=navigation&breakdown=story_navigation_action_type"
        urls = [f"{one}/insights?{what}" for one in some for what in (f"metric={STORY_METRICS}", navigation)]
        bodies = batch(reader, account, urls, token)
        for number, one in enumerate(some):
            found[one] = [metric for body in bodies[2 * number : 2 * number + 2] for metric in body.get("data", [])]
    return found


def competitors(reader: Reader, account: Account, token: str) -> list[Row]:
    """What is public of the business's competitors, through the first of its accounts."""
    world = reader.simulator.world
    found = []
    for (platform, handle), rival in world.rivals.items():
        business = rival.account.business_id
        if platform != account.platform or business != account.business_id:
            continue
        if reader_of(world.accounts, business, platform) != account.account_id:
            continue
        path = f"/v26.0/{handle}?fields=id,followers_count,posts.limit(50){{id,created_time}}"
        if platform == "instagram":
            inside = "{id,followers_count,media.limit(50){id,timestamp,like_count}}"
            path = f"/v26.0/{account.account_id}?fields=business_discovery.username({handle}){inside}"
        found.append(reader.get(account, path, token=token))
    return found
