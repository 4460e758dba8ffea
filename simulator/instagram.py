"""Instagram business accounts on the Graph API. https://developers.facebook.com/docs/instagram-platform/"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from simulator import activity, audience, graph, graph_lists, instagram_public
from simulator.days import days_within, meta_time, pacific_day, pacific_end, pacific_start
from simulator.exchange import Answer
from simulator.fields import Field, project
from simulator.graph import Ask
from simulator.growth import counters
from simulator.model import Account, Json, Post

LONGEST_WINDOW_DAYS = 30
REACH_BACK_DAYS = 30
MOST_MEDIA = 10_000

ACCOUNT_FIELDS = frozenset(
    {
        "biography",
        "business_discovery",
        "followers_count",
        "follows_count",
        "id",
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
        "children",
        "comments",
        "comments_count",
        "id",
        "insights",
        "is_ai_generated",
        "is_comment_enabled",
        "is_shared_to_feed",
        "like_count",
        "media_audio_type",
        "media_product_type",
        "media_type",
        "media_url",
        "owner",
        "permalink",
        "reposts_count",
        "saved_count",
        "shares_count",
        "shortcode",
        "thumbnail_url",
        "timestamp",
        "total_comments_count",
        "total_like_count",
        "total_views_count",
        "username",
    }
)
MEDIA_METRICS = (
    "impressions",
    "reach",
    "replies",
    "saved",
    "likes",
    "comments",
    "shares",
    "total_interactions",
    "follows",
    "profile_visits",
    "profile_activity",
    "navigation",
    "ig_reels_video_view_total_time",
    "ig_reels_avg_watch_time",
    "views",
    "reels_skip_rate",
    "reposts",
    "facebook_views",
    "crossposted_views",
    "total_views",
    "total_likes",
    "total_comments",
    "link_clicks",
)
"""What the API itself lists; being listed does not mean valid for the media at hand."""
COMMON = frozenset(
    {"views", "reach", "likes", "comments", "saved", "shares", "total_interactions", "reposts"}
    | {"total_views", "total_likes", "total_comments"}
)
FEED_METRICS = COMMON | {"follows", "profile_visits", "profile_activity"}
BY_PRODUCT = {
    "FEED": FEED_METRICS,
    "AD": FEED_METRICS,
    "REELS": COMMON | {"ig_reels_avg_watch_time", "ig_reels_video_view_total_time", "reels_skip_rate"},
    "STORY": instagram_public.STORY_METRICS,
}
ACCOUNT_METRICS = (
    "reach",
    "follower_count",
    "website_clicks",
    "profile_views",
    "online_followers",
    "accounts_engaged",
    "total_interactions",
    "likes",
    "comments",
    "shares",
    "saves",
    "replies",
    "engaged_audience_demographics",
    "reached_audience_demographics",
    "follower_demographics",
    "follows_and_unfollows",
    "profile_links_taps",
    "views",
    "reposts",
    "quotes",
    "content_views",
)
SERIES = frozenset({"reach", "follower_count", "online_followers"})
WITHOUT_TOTAL = frozenset({"follower_count", "online_followers"})
DEMOGRAPHICS = frozenset({"follower_demographics", "engaged_audience_demographics", "reached_audience_demographics"})
LIFETIME = DEMOGRAPHICS | {"online_followers"}
DEMOGRAPHIC_BREAKDOWNS = frozenset({"age", "gender", "city", "country", "age,gender"})
INTERACTIONS = frozenset({"total_interactions", "likes", "comments", "saves", "shares", "reposts"})
PERIODS = frozenset({"day", "week", "days_28", "month", "lifetime", "total_over_range"})


def account_node(ask: Ask, account: Account) -> Answer:
    """The account itself."""
    fields = graph.wanted(ask, "id", ACCOUNT_FIELDS, "IGUser")
    node: Json = {
        "id": account.account_id,
        "username": account.handle,
        "name": account.name,
        "biography": "All that happens here.",
        "website": f"https://{account.handle}.example.com/",
        "followers_count": audience.stock_at(account, ask.now),
        "follows_count": 120,
        "media_count": len(ask.service.world.listed(account, ask.now)),
    }
    kept = {one.name: node[one.name] for one in fields if one.name in node}
    kept |= {one.name: instagram_public.discovery(ask, one) for one in fields if one.name == "business_discovery"}
    return Answer(body=kept | {"id": account.account_id}, objects=1, account=account.account_id)


def media(ask: Ask, account: Account) -> Answer:
    """The account's media, newest first, with whatever fields and nested insights are asked for."""
    fields = graph.wanted(ask, "id", MEDIA_FIELDS, "Media")
    limit = graph.whole(ask, "limit", 25)
    if (
        limit * sum(len(one.arguments.get("metric", ())) for one in fields if one.name == "insights")
        > ask.policy.heaviest
    ):
        raise graph.reduce_data()
    listed = graph.in_window(ask, ask.service.world.listed(account, ask.now)[:MOST_MEDIA])
    page, paging = graph.page_of(ask, listed, default=25)
    data = [media_object(ask, post, fields) for post in page]
    body = {"data": data} | ({"paging": paging} if paging else {})
    return Answer(body=body, objects=len(data), account=account.account_id)


