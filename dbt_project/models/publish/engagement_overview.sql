{{ config(meta={'key': ['business_id', 'platform', 'window_days']}) }}
{%- set measures = [
    'posts', 'impressions', 'likes', 'comments', 'shares', 'clicks', 'saves', 'video_views', 'engagement',
    'rated_engagement', 'rated_impressions', 'engagement_rate', 'click_through_rate', 'virality_rate',
    'avg_engagement_per_post',
] %}

with posts as (
    select * from {{ ref('fct_posts') }}
),

accounts as (
    select * from {{ ref('dim_accounts') }}
),

windows as (
    {{ post_windows(ref('dim_businesses'), ref('as_of')) }}
),

summed as (
    select
        windows.business_id,
        case when grouping(posts.platform) = 1 then 'all' else posts.platform end as platform,
        windows.window_days,
        windows.is_before,
        count(*) as posts,
        sum(posts.impressions) as impressions,
        sum(posts.likes) as likes,
        sum(posts.comments) as comments,
        sum(posts.shares) as shares,
        sum(posts.clicks) as clicks,
        sum(posts.saves) as saves,
        sum(posts.video_views) as video_views,
        {{ engagement_of_set() }},
        {{ percentage(
            'sum(posts.clicks) filter (where posts.impressions is not null)',
            'sum(posts.impressions) filter (where posts.clicks is not null)',
        ) }} as click_through_rate,
        {{ percentage(
            'sum(posts.shares) filter (where posts.impressions is not null)',
            'sum(posts.impressions) filter (where posts.shares is not null)',
        ) }} as virality_rate,
        {{ mean('posts.engagement') }} as avg_engagement_per_post
    from windows
    inner join posts
        on
            windows.business_id = posts.business_id
            and posts.published_date between windows.since_date and windows.until_date
    group by grouping sets (
        (windows.business_id, windows.window_days, windows.is_before, posts.platform),
        (windows.business_id, windows.window_days, windows.is_before)
    )
),

-- A window without posts is a row of zero posts, so that silence is seen.
scopes as (
    select distinct
        windows.business_id,
        platforms.platform,
        windows.window_days
    from windows
    inner join accounts on windows.business_id = accounts.business_id
    cross join lateral (values (accounts.platform), ('all')) as platforms (platform)
),

notes as (
    {{ impression_notes(ref('metric_definitions')) }}
),

final as (
    select
        scopes.business_id,
        scopes.platform,
        scopes.window_days,
        {% for measure in measures %}
            {% if measure == 'posts' -%}
                coalesce(present.posts, 0) as posts,
            {%- else -%}
                present.{{ measure }},
            {%- endif %}
        {% endfor %}
        {% for measure in measures %}
            past.{{ measure }} as previous_{{ measure }},
        {% endfor %}
        notes.note
    from scopes
    left join notes on scopes.platform = notes.platform
    left join summed as present
        on
            scopes.business_id = present.business_id
            and scopes.platform = present.platform
            and scopes.window_days = present.window_days
            and not present.is_before
    left join summed as past
        on
            scopes.business_id = past.business_id
            and scopes.platform = past.platform
            and scopes.window_days = past.window_days
            and past.is_before
)

select * from final
