"""The oracle: what a warehouse must hold that has looked at the given instants.

Written from the contract's table of canonical metrics, in Python and from the world, never from the pipeline's SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from simulator import audience
from simulator.days import DAY, pacific_day, platform_day
from simulator.growth import counter, counters
from simulator.model import Account, Post

LOOKBACK = timedelta(days=28)
"""How far back later runs read posts again; the first run reads everything."""
PRIVATE_WINDOW = timedelta(days=30) - timedelta(hours=1)
"""The age up to which X tells the author's own metrics, less the hour an extractor keeps clear of the edge."""
METRICS = (
    "impressions",
    "reach",
    "views",
    "clicks",
    "likes",
    "reactions",
    "comments",
    "shares",
    "reposts",
    "quotes",
    "saves",
    "video_views",
    "watch_time_seconds",
)
Posts = Mapping[tuple[str, str], tuple[Post, ...]]
Row = dict[str, Any]


def expected_posts(
    accounts: Sequence[Account], posts: Posts, observed_at: Sequence[datetime], *, lookback: timedelta = LOOKBACK
) -> list[Row]:
    """One row per organic post visible at the last instant, with the values an observer of all instants holds.

    Instants are of the simulator's clock, oldest first. `text` is None where the platform sent no text field. A post is
    deleted when two looks have missed it; of one that was edited there is the newest version alone.
    """
    rows = []
    for account in accounts:
        for post in posts[account.key]:
            if post.is_organic and _was_seen(post, observed_at):
                is_deleted = _is_deleted(post, observed_at, lookback)
                rows.append(_identity(post) | {"is_deleted": is_deleted} | _metrics(post, observed_at, lookback))
    return rows


def _was_seen(post: Post, observed_at: Sequence[datetime]) -> bool:
    """Whether somebody looked while it was there; a version that an edit has replaced is nobody's post any more."""
    replaced = post.is_replaced and post.gone_at is not None and post.gone_at <= observed_at[-1]
    return not replaced and any(post.published_at <= at and post.is_there(at) for at in observed_at)


def _is_covered(post: Post, number: int, observed_at: Sequence[datetime], lookback: timedelta) -> bool:
    return number == 0 or post.created_at >= min(observed_at[number] - lookback, observed_at[number - 1])


def _is_deleted(post: Post, observed_at: Sequence[datetime], lookback: timedelta) -> bool:
    gone_at = post.gone_at
    missed = [
        at
        for number, at in enumerate(observed_at)
        if gone_at is not None and at >= gone_at and _is_covered(post, number, observed_at, lookback)
    ]
    return not post.is_replaced and len(missed) >= 2


def _identity(post: Post) -> Row:
    account = post.account
    return {
        "business_id": account.business_id,
        "platform": account.platform,
        "account_id": account.account_id,
        "post_id": post.post_id,
        "published_at": post.published_at,
        "content_type": post.content_type,
        "text": post.text,
        "permalink": post.permalink,
        "hashtags": list(post.hashtags),
    }


def last_read(post: Post, observed_at: Sequence[datetime], lookback: timedelta) -> datetime:
    """The last instant at which a run read the post again.

    A later run reads what was created within its lookback or since the run before it, whichever reaches further.
    """
    read = [
        at
        for number, at in enumerate(observed_at)
        if post.published_at <= at and post.is_there(at) and _is_covered(post, number, observed_at, lookback)
    ]
    return read[-1]


def _metrics(post: Post, observed_at: Sequence[datetime], lookback: timedelta) -> Row:
    at = last_read(post, observed_at, lookback)
    unknown: Row = dict.fromkeys(METRICS)
    match post.account.platform:
        case "linkedin":
            known = _linkedin(post, at)
        case "twitter":
            known = _x(post, at) | {"clicks": _x_clicks(post, observed_at)}
        case "facebook":
            known = _facebook(post, at)
        case _:
            known = _instagram(post, at)
    return unknown | known


def _linkedin(post: Post, at: datetime) -> Row:
    """LinkedIn leaves a post without any activity out of its statistics: nothing is known of it."""
    now = counters(post, at)
    if not any(now.values()):
        return {}
    return {
        "impressions": now["impressions"],
        "reach": None if post.without_reach else now["reach"],
        "clicks": now["clicks"],
        "likes": now["likes"],
        "reactions": now["likes"],
        "comments": now["comments"],
        "shares": now["shares"],
    }


def _x(post: Post, at: datetime) -> Row:
    now = counters(post, at)
    return {
        "impressions": now["impressions"],
        "likes": now["likes"],
        "reactions": now["likes"],
        "comments": now["comments"],
        "shares": now["reposts"] + now["quotes"],
        "reposts": now["reposts"],
        "quotes": now["quotes"],
        "saves": now["saves"],
        "video_views": now.get("video_views"),
    }


def _x_clicks(post: Post, observed_at: Sequence[datetime]) -> int | None:
    """Link clicks as last told while the post was young enough; None when nobody looked in time."""
    young = [
        at
        for at in observed_at
        if post.published_at <= at and post.is_there(at) and at - post.published_at <= PRIVATE_WINDOW
    ]
    return counter(post, "clicks", young[-1]) if young else None


def _facebook(post: Post, at: datetime) -> Row:
    """Without insights the public counters are still there."""
    now = counters(post, at)
    public = {
        "likes": now["likes"],
        "reactions": now["likes"],
        "comments": now["comments"],
        "shares": now["shares"],
    }
    if post.without_insights:
        return public
    return public | {
        "impressions": now["impressions"],
        "views": now["impressions"],
        "reach": now["reach"],
        "clicks": now["clicks"],
        "video_views": now["video_views"],
        "watch_time_seconds": now["watch_ms"] / 1000,
    }


