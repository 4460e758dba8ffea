"""Where each stream's payload keeps what the gate judges, as SQL/JSON paths that read like the vendor's reference.

A stream without an entry gets the checks of its kind alone, so a new one needs nothing here. Read 2026-11-21:
LinkedIn https://learn.microsoft.com/linkedin/marketing/community-management/ (posts, share, follower, page statistics);
X https://docs.x.com/x-api/fundamentals/metrics; Meta https://developers.facebook.com/docs/graph-api/reference/insights,
/instagram-platform/api-reference/instagram-media/insights and /instagram-user/insights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Literal

ALL = "*"
Unit = Literal["iso", "epoch_ms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What the payload of one stream must look like; every text is an SQL/JSON path in lax mode."""

    id: tuple[str, ...] = ()  # equals record_key
    owner: tuple[str, ...] = ()  # names the account, written as `owner_form`
    owner_form: str = "{account_id}"
    published: tuple[str, ...] = ()  # the first that exists is the instant of publication
    unit: Unit = "iso"  # how this stream writes instants
    earliest: date = date(2004, 1, 1)  # no platform is older
    required: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # middle part of the key, or ALL -> paths
    metrics: tuple[str, ...] = ()  # numbers or absent, never below zero
    signed: tuple[str, ...] = ()  # numbers or absent, below zero too
    absent: tuple[str, ...] = ()  # must not be there: who is no account of ours is never named
    insights: str | None = None  # Meta's metric objects: `name` with `values` or `total_value`
    name: str | None = None  # equals the middle part of the key
    measured: str | None = None  # the instant a daily value belongs to
    days_after: tuple[int, int] = (0, 0)  # UTC date of `measured` minus the day in the key, least and most


def under(parent: str, *names: str) -> tuple[str, ...]:
    """Return the paths of several members of one object."""
    return tuple(f"{parent}.{name}" for name in names)


# Where Meta names who wrote a comment, and whom it mentions.
MEMBERS = under("$.**", "from", "username", "user", "message_tags")

ORGANIZATION = "urn:li:organization:{account_id}"
SHARE_COUNTS = under(
    "$.totalShareStatistics", "impressionCount", "uniqueImpressionsCount", "clickCount", "commentCount", "shareCount"
)
# Negative after an unlike of a sponsored like, and with it the ratio:
# https://learn.microsoft.com/linkedin/marketing/community-management/organizations/share-statistics
SHARE_SIGNED = under("$.totalShareStatistics", "likeCount", "engagement")

