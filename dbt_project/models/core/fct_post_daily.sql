{{ config(
    unique_key=['post_key', 'activity_date'],
    incremental_strategy='sync_parts',
    pre_hook="{{ claim_runs(['posts', 'post_metrics'], after={
        'dim_posts': ['posts'],
        'fct_post_snapshots': ['posts', 'post_metrics'],
    }) }}",
    indexes=[{'columns': ['business_id', 'timezone']}],
    post_hook=[
        "{{ ensure_index(['business_id', 'activity_date']) }}",
        "{{ note_changes({'day': part_of_day('activity_date'), 'activity': 'post_key'}) }}",
    ],
) }}
-- depends_on: {{ ref('loaded_runs') }}, {{ ref('int_posts_unioned') }}, {{ ref('int_post_metrics_unioned') }}
{#- A post first seen on the day of its publication or one of these many days after it began at 0; an older one did
    not gain what it shows on the day we met it. Platforms tell up to 48 hours late. #}
{%- set days_late = 2 %}
{%- set began_at_zero = 'activity_date - published_date <= ' ~ days_late %}
{%- set metrics = additive_metrics() %}
{%- set opens = 'coalesce(' ~ metrics | join('_opening, ') ~ '_opening) is not null' %}

with businesses as (
    select * from {{ ref('dim_businesses') }}
),

{% if continues() %}
    -- Businesses whose days are cut anew; both ends are one step into the index.
    moved as (
        select businesses.business_id
        from businesses
        where
            businesses.timezone <> (
                select min(present.timezone) from {{ this }} as present
                where present.business_id = businesses.business_id
            )
            or businesses.timezone <> (
                select max(present.timezone) from {{ this }} as present
                where present.business_id = businesses.business_id
            )
    ),

    touched as (
        {{ posts_of_claimed_runs() }}
        union
        select post_key
        from {{ this }}
        where business_id = any(array(select business_id from moved))
    ),
{% endif %}

snapshots as (
    select * from {{ ref('fct_post_snapshots') }}
    {% if continues() %}
        where post_key = any(array(select post_key from touched))
    {% endif %}
),

posts as (
    select * from {{ ref('dim_posts') }}
    {% if continues() %}
        where post_key = any(array(select post_key from touched))
    {% endif %}
),

dated as (
    select
        snapshots.*,
        businesses.timezone,
        cast(snapshots.observed_at at time zone businesses.timezone as date) as activity_date,
        cast(posts.published_at at time zone businesses.timezone as date) as published_date
    from snapshots
    inner join businesses on snapshots.business_id = businesses.business_id
    left join posts on snapshots.post_key = posts.post_key
),

days as (
    select
        post_key,
        business_id,
        platform,
        account_id,
        timezone,
        activity_date,
        published_date,
        {% for metric in metrics %}
            {{ last_known(metric) }} as {{ metric }},
        {% endfor %}
        max(observed_at) as observed_at
    from dated
    group by post_key, business_id, platform, account_id, timezone, activity_date, published_date
),

compared as (
    select
        *,
        {% for metric in metrics %}
            max({{ metric }}) over before as {{ metric }}_before{% if not loop.last %},{% endif %}
        {% endfor %}
    from days
    window before as (
        partition by post_key
        order by activity_date
        rows between unbounded preceding and 1 preceding
    )
),

gained as (
    select
        *,
        {% for metric in metrics %}
            case
                when {{ metric }}_before is not null then {{ metric }}[2] - {{ metric }}_before[2]
                when {{ began_at_zero }} then {{ metric }}[2]
            end as {{ metric }}_gained,
            case
                when {{ metric }}_before is null and {{ began_at_zero }} and {{ metric }} is not null then 0
                when {{ metric }}_before is null then {{ metric }}[2]
            end as {{ metric }}_opening,
        {% endfor %}
        -- The oldest value that a gain of the day is measured from.
        least(
            {% for metric in metrics %}
                case when {{ metric }} is not null then {{ metric }}_before[1] end{% if not loop.last %},{% endif %}
            {% endfor %}
        ) as measured_from
    from compared
),

final as (
    select
        post_key,
        business_id,
        platform,
        account_id,
        activity_date,
        {% for metric in metrics %}
            {{ metric }}_gained as {{ metric }},
        {% endfor %}
        {{ add_known(['likes_gained', 'comments_gained', 'shares_gained']) }} as engagement,
        {% for metric in metrics %}
            {{ metric }}_opening as opening_{{ metric }},
        {% endfor %}
        {{ add_known(['likes_opening', 'comments_opening', 'shares_opening']) }} as opening_engagement,
        {{ opens }} as is_opening,
        greatest(
            activity_date - cast(to_timestamp(measured_from) at time zone timezone as date),
            case when {{ opens }} and {{ began_at_zero }} then greatest(activity_date - published_date, 0) + 1 end
        ) as days_covered,
        timezone,
        observed_at
    from gained
)

select * from final
