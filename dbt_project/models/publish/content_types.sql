{{ config(meta={'key': ['business_id', 'platform', 'content_type']}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

final as (
    select
        business_id,
        platform,
        content_type,
        count(*) as posts,
        {{ mean('engagement') }} as avg_engagement,
        trim_scale(cast(percentile_cont(0.5) within group (order by engagement) as numeric)) as median_engagement,
        {{ engagement_of_set() }}
    from posts
    group by business_id, platform, content_type
)

select * from final
