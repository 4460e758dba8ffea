{{ config(meta={
    'key': ['business_id', 'platform', 'period', 'period_start', 'attribution'],
    'indexes': [['business_id', 'attribution', 'period', 'period_start']],
}) }}
{%- set metrics = additive_metrics() %}

with posts as (
    select * from {{ ref('fct_posts') }}
),

gains as (
    select * from {{ ref('fct_post_daily') }}
),

calendars as (
    select
        businesses.business_id,
        cast(as_of.as_of at time zone businesses.timezone as date) as today
    from {{ ref('dim_businesses') }} as businesses
    cross join {{ ref('as_of') }} as as_of
),

attributed as (
    select
        posts.business_id,
        posts.platform,
        'created' as attribution,
        posts.published_date as day,
        cast(null as date) as day_before,
        {% for metric in metrics %}
            posts.{{ metric }},
        {% endfor %}
        posts.engagement,
        cast(null as integer) as days_covered
    from posts
    union all
    select
        gains.business_id,
        gains.platform,
        'activity' as attribution,
        gains.activity_date as day,
        lag(gains.activity_date) over (partition by gains.post_key order by gains.activity_date) as day_before,
        {% for metric in metrics %}
            gains.{{ metric }},
        {% endfor %}
        gains.engagement,
        gains.days_covered
    from gains
    inner join posts on gains.post_key = posts.post_key
),

-- A post moves on many days of a week and counts once: on the first of them.
by_day as (
    select
        business_id,
        platform,
        attribution,
        day,
        count(*) as posts_of_day,
        count(*) filter (
            where day_before is null or date_trunc('week', day_before) <> date_trunc('week', day)
        ) as posts_of_week,
        count(*) filter (
            where day_before is null or date_trunc('month', day_before) <> date_trunc('month', day)
        ) as posts_of_month,
        {% for metric in metrics %}
            sum({{ metric }}) as {{ metric }},
        {% endfor %}
        sum(engagement) as engagement,
        sum(engagement) filter (where impressions is not null) as rated_engagement,
        sum(impressions) filter (where engagement is not null) as rated_impressions,
        max(days_covered) as max_days_covered
    from attributed
    group by business_id, platform, attribution, day
),

summed as (
    select
        by_day.business_id,
        by_day.platform,
        periods.period,
        periods.period_start,
        by_day.attribution,
        cast(
            sum(
                case periods.period
                    when 'day' then by_day.posts_of_day
                    when 'week' then by_day.posts_of_week
                    else by_day.posts_of_month
                end
            ) as bigint
        ) as posts,
        {% for metric in metrics %}
            sum(by_day.{{ metric }}) as {{ metric }},
        {% endfor %}
        sum(by_day.engagement) as engagement,
        sum(by_day.rated_engagement) as rated_engagement,
        sum(by_day.rated_impressions) as rated_impressions,
        max(by_day.max_days_covered) as max_days_covered
    from by_day
    {{ with_periods('by_day.day') }}
    group by by_day.business_id, by_day.platform, periods.period, periods.period_start, by_day.attribution
),

final as (
    select
        summed.business_id,
        summed.platform,
        summed.period,
        summed.period_start,
        summed.attribution,
        summed.posts,
        {% for metric in metrics %}
            summed.{{ metric }},
        {% endfor %}
        summed.engagement,
        summed.rated_engagement,
        summed.rated_impressions,
        -- Restatements may leave a period with fewer than no impressions: no rate.
        case
            when summed.rated_impressions > 0
                then {{ percentage('summed.rated_engagement', 'summed.rated_impressions') }}
        end as engagement_rate,
        summed.max_days_covered,
        calendars.today >= summed.period_start
        and calendars.today < summed.period_start + case summed.period
            when 'day' then interval '1 day'
            when 'week' then interval '7 days'
            else interval '1 month'
        end as is_partial
    from summed
    inner join calendars on summed.business_id = calendars.business_id
)

select * from final
