{{ config(meta={
    'key': ['business_id', 'platform', 'period', 'period_start', 'attribution'],
    'part': 'period',
    'indexes': [['business_id', 'attribution', 'period', 'period_start']],
}) }}
{%- set metrics = additive_metrics() %}

-- Inlined, so that a period that is asked for reaches the index.
with days as not materialized (
    select * from {{ ref('fct_engagement_daily') }}
),

calendars as (
    select
        businesses.business_id,
        cast(as_of.as_of at time zone businesses.timezone as date) as today
    from {{ ref('dim_businesses') }} as businesses
    cross join {{ ref('as_of') }} as as_of
),

-- A part for each period, so that one of them is read by its index.
summed as (
    {% for period, start in [('day', 'day'), ('week', 'week_start'), ('month', 'month_start')] %}
        select
            business_id,
            platform,
            '{{ period }}' as period,
            {{ start }} as period_start,
            attribution,
            cast(sum(posts_of_{{ period }}) as bigint) as posts,
            {% for metric in metrics %}
                sum({{ metric }}) as {{ metric }},
            {% endfor %}
            sum(engagement) as engagement,
            sum(rated_engagement) as rated_engagement,
            sum(rated_impressions) as rated_impressions,
            max(max_days_covered) as max_days_covered
        from days
        group by business_id, platform, {{ start }}, attribution
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
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
