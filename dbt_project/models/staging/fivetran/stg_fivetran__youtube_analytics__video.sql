{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('youtube_analytics', 'video', {
        'id': 'text',
        'snippet_channel_title': 'text',
        'snippet_description': 'text',
        'snippet_published_at': 'instant',
        'snippet_thumbnails': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as video_id,
        snippet_channel_title as channel_title,
        snippet_description as description,
        snippet_published_at as published_at,
        snippet_thumbnails as thumbnails,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
