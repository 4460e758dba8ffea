{{ config(meta={
    'key': ['business_id', 'platform', 'period', 'period_start'],
    'indexes': [['business_id', 'period', 'period_start']],
}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

account_days as (
    select * from {{ ref('fct_account_daily') }}
    where followers_count is not null
),

calendars as (
    select
        businesses.business_id,
        cast(as_of.as_of at time zone businesses.timezone as date) as today
    from {{ ref('dim_businesses') }} as businesses
    cross join {{ ref('as_of') }} as as_of
),

summed as (
    select
        posts.business_id,
        case when grouping(posts.platform) = 1 then 'all' else posts.platform end as platform,
        periods.period,
        periods.period_start,
        count(*) as posts,
        sum(posts.impressions) as impressions,
        sum(posts.likes) as likes,
        sum(posts.comments) as comments,
        sum(posts.shares) as shares,
        sum(posts.clicks) as clicks,
        {{ engagement_of_set() }},
        {{ mean('posts.engagement') }} as avg_engagement_per_post
    from posts
    {{ with_periods('posts.published_date') }}
    group by grouping sets (
        (posts.business_id, posts.platform, periods.period, periods.period_start),
        (posts.business_id, periods.period, periods.period_start)
    )
),

last_known as (
    select distinct on (
        account_days.business_id, account_days.platform, account_days.account_id, periods.period, periods.period_start
    )
        account_days.business_id,
        account_days.platform,
        periods.period,
        periods.period_start,
        account_days.followers_count
    from account_days
    {{ with_periods('account_days.measured_date') }}
    order by
        account_days.business_id,
        account_days.platform,
        account_days.account_id,
        periods.period,
        periods.period_start,
        account_days.measured_date desc
),

followers as (
    select
        business_id,
        case when grouping(platform) = 1 then 'all' else platform end as platform,
        period,
        period_start,
        sum(followers_count) as followers_count
    from last_known
    group by grouping sets ((business_id, platform, period, period_start), (business_id, period, period_start))
),

notes as (
    {{ impression_notes(ref('metric_definitions')) }}
),

final as (
    select
        summed.business_id,
        summed.platform,
        summed.period,
        summed.period_start,
        summed.posts,
        summed.impressions,
        summed.likes,
        summed.comments,
        summed.shares,
        summed.clicks,
        summed.engagement,
        summed.rated_engagement,
        summed.rated_impressions,
        summed.engagement_rate,
        summed.avg_engagement_per_post,
        followers.followers_count,
        calendars.today >= summed.period_start
        and calendars.today < summed.period_start + case summed.period
            when 'day' then interval '1 day'
            when 'week' then interval '7 days'
            else interval '1 month'
        end as is_partial,
        notes.note
    from summed
    inner join calendars on summed.business_id = calendars.business_id
    left join notes on summed.platform = notes.platform
    left join followers
        on
            summed.business_id = followers.business_id
            and summed.platform = followers.platform
            and summed.period = followers.period
            and summed.period_start = followers.period_start
)

select * from final
