"""Facebook Pages, Graph API v26.0.

Read 2026-11-21: https://developers.facebook.com/docs/graph-api/reference/insights and /page/published_posts. Two
removal waves (2025-11-15, 2026-06-15) hit every version, so only names seen alive in September 2026 are asked; one dead
name fails the whole call. Pages demand a Page token, which is derived from the credential once per run.
"""

from __future__ import annotations

from collections.abc import Sequence

from extractors.errors import PermissionLost
from extractors.platforms import meta
from extractors.shape import mapping
from extractors.spec import Account, Budget, Params, Platform, Read, Record, Scope, Stream, Window

POST_FIELDS = (
    "id,created_time,updated_time,message,story,permalink_url,status_type,is_published,is_hidden,parent_id,"
    "attachments{media_type,type,url,title,description,target,subattachments},message_tags,shares,"
    "reactions.limit(0).summary(total_count),comments.limit(0).summary(total_count)"
)
POST_METRICS = (
    "post_media_view",
    "post_total_media_view_unique",
    "post_clicks",
    "post_reactions_by_type_total",
    "post_video_views",
    "post_video_view_time",
)
PAGE_METRICS = (
    "page_follows",
    "page_daily_follows_unique",
    "page_daily_unfollows_unique",
    "page_post_engagements",
    "page_media_view",
    "page_total_media_view_unique",
    "page_views_total",
)
# More posts with nested insights on one page answer "reduce the amount of data".
POSTS_PER_PAGE = 25


def post_params(scope: Scope) -> Params:
    """Posts and their lifetime metrics in one call: field expansion counts as one."""
    insights = f"insights.metric({','.join(POST_METRICS)}).period(lifetime){{name,period,values}}"
    return {"fields": f"{POST_FIELDS},{insights}", "limit": str(POSTS_PER_PAGE), **meta.window(scope)}


def page_token_records(scope: Scope, body: object) -> list[Record]:
    """The derived token, for the client alone: this read is never landed."""
    token = mapping(body, "page token").get("access_token")
    if not isinstance(token, str) or not token:
        raise PermissionLost(
            f"{scope.account}: the credential {scope.account.credential} gives no Page token",
            "give its user or system user a task on the page, with pages_show_list and pages_read_engagement",
        )
    return [Record("access_token", {"access_token": token})]


def insights(metrics: Sequence[str]) -> dict[str, str]:
    """Parameters of a daily list of page metrics."""
    return {"metric": ",".join(metrics), "period": "day"}


STREAMS = (
    Stream(
        platform="facebook",
        name="profile",
        kind="stock",
        reads=(
            Read(
                name="page",
                path=meta.node,
                params=lambda scope: {
                    "fields": "id,name,username,link,followers_count,fan_count,category,verification_status"
                },
                records=meta.node_record("page"),
            ),
        ),
    ),
    Stream(
        platform="facebook",
        name="posts",
        kind="entity",
        published_at="(payload ->> 'created_time')::timestamptz",
        # The texts of links and previews are signed and change by themselves.
        volatile=(("attachments", "data", "*", "url"), ("attachments", "data", "*", "target", "url")),
        reads=(
            Read(
                name="published_posts",
                path=meta.edge("published_posts"),
                params=post_params,
                records=meta.objects_with_insights("facebook__posts"),
                next_page=meta.after_cursor,
                page_size=POSTS_PER_PAGE,
            ),
        ),
    ),
    Stream(
        platform="facebook",
        name="account_daily",
        kind="daily_series",
        reads=(
            Read(
                name="page_insights",
                path=meta.edge("insights"),
                params=lambda scope: {**insights(PAGE_METRICS), **meta.window(scope)},
                records=meta.series_records("facebook__account_daily"),
                window=Window(days=90, history=365, oldest=730, lookback=7, calendar=meta.PACIFIC),
            ),
        ),
    ),
    Stream(
        platform="facebook",
        name="audience",
        kind="stock",
        reads=(
            Read(
                name="follower_geography",
                path=meta.edge("insights"),
                # Any period but day and week answers 200 with nothing in it; every day holds the whole stock.
                params=lambda scope: {
                    **insights(("page_follows_city", "page_follows_country")),
                    **meta.window(scope),
                },
                records=meta.series_records("facebook__audience"),
                window=Window(days=90, history=3, oldest=90, lookback=3, calendar=meta.PACIFIC),
            ),
        ),
    ),
)


def budgets(account: Account, read: Read) -> Sequence[Budget]:
    """Pages have 4,800 calls per engaged user in 24 hours; the usage header corrects this modest start."""
    return (Budget(key=f"facebook:{account.account_id}", calls=600, seconds=600),)


PLATFORM = Platform(
    key="facebook",
    base_url="https://graph.facebook.com",
    streams=STREAMS,
    headers={},
    encode=meta.encode,
    classify=meta.classify,
    usage=meta.usage,
    budgets=budgets,
    page_token=Read(
        name="page_token",
        path=meta.node,
        params=lambda scope: {"fields": "access_token"},
        records=page_token_records,
    ),
)
