{{ config(enabled=reads_fivetran()) }}

with posts as (
    select distinct on (post_id, source_relation) *
    from {{ ref('stg_fivetran__facebook_pages__post_history') }}
    order by post_id, source_relation, synced_at desc
),

metrics as (
    select distinct on (post_id, source_relation) *
    from {{ ref('stg_fivetran__facebook_pages__lifetime_post_metrics_total') }}
    order by post_id, source_relation, measured_at desc
),

-- Metrics of what no list holds keep their numbers; their page is the first part of the id.
final as (
    select
        post_id,
        source_relation,
        posts.post_id is not null as is_listed,
        metrics.post_id is not null as has_metrics,
        coalesce(posts.page_id, split_part(metrics.post_id, '_', 1)) as page_id,
        {{ fivetran_business('facebook', ["coalesce(posts.page_id, split_part(metrics.post_id, '_', 1))"]) }}
            as business_id,
        posts.created_at,
        posts.message,
        posts.status_type,
        posts.is_published,
        posts.share_count,
        metrics.clicks,
        metrics.impressions,
        metrics.media_views,
        metrics.like_reactions,
        posts.synced_at
    from posts
    full join metrics using (post_id, source_relation)
)

select * from final
