"""Facebook Pages on the Graph API. https://developers.facebook.com/documentation/pages-api"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from simulator import activity, audience, graph
from simulator.days import DAY, meta_time, pacific_end, pacific_start
from simulator.exchange import Answer
from simulator.fields import Field, project
from simulator.graph import Ask
from simulator.growth import counters
from simulator.model import Account, Json, Post

LONGEST_WINDOW_DAYS = 90
LAG_DAYS = 2
"""A day's value is there a day after the day is over."""
LARGEST_FACET = 45

PAGE_FIELDS = frozenset(
    {
        "about",
        "access_token",
        "category",
        "fan_count",
        "followers_count",
        "id",
        "instagram_business_account",
        "link",
        "name",
        "talking_about_count",
        "username",
        "verification_status",
    }
)
POST_FIELDS = frozenset(
    {
        "attachments",
        "comments",
        "created_time",
        "from",
        "full_picture",
        "id",
        "insights",
        "is_hidden",
        "is_published",
        "message",
        "message_tags",
        "parent_id",
        "permalink_url",
        "reactions",
        "shares",
        "status_type",
        "story",
        "updated_time",
    }
)
GEOGRAPHY = frozenset({"page_follows_city", "page_follows_country"})
PAGE_METRICS = GEOGRAPHY | {
    "page_actions_post_reactions_like_total",
    "page_actions_post_reactions_total",
    "page_daily_follows",
    "page_daily_follows_unique",
    "page_daily_unfollows_unique",
    "page_follows",
    "page_lifetime_engaged_followers_unique",
    "page_media_view",
    "page_messages_new_conversations_unique",
    "page_post_engagements",
    "page_total_actions",
    "page_total_media_view_unique",
    "page_video_view_time",
    "page_video_views",
    "page_views_total",
}
POST_METRICS = frozenset(
    {
        "post_activity_by_action_type",
        "post_activity_by_action_type_unique",
        "post_clicks",
        "post_clicks_by_type",
        "post_media_view",
        "post_reactions_anger_total",
        "post_reactions_by_type_total",
        "post_reactions_haha_total",
        "post_reactions_like_total",
        "post_reactions_love_total",
        "post_reactions_sorry_total",
        "post_reactions_wow_total",
        "post_total_media_view_unique",
        "post_video_avg_time_watched",
        "post_video_length",
        "post_video_view_time",
        "post_video_views",
    }
)
PERIODS = frozenset({"day", "week", "days_28", "month", "lifetime", "total_over_range"})


def page_node(ask: Ask, account: Account) -> Answer:
    """The Page itself; `access_token` turns a system user's token into the Page's."""
    fields = graph.wanted(ask, "id,name", PAGE_FIELDS, "Page")
    followers = audience.stock_at(account, ask.now)
    page: Json = {
        "id": account.account_id,
        "name": account.name,
        "username": account.handle,
        "link": f"https://www.facebook.com/{account.handle}",
        "followers_count": followers,
        "fan_count": round(followers * 0.95),
        "category": "Company",
        "about": "All that happens here.",
        "verification_status": "not_verified",
        "talking_about_count": followers // 90,
        "access_token": ask.grant.credential.page_tokens.get(account.account_id),
    }
    kept = {one.name: page[one.name] for one in fields if page.get(one.name) is not None}
    return Answer(body=kept | {"id": account.account_id}, objects=1, account=account.account_id)


def check_page_token(ask: Ask, account: Account) -> None:
    """Posts and insights belong to the Page: no other token reads them."""
    if ask.grant.kind != "page" or ask.grant.page != account.account_id:
        raise graph.page_token_needed()