def stories(ask: Ask, account: Account) -> Answer:
    """The account's live stories, newest first; nested insights of one that few have seen fail the whole list."""
    fields = graph.wanted(ask, "id", MEDIA_FIELDS, "Media")
    listed = instagram_public.live_stories(ask, account)
    limit, after = graph.whole(ask, "limit", 25), ask.params.get("after")
    page, paging = graph_lists.page(ask, listed, [one.post_id for one in listed], limit=limit, after=after)
    data = [media_object(ask, post, fields) for post in page]
    return Answer(body=graph_lists.body(data, paging), objects=len(data), account=account.account_id)


def media_node(ask: Ask, post: Post) -> Answer:
    """One media object by its id."""
    fields = graph.wanted(ask, "id", MEDIA_FIELDS, "Media")
    return Answer(body=media_object(ask, post, fields), objects=1, account=post.account.account_id)


def media_object(ask: Ask, post: Post, fields: Sequence[Field]) -> Json:
    """A media object with nothing but the fields asked for; absent ones stay absent."""
    told: Json = {}
    for one in fields:
        if one.name == "insights":
            value: Any = {"data": insights_of(ask, post, one.arguments.get("metric", ()))}
        elif one.name == "comments":
            value = instagram_public.comments_field(ask, post, one)
        else:
            value = _public_field(ask, post, one.name)
        if value is not None:
            told[one.name] = project(value, one.inside)
    return told | {"id": post.post_id}


def _public_field(ask: Ask, post: Post, name: str) -> Any:
    now = counters(post, ask.now)
    counted = {
        "like_count": "likes",
        "comments_count": "comments",
        "saved_count": "saves",
        "shares_count": "shares",
        "total_like_count": "likes",
        "total_comments_count": "comments",
        "total_views_count": "impressions",
    }
    if name in counted:
        return now[counted[name]]
    if name == "owner":
        return {"id": post.account.account_id}
    if name == "children" and "children" not in post.payload:
        return None
    return post.payload.get(name)


def media_insights(ask: Ask, post: Post) -> Answer:
    """Lifetime metrics of one media object."""
    names = graph.metric_names(ask)
    data = insights_of(ask, post, names)
    return Answer(body={"data": data}, objects=len(data), account=post.account.account_id)


def check_names(ask: Ask, names: Sequence[str], allowed: Sequence[str]) -> None:
    """One name that is unknown or dead fails the whole call."""
    if ask.policy.hiccups > 0:
        ask.policy.hiccups -= 1
        raise graph.error(100, "(#100) An unknown error has occurred.")
    alive = [name for name in allowed if name not in ask.policy.retired]
    for position, name in enumerate(names):
        if name not in alive and ask.policy.is_terse:
            raise graph.error(100, "(#100) An unknown error has occurred.")
        if name not in alive:
            choices = ", ".join(alive)
            raise graph.error(100, f"(#100) metric[{position}] must be one of the following values: {choices}")


def check_media_metrics(ask: Ask, post: Post, names: Sequence[str]) -> None:
    """One name that is unknown, dead or not of this product fails the whole call."""
    check_names(ask, names, MEDIA_METRICS)
    if "impressions" in names:
        message = "the impressions metric is no longer supported for the queried media."
        raise graph.error(100, f"(#100) Starting from version v22.0 and above, {message}")
    given = BY_PRODUCT[post.payload["media_product_type"]] - ask.policy.media_without.get(post.post_id, set())
    if refused := [name for name in names if name not in given]:
        listed = ", ".join(refused)
        message = f"(#100) The Media Insights API does not support the {listed} metric for this media product type."
        raise graph.error(100, message)