LINKEDIN = {
    "linkedin__profile": Fields(
        owner=("$.id",),
        required={"organization": ("$.id",), "network_size": ("$.firstDegreeSize",)},
        metrics=("$.firstDegreeSize",),
    ),
    "linkedin__posts": Fields(
        id=("$.id",),
        owner=("$.author",),
        owner_form=ORGANIZATION,
        published=("$.publishedAt", "$.createdAt"),  # a draft was created and not published
        unit="epoch_ms",
        required={ALL: ("$.author", "$.lifecycleState")},
    ),
    "linkedin__post_metrics": Fields(
        id=("$.share", "$.ugcPost"),
        owner=("$.organizationalEntity",),
        owner_form=ORGANIZATION,
        required={ALL: ('$.totalShareStatistics ? (@.type() == "object")',)},
        metrics=SHARE_COUNTS,
        signed=SHARE_SIGNED,
    ),
    "linkedin__post_reactions": Fields(
        id=("$.entity",),
        required={ALL: ('$.reactionSummaries ? (@.type() == "object")',)},
        metrics=("$.reactionSummaries.*.count", *under("$.commentSummary", "count", "topLevelCount")),
    ),
    "linkedin__video_metrics": Fields(
        required={ALL: ("$.entity", "$.value")},
        metrics=("$.value",),
    ),
    "linkedin__comments": Fields(
        id=("$.commentUrn", '$."$URN"'),
        absent=("$.message.attributes", "$.*.actor", '$.** ? (@.type() == "string" && @ starts with "urn:li:person:")'),
        published=("$.created.time",),
        unit="epoch_ms",
        required={ALL: ("$.post",)},
        metrics=(*under("$.likesSummary", "totalLikes"), *under("$.commentsSummary", "totalFirstLevelComments")),
    ),
    "linkedin__competitors": Fields(
        required={ALL: ("$.id", "$.firstDegreeSize")},
        metrics=("$.firstDegreeSize",),
    ),
    "linkedin__account_daily": Fields(
        owner=("$.organizationalEntity", "$.organization"),
        owner_form=ORGANIZATION,
        unit="epoch_ms",
        required={
            "share_statistics": ('$.totalShareStatistics ? (@.type() == "object")',),
            "follower_gains": ('$.followerGains ? (@.type() == "object")',),
            "page_statistics": ('$.totalPageStatistics ? (@.type() == "object")',),
            ALL: ("$.timeRange.start",),
        },
        metrics=(*SHARE_COUNTS, *under("$.totalPageStatistics.views.*", "pageViews", "uniquePageViews")),
        # Gains are net: more people left than came.
        signed=(*SHARE_SIGNED, *under("$.followerGains", "organicFollowerGain", "paidFollowerGain")),
        measured="$.timeRange.start",
    ),
    "linkedin__audience": Fields(
        owner=("$.organizationalEntity",),
        owner_form=ORGANIZATION,
        required={ALL: ('$.keyvalue() ? (@.key starts with "followerCountsBy").key',)},
        metrics=under("$.*[*].followerCounts", "organicFollowerCount", "paidFollowerCount"),
    ),
}

POST_COUNTS = ("retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count", "impression_count")
ORGANIC_COUNTS = (
    "impression_count",
    "retweet_count",
    "reply_count",
    "like_count",
    "url_link_clicks",
    "user_profile_clicks",
)
PRIVATE_COUNTS = ("impression_count", "url_link_clicks", "user_profile_clicks", "engagements")
USER_COUNTS = ("followers_count", "following_count", "tweet_count", "listed_count", "like_count", "media_count")

TWITTER = {
    "twitter__profile": Fields(
        owner=("$.id",),
        required={ALL: ("$.id", "$.public_metrics.followers_count")},
        metrics=under("$.public_metrics", *USER_COUNTS),
    ),
    "twitter__posts": Fields(
        id=("$.id",),
        owner=("$.author_id",),
        published=("$.created_at",),
        required={ALL: ("$.author_id", "$.text", '$.public_metrics ? (@.type() == "object")')},
        metrics=(*under("$.public_metrics", *POST_COUNTS), "$.includes.media[*].public_metrics.view_count"),
    ),
    "twitter__post_metrics": Fields(
        id=("$.id",),
        required={ALL: ("$ ? (exists (@.organic_metrics) || exists (@.non_public_metrics))",)},
        metrics=(*under("$.organic_metrics", *ORGANIC_COUNTS), *under("$.non_public_metrics", *PRIVATE_COUNTS)),
    ),
    "twitter__comments": Fields(
        id=("$.id",),
        absent=("$.author_id", "$.in_reply_to_user_id", "$.entities", "$.*.entities", "$.includes"),
        published=("$.created_at",),
        required={ALL: ("$.conversation_id", "$.text")},
        metrics=under("$.public_metrics", *POST_COUNTS),
    ),
    "twitter__competitors": Fields(
        required={ALL: ("$.id", "$.username", "$.public_metrics.followers_count")},
        metrics=under("$.public_metrics", *USER_COUNTS),
    ),
}

