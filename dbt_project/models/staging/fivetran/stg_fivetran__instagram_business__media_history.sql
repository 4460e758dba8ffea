{{ config(enabled=reads_fivetran()) }}

with source as (
    {{ fivetran_table('instagram_business', 'media_history', {
        'id': 'text',
        'user_id': 'text',
        'created_time': 'instant',
        'caption': 'text',
        'permalink': 'text',
        'media_type': 'text',
        'is_story': 'boolean',
        'carousel_album_id': 'text',
        '_fivetran_synced': 'instant',
    }) }}
),

final as (
    select
        id as media_id,
        user_id,
        created_time as created_at,
        caption,
        permalink,
        media_type,
        is_story,
        carousel_album_id,
        _fivetran_synced as synced_at,
        source_relation
    from source
)

select * from final
