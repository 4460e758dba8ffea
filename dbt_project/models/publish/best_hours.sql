{{ config(meta={'key': ['business_id', 'platform', 'hour']}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

averaged as (
    select
        business_id,
        platform,
        published_hour as hour,
        count(*) as posts,
        {{ mean('engagement') }} as avg_engagement,
        {{ engagement_of_set() }}
    from posts
    group by business_id, platform, published_hour
),

final as (
    select
        business_id,
        platform,
        hour,
        posts,
        avg_engagement,
        rated_engagement,
        rated_impressions,
        engagement_rate,
        avg_engagement is not null
        and row_number() over (
            partition by business_id, platform
            order by avg_engagement desc nulls last, hour
        ) = 1 as is_best
    from averaged
)

select * from final