def _instagram(post: Post, at: datetime) -> Row:
    now = counters(post, at)
    moving = post.content_type in ("reel", "video")
    return {
        "impressions": now["impressions"],
        "views": now["impressions"],
        "reach": now["reach"],
        "likes": now["likes"],
        "reactions": now["likes"],
        "comments": now["comments"],
        "shares": now["shares"],
        "saves": now["saves"],
        "video_views": now["impressions"] if moving else None,
        "watch_time_seconds": now["watch_ms"] / 1000 if post.content_type == "reel" else None,
    }


def local_day(account: Account, at: datetime) -> date:
    """The calendar day of the account's business."""
    return at.astimezone(ZoneInfo(account.timezone)).date()


def expected_account_daily(accounts: Sequence[Account], posts: Posts, observed_at: Sequence[datetime]) -> list[Row]:
    """Account x day: followers_count, gained, lost, net, from_series, from_profile.

    `from_profile` is the stock the profile told on the business's day of an observation, `from_series` the one of
    Facebook's daily series; `followers_count` is the series' where both exist. Days are the platform's own for flows
    (UTC, Pacific). Rows reach as far back as the platform tells on the first observation (LinkedIn a year,
    Facebook the whole history, Instagram's follows 365 days); an extractor that asks for less has fewer.
    """
    rows: list[Row] = []
    for account in accounts:
        days: dict[date, Row] = {}
        for at in observed_at:
            for day, flow in _told_flows(account, at).items():
                days.setdefault(day, {}).update(flow)
            days.setdefault(local_day(account, at), {})["from_profile"] = audience.stock_at(account, at)
        rows += [_daily_row(account, day, days[day]) for day in sorted(days)]
    return rows


def _daily_row(account: Account, day: date, known: Row) -> Row:
    empty = dict.fromkeys(("followers_count", "gained", "lost", "net", "from_series", "from_profile"))
    series = known.get("from_series")
    stock = series if series is not None else known.get("from_profile")
    return {
        "business_id": account.business_id,
        "platform": account.platform,
        "account_id": account.account_id,
        "day": day,
        **empty,
        **known,
        "followers_count": stock,
    }


def newest_day(platform: str, at: datetime) -> date:
    """The newest day of which the platform tells follower movements."""
    lag = {"linkedin": 2, "facebook": 2, "instagram": 2}[platform]
    return platform_day(platform, at) - timedelta(days=lag)


def _told_flows(account: Account, at: datetime) -> dict[date, Row]:
    """Follower movements by day, as told at an instant. X tells none."""
    if account.platform == "twitter":
        return {}
    day = newest_day(account.platform, at)
    if account.platform == "instagram" and audience.stock_at(account, at) < audience.THRESHOLD:
        return {}
    told: dict[date, Row] = {}
    oldest = _oldest_day(account, at)
    while day >= oldest:
        flow = audience.flow_on(account, day)
        if flow is not None:
            told[day] = _flow_row(account, day, *flow)
        day -= DAY
    return told


def _oldest_day(account: Account, at: datetime) -> date:
    if account.platform == "facebook":
        return account.followers.first_day
    today = pacific_day(at) if account.platform == "instagram" else platform_day("linkedin", at)
    return max(account.followers.first_day, today - timedelta(days=365))


def _flow_row(account: Account, day: date, gained: int, lost: int) -> Row:
    if account.platform == "linkedin":
        return {"net": gained - lost}
    row: Row = {"gained": gained, "lost": lost, "net": gained - lost}
    if account.platform == "facebook":
        row["from_series"] = audience.stock_on(account, day)
    return row


def expected_demographics(accounts: Sequence[Account], observed_at: Sequence[datetime]) -> list[Row]:
    """Account x day x dimension x value: followers and their share (0 to 100) of the values listed.

    Days are the business's own. `age_gender` values are written `25-34,F`. X has none.
    """
    rows: dict[tuple[Any, ...], Row] = {}
    for at in observed_at:
        for account in accounts:
            for dimension, found in _demographics(account, at).items():
                for value, followers in found.items():
                    row = _demographic_row(account, local_day(account, at), dimension, value)
                    row |= {"followers": followers, "share": followers * 100 / sum(found.values())}
                    rows[(*account.key, row["day"], dimension, value)] = row
    return list(rows.values())


def _demographic_row(account: Account, day: date, dimension: str, value: str) -> Row:
    return {
        "business_id": account.business_id,
        "platform": account.platform,
        "account_id": account.account_id,
        "day": day,
        "dimension": dimension,
        "value": value,
    }


def _demographics(account: Account, at: datetime) -> dict[str, dict[str, int]]:
    match account.platform:
        case "linkedin":
            return {name: audience.linkedin_facet(account, name, at) for name in audience.LINKEDIN_FACETS}
        case "facebook":
            day = newest_day("facebook", at)
            metrics = {"city": "page_follows_city", "country": "page_follows_country"}
            return {name: audience.facebook_geography(account, metric, day) for name, metric in metrics.items()}
        case "instagram":
            return {
                breakdown.replace(",", "_"): {
                    ",".join(values): count
                    for values, count in audience.instagram_demographics(account, breakdown, at).items()
                }
                for breakdown in ("age", "gender", "age,gender", "city", "country")
            }
    return {}
