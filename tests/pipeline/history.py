"""The history marts computed once more from what the looks told: gains, trends, falls, values at ages, comparisons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from statistics import median
from typing import Any

import pandas as pd

from tests.pipeline.oracle import METRICS, period_end, period_start
from tests.pipeline.readings import Number, Values, Watched, engagement
from tests.warehouse.history_oracle import AGES, Curve, add, median_rank

ADDITIVE = tuple(name for name in METRICS if name != "reach")
KEYS = ("business_id", "platform", "account_id", "post_id")
#: A post met on the day of its publication, or so many days later, began at 0 (docs/adr/0028).
DAYS_LATE = 2
MATURE = timedelta(days=7)
FEWEST, LAST = 10, 100

Row = dict[str, Any]


def identity(one: Watched) -> Row:
    """The columns that name a post."""
    return dict(zip(KEYS, one.key, strict=True))


def daily(posts: Sequence[Watched]) -> pd.DataFrame:
    """What each post gained by local day, and what it had when a metric was first told."""
    return pd.DataFrame([row for one in posts for row in _days(one)])


def _days(one: Watched) -> Iterator[Row]:
    days: dict[date, Values] = {}
    at: dict[date, datetime] = {}
    for change in one.changes:
        day = change.at.astimezone(one.zone).date()
        told = {name: value for name, value in change.values.items() if value is not None}
        days[day] = days.get(day, dict.fromkeys(METRICS)) | told
        at[day] = change.at
    known: dict[str, tuple[date, Number]] = {}
    for day, values in days.items():
        yield identity(one) | {"activity_date": day, "observed_at": at[day]} | _day(one, day, values, known)


def _day(one: Watched, day: date, values: Values, known: dict[str, tuple[date, Number]]) -> Row:
    gained, opening = dict[str, Number | None].fromkeys(ADDITIVE), dict[str, Number | None].fromkeys(ADDITIVE)
    age, covered = (day - one.published_date).days, []
    for name in ADDITIVE:
        if (value := values[name]) is None:
            continue
        if name in known:
            since, before = known[name]
            gained[name] = value - before
            covered.append((day - since).days)
        elif age <= DAYS_LATE:
            gained[name], opening[name] = value, 0
            covered.append(age + 1)
        else:
            opening[name] = value
        known[name] = (day, value)
    return {
        **gained,
        "engagement": engagement(gained),
        **{f"opening_{name}": value for name, value in opening.items()},
        "opening_engagement": engagement(opening),
        "is_opening": any(value is not None for value in opening.values()),
        "days_covered": max(covered, default=None),
    }


def trends(posts: Sequence[Watched], created: pd.DataFrame, today: dict[int, date]) -> pd.DataFrame:
    """Sums by period: of the days on which posts gained, and of all they have by the day of their publication.

    `created`: the posts of the world with engagement and `local_date`; those without any number count as well.
    """
    gained = daily(posts).rename(columns={"activity_date": "day"}).assign(attribution="activity")
    whole = created.rename(columns={"local_date": "day"}).assign(attribution="created", days_covered=None)
    columns = ["business_id", "platform", "post_id", "attribution", "day", *ADDITIVE, "engagement", "days_covered"]
    both = pd.concat([gained[columns].astype(object), whole[columns].astype(object)], ignore_index=True)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in both.where(both.notna(), None).to_dict("records"):
        for period in ("day", "week", "month"):
            start = period_start(row["day"], period)
            groups[row["business_id"], row["platform"], period, start, row["attribution"]].append(row)
    rows = [_trend(key, group, today) for key, group in groups.items()]
    return pd.DataFrame(rows)


def _trend(key: tuple[Any, ...], group: Sequence[Row], today: dict[int, date]) -> Row:
    business, platform, period, start, attribution = key
    rated = [row for row in group if None not in (row["engagement"], row["impressions"])]
    above, below = (add([row[name] for row in rated]) for name in ("engagement", "impressions"))
    return {
        "business_id": business, "platform": platform, "period": period, "period_start": start,
        "attribution": attribution,
        "posts": len({row["post_id"] for row in group}),
        **{name: add([row[name] for row in group]) for name in (*ADDITIVE, "engagement")},
        "rated_engagement": above,
        "rated_impressions": below,
        "engagement_rate": above * 100 / below if below and below > 0 and above is not None else None,
        "max_days_covered": max((row["days_covered"] for row in group if row["days_covered"]), default=None),
        "is_partial": start <= today[business] < period_end(start, period),
    }  # fmt: skip


def falls(posts: Sequence[Watched]) -> pd.DataFrame:
    """Every fall of a lifetime value."""
    return pd.DataFrame([row for one in posts for row in _falls(one)])


def _falls(one: Watched) -> Iterator[Row]:
    known: dict[str, tuple[datetime, Number]] = {}
    for change in one.changes:
        for name, value in change.values.items():
            if value is None:
                continue
            since, before = known.get(name, (change.at, value))
            if value < before:
                yield identity(one) | {
                    "metric": name, "period": "lifetime", "day": change.at.astimezone(one.zone).date(),
                    "observed_at": change.at, "old_observed_at": since, "old_value": before, "new_value": value,
                    "difference": value - before, "cause": "restated",
                    "delay_hours": (change.at - one.post.published_at) / timedelta(hours=1),
                }  # fmt: skip
            known[name] = (change.at, value)


def curves(posts: Sequence[Watched]) -> Iterator[tuple[Watched, str, Curve]]:
    """Each post's curves of impressions and engagement."""
    for one in posts:
        for metric in ("impressions", "engagement"):
            if (curve := one.curve(metric)) is not None:
                yield one, metric, curve


