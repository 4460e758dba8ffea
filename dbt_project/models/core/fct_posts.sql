{{ config(
    unique_key='post_key',
    incremental_strategy='delete+insert',
    pre_hook="{{ forget_excluded_posts() }}",
    post_hook=[
        "{{ ensure_index(['changed_at']) }}",
        "{{ ensure_index(['business_id', 'published_date']) }}",
        "{{ ensure_index(['account_id', 'content_type', 'published_at']) }}",
        "{{ ensure_index(['published_at']) }}",
        "{{ note_changes({'post': 'post_key', 'day': part_of_day('published_date'), 'activity': 'post_key'}) }}",
    ],
) }}
{%- set until = changed_until() if follows(ref('dim_posts')) else none %}

with
{% if until %}
    -- Follower counts of a day count for the posts from that day on.
    changed_days as (
        select
            business_id,
            platform,
            account_id,
            min(measured_date) as since_date
        from {{ ref('fct_account_daily') }}
        where changed_at > '{{ until }}'
        group by business_id, platform, account_id
    ),

    changed as (
        select post_key
        from {{ ref('dim_posts') }}
        where changed_at > '{{ until }}'
        union
        select post_key
        from {{ ref('fct_post_snapshots') }}
        where changed_at > '{{ until }}'
        union
        select present.post_key
        from {{ ref('dim_posts') }} as present
        inner join changed_days using (business_id, platform, account_id)
        -- A day begins up to 14 hours before it does in UTC.
        where present.published_at > changed_days.since_date - interval '14 hours'
        union
        select present.post_key
        from {{ ref('dim_posts') }} as present
        inner join {{ ref('dim_businesses') }} as businesses using (business_id)
        where businesses.changed_at > '{{ until }}'
    ),
{% endif %}

posts as (
    select * from {{ ref('dim_posts') }}
    where excluded_because is null
    {% if until %}
        and post_key in (select post_key from changed)
    {% endif %}
),

businesses as (
    select * from {{ ref('dim_businesses') }}
),

snapshots as (
    select * from {{ ref('fct_post_snapshots') }}
),

account_days as (
    select * from {{ ref('fct_account_daily') }}
    where followers_count is not null
),

localized as (
    select
        posts.*,
        posts.published_at at time zone businesses.timezone as published_at_local
    from posts
    inner join businesses on posts.business_id = businesses.business_id
),

measured as (
    select
        localized.*,
        {% for metric in post_metrics() %}
            newest.{{ metric }},
        {% endfor %}
        newest.observed_at as metrics_observed_at,
        known_followers.followers_count as followers_at_publish,
        {{ add_known(['newest.likes', 'newest.comments', 'newest.shares']) }} as engagement
    from localized
    left join lateral (
        select *
        from snapshots
        where snapshots.post_key = localized.post_key
        order by snapshots.observed_at desc
        limit 1
    ) as newest on true
    left join lateral (
        select account_days.followers_count
        from account_days
        where
            account_days.business_id = localized.business_id
            and account_days.platform = localized.platform
            and account_days.account_id = localized.account_id
            and account_days.measured_date <= cast(localized.published_at_local as date)
        order by account_days.measured_date desc
        limit 1
    ) as known_followers on true
),

final as (
    select
        post_key,
        business_id,
        platform,
        account_id,
        post_id,
        published_at,
        published_at_local,
        cast(published_at_local as date) as published_date,
        cast(extract(isodow from published_at_local) as integer) as published_weekday,
        cast(extract(hour from published_at_local) as integer) as published_hour,
        content_type,
        hashtags,
        hashtags_display,
        {% for metric in post_metrics() %}
            {{ metric }},
        {% endfor %}
        engagement,
        {{ percentage('engagement', 'impressions') }} as engagement_rate,
        {{ percentage('engagement', 'reach') }} as engagement_rate_by_reach,
        {{ percentage('engagement', 'followers_at_publish') }} as engagement_rate_by_followers,
        {{ percentage('clicks', 'impressions') }} as click_through_rate,
        {{ percentage('shares', 'impressions') }} as virality_rate,
        followers_at_publish,
        metrics_observed_at,
        first_observed_at,
        greatest(observed_at, metrics_observed_at) as synced_at,
        deleted_at is not null as is_deleted,
        now() as changed_at
    from measured
)

select * from final
