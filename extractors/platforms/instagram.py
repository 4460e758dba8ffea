"""Instagram business accounts, Graph API v26.0 (Facebook Login form).

Read 2026-11-21: https://developers.facebook.com/docs/instagram-platform/reference/ (media, media and account insights).
Feed posts and reels share seven metrics, which come nested with the media list; what only reels have is asked for
reels alone, since one metric that a media type lacks fails the whole call. Stories, comments and competitors have
modules of their own; the names of all metrics are in `instagram_metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from extractors.capabilities import MetricRejected, Unmeasured
from extractors.errors import PipelineError
from extractors.platforms import (
    graph_batch,
    instagram_comments,
    instagram_competitors,
    instagram_metrics,
    instagram_stories,
    meta,
)
from extractors.shape import objects, series_key, text
from extractors.spec import (
    Account,
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
from extractors.strict_json import original

MEDIA_FIELDS = (
    "id,caption,media_type,media_product_type,permalink,shortcode,timestamp,like_count,comments_count,"
    "children{id,media_type}"
)
MEDIA_METRICS = instagram_metrics.MEDIA
REELS_METRICS = instagram_metrics.REELS
DEMOGRAPHICS = {"age": "age", "gender": "gender", "age_gender": "age,gender", "city": "city", "country": "country"}
MEDIA_PER_PAGE = 50


def media_params(scope: Scope) -> Params:
    """Media and their shared metrics in one call: field expansion counts as one."""
    fields = f"{MEDIA_FIELDS}{meta.nested_insights(scope)}"
    return {"fields": fields, "limit": str(MEDIA_PER_PAGE), **meta.window(scope)}


def reels_batch(scope: Scope) -> Params:
    """One batch call for up to 50 reels; each element answers for itself."""
    metrics = ",".join(scope.metrics)
    return graph_batch.form(f"{media}/insights?metric={metrics}" for media in scope.ids)


def reels_records(scope: Scope, body: Any) -> list[Record | Unread]:
    """Records of the elements that answered, and the unread ones with their errors.

    Raises an element's error when every element failed, since then it is the account or a metric, not the media.
    """
    parts = graph_batch.elements(body, len(scope.ids), "instagram__post_metrics")
    found: list[Record | Unread] = []
    unread: list[Unread] = []
    for media, element in zip(scope.ids, parts, strict=True):
        try:
            insights = _element_insights(element, scope)
        except PipelineError as error:
            unread.append(Unread(media, error, original(element)))
        else:
            found += [Record(media, insights)] if insights else []
    failed = [one.error for one in unread if not isinstance(one.error, Unmeasured)]
    if failed and len(failed) == len(body):
        raise next((error for error in failed if isinstance(error, MetricRejected)), failed[0])
    return found + unread


def _element_insights(element: Any, scope: Scope) -> Json | None:
    """The insights of one element, None when it has none. Raises what the element says, or that it cannot be read."""
    answer = graph_batch.answer_of(element, scope)
    if error := meta.classify(answer, scope.account):
        raise error
    where = f"{scope.account}: instagram__post_metrics"
    return meta.without_paging(answer.body) if objects(answer.body, "data", where) else None


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
        metrics=instagram_metrics.DEMOGRAPHICS,
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
                path=graph_batch.path,
                params=lambda scope: {},
                form=reels_batch,
                weight=lambda scope: graph_batch.weight(reels_batch(scope)),
                records=reels_records,
                metrics=REELS_METRICS,
                batch=Batch(
                    of="posts",
                    size=graph_batch.LARGEST,
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
                metrics=instagram_metrics.DAY_SERIES,
                params=lambda scope: {"metric": ",".join(scope.metrics), "period": "day", **meta.window(scope)},
                records=meta.series_records("instagram__account_daily"),
                # follower_count is offered for the last 30 days alone, today not among them.
                window=Window(days=30, history=30, oldest=30, lookback=30, calendar=meta.PACIFIC),
            ),
            day_totals("totals", instagram_metrics.DAY_TOTALS, {}, lag=0),
            # The follows of yesterday are often not ready: ask up to the day before.
            day_totals("follows", instagram_metrics.FOLLOWS, {"breakdown": "follow_type"}, lag=1),
        ),
    ),
    Stream(
        platform="instagram",
        name="audience",
        kind="stock",
        reads=tuple(demographic_read(name, breakdown) for name, breakdown in DEMOGRAPHICS.items()),
    ),
    instagram_stories.STREAM,
    instagram_comments.STREAM,
    instagram_competitors.STREAM,
)


def budgets(account: Account, read: Read) -> Sequence[Budget]:
    """Accounts have 4,800 calls per impression in 24 hours; the usage header corrects this modest start."""
    return meta.budgets(account)


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