def velocity(posts: Sequence[Watched], now: datetime) -> pd.DataFrame:
    """Values at ages, and times to shares of the final value where a curve has settled."""
    rows = []
    for one, metric, curve in curves(posts):
        is_young = one.post.published_at > now - MATURE
        because = "younger than 7 days" if is_young else None if curve.is_settled else "not settled"
        row = identity(one) | {
            "metric": metric, "content_type": one.post.content_type, "published_at": one.post.published_at,
            "final_value": curve.known[-1][1],
            "first_seen_hours": (curve.known[0][0] - one.post.published_at) / timedelta(hours=1),
            "censored_because": because, "is_censored": because is not None,
        }  # fmt: skip
        for age, hours in AGES.items():
            row[f"value_{age}"], row[f"is_interpolated_{age}"] = curve.value(hours)
        for name, share in (("hours_to_half", Fraction(1, 2)), ("hours_to_90", Fraction(9, 10))):
            row[name] = None if because else curve.hours_to(share)
        rows.append(row)
    return _floats(pd.DataFrame(rows), [f"value_{age}" for age in AGES] + ["hours_to_half", "hours_to_90"])


def over_performance(posts: Sequence[Watched]) -> pd.DataFrame:
    """Each post against the median of its like at the oldest age at which it has a value."""
    every = list(curves(posts))
    like: dict[tuple[Any, ...], list[tuple[datetime, str, Fraction]]] = defaultdict(list)
    for one, metric, curve in every:
        for hours in AGES.values():
            value = curve.value(hours)[0]
            if value is not None:
                group = (one.key[:3], one.post.content_type, metric, hours)
                like[group].append((one.post.published_at, one.post.post_id, value))
    last = {group: sorted(values, reverse=True)[:LAST] for group, values in like.items()}
    rows = []
    for one, metric, curve in every:
        age = max((hours for hours in AGES.values() if curve.value(hours)[0] is not None), default=None)
        row = identity(one) | {
            "metric": metric, "content_type": one.post.content_type, "published_at": one.post.published_at,
            "age_hours": age,
        }  # fmt: skip
        group = last.get((one.key[:3], one.post.content_type, metric, age), [])
        others = sorted(value for _, post_id, value in group if post_id != one.post.post_id)
        rows.append(row | _compared(*(curve.value(age) if age else (None, None)), others))
    return _floats(pd.DataFrame(rows), ["value", *JUDGED])


JUDGED = ("expected", "expected_low", "expected_high", "ratio", "ratio_low", "ratio_high")


def _compared(value: Fraction | None, is_interpolated: bool | None, others: Sequence[Fraction]) -> Row:
    row: Row = {"value": value, "is_interpolated": is_interpolated, "n": len(others), "not_judged_because": None}
    row |= dict.fromkeys(JUDGED)
    if value is None:
        return row | {"not_judged_because": "not seen at an age to compare"}
    if len(others) < FEWEST:
        return row | {"not_judged_because": f"fewer than {FEWEST} posts to compare with"}
    rank = median_rank(len(others))
    middle, low, high = median(others), others[rank - 1], others[-rank]
    row |= {"expected": middle, "expected_low": low, "expected_high": high}
    if middle <= 0:
        return row | {"not_judged_because": "the usual post has none at this age"}
    return row | {"ratio": value / middle, "ratio_low": value / high, "ratio_high": value / low if low > 0 else None}


def _floats(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return frame.assign(**{name: [None if v is None else float(v) for v in frame[name]] for name in names})
