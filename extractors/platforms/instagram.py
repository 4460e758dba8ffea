"""Instagram business accounts, Graph API v26.0 (Facebook Login form).

Read 2026-11-21: https://developers.facebook.com/docs/instagram-platform/reference/ (media, media and account insights).
Feed posts and reels share seven metrics, which come nested with the media list; what only reels have is asked for
reels alone, since one metric that a media type lacks fails the whole call. Stories have a stream of their own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from extractors.capabilities import MetricRejected
from extractors.errors import ContractBroken
from extractors.platforms import meta
from extractors.shape import LOOK, objects, series_key, text
from extractors.spec import (
    Account,
    Answer,
    Batch,
    Budget,
    Json,
    Params,
    Platform,
    Read,
    Record,
    Scope,
    Stream,
    Unread,
    Window,
)
from extractors.strict_json import NotStrictJson, original, parse

MEDIA_FIELDS = (
    "id,caption,media_type,media_product_type,permalink,shortcode,timestamp,like_count,comments_count,"
    "children{id,media_type}"
)
MEDIA_METRICS = ("views", "reach", "likes", "comments", "saved", "shares", "total_interactions")
REELS_METRICS = ("ig_reels_avg_watch_time", "ig_reels_video_view_total_time")
DAY_TOTALS = (
    "views",
    "accounts_engaged",
    "total_interactions",
    "likes",
    "comments",
    "saves",
    "shares",
    "replies",
    "profile_views",
    "website_clicks",
)
DEMOGRAPHICS = {"age": "age", "gender": "gender", "age_gender": "age,gender", "city": "city", "country": "country"}
MEDIA_PER_PAGE = 50
BATCH_SIZE = 50


def media_params(scope: Scope) -> Params:
    """Media and their shared metrics in one call: field expansion counts as one."""
    fields = f"{MEDIA_FIELDS}{meta.nested_insights(scope)}"
    return {"fields": fields, "limit": str(MEDIA_PER_PAGE), **meta.window(scope)}


def reels_batch(scope: Scope) -> Params:
    """One batch call for up to 50 reels; each element answers for itself."""
    metrics = ",".join(scope.metrics)
    calls = [{"method": "GET", "relative_url": f"{media}/insights?metric={metrics}"} for media in scope.ids]
    return {"batch": json.dumps(calls, separators=(",", ":")), "include_headers": "false"}


def reels_records(scope: Scope, body: Any) -> list[Record | Unread]:
    """Records of the elements that answered, and the unread ones with their errors.

    Raises an element's error when every element failed, since then it is the account or a metric, not the media.
    """
    if not isinstance(body, list) or len(body) != len(scope.ids):
        raise ContractBroken(f"instagram__post_metrics: a batch of {len(scope.ids)} answered otherwise", LOOK)
    found: list[Record | Unread] = []
    unread: list[Unread] = []
    for media, element in zip(scope.ids, body, strict=True):
        answer = _element(element, scope)
        error = meta.classify(answer, scope.account)
        if error is not None:
            unread.append(Unread(media, error, original(element)))
        elif objects(answer.body, "data", "instagram__post_metrics"):
            found.append(Record(media, meta.without_paging(answer.body)))
    if unread and len(unread) == len(body):
        raise next((one.error for one in unread if isinstance(one.error, MetricRejected)), unread[0].error)
    return found + unread


def _element(element: Any, scope: Scope) -> Answer:
    """One element of a batch answer; Meta sends null for an element that timed out."""
    if not isinstance(element, dict):
        return Answer(status=504, headers={}, body=None, at=scope.now)
    try:
        body = parse(str(element.get("body") or "null").encode())
    except NotStrictJson:
        body = None
    return Answer(status=int(element.get("code") or 500), headers={}, body=body, at=scope.now)


def total_records(scope: Scope, body: Any) -> list[Record]:
    """One record per metric of a one-day window, keyed by that day; a metric without a value is not a record."""
    if scope.since is None:
        raise ValueError("day totals need a window")
    day = scope.since.astimezone(meta.PACIFIC).date()
    where = "instagram__account_daily"
    return [
        Record(series_key(scope, text(metric, "name", where), day), metric)
        for metric in objects(body, "data", where)
        if "total_value" in metric
    ]


def demographic_read(name: str, breakdown: str) -> Read:
    """One breakdown of the followers; below 100 followers Instagram answers an empty list."""

    def records(scope: Scope, body: Any) -> list[Record]:
        found: list[Json] = objects(body, "data", "instagram__audience")
        return [Record(series_key(scope, name, scope.today), metric) for metric in found if "total_value" in metric]

    return Read(
        name=name,
        path=meta.edge("insights"),
        metrics=("follower_demographics",),
        params=lambda scope: {
            "metric": ",".join(scope.metrics),
            "period": "lifetime",
            "metric_type": "total_value",
            "breakdown": breakdown,
        },
        records=records,
    )


def day_totals(name: str, metrics: tuple[str, ...], breakdown: Params, lag: int) -> Read:
    """Totals of one day per call: a longer window would give one number for all of it."""
    return Read(
        name=name,
        path=meta.edge("insights"),
        metrics=metrics,
        params=lambda scope: {
            "metric": ",".join(scope.metrics),
            "period": "day",
            "metric_type": "total_value",
            **breakdown,
            **meta.window(scope),
        },
        records=total_records,
        window=Window(days=1, history=30, oldest=365, lookback=3, lag=lag, calendar=meta.PACIFIC),
    )


STREAMS = (
    Stream(
        platform="instagram",
        name="profile",
        kind="stock",
        reads=(
            Read(
                name="account",
                path=meta.node,
                params=lambda scope: {
                    "fields": "id,username,name,biography,website,followers_count,follows_count,media_count"
                },
                records=meta.node_record("account"),
            ),
        ),
    ),
    Stream(
        platform="instagram",
        name="posts",
        kind="entity",
        published_at="ops.instant_of(payload ->> 'timestamp')",
        reads=(
            Read(
                name="media",
                path=meta.edge("media"),
                params=media_params,
                records=meta.objects_with_insights("instagram__posts"),
                next_page=meta.after_cursor,
                page_size=MEDIA_PER_PAGE,
                metrics=MEDIA_METRICS,
                has_more=True,
            ),
        ),
    ),
    Stream(
        platform="instagram",
        name="post_metrics",
        kind="lifetime_metrics",
        reads=(
            Read(
                name="reels",
                path=lambda scope: f"/{meta.VERSION}/",
                params=lambda scope: {},
                form=reels_batch,
                records=reels_records,
                metrics=REELS_METRICS,
                batch=Batch(
                    of="posts",
                    size=BATCH_SIZE,
                    where="payload ->> 'media_product_type' = 'REELS'",
                ),
            ),
        ),
    ),
    Stream(
        platform="instagram",
        name="account_daily",
        kind="daily_series",
        reads=(
            Read(
                name="series",
                path=meta.edge("insights"),
                metrics=("reach", "follower_count"),
                params=lambda scope: {"metric": ",".join(scope.metrics), "period": "day", **meta.window(scope)},
                records=meta.series_records("instagram__account_daily"),
                # follower_count is offered for the last 30 days alone, today not among them.
                window=Window(days=30, history=30, oldest=30, lookback=30, calendar=meta.PACIFIC),
            ),
            day_totals("totals", DAY_TOTALS, {}, lag=0),
            # The follows of yesterday are often not ready: ask up to the day before.
            day_totals("follows", ("follows_and_unfollows",), {"breakdown": "follow_type"}, lag=1),
        ),
    ),
    Stream(
        platform="instagram",
        name="audience",
        kind="stock",
        reads=tuple(demographic_read(name, breakdown) for name, breakdown in DEMOGRAPHICS.items()),
    ),
)


def budgets(account: Account, read: Read) -> Sequence[Budget]:
    """Accounts have 4,800 calls per impression in 24 hours; the usage header corrects this modest start."""
    return (Budget(key=f"instagram:{account.account_id}", calls=600, seconds=600),)


PLATFORM = Platform(
    key="instagram",
    base_url="https://graph.facebook.com",
    streams=STREAMS,
    version=meta.VERSION,
    lookup=meta.LOOKUP,
    first_day=date(2010, 10, 6),
    headers={},
    encode=meta.encode,
    classify=meta.classify,
    usage=meta.usage,
    budgets=budgets,
)
