{{ config(meta={'key': ['business_id', 'window_days', 'platform']}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

accounts as (
    select * from {{ ref('dim_accounts') }}
),

account_days as (
    select * from {{ ref('fct_account_daily') }}
    where followers_count is not null
),

notes as (
    {{ impression_notes(ref('metric_definitions')) }}
),

windows as (
    {{ post_windows(ref('dim_businesses'), ref('as_of')) }}
),

scopes as (
    select distinct
        windows.business_id,
        windows.window_days,
        accounts.platform,
        windows.since_date,
        windows.until_date
    from windows
    inner join accounts on windows.business_id = accounts.business_id
    where not windows.is_before
),

summed as (
    select
        scopes.business_id,
        scopes.window_days,
        scopes.platform,
        count(*) as posts,
        sum(posts.impressions) as impressions,
        {{ engagement_of_set() }},
        {{ mean('posts.engagement') }} as avg_engagement_per_post
    from scopes
    inner join posts
        on
            scopes.business_id = posts.business_id
            and scopes.platform = posts.platform
            and posts.published_date between scopes.since_date and scopes.until_date
    group by scopes.business_id, scopes.window_days, scopes.platform
),

last_known as (
    select distinct on (scopes.business_id, scopes.window_days, scopes.platform, account_days.account_id)
        scopes.business_id,
        scopes.window_days,
        scopes.platform,
        account_days.followers_count
    from scopes
    inner join account_days
        on
            scopes.business_id = account_days.business_id
            and scopes.platform = account_days.platform
            and account_days.measured_date between scopes.since_date and scopes.until_date
    order by
        scopes.business_id,
        scopes.window_days,
        scopes.platform,
        account_days.account_id,
        account_days.measured_date desc
),

followers as (
    select
        business_id,
        window_days,
        platform,
        sum(followers_count) as followers_count
    from last_known
    group by business_id, window_days, platform
),

final as (
    select
        scopes.business_id,
        scopes.window_days,
        scopes.platform,
        coalesce(summed.posts, 0) as posts,
        summed.impressions,
        summed.engagement,
        summed.rated_engagement,
        summed.rated_impressions,
        summed.engagement_rate,
        summed.avg_engagement_per_post,
        followers.followers_count,
        row_number() over (
            partition by scopes.business_id, scopes.window_days
            order by
                summed.engagement_rate desc nulls last,
                summed.engagement desc nulls last,
                scopes.platform
        ) as rank,
        notes.note
    from scopes
    left join summed using (business_id, window_days, platform)
    left join followers using (business_id, window_days, platform)
    left join notes on scopes.platform = notes.platform
)

select * from final
