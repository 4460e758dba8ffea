"""The marts computed once more, in pandas, straight from the simulator's world: no SQL, no code of the pipeline.

Follows docs/contract.md to the letter. Every function takes posts with engagement and local times (`prepared`) and
gives a frame with the mart's own columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

METRICS = (
    "impressions", "reach", "views", "clicks", "likes", "reactions", "comments", "shares", "reposts", "quotes", "saves",
    "video_views", "watch_time_seconds",
)  # fmt: skip
SUMMED = ("impressions", "likes", "comments", "shares", "clicks", "engagement")
TOP_METRICS = ("engagement", "engagement_rate", "impressions", "likes", "comments", "shares", "clicks")


def prepared(posts: Iterable[dict[str, object]], timezones: dict[int, str]) -> pd.DataFrame:
    """Posts of the world as a frame, with engagement, its rate, and local wall-clock times."""
    frame = pd.DataFrame(posts)
    for metric in METRICS:
        frame[metric] = pd.to_numeric(frame[metric], errors="raise").astype("float64")
    parts = frame[["likes", "comments", "shares"]]
    frame["engagement"] = parts.sum(axis=1, min_count=1)
    known = frame["engagement"].notna() & frame["impressions"].notna()
    frame["rated_engagement"] = frame["engagement"].where(known)
    frame["rated_impressions"] = frame["impressions"].where(known)
    frame["engagement_rate"] = rate(frame["rated_engagement"], frame["rated_impressions"])
    frame["local"] = [
        at.astimezone(ZoneInfo(timezones[business])).replace(tzinfo=None)
        for at, business in zip(frame["published_at"], frame["business_id"], strict=True)
    ]
    frame["local_date"] = [at.date() for at in frame["local"]]
    return frame


def rate(numerator: pd.Series, denominator: pd.Series) -> pd.Series:
    """Per cent; a denominator that is unknown or 0 gives no rate."""
    return numerator / denominator.where(denominator != 0) * 100


def with_all(posts: pd.DataFrame) -> pd.DataFrame:
    """Every post once under its platform and once under `all`."""
    return pd.concat([posts, posts.assign(platform="all")], ignore_index=True)


def totals(posts: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Counts, sums over what is known, the ratio of sums, and the mean over posts whose engagement is known."""
    groups = posts.groupby(list(keys), dropna=False)
    found = groups[[*SUMMED, "rated_engagement", "rated_impressions"]].sum(min_count=1)
    found["posts"] = groups.size()
    found["engagement_rate"] = rate(found["rated_engagement"], found["rated_impressions"])
    found["avg_engagement"] = groups["engagement"].mean()
    found["median_engagement"] = groups["engagement"].median()
    found["total_engagement"] = found["engagement"]
    found["avg_engagement_per_post"] = found["avg_engagement"]
    return found.reset_index()


def period_start(day: date, period: str) -> date:
    """First day of the day, the week (Monday) or the month a day is in."""
    if period == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "month" else day


def period_end(start: date, period: str) -> date:
    """The first day after a period."""
    if period == "month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=7 if period == "week" else 1)


def analytics_summaries(posts: pd.DataFrame, today: dict[int, date]) -> pd.DataFrame:
    frames = []
    for period in ("day", "week", "month"):
        both = with_all(posts)
        both["period"] = period
        both["period_start"] = [period_start(day, period) for day in both["local_date"]]
        frames.append(totals(both, ["business_id", "platform", "period", "period_start"]))
    found = pd.concat(frames, ignore_index=True)
    found["is_partial"] = [
        start <= today[business] < period_end(start, period)
        for start, business, period in zip(found["period_start"], found["business_id"], found["period"], strict=True)
    ]
    return found


def engagement_overview(posts: pd.DataFrame, today: dict[int, date]) -> pd.DataFrame:
    both = with_all(posts)
    age = pd.Series([(today[b] - d).days for b, d in zip(both["business_id"], both["local_date"], strict=True)])
    frames = []
    for days in (7, 30, 90):
        now = totals(both[(age >= 0) & (age < days)], ["business_id", "platform"])
        before = totals(both[(age >= days) & (age < 2 * days)], ["business_id", "platform"])
        before = before.rename(columns=lambda name: name if name in ("business_id", "platform") else f"previous_{name}")
        frames.append(now.merge(before, how="left", on=["business_id", "platform"]).assign(window_days=days))
    return pd.concat(frames, ignore_index=True)


def top_posts(posts: pd.DataFrame, today: dict[int, date]) -> pd.DataFrame:
    both = with_all(posts)
    both["age"] = [(today[b] - d).days for b, d in zip(both["business_id"], both["local_date"], strict=True)]
    rows = []
    for days in (7, 30, 90):
        inside = both[(both["age"] >= 0) & (both["age"] < days)]
        for metric in TOP_METRICS:
            order = [metric, "published_at", "post_id", "account_id"]
            known = inside[inside[metric].notna()].sort_values(order, ascending=[False, False, True, True])
            for (business, platform), group in known.groupby(["business_id", "platform"]):
                for rank, (_, post) in enumerate(group.head(10).iterrows(), 1):
                    rows.append((business, platform, days, metric, rank, post["post_id"], post[metric]))
    return pd.DataFrame(rows, columns=["business_id", "platform", "window_days", "metric", "rank", "post_id", "value"])


def best(posts: pd.DataFrame, name: str) -> pd.DataFrame:
    """best_hours (`hour`) or best_days (`weekday`, Monday is 1)."""
    local = posts.assign(hour=[at.hour for at in posts["local"]], weekday=[at.isoweekday() for at in posts["local"]])
    found = totals(local, ["business_id", "platform", name])
    ordered = found[found["avg_engagement"].notna()].sort_values(["avg_engagement", name], ascending=[False, True])
    winners = ordered.groupby(["business_id", "platform"]).head(1).index
    found["is_best"] = found.index.isin(winners)
    return found


def content_types(posts: pd.DataFrame) -> pd.DataFrame:
    return totals(posts, ["business_id", "platform", "content_type"])


def hashtags(posts: pd.DataFrame) -> pd.DataFrame:
    tagged = posts.explode("hashtags").rename(columns={"hashtags": "hashtag"})
    tagged = tagged[tagged["hashtag"].notna()]
    found = totals(tagged, ["business_id", "platform", "hashtag"])
    span = tagged.groupby(["business_id", "platform", "hashtag"])["published_at"].agg(["min", "max"]).reset_index()
    span.columns = ["business_id", "platform", "hashtag", "first_used_at", "last_used_at"]
    return found.merge(span, on=["business_id", "platform", "hashtag"])


def todays(now: datetime, timezones: dict[int, str]) -> dict[int, date]:
    """Each business's own day."""
    return {business: now.astimezone(ZoneInfo(name)).date() for business, name in timezones.items()}
