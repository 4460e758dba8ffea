{{ config(meta={'key': ['business_id', 'platform', 'window_days', 'metric', 'rank']}) }}
{%- set metrics = ['engagement', 'engagement_rate', 'impressions', 'likes', 'comments', 'shares', 'clicks'] %}

with posts as (
    select * from {{ ref('fct_posts') }}
),

windows as (
    {{ post_windows(ref('dim_businesses'), ref('as_of')) }}
),

in_window as (
    select
        windows.business_id,
        platforms.platform,
        windows.window_days,
        posts.post_key,
        posts.post_id,
        posts.account_id,
        posts.platform as post_platform,
        posts.published_at,
        {% for metric in metrics %}
            posts.{{ metric }}{% if not loop.last %},{% endif %}
        {% endfor %}
    from windows
    inner join posts
        on
            windows.business_id = posts.business_id
            and posts.published_date between windows.since_date and windows.until_date
    cross join lateral (values (posts.platform), ('all')) as platforms (platform)
    where not windows.is_before
),

valued as (
    {% for metric in metrics %}
        select
            *,
            '{{ metric }}' as metric,
            {{ metric }} as value
        from in_window
        where {{ metric }} is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

ranked as (
    select
        business_id,
        platform,
        window_days,
        metric,
        row_number() over (
            partition by business_id, platform, window_days, metric
            order by value desc, published_at desc, post_id, account_id, post_platform
        ) as rank,
        post_id,
        value,
        account_id,
        post_platform,
        published_at
    from valued
),

notes as (
    {{ impression_notes(ref('metric_definitions')) }}
),

final as (
    select
        ranked.*,
        notes.note
    from ranked
    left join notes on ranked.platform = notes.platform
    where ranked.rank <= 10
)

select * from final
