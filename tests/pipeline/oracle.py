"""The marts computed once more, in pandas, straight from the simulator's world: no SQL, no code of the pipeline.

Follows docs/contract.md to the letter. Every function takes posts with engagement and local times (`prepared`) and
gives a frame with the mart's own columns.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

METRICS = (
    "impressions", "reach", "views", "clicks", "likes", "reactions", "comments", "shares", "reposts", "quotes", "saves",
    "video_views", "watch_time_seconds",
)  # fmt: skip
SUMMED = ("impressions", "likes", "comments", "shares", "clicks", "engagement")
SHOWN = (*SUMMED, "saves", "video_views")
RATED = ("rated_engagement", "rated_impressions")
#: Days and counts by business, platform and account.
Followers = dict[tuple[int, str, str], list[tuple[date, float]]]
DEFINITIONS = Path(__file__).parents[2] / "dbt_project" / "seeds" / "core" / "metric_definitions.csv"
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
    for metric in ("clicks", "shares"):
        both = frame[metric].notna() & frame["impressions"].notna()
        frame[f"rated_{metric}"], frame[f"shown_for_{metric}"] = (
            frame[name].where(both) for name in (metric, "impressions")
        )
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
    shares = [f"{kind}_{metric}" for metric in ("clicks", "shares") for kind in ("rated", "shown_for")]
    found = groups[[*SHOWN, *RATED, *shares]].sum(min_count=1)
    found["posts"] = groups.size()
    found["engagement_rate"] = rate(found["rated_engagement"], found["rated_impressions"])
    found["click_through_rate"] = rate(found["rated_clicks"], found["shown_for_clicks"])
    found["virality_rate"] = rate(found["rated_shares"], found["shown_for_shares"])
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
    found = pd.concat(frames, ignore_index=True)
    found["note"] = found["platform"].map(notes())
    return found


def notes() -> dict[str, str]:
    """What an impression is, by platform: the words are data, and those under `all` are put together from them."""
    with DEFINITIONS.open() as file:
        rows = [row for row in csv.DictReader(file) if row["canonical_metric"] == "impressions" and not row["valid_to"]]
    counts = "; ".join(f"{row['platform']}: {row['counts']}" for row in sorted(rows, key=lambda row: row["platform"]))
    together = f"Adds up what platforms count differently; an impression is: {counts}"
    return {row["platform"]: row["comparability_note"] for row in rows} | {"all": together}


def platform_comparison(posts: pd.DataFrame, followers: Followers, today: dict[int, date]) -> pd.DataFrame:
    """Every platform of a business beside the others, and its place among them."""
    overview = engagement_overview(posts, today)
    owners = pd.DataFrame({key[:2] for key in followers}, columns=["business_id", "platform"])
    scopes = owners.merge(pd.DataFrame({"window_days": [7, 30, 90]}), how="cross")
    found = scopes.merge(overview, how="left", on=["business_id", "platform", "window_days"])
    found["posts"] = found["posts"].fillna(0)
    found["note"] = found["platform"].map(notes())
    found["followers_count"] = [
        last_followers(followers, business, platform, today[business] - timedelta(days - 1), today[business])
        for business, platform, days in found[["business_id", "platform", "window_days"]].itertuples(index=False)
    ]
    order = found.sort_values(["engagement_rate", "engagement", "platform"], ascending=[False, False, True])
    found["rank"] = order.groupby(["business_id", "window_days"]).cumcount() + 1
    return found


def counts(followers: pd.DataFrame) -> Followers:
    """The days on which each account's count of followers is known, in order."""
    known = followers[followers["followers_count"].notna()].sort_values("day")
    return {
        key: list(zip(rows["day"], rows["followers_count"], strict=True))
        for key, rows in known.groupby(["business_id", "platform", "account_id"])
    }


def last_followers(followers: Followers, business: int, platform: str, since: date, until: date) -> float | None:
    """The last known counts of a business's accounts between two days (both included), added up."""
    found = [
        [count for day, count in days if since <= day <= until][-1:]
        for key, days in followers.items()
        if key[0] == business and platform in (key[1], "all")
    ]
    known = [count for last in found for count in last]
    return float(sum(known)) if known else None


def spellings(posts: pd.DataFrame) -> pd.DataFrame:
    """How a hashtag is written most often, straight from the texts; of two alike the first in code point order."""
    rows = [
        (post.business_id, post.platform, tag, written(post.text, tag))
        for post in posts.itertuples() for tag in post.hashtags
    ]  # fmt: skip
    found = pd.DataFrame(rows, columns=["business_id", "platform", "hashtag", "display"])
    times = found.value_counts().reset_index()
    order = times.assign(bytes=times["display"].map(str.encode)).sort_values(
        ["count", "bytes"], ascending=[False, True]
    )
    return order.groupby(["business_id", "platform", "hashtag"], as_index=False)["display"].first()


def written(text: str, tag: str) -> str:
    """The first spelling of a tag in a text."""
    for start in (match.end() for match in re.finditer("[#\uff03]", text)):
        length = next((n for n, char in enumerate(text[start:]) if not _is_tag(char)), len(text) - start)
        spelling = text[start : start + length]
        if unicodedata.normalize("NFC", spelling).casefold() == tag:
            return spelling
    raise AssertionError(f"{tag} does not stand in {text!r}")


def _is_tag(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN" or char == "_"


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
    found = pd.DataFrame(rows, columns=["business_id", "platform", "window_days", "metric", "rank", "post_id", "value"])
    about = posts[["business_id", "post_id", "account_id", "published_at", "platform"]]
    found = found.merge(about.rename(columns={"platform": "post_platform"}), on=["business_id", "post_id"])
    found["note"] = found["platform"].map(notes())
    return found


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
    keys = ["business_id", "platform", "hashtag"]
    span.columns = [*keys, "first_used_at", "last_used_at"]
    return found.merge(span, on=keys).merge(spellings(posts[posts["text"].notna()]), on=keys)


def todays(now: datetime, timezones: dict[int, str]) -> dict[int, date]:
    """Each business's own day."""
    return {business: now.astimezone(ZoneInfo(name)).date() for business, name in timezones.items()}