def insights_of(ask: Ask, post: Post, names: Sequence[str]) -> list[Json]:
    """The metric objects of a media object."""
    check_media_metrics(ask, post, names)
    if post.kind == "story":
        return instagram_public.story_insights(ask, post, list(names), ask.params.get("breakdown"))
    values = media_values(ask, post)
    return [graph.insight(post.post_id, name, "lifetime", values=[{"value": values[name]}]) for name in names]


def media_values(ask: Ask, post: Post) -> Mapping[str, Any]:
    """Every metric of a media object at the moment. Watch times are milliseconds."""
    now = counters(post, ask.now)
    acted = now["likes"] + now["comments"] + now["saves"] + now["shares"]
    return {
        "views": now["impressions"],
        "reach": now["reach"],
        "likes": now["likes"],
        "comments": now["comments"],
        "saved": now["saves"],
        "shares": now["shares"],
        "total_interactions": acted,
        "reposts": 0,
        "follows": now["follows"],
        "profile_visits": now["clicks"],
        "profile_activity": now["clicks"] // 3,
        "total_views": now["impressions"],
        "total_likes": now["likes"],
        "total_comments": now["comments"],
        "ig_reels_avg_watch_time": now["watch_ms"] // now["video_views"] if now["video_views"] else 0,
        "ig_reels_video_view_total_time": now["watch_ms"],
        "reels_skip_rate": 41.7,
    }


def account_insights(ask: Ask, account: Account) -> Answer:
    """Series, totals and demographics of the account: what goes with what is checked as the API does."""
    names = graph.metric_names(ask)
    check_names(ask, names, ACCOUNT_METRICS)
    period = ask.params.get("period")
    if period not in PERIODS:
        choices = ", ".join(sorted(PERIODS))
        raise graph.error(100, f"(#100) period must be one of the following values: {choices}")
    total = ask.params.get("metric_type") == "total_value"
    check_metric_type(names, total=total)
    check_breakdown(names, ask.params.get("breakdown"))
    if period == "lifetime" or set(names) & LIFETIME:
        data = lifetime(ask, account, names, period)
        return Answer(body={"data": data}, objects=len(data), account=account.account_id)
    window = graph.series_window(ask, LONGEST_WINDOW_DAYS)
    data = totals(ask, account, names, window) if total else series(ask, account, names, window)
    body: Json = {"data": data}
    if data and not total:
        body["paging"] = graph.window_paging(ask, window, with_token=False)
    return Answer(body=body, objects=sum(len(one.get("values", [1])) for one in data), account=account.account_id)


def check_metric_type(names: Sequence[str], *, total: bool) -> None:
    """Most metrics are totals only; a few are series only."""
    needing = [name for name in names if name not in SERIES]
    if needing and not total:
        listed = ", ".join(needing)
        message = f"(#100) The following metrics ({listed}) should be specified with parameter metric_type=total_value"
        raise graph.error(100, message)
    refusing = [name for name in names if name in WITHOUT_TOTAL]
    if refusing and total:
        listed = ", ".join(refusing)
        raise graph.error(100, f"(#100) Incompatible metrics ({listed}) with metric type (total_value)")


def check_breakdown(names: Sequence[str], breakdown: str | None) -> None:
    """A breakdown that one of the metrics does not know fails the call, without saying why."""
    if breakdown is None:
        return
    for name in names:
        allowed = {"follow_type", "media_product_type"} if name in ("reach", "views") else set()
        allowed |= {"media_product_type"} if name in INTERACTIONS else set()
        allowed |= {"follow_type"} if name == "follows_and_unfollows" else set()
        allowed |= {"contact_button_type"} if name == "profile_links_taps" else set()
        allowed |= DEMOGRAPHIC_BREAKDOWNS if name in DEMOGRAPHICS else set()
        if breakdown not in allowed:
            raise graph.error(100, "(#100) An unknown error has occurred.")


