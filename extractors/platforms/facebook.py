"""Facebook Pages, Graph API v26.0.

Read 2026-11-21: https://developers.facebook.com/docs/graph-api/reference/insights and /page/published_posts. Two
removal waves (2025-11-15, 2026-06-15) hit every version, so only names seen alive in September 2026 are asked; one dead
name fails the whole call, and is found and left out. Pages demand a Page token, which is derived from the credential
once per run.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from extractors.errors import PermissionLost
from extractors.platforms import facebook_comments, facebook_competitors, meta
from extractors.shape import mapping
from extractors.spec import Account, Budget, NeverSilent, Params, Platform, Read, Record, Scope, Stream, Window

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
# Pages get no insights below about a hundred likes; the last two days of them may not be there yet.
HAS_AUDIENCE = "payload @? '$.followers_count ? (@ >= 100)'"
# More posts with nested insights on one page answer "reduce the amount of data".
POSTS_PER_PAGE = 25


def post_params(scope: Scope) -> Params:
    """Posts and their lifetime metrics in one call: field expansion counts as one."""
    insights = meta.nested_insights(scope, ".period(lifetime)")
    return {"fields": f"{POST_FIELDS}{insights}", "limit": str(POSTS_PER_PAGE), **meta.window(scope)}


def page_token_records(scope: Scope, body: object) -> list[Record]:
    """The derived token, for the client alone: this read is never landed.

    None when the answer has none: the credential's own token is then used as it is, and the next call says whether it
    is a Page token.
    """
    token = mapping(body, "page token").get("access_token")
    return [Record("access_token", {"access_token": token})] if isinstance(token, str) and token else []


def daily_params(scope: Scope) -> Params:
    """Parameters of a daily list of page metrics."""
    return {"metric": ",".join(scope.metrics), "period": "day", **meta.window(scope)}


def insights_withheld(account: Account) -> PermissionLost:
    """Without read_insights Meta answers 200 with empty data: https://developers.facebook.com/docs/permissions."""
    return PermissionLost(
        f"{account}: the page's insights are empty for the whole window, though the page has followers",
        f"grant read_insights to the app and token of {account.credential}, and the analyze task on the page",
    )


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
        published_at="ops.instant_of(payload ->> 'created_time')",
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
                metrics=POST_METRICS,
                has_more=True,
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
                params=daily_params,
                metrics=PAGE_METRICS,
                never_silent=NeverSilent(
                    of="profile", where=HAS_AUDIENCE, span=timedelta(days=4), error=insights_withheld
                ),
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
                params=daily_params,
                metrics=("page_follows_city", "page_follows_country"),
                records=meta.series_records("facebook__audience"),
                window=Window(days=90, history=3, oldest=90, lookback=3, calendar=meta.PACIFIC),
            ),
        ),
    ),
    facebook_comments.STREAM,
    facebook_competitors.STREAM,
)


def budgets(account: Account, read: Read) -> Sequence[Budget]:
    """Pages have 4,800 calls per engaged user in 24 hours; the usage header corrects this modest start."""
    return meta.budgets(account)


PLATFORM = Platform(
    key="facebook",
    base_url="https://graph.facebook.com",
    streams=STREAMS,
    version=meta.VERSION,
    lookup=meta.LOOKUP,
    first_day=date(2004, 2, 4),
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