FACEBOOK = {
    "facebook__profile": Fields(
        owner=("$.id",),
        required={ALL: ("$.id",)},
        metrics=under("$", "followers_count", "fan_count"),
    ),
    "facebook__posts": Fields(
        id=("$.id",),
        published=("$.created_time",),
        # A life event carries the date of the event: https://developers.facebook.com/docs/graph-api/reference/post
        earliest=date(1800, 1, 1),
        metrics=("$.reactions.summary.total_count", "$.comments.summary.total_count", "$.shares.count"),
        insights="$.insights.data[*]",
    ),
    "facebook__account_daily": Fields(
        required={ALL: ("$.value", "$.end_time")},
        metrics=("$.value",),
        name="$.name",
        # Midnight in California that ends the measured day, 07:00 or 08:00 UTC on the next date.
        measured="$.end_time",
        days_after=(1, 1),
    ),
    "facebook__audience": Fields(
        required={ALL: ('$.value ? (@.type() == "object")', "$.end_time")},
        metrics=("$.value.*",),
        name="$.name",
    ),
    "facebook__comments": Fields(
        id=("$.id",),
        published=("$.created_time",),
        required={ALL: ("$.post_id", '$.is_owner ? (@.type() == "boolean")')},
        metrics=under("$", "like_count", "comment_count"),
        absent=MEMBERS,
    ),
    "facebook__competitors": Fields(
        required={"profile": ("$.id", "$.followers_count"), "post": ("$.id", "$.created_time")},
        metrics=(
            *under("$", "followers_count", "fan_count", "talking_about_count", "shares.count"),
            *under("$", "reactions.summary.total_count", "comments.summary.total_count"),
        ),
    ),
}

INSTAGRAM = {
    "instagram__profile": Fields(
        owner=("$.id",),
        required={ALL: ("$.id",)},
        metrics=under("$", "followers_count", "follows_count", "media_count"),
    ),
    "instagram__posts": Fields(
        id=("$.id",),
        published=("$.timestamp",),
        required={ALL: ("$.media_type",)},
        metrics=under("$", "like_count", "comments_count"),
        insights="$.insights.data[*]",
    ),
    "instagram__post_metrics": Fields(
        required={ALL: ("$.data[*].name",)},
        insights="$.data[*]",
    ),
    "instagram__account_daily": Fields(
        required={ALL: ("$ ? (exists (@.value) || exists (@.total_value))",)},
        metrics=("$.value", "$.total_value.value", "$.total_value.breakdowns[*].results[*].value"),
        name="$.name",
        # Midnight in California, or in the account's own time zone: the vendor says the first, clients saw the second.
        measured="$.end_time",
        days_after=(0, 2),
    ),
    "instagram__audience": Fields(
        required={ALL: ("$.total_value.breakdowns[*].dimension_keys[*]",)},
        metrics=("$.total_value.breakdowns[*].results[*].value",),
    ),
    "instagram__stories": Fields(
        id=("$.id",),
        published=("$.timestamp",),
        required={ALL: ("$.media_type",)},
        metrics=("$.insights.data[*].total_value.breakdowns[*].results[*].value",),
        insights="$.insights.data[*]",
    ),
    "instagram__comments": Fields(
        id=("$.id",),
        published=("$.timestamp",),
        required={ALL: ("$.post_id", '$.is_owner ? (@.type() == "boolean")')},
        metrics=("$.like_count",),
        absent=MEMBERS,
    ),
    "instagram__competitors": Fields(
        required={"profile": ("$.id", "$.followers_count"), "post": ("$.id", "$.timestamp")},
        metrics=under(
            "$", "followers_count", "follows_count", "media_count", "like_count", "comments_count", "view_count"
        ),
    ),
}

FIELDS: Mapping[str, Fields] = MappingProxyType({**LINKEDIN, **TWITTER, **FACEBOOK, **INSTAGRAM})


def fields_of(full_name: str, kind: str) -> Fields:
    """Return what is declared for a stream, else what its kind implies: an entity has its id under `id`."""
    return FIELDS.get(full_name) or Fields(id=("$.id",) if kind == "entity" else ())
