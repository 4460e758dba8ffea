{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('linkedin_pages', 'post_content', {
        'post_id': 'text',
        'type': 'text',
        'media_id': 'text',
        'article_title': 'text',
        'media_title': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        post_id as post_urn,
        type as content_type,
        media_id as media_urn,
        article_title,
        media_title,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