def posts(ask: Ask, account: Account) -> Answer:
    """`published_posts`, newest first, with whatever fields and nested insights are asked for."""
    check_page_token(ask, account)
    fields = graph.wanted(ask, "id,created_time,message,story", POST_FIELDS, "Post")
    limit = graph.whole(ask, "limit", 25)
    if limit * sum(len(metrics) for metrics in map(nested_metrics, fields)) > ask.policy.heaviest:
        raise graph.reduce_data()
    listed = graph.in_window(ask, ask.service.world.listed(account, ask.now))
    page, paging = graph.page_of(ask, listed, default=25)
    data = [post_object(ask, post, fields) for post in page]
    body = {"data": data} | ({"paging": paging} if paging else {})
    return Answer(body=body, objects=len(data), account=account.account_id)


def post_node(ask: Ask, post: Post) -> Answer:
    """One post by its id."""
    check_page_token(ask, post.account)
    fields = graph.wanted(ask, "id,created_time,message,story", POST_FIELDS, "Post")
    return Answer(body=post_object(ask, post, fields), objects=1, account=post.account.account_id)


def nested_metrics(one: Field) -> tuple[str, ...]:
    """The metrics of a nested `insights.metric(...)`."""
    return one.arguments.get("metric", ()) if one.name == "insights" else ()


def post_object(ask: Ask, post: Post, fields: Sequence[Field]) -> Json:
    """A post with nothing but the fields asked for; absent ones stay absent."""
    told: Json = {}
    for one in fields:
        value = _insights_field(ask, post, one) if one.name == "insights" else _public_field(ask, post, one.name)
        if value is not None:
            told[one.name] = project(value, one.inside)
    return told | {"id": post.post_id}


def _public_field(ask: Ask, post: Post, name: str) -> Any:
    now = counters(post, ask.now)
    match name:
        case "reactions":
            return {"data": [], "summary": {"total_count": now["likes"]}}
        case "comments":
            return {"data": [], "summary": {"total_count": now["comments"]}}
        case "shares":
            return {"count": now["shares"]} if now["shares"] else None
        case "from":
            return {"name": post.account.name, "id": post.account.account_id}
    return post.payload.get(name)


def _insights_field(ask: Ask, post: Post, one: Field) -> Json:
    names = nested_metrics(one)
    period = one.arguments.get("period", ("lifetime",))[0]
    return _insights_body(ask, post, names, period)


def post_insights(ask: Ask, post: Post) -> Answer:
    """Lifetime metrics of one post."""
    check_page_token(ask, post.account)
    body = _insights_body(ask, post, graph.metric_names(ask), ask.params.get("period", "lifetime"))
    return Answer(body=body, objects=len(body["data"]), account=post.account.account_id)


def _insights_body(ask: Ask, post: Post, names: Sequence[str], period: str) -> Json:
    check_names(names, POST_METRICS - ask.policy.retired)
    values = metrics(post, ask)
    told = [] if post.without_insights or period != "lifetime" else names
    data = [graph.insight(post.post_id, name, period, values=[{"value": values[name]}]) for name in told]
    window = (post.created_at - DAY, post.created_at + DAY)
    return {"data": data, "paging": graph.window_paging(ask, window, with_token=True)}


def check_names(names: Sequence[str], allowed: frozenset[str]) -> None:
    """One dead or mistyped name fails the whole call."""
    if any(name not in allowed for name in names):
        raise graph.error(100, "(#100) The value must be a valid insights metric")


def reactions(total: int) -> dict[str, int]:
    """Reactions by type; types that never occurred are absent."""
    love, wow, sorry = total // 5, total // 17, total // 43
    by_type = {"like": total - love - wow - sorry, "love": love, "wow": wow, "sorry": sorry}
    return {name: count for name, count in by_type.items() if count}


