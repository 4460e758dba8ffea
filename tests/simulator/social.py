"""The plain reader's other half: reactions, videos and comments, with as few requests as the platforms allow."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

from simulator import competitors
from simulator.model import Account
from tests.simulator.reading import TWEET_FIELDS, Reader, Row


def read_social(reader: Reader, account: Account, posts: list[Row], now: datetime) -> list[Row]:
    """What people did under the posts, as a first run reads it; returns the comments as the platform tells them."""
    match account.platform:
        case "linkedin":
            read_reactions(reader, account, [one["post_id"] for one in posts if (one["likes"] or 0) > 0])
            seen = [one for one in posts if one["content_type"] == "video" and (one["impressions"] or 0) > 0]
            for urn in (one["post_id"] for one in seen if now.timestamp() - one["published_at"] <= 180 * 86_400):
                for kind in ("VIDEO_VIEW", "VIEWER", "TIME_WATCHED"):
                    reader.get(account, video_path(urn, kind))
            urns = [one["post_id"] for one in talked_about(posts, now)]
            return [element for urn in urns for element in read_comments(reader, account, urn)]
        case "twitter":
            ids = sorted(one["post_id"] for one in talked_about(posts, now))
            groups = [ids[start : start + 12] for start in range(0, len(ids), 12)]
            return [element for group in groups for element in search_replies(reader, account, group)]
    return []


def search_replies(reader: Reader, account: Account, post_ids: list[str], more: str = "") -> list[Row]:
    """The replies of others in some conversations, of the last seven days, page by page."""
    conversations = "%20OR%20".join(f"conversation_id:{one}" for one in post_ids)
    query = f"({conversations})%20is:reply%20-from:{account.account_id}"
    path = f"/2/tweets/search/recent?query={query}&max_results=100&tweet.fields={TWEET_FIELDS}{more}"
    found: list[Row] = []
    token = ""
    while True:
        body = reader.get(account, path + token)
        found += body.get("data", [])
        if "next_token" not in body["meta"]:
            return found
        token = f"&next_token={body['meta']['next_token']}"


def read_competitors(reader: Reader, accounts: tuple[Account, ...]) -> Row:
    """Followers of all competitors by platform and handle, each business through the first of its accounts."""
    found: Row = {}
    for business_id in sorted({one.business_id for one in accounts}):
        for platform in ("linkedin", "twitter"):
            others = competitors.of_business(business_id, platform)
            account = competitors.reader_of(accounts, business_id, platform) if others else None
            if account and platform == "twitter":
                handles = ",".join(one.handle for one in others)
                body = reader.get(account, f"/2/users/by?usernames={handles}&user.fields=public_metrics")
                found |= {one["username"]: one["public_metrics"]["followers_count"] for one in body["data"]}
            elif account:
                found |= {one.handle: organization_size(reader, account, one.handle) for one in others}
    return found


def organization_size(reader: Reader, account: Account, name: str) -> int:
    """Followers of any organization, by its vanity name."""
    (element,) = reader.get(account, f"/rest/organizations?q=vanityName&vanityName={name}")["elements"]
    urn = quote(f"urn:li:organization:{element['id']}", safe="")
    path = f"/rest/networkSizes/{urn}?edgeType=COMPANY_FOLLOWED_BY_MEMBER"
    return int(reader.get(account, path)["firstDegreeSize"])


def talked_about(posts: list[Row], now: datetime) -> list[Row]:
    """The posts of 28 days that have comments."""
    since = (now - timedelta(days=28)).timestamp()
    return [one for one in posts if one["published_at"] >= since and (one["comments"] or 0) > 0]


def read_reactions(reader: Reader, account: Account, urns: list[str]) -> Row:
    """`socialMetadata` of posts, twenty at a time."""
    found: Row = {}
    for start in range(0, len(urns), 20):
        listed = ",".join(quote(urn, safe="") for urn in urns[start : start + 20])
        found |= reader.get(account, f"/rest/socialMetadata?ids=List({listed})")["results"]
    return found


def video_path(urn: str, kind: str) -> str:
    """One number of one video."""
    return f"/rest/videoAnalytics?q=entity&entity={quote(urn, safe='')}&type={kind}&aggregation=ALL"


def read_comments(reader: Reader, account: Account, urn: str, count: int = 100) -> list[Row]:
    """All comments of one level, page by page."""
    elements: list[Row] = []
    while True:
        path = f"/rest/socialActions/{quote(urn, safe='')}/comments?start={len(elements)}&count={count}"
        page = reader.get(account, path)
        elements += page["elements"]
        if not any(link["rel"] == "next" for link in page["paging"]["links"]):
            return elements
