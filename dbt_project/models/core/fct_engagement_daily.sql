{{ config(
    unique_key=['business_id', 'platform', 'attribution', 'day'],
    incremental_strategy='sync_days',
    pre_hook="{{ claim_days() }}",
    indexes=[
        {'columns': ['business_id', 'day']},
        {'columns': ['business_id', 'week_start']},
        {'columns': ['business_id', 'month_start']},
    ],
    post_hook="{{ note_changes({'period': part_of_day('day')}) }}",
) }}
{%- set metrics = additive_metrics() %}

with posts as (
    select posts.* from {{ ref('fct_posts') }} as posts
    {% if continues_by_day() %}
        inner join claimed_days as claimed
            on posts.business_id = claimed.business_id and posts.published_date = claimed.day
    {% endif %}
),

gains as (
    select
        daily.*,
        {% if continues_by_day() %}
            (
                select max(earlier.activity_date)
                from {{ ref('fct_post_daily') }} as earlier
                where earlier.post_key = daily.post_key and earlier.activity_date < daily.activity_date
            ) as day_before
        {% else %}
            lag(daily.activity_date) over (partition by daily.post_key order by daily.activity_date) as day_before
        {% endif %}
    from {{ ref('fct_post_daily') }} as daily
    inner join {{ ref('fct_posts') }} as organic on daily.post_key = organic.post_key
    {% if continues_by_day() %}
        inner join claimed_days as claimed
            on daily.business_id = claimed.business_id and daily.activity_date = claimed.day
    {% endif %}
),

attributed as (
    select
        business_id,
        platform,
        'created' as attribution,
        published_date as day,
        cast(null as date) as day_before,
        {% for metric in metrics %}
            {{ metric }},
        {% endfor %}
        engagement,
        cast(null as integer) as days_covered
    from posts
    union all
    select
        business_id,
        platform,
        'activity' as attribution,
        activity_date as day,
        day_before,
        {% for metric in metrics %}
            {{ metric }},
        {% endfor %}
        engagement,
        days_covered
    from gains
),

-- A post moves on many days of a week and counts once: on the first of them.
final as (
    select
        business_id,
        platform,
        attribution,
        day,
        {{ week_of('day') }} as week_start,
        {{ month_of('day') }} as month_start,
        count(*) as posts_of_day,
        count(*) filter (
            where day_before is null or {{ week_of('day_before') }} <> {{ week_of('day') }}
        ) as posts_of_week,
        count(*) filter (
            where day_before is null or {{ month_of('day_before') }} <> {{ month_of('day') }}
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
)

select * from final
