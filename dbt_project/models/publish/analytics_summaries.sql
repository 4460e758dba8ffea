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

{%- set measures = [
    'posts', 'impressions', 'likes', 'comments', 'shares', 'clicks', 'engagement', 'rated_engagement',
    'rated_impressions', 'engagement_rate', 'avg_engagement_per_post',
] %}

-- One row per key by grouping and not by a join: of four columns together the planner expects a hundred times fewer
-- rows than there are, and compares all with all.
told as (
    select
        business_id,
        platform,
        period,
        period_start,
        {{ measures | join(', ') }},
        cast(null as numeric) as followers_count
    from summed
    union all
    select
        business_id,
        platform,
        period,
        period_start,
        {% for measure in measures %}
            null as {{ measure }},
        {% endfor %}
        followers_count
    from followers
),

merged as (
    select
        business_id,
        platform,
        period,
        period_start,
        {% for measure in measures %}
            max({{ measure }}) as {{ measure }},
        {% endfor %}
        max(followers_count) as followers_count
    from told
    group by business_id, platform, period, period_start
    having max(posts) is not null
),

notes as (
    {{ impression_notes(ref('metric_definitions')) }}
),

final as (
    select
        merged.business_id,
        merged.platform,
        merged.period,
        merged.period_start,
        {% for measure in measures %}
            merged.{{ measure }},
        {% endfor %}
        merged.followers_count,
        calendars.today >= merged.period_start
        and calendars.today < merged.period_start + case merged.period
            when 'day' then interval '1 day'
            when 'week' then interval '7 days'
            else interval '1 month'
        end as is_partial,
        notes.note
    from merged
    inner join calendars on merged.business_id = calendars.business_id
    left join notes on merged.platform = notes.platform
)

select * from final
