{{ config(meta={
    'key': ['id'],
    'part': 'post',
    'part_columns': ['id'],
    'indexes': [['business_id', 'platform', 'post_id']],
}) }}

with posts as (
    select * from {{ ref('fct_posts') }}
),

final as (
    select
        post_key as id,
        business_id,
        -- Filled when an application tells which of its posts this is.
        cast(null as text) as published_post_id,
        post_id,
        platform,
        impressions,
        likes,
        comments,
        shares,
        clicks,
        engagement_rate,
        synced_at,
        first_observed_at as created_at
    from posts
)

select * from final
