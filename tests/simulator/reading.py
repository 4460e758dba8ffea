"""A plain reader of the four simulated platforms: `requests`, no pipeline code, one dict per organic post."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests

from simulator.model import Account
from simulator.server import Simulator
from tests.simulator import reading_meta

TWEET_FIELDS = (
    "id,text,created_at,author_id,conversation_id,public_metrics,entities,attachments,referenced_tweets,note_tweet,"
    "lang,edit_history_tweet_ids,in_reply_to_user_id,possibly_sensitive,reply_settings"
)
POST_FIELDS = (
    "id,created_time,updated_time,message,story,permalink_url,status_type,is_published,is_hidden,parent_id,full_picture,"
    "attachments{media_type,type,url,title,description,target,subattachments},message_tags,shares,"
    "reactions.limit(0).summary(total_count),comments.limit(0).summary(total_count),"
    "insights.metric(post_media_view,post_total_media_view_unique,post_clicks,post_reactions_by_type_total,"
    "post_video_views,post_video_view_time).period(lifetime){name,period,values}"
)
MEDIA_FIELDS = (
    "id,caption,media_type,media_product_type,permalink,shortcode,timestamp,like_count,comments_count,"
    "children{id,media_type},"
    "insights.metric(views,reach,likes,comments,saved,shares,total_interactions){name,period,values}"
)
PAGE_SERIES = (
    "page_follows,page_daily_follows_unique,page_daily_unfollows_unique,page_post_engagements,page_media_view,"
    "page_total_media_view_unique,page_views_total"
)
TOTALS = "views,accounts_engaged,total_interactions,likes,comments,saves,shares,replies,profile_views,website_clicks"
REEL_METRICS = "ig_reels_avg_watch_time,ig_reels_video_view_total_time"
LINKEDIN_HEADERS = {"LinkedIn-Version": "202609", "X-Restli-Protocol-Version": "2.0.0"}
Row = dict[str, Any]


class Reader:
    """Reads accounts as their owner."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = requests.Session()

    def token(self, account: Account) -> str:
        return self.simulator.world.credentials[account.credential].token

    def get(self, account: Account, path: str, *, token: str | None = None) -> Any:
        """One GET as the account's owner; the path holds the whole query."""
        headers = {"Authorization": f"Bearer {token or self.token(account)}"}
        if account.platform == "linkedin":
            headers |= LINKEDIN_HEADERS
        response = self.session.get(self.simulator.base_urls[account.platform] + path, headers=headers, timeout=10)
        assert response.status_code == 200, response.text
        return response.json()

    def page_token(self, account: Account) -> str:
        return str(self.get(account, f"/v26.0/{account.account_id}?fields=access_token")["access_token"])

    def posts(self, account: Account, *, now: datetime, since: datetime | None = None) -> list[Row]:
        """Every organic post of the account, as the contract wants it."""
        run = {
            "linkedin": self._linkedin_posts,
            "twitter": self._x_posts,
            "facebook": self._facebook_posts,
            "instagram": self._instagram_posts,
        }
        return run[account.platform](account, now, since)

    def everything(self, account: Account, *, now: datetime, since: datetime | None = None) -> list[Row]:
        """All streams, with as few requests as the platform allows; returns the posts."""
        rows = self.posts(account, now=now, since=since)
        run = {
            "linkedin": self._linkedin_rest,
            "twitter": self._x_rest,
            "facebook": self._facebook_rest,
            "instagram": self._instagram_rest,
        }
        run[account.platform](account, now)
        if account.platform in ("facebook", "instagram"):
            pages = self.simulator.world.credentials[account.credential].page_tokens
            token = pages.get(account.account_id, self.token(account))
            reading_meta.competitors(self, account, token)
            written = [row["post_id"] for row in rows if row["comments"]] if since is None else []
            reading_meta.comments(self, account, written, token)
        if account.platform == "instagram":
            reading_meta.stories(self, account)
        return rows

    # LinkedIn

    def _linkedin_posts(self, account: Account, now: datetime, since: datetime | None) -> list[Row]:
        author = quote(f"urn:li:organization:{account.account_id}", safe="")
        elements: list[Row] = []
        more = True
        while more:
            path = f"/rest/posts?q=author&author={author}&count=100&start={len(elements)}&sortBy=CREATED"
            page = self.get(account, path)
            elements += page["elements"]
            more = any(link["rel"] == "next" for link in page["paging"]["links"])
            more = more and (since is None or elements[-1]["createdAt"] >= since.timestamp() * 1000)
        organic = [
            one
            for one in elements
            if one["lifecycleState"] == "PUBLISHED"
            and one["distribution"]["feedDistribution"] != "NONE"
            and (since is None or one["createdAt"] >= since.timestamp() * 1000)
        ]
        statistics = self._share_statistics(account, [one["id"] for one in organic])
        return [linkedin_row(account, one, statistics.get(one["id"])) for one in organic]

    def _share_statistics(self, account: Account, urns: list[str]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        organization = quote(f"urn:li:organization:{account.account_id}", safe="")
        for kind, name in (("share", "shares"), ("ugcPost", "ugcPosts")):
            mine = [urn for urn in urns if urn.startswith(f"urn:li:{kind}:")]
            for start in range(0, len(mine), 20):
                listed = ",".join(quote(urn, safe="") for urn in mine[start : start + 20])
                body = self.get(
                    account,
                    "/rest/organizationalEntityShareStatistics?q=organizationalEntity"
                    f"&organizationalEntity={organization}&{name}=List({listed})",
                )
                found |= {one[kind]: one["totalShareStatistics"] for one in body["elements"]}
        return found

    def _linkedin_rest(self, account: Account, now: datetime) -> None:
        organization = quote(f"urn:li:organization:{account.account_id}", safe="")
        entity = f"q=organizationalEntity&organizationalEntity={organization}"
        end = int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
        start = end - 365 * 86_400_000
        days = f"&timeIntervals=(timeRange:(start:{start},end:{end}),timeGranularityType:DAY)"
        self.get(account, f"/rest/organizations/{account.account_id}")
        self.get(account, f"/rest/networkSizes/{organization}?edgeType=COMPANY_FOLLOWED_BY_MEMBER")
        self.get(account, f"/rest/organizationalEntityShareStatistics?{entity}{days}")
        self.get(account, f"/rest/organizationalEntityFollowerStatistics?{entity}{days}")
        self.get(account, f"/rest/organizationPageStatistics?q=organization&organization={organization}{days}")
        self.get(account, f"/rest/organizationalEntityFollowerStatistics?{entity}")

    # X

    def timeline(self, account: Account, query: str) -> tuple[list[Row], dict[str, Row]]:
        data: list[Row] = []
        media: dict[str, Row] = {}
        path = f"/2/users/{account.account_id}/tweets?max_results=100&exclude=retweets&{query}"
        token = ""
        while True:
            body = self.get(account, path + token)
            data += body.get("data", [])
            media |= {one["media_key"]: one for one in body.get("includes", {}).get("media", [])}
            if "next_token" not in body["meta"]:
                return data, media
            token = f"&pagination_token={body['meta']['next_token']}"

    def _x_posts(self, account: Account, now: datetime, since: datetime | None) -> list[Row]:
        start = f"&start_time={since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
        data, media = self.timeline(
            account,
            f"tweet.fields={TWEET_FIELDS}&expansions=attachments.media_keys,author_id"
            "&media.fields=media_key,type,duration_ms,public_metrics,url,preview_image_url,alt_text"
            f"&user.fields=username{start}",
        )
        young = now - timedelta(days=30) + timedelta(hours=1)
        private, _ = self.timeline(
            account,
            f"tweet.fields=created_at,non_public_metrics,organic_metrics&start_time={young:%Y-%m-%dT%H:%M:%SZ}",
        )
        clicks = {one["id"]: one["non_public_metrics"]["url_link_clicks"] for one in private}
        own = [one for one in data if not {"replied_to", "retweeted"} & kinds_of_reference(one)]
        return [x_row(account, one, media, clicks.get(one["id"])) for one in own]

    def _x_rest(self, account: Account, now: datetime) -> None:
        fields = "created_at,description,name,username,verified,public_metrics"
        self.get(account, f"/2/users?ids={account.account_id}&user.fields={fields}")

    # Facebook

    def _facebook_posts(self, account: Account, now: datetime, since: datetime | None) -> list[Row]:
        token = self.page_token(account)
        window = f"&since={int(since.timestamp())}" if since else ""
        path = f"/v26.0/{account.account_id}/published_posts?fields={POST_FIELDS}&limit=25{window}"
        posts = self._pages(account, path, token)
        return [facebook_row(account, one) for one in posts]

    def _pages(self, account: Account, path: str, token: str) -> list[Row]:
        data: list[Row] = []
        after = ""
        while True:
            body = self.get(account, path + after, token=token)
            data += body["data"]
            if "next" not in body.get("paging", {}):
                return data
            after = f"&after={body['paging']['cursors']['after']}"

    def _facebook_rest(self, account: Account, now: datetime) -> None:
        page = f"/v26.0/{account.account_id}"
        token = self.simulator.world.credentials[account.credential].page_tokens[account.account_id]
        fields = "id,name,username,link,followers_count,fan_count,category,verification_status"
        until = int(now.timestamp())
        self.get(account, f"{page}?fields={fields}", token=token)
        window = f"period=day&since={until - 90 * 86_400}&until={until}"
        self.get(account, f"{page}/insights?metric={PAGE_SERIES}&{window}", token=token)
        self.get(account, f"{page}/insights?metric=page_follows_city,page_follows_country&{window}", token=token)

    # Instagram

    def _instagram_posts(self, account: Account, now: datetime, since: datetime | None) -> list[Row]:
        window = f"&since={int(since.timestamp())}" if since else ""
        path = f"/v26.0/{account.account_id}/media?fields={MEDIA_FIELDS}&limit=50{window}"
        media = self._pages(account, path, self.token(account))
        watched = self._watch_times(account, [one["id"] for one in media if one["media_product_type"] == "REELS"])
        organic = [one for one in media if one["media_product_type"] != "AD"]
        return [instagram_row(account, one, watched.get(one["id"])) for one in organic]

    def _watch_times(self, account: Account, reels: list[str]) -> dict[str, int]:
        found = {}
        for start in range(0, len(reels), 50):
            some = reels[start : start + 50]
            parts = [{"method": "GET", "relative_url": f"{one}/insights?metric={REEL_METRICS}"} for one in some]
            response = self.session.post(
                self.simulator.base_urls["instagram"] + "/v26.0/",
                data={"batch": json.dumps(parts), "include_headers": "false"},
                headers={"Authorization": f"Bearer {self.token(account)}"},
                timeout=10,
            )
            for reel, part in zip(some, response.json(), strict=True):
                found[reel] = values(json.loads(part["body"]))["ig_reels_video_view_total_time"]
        return found

    def _instagram_rest(self, account: Account, now: datetime) -> None:
        node = f"/v26.0/{account.account_id}"
        day = 86_400
        today = int(now.timestamp()) // day * day
        self.get(
            account,
            f"{node}?fields=id,username,name,biography,website,followers_count,follows_count,media_count",
        )
        month = f"period=day&since={today - 28 * day}&until={today + day}"
        self.get(account, f"{node}/insights?metric=reach,follower_count&{month}")
        for back in (1, 2, 3):
            one_day = f"period=day&metric_type=total_value&since={today - back * day}&until={today - back * day + day}"
            self.get(account, f"{node}/insights?metric={TOTALS}&{one_day}")
        for back in (2, 3):
            one_day = f"period=day&metric_type=total_value&since={today - back * day}&until={today - back * day + day}"
            self.get(account, f"{node}/insights?metric=follows_and_unfollows&breakdown=follow_type&{one_day}")
        for breakdown in ("age", "gender", "age,gender", "city", "country"):
            self.get(
                account,
                f"{node}/insights?metric=follower_demographics&period=lifetime&metric_type=total_value"
                f"&breakdown={breakdown}",
            )


def identity(account: Account, **known: Any) -> Row:
    return {
        "business_id": account.business_id,
        "platform": account.platform,
        "account_id": account.account_id,
        **known,
    }


TAG = re.compile(r"\{hashtag\|(?:\\)?[#\uFF03]\|((?:\\.|[^|}\\])*)\}")
MENTION = re.compile(r"@\[((?:\\.|[^\]\\])*)\]\((urn:li:[^)\s]+)\)")
ESCAPE = re.compile(r"\\([\\|{}@\[\]()<>#*_~])")


def little_text(commentary: str) -> str:
    """LinkedIn's markup as people read it."""
    return ESCAPE.sub(r"\1", MENTION.sub(lambda m: m[1], TAG.sub(lambda m: "#" + m[1], commentary)))


def linkedin_type(content: Row) -> str:
    for name, content_type in (("multiImage", "carousel"), ("poll", "poll"), ("article", "link")):
        if name in content:
            return content_type
    return str(content["media"]["id"].split(":")[2]) if "media" in content else "text"


def linkedin_row(account: Account, post: Row, told: Row | None) -> Row:
    now = told or {}
    return identity(
        account,
        post_id=post["id"],
        published_at=post["publishedAt"] / 1000,
        content_type=linkedin_type(post.get("content") or {}),
        text=little_text(post["commentary"]),
        permalink=f"https://www.linkedin.com/feed/update/{post['id']}/",
        impressions=now.get("impressionCount"),
        reach=now.get("uniqueImpressionsCount"),
        clicks=now.get("clickCount"),
        likes=now.get("likeCount"),
        reactions=now.get("likeCount"),
        comments=now.get("commentCount"),
        shares=now.get("shareCount"),
    )


def kinds_of_reference(post: Row) -> set[str]:
    return {one["type"] for one in post.get("referenced_tweets", [])}


def x_text(post: Row) -> str:
    whole = post.get("note_tweet") or post
    text = html.unescape(whole["text"])
    for url in whole.get("entities", {}).get("urls", []):
        if re.search(r"/(photo|video)/\d+$", url["expanded_url"]):
            text = text.replace(url["url"], "")
        else:
            text = text.replace(url["url"], url["expanded_url"])
    return text.rstrip()


def x_type(post: Row, media: list[Row]) -> str:
    attachments = post.get("attachments", {})
    if "poll_ids" in attachments:
        return "poll"
    if any(one["type"] in ("video", "animated_gif") for one in media):
        return "video"
    if media:
        return "carousel" if len(media) > 1 else "image"
    links = post.get("entities", {}).get("urls", []) + post.get("note_tweet", {}).get("entities", {}).get("urls", [])
    return "link" if any(not one["expanded_url"].startswith("https://x.com/") for one in links) else "text"


def x_row(account: Account, post: Row, media: dict[str, Row], clicks: int | None) -> Row:
    attached = [media[key] for key in post.get("attachments", {}).get("media_keys", [])]
    videos = [one["public_metrics"]["view_count"] for one in attached if one["type"] == "video"]
    now = post["public_metrics"]
    return identity(
        account,
        post_id=post["id"],
        published_at=datetime.fromisoformat(post["created_at"]).timestamp(),
        content_type=x_type(post, attached),
        text=x_text(post),
        permalink=f"https://x.com/{account.handle}/status/{post['id']}",
        impressions=now["impression_count"],
        clicks=clicks,
        likes=now["like_count"],
        reactions=now["like_count"],
        comments=now["reply_count"],
        shares=now["retweet_count"] + now["quote_count"],
        reposts=now["retweet_count"],
        quotes=now["quote_count"],
        saves=now["bookmark_count"],
        video_views=sum(videos) if videos else None,
    )


def values(insights: Row) -> Row:
    return {one["name"]: one["values"][0]["value"] for one in insights["data"]}


def facebook_type(post: Row) -> str:
    attachments = post.get("attachments", {}).get("data", [])
    if not attachments:
        return "text"
    if "/reel/" in post["permalink_url"]:
        return "reel"
    kinds = {"photo": "image", "album": "carousel", "video": "video", "link": "link", "share": "link"}
    return kinds[attachments[0]["media_type"]]


def facebook_row(account: Account, post: Row) -> Row:
    told = values(post["insights"])
    watched = told.get("post_video_view_time")
    return identity(
        account,
        post_id=post["id"],
        published_at=datetime.fromisoformat(post["created_time"]).timestamp(),
        content_type=facebook_type(post),
        text=post.get("message"),
        permalink=post["permalink_url"],
        impressions=told.get("post_media_view"),
        views=told.get("post_media_view"),
        reach=told.get("post_total_media_view_unique"),
        clicks=told.get("post_clicks"),
        likes=post["reactions"]["summary"]["total_count"],
        reactions=post["reactions"]["summary"]["total_count"],
        comments=post["comments"]["summary"]["total_count"],
        shares=post["shares"]["count"] if "shares" in post else 0,
        video_views=told.get("post_video_views"),
        watch_time_seconds=None if watched is None else watched / 1000,
    )


def instagram_row(account: Account, media: Row, watched: int | None) -> Row:
    told = values(media["insights"])
    kinds = {"CAROUSEL_ALBUM": "carousel", "IMAGE": "image", "VIDEO": "video"}
    reel = media["media_product_type"] == "REELS"
    return identity(
        account,
        post_id=media["id"],
        published_at=datetime.fromisoformat(media["timestamp"]).timestamp(),
        content_type="reel" if reel else kinds[media["media_type"]],
        text=media.get("caption"),
        permalink=media["permalink"],
        impressions=told["views"],
        views=told["views"],
        reach=told["reach"],
        likes=told["likes"],
        reactions=told["likes"],
        comments=told["comments"],
        shares=told["shares"],
        saves=told.get("saved"),
        video_views=told["views"] if media["media_type"] == "VIDEO" else None,
        watch_time_seconds=None if watched is None else watched / 1000,
    )