def metrics(post: Post, ask: Ask) -> Mapping[str, Any]:
    """Every insight of a post at the moment."""
    now = counters(post, ask.now)
    by_type = reactions(now["likes"])
    acted = {"like": now["likes"], "comment": now["comments"], "share": now["shares"]}
    acted = {name: count for name, count in acted.items() if count}
    clicks = now["clicks"]
    parts = {"link clicks": clicks // 2, "photo view": clicks // 4, "other clicks": clicks - clicks // 2 - clicks // 4}
    views, watched = now["video_views"], now["watch_ms"]
    return {
        "post_media_view": now["impressions"],
        "post_total_media_view_unique": now["reach"],
        "post_clicks": clicks,
        "post_clicks_by_type": {name: count for name, count in parts.items() if count},
        "post_reactions_by_type_total": by_type,
        **{
            f"post_reactions_{name}_total": by_type.get(name, 0)
            for name in ("like", "love", "wow", "haha", "sorry", "anger")
        },
        "post_activity_by_action_type": acted,
        "post_activity_by_action_type_unique": acted,
        "post_video_views": views,
        "post_video_view_time": watched,
        "post_video_avg_time_watched": watched // views if views else 0,
        "post_video_length": 61_000 if post.content_type in ("video", "reel") else 0,
    }


def page_insights(ask: Ask, account: Account) -> Answer:
    """Daily series of a Page: 90 days per call, days end at Pacific midnight."""
    check_page_token(ask, account)
    names = graph.metric_names(ask)
    check_names(names, PAGE_METRICS - ask.policy.retired)
    period = ask.params.get("period", "day")
    if period not in PERIODS:
        choices = ", ".join(sorted(PERIODS))
        raise graph.error(100, f"(#100) period must be one of the following values: {choices}")
    if ask.params.get("breakdown") and (names != ["page_media_view"] or ask.params["breakdown"] != "is_from_ads"):
        raise graph.error(100, "(#100) An unknown error has occurred.")
    window = graph.series_window(ask, LONGEST_WINDOW_DAYS)
    days = graph.known_days(ask, account, window, lag=LAG_DAYS)
    told = names if period == "day" else [name for name in names if name in GEOGRAPHY and period == "week"]
    by_day = {day: daily(ask, account, day) for day in days} if set(told) - GEOGRAPHY else {}
    data = [_series(ask, account, name, period, days, by_day) for name in told if days]
    body = {"data": data, "paging": graph.window_paging(ask, window, with_token=False)}
    return Answer(body=body, objects=len(data) * len(days), account=account.account_id)


def _series(
    ask: Ask, account: Account, name: str, period: str, days: Sequence[date], by_day: Mapping[date, Json]
) -> Json:
    flag = {"is_from_ads": "0"} if ask.params.get("breakdown") else {}
    values = [
        {
            "value": audience.facebook_geography(account, name, day) if name in GEOGRAPHY else by_day[day][name],
            "end_time": meta_time(pacific_end(day)),
            **flag,
        }
        for day in days
    ]
    return graph.insight(account.account_id, name, period, values=values)


def daily(ask: Ask, account: Account, day: date) -> Json:
    """The numeric series of a Page on one Pacific day."""
    start, end = pacific_start(day), pacific_end(day)
    gained, lost = audience.flow_on(account, day) or (0, 0)
    grown = activity.gained_between(ask.service.world.posts[account.key], start, end)
    flows = {name: max(0, value) for name, value in grown.items()}
    visits = activity.visits(account, start, "page")
    return {
        "page_follows": audience.stock_on(account, day),
        "page_daily_follows": gained,
        "page_daily_follows_unique": gained,
        "page_daily_unfollows_unique": lost,
        "page_post_engagements": flows["likes"] + flows["comments"] + flows["shares"],
        "page_media_view": flows["impressions"],
        "page_total_media_view_unique": activity.unique(flows["impressions"], account, start),
        "page_views_total": visits,
        "page_total_actions": visits // 20,
        "page_video_views": flows["video_views"],
        "page_video_view_time": flows["watch_ms"],
        "page_actions_post_reactions_total": flows["likes"],
        "page_actions_post_reactions_like_total": reactions(flows["likes"]).get("like", 0),
        "page_lifetime_engaged_followers_unique": flows["likes"],
        "page_messages_new_conversations_unique": visits // 60,
    }
