{{ config(enabled=reads_fivetran()) }}

with ugc_posts as (
    select
        posts.post_urn,
        'ugc' as kind,
        posts.author_urn,
        posts.commentary,
        posts.created_at,
        posts.first_published_at,
        posts.last_modified_at,
        posts.lifecycle_state,
        posts.feed_distribution,
        contents.content_type,
        contents.media_urn,
        coalesce(contents.article_title, contents.media_title) as title,
        posts.synced_at,
        posts.source_relation
    from {{ ref('stg_fivetran__linkedin_pages__ugc_post_history') }} as posts
    left join {{ ref('stg_fivetran__linkedin_pages__post_content') }} as contents
        on posts.post_urn = contents.post_urn and posts.source_relation = contents.source_relation
),

shares as (
    select
        'urn:li:share:' || posts.share_id as post_urn,
        'share' as kind,
        posts.author_urn,
        posts.commentary,
        posts.created_at,
        posts.first_published_at,
        posts.last_modified_at,
        posts.lifecycle_state,
        posts.feed_distribution,
        contents.content_type,
        contents.media_urn,
        coalesce(contents.article_title, contents.media_title) as title,
        posts.synced_at,
        posts.source_relation
    from {{ ref('stg_fivetran__linkedin_pages__share_history') }} as posts
    left join {{ ref('stg_fivetran__linkedin_pages__share_content') }} as contents
        on posts.share_id = contents.share_id and posts.source_relation = contents.source_relation
),

unioned as (
    select * from ugc_posts
    union all
    select * from shares
),

named as (
    select
        *,
        {{ linkedin_number('post_urn') }} as post_number,
        split_part(author_urn, ':', -1) as account_id
    from unioned
),

final as (
    select
        *,
        {{ fivetran_business('linkedin', ['account_id']) }} as business_id,
        row_number() over (
            partition by post_number, source_relation
            order by last_modified_at desc, synced_at desc, kind
        ) = 1 as is_newest
    from named
)

select * from final
