"""What BI tools ask of one business, one platform and 90 days: of the marts, and in the best SQL we know of core.

Core here is what the contract names: `dim_posts`, `dim_businesses`, `fct_post_snapshots` and `fct_account_daily`. Both
readings return the same rows (tests/warehouse/test_bi_questions.py), so their times can be compared.

Parameters: `business`, `since` (a date), `until` (the last day, a date) and `since_local` (midnight of `since`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """One question in two readings."""

    name: str
    of_marts: str
    of_core: str


# Days are local, and a day begins up to 14 hours before it does in UTC: the plain comparison leaves the rest unread.
_POSTS = """
with posts as (
    select
        posts.account_id, posts.platform, posts.post_id, posts.published_at, posts.content_type, posts.text,
        posts.permalink, posts.hashtags, posts.deleted_at is not null as is_deleted,
        posts.published_at at time zone businesses.timezone as published_at_local,
        newest.impressions, newest.reach, newest.likes, newest.comments, newest.shares, newest.clicks,
        case
            when coalesce(newest.likes, newest.comments, newest.shares) is not null
                then coalesce(newest.likes, 0) + coalesce(newest.comments, 0) + coalesce(newest.shares, 0)
        end as engagement
    from core.dim_posts as posts
    inner join core.dim_businesses as businesses using (business_id)
    left join lateral (
        select * from core.fct_post_snapshots as snapshots
        where snapshots.post_key = posts.post_key order by snapshots.observed_at desc limit 1
    ) as newest on true
    where
        posts.business_id = %(business)s and posts.excluded_because is null {platform}
        and posts.published_at > ({since})::timestamp at time zone 'UTC' - interval '14 hours'
        and (posts.published_at at time zone businesses.timezone)::date >= {since}
)
"""
_TWITTER = "and posts.platform = 'twitter'"
_OF_TWITTER = _POSTS.format(platform=_TWITTER, since="%(since)s")
_OF_ALL = _POSTS.format(platform="", since="date_trunc('week', %(since)s::timestamp)::date")
_OF_TWO_WINDOWS = _POSTS.format(platform="", since="(%(until)s - 179)")

_SUMS = """
    count(*) as posts, sum(impressions) as impressions, sum(likes) as likes, sum(comments) as comments,
    sum(shares) as shares, sum(clicks) as clicks, sum(engagement) as engagement,
    trim_scale(
        sum(engagement) filter (where impressions is not null) * 100
        / nullif(sum(impressions) filter (where engagement is not null), 0)
    ) as engagement_rate
"""

QUESTIONS = (
    Question(
        "posts of 90 days",
        """
        select post_id, published_at_local, content_type, text, permalink, hashtags, impressions, reach, likes,
            comments, shares, clicks, engagement, engagement_rate, engagement_rate_by_followers, followers_at_publish
        from marts.post_performance
        where business_id = %(business)s and platform = 'twitter' and published_at_local >= %(since_local)s
        order by published_at_local desc, post_id
        """,
        f"""
        {_OF_TWITTER}
        select posts.post_id, posts.published_at_local, posts.content_type, posts.text, posts.permalink, posts.hashtags,
            posts.impressions, posts.reach, posts.likes, posts.comments, posts.shares, posts.clicks, posts.engagement,
            trim_scale(posts.engagement * 100 / nullif(posts.impressions, 0)) as engagement_rate,
            trim_scale(posts.engagement * 100 / nullif(known.followers_count, 0)) as engagement_rate_by_followers,
            known.followers_count as followers_at_publish
        from posts
        left join lateral (
            select days.followers_count from core.fct_account_daily as days
            where
                days.business_id = %(business)s and days.platform = 'twitter' and days.account_id = posts.account_id
                and days.measured_date <= posts.published_at_local::date and days.followers_count is not null
            order by days.measured_date desc limit 1
        ) as known on true
        order by posts.published_at_local desc, posts.post_id
        """,
    ),
    Question(
        "days of 90 days",
        """
        select period_start, posts, impressions, likes, comments, shares, clicks, engagement, engagement_rate
        from marts.analytics_summaries
        where business_id = %(business)s and platform = 'twitter' and period = 'day' and period_start >= %(since)s
        order by period_start
        """,
        f"{_OF_TWITTER} select published_at_local::date as period_start, {_SUMS} from posts group by 1 order by 1",
    ),
    Question(
        "weeks of all platforms",
        """
        select period_start, engagement, impressions from marts.analytics_summaries
        where
            business_id = %(business)s and platform = 'all' and period = 'week'
            and period_start >= date_trunc('week', %(since)s::timestamp)::date
        order by period_start
        """,
        f"""
        {_OF_ALL}
        select date_trunc('week', published_at_local)::date as period_start, sum(engagement), sum(impressions)
        from posts group by 1 order by 1
        """,
    ),
    Question(
        "top posts",
        """
        select rank, post_id, value from marts.top_posts
        where business_id = %(business)s and platform = 'twitter' and window_days = 90 and metric = 'engagement'
        order by rank
        """,
        f"""
        {_OF_TWITTER}
        select row_number() over (order by engagement desc, published_at desc, post_id) as rank, post_id, engagement
        from posts where engagement is not null
        order by rank limit 10
        """,
    ),
    Question(
        "overview beside the 90 days before",
        """
        select platform, posts, impressions, likes, comments, shares, clicks, engagement, engagement_rate,
            previous_posts, previous_impressions, previous_likes, previous_comments, previous_shares, previous_clicks,
            previous_engagement, previous_engagement_rate
        from marts.engagement_overview
        where business_id = %(business)s and window_days = 90 and posts > 0
        order by platform
        """,
        f"""
        {_OF_TWO_WINDOWS},
        summed as (
            select coalesce(platform, 'all') as platform, published_at_local::date < %(since)s as is_before, {_SUMS}
            from posts where published_at_local::date <= %(until)s
            group by grouping sets ((2, platform), (2))
        )
        select present.platform, present.posts, present.impressions, present.likes, present.comments, present.shares,
            present.clicks, present.engagement, present.engagement_rate,
            past.posts, past.impressions, past.likes, past.comments, past.shares, past.clicks, past.engagement,
            past.engagement_rate
        from summed as present
        left join summed as past on present.platform = past.platform and past.is_before
        where not present.is_before
        order by present.platform
        """,
    ),
)