def lifetime(ask: Ask, account: Account, names: Sequence[str], period: str | None) -> list[Json]:
    """Demographics of the followers; nothing below a hundred followers."""
    if period != "lifetime" or not set(names) <= LIFETIME:
        raise graph.error(100, f"(#100) Incompatible metrics ({', '.join(names)}) with period ({period})")
    breakdown = ask.params.get("breakdown")
    if breakdown is None or set(names) != {"follower_demographics"}:
        return []
    found = audience.instagram_demographics(account, breakdown, ask.now)
    if not found:
        return []
    results = [{"dimension_values": list(values), "value": count} for values, count in found.items()]
    breakdowns = [{"dimension_keys": breakdown.split(","), "results": results}]
    return [
        graph.insight(account.account_id, "follower_demographics", "lifetime", total_value={"breakdowns": breakdowns})
    ]


def series(ask: Ask, account: Account, names: Sequence[str], window: Any) -> list[Json]:
    """Daily values of `reach` and `follower_count` (new followers), each with the Pacific end of its day."""
    if "follower_count" in names:
        asked = days_within(*window)
        if asked and asked[0] < pacific_day(ask.now) - timedelta(days=REACH_BACK_DAYS):
            message = "metric only supports querying data for the last 30 days excluding the current day"
            raise graph.error(100, f"(#100) (follower_count) {message}")
    days = graph.known_days(ask, account, window, lag=1)
    small = audience.stock_at(account, ask.now) < audience.THRESHOLD
    told = [name for name in names if days and not (name == "follower_count" and small)]
    by_day = {day: daily(ask, account, day) for day in days}
    return [
        graph.insight(
            account.account_id,
            name,
            "day",
            values=[{"value": by_day[day][name], "end_time": meta_time(pacific_end(day))} for day in days],
        )
        for name in told
    ]


def totals(ask: Ask, account: Account, names: Sequence[str], window: Any) -> list[Json]:
    """One number per metric for the whole window; a metric without a finished day is left out."""
    data = []
    days = [daily(ask, account, day) for day in graph.known_days(ask, account, window, lag=1)]
    for name in names:
        if name == "follows_and_unfollows":
            data += _follows(ask, account, window)
        elif days:
            total = sum(day.get(name, 0) for day in days)
            data.append(graph.insight(account.account_id, name, "day", total_value={"value": total}))
    return data


def _follows(ask: Ask, account: Account, window: Any) -> list[Json]:
    """Follows and unfollows by `follow_type`; without the breakdown the entry has no value at all."""
    days = graph.known_days(ask, account, window, lag=2)
    if not days or audience.stock_at(account, ask.now) < audience.THRESHOLD:
        return []
    if ask.params.get("breakdown") is None:
        return [graph.insight(account.account_id, "follows_and_unfollows", "day")]
    flows = [audience.flow_on(account, day) or (0, 0) for day in days]
    results = [
        {"dimension_values": ["FOLLOWER"], "value": sum(gained for gained, _ in flows)},
        {"dimension_values": ["NON_FOLLOWER"], "value": sum(lost for _, lost in flows)},
    ]
    breakdowns = [{"dimension_keys": ["follow_type"], "results": results}]
    return [graph.insight(account.account_id, "follows_and_unfollows", "day", total_value={"breakdowns": breakdowns})]


def daily(ask: Ask, account: Account, day: date) -> Json:
    """What an account's insights say of one Pacific day."""
    start, end = pacific_start(day), pacific_end(day)
    grown = activity.gained_between(ask.service.world.posts[account.key], start, end)
    flows = {name: max(0, value) for name, value in grown.items()}
    acted = flows["likes"] + flows["comments"] + flows["saves"] + flows["shares"]
    visits = activity.visits(account, start, "profile")
    gained, _ = audience.flow_on(account, day) or (0, 0)
    return {
        "reach": activity.unique(flows["impressions"], account, start),
        "follower_count": gained,
        "views": flows["impressions"],
        "accounts_engaged": activity.unique(acted, account, start),
        "total_interactions": acted,
        "likes": flows["likes"],
        "comments": flows["comments"],
        "saves": flows["saves"],
        "shares": flows["shares"],
        "replies": 0,
        "reposts": 0,
        "profile_views": visits,
        "website_clicks": visits // 10,
        "profile_links_taps": visits // 25,
    }
